/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who an address is: maps peer4 and peer6 (hash, exact) and, where they miss, cidr4 and cidr6
 * (LPM tries that always hold the empty prefix).
 */
#ifndef WARDER_PEER_H
#define WARDER_PEER_H

#include "types.h"

/* Reserved identities; those of (namespace, ServiceAccount) tuples begin at WARDER_IDENTITY_FIRST. */
enum warder_identity {
	WARDER_IDENTITY_NONE = 0,
	WARDER_IDENTITY_HOST = 1,	 /* this node's own host stack */
	WARDER_IDENTITY_REMOTE_NODE = 2, /* another node, or a hostNetwork pod there */
	WARDER_IDENTITY_NODE_SNAT = 3,	 /* a node's address put on by NAT: nobody in particular */
	WARDER_IDENTITY_KUBE_APISERVER = 4,
	WARDER_IDENTITY_WORLD = 5,   /* outside every pod range */
	WARDER_IDENTITY_UNKNOWN = 6, /* inside a pod range, and nobody is known to hold it */
	WARDER_IDENTITY_SERVICE = 7, /* a Service's frontend address */
	WARDER_IDENTITY_FIRST = 256,
};

enum warder_peer_flag {
	WARDER_PEER_POD = 1 << 0,     /* some pod's own address */
	WARDER_PEER_NODE = 1 << 1,    /* some node's address, this one's too */
	WARDER_PEER_HOST = 1 << 2,    /* this node's */
	WARDER_PEER_SERVICE = 1 << 3, /* a Service's frontend address */
};

struct warder_peer {
	__u32 identity;
	__u32 class;	  /* column of the verdict matrix */
	__u32 cidr_class; /* the same where only the address counts: NAT by a node, not proven */
	__u16 slot;	  /* local endpoint that owns it, or 0 */
	__u16 flags;	  /* enum warder_peer_flag */
	__u32 node;	  /* number of the node that owns it, 0 none */
};
_Static_assert(sizeof(struct warder_peer) == 20, "layout");

struct warder_cidr4_key {
	__u32 prefixlen;
	__be32 addr;
};

struct warder_cidr6_key {
	__u32 prefixlen;
	struct warder_addr addr;
};

/* Map `frontends`: an (address, port, protocol) of a Service. */
struct warder_frontend_key {
	struct warder_addr addr; /* IPv4 as ::ffff:a.b.c.d */
	__be16 port;
	__u8 protocol;
	__u8 pad;
};
_Static_assert(sizeof(struct warder_frontend_key) == 20, "layout");

struct warder_frontend {
	__u32 class; /* of its backends: column of the verdict matrix, in egress rows alone */
};

/* Map `identities`: for people and for a new agent; no program reads it. */
struct warder_identity_name {
	char ns[64];
	char service_account[256];
};

#endif
