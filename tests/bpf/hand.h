/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict matrix made by hand: one group for each of a few pods, one class for each pod and one
 * for the world; a cell allows all ports or none.  So that tests of the datapath need no compiler.
 */
#ifndef WARDER_TESTS_HAND_H
#define WARDER_TESTS_HAND_H

#include "datapath/datapath.h"
#include "node.h"

#define HAND_PODS     4
#define HAND_WORLD    0 /* class; pod i has class i + 1 */
#define HAND_CLASSES  (HAND_PODS + 1)
#define HAND_MORE_MAX 70000 /* further peers of the world's class */

struct hand {
	struct warder_matrix matrix;
	struct warder_matrix_identity identities[1];
	struct warder_matrix_peer *peers;
	struct warder_matrix_prefix prefixes[2];
	struct warder_matrix_port_range ports[WARDER_PROTOCOLS];
	struct warder_matrix_endpoint endpoints[HAND_PODS];
	struct warder_object objects[HAND_PODS];
	struct warder_cell cells[2 * HAND_PODS * HAND_CLASSES];
	__u64 bitmaps[2];
	struct warder_plan_endpoint plan[HAND_PODS];
	struct warder_link links[HAND_PODS];
	struct warder_addr addrs[HAND_PODS];
	size_t n;
};

static int hand_compare_peers(const void *a, const void *b)
{
	return warder_addr_compare(&((const struct warder_matrix_peer *)a)->addr,
				   &((const struct warder_matrix_peer *)b)->addr);
}

/* All is denied in both directions at first. */
__attribute__((unused)) static void hand_init(struct hand *hand, const struct pod *pods, size_t n,
					      size_t more_peers)
{
	static char uids[HAND_PODS][40], names[HAND_PODS][8], empty[] = "", ns[] = "test";
	struct warder_addr addr;

	memset(hand, 0, sizeof(*hand));
	hand->n = n;
	hand->identities[0] = (struct warder_matrix_identity){"test", "default"};
	hand->peers = calloc(HAND_PODS + HAND_MORE_MAX, sizeof(*hand->peers));
	for (size_t i = 0; i < n; i++) {
		snprintf(uids[i], sizeof(uids[i]), "00000000-0000-0000-0000-%012zu", i + 1);
		snprintf(names[i], sizeof(names[i]), "pod%zu", i);
		hand->objects[i] = (struct warder_object){.refs = 1,
							  .kind = WARDER_KIND_POD,
							  .ns = ns,
							  .name = names[i],
							  .uid = uids[i],
							  .api_version = empty,
							  .kind_name = empty};
		hand->endpoints[i] = (struct warder_matrix_endpoint){
			.pod = &hand->objects[i],
			.identity = WARDER_IDENTITY_FIRST,
			.group = i,
			.isolated = {true, true},
		};
		hand->peers[i] = (struct warder_matrix_peer){.addr = pods[i].addr,
							     .identity = WARDER_IDENTITY_FIRST,
							     .class = i + 1,
							     .flags = WARDER_PEER_POD,
							     .owner = &hand->objects[i]};
		hand->addrs[i] = pods[i].addr;
		hand->links[i] = (struct warder_link){.ifindex = pods[i].ifindex, .netnsid = -1};
		memcpy(hand->links[i].mac, pods[i].mac, 6);
		hand->plan[i] = (struct warder_plan_endpoint){.endpoint = &hand->endpoints[i],
							      .netns = pods[i].netns,
							      .addrs = &hand->addrs[i],
							      .n_addrs = 1,
							      .links = &hand->links[i],
							      .n_links = pods[i].ifindex ? 1 : 0};
		hand->plan[i].uid[15] = i + 1;
	}
	for (size_t i = 0; i < more_peers && i < HAND_MORE_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "172.%zu.%zu.%zu", 16 + (i >> 16), (i >> 8) & 255,
			 i & 255);
		warder_addr_parse(text, &addr);
		hand->peers[n + i] = (struct warder_matrix_peer){.addr = addr,
								 .identity = WARDER_IDENTITY_WORLD};
	}
	qsort(hand->peers, n + more_peers, sizeof(*hand->peers), hand_compare_peers);
	warder_prefix_parse("::/0", &hand->prefixes[0].prefix);
	warder_prefix_parse("0.0.0.0/0", &hand->prefixes[1].prefix);
	hand->prefixes[0].identity = hand->prefixes[1].identity = WARDER_IDENTITY_WORLD;
	for (int p = 0; p < WARDER_PROTOCOLS; p++) {
		hand->ports[p] = (struct warder_matrix_port_range){0, 65535, WARDER_PORT_FIRST};
		hand->matrix.ports[p] = &hand->ports[p];
		hand->matrix.n_ports[p] = 1;
	}
	hand->bitmaps[1] = ~0ULL;
	hand->matrix.identities = hand->identities;
	hand->matrix.n_identities = 1;
	hand->matrix.peers = hand->peers;
	hand->matrix.n_peers = n + more_peers;
	hand->matrix.prefixes = hand->prefixes;
	hand->matrix.n_prefixes = 2;
	hand->matrix.endpoints = hand->endpoints;
	hand->matrix.n_endpoints = n;
	hand->matrix.n_groups = HAND_PODS;
	hand->matrix.n_classes = HAND_CLASSES;
	hand->matrix.n_port_classes = WARDER_PORT_FIRST + 1;
	hand->matrix.n_bitmaps = 2;
	hand->matrix.words = 1;
	hand->matrix.cells = hand->cells;
	hand->matrix.bitmaps = hand->bitmaps;
}

/* `peer`: a pod's index, or -1 for the world. */
__attribute__((unused)) static void hand_allow(struct hand *hand, enum warder_direction direction,
					       size_t pod, int peer, bool allow)
{
	struct warder_cell *cell =
		&hand->cells[(direction * HAND_PODS + pod) * HAND_CLASSES + peer + 1];

	cell->enforced = cell->audited = allow ? WARDER_BITMAP_ALL : WARDER_BITMAP_NONE;
}

__attribute__((unused)) static void hand_release(struct hand *hand)
{
	free(hand->peers);
}

#endif
