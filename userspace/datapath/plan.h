/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the maps hold to what they should hold, as a list of single writes of which each leaves
 * every (endpoint, peer, port) at its old verdict or at its new one, never a third:
 *
 *   refine   port classes and groups are split until each id has one new meaning; a fresh id gets a
 * copy of the old bits and rows first.  Members of a class whose cells will change but who go
 * elsewhere leave it. rewrite  cells in place, one aligned word each: old bitmap -> new bitmap.
 *   move     all other members of classes, each in one write from its old class to its new one.
 *   coarsen  ids with the same rows are merged, what nothing names is freed.  No verdict changes.
 *
 * That is what one sees who looks between two writes.  A program that is running looks across writes: it holds
 * an id that it read before one of them.  Where that matters the plan names the places where the
 * writer has to wait until every program that runs now has ended; and freed ids may be used again
 * only after a grace period (warder_plan_grace).  It counts on programs that read each of these once, in
 * this order: link, cgroup or namespace; the slot's word; the peer, and where that misses its
 * prefix; then, in any order, port class and cell; the bitmap.  Pure: no kernel, no clock.
 */
#ifndef WARDER_DATAPATH_PLAN_H
#define WARDER_DATAPATH_PLAN_H

#include "datapath/mirror.h"
#include "policy/compile.h"

/* A local endpoint as the machine knows it, joined by the agent: one for each endpoint of the
 * matrix. */
struct warder_plan_endpoint {
	const struct warder_matrix_endpoint
		*endpoint; /* NULL: a held link whose pod nobody knows yet */
	__u8 uid[16];
	__u64 cgroup;
	__u64 netns; /* inode of its network namespace, for table NAMESPACES; 0 = not known yet, or
			the node's own */
	__u16 flags; /* AUDIT, OPAQUE, NO_CONNECT, JUDGE_HOST, HOLD of enum warder_slot_flag */
	const struct warder_addr *addrs; /* its own addresses */
	size_t n_addrs;
	const struct warder_prefix *prefixes; /* further ones that an administrator lists */
	size_t n_prefixes;
	const struct warder_link *links; /* word.slot is filled in by the plan */
	size_t n_links;
};

#define WARDER_PLAN_SETTLES 8

struct warder_plan {
	struct warder_write *writes;
	size_t n_writes;
	void *memory;
	/* Before writes[settle[i]] every program that runs now must have ended (a grace period of
	 * RCU); ascending. None in the common case: endpoints, addresses and prefixes that come, go
	 * or change class. */
	size_t settle[WARDER_PLAN_SETTLES];
	unsigned n_settle;
	struct warder_shape need; /* what the new state needs: larger than the mirror's shape = grow
				     first (-ENOSPC) */
};

struct warder_planner; /* id allocation, slots by uid, identity numbers; rebuilt from a mirror */

struct warder_planner *warder_planner_new(struct warder_mirror *mirror); /* borrows the mirror */
void warder_planner_free(struct warder_planner *planner);

/*
 * 0; -ENOSPC with plan->need set (then nothing else is); -EAGAIN: would fit but for ids that rest,
 * so let a grace period pass, call warder_plan_grace, and try again; -EINVAL: two endpoints with
 * one UID, or a matrix that contradicts itself; -ENOMEM.  The mirror is not changed: applying is
 * the caller's, write by write.
 *
 * Writes of one table stand together as far as their order allows.  A value of SLOTS or LINKS that
 * something names changes in its first 8 bytes alone, and the rest is written as it is: it is
 * enough that the kernel copies an array's value in aligned words of 8 bytes or more.
 */
int warder_plan_make(struct warder_planner *planner, const struct warder_matrix *matrix,
		     const struct warder_plan_endpoint *endpoints, size_t n_endpoints,
		     struct warder_plan *ret, struct warder_error *error);
void warder_plan_free(struct warder_plan *plan);
/* The plan was applied whole: its ids are the planner's state now. */
void warder_plan_done(struct warder_planner *planner);
/* A grace period has passed since the last write: ids freed before it may be given again. */
void warder_plan_grace(struct warder_planner *planner);
/* What time it is, in seconds of a clock that only grows: a freed slot rests for 60 of them.  At
 * first 0. */
void warder_plan_clock(struct warder_planner *planner, __u64 now);

/* For explanations and alerts: ids in the kernel <-> the compiled matrix. */
__u16 warder_planner_slot(const struct warder_planner *planner, const __u8 uid[16]); /* 0 = none */
int warder_planner_identity(const struct warder_planner *planner, __u32 number, const char **ret_ns,
			    const char **ret_service_account);
__u32 warder_planner_identity_number(const struct warder_planner *planner, const char *ns,
				     const char *service_account);

#endif
