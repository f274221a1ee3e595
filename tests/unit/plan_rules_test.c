/* SPDX-License-Identifier: Apache-2.0 */
/* What plans promise beside their verdicts, one rule at a time, on a node of one pod. */
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

#include "datapath/mirror_state.h"
#include "random_matrix.h"

/* A node of one pod, whose state is in its tables. */
struct small {
	struct gene gene;
	struct gene_state state;
	struct warder_mirror *mirror;
	struct warder_planner *planner;
	struct warder_plan plan;
};

static void small_plan(struct small *small)
{
	struct warder_error error;

	warder_plan_free(&small->plan);
	gene_express(&small->gene, &small->state);
	CU_ASSERT_EQUAL_FATAL(warder_plan_make(small->planner, &small->state.matrix,
					       small->state.endpoints, small->state.n_endpoints,
					       &small->plan, &error),
			      0);
}

static void small_apply(struct small *small)
{
	small_plan(small);
	for (size_t i = 0; i < small->plan.n_writes; i++)
		CU_ASSERT_EQUAL(warder_mirror_apply(small->mirror, &small->plan.writes[i]), 0);
	warder_plan_done(small->planner);
	warder_plan_grace(small->planner);
}

static void small_open(struct small *small)
{
	const struct warder_shape shape = {.slots = 8,
					   .groups = 16,
					   .classes = 32,
					   .bitmaps = 128,
					   .words = 1,
					   .peers = 64,
					   .cidrs = 64,
					   .frontends = 64,
					   .identities = 32};
	struct random random = {7};

	gene_universe();
	memset(small, 0, sizeof(*small));
	small->mirror = warder_mirror_new(&shape);
	small->planner = warder_planner_new(small->mirror);
	gene_new(&random, &small->gene);
	memset(small->gene.endpoints, 0, sizeof(small->gene.endpoints));
	small->gene.endpoints[0] = (struct gene_endpoint){.present = true,
							  .known = true,
							  .identity = 1,
							  .n_links = 1,
							  .n_addrs = 1,
							  .cgroup = 5,
							  .netns = 6};
	small_apply(small);
}

static void small_close(struct small *small)
{
	warder_plan_free(&small->plan);
	warder_planner_free(small->planner);
	warder_mirror_free(small->mirror);
}

static size_t first_write(const struct small *small, enum warder_table table)
{
	size_t i = 0;

	while (i < small->plan.n_writes && small->plan.writes[i].table != table)
		i++;
	return i;
}

static __u16 slot_of(const struct small *small, int e)
{
	const __u8 uid[16] = {0xaa, e};

	return warder_planner_slot(small->planner, uid);
}

/* One pod elsewhere that comes, changes or goes is one write, and nobody has to wait for it. */
static void one_peer_is_one_write(void)
{
	struct small small;
	struct gene_entry *peer;

	small_open(&small);
	peer = &small.gene.peers[0];
	while (peer->present)
		peer++;
	*peer = small.gene.peers[0];
	peer->present = true;
	peer->class = peer->cidr_class = small.gene.prefixes[0].class;
	for (int i = 0; i < 3; i++) {
		small_apply(&small);
		CU_ASSERT_EQUAL(small.plan.n_writes, 1);
		CU_ASSERT_EQUAL(small.plan.n_settle, 0);
		if (!i)
			peer->class = small.gene.prefixes[1].class;
		else
			peer->present = false;
	}
	small_close(&small);
}

/* The slot is whole before a peer, and the peer before a cgroup or link, leads to it; going is the other way round. */
static void nothing_leads_to_half_a_slot(void)
{
	struct small small;
	size_t slot, peer, cgroup, link;

	small_open(&small);
	small.gene.endpoints[1] = small.gene.endpoints[0];
	small.gene.endpoints[1].link_of = 1;
	small.gene.endpoints[1].addr[0] = 2;
	small.gene.endpoints[1].cgroup = 50;
	small.gene.endpoints[1].netns = 60;
	small.gene.peers[2] = (struct gene_entry){.present = true, .flags = WARDER_PEER_POD};
	small_apply(&small);
	slot = first_write(&small, WARDER_TABLE_SLOTS);
	peer = first_write(&small, gene_addrs[2].b[0] ? WARDER_TABLE_PEER6 : WARDER_TABLE_PEER4);
	cgroup = first_write(&small, WARDER_TABLE_CGROUPS);
	link = first_write(&small, WARDER_TABLE_LINKS);
	CU_ASSERT(slot < peer && slot < cgroup && cgroup < link && link < small.plan.n_writes);
	small.gene.endpoints[1].present = false;
	small_apply(&small);
	CU_ASSERT_EQUAL(small.plan.writes[0].table, WARDER_TABLE_LINKS);
	CU_ASSERT_EQUAL(((const struct warder_link *)small.plan.writes[0].value)->word, 0);
	small_close(&small);
}

/* A slot that was freed is nobody's for a minute, and then somebody's of a later generation. */
static void a_freed_slot_rests(void)
{
	struct small small;
	__u16 before;
	__u32 generation;

	small_open(&small);
	warder_plan_clock(small.planner, 1000);
	before = slot_of(&small, 0);
	generation = small.mirror->slots[before].now.generation;
	small.gene.endpoints[0].present = false;
	small_apply(&small);
	CU_ASSERT_EQUAL(slot_of(&small, 0), 0);
	warder_plan_clock(small.planner, 1059);
	small.gene.endpoints[0].present = true;
	small_apply(&small);
	CU_ASSERT_NOT_EQUAL(slot_of(&small, 0), before);
	warder_plan_clock(small.planner, 1060);
	small.gene.endpoints[1] = small.gene.endpoints[0];
	small.gene.endpoints[1].link_of = 1;
	small_apply(&small);
	CU_ASSERT_EQUAL(slot_of(&small, 1), before);
	CU_ASSERT_EQUAL(small.mirror->slots[before].now.generation, generation + 1);
	small_close(&small);
}

/* A new agent finds every slot, identity and id again: the same state makes no write. */
static void a_new_agent_adopts(void)
{
	struct small small;
	__u16 before;

	small_open(&small);
	before = slot_of(&small, 0);
	warder_planner_free(small.planner);
	small.planner = warder_planner_new(small.mirror);
	small_plan(&small);
	CU_ASSERT_EQUAL(small.plan.n_writes, 0);
	CU_ASSERT_EQUAL(slot_of(&small, 0), before);
	/* Another address is another endpoint to those who hold the slot. */
	small.gene.endpoints[0].addr[0]++;
	small_apply(&small);
	CU_ASSERT_NOT_EQUAL(slot_of(&small, 0), before);
	CU_ASSERT_EQUAL(small.mirror->slots[before].now.flags, 0);
	small_close(&small);
}

/* What does not fit says what would. */
static void too_small_says_what_is_needed(void)
{
	struct warder_shape shape = {.slots = 8,
				     .groups = 16,
				     .classes = 1,
				     .bitmaps = 128,
				     .words = 1,
				     .peers = 64,
				     .cidrs = 64,
				     .frontends = 64,
				     .identities = 32};
	struct warder_error error = {""};
	struct small small;

	small_open(&small);
	small_plan(&small);
	warder_planner_free(small.planner);
	warder_mirror_free(small.mirror);
	small.mirror = warder_mirror_new(&shape);
	small.planner = warder_planner_new(small.mirror);
	warder_plan_free(&small.plan);
	CU_ASSERT_EQUAL(warder_plan_make(small.planner, &small.state.matrix, small.state.endpoints,
					 small.state.n_endpoints, &small.plan, &error),
			-ENOSPC);
	CU_ASSERT_EQUAL(small.plan.need.classes, 2 * small.state.matrix.n_classes);
	CU_ASSERT_EQUAL(small.plan.n_writes, 0);
	CU_ASSERT_NOT_EQUAL(error.text[0], 0);
	/* Two endpoints with one UID cannot both have its slot. */
	small.state.endpoints[1] = small.state.endpoints[0];
	shape.classes = 32;
	warder_planner_free(small.planner);
	warder_mirror_free(small.mirror);
	small.mirror = warder_mirror_new(&shape);
	small.planner = warder_planner_new(small.mirror);
	CU_ASSERT_EQUAL(warder_plan_make(small.planner, &small.state.matrix, small.state.endpoints,
					 2, &small.plan, &error),
			-EINVAL);
	small_close(&small);
}

static const struct suite_test tests[] = {
	{"one_peer_is_one_write", one_peer_is_one_write},
	{"nothing_leads_to_half_a_slot", nothing_leads_to_half_a_slot},
	{"a_freed_slot_rests", a_freed_slot_rests},
	{"a_new_agent_adopts", a_new_agent_adopts},
	{"too_small_says_what_is_needed", too_small_says_what_is_needed},
};

SUITE("plan_rules", tests)
