/* SPDX-License-Identifier: Apache-2.0 */
/* `endpoint list` and `endpoint get`. */
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"

static const char *isolated(const json_t *endpoint)
{
	const json_t *which = json_object_get(endpoint, "isolated");
	bool in = warderctl_is(which, "ingress"), out = warderctl_is(which, "egress");

	return in && out ? "both" : in ? "ingress" : out ? "egress" : "-";
}

static void cell_count(struct warderctl_table *table, const json_t *counts)
{
	char text[32];

	warderctl_cell(table, "%s", warderctl_count(warderctl_number(counts, "packets"), text));
}

/* The pod; of a link that is held, since whose it is is not known, the link's name. */
static void name_cell(struct warderctl_table *table, const json_t *endpoint)
{
	const json_t *link = json_array_get(json_object_get(endpoint, "links"), 0);

	if (json_is_string(json_object_get(endpoint, "pod")))
		warderctl_cell(table, "%s/%s", warderctl_text(endpoint, "namespace"),
			       warderctl_text(endpoint, "pod"));
	else
		warderctl_cell(table, "(link %s)", link ? warderctl_text(link, "name") : "?");
}

static void list(const struct warderctl_call *call, const json_t *result)
{
	static const char *const headers[] = {"ENDPOINT", "SERVICEACCOUNT", "ADDRESS",	"STATE",
					      "ISOLATED", ">POLICIES",	    ">REFUSED", NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *endpoint;
	size_t i;

	json_array_foreach(json_object_get(result, "endpoints"), i, endpoint)
	{
		const json_t *addresses = json_object_get(endpoint, "addresses");
		const char *first = json_string_value(json_array_get(addresses, 0));
		bool audit = !strcmp(warderctl_text(endpoint, "mode"), "audit");

		name_cell(table, endpoint);
		warderctl_cell(table, "%s", warderctl_text(endpoint, "service_account"));
		warderctl_cell(table, json_array_size(addresses) > 1 ? "%s +%zu" : "%s",
			       first ? first : "-", json_array_size(addresses) - 1);
		warderctl_cell(table, "%s%s", warderctl_text(endpoint, "state"),
			       audit ? " (audit)" : "");
		warderctl_cell(table, "%s", isolated(endpoint));
		warderctl_cell(table, "%lld", warderctl_number(endpoint, "policies"));
		cell_count(table, json_object_get(endpoint, audit ? "would_deny" : "deny"));
	}
	warderctl_table_print(
		table, stdout, call->output == WARDERCTL_WIDE,
		"No pod of this node is known: is --node the name in their spec.nodeName?");
}

static void line(const char *name, const char *value)
{
	if (value[0])
		printf("  %-16s%s\n", name, value);
}

static void joined(const char *name, const json_t *array)
{
	const json_t *item;
	size_t i;

	if (!json_array_size(array))
		return;
	printf("  %-16s", name);
	json_array_foreach(array, i, item) printf(
		"%s%s", i ? ", " : "", json_string_value(item) ? json_string_value(item) : "");
	fputc('\n', stdout);
}

static void links(const json_t *endpoint)
{
	const json_t *link;
	size_t i;

	json_array_foreach(json_object_get(endpoint, "links"), i, link)
		printf("  %-16s%s (ifindex %lld, %s), %s\n", i ? "" : "links",
		       warderctl_text(link, "name"), warderctl_number(link, "ifindex"),
		       warderctl_text(link, "kind"),
		       warderctl_is(link, "attached") ? "attached" : "NOT ATTACHED");
}

static void selected_by(const json_t *endpoint)
{
	static const char *const headers[] = {"  POLICY", "DIRECTIONS", "MODE", NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *policy, *directions;
	size_t i;

	json_array_foreach(json_object_get(endpoint, "selected_by"), i, policy)
	{
		const char *ns = warderctl_text(policy, "namespace");
		const char *first, *second;

		directions = json_object_get(policy, "directions");
		first = json_string_value(json_array_get(directions, 0));
		second = json_string_value(json_array_get(directions, 1));
		warderctl_cell(table, "  %s %s%s%s", warderctl_text(policy, "kind"), ns,
			       ns[0] ? "/" : "", warderctl_text(policy, "name"));
		warderctl_cell(table, "%s%s%s", first ? first : "-", second ? ", " : "",
			       second ? second : "");
		warderctl_cell(table, "%s", warderctl_text(policy, "mode"));
	}
	puts("\nPolicies that select it");
	warderctl_table_print(table, stdout, false, "  none: nothing isolates it");
}

static void counters(const json_t *endpoint)
{
	static const char *const headers[] = {"  DIRECTION", "VERDICT", "REASON",
					      ">PACKETS",    ">BYTES",	NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *counter;
	char text[32];
	size_t i;

	json_array_foreach(json_object_get(endpoint, "counters"), i, counter)
	{
		warderctl_cell(table, "  %s", warderctl_text(counter, "direction"));
		warderctl_cell(table, "%s", warderctl_text(counter, "verdict"));
		warderctl_cell(table, "%s", warderctl_text(counter, "reason"));
		warderctl_cell(table, "%lld", warderctl_number(counter, "packets"));
		warderctl_cell(table, "%s",
			       warderctl_bytes(warderctl_number(counter, "bytes"), text));
	}
	puts("\nCounters");
	warderctl_table_print(table, stdout, false, "  no packet yet");
}

static void get(const struct warderctl_call *call, const json_t *endpoint)
{
	const json_t *cgroup = json_object_get(endpoint, "cgroup");
	char text[128];

	printf("Endpoint %s/%s\n", warderctl_text(endpoint, "namespace"),
	       warderctl_text(endpoint, "pod"));
	line("identity", warderctl_text(endpoint, "identity"));
	line("state", warderctl_text(endpoint, "state"));
	line("mode", warderctl_text(endpoint, "mode"));
	line("isolated", isolated(endpoint));
	joined("addresses", json_object_get(endpoint, "addresses"));
	links(endpoint);
	line("uid", warderctl_text(endpoint, "uid"));
	line("node", warderctl_text(endpoint, "node"));
	line("cgroup", warderctl_text(cgroup, "path"));
	snprintf(text, sizeof(text), "slot %lld, group %lld, cgroup id %lld, netns %lld",
		 warderctl_number(endpoint, "slot"), warderctl_number(endpoint, "group"),
		 warderctl_number(cgroup, "id"), warderctl_number(endpoint, "netns"));
	line("in the maps", text);
	joined("flags", json_object_get(endpoint, "flags"));
	selected_by(endpoint);
	counters(endpoint);
}

int warderctl_endpoint_list(const struct warderctl_call *call)
{
	return warderctl_show(call, json_pack("{s:s}", "call", "endpoint.list"), 10000, list, NULL);
}

int warderctl_endpoint_get(const struct warderctl_call *call)
{
	return warderctl_show(
		call,
		json_pack("{s:s, s:s}", "call", "endpoint.get", "endpoint", call->arguments[0]),
		10000, get, NULL);
}
