/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds JSON from libyaml's events with a stack of its own, so that depth, number of nodes and
 * what aliases would expand to are known before they cost anything.  An alias shares the value of
 * its anchor; what it would expand to is counted all the same, since readers walk it.
 */
#include "source/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "source/manifest.h"
#include "source/scalar.h"

struct frame { /* an open map or list */
	json_t *value;
	char *key; /* of a map: read, its value not yet */
	char *anchor;
	size_t nodes;
	unsigned height; /* levels below it */
};

struct anchor {
	char *name;
	json_t *value;
	size_t nodes;
	unsigned height;
};

struct reader {
	yaml_parser_t parser;
	struct frame stack[WARDER_MANIFEST_DEPTH_MAX];
	unsigned depth;
	struct anchor anchors[WARDER_MANIFEST_ANCHORS_MAX];
	size_t n_anchors;
	size_t nodes, aliased; /* of the document so far */
	json_t *root;
	struct warder_yaml_place *place;
	struct warder_error *error;
};

static void drop_document(struct reader *reader)
{
	while (reader->depth) {
		struct frame *frame = &reader->stack[--reader->depth];

		json_decref(frame->value);
		free(frame->key);
		free(frame->anchor);
	}
	while (reader->n_anchors) {
		struct anchor *anchor = &reader->anchors[--reader->n_anchors];

		free(anchor->name);
		json_decref(anchor->value);
	}
	json_decref(reader->root);
	reader->root = NULL;
	reader->nodes = reader->aliased = 0;
}

static void reader_free(struct reader **reader)
{
	if (!*reader)
		return;
	drop_document(*reader);
	yaml_parser_delete(&(*reader)->parser);
	free(*reader);
}

static void cleanup_event(yaml_event_t *event)
{
	yaml_event_delete(event);
}

#define fail_at(reader, mark, ...)                                                                 \
	({                                                                                         \
		*(reader)->place = (struct warder_yaml_place){(mark).line + 1, (mark).column + 1}; \
		warder_error_set((reader)->error, -EINVAL, __VA_ARGS__);                           \
	})

static int parser_failed(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	unsigned line = 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return warder_error_set(reader->error, -ENOMEM, "out of memory");
	if (parser->error != YAML_READER_ERROR)
		return fail_at(reader, parser->problem_mark, "%s%s%s",
			       parser->problem ? parser->problem : "not YAML",
			       parser->context ? ", " : "", parser->context ? parser->context : "");
	/* The reader knows an offset in bytes; its mark is where the scanner stands, which is
	 * before. */
	for (size_t i = 0; i < parser->problem_offset; i++)
		line += parser->input.string.start[i] == '\n';
	*reader->place = (struct warder_yaml_place){line, 0};
	return warder_error_set(reader->error, -EINVAL, "%s: the text must be UTF-8",
				parser->problem);
}

static int remember(struct reader *reader, const char *name, json_t *value, size_t nodes,
		    unsigned height, const yaml_mark_t *mark)
{
	struct anchor *anchor = &reader->anchors[reader->n_anchors];

	if (reader->n_anchors >= WARDER_MANIFEST_ANCHORS_MAX)
		return fail_at(reader, *mark, "more than %d anchors in one document",
			       WARDER_MANIFEST_ANCHORS_MAX);
	anchor->name = strdup(name);
	if (!anchor->name)
		return -ENOMEM;
	anchor->value = json_incref(value);
	anchor->nodes = nodes;
	anchor->height = height;
	reader->n_anchors++;
	return 0;
}

/* Puts a finished value into what is open; takes the reference, also on failure. */
static int place_value(struct reader *reader, json_t *value, size_t nodes, unsigned height,
		       const yaml_mark_t *mark)
{
	struct frame *frame;
	int error;

	if (!reader->depth) {
		reader->root = value;
		return 0;
	}
	frame = &reader->stack[reader->depth - 1];
	frame->nodes += nodes;
	if (height + 1 > frame->height)
		frame->height = height + 1;
	if (json_is_array(frame->value))
		return json_array_append_new(frame->value, value) ? -ENOMEM : 0;
	error = json_object_set_new_nocheck(frame->value, frame->key, value) ? -ENOMEM : 0;
	free(TAKE(frame->key));
	return error;
}

/* true: the reader stands before a key. */
static bool wants_key(const struct reader *reader)
{
	return reader->depth && json_is_object(reader->stack[reader->depth - 1].value) &&
	       !reader->stack[reader->depth - 1].key;
}

static json_t *number_of(json_t *value)
{
	return json_is_number(value) ? value : NULL;
}

/* The value of a scalar with an explicit tag; NULL where tag and text do not fit. */
static json_t *tagged(const char *tag, const char *text, size_t size)
{
	static const char prefix[] = "tag:yaml.org,2002:";
	json_t *value;

	if (!strcmp(tag, "!"))
		return json_stringn(text, size);
	if (strncmp(tag, prefix, sizeof(prefix) - 1))
		return NULL;
	tag += sizeof(prefix) - 1;
	if (!strcmp(tag, "str") || !strcmp(tag, "timestamp"))
		return json_stringn(text, size);
	value = warder_scalar_resolve(text, size);
	if (value && ((!strcmp(tag, "int") && json_is_integer(value)) ||
		      (!strcmp(tag, "float") && number_of(value)) ||
		      (!strcmp(tag, "bool") && json_is_boolean(value)) ||
		      (!strcmp(tag, "null") && json_is_null(value))))
		return value;
	json_decref(value);
	return NULL;
}

static int scalar_value(struct reader *reader, const yaml_event_t *event, json_t **ret)
{
	const char *text = (const char *)event->data.scalar.value,
		   *tag = (const char *)event->data.scalar.tag;
	size_t size = event->data.scalar.length;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (memchr(text, 0, size))
		return fail_at(reader, event->start_mark, "a string with a NUL character");
	if (tag)
		*ret = tagged(tag, text, size);
	else
		*ret = plain ? warder_scalar_resolve(text, size) : json_stringn(text, size);
	if (*ret)
		return 0;
	if (tag)
		return fail_at(reader, event->start_mark, "\"%.60s\" cannot be read as %.60s", text,
			       tag);
	return fail_at(reader, event->start_mark,
		       "\"%.60s\" is no value that Kubernetes could hold", text);
}

/* Keys are strings in JSON: what YAML reads as a number or boolean becomes its text, as in
 * Kubernetes. */
static int take_key(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	struct frame *frame = &reader->stack[reader->depth - 1];
	json_t *value = NULL;
	int error;

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !strcmp(text, "<<"))
		return fail_at(reader, event->start_mark,
			       "merge keys (<<) are not taken: write the fields out");
	error = scalar_value(reader, event, &value);
	if (error)
		return error;
	if (json_is_string(value))
		frame->key = strdup(json_string_value(value));
	else if (json_is_boolean(value))
		frame->key = strdup(json_is_true(value) ? "true" : "false");
	else if (json_is_number(value))
		frame->key = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
	else
		error = fail_at(reader, event->start_mark, "a key is missing: null cannot be one");
	json_decref(value);
	if (error)
		return error;
	if (!frame->key)
		return -ENOMEM;
	if (json_object_get(frame->value, frame->key))
		return fail_at(reader, event->start_mark, "key \"%.80s\" is there twice",
			       frame->key);
	return 0;
}

static int count(struct reader *reader, size_t nodes, const yaml_mark_t *mark)
{
	reader->nodes += nodes;
	if (reader->nodes <= WARDER_MANIFEST_NODES_MAX)
		return 0;
	return fail_at(reader, *mark, "more than %d values in one document: make several of it",
		       WARDER_MANIFEST_NODES_MAX);
}

static int take_scalar(struct reader *reader, const yaml_event_t *event)
{
	json_t *value = NULL;
	int error = count(reader, 1, &event->start_mark);

	if (error)
		return error;
	if (wants_key(reader))
		return event->data.scalar.anchor
			       ? fail_at(reader, event->start_mark, "a key cannot have an anchor")
			       : take_key(reader, event);
	error = scalar_value(reader, event, &value);
	if (error)
		return error;
	if (event->data.scalar.anchor)
		error = remember(reader, (char *)event->data.scalar.anchor, value, 1, 0,
				 &event->start_mark);
	if (error) {
		json_decref(value);
		return error;
	}
	return place_value(reader, value, 1, 0, &event->start_mark);
}

static int take_alias(struct reader *reader, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	size_t i = reader->n_anchors;
	struct anchor *anchor;
	int error;

	if (wants_key(reader))
		return fail_at(reader, event->start_mark,
			       "a key cannot be an alias (*%.40s): write it out", name);
	while (i && strcmp(reader->anchors[i - 1].name, name))
		i--;
	if (!i)
		return fail_at(reader, event->start_mark,
			       "alias *%.60s has no finished anchor before it", name);
	anchor = &reader->anchors[i - 1];
	reader->aliased += anchor->nodes;
	if (reader->aliased > WARDER_MANIFEST_ALIASED_MAX)
		return fail_at(reader, event->start_mark, "aliases expand to more than %d values",
			       WARDER_MANIFEST_ALIASED_MAX);
	if (reader->depth + anchor->height >= WARDER_MANIFEST_DEPTH_MAX)
		return fail_at(reader, event->start_mark, "deeper than %d levels",
			       WARDER_MANIFEST_DEPTH_MAX);
	error = count(reader, anchor->nodes, &event->start_mark);
	if (error)
		return error;
	return place_value(reader, json_incref(anchor->value), anchor->nodes, anchor->height,
			   &event->start_mark);
}

static bool collection_tag_known(const char *tag)
{
	return !tag || !strcmp(tag, "tag:yaml.org,2002:map") ||
	       !strcmp(tag, "tag:yaml.org,2002:seq");
}

static int open_collection(struct reader *reader, const yaml_event_t *event, bool map)
{
	const char *anchor = (const char *)(map ? event->data.mapping_start.anchor
						: event->data.sequence_start.anchor);
	const char *tag = (const char *)(map ? event->data.mapping_start.tag
					     : event->data.sequence_start.tag);
	struct frame *frame;
	int error = count(reader, 1, &event->start_mark);

	if (error)
		return error;
	if (wants_key(reader))
		return fail_at(reader, event->start_mark,
			       "a key must be a word, not a map or a list");
	if (!collection_tag_known(tag))
		return fail_at(reader, event->start_mark, "tag %.60s is not known", tag);
	if (reader->depth >= WARDER_MANIFEST_DEPTH_MAX)
		return fail_at(reader, event->start_mark, "deeper than %d levels",
			       WARDER_MANIFEST_DEPTH_MAX);
	frame = &reader->stack[reader->depth];
	*frame = (struct frame){.value = map ? json_object() : json_array(), .nodes = 1};
	if (!frame->value)
		return -ENOMEM;
	reader->depth++;
	if (anchor && !(frame->anchor = strdup(anchor)))
		return -ENOMEM;
	return 0;
}

static int close_collection(struct reader *reader, const yaml_event_t *event)
{
	struct frame frame = reader->stack[--reader->depth];
	int error = 0;

	if (frame.anchor)
		error = remember(reader, frame.anchor, frame.value, frame.nodes, frame.height,
				 &event->start_mark);
	free(frame.anchor);
	if (error) {
		json_decref(frame.value);
		return error;
	}
	return place_value(reader, frame.value, frame.nodes, frame.height, &event->start_mark);
}

static int take(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return take_scalar(reader, event);
	case YAML_ALIAS_EVENT:
		return take_alias(reader, event);
	case YAML_MAPPING_START_EVENT:
		return open_collection(reader, event, true);
	case YAML_SEQUENCE_START_EVENT:
		return open_collection(reader, event, false);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return close_collection(reader, event);
	default:
		return 0;
	}
}

int warder_yaml_read(const char *text, size_t size,
		     int (*document)(void *data, json_t *json, unsigned line, size_t number),
		     void *data, struct warder_yaml_place *ret_place, struct warder_error *error)
{
	CLEANUP(reader_free) struct reader *reader = calloc(1, sizeof(*reader));
	size_t number = 0;
	unsigned line = 1;

	if (!reader || !yaml_parser_initialize(&reader->parser))
		return warder_error_set(error, -ENOMEM, "out of memory");
	reader->place = ret_place;
	reader->error = error;
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, size);
	for (;;) {
		CLEANUP(cleanup_event) yaml_event_t event = {0};
		int code;

		if (!yaml_parser_parse(&reader->parser, &event))
			return parser_failed(reader);
		if (event.type == YAML_STREAM_END_EVENT)
			return 0;
		if (event.type == YAML_DOCUMENT_END_EVENT) {
			code = json_is_null(reader->root)
				       ? 0
				       : document(data, reader->root, line, number);
			number++;
			drop_document(reader);
		} else {
			if (!reader->nodes) /* the first thing in the document, or its start */
				line = event.start_mark.line + 1;
			code = take(reader, &event);
			if (code == -ENOMEM)
				warder_error_set(error, code, "out of memory");
		}
		if (code)
			return code;
	}
}
