/* SPDX-License-Identifier: Apache-2.0 */
/* `policy list` and `policy get`. */
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"

static const char *state_of(const json_t *policy)
{
	if (warderctl_text(policy, "broken")[0])
		return "BROKEN";
	if (!warderctl_is(policy, "in_force"))
		return "pending";
	return strcmp(warderctl_text(policy, "mode"), "audit") ? "in force" : "audit";
}

/* "a, b, c +12" of an array of strings, at most `most` of them. */
static void join(char *buffer, size_t size, const json_t *array, size_t most, const char *none)
{
	size_t n = json_array_size(array), at = 0;

	snprintf(buffer, size, "%s", none);
	for (size_t i = 0; i < n && i < most && at < size; i++) {
		const char *text = json_string_value(json_array_get(array, i));

		at += (size_t)snprintf(buffer + at, size - at, "%s%s", i ? ", " : "",
				       text ? text : "");
	}
	if (n > most && at < size)
		snprintf(buffer + at, size - at, " +%zu", n - most);
}

static const char *directions(const json_t *policy)
{
	const json_t *array = json_object_get(policy, "directions");
	const char *first = json_string_value(json_array_get(array, 0));

	return json_array_size(array) > 1 ? "both" : first ? first : "-";
}

static void list(const struct warderctl_call *call, const json_t *result)
{
	static const char *const narrow[] = {"KIND",   "POLICY",     "STATE", "DIRECTION",
					     ">RULES", ">ENDPOINTS", NULL};
	static const char *const whole[] = {"KIND",   "POLICY",	    "STATE", "DIRECTION",
					    ">RULES", ">ENDPOINTS", "FROM",  NULL};
	bool wide = call->output == WARDERCTL_WIDE;
	struct warderctl_table *table = warderctl_table_new(wide ? whole : narrow);
	const json_t *policies = json_object_get(result, "policies"), *policy;
	size_t i;

	json_array_foreach(policies, i, policy)
	{
		const char *ns = warderctl_text(policy, "namespace");

		warderctl_cell(table, "%s", warderctl_text(policy, "kind"));
		warderctl_cell(table, "%s%s%s", ns, ns[0] ? "/" : "",
			       warderctl_text(policy, "name"));
		warderctl_cell(table, "%s", state_of(policy));
		warderctl_cell(table, "%s", directions(policy));
		warderctl_cell(table, "%lld", warderctl_number(policy, "rules"));
		warderctl_cell(table, "%lld", warderctl_number(policy, "endpoints"));
		if (wide)
			warderctl_cell(table, "%s", warderctl_text(policy, "origin"));
	}
	warderctl_table_print(table, stdout, wide, "No policy: every pod may talk to every other.");
	json_array_foreach(policies, i, policy)
	{
		const char *ns = warderctl_text(policy, "namespace");
		const char *broken = warderctl_text(policy, "broken");
		int n;

		if (!broken[0])
			continue;
		n = printf("\n%s %s%s%s is broken: ", warderctl_text(policy, "kind"), ns,
			   ns[0] ? "/" : "", warderctl_text(policy, "name"));
		warderctl_wrap_from(stdout, n > 1 ? (size_t)n - 1 : 0, 2, broken);
	}
}

static void classes(const json_t *rule)
{
	const json_t *class;
	char text[4096];
	size_t i;

	json_array_foreach(json_object_get(rule, "classes"), i, class)
	{
		printf("    class %-6lld", warderctl_number(class, "class"));
		join(text, sizeof(text), json_object_get(class, "members"), 16, "nobody now");
		warderctl_wrap(stdout, 16, text);
	}
	if (!i)
		puts("    peers       nobody now");
}

static void port_classes(const json_t *rule)
{
	const json_t *number;
	size_t i;

	json_array_foreach(json_object_get(rule, "port_classes"), i, number)
		printf("%s%lld", i ? ", " : " (port class ", json_integer_value(number));
	puts(i ? ")" : "");
}

static void get(const struct warderctl_call *call, const json_t *policy)
{
	const char *ns = warderctl_text(policy, "namespace");
	const json_t *rule;
	char text[4096];
	size_t i;

	printf("%s %s%s%s: %s\n", warderctl_text(policy, "kind"), ns, ns[0] ? "/" : "",
	       warderctl_text(policy, "name"), state_of(policy));
	if (warderctl_text(policy, "broken")[0]) {
		fputs("  broken        ", stdout);
		warderctl_wrap(stdout, 16, warderctl_text(policy, "broken"));
		puts("                It isolates its subjects and allows nothing until it is "
		     "mended.");
	}
	printf("  from          %s\n", warderctl_text(policy, "origin"));
	printf("  tier          %s\n", warderctl_text(policy, "tier"));
	printf("  mode          %s\n", warderctl_text(policy, "mode"));
	printf("  direction     %s\n", directions(policy));
	join(text, sizeof(text), json_object_get(policy, "selects"), 32, "no pod of this node");
	fputs("  selects       ", stdout);
	warderctl_wrap(stdout, 16, text);
	json_array_foreach(json_object_get(policy, "compiled"), i, rule)
	{
		printf("\n  Rule %lld: %s %s\n", warderctl_number(rule, "rule"),
		       warderctl_text(rule, "direction"), warderctl_text(rule, "action"));
		classes(rule);
		join(text, sizeof(text), json_object_get(rule, "ports"), 16, "none");
		printf("    ports       %s", text);
		port_classes(rule);
	}
	if (!i)
		puts("\n  No rule: it allows nothing.");
}

int warderctl_policy_list(const struct warderctl_call *call)
{
	return warderctl_show(call, json_pack("{s:s}", "call", "policy.list"), 10000, list, NULL);
}

int warderctl_policy_get(const struct warderctl_call *call)
{
	return warderctl_show(call,
			      json_pack("{s:s, s:s, s:s?}", "call", "policy.get", "policy",
					call->arguments[0], "kind", warderctl_value(call, "kind")),
			      10000, get, NULL);
}
