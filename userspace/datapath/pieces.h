/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinct pairs (what an id of the kernel means now, what the compiler says it should): the blocks
 * into which old groups, classes and port classes fall, each with how many members name it.
 */
#ifndef WARDER_DATAPATH_PIECES_H
#define WARDER_DATAPATH_PIECES_H

#include "datapath/arena.h"
#include "datapath/plan_ids.h"

struct piece {
	__u32 old;     /* kernel id, or PLAN_NONE: had no verdict before */
	__u32 new;     /* compiled id */
	__u32 weight;  /* members that a move of this piece would write */
	__u32 changed; /* cells that differ between the old meaning and the new one */
	__u32 early;   /* kernel id of its members while cells are rewritten */
	__u32 late;    /* and in the end */
};

struct pieces {
	struct arena *arena;
	struct piece *piece;
	__u32 n, room;
	__u32 n_old, n_new;
	__u32 *of_old, *of_new; /* how many pieces each old (at n_old: none) and each new id has */
	__u32 *recent;		/* index + 1 of the piece last asked for, of each old id */
	__u32 *index, mask;
};

/* n_old and n_new: ids are below these. 0 or -ENOMEM. */
int pieces_init(struct pieces *pieces, struct arena *arena, __u32 n_old, __u32 n_new);
/* Index of the pair's piece, its weight raised; PLAN_NONE = no memory.  An old id out of range is
 * none. */
__u32 pieces_add(struct pieces *pieces, __u32 old, __u32 new, __u32 weight);

#endif
