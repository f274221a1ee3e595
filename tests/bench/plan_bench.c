/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan costs on a large node: how many writes and how long to find them, for changes of one
 * thing, beside filling empty tables.  The kernel's part (about 0.25 us a write in a batch) is not in it.
 * usage: plan_bench [PEERS]    (20000; 500 policies' worth of groups, classes and ports)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/plan.h"

#define ENDPOINTS  110
#define GROUPS	   90
#define CLASSES	   2200
#define PORTS	   200
#define BITMAPS	   600
#define WORDS	   4
#define IDENTITIES 3000
#define ROUNDS	   9

struct node {
	struct warder_matrix matrix;
	struct warder_plan_endpoint endpoints[ENDPOINTS];
	struct warder_matrix_endpoint compiled[ENDPOINTS];
	struct warder_link links[ENDPOINTS];
	struct warder_addr addrs[ENDPOINTS];
	struct warder_mirror *mirror;
	struct warder_planner *planner;
	__u64 random;
};

static __u32 draw(struct node *node, __u32 below)
{
	node->random = node->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(node->random >> 33) % below;
}

static void *room(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (!memory)
		abort();
	return memory;
}

static struct warder_addr addr4(__u32 host)
{
	struct warder_addr addr = {.b = {[10] = 0xff, [11] = 0xff}};

	for (int i = 0; i < 4; i++)
		addr.b[15 - i] = host >> (8 * i);
	return addr;
}

static void make_peers(struct node *node, size_t n)
{
	struct warder_matrix *matrix = &node->matrix;

	matrix->peers = room(n + 1, sizeof(*matrix->peers));
	matrix->n_peers = n;
	for (size_t i = 0; i < n; i++)
		matrix->peers[i] = (struct warder_matrix_peer){
			.addr = addr4(0x0a000000 + 4 * i),
			.identity = WARDER_IDENTITY_FIRST + draw(node, IDENTITIES),
			.class = 2 + draw(node, CLASSES - 2),
			.cidr_class = draw(node, 2),
			.flags = WARDER_PEER_POD,
		};
	matrix->prefixes = room(100, sizeof(*matrix->prefixes));
	matrix->prefixes[0].prefix.bits = 0;
	matrix->prefixes[1].prefix = (struct warder_prefix){addr4(0), 96};
	for (int i = 2; i < 100; i++)
		matrix->prefixes[i] = (struct warder_matrix_prefix){
			.prefix = {addr4(0xc0000000 + (i << 12)), 116},
			.class = draw(node, 2),
			.cidr_class = draw(node, 2)};
	matrix->n_prefixes = 100;
}

static void make_rules(struct node *node)
{
	struct warder_matrix *matrix = &node->matrix;

	for (int p = 0; p < WARDER_PROTOCOLS; p++) {
		struct warder_matrix_port_range *ranges = room(2 * PORTS + 1, sizeof(*ranges));
		__u32 n = 0, first = 0;

		for (int i = 0; p == WARDER_TCP && i < PORTS; i++) {
			__u16 port = 300 * i + 80;

			ranges[n++] = (struct warder_matrix_port_range){first, port - 1,
									WARDER_PORT_FIRST};
			ranges[n++] = (struct warder_matrix_port_range){port, port,
									WARDER_PORT_FIRST + 1 + i};
			first = port + 1;
		}
		ranges[n++] = (struct warder_matrix_port_range){first, 65535, WARDER_PORT_FIRST};
		matrix->ports[p] = ranges;
		matrix->n_ports[p] = n;
	}
	matrix->n_port_classes = WARDER_PORT_FIRST + 1 + PORTS;
	matrix->words = WORDS;
	matrix->bitmaps = room(BITMAPS * WORDS, sizeof(*matrix->bitmaps));
	memset(matrix->bitmaps + WORDS, 0xff, WORDS * sizeof(*matrix->bitmaps));
	for (int b = 2; b < BITMAPS; b++)
		for (int i = 0; i < 3; i++) {
			__u32 class = WARDER_PORT_FIRST + 1 + draw(node, PORTS);

			matrix->bitmaps[b * WORDS + class / 64] |= 1ULL << (class % 64);
		}
	matrix->n_bitmaps = BITMAPS;
	matrix->n_groups = GROUPS;
	matrix->n_classes = CLASSES;
	matrix->cells = room((size_t)2 * GROUPS * CLASSES, sizeof(*matrix->cells));
	/* Most peers get nothing from most groups. */
	for (size_t i = 0; i < (size_t)2 * GROUPS * CLASSES; i++)
		matrix->cells[i].enforced = matrix->cells[i].audited =
			draw(node, 20) ? 0 : draw(node, BITMAPS);
}

static void make_node(struct node *node, size_t peers)
{
	struct warder_shape shape = {.slots = 512,
				     .groups = 256,
				     .classes = 8192,
				     .bitmaps = 4096,
				     .words = 8,
				     .peers = 4 * peers,
				     .cidrs = 4096,
				     .frontends = 64,
				     .identities = 16384};
	struct warder_matrix *matrix = &node->matrix;

	node->random = 1;
	matrix->identities = room(IDENTITIES, sizeof(*matrix->identities));
	for (int i = 0; i < IDENTITIES; i++) {
		char *name = room(1, 32);

		snprintf(name, 32, "account-%04d", i);
		matrix->identities[i] = (struct warder_matrix_identity){"namespace", name};
	}
	matrix->n_identities = IDENTITIES;
	make_peers(node, peers);
	make_rules(node);
	for (int e = 0; e < ENDPOINTS; e++) {
		node->addrs[e] = matrix->peers[e * (peers / ENDPOINTS)].addr;
		node->links[e] = (struct warder_link){.ifindex = 10 + e, .netnsid = e};
		node->compiled[e] =
			(struct warder_matrix_endpoint){.identity = WARDER_IDENTITY_FIRST + e,
							.group = e % GROUPS,
							.isolated = {true, true}};
		node->endpoints[e] = (struct warder_plan_endpoint){.endpoint = &node->compiled[e],
								   .uid = {1, e},
								   .cgroup = 1000 + e,
								   .netns = 5000 + e,
								   .addrs = &node->addrs[e],
								   .n_addrs = 1,
								   .links = &node->links[e],
								   .n_links = 1};
	}
	node->mirror = warder_mirror_new(&shape);
	node->planner = warder_planner_new(node->mirror);
}

static double milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Makes the plan some times, then applies it. */
static void measure(struct node *node, const char *what)
{
	struct warder_error error = {""};
	double best = 1e9, start, applied;
	struct warder_plan plan;

	for (int i = 0; i < ROUNDS; i++) {
		double took;
		int r;

		start = milliseconds();
		r = warder_plan_make(node->planner, &node->matrix, node->endpoints, ENDPOINTS,
				     &plan, &error);
		took = milliseconds() - start;
		if (r) {
			printf("%-34s %s\n", what, error.text);
			return;
		}
		best = took < best ? took : best;
		if (i + 1 < ROUNDS) {
			/* Ids of the plans that are only made, not applied, rest at once. */
			warder_plan_free(&plan);
			warder_plan_grace(node->planner);
		}
	}
	start = milliseconds();
	for (size_t i = 0; i < plan.n_writes; i++)
		if (warder_mirror_apply(node->mirror, &plan.writes[i]))
			printf("write %zu failed\n", i);
	applied = milliseconds() - start;
	printf("%-34s %8zu writes %2u waits  made in %8.2f ms, the mirror's part %7.2f ms\n", what,
	       plan.n_writes, plan.n_settle, best, applied);
	warder_plan_free(&plan);
	warder_plan_done(node->planner);
	warder_plan_grace(node->planner);
}

static void change_things(struct node *node)
{
	struct warder_matrix *matrix = &node->matrix;
	size_t middle = matrix->n_peers / 2, first;

	measure(node, "nothing");
	memmove(&matrix->peers[middle + 1], &matrix->peers[middle],
		(matrix->n_peers - middle) * sizeof(*matrix->peers));
	matrix->peers[middle].addr.b[15]--;
	matrix->n_peers++;
	measure(node, "one pod comes, anywhere");
	matrix->peers[middle].class = 2 + (matrix->peers[middle].class - 1) % (CLASSES - 2);
	measure(node, "its labels change");
	memmove(&matrix->peers[middle], &matrix->peers[middle + 1],
		(--matrix->n_peers - middle) * sizeof(*matrix->peers));
	measure(node, "it goes");
	node->endpoints[7].cgroup = node->endpoints[7].netns = 77777;
	node->endpoints[7].uid[2] = 1;
	node->links[7].ifindex = 7777;
	measure(node, "a pod of this node is made anew");
	node->compiled[9].group = (node->compiled[9].group + 1) % GROUPS;
	measure(node, "a pod of this node: other policies");
	first = (size_t)5 * CLASSES;
	for (int c = 0; c < 40; c++)
		matrix->cells[first + 17 * c].enforced = matrix->cells[first + 17 * c].audited =
			draw(node, BITMAPS);
	measure(node, "a policy's peers change (40 cells)");
	for (int b = 0; b < 3; b++)
		matrix->bitmaps[(100 + b) * WORDS] ^= 0x1000000;
	measure(node, "a policy's ports change");
	matrix->ports[WARDER_TCP][100].last -= 10;
	matrix->ports[WARDER_TCP][101].first -= 10;
	measure(node, "a port range grows");
}

int main(int argc, char **argv)
{
	size_t peers = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
	struct node *node = room(1, sizeof(*node));

	make_node(node, peers);
	printf("%zu peers, %d endpoints in %d groups, %d classes, %d bitmaps, %d port classes; the "
	       "best of %d rounds\n",
	       peers, ENDPOINTS, GROUPS, CLASSES, BITMAPS, PORTS + 5, ROUNDS);
	measure(node, "empty tables are filled");
	change_things(node);
	warder_planner_free(node->planner);
	warder_mirror_free(node->mirror);
	return 0;
}
