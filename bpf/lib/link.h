/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What belongs to a link and not to policy: ARP, neighbour discovery, group membership, DHCP, and
 * the addresses that a pod may put on what it sends.  A pod speaks for itself alone.
 */
#ifndef WARDER_BPF_LINK_H
#define WARDER_BPF_LINK_H

#include "lib/identity.h"
#include "lib/parse.h"

#define ND_ROUTER_SOLICIT    133
#define ND_ROUTER_ADVERT     134
#define ND_NEIGHBOUR_SOLICIT 135
#define ND_NEIGHBOUR_ADVERT  136
#define ND_REDIRECT	     137
#define MLD_QUERY	     130
#define MLD_REPORT	     131
#define MLD_DONE	     132
#define MLD2_REPORT	     143
#define ICMP_REDIRECT	     5
#define IGMP_QUERY	     0x11

#define ND_OPTIONS_MAX 8
#define ND_SOURCE_LINK 1
#define ND_TARGET_LINK 2

static __always_inline bool addr_is_zero(const struct warder_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

static __always_inline bool addr_is_link_local(const struct warder_addr *a)
{
	return (a->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* Multicast of either family, or the limited broadcast. */
static __always_inline bool addr_is_group(const struct warder_addr *a, bool v4)
{
	if (!v4)
		return a->b[0] == 0xff;
	return (a->w[3] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || a->w[3] == 0xffffffff;
}

static __always_inline bool mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] &&
	       a[5] == b[5];
}

/* The endpoint's entry, and whether it owns an address: for the functions that are called with `f`
 * alone. */
static __always_inline bool flow_owns(const struct flow *f, const struct warder_addr *addr, bool v4)
{
	__u32 index = f->slot;
	const struct warder_slot *slot = bpf_map_lookup_elem(&slots, &index);

	return slot && slot_owns(slot, f->slot, f->generation, f->slot_flags, addr, v4);
}

/* ARP from the pod: its own hardware address, and its own protocol address or none (a probe). */
GLOBAL int arp_from_pod(struct __sk_buff *skb, struct flow *f)
{
	struct {
		__be16 hardware, protocol;
		__u8 hardware_size, protocol_size;
		__be16 operation;
		__u8 sender[6];
		__u8 sender_addr[4];
		__u8 target[6];
		__u8 target_addr[4];
	} arp = {};
	struct warder_addr addr;
	__u32 v4;

	if (!f)
		return WARDER_REASON_INTERNAL;
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &arp, sizeof(arp)) ||
	    arp.hardware != bpf_htons(1) || arp.protocol != bpf_htons(ETH_P_IP) ||
	    arp.hardware_size != 6 || arp.protocol_size != 4 ||
	    (arp.operation != bpf_htons(1) && arp.operation != bpf_htons(2)))
		return REFUSE(f, LINK, MALFORMED);
	__builtin_memcpy(&v4, arp.sender_addr, 4);
	addr_from_v4(&f->src, v4);
	addr = f->src;
	__builtin_memcpy(&v4, arp.target_addr, 4);
	addr_from_v4(&f->dst, v4);
	if (!mac_equal(arp.sender, f->src_mac))
		return REFUSE(f, LINK, SPOOFED_NEIGHBOUR);
	if (!addr.w[3] && arp.operation == bpf_htons(1))
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	if (!flow_owns(f, &addr, true))
		return REFUSE(f, LINK, SPOOFED_NEIGHBOUR);
	return WARDER_REASON_ALLOWED_NEIGHBOUR;
}

/* Every link-layer address in the options from `at` on is the pod's: 0 or a reason. */
static __always_inline int nd_options(struct __sk_buff *skb, struct flow *f, __u32 at, __u32 end,
				      bool unspecified)
{
	__u8 option[8] = {};
	int i = 0;

	do {
		if (at == end)
			return 0;
		if (at + 8 > end || bpf_skb_load_bytes(skb, at, option, 8) || !option[1])
			return REFUSE(f, LINK, MALFORMED);
		if (option[0] == ND_SOURCE_LINK || option[0] == ND_TARGET_LINK) {
			if (unspecified || option[1] != 1 || !mac_equal(option + 2, f->src_mac))
				return REFUSE(f, LINK, SPOOFED_NEIGHBOUR);
		}
		at += option[1] * 8;
	} while (++i < ND_OPTIONS_MAX);
	return REFUSE(f, LINK, MALFORMED);
}

/* The node's: its bridges' link-local addresses too, which may be many pods' gateway. */
GLOBAL int host_holds(const struct warder_addr *addr)
{
	const struct warder_peer *peer = addr ? peer_find6(addr) : 0;

	return peer && (peer->flags & WARDER_PEER_HOST);
}

/* A target that the pod may claim: its own, or the link-local address that it speaks from (or tries
 * out). */
static __always_inline bool nd_may_claim(const struct flow *f, const struct warder_addr *target,
					 bool trying)
{
	if (addr_is_link_local(target) && host_holds(target))
		return false;
	if (addr_is_link_local(target))
		return trying || addr_equal(target, &f->src) || flow_owns(f, target, false);
	return flow_owns(f, target, false);
}

/* Neighbour solicitation and advertisement from the pod (RFC 4861, 7.1). */
static __always_inline int nd_target(struct __sk_buff *skb, struct flow *f, __u8 type)
{
	struct warder_addr target = {};
	bool unspecified = addr_is_zero(&f->src);
	__u32 l4 = f->l4, end = l4 + 8 + f->payload;

	if (f->payload < 16 || bpf_skb_load_bytes(skb, l4 + 8, &target, sizeof(target)))
		return REFUSE(f, LINK, MALFORMED);
	if (target.b[0] == 0xff)
		return REFUSE(f, LINK, MALFORMED);
	if (type == ND_NEIGHBOUR_ADVERT) {
		if (unspecified || !nd_may_claim(f, &target, false))
			return REFUSE(f, LINK, SPOOFED_NEIGHBOUR);
	} else if (unspecified) {
		/* Duplicate address detection: a claim too. */
		if (f->dst.w[0] != bpf_htonl(0xff020000) || f->dst.w[1] ||
		    f->dst.w[2] != bpf_htonl(1) || f->dst.b[12] != 0xff)
			return REFUSE(f, LINK, MALFORMED);
		if (!nd_may_claim(f, &target, true))
			return REFUSE(f, LINK, SPOOFED_NEIGHBOUR);
	}
	return nd_options(skb, f, l4 + 24, end, unspecified);
}

/* IPv6 from a pod that policy does not judge: a reason, or -1 = not of this kind. */
static __always_inline int icmp6_from_pod(struct __sk_buff *skb, struct flow *f)
{
	__u8 type = f->dport >> 8, code = f->dport & 0xff;
	int bad = 0;

	switch (type) {
	case ND_ROUTER_ADVERT:
	case ND_REDIRECT:
	case MLD_QUERY:
		return REFUSE(f, LINK, ROUTER_ADVERT);
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		if (f->dst.b[0] != 0xff || f->hop_limit != 1)
			return REFUSE(f, LINK, MALFORMED);
		if (!addr_is_zero(&f->src) && !addr_is_link_local(&f->src) &&
		    !flow_owns(f, &f->src, false))
			return REFUSE(f, LINK, SPOOFED_SOURCE);
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	case ND_ROUTER_SOLICIT:
	case ND_NEIGHBOUR_SOLICIT:
	case ND_NEIGHBOUR_ADVERT:
		break;
	default:
		return -1;
	}
	/* RFC 6980: never in fragments. */
	if (f->fragment)
		return REFUSE(f, LINK, FRAGMENT);
	if (f->hop_limit != 255 || code)
		return REFUSE(f, LINK, MALFORMED);
	if (!addr_is_zero(&f->src) && !addr_is_link_local(&f->src) && !flow_owns(f, &f->src, false))
		return REFUSE(f, LINK, SPOOFED_SOURCE);
	if (addr_is_link_local(&f->src) && host_holds(&f->src))
		return REFUSE(f, LINK, SPOOFED_NEIGHBOUR);
	if (type == ND_ROUTER_SOLICIT)
		bad = nd_options(skb, f, f->l4 + 8, f->l4 + 8 + f->payload, addr_is_zero(&f->src));
	else
		bad = nd_target(skb, f, type);
	return bad ? bad : WARDER_REASON_ALLOWED_NEIGHBOUR;
}

/* The same for IPv4: group membership and DHCP. */
static __always_inline int ipv4_from_pod(struct flow *f)
{
	__u8 type = f->dport >> 8;

	if (f->protocol == IPPROTO_IGMP && f->fragment == FRAGMENT_NONE) {
		if (type == IGMP_QUERY)
			return REFUSE(f, LINK, ROUTER_ADVERT);
		/* RFC 3376, 4.2.13: a report may come from 0.0.0.0. */
		if (!addr_is_group(&f->dst, true) || f->hop_limit != 1)
			return -1;
		if (f->src.w[3] && !flow_owns(f, &f->src, true))
			return REFUSE(f, LINK, SPOOFED_SOURCE);
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	}
	if (f->protocol == IPPROTO_ICMP && type == ICMP_REDIRECT && f->fragment != FRAGMENT_LATER)
		return REFUSE(f, LINK, ROUTER_ADVERT);
	if (f->protocol == IPPROTO_UDP && !f->fragment && !f->src.w[3] && f->sport == 68 &&
	    f->dport == 67 && f->dst.w[3] == 0xffffffff)
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	return -1;
}

/* What leaves a pod and is no matter of policy: a reason, or -1 = go on. */
GLOBAL int neighbour_from_pod(struct __sk_buff *skb, struct flow *f)
{
	if (!f)
		return WARDER_REASON_INTERNAL;
	if (f->protocol == IPPROTO_UDP && f->fragment != FRAGMENT_LATER &&
	    f->sport == (f->v4 ? 67 : 547))
		return REFUSE(f, LINK, ROUTER_ADVERT);
	if (f->v4)
		return ipv4_from_pod(f);
	if (f->protocol == IPPROTO_ICMPV6 && f->fragment != FRAGMENT_LATER)
		return icmp6_from_pod(skb, f);
	return -1;
}

/*
 * What enters a pod and is no matter of policy: a reason, or -1 = go on.  `pod`: it came from
 * another pod's link.
 */
GLOBAL int neighbour_to_pod(struct flow *f, __u32 pod)
{
	__u8 type = f ? f->dport >> 8 : 0;

	if (!f)
		return WARDER_REASON_INTERNAL;
	if (f->fragment)
		return -1;
	if (f->v4) {
		if (f->protocol == IPPROTO_ICMP && type == ICMP_REDIRECT)
			return REFUSE(f, LINK, ROUTER_ADVERT);
		if (f->protocol == IPPROTO_UDP && f->sport == 67 && pod)
			return REFUSE(f, LINK, ROUTER_ADVERT);
		if (f->protocol == IPPROTO_IGMP && addr_is_group(&f->dst, true) && !pod)
			return WARDER_REASON_ALLOWED_NEIGHBOUR;
		if (f->protocol == IPPROTO_IGMP && addr_is_group(&f->dst, true) &&
		    type != IGMP_QUERY)
			return WARDER_REASON_ALLOWED_NEIGHBOUR;
		return -1;
	}
	if (f->protocol == IPPROTO_UDP && f->sport == 547 && pod)
		return REFUSE(f, LINK, ROUTER_ADVERT);
	if (f->protocol != IPPROTO_ICMPV6)
		return -1;
	switch (type) {
	case ND_REDIRECT:
		return REFUSE(f, LINK, ROUTER_ADVERT);
	case ND_ROUTER_ADVERT:
		if (pod || f->hop_limit != 255 || !addr_is_link_local(&f->src))
			return REFUSE(f, LINK, ROUTER_ADVERT);
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	case ND_ROUTER_SOLICIT:
	case ND_NEIGHBOUR_SOLICIT:
	case ND_NEIGHBOUR_ADVERT:
		if (f->hop_limit != 255 || (f->dport & 0xff))
			return REFUSE(f, LINK, MALFORMED);
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	case MLD_QUERY:
		if (pod)
			return REFUSE(f, LINK, ROUTER_ADVERT);
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		return f->dst.b[0] == 0xff ? WARDER_REASON_ALLOWED_NEIGHBOUR : -1;
	}
	return -1;
}

#endif
