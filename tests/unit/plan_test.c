/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans on random states.  After every write of every plan each verdict is its old one or its new
 * one; so is what a program sees that took the endpoint's word, the peer's class or the port's class
 * at any moment since it could last have begun.  Agents die in the middle of plans, maps are too
 * small and grow, ids and slots are used again.
 * PLAN_WORLDS=N plays N states, PLAN_SEED=S only that of seed S, with PLAN_LATE=N late programs a write.
 */
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "datapath/mirror_state.h"
#include "random_matrix.h"

#define PLANS  25 /* in a row, of each random state */
#define LINKS  (GENE_ENDPOINTS * GENE_LINKS)
#define FIRST  10 /* the lowest ifindex */
#define ADDRS  (GENE_ADDRS + 4)
#define PORTS  6
#define SEEN   8
#define NOBODY (-1)
#define BROKEN 9

static const struct {
	__u8 protocol;
	__u16 port;
} ports[PORTS] = {{6, 80}, {6, 443}, {6, 65535}, {17, 53}, {132, 8080}, {1, 8}};

typedef signed char verdicts[LINKS][2][ADDRS][2][PORTS];

/*
 * What programs that still run may have read, with when it was first and last there.  They read the
 * endpoint's word first, then the address, and where that is not found its prefix.
 */
struct span {
	unsigned first, last;
};

struct seen {
	__u16 slots[LINKS][SEEN];
	struct span slot_spans[LINKS][SEEN];
	struct warder_slot_word words[LINKS][SEEN];
	struct span word_spans[LINKS][SEEN];
	struct warder_peer exact[ADDRS][SEEN], prefix[ADDRS][SEEN];
	struct span exact_spans[ADDRS][SEEN], prefix_spans[ADDRS][SEEN], missing[ADDRS];
	__u16 classes[PORTS][SEEN];
	struct span class_spans[PORTS][SEEN];
	__u32 n_slots[LINKS], n_words[LINKS], n_exact[ADDRS], n_prefix[ADDRS], n_classes[PORTS];
	unsigned short allowed[LINKS][2][ADDRS][2][PORTS]; /* bit: verdict + 1 */
};

/* Ids that something named since the last grace period. */
struct names {
	bool groups[256], classes[512], ports[256], bitmaps[1024];
};

struct play {
	struct random random;
	__u64 seed, clock;
	struct warder_mirror *mirror;
	struct warder_planner *planner;
	struct gene now, next;
	struct gene_state state;
	struct warder_addr addrs[ADDRS];
	verdicts old, want, seen_now;
	bool audit_old[LINKS], audit_want[LINKS]; /* everything passes */
	bool loose[LINKS];			  /* may be without a slot for a moment */
	struct seen seen;
	struct names before, ever;
	unsigned plans, writes, settles, crashes, grown, rested, failures;
};

static void fail(struct play *play, const char *what, long a, long b, long c)
{
	if (!play->failures++)
		printf("seed %llu plan %u: %s (%ld %ld %ld)\n", play->seed, play->plans, what, a, b,
		       c);
}

static __u32 link_index(int l)
{
	return FIRST + l;
}

static __u16 link_slot(const struct play *play, int l)
{
	const struct warder_link *link = &play->mirror->links[link_index(l)];

	return link->ifindex ? link->slot : 0;
}

static int look(const struct play *play, int l, int d, int a, int only, int p)
{
	__u16 slot = link_slot(play, l);
	int verdict;

	if (!slot)
		return NOBODY;
	verdict = warder_mirror_verdict(play->mirror, slot, d, &play->addrs[a], only,
					ports[p].protocol, ports[p].port);
	return verdict < 0 ? BROKEN : verdict;
}

#define for_each_probe(l, d, a, only, p)                                                           \
	for (int d = 0; d < 2; d++)                                                                \
		for (int a = 0; a < ADDRS; a++)                                                    \
			for (int only = 0; only < 2; only++)                                       \
				for (int p = 0; p < PORTS; p++)

static void look_at_all(const struct play *play, verdicts ret)
{
	for (int l = 0; l < LINKS; l++)
		for_each_probe(l, d, a, only, p) ret[l][d][a][only][p] =
			look(play, l, d, a, only, p);
}

/* Which endpoint of the gene a link belongs to: the first that claims its place. */
static int owner_of(const struct play *play, int l, int *ret_link)
{
	for (int e = 0; e < GENE_ENDPOINTS; e++)
		for (int i = 0;
		     play->next.endpoints[e].present && i < play->next.endpoints[e].n_links; i++)
			if (gene_ifindex(&play->next, e, i) % 65536 == link_index(l)) {
				*ret_link = i;
				return e;
			}
	return -1;
}

static void expect(struct play *play)
{
	for (int l = 0; l < LINKS; l++) {
		const struct warder_link *now = &play->mirror->links[link_index(l)];
		const struct gene_endpoint *endpoint;
		struct warder_link link;
		__u8 uid[16] = {0xaa};
		int i = 0, e = owner_of(play, l, &i);

		play->audit_want[l] = false;
		for_each_probe(l, d, a, only, p) play->want[l][d][a][only][p] = NOBODY;
		play->loose[l] = true;
		if (e < 0)
			continue;
		endpoint = &play->next.endpoints[e];
		gene_link(&play->next, e, i, &link);
		uid[1] = e;
		play->loose[l] = !now->word || link.ifindex != now->ifindex ||
				 link.netnsid != now->netnsid || memcmp(link.mac, now->mac, 6) ||
				 memcmp(play->mirror->slots[now->slot].uid, uid, 16);
		play->audit_want[l] = endpoint->flags & WARDER_SLOT_AUDIT;
		for_each_probe(l, d, a, only, p) play->want[l][d][a][only][p] =
			!endpoint->known || endpoint->flags & WARDER_SLOT_HOLD
				? 0
				: gene_verdict(&play->next, e, d, &play->addrs[a], only,
					       ports[p].protocol, ports[p].port);
	}
}

static bool passes(int verdict, bool audit)
{
	return verdict != NOBODY && (audit || verdict & 1);
}

static void check_links(struct play *play, size_t at)
{
	for (int l = 0; l < LINKS; l++) {
		__u16 slot = link_slot(play, l);
		bool audit = slot && play->mirror->slots[slot].now.flags & WARDER_SLOT_AUDIT;

		if (!slot && play->loose[l])
			continue;
		for_each_probe(l, d, a, only, p)
		{
			int now = look(play, l, d, a, only, p), old = play->old[l][d][a][only][p];
			int want = play->want[l][d][a][only][p];

			if (now != old && now != want)
				fail(play, "a third verdict", l * 1000 + a * 10 + p,
				     now * 100 + old * 10 + want, at);
			else if (!play->loose[l] &&
				 passes(now, audit) != passes(old, play->audit_old[l]) &&
				 passes(now, audit) != passes(want, play->audit_want[l]))
				fail(play, "a third answer", l, a, at);
		}
	}
}

#define remember(list, spans, n, value, now)                                                       \
	do {                                                                                       \
		__u32 k_ = 0;                                                                      \
		while (k_ < (n) && memcmp(&(list)[k_], &(value), sizeof(*(list))))                 \
			k_++;                                                                      \
		if (k_ < SEEN) {                                                                   \
			if (k_ == (n))                                                             \
				(spans)[(n)++].first = (now);                                      \
			(list)[k_] = (value);                                                      \
			(spans)[k_].last = (now);                                                  \
		}                                                                                  \
	} while (0)

static __u16 port_class(const struct play *play, int p)
{
	static const int index[] = {[6] = WARDER_TCP, [17] = WARDER_UDP, [132] = WARDER_SCTP};

	if (ports[p].protocol == 1)
		return WARDER_PORT_OTHER;
	return play->mirror->ports[index[ports[p].protocol] * 16384 + ports[p].port / 4]
		.class[ports[p].port % 4];
}

static void remember_peer(struct play *play, int a)
{
	struct seen *seen = &play->seen;
	struct mirror_key key;
	const struct warder_peer *exact, *prefix = mirror_match(play->mirror, &play->addrs[a], 128);

	mirror_key_peer(&play->addrs[a], &key);
	exact = warder_mirror_get(play->mirror, key.table, key.bytes);
	if (exact) {
		remember(seen->exact[a], seen->exact_spans[a], seen->n_exact[a], *exact,
			 play->writes);
	} else {
		if (!seen->missing[a].last)
			seen->missing[a].first = play->writes;
		seen->missing[a].last = play->writes;
	}
	if (prefix)
		remember(seen->prefix[a], seen->prefix_spans[a], seen->n_prefix[a], *prefix,
			 play->writes);
}

static void remember_all(struct play *play)
{
	struct seen *seen = &play->seen;

	for (int l = 0; l < LINKS; l++) {
		__u16 slot = link_slot(play, l);

		if (!slot)
			continue;
		remember(seen->slots[l], seen->slot_spans[l], seen->n_slots[l], slot, play->writes);
		remember(seen->words[l], seen->word_spans[l], seen->n_words[l],
			 play->mirror->slots[slot].now, play->writes);
	}
	for (int a = 0; a < ADDRS; a++)
		remember_peer(play, a);
	for (int p = 0; p < PORTS; p++) {
		__u16 class = port_class(play, p);

		remember(seen->classes[p], seen->class_spans[p], seen->n_classes[p], class,
			 play->writes);
	}
}

/* Every program that ran has ended: only what is there now can be held. */
static void forget(struct play *play)
{
	memset(&play->seen, 0, sizeof(play->seen));
	remember_all(play);
}

static void allow(struct play *play)
{
	for (int l = 0; l < LINKS; l++) {
		if (play->loose[l])
			play->seen.n_words[l] = play->seen.n_slots[l] = 0;
		for_each_probe(l, d, a, only, p) play->seen.allowed[l][d][a][only][p] |=
			1 << (play->old[l][d][a][only][p] + 1) |
			1 << (play->want[l][d][a][only][p] + 1);
	}
}

/* Which peer a program may have found that read the endpoint's word at `since`. */
static bool find_late(struct play *play, int a, unsigned since, struct warder_peer *ret)
{
	const struct seen *seen = &play->seen;
	unsigned missed = since > seen->missing[a].first ? since : seen->missing[a].first;
	__u32 k;

	if (draw(&play->random, 2) && seen->n_exact[a]) {
		k = draw(&play->random, seen->n_exact[a]);
		*ret = seen->exact[a][k];
		return seen->exact_spans[a][k].last >= since;
	}
	if (!seen->n_prefix[a] || !seen->missing[a].last || seen->missing[a].last < since)
		return false;
	k = draw(&play->random, seen->n_prefix[a]);
	*ret = seen->prefix[a][k];
	return seen->prefix_spans[a][k].last >= missed;
}

/* A program that holds one thing of each kind which it may have read. */
static void run_late_program(struct play *play, size_t at)
{
	const struct warder_shape *shape = &play->mirror->shape;
	struct seen *seen = &play->seen;
	int l = draw(&play->random, LINKS), a = draw(&play->random, ADDRS),
	    p = draw(&play->random, PORTS);
	int d = draw(&play->random, 2), only = draw(&play->random, 2), verdict = 0;
	struct warder_slot_word word;
	struct warder_peer peer;
	struct warder_cell cell;
	unsigned since;
	__u32 w, c;
	__u16 class;

	if (play->loose[l] || !seen->n_words[l])
		return;
	w = draw(&play->random, seen->n_words[l]);
	c = draw(&play->random, seen->n_classes[p]);
	word = seen->words[l][w];
	since = seen->word_spans[l][w].first;
	if (!draw(&play->random, 4)) { /* one that has read the link alone */
		word = play->mirror->slots[seen->slots[l][draw(&play->random, seen->n_slots[l])]]
			       .now;
		since = play->writes;
	}
	class = seen->classes[p][c];
	if (seen->class_spans[p][c].last < since || !find_late(play, a, since, &peer))
		return;
	cell = play->mirror->cells[mirror_row(shape, d, word.group) +
				   (only ? peer.cidr_class : peer.class)];
	/* A slot that is not live lets nothing pass. */
	if (word.flags & WARDER_SLOT_LIVE && !(word.flags & WARDER_SLOT_HOLD))
		verdict = (play->mirror->bitmaps[cell.enforced * shape->words + class / 64] >>
				   (class % 64) &
			   1) |
			  (play->mirror->bitmaps[cell.audited * shape->words + class / 64] >>
				   (class % 64) &
			   1) << 1;
	if (!(seen->allowed[l][d][a][only][p] & 1 << (verdict + 1)))
		fail(play, "a third verdict for a program that began before", l * 1000 + a * 10 + p,
		     verdict, at);
}

static void name_cells(const struct play *play, const bool *rows, struct names *names)
{
	const struct warder_shape *shape = &play->mirror->shape;

	for (int d = 0; d < 2; d++)
		for (__u32 g = 0; g < shape->groups; g++)
			for (__u32 c = 0; rows[g] && c < shape->classes; c++) {
				struct warder_cell cell =
					play->mirror->cells[mirror_row(shape, d, g) + c];

				if (names->classes[c])
					names->bitmaps[cell.enforced] =
						names->bitmaps[cell.audited] = true;
			}
}

static int name_peer(void *data, const void *key, const void *value)
{
	struct names *names = data;
	const struct warder_peer *peer = value;

	names->classes[peer->class] = names->classes[peer->cidr_class] = true;
	return 0;
}

/* A held slot keeps what it names, and reads none of it. */
static void name_all(const struct play *play, bool held, struct names *names)
{
	static const enum warder_table tables[] = {WARDER_TABLE_PEER4, WARDER_TABLE_PEER6,
						   WARDER_TABLE_CIDR4, WARDER_TABLE_CIDR6};
	bool rows[256] = {false};

	memset(names, 0, sizeof(*names));
	for (__u32 s = 1; s < play->mirror->shape.slots; s++) {
		const struct warder_slot *slot = &play->mirror->slots[s];
		bool known;

		if (!(slot->now.flags & WARDER_SLOT_LIVE) ||
		    (!held && slot->now.flags & WARDER_SLOT_HOLD))
			continue;
		/* A held pod that nobody knows, or knows any more, reads no row. */
		known = slot->identity && play->next.endpoints[slot->uid[1]].known;
		if (known)
			names->groups[slot->now.group] = true;
		if (known || !(slot->now.flags & WARDER_SLOT_HOLD))
			rows[slot->now.group] = true;
	}
	for (int t = 0; t < 4; t++)
		warder_mirror_each(play->mirror, tables[t], name_peer, names);
	for (__u32 i = 0; i < WARDER_PORT_WORDS; i++)
		for (int k = 0; k < 4; k++)
			names->ports[play->mirror->ports[i].class[k]] = true;
	name_cells(play, rows, names);
	/* These always mean the same. */
	names->bitmaps[WARDER_BITMAP_NONE] = names->bitmaps[WARDER_BITMAP_ALL] = false;
	memset(names->ports, 0, WARDER_PORT_FIRST);
}

/* Ids that are named now, were not when the plan began, but were since the last grace period. */
static void check_reuse(struct play *play)
{
	struct names now;
	const bool *n = (bool *)&now, *before = (bool *)&play->before;
	bool *ever = (bool *)&play->ever;

	name_all(play, false, &now);
	for (size_t i = 0; i < sizeof(now); i++) {
		if (n[i] && !before[i] && ever[i])
			fail(play, "an id was used again before its grace period", i, 0, 0);
		ever[i] |= n[i];
	}
	name_all(play, true, &play->before);
}

static void grace(struct play *play)
{
	warder_plan_grace(play->planner);
	name_all(play, true, &play->before);
	name_all(play, false, &play->ever);
	forget(play);
	play->rested++;
}

static int restart(struct play *play)
{
	warder_planner_free(play->planner);
	play->planner = warder_planner_new(play->mirror);
	warder_plan_clock(play->planner, play->clock);
	name_all(play, true, &play->before);
	name_all(play, false, &play->ever);
	forget(play);
	return play->planner ? 0 : -ENOMEM;
}

static int grow(struct play *play, const struct warder_shape *need)
{
	struct warder_mirror *grown = warder_mirror_grown(play->mirror, need);

	if (!grown)
		return -ENOMEM;
	warder_mirror_free(play->mirror);
	play->mirror = grown;
	play->grown++;
	look_at_all(play, play->seen_now);
	if (memcmp(play->seen_now, play->old, sizeof(play->old)))
		fail(play, "growing changed a verdict", 0, 0, 0);
	return restart(play);
}

static int make(struct play *play, struct warder_plan *plan)
{
	struct warder_error error = {""};

	for (int tries = 0; tries < 12; tries++) {
		struct warder_shape shape = play->mirror->shape;
		int r = warder_plan_make(play->planner, &play->state.matrix, play->state.endpoints,
					 play->state.n_endpoints, plan, &error);

		if (r == -EAGAIN) {
			grace(play);
		} else if (r == -ENOSPC) {
			if (!memcmp(&shape, &plan->need, sizeof(shape)))
				fail(play, "no space, and nothing needed", 0, 0, 0);
			if (grow(play, &plan->need))
				return -ENOMEM;
		} else {
			if (r)
				fail(play, error.text, r, 0, 0);
			return r;
		}
	}
	fail(play, error.text, 0, 0, 0);
	return -ENOSPC;
}

/* Of the many words of map `ports` only those of the probes can change an answer. */
static bool concerns(const struct warder_write *write)
{
	static const int protocols[] = {6, 17, 132};

	for (int p = 0; write->table == WARDER_TABLE_PORTS; p++) {
		__u32 index = *(const __u32 *)write->key;

		if (p == PORTS)
			return false;
		if (ports[p].protocol == protocols[index / 16384] &&
		    ports[p].port / 4 == index % 16384)
			return true;
	}
	return true;
}

/* Up to `stop` writes. */
/* After each write. */
static int late_programs = 100;

static void write_some(struct play *play, const struct warder_plan *plan, size_t stop)
{
	unsigned settle = 0;

	for (size_t i = 0; i < stop && !play->failures; i++) {
		int r;

		for (; settle < plan->n_settle && plan->settle[settle] == i; settle++) {
			play->settles++;
			forget(play);
			allow(play);
		}
		r = warder_mirror_apply(play->mirror, &plan->writes[i]);
		if (r)
			fail(play, "a write failed", plan->writes[i].table, r, i);
		play->writes++;
		if (!concerns(&plan->writes[i]))
			continue;
		check_links(play, i);
		if (play->failures)
			printf("write %zu of %zu: table %d key %u%s\n", i, plan->n_writes,
			       plan->writes[i].table, *(const __u32 *)plan->writes[i].key,
			       plan->writes[i].remove ? " removed" : "");
		remember_all(play);
		for (int k = 0; k < late_programs; k++)
			run_late_program(play, i);
	}
}

static int count_slot(void *data, const void *key, const void *value)
{
	const struct warder_slot *slot = value;

	*(int *)data += (slot->now.flags & WARDER_SLOT_LIVE) != 0;
	return 0;
}

static int count_entry(void *data, const void *key, const void *value)
{
	(*(int *)data)++;
	return 0;
}

static int count(const struct play *play, enum warder_table table)
{
	int n = 0;

	warder_mirror_each(play->mirror, table,
			   table == WARDER_TABLE_SLOTS ? count_slot : count_entry, &n);
	return n;
}

static void check_endpoint(struct play *play, size_t n)
{
	const struct warder_plan_endpoint *endpoint = &play->state.endpoints[n];
	const struct gene_endpoint *gene = &play->next.endpoints[play->state.owner[n]];
	__u16 number = warder_planner_slot(play->planner, endpoint->uid);
	const struct warder_slot *slot = &play->mirror->slots[number];
	const struct warder_cgroup *cgroup =
		warder_mirror_get(play->mirror, WARDER_TABLE_CGROUPS, &endpoint->cgroup);
	const struct warder_namespace *netns =
		warder_mirror_get(play->mirror, WARDER_TABLE_NAMESPACES, &endpoint->netns);
	const char *ns, *account;

	if (!number)
		fail(play, "an endpoint has no slot", n, 0, 0);
	if (gene->known && (warder_planner_identity(play->planner, slot->identity, &ns, &account) ||
			    strcmp(account, gene_names[gene->identity - 1])))
		fail(play, "an endpoint has another's identity", n, slot->identity, 0);
	if (!!(slot->now.flags & WARDER_SLOT_HOLD) !=
	    (!gene->known || gene->flags & WARDER_SLOT_HOLD))
		fail(play, "an endpoint is held or not", n, 0, 0);
	if (endpoint->cgroup &&
	    (!cgroup || cgroup->slot != number || cgroup->generation != slot->now.generation ||
	     !!(cgroup->flags & WARDER_CGROUP_DECIDES) != !endpoint->netns))
		fail(play, "a cgroup leads elsewhere", n, 0, 0);
	if (endpoint->netns &&
	    (!netns || netns->slot != number || netns->generation != slot->now.generation))
		fail(play, "a namespace leads elsewhere", n, 0, 0);
	for (int i = 0; i < gene->n_addrs; i++) {
		struct warder_own_key own = {
			.slot = number, .generation = slot->now.generation, .prefixlen = 64};
		const struct warder_addr *addr = &endpoint->addrs[i];
		bool found = false;

		for (int k = 0; k < WARDER_SLOT_ADDRS; k++)
			found |= warder_addr_is4(addr)
					 ? slot->addr4[k] == addr->w[3]
					 : !memcmp(&slot->addr6[k], addr, sizeof(*addr));
		own.family = warder_addr_is4(addr) ? 4 : 6;
		own.prefixlen += warder_addr_is4(addr) ? 32 : 128;
		if (warder_addr_is4(addr))
			own.addr.w[0] = addr->w[3];
		else
			own.addr = *addr;
		if (!found && !(slot->now.flags & WARDER_SLOT_MORE_ADDRS &&
				warder_mirror_get(play->mirror, WARDER_TABLE_OWN, &own)))
			fail(play, "an endpoint lost an address", n, i, 0);
	}
}

static void check_peers(struct play *play)
{
	const struct warder_matrix *matrix = &play->state.matrix;

	for (size_t i = 0; i < matrix->n_peers; i++) {
		struct mirror_key key;
		const struct warder_peer *peer;
		const char *ns, *account;
		__u32 identity = matrix->peers[i].identity;

		mirror_key_peer(&matrix->peers[i].addr, &key);
		peer = warder_mirror_get(play->mirror, key.table, key.bytes);
		if (!peer || peer->flags != matrix->peers[i].flags)
			fail(play, "a peer is missing or has other flags", i, 0, 0);
		else if (identity < WARDER_IDENTITY_FIRST
				 ? peer->identity != identity
				 : warder_planner_identity(play->planner, peer->identity, &ns,
							   &account) ||
					   strcmp(account,
						  gene_names[identity - WARDER_IDENTITY_FIRST]))
			fail(play, "a peer has another's identity", i, 0, 0);
		if (peer && peer->slot &&
		    !(play->mirror->slots[peer->slot].now.flags & WARDER_SLOT_LIVE))
			fail(play, "a peer belongs to a slot that is free", i, peer->slot, 0);
	}
}

/* Exactly what the state says, and nothing that it does not. */
static void check_end(struct play *play)
{
	const struct warder_matrix *matrix = &play->state.matrix;
	struct warder_plan again;
	int cgroups = 0, namespaces = 0;

	look_at_all(play, play->seen_now);
	if (memcmp(play->seen_now, play->want, sizeof(play->want)))
		fail(play, "not what was wanted", 0, 0, 0);
	for (size_t i = 0; i < play->state.n_endpoints; i++) {
		check_endpoint(play, i);
		cgroups += play->state.endpoints[i].cgroup != 0;
		namespaces += play->state.endpoints[i].netns != 0;
	}
	check_peers(play);
	if (count(play, WARDER_TABLE_SLOTS) != (int)play->state.n_endpoints ||
	    count(play, WARDER_TABLE_CGROUPS) != cgroups ||
	    count(play, WARDER_TABLE_NAMESPACES) != namespaces ||
	    count(play, WARDER_TABLE_PEER4) + count(play, WARDER_TABLE_PEER6) !=
		    (int)matrix->n_peers ||
	    count(play, WARDER_TABLE_CIDR4) + count(play, WARDER_TABLE_CIDR6) !=
		    (int)matrix->n_prefixes ||
	    count(play, WARDER_TABLE_FRONTENDS) != (int)matrix->n_frontends)
		fail(play, "something is left over", 0, 0, 0);
	if (make(play, &again) || again.n_writes)
		fail(play, "the same state again makes writes", again.n_writes,
		     again.n_writes ? again.writes[0].table : 0, 0);
	warder_plan_free(&again);
}

static void one_plan(struct play *play)
{
	struct warder_plan plan;
	size_t stop;

	gene_express(&play->next, &play->state);
	look_at_all(play, play->old);
	for (int l = 0; l < LINKS; l++)
		play->audit_old[l] =
			play->mirror->slots[link_slot(play, l)].now.flags & WARDER_SLOT_AUDIT;
	warder_plan_clock(play->planner, play->clock += draw(&play->random, 40));
	name_all(play, true, &play->before);
	if (make(play, &plan))
		return;
	expect(play);
	allow(play);
	stop = draw(&play->random, 5) ? plan.n_writes : draw(&play->random, plan.n_writes + 1);
	write_some(play, &plan, stop);
	check_reuse(play);
	if (stop < plan.n_writes) {
		play->crashes++;
		if (draw(&play->random, 3))
			restart(play); /* else the agent lives on and makes another plan */
	} else if (!play->failures) {
		warder_plan_done(play->planner);
		check_end(play);
	}
	warder_plan_free(&plan);
	play->now = play->next;
	play->plans++;
}

static void play_world(__u64 seed, unsigned plans, struct play *total)
{
	struct warder_shape shape = {.slots = 8,
				     .groups = 2,
				     .classes = 4,
				     .bitmaps = 4,
				     .words = 1,
				     .peers = 4,
				     .cidrs = 2,
				     .frontends = 1,
				     .identities = 2};
	struct play *play = calloc(1, sizeof(*play));

	play->random.state = play->seed = seed;
	play->mirror = warder_mirror_new(&shape);
	play->planner = warder_planner_new(play->mirror);
	memcpy(play->addrs, gene_addrs, sizeof(gene_addrs));
	warder_addr_parse("10.0.0.9", &play->addrs[GENE_ADDRS]);
	warder_addr_parse("10.0.1.9", &play->addrs[GENE_ADDRS + 1]);
	warder_addr_parse("8.8.8.8", &play->addrs[GENE_ADDRS + 2]);
	warder_addr_parse("fd00::9", &play->addrs[GENE_ADDRS + 3]);
	while (play->plans < plans && !play->failures) {
		if (!play->plans || !draw(&play->random, 8))
			gene_new(&play->random, &play->next);
		else
			for (__u32 n = 1 + draw(&play->random, 4); n; n--)
				gene_change(&play->random, &play->next);
		one_plan(play);
		if (draw(&play->random, 3))
			grace(play);
	}
	CU_ASSERT_EQUAL(play->failures, 0);
	total->plans += play->plans;
	total->writes += play->writes;
	total->settles += play->settles;
	total->crashes += play->crashes;
	total->grown += play->grown;
	total->rested += play->rested;
	warder_planner_free(play->planner);
	warder_mirror_free(play->mirror);
	free(play);
}

static void never_a_third_verdict(void)
{
	const char *seed = getenv("PLAN_SEED"), *worlds = getenv("PLAN_WORLDS");
	unsigned n = worlds ? atoi(worlds) : 40;
	static struct play total;

	gene_universe();
	if (getenv("PLAN_LATE"))
		late_programs = atoi(getenv("PLAN_LATE"));
	for (unsigned i = 0; i < (seed ? 1 : n); i++)
		play_world(seed ? strtoull(seed, NULL, 0) : 1000 + i, PLANS, &total);
	printf("%u plans, %u writes, %u waits, %u deaths in the middle, maps grown %u times, %u "
	       "grace periods\n",
	       total.plans, total.writes, total.settles, total.crashes, total.grown, total.rested);
}

static const struct suite_test tests[] = {
	{"never_a_third_verdict", never_a_third_verdict},
};

SUITE("plan", tests)
