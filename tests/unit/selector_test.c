/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors: matching and its corners, decoding and what it refuses. */
#include "store/selector.h"

#include <stdlib.h>

#include "objects.h"
#include "policy/selector_index.h"
#include "suite.h"

static struct warder_label two[] = {{(char *)"app", (char *)"web"}, {(char *)"tier", (char *)""}};
static const struct warder_labels labels = {two, 2}, none;

static struct warder_selector *decode(const char *text, char **ret_broken)
{
	struct warder_field field = {0};
	json_t *json = objects_json(text);
	struct warder_selector *selector;

	warder_field_at(&field, "s");
	selector = warder_selector_decode(&field, json);
	json_decref(json);
	if (ret_broken)
		*ret_broken = field.broken;
	else
		free(field.broken);
	return selector;
}

static bool matches(const char *text, const struct warder_labels *on)
{
	struct warder_selector *selector = decode(text, NULL);
	bool match = selector && warder_selector_matches(selector, on);

	warder_selector_free(selector);
	return match;
}

#define ONE(key, op, values)                                                                       \
	"{'matchExpressions':[{'key':'" key "','operator':'" op "','values':[" values "]}]}"

/* {} selects everything, what has no labels too. */
static void test_empty(void)
{
	CU_ASSERT(matches("{}", &labels));
	CU_ASSERT(matches("{}", &none));
	CU_ASSERT(matches("{'matchLabels':{},'matchExpressions':[]}", &none));
	CU_ASSERT(matches("{'matchLabels':null}", &none));
}

/* A label with an empty value is there; one that is absent is not. */
static void test_empty_value(void)
{
	CU_ASSERT(matches("{'matchLabels':{'tier':''}}", &labels));
	CU_ASSERT(!matches("{'matchLabels':{'tier':''}}", &none));
	CU_ASSERT(matches(ONE("tier", "In", "'','x'"), &labels));
	CU_ASSERT(!matches(ONE("tier", "NotIn", "''"), &labels));
	CU_ASSERT(matches(ONE("tier", "Exists", ""), &labels));
	CU_ASSERT(!matches("{'matchLabels':{'app':''}}", &labels));
}

/* NotIn and DoesNotExist hold where the key is absent; In and Exists do not. */
static void test_absent_key(void)
{
	CU_ASSERT(matches(ONE("zone", "NotIn", "'a'"), &labels));
	CU_ASSERT(matches(ONE("zone", "DoesNotExist", ""), &labels));
	CU_ASSERT(!matches(ONE("zone", "In", "'a'"), &labels));
	CU_ASSERT(!matches(ONE("zone", "Exists", ""), &labels));
	CU_ASSERT(!matches(ONE("app", "DoesNotExist", ""), &labels));
}

/* Every requirement must hold. */
static void test_all_hold(void)
{
	CU_ASSERT(matches("{'matchLabels':{'app':'web'},'matchExpressions':[{'key':'tier','"
			  "operator':'Exists'}]}",
			  &labels));
	CU_ASSERT(!matches("{'matchLabels':{'app':'web'},'matchExpressions':[{'key':'zone','"
			   "operator':'Exists'}]}",
			   &labels));
	CU_ASSERT(!matches("{'matchExpressions':[{'key':'app','operator':'In','values':['web']},"
			   "{'key':'app','operator':'NotIn','values':['web']}]}",
			   &labels));
}

static void refused(const char *text, const char *part)
{
	struct warder_selector *selector;
	char *broken = NULL;

	selector = decode(text, &broken);
	CU_ASSERT_PTR_NULL(selector);
	CU_ASSERT(broken && strstr(broken, part));
	if (!broken || !strstr(broken, part))
		printf("%s: %s\n", text, broken ? broken : "accepted");
	warder_selector_free(selector);
	free(broken);
}

static void test_refused(void)
{
	refused("[]", "s: must be an object, not a list");
	refused("{'matchLables':{}}", "s: unknown field \"matchLables\"");
	refused("{'matchLabels':{'a':true}}",
		"s.matchLabels[a]: must be text, not true or false: put it in quotes");
	refused("{'matchLabels':{'a b':'c'}}", "cannot be a label's key");
	refused("{'matchLabels':{'a':'b c'}}", "cannot be a label's value");
	refused("{'matchLabels':{'':'b'}}", "cannot be a label's key");
	refused("{'matchLabels':['a']}", "s.matchLabels: must be an object");
	refused("{'matchExpressions':{}}", "s.matchExpressions: must be a list, not an object");
	refused(ONE("a", "Like", "'b'"),
		"s.matchExpressions[0].operator: unknown operator \"Like\"");
	refused(ONE("a", "In", ""),
		"s.matchExpressions[0].values: In and NotIn need at least one value");
	refused(ONE("a", "Exists", "'b'"), "take no values");
	refused("{'matchExpressions':[{'operator':'Exists'}]}",
		"s.matchExpressions[0].key: must be text, not nothing");
	refused("{'matchExpressions':[{'key':'a'}]}",
		"s.matchExpressions[0].operator: must be text");
	refused("{'matchExpressions':[{'key':'a','operator':'In','values':[1]}]}",
		"values[0]: must be text, not a number");
	refused("{'matchExpressions':[{'key':'a','operator':'In','value':['b']}]}",
		"unknown field \"value\"");
	refused("{'\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4':{}}", "unknown field");
}

static void test_syntax(void)
{
	CU_ASSERT(warder_label_key_valid("app"));
	CU_ASSERT(warder_label_key_valid("example.org/app.kubernetes_io-x"));
	CU_ASSERT(!warder_label_key_valid("Example.org/app"));
	CU_ASSERT(!warder_label_key_valid("a/b/c"));
	CU_ASSERT(!warder_label_key_valid("/a"));
	CU_ASSERT(!warder_label_key_valid("a-"));
	CU_ASSERT(!warder_label_key_valid("a..b/c"));
	CU_ASSERT(warder_label_value_valid(""));
	CU_ASSERT(!warder_label_value_valid("-a"));
	CU_ASSERT(!warder_label_value_valid(
		"0123456789012345678901234567890123456789012345678901234567890123"));
}

/* The index finds what asking each selector finds, and the same selector has one number. */
static void test_index(void)
{
	static const char *const texts[] = {
		"{}",
		"{'matchLabels':{'app':'web'}}",
		"{'matchLabels':{'app':'api'}}",
		ONE("app", "In", "'api','web','x'"),
		ONE("app", "NotIn", "'api'"),
		ONE("zone", "DoesNotExist", ""),
		ONE("tier", "Exists", ""),
		"{'matchLabels':{'tier':'','app':'web'}}",
		ONE("app", "In", "'x','web','api','web'"),
	};
	enum { N = sizeof(texts) / sizeof(*texts) };
	struct warder_selector *selectors[N];
	struct selector_index index = {0};
	struct number_list found = {0};
	uint32_t numbers[N];

	for (unsigned i = 0; i < N; i++) {
		selectors[i] = decode(texts[i], NULL);
		numbers[i] = selector_index_add(&index, selectors[i]);
	}
	CU_ASSERT_EQUAL(numbers[3], numbers[8]);
	CU_ASSERT_EQUAL(selector_index_add(&index, NULL), numbers[0]);
	selector_index_query(&index, &labels, &found);
	for (unsigned i = 0; i < N; i++) {
		unsigned times = 0;

		for (size_t j = 0; j < found.n; j++)
			times += found.v[j] == numbers[i];
		CU_ASSERT_EQUAL(times, warder_selector_matches(selectors[i], &labels));
	}
	selector_index_clear(&index);
	free(found.v);
	for (unsigned i = 0; i < N; i++)
		warder_selector_free(selectors[i]);
}

static const struct suite_test tests[] = {
	{"empty-selects-all", test_empty},
	{"empty-value", test_empty_value},
	{"absent-key", test_absent_key},
	{"all-hold", test_all_hold},
	{"refused", test_refused},
	{"syntax", test_syntax},
	{"index", test_index},
};

SUITE("selector", tests)
