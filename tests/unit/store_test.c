/* SPDX-License-Identifier: Apache-2.0 */
/* The store: keys, replacement, sorted lists, and that its state is a function of the last put or
 * delete. */
#include "store/store.h"

#include <stdbool.h>
#include <stdlib.h>

#include "suite.h"

static struct warder_object *make(const char *kind, const char *ns, const char *name,
				  const char *node)
{
	json_t *json = json_pack("{s:s,s:s,s:{s:s,s:s},s:{s:s}}", "apiVersion",
				 !strcmp(kind, "CiliumNetworkPolicy") ? "cilium.io/v2"
				 : !strcmp(kind, "NetworkPolicy")     ? "projectcalico.org/v3"
								      : "v1",
				 "kind", kind, "metadata", "name", name, "namespace", ns, "spec",
				 "nodeName", node);
	struct warder_object *object = NULL;
	struct warder_error error;

	if (warder_object_decode(json, NULL, &object, &error))
		printf("  %s\n", error.text);
	json_decref(json);
	CU_ASSERT_FATAL(object != NULL);
	return object;
}

static int put(struct warder_store *store, const char *kind, const char *ns, const char *name,
	       const char *node)
{
	struct warder_object *object = make(kind, ns, name, node);
	int changed = warder_store_put(store, object);

	warder_object_unref(object);
	return changed;
}

static void test_put_and_delete(void)
{
	struct warder_store *store = warder_store_new();
	unsigned long long version = warder_store_version(store);

	CU_ASSERT(put(store, "Pod", "x", "a", "n1") == 1);
	CU_ASSERT(warder_store_version(store) > version);
	version = warder_store_version(store);
	CU_ASSERT(put(store, "Pod", "x", "a", "n1") == 0);
	CU_ASSERT(warder_store_version(store) == version);
	CU_ASSERT(put(store, "Pod", "x", "a", "n2") == 1);
	CU_ASSERT_STRING_EQUAL(warder_store_get(store, WARDER_KIND_POD, "x", "a")->pod.node, "n2");
	CU_ASSERT(!warder_store_get(store, WARDER_KIND_POD, "a", "x"));
	CU_ASSERT(!warder_store_get(store, WARDER_KIND_SERVICE, "x", "a"));
	CU_ASSERT(warder_store_delete(store, WARDER_KIND_POD, "x", "b") == 0);
	CU_ASSERT(warder_store_delete(store, WARDER_KIND_POD, "x", "a") == 1);
	CU_ASSERT(warder_store_delete(store, WARDER_KIND_POD, "x", "a") == 0);
	CU_ASSERT(warder_store_count(store, WARDER_KIND_POD) == 0);
	warder_store_free(store);
	warder_store_free(NULL);
}

/* Keys are injective: ("ab", "c") and ("a", "bc") are two pods (amazon-network-policy's mistake).
 */
static void test_keys(void)
{
	struct warder_store *store = warder_store_new();

	CU_ASSERT(put(store, "Pod", "ab", "c", "n1") == 1);
	CU_ASSERT(put(store, "Pod", "a", "bc", "n2") == 1);
	CU_ASSERT(put(store, "Pod", "a", "b.c", "n3") == 1);
	CU_ASSERT(warder_store_count(store, WARDER_KIND_POD) == 3);
	CU_ASSERT_STRING_EQUAL(warder_store_get(store, WARDER_KIND_POD, "a", "bc")->pod.node, "n2");
	/* Foreign kinds of one name are not each other. */
	CU_ASSERT(put(store, "CiliumNetworkPolicy", "x", "p", "") == 1);
	CU_ASSERT(put(store, "NetworkPolicy", "x", "p", "") == 1);
	CU_ASSERT(warder_store_count(store, WARDER_KIND_FOREIGN) == 2);
	warder_store_free(store);
}

static void test_list(void)
{
	struct warder_store *store = warder_store_new();
	struct warder_object *const *list;
	char name[32];
	size_t n;

	warder_store_list(store, WARDER_KIND_POD, &n);
	CU_ASSERT(n == 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "p%d", i * 7919 % 1000);
		put(store, "Pod", i % 3 ? "x" : "y", name, "n");
	}
	list = warder_store_list(store, WARDER_KIND_POD, &n);
	CU_ASSERT_FATAL(n == 1000);
	for (size_t i = 1; i < n; i++) {
		int order = strcmp(list[i - 1]->ns, list[i]->ns);

		CU_ASSERT(order < 0 || (!order && strcmp(list[i - 1]->name, list[i]->name) < 0));
	}
	CU_ASSERT(warder_store_list(store, WARDER_KIND_POD, &n) == list);
	warder_store_delete(store, WARDER_KIND_POD, list[0]->ns, list[0]->name);
	warder_store_list(store, WARDER_KIND_POD, &n);
	CU_ASSERT(n == 999);
	warder_store_free(store);
}

/* Two stores that saw different histories with the same end are the same. */
static void test_order_does_not_count(void)
{
	struct warder_store *one = warder_store_new(), *two = warder_store_new();
	struct warder_object *const *a, *const *b;
	size_t n_a, n_b;
	char name[32], node[32];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		snprintf(node, sizeof(node), "n%d", i);
		put(one, "Pod", "x", name, node);
	}
	for (int i = 1999; i >= 0; i--) {
		snprintf(name, sizeof(name), "p%d", i % 400);
		snprintf(node, sizeof(node), "n%d", i < 400 ? i : i + 1);
		put(two, "Pod", "x", name, node);
		if (i % 400 >= 200)
			warder_store_delete(two, WARDER_KIND_POD, "x", name);
	}
	a = warder_store_list(one, WARDER_KIND_POD, &n_a);
	b = warder_store_list(two, WARDER_KIND_POD, &n_b);
	CU_ASSERT_FATAL(n_a == n_b);
	for (size_t i = 0; i < n_a; i++)
		CU_ASSERT(warder_object_equal(a[i], b[i]));
	warder_store_free(one);
	warder_store_free(two);
}

/* A reader's reference outlives the store. */
static void test_references(void)
{
	struct warder_store *store = warder_store_new();
	struct warder_object *held;

	put(store, "Pod", "x", "a", "n1");
	held = warder_object_ref(warder_store_get(store, WARDER_KIND_POD, "x", "a"));
	put(store, "Pod", "x", "a", "n2");
	CU_ASSERT_STRING_EQUAL(held->pod.node, "n1");
	warder_store_free(store);
	CU_ASSERT_STRING_EQUAL(held->pod.node, "n1");
	warder_object_unref(held);
}

static const struct suite_test tests[] = {
	{"put and delete", test_put_and_delete},
	{"keys", test_keys},
	{"sorted lists", test_list},
	{"order does not count", test_order_does_not_count},
	{"references", test_references},
};

SUITE("store", tests)
