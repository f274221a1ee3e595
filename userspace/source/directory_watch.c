/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events mean that something is to be read, and when.  Three kinds of watches: the directory,
 * the nearest directory above it (it may be removed and made again, or be a link that is swapped),
 * and the target of each manifest that is a symbolic link.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "source/directory.h"

#define QUIET_MS     30		/* after the last event */
#define QUIET_MAX_MS 200	/* after the first */
#define MS	     1000000ULL /* in nanoseconds */

#define DIRECTORY_EVENTS                                                                           \
	(IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |        \
	 IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define ABOVE_EVENTS                                                                               \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF |        \
	 IN_MOVE_SELF | IN_ONLYDIR)
#define TARGET_EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

void directory_schedule(struct directory *directory, unsigned quiet_ms)
{
	uint64_t now = uv_hrtime(), due = now + quiet_ms * MS, last;

	if (!directory->seen_ns)
		directory->seen_ns = now;
	last = directory->seen_ns + (quiet_ms > QUIET_MAX_MS ? quiet_ms : QUIET_MAX_MS) * MS;
	if (due > last)
		due = last;
	if (due < directory->not_before_ns)
		due = directory->not_before_ns;
	uv_update_time(directory->timer.loop);
	uv_timer_start(&directory->timer, directory_due, due > now ? (due - now) / MS : 0, 0);
}

/* What an event on a manifest's own data says about it. */
static void file_event(struct directory *directory, struct directory_file *file, uint32_t mask)
{
	if (mask & IN_MODIFY) {
		file->writing = true;
		file->touched_ms = uv_hrtime() / 1000000;
	}
	if (mask & (IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
		    IN_DELETE_SELF | IN_MOVE_SELF))
		file->writing = false;
	if (!(mask & IN_ATTRIB)) /* then its mark tells */
		file->dirty = true;
	directory_schedule(directory, QUIET_MS);
}

static void events_lost(struct directory *directory)
{
	struct directory_file *file, *next;

	HASH_ITER (hh, directory->files, file, next) {
		file->writing = false;
		file->dirty = true;
	}
	directory_schedule(directory, QUIET_MS);
}

static void above_event(struct directory *directory, uint32_t mask, const char *name)
{
	CLEANUP(cleanup_free) char *path = strdup(directory->path);

	if (mask & IN_IGNORED)
		directory->above_wd = -1;
	/* "..data" and the like: a link that the path may go through. */
	if (directory->fd < 0 || !*name || !strncmp(name, "..", 2) || !path ||
	    !strcmp(basename(path), name))
		directory_schedule(directory, QUIET_MS);
}

static void target_event(struct directory *directory, int wd, uint32_t mask)
{
	struct directory_file *file, *next;

	HASH_ITER (hh, directory->files, file, next) {
		if (file->wd != wd)
			continue;
		file_event(directory, file, mask);
		if (mask & IN_IGNORED)
			file->wd = -1;
	}
}

void directory_event(void *data, int wd, uint32_t mask, const char *name)
{
	struct directory *directory = data;
	struct directory_file *file;

	if (wd < 0) {
		events_lost(directory);
		return;
	}
	if (wd == directory->above_wd)
		above_event(directory, mask, name);
	if (wd != directory->wd) {
		target_event(directory, wd, mask);
		return;
	}
	if (!*name) { /* the directory itself: the scan finds out */
		if (mask & IN_IGNORED)
			directory->wd = -1;
		directory_schedule(directory, QUIET_MS);
	} else if (warder_file_is_manifest(name)) {
		file = directory_file_get(directory, name);
		if (file)
			file_event(directory, file, mask);
	} else if (mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)) {
		directory_schedule(directory, QUIET_MS); /* a link that manifests may go through */
	}
}

/* The nearest directory above that there is. */
static void watch_above(struct directory *directory)
{
	CLEANUP(cleanup_free) char *path = strdup(directory->path);
	char *above = path;
	int wd = -ENOENT;

	while (above && wd < 0) {
		bool top;

		above = dirname(above);
		top = !strcmp(above, "/") || !strcmp(above, ".");
		wd = warder_watch_add(directory->watch, above, ABOVE_EVENTS);
		if (top)
			break;
	}
	if (directory->above_wd >= 0 && directory->above_wd != wd)
		warder_watch_remove(directory->watch, directory->above_wd);
	directory->above_wd = wd < 0 ? -1 : wd;
}

bool directory_follow(struct directory *directory, bool *ret_new)
{
	CLEANUP(cleanup_close) int fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = fd < 0 ? errno : 0;
	struct stat now;

	*ret_new = false;
	free(TAKE(directory->missing));
	watch_above(directory);
	if (error || fstat(fd, &now)) {
		directory->missing = strdup(strerror(error ? error : errno));
		cleanup_close(&directory->fd);
		directory->fd = -1;
		return false;
	}
	if (directory->fd >= 0 && directory->wd >= 0 && now.st_dev == directory->device &&
	    now.st_ino == directory->inode)
		return true;
	*ret_new = true;
	warder_watch_remove(directory->watch, directory->wd);
	directory->wd = warder_watch_add(directory->watch, directory->path, DIRECTORY_EVENTS);
	cleanup_close(&directory->fd);
	directory->fd = TAKE_FD(fd);
	directory->device = now.st_dev;
	directory->inode = now.st_ino;
	return true;
}

void directory_watch_target(struct directory *directory, struct directory_file *file, bool link)
{
	CLEANUP(cleanup_free) char *path = NULL;
	int wd = -1;

	if (!link && file->wd < 0)
		return;
	if (link && asprintf(&path, "%s/%s", directory->path, file->name) < 0)
		path = NULL;
	if (path)
		wd = warder_watch_add(directory->watch, path, TARGET_EVENTS);
	/* Two links may have one target: what another file still names is not removed. */
	if (file->wd >= 0 && file->wd != wd) {
		struct directory_file *other, *next;
		int old = file->wd;

		file->wd = -1;
		HASH_ITER (hh, directory->files, other, next)
			old = other->wd == old ? -1 : old;
		warder_watch_remove(directory->watch, old);
	}
	file->wd = wd < 0 ? -1 : wd;
}
