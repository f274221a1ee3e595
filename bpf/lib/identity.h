/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who an address is: an endpoint's own, a peer's, a Service's frontend.  It answers; it decides
 * nothing.
 */
#ifndef WARDER_BPF_IDENTITY_H
#define WARDER_BPF_IDENTITY_H

#include "lib/compat.h"
#include "lib/maps.h"

#define NO_SERVICE 0xffffffff /* no class of frontends */

/* One lookup by exact address, and where that misses the longest prefix.  NULL only where the empty
 * prefix is gone. */
static __always_inline const struct warder_peer *peer_find4(__be32 addr)
{
	struct warder_cidr4_key key = {.prefixlen = 32, .addr = addr};
	const struct warder_peer *peer = bpf_map_lookup_elem(&peer4, &key.addr);

	return peer ? peer : bpf_map_lookup_elem(&cidr4, &key);
}

/* The key is copied: before 6.2 a map takes no key from a function's argument. */
static __always_inline const struct warder_peer *peer_find6(const struct warder_addr *addr)
{
	struct warder_cidr6_key key = {.prefixlen = 128, .addr = *addr};
	const struct warder_peer *peer = bpf_map_lookup_elem(&peer6, &key.addr);

	return peer ? peer : bpf_map_lookup_elem(&cidr6, &key);
}

static __always_inline const struct warder_peer *peer_find(const struct warder_addr *addr, bool v4)
{
	return v4 ? peer_find4(addr->w[3]) : peer_find6(addr);
}

/* `port` in host order. */
static __always_inline const struct warder_frontend *frontend_find(const struct warder_addr *addr,
								   __u16 port, __u8 protocol)
{
	struct warder_frontend_key key = {
		.addr = *addr,
		.port = bpf_htons(port),
		.protocol = protocol,
	};

	return bpf_map_lookup_elem(&frontends, &key);
}

/*
 * The class of the backends where an address and port of a peer are a Service's, else NO_SERVICE.  A
 * pure Service address is one whatever the port; on a node's address only the exact (address, port,
 * protocol) counts, since the rest of it is the node.
 */
static __always_inline __u32 service_class(__u16 peer_flags, __u32 peer_class,
					   const struct warder_addr *addr, __u16 port,
					   __u8 protocol)
{
	const struct warder_frontend *frontend;

	if (!(peer_flags & (WARDER_PEER_SERVICE | WARDER_PEER_NODE | WARDER_PEER_HOST)))
		return NO_SERVICE;
	frontend = frontend_find(addr, port, protocol);
	if (frontend)
		return *(const volatile __u32 *)&frontend->class;
	return peer_flags & (WARDER_PEER_NODE | WARDER_PEER_HOST) ? NO_SERVICE : peer_class;
}

/* Further addresses and prefixes of a slot, in map `own`. */
GLOBAL int own_find(const struct warder_addr *addr, __u32 slot, __u32 generation, __u32 v4)
{
	struct warder_own_key key = {.slot = slot, .generation = generation};

	if (!addr)
		return 0;
	if (v4) {
		key.family = 4;
		key.prefixlen = 64 + 32;
		key.addr.w[0] = addr->w[3];
	} else {
		key.family = 6;
		key.prefixlen = 64 + 128;
		key.addr = *addr;
	}
	return bpf_map_lookup_elem(&own, &key) != 0;
}

/* `index` and `generation` are those of `slot`, read with its word. */
static __always_inline bool slot_owns(const struct warder_slot *slot, __u32 index, __u32 generation,
				      __u16 flags, const struct warder_addr *addr, bool v4)
{
	if (v4) {
		if (addr->w[3] && (addr->w[3] == slot->addr4[0] || addr->w[3] == slot->addr4[1]))
			return true;
	} else if (addr->w[3] | addr->w[2] | addr->w[1] | addr->w[0]) {
		const struct warder_addr *first = &slot->addr6[0], *second = &slot->addr6[1];

		if (addr->w[3] == first->w[3] && addr->w[2] == first->w[2] &&
		    addr->w[1] == first->w[1] && addr->w[0] == first->w[0])
			return true;
		if (addr->w[3] == second->w[3] && addr->w[2] == second->w[2] &&
		    addr->w[1] == second->w[1] && addr->w[0] == second->w[0])
			return true;
	}
	return (flags & WARDER_SLOT_MORE_ADDRS) && own_find(addr, index, generation, v4);
}

#endif
