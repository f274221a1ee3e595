/* SPDX-License-Identifier: Apache-2.0 */
/* Which (apiVersion, kind) is which of ours: the table store/kinds.tbl read. */
#ifndef WARDER_STORE_KINDS_H
#define WARDER_STORE_KINDS_H

#include "store/object.h"

enum warder_kind_found {
	WARDER_KIND_USED,
	WARDER_KIND_OTHER_VERSION, /* a kind of ours in a version that this program does not know */
	WARDER_KIND_MISTAKEN,	   /* a kind that warder.io does not have */
	WARDER_KIND_UNUSED,	   /* nothing to Warder */
};

struct warder_kind_info {
	enum warder_kind kind;
	bool namespaced;     /* FOREIGN: false, an object tells by itself */
	const char *version; /* the one that is used: "networking.k8s.io/v1"; NULL for FOREIGN */
};

/* Fills in `ret` for USED and OTHER_VERSION. */
enum warder_kind_found warder_kind_find(const char *api_version, const char *kind,
					struct warder_kind_info *ret);
/* "NetworkPolicy": the name of a kind of ours, "policy" for FOREIGN. */
const char *warder_kind_name(enum warder_kind kind);

#endif
