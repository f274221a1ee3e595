/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifest text to objects: scalars against the answers of sigs.k8s.io/yaml 1.4.0 (what kubectl
 * uses), documents, Lists, anchors, and what must be refused without harm.
 */
#include "source/manifest.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "suite.h"

/* Made by sigs.k8s.io/yaml 1.4.0: YAMLToJSON of each text; NULL where it fails.  Left out is what
 * Warder reads otherwise on purpose: bare y and n, duplicate keys, merge keys, unknown tags. */
static const struct {
	const char *yaml, *json;
} scalars[] = {
	{"yes", "true"},
	{"No", "false"},
	{"ON", "true"},
	{"off", "false"},
	{"true", "true"},
	{"TRUE", "true"},
	{"tRue", "\"tRue\""},
	{"~", "null"},
	{"null", "null"},
	{"NULL", "null"},
	{"nULL", "\"nULL\""},
	{"0777", "511"},
	{"08", "8"},
	{"0o17", "15"},
	{"0x1F", "31"},
	{"0b101", "5"},
	{"-0b11", "-3"},
	{"+5", "5"},
	{"1_000", "1000"},
	{"1e3", "1000"},
	{".5", "0.5"},
	{"5.", "5"},
	{"-.5", "-0.5"},
	{".inf", NULL},
	{".NaN", NULL},
	{"12e03", "12000"},
	{"2001-01-01", "\"2001-01-01\""},
	{"2001-01-01T00:00:00Z", "\"2001-01-01T00:00:00Z\""},
	{"18446744073709551615", "18446744073709551615"},
	{"9223372036854775808", "9223372036854775808"},
	{"99999999999999999999999", "1e+23"},
	{"1:30", "\"1:30\""},
	{"0x", "\"0x\""},
	{"+", "\"+\""},
	{"-", "[null]"},
	{".", "\".\""},
	{"1.5", "1.5"},
	{"1.0", "1"},
	{"80.0", "80"},
	{"\"5\"", "\"5\""},
	{"!!str 5", "\"5\""},
	{"!!int \"5\"", "5"},
	{"!!float 5", "5"},
	{"!!bool yes", "true"},
	{"!!null x", NULL},
	{"! 5", "\"5\""},
	{"{on: 1}", "{\"true\":1}"},
	{"{5: 1}", "{\"5\":1}"},
	{"{1.5: 1}", "{\"1.5\":1}"},
	{"{null: 1}", NULL},
	{"{~: 1}", NULL},
	{"{[a]: 1}", NULL},
	{"0_8", "8"},
	{"1__0", "10"},
	{"_1", "\"_1\""},
	{"1_", "1"},
	{"0x_1", "1"},
	{"1e400", "\"1e400\""},
	{"1E5", "100000"},
	{"e5", "\"e5\""},
	{"0.1e-3", "0.0001"},
	{"-0", "0"},
	{"-0x10", "-16"},
	{"0b2", "\"0b2\""},
	{"0o8", "\"0o8\""},
	{"+.5", "0.5"},
	{"1.2.3", "\"1.2.3\""},
	{"10.0.0.1", "\"10.0.0.1\""},
	{"{\"a\": \"x\"}", "{\"a\":\"x\"}"},
	{"*a", NULL},
	{"{1e3: 1}", "{\"1000\":1}"},
	{"{0x10: 1}", "{\"16\":1}"},
	{"{true: a}", "{\"true\":\"a\"}"},
	{"a: !!timestamp 2001-01-01", "{\"a\":\"2001-01-01\"}"},
	{"=", "\"=\""},
	{"1e5000", "\"1e5000\""},
	{"0x1p4", "\"0x1p4\""},
	{".5e3", "500"},
	{"-5e-1", "-0.5"},
	{"0b", "\"0b\""},
	{"00", "0"},
	{"-00", "0"},
	{"0.0", "0"},
	{"-0.0", "-0"},
	{"1.", "1"},
	{"0x8000000000000000", "9223372036854775808"},
	{"07_7", "63"},
	{"!!str", "\"\""},
	{"!!str ~", "\"~\""},
	{"\"\"", "\"\""},
	{"''", "\"\""},
	{"- ", "[null]"},
	{"[a,,b]", NULL},
	{"0xg", "\"0xg\""},
	{"0B11", "3"},
	{"0X1F", "31"},
	{"0O17", "15"},
	{"1e", "\"1e\""},
	{"123456789012", "123456789012"},
	{"1.0e20", "100000000000000000000"},
	{"1e21", "1e+21"},
	{"0.000001", "0.000001"},
	{"1.7976931348623157e308", "1.7976931348623157e+308"},
};

static struct {
	json_t *objects[64];
	struct warder_manifest_place places[64];
	size_t n;
	struct warder_manifest_place fault;
	struct warder_error error;
} got;

static int take(void *data, const json_t *object, const struct warder_manifest_place *place)
{
	if (got.n < 64) {
		got.objects[got.n] = json_deep_copy(object);
		got.places[got.n++] = *place;
	}
	return 0;
}

static void forget(void)
{
	while (got.n)
		json_decref(got.objects[--got.n]);
	memset(&got, 0, sizeof(got));
}

static int read_sized(const char *text, size_t size)
{
	/* A copy of just this size: reading behind it is found by the address sanitizer. */
	char *copy = malloc(size ? size : 1);
	int code;

	forget();
	memcpy(copy, text, size);
	code = warder_manifest_read(copy, size, take, NULL, &got.fault, &got.error);
	free(copy);
	return code;
}

static int read_text(const char *text)
{
	return read_sized(text, strlen(text));
}

static bool is(size_t i, const char *json)
{
	json_t *want = json_loads(json, JSON_DECODE_ANY, NULL);
	bool same = i < got.n && want && json_equal(want, got.objects[i]);

	json_decref(want);
	return same;
}

static bool refused(const char *text, unsigned line, const char *word)
{
	int code = read_text(text);
	bool as_wanted = code == -EINVAL && strstr(got.error.text, word) &&
			 (!line || got.fault.line == line);

	if (!as_wanted)
		printf("  %d, line %u: %s\n", code, got.fault.line, got.error.text);
	return as_wanted;
}

/* Numbers are equal as doubles: a library may write 1e+23 where another writes its digits. */
static bool same_value(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return fabs(json_number_value(a) - json_number_value(b)) <=
		       fabs(json_number_value(a)) * 1e-12;
	return json_equal(a, b);
}

static void test_scalars(void)
{
	for (size_t i = 0; i < sizeof(scalars) / sizeof(*scalars); i++) {
		json_t *want =
			scalars[i].json ? json_loads(scalars[i].json, JSON_DECODE_ANY, NULL) : NULL;
		int code;
		bool same;

		if (scalars[i].json && !want) /* beyond 64 bits */
			want = json_loads(scalars[i].json,
					  JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
		code = read_text(scalars[i].yaml);
		if (!scalars[i].json)
			same = code == -EINVAL && *got.error.text;
		else if (json_is_null(want))
			same = !code && !got.n; /* an empty document */
		else
			same = !code && got.n == 1 && same_value(got.objects[0], want);
		if (!same) {
			char *text = got.n ? json_dumps(got.objects[0], JSON_ENCODE_ANY) : NULL;

			printf("  %s: %s, not %s (%d %s)\n", scalars[i].yaml,
			       text ? text : "nothing", scalars[i].json, code, got.error.text);
			free(text);
		}
		CU_ASSERT(same);
		json_decref(want);
	}
	forget();
}

/* A namespace that is called y is one: PyYAML writes it bare, and only YAML 1.1 reads a boolean. */
static void test_y_and_n(void)
{
	CU_ASSERT(!read_text("a: y\nb: n\nc: Y\ny: N\n"));
	CU_ASSERT(is(0, "{\"a\":\"y\",\"b\":\"n\",\"c\":\"Y\",\"y\":\"N\"}"));
	forget();
}

static void test_documents(void)
{
	CU_ASSERT(!read_text(""));
	CU_ASSERT(got.n == 0);
	CU_ASSERT(!read_text("# only this\n---\n---\n\n--- # and this\n"));
	CU_ASSERT(got.n == 0);
	CU_ASSERT(!read_text("a: 1\n---\nb: 2\n...\n---\nc: 3"));
	CU_ASSERT(got.n == 3 && is(0, "{\"a\":1}") && is(1, "{\"b\":2}") && is(2, "{\"c\":3}"));
	CU_ASSERT(got.places[0].line == 1 && got.places[1].line == 3 && got.places[2].line == 6);
	CU_ASSERT(!read_text("\xef\xbb\xbf"
			     "a: 1\r\n---\r\nb: 2\r\n"));
	CU_ASSERT(got.n == 2 && is(1, "{\"b\":2}") && got.places[1].line == 3);
	CU_ASSERT(!read_text("%YAML 1.1\n---\na: 1\n"));
	CU_ASSERT(got.n == 1 && is(0, "{\"a\":1}"));
	CU_ASSERT(!read_text("a: |\n  ---\n  x\n---\nb: \"---\"\n"));
	CU_ASSERT(got.n == 2 && is(0, "{\"a\":\"---\\nx\\n\"}"));
	forget();
}

static void test_json(void)
{
	CU_ASSERT(!read_text("{\"a\": \"\\ud83d\\ude00\\/\"}\n---\n{\"b\": [1, 2.5, null]}\n"));
	CU_ASSERT(got.n == 2 && is(1, "{\"b\":[1,2.5,null]}") && got.places[1].line == 3);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(got.objects[0], "a")),
			       "\xf0\x9f\x98\x80/");
	CU_ASSERT(!read_text("{\"a\":1}\n{\"b\":2}\n\n{\"c\":{\"}\":\"{\"}} {\"d\":4}\n"));
	CU_ASSERT(got.n == 4 && is(2, "{\"c\":{\"}\":\"{\"}}") && got.places[2].line == 4 &&
		  got.places[3].line == 4);
	CU_ASSERT(!read_text("--- {\"a\":1}\n--- {b: 2}\n"));
	CU_ASSERT(got.n == 2 && is(0, "{\"a\":1}") && is(1, "{\"b\":2}"));
	CU_ASSERT(!read_text("\t{\"a\":\t1}\n"));
	CU_ASSERT(got.n == 1);
	CU_ASSERT(refused("{\"a\": 1, \"a\": 2}", 1, "twice"));
	CU_ASSERT(refused("{\"a\": 1\n \"b\": 2}", 2, ""));
	CU_ASSERT(refused("{\"a\": \"\\u0000\"}", 1, "NUL"));
	forget();
}

static void test_lists(void)
{
	CU_ASSERT(!read_text("apiVersion: v1\nkind: List\nitems:\n- {kind: A}\n- {kind: B}\n"));
	CU_ASSERT(got.n == 2 && is(0, "{\"kind\":\"A\"}") && is(1, "{\"kind\":\"B\"}"));
	CU_ASSERT_STRING_EQUAL(got.places[1].prefix, "items[1].");
	CU_ASSERT(!read_text("apiVersion: x/v1\nkind: PodList\nitems:\n- {metadata: {name: a}}\n- "
			     "{kind: Own, apiVersion: w}\n"));
	CU_ASSERT(
		got.n == 2 &&
		is(0, "{\"apiVersion\":\"x/v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}"));
	CU_ASSERT(is(1, "{\"apiVersion\":\"w\",\"kind\":\"Own\"}"));
	CU_ASSERT(!read_text("kind: List\nitems: null\n"));
	CU_ASSERT(got.n == 0);
	CU_ASSERT(!read_text("kind: AllowList\nspec: {}\n"));
	CU_ASSERT(got.n == 1);
	CU_ASSERT(!read_text("kind: List\nitems: [{kind: List, items: [{kind: A}]}, {kind: B}]"));
	CU_ASSERT(got.n == 2);
	CU_ASSERT_STRING_EQUAL(got.places[0].prefix, "items[0].items[0].");
	CU_ASSERT(refused("{kind: List, items: [{kind: List, items: [{kind: List, items: [{kind: "
			  "List, items: "
			  "[{kind: List, items: [{kind: List, items: []}]}]}]}]}]}",
			  1, "Lists in each other"));
	forget();
}

static void test_anchors(void)
{
	CU_ASSERT(!read_text("a: &x {b: 1}\nc: *x\nd: &x 2\ne: *x\n"));
	CU_ASSERT(is(0, "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"d\":2,\"e\":2}"));
	CU_ASSERT(refused("a: *x\n", 1, "no finished anchor"));
	CU_ASSERT(refused("a: &x\n  b: *x\n", 2, "no finished anchor"));
	CU_ASSERT(refused("a: &x 1\n---\nb: *x\n", 3, "no finished anchor"));
	CU_ASSERT(refused("a: &x k\n*x : 1\n", 2, "alias"));
	CU_ASSERT(refused("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "merge keys"));
	CU_ASSERT(!read_text("'<<': 1\n"));
	forget();
}

/* The billion laughs: ten levels of ten. */
static void test_alias_bomb(void)
{
	char text[4096];
	size_t used = snprintf(text, sizeof(text), "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");

	for (int i = 1; i < 10; i++)
		used += snprintf(text + used, sizeof(text) - used,
				 "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n",
				 i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1,
				 i - 1, i - 1);
	CU_ASSERT(refused(text, 0, "aliases expand"));
	/* Depth by aliases: each level one deeper, without many values. */
	used = snprintf(text, sizeof(text), "a0: &a0 [x]\n");
	for (int i = 1; i < 100; i++)
		used += snprintf(text + used, sizeof(text) - used, "a%d: &a%d [*a%d]\n", i, i,
				 i - 1);
	CU_ASSERT(refused(text, 0, "deeper"));
	forget();
}

static void test_depth(void)
{
	char text[3000];

	memset(text, '[', sizeof(text));
	text[sizeof(text) - 1] = 0;
	CU_ASSERT(refused(text, 0, "deeper"));
	memcpy(text, "{\"a\":", 5);
	CU_ASSERT(refused(text, 0, "deeper"));
	for (size_t i = 0; i + 5 < sizeof(text); i += 5)
		memcpy(text + i, "{\"a\":", 5);
	CU_ASSERT(refused(text, 0, "deeper"));
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "- ", 2);
	CU_ASSERT(refused(text, 0, "deeper"));
	forget();
}

static void test_refused(void)
{
	CU_ASSERT(refused("a: 1\nb: 2\na: 3\n", 3, "\"a\" is there twice"));
	CU_ASSERT(got.fault.column == 1);
	CU_ASSERT(refused("a:\n  b: 1\n c: 2\n", 3, "did not find"));
	CU_ASSERT(refused("a: [1, 2\n", 0, "did not find"));
	CU_ASSERT(refused("a: \"x\n", 0, "unexpected end"));
	CU_ASSERT(refused("a:\n\t- b\n", 2, "token"));
	CU_ASSERT(refused("a: !foo b\n", 1, "!foo"));
	CU_ASSERT(refused("a: !!binary aGk=\n", 1, "binary"));
	CU_ASSERT(refused("a: !!int x\n", 1, "int"));
	CU_ASSERT(refused("a: !!set {b}\n", 1, "not known"));
	CU_ASSERT(refused("a: .inf\n", 1, ".inf"));
	CU_ASSERT(refused("? [a]\n: b\n", 1, "key"));
	CU_ASSERT(refused("~: b\n", 1, "key"));
	CU_ASSERT(refused("a: \"\\0\"\n", 1, "NUL"));
	CU_ASSERT(refused("a: 1\nb: \xff\n", 2, "UTF-8"));
	CU_ASSERT(refused("a: \xed\xa0\x80\n", 1, "UTF-8"));
	CU_ASSERT(refused("a: 1\n---\nb: 1\n---\nc: [\n", 0, ""));
	CU_ASSERT(got.n == 2 && got.fault.line >= 5);
	CU_ASSERT(read_sized("a: 1\nb: \0\n", 10) == -EINVAL);
	CU_ASSERT(got.fault.line == 2 && strstr(got.error.text, "NUL"));
	CU_ASSERT(read_sized("\0", 1) == -EINVAL);
	CU_ASSERT(read_sized("a\0:\0 \0b\0", 8) == -EINVAL); /* UTF-16 */
	CU_ASSERT(read_sized("\xff\xfe"
			     "a\0",
			     4) == -EINVAL);
	forget();
}

static void test_too_large(void)
{
	size_t size = WARDER_MANIFEST_BYTES_MAX + 1;
	char *text = malloc(size);

	memset(text, ' ', size);
	CU_ASSERT(warder_manifest_read(text, size, take, NULL, &got.fault, &got.error) == -EFBIG);
	/* Many values: refused before they are made. */
	size = 2 * WARDER_MANIFEST_NODES_MAX + 100;
	for (size_t i = 0; i + 1 < size; i += 2)
		memcpy(text + i, "0,", 2);
	memcpy(text, "{\"a\":[0,", 8);
	memcpy(text + size - 3, "0]}", 3);
	CU_ASSERT(warder_manifest_read(text, size, take, NULL, &got.fault, &got.error) == -EINVAL);
	CU_ASSERT(strstr(got.error.text, "values in one document") != NULL);
	memcpy(text, "a: [0,0,", 8);
	memcpy(text + size - 2, "0]", 2);
	CU_ASSERT(warder_manifest_read(text, size, take, NULL, &got.fault, &got.error) == -EINVAL);
	CU_ASSERT(strstr(got.error.text, "values in one document") != NULL);
	free(text);
	forget();
}

/* A long file of small objects takes a time that grows with its size alone. */
static void test_many_objects(void)
{
	size_t n = 100000, used = 0;
	char *text = malloc(n * 16);

	for (size_t i = 0; i < n; i++)
		used += sprintf(text + used, "{\"a\":%06zu}\n", i + 100000);
	CU_ASSERT(!warder_manifest_read(text, used, take, NULL, NULL, NULL));
	CU_ASSERT(got.n == 64);
	forget();
	used = 0;
	for (size_t i = 0; i < n; i++)
		used += sprintf(text + used, "---\na: %06zu\n", i + 100000);
	CU_ASSERT(!warder_manifest_read(text, used, take, NULL, NULL, NULL));
	free(text);
	forget();
}

static bool at(const char *text, size_t object, const char *field, unsigned line, unsigned column)
{
	unsigned l = 0, c = 0;

	CU_ASSERT(!read_text(text));
	warder_manifest_locate(text, &got.places[object], field, &l, &c);
	if (l != line || c != column)
		printf("  %s is at %u:%u, not %u:%u\n", field, l, c, line, column);
	return l == line && c == column;
}

static void test_locate(void)
{
	const char *text = "# first\n"
			   "a: 1\n"
			   "---\n"
			   "kind: Pod\n"
			   "spec:\n"
			   "  containers:\n"
			   "  - name: a\n"
			   "  - name: b\n"
			   "    ports: [{x: 1}, {containerPort: 0}]\n"
			   "metadata: {annotations: {warder.io/mode: x}}\n";

	CU_ASSERT(at(text, 1, "spec.containers[1].ports[1].containerPort", 9, 22));
	CU_ASSERT(at(text, 1, "spec.containers[1].ports[1].protocol", 9, 21));
	CU_ASSERT(at(text, 1, "spec.containers[7].name", 6, 3));
	CU_ASSERT(at(text, 1, "metadata.annotations.warder.io/mode", 10, 26));
	CU_ASSERT(at(text, 1, "nothing", 4, 1));
	CU_ASSERT(at(text, 1, "", 4, 1));
	CU_ASSERT(at("{\"a\":1}\n{\"b\":\n {\"c\":2}}", 1, "b.c", 3, 3));
	CU_ASSERT(at("kind: List\nitems:\n- a: 1\n- b:\n    c: 2\n", 1, "b.c", 5, 5));
	CU_ASSERT(at("a: 1\n---\nb: 1\n...\n---\n# x\nc: {d: 1}\n", 2, "c.d", 7, 5));
	CU_ASSERT(at("a: &x {q: 1}\nb: *x\n", 0, "b.q", 2, 1));
	forget();
}

static const struct suite_test tests[] = {
	{"scalars as sigs.k8s.io/yaml reads them", test_scalars},
	{"bare y and n are strings", test_y_and_n},
	{"documents", test_documents},
	{"json", test_json},
	{"lists", test_lists},
	{"anchors and aliases", test_anchors},
	{"alias bombs", test_alias_bomb},
	{"depth", test_depth},
	{"refused", test_refused},
	{"too large", test_too_large},
	{"many objects", test_many_objects},
	{"fields are found again", test_locate},
};

SUITE("manifest", tests)
