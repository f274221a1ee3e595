/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label selectors.  Semantics:
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
 * - every requirement must hold, NotIn and DoesNotExist hold where the key is absent, and an empty
 * value is a value like any other.
 */
#include "store/selector.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool holds(const struct warder_requirement *requirement, const struct warder_labels *labels)
{
	const char *value = warder_labels_get(labels, requirement->key);
	bool in;

	if (requirement->op == WARDER_EXISTS)
		return value;
	if (requirement->op == WARDER_DOES_NOT_EXIST)
		return !value;
	in = value && bsearch(&value, requirement->values, requirement->n_values, sizeof(char *),
			      compare_text);
	return requirement->op == WARDER_IN ? in : !in;
}

bool warder_selector_matches(const struct warder_selector *selector,
			     const struct warder_labels *labels)
{
	for (size_t i = 0; i < selector->n; i++)
		if (!holds(&selector->v[i], labels))
			return false;
	return true;
}

void warder_selector_free(struct warder_selector *selector)
{
	if (!selector)
		return;
	for (size_t i = 0; i < selector->n; i++) {
		for (size_t j = 0; j < selector->v[i].n_values; j++)
			free(selector->v[i].values[j]);
		free(selector->v[i].values);
		free(selector->v[i].key);
	}
	free(selector->v);
	free(selector);
}

/* [A-Za-z0-9] at both ends, [-A-Za-z0-9_.] between, at most 63. */
static bool name_valid(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > 63 || !isalnum((unsigned char)name[0]) ||
	    !isalnum((unsigned char)name[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	return true;
}

/* A DNS subdomain: lower-case labels of letters, digits and inner hyphens, joined by dots. */
static bool subdomain_valid(const char *name, size_t n)
{
	if (!n || n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || name[i - 1] == '.', last = i + 1 == n || name[i + 1] == '.';

		if (islower((unsigned char)name[i]) || isdigit((unsigned char)name[i]))
			continue;
		if (first || last || (name[i] != '-' && name[i] != '.'))
			return false;
	}
	return true;
}

bool warder_label_key_valid(const char *key)
{
	const char *slash = strchr(key, '/');

	return slash ? subdomain_valid(key, slash - key) && name_valid(slash + 1) : name_valid(key);
}

bool warder_label_value_valid(const char *value)
{
	return !*value || name_valid(value);
}

static bool read_key(struct warder_field *field, const char *key)
{
	if (warder_label_key_valid(key))
		return true;
	return warder_field_refuse(field, "\"%.64s\" cannot be a label's key", key);
}

/* Borrowed text of a label's value, NULL (and noted) where no label can have it. */
static const char *read_value(struct warder_field *field, const json_t *value)
{
	const char *text = warder_field_text(field, value);

	if (text && !warder_label_value_valid(text)) {
		warder_field_refuse(field, "\"%.64s\" cannot be a label's value", text);
		return NULL;
	}
	return text;
}

static bool read_labels(struct warder_field *field, const json_t *labels,
			struct warder_selector *selector)
{
	const char *key;
	json_t *value;

	if (!json_is_object(labels))
		return warder_field_refuse(field, "must be an object of keys and values");
	json_object_foreach((json_t *)labels, key, value)
	{
		size_t mark = warder_field_at(field, "[%.64s]", key);
		const char *text = read_value(field, value);

		if (!text || !read_key(field, key))
			return false;
		warder_field_back(field, mark);
		PUSH(selector->v, selector->n) = (struct warder_requirement){
			.key = warder_memory_text(key),
			.op = WARDER_IN,
			.values = warder_memory_copy(&(char *){warder_memory_text(text)},
						     sizeof(char *)),
			.n_values = 1,
		};
	}
	return true;
}

static bool read_values(struct warder_field *field, const json_t *values,
			struct warder_requirement *requirement)
{
	size_t kept = 0, i;
	json_t *value;

	if (!warder_field_list(field, values))
		return false;
	json_array_foreach((json_t *)values, i, value)
	{
		size_t mark = warder_field_at(field, "[%zu]", i);
		const char *text = read_value(field, value);

		if (!text)
			return false;
		PUSH(requirement->values, requirement->n_values) = warder_memory_text(text);
		warder_field_back(field, mark);
	}
	if (requirement->n_values)
		qsort(requirement->values, requirement->n_values, sizeof(char *), compare_text);
	for (i = 0; i < requirement->n_values; i++) {
		if (kept && !strcmp(requirement->values[kept - 1], requirement->values[i]))
			free(requirement->values[i]);
		else
			requirement->values[kept++] = requirement->values[i];
	}
	requirement->n_values = kept;
	return true;
}

static bool read_operator(struct warder_field *field, const json_t *value,
			  enum warder_operator *ret)
{
	static const char *const names[] = {
		[WARDER_IN] = "In",
		[WARDER_NOT_IN] = "NotIn",
		[WARDER_EXISTS] = "Exists",
		[WARDER_DOES_NOT_EXIST] = "DoesNotExist",
	};
	const char *text = warder_field_text(field, value);

	for (unsigned i = 0; text && i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			*ret = i;
			return true;
		}
	}
	return text &&
	       warder_field_refuse(
		       field, "unknown operator \"%.64s\": use In, NotIn, Exists or DoesNotExist",
		       text);
}

static bool read_expression(struct warder_field *field, const json_t *expression,
			    struct warder_requirement *requirement)
{
	const json_t *values = warder_field_get(expression, "values");
	const char *key;
	size_t mark;
	bool wants;

	if (!warder_field_object(field, expression, "key operator values"))
		return false;
	mark = warder_field_at(field, ".key");
	key = warder_field_text(field, warder_field_get(expression, "key"));
	if (!key || !read_key(field, key))
		return false;
	requirement->key = warder_memory_text(key);
	warder_field_back(field, mark);

	mark = warder_field_at(field, ".operator");
	if (!read_operator(field, warder_field_get(expression, "operator"), &requirement->op))
		return false;
	warder_field_back(field, mark);

	mark = warder_field_at(field, ".values");
	if (values && !read_values(field, values, requirement))
		return false;
	wants = requirement->op == WARDER_IN || requirement->op == WARDER_NOT_IN;
	if (wants && !requirement->n_values)
		return warder_field_refuse(field, "In and NotIn need at least one value");
	if (!wants && requirement->n_values)
		return warder_field_refuse(field,
					   "Exists and DoesNotExist take no values: remove them");
	warder_field_back(field, mark);
	return true;
}

static bool read_expressions(struct warder_field *field, const json_t *expressions,
			     struct warder_selector *selector)
{
	json_t *expression;
	size_t i;

	if (!warder_field_list(field, expressions))
		return false;
	json_array_foreach((json_t *)expressions, i, expression)
	{
		size_t mark = warder_field_at(field, "[%zu]", i);

		PUSH(selector->v, selector->n) = (struct warder_requirement){0};
		if (!read_expression(field, expression, &selector->v[selector->n - 1]))
			return false;
		warder_field_back(field, mark);
	}
	return true;
}

static int compare_requirements(const void *left, const void *right)
{
	const struct warder_requirement *a = left, *b = right;
	int order = strcmp(a->key, b->key);

	if (order || a->op != b->op)
		return order ? order : (int)a->op - (int)b->op;
	for (size_t i = 0; i < a->n_values && i < b->n_values; i++)
		if ((order = strcmp(a->values[i], b->values[i])))
			return order;
	return (a->n_values > b->n_values) - (a->n_values < b->n_values);
}

struct warder_selector *warder_selector_decode(struct warder_field *field, const json_t *value)
{
	struct warder_selector *selector = NEW(struct warder_selector);
	const json_t *labels = warder_field_get(value, "matchLabels");
	const json_t *expressions = warder_field_get(value, "matchExpressions");
	bool good = warder_field_object(field, value, "matchLabels matchExpressions");
	size_t mark;

	if (good && labels) {
		mark = warder_field_at(field, ".matchLabels");
		good = read_labels(field, labels, selector);
		if (good)
			warder_field_back(field, mark);
	}
	if (good && expressions) {
		mark = warder_field_at(field, ".matchExpressions");
		good = read_expressions(field, expressions, selector);
		if (good)
			warder_field_back(field, mark);
	}
	if (!good) {
		warder_selector_free(selector);
		return NULL;
	}
	if (selector->n)
		qsort(selector->v, selector->n, sizeof(*selector->v), compare_requirements);
	return selector;
}
