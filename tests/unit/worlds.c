/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator: small vocabularies, so that selectors meet labels often; every optional field is
 * there or not by chance, and what Kubernetes distinguishes (absent, empty, null) is too.
 */
#include "worlds.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "worlds_policy.h"

static const char *const namespaces[] = {"x", "y", "z",
					 "catalyst-gitea"}; /* the last has no Namespace object */
static const char *const nodes[] = {WORLD_NODE, "node-2", "node-3"};
static const char *const keys[] = {"app", "tier", "role"};
static const char *const values[] = {"a", "b", "web", ""};
static const char *const ns_keys[] = {"env", "team"};
static const char *const ns_values[] = {"dev", "prod", ""};
static const char *const accounts[] = {"default", "gitea", "openbao", "projector.v1"};

#define COUNT(array)	   (sizeof(array) / sizeof(*(array)))
#define PICK(world, array) ((array)[world_random(world, COUNT(array))])

unsigned long long world_random(struct world *world, unsigned long long below)
{
	unsigned long long z = world->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

bool world_chance(struct world *world, unsigned percent)
{
	return world_random(world, 100) < percent;
}

static json_t *random_labels(struct world *world, const char *const *key, size_t n_keys,
			     const char *const *value, size_t n_values)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < n_keys; i++)
		if (world_chance(world, 65))
			json_object_set_new(labels, key[i],
					    json_string(value[world_random(world, n_values)]));
	return labels;
}

static json_t *metadata(struct world *world, const char *ns, const char *name,
			unsigned audit_percent)
{
	json_t *meta = json_pack("{s:s, s:s*}", "name", name, "namespace", ns);

	if (world_chance(world, audit_percent))
		json_object_set_new(meta, "annotations",
				    json_pack("{s:s}", "warder.io/mode", "audit"));
	return meta;
}

json_t *world_object(struct world *world, const char *version, const char *kind, const char *ns,
		     const char *name, unsigned audit_percent)
{
	return json_pack("{s:s, s:s, s:o}", "apiVersion", version, "kind", kind, "metadata",
			 metadata(world, ns, name, audit_percent));
}

static json_t *make_namespace(struct world *world, const char *name)
{
	json_t *object = world_object(world, "v1", "Namespace", NULL, name, 12);

	json_object_set_new(
		json_object_get(object, "metadata"), "labels",
		random_labels(world, ns_keys, COUNT(ns_keys), ns_values, COUNT(ns_values)));
	return object;
}

static json_t *make_node(struct world *world, unsigned number)
{
	json_t *object = world_object(world, "v1", "Node", NULL, nodes[number], 0);
	char address[2][64], range[2][64];

	snprintf(address[0], 64, "172.18.0.%u", number + 1);
	snprintf(address[1], 64, "fd00:172:18::%u", number + 1);
	snprintf(range[0], 64, "10.244.%u.0/24", number + 1);
	snprintf(range[1], 64, "fd00:10:244:%u::/64", number + 1);
	json_object_set_new(json_object_get(object, "metadata"), "labels",
			    random_labels(world, keys, COUNT(keys), values, COUNT(values)));
	json_object_set_new(object, "spec",
			    json_pack("{s:[s, s]}", "podCIDRs", range[0], range[1]));
	json_object_set_new(object, "status",
			    json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "addresses",
				      "type", "InternalIP", "address", address[0], "type",
				      world_chance(world, 50) ? "InternalIP" : "ExternalIP",
				      "address", address[1], "type", "Hostname", "address",
				      nodes[number]));
	return object;
}

static json_t *random_ports(struct world *world)
{
	static const struct {
		const char *name, *protocol;
		int ports[2];
	} candidates[] = {
		{"http", "TCP", {80, 8080}},	{"dns", "UDP", {53, 5353}},
		{"dns-tcp", "TCP", {53, 5353}}, {"sig", "SCTP", {80, 9000}},
		{"admin", "TCP", {81, 8443}},
	};
	json_t *ports = json_array();

	for (size_t i = 0; i < COUNT(candidates); i++) {
		json_t *port;

		if (!world_chance(world, 60))
			continue;
		port = json_pack("{s:i}", "containerPort",
				 candidates[i].ports[world_random(world, 2)]);
		if (world_chance(world, 90))
			json_object_set_new(port, "name", json_string(candidates[i].name));
		if (strcmp(candidates[i].protocol, "TCP") || world_chance(world, 50))
			json_object_set_new(port, "protocol", json_string(candidates[i].protocol));
		json_array_append_new(ports, port);
	}
	return ports;
}

static json_t *pod_spec(struct world *world, unsigned node, bool host)
{
	json_t *spec = json_object();

	if (!world_chance(world, 4))
		json_object_set_new(spec, "nodeName", json_string(nodes[node]));
	if (host || world_chance(world, 10))
		json_object_set_new(spec, "hostNetwork", json_boolean(host));
	if (!world_chance(world, 25))
		json_object_set_new(spec, "serviceAccountName", json_string(PICK(world, accounts)));
	json_object_set_new(
		spec, "containers",
		json_pack("[{s:s, s:o}]", "name", "main", "ports", random_ports(world)));
	if (world_chance(world, 20)) /* a sidecar: an init container that stays */
		json_object_set_new(
			spec, "initContainers",
			json_pack("[{s:s, s:s*, s:[{s:s, s:i}]}]", "name", "side", "restartPolicy",
				  world_chance(world, 60) ? "Always" : NULL, "ports", "name",
				  "side", "containerPort", world_chance(world, 50) ? 15020 : 8443));
	return spec;
}

static json_t *pod_status(struct world *world, unsigned node, unsigned number, bool host)
{
	static const char *const phases[] = {"Running", "Running",   "Running",
					     "Running", "Running",   "Pending",
					     "Failed",	"Succeeded", "Unknown"};
	json_t *status = json_pack("{s:s}", "phase", PICK(world, phases)), *list = json_array();
	unsigned host_part =
		world_chance(world, 6) ? world_random(world, number + 1) + 2 : number + 2;
	char text[64];

	if (world_chance(world, 85)) {
		snprintf(text, 64, host ? "172.18.0.%u" : "10.244.%u.%u", node + 1, host_part);
		json_array_append_new(list, json_pack("{s:s}", "ip", text));
	}
	if (world_chance(world, 60)) {
		snprintf(text, 64, host ? "fd00:172:18::%x" : "fd00:10:244:%x::%x", node + 1,
			 host_part);
		json_array_append_new(list, json_pack("{s:s}", "ip", text));
	}
	if (json_array_size(list))
		json_object_set(status, "podIP", json_object_get(json_array_get(list, 0), "ip"));
	if (json_array_size(list) && (json_array_size(list) > 1 || world_chance(world, 80)))
		json_object_set(status, "podIPs", list);
	json_decref(list);
	return status;
}

static json_t *make_pod(struct world *world, unsigned number)
{
	unsigned node = world_random(world, 5) < 3 ? 0 : world_random(world, COUNT(nodes));
	bool host = world_chance(world, 10);
	char name[32];
	json_t *object;

	snprintf(name, sizeof(name), "p%u", number);
	object = world_object(world, "v1", "Pod", PICK(world, namespaces), name, 0);
	json_object_set_new(json_object_get(object, "metadata"), "labels",
			    random_labels(world, keys, COUNT(keys), values, COUNT(values)));
	json_object_set_new(object, "spec", pod_spec(world, node, host));
	json_object_set_new(object, "status", pod_status(world, node, number, host));
	return object;
}

static json_t *make_service(struct world *world, unsigned number)
{
	char name[32], address[2][64];
	json_t *object;

	snprintf(name, sizeof(name), "s%u", number);
	snprintf(address[0], 64, "10.96.0.%u", number + 1);
	snprintf(address[1], 64, "fd00:10:96::%u", number + 1);
	object = world_object(world, "v1", "Service", PICK(world, namespaces), name, 0);
	json_object_set_new(object, "spec",
			    json_pack("{s:s, s:[s, s], s:[{s:i, s:s}]}", "clusterIP", address[0],
				      "clusterIPs", address[0], address[1], "ports", "port", 80,
				      "protocol", "TCP"));
	if (world_chance(world, 30)) /* a claim on an address that a node or pod may hold */
		json_object_set_new(
			json_object_get(object, "spec"), "externalIPs",
			json_pack("[s]", world_chance(world, 50) ? "172.18.0.2" : "203.0.113.5"));
	return object;
}

/* What stands behind a Service's port 80: pods mostly, but anybody may write anything into a slice. */
static json_t *make_slice(struct world *world, const json_t *service, bool v4)
{
	const json_t *meta = json_object_get(service, "metadata");
	const char *name = json_string_value(json_object_get(meta, "name"));
	json_t *object, *endpoints = json_array();
	unsigned wanted = world_random(world, 4), tries = 60;
	char own[64];

	snprintf(own, sizeof(own), "%s-%d", name, v4 ? 4 : 6);
	object = world_object(world, "discovery.k8s.io/v1", "EndpointSlice", "x", own, 0);
	json_object_set(json_object_get(object, "metadata"), "namespace",
			json_object_get(meta, "namespace"));
	json_object_set_new(json_object_get(object, "metadata"), "labels",
			    json_pack("{s:s}", "kubernetes.io/service-name", name));
	while (json_array_size(endpoints) < wanted && tries--) {
		json_t *addr = json_array_get(
			world->addresses, world_random(world, json_array_size(world->addresses)));

		if (!strchr(json_string_value(addr), ':') == v4)
			json_array_append_new(endpoints, json_pack("{s:[O]}", "addresses", addr));
	}
	json_object_set_new(object, "addressType", json_string(v4 ? "IPv4" : "IPv6"));
	json_object_set_new(object, "endpoints", endpoints);
	json_object_set_new(object, "ports",
			    json_pack("[{s:i}, {s:i, s:s}, {s:s, s:i}]", "port",
				      world_chance(world, 50) ? 80 : 8080, "port", 53, "protocol",
				      "UDP", "name", "other", "port", 443));
	return object;
}

static void put(struct world *world, json_t *object)
{
	struct warder_error error = {""};
	struct warder_object *decoded;

	json_array_append_new(world->objects, object);
	if (warder_object_decode(object, NULL, &decoded, &error)) {
		fprintf(stderr, "worlds: seed %llu: %s\n", world->seed, error.text);
		abort();
	}
	warder_store_put(world->store, decoded);
	warder_object_unref(decoded);
}

static enum warder_kind kind_of(const json_t *object)
{
	static const struct {
		const char *name;
		enum warder_kind kind;
	} kinds[] = {
		{"Namespace", WARDER_KIND_NAMESPACE},
		{"Node", WARDER_KIND_NODE},
		{"Pod", WARDER_KIND_POD},
		{"Service", WARDER_KIND_SERVICE},
		{"EndpointSlice", WARDER_KIND_ENDPOINT_SLICE},
		{"NetworkPolicy", WARDER_KIND_NETWORK_POLICY},
		{"IdentityPolicy", WARDER_KIND_IDENTITY_POLICY},
		{"ClusterNetworkPolicy", WARDER_KIND_CLUSTER_NETWORK_POLICY},
	};
	const char *kind = json_string_value(json_object_get(object, "kind"));

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (!strcmp(kinds[i].name, kind))
			return kinds[i].kind;
	abort();
}

static void remove_at(struct world *world, size_t index)
{
	const json_t *object = json_array_get(world->objects, index);
	const json_t *meta = json_object_get(object, "metadata");
	const char *ns = json_string_value(json_object_get(meta, "namespace"));
	enum warder_kind kind = kind_of(object);
	bool cluster = kind == WARDER_KIND_NAMESPACE || kind == WARDER_KIND_NODE ||
		       kind == WARDER_KIND_CLUSTER_NETWORK_POLICY;

	warder_store_delete(world->store, kind,
			    cluster ? ""
			    : ns    ? ns
				    : "default",
			    json_string_value(json_object_get(meta, "name")));
	json_array_remove(world->objects, index);
}

static const struct warder_addr *parse(const char *text, struct warder_addr *ret)
{
	if (warder_addr_parse(text, ret))
		abort();
	return ret;
}

static void set_options(struct world *world)
{
	struct warder_compile_options *o = &world->options;

	o->node = WORLD_NODE;
	o->trust_domain = WORLD_TRUST_DOMAIN;
	if (world_chance(world, 60)) {
		warder_prefix_parse("10.244.0.0/16", &world->pod_ranges[0]);
		warder_prefix_parse("fd00:10:244::/48", &world->pod_ranges[1]);
		o->pod_ranges = world->pod_ranges;
		o->n_pod_ranges = 2;
	}
	parse("169.254.1.1", &world->host_addrs[0]);
	parse("172.18.0.1", &world->host_addrs[1]);
	o->host_addrs = world->host_addrs;
	o->n_host_addrs = world_random(world, 3);
	parse(world_chance(world, 50) ? "172.18.0.3" : "192.0.2.10", &world->apiserver_addrs[0]);
	parse(world_chance(world, 50) ? "10.244.2.200" : "10.96.0.1", &world->apiserver_addrs[1]);
	o->apiserver_addrs = world->apiserver_addrs;
	o->n_apiserver_addrs = world_random(world, 3);
}

/* All that is held, and what is not: in pod ranges, outside, and at the borders of blocks. */
static void gather_addresses(struct world *world)
{
	static const char *const others[] = {
		"10.244.1.200",	    "10.244.2.200", "10.244.9.9",     "fd00:10:244:1::ffff",
		"fd00:10:244:9::1", "203.0.113.5",  "198.51.100.7",   "192.0.2.10",
		"192.0.2.127",	    "192.0.2.128",  "10.0.0.0",	      "10.255.255.255",
		"9.255.255.255",    "11.0.0.0",	    "2001:db8::5",    "2001:db8:1::1",
		"169.254.1.1",	    "::1",	    "10.96.0.1",      "fd00:10:96::1",
		"172.18.0.1",	    "172.18.0.9",   "fd00:172:18::2", "0.0.0.0",
	};
	json_t *object, *entry;
	size_t i, j;

	json_decref(world->addresses);
	world->addresses = json_array();
	for (i = 0; i < COUNT(others); i++)
		json_array_append_new(world->addresses, json_string(others[i]));
	json_array_foreach(world->objects, i, object)
	{
		const json_t *status = json_object_get(object, "status"),
			     *spec = json_object_get(object, "spec");

		json_array_foreach(json_object_get(status, "podIPs"), j, entry)
		{
			json_array_append(world->addresses, json_object_get(entry, "ip"));
		}
		if (json_object_get(status, "podIP"))
			json_array_append(world->addresses, json_object_get(status, "podIP"));
		json_array_foreach(json_object_get(spec, "clusterIPs"), j, entry)
		{
			json_array_append(world->addresses, entry);
		}
	}
}

struct world *world_make(unsigned long long seed)
{
	struct world *world = calloc(1, sizeof(*world));
	unsigned n_pods, n_policies, n_services;

	world->seed = world->random = seed;
	world->objects = json_array();
	world->store = warder_store_new();
	set_options(world);
	for (unsigned i = 0; i + 1 < COUNT(namespaces); i++)
		put(world, make_namespace(world, namespaces[i]));
	for (unsigned i = 0; i < COUNT(nodes); i++)
		if (i == 0 || world_chance(world, 90))
			put(world, make_node(world, i));
	n_pods = 4 + world_random(world, 12);
	for (unsigned i = 0; i < n_pods; i++)
		put(world, make_pod(world, i));
	gather_addresses(world);
	n_services = world_random(world, 3);
	for (unsigned i = 0; i < n_services; i++) {
		json_t *service = make_service(world, i);

		put(world, service);
		for (unsigned v4 = 0; v4 < 2; v4++)
			if (world_chance(world, 80))
				put(world, make_slice(world, service, v4));
	}
	n_policies = world_random(world, 9);
	for (unsigned i = 0; i < n_policies; i++)
		put(world, world_policy(world, i, PICK(world, namespaces)));
	gather_addresses(world);
	return world;
}

void world_free(struct world *world)
{
	json_decref(world->objects);
	json_decref(world->addresses);
	warder_store_free(world->store);
	free(world);
}

static size_t count(const struct world *world, enum warder_kind kind)
{
	return warder_store_count(world->store, kind);
}

static bool is_policy(const json_t *object)
{
	return kind_of(object) >= WARDER_KIND_NETWORK_POLICY;
}

/* Another slice in the place of the one of this name. */
static void put_slice(struct world *world, const json_t *service, const char *own)
{
	json_t *slice = make_slice(world, service, true), *object;
	size_t i;

	json_array_foreach(world->objects, i, object)
	{
		const char *name = json_string_value(
			json_object_get(json_object_get(object, "metadata"), "name"));

		if (kind_of(object) == WARDER_KIND_ENDPOINT_SLICE && !strcmp(name, own)) {
			remove_at(world, i);
			break;
		}
	}
	put(world, slice);
}

void world_change(struct world *world)
{
	for (unsigned n = 1 + world_random(world, 3); n--;) {
		size_t index = world_random(world, json_array_size(world->objects));
		json_t *object = json_array_get(world->objects, index);
		unsigned number = 100 + world_random(world, 1000000);

		if (world_chance(world, 50)) {
			put(world, world_policy(world, number, PICK(world, namespaces)));
		} else if (is_policy(object)) {
			remove_at(world, index);
		} else if (kind_of(object) == WARDER_KIND_POD) {
			remove_at(world, index);
			if (world_chance(world, 80) || count(world, WARDER_KIND_POD) < 3)
				put(world, make_pod(world, 20 + world_random(world, 200)));
		} else if (kind_of(object) == WARDER_KIND_SERVICE) {
			char own[64];

			snprintf(own, sizeof(own), "%s-4",
				 json_string_value(json_object_get(
					 json_object_get(object, "metadata"), "name")));
			put_slice(world, object, own);
		} else if (kind_of(object) == WARDER_KIND_NAMESPACE) { /* its labels and mode */
			char name[64];

			snprintf(name, sizeof(name), "%s",
				 json_string_value(json_object_get(
					 json_object_get(object, "metadata"), "name")));
			remove_at(world, index);
			put(world, make_namespace(world, name));
		}
	}
	gather_addresses(world);
}

/* The world's pods that are judged, in their order. */
static const struct warder_object *pick_endpoint(struct world *world)
{
	const struct warder_object *found[64];
	struct warder_object *const *pods;
	size_t n, kept = 0;

	pods = warder_store_list(world->store, WARDER_KIND_POD, &n);
	for (size_t i = 0; i < n && kept < COUNT(found); i++)
		if (pods[i]->pod.node && !strcmp(pods[i]->pod.node, WORLD_NODE) &&
		    !pods[i]->pod.host_network && pods[i]->pod.phase != WARDER_POD_FINISHED)
			found[kept++] = pods[i];
	return kept ? found[world_random(world, kept)] : NULL;
}

bool world_probe(struct world *world, struct world_probe *ret)
{
	static const __u8 protocols[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP,
					 IPPROTO_ICMP};
	static const __u16 ports[] = {80, 81, 8080, 8443, 53,	5353,  443,   9000, 15020, 1,
				      79, 82, 8079, 8081, 8999, 65535, 32768, 7999, 8000,  8010};
	const struct warder_object *pod = pick_endpoint(world);

	if (!pod)
		return false;
	*ret = (struct world_probe){
		.direction = world_random(world, 2),
		.ns = pod->ns,
		.pod = pod->name,
		.protocol = PICK(world, protocols),
		.port = PICK(world, ports),
	};
	if (ret->protocol == IPPROTO_ICMP)
		ret->port = 0;
	if (ret->direction == WARDER_INGRESS)
		ret->address_only = world_chance(world, 15);
	parse(json_string_value(json_array_get(
		      world->addresses, world_random(world, json_array_size(world->addresses)))),
	      &ret->peer);
	if (ret->direction == WARDER_EGRESS && world_chance(world, 15)) { /* a Service */
		parse(world_chance(world, 50) ? "10.96.0.1" : "fd00:10:96::1", &ret->peer);
		ret->protocol = IPPROTO_TCP;
		ret->port = 80;
	}
	return true;
}

const char *world_probe_text(const struct world *world, const struct world_probe *probe,
			     char *buffer, size_t size)
{
	char peer[WARDER_ADDRESS_TEXT];

	snprintf(buffer, size, "seed %llu: %s of %s/%s, peer %s%s, protocol %u, port %u",
		 world->seed, probe->direction == WARDER_INGRESS ? "ingress" : "egress", probe->ns,
		 probe->pod, warder_addr_format(&probe->peer, peer),
		 probe->address_only ? " (address only)" : "", probe->protocol, probe->port);
	return buffer;
}

void world_dump(const struct world *world, FILE *out)
{
	json_t *object;
	size_t i;

	json_array_foreach(world->objects, i, object)
	{
		fputs("---\n", out);
		json_dumpf(object, out, JSON_INDENT(1));
		fputc('\n', out);
	}
}
