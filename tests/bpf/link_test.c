/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that a test run cannot make: sent by a packet socket in the pod, over the real link.  Rule: no tag
 * but VID 0, no other ethertype, nothing too short to be read, no other MAC; its counter-case, the same
 * frame without that, passes.  And the kernel's own ICMP errors.
 */
#include <linux/if_packet.h>

#include "live.h"

#define R(name) WARDER_REASON_##name

/* Sends a frame out of the pod's interface, by the queues or past them. */
static bool send_frame(const struct packet *p, bool bypass)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
	int fd = -1, on = 1;
	bool ok = false;

	live_enter(LIVE_POD);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = if_nametoindex("eth0");
	live_enter(LIVE_NODE);
	if (fd < 0)
		return false;
	if (bypass)
		setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	ok = sendto(fd, p->data, p->size, 0, (void *)&to, sizeof(to)) == (ssize_t)p->size;
	if (!ok)
		printf("  %zu bytes: %s\n", p->size, strerror(errno));
	close(fd);
	return ok;
}

/* A SYN of the pod to the peer's 443, which policy allows. */
static void lawful(struct packet *p)
{
	packet_build(p, &(struct spec){"10.1.0.1", "10.2.0.3", TCP, 40000, 443});
}

/* Puts a tag in. */
static void tag(struct packet *p, __u16 ethertype, __u16 vid)
{
	memmove(p->data + 16, p->data + 12, p->size - 12);
	p->data[12] = ethertype >> 8;
	p->data[13] = ethertype;
	p->data[14] = vid >> 8;
	p->data[15] = vid;
	p->size += 4;
}

static void expect(const char *what, const struct packet *p, int reason)
{
	for (int bypass = 0; bypass < 2; bypass++) {
		live_mark();
		CU_ASSERT(send_frame(p, bypass));
		if (live_counts(WARDER_EGRESS, reason))
			continue;
		live_refused(what);
		printf("  %s: not counted as %s\n", what, world_reason_name(reason));
		CU_FAIL("another verdict");
	}
}

static void test_tags(void)
{
	struct packet p;

	LIVE_START();
	lawful(&p);
	expect("untagged", &p, R(ALLOWED));
	tag(&p, 0x8100, 0);
	expect("VID 0", &p, R(ALLOWED));
	lawful(&p);
	tag(&p, 0x8100, 5);
	expect("VID 5", &p, R(VLAN));
	lawful(&p);
	tag(&p, 0x88a8, 5);
	expect("service VID 5", &p, R(VLAN));
	lawful(&p);
	tag(&p, 0x8100, 5);
	tag(&p, 0x88a8, 0);
	expect("a tag behind VID 0", &p, R(VLAN));
	lawful(&p);
	tag(&p, 0x8100, 0);
	tag(&p, 0x8100, 0);
	expect("VID 0 twice", &p, R(VLAN));
}

static void test_foreign(void)
{
	struct packet p;

	LIVE_START();
	lawful(&p);
	p.data[12] = 0x88;
	p.data[13] = 0xcc;
	expect("LLDP", &p, R(ETHERTYPE));
	lawful(&p);
	p.data[12] = 0;
	p.data[13] = 38; /* a length: LLC */
	expect("LLC", &p, R(ETHERTYPE));
	lawful(&p);
	p.data[11] = 9;
	expect("another's MAC", &p, R(SPOOFED_MAC));
	lawful(&p);
	p.data[29] = 9;
	expect("another's address", &p, R(SPOOFED_SOURCE));
}

/* Down to the bytes that a test run makes no packet of. */
static void test_short(void)
{
	static const char *const from[] = {"10.1.0.1", "fd00:1::1"}, *const to[] = {"10.2.0.3",
										    "fd00:2::3"};
	struct packet p;

	LIVE_START();
	for (int v6 = 0; v6 < 2; v6++) {
		packet_build(&p, &(struct spec){from[v6], to[v6], TCP, 40000, 443});
		for (size_t whole = p.size, size = 15; size < whole; size++) {
			p.size = size;
			live_mark();
			CU_ASSERT(send_frame(&p, size & 1));
			CU_ASSERT(live_counts(WARDER_EGRESS, R(MALFORMED)));
			CU_ASSERT_EQUAL(live_counted(WARDER_EGRESS, R(ALLOWED)), 0);
		}
	}
}

/* Rule: the kernel's error about a datagram that was let in passes; a process's own makes no exception. */
static void test_icmp_error(void)
{
	LIVE_START();
	world_allow(WARDER_INGRESS, POD_C, BIT(UDP_53));
	FOR_FAMILIES(family)
	{
		struct live_addr to = live_addr(family, LIVE_POD, 53);
		struct packet p, inner;
		int fd = live_socket(LIVE_PEER, family, SOCK_DGRAM, 0);
		bool v6 = family == 6;

		live_mark();
		CU_ASSERT(!connect(fd, (void *)&to.at, to.size));
		CU_ASSERT(send(fd, "?", 1, 0) == 1);
		CU_ASSERT(live_counts(WARDER_EGRESS, R(ALLOWED_ERROR)));
		CU_ASSERT(live_ready(fd, POLLIN, 1000) && send(fd, "?", 1, 0) < 0 &&
			  errno == ECONNREFUSED);
		close(fd);
		NONE_REFUSED("the kernel's error");
		packet_build(&inner, &(struct spec){v6 ? "fd00:2::3" : "10.2.0.3",
						    v6 ? "fd00:1::1" : "10.1.0.1", UDP, 9, 53});
		packet_build(&p, &(struct spec){v6 ? "fd00:1::1" : "10.1.0.1",
						v6 ? "fd00:2::3" : "10.2.0.3", v6 ? ICMP6 : ICMP, 0,
						v6 ? 1 << 8 | 4 : 3 << 8 | 3,
						.body = {inner.data + 14, inner.size - 14}});
		expect("an error by hand", &p, R(ICMP_ERROR));
	}
}

static const struct suite_test tests[] = {
	{"tags", test_tags},
	{"foreign", test_foreign},
	{"short", test_short},
	{"icmp_error", test_icmp_error},
};
SUITE("link", tests)
