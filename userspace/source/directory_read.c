/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of manifests read once, without a loop, and its list of files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "source/listing.h"
#include "source/merge.h"

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void warder_listing_release(struct warder_listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		free(listing->names[i]);
	free(listing->names);
	*listing = (struct warder_listing){0};
}

int warder_listing_read(int dirfd, struct warder_listing *ret)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	*ret = (struct warder_listing){0};
	if (!dir) {
		error = -errno;
		cleanup_close(&fd);
		return error;
	}
	while (!error && (errno = 0, entry = readdir(dir))) {
		char **grown;

		if (!warder_file_is_manifest(entry->d_name))
			continue;
		if (ret->n >= WARDER_LISTING_MAX) {
			ret->cut = true;
			break;
		}
		grown = realloc(ret->names, (ret->n + 1) * sizeof(*grown));
		if (grown)
			ret->names = grown;
		if (!grown || !(grown[ret->n] = strdup(entry->d_name)))
			error = -ENOMEM;
		else
			ret->n++;
	}
	if (!error)
		error = -errno;
	closedir(dir);
	if (error)
		warder_listing_release(ret);
	else if (ret->n)
		qsort(ret->names, ret->n, sizeof(*ret->names), compare_names);
	return error;
}

static void read_file(int dirfd, const char *name, struct warder_merge *merge,
		      struct warder_problems *problems)
{
	struct warder_file_content content;
	struct warder_error error = {0};
	char *text;
	size_t size;

	if (warder_file_load(dirfd, name, &text, &size, &error)) {
		warder_problems_add(problems, true, name, "%s", error.text);
		return;
	}
	warder_file_parse(name, text, size, &content);
	free(text);
	for (size_t i = 0; i < content.problems.n; i++)
		warder_problems_add(problems, content.problems.v[i].fatal,
				    content.problems.v[i].where, "%s", content.problems.v[i].what);
	if (!content.refused &&
	    warder_merge_replace(merge, name, content.objects, content.n_objects))
		warder_problems_add(problems, true, name, "out of memory");
	warder_file_release(&content);
}

int warder_directory_read(const char *path, const struct warder_source_sink *sink,
			  void (*problem)(void *data, const struct warder_source_problem *problem),
			  void *data, struct warder_error *error)
{
	CLEANUP(cleanup_close) int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct warder_problems problems = {0};
	struct warder_listing listing = {0};
	struct warder_merge *merge;
	int code = dirfd < 0 ? -errno : warder_listing_read(dirfd, &listing);

	if (code)
		return warder_error_set(error, code, "manifest directory %s: %s", path,
					strerror(-code));
	merge = warder_merge_new(sink);
	if (!merge) {
		warder_listing_release(&listing);
		return warder_error_set(error, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < listing.n; i++)
		read_file(dirfd, listing.names[i], merge, &problems);
	if (listing.cut)
		warder_problems_add(&problems, true, path,
				    "more than %d manifest files: some are not read",
				    WARDER_LISTING_MAX);
	warder_merge_apply(merge);
	warder_merge_duplicates(merge, &problems);
	for (size_t i = 0; problem && i < problems.n; i++)
		problem(data, &problems.v[i]);
	warder_problems_release(&problems);
	warder_merge_free(merge);
	warder_listing_release(&listing);
	if (sink->changed)
		sink->changed(sink->data, uv_hrtime());
	return 0;
}
