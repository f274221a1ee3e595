/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of socket_test.c: a pod and a peer as network namespaces, a cgroup with the programs
 * attached, maps filled by hand, and calls of child processes in there.  Everything ends with the
 * process; the namespaces have no names.
 *
 *	cgroup of the test / pod / container      the programs are attached to the first
 *
 *	pod's namespace                 peer's namespace
 *	eth0 10.9.0.2, fd09::2  =====   eth0 10.9.0.1, fd09::1  the pod's own node
 *	                                     10.9.0.3, fd09::3  a peer: TCP 80, UDP 53 and 5353 allowed
 *	                                     10.9.0.4, fd09::4  nobody's: all denied
 */
#ifndef WARDER_TESTS_SOCKET_WORLD_H
#define WARDER_TESTS_SOCKET_WORLD_H

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"
#include "warder/counter.h"
#include "warder/event.h"
#include "warder/flow.h"
#include "warder/peer.h"
#include "warder/slot.h"
#include "warder/verdict.h"

#include "socket.skel.h" /* needs the types above */

#define SLOT	   5
#define GENERATION 7
#define GROUP	   3
#define CLASS_PEER 9
#define PORT_80	   5 /* port classes of this test */
#define PORT_53	   6
#define PORT_TCP   7
#define PORT_UDP   8
#define BITMAP	   2

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct socket_bpf *object;
static struct bpf_link *links[6];
static char cgroup_root[256], cgroup_pod[300], cgroup_container[320];
static int home_ns = -1, pod_ns = -1, peer_ns = -1;
static bool broken;

/* --- the world ------------------------------------------------------------------------------- */

/* A shell command in a namespace; 0 where it went well. */
static int shell(int ns, const char *format, ...)
{
	char command[1024];
	va_list args;
	int status;
	pid_t pid;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	pid = fork();
	if (pid == 0) {
		if (setns(ns, CLONE_NEWNET))
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int new_namespace(void)
{
	int fd = -1;

	if (!unshare(CLONE_NEWNET))
		fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return setns(home_ns, CLONE_NEWNET) ? -1 : fd;
}

static bool write_file(const char *directory, const char *name, const char *text)
{
	char path[400];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

static bool find_cgroup2(char *ret, size_t size)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], path[200], type[64];
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %199s %63s", path, type) == 2 && !strcmp(type, "cgroup2")) {
			snprintf(ret, size, "%s", path);
			found = true;
		}
	}
	if (mounts)
		fclose(mounts);
	return found;
}

static __u64 inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static __u64 pod_inode(void)
{
	struct stat st;

	return fstat(pod_ns, &st) ? 0 : st.st_ino;
}

static void put(struct bpf_map *map, const void *key, const void *value)
{
	CU_ASSERT_EQUAL(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static struct warder_addr address(const char *text)
{
	struct warder_addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, text, a.b + 12) != 1)
		CU_ASSERT_EQUAL(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

static void put_peer(const char *text, struct warder_peer peer)
{
	struct warder_addr a = address(text);

	if (strchr(text, ':'))
		put(object->maps.peer6, &a, &peer);
	else
		put(object->maps.peer4, &a.w[3], &peer);
}

static void put_slot(__u16 flags, __u16 group)
{
	struct warder_slot slot = {
		.now = {.generation = GENERATION,
			.group = group,
			.flags = flags | WARDER_SLOT_LIVE},
		.identity = WARDER_IDENTITY_FIRST,
		.addr4 = {address("10.9.0.2").w[3]},
		.addr6 = {address("fd09::2")},
	};
	__u32 key = SLOT;

	put(object->maps.slots, &key, &slot);
}

static void put_ports(void)
{
	for (__u32 i = 0; i < WARDER_PORT_WORDS; i++) {
		bool tcp = i / 16384 == WARDER_TCP;
		__u16 rest = tcp ? PORT_TCP : PORT_UDP;
		struct warder_port_word word = {.class = {rest, rest, rest, rest}};
		__u32 first = i % 16384 * 4;

		for (__u32 k = 0; k < 4; k++) {
			if (tcp && first + k == 80)
				word.class[k] = PORT_80;
			if (!tcp && (first + k == 53 || first + k == 5353))
				word.class[k] = PORT_53;
		}
		put(object->maps.ports, &i, &word);
	}
}

/* The endpoint isolated in egress, its peer allowed, everything else as in the picture above. */
static void put_world(void)
{
	const volatile struct warder_shape *shape = &object->rodata->shape;
	struct warder_namespace ns = {.generation = GENERATION, .slot = SLOT};
	struct warder_cell cell = {.enforced = BITMAP, .audited = BITMAP};
	struct warder_peer world = {.identity = WARDER_IDENTITY_WORLD};
	struct warder_cidr4_key cidr4 = {0};
	struct warder_cidr6_key cidr6 = {0};
	__u64 bits = 1ULL << PORT_80 | 1ULL << PORT_53, inode = pod_inode();
	__u32 bitmap = BITMAP * shape->words, all = WARDER_BITMAP_ALL * shape->words;
	__u32 row = (WARDER_EGRESS * shape->groups + GROUP) * shape->classes;
	__u32 index = row + CLASS_PEER;

	put_slot(WARDER_SLOT_EGRESS_ISOLATED, GROUP);
	put(object->maps.namespaces, &inode, &ns);
	put(object->maps.cidr4, &cidr4, &world);
	put(object->maps.cidr6, &cidr6, &world);
	for (int v6 = 0; v6 < 2; v6++) {
		put_peer(v6 ? "fd09::1" : "10.9.0.1",
			 (struct warder_peer){.identity = WARDER_IDENTITY_HOST,
					      .flags = WARDER_PEER_NODE | WARDER_PEER_HOST});
		put_peer(v6 ? "fd09::3" : "10.9.0.3",
			 (struct warder_peer){.identity = WARDER_IDENTITY_FIRST + 1,
					      .class = CLASS_PEER,
					      .cidr_class = CLASS_PEER,
					      .flags = WARDER_PEER_POD});
	}
	put(object->maps.cells, &index, &cell);
	put(object->maps.bitmaps, &bitmap, &bits);
	for (__u32 i = 0; i < shape->words; i++, all++)
		put(object->maps.bitmaps, &all, &(__u64){~0ULL});
	put_ports();
}

static bool make_network(void)
{
	home_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	pod_ns = new_namespace();
	peer_ns = new_namespace();
	if (pod_ns < 0 || peer_ns < 0)
		return false;
	/* The name of the peer's end goes by a descriptor: nothing is left in /run/netns. */
	return !shell(pod_ns,
		      "ip link set lo up && ip link add eth0 type veth peer name eth0 netns "
		      "/proc/%d/fd/%d && ip addr add 10.9.0.2/24 dev eth0 && "
		      "ip -6 addr add fd09::2/64 dev eth0 nodad && ip link set eth0 up && "
		      "ip route add default via 10.9.0.1 && "
		      "ip -6 route add default via fd09::1",
		      getpid(), peer_ns) &&
	       !shell(peer_ns, "ip link set lo up && ip link set eth0 up && "
			       "for i in 1 3 4; do ip addr add 10.9.0.$i/24 dev eth0 && "
			       "ip -6 addr add fd09::$i/64 dev eth0 nodad || exit 1; done");
}

static void remove_world(void)
{
	if (!cgroup_root[0])
		return;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		bpf_link__destroy(links[i]);
	rmdir(cgroup_container);
	rmdir(cgroup_pod);
	rmdir(cgroup_root);
}

static bool attach(void)
{
	struct bpf_program *programs[6] = {
		object->progs.warder_connect4,	  object->progs.warder_connect6,
		object->progs.warder_sendmsg4,	  object->progs.warder_sendmsg6,
		object->progs.warder_skb_ingress, object->progs.warder_skb_egress,
	};
	int fd = open(cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < 6; i++) {
		links[i] = bpf_program__attach_cgroup(programs[i], fd);
		if (!links[i])
			return false;
	}
	close(fd);
	return true;
}

static bool make_world(void)
{
	char mount[200] = "";

	if (!find_cgroup2(mount, sizeof(mount)))
		return false;
	snprintf(cgroup_root, sizeof(cgroup_root), "%s/warder-socket-%d", mount, getpid());
	snprintf(cgroup_pod, sizeof(cgroup_pod), "%s/pod", cgroup_root);
	snprintf(cgroup_container, sizeof(cgroup_container), "%s/container", cgroup_pod);
	if (mkdir(cgroup_root, 0755) || mkdir(cgroup_pod, 0755) || mkdir(cgroup_container, 0755))
		return false;
	atexit(remove_world);
	object = socket_bpf__open_and_load();
	return object && make_network() && attach();
}

static void empty(struct bpf_map *map, size_t key_size)
{
	__u8 key[64];

	(void)key_size;
	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		if (bpf_map_delete_elem(bpf_map__fd(map), key))
			break;
}

/* Zeros the per-CPU arrays `counters` (of the slot), `lines` and `overflow`. */
static void zero(struct bpf_map *map, __u32 first, __u32 n, size_t size)
{
	void *none = calloc((size_t)libbpf_num_possible_cpus(), size);

	for (__u32 i = first; i < first + n; i++)
		bpf_map_update_elem(bpf_map__fd(map), &i, none, BPF_ANY);
	free(none);
}

static int discard(void *context, void *data, size_t size)
{
	return 0;
}

static struct ring_buffer *open_rings(ring_buffer_sample_fn sample, void *context)
{
	struct ring_buffer *rings =
		ring_buffer__new(bpf_map__fd(object->maps.events_rare), sample, context, NULL);

	if (rings)
		ring_buffer__add(rings, bpf_map__fd(object->maps.events_bulk), sample, context);
	return rings;
}

/* A fresh world for each test; false: it cannot run here, and was told so. */
static bool begin(void)
{
	struct ring_buffer *rings;

	if (geteuid() != 0) {
		suite_skip("needs root");
		return false;
	}
	if (!object && !broken)
		broken = !make_world();
	CU_ASSERT_FALSE(broken);
	if (broken)
		return false;
	empty(object->maps.namespaces, 8);
	empty(object->maps.cgroups, 8);
	empty(object->maps.frontends, 0);
	empty(object->maps.flows, 0);
	zero(object->maps.counters, SLOT * WARDER_COUNTERS_PER_SLOT, WARDER_COUNTERS_PER_SLOT,
	     sizeof(struct warder_counter));
	zero(object->maps.lines, 0, WARDER_LINES, sizeof(struct warder_line));
	zero(object->maps.overflow, 0, WARDER_OVERFLOWS, sizeof(struct warder_counter));
	rings = open_rings(discard, NULL);
	CU_ASSERT_PTR_NOT_NULL(rings);
	if (rings)
		ring_buffer__consume(rings);
	ring_buffer__free(rings);
	put_world();
	return true;
}

/* --- calls of a process ---------------------------------------------------------------------- */

struct call {
	int type, protocol; /* of the socket */
	int family;	    /* 0: that of the address */
	const char *to;
	__u16 port;
	const char *from; /* bind() first, NULL: not */
	__u16 from_port;
	bool connect;	     /* connect() instead of sendto() */
	bool connect_before; /* sendto() on a socket that is connected elsewhere */
	int flags;	     /* of sendto() */
	int ns;		     /* 0: the pod's */
	const char *cgroup;  /* NULL: the container's */
	int repeat;
	__u64 ret_pid;
};

static socklen_t fill(int family, const char *text, __u16 port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;
	struct warder_addr a = address(text);

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a.b + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a.b, 16);
	return sizeof(*in6);
}

static int call_in_child(const struct call *c)
{
	struct sockaddr_storage to, from;
	int family = c->family ? c->family : strchr(c->to, ':') ? AF_INET6 : AF_INET;
	socklen_t size = fill(family, c->to, c->port, &to);
	int fd, one = 1;

	fd = socket(family, c->type | SOCK_NONBLOCK | SOCK_CLOEXEC, c->protocol);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (c->from || c->from_port) {
		const char *any = family == AF_INET ? "0.0.0.0" : "::";

		fill(family, c->from ? c->from : any, c->from_port, &from);
		if (bind(fd, (struct sockaddr *)&from, size))
			return 200;
	}
	if (c->connect_before) {
		fill(family, "10.9.0.3", 53, &from);
		if (connect(fd, (struct sockaddr *)&from, size))
			return 201;
	}
	for (int i = 0; i < (c->repeat ? c->repeat : 1); i++) {
		int rc = c->connect
				 ? connect(fd, (struct sockaddr *)&to, size)
				 : (int)sendto(fd, "x", 1, c->flags, (struct sockaddr *)&to, size);

		if (rc < 0 && errno != EINPROGRESS && i + 1 == (c->repeat ? c->repeat : 1))
			return errno;
	}
	return 0;
}

/* What the call ends in: 0 (on its way), or an errno. */
static int call(struct call *c)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NAME, "warder-caller");
		if (!write_file(c->cgroup ? c->cgroup : cgroup_container, "cgroup.procs", "0") ||
		    setns(c->ns ? c->ns : pod_ns, CLONE_NEWNET))
			_exit(202);
		_exit(call_in_child(c));
	}
	c->ret_pid = (__u64)pid;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int tcp(const char *to, __u16 port)
{
	return call(&(struct call){.type = SOCK_STREAM, .connect = true, .to = to, .port = port});
}

static int mapped_tcp(const char *to, __u16 port)
{
	return call(&(struct call){
		.type = SOCK_STREAM, .family = AF_INET6, .connect = true, .to = to, .port = port});
}

static int udp(const char *to, __u16 port)
{
	return call(&(struct call){.type = SOCK_DGRAM, .to = to, .port = port});
}

static int mapped_udp(const char *to, __u16 port)
{
	return call(&(struct call){.type = SOCK_DGRAM, .family = AF_INET6, .to = to, .port = port});
}

/* --- what was counted ------------------------------------------------------------------------ */

static struct warder_counter sum(struct bpf_map *map, __u32 index)
{
	int cpus = libbpf_num_possible_cpus();
	struct warder_counter *each = calloc((size_t)cpus, sizeof(*each)), total = {0};

	if (!bpf_map_lookup_elem(bpf_map__fd(map), &index, each)) {
		for (int i = 0; i < cpus; i++) {
			total.packets += each[i].packets;
			total.bytes += each[i].bytes;
		}
	}
	free(each);
	return total;
}

static __u64 counted(__u32 reason)
{
	return sum(object->maps.counters, warder_counter_index(SLOT, WARDER_EGRESS, 0, reason))
		.packets;
}

/* Everything in the slot's counters, whatever direction and reason. */
static __u64 counted_all(void)
{
	__u64 total = 0;

	for (__u32 i = 0; i < WARDER_COUNTERS_PER_SLOT; i++)
		total += sum(object->maps.counters, SLOT * WARDER_COUNTERS_PER_SLOT + i).packets;
	return total;
}

#endif
