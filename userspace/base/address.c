/* SPDX-License-Identifier: Apache-2.0 */
/* Text and comparison of addresses and prefixes; inet_pton and inet_ntop do the work. */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const __u8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool warder_addr_is4(const struct warder_addr *addr)
{
	return !memcmp(addr->b, mapped, sizeof(mapped));
}

int warder_addr_compare(const struct warder_addr *a, const struct warder_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

int warder_addr_parse(const char *text, struct warder_addr *ret)
{
	struct warder_addr addr = {0};

	if (inet_pton(AF_INET, text, addr.b + 12) == 1)
		memcpy(addr.b, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, text, addr.b) != 1)
		return -EINVAL;
	*ret = addr;
	return 0;
}

const char *warder_addr_format(const struct warder_addr *addr, char *buffer)
{
	if (warder_addr_is4(addr))
		inet_ntop(AF_INET, addr->b + 12, buffer, WARDER_ADDRESS_TEXT);
	else
		inet_ntop(AF_INET6, addr->b, buffer, WARDER_ADDRESS_TEXT);
	return buffer;
}

/* Clears what is behind `bits`; true where something was set there. */
static bool mask(struct warder_addr *addr, unsigned bits)
{
	bool set = false;

	for (unsigned i = 0; i < 16; i++) {
		__u8 keep = bits >= 8 ? 0xff : (__u8)(0xff00 >> bits);

		set |= (addr->b[i] & ~keep) != 0;
		addr->b[i] &= keep;
		bits -= bits >= 8 ? 8 : bits;
	}
	return set;
}

int warder_prefix_parse(const char *text, struct warder_prefix *ret)
{
	const char *slash = strchr(text, '/');
	char head[WARDER_ADDRESS_TEXT];
	struct warder_prefix prefix;
	unsigned long bits;
	char *end;

	if (!slash || (size_t)(slash - text) >= sizeof(head) || !isdigit((unsigned char)slash[1]))
		return -EINVAL;
	memcpy(head, text, slash - text);
	head[slash - text] = 0;
	if (warder_addr_parse(head, &prefix.addr))
		return -EINVAL;
	bits = strtoul(slash + 1, &end, 10);
	if (*end || (slash[1] == '0' && slash[2]) || bits > (strchr(head, ':') ? 128 : 32))
		return -EINVAL;
	prefix.bits = strchr(head, ':') ? bits : bits + 96;
	if (!mask(&prefix.addr, prefix.bits)) {
		*ret = prefix;
		return 0;
	}
	*ret = prefix;
	return -EDOM;
}

const char *warder_prefix_format(const struct warder_prefix *prefix, char *buffer)
{
	bool is4 = prefix->bits >= 96 && warder_addr_is4(&prefix->addr);
	size_t used;

	warder_addr_format(&prefix->addr, buffer);
	used = strlen(buffer);
	snprintf(buffer + used, WARDER_ADDRESS_TEXT - used, "/%u",
		 is4 ? prefix->bits - 96 : prefix->bits);
	return buffer;
}

bool warder_prefix_has(const struct warder_prefix *prefix, const struct warder_addr *addr)
{
	struct warder_addr masked = *addr;

	if (prefix->bits < 96 &&
	    warder_addr_is4(addr)) /* ::/0 is every IPv6 address, and only these */
		return false;
	mask(&masked, prefix->bits);
	return !warder_addr_compare(&masked, &prefix->addr);
}

bool warder_prefix_covers(const struct warder_prefix *outer, const struct warder_prefix *inner)
{
	return outer->bits <= inner->bits && warder_prefix_has(outer, &inner->addr);
}
