/* SPDX-License-Identifier: Apache-2.0 */
/* docs/alerts.md, docs/reasons.md and docs/maps.md, from the tables of rules, reasons and maps. */
#include <string.h>

#include "cli/command.h"
#include "telemetry/rules.h"

static void rule_tags(FILE *out, const char *tags)
{
	for (const char *c = tags; *c;) {
		size_t n = strcspn(c, " ");

		if (n > 1 && c[0] == 'T' && c[1] >= '0' && c[1] <= '9')
			fprintf(out, "%s%.*s", c == tags ? "" : ", ", (int)n, c);
		else
			fprintf(out, "%s`%.*s`", c == tags ? "" : ", ", (int)n, c);
		c += n;
		c += strspn(c, " ");
	}
}

static void rule_reasons(FILE *out, enum warder_alert_rule rule)
{
	const char *before = "Reasons: ";

	for (unsigned i = WARDER_REASON_DROP; i < WARDER_REASON_MAX; i++) {
		const char *name = warder_reason_text(i)->name;

		if (!name || (warder_rule_of(i, false) != rule && warder_rule_of(i, true) != rule))
			continue;
		fprintf(out, "%s[`%s`](reasons.md#%s)", before, name, name);
		before = ", ";
	}
	if (!strcmp(before, ", "))
		fputs(".\n\n", out);
}

void warderctl_write_alerts(FILE *out)
{
	fputs("<!-- Made from include/warder/tbl/rules.tbl by `make docs`. -->\n"
	      "# Alerts\n\n"
	      "Each alert is one line of JSON in Falco's shape (`--alerts FILE`, `-` for stdout), "
	      "so what "
	      "reads Falco's feed reads Warder's. The first refused packet of a pair is told at "
	      "once, what "
	      "follows once a window with exact counts, and a silent window closes the line. "
	      "Adding up "
	      "`warder.packets` of every alert gives the datapath's counters: what is not told yet "
	      "is "
	      "pending for at most one window. The sum holds over restarts of the agent; after "
	      "kill -9 "
	      "what was counted in the last second may be told twice or not at all.\n\n"
	      "A line is a (rule, source identity and pod, destination identity, pod and address, "
	      "port, "
	      "protocol, direction, reason, hook). A source that has 128 lines open, a scanner, "
	      "has its "
	      "further pairs gathered in one line of its own (`warder.gathered` is true, there is "
	      "no "
	      "destination), so that it cannot take the room of others; where 4096 lines are in "
	      "use "
	      "the rest is gathered in one line for each reason, without a source.\n\n"
	      "| field | |\n|---|---|\n"
	      "| `warder.event_id` | of this alert alone, the same in every copy: a SIEM's key |\n"
	      "| `warder.alert_id` | ties a line's first alert, its updates and its close |\n"
	      "| `warder.phase` | `first`, `update`, `close` (which may stand for 0 packets) |\n"
	      "| `warder.packets`, `warder.bytes` | exactly what this alert stands for |\n"
	      "| `warder.total_packets`, `warder.total_bytes` | of the line since its first alert "
	      "|\n"
	      "| `warder.first`, `warder.last` | when, UTC |\n"
	      "| `warder.verdict` | `deny`, or `would-deny`: audited, it passed |\n"
	      "| `warder.direction`, `warder.hook`, `warder.where` | which check refused it |\n"
	      "| `warder.reason` | see reasons.md |\n"
	      "| `warder.src.*`, `warder.dst.*` | `identity` (a SPIFFE ID, or a reserved name), "
	      "`ns`, `sa`, `pod`, `uid`, `node`, "
	      "`cidr`, `ip`, `port`, `proof` (how the identity is known) |\n"
	      "| `warder.policy.kind`, `.ns`, `.name`, `.role` | the first policy that decided |\n"
	      "| `warder.policies` | all of them, at most 16 (`warder.policies_more`) |\n"
	      "| `k8s.ns.name`, `k8s.pod.name`, `k8s.pod.uid` | the pod whose check refused it |\n"
	      "| `fd.cip`, `fd.cport`, `fd.sip`, `fd.sport`, `fd.l4proto`, `fd.name` | sender as "
	      "client, "
	      "receiver as server |\n"
	      "| `proc.name`, `proc.pid` | where the hook sees a process |\n\n"
	      "Every alert has the tag `warder`, and `deny` or `audit` beside the tags of its "
	      "rule. In "
	      "audit mode a policy's refusal has a rule of its own; an attack keeps its rule and "
	      "its "
	      "priority.\n",
	      out);
	for (int i = 0; i < WARDER_RULES; i++) {
		const struct warder_rule_text *rule = warder_rule_text(i);

		fprintf(out, "\n## %s\n\n%s: %s\n\n%s\n\n", rule->name, rule->priority, rule->what,
			rule->todo);
		rule_reasons(out, i);
		fputs("Tags: ", out);
		rule_tags(out, rule->tags);
		fputs(".\n", out);
	}
}

void warderctl_write_reasons(FILE *out)
{
	fputs("<!-- Made from include/warder/tbl/reasons.tbl by `make docs`. -->\n"
	      "# Reasons\n\n"
	      "Why a packet passed or was refused: the same names in counters, alerts, `warderctl` "
	      "and "
	      "docs. `warderctl reason NAME` shows one. A number is never given another meaning.\n",
	      out);
	for (unsigned i = 0; i < WARDER_REASON_MAX; i++) {
		const struct warder_reason_text *reason = warder_reason_text(i);

		if (!reason->name)
			continue;
		fprintf(out, "\n## %s\n\n%u, %s. %s\n", reason->name, i,
			reason->ring == WARDER_RING_NONE ? "the packet passed"
							 : "the packet was refused",
			reason->what);
		if (reason->ring != WARDER_RING_NONE)
			fprintf(out, "\n%s\n\nAlert: %s.\n", reason->mend,
				warder_rule_text(warder_rule_of(i, false))->name);
	}
}

void warderctl_write_maps(FILE *out)
{
	fputs("<!-- Made from include/warder/tbl/maps.tbl by `make docs`. -->\n"
	      "# Maps\n\n"
	      "Everything that the programs know and count is pinned below the bpffs directory "
	      "(`/sys/fs/bpf/warder` unless `--bpffs` says otherwise), in `vN/maps/`, N being the "
	      "layout version. All have BTF, so\n\n"
	      "    bpftool map dump pinned /sys/fs/bpf/warder/v1/maps/peer4\n\n"
	      "prints field names. The structs are in `include/warder/`. One agent writes, in an "
	      "order that never shows a third verdict "
	      "([why](decisions/map-updates.md)); writing by hand is not "
	      "noticed and not mended before the next start.\n\n"
	      "| map | type | key | value | written by | what it says |\n"
	      "|---|---|---|---|---|---|\n",
	      out);
#define MAP(name, type, key, value, writer, what)                                                  \
	fprintf(out, "| `%s` | %s | %s | %s | %s | %s |\n", #name, type, key, value, writer, what);
#include "warder/tbl/maps.tbl"
#undef MAP
}

int warderctl_reference(const struct warderctl_call *call)
{
	static const struct {
		const char *name;
		void (*write)(FILE *out);
	} pages[] = {{"alerts", warderctl_write_alerts},
		     {"reasons", warderctl_write_reasons},
		     {"maps", warderctl_write_maps},
		     {"commands", warderctl_write_commands}};

	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (!strcmp(call->arguments[0], pages[i].name)) {
			pages[i].write(stdout);
			return WARDERCTL_OK;
		}
	return warderctl_fail(WARDERCTL_USAGE, "reference %s: alerts, reasons, maps or commands",
			      call->arguments[0]);
}
