/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects as they are, by (kind, namespace, name).  What the store holds is a function of the
 * last put or delete of each key, whatever their order; it resolves nothing.
 */
#ifndef WARDER_STORE_STORE_H
#define WARDER_STORE_STORE_H

#include "store/object.h"

struct warder_store;

struct warder_store *warder_store_new(void);
void warder_store_free(struct warder_store *store);

/* Takes a reference of its own.  Returns 1 where something changed, 0 where an equal object was
 * there, -ENOMEM. */
int warder_store_put(struct warder_store *store, struct warder_object *object);
int warder_store_delete(struct warder_store *store, enum warder_kind kind, const char *ns,
			const char *name);

struct warder_object *warder_store_get(const struct warder_store *store, enum warder_kind kind,
				       const char *ns, const char *name); /* borrowed; NULL */
size_t warder_store_count(const struct warder_store *store, enum warder_kind kind);
/*
 * All objects of a kind, sorted by (namespace, name): borrowed, valid until the next put or delete.
 * Kept sorted lazily, so that walking it costs nothing between changes.
 */
struct warder_object *const *warder_store_list(const struct warder_store *store,
					       enum warder_kind kind, size_t *ret_n);
/* Grows with every change. */
unsigned long long warder_store_version(const struct warder_store *store);

#endif
