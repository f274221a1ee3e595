/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random verdict matrices with the endpoints of a node, made without any policy: a `gene` is all that
 * there is to know of one state, small and of fixed size, so that the next state can be the last one
 * with a few changes.  Its own verdict is the plain reading of the contract in policy/compile.h.
 */
#ifndef WARDER_TESTS_RANDOM_MATRIX_H
#define WARDER_TESTS_RANDOM_MATRIX_H

#include "base/address.h"
#include "datapath/plan.h"

#define GENE_ADDRS	24
#define GENE_PREFIXES	14
#define GENE_ENDPOINTS	6
#define GENE_LINKS	2 /* of each endpoint, at most */
#define GENE_CLASSES	10
#define GENE_GROUPS	5
#define GENE_BITMAPS	14
#define GENE_PORTS	8 /* port classes from WARDER_PORT_FIRST on */
#define GENE_RANGES	10
#define GENE_WORDS	1
#define GENE_IDENTITIES 8
#define GENE_FRONTENDS	4

extern struct warder_addr gene_addrs[GENE_ADDRS];	  /* sorted */
extern struct warder_prefix gene_prefixes[GENE_PREFIXES]; /* the first two are the empty ones */
extern char gene_names[GENE_IDENTITIES][24];

struct random {
	__u64 state;
};

__u32 draw(struct random *random, __u32 below);

struct gene_entry {
	bool present;
	__u8 class, cidr_class, identity, flags; /* identity: 0 a reserved one, else index + 1 */
};

struct gene_endpoint {
	bool present, known, isolated[2];
	__u8 group, identity, n_links, mac, n_addrs,
		prefix; /* prefix: index + 1 of a further one */
	__u8 link_of;	/* whose links it has */
	bool far_link;	/* ifindex + 65536: the same place in map `links` */
	__u8 addr[4];
	__u16 flags;
	__u64 cgroup, netns;
};

struct gene {
	__u32 n_classes, n_groups, n_bitmaps, n_port_classes;
	struct gene_entry peers[GENE_ADDRS], prefixes[GENE_PREFIXES];
	struct warder_matrix_port_range ranges[WARDER_PROTOCOLS][GENE_RANGES];
	__u32 n_ranges[WARDER_PROTOCOLS];
	__u64 bitmaps[GENE_BITMAPS * GENE_WORDS];
	__u8 cells[2][GENE_GROUPS][GENE_CLASSES][2];
	struct gene_endpoint endpoints[GENE_ENDPOINTS];
	bool frontends[GENE_FRONTENDS];
	__u32 frontend_classes[GENE_FRONTENDS];
};

/* A gene as the planner gets it. */
struct gene_state {
	struct warder_matrix matrix;
	struct warder_plan_endpoint endpoints[GENE_ENDPOINTS];
	size_t n_endpoints;
	struct warder_matrix_identity identities[GENE_IDENTITIES];
	struct warder_matrix_peer peers[GENE_ADDRS];
	struct warder_matrix_prefix prefixes[GENE_PREFIXES];
	struct warder_matrix_frontend frontends[GENE_FRONTENDS];
	struct warder_matrix_endpoint compiled[GENE_ENDPOINTS];
	struct warder_cell cells[2 * GENE_GROUPS * GENE_CLASSES];
	struct warder_addr addrs[GENE_ENDPOINTS][4];
	struct warder_link links[GENE_ENDPOINTS][GENE_LINKS];
	int owner[GENE_ENDPOINTS]; /* of each of `endpoints`: which of the gene's */
};

/* Fills the three arrays above; call it first. */
void gene_universe(void);
void gene_new(struct random *random, struct gene *gene);
/* One thing changes. */
void gene_change(struct random *random, struct gene *gene);
/* `gene` must outlive the state. */
void gene_express(struct gene *gene, struct gene_state *state);
__u32 gene_ifindex(const struct gene *gene, int endpoint, int link);
void gene_link(const struct gene *gene, int endpoint, int link, struct warder_link *ret);
/* The naive reading: bits as warder_mirror_verdict gives them. */
int gene_verdict(const struct gene *gene, int endpoint, int direction,
		 const struct warder_addr *addr, bool address_only, __u8 protocol, __u16 port);

#endif
