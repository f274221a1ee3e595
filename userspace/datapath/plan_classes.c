/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer classes and cells.  Each compiled class gets one kernel class in the end, its target: an old
 * one whose cells change in place, or a fresh one whose cells are written before it is named.  A
 * member that is to leave its old class for another's target goes in one write, from its old
 * verdicts to its new ones: after the cells have changed where its old class keeps its cells, else
 * before; and where the target's cells change too, by way of a spare class that has the new ones
 * already.
 */
#include <stdlib.h>
#include <string.h>

#include "datapath/plan_state.h"

static int sync_ids(struct plan_work *work)
{
	bool *named = plan_scratch(work, work->shape.classes, sizeof(*named));

	work->old_classes = plan_scratch(work, work->classes.n + 1, sizeof(*work->old_classes));
	if (work->status)
		return work->status;
	for (__u32 i = 0; i < work->classes.n; i++) {
		__u32 old = work->classes.piece[i].old;

		if (old == PLAN_NONE || named[old])
			continue;
		named[old] = true;
		work->old_classes[work->n_old_classes++] = old;
	}
	plan_ids_sync(&work->planner->classes, named);
	return 0;
}

/* Most cells say the same as the one before: their answer is known. */
struct comparison {
	__u64 old, new;
	bool differ;
};

static bool differs(const struct plan_work *work, struct comparison *last, struct warder_cell old,
		    struct warder_cell new)
{
	if (old.word != last->old || new.word != last->new)
		*last = (struct comparison){
			.old = old.word,
			.new = new.word,
			.differ = !plan_same_bitmap(work, old.enforced, new.enforced) ||
				  !plan_same_bitmap(work, old.audited, new.audited),
		};
	return last->differ;
}

/* How many cells of each piece differ between what its old class says and what its new one shall. */
static void compare(struct plan_work *work)
{
	struct pieces *classes = &work->classes;
	struct comparison last = {.old = WARDER_BITMAP_NONE, .new = WARDER_BITMAP_NONE};

	for (__u32 d = 0; d < 2; d++)
		for (__u32 r = 0; r < work->n_rows; r++) {
			const struct plan_row *row = &work->rows[r];
			const struct warder_cell *now, *then = plan_new_row(work, d, row->new);

			if (row->source == PLAN_NONE)
				continue;
			now = plan_old_row(work, d, row->source);
			for (__u32 i = 0; i < classes->n; i++) {
				struct piece *piece = &classes->piece[i];

				if (piece->old != PLAN_NONE)
					piece->changed += differs(work, &last, now[piece->old],
								  then[piece->new]);
			}
		}
}

/* Pieces that save most by staying come first. */
static int compare_gain(const void *a, const void *b)
{
	const struct piece *x = *(const struct piece *const *)a,
			   *y = *(const struct piece *const *)b;
	long long gain = ((long long)y->weight - y->changed) - ((long long)x->weight - x->changed);

	return gain ? (gain < 0 ? -1 : 1) : x < y ? -1 : x > y;
}

struct choice {
	__u32 *keeper; /* of each old class: index of the piece that stays in it, PLAN_NONE */
	bool *ready; /* of each compiled class: its target says what it shall before cells change */
	__u32 *spare; /* of each compiled class: a fresh class for those who must leave early,
			 PLAN_NONE */
};

static void keep(struct plan_work *work, struct choice *choice, __u32 i)
{
	const struct piece *piece = &work->classes.piece[i];

	choice->keeper[piece->old] = i;
	choice->ready[piece->new] = !piece->changed;
	work->targets[piece->new] = piece->old;
	if (piece->changed)
		work->rewrites[work->n_rewrites++] = i;
}

/* Which pieces stay in their old class: at most one of each old class and of each new one. */
static void choose_keepers(struct plan_work *work, struct choice *choice)
{
	const struct pieces *classes = &work->classes;
	const struct piece **rest = plan_scratch(work, classes->n + 1, sizeof(*rest));
	__u32 n = 0;

	for (__u32 i = 0; rest && i < classes->n; i++) {
		const struct piece *piece = &classes->piece[i];

		if (piece->old == PLAN_NONE)
			continue;
		if (classes->of_old[piece->old] == 1 && classes->of_new[piece->new] == 1)
			keep(work, choice, i);
		else
			rest[n++] = piece;
	}
	if (n)
		qsort(rest, n, sizeof(*rest), compare_gain);
	for (__u32 i = 0; i < n; i++)
		if (choice->keeper[rest[i]->old] == PLAN_NONE &&
		    work->targets[rest[i]->new] == PLAN_NONE)
			keep(work, choice, rest[i] - classes->piece);
}

static __u32 fresh_column(struct plan_work *work, __u32 new)
{
	__u32 id = plan_take(work, &work->planner->classes, &work->need.classes, "classes");

	if (!work->status)
		work->columns[work->n_columns++] = (struct plan_column){.id = id, .new = new};
	return id;
}

/* When a piece leaves its old class, and for where. */
static void route(struct plan_work *work, struct choice *choice, struct piece *piece)
{
	__u32 keeper;

	piece->late = work->targets[piece->new];
	piece->early = piece->old;
	if (piece->old == PLAN_NONE || piece->late == piece->old)
		return;
	keeper = choice->keeper[piece->old];
	if (keeper == PLAN_NONE || !work->classes.piece[keeper].changed)
		return;
	piece->early = piece->late;
	if (choice->ready[piece->new])
		return;
	if (choice->spare[piece->new] == PLAN_NONE)
		choice->spare[piece->new] = fresh_column(work, piece->new);
	piece->early = choice->spare[piece->new];
}

static __u32 *none_of(struct plan_work *work, __u32 n)
{
	__u32 *array = plan_scratch(work, n + 1, sizeof(*array));

	if (array)
		memset(array, 0xff, n * sizeof(*array));
	return array;
}

int plan_classes_choose(struct plan_work *work)
{
	struct pieces *classes = &work->classes;
	struct choice choice;

	if (sync_ids(work) || plan_bitmaps_read(work))
		return work->status;
	compare(work);
	choice.keeper = none_of(work, classes->n_old);
	choice.spare = none_of(work, classes->n_new);
	choice.ready = plan_scratch(work, classes->n_new + 1, sizeof(*choice.ready));
	work->targets = none_of(work, classes->n_new);
	work->rewrites = plan_scratch(work, classes->n + 1, sizeof(*work->rewrites));
	work->columns = plan_scratch(work, 2 * (size_t)classes->n_new + 1, sizeof(*work->columns));
	if (work->status)
		return work->status;
	choose_keepers(work, &choice);
	for (__u32 c = 0; c < classes->n_new && !work->status; c++)
		if (classes->of_new[c] && work->targets[c] == PLAN_NONE) {
			work->targets[c] = fresh_column(work, c);
			choice.ready[c] = true;
		}
	for (__u32 i = 0; i < classes->n && !work->status; i++)
		route(work, &choice, &classes->piece[i]);
	return work->status;
}

static struct warder_cell new_cell(struct plan_work *work, struct warder_cell compiled)
{
	return (struct warder_cell){
		.enforced = plan_bitmap(work, compiled.enforced),
		.audited = plan_bitmap(work, compiled.audited),
	};
}

static void put_cell(struct plan_work *work, enum plan_step step, __u32 d, __u32 group, __u32 class,
		     struct warder_cell cell)
{
	__u32 index = mirror_row(&work->shape, d, group) + class;

	if (!work->status && work->mirror->cells[index].word != cell.word)
		plan_put_index(work, step, WARDER_TABLE_CELLS, index, &cell);
}

/* A row of a group that parts from another: as the other's. */
static void copy_row(struct plan_work *work, __u32 d, const struct plan_row *row)
{
	const struct warder_cell *from = plan_old_row(work, d, row->source);

	for (__u32 i = 0; i < work->n_old_classes; i++)
		put_cell(work, STEP_CELL_NEW, d, row->id, work->old_classes[i],
			 from[work->old_classes[i]]);
}

/* A row that no endpoint speaks from yet: all of it new. */
static void fill_row(struct plan_work *work, __u32 d, const struct plan_row *row)
{
	const struct warder_cell *then = plan_new_row(work, d, row->new);

	for (__u32 c = 0; c < work->classes.n_new; c++)
		if (work->targets[c] != PLAN_NONE)
			put_cell(work, STEP_CELL_NEW, d, row->id, work->targets[c],
				 new_cell(work, then[c]));
}

static void rewrite_row(struct plan_work *work, __u32 d, const struct plan_row *row)
{
	const struct warder_cell *now = plan_old_row(work, d, row->source),
				 *then = plan_new_row(work, d, row->new);

	for (__u32 i = 0; i < work->n_rewrites; i++) {
		const struct piece *piece = &work->classes.piece[work->rewrites[i]];
		struct warder_cell old = now[piece->old], cell = old;
		__u32 index = mirror_row(&work->shape, d, row->id) + piece->old;

		if (!plan_same_bitmap(work, old.enforced, then[piece->new].enforced))
			cell.enforced = plan_bitmap(work, then[piece->new].enforced);
		if (!plan_same_bitmap(work, old.audited, then[piece->new].audited))
			cell.audited = plan_bitmap(work, then[piece->new].audited);
		if (cell.word != old.word && !work->status)
			plan_put_index(work, STEP_CELL_REWRITE, WARDER_TABLE_CELLS, index, &cell);
	}
}

void plan_cells_write(struct plan_work *work)
{
	for (__u32 d = 0; d < 2; d++)
		for (__u32 r = 0; r < work->n_rows && !work->status; r++) {
			const struct plan_row *row = &work->rows[r];
			const struct warder_cell *then = plan_new_row(work, d, row->new);

			if (row->source == PLAN_NONE) {
				fill_row(work, d, row);
				continue;
			}
			if (row->id != row->source)
				copy_row(work, d, row);
			for (__u32 i = 0; i < work->n_columns; i++)
				put_cell(work, STEP_CELL_NEW, d, row->id, work->columns[i].id,
					 new_cell(work, then[work->columns[i].new]));
			rewrite_row(work, d, row);
		}
}
