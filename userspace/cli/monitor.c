/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor`: alerts as they are made, two lines each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

static long left; /* -1: no end */

static void print_name(const json_t *side, bool with_port)
{
	const char *pod = warderctl_text(side, "pod"), *node = warderctl_text(side, "node");
	const char *address = warderctl_text(side, "address"),
		   *identity = warderctl_text(side, "identity");
	json_int_t port = with_port ? warderctl_number(side, "port") : 0;

	if (pod[0])
		printf("%s/%s", warderctl_text(side, "namespace"), pod);
	else if (strchr(address, ':') && port)
		printf("[%s]", address);
	else
		fputs(address[0] ? address : "?", stdout);
	if (port)
		printf(":%lld", port);
	if (pod[0])
		return;
	if (identity[0])
		printf(" (%s%s%s)", identity, node[0] ? " " : "", node);
}

static bool print_text(const json_t *alert)
{
	const json_t *policies = json_object_get(alert, "policies"), *policy;
	const char *time = warderctl_text(alert, "time"), *phase = warderctl_text(alert, "phase");
	const char *verdict = warderctl_text(alert, "verdict");
	bool colour = isatty(STDOUT_FILENO);
	size_t i;

	if (!strcmp(phase, "close"))
		return false; /* nothing happened */
	printf("%.12s %s%-10s%s %-7s ", strlen(time) > 11 ? time + 11 : time,
	       !colour			  ? ""
	       : !strcmp(verdict, "deny") ? "\033[31m"
					  : "\033[33m",
	       verdict, colour ? "\033[0m" : "", warderctl_text(alert, "direction"));
	if (warderctl_is(alert, "other")) {
		if (json_is_object(json_object_get(alert, "source")))
			print_name(json_object_get(alert, "source"), false);
		else
			fputs("others", stdout);
		fputs(" -> further peers and ports, gathered", stdout);
	} else {
		bool ports = !strcmp(warderctl_text(alert, "protocol"), "tcp") ||
			     !strcmp(warderctl_text(alert, "protocol"), "udp") ||
			     !strcmp(warderctl_text(alert, "protocol"), "sctp");

		print_name(json_object_get(alert, "source"), false);
		fputs(" -> ", stdout);
		print_name(json_object_get(alert, "destination"), ports);
		printf(" %s", warderctl_text(alert, "protocol"));
	}
	printf("\n%*s%s, %lld packet%s, %lld bytes", 13, "", warderctl_text(alert, "reason"),
	       warderctl_number(alert, "packets"),
	       warderctl_number(alert, "packets") == 1 ? "" : "s",
	       warderctl_number(alert, "bytes"));
	json_array_foreach(policies, i, policy)
	{
		const char *ns = warderctl_text(policy, "namespace");

		printf("%s%s %s%s%s", i ? ", " : "; ", warderctl_text(policy, "kind"), ns,
		       ns[0] ? "/" : "", warderctl_text(policy, "name"));
	}
	fputc('\n', stdout);
	return true;
}

static bool each(const struct warderctl_call *call, const json_t *alert)
{
	bool counts = true;

	if (call->output == WARDERCTL_JSON) {
		json_dumpf(alert, stdout, JSON_COMPACT);
		fputc('\n', stdout);
	} else if (json_object_get(alert, "lost")) {
		printf("%*s%lld alerts were not shown: this terminal is too slow\n", 13, "",
		       warderctl_number(alert, "lost"));
		counts = false;
	} else {
		counts = print_text(alert);
	}
	fflush(stdout);
	if (ferror(stdout))
		return false;
	return left < 0 || !counts || --left > 0;
}

static bool set_text(const struct warderctl_call *call, json_t *request, const char *option,
		     const char *key)
{
	const char *value = warderctl_value(call, option);

	return !value || !json_object_set_new(request, key, json_string(value));
}

static long positive(const char *text, long most)
{
	char *end;
	long number = strtol(text, &end, 10);

	return *end || end == text || number < 1 || number > most ? -1 : number;
}

int warderctl_monitor(const struct warderctl_call *call)
{
	const char *port = warderctl_value(call, "port"), *count = warderctl_value(call, "count");
	json_t *request = json_pack("{s:s}", "call", "monitor");

	left = count ? positive(count, 1000000000) : -1;
	if (count && left < 0) {
		json_decref(request);
		return warderctl_fail(WARDERCTL_USAGE, "--count %s: a number above 0", count);
	}
	if (port && positive(port, 65535) < 0) {
		json_decref(request);
		return warderctl_fail(WARDERCTL_USAGE, "--port %s: 1 to 65535", port);
	}
	if (port)
		json_object_set_new(request, "port", json_integer(positive(port, 65535)));
	if (!set_text(call, request, "namespace", "namespace") ||
	    !set_text(call, request, "service-account", "service_account") ||
	    !set_text(call, request, "pod", "pod") ||
	    !set_text(call, request, "verdict", "verdict") ||
	    !set_text(call, request, "reason", "reason")) {
		json_decref(request);
		return warderctl_fail(WARDERCTL_USAGE, "the arguments must be UTF-8");
	}
	return warderctl_stream(call, request, each);
}
