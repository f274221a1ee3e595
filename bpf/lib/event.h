/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells userspace of refused packets by the rules of warder/event.h: a line gathers a key's
 * packets, a record carries totals.  A line belongs to its CPU, but a program that runs for a
 * process can be interrupted on it: so totals move by atomic instructions, a line is odd while it
 * changes hands, and what finds it so counts itself in `overflow`.  A late addition may then fall
 * into the next tenancy: it is told under a wrong key, never lost and never twice.
 */
#ifndef WARDER_BPF_EVENT_H
#define WARDER_BPF_EVENT_H

#include "lib/compat.h"
#include "lib/maps.h"
#include "warder/reason.h"

#define EVENT_WAYS    4		   /* lines that a key may be in */
#define EVENT_HOLD_NS 100000000ULL /* a line is kept so long before another key may take it */

/* The reasons of the rare ring, from the table: one bit each. */
/* clang-format off */
#define REASON(number, constant, name, ring, what, mend) \
	| ((WARDER_RING_##ring == WARDER_RING_RARE) ? 1ULL << (number) : 0)
static const __u64 event_rare_reasons = 0
#include "warder/tbl/reasons.tbl"
	;
#undef REASON
/* clang-format on */

static __always_inline __u64 hash_step(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

static __always_inline void event_overflow(__u32 reason, __u32 audited, __u64 packets, __u64 bytes)
{
	__u32 index = (reason & (WARDER_REASON_MAX - 1)) + WARDER_REASON_MAX * !!audited;
	struct warder_counter *counter = bpf_map_lookup_elem(&overflow, &index);

	if (!counter)
		return;
	__sync_fetch_and_add(&counter->packets, packets);
	__sync_fetch_and_add(&counter->bytes, bytes);
}

static __always_inline struct warder_event *event_reserve(__u32 reason)
{
	if (event_rare_reasons >> (reason & 63) & 1)
		return bpf_ringbuf_reserve(&events_rare, sizeof(struct warder_event), 0);
	return bpf_ringbuf_reserve(&events_bulk, sizeof(struct warder_event), 0);
}

static __always_inline void event_fill(struct warder_event *event, const struct warder_line *line,
				       __u32 index, __u64 tenancy)
{
	event->cpu = bpf_get_smp_processor_id();
	event->index = index;
	event->tenancy = tenancy;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	event->key = line->key;
	event->sample = line->sample;
}

static __always_inline bool event_key_equal(const struct warder_event_key *a,
					    const struct warder_event_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4] &&
	       x[5] == y[5] && x[6] == y[6];
}

/* The line of `key`, or else the one of its ways that was told longest ago: index, -1 = none. */
static __always_inline int event_choose(const struct warder_event_key *key, bool *ret_mine)
{
	const __u64 *words = (const __u64 *)key;
	__u64 hash = secret[0], oldest = ~0ULL;
	__u32 first;
	int chosen = -1, i = 0;

	hash = hash_step(hash, words[0]);
	hash = hash_step(hash, words[1]);
	hash = hash_step(hash, words[2]);
	hash = hash_step(hash, words[3]);
	hash = hash_step(hash, words[4]);
	hash = hash_step(hash, words[5]);
	hash = hash_step(hash, words[6]);
	first = (__u32)(hash >> 20) & (WARDER_LINES - 1) & ~(EVENT_WAYS - 1);
	*ret_mine = false;
	do {
		__u32 index = first + i;
		struct warder_line *line = bpf_map_lookup_elem(&lines, &index);
		__u64 age;

		if (!line || (line->tenancy & 1))
			continue;
		if (line->tenancy && event_key_equal(&line->key, key)) {
			*ret_mine = true;
			return index;
		}
		age = line->tenancy ? line->sample.time : 0;
		if (age < oldest) {
			oldest = age;
			chosen = index;
		}
	} while (++i < EVENT_WAYS);
	return chosen;
}

/* Gives the line to a new key: false where it cannot be given, and nothing has changed. */
static __always_inline bool event_take(struct warder_line *line, __u32 index,
				       const struct warder_event_key *key,
				       const struct warder_event_sample *sample)
{
	__u64 tenancy = line->tenancy;
	struct warder_event *event;

	if (tenancy && sample->time - line->sample.time < EVENT_HOLD_NS)
		return false;
	if ((tenancy & 1) ||
	    __sync_val_compare_and_swap(&line->tenancy, tenancy, tenancy + 1) != tenancy)
		return false;
	if (tenancy) {
		event = event_reserve(line->key.reason);
		if (!event) {
			line->tenancy = tenancy;
			return false;
		}
		event_fill(event, line, index, tenancy);
		/* A reader that began before sees the two numbers differ. */
		__sync_lock_test_and_set(&line->tenancy_end, tenancy + 2);
		event->packets = __sync_lock_test_and_set(&line->packets, 0);
		event->bytes = __sync_lock_test_and_set(&line->bytes, 0);
		event->last = 1;
		bpf_ringbuf_submit(event, 0);
	} else {
		__sync_lock_test_and_set(&line->tenancy_end, tenancy + 2);
	}
	line->key = *key;
	line->sample = *sample;
	line->told_at = 0;
	line->told_packets = 0;
	__sync_lock_test_and_set(&line->tenancy, tenancy + 2);
	return true;
}

/* A record of what the line holds now, if the last one is old enough; a full ring leaves it for
 * later. */
static __always_inline void event_repeat(struct warder_line *line, __u32 index,
					 const struct warder_event_sample *sample)
{
	struct warder_event *event;

	if (line->told_at && sample->time - line->told_at < WARDER_LINE_REPEAT_NS)
		return;
	event = event_reserve(line->key.reason);
	if (!event)
		return;
	line->sample = *sample;
	event_fill(event, line, index, line->tenancy);
	event->packets = line->packets;
	event->bytes = line->bytes;
	event->last = 0;
	line->told_at = sample->time;
	line->told_packets = event->packets;
	bpf_ringbuf_submit(event, 0);
}

/*
 * A rare reason's packet that finds no line: the line that it would take may be held by one that cannot
 * end, as the ring of its own kind is full.  It has a record to itself, so that a flood of denials
 * hides no attack.
 */
static __always_inline bool event_alone(const struct warder_event_key *key,
					const struct warder_event_sample *sample, __u32 packets,
					__u32 bytes)
{
	struct warder_event *event;

	if (!(event_rare_reasons >> (key->reason & 63) & 1))
		return false;
	event = bpf_ringbuf_reserve(&events_rare, sizeof(*event), 0);
	if (!event)
		return false;
	event->cpu = bpf_get_smp_processor_id();
	event->index = WARDER_LINES;
	event->tenancy = sample->time << 8 | (bpf_get_prandom_u32() & 0xff);
	event->packets = packets;
	event->bytes = bytes;
	event->last = 1;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	event->key = *key;
	event->sample = *sample;
	bpf_ringbuf_submit(event, 0);
	return true;
}

/*
 * One refused packet, or a GSO packet of several.  The key's pads must be 0; sample->time is set
 * here. Call it beside the counter, once for each time that one is counted.
 */
GLOBAL int event_tell(const struct warder_event_key *key, struct warder_event_sample *sample,
		      __u32 packets, __u32 bytes)
{
	struct warder_line *line;
	bool mine;
	__u32 index;
	int chosen;

	if (!key || !sample)
		return 0;
	sample->time = bpf_ktime_get_boot_ns();
	chosen = event_choose(key, &mine);
	index = chosen;
	line = chosen < 0 ? 0 : bpf_map_lookup_elem(&lines, &index);
	if (!line || (!mine && !event_take(line, index, key, sample))) {
		if (!event_alone(key, sample, packets, bytes))
			event_overflow(key->reason, key->audited, packets, bytes);
		return 0;
	}
	__sync_fetch_and_add(&line->packets, packets);
	__sync_fetch_and_add(&line->bytes, bytes);
	event_repeat(line, index, sample);
	return 0;
}

#endif
