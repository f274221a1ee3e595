/* SPDX-License-Identifier: Apache-2.0 */
/* Single writes of a plan, into the kernel's maps and the mirror alike; and the other way, maps to
 * mirror. */
#ifndef WARDER_DATAPATH_WRITE_H
#define WARDER_DATAPATH_WRITE_H

#include "datapath/mirror.h"
#include "datapath/programs.h"

/*
 * Writes in order: neighbours of one table go in one system call, which does them one after the
 * other.  The mirror follows what the kernel took.  `step` (may be NULL) is called after every
 * single write, which then has a call of its own.  On an error the writes before it are done, and
 * *ret_done says how many.
 */
int warder_write_plan(const struct warder_maps *maps, struct warder_mirror *mirror,
		      const struct warder_write *writes, size_t n, void (*step)(void *data),
		      void *data, size_t *ret_done, struct warder_error *error);

/* Fills empty maps with what the mirror holds. */
int warder_write_fill(const struct warder_maps *maps, const struct warder_mirror *mirror,
		      struct warder_error *error);

/* Fills an empty mirror with what the maps hold. */
int warder_write_read(const struct warder_maps *maps, struct warder_mirror *mirror,
		      struct warder_error *error);

#endif
