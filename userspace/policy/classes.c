/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes: what each address is to policy.  A class is a pair of sets: the atoms that its holder
 * matches (`who`: labels, ServiceAccount, entities, named ports) and the blocks that the address
 * is in.  Where only the address counts, the blocks are joined with a holder that is nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

struct fixed { /* holders that are no object */
	uint32_t world, unknown, snat, service;
};

static uint32_t add_who(struct compiler *c, uint32_t flags, uint32_t holder,
			struct number_list *atoms)
{
	struct intern_key key = {0};
	uint32_t number;

	if (atoms->n)
		qsort(atoms->v, atoms->n, sizeof(*atoms->v), compare_numbers);
	intern_key_number(&key, flags);
	intern_key_number(&key, holder);
	intern_key_put(&key, atoms->v, atoms->n * sizeof(*atoms->v));
	number = intern_add(&c->whos, key.bytes, key.n);
	free(key.bytes);
	return number;
}

static uint32_t add_fixed(struct compiler *c, uint32_t flags, uint32_t atom)
{
	struct number_list list = {.v = &atom, .n = atom ? 1 : 0};

	return add_who(c, flags, PORT_HOLDER_NONE, &list);
}

static uint32_t add_class(struct compiler *c, uint32_t who, uint32_t cidrs)
{
	uint32_t key[2] = {who, cidrs}, class = intern_add(&c->class_keys, key, sizeof(key));
	const uint32_t *parts;

	if (class < c->matrix->n_classes)
		return class;
	parts = intern_get(&c->whos, who, NULL);
	PUSH(c->classes, c->matrix->n_classes) = (struct class){
		.who = who,
		.cidrs = cidrs,
		.flags = parts[0],
		.holder = parts[1],
	};
	return class;
}

static bool is_peer(const struct warder_object *pod)
{
	return !pod->pod.host_network && pod->pod.phase != WARDER_POD_FINISHED;
}

/* What each pod matches: namespace by namespace, as the list is sorted. */
static uint32_t *match_pods(struct compiler *c)
{
	uint32_t *whos = NEW_ARRAY(uint32_t, c->n_pods);
	struct number_list atoms = {0};
	struct atoms_namespace ns = {0};

	for (size_t i = 0; i < c->n_pods; i++) {
		const struct warder_object *pod = c->pods[i];
		struct namespace_labels spare;

		if (!is_peer(pod) || (!pod->pod.n_addrs && !c->options->addressless))
			continue;
		if (!ns.name || strcmp(ns.name, pod->ns))
			atoms_enter_namespace(&c->atoms, pod->ns,
					      namespace_labels(c->store, pod->ns, &spare), &ns);
		atoms.n = 0;
		atoms_match_pod(&c->atoms, &ns, pod, &atoms);
		whos[i] = add_who(c, 0, ports_holder(&c->ports, &pod->pod, WARDER_EGRESS), &atoms);
	}
	free(ns.selectors.v);
	free(atoms.v);
	return whos;
}

static bool is_apiserver(const struct compiler *c, const struct warder_addr *addr)
{
	for (size_t i = 0; i < c->options->n_apiserver_addrs; i++)
		if (!warder_addr_compare(&c->options->apiserver_addrs[i], addr))
			return true;
	return false;
}

/* `who` with the API server's atom too: it counts whoever holds the address. */
static uint32_t with_apiserver(struct compiler *c, uint32_t who)
{
	struct number_list atoms = {0};
	const uint32_t *parts;
	uint32_t flags, holder, with;
	size_t size;

	parts = intern_get(&c->whos, who, &size);
	flags = parts[0];
	holder = parts[1];
	for (size_t i = 2; i < size / sizeof(*parts); i++)
		PUSH(atoms.v, atoms.n) = parts[i];
	PUSH(atoms.v, atoms.n) = ATOM_APISERVER;
	with = add_who(c, flags, holder, &atoms);
	free(atoms.v);
	return with;
}

static uint32_t match_node(struct compiler *c, const struct holder *holder)
{
	static const struct warder_labels none;
	struct number_list atoms = {0};
	uint32_t who;

	atoms_match_node(&c->atoms, holder->owner ? &holder->owner->labels : &none, &atoms);
	if (holder->host)
		PUSH(atoms.v, atoms.n) = ATOM_HOST;
	who = add_who(c, 0, PORT_HOLDER_NONE, &atoms);
	free(atoms.v);
	return who;
}

static void add_peer(struct compiler *c, const struct holder *holder, const uint32_t *pods,
		     const struct fixed *fixed)
{
	const struct cidr_node *node = compile_find_cidr(c, &holder->addr);
	struct warder_matrix_peer peer = {.addr = holder->addr, .owner = holder->owner};
	uint32_t who = fixed->unknown, by_address = fixed->unknown, cidrs = node->cidrs;

	switch (holder->type) {
	case HOLDER_NODE:
		who = match_node(c, holder);
		by_address = fixed->snat;
		peer.identity = holder->host ? WARDER_IDENTITY_HOST : WARDER_IDENTITY_REMOTE_NODE;
		peer.flags = WARDER_PEER_NODE | (holder->host ? WARDER_PEER_HOST : 0);
		break;
	case HOLDER_POD:
		peer.identity = WARDER_IDENTITY_UNKNOWN;
		peer.flags = WARDER_PEER_POD;
		if (!holder->owner)
			break;
		who = pods[holder->number];
		peer.identity = WARDER_IDENTITY_FIRST + c->identities[holder->number];
		break;
	case HOLDER_APISERVER:
		by_address = who = node->pod_range ? fixed->unknown : fixed->world;
		peer.identity = WARDER_IDENTITY_KUBE_APISERVER;
		break;
	case HOLDER_SERVICE:
		by_address = who = fixed->service;
		cidrs = 0;
		peer.identity = WARDER_IDENTITY_SERVICE;
		peer.flags = WARDER_PEER_SERVICE;
		break;
	}
	if (holder->type != HOLDER_SERVICE && is_apiserver(c, &holder->addr))
		who = with_apiserver(c, who);
	if (holder->type == HOLDER_APISERVER)
		by_address = who;
	peer.class = add_class(c, who, cidrs);
	peer.cidr_class = add_class(c, by_address, cidrs);
	PUSH(c->matrix->peers, c->matrix->n_peers) = peer;
}

static int compare_matrix_prefixes(const void *left, const void *right)
{
	const struct warder_matrix_prefix *a = left, *b = right;

	return compare_prefixes(&a->prefix, &b->prefix);
}

static void add_prefixes(struct compiler *c, const struct fixed *fixed)
{
	struct warder_matrix *matrix = c->matrix;

	for (int f = 0; f < 2; f++) {
		for (size_t i = 0; i < c->n_nodes[f]; i++) {
			const struct cidr_node *node = &c->nodes[f][i];
			uint32_t class = add_class(
				c, node->pod_range ? fixed->unknown : fixed->world, node->cidrs);

			PUSH(matrix->prefixes, matrix->n_prefixes) = (struct warder_matrix_prefix){
				.prefix = node->prefix,
				.identity = node->pod_range ? WARDER_IDENTITY_UNKNOWN
							    : WARDER_IDENTITY_WORLD,
				.class = class,
				.cidr_class = class, /* who it is was told by its address alone */
			};
		}
	}
	qsort(matrix->prefixes, matrix->n_prefixes, sizeof(*matrix->prefixes),
	      compare_matrix_prefixes);
}

static void post(struct compiler *c, uint32_t class, const uint32_t *atoms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		PUSH(c->postings[atoms[i]].v, c->postings[atoms[i]].n) = class;
}

static void post_classes(struct compiler *c)
{
	const uint32_t *parts;
	size_t size;

	c->postings = NEW_ARRAY(struct number_list, ATOM_FIRST + c->atoms.n);
	for (uint32_t class = 0; class < c->matrix->n_classes; class ++) {
		parts = intern_get(&c->whos, c->classes[class].who, &size);
		post(c, class, parts + 2, size / sizeof(*parts) - 2);
		parts = intern_get(&c->cidr_sets, c->classes[class].cidrs, &size);
		post(c, class, parts, size / sizeof(*parts));
	}
}

/* Pods that have no address yet, as if they had one that is in no block. */
static void add_addressless(struct compiler *c, const uint32_t *pods)
{
	for (size_t i = 0; i < c->n_pods; i++) {
		if (!is_peer(c->pods[i]) || c->pods[i]->pod.n_addrs)
			continue;
		PUSH(c->addressless, c->n_addressless) = (struct addressless){
			.pod = c->pods[i],
			.class = add_class(c, pods[i], 0),
		};
	}
}

void compile_classes(struct compiler *c)
{
	struct fixed fixed = {
		.world = add_fixed(c, 0, ATOM_WORLD),
		.unknown = add_fixed(c, WHO_UNKNOWN, 0),
		.snat = add_fixed(c, 0, ATOM_NODE_SNAT),
		.service = add_fixed(c, WHO_SERVICE, 0),
	};
	uint32_t *pods;

	compile_cidrs(c);
	add_prefixes(c, &fixed);
	c->matrix->service_class = add_class(c, fixed.service, 0);
	pods = match_pods(c);
	for (size_t i = 0; i < c->n_holders; i++)
		add_peer(c, &c->holders[i], pods, &fixed);
	c->nobody_class = add_class(c, fixed.unknown, 0);
	if (c->options->addressless)
		add_addressless(c, pods);
	free(pods);
	post_classes(c);
}

uint32_t compile_frontend_class(struct compiler *c, uint32_t set)
{
	return add_class(c, add_fixed(c, WHO_SERVICE | (set + 1) << WHO_SET_SHIFT, 0), 0);
}

static bool list_has(const uint32_t *list, size_t n, uint32_t number)
{
	return n && bsearch(&number, list, n, sizeof(*list), compare_numbers);
}

bool compile_class_has(const struct compiler *c, uint32_t class, uint32_t atom)
{
	const uint32_t *who, *cidrs;
	size_t n_who, n_cidrs;

	who = intern_get(&c->whos, c->classes[class].who, &n_who);
	cidrs = intern_get(&c->cidr_sets, c->classes[class].cidrs, &n_cidrs);
	return list_has(who + 2, n_who / sizeof(*who) - 2, atom) ||
	       list_has(cidrs, n_cidrs / sizeof(*cidrs), atom);
}
