/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathers each key's value from the default, the file and the flags, in this order, and has it
 * parsed; answers the questions that need more than a field.
 */
#include "agent/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_values.h"
#include "base/cleanup.h"
#include "source/file.h"
#include "source/manifest.h"
#include "version.h"

struct setting {
	char *value;
	char *origin; /* "FILE:LINE", "--KEY"; NULL = default */
};

struct gathering {
	struct setting *settings; /* one a key */
	const char *file;
	const char *text; /* of the file */
	bool had_document;
	struct warder_error *error;
};

static void cleanup_config(struct warder_config **config)
{
	warder_config_free(*config);
}

static void cleanup_settings(struct setting **settings)
{
	if (!*settings)
		return;
	for (size_t i = 0; i < warder_config_n_keys; i++) {
		free((*settings)[i].value);
		free((*settings)[i].origin);
	}
	free(*settings);
}

/* -1 where there is no such key. */
static int find_key(const char *name, size_t n)
{
	for (size_t i = 0; i < warder_config_n_keys; i++)
		if (strlen(warder_config_keys[i].name) == n &&
		    !strncmp(warder_config_keys[i].name, name, n))
			return i;
	return -1;
}

/* How many letters differ where two words are laid on each other: enough to find a slip of the
 * finger. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[64], old, above;

	if (n >= 64 || m >= 64)
		return 64;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		old = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			above = row[j];
			row[j] = old + (a[i - 1] != b[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			old = above;
		}
	}
	return row[m];
}

static int unknown_key(struct warder_error *error, const char *name, const char *origin)
{
	const char *best = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < warder_config_n_keys; i++) {
		unsigned d = distance(name, warder_config_keys[i].name);

		if (d < least) {
			least = d;
			best = warder_config_keys[i].name;
		}
	}
	return warder_error_set(error, -EINVAL,
				"%s: \"%.60s\" is not a key of the configuration%s%s%s", origin,
				name, best ? ", is " : ": see warderd --help", best ? best : "",
				best ? " meant?" : "");
}

static int set(struct setting *setting, char *value, char *origin)
{
	free(setting->value);
	free(setting->origin);
	setting->value = value;
	setting->origin = origin;
	return value && origin ? 0 : -ENOMEM;
}

/* A YAML scalar as a flag would have it; NULL where it is none. */
static char *scalar_text(const json_t *value)
{
	char *text = NULL;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return strdup(json_string_value(value));
	case JSON_TRUE:
		return strdup("on");
	case JSON_FALSE:
		return strdup("off");
	case JSON_NULL:
		return strdup("");
	case JSON_INTEGER:
		return asprintf(&text, "%lld", (long long)json_integer_value(value)) < 0 ? NULL
											 : text;
	default:
		return NULL;
	}
}

/* A scalar, or a list of scalars joined by commas. */
static char *value_text(const json_t *value)
{
	char *all = NULL;

	if (!json_is_array(value))
		return scalar_text(value);
	if (json_array_size(value) > WARDER_CONFIG_LIST_MAX)
		return NULL;
	all = strdup("");
	for (size_t i = 0; all && i < json_array_size(value); i++) {
		CLEANUP(cleanup_free) char *part = scalar_text(json_array_get(value, i));
		char *longer = NULL;

		if (!part || asprintf(&longer, "%s%s%s", all, i ? "," : "", part) < 0)
			longer = NULL;
		free(all);
		all = longer;
	}
	return all;
}

static int take_document(void *data, const json_t *object,
			 const struct warder_manifest_place *place)
{
	struct gathering *gathering = data;
	const char *name;
	json_t *value;

	if (gathering->had_document || !json_is_object(object))
		return warder_error_set(gathering->error, -EINVAL,
					"%s:%u: the file is one map of keys", gathering->file,
					place->line);
	gathering->had_document = true;
	json_object_foreach((json_t *)object, name, value)
	{
		int key = find_key(name, strlen(name));
		CLEANUP(cleanup_free) char *origin = NULL;
		unsigned line, column;
		char *text;

		warder_manifest_locate(gathering->text, place, name, &line, &column);
		if (asprintf(&origin, "%s:%u", gathering->file, line) < 0)
			origin = NULL;
		if (!origin)
			return -ENOMEM;
		if (key < 0)
			return unknown_key(gathering->error, name, origin);
		text = value_text(value);
		if (!text)
			return warder_error_set(gathering->error, -EINVAL, "%s: %s: must be %s",
						origin, name, warder_config_keys[key].allowed);
		if (set(&gathering->settings[key], text, TAKE(origin)))
			return -ENOMEM;
	}
	return 0;
}

static int read_file(struct gathering *gathering)
{
	struct warder_manifest_place place = {0};
	CLEANUP(cleanup_free) char *text = NULL;
	struct warder_error what = {0};
	size_t size;
	int error = warder_file_load(AT_FDCWD, gathering->file, &text, &size, &what);

	if (error)
		return warder_error_set(gathering->error, error, "configuration %s: %s",
					gathering->file, what.text);
	gathering->text = text;
	error = warder_manifest_read(text, size, take_document, gathering, &place, &what);
	if (error && *what.text) /* the text itself; else take_document has told it */
		return warder_error_set(gathering->error, error, "%s:%u:%u: %s", gathering->file,
					place.line, place.column, what.text);
	return error;
}

/* The value of the flag at argv[*i], which may be the next word; NULL where there is none. */
static const char *flag_value(int argc, char **argv, int *i)
{
	char *equals = strchr(argv[*i], '=');

	if (equals)
		return equals + 1;
	return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool flag_is(const char *argument, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(argument, "--", 2) && !strncmp(argument + 2, name, n) &&
	       (!argument[2 + n] || argument[2 + n] == '=');
}

/* 1: a question was answered. */
static int answer(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			warder_config_help(stdout);
		else if (!strcmp(argv[i], "--help-markdown"))
			warder_config_markdown(stdout);
		else if (!strcmp(argv[i], "--help-man"))
			warder_config_man(stdout);
		else if (!strcmp(argv[i], "--version"))
			printf("warderd %s\n", WARDER_VERSION);
		else
			continue;
		return 1;
	}
	return 0;
}

static int find_file(struct gathering *gathering, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!flag_is(argv[i], "config"))
			continue;
		gathering->file = flag_value(argc, argv, &i);
		if (!gathering->file || !*gathering->file)
			return warder_error_set(gathering->error, -EINVAL,
						"--config: the file's name is missing");
	}
	if (!gathering->file && !access(WARDER_CONFIG_FILE, F_OK))
		gathering->file = WARDER_CONFIG_FILE;
	return 0;
}

static int take_flags(struct gathering *gathering, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i] + 2, *value;
		CLEANUP(cleanup_free) char *origin = NULL;
		int key;

		if (strncmp(argv[i], "--", 2) || !*name)
			return warder_error_set(
				gathering->error, -EINVAL,
				"\"%.80s\": warderd takes flags alone: see warderd --help",
				argv[i]);
		if (flag_is(argv[i], "config")) {
			flag_value(argc, argv, &i);
			continue;
		}
		origin = strndup(argv[i], strcspn(argv[i], "="));
		if (!origin)
			return -ENOMEM;
		key = find_key(name, strcspn(name, "="));
		if (key < 0)
			return unknown_key(gathering->error, origin + 2, origin);
		value = flag_value(argc, argv, &i);
		if (!value)
			return warder_error_set(gathering->error, -EINVAL,
						"%s: the value is missing, it is %s", origin,
						warder_config_keys[key].allowed);
		if (set(&gathering->settings[key], strdup(value), TAKE(origin)))
			return -ENOMEM;
	}
	return 0;
}

static int bad_value(const struct warder_config_key *key, const struct setting *setting,
		     const char *part, struct warder_error *error)
{
	const char *wrong = part ? part : setting->value;
	char range[64] = "";

	if (key->high && strcmp(key->argument, "TIME"))
		snprintf(range, sizeof(range), " from %lld to %lld", key->low, key->high);
	else if (key->high)
		snprintf(range, sizeof(range), ", from %lldms to %lldms", key->low, key->high);
	return warder_error_set(error, -EINVAL, "%s: \"%.80s\" (%s): must be %s%s", key->name,
				wrong, setting->origin, key->allowed, range);
}

/* What a value came to be, where the default depends on something. */
static const char *shown_value(const struct warder_config_key *key, const char *value,
			       const struct warder_config *config)
{
	if (*value)
		return value;
	if (key->field == offsetof(struct warder_config, hold))
		return config->hold ? "on" : "off";
	if (key->field == offsetof(struct warder_config, node))
		return config->node;
	return value;
}

/* As api/calls.h has it; NULL where the value is no UTF-8. */
static json_t *shown(const struct warder_config_key *key, const struct setting *setting,
		     const char *value, const struct warder_config *config)
{
	const char *origin = !setting->origin			  ? "default"
			     : !strncmp(setting->origin, "--", 2) ? "flag"
								  : "file";

	return json_pack("{s:s, s:s, s:s, s:s?, s:s}", "key", key->name, "value",
			 shown_value(key, value, config), "origin", origin, "where",
			 setting->origin, "what", key->brief);
}

static int parse_all(const struct setting *settings, struct warder_config *config,
		     struct warder_error *error)
{
	config->shown = json_array();
	for (size_t i = 0; i < warder_config_n_keys; i++) {
		const struct warder_config_key *key = &warder_config_keys[i];
		const struct setting *setting = &settings[i];
		CLEANUP(cleanup_free) char *part = NULL;
		const char *value = setting->value ? setting->value : key->initial;
		int code = strlen(value) > WARDER_CONFIG_VALUE_MAX
				   ? -EINVAL
				   : key->parse(key, value, config, &part);

		if (code == -EINVAL && setting->value)
			return bad_value(key, setting, part, error);
		if (code)
			return warder_error_set(error, code, "%s: %s", key->name, strerror(-code));
		if (json_array_append_new(config->shown, shown(key, setting, value, config)))
			return warder_error_set(error, -EINVAL,
						"%s: the value must be text in UTF-8", key->name);
	}
	if (!config->features)
		return warder_error_set(error, -EINVAL,
					"features: one of policy, mesh and alerts must be there");
	return 0;
}

int warder_config_load(int argc, char **argv, struct warder_config **ret,
		       struct warder_error *error)
{
	CLEANUP(cleanup_settings)
	struct setting *settings = calloc(warder_config_n_keys, sizeof(*settings));
	CLEANUP(cleanup_config) struct warder_config *config = calloc(1, sizeof(*config));
	struct gathering gathering = {.settings = settings, .error = error};
	int code;

	if (!settings || !config)
		return warder_error_set(error, -ENOMEM, "out of memory");
	if (answer(argc, argv))
		return 1;
	code = find_file(&gathering, argc, argv);
	if (!code && gathering.file)
		code = read_file(&gathering);
	if (!code)
		code = take_flags(&gathering, argc, argv);
	if (code == -ENOMEM)
		return warder_error_set(error, -ENOMEM, "out of memory");
	if (!code)
		code = parse_all(settings, config, error);
	if (code)
		return code;
	*ret = TAKE(config);
	return 0;
}

static bool pod_is(const struct warder_config_pod *entry, const char *ns, const char *pod)
{
	return (!strcmp(entry->ns, "*") || !strcmp(entry->ns, ns)) &&
	       (!strcmp(entry->pod, "*") || !strcmp(entry->pod, pod));
}

bool warder_config_is_opaque(const struct warder_config *config, const char *ns, const char *pod,
			     const char *runtime_class)
{
	for (size_t i = 0; i < config->n_opaque; i++)
		if (pod_is(&config->opaque[i], ns, pod))
			return true;
	for (size_t i = 0; runtime_class && i < config->n_opaque_runtime_classes; i++)
		if (!strcmp(config->opaque_runtime_classes[i], runtime_class))
			return true;
	return false;
}

const struct warder_prefix *warder_config_pod_prefixes(const struct warder_config *config,
						       const char *ns, const char *pod,
						       size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < config->n_pod_prefixes; i++) {
		if (!pod_is(&config->pod_prefixes[i].pod, ns, pod))
			continue;
		*ret_n = config->pod_prefixes[i].n_prefixes;
		return config->pod_prefixes[i].prefixes;
	}
	return NULL;
}
