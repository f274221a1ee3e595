/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of (namespace, ServiceAccount) tuples.  A name keeps its number as long as the map has
 * it; when nobody bears it any more it stays through a grace period, for events that name it late.
 */
#include <string.h>

#include "datapath/plan_state.h"

static void set_name(struct warder_identity_name *name, const char *ns, const char *service_account)
{
	memset(name, 0, sizeof(*name));
	strncpy(name->ns, ns, sizeof(name->ns) - 1);
	strncpy(name->service_account, service_account, sizeof(name->service_account) - 1);
}

/* The id of a name if the map has it under that number; PLAN_NONE.  `hint`: where in `names` to
 * look first. */
static __u32 find(const struct warder_planner *planner, const struct warder_identity_name *name,
		  __u32 *hint)
{
	__u32 at = records_find_near(&planner->names, name, *hint), number;
	const void *held;

	if (at == RECORDS_NONE)
		return PLAN_NONE;
	*hint = at + 1;
	number = *(__u32 *)records_value(&planner->names, at);
	held = warder_mirror_get(planner->mirror, WARDER_TABLE_IDENTITIES, &number);
	return held && !memcmp(held, name, sizeof(*name)) ? number - WARDER_IDENTITY_FIRST
							  : PLAN_NONE;
}

/* Names that nobody has borne for a grace period; their numbers are free from the next one on. */
static void remove_names(struct plan_work *work)
{
	const struct records *held = mirror_records(work->mirror, WARDER_TABLE_IDENTITIES);
	struct plan_ids *ids = &work->planner->numbers;

	for (__u32 i = 0; i < held->end; i++) {
		__u32 number;

		if (!held->used[i])
			continue;
		memcpy(&number, records_key(held, i), sizeof(number));
		if (number - WARDER_IDENTITY_FIRST >= ids->n ||
		    plan_ids_rest(ids, number - WARDER_IDENTITY_FIRST))
			plan_remove(work, STEP_IDENTITY_REMOVE, WARDER_TABLE_IDENTITIES, &number);
	}
}

static void number_names(struct plan_work *work, bool *used)
{
	const struct warder_matrix *matrix = work->matrix;
	struct warder_planner *planner = work->planner;
	struct warder_identity_name name;
	__u32 hint = 0;

	for (size_t i = 0; i < matrix->n_identities; i++) {
		__u32 id;

		set_name(&name, matrix->identities[i].ns, matrix->identities[i].service_account);
		id = find(planner, &name, &hint);
		work->numbers[i] = id == PLAN_NONE ? PLAN_NONE : WARDER_IDENTITY_FIRST + id;
		if (id != PLAN_NONE)
			used[id] = true;
	}
	plan_ids_sync(&planner->numbers, used);
	remove_names(work);
	for (size_t i = 0; i < matrix->n_identities; i++) {
		__u32 number;

		if (work->numbers[i] != PLAN_NONE)
			continue;
		number = WARDER_IDENTITY_FIRST +
			 plan_take(work, &planner->numbers, &work->need.identities, "identities");
		if (work->status)
			return;
		work->numbers[i] = number;
		set_name(&name, matrix->identities[i].ns, matrix->identities[i].service_account);
		plan_add(work, STEP_IDENTITY_ADD, WARDER_TABLE_IDENTITIES, &number, &name);
		if (records_put(&planner->names, &name, &number))
			plan_fail(work, -ENOMEM);
	}
}

int plan_identities(struct plan_work *work)
{
	bool *used = plan_scratch(work, work->planner->numbers.n, sizeof(*used));

	work->numbers = plan_scratch(work, work->matrix->n_identities + 1, sizeof(*work->numbers));
	if (!work->status)
		number_names(work, used);
	return work->status;
}

int warder_planner_identity(const struct warder_planner *planner, __u32 number, const char **ret_ns,
			    const char **ret_service_account)
{
	const struct warder_identity_name *name =
		warder_mirror_get(planner->mirror, WARDER_TABLE_IDENTITIES, &number);

	if (!name)
		return -ENOENT;
	*ret_ns = name->ns;
	*ret_service_account = name->service_account;
	return 0;
}

__u32 warder_planner_identity_number(const struct warder_planner *planner, const char *ns,
				     const char *service_account)
{
	struct warder_identity_name name;
	__u32 hint = 0, id;

	set_name(&name, ns, service_account);
	id = find(planner, &name, &hint);
	return id == PLAN_NONE ? WARDER_IDENTITY_NONE : WARDER_IDENTITY_FIRST + id;
}
