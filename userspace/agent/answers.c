/* SPDX-License-Identifier: Apache-2.0 */
/* The table of calls that the agent answers, and the small JSON pieces that the answers share. */
#include "agent/answers.h"

#include <string.h>

#include "warder/reason.h"

/* What answers each call of the table. */
#define ANSWER_STATUS	     answer_status
#define ANSWER_WAIT	     answer_wait
#define ANSWER_CONFIG	     answer_config
#define ANSWER_ENDPOINT_LIST answer_endpoint_list
#define ANSWER_ENDPOINT_GET  answer_endpoint_get
#define ANSWER_IDENTITY_LIST answer_identity_list
#define ANSWER_POLICY_LIST   answer_policy_list
#define ANSWER_POLICY_GET    answer_policy_get
#define ANSWER_EXPLAIN	     answer_explain
#define ANSWER_MONITOR	     answer_monitor
#define ANSWER_MAP_LIST	     answer_map_list
#define ANSWER_DROPS	     answer_drops
#define ANSWER_COUNTERS	     answer_counter_list

#define CALL(constant, name, answers, what) {name, ANSWER_##constant},
const struct warder_api_call agent_calls[] = {
#include "api/calls.tbl"
};
#undef CALL
const size_t agent_n_calls = sizeof(agent_calls) / sizeof(*agent_calls);

json_t *answer_counts(const struct warder_counter *counter)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)counter->packets, "bytes",
			 (json_int_t)counter->bytes);
}

json_t *answer_policy_ref(const struct warder_object *policy)
{
	return json_pack("{s:s, s:o, s:s}", "kind", policy->kind_name, "namespace",
			 answer_string(policy->ns), "name", policy->name);
}

json_t *answer_string(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

json_t *answer_time(time_t seconds)
{
	char text[40];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	return json_string(text);
}

const char *answer_mode(bool audit)
{
	return audit ? "audit" : "enforce";
}

const char *answer_direction(unsigned direction)
{
	return direction == WARDER_EGRESS ? "egress" : "ingress";
}

const char *answer_verdict(bool audited, unsigned reason)
{
	return audited ? "would-deny" : reason >= WARDER_REASON_DROP ? "deny" : "allow";
}

const char *answer_reason(unsigned reason)
{
	static const char *const names[WARDER_REASON_MAX] = {
#define REASON(number, constant, name, ring, what, mend) [number] = name,
#include "warder/tbl/reasons.tbl"
#undef REASON
	};

	return reason < WARDER_REASON_MAX && names[reason] ? names[reason] : "unknown";
}

bool answer_policy_audits(const struct agent *agent, const struct warder_object *policy)
{
	const struct warder_object *ns;

	if (policy->audit || policy->policy->tier != WARDER_TIER_NAMESPACED)
		return policy->audit;
	ns = warder_store_get(agent->store, WARDER_KIND_NAMESPACE, "", policy->ns);
	return ns && ns->audit;
}

struct warder_counter *answer_counters(const struct agent *agent, __u32 *ret_slots)
{
	__u32 slots = warder_datapath_slots(agent->datapath);
	size_t n = (size_t)slots * WARDER_COUNTERS_PER_SLOT;
	struct warder_counter *counters = calloc(n, sizeof(*counters));

	if (counters && warder_datapath_counters(agent->datapath, counters, n)) {
		free(counters);
		counters = NULL;
	}
	*ret_slots = counters ? slots : 0;
	return counters;
}

void answer_sum(const struct warder_counter *slot, struct warder_counter ret[3])
{
	for (unsigned direction = 0; direction < 2; direction++) {
		for (unsigned i = 0; i < 2 * WARDER_REASON_MAX; i++) {
			unsigned audited = i / WARDER_REASON_MAX, reason = i % WARDER_REASON_MAX;
			const struct warder_counter *from =
				&slot[warder_counter_index(0, direction, audited, reason)];
			struct warder_counter *to =
				&ret[audited ? 2 : reason >= WARDER_REASON_DROP];

			to->packets += from->packets;
			to->bytes += from->bytes;
		}
	}
}
