/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefixes with the longest match, as an LPM trie of the kernel: records by (length, masked bytes),
 * and which lengths there are.  A key is a __u32 length in bits and then the bytes.
 */
#ifndef WARDER_DATAPATH_PREFIXES_H
#define WARDER_DATAPATH_PREFIXES_H

#include "datapath/records.h"

#define PREFIXES_MAX_BITS (24 * 8) /* the longest key: map `own` */

struct prefixes {
	struct records records;
	__u32 lengths[PREFIXES_MAX_BITS + 1]; /* how many prefixes of each length */
};

void prefixes_init(struct prefixes *prefixes, __u32 key_size, __u32 value_size);
void prefixes_release(struct prefixes *prefixes);

/* As records, with what stands behind the length taken for 0. -EINVAL: longer than the bytes. */
int prefixes_put(struct prefixes *prefixes, const void *key, const void *value);
int prefixes_delete(struct prefixes *prefixes, const void *key);
/* Position of exactly this prefix, or of the longest one that covers it; RECORDS_NONE. */
__u32 prefixes_find(const struct prefixes *prefixes, const void *key);
__u32 prefixes_match(const struct prefixes *prefixes, const void *key);

#endif
