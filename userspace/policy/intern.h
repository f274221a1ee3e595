/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte strings to dense numbers: equal bytes, equal number, in the order of first sight.  What is
 * many times the same (selectors, sets, signatures, bitmaps) is kept once and compared by number.
 */
#ifndef WARDER_POLICY_INTERN_H
#define WARDER_POLICY_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERN_NONE UINT32_MAX

struct intern_entry {
	size_t at; /* offset in bytes, a multiple of 8 */
	uint32_t size, hash;
};

struct intern { /* all zero = empty */
	unsigned char *bytes;
	size_t n_bytes, room;
	struct intern_entry *entries;
	uint32_t n;
	uint32_t *table; /* number + 1, 0 = free */
	uint32_t table_size;
};

uint32_t intern_add(struct intern *intern, const void *bytes, size_t size);
uint32_t intern_find(const struct intern *intern, const void *bytes,
		     size_t size); /* or INTERN_NONE */
/* Aligned to 8; valid until the next add. */
const void *intern_get(const struct intern *intern, uint32_t number, size_t *ret_size);
void intern_clear(struct intern *intern);

/* A key under construction. */
struct intern_key { /* all zero = empty */
	unsigned char *bytes;
	size_t n, room;
};

void intern_key_put(struct intern_key *key, const void *bytes, size_t size);
void intern_key_number(struct intern_key *key, uint32_t number);
void intern_key_text(struct intern_key *key,
		     const char *text); /* NULL and "" differ; no two texts run together */

#endif
