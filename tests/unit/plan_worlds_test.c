/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans between random worlds of Kubernetes objects: after every write the tables answer each probe
 * as the objects of before or those of now demand (the naive evaluator's word), at the end as those
 * of now.  Now and then the agent dies in the middle, and the next one begins with what it finds.
 * WARDER_WORLDS=N plays N worlds, WARDER_SEED=S begins at S.
 */
#include "naive.h"
#include "suite.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "datapath/plan.h"
#include "worlds.h"

#define CHANGES	  6
#define PROBES	  80 /* drawn from the world before, and again from the one after */
#define ENDPOINTS 64

struct question {
	struct world_probe probe;
	char ns[64], pod[256];
	int old, now; /* verdicts, -1 = no such endpoint */
};

struct agent {
	struct world *world;
	struct warder_matrix *matrix;
	struct warder_plan_endpoint endpoints[ENDPOINTS];
	struct warder_link links[ENDPOINTS];
	size_t n_endpoints;
	struct warder_mirror *mirror;
	struct warder_planner *planner;
	struct question questions[2 * PROBES];
	size_t n_questions;
	unsigned writes, deaths, failures;
};

static void fail(struct agent *agent, const char *what, size_t at, const struct question *question)
{
	char text[256] = "";

	if (question)
		world_probe_text(agent->world, &question->probe, text, sizeof(text));
	if (!agent->failures++)
		printf("seed %llu: %s at write %zu: %s (was %d, is %d)\n", agent->world->seed, what,
		       at, text, question ? question->old : 0, question ? question->now : 0);
}

/* Worlds give no UIDs: the name stands for one. */
static void name_uid(const char *ns, const char *pod, __u8 uid[16])
{
	__u64 h[2] = {1469598103934665603ULL, 88172645463325252ULL};

	for (int part = 0; part < 2; part++)
		for (const char *c = part ? pod : ns; *c; c++)
			for (int i = 0; i < 2; i++)
				h[i] = (h[i] ^ (unsigned char)*c ^ (part << 8)) * 1099511628211ULL;
	memcpy(uid, h, 16);
}

static int compile(struct agent *agent)
{
	struct warder_error error = {""};

	warder_matrix_free(agent->matrix);
	agent->matrix = NULL;
	if (warder_compile(agent->world->store, &agent->world->options, &agent->matrix, &error)) {
		fail(agent, error.text, 0, NULL);
		return -EINVAL;
	}
	agent->n_endpoints = 0;
	for (size_t i = 0; i < agent->matrix->n_endpoints && i < ENDPOINTS; i++) {
		const struct warder_object *pod = agent->matrix->endpoints[i].pod;
		struct warder_plan_endpoint *endpoint = &agent->endpoints[agent->n_endpoints++];
		struct warder_link *link = &agent->links[i];

		*endpoint = (struct warder_plan_endpoint){
			.endpoint = &agent->matrix->endpoints[i],
			.addrs = pod->pod.addrs,
			.n_addrs = pod->pod.n_addrs,
			.links = link,
			.n_links = 1,
		};
		name_uid(pod->ns, pod->name, endpoint->uid);
		/* Links keep with their pod from plan to plan. */
		memset(link, 0, sizeof(*link));
		memcpy(&link->ifindex, endpoint->uid, sizeof(link->ifindex));
		link->ifindex = link->ifindex % 60000 + 1;
		endpoint->cgroup = endpoint->netns = link->ifindex;
	}
	return 0;
}

/* Only what a link leads to has a verdict. */
static int look(const struct agent *agent, const struct question *question)
{
	const struct warder_link *link;
	__u32 index;
	__u8 uid[16];

	name_uid(question->ns, question->pod, uid);
	memcpy(&index, uid, sizeof(index));
	index = index % 60000 + 1;
	link = warder_mirror_get(agent->mirror, WARDER_TABLE_LINKS, &index);
	if (!link->ifindex)
		return -1;
	return warder_mirror_verdict(agent->mirror, link->slot, question->probe.direction,
				     &question->probe.peer, question->probe.address_only,
				     question->probe.protocol, question->probe.port);
}

static void ask(struct agent *agent, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct question *question = &agent->questions[agent->n_questions];

		if (!world_probe(agent->world, &question->probe))
			return;
		snprintf(question->ns, sizeof(question->ns), "%s", question->probe.ns);
		snprintf(question->pod, sizeof(question->pod), "%s", question->probe.pod);
		question->probe.ns = question->ns;
		question->probe.pod = question->pod;
		agent->n_questions++;
	}
}

static void answer(struct agent *agent)
{
	for (size_t i = 0; i < agent->n_questions; i++) {
		struct question *question = &agent->questions[i];
		__u8 uid[16];

		question->old = look(agent, question);
		question->now = -1;
		name_uid(question->ns, question->pod, uid);
		for (size_t e = 0; e < agent->n_endpoints; e++)
			if (!memcmp(agent->endpoints[e].uid, uid, sizeof(uid)))
				question->now = naive_verdict(agent->world, &question->probe);
	}
}

static void check(struct agent *agent, size_t at, bool end)
{
	for (size_t i = 0; i < agent->n_questions; i++) {
		const struct question *question = &agent->questions[i];
		int verdict = look(agent, question);

		if (verdict != question->now && (end || verdict != question->old))
			fail(agent, end ? "not the new verdict" : "a third verdict", at, question);
	}
}

static int make(struct agent *agent, struct warder_plan *plan)
{
	struct warder_error error = {""};
	int r = -EAGAIN;

	for (int tries = 0; tries < 10 && (r == -EAGAIN || r == -ENOSPC); tries++) {
		r = warder_plan_make(agent->planner, agent->matrix, agent->endpoints,
				     agent->n_endpoints, plan, &error);
		if (r == -EAGAIN) {
			warder_plan_grace(agent->planner);
		} else if (r == -ENOSPC) {
			struct warder_mirror *grown =
				warder_mirror_grown(agent->mirror, &plan->need);

			warder_planner_free(agent->planner);
			warder_mirror_free(agent->mirror);
			agent->mirror = grown;
			agent->planner = warder_planner_new(grown);
		}
	}
	if (r)
		fail(agent, error.text, 0, NULL);
	return r;
}

/* The world as it is becomes what the tables say, or half of it. */
static void apply(struct agent *agent, bool dies)
{
	struct warder_plan plan;
	size_t stop;

	if (compile(agent) || make(agent, &plan))
		return;
	answer(agent);
	stop = dies ? world_random(agent->world, plan.n_writes + 1) : plan.n_writes;
	for (size_t i = 0; i < stop && !agent->failures; i++) {
		if (warder_mirror_apply(agent->mirror, &plan.writes[i]))
			fail(agent, "a write failed", i, NULL);
		/* Map `ports` has many words that no probe asks; one look at the end of each stretch will do. */
		if (plan.writes[i].table != WARDER_TABLE_PORTS || i % 64 == 0)
			check(agent, i, false);
		agent->writes++;
	}
	warder_plan_free(&plan);
	if (stop < plan.n_writes || dies) {
		warder_planner_free(agent->planner);
		agent->planner = warder_planner_new(agent->mirror);
		agent->deaths++;
		return;
	}
	warder_plan_done(agent->planner);
	if (!agent->failures)
		check(agent, stop, true);
	if (world_random(agent->world, 2))
		warder_plan_grace(agent->planner);
}

static void play(unsigned long long seed, struct agent *total)
{
	struct warder_shape shape = {.slots = 8,
				     .groups = 4,
				     .classes = 8,
				     .bitmaps = 8,
				     .words = 1,
				     .peers = 8,
				     .cidrs = 8,
				     .frontends = 8,
				     .identities = 8};
	struct agent *agent = calloc(1, sizeof(*agent));

	agent->world = world_make(seed);
	agent->mirror = warder_mirror_new(&shape);
	agent->planner = warder_planner_new(agent->mirror);
	for (int i = 0; i < CHANGES && !agent->failures; i++) {
		agent->n_questions = 0;
		ask(agent, PROBES);
		if (i)
			world_change(agent->world);
		ask(agent, PROBES);
		apply(agent, i && !world_random(agent->world, 4));
	}
	CU_ASSERT_EQUAL(agent->failures, 0);
	total->writes += agent->writes;
	total->deaths += agent->deaths;
	warder_matrix_free(agent->matrix);
	warder_planner_free(agent->planner);
	warder_mirror_free(agent->mirror);
	world_free(agent->world);
	free(agent);
}

static void old_or_new_as_objects_demand(void)
{
	const char *worlds = getenv("WARDER_WORLDS"), *seed = getenv("WARDER_SEED");
	unsigned long long n = worlds ? strtoull(worlds, NULL, 0) : 60;
	unsigned long long first = seed ? strtoull(seed, NULL, 0) : 1;
	static struct agent total;

	for (unsigned long long i = 0; i < n; i++)
		play(first + i, &total);
	printf("%llu worlds with %d changes each: %u writes, %u deaths in the middle\n", n,
	       CHANGES - 1, total.writes, total.deaths);
}

static const struct suite_test tests[] = {
	{"old_or_new_as_objects_demand", old_or_new_as_objects_demand},
};

SUITE("plan_worlds", tests)
