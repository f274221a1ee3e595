/* SPDX-License-Identifier: Apache-2.0 */
/* `wait`: the barrier. */
#include "cli/command.h"
#include "cli/table.h"

#define GRACE_MS 5000 /* for the agent's answer, beyond the timeout that it was given */

static void show(const struct warderctl_call *call, const json_t *result)
{
	const json_t *missing = json_object_get(result, "missing"), *item;
	size_t i;

	if (warderctl_is(result, "ready")) {
		printf("in force: revision %lld\n", warderctl_number(result, "revision"));
		return;
	}
	puts("not in force yet:");
	json_array_foreach(missing, i, item)
	{
		fputs("  ", stdout);
		warderctl_wrap(stdout, 4, json_string_value(item) ? json_string_value(item) : "");
	}
}

static int code(const json_t *result)
{
	return warderctl_is(result, "ready") ? WARDERCTL_OK : WARDERCTL_FAILED;
}

int warderctl_wait(const struct warderctl_call *call)
{
	const char *timeout = warderctl_value(call, "timeout");
	int ms = 10000;

	if (timeout && warderctl_duration(timeout, &ms) < 0)
		return warderctl_fail(
			WARDERCTL_USAGE,
			"--timeout %s: a number and ms, s, m or h, such as 10s or 500ms", timeout);
	return warderctl_show(call, json_pack("{s:s, s:i}", "call", "wait", "timeout_ms", ms),
			      ms + GRACE_MS, show, code);
}
