// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the benches compare with: nothing at all, the product's own parser and nothing else, and a
 * program that draws a packet at random and goes on to another one by tail call.
 */
#include "vmlinux.h"

#include "lib/compat.h"
#include "lib/maps.h"

#include "lib/parse.h"

const volatile __u32 vary_ports =
	1; /* so many destination ports from vary_first on, drawn at random */
const volatile __u32 vary_first = 1024;
const volatile __u32 vary_addrs = 1; /* so many source addresses from vary_base on */
const volatile __u32 vary_base = 0;  /* host order */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

SEC("tcx/egress")
int bench_empty(struct __sk_buff *skb)
{
	return WARDER_ACT_NEXT;
}

SEC("tcx/egress")
int bench_parse(struct __sk_buff *skb)
{
	struct flow f = {
		.link = skb->ifindex,
		.direction = WARDER_INGRESS,
		.hook = WARDER_HOOK_TO_POD,
		.netnsid = -1,
	};

	return parse_frame(skb, &f) ? WARDER_ACT_DROP : WARDER_ACT_NEXT;
}

/* The same at the other side of a link, as a packet leaves the pod. */
SEC("tcx/ingress")
int bench_parse_from_pod(struct __sk_buff *skb)
{
	struct flow f = {
		.link = skb->ifindex,
		.direction = WARDER_EGRESS,
		.hook = WARDER_HOOK_FROM_POD,
		.netnsid = -1,
	};

	return parse_frame(skb, &f) ? WARDER_ACT_DROP : WARDER_ACT_NEXT;
}

/* IPv4 and TCP without options: the source address and the destination port are rewritten. */
SEC("tcx/egress")
int bench_vary(struct __sk_buff *skb)
{
	__u32 random = bpf_get_prandom_u32();
	__be32 addr = bpf_htonl(vary_base + random % vary_addrs);
	__be16 port = bpf_htons(vary_first + (random >> 8) % vary_ports);

	if (vary_addrs > 1)
		bpf_skb_store_bytes(skb, 14 + 12, &addr, sizeof(addr), 0);
	bpf_skb_store_bytes(skb, 14 + 20 + 2, &port, sizeof(port), 0);
	bpf_tail_call(skb, &target, 0);
	return WARDER_ACT_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
