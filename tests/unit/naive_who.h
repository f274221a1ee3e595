/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a world's objects for the naive evaluator: inner to tests/unit/naive.c. */
#ifndef WARDER_TESTS_NAIVE_WHO_H
#define WARDER_TESTS_NAIVE_WHO_H

#include "worlds.h"

struct question {
	const struct world *world;
	const struct world_probe *probe;
	const json_t *pod; /* the endpoint */
	bool audited;	   /* audited policies are real */

	/* the other side */
	enum { PEER_POD, PEER_NODE, PEER_WORLD, PEER_UNKNOWN, PEER_SERVICE, PEER_SNAT } peer;
	const json_t *peer_pod, *peer_node; /* NULL where none (a node without a Node object) */
	bool own_node, apiserver, outside;
};

/* "a/b" below `object`; NULL where it is absent or null. */
const json_t *naive_at(const json_t *object, const char *path);
const char *naive_text(const json_t *object, const char *path);
/* Both there, and equal. */
bool naive_same(const char *a, const char *b);
bool naive_kind_is(const json_t *object, const char *kind);
const char *naive_ns_of(const json_t *object);
/* `ns` NULL: any namespace. */
const json_t *naive_find(const struct world *world, const char *kind, const char *ns,
			 const char *name);
/* The annotation, of this object alone. */
bool naive_audited(const json_t *object);
bool naive_in_block(const unsigned char addr[16], const char *cidr);
bool naive_service_has(const json_t *service, const unsigned char addr[16]);
/* IPv4 as ::ffff:a.b.c.d. */
void naive_addr(const char *text, unsigned char ret[16]);
/* Fills in who the other side is: nodes first, then pods (two are nobody), the API server, Services. */
void naive_find_peer(struct question *q);

#endif
