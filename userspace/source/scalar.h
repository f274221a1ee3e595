/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain YAML scalar is. */
#ifndef WARDER_SOURCE_SCALAR_H
#define WARDER_SOURCE_SCALAR_H

#include <jansson.h>
#include <stddef.h>

/* New reference: a string, a number, a boolean or null; NULL where there is no JSON for it (.inf,
 * .nan) or no memory. */
json_t *warder_scalar_resolve(const char *text, size_t size);

#endif
