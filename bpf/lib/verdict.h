/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verdict matrix, read: (direction, group, peer class, port class) to two bits.  Every word is
 * read once, so a verdict is wholly of before or wholly of after a change.
 */
#ifndef WARDER_BPF_VERDICT_H
#define WARDER_BPF_VERDICT_H

#include "lib/compat.h"
#include "lib/maps.h"

#define VERDICT_ENFORCED 1 /* the enforced policies allow it */
#define VERDICT_AUDITED	 2 /* and would if the audited ones were real */
#define VERDICT_BOTH	 3

/* Port class of a destination port; what has no ports is WARDER_PORT_OTHER. */
static __always_inline __u32 port_class(__u8 protocol, __u16 port)
{
	__u32 index = port >> 2;
	const struct warder_port_word *word;
	__u64 classes;

	switch (protocol) {
	case IPPROTO_TCP:
		break;
	case IPPROTO_UDP:
		index += WARDER_UDP * 16384;
		break;
	case IPPROTO_SCTP:
		index += WARDER_SCTP * 16384;
		break;
	default:
		return WARDER_PORT_OTHER;
	}
	word = bpf_map_lookup_elem(&ports, &index);
	classes = word ? *(const volatile __u64 *)&word->word : 0;
	return classes >> (port & 3) * 16 & 0xffff;
}

/* Port class of the later fragments of a protocol. */
static __always_inline __u32 fragment_class(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return WARDER_PORT_FRAGMENT_TCP;
	case IPPROTO_UDP:
		return WARDER_PORT_FRAGMENT_UDP;
	case IPPROTO_SCTP:
		return WARDER_PORT_FRAGMENT_SCTP;
	}
	return WARDER_PORT_OTHER;
}

static __always_inline bool bitmap_has(__u32 id, __u32 class)
{
	__u32 index = id * shape.words + (class >> 6);
	const __u64 *word;

	if (id == WARDER_BITMAP_NONE)
		return false;
	if (id == WARDER_BITMAP_ALL)
		return true;
	if (class >> 6 >= shape.words)
		return false;
	word = bpf_map_lookup_elem(&bitmaps, &index);
	return word && (*word >> (class & 63) & 1);
}

/* VERDICT_ENFORCED and VERDICT_AUDITED; what is not in the maps is refused. */
static __always_inline __u32 matrix_verdict(__u32 direction, __u32 group, __u32 peer_class,
					    __u32 class)
{
	__u32 index = (direction * shape.groups + group) * shape.classes + peer_class;
	struct warder_cell cell;
	const struct warder_cell *entry;
	__u32 bits;

	if (group >= shape.groups || peer_class >= shape.classes)
		return 0;
	entry = bpf_map_lookup_elem(&cells, &index);
	if (!entry)
		return 0;
	cell.word = *(const volatile __u64 *)&entry->word;
	bits = bitmap_has(cell.enforced, class) ? VERDICT_BOTH : 0;
	if (cell.audited != cell.enforced)
		bits = (bits & VERDICT_ENFORCED) |
		       (bitmap_has(cell.audited, class) ? VERDICT_AUDITED : 0);
	return bits;
}

#endif
