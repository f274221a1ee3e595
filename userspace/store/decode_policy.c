/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame around the three decoders, and what becomes of a policy that one of them could not
 * understand: it keeps its subject and its isolation as far as these are understood, loses its
 * rules, and outside the namespaced tier denies everything (store/policy.h).
 */
#include "store/decode_policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/decode_rule.h"
#include "store/kinds.h"

static void close_broken(struct warder_policy *policy)
{
	warder_policy_truncate(policy, 0);
	free(policy->rules);
	policy->rules = NULL;
	if (policy->tier == WARDER_TIER_NAMESPACED)
		return;
	for (unsigned direction = 0; direction < 2; direction++) {
		PUSH(policy->rules, policy->n_rules) = (struct warder_rule){
			.direction = direction,
			.action = WARDER_DENY,
			.terms = warder_memory_copy(&(struct warder_term){.type = WARDER_TERM_ANY},
						    sizeof(struct warder_term)),
			.n_terms = 1,
			.all_ports = true,
		};
	}
}

/* A version that is not known may mean anything: nothing of the spec is read. */
static bool known_version(struct decode *d, const json_t *object)
{
	const char *version = json_string_value(warder_field_get(object, "apiVersion"));
	const char *kind = json_string_value(warder_field_get(object, "kind"));
	struct warder_kind_info info;

	if (!version || !kind ||
	    warder_kind_find(version, kind, &info) != WARDER_KIND_OTHER_VERSION)
		return true;
	d->policy->isolates[WARDER_INGRESS] = d->policy->isolates[WARDER_EGRESS] = true;
	d->field.broken = warder_memory_format(
		"apiVersion: \"%.80s\" of %.80s is not known to this version of Warder, use %s",
		version, kind, info.version);
	return false;
}

int warder_policy_decode(const json_t *object, enum warder_kind kind, const char *ns,
			 struct warder_policy **ret)
{
	struct decode d = {.policy = NEW(struct warder_policy), .ns = ns};
	const json_t *spec = warder_field_get(object, "spec");

	warder_field_at(&d.field, "spec");
	d.policy->subject.type = WARDER_TERM_PODS;
	if (kind != WARDER_KIND_CLUSTER_NETWORK_POLICY) {
		d.policy->tier = WARDER_TIER_NAMESPACED;
		d.policy->subject.ns = warder_memory_text(ns);
	}
	if (known_version(&d, object)) {
		if (kind == WARDER_KIND_CLUSTER_NETWORK_POLICY)
			decode_cluster_network_policy(&d, spec);
		else if (kind == WARDER_KIND_NETWORK_POLICY)
			decode_network_policy(&d, spec);
		else
			decode_identity_policy(&d, spec);
	}
	d.policy->broken = d.field.broken;
	if (d.policy->broken)
		close_broken(d.policy);
	*ret = d.policy;
	return 0;
}
