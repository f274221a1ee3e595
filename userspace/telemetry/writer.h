/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines to a file or stdout, from a thread of its own: a slow disk, a full one or a reader that
 * sleeps never holds the event loop.  What does not fit into memory meanwhile is counted as lost,
 * and so is nothing else: a failed write is tried again, a line begun is finished.
 */
#ifndef WARDER_TELEMETRY_WRITER_H
#define WARDER_TELEMETRY_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "warder/types.h"

#define WARDER_WRITER_MEMORY (8 << 20) /* bytes of lines that wait, by default */

struct warder_writer;

/* `path`: a file (made with mode 0640, appended) or "-"; `memory` 0 = the default. */
int warder_writer_open(const char *path, size_t memory, struct warder_writer **ret,
		       struct warder_error *error);
/* Waits at most `timeout_ms` for what is pending; returns how many lines were not written. */
size_t warder_writer_close(struct warder_writer *writer, unsigned timeout_ms);
/* Copies `n` bytes and adds a newline.  false: no room, the line is lost (and counted). */
bool warder_writer_line(struct warder_writer *writer, const char *line, size_t n);
/* Opens the path anew at the next line's start.  A rename or removal is seen without it. */
void warder_writer_reopen(struct warder_writer *writer);

struct warder_writer_stats {
	__u64 lines, bytes; /* written */
	__u64 errors;	    /* writes and opens that failed */
	__u64 lost;	    /* lines that found no room */
	size_t pending;	    /* bytes that wait */
	int failing;	    /* errno of the last try, where it failed; 0 = it worked */
};
void warder_writer_stats(struct warder_writer *writer, struct warder_writer_stats *ret);

#endif
