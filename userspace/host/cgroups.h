/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of pods in the cgroup tree, found and followed by inotify.  It knows UIDs and
 * paths; what runs in them is for namespaces.c.
 */
#ifndef WARDER_HOST_CGROUPS_H
#define WARDER_HOST_CGROUPS_H

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "warder/types.h"

#define WARDER_CGROUP_DEPTH	 24    /* levels below the root that are searched for pods */
#define WARDER_CGROUP_DIRS	 32768 /* directories outside pods that are watched */
#define WARDER_CGROUP_PODS	 4096
#define WARDER_CGROUP_CONTAINERS 256 /* of one pod that are watched */
#define WARDER_UID_TEXT		 40

/*
 * Reads the UID of a pod out of the path of its directory, from what kubelet's two drivers write:
 *   cgroupfs  [.../]kubepods[/burstable|/besteffort]/pod<UID>
 *   systemd   [.../][<x>-]kubepods[-burstable|-besteffort]-pod<UID, _ for ->.slice
 * Static pods' UIDs are 32 hex digits without dashes: they stay so.  A UID of Kubernetes' own form
 * counts below any directory, another one only below a kubepods.  Only the last part of the path
 * can be the pod's.
 */
bool warder_cgroup_pod_uid(const char *path, char ret[WARDER_UID_TEXT]);

struct warder_cgroups;

struct warder_cgroups_sink {
	void *data;
	/* The pod's directory is there, something in it came, went, or got its first or lost its
	 * last process. */
	void (*pod)(void *data, const char *uid);
	void (*batch)(void *data); /* after one or more of them */
};

struct warder_cgroup_pod {
	const char *path; /* absolute, borrowed until the next turn of the loop */
	__u64 id;	  /* cgroup v2 id, 0 where the hierarchy is another one */
	bool events;	  /* its first process is told by an event; else it must be looked for */
};

/* Reads the tree; calls back from within for each pod that is there, and later on the loop. */
int warder_cgroups_open(uv_loop_t *loop, const char *root, const struct warder_cgroups_sink *sink,
			struct warder_cgroups **ret, struct warder_error *error);
void warder_cgroups_close(struct warder_cgroups *cgroups);
const char *
warder_cgroups_root(const struct warder_cgroups *cgroups); /* absolute, without a trailing slash */
/* The directory of a pod; of two with one UID the younger.  False: there is none (any more). */
bool warder_cgroups_pod(const struct warder_cgroups *cgroups, const char *uid,
			struct warder_cgroup_pod *ret);
void warder_cgroups_read(struct warder_cgroups *cgroups); /* the events that wait, now */
/* Tries what is not watched once more; calls back for every pod that is there. */
void warder_cgroups_again(struct warder_cgroups *cgroups);
/* What is not watched, for a person; NULL = everything is. */
const char *warder_cgroups_problem(const struct warder_cgroups *cgroups);

#endif
