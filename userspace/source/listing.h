/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the manifests in a directory. */
#ifndef WARDER_SOURCE_LISTING_H
#define WARDER_SOURCE_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#define WARDER_LISTING_MAX 65536 /* files of one directory */

struct warder_listing {
	char **names; /* sorted (strcmp) */
	size_t n;
	bool cut; /* there were more */
};

/* 0 or -errno; the caller releases. */
int warder_listing_read(int dirfd, struct warder_listing *ret);
void warder_listing_release(struct warder_listing *listing);

#endif
