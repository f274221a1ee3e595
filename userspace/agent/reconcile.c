/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects + machine -> maps: compiles when objects changed, joins each local pod with its links and
 * cgroup, has the datapath write the difference, attaches what is not attached.  Runs at most once a
 * turn of the loop, whatever the number of changes.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/log.h"

/* What one endpoint of a plan borrows while the plan is made. */
struct join {
	struct warder_plan_endpoint *endpoints;
	size_t n;
	struct warder_link *links; /* all of them, one array */
	size_t n_links;
};

static void join_release(struct join *join)
{
	free(join->endpoints);
	free(join->links);
}

void agent_uid(const char *text, __u8 ret[16])
{
	unsigned digits = 0;
	__u64 hash[2] = {0xcbf29ce484222325ULL, 0x9ae16a3b2f90404fULL};

	memset(ret, 0, 16);
	for (const char *c = text; *c; c++) {
		if (*c == '-')
			continue;
		if (!isxdigit((unsigned char)*c) || digits == 32) {
			digits = 0;
			break;
		}
		ret[digits / 2] =
			ret[digits / 2] << 4 |
			(isdigit((unsigned char)*c) ? *c - '0' : (tolower(*c) - 'a' + 10));
		digits++;
	}
	if (digits == 32)
		return;
	for (const char *c = text; *c; c++) { /* FNV-1a, twice: no UID of Kubernetes' own form */
		hash[0] = (hash[0] ^ (__u8)*c) * 0x100000001b3ULL;
		hash[1] = (hash[1] ^ (__u8)*c) * 0x100000001b3ULL;
	}
	memcpy(ret, hash, sizeof(hash));
}

const struct warder_host_pod *agent_host_pod(const struct agent *agent, const char *uid)
{
	size_t n;
	const struct warder_host_pod *pods = warder_host_pods(agent->host, &n);
	__u8 want[16], have[16];

	agent_uid(uid, want);
	for (size_t i = 0; i < n; i++) {
		agent_uid(pods[i].uid, have);
		if (!memcmp(want, have, sizeof(want)))
			return &pods[i];
	}
	return NULL;
}

/* Endpoint flags that the configuration gives to every endpoint. */
static __u16 common_flags(const struct agent *agent)
{
	return (agent->config->audit ? WARDER_SLOT_AUDIT : 0) |
	       (agent->config->host_access ? 0 : WARDER_SLOT_JUDGE_HOST);
}

static __u16 pod_flags(const struct agent *agent, const struct warder_object *pod)
{
	__u16 flags = common_flags(agent);

	if (warder_config_is_opaque(agent->config, pod->ns, pod->name, pod->pod.runtime_class))
		flags |= WARDER_SLOT_OPAQUE | WARDER_SLOT_NO_CONNECT;
	return flags;
}

static void join_link(struct join *join, const struct warder_host_link *link)
{
	struct warder_link *to = &join->links[join->n_links++];

	memset(to, 0, sizeof(*to));
	to->ifindex = link->ifindex;
	to->netnsid = link->netnsid;
	memcpy(to->mac, link->peer_mac, sizeof(to->mac));
}

static void join_links(struct join *join, struct warder_plan_endpoint *endpoint,
		       const struct warder_host_link *links, size_t n)
{
	struct warder_link *first = &join->links[join->n_links];

	for (size_t i = 0; i < n; i++)
		if (links[i].covered)
			join_link(join, &links[i]);
	endpoint->links = first;
	endpoint->n_links = &join->links[join->n_links] - first;
}

static void join_pod(struct agent *agent, struct join *join,
		     const struct warder_matrix_endpoint *endpoint,
		     const struct warder_host_pod *host)
{
	const struct warder_object *pod = endpoint->pod;
	struct warder_plan_endpoint *to = &join->endpoints[join->n++];

	*to = (struct warder_plan_endpoint){
		.endpoint = endpoint,
		.cgroup = host->cgroup,
		.netns = host->netns,
		.flags = pod_flags(agent, pod),
		.addrs = pod->pod.addrs,
		.n_addrs = pod->pod.n_addrs,
	};
	agent_uid(pod->uid, to->uid);
	to->prefixes =
		warder_config_pod_prefixes(agent->config, pod->ns, pod->name, &to->n_prefixes);
	join_links(join, to, host->links, host->n_links);
}

/* Links of pods that the store does not know (yet), and veths that are a pod's by their namespace. */
static void join_held(struct agent *agent, struct join *join, const struct warder_host_pod *pods,
		      size_t n_pods, const bool *known)
{
	for (size_t i = 0; i < n_pods; i++) {
		struct warder_plan_endpoint *to;

		if (known[i] || pods[i].host_network || !pods[i].n_links)
			continue;
		to = &join->endpoints[join->n++];
		*to = (struct warder_plan_endpoint){.cgroup = pods[i].cgroup,
						    .netns = pods[i].netns,
						    .flags =
							    common_flags(agent) | WARDER_SLOT_HOLD};
		agent_uid(pods[i].uid, to->uid);
		join_links(join, to, pods[i].links, pods[i].n_links);
	}
	for (size_t i = 0; i < agent->n_held; i++) {
		struct warder_plan_endpoint *to = &join->endpoints[join->n++];

		*to = (struct warder_plan_endpoint){.flags =
							    common_flags(agent) | WARDER_SLOT_HOLD};
		memcpy(to->uid, "held link ", 10);
		memcpy(to->uid + 12, &agent->held[i].ifindex, 4);
		join_links(join, to, &agent->held[i].link, 1);
	}
}

/* A held link that has become a known pod's is held no longer. */
static void drop_found(struct agent *agent, const struct warder_host_pod *pods, size_t n_pods)
{
	for (size_t i = 0; i < n_pods; i++)
		for (size_t l = 0; l < pods[i].n_links; l++)
			agent_link_forget(agent, pods[i].links[l].ifindex);
}

static int join_make(struct agent *agent, const struct warder_matrix *matrix, struct join *join)
{
	size_t n_pods, room = matrix->n_endpoints;
	const struct warder_host_pod *pods = warder_host_pods(agent->host, &n_pods);
	CLEANUP(cleanup_free) bool *known = calloc(n_pods + 1, sizeof(*known));
	size_t n_links = 0;

	drop_found(agent, pods, n_pods);
	for (size_t i = 0; i < n_pods; i++)
		n_links += pods[i].n_links;
	n_links += agent->n_held;
	join->endpoints = calloc(room + n_pods + agent->n_held + 1, sizeof(*join->endpoints));
	join->links = calloc(n_links + 1, sizeof(*join->links));
	if (!known || !join->endpoints || !join->links)
		return -ENOMEM;
	for (size_t i = 0; i < matrix->n_endpoints; i++) {
		const struct warder_host_pod *host =
			agent_host_pod(agent, matrix->endpoints[i].pod->uid);

		if (!host || host->host_network || known[host - pods])
			continue;
		known[host - pods] = true;
		join_pod(agent, join, &matrix->endpoints[i], host);
	}
	if (agent->config->hold)
		join_held(agent, join, pods, n_pods, known);
	return 0;
}

/* The process and namespace behind a link, where the host knows them. */
static struct warder_netns link_netns(const struct agent *agent, __u32 ifindex)
{
	size_t n;
	const struct warder_host_pod *pods = warder_host_pods(agent->host, &n);

	for (size_t i = 0; i < n; i++)
		for (size_t l = 0; l < pods[i].n_links; l++)
			if (pods[i].links[l].ifindex == ifindex)
				return (struct warder_netns){.pid = pods[i].pid,
							     .inode = pods[i].netns};
	return (struct warder_netns){0};
}

static void attach_all(struct agent *agent, const struct join *join)
{
	for (size_t i = 0; i < join->n; i++) {
		for (size_t l = 0; l < join->endpoints[i].n_links; l++) {
			__u32 ifindex = join->endpoints[i].links[l].ifindex;
			struct warder_netns netns = link_netns(agent, ifindex);
			struct warder_error error = {0};

			if (warder_datapath_is_attached(agent->datapath, ifindex))
				continue;
			if (warder_datapath_attach(agent->datapath, ifindex, &netns, &error))
				log_error("link %u is not covered: %s", ifindex, error.text);
		}
	}
}

struct warder_compile_options agent_compile_options(const struct agent *agent)
{
	struct warder_compile_options options = {
		.node = agent->config->node,
		.trust_domain = agent->config->trust_domain,
		.pod_ranges = agent->config->pod_ranges,
		.n_pod_ranges = agent->config->n_pod_ranges,
		.apiserver_addrs = agent->config->apiservers,
		.n_apiserver_addrs = agent->config->n_apiservers,
		.judge_host = !agent->config->host_access,
	};

	options.host_addrs = warder_host_addrs(agent->host, &options.n_host_addrs);
	return options;
}

static int compile(struct agent *agent, struct warder_matrix **ret, struct warder_error *error)
{
	struct warder_compile_options options = agent_compile_options(agent);

	return warder_compile(agent->store, &options, ret, error);
}

/* Which local pods are in the host's own namespace, and which are about to enter one of theirs. */
static void expect(struct agent *agent)
{
	size_t n, count = 0;
	struct warder_object *const *pods = warder_store_list(agent->store, WARDER_KIND_POD, &n);
	CLEANUP(cleanup_free)
	struct warder_host_expected *expected = calloc(n + 1, sizeof(*expected));

	if (!expected)
		return;
	for (size_t i = 0; i < n; i++)
		if (agent_pod_is_local(agent, pods[i]) && pods[i]->pod.phase != WARDER_POD_FINISHED)
			expected[count++] = (struct warder_host_expected){
				pods[i]->uid, pods[i]->pod.host_network};
	warder_host_expect(agent->host, expected, count);
}

static void count_change(struct agent *agent, size_t writes)
{
	unsigned long long us = agent->seen_ns ? (uv_hrtime() - agent->seen_ns) / 1000 : 0;
	unsigned bucket = 0;

	agent->generation++;
	agent->writes += writes;
	if (!agent->seen_ns)
		return;
	while (bucket < 31 && us >> bucket)
		bucket++;
	agent->change_histogram[bucket]++;
	agent->changes++;
	agent->change_last_us = us;
	if (us > agent->change_max_us)
		agent->change_max_us = us;
	agent->seen_ns = 0;
}

static void trouble(struct agent *agent, const char *what, const struct warder_error *error)
{
	char text[sizeof(agent->trouble)];

	snprintf(text, sizeof(text), "%s: %.400s", what, error->text);
	if (strcmp(text, agent->trouble))
		log_error("%s", text);
	memcpy(agent->trouble, text, sizeof(text));
}

/* Events wait for the first plan: before it nobody knows whose slot is whose, and what was refused while no
 * agent ran would be told without names. */
static void listen_to_events(struct agent *agent)
{
	if (agent->listening)
		return;
	agent->listening = true;
	warder_datapath_listen(agent->datapath);
}

void agent_reconcile(struct agent *agent)
{
	struct warder_matrix *matrix = NULL;
	struct warder_error error = {0};
	struct join join = {0};
	size_t writes = 0;
	int rc;

	if (!agent->host_seen)
		return;
	if (compile(agent, &matrix, &error)) {
		agent->compiled_ok = false;
		trouble(agent, "policy is not compiled, the last state stays in force", &error);
		listen_to_events(agent);
		return;
	}
	agent->compiled_ok = true;
	expect(agent);
	rc = join_make(agent, matrix, &join);
	if (!rc)
		rc = warder_datapath_apply(agent->datapath, matrix, join.endpoints, join.n, &writes,
					   &error);
	agent->applied_ok = !rc;
	if (rc) {
		trouble(agent, "the maps are not up to date, the last state stays in force",
			&error);
		warder_matrix_free(matrix);
	} else {
		agent->trouble[0] = 0;
		agent->store_version = warder_store_version(agent->store);
		warder_matrix_free(agent->matrix);
		agent->matrix = matrix;
		count_change(agent, writes);
		attach_all(agent, &join);
	}
	join_release(&join);
	listen_to_events(agent);
	agent_barriers_check(agent);
}

static void work(uv_idle_t *idle)
{
	uv_idle_stop(idle);
	agent_reconcile(idle->data);
}

void agent_changed(struct agent *agent, unsigned long long seen_ns)
{
	if (seen_ns && (!agent->seen_ns || seen_ns < agent->seen_ns))
		agent->seen_ns = seen_ns;
	if (uv_is_closing((uv_handle_t *)&agent->work))
		return;
	uv_idle_start(&agent->work, work);
}

/*
 * A link that the maps do not name passes nothing, so the programs need not wait for them; but only where that is what
 * the mode wants, and not for the links that are there at the start, whose words are written first.
 */
static void attach_early(struct agent *agent, __u32 ifindex)
{
	struct warder_netns netns = {0};
	struct warder_error error = {0};

	if (agent->config->audit || !agent->matrix ||
	    warder_datapath_is_attached(agent->datapath, ifindex))
		return;
	warder_host_link_netns(agent->host, ifindex, &netns.inode, &netns.pid);
	if (warder_datapath_attach(agent->datapath, ifindex, &netns, &error))
		log_error("link %u is not covered: %s", ifindex, error.text);
}

void agent_hold(struct agent *agent, const struct warder_host_link *link)
{
	struct agent_held *grown;

	if (!agent->config->hold || !link->covered)
		return;
	for (size_t i = 0; i < agent->n_held; i++)
		if (agent->held[i].ifindex == link->ifindex)
			return;
	grown = realloc(agent->held, (agent->n_held + 1) * sizeof(*grown));
	if (!grown)
		return;
	agent->held = grown;
	agent->held[agent->n_held++] = (struct agent_held){.ifindex = link->ifindex, .link = *link};
	attach_early(agent, link->ifindex);
	agent_changed(agent, uv_hrtime());
}

void agent_link_forget(struct agent *agent, __u32 ifindex)
{
	for (size_t i = 0; i < agent->n_held; i++)
		if (agent->held[i].ifindex == ifindex)
			agent->held[i--] = agent->held[--agent->n_held];
}

void agent_link_gone(struct agent *agent, __u32 ifindex)
{
	warder_datapath_link_gone(agent->datapath, ifindex);
	agent_link_forget(agent, ifindex);
	agent_changed(agent, uv_hrtime());
}

static void missing_add(json_t *list, const struct warder_object *pod, const char *why)
{
	json_array_append_new(list, json_sprintf("pod %s/%s: %s", pod->ns, pod->name, why));
}

static void missing_links(const struct agent *agent, const struct warder_object *pod,
			  const struct warder_host_pod *host, json_t *list)
{
	size_t covered = 0;

	for (size_t l = 0; l < host->n_links; l++) {
		if (!host->links[l].covered)
			continue;
		covered++;
		if (!warder_datapath_is_attached(agent->datapath, host->links[l].ifindex))
			missing_add(list, pod, "its link has no program yet");
	}
	if (!covered)
		missing_add(list, pod, "none of its links is a veth");
}

bool agent_pod_is_local(const struct agent *agent, const struct warder_object *pod)
{
	return pod->pod.node && !strcmp(pod->pod.node, agent->config->node);
}

json_t *agent_missing(const struct agent *agent)
{
	size_t n;
	struct warder_object *const *pods = warder_store_list(agent->store, WARDER_KIND_POD, &n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct warder_host_pod *host;

		if (pods[i]->pod.host_network || pods[i]->pod.phase != WARDER_POD_RUNNING ||
		    !agent_pod_is_local(agent, pods[i]))
			continue;
		host = agent_host_pod(agent, pods[i]->uid);
		if (!host)
			missing_add(list, pods[i], "no cgroup has its UID yet");
		else if (!host->n_links && !host->netns)
			missing_add(list, pods[i],
				    "no process in a network namespace of its own yet");
		else if (!host->n_links)
			missing_add(list, pods[i], "its network namespace has no link here yet");
		else
			missing_links(agent, pods[i], host, list);
	}
	return list;
}
