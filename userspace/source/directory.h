/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the directory source share among themselves; nobody else includes it. */
#ifndef WARDER_SOURCE_DIRECTORY_H
#define WARDER_SOURCE_DIRECTORY_H

#include <uthash.h>

#include "source/copies.h"
#include "source/merge.h"
#include "source/watch.h"

/* What tells that a file is another one, without reading it. */
struct directory_mark {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct directory_file {
	struct directory_mark mark; /* when it was read; zero = never */
	bool seen;		    /* in this scan */
	bool dirty;		    /* to be read again, whatever its mark says */
	bool writing;		    /* somebody writes it: not before it is closed, or at rest */
	bool held;		    /* objects of it are in force */
	uint64_t touched_ms;	    /* when it was last seen being written */
	int wd;			    /* of a symbolic link's target, -1 = none */
	struct warder_problems problems;
	size_t unused;
	char unused_kind[64];
	UT_hash_handle hh;
	char name[];
};

struct directory_waiter {
	void (*done)(void *data);
	void *data;
	struct directory_waiter *next;
};

struct directory {
	struct warder_source source; /* first */
	char *path;
	int fd;	      /* of the directory as it is watched, -1 = it is missing */
	int copies;   /* descriptor, -1 = none are kept */
	dev_t device; /* of fd */
	ino_t inode;
	int wd, above_wd; /* watches of the directory, and of the nearest one above it */
	const struct warder_source_sink *sink;
	struct warder_source_sink own_sink;
	struct warder_watch *watch;
	uv_timer_t timer;
	struct warder_merge *merge;
	struct directory_file *files;
	struct warder_problems problems; /* as told */
	char *missing;			 /* why the directory cannot be read, NULL = it can */
	bool cut;			 /* more files than are read */
	bool synced;
	uint64_t seen_ns;	/* first event that was not handled yet, 0 = none */
	uint64_t not_before_ns; /* a new directory is being filled: no look before */
	struct directory_waiter *waiters;
};

/* directory.c */
void directory_due(uv_timer_t *timer);

/* directory_watch.c */
void directory_event(void *data, int wd, uint32_t mask, const char *name);
/* Follows the path to the directory as it is now; false where it cannot be read. *ret_new: it is
 * another one. */
bool directory_follow(struct directory *directory, bool *ret_new);
void directory_watch_target(struct directory *directory, struct directory_file *file, bool link);
/* A look after this pause; further events prolong it, up to a bound. */
void directory_schedule(struct directory *directory, unsigned quiet_ms);

/* directory_scan.c */
struct directory_file *directory_file_get(struct directory *directory,
					  const char *name); /* made where missing; NULL */
/* Reads what has changed, and tells it.  true: something is being written, or will be looked at
 * again. */
bool directory_scan(struct directory *directory);
/* Takes the objects of the last good copies of all files, where the directory itself is missing. */
size_t directory_recall(struct directory *directory);

#endif
