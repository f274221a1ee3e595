/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random worlds, asked three times: a naive evaluator that reads the objects' JSON, the compiled matrix, and
 * the programs themselves, run on a crafted first packet of each probe.  The maps go from one world to the
 * next by plans, so ids are reused and maps grow as they would on a node that lives long.
 * WARDER_WORLDS=N asks N worlds, WARDER_SEED=S begins at S; a difference prints its seed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "datapath/explain_kernel.h"
#include "naive.h"
#include "policy/explain.h"
#include "suite.h"
#include "warder/reason.h"
#include "worlds.h"

#define PROBES	  200
#define DIFF_SHOW 10

static struct warder_explain_kernel *kernel;
static unsigned long long asked, exceptions, refused, would;

static unsigned long long number_of(const char *name, unsigned long long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static const struct warder_matrix_endpoint *find_endpoint(const struct warder_matrix *matrix,
							  const struct world_probe *probe)
{
	for (size_t i = 0; i < matrix->n_endpoints; i++)
		if (!strcmp(matrix->endpoints[i].pod->ns, probe->ns) &&
		    !strcmp(matrix->endpoints[i].pod->name, probe->pod))
			return &matrix->endpoints[i];
	return NULL;
}

static bool is_own(const struct warder_object *pod, const struct warder_addr *addr)
{
	for (size_t i = 0; i < pod->pod.n_addrs; i++)
		if (!warder_addr_compare(&pod->pod.addrs[i], addr))
			return true;
	return false;
}

/* By the matrix: WARDER_REASON_ALLOWED, or why a Service is refused; -1: no Service is asked for. */
static int service_rule(const struct warder_matrix *matrix,
			const struct warder_matrix_endpoint *endpoint,
			const struct world_probe *probe, const struct warder_matrix_who *who)
{
	const struct warder_matrix_frontend *frontend =
		warder_matrix_frontend_find(matrix, &probe->peer, probe->port, probe->protocol);
	bool mixed;

	if (!(who->flags & (WARDER_PEER_SERVICE | WARDER_PEER_NODE)) ||
	    (!frontend && !(who->flags & WARDER_PEER_SERVICE)))
		return -1;
	if (warder_matrix_service_verdict(matrix, endpoint->group,
					  frontend ? frontend->class : matrix->service_class,
					  &mixed) &
	    1)
		return WARDER_REASON_ALLOWED;
	return mixed ? WARDER_REASON_SERVICE : WARDER_REASON_POLICY;
}

/* What the packet hooks let pass or refuse whatever policy says; -1: policy decides. */
static int exception(const struct warder_matrix *matrix,
		     const struct warder_matrix_endpoint *endpoint, const struct world_probe *probe,
		     const struct warder_matrix_who *who)
{
	bool node = who->flags & WARDER_PEER_HOST;
	int rule;

	if (probe->direction == WARDER_INGRESS)
		return node && !probe->address_only ? WARDER_REASON_ALLOWED_HOST : -1;
	if (is_own(endpoint->pod, &probe->peer))
		return WARDER_REASON_ALLOWED_SELF;
	rule = service_rule(matrix, endpoint, probe, who);
	if (rule >= 0)
		return rule;
	return node ? WARDER_REASON_ALLOWED_HOST : -1;
}

static bool differs(const struct world *world, const struct world_probe *probe, const char *what,
		    unsigned kernel_says, unsigned reason, unsigned matrix_says,
		    unsigned naive_says)
{
	char text[256];

	printf("DIFF %s: %s: kernel %u (reason %u), matrix %u, naive %u\n",
	       world_probe_text(world, probe, text, sizeof(text)), what, kernel_says, reason,
	       matrix_says, naive_says);
	return false;
}

static bool check_probe(struct world *world, const struct warder_matrix *matrix,
			struct world_probe *probe)
{
	const struct warder_matrix_endpoint *endpoint = find_endpoint(matrix, probe);
	struct warder_explain_kernel_question question = {
		.direction = probe->direction,
		.peer = &probe->peer,
		.protocol = probe->protocol,
		.port = probe->protocol == IPPROTO_ICMP ? 0 : probe->port,
	};
	struct warder_explain_kernel_answer answer;
	struct warder_error error = {};
	struct warder_matrix_who who;
	unsigned compiled, naive;
	int rule;

	if (!endpoint)
		return false;
	warder_matrix_find(matrix, &probe->peer, &who);
	/* Only NAT by this node hides a sender from its programs. */
	if (!(who.flags & WARDER_PEER_HOST))
		probe->address_only = false;
	question.endpoint = endpoint - matrix->endpoints;
	question.forwarded = probe->address_only;
	if (probe->protocol == IPPROTO_ICMP && !warder_addr_is4(&probe->peer))
		question.protocol = IPPROTO_ICMPV6;
	if (warder_explain_kernel_ask(kernel, &question, &answer, &error)) {
		printf("%s\n", error.text);
		return differs(world, probe, "no answer", 9, 0, 9, 9);
	}
	compiled = warder_matrix_verdict(
		matrix, probe->direction, endpoint->group,
		probe->address_only ? who.cidr_class : who.class,
		warder_matrix_port_class(matrix, probe->protocol, probe->port));
	naive = naive_verdict(world, probe);
	asked++;
	rule = exception(matrix, endpoint, probe, &who);
	if (rule >= 0) {
		exceptions++;
		if (answer.reason != rule || answer.allowed != (rule < WARDER_REASON_DROP))
			return differs(world, probe, "exception", answer.allowed, answer.reason,
				       rule, naive);
		return true;
	}
	refused += !answer.allowed;
	would += answer.allowed && !answer.would;
	if (compiled != naive)
		return differs(world, probe, "matrix", answer.allowed, answer.reason, compiled,
			       naive);
	if (answer.allowed != (naive & 1) ||
	    answer.reason != (naive & 1 ? WARDER_REASON_ALLOWED : WARDER_REASON_POLICY))
		return differs(world, probe, "kernel", answer.allowed, answer.reason, compiled,
			       naive);
	/* What is refused says nothing of audited policies. */
	if (answer.allowed && answer.would != naive >> 1)
		return differs(world, probe, "audited", answer.would, answer.reason, compiled,
			       naive);
	return true;
}

/* What `warderctl explain --kernel` does. */
static int ask_kernel(void *data, const struct warder_explain_side *side, unsigned *ret_verdict,
		      enum warder_reason *ret_reason, struct warder_error *error)
{
	struct warder_explain_kernel_question question = {
		.endpoint = side->endpoint,
		.direction = side->direction,
		.peer = side->peer,
		.class = side->class,
		.protocol = side->protocol,
		.port = side->port,
	};
	struct warder_explain_kernel_answer answer;
	int rc = warder_explain_kernel_ask(kernel, &question, &answer, error);

	if (!rc) {
		*ret_verdict = answer.allowed | answer.would << 1;
		*ret_reason = answer.reason;
	}
	return rc;
}

/* explain says the same with and without --kernel, exceptions and all. */
static bool check_explain(struct world *world, const struct warder_matrix *matrix,
			  const struct world_probe *probe)
{
	struct warder_explainer *explainer =
		warder_explainer_new(world->store, &world->options, matrix);
	char pod[400], peer[WARDER_ADDRESS_TEXT], port[8], text[256];
	struct warder_probe question = {.port = port, .protocol = probe->protocol};
	struct warder_explanation plain = {}, real = {};
	struct warder_error error = {};
	bool same = true;

	snprintf(pod, sizeof(pod), "%s/%s", probe->ns, probe->pod);
	snprintf(port, sizeof(port), "%u", probe->port);
	warder_addr_format(&probe->peer, peer);
	question.from = probe->direction == WARDER_EGRESS ? pod : peer;
	question.to = probe->direction == WARDER_EGRESS ? peer : pod;
	if (!warder_explain(explainer, &question, &plain, &error)) {
		warder_explainer_ask(explainer, &(struct warder_explain_judge){.ask = ask_kernel});
		same = !warder_explain(explainer, &question, &real, &error) &&
		       plain.reason == real.reason &&
		       !memcmp(plain.side, real.side, sizeof(plain.side));
		if (!same)
			printf("DIFF explain, %s: reason %u, with --kernel %u %s\n",
			       world_probe_text(world, probe, text, sizeof(text)), plain.reason,
			       real.reason, error.text);
	}
	warder_explanation_clear(&plain);
	warder_explanation_clear(&real);
	warder_explainer_free(explainer);
	return same;
}

static unsigned check_world(struct world *world, unsigned probes)
{
	struct warder_error error = {};
	struct warder_matrix *matrix = NULL;
	unsigned wrong = 0;

	if (warder_compile(world->store, &world->options, &matrix, &error) ||
	    warder_explain_kernel_use(kernel, matrix, &error)) {
		printf("DIFF seed %llu: %s\n", world->seed, error.text);
		warder_matrix_free(matrix);
		return 1;
	}
	for (unsigned i = 0; i < probes; i++) {
		struct world_probe probe;

		if (!world_probe(world, &probe))
			break;
		wrong += !check_probe(world, matrix, &probe);
		/* An address that two pods claim is the pod's own to the programs, and a peer to explain. */
		if (i % 4 == 0 && !is_own(find_endpoint(matrix, &probe)->pod, &probe.peer))
			wrong += !check_explain(world, matrix, &probe);
	}
	warder_matrix_free(matrix);
	return wrong;
}

static void test_three_ways(void)
{
	unsigned long long first = number_of("WARDER_SEED", 1), n = number_of("WARDER_WORLDS", 500);
	struct warder_error error = {};
	unsigned wrong = 0;
	int rc = warder_explain_kernel_open(&kernel, &error);

	if (rc == -EPERM) {
		suite_skip("cannot load programs: not root");
		return;
	}
	if (rc)
		printf("%s\n", error.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	for (unsigned long long seed = first; seed < first + n && wrong < DIFF_SHOW; seed++) {
		struct world *world = world_make(seed);

		wrong += check_world(world, PROBES);
		world_change(world);
		wrong += check_world(world, PROBES / 4);
		world_free(world);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	warder_explain_kernel_close(kernel);
	printf("%llu probes: %llu by exceptions, %llu refused by policy, %llu would be\n", asked,
	       exceptions, refused, would);
}

static const struct suite_test tests[] = {
	{"naive, matrix and kernel agree", test_three_ways},
};
SUITE("worlds", tests)
