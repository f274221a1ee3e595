/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent tells about its endpoints: who they are, where their links are, what they were refused. */
#include <stdio.h>
#include <string.h>

#include "agent/answers.h"
#include "base/cleanup.h"
#include "policy/describe.h"

#define ADDRESSES_TOLD 64   /* of one identity */
#define POLICIES_TOLD  1024 /* of one endpoint */

static const struct warder_matrix_endpoint *endpoint_of(const struct agent *agent,
							const struct warder_object *pod)
{
	for (size_t i = 0; agent->matrix && i < agent->matrix->n_endpoints; i++)
		if (!strcmp(agent->matrix->endpoints[i].pod->ns, pod->ns) &&
		    !strcmp(agent->matrix->endpoints[i].pod->name, pod->name))
			return &agent->matrix->endpoints[i];
	return NULL;
}

static __u16 slot_of(const struct agent *agent, const struct warder_object *pod)
{
	__u8 uid[16];

	agent_uid(pod->uid, uid);
	return warder_planner_slot(warder_datapath_planner(agent->datapath), uid);
}

static json_t *addresses(const struct warder_pod *pod)
{
	json_t *list = json_array();
	char text[WARDER_ADDRESS_TEXT];

	for (size_t i = 0; i < pod->n_addrs; i++)
		json_array_append_new(list, json_string(warder_addr_format(&pod->addrs[i], text)));
	return list;
}

static json_t *links(const struct agent *agent, const struct warder_host_pod *host)
{
	json_t *list = json_array();

	for (size_t i = 0; host && i < host->n_links; i++)
		json_array_append_new(
			list,
			json_pack("{s:s, s:i, s:s, s:b}", "name", host->links[i].name, "ifindex",
				  host->links[i].ifindex, "kind", host->links[i].kind, "attached",
				  warder_datapath_is_attached(agent->datapath,
							      host->links[i].ifindex)));
	return list;
}

const char *answer_endpoint_state(const struct agent *agent, const struct warder_object *pod)
{
	const struct warder_host_pod *host = agent_host_pod(agent, pod->uid);
	size_t covered = 0, attached = 0;

	if (pod->pod.host_network)
		return "host-network";
	if (!host || !host->n_links)
		return "waiting";
	for (size_t i = 0; i < host->n_links; i++) {
		covered += host->links[i].covered;
		attached += warder_datapath_is_attached(agent->datapath, host->links[i].ifindex);
	}
	if (covered < host->n_links)
		return "uncovered";
	return attached == host->n_links && endpoint_of(agent, pod) ? "attached" : "waiting";
}

/* The policies that select an endpoint, with the directions that each judges. */
static json_t *selected_by(const struct agent *agent, const struct warder_object *pod)
{
	const struct warder_matrix_endpoint *endpoint = endpoint_of(agent, pod);
	const struct warder_object *policies[POLICIES_TOLD];
	json_t *list = json_array();
	size_t n = 0;

	if (endpoint)
		n = warder_matrix_selected_by(agent->matrix, endpoint - agent->matrix->endpoints,
					      policies, POLICIES_TOLD);
	for (size_t i = 0; i < n && i < POLICIES_TOLD; i++) {
		json_t *directions = json_array();

		for (unsigned d = 0; d < 2; d++)
			if (warder_policy_judges(policies[i]->policy, d))
				json_array_append_new(directions, json_string(answer_direction(d)));
		json_array_append_new(
			list, json_pack("{s:s, s:o, s:s, s:s, s:o}", "kind", policies[i]->kind_name,
					"namespace", answer_string(policies[i]->ns), "name",
					policies[i]->name, "mode",
					answer_mode(answer_policy_audits(agent, policies[i])),
					"directions", directions));
	}
	return list;
}

static json_t *endpoint_json(const struct agent *agent, const struct warder_object *pod,
			     const struct warder_counter *counters, __u32 slots)
{
	const struct warder_matrix_endpoint *endpoint = endpoint_of(agent, pod);
	__u16 slot = slot_of(agent, pod);
	struct warder_counter sums[3] = {0};
	char identity[400];
	json_t *selected = selected_by(agent, pod), *json;

	snprintf(identity, sizeof(identity), "spiffe://%s/ns/%s/sa/%s", agent->config->trust_domain,
		 pod->ns, pod->pod.service_account);
	if (slot && slot < slots)
		answer_sum(&counters[(size_t)slot * WARDER_COUNTERS_PER_SLOT], sums);
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:o, s:s, s:s, s:{s:b, s:b}, s:i, "
			 "s:o, s:o, s:o}",
			 "namespace", pod->ns, "pod", pod->name, "service_account",
			 pod->pod.service_account, "identity", identity, "uid", pod->uid, "slot",
			 slot, "node", pod->pod.node, "addresses", addresses(&pod->pod), "state",
			 answer_endpoint_state(agent, pod), "mode",
			 answer_mode(agent->config->audit), "isolated", "ingress",
			 endpoint && endpoint->isolated[WARDER_INGRESS], "egress",
			 endpoint && endpoint->isolated[WARDER_EGRESS], "policies",
			 (int)json_array_size(selected), "links",
			 links(agent, agent_host_pod(agent, pod->uid)), "deny",
			 answer_counts(&sums[1]), "would_deny", answer_counts(&sums[2]));
	json_decref(selected);
	return json;
}

static bool listed(const struct agent *agent, const struct warder_object *pod)
{
	return agent_pod_is_local(agent, pod) && pod->pod.phase != WARDER_POD_FINISHED;
}

static void held_row(const struct agent *agent, const struct warder_host_link *link,
		     const char *uid, json_t *list)
{
	struct warder_counter none = {0};

	json_array_append_new(
		list,
		json_pack("{s:n, s:n, s:n, s:s, s:o, s:i, s:s, s:[], s:s, s:s, s:{s:b, s:b}, s:i, "
			  "s:[{s:s, s:i, s:s, s:b}], "
			  "s:o, s:o}",
			  "namespace", "pod", "service_account", "identity", "unknown", "uid",
			  answer_string(uid), "slot", 0, "node", agent->config->node, "addresses",
			  "state", "held", "mode", answer_mode(agent->config->audit), "isolated",
			  "ingress", 1, "egress", 1, "policies", 0, "links", "name", link->name,
			  "ifindex", link->ifindex, "kind", link->kind, "attached",
			  warder_datapath_is_attached(agent->datapath, link->ifindex), "deny",
			  answer_counts(&none), "would_deny", answer_counts(&none)));
}

static bool is_known(const struct agent *agent, const struct warder_host_pod *host)
{
	size_t n;
	struct warder_object *const *pods = warder_store_list(agent->store, WARDER_KIND_POD, &n);
	__u8 want[16], have[16];

	agent_uid(host->uid, want);
	for (size_t i = 0; i < n; i++) {
		if (!listed(agent, pods[i]))
			continue;
		agent_uid(pods[i]->uid, have);
		if (!memcmp(want, have, sizeof(want)))
			return true;
	}
	return false;
}

/* Links that are a pod's by their name or their namespace, and whose pod no object names: one row a link. */
void answer_held(const struct agent *agent, json_t *list)
{
	size_t n;
	const struct warder_host_pod *pods = warder_host_pods(agent->host, &n);

	for (size_t i = 0; i < agent->n_held; i++)
		held_row(agent, &agent->held[i].link, NULL, list);
	for (size_t i = 0; agent->config->hold && i < n; i++) {
		if (pods[i].host_network || !pods[i].n_links || is_known(agent, &pods[i]))
			continue;
		for (size_t l = 0; l < pods[i].n_links; l++)
			if (pods[i].links[l].covered)
				held_row(agent, &pods[i].links[l], pods[i].uid, list);
	}
}

void answer_endpoint_list(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	__u32 slots;
	CLEANUP(cleanup_free) struct warder_counter *counters = answer_counters(agent, &slots);
	size_t n;
	struct warder_object *const *pods = warder_store_list(agent->store, WARDER_KIND_POD, &n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (listed(agent, pods[i]))
			json_array_append_new(list, endpoint_json(agent, pods[i], counters, slots));
	answer_held(agent, list);
	warder_api_answer(client, json_pack("{s:o}", "endpoints", list), false);
}

/* A local pod by "namespace/name" or by an address. */
static const struct warder_object *find(const struct agent *agent, const char *text)
{
	size_t n;
	struct warder_object *const *pods = warder_store_list(agent->store, WARDER_KIND_POD, &n);
	const char *slash = strchr(text, '/');
	struct warder_addr addr;
	bool by_addr = !slash && !warder_addr_parse(text, &addr);

	for (size_t i = 0; i < n; i++) {
		if (!listed(agent, pods[i]))
			continue;
		if (slash && !strncmp(pods[i]->ns, text, slash - text) &&
		    !pods[i]->ns[slash - text] && !strcmp(pods[i]->name, slash + 1))
			return pods[i];
		for (size_t a = 0;
		     by_addr && !pods[i]->pod.host_network && a < pods[i]->pod.n_addrs; a++)
			if (!warder_addr_compare(&pods[i]->pod.addrs[a], &addr))
				return pods[i];
	}
	return NULL;
}

static json_t *slot_counters(const struct warder_counter *slot)
{
	json_t *list = json_array();

	for (unsigned direction = 0; direction < 2; direction++) {
		for (unsigned i = 0; i < 2 * WARDER_REASON_MAX; i++) {
			unsigned audited = i / WARDER_REASON_MAX, reason = i % WARDER_REASON_MAX;
			const struct warder_counter *c =
				&slot[warder_counter_index(0, direction, audited, reason)];

			if (c->packets)
				json_array_append_new(
					list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "direction",
							answer_direction(direction), "verdict",
							answer_verdict(audited, reason), "reason",
							answer_reason(reason), "packets",
							(json_int_t)c->packets, "bytes",
							(json_int_t)c->bytes));
		}
	}
	return list;
}

static json_t *flags_json(const struct agent *agent, const struct warder_object *pod)
{
	json_t *list = json_array();

	if (warder_config_is_opaque(agent->config, pod->ns, pod->name, pod->pod.runtime_class))
		json_array_append_new(list, json_string("opaque"));
	if (!agent->config->host_access)
		json_array_append_new(list, json_string("judge-host"));
	return list;
}

void answer_endpoint_get(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	const char *name = json_string_value(json_object_get(arguments, "endpoint"));
	const struct warder_object *pod = name ? find(agent, name) : NULL;
	const struct warder_matrix_endpoint *endpoint;
	const struct warder_host_pod *host;
	__u32 slots;
	CLEANUP(cleanup_free) struct warder_counter *counters = NULL;
	json_t *json;
	__u16 slot;

	if (!pod)
		return warder_api_fail(
			client,
			"no pod %s runs on node %s: warderctl endpoint list names those that do",
			name ? name : "(none given)", agent->config->node);
	counters = answer_counters(agent, &slots);
	endpoint = endpoint_of(agent, pod);
	host = agent_host_pod(agent, pod->uid);
	slot = slot_of(agent, pod);
	json = endpoint_json(agent, pod, counters, slots);
	json_object_set_new(json, "cgroup",
			    host ? json_pack("{s:I, s:s}", "id", (json_int_t)host->cgroup, "path",
					     host->cgroup_path)
				 : json_null());
	json_object_set_new(json, "netns", json_integer(host ? (json_int_t)host->netns : 0));
	json_object_set_new(json, "group", json_integer(endpoint ? endpoint->group : 0));
	json_object_set_new(json, "flags", flags_json(agent, pod));
	json_object_set_new(json, "selected_by", selected_by(agent, pod));
	json_object_set_new(
		json, "counters",
		slot && slot < slots
			? slot_counters(&counters[(size_t)slot * WARDER_COUNTERS_PER_SLOT])
			: json_array());
	warder_api_answer(client, json, false);
}

static json_t *identity_json(const struct agent *agent, const char *ns, const char *service_account)
{
	size_t n;
	struct warder_object *const *pods = warder_store_list(agent->store, WARDER_KIND_POD, &n);
	json_t *addrs = json_array();
	unsigned all = 0, local = 0;
	char identity[400], text[WARDER_ADDRESS_TEXT];

	for (size_t i = 0; i < n; i++) {
		const struct warder_pod *pod = &pods[i]->pod;

		if (pod->phase == WARDER_POD_FINISHED || strcmp(pods[i]->ns, ns) ||
		    strcmp(pod->service_account, service_account))
			continue;
		all++;
		local += agent_pod_is_local(agent, pods[i]);
		for (size_t a = 0; a < pod->n_addrs && json_array_size(addrs) < ADDRESSES_TOLD; a++)
			json_array_append_new(
				addrs, json_string(warder_addr_format(&pod->addrs[a], text)));
	}
	snprintf(identity, sizeof(identity), "spiffe://%s/ns/%s/sa/%s", agent->config->trust_domain,
		 ns, service_account);
	return json_pack("{s:s, s:s, s:s, s:I, s:b, s:i, s:i, s:o}", "identity", identity,
			 "namespace", ns, "service_account", service_account, "number",
			 (json_int_t)warder_planner_identity_number(
				 warder_datapath_planner(agent->datapath), ns, service_account),
			 "reserved", 0, "pods", all, "local_pods", local, "addresses", addrs);
}

void answer_identity_list(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	json_t *list = json_array();

	for (__u32 i = WARDER_IDENTITY_HOST; i <= WARDER_IDENTITY_SERVICE; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:n, s:n, s:i, s:b, s:i, s:i, s:[]}",
						"identity", agent_reserved_name(i), "namespace",
						"service_account", "number", i, "reserved", 1,
						"pods", 0, "local_pods", 0, "addresses"));
	for (size_t i = 0; agent->matrix && i < agent->matrix->n_identities; i++)
		json_array_append_new(list,
				      identity_json(agent, agent->matrix->identities[i].ns,
						    agent->matrix->identities[i].service_account));
	warder_api_answer(client, json_pack("{s:o}", "identities", list), false);
}

void answer_counter_list(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	__u32 slots;
	CLEANUP(cleanup_free) struct warder_counter *counters = answer_counters(agent, &slots);
	json_t *list = json_array();

	for (__u32 slot = 0; slot < slots; slot++) {
		const struct warder_matrix_endpoint *endpoint = agent_endpoint_of_slot(agent, slot);
		json_t *rows = slot_counters(&counters[(size_t)slot * WARDER_COUNTERS_PER_SLOT]),
		       *row;
		size_t i;

		json_array_foreach(rows, i, row)
		{
			json_object_set_new(row, "namespace",
					    endpoint ? json_string(endpoint->pod->ns)
						     : json_null());
			json_object_set_new(row, "pod",
					    endpoint ? json_string(endpoint->pod->name)
						     : json_null());
		}
		json_array_extend(list, rows);
		json_decref(rows);
	}
	warder_api_answer(client, json_pack("{s:o}", "counters", list), false);
}
