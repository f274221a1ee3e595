/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON strictly: where we are (spec.ingress[0].from[1].ipBlock.cidr) and the first thing
 * that could not be understood.  JSON null is an absent field, as the API server has it.
 */
#ifndef WARDER_STORE_FIELD_H
#define WARDER_STORE_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define WARDER_FIELD_PARTS_MAX 65536 /* list items of one object that are read; more is refused */

struct warder_field {
	char path[256]; /* cut where it is longer */
	size_t length;
	size_t parts;
	char *broken; /* NULL = all understood so far; owned by who made the reader */
};

/* Extends the path; returns what warder_field_back needs. */
size_t warder_field_at(struct warder_field *field, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void warder_field_back(struct warder_field *field, size_t mark);

/* Notes "PATH: what" unless something was noted before; returns false. */
bool warder_field_refuse(struct warder_field *field, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The member, or NULL where it is absent or null. */
const json_t *warder_field_get(const json_t *object, const char *name);
/* `value` is an object with no other members than `names` (space-separated). */
bool warder_field_object(struct warder_field *field, const json_t *value, const char *names);
/* `value` is a list; counts its items against WARDER_FIELD_PARTS_MAX. */
bool warder_field_list(struct warder_field *field, const json_t *value);
/* The text of `value`, borrowed; NULL (and noted) where it is something else. */
const char *warder_field_text(struct warder_field *field, const json_t *value);
/* An integer from `first` to `last`; -1 (and noted) where it is not. */
long long warder_field_integer(struct warder_field *field, const json_t *value, long long first,
			       long long last);

#endif
