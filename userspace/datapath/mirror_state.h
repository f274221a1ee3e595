/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a mirror, for the planner: it reads tables whole, which the public face does not
 * offer. */
#ifndef WARDER_DATAPATH_MIRROR_STATE_H
#define WARDER_DATAPATH_MIRROR_STATE_H

#include "datapath/mirror.h"
#include "datapath/prefixes.h"
#include "datapath/records.h"

struct warder_mirror {
	struct warder_shape shape;
	/* Arrays. */
	struct warder_slot *slots;
	struct warder_link *links;	    /* WARDER_LINKS */
	__u64 link_used[WARDER_LINKS / 64]; /* bit: its word or its rest is not 0 */
	struct warder_port_word *ports;	    /* WARDER_PORT_WORDS */
	struct warder_cell *cells;
	__u64 *bitmaps;
	/* Tries. */
	struct prefixes own, cidr4, cidr6;
	/* Hashes. */
	struct records cgroups, namespaces, peer4, peer6, frontends, identities;
};

/* A key of peer4 or peer6, cidr4 or cidr6, and which table it belongs to. */
struct mirror_key {
	enum warder_table table;
	union {
		__be32 peer4;
		struct warder_addr peer6;
		struct warder_cidr4_key cidr4;
		struct warder_cidr6_key cidr6;
		unsigned char bytes[20];
	};
};

void mirror_key_peer(const struct warder_addr *addr, struct mirror_key *ret);
void mirror_key_cidr(const struct warder_addr *addr, __u8 bits, struct mirror_key *ret);

/* The records below a hash or a trie; NULL for an array. */
const struct records *mirror_records(const struct warder_mirror *mirror, enum warder_table table);
/* What the tries say of an address or a whole prefix; NULL where nothing covers it. */
const struct warder_peer *mirror_match(const struct warder_mirror *mirror,
				       const struct warder_addr *addr, __u8 bits);

static inline size_t mirror_row(const struct warder_shape *shape, __u32 direction, __u32 group)
{
	return ((size_t)direction * shape->groups + group) * shape->classes;
}

static inline __u32 mirror_port_classes(const struct warder_shape *shape)
{
	return shape->words * 64 < 65536 ? shape->words * 64 : 65536;
}

#endif
