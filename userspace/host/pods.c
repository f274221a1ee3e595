/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network namespace is a pod's.  A process may be in the pod's cgroup before it enters the
 * namespace, may enter several, and other processes may enter the pod's: what counts is a namespace
 * with a link of this node, the one of the sandbox, the one that it was before, then the one of
 * most processes.  No link is given to a pod here.
 */
#include <errno.h>
#include <string.h>

#include "host/state.h"

#define PAUSE_PART   8	   /* the pause is this part of the time that one has looked already ... */
#define PAUSE_MAX_MS 10000 /* ... and no longer than this */
#define GIVE_UP_MS   60000 /* for what only a link's event can complete */

struct host_pod *host_pod_get(struct warder_host *host, const char *uid)
{
	struct host_pod *pod;

	HASH_FIND_STR(host->pods, uid, pod);
	if (pod)
		return pod;
	pod = calloc(1, sizeof(*pod));
	if (!pod)
		return NULL;
	strncpy(pod->uid, uid, sizeof(pod->uid) - 1);
	pod->nsid = -1;
	pod->next = HOST_NEVER;
	HASH_ADD_STR(host->pods, uid, pod);
	host_pod_expect(host, pod);
	return pod;
}

void host_pod_free(struct warder_host *host, struct host_pod *pod)
{
	struct host_link *link, *next;

	HASH_ITER (hh, host->links, link, next)
		if (link->pod == pod)
			link->pod = NULL;
	HASH_CLEAR(by_nsid, host->nsids); /* made anew at the next join */
	HASH_DEL(host->pods, pod);
	free(pod->path);
	free(pod);
}

bool host_has_link(const struct warder_host *host, __s32 nsid)
{
	if (nsid < 0)
		return false;
	for (const struct host_link *link = host->links; link; link = link->hh.next)
		if (link->now.netnsid == nsid)
			return true;
	return false;
}

/* The pod's among the namespaces of its processes; NULL where all are the agent's or the machine's
 * first. */
static const struct warder_namespace_found *choose(const struct warder_host *host,
						   const struct host_pod *pod,
						   struct warder_namespace_found *found, size_t n)
{
	const struct warder_namespace_found *best = NULL;
	int best_rank = -1;

	for (size_t i = 0; i < n; i++) {
		int rank;

		if (found[i].inode == host->own_netns || found[i].inode == host->first_netns)
			continue;
		found[i].nsid = warder_namespace_id(host->query, found[i].pid, found[i].inode);
		rank = host_has_link(host, found[i].nsid) * 4 + found[i].sandbox * 2 +
		       (found[i].inode == pod->netns);
		if (rank > best_rank) { /* the list has most processes first */
			best = &found[i];
			best_rank = rank;
		}
	}
	return best;
}

static bool is_host_network(const struct host_pod *pod)
{
	if (!pod->at_home)
		return pod->expected_host;
	return pod->expected ? pod->expected_host : host_now() - pod->since >= HOST_BELIEVE_MS;
}

static bool take_directory(struct warder_host *host, struct host_pod *pod)
{
	struct warder_cgroup_pod cgroup;

	if (!warder_cgroups_pod(host->cgroups, pod->uid, &cgroup))
		return false;
	pod->cgroup = cgroup.id;
	pod->events = cgroup.events;
	if (!pod->path || strcmp(pod->path, cgroup.path)) {
		free(pod->path);
		pod->path = strdup(cgroup.path);
	}
	return pod->path != NULL;
}

bool host_pod_look(struct warder_host *host, struct host_pod *pod)
{
	struct warder_namespace_found found[WARDER_NAMESPACES];
	const struct warder_namespace_found *best = NULL;
	unsigned processes = 0;
	size_t n;

	pod->due = false;
	if (!take_directory(host, pod))
		return false;
	pod->looked = host_now();
	if (pod->asked || !pod->since)
		pod->since = pod->looked;
	pod->asked = false;
	n = warder_namespaces_find(pod->path, found, &processes);
	if (!pod->expected_host)
		best = choose(host, pod, found, n);
	if (best) {
		if (best->inode != pod->netns || best->nsid != pod->nsid)
			pod->inside_due = true;
		pod->processes = best->processes;
		pod->netns = best->inode;
		pod->nsid = best->nsid;
		pod->pid = best->pid;
	} else if (!processes && pod->nsid >= 0) {
		pod->processes =
			0; /* its namespace outlives them: it is the pod's until its id is taken back */
		pod->pid = 0;
	} else {
		pod->processes = processes;
		pod->netns = 0;
		pod->nsid = -1;
		pod->n_inside = 0;
		pod->pid = n ? found[0].pid : 0;
	}
	pod->at_home = n == 1 && found[0].inode == host->own_netns;
	pod->host_network = is_host_network(pod);
	if (pod->inside_due && host_now() >= pod->inside_next)
		host_pod_look_inside(host, pod);
	return true;
}

static int take_inside(void *data, const struct warder_link_message *link)
{
	struct host_pod *pod = data;
	struct warder_host_link *to;

	if (!warder_link_leaves(link))
		return 0;
	if (pod->n_inside == WARDER_HOST_LINKS)
		return -E2BIG;
	to = &pod->inside[pod->n_inside++];
	*to = (struct warder_host_link){.netnsid = pod->nsid, .peer_ifindex = link->ifindex};
	memcpy(to->name, link->name, sizeof(to->name));
	memcpy(to->kind, link->kind, sizeof(to->kind));
	memcpy(to->peer_mac, link->mac, sizeof(to->peer_mac));
	return 0;
}

struct counted {
	struct host_pod *pod;
	unsigned n;
};

static int count_inside(void *data, const struct warder_link_message *link)
{
	struct counted *counted = data;

	return ++counted->n > WARDER_LINKS_INSIDE ? -E2BIG : take_inside(counted->pod, link);
}

void host_pod_look_inside(struct warder_host *host, struct host_pod *pod)
{
	struct counted counted = {.pod = pod};

	pod->inside_due = false;
	pod->inside_next = host_now() + HOST_INSIDE_MS;
	pod->n_inside = 0;
	if (pod->nsid >= 0 &&
	    warder_links_each(host->query, pod->nsid, count_inside, &counted) == -EINTR)
		pod->inside_due = true;
}

/*
 * A pod is complete when its links and their MACs are known, or when it is known to have none.
 * Without a process there is nothing to look for: its first one is an event.  One that has a
 * namespace but no link waits for the link's event, after a minute of looking whether it entered
 * another.
 */
void host_pod_plan(struct host_pod *pod)
{
	uint64_t tried = pod->looked - pod->since, pause = tried / PAUSE_PART;

	pod->next = pod->inside_due ? pod->inside_next : HOST_NEVER;
	if (pod->expected_host || (pod->events && !pod->pid))
		return;
	if (pod->netns && pod->has_link && pod->complete)
		return;
	if (pod->netns && tried > GIVE_UP_MS)
		return;
	pause = pause < 1 ? 1 : pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause;
	if (pod->looked + pause < pod->next)
		pod->next = pod->looked + pause;
}
