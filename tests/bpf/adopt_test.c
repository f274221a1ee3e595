/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warder_adopt_tcp on real sockets.  The rule: a socket of the caller's namespace that began its
 * connection is marked `active`, whatever happened on it since.  The counter-case: one that was
 * accepted, a listener, and any socket of another namespace never are.  Each test works in a
 * network namespace of its own, over its lo.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"
#include "warder/flow.h"
#include "warder/verdict.h"

#include "adopt.skel.h" /* needs the types above */

struct pair {
	int listener, client, server;
};

static struct adopt_bpf *object;

/* A new network namespace with lo up; the old one is left for good. */
static bool enter_namespace(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;
	bool up;

	if (unshare(CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	return up;
}

static bool begin(void)
{
	if (geteuid() != 0) {
		suite_skip("needs root");
		return false;
	}
	if (!object)
		object = adopt_bpf__open_and_load();
	CU_ASSERT_PTR_NOT_NULL(object);
	if (!object)
		return false;
	CU_ASSERT_TRUE(enter_namespace());
	return true;
}

static struct pair connect_pair(int family)
{
	struct sockaddr_storage addr = {.ss_family = (sa_family_t)family};
	socklen_t size =
		family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	struct pair p;

	if (family == AF_INET)
		((struct sockaddr_in *)&addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&addr)->sin6_addr = in6addr_loopback;
	p.listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	p.client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(p.listener, (struct sockaddr *)&addr, size), 0);
	CU_ASSERT_EQUAL(listen(p.listener, 4), 0);
	CU_ASSERT_EQUAL(getsockname(p.listener, (struct sockaddr *)&addr, &size), 0);
	CU_ASSERT_EQUAL(connect(p.client, (struct sockaddr *)&addr, size), 0);
	p.server = accept(p.listener, NULL, NULL);
	CU_ASSERT_TRUE(p.server >= 0);
	return p;
}

static void close_pair(struct pair *p)
{
	close(p->listener);
	close(p->client);
	close(p->server);
}

/* Runs the iterator in this namespace: what it told of each connection, in `told`. */
static void adopt(char told[64])
{
	struct bpf_link *link = bpf_program__attach_iter(object->progs.warder_adopt_tcp, NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	ssize_t n, used = 0;

	CU_ASSERT_TRUE(fd >= 0);
	while (fd >= 0 && (n = read(fd, told + used, (size_t)(63 - used))) > 0)
		used += n;
	told[used] = '\0';
	close(fd);
	bpf_link__destroy(link);
}

static unsigned count(const char *told, char what)
{
	unsigned n = 0;

	for (; *told; told++)
		n += *told == what;
	return n;
}

static bool is_active(int fd)
{
	struct warder_socket socket = {0};

	return !bpf_map_lookup_elem(bpf_map__fd(object->maps.directions), &fd, &socket) &&
	       socket.active;
}

static void expect_client_only(struct pair *p)
{
	char told[64];

	adopt(told);
	CU_ASSERT_EQUAL(count(told, 'a'), 1);
	CU_ASSERT_EQUAL(count(told, 'p'), 1);
	CU_ASSERT_EQUAL(strlen(told), 2);
	CU_ASSERT_TRUE(is_active(p->client));
	CU_ASSERT_FALSE(is_active(p->server));
	CU_ASSERT_FALSE(is_active(p->listener));
}

static int tcp_state(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) ? -1 : info.tcpi_state;
}

/* Waits for a state that the kernel reaches by itself: lo carries a segment within the call mostly.
 */
static bool reaches(int fd, int state)
{
	for (int i = 0; i < 200 && tcp_state(fd) != state; i++)
		usleep(5000);
	return tcp_state(fd) == state;
}

/* `size` bytes from one to the other; the reader reads all. */
static bool transfer(int from, int to, size_t size)
{
	static char buffer[65536];
	size_t sent = 0, received = 0;

	while (received < size) {
		size_t left = size - sent < sizeof(buffer) ? size - sent : sizeof(buffer);
		ssize_t n = left ? send(from, buffer, left, MSG_DONTWAIT) : 0;

		if (n > 0)
			sent += (size_t)n;
		n = recv(to, buffer, sizeof(buffer), sent == size ? 0 : MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n > 0)
			received += (size_t)n;
	}
	return true;
}

static void fresh(int family)
{
	struct pair p;

	if (!begin())
		return;
	p = connect_pair(family);
	expect_client_only(&p);
	expect_client_only(&p); /* once more: nothing changes */
	close_pair(&p);
}

static void test_fresh4(void)
{
	fresh(AF_INET);
}

static void test_fresh6(void)
{
	fresh(AF_INET6);
}

static void data(int family)
{
	struct pair p;

	if (!begin())
		return;
	p = connect_pair(family);
	CU_ASSERT_TRUE(transfer(p.server, p.client, 200000));
	CU_ASSERT_TRUE(transfer(p.client, p.server, 200000));
	CU_ASSERT_TRUE(transfer(p.server, p.client, 1));
	expect_client_only(&p);
	close_pair(&p);
}

static void test_data4(void)
{
	data(AF_INET);
}

static void test_data6(void)
{
	data(AF_INET6);
}

/* Data in flight that nobody has read: sent, acknowledged, queued and not yet sent. */
static void test_data_in_flight(void)
{
	static char buffer[1 << 20];
	struct pair p;

	if (!begin())
		return;
	p = connect_pair(AF_INET);
	CU_ASSERT_TRUE(send(p.client, buffer, sizeof(buffer), MSG_DONTWAIT) > 0);
	CU_ASSERT_TRUE(send(p.server, buffer, sizeof(buffer), MSG_DONTWAIT) > 0);
	expect_client_only(&p);
	close_pair(&p);
}

/* Whoever closes its half first: its FIN was acknowledged, the other is in CLOSE-WAIT. */
static void half_closed(int family, bool by_client)
{
	struct pair p;

	if (!begin())
		return;
	p = connect_pair(family);
	CU_ASSERT_TRUE(transfer(p.client, p.server, 5000));
	CU_ASSERT_TRUE(transfer(p.server, p.client, 5000));
	shutdown(by_client ? p.client : p.server, SHUT_WR);
	CU_ASSERT_TRUE(reaches(by_client ? p.client : p.server, TCP_FIN_WAIT2));
	CU_ASSERT_TRUE(reaches(by_client ? p.server : p.client, TCP_CLOSE_WAIT));
	expect_client_only(&p);
	CU_ASSERT_TRUE(by_client ? transfer(p.server, p.client, 5000)
				 : transfer(p.client, p.server, 5000));
	expect_client_only(&p);
	close_pair(&p);
}

static void test_half_closed_by_client(void)
{
	half_closed(AF_INET, true);
	half_closed(AF_INET6, true);
}

static void test_half_closed_by_server(void)
{
	half_closed(AF_INET, false);
	half_closed(AF_INET6, false);
}

/* FIN-WAIT-1 with the FIN behind data that the peer's window does not take. */
static void test_fin_waits_behind_data(void)
{
	static char buffer[8 << 20];
	struct pair p;

	if (!begin())
		return;
	p = connect_pair(AF_INET);
	CU_ASSERT_TRUE(send(p.client, buffer, sizeof(buffer), MSG_DONTWAIT) > 0);
	CU_ASSERT_TRUE(send(p.server, buffer, sizeof(buffer), MSG_DONTWAIT) > 0);
	shutdown(p.client, SHUT_WR);
	shutdown(p.server, SHUT_WR);
	CU_ASSERT_EQUAL(tcp_state(p.client), TCP_FIN_WAIT1);
	CU_ASSERT_EQUAL(tcp_state(p.server), TCP_FIN_WAIT1);
	expect_client_only(&p);
	close_pair(&p);
}

static bool nft(const char *rules)
{
	char command[512];

	snprintf(command, sizeof(command), "nft '%s' 2>&1", rules);
	return system(command) == 0;
}

#define DROP_ALL                                                                                   \
	"table inet t { chain c { type filter hook input priority 0; meta l4proto tcp drop; }; }"

/* Segments are lost and sent again, more than once, in both directions. */
static void test_retransmissions(void)
{
	struct pair p;
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (!begin())
		return;
	p = connect_pair(AF_INET);
	CU_ASSERT_TRUE(transfer(p.client, p.server, 5000));
	if (!nft("add " DROP_ALL)) {
		close_pair(&p);
		suite_skip("nft does not work here");
		return;
	}
	CU_ASSERT_EQUAL(send(p.client, "0123456789", 10, 0), 10);
	CU_ASSERT_EQUAL(send(p.server, "0123456789", 10, 0), 10);
	for (int i = 0; i < 400 && info.tcpi_total_retrans < 2; i++) {
		usleep(10000);
		getsockopt(p.server, IPPROTO_TCP, TCP_INFO, &info, &size);
	}
	CU_ASSERT_TRUE(info.tcpi_total_retrans >= 2);
	expect_client_only(&p); /* none of it acknowledged */
	CU_ASSERT_TRUE(nft("delete table inet t"));
	CU_ASSERT_TRUE(transfer(p.client, p.server, 5000));
	CU_ASSERT_TRUE(transfer(p.server, p.client, 5000));
	expect_client_only(&p);
	close_pair(&p);
}

/* FIN sent and not acknowledged, sent again: FIN-WAIT-1 of both. */
static void test_fin_lost(void)
{
	struct pair p;

	if (!begin())
		return;
	p = connect_pair(AF_INET6);
	if (!nft("add " DROP_ALL)) {
		close_pair(&p);
		suite_skip("nft does not work here");
		return;
	}
	shutdown(p.client, SHUT_WR);
	shutdown(p.server, SHUT_WR);
	usleep(700000); /* a retransmission or two; the rule must hold before and after */
	CU_ASSERT_EQUAL(tcp_state(p.client), TCP_FIN_WAIT1);
	expect_client_only(&p);
	close_pair(&p);
}

/* A SYN that nobody answers yet: the answer may come after the attach. */
static void test_syn_sent(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	char told[64];
	int fd;

	if (!begin())
		return;
	if (!nft("add " DROP_ALL)) {
		suite_skip("nft does not work here");
		return;
	}
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	CU_ASSERT_EQUAL(errno, EINPROGRESS);
	adopt(told);
	CU_ASSERT_STRING_EQUAL(told, "a");
	CU_ASSERT_TRUE(is_active(fd));
	close(fd);
}

/* The listener is gone, the connection lives: no rule may read LISTEN ports. */
static void test_listener_closed(void)
{
	struct pair p;

	if (!begin())
		return;
	p = connect_pair(AF_INET);
	close(p.listener);
	p.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect_client_only(&p);
	close_pair(&p);
}

static void test_other_namespace(void)
{
	struct pair p;
	char told[64];

	if (!begin())
		return;
	p = connect_pair(AF_INET);
	CU_ASSERT_TRUE(enter_namespace());
	adopt(told);
	CU_ASSERT_STRING_EQUAL(told, "");
	CU_ASSERT_FALSE(is_active(p.client));
	close_pair(&p);
}

/* Fast open: data rides in the SYN and in the SYN-ACK's answer. */
static void test_fast_open(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	socklen_t size = sizeof(to);
	struct pair p;
	char buffer[16];
	int queue = 4;
	FILE *mode;

	if (!begin())
		return;
	mode = fopen("/proc/sys/net/ipv4/tcp_fastopen",
		     "w"); /* of this namespace; 0x600: no cookies */
	CU_ASSERT_TRUE(mode && fputs("1543", mode) > 0);
	if (mode)
		fclose(mode);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	p.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(p.listener, (struct sockaddr *)&to, size), 0);
	CU_ASSERT_EQUAL(setsockopt(p.listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)),
			0);
	CU_ASSERT_EQUAL(listen(p.listener, 4), 0);
	CU_ASSERT_EQUAL(getsockname(p.listener, (struct sockaddr *)&to, &size), 0);
	CU_ASSERT_EQUAL(
		sendto(p.client, "0123456789", 10, MSG_FASTOPEN, (struct sockaddr *)&to, size), 10);
	p.server = accept(p.listener, NULL, NULL);
	CU_ASSERT_EQUAL(recv(p.server, buffer, sizeof(buffer), 0), 10);
	CU_ASSERT_TRUE(transfer(p.server, p.client, 3000));
	expect_client_only(&p);
	close_pair(&p);
}

static const struct suite_test tests[] = {
	{"fresh, IPv4", test_fresh4},
	{"fresh, IPv6", test_fresh6},
	{"after data both ways, IPv4", test_data4},
	{"after data both ways, IPv6", test_data6},
	{"data in flight", test_data_in_flight},
	{"half closed by the client", test_half_closed_by_client},
	{"half closed by the server", test_half_closed_by_server},
	{"fin waits behind data", test_fin_waits_behind_data},
	{"retransmissions", test_retransmissions},
	{"fin lost", test_fin_lost},
	{"syn sent", test_syn_sent},
	{"listener closed", test_listener_closed},
	{"other namespace", test_other_namespace},
	{"fast open", test_fast_open},
};
SUITE("adopt", tests)
