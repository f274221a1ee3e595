/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program tells about a refused (or would-be refused) packet.
 *
 * Packets are gathered by key in a fixed per-CPU table (map `lines`), so that a flood costs a
 * counter and not a record each.  A key that takes a line over begins a tenancy, numbered per
 * CPU.  `packets` and `bytes` of a record are totals of the tenancy so far: the reader counts
 * the difference to what it has seen of that (cpu, line, tenancy).  A tenancy ends only with a
 * record that carries its final totals; where the ring has no room for it the line stays and the
 * newcomer is counted in map `overflow`; or, where its reason is a rare one, it is told alone: a record
 * of index WARDER_LINES with a tenancy of its own that is over at once.  So at every moment
 *     sum(final totals) + sum(lines) + sum(overflow) = sum(counters that refuse or would)
 * and the reader sweeps `lines` for what no record has told yet.
 */
#ifndef WARDER_EVENT_H
#define WARDER_EVENT_H

#include "counter.h"
#include "types.h"

#define WARDER_LINES	      4096	    /* of each CPU; a power of two */
#define WARDER_LINE_REPEAT_NS 1000000000ULL /* a record of one line at most this often */

enum warder_hook {
	WARDER_HOOK_FROM_POD = 1,
	WARDER_HOOK_TO_POD = 2,
	WARDER_HOOK_CONNECT = 3,
	WARDER_HOOK_SENDMSG = 4,
	WARDER_HOOK_CGROUP_SKB = 5,
};

enum warder_file { /* source file that decided, with event.line */
#define SOURCE(number, constant, path) WARDER_FILE_##constant = (number),
#include "tbl/files.tbl"
#undef SOURCE
};

/* What makes two refused packets the same line. */
struct warder_event_key {
	struct warder_addr src; /* IPv4 as ::ffff:a.b.c.d */
	struct warder_addr dst;
	__u32 generation; /* of the slot */
	__u16 slot;
	__u16 dport;	 /* host order; ICMP: type << 8 | code; ARP and foreign frames: 0 */
	__u16 ethertype; /* host order */
	__u8 protocol;
	__u8 reason;
	__u8 direction; /* enum warder_direction */
	__u8 hook;	/* enum warder_hook */
	__u8 audited;	/* 1: it passed */
	__u8 pad;
	__u32 peer_identity; /* as the program saw it: an address may be another's a moment later */
	__u32 pad2;
};
_Static_assert(sizeof(struct warder_event_key) == 56, "layout");

/* One packet of the line: the first, or the one that a record was made at. */
struct warder_event_sample {
	__u64 time;   /* CLOCK_BOOTTIME, ns */
	__u64 cgroup; /* v2 id of the process or socket, 0 unknown */
	__u32 peer_identity;
	__u32 ifindex; /* pod's link */
	__u32 ingress_ifindex;
	__u32 pid; /* 0 where the hook sees no process */
	char comm[16];
	__u16 sport; /* host order */
	__u16 line;  /* in the source file that decided */
	__u8 file;   /* enum warder_file */
	__u8 tcp_flags;
	__u8 src_mac[6];
	__u32 packet_len;
};
_Static_assert(sizeof(struct warder_event_sample) == 64, "layout");

struct warder_line {
	__u64 tenancy; /* of this CPU, 0 = never used; odd while it changes hands */
	__u64 packets; /* totals of the tenancy */
	__u64 bytes;
	__u64 told_at;	    /* boottime of its last record */
	__u64 told_packets; /* totals in that record */
	struct warder_event_key key;
	struct warder_event_sample sample;
	__u64 tenancy_end; /* equals tenancy unless a reader caught it changing hands */
};

struct warder_event {
	__u32 cpu;
	__u32 index; /* of the line */
	__u64 tenancy;
	__u64 packets; /* totals of the tenancy */
	__u64 bytes;
	__u8 last; /* 1: the tenancy is over, these are its final totals */
	__u8 pad[7];
	struct warder_event_key key;
	struct warder_event_sample sample;
};
_Static_assert(sizeof(struct warder_event) == 160, "layout");

/* Map `overflow` (per-CPU array by reason + 64 * audited): what found no room anywhere. */
#define WARDER_OVERFLOWS (2 * WARDER_REASON_MAX)

#endif
