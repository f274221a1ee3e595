/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The naive evaluator.  Sources: the NetworkPolicy v1 and ClusterNetworkPolicy v1alpha2 API
 * documentation, label selectors in the Kubernetes documentation, and docs/policy.md for
 * IdentityPolicy, unknown addresses, Services and modes.
 */
#include "naive.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

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

enum answer { NO, MAYBE, YES };

/* ---- JSON ---- */

static const json_t *at(const json_t *object, const char *path)
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

static const char *text(const json_t *object, const char *path)
{
	const json_t *value = at(object, path);

	return value ? json_string_value(value) : NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static bool kind_is(const json_t *object, const char *kind)
{
	return same(text(object, "kind"), kind);
}

static const char *ns_of(const json_t *object)
{
	const char *ns = text(object, "metadata/namespace");

	return ns ? ns : "default";
}

static const json_t *find(const struct world *world, const char *kind, const char *ns,
			  const char *name)
{
	json_t *object;
	size_t i;

	json_array_foreach(world->objects, i,
			   object) if (kind_is(object, kind) &&
				       same(text(object, "metadata/name"), name) &&
				       (!ns || same(ns_of(object), ns))) return object;
	return NULL;
}

static bool audited(const json_t *object)
{
	const json_t *annotations = at(object, "metadata/annotations");

	return annotations &&
	       same(json_string_value(json_object_get(annotations, "warder.io/mode")), "audit");
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

static bool in_block(const unsigned char addr[16], const char *cidr)
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
	return !same(text(pod, "status/phase"), "Succeeded") &&
	       !same(text(pod, "status/phase"), "Failed");
}

static bool pod_is_host(const json_t *pod)
{
	return json_is_true(at(pod, "spec/hostNetwork"));
}

static bool pod_has(const json_t *pod, const unsigned char addr[16])
{
	const json_t *list = at(pod, "status/podIPs");
	json_t *entry;
	size_t i;

	if (!list)
		return is_addr(addr, text(pod, "status/podIP"));
	json_array_foreach((json_t *)list, i,
			   entry) if (is_addr(addr, text(entry, "ip"))) return true;
	return false;
}

static bool node_has(const json_t *node, const unsigned char addr[16])
{
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)at(node, "status/addresses"), i,
			   entry) if (is_addr(addr, text(entry, "address")) &&
				      (same(text(entry, "type"), "InternalIP") ||
				       same(text(entry, "type"), "ExternalIP"))) return true;
	return false;
}

static bool service_has(const json_t *service, const unsigned char addr[16])
{
	static const char *const lists[] = {"spec/clusterIPs", "spec/externalIPs"};
	json_t *entry;
	size_t i;

	for (unsigned l = 0; l < 2; l++)
		json_array_foreach((json_t *)at(service, lists[l]), i,
				   entry) if (is_addr(addr, json_string_value(entry))) return true;
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
		if (in_block(addr, warder_prefix_format(&world->options.pod_ranges[i], range)))
			return true;
	json_array_foreach(world->objects, i, object)
	{
		if (!kind_is(object, "Node"))
			continue;
		json_array_foreach((json_t *)at(object, "spec/podCIDRs"), j,
				   entry) if (in_block(addr, json_string_value(entry))) return true;
	}
	return false;
}

/* Nodes first, then pods (two are nobody), the API server, Services, and what is left by its range.
 */
static void find_peer(struct question *q)
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
		q->peer_node = find(world, "Node", NULL, WORLD_NODE);
	q->apiserver =
		listed(world->options.apiserver_addrs, world->options.n_apiserver_addrs, addr);
	json_array_foreach(world->objects, i, object)
	{
		const char *name = text(object, "metadata/name");

		if (kind_is(object, "Node") && node_has(object, addr)) {
			node = true;
			q->peer_node = object;
			q->own_node |= same(name, WORLD_NODE);
		} else if (kind_is(object, "Pod") && pod_is_live(object) && pod_has(object, addr)) {
			if (!pod_is_host(object)) {
				pods++;
				q->peer_pod = object;
				continue;
			}
			node = true;
			q->own_node |= same(text(object, "spec/nodeName"), WORLD_NODE);
			if (!q->peer_node && text(object, "spec/nodeName"))
				q->peer_node =
					find(world, "Node", NULL, text(object, "spec/nodeName"));
		} else if (kind_is(object, "Service")) {
			service |= service_has(object, addr);
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

/* ---- selectors ---- */

static bool requirement_holds(const json_t *requirement, const json_t *labels)
{
	const char *op = text(requirement, "operator");
	const char *value = json_string_value(json_object_get(labels, text(requirement, "key")));
	bool in = false;
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)at(requirement, "values"), i, entry) in |=
		same(json_string_value(entry), value);
	if (same(op, "In"))
		return value && in;
	if (same(op, "NotIn"))
		return !value || !in;
	return same(op, "Exists") ? value != NULL : value == NULL;
}

static bool selector_matches(const json_t *selector, const json_t *labels)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)at(selector, "matchLabels"), key,
			    value) if (!same(json_string_value(json_object_get(labels, key)),
					     json_string_value(value))) return false;
	json_array_foreach((json_t *)at(selector, "matchExpressions"), i,
			   value) if (!requirement_holds(value, labels)) return false;
	return true;
}

static bool namespace_matches(const struct world *world, const json_t *selector, const char *ns)
{
	const json_t *object = find(world, "Namespace", NULL, ns);
	json_t *labels = object && at(object, "metadata/labels")
				 ? json_copy((json_t *)at(object, "metadata/labels"))
				 : json_object();
	bool match;

	json_object_set_new(labels, "kubernetes.io/metadata.name", json_string(ns));
	match = selector_matches(selector, labels);
	json_decref(labels);
	return match;
}

static bool account_listed(const json_t *list, const json_t *pod)
{
	const char *account = text(pod, "spec/serviceAccountName");
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)list, i,
			   entry) if (same(json_string_value(entry),
					   account ? account : "default")) return true;
	return false;
}

/* ---- peers ---- */

static bool identity_matches(const json_t *identity, const json_t *pod, bool *could)
{
	char copy[512] = "", *segment[4] = {NULL, NULL, NULL, NULL}, *rest = copy;
	const char *ns = text(identity, "namespace"), *account = text(identity, "serviceAccount");
	const char *own = pod ? text(pod, "spec/serviceAccountName") : NULL;

	if (text(identity, "spiffe")) {
		strncpy(copy, text(identity, "spiffe") + strlen("spiffe://"), sizeof(copy) - 1);
		segment[0] = strsep(&rest, "/");
		strsep(&rest, "/");
		segment[1] = strsep(&rest, "/");
		strsep(&rest, "/");
		segment[2] = rest;
		ns = segment[1];
		account = segment[2];
		if (strcmp(segment[0], "*") && strcmp(segment[0], WORLD_TRUST_DOMAIN))
			return false;
	}
	*could = true;
	if (!pod || (strcmp(ns, "*") && !same(ns, ns_of(pod))))
		return false;
	return !strcmp(account, "*") || same(account, own ? own : "default");
}

/* Does a peer that selects pods select this one?  *could: there might be a pod that it selects. */
static bool pods_match(const struct question *q, const json_t *peer, const char *policy_ns,
		       const json_t *pod, bool *could)
{
	const json_t *inner = at(peer, "pods") ? at(peer, "pods")
					       : peer; /* ClusterNetworkPolicy has them inside */
	const json_t *namespaces = at(inner, "namespaceSelector"), *pods = at(inner, "podSelector");
	json_t *entry;
	bool match = false;
	size_t i;

	*could = false;
	if (at(peer, "identities")) {
		json_array_foreach((json_t *)at(peer, "identities"), i, entry) match |=
			identity_matches(entry, pod, could);
		return match;
	}
	if (at(peer, "namespaces"))
		namespaces = at(peer, "namespaces");
	*could = true;
	if (!pod)
		return false;
	if (namespaces ? !namespace_matches(q->world, namespaces, ns_of(pod))
		       : policy_ns && !same(policy_ns, ns_of(pod)))
		return false;
	if (pods && !selector_matches(pods, at(pod, "metadata/labels")))
		return false;
	return !at(peer, "serviceAccounts") || account_listed(at(peer, "serviceAccounts"), pod);
}

static bool block_matches(const json_t *cidr, const json_t *except, const unsigned char addr[16])
{
	json_t *entry;
	size_t i;

	if (!in_block(addr, json_string_value(cidr)))
		return false;
	json_array_foreach((json_t *)except, i,
			   entry) if (in_block(addr, json_string_value(entry))) return false;
	return true;
}

static bool entity_matches(const struct question *q, const char *entity)
{
	if (same(entity, "world"))
		return q->peer == PEER_WORLD;
	if (same(entity, "host"))
		return q->peer == PEER_NODE && q->own_node;
	if (same(entity, "node-snat"))
		return q->peer == PEER_SNAT;
	return q->apiserver;
}

static bool node_matches(const struct question *q, const json_t *selector)
{
	return q->peer == PEER_NODE &&
	       selector_matches(selector,
				q->peer_node ? at(q->peer_node, "metadata/labels") : NULL);
}

/* MAYBE: the address may be any pod, and the peer selects some. */
static enum answer peer_matches(const struct question *q, const json_t *peer, const char *policy_ns)
{
	bool match = false, could;
	json_t *entry;
	size_t i;

	if (at(peer, "ipBlock"))
		return block_matches(at(peer, "ipBlock/cidr"), at(peer, "ipBlock/except"),
				     q->probe->peer.b)
			       ? YES
			       : NO;
	if (at(peer, "networks")) {
		json_array_foreach((json_t *)at(peer, "networks"), i, entry) match |=
			block_matches(entry, NULL, q->probe->peer.b);
		return match ? YES : NO;
	}
	if (at(peer, "entities")) {
		json_array_foreach((json_t *)at(peer, "entities"), i, entry) match |=
			entity_matches(q, json_string_value(entry));
		return match ? YES : NO;
	}
	if (at(peer, "nodeSelector") || at(peer, "nodes"))
		return node_matches(q, at(peer, "nodes") ? at(peer, "nodes")
							 : at(peer, "nodeSelector"))
			       ? YES
			       : NO;
	match = pods_match(q, peer, policy_ns, q->peer == PEER_POD ? q->peer_pod : NULL, &could);
	return match ? YES : q->peer == PEER_UNKNOWN && could ? MAYBE : NO;
}

/* ---- ports ---- */

static const char *protocol_name(__u8 protocol)
{
	return protocol == IPPROTO_TCP	  ? "TCP"
	       : protocol == IPPROTO_UDP  ? "UDP"
	       : protocol == IPPROTO_SCTP ? "SCTP"
					  : "";
}

/* Has the destination this port under this name?  MAYBE: it is a pod that nobody knows. */
static enum answer name_matches(const struct question *q, const char *name)
{
	const json_t *pod = q->probe->direction == WARDER_INGRESS ? q->pod : q->peer_pod;
	static const char *const lists[] = {"spec/containers", "spec/initContainers"};
	json_t *container, *port;
	size_t i, j;

	for (unsigned l = 0; pod && l < 2; l++) {
		json_array_foreach((json_t *)at(pod, lists[l]), i, container)
		{
			if (l && !same(text(container, "restartPolicy"), "Always"))
				continue;
			json_array_foreach((json_t *)at(container, "ports"), j, port)
			{
				const char *protocol = text(port, "protocol");

				if (same(text(port, "name"), name) &&
				    same(protocol ? protocol : "TCP",
					 protocol_name(q->probe->protocol)) &&
				    json_integer_value(at(port, "containerPort")) == q->probe->port)
					return YES;
			}
		}
	}
	return q->probe->direction == WARDER_EGRESS && q->peer == PEER_UNKNOWN ? MAYBE : NO;
}

static enum answer port_matches(const struct question *q, const json_t *port)
{
	const char *protocol = text(port, "protocol");
	const json_t *value = at(port, "port"), *end = at(port, "endPort");
	long long first = json_integer_value(value), last = end ? json_integer_value(end) : first;

	if (!same(protocol ? protocol : "TCP", protocol_name(q->probe->protocol)))
		return NO;
	if (!value)
		return YES;
	if (json_is_string(value))
		return name_matches(q, json_string_value(value));
	return q->probe->port >= first && q->probe->port <= last ? YES : NO;
}

static enum answer protocol_matches(const struct question *q, const json_t *protocol)
{
	static const char *const keys[][2] = {{"tcp", "TCP"}, {"udp", "UDP"}, {"sctp", "SCTP"}};
	const char *name = text(protocol, "destinationNamedPort");

	if (name)
		return *protocol_name(q->probe->protocol) ? name_matches(q, name) : NO;
	for (unsigned i = 0; i < 3; i++) {
		const json_t *port = at(at(protocol, keys[i][0]), "destinationPort");

		if (!port)
			continue;
		if (!same(keys[i][1], protocol_name(q->probe->protocol)))
			return NO;
		if (at(port, "number"))
			return json_integer_value(at(port, "number")) == q->probe->port ? YES : NO;
		return q->probe->port >= json_integer_value(at(port, "range/start")) &&
				       q->probe->port <= json_integer_value(at(port, "range/end"))
			       ? YES
			       : NO;
	}
	return NO;
}

static enum answer ports_match(const struct question *q, const json_t *rule)
{
	enum answer best = NO, one;
	json_t *entry;
	size_t i;

	if (!json_array_size(at(rule, "ports")) && !json_array_size(at(rule, "protocols")))
		return YES;
	json_array_foreach((json_t *)at(rule, "ports"), i,
			   entry) if ((one = port_matches(q, entry)) > best) best = one;
	json_array_foreach((json_t *)at(rule, "protocols"), i,
			   entry) if ((one = protocol_matches(q, entry)) > best) best = one;
	return best;
}

/* ---- rules and tiers ---- */

static const json_t *rules_of(const struct question *q, const json_t *policy)
{
	return at(policy, q->probe->direction == WARDER_INGRESS ? "spec/ingress" : "spec/egress");
}

/* `open`: the rule allows, so whatever is not sure does not count. */
static enum answer rule_matches(const struct question *q, const json_t *rule, const char *policy_ns,
				bool open)
{
	const json_t *peers = at(rule, q->probe->direction == WARDER_INGRESS ? "from" : "to");
	enum answer peer = json_array_size(peers) ? NO : YES, ports = ports_match(q, rule), one,
		    both;
	json_t *entry;
	size_t i;

	if (q->peer == PEER_SERVICE) /* what stands behind it is not known */
		return !open ? MAYBE
		       : !json_array_size(peers) && !json_array_size(at(rule, "ports")) &&
				       !json_array_size(at(rule, "protocols"))
			       ? YES
			       : NO;
	json_array_foreach((json_t *)peers, i,
			   entry) if ((one = peer_matches(q, entry, policy_ns)) > peer) peer = one;
	both = peer < ports ? peer : ports;
	return both == MAYBE && open ? NO : both;
}

static bool counts(const struct question *q, const json_t *policy)
{
	const json_t *ns = kind_is(policy, "ClusterNetworkPolicy")
				   ? NULL
				   : find(q->world, "Namespace", NULL, ns_of(policy));

	return q->audited || !(audited(policy) || (ns && audited(ns)));
}

static bool selects(const struct question *q, const json_t *policy)
{
	const json_t *broken = at(policy, WORLD_BROKEN), *subject = at(policy, "spec/subject");
	bool cluster = kind_is(policy, "ClusterNetworkPolicy"), could;

	if (!cluster && !same(ns_of(policy), ns_of(q->pod)))
		return false;
	if (broken && !json_is_true(at(broken, "subject")))
		return true;
	if (kind_is(policy, "NetworkPolicy"))
		return selector_matches(at(policy, "spec/podSelector"),
					at(q->pod, "metadata/labels"));
	return pods_match(q, subject, cluster ? NULL : ns_of(policy), q->pod, &could);
}

static bool isolates(const struct question *q, const json_t *policy)
{
	bool ingress = q->probe->direction == WARDER_INGRESS, found = false;
	const json_t *broken = at(policy, WORLD_BROKEN), *types = at(policy, "spec/policyTypes");
	json_t *entry;
	size_t i;

	if (broken)
		return json_is_true(at(broken, ingress ? "ingress" : "egress"));
	if (!json_array_size(types))
		return ingress || json_array_size(at(policy, "spec/egress"));
	json_array_foreach((json_t *)types, i, entry) found |=
		same(json_string_value(entry), ingress ? "Ingress" : "Egress");
	return found;
}

static int compare_cluster(const void *left, const void *right)
{
	const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
	long long first = json_integer_value(at(a, "spec/priority")),
		  second = json_integer_value(at(b, "spec/priority"));

	if (first != second)
		return first < second ? -1 : 1;
	return strcmp(text(a, "metadata/name"), text(b, "metadata/name"));
}

static bool namespaced_allows(const struct question *q);

static bool allow(const struct question *q)
{
	return true;
}

static bool cluster_allows(const struct question *q, const char *tier,
			   bool (*below)(const struct question *))
{
	const json_t *policies[64];
	size_t n = 0, i, j;
	json_t *object, *rule;

	json_array_foreach(q->world->objects, i, object)
	{
		const char *own = text(object, "spec/tier");
		bool baseline = same(own, "Baseline"); /* one that is not understood is Admin's */

		if (kind_is(object, "ClusterNetworkPolicy") &&
		    same(tier, baseline ? "Baseline" : "Admin") && counts(q, object) &&
		    selects(q, object) && n < 64)
			policies[n++] = object;
	}
	qsort(policies, n, sizeof(*policies), compare_cluster);
	for (i = 0; i < n; i++) {
		if (at(policies[i], WORLD_BROKEN)) /* one DENY for everything */
			return false;
		json_array_foreach((json_t *)rules_of(q, policies[i]), j, rule)
		{
			const char *action = text(rule, "action");
			enum answer match = rule_matches(q, rule, NULL, same(action, "Accept"));

			if (match == NO)
				continue;
			if (same(action, "Deny")) /* one that may be meant is denied */
				return false;
			if (same(action, "Accept"))
				return true;
			if (match == YES)
				return below(q);
			if (!below(q)) /* passed or not: both must allow */
				return false;
		}
	}
	return below(q);
}

static bool baseline_allows(const struct question *q)
{
	return cluster_allows(q, "Baseline", allow);
}

static bool namespaced_allows(const struct question *q)
{
	bool isolated = false;
	json_t *object, *rule;
	size_t i, j;

	json_array_foreach(q->world->objects, i, object)
	{
		if (!kind_is(object, "NetworkPolicy") && !kind_is(object, "IdentityPolicy"))
			continue;
		if (!counts(q, object) || !selects(q, object) || !isolates(q, object))
			continue;
		isolated = true;
		if (at(object, WORLD_BROKEN))
			continue;
		json_array_foreach((json_t *)rules_of(q, object), j,
				   rule) if (rule_matches(q, rule, ns_of(object), true) ==
					     YES) return true;
	}
	return !isolated && baseline_allows(q);
}

unsigned naive_verdict(const struct world *world, const struct world_probe *probe)
{
	struct question q = {
		.world = world, .probe = probe, .pod = find(world, "Pod", probe->ns, probe->pod)};
	unsigned verdict = 0;

	find_peer(&q);
	for (unsigned audited = 0; audited < 2; audited++) {
		q.audited = audited;
		if (cluster_allows(&q, "Admin", namespaced_allows))
			verdict |= 1 << audited;
	}
	return verdict;
}
