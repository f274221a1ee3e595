/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that ends the process where it fails; see memory.h for why that is right here. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *needed(void *pointer)
{
	if (pointer)
		return pointer;
	fputs("error out of memory: what is in the kernel stays enforced\n", stderr);
	abort();
}

void *warder_memory_new(size_t n, size_t size)
{
	return needed(calloc(n ? n : 1, size));
}

void *warder_memory_resize(void *old, size_t n, size_t size)
{
	return needed(reallocarray(old, n ? n : 1, size));
}

void *warder_memory_copy(const void *from, size_t size)
{
	void *to = needed(malloc(size ? size : 1));

	return size ? memcpy(to, from, size) : to;
}

char *warder_memory_text(const char *text)
{
	return text ? needed(strdup(text)) : NULL;
}

char *warder_memory_format(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return needed(n < 0 ? NULL : text);
}
