/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bitmaps over port classes.  Those that cells name stay as they are (plan_ports.c only adds bits
 * that no port has yet); a content that no named bitmap has gets a fresh id, written whole.
 * Contents are compared only in port classes that some port has.
 */
#include <string.h>

#include "datapath/plan_state.h"

/* Every bitmap that a cell of a live group and a class in use names. */
static bool *find_named(struct plan_work *work)
{
	bool *named = plan_scratch(work, work->shape.bitmaps, sizeof(*named));

	for (__u32 d = 0; named && d < 2; d++)
		for (__u32 g = 0; g < work->n_old_groups; g++) {
			const struct warder_cell *row = plan_old_row(work, d, work->old_groups[g]);

			for (__u32 c = 0; c < work->n_old_classes; c++) {
				struct warder_cell cell = row[work->old_classes[c]];

				if (cell.enforced < work->shape.bitmaps)
					named[cell.enforced] = true;
				if (cell.audited < work->shape.bitmaps)
					named[cell.audited] = true;
			}
		}
	return named;
}

/* A compiled bitmap in the kernel's port classes. */
static void project(const struct plan_work *work, __u32 compiled, __u64 *to)
{
	const __u64 *from = work->matrix->bitmaps + (size_t)compiled * work->matrix->words;

	for (__u32 i = 0; i < work->n_port_ids; i++) {
		__u32 id = work->port_ids[i], new = work->port_new[i];

		to[id / 64] |= (from[new / 64] >> (new % 64) & 1) << (id % 64);
	}
}

struct contents { /* compiled bitmaps by content */
	__u32 *index, mask;
};

static __u32 seek(const struct plan_work *work, const struct contents *contents, const __u64 *bits)
{
	__u32 words = work->shape.words, at;
	__u64 h = words;

	for (__u32 i = 0; i < words; i++) {
		h = (h ^ (bits[i] & work->port_mask[i])) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	for (at = h >> 16 & contents->mask; contents->index[at]; at = (at + 1) & contents->mask) {
		const __u64 *other = work->want + (size_t)(contents->index[at] - 1) * words;
		__u64 differ = 0;

		for (__u32 i = 0; i < words; i++)
			differ |= (bits[i] ^ other[i]) & work->port_mask[i];
		if (!differ)
			break;
	}
	return at;
}

static void index_compiled(struct plan_work *work, struct contents *contents)
{
	for (__u32 b = 0; b < work->matrix->n_bitmaps; b++) {
		__u64 *want = work->want + (size_t)b * work->shape.words;
		__u32 at;

		project(work, b, want);
		at = seek(work, contents, want);
		if (!contents->index[at])
			contents->index[at] = b + 1;
		work->canon[b] = contents->index[at] - 1;
		work->kernel[b] = PLAN_NONE;
	}
}

static void match_named(struct plan_work *work, const struct contents *contents, const bool *named)
{
	for (__u32 id = 0; id < work->shape.bitmaps; id++) {
		__u32 found = PLAN_NONE;

		if (id < WARDER_BITMAP_FIRST)
			found = work->canon[id];
		else if (named[id])
			found = contents->index[seek(work, contents,
						     work->bits + (size_t)id * work->shape.words)] -
				1;
		work->equal[id] = found;
		if (found != PLAN_NONE && work->kernel[found] == PLAN_NONE)
			work->kernel[found] = id;
	}
	work->equal[work->shape.bitmaps] = PLAN_NONE;
}

/* The two fixed ones are written once, before anything names them. */
static void write_fixed(struct plan_work *work)
{
	const __u64 none = 0, all = ~0ULL;

	for (__u32 i = 0; i < work->shape.words; i++) {
		__u32 in_none = WARDER_BITMAP_NONE * work->shape.words + i;
		__u32 in_all = WARDER_BITMAP_ALL * work->shape.words + i;

		if (work->mirror->bitmaps[in_none] != none)
			plan_put_index(work, STEP_BITMAP_NEW, WARDER_TABLE_BITMAPS, in_none, &none);
		if (work->mirror->bitmaps[in_all] != all)
			plan_put_index(work, STEP_BITMAP_NEW, WARDER_TABLE_BITMAPS, in_all, &all);
	}
}

int plan_bitmaps_read(struct plan_work *work)
{
	const struct warder_matrix *matrix = work->matrix;
	bool *named = find_named(work);
	struct contents contents = {.mask = 63};

	while (contents.mask < 2 * matrix->n_bitmaps)
		contents.mask = contents.mask * 2 + 1;
	contents.index = plan_scratch(work, contents.mask + 1, sizeof(*contents.index));
	work->bits = plan_scratch(work, (size_t)work->shape.bitmaps * work->shape.words,
				  sizeof(*work->bits));
	work->want = plan_scratch(work, (size_t)matrix->n_bitmaps * work->shape.words,
				  sizeof(*work->want));
	work->canon = plan_scratch(work, matrix->n_bitmaps, sizeof(*work->canon));
	work->kernel = plan_scratch(work, matrix->n_bitmaps, sizeof(*work->kernel));
	work->equal = plan_scratch(work, work->shape.bitmaps + 1, sizeof(*work->equal));
	if (work->status)
		return work->status;
	plan_ids_sync(&work->planner->bitmaps, named);
	plan_ports_bits(work, named);
	index_compiled(work, &contents);
	match_named(work, &contents, named);
	write_fixed(work);
	return work->status;
}

__u32 plan_bitmap(struct plan_work *work, __u32 compiled)
{
	const __u64 *want = work->want + (size_t)compiled * work->shape.words;
	__u32 *kernel = &work->kernel[work->canon[compiled]];

	if (*kernel != PLAN_NONE || work->status)
		return *kernel;
	*kernel = plan_take(work, &work->planner->bitmaps, &work->need.bitmaps, "bitmaps");
	for (__u32 i = 0; !work->status && i < work->shape.words; i++) {
		__u32 index = *kernel * work->shape.words + i;

		if (work->mirror->bitmaps[index] != want[i])
			plan_put_index(work, STEP_BITMAP_NEW, WARDER_TABLE_BITMAPS, index,
				       &want[i]);
	}
	return *kernel;
}
