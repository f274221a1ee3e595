/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The layout of everything that is pinned: <bpffs>/v<WARDER_LAYOUT>/{maps,links}.  It grows when a map's
 * key, value or meaning changes, so that an agent never adopts what it would read wrongly; a map or a
 * field that is added where zeros mean "as before" does not change it.
 */
#ifndef WARDER_LAYOUT_H
#define WARDER_LAYOUT_H

#include "types.h"
#include "verdict.h"

#define WARDER_LAYOUT 1

/* Entries of the maps at first; each may grow (userspace/datapath/grow.c). */
#define WARDER_SHAPE_DEFAULT                                                                       \
	{                                                                                          \
		.slots = 256, .groups = 128, .classes = 1024, .bitmaps = 1024, .words = 4,         \
		.peers = 16384, .cidrs = 4096, .frontends = 16384, .identities = 4096,             \
	}

/* Map `boot` (array of one, no program reads it): what must outlive the agent but not the machine. */
struct warder_boot {
	__u64 secret
		[2]; /* of the hashes in maps `proofs` and `lines`; a constant of the programs */
	__u64 netns; /* inode of the network namespace whose links are attached */
	struct warder_shape shape; /* of the maps beside it */
};

#endif
