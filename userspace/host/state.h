/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What host/ knows, shared by its files: pods.c looks for namespaces, join.c decides whose a link
 * is, host.c reads events and keeps time.  Nothing outside this folder includes it.
 */
#ifndef WARDER_HOST_STATE_H
#define WARDER_HOST_STATE_H

#include <uthash.h>

#include "host/addresses.h"
#include "host/cgroups.h"
#include "host/host.h"
#include "host/links.h"
#include "host/namespaces.h"

#define HOST_NEVER UINT64_MAX
#define HOST_BELIEVE_MS                                                                            \
	5000 /* in the agent's namespace for so long: a hostNetwork pod, if nobody says */
#define HOST_INSIDE_MS                                                                             \
	100 /* between two looks at what else is inside a pod, and at all MACs after a loss */
#define HOST_LINKS_MAX 32768 /* of this namespace */

struct host_pod {
	char uid[WARDER_UID_TEXT];
	bool due;   /* look now */
	bool asked; /* by an event: the pause begins anew */
	bool expected, expected_host;
	/* What the last look saw. */
	__u64 cgroup;
	char *path; /* absolute */
	bool events;
	__u64 netns; /* 0 = none of its own */
	int pid;
	__s32 nsid;
	unsigned processes; /* in netns; all of them where that is 0 */
	bool at_home;	    /* it has processes, and all are in the agent's own namespace */
	bool host_network;
	/* What join.c found. */
	bool has_link, complete; /* complete: every link's MAC is known */
	/* Interfaces inside that pass no host side. */
	struct warder_host_link inside[WARDER_HOST_LINKS];
	size_t n_inside;
	bool inside_due;
	uint64_t inside_next; /* not before, ms */
	/* When to look again, ms. */
	uint64_t since, looked, next;
	struct host_link *links; /* list by pod_next */
	size_t n_links;
	UT_hash_handle hh, by_nsid;
};

struct host_link {
	__u32 ifindex;
	struct warder_link_message now;
	bool seen;	      /* while all are compared */
	bool told;	      /* link_new was called */
	bool named;	      /* its name matches the pattern */
	struct host_pod *pod; /* NULL = nobody's */
	struct host_link *pod_next;
	char owner[WARDER_UID_TEXT]; /* the last pod that it was known to be of; "" = none */
	__u64 owner_netns;
	__u8 peer_mac[6];
	bool peer_known;   /* nothing says that it may have changed */
	bool peer_told;	   /* it was known once */
	bool peer_refused; /* what it says is another's on the same bridge */
	UT_hash_handle hh;
};

struct host_expected {
	char key[WARDER_UID_TEXT];
	bool host_network;
	UT_hash_handle hh;
};

struct warder_host {
	uv_loop_t *loop;
	struct warder_host_sink sink;
	char *root, *pattern;
	__u64 own_netns, first_netns;
	struct warder_netlink *query, *events, *inside;
	uv_poll_t events_poll, inside_poll;
	uv_timer_t look_timer, tell_timer;
	unsigned open_handles;
	bool telling; /* the loop runs: the sink may be called */
	struct warder_cgroups *cgroups;
	struct warder_addresses *addresses;
	struct host_pod *pods;	 /* by uid */
	struct host_pod *nsids;	 /* by nsid: those whose links have it */
	struct host_link *links; /* by ifindex */
	struct host_expected *expected;
	bool lost;	  /* events of this namespace */
	bool inside_news; /* an event of a pod's namespace that matters here */
	bool inside_lost; /* events of the pods' namespaces */
	uint64_t inside_next;
	uint64_t cgroups_next; /* what is not watched is tried again */
	bool changed;	       /* since the sink was told */
	bool overfull;	       /* HOST_LINKS_MAX */
	char problem[320];
	struct warder_host_pod *view;
	size_t n_view;
};

uint64_t host_now(void); /* ms */

/* host.c */
void host_plan(struct warder_host *host); /* when is there something to look at again? */

/* expected.c */
void host_pod_expect(struct warder_host *host,
		     struct host_pod *pod); /* takes over what the caller said of it */
void host_expected_clear(struct warder_host *host);

/* pods.c */
struct host_pod *host_pod_get(struct warder_host *host,
			      const char *uid); /* made where it is new; NULL = no memory */
void host_pod_free(struct warder_host *host, struct host_pod *pod);
/* Looks at the pod's processes; false: its directory is gone. */
bool host_pod_look(struct warder_host *host, struct host_pod *pod);
void host_pod_look_inside(struct warder_host *host, struct host_pod *pod);
/* Decides from what is known when the pod is looked at again. */
void host_pod_plan(struct host_pod *pod);
bool host_has_link(const struct warder_host *host, __s32 nsid);

/* join.c */
void host_link_put(struct warder_host *host, const struct warder_link_message *message);
void host_link_remove(struct warder_host *host, struct host_link *link); /* tells of it first */
void host_link_tell_new(struct warder_host *host, struct host_link *link);
void host_link_tell_gone(struct warder_host *host, struct host_link *link);
/* The kernel has taken an id back; or has given one to a namespace (it does not say which). */
void host_nsid_gone(struct warder_host *host, __s32 nsid);
void host_nsid_new(struct warder_host *host);
/* What the pod says its MAC is; returns whether that is new. */
bool host_link_mac(struct warder_host *host, struct host_link *link, const __u8 mac[6]);
/* Whose is each link?  Tells link_gone and link_new at once, and notes whether the view changed. */
void host_join(struct warder_host *host);
void host_view_free(struct warder_host_pod *view, size_t n);

#endif
