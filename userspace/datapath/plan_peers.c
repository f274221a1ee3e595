/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and prefixes.  Each one of the old state or the new has a class that it means now (by
 * the old maps, the longest match included) and one that it shall mean; these pairs are what
 * plan_classes.c gives ids to.  Then each entry is written once, or twice where it must leave its
 * old class early.
 */
#include <stdlib.h>
#include <string.h>

#include "datapath/plan_state.h"

struct place {
	__u32 at;	   /* position in the mirror's table, RECORDS_NONE = not there */
	__u32 class, cidr; /* pieces */
};

struct gone { /* an entry that the new state does not have */
	enum warder_table table;
	struct place place;
};

struct plan_peers {
	struct place *peers, *prefixes; /* of those of the matrix */
	__u16 *slots;			/* of each peer of the matrix: who owns it */
	struct gone *gone;
	size_t n_gone;
	bool *seen[WARDER_TABLES]; /* of each position: the new state has it too */
	struct prefixes new4,
		new6; /* prefixes of the matrix, to their index; filled when first asked */
};

enum { WEIGHT_MOVE = 1, WEIGHT_NONE = 0 };

static void add_pieces(struct plan_work *work, struct place *place, const struct warder_peer *old,
		       __u32 class, __u32 cidr_class, __u32 weight)
{
	place->class = pieces_add(&work->classes, old ? old->class : PLAN_NONE, class, weight);
	place->cidr =
		pieces_add(&work->classes, old ? old->cidr_class : PLAN_NONE, cidr_class, weight);
	if (place->class == PLAN_NONE || place->cidr == PLAN_NONE)
		plan_fail(work, -ENOMEM);
}

static const struct warder_peer *old_value(const struct plan_work *work, enum warder_table table,
					   __u32 at)
{
	return at == RECORDS_NONE ? NULL : records_value(mirror_records(work->mirror, table), at);
}

static void collect_peers(struct plan_work *work)
{
	__u32 hint[WARDER_TABLES] = {0};

	for (size_t i = 0; i < work->matrix->n_peers; i++) {
		const struct warder_matrix_peer *peer = &work->matrix->peers[i];
		struct place *place = &work->peers->peers[i];
		const struct warder_peer *old;
		struct mirror_key key;

		mirror_key_peer(&peer->addr, &key);
		place->at = records_find_near(mirror_records(work->mirror, key.table), key.bytes,
					      hint[key.table]);
		if (place->at != RECORDS_NONE) {
			hint[key.table] = place->at + 1;
			work->peers->seen[key.table][place->at] = true;
			old = old_value(work, key.table, place->at);
			add_pieces(work, place, old, peer->class, peer->cidr_class, WEIGHT_MOVE);
		} else {
			old = mirror_match(work->mirror, &peer->addr, 128);
			add_pieces(work, place, old, peer->class, peer->cidr_class, WEIGHT_NONE);
		}
	}
}

static void collect_prefixes(struct plan_work *work)
{
	for (size_t i = 0; i < work->matrix->n_prefixes; i++) {
		const struct warder_matrix_prefix *prefix = &work->matrix->prefixes[i];
		struct place *place = &work->peers->prefixes[i];
		const struct warder_peer *old;
		struct mirror_key key;

		mirror_key_cidr(&prefix->prefix.addr, prefix->prefix.bits, &key);
		place->at = records_find(mirror_records(work->mirror, key.table), key.bytes);
		if (place->at != RECORDS_NONE) {
			work->peers->seen[key.table][place->at] = true;
			old = old_value(work, key.table, place->at);
			add_pieces(work, place, old, prefix->class, prefix->cidr_class,
				   WEIGHT_MOVE);
		} else {
			old = mirror_match(work->mirror, &prefix->prefix.addr, prefix->prefix.bits);
			add_pieces(work, place, old, prefix->class, prefix->cidr_class,
				   WEIGHT_NONE);
		}
	}
}

/* The tries of the new state. */
static int index_new(struct plan_work *work)
{
	struct plan_peers *peers = work->peers;

	if (peers->new4.records.count)
		return 0;
	for (__u32 i = 0; i < work->matrix->n_prefixes; i++) {
		const struct warder_prefix *prefix = &work->matrix->prefixes[i].prefix;
		struct mirror_key key;

		mirror_key_cidr(&prefix->addr, prefix->bits, &key);
		if (prefixes_put(key.table == WARDER_TABLE_CIDR4 ? &peers->new4 : &peers->new6,
				 key.bytes, &i))
			return plan_fail(work, -ENOMEM);
	}
	return 0;
}

/* What an entry of the mirror that goes is told by in the new state: an address or a whole prefix.
 */
static const struct warder_matrix_prefix *match_new(struct plan_work *work, enum warder_table table,
						    const void *entry)
{
	const struct prefixes *prefixes = &work->peers->new4;
	struct mirror_key key;
	__u32 at;

	if (table == WARDER_TABLE_PEER4) {
		memcpy(&key.cidr4.addr, entry, sizeof(key.cidr4.addr));
		key.cidr4.prefixlen = 32;
	} else if (table == WARDER_TABLE_PEER6) {
		memcpy(&key.cidr6.addr, entry, sizeof(key.cidr6.addr));
		key.cidr6.prefixlen = 128;
	} else {
		memcpy(key.bytes, entry, mirror_records(work->mirror, table)->key_size);
	}
	if (table == WARDER_TABLE_PEER6 || table == WARDER_TABLE_CIDR6)
		prefixes = &work->peers->new6;
	at = prefixes_match(prefixes, key.bytes);
	if (at == RECORDS_NONE)
		return NULL;
	return &work->matrix->prefixes[*(__u32 *)records_value(&prefixes->records, at)];
}

static void collect_gone(struct plan_work *work, enum warder_table table)
{
	const struct records *records = mirror_records(work->mirror, table);
	const bool *seen = work->peers->seen[table];

	for (__u32 i = 0; i < records->end && !work->status; i++) {
		struct gone gone = {.table = table, .place.at = i};
		const struct warder_matrix_prefix *to;

		if (!records->used[i] || seen[i] || index_new(work))
			continue;
		to = match_new(work, table, records_key(records, i));
		if (!to) {
			warder_error_set(work->error, -EINVAL,
					 "the compiled prefixes leave addresses out");
			plan_fail(work, -EINVAL);
			return;
		}
		add_pieces(work, &gone.place, records_value(records, i), to->class, to->cidr_class,
			   WEIGHT_NONE);
		work->peers->gone[work->peers->n_gone++] = gone;
	}
}

/* Owners of addresses: endpoints of this node that have a network namespace of their own. */
static void find_owners(struct plan_work *work)
{
	const struct warder_matrix *matrix = work->matrix;

	for (size_t e = 0; e < work->n_endpoints; e++) {
		const struct warder_plan_endpoint *endpoint = &work->endpoints[e];

		if (endpoint->flags & WARDER_SLOT_HOSTNET)
			continue;
		for (size_t a = 0; a < endpoint->n_addrs; a++) {
			size_t low = 0, high = matrix->n_peers;

			while (low < high) {
				size_t middle = (low + high) / 2;

				if (warder_addr_compare(&matrix->peers[middle].addr,
							&endpoint->addrs[a]) < 0)
					low = middle + 1;
				else
					high = middle;
			}
			if (low < matrix->n_peers && matrix->peers[low].flags & WARDER_PEER_POD &&
			    !warder_addr_compare(&matrix->peers[low].addr, &endpoint->addrs[a]))
				work->peers->slots[low] = work->homes[e].number;
		}
	}
}

static const enum warder_table tables[] = {WARDER_TABLE_PEER4, WARDER_TABLE_PEER6,
					   WARDER_TABLE_CIDR4, WARDER_TABLE_CIDR6};

int plan_peers_collect(struct plan_work *work)
{
	const struct warder_matrix *matrix = work->matrix;
	struct plan_peers *peers = work->peers = plan_scratch(work, 1, sizeof(*peers));
	size_t room = 0;

	if (!peers)
		return work->status;
	prefixes_init(&peers->new4, sizeof(struct warder_cidr4_key), sizeof(__u32));
	prefixes_init(&peers->new6, sizeof(struct warder_cidr6_key), sizeof(__u32));
	peers->peers = plan_scratch(work, matrix->n_peers + 1, sizeof(*peers->peers));
	peers->prefixes = plan_scratch(work, matrix->n_prefixes + 1, sizeof(*peers->prefixes));
	peers->slots = plan_scratch(work, matrix->n_peers + 1, sizeof(*peers->slots));
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		const struct records *records = mirror_records(work->mirror, tables[i]);

		peers->seen[tables[i]] = plan_scratch(work, records->end + 1, sizeof(bool));
		room += records->count;
	}
	peers->gone = plan_scratch(work, room + 1, sizeof(*peers->gone));
	if (!work->status &&
	    pieces_init(&work->classes, &work->scratch, work->shape.classes, matrix->n_classes))
		plan_fail(work, -ENOMEM);
	if (work->status)
		return work->status;
	collect_peers(work);
	collect_prefixes(work);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		collect_gone(work, tables[i]);
	if (!work->status)
		find_owners(work);
	return work->status;
}

void plan_peers_release(struct plan_work *work)
{
	if (!work->peers)
		return;
	prefixes_release(&work->peers->new4);
	prefixes_release(&work->peers->new6);
}

/* Steps of one kind of entry. */
struct steps {
	enum plan_step insert_early, move_early, insert, move;
};
static const struct steps peer_steps = {STEP_PEER_INSERT_EARLY, STEP_PEER_MOVE_EARLY,
					STEP_PEER_INSERT, STEP_PEER_MOVE};
static const struct steps cidr_steps = {STEP_CIDR_INSERT_EARLY, STEP_CIDR_MOVE_EARLY,
					STEP_CIDR_INSERT, STEP_CIDR_MOVE};

/* Field by field: a call for each of 100,000 entries would cost more than all else of it. */
static bool differ(const struct warder_peer *a, const struct warder_peer *b)
{
	return a->class != b->class || a->cidr_class != b->cidr_class ||
	       a->identity != b->identity || a->slot != b->slot || a->flags != b->flags ||
	       a->node != b->node;
}

/* Classes while cells are rewritten; what had no verdict has none to keep. */
static struct warder_peer early_value(const struct plan_work *work, const struct place *place,
				      const struct warder_peer *old)
{
	struct warder_peer early = *old;
	__u32 class = work->classes.piece[place->class].early,
	      cidr = work->classes.piece[place->cidr].early;

	if (class != PLAN_NONE)
		early.class = class;
	if (cidr != PLAN_NONE)
		early.cidr_class = cidr;
	return early;
}

static bool moves_early(const struct plan_work *work, const struct place *place,
			const struct warder_peer *old)
{
	struct warder_peer early = early_value(work, place, old);

	return differ(&early, old);
}

/* An entry that stays.  Flags change what is asked before the class is: one that is new is set
 * before cells change, one that goes is cleared after. */
static void write_kept(struct plan_work *work, const struct steps *steps,
		       const struct mirror_key *key, const struct place *place,
		       const struct warder_peer *old, const struct warder_peer *final)
{
	struct warder_peer early = early_value(work, place, old);

	early.flags |= final->flags;
	if (differ(&early, old)) {
		early.identity = final->identity;
		early.slot = final->slot;
		early.node = final->node;
		plan_put(work, steps->move_early, key->table, key->bytes, &early);
	}
	if (differ(&early, final))
		plan_put(work, steps->move, key->table, key->bytes, final);
}

/* Whether a new entry must be there before the cells of what tells of it until now change. */
static bool leaves_early(const struct plan_work *work, const struct place *place)
{
	const struct piece *class = &work->classes.piece[place->class];
	const struct piece *cidr = &work->classes.piece[place->cidr];

	return class->early != class->old || cidr->early != cidr->old;
}

static void write_new(struct plan_work *work, const struct steps *steps,
		      const struct mirror_key *key, const struct place *place, bool early_inserts,
		      const struct warder_peer *final)
{
	struct warder_peer early = early_value(work, place, final);

	if (!early_inserts && !leaves_early(work, place)) {
		plan_add(work, steps->insert, key->table, key->bytes, final);
		return;
	}
	plan_add(work, steps->insert_early, key->table, key->bytes, &early);
	if (differ(&early, final))
		plan_put(work, steps->move, key->table, key->bytes, final);
}

static __u32 identity_number(const struct plan_work *work, __u32 identity)
{
	return identity < WARDER_IDENTITY_FIRST ? identity
						: work->numbers[identity - WARDER_IDENTITY_FIRST];
}

static void write_peers(struct plan_work *work, bool early_inserts)
{
	for (size_t i = 0; i < work->matrix->n_peers; i++) {
		const struct warder_matrix_peer *peer = &work->matrix->peers[i];
		const struct place *place = &work->peers->peers[i];
		struct warder_peer final = {
			.identity = identity_number(work, peer->identity),
			.class = work->classes.piece[place->class].late,
			.cidr_class = work->classes.piece[place->cidr].late,
			.slot = work->peers->slots[i],
			.flags = peer->flags,
		};
		struct mirror_key key;

		mirror_key_peer(&peer->addr, &key);
		if (place->at != RECORDS_NONE)
			write_kept(work, &peer_steps, &key, place,
				   old_value(work, key.table, place->at), &final);
		else
			write_new(work, &peer_steps, &key, place, early_inserts, &final);
	}
}

static void write_prefix(struct plan_work *work, size_t i, bool early_inserts)
{
	const struct warder_matrix_prefix *prefix = &work->matrix->prefixes[i];
	const struct place *place = &work->peers->prefixes[i];
	struct warder_peer final = {
		.identity = identity_number(work, prefix->identity),
		.class = work->classes.piece[place->class].late,
		.cidr_class = work->classes.piece[place->cidr].late,
	};
	struct mirror_key key;

	mirror_key_cidr(&prefix->prefix.addr, prefix->prefix.bits, &key);
	if (place->at != RECORDS_NONE)
		write_kept(work, &cidr_steps, &key, place, old_value(work, key.table, place->at),
			   &final);
	else
		write_new(work, &cidr_steps, &key, place, early_inserts, &final);
}

struct by_bits {
	__u32 bits; /* those of IPv6 behind those of IPv4 */
	__u32 index;
};

static int compare_bits(const void *a, const void *b)
{
	const struct by_bits *x = a, *y = b;

	if (x->bits != y->bits)
		return x->bits < y->bits ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* A new prefix is written after all new ones inside it, so that it never speaks for them. */
static void write_prefixes(struct plan_work *work, bool early_inserts)
{
	struct by_bits *order = plan_scratch(work, work->matrix->n_prefixes + 1, sizeof(*order));
	size_t n = 0;

	for (__u32 i = 0; order && i < work->matrix->n_prefixes; i++) {
		const struct warder_prefix *prefix = &work->matrix->prefixes[i].prefix;
		bool is4 = prefix->bits >= 96 && warder_addr_is4(&prefix->addr);

		if (work->peers->prefixes[i].at != RECORDS_NONE)
			write_prefix(work, i, early_inserts);
		else
			order[n++] = (struct by_bits){256 * !is4 + 128 - prefix->bits, i};
	}
	if (n)
		qsort(order, n, sizeof(*order), compare_bits);
	for (size_t i = 0; i < n; i++)
		write_prefix(work, order[i].index, early_inserts);
}

/* A prefix that goes is deleted before those inside it, so that none falls back to it; addresses
 * last. */
static void write_gone(struct plan_work *work)
{
	struct plan_peers *peers = work->peers;
	struct by_bits *order = plan_scratch(work, peers->n_gone + 1, sizeof(*order));

	for (__u32 i = 0; order && i < peers->n_gone; i++) {
		const struct gone *gone = &peers->gone[i];
		const void *key =
			records_key(mirror_records(work->mirror, gone->table), gone->place.at);
		const struct warder_peer *old = old_value(work, gone->table, gone->place.at);
		struct warder_peer early = early_value(work, &gone->place, old);
		bool peer = gone->table == WARDER_TABLE_PEER4 || gone->table == WARDER_TABLE_PEER6;

		if (differ(&early, old))
			plan_put(work, peer ? STEP_PEER_MOVE_EARLY : STEP_CIDR_MOVE_EARLY,
				 gone->table, key, &early);
		order[i] = (struct by_bits){256 * gone->table, i};
		if (!peer)
			order[i].bits += *(const __u32 *)key;
	}
	if (order && peers->n_gone)
		qsort(order, peers->n_gone, sizeof(*order), compare_bits);
	for (size_t i = 0; order && i < peers->n_gone; i++) {
		const struct gone *gone = &peers->gone[order[i].index];
		bool peer = gone->table == WARDER_TABLE_PEER4 || gone->table == WARDER_TABLE_PEER6;

		plan_remove(work, peer ? STEP_PEER_DELETE : STEP_CIDR_DELETE, gone->table,
			    records_key(mirror_records(work->mirror, gone->table), gone->place.at));
	}
}

/* Where a prefix is written early, what is new inside it must be there before. */
static bool prefix_written_early(const struct plan_work *work)
{
	const struct plan_peers *peers = work->peers;

	for (size_t i = 0; i < work->matrix->n_prefixes; i++) {
		const struct place *place = &peers->prefixes[i];
		struct mirror_key key;

		if (place->at == RECORDS_NONE) {
			if (leaves_early(work, place))
				return true;
			continue;
		}
		mirror_key_cidr(&work->matrix->prefixes[i].prefix.addr,
				work->matrix->prefixes[i].prefix.bits, &key);
		if (moves_early(work, place, old_value(work, key.table, place->at)))
			return true;
	}
	for (size_t i = 0; i < peers->n_gone; i++)
		if ((peers->gone[i].table == WARDER_TABLE_CIDR4 ||
		     peers->gone[i].table == WARDER_TABLE_CIDR6) &&
		    moves_early(work, &peers->gone[i].place,
				old_value(work, peers->gone[i].table, peers->gone[i].place.at)))
			return true;
	return false;
}

void plan_peers_write(struct plan_work *work)
{
	bool early_inserts = prefix_written_early(work);

	write_peers(work, early_inserts);
	write_prefixes(work, early_inserts);
	write_gone(work);
}
