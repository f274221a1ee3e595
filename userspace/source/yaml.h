/* SPDX-License-Identifier: Apache-2.0 */
/* YAML documents to JSON, over libyaml's events. */
#ifndef WARDER_SOURCE_YAML_H
#define WARDER_SOURCE_YAML_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

struct warder_yaml_place {
	unsigned line, column; /* from 1 */
};

/*
 * Calls `document` with each document that is not empty: JSON (its caller's reference stays here),
 * the line where it begins, and its number.  Stops where that returns non-zero and returns it; 0,
 * -ENOMEM, or -EINVAL with `error` and *ret_place filled in.  Limits are those of
 * source/manifest.h.
 */
int warder_yaml_read(const char *text, size_t size,
		     int (*document)(void *data, json_t *json, unsigned line, size_t number),
		     void *data, struct warder_yaml_place *ret_place, struct warder_error *error);

/* Where `path` is in document `number`, or the nearest thing above it; 1:1 where there is nothing.
 */
struct warder_yaml_place warder_yaml_locate(const char *text, size_t size, size_t number,
					    const char *path);

#endif
