/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a pod's atoms without asking every atom: an atom of ServiceAccounts is filed by
 * (namespace, ServiceAccount), any other by its pod selector and its scope, which is a namespace's
 * name, a namespace selector, or nothing.  A pod asks for its own four tuples, for the pod
 * selectors that match its labels, and for the scopes that its namespace is in.
 */
#include "policy/atoms.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define SCOPE_ANY "" /* no namespace has this name */

int compare_numbers(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static void list_push(struct number_list **lists, uint32_t *n, uint32_t at, uint32_t number)
{
	while (*n <= at)
		PUSH(*lists, *n) = (struct number_list){0};
	PUSH((*lists)[at].v, (*lists)[at].n) = number;
}

static uint32_t tuple_key(struct intern *keys, bool add, const char *ns, const char *account)
{
	struct intern_key key = {0};
	uint32_t number;

	intern_key_text(&key, ns);
	intern_key_text(&key, account);
	number = add ? intern_add(keys, key.bytes, key.n) : intern_find(keys, key.bytes, key.n);
	free(key.bytes);
	return number;
}

/* `scope`: a namespace's name, SCOPE_ANY, or NULL for namespace selector `selector`. */
static uint32_t pod_key(struct intern *keys, bool add, uint32_t pods, const char *scope,
			uint32_t selector)
{
	unsigned char bytes[8 + 256];
	size_t length = scope ? strnlen(scope, 255) + 1 : sizeof(selector);

	memcpy(bytes, &pods, sizeof(pods));
	memset(bytes + 4, scope ? 1 : 0, 4);
	memcpy(bytes + 8, scope ? (const void *)scope : &selector, length);
	return add ? intern_add(keys, bytes, 8 + length) : intern_find(keys, bytes, 8 + length);
}

static bool foreign(const char *trust_domain, const struct warder_tuple *tuple)
{
	return tuple->trust_domain && (!trust_domain || strcmp(tuple->trust_domain, trust_domain));
}

static void file_pods(struct atoms *atoms, struct atom *atom, uint32_t number)
{
	const struct warder_term *term = atom->term;
	uint32_t key;

	atom->namespaces = selector_index_add(&atoms->namespaces, term->namespaces);
	atom->pods = selector_index_add(&atoms->pods, term->pods);
	for (size_t i = 0; i < term->n_tuples; i++) {
		if (foreign(atoms->trust_domain, &term->tuples[i]))
			continue;
		key = tuple_key(&atoms->tuple_keys, true, term->tuples[i].ns,
				term->tuples[i].service_account);
		list_push(&atoms->by_tuple, &atoms->n_by_tuple, key, number);
	}
	if (term->n_tuples)
		return;
	while (atoms->n_scopes <= atom->pods)
		PUSH(atoms->scopes, atoms->n_scopes) = (struct number_list){0};
	if (term->ns) {
		key = pod_key(&atoms->pod_keys, true, atom->pods, term->ns, 0);
	} else if (!term->namespaces || !term->namespaces->n) {
		key = pod_key(&atoms->pod_keys, true, atom->pods, SCOPE_ANY, 0);
	} else {
		uint32_t before = atoms->pod_keys.n;

		key = pod_key(&atoms->pod_keys, true, atom->pods, NULL, atom->namespaces);
		if (atoms->pod_keys.n > before)
			PUSH(atoms->scopes[atom->pods].v, atoms->scopes[atom->pods].n) =
				atom->namespaces;
	}
	list_push(&atoms->by_pods, &atoms->n_by_pods, key, number);
}

static void put_term(struct atoms *atoms, struct intern_key *key, const struct warder_term *term)
{
	intern_key_number(key, term->type);
	if (term->type == WARDER_TERM_CIDR) {
		intern_key_put(key, &term->cidr, sizeof(term->cidr));
		for (size_t i = 0; i < term->n_except; i++)
			intern_key_put(key, &term->except[i], sizeof(term->except[i]));
	} else if (term->type == WARDER_TERM_NODES) {
		intern_key_number(key, selector_index_add(&atoms->nodes, term->nodes));
	} else {
		intern_key_text(key, term->ns);
		intern_key_number(key, selector_index_add(&atoms->namespaces, term->namespaces));
		intern_key_number(key, selector_index_add(&atoms->pods, term->pods));
		for (size_t i = 0; i < term->n_tuples; i++) {
			intern_key_text(key, term->tuples[i].trust_domain);
			intern_key_text(key, term->tuples[i].ns);
			intern_key_text(key, term->tuples[i].service_account);
		}
	}
}

static uint32_t add_one(struct atoms *atoms, const struct warder_term *term)
{
	struct intern_key key = {0};
	struct atom *atom;
	uint32_t number;

	put_term(atoms, &key, term);
	number = intern_add(&atoms->known, key.bytes, key.n);
	free(key.bytes);
	if (number < atoms->n)
		return ATOM_FIRST + number;
	PUSH(atoms->v, atoms->n) = (struct atom){.term = term};
	atom = &atoms->v[number];
	number += ATOM_FIRST;
	if (term->type == WARDER_TERM_CIDR) {
		PUSH(atoms->cidrs.v, atoms->cidrs.n) = number;
	} else if (term->type == WARDER_TERM_NODES) {
		atom->pods = selector_index_add(&atoms->nodes, term->nodes);
		list_push(&atoms->by_nodes, &atoms->n_by_nodes, atom->pods, number);
	} else {
		file_pods(atoms, atom, number);
	}
	return number;
}

void atoms_add(struct atoms *atoms, const struct warder_term *term, struct number_list *ret)
{
	static const struct {
		unsigned entity;
		uint32_t atom;
	} entities[] = {
		{WARDER_ENTITY_WORLD, ATOM_WORLD},
		{WARDER_ENTITY_HOST, ATOM_HOST},
		{WARDER_ENTITY_NODE_SNAT, ATOM_NODE_SNAT},
		{WARDER_ENTITY_KUBE_APISERVER, ATOM_APISERVER},
	};

	if (term->type == WARDER_TERM_ANY) {
		PUSH(ret->v, ret->n) = ATOM_ANY;
	} else if (term->type == WARDER_TERM_ENTITIES) {
		for (unsigned i = 0; i < sizeof(entities) / sizeof(*entities); i++)
			if (term->entities & entities[i].entity)
				PUSH(ret->v, ret->n) = entities[i].atom;
	} else {
		PUSH(ret->v, ret->n) = add_one(atoms, term);
	}
}

bool atoms_could_be_pod(const struct atoms *atoms, const struct warder_term *term)
{
	if (term->type != WARDER_TERM_PODS)
		return false;
	for (size_t i = 0; i < term->n_tuples; i++)
		if (!foreign(atoms->trust_domain, &term->tuples[i]))
			return true;
	return !term->n_tuples;
}

void atoms_enter_namespace(const struct atoms *atoms, const char *name,
			   const struct warder_labels *labels, struct atoms_namespace *ret)
{
	ret->name = name;
	ret->selectors.n = 0;
	selector_index_query(&atoms->namespaces, labels, &ret->selectors);
	if (ret->selectors.n)
		qsort(ret->selectors.v, ret->selectors.n, sizeof(uint32_t), compare_numbers);
}

static bool in_namespace(const struct atoms_namespace *ns, uint32_t selector)
{
	return ns->selectors.n && bsearch(&selector, ns->selectors.v, ns->selectors.n,
					  sizeof(uint32_t), compare_numbers);
}

static void take(const struct number_list *list, struct number_list *ret)
{
	for (size_t i = 0; i < list->n; i++)
		PUSH(ret->v, ret->n) = list->v[i];
}

/* Atoms of ServiceAccounts: the tuple holds already, the rest of the term must too. */
static void match_tuples(const struct atoms *atoms, const struct atoms_namespace *ns,
			 const struct warder_object *pod, struct number_list *ret)
{
	const char *names[4][2] = {
		{ns->name, pod->pod.service_account},
		{ns->name, NULL},
		{NULL, pod->pod.service_account},
		{NULL, NULL},
	};

	for (unsigned i = 0; i < 4; i++) {
		uint32_t key = tuple_key((struct intern *)&atoms->tuple_keys, false, names[i][0],
					 names[i][1]);

		for (size_t j = 0; key != INTERN_NONE && j < atoms->by_tuple[key].n; j++) {
			const struct atom *atom = &atoms->v[atoms->by_tuple[key].v[j] - ATOM_FIRST];
			const struct warder_term *term = atom->term;

			if (term->ns && strcmp(term->ns, ns->name))
				continue;
			if (term->namespaces && !in_namespace(ns, atom->namespaces))
				continue;
			if (!term->pods || warder_selector_matches(term->pods, &pod->labels))
				PUSH(ret->v, ret->n) = atoms->by_tuple[key].v[j];
		}
	}
}

static void match_labels(const struct atoms *atoms, const struct atoms_namespace *ns,
			 const struct warder_object *pod, struct number_list *ret)
{
	struct intern *keys = (struct intern *)&atoms->pod_keys;
	struct number_list selectors = {0};

	selector_index_query(&atoms->pods, &pod->labels, &selectors);
	for (size_t i = 0; i < selectors.n; i++) {
		uint32_t pods = selectors.v[i], key;

		if (pods >= atoms->n_scopes)
			continue;
		key = pod_key(keys, false, pods, ns->name, 0);
		if (key != INTERN_NONE)
			take(&atoms->by_pods[key], ret);
		key = pod_key(keys, false, pods, SCOPE_ANY, 0);
		if (key != INTERN_NONE)
			take(&atoms->by_pods[key], ret);
		for (size_t j = 0; j < atoms->scopes[pods].n; j++) {
			if (!in_namespace(ns, atoms->scopes[pods].v[j]))
				continue;
			key = pod_key(keys, false, pods, NULL, atoms->scopes[pods].v[j]);
			take(&atoms->by_pods[key], ret);
		}
	}
	free(selectors.v);
}

static void sort_unique(struct number_list *list)
{
	size_t kept = 0;

	if (list->n)
		qsort(list->v, list->n, sizeof(uint32_t), compare_numbers);
	for (size_t i = 0; i < list->n; i++)
		if (!kept || list->v[kept - 1] != list->v[i])
			list->v[kept++] = list->v[i];
	list->n = kept;
}

void atoms_match_pod(const struct atoms *atoms, const struct atoms_namespace *ns,
		     const struct warder_object *pod, struct number_list *ret)
{
	match_tuples(atoms, ns, pod, ret);
	match_labels(atoms, ns, pod, ret);
	sort_unique(ret);
}

void atoms_match_node(const struct atoms *atoms, const struct warder_labels *labels,
		      struct number_list *ret)
{
	struct number_list selectors = {0};

	selector_index_query(&atoms->nodes, labels, &selectors);
	for (size_t i = 0; i < selectors.n; i++)
		if (selectors.v[i] < atoms->n_by_nodes)
			take(&atoms->by_nodes[selectors.v[i]], ret);
	free(selectors.v);
	sort_unique(ret);
}

static void clear_lists(struct number_list *lists, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(lists[i].v);
	free(lists);
}

void atoms_clear(struct atoms *atoms)
{
	clear_lists(atoms->by_tuple, atoms->n_by_tuple);
	clear_lists(atoms->by_pods, atoms->n_by_pods);
	clear_lists(atoms->scopes, atoms->n_scopes);
	clear_lists(atoms->by_nodes, atoms->n_by_nodes);
	selector_index_clear(&atoms->namespaces);
	selector_index_clear(&atoms->pods);
	selector_index_clear(&atoms->nodes);
	intern_clear(&atoms->known);
	intern_clear(&atoms->tuple_keys);
	intern_clear(&atoms->pod_keys);
	free(atoms->cidrs.v);
	free(atoms->v);
	*atoms = (struct atoms){0};
}

bool term_selects_pod(const struct warder_term *term, const char *trust_domain,
		      const struct warder_labels *ns_labels, const struct warder_object *pod)
{
	bool tuple = !term->n_tuples;

	if (term->ns && strcmp(term->ns, pod->ns))
		return false;
	if (term->namespaces && !warder_selector_matches(term->namespaces, ns_labels))
		return false;
	if (term->pods && !warder_selector_matches(term->pods, &pod->labels))
		return false;
	for (size_t i = 0; i < term->n_tuples && !tuple; i++) {
		const struct warder_tuple *t = &term->tuples[i];

		tuple = !foreign(trust_domain, t) && (!t->ns || !strcmp(t->ns, pod->ns)) &&
			(!t->service_account ||
			 !strcmp(t->service_account, pod->pod.service_account));
	}
	return tuple;
}
