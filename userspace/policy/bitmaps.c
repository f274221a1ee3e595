/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bits behind the last port class follow WARDER_PORT_OTHER: they are set by rules without ports
 * alone, so a set that allows everything is all ones and gets the number WARDER_BITMAP_ALL.
 */
#include "policy/bitmaps.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void bitmaps_begin(struct bitmaps *bitmaps, uint32_t words)
{
	__u64 *all = NEW_ARRAY(__u64, words);

	bitmaps->words = words;
	intern_add(&bitmaps->known, all, words * sizeof(*all));
	memset(all, 0xff, words * sizeof(*all));
	intern_add(&bitmaps->known, all, words * sizeof(*all));
	free(all);
}

uint32_t bitmaps_add(struct bitmaps *bitmaps, const __u64 *words)
{
	return intern_add(&bitmaps->known, words, bitmaps->words * sizeof(*words));
}

static uint32_t compute(struct bitmaps *bitmaps, enum bitmap_op op, uint32_t x, uint32_t p,
			uint32_t next)
{
	const __u64 *a = intern_get(&bitmaps->known, x, NULL),
		    *b = intern_get(&bitmaps->known, p, NULL);
	const __u64 *n = intern_get(&bitmaps->known, next, NULL);
	__u64 *out = NEW_ARRAY(__u64, bitmaps->words);
	uint32_t number;

	for (uint32_t i = 0; i < bitmaps->words; i++) {
		switch (op) {
		case BITMAP_ACCEPT:
			out[i] = a[i] | b[i];
			break;
		case BITMAP_DENY:
			out[i] = a[i] & ~b[i];
			break;
		case BITMAP_PASS:
			out[i] = (a[i] & ~b[i]) | (n[i] & b[i]);
			break;
		case BITMAP_MAYBE:
			out[i] = a[i] & (~b[i] | n[i]);
			break;
		}
	}
	number = bitmaps_add(bitmaps, out);
	free(out);
	return number;
}

uint32_t bitmaps_apply(struct bitmaps *bitmaps, enum bitmap_op op, uint32_t x, uint32_t p,
		       uint32_t next)
{
	uint32_t key[4] = {op, x, p, op == BITMAP_PASS || op == BITMAP_MAYBE ? next : 0}, asked,
		 answer;

	if (p == WARDER_BITMAP_NONE)
		return x;
	if (p == WARDER_BITMAP_ALL && op == BITMAP_ACCEPT)
		return WARDER_BITMAP_ALL;
	if (p == WARDER_BITMAP_ALL && op == BITMAP_DENY)
		return WARDER_BITMAP_NONE;
	asked = intern_find(&bitmaps->asked, key, sizeof(key));
	if (asked != INTERN_NONE)
		return bitmaps->answers[asked];
	answer = compute(bitmaps, op, x, p, key[3]);
	intern_add(&bitmaps->asked, key, sizeof(key));
	PUSH(bitmaps->answers, bitmaps->n_answers) = answer;
	return answer;
}

bool bitmaps_has(const struct bitmaps *bitmaps, uint32_t number, __u16 port_class)
{
	const __u64 *words = intern_get(&bitmaps->known, number, NULL);

	return words[port_class >> 6] >> (port_class & 63) & 1;
}

void bitmaps_clear(struct bitmaps *bitmaps)
{
	intern_clear(&bitmaps->known);
	intern_clear(&bitmaps->asked);
	free(bitmaps->answers);
	*bitmaps = (struct bitmaps){0};
}
