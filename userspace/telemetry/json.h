/* SPDX-License-Identifier: Apache-2.0 */
/* Values for alerts in JSON: jansson refuses text that is not UTF-8, and a process may have any
 * name. */
#ifndef WARDER_TELEMETRY_JSON_H
#define WARDER_TELEMETRY_JSON_H

#include <jansson.h>

/* A string; bytes that are not UTF-8, and control characters, become U+FFFD.  NULL only without
 * memory. */
json_t *warder_json_text(const char *text);
/* The same, but JSON null for "". */
json_t *warder_json_text_or_null(const char *text);

#endif
