/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Exact counts of every packet that a program judged: map `counters`, a per-CPU array. */
#ifndef WARDER_COUNTER_H
#define WARDER_COUNTER_H

#include "reason.h"
#include "types.h"

struct warder_counter {
	__u64 packets; /* max(1, gso_segs) */
	__u64 bytes;   /* as on a wire: with every segment's own headers */
};

/*
 * Index of a counter.  `audited`: the packet passed although `reason` would have refused it;
 * such a packet is counted there and not under an allowed reason where the whole endpoint is in
 * audit, and there in addition to its allowed reason where only some policies are.
 */
#define WARDER_COUNTERS_PER_SLOT (2 * 2 * WARDER_REASON_MAX)
static inline __u32 warder_counter_index(__u32 slot, __u32 direction, __u32 audited, __u32 reason)
{
	return ((slot * 2 + direction) * 2 + audited) * WARDER_REASON_MAX + reason;
}

#endif
