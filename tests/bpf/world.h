/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real pod object, loaded, with a small world in its maps, and one frame at a time through it.
 *
 *   slot 1  pod a  10.1.0.1  fd00::1  02:..:01  link 1 (lo stands for it)
 *   slot 2  pod b  10.1.0.2  fd00::2  02:..:02  link 7
 *   10.1.0.3 fd00::3 a remote pod    10.0.0.1 fd00:f::1 this node    10.0.0.2 fd00:f::2 another one
 *   10.96.0.1 fd00:96::1 a Service   10.0.0.1:30000/TCP its NodePort here
 *   everything else: world
 *
 * The verdict of a frame is read from the counters: exactly one of those that are no would-deny
 * grew by one.
 */
#ifndef WARDER_TESTS_WORLD_H
#define WARDER_TESTS_WORLD_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "packet.h"
#include "suite.h"
#include "warder/counter.h"
#include "warder/event.h"
#include "warder/flow.h"
#include "warder/layout.h"
#include "warder/peer.h"
#include "warder/slot.h"
#include "warder/verdict.h"

#include "pod.skel.h"

enum { WORLD, POD_A, POD_B, POD_C, HOST, NODE, SERVICE, SNAT, CLASSES }; /* peer classes */
enum { ANY_TCP = WARDER_PORT_FIRST, TCP_443, TCP_8080, ANY_UDP, UDP_53, ANY_SCTP, PORTS };
#define ALL_PORTS ((1ULL << PORTS) - 1)
#define BIT(n)	  (1ULL << (n))

#define OTHER_LINK 7 /* of pod b: only a number, no such device */
#define UPLINK	   9

static struct pod_bpf *world;
static unsigned world_cpus;

static inline int world_update(struct bpf_map *map, const void *key, const void *value)
{
	int bad = bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY);

	if (bad)
		printf("map %s: %s\n", bpf_map__name(map), strerror(-bad));
	return bad;
}

static inline struct warder_addr world_addr(const char *text)
{
	struct warder_addr addr = {};

	if (strchr(text, ':')) {
		assert(inet_pton(AF_INET6, text, &addr) == 1);
	} else {
		addr.w[2] = htonl(0xffff);
		assert(inet_pton(AF_INET, text, &addr.w[3]) == 1);
	}
	return addr;
}

static inline void world_peer(const char *text, __u32 identity, __u32 class, __u16 flags,
			      __u16 slot)
{
	struct warder_peer peer = {.identity = identity,
				   .class = class,
				   .cidr_class = class,
				   .flags = flags,
				   .slot = slot};
	struct warder_addr addr = world_addr(text);

	if (flags & (WARDER_PEER_NODE | WARDER_PEER_HOST))
		peer.cidr_class = SNAT;
	if (strchr(text, ':'))
		world_update(world->maps.peer6, &addr, &peer);
	else
		world_update(world->maps.peer4, &addr.w[3], &peer);
}

static inline void world_slot(__u32 index, const char *v4, const char *v6, __u16 flags)
{
	struct warder_slot slot = {
		.now = {.generation = 1, .group = 0, .flags = WARDER_SLOT_LIVE | flags},
		.identity = WARDER_IDENTITY_FIRST + index};

	slot.addr4[0] = world_addr(v4).w[3];
	slot.addr6[0] = world_addr(v6);
	world_update(world->maps.slots, &index, &slot);
}

/* Flags of pod a; it is isolated both ways in most tests. */
#define ISOLATED (WARDER_SLOT_EGRESS_ISOLATED | WARDER_SLOT_INGRESS_ISOLATED)
static inline void world_flags(__u16 flags)
{
	world_slot(1, "10.1.0.1", "fd00::1", flags);
}

static inline void world_link(__u32 ifindex, __u16 slot, __u8 mac, int netnsid)
{
	struct warder_link link = {
		.ifindex = ifindex, .slot = slot, .netnsid = netnsid, .mac = {2, 0, 0, 0, 0, mac}};
	__u32 key = ifindex & 0xffff;

	world_update(world->maps.links, &key, &link);
}

static inline void world_bitmap(__u32 id, __u64 bits)
{
	for (__u32 word = 0; word < world->rodata->shape.words; word++) {
		__u32 key = id * world->rodata->shape.words + word;
		__u64 value = word ? 0 : bits;

		world_update(world->maps.bitmaps, &key, &value);
	}
}

/* What group 0 may talk with a peer class: bits of port classes. */
static inline void world_allow2(__u32 direction, __u32 class, __u64 enforced, __u64 audited)
{
	__u32 id = WARDER_BITMAP_FIRST + (direction * CLASSES + class) * 2;
	struct warder_cell cell = {.enforced = id, .audited = enforced == audited ? id : id + 1};
	__u32 key = direction * world->rodata->shape.groups * world->rodata->shape.classes + class;

	world_bitmap(id, enforced);
	world_bitmap(id + 1, audited);
	world_update(world->maps.cells, &key, &cell);
}

static inline void world_allow(__u32 direction, __u32 class, __u64 ports)
{
	world_allow2(direction, class, ports, ports);
}

static inline void world_deny_all(void)
{
	for (__u32 class = 0; class < CLASSES; class ++) {
		world_allow(WARDER_INGRESS, class, 0);
		world_allow(WARDER_EGRESS, class, 0);
	}
}

static inline void world_ports(__u32 protocol, __u16 other, __u16 special, __u16 special_class)
{
	for (__u32 i = 0; i < 16384; i++) {
		struct warder_port_word word = {.class = {other, other, other, other}};
		__u32 key = protocol * 16384 + i;

		if (special && special >> 2 == i)
			word.class[special & 3] = special_class;
		world_update(world->maps.ports, &key, &word);
	}
}

static inline void world_port(__u32 protocol, __u16 port, __u16 class)
{
	struct warder_port_word word;
	__u32 key = protocol * 16384 + (port >> 2);

	assert(!bpf_map_lookup_elem(bpf_map__fd(world->maps.ports), &key, &word));
	word.class[port & 3] = class;
	world_update(world->maps.ports, &key, &word);
}

/* Forgets connections, so that no test sees another's. */
/* What the programs proved a moment ago, on any CPU. */
static inline void world_forget_proofs(void)
{
	struct warder_proof *none = calloc((size_t)WARDER_PROOFS * world_cpus, sizeof(*none));
	__u32 *keys = calloc(WARDER_PROOFS, sizeof(*keys)), n = WARDER_PROOFS;

	for (__u32 i = 0; keys && i < WARDER_PROOFS; i++)
		keys[i] = i;
	if (!none || !keys ||
	    bpf_map_update_batch(bpf_map__fd(world->maps.proofs), keys, none, &n, NULL))
		printf("map proofs: %s\n", strerror(errno));
	free(keys);
	free(none);
}

static inline void world_forget(void)
{
	static const __u32 zero[4];
	struct warder_flow_key key;
	int fds[] = {bpf_map__fd(world->maps.flows), bpf_map__fd(world->maps.unfound)};

	for (int i = 0; i < 2; i++)
		while (!bpf_map_get_next_key(fds[i], NULL, &key))
			bpf_map_delete_elem(fds[i], &key);
	for (__u32 i = 0; i < 8; i++)
		world_update(world->maps.flow_budgets, &i, zero);
	world_forget_proofs();
}

/* The world of every test: pod a isolated, nothing allowed. */
static inline void world_reset(void)
{
	struct warder_frontend_key frontend = {
		.addr = world_addr("10.0.0.1"), .port = htons(30000), .protocol = TCP};
	static const struct warder_frontend present = {.class = SERVICE};

	world_forget();
	world_flags(ISOLATED);
	world_slot(2, "10.1.0.2", "fd00::2", 0);
	world_link(1, 1, 1, -1);
	world_link(OTHER_LINK, 2, 2, -1);
	world_peer("10.1.0.1", 256, POD_A, WARDER_PEER_POD, 1);
	world_peer("fd00::1", 256, POD_A, WARDER_PEER_POD, 1);
	world_peer("10.1.0.2", 257, POD_B, WARDER_PEER_POD, 2);
	world_peer("fd00::2", 257, POD_B, WARDER_PEER_POD, 2);
	world_peer("10.1.0.3", 258, POD_C, WARDER_PEER_POD, 0);
	world_peer("fd00::3", 258, POD_C, WARDER_PEER_POD, 0);
	world_peer("10.0.0.1", WARDER_IDENTITY_HOST, HOST, WARDER_PEER_NODE | WARDER_PEER_HOST, 0);
	world_peer("fd00:f::1", WARDER_IDENTITY_HOST, HOST, WARDER_PEER_NODE | WARDER_PEER_HOST, 0);
	world_peer("fe80::f", WARDER_IDENTITY_HOST, HOST, WARDER_PEER_NODE | WARDER_PEER_HOST, 0);
	world_peer("10.0.0.2", WARDER_IDENTITY_REMOTE_NODE, NODE, WARDER_PEER_NODE, 0);
	world_peer("fd00:f::2", WARDER_IDENTITY_REMOTE_NODE, NODE, WARDER_PEER_NODE, 0);
	world_peer("10.96.0.1", WARDER_IDENTITY_SERVICE, SERVICE, WARDER_PEER_SERVICE, 0);
	world_peer("fd00:96::1", WARDER_IDENTITY_SERVICE, SERVICE, WARDER_PEER_SERVICE, 0);
	world_update(world->maps.frontends, &frontend, &present);
	world_deny_all();
}

static inline int world_load(void)
{
	struct warder_peer peer = {
		.identity = WARDER_IDENTITY_WORLD, .class = WORLD, .cidr_class = WORLD};
	struct warder_cidr4_key key4 = {};
	struct warder_cidr6_key key6 = {};

	if (world)
		return 0;
	world = pod_bpf__open();
	if (!world)
		return -errno;
	world->rodata->secret[0] = 0x1234;
	world->rodata->secret[1] = 0x5678;
	world->rodata->mark_mask = 0xff00;
	world->rodata->mark_shift = 8;
	world->rodata->tunnel_ports[0] = 8472;
	world->rodata->n_tunnel_ports = 1;
	world->rodata->flows_per_endpoint = 16;
	world->rodata->shape.words = 4;
	if (pod_bpf__load(world))
		return -errno;
	world_cpus = libbpf_num_possible_cpus();
	world_bitmap(WARDER_BITMAP_ALL, ~0ULL);
	world_update(world->maps.cidr4, &key4, &peer);
	world_update(world->maps.cidr6, &key6, &peer);
	world_ports(WARDER_TCP, ANY_TCP, 443, TCP_443);
	world_port(WARDER_TCP, 8080, TCP_8080);
	world_ports(WARDER_UDP, ANY_UDP, 53, UDP_53);
	world_ports(WARDER_SCTP, ANY_SCTP, 0, 0);
	return 0;
}

/* Sums of the counters of a slot in one direction, by audited and reason. */
struct world_counts {
	__u64 packets[2][WARDER_REASON_MAX], bytes[2][WARDER_REASON_MAX];
};

static inline void world_count(__u32 slot, __u32 direction, struct world_counts *ret)
{
	struct warder_counter values[256];

	assert(world_cpus <= 256);
	memset(ret, 0, sizeof(*ret));
	for (__u32 audited = 0; audited < 2; audited++)
		for (__u32 reason = 0; reason < WARDER_REASON_MAX; reason++) {
			__u32 key = warder_counter_index(slot, direction, audited, reason);

			assert(!bpf_map_lookup_elem(bpf_map__fd(world->maps.counters), &key,
						    values));
			for (unsigned cpu = 0; cpu < world_cpus; cpu++) {
				ret->packets[audited][reason] += values[cpu].packets;
				ret->bytes[audited][reason] += values[cpu].bytes;
			}
		}
}

struct world_context {
	__u32 ifindex; /* of the link; default 1 */
	__u32 ingress; /* to the pod: the interface it came by, 0 = the host */
	__u32 mark;
	__u32 gso_segs, gso_size;
};

struct world_verdict {
	int action;	/* -1 pass, 2 drop */
	int reason;	/* the counter that grew, -1 none, -2 more than one */
	int would_deny; /* the audited counter that grew, 0 none */
	__u64 packets, bytes;
	__u32 mark;
};

static inline struct world_verdict world_run(bool from_pod, const void *frame, size_t size,
					     const struct world_context *context)
{
	struct bpf_program *program =
		from_pod ? world->progs.warder_from_pod : world->progs.warder_to_pod;
	__u32 slot = context && context->ifindex > 1 ? 0 : 1;
	struct world_counts before, after;
	struct world_verdict v = {.reason = -1};
	struct __sk_buff skb = {.ifindex = 1};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = size, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_out = &skb, .ctx_size_out = sizeof(skb),
		    .repeat = 1);

	if (context) {
		skb.ingress_ifindex = context->ingress;
		skb.mark = context->mark;
		skb.gso_segs = context->gso_segs;
		skb.gso_size = context->gso_size;
	}
	world_count(slot, from_pod, &before);
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts)) {
		v.action = -errno; /* EINVAL: the kernel makes no packet of so little */
		if (errno != EINVAL)
			printf("test run of %zu bytes: %s\n", size, strerror(errno));
		return v;
	}
	v.action = opts.retval;
	v.mark = skb.mark;
	world_count(slot, from_pod, &after);
	for (int audited = 0; audited < 2; audited++)
		for (int reason = 0; reason < WARDER_REASON_MAX; reason++) {
			if (after.packets[audited][reason] == before.packets[audited][reason])
				continue;
			if (audited) {
				v.would_deny = reason;
				continue;
			}
			v.reason = v.reason == -1 ? reason : -2;
			v.packets = after.packets[0][reason] - before.packets[0][reason];
			v.bytes = after.bytes[0][reason] - before.bytes[0][reason];
		}
	return v;
}

/* The whole of it for a table: a reason, or negative where action and counter contradict. */
static inline int world_reason(bool from_pod, const struct packet *p, const struct world_context *c)
{
	struct world_verdict v = world_run(from_pod, p->data, p->size, c);

	if (v.reason < 0)
		return v.reason;
	if (v.action != (v.reason >= WARDER_REASON_DROP ? 2 : -1))
		return -3;
	return v.reason;
}

static inline const char *world_reason_name(int reason)
{
	switch (reason) {
#define REASON(number, constant, name, ring, what, mend)                                           \
	case number:                                                                               \
		return name;
#include "warder/tbl/reasons.tbl"
#undef REASON
	}
	return "none, or more than one";
}

/* One line of a table, and its run: prints what is wrong. */
static inline bool world_expect(const char *name, bool from_pod, const struct packet *p,
				const struct world_context *c, int expected)
{
	int reason = world_reason(from_pod, p, c);

	if (reason == expected)
		return true;
	printf("  %s %s: %s (%d), expected %s\n", from_pod ? "from pod" : "to pod", name,
	       world_reason_name(reason), reason, world_reason_name(expected));
	return false;
}

#define WORLD_START()                                                                              \
	do {                                                                                       \
		if (geteuid()) {                                                                   \
			suite_skip("needs root");                                                  \
			return;                                                                    \
		}                                                                                  \
		if (world_load()) {                                                                \
			CU_FAIL("the pod object did not load");                                    \
			return;                                                                    \
		}                                                                                  \
		world_reset();                                                                     \
	} while (0)

#endif
