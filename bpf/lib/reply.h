/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who began a TCP connection, without a table of connections: the socket says it.  A socket whose
 * own SYN was allowed out is `active` (map `directions`).  A segment that only the reverse
 * direction allows passes where a socket of the pod proves that the connection belongs to that
 * direction:
 *
 *   toward the pod: a socket of this 4-tuple that is active, in SYN-SENT or a TIME-WAIT; a LISTEN
 * never. Where the lookup finds none, an active socket that it cannot find sent on this tuple (map
 * `unfound`). out of the pod: the packet's own socket, passive, of this peer, that received over a
 * link; and without one what the kernel sends without: RST, bare ACK, SYN-ACK of a syncookie.
 *
 * It is asked only where the reverse direction is allowed.  UDP's connected sockets are here too.
 */
#ifndef WARDER_BPF_REPLY_H
#define WARDER_BPF_REPLY_H

#include "lib/event.h"
#include "lib/maps.h"
#include "lib/parse.h"
#include "lib/proof.h"
#include "lib/state.h"

/* A SYN and nothing else that matters (ECN, PSH and URG do not). */
static __always_inline bool tcp_lone_syn(__u8 flags)
{
	return (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* A segment that no connection makes: neither ACK nor RST nor a lone SYN. */
static __always_inline bool tcp_bad_flags(__u8 flags)
{
	return !(flags & TCP_ACK) && !tcp_lone_syn(flags) &&
	       (!(flags & TCP_RST) || (flags & TCP_SYN));
}

/* The tuple as the pod receives it: `remote` is where it comes from. */
static __always_inline __u32 socket_tuple(const struct flow *f, bool from_pod,
					  struct bpf_sock_tuple *tuple)
{
	const struct warder_addr *remote = from_pod ? &f->dst : &f->src;
	const struct warder_addr *local = from_pod ? &f->src : &f->dst;
	__be16 remote_port = bpf_htons(from_pod ? f->dport : f->sport);
	__be16 local_port = bpf_htons(from_pod ? f->sport : f->dport);

	if (f->v4) {
		tuple->ipv4.saddr = remote->w[3];
		tuple->ipv4.daddr = local->w[3];
		tuple->ipv4.sport = remote_port;
		tuple->ipv4.dport = local_port;
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, remote, 16);
	__builtin_memcpy(tuple->ipv6.daddr, local, 16);
	tuple->ipv6.sport = remote_port;
	tuple->ipv6.dport = local_port;
	return sizeof(tuple->ipv6);
}

/* To be released.  Two calls, since the verifier wants to know each size. */
static __always_inline struct bpf_sock *socket_find_tcp(struct __sk_buff *skb, const struct flow *f,
							bool from_pod)
{
	struct bpf_sock_tuple tuple = {};

	if (f->netnsid < 0)
		return 0;
	if (socket_tuple(f, from_pod, &tuple) == sizeof(tuple.ipv4))
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), (__u32)f->netnsid, 0);
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), (__u32)f->netnsid, 0);
}

/* Whether `sk` speaks with the other side of the packet.  Volatile: clang would fold the families'
 * loads. */
static __always_inline bool socket_has_peer(const volatile struct bpf_sock *sk,
					    const struct warder_addr *addr, __u16 port, bool v4)
{
	__u32 w[4];

	if ((__u16)sk->dst_port != bpf_htons(port))
		return false;
	if (v4) {
		w[3] = sk->dst_ip4;
		return w[3] == addr->w[3];
	}
	w[0] = sk->dst_ip6[0];
	w[1] = sk->dst_ip6[1];
	w[2] = sk->dst_ip6[2];
	w[3] = sk->dst_ip6[3];
	return w[0] == addr->w[0] && w[1] == addr->w[1] && w[2] == addr->w[2] && w[3] == addr->w[3];
}

static __always_inline bool socket_has_local(const volatile struct bpf_sock *sk,
					     const struct warder_addr *addr, __u16 port, bool v4)
{
	__u32 w[4];

	if (sk->src_port != port)
		return false;
	if (v4) {
		w[3] = sk->src_ip4;
		return w[3] == addr->w[3];
	}
	w[0] = sk->src_ip6[0];
	w[1] = sk->src_ip6[1];
	w[2] = sk->src_ip6[2];
	w[3] = sk->src_ip6[3];
	return w[0] == addr->w[0] && w[1] == addr->w[1] && w[2] == addr->w[2] && w[3] == addr->w[3];
}

/* An active socket that no lookup finds sent on this tuple. */
static __always_inline bool unfound_knows(const struct flow *f)
{
	struct warder_flow_key key = {};

	state_key(f, WARDER_EGRESS, &key);
	return bpf_map_lookup_elem(&unfound, &key) != 0;
}

/* A TCP segment toward the pod that only egress allows: a reason. */
GLOBAL int reply_tcp_to_pod(struct __sk_buff *skb, struct flow *f)
{
	struct warder_proof *proof = 0;
	struct warder_socket *direction;
	struct bpf_sock *sk;
	bool lone, proven;
	__u64 hash = 0;
	int state;

	if (!f)
		return WARDER_REASON_INTERNAL;
	lone = tcp_lone_syn(f->tcp_flags);
	if (tcp_bad_flags(f->tcp_flags))
		return REFUSE(f, REPLY, TCP_FLAGS);
	if (reply_cache) {
		hash = proof_hash(f);
		proof = proof_at(hash);
		if (proof && (f->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))) {
			if (proof->hash == hash)
				proof->hash = 0;
			proof = 0;
		}
		if (proof && proof_holds(proof, hash, WARDER_PROOF_NS))
			return WARDER_REASON_ALLOWED_REPLY;
	}
	sk = socket_find_tcp(skb, f, false);
	if (!sk) {
		if (lone)
			return REFUSE(f, REPLY, POLICY);
		if (!unfound_knows(f))
			return REFUSE(f, REPLY, UNPROVEN_REPLY);
	} else {
		state = sk->state;
		direction = bpf_sk_storage_get(&directions, sk, 0, 0);
		/* A socket that connected once may listen now: its bit says nothing any more. */
		proven = state == TCP_STATE_SYN_SENT ||
			 (!lone && state != TCP_STATE_LISTEN &&
			  (state == TCP_STATE_TIME_WAIT || (direction && direction->active)));
		bpf_sk_release(sk);
		if (!proven && lone)
			return REFUSE(f, REPLY, POLICY);
		if (!proven)
			return REFUSE(f, REPLY, UNPROVEN_REPLY);
	}
	if (proof)
		proof_keep(proof, hash);
	return WARDER_REASON_ALLOWED_REPLY;
}

/* A socket that got its peer's packets by a link: not over lo, not by hand (TCP_REPAIR). */
static __always_inline bool socket_received(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	int ifindex;

	if (!tcp)
		return false;
	ifindex = tcp->inet_conn.icsk_inet.sk.sk_rx_dst_ifindex;
	return ifindex != 0 && ifindex != LOOPBACK_IFINDEX;
}

/*
 * What a TCP socket, a request or a TIME-WAIT proves about a segment that left the pod.  `own`: the
 * segment's own; else the one that a lookup found for a segment without.
 */
static __always_inline int reply_by_socket(struct bpf_sock *sk, struct flow *f, bool own)
{
	__u8 flags = f->tcp_flags;
	bool bare = !f->payload && !(flags & (TCP_SYN | TCP_FIN));
	struct warder_socket *direction;
	int state = sk->state;

	if (state == TCP_STATE_LISTEN) {
		/* Challenge ACKs and RSTs; SYN-ACKs of syncookies come without a socket of their
		 * own. */
		if (bare || (!own && !f->payload && (flags & (TCP_SYN | TCP_FIN)) == TCP_SYN))
			return WARDER_REASON_ALLOWED_REPLY;
		return REFUSE(f, REPLY, UNPROVEN_REPLY);
	}
	if (!socket_has_peer(sk, &f->dst, f->dport, f->v4))
		return REFUSE(f, REPLY, UNPROVEN_REPLY);
	if (state == TCP_STATE_TIME_WAIT)
		return bare ? WARDER_REASON_ALLOWED_REPLY : REFUSE(f, REPLY, UNPROVEN_REPLY);
	if (state == TCP_STATE_NEW_SYN_RECV)
		return !f->payload && !(flags & TCP_FIN) ? WARDER_REASON_ALLOWED_REPLY
							 : REFUSE(f, REPLY, UNPROVEN_REPLY);
	direction = bpf_sk_storage_get(&directions, sk, 0, 0);
	if (direction && direction->active)
		return REFUSE(f, REPLY, POLICY); /* its own direction is the one that is refused */
	if (!socket_received(sk))
		return REFUSE(f, REPLY, UNPROVEN_REPLY);
	return WARDER_REASON_ALLOWED_REPLY;
}

/* A segment without a socket: RST, bare ACK and SYN-ACK, unless a lookup finds one that speaks
 * against it. */
static __always_inline int reply_without_socket(struct __sk_buff *skb, struct flow *f)
{
	struct bpf_sock *sk = socket_find_tcp(skb, f, true);
	int reason;

	if (sk) {
		reason = reply_by_socket(sk, f, false);
		bpf_sk_release(sk);
		return reason;
	}
	if (f->payload || (f->tcp_flags & TCP_FIN))
		return REFUSE(f, REPLY, UNPROVEN_REPLY);
	return WARDER_REASON_ALLOWED_REPLY;
}

/* A TCP segment out of the pod that only ingress allows: a reason. */
GLOBAL int reply_tcp_from_pod(struct __sk_buff *skb, struct flow *f)
{
	struct bpf_sock *sk, *full;

	if (!f)
		return WARDER_REASON_INTERNAL;
	if (tcp_bad_flags(f->tcp_flags))
		return REFUSE(f, REPLY, TCP_FLAGS);
	if (tcp_lone_syn(f->tcp_flags))
		return REFUSE(f, REPLY, POLICY); /* a connection of its own */
	sk = skb->sk;
	if (!sk)
		return reply_without_socket(skb, f);
	full = bpf_sk_fullsock(sk);
	if (full && (full->type != SOCK_STREAM || full->protocol != IPPROTO_TCP)) {
		/* The kernel's control sockets send RSTs and ACKs; a raw or packet socket is a
		 * process's. */
		if (!f->payload && !(f->tcp_flags & (TCP_SYN | TCP_FIN)) &&
		    skb_socket_is_kernels(skb))
			return WARDER_REASON_ALLOWED_REPLY;
		return REFUSE(f, REPLY, UNPROVEN_REPLY);
	}
	return reply_by_socket(sk, f, true);
}

/* A SYN that policy allows out: its socket becomes active.  0 or a reason. */
GLOBAL int connection_begin(struct __sk_buff *skb, struct flow *f)
{
	struct warder_socket *direction = 0;
	struct bpf_sock *sk;
	bool found = false;

	if (!f)
		return WARDER_REASON_INTERNAL;
	sk = skb->sk;
	if (sk) {
		sk = bpf_sk_fullsock(sk);
		if (!sk || sk->type != SOCK_STREAM || sk->protocol != IPPROTO_TCP)
			return 0; /* a raw socket's: nothing will prove its answers */
		direction = bpf_sk_storage_get(&directions, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		found = true;
	} else {
		sk = socket_find_tcp(skb, f, true);
		if (!sk)
			return 0;
		if (sk->state == TCP_STATE_SYN_SENT) {
			direction = bpf_sk_storage_get(&directions, sk, 0,
						       BPF_LOCAL_STORAGE_GET_F_CREATE);
			found = true;
		}
		bpf_sk_release(sk);
	}
	if (!found)
		return 0;
	if (!direction)
		return REFUSE(f, REPLY, NO_STORAGE);
	direction->active = 1;
	return 0;
}

/* Whether a lookup of the wire's tuple may miss the packet's own socket. */
static __always_inline bool connection_is_hidden(struct __sk_buff *skb, const struct flow *f)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk || sk->state == TCP_STATE_CLOSE) /* its source port is gone already */
		return false;
	return sk->bound_dev_if || !socket_has_local(sk, &f->src, f->sport, f->v4) ||
	       !socket_has_peer(sk, &f->dst, f->dport, f->v4);
}

/* An active socket that no lookup finds sends: map `unfound` will know its answers. */
GLOBAL int connection_note(struct __sk_buff *skb, struct flow *f)
{
	struct warder_unfound entry = {};
	struct warder_flow_key key = {};
	struct warder_socket *direction;
	struct bpf_sock *sk;

	if (!f)
		return 0;
	sk = skb->sk;
	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->type != SOCK_STREAM || sk->protocol != IPPROTO_TCP)
		return 0;
	direction = bpf_sk_storage_get(&directions, sk, 0, 0);
	if (!direction || !direction->active)
		return 0;
	state_key(f, WARDER_EGRESS, &key);
	if (bpf_map_lookup_elem(&unfound, &key))
		return 0;
	entry.seen = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&unfound, &key, &entry, BPF_ANY);
	return 0;
}

/* Whether the answers of a datagram out of the pod will find its socket connected to this peer. */
GLOBAL int datagram_is_provable(struct __sk_buff *skb, struct flow *f)
{
	struct bpf_sock *sk;

	if (!f || f->protocol != IPPROTO_UDP || f->netnsid < 0)
		return 0;
	sk = skb->sk;
	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	return sk && sk->type == SOCK_DGRAM && sk->protocol == IPPROTO_UDP &&
	       sk->state == TCP_STATE_ESTABLISHED && !sk->bound_dev_if &&
	       socket_has_local(sk, &f->src, f->sport, f->v4) &&
	       socket_has_peer(sk, &f->dst, f->dport, f->v4);
}

/* A UDP datagram toward the pod that only egress allows: whether a socket is connected to its
 * sender. */
static __always_inline bool datagram_has_socket(struct __sk_buff *skb, const struct flow *f)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	bool connected;

	if (f->netnsid < 0)
		return false;
	if (socket_tuple(f, false, &tuple) == sizeof(tuple.ipv4))
		sk = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv4), (__u32)f->netnsid, 0);
	else
		sk = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv6), (__u32)f->netnsid, 0);
	if (!sk)
		return false;
	connected =
		sk->state == TCP_STATE_ESTABLISHED && socket_has_peer(sk, &f->src, f->sport, f->v4);
	bpf_sk_release(sk);
	return connected;
}

/* A datagram, or anything of an opaque endpoint, that only the other direction allows: a reason. */
GLOBAL int reply_datagram(struct __sk_buff *skb, struct flow *f)
{
	bool may_connect;
	struct warder_proof *proof = 0;
	__u64 hash = 0;

	if (!f)
		return WARDER_REASON_INTERNAL;
	may_connect = f->protocol == IPPROTO_UDP && f->direction == WARDER_INGRESS;
	if (may_connect && reply_cache) {
		hash = proof_hash(f);
		proof = proof_at(hash);
		if (proof && proof_holds(proof, hash, WARDER_PROOF_NS))
			return WARDER_REASON_ALLOWED_FLOW;
	}
	if (state_answers(f))
		return WARDER_REASON_ALLOWED_FLOW;
	if (!may_connect || !datagram_has_socket(skb, f))
		return REFUSE(f, REPLY, POLICY);
	if (proof)
		proof_keep(proof, hash);
	return WARDER_REASON_ALLOWED_FLOW;
}

#endif
