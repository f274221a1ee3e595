/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetworkPolicy, networking.k8s.io/v1: all fields of the spec.  An absent spec or podSelector is
 * an empty one and selects every pod of the namespace, as the API server reads them.
 */
#include <string.h>

#include "base/memory.h"
#include "store/decode_rule.h"
#include "store/selector.h"

static bool read_selector(struct decode *d, const json_t *peer, const char *name,
			  struct warder_selector **ret)
{
	const json_t *value = warder_field_get(peer, name);
	size_t mark = warder_field_at(&d->field, ".%s", name);

	if (value && !(*ret = warder_selector_decode(&d->field, value)))
		return false;
	warder_field_back(&d->field, mark);
	return true;
}

static bool read_peer(struct decode *d, const json_t *value, struct warder_rule *rule)
{
	const json_t *block = warder_field_get(value, "ipBlock"),
		     *pods = warder_field_get(value, "podSelector");
	const json_t *namespaces = warder_field_get(value, "namespaceSelector");
	struct warder_term *term;
	size_t mark;

	if (!warder_field_object(&d->field, value, "podSelector namespaceSelector ipBlock"))
		return false;
	if (!block && !pods && !namespaces)
		return warder_field_refuse(
			&d->field,
			"names no peer: write podSelector, namespaceSelector or ipBlock");
	if (block) {
		if (pods || namespaces)
			return warder_field_refuse(
				&d->field,
				"ipBlock stands alone: write the selectors as a peer of their own");
		mark = warder_field_at(&d->field, ".ipBlock");
		if (!decode_ip_block(d, block, rule))
			return false;
		warder_field_back(&d->field, mark);
		return true;
	}
	PUSH(rule->terms, rule->n_terms) = (struct warder_term){.type = WARDER_TERM_PODS};
	term = &rule->terms[rule->n_terms - 1];
	if (!namespaces)
		term->ns = warder_memory_text(d->ns);
	return read_selector(d, value, "namespaceSelector", &term->namespaces) &&
	       read_selector(d, value, "podSelector", &term->pods);
}

void decode_network_policy(struct decode *d, const json_t *spec)
{
	struct warder_policy *policy = d->policy;
	size_t mark = d->field.length;
	bool known;

	if (!spec)
		spec = json_object();
	else
		json_incref((json_t *)spec);
	known = warder_field_object(&d->field, spec, "podSelector policyTypes ingress egress");
	decode_policy_types(d, spec);
	if (!known)
		policy->isolates[WARDER_INGRESS] = policy->isolates[WARDER_EGRESS] = true;
	read_selector(d, spec, "podSelector", &policy->subject.pods);
	warder_field_back(&d->field, mark);
	decode_rules(d, spec, read_peer);
	json_decref((json_t *)spec);
}
