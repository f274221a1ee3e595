/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the decoders of the policy kinds share: the state of one decoding, CIDRs, ports as
 * NetworkPolicy writes them, and the walk over rules.  Inner to store/.
 */
#ifndef WARDER_STORE_DECODE_RULE_H
#define WARDER_STORE_DECODE_RULE_H

#include "store/decode_policy.h"
#include "store/field.h"

struct decode {
	struct warder_field field;
	struct warder_policy *policy;
	const char *ns;
};

/* One function for each kind: fills d->policy from `spec` (NULL = absent). */
void decode_network_policy(struct decode *d, const json_t *spec);
void decode_identity_policy(struct decode *d, const json_t *spec);
void decode_cluster_network_policy(struct decode *d, const json_t *spec);

/* Host bits are masked, with a warning, as the API server does. */
bool decode_cidr(struct decode *d, const json_t *value, struct warder_prefix *ret);
/* {cidr, except}: appends a CIDR term. */
bool decode_ip_block(struct decode *d, const json_t *value, struct warder_rule *rule);
/* A port's name: at most 15 of [a-z0-9-], a letter among them, no hyphen at an end and no two in a
 * row. */
bool decode_port_name_valid(const char *name);

/* spec.policyTypes with its default; false: both directions are isolated. */
bool decode_policy_types(struct decode *d, const json_t *spec);
/*
 * spec.ingress and spec.egress of the two namespaced kinds; `peer` appends one peer's terms to a
 * rule.  Rules of a direction that the policy does not isolate are read, then dropped: they
 * must not add to what another policy allows.
 */
typedef bool decode_peer(struct decode *d, const json_t *value, struct warder_rule *rule);
bool decode_rules(struct decode *d, const json_t *spec, decode_peer *peer);

/* store/policy.c: frees the rules from `n_rules` on. */
void warder_policy_truncate(struct warder_policy *policy, size_t n_rules);
void warder_tuples_free(struct warder_tuple *tuples, size_t n);

#endif
