/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port classes: where ports of one class part, each part but the largest gets a fresh id whose bit
 * is first copied in every bitmap that a cell names; then the port words move to it.  In the end
 * the parts that the compiler does not tell apart have one id again.
 */
#include <string.h>

#include "datapath/plan_state.h"

#define SAME_FOUR 0x0001000100010001ULL

/* Calls back for stretches of ports of one pair, `n` ports of one word at a time (1 or 4). */
static void walk(struct plan_work *work, void (*each)(struct plan_work *work, __u32 word, __u32 at,
						      __u32 n, __u16 old, __u16 new))
{
	const struct warder_matrix *matrix = work->matrix;

	for (__u32 protocol = 0; protocol < WARDER_PROTOCOLS; protocol++) {
		const struct warder_matrix_port_range *range = matrix->ports[protocol];
		const struct warder_matrix_port_range *last = range + matrix->n_ports[protocol] - 1;

		for (__u32 port = 0; port < 65536 && range <= last;) {
			__u32 index = protocol * 16384 + (port >> 2);
			const struct warder_port_word *word = &work->mirror->ports[index];
			__u16 old = word->class[port & 3];
			__u32 n = 1;

			while (range->last < port && range < last)
				range++;
			if (!(port & 3) && range->last >= port + 3 && word->word == old * SAME_FOUR)
				n = 4;
			each(work, index, port & 3, n, old, range->class);
			port += n;
		}
	}
}

static void count(struct plan_work *work, __u32 word, __u32 at, __u32 n, __u16 old, __u16 new)
{
	if (pieces_add(&work->ports, old, new, n) == PLAN_NONE)
		plan_fail(work, -ENOMEM);
}

static void sync_ids(struct plan_work *work)
{
	__u32 n = mirror_port_classes(&work->shape);
	bool *named = plan_scratch(work, n, sizeof(*named));

	for (__u32 i = 0; named && i < work->ports.n; i++)
		if (work->ports.piece[i].old != PLAN_NONE)
			named[work->ports.piece[i].old] = true;
	if (named)
		plan_ids_sync(&work->planner->ports, named);
}

static void note_id(struct plan_work *work, __u32 id, __u32 new)
{
	work->port_ids[work->n_port_ids] = id;
	work->port_new[work->n_port_ids++] = new;
	work->port_mask[id / 64] |= 1ULL << (id % 64);
}

int plan_ports_split(struct plan_work *work)
{
	struct pieces *ports = &work->ports;
	__u32 *keeper, *target;

	if (pieces_init(ports, &work->scratch, mirror_port_classes(&work->shape),
			work->matrix->n_port_classes))
		return plan_fail(work, -ENOMEM);
	walk(work, count);
	sync_ids(work);
	keeper = plan_heaviest(work, ports, true);
	target = plan_heaviest(work, ports, false);
	work->port_mask = plan_scratch(work, work->shape.words, sizeof(*work->port_mask));
	work->port_ids = plan_scratch(work, ports->n + WARDER_PORT_FIRST, sizeof(*work->port_ids));
	work->port_new = plan_scratch(work, ports->n + WARDER_PORT_FIRST, sizeof(*work->port_new));
	if (work->status)
		return work->status;
	for (__u32 i = 0; i < WARDER_PORT_FIRST; i++)
		note_id(work, i, i);
	for (__u32 i = 0; i < ports->n; i++) {
		struct piece *piece = &ports->piece[i];

		/* A fixed class keeps its meaning: ports that were never set begin in one. */
		if (piece->old != PLAN_NONE && piece->old >= WARDER_PORT_FIRST &&
		    keeper[piece->old] == i + 1)
			piece->early = piece->old;
		else
			piece->early = plan_take(work, &work->planner->ports, &work->need.words,
						 "port classes");
		if (work->status)
			return work->status;
		note_id(work, piece->early, piece->new);
	}
	for (__u32 i = 0; i < ports->n; i++)
		ports->piece[i].late = ports->piece[target[ports->piece[i].new] - 1].early;
	return 0;
}

static __u64 bit(const __u64 *words, __u32 at)
{
	return words[at / 64] >> (at % 64) & 1;
}

void plan_ports_bits(struct plan_work *work, const bool *named)
{
	__u32 words = work->shape.words;

	for (__u32 id = WARDER_BITMAP_FIRST; id < work->shape.bitmaps; id++) {
		const __u64 *before = work->mirror->bitmaps + (size_t)id * words;
		__u64 *after = work->bits + (size_t)id * words;

		if (!named[id])
			continue;
		memcpy(after, before, words * sizeof(*after));
		for (__u32 i = 0; i < work->ports.n; i++) {
			const struct piece *piece = &work->ports.piece[i];

			if (piece->old == PLAN_NONE || piece->early == piece->old)
				continue;
			after[piece->early / 64] &= ~(1ULL << (piece->early % 64));
			after[piece->early / 64] |= bit(before, piece->old) << (piece->early % 64);
		}
		for (__u32 i = 0; i < words; i++)
			if (after[i] != before[i])
				plan_put_index(work, STEP_PORT_BITS, WARDER_TABLE_BITMAPS,
					       id * words + i, &after[i]);
	}
}

/* Ports of one word come one after the other, so that the writes of a word are finished by its
 * last. */
static void move(struct plan_work *work, __u32 index, __u32 at, __u32 n, __u16 old, __u16 new)
{
	static const struct warder_port_word none;
	__u32 i = pieces_add(&work->ports, old, new, 0);
	const struct piece *piece = &work->ports.piece[i];
	struct warder_port_word *early = &work->port_words[0], *late = &work->port_words[1];

	if (!at)
		*early = *late = none;
	for (__u32 k = at; k < at + n; k++) {
		early->class[k] = piece->early;
		late->class[k] = piece->late;
	}
	if (at + n < 4)
		return;
	if (early->word != work->mirror->ports[index].word)
		plan_put_index(work, STEP_PORT_SPLIT, WARDER_TABLE_PORTS, index, early);
	if (late->word != early->word)
		plan_put_index(work, STEP_PORT_MERGE, WARDER_TABLE_PORTS, index, late);
}

void plan_ports_write(struct plan_work *work)
{
	for (__u32 i = 0; i < work->ports.n; i++)
		if (work->ports.piece[i].early != work->ports.piece[i].old ||
		    work->ports.piece[i].late != work->ports.piece[i].early) {
			walk(work, move);
			return;
		}
}
