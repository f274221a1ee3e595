/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of rules and reasons, straight from their tables. */
#include "telemetry/rules.h"

#include <errno.h>
#include <string.h>

static const struct warder_rule_text rules[WARDER_RULES] = {
#define RULE(constant, name, priority, tags, what, todo)                                           \
	[WARDER_RULE_##constant] = {name, #priority, tags, what, todo},
#include "warder/tbl/rules.tbl"
};

static const unsigned char rule_of_reason[WARDER_REASON_MAX] = {
#define RULE_REASON(reason, rule) [WARDER_REASON_##reason] = WARDER_RULE_##rule,
#include "warder/tbl/rules.tbl"
};

static const struct warder_reason_text reasons[WARDER_REASON_MAX] = {
#define REASON(number, constant, name, ring, what, mend)                                           \
	[number] = {name, what, mend, WARDER_RING_##ring},
#include "warder/tbl/reasons.tbl"
#undef REASON
};

const struct warder_rule_text *warder_rule_text(enum warder_alert_rule rule)
{
	return &rules[rule < WARDER_RULES ? rule : WARDER_RULE_DATAPATH_FAULT];
}

enum warder_alert_rule warder_rule_of(unsigned reason, bool audited)
{
	enum warder_alert_rule rule =
		reason < WARDER_REASON_MAX ? rule_of_reason[reason] : WARDER_RULE_DATAPATH_FAULT;

	if (audited && (rule == WARDER_RULE_POLICY_DENIED || rule == WARDER_RULE_SERVICE_REFUSED))
		return WARDER_RULE_POLICY_WOULD_DENY;
	return rule;
}

const struct warder_reason_text *warder_reason_text(unsigned reason)
{
	static const struct warder_reason_text none;

	return reason < WARDER_REASON_MAX ? &reasons[reason] : &none;
}

int warder_reason_find(const char *name)
{
	for (int i = 0; i < WARDER_REASON_MAX; i++)
		if (reasons[i].name && !strcmp(reasons[i].name, name))
			return i;
	return -ENOENT;
}
