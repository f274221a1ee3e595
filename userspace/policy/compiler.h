/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one compilation, which its stages fill in one after the other; the matrix keeps it
 * for explanations.  Inner to policy/.
 *
 *   subjects    local pods, and the policies that select each
 *   identities  (namespace, ServiceAccount) of all pods
 *   rules       those policies' rules as atoms and port specs; then groups
 *   holders     who holds which address
 *   classes     what each address is to policy: atoms of its holder, and of CIDRs
 *   ports       port sets, port classes
 *   frontends   Services: their backends, and classes of sets of these
 *   cells       the tiers' algebra
 */
#ifndef WARDER_POLICY_COMPILER_H
#define WARDER_POLICY_COMPILER_H

#include "policy/atoms.h"
#include "policy/bitmaps.h"
#include "policy/compile.h"
#include "policy/ports.h"

struct compiled_rule {
	const struct warder_rule *rule;
	struct number_list atoms;
	bool any;	   /* an ANY term */
	bool could_be_pod; /* some term might match a pod that nobody knows */
	uint32_t ports;	   /* spec */
};

struct compiled_policy {
	const struct warder_object *object;
	bool audited;
	bool refused; /* too many ports: as a broken one */
	struct compiled_rule *rules;
	size_t n_rules;
};

struct warder_matrix_group {
	uint32_t *policies; /* numbers, in the order of evaluation */
	size_t n_policies;
	uint32_t holder; /* what its named ports are, as far as its policies ask */
};

/* Who a class is besides its address. */
enum {
	WHO_UNKNOWN = 1 << 0, /* may be any pod */
	WHO_SERVICE = 1 << 1,
	WHO_SET_SHIFT = 8, /* above: of a frontend's class, its set of backends + 1 */
};

struct class
{
	uint32_t who, cidrs; /* numbers in `whos` and `cidr_sets` */
	uint32_t flags;
	uint32_t holder; /* named ports */
};

struct cidr_node { /* one prefix of the tries */
	struct warder_prefix prefix;
	int parent;	/* index, -1 = none */
	bool pod_range; /* it, or one around it, is a pod range */
	uint32_t cidrs;
};

struct holder { /* a claim on an address */
	struct warder_addr addr;
	enum { HOLDER_NODE, HOLDER_POD, HOLDER_APISERVER, HOLDER_SERVICE } type;
	bool host;			   /* this node's */
	uint32_t number;		   /* of the pod or node in its list */
	const struct warder_object *owner; /* POD: NULL = two pods claim it */
};

#define HOLDER_NO_NUMBER UINT32_MAX /* a node without a Node object */

/* One of a set of backends; the first of a set is {own, 0}: whether this node is one too. */
struct frontend_pair {
	uint32_t class, port;
};

struct addressless {
	const struct warder_object *pod;
	uint32_t class;
};

/*
 * Port matches of all policies together that always fit: each makes at most two borders, and there are
 * 65,532 numbers for the port classes of three protocols.
 */
#define COMPILE_PORT_MATCHES_MAX 32000

struct compiler {
	const struct warder_store *store;
	const struct warder_compile_options *options;
	struct warder_matrix *matrix;

	struct warder_object *const *pods, *const *node_objects; /* the store's lists */
	size_t n_pods, n_node_objects;
	uint32_t *identities;	 /* by pod: index into matrix->identities */
	uint32_t *endpoint_pods; /* by endpoint: number of its pod */

	struct compiled_policy *policies; /* that select a local pod, in the order of evaluation */
	size_t n_policies;
	bool refuse_ports; /* the second try: the policies with the most ports are refused */
	struct number_list *selected; /* by endpoint: policies */
	struct atoms atoms;
	struct ports ports;
	struct bitmaps bitmaps;

	struct holder *holders; /* sorted by address, unique after the stage */
	size_t n_holders;
	struct cidr_node *nodes[2]; /* IPv6, IPv4; sorted by (address, bits) */
	size_t n_nodes[2];

	struct addressless *addressless; /* in the order of pods */
	size_t n_addressless;
	uint32_t nobody_class;	 /* unknown, in no block */
	struct intern whos;	 /* flags, holder, atoms */
	struct intern cidr_sets; /* atoms */
	struct intern class_keys;
	uint32_t n_plain;	      /* classes of addresses: those of frontends follow */
	struct intern frontend_sets;  /* sorted pairs (class, port class) of what must be allowed */
	uint32_t mixed;		      /* bitmap: some backends, not all */
	struct class *classes;	      /* by class, n = matrix->n_classes */
	struct number_list *postings; /* by atom: classes */
};

/* Stages, in their order. */
void compile_subjects(struct compiler *c);
void compile_identities(struct compiler *c);
void compile_rules(struct compiler *c);
void compile_holders(struct compiler *c);
void compile_classes(struct compiler *c);
int compile_ports(struct compiler *c);
void compile_frontends(struct compiler *c);
void compile_cells(struct compiler *c);
void compiler_free(struct compiler *c);

/* A class of frontends, by number in frontend_sets. */
uint32_t compile_frontend_class(struct compiler *c, uint32_t set);
int compare_prefixes(const struct warder_prefix *a, const struct warder_prefix *b);
void compile_cidrs(struct compiler *c); /* the first part of compile_classes */
/* The longest prefix that holds the address. */
const struct cidr_node *compile_find_cidr(const struct compiler *c, const struct warder_addr *addr);

/* The labels of a namespace; where there is no Namespace object, the one that every namespace has
 * (in `spare`). */
struct namespace_labels {
	struct warder_label label;
	struct warder_labels labels;
};
const struct warder_labels *namespace_labels(const struct warder_store *store, const char *ns,
					     struct namespace_labels *spare);

void compile_problem(struct compiler *c, const char *object, bool warning, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
bool compile_pod_is_endpoint(const struct compiler *c, const struct warder_object *pod);
bool compile_class_has(const struct compiler *c, uint32_t class, uint32_t atom);
/* The set of port classes that a rule means for a group and a class. */
uint32_t compile_rule_bitmap(struct compiler *c, const struct compiled_rule *rule,
			     const struct warder_matrix_group *group, uint32_t class, bool strict);

#endif
