/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The age of datagram flows.  The map is walked in slices; what has expired, or belongs to an
 * endpoint that is gone, is removed, and what stays is counted.  At the end of a walk the counts
 * become the budgets: the programs only ever add to them, and a count that was off by a packet's
 * race is right again one walk later.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "datapath/state.h"
#include "warder/flow.h"

#define SLICE  1024 /* entries in one call; more than a bucket of the hash ever holds */
#define SLICES 16   /* in one turn: some milliseconds */

struct warder_flows {
	__u32 position; /* of the walk, as the kernel gave it */
	bool walking;
	__u32 slots;
	struct warder_flow_budget *counted; /* slots * 2 */
	struct warder_flow_key keys[SLICE];
	struct warder_flow values[SLICE];
};

void warder_flows_free(struct warder_flows *flows)
{
	if (flows)
		free(flows->counted);
	free(flows);
}

static int begin_walk(struct warder_datapath *datapath)
{
	struct warder_flows *flows = datapath->flows;
	__u32 slots = datapath->constants.shape.slots;

	if (!flows)
		flows = datapath->flows = calloc(1, sizeof(*flows));
	if (!flows)
		return -ENOMEM;
	if (flows->walking && flows->slots == slots)
		return 0;
	free(flows->counted);
	flows->counted = calloc((size_t)slots * 2, sizeof(*flows->counted));
	flows->slots = flows->counted ? slots : 0;
	flows->walking = false;
	return flows->counted ? 0 : -ENOMEM;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static bool is_expired(const struct warder_flow *flow, __u64 now)
{
	__u64 life = !flow->answers			      ? WARDER_FLOW_UNANSWERED_NS
		     : flow->forward > 1 && flow->answers > 1 ? WARDER_FLOW_STREAM_NS
							      : WARDER_FLOW_ANSWERED_NS;

	return now > flow->seen && now - flow->seen > life;
}

static bool has_owner(const struct warder_datapath *datapath, const struct warder_flow_key *key)
{
	__u32 slot = key->slot;
	const struct warder_slot *held =
		slot < datapath->constants.shape.slots
			? warder_mirror_get(datapath->mirror, WARDER_TABLE_SLOTS, &slot)
			: NULL;

	return held && held->now.flags & WARDER_SLOT_LIVE &&
	       held->now.generation == key->generation;
}

/* A packet may have come since the slice was read. */
static void remove_expired(int fd, const struct warder_flow_key *key)
{
	struct warder_flow flow;

	if (!bpf_map_lookup_elem(fd, key, &flow) && is_expired(&flow, now_ns()))
		bpf_map_delete_elem(fd, key);
}

static void judge_flow(struct warder_datapath *datapath, int fd, const struct warder_flow_key *key,
		       const struct warder_flow *flow, __u64 now)
{
	struct warder_flow_budget *counted;

	if (!has_owner(datapath, key)) {
		bpf_map_delete_elem(fd, key);
		return;
	}
	if (is_expired(flow, now)) {
		remove_expired(fd, key);
		return;
	}
	counted = &datapath->flows->counted[key->slot * 2 + (key->direction & 1)];
	counted->generation = key->generation;
	if (flow->answers)
		counted->answered++;
	else
		counted->unanswered++;
}

static int write_budgets(struct warder_datapath *datapath)
{
	int fd = warder_maps_find(&datapath->maps, "flow_budgets"), rc = 0;

	for (__u32 i = 0; !rc && i < datapath->flows->slots * 2; i++) {
		__u32 slot = i / 2;
		const struct warder_slot *held =
			warder_mirror_get(datapath->mirror, WARDER_TABLE_SLOTS, &slot);
		struct warder_flow_budget *counted = &datapath->flows->counted[i];

		if (!held || !(held->now.flags & WARDER_SLOT_LIVE))
			continue;
		/* The slot may have gone to another endpoint since it was counted. */
		if (counted->generation != held->now.generation)
			*counted = (struct warder_flow_budget){.generation = held->now.generation};
		rc = bpf_map_update_elem(fd, &i, counted, BPF_ANY);
	}
	return rc;
}

int warder_datapath_expire_flows(struct warder_datapath *datapath)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	int fd = warder_maps_find(&datapath->maps, "flows"), rc = begin_walk(datapath);
	struct warder_flows *flows = datapath->flows;
	__u64 now = now_ns();

	for (int slice = 0; !rc && slice < SLICES; slice++) {
		__u32 count = SLICE;

		rc = bpf_map_lookup_batch(fd, flows->walking ? &flows->position : NULL,
					  &flows->position, flows->keys, flows->values, &count,
					  &options);
		if (rc && rc != -ENOENT)
			break;
		flows->walking = true;
		for (__u32 i = 0; i < count; i++)
			judge_flow(datapath, fd, &flows->keys[i], &flows->values[i], now);
	}
	if (rc == -ENOENT) { /* the walk is at its end */
		flows->walking = false;
		rc = write_budgets(datapath);
	}
	return rc;
}
