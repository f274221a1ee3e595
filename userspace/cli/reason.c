/* SPDX-License-Identifier: Apache-2.0 */
/* `reason`: the table of verdict reasons, for people.  Needs no agent. */
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"
#include "telemetry/rules.h"

static const char *ring_name(enum warder_ring ring)
{
	return ring == WARDER_RING_NONE ? "allow" : "deny";
}

static json_t *reason_json(unsigned number)
{
	const struct warder_reason_text *reason = warder_reason_text(number);

	return json_pack("{s:s, s:i, s:s, s:s?, s:s, s:s}", "name", reason->name, "number",
			 (int)number, "verdict", ring_name(reason->ring), "rule",
			 reason->ring == WARDER_RING_NONE
				 ? NULL
				 : warder_rule_text(warder_rule_of(number, false))->name,
			 "what", reason->what, "mend", reason->mend);
}

static void list_json(void)
{
	json_t *json = json_pack("{s:[]}", "reasons");

	for (unsigned i = 0; i < WARDER_REASON_MAX; i++)
		if (warder_reason_text(i)->name)
			json_array_append_new(json_object_get(json, "reasons"), reason_json(i));
	warderctl_print_json(json);
	json_decref(json);
}

/* Sentences are wrapped, not cut. */
static void list(void)
{
	printf("%6s  %-20s  %-7s  %s\n", "NUMBER", "REASON", "VERDICT", "WHAT HAPPENED");
	for (unsigned i = 0; i < WARDER_REASON_MAX; i++) {
		const struct warder_reason_text *reason = warder_reason_text(i);

		if (!reason->name)
			continue;
		printf("%6u  %-20s  %-7s  ", i, reason->name, ring_name(reason->ring));
		warderctl_wrap(stdout, 39, reason->what);
	}
}

int warderctl_reason(const struct warderctl_call *call)
{
	const char *name = call->arguments[0];
	const struct warder_reason_text *reason;
	const struct warder_rule_text *rule;
	int number;

	if (!strcmp(name, "list")) {
		if (call->output == WARDERCTL_JSON)
			list_json();
		else
			list();
		return WARDERCTL_OK;
	}
	number = warder_reason_find(name);
	if (number < 0)
		return warderctl_fail(
			WARDERCTL_FAILED,
			"there is no reason \"%s\"; `warderctl reason list` has them all", name);
	if (call->output == WARDERCTL_JSON) {
		json_t *json = reason_json((unsigned)number);

		warderctl_print_json(json);
		json_decref(json);
		return WARDERCTL_OK;
	}
	reason = warder_reason_text((unsigned)number);
	rule = warder_rule_text(warder_rule_of((unsigned)number, false));
	printf("%s (%d, %s)\n", reason->name, number,
	       reason->ring == WARDER_RING_NONE ? "the packet passed" : "the packet was refused");
	fputs("  cause   ", stdout);
	warderctl_wrap(stdout, 10, reason->what);
	fputs("  mend    ", stdout);
	warderctl_wrap(stdout, 10, reason->mend);
	if (reason->ring == WARDER_RING_NONE)
		return WARDERCTL_OK;
	printf("  check   warderctl monitor --reason %s\n", reason->name);
	puts("          warderctl drops");
	printf("  alert   \"%s\", %s\n", rule->name, rule->priority);
	return WARDERCTL_OK;
}
