/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of port classes as numbers, and the algebra of tiers on them.  A rule meets many peers in
 * the same state: each operation on two numbers is computed once.
 */
#ifndef WARDER_POLICY_BITMAPS_H
#define WARDER_POLICY_BITMAPS_H

#include "policy/intern.h"
#include "warder/types.h"
#include "warder/verdict.h"

struct bitmaps {
	uint32_t words;
	struct intern known; /* NONE is 0, ALL is 1 */
	struct intern asked; /* operations */
	uint32_t *answers;
	uint32_t n_answers;
};

enum bitmap_op {
	BITMAP_ACCEPT, /* x or p */
	BITMAP_DENY,   /* x without p */
	BITMAP_PASS,   /* on p what the next tier says, else x */
	BITMAP_MAYBE,  /* on p only what x and the next tier both allow: a Pass that may or may not
			  hold */
};

void bitmaps_begin(struct bitmaps *bitmaps, uint32_t words);
uint32_t bitmaps_add(struct bitmaps *bitmaps, const __u64 *words);
/* `next` is used by PASS and MAYBE alone. */
uint32_t bitmaps_apply(struct bitmaps *bitmaps, enum bitmap_op op, uint32_t x, uint32_t p,
		       uint32_t next);
bool bitmaps_has(const struct bitmaps *bitmaps, uint32_t number, __u16 port_class);
void bitmaps_clear(struct bitmaps *bitmaps);

#endif
