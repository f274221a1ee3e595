/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is needed: these never return NULL, they end the process with a line on stderr.
 * For code that only computes (store, policy), whose input is bounded elsewhere: with the
 * kernel out of memory the best an agent can do is to be restarted, and what it pinned goes on
 * enforcing meanwhile (DESIGN section 7).  Free with free().
 */
#ifndef WARDER_BASE_MEMORY_H
#define WARDER_BASE_MEMORY_H

#include <stddef.h>

void *warder_memory_new(size_t n, size_t size); /* zeroed; n 0 gives a pointer that can be freed */
void *warder_memory_resize(void *old, size_t n, size_t size);
void *warder_memory_copy(const void *from, size_t size);
char *warder_memory_text(const char *text); /* NULL gives NULL */
char *warder_memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define NEW(type)	   ((type *)warder_memory_new(1, sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)warder_memory_new((n), sizeof(type)))

/*
 * PUSH(v, n) = element: appends to the array `v` of `n` elements.  Room is doubled whenever n is a
 * power of two, so an array that was begun in another way must not be continued with it.
 */
#define PUSH(v, n)                                                                                 \
	(*({                                                                                       \
		if (((n) & ((n)-1)) == 0)                                                          \
			(v) = warder_memory_resize((v), (n) ? 2 * (size_t)(n) : 1, sizeof(*(v)));  \
		&(v)[(n)++];                                                                       \
	}))

#endif
