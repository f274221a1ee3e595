/* SPDX-License-Identifier: Apache-2.0 */
/* The alert rules of warder/tbl/rules.tbl, and which rule a refused packet falls under. */
#ifndef WARDER_TELEMETRY_RULES_H
#define WARDER_TELEMETRY_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "warder/reason.h"

enum warder_alert_rule {
#define RULE(constant, name, priority, tags, what, todo) WARDER_RULE_##constant,
#include "warder/tbl/rules.tbl"
	WARDER_RULES
};

struct warder_rule_text {
	const char *name;
	const char *priority; /* one of Falco's eight words */
	const char *tags;     /* sorted, one blank between them */
	const char *what, *todo;
};

const struct warder_rule_text *warder_rule_text(enum warder_alert_rule rule);
/* An audited policy refusal has a rule of its own; an attack stays what it is. */
enum warder_alert_rule warder_rule_of(unsigned reason, bool audited);

struct warder_reason_text {
	const char *name; /* NULL: the number is not in use */
	const char *what, *mend;
	enum warder_ring ring;
};

/* Never NULL; of an unknown number its members are. */
const struct warder_reason_text *warder_reason_text(unsigned reason);
/* The number, or -ENOENT. */
int warder_reason_find(const char *name);

#endif
