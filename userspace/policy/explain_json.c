/* SPDX-License-Identifier: Apache-2.0 */
/* An explanation as JSON, for the command line and the agent's API alike. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain.h"
#include "store/kinds.h"

const char *warder_reason_name(enum warder_reason reason)
{
	switch (reason) {
#define REASON(number, constant, name, ring, what, mend)                                           \
	case WARDER_REASON_##constant:                                                             \
		return name;
#include "warder/tbl/reasons.tbl"
#undef REASON
	}
	return "unknown";
}

static int read_protocol(const json_t *value, __u8 *ret, struct warder_error *error)
{
	static const struct {
		const char *name;
		__u8 number;
	} protocols[] = {
		{"TCP", IPPROTO_TCP},
		{"UDP", IPPROTO_UDP},
		{"SCTP", IPPROTO_SCTP},
		{"ICMP", IPPROTO_ICMP},
	};
	const char *text = value ? json_string_value(value) : "TCP";

	for (size_t i = 0; text && i < sizeof(protocols) / sizeof(*protocols); i++) {
		if (!strcasecmp(text, protocols[i].name)) {
			*ret = protocols[i].number;
			return 0;
		}
	}
	return warder_error_set(error, -EINVAL,
				"protocol \"%.20s\" is none of TCP, UDP, SCTP, ICMP",
				text ? text : "");
}

static int read_probe(const json_t *json, struct warder_probe *ret, char number[24],
		      struct warder_error *error)
{
	const json_t *port = json_object_get(json, "port");

	ret->from = json_string_value(json_object_get(json, "from"));
	ret->to = json_string_value(json_object_get(json, "to"));
	if (!ret->from || !ret->to)
		return warder_error_set(
			error, -EINVAL,
			"a probe is {\"from\":\"ns/pod\",\"to\":\"ns/pod\",\"port\":80,"
			"\"protocol\":\"TCP\"}: from or to is missing or no text");
	if (json_is_integer(port)) {
		snprintf(number, 24, "%lld", (long long)json_integer_value(port));
		ret->port = number;
	} else {
		ret->port = json_string_value(port);
	}
	return read_protocol(json_object_get(json, "protocol"), &ret->protocol, error);
}

static json_t *side_json(enum warder_side side, bool unjudged)
{
	if (side == WARDER_SIDE_UNJUDGED && unjudged)
		return json_null();
	return json_string(side == WARDER_SIDE_DENY ? "deny" : "allow");
}

static json_t *policy_json(const struct warder_explained_policy *policy)
{
	static const char *const tiers[] = {
		[WARDER_TIER_ADMIN] = "admin",
		[WARDER_TIER_NAMESPACED] = "namespaced",
		[WARDER_TIER_BASELINE] = "baseline",
	};

	const struct warder_policy *is = policy->policy->policy;
	bool ruled = policy->rule >= 0 && !is->broken;
	json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "kind",
				warder_kind_name(policy->policy->kind), "namespace",
				policy->policy->ns, "name", policy->policy->name, "direction",
				policy->direction == WARDER_INGRESS ? "ingress" : "egress", "tier",
				tiers[is->tier], "rule",
				ruled ? json_integer(warder_policy_rule_number(is, policy->rule))
				      : json_null(),
				"mode", policy->audited ? "audit" : "enforce");

	if (is->broken)
		json_object_set_new(out, "broken", json_string(is->broken));
	return out;
}

static bool denied(const enum warder_side side[2])
{
	return side[WARDER_INGRESS] == WARDER_SIDE_DENY || side[WARDER_EGRESS] == WARDER_SIDE_DENY;
}

int warder_explain_json(struct warder_explainer *explainer, const json_t *probe, bool unjudged,
			json_t **ret, struct warder_error *error)
{
	struct warder_explanation answer;
	struct warder_probe read;
	json_t *out, *policies;
	char number[24];
	int code = read_probe(probe, &read, number, error);

	if (!code)
		code = warder_explain(explainer, &read, &answer, error);
	if (code)
		return code;
	out = json_copy((json_t *)probe);
	policies = json_array();
	for (size_t i = 0; i < answer.n_policies; i++)
		json_array_append_new(policies, policy_json(&answer.policies[i]));
	json_object_set_new(out, "egress", side_json(answer.side[WARDER_EGRESS], unjudged));
	json_object_set_new(out, "ingress", side_json(answer.side[WARDER_INGRESS], unjudged));
	json_object_set_new(out, "verdict", json_string(denied(answer.side) ? "deny" : "allow"));
	json_object_set_new(out, "reason", json_string(warder_reason_name(answer.reason)));
	json_object_set_new(out, "policies", policies);
	if (denied(answer.side) != denied(answer.would))
		json_object_set_new(out, "would",
				    json_string(denied(answer.would) ? "deny" : "allow"));
	warder_explanation_clear(&answer);
	*ret = out;
	return 0;
}
