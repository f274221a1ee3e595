/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address space cut at every block that a policy or a pod range names: a tree of prefixes for
 * each family.  In the part of a prefix that no longer one covers, every address is in the same
 * blocks: those of the prefix around it, less what excepts this one, plus what begins here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

struct border { /* what happens at a prefix */
	struct warder_prefix prefix;
	enum { BORDER_NOTHING, BORDER_POD_RANGE, BORDER_EXCEPT, BORDER_BLOCK } what;
	uint32_t atom;
};

struct borders {
	struct border *v;
	size_t n;
};

static int family(const struct warder_prefix *prefix)
{
	return prefix->bits >= 96 && warder_addr_is4(&prefix->addr);
}

int compare_prefixes(const struct warder_prefix *a, const struct warder_prefix *b)
{
	int order = warder_addr_compare(&a->addr, &b->addr);

	return order ? order : (int)a->bits - (int)b->bits;
}

static int compare_borders(const void *left, const void *right)
{
	const struct border *a = left, *b = right;
	int order = family(&a->prefix) - family(&b->prefix);

	if (!order)
		order = compare_prefixes(&a->prefix, &b->prefix);
	if (!order)
		order = (int)a->what - (int)b->what;
	return order ? order : a->atom < b->atom ? -1 : a->atom > b->atom;
}

static void gather(const struct compiler *c, struct borders *borders)
{
	static const struct warder_prefix all6,
		all4 = {
			.addr = {.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}},
			.bits = 96,
		};

	PUSH(borders->v, borders->n) = (struct border){.prefix = all6};
	PUSH(borders->v, borders->n) = (struct border){.prefix = all4};
	for (size_t i = 0; i < c->options->n_pod_ranges; i++)
		PUSH(borders->v, borders->n) = (struct border){.prefix = c->options->pod_ranges[i],
							       .what = BORDER_POD_RANGE};
	for (size_t i = 0; i < c->n_node_objects; i++)
		for (size_t j = 0; j < c->node_objects[i]->node.n_pod_ranges; j++)
			PUSH(borders->v, borders->n) = (struct border){
				.prefix = c->node_objects[i]->node.pod_ranges[j],
				.what = BORDER_POD_RANGE,
			};
	for (size_t i = 0; i < c->atoms.cidrs.n; i++) {
		uint32_t atom = c->atoms.cidrs.v[i];
		const struct warder_term *term = c->atoms.v[atom - ATOM_FIRST].term;

		PUSH(borders->v, borders->n) =
			(struct border){.prefix = term->cidr, .what = BORDER_BLOCK, .atom = atom};
		for (size_t j = 0; j < term->n_except; j++)
			PUSH(borders->v, borders->n) = (struct border){
				.prefix = term->except[j], .what = BORDER_EXCEPT, .atom = atom};
	}
}

/* The blocks of the node that borders [first, end) make, from those of the prefix around it. */
static void fill_node(struct compiler *c, struct cidr_node *node, const struct cidr_node *parent,
		      const struct border *first, const struct border *end)
{
	struct number_list blocks = {0};
	const uint32_t *inherited = NULL;
	size_t n = 0;

	if (parent) {
		inherited = intern_get(&c->cidr_sets, parent->cidrs, &n);
		n /= sizeof(*inherited);
		node->pod_range = parent->pod_range;
	}
	for (size_t i = 0; i < n; i++) {
		bool excepted = false;

		for (const struct border *b = first; b < end && !excepted; b++)
			excepted = b->what == BORDER_EXCEPT && b->atom == inherited[i];
		if (!excepted)
			PUSH(blocks.v, blocks.n) = inherited[i];
	}
	for (const struct border *b = first; b < end; b++) {
		node->pod_range |= b->what == BORDER_POD_RANGE;
		if (b->what == BORDER_BLOCK)
			PUSH(blocks.v, blocks.n) = b->atom;
	}
	if (blocks.n)
		qsort(blocks.v, blocks.n, sizeof(*blocks.v), compare_numbers);
	node->cidrs = intern_add(&c->cidr_sets, blocks.v, blocks.n * sizeof(*blocks.v));
	free(blocks.v);
}

void compile_cidrs(struct compiler *c)
{
	struct borders borders = {0};

	intern_add(&c->cidr_sets, NULL, 0);
	gather(c, &borders);
	qsort(borders.v, borders.n, sizeof(*borders.v), compare_borders);
	for (size_t i = 0, end; i < borders.n; i = end) {
		int f = family(&borders.v[i].prefix);
		struct cidr_node node = {.prefix = borders.v[i].prefix,
					 .parent = (int)c->n_nodes[f] - 1};

		for (end = i + 1; end < borders.n; end++)
			if (compare_prefixes(&borders.v[i].prefix, &borders.v[end].prefix))
				break;
		while (node.parent >= 0 &&
		       !warder_prefix_covers(&c->nodes[f][node.parent].prefix, &node.prefix))
			node.parent = c->nodes[f][node.parent].parent;
		fill_node(c, &node, node.parent < 0 ? NULL : &c->nodes[f][node.parent],
			  borders.v + i, borders.v + end);
		PUSH(c->nodes[f], c->n_nodes[f]) = node;
	}
	free(borders.v);
}

const struct cidr_node *compile_find_cidr(const struct compiler *c, const struct warder_addr *addr)
{
	int f = warder_addr_is4(addr), at;
	size_t low = 0, high = c->n_nodes[f];

	while (high - low > 1) { /* the last node that begins at or before the address */
		size_t middle = low + (high - low) / 2;

		if (warder_addr_compare(&c->nodes[f][middle].prefix.addr, addr) <= 0)
			low = middle;
		else
			high = middle;
	}
	for (at = low; !warder_prefix_has(&c->nodes[f][at].prefix, addr);)
		at = c->nodes[f][at].parent;
	return &c->nodes[f][at];
}
