/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the agent, and showing what it says as JSON or by a command's own function. */
#include <errno.h>
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

	if (question->each)
		return question->each(question->call, result);
	if (question->call->output == WARDERCTL_JSON)
		warderctl_print_json(result);
	else
		question->show(question->call, result);
	if (question->code)
		question->exit = question->code(result);
	return true;
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
