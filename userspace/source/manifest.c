/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a manifest at its document marks, reads each part as JSON where it is JSON (faster, and it
 * may hold what libyaml refuses: surrogate pairs, tabs) and else as YAML, and takes Lists apart.
 * One document is in memory at a time.
 */
#include "source/manifest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "source/yaml.h"

struct reading {
	const char *text;
	int (*each)(void *data, const json_t *object, const struct warder_manifest_place *place);
	void *data;
	struct warder_manifest_place place; /* of the part, then of the object in it */
	unsigned part_line;		    /* line where the part begins */
	struct warder_error *error;
};

static bool ends_with_list(const char *kind)
{
	size_t n = kind ? strlen(kind) : 0;

	return n >= 4 && !strcmp(kind + n - 4, "List");
}

/* An item of a FooList has no apiVersion and kind of its own where the API server wrote it. */
static json_t *item_of(const json_t *list, json_t *item)
{
	const char *kind = json_string_value(json_object_get(list, "kind"));
	json_t *full;

	if (!json_is_object(item) || json_object_get(item, "kind") || strlen(kind) == 4)
		return json_incref(item);
	full = json_copy(item); /* shallow: what is in it may be shared */
	if (!full || json_object_set(full, "apiVersion", json_object_get(list, "apiVersion")) ||
	    json_object_set_new(full, "kind", json_stringn(kind, strlen(kind) - 4))) {
		json_decref(full);
		return NULL;
	}
	return full;
}

static int hand_over(struct reading *reading, const json_t *object, unsigned level)
{
	const json_t *items = json_object_get(object, "items");
	size_t used = strlen(reading->place.prefix);
	int error = 0;

	if (!ends_with_list(json_string_value(json_object_get(object, "kind"))) ||
	    !(json_is_array(items) || json_is_null(items)))
		return reading->each(reading->data, object, &reading->place);
	if (level >= WARDER_MANIFEST_LISTS_MAX)
		return warder_error_set(reading->error, -EINVAL, "more than %d Lists in each other",
					WARDER_MANIFEST_LISTS_MAX);
	for (size_t i = 0; !error && i < json_array_size(items); i++) {
		json_t *item = item_of(object, json_array_get(items, i));

		if (!item)
			return warder_error_set(reading->error, -ENOMEM, "out of memory");
		snprintf(reading->place.prefix + used, sizeof(reading->place.prefix) - used,
			 "items[%zu].", i);
		error = hand_over(reading, item, level + 1);
		reading->place.prefix[used] = 0;
		json_decref(item);
	}
	return error;
}

static int take_document(void *data, json_t *json, unsigned line, size_t number)
{
	struct reading *reading = data;

	reading->place.line = reading->part_line + line - 1;
	reading->place.column = 1;
	reading->place.document = number;
	return hand_over(reading, json, 0);
}

/* Counts what jansson would allocate, before it does; false where it is too much or too deep. */
static bool json_is_bounded(const char *text, size_t size)
{
	size_t nodes = 1;
	unsigned depth = 0;
	bool string = false;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (string) {
			i += c == '\\';
			string = c != '"';
		} else if (c == '"') {
			string = true;
		} else if (c == '{' || c == '[') {
			nodes++;
			if (++depth > WARDER_MANIFEST_DEPTH_MAX)
				return false;
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		} else if (c == ',' || c == ':') {
			nodes++;
		}
	}
	return nodes <= WARDER_MANIFEST_NODES_MAX;
}

/* 1 where the part is not JSON and nothing was handed over. */
static int read_json(struct reading *reading, const char *text, size_t size)
{
	json_error_t fault;
	json_t *json;
	size_t blank;
	int error;

	for (blank = 0; blank < size && strchr(" \t\r\n", text[blank]); blank++)
		;
	if (blank == size || text[blank] != '{' || !json_is_bounded(text, size))
		return 1;
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
	if (!json)
		return 1;
	reading->place.line = reading->part_line;
	for (size_t i = 0; i < blank; i++)
		reading->place.line += text[i] == '\n';
	reading->place.column = 1;
	reading->place.document = 0;
	error = hand_over(reading, json, 0);
	json_decref(json);
	return error;
}

/* Objects one after the other without marks between them, as `jq -c` and kubectl write them. */
static size_t json_value_size(const char *text, size_t size)
{
	unsigned depth = 0;
	bool string = false;

	for (size_t i = 0; i < size; i++) {
		if (string) {
			string = text[i] != '"';
			i += text[i] == '\\';
		} else if (text[i] == '"') {
			string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			depth++;
		} else if ((text[i] == '}' || text[i] == ']') && depth && !--depth) {
			size_t end = i + 1;

			while (end < size && strchr(" \t\r\n", text[end]))
				end++;
			return end < size && text[end] == '{' ? i + 1
							      : size; /* else blanks, or not JSON */
		}
	}
	return size;
}

static int read_part(struct reading *reading, size_t begin, size_t size)
{
	const char *text = reading->text + begin;
	struct warder_yaml_place fault = {0, 0};
	int error;

	if (size >= 3 && !memcmp(text, "---", 3))
		error = read_json(reading, text + 3, size - 3);
	else
		error = read_json(reading, text, size);
	if (error <= 0)
		return error;
	error = warder_yaml_read(text, size, take_document, reading, &fault, reading->error);
	if (error && fault.line) {
		reading->place.line = reading->part_line + fault.line - 1;
		reading->place.column = fault.column;
	}
	return error;
}

/* One part: one or more documents of YAML, or JSON objects one after the other. */
static int read_values(struct reading *reading, size_t at, size_t end)
{
	const char *text = reading->text;
	int error = 0;

	while (!error && at < end) {
		size_t size = text[at] == '{' ? json_value_size(text + at, end - at) : end - at;

		reading->place = (struct warder_manifest_place){
			.line = reading->part_line, .begin = at, .size = size};
		error = read_part(reading, at, size);
		/* Blanks behind a value, so that the next one is seen to begin. */
		while (at + size < end && strchr(" \t\r\n", text[at + size]))
			size++;
		for (size_t i = 0; i < size; i++)
			reading->part_line += text[at + i] == '\n';
		at += size;
	}
	return error;
}

/* Where the part that begins at `from` ends: before the next line that is a document mark. */
static size_t part_end(const char *text, size_t size, size_t from)
{
	const char *p = text + from, *end = text + size;

	while ((p = memchr(p, '\n', end - p))) {
		p++;
		if (end - p >= 3 && !memcmp(p, "---", 3) &&
		    (end - p == 3 || strchr(" \t\r\n", p[3])))
			return p - text;
	}
	return size;
}

static bool is_directive(const char *text, size_t size)
{
	return size && text[0] == '%';
}

static int check_bytes(const char *text, size_t size, struct warder_manifest_place *place,
		       struct warder_error *error)
{
	const char *nul;

	if (size > WARDER_MANIFEST_BYTES_MAX)
		return warder_error_set(
			error, -EFBIG,
			"has %zu bytes, at most %d are read: make several files of it", size,
			WARDER_MANIFEST_BYTES_MAX);
	nul = memchr(text, 0, size);
	if (!nul)
		return 0;
	place->line = 1;
	for (const char *p = text; p < nul; p++)
		place->line += *p == '\n';
	return warder_error_set(error, -EINVAL,
				"a NUL byte: this is not a text of YAML or JSON in UTF-8");
}

int warder_manifest_read(const char *text, size_t size,
			 int (*each)(void *data, const json_t *object,
				     const struct warder_manifest_place *place),
			 void *data, struct warder_manifest_place *ret_place,
			 struct warder_error *error)
{
	struct reading reading = {
		.text = text, .each = each, .data = data, .part_line = 1, .error = error};
	int code = check_bytes(text, size, &reading.place, error);
	size_t at = size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0; /* a byte order mark */

	while (!code && at < size) {
		size_t end = part_end(text, size, at);

		if (is_directive(text + at, end - at)) /* belongs to the document after the mark */
			end = part_end(text, size, end);
		code = read_values(&reading, at, end);
		at = end;
	}
	if (code && ret_place)
		*ret_place = reading.place;
	return code;
}
