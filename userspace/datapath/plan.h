/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the maps hold to what they should hold, as a list of single writes of which each leaves
 * every (endpoint, peer, port) at its old verdict or at its new one, never a third:
 *
 *   refine   classes, groups and port classes are split until each has one old and one new meaning; new ids get a
 *            copy of the old rows; peers, prefixes, port words and slots move to them.  No verdict changes.
 *   rewrite  cells in place, one aligned word each: old bitmap -> new bitmap.
 *   coarsen  ids with the same rows are merged, what nothing names is freed.  No verdict changes.
 *
 * Freed ids may be used again only after a grace period (warder_plan_grace).  Pure: no kernel.
 */
#ifndef WARDER_DATAPATH_PLAN_H
#define WARDER_DATAPATH_PLAN_H

#include "datapath/mirror.h"
#include "policy/compile.h"

/* A local endpoint as the machine knows it, joined by the agent: one for each endpoint of the matrix. */
struct warder_plan_endpoint {
	const struct warder_matrix_endpoint *endpoint; /* NULL: a held link whose pod nobody knows yet */
	__u8 uid[16];
	__u64 cgroup;
	__u64 netns; /* inode of its network namespace, for table NAMESPACES; 0 = not known yet, or the node's own */
	__u16 flags; /* AUDIT, OPAQUE, NO_CONNECT, JUDGE_HOST, HOLD of enum warder_slot_flag */
	const struct warder_addr *addrs; /* its own addresses */
	size_t n_addrs;
	const struct warder_prefix *prefixes; /* further ones that an administrator lists */
	size_t n_prefixes;
	const struct warder_link *links; /* word.slot is filled in by the plan */
	size_t n_links;
};

struct warder_plan {
	struct warder_write *writes;
	size_t n_writes;
	void *memory;
	struct warder_shape need; /* what the new state needs: larger than the mirror's shape = grow first (-ENOSPC) */
};

struct warder_planner; /* id allocation, slots by uid, identity numbers; rebuilt from a mirror */

struct warder_planner *warder_planner_new(struct warder_mirror *mirror); /* borrows the mirror */
void warder_planner_free(struct warder_planner *planner);

/* 0; -ENOSPC with plan->need set; -ENOMEM.  The mirror is not changed: applying is the caller's, write by write. */
int warder_plan_make(struct warder_planner *planner, const struct warder_matrix *matrix,
		     const struct warder_plan_endpoint *endpoints, size_t n_endpoints, struct warder_plan *ret,
		     struct warder_error *error);
void warder_plan_free(struct warder_plan *plan);
/* The plan was applied whole: its ids are the planner's state now. */
void warder_plan_done(struct warder_planner *planner);
/* A grace period has passed: ids freed before it may be given again. */
void warder_plan_grace(struct warder_planner *planner);

/* For explanations and alerts: ids in the kernel <-> the compiled matrix. */
__u16 warder_planner_slot(const struct warder_planner *planner, const __u8 uid[16]); /* 0 = none */
int warder_planner_identity(const struct warder_planner *planner, __u32 number, const char **ret_ns,
			    const char **ret_service_account);
__u32 warder_planner_identity_number(const struct warder_planner *planner, const char *ns, const char *service_account);

#endif
