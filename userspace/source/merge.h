/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many files, one state: which of several files' objects of one name counts (that of the first file
 * by name, and in it the first), and what that changes.  An object that moves from one file
 * to another between two calls of warder_merge_apply is told to nobody.
 */
#ifndef WARDER_SOURCE_MERGE_H
#define WARDER_SOURCE_MERGE_H

#include "source/file.h"

struct warder_merge;

struct warder_merge *
warder_merge_new(const struct warder_source_sink *sink); /* borrowed; NULL = no memory */
void warder_merge_free(struct warder_merge *merge);

/* `file` holds these objects now (0: none any more), in this order. Takes references of its own. 0
 * or -ENOMEM. */
int warder_merge_replace(struct warder_merge *merge, const char *file,
			 struct warder_object *const *objects, size_t n);
/* Puts and deletes what has changed; returns how many. */
size_t warder_merge_apply(struct warder_merge *merge);
/* Adds a problem for each object that does not count because another has its name. */
void warder_merge_duplicates(const struct warder_merge *merge, struct warder_problems *problems);

#endif
