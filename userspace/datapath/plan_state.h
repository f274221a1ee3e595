/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the planner: what it keeps between plans, what it knows while it makes one, and the
 * steps that give the writes of a plan their order.  Each plan_*.c is one part of the state: it
 * says what each old id becomes and puts the writes for that into the steps.
 */
#ifndef WARDER_DATAPATH_PLAN_STATE_H
#define WARDER_DATAPATH_PLAN_STATE_H

#include <errno.h>

#include "datapath/arena.h"
#include "datapath/mirror_state.h"
#include "datapath/pieces.h"
#include "datapath/plan.h"
#include "datapath/plan_ids.h"

/*
 * The order of writes.  `settle` in front of a step: where the plan has both a write that programs
 * may have read past before it and one that relies on nobody having done so after it, the writer
 * waits there until every program that runs now has ended.
 */
enum plan_step {
	/* Endpoints that go: nothing speaks for them any more. */
	STEP_LINK_CLEAR,
	STEP_CGROUP_REMOVE,
	STEP_OWN_REMOVE,
	STEP_SLOT_CLEAR,
	/* What nothing names yet. */
	STEP_IDENTITY_ADD,
	STEP_PORT_BITS,
	STEP_BITMAP_NEW,
	STEP_CELL_NEW,
	STEP_SLOT_NEW,
	STEP_OWN_ADD,
	/* Refine: each id has one new meaning from here on. */
	STEP_PORT_SPLIT,
	STEP_SLOT_SPLIT,
	/* settle */
	STEP_PEER_INSERT_EARLY,
	/* settle */
	STEP_CIDR_INSERT_EARLY,
	STEP_CIDR_MOVE_EARLY,
	STEP_PEER_MOVE_EARLY,
	STEP_FRONTEND_MOVE_EARLY,
	/* settle */
	STEP_CELL_REWRITE,
	STEP_FRONTEND_ADD,
	STEP_FRONTEND_MOVE,
	STEP_PEER_INSERT,
	/* settle */
	STEP_CIDR_INSERT,
	STEP_CIDR_MOVE,
	STEP_PEER_MOVE,
	STEP_CIDR_DELETE,
	STEP_PEER_DELETE,
	STEP_FRONTEND_REMOVE,
	/* settle; coarsen */
	STEP_PORT_MERGE,
	STEP_SLOT_MERGE,
	STEP_CGROUP_SET,
	STEP_LINK_DROP,
	STEP_LINK_WRITE,
	STEP_LINK_SET,
	/* settle */
	/* What nothing names any more. */
	STEP_OWN_FREE,
	STEP_SLOT_FREE,
	STEP_IDENTITY_REMOVE,
	STEPS
};

struct plan_step_writes {
	struct warder_write *writes;
	size_t n, room;
};

struct warder_planner {
	struct warder_mirror *mirror;
	struct plan_ids groups, classes, ports, bitmaps, numbers;
	struct records names; /* warder_identity_name -> number, of all names ever used */
	__u64 *freed_at;      /* of each slot, seconds; PLAN_NOT_FREED */
	__u32 n_slots;
	__u64 now;
	bool unsettled; /* ids moved since the last grace period: a program may hold where they were
			 */
	bool moves;	/* so does the plan that was made last */
};

#define PLAN_NOT_FREED (~0ULL)
#define PLAN_SLOT_REST 60 /* seconds */

struct plan_row { /* a group that speaks while cells are rewritten, or that begins to */
	__u32 id;
	__u32 source; /* the old group whose row it has, PLAN_NONE = only new endpoints */
	__u32 new;    /* compiled group */
};

struct plan_column { /* a class id that is filled with its new meaning before it is named */
	__u32 id;
	__u32 new; /* compiled class */
};

struct plan_home {		 /* where an endpoint lives */
	struct warder_slot slot; /* as it shall be */
	__u16 number;
	bool fresh;  /* the slot is new in this plan */
	__u32 group; /* its piece, PLAN_NONE = held */
};

struct plan_peers;     /* plan_peers.c */
struct plan_frontends; /* plan_frontends.c */

struct plan_work {
	struct warder_planner *planner;
	const struct warder_mirror *mirror;
	struct warder_shape shape; /* the mirror's */
	const struct warder_matrix *matrix;
	const struct warder_plan_endpoint *endpoints;
	size_t n_endpoints;
	struct warder_table_info info[WARDER_TABLES];
	struct arena scratch, *memory; /* for this call; for the plan's writes */
	struct plan_step_writes steps[STEPS];
	__u32 added[WARDER_TABLES]; /* entries that a hash or trie holds more at the height of the
				       plan */
	int status;		    /* the first error: what comes after it has no effect */
	struct warder_shape need;
	struct warder_error *error;

	__u32 *numbers; /* kernel identity of each compiled one */

	struct pieces ports;
	__u32 *port_ids, n_port_ids; /* kernel port classes that ports name or that are fixed */
	__u32 *port_new;	     /* compiled class of each of them, in the same order */
	__u64 *port_mask;	     /* the same as bits, shape.words */
	struct warder_port_word port_words[2]; /* the word that is being put together */

	struct plan_home *homes; /* of each endpoint */
	__u32 *owners;		 /* of each slot that is live: endpoint, PLAN_NONE = it goes */
	__u32 *slot_groups;	 /* of each such slot: its piece, PLAN_NONE = nothing to keep */
	struct pieces groups;
	bool slots_replaced; /* one that speaks is left for another */
	struct prefixes own; /* what table OWN shall hold */
	struct plan_row *rows;
	__u32 n_rows;
	__u32 *old_groups, n_old_groups; /* named by live slots */

	struct pieces classes;
	struct plan_peers *peers;
	struct plan_frontends *frontends;
	__u32 *old_classes, n_old_classes; /* named by peers and prefixes */
	struct plan_column *columns;
	__u32 n_columns;
	__u32 *targets; /* of each compiled class: kernel id in the end, PLAN_NONE = has no members
			 */
	__u32 *rewrites, n_rewrites; /* pieces whose old class stays and whose cells change */

	__u64 *bits;   /* of kernel bitmaps that are named: content with the split port classes */
	__u64 *want;   /* of compiled bitmaps: content in the kernel's port classes */
	__u32 *canon;  /* of compiled bitmaps: the first one of equal content */
	__u32 *kernel; /* of those: kernel bitmap, PLAN_NONE = none yet */
	__u32 *equal;  /* of kernel bitmaps: the compiled one of equal content, PLAN_NONE; one more
			  at the end */
};

/* Sets the status, once; returns it. */
int plan_fail(struct plan_work *work, int status);
void *plan_scratch(struct plan_work *work, size_t n, size_t size); /* NULL: the status says so */
void plan_put(struct plan_work *work, enum plan_step step, enum warder_table table, const void *key,
	      const void *value);
void plan_put_index(struct plan_work *work, enum plan_step step, enum warder_table table,
		    __u32 index, const void *value);
/* The same for an entry that is not there yet. */
void plan_add(struct plan_work *work, enum plan_step step, enum warder_table table, const void *key,
	      const void *value);
void plan_remove(struct plan_work *work, enum plan_step step, enum warder_table table,
		 const void *key);
/* The heaviest piece of each old id (by_old) or of each new one: index + 1, 0 = has none. */
__u32 *plan_heaviest(struct plan_work *work, const struct pieces *pieces, bool by_old);
/* Takes an id, or fails with -EAGAIN (some rest) or -ENOSPC (need, a member of work->need,
 * doubled). */
__u32 plan_take(struct plan_work *work, struct plan_ids *ids, __u32 *need, const char *what);

/* Kernel numbers of the compiled identities, and the names that nobody bears any more. */
int plan_identities(struct plan_work *work);
/* Finds or gives each endpoint's slot, and splits groups; then the writes. */
int plan_slots_match(struct plan_work *work);
int plan_groups_split(struct plan_work *work);
void plan_slots_write(struct plan_work *work);
/* What leads a packet or process to its slot: links, cgroups, namespaces. */
void plan_links_write(struct plan_work *work);
void plan_slots_note(struct warder_planner *planner);
/* Splits port classes; then the writes, the bits of named bitmaps (work->bits) among them. */
int plan_ports_split(struct plan_work *work);
void plan_ports_bits(struct plan_work *work, const bool *named);
void plan_ports_write(struct plan_work *work);
/* Pairs of classes that addresses and prefixes have; then their writes. */
int plan_peers_collect(struct plan_work *work);
void plan_peers_write(struct plan_work *work);
void plan_peers_release(struct plan_work *work);
int plan_frontends_collect(struct plan_work *work);
void plan_frontends_write(struct plan_work *work);
/* What compiled bitmaps are in the kernel. */
int plan_bitmaps_read(struct plan_work *work);
__u32 plan_bitmap(struct plan_work *work, __u32 compiled);
/* Where classes go, then the cells. */
int plan_classes_choose(struct plan_work *work);
void plan_cells_write(struct plan_work *work);

/* Whether the kernel's cell says what the compiled one says. */
static inline bool plan_same_bitmap(const struct plan_work *work, __u32 kernel, __u32 compiled)
{
	if (kernel > work->shape.bitmaps)
		kernel = work->shape.bitmaps;
	return work->equal[kernel] == work->canon[compiled];
}

static inline const struct warder_cell *plan_old_row(const struct plan_work *work, __u32 direction,
						     __u32 group)
{
	return work->mirror->cells + mirror_row(&work->shape, direction, group);
}

static inline const struct warder_cell *plan_new_row(const struct plan_work *work, __u32 direction,
						     __u32 group)
{
	const struct warder_matrix *matrix = work->matrix;

	return matrix->cells + ((size_t)direction * matrix->n_groups + group) * matrix->n_classes;
}

#endif
