/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leads a packet or a process to its slot: links, cgroups and network namespaces.  One that
 * leads to another endpoint than before, or to none, is cleared first of all; one whose endpoint
 * got a new slot is led over last.
 */
#include <string.h>

#include "datapath/plan_state.h"

struct end { /* of a link */
	__u32 endpoint;
	const struct warder_link *link;
};

/* Whether the slot is one of the endpoint's: what leads there may be led over in one write. */
static bool speaks_for(const struct plan_work *work, __u16 slot, __u32 endpoint)
{
	return slot && slot < work->shape.slots && work->owners[slot] == endpoint;
}

static const struct end *end_of(const struct records *wanted, __u32 index)
{
	__u64 key = index;
	__u32 at = records_find(wanted, &key);

	return at == RECORDS_NONE ? NULL : records_value(wanted, at);
}

static bool stays(const struct plan_work *work, const struct warder_link *now,
		  const struct end *end)
{
	return end && now->ifindex == end->link->ifindex &&
	       speaks_for(work, now->slot, end->endpoint);
}

static void clear_links(struct plan_work *work, const struct records *wanted)
{
	for (__u32 word = 0; word < WARDER_LINKS / 64; word++)
		for (__u64 left = work->mirror->link_used[word]; left; left &= left - 1) {
			__u32 index = word * 64 + __builtin_ctzll(left);
			struct warder_link link = work->mirror->links[index];

			if (!link.word || stays(work, &link, end_of(wanted, index)))
				continue;
			link.word = 0;
			plan_put_index(work, STEP_LINK_CLEAR, WARDER_TABLE_LINKS, index, &link);
		}
}

static void set_link(struct plan_work *work, __u32 index, const struct end *end)
{
	struct warder_link now = work->mirror->links[index], link = *end->link;
	__u64 word;

	link.slot = work->homes[end->endpoint].number;
	link.flags = 0;
	memset(link.pad, 0, sizeof(link.pad));
	word = link.word;
	if (!stays(work, &now, end))
		now.word = 0;
	if (!memcmp(&now, &link, sizeof(link)))
		return;
	link.word = now.word;
	if (memcmp(&now, &link, sizeof(link))) {
		/* The rest changes: nobody may read it half. */
		if (now.word) {
			now.word = 0;
			plan_put_index(work, STEP_LINK_DROP, WARDER_TABLE_LINKS, index, &now);
		}
		link.word = 0;
		plan_put_index(work, STEP_LINK_WRITE, WARDER_TABLE_LINKS, index, &link);
	}
	link.word = word;
	plan_put_index(work, STEP_LINK_SET, WARDER_TABLE_LINKS, index, &link);
}

static void write_links(struct plan_work *work)
{
	struct records wanted;

	records_init(&wanted, sizeof(__u64), sizeof(struct end)); /* 8: ends hold pointers */
	for (__u32 e = 0; e < work->n_endpoints; e++)
		for (size_t i = 0; i < work->endpoints[e].n_links; i++) {
			const struct warder_link *link = &work->endpoints[e].links[i];
			struct end end = {e, link};
			__u64 index = link->ifindex % WARDER_LINKS;

			/* Of two that share a place (65,536 links apart) the later one stays
			 * without a slot. */
			if (link->ifindex && !end_of(&wanted, index) &&
			    records_put(&wanted, &index, &end))
				plan_fail(work, -ENOMEM);
		}
	clear_links(work, &wanted);
	for (__u32 i = 0; i < wanted.end; i++)
		set_link(work, *(__u64 *)records_key(&wanted, i), records_value(&wanted, i));
	records_release(&wanted);
}

/* Tables CGROUPS and NAMESPACES have values of one shape. */
_Static_assert(sizeof(struct warder_cgroup) == sizeof(struct warder_namespace) &&
		       offsetof(struct warder_cgroup, slot) ==
			       offsetof(struct warder_namespace, slot) &&
		       offsetof(struct warder_cgroup, flags) ==
			       offsetof(struct warder_namespace, flags),
	       "one shape");

static __u64 key_of(const struct warder_plan_endpoint *endpoint, enum warder_table table)
{
	return table == WARDER_TABLE_CGROUPS ? endpoint->cgroup : endpoint->netns;
}

static void write_owners(struct plan_work *work, enum warder_table table)
{
	const struct records *now = mirror_records(work->mirror, table);
	struct records wanted;

	records_init(&wanted, sizeof(__u64), sizeof(__u32));
	for (__u32 e = 0; e < work->n_endpoints; e++) {
		__u64 key = key_of(&work->endpoints[e], table);

		if (key && records_find(&wanted, &key) == RECORDS_NONE &&
		    records_put(&wanted, &key, &e))
			plan_fail(work, -ENOMEM);
	}
	for (__u32 i = 0; i < now->end; i++) {
		const struct warder_cgroup *old = records_value(now, i);
		__u32 at;

		if (!now->used[i])
			continue;
		at = records_find(&wanted, records_key(now, i));
		if (at == RECORDS_NONE ||
		    !speaks_for(work, old->slot, *(__u32 *)records_value(&wanted, at)))
			plan_remove(work, STEP_CGROUP_REMOVE, table, records_key(now, i));
	}
	for (__u32 i = 0; i < wanted.end; i++) {
		const __u64 *key = records_key(&wanted, i);
		__u32 e = *(__u32 *)records_value(&wanted, i), at = records_find(now, key);
		const struct plan_home *home = &work->homes[e];
		struct warder_cgroup new = {.generation = home->slot.now.generation,
					    .slot = home->number};
		const struct warder_cgroup *old =
			at == RECORDS_NONE ? NULL : records_value(now, at);

		if (table == WARDER_TABLE_CGROUPS &&
		    (home->slot.now.flags & WARDER_SLOT_HOSTNET || !work->endpoints[e].netns))
			new.flags = WARDER_CGROUP_DECIDES;
		if (!old)
			plan_add(work, STEP_CGROUP_SET, table, key, &new);
		else if (!speaks_for(work, old->slot, e) || memcmp(old, &new, sizeof(new)))
			plan_put(work, STEP_CGROUP_SET, table, key, &new);
	}
	records_release(&wanted);
}

void plan_links_write(struct plan_work *work)
{
	write_owners(work, WARDER_TABLE_CGROUPS);
	write_owners(work, WARDER_TABLE_NAMESPACES);
	write_links(work);
}
