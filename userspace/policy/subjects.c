/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects: the endpoints of this node, and which policies select each.  A namespaced policy is
 * looked at only for endpoints of its namespace.  Policies are numbered in the order in which
 * they are evaluated.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

const struct warder_labels *namespace_labels(const struct warder_store *store, const char *ns,
					     struct namespace_labels *spare)
{
	const struct warder_object *object = warder_store_get(store, WARDER_KIND_NAMESPACE, "", ns);

	if (object)
		return &object->labels;
	*spare = (struct namespace_labels){
		.label = {.key = (char *)"kubernetes.io/metadata.name", .value = (char *)ns},
		.labels = {.v = &spare->label, .n = 1},
	};
	return &spare->labels;
}

bool compile_pod_is_endpoint(const struct compiler *c, const struct warder_object *pod)
{
	const char *node = c->options->node ? c->options->node : "";

	return !pod->pod.host_network && pod->pod.phase != WARDER_POD_FINISHED &&
	       !strcmp(pod->pod.node ? pod->pod.node : "", node);
}

static void find_endpoints(struct compiler *c)
{
	struct warder_matrix *matrix = c->matrix;

	for (size_t i = 0; i < c->n_pods; i++) {
		size_t n = matrix->n_endpoints;

		if (!compile_pod_is_endpoint(c, c->pods[i]))
			continue;
		PUSH(c->endpoint_pods, n) = i;
		PUSH(matrix->endpoints, matrix->n_endpoints) =
			(struct warder_matrix_endpoint){.pod = c->pods[i]};
	}
}

/* A policy that selects an endpoint, before it has its number. */
struct selection {
	const struct warder_object *policy;
	size_t endpoint;
};

struct selections {
	struct selection *v;
	size_t n;
};

static void select_endpoint(struct compiler *c, const struct warder_object *policy, size_t endpoint,
			    const struct warder_labels *ns_labels, struct selections *ret)
{
	const struct warder_object *pod = c->matrix->endpoints[endpoint].pod;

	if (term_selects_pod(&policy->policy->subject, c->options->trust_domain, ns_labels, pod))
		PUSH(ret->v, ret->n) = (struct selection){.policy = policy, .endpoint = endpoint};
}

/* Both lists are sorted by namespace: one walk over the two. */
static void select_namespaced(struct compiler *c, enum warder_kind kind, struct selections *ret)
{
	struct warder_object *const *policies;
	size_t n, first = 0;

	policies = warder_store_list(c->store, kind, &n);
	for (size_t e = 0; e < c->matrix->n_endpoints; e++) {
		const char *ns = c->matrix->endpoints[e].pod->ns;
		struct namespace_labels spare;
		const struct warder_labels *labels = namespace_labels(c->store, ns, &spare);

		while (first < n && strcmp(policies[first]->ns, ns) < 0)
			first++;
		for (size_t i = first; i < n && !strcmp(policies[i]->ns, ns); i++)
			select_endpoint(c, policies[i], e, labels, ret);
	}
}

static void select_cluster(struct compiler *c, struct selections *ret)
{
	struct warder_object *const *policies;
	size_t n;

	policies = warder_store_list(c->store, WARDER_KIND_CLUSTER_NETWORK_POLICY, &n);
	for (size_t e = 0; n && e < c->matrix->n_endpoints; e++) {
		struct namespace_labels spare;
		const struct warder_labels *labels =
			namespace_labels(c->store, c->matrix->endpoints[e].pod->ns, &spare);

		for (size_t i = 0; i < n; i++)
			select_endpoint(c, policies[i], e, labels, ret);
	}
}

/* Tier, priority, then names: where upstream leaves the order open it is by name. */
static int compare_policies(const struct warder_object *a, const struct warder_object *b)
{
	int order;

	if (a->policy->tier != b->policy->tier)
		return (int)a->policy->tier - (int)b->policy->tier;
	if (a->policy->priority != b->policy->priority)
		return a->policy->priority < b->policy->priority ? -1 : 1;
	order = strcmp(a->ns, b->ns);
	if (!order)
		order = strcmp(a->name, b->name);
	return order ? order : (int)a->kind - (int)b->kind;
}

static int compare_selections(const void *left, const void *right)
{
	const struct selection *a = left, *b = right;
	int order = a->policy == b->policy ? 0 : compare_policies(a->policy, b->policy);

	return order ? order : a->endpoint < b->endpoint ? -1 : a->endpoint > b->endpoint;
}

/* A namespace's mode touches only the policies of that namespace, never a cluster's. */
static bool is_audited(const struct compiler *c, const struct warder_object *policy)
{
	const struct warder_object *ns;

	if (policy->audit || policy->policy->tier != WARDER_TIER_NAMESPACED)
		return policy->audit;
	ns = warder_store_get(c->store, WARDER_KIND_NAMESPACE, "", policy->ns);
	return ns && ns->audit;
}

void compile_subjects(struct compiler *c)
{
	struct selections all = {0};

	find_endpoints(c);
	select_namespaced(c, WARDER_KIND_NETWORK_POLICY, &all);
	select_namespaced(c, WARDER_KIND_IDENTITY_POLICY, &all);
	select_cluster(c, &all);
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), compare_selections);
	c->selected = NEW_ARRAY(struct number_list, c->matrix->n_endpoints);
	for (size_t i = 0; i < all.n; i++) {
		const struct warder_object *policy = all.v[i].policy;
		struct number_list *list = &c->selected[all.v[i].endpoint];

		if (!c->n_policies || c->policies[c->n_policies - 1].object != policy)
			PUSH(c->policies, c->n_policies) = (struct compiled_policy){
				.object = policy,
				.audited = is_audited(c, policy),
			};
		PUSH(list->v, list->n) = c->n_policies - 1;
	}
	free(all.v);
}
