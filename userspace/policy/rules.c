/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the policies that count here as atoms and port specs, and the groups: endpoints
 * that the same policies select and whose named ports mean the same to them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

static void compile_policy(struct compiler *c, struct compiled_policy *policy)
{
	const struct warder_policy *source = policy->object->policy;

	policy->n_rules = source->n_rules;
	policy->rules = NEW_ARRAY(struct compiled_rule, source->n_rules);
	for (size_t i = 0; i < source->n_rules; i++) {
		struct compiled_rule *rule = &policy->rules[i];

		rule->rule = &source->rules[i];
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

void compile_rules(struct compiler *c)
{
	c->atoms.trust_domain = c->options->trust_domain;
	ports_begin(&c->ports);
	for (size_t i = 0; i < c->n_policies; i++)
		compile_policy(c, &c->policies[i]);
	make_groups(c);
}
