/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs warder_adopt_tcp in a pod's network namespace.  A thread of its own enters the namespace and
 * ends there: a thread of the pool that could not come back would do all later work in the wrong
 * one.
 */
#include "datapath/adopt.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"

struct walk {
	int iter_link;
	const struct warder_netns *netns;
	int rc;
};

static int enter(const struct warder_netns *netns)
{
	CLEANUP(cleanup_close) int fd = -1;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", netns->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (fstat(fd, &st))
		return -errno;
	if (netns->inode && st.st_ino != netns->inode)
		return -ESTALE;
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

static void *walk_sockets(void *data)
{
	CLEANUP(cleanup_close) int iter = -1;
	struct walk *walk = data;
	char discard[256];
	ssize_t n;

	walk->rc = enter(walk->netns);
	if (walk->rc)
		return NULL;
	iter = bpf_iter_create(walk->iter_link); /* of the namespace that the caller is in */
	if (iter < 0) {
		walk->rc = -errno;
		return NULL;
	}
	do
		n = read(iter, discard, sizeof(discard));
	while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	walk->rc = n < 0 ? -errno : 0;
	return NULL;
}

int warder_adopt_sockets(int iter_link, const struct warder_netns *netns)
{
	struct walk walk = {iter_link, netns, 0};
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, walk_sockets, &walk);

	if (rc)
		return -rc;
	pthread_join(thread, NULL);
	return walk.rc;
}
