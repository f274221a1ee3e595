/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy of every kind in one form: what the compiler reads.  Made by store/decode_*.c from
 * NetworkPolicy, IdentityPolicy and ClusterNetworkPolicy; nothing is resolved yet.
 */
#ifndef WARDER_STORE_POLICY_H
#define WARDER_STORE_POLICY_H

#include "store/object.h"
#include "warder/types.h"

enum warder_operator { WARDER_IN, WARDER_NOT_IN, WARDER_EXISTS, WARDER_DOES_NOT_EXIST };

struct warder_requirement {
	char *key;
	enum warder_operator op; /* NotIn and DoesNotExist hold where the key is absent */
	char **values;		 /* sorted, unique */
	size_t n_values;
};

/* All requirements hold; none = everything.  matchLabels are In with one value. */
struct warder_selector {
	struct warder_requirement *v;
	size_t n;
};

bool warder_selector_matches(const struct warder_selector *selector,
			     const struct warder_labels *labels);

/* A (namespace, ServiceAccount) tuple; NULL = any (a whole-segment wildcard). */
struct warder_tuple {
	char *trust_domain; /* NULL = any; another one than ours never matches */
	char *ns, *service_account;
};

enum warder_entity {
	WARDER_ENTITY_WORLD = 1 << 0,
	WARDER_ENTITY_HOST = 1 << 1,
	WARDER_ENTITY_NODE_SNAT = 1 << 2,
	WARDER_ENTITY_KUBE_APISERVER = 1 << 3,
};

enum warder_term_type {
	WARDER_TERM_ANY, /* every address, `unknown` too */
	WARDER_TERM_PODS, /* pods: every part given must match; hostNetwork and finished pods never */
	WARDER_TERM_CIDR,  /* an address block less its exceptions, whoever holds the address */
	WARDER_TERM_NODES, /* nodes' own addresses, never pods' */
	WARDER_TERM_ENTITIES,
};

/* One peer of a rule, or a policy's subject (type PODS there). */
struct warder_term {
	enum warder_term_type type;
	/* PODS */
	char *ns;			    /* exactly this namespace, NULL = any */
	struct warder_selector *namespaces; /* NULL = any */
	struct warder_selector *pods;	    /* NULL = any */
	struct warder_tuple *tuples;	    /* any one of them; n_tuples 0 = any */
	size_t n_tuples;
	/* CIDR */
	struct warder_prefix cidr;
	struct warder_prefix *except;
	size_t n_except;
	/* NODES */
	struct warder_selector *nodes;
	/* ENTITIES */
	unsigned entities;
};

struct warder_port_match {
	__u8 protocol;	   /* IPPROTO_TCP, _UDP, _SCTP; 0 = every one of the three */
	__u16 first, last; /* 0, 65535 = all ports */
	char *name;	   /* a named port of the destination pod, or NULL */
};

enum warder_action { WARDER_ACCEPT, WARDER_DENY, WARDER_PASS };

struct warder_rule {
	enum warder_direction direction;
	enum warder_action action; /* always ACCEPT in the namespaced tier */
	struct warder_term
		*terms; /* any one of them; 0 = nobody (an empty `from` is one ANY term) */
	size_t n_terms;
	struct warder_port_match *ports; /* any one of them */
	size_t n_ports;
	bool all_ports; /* every port and every protocol: a rule without ports */
};

enum warder_tier { WARDER_TIER_ADMIN, WARDER_TIER_NAMESPACED, WARDER_TIER_BASELINE };

struct warder_policy {
	enum warder_tier tier;
	int priority;		    /* in its tier, lower first; then by name */
	struct warder_term subject; /* type PODS */
	bool isolates[2];	    /* by direction; namespaced tier only */
	struct warder_rule *rules;  /* in order */
	size_t n_rules;
	/*
	 * Not NULL: what in the spec could not be understood.  Such a policy has no rules but, outside the
	 * namespaced tier, one DENY for everything in both directions; where its subject could not be
	 * understood it is every pod that the kind could select.  (DESIGN section 3.)
	 */
	char *broken;
	/* NULL, or what is enforced in another way than it is written (a CIDR with host bits): told, harmless. */
	char *warning;
};

/* Of the kinds that are policy and are enforced. */
static inline bool warder_kind_is_policy(enum warder_kind kind)
{
	return kind == WARDER_KIND_NETWORK_POLICY || kind == WARDER_KIND_IDENTITY_POLICY ||
	       kind == WARDER_KIND_CLUSTER_NETWORK_POLICY;
}

void warder_policy_free(struct warder_policy *policy);
/* Where the rule stands in its own list, spec.ingress or spec.egress: `rules` has both. */
size_t warder_policy_rule_number(const struct warder_policy *policy, size_t rule);

#endif
