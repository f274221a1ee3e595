/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup tree by inotify: every directory outside pods is watched for new ones, every pod's and
 * container's cgroup.events for its first process.  A directory is watched first and listed then,
 * so that nothing is made unseen between the two; each event that tells of something known already
 * changes nothing.  It reads no process.
 */
#include "host/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <uthash.h>
#include <utlist.h>

#include "base/cleanup.h"

enum level { LEVEL_TREE, LEVEL_POD, LEVEL_CONTAINER };

struct dir {
	struct dir *parent, *children; /* list */
	struct dir *prev, *next;
	enum level level;
	unsigned depth, n_children;
	int watch, events_watch;   /* -1 = none */
	__u64 inode;		   /* kernfs: the cgroup's id, on 64 bits */
	char uid[WARDER_UID_TEXT]; /* LEVEL_POD */
	bool seen;		   /* while the tree is compared */
	struct dir *same_uid;	   /* older directory of the same pod */
	char *path;
	UT_hash_handle by_path;
	UT_hash_handle by_uid; /* the youngest directory of a pod */
};

struct watch {
	int wd;
	struct dir *dir;
	UT_hash_handle hh;
};

struct warder_cgroups {
	uv_poll_t poll;
	int fd;
	bool v2;
	struct warder_cgroups_sink sink;
	struct dir *root;
	struct watch *watches; /* by wd */
	struct dir *paths;     /* by path */
	struct dir *pods;      /* by uid */
	size_t n_dirs;
	bool told; /* in this batch: of a pod, or a problem */
	char problem[256];
};

static void scan(struct warder_cgroups *cgroups, struct dir *dir);

static void complain(struct warder_cgroups *cgroups, const char *what, const char *path)
{
	cgroups->told = true;
	if (!cgroups->problem[0])
		snprintf(cgroups->problem, sizeof(cgroups->problem), "%s: %s", path, what);
}

static void tell(struct warder_cgroups *cgroups, const struct dir *dir)
{
	while (dir && dir->level != LEVEL_POD)
		dir = dir->parent;
	if (!dir || !cgroups->sink.pod)
		return;
	cgroups->told = true;
	cgroups->sink.pod(cgroups->sink.data, dir->uid);
}

/* Returns the watch, or -1 with the problem told (a path that is gone is none). */
static int add_watch(struct warder_cgroups *cgroups, struct dir *dir, const char *path, __u32 mask)
{
	struct watch *watch;
	int wd = inotify_add_watch(cgroups->fd, path, mask);

	if (wd < 0) {
		if (errno == ENOSPC)
			complain(cgroups,
				 "no inotify watch is left for it: raise "
				 "fs.inotify.max_user_watches",
				 path);
		else if (errno != ENOENT || !dir->parent)
			complain(cgroups, strerror(errno), path);
		return -1;
	}
	HASH_FIND_INT(cgroups->watches, &wd, watch);
	if (!watch) {
		watch = calloc(1, sizeof(*watch));
		if (!watch) {
			inotify_rm_watch(cgroups->fd, wd);
			return -1;
		}
		watch->wd = wd;
		HASH_ADD_INT(cgroups->watches, wd, watch);
	}
	watch->dir = dir;
	return wd;
}

static void remove_watch(struct warder_cgroups *cgroups, const struct dir *dir, int wd)
{
	struct watch *watch;

	if (wd < 0)
		return;
	HASH_FIND_INT(cgroups->watches, &wd, watch);
	if (!watch || watch->dir != dir) /* the same inode is watched for a younger entry */
		return;
	inotify_rm_watch(cgroups->fd, wd); /* EINVAL where the kernel has done it: fine */
	HASH_DEL(cgroups->watches, watch);
	free(watch);
}

static void pod_add(struct warder_cgroups *cgroups, struct dir *dir)
{
	struct dir *old;

	HASH_FIND(by_uid, cgroups->pods, dir->uid, strlen(dir->uid), old);
	if (old)
		HASH_DELETE(by_uid, cgroups->pods, old);
	dir->same_uid = old;
	HASH_ADD_KEYPTR(by_uid, cgroups->pods, dir->uid, strlen(dir->uid), dir);
}

static void pod_remove(struct warder_cgroups *cgroups, struct dir *dir)
{
	struct dir *first;

	HASH_FIND(by_uid, cgroups->pods, dir->uid, strlen(dir->uid), first);
	if (first == dir) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in there */
		HASH_DELETE(by_uid, cgroups->pods, dir);
		if (dir->same_uid)
			HASH_ADD_KEYPTR(by_uid, cgroups->pods, dir->same_uid->uid,
					strlen(dir->same_uid->uid), dir->same_uid);
		return;
	}
	for (; first; first = first->same_uid)
		if (first->same_uid == dir)
			first->same_uid = dir->same_uid;
}

/* Frees a directory and all below it.  Recursion is bounded by WARDER_CGROUP_DEPTH. */
static void dir_remove(struct warder_cgroups *cgroups, struct dir *dir)
{
	struct dir *child, *next;

	DL_FOREACH_SAFE(dir->children, child, next)
	dir_remove(cgroups, child);
	remove_watch(cgroups, dir, dir->watch);
	remove_watch(cgroups, dir, dir->events_watch);
	tell(cgroups, dir);
	if (dir->level == LEVEL_POD)
		pod_remove(cgroups, dir);
	if (dir->level == LEVEL_TREE)
		cgroups->n_dirs--;
	if (dir->parent) {
		DL_DELETE(dir->parent->children, dir);
		dir->parent->n_children--;
	}
	HASH_DELETE(by_path, cgroups->paths, dir);
	free(dir->path);
	free(dir);
}

static bool has_room(struct warder_cgroups *cgroups, const struct dir *parent,
		     const struct dir *dir)
{
	if (dir->level == LEVEL_CONTAINER && parent->n_children >= WARDER_CGROUP_CONTAINERS)
		complain(cgroups, "the pod has more containers than are watched", parent->path);
	else if (dir->level == LEVEL_POD && HASH_CNT(by_uid, cgroups->pods) >= WARDER_CGROUP_PODS)
		complain(cgroups, "there are more pods than are watched", dir->path);
	else if (dir->level == LEVEL_TREE && cgroups->n_dirs >= WARDER_CGROUP_DIRS)
		complain(cgroups,
			 "more directories than are watched: set --cgroup-root nearer to the pods",
			 dir->path);
	else if (dir->depth > WARDER_CGROUP_DEPTH)
		complain(cgroups, "deeper than is watched: set --cgroup-root nearer to the pods",
			 dir->path);
	else
		return true;
	return false;
}

/* Watches a directory that came to be known, then reads what is in it. */
static void dir_watch(struct warder_cgroups *cgroups, struct dir *dir)
{
	CLEANUP(cleanup_free) char *events = NULL;
	struct stat status;

	if (dir->level != LEVEL_CONTAINER)
		dir->watch = add_watch(cgroups, dir, dir->path,
				       IN_CREATE | IN_DELETE | IN_ONLYDIR |
					       (dir->parent ? IN_DONT_FOLLOW : IN_DELETE_SELF));
	if (dir->level != LEVEL_TREE && asprintf(&events, "%s/cgroup.events", dir->path) > 0)
		dir->events_watch = add_watch(cgroups, dir, events, IN_MODIFY);
	if (!stat(dir->path, &status))
		dir->inode = status.st_ino;
	if (dir->level != LEVEL_CONTAINER)
		scan(cgroups, dir);
	tell(cgroups, dir);
}

static struct dir *dir_new(struct dir *parent, const char *path)
{
	struct dir *dir = path ? calloc(1, sizeof(*dir)) : NULL;

	if (!dir)
		return NULL;
	dir->path = strdup(path);
	if (!dir->path) {
		free(dir);
		return NULL;
	}
	dir->watch = dir->events_watch = -1;
	dir->parent = parent;
	dir->depth = parent ? parent->depth + 1 : 0;
	if (parent && parent->level == LEVEL_POD)
		dir->level = LEVEL_CONTAINER;
	else if (warder_cgroup_pod_uid(path, dir->uid))
		dir->level = LEVEL_POD;
	return dir;
}

/* `inode` 0: not known.  Where it is another one than before, the directory was made anew. */
static void child_add(struct warder_cgroups *cgroups, struct dir *parent, const char *name,
		      __u64 inode)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct dir *dir;

	if (asprintf(&path, "%s/%s", parent->path, name) < 0) {
		path = NULL;
		return;
	}
	HASH_FIND(by_path, cgroups->paths, path, strlen(path), dir);
	if (dir && inode && dir->inode != inode) {
		dir_remove(cgroups, dir);
		dir = NULL;
	}
	if (dir) {
		dir->seen = true;
		return;
	}
	dir = dir_new(parent, path);
	if (!dir || !has_room(cgroups, parent, dir)) {
		if (dir)
			free(dir->path);
		free(dir);
		return;
	}
	dir->seen = true;
	parent->n_children++;
	DL_APPEND(parent->children, dir);
	HASH_ADD_KEYPTR(by_path, cgroups->paths, dir->path, strlen(dir->path), dir);
	if (dir->level == LEVEL_POD)
		pod_add(cgroups, dir);
	if (dir->level == LEVEL_TREE)
		cgroups->n_dirs++;
	dir_watch(cgroups, dir);
}

static void child_remove(struct warder_cgroups *cgroups, const struct dir *parent, const char *name)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct dir *dir;

	if (asprintf(&path, "%s/%s", parent->path, name) < 0) {
		path = NULL;
		return;
	}
	HASH_FIND(by_path, cgroups->paths, path, strlen(path), dir);
	if (dir)
		dir_remove(cgroups, dir);
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Compares a directory with what is known of it. */
static void scan(struct warder_cgroups *cgroups, struct dir *dir)
{
	CLEANUP(cleanup_dir) DIR *stream = opendir(dir->path);
	struct dir *child, *next;
	const struct dirent *entry;

	DL_FOREACH(dir->children, child)
	child->seen = false;
	while (stream && (entry = readdir(stream)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			child_add(cgroups, dir, entry->d_name, entry->d_ino);
	DL_FOREACH_SAFE(dir->children, child, next)
	if (!child->seen)
		dir_remove(cgroups, child);
}

/* Everything is listed anew, what is not watched is tried again, and every pod is told of. */
static void rescan(struct warder_cgroups *cgroups, struct dir *dir)
{
	struct dir *child, *next;

	if (dir->watch < 0 || (dir->level == LEVEL_POD && dir->events_watch < 0))
		dir_watch(cgroups, dir);
	else
		scan(cgroups, dir);
	DL_FOREACH_SAFE(dir->children, child, next)
	{
		if (child->level != LEVEL_CONTAINER)
			rescan(cgroups, child);
		else if (child->events_watch < 0)
			dir_watch(cgroups, child);
	}
	if (dir->level == LEVEL_POD)
		tell(cgroups, dir);
}

void warder_cgroups_again(struct warder_cgroups *cgroups)
{
	cgroups->problem[0] = 0;
	rescan(cgroups, cgroups->root);
}

static void handle(struct warder_cgroups *cgroups, const struct inotify_event *event)
{
	struct watch *watch;

	if (event->mask & IN_Q_OVERFLOW) {
		rescan(cgroups, cgroups->root);
		return;
	}
	HASH_FIND_INT(cgroups->watches, &event->wd, watch);
	if (!watch || event->mask & IN_IGNORED) /* the parent's IN_DELETE takes it away */
		return;
	if (event->mask & IN_DELETE_SELF) {
		remove_watch(cgroups, cgroups->root, cgroups->root->watch);
		cgroups->root->watch = -1;
		complain(cgroups, "the cgroup root is gone", cgroups->root->path);
	} else if (event->mask & IN_MODIFY) {
		tell(cgroups, watch->dir);
	} else if (event->mask & IN_ISDIR && event->len) {
		if (event->mask & IN_DELETE)
			child_remove(cgroups, watch->dir, event->name);
		else if (event->mask & IN_CREATE)
			child_add(cgroups, watch->dir, event->name, 0);
	}
}

void warder_cgroups_read(struct warder_cgroups *cgroups)
{
	char buffer[64 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t got;

	cgroups->told = false;
	while ((got = read(cgroups->fd, buffer, sizeof(buffer))) > 0) {
		for (const char *at = buffer; at < buffer + got;) {
			const struct inotify_event *event = (const struct inotify_event *)at;

			handle(cgroups, event);
			at += sizeof(*event) + event->len;
		}
	}
	if (cgroups->told && cgroups->sink.batch)
		cgroups->sink.batch(cgroups->sink.data);
}

static void events_ready(uv_poll_t *poll, int status, int events)
{
	warder_cgroups_read(poll->data);
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* The handle is the loop's until it is closed; all else is freed at once. */
void warder_cgroups_close(struct warder_cgroups *cgroups)
{
	if (!cgroups)
		return;
	cgroups->sink.pod = NULL;
	if (cgroups->root)
		dir_remove(cgroups, cgroups->root);
	uv_poll_stop(&cgroups->poll);
	close(cgroups->fd);
	uv_close((uv_handle_t *)&cgroups->poll, closed);
}

/* The path without its trailing slashes, or the error of a directory that cannot be the root. */
static int check_root(const char *root, bool *ret_v2, char **ret, struct warder_error *error)
{
	CLEANUP(cleanup_free) char *path = realpath(root, NULL);
	struct statfs status;

	if (!path || statfs(path, &status))
		return warder_error_set(error, -errno, "cgroup root %s: %s", root, strerror(errno));
	if (status.f_type != CGROUP2_SUPER_MAGIC && status.f_type != CGROUP_SUPER_MAGIC)
		return warder_error_set(error, -ENOTSUP,
					"cgroup root %s is no directory of a cgroup hierarchy",
					root);
	*ret_v2 = status.f_type == CGROUP2_SUPER_MAGIC;
	*ret = TAKE(path);
	return 0;
}

int warder_cgroups_open(uv_loop_t *loop, const char *root, const struct warder_cgroups_sink *sink,
			struct warder_cgroups **ret, struct warder_error *error)
{
	CLEANUP(cleanup_free) struct warder_cgroups *cgroups = calloc(1, sizeof(*cgroups));
	CLEANUP(cleanup_free) char *path = NULL;
	int code;

	if (!cgroups)
		return -ENOMEM;
	code = check_root(root, &cgroups->v2, &path, error);
	if (code)
		return code;
	cgroups->sink = *sink;
	cgroups->root = dir_new(NULL, path);
	if (!cgroups->root)
		return -ENOMEM;
	HASH_ADD_KEYPTR(by_path, cgroups->paths, cgroups->root->path, strlen(path), cgroups->root);
	cgroups->root->level = LEVEL_TREE; /* whatever its name: pods hang below it */
	cgroups->n_dirs = 1;
	cgroups->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	code = cgroups->fd < 0 ? -errno : uv_poll_init(loop, &cgroups->poll, cgroups->fd);
	if (code) {
		dir_remove(cgroups, cgroups->root);
		if (cgroups->fd >= 0)
			close(cgroups->fd);
		return warder_error_set(
			error, code,
			"cannot watch the cgroup tree: %s (see fs.inotify.max_user_instances)",
			strerror(-code));
	}
	cgroups->poll.data = cgroups;
	dir_watch(cgroups, cgroups->root);
	uv_poll_start(&cgroups->poll, UV_READABLE, events_ready);
	*ret = TAKE(cgroups);
	return 0;
}

const char *warder_cgroups_root(const struct warder_cgroups *cgroups)
{
	return cgroups->root->path;
}

bool warder_cgroups_pod(const struct warder_cgroups *cgroups, const char *uid,
			struct warder_cgroup_pod *ret)
{
	const struct dir *dir;

	HASH_FIND(by_uid, cgroups->pods, uid, strlen(uid), dir);
	if (!dir)
		return false;
	ret->path = dir->path;
	ret->id = cgroups->v2 ? dir->inode : 0;
	ret->events = dir->events_watch >= 0;
	return true;
}

const char *warder_cgroups_problem(const struct warder_cgroups *cgroups)
{
	return cgroups->problem[0] ? cgroups->problem : NULL;
}
