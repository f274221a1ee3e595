/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at the directory: which files are new, changed or gone, what they hold, and what is
 * wrong with them.  A file is never read while somebody writes it, as far as that can be told: by
 * inotify's modify without close, and by a mark that changes while it is read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "source/directory.h"

#define WRITING_MAX_MS                                                                             \
	1000 /* a file that stays open for writing is read when it was at rest for so long */
#define AGAIN_MS  50	       /* to look again at what changed while it was read */
#define SETTLE_NS 250000000ULL /* a directory that was made again is being filled */

struct directory_file *directory_file_get(struct directory *directory, const char *name)
{
	struct directory_file *file;
	size_t n = strlen(name);

	HASH_FIND(hh, directory->files, name, n, file);
	if (file)
		return file;
	file = calloc(1, sizeof(*file) + n + 1);
	if (!file)
		return NULL;
	memcpy(file->name, name, n + 1);
	file->wd = -1;
	file->dirty = true;
	HASH_ADD_KEYPTR(hh, directory->files, file->name, n, file);
	return file;
}

static void file_forget(struct directory *directory, struct directory_file *file)
{
	warder_merge_replace(directory->merge, file->name, NULL, 0);
	if (directory->copies >= 0)
		warder_copies_drop(directory->copies, file->name);
	directory_watch_target(directory, file, false);
	warder_problems_release(&file->problems);
	HASH_DEL(directory->files, file);
	free(file);
}

static void take_objects(struct directory *directory, struct directory_file *file,
			 struct warder_file_content *content)
{
	if (warder_merge_replace(directory->merge, file->name, content->objects,
				 content->n_objects))
		warder_problems_add(&file->problems, true, file->name, "out of memory");
	file->unused = content->unused;
	memcpy(file->unused_kind, content->unused_kind, sizeof(file->unused_kind));
	file->held = true;
}

/* The file's last good copy, from before this process; false where there is none. */
static bool recall(struct directory *directory, struct directory_file *file)
{
	CLEANUP(cleanup_free) char *text = NULL;
	struct warder_file_content content;
	bool good;
	size_t size;

	if (directory->copies < 0 ||
	    warder_copies_load(directory->copies, file->name, &text, &size))
		return false;
	warder_file_parse(file->name, text, size, &content);
	good = !content.refused;
	if (good)
		take_objects(directory, file, &content);
	warder_file_release(&content);
	return good;
}

/* It cannot be used: what it held stays. */
static void file_refused(struct directory *directory, struct directory_file *file)
{
	bool held = file->held || recall(directory, file);

	warder_problems_add(
		&file->problems, true, file->name,
		held ? "is not used: what its last good copy holds stays in force"
		     : "is not used, and there is no good copy of it: nothing of it is in force");
}

static void file_use(struct directory *directory, struct directory_file *file, const char *text,
		     size_t size)
{
	struct warder_file_content content;
	int error = 0;

	warder_problems_release(&file->problems);
	warder_file_parse(file->name, text, size, &content);
	file->problems = content.problems;
	content.problems = (struct warder_problems){0};
	if (content.refused) {
		file_refused(directory, file);
	} else {
		take_objects(directory, file, &content);
		if (directory->copies >= 0)
			error = warder_copies_keep(directory->copies, file->name, text, size);
		if (error)
			warder_problems_add(&file->problems, false, file->name,
					    "no copy can be kept for the next start: %s",
					    strerror(-error));
	}
	warder_file_release(&content);
}

static void file_unreadable(struct directory *directory, struct directory_file *file,
			    const char *why)
{
	warder_problems_release(&file->problems);
	warder_problems_add(&file->problems, true, file->name, "%s", why);
	file_refused(directory, file);
}

static bool same_mark(const struct directory_mark *mark, const struct stat *now)
{
	return mark->device == now->st_dev && mark->inode == now->st_ino &&
	       mark->size == now->st_size &&
	       !memcmp(&mark->modified, &now->st_mtim, sizeof(mark->modified)) &&
	       !memcmp(&mark->changed, &now->st_ctim, sizeof(mark->changed));
}

static bool at_rest(struct directory_file *file)
{
	if (file->writing && uv_hrtime() / 1000000 - file->touched_ms >= WRITING_MAX_MS)
		file->writing = false;
	return !file->writing;
}

/* Reads the file where it must be; returns after how many milliseconds it is to be looked at again,
 * 0 = done. */
static unsigned file_look(struct directory *directory, struct directory_file *file)
{
	CLEANUP(cleanup_free) char *text = NULL;
	struct warder_error error = {0};
	struct stat link, now = {0};
	size_t size;
	int code;

	if (fstatat(directory->fd, file->name, &link, AT_SYMLINK_NOFOLLOW)) {
		file->seen = errno != ENOENT; /* gone since it was listed */
		return file->seen ? AGAIN_MS : 0;
	}
	code = fstatat(directory->fd, file->name, &now, 0) ? -errno : 0;
	if (!file->dirty && same_mark(&file->mark, &now))
		return 0;
	if (!at_rest(file))
		return WRITING_MAX_MS;
	directory_watch_target(directory, file, S_ISLNK(link.st_mode) && !code);
	if (code)
		warder_error_set(&error, code, "cannot be read: %s", strerror(-code));
	else
		code = warder_file_load(directory->fd, file->name, &text, &size, &error);
	if (code == -EAGAIN)
		return AGAIN_MS;
	/* A writer that came while we read has left its event before it changed a byte. */
	file->dirty = false;
	warder_watch_drain(directory->watch);
	if (file->writing || file->dirty) {
		file->dirty = true;
		return file->writing ? WRITING_MAX_MS : AGAIN_MS;
	}
	file->mark = (struct directory_mark){now.st_dev, now.st_ino, now.st_size, now.st_mtim,
					     now.st_ctim};
	if (code)
		file_unreadable(directory, file, error.text);
	else
		file_use(directory, file, text, size);
	return 0;
}

/* What is told: by file, the directory itself first. */
static void gather_problems(struct directory *directory, struct warder_problems *ret)
{
	struct directory_file *file, *next;
	const char *kind = "";
	size_t unused = 0;

	if (directory->missing)
		warder_problems_add(
			ret, true, directory->path,
			"%s: what was read from it before stays in force; make the directory again",
			directory->missing);
	if (directory->cut)
		warder_problems_add(ret, true, directory->path,
				    "more than %d manifest files: some are not read",
				    WARDER_LISTING_MAX);
	HASH_ITER (hh, directory->files, file, next) {
		for (size_t i = 0; i < file->problems.n; i++)
			warder_problems_add(ret, file->problems.v[i].fatal,
					    file->problems.v[i].where, "%s",
					    file->problems.v[i].what);
		unused += file->unused;
		kind = file->unused ? file->unused_kind : kind;
	}
	warder_merge_duplicates(directory->merge, ret);
	if (unused)
		warder_problems_add(ret, false, directory->path,
				    "%zu objects of kinds that Warder has no use for (%s%s)",
				    unused, kind, unused > 1 ? " and such" : "");
}

static bool same_problems(const struct warder_problems *a, const struct warder_problems *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].fatal != b->v[i].fatal || strcmp(a->v[i].where, b->v[i].where) ||
		    strcmp(a->v[i].what, b->v[i].what))
			return false;
	return true;
}

static void tell(struct directory *directory)
{
	uint64_t seen = directory->seen_ns ? directory->seen_ns : uv_hrtime();
	struct warder_problems problems = {0};
	size_t changes = warder_merge_apply(directory->merge);

	gather_problems(directory, &problems);
	if (same_problems(&problems, &directory->problems)) {
		warder_problems_release(&problems);
	} else {
		warder_problems_release(&directory->problems);
		directory->problems = problems;
		if (directory->sink->problems)
			directory->sink->problems(directory->sink->data);
	}
	if (changes || !directory->synced) {
		directory->synced = true;
		if (directory->sink->changed)
			directory->sink->changed(directory->sink->data, seen);
	}
	directory->seen_ns = 0;
}

/* It was not listed; what appeared since then, or was renamed under the listing, is there all the
 * same. */
static bool is_gone(struct directory *directory, struct directory_file *file)
{
	struct stat link;

	return fstatat(directory->fd, file->name, &link, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
}

static unsigned look_at_all(struct directory *directory, const struct warder_listing *listing)
{
	struct directory_file *file, *next;
	unsigned again = 0;

	for (size_t i = 0; i < listing->n; i++) {
		unsigned pause = 0;

		file = directory_file_get(directory, listing->names[i]);
		if (file) {
			file->seen = true;
			pause = file_look(directory, file);
		}
		if (pause && (!again || pause < again))
			again = pause;
	}
	HASH_ITER (hh, directory->files, file, next) {
		if (!file->seen && !listing->cut && is_gone(directory, file)) {
			file_forget(directory, file);
			continue;
		}
		if (!file->seen && !listing->cut && !again)
			again = AGAIN_MS;
		file->seen = false;
	}
	return again;
}

bool directory_scan(struct directory *directory)
{
	struct warder_listing listing = {0};
	unsigned again = 0;
	bool fresh;
	int error;

	directory->not_before_ns = 0;
	if (!directory_follow(directory, &fresh)) {
		tell(directory);
		return false;
	}
	if (fresh && directory->synced) {
		directory->not_before_ns = uv_hrtime() + SETTLE_NS;
		directory_schedule(directory, 0);
		return true;
	}
	error = warder_listing_read(directory->fd, &listing);
	if (error) {
		directory->missing = strdup(strerror(-error));
	} else {
		directory->cut = listing.cut;
		again = look_at_all(directory, &listing);
		warder_listing_release(&listing);
	}
	tell(directory);
	if (again)
		directory_schedule(directory, again);
	return again;
}

size_t directory_recall(struct directory *directory)
{
	struct warder_listing listing;
	size_t n = 0;

	if (directory->copies < 0 || warder_listing_read(directory->copies, &listing))
		return 0;
	for (size_t i = 0; i < listing.n; i++) {
		struct directory_file *file = directory_file_get(directory, listing.names[i]);

		n += file && recall(directory, file);
	}
	warder_listing_release(&listing);
	return n;
}
