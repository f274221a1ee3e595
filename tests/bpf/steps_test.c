/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between every two writes to the maps a packet meets the old verdict or the new one, never a third: random
 * worlds change, every single write of the change is stopped after, and the programs themselves are asked.
 * WARDER_WORLDS=N changes N worlds, WARDER_SEED=S begins at S.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "datapath/explain_kernel.h"
#include "suite.h"
#include "warder/reason.h"
#include "worlds.h"

#define PROBES	64 /* of each change, asked in turn */
#define EACH	6  /* of them after each write */
#define CHANGES 3  /* of each world */

struct step_probe {
	struct warder_explain_kernel_question question;
	struct warder_addr peer;
	bool early, late; /* what may be answered */
	char text[256];
};

static struct warder_explain_kernel *kernel;
static struct step_probe probes[PROBES];
static size_t n_probes, next_probe;
static unsigned long long writes, asked, flips;
static unsigned wrong;

static unsigned long long number_of(const char *name, unsigned long long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void look(void *data)
{
	writes++;
	for (size_t i = 0; i < EACH && n_probes && wrong < 10; i++) {
		struct step_probe *probe = &probes[next_probe++ % n_probes];
		struct warder_explain_kernel_answer answer;
		struct warder_error error = {};

		probe->question.peer = &probe->peer;
		asked++;
		if (warder_explain_kernel_ask(kernel, &probe->question, &answer, &error)) {
			printf("DIFF %s: %s\n", probe->text, error.text);
			wrong++;
		} else if (answer.allowed != probe->early && answer.allowed != probe->late) {
			printf("DIFF %s: %s (reason %u) after write %llu, before and after the "
			       "change the other\n",
			       probe->text, answer.allowed ? "allowed" : "refused", answer.reason,
			       writes);
			wrong++;
		}
	}
}

static const struct warder_matrix_endpoint *find_endpoint(const struct warder_matrix *matrix,
							  const char *ns, const char *name)
{
	for (size_t i = 0; i < matrix->n_endpoints; i++)
		if (!strcmp(matrix->endpoints[i].pod->ns, ns) &&
		    !strcmp(matrix->endpoints[i].pod->name, name))
			return &matrix->endpoints[i];
	return NULL;
}

/* The same pod with other addresses is another endpoint: it has a new slot. */
static bool same_addresses(const struct warder_pod *a, const struct warder_pod *b)
{
	return a->n_addrs == b->n_addrs &&
	       !memcmp(a->addrs, b->addrs, a->n_addrs * sizeof(*a->addrs));
}

/* What the matrix says. */
static bool expected(const struct warder_matrix *matrix,
		     const struct warder_matrix_endpoint *endpoint, const struct world_probe *probe)
{
	struct warder_matrix_who who;

	warder_matrix_find(matrix, &probe->peer, &who);
	return warder_matrix_verdict(
		       matrix, probe->direction, endpoint->group, who.class,
		       warder_matrix_port_class(matrix, probe->protocol, probe->port)) &
	       1;
}

static bool is_plain(const struct warder_matrix *matrix, const struct warder_addr *peer)
{
	struct warder_matrix_who who;

	warder_matrix_find(matrix, peer, &who);
	return !(who.flags & (WARDER_PEER_SERVICE | WARDER_PEER_NODE | WARDER_PEER_HOST));
}

static struct warder_matrix *compile(const struct world *world)
{
	struct warder_matrix *matrix = NULL;
	struct warder_error error = {};

	if (warder_compile(world->store, &world->options, &matrix, &error))
		printf("seed %llu: %s\n", world->seed, error.text);
	return matrix;
}

/* Probes of endpoints that are in both, as they were and as they will be. */
static void choose_probes(struct world *world, const struct warder_matrix *before,
			  const struct warder_matrix *after)
{
	n_probes = 0;
	for (int tries = 0; tries < 4 * PROBES && n_probes < PROBES; tries++) {
		struct step_probe *probe = &probes[n_probes];
		const struct warder_matrix_endpoint *early, *late;
		struct world_probe question;

		if (!world_probe(world, &question))
			return;
		early = find_endpoint(before, question.ns, question.pod);
		late = find_endpoint(after, question.ns, question.pod);
		if (!early || !late || !same_addresses(&early->pod->pod, &late->pod->pod) ||
		    !is_plain(before, &question.peer) || !is_plain(after, &question.peer))
			continue;
		probe->peer = question.peer;
		probe->question = (struct warder_explain_kernel_question){
			.endpoint = late - after->endpoints,
			.direction = question.direction,
			.protocol = question.protocol == IPPROTO_ICMP &&
						    !warder_addr_is4(&question.peer)
					    ? IPPROTO_ICMPV6
					    : question.protocol,
			.port = question.port,
		};
		if (question.direction == WARDER_EGRESS)
			for (size_t i = 0; i < late->pod->pod.n_addrs; i++)
				if (!warder_addr_compare(&late->pod->pod.addrs[i], &question.peer))
					goto next;
		probe->early = expected(before, early, &question);
		probe->late = expected(after, late, &question);
		flips += probe->early != probe->late;
		world_probe_text(world, &question, probe->text, sizeof(probe->text));
		n_probes++;
	next:;
	}
}

static void change_world(struct world *world)
{
	struct warder_matrix *before = compile(world), *after;
	struct warder_error error = {};

	CU_ASSERT_PTR_NOT_NULL_FATAL(before);
	warder_explain_kernel_watch(kernel, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(warder_explain_kernel_use(kernel, before, &error), 0);
	for (int change = 0; change < CHANGES && !wrong; change++) {
		world_change(world);
		after = compile(world);
		CU_ASSERT_PTR_NOT_NULL_FATAL(after);
		choose_probes(world, before, after);
		warder_explain_kernel_watch(kernel, look, NULL);
		if (warder_explain_kernel_use(kernel, after, &error)) {
			printf("DIFF seed %llu: %s\n", world->seed, error.text);
			wrong++;
		}
		warder_matrix_free(before);
		before = after;
	}
	n_probes = 0;
	warder_matrix_free(before);
}

static void test_steps(void)
{
	unsigned long long first = number_of("WARDER_SEED", 1), n = number_of("WARDER_WORLDS", 10);
	struct warder_error error = {};
	int rc = warder_explain_kernel_open(&kernel, &error);

	if (rc == -EPERM) {
		suite_skip("cannot load programs: not root");
		return;
	}
	if (rc)
		printf("%s\n", error.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	for (unsigned long long seed = first; seed < first + n && !wrong; seed++) {
		struct world *world = world_make(seed);

		change_world(world);
		world_free(world);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	warder_explain_kernel_close(kernel);
	printf("%llu writes, %llu packets between them, %llu verdicts changed\n", writes, asked,
	       flips);
}

static const struct suite_test tests[] = {
	{"old or new between every two writes", test_steps},
};
SUITE("steps", tests)
