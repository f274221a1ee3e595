// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The socket hooks, on the pods' cgroup root: earlier and friendlier than the packet hook, and
 * never stricter.  What policy refuses fails at once with EPERM, where the packet hook alone would
 * let it time out; whatever is in doubt passes here and is judged as a packet.  In this order, the
 * first that holds:
 *
 *   1. connect() of a datagram socket passes: resolvers connect one only to ask for a source
 *      address.
 *   2. A caller that is no endpoint passes; so does one in audit (the packet hook counts it, once),
 *      one whose namespace changes packets or has other links, and one that nothing isolates.
 *   3. An endpoint that is held passes: its link holds the packet, and a SYN that is sent again a
 *      second later finds the policy, where EPERM would end the program.  Only one that no link
 *      covers yet is refused here.
 *   4. Loopback, multicast, link-local and the endpoint's own addresses pass: they leave by no
 *      link, or the packet hook has rules of its own for them.
 *   5. A Service frontend passes where all of its backends are allowed; the own node's addresses pass.
 *   6. The egress row of the endpoint's group decides; a datagram of a flow that a peer opened
 *      passes.
 *   7. Denied, and the kernel's tables say that it would leave by the link as it is: refused.
 *
 * A refusal is one packet of 0 bytes in the counters: nothing was built, so there is no length to
 * count.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/compat.h"
#include "lib/counter.h"
#include "lib/event.h"
#include "lib/identity.h"
#include "lib/maps.h"
#include "lib/parse.h"
#include "lib/process.h"
#include "lib/verdict.h"

#define CALL_GOES_ON 1
#define CALL_REFUSED 0 /* EPERM */

static __always_inline void destination4(struct flow *f, const struct bpf_sock_addr *ctx)
{
	f->v4 = 1;
	f->dst.w[2] = bpf_htonl(0xffff);
	f->dst.w[3] = ctx->user_ip4;
}

/* An IPv4 address inside an IPv6 socket's call is IPv4: it leaves as such. */
static __always_inline void destination6(struct flow *f, const struct bpf_sock_addr *ctx)
{
	f->dst.w[0] = ctx->user_ip6[0];
	f->dst.w[1] = ctx->user_ip6[1];
	f->dst.w[2] = ctx->user_ip6[2];
	f->dst.w[3] = ctx->user_ip6[3];
	f->v4 = !f->dst.w[0] && !f->dst.w[1] && f->dst.w[2] == bpf_htonl(0xffff);
}

/* Rule 4 but for the own addresses: no packet, or one that the packet hook has its own rules for.
 */
static __always_inline bool has_own_rules(const struct flow *f)
{
	const struct warder_addr *d = &f->dst;

	if (f->v4)
		return !d->w[3] || d->b[12] == 127 || d->b[12] >= 224;
	if (!d->w[0] && !d->w[1] && !d->w[2] && (!d->w[3] || d->w[3] == bpf_htonl(1)))
		return true;
	return d->b[0] == 0xff || (d->b[0] == 0xfe && (d->b[1] & 0xc0) == 0x80);
}

/* Rule 5: all of its backends, some or none. */
static __always_inline int judge_service(struct flow *f, __u32 service)
{
	if (matrix_verdict(WARDER_EGRESS, f->group, service, WARDER_PORT_SERVICE_ALL) &
	    VERDICT_ENFORCED)
		return WARDER_REASON_ALLOWED;
	if (matrix_verdict(WARDER_EGRESS, f->group, service, WARDER_PORT_SERVICE_SOME) &
	    VERDICT_ENFORCED)
		return REFUSE(f, SOCKET, SERVICE);
	return REFUSE(f, SOCKET, POLICY);
}

/* Rules 4 to 6 from the maps: 0, or the reason to refuse. */
static __always_inline int judge(struct flow *f, const struct process *p)
{
	const struct warder_peer *peer;
	__u32 service;

	if (slot_owns(p->slot, f->slot, f->generation, f->slot_flags, &f->dst, f->v4))
		return WARDER_REASON_ALLOWED;
	peer = peer_find(&f->dst, f->v4);
	if (!peer)
		return WARDER_REASON_ALLOWED; /* the packet hook says what is wrong */
	f->peer_identity = peer->identity;
	f->peer_class = peer->class;
	f->peer_flags = peer->flags;
	service = f->slot_flags & WARDER_SLOT_HOLD
			  ? NO_SERVICE
			  : service_class(peer->flags, peer->class, &f->dst, f->dport, f->protocol);
	if (service != NO_SERVICE)
		return judge_service(f, service);
	if ((peer->flags & WARDER_PEER_HOST) && !(f->slot_flags & WARDER_SLOT_JUDGE_HOST))
		return WARDER_REASON_ALLOWED;
	if (f->slot_flags & WARDER_SLOT_HOLD)
		return REFUSE(f, SOCKET, HOLD);
	if (matrix_verdict(WARDER_EGRESS, f->group, f->peer_class,
			   port_class(f->protocol, f->dport)) &
	    VERDICT_ENFORCED)
		return WARDER_REASON_ALLOWED;
	return REFUSE(f, SOCKET, POLICY);
}

/* Whether a peer opened the flow that this datagram answers, asked for one own address. */
static __always_inline bool answers(const struct flow *f, const struct warder_addr *local)
{
	struct warder_flow_key key = {
		.local = *local,
		.remote = f->dst,
		.generation = f->generation,
		.slot = f->slot,
		.local_port = f->sport,
		.remote_port = f->dport,
		.protocol = f->protocol,
		.direction = WARDER_INGRESS,
	};

	return bpf_map_lookup_elem(&flows, &key) != 0;
}

/*
 * The packet hook asks for the flow of the packet's own source; here the kernel has not chosen one
 * yet, so any address of the endpoint may be it.  One with more addresses than the slot holds is
 * left to the packet hook.  Whether the flow is still young enough is its question too.
 */
GLOBAL int may_answer(struct flow *f, struct warder_slot *slot)
{
	struct warder_addr local = {};
	int i = 0;

	if (!f || !slot)
		return 0;
	if (f->slot_flags & WARDER_SLOT_MORE_ADDRS)
		return 1;
	local.w[2] = bpf_htonl(0xffff);
	do {
		if (f->v4)
			local.w[3] = slot->addr4[i];
		else
			local = slot->addr6[i];
		if (answers(f, &local))
			return 1;
	} while (++i < WARDER_SLOT_ADDRS);
	return 0;
}

/* Counts and tells one refused call; its source is the one that the packet would most likely have
 * had. */
static __always_inline void tell(struct flow *f, const struct warder_slot *slot, __u8 reason)
{
	struct warder_event_sample sample = {};
	struct warder_event_key key = {};

	if (f->v4) {
		key.src.w[2] = bpf_htonl(0xffff);
		key.src.w[3] = slot->addr4[0];
	} else {
		key.src = slot->addr6[0];
	}
	key.dst = f->dst;
	key.peer_identity = f->peer_identity;
	key.generation = f->generation;
	key.slot = f->slot;
	key.dport = f->dport;
	key.ethertype = f->v4 ? ETH_P_IP : ETH_P_IPV6;
	key.protocol = f->protocol;
	key.reason = reason;
	key.direction = WARDER_EGRESS;
	key.hook = f->hook;
	sample.cgroup = bpf_get_current_cgroup_id();
	sample.peer_identity = f->peer_identity;
	sample.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(sample.comm, sizeof(sample.comm));
	sample.sport = f->sport;
	sample.line = f->decided_line;
	sample.file = f->decided_file;
	count_attempt(f->slot, WARDER_EGRESS, 0, reason);
	event_tell(&key, &sample, 1, 0);
}

/* Everything that is the same for both families: CALL_GOES_ON or CALL_REFUSED. */
static __always_inline int decide(struct bpf_sock_addr *ctx, struct flow *f)
{
	struct process p = {};
	int reason;

	if (has_own_rules(f) || !process_find(ctx, &p))
		return CALL_GOES_ON;
	f->slot = p.number;
	f->generation = p.now.generation;
	f->group = p.now.group;
	f->slot_flags = p.now.flags;
	if (f->slot_flags & (WARDER_SLOT_AUDIT | WARDER_SLOT_NO_CONNECT | WARDER_SLOT_HOSTNET))
		return CALL_GOES_ON;
	if (f->slot_flags & WARDER_SLOT_HOLD ? !p.by_cgroup
					     : !(f->slot_flags & WARDER_SLOT_EGRESS_ISOLATED))
		return CALL_GOES_ON;
	f->dport = bpf_ntohs(ctx->user_port);
	if (ctx->sk)
		f->sport = ctx->sk->src_port;
	reason = judge(f, &p);
	if (reason < WARDER_REASON_DROP)
		return CALL_GOES_ON;
	if (f->protocol == IPPROTO_UDP && may_answer(f, p.slot))
		return CALL_GOES_ON;
	if (!process_leaves((__u64)p.net, &f->dst, f->v4))
		return CALL_GOES_ON;
	tell(f, p.slot, reason);
	return CALL_REFUSED;
}

SEC("cgroup/connect4")
int warder_connect4(struct bpf_sock_addr *ctx)
{
	struct flow f = {.protocol = IPPROTO_TCP, .hook = WARDER_HOOK_CONNECT};

	if (ctx->type != SOCK_STREAM || ctx->protocol != IPPROTO_TCP)
		return CALL_GOES_ON;
	destination4(&f, ctx);
	return decide(ctx, &f);
}

SEC("cgroup/connect6")
int warder_connect6(struct bpf_sock_addr *ctx)
{
	struct flow f = {.protocol = IPPROTO_TCP, .hook = WARDER_HOOK_CONNECT};

	if (ctx->type != SOCK_STREAM || ctx->protocol != IPPROTO_TCP)
		return CALL_GOES_ON;
	destination6(&f, ctx);
	return decide(ctx, &f);
}

/* Only unconnected sends come here: a connected socket's datagrams are judged as packets. */
SEC("cgroup/sendmsg4")
int warder_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct flow f = {.protocol = IPPROTO_UDP, .hook = WARDER_HOOK_SENDMSG};

	if (ctx->protocol != IPPROTO_UDP)
		return CALL_GOES_ON;
	destination4(&f, ctx);
	return decide(ctx, &f);
}

SEC("cgroup/sendmsg6")
int warder_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct flow f = {.protocol = IPPROTO_UDP, .hook = WARDER_HOOK_SENDMSG};

	if (ctx->protocol != IPPROTO_UDP)
		return CALL_GOES_ON;
	destination6(&f, ctx);
	return decide(ctx, &f);
}

/*
 * The packets of the same processes.  An endpoint with a link has its packets judged there, with
 * the frame and its real source at hand; these two keep the place of what has no link, and are as
 * cheap as can be.
 */
SEC("cgroup_skb/egress")
int warder_skb_egress(struct __sk_buff *skb)
{
	return CALL_GOES_ON;
}

SEC("cgroup_skb/ingress")
int warder_skb_ingress(struct __sk_buff *skb)
{
	return CALL_GOES_ON;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
