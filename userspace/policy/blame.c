/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which policies decided a verdict: the rules of the group are walked from the first tier to the
 * last, on the same atoms and port sets that the cells were made of.  It explains what the cell
 * says; it is no second opinion (tests/unit/worlds_test.c holds the two against each other).
 */
#include <stdlib.h>

#include "policy/compiler.h"

struct blame {
	struct compiler *c;
	const struct warder_matrix_group *group;
	enum warder_direction direction;
	uint32_t class;
	__u16 port;
	bool audited;
	struct warder_matrix_blame *ret;
	size_t room, n;
};

enum match { NO, MAYBE, YES };

static void tell(struct blame *b, const struct compiled_policy *policy, int rule)
{
	if (b->n < b->room)
		b->ret[b->n] = (struct warder_matrix_blame){
			.policy = policy->object,
			.rule = rule,
			.audited = policy->audited,
		};
	b->n++;
}

static bool ports_match(const struct blame *b, const struct compiled_rule *rule, bool strict)
{
	return bitmaps_has(&b->c->bitmaps,
			   compile_rule_bitmap(b->c, rule, b->group, b->class, strict), b->port);
}

static enum match matches(const struct blame *b, const struct compiled_rule *rule)
{
	unsigned flags = b->c->classes[b->class].flags;
	bool denies = rule->rule->action == WARDER_DENY,
	     accepts = rule->rule->action == WARDER_ACCEPT;
	bool peer = rule->any;

	if (rule->rule->direction != b->direction)
		return NO;
	if (flags & WHO_SERVICE)
		return denies				    ? YES
		       : !accepts			    ? MAYBE
		       : rule->any && rule->rule->all_ports ? YES
							    : NO;
	for (size_t i = 0; i < rule->atoms.n && !peer; i++)
		peer = compile_class_has(b->c, b->class, rule->atoms.v[i]);
	if (peer && ports_match(b, rule, false))
		return YES;
	if (flags & WHO_UNKNOWN && rule->could_be_pod && !accepts && ports_match(b, rule, true))
		return denies ? YES : MAYBE;
	return NO;
}

static bool counts(const struct blame *b, const struct compiled_policy *policy,
		   enum warder_tier tier)
{
	return policy->object->policy->tier == tier && (b->audited || !policy->audited);
}

static bool decide_namespaced(struct blame *b);

/* A tier of ordered rules: true = allowed.  `below` answers for what it does not decide. */
static bool decide_ordered(struct blame *b, enum warder_tier tier, bool (*below)(struct blame *b))
{
	for (size_t i = 0; i < b->group->n_policies; i++) {
		const struct compiled_policy *policy = &b->c->policies[b->group->policies[i]];

		for (size_t j = 0; counts(b, policy, tier) && j < policy->n_rules; j++) {
			enum warder_action action = policy->rules[j].rule->action;
			enum match match = matches(b, &policy->rules[j]);
			size_t before = b->n;

			if (match == NO)
				continue;
			if (match == MAYBE) { /* it counts only where what is below denies */
				if (!below(b))
					return false;
				b->n = before;
				continue;
			}
			if (action == WARDER_PASS)
				return below(b);
			tell(b, policy, j);
			return action == WARDER_ACCEPT;
		}
	}
	return below(b);
}

static bool allow(struct blame *b)
{
	return true;
}

static bool decide_baseline(struct blame *b)
{
	return decide_ordered(b, WARDER_TIER_BASELINE, allow);
}

static bool decide_namespaced(struct blame *b)
{
	bool isolated = false, allowed = false;

	for (unsigned round = 0; round < 2 && !allowed; round++) {
		for (size_t i = 0; i < b->group->n_policies; i++) {
			const struct compiled_policy *policy =
				&b->c->policies[b->group->policies[i]];

			if (!counts(b, policy, WARDER_TIER_NAMESPACED) ||
			    !policy->object->policy->isolates[b->direction])
				continue;
			isolated = true;
			if (round) /* nobody allowed it: those that isolate */
				tell(b, policy, -1);
			for (size_t j = 0; !round && j < policy->n_rules; j++) {
				if (matches(b, &policy->rules[j]) != YES)
					continue;
				tell(b, policy, j);
				allowed = true;
				break;
			}
		}
	}
	return isolated ? allowed : decide_baseline(b);
}

size_t warder_matrix_blame(const struct warder_matrix *matrix, enum warder_direction direction,
			   __u32 group, __u32 class, __u8 protocol, __u16 port, bool audited,
			   struct warder_matrix_blame *ret, size_t room)
{
	struct blame b = {
		.c = matrix->compiler,
		.group = &matrix->groups[group],
		.direction = direction,
		.class = class,
		.port = warder_matrix_port_class(matrix, protocol, port),
		.audited = audited,
		.ret = ret,
		.room = room,
	};

	decide_ordered(&b, WARDER_TIER_ADMIN, decide_namespaced);
	return b.n;
}
