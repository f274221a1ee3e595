/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler: from the store's objects to one node's verdict matrix.  A pure function of its
 * input: no kernel, no clock, no order of events; the same objects always give the same result.
 * Ids in the result are its own; datapath/plan maps them onto the ids that the kernel holds.
 */
#ifndef WARDER_POLICY_COMPILE_H
#define WARDER_POLICY_COMPILE_H

#include "store/policy.h"
#include "store/store.h"
#include "warder/peer.h"
#include "warder/verdict.h"

struct warder_compile_options {
	const char *node; /* whose local pods are the endpoints */
	const char *trust_domain;
	const struct warder_prefix
		*pod_ranges; /* configured ones; nodes' spec.podCIDRs are added */
	size_t n_pod_ranges;
	const struct warder_addr *
		host_addrs; /* this node's own addresses as the kernel has them; the Node's are added */
	size_t n_host_addrs;
	const struct warder_addr *apiserver_addrs;
	size_t n_apiserver_addrs;
	bool addressless; /* pods without an address get a class too: warder_matrix_pod_class */
	bool judge_host;  /* a pod and its own node are judged: the exception is switched off */
	bool audit_all;	  /* unused by cells: the agent's mode is a flag of each slot */
};

/* (namespace, ServiceAccount) of pods that are peers or endpoints. */
struct warder_matrix_identity {
	const char *ns,
		*service_account; /* borrowed from the store's objects, which the matrix holds */
};

struct warder_matrix_peer {
	struct warder_addr addr;
	__u32 identity; /* below WARDER_IDENTITY_FIRST: reserved; else FIRST + index into identities */
	__u32 class, cidr_class;
	__u16 flags;			   /* enum warder_peer_flag */
	const struct warder_object *owner; /* the pod or node, NULL for a Service; borrowed */
};

struct warder_matrix_prefix {
	struct warder_prefix prefix; /* ::ffff:0:0/96 and ::/0 are always there */
	__u32 identity;		     /* WORLD or UNKNOWN */
	__u32 class, cidr_class;
};

struct warder_matrix_port_range {
	__u16 first, last;
	__u16 class;
};

struct warder_matrix_endpoint {
	const struct warder_object *pod; /* local, not hostNetwork, not finished; borrowed */
	__u32 identity;
	__u32 group;
	/* What it sends to any Service is allowed by what is enforced, whatever is behind it. */
	bool services;
	bool isolated[2]; /* some enforced policy of any tier judges this direction */
	bool judged
		[2]; /* the same, audited policies counted: false = every cell of the row is ALL, ALL */
};

struct warder_matrix_group; /* for explanations: which policies select it, with their rules */

struct warder_matrix_backend {
	struct warder_addr addr;
	__u16 port;
};

/*
 * A Service's (address, port, protocol).  Its class has egress cells alone: WARDER_PORT_SERVICE_ALL and
 * WARDER_PORT_SERVICE_SOME of its backends are allowed.  One without backends is of service_class.
 */
struct warder_matrix_frontend {
	struct warder_addr addr;
	__u16 port;
	__u8 protocol;
	__u32 class;
	__u32 first, n; /* its backends in matrix->backends */
};

struct warder_matrix {
	struct warder_matrix_identity *identities; /* sorted */
	size_t n_identities;
	struct warder_matrix_peer
		*peers; /* sorted by address, unique; two owners: see peer conflicts */
	size_t n_peers;
	struct warder_matrix_prefix *prefixes; /* sorted by (address, bits) */
	size_t n_prefixes;
	struct warder_matrix_port_range *ports[WARDER_PROTOCOLS]; /* each covers 0..65535, sorted */
	size_t n_ports[WARDER_PROTOCOLS];
	struct warder_matrix_frontend *frontends; /* sorted by (address, port, protocol) */
	size_t n_frontends;
	struct warder_matrix_backend *backends;
	size_t n_backends;
	struct warder_matrix_endpoint *endpoints; /* sorted by (namespace, name) */
	size_t n_endpoints;
	struct warder_matrix_group *groups;
	__u32 n_groups, n_classes, n_port_classes, n_bitmaps, words;
	/*
	 * The class of a Service's address where no frontend with backends is asked for: only a rule for
	 * everyone on every port allows it, and any deny denies it.
	 */
	__u32 service_class;
	struct warder_cell *cells;   /* [direction][group][class], ids into bitmaps */
	__u64 *bitmaps;		     /* n_bitmaps x words; 0 is NONE, 1 is ALL */
	struct warder_object **held; /* references that keep the borrowed pointers alive */
	size_t n_held;
	struct warder_matrix_problem
		*problems; /* policies that are broken, addresses with two owners ... */
	size_t n_problems;
	struct compiler *compiler; /* inner: what blame asks */
};

struct warder_matrix_problem {
	char *object; /* "NetworkPolicy x/y" */
	char *what;
	bool warning; /* enforced all the same: nothing is more open or closed than meant */
};

int warder_compile(const struct warder_store *store, const struct warder_compile_options *options,
		   struct warder_matrix **ret, struct warder_error *error);
void warder_matrix_free(struct warder_matrix *matrix);

/* Who an address is on this node: the exact peer, else the longest prefix. */
struct warder_matrix_who {
	__u32 identity, class, cidr_class;
	__u16 flags;
	const struct warder_object *owner; /* NULL */
};
void warder_matrix_find(const struct warder_matrix *matrix, const struct warder_addr *addr,
			struct warder_matrix_who *ret);
/* The class of a pod that has no address yet; needs options.addressless.  UNKNOWN's where there is none. */
__u32 warder_matrix_pod_class(const struct warder_matrix *matrix, const struct warder_object *pod);
__u16 warder_matrix_port_class(const struct warder_matrix *matrix, __u8 protocol, __u16 port);
/* What the cell says: bit 0 enforced, bit 1 as if audited policies were real. */
unsigned warder_matrix_verdict(const struct warder_matrix *matrix, enum warder_direction direction,
			       __u32 group, __u32 class, __u16 port_class);

/* The frontend; NULL: none. */
const struct warder_matrix_frontend *warder_matrix_frontend_find(const struct warder_matrix *matrix,
								 const struct warder_addr *addr,
								 __u16 port, __u8 protocol);
/* What a group may send to a class of frontends, as warder_matrix_verdict; *ret_mixed (may be NULL): it is
 * refused, but some backend is allowed. */
unsigned warder_matrix_service_verdict(const struct warder_matrix *matrix, __u32 group, __u32 class,
				       bool *ret_mixed);

/* Which policy decided (for explain and alerts): those of an allow, or of an explicit deny, or for a
 * default deny those that select the endpoint in this direction and let nothing through. */
struct warder_matrix_blame {
	const struct warder_object *policy; /* borrowed */
	int rule;			    /* index in the policy's rules, -1 = isolation alone */
	bool audited;
};
/* In the order of evaluation. */
size_t warder_matrix_blame(const struct warder_matrix *matrix, enum warder_direction direction,
			   __u32 group, __u32 class, __u8 protocol, __u16 port, bool audited,
			   struct warder_matrix_blame *ret,
			   size_t room); /* returns how many there are */
/* The same for a frontend, by the first of its backends that is refused, else by the first. */
size_t warder_matrix_blame_frontend(const struct warder_matrix *matrix, __u32 group,
				    const struct warder_matrix_frontend *frontend, bool audited,
				    struct warder_matrix_blame *ret, size_t room);

#endif
