/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: any JSON as a Kubernetes object, policies too.  An error has a text; an object is
 * equal to itself decoded again, has a name for people, and lives in a store.
 */
#include <stdint.h>
#include <stdlib.h>

#include "store/policy.h"
#include "store/store.h"

static void use(struct warder_object *object, const json_t *json)
{
	struct warder_object *again = NULL;
	struct warder_store *store = warder_store_new();
	struct warder_error error;
	char name[128];

	if (warder_object_decode(json, NULL, &again, &error) || !warder_object_equal(object, again))
		abort();
	warder_object_describe(object, name, sizeof(name));
	if (warder_store_put(store, object) != 1 || warder_store_put(store, again) != 0 ||
	    warder_store_get(store, object->kind, object->ns, object->name) != object)
		abort();
	warder_store_delete(store, object->kind, object->ns, object->name);
	warder_store_free(store);
	warder_object_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct warder_object *object = NULL;
	struct warder_error error;

	if (!json)
		return 0;
	if (!warder_object_decode(json, "fuzz.json:1", &object, &error))
		use(object, json);
	else if (object || !*error.text)
		abort();
	warder_object_unref(object);
	json_decref(json);
	return 0;
}
