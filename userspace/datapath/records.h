/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of one fixed size found by their key: what a hash map of the kernel holds, in memory.  A
 * record keeps its position until it is deleted, and positions follow the order of insertion, so
 * that one who asks for keys in that order finds each by a hint and touches memory in a row.
 * It knows nothing of what the records mean.
 */
#ifndef WARDER_DATAPATH_RECORDS_H
#define WARDER_DATAPATH_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define RECORDS_NONE (~0U)

struct records {
	__u32 key_size, value_size, stride; /* key_size is a multiple of 4 */
	__u32 count;			    /* records in use */
	__u32 end;			    /* positions ever given: each is below this */
	__u32 room;
	__u32 free;   /* head of the chain of freed positions */
	__u32 mask;   /* size of the index - 1; 0 = no index yet */
	__u32 *index; /* position + 1, 0 = nothing */
	bool *used;
	unsigned char *pool;
};

void records_init(struct records *records, __u32 key_size, __u32 value_size);
void records_release(struct records *records);

/* Position of a key, or RECORDS_NONE; `hint` is looked at first, and may be any number. */
__u32 records_find(const struct records *records, const void *key);
__u32 records_find_near(const struct records *records, const void *key, __u32 hint);
/* Adds or replaces. 0 or -ENOMEM. */
int records_put(struct records *records, const void *key, const void *value);
/* 0 or -ENOENT. */
int records_delete(struct records *records, const void *key);

static inline void *records_key(const struct records *records, __u32 position)
{
	return records->pool + (size_t)position * records->stride;
}

static inline void *records_value(const struct records *records, __u32 position)
{
	return records->pool + (size_t)position * records->stride + records->key_size;
}

#endif
