/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod does to its own packets: sidecars (REDIRECT, TPROXY), NAT of ports and destinations, fast
 * open, dual-stack sockets, Multipath TCP.  Rule: the proof by socket holds in all of them, with no lawful
 * packet refused, and a revocation still cuts.
 */
#include "live.h"

#define R(name) WARDER_REASON_##name

/* Rules of the pod's own netfilter, for the test that calls it. */
static bool pod_rules(const char *hook, const char *priority, const char *type, const char *rule)
{
	return live_run(LIVE_POD,
			"nft flush ruleset 2>/dev/null && nft add table inet t 2>/dev/null && "
			"nft 'add chain inet t c { type %s hook %s priority %s; }' 2>/dev/null && "
			"nft 'add rule inet t c %s' 2>/dev/null",
			type, hook, priority, rule);
}

static void no_rules(void)
{
	live_run(LIVE_POD, "nft flush ruleset 2>/dev/null");
}

/* A connection to `port` that a socket on `listens` takes. */
static bool open_to(struct live_pair *pair, int family, bool pod_connects, __u16 port,
		    __u16 listens, bool transparent)
{
	int server = pod_connects ? LIVE_PEER : LIVE_POD;
	int client = pod_connects ? LIVE_POD : LIVE_PEER;
	struct live_addr to = live_addr(family, server, port);
	int on = 1, fd, accepted;

	*pair = (struct live_pair){-1, -1, -1};
	pair->listener = live_listen(server, family, listens);
	if (transparent)
		setsockopt(pair->listener, family == 4 ? SOL_IP : SOL_IPV6,
			   family == 4 ? 19 /* IP_TRANSPARENT */ : 75 /* IPV6_TRANSPARENT */, &on,
			   sizeof(on));
	fd = live_socket(client, family, SOCK_STREAM, 0);
	*(pod_connects ? &pair->pod : &pair->peer) = fd;
	if (live_connect(fd, &to, 2000))
		return false;
	accepted = live_accept(pair->listener, 1000);
	*(pod_connects ? &pair->peer : &pair->pod) = accepted;
	return accepted >= 0;
}

/* Data both ways, a slow close by the pod, and nothing refused. */
static void life(int family, bool pod_connects, __u16 port, __u16 listens, bool transparent,
		 const char *what)
{
	struct live_pair pair;

	live_mark();
	CU_ASSERT(open_to(&pair, family, pod_connects, port, listens, transparent));
	CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, BULK, 500), BULK);
	CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, BULK, 500), BULK);
	close(pair.pod);
	pair.pod = -1;
	usleep(50000);
	shutdown(pair.peer, SHUT_WR);
	CU_ASSERT(live_reaches(pair.peer, TCP_CLOSE, 1000));
	live_close(&pair);
	usleep(20000);
	NONE_REFUSED(what);
}

/* Nothing goes on after its direction was revoked, though the other one is wide open. */
static void revoked(int family, bool pod_connects, __u16 port, __u16 listens, bool transparent)
{
	__u32 asked = pod_connects ? WARDER_EGRESS : WARDER_INGRESS;
	struct live_pair pair;

	world_allow(!asked, POD_C, ALL_PORTS);
	CU_ASSERT(open_to(&pair, family, pod_connects, port, listens, transparent));
	CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 100, 500), 100);
	world_allow(asked, POD_C, 0);
	if (pod_connects)
		CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 100, 150), 0);
	if (!pod_connects)
		CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, 100, 150), 0);
	live_linger(pair.pod);
	live_linger(pair.peer);
	live_close(&pair);
	live_policy();
}

static void test_redirect_server(void)
{
	LIVE_START();
	if (!pod_rules("prerouting", "-100", "nat", "tcp dport 8080 redirect to :15006")) {
		suite_skip("no nft redirect");
		return;
	}
	FOR_FAMILIES(family)
	{
		struct live_addr to = live_addr(family, LIVE_POD, 8080);
		int fd = live_socket(LIVE_PEER, family, SOCK_STREAM, 0);

		live_mark();
		CU_ASSERT_EQUAL(live_connect(fd, &to, 1000), ECONNREFUSED);
		close(fd);
		NONE_REFUSED("closed port behind REDIRECT");
		life(family, false, 8080, 15006, false, "behind REDIRECT");
		live_write(LIVE_POD, "/proc/sys/net/ipv4/tcp_syncookies", "2");
		life(family, false, 8080, 15006, false, "syncookies behind REDIRECT");
		live_write(LIVE_POD, "/proc/sys/net/ipv4/tcp_syncookies", "1");
		revoked(family, false, 8080, 15006, false);
	}
	no_rules();
}

static void test_tproxy_server(void)
{
	LIVE_START();
	if (!pod_rules("prerouting", "-150", "filter",
		       "meta l4proto tcp th dport 8080 tproxy to :15006 meta mark set 1 accept") ||
	    !live_run(LIVE_POD,
		      "ip rule add fwmark 1 lookup 99 && ip -6 rule add fwmark 1 lookup 99 && "
		      "ip route add local default dev lo table 99 && "
		      "ip -6 route add local default dev lo table 99")) {
		suite_skip("no nft tproxy");
		no_rules();
		return;
	}
	FOR_FAMILIES(family)
	{
		life(family, false, 8080, 15006, true, "behind TPROXY");
		revoked(family, false, 8080, 15006, true);
	}
	live_run(LIVE_POD, "ip rule del fwmark 1; ip -6 rule del fwmark 1");
	no_rules();
}

static void test_source_nat(void)
{
	LIVE_START();
	if (!pod_rules("postrouting", "100", "nat", "tcp dport 443 masquerade to :6000-6100")) {
		suite_skip("no nft masquerade");
		return;
	}
	FOR_FAMILIES(family)
	{
		life(family, true, 443, 443, false, "masqueraded in the pod");
		revoked(family, true, 443, 443, false);
	}
	no_rules();
}

static void test_destination_nat(void)
{
	LIVE_START();
	if (!pod_rules("output", "-100", "nat", "tcp dport 444 dnat to :443")) {
		suite_skip("no nft dnat");
		return;
	}
	FOR_FAMILIES(family)
	life(family, true, 444, 443, false, "dnat in the pod");
	no_rules();
}

/* A socket of both families is IPv6's, and speaks IPv4. */
static void test_dual_stack(void)
{
	LIVE_START();
	for (int pod_connects = 0; pod_connects < 2; pod_connects++) {
		struct sockaddr_in6 any = {.sin6_family = AF_INET6,
					   .sin6_port = htons(pod_connects ? 443 : 8080)};
		int server = pod_connects ? LIVE_PEER : LIVE_POD;
		int client = pod_connects ? LIVE_POD : LIVE_PEER;
		int listener = live_socket(server, 6, SOCK_STREAM, 0), off = 0, on = 1, fd,
		    accepted;
		struct sockaddr_in6 to = any;

		setsockopt(listener, SOL_IPV6, 26 /* IPV6_V6ONLY */, &off, sizeof(off));
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		CU_ASSERT(!bind(listener, (void *)&any, sizeof(any)) && !listen(listener, 4));
		inet_pton(AF_INET6, pod_connects ? "::ffff:10.2.0.3" : "::ffff:10.1.0.1",
			  &to.sin6_addr);
		fd = live_socket(client, 6, SOCK_STREAM, 0);
		live_mark();
		CU_ASSERT(!connect(fd, (void *)&to, sizeof(to)) || errno == EINPROGRESS);
		accepted = live_accept(listener, 1000);
		CU_ASSERT(accepted >= 0);
		CU_ASSERT_EQUAL(live_move(fd, accepted, BULK, 500), BULK);
		CU_ASSERT_EQUAL(live_move(accepted, fd, BULK, 500), BULK);
		close(fd);
		close(accepted);
		close(listener);
		usleep(20000);
		NONE_REFUSED("dual stack");
	}
}

/* The first round brings the cookie, the second carries data in its SYN. */
static void test_fast_open(void)
{
	LIVE_START();
	if (!live_write(LIVE_POD, "/proc/sys/net/ipv4/tcp_fastopen", "3") ||
	    !live_write(LIVE_PEER, "/proc/sys/net/ipv4/tcp_fastopen", "3")) {
		suite_skip("no fast open");
		return;
	}
	FOR_FAMILIES(family)
	for (int pod_connects = 0; pod_connects < 2; pod_connects++) {
		__u16 port = pod_connects ? 443 : 8080;
		int server = pod_connects ? LIVE_PEER : LIVE_POD;
		int client = pod_connects ? LIVE_POD : LIVE_PEER, queue = 16;
		int listener = live_listen(server, family, port);
		struct live_addr to = live_addr(family, server, port);

		setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue));
		live_mark();
		for (int round = 0; round < 2; round++) {
			int fd = live_socket(client, family, SOCK_STREAM, 0), accepted;
			char buffer[8];

			sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&to.at,
			       to.size);
			accepted = live_accept(listener, 1000);
			CU_ASSERT(accepted >= 0);
			if (round == 0) { /* no cookie yet: nothing was sent with the SYN */
				live_ready(fd, POLLOUT, 1000);
				send(fd, "hello", 5, MSG_NOSIGNAL);
			}
			CU_ASSERT(live_ready(accepted, POLLIN, 1000));
			CU_ASSERT(recv(accepted, buffer, 5, 0) > 0);
			CU_ASSERT_EQUAL(live_move(accepted, fd, BULK, 500), BULK);
			close(fd);
			close(accepted);
			usleep(20000);
		}
		NONE_REFUSED("fast open");
		close(listener);
	}
}

/* Segments of more than 64 kB: no length in an IPv4 header, a jumbo option or none in IPv6's. */
static void test_big_segments(void)
{
	LIVE_START();
	if (!live_run(LIVE_POD,
		      "ip link set eth0 gso_max_size 190000 gro_max_size 190000 2>/dev/null") ||
	    !live_run(LIVE_PEER,
		      "ip link set eth0 gso_max_size 190000 gro_max_size 190000 2>/dev/null") ||
	    !live_run(LIVE_NODE,
		      "ip link set np gso_max_size 190000 gro_max_size 190000 2>/dev/null && "
		      "ip link set nq gso_max_size 190000 gro_max_size 190000 2>/dev/null")) {
		suite_skip("no BIG TCP");
		return;
	}
	live_run(LIVE_POD, "ip link set eth0 gso_ipv4_max_size 190000 2>/dev/null");
	live_run(LIVE_PEER, "ip link set eth0 gso_ipv4_max_size 190000 2>/dev/null");
	FOR_FAMILIES(family)
	for (int pod_connects = 0; pod_connects < 2; pod_connects++) {
		struct live_pair pair;

		live_mark();
		CU_ASSERT(live_open(&pair, family, pod_connects, pod_connects ? 443 : 8080, NULL));
		CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 50 * BULK, 500), 50 * BULK);
		CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, 50 * BULK, 500), 50 * BULK);
		live_close(&pair);
		usleep(20000);
		NONE_REFUSED("big segments");
	}
	live_run(LIVE_POD, "ip link set eth0 gso_max_size 65536; ip link set eth0 "
			   "gso_ipv4_max_size 65536 2>/dev/null");
}

static void test_multipath(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	{
		struct live_addr to = live_addr(family, LIVE_PEER, 443);
		int listener = live_listen(LIVE_PEER, family, 443), accepted;
		int fd = live_socket(LIVE_POD, family, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);

		if (fd < 0) {
			close(listener);
			suite_skip("no MPTCP");
			return;
		}
		live_mark();
		CU_ASSERT_EQUAL(live_connect(fd, &to, 1000), 0);
		accepted = live_accept(listener, 1000);
		CU_ASSERT(accepted >= 0);
		CU_ASSERT_EQUAL(live_move(accepted, fd, BULK, 500), BULK);
		CU_ASSERT_EQUAL(live_move(fd, accepted, BULK, 500), BULK);
		close(fd);
		close(accepted);
		close(listener);
		usleep(20000);
		NONE_REFUSED("MPTCP");
	}
}

static const struct suite_test tests[] = {
	{"redirect_server", test_redirect_server}, {"tproxy_server", test_tproxy_server},
	{"source_nat", test_source_nat},	   {"destination_nat", test_destination_nat},
	{"dual_stack", test_dual_stack},	   {"fast_open", test_fast_open},
	{"big_segments", test_big_segments},	   {"multipath", test_multipath},
};
SUITE("inside", tests)
