/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reading of JSON fields: see store/member.h.  Owns no memory and knows no kind. */
#include "store/member.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const json_t *warder_member_get(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

/* Appends the path of `field` to `path`, cutting it where there is no room. */
static size_t path_of(const struct warder_member *field, char *path, size_t size)
{
	size_t used;
	int n;

	if (!field->up) {
		path[0] = 0;
		return 0;
	}
	used = path_of(field->up, path, size);
	if (field->key)
		n = snprintf(path + used, size - used, "%s%.80s", used ? "." : "", field->key);
	else
		n = snprintf(path + used, size - used, "[%zu]", field->index);
	return used + n < size ? used + n : size - 1;
}

int warder_member_fail(const struct warder_member *field, const char *format, ...)
{
	const struct warder_member *root = field;
	struct warder_error what;
	char path[sizeof(what.field)];
	va_list args;

	while (root->up)
		root = root->up;
	if (!root->error)
		return -EINVAL;
	path_of(field, path, sizeof(path));
	va_start(args, format);
	vsnprintf(what.text, sizeof(what.text), format, args);
	va_end(args);
	warder_error_set(root->error, -EINVAL, "%s: %s%s%s", root->who, path, *path ? ": " : "",
			 what.text);
	memcpy(root->error->field, path, sizeof(path));
	return -EINVAL;
}

const char *warder_member_type(const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		return "a map";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		break;
	}
	return "nothing";
}

int warder_member_object(const struct warder_member *field)
{
	if (field->value && !json_is_object(field->value))
		return warder_member_fail(field, "is %s, must be a map of fields",
					  warder_member_type(field->value));
	return 0;
}

int warder_member_array(const struct warder_member *field, size_t max, size_t *ret_n)
{
	if (field->value && !json_is_array(field->value))
		return warder_member_fail(field, "is %s, must be a list",
					  warder_member_type(field->value));
	if (json_array_size(field->value) > max)
		return warder_member_fail(field, "has %zu entries, at most %zu are taken",
					  json_array_size(field->value), max);
	*ret_n = json_array_size(field->value);
	return 0;
}

int warder_member_string(const struct warder_member *field, const char **ret)
{
	if (json_is_number(field->value) || json_is_boolean(field->value))
		return warder_member_fail(field, "is %s, must be a string: put it in quotes",
					  warder_member_type(field->value));
	if (field->value && !json_is_string(field->value))
		return warder_member_fail(field, "is %s, must be a string",
					  warder_member_type(field->value));
	*ret = field->value ? json_string_value(field->value) : NULL;
	return 0;
}

int warder_member_bool(const struct warder_member *field, bool *ret)
{
	const char *text = field->value ? json_string_value(field->value) : NULL;

	/* A bare y or n is a string here and a boolean to Kubernetes: source/manifest.h. */
	if (text && (!strcmp(text, "y") || !strcmp(text, "Y"))) {
		*ret = true;
		return 0;
	}
	if (text && (!strcmp(text, "n") || !strcmp(text, "N"))) {
		*ret = false;
		return 0;
	}
	if (field->value && !json_is_boolean(field->value))
		return warder_member_fail(field, "is %s, must be true or false",
					  warder_member_type(field->value));
	*ret = json_is_true(field->value);
	return 0;
}

int warder_member_int(const struct warder_member *field, long long min, long long max,
		      long long *ret)
{
	long long value;

	if (field->value && !json_is_integer(field->value))
		return warder_member_fail(field, "is %s, must be a whole number from %lld to %lld",
					  json_is_real(field->value)
						  ? "not a whole number"
						  : warder_member_type(field->value),
					  min, max);
	value = field->value ? json_integer_value(field->value) : 0;
	if (field->value && (value < min || value > max))
		return warder_member_fail(field, "is %lld, must be from %lld to %lld", value, min,
					  max);
	*ret = value;
	return 0;
}

int warder_member_addr(const struct warder_member *field, struct warder_addr *ret)
{
	const char *text = NULL;

	if (warder_member_string(field, &text))
		return -EINVAL;
	if (!text || warder_addr_parse(text, ret))
		return warder_member_fail(field, "\"%.60s\" is not an IPv4 or IPv6 address",
					  text ? text : "");
	return 0;
}

int warder_member_protocol(const struct warder_member *field, __u8 *ret)
{
	const char *text = NULL;

	if (warder_member_string(field, &text))
		return -EINVAL;
	if (!text || !*text || !strcmp(text, "TCP"))
		*ret = IPPROTO_TCP;
	else if (!strcmp(text, "UDP"))
		*ret = IPPROTO_UDP;
	else if (!strcmp(text, "SCTP"))
		*ret = IPPROTO_SCTP;
	else
		return warder_member_fail(
			field, "\"%.40s\" is not a protocol, use TCP, UDP or SCTP", text);
	return 0;
}

/* One label of `size` bytes: lower case letters, digits and inner dashes. */
static bool is_label(const char *text, size_t size)
{
	if (!size || size > WARDER_DNS_LABEL_MAX || text[0] == '-' || text[size - 1] == '-')
		return false;
	for (size_t i = 0; i < size; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9') &&
		    text[i] != '-')
			return false;
	return true;
}

bool warder_name_is_label(const char *name)
{
	return is_label(name, strlen(name));
}

/* Unlike in DNS a part may be longer than 63: the API server bounds only the whole. */
bool warder_name_is_subdomain(const char *name)
{
	size_t size = strlen(name);

	if (!size || size > WARDER_DNS_SUBDOMAIN_MAX)
		return false;
	for (const char *part = name;;) {
		size_t n = strcspn(part, ".");

		if (!n || part[0] == '-' || part[n - 1] == '-')
			return false;
		for (size_t i = 0; i < n; i++)
			if (!(part[i] >= 'a' && part[i] <= 'z') &&
			    !(part[i] >= '0' && part[i] <= '9') && part[i] != '-')
				return false;
		if (!part[n])
			return true;
		part += n + 1;
	}
}
