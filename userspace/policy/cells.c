/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict of every (direction, group, class), by bitmap algebra over port classes.  Tiers are
 * worked from the last to the first, so that one bitmap for each class is the whole state:
 *
 *   1. nothing decided: everything is allowed
 *   2. Baseline, last rule first: Accept adds its ports, Deny takes them
 *   3. namespaced: if a policy isolates, what the rules of all of them allow, else as it is
 *   4. Admin, last rule first: Accept adds, Deny takes, Pass puts what step 3 said
 *
 * A row touches only the classes that its rules' atoms are in.  It is worked twice where audited
 * policies are among the group's: without them, and with them as if they were real.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

struct row {
	const struct warder_matrix_group *group;
	enum warder_direction direction;
	bool audited;		    /* audited policies count */
	uint32_t *x;		    /* by class */
	uint32_t *next;		    /* by class: what the tier below says, for Pass */
	struct number_list unknown; /* classes that may be any pod */
};

/* Holders that some class has, each once. */
static struct number_list distinct_holders(const struct compiler *c)
{
	bool *seen = NEW_ARRAY(bool, c->ports.holders.n);
	struct number_list holders = {0};

	for (uint32_t class = 0; class < c->matrix->n_classes; class ++) {
		uint32_t holder = c->classes[class].holder;

		if (!seen[holder])
			PUSH(holders.v, holders.n) = holder;
		seen[holder] = true;
	}
	free(seen);
	return holders;
}

/* What an egress rule's ports can mean: for each spec once. */
static void resolve_egress(struct compiler *c)
{
	struct number_list holders = distinct_holders(c);
	bool *done = NEW_ARRAY(bool, c->ports.n_specs);

	for (size_t i = 0; i < c->n_policies; i++) {
		for (size_t j = 0; j < c->policies[i].n_rules; j++) {
			const struct compiled_rule *rule = &c->policies[i].rules[j];

			if (rule->rule->direction != WARDER_EGRESS || done[rule->ports])
				continue;
			done[rule->ports] = true;
			ports_resolve(&c->ports, rule->ports, PORT_HOLDER_NONE, true);
			for (size_t h = 0; h < holders.n; h++)
				ports_resolve(&c->ports, rule->ports, holders.v[h], false);
		}
	}
	free(holders.v);
	free(done);
}

/* Every set of ports that can come up must be known before the classes are made. */
static void resolve_all(struct compiler *c)
{
	resolve_egress(c);
	for (uint32_t g = 0; g < c->matrix->n_groups; g++) {
		const struct warder_matrix_group *group = &c->matrix->groups[g];

		for (size_t i = 0; i < group->n_policies; i++) {
			const struct compiled_policy *policy = &c->policies[group->policies[i]];

			for (size_t j = 0; j < policy->n_rules; j++)
				if (policy->rules[j].rule->direction == WARDER_INGRESS)
					ports_resolve(&c->ports, policy->rules[j].ports,
						      group->holder, false);
		}
	}
}

int compile_ports(struct compiler *c)
{
	resolve_all(c);
	return ports_classify(&c->ports, &c->bitmaps, c->matrix);
}

uint32_t compile_rule_bitmap(struct compiler *c, const struct compiled_rule *rule,
			     const struct warder_matrix_group *group, uint32_t class, bool strict)
{
	bool ingress = rule->rule->direction == WARDER_INGRESS;

	return c->ports.bitmaps[ports_resolve(&c->ports, rule->ports,
					      ingress ? group->holder : c->classes[class].holder,
					      strict && !ingress)];
}

static void apply_to(struct compiler *c, struct row *row, enum bitmap_op op,
		     const struct compiled_rule *rule, const uint32_t *classes, size_t n,
		     bool strict)
{
	bool varies = c->ports.named[rule->ports] && rule->rule->direction == WARDER_EGRESS;
	uint32_t p = 0, x = INTERN_NONE, next = INTERN_NONE, holder = INTERN_NONE, answer = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t class = classes ? classes[i] : i,
			 of = varies ? c->classes[class].holder : 0;

		if (class == c->matrix->service_class)
			continue;
		if (of != holder) { /* neighbours are often alike */
			p = compile_rule_bitmap(c, rule, row->group, class, strict);
			holder = of;
			x = INTERN_NONE;
		}
		if (x != row->x[class] || next != row->next[class]) {
			x = row->x[class];
			next = row->next[class];
			answer = bitmaps_apply(&c->bitmaps, op, x, p, next);
		}
		row->x[class] = answer;
	}
}

/* Nothing is known to stand behind a Service: allowed only by a rule for all, denied by any that
 * denies. */
static void apply_to_service(struct compiler *c, struct row *row, const struct compiled_rule *rule)
{
	uint32_t *x = &row->x[c->matrix->service_class], next = row->next[c->matrix->service_class];

	if (rule->rule->action == WARDER_DENY)
		*x = WARDER_BITMAP_NONE;
	else if (rule->rule->action == WARDER_PASS)
		*x = bitmaps_apply(&c->bitmaps, BITMAP_MAYBE, *x, WARDER_BITMAP_ALL, next);
	else if (rule->any && rule->rule->all_ports)
		*x = WARDER_BITMAP_ALL;
}

static void apply_rule(struct compiler *c, struct row *row, const struct compiled_rule *rule)
{
	enum warder_action action = rule->rule->action;
	enum bitmap_op op = action == WARDER_ACCEPT ? BITMAP_ACCEPT
			    : action == WARDER_DENY ? BITMAP_DENY
						    : BITMAP_PASS;

	apply_to_service(c, row, rule);
	if (rule->could_be_pod && op != BITMAP_ACCEPT)
		apply_to(c, row, op == BITMAP_DENY ? BITMAP_DENY : BITMAP_MAYBE, rule,
			 row->unknown.v, row->unknown.n, true);
	if (rule->any) {
		apply_to(c, row, op, rule, NULL, c->n_plain, false);
		return;
	}
	for (size_t i = 0; i < rule->atoms.n; i++) {
		const struct number_list *classes = &c->postings[rule->atoms.v[i]];

		apply_to(c, row, op, rule, classes->v, classes->n, false);
	}
}

static bool counts(const struct row *row, const struct compiled_policy *policy,
		   enum warder_tier tier)
{
	return policy->object->policy->tier == tier && (row->audited || !policy->audited);
}

static void apply_tier(struct compiler *c, struct row *row, enum warder_tier tier)
{
	const struct warder_matrix_group *group = row->group;

	for (size_t i = group->n_policies; i-- > 0;) {
		const struct compiled_policy *policy = &c->policies[group->policies[i]];

		for (size_t j = policy->n_rules; counts(row, policy, tier) && j-- > 0;)
			if (policy->rules[j].rule->direction == row->direction)
				apply_rule(c, row, &policy->rules[j]);
	}
}

static bool is_isolated(const struct compiler *c, const struct row *row)
{
	for (size_t i = 0; i < row->group->n_policies; i++) {
		const struct compiled_policy *policy = &c->policies[row->group->policies[i]];

		if (counts(row, policy, WARDER_TIER_NAMESPACED) &&
		    policy->object->policy->isolates[row->direction])
			return true;
	}
	return false;
}

/* Frontends, by what the row says of their backends. */
static void work_frontends(const struct compiler *c, struct row *row)
{
	uint32_t known = row->x[c->matrix->service_class];

	for (uint32_t class = c->n_plain; class < c->matrix->n_classes; class ++) {
		uint32_t set = (c->classes[class].flags >> WHO_SET_SHIFT) - 1;
		const struct frontend_pair *pairs;
		bool all = true, some;
		size_t size;

		if (row->direction == WARDER_INGRESS) {
			row->x[class] = known;
			continue;
		}
		pairs = intern_get(&c->frontend_sets, set, &size);
		some = pairs[0].class;
		for (size_t i = 1; i < size / sizeof(*pairs); i++) {
			bool allowed =
				bitmaps_has(&c->bitmaps, row->x[pairs[i].class], pairs[i].port);

			all &= allowed;
			some |= allowed;
		}
		row->x[class] = all ? WARDER_BITMAP_ALL : some ? c->mixed : WARDER_BITMAP_NONE;
	}
}

static void work_row(struct compiler *c, struct row *row)
{
	uint32_t n = c->matrix->n_classes;

	for (uint32_t class = 0; class < n; class ++)
		row->x[class] = row->next[class] =
			WARDER_BITMAP_ALL; /* below Baseline everything is allowed */
	apply_tier(c, row, WARDER_TIER_BASELINE);
	if (is_isolated(c, row)) {
		memset(row->x, 0, n * sizeof(*row->x)); /* WARDER_BITMAP_NONE */
		apply_tier(c, row, WARDER_TIER_NAMESPACED);
	}
	memcpy(row->next, row->x, n * sizeof(*row->x));
	apply_tier(c, row, WARDER_TIER_ADMIN);
	work_frontends(c, row);
}

/* Later fragments have no port: allowed where the protocol has any allowed port. */
struct fragments {
	__u64 *masks[WARDER_PROTOCOLS]; /* the port classes of a protocol */
	uint32_t *final; /* by number in c->bitmaps: id in the matrix + 1, 0 = not seen */
	uint32_t n_final;
	struct intern ids; /* the matrix's bitmaps */
};

static void make_masks(const struct compiler *c, struct fragments *f)
{
	for (int p = 0; p < WARDER_PROTOCOLS; p++) {
		f->masks[p] = NEW_ARRAY(__u64, c->matrix->words);
		for (size_t i = 0; i < c->matrix->n_ports[p]; i++) {
			__u16 class = c->matrix->ports[p][i].class;

			f->masks[p][class >> 6] |= 1ULL << (class & 63);
		}
	}
}

static uint32_t finish(struct compiler *c, struct fragments *f, uint32_t number)
{
	static const enum warder_port_class classes[WARDER_PROTOCOLS] = {
		[WARDER_TCP] = WARDER_PORT_FRAGMENT_TCP,
		[WARDER_UDP] = WARDER_PORT_FRAGMENT_UDP,
		[WARDER_SCTP] = WARDER_PORT_FRAGMENT_SCTP,
	};
	size_t size = c->matrix->words * sizeof(__u64);
	__u64 *words;

	while (f->n_final <= number)
		PUSH(f->final, f->n_final) = 0;
	if (f->final[number])
		return f->final[number] - 1;
	words = warder_memory_copy(intern_get(&c->bitmaps.known, number, NULL), size);
	for (int p = 0; p < WARDER_PROTOCOLS; p++) {
		bool some = false;

		for (uint32_t i = 0; i < c->matrix->words; i++)
			some |= (words[i] & f->masks[p][i]) != 0;
		words[0] = (words[0] & ~(1ULL << classes[p])) | (__u64)some << classes[p];
	}
	f->final[number] = intern_add(&f->ids, words, size) + 1;
	free(words);
	return f->final[number] - 1;
}

static void add_row(struct compiler *c, struct row *row, struct fragments *f, uint32_t *second)
{
	struct warder_matrix *matrix = c->matrix;
	size_t group = row->group - matrix->groups;
	struct warder_cell *cells =
		matrix->cells +
		(row->direction * (size_t)matrix->n_groups + group) * matrix->n_classes;
	bool audits = false;

	for (size_t i = 0; i < row->group->n_policies; i++)
		audits |= c->policies[row->group->policies[i]].audited;
	row->audited = false;
	work_row(c, row);
	memcpy(second, row->x, matrix->n_classes * sizeof(*second));
	row->audited = true;
	if (audits)
		work_row(c, row);
	for (uint32_t class = 0; class < matrix->n_classes; class ++) {
		cells[class].enforced = finish(c, f, second[class]);
		cells[class].audited = finish(c, f, row->x[class]);
	}
}

void compile_cells(struct compiler *c)
{
	struct warder_matrix *matrix = c->matrix;
	uint32_t n = matrix->n_classes, *second = NEW_ARRAY(uint32_t, n);
	struct row row = {.x = NEW_ARRAY(uint32_t, n), .next = NEW_ARRAY(uint32_t, n)};
	struct fragments f = {0};

	make_masks(c, &f);
	finish(c, &f, WARDER_BITMAP_NONE); /* these two have their fixed ids */
	finish(c, &f, WARDER_BITMAP_ALL);
	for (uint32_t class = 0; class < n; class ++)
		if (c->classes[class].flags & WHO_UNKNOWN)
			PUSH(row.unknown.v, row.unknown.n) = class;
	matrix->cells = NEW_ARRAY(struct warder_cell, 2 * (size_t)matrix->n_groups * n);
	for (unsigned direction = 0; direction < 2; direction++) {
		for (uint32_t group = 0; group < matrix->n_groups; group++) {
			row.direction = direction;
			row.group = &matrix->groups[group];
			add_row(c, &row, &f, second);
		}
	}
	matrix->n_bitmaps = f.ids.n;
	matrix->bitmaps =
		warder_memory_copy(f.ids.bytes, f.ids.n * (size_t)matrix->words * sizeof(__u64));
	for (int p = 0; p < WARDER_PROTOCOLS; p++)
		free(f.masks[p]);
	free(f.final);
	intern_clear(&f.ids);
	free(row.x);
	free(row.next);
	free(row.unknown.v);
	free(second);
}
