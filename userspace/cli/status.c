/* SPDX-License-Identifier: Apache-2.0 */
/* `status`, and what the bare command shows. */
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"

#define LABEL 14 /* columns of what a line is about */

static void label(const char *name)
{
	printf("  %-*s", LABEL - 2, name);
}

static void header(const json_t *status)
{
	const char *cluster = warderctl_text(status, "cluster"),
		   *mode = warderctl_text(status, "mode");
	char up[32];

	printf("Node %s%s%s: %s, %s\n", warderctl_text(status, "node"),
	       cluster[0] ? " of cluster " : "", cluster,
	       warderctl_is(status, "ready") ? "ready" : "NOT READY",
	       strcmp(mode, "audit") ? "enforcing" : "auditing only (nothing is refused)");
	label("agent");
	printf("%s, pid %lld, up %s\n", warderctl_text(status, "version"),
	       warderctl_number(status, "pid"),
	       warderctl_seconds(warderctl_number(status, "uptime_seconds"), up));
}

static void features(const json_t *status)
{
	const json_t *feature;
	size_t i;

	json_array_foreach(json_object_get(status, "features"), i, feature)
	{
		const char *message = warderctl_text(feature, "message");
		const char *state = warderctl_is(feature, "ready") ? "ready" : "NOT READY";

		label(warderctl_text(feature, "name"));
		printf("%s%s", state, message[0] ? ": " : "\n");
		if (message[0])
			warderctl_wrap_from(stdout, LABEL + strlen(state) + 2, LABEL, message);
	}
	if (!strcmp(warderctl_text(status, "mesh"), "none")) {
		label("mesh");
		warderctl_wrap(
			stdout, LABEL,
			"none: who a pod of another node is, is the source's word (unproven)");
	} else {
		label("mesh");
		printf("%s\n", warderctl_text(status, "mesh"));
	}
}

static void source_and_state(const json_t *status)
{
	const json_t *source = json_object_get(status, "source");
	const json_t *revision = json_object_get(status, "revision");
	const json_t *datapath = json_object_get(status, "datapath");
	json_int_t seen = warderctl_number(revision, "seen");
	json_int_t in_force = warderctl_number(revision, "in_force");

	label("source");
	printf("%s %s, %s\n", warderctl_text(source, "name"), warderctl_text(source, "place"),
	       warderctl_is(source, "synced") ? "read" : "NOT READ YET");
	label("in force");
	if (seen == in_force)
		printf("revision %lld, everything that was read", in_force);
	else
		printf("revision %lld of %lld", in_force, seen);
	printf(" (last change took %.1f ms, the longest %.1f ms)\n",
	       json_number_value(json_object_get(revision, "last_ms")),
	       json_number_value(json_object_get(revision, "max_ms")));
	label("datapath");
	printf("%s on kernel %s, maps in %s\n", warderctl_text(datapath, "hook"),
	       warderctl_text(datapath, "kernel"), warderctl_text(datapath, "bpffs"));
}

struct part {
	const char *key, *what;
};

/* "6: 5 attached, 1 held" */
static void parts(const json_t *counts, const struct part *list, size_t n)
{
	const char *before = ": ";

	printf("%lld", warderctl_number(counts, "total"));
	for (size_t i = 0; i < n; i++) {
		json_int_t number = warderctl_number(counts, list[i].key);

		if (!number)
			continue;
		printf("%s%lld %s", before, number, list[i].what);
		before = ", ";
	}
	fputc('\n', stdout);
}

static void counts(const json_t *status)
{
	static const struct part endpoint_parts[] = {
		{"attached", "attached"},	  {"held", "HELD (identity unknown)"},
		{"waiting", "waiting"},		  {"uncovered", "UNCOVERED"},
		{"host_network", "host-network"},
	};
	static const struct part policy_parts[] = {
		{"in_force", "in force"}, {"audit", "in audit"}, {"broken", "BROKEN"}};

	label("endpoints");
	parts(json_object_get(status, "endpoints"), endpoint_parts, 5);
	label("policies");
	parts(json_object_get(status, "policies"), policy_parts, 3);
	label("identities");
	printf("%lld\n", warderctl_number(status, "identities"));
}

static void traffic_part(const json_t *traffic, const char *key, const char *what)
{
	const json_t *part = json_object_get(traffic, key);
	char packets[32], bytes[32];

	printf("%s%s packets (%s)", what,
	       warderctl_count(warderctl_number(part, "packets"), packets),
	       warderctl_bytes(warderctl_number(part, "bytes"), bytes));
}

static void traffic(const json_t *status)
{
	const json_t *all = json_object_get(status, "traffic");
	const json_t *alerts = json_object_get(status, "alerts");
	json_int_t errors = warderctl_number(alerts, "write_errors");
	const char *place = warderctl_text(alerts, "place");

	label("traffic");
	traffic_part(all, "allow", "allowed ");
	traffic_part(all, "deny", ", refused ");
	if (warderctl_number(json_object_get(all, "would_deny"), "packets")) {
		fputs(",\n", stdout);
		label("");
		traffic_part(all, "would_deny", "would have refused ");
	}
	fputc('\n', stdout);
	label("alerts to");
	printf("%s: %lld told", strcmp(place, "-") ? place : "stdout",
	       warderctl_number(alerts, "written"));
	if (warderctl_number(alerts, "suppressed"))
		printf(", %lld packets told without their pair",
		       warderctl_number(alerts, "suppressed"));
	if (errors || warderctl_number(alerts, "lost"))
		printf(", %lld WRITES FAILED, %lld alerts LOST", errors,
		       warderctl_number(alerts, "lost"));
	fputc('\n', stdout);
}

static void problem_line(const char *where, const char *what)
{
	printf("  %s: ", where);
	warderctl_wrap_from(stdout, strlen(where) + 4, 6, what);
}

static void problems(const json_t *status)
{
	const json_t *of_source = json_object_get(json_object_get(status, "source"), "problems");
	const json_t *of_agent = json_object_get(status, "problems");
	const json_t *foreign = json_object_get(status, "not_enforced");
	const json_t *item;
	size_t i;

	if (json_array_size(of_source) + json_array_size(of_agent))
		puts("\nProblems");
	json_array_foreach(of_source, i, item)
		problem_line(warderctl_text(item, "where"), warderctl_text(item, "what"));
	json_array_foreach(of_agent, i, item)
		problem_line(warderctl_text(item, "object"), warderctl_text(item, "what"));
	if (json_array_size(foreign))
		puts("\nLooks like policy, is not enforced by Warder");
	json_array_foreach(foreign, i, item)
	{
		const char *ns = warderctl_text(item, "namespace"),
			   *origin = warderctl_text(item, "origin");

		printf("  %s %s%s%s%s%s%s\n", warderctl_text(item, "kind"), ns, ns[0] ? "/" : "",
		       warderctl_text(item, "name"), origin[0] ? " (" : "", origin,
		       origin[0] ? ")" : "");
	}
}

static void show(const struct warderctl_call *call, const json_t *status)
{
	header(status);
	features(status);
	source_and_state(status);
	counts(status);
	traffic(status);
	problems(status);
	if (!call->argc)
		puts("\nwarderctl help lists the commands.");
}

static int code(const json_t *status)
{
	return warderctl_is(status, "ready") ? WARDERCTL_OK : WARDERCTL_FAILED;
}

int warderctl_status(const struct warderctl_call *call)
{
	return warderctl_show(call, json_pack("{s:s}", "call", "status"), 10000, show, code);
}
