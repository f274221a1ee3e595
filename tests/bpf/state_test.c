/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams and their flow state, ICMP errors, and what a test run can tell of TCP's rules. */
#include <time.h>

#include "world.h"

#define R(name) WARDER_REASON_##name

static const struct world_context uplink = {.ingress = UPLINK};

static int out(const struct spec *spec)
{
	struct packet p;

	packet_build(&p, spec);
	return world_reason(true, &p, NULL);
}

static int in(const struct spec *spec)
{
	struct packet p;

	packet_build(&p, spec);
	return world_reason(false, &p, &uplink);
}

#define OUT(...) out(&(struct spec){__VA_ARGS__})
#define IN(...)	 in(&(struct spec){__VA_ARGS__})

/* Makes the one flow older. */
static void age(unsigned seconds)
{
	int fd = bpf_map__fd(world->maps.flows);
	struct warder_flow_key key;
	struct warder_flow flow;

	CU_ASSERT_FATAL(!bpf_map_get_next_key(fd, NULL, &key));
	CU_ASSERT_FATAL(!bpf_map_lookup_elem(fd, &key, &flow));
	flow.seen -= seconds * 1000000000ULL;
	CU_ASSERT(!bpf_map_update_elem(fd, &key, &flow, BPF_ANY));
	world_forget_proofs();
}

static unsigned flows(void)
{
	int fd = bpf_map__fd(world->maps.flows);
	struct warder_flow_key key, *last = NULL;
	unsigned n = 0;

	for (; !bpf_map_get_next_key(fd, last, &key); last = &key)
		n++;
	return n;
}

static struct warder_flow_budget budget(__u32 direction)
{
	struct warder_flow_budget ret = {};
	__u32 key = 1 * 2 + direction;

	bpf_map_lookup_elem(bpf_map__fd(world->maps.flow_budgets), &key, &ret);
	return ret;
}

/* Rule: an allowed datagram lets its answers in; nothing else comes in by it. */
static void test_answer(void)
{
	WORLD_START();
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40001), R(POLICY));
	CU_ASSERT_EQUAL(IN("8.8.4.4", "10.1.0.1", UDP, 53, 40000), R(POLICY));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 54, 40000), R(POLICY));
	CU_ASSERT_EQUAL(OUT("fd00::1", "2001:db8::1", UDP, 40000, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("2001:db8::1", "fd00::1", UDP, 53, 40000), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(IN("2001:db8::2", "fd00::1", UDP, 53, 40000), R(POLICY));
}

/* Rule: it is the direction of the first packet that counts: an answer opens nothing for its own
 * side. */
static void test_direction(void)
{
	WORLD_START();
	world_allow(WARDER_INGRESS, WORLD, BIT(UDP_53));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 53, 40000), R(POLICY));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 40000, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 53, 40000), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 53, 40001), R(POLICY));
	CU_ASSERT_EQUAL(budget(WARDER_INGRESS).answered, 1);
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).answered, 0);
}

/* Rule: a hit asks the forward verdict again: what is revoked ends with the next packet. */
static void test_revoked(void)
{
	WORLD_START();
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED_FLOW));
	world_allow(WARDER_EGRESS, WORLD, 0);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53), R(POLICY));
}

/* Rule: unanswered 30 s, answered once 5 s, a stream 120 s after its last packet. */
static void test_lifetime(void)
{
	WORLD_START();
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53);
	age(31);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
	OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53);
	age(29);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED_FLOW));
	age(6);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
	/* An expired entry that is used again begins as an unanswered one. */
	OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53);
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).unanswered, 1);
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).answered, 0);
	OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53);
	IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000);
	IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000);
	age(119);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED_FLOW));
	age(121);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
}

/* Rule: what is remembered of a flow for a moment says nothing about the other question of a tuple. */
static void test_remembered(void)
{
	WORLD_START();
	world_allow(WARDER_INGRESS, WORLD, ALL_PORTS);
	/* Allowed in itself, again and again: that began no flow of the other direction. */
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED));
	world_allow(WARDER_INGRESS, WORLD, 0);
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
	/* And an answer that was let in again and again ends with what began it. */
	for (int i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53), R(ALLOWED));
		CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED_FLOW));
	}
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40001), R(POLICY));
	world_allow(WARDER_EGRESS, WORLD, 0);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
}

/* Rule: nothing of a slot's last owner counts for the next. */
static void test_generation(void)
{
	struct warder_slot slot;
	__u32 index = 1;

	WORLD_START();
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53);
	CU_ASSERT_FATAL(!bpf_map_lookup_elem(bpf_map__fd(world->maps.slots), &index, &slot));
	slot.now.generation = 2;
	world_update(world->maps.slots, &index, &slot);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(POLICY));
	OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).answered, 1);
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).generation, 2);
}

/* Rule: no entry where the answers are allowed anyway, nor toward a group. */
static void test_no_entry(void)
{
	WORLD_START();
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	OUT("10.1.0.1", "224.0.0.251", UDP, 40000, 53);
	OUT("fd00::1", "ff02::fb", UDP, 40000, 53);
	CU_ASSERT_EQUAL(flows(), 0);
	world_allow(WARDER_INGRESS, WORLD, BIT(ANY_UDP));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40000), R(ALLOWED));
	CU_ASSERT_EQUAL(flows(), 0);
}

/* Rule: a budget for each endpoint and direction; unanswered flows take no answered one's place. */
static void test_budget(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	WORLD_START();
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	world_allow(WARDER_INGRESS, POD_C, BIT(UDP_53));
	OUT("10.1.0.1", "8.8.8.8", UDP, 39999, 53);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 39999), R(ALLOWED_FLOW));
	for (__u16 port = 40000; port < 40016; port++)
		CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, port, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40016, 53), R(FLOW_BUDGET));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 39999), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", UDP, 40000, 53), R(ALLOWED));
	/* An answer makes room for one. */
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", UDP, 53, 40003), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40016, 53), R(ALLOWED));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40017, 53), R(FLOW_BUDGET));
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).unanswered, 16);
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).answered, 2);
	/* What expired goes, and its budget comes back; what lives stays. */
	age(200);
	CU_ASSERT(!bpf_prog_test_run_opts(bpf_program__fd(world->progs.warder_expire), &opts));
	CU_ASSERT_EQUAL(flows(), 18);
	CU_ASSERT_EQUAL(budget(WARDER_EGRESS).unanswered + budget(WARDER_EGRESS).answered +
				budget(WARDER_INGRESS).unanswered,
			18);
}

/* Rule: a server whose clients ask once each never runs out of places, however many they are. */
static void test_busy_server(void)
{
	WORLD_START();
	world_allow(WARDER_INGRESS, POD_C, BIT(UDP_53));
	for (__u16 port = 40000; port < 40100; port++) {
		CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", UDP, port, 53), R(ALLOWED));
		CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", UDP, 53, port), R(ALLOWED_FLOW));
	}
	CU_ASSERT_EQUAL(budget(WARDER_INGRESS).answered, 16);
	CU_ASSERT_EQUAL(budget(WARDER_INGRESS).answered + budget(WARDER_INGRESS).unanswered,
			flows());
	/* The first still have their flows; the last had its one answer. */
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", UDP, 53, 40000), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", UDP, 53, 40099), R(POLICY));
}

/* Rule: an echo reply belongs to a request, by its identifier. */
static void test_echo(void)
{
	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, BIT(WARDER_PORT_OTHER));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", ICMP, 7, 0), R(POLICY));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", ICMP, 7, 8 << 8), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", ICMP, 7, 0), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", ICMP, 8, 0), R(POLICY));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", ICMP, 7, 8 << 8), R(POLICY));
	CU_ASSERT_EQUAL(OUT("fd00::1", "fd00::3", ICMP6, 7, 128 << 8), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("fd00::3", "fd00::1", ICMP6, 7, 129 << 8), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(IN("fd00::3", "fd00::1", ICMP6, 7, 128 << 8), R(POLICY));
	/* A reply that nobody asked for opens nothing. */
	world_forget();
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", ICMP, 9, 0), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", ICMP, 9, 0), R(POLICY));
	/* No other type has answers: a timestamp. */
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", ICMP, 0, 13 << 8), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", ICMP, 0, 14 << 8), R(POLICY));
}

/* Rule: an SCTP association begins with an INIT, which is never an answer. */
static void test_sctp(void)
{
	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, BIT(ANY_SCTP));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", SCTP, 9, 10, .chunk = 3), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", SCTP, 10, 9, .chunk = 3), R(POLICY));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", SCTP, 9, 10, .chunk = 1), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", SCTP, 10, 9, .chunk = 2), R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", SCTP, 10, 9, .chunk = 1), R(POLICY));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", SCTP, 10, 11, .chunk = 2), R(POLICY));
}

/* Rule: an opaque endpoint's connections are flows, begun by a SYN; the plain gate is never used.
 */
static void test_opaque(void)
{
	WORLD_START();
	world_flags(ISOLATED | WARDER_SLOT_OPAQUE);
	world_allow(WARDER_EGRESS, POD_C, BIT(TCP_443));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", TCP, 9, 443, .flags = ACK), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", TCP, 443, 9, .flags = ACK), R(POLICY));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", TCP, 9, 443, .flags = SYN), R(ALLOWED));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", TCP, 443, 9, .flags = SYN | ACK),
			R(ALLOWED_FLOW));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", TCP, 443, 9, .flags = SYN), R(POLICY));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", TCP, 443, 9, .flags = FIN), R(TCP_FLAGS));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", TCP, 443, 10, .flags = ACK), R(POLICY));
}

/* Rule: toward a pod without a socket nothing is an answer, whatever its flags. */
static void test_tcp_without_socket(void)
{
	static const struct {
		uint8_t flags;
		int expected;
	} rows[] = {
		{SYN, R(POLICY)},
		{SYN | ECE | CWR, R(POLICY)},
		{SYN | PSH | URG, R(POLICY)},
		{SYN | ACK, R(UNPROVEN_REPLY)},
		{ACK, R(UNPROVEN_REPLY)},
		{RST, R(UNPROVEN_REPLY)},
		{RST | ACK, R(UNPROVEN_REPLY)},
		{FIN | ACK, R(UNPROVEN_REPLY)},
		{FIN, R(TCP_FLAGS)},
		{PSH, R(TCP_FLAGS)},
		{FIN | PSH | URG, R(TCP_FLAGS)},
		{SYN | FIN, R(TCP_FLAGS)},
		{SYN | RST, R(TCP_FLAGS)},
		{URG, R(TCP_FLAGS)},
	};

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, BIT(TCP_443));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", TCP, 443, 9, .flags = rows[i].flags),
				rows[i].expected);
		CU_ASSERT_EQUAL(IN("fd00::3", "fd00::1", TCP, 443, 9, .flags = rows[i].flags),
				rows[i].expected);
	}
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", TCP, 443, 9, .no_flags = true), R(TCP_FLAGS));
}

/* The packet inside an ICMP error: addresses and ports. */
static struct bytes inner(const char *src, const char *dst, uint8_t protocol, uint16_t sport,
			  uint16_t dport)
{
	static struct packet p;

	packet_build(&p, &(struct spec){src, dst, protocol, sport, dport});
	return (struct bytes){p.data + 14, (strchr(src, ':') ? 40 : 20) + 8};
}

/* Rule: an ICMP error is judged by the packet that it speaks of, whoever sends it. */
static void test_icmp_error(void)
{
	struct bytes body;

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, BIT(TCP_443));
	world_allow(WARDER_INGRESS, POD_C, BIT(TCP_8080));
	body = inner("10.1.0.1", "10.1.0.3", TCP, 9, 443);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", ICMP, 0, 3 << 8 | 4, .body = body),
			R(ALLOWED_ERROR));
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", ICMP, 0, 11 << 8, .body = body),
			R(ALLOWED_ERROR));
	body.size--;
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", ICMP, 0, 3 << 8, .body = body), R(ICMP_ERROR));
	body = inner("10.1.0.1", "10.1.0.3", TCP, 8080, 9); /* an answer of its server */
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", ICMP, 0, 3 << 8 | 4, .body = body),
			R(ALLOWED_ERROR));
	body = inner("10.1.0.1", "10.1.0.3", TCP, 9, 444);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", ICMP, 0, 3 << 8, .body = body), R(ICMP_ERROR));
	body = inner("10.1.0.2", "10.1.0.3", TCP, 9, 443);
	CU_ASSERT_EQUAL(IN("8.8.8.8", "10.1.0.1", ICMP, 0, 3 << 8, .body = body), R(ICMP_ERROR));
	body = inner("fd00::1", "fd00::3", TCP, 9, 443);
	CU_ASSERT_EQUAL(IN("fd00::77", "fd00::1", ICMP6, 0, 2 << 8, .body = body),
			R(ALLOWED_ERROR));
	CU_ASSERT_EQUAL(IN("10.1.0.3", "10.1.0.1", ICMP, 0, 3 << 8, .body = body), R(ICMP_ERROR));
	body = inner("fd00::1", "fd00::3", TCP, 9, 444);
	CU_ASSERT_EQUAL(IN("fd00::77", "fd00::1", ICMP6, 0, 2 << 8, .body = body), R(ICMP_ERROR));
	/* Out of the pod: about what was allowed in, to who sent it. */
	body = inner("10.1.0.3", "10.1.0.1", TCP, 9, 8080);
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", ICMP, 0, 3 << 8 | 3, .body = body),
			R(ALLOWED_ERROR));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.2", ICMP, 0, 3 << 8 | 3, .body = body),
			R(ICMP_ERROR));
	body = inner("10.1.0.3", "10.1.0.1", TCP, 9, 8081);
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "10.1.0.3", ICMP, 0, 3 << 8 | 3, .body = body),
			R(ICMP_ERROR));
}

/* Rule: where only audited policies differ, an answer that they would let pass is no would-deny. */
static void test_audited_answer(void)
{
	struct world_verdict v;
	struct packet p;

	WORLD_START();
	/* As it is everything is open; the audited policies would isolate both ways, and let 53
	 * out. */
	world_allow2(WARDER_EGRESS, WORLD, ALL_PORTS, BIT(UDP_53));
	world_allow2(WARDER_INGRESS, WORLD, ALL_PORTS, 0);
	packet_build(&p, &(struct spec){"8.8.8.8", "10.1.0.1", UDP, 53, 40000});
	v = world_run(false, p.data, p.size, &uplink);
	CU_ASSERT_EQUAL(v.reason, R(ALLOWED));
	CU_ASSERT_EQUAL(v.would_deny, R(POLICY));
	CU_ASSERT_EQUAL(OUT("10.1.0.1", "8.8.8.8", UDP, 40000, 53), R(ALLOWED));
	v = world_run(false, p.data, p.size, &uplink);
	CU_ASSERT_EQUAL(v.reason, R(ALLOWED));
	CU_ASSERT_EQUAL(v.would_deny, 0);
}

static const struct suite_test tests[] = {
	{"answer", test_answer},
	{"direction", test_direction},
	{"revoked", test_revoked},
	{"lifetime", test_lifetime},
	{"remembered", test_remembered},
	{"generation", test_generation},
	{"no_entry", test_no_entry},
	{"budget", test_budget},
	{"busy_server", test_busy_server},
	{"echo", test_echo},
	{"sctp", test_sctp},
	{"opaque", test_opaque},
	{"tcp_without_socket", test_tcp_without_socket},
	{"icmp_error", test_icmp_error},
	{"audited_answer", test_audited_answer},
};
SUITE("state", tests)
