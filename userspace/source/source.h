/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where objects come from.  A source calls `put` and `delete` on the loop's thread, then `changed`
 * once a batch is complete: readers act only then.  It knows no policy and no kernel.
 */
#ifndef WARDER_SOURCE_SOURCE_H
#define WARDER_SOURCE_SOURCE_H

#include <uv.h>

#include "store/object.h"

struct warder_source_problem { /* something the source could not use; told in status */
	char *where;	       /* "pods.yaml:12:5" */
	char *what;	       /* for a person: object, field, what to do */
	bool fatal; /* true: the last good state of that file or kind stays; readiness is off */
};

struct warder_source_sink {
	void *data;
	void (*put)(void *data, struct warder_object *object); /* takes its own reference */
	void (*delete)(void *data, enum warder_kind kind, const char *ns, const char *name);
	void (*changed)(
		void *data,
		unsigned long long seen_ns); /* batch complete; CLOCK_MONOTONIC when first seen */
	void (*problems)(void *data);	     /* the list of problems changed */
};

struct warder_source;

struct warder_source_ops {
	const char *name; /* "directory", "kubernetes" */
	/* Everything that it held at the call has been handed over (calls back at once or later,
	 * once). */
	int (*barrier)(struct warder_source *source, void (*done)(void *data), void *data);
	const struct warder_source_problem *(*problems)(const struct warder_source *source,
							size_t *ret_n);
	bool (*synced)(
		const struct warder_source *source); /* the first full state was handed over */
	void (*close)(struct warder_source *source); /* frees it once its handles are closed */
};

struct warder_source {
	const struct warder_source_ops *ops;
};

/*
 * Watches a directory of manifests (*.yaml, *.yml, *.json; not hidden ones, no sub-directories).
 * `state_dir` (may be NULL) keeps the last good copy of each file, so that a restart with a broken
 * file changes nothing.  The first read is done before it returns; `changed` is called then too.
 */
int warder_directory_open(uv_loop_t *loop, const char *path, const char *state_dir,
			  const struct warder_source_sink *sink, struct warder_source **ret,
			  struct warder_error *error);

/*
 * Reads a directory once, without a loop (warderctl explain): puts into `sink`, problems to
 * `problem`. Returns 0, or -errno where the directory itself cannot be read; files with problems
 * are reported.
 */
int warder_directory_read(const char *path, const struct warder_source_sink *sink,
			  void (*problem)(void *data, const struct warder_source_problem *problem),
			  void *data, struct warder_error *error);

#endif
