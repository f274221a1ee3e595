/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile policies: random ones with one part replaced, removed or added.  Whatever it is, there is
 * a policy, a broken one says why in printable text and opens nothing, and it compiles.
 */
#include "store/decode_policy.h"
#include "suite.h"
#include "worlds.h"
#include "worlds_policy.h"

static json_t *random_value(struct world *world)
{
	static const char *const texts[] = {
		"",
		"*",
		"TCP",
		"10.0.0.0/8",
		"::/0",
		"999.1.1.1/8",
		"a/b/c",
		"spiffe://",
		"\xc3\xa4\xe2\x82\xac",
		"In",
		"x\ny",
		"0123456789012345678901234567890123456789012345678901234567890123456789",
	};

	switch (world_random(world, 10)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(world_chance(world, 50));
	case 2:
		return json_integer((long long)world_random(world, 200000) - 100);
	case 3:
		return json_integer(world_chance(world, 50) ? -9223372036854775807LL
							    : 9223372036854775807LL);
	case 4:
		return json_real(1e300);
	case 5:
		return json_array();
	case 6:
		return json_object();
	case 7:
		return json_pack("[{s:[[]]}]", "matchLabels");
	default:
		return json_string(texts[world_random(world, sizeof(texts) / sizeof(*texts))]);
	}
}

/* One random place below `value` is changed. */
static void mutate(struct world *world, json_t *value)
{
	size_t n = json_is_object(value) ? json_object_size(value) : json_array_size(value), pick,
	       i = 0;
	json_t *member;
	const char *key;
	void *next;

	if (!n || world_chance(world, 10)) {
		if (json_is_object(value))
			json_object_set_new(value, world_chance(world, 50) ? "extra" : "port",
					    random_value(world));
		else
			json_array_append_new(value, random_value(world));
		return;
	}
	pick = world_random(world, n);
	if (json_is_array(value)) {
		member = json_array_get(value, pick);
		if ((json_is_object(member) || json_is_array(member)) && world_chance(world, 75))
			mutate(world, member);
		else
			json_array_set_new(value, pick, random_value(world));
		return;
	}
	json_object_foreach_safe(value, next, key, member)
	{
		if (i++ != pick)
			continue;
		if ((json_is_object(member) || json_is_array(member)) && world_chance(world, 75))
			mutate(world, member);
		else if (world_chance(world, 20))
			json_object_del(value, key);
		else
			json_object_set_new(value, key, random_value(world));
		return;
	}
}

static bool opens_nothing(const struct warder_policy *policy)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (policy->rules[i].action != WARDER_DENY)
			return false;
	return policy->n_rules || policy->isolates[0] || policy->isolates[1];
}

static bool check_text(const char *text)
{
	json_t *json = json_string(text); /* NULL where it is not UTF-8 */
	bool good = json && *text;

	for (const char *c = text; *c; c++)
		good &= (unsigned char)*c >= ' ';
	json_decref(json);
	return good;
}

static void test_mutations(void)
{
	unsigned broken = 0, wrong = 0;

	for (unsigned long long seed = 1; seed <= 3000; seed++) {
		struct world world = {.seed = seed, .random = seed};
		json_t *object = world_policy(&world, 1, "x");
		const char *kind = json_string_value(json_object_get(object, "kind"));
		struct warder_policy *policy = NULL;

		for (unsigned n = 1 + world_random(&world, 2); n--;)
			mutate(&world, json_object_get(object, "spec"));
		warder_policy_decode(object,
				     kind[0] == 'N'   ? WARDER_KIND_NETWORK_POLICY
				     : kind[0] == 'I' ? WARDER_KIND_IDENTITY_POLICY
						      : WARDER_KIND_CLUSTER_NETWORK_POLICY,
				     "x", &policy);
		if (policy->broken) {
			broken++;
			if (!opens_nothing(policy) || !check_text(policy->broken)) {
				printf("seed %llu: %s\n", seed, policy->broken);
				wrong++;
			}
		}
		warder_policy_free(policy);
		json_decref(object);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(broken > 1000);
}

/* Such objects in a store: the node's matrix is made, and the other policies hold. */
static void test_mutated_worlds(void)
{
	for (unsigned long long seed = 1; seed <= 100; seed++) {
		struct world *world = world_make(seed);
		struct warder_matrix *matrix = NULL;
		struct warder_error error = {""};

		for (unsigned n = 0; n < 5; n++) {
			json_t *json = world_policy(world, 1000 + n, "x");
			struct warder_object *object = NULL;

			mutate(world, json_object_get(json, "spec"));
			if (!warder_object_decode(json, NULL, &object, &error))
				warder_store_put(world->store, object);
			warder_object_unref(object);
			json_decref(json);
		}
		CU_ASSERT_EQUAL(warder_compile(world->store, &world->options, &matrix, &error), 0);
		warder_matrix_free(matrix);
		world_free(world);
	}
}

static const struct suite_test tests[] = {
	{"mutations", test_mutations},
	{"mutated-worlds", test_mutated_worlds},
};

SUITE("mutation", tests)
