/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds which address.  Claims come from nodes, pods, the API server's addresses and Services;
 * where several claim one address, a node wins over all others (a pod cannot take a node's address
 * by its status), and two pods make it nobody's: `unknown`, which no rule for pods allows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

static void claim(struct compiler *c, const struct warder_addr *addr, struct holder holder)
{
	holder.addr = *addr;
	PUSH(c->holders, c->n_holders) = holder;
}

static bool is_own(const struct compiler *c, const char *node)
{
	return node && c->options->node && !strcmp(node, c->options->node);
}

static void claim_nodes(struct compiler *c)
{
	struct holder own = {.type = HOLDER_NODE, .number = HOLDER_NO_NUMBER, .host = true};

	for (size_t i = 0; i < c->n_node_objects; i++) {
		const struct warder_object *const *nodes =
			(const struct warder_object *const *)c->node_objects;
		struct holder holder = {
			.type = HOLDER_NODE,
			.owner = nodes[i],
			.number = i,
			.host = is_own(c, nodes[i]->name),
		};

		if (holder.host)
			own = holder;
		for (size_t a = 0; a < nodes[i]->node.n_addrs; a++)
			claim(c, &nodes[i]->node.addrs[a], holder);
	}
	for (size_t a = 0; a < c->options->n_host_addrs; a++)
		claim(c, &c->options->host_addrs[a], own);
}

static struct holder node_of(const struct compiler *c, const char *node)
{
	struct holder holder = {
		.type = HOLDER_NODE, .number = HOLDER_NO_NUMBER, .host = is_own(c, node)};

	for (size_t low = 0, high = c->n_node_objects; node && low < high;) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(c->node_objects[middle]->name, node);

		if (!order) {
			holder.owner = c->node_objects[middle];
			holder.number = middle;
			break;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return holder;
}

/* A hostNetwork pod's address is its node's, whether or not the Node lists it. */
static void claim_pods(struct compiler *c)
{
	for (size_t i = 0; i < c->n_pods; i++) {
		const struct warder_pod *pod = &c->pods[i]->pod;
		struct holder holder = {.type = HOLDER_POD, .owner = c->pods[i], .number = i};

		if (pod->phase == WARDER_POD_FINISHED)
			continue;
		if (pod->host_network)
			holder = node_of(c, pod->node);
		for (size_t a = 0; a < pod->n_addrs; a++)
			claim(c, &pod->addrs[a], holder);
	}
}

static void claim_services(struct compiler *c)
{
	struct warder_object *const *services;
	size_t n;

	services = warder_store_list(c->store, WARDER_KIND_SERVICE, &n);
	for (size_t i = 0; i < n; i++) {
		const struct warder_service *service = &services[i]->service;

		for (size_t a = 0; a < service->n_addrs; a++)
			claim(c, &service->addrs[a], (struct holder){.type = HOLDER_SERVICE});
	}
}

/* By address, then the stronger claim, then a name, so that the result depends on the objects
 * alone. */
static int compare_holders(const void *left, const void *right)
{
	const struct holder *a = left, *b = right;
	int order = warder_addr_compare(&a->addr, &b->addr);

	if (!order)
		order = (int)a->type - (int)b->type;
	if (!order)
		order = (int)b->host - (int)a->host;
	if (!order && a->owner != b->owner)
		order = !a->owner ? 1 : !b->owner ? -1 : strcmp(a->owner->ns, b->owner->ns);
	if (!order && a->owner != b->owner)
		order = strcmp(a->owner->name, b->owner->name);
	return order;
}

static void tell_conflict(struct compiler *c, const struct holder *winner,
			  const struct holder *other)
{
	char first[512], second[512], addr[WARDER_ADDRESS_TEXT];

	warder_object_describe(other->owner, second, sizeof(second));
	if (winner->owner)
		warder_object_describe(winner->owner, first, sizeof(first));
	else
		strcpy(first, "the node itself");
	compile_problem(c, second, winner->type == HOLDER_NODE,
			winner->type == HOLDER_NODE
				? "its address %s is that of %s, and counts as that"
				: "its address %s is claimed by %s too: nobody is believed until "
				  "one is gone",
			warder_addr_format(&other->addr, addr), first);
}

/* One of the claims [first, end) on one address stays. */
static struct holder settle(struct compiler *c, size_t first, size_t end)
{
	struct holder winner = c->holders[first];
	bool contested = false;

	for (size_t i = first + 1; i < end; i++) {
		const struct holder *other = &c->holders[i];

		if (other->type != HOLDER_POD || other->owner == winner.owner)
			continue;
		tell_conflict(c, &winner, other);
		contested |= winner.type == HOLDER_POD;
	}
	if (contested)
		winner.owner = NULL;
	return winner;
}

void compile_holders(struct compiler *c)
{
	size_t kept = 0;

	claim_nodes(c);
	claim_pods(c);
	for (size_t a = 0; a < c->options->n_apiserver_addrs; a++)
		claim(c, &c->options->apiserver_addrs[a],
		      (struct holder){.type = HOLDER_APISERVER});
	claim_services(c);
	if (c->n_holders)
		qsort(c->holders, c->n_holders, sizeof(*c->holders), compare_holders);
	for (size_t i = 0, end; i < c->n_holders; i = end) {
		for (end = i + 1; end < c->n_holders; end++)
			if (warder_addr_compare(&c->holders[i].addr, &c->holders[end].addr))
				break;
		c->holders[kept++] = settle(c, i, end);
	}
	c->n_holders = kept;
}
