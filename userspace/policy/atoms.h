/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atoms: the different terms of all policies that count on this node, each once.  What a peer is to
 * policy is the set of atoms that it matches, and nothing else.
 */
#ifndef WARDER_POLICY_ATOMS_H
#define WARDER_POLICY_ATOMS_H

#include "policy/selector_index.h"

enum {
	ATOM_ANY,
	ATOM_WORLD,
	ATOM_HOST,
	ATOM_NODE_SNAT,
	ATOM_APISERVER,
	ATOM_FIRST,
};

struct atom {
	const struct warder_term *term; /* NULL for the fixed ones */
	uint32_t namespaces,
		pods; /* PODS: numbers in the indexes; NODES: `pods` is the node selector's */
};

struct atoms { /* all zero = empty */
	const char *trust_domain;
	struct intern known;
	struct atom *v; /* from ATOM_FIRST on, by number - ATOM_FIRST */
	uint32_t n;

	struct selector_index namespaces, pods, nodes;
	/* PODS atoms by what they ask first: a ServiceAccount, else pod labels. */
	struct intern tuple_keys;
	struct number_list *by_tuple;
	uint32_t n_by_tuple;
	struct intern pod_keys; /* (pod selector, namespace or namespace selector) */
	struct number_list *by_pods;
	uint32_t n_by_pods;
	struct number_list
		*scopes; /* by pod selector: the namespace selectors that stand beside it */
	uint32_t n_scopes;
	struct number_list *by_nodes; /* by node selector */
	uint32_t n_by_nodes;
	struct number_list cidrs;
};

/* Appends the atoms of one term (ENTITIES has several).  Borrows the term. */
void atoms_add(struct atoms *atoms, const struct warder_term *term, struct number_list *ret);
/* Some pod could match: false for tuples of other trust domains alone. */
bool atoms_could_be_pod(const struct atoms *atoms, const struct warder_term *term);

/* What atoms_match_pod needs to know of a namespace: made once for all of its pods. */
struct atoms_namespace { /* all zero = empty */
	const char *name;
	struct number_list selectors; /* those that match its labels */
};

void atoms_enter_namespace(const struct atoms *atoms, const char *name,
			   const struct warder_labels *labels, struct atoms_namespace *ret);
/* Appends the PODS atoms that the pod matches, each once, sorted.  `ret` is empty before. */
void atoms_match_pod(const struct atoms *atoms, const struct atoms_namespace *ns,
		     const struct warder_object *pod, struct number_list *ret);
/* The same for NODES atoms and a node's labels. */
void atoms_match_node(const struct atoms *atoms, const struct warder_labels *labels,
		      struct number_list *ret);
void atoms_clear(struct atoms *atoms);

/* Whether a term of type PODS selects the pod, asked alone: for subjects. */
bool term_selects_pod(const struct warder_term *term, const char *trust_domain,
		      const struct warder_labels *ns_labels, const struct warder_object *pod);

int compare_numbers(const void *a, const void *b);

#endif
