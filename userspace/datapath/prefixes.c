/* SPDX-License-Identifier: Apache-2.0 */
/* Longest match: one look for each length that exists, the longest first. */
#include "datapath/prefixes.h"

#include <errno.h>
#include <string.h>

struct key {
	__u32 length;
	__u8 bytes[PREFIXES_MAX_BITS / 8];
};

void prefixes_init(struct prefixes *prefixes, __u32 key_size, __u32 value_size)
{
	memset(prefixes, 0, sizeof(*prefixes));
	records_init(&prefixes->records, key_size, value_size);
}

void prefixes_release(struct prefixes *prefixes)
{
	records_release(&prefixes->records);
	memset(prefixes->lengths, 0, sizeof(prefixes->lengths));
}

static void shorten(struct key *key, __u32 length, __u32 size)
{
	__u32 whole = length / 8;

	key->length = length;
	if (whole >= size)
		return;
	key->bytes[whole] &= (__u8)(0xff00 >> (length % 8));
	memset(key->bytes + whole + 1, 0, size - whole - 1);
}

/* The key with nothing set behind its length; -EINVAL where it is too long. */
static int take(const struct prefixes *prefixes, const void *from, struct key *ret)
{
	__u32 size = prefixes->records.key_size - sizeof(ret->length);

	memcpy(ret, from, prefixes->records.key_size);
	if (ret->length > size * 8)
		return -EINVAL;
	shorten(ret, ret->length, size);
	return 0;
}

int prefixes_put(struct prefixes *prefixes, const void *from, const void *value)
{
	__u32 before = prefixes->records.count;
	struct key key;
	int r = take(prefixes, from, &key);

	if (!r)
		r = records_put(&prefixes->records, &key, value);
	if (!r)
		prefixes->lengths[key.length] += prefixes->records.count - before;
	return r;
}

int prefixes_delete(struct prefixes *prefixes, const void *from)
{
	struct key key;
	int r = take(prefixes, from, &key);

	if (!r)
		r = records_delete(&prefixes->records, &key);
	if (!r)
		prefixes->lengths[key.length]--;
	return r;
}

__u32 prefixes_find(const struct prefixes *prefixes, const void *from)
{
	struct key key;

	return take(prefixes, from, &key) ? RECORDS_NONE : records_find(&prefixes->records, &key);
}

__u32 prefixes_match(const struct prefixes *prefixes, const void *from)
{
	__u32 size = prefixes->records.key_size - sizeof(__u32);
	struct key key;

	if (!prefixes->records.count || take(prefixes, from, &key))
		return RECORDS_NONE;
	for (__u32 length = key.length;; length--) {
		__u32 position;

		if (prefixes->lengths[length]) {
			shorten(&key, length, size);
			position = records_find(&prefixes->records, &key);
			if (position != RECORDS_NONE)
				return position;
		}
		if (!length)
			return RECORDS_NONE;
	}
}
