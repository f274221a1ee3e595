/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the policies that count here as atoms and port specs, and the groups: endpoints
 * that the same policies select and whose named ports mean the same to them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

/* A refused policy is as a broken one: it isolates, or denies everything. */
static const struct warder_term everyone = {.type = WARDER_TERM_ANY};
static const struct warder_rule deny_all[2] = {
	{
		.direction = WARDER_INGRESS,
		.action = WARDER_DENY,
		.terms = (struct warder_term *)&everyone,
		.n_terms = 1,
		.all_ports = true,
	},
	{
		.direction = WARDER_EGRESS,
		.action = WARDER_DENY,
		.terms = (struct warder_term *)&everyone,
		.n_terms = 1,
		.all_ports = true,
	},
};

static void compile_policy(struct compiler *c, struct compiled_policy *policy)
{
	const struct warder_policy *source = policy->object->policy;
	const struct warder_rule *rules = policy->refused ? deny_all : source->rules;

	policy->n_rules = !policy->refused			   ? source->n_rules
			  : source->tier == WARDER_TIER_NAMESPACED ? 0
								   : 2;
	policy->rules = NEW_ARRAY(struct compiled_rule, policy->n_rules);
	for (size_t i = 0; i < policy->n_rules; i++) {
		struct compiled_rule *rule = &policy->rules[i];

		rule->rule = &rules[i];
		rule->ports = ports_spec(&c->ports, rule->rule);
		for (size_t t = 0; t < rule->rule->n_terms; t++) {
			rule->any |= rule->rule->terms[t].type == WARDER_TERM_ANY;
			rule->could_be_pod |= atoms_could_be_pod(&c->atoms, &rule->rule->terms[t]);
			atoms_add(&c->atoms, &rule->rule->terms[t], &rule->atoms);
		}
	}
}

/* Do the group's ingress rules ask for names at all?  If not, its pods' ports do not split it. */
static bool asks_names(const struct compiler *c, const struct number_list *policies)
{
	for (size_t i = 0; i < policies->n; i++) {
		const struct compiled_policy *policy = &c->policies[policies->v[i]];

		for (size_t j = 0; j < policy->n_rules; j++)
			if (policy->rules[j].rule->direction == WARDER_INGRESS &&
			    c->ports.named[policy->rules[j].ports])
				return true;
	}
	return false;
}

static void mark_judged(struct compiler *c, struct warder_matrix_endpoint *endpoint,
			const struct number_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct compiled_policy *policy = &c->policies[list->v[i]];
		bool judges[2] = {policy->object->policy->isolates[0],
				  policy->object->policy->isolates[1]};

		for (size_t j = 0; j < policy->n_rules; j++)
			judges[policy->rules[j].rule->direction] = true;
		for (unsigned d = 0; d < 2; d++) {
			endpoint->judged[d] |= judges[d];
			endpoint->isolated[d] |= judges[d] && !policy->audited;
		}
	}
}

static void make_groups(struct compiler *c)
{
	struct warder_matrix *matrix = c->matrix;
	struct intern known = {0};

	for (size_t e = 0; e < matrix->n_endpoints; e++) {
		struct warder_matrix_endpoint *endpoint = &matrix->endpoints[e];
		struct number_list *list = &c->selected[e];
		struct intern_key key = {0};
		uint32_t holder = PORT_HOLDER_NONE;

		if (asks_names(c, list))
			holder = ports_holder(&c->ports, &endpoint->pod->pod, WARDER_INGRESS);
		intern_key_number(&key, holder);
		intern_key_put(&key, list->v, list->n * sizeof(*list->v));
		endpoint->group = intern_add(&known, key.bytes, key.n);
		free(key.bytes);
		mark_judged(c, endpoint, list);
		if (endpoint->group < matrix->n_groups)
			continue;
		PUSH(matrix->groups, matrix->n_groups) = (struct warder_matrix_group){
			.policies = list->v,
			.n_policies = list->n,
			.holder = holder,
		};
		*list = (struct number_list){0}; /* the group has it now */
	}
	intern_clear(&known);
}

struct weight {
	struct compiled_policy *policy;
	size_t matches;
};

static int compare_weights(const void *left, const void *right)
{
	const struct weight *a = left, *b = right;

	if (a->matches != b->matches)
		return a->matches < b->matches ? -1 : 1;
	return a->policy < b->policy ? -1 : a->policy > b->policy; /* the order of evaluation */
}

/* Small policies first, as many as surely fit: the large ones fail alone and not the node. */
static void refuse_policies(struct compiler *c)
{
	struct weight *weights = NEW_ARRAY(struct weight, c->n_policies);
	size_t sum = 0;
	char text[512];

	for (size_t i = 0; i < c->n_policies; i++) {
		weights[i].policy = &c->policies[i];
		for (size_t j = 0; j < c->policies[i].object->policy->n_rules; j++)
			weights[i].matches += c->policies[i].object->policy->rules[j].n_ports;
	}
	qsort(weights, c->n_policies, sizeof(*weights), compare_weights);
	for (size_t i = 0; i < c->n_policies; i++) {
		sum += weights[i].matches;
		weights[i].policy->refused = sum > COMPILE_PORT_MATCHES_MAX;
		if (weights[i].policy->refused)
			compile_problem(c,
					warder_object_describe(weights[i].policy->object, text,
							       sizeof(text)),
					false,
					"has %zu of more ports than the policies on this node may "
					"have together (%d); it "
					"allows nothing: use port ranges",
					weights[i].matches, COMPILE_PORT_MATCHES_MAX);
	}
	free(weights);
}

void compile_rules(struct compiler *c)
{
	if (c->refuse_ports && c->n_policies)
		refuse_policies(c);
	c->atoms.trust_domain = c->options->trust_domain;
	ports_begin(&c->ports);
	for (size_t i = 0; i < c->n_policies; i++)
		compile_policy(c, &c->policies[i]);
	make_groups(c);
}
