/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A slot is the small number of a local endpoint (a pod); a link is the host side of one of
 * its interfaces.  Slot 0 is nobody.  What may change while packets pass is one aligned word
 * of 8 bytes; all else in a slot is written before the slot is named by a link and stays until
 * nothing names it (an address that changes means a new slot).
 */
#ifndef WARDER_SLOT_H
#define WARDER_SLOT_H

#include "types.h"

#define WARDER_SLOT_ADDRS 2	/* addresses of each family held inline; more are in map `own` */
#define WARDER_LINKS	  65536 /* map `links`: by ifindex & 0xffff, the ifindex as tag */

enum warder_slot_flag {
	WARDER_SLOT_LIVE = 1 << 0,  /* an endpoint is here */
	WARDER_SLOT_HOLD = 1 << 1,  /* not known yet: nothing passes but own-node traffic */
	WARDER_SLOT_AUDIT = 1 << 2, /* agent's mode: what would be refused is counted and passes */
	WARDER_SLOT_OPAQUE =
		1 << 3, /* a nested network stack: flow entries stand for its sockets */
	WARDER_SLOT_EGRESS_ISOLATED = 1 << 4,  /* some rule judges what it sends */
	WARDER_SLOT_INGRESS_ISOLATED = 1 << 5, /* some rule judges what it receives */
	WARDER_SLOT_NO_CONNECT =
		1 << 6, /* connect() is not judged: NAT, TPROXY or other links inside */
	WARDER_SLOT_MORE_ADDRS = 1 << 7, /* further own addresses or prefixes in map `own` */
	WARDER_SLOT_HOSTNET = 1 << 8,	 /* a hostNetwork pod: no link, known by its cgroup */
	WARDER_SLOT_JUDGE_HOST = 1 << 9, /* the own-node exception is switched off */
};

/* The word that changes atomically. */
struct warder_slot_word {
	__u32 generation; /* grows each time the slot is given to another endpoint, never 0 while live */
	__u16 group;	  /* row of the verdict matrix */
	__u16 flags;	  /* enum warder_slot_flag */
};

struct warder_slot {
	union {
		struct warder_slot_word now;
		__u64 word;
	};
	__u32 identity;				     /* number of its (namespace, ServiceAccount) */
	__u32 self_class;			     /* spare, 0 */
	__u64 cgroup;				     /* id of the pod's cgroup (v2), 0 unknown */
	__be32 addr4[WARDER_SLOT_ADDRS];	     /* 0 = none */
	struct warder_addr addr6[WARDER_SLOT_ADDRS]; /* :: = none */
	__u8 uid[16];				     /* the pod's UID */
};
_Static_assert(sizeof(struct warder_slot) == 80, "layout");

struct warder_link {
	union {
		struct {
			__u32 ifindex; /* tag; 0 = free */
			__u16 slot;
			__u16 flags; /* 0 */
		};
		__u64 word;
	};
	__s32 netnsid; /* IFLA_LINK_NETNSID, -1 unknown */
	__u8 mac[6];   /* the pod's side */
	__u8 pad[6];
};
_Static_assert(sizeof(struct warder_link) == 24, "layout");

/* Map `own` (LPM trie): an endpoint's further addresses, and prefixes that an administrator lists. */
struct warder_own_key {
	__u32 prefixlen; /* bits after this word: 64 of slot, family and generation, then the prefix */
	__u16 slot;
	__u16 family; /* 4 or 6 */
	__u32 generation;
	struct warder_addr addr; /* IPv4 in the first 4 bytes */
};
_Static_assert(sizeof(struct warder_own_key) == 28, "layout");

struct warder_own {
	__u32 flags; /* 0: its presence is the answer */
};

/*
 * Who a process is, for the socket hooks.  Inside a pod's own network namespace the namespace decides
 * (map `namespaces`: __u64 inode of the namespace, as stat() of /proc/PID/ns/net tells it), since what
 * leaves it leaves by the pod's link, whoever opened the socket.  Only where no entry of that map says
 * who it is does the cgroup count (map `cgroups`: __u64 v2 id of the pod's directory), and only with
 * WARDER_CGROUP_DECIDES: else a nested namespace of the pod, or one of the node that its process entered,
 * would be refused what its link never carries.  An entry whose generation is not its slot's is nobody.
 */
enum warder_cgroup_flag {
	WARDER_CGROUP_DECIDES =
		1 << 0, /* a hostNetwork pod, or one whose namespace is not known yet */
};

struct warder_cgroup {
	__u32 generation;
	__u16 slot;
	__u16 flags; /* enum warder_cgroup_flag */
};

struct warder_namespace {
	__u32 generation;
	__u16 slot;
	__u16 flags; /* 0 */
};

#endif
