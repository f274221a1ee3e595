/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of files on names, and who wins: see source/merge.h.  Reads no file. */
#include "source/merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { DUPLICATES_MAX = 64 }; /* told; the others are the same mistake */

struct holder { /* a file */
	struct warder_object **objects;
	size_t n;
	UT_hash_handle hh;
	char name[];
};

struct claim {
	const struct holder *file;
	size_t order;		      /* in the file */
	struct warder_object *object; /* the holder's reference */
};

struct name {
	struct claim *claims; /* sorted by (file's name, order) */
	size_t n;
	struct warder_object *told; /* what the sink has: a reference, or NULL */
	bool dirty;
	struct name *next_dirty;
	UT_hash_handle hh;
	char key[]; /* kind, "namespace/name" */
};

struct warder_merge {
	const struct warder_source_sink *sink;
	struct holder *files;
	struct name *names, *dirty;
	size_t crowded; /* names with more than one claim */
};

struct warder_merge *warder_merge_new(const struct warder_source_sink *sink)
{
	struct warder_merge *merge = calloc(1, sizeof(*merge));

	if (merge)
		merge->sink = sink;
	return merge;
}

static void holder_free(struct holder *file)
{
	for (size_t i = 0; i < file->n; i++)
		warder_object_unref(file->objects[i]);
	free(file->objects);
	free(file);
}

static void name_free(struct warder_merge *merge, struct name *name)
{
	HASH_DEL(merge->names, name); /* NOLINT(clang-analyzer-core.NullDereference) */
	warder_object_unref(name->told);
	free(name->claims);
	free(name);
}

void warder_merge_free(struct warder_merge *merge)
{
	struct holder *file, *next_file;
	struct name *name, *next_name;

	if (!merge)
		return;
	HASH_ITER (hh, merge->names, name, next_name)
		name_free(merge, name);
	HASH_ITER (hh, merge->files, file, next_file) {
		HASH_DEL(merge->files, file);
		holder_free(file);
	}
	free(merge);
}

static void set_dirty(struct warder_merge *merge, struct name *name)
{
	if (name->dirty)
		return;
	name->dirty = true;
	name->next_dirty = merge->dirty;
	merge->dirty = name;
}

static struct name *find_name(struct warder_merge *merge, const struct warder_object *object,
			      bool make)
{
	size_t n_ns = strlen(object->ns), n_name = strlen(object->name), n = n_ns + n_name + 2;
	struct name *name = calloc(1, sizeof(*name) + n), *found = NULL;

	if (!name)
		return NULL;
	name->key[0] = object->kind;
	memcpy(name->key + 1, object->ns, n_ns);
	name->key[1 + n_ns] = '/';
	memcpy(name->key + 2 + n_ns, object->name, n_name);
	HASH_FIND(hh, merge->names, name->key, n, found);
	if (found || !make) {
		free(name);
		return found;
	}
	HASH_ADD_KEYPTR(hh, merge->names, name->key, n, name);
	return name;
}

static bool before(const struct claim *a, const struct claim *b)
{
	int order = strcmp(a->file->name, b->file->name);

	return order ? order < 0 : a->order < b->order;
}

static int add_claim(struct warder_merge *merge, const struct claim *claim)
{
	struct name *name = find_name(merge, claim->object, true);
	struct claim *grown;
	size_t at;

	if (!name)
		return -ENOMEM;
	set_dirty(merge, name); /* a name without a claim goes with the next apply */
	grown = realloc(name->claims, (name->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	name->claims = grown;
	for (at = name->n; at && before(claim, &grown[at - 1]); at--)
		grown[at] = grown[at - 1];
	grown[at] = *claim;
	if (++name->n == 2)
		merge->crowded++;
	return 0;
}

static void drop_claims(struct warder_merge *merge, const struct holder *file)
{
	for (size_t i = 0; i < file->n; i++) {
		struct name *name = find_name(merge, file->objects[i], false);
		size_t kept = 0, had = name ? name->n : 0;

		for (size_t j = 0; j < had; j++)
			if (name->claims[j].file != file)
				name->claims[kept++] = name->claims[j];
		if (!name || kept == had) /* two objects of one name: the first has dropped both */
			continue;
		name->n = kept;
		merge->crowded -= had > 1 && kept <= 1;
		set_dirty(merge, name);
	}
}

static struct holder *holder_new(const char *name, struct warder_object *const *objects, size_t n)
{
	struct holder *file = calloc(1, sizeof(*file) + strlen(name) + 1);

	if (!file)
		return NULL;
	memcpy(file->name, name, strlen(name) + 1);
	file->objects = n ? malloc(n * sizeof(*file->objects)) : NULL;
	if (n && !file->objects) {
		free(file);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		file->objects[i] = warder_object_ref(objects[i]);
	file->n = n;
	return file;
}

int warder_merge_replace(struct warder_merge *merge, const char *file,
			 struct warder_object *const *objects, size_t n)
{
	struct holder *new = holder_new(file, objects, n), *old;
	int error = 0;

	if (!new)
		return -ENOMEM;
	HASH_FIND_STR(merge->files, file, old);
	if (old) {
		drop_claims(merge, old);
		HASH_DEL(merge->files, old);
		holder_free(old);
	}
	HASH_ADD_STR(merge->files, name, new);
	for (size_t i = 0; !error && i < n; i++)
		error = add_claim(merge, &(struct claim){new, i, new->objects[i]});
	return error;
}

size_t warder_merge_apply(struct warder_merge *merge)
{
	size_t changes = 0;
	struct name *name;

	while ((name = merge->dirty)) {
		struct warder_object *winner = name->n ? name->claims[0].object : NULL;

		merge->dirty = name->next_dirty;
		name->dirty = false;
		if (winner && name->told && warder_object_equal(winner, name->told))
			continue;
		if (winner) {
			warder_object_unref(name->told);
			name->told = warder_object_ref(winner);
			merge->sink->put(merge->sink->data, winner);
			changes++;
			continue;
		}
		if (name->told) {
			merge->sink->delete (merge->sink->data, name->told->kind, name->told->ns,
					     name->told->name);
			changes++;
		}
		name_free(merge, name);
	}
	return changes;
}

static int compare_problems(const void *a, const void *b)
{
	return strcmp(((const struct warder_source_problem *)a)->where,
		      ((const struct warder_source_problem *)b)->where);
}

void warder_merge_duplicates(const struct warder_merge *merge, struct warder_problems *problems)
{
	size_t first = problems->n;
	struct name *name, *next;

	if (!merge->crowded)
		return;
	HASH_ITER (hh, merge->names, name, next) {
		for (size_t i = 1; i < name->n && problems->n - first < DUPLICATES_MAX; i++) {
			const struct warder_object *object = name->claims[i].object;
			char text[600];

			warder_problems_add(
				problems, false, object->origin,
				"%s is in %s too, and that one counts: remove one of them",
				warder_object_describe(object, text, sizeof(text)),
				name->claims[0].object->origin);
		}
	}
	if (problems->n > first)
		qsort(problems->v + first, problems->n - first, sizeof(*problems->v),
		      compare_problems);
}
