/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow state of datagrams (UDP, SCTP, ICMP echo, and everything of opaque endpoints): map `flows`,
 * one preallocated hash, made by an allowed first packet when the answers' direction is not
 * allowed anyway.  A hit asks the forward verdict again.  It outlives upgrades: its layout has a
 * version of its own.
 */
#ifndef WARDER_FLOW_H
#define WARDER_FLOW_H

#include "types.h"

#define WARDER_FLOW_LAYOUT 1

#define WARDER_FLOW_UNANSWERED_NS (30 * 1000000000ULL)
#define WARDER_FLOW_ANSWERED_NS	  (5 * 1000000000ULL)	/* after the last packet, one answer seen */
#define WARDER_FLOW_STREAM_NS	  (120 * 1000000000ULL) /* more than one packet each way */

struct warder_flow_key {
	struct warder_addr local; /* the endpoint's side; IPv4 as ::ffff:a.b.c.d */
	struct warder_addr remote;
	__u32 generation;
	__u16 slot;
	__u16 local_port; /* host order; ICMP echo: the identifier */
	__u16 remote_port;
	__u8 protocol;
	__u8 direction; /* enum warder_direction of the packet that opened it */
};
_Static_assert(sizeof(struct warder_flow_key) == 44, "layout");

struct warder_flow {
	__u64 seen;    /* boottime of the last packet, written at most ten times a second */
	__u32 forward; /* packets seen, up to 255 */
	__u32 answers;
};

/* Map `flow_budgets` (array by slot * 2 + direction): entries that the endpoint holds now. */
struct warder_flow_budget {
	__u32 unanswered;
	__u32 answered;
	__u32 generation;
	__u32 pad;
};

/* A socket that a lookup from outside cannot find (bound to a device, NAT inside the pod) and that
 * is `active`: map `unfound`, LRU, keyed by the wire tuple; same shape as a flow's key. */
struct warder_unfound {
	__u64 seen;
};

/* Per-CPU cache of positive proofs, direct-mapped: map `proofs`. */
#define WARDER_PROOFS	8192
#define WARDER_PROOF_NS 1000000000ULL /* a hit never prolongs */
struct warder_proof {
	__u64 hash; /* 64-bit hash of (tuple, slot, generation) under a secret of this boot */
	__u64 time;
};

/* In bpf_sk_storage (map `directions`): this socket's own SYN was allowed out. */
struct warder_socket {
	__u32 active;
};

#endif
