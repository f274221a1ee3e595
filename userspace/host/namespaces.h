/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the processes of a pod's cgroup to network namespaces, and from a namespace to its id here.
 * No state is kept, and no namespace is held open: that would outlive its pod.
 */
#ifndef WARDER_HOST_NAMESPACES_H
#define WARDER_HOST_NAMESPACES_H

#include "host/netlink.h"

#define WARDER_NAMESPACES	8   /* different ones in one pod that are looked at */
#define WARDER_NAMESPACE_DIRS	256 /* cgroups below one pod whose processes are looked at */
#define WARDER_NAMESPACE_PIDS	64  /* processes of each of them */
#define WARDER_NAMESPACE_LEVELS 8   /* levels of cgroups below a pod */

struct warder_namespace_found {
	__u64 inode;	    /* of /proc/PID/ns/net */
	__s32 nsid;	    /* its id in this namespace, -1 = none */
	int pid;	    /* one process in it that was in the cgroup when it was looked at */
	unsigned processes; /* how many of those looked at */
	bool sandbox;	    /* the pod's pause process is one of them */
};

/*
 * The namespaces of the processes below a pod's cgroup directory, most processes first, without
 * ids.  Returns how many; *ret_processes counts all processes seen.  A process that left the cgroup
 * meanwhile, or whose number has gone to another, does not count.
 */
size_t warder_namespaces_find(const char *cgroup,
			      struct warder_namespace_found ret[WARDER_NAMESPACES],
			      unsigned *ret_processes);

/* A descriptor of the namespace `inode` through a process in it; -ESTALE where that is in another
 * one now. */
int warder_namespace_open(int pid, __u64 inode);
/* The inode of a process's namespace: "self" or a number as text; 0 where it cannot be read. */
__u64 warder_namespace_inode(const char *process);
/* Asks for the id of the namespace of `pid`; -1 where it has none or is not `inode` any more. */
__s32 warder_namespace_id(struct warder_netlink *netlink, int pid, __u64 inode);
/* Reads RTM_NEWNSID and RTM_DELNSID; -EBADMSG for others. */
int warder_namespace_read(const struct nlmsghdr *message, __s32 *ret_nsid);

#endif
