/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule: sum(final totals of records) + sum(lines) + sum(overflow) = sum(counters that refuse or
 * would), after every packet, however many keys there are and however full the rings.
 */
#include <stdlib.h>

#include "world.h"

#define R(name) WARDER_REASON_##name

static struct {
	__u64 final_packets, final_bytes; /* of tenancies that are over */
	unsigned records, rare, bulk;
	struct warder_event last;
} seen;

static int on_event(void *data, void *record, size_t size)
{
	const struct warder_event *event = record;

	CU_ASSERT_EQUAL(size, sizeof(*event));
	if (event->last) {
		seen.final_packets += event->packets;
		seen.final_bytes += event->bytes;
	}
	seen.records++;
	++*(data ? &seen.rare : &seen.bulk);
	seen.last = *event;
	return 0;
}

static void drain(void)
{
	static struct ring_buffer *rings;

	if (!rings) {
		rings = ring_buffer__new(bpf_map__fd(world->maps.events_rare), on_event, &seen,
					 NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(rings);
		CU_ASSERT(!ring_buffer__add(rings, bpf_map__fd(world->maps.events_bulk), on_event,
					    NULL));
	}
	CU_ASSERT(ring_buffer__consume(rings) >= 0);
}

/* What the lines and the overflow hold, of all tests so far. */
static void held(__u64 *packets, __u64 *bytes)
{
	struct warder_counter counters[64];
	struct warder_line lines[64];

	*packets = *bytes = 0;
	for (__u32 i = 0; i < WARDER_LINES; i++) {
		CU_ASSERT(!bpf_map_lookup_elem(bpf_map__fd(world->maps.lines), &i, lines));
		for (unsigned cpu = 0; cpu < world_cpus; cpu++) {
			CU_ASSERT_EQUAL(lines[cpu].tenancy, lines[cpu].tenancy_end);
			CU_ASSERT_EQUAL(lines[cpu].tenancy & 1, 0);
			*packets += lines[cpu].packets;
			*bytes += lines[cpu].bytes;
		}
	}
	for (__u32 i = 0; i < WARDER_OVERFLOWS; i++) {
		CU_ASSERT(!bpf_map_lookup_elem(bpf_map__fd(world->maps.overflow), &i, counters));
		for (unsigned cpu = 0; cpu < world_cpus; cpu++) {
			*packets += counters[cpu].packets;
			*bytes += counters[cpu].bytes;
		}
	}
}

static void counted(__u64 *packets, __u64 *bytes)
{
	struct world_counts c;

	*packets = *bytes = 0;
	for (__u32 slot = 0; slot < 2; slot++)
		for (__u32 direction = 0; direction < 2; direction++) {
			world_count(slot, direction, &c);
			for (int audited = 0; audited < 2; audited++)
				for (int r = WARDER_REASON_DROP; r < WARDER_REASON_MAX; r++) {
					*packets += c.packets[audited][r];
					*bytes += c.bytes[audited][r];
				}
		}
}

static void check_sums(void)
{
	__u64 packets, bytes, counter_packets, counter_bytes;

	drain();
	held(&packets, &bytes);
	counted(&counter_packets, &counter_bytes);
	CU_ASSERT_EQUAL(seen.final_packets + packets, counter_packets);
	CU_ASSERT_EQUAL(seen.final_bytes + bytes, counter_bytes);
}

/* Runs a frame without looking at counters. */
static void run(struct bpf_program *program, const struct packet *p, unsigned repeat)
{
	struct __sk_buff skb = {.ifindex = 1, .gso_segs = 0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = p->size,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .repeat = repeat);

	CU_ASSERT(!bpf_prog_test_run_opts(bpf_program__fd(program), &opts));
}

/* The first packet of a key is told at once, and then one record a second stands for the rest. */
static void test_first(void)
{
	struct packet p;
	unsigned before;

	WORLD_START();
	drain();
	before = seen.records;
	packet_build(&p, &(struct spec){"10.1.0.1", "10.1.0.3", TCP, 40000, 444});
	run(world->progs.warder_from_pod, &p, 1000);
	drain();
	CU_ASSERT_EQUAL(seen.records - before, 1);
	CU_ASSERT_EQUAL(seen.last.key.reason, R(POLICY));
	CU_ASSERT_EQUAL(seen.last.key.dport, 444);
	CU_ASSERT_EQUAL(seen.last.key.slot, 1);
	CU_ASSERT_EQUAL(seen.last.key.generation, 1);
	CU_ASSERT_EQUAL(seen.last.key.direction, WARDER_EGRESS);
	CU_ASSERT_EQUAL(seen.last.key.hook, WARDER_HOOK_FROM_POD);
	CU_ASSERT_EQUAL(seen.last.key.protocol, TCP);
	CU_ASSERT_EQUAL(seen.last.key.ethertype, 0x0800);
	CU_ASSERT_EQUAL(seen.last.key.audited, 0);
	CU_ASSERT_EQUAL(seen.last.sample.peer_identity, 258);
	CU_ASSERT_EQUAL(seen.last.sample.sport, 40000);
	CU_ASSERT_EQUAL(seen.last.sample.ifindex, 1);
	CU_ASSERT_EQUAL(seen.last.sample.src_mac[5], 1);
	CU_ASSERT_EQUAL(seen.last.sample.file, WARDER_FILE_JUDGE);
	CU_ASSERT(seen.last.sample.line > 0);
	CU_ASSERT_EQUAL(seen.last.packets, 1);
	CU_ASSERT_EQUAL(seen.last.last, 0);
	check_sums();
}

/*
 * A spoof goes to the ring of rare things, which a flood of denials does not fill; nor does a
 * flood that filled its own ring keep every line for itself.
 */
static void test_rings(void)
{
	unsigned rare;
	struct packet p;

	WORLD_START();
	drain();
	for (unsigned i = 0; i < 40000; i++) {
		if (i == 20000)
			usleep(150000); /* the second half takes lines over, until the ring is full */
		packet_build(&p, &(struct spec){"10.1.0.1", "10.1.0.3", TCP, 40000, i + 1});
		run(world->progs.warder_from_pod, &p, 1);
	}
	rare = seen.rare;
	packet_build(&p, &(struct spec){"10.1.0.9", "10.1.0.3", TCP, 40000, 444});
	usleep(150000); /* every line may be taken now */
	run(world->progs.warder_from_pod, &p, 1);
	check_sums();
	CU_ASSERT(seen.rare > rare);
}

/* Many keys, some often, with nobody reading. */
static void test_flood(void)
{
	unsigned seed = 1;
	struct packet p;

	WORLD_START();
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 20000; i++) {
			bool from_pod = rand_r(&seed) & 1;

			packet_build(&p, &(struct spec){from_pod ? "10.1.0.1" : "10.1.0.2",
							from_pod ? "10.1.0.2" : "10.1.0.9", UDP, 9,
							rand_r(&seed) % 30000});
			run(from_pod ? world->progs.warder_from_pod : world->progs.warder_to_pod,
			    &p, 1 + rand_r(&seed) % 3);
		}
		usleep(120000);
	}
	check_sums();
}

/* Rule: what audited policies would refuse is told too, marked as such, and beside what it counts
 * as. */
static void test_audited(void)
{
	struct packet p;

	WORLD_START();
	drain();
	world_allow2(WARDER_EGRESS, POD_C, ALL_PORTS, 0);
	packet_build(&p, &(struct spec){"10.1.0.1", "10.1.0.3", TCP, 40000, 555});
	run(world->progs.warder_from_pod, &p, 5);
	drain();
	CU_ASSERT_EQUAL(seen.last.key.audited, 1);
	CU_ASSERT_EQUAL(seen.last.key.reason, R(POLICY));
	CU_ASSERT_EQUAL(seen.last.key.dport, 555);
	check_sums();
}

static const struct suite_test tests[] = {
	{"first", test_first},
	{"rings", test_rings},
	{"flood", test_flood},
	{"audited", test_audited},
};
SUITE("event", tests)
