/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exact counts.  A packet program runs with softirqs off, so nothing of its CPU comes between its
 * load and its store; a program that runs for a process can be interrupted by one, and counts with
 * one instruction.  So both may count in the same place and nothing is lost.
 */
#ifndef WARDER_BPF_COUNTER_H
#define WARDER_BPF_COUNTER_H

#include "lib/maps.h"

/* Of a packet program. */
static __always_inline void count_packets(__u32 slot, __u32 direction, __u32 audited, __u32 reason,
					  __u32 packets, __u32 bytes)
{
	__u32 index = warder_counter_index(slot, direction, audited, reason);
	struct warder_counter *counter = bpf_map_lookup_elem(&counters, &index);

	if (!counter)
		return;
	counter->packets += packets;
	counter->bytes += bytes;
}

/* Of a program that runs for a process: one attempt, which has no bytes yet. */
static __always_inline void count_attempt(__u32 slot, __u32 direction, __u32 audited, __u32 reason)
{
	__u32 index = warder_counter_index(slot, direction, audited, reason);
	struct warder_counter *counter = bpf_map_lookup_elem(&counters, &index);

	if (counter)
		__sync_fetch_and_add(&counter->packets, 1);
}

#endif
