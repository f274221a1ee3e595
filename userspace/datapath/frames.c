/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet, IPv4 or IPv6, and the transport's first header.  No options, no extension headers. */
#include "datapath/frames.h"

#include <netinet/in.h>
#include <string.h>

#include "base/address.h"

#define ETHERNET 14
#define IPV4	 20
#define IPV6	 40
#define PAYLOAD	 8 /* bytes after the transport's header */

static __u8 *put16(__u8 *at, __u16 value)
{
	at[0] = value >> 8;
	at[1] = value;
	return at + 2;
}

/* The transport's header and payload; returns its size. */
static size_t put_transport(const struct warder_frame *frame, __u8 *at)
{
	put16(at, frame->sport);
	put16(at + 2, frame->dport);
	switch (frame->protocol) {
	case IPPROTO_TCP:
		at[7] = 1;	 /* sequence */
		at[12] = 5 << 4; /* 20 bytes of header */
		at[13] = 0x02;	 /* SYN */
		put16(at + 14, 65535);
		return 20;
	case IPPROTO_UDP:
		put16(at + 4, 8 + PAYLOAD);
		return 8 + PAYLOAD;
	case IPPROTO_SCTP:
		at[12] = 1; /* INIT */
		put16(at + 14, 20);
		return 12 + 20;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		at[0] = frame->protocol == IPPROTO_ICMP ? 8 : 128;
		at[1] = 0;
		put16(at + 2, 0);
		put16(at + 4, frame->sport);
		put16(at + 6, 1);
		return 8 + PAYLOAD;
	default:
		return PAYLOAD;
	}
}

static size_t put_ipv4(const struct warder_frame *frame, __u8 *at)
{
	size_t size = IPV4 + put_transport(frame, at + IPV4);

	at[0] = 0x45;
	put16(at + 2, size);
	put16(at + 6, 0x4000); /* not to be fragmented */
	at[8] = 64;
	at[9] = frame->protocol;
	memcpy(at + 12, &frame->src.w[3], 4);
	memcpy(at + 16, &frame->dst.w[3], 4);
	return size;
}

static size_t put_ipv6(const struct warder_frame *frame, __u8 *at)
{
	size_t size = put_transport(frame, at + IPV6);

	at[0] = 0x60;
	put16(at + 4, size);
	at[6] = frame->protocol;
	at[7] = 64;
	memcpy(at + 8, &frame->src, 16);
	memcpy(at + 24, &frame->dst, 16);
	return IPV6 + size;
}

size_t warder_frame_build(const struct warder_frame *frame, __u8 ret[WARDER_FRAME_MAX])
{
	bool v4 = warder_addr_is4(&frame->dst);

	memset(ret, 0, WARDER_FRAME_MAX);
	memcpy(ret, frame->dst_mac, 6);
	memcpy(ret + 6, frame->src_mac, 6);
	put16(ret + 12, v4 ? 0x0800 : 0x86dd);
	return ETHERNET + (v4 ? put_ipv4(frame, ret + ETHERNET) : put_ipv6(frame, ret + ETHERNET));
}
