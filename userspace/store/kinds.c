/* SPDX-License-Identifier: Apache-2.0 */
/* Finds a kind in store/kinds.tbl.  Decides nothing about what is inside an object. */
#include "store/kinds.h"

#include <string.h>

struct known {
	enum warder_kind kind;
	const char *group, *version, *name, *api_version;
	bool namespaced;
};

static const struct known known[] = {
#define KIND(constant, group, version, kind, namespaced)                                           \
	{WARDER_KIND_##constant,                                                                   \
	 group,                                                                                    \
	 version,                                                                                  \
	 kind,                                                                                     \
	 sizeof(group) == 1 ? version : group "/" version,                                         \
	 namespaced},
#define FOREIGN(group, kind)
#include "store/kinds.tbl"
};

static const struct {
	const char *group, *name;
} foreign[] = {
#define KIND(constant, group, version, kind, namespaced)
#define FOREIGN(group, kind) {group, kind},
#include "store/kinds.tbl"
};

static bool is_foreign(const char *group, size_t n, const char *kind)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (strlen(foreign[i].group) == n && !strncmp(foreign[i].group, group, n) &&
		    (!strcmp(foreign[i].name, "*") || !strcmp(foreign[i].name, kind)))
			return true;
	return strstr(kind, "NetworkPolicy");
}

enum warder_kind_found warder_kind_find(const char *api_version, const char *kind,
					struct warder_kind_info *ret)
{
	const char *slash = strchr(api_version, '/');
	size_t n = slash ? slash - api_version : 0;

	/* Where NetworkPolicy lived until Kubernetes 1.16. */
	if (n == strlen("extensions") && !strncmp(api_version, "extensions", n) &&
	    !strcmp(kind, "NetworkPolicy")) {
		api_version = "networking.k8s.io/of-extensions";
		n = strlen("networking.k8s.io");
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strlen(known[i].group) != n || strncmp(known[i].group, api_version, n) ||
		    strcmp(known[i].name, kind))
			continue;
		*ret = (struct warder_kind_info){known[i].kind, known[i].namespaced,
						 known[i].api_version};
		return !strcmp(known[i].api_version, api_version) ? WARDER_KIND_USED
								  : WARDER_KIND_OTHER_VERSION;
	}
	if (n == strlen("warder.io") && !strncmp(api_version, "warder.io", n))
		return WARDER_KIND_MISTAKEN;
	if (!is_foreign(api_version, n, kind))
		return WARDER_KIND_UNUSED;
	*ret = (struct warder_kind_info){WARDER_KIND_FOREIGN, false, NULL};
	return WARDER_KIND_USED;
}

const char *warder_kind_name(enum warder_kind kind)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].kind == kind)
			return known[i].name;
	return "policy";
}
