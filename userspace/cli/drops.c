/* SPDX-License-Identifier: Apache-2.0 */
/* `drops` and `counters`: how much, of what, between whom. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"

static void reasons(const struct warderctl_call *call, const json_t *result)
{
	static const char *const headers[] = {">PACKETS",  ">BYTES", "VERDICT",
					      "DIRECTION", "REASON", NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *reason;
	char text[32];
	size_t i;

	json_array_foreach(json_object_get(result, "reasons"), i, reason)
	{
		warderctl_cell(table, "%lld", warderctl_number(reason, "packets"));
		warderctl_cell(table, "%s",
			       warderctl_bytes(warderctl_number(reason, "bytes"), text));
		warderctl_cell(table, "%s", warderctl_text(reason, "verdict"));
		warderctl_cell(table, "%s", warderctl_text(reason, "direction"));
		warderctl_cell(table, "%s", warderctl_text(reason, "reason"));
	}
	warderctl_table_print(table, stdout, call->output == WARDERCTL_WIDE,
			      "Nothing was refused.");
}

/* "ns/pod:80", "world 192.0.2.1:53/udp" */
static void name(char *buffer, size_t size, const json_t *side, const char *protocol)
{
	const char *pod = warderctl_text(side, "pod"), *address = warderctl_text(side, "address");
	json_int_t port = warderctl_number(side, "port");
	bool six = !pod[0] && strchr(address, ':');
	char end[64] = "";

	if (!json_is_object(side)) {
		snprintf(buffer, size, "(gathered)");
		return;
	}
	if (protocol && !strcmp(protocol, "tcp"))
		snprintf(end, sizeof(end), ":%lld", port);
	else if (protocol && (!strcmp(protocol, "udp") || !strcmp(protocol, "sctp")))
		snprintf(end, sizeof(end), ":%lld/%s", port, protocol);
	else if (protocol)
		snprintf(end, sizeof(end), " %.40s", protocol);
	if (pod[0])
		snprintf(buffer, size, "%s/%s%s", warderctl_text(side, "namespace"), pod, end);
	else
		snprintf(buffer, size, "%s %s%s%s%s", warderctl_text(side, "identity"),
			 six ? "[" : "", address, six ? "]" : "", end);
}

static void pairs(const struct warderctl_call *call, const json_t *result)
{
	static const char *const narrow[] = {">PACKETS", "REASON", "AT", "FROM", "TO", NULL};
	static const char *const whole[] = {">PACKETS", "REASON", "AT", "FROM", "TO", "LAST", NULL};
	bool wide = call->output == WARDERCTL_WIDE;
	struct warderctl_table *table = warderctl_table_new(wide ? whole : narrow);
	const json_t *pair;
	char text[1024];
	size_t i;

	json_array_foreach(json_object_get(result, "pairs"), i, pair)
	{
		const char *hook = warderctl_text(pair, "hook");
		bool audited = !strcmp(warderctl_text(pair, "verdict"), "would-deny");

		warderctl_cell(table, "%lld", warderctl_number(pair, "packets"));
		warderctl_cell(table, "%s%s", warderctl_text(pair, "reason"),
			       audited ? " (audit)" : "");
		warderctl_cell(table, "%s", hook[0] ? hook : "-");
		name(text, sizeof(text), json_object_get(pair, "source"), NULL);
		warderctl_cell(table, "%s", text);
		name(text, sizeof(text), json_object_get(pair, "destination"),
		     warderctl_text(pair, "protocol"));
		warderctl_cell(table, "%s", text);
		if (wide)
			warderctl_cell(table, "%s", warderctl_text(pair, "last"));
	}
	warderctl_table_print(table, stdout, wide, "None.");
}

static void show(const struct warderctl_call *call, const json_t *result)
{
	const char *since = warderctl_text(result, "since");

	puts("Reasons, by the datapath's exact counters");
	reasons(call, result);
	printf("\nPairs that were alerted since %.10s %.8s UTC\n", since,
	       strlen(since) > 11 ? since + 11 : "");
	pairs(call, result);
}

int warderctl_drops(const struct warderctl_call *call)
{
	const char *limit = warderctl_value(call, "limit");
	char *end = "";
	long number = limit ? strtol(limit, &end, 10) : 10;

	if (*end || number < 1 || number > 10000)
		return warderctl_fail(WARDERCTL_USAGE, "--limit %s: 1 to 10000", limit);
	return warderctl_show(call, json_pack("{s:s, s:i}", "call", "drops", "limit", (int)number),
			      10000, show, NULL);
}

static void counters(const struct warderctl_call *call, const json_t *result)
{
	static const char *const headers[] = {"ENDPOINT", "DIRECTION", "VERDICT", "REASON",
					      ">PACKETS", ">BYTES",    NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *counter;
	size_t i;

	json_array_foreach(json_object_get(result, "counters"), i, counter)
	{
		const char *pod = warderctl_text(counter, "pod");

		if (pod[0])
			warderctl_cell(table, "%s/%s", warderctl_text(counter, "namespace"), pod);
		else
			warderctl_cell(table, "(gone)");
		warderctl_cell(table, "%s", warderctl_text(counter, "direction"));
		warderctl_cell(table, "%s", warderctl_text(counter, "verdict"));
		warderctl_cell(table, "%s", warderctl_text(counter, "reason"));
		warderctl_cell(table, "%lld", warderctl_number(counter, "packets"));
		warderctl_cell(table, "%lld", warderctl_number(counter, "bytes"));
	}
	warderctl_table_print(table, stdout, call->output == WARDERCTL_WIDE, "No packet yet.");
}

int warderctl_counters(const struct warderctl_call *call)
{
	return warderctl_show(call, json_pack("{s:s}", "call", "counters"), 10000, counters, NULL);
}
