/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map, and every constant that the loader sets, in one place.  The objects share the maps:
 * the loader makes each once, by name, and gives it to all.  Sizes here are those of the smallest
 * use; the loader sets those of struct warder_shape before it loads.  docs/maps.md has who writes
 * what.
 */
#ifndef WARDER_BPF_MAPS_H
#define WARDER_BPF_MAPS_H

#include <bpf/bpf_helpers.h>

#include "warder/counter.h"
#include "warder/event.h"
#include "warder/flow.h"
#include "warder/layout.h"
#include "warder/peer.h"
#include "warder/slot.h"
#include "warder/verdict.h"

/* Constants: set before load, known to the verifier. */
const volatile struct warder_shape shape = WARDER_SHAPE_DEFAULT;
const volatile __u64 secret[2] = {};	   /* of this boot: hashes of map `proofs` and `lines` */
const volatile __u32 mark_mask = 0;	   /* bits of skb->mark for the sender's slot; 0 = none */
const volatile __u32 mark_shift = 0;	   /* the lowest of them */
const volatile __u16 tunnel_ports[8] = {}; /* UDP ports of overlays, host order */
const volatile __u32 n_tunnel_ports = 0;
const volatile __u32 flows_per_endpoint = 16384; /* in each direction, answered or not */
const volatile __u32 reply_cache = 1;		 /* map `proofs` is used */

/* Endpoints. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct warder_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WARDER_LINKS);
	__type(key, __u32); /* ifindex & 0xffff */
	__type(value, struct warder_link);
} links SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct warder_own_key);
	__type(value, struct warder_own);
} own SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* v2 id of the pod's cgroup */
	__type(value, struct warder_cgroup);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* inode of the network namespace */
	__type(value, struct warder_namespace);
} namespaces SEC(".maps");

/* Peers. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __be32);
	__type(value, struct warder_peer);
} peer4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct warder_addr);
	__type(value, struct warder_peer);
} peer6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct warder_cidr4_key);
	__type(value, struct warder_peer);
} cidr4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct warder_cidr6_key);
	__type(value, struct warder_peer);
} cidr6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct warder_frontend_key);
	__type(value, struct warder_frontend);
} frontends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct warder_identity_name);
} identities SEC(".maps");

/* Policy. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WARDER_PORT_WORDS);
	__type(key, __u32);
	__type(value, struct warder_port_word);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * 128 * 1024);
	__type(key, __u32);
	__type(value, struct warder_cell);
} cells SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024 * 4);
	__type(key, __u32);
	__type(value, __u64);
} bitmaps SEC(".maps");

/* What happened. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256 * WARDER_COUNTERS_PER_SLOT);
	__type(key, __u32); /* warder_counter_index() */
	__type(value, struct warder_counter);
} counters SEC(".maps");

/* Counts of maps that were replaced by larger ones; no program reads it (userspace/datapath/grow.c). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256 * WARDER_COUNTERS_PER_SLOT);
	__type(key, __u32);
	__type(value, struct warder_counter);
} counters_kept SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WARDER_LINES);
	__type(key, __u32);
	__type(value, struct warder_line);
} lines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WARDER_OVERFLOWS);
	__type(key, __u32); /* reason + WARDER_REASON_MAX * audited */
	__type(value, struct warder_counter);
} overflow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events_rare SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} events_bulk SEC(".maps");

/* State of connections. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct warder_flow_key);
	__type(value, struct warder_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * 256);
	__type(key, __u32); /* slot * 2 + enum warder_direction */
	__type(value, struct warder_flow_budget);
} flow_budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct warder_socket);
} directions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct warder_flow_key);
	__type(value, struct warder_unfound);
} unfound SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WARDER_PROOFS);
	__type(key, __u32);
	__type(value, struct warder_proof);
} proofs SEC(".maps");

/* Of this boot; no program reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct warder_boot);
} boot SEC(".maps");

#endif
