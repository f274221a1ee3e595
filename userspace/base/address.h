/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and prefixes of both families: one form (16 bytes, IPv4 as ::ffff:a.b.c.d). */
#ifndef WARDER_BASE_ADDRESS_H
#define WARDER_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "warder/types.h"

struct warder_prefix {
	struct warder_addr addr; /* host bits are 0 */
	__u8 bits;		 /* of the mapped form: an IPv4 /24 is 120 */
};

#define WARDER_ADDRESS_TEXT 56 /* room for any address or prefix as text */

bool warder_addr_is4(const struct warder_addr *addr);
int warder_addr_compare(const struct warder_addr *a, const struct warder_addr *b);
/* Strict: no leading zeros in IPv4, no zone, no port.  0 or -EINVAL. */
int warder_addr_parse(const char *text, struct warder_addr *ret);
/* Writes the canonical text into `buffer` (WARDER_ADDRESS_TEXT bytes) and returns it. */
const char *warder_addr_format(const struct warder_addr *addr, char *buffer);

/* -EINVAL: not a prefix; -EDOM: a prefix with host bits set (ret is the masked one). */
int warder_prefix_parse(const char *text, struct warder_prefix *ret);
const char *warder_prefix_format(const struct warder_prefix *prefix, char *buffer);
bool warder_prefix_has(const struct warder_prefix *prefix, const struct warder_addr *addr);
bool warder_prefix_covers(const struct warder_prefix *outer, const struct warder_prefix *inner);

#endif
