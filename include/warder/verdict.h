/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verdict matrix.
 *   cells[(direction * groups + group) * classes + class] = two bitmap ids in one word
 *   bitmaps[id * words + (port class >> 6)], bit (port class & 63): 1 = allowed
 *   ports[protocol index * 16384 + (port >> 2)].class[port & 3] = port class
 * groups, classes and words are constants of the loaded programs (struct warder_shape).
 */
#ifndef WARDER_VERDICT_H
#define WARDER_VERDICT_H

#include "types.h"

struct warder_shape {
	__u32 slots;   /* entries of map slots */
	__u32 groups;  /* rows for each direction */
	__u32 classes; /* columns */
	__u32 bitmaps; /* how many bitmaps */
	__u32 words;   /* u64 words in one bitmap, a power of two */
	/* What follows is only how many entries the tables hold; no program reads it. */
	__u32 peers; /* peer4, and again peer6 */
	__u32 cidrs; /* cidr4, and again cidr6 */
	__u32 frontends;
	__u32 identities;
};

struct warder_cell {
	union {
		struct {
			__u32 enforced; /* bitmap of what is allowed */
			__u32 audited;	/* the same if audited policies were real */
		};
		__u64 word;
	};
};

#define WARDER_BITMAP_NONE  0 /* all bits 0 */
#define WARDER_BITMAP_ALL   1 /* all bits 1 */
#define WARDER_BITMAP_FIRST 2

struct warder_port_word {
	union {
		__u16 class[4];
		__u64 word;
	};
};

enum warder_protocol_index { WARDER_TCP, WARDER_UDP, WARDER_SCTP, WARDER_PROTOCOLS };
#define WARDER_PORT_WORDS (WARDER_PROTOCOLS * 16384)

/* Port classes with a fixed meaning. */
enum warder_port_class {
	WARDER_PORT_OTHER = 0, /* every protocol that is not TCP, UDP or SCTP; ICMP echo too */
	WARDER_PORT_FRAGMENT_TCP = 1, /* set where any TCP port is allowed: later fragments */
	WARDER_PORT_FRAGMENT_UDP = 2,
	WARDER_PORT_FRAGMENT_SCTP = 3,
	WARDER_PORT_FIRST = 4,
	/* Of a class of Service frontends: some of its backends are allowed, all of them are. */
	WARDER_PORT_SERVICE_SOME = WARDER_PORT_OTHER,
	WARDER_PORT_SERVICE_ALL = WARDER_PORT_FRAGMENT_TCP,
};

#endif
