/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror's tables: made, written and read entry by entry, as the kernel's maps are. */
#include "datapath/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/mirror_state.h"

static __u32 entries(enum warder_table table, const struct warder_shape *shape)
{
	switch (table) {
	case WARDER_TABLE_SLOTS:
		return shape->slots;
	case WARDER_TABLE_CGROUPS:
	case WARDER_TABLE_NAMESPACES:
		return 4 * shape->slots;
	case WARDER_TABLE_LINKS:
		return WARDER_LINKS;
	case WARDER_TABLE_PEER4:
	case WARDER_TABLE_PEER6:
		return shape->peers;
	case WARDER_TABLE_OWN:
	case WARDER_TABLE_CIDR4:
	case WARDER_TABLE_CIDR6:
		return shape->cidrs;
	case WARDER_TABLE_FRONTENDS:
		return shape->frontends;
	case WARDER_TABLE_PORTS:
		return WARDER_PORT_WORDS;
	case WARDER_TABLE_CELLS:
		return 2 * shape->groups * shape->classes;
	case WARDER_TABLE_BITMAPS:
		return shape->bitmaps * shape->words;
	case WARDER_TABLE_IDENTITIES:
		return shape->identities;
	case WARDER_TABLES:
		break;
	}
	return 0;
}

void warder_table_info(enum warder_table table, const struct warder_shape *shape,
		       struct warder_table_info *ret)
{
	static const struct warder_table_info infos[WARDER_TABLES] = {
		[WARDER_TABLE_SLOTS] = {"slots", true, 4, sizeof(struct warder_slot)},
		[WARDER_TABLE_OWN] = {"own", false, sizeof(struct warder_own_key),
				      sizeof(struct warder_own)},
		[WARDER_TABLE_CGROUPS] = {"cgroups", false, 8, sizeof(struct warder_cgroup)},
		[WARDER_TABLE_NAMESPACES] = {"namespaces", false, 8,
					     sizeof(struct warder_namespace)},
		[WARDER_TABLE_LINKS] = {"links", true, 4, sizeof(struct warder_link)},
		[WARDER_TABLE_PEER4] = {"peer4", false, 4, sizeof(struct warder_peer)},
		[WARDER_TABLE_PEER6] = {"peer6", false, 16, sizeof(struct warder_peer)},
		[WARDER_TABLE_CIDR4] = {"cidr4", false, sizeof(struct warder_cidr4_key),
					sizeof(struct warder_peer)},
		[WARDER_TABLE_CIDR6] = {"cidr6", false, sizeof(struct warder_cidr6_key),
					sizeof(struct warder_peer)},
		[WARDER_TABLE_FRONTENDS] = {"frontends", false, sizeof(struct warder_frontend_key),
					    sizeof(struct warder_frontend)},
		[WARDER_TABLE_PORTS] = {"ports", true, 4, sizeof(struct warder_port_word)},
		[WARDER_TABLE_CELLS] = {"cells", true, 4, sizeof(struct warder_cell)},
		[WARDER_TABLE_BITMAPS] = {"bitmaps", true, 4, sizeof(__u64)},
		[WARDER_TABLE_IDENTITIES] = {"identities", false, 4,
					     sizeof(struct warder_identity_name)},
	};

	*ret = infos[table];
	ret->max_entries = entries(table, shape);
}

struct warder_mirror *warder_mirror_new(const struct warder_shape *shape)
{
	struct warder_mirror *mirror = calloc(1, sizeof(*mirror));

	if (!mirror)
		return NULL;
	mirror->shape = *shape;
	mirror->slots = calloc(shape->slots, sizeof(*mirror->slots));
	mirror->links = calloc(WARDER_LINKS, sizeof(*mirror->links));
	mirror->ports = calloc(WARDER_PORT_WORDS, sizeof(*mirror->ports));
	mirror->cells = calloc((size_t)2 * shape->groups * shape->classes, sizeof(*mirror->cells));
	mirror->bitmaps = calloc((size_t)shape->bitmaps * shape->words, sizeof(*mirror->bitmaps));
	prefixes_init(&mirror->own, sizeof(struct warder_own_key), sizeof(struct warder_own));
	prefixes_init(&mirror->cidr4, sizeof(struct warder_cidr4_key), sizeof(struct warder_peer));
	prefixes_init(&mirror->cidr6, sizeof(struct warder_cidr6_key), sizeof(struct warder_peer));
	records_init(&mirror->cgroups, sizeof(__u64), sizeof(struct warder_cgroup));
	records_init(&mirror->namespaces, sizeof(__u64), sizeof(struct warder_namespace));
	records_init(&mirror->peer4, sizeof(__be32), sizeof(struct warder_peer));
	records_init(&mirror->peer6, sizeof(struct warder_addr), sizeof(struct warder_peer));
	records_init(&mirror->frontends, sizeof(struct warder_frontend_key),
		     sizeof(struct warder_frontend));
	records_init(&mirror->identities, sizeof(__u32), sizeof(struct warder_identity_name));
	if (!mirror->slots || !mirror->links || !mirror->ports || !mirror->cells ||
	    !mirror->bitmaps) {
		warder_mirror_free(mirror);
		return NULL;
	}
	return mirror;
}

void warder_mirror_free(struct warder_mirror *mirror)
{
	if (!mirror)
		return;
	free(mirror->slots);
	free(mirror->links);
	free(mirror->ports);
	free(mirror->cells);
	free(mirror->bitmaps);
	prefixes_release(&mirror->own);
	prefixes_release(&mirror->cidr4);
	prefixes_release(&mirror->cidr6);
	records_release(&mirror->cgroups);
	records_release(&mirror->namespaces);
	records_release(&mirror->peer4);
	records_release(&mirror->peer6);
	records_release(&mirror->frontends);
	records_release(&mirror->identities);
	free(mirror);
}

const struct warder_shape *warder_mirror_shape(const struct warder_mirror *mirror)
{
	return &mirror->shape;
}

/* The memory of an array's table; NULL for a hash or a trie. */
static void *array_of(const struct warder_mirror *mirror, enum warder_table table)
{
	switch (table) {
	case WARDER_TABLE_SLOTS:
		return mirror->slots;
	case WARDER_TABLE_LINKS:
		return mirror->links;
	case WARDER_TABLE_PORTS:
		return mirror->ports;
	case WARDER_TABLE_CELLS:
		return mirror->cells;
	case WARDER_TABLE_BITMAPS:
		return mirror->bitmaps;
	default:
		return NULL;
	}
}

static const struct prefixes *prefixes_of(const struct warder_mirror *mirror,
					  enum warder_table table)
{
	switch (table) {
	case WARDER_TABLE_OWN:
		return &mirror->own;
	case WARDER_TABLE_CIDR4:
		return &mirror->cidr4;
	case WARDER_TABLE_CIDR6:
		return &mirror->cidr6;
	default:
		return NULL;
	}
}

const struct records *mirror_records(const struct warder_mirror *mirror, enum warder_table table)
{
	const struct prefixes *prefixes = prefixes_of(mirror, table);

	if (prefixes)
		return &prefixes->records;
	switch (table) {
	case WARDER_TABLE_CGROUPS:
		return &mirror->cgroups;
	case WARDER_TABLE_NAMESPACES:
		return &mirror->namespaces;
	case WARDER_TABLE_PEER4:
		return &mirror->peer4;
	case WARDER_TABLE_PEER6:
		return &mirror->peer6;
	case WARDER_TABLE_FRONTENDS:
		return &mirror->frontends;
	case WARDER_TABLE_IDENTITIES:
		return &mirror->identities;
	default:
		return NULL;
	}
}

static int apply_array(struct warder_mirror *mirror, const struct warder_write *write,
		       const struct warder_table_info *info)
{
	char *array = array_of(mirror, write->table);
	__u32 index;

	memcpy(&index, write->key, sizeof(index));
	if (index >= info->max_entries)
		return -E2BIG;
	if (write->remove)
		return -EINVAL;
	memcpy(array + (size_t)index * info->value_size, write->value, info->value_size);
	if (write->table == WARDER_TABLE_LINKS) {
		static const struct warder_link none;
		bool used = memcmp(&mirror->links[index], &none, sizeof(none)) != 0;

		mirror->link_used[index / 64] &= ~(1ULL << (index % 64));
		mirror->link_used[index / 64] |= (__u64)used << (index % 64);
	}
	return 0;
}

int warder_mirror_apply(struct warder_mirror *mirror, const struct warder_write *write)
{
	struct prefixes *prefixes = (struct prefixes *)prefixes_of(mirror, write->table);
	struct records *records = (struct records *)mirror_records(mirror, write->table);
	struct warder_table_info info;

	warder_table_info(write->table, &mirror->shape, &info);
	if (info.array)
		return apply_array(mirror, write, &info);
	if (write->remove)
		return prefixes ? prefixes_delete(prefixes, write->key)
				: records_delete(records, write->key);
	if (records->count >= info.max_entries &&
	    !warder_mirror_get(mirror, write->table, write->key))
		return -ENOSPC;
	return prefixes ? prefixes_put(prefixes, write->key, write->value)
			: records_put(records, write->key, write->value);
}

const void *warder_mirror_get(const struct warder_mirror *mirror, enum warder_table table,
			      const void *key)
{
	const struct prefixes *prefixes = prefixes_of(mirror, table);
	const struct records *records = mirror_records(mirror, table);
	struct warder_table_info info;
	__u32 at;

	if (records) {
		at = prefixes ? prefixes_find(prefixes, key) : records_find(records, key);
		return at == RECORDS_NONE ? NULL : records_value(records, at);
	}
	warder_table_info(table, &mirror->shape, &info);
	memcpy(&at, key, sizeof(at));
	return at < info.max_entries
		       ? (char *)array_of(mirror, table) + (size_t)at * info.value_size
		       : NULL;
}

static bool all_zero(const char *value, __u32 size)
{
	return !value[0] && !memcmp(value, value + 1, size - 1);
}

int warder_mirror_each(const struct warder_mirror *mirror, enum warder_table table,
		       int (*entry)(void *data, const void *key, const void *value), void *data)
{
	const struct records *records = mirror_records(mirror, table);
	const char *array = array_of(mirror, table);
	struct warder_table_info info;
	int r = 0;

	warder_table_info(table, &mirror->shape, &info);
	for (__u32 i = 0; records && i < records->end && r >= 0; i++)
		if (records->used[i])
			r = entry(data, records_key(records, i), records_value(records, i));
	for (__u32 i = 0; array && i < info.max_entries && r >= 0; i++)
		if (!all_zero(array + (size_t)i * info.value_size, info.value_size))
			r = entry(data, &i, array + (size_t)i * info.value_size);
	return r < 0 ? r : 0;
}

static void cleanup_mirror(struct warder_mirror **mirror)
{
	warder_mirror_free(*mirror);
}

struct copy {
	struct warder_mirror *to;
	enum warder_table table;
	const struct warder_shape *from_shape;
};

static int copy_entry(void *data, const void *key, const void *value)
{
	const struct copy *copy = data;
	const struct warder_shape *from = copy->from_shape, *to = &copy->to->shape;
	struct warder_write write = {.table = copy->table, .key = key, .value = value};
	__u32 index = *(const __u32 *)key;

	if (copy->table == WARDER_TABLE_CELLS) {
		__u32 row = index / from->classes;

		index = mirror_row(to, row / from->groups, row % from->groups) +
			index % from->classes;
		write.key = &index;
	} else if (copy->table == WARDER_TABLE_BITMAPS) {
		index = index / from->words * to->words + index % from->words;
		write.key = &index;
	}
	return warder_mirror_apply(copy->to, &write);
}

struct warder_mirror *warder_mirror_grown(const struct warder_mirror *mirror,
					  const struct warder_shape *shape)
{
	CLEANUP(cleanup_mirror) struct warder_mirror *grown = warder_mirror_new(shape);

	for (int table = 0; grown && table < WARDER_TABLES; table++) {
		struct copy copy = {grown, table, &mirror->shape};

		if (warder_mirror_each(mirror, table, copy_entry, &copy) < 0)
			return NULL;
	}
	/* All ports stay allowed in the wider bitmap. */
	for (__u32 i = mirror->shape.words; grown && i < shape->words; i++)
		if (mirror->bitmaps[mirror->shape.words * WARDER_BITMAP_ALL] == ~0ULL)
			grown->bitmaps[shape->words * WARDER_BITMAP_ALL + i] = ~0ULL;
	return TAKE(grown);
}

void mirror_key_peer(const struct warder_addr *addr, struct mirror_key *ret)
{
	if (warder_addr_is4(addr)) {
		ret->table = WARDER_TABLE_PEER4;
		ret->peer4 = addr->w[3];
	} else {
		ret->table = WARDER_TABLE_PEER6;
		ret->peer6 = *addr;
	}
}

void mirror_key_cidr(const struct warder_addr *addr, __u8 bits, struct mirror_key *ret)
{
	if (bits >= 96 && warder_addr_is4(addr)) {
		ret->table = WARDER_TABLE_CIDR4;
		ret->cidr4 = (struct warder_cidr4_key){bits - 96, addr->w[3]};
	} else {
		ret->table = WARDER_TABLE_CIDR6;
		ret->cidr6 = (struct warder_cidr6_key){bits, *addr};
	}
}

const struct warder_peer *mirror_match(const struct warder_mirror *mirror,
				       const struct warder_addr *addr, __u8 bits)
{
	const struct prefixes *prefixes;
	struct mirror_key key;
	__u32 at;

	mirror_key_cidr(addr, bits, &key);
	prefixes = prefixes_of(mirror, key.table);
	at = prefixes_match(prefixes, key.bytes);
	return at == RECORDS_NONE ? NULL : records_value(&prefixes->records, at);
}

static int port_class(const struct warder_mirror *mirror, __u8 protocol, __u16 port)
{
	static const struct {
		__u8 protocol;
		enum warder_protocol_index index;
	} with_ports[] = {{6, WARDER_TCP}, {17, WARDER_UDP}, {132, WARDER_SCTP}};

	for (size_t i = 0; i < sizeof(with_ports) / sizeof(*with_ports); i++)
		if (protocol == with_ports[i].protocol)
			return mirror->ports[with_ports[i].index * 16384 + (port >> 2)]
				.class[port & 3];
	return WARDER_PORT_OTHER;
}

int warder_mirror_verdict(const struct warder_mirror *mirror, __u16 slot,
			  enum warder_direction direction, const struct warder_addr *addr,
			  bool address_only, __u8 protocol, __u16 port)
{
	const struct warder_shape *shape = &mirror->shape;
	const struct warder_peer *peer;
	struct warder_slot_word now;
	struct mirror_key key;
	struct warder_cell cell;
	__u32 class, bit = port_class(mirror, protocol, port);
	int verdict = 0;

	if (slot >= shape->slots || !(mirror->slots[slot].now.flags & WARDER_SLOT_LIVE))
		return -ENOENT;
	now = mirror->slots[slot].now;
	if (now.flags & WARDER_SLOT_HOLD)
		return 0;
	mirror_key_peer(addr, &key);
	peer = warder_mirror_get(mirror, key.table, key.bytes);
	if (!peer)
		peer = mirror_match(mirror, addr, 128);
	if (!peer)
		return -ENOENT;
	class = address_only ? peer->cidr_class : peer->class;
	if (now.group >= shape->groups || class >= shape->classes ||
	    bit >= mirror_port_classes(shape))
		return -ENOENT;
	cell = mirror->cells[mirror_row(shape, direction, now.group) + class];
	if (cell.enforced >= shape->bitmaps || cell.audited >= shape->bitmaps)
		return -ENOENT;
	verdict |=
		mirror->bitmaps[(size_t)cell.enforced * shape->words + bit / 64] >> (bit % 64) & 1;
	verdict |=
		(mirror->bitmaps[(size_t)cell.audited * shape->words + bit / 64] >> (bit % 64) & 1)
		<< 1;
	return verdict;
}
