/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the agent, and showing what it says as JSON or by a command's own function. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "cli/command.h"

const char *warderctl_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

json_int_t warderctl_number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

bool warderctl_is(const json_t *json, const char *key)
{
	return json_is_true(json_object_get(json, key));
}

void warderctl_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', stdout);
}

/* A name in a manifest may hold any byte: none of them becomes a command to the terminal. */
static void clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* U+0080 to U+009f */
			c[0] = c[1] = '?';
	}
}

static json_t *cleaned_text(const json_t *json)
{
	char *text = strdup(json_string_value(json));
	json_t *copy = NULL;

	if (text) {
		clean(text);
		copy = json_string_nocheck(text);
		free(text);
	}
	return copy;
}

static json_t *cleaned(const json_t *json)
{
	json_t *copy, *item;
	const char *key;
	size_t i;

	if (json_is_string(json))
		return cleaned_text(json);
	if (json_is_array(json)) {
		copy = json_array();
		json_array_foreach(json, i, item) json_array_append_new(copy, cleaned(item));
		return copy;
	}
	if (json_is_object(json)) {
		copy = json_object();
		json_object_foreach((json_t *)json, key, item)
			json_object_set_new_nocheck(copy, key, cleaned(item));
		return copy;
	}
	return json_copy((json_t *)json);
}

struct question {
	const struct warderctl_call *call;
	void (*show)(const struct warderctl_call *call, const json_t *result);
	bool (*each)(const struct warderctl_call *call, const json_t *result);
	int (*code)(const json_t *result);
	int exit;
};

static bool on_answer(void *data, const json_t *result)
{
	struct question *question = data;
	bool as_json = question->call->output == WARDERCTL_JSON, more = true;
	json_t *shown = as_json ? NULL : cleaned(result);

	if (question->each)
		more = question->each(question->call, as_json ? result : shown);
	else if (as_json)
		warderctl_print_json(result);
	else
		question->show(question->call, shown);
	if (question->code)
		question->exit = question->code(result);
	json_decref(shown);
	return more;
}

static int ask(struct question *question, json_t *request, int timeout_ms)
{
	struct warder_error error = {""};
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/%s", question->call->run_dir, WARDER_API_SOCKET);
	err = warder_api_ask(path, request, timeout_ms, on_answer, question, &error);
	json_decref(request);
	if (!err)
		return question->exit;
	clean(error.text);
	return warderctl_fail(warder_api_is_unreachable(err) ? WARDERCTL_UNREACHABLE
							     : WARDERCTL_FAILED,
			      "%s", error.text);
}

int warderctl_show(const struct warderctl_call *call, json_t *request, int timeout_ms,
		   void (*show)(const struct warderctl_call *call, const json_t *result),
		   int (*code)(const json_t *result))
{
	struct question question = {.call = call, .show = show, .code = code};

	return ask(&question, request, timeout_ms);
}

int warderctl_stream(const struct warderctl_call *call, json_t *request,
		     bool (*each)(const struct warderctl_call *call, const json_t *result))
{
	struct question question = {.call = call, .each = each};

	return ask(&question, request, -1);
}
