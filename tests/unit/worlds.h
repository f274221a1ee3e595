/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random worlds: namespaces, nodes, pods, Services and policies of three kinds as Kubernetes
 * objects, from one seed, with every field that the kinds have and the corners that bite (absent
 * and empty, broken policies, contested addresses, names that mean different ports, audited parts).
 * tests/unit/naive.h says what a probe's verdict must be, from the objects' JSON alone.
 *
 *   struct world *world = world_make(seed);
 *   warder_compile(world->store, &world->options, &matrix, &error);
 *   for (...) {
 *           struct world_probe probe;
 *           world_probe(world, &probe);
 *           want = naive_verdict(world, &probe);      bit 0 enforced, bit 1 as if audited were real
 *   }
 *   world_change(world);                              some objects come, go or change
 *   world_free(world);
 */
#ifndef WARDER_TESTS_WORLDS_H
#define WARDER_TESTS_WORLDS_H

#include <jansson.h>
#include <stdio.h>

#include "policy/compile.h"

#define WORLD_NODE	   "node-1" /* options.node: the one that is compiled */
#define WORLD_TRUST_DOMAIN "example.org"
#define WORLD_ADDRS	   8

struct world {
	unsigned long long seed, random; /* as it began, as it is */
	json_t *objects;		 /* array of Kubernetes objects */
	struct warder_store *store;	 /* the same, decoded */
	struct warder_compile_options options;
	struct warder_prefix pod_ranges[2];
	struct warder_addr host_addrs[2], apiserver_addrs[2];
	json_t *addresses; /* texts of addresses that probes use: held, unheld in a pod range,
			      outside, borders */
};

/* A question about one direction of one local pod that is no hostNetwork pod and not finished. */
struct world_probe {
	enum warder_direction direction;
	const char *ns, *pod; /* borrowed from the world until it changes */
	struct warder_addr peer;
	bool address_only; /* ingress: the sender's identity does not count (NAT by a node, not
			      proven): cidr_class */
	__u8 protocol;	   /* IPPROTO_TCP, _UDP, _SCTP, or _ICMP with port 0 */
	__u16 port;
};

struct world *world_make(unsigned long long seed);
void world_free(struct world *world);
/* Puts, changes or removes a few objects, in the store too. */
void world_change(struct world *world);
/* False where no pod is local (then there is nothing to ask). */
bool world_probe(struct world *world, struct world_probe *ret);

unsigned long long world_random(struct world *world, unsigned long long below);
/* For messages: "seed 7: ingress of x/a, peer 10.0.0.1, TCP 80" in `buffer`, which it returns. */
const char *world_probe_text(const struct world *world, const struct world_probe *probe,
			     char *buffer, size_t size);
/* All objects as YAML-readable JSON documents, to look at and to try with warderctl explain. */
void world_dump(const struct world *world, FILE *out);

/*
 * How a broken policy was made, beside `spec` where decoders ignore it: {"subject": its subject is
 * understood, "ingress", "egress": it isolates these}.
 */
#define WORLD_BROKEN "brokenByTheTest"

#endif
