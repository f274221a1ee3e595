/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks that double in size; what is larger gets a chunk of its own size. */
#include "datapath/arena.h"

#include <stdlib.h>

#define FIRST_CHUNK 4096
#define LAST_CHUNK  (1 << 20)

struct arena_chunk {
	struct arena_chunk *before;
	_Alignas(8) unsigned char bytes[];
};

void *arena_take(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;
	size_t room = arena->size ? arena->size * 2 : FIRST_CHUNK;

	if (size > (size_t)1 << 40)
		return NULL;
	size = (size + 7) & ~(size_t)7;
	if (!arena->last || arena->size - arena->used < size) {
		if (room > LAST_CHUNK)
			room = LAST_CHUNK;
		if (room < size)
			room = size;
		chunk = calloc(1, sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->before = arena->last;
		*arena = (struct arena){.last = chunk, .size = room};
	}
	arena->used += size;
	return arena->last->bytes + arena->used - size;
}

void arena_release(struct arena *arena)
{
	while (arena->last) {
		struct arena_chunk *chunk = arena->last;

		arena->last = chunk->before;
		free(chunk);
	}
	*arena = (struct arena){0};
}
