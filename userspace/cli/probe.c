/* SPDX-License-Identifier: Apache-2.0 */
/* `explain` of one probe by the agent; what needs no agent is explain.c's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/explain.h"
#include "cli/table.h"

/* One direction: its verdict, and a line for each policy that decides it. */
static void side(const json_t *answer, const char *direction)
{
	const char *verdict = warderctl_text(answer, direction);
	const json_t *policy;
	char text[1024];
	bool any = false;
	size_t i;

	printf("  %-9s%-6s", direction, verdict[0] ? verdict : "-");
	json_array_foreach(json_object_get(answer, "policies"), i, policy)
	{
		const char *ns = warderctl_text(policy, "namespace");
		const json_t *rule = json_object_get(policy, "rule");
		const char *broken = warderctl_text(policy, "broken");
		char why[512] = "isolates, no rule matches";

		if (strcmp(warderctl_text(policy, "direction"), direction))
			continue;
		if (json_is_integer(rule))
			snprintf(why, sizeof(why), "%s rule %lld", direction,
				 json_integer_value(rule));
		else if (broken[0])
			snprintf(why, sizeof(why), "fails closed, %s", broken);
		snprintf(text, sizeof(text), "%s %s%s%s%s: %s", warderctl_text(policy, "kind"), ns,
			 ns[0] ? "/" : "", warderctl_text(policy, "name"),
			 strcmp(warderctl_text(policy, "mode"), "audit") ? "" : " (audit)", why);
		printf("%*s", any ? 17 : 0, "");
		warderctl_wrap(stdout, 17, text);
		any = true;
	}
	if (!any)
		puts(verdict[0] ? "no policy of this direction selects it, or it is no pod"
				: "not judged on this node");
}

void warderctl_show_explanation(const struct warderctl_call *call, const json_t *answer)
{
	const json_t *port = json_object_get(answer, "port");
	const char *would = warderctl_text(answer, "would");
	char number[32] = "";

	if (json_is_integer(port))
		snprintf(number, sizeof(number), " port %lld", json_integer_value(port));
	else if (json_is_string(port))
		snprintf(number, sizeof(number), " port %.20s", json_string_value(port));
	printf("%s -> %s, %s%s: %s (%s)\n", warderctl_text(answer, "from"),
	       warderctl_text(answer, "to"), warderctl_text(answer, "protocol"), number,
	       warderctl_text(answer, "verdict"), warderctl_text(answer, "reason"));
	side(answer, "egress");
	side(answer, "ingress");
	if (would[0])
		printf("  if audited policies were enforced: %s\n", would);
}

/* The same command line, options alone. */
static int from_manifests(const struct warderctl_call *call)
{
	char *argv[2 * WARDERCTL_OPTIONS + 4] = {"explain"};
	char names[WARDERCTL_OPTIONS][32];
	int argc = 1;

	for (size_t i = 0; i < WARDERCTL_OPTIONS && call->command->options[i].name; i++) {
		if (!call->values[i])
			continue;
		snprintf(names[i], sizeof(names[i]), "--%s", call->command->options[i].name);
		argv[argc++] = names[i];
		if (call->command->options[i].argument)
			argv[argc++] = (char *)call->values[i];
	}
	if (call->output == WARDERCTL_JSON) {
		argv[argc++] = "-o";
		argv[argc++] = "json";
	}
	return warderctl_explain(argc, argv);
}

int warderctl_probe(const struct warderctl_call *call)
{
	const char *from = warderctl_value(call, "from"), *to = warderctl_value(call, "to");
	const char *port = warderctl_value(call, "port"),
		   *protocol = warderctl_value(call, "protocol");
	json_t *request, *value;
	char *end;
	long number;

	if (warderctl_value(call, "manifests"))
		return from_manifests(call);
	if (warderctl_value(call, "batch") || warderctl_value(call, "kernel"))
		return warderctl_fail(WARDERCTL_USAGE, "--batch and --kernel need --manifests DIR");
	if (!from || !to || !port)
		return warderctl_fail(
			WARDERCTL_USAGE,
			"explain needs --from, --to and --port; `warderctl explain --help` "
			"has an example");
	errno = 0;
	number = strtol(port, &end, 10);
	if (port[0] >= '0' && port[0] <= '9' && (*end || errno || number < 1 || number > 65535))
		return warderctl_fail(WARDERCTL_USAGE, "--port %s: 1 to 65535, or a port's name",
				      port);
	value = *end ? json_string(port) : json_integer(number);
	request = json_pack("{s:s, s:s, s:s, s:o, s:s}", "call", "explain", "from", from, "to", to,
			    "port", value, "protocol", protocol ? protocol : "TCP");
	if (!request)
		return warderctl_fail(WARDERCTL_USAGE, "the arguments must be UTF-8");
	return warderctl_show(call, request, 10000, warderctl_show_explanation, NULL);
}
