/* SPDX-License-Identifier: Apache-2.0 */
/* Frames through the real pod programs: what they are, who they claim to be from, where they may
 * go. */
#include "world.h"

#define R(name) WARDER_REASON_##name

/* Tables stay one row a line. */
/* clang-format off */

struct row {
	const char *name;
	struct spec spec;
	int expected;
	struct world_context context;
};

static void run_rows(bool from_pod, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct packet p;

		packet_build(&p, &rows[i].spec);
		CU_ASSERT(world_expect(rows[i].name, from_pod, &p, &rows[i].context, rows[i].expected));
		world_forget();
	}
}
#define RUN(from_pod, rows) run_rows(from_pod, rows, sizeof(rows) / sizeof((rows)[0]))

/* Rule: an allowed (direction, peer, port) passes; its counter-case, the next port or peer, does not. */
static void test_matrix(void)
{
	const struct row out[] = {
		{ "allowed port", { "10.1.0.1", "10.1.0.3", TCP, 40000, 443 }, R(ALLOWED) },
		{ "allowed port v6", { "fd00::1", "fd00::3", TCP, 40000, 443 }, R(ALLOWED) },
		{ "other port", { "10.1.0.1", "10.1.0.3", TCP, 40000, 444 }, R(POLICY) },
		{ "other port v6", { "fd00::1", "fd00::3", TCP, 40000, 444 }, R(POLICY) },
		{ "other peer", { "10.1.0.1", "10.1.0.2", TCP, 40000, 443 }, R(POLICY) },
		{ "world", { "10.1.0.1", "8.8.8.8", TCP, 40000, 443 }, R(POLICY) },
		{ "UDP of that port", { "10.1.0.1", "10.1.0.3", UDP, 40000, 443 }, R(POLICY) },
		{ "UDP 53 to the world", { "10.1.0.1", "8.8.8.8", UDP, 40000, 53 }, R(ALLOWED) },
		{ "UDP 53 to the world v6", { "fd00::1", "2001:db8::1", UDP, 40000, 53 }, R(ALLOWED) },
		{ "UDP 54", { "10.1.0.1", "8.8.8.8", UDP, 40000, 54 }, R(POLICY) },
		{ "SCTP", { "10.1.0.1", "10.1.0.2", SCTP, 40000, 36412 }, R(ALLOWED) },
		{ "SCTP v6", { "fd00::1", "fd00::2", SCTP, 40000, 36412 }, R(ALLOWED) },
		{ "ping", { "10.1.0.1", "10.1.0.2", ICMP, 7, 8 << 8 }, R(ALLOWED) },
		{ "ping v6", { "fd00::1", "fd00::2", ICMP6, 7, 128 << 8 }, R(ALLOWED) },
		{ "ping of another", { "10.1.0.1", "10.1.0.3", ICMP, 7, 8 << 8 }, R(POLICY) },
		{ "unknown protocol", { "10.1.0.1", "10.1.0.2", 99, .payload = 30 }, R(ALLOWED) },
		{ "multicast", { "10.1.0.1", "224.0.0.251", UDP, 5353, 5353 }, R(POLICY) },
		{ "multicast on 53", { "10.1.0.1", "224.0.0.251", UDP, 5353, 53 }, R(ALLOWED) },
	};
	const struct row in[] = {
		{ "allowed", { "10.1.0.3", "10.1.0.1", TCP, 40000, 8080 }, R(ALLOWED), { .ingress = UPLINK } },
		{ "allowed v6", { "fd00::3", "fd00::1", TCP, 40000, 8080 }, R(ALLOWED), { .ingress = UPLINK } },
		{ "other port", { "10.1.0.3", "10.1.0.1", TCP, 40000, 80 }, R(POLICY), { .ingress = UPLINK } },
		{ "other peer", { "10.1.0.2", "10.1.0.1", TCP, 40000, 8080 }, R(POLICY), { .ingress = OTHER_LINK } },
	};

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, BIT(TCP_443));
	world_allow(WARDER_EGRESS, WORLD, BIT(UDP_53));
	world_allow(WARDER_EGRESS, POD_B, BIT(ANY_SCTP) | BIT(WARDER_PORT_OTHER));
	world_allow(WARDER_INGRESS, POD_C, BIT(TCP_8080));
	RUN(true, out);
	RUN(false, in);
}

/* Rule: a pod sends from its own addresses, from its own MAC, untagged IP or ARP. */
static void test_sender(void)
{
	const struct row rows[] = {
		{ "own", { "10.1.0.1", "10.1.0.3", TCP, 1, 2 }, R(ALLOWED) },
		{ "another's address", { "10.1.0.2", "10.1.0.3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "another's address v6", { "fd00::2", "fd00::3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "the host's address", { "10.0.0.1", "10.1.0.3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "no address", { "0.0.0.0", "10.1.0.3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "no address v6", { "::", "fd00::3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "link-local", { "fe80::1", "fd00::3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "loopback", { "127.0.0.1", "10.1.0.3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "spoofed toward the node", { "10.1.0.2", "10.0.0.1", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "another's MAC", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .src_mac = 2 }, R(SPOOFED_MAC) },
		{ "tag", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .vlan = 0x8100 }, R(VLAN) },
		{ "service tag", { "10.1.0.1", "10.1.0.3", TCP, 1, 2, .vlan = 0x88a8 }, R(VLAN) },
		{ "LLC", { .ethertype = 0x0004, .body = BYTES(0x42, 0x42, 3, 0, 0, 0) }, R(ETHERTYPE) },
		{ "MPLS", { .ethertype = 0x8847, .body = BYTES(0, 0, 1, 64) }, R(ETHERTYPE) },
		{ "PPPoE", { .ethertype = 0x8864, .body = BYTES(0x11, 0, 0, 1, 0, 2, 0, 0x21) }, R(ETHERTYPE) },
		{ "LLDP", { .ethertype = 0x88cc, .body = BYTES(2, 7, 4, 0) }, R(ETHERTYPE) },
		{ "DHCP client", { "0.0.0.0", "255.255.255.255", UDP, 68, 67 }, R(ALLOWED_NEIGHBOUR) },
		{ "not quite DHCP", { "0.0.0.0", "255.255.255.255", UDP, 68, 68 }, R(SPOOFED_SOURCE) },
		{ "DHCP to a host, no address", { "0.0.0.0", "10.1.0.3", UDP, 68, 67 }, R(SPOOFED_SOURCE) },
		{ "DHCP server", { "10.1.0.1", "255.255.255.255", UDP, 67, 68 }, R(ROUTER_ADVERT) },
		{ "DHCPv6 server", { "fe80::1", "fd00::3", UDP, 547, 546 }, R(ROUTER_ADVERT) },
		{ "ICMP redirect", { "10.1.0.1", "10.1.0.3", ICMP, 0, 5 << 8, .payload = 28 }, R(ROUTER_ADVERT) },
		{ "IGMP report", { "10.1.0.1", "224.0.0.22", IGMP, 0, 0x22 << 8, .hop_limit = 1 }, R(ALLOWED_NEIGHBOUR) },
		{ "IGMP query", { "10.1.0.1", "224.0.0.1", IGMP, 0, 0x11 << 8, .hop_limit = 1 }, R(ROUTER_ADVERT) },
		{ "IGMP report of another", { "10.1.0.2", "224.0.0.22", IGMP, 0, 0x22 << 8, .hop_limit = 1 }, R(SPOOFED_SOURCE) },
	};

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, ALL_PORTS);
	world_allow(WARDER_EGRESS, WORLD, ALL_PORTS);
	RUN(true, rows);
}

/* Rule: an address in map `own` is the pod's only while its slot says that it has more, of its generation. */
static void test_more_addresses(void)
{
	struct warder_own_key key = { .prefixlen = 64 + 24, .slot = 1, .family = 4, .generation = 1 };
	struct warder_own_key key6 = { .prefixlen = 64 + 64, .slot = 1, .family = 6, .generation = 1 };
	static const struct warder_own present;
	const struct row with[] = {
		{ "prefix", { "10.9.0.77", "10.1.0.3", TCP, 1, 2 }, R(ALLOWED) },
		{ "prefix v6", { "fd09::77", "fd00::3", TCP, 1, 2 }, R(ALLOWED) },
		{ "beside the prefix", { "10.9.1.1", "10.1.0.3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
		{ "beside the prefix v6", { "fd09:0:0:1::1", "fd00::3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
	};
	const struct row without[] = {
		{ "no further ones", { "10.9.0.77", "10.1.0.3", TCP, 1, 2 }, R(SPOOFED_SOURCE) },
	};

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, ALL_PORTS);
	inet_pton(AF_INET, "10.9.0.0", &key.addr);
	inet_pton(AF_INET6, "fd09::", &key6.addr);
	world_update(world->maps.own, &key, &present);
	world_update(world->maps.own, &key6, &present);
	world_flags(ISOLATED | WARDER_SLOT_MORE_ADDRS);
	RUN(true, with);
	world_flags(ISOLATED);
	RUN(true, without);
	world_flags(ISOLATED | WARDER_SLOT_MORE_ADDRS);
	bpf_map_delete_elem(bpf_map__fd(world->maps.own), &key);
	key.generation = 2;
	world_update(world->maps.own, &key, &present);
	RUN(true, without);
	bpf_map_delete_elem(bpf_map__fd(world->maps.own), &key);
}

/* Rule: ARP tells the pod's own addresses, or asks without one; anything else claims another's. */
static void test_arp(void)
{
	static const struct {
		const char *name;
		uint8_t src_mac;
		uint16_t operation;
		uint8_t sender_mac;
		const char *sender;
		int expected;
	} rows[] = {
		{ "request", 1, 1, 1, "10.1.0.1", R(ALLOWED_NEIGHBOUR) },
		{ "reply", 1, 2, 1, "10.1.0.1", R(ALLOWED_NEIGHBOUR) },
		{ "probe", 1, 1, 1, "0.0.0.0", R(ALLOWED_NEIGHBOUR) },
		{ "reply for nobody", 1, 2, 1, "0.0.0.0", R(SPOOFED_NEIGHBOUR) },
		{ "another's address", 1, 2, 1, "10.1.0.2", R(SPOOFED_NEIGHBOUR) },
		{ "gratuitous, the gateway's", 1, 1, 1, "10.0.0.1", R(SPOOFED_NEIGHBOUR) },
		{ "another's MAC inside", 1, 2, 2, "10.1.0.1", R(SPOOFED_NEIGHBOUR) },
		{ "another's MAC outside", 2, 2, 1, "10.1.0.1", R(SPOOFED_MAC) },
		{ "RARP operation", 1, 3, 1, "10.1.0.1", R(MALFORMED) },
	};
	struct packet p;

	WORLD_START();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		packet_arp(&p, rows[i].src_mac, rows[i].operation, rows[i].sender_mac, rows[i].sender,
			   "10.1.0.9");
		CU_ASSERT(world_expect(rows[i].name, true, &p, NULL, rows[i].expected));
	}
	packet_arp(&p, 2, 1, 2, "10.1.0.2", "10.1.0.1");
	CU_ASSERT(world_expect("request", false, &p, &(struct world_context){ .ingress = OTHER_LINK },
			       R(ALLOWED_NEIGHBOUR)));
}

/* Rule: neighbour discovery claims the pod's own addresses, with its own MAC, and never leaves the link. */
static void test_neighbour_discovery(void)
{
	static const struct {
		const char *name;
		uint8_t type;
		const char *src, *dst, *target;
		uint8_t option, option_mac, hop_limit;
		int expected;
	} rows[] = {
		{ "solicit", 135, "fd00::1", "ff02::1:ff00:9", "fd00::9", 1, 1, 255, R(ALLOWED_NEIGHBOUR) },
		{ "solicit, link-local", 135, "fe80::1", "ff02::1:ff00:9", "fd00::9", 1, 1, 255, R(ALLOWED_NEIGHBOUR) },
		{ "solicit, no option", 135, "fd00::1", "fd00::9", "fd00::9", 0, 0, 255, R(ALLOWED_NEIGHBOUR) },
		{ "solicit as another", 135, "fd00::2", "ff02::1:ff00:9", "fd00::9", 1, 1, 255, R(SPOOFED_SOURCE) },
		{ "solicit, another's MAC", 135, "fd00::1", "ff02::1:ff00:9", "fd00::9", 1, 2, 255, R(SPOOFED_NEIGHBOUR) },
		{ "solicit from afar", 135, "fd00::1", "ff02::1:ff00:9", "fd00::9", 1, 1, 254, R(MALFORMED) },
		{ "solicit of a group", 135, "fd00::1", "ff02::1:ff00:9", "ff02::9", 1, 1, 255, R(MALFORMED) },
		{ "duplicate detection", 135, "::", "ff02::1:ff00:1", "fd00::1", 0, 0, 255, R(ALLOWED_NEIGHBOUR) },
		{ "duplicate detection, link-local", 135, "::", "ff02::1:ff00:1", "fe80::1", 0, 0, 255, R(ALLOWED_NEIGHBOUR) },
		{ "duplicate detection of another's", 135, "::", "ff02::1:ff00:2", "fd00::2", 0, 0, 255, R(SPOOFED_NEIGHBOUR) },
		{ "duplicate detection with a MAC", 135, "::", "ff02::1:ff00:1", "fd00::1", 1, 1, 255, R(SPOOFED_NEIGHBOUR) },
		{ "duplicate detection to one", 135, "::", "fd00::2", "fd00::1", 0, 0, 255, R(MALFORMED) },
		{ "advert", 136, "fd00::1", "ff02::1", "fd00::1", 2, 1, 255, R(ALLOWED_NEIGHBOUR) },
		{ "advert, link-local", 136, "fe80::1", "fe80::9", "fe80::1", 2, 1, 255, R(ALLOWED_NEIGHBOUR) },
		{ "advert of another's", 136, "fd00::1", "ff02::1", "fd00::2", 2, 1, 255, R(SPOOFED_NEIGHBOUR) },
		{ "advert of another's link-local", 136, "fd00::1", "ff02::1", "fe80::9", 2, 1, 255, R(SPOOFED_NEIGHBOUR) },
		{ "advert, another's MAC", 136, "fd00::1", "ff02::1", "fd00::1", 2, 2, 255, R(SPOOFED_NEIGHBOUR) },
		{ "advert of the gateway's link-local", 136, "fe80::f", "fe80::9", "fe80::f", 2, 1, 255, R(SPOOFED_NEIGHBOUR) },
		{ "advert of it as itself", 136, "fd00::1", "fe80::9", "fe80::f", 2, 1, 255, R(SPOOFED_NEIGHBOUR) },
		{ "solicit as the gateway", 135, "fe80::f", "ff02::1:ff00:9", "fd00::9", 1, 1, 255, R(SPOOFED_NEIGHBOUR) },
		{ "duplicate detection of the gateway's", 135, "::", "ff02::1:ff00:f", "fe80::f", 0, 0, 255, R(SPOOFED_NEIGHBOUR) },
		{ "router solicit as the gateway", 133, "fe80::f", "ff02::2", "fd00::9", 0, 0, 255, R(SPOOFED_NEIGHBOUR) },
		{ "solicit of the gateway", 135, "fe80::1", "ff02::1:ff00:f", "fe80::f", 1, 1, 255, R(ALLOWED_NEIGHBOUR) },
		{ "advert from nobody", 136, "::", "ff02::1", "fd00::1", 2, 1, 255, R(SPOOFED_NEIGHBOUR) },
	};
	const struct row others[] = {
		{ "router solicit", { "fe80::1", "ff02::2", ICMP6, 0, 133 << 8, .hop_limit = 255 }, R(ALLOWED_NEIGHBOUR) },
		{ "router solicit from nobody", { "::", "ff02::2", ICMP6, 0, 133 << 8, .hop_limit = 255 }, R(ALLOWED_NEIGHBOUR) },
		{ "router advert", { "fe80::1", "ff02::1", ICMP6, 0, 134 << 8, .hop_limit = 255, .payload = 8 }, R(ROUTER_ADVERT) },
		{ "router advert, own", { "fd00::1", "ff02::1", ICMP6, 0, 134 << 8, .hop_limit = 255, .payload = 8 }, R(ROUTER_ADVERT) },
		{ "router advert behind an extension", { "fe80::1", "ff02::1", ICMP6, 0, 134 << 8, .hop_limit = 255, .payload = 8,
		  .first_extension = 60, .extensions = BYTES(58, 0, 1, 4, 0, 0, 0, 0) }, R(ROUTER_ADVERT) },
		{ "router advert, first fragment", { "fe80::1", "ff02::1", ICMP6, 0, 134 << 8, .hop_limit = 255, .payload = 8, .fragment = MORE }, R(ROUTER_ADVERT) },
		{ "solicit in fragments", { "fe80::1", "ff02::1", ICMP6, 0, 135 << 8, .hop_limit = 255, .payload = 16, .fragment = MORE }, R(FRAGMENT) },
		{ "redirect", { "fe80::1", "ff02::1", ICMP6, 0, 137 << 8, .hop_limit = 255, .payload = 32 }, R(ROUTER_ADVERT) },
		{ "report", { "fe80::1", "ff02::16", ICMP6, 0, 143 << 8, .hop_limit = 1, .first_extension = 0,
		  .extensions = BYTES(58, 0, 5, 2, 0, 0, 1, 0) }, R(ALLOWED_NEIGHBOUR) },
		{ "report from nobody", { "::", "ff02::16", ICMP6, 0, 143 << 8, .hop_limit = 1, .first_extension = 0,
		  .extensions = BYTES(58, 0, 5, 2, 0, 0, 1, 0) }, R(ALLOWED_NEIGHBOUR) },
		{ "report as another", { "fd00::2", "ff02::16", ICMP6, 0, 143 << 8, .hop_limit = 1 }, R(SPOOFED_SOURCE) },
		{ "listener query", { "fe80::1", "ff02::1", ICMP6, 0, 130 << 8, .hop_limit = 1, .payload = 16 }, R(ROUTER_ADVERT) },
		{ "ping from link-local", { "fe80::1", "fd00:f::1", ICMP6, 0, 128 << 8 }, R(SPOOFED_SOURCE) },
	};
	const struct row in[] = {
		{ "solicit", { "fd00::2", "ff02::1:ff00:1", ICMP6, 0, 135 << 8, .hop_limit = 255, .payload = 16 }, R(ALLOWED_NEIGHBOUR), { .ingress = OTHER_LINK } },
		{ "solicit from afar", { "fd00::2", "ff02::1:ff00:1", ICMP6, 0, 135 << 8, .hop_limit = 64, .payload = 16 }, R(MALFORMED), { .ingress = OTHER_LINK } },
		{ "router advert of a pod", { "fe80::2", "ff02::1", ICMP6, 0, 134 << 8, .hop_limit = 255, .payload = 8 }, R(ROUTER_ADVERT), { .ingress = OTHER_LINK } },
		{ "router advert of a router", { "fe80::2", "ff02::1", ICMP6, 0, 134 << 8, .hop_limit = 255, .payload = 8 }, R(ALLOWED_NEIGHBOUR), { .ingress = UPLINK } },
		{ "router advert of the host", { "fe80::2", "ff02::1", ICMP6, 0, 134 << 8, .hop_limit = 255, .payload = 8 }, R(ALLOWED_HOST) },
		{ "redirect", { "fe80::2", "fd00::1", ICMP6, 0, 137 << 8, .hop_limit = 255, .payload = 32 }, R(ROUTER_ADVERT), { .ingress = UPLINK } },
		{ "redirect v4", { "10.1.0.2", "10.1.0.1", ICMP, 0, 5 << 8, .payload = 28 }, R(ROUTER_ADVERT), { .ingress = UPLINK } },
		{ "DHCP server's answer of a pod", { "10.1.0.2", "255.255.255.255", UDP, 67, 68 }, R(ROUTER_ADVERT), { .ingress = OTHER_LINK } },
		{ "DHCP server's answer of the host", { "10.0.0.1", "10.1.0.77", UDP, 67, 68 }, R(ALLOWED_HOST) },
	};
	struct packet p;

	WORLD_START();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		packet_nd(&p, rows[i].type, rows[i].src, rows[i].dst, rows[i].target, rows[i].option,
			  rows[i].option_mac, rows[i].hop_limit);
		CU_ASSERT(world_expect(rows[i].name, true, &p, NULL, rows[i].expected));
	}
	world_allow(WARDER_EGRESS, WORLD, ALL_PORTS);
	RUN(true, others);
	RUN(false, in);
}

/* Rule: no tunnel toward any node, before every exception; elsewhere it is a protocol like others. */
static void test_tunnel(void)
{
	const struct row rows[] = {
		{ "IPIP", { "10.1.0.1", "10.0.0.1", 4, .payload = 40 }, R(TUNNEL) },
		{ "6in4", { "10.1.0.1", "10.0.0.1", 41, .payload = 40 }, R(TUNNEL) },
		{ "GRE to another node", { "10.1.0.1", "10.0.0.2", 47, .payload = 40 }, R(TUNNEL) },
		{ "ESP", { "10.1.0.1", "10.0.0.2", 50, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN", { "10.1.0.1", "10.0.0.1", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN v6", { "fd00::1", "fd00:f::2", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN to all hosts", { "10.1.0.1", "224.0.0.1", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN to all hosts v6", { "fd00::1", "ff02::1", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN in broadcast", { "10.1.0.1", "255.255.255.255", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN to a network's broadcast", { "10.1.0.1", "127.255.255.255", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN to the gateway's link-local", { "fd00::1", "fe80::9", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "VXLAN to the node's loopback", { "10.1.0.1", "127.0.0.1", UDP, 4, 8472, .payload = 40 }, R(TUNNEL) },
		{ "IPIP to all hosts", { "10.1.0.1", "224.0.0.1", 4, .payload = 40 }, R(TUNNEL) },
		{ "UDP beside it", { "10.1.0.1", "10.0.0.1", UDP, 4, 8473 }, R(ALLOWED_HOST) },
		{ "IPIP to a pod", { "10.1.0.1", "10.1.0.3", 4, .payload = 40 }, R(ALLOWED) },
		{ "VXLAN to a pod", { "10.1.0.1", "10.1.0.3", UDP, 4, 8472, .payload = 40 }, R(ALLOWED) },
	};

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, ALL_PORTS);
	world_allow(WARDER_EGRESS, NODE, ALL_PORTS);
	world_allow(WARDER_EGRESS, WORLD, ALL_PORTS);
	RUN(true, rows);
}

/* Rule: pod and own node reach each other, and the pod itself; a frontend on the node's address is no node. */
static void test_exceptions(void)
{
	const struct row out[] = {
		{ "own node", { "10.1.0.1", "10.0.0.1", TCP, 1, 2 }, R(ALLOWED_HOST) },
		{ "own node v6", { "fd00::1", "fd00:f::1", TCP, 1, 2 }, R(ALLOWED_HOST) },
		{ "another node", { "10.1.0.1", "10.0.0.2", TCP, 1, 2 }, R(POLICY) },
		{ "NodePort on the own node", { "10.1.0.1", "10.0.0.1", TCP, 1, 30000 }, R(POLICY) },
		{ "its port in UDP", { "10.1.0.1", "10.0.0.1", UDP, 1, 30000 }, R(ALLOWED_HOST) },
		{ "ClusterIP", { "10.1.0.1", "10.96.0.1", TCP, 1, 443 }, R(POLICY) },
		{ "ClusterIP v6", { "fd00::1", "fd00:96::1", UDP, 1, 53 }, R(POLICY) },
		{ "ClusterIP, later fragment", { "10.1.0.1", "10.96.0.1", UDP, .fragment = OFFSET(1480), .payload = 100 }, R(FRAGMENT_PORT) },
		{ "itself", { "10.1.0.1", "10.1.0.1", TCP, 1, 2 }, R(ALLOWED_SELF) },
	};
	const struct row in[] = {
		{ "host", { "10.0.0.1", "10.1.0.1", TCP, 1, 2 }, R(ALLOWED_HOST) },
		{ "host, whatever its address", { "169.254.1.1", "10.1.0.1", TCP, 1, 2 }, R(ALLOWED_HOST) },
		{ "host to another's address", { "10.0.0.1", "10.1.0.2", TCP, 1, 2, .dst_mac = 1 }, R(WRONG_DESTINATION) },
		{ "node's address by another pod's link", { "10.0.0.1", "10.1.0.1", TCP, 1, 8080 }, R(ALLOWED), { .ingress = OTHER_LINK } },
		{ "and another port", { "10.0.0.1", "10.1.0.1", TCP, 1, 2 }, R(POLICY), { .ingress = OTHER_LINK } },
		{ "v6", { "fd00:f::1", "fd00::1", TCP, 1, 8080 }, R(ALLOWED), { .ingress = OTHER_LINK } },
		{ "node's address by the uplink", { "10.0.0.1", "10.1.0.1", TCP, 1, 8080 }, R(POLICY), { .ingress = UPLINK } },
		{ "and a port open to its CIDR", { "10.0.0.1", "10.1.0.1", TCP, 1, 443 }, R(ALLOWED), { .ingress = UPLINK } },
		{ "node's address, the mark of a pod", { "10.0.0.1", "10.1.0.1", TCP, 1, 8080 }, R(ALLOWED), { .ingress = UPLINK, .mark = 0x200 } },
		{ "hairpin", { "10.0.0.1", "10.1.0.1", TCP, 1, 2 }, R(ALLOWED_SELF), { .ingress = 1 } },
		{ "hairpin by its mark", { "10.0.0.1", "10.1.0.1", TCP, 1, 2 }, R(ALLOWED_SELF), { .ingress = UPLINK, .mark = 0x100 } },
		{ "flooded by a bridge", { "10.1.0.3", "10.1.0.2", TCP, 1, 2, .dst_mac = 2 }, R(FLOODED), { .ingress = UPLINK } },
		{ "another's address, in broadcast", { "10.1.0.3", "10.1.0.2", TCP, 1, 2, .dst_mac = 0xff }, R(WRONG_DESTINATION), { .ingress = UPLINK } },
		{ "another's address", { "10.1.0.3", "10.1.0.2", TCP, 1, 2, .dst_mac = 1 }, R(WRONG_DESTINATION), { .ingress = UPLINK } },
		{ "another's address v6", { "fd00::3", "fd00::2", TCP, 1, 2, .dst_mac = 1 }, R(WRONG_DESTINATION), { .ingress = UPLINK } },
		{ "multicast", { "10.1.0.3", "224.0.0.251", UDP, 1, 2 }, R(POLICY), { .ingress = UPLINK } },
	};
	const struct row judged[] = {
		{ "own node", { "10.1.0.1", "10.0.0.1", TCP, 1, 2 }, R(POLICY) },
		{ "own node, allowed", { "10.1.0.1", "10.0.0.1", TCP, 1, 443 }, R(ALLOWED) },
	};
	const struct row judged_in[] = {
		{ "host", { "10.0.0.1", "10.1.0.1", TCP, 1, 2 }, R(POLICY) },
		{ "host, allowed", { "10.0.0.1", "10.1.0.1", TCP, 1, 443 }, R(ALLOWED) },
	};
	const struct row mixed[] = {
		{ "ClusterIP", { "10.1.0.1", "10.96.0.1", TCP, 1, 443 }, R(SERVICE) },
		{ "NodePort", { "10.1.0.1", "10.0.0.1", TCP, 1, 30000 }, R(SERVICE) },
	};
	const struct row open[] = {
		{ "ClusterIP", { "10.1.0.1", "10.96.0.1", TCP, 1, 443 }, R(ALLOWED) },
		{ "NodePort", { "10.1.0.1", "10.0.0.1", TCP, 1, 30000 }, R(ALLOWED) },
	};

	WORLD_START();
	world_allow(WARDER_INGRESS, POD_B, BIT(TCP_8080));
	world_allow(WARDER_INGRESS, SNAT, BIT(TCP_443));
	RUN(true, out);
	RUN(false, in);
	world_flags(ISOLATED | WARDER_SLOT_JUDGE_HOST);
	world_allow(WARDER_EGRESS, HOST, BIT(TCP_443));
	world_allow(WARDER_INGRESS, HOST, BIT(TCP_443));
	RUN(true, judged);
	RUN(false, judged_in);
	world_allow(WARDER_EGRESS, SERVICE, BIT(WARDER_PORT_SERVICE_SOME));
	RUN(true, mixed);
	world_allow(WARDER_EGRESS, SERVICE, ALL_PORTS);
	RUN(true, open);
}

/* Rule: a held link passes neighbour discovery and own-node traffic; an unknown one nothing. */
static void test_hold(void)
{
	const struct row out[] = {
		{ "policy would allow", { "10.1.0.1", "10.1.0.3", TCP, 1, 2 }, R(HOLD) },
		{ "own node", { "10.1.0.1", "10.0.0.1", TCP, 1, 2 }, R(ALLOWED_HOST) },
		{ "NodePort", { "10.1.0.1", "10.0.0.1", TCP, 1, 30000 }, R(HOLD) },
		{ "router solicit", { "fe80::1", "ff02::2", ICMP6, 0, 133 << 8, .hop_limit = 255 }, R(ALLOWED_NEIGHBOUR) },
		{ "not known to be its own", { "10.1.0.9", "10.0.0.1", TCP, 1, 2 }, R(HOLD) },
	};
	const struct row in[] = {
		{ "policy would allow", { "10.1.0.3", "10.1.0.1", TCP, 1, 2 }, R(HOLD), { .ingress = UPLINK } },
		{ "host", { "10.0.0.1", "10.1.0.1", TCP, 1, 2 }, R(ALLOWED_HOST) },
	};
	struct world_verdict v;
	struct packet p;

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, ALL_PORTS);
	world_allow(WARDER_INGRESS, POD_C, ALL_PORTS);
	world_flags(WARDER_SLOT_HOLD);
	RUN(true, out);
	RUN(false, in);
	world_link(1, 0, 1, -1); /* nobody's */
	packet_build(&p, &(struct spec){ "10.1.0.1", "10.0.0.1", TCP, 1, 2 });
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.action, 2);
	v = world_run(false, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.action, 2);
	world_link(1 + 65536, 1, 1, -1); /* the same place, another interface's tag */
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.action, 2);
}

/* Rule: in audit what would be refused passes and is counted with its reason; what is allowed as ever. */
static void test_audit(void)
{
	struct world_verdict v;
	struct packet p;

	WORLD_START();
	world_flags(ISOLATED | WARDER_SLOT_AUDIT);
	packet_build(&p, &(struct spec){ "10.1.0.1", "10.1.0.3", TCP, 1, 2 });
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.action, -1);
	CU_ASSERT_EQUAL(v.reason, -1);
	CU_ASSERT_EQUAL(v.would_deny, R(POLICY));
	packet_build(&p, &(struct spec){ "10.1.0.9", "10.1.0.3", TCP, 1, 2 });
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.action, -1);
	CU_ASSERT_EQUAL(v.would_deny, R(SPOOFED_SOURCE));

	/* Only some policies are audited: counted as allowed, and as what they would have refused. */
	world_flags(ISOLATED);
	world_allow2(WARDER_EGRESS, POD_C, BIT(ANY_TCP) | BIT(TCP_443), BIT(TCP_443));
	packet_build(&p, &(struct spec){ "10.1.0.1", "10.1.0.3", TCP, 1, 2 });
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.action, -1);
	CU_ASSERT_EQUAL(v.reason, R(ALLOWED));
	CU_ASSERT_EQUAL(v.would_deny, R(POLICY));
	packet_build(&p, &(struct spec){ "10.1.0.1", "10.1.0.3", TCP, 1, 443 });
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.reason, R(ALLOWED));
	CU_ASSERT_EQUAL(v.would_deny, 0);
	/* An audited policy alone refuses nothing, and allows nothing. */
	world_allow2(WARDER_EGRESS, POD_C, 0, ALL_PORTS);
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.reason, R(POLICY));
	CU_ASSERT_EQUAL(v.would_deny, 0);
}

/* Rule: what passes bears the sender's slot in the mark, over whatever was there; other bits stay. */
static void test_mark(void)
{
	struct world_context c = { .mark = 0xabcd1234 };
	struct world_verdict v;
	struct packet p;

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, ALL_PORTS);
	packet_build(&p, &(struct spec){ "10.1.0.1", "10.1.0.3", TCP, 1, 2 });
	v = world_run(true, p.data, p.size, &c);
	CU_ASSERT_EQUAL(v.action, -1);
	CU_ASSERT_EQUAL(v.mark, 0xabcd0134);
	v = world_run(false, p.data, p.size, &c);
	CU_ASSERT_EQUAL(v.mark, 0xabcd1234);
}

/* Rule: packets are segments, and bytes what they would be on a wire. */
static void test_counts(void)
{
	struct world_context c = { .gso_segs = 3, .gso_size = 1000 };
	struct world_verdict v;
	struct packet p;

	WORLD_START();
	world_allow(WARDER_EGRESS, POD_C, ALL_PORTS);
	packet_build(&p, &(struct spec){ "10.1.0.1", "10.1.0.3", TCP, 1, 2, .flags = ACK, .payload = 2500 });
	v = world_run(true, p.data, p.size, &c);
	CU_ASSERT_EQUAL(v.reason, R(ALLOWED));
	CU_ASSERT_EQUAL(v.packets, 3);
	CU_ASSERT_EQUAL(v.bytes, 3 * (14 + 20 + 20) + 2500);
	v = world_run(true, p.data, p.size, NULL);
	CU_ASSERT_EQUAL(v.packets, 1);
	CU_ASSERT_EQUAL(v.bytes, 14 + 20 + 20 + 2500);
}

/* clang-format on */

static const struct suite_test tests[] = {
	{"matrix", test_matrix},
	{"sender", test_sender},
	{"more_addresses", test_more_addresses},
	{"arp", test_arp},
	{"neighbour_discovery", test_neighbour_discovery},
	{"tunnel", test_tunnel},
	{"exceptions", test_exceptions},
	{"hold", test_hold},
	{"audit", test_audit},
	{"mark", test_mark},
	{"counts", test_counts},
};
SUITE("frame", tests)
