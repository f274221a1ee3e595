/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every packet that the datapath counted is in an alert or pending, once: shown against a model of
 * the kernel's side (lines, tenancies, two rings, overflow; see warder/event.h) under random
 * interleavings.  And the windows of a line, with a clock that the test turns.
 */
#include "telemetry/aggregate.h"

#include <stdlib.h>

#include "suite.h"
#include "telemetry/tenancy.h"

/* --- the kernel's side, as small as the protocol allows --- */

#define CPUS  3
#define LINES 4 /* of each CPU: few, so that they change hands all the time */
#define KEYS  24
#define RING  8 /* records that fit in a ring */

struct model_line {
	__u64 tenancy, packets, bytes, told_packets;
	unsigned key;
	bool used;
};

struct model_ring {
	struct warder_event v[RING];
	size_t head, n;
};

static struct {
	struct model_line lines[CPUS][LINES];
	__u64 tenancies[CPUS];
	struct model_ring rings[2]; /* rare, bulk */
	struct warder_counter counted[KEYS], overflow[WARDER_OVERFLOWS], total;
	struct warder_event stale[16]; /* lines as a sweep read them, told later */
	size_t n_stale;
} model;

static unsigned seed;

static unsigned dice(unsigned sides)
{
	return (unsigned)rand_r(&seed) % sides;
}

static unsigned reason_of(unsigned key)
{
	return key % 3 ? WARDER_REASON_POLICY : WARDER_REASON_SPOOFED_SOURCE;
}

static void key_fill(struct warder_event_key *key, unsigned number)
{
	memset(key, 0, sizeof(*key));
	key->src.b[10] = key->src.b[11] = key->dst.b[10] = key->dst.b[11] = 0xff;
	key->src.b[15] = (__u8)(number % 4);
	key->dst.b[15] = (__u8)(number / 4);
	key->dport = (__u16)(80 + number % 2);
	key->protocol = 6;
	key->reason = (__u8)reason_of(number);
	key->audited = number % 5 == 0;
	key->direction = WARDER_EGRESS;
}

static struct warder_event record(unsigned cpu, unsigned index, bool last)
{
	const struct model_line *line = &model.lines[cpu][index];
	struct warder_event event = {.cpu = cpu,
				     .index = index,
				     .tenancy = line->tenancy,
				     .packets = line->packets,
				     .bytes = line->bytes,
				     .last = last};

	key_fill(&event.key, line->key);
	return event;
}

static bool emit(unsigned cpu, unsigned index, bool last)
{
	struct model_line *line = &model.lines[cpu][index];
	struct model_ring *ring = &model.rings[reason_of(line->key) == WARDER_REASON_POLICY];

	if (ring->n == RING)
		return false;
	ring->v[(ring->head + ring->n++) % RING] = record(cpu, index, last);
	line->told_packets = line->packets;
	return true;
}

/* One packet (or one with segments), as the program counts it. */
static void model_packet(unsigned cpu, unsigned key)
{
	unsigned index = key % LINES, packets = 1 + dice(3), bytes = packets * (60 + dice(1400));
	struct model_line *line = &model.lines[cpu][index];
	struct warder_event_key full;

	model.counted[key].packets += packets;
	model.counted[key].bytes += bytes;
	model.total.packets += packets;
	model.total.bytes += bytes;
	if (!line->used || line->key != key) {
		if (line->used && !emit(cpu, index, true)) { /* no room for its end: it stays */
			key_fill(&full, key);
			model.overflow[full.reason + WARDER_REASON_MAX * full.audited].packets +=
				packets;
			model.overflow[full.reason + WARDER_REASON_MAX * full.audited].bytes +=
				bytes;
			return;
		}
		*line = (struct model_line){
			.tenancy = model.tenancies[cpu] += 2, .key = key, .used = true};
	}
	line->packets += packets;
	line->bytes += bytes;
	if (!line->told_packets || !dice(8))
		emit(cpu, index, false);
}

/* --- the reader under test --- */

static struct {
	struct warder_tenancies *tenancies;
	struct warder_aggregate *aggregate;
	struct warder_counter seen_overflow[WARDER_OVERFLOWS];
	__u64 now;
	struct warder_counter told, told_by_key[KEYS];
	unsigned first, update, close, ids;
} reader;

static void on_alert(void *data, struct warder_alert *alert)
{
	snprintf(alert->id, sizeof(alert->id), "id-%u", ++reader.ids);
	reader.told.packets += alert->packets;
	reader.told.bytes += alert->bytes;
	reader.first += alert->phase == WARDER_ALERT_FIRST;
	reader.update += alert->phase == WARDER_ALERT_UPDATE;
	reader.close += alert->phase == WARDER_ALERT_CLOSE;
	if (alert->phase == WARDER_ALERT_UPDATE)
		CU_ASSERT(alert->packets > 0);
	if (!alert->other)
		reader.told_by_key[alert->destination.addr.b[15] * 4 + alert->source.addr.b[15]]
			.packets += alert->packets;
}

static void tell(const struct warder_event *event)
{
	struct warder_alert alert = {0};
	struct warder_counter more;

	if (warder_tenancies_tell(reader.tenancies, event, &more, NULL) <= 0)
		return;
	alert.rule = warder_rule_of(event->key.reason, event->key.audited);
	alert.reason = event->key.reason;
	alert.audited = event->key.audited;
	alert.direction = event->key.direction;
	alert.protocol = event->key.protocol;
	alert.source.addr = event->key.src;
	alert.destination.addr = event->key.dst;
	alert.destination.port = event->key.dport;
	snprintf(alert.source.identity, sizeof(alert.source.identity), "s%u", event->key.src.b[15]);
	alert.packets = more.packets;
	alert.bytes = more.bytes;
	CU_ASSERT_EQUAL(warder_aggregate_add(reader.aggregate, &alert, reader.now), 0);
}

static void read_ring(struct model_ring *ring, size_t most)
{
	for (; ring->n && most; most--, ring->n--) {
		tell(&ring->v[ring->head]);
		if (!dice(4))
			tell(&ring->v[ring->head]); /* told twice */
		ring->head = (ring->head + 1) % RING;
	}
}

static void tell_stale(void)
{
	for (size_t i = 0; i < model.n_stale; i++)
		tell(&model.stale[i]);
	model.n_stale = 0;
}

static void sweep_overflow(void)
{
	for (unsigned i = 0; i < WARDER_OVERFLOWS; i++) {
		struct warder_counter *seen = &reader.seen_overflow[i];
		struct warder_alert alert = {.other = true,
					     .reason = i % WARDER_REASON_MAX,
					     .audited = i / WARDER_REASON_MAX};

		alert.packets = model.overflow[i].packets - seen->packets;
		alert.bytes = model.overflow[i].bytes - seen->bytes;
		*seen = model.overflow[i];
		if (alert.packets)
			CU_ASSERT_EQUAL(warder_aggregate_add(reader.aggregate, &alert, reader.now),
					0);
	}
}

static void sweep(void)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		for (unsigned i = 0; i < LINES; i++) {
			struct warder_event event = record(cpu, i, false);

			if (!model.lines[cpu][i].used)
				continue;
			if (!dice(3) && model.n_stale < 16)
				model.stale[model.n_stale++] = event; /* read now, told later */
			else
				tell(&event);
		}
	sweep_overflow();
}

static void reader_start(size_t lines, unsigned window_ms)
{
	struct warder_aggregate_options options = {
		.window_ms = window_ms,
		.lines = lines,
		.lines_per_source = lines > 100 ? lines : 2 + lines / 8,
		.alert = on_alert,
	};

	memset(&model, 0, sizeof(model));
	memset(&reader, 0, sizeof(reader));
	reader.tenancies = warder_tenancies_new();
	reader.aggregate = warder_aggregate_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(reader.aggregate);
}

static void reader_stop(void)
{
	warder_tenancies_free(reader.tenancies);
	warder_aggregate_free(reader.aggregate);
}

static bool sums_hold(void)
{
	struct warder_aggregate_counts counts;

	warder_aggregate_counts(reader.aggregate, &counts);
	return counts.told.packets == reader.told.packets &&
	       counts.told.packets + counts.pending.packets == counts.added.packets &&
	       counts.told.bytes + counts.pending.bytes == counts.added.bytes;
}

static void random_turn(void)
{
	switch (dice(8)) {
	case 0:
		read_ring(&model.rings[dice(2)], 1 + dice(RING));
		break;
	case 1:
		if (!dice(4)) {
			sweep();
			reader.now += 100 + dice(2000);
			warder_tenancies_turn(reader.tenancies);
			warder_aggregate_tick(reader.aggregate, reader.now);
			tell_stale();
		}
		break;
	default:
		model_packet(dice(CPUS), dice(KEYS));
	}
}

/* Rings read to their ends, every line and the overflow told: all that was counted is known. */
static void settle(void)
{
	tell_stale();
	read_ring(&model.rings[0], RING);
	read_ring(&model.rings[1], RING);
	sweep();
	tell_stale();
}

static void run_random(size_t lines)
{
	for (unsigned run = 0; run < 300; run++) {
		struct warder_aggregate_counts counts;

		seed = 4711 + run;
		reader_start(lines, 3000);
		for (int i = 0; i < 2000; i++) {
			random_turn();
			if (i % 500 == 499) {
				settle();
				warder_aggregate_counts(reader.aggregate, &counts);
				CU_ASSERT_EQUAL(counts.added.packets, model.total.packets);
				CU_ASSERT_EQUAL(counts.added.bytes, model.total.bytes);
				CU_ASSERT_TRUE(sums_hold());
			}
		}
		warder_aggregate_flush(reader.aggregate, reader.now);
		if (reader.told.packets != model.total.packets ||
		    reader.told.bytes != model.total.bytes) {
			printf("seed %u: %llu packets counted, %llu told\n", 4711 + run,
			       model.total.packets, reader.told.packets);
			CU_FAIL("the sums differ");
		}
		CU_ASSERT_EQUAL(reader.first, reader.close);
		reader_stop();
	}
}

static void test_exact_sums(void)
{
	run_random(1000);
}

static void test_exact_sums_full_table(void)
{
	run_random(3);
	run_random(12);
}

/* With no overflow each key's own sum is exact too, not only their total. */
static void test_exact_by_key(void)
{
	seed = 99;
	reader_start(1000, 3000);
	for (int i = 0; i < 20000; i++) {
		model_packet(dice(CPUS), dice(KEYS));
		read_ring(&model.rings[0], RING);
		read_ring(&model.rings[1], RING);
	}
	settle();
	warder_aggregate_flush(reader.aggregate, reader.now);
	for (unsigned key = 0; key < KEYS; key++) {
		CU_ASSERT(model.counted[key].packets > 0);
		CU_ASSERT_EQUAL(model.counted[key].packets, reader.told_by_key[key].packets);
	}
	reader_stop();
}

/* A flood of keys leaves no memory of ended tenancies behind. */
static void test_tenancies_are_forgotten(void)
{
	struct warder_event event = {.cpu = 1, .packets = 1, .bytes = 60, .last = 1};
	struct warder_counter more;

	reader_start(10, 1000);
	for (unsigned i = 1; i < 400000; i++) {
		event.tenancy = 2 * i;
		CU_ASSERT_EQUAL(warder_tenancies_tell(reader.tenancies, &event, &more, NULL), 1);
	}
	CU_ASSERT(warder_tenancies_count(reader.tenancies) <= 131072);
	for (int i = 0; i < 3; i++)
		warder_tenancies_turn(reader.tenancies);
	CU_ASSERT_EQUAL(warder_tenancies_count(reader.tenancies), 0);
	reader_stop();
}

/* --- windows --- */

static struct warder_alert packet_of(unsigned source, unsigned packets)
{
	struct warder_alert alert = {.rule = WARDER_RULE_POLICY_DENIED,
				     .reason = WARDER_REASON_POLICY,
				     .protocol = 6,
				     .packets = packets,
				     .bytes = packets * 100};

	snprintf(alert.source.identity, sizeof(alert.source.identity), "source-%u", source);
	return alert;
}

static void add(unsigned source, unsigned packets)
{
	struct warder_alert alert = packet_of(source, packets);

	CU_ASSERT_EQUAL(warder_aggregate_add(reader.aggregate, &alert, reader.now), 0);
}

static void tick_at(__u64 now)
{
	reader.now = now;
	warder_aggregate_tick(reader.aggregate, now);
}

static void test_windows(void)
{
	reader_start(10, 10000);
	reader.now = 5000;
	add(1, 3);
	CU_ASSERT_EQUAL(reader.first, 1); /* at once, with what was there */
	CU_ASSERT_EQUAL(reader.told.packets, 3);
	for (unsigned i = 1; i < 10; i++) {
		tick_at(5000 + i * 1000);
		add(1, 10);
		CU_ASSERT_EQUAL(reader.update, 0);
	}
	tick_at(15000); /* the window ends: one alert of exactly the rest */
	CU_ASSERT_EQUAL(reader.update, 1);
	CU_ASSERT_EQUAL(reader.told.packets, 93);
	tick_at(24999);
	CU_ASSERT_EQUAL(reader.close, 0);
	tick_at(25000); /* a silent window */
	CU_ASSERT_EQUAL(reader.close, 1);
	tick_at(35000);
	tick_at(45000);
	CU_ASSERT_EQUAL(reader.close, 1); /* closed is closed */
	add(1, 1);
	CU_ASSERT_EQUAL(reader.first, 2); /* again: told at once */
	CU_ASSERT_EQUAL(reader.told.packets, 94);
	reader_stop();
}

static struct warder_alert seen[16];
static unsigned n_seen;

static void keep(void *data, struct warder_alert *alert)
{
	snprintf(alert->id, sizeof(alert->id), "id-%u", n_seen);
	if (n_seen < 16)
		seen[n_seen++] = *alert;
}

static void test_ids_and_totals(void)
{
	struct warder_aggregate_options options = {
		.window_ms = 1000, .lines = 10, .lines_per_source = 10, .alert = keep};
	struct warder_aggregate *aggregate = warder_aggregate_new(&options);
	struct warder_alert alert = packet_of(1, 2);

	n_seen = 0;
	alert.first_ns = alert.last_ns = 100;
	warder_aggregate_add(aggregate, &alert, 0);
	alert.first_ns = alert.last_ns = 200;
	warder_aggregate_add(aggregate, &alert, 1);
	alert.first_ns = alert.last_ns = 300;
	warder_aggregate_add(aggregate, &alert, 2);
	warder_aggregate_tick(aggregate, 1000);
	warder_aggregate_tick(aggregate, 2000);
	CU_ASSERT_EQUAL_FATAL(n_seen, 3);
	CU_ASSERT_EQUAL(seen[1].phase, WARDER_ALERT_UPDATE);
	CU_ASSERT_EQUAL(seen[1].packets, 4);
	CU_ASSERT_EQUAL(seen[1].total_packets, 6);
	CU_ASSERT_EQUAL(seen[1].first_ns, 200);
	CU_ASSERT_EQUAL(seen[1].last_ns, 300);
	CU_ASSERT_STRING_EQUAL(seen[1].line_id, "id-0");
	CU_ASSERT_EQUAL(seen[2].phase, WARDER_ALERT_CLOSE);
	CU_ASSERT_EQUAL(seen[2].packets, 0);
	CU_ASSERT_EQUAL(seen[2].total_bytes, 600);
	CU_ASSERT_STRING_EQUAL(seen[2].line_id, "id-0");
	warder_aggregate_free(aggregate);
}

/* Full: what is closed makes room first; then the rest is gathered under its reason. */
static void test_full_table(void)
{
	struct warder_aggregate_counts counts;

	reader_start(2, 1000);
	add(1, 1);
	add(2, 1);
	add(3, 5); /* no room */
	add(4, 6);
	warder_aggregate_counts(reader.aggregate, &counts);
	CU_ASSERT_EQUAL(counts.gathered.packets, 11);
	CU_ASSERT_EQUAL(reader.first, 3); /* two lines, and one for the gathered */
	tick_at(1000);
	CU_ASSERT_EQUAL(reader.update, 1);
	tick_at(2000); /* all silent */
	CU_ASSERT_EQUAL(reader.close, 3);
	add(5, 1);
	warder_aggregate_counts(reader.aggregate, &counts);
	CU_ASSERT_EQUAL(counts.gathered.packets, 11); /* it has a line of its own */
	CU_ASSERT_TRUE(sums_hold());
	reader_stop();
}

/* One source that scans has its share; another one's pairs are told apart all the same. */
static void test_scan(void)
{
	struct warder_aggregate_counts counts;
	struct warder_alert alert;

	reader_start(40, 1000); /* 7 of each source */
	for (unsigned port = 1; port <= 1000; port++) {
		alert = packet_of(1, 1);
		alert.destination.port = (__u16)port;
		CU_ASSERT_EQUAL(warder_aggregate_add(reader.aggregate, &alert, reader.now), 0);
	}
	CU_ASSERT_EQUAL(reader.first, 8); /* seven lines, and one for all the rest of this source */
	for (unsigned port = 1; port <= 3; port++) {
		alert = packet_of(2, 1);
		alert.destination.port = (__u16)port;
		CU_ASSERT_EQUAL(warder_aggregate_add(reader.aggregate, &alert, reader.now), 0);
	}
	CU_ASSERT_EQUAL(reader.first, 11);
	warder_aggregate_counts(reader.aggregate, &counts);
	CU_ASSERT_EQUAL(counts.gathered.packets, 993);
	CU_ASSERT_EQUAL(counts.lines, 11);
	tick_at(1000);
	tick_at(2000); /* quiet: the share is free again */
	CU_ASSERT_EQUAL(reader.close, 11);
	CU_ASSERT_EQUAL(reader.told.packets, 1003);
	alert = packet_of(1, 1);
	alert.destination.port = 2000;
	CU_ASSERT_EQUAL(warder_aggregate_add(reader.aggregate, &alert, reader.now), 0);
	warder_aggregate_counts(reader.aggregate, &counts);
	CU_ASSERT_EQUAL(counts.gathered.packets, 993);
	CU_ASSERT_TRUE(sums_hold());
	reader_stop();
}

static const struct suite_test tests[] = {
	{"sums are exact under any interleaving", test_exact_sums},
	{"sums are exact with a full table", test_exact_sums_full_table},
	{"each key's sum is exact", test_exact_by_key},
	{"ended tenancies are forgotten", test_tenancies_are_forgotten},
	{"first, window, close", test_windows},
	{"ids and totals", test_ids_and_totals},
	{"full table", test_full_table},
	{"a scan has its share", test_scan},
};
SUITE("aggregate", tests)
