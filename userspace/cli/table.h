/* SPDX-License-Identifier: Apache-2.0 */
/* Text tables of at most WARDERCTL_COLUMNS columns, and numbers as people read them. */
#ifndef WARDER_CLI_TABLE_H
#define WARDER_CLI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct warderctl_table;

/* `headers` ends with NULL; one that begins with '>' is of numbers, set to the right. */
struct warderctl_table *warderctl_table_new(const char *const *headers);
/* Adds the next cell, copied; a row is full after as many as there are headers. */
void warderctl_cell(struct warderctl_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Prints and frees it.  Where it is wider than WARDERCTL_COLUMNS the widest columns are cut
 * ("..."), unless `wide`.  An empty table prints `none` (a sentence).
 */
void warderctl_table_print(struct warderctl_table *table, FILE *out, bool wide, const char *none);

/* Wraps text at WARDERCTL_COLUMNS; `indent` blanks before each line but the first. */
void warderctl_wrap(FILE *out, unsigned indent, const char *text);
/* The same where `column` columns of the first line are taken already. */
void warderctl_wrap_from(FILE *out, size_t column, unsigned indent, const char *text);

/* "1.2 MB", "36 B" / "12", "1.2M": into `buffer` of 32, which they return. */
const char *warderctl_bytes(json_int_t bytes, char *buffer);
const char *warderctl_count(json_int_t count, char *buffer);
/* "3d 4h", "12s" */
const char *warderctl_seconds(json_int_t seconds, char *buffer);

#endif
