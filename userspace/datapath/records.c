/* SPDX-License-Identifier: Apache-2.0 */
/* Records by key: a pool with a chain of free positions, and an open-addressed index over it. */
#include "datapath/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16

void records_init(struct records *records, __u32 key_size, __u32 value_size)
{
	__u32 align = key_size % 8 ? 4 : 8;

	*records = (struct records){
		.key_size = key_size, .value_size = value_size, .free = RECORDS_NONE};
	records->stride = (key_size + value_size + align - 1) / align * align;
}

void records_release(struct records *records)
{
	free(records->index);
	free(records->used);
	free(records->pool);
	records_init(records, records->key_size, records->value_size);
}

static __u32 hash(const struct records *records, const void *key)
{
	__u64 h = records->key_size;
	__u32 word;

	for (__u32 at = 0; at < records->key_size; at += sizeof(word)) {
		memcpy(&word, (const char *)key + at, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return (__u32)(h >> 16);
}

static bool same(const struct records *records, __u32 position, const void *key)
{
	return !memcmp(records_key(records, position), key, records->key_size);
}

/* Where in the index the key stands, or where it would. */
static __u32 seek(const struct records *records, const void *key)
{
	__u32 at = hash(records, key) & records->mask;

	while (records->index[at] && !same(records, records->index[at] - 1, key))
		at = (at + 1) & records->mask;
	return at;
}

__u32 records_find(const struct records *records, const void *key)
{
	return records->count ? records->index[seek(records, key)] - 1 : RECORDS_NONE;
}

__u32 records_find_near(const struct records *records, const void *key, __u32 hint)
{
	if (hint < records->end && records->used[hint] && same(records, hint, key))
		return hint;
	return records_find(records, key);
}

static int grow_pool(struct records *records)
{
	__u32 room = records->room ? records->room * 2 : FIRST_ROOM;
	unsigned char *pool = realloc(records->pool, (size_t)room * records->stride);
	bool *used;

	if (!pool)
		return -ENOMEM;
	records->pool = pool;
	used = realloc(records->used, room * sizeof(*used));
	if (!used)
		return -ENOMEM;
	records->used = used;
	records->room = room;
	return 0;
}

static int grow_index(struct records *records)
{
	__u32 size = records->mask ? (records->mask + 1) * 2 : FIRST_ROOM * 2;
	__u32 *index = calloc(size, sizeof(*index));

	if (!index)
		return -ENOMEM;
	free(records->index);
	records->index = index;
	records->mask = size - 1;
	for (__u32 i = 0; i < records->end; i++)
		if (records->used[i])
			index[seek(records, records_key(records, i))] = i + 1;
	return 0;
}

int records_put(struct records *records, const void *key, const void *value)
{
	__u32 position, at;

	if ((records->count + 1) * 2 > records->mask && grow_index(records))
		return -ENOMEM;
	at = seek(records, key);
	if (records->index[at]) {
		memcpy(records_value(records, records->index[at] - 1), value, records->value_size);
		return 0;
	}
	if (records->free != RECORDS_NONE) {
		position = records->free;
		memcpy(&records->free, records_key(records, position), sizeof(records->free));
	} else {
		if (records->end == records->room && grow_pool(records))
			return -ENOMEM;
		position = records->end++;
	}
	records->index[at] = position + 1;
	records->used[position] = true;
	records->count++;
	memcpy(records_key(records, position), key, records->key_size);
	memcpy(records_value(records, position), value, records->value_size);
	return 0;
}

/* Closes the gap at `hole`: what stands behind it and could not be found over it any more moves up.
 */
static void close_gap(struct records *records, __u32 hole)
{
	for (__u32 at = (hole + 1) & records->mask; records->index[at];
	     at = (at + 1) & records->mask) {
		__u32 home =
			hash(records, records_key(records, records->index[at] - 1)) & records->mask;

		if (((at - home) & records->mask) < ((at - hole) & records->mask))
			continue;
		records->index[hole] = records->index[at];
		hole = at;
	}
	records->index[hole] = 0;
}

int records_delete(struct records *records, const void *key)
{
	__u32 at, position;

	if (!records->count)
		return -ENOENT;
	at = seek(records, key);
	if (!records->index[at])
		return -ENOENT;
	position = records->index[at] - 1;
	close_gap(records, at);
	records->used[position] = false;
	memcpy(records_key(records, position), &records->free, sizeof(records->free));
	records->free = position;
	records->count--;
	return 0;
}
