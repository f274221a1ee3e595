/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policy of one packet whose two sides are known.  In this order:
 *   1. an ICMP error: by the packet that it speaks of;
 *   2. a later fragment: where the pair may talk on some port of its protocol, either way;
 *   3. the packet's own direction allows it (matrix; to a Service: all of its backends);
 *   4. it is an answer: the other direction allows that, and a socket or a flow proves who began.
 * Both kinds of policy are asked at once: the enforced ones decide, and where the audited ones
 * would have refused what passes, f->would_deny says so.
 */
#ifndef WARDER_BPF_JUDGE_H
#define WARDER_BPF_JUDGE_H

#include "lib/link.h"
#include "lib/reply.h"
#include "lib/verdict.h"

/* What policy says of `direction`; to a Service by what is behind it, all of it. */
static __always_inline __u32 peer_verdict(const struct flow *f, __u32 direction, __u32 peer_class,
					  __u32 service, __u32 class)
{
	if (service != NO_SERVICE && direction == WARDER_EGRESS)
		return matrix_verdict(direction, f->group, service, WARDER_PORT_SERVICE_ALL);
	return matrix_verdict(direction, f->group, peer_class, class);
}

/* Why a Service is refused: one of its backends may be allowed, and which would be reached is not seen
 * here. */
static __always_inline int refuse_service(struct flow *f)
{
	if (matrix_verdict(WARDER_EGRESS, f->group, f->peer_service, WARDER_PORT_SERVICE_SOME) &
	    VERDICT_ENFORCED)
		return REFUSE(f, JUDGE, SERVICE);
	return REFUSE(f, JUDGE, POLICY);
}

static __always_inline bool flow_to_service(const struct flow *f)
{
	return f->peer_service != NO_SERVICE && f->direction == WARDER_EGRESS;
}

static __always_inline int would_deny(struct flow *f, __u32 bits, int reason)
{
	if (!(bits & VERDICT_AUDITED))
		f->would_deny = WARDER_REASON_POLICY;
	return reason;
}

static __always_inline bool icmp_is_error(const struct flow *f)
{
	__u8 type = f->dport >> 8;

	if (f->fragment == FRAGMENT_LATER)
		return false;
	if (f->v4)
		return f->protocol == IPPROTO_ICMP && (type == 3 || type == 11);
	return f->protocol == IPPROTO_ICMPV6 && type >= 1 && type <= 3;
}

/* The packet that an ICMP error speaks of. */
struct inner {
	struct warder_addr src, dst;
	__u16 sport, dport;
	__u8 protocol;
	__u8 fragment;
	__u8 pad[2];
};

/* 0 or a reason.  At least 8 bytes of its transport, or of a later fragment nothing. */
static __always_inline int inner_parse(struct __sk_buff *skb, struct flow *f, struct inner *inner)
{
	__u32 at = f->l4 + 8, end = at + f->payload, header = sizeof(struct iphdr);
	__u8 bytes[sizeof(struct ipv6hdr)] = {};
	struct walk w = {};
	__u32 v4;
	int bad;

	if (f->v4) {
		if (f->payload < 28 || bpf_skb_load_bytes(skb, at, bytes, sizeof(struct iphdr)))
			return REFUSE(f, JUDGE, ICMP_ERROR);
		header = (bytes[0] & 0xf) * 4;
		if (bytes[0] >> 4 != 4 || header < 20)
			return REFUSE(f, JUDGE, ICMP_ERROR);
		__builtin_memcpy(&v4, bytes + 12, 4);
		addr_from_v4(&inner->src, v4);
		__builtin_memcpy(&v4, bytes + 16, 4);
		addr_from_v4(&inner->dst, v4);
		inner->protocol = bytes[9];
		inner->fragment = (bytes[6] & 0x1f) || bytes[7] ? FRAGMENT_LATER : FRAGMENT_NONE;
		w.at = at + header;
	} else {
		if (f->payload < 48 || bpf_skb_load_bytes(skb, at, bytes, sizeof(struct ipv6hdr)))
			return REFUSE(f, JUDGE, ICMP_ERROR);
		if (bytes[0] >> 4 != 6)
			return REFUSE(f, JUDGE, ICMP_ERROR);
		__builtin_memcpy(&inner->src, bytes + 8, 16);
		__builtin_memcpy(&inner->dst, bytes + 24, 16);
		w.protocol = bytes[6];
		w.at = at + sizeof(struct ipv6hdr);
		w.end = end;
		if (extension_is(w.protocol)) {
			bad = parse_extensions(skb, &w);
			if (bad && bad != WARDER_REASON_FRAGMENT)
				return REFUSE(f, JUDGE, ICMP_ERROR);
		}
		inner->protocol = w.protocol;
		inner->fragment = w.fragment;
	}
	if (inner->fragment == FRAGMENT_LATER)
		return 0;
	if (w.at + 8 > end || bpf_skb_load_bytes(skb, w.at, bytes, 8))
		return REFUSE(f, JUDGE, ICMP_ERROR);
	if (inner->protocol == IPPROTO_TCP || inner->protocol == IPPROTO_UDP ||
	    inner->protocol == IPPROTO_SCTP) {
		inner->sport = (__u16)bytes[0] << 8 | bytes[1];
		inner->dport = (__u16)bytes[2] << 8 | bytes[3];
	}
	return 0;
}

/* The same where speed is no matter: the verifier reads it once, not once for each path. */
GLOBAL __u32 peer_verdict_apart(const struct flow *f, __u32 direction, __u32 peer_class,
				__u32 service, __u32 class)
{
	return f ? peer_verdict(f, direction, peer_class, service, class) : 0;
}

/* An ICMP error passes where the packet inside was the pod's business and allowed: a reason. */
GLOBAL int judge_icmp_error(struct __sk_buff *skb, struct flow *f)
{
	bool from_pod = f && f->direction == WARDER_EGRESS;
	const struct warder_peer *peer;
	const struct warder_addr *remote;
	struct inner inner = {};
	__u32 bits, class, reverse_class, peer_class, service;
	__u16 flags;
	int bad;

	if (!f)
		return WARDER_REASON_INTERNAL;
	bad = inner_parse(skb, f, &inner);
	if (bad)
		return bad;
	if (!flow_owns(f, from_pod ? &inner.dst : &inner.src, f->v4))
		return REFUSE(f, JUDGE, ICMP_ERROR);
	/* The pod's own errors are the kernel's, and go to the sender of what they speak of. */
	if (from_pod &&
	    (!addr_equal(&inner.src, &f->dst) || (skb->sk && !skb_socket_is_kernels(skb))))
		return REFUSE(f, JUDGE, ICMP_ERROR);
	remote = from_pod ? &inner.src : &inner.dst;
	peer = peer_find(remote, f->v4);
	if (!peer)
		return REFUSE(f, JUDGE, INTERNAL);
	flags = peer->flags;
	peer_class = peer->class;
	class = inner.fragment == FRAGMENT_LATER ? fragment_class(inner.protocol)
						 : port_class(inner.protocol, inner.dport);
	reverse_class =
		inner.fragment == FRAGMENT_LATER ? class : port_class(inner.protocol, inner.sport);
	service = service_class(flags, peer_class, remote, from_pod ? inner.sport : inner.dport,
				inner.protocol);
	bits = peer_verdict_apart(f, !f->direction, peer_class, service, class) |
	       peer_verdict_apart(f, f->direction, peer_class, service, reverse_class);
	if (!(bits & VERDICT_ENFORCED))
		return REFUSE(f, JUDGE, ICMP_ERROR);
	return would_deny(f, bits, WARDER_REASON_ALLOWED_ERROR);
}

static __always_inline int judge_fragment(struct flow *f)
{
	__u32 class = fragment_class(f->protocol);
	__u32 bits = peer_verdict(f, f->direction, f->peer_class, f->peer_service, class);

	if (bits != VERDICT_BOTH)
		bits |= peer_verdict(f, !f->direction, f->peer_class, f->peer_service, class);
	if (!(bits & VERDICT_ENFORCED))
		return REFUSE(f, JUDGE, FRAGMENT_PORT);
	return would_deny(f, bits, WARDER_REASON_ALLOWED_FRAGMENT);
}

/* Kinds of transport by how an answer is proven. */
enum proof_kind { PROOF_NONE, PROOF_SOCKET, PROOF_FLOW };

static __always_inline enum proof_kind proof_kind(const struct flow *f)
{
	__u8 type = f->dport >> 8;

	switch (f->protocol) {
	case IPPROTO_TCP:
		return f->slot_flags & WARDER_SLOT_OPAQUE ? PROOF_FLOW : PROOF_SOCKET;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return PROOF_FLOW;
	case IPPROTO_ICMP:
		return f->v4 && (type == 8 || type == 0) ? PROOF_FLOW : PROOF_NONE;
	case IPPROTO_ICMPV6:
		return !f->v4 && (type == 128 || type == 129) ? PROOF_FLOW : PROOF_NONE;
	}
	return PROOF_NONE;
}

/* Whether a packet can begin a flow: any datagram, an echo request, an INIT, an opaque endpoint's
 * SYN. */
static __always_inline bool flow_begins(const struct flow *f)
{
	__u8 type = f->dport >> 8;

	switch (f->protocol) {
	case IPPROTO_TCP:
		return tcp_lone_syn(f->tcp_flags);
	case IPPROTO_SCTP:
		return f->chunk == 1;
	case IPPROTO_ICMP:
		return type == 8;
	case IPPROTO_ICMPV6:
		return type == 128;
	}
	return true;
}

/* The packet's own direction allows it: what its answers will need is remembered.  A reason. */
static __always_inline int allowed(struct __sk_buff *skb, struct flow *f, enum proof_kind kind,
				   __u32 reverse)
{
	int bad = 0;

	if (kind == PROOF_SOCKET && f->direction == WARDER_EGRESS) {
		if ((f->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
			bad = connection_begin(skb, f);
		if (!bad && reverse != VERDICT_BOTH && connection_is_hidden(skb, f))
			connection_note(skb, f);
	} else if (kind == PROOF_FLOW && reverse != VERDICT_BOTH) {
		if (f->direction == WARDER_EGRESS && addr_is_group(&f->dst, f->v4))
			return WARDER_REASON_ALLOWED; /* no answer comes from a group */
		if (f->direction == WARDER_EGRESS && datagram_is_provable(skb, f))
			return WARDER_REASON_ALLOWED;
		bad = state_open(f, flow_begins(f));
	}
	return bad ? bad : WARDER_REASON_ALLOWED;
}

/* What only the other direction allows: a reason. */
static __always_inline int reply(struct __sk_buff *skb, struct flow *f, enum proof_kind kind)
{
	if (kind == PROOF_FLOW) {
		/* Who begins does not answer. */
		if (f->protocol != IPPROTO_UDP && flow_begins(f))
			return REFUSE(f, JUDGE, POLICY);
		if (f->protocol == IPPROTO_TCP && tcp_bad_flags(f->tcp_flags))
			return REFUSE(f, JUDGE, TCP_FLAGS);
		return reply_datagram(skb, f);
	}
	if (kind == PROOF_NONE)
		return REFUSE(f, JUDGE, POLICY);
	return f->direction == WARDER_EGRESS ? reply_tcp_from_pod(skb, f)
					     : reply_tcp_to_pod(skb, f);
}

/* The reason of a packet whose slot, peer and transport are in `f`. */
GLOBAL int judge(struct __sk_buff *skb, struct flow *f)
{
	__u32 own, reverse, lacking;
	enum proof_kind kind;
	bool hidden = true;
	int reason, answer = WARDER_REASON_POLICY;

	if (!f)
		return WARDER_REASON_INTERNAL;
	if (icmp_is_error(f)) {
		reason = judge_icmp_error(skb, f);
		if (reason < WARDER_REASON_DROP || f->direction == WARDER_INGRESS)
			return reason;
		/* What a process of the pod wrote itself is a datagram like others. */
		own = matrix_verdict(f->direction, f->group, f->peer_class, WARDER_PORT_OTHER);
		return own & VERDICT_ENFORCED ? would_deny(f, own, WARDER_REASON_ALLOWED) : reason;
	}
	if (f->fragment == FRAGMENT_LATER)
		return judge_fragment(f);
	kind = proof_kind(f);
	own = peer_verdict(f, f->direction, f->peer_class, f->peer_service,
			   port_class(f->protocol, f->dport));
	reverse = VERDICT_BOTH;
	if (own == VERDICT_BOTH && kind == PROOF_SOCKET) {
		if (f->direction == WARDER_INGRESS)
			return WARDER_REASON_ALLOWED;
		/* Only what a hidden socket sends needs to know whether its answers will be proven. */
		hidden = connection_is_hidden(skb, f);
	}
	if (hidden)
		reverse = peer_verdict(f, !f->direction, f->peer_class, f->peer_service,
				       port_class(f->protocol, f->sport));
	lacking = ~own & reverse & VERDICT_BOTH;
	if (lacking)
		answer = reply(skb, f, kind);
	if (own & VERDICT_ENFORCED)
		reason = allowed(skb, f, kind, reverse);
	else if (reverse & VERDICT_ENFORCED)
		reason = answer;
	else
		reason = REFUSE(f, JUDGE, POLICY);
	if (flow_to_service(f) && reason >= WARDER_REASON_DROP && !(own & VERDICT_ENFORCED))
		return refuse_service(f);
	if (reason < WARDER_REASON_DROP && !(own & VERDICT_AUDITED) &&
	    (!(reverse & VERDICT_AUDITED) || answer >= WARDER_REASON_DROP))
		f->would_deny = WARDER_REASON_POLICY;
	return reason;
}

#endif
