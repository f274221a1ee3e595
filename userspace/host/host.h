/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine itself says about its pods: cgroup -> pod UID -> network namespace -> link.
 * Found by events (inotify on the cgroup tree, rtnetlink), never by a standing poll: only while a
 * pod's process has not entered its namespace yet is it looked at again, with a growing pause. It
 * knows nothing of policy and reads no Kubernetes object.
 */
#ifndef WARDER_HOST_HOST_H
#define WARDER_HOST_HOST_H

#include <stdbool.h>
#include <uv.h>

#include "base/address.h"
#include "base/error.h"

#define WARDER_HOST_LINKS 64 /* of one pod that are told of */

/*
 * The host side of one interface of a pod.  Where there is none (macvlan, ipvlan, a physical device
 * that was moved into the pod) ifindex is 0, `covered` is false and the name is the one inside.
 */
struct warder_host_link {
	__u32 ifindex;
	char name[16];
	char kind[16];	    /* "veth", ...; IFLA_INFO_KIND */
	__s32 netnsid;	    /* IFLA_LINK_NETNSID, -1 where it has none */
	__u32 peer_ifindex; /* IFLA_LINK: the ifindex inside the pod */
	__u8 peer_mac[6];   /* the pod's side */
	bool covered; /* false: not a veth, nothing can be attached that sees both directions */
};

struct warder_host_pod {
	char uid[40];	   /* as Kubernetes writes it: lower case with dashes; a static pod's is 32
			      digits without */
	__u64 cgroup;	   /* cgroup v2 id of the pod's directory */
	char *cgroup_path; /* below the cgroup root */
	bool host_network; /* its processes are in the agent's own network namespace, and stay there
			    */
	__u64 netns; /* inode of its network namespace, 0 = no process seen in one of its own */
	int pid;     /* one process in it, 0 = none; it may be gone: use warder_host_netns_open */
	struct warder_host_link *links;
	size_t n_links;
};

struct warder_host;

struct warder_host_sink {
	void *data;
	/* The set of pods, links or own addresses changed: read them again. */
	void (*changed)(void *data);
	/* Called at once, before anything else, when a link is gone: its slot must be cleared
	 * first. */
	void (*link_gone)(void *data, __u32 ifindex);
	/*
	 * A link is a pod's, by its namespace or by its name: hold it until its pod's policy is
	 * known (DESIGN section 7).  Called once for each link, also for those that are there at
	 * the start; after link_gone where it goes from one pod to another.
	 */
	void (*link_new)(void *data, const struct warder_host_link *link);
};

struct warder_host_options {
	const char *cgroup_root;  /* where the pods' cgroups hang; NULL = the cgroup v2 mount of
				     /proc/self/mountinfo */
	const char *link_pattern; /* shell pattern of names of pod links, NULL = none */
};

/* Nothing is called before the loop runs; then link_new for every pod's link, and changed. */
int warder_host_open(uv_loop_t *loop, const struct warder_host_options *options,
		     const struct warder_host_sink *sink, struct warder_host **ret,
		     struct warder_error *error);
void warder_host_close(struct warder_host *host);

/* Borrowed until the next turn of the loop; sorted by uid. */
const struct warder_host_pod *warder_host_pods(const struct warder_host *host, size_t *ret_n);
/* The node's own addresses: every interface but kube-ipvs0, less 127.0.0.0/8, ::1 and
 * fe80::/10 but for bridges'; sorted, unique. */
const struct warder_addr *warder_host_addrs(const struct warder_host *host, size_t *ret_n);
/*
 * What the caller knows of pods that run here.  A process that is still in the agent's own
 * namespace is about to leave it, or is a hostNetwork pod's: only the caller can tell.  Of a pod
 * that is not named, it is believed after five seconds.  Replaces what was said before.
 */
struct warder_host_expected {
	const char *uid;
	bool host_network;
};
void warder_host_expect(struct warder_host *host, const struct warder_host_expected *pods,
			size_t n);
/*
 * Reads every event that waits now and calls the sink before it returns: what happened on this
 * machine before the call is told of.  Not to be called by the sink.
 */
void warder_host_sync(struct warder_host *host);
/* Whose namespace is behind a link, also while link_new tells of it: its inode and a process, or
 * false. */
bool warder_host_link_netns(const struct warder_host *host, __u32 ifindex, __u64 *ret_inode,
			    int *ret_pid);
/* A descriptor of the pod's network namespace; -ESRCH where no process of the pod is in it any
 * more. */
int warder_host_netns_open(const struct warder_host *host, const struct warder_host_pod *pod);
/* What cannot be seen, for a person ("no inotify watch is left ..."); NULL = all is well. `changed`
 * tells of it too. */
const char *warder_host_problem(const struct warder_host *host);
const char *warder_host_cgroup_root(const struct warder_host *host);
/* Finds the cgroup v2 mount; 0 or -ENOENT. Caller frees. */
int warder_host_find_cgroup2(char **ret, struct warder_error *error);

#endif
