/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three network namespaces and real sockets in them, the pod programs on the pod's link:
 *
 *   pod 10.1.0.1 fd00:1::1 --- np (programs) node nq --- 10.2.0.3 fd00:2::3 peer
 *
 * The namespaces have no names: they go with this process.  A socket is made in one and used from here.
 * Slot 1 is the pod (link np), the peer is class POD_C of tests/bpf/world.h.
 */
#ifndef WARDER_TESTS_LIVE_H
#define WARDER_TESTS_LIVE_H

#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "world.h"

enum { LIVE_NODE, LIVE_POD, LIVE_PEER, LIVE_SPACES };

static int live_ns[LIVE_SPACES] = {-1, -1, -1};
static struct world_counts live_before[2];

static inline void live_enter(int space)
{
	if (setns(live_ns[space], CLONE_NEWNET))
		abort();
}

/* A shell command in one of the namespaces; false where it failed. */
__attribute__((format(printf, 2, 3))) static inline bool live_run(int space, const char *format,
								  ...)
{
	char command[1024];
	va_list arguments;
	int rc;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	live_enter(space);
	rc = system(command);
	live_enter(LIVE_NODE);
	return rc == 0;
}

static inline bool live_write(int space, const char *path, const char *value)
{
	ssize_t n;
	int fd;

	live_enter(space);
	fd = open(path, O_WRONLY);
	live_enter(LIVE_NODE);
	if (fd < 0)
		return false;
	n = write(fd, value, strlen(value));
	close(fd);
	return n > 0;
}

/* IFLA_LINK_NETNSID, as ip shows it. */
static inline int live_netnsid(const char *link)
{
	char command[64], line[512];
	int id = -1;
	FILE *f;

	snprintf(command, sizeof(command), "ip link show %s", link);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "link-netnsid ");

		if (at)
			id = atoi(at + 13);
	}
	if (f)
		pclose(f);
	return id;
}

/* tcx, or clsact where the kernel has no tcx. */
static inline bool live_attach(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, from, .handle = 1, .priority = 1,
		    .prog_fd = bpf_program__fd(world->progs.warder_from_pod));
	LIBBPF_OPTS(bpf_tc_opts, to, .handle = 1, .priority = 1,
		    .prog_fd = bpf_program__fd(world->progs.warder_to_pod));

	libbpf_set_print(NULL);
	world->links.warder_from_pod =
		bpf_program__attach_tcx(world->progs.warder_from_pod, ifindex, NULL);
	if (world->links.warder_from_pod) {
		world->links.warder_to_pod =
			bpf_program__attach_tcx(world->progs.warder_to_pod, ifindex, NULL);
		return world->links.warder_to_pod != NULL;
	}
	bpf_tc_hook_create(&hook);
	hook.attach_point = BPF_TC_INGRESS;
	if (bpf_tc_attach(&hook, &from))
		return false;
	hook.attach_point = BPF_TC_EGRESS;
	return !bpf_tc_attach(&hook, &to);
}

static inline void live_slot(__u16 flags)
{
	world_slot(1, "10.1.0.1", "fd00:1::1", flags);
}

/* Pod isolated both ways; it may ask the peer's 443 and UDP 53, the peer may ask its 8080 and ping. */
static inline void live_policy(void)
{
	world_deny_all();
	world_allow(WARDER_EGRESS, POD_C, BIT(TCP_443) | BIT(UDP_53));
	world_allow(WARDER_INGRESS, POD_C, BIT(TCP_8080) | BIT(WARDER_PORT_OTHER));
}

/* Counters of now are the zero of live_refused(). */
static inline void live_mark(void)
{
	world_count(1, WARDER_INGRESS, &live_before[WARDER_INGRESS]);
	world_count(1, WARDER_EGRESS, &live_before[WARDER_EGRESS]);
}

/* Packets since live_mark() that were counted with this reason. */
static inline __u64 live_counted(__u32 direction, int reason)
{
	struct world_counts now;

	world_count(1, direction, &now);
	return now.packets[0][reason] - live_before[direction].packets[0][reason];
}

/* Waits, a second at most, until some packet was counted so. */
static inline bool live_counts(__u32 direction, int reason)
{
	for (int i = 0; i < 200; i++) {
		if (live_counted(direction, reason))
			return true;
		usleep(5000);
	}
	return false;
}

/* All refused packets since live_mark(); says what they were. */
static inline __u64 live_refused(const char *what)
{
	__u64 sum = 0;

	for (__u32 direction = 0; direction < 2; direction++)
		for (int reason = WARDER_REASON_DROP; reason < WARDER_REASON_MAX; reason++) {
			__u64 n = live_counted(direction, reason);

			if (n)
				printf("  %s: %llu %s the pod refused: %s\n", what,
				       (unsigned long long)n, direction ? "from" : "to",
				       world_reason_name(reason));
			sum += n;
		}
	return sum;
}

static inline bool live_up(void)
{
	for (int i = 0; i < LIVE_SPACES; i++) {
		if (unshare(CLONE_NEWNET))
			return false;
		live_ns[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		/* Interface numbers are apart in every namespace. */
		for (int k = 0; k < 3 * (2 - i); k++)
			if (system("ip link add t0 type veth peer name t1 && ip link del t0"))
				return false;
		if (system("ip link set lo up"))
			return false;
		/* Nothing waits for duplicate detection. */
		live_write(i, "/proc/sys/net/ipv6/conf/all/accept_dad", "0");
		live_write(i, "/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	}
	live_enter(LIVE_NODE);
	live_write(LIVE_NODE, "/proc/sys/net/ipv4/ip_forward", "1");
	live_write(LIVE_NODE, "/proc/sys/net/ipv6/conf/all/forwarding", "1");
	live_write(LIVE_POD, "/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	live_write(LIVE_POD, "/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	return live_run(
		LIVE_NODE,
		"p=/proc/%d/fd/%d q=/proc/%d/fd/%d; "
		"ip link add np type veth peer name eth0 address 02:00:00:00:00:01 netns $p && "
		"ip link add nq type veth peer name eth0 netns $q && "
		"ip addr add 10.1.0.254/24 dev np && ip addr add 10.2.0.254/24 dev nq && "
		"ip addr add fd00:1::fe/64 dev np nodad && ip addr add fd00:2::fe/64 dev nq nodad",
		getpid(), live_ns[LIVE_POD], getpid(), live_ns[LIVE_PEER]);
}

static inline bool live_addresses(int space, int net, int host)
{
	return live_run(
		space,
		"ip addr add 10.%d.0.%d/24 dev eth0 && "
		"ip addr add fd00:%d::%d/64 dev eth0 nodad && ip link set eth0 up && "
		"ip route add default via 10.%d.0.254 && ip route add default via fd00:%d::fe",
		net, host, net, host, net, net);
}

/* Everything up, the programs attached before the pod's side is: false with a message where it cannot be. */
static inline bool live_start(void)
{
	if (live_ns[0] >= 0)
		return true;
	if (!live_up()) {
		printf("no namespaces\n");
		return false;
	}
	world_peer("10.2.0.3", 258, POD_C, WARDER_PEER_POD, 0);
	world_peer("fd00:2::3", 258, POD_C, WARDER_PEER_POD, 0);
	world_peer("10.1.0.254", WARDER_IDENTITY_HOST, HOST, WARDER_PEER_NODE | WARDER_PEER_HOST,
		   0);
	world_peer("fd00:1::fe", WARDER_IDENTITY_HOST, HOST, WARDER_PEER_NODE | WARDER_PEER_HOST,
		   0);
	world_link(if_nametoindex("np"), 1, 1, live_netnsid("np"));
	live_slot(ISOLATED);
	live_mark();
	if (!live_attach(if_nametoindex("np"))) {
		printf("cannot attach\n");
		return false;
	}
	return live_run(LIVE_NODE, "ip link set np up && ip link set nq up") &&
	       live_addresses(LIVE_POD, 1, 1) && live_addresses(LIVE_PEER, 2, 3);
}

/* Addresses by family (4 or 6) and side. */
struct live_addr {
	struct sockaddr_storage at;
	socklen_t size;
};

static inline struct live_addr live_addr(int family, int space, __u16 port)
{
	struct live_addr ret = {};
	struct sockaddr_in *in = (void *)&ret.at;
	struct sockaddr_in6 *in6 = (void *)&ret.at;

	if (family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		inet_pton(AF_INET, space == LIVE_POD ? "10.1.0.1" : "10.2.0.3", &in->sin_addr);
		ret.size = sizeof(*in);
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, space == LIVE_POD ? "fd00:1::1" : "fd00:2::3", &in6->sin6_addr);
		ret.size = sizeof(*in6);
	}
	return ret;
}

static inline int live_socket(int space, int family, int type, int protocol)
{
	int fd;

	live_enter(space);
	fd = socket(family == 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    protocol);
	live_enter(LIVE_NODE);
	return fd;
}

static inline int live_listen(int space, int family, __u16 port)
{
	struct live_addr any = live_addr(family, space, port);
	int fd = live_socket(space, family, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (void *)&any.at, any.size) || listen(fd, 16)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Waits until `fd` can be read or written. */
static inline bool live_ready(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, ms) == 1 && (p.revents & (events | POLLERR | POLLHUP));
}

/* Begins to connect `fd`: 0, or the errno of the end of the attempt, ETIMEDOUT after `ms`. */
static inline int live_connect(int fd, const struct live_addr *to, int ms)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (!connect(fd, (const void *)&to->at, to->size))
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (!live_ready(fd, POLLOUT, ms))
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error;
}

static inline int live_accept(int listener, int ms)
{
	if (!live_ready(listener, POLLIN, ms))
		return -1;
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Moves `size` bytes from one to the other: how many came within `ms` of silence. */
static inline size_t live_move(int from, int to, size_t size, int ms)
{
	static char buffer[65536];
	size_t sent = 0, got = 0;

	while (got < size) {
		struct pollfd p[2] = {{.fd = to, .events = POLLIN},
				      {.fd = from, .events = sent < size ? POLLOUT : 0}};
		ssize_t n;

		if (poll(p, 2, ms) <= 0)
			break;
		if (p[1].revents & POLLOUT) {
			n = send(from, buffer,
				 size - sent < sizeof(buffer) ? size - sent : sizeof(buffer),
				 MSG_NOSIGNAL);
			if (n > 0)
				sent += n;
		}
		if (p[0].revents) {
			n = recv(to, buffer, sizeof(buffer), 0);
			if (n <= 0)
				break;
			got += n;
		}
	}
	return got;
}

/* TCP's state of a socket: 1 established ... 7 closed. */
static inline int live_state(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) ? -1 : info.tcpi_state;
}

/* Until the socket is in `state`. */
static inline bool live_reaches(int fd, int state, int ms)
{
	for (; ms > 0; ms -= 20) {
		if (live_state(fd) == state)
			return true;
		usleep(20000);
	}
	return false;
}

/* A connection with both ends: of the pod and of the peer. */
struct live_pair {
	int listener, pod, peer;
};

static inline void live_close(struct live_pair *pair)
{
	if (pair->pod >= 0)
		close(pair->pod);
	if (pair->peer >= 0)
		close(pair->peer);
	if (pair->listener >= 0)
		close(pair->listener);
	*pair = (struct live_pair){-1, -1, -1};
}

/* The pod connects to the peer's port, or the other way round; `device`: the pod's socket is bound to it. */
static inline bool live_open(struct live_pair *pair, int family, bool pod_connects, __u16 port,
			     const char *device)
{
	int server = pod_connects ? LIVE_PEER : LIVE_POD,
	    client = pod_connects ? LIVE_POD : LIVE_PEER;
	struct live_addr to = live_addr(family, server, port);
	int fd, accepted;

	*pair = (struct live_pair){-1, -1, -1};
	pair->listener = live_listen(server, family, port);
	fd = live_socket(client, family, SOCK_STREAM, 0);
	if (device)
		setsockopt(pod_connects ? fd : pair->listener, SOL_SOCKET, SO_BINDTODEVICE, device,
			   strlen(device));
	*(pod_connects ? &pair->pod : &pair->peer) = fd;
	if (live_connect(fd, &to, 2000))
		return false;
	accepted = live_accept(pair->listener, 1000);
	*(pod_connects ? &pair->peer : &pair->pod) = accepted;
	return accepted >= 0;
}

#define BULK 400000 /* bytes that take more than one segment and window */

static const int live_families[] = {4, 6};
#define FOR_FAMILIES(f)                                                                            \
	for (int f##_ = 0, f = 4; f##_ < 2; f##_++, f = f##_ < 2 ? live_families[f##_] : 0)

#define LIVE_START()                                                                               \
	do {                                                                                       \
		WORLD_START();                                                                     \
		if (!live_start()) {                                                               \
			CU_FAIL("no world");                                                       \
			return;                                                                    \
		}                                                                                  \
		live_slot(ISOLATED);                                                               \
		world_forget();                                                                    \
		live_policy();                                                                     \
		live_relink();                                                                     \
		live_mark();                                                                       \
	} while (0)

/* world_reset() wrote links and peers of the test runs. */
static inline void live_relink(void)
{
	world_link(if_nametoindex("np"), 1, 1, live_netnsid("np"));
}

#define NONE_REFUSED(what) CU_ASSERT_EQUAL(live_refused(what), 0)

/* Traffic of a whole life in one direction of connecting. */
static inline void live_life(int family, bool pod_connects, const char *what)
{
	struct live_pair pair;

	CU_ASSERT(live_open(&pair, family, pod_connects, pod_connects ? 443 : 8080, NULL));
	CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, BULK, 500), BULK);
	CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, BULK, 500), BULK);
	CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 1, 500), 1);
	live_close(&pair);
	usleep(50000);
	NONE_REFUSED(what);
}

/* close() sends a RST. */
static inline void live_linger(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

#endif
