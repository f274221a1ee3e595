/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds a field in a YAML or JSON text again, for a message: only then is it worth reading twice.
 * Where the path ends before the field does (it is missing) the nearest thing above it is the
 * answer.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "source/manifest.h"
#include "source/yaml.h"

struct search {
	yaml_parser_t parser;
	yaml_event_t event;
	bool held; /* event is there */
	struct warder_yaml_place found;
};

static bool next(struct search *search)
{
	if (search->held)
		yaml_event_delete(&search->event);
	search->held = yaml_parser_parse(&search->parser, &search->event);
	return search->held && search->event.type != YAML_STREAM_END_EVENT;
}

static void here(struct search *search)
{
	search->found.line = search->event.start_mark.line + 1;
	search->found.column = search->event.start_mark.column + 1;
}

/* Passes the value whose first event is current; afterwards its last event is. */
static bool skip(struct search *search)
{
	int depth = 0;

	do {
		switch (search->event.type) {
		case YAML_MAPPING_START_EVENT:
		case YAML_SEQUENCE_START_EVENT:
			depth++;
			break;
		case YAML_MAPPING_END_EVENT:
		case YAML_SEQUENCE_END_EVENT:
			depth--;
			break;
		default:
			break;
		}
	} while (depth && next(search));
	return !depth;
}

/* What is left of `path` after `key`, or NULL where it does not begin with it. */
static const char *after(const char *path, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(path, key, n) || (path[n] && path[n] != '.' && path[n] != '['))
		return NULL;
	return path + n + (path[n] == '.');
}

/* Goes into the map that is open by its key, the value's first event becoming current. */
static const char *enter_map(struct search *search, const char *path)
{
	while (next(search) && search->event.type == YAML_SCALAR_EVENT) {
		const char *rest = after(path, (const char *)search->event.data.scalar.value);

		if (rest) {
			here(search);
			return next(search) ? rest : NULL;
		}
		if (!next(search) || !skip(search))
			return NULL;
	}
	return NULL;
}

static const char *enter_list(struct search *search, const char *path)
{
	unsigned long index;
	int used = 0;

	if (sscanf(path, "[%lu]%n", &index, &used) != 1 || !used)
		return NULL;
	while (next(search) && search->event.type != YAML_SEQUENCE_END_EVENT) {
		if (!index--) {
			here(search);
			return path + used + (path[used] == '.');
		}
		if (!skip(search))
			return NULL;
	}
	return NULL;
}

struct warder_yaml_place warder_yaml_locate(const char *text, size_t size, size_t number,
					    const char *path)
{
	struct search search = {.found = {1, 1}};

	if (!yaml_parser_initialize(&search.parser))
		return search.found;
	yaml_parser_set_encoding(&search.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&search.parser, (const unsigned char *)text, size);
	while (next(&search))
		if (search.event.type == YAML_DOCUMENT_START_EVENT && !number--)
			break;
	if (search.held && next(&search)) {
		here(&search);
		while (path && *path)
			path = search.event.type == YAML_MAPPING_START_EVENT
				       ? enter_map(&search, path)
			       : search.event.type == YAML_SEQUENCE_START_EVENT
				       ? enter_list(&search, path)
				       : NULL;
	}
	if (search.held)
		yaml_event_delete(&search.event);
	yaml_parser_delete(&search.parser);
	return search.found;
}

void warder_manifest_locate(const char *text, const struct warder_manifest_place *place,
			    const char *field, unsigned *ret_line, unsigned *ret_column)
{
	char path[sizeof(place->prefix) + sizeof(((struct warder_error *)0)->field)];
	struct warder_yaml_place found;
	unsigned line = 1;

	snprintf(path, sizeof(path), "%s%s", place->prefix, field);
	for (const char *p = text; p < text + place->begin; p++)
		line += *p == '\n';
	found = warder_yaml_locate(text + place->begin, place->size, place->document, path);
	*ret_line = line + found.line - 1;
	*ret_column = found.column;
}
