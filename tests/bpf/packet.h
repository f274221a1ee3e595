/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds one frame from a description in which everything has a lawful default, so that a test says
 * only what it is about.  Checksums are left 0: no program reads them.
 */
#ifndef WARDER_TESTS_PACKET_H
#define WARDER_TESTS_PACKET_H

#include <arpa/inet.h>
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PACKET_MAX 4096

enum { TCP = 6, UDP = 17, SCTP = 132, ICMP = 1, ICMP6 = 58, IGMP = 2 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };

/* More fragments, and offsets in bytes. */
#define MORE	  0x2000
#define OFFSET(n) ((n) / 8)

struct bytes {
	const uint8_t *at;
	size_t size;
};
#define BYTES(...)                                                                                 \
	((struct bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

struct spec {
	const char *src, *dst;	 /* IPv4 or IPv6 in text: they say the family */
	uint8_t protocol;	 /* default TCP */
	uint16_t sport, dport;	 /* ICMP: dport = type << 8 | code, sport = identifier */
	uint8_t flags;		 /* TCP; default SYN */
	bool no_flags;		 /* TCP: none at all */
	uint8_t chunk;		 /* SCTP; default INIT */
	size_t payload;		 /* bytes of it */
	struct bytes body;	 /* or these */
	struct bytes options;	 /* IPv4 options, a multiple of 4 */
	struct bytes extensions; /* IPv6: headers whose last one leads to `protocol` */
	uint8_t first_extension;
	uint16_t fragment; /* MORE and OFFSET() of IPv4, or of an IPv6 fragment header that is put
			      in */
	bool fragment_header;	  /* IPv6: put it in even where fragment is 0 */
	uint8_t hop_limit;	  /* default 64 */
	uint8_t src_mac, dst_mac; /* last byte of 02:00:00:00:00:XX; defaults 1 and 2 */
	uint16_t ethertype;	  /* instead of IP's */
	uint16_t vlan;		  /* an in-band tag of this ethertype */
	int length_lie;		  /* added to the length field of the network header */
};

struct packet {
	uint8_t data[PACKET_MAX];
	size_t size;
};

static inline void packet_put(struct packet *p, const void *bytes, size_t size)
{
	assert(p->size + size <= sizeof(p->data));
	if (size)
		memcpy(p->data + p->size, bytes, size);
	p->size += size;
}

static inline void packet_u8(struct packet *p, uint8_t v)
{
	packet_put(p, &v, 1);
}

static inline void packet_u16(struct packet *p, uint16_t v)
{
	v = htons(v);
	packet_put(p, &v, 2);
}

static inline void packet_u32(struct packet *p, uint32_t v)
{
	v = htonl(v);
	packet_put(p, &v, 4);
}

static inline void packet_zero(struct packet *p, size_t size)
{
	assert(p->size + size <= sizeof(p->data));
	memset(p->data + p->size, 0, size);
	p->size += size;
}

static inline void packet_mac(struct packet *p, uint8_t last)
{
	uint8_t mac[6] = {2, 0, 0, 0, 0, last};

	if (last == 0xff)
		memset(mac, 0xff, 6);
	packet_put(p, mac, 6);
}

/* The transport with what it carries. */
static inline void packet_transport(struct packet *p, const struct spec *s, uint8_t protocol)
{
	size_t payload = s->body.at ? s->body.size : s->payload;

	switch (protocol) {
	case TCP:
		packet_u16(p, s->sport);
		packet_u16(p, s->dport);
		packet_u32(p, 1);
		packet_u32(p, 1);
		packet_u8(p, 5 << 4);
		packet_u8(p, s->no_flags ? 0 : s->flags ? s->flags : SYN);
		packet_u16(p, 65535);
		packet_u32(p, 0);
		break;
	case UDP:
		packet_u16(p, s->sport);
		packet_u16(p, s->dport);
		packet_u16(p, 8 + payload);
		packet_u16(p, 0);
		break;
	case SCTP:
		packet_u16(p, s->sport);
		packet_u16(p, s->dport);
		packet_u32(p, 7);
		packet_u32(p, 0);
		packet_u8(p, s->chunk ? s->chunk : 1);
		packet_u8(p, 0);
		packet_u16(p, 4);
		break;
	case ICMP:
	case ICMP6:
	case IGMP:
		packet_u16(p, s->dport);
		packet_u16(p, 0);
		packet_u16(p, s->sport);
		packet_u16(p, 1);
		break;
	}
	if (s->body.at)
		packet_put(p, s->body.at, s->body.size);
	else
		packet_zero(p, payload);
}

static inline void packet_ipv4(struct packet *p, const struct spec *s, uint8_t protocol)
{
	size_t start = p->size, size;
	struct in_addr a;

	packet_u8(p, 4 << 4 | (5 + s->options.size / 4));
	packet_u8(p, 0);
	packet_u16(p, 0);
	packet_u16(p, 1);
	packet_u16(p, s->fragment);
	packet_u8(p, s->hop_limit ? s->hop_limit : 64);
	packet_u8(p, protocol);
	packet_u16(p, 0);
	assert(inet_pton(AF_INET, s->src, &a) == 1);
	packet_put(p, &a, 4);
	assert(inet_pton(AF_INET, s->dst, &a) == 1);
	packet_put(p, &a, 4);
	packet_put(p, s->options.at, s->options.size);
	if (s->fragment & 0x1fff)
		packet_zero(p, s->payload);
	else
		packet_transport(p, s, protocol);
	size = p->size - start + s->length_lie;
	p->data[start + 2] = size >> 8;
	p->data[start + 3] = size;
}

static inline void packet_ipv6(struct packet *p, const struct spec *s, uint8_t protocol)
{
	bool fragment = s->fragment || s->fragment_header;
	size_t start = p->size, size;
	struct in6_addr a;

	packet_u32(p, 6U << 28);
	packet_u16(p, 0);
	packet_u8(p, s->extensions.at ? s->first_extension : fragment ? 44 : protocol);
	packet_u8(p, s->hop_limit ? s->hop_limit : 64);
	assert(inet_pton(AF_INET6, s->src, &a) == 1);
	packet_put(p, &a, 16);
	assert(inet_pton(AF_INET6, s->dst, &a) == 1);
	packet_put(p, &a, 16);
	packet_put(p, s->extensions.at, s->extensions.size);
	if (fragment) {
		packet_u8(p, protocol);
		packet_u8(p, 0);
		packet_u16(p, (s->fragment & 0x1fff) << 3 | !!(s->fragment & MORE));
		packet_u32(p, 9);
	}
	if (s->fragment & 0x1fff)
		packet_zero(p, s->payload);
	else
		packet_transport(p, s, protocol);
	size = p->size - start - 40 + s->length_lie;
	p->data[start + 4] = size >> 8;
	p->data[start + 5] = size;
}

static inline void packet_build(struct packet *p, const struct spec *s)
{
	bool v6 = s->src && strchr(s->src, ':');
	uint8_t protocol = s->protocol ? s->protocol : TCP;

	p->size = 0;
	packet_mac(p, s->dst_mac ? s->dst_mac : 2);
	packet_mac(p, s->src_mac ? s->src_mac : 1);
	if (s->vlan) {
		packet_u16(p, s->vlan);
		packet_u16(p, 5);
	}
	packet_u16(p, s->ethertype ? s->ethertype : v6 ? 0x86dd : 0x0800);
	if (!s->src)
		packet_put(p, s->body.at, s->body.size);
	else if (v6)
		packet_ipv6(p, s, protocol);
	else
		packet_ipv4(p, s, protocol);
}

/* ARP: the sender's addresses, then the target's. */
static inline void packet_arp(struct packet *p, uint8_t src_mac, uint16_t operation,
			      uint8_t sender_mac, const char *sender, const char *target)
{
	struct in_addr a;

	p->size = 0;
	packet_mac(p, 0xff);
	packet_mac(p, src_mac);
	packet_u16(p, 0x0806);
	packet_u16(p, 1);
	packet_u16(p, 0x0800);
	packet_u8(p, 6);
	packet_u8(p, 4);
	packet_u16(p, operation);
	packet_mac(p, sender_mac);
	assert(inet_pton(AF_INET, sender, &a) == 1);
	packet_put(p, &a, 4);
	packet_zero(p, 6);
	assert(inet_pton(AF_INET, target, &a) == 1);
	packet_put(p, &a, 4);
}

/* Neighbour solicitation and advertisement; option 1 or 2 with option_mac, 0 = no option. */
static inline void packet_nd(struct packet *p, uint8_t type, const char *src, const char *dst,
			     const char *target, uint8_t option, uint8_t option_mac,
			     uint8_t hop_limit)
{
	uint8_t body[16 + 8];
	struct spec s = {.src = src,
			 .dst = dst,
			 .protocol = ICMP6,
			 .dport = type << 8,
			 .hop_limit = hop_limit};

	assert(inet_pton(AF_INET6, target, body) == 1);
	memcpy(body + 16, (uint8_t[]){option, 1, 2, 0, 0, 0, 0, option_mac}, 8);
	s.body = (struct bytes){body, option ? 24 : 16};
	packet_build(p, &s);
}

#endif
