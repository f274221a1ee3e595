/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule: what cannot be read whole never passes, whatever policy says; its counter-case, the same
 * frame whole, does.  Everything is allowed in these tests.
 */
#include <stdlib.h>

#include "world.h"

#define R(name) WARDER_REASON_##name

static void open_world(void)
{
	world_reset();
	for (__u32 class = 0; class < CLASSES; class ++) {
		world_allow(WARDER_EGRESS, class, ALL_PORTS);
		world_allow(WARDER_INGRESS, class, ALL_PORTS);
	}
}

#define WORLD_OPEN()                                                                               \
	WORLD_START();                                                                             \
	open_world()

/* clang-format off */
/* The inner packet of an ICMP error that pod a had sent to 10.1.0.3:443, and its IPv6 form. */
#define INNER4 0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 1, 0, 1, 10, 1, 0, 3, 0x9c, 0x40, 1, 187, 0, 0, 0, 1
#define INNER6 0x60, 0, 0, 0, 0, 20, 6, 64, \
	0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, \
	0x9c, 0x40, 1, 187, 0, 0, 0, 1

static const uint8_t inner4[] = { INNER4 }, inner6[] = { INNER6 };

/* Lawful frames; `head`: bytes without which the frame cannot be judged. */
static const struct whole {
	const char *name;
	bool from_pod;
	struct spec spec;
	size_t head;
} wholes[] = {
	{ "TCP", true, { "10.1.0.1", "10.1.0.3", TCP, 40000, 443, .payload = 20 }, 54 },
	{ "TCP v6", true, { "fd00::1", "fd00::3", TCP, 40000, 443, .payload = 20 }, 74 },
	{ "UDP", true, { "10.1.0.1", "10.1.0.3", UDP, 40000, 53, .payload = 20 }, 42 },
	{ "UDP v6", true, { "fd00::1", "fd00::3", UDP, 40000, 53, .payload = 20 }, 62 },
	{ "SCTP", true, { "10.1.0.1", "10.1.0.3", SCTP, 40000, 9, .payload = 20 }, 50 },
	{ "SCTP v6", true, { "fd00::1", "fd00::3", SCTP, 40000, 9, .payload = 20 }, 70 },
	{ "ping", true, { "10.1.0.1", "10.1.0.3", ICMP, 7, 8 << 8, .payload = 20 }, 42 },
	{ "ping v6", true, { "fd00::1", "fd00::3", ICMP6, 7, 128 << 8, .payload = 20 }, 62 },
	{ "in", false, { "10.1.0.3", "10.1.0.1", TCP, 40000, 443, .payload = 20 }, 54 },
	{ "in v6", false, { "fd00::3", "fd00::1", TCP, 40000, 443, .payload = 20 }, 74 },
	{ "error", false, { "10.1.0.9", "10.1.0.1", ICMP, 0, 3 << 8 | 4, .body = { inner4, 28 } }, 70 },
	{ "error v6", false, { "fd00::9", "fd00::1", ICMP6, 0, 2 << 8, .body = { inner6, 48 } }, 110 },
	{ "options", true, { "10.1.0.1", "10.1.0.3", TCP, 40000, 443, .payload = 20,
		.options = { (const uint8_t[]){ 148, 4, 0, 0 }, 4 } }, 58 },
	{ "extensions", true, { "fd00::1", "fd00::3", TCP, 40000, 443, .payload = 20, .first_extension = 0,
		.extensions = { (const uint8_t[]){ 60, 0, 1, 4, 0, 0, 0, 0, 6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 24 } }, 98 },
	{ "atomic fragment", true, { "fd00::1", "fd00::3", TCP, 40000, 443, .payload = 20, .fragment_header = true }, 82 },
	{ "first fragment", true, { "10.1.0.1", "10.1.0.3", TCP, 40000, 443, .payload = 20, .fragment = MORE }, 54 },
	{ "first fragment v6", true, { "fd00::1", "fd00::3", UDP, 40000, 443, .payload = 24, .fragment = MORE }, 70 },
};
/* clang-format on */
#define WHOLES (sizeof(wholes) / sizeof(wholes[0]))

static const struct world_context uplink = {.ingress = UPLINK};

static bool passes(const struct whole *w, const struct packet *p)
{
	return world_run(w->from_pod, p->data, p->size, &uplink).action == -1;
}

/* Each lawful frame passes; cut short anywhere, it does not. */
static void test_cut(void)
{
	struct packet p;

	WORLD_OPEN();
	for (size_t i = 0; i < WHOLES; i++) {
		size_t size;

		packet_build(&p, &wholes[i].spec);
		if (!passes(&wholes[i], &p)) {
			printf("  %s does not pass whole\n", wholes[i].name);
			CU_FAIL("whole");
		}
		size = p.size;
		for (p.size = 14; p.size < size; p.size++) {
			struct world_verdict v;

			v = world_run(wholes[i].from_pod, p.data, p.size, &uplink);
			if (v.action == -EINVAL)
				continue; /* the kernel makes no packet of it */
			if (v.action != 2 || v.reason < WARDER_REASON_DROP) {
				printf("  %s of %zu passes with %zu\n", wholes[i].name, size,
				       p.size);
				CU_FAIL("cut");
			}
		}
	}
}

/* The same with a network header that says what is there: the transport's header must still be
 * whole. */
static void test_cut_with_length(void)
{
	struct packet p;

	WORLD_OPEN();
	for (size_t i = 0; i < WHOLES; i++) {
		bool v6 = strchr(wholes[i].spec.src, ':'), fragment = wholes[i].spec.fragment;
		size_t size, length;

		packet_build(&p, &wholes[i].spec);
		size = p.size;
		for (p.size = 14 + (v6 ? 40 : 20); p.size < size; p.size++) {
			bool expected = p.size >= wholes[i].head;

			length = p.size - 14 - (v6 ? 40 : 0);
			p.data[v6 ? 18 : 16] = length >> 8;
			p.data[v6 ? 19 : 17] = length;
			/* A first fragment ends at a multiple of 8; UDP has a length of its own. */
			if (fragment && (length - (v6 ? 8 : 20)) % 8)
				expected = false;
			if (wholes[i].spec.protocol == UDP && !fragment)
				expected = false;
			if (passes(&wholes[i], &p) == expected)
				continue;
			printf("  %s of %zu cut to %zu: %s\n", wholes[i].name, size, p.size,
			       expected ? "refused" : "passes");
			CU_FAIL("cut");
		}
	}
}

struct row {
	const char *name;
	struct spec spec;
	int expected;
};

static void run_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct packet p;

		packet_build(&p, &rows[i].spec);
		CU_ASSERT(world_expect(rows[i].name, true, &p, NULL, rows[i].expected));
		world_forget();
	}
}
#define RUN(rows) run_rows(rows, sizeof(rows) / sizeof((rows)[0]))

/* clang-format off */
/* Rule: fragments.  Counter-case of each: the lawful one beside it. */
static void test_fragments(void)
{
	const struct row open[] = {
		{ "later", { "10.1.0.1", "10.1.0.3", TCP, .fragment = OFFSET(1480), .payload = 100 }, R(ALLOWED_FRAGMENT) },
		{ "later v6", { "fd00::1", "fd00::3", UDP, .fragment = OFFSET(1440), .payload = 100 }, R(ALLOWED_FRAGMENT) },
		{ "later with more", { "10.1.0.1", "10.1.0.3", UDP, .fragment = MORE | OFFSET(1480), .payload = 80 }, R(ALLOWED_FRAGMENT) },
		{ "into the TCP header", { "10.1.0.1", "10.1.0.3", TCP, .fragment = OFFSET(8), .payload = 100 }, R(FRAGMENT) },
		{ "into the TCP header v6", { "fd00::1", "fd00::3", TCP, .fragment = OFFSET(16), .payload = 100 }, R(FRAGMENT) },
		{ "behind the TCP header", { "10.1.0.1", "10.1.0.3", TCP, .fragment = OFFSET(24), .payload = 100 }, R(ALLOWED_FRAGMENT) },
		{ "behind the UDP header", { "10.1.0.1", "10.1.0.3", UDP, .fragment = OFFSET(8), .payload = 100 }, R(ALLOWED_FRAGMENT) },
		{ "beyond 64 kB", { "10.1.0.1", "10.1.0.3", UDP, .fragment = OFFSET(65528), .payload = 100 }, R(FRAGMENT) },
		{ "beyond 64 kB v6", { "fd00::1", "fd00::3", UDP, .fragment = OFFSET(65528), .payload = 100 }, R(FRAGMENT) },
		{ "odd size", { "10.1.0.1", "10.1.0.3", UDP, .fragment = MORE | OFFSET(1480), .payload = 81 }, R(FRAGMENT) },
		{ "odd size v6", { "fd00::1", "fd00::3", UDP, .fragment = MORE | OFFSET(1480), .payload = 81 }, R(FRAGMENT) },
		{ "odd size of the last", { "10.1.0.1", "10.1.0.3", UDP, .fragment = OFFSET(1480), .payload = 81 }, R(ALLOWED_FRAGMENT) },
		{ "empty", { "10.1.0.1", "10.1.0.3", UDP, .fragment = OFFSET(1480) }, R(FRAGMENT) },
		{ "two fragment headers", { "fd00::1", "fd00::3", TCP, 1, 2, .first_extension = 44,
			.extensions = BYTES(44, 0, 0, 1, 0, 0, 0, 1, 6, 0, 0, 1, 0, 0, 0, 1), .payload = 4 }, R(FRAGMENT) },
		{ "atomic", { "fd00::1", "fd00::3", TCP, 1, 2, .fragment_header = true }, R(ALLOWED) },
	};
	const struct row closed[] = {
		{ "later", { "10.1.0.1", "10.1.0.3", TCP, .fragment = OFFSET(1480), .payload = 100 }, R(FRAGMENT_PORT) },
		{ "later v6", { "fd00::1", "fd00::3", TCP, .fragment = OFFSET(1480), .payload = 100 }, R(FRAGMENT_PORT) },
		{ "UDP, which has a port", { "10.1.0.1", "10.1.0.3", UDP, .fragment = OFFSET(1480), .payload = 100 }, R(ALLOWED_FRAGMENT) },
		{ "SCTP, which the other direction has", { "10.1.0.1", "10.1.0.3", SCTP, .fragment = OFFSET(1480), .payload = 100 }, R(ALLOWED_FRAGMENT) },
		{ "the first is judged", { "10.1.0.1", "10.1.0.3", UDP, 1, 53, .fragment = MORE, .payload = 8 }, R(ALLOWED) },
		{ "by its port", { "10.1.0.1", "10.1.0.3", UDP, 1, 54, .fragment = MORE, .payload = 8 }, R(POLICY) },
		{ "an atomic one by its port", { "fd00::1", "fd00::3", UDP, 1, 54, .fragment_header = true }, R(POLICY) },
		{ "the source is checked", { "10.1.0.2", "10.1.0.3", UDP, .fragment = OFFSET(1480), .payload = 100 }, R(SPOOFED_SOURCE) },
	};

	WORLD_OPEN();
	RUN(open);
	world_deny_all();
	world_allow(WARDER_EGRESS, POD_C, BIT(UDP_53) | BIT(WARDER_PORT_FRAGMENT_UDP));
	world_allow(WARDER_INGRESS, POD_C, BIT(ANY_SCTP) | BIT(WARDER_PORT_FRAGMENT_SCTP));
	RUN(closed);
}

/* Rule: extension headers and options are walked within bounds; source routes are refused. */
static void test_extensions(void)
{
	const struct row rows[] = {
		{ "eight", { "fd00::1", "fd00::3", TCP, 1, 2, .first_extension = 60, .extensions = BYTES(
			60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0,
			60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0) }, R(ALLOWED) },
		{ "nine", { "fd00::1", "fd00::3", TCP, 1, 2, .first_extension = 60, .extensions = BYTES(
			60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0,
			60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0) }, R(EXTENSION) },
		{ "routing, type 0", { "fd00::1", "fd00::3", TCP, 1, 2, .first_extension = 43, .extensions = BYTES(6, 0, 0, 0, 0, 0, 0, 0) }, R(EXTENSION) },
		{ "routing, type 4", { "fd00::1", "fd00::3", TCP, 1, 2, .first_extension = 43, .extensions = BYTES(6, 0, 4, 1, 0, 0, 0, 0) }, R(EXTENSION) },
		{ "hop-by-hop that is not the first", { "fd00::1", "fd00::3", TCP, 1, 2, .first_extension = 60, .extensions = BYTES(
			0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0) }, R(EXTENSION) },
		{ "longer than the packet", { "fd00::1", "fd00::3", TCP, 1, 2, .first_extension = 60, .extensions = BYTES(6, 200, 1, 4, 0, 0, 0, 0) }, R(MALFORMED) },
		{ "no next header", { "fd00::1", "fd00::3", 59 }, R(ALLOWED) },
		{ "loose source route", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(131, 7, 4, 10, 0, 0, 9, 0) }, R(EXTENSION) },
		{ "strict source route", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(1, 137, 7, 4, 10, 0, 0, 9) }, R(EXTENSION) },
		{ "source route after the end", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(0, 131, 3, 4) }, R(ALLOWED) },
		{ "record route", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(7, 7, 4, 0, 0, 0, 0, 0) }, R(ALLOWED) },
		{ "option of length 0", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(7, 0, 4, 0) }, R(MALFORMED) },
		{ "option longer than the header", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(7, 9, 4, 0) }, R(MALFORMED) },
		{ "forty bytes of nothing", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
			1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1) }, R(ALLOWED) },
		{ "route at their end", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .options = BYTES(1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
			1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 131, 3, 4) }, R(EXTENSION) },
		{ "longer than the frame", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .length_lie = 1 }, R(MALFORMED) },
		{ "longer than the frame v6", { "fd00::1", "fd00::3", TCP, 1, 2, .length_lie = 1 }, R(MALFORMED) },
		{ "shorter than the header", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .length_lie = -21 }, R(MALFORMED) },
		{ "shorter than the header v6", { "fd00::1", "fd00::3", TCP, 1, 2, .length_lie = -1 }, R(MALFORMED) },
	};

	WORLD_OPEN();
	RUN(rows);
}
/* clang-format on */

/* Rule: a frame with any bytes changed gets exactly one verdict, and passes only from the pod's own
 * address. */
static void test_mutations(void)
{
	unsigned seed = getenv("SEED") ? atoi(getenv("SEED")) : 1, failed = 0;
	struct warder_addr own4 = world_addr("10.1.0.1"), own6 = world_addr("fd00::1");

	WORLD_OPEN();
	for (unsigned round = 0; round < 3000; round++) {
		const struct whole *w = &wholes[rand_r(&seed) % WHOLES];
		unsigned start = seed;
		struct world_verdict v;
		struct packet p;
		bool own;

		packet_build(&p, &w->spec);
		for (int n = rand_r(&seed) % 6; n >= 0; n--)
			p.data[12 + rand_r(&seed) % (p.size - 12)] = rand_r(&seed);
		if (rand_r(&seed) % 4 == 0)
			p.size = 34 + rand_r(&seed) % (p.size - 34);
		v = world_run(w->from_pod, p.data, p.size, &uplink);
		if (v.action == -EINVAL)
			continue;
		own = p.data[12] == 0x08 && p.data[13] == 0
			      ? !memcmp(p.data + (w->from_pod ? 26 : 30), &own4.w[3], 4)
			      : !memcmp(p.data + (w->from_pod ? 22 : 38), &own6, 16);
		if (v.reason >= 0 && (v.action == 2) == (v.reason >= WARDER_REASON_DROP) &&
		    (v.action == 2 || own || v.reason == R(ALLOWED_NEIGHBOUR) ||
		     (!w->from_pod && v.reason == R(ALLOWED))))
			continue;
		printf("  round %u (state %u) of %s: action %d, reason %d\n", round, start, w->name,
		       v.action, v.reason);
		failed++;
	}
	CU_ASSERT_EQUAL(failed, 0);
}

static const struct suite_test tests[] = {
	{"cut", test_cut},
	{"cut_with_length", test_cut_with_length},
	{"fragments", test_fragments},
	{"extensions", test_extensions},
	{"mutations", test_mutations},
};
SUITE("malformed", tests)
