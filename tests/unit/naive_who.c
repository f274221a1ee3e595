/* SPDX-License-Identifier: Apache-2.0 */
/* The naive evaluator's reading of objects: JSON by paths, addresses bit by bit, and who holds one. */
#include "naive_who.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

const json_t *naive_at(const json_t *object, const char *path)
{
	char copy[128], *rest = copy;

	strncpy(copy, path, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = 0;
	for (char *name; object && (name = strsep(&rest, "/"));) {
		object = json_object_get(object, name);
		if (json_is_null(object))
			object = NULL;
	}
	return object;
}

const char *naive_text(const json_t *object, const char *path)
{
	const json_t *value = naive_at(object, path);

	return value ? json_string_value(value) : NULL;
}

bool naive_same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

bool naive_kind_is(const json_t *object, const char *kind)
{
	return naive_same(naive_text(object, "kind"), kind);
}

const char *naive_ns_of(const json_t *object)
{
	const char *ns = naive_text(object, "metadata/namespace");

	return ns ? ns : "default";
}

const json_t *naive_find(const struct world *world, const char *kind, const char *ns,
			 const char *name)
{
	json_t *object;
	size_t i;

	json_array_foreach(world->objects, i, object)
	{
		if (naive_kind_is(object, kind) &&
		    naive_same(naive_text(object, "metadata/name"), name) &&
		    (!ns || naive_same(naive_ns_of(object), ns)))
			return object;
	}
	return NULL;
}

bool naive_audited(const json_t *object)
{
	const json_t *annotations = naive_at(object, "metadata/annotations");

	return annotations &&
	       naive_same(json_string_value(json_object_get(annotations, "warder.io/mode")),
			  "audit");
}

/* ---- addresses: 16 bytes, IPv4 mapped; a prefix never spans the families ---- */

static void parse(const char *text, unsigned char bytes[16], bool *is4)
{
	memset(bytes, 0, 16);
	*is4 = inet_pton(AF_INET, text, bytes + 12) == 1;
	if (*is4)
		bytes[10] = bytes[11] = 0xff;
	else
		inet_pton(AF_INET6, text, bytes);
}

bool naive_in_block(const unsigned char addr[16], const char *cidr)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char head[64];
	unsigned char block[16];
	int bits;
	bool is4;

	strncpy(head, cidr, sizeof(head) - 1);
	head[sizeof(head) - 1] = 0;
	*strchr(head, '/') = 0;
	bits = atoi(strchr(cidr, '/') + 1);
	parse(head, block, &is4);
	if (is4 != !memcmp(addr, mapped, 12))
		return false;
	if (is4)
		bits += 96;
	for (int bit = 0; bit < bits; bit++)
		if ((addr[bit / 8] ^ block[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

void naive_addr(const char *text, unsigned char ret[16])
{
	bool is4;

	parse(text, ret, &is4);
}

static bool is_addr(const unsigned char addr[16], const char *other)
{
	unsigned char bytes[16];
	bool is4;

	if (!other)
		return false;
	parse(other, bytes, &is4);
	return !memcmp(bytes, addr, 16);
}

/* ---- who is there ---- */

static bool pod_is_live(const json_t *pod)
{
	return !naive_same(naive_text(pod, "status/phase"), "Succeeded") &&
	       !naive_same(naive_text(pod, "status/phase"), "Failed");
}

static bool pod_is_host(const json_t *pod)
{
	return json_is_true(naive_at(pod, "spec/hostNetwork"));
}

static bool pod_has(const json_t *pod, const unsigned char addr[16])
{
	const json_t *list = naive_at(pod, "status/podIPs");
	json_t *entry;
	size_t i;

	if (!list)
		return is_addr(addr, naive_text(pod, "status/podIP"));
	json_array_foreach((json_t *)list, i, entry)
	{
		if (is_addr(addr, naive_text(entry, "ip")))
			return true;
	}
	return false;
}

static bool node_has(const json_t *node, const unsigned char addr[16])
{
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)naive_at(node, "status/addresses"), i, entry)
	{
		if (is_addr(addr, naive_text(entry, "address")) &&
		    (naive_same(naive_text(entry, "type"), "InternalIP") ||
		     naive_same(naive_text(entry, "type"), "ExternalIP")))
			return true;
	}
	return false;
}

bool naive_service_has(const json_t *service, const unsigned char addr[16])
{
	static const char *const lists[] = {"spec/clusterIPs", "spec/externalIPs"};
	json_t *entry;
	size_t i;

	for (unsigned l = 0; l < 2; l++)
		json_array_foreach((json_t *)naive_at(service, lists[l]), i, entry)
		{
			if (is_addr(addr, json_string_value(entry)))
				return true;
		}
	return false;
}

static bool listed(const struct warder_addr *list, size_t n, const unsigned char addr[16])
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(list[i].b, addr, 16))
			return true;
	return false;
}

static bool in_pod_range(const struct world *world, const unsigned char addr[16])
{
	char range[WARDER_ADDRESS_TEXT];
	json_t *object, *entry;
	size_t i, j;

	for (i = 0; i < world->options.n_pod_ranges; i++)
		if (naive_in_block(addr,
				   warder_prefix_format(&world->options.pod_ranges[i], range)))
			return true;
	json_array_foreach(world->objects, i, object)
	{
		if (!naive_kind_is(object, "Node"))
			continue;
		json_array_foreach((json_t *)naive_at(object, "spec/podCIDRs"), j, entry)
		{
			if (naive_in_block(addr, json_string_value(entry)))
				return true;
		}
	}
	return false;
}

/* Nodes first, then pods (two are nobody), the API server, Services, and what is left by its range.
 */
void naive_find_peer(struct question *q)
{
	const unsigned char *addr = q->probe->peer.b;
	const struct world *world = q->world;
	bool node = listed(world->options.host_addrs, world->options.n_host_addrs, addr),
	     service = false;
	json_t *object;
	int pods = 0;
	size_t i;

	q->own_node = node;
	if (node)
		q->peer_node = naive_find(world, "Node", NULL, WORLD_NODE);
	q->apiserver =
		listed(world->options.apiserver_addrs, world->options.n_apiserver_addrs, addr);
	json_array_foreach(world->objects, i, object)
	{
		const char *name = naive_text(object, "metadata/name");

		if (naive_kind_is(object, "Node") && node_has(object, addr)) {
			node = true;
			q->peer_node = object;
			q->own_node |= naive_same(name, WORLD_NODE);
		} else if (naive_kind_is(object, "Pod") && pod_is_live(object) &&
			   pod_has(object, addr)) {
			if (!pod_is_host(object)) {
				pods++;
				q->peer_pod = object;
				continue;
			}
			node = true;
			q->own_node |= naive_same(naive_text(object, "spec/nodeName"), WORLD_NODE);
			if (!q->peer_node && naive_text(object, "spec/nodeName"))
				q->peer_node = naive_find(world, "Node", NULL,
							  naive_text(object, "spec/nodeName"));
		} else if (naive_kind_is(object, "Service")) {
			service |= naive_service_has(object, addr);
		}
	}
	if (node || pods != 1)
		q->peer_pod = NULL;
	if (node)
		q->peer = PEER_NODE;
	else if (pods)
		q->peer = pods == 1 ? PEER_POD : PEER_UNKNOWN;
	else if (service && !q->apiserver)
		q->peer = PEER_SERVICE;
	else
		q->peer = in_pod_range(world, addr) ? PEER_UNKNOWN : PEER_WORLD;
	if (!q->probe->address_only)
		return;
	/* Only the address counts. */
	if (q->peer == PEER_NODE)
		q->peer = PEER_SNAT;
	else if (q->peer == PEER_POD)
		q->peer = PEER_UNKNOWN;
	q->peer_pod = q->peer_node = NULL;
	q->own_node = false;
	if (node || pods)
		q->apiserver = false;
}
