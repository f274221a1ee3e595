/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is taken bit by bit and given back all at once. */
#ifndef WARDER_DATAPATH_ARENA_H
#define WARDER_DATAPATH_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *last;
	size_t used, size; /* of the last chunk */
};

/* Zeroed, aligned to 8; NULL = no memory. */
void *arena_take(struct arena *arena, size_t size);
void arena_release(struct arena *arena);

#endif
