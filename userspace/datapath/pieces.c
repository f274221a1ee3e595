/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces in an array, found by the pair; most old ids have one piece, which `recent` finds at once.
 */
#include "datapath/pieces.h"

#include <errno.h>
#include <string.h>

#define FIRST_ROOM 64

int pieces_init(struct pieces *pieces, struct arena *arena, __u32 n_old, __u32 n_new)
{
	*pieces =
		(struct pieces){.arena = arena, .n_old = n_old, .n_new = n_new, .room = FIRST_ROOM};
	pieces->piece = arena_take(arena, pieces->room * sizeof(*pieces->piece));
	pieces->of_old = arena_take(arena, ((size_t)n_old + 1) * sizeof(__u32));
	pieces->of_new = arena_take(arena, ((size_t)n_new + 1) * sizeof(__u32));
	pieces->recent = arena_take(arena, ((size_t)n_old + 1) * sizeof(__u32));
	pieces->mask = FIRST_ROOM * 2 - 1;
	pieces->index = arena_take(arena, FIRST_ROOM * 2 * sizeof(__u32));
	return pieces->piece && pieces->of_old && pieces->of_new && pieces->recent && pieces->index
		       ? 0
		       : -ENOMEM;
}

static __u32 seek(const struct pieces *pieces, __u32 old, __u32 new)
{
	__u64 h = (((__u64)old << 32) ^ new ^ 0x5851f42dULL) * 0x9e3779b97f4a7c15ULL;
	__u32 at = (__u32)(h >> 32) & pieces->mask;

	for (; pieces->index[at]; at = (at + 1) & pieces->mask) {
		const struct piece *piece = &pieces->piece[pieces->index[at] - 1];

		if (piece->old == old && piece->new == new)
			break;
	}
	return at;
}

static int grow(struct pieces *pieces)
{
	struct piece *piece = arena_take(pieces->arena, (size_t)pieces->room * 2 * sizeof(*piece));
	__u32 *index = arena_take(pieces->arena, (size_t)pieces->room * 4 * sizeof(*index));

	if (!piece || !index)
		return -ENOMEM;
	memcpy(piece, pieces->piece, pieces->n * sizeof(*piece));
	pieces->piece = piece;
	pieces->index = index;
	pieces->room *= 2;
	pieces->mask = pieces->room * 2 - 1;
	for (__u32 i = 0; i < pieces->n; i++)
		index[seek(pieces, piece[i].old, piece[i].new)] = i + 1;
	return 0;
}

__u32 pieces_add(struct pieces *pieces, __u32 old, __u32 new, __u32 weight)
{
	__u32 slot = old < pieces->n_old ? old : pieces->n_old;
	__u32 i = pieces->recent[slot] - 1, at;

	if (slot == pieces->n_old)
		old = PLAN_NONE;
	if (i != PLAN_NONE && pieces->piece[i].new == new) {
		pieces->piece[i].weight += weight;
		return i;
	}
	at = seek(pieces, old, new);
	i = pieces->index[at] - 1;
	if (i == PLAN_NONE) {
		if (pieces->n == pieces->room) {
			if (grow(pieces))
				return PLAN_NONE;
			at = seek(pieces, old, new);
		}
		i = pieces->n++;
		pieces->index[at] = i + 1;
		pieces->piece[i] = (struct piece){
			.old = old, .new = new, .early = PLAN_NONE, .late = PLAN_NONE};
		pieces->of_old[slot]++;
		pieces->of_new[new]++;
	}
	pieces->recent[slot] = i + 1;
	pieces->piece[i].weight += weight;
	return i;
}
