/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory source: its life, its timer and its barriers.  What is read when is
 * directory_scan.c's, which events matter directory_watch.c's.
 */
#include "source/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct directory *of(const struct warder_source *source)
{
	return (struct directory *)source;
}

static void release_waiters(struct directory *directory)
{
	struct directory_waiter *waiter;

	while ((waiter = directory->waiters)) {
		directory->waiters = waiter->next;
		waiter->done(waiter->data);
		free(waiter);
	}
}

void directory_due(uv_timer_t *timer)
{
	struct directory *directory = timer->data;

	if (!directory_scan(directory))
		release_waiters(directory);
}

static int barrier(struct warder_source *source, void (*done)(void *data), void *data)
{
	struct directory *directory = of(source);
	struct directory_waiter *waiter = malloc(sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	*waiter = (struct directory_waiter){done, data, directory->waiters};
	directory->waiters = waiter;
	/* Every change of before this call has left its event; marks find what leaves none (mmap,
	 * NFS). */
	warder_watch_drain(directory->watch);
	uv_timer_stop(&directory->timer);
	if (!directory_scan(directory))
		release_waiters(directory);
	return 0;
}

static const struct warder_source_problem *problems(const struct warder_source *source,
						    size_t *ret_n)
{
	*ret_n = of(source)->problems.n;
	return of(source)->problems.v;
}

static bool synced(const struct warder_source *source)
{
	return of(source)->synced;
}

static void timer_closed(uv_handle_t *handle)
{
	struct directory *directory = handle->data;
	struct directory_file *file, *next;
	struct directory_waiter *waiter;

	HASH_ITER (hh, directory->files, file, next) {
		HASH_DEL(directory->files, file);
		warder_problems_release(&file->problems);
		free(file);
	}
	while ((waiter = directory->waiters)) {
		directory->waiters = waiter->next;
		free(waiter);
	}
	warder_merge_free(directory->merge);
	warder_problems_release(&directory->problems);
	if (directory->fd >= 0)
		close(directory->fd);
	if (directory->copies >= 0)
		close(directory->copies);
	free(directory->missing);
	free(directory->path);
	free(directory);
}

static void directory_close(struct warder_source *source)
{
	struct directory *directory = of(source);

	warder_watch_close(directory->watch);
	uv_close((uv_handle_t *)&directory->timer, timer_closed);
}

static const struct warder_source_ops ops = {
	.name = "directory",
	.barrier = barrier,
	.problems = problems,
	.synced = synced,
	.close = directory_close,
};

/* Copies of files that went while nobody watched. */
static void drop_stale_copies(struct directory *directory)
{
	struct warder_listing listing;

	if (directory->copies < 0 || warder_listing_read(directory->copies, &listing))
		return;
	for (size_t i = 0; i < listing.n; i++) {
		struct directory_file *file;

		HASH_FIND_STR(directory->files, listing.names[i], file);
		if (!file)
			warder_copies_drop(directory->copies, listing.names[i]);
	}
	warder_listing_release(&listing);
}

/* The first state: from the directory, or from the copies where it is missing. */
static int first_read(struct directory *directory, struct warder_error *error)
{
	bool fresh;

	if (directory_follow(directory, &fresh)) {
		directory_scan(directory);
		drop_stale_copies(directory);
		return 0;
	}
	if (!directory_recall(directory))
		return warder_error_set(
			error, -ENOENT,
			"manifest directory %s: %s: make it, or name another with --manifests",
			directory->path, directory->missing);
	directory_scan(directory);
	return 0;
}

int warder_directory_open(uv_loop_t *loop, const char *path, const char *state_dir,
			  const struct warder_source_sink *sink, struct warder_source **ret,
			  struct warder_error *error)
{
	struct directory *directory = calloc(1, sizeof(*directory));
	int code;

	if (!directory)
		return warder_error_set(error, -ENOMEM, "out of memory");
	directory->fd = directory->copies = directory->wd = directory->above_wd = -1;
	directory->source.ops = &ops;
	directory->own_sink = *sink;
	directory->sink = &directory->own_sink;
	directory->path = strdup(path);
	directory->merge = warder_merge_new(directory->sink);
	uv_timer_init(loop, &directory->timer);
	directory->timer.data = directory;
	if (!directory->path || !directory->merge) {
		directory_close(&directory->source);
		return warder_error_set(error, -ENOMEM, "out of memory");
	}
	if (state_dir) {
		directory->copies = warder_copies_open(state_dir);
		if (directory->copies < 0) {
			code = warder_error_set(error, directory->copies,
						"%s: %s: last good manifests could not be kept",
						state_dir, strerror(-directory->copies));
			directory_close(&directory->source);
			return code;
		}
	}
	code = warder_watch_open(loop, directory_event, directory, &directory->watch);
	if (code)
		warder_error_set(error, code, "inotify: %s (see fs.inotify.max_user_instances)",
				 strerror(-code));
	else
		code = first_read(directory, error);
	if (code) {
		directory_close(&directory->source);
		return code;
	}
	*ret = &directory->source;
	return 0;
}
