/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects by (kind, namespace, name): one hash table a kind, and a sorted list made when it is
 * asked for after a change.  Holds references, resolves nothing.
 */
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
	struct warder_object *object;
	UT_hash_handle hh; /* by "namespace/name", which no two objects of a kind share */
	char key[];
};

struct shelf { /* one kind */
	struct entry *entries;
	struct warder_object **sorted;
	size_t n, room;
	bool stale;
};

struct warder_store {
	struct shelf shelves[WARDER_KINDS];
	unsigned long long version;
};

struct warder_store *warder_store_new(void)
{
	return calloc(1, sizeof(struct warder_store));
}

void warder_store_free(struct warder_store *store)
{
	struct entry *entry, *next;

	if (!store)
		return;
	for (size_t i = 0; i < WARDER_KINDS; i++) {
		HASH_ITER (hh, store->shelves[i].entries, entry, next) {
			HASH_DEL(store->shelves[i].entries, entry);
			warder_object_unref(entry->object);
			free(entry);
		}
		free(store->shelves[i].sorted);
	}
	free(store);
}

static struct entry *find(const struct shelf *shelf, const char *ns, const char *name)
{
	size_t n_ns = strlen(ns), n_name = strlen(name), n = n_ns + 1 + n_name;
	char small[512], *key = n <= sizeof(small) ? small : malloc(n);
	struct entry *entry = NULL;

	if (!key)
		return NULL;
	memcpy(key, ns, n_ns);
	key[n_ns] = '/';
	memcpy(key + n_ns + 1, name, n_name);
	HASH_FIND(hh, shelf->entries, key, n, entry);
	if (key != small)
		free(key);
	return entry;
}

static int add(struct shelf *shelf, struct warder_object *object)
{
	size_t n_ns = strlen(object->ns), n_name = strlen(object->name), n = n_ns + 1 + n_name;
	struct entry *entry = calloc(1, sizeof(*entry) + n);

	if (!entry)
		return -ENOMEM;
	memcpy(entry->key, object->ns, n_ns);
	entry->key[n_ns] = '/';
	memcpy(entry->key + n_ns + 1, object->name, n_name);
	entry->object = warder_object_ref(object);
	HASH_ADD_KEYPTR(hh, shelf->entries, entry->key, n, entry);
	return 0;
}

int warder_store_put(struct warder_store *store, struct warder_object *object)
{
	struct shelf *shelf = &store->shelves[object->kind];
	struct entry *entry = find(shelf, object->ns, object->name);
	int error;

	if (entry && warder_object_equal(entry->object, object))
		return 0;
	if (entry) {
		struct warder_object *old = entry->object;

		entry->object = warder_object_ref(object);
		warder_object_unref(old);
	} else {
		error = add(shelf, object);
		if (error)
			return error;
	}
	shelf->stale = true;
	store->version++;
	return 1;
}

int warder_store_delete(struct warder_store *store, enum warder_kind kind, const char *ns,
			const char *name)
{
	struct shelf *shelf = &store->shelves[kind];
	struct entry *entry = find(shelf, ns, name);

	if (!entry)
		return 0;
	HASH_DEL(shelf->entries, entry);
	warder_object_unref(entry->object);
	free(entry);
	shelf->stale = true;
	store->version++;
	return 1;
}

struct warder_object *warder_store_get(const struct warder_store *store, enum warder_kind kind,
				       const char *ns, const char *name)
{
	struct entry *entry = find(&store->shelves[kind], ns, name);

	return entry ? entry->object : NULL;
}

size_t warder_store_count(const struct warder_store *store, enum warder_kind kind)
{
	return HASH_COUNT(store->shelves[kind].entries);
}

static int compare(const void *a, const void *b)
{
	const struct warder_object *x = *(struct warder_object *const *)a,
				   *y = *(struct warder_object *const *)b;
	int order = strcmp(x->ns, y->ns);

	return order ? order : strcmp(x->name, y->name);
}

static void sort(struct shelf *shelf)
{
	size_t n = HASH_COUNT(shelf->entries);
	struct entry *entry, *next;

	if (n > shelf->room) {
		struct warder_object **grown = realloc(shelf->sorted, n * sizeof(*grown));

		if (!grown)
			abort(); /* as uthash does: there is no answer that is not a wrong one */
		shelf->sorted = grown;
		shelf->room = n;
	}
	shelf->n = 0;
	HASH_ITER (hh, shelf->entries, entry, next)
		shelf->sorted[shelf->n++] = entry->object;
	if (shelf->n)
		qsort(shelf->sorted, shelf->n, sizeof(*shelf->sorted), compare);
	shelf->stale = false;
}

struct warder_object *const *warder_store_list(const struct warder_store *store,
					       enum warder_kind kind, size_t *ret_n)
{
	/* The order is a cache: making it changes nothing that a reader can see. */
	struct shelf *shelf = &((struct warder_store *)store)->shelves[kind];

	if (shelf->stale)
		sort(shelf);
	*ret_n = shelf->n;
	return shelf->sorted;
}

unsigned long long warder_store_version(const struct warder_store *store)
{
	return store->version;
}
