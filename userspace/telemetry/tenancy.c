/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry for each tenancy that is open, or ended a moment ago.  It knows nothing of time: a turn
 * is a sweep.  Open tenancies are bounded by the kernel's lines and rings, ended ones by ENDED_MAX.
 */
#include "telemetry/tenancy.h"

#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define ENDED_TURNS 2
#define ENDED_MAX   131072

struct tenancy_key {
	__u64 tenancy;
	__u32 cpu, index;
};

struct tenancy {
	struct tenancy_key key;
	struct warder_counter seen;
	__u64 ended;		     /* turn + 1, 0 = open */
	struct tenancy *prev, *next; /* in `ended`, oldest first */
	UT_hash_handle hh;
};

struct warder_tenancies {
	struct tenancy *all;
	struct tenancy *ended;
	size_t n_ended;
	__u64 turn;
};

struct warder_tenancies *warder_tenancies_new(void)
{
	return calloc(1, sizeof(struct warder_tenancies));
}

static void forget_oldest(struct warder_tenancies *tenancies)
{
	struct tenancy *oldest = tenancies->ended;

	if (!oldest)
		return;
	DL_DELETE(tenancies->ended, oldest);
	tenancies->n_ended--;
	HASH_DEL(tenancies->all, oldest); /* NOLINT(clang-analyzer-core.NullDereference) */
	free(oldest);
}

void warder_tenancies_free(struct warder_tenancies *tenancies)
{
	struct tenancy *tenancy, *next;

	if (!tenancies)
		return;
	HASH_ITER (hh, tenancies->all, tenancy, next) {
		HASH_DEL(tenancies->all, tenancy);
		free(tenancy);
	}
	free(tenancies);
}

static struct tenancy *find_or_add(struct warder_tenancies *tenancies,
				   const struct warder_event *event)
{
	struct tenancy_key key = {event->tenancy, event->cpu, event->index};
	struct tenancy *tenancy;

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the key has no gaps */
	HASH_FIND(hh, tenancies->all, &key, sizeof(key), tenancy);
	if (tenancy)
		return tenancy;
	tenancy = calloc(1, sizeof(*tenancy));
	if (!tenancy)
		return NULL;
	tenancy->key = key;
	HASH_ADD(hh, tenancies->all, key, sizeof(key), tenancy);
	if (!tenancy->hh.tbl) { /* uthash had no memory */
		free(tenancy);
		return NULL;
	}
	return tenancy;
}

/* Totals only grow: a smaller one is an older record that came late. */
static __u64 grow(__u64 *seen, __u64 total)
{
	__u64 more = total > *seen ? total - *seen : 0;

	*seen += more;
	return more;
}

int warder_tenancies_tell(struct warder_tenancies *tenancies, const struct warder_event *event,
			  struct warder_counter *ret_new, bool *ret_first)
{
	struct tenancy *tenancy = find_or_add(tenancies, event);
	bool first;

	if (!tenancy)
		return -ENOMEM;
	first = !tenancy->seen.packets;
	ret_new->packets = grow(&tenancy->seen.packets, event->packets);
	ret_new->bytes = grow(&tenancy->seen.bytes, event->bytes);
	if (ret_first)
		*ret_first = first;
	if (event->last && !tenancy->ended) {
		tenancy->ended = tenancies->turn + 1;
		DL_APPEND(tenancies->ended, tenancy);
		if (++tenancies->n_ended > ENDED_MAX)
			forget_oldest(tenancies);
	}
	return ret_new->packets || ret_new->bytes;
}

void warder_tenancies_turn(struct warder_tenancies *tenancies)
{
	tenancies->turn++;
	while (tenancies->ended && tenancies->ended->ended + ENDED_TURNS <= tenancies->turn)
		forget_oldest(tenancies);
}

size_t warder_tenancies_open_count(const struct warder_tenancies *tenancies)
{
	return HASH_COUNT(tenancies->all) - tenancies->n_ended;
}

void warder_tenancies_each_open(const struct warder_tenancies *tenancies,
				void (*each)(void *data, const struct warder_event *seen),
				void *data)
{
	for (const struct tenancy *t = tenancies->all; t; t = t->hh.next) {
		struct warder_event seen = {.cpu = t->key.cpu,
					    .index = t->key.index,
					    .tenancy = t->key.tenancy,
					    .packets = t->seen.packets,
					    .bytes = t->seen.bytes};

		if (!t->ended)
			each(data, &seen);
	}
}

size_t warder_tenancies_count(const struct warder_tenancies *tenancies)
{
	return HASH_COUNT(tenancies->all);
}
