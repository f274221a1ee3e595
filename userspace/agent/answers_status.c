/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent tells about itself: status, wait, config, maps, drops, and the live stream of alerts. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/answers.h"
#include "base/cleanup.h"
#include "version.h"
#include "warder/layout.h"
#include "warder/reason.h"

#define WAIT_DEFAULT_MS 10000
#define WAIT_MAX_MS	3600000
#define MONITOR_BACKLOG (1 << 20) /* bytes that a slow reader of the stream may be behind */

static json_t *source_problems(const struct agent *agent, bool *ret_fatal)
{
	json_t *list = json_array();
	size_t n;
	const struct warder_source_problem *problems =
		agent->source->ops->problems(agent->source, &n);

	for (size_t i = 0; i < n; i++) {
		*ret_fatal |= problems[i].fatal;
		json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "where", problems[i].where,
						      "what", problems[i].what, "fatal",
						      problems[i].fatal));
	}
	return list;
}

/* Under a mistaken --node no pod is local, and all are held: worth a line. */
static bool node_is_known(const struct agent *agent)
{
	size_t n;
	struct warder_object *const *nodes = warder_store_list(agent->store, WARDER_KIND_NODE, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(nodes[i]->name, agent->config->node))
			return true;
	return !n; /* a directory of pods and policies alone is fine */
}

static json_t *matrix_problems(const struct agent *agent)
{
	json_t *list = json_array();

	for (size_t i = 0; agent->matrix && i < agent->matrix->n_problems; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "object",
						      agent->matrix->problems[i].object, "what",
						      agent->matrix->problems[i].what));
	if (!node_is_known(agent))
		json_array_append_new(
			list, json_pack("{s:o, s:s}", "object",
					json_sprintf("Node %s", agent->config->node), "what",
					"no Node of the manifests has this name: only pods whose "
					"nodeName it is are this machine's; see --node"));
	if (agent->trouble[0])
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "object", "maps", "what", agent->trouble));
	if (warder_host_problem(agent->host))
		json_array_append_new(list, json_pack("{s:s, s:s}", "object", "pods", "what",
						      warder_host_problem(agent->host)));
	return list;
}

struct attach_problems {
	const struct agent *agent;
	json_t *list;
};

static void attach_problem(void *data, __u32 ifindex, const char *what)
{
	struct attach_problems *problems = data;

	json_array_append_new(
		problems->list,
		json_pack("{s:o, s:s}", "object", json_sprintf("link %u", ifindex), "what", what));
}

static json_t *endpoint_counts(const struct agent *agent, bool *ret_ready)
{
	size_t n, total = 0, attached = 0, held, waiting = 0, uncovered = 0, host_network = 0;
	json_t *rows = json_array();
	struct warder_object *const *pods = warder_store_list(agent->store, WARDER_KIND_POD, &n);

	for (size_t i = 0; i < n; i++) {
		const char *state;

		if (!agent_pod_is_local(agent, pods[i]) ||
		    pods[i]->pod.phase == WARDER_POD_FINISHED)
			continue;
		state = answer_endpoint_state(agent, pods[i]);
		total++;
		attached += !strcmp(state, "attached");
		waiting += !strcmp(state, "waiting");
		uncovered += !strcmp(state, "uncovered");
		host_network += !strcmp(state, "host-network");
	}
	answer_held(agent, rows);
	held = json_array_size(rows);
	json_decref(rows);
	*ret_ready = !uncovered;
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)total, "attached",
			 (json_int_t)attached, "held", (json_int_t)held, "waiting",
			 (json_int_t)waiting, "uncovered", (json_int_t)uncovered, "host_network",
			 (json_int_t)host_network);
}

static json_t *policy_counts(const struct agent *agent)
{
	size_t total = 0, audit = 0, broken = 0;
	bool in_force = agent->matrix &&
			agent->store_version == warder_store_version(agent->store) &&
			!agent->trouble[0];

	for (int kind = 0; kind < WARDER_KINDS; kind++) {
		size_t n;
		struct warder_object *const *policies;

		if (!warder_kind_is_policy(kind))
			continue;
		policies = warder_store_list(agent->store, kind, &n);
		for (size_t i = 0; i < n; i++) {
			total++;
			audit += answer_policy_audits(agent, policies[i]);
			broken += policies[i]->policy->broken != NULL;
		}
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "total", (json_int_t)total, "in_force",
			 (json_int_t)(in_force ? total : 0), "audit", (json_int_t)audit, "broken",
			 (json_int_t)broken);
}

static json_t *foreign(const struct agent *agent)
{
	json_t *list = json_array();
	size_t n;
	struct warder_object *const *objects =
		warder_store_list(agent->store, WARDER_KIND_FOREIGN, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:s%, s:o}", "api_version",
					objects[i]->api_version, "kind", objects[i]->kind_name,
					"namespace", answer_string(objects[i]->ns), "name",
					objects[i]->name, warder_object_name_length(objects[i]),
					"origin", answer_string(objects[i]->origin)));
	return list;
}

static json_t *traffic(const struct agent *agent)
{
	__u32 slots;
	CLEANUP(cleanup_free) struct warder_counter *counters = answer_counters(agent, &slots);
	struct warder_counter sums[3] = {0};

	for (__u32 slot = 0; slot < slots; slot++)
		answer_sum(&counters[(size_t)slot * WARDER_COUNTERS_PER_SLOT], sums);
	return json_pack("{s:o, s:o, s:o}", "allow", answer_counts(&sums[0]), "deny",
			 answer_counts(&sums[1]), "would_deny", answer_counts(&sums[2]));
}

static json_t *alerts(const struct agent *agent)
{
	struct warder_telemetry_stats stats;

	warder_telemetry_stats(agent->telemetry, &stats);
	return json_pack("{s:s, s:I, s:I, s:I, s:I}", "place", agent->config->alerts, "written",
			 (json_int_t)stats.alerts, "suppressed", (json_int_t)stats.suppressed,
			 "write_errors", (json_int_t)stats.write_errors, "lost",
			 (json_int_t)stats.lost);
}

static json_t *feature(const char *name, bool ready, const char *message)
{
	return json_pack("{s:s, s:b, s:o}", "name", name, "ready", ready, "message",
			 ready ? json_null() : answer_string(message));
}

/* Each feature has its own readiness; one that is not asked for is not listed. */
static json_t *features(const struct agent *agent, bool source_fatal, bool covered,
			json_t *problems, bool *ret_ready)
{
	json_t *list = json_array(), *first = json_array_get(problems, 0);
	struct warder_telemetry_stats stats;
	const char *why = NULL;
	bool policy;

	if (agent->trouble[0])
		why = agent->trouble;
	else if (source_fatal)
		why = "a manifest is broken: its last good state is in force";
	else if (warder_host_problem(agent->host))
		why = warder_host_problem(agent->host);
	else if (!covered)
		why = "a pod has a link that cannot be judged: warderctl endpoint list";
	else if (json_array_size(problems))
		why = json_string_value(json_object_get(first, "what"));
	policy = !why && agent->matrix && agent->source->ops->synced(agent->source);
	warder_telemetry_stats(agent->telemetry, &stats);
	*ret_ready = true;
	if (agent->config->features & WARDER_FEATURE_POLICY) {
		json_array_append_new(
			list, feature("policy", policy,
				      why ? why : "the first state is not in the maps yet"));
		*ret_ready &= policy;
	}
	if (agent->config->features & WARDER_FEATURE_MESH) {
		json_array_append_new(list, feature("mesh", false,
						    "this version does not verify the mesh: take "
						    "mesh out of `features`"));
		*ret_ready = false;
	}
	if (agent->config->features & WARDER_FEATURE_ALERTS) {
		char failing[128];

		snprintf(failing, sizeof(failing), "alerts cannot be written, and wait: %s",
			 strerror(stats.failing));
		json_array_append_new(
			list, feature("alerts", !stats.lost && !stats.failing,
				      stats.failing ? failing
						    : "alerts could not be written and are "
						      "lost: see alerts in status -o json"));
		*ret_ready &= !stats.lost && !stats.failing;
	}
	return list;
}

void answer_status(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	const struct warder_config *config = agent->config;
	bool fatal = false, covered, ready;
	struct attach_problems attach = {agent, json_array()};
	json_t *problems = matrix_problems(agent), *source = source_problems(agent, &fatal), *list;
	json_t *endpoints = endpoint_counts(agent, &covered);
	struct utsname kernel;

	uname(&kernel);
	warder_datapath_check(agent->datapath, attach_problem, &attach);
	list = features(agent, fatal, covered, attach.list, &ready);
	json_array_extend(problems, attach.list);
	json_decref(attach.list);
	warder_api_answer(
		client,
		json_pack("{s:s, s:s, s:o, s:s, s:i, s:o, s:I, s:s, s:s, s:s, s:b, s:o, s:{s:s, "
			  "s:s, s:b, s:o}, "
			  "s:{s:s, s:s, s:s, s:s, s:i}, s:{s:I, s:I, s:f, s:f}, s:o, s:o, s:I, "
			  "s:o, s:o, s:o, s:o}",
			  "version", WARDER_VERSION, "node", config->node, "cluster",
			  answer_string(config->cluster), "trust_domain", config->trust_domain,
			  "pid", getpid(), "started", answer_time(agent->started), "uptime_seconds",
			  (json_int_t)(time(NULL) - agent->started), "mode",
			  answer_mode(config->audit), "mesh", "none", "proof", "unproven", "ready",
			  ready, "features", list, "source", "name", agent->source->ops->name,
			  "place", config->manifests, "synced",
			  agent->source->ops->synced(agent->source), "problems", source, "datapath",
			  "bpffs", config->bpffs, "cgroup_root",
			  warder_host_cgroup_root(agent->host), "hook",
			  warder_datapath_hook(agent->datapath), "kernel", kernel.release, "layout",
			  WARDER_LAYOUT, "revision", "seen",
			  (json_int_t)warder_store_version(agent->store), "in_force",
			  (json_int_t)agent->store_version, "last_ms",
			  agent->change_last_us / 1000.0, "max_ms", agent->change_max_us / 1000.0,
			  "endpoints", endpoints, "policies", policy_counts(agent), "identities",
			  (json_int_t)(agent->matrix ? agent->matrix->n_identities : 0),
			  "not_enforced", foreign(agent), "problems", problems, "traffic",
			  traffic(agent), "alerts", alerts(agent)),
		false);
}

void answer_wait(void *data, struct warder_api_client *client, const json_t *arguments)
{
	json_int_t timeout = WAIT_DEFAULT_MS;

	json_unpack((json_t *)arguments, "{s?I}", "timeout_ms", &timeout);
	if (timeout < 0 || timeout > WAIT_MAX_MS)
		return warder_api_fail(client, "timeout_ms must be from 0 to %d", WAIT_MAX_MS);
	agent_barrier_add(data, client, timeout);
}

void answer_config(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;

	warder_api_answer(client, json_pack("{s:O}", "keys", agent->config->shown), false);
}

struct map_rows {
	const struct agent *agent;
	json_t *list;
};

static void map_row(void *data, const char *name, __u32 max_entries, __u64 bytes, __u32 id)
{
	struct map_rows *rows = data;

	json_array_append_new(rows->list,
			      json_pack("{s:s, s:I, s:I, s:I, s:o}", "name", name, "id",
					(json_int_t)id, "max_entries", (json_int_t)max_entries,
					"bytes", (json_int_t)bytes, "pin",
					json_sprintf("%s/v%d/maps/%s", rows->agent->config->bpffs,
						     WARDER_LAYOUT, name)));
}

void answer_map_list(void *data, struct warder_api_client *client, const json_t *arguments)
{
	struct map_rows rows = {data, json_array()};

	warder_datapath_map_info(rows.agent->datapath, map_row, &rows);
	warder_api_answer(client, json_pack("{s:o}", "maps", rows.list), false);
}

static int by_packets(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "packets"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "packets"));

	return (x < y) - (x > y);
}

/* What was refused or would have been, by reason and direction over all slots, largest first. */
static json_t *top_reasons(const struct agent *agent, size_t limit)
{
	__u32 slots;
	CLEANUP(cleanup_free) struct warder_counter *counters = answer_counters(agent, &slots);
	json_t *rows[4 * WARDER_REASON_MAX], *list = json_array();
	size_t n = 0;

	for (unsigned i = 0; i < 4 * WARDER_REASON_MAX; i++) {
		unsigned direction = i / (2 * WARDER_REASON_MAX),
			 audited = i / WARDER_REASON_MAX % 2;
		unsigned reason = i % WARDER_REASON_MAX;
		struct warder_counter sum = {0};

		if (!audited && reason < WARDER_REASON_DROP)
			continue;
		for (__u32 slot = 0; slot < slots; slot++) {
			sum.packets +=
				counters[warder_counter_index(slot, direction, audited, reason)]
					.packets;
			sum.bytes +=
				counters[warder_counter_index(slot, direction, audited, reason)]
					.bytes;
		}
		if (sum.packets)
			rows[n++] = json_pack(
				"{s:s, s:s, s:s, s:I, s:I}", "reason", answer_reason(reason),
				"direction", answer_direction(direction), "verdict",
				answer_verdict(audited, reason), "packets", (json_int_t)sum.packets,
				"bytes", (json_int_t)sum.bytes);
	}
	qsort(rows, n, sizeof(*rows), by_packets);
	for (size_t i = 0; i < n; i++) {
		if (i < limit)
			json_array_append(list, rows[i]);
		json_decref(rows[i]);
	}
	return list;
}

void answer_drops(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	json_int_t limit = 10;

	json_unpack((json_t *)arguments, "{s?I}", "limit", &limit);
	if (limit < 1 || limit > 1000)
		return warder_api_fail(client, "limit must be from 1 to 1000");
	warder_api_answer(client,
			  json_pack("{s:o, s:o, s:o}", "since", answer_time(agent->started),
				    "reasons", top_reasons(agent, limit), "pairs",
				    warder_telemetry_pairs(agent->telemetry, limit)),
			  false);
}

/* One `warderctl monitor`. */
struct monitor {
	struct agent *agent;
	struct warder_api_client *client;
	void *listener;
	struct warder_alert_filter filter;
	unsigned long long lost;
};

static void monitor_gone(void *data)
{
	struct monitor *monitor = data;

	warder_telemetry_unlisten(monitor->agent->telemetry, monitor->listener);
	free(monitor);
}

static void monitor_alert(void *data, const struct warder_alert *alert)
{
	struct monitor *monitor = data;

	if (!warder_alert_filter_matches(&monitor->filter, alert))
		return;
	if (warder_api_backlog(monitor->client) > MONITOR_BACKLOG) {
		monitor->lost++;
		return;
	}
	if (monitor->lost) {
		warder_api_answer(monitor->client,
				  json_pack("{s:I}", "lost", (json_int_t)monitor->lost), true);
		monitor->lost = 0;
	}
	warder_api_answer(monitor->client, warder_alert_json(alert), true);
}

void answer_monitor(void *data, struct warder_api_client *client, const json_t *arguments)
{
	struct warder_alert_filter filter;
	struct warder_error error;
	struct monitor *monitor;

	if (warder_alert_filter_parse(arguments, &filter, &error))
		return warder_api_fail(client, "%s", error.text);
	monitor = calloc(1, sizeof(*monitor));
	if (!monitor)
		return warder_api_fail(client, "out of memory");
	monitor->agent = data;
	monitor->client = client;
	monitor->filter = filter;
	monitor->listener =
		warder_telemetry_listen(monitor->agent->telemetry, monitor_alert, monitor);
	warder_api_client_watch(client, monitor_gone, monitor);
}
