/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planner's life and the making of a plan: each part of the state (plan_*.c) says what becomes
 * of its ids and puts its writes into steps; here the steps become one list.
 */
#include "datapath/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/plan_state.h"

int plan_fail(struct plan_work *work, int status)
{
	if (!work->status)
		work->status = status;
	return work->status;
}

void *plan_scratch(struct plan_work *work, size_t n, size_t size)
{
	void *memory = arena_take(&work->scratch, (n ? n : 1) * size);

	if (!memory)
		plan_fail(work, -ENOMEM);
	return memory;
}

static struct warder_write *append(struct plan_work *work, enum plan_step step)
{
	struct plan_step_writes *list = &work->steps[step];

	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		struct warder_write *writes = realloc(list->writes, room * sizeof(*writes));

		if (!writes) {
			plan_fail(work, -ENOMEM);
			return NULL;
		}
		list->writes = writes;
		list->room = room;
	}
	return &list->writes[list->n++];
}

static void put(struct plan_work *work, enum plan_step step, struct warder_write write)
{
	const struct warder_table_info *info = &work->info[write.table];
	size_t key_room = (info->key_size + 7) & ~7U;
	struct warder_write *to = work->status ? NULL : append(work, step);
	unsigned char *memory;

	if (!to)
		return;
	memory = arena_take(work->memory, key_room + (write.remove ? 0 : info->value_size));
	if (!memory) {
		work->steps[step].n--;
		plan_fail(work, -ENOMEM);
		return;
	}
	memcpy(memory, write.key, info->key_size);
	if (!write.remove)
		memcpy(memory + key_room, write.value, info->value_size);
	write.key = memory;
	write.value = write.remove ? NULL : memory + key_room;
	*to = write;
}

void plan_put(struct plan_work *work, enum plan_step step, enum warder_table table, const void *key,
	      const void *value)
{
	put(work, step, (struct warder_write){.table = table, .key = key, .value = value});
}

void plan_put_index(struct plan_work *work, enum plan_step step, enum warder_table table,
		    __u32 index, const void *value)
{
	plan_put(work, step, table, &index, value);
}

void plan_add(struct plan_work *work, enum plan_step step, enum warder_table table, const void *key,
	      const void *value)
{
	work->added[table]++;
	plan_put(work, step, table, key, value);
}

void plan_remove(struct plan_work *work, enum plan_step step, enum warder_table table,
		 const void *key)
{
	put(work, step, (struct warder_write){.table = table, .remove = true, .key = key});
}

__u32 *plan_heaviest(struct plan_work *work, const struct pieces *pieces, bool by_old)
{
	__u32 n = by_old ? pieces->n_old : pieces->n_new;
	__u32 *best = plan_scratch(work, n, sizeof(*best));

	for (__u32 i = 0; best && i < pieces->n; i++) {
		const struct piece *piece = &pieces->piece[i];
		__u32 id = by_old ? piece->old : piece->new;

		if (id < n && (!best[id] || pieces->piece[best[id] - 1].weight < piece->weight))
			best[id] = i + 1;
	}
	return best;
}

__u32 plan_take(struct plan_work *work, struct plan_ids *ids, __u32 *need, const char *what)
{
	__u32 id = work->status ? PLAN_NONE : plan_ids_take(ids);

	if (id != PLAN_NONE || work->status)
		return id;
	if (ids->resting) {
		warder_error_set(work->error, -EAGAIN,
				 "%u of %u %s rest until a grace period has passed", ids->resting,
				 ids->n, what);
		plan_fail(work, -EAGAIN);
	} else {
		*need *= 2;
		warder_error_set(work->error, -ENOSPC, "all %u %s are taken", ids->n, what);
		plan_fail(work, -ENOSPC);
	}
	return PLAN_NONE;
}

static void planner_cleanup(struct warder_planner **planner)
{
	warder_planner_free(*planner);
}

static int size_ids(struct warder_planner *planner)
{
	const struct warder_shape *shape = &planner->mirror->shape;
	__u64 *freed_at;

	if (plan_ids_size(&planner->groups, 0, shape->groups) ||
	    plan_ids_size(&planner->classes, 0, shape->classes) ||
	    plan_ids_size(&planner->ports, WARDER_PORT_FIRST, mirror_port_classes(shape)) ||
	    plan_ids_size(&planner->bitmaps, WARDER_BITMAP_FIRST, shape->bitmaps) ||
	    plan_ids_size(&planner->numbers, 0, shape->identities))
		return -ENOMEM;
	freed_at = calloc(shape->slots, sizeof(*freed_at));
	if (!freed_at)
		return -ENOMEM;
	for (__u32 s = 0; s < shape->slots; s++)
		freed_at[s] = PLAN_NOT_FREED;
	planner->freed_at = freed_at;
	planner->n_slots = shape->slots;
	return 0;
}

static int read_names(struct warder_planner *planner)
{
	const struct records *held = mirror_records(planner->mirror, WARDER_TABLE_IDENTITIES);

	records_init(&planner->names, sizeof(struct warder_identity_name), sizeof(__u32));
	for (__u32 i = 0; i < held->end; i++)
		if (held->used[i] &&
		    records_put(&planner->names, records_value(held, i), records_key(held, i)))
			return -ENOMEM;
	return 0;
}

struct warder_planner *warder_planner_new(struct warder_mirror *mirror)
{
	CLEANUP(planner_cleanup) struct warder_planner *planner = calloc(1, sizeof(*planner));

	if (!planner)
		return NULL;
	planner->mirror = mirror;
	if (read_names(planner) || size_ids(planner))
		return NULL;
	return TAKE(planner);
}

void warder_planner_free(struct warder_planner *planner)
{
	if (!planner)
		return;
	plan_ids_release(&planner->groups);
	plan_ids_release(&planner->classes);
	plan_ids_release(&planner->ports);
	plan_ids_release(&planner->bitmaps);
	plan_ids_release(&planner->numbers);
	records_release(&planner->names);
	free(planner->freed_at);
	free(planner);
}

/* What the compiled state cannot do without, before anything is looked at. */
static int check_size(struct plan_work *work)
{
	const struct warder_matrix *matrix = work->matrix;
	const struct warder_shape *shape = &work->shape;
	struct warder_shape *need = &work->need;

	if (matrix->n_groups > shape->groups)
		need->groups = 2 * matrix->n_groups;
	if (matrix->n_classes > shape->classes)
		need->classes = 2 * matrix->n_classes;
	if (matrix->n_bitmaps > shape->bitmaps)
		need->bitmaps = 2 * matrix->n_bitmaps;
	while (matrix->n_port_classes > need->words * 64 && need->words < 1024)
		need->words *= 2;
	if (need->words > shape->words && need->words < 1024)
		need->words *= 2;
	if (work->n_endpoints >= shape->slots)
		need->slots = 2 * (work->n_endpoints + 1);
	if (matrix->n_identities > shape->identities)
		need->identities = 2 * matrix->n_identities;
	if (!memcmp(need, shape, sizeof(*need)))
		return 0;
	warder_error_set(work->error, -ENOSPC, "the policies of this node need larger maps");
	return plan_fail(work, -ENOSPC);
}

/* At the height of the plan a table holds what it held and what is new. */
static int check_tables(struct plan_work *work)
{
	for (int t = 0; t < WARDER_TABLES; t++) {
		const struct records *records = mirror_records(work->mirror, t);
		__u32 height = records ? records->count + work->added[t] : 0;
		__u32 *need = NULL;

		if (height <= work->info[t].max_entries)
			continue;
		if (t == WARDER_TABLE_PEER4 || t == WARDER_TABLE_PEER6)
			need = &work->need.peers;
		else if (t == WARDER_TABLE_CIDR4 || t == WARDER_TABLE_CIDR6 ||
			 t == WARDER_TABLE_OWN)
			need = &work->need.cidrs;
		else if (t == WARDER_TABLE_FRONTENDS)
			need = &work->need.frontends;
		else if (t == WARDER_TABLE_IDENTITIES)
			need = &work->need.identities;
		else
			need = &work->need.slots;
		*need = *need < height ? 2 * height : 2 * *need;
		warder_error_set(work->error, -ENOSPC,
				 "map %s has room for %u entries and needs %u", work->info[t].name,
				 work->info[t].max_entries, height);
		plan_fail(work, -ENOSPC);
	}
	return work->status;
}

static bool any(const struct plan_work *work, enum plan_step first, enum plan_step last)
{
	for (enum plan_step step = first; step <= last; step++)
		if (work->steps[step].n)
			return true;
	return false;
}

/*
 * Where a program may hold what the next writes change:
 *  - a split gives one id of two a new meaning;
 *  - an address that was not found is looked up among the prefixes next;
 *  - a member that left early may still be looked up in its old class, whose cells change;
 *  - a merge asks a port class that the old class's cells do not know;
 *  - a slot that was left may be read yet.
 */
static void find_settles(struct plan_work *work, const size_t at[STEPS], struct warder_plan *plan)
{
	bool splits = any(work, STEP_PORT_SPLIT, STEP_SLOT_SPLIT);
	bool early = any(work, STEP_PEER_INSERT_EARLY, STEP_FRONTEND_MOVE_EARLY);
	bool early_cidrs = any(work, STEP_CIDR_INSERT_EARLY, STEP_CIDR_MOVE_EARLY);
	bool rewrites = any(work, STEP_CELL_REWRITE, STEP_CELL_REWRITE);
	bool late = any(work, STEP_FRONTEND_ADD, STEP_FRONTEND_REMOVE);
	bool cidrs = any(work, STEP_CIDR_INSERT, STEP_CIDR_MOVE) ||
		     any(work, STEP_CIDR_DELETE, STEP_CIDR_DELETE);
	bool merges = any(work, STEP_PORT_MERGE, STEP_PORT_MERGE);
	const struct {
		bool wait;
		enum plan_step before;
	} settles[] = {
		{work->planner->unsettled && (splits || early || rewrites || cidrs || merges), 0},
		{splits && (early || rewrites || late), STEP_PEER_INSERT_EARLY},
		{any(work, STEP_PEER_INSERT_EARLY, STEP_PEER_INSERT_EARLY) && early_cidrs,
		 STEP_CIDR_INSERT_EARLY},
		{early && rewrites, STEP_CELL_REWRITE},
		{any(work, STEP_PEER_INSERT, STEP_PEER_INSERT) && cidrs, STEP_CIDR_INSERT},
		{merges && (rewrites || late), STEP_PORT_MERGE},
		{work->slots_replaced, STEP_OWN_FREE},
	};

	_Static_assert(sizeof(settles) / sizeof(*settles) <= WARDER_PLAN_SETTLES, "room");
	for (size_t i = 0; i < sizeof(settles) / sizeof(*settles); i++)
		if (settles[i].wait && work->n_old_groups)
			plan->settle[plan->n_settle++] = at[settles[i].before];
	work->planner->moves = splits || early || rewrites || late || merges;
	work->planner->unsettled |= work->planner->moves;
}

static int join(struct plan_work *work, struct warder_plan *plan)
{
	size_t at[STEPS], n = 0;

	if (check_tables(work))
		return work->status;
	for (int step = 0; step < STEPS; step++) {
		at[step] = n;
		n += work->steps[step].n;
	}
	plan->writes = malloc((n + 1) * sizeof(*plan->writes));
	if (!plan->writes)
		return plan_fail(work, -ENOMEM);
	for (int step = 0; step < STEPS; step++)
		if (work->steps[step].n)
			memcpy(plan->writes + at[step], work->steps[step].writes,
			       work->steps[step].n * sizeof(*plan->writes));
	plan->n_writes = n;
	find_settles(work, at, plan);
	return 0;
}

static void for_all_ids(struct warder_planner *planner, void (*each)(struct plan_ids *ids))
{
	each(&planner->groups);
	each(&planner->classes);
	each(&planner->ports);
	each(&planner->bitmaps);
	each(&planner->numbers);
}

static int make(struct plan_work *work, struct warder_plan *plan)
{
	if (check_size(work) || plan_identities(work) || plan_slots_match(work) ||
	    plan_groups_split(work) || plan_ports_split(work) || plan_peers_collect(work) ||
	    plan_frontends_collect(work) || plan_classes_choose(work))
		return work->status;
	plan_cells_write(work);
	plan_ports_write(work);
	plan_slots_write(work);
	plan_links_write(work);
	plan_peers_write(work);
	plan_frontends_write(work);
	return work->status ? work->status : join(work, plan);
}

int warder_plan_make(struct warder_planner *planner, const struct warder_matrix *matrix,
		     const struct warder_plan_endpoint *endpoints, size_t n_endpoints,
		     struct warder_plan *ret, struct warder_error *error)
{
	struct plan_work work = {
		.planner = planner,
		.mirror = planner->mirror,
		.shape = planner->mirror->shape,
		.need = planner->mirror->shape,
		.matrix = matrix,
		.endpoints = endpoints,
		.n_endpoints = n_endpoints,
		.error = error,
	};
	int r;

	*ret = (struct warder_plan){0};
	for (int t = 0; t < WARDER_TABLES; t++)
		warder_table_info(t, &work.shape, &work.info[t]);
	work.memory = calloc(1, sizeof(*work.memory));
	for_all_ids(planner, plan_ids_begin);
	r = work.memory ? make(&work, ret) : -ENOMEM;
	ret->memory = work.memory;
	if (r == -ENOMEM)
		warder_error_set(error, r, "no memory for a plan");
	if (r) {
		for_all_ids(planner, plan_ids_undo);
		warder_plan_free(ret);
	}
	ret->need = work.need;
	plan_peers_release(&work);
	prefixes_release(&work.own);
	for (int step = 0; step < STEPS; step++)
		free(work.steps[step].writes);
	arena_release(&work.scratch);
	return r;
}

void warder_plan_free(struct warder_plan *plan)
{
	free(plan->writes);
	if (plan->memory)
		arena_release(plan->memory);
	free(plan->memory);
	*plan = (struct warder_plan){0};
}

void warder_plan_done(struct warder_planner *planner)
{
	planner->unsettled |= planner->moves;
	planner->moves = false;
	plan_slots_note(planner);
}

void warder_plan_grace(struct warder_planner *planner)
{
	planner->unsettled = false;
	for_all_ids(planner, plan_ids_grace);
}

void warder_plan_clock(struct warder_planner *planner, __u64 now)
{
	planner->now = now;
}

__u16 warder_planner_slot(const struct warder_planner *planner, const __u8 uid[16])
{
	const struct warder_slot *slots = planner->mirror->slots;

	for (__u32 s = 1; s < planner->n_slots; s++)
		if (slots[s].now.flags & WARDER_SLOT_LIVE &&
		    !memcmp(slots[s].uid, uid, sizeof(slots[s].uid)))
			return s;
	return 0;
}
