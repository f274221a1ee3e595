/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict reader of JSON.  It keeps only the first complaint: what comes after an error is
 * often its echo, and the text must be the same whatever else is wrong.
 */
#include "store/field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

size_t warder_field_at(struct warder_field *field, const char *format, ...)
{
	size_t mark = field->length, room = sizeof(field->path) - mark;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(field->path + mark, room, format, args);
	va_end(args);
	field->length += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
	return mark;
}

void warder_field_back(struct warder_field *field, size_t mark)
{
	field->length = mark;
	field->path[mark] = 0;
}

/* Precisions cut UTF-8 sequences short, and names may hold control characters: the text stays
 * printable. */
static void make_printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c;) {
		unsigned more = *c >= 0xf0 ? 3 : *c >= 0xe0 ? 2 : *c >= 0xc0 ? 1 : 0, n = 0;

		while (n < more && (c[n + 1] & 0xc0) == 0x80)
			n++;
		if (n < more || (*c & 0xc0) == 0x80 || *c < ' ' || *c == 0x7f)
			memset(c, '?', n + 1);
		c += n + 1;
	}
}

bool warder_field_refuse(struct warder_field *field, const char *format, ...)
{
	char what[512];
	va_list args;

	if (field->broken)
		return false;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	make_printable(what);
	field->broken = warder_memory_format("%s: %s", field->path, what);
	return false;
}

const json_t *warder_field_get(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_null(value) ? NULL : value;
}

static const char *type_name(const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "nothing";
	}
}

static bool is_one_of(const char *name, const char *names)
{
	size_t length = strlen(name);

	if (!length) /* a field of no name would be found everywhere, for ever */
		return false;
	for (const char *at = names; (at = strstr(at, name)); at += length)
		if ((at == names || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
	return false;
}

bool warder_field_object(struct warder_field *field, const json_t *value, const char *names)
{
	const char *name;
	json_t *member;

	if (!json_is_object(value))
		return warder_field_refuse(field, "must be an object, not %s", type_name(value));
	json_object_foreach((json_t *)value, name, member)
	{
		if (json_is_null(member) || is_one_of(name, names))
			continue;
		return warder_field_refuse(
			field,
			"unknown field \"%.64s\": remove it or mend its spelling; known are: %s",
			name, *names ? names : "none");
	}
	return true;
}

bool warder_field_list(struct warder_field *field, const json_t *value)
{
	if (!json_is_array(value))
		return warder_field_refuse(field, "must be a list, not %s", type_name(value));
	field->parts += json_array_size(value);
	if (field->parts > WARDER_FIELD_PARTS_MAX)
		return warder_field_refuse(field, "more than %d items in this object: split it",
					   WARDER_FIELD_PARTS_MAX);
	return true;
}

const char *warder_field_text(struct warder_field *field, const json_t *value)
{
	if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
		return json_string_value(value);
	if (json_is_string(value))
		warder_field_refuse(field, "must not hold a NUL character");
	else
		warder_field_refuse(field, "must be text, not %s: put it in quotes",
				    type_name(value));
	return NULL;
}

long long warder_field_integer(struct warder_field *field, const json_t *value, long long first,
			       long long last)
{
	if (!json_is_integer(value)) {
		warder_field_refuse(field, "must be a whole number, not %s", type_name(value));
		return -1;
	}
	if (json_integer_value(value) < first || json_integer_value(value) > last) {
		warder_field_refuse(field, "must be from %lld to %lld, not %lld", first, last,
				    (long long)json_integer_value(value));
		return -1;
	}
	return json_integer_value(value);
}
