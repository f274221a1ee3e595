/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Larger maps without a gap: made and filled beside the old ones, programs loaded on them and put
 * in place by link update, pins exchanged in one step.  Both sets give the same verdicts all the
 * while, so it does not matter which of them a packet meets, nor where an agent that is killed
 * stops.  Maps whose size does not follow the shape (flows, sockets' storage, lines, rings) are the
 * same ones before and after.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/state.h"
#include "datapath/write.h"
#include "warder/counter.h"
#include "warder/flow.h"

/* All that replaces something at the end. */
struct growth {
	struct warder_constants constants;
	struct warder_maps maps;
	struct warder_programs programs;
	struct warder_mirror *mirror;
};

static void growth_release(struct growth *growth)
{
	warder_mirror_free(growth->mirror);
	warder_programs_release(&growth->programs);
	warder_maps_release(&growth->maps);
}

/* Twice of what is needed where it is more than there is; slots are a word of 16 bits elsewhere. */
static int grown_shape(const struct warder_shape *now, const struct warder_shape *need,
		       struct warder_shape *ret)
{
	const __u32 *has = (const __u32 *)now, *wants = (const __u32 *)need;
	__u32 *to = (__u32 *)ret;
	bool grows = false;

	for (size_t i = 0; i < sizeof(*ret) / sizeof(*to); i++) {
		__u32 entries = has[i];

		while (entries < wants[i] && entries < 1U << 30)
			entries *= 2;
		if (entries < wants[i])
			return -E2BIG;
		grows = grows || entries != has[i];
		to[i] = entries;
	}
	if (ret->slots > 65536 || (__u64)ret->groups * ret->classes > 1U << 28)
		return -E2BIG;
	return grows ? 0 : -ENOSPC;
}

static bool follows_shape(const char *name)
{
	static const char *const sized[] = {"boot", "counters", "counters_kept", "flow_budgets"};

	for (size_t i = 0; i < sizeof(sized) / sizeof(*sized); i++)
		if (!strcmp(name, sized[i]))
			return true;
	for (int table = 0; table < WARDER_TABLES; table++) {
		struct warder_table_info info;

		warder_table_info(table, &(struct warder_shape){}, &info);
		if (!strcmp(name, info.name))
			return true;
	}
	return false;
}

static int share_maps(const struct warder_maps *old, struct warder_maps *fresh)
{
	for (size_t i = 0; i < old->n; i++) {
		int fd, rc;

		if (follows_shape(old->v[i].name))
			continue;
		fd = fcntl(old->v[i].fd, F_DUPFD_CLOEXEC, 3);
		rc = fd < 0 ? -errno : warder_maps_add(fresh, old->v[i].name, fd);
		if (rc)
			return rc;
	}
	return 0;
}

/* Budgets as they are; the walk of the flows counts them anew. */
static int copy_budgets(const struct warder_datapath *datapath, const struct warder_maps *fresh)
{
	int from = warder_maps_find(&datapath->maps, "flow_budgets"),
	    to = warder_maps_find(fresh, "flow_budgets");
	int rc = 0;

	for (__u32 i = 0; !rc && i < datapath->constants.shape.slots * 2; i++) {
		struct warder_flow_budget budget;

		rc = bpf_map_lookup_elem(from, &i, &budget)
			     ?: bpf_map_update_elem(to, &i, &budget, BPF_ANY);
	}
	return rc;
}

static int fill(const struct warder_datapath *datapath, struct growth *growth,
		struct warder_error *error)
{
	int rc;

	growth->mirror = warder_mirror_grown(datapath->mirror, &growth->constants.shape);
	if (!growth->mirror)
		return warder_error_set(error, -ENOMEM, "no memory for larger maps");
	rc = share_maps(&datapath->maps, &growth->maps);
	rc = rc
		     ?: warder_programs_load(&growth->constants, &growth->maps, &growth->programs,
					     error);
	rc = rc ?: warder_write_fill(&growth->maps, growth->mirror, error);
	rc = rc ?: warder_boot_write(&growth->maps, &growth->constants);
	rc = rc ?: copy_budgets(datapath, &growth->maps);
	if (rc && error && !error->text[0])
		warder_error_set(error, rc, "cannot fill larger maps: %s", strerror(-rc));
	return rc;
}

/* Everywhere, or nowhere. */
static int put_in_place(struct warder_datapath *datapath, const struct growth *growth,
			struct warder_error *error)
{
	int rc = warder_links_update(datapath->links, &growth->programs, error);

	rc = rc ?: warder_sockets_update(datapath->sockets, &growth->programs, error);
	rc = rc ?: warder_pins_replace_maps(&datapath->pins, &growth->maps, error);
	if (rc) {
		warder_links_update(datapath->links, &datapath->programs, NULL);
		warder_sockets_update(datapath->sockets, &datapath->programs, NULL);
	}
	return rc;
}

/* The old counters, once no program counts there any more, are kept beside the new ones, which
 * began at 0. */
static int keep_counters(struct warder_datapath *datapath, const struct warder_maps *fresh)
{
	size_t n = (size_t)datapath->constants.shape.slots * WARDER_COUNTERS_PER_SLOT;
	CLEANUP(cleanup_free) struct warder_counter *totals = calloc(n, sizeof(*totals));
	int fd = warder_maps_find(fresh, "counters_kept"), rc = totals ? 0 : -ENOMEM;

	rc = rc ?: warder_datapath_counters(datapath, totals, n);
	for (__u32 i = 0; !rc && i < n; i++)
		if (totals[i].packets)
			rc = bpf_map_update_elem(fd, &i, &totals[i], BPF_ANY);
	return rc;
}

static void take_over(struct warder_datapath *datapath, struct growth *growth,
		      struct warder_planner *planner)
{
	struct growth old = {
		.maps = datapath->maps,
		.programs = datapath->programs,
		.mirror = datapath->mirror,
	};

	warder_planner_free(datapath->planner);
	datapath->planner = planner;
	datapath->constants = growth->constants;
	datapath->maps = growth->maps;
	datapath->programs = growth->programs;
	datapath->mirror = growth->mirror;
	datapath->epoch++;
	*growth = (struct growth){.programs = WARDER_PROGRAMS_INIT};
	growth_release(&old);
}

int warder_grow(struct warder_datapath *datapath, const struct warder_shape *need,
		struct warder_error *error)
{
	CLEANUP(growth_release)
	struct growth growth = {
		.constants = datapath->constants,
		.programs = WARDER_PROGRAMS_INIT,
	};
	struct warder_planner *planner;
	int rc = grown_shape(&datapath->constants.shape, need, &growth.constants.shape);

	if (rc)
		return warder_error_set(error, rc,
					"the maps cannot grow to what the policies need: %s",
					strerror(-rc));
	rc = fill(datapath, &growth, error);
	if (rc)
		return rc;
	planner = warder_planner_new(growth.mirror);
	if (!planner)
		return -ENOMEM;
	rc = put_in_place(datapath, &growth, error);
	if (rc) {
		warder_planner_free(planner);
		return rc;
	}
	warder_grace_now(datapath);
	rc = keep_counters(datapath, &growth.maps);
	take_over(datapath, &growth, planner);
	return rc ? warder_error_set(error, rc, "the counters of before could not be kept: %s",
				     strerror(-rc))
		  : 0;
}
