/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's maps hold, in memory: the `old` of every plan.  After a restart it is read back
 * from the pinned maps, so that adopting is nothing special.
 */
#ifndef WARDER_DATAPATH_MIRROR_H
#define WARDER_DATAPATH_MIRROR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "warder/peer.h"
#include "warder/slot.h"
#include "warder/verdict.h"

/* Maps that a plan writes; the names are those of bpf/lib/maps.h and of the pins. */
enum warder_table {
	WARDER_TABLE_SLOTS,
	WARDER_TABLE_OWN,
	WARDER_TABLE_CGROUPS,
	WARDER_TABLE_NAMESPACES, /* key __u64 inode, value struct warder_namespace */
	WARDER_TABLE_LINKS,
	WARDER_TABLE_PEER4,
	WARDER_TABLE_PEER6,
	WARDER_TABLE_CIDR4,
	WARDER_TABLE_CIDR6,
	WARDER_TABLE_FRONTENDS,
	WARDER_TABLE_PORTS,
	WARDER_TABLE_CELLS,
	WARDER_TABLE_BITMAPS,
	WARDER_TABLE_IDENTITIES,
	WARDER_TABLES
};

struct warder_write {
	enum warder_table table;
	bool remove;
	const void *key, *value; /* in the plan's memory, of the map's sizes */
};

struct warder_mirror;

struct warder_mirror *warder_mirror_new(const struct warder_shape *shape);
void warder_mirror_free(struct warder_mirror *mirror);
const struct warder_shape *warder_mirror_shape(const struct warder_mirror *mirror);
/* One write, as the kernel would do it. 0, -ENOSPC (the table is full), -ENOENT. */
int warder_mirror_apply(struct warder_mirror *mirror, const struct warder_write *write);

/* What a table is in the kernel; entries follow from the shape. */
struct warder_table_info {
	const char *name; /* of the map and its pin */
	bool array;	  /* all keys (__u32 index) exist from the start, as zeros, and none can be
			     removed */
	__u32 key_size, value_size, max_entries;
};
void warder_table_info(enum warder_table table, const struct warder_shape *shape,
		       struct warder_table_info *ret);
/* The value of an entry, borrowed until the next write; NULL where there is none. */
const void *warder_mirror_get(const struct warder_mirror *mirror, enum warder_table table,
			      const void *key);
/* Each entry of a table (arrays: those that are not all zeros); ends at the first negative return,
 * and returns it. */
int warder_mirror_each(const struct warder_mirror *mirror, enum warder_table table,
		       int (*entry)(void *data, const void *key, const void *value), void *data);
/* The same verdicts in a larger shape: cells and bitmaps stand where the new shape looks for them.
 * NULL = no memory. */
struct warder_mirror *warder_mirror_grown(const struct warder_mirror *mirror,
					  const struct warder_shape *shape);

/* Who may send what to whom, read as the programs read it: for tests between every two writes, and
 * for checks.  Returns bit 0 enforced, bit 1 audited; -ENOENT where a lookup that must hit misses.
 */
int warder_mirror_verdict(const struct warder_mirror *mirror, __u16 slot,
			  enum warder_direction direction, const struct warder_addr *peer,
			  bool address_only, __u8 protocol, __u16 port);

#endif
