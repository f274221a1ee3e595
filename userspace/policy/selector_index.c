/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A selector with `In` is filed under (key, value) of the In with the fewest values, one with only
 * `Exists` under its key, any other in `rest`.  Filing is by a label that must be there, so each
 * matching selector is met exactly once.
 */
#include "policy/selector_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct warder_selector everything;

static uint32_t label_number(struct intern *labels, bool add, const char *key, const char *value)
{
	size_t k = strlen(key) + 1, v = value ? strlen(value) + 1 : 0;
	char small[512], *bytes = k + v <= sizeof(small) ? small : warder_memory_new(k + v, 1);
	uint32_t number;

	memcpy(bytes, key, k);
	if (v)
		memcpy(bytes + k, value, v);
	number = add ? intern_add(labels, bytes, k + v) : intern_find(labels, bytes, k + v);
	if (bytes != small)
		free(bytes);
	return number;
}

static void file_under(struct selector_index *index, const char *key, const char *value,
		       uint32_t number)
{
	uint32_t label = label_number(&index->labels, true, key, value);

	while (index->n_filed <= label)
		PUSH(index->filed, index->n_filed) = (struct number_list){0};
	PUSH(index->filed[label].v, index->filed[label].n) = number;
}

static void file(struct selector_index *index, const struct warder_selector *selector,
		 uint32_t number)
{
	const struct warder_requirement *best = NULL;

	for (size_t i = 0; i < selector->n; i++) {
		const struct warder_requirement *r = &selector->v[i];

		if (r->op == WARDER_IN &&
		    (!best || best->op != WARDER_IN || r->n_values < best->n_values))
			best = r;
		else if (r->op == WARDER_EXISTS && !best)
			best = r;
	}
	if (!best)
		PUSH(index->rest.v, index->rest.n) = number;
	else if (best->op == WARDER_EXISTS)
		file_under(index, best->key, NULL, number);
	else
		for (size_t i = 0; i < best->n_values; i++)
			file_under(index, best->key, best->values[i], number);
}

uint32_t selector_index_add(struct selector_index *index, const struct warder_selector *selector)
{
	struct intern_key key = {0};
	uint32_t number, before = index->known.n;

	if (!selector)
		selector = &everything;
	for (size_t i = 0; i < selector->n; i++) {
		const struct warder_requirement *r = &selector->v[i];

		intern_key_text(&key, r->key);
		intern_key_number(&key, r->op);
		intern_key_number(&key, r->n_values);
		for (size_t j = 0; j < r->n_values; j++)
			intern_key_text(&key, r->values[j]);
	}
	number = intern_add(&index->known, key.bytes, key.n);
	free(key.bytes);
	if (index->known.n > before) {
		uint32_t n = number;

		PUSH(index->selectors, n) = selector;
		file(index, selector, number);
	}
	return number;
}

static void query_list(const struct selector_index *index, const struct number_list *list,
		       const struct warder_labels *labels, struct number_list *ret)
{
	for (size_t i = 0; i < list->n; i++)
		if (warder_selector_matches(index->selectors[list->v[i]], labels))
			PUSH(ret->v, ret->n) = list->v[i];
}

void selector_index_query(const struct selector_index *index, const struct warder_labels *labels,
			  struct number_list *ret)
{
	query_list(index, &index->rest, labels, ret);
	for (size_t i = 0; i < labels->n; i++) {
		const char *key = labels->v[i].key, *value = labels->v[i].value;
		struct intern *known = (struct intern *)&index->labels;
		uint32_t found[2] = {label_number(known, false, key, NULL),
				     label_number(known, false, key, value)};

		for (unsigned j = 0; j < 2; j++)
			if (found[j] != INTERN_NONE)
				query_list(index, &index->filed[found[j]], labels, ret);
	}
}

void selector_index_clear(struct selector_index *index)
{
	for (uint32_t i = 0; i < index->n_filed; i++)
		free(index->filed[i].v);
	free(index->filed);
	free(index->selectors);
	free(index->rest.v);
	intern_clear(&index->known);
	intern_clear(&index->labels);
	*index = (struct selector_index){0};
}
