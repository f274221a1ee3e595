/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots and groups.  An endpoint keeps its slot while its UID, addresses, identity and cgroup stay;
 * else it gets a fresh one, and what leads to the old one is led over at the end.  Endpoints of one
 * group that part get fresh rows, copies of the old one, before any cell changes.
 */
#include <stdlib.h>
#include <string.h>

#include "datapath/plan_state.h"

/* Flags that only loosen, or that refuse everything: set before cells change and cleared after, so
 * that what passed under them passes until then.  All others are cleared before and set after. */
#define SET_EARLY                                                                                  \
	(WARDER_SLOT_LIVE | WARDER_SLOT_HOLD | WARDER_SLOT_AUDIT | WARDER_SLOT_OPAQUE |            \
	 WARDER_SLOT_NO_CONNECT | WARDER_SLOT_MORE_ADDRS | WARDER_SLOT_HOSTNET)

static __u16 early_flags(__u16 old, __u16 new)
{
	return ((old | new) & SET_EARLY) | (old & new & ~SET_EARLY);
}

static int compare_addr(const void *a, const void *b)
{
	return warder_addr_compare(a, b);
}

/* An endpoint's addresses in the order in which slots hold them. */
static const struct warder_addr *sorted_addrs(struct plan_work *work,
					      const struct warder_plan_endpoint *endpoint)
{
	struct warder_addr *addrs = plan_scratch(work, endpoint->n_addrs + 1, sizeof(*addrs));

	if (addrs && endpoint->n_addrs) {
		memcpy(addrs, endpoint->addrs, endpoint->n_addrs * sizeof(*addrs));
		qsort(addrs, endpoint->n_addrs, sizeof(*addrs), compare_addr);
	}
	return addrs;
}

/* Fills in what fits into the slot; calls back for the addresses that do not. */
static void place_addrs(struct plan_work *work, size_t e, struct warder_slot *slot,
			void (*more)(struct plan_work *work, size_t e,
				     const struct warder_addr *addr, __u8 bits))
{
	const struct warder_plan_endpoint *endpoint = &work->endpoints[e];
	const struct warder_addr *addrs = sorted_addrs(work, endpoint);
	unsigned n4 = 0, n6 = 0;

	for (size_t i = 0; addrs && i < endpoint->n_addrs; i++) {
		bool is4 = warder_addr_is4(&addrs[i]);

		if (i && !warder_addr_compare(&addrs[i], &addrs[i - 1]))
			continue;
		if (is4 && n4 < WARDER_SLOT_ADDRS)
			slot->addr4[n4++] = addrs[i].w[3];
		else if (!is4 && n6 < WARDER_SLOT_ADDRS)
			slot->addr6[n6++] = addrs[i];
		else
			more(work, e, &addrs[i], 128);
	}
	for (size_t i = 0; i < endpoint->n_prefixes; i++)
		more(work, e, &endpoint->prefixes[i].addr, endpoint->prefixes[i].bits);
}

static void more_flag(struct plan_work *work, size_t e, const struct warder_addr *addr, __u8 bits)
{
	work->homes[e].slot.now.flags |= WARDER_SLOT_MORE_ADDRS;
}

static void describe(struct plan_work *work, size_t e)
{
	const struct warder_plan_endpoint *endpoint = &work->endpoints[e];
	const struct warder_matrix_endpoint *compiled = endpoint->endpoint;
	struct plan_home *home = &work->homes[e];
	struct warder_slot *slot = &home->slot;

	home->group = PLAN_NONE;
	slot->cgroup = endpoint->cgroup;
	memcpy(slot->uid, endpoint->uid, sizeof(slot->uid));
	slot->now.flags = endpoint->flags | WARDER_SLOT_LIVE;
	if (compiled) {
		slot->identity =
			compiled->identity < WARDER_IDENTITY_FIRST
				? compiled->identity
				: work->numbers[compiled->identity - WARDER_IDENTITY_FIRST];
		if (compiled->isolated[WARDER_EGRESS] && !compiled->services)
			slot->now.flags |= WARDER_SLOT_EGRESS_ISOLATED;
		if (compiled->isolated[WARDER_INGRESS])
			slot->now.flags |= WARDER_SLOT_INGRESS_ISOLATED;
	} else {
		slot->now.flags |= WARDER_SLOT_HOLD;
	}
	place_addrs(work, e, slot, more_flag);
}

static bool same_constants(const struct warder_slot *a, const struct warder_slot *b)
{
	return !memcmp((const char *)a + sizeof(a->word), (const char *)b + sizeof(b->word),
		       sizeof(*a) - sizeof(a->word));
}

void plan_slots_note(struct warder_planner *planner)
{
	const struct warder_mirror *mirror = planner->mirror;

	for (__u32 s = 0; s < planner->n_slots; s++) {
		if (mirror->slots[s].now.flags & WARDER_SLOT_LIVE)
			planner->freed_at[s] = PLAN_NOT_FREED;
		else if (mirror->slots[s].now.generation && planner->freed_at[s] == PLAN_NOT_FREED)
			planner->freed_at[s] = planner->now;
	}
}

static bool is_free(const struct warder_planner *planner, __u32 s)
{
	const struct warder_slot_word *now = &planner->mirror->slots[s].now;

	if (now->flags & WARDER_SLOT_LIVE)
		return false;
	return !now->generation || planner->now - planner->freed_at[s] >= PLAN_SLOT_REST;
}

static int give_slots(struct plan_work *work)
{
	__u32 next = 1;

	for (size_t e = 0; e < work->n_endpoints; e++) {
		struct plan_home *home = &work->homes[e];

		if (home->number)
			continue;
		while (next < work->shape.slots && !is_free(work->planner, next))
			next++;
		if (next == work->shape.slots) {
			work->need.slots = 2 * work->shape.slots;
			warder_error_set(work->error, -ENOSPC,
					 "all %u slots for endpoints are taken or rest",
					 work->shape.slots);
			return plan_fail(work, -ENOSPC);
		}
		home->number = next++;
		home->fresh = true;
		home->slot.now.generation = work->mirror->slots[home->number].now.generation + 1;
		if (!home->slot.now.generation)
			home->slot.now.generation = 1;
	}
	return 0;
}

static int own_slots(struct plan_work *work)
{
	struct records uids;
	int r = 0;

	records_init(&uids, sizeof(work->endpoints->uid), sizeof(__u32));
	for (__u32 e = 0; e < work->n_endpoints && !r; e++) {
		if (records_find(&uids, work->endpoints[e].uid) != RECORDS_NONE)
			r = warder_error_set(work->error, -EINVAL, "two endpoints have one UID");
		else
			r = records_put(&uids, work->endpoints[e].uid, &e);
	}
	for (__u32 s = 0; s < work->shape.slots && !r; s++) {
		const struct warder_slot *slot = &work->mirror->slots[s];
		struct plan_home *home;
		__u32 at;

		work->owners[s] = work->slot_groups[s] = PLAN_NONE;
		at = s && slot->now.flags & WARDER_SLOT_LIVE ? records_find(&uids, slot->uid)
							     : RECORDS_NONE;
		if (at == RECORDS_NONE)
			continue;
		work->owners[s] = *(__u32 *)records_value(&uids, at);
		home = &work->homes[work->owners[s]];
		if (!home->number && same_constants(slot, &home->slot)) {
			home->number = s;
			home->slot.now.generation = slot->now.generation;
		}
	}
	records_release(&uids);
	return r ? plan_fail(work, r) : 0;
}

int plan_slots_match(struct plan_work *work)
{
	prefixes_init(&work->own, sizeof(struct warder_own_key), sizeof(struct warder_own));
	work->homes = plan_scratch(work, work->n_endpoints + 1, sizeof(*work->homes));
	work->owners = plan_scratch(work, work->shape.slots, sizeof(*work->owners));
	work->slot_groups = plan_scratch(work, work->shape.slots, sizeof(*work->slot_groups));
	if (work->status)
		return work->status;
	plan_slots_note(work->planner);
	for (size_t e = 0; e < work->n_endpoints; e++)
		describe(work, e);
	if (work->status || own_slots(work))
		return work->status;
	return give_slots(work);
}

/*
 * Which groups live slots name: all of them stay taken, whether their endpoint goes or not.  The rows
 * of those that speak, or will, are old_groups: a held slot that is left never reads its row.
 */
static int sync_groups(struct plan_work *work)
{
	bool *named = plan_scratch(work, work->shape.groups, sizeof(*named));
	bool *read = plan_scratch(work, work->shape.groups, sizeof(*read));

	work->old_groups = plan_scratch(work, work->shape.groups, sizeof(*work->old_groups));
	if (work->status)
		return work->status;
	for (__u32 s = 1; s < work->shape.slots; s++) {
		const struct warder_slot_word *now = &work->mirror->slots[s].now;

		if (!(now->flags & WARDER_SLOT_LIVE) || now->group >= work->shape.groups)
			continue;
		named[now->group] = true;
		if (read[now->group] ||
		    (now->flags & WARDER_SLOT_HOLD && work->slot_groups[s] == PLAN_NONE))
			continue;
		read[now->group] = true;
		work->old_groups[work->n_old_groups++] = now->group;
	}
	plan_ids_sync(&work->planner->groups, named);
	return 0;
}

static void collect_groups(struct plan_work *work)
{
	for (__u32 s = 1; s < work->shape.slots; s++) {
		const struct warder_slot_word *now = &work->mirror->slots[s].now;
		const struct warder_matrix_endpoint *compiled;

		if (work->owners[s] == PLAN_NONE)
			continue;
		compiled = work->endpoints[work->owners[s]].endpoint;
		/* A held slot that is left never spoke: its group may be nobody's. */
		if (!compiled ||
		    (now->flags & WARDER_SLOT_HOLD && work->homes[work->owners[s]].number != s))
			continue;
		work->slot_groups[s] = pieces_add(&work->groups, now->group, compiled->group, 1);
		if (work->slot_groups[s] == PLAN_NONE)
			plan_fail(work, -ENOMEM);
	}
	for (size_t e = 0; e < work->n_endpoints; e++) {
		if (!work->endpoints[e].endpoint)
			continue;
		work->homes[e].group =
			pieces_add(&work->groups, PLAN_NONE, work->endpoints[e].endpoint->group, 0);
		if (work->homes[e].group == PLAN_NONE)
			plan_fail(work, -ENOMEM);
	}
}

static void add_row(struct plan_work *work, __u32 id, __u32 source, __u32 new)
{
	work->rows[work->n_rows++] = (struct plan_row){.id = id, .source = source, .new = new};
}

int plan_groups_split(struct plan_work *work)
{
	struct pieces *groups = &work->groups;
	__u32 *keeper, *target;

	if (pieces_init(groups, &work->scratch, work->shape.groups, work->matrix->n_groups))
		return plan_fail(work, -ENOMEM);
	collect_groups(work);
	if (sync_groups(work))
		return work->status;
	keeper = plan_heaviest(work, groups, true);
	target = plan_heaviest(work, groups, false);
	work->rows = plan_scratch(work, 2 * groups->n + 1, sizeof(*work->rows));
	for (__u32 i = 0; !work->status && i < groups->n; i++) {
		struct piece *piece = &groups->piece[i];

		if (piece->old == PLAN_NONE)
			continue;
		piece->early = piece->old;
		if (keeper[piece->old] != i + 1)
			piece->early = plan_take(work, &work->planner->groups, &work->need.groups,
						 "groups");
		add_row(work, piece->early, piece->old, piece->new);
	}
	for (__u32 i = 0; !work->status && i < groups->n; i++) {
		struct piece *piece = &groups->piece[i],
			     *best = &groups->piece[target[piece->new] - 1];

		/* Weights are 0 only of those that never spoke: then no row says yet what this
		 * group may. */
		if (best->early == PLAN_NONE) {
			best->early = plan_take(work, &work->planner->groups, &work->need.groups,
						"groups");
			if (!work->status)
				add_row(work, best->early, PLAN_NONE, best->new);
		}
		piece->late = best->early;
	}
	return work->status;
}

static void more_own(struct plan_work *work, size_t e, const struct warder_addr *addr, __u8 bits)
{
	const struct plan_home *home = &work->homes[e];
	struct warder_own_key key = {.slot = home->number, .generation = home->slot.now.generation};
	struct warder_own present = {0};

	if (bits >= 96 && warder_addr_is4(addr)) {
		key.family = 4;
		key.prefixlen = 64 + bits - 96;
		key.addr.w[0] = addr->w[3];
	} else {
		key.family = 6;
		key.prefixlen = 64 + bits;
		key.addr = *addr;
	}
	if (prefixes_put(&work->own, &key, &present))
		plan_fail(work, -ENOMEM);
}

/* Own addresses that found no room in their slot. */
static void write_own(struct plan_work *work)
{
	const struct records *old = &work->mirror->own.records, *new = &work->own.records;
	static const struct warder_own present;

	for (size_t e = 0; e < work->n_endpoints; e++) {
		struct warder_slot scratch = {0};

		if (work->homes[e].slot.now.flags & WARDER_SLOT_MORE_ADDRS)
			place_addrs(work, e, &scratch, more_own);
	}
	for (__u32 i = 0; i < new->end; i++)
		if (records_find(old, records_key(new, i)) == RECORDS_NONE)
			plan_add(work, STEP_OWN_ADD, WARDER_TABLE_OWN, records_key(new, i),
				 &present);
	for (__u32 i = 0; i < old->end; i++) {
		const struct warder_own_key *key = records_key(old, i);
		bool speaks;

		if (!old->used[i] || records_find(new, key) != RECORDS_NONE)
			continue;
		speaks = key->slot < work->shape.slots && work->owners[key->slot] != PLAN_NONE;
		plan_remove(work, speaks ? STEP_OWN_FREE : STEP_OWN_REMOVE, WARDER_TABLE_OWN, key);
	}
}

static void clear_slot(struct plan_work *work, enum plan_step step, __u32 s)
{
	struct warder_slot slot = {.now.generation = work->mirror->slots[s].now.generation};

	plan_put_index(work, step, WARDER_TABLE_SLOTS, s, &slot);
}

/* One slot that speaks now: its word while cells are rewritten, and in the end. */
static void move_slot(struct plan_work *work, __u32 s)
{
	const struct plan_home *home = &work->homes[work->owners[s]];
	struct warder_slot slot = work->mirror->slots[s];
	__u64 before = slot.word;

	slot.now.flags = early_flags(slot.now.flags, home->slot.now.flags);
	if (work->slot_groups[s] != PLAN_NONE)
		slot.now.group = work->groups.piece[work->slot_groups[s]].early;
	if (slot.word != before)
		plan_put_index(work, STEP_SLOT_SPLIT, WARDER_TABLE_SLOTS, s, &slot);
	if (home->number != s) {
		work->slots_replaced |= !(slot.now.flags & WARDER_SLOT_HOLD);
		clear_slot(work, STEP_SLOT_FREE, s);
		return;
	}
	if (slot.word != home->slot.word)
		plan_put_index(work, STEP_SLOT_MERGE, WARDER_TABLE_SLOTS, s, &home->slot);
}

void plan_slots_write(struct plan_work *work)
{
	for (size_t e = 0; e < work->n_endpoints; e++) {
		struct plan_home *home = &work->homes[e];
		struct warder_slot slot = home->slot;

		if (home->group != PLAN_NONE)
			home->slot.now.group = work->groups.piece[home->group].late;
		if (!home->fresh)
			continue;
		slot.now.group = slot.now.flags = 0;
		plan_put_index(work, STEP_SLOT_NEW, WARDER_TABLE_SLOTS, home->number, &slot);
		plan_put_index(work, STEP_SLOT_MERGE, WARDER_TABLE_SLOTS, home->number,
			       &home->slot);
	}
	for (__u32 s = 1; s < work->shape.slots; s++) {
		if (!(work->mirror->slots[s].now.flags & WARDER_SLOT_LIVE))
			continue;
		if (work->owners[s] == PLAN_NONE)
			clear_slot(work, STEP_SLOT_CLEAR, s);
		else
			move_slot(work, s);
	}
	write_own(work);
}
