/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a manifest, YAML or JSON, as the JSON of its objects.  Scalars are read as Kubernetes
 * reads them (sigs.k8s.io/yaml: yes, no, on and off are booleans, 0777 is octal), but for a bare y
 * or n, which is the string that every other YAML reader takes it for.  Duplicate keys, merge keys
 * and unknown tags are refused.  Memory is bounded by the limits below, whatever the text.
 */
#ifndef WARDER_SOURCE_MANIFEST_H
#define WARDER_SOURCE_MANIFEST_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

enum {
	WARDER_MANIFEST_BYTES_MAX = 64 << 20, /* of one file */
	WARDER_MANIFEST_NODES_MAX =
		2000000, /* maps, lists, scalars of one document, aliases expanded */
	WARDER_MANIFEST_ALIASED_MAX = 100000, /* of these, what aliases add */
	WARDER_MANIFEST_ANCHORS_MAX = 1000,   /* of one document */
	WARDER_MANIFEST_DEPTH_MAX = 64,	      /* maps and lists in each other */
	WARDER_MANIFEST_LISTS_MAX = 4,	      /* Lists in Lists */
};

/* Where in the text something is; lines and columns count from 1, 0 = unknown. */
struct warder_manifest_place {
	unsigned line, column;
	size_t begin, size; /* the document's part of the text */
	size_t document;    /* which document of that part */
	char prefix[96];    /* "items[3]." where the object is in a List */
};

/*
 * Calls `each` with every object of `text` in order, Lists taken apart; `object` is borrowed and
 * may be shared. Stops where it returns non-zero, and returns that.  Else 0, -EFBIG, -ENOMEM, or
 * -EINVAL with the error filled in (what is wrong, without the place) and *ret_place (may be NULL)
 * where. Objects before the fault have been handed over then: it is the caller who keeps or drops
 * them.
 */
int warder_manifest_read(const char *text, size_t size,
			 int (*each)(void *data, const json_t *object,
				     const struct warder_manifest_place *place),
			 void *data, struct warder_manifest_place *ret_place,
			 struct warder_error *error);

/* Line and column of a field ("spec.ports[0].port") of the object at `place`, or of the nearest
 * thing above it. */
void warder_manifest_locate(const char *text, const struct warder_manifest_place *place,
			    const char *field, unsigned *ret_line, unsigned *ret_column);

#endif
