/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label selectors: decoding (Kubernetes' LabelSelector) and, in store/policy.h, matching.
 * Requirements are kept sorted, so that two selectors that say the same are the same.
 */
#ifndef WARDER_STORE_SELECTOR_H
#define WARDER_STORE_SELECTOR_H

#include "store/field.h"
#include "store/policy.h"

/* Reads `value`; NULL (and noted in `field`) where it cannot be used.  {} selects everything. */
struct warder_selector *warder_selector_decode(struct warder_field *field, const json_t *value);
void warder_selector_free(struct warder_selector *selector); /* NULL is fine */

/* Syntax as the API server has it: "example.org/name"; "" is a value but no key. */
bool warder_label_key_valid(const char *key);
bool warder_label_value_valid(const char *value);

#endif
