/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose is each link: a link is the pod's whose namespace has the id of the link's other half. Ids,
 * numbers, names and addresses are all used again by others; so a link that changes hands is told
 * gone before it is told new, and an id that the kernel takes back is nobody's from that moment.
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/state.h"

static const char services_only[] =
	"kube-ipvs0"; /* holds every Service's address; none is the node's */

static void fill(const struct host_link *link, struct warder_host_link *ret)
{
	*ret = (struct warder_host_link){
		.ifindex = link->ifindex,
		.netnsid = link->now.netnsid,
		.peer_ifindex = link->now.link,
		.covered = warder_link_covers(link->now.kind),
	};
	memcpy(ret->name, link->now.name, sizeof(ret->name));
	memcpy(ret->kind, link->now.kind, sizeof(ret->kind));
	memcpy(ret->peer_mac, link->peer_mac, sizeof(ret->peer_mac));
}

void host_link_tell_new(struct warder_host *host, struct host_link *link)
{
	struct warder_host_link told;

	if (!host->telling || link->told)
		return;
	link->told = true;
	fill(link, &told);
	if (host->sink.link_new)
		host->sink.link_new(host->sink.data, &told);
}

/* Another half, another MAC; while none was ever told, the link is not in the view of its pod. */
static void forget_mac(struct host_link *link)
{
	link->peer_known = link->peer_refused = link->peer_told = false;
	memset(link->peer_mac, 0, sizeof(link->peer_mac));
}

void host_link_tell_gone(struct warder_host *host, struct host_link *link)
{
	forget_mac(link);
	link->owner[0] = 0;
	link->owner_netns = 0;
	if (!host->telling || !link->told)
		return;
	link->told = false;
	host->changed = true;
	if (host->sink.link_gone)
		host->sink.link_gone(host->sink.data, link->ifindex);
}

void host_link_remove(struct warder_host *host, struct host_link *link)
{
	host_link_tell_gone(host, link);
	/* A MAC that was another's may be free now. */
	for (struct host_link *other = host->links; other; other = other->hh.next)
		if (other->peer_refused)
			other->peer_refused = other->peer_known = false;
	HASH_DEL(host->links, link);
	free(link);
}

/* A veth's event may be older than its other half's move: the kernel is asked for what is so now.
 */
static void ask_again(struct warder_host *host, struct host_link *link)
{
	struct warder_link_message now;

	if (!warder_link_get(host->query, -1, link->ifindex, &now))
		link->now = now;
}

void host_nsid_gone(struct warder_host *host, __s32 nsid)
{
	struct host_link *link, *next;
	struct host_pod *pod;

	HASH_ITER (hh, host->links, link, next) {
		if (link->now.netnsid != nsid)
			continue;
		host_link_tell_gone(host, link);
		link->now.netnsid = -1;
		ask_again(host, link); /* the event may be old, and the id another's already */
	}
	for (pod = host->pods; pod; pod = pod->hh.next) {
		if (pod->nsid != nsid)
			continue;
		pod->nsid = -1;
		pod->due = pod->asked = true;
	}
}

void host_nsid_new(struct warder_host *host)
{
	struct host_link *link, *next;
	struct host_pod *pod;

	HASH_ITER (hh, host->links, link, next)
		if (link->now.netnsid < 0 && warder_link_covers(link->now.kind))
			ask_again(host, link);
	for (pod = host->pods; pod; pod = pod->hh.next)
		if (pod->netns && pod->nsid < 0)
			pod->due = true;
}

void host_link_put(struct warder_host *host, const struct warder_link_message *message)
{
	struct host_link *link;

	HASH_FIND(hh, host->links, &message->ifindex, sizeof(message->ifindex), link);
	if (link && host->lost && strcmp(link->now.kind, message->kind)) {
		host_link_remove(host, link); /* its removal was among the lost events */
		link = NULL;
	}
	if (!link) {
		if (HASH_COUNT(host->links) >= HOST_LINKS_MAX) {
			host->overfull = true;
			return;
		}
		link = calloc(1, sizeof(*link));
		if (!link)
			return;
		link->ifindex = message->ifindex;
		link->now.netnsid = -1;
		HASH_ADD(hh, host->links, ifindex, sizeof(link->ifindex), link);
	}
	if (link->now.netnsid != message->netnsid || link->now.link != message->link)
		forget_mac(link);
	link->now = *message;
	link->seen = true;
	if (warder_link_covers(link->now.kind) && link->now.netnsid < 0 && !host->lost)
		ask_again(host, link);
	link->named = host->pattern && !fnmatch(host->pattern, link->now.name, 0);
	if (warder_addresses_ignore(host->addresses, link->ifindex,
				    !strcmp(link->now.name, services_only)) |
	    warder_addresses_bridge(host->addresses, link->ifindex,
				    !strcmp(link->now.kind, "bridge")))
		host->changed = true;
	if (link->named)
		host_link_tell_new(host, link);
}

/* Two pods in one namespace: who was there first, then who has more processes, then the name. */
static bool is_before(const struct host_pod *a, const struct host_pod *b)
{
	if (a->has_link != b->has_link)
		return a->has_link;
	if (a->processes != b->processes)
		return a->processes > b->processes;
	return strcmp(a->uid, b->uid) < 0;
}

static void index_pods(struct warder_host *host)
{
	struct host_pod *other;

	HASH_CLEAR(by_nsid, host->nsids);
	for (struct host_pod *pod = host->pods; pod; pod = pod->hh.next) {
		if (pod->nsid < 0)
			continue;
		HASH_FIND(by_nsid, host->nsids, &pod->nsid, sizeof(pod->nsid), other);
		if (other && !is_before(pod, other))
			continue;
		if (other)
			HASH_DELETE(by_nsid, host->nsids, other);
		HASH_ADD(by_nsid, host->nsids, nsid, sizeof(pod->nsid), pod);
	}
}

/* On one bridge a MAC is one link's: what a pod says of itself cannot take it from another. */
static bool mac_is_free(const struct warder_host *host, const struct host_link *link,
			const __u8 mac[6])
{
	for (const struct host_link *other = host->links; link->now.master && other;
	     other = other->hh.next)
		if (other != link && other->now.master == link->now.master && other->peer_known &&
		    !other->peer_refused && !memcmp(other->peer_mac, mac, 6))
			return false;
	return true;
}

bool host_link_mac(struct warder_host *host, struct host_link *link, const __u8 mac[6])
{
	if (link->peer_known && !link->peer_refused && !memcmp(link->peer_mac, mac, 6))
		return false;
	link->peer_known = link->peer_told = true;
	link->peer_refused = !mac_is_free(host, link, mac);
	if (!link->peer_refused)
		memcpy(link->peer_mac, mac, 6);
	return !link->peer_refused;
}

static void ask_mac(struct warder_host *host, struct host_link *link)
{
	struct warder_link_message inside;

	if (warder_link_get(host->query, link->now.netnsid, link->now.link, &inside))
		return;
	if (inside.link == link->ifindex && !strcmp(inside.kind, link->now.kind))
		host_link_mac(host, link, inside.mac);
}

static void join_link(struct warder_host *host, struct host_link *link)
{
	struct host_pod *pod = NULL;

	if (link->now.netnsid >= 0)
		HASH_FIND(by_nsid, host->nsids, &link->now.netnsid, sizeof(__s32), pod);
	link->pod = pod;
	if (!pod)
		return;
	link->pod_next = pod->links;
	pod->links = link;
	pod->n_links++;
	if (link->owner[0] && (strcmp(link->owner, pod->uid) || link->owner_netns != pod->netns))
		host_link_tell_gone(host, link);
	memcpy(link->owner, pod->uid, sizeof(link->owner));
	link->owner_netns = pod->netns;
	host_link_tell_new(host, link);
	if (!link->peer_known)
		ask_mac(host, link);
}

static bool link_same(const struct warder_host_link *a, const struct warder_host_link *b)
{
	return a->ifindex == b->ifindex && !strcmp(a->name, b->name) && !strcmp(a->kind, b->kind) &&
	       a->netnsid == b->netnsid && a->peer_ifindex == b->peer_ifindex &&
	       !memcmp(a->peer_mac, b->peer_mac, 6) && a->covered == b->covered;
}

static bool pod_same(const struct warder_host_pod *a, const struct warder_host_pod *b)
{
	if (strcmp(a->uid, b->uid) || a->cgroup != b->cgroup ||
	    strcmp(a->cgroup_path, b->cgroup_path) || a->host_network != b->host_network ||
	    a->netns != b->netns || a->n_links != b->n_links)
		return false;
	for (size_t i = 0; i < a->n_links; i++)
		if (!link_same(&a->links[i], &b->links[i]))
			return false;
	return true;
}

void host_view_free(struct warder_host_pod *view, size_t n)
{
	for (size_t i = 0; view && i < n; i++) {
		free(view[i].cgroup_path);
		free(view[i].links);
	}
	free(view);
}

static int by_uid(const void *a, const void *b)
{
	return strcmp(((const struct warder_host_pod *)a)->uid,
		      ((const struct warder_host_pod *)b)->uid);
}

static int by_ifindex(const void *a, const void *b)
{
	const struct warder_host_link *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return x->peer_ifindex < y->peer_ifindex ? -1 : x->peer_ifindex > y->peer_ifindex;
}

/* A link that is seen inside has a host side (netkit) where one of the pod's links names it. */
static bool has_host_side(const struct warder_host_pod *pod, size_t n_host, __u32 inside)
{
	for (size_t i = 0; i < n_host; i++)
		if (pod->links[i].peer_ifindex == inside)
			return true;
	return false;
}

static int view_pod(const struct warder_host *host, const struct host_pod *pod,
		    struct warder_host_pod *ret)
{
	size_t room = pod->n_links + pod->n_inside, n_host;

	if (room > WARDER_HOST_LINKS)
		room = WARDER_HOST_LINKS;
	*ret = (struct warder_host_pod){
		.cgroup = pod->cgroup,
		.host_network = pod->host_network,
		.netns = pod->netns,
		.pid = pod->pid,
	};
	memcpy(ret->uid, pod->uid, sizeof(ret->uid));
	ret->cgroup_path = strdup(pod->path + strlen(host->root) + 1);
	ret->links = calloc(room + 1, sizeof(*ret->links));
	if (!ret->cgroup_path || !ret->links)
		return -ENOMEM;
	for (const struct host_link *link = pod->links; link; link = link->pod_next)
		if (ret->n_links < room && (link->peer_told || !warder_link_covers(link->now.kind)))
			fill(link, &ret->links[ret->n_links++]);
	n_host = ret->n_links;
	for (size_t i = 0; i < pod->n_inside && ret->n_links < room; i++)
		if (!has_host_side(ret, n_host, pod->inside[i].peer_ifindex))
			ret->links[ret->n_links++] = pod->inside[i];
	qsort(ret->links, ret->n_links, sizeof(*ret->links), by_ifindex);
	return 0;
}

/* Makes the view anew; the old one stays where there is no memory. */
static void view_make(struct warder_host *host)
{
	size_t n = 0, room = HASH_COUNT(host->pods);
	struct warder_host_pod *view = calloc(room + 1, sizeof(*view));
	bool same;

	if (!view)
		return;
	for (const struct host_pod *pod = host->pods; pod; pod = pod->hh.next) {
		if (!pod->path)
			continue;
		if (view_pod(host, pod, &view[n++])) {
			host_view_free(view, n);
			return;
		}
	}
	qsort(view, n, sizeof(*view), by_uid);
	same = host->view && n == host->n_view;
	for (size_t i = 0; same && i < n; i++)
		same = pod_same(&view[i], &host->view[i]);
	if (!same)
		host->changed = true;
	host_view_free(host->view, host->n_view);
	host->view = view;
	host->n_view = n;
}

void host_join(struct warder_host *host)
{
	struct host_pod *pod;
	struct host_link *link, *next;

	index_pods(host);
	for (pod = host->pods; pod; pod = pod->hh.next) {
		pod->links = NULL;
		pod->n_links = 0;
	}
	HASH_ITER (hh, host->links, link, next)
		join_link(host, link);
	for (pod = host->pods; pod; pod = pod->hh.next) {
		pod->has_link = pod->links || pod->n_inside;
		pod->complete = true;
		for (link = pod->links; link; link = link->pod_next)
			pod->complete &= link->peer_known;
	}
	view_make(host);
}
