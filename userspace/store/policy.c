/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a policy: frees all that a decoder made. */
#include "store/policy.h"

#include <stdlib.h>

#include "store/decode_rule.h"
#include "store/selector.h"

void warder_tuples_free(struct warder_tuple *tuples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(tuples[i].trust_domain);
		free(tuples[i].ns);
		free(tuples[i].service_account);
	}
	free(tuples);
}

static void clear_term(struct warder_term *term)
{
	free(term->ns);
	warder_selector_free(term->namespaces);
	warder_selector_free(term->pods);
	warder_tuples_free(term->tuples, term->n_tuples);
	free(term->except);
	warder_selector_free(term->nodes);
}

static void clear_rule(struct warder_rule *rule)
{
	for (size_t i = 0; i < rule->n_terms; i++)
		clear_term(&rule->terms[i]);
	free(rule->terms);
	for (size_t i = 0; i < rule->n_ports; i++)
		free(rule->ports[i].name);
	free(rule->ports);
}

void warder_policy_truncate(struct warder_policy *policy, size_t n_rules)
{
	while (policy->n_rules > n_rules)
		clear_rule(&policy->rules[--policy->n_rules]);
}

void warder_policy_free(struct warder_policy *policy)
{
	if (!policy)
		return;
	warder_policy_truncate(policy, 0);
	free(policy->rules);
	clear_term(&policy->subject);
	free(policy->broken);
	free(policy->warning);
	free(policy);
}

size_t warder_policy_rule_number(const struct warder_policy *policy, size_t rule)
{
	size_t number = 0;

	for (size_t i = 0; i < rule && i < policy->n_rules; i++)
		number += policy->rules[i].direction == policy->rules[rule].direction;
	return number;
}
