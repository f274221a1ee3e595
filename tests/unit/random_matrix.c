/* SPDX-License-Identifier: Apache-2.0 */
/* Genes: drawn, changed, and as the planner gets them. */
#include "random_matrix.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct warder_addr gene_addrs[GENE_ADDRS];
struct warder_prefix gene_prefixes[GENE_PREFIXES];
char gene_names[GENE_IDENTITIES][24];

__u32 draw(struct random *random, __u32 below)
{
	__u64 z = random->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (__u32)((z ^ z >> 31) >> 16) % below;
}

void gene_universe(void)
{
	static const char *addrs[GENE_ADDRS] = {
		"10.0.0.1",	 "10.0.0.2",	"10.0.0.3",  "10.0.0.4",    "10.0.1.1", "10.0.1.2",
		"10.0.1.3",	 "10.1.0.1",	"10.1.0.2",  "10.1.0.3",    "10.2.0.1", "192.0.2.1",
		"192.0.2.2",	 "203.0.113.7", "fd00::1",   "fd00::2",	    "fd00::3",	"fd00::4",
		"fd00:0:0:1::1", "fd00:1::1",	"fd00:1::2", "2001:db8::1", "::1",	"fe80::1",
	};
	static const char *prefixes[GENE_PREFIXES] = {
		"0.0.0.0/0",   "::/0",	      "10.0.0.0/8",  "10.0.0.0/16", "10.0.0.0/24",
		"10.0.1.0/24", "10.0.0.2/31", "10.0.0.3/32", "10.1.0.0/16", "192.0.2.0/24",
		"fd00::/16",   "fd00::/64",   "fd00::2/127", "fd00:1::/64",
	};

	for (int i = 0; i < GENE_ADDRS; i++)
		assert(!warder_addr_parse(addrs[i], &gene_addrs[i]));
	qsort(gene_addrs, GENE_ADDRS, sizeof(*gene_addrs),
	      (int (*)(const void *, const void *))warder_addr_compare);
	for (int i = 0; i < GENE_PREFIXES; i++)
		assert(!warder_prefix_parse(prefixes[i], &gene_prefixes[i]));
	for (int i = 0; i < GENE_IDENTITIES; i++)
		snprintf(gene_names[i], sizeof(gene_names[i]), "account-%d", i);
}

static void gene_entry(struct random *random, const struct gene *gene, struct gene_entry *entry)
{
	entry->class = draw(random, gene->n_classes);
	entry->cidr_class = draw(random, 3) ? entry->class : draw(random, gene->n_classes);
	entry->identity = draw(random, GENE_IDENTITIES + 1);
	entry->flags = draw(random, 4) ? WARDER_PEER_POD : draw(random, 16);
}

static void gene_ports(struct random *random, struct gene *gene)
{
	for (int p = 0; p < WARDER_PROTOCOLS; p++) {
		static const __u16 edges[] = {1, 22, 53, 80, 81, 443, 8080, 8083, 65535};
		struct warder_matrix_port_range *ranges = gene->ranges[p];
		__u32 n = 0, first = 0;

		for (size_t i = 0; i <= sizeof(edges) / sizeof(*edges); i++) {
			bool end = i == sizeof(edges) / sizeof(*edges);

			if (!end && draw(random, 2))
				continue;
			ranges[n++] = (struct warder_matrix_port_range){
				.first = first,
				.last = end ? 65535 : edges[i] - 1,
				.class = WARDER_PORT_FIRST +
					 draw(random, gene->n_port_classes - WARDER_PORT_FIRST),
			};
			first = end ? 0 : edges[i];
		}
		gene->n_ranges[p] = n;
	}
}

static void gene_bitmap(struct random *random, struct gene *gene, __u32 b)
{
	gene->bitmaps[b] = (__u64)draw(random, 1 << 16) & ((1ULL << gene->n_port_classes) - 1);
}

static void gene_cell(struct random *random, struct gene *gene, __u8 cell[2])
{
	cell[0] = draw(random, gene->n_bitmaps);
	cell[1] = draw(random, 3) ? cell[0] : draw(random, gene->n_bitmaps);
}

static void gene_endpoint(struct random *random, struct gene *gene, int e)
{
	static const __u16 flags[] = {WARDER_SLOT_AUDIT, WARDER_SLOT_HOLD, WARDER_SLOT_NO_CONNECT,
				      WARDER_SLOT_JUDGE_HOST};
	struct gene_endpoint *endpoint = &gene->endpoints[e];

	/* One statement each: in an initializer the order of draws would be the compiler's. */
	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->present = draw(random, 4) != 0;
	endpoint->known = draw(random, 8) != 0;
	endpoint->isolated[0] = draw(random, 2);
	endpoint->isolated[1] = draw(random, 2);
	endpoint->group = draw(random, gene->n_groups);
	endpoint->identity = 1 + draw(random, GENE_IDENTITIES);
	endpoint->n_links = 1;
	if (!draw(random, 4))
		endpoint->n_links = draw(random, GENE_LINKS + 1);
	endpoint->mac = draw(random, 2);
	endpoint->n_addrs = 1 + draw(random, 4);
	if (!draw(random, 6))
		endpoint->prefix = 1 + draw(random, GENE_PREFIXES);
	endpoint->link_of = e;
	endpoint->far_link = !draw(random, 8);
	if (draw(random, 5))
		endpoint->cgroup = 1000 + e * 2 + draw(random, 2);
	if (draw(random, 3))
		endpoint->netns = 2000 + e;
	for (int i = 0; i < 4; i++)
		endpoint->addr[i] = draw(random, GENE_ADDRS);
	for (int i = 0; i < 4; i++)
		if (!draw(random, 6))
			endpoint->flags |= flags[i];
}

void gene_new(struct random *random, struct gene *gene)
{
	memset(gene, 0, sizeof(*gene));
	gene->n_classes = 1 + draw(random, GENE_CLASSES);
	gene->n_groups = 1 + draw(random, GENE_GROUPS);
	gene->n_bitmaps = 2 + draw(random, GENE_BITMAPS - 1);
	gene->n_port_classes = WARDER_PORT_FIRST + 1 + draw(random, GENE_PORTS);
	gene->bitmaps[WARDER_BITMAP_ALL] = ~0ULL;
	for (__u32 b = WARDER_BITMAP_FIRST; b < gene->n_bitmaps; b++)
		gene_bitmap(random, gene, b);
	for (int i = 0; i < GENE_ADDRS; i++) {
		gene_entry(random, gene, &gene->peers[i]);
		gene->peers[i].present = draw(random, 3) != 0;
	}
	for (int i = 0; i < GENE_PREFIXES; i++) {
		gene_entry(random, gene, &gene->prefixes[i]);
		gene->prefixes[i].present = i < 2 || draw(random, 2);
		gene->prefixes[i].identity = 0;
	}
	gene_ports(random, gene);
	for (int d = 0; d < 2; d++)
		for (int g = 0; g < GENE_GROUPS; g++)
			for (int c = 0; c < GENE_CLASSES; c++)
				gene_cell(random, gene, gene->cells[d][g][c]);
	for (int e = 0; e < GENE_ENDPOINTS; e++)
		gene_endpoint(random, gene, e);
	for (int i = 0; i < GENE_FRONTENDS; i++)
		gene->frontends[i] = draw(random, 2);
	for (int i = 0; i < GENE_FRONTENDS; i++)
		gene->frontend_classes[i] = draw(random, 8);
}

/* The same meaning under other compiled numbers. */
static void gene_renumber(struct random *random, struct gene *gene)
{
	struct gene before = *gene;
	__u8 to[GENE_CLASSES];

	for (__u32 c = 0; c < gene->n_classes; c++)
		to[c] = c;
	for (__u32 c = gene->n_classes - 1; c > 0; c--) {
		__u32 other = draw(random, c + 1);
		__u8 swap = to[c];

		to[c] = to[other];
		to[other] = swap;
	}
	for (__u32 c = 0; c < gene->n_classes; c++)
		for (int d = 0; d < 2; d++)
			for (int g = 0; g < GENE_GROUPS; g++)
				memcpy(gene->cells[d][g][to[c]], before.cells[d][g][c], 2);
	for (int i = 0; i < GENE_ADDRS; i++) {
		gene->peers[i].class = to[before.peers[i].class];
		gene->peers[i].cidr_class = to[before.peers[i].cidr_class];
	}
	for (int i = 0; i < GENE_PREFIXES; i++) {
		gene->prefixes[i].class = to[before.prefixes[i].class];
		gene->prefixes[i].cidr_class = to[before.prefixes[i].cidr_class];
	}
}

void gene_change(struct random *random, struct gene *gene)
{
	__u32 i, d, g, c;

	switch (draw(random, 12)) {
	case 0:
	case 1:
		gene_entry(random, gene, &gene->peers[draw(random, GENE_ADDRS)]);
		break;
	case 2:
		i = draw(random, GENE_ADDRS);
		gene->peers[i].present = !gene->peers[i].present;
		break;
	case 3:
		i = 2 + draw(random, GENE_PREFIXES - 2);
		gene->prefixes[i].present = !gene->prefixes[i].present;
		break;
	case 4:
		gene_entry(random, gene, &gene->prefixes[draw(random, GENE_PREFIXES)]);
		break;
	case 5:
		d = draw(random, 2);
		g = draw(random, gene->n_groups);
		c = draw(random, gene->n_classes);
		gene_cell(random, gene, gene->cells[d][g][c]);
		break;
	case 6:
		gene->endpoints[draw(random, GENE_ENDPOINTS)].group = draw(random, gene->n_groups);
		break;
	case 7:
		gene_endpoint(random, gene, draw(random, GENE_ENDPOINTS));
		break;
	case 8:
		gene_ports(random, gene);
		break;
	case 9:
		if (gene->n_bitmaps > WARDER_BITMAP_FIRST)
			gene_bitmap(random, gene,
				    WARDER_BITMAP_FIRST +
					    draw(random, gene->n_bitmaps - WARDER_BITMAP_FIRST));
		break;
	case 10:
		gene_renumber(random, gene);
		break;
	case 11:
		i = draw(random, GENE_ENDPOINTS);
		if (draw(random, 2))
			gene->endpoints[i].flags ^=
				1 << draw(random, 4); /* LIVE, HOLD, AUDIT, OPAQUE */
		else
			gene->endpoints[i].link_of = draw(random, GENE_ENDPOINTS);
		gene->endpoints[i].flags &= ~WARDER_SLOT_LIVE;
		gene->frontends[draw(random, GENE_FRONTENDS)] ^= 1;
		gene->frontend_classes[draw(random, GENE_FRONTENDS)] = draw(random, 8);
		break;
	}
}

__u32 gene_ifindex(const struct gene *gene, int e, int l)
{
	return 10 + gene->endpoints[e].link_of * GENE_LINKS + l +
	       (gene->endpoints[e].far_link ? 65536 : 0);
}

void gene_link(const struct gene *gene, int e, int l, struct warder_link *ret)
{
	*ret = (struct warder_link){
		.ifindex = gene_ifindex(gene, e, l),
		.netnsid = e,
		.mac = {2, 0, 0, 0, e, gene->endpoints[e].mac},
	};
}

static __u32 gene_identity(const struct gene_entry *entry)
{
	return entry->identity ? WARDER_IDENTITY_FIRST + entry->identity - 1
			       : WARDER_IDENTITY_WORLD;
}

static void gene_express_endpoints(struct gene *gene, struct gene_state *state)
{
	for (int e = 0; e < GENE_ENDPOINTS; e++) {
		const struct gene_endpoint *from = &gene->endpoints[e];
		size_t n = state->n_endpoints;
		struct warder_plan_endpoint *to = &state->endpoints[n];

		if (!from->present)
			continue;
		state->owner[n] = e;
		state->compiled[n] = (struct warder_matrix_endpoint){
			.identity = WARDER_IDENTITY_FIRST + from->identity - 1,
			.group = from->group,
			.isolated = {from->isolated[0], from->isolated[1]},
		};
		for (int i = 0; i < from->n_addrs; i++)
			state->addrs[n][i] = gene_addrs[from->addr[i]];
		for (int l = 0; l < from->n_links; l++)
			gene_link(gene, e, l, &state->links[n][l]);
		*to = (struct warder_plan_endpoint){
			.endpoint = from->known ? &state->compiled[n] : NULL,
			.uid = {0xaa, e},
			.cgroup = from->cgroup,
			.netns = from->netns,
			.flags = from->flags,
			.addrs = state->addrs[n],
			.n_addrs = from->n_addrs,
			.prefixes = from->prefix ? &gene_prefixes[from->prefix - 1] : NULL,
			.n_prefixes = from->prefix != 0,
			.links = state->links[n],
			.n_links = from->n_links,
		};
		state->n_endpoints++;
	}
}

void gene_express(struct gene *gene, struct gene_state *state)
{
	struct warder_matrix *matrix = &state->matrix;

	memset(state, 0, sizeof(*state));
	for (int i = 0; i < GENE_IDENTITIES; i++)
		state->identities[i] = (struct warder_matrix_identity){"ns", gene_names[i]};
	for (int i = 0; i < GENE_ADDRS; i++)
		if (gene->peers[i].present)
			state->peers[matrix->n_peers++] = (struct warder_matrix_peer){
				.addr = gene_addrs[i],
				.identity = gene_identity(&gene->peers[i]),
				.class = gene->peers[i].class,
				.cidr_class = gene->peers[i].cidr_class,
				.flags = gene->peers[i].flags,
			};
	for (int i = 0; i < GENE_PREFIXES; i++)
		if (gene->prefixes[i].present)
			state->prefixes[matrix->n_prefixes++] = (struct warder_matrix_prefix){
				.prefix = gene_prefixes[i],
				.identity = gene_identity(&gene->prefixes[i]),
				.class = gene->prefixes[i].class,
				.cidr_class = gene->prefixes[i].cidr_class,
			};
	for (int i = 0; i < GENE_FRONTENDS; i++)
		if (gene->frontends[i])
			state->frontends[matrix->n_frontends++] = (struct warder_matrix_frontend){
				.addr = gene_addrs[i],
				.port = 80 + i,
				.protocol = 6,
				.class = gene->frontend_classes[i] % gene->n_classes,
			};
	for (__u32 d = 0; d < 2; d++)
		for (__u32 g = 0; g < gene->n_groups; g++)
			for (__u32 c = 0; c < gene->n_classes; c++)
				state->cells[(d * gene->n_groups + g) * gene->n_classes + c] =
					(struct warder_cell){.enforced = gene->cells[d][g][c][0],
							     .audited = gene->cells[d][g][c][1]};
	gene_express_endpoints(gene, state);
	matrix->identities = state->identities;
	matrix->n_identities = GENE_IDENTITIES;
	matrix->peers = state->peers;
	matrix->prefixes = state->prefixes;
	matrix->frontends = state->frontends;
	matrix->cells = state->cells;
	matrix->bitmaps = gene->bitmaps;
	matrix->n_classes = gene->n_classes;
	matrix->n_groups = gene->n_groups;
	matrix->n_bitmaps = gene->n_bitmaps;
	matrix->n_port_classes = gene->n_port_classes;
	matrix->words = GENE_WORDS;
	for (int p = 0; p < WARDER_PROTOCOLS; p++) {
		matrix->ports[p] = gene->ranges[p];
		matrix->n_ports[p] = gene->n_ranges[p];
	}
}

int gene_verdict(const struct gene *gene, int e, int direction, const struct warder_addr *addr,
		 bool address_only, __u8 protocol, __u16 port)
{
	const struct gene_entry *entry = NULL;
	const __u8 *cell;
	__u16 class = WARDER_PORT_OTHER;
	int p = protocol == 6	  ? WARDER_TCP
		: protocol == 17  ? WARDER_UDP
		: protocol == 132 ? WARDER_SCTP
				  : -1;
	int bits = -1;

	for (int i = 0; i < GENE_ADDRS && !entry; i++)
		if (gene->peers[i].present && !warder_addr_compare(&gene_addrs[i], addr))
			entry = &gene->peers[i];
	for (int i = 0; i < GENE_PREFIXES && (!entry || bits >= 0); i++)
		if (gene->prefixes[i].present && warder_prefix_has(&gene_prefixes[i], addr) &&
		    gene_prefixes[i].bits > bits) {
			entry = &gene->prefixes[i];
			bits = gene_prefixes[i].bits;
		}
	for (__u32 i = 0; p >= 0 && i < gene->n_ranges[p]; i++)
		if (gene->ranges[p][i].first <= port && port <= gene->ranges[p][i].last)
			class = gene->ranges[p][i].class;
	cell = gene->cells[direction][gene->endpoints[e].group]
			  [address_only ? entry->cidr_class : entry->class];
	return (gene->bitmaps[cell[0]] >> class & 1) | (gene->bitmaps[cell[1]] >> class & 1) << 1;
}
