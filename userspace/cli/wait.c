/* SPDX-License-Identifier: Apache-2.0 */
/* `wait`: the barrier; also for an agent that was started a moment ago and does not listen yet. */
#include <time.h>

#include "api/api.h"
#include "cli/command.h"
#include "cli/table.h"

#define GRACE_MS 5000 /* for the agent's answer, beyond the timeout that it was given */
#define RETRY_MS 20   /* between two looks for an agent */

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

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Looks for an agent for at most `ms`; what is left of it. */
static int await_agent(const struct warderctl_call *call, int ms)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	long long end = now_ms() + ms, left;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", call->run_dir, WARDER_API_SOCKET);
	while (!warder_api_answers(path) && now_ms() < end)
		nanosleep(&pause, NULL);
	left = end - now_ms();
	return left > 0 ? (int)left : 0;
}

int warderctl_wait(const struct warderctl_call *call)
{
	const char *timeout = warderctl_value(call, "timeout");
	int ms = 10000;

	if (timeout && warderctl_duration(timeout, &ms) < 0)
		return warderctl_fail(
			WARDERCTL_USAGE,
			"--timeout %s: a number and ms, s, m or h, such as 10s or 500ms", timeout);
	ms = await_agent(call, ms);
	return warderctl_show(call, json_pack("{s:s, s:i}", "call", "wait", "timeout_ms", ms),
			      ms + GRACE_MS, show, code);
}
