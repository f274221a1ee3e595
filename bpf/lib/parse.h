/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From bytes to struct flow: Ethernet, IPv4 with options, IPv6 with extension headers, fragments,
 * and the first bytes of the transport.  It decides one thing only: whether the frame can be read.
 * What it cannot read whole never passes.
 */
#ifndef WARDER_BPF_PARSE_H
#define WARDER_BPF_PARSE_H

#include "lib/compat.h"
#include "warder/event.h"
#include "warder/reason.h"
#include "warder/types.h"

#define PARSE_EXTENSIONS_MAX 8	/* IPv6 extension headers that are walked */
#define PARSE_OPTIONS_MAX    40 /* bytes of IPv4 options */

enum fragment { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER };

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* One packet on its way through a program; on the stack of the entry, zeroed at its start. */
struct flow {
	struct warder_addr src; /* IPv4 as ::ffff:a.b.c.d */
	struct warder_addr dst;
	/* Who: from maps links and slots. */
	__u32 generation;
	__u32 link;    /* ifindex */
	__s32 netnsid; /* of the pod, seen from the link; -1 unknown */
	__u16 slot, group;
	__u16 slot_flags; /* enum warder_slot_flag */
	__u8 direction;	  /* enum warder_direction */
	__u8 hook;	  /* enum warder_hook */
	/* The other side, from maps peer4, peer6, cidr4, cidr6 and frontends. */
	__u32 peer_identity, peer_class;
	__u16 peer_flags; /* enum warder_peer_flag */
	__u8 would_deny;  /* reason of the audited policies, 0 none */
	__u8 spare;
	__u32 peer_service; /* where the peer's address and port are a Service's: the class of its
			       backends; else NO_SERVICE */
	/* What the frame says, in host order. */
	__u16 ethertype;
	__u16 sport, dport; /* ICMP: 0 and type << 8 | code, the identifier of an echo in sport */
	__u16 decided_line; /* where it was refused */
	__u8 decided_file;
	__u8 v4; /* 1: IPv4 */
	__u8 protocol;
	__u8 fragment; /* enum fragment */
	__u8 tcp_flags;
	__u8 chunk; /* SCTP: type of the first */
	__u8 hop_limit;
	__u8 src_mac[6];
	__u8 pad[3];
	__u32 l4;      /* offset of the transport header, 0 in a later fragment */
	__u32 payload; /* bytes after the transport header */
	__u32 header;  /* bytes that each segment of a GSO packet repeats */
};

/* A refusal remembers where it was made. */
#define REFUSE(f, file, reason)                                                                    \
	((f)->decided_line = __LINE__, (f)->decided_file = WARDER_FILE_##file,                     \
	 WARDER_REASON_##reason)

static __always_inline void addr_from_v4(struct warder_addr *addr, __be32 v4)
{
	addr->w[0] = 0;
	addr->w[1] = 0;
	addr->w[2] = bpf_htonl(0xffff);
	addr->w[3] = v4;
}

static __always_inline bool addr_equal(const struct warder_addr *a, const struct warder_addr *b)
{
	return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}

/* Where a walk through IPv6 extension headers stands. */
struct walk {
	__u32 at, end; /* offsets in the frame */
	__u32 offset;  /* of a fragment, in bytes */
	__u8 protocol; /* of the header at `at` */
	__u8 fragment; /* enum fragment */
	__u8 pad[2];
};

static __always_inline bool extension_is(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS;
}

/* The fragment header at hdr: 0, or a reason. */
static __always_inline int walk_fragment(struct walk *w, const __u8 *hdr)
{
	__u32 field = (__u32)hdr[2] << 8 | hdr[3], rest = w->end - w->at - 8;
	bool more = field & 1;

	if (w->fragment)
		return WARDER_REASON_FRAGMENT; /* nested */
	w->offset = field & 0xfff8;
	if (!w->offset && !more)
		return 0; /* atomic: a whole packet */
	if ((more && (rest & 7)) || !rest || w->offset + rest > 65535)
		return WARDER_REASON_FRAGMENT;
	w->fragment = w->offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
	return 0;
}

/*
 * Walks the extension headers from w->at on; what follows them is left in `w`.  0 or a reason.
 * Routing headers are refused: the destination that was judged would not be the one that is
 * reached.
 */
GLOBAL int parse_extensions(struct __sk_buff *skb, struct walk *w)
{
	__u8 hdr[8] = {};
	int i = 0, bad;

	if (!w)
		return WARDER_REASON_INTERNAL;
	do {
		__u32 size = 8;

		if (!extension_is(w->protocol))
			return 0;
		if (w->protocol == IPPROTO_ROUTING || (w->protocol == IPPROTO_HOPOPTS && i))
			return WARDER_REASON_EXTENSION;
		if (w->at + 8 > w->end || bpf_skb_load_bytes(skb, w->at, hdr, 8))
			return w->fragment ? WARDER_REASON_FRAGMENT : WARDER_REASON_MALFORMED;
		if (w->protocol == IPPROTO_FRAGMENT) {
			bad = walk_fragment(w, hdr);
			if (bad)
				return bad;
		} else {
			size += hdr[1] * 8;
		}
		if (w->at + size > w->end)
			return w->fragment ? WARDER_REASON_FRAGMENT : WARDER_REASON_MALFORMED;
		w->protocol = hdr[0];
		w->at += size;
		if (w->fragment == FRAGMENT_LATER)
			return 0; /* what follows is the middle of something */
	} while (++i < PARSE_EXTENSIONS_MAX);
	return extension_is(w->protocol) ? WARDER_REASON_EXTENSION : 0;
}

/* IPv4 options, `size` bytes from `at` on: 0 or a reason.  Source routes are refused. */
GLOBAL int parse_options(struct __sk_buff *skb, __u32 at, __u32 size)
{
	__u8 buf[64] = {};
	__u32 i = 0, n = 0;

	size = ((size - 1) & 63) + 1;
	if (bpf_skb_load_bytes(skb, at, buf, size))
		return WARDER_REASON_MALFORMED;
	do {
		__u8 type = buf[i & 63], step;

		if (i >= size || type == 0)
			return 0;
		if (type == 1) {
			step = 1;
		} else {
			step = buf[(i + 1) & 63];
			if (step < 2 || i + step > size)
				return WARDER_REASON_MALFORMED;
			if (type == 131 || type == 137)
				return WARDER_REASON_EXTENSION;
		}
		/* Masked, though it cannot grow beyond: so 6.1 sees one state a round, not one a
		 * path. */
		i += step;
		barrier_var(i);
		i &= 63;
	} while (++n < PARSE_OPTIONS_MAX);
	return 0;
}

/* `size` bytes at `at` in the linear part of the packet, or NULL where it has not that many. */
static __always_inline void *bytes_at(struct __sk_buff *skb, __u32 at, __u32 size)
{
	void *p = CONTEXT_LOAD(skb, data) + at;

	if (p + size <= CONTEXT_LOAD(skb, data_end))
		return p;
	if (skb->len < at + size || bpf_skb_pull_data(skb, at + size))
		return 0;
	p = CONTEXT_LOAD(skb, data) + at;
	if (p + size <= CONTEXT_LOAD(skb, data_end))
		return p;
	return 0;
}

/* The transport header at f->l4; `size`: bytes from there to the end of the packet. */
static __always_inline int parse_tcp(struct __sk_buff *skb, struct flow *f, __u32 size)
{
	__u8 *h = size < 20 ? 0 : bytes_at(skb, f->l4 & 0x7ff, 20);
	__u32 header;

	if (!h)
		return REFUSE(f, PARSE, MALFORMED);
	header = (h[12] >> 4) * 4;
	f->sport = (__u16)h[0] << 8 | h[1];
	f->dport = (__u16)h[2] << 8 | h[3];
	f->tcp_flags = h[13];
	if (header < 20 || header > size)
		return REFUSE(f, PARSE, MALFORMED);
	f->header = f->l4 + header;
	f->payload = size - header;
	return 0;
}

static __always_inline int parse_udp(struct __sk_buff *skb, struct flow *f, __u32 size)
{
	__u8 *h = size < 8 ? 0 : bytes_at(skb, f->l4 & 0x7ff, 8);
	__u32 length;

	if (!h)
		return REFUSE(f, PARSE, MALFORMED);
	f->sport = (__u16)h[0] << 8 | h[1];
	f->dport = (__u16)h[2] << 8 | h[3];
	length = (__u32)h[4] << 8 | h[5];
	if (length < 8 || (length > size && !f->fragment))
		return REFUSE(f, PARSE, MALFORMED);
	f->header = f->l4 + 8;
	f->payload = size - 8;
	return 0;
}

static __always_inline int parse_sctp(struct __sk_buff *skb, struct flow *f, __u32 size)
{
	__u8 *h = size < 16 ? 0 : bytes_at(skb, f->l4 & 0x7ff, 16); /* header and a chunk's */

	if (!h)
		return REFUSE(f, PARSE, MALFORMED);
	f->sport = (__u16)h[0] << 8 | h[1];
	f->dport = (__u16)h[2] << 8 | h[3];
	f->chunk = h[12];
	f->header = f->l4 + 12;
	f->payload = size - 12;
	return 0;
}

/* ICMP, ICMPv6 and IGMP: 8 bytes, type and code in dport. */
static __always_inline int parse_icmp(struct __sk_buff *skb, struct flow *f, __u32 size)
{
	__u8 *h = size < 8 ? 0 : bytes_at(skb, f->l4 & 0x7ff, 8);

	if (!h)
		return REFUSE(f, PARSE, MALFORMED);
	f->dport = (__u16)h[0] << 8 | h[1];
	if (f->v4 ? h[0] == 8 || h[0] == 0 : h[0] == 128 || h[0] == 129)
		f->sport = (__u16)h[4] << 8 | h[5];
	f->header = f->l4 + 8;
	f->payload = size - 8;
	return 0;
}

static __always_inline int parse_transport(struct __sk_buff *skb, struct flow *f, __u32 size)
{
	f->header = f->l4;
	f->payload = size;
	switch (f->protocol) {
	case IPPROTO_TCP:
		return parse_tcp(skb, f, size);
	case IPPROTO_UDP:
		return parse_udp(skb, f, size);
	case IPPROTO_SCTP:
		return parse_sctp(skb, f, size);
	case IPPROTO_ICMP:
	case IPPROTO_IGMP:
		return f->v4 ? parse_icmp(skb, f, size) : 0;
	case IPPROTO_ICMPV6:
		return f->v4 ? 0 : parse_icmp(skb, f, size);
	}
	return 0;
}

/* What follows the headers of the network layer: `size` bytes, from `offset` of the packet on. */
static __always_inline int parse_rest(struct __sk_buff *skb, struct flow *f, __u32 size,
				      __u32 offset)
{
	int bad;

	if (f->fragment == FRAGMENT_LATER) {
		f->l4 = 0;
		f->payload = size;
		/* It must not reach into the header that the first fragment was judged by. */
		if (f->protocol == IPPROTO_TCP ? offset < 20 : offset < 8)
			return REFUSE(f, PARSE, FRAGMENT);
		return 0;
	}
	bad = parse_transport(skb, f, size);
	if (bad && f->fragment)
		return REFUSE(f, PARSE, FRAGMENT);
	return bad;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct flow *f)
{
	struct iphdr *ip = bytes_at(skb, sizeof(struct ethhdr), sizeof(*ip));
	__u32 header, total, field, offset, room;
	int bad;

	if (!ip)
		return REFUSE(f, PARSE, MALFORMED);
	f->v4 = 1;
	header = (*(__u8 *)ip & 0xf) * 4;
	total = bpf_ntohs(ip->tot_len);
	field = bpf_ntohs(ip->frag_off);
	room = skb->len - sizeof(struct ethhdr);
	if (!total && skb->gso_size)
		total = room; /* BIG TCP */
	if ((*(__u8 *)ip >> 4) != 4 || header < 20 || total < header || total > room)
		return REFUSE(f, PARSE, MALFORMED);
	addr_from_v4(&f->src, ip->saddr);
	addr_from_v4(&f->dst, ip->daddr);
	f->protocol = ip->protocol;
	f->hop_limit = ip->ttl;
	f->l4 = sizeof(struct ethhdr) + header;
	if (header > 20) {
		bad = parse_options(skb, sizeof(struct ethhdr) + 20, header - 20);
		if (bad) {
			f->decided_line = __LINE__;
			f->decided_file = WARDER_FILE_PARSE;
			return bad;
		}
	}
	total -= header;
	offset = (field & 0x1fff) * 8;
	if (field & 0x3fff) {
		f->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
		if (((field & 0x2000) && (total & 7)) || !total || offset + total > 65535 - header)
			return REFUSE(f, PARSE, FRAGMENT);
	}
	return parse_rest(skb, f, total, offset);
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct flow *f)
{
	struct ipv6hdr *ip = bytes_at(skb, sizeof(struct ethhdr), sizeof(*ip));
	struct walk w = {};
	__u32 size, room;
	int bad;

	if (!ip)
		return REFUSE(f, PARSE, MALFORMED);
	w.at = sizeof(struct ethhdr) + sizeof(*ip);
	size = bpf_ntohs(ip->payload_len);
	room = skb->len - w.at;
	if (!size && skb->gso_size)
		size = room; /* BIG TCP */
	if ((*(__u8 *)ip >> 4) != 6 || size > room)
		return REFUSE(f, PARSE, MALFORMED);
	__builtin_memcpy(&f->src, &ip->saddr, 16);
	__builtin_memcpy(&f->dst, &ip->daddr, 16);
	f->hop_limit = ip->hop_limit;
	w.protocol = ip->nexthdr;
	w.end = w.at + size;
	if (extension_is(w.protocol)) {
		bad = parse_extensions(skb, &w);
		if (!bad && w.at > 1024)
			bad = WARDER_REASON_EXTENSION;
		if (bad) {
			f->decided_line = __LINE__;
			f->decided_file = WARDER_FILE_PARSE;
			f->protocol = w.protocol;
			return bad;
		}
	}
	f->protocol = w.protocol;
	f->fragment = w.fragment;
	f->l4 = w.at;
	return parse_rest(skb, f, w.end - w.at, w.offset);
}

/* Reads the frame into `f`: 0, or the reason for which it cannot be read.  Of ARP only the
 * ethertype. */
GLOBAL int parse_frame(struct __sk_buff *skb, struct flow *f)
{
	struct ethhdr *eth;

	if (!f)
		return WARDER_REASON_INTERNAL;
	eth = bytes_at(skb, 0, sizeof(*eth));
	if (!eth)
		return REFUSE(f, PARSE, MALFORMED);
	__builtin_memcpy(f->src_mac, eth->h_source, 6);
	f->ethertype = bpf_ntohs(eth->h_proto);
	/* A tag that the kernel took off; VID 0 is a priority alone. */
	if (skb->vlan_present && (skb->vlan_tci & 0xfff))
		return REFUSE(f, PARSE, VLAN);
	switch (f->ethertype) {
	case ETH_P_IP:
		return parse_ipv4(skb, f);
	case ETH_P_IPV6:
		return parse_ipv6(skb, f);
	case ETH_P_ARP:
		return 0;
	case ETH_P_8021Q:
	case ETH_P_8021AD:
	case ETH_P_QINQ1:
		return REFUSE(f, PARSE, VLAN);
	}
	return REFUSE(f, PARSE, ETHERTYPE);
}

#endif
