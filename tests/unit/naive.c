/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The naive evaluator.  Sources: the NetworkPolicy v1 and ClusterNetworkPolicy v1alpha2 API
 * documentation, label selectors in the Kubernetes documentation, and docs/policy.md for
 * IdentityPolicy, unknown addresses, Services and modes.
 */
#include "naive.h"
#include "naive_who.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum answer { NO, MAYBE, YES };

/* ---- selectors ---- */

static bool requirement_holds(const json_t *requirement, const json_t *labels)
{
	const char *op = naive_text(requirement, "operator");
	const char *value =
		json_string_value(json_object_get(labels, naive_text(requirement, "key")));
	bool in = false;
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)naive_at(requirement, "values"), i, entry)
	{
		in |= naive_same(json_string_value(entry), value);
	}
	if (naive_same(op, "In"))
		return value && in;
	if (naive_same(op, "NotIn"))
		return !value || !in;
	return naive_same(op, "Exists") ? value != NULL : value == NULL;
}

static bool selector_matches(const json_t *selector, const json_t *labels)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)naive_at(selector, "matchLabels"), key, value)
	{
		if (!naive_same(json_string_value(json_object_get(labels, key)),
				json_string_value(value)))
			return false;
	}
	json_array_foreach((json_t *)naive_at(selector, "matchExpressions"), i, value)
	{
		if (!requirement_holds(value, labels))
			return false;
	}
	return true;
}

static bool namespace_matches(const struct world *world, const json_t *selector, const char *ns)
{
	const json_t *object = naive_find(world, "Namespace", NULL, ns);
	json_t *labels = object && naive_at(object, "metadata/labels")
				 ? json_copy((json_t *)naive_at(object, "metadata/labels"))
				 : json_object();
	bool match;

	json_object_set_new(labels, "kubernetes.io/metadata.name", json_string(ns));
	match = selector_matches(selector, labels);
	json_decref(labels);
	return match;
}

static bool account_listed(const json_t *list, const json_t *pod)
{
	const char *account = naive_text(pod, "spec/serviceAccountName");
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)list, i, entry)
	{
		if (naive_same(json_string_value(entry), account ? account : "default"))
			return true;
	}
	return false;
}

/* ---- peers ---- */

static bool identity_matches(const json_t *identity, const json_t *pod, bool *could)
{
	char copy[512] = "", *segment[4] = {NULL, NULL, NULL, NULL}, *rest = copy;
	const char *ns = naive_text(identity, "namespace"),
		   *account = naive_text(identity, "serviceAccount");
	const char *own = pod ? naive_text(pod, "spec/serviceAccountName") : NULL;

	if (naive_text(identity, "spiffe")) {
		strncpy(copy, naive_text(identity, "spiffe") + strlen("spiffe://"),
			sizeof(copy) - 1);
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
	if (!pod || (strcmp(ns, "*") && !naive_same(ns, naive_ns_of(pod))))
		return false;
	return !strcmp(account, "*") || naive_same(account, own ? own : "default");
}

/* Does a peer that selects pods select this one?  *could: there might be a pod that it selects. */
static bool pods_match(const struct question *q, const json_t *peer, const char *policy_ns,
		       const json_t *pod, bool *could)
{
	const json_t *inner = naive_at(peer, "pods")
				      ? naive_at(peer, "pods")
				      : peer; /* ClusterNetworkPolicy has them inside */
	const json_t *namespaces = naive_at(inner, "namespaceSelector"),
		     *pods = naive_at(inner, "podSelector");
	json_t *entry;
	bool match = false;
	size_t i;

	*could = false;
	if (naive_at(peer, "identities")) {
		json_array_foreach((json_t *)naive_at(peer, "identities"), i, entry)
		{
			match |= identity_matches(entry, pod, could);
		}
		return match;
	}
	if (naive_at(peer, "namespaces"))
		namespaces = naive_at(peer, "namespaces");
	*could = true;
	if (!pod)
		return false;
	if (namespaces ? !namespace_matches(q->world, namespaces, naive_ns_of(pod))
		       : policy_ns && !naive_same(policy_ns, naive_ns_of(pod)))
		return false;
	if (pods && !selector_matches(pods, naive_at(pod, "metadata/labels")))
		return false;
	return !naive_at(peer, "serviceAccounts") ||
	       account_listed(naive_at(peer, "serviceAccounts"), pod);
}

static bool block_matches(const json_t *cidr, const json_t *except, const unsigned char addr[16])
{
	json_t *entry;
	size_t i;

	if (!naive_in_block(addr, json_string_value(cidr)))
		return false;
	json_array_foreach((json_t *)except, i, entry)
	{
		if (naive_in_block(addr, json_string_value(entry)))
			return false;
	}
	return true;
}

static bool entity_matches(const struct question *q, const char *entity)
{
	if (naive_same(entity, "world"))
		return q->peer == PEER_WORLD;
	if (naive_same(entity, "host"))
		return q->peer == PEER_NODE && q->own_node;
	if (naive_same(entity, "node-snat"))
		return q->peer == PEER_SNAT;
	return q->apiserver;
}

static bool node_matches(const struct question *q, const json_t *selector)
{
	return q->peer == PEER_NODE &&
	       selector_matches(selector,
				q->peer_node ? naive_at(q->peer_node, "metadata/labels") : NULL);
}

/* MAYBE: the address may be any pod, and the peer selects some. */
static enum answer peer_matches(const struct question *q, const json_t *peer, const char *policy_ns)
{
	bool match = false, could;
	json_t *entry;
	size_t i;

	if (naive_at(peer, "ipBlock"))
		return block_matches(naive_at(peer, "ipBlock/cidr"),
				     naive_at(peer, "ipBlock/except"), q->probe->peer.b)
			       ? YES
			       : NO;
	if (naive_at(peer, "networks")) {
		json_array_foreach((json_t *)naive_at(peer, "networks"), i, entry)
		{
			match |= block_matches(entry, NULL, q->probe->peer.b);
		}
		return match ? YES : NO;
	}
	if (naive_at(peer, "entities")) {
		json_array_foreach((json_t *)naive_at(peer, "entities"), i, entry)
		{
			match |= entity_matches(q, json_string_value(entry));
		}
		return match ? YES : NO;
	}
	if (naive_at(peer, "nodeSelector") || naive_at(peer, "nodes"))
		return node_matches(q, naive_at(peer, "nodes") ? naive_at(peer, "nodes")
							       : naive_at(peer, "nodeSelector"))
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
		json_array_foreach((json_t *)naive_at(pod, lists[l]), i, container)
		{
			if (l && !naive_same(naive_text(container, "restartPolicy"), "Always"))
				continue;
			json_array_foreach((json_t *)naive_at(container, "ports"), j, port)
			{
				const char *protocol = naive_text(port, "protocol");

				if (naive_same(naive_text(port, "name"), name) &&
				    naive_same(protocol ? protocol : "TCP",
					       protocol_name(q->probe->protocol)) &&
				    json_integer_value(naive_at(port, "containerPort")) ==
					    q->probe->port)
					return YES;
			}
		}
	}
	return q->probe->direction == WARDER_EGRESS && q->peer == PEER_UNKNOWN ? MAYBE : NO;
}

static enum answer port_matches(const struct question *q, const json_t *port)
{
	const char *protocol = naive_text(port, "protocol");
	const json_t *value = naive_at(port, "port"), *end = naive_at(port, "endPort");
	long long first = json_integer_value(value), last = end ? json_integer_value(end) : first;

	if (!naive_same(protocol ? protocol : "TCP", protocol_name(q->probe->protocol)))
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
	const char *name = naive_text(protocol, "destinationNamedPort");

	if (name)
		return *protocol_name(q->probe->protocol) ? name_matches(q, name) : NO;
	for (unsigned i = 0; i < 3; i++) {
		const json_t *port = naive_at(naive_at(protocol, keys[i][0]), "destinationPort");

		if (!port)
			continue;
		if (!naive_same(keys[i][1], protocol_name(q->probe->protocol)))
			return NO;
		if (naive_at(port, "number"))
			return json_integer_value(naive_at(port, "number")) == q->probe->port ? YES
											      : NO;
		return q->probe->port >= json_integer_value(naive_at(port, "range/start")) &&
				       q->probe->port <=
					       json_integer_value(naive_at(port, "range/end"))
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

	if (!json_array_size(naive_at(rule, "ports")) &&
	    !json_array_size(naive_at(rule, "protocols")))
		return YES;
	json_array_foreach((json_t *)naive_at(rule, "ports"), i, entry)
	{
		if ((one = port_matches(q, entry)) > best)
			best = one;
	}
	json_array_foreach((json_t *)naive_at(rule, "protocols"), i, entry)
	{
		if ((one = protocol_matches(q, entry)) > best)
			best = one;
	}
	return best;
}

/* ---- rules and tiers ---- */

static const json_t *rules_of(const struct question *q, const json_t *policy)
{
	return naive_at(policy,
			q->probe->direction == WARDER_INGRESS ? "spec/ingress" : "spec/egress");
}

/* `open`: the rule allows, so whatever is not sure does not count. */
static enum answer rule_matches(const struct question *q, const json_t *rule, const char *policy_ns,
				bool open)
{
	const json_t *peers = naive_at(rule, q->probe->direction == WARDER_INGRESS ? "from" : "to");
	enum answer peer = json_array_size(peers) ? NO : YES, ports = ports_match(q, rule), one,
		    both;
	json_t *entry;
	size_t i;

	if (q->peer == PEER_SERVICE) /* what stands behind it is not known */
		return !open ? MAYBE
		       : !json_array_size(peers) && !json_array_size(naive_at(rule, "ports")) &&
				       !json_array_size(naive_at(rule, "protocols"))
			       ? YES
			       : NO;
	json_array_foreach((json_t *)peers, i, entry)
	{
		if ((one = peer_matches(q, entry, policy_ns)) > peer)
			peer = one;
	}
	both = peer < ports ? peer : ports;
	return both == MAYBE && open ? NO : both;
}

static bool counts(const struct question *q, const json_t *policy)
{
	const json_t *ns = naive_kind_is(policy, "ClusterNetworkPolicy")
				   ? NULL
				   : naive_find(q->world, "Namespace", NULL, naive_ns_of(policy));

	return q->audited || !(naive_audited(policy) || (ns && naive_audited(ns)));
}

static bool selects(const struct question *q, const json_t *policy)
{
	const json_t *broken = naive_at(policy, WORLD_BROKEN),
		     *subject = naive_at(policy, "spec/subject");
	bool cluster = naive_kind_is(policy, "ClusterNetworkPolicy"), could;

	if (!cluster && !naive_same(naive_ns_of(policy), naive_ns_of(q->pod)))
		return false;
	if (broken && !json_is_true(naive_at(broken, "subject")))
		return true;
	if (naive_kind_is(policy, "NetworkPolicy"))
		return selector_matches(naive_at(policy, "spec/podSelector"),
					naive_at(q->pod, "metadata/labels"));
	return pods_match(q, subject, cluster ? NULL : naive_ns_of(policy), q->pod, &could);
}

static bool isolates(const struct question *q, const json_t *policy)
{
	bool ingress = q->probe->direction == WARDER_INGRESS, found = false;
	const json_t *broken = naive_at(policy, WORLD_BROKEN),
		     *types = naive_at(policy, "spec/policyTypes");
	json_t *entry;
	size_t i;

	if (broken)
		return json_is_true(naive_at(broken, ingress ? "ingress" : "egress"));
	if (!json_array_size(types))
		return ingress || json_array_size(naive_at(policy, "spec/egress"));
	json_array_foreach((json_t *)types, i, entry)
	{
		found |= naive_same(json_string_value(entry), ingress ? "Ingress" : "Egress");
	}
	return found;
}

static int compare_cluster(const void *left, const void *right)
{
	const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
	long long first = json_integer_value(naive_at(a, "spec/priority")),
		  second = json_integer_value(naive_at(b, "spec/priority"));

	if (first != second)
		return first < second ? -1 : 1;
	return strcmp(naive_text(a, "metadata/name"), naive_text(b, "metadata/name"));
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
		const char *own = naive_text(object, "spec/tier");
		bool baseline =
			naive_same(own, "Baseline"); /* one that is not understood is Admin's */

		if (naive_kind_is(object, "ClusterNetworkPolicy") &&
		    naive_same(tier, baseline ? "Baseline" : "Admin") && counts(q, object) &&
		    selects(q, object) && n < 64)
			policies[n++] = object;
	}
	qsort(policies, n, sizeof(*policies), compare_cluster);
	for (i = 0; i < n; i++) {
		if (naive_at(policies[i], WORLD_BROKEN)) /* one DENY for everything */
			return false;
		json_array_foreach((json_t *)rules_of(q, policies[i]), j, rule)
		{
			const char *action = naive_text(rule, "action");
			enum answer match =
				rule_matches(q, rule, NULL, naive_same(action, "Accept"));

			if (match == NO)
				continue;
			if (naive_same(action, "Deny")) /* one that may be meant is denied */
				return false;
			if (naive_same(action, "Accept"))
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
		if (!naive_kind_is(object, "NetworkPolicy") &&
		    !naive_kind_is(object, "IdentityPolicy"))
			continue;
		if (!counts(q, object) || !selects(q, object) || !isolates(q, object))
			continue;
		isolated = true;
		if (naive_at(object, WORLD_BROKEN))
			continue;
		json_array_foreach((json_t *)rules_of(q, object), j, rule)
		{
			if (rule_matches(q, rule, naive_ns_of(object), true) == YES)
				return true;
		}
	}
	return !isolated && baseline_allows(q);
}

unsigned naive_verdict(const struct world *world, const struct world_probe *probe)
{
	struct question q = {.world = world,
			     .probe = probe,
			     .pod = naive_find(world, "Pod", probe->ns, probe->pod)};
	unsigned verdict = 0;

	naive_find_peer(&q);
	for (unsigned audited = 0; audited < 2; audited++) {
		q.audited = audited;
		if (cluster_allows(&q, "Admin", namespaced_allows))
			verdict |= 1 << audited;
	}
	return verdict;
}

struct behind {
	unsigned all, some, n;
};

static void ask_slice(const struct question *q, const json_t *slice, struct behind *behind)
{
	json_t *port, *endpoint, *text;
	size_t i, j, k;

	json_array_foreach((json_t *)naive_at(slice, "ports"), i, port)
	{
		if (naive_at(port, "name") || naive_at(port, "protocol"))
			continue; /* the Service's port has no name, and is TCP */
		json_array_foreach((json_t *)naive_at(slice, "endpoints"), j, endpoint)
			json_array_foreach((json_t *)naive_at(endpoint, "addresses"), k, text)
		{
			struct world_probe probe = *q->probe;
			struct question there = {.world = q->world, .probe = &probe};
			unsigned verdict;

			naive_addr(json_string_value(text), probe.peer.b);
			probe.port = json_integer_value(naive_at(port, "port"));
			naive_find_peer(&there);
			verdict = there.own_node ? 3 : naive_verdict(q->world, &probe);
			behind->all &= verdict;
			behind->some |= verdict;
			behind->n++;
		}
	}
}

bool naive_service(const struct world *world, const struct world_probe *probe,
		   unsigned *ret_verdict, bool *ret_mixed)
{
	struct question q = {.world = world, .probe = probe};
	const char *type = warder_addr_is4(&probe->peer) ? "IPv4" : "IPv6";
	struct behind behind = {.all = 3};
	json_t *service, *slice;
	size_t i, j;

	if (probe->direction != WARDER_EGRESS || probe->protocol != IPPROTO_TCP ||
	    probe->port != 80)
		return false;
	naive_find_peer(&q);
	if (q.peer != PEER_SERVICE)
		return false;
	json_array_foreach(world->objects, i, service)
	{
		if (!naive_kind_is(service, "Service") ||
		    !naive_service_has(service, probe->peer.b))
			continue;
		json_array_foreach(world->objects, j, slice)
		{
			if (naive_kind_is(slice, "EndpointSlice") &&
			    naive_same(naive_ns_of(slice), naive_ns_of(service)) &&
			    naive_same(json_string_value(
					       json_object_get(naive_at(slice, "metadata/labels"),
							       "kubernetes.io/service-name")),
				       naive_text(service, "metadata/name")) &&
			    naive_same(naive_text(slice, "addressType"), type))
				ask_slice(&q, slice, &behind);
		}
	}
	*ret_verdict = behind.n ? behind.all : naive_verdict(world, probe);
	*ret_mixed = behind.n && !(behind.all & 1) && (behind.some & 1);
	return true;
}
