/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that maps give a meaning by naming them: groups, classes, port classes, bitmaps,
 * identities. What a plan finds named is taken; what is named no more rests until a grace period
 * has passed, since a program that runs may still hold it; only then it is free.
 */
#ifndef WARDER_DATAPATH_PLAN_IDS_H
#define WARDER_DATAPATH_PLAN_IDS_H

#include <stdbool.h>

#include <linux/types.h>

#define PLAN_NONE (~0U)

struct plan_ids {
	__u8 *state;
	__u32 n, first; /* ids below `first` have fixed meanings and are never given */
	__u32 low;	/* nothing is free between first and this */
	__u32 resting;
};

/* Makes room for ids below n; never shrinks. 0 or -ENOMEM. */
int plan_ids_size(struct plan_ids *ids, __u32 first, __u32 n);
void plan_ids_release(struct plan_ids *ids);
/* What the maps name now, for each id below n. */
void plan_ids_sync(struct plan_ids *ids, const bool *named);
/* Around a plan that is made: one that is not made at all gives back what it took. */
void plan_ids_begin(struct plan_ids *ids);
void plan_ids_undo(struct plan_ids *ids);
/* The lowest free id, now taken; PLAN_NONE = none. */
__u32 plan_ids_take(struct plan_ids *ids);
/* True where the id was free: it rests from this plan on, and a grace period before that plan is no help. */
bool plan_ids_rest(struct plan_ids *ids, __u32 id);
void plan_ids_grace(struct plan_ids *ids);

#endif
