/* SPDX-License-Identifier: Apache-2.0 */
/* Which ids are taken, resting or free. */
#include "datapath/plan_ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FREE, TAKEN, RESTING, GIVEN /* since plan_ids_begin */ };

int plan_ids_size(struct plan_ids *ids, __u32 first, __u32 n)
{
	__u8 *state;

	ids->first = first;
	if (n <= ids->n)
		return 0;
	state = realloc(ids->state, n);
	if (!state)
		return -ENOMEM;
	memset(state + ids->n, FREE, n - ids->n);
	ids->state = state;
	ids->n = n;
	return 0;
}

void plan_ids_release(struct plan_ids *ids)
{
	free(ids->state);
	*ids = (struct plan_ids){0};
}

void plan_ids_sync(struct plan_ids *ids, const bool *named)
{
	ids->resting = 0;
	ids->low = ids->first;
	for (__u32 i = 0; i < ids->n; i++) {
		if (named[i])
			ids->state[i] = TAKEN;
		else if (ids->state[i] == TAKEN)
			ids->state[i] = RESTING;
		ids->resting += ids->state[i] == RESTING;
	}
}

void plan_ids_begin(struct plan_ids *ids)
{
	for (__u32 i = 0; i < ids->n; i++)
		if (ids->state[i] == GIVEN)
			ids->state[i] = TAKEN;
}

void plan_ids_undo(struct plan_ids *ids)
{
	for (__u32 i = 0; i < ids->n; i++)
		if (ids->state[i] == GIVEN)
			ids->state[i] = FREE;
}

__u32 plan_ids_take(struct plan_ids *ids)
{
	for (; ids->low < ids->n; ids->low++)
		if (ids->state[ids->low] == FREE) {
			ids->state[ids->low] = GIVEN;
			return ids->low++;
		}
	return PLAN_NONE;
}

bool plan_ids_rest(struct plan_ids *ids, __u32 id)
{
	if (ids->state[id] != FREE)
		return false;
	ids->state[id] = RESTING;
	return true;
}

void plan_ids_grace(struct plan_ids *ids)
{
	ids->low = ids->first;
	ids->resting = 0;
	for (__u32 i = 0; i < ids->n; i++)
		if (ids->state[i] == RESTING)
			ids->state[i] = FREE;
}
