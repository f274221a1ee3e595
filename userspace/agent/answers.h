/* SPDX-License-Identifier: Apache-2.0 */
/* Shared among the answers_*.c: small JSON pieces that userspace/api/calls.h gives names to. */
#ifndef WARDER_AGENT_ANSWERS_H
#define WARDER_AGENT_ANSWERS_H

#include "agent/agent.h"

json_t *answer_counts(const struct warder_counter *counter);
json_t *answer_policy_ref(const struct warder_object *policy); /* {"kind","namespace","name"} */
json_t *answer_string(const char *text);		       /* null where NULL or "" */
json_t *answer_time(time_t seconds);
const char *answer_mode(bool audit);
const char *answer_direction(unsigned direction);
const char *answer_verdict(bool audited, unsigned reason);
const char *answer_reason(unsigned reason);
/* Whether a policy, or for namespaced ones its namespace, is in audit mode. */
bool answer_policy_audits(const struct agent *agent, const struct warder_object *policy);
/* Counters of all slots, or NULL: caller frees; *ret_slots of them, WARDER_COUNTERS_PER_SLOT each. */
struct warder_counter *answer_counters(const struct agent *agent, __u32 *ret_slots);
/* Sums one slot's counters that pass (0), refuse (1) or would (2). */
void answer_sum(const struct warder_counter *slot, struct warder_counter ret[3]);

/* "attached", "waiting", ... of api/calls.h. */
const char *answer_endpoint_state(const struct agent *agent, const struct warder_object *pod);
void answer_held(const struct agent *agent, json_t *list); /* appends a row for each held link */

/* The calls themselves; shapes in api/calls.h. */
void answer_status(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_wait(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_config(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_map_list(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_endpoint_list(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_endpoint_get(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_identity_list(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_counter_list(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_drops(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_monitor(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_policy_list(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_policy_get(void *data, struct warder_api_client *client, const json_t *arguments);
void answer_explain(void *data, struct warder_api_client *client, const json_t *arguments);

#endif
