/* SPDX-License-Identifier: Apache-2.0 */
/* Random policies of the three kinds, and the ways to break one. */
#include "worlds_policy.h"

#include <string.h>

static const char *const keys[] = {"app", "tier", "role", "absent"};
static const char *const values[] = {"a", "b", "web", "", "other"};
static const char *const ns_keys[] = {"env", "team", "kubernetes.io/metadata.name"};
static const char *const ns_values[] = {"dev", "prod", "", "x", "y", "catalyst-gitea"};

#define COUNT(array)	   (sizeof(array) / sizeof(*(array)))
#define PICK(world, array) ((array)[world_random(world, COUNT(array))])

struct words {
	const char *const *keys, *const *values;
	size_t n_keys, n_values;
};

static const struct words pod_words = {keys, values, COUNT(keys), COUNT(values)};
static const struct words ns_words = {ns_keys, ns_values, COUNT(ns_keys), COUNT(ns_values)};

static const char *word_key(struct world *world, const struct words *words)
{
	return words->keys[world_random(world, words->n_keys)];
}

static json_t *word_value(struct world *world, const struct words *words)
{
	return json_string(words->values[world_random(world, words->n_values)]);
}

static json_t *expression(struct world *world, const struct words *words)
{
	static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist"};
	const char *op = PICK(world, operators);
	json_t *out = json_pack("{s:s, s:s}", "key", word_key(world, words), "operator", op);

	if (strstr(op, "Exist")) {
		if (world_chance(world, 20))
			json_object_set_new(out, "values",
					    world_chance(world, 50) ? json_array() : json_null());
		return out;
	}
	json_object_set_new(out, "values", json_array());
	for (unsigned n = 1 + world_random(world, 3); n--;)
		json_array_append_new(json_object_get(out, "values"), word_value(world, words));
	return out;
}

static json_t *selector(struct world *world, const struct words *words)
{
	json_t *out = json_object();

	if (world_chance(world, 25))
		return out;
	if (world_chance(world, 55)) {
		json_t *labels = json_object();

		for (unsigned n = world_random(world, 3); n--;)
			json_object_set_new(labels, word_key(world, words),
					    word_value(world, words));
		json_object_set_new(out, "matchLabels", labels);
	}
	if (world_chance(world, 45)) {
		json_t *list = json_array();

		for (unsigned n = world_random(world, 3); n--;)
			json_array_append_new(list, expression(world, words));
		json_object_set_new(out, "matchExpressions", list);
	}
	return out;
}

static const char *const blocks[] = {
	"0.0.0.0/0",	    "::/0",
	"10.0.0.0/8",	    "10.244.0.0/16",
	"10.244.1.0/24",    "10.244.2.200/32",
	"192.0.2.0/24",	    "fd00:10:244:1::/64",
	"fd00:172:18::/64", "2001:db8::/32",
	"172.18.0.0/16",    "172.18.0.2/32",
	"10.96.0.0/12",	    "169.254.1.1/32",
	"10.244.1.5/24",    "203.0.113.5/32",
	"fd00:10:244::/48",
};

static json_t *ip_block(struct world *world)
{
	static const struct {
		const char *cidr, *except[3];
	} excepting[] = {
		{"0.0.0.0/0", {"10.0.0.0/8", "192.0.2.128/25", "172.18.0.0/30"}},
		{"10.0.0.0/8", {"10.244.0.0/16", "10.244.1.0/24", "10.244.2.200/32"}},
		{"::/0", {"fd00::/8", "2001:db8::5/128", "fd00:172:18::2/128"}},
		{"10.244.1.9/16", {"10.244.1.9/24", "10.244.2.0/24", "10.244.2.200/31"}},
	};
	json_t *out, *except;
	unsigned pick = world_random(world, COUNT(excepting));

	if (world_chance(world, 60))
		return json_pack("{s:s}", "cidr", PICK(world, blocks));
	out = json_pack("{s:s, s:o}", "cidr", excepting[pick].cidr, "except",
			except = json_array());
	for (unsigned i = 0; i < 3; i++)
		if (world_chance(world, 50))
			json_array_append_new(except, json_string(excepting[pick].except[i]));
	return out;
}

static const char *const port_names[] = {"http",  "dns",  "dns-tcp", "sig",
					 "admin", "side", "nobody"};
static const int port_numbers[] = {80, 81, 8080, 8443, 53, 5353, 443, 9000, 1, 65535};

static json_t *port(struct world *world)
{
	static const char *const protocols[] = {"TCP", "UDP", "SCTP"};
	json_t *out = json_object();
	int first;

	if (world_chance(world, 70))
		json_object_set_new(out, "protocol", json_string(PICK(world, protocols)));
	if (world_chance(world, 15))
		return out;
	if (world_chance(world, 35)) {
		json_object_set_new(out, "port", json_string(PICK(world, port_names)));
		return out;
	}
	first = PICK(world, port_numbers);
	json_object_set_new(out, "port", json_integer(first));
	if (world_chance(world, 25))
		json_object_set_new(
			out, "endPort",
			json_integer(world_chance(world, 20)
					     ? 65535
					     : first + world_random(world, 65536 - first)));
	return out;
}

static json_t *identity(struct world *world)
{
	static const char *const names[] = {"*", "x", "y", "catalyst-gitea"},
				 *const accounts[] = {"*", "default", "gitea", "openbao",
						      "projector.v1"};
	static const char *const domains[] = {"*", WORLD_TRUST_DOMAIN, "elsewhere.test"};
	char text[256];

	if (world_chance(world, 50))
		return json_pack("{s:s, s:s}", "namespace", PICK(world, names), "serviceAccount",
				 PICK(world, accounts));
	snprintf(text, sizeof(text), "spiffe://%s/ns/%s/sa/%s", PICK(world, domains),
		 PICK(world, names), PICK(world, accounts));
	return json_pack("{s:s}", "spiffe", text);
}

static json_t *several(struct world *world, json_t *(*one)(struct world *))
{
	json_t *list = json_array();

	for (unsigned n = 1 + world_random(world, 2); n--;)
		json_array_append_new(list, one(world));
	return list;
}

static json_t *entity(struct world *world)
{
	static const char *const entities[] = {"world", "host", "node-snat", "kube-apiserver"};

	return json_string(PICK(world, entities));
}

static json_t *account(struct world *world)
{
	static const char *const accounts[] = {"default", "gitea", "openbao", "nobody"};

	return json_string(PICK(world, accounts));
}

static json_t *selectors(struct world *world, bool accounts)
{
	unsigned which = 1 + world_random(world, accounts ? 7 : 3);
	json_t *out = json_object();

	if (which & 1)
		json_object_set_new(out, "podSelector", selector(world, &pod_words));
	if (which & 2)
		json_object_set_new(out, "namespaceSelector", selector(world, &ns_words));
	if (which & 4)
		json_object_set_new(out, "serviceAccounts", several(world, account));
	return out;
}

static json_t *peer(struct world *world, bool identities)
{
	switch (world_random(world, identities ? 8 : 4)) {
	case 0:
		return json_pack("{s:o}", "ipBlock", ip_block(world));
	case 4:
	case 5:
		return json_pack("{s:o}", "identities", several(world, identity));
	case 6:
		return json_pack("{s:o}", "entities", several(world, entity));
	case 7:
		return json_pack("{s:o}", "nodeSelector", selector(world, &pod_words));
	default:
		return selectors(world, identities);
	}
}

static json_t *rule(struct world *world, const char *peers, bool identities)
{
	json_t *out = json_object(), *list = json_array();

	if (world_chance(world, 85)) {
		for (unsigned n = world_chance(world, 5) ? 0 : 1 + world_random(world, 3); n--;)
			json_array_append_new(list, peer(world, identities));
		json_object_set(out, peers, list);
	}
	json_decref(list);
	if (world_chance(world, 60)) {
		list = json_array();
		for (unsigned n = world_chance(world, 5) ? 0 : 1 + world_random(world, 3); n--;)
			json_array_append_new(list, port(world));
		json_object_set_new(out, "ports", list);
	}
	return out;
}

static json_t *rules(struct world *world, const char *peers, bool identities)
{
	json_t *list = json_array();

	for (unsigned n = world_random(world, 4); n--;)
		json_array_append_new(list, rule(world, peers, identities));
	return list;
}

static json_t *namespaced(struct world *world, const char *name, const char *ns, bool identities)
{
	json_t *object, *spec = json_object();

	object = world_object(world, identities ? "warder.io/v1alpha1" : "networking.k8s.io/v1",
			      identities ? "IdentityPolicy" : "NetworkPolicy", ns, name, 20);
	if (identities) {
		json_t *subject = json_object();

		if (world_chance(world, 60))
			json_object_set_new(subject, "podSelector", selector(world, &pod_words));
		if (world_chance(world, 40))
			json_object_set_new(subject, "serviceAccounts", several(world, account));
		json_object_set_new(spec, "subject", subject);
	} else if (world_chance(world, 95)) {
		json_object_set_new(spec, "podSelector", selector(world, &pod_words));
	}
	if (world_chance(world, 70))
		json_object_set_new(spec, "ingress", rules(world, "from", identities));
	if (world_chance(world, 60))
		json_object_set_new(spec, "egress", rules(world, "to", identities));
	if (world_chance(world, 60)) {
		json_t *types = json_array();

		if (world_chance(world, 60))
			json_array_append_new(types, json_string("Ingress"));
		if (world_chance(world, 60))
			json_array_append_new(types, json_string("Egress"));
		json_object_set_new(spec, "policyTypes", types);
	}
	json_object_set_new(object, "spec", spec);
	return object;
}

/* A peer or subject of a ClusterNetworkPolicy that selects pods. */
static json_t *cluster_pods(struct world *world)
{
	json_t *pods;

	if (world_chance(world, 50))
		return json_pack("{s:o}", "namespaces", selector(world, &ns_words));
	pods = json_pack("{s:o}", "podSelector", selector(world, &pod_words));
	if (world_chance(world, 70))
		json_object_set_new(pods, "namespaceSelector", selector(world, &ns_words));
	return json_pack("{s:o}", "pods", pods);
}

static json_t *cluster_peer(struct world *world, bool pods_only)
{
	json_t *list;

	if (pods_only || world_chance(world, 55))
		return cluster_pods(world);
	if (world_chance(world, 30))
		return json_pack("{s:o}", "nodes", selector(world, &pod_words));
	list = json_array();
	for (unsigned n = 1 + world_random(world, 2); n--;)
		json_array_append_new(list, json_string(PICK(world, blocks)));
	return json_pack("{s:o}", "networks", list);
}

static json_t *cluster_protocol(struct world *world, bool named)
{
	static const char *const protocols[] = {"tcp", "udp", "sctp"};
	int first = PICK(world, port_numbers);
	json_t *destination;

	if (named)
		return json_pack("{s:s}", "destinationNamedPort", PICK(world, port_names));
	if (first == 65535 || world_chance(world, 60))
		destination = json_pack("{s:i}", "number", first);
	else
		destination = json_pack("{s:{s:i, s:i}}", "range", "start", first, "end",
					first + 1 + (int)world_random(world, 65535 - first));
	return json_pack("{s:{s:o}}", PICK(world, protocols), "destinationPort", destination);
}

static json_t *cluster_rules(struct world *world, const char *peers)
{
	static const char *const actions[] = {"Accept", "Deny", "Pass"};
	json_t *out = json_array();

	for (unsigned n = world_random(world, 4); n--;) {
		bool named = world_chance(world, 20);
		json_t *one = json_pack("{s:s, s:s*}", "action", PICK(world, actions), "name",
					world_chance(world, 20) ? "a rule" : NULL);
		json_t *list = json_array();

		for (unsigned m = 1 + world_random(world, 2); m--;)
			json_array_append_new(list, cluster_peer(world, named || *peers == 'f'));
		json_object_set_new(one, peers, list);
		if (named || world_chance(world, 50)) {
			list = json_array();
			for (unsigned m = 1 + world_random(world, 2); m--;)
				json_array_append_new(list,
						      cluster_protocol(world, named && m == 0));
			json_object_set_new(one, "protocols", list);
		}
		json_array_append_new(out, one);
	}
	return out;
}

static json_t *cluster(struct world *world, const char *name)
{
	json_t *object = world_object(world, "policy.networking.k8s.io/v1alpha2",
				      "ClusterNetworkPolicy", NULL, name, 20);
	json_t *spec = json_pack(
		"{s:s, s:i, s:o}", "tier", world_chance(world, 60) ? "Admin" : "Baseline",
		"priority", world_chance(world, 70) ? (int)world_random(world, 1001) : 5, "subject",
		world_chance(world, 40) ? json_pack("{s:{}}", "namespaces") : cluster_pods(world));

	if (world_chance(world, 75))
		json_object_set_new(spec, "ingress", cluster_rules(world, "from"));
	if (world_chance(world, 75))
		json_object_set_new(spec, "egress", cluster_rules(world, "to"));
	json_object_set_new(object, "spec", spec);
	return object;
}

static void mark_broken(json_t *object, bool subject, bool ingress, bool egress)
{
	json_object_set_new(object, WORLD_BROKEN,
			    json_pack("{s:b, s:b, s:b}", "subject", subject, "ingress", ingress,
				      "egress", egress));
}

static bool has_type(const json_t *spec, const char *type)
{
	const json_t *types = json_object_get(spec, "policyTypes");
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)types, i, entry)
	{
		if (!strcmp(json_string_value(entry), type))
			return true;
	}
	if (json_array_size(types))
		return false;
	return *type == 'I' || json_array_size(json_object_get(spec, "egress"));
}

/* One rule more, that cannot be understood. */
static void break_rule(struct world *world, json_t *object, const char *peers)
{
	static const char *const wrong[] = {
		"{\"%s\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/33\"}}]}",
		"{\"%s\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\",\"except\":[\"11.0.0.0/16\"]}}]}",
		"{\"%s\":[{\"podSelector\":{},\"ipBlock\":{\"cidr\":\"10.0.0.0/8\"}}]}",
		"{\"%s\":[{}]}",
		"{\"%s\":[],\"ports\":[{\"port\":0}]}",
		"{\"%s\":[],\"ports\":[{\"port\":\"80\"}]}",
		"{\"%s\":[],\"ports\":[{\"port\":80,\"endPort\":79}]}",
		"{\"%s\":[],\"ports\":[{\"port\":80,\"protocol\":\"tcp\"}]}",
		"{\"%s\":[],\"comment\":\"\"}",
		"{\"%s\":[{\"podSelector\":{\"matchExpressions\":[{\"key\":\"a\",\"operator\":"
		"\"Like\",\"values\":[\"b\"]}]}}]}",
	};
	json_t *spec = json_object_get(object, "spec"), *list;
	const char *direction = *peers == 'f' ? "ingress" : "egress";
	char text[256];

	if (!json_object_get(spec, direction))
		json_object_set_new(spec, direction, json_array());
	list = json_object_get(spec, direction);
	snprintf(text, sizeof(text), PICK(world, wrong), peers);
	json_array_append_new(list, json_loads(text, 0, NULL));
	mark_broken(object, true, has_type(spec, "Ingress"), has_type(spec, "Egress"));
}

static void break_policy(struct world *world, json_t *object)
{
	bool cluster =
		!strcmp(json_string_value(json_object_get(object, "kind")), "ClusterNetworkPolicy");
	bool network = !strcmp(json_string_value(json_object_get(object, "kind")), "NetworkPolicy");
	json_t *spec = json_object_get(object, "spec");

	switch (world_random(world, 4)) {
	case 0:
		json_object_set_new(spec, "podSelectr", json_object());
		mark_broken(object, true, true, true);
		break;
	case 1:
		json_object_set_new(spec, network ? "podSelector" : "subject",
				    json_pack("{s:{s:s}}", network ? "matchLabels" : "podSelector",
					      "a", "not a value!"));
		mark_broken(object, false, cluster || has_type(spec, "Ingress"),
			    cluster || has_type(spec, "Egress"));
		break;
	case 2:
		if (cluster)
			json_object_set_new(spec, "tier", json_string("Platform"));
		else
			json_object_set_new(spec, "policyTypes", json_pack("[s]", "ingress"));
		mark_broken(object, true, true, true);
		break;
	default:
		break_rule(world, object, world_chance(world, 50) ? "from" : "to");
		if (cluster)
			mark_broken(object, true, true, true);
		break;
	}
}

json_t *world_policy(struct world *world, unsigned number, const char *ns)
{
	unsigned kind = world_random(world, 10);
	char name[32];
	json_t *object;

	snprintf(name, sizeof(name), "policy-%u", number);
	object = kind < 5   ? namespaced(world, name, ns, false)
		 : kind < 8 ? namespaced(world, name, ns, true)
			    : cluster(world, name);
	if (world_chance(world, 8))
		break_policy(world, object);
	return object;
}
