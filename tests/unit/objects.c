/* SPDX-License-Identifier: Apache-2.0 */
#include "objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *objects_json(const char *text)
{
	char *copy = strdup(text);
	json_error_t error;
	json_t *json;

	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	json = json_loads(copy, JSON_DECODE_ANY, &error);
	if (!json) {
		fprintf(stderr, "objects: %s at %d of %s\n", error.text, error.position, copy);
		abort();
	}
	free(copy);
	return json;
}

static void put(struct warder_store *store, const json_t *json)
{
	struct warder_error error = {""};
	struct warder_object *object;

	if (warder_object_decode(json, NULL, &object, &error)) {
		fprintf(stderr, "objects: %s\n", error.text);
		abort();
	}
	warder_store_put(store, object);
	warder_object_unref(object);
}

struct warder_store *objects_store(const char *text)
{
	struct warder_store *store = warder_store_new();
	json_t *list = objects_json(text), *json;
	size_t i;

	json_array_foreach(list, i, json)
	{
		put(store, json);
	}
	json_decref(list);
	return store;
}

void objects_put(struct warder_store *store, const char *text)
{
	json_t *json = objects_json(text);

	put(store, json);
	json_decref(json);
}
