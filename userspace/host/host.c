/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events in, order kept: links and ids by rtnetlink, cgroups by inotify, then looks at pods that
 * changed or are not complete, then one join.  Events of the pods' own namespaces come by a socket
 * apart, so that a pod that makes a flood of them delays nobody's links.  Policy is not known here.
 */
#include "host/host.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/state.h"

#define GROUP(group) (1U << ((group)-1))
#define ROUNDS	     8 /* looks and events in turn, before the loop runs again */
#define DUMP_TRIES   5
#define MEND_MS	     5000 /* between two tries at cgroups that could not be watched */
#define RESYNC_MS    1000 /* ... and at links that could not be listed */

uint64_t host_now(void)
{
	return uv_hrtime() / 1000000;
}

/* Pods that are not complete may be what a new link or namespace belongs to. */
static void rush(struct warder_host *host)
{
	for (struct host_pod *pod = host->pods; pod; pod = pod->hh.next)
		if (!pod->expected_host && pod->pid && !(pod->netns && pod->has_link))
			pod->due = true;
}

static void link_event(struct warder_host *host, const struct nlmsghdr *event)
{
	struct warder_link_message message;
	struct host_link *link, *half;

	if (warder_link_read(event, &message))
		return;
	HASH_FIND(hh, host->links, &message.ifindex, sizeof(message.ifindex), link);
	if (event->nlmsg_type == RTM_DELLINK) {
		if (link)
			host_link_remove(host, link);
		if (warder_addresses_link_gone(host->addresses, message.ifindex))
			host->changed = true;
		/* A veth's half that moves away changes what the other half says, without an event
		 * of that. */
		HASH_FIND(hh, host->links, &message.link, sizeof(message.link), half);
		if (half && message.netnsid < 0 && warder_link_covers(message.kind)) {
			struct warder_link_message now;

			if (!warder_link_get(host->query, -1, half->ifindex, &now))
				host_link_put(host, &now);
		}
		return;
	}
	host_link_put(host, &message);
	if (!link || link->now.netnsid < 0 || !link->pod)
		rush(host);
}

static void own_event(void *data, const struct nlmsghdr *event, __s32 from)
{
	struct warder_host *host = data;
	__s32 nsid;

	switch (event->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_event(host, event);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (warder_addresses_event(host->addresses, event))
			host->changed = true;
		break;
	case RTM_DELNSID:
		if (!warder_namespace_read(event, &nsid))
			host_nsid_gone(host, nsid);
		break;
	case RTM_NEWNSID:
		host_nsid_new(host);
		break;
	}
}

/* An interface inside a pod: its MAC, or one more that has no host side. */
static void inside_event(void *data, const struct nlmsghdr *event, __s32 nsid)
{
	struct warder_host *host = data;
	struct warder_link_message message;
	struct host_pod *pod;
	bool known = false;

	if (nsid < 0 || warder_link_read(event, &message))
		return;
	HASH_FIND(by_nsid, host->nsids, &nsid, sizeof(nsid), pod);
	if (!pod)
		return;
	for (struct host_link *link = pod->links; link; link = link->pod_next)
		if (link->now.link == message.ifindex && event->nlmsg_type == RTM_NEWLINK &&
		    host_link_mac(host, link, message.mac))
			host->changed = host->inside_news = true;
	for (size_t i = 0; i < pod->n_inside; i++)
		known |= pod->inside[i].peer_ifindex == message.ifindex;
	if (event->nlmsg_type == RTM_DELLINK ? known : warder_link_leaves(&message) && !known)
		pod->inside_due = host->inside_news = true;
}

static int take_link(void *data, const struct warder_link_message *link)
{
	host_link_put(data, link);
	return 0;
}

/* Asks for everything anew: at the start, and where events were lost. */
static int resync(struct warder_host *host)
{
	struct host_link *link, *next;
	struct host_pod *pod;
	int error = -EINTR;

	host->lost = true;
	HASH_ITER (hh, host->links, link, next)
		link->seen = false;
	/* A list that changed while it was read is mended by the events that wait: a few tries are
	 * enough. */
	for (int i = 0; i < DUMP_TRIES && error == -EINTR; i++)
		error = warder_links_each(host->query, -1, take_link, host);
	if (error && error != -EINTR)
		return error;
	HASH_ITER (hh, host->links, link, next) {
		if (!link->seen) {
			warder_addresses_link_gone(host->addresses, link->ifindex);
			host_link_remove(host, link);
		}
	}
	error = -EINTR;
	for (int i = 0; i < DUMP_TRIES && error == -EINTR; i++)
		error = warder_addresses_ask(host->addresses, host->query);
	if (error && error != -EINTR)
		return error;
	for (pod = host->pods; pod; pod = pod->hh.next) {
		pod->due = pod->asked = true;
		pod->nsid = -1; /* that it was taken back may be among what was lost */
	}
	host->lost = false;
	host->changed = true;
	return 0;
}

static void inside_resync(struct warder_host *host)
{
	if (!host->inside_lost || host_now() < host->inside_next)
		return;
	host->inside_lost = false;
	host->inside_next = host_now() + HOST_INSIDE_MS;
	for (struct host_link *link = host->links; link; link = link->hh.next)
		link->peer_known = false;
	for (struct host_pod *pod = host->pods; pod; pod = pod->hh.next)
		pod->inside_due = true;
}

static bool look_at_pods(struct warder_host *host)
{
	struct host_pod *pod, *next;
	uint64_t now = host_now();
	bool looked = false;

	HASH_ITER (hh, host->pods, pod, next) {
		if (!pod->due && pod->next > now)
			continue;
		looked = true;
		if (!host_pod_look(host, pod))
			host_pod_free(host, pod);
	}
	return looked;
}

static void note_problem(struct warder_host *host)
{
	const char *cgroups = warder_cgroups_problem(host->cgroups), *problem = "";
	char text[sizeof(host->problem)];

	if (host->overfull)
		problem = "this network namespace has more links than are followed; ";
	else if (warder_addresses_cut(host->addresses))
		problem = "this network namespace has more addresses than are followed; ";
	else if (host->lost)
		problem = "the kernel does not tell which links there are; ";
	snprintf(text, sizeof(text), "%s%s", problem, cgroups ? cgroups : "");
	if (!cgroups && *problem)
		text[strlen(text) - 2] = 0;
	if (!strcmp(text, host->problem))
		return;
	snprintf(host->problem, sizeof(host->problem), "%s", text);
	host->changed = true;
}

static void look_again(uv_timer_t *timer);
static void tell(uv_timer_t *timer);

void host_plan(struct warder_host *host)
{
	uint64_t next = host->inside_lost ? host->inside_next : HOST_NEVER, now = host_now();

	for (struct host_pod *pod = host->pods; pod; pod = pod->hh.next) {
		host_pod_plan(pod);
		if (pod->due)
			next = now;
		else if (pod->next < next)
			next = pod->next;
	}
	if (host->lost && now + RESYNC_MS < next)
		next = now + RESYNC_MS;
	if (warder_cgroups_problem(host->cgroups) && host->cgroups_next < next)
		next = host->cgroups_next;
	if (next == HOST_NEVER) {
		uv_timer_stop(&host->look_timer);
		return;
	}
	uv_update_time(host->loop);
	uv_timer_start(&host->look_timer, look_again, next > now ? next - now : 0, 0);
}

/*
 * Looks and events in turn until neither has news: what a look has learned about an id counts only
 * if no event that waits takes the id back.
 */
static void work(struct warder_host *host)
{
	if (warder_cgroups_problem(host->cgroups) && host_now() >= host->cgroups_next) {
		host->cgroups_next = host_now() + MEND_MS;
		warder_cgroups_again(host->cgroups);
	}
	for (int i = 0; i < ROUNDS; i++) {
		bool looked = look_at_pods(host);

		if (warder_netlink_drain(host->events, own_event, host))
			host->lost = true;
		if (host->lost)
			resync(host);
		if (!looked || host->lost)
			break;
	}
	inside_resync(host);
	host_join(host);
	note_problem(host);
	host_plan(host);
	if (host->changed && host->telling) {
		uv_update_time(host->loop);
		uv_timer_start(&host->tell_timer, tell, 0, 0);
	}
}

static void look_again(uv_timer_t *timer)
{
	work(timer->data);
}

static void tell(uv_timer_t *timer)
{
	struct warder_host *host = timer->data;

	if (!host->telling) { /* the first turn of the loop */
		struct host_link *link, *next;

		host->telling = true;
		HASH_ITER (hh, host->links, link, next)
			if (link->named || link->pod)
				host_link_tell_new(host, link);
	}
	host->changed = false;
	if (host->sink.changed)
		host->sink.changed(host->sink.data);
}

void warder_host_sync(struct warder_host *host)
{
	warder_cgroups_read(host->cgroups);
	if (warder_netlink_drain(host->events, own_event, host))
		host->lost = true;
	if (warder_netlink_drain(host->inside, inside_event, host))
		host->inside_lost = true;
	work(host);
	if (host->changed || !host->telling)
		tell(&host->tell_timer);
	uv_timer_stop(&host->tell_timer);
}

static void events_ready(uv_poll_t *poll, int status, int events)
{
	struct warder_host *host = poll->data;

	if (warder_netlink_drain(host->events, own_event, host))
		host->lost = true;
	work(host);
}

static void inside_ready(uv_poll_t *poll, int status, int events)
{
	struct warder_host *host = poll->data;

	host->inside_news = false;
	if (warder_netlink_drain(host->inside, inside_event, host))
		host->inside_lost = host->inside_news = true;
	if (host->inside_news)
		work(host);
}

static void pod_event(void *data, const char *uid)
{
	struct host_pod *pod = host_pod_get(data, uid);

	if (pod)
		pod->due = pod->asked = true;
}

static void pod_batch(void *data)
{
	work(data);
}

static void cleanup_host(struct warder_host **host)
{
	warder_host_close(*host);
}

static int open_sockets(struct warder_host *host, struct warder_error *error)
{
	int code = warder_netlink_open(0, false, &host->query, error);

	if (!code)
		code = warder_netlink_open(GROUP(RTNLGRP_LINK) | GROUP(RTNLGRP_NSID) |
						   GROUP(RTNLGRP_IPV4_IFADDR) |
						   GROUP(RTNLGRP_IPV6_IFADDR),
					   false, &host->events, error);
	if (!code)
		code = warder_netlink_open(GROUP(RTNLGRP_LINK), true, &host->inside, error);
	return code;
}

static int start(struct warder_host *host, uv_poll_t *poll, const struct warder_netlink *netlink,
		 uv_poll_cb ready)
{
	int code = uv_poll_init(host->loop, poll, warder_netlink_fd(netlink));

	if (code)
		return code;
	host->open_handles++;
	poll->data = host;
	return uv_poll_start(poll, UV_READABLE, ready);
}

static int open_handles(struct warder_host *host, struct warder_error *error)
{
	int code = start(host, &host->events_poll, host->events, events_ready);

	if (!code)
		code = start(host, &host->inside_poll, host->inside, inside_ready);
	if (code)
		return warder_error_set(error, code, "cannot wait for rtnetlink events: %s",
					uv_strerror(code));
	return 0;
}

int warder_host_open(uv_loop_t *loop, const struct warder_host_options *options,
		     const struct warder_host_sink *sink, struct warder_host **ret,
		     struct warder_error *error)
{
	CLEANUP(cleanup_host) struct warder_host *host = calloc(1, sizeof(*host));
	CLEANUP(cleanup_free) char *root = NULL;
	struct warder_cgroups_sink pods = {.pod = pod_event, .batch = pod_batch};
	int code;

	if (!host)
		return -ENOMEM;
	host->loop = loop;
	host->sink = *sink;
	uv_timer_init(loop, &host->look_timer);
	uv_timer_init(loop, &host->tell_timer);
	host->look_timer.data = host->tell_timer.data = pods.data = host;
	host->open_handles = 2;
	host->addresses = warder_addresses_new();
	host->pattern = options->link_pattern ? strdup(options->link_pattern) : NULL;
	host->cgroups_next = host_now() + MEND_MS;
	host->own_netns = warder_namespace_inode("self");
	host->first_netns = warder_namespace_inode("1");
	if (!host->addresses || (options->link_pattern && !host->pattern))
		return -ENOMEM;
	if (!host->own_netns)
		return warder_error_set(error, -ENOENT,
					"/proc/self/ns/net cannot be read: is /proc mounted?");
	if (!options->cgroup_root)
		code = warder_host_find_cgroup2(&root, error);
	else
		code = (root = strdup(options->cgroup_root)) ? 0 : -ENOMEM;
	if (!code)
		code = open_sockets(host, error);
	if (!code)
		code = warder_cgroups_open(loop, root, &pods, &host->cgroups, error);
	if (!code)
		code = open_handles(host, error);
	if (code)
		return code;
	host->root = strdup(warder_cgroups_root(host->cgroups));
	if (!host->root)
		return -ENOMEM;
	code = resync(host);
	if (code)
		return warder_error_set(error, code, "cannot list links and addresses: %s",
					strerror(-code));
	work(host);
	uv_timer_start(&host->tell_timer, tell, 0, 0);
	*ret = TAKE(host);
	return 0;
}

const struct warder_host_pod *warder_host_pods(const struct warder_host *host, size_t *ret_n)
{
	*ret_n = host->n_view;
	return host->view;
}

const struct warder_addr *warder_host_addrs(const struct warder_host *host, size_t *ret_n)
{
	return warder_addresses_list(host->addresses, ret_n);
}

bool warder_host_link_netns(const struct warder_host *host, __u32 ifindex, __u64 *ret_inode,
			    int *ret_pid)
{
	const struct host_link *link;

	HASH_FIND(hh, host->links, &ifindex, sizeof(ifindex), link);
	if (!link || !link->pod)
		return false;
	*ret_inode = link->pod->netns;
	*ret_pid = link->pod->pid;
	return true;
}

const char *warder_host_cgroup_root(const struct warder_host *host)
{
	return host->root;
}

const char *warder_host_problem(const struct warder_host *host)
{
	return host->problem[0] ? host->problem : NULL;
}

int warder_host_netns_open(const struct warder_host *host, const struct warder_host_pod *pod)
{
	struct warder_namespace_found found[WARDER_NAMESPACES];
	CLEANUP(cleanup_free) char *path = NULL;
	unsigned processes;
	size_t n;
	int fd = pod->netns ? warder_namespace_open(pod->pid, pod->netns) : -ESRCH;

	if (fd >= 0 || !pod->netns)
		return fd;
	if (asprintf(&path, "%s/%s", host->root, pod->cgroup_path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	n = warder_namespaces_find(path, found, &processes);
	for (size_t i = 0; i < n; i++)
		if (found[i].inode == pod->netns)
			return warder_namespace_open(found[i].pid, found[i].inode);
	return -ESRCH;
}

static void closed(uv_handle_t *handle)
{
	struct warder_host *host = handle->data;

	if (!--host->open_handles)
		free(host);
}

void warder_host_close(struct warder_host *host)
{
	struct host_pod *pod, *next_pod;
	struct host_link *link, *next;

	if (!host)
		return;
	host->telling = false;
	warder_cgroups_close(host->cgroups);
	HASH_ITER (hh, host->links, link, next)
		host_link_remove(host, link);
	HASH_ITER (hh, host->pods, pod, next_pod)
		host_pod_free(host, pod);
	host_expected_clear(host);
	host_view_free(host->view, host->n_view);
	warder_addresses_free(host->addresses);
	free(host->root);
	free(host->pattern);
	if (host->events_poll.data)
		uv_close((uv_handle_t *)&host->events_poll, closed);
	if (host->inside_poll.data)
		uv_close((uv_handle_t *)&host->inside_poll, closed);
	warder_netlink_close(host->query);
	warder_netlink_close(host->events);
	warder_netlink_close(host->inside);
	uv_close((uv_handle_t *)&host->look_timer, closed);
	uv_close((uv_handle_t *)&host->tell_timer, closed);
}
