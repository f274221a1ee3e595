/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, for a person: library folders fill one in and return a negative errno; the
 * caller that gives up prints it once.
 */
#ifndef WARDER_BASE_ERROR_H
#define WARDER_BASE_ERROR_H

#include <stdarg.h>

struct warder_error {
	char text[512];	 /* names the object and what to do; never ends in a newline; "" = none */
	char field[192]; /* path of the field at fault ("spec.ports[0].port"), "" = none */
};

/* Fills `error` (may be NULL) and returns `code`, a negative errno, so that it can be returned. */
int warder_error_set(struct warder_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
