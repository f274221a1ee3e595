/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One manifest file as the objects in it.  A file is taken whole or not at all: one object that
 * cannot be used refuses the file, so that a half-made edit changes nothing.
 */
#ifndef WARDER_SOURCE_FILE_H
#define WARDER_SOURCE_FILE_H

#include <sys/stat.h>

#include "source/source.h"

enum {
	WARDER_FILE_OBJECTS_MAX = 500000, /* of one file */
	WARDER_FILE_PROBLEMS_MAX = 64,	  /* of one file; further ones are only counted */
};

struct warder_problems { /* owns its texts */
	struct warder_source_problem *v;
	size_t n;
};

struct warder_file_content {
	struct warder_object **objects; /* in the file's order; references */
	size_t n_objects;
	struct warder_problems problems;
	bool refused;	      /* objects must not be used */
	size_t unused;	      /* objects of kinds that Warder has no use for */
	char unused_kind[64]; /* one of them */
};

/* Copies the texts; drops the problem where there is no memory for it. */
void warder_problems_add(struct warder_problems *problems, bool fatal, const char *where,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));
void warder_problems_release(struct warder_problems *problems);

/* "*.yaml", "*.yml", "*.json", not hidden. */
bool warder_file_is_manifest(const char *name);

/*
 * Reads a whole file below `dirfd`: 0 and the text (the caller frees it; not NUL-terminated);
 * -EFBIG where it has more than WARDER_MANIFEST_BYTES_MAX bytes, -EINVAL where it is no regular
 * file, -EAGAIN where it changed while it was read, or another -errno; the error is filled in.
 */
int warder_file_load(int dirfd, const char *name, char **ret, size_t *ret_size,
		     struct warder_error *error);

/* Fills in `ret`, which the caller releases, whatever the text.  `name` is for messages and
 * origins. */
void warder_file_parse(const char *name, const char *text, size_t size,
		       struct warder_file_content *ret);
void warder_file_release(struct warder_file_content *content);

#endif
