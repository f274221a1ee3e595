// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The pod object: both directions of a pod's link, at its host side.  Thin entries: who is this,
 * what does the frame say, who is the other side, is there an exception, what does policy say
 * (lib/judge.h). All of that ends in a reason; only finish() turns a reason into an action.
 *
 * From the pod, in this order:
 *   1. whose link; a held one passes neighbour discovery and own-node traffic only, and none of it
 *      while its addresses are not known
 *   2. a frame that can be read, of its own MAC
 *   3. ARP, neighbour discovery, group membership, DHCP: against its own addresses
 *   4. its own source address
 *   5. no tunnel toward any node, nor what this node's stack takes for itself
 *   6. itself; its own node's host stack (no Service's frontend)
 *   7. policy
 * To the pod:
 *   1. whose link; a frame that can be read
 *   2. the pod's own destination address, or a group's
 *   3. the host's own stack (no ingress interface); the pod itself
 *   4. router messages and redirects; ARP and neighbour discovery
 *   5. who sent it: where NAT put a node's address on it, the link or the mark it came with
 *   6. policy
 */
#include "vmlinux.h"

#include "lib/compat.h"
#include "lib/maps.h"

#include "lib/counter.h"
#include "lib/event.h"
#include "lib/identity.h"
#include "lib/judge.h"
#include "lib/link.h"
#include "lib/parse.h"

/* The link of the packet; NULL for one that nobody told us of. */
static __always_inline const struct warder_link *link_find(__u32 ifindex)
{
	__u32 index = ifindex & (WARDER_LINKS - 1);
	const struct warder_link *link = bpf_map_lookup_elem(&links, &index);

	return link && link->ifindex == ifindex ? link : 0;
}

/*
 * Whose the link is, into `f`: its slot, or NULL; an endpoint is there only where f->slot_flags
 * says LIVE. The slot's word is read once.
 */
static __always_inline const struct warder_slot *endpoint_find(struct flow *f,
							       const struct warder_link *link)
{
	struct warder_slot_word now;
	const struct warder_slot *slot;
	__u32 index;
	__u64 word;

	if (!link)
		return 0;
	index = link->slot;
	f->netnsid = link->netnsid;
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!index || !slot)
		return 0;
	word = *(const volatile __u64 *)&slot->word;
	__builtin_memcpy(&now, &word, sizeof(now));
	f->slot = index;
	f->generation = now.generation;
	f->group = now.group;
	f->slot_flags = now.flags;
	return slot;
}

static __always_inline void peer_set(struct flow *f, const struct warder_peer *peer, __u32 class)
{
	f->peer_identity = peer->identity;
	f->peer_class = class;
}

/* Protocols and ports of tunnels: what is inside would come out with any source address. */
static __always_inline bool tunnel_is(const struct flow *f)
{
	__u32 i = 0;

	switch (f->protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_GRE:
	case IPPROTO_ESP:
		return true;
	case IPPROTO_UDP:
		break;
	default:
		return false;
	}
	if (!n_tunnel_ports || f->fragment == FRAGMENT_LATER)
		return false;
	do {
		if (i < n_tunnel_ports && tunnel_ports[i] == f->dport)
			return true;
	} while (++i < 8);
	return false;
}

/*
 * Whether this node's own stack would take the packet, though the address is not listed as a node's: a
 * group that every host is in, a broadcast or anycast address of one of its networks, a link-local or
 * loopback address.  The kernel's own table knows; what it would not send on ends here.
 */
GLOBAL int ends_here(struct __sk_buff *skb, struct flow *f)
{
	struct bpf_fib_lookup fib = {};
	int answer;

	if (!f || addr_is_group(&f->dst, f->v4) || (!f->v4 && addr_is_link_local(&f->dst)))
		return 1;
	fib.ifindex = f->link;
	if (f->v4) {
		fib.family = AF_INET;
		fib.src[0] = f->src.w[3];
		fib.dst[0] = f->dst.w[3];
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.src, &f->src, 16);
		__builtin_memcpy(fib.dst, &f->dst, 16);
	}
	answer = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return answer != FIB_SUCCESS && answer != FIB_UNSUPP_LWT && answer != FIB_NO_NEIGH &&
	       answer != FIB_FRAG_NEEDED;
}

/* A tunnel packet that a node may unpack: toward a pod, or a Service's very port, it is a protocol like
 * others. */
static __always_inline bool tunnel_is_refused(struct __sk_buff *skb, struct flow *f, __u16 flags)
{
	if (!tunnel_is(f))
		return false;
	if (flags & (WARDER_PEER_NODE | WARDER_PEER_HOST))
		return true;
	if (flags & WARDER_PEER_POD)
		return false;
	if ((flags & WARDER_PEER_SERVICE) && f->fragment != FRAGMENT_LATER &&
	    frontend_find(&f->dst, f->dport, f->protocol))
		return false;
	return ends_here(skb, f);
}

/* Where a pod's packet goes: an exception or policy. */
static __always_inline int judge_destination(struct __sk_buff *skb, struct flow *f,
					     const struct warder_slot *slot)
{
	const struct warder_peer *peer = peer_find(&f->dst, f->v4);
	__u16 flags;

	if (!peer)
		return REFUSE(f, POD, INTERNAL);
	flags = peer->flags;
	f->peer_flags = flags;
	peer_set(f, peer, peer->class);
	if (tunnel_is_refused(skb, f, flags))
		return REFUSE(f, POD, TUNNEL);
	if (slot_owns(slot, f->slot, f->generation, f->slot_flags, &f->dst, f->v4))
		return WARDER_REASON_ALLOWED_SELF;
	f->peer_service = service_class(flags, f->peer_class, &f->dst, f->dport, f->protocol);
	if ((flags & WARDER_PEER_HOST) && f->peer_service == NO_SERVICE &&
	    !(f->slot_flags & WARDER_SLOT_JUDGE_HOST))
		return WARDER_REASON_ALLOWED_HOST;
	if (f->slot_flags & WARDER_SLOT_HOLD)
		return REFUSE(f, POD, HOLD);
	/* What answers to a node's frontend address is the NAT's, not the node's. */
	if (f->peer_service != NO_SERVICE && (flags & (WARDER_PEER_NODE | WARDER_PEER_HOST)))
		peer_set(f, peer, peer->cidr_class);
	return judge(skb, f);
}

GLOBAL int judge_from_pod(struct __sk_buff *skb, struct flow *f)
{
	const struct warder_link *link;
	const struct warder_slot *slot;
	int reason;

	if (!f)
		return WARDER_REASON_INTERNAL;
	link = link_find(f->link);
	slot = endpoint_find(f, link);
	reason = parse_frame(skb, f);
	if (!slot || !link || !(f->slot_flags & WARDER_SLOT_LIVE))
		return REFUSE(f, POD, HOLD);
	if (reason)
		return reason;
	if (!mac_equal(f->src_mac, link->mac))
		return REFUSE(f, POD, SPOOFED_MAC);
	if (f->ethertype == ETH_P_ARP)
		return arp_from_pod(skb, f);
	/* Everything that may be a neighbour's matter is neither TCP nor ordinary UDP. */
	if (f->protocol != IPPROTO_TCP) {
		reason = neighbour_from_pod(skb, f);
		if (reason >= 0)
			return reason;
	}
	if (!slot_owns(slot, f->slot, f->generation, f->slot_flags, &f->src, f->v4))
		return REFUSE(f, POD, SPOOFED_SOURCE);
	return judge_destination(skb, f, slot);
}

/* The pod behind a node's address: the one whose link it came by, or whose mark it bears; 0 =
 * nobody. */
static __always_inline __u32 sender_slot(struct __sk_buff *skb, const struct warder_link *from)
{
	if (from)
		return from->slot;
	return mark_mask ? (skb->mark & mark_mask) >> mark_shift : 0;
}

/* The class of a local pod, by its first address: false where it has none that is known. */
static __always_inline bool peer_set_slot(struct flow *f, __u32 index)
{
	const struct warder_slot *slot = bpf_map_lookup_elem(&slots, &index);
	const struct warder_peer *peer = 0;

	if (!slot || !(slot->now.flags & WARDER_SLOT_LIVE))
		return false;
	if (f->v4 ? slot->addr4[0] != 0 : !slot->addr6[0].w[0])
		peer = bpf_map_lookup_elem(&peer4, &slot->addr4[0]);
	else
		peer = bpf_map_lookup_elem(&peer6, &slot->addr6[0]);
	if (!peer)
		return false;
	peer_set(f, peer, peer->class);
	return true;
}

/* Who sent what enters the pod from elsewhere than the host's stack: a reason, or -1 = policy
 * decides. */
static __always_inline int judge_source(struct __sk_buff *skb, struct flow *f)
{
	const struct warder_peer *peer = peer_find(&f->src, f->v4);
	__u32 sender;
	__u16 flags;

	if (!peer)
		return REFUSE(f, POD, INTERNAL);
	flags = peer->flags;
	f->peer_flags = flags;
	f->peer_service = service_class(flags, peer->class, &f->src, f->sport, f->protocol);
	if (!(flags & WARDER_PEER_HOST) || !skb->ingress_ifindex) {
		peer_set(f, peer, peer->class);
		return -1;
	}
	sender = sender_slot(skb, link_find(skb->ingress_ifindex));
	if (sender == f->slot)
		return WARDER_REASON_ALLOWED_SELF;
	if (sender && peer_set_slot(f, sender))
		return -1;
	f->peer_identity = WARDER_IDENTITY_NODE_SNAT;
	f->peer_class = peer->cidr_class;
	return -1;
}

/* A DHCP server's answer goes to an address that the pod has not got yet. */
static __always_inline bool dhcp_answer(const struct flow *f)
{
	return f->v4 && f->protocol == IPPROTO_UDP && f->fragment != FRAGMENT_LATER &&
	       f->sport == 67 && f->dport == 68;
}

/*
 * The address is not the pod's.  A bridge that has not learned a station floods its frames: these bear that
 * station's MAC, and the pod's stack would ignore them.  Frames for the pod's own MAC are an attack or a
 * wrong route.
 */
static __always_inline int wrong_destination(struct __sk_buff *skb, struct flow *f,
					     const struct warder_link *link)
{
	__u8 mac[6] = {};

	if (!bpf_skb_load_bytes(skb, 0, mac, sizeof(mac)) && !(mac[0] & 1) &&
	    !mac_equal(mac, link->mac))
		return REFUSE(f, POD, FLOODED);
	return REFUSE(f, POD, WRONG_DESTINATION);
}

GLOBAL int judge_to_pod(struct __sk_buff *skb, struct flow *f)
{
	const struct warder_link *link;
	const struct warder_slot *slot;
	__u32 ingress = skb->ingress_ifindex;
	int reason;

	if (!f)
		return WARDER_REASON_INTERNAL;
	link = link_find(f->link);
	slot = endpoint_find(f, link);
	reason = parse_frame(skb, f);
	if (!slot || !link || !(f->slot_flags & WARDER_SLOT_LIVE))
		return REFUSE(f, POD, HOLD);
	/* A bridge's own frames (STP) are the host's too. */
	if (reason == WARDER_REASON_ETHERTYPE && !ingress)
		return WARDER_REASON_ALLOWED_HOST;
	if (reason)
		return reason;
	if (f->ethertype == ETH_P_ARP)
		return WARDER_REASON_ALLOWED_NEIGHBOUR;
	if (!slot_owns(slot, f->slot, f->generation, f->slot_flags, &f->dst, f->v4) &&
	    !addr_is_group(&f->dst, f->v4) && (f->v4 || !addr_is_link_local(&f->dst)) &&
	    (ingress || !dhcp_answer(f)))
		return wrong_destination(skb, f, link);
	if (!ingress && !(f->slot_flags & WARDER_SLOT_JUDGE_HOST))
		return WARDER_REASON_ALLOWED_HOST;
	if (ingress == f->link)
		return WARDER_REASON_ALLOWED_SELF;
	if (f->protocol != IPPROTO_TCP) {
		reason = neighbour_to_pod(f, ingress && link_find(ingress));
		if (reason >= 0)
			return reason;
	}
	if (f->slot_flags & WARDER_SLOT_HOLD)
		return REFUSE(f, POD, HOLD);
	reason = judge_source(skb, f);
	return reason >= 0 ? reason : judge(skb, f);
}

/* A record for each refused packet, and for each that audited policies would have refused. */
GLOBAL int tell(struct __sk_buff *skb, struct flow *f, __u32 reason, __u32 audited)
{
	struct warder_event_sample sample = {};
	struct warder_event_key key = {};
	__u32 packets = skb->gso_segs;

	if (!f)
		return 0;
	packets = packets ? packets : 1;
	key.src = f->src;
	key.dst = f->dst;
	key.peer_identity = f->peer_identity;
	key.generation = f->generation;
	key.slot = f->slot;
	key.dport = f->dport;
	key.ethertype = f->ethertype;
	key.protocol = f->protocol;
	key.reason = reason;
	key.direction = f->direction;
	key.hook = f->hook;
	key.audited = audited;
	sample.cgroup = bpf_skb_cgroup_id(skb);
	sample.peer_identity = f->peer_identity;
	sample.ifindex = f->link;
	sample.ingress_ifindex = f->direction == WARDER_INGRESS ? skb->ingress_ifindex : 0;
	sample.sport = f->sport;
	sample.line = f->decided_line;
	sample.file = f->decided_file;
	sample.tcp_flags = f->tcp_flags;
	__builtin_memcpy(sample.src_mac, f->src_mac, 6);
	sample.packet_len = skb->len;
	event_tell(&key, &sample, packets, skb->len + (packets - 1) * f->header);
	return 0;
}

/* The sender's slot, so that NAT does not lose it; a slot beyond the mask goes unmarked. */
static __always_inline void mark_set(struct __sk_buff *skb, __u32 slot)
{
	__u32 bits = slot << mark_shift, mark;

	if (!mark_mask)
		return;
	if ((bits & ~mark_mask) || bits >> mark_shift != slot)
		bits = 0;
	mark = (skb->mark & ~mark_mask) | bits;
	barrier_var(mark);
	skb->mark = mark;
}

/* The only place where a reason becomes an action. */
static __always_inline int finish(struct __sk_buff *skb, struct flow *f, __u32 reason)
{
	__u32 packets = skb->gso_segs, bytes, audited = 0;

	packets = packets ? packets : 1;
	bytes = skb->len + (packets - 1) * f->header;
	if (reason >= WARDER_REASON_DROP) {
		/* Whose addresses nobody knows yet cannot be told to have forged one. */
		if (f->slot_flags & WARDER_SLOT_HOLD &&
		    (reason == WARDER_REASON_SPOOFED_SOURCE ||
		     reason == WARDER_REASON_SPOOFED_NEIGHBOUR ||
		     reason == WARDER_REASON_WRONG_DESTINATION))
			reason = WARDER_REASON_HOLD;
		audited = f->slot_flags & WARDER_SLOT_AUDIT ? 1 : 0;
		tell(skb, f, reason, audited);
	} else if (f->would_deny) {
		count_packets(f->slot, f->direction, 1, f->would_deny, packets, bytes);
		f->decided_file = WARDER_FILE_POD;
		f->decided_line = __LINE__;
		tell(skb, f, f->would_deny, 1);
	}
	count_packets(f->slot, f->direction, audited, reason & (WARDER_REASON_MAX - 1), packets,
		      bytes);
	return reason >= WARDER_REASON_DROP && !audited ? WARDER_ACT_DROP : WARDER_ACT_NEXT;
}

SEC("tcx/ingress")
int warder_from_pod(struct __sk_buff *skb)
{
	struct flow f = {
		.link = skb->ifindex,
		.direction = WARDER_EGRESS,
		.hook = WARDER_HOOK_FROM_POD,
		.netnsid = -1,
		.peer_service = NO_SERVICE,
	};
	int action = finish(skb, &f, judge_from_pod(skb, &f));

	if (action == WARDER_ACT_NEXT)
		mark_set(skb, f.slot);
	return action;
}

SEC("tcx/egress")
int warder_to_pod(struct __sk_buff *skb)
{
	struct flow f = {
		.link = skb->ifindex,
		.direction = WARDER_INGRESS,
		.hook = WARDER_HOOK_TO_POD,
		.netnsid = -1,
		.peer_service = NO_SERVICE,
	};

	return finish(skb, &f, judge_to_pod(skb, &f));
}

/* What expired leaves `flows`, and its budget; run it by bpf_prog_test_run now and then. */
SEC("syscall")
int warder_expire(void *ctx)
{
	__u64 now = bpf_ktime_get_boot_ns();

	bpf_for_each_map_elem(&flows, state_expire, &now, 0);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
