/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service frontends: members of classes as addresses are (plan_peers.c).  A new one had no verdict
 * of its own, and is written after cells have changed and before the address that makes it be asked
 * for; one that goes is left to what any Service's address is while cells change.
 */
#include <arpa/inet.h>

#include "datapath/plan_state.h"

struct plan_frontends {
	__u32 *at;     /* of each frontend of the matrix: position in the mirror, RECORDS_NONE */
	__u32 *pieces; /* of each of these */
	__u32 *gone; /* of each position: its piece where the new state has none; else PLAN_NONE */
};

static struct warder_frontend_key key_of(const struct warder_matrix_frontend *frontend)
{
	return (struct warder_frontend_key){
		.addr = frontend->addr,
		.port = htons(frontend->port),
		.protocol = frontend->protocol,
	};
}

static __u32 class_at(const struct records *records, __u32 at)
{
	return ((const struct warder_frontend *)records_value(records, at))->class;
}

static __u32 add_piece(struct plan_work *work, __u32 old, __u32 new, __u32 weight)
{
	__u32 piece = pieces_add(&work->classes, old, new, weight);

	if (piece == PLAN_NONE)
		plan_fail(work, -ENOMEM);
	return piece;
}

int plan_frontends_collect(struct plan_work *work)
{
	const struct records *old = mirror_records(work->mirror, WARDER_TABLE_FRONTENDS);
	const struct warder_matrix *matrix = work->matrix;
	struct plan_frontends *frontends = plan_scratch(work, 1, sizeof(*frontends));
	bool *seen = plan_scratch(work, old->end + 1, sizeof(*seen));
	__u32 hint = 0;

	if (work->status)
		return work->status;
	work->frontends = frontends;
	frontends->at = plan_scratch(work, matrix->n_frontends + 1, sizeof(__u32));
	frontends->pieces = plan_scratch(work, matrix->n_frontends + 1, sizeof(__u32));
	frontends->gone = plan_scratch(work, old->end + 1, sizeof(__u32));
	for (size_t i = 0; !work->status && i < matrix->n_frontends; i++) {
		struct warder_frontend_key key = key_of(&matrix->frontends[i]);
		__u32 at = records_find_near(old, &key, hint);

		frontends->at[i] = at;
		if (at == RECORDS_NONE) {
			frontends->pieces[i] =
				add_piece(work, PLAN_NONE, matrix->frontends[i].class, 0);
			continue;
		}
		seen[at] = true;
		hint = at + 1;
		frontends->pieces[i] =
			add_piece(work, class_at(old, at), matrix->frontends[i].class, 1);
	}
	for (__u32 i = 0; !work->status && i < old->end; i++)
		frontends->gone[i] = old->used[i] && !seen[i] ? add_piece(work, class_at(old, i),
									  matrix->service_class, 0)
							      : PLAN_NONE;
	return work->status;
}

static void put(struct plan_work *work, enum plan_step step, const void *key, __u32 class)
{
	struct warder_frontend value = {.class = class};

	plan_put(work, step, WARDER_TABLE_FRONTENDS, key, &value);
}

void plan_frontends_write(struct plan_work *work)
{
	const struct records *old = mirror_records(work->mirror, WARDER_TABLE_FRONTENDS);
	const struct plan_frontends *frontends = work->frontends;

	for (size_t i = 0; i < work->matrix->n_frontends; i++) {
		const struct piece *piece = &work->classes.piece[frontends->pieces[i]];
		struct warder_frontend_key key = key_of(&work->matrix->frontends[i]);
		struct warder_frontend value = {.class = piece->late};
		__u32 now;

		if (frontends->at[i] == RECORDS_NONE) {
			plan_add(work, STEP_FRONTEND_ADD, WARDER_TABLE_FRONTENDS, &key, &value);
			continue;
		}
		now = class_at(old, frontends->at[i]);
		if (piece->early != PLAN_NONE && piece->early != now) {
			now = piece->early;
			put(work, STEP_FRONTEND_MOVE_EARLY, &key, now);
		}
		if (now != piece->late)
			put(work, STEP_FRONTEND_MOVE, &key, piece->late);
	}
	for (__u32 i = 0; i < old->end; i++) {
		const struct piece *piece;

		if (frontends->gone[i] == PLAN_NONE)
			continue;
		piece = &work->classes.piece[frontends->gone[i]];
		if (piece->early != PLAN_NONE && piece->early != class_at(old, i))
			put(work, STEP_FRONTEND_MOVE_EARLY, records_key(old, i), piece->early);
		plan_remove(work, STEP_FRONTEND_REMOVE, WARDER_TABLE_FRONTENDS,
			    records_key(old, i));
	}
}
