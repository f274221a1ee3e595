/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnel packets toward what no table lists as a node's, and the node's stack takes all the same: the
 * kernel's own routes decide (frame_test.c has what needs none).  Real namespaces, real veths.
 */
#include "live.h"

#define VXLAN 8472

static bool send_datagram(const char *text, __u16 port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool v6 = strchr(text, ':');
	int fd = live_socket(LIVE_POD, v6 ? 6 : 4, SOCK_DGRAM, 0), one = 1;
	ssize_t sent;

	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	assert(inet_pton(v6 ? AF_INET6 : AF_INET, text,
			 v6 ? (void *)&in6.sin6_addr : &in.sin_addr) == 1);
	sent = sendto(fd, text, strlen(text), 0, v6 ? (void *)&in6 : (void *)&in,
		      v6 ? sizeof(in6) : sizeof(in));
	close(fd);
	return sent > 0;
}

/* Rule: a tunnel packet that would end at the node's stack is refused; one that is sent on, or is no tunnel, is not. */
static void test_ends_here(void)
{
	static const struct {
		const char *to;
		__u16 port;
		int expected;
	} rows[] = {
		{"10.2.0.255", VXLAN, WARDER_REASON_TUNNEL}, /* another network's broadcast */
		{"fd00:2::", VXLAN, WARDER_REASON_TUNNEL}, /* the anycast address of its routers */
		{"255.255.255.255", VXLAN, WARDER_REASON_TUNNEL},
		{"10.2.0.255", VXLAN + 1, WARDER_REASON_ALLOWED},
		{"10.2.0.77", VXLAN, WARDER_REASON_ALLOWED},
		{"fd00:2::77", VXLAN, WARDER_REASON_ALLOWED},
	};

	LIVE_START();
	world_allow(WARDER_EGRESS, WORLD, ALL_PORTS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		live_mark();
		CU_ASSERT(send_datagram(rows[i].to, rows[i].port));
		if (!live_counts(WARDER_EGRESS, rows[i].expected)) {
			CU_FAIL("counted otherwise");
			live_refused(rows[i].to);
		}
	}
}

static const struct suite_test tests[] = {
	{"ends_here", test_ends_here},
};
SUITE("tunnel", tests)
