/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP's rules (bpf/lib/reply.h) with real sockets, both families.  The pod may ask the peer's 443 and
 * nothing else, the peer may ask the pod's 8080 and nothing else: so every answer needs its proof.
 */
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "live.h"

#define R(name) WARDER_REASON_##name

/* Rule: answers to an allowed SYN pass, both ways of asking; counter-case: another port. */
static void test_handshake(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	{
		struct live_addr to = live_addr(family, LIVE_PEER, 444);
		int fd;

		live_mark();
		live_life(family, true, "client");
		live_life(family, false, "server");
		CU_ASSERT(live_counted(WARDER_INGRESS, R(ALLOWED_REPLY)) > 10);
		CU_ASSERT(live_counted(WARDER_EGRESS, R(ALLOWED_REPLY)) > 10);
		fd = live_socket(LIVE_POD, family, SOCK_STREAM, 0);
		CU_ASSERT_EQUAL(live_connect(fd, &to, 200), ETIMEDOUT);
		CU_ASSERT(live_counted(WARDER_EGRESS, R(POLICY)) > 0);
		close(fd);
		to = live_addr(family, LIVE_POD, 80);
		fd = live_socket(LIVE_PEER, family, SOCK_STREAM, 0);
		CU_ASSERT_EQUAL(live_connect(fd, &to, 200), ETIMEDOUT);
		CU_ASSERT(live_counted(WARDER_INGRESS, R(POLICY)) > 0);
		close(fd);
	}
}

/* Rule: every lawful end of a connection passes: half-close, RST, abort, slow close, by either side. */
static void test_ends(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	for (int pod_connects = 0; pod_connects < 2; pod_connects++)
		for (int pod_ends = 0; pod_ends < 2; pod_ends++) {
			__u16 port = pod_connects ? 443 : 8080;
			struct live_pair pair;
			int ends, other;

			live_mark();
			/* Half-close: the other side still sends. */
			CU_ASSERT(live_open(&pair, family, pod_connects, port, NULL));
			ends = pod_ends ? pair.pod : pair.peer;
			other = pod_ends ? pair.peer : pair.pod;
			shutdown(ends, SHUT_WR);
			CU_ASSERT_EQUAL(live_move(other, ends, BULK, 500), BULK);
			live_close(&pair);
			/* Slow close: one closes, the other waits, and both reach their end. */
			CU_ASSERT(live_open(&pair, family, pod_connects, port, NULL));
			if (pod_ends) {
				close(pair.pod);
				pair.pod = -1;
				usleep(100000);
				shutdown(pair.peer, SHUT_WR);
				CU_ASSERT(live_reaches(pair.peer, TCP_CLOSE, 1000));
			} else {
				close(pair.peer);
				pair.peer = -1;
				usleep(100000);
				shutdown(pair.pod, SHUT_WR);
				CU_ASSERT(live_reaches(pair.pod, TCP_CLOSE, 1000));
			}
			live_close(&pair);
			/* RST. */
			CU_ASSERT(live_open(&pair, family, pod_connects, port, NULL));
			live_linger(pod_ends ? pair.pod : pair.peer);
			close(pod_ends ? pair.pod : pair.peer);
			*(pod_ends ? &pair.pod : &pair.peer) = -1;
			CU_ASSERT(live_reaches(pod_ends ? pair.peer : pair.pod, TCP_CLOSE, 1000));
			live_close(&pair);
			NONE_REFUSED(pod_connects ? "client's end" : "server's end");
		}
}

/* Rule: RST of a closed port is an answer, out of the pod and toward it. */
static void test_refused_connection(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	{
		struct live_addr to = live_addr(family, LIVE_POD, 8080);
		int fd;

		live_mark();
		fd = live_socket(LIVE_PEER, family, SOCK_STREAM, 0);
		CU_ASSERT_EQUAL(live_connect(fd, &to, 1000), ECONNREFUSED);
		close(fd);
		to = live_addr(family, LIVE_PEER, 443);
		fd = live_socket(LIVE_POD, family, SOCK_STREAM, 0);
		CU_ASSERT_EQUAL(live_connect(fd, &to, 1000), ECONNREFUSED);
		close(fd);
		NONE_REFUSED("closed port");
	}
}

/* Rule: a socket that no lookup finds (bound to a device) is known by what it sent. */
static void test_bound_device(void)
{
	LIVE_START();
	CU_ASSERT_NOT_EQUAL(if_nametoindex("np"), 2);
	FOR_FAMILIES(family)
	for (int pod_connects = 0; pod_connects < 2; pod_connects++) {
		struct live_pair pair;

		live_mark();
		CU_ASSERT(
			live_open(&pair, family, pod_connects, pod_connects ? 443 : 8080, "eth0"));
		CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, BULK, 500), BULK);
		CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, BULK, 500), BULK);
		live_close(&pair);
		usleep(20000);
		NONE_REFUSED("bound to a device");
	}
}

/* Rule: where TCP leaves without a socket on the packet (GRO there, no TSO here) a lookup takes its place. */
static void test_orphans(void)
{
	LIVE_START();
	if (!live_run(LIVE_NODE, "ethtool -K np gro on >/dev/null 2>&1") ||
	    !live_run(LIVE_POD, "ethtool -K eth0 tso off >/dev/null 2>&1")) {
		suite_skip("no ethtool");
		return;
	}
	FOR_FAMILIES(family)
	{
		live_life(family, true, "client without sockets");
		live_life(family, false, "server without sockets");
	}
	live_run(LIVE_NODE, "ethtool -K np gro off >/dev/null 2>&1");
	live_run(LIVE_POD, "ethtool -K eth0 tso on >/dev/null 2>&1");
}

/* Rule: a SYN-ACK of a syncookie has no socket, its connection is passive like others. */
static void test_syncookies(void)
{
	LIVE_START();
	CU_ASSERT(live_write(LIVE_POD, "/proc/sys/net/ipv4/tcp_syncookies", "2"));
	FOR_FAMILIES(family)
	{
		struct live_pair pair;

		live_life(family, false, "syncookies");
		/* The server speaks first. */
		CU_ASSERT(live_open(&pair, family, false, 8080, NULL));
		CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 10, 500), 10);
		live_close(&pair);
		usleep(20000);
		NONE_REFUSED("syncookies");
	}
	live_write(LIVE_POD, "/proc/sys/net/ipv4/tcp_syncookies", "1");
}

/*
 * Rule: what is revoked ends with the next packet, in every shape; what is open in the other direction
 * does not keep it alive.
 */
static void test_revocation(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	for (int pod_connects = 0; pod_connects < 2; pod_connects++)
		for (int other_open = 0; other_open < 2; other_open++) {
			__u32 asked = pod_connects ? WARDER_EGRESS : WARDER_INGRESS;
			struct live_pair pair;

			live_policy();
			CU_ASSERT(live_open(&pair, family, pod_connects, pod_connects ? 443 : 8080,
					    NULL));
			if (other_open)
				world_allow(!asked, POD_C, ALL_PORTS);
			CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 100, 500), 100);
			CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, 100, 500), 100);
			world_allow(asked, POD_C, 0);
			live_mark();
			/* Its own direction is revoked: nothing of it goes that way. */
			if (pod_connects)
				CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 100, 150), 0);
			if (!pod_connects)
				CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, 100, 150), 0);
			/* The other way only where that direction is open of itself. */
			if (!other_open && pod_connects)
				CU_ASSERT_EQUAL(live_move(pair.peer, pair.pod, 100, 150), 0);
			if (!other_open && !pod_connects)
				CU_ASSERT_EQUAL(live_move(pair.pod, pair.peer, 100, 150), 0);
			CU_ASSERT(live_counted(asked, R(POLICY)) +
					  live_counted(asked, R(UNPROVEN_REPLY)) >
				  0);
			live_linger(pair.pod);
			live_linger(pair.peer);
			live_close(&pair);
		}
}

/* Rule: what is still allowed goes on. */
static void test_revocation_of_another(void)
{
	struct live_pair client, server;

	LIVE_START();
	CU_ASSERT(live_open(&client, 4, true, 443, NULL));
	CU_ASSERT(live_open(&server, 4, false, 8080, NULL));
	world_allow(WARDER_EGRESS, POD_C, 0);
	CU_ASSERT_EQUAL(live_move(server.peer, server.pod, BULK, 500), BULK);
	CU_ASSERT_EQUAL(live_move(server.pod, server.peer, BULK, 500), BULK);
	CU_ASSERT_EQUAL(live_move(client.pod, client.peer, 100, 150), 0);
	live_close(&client);
	live_close(&server);
}

/* Rule: a SYN whose socket has no room for the bit does not leave: its answers could never be told. */
static void test_option_memory(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	{
		struct live_addr to = live_addr(family, LIVE_PEER, 443);
		int listener = live_listen(LIVE_PEER, family, 443), fd;

		if (!live_write(LIVE_POD, "/proc/sys/net/core/optmem_max", "64")) {
			close(listener);
			suite_skip("net.core.optmem_max is not the namespace's own here");
			return;
		}
		live_mark();
		fd = live_socket(LIVE_POD, family, SOCK_STREAM, 0);
		CU_ASSERT_EQUAL(live_connect(fd, &to, 200), ETIMEDOUT);
		CU_ASSERT(live_counted(WARDER_EGRESS, R(NO_STORAGE)) > 0);
		live_write(LIVE_POD, "/proc/sys/net/core/optmem_max", "131072");
		/* Counter-case: its next SYN finds room. */
		CU_ASSERT(live_ready(fd, POLLOUT, 3000));
		close(fd);
		close(listener);
	}
}

/* A TCP segment by hand. */
static size_t segment(uint8_t *at, int family, __u16 sport, __u16 dport, __u32 seq, __u32 ack,
		      uint8_t flags, const char *payload, const struct live_addr *src,
		      const struct live_addr *dst)
{
	size_t size = 20 + strlen(payload), n = family == 4 ? 4 : 16;
	const uint8_t *a = family == 4 ? (void *)&((struct sockaddr_in *)&src->at)->sin_addr
				       : (void *)&((struct sockaddr_in6 *)&src->at)->sin6_addr;
	const uint8_t *b = family == 4 ? (void *)&((struct sockaddr_in *)&dst->at)->sin_addr
				       : (void *)&((struct sockaddr_in6 *)&dst->at)->sin6_addr;
	uint32_t sum = TCP + size;

	memset(at, 0, 20);
	memcpy(at + 20, payload, strlen(payload) + 1);
	*(uint16_t *)(void *)(at + 0) = htons(sport);
	*(uint16_t *)(void *)(at + 2) = htons(dport);
	*(uint32_t *)(void *)(at + 4) = htonl(seq);
	*(uint32_t *)(void *)(at + 8) = htonl(ack);
	at[12] = 5 << 4;
	at[13] = flags;
	*(uint16_t *)(void *)(at + 14) = htons(60000);
	for (size_t i = 0; i < n; i += 2)
		sum += (a[i] << 8 | a[i + 1]) + (b[i] << 8 | b[i + 1]);
	for (size_t i = 0; i < size; i += 2)
		sum += at[i] << 8 | (i + 1 < size ? at[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	*(uint16_t *)(void *)(at + 16) = htons(~sum);
	return size;
}

/* Sends it from a raw socket of a namespace, over `device` where one is named, as if from `src`. */
static bool send_raw(int space, int family, const char *device, const struct live_addr *src,
		     const struct live_addr *dst, __u16 sport, __u16 dport, __u32 seq, __u32 ack,
		     uint8_t flags, const char *payload)
{
	struct live_addr to = *dst;
	uint8_t packet[256] = {};
	size_t header = family == 4 ? 20 : 40, size;
	int fd = live_socket(space, family, SOCK_RAW, IPPROTO_RAW);
	bool ok;

	size = segment(packet + header, family, sport, dport, seq, ack, flags, payload, src, dst);
	if (family == 4) {
		struct iphdr *ip = (void *)packet;

		*ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = TCP};
		ip->saddr = ((struct sockaddr_in *)&src->at)->sin_addr.s_addr;
		ip->daddr = ((struct sockaddr_in *)&dst->at)->sin_addr.s_addr;
		((struct sockaddr_in *)&to.at)->sin_port = 0;
	} else {
		struct ip6_hdr *ip = (void *)packet;

		ip->ip6_flow = htonl(6U << 28);
		ip->ip6_plen = htons(size);
		ip->ip6_nxt = TCP;
		ip->ip6_hlim = 64;
		ip->ip6_src = ((struct sockaddr_in6 *)&src->at)->sin6_addr;
		ip->ip6_dst = ((struct sockaddr_in6 *)&dst->at)->sin6_addr;
		((struct sockaddr_in6 *)&to.at)->sin6_port = 0;
	}
	if (device)
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device));
	ok = sendto(fd, packet, header + size, 0, (void *)&to.at, to.size) > 0;
	if (!ok)
		printf("  raw send: %s\n", strerror(errno));
	close(fd);
	return ok;
}

/* Rule: a raw socket's segments are nobody's answer, whatever the other direction allows. */
static void test_raw_out(void)
{
	static const struct {
		uint8_t flags;
		const char *payload;
		int expected;
	} rows[] = {
		{ACK | PSH, "exfiltrated", R(UNPROVEN_REPLY)},
		{ACK, "", R(UNPROVEN_REPLY)},
		{RST, "", R(UNPROVEN_REPLY)},
		{RST | ACK, "data", R(UNPROVEN_REPLY)},
		{SYN | ACK, "", R(UNPROVEN_REPLY)},
		{FIN | ACK, "", R(UNPROVEN_REPLY)},
		{SYN, "", R(POLICY)},
		{FIN, "", R(TCP_FLAGS)},
		{PSH, "x", R(TCP_FLAGS)},
	};

	LIVE_START();
	world_allow(WARDER_EGRESS, POD_C, 0);
	world_allow(WARDER_INGRESS, POD_C, ALL_PORTS);
	FOR_FAMILIES(family)
	{
		struct live_addr src = live_addr(family, LIVE_POD, 0);
		struct live_addr dst = live_addr(family, LIVE_PEER, 0);

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			live_mark();
			CU_ASSERT(send_raw(LIVE_POD, family, NULL, &src, &dst, 7777, 9, 1, 1,
					   rows[i].flags, rows[i].payload));
			if (live_counts(WARDER_EGRESS, rows[i].expected) &&
			    live_counted(WARDER_EGRESS, rows[i].expected) == 1)
				continue;
			live_refused("raw");
			printf("  raw segment with flags %#x\n", rows[i].flags);
			CU_FAIL("it passed, or for another reason");
		}
	}
}

/* Rule: a peer that only egress names reaches no LISTEN and no closed port by any segment. */
static void test_raw_in(void)
{
	static const uint8_t flags[] = {ACK, ACK | PSH, SYN | ACK, RST, FIN | ACK, SYN, FIN};

	LIVE_START();
	world_allow(WARDER_EGRESS, POD_C, ALL_PORTS);
	world_allow(WARDER_INGRESS, POD_C, 0);
	FOR_FAMILIES(family)
	{
		int listener = live_listen(LIVE_POD, family, 8080);
		struct live_addr src = live_addr(family, LIVE_PEER, 0);
		struct live_addr dst = live_addr(family, LIVE_POD, 0);

		for (size_t i = 0; i < sizeof(flags); i++)
			for (int k = 0; k < 2; k++) {
				live_mark();
				CU_ASSERT(send_raw(LIVE_PEER, family, NULL, &src, &dst, 443,
						   k ? 8080 : 8081, 1, 1, flags[i], ""));
				CU_ASSERT(live_counts(WARDER_INGRESS, flags[i] == SYN ? R(POLICY)
								      : flags[i] == FIN
									      ? R(TCP_FLAGS)
									      : R(UNPROVEN_REPLY)));
			}
		close(listener);
	}
}

/* Rule: a LISTEN is never a proof, though its socket had connected before (and was allowed to). */
static void test_listen_after_connect(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	{
		struct live_addr src = live_addr(family, LIVE_PEER, 0);
		struct live_addr dst = live_addr(family, LIVE_POD, 0);
		struct sockaddr none = {.sa_family = AF_UNSPEC};
		struct live_addr here = live_addr(family, LIVE_POD, 8081);
		struct live_pair pair;

		CU_ASSERT(live_open(&pair, family, true, 443, NULL));
		CU_ASSERT(!connect(pair.pod, &none, sizeof(none)));
		CU_ASSERT(!bind(pair.pod, (void *)&here.at, here.size));
		CU_ASSERT(!listen(pair.pod, 4));
		live_mark();
		CU_ASSERT(send_raw(LIVE_PEER, family, NULL, &src, &dst, 443, 8081, 1, 1, ACK | PSH,
				   "data"));
		CU_ASSERT(live_counts(WARDER_INGRESS, R(UNPROVEN_REPLY)));
		CU_ASSERT_EQUAL(live_counted(WARDER_INGRESS, R(ALLOWED_REPLY)), 0);
		live_close(&pair);
	}
}

/* What TCP_REPAIR calls on and off. */
static bool repair(int fd, int on)
{
	return !setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
}

/* Rule: a socket that nobody ever spoke to is no passive one, though no SYN of its own was allowed. */
static void test_repair(void)
{
	LIVE_START();
	world_allow(WARDER_EGRESS, POD_C, 0);
	world_allow(WARDER_INGRESS, POD_C, ALL_PORTS);
	FOR_FAMILIES(family)
	{
		struct live_addr from = live_addr(family, LIVE_POD, 8080);
		struct live_addr to = live_addr(family, LIVE_PEER, 9);
		int fd = live_socket(LIVE_POD, family, SOCK_STREAM, 0), on = 1;

		live_mark();
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (!repair(fd, 1)) {
			close(fd);
			suite_skip("no TCP_REPAIR");
			return;
		}
		CU_ASSERT(!bind(fd, (void *)&from.at, from.size));
		CU_ASSERT(!connect(fd, (void *)&to.at, to.size));
		CU_ASSERT(repair(fd, 0));
		CU_ASSERT_EQUAL(live_state(fd), TCP_ESTABLISHED);
		CU_ASSERT(send(fd, "exfiltrated", 11, 0) == 11);
		CU_ASSERT(live_counts(WARDER_EGRESS, R(UNPROVEN_REPLY)));
		CU_ASSERT_EQUAL(live_counted(WARDER_EGRESS, R(ALLOWED_REPLY)), 0);
		repair(fd, 1);
		close(fd);
	}
}

/* The initial sequence number of the SYN-ACK that left for `port`, read on the node's side. */
static __u32 syn_ack_number(int tap, __u16 port)
{
	uint8_t frame[256];

	while (live_ready(tap, POLLIN, 300)) {
		ssize_t n = recv(tap, frame, sizeof(frame), 0);

		if (n >= 54 && frame[12] == 8 && frame[23] == TCP && frame[47] == (SYN | ACK) &&
		    (frame[36] << 8 | frame[37]) == port)
			return (__u32)frame[38] << 24 | frame[39] << 16 | frame[40] << 8 |
			       frame[41];
	}
	return 0;
}

/*
 * Rule: a handshake that a process makes with itself over lo, in another's name, proves nothing: what the
 * accepted socket sends does not leave.  10.9.9.9 never answers.
 */
static void test_handmade(void)
{
	struct live_addr src = live_addr(4, LIVE_PEER, 0), dst = live_addr(4, LIVE_POD, 0);
	int listener, accepted, tap;
	__u32 number;

	LIVE_START();
	world_allow(WARDER_INGRESS, WORLD, ALL_PORTS);
	inet_pton(AF_INET, "10.9.9.9", &((struct sockaddr_in *)&src.at)->sin_addr);
	live_run(LIVE_NODE, "ip route replace blackhole 10.9.9.9");
	live_write(LIVE_POD, "/proc/sys/net/ipv4/conf/lo/rp_filter", "0");
	listener = live_listen(LIVE_POD, 4, 8080);
	tap = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(3 /* ETH_P_ALL */));
	CU_ASSERT_FATAL(tap >= 0);
	CU_ASSERT(send_raw(LIVE_POD, 4, "lo", &src, &dst, 5555, 8080, 100, 0, SYN, ""));
	number = syn_ack_number(tap, 5555);
	close(tap);
	CU_ASSERT_NOT_EQUAL(number, 0);
	CU_ASSERT(send_raw(LIVE_POD, 4, "lo", &src, &dst, 5555, 8080, 101, number + 1, ACK, ""));
	accepted = live_accept(listener, 500);
	CU_ASSERT(accepted >= 0);
	live_mark();
	CU_ASSERT(send(accepted, "exfiltrated", 11, 0) == 11);
	CU_ASSERT(live_counts(WARDER_EGRESS, R(UNPROVEN_REPLY)));
	CU_ASSERT_EQUAL(live_counted(WARDER_EGRESS, R(ALLOWED_REPLY)), 0);
	live_linger(accepted);
	close(accepted);
	close(listener);
}

/* Rule: both SYNs cross; the pod's own was allowed, so the peer's is part of it. */
static void test_simultaneous(void)
{
	LIVE_START();
	FOR_FAMILIES(family)
	{
		struct live_addr pod = live_addr(family, LIVE_POD, 40001);
		struct live_addr peer = live_addr(family, LIVE_PEER, 443);
		int a = live_socket(LIVE_POD, family, SOCK_STREAM, 0), on = 1;
		int b = live_socket(LIVE_PEER, family, SOCK_STREAM, 0);

		setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		CU_ASSERT(!bind(a, (void *)&pod.at, pod.size));
		CU_ASSERT(!bind(b, (void *)&peer.at, peer.size));
		live_mark();
		/* The peer's link is down until both have sent. */
		live_run(LIVE_NODE, "tc qdisc add dev nq root tbf rate 1mbit burst 2000 latency 1s "
				    "2>/dev/null");
		connect(a, (void *)&peer.at, peer.size);
		connect(b, (void *)&pod.at, pod.size);
		live_run(LIVE_NODE, "tc qdisc del dev nq root 2>/dev/null");
		if (live_ready(a, POLLOUT, 2500) && live_state(a) == TCP_ESTABLISHED) {
			CU_ASSERT_EQUAL(live_move(a, b, 100, 500), 100);
			CU_ASSERT_EQUAL(live_move(b, a, 100, 500), 100);
			NONE_REFUSED("simultaneous open");
		}
		live_linger(a);
		close(a);
		close(b);
	}
}

/* Rule: a socket connected to its peer proves a datagram's answers without an entry; another needs one. */
static void test_datagrams(void)
{
	char byte;

	LIVE_START();
	FOR_FAMILIES(family)
	for (int connected = 0; connected < 2; connected++) {
		struct live_addr to = live_addr(family, LIVE_PEER, 53), from;
		int server = live_socket(LIVE_PEER, family, SOCK_DGRAM, 0);
		int fd = live_socket(LIVE_POD, family, SOCK_DGRAM, 0);
		struct warder_flow_key key;

		live_mark();
		world_forget();
		CU_ASSERT(!bind(server, (void *)&to.at, to.size));
		if (connected)
			CU_ASSERT(!connect(fd, (void *)&to.at, to.size));
		CU_ASSERT(sendto(fd, "?", 1, 0, connected ? NULL : (void *)&to.at,
				 connected ? 0 : to.size) == 1);
		CU_ASSERT(live_ready(server, POLLIN, 1000));
		from.size = sizeof(from.at);
		CU_ASSERT(recvfrom(server, &byte, 1, 0, (void *)&from.at, &from.size) == 1);
		CU_ASSERT_EQUAL(!bpf_map_get_next_key(bpf_map__fd(world->maps.flows), NULL, &key),
				!connected);
		for (int i = 0; i < 3; i++) {
			CU_ASSERT(sendto(server, "!", 1, 0, (void *)&from.at, from.size) == 1);
			CU_ASSERT(live_ready(fd, POLLIN, 1000));
			CU_ASSERT(recv(fd, &byte, 1, 0) == 1);
		}
		NONE_REFUSED("datagrams");
		/* Nobody else's: another port of the peer. */
		close(server);
		server = live_socket(LIVE_PEER, family, SOCK_DGRAM, 0);
		sendto(server, "!", 1, 0, (void *)&from.at, from.size);
		CU_ASSERT(live_counts(WARDER_INGRESS, R(POLICY)));
		/* The closed port's error passes. */
		live_mark();
		sendto(fd, "?", 1, 0, connected ? NULL : (void *)&to.at, connected ? 0 : to.size);
		CU_ASSERT(live_counts(WARDER_INGRESS, R(ALLOWED_ERROR)));
		close(server);
		close(fd);
	}
}

/* Rule: what an ordinary link says of itself (ARP, DAD, router solicitation, reports) raises no alarm. */
static void test_quiet_link(void)
{
	LIVE_START();
	live_write(LIVE_POD, "/proc/sys/net/ipv6/conf/all/accept_dad", "1");
	live_write(LIVE_POD, "/proc/sys/net/ipv6/conf/eth0/accept_dad", "1");
	CU_ASSERT(live_run(LIVE_POD, "ip link set eth0 down && ip link set eth0 up && "
				     "ip addr add fd00:1::1/64 dev eth0 2>/dev/null; "
				     "ip route replace default via 10.1.0.254 && "
				     "ip -6 route replace default via fd00:1::fe"));
	/* Until its address is no longer tried out. */
	CU_ASSERT(live_run(LIVE_POD, "for i in $(seq 50); do "
				     "ip -6 addr show dev eth0 tentative | grep -q . || exit 0; "
				     "sleep 0.1; done; exit 1"));
	CU_ASSERT(live_run(LIVE_PEER, "ping -c 1 -w 3 10.1.0.1 >/dev/null"));
	CU_ASSERT(live_run(LIVE_PEER, "ping -c 1 -w 3 fd00:1::1 >/dev/null"));
	CU_ASSERT(live_counted(WARDER_EGRESS, R(ALLOWED_NEIGHBOUR)) > 0);
	NONE_REFUSED("a link that comes up");
}

static const struct suite_test tests[] = {
	{"quiet_link", test_quiet_link},
	{"handshake", test_handshake},
	{"ends", test_ends},
	{"refused_connection", test_refused_connection},
	{"bound_device", test_bound_device},
	{"orphans", test_orphans},
	{"syncookies", test_syncookies},
	{"revocation", test_revocation},
	{"revocation_of_another", test_revocation_of_another},
	{"option_memory", test_option_memory},
	{"raw_out", test_raw_out},
	{"raw_in", test_raw_in},
	{"listen_after_connect", test_listen_after_connect},
	{"repair", test_repair},
	{"handmade", test_handmade},
	{"simultaneous", test_simultaneous},
	{"datagrams", test_datagrams},
};
SUITE("tcp", tests)
