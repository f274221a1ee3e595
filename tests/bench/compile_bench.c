/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a cold compile takes: 100,000 pods of 1,000 nodes, 110 of them local, and 10,000
 * NetworkPolicies in three shapes.  Prints a table; asserts nothing.
 *
 *   make build/tests/bench/compile_bench && build/tests/bench/compile_bench [PODS [POLICIES]]
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/compile.h"

enum shape { SPREAD, ALL_SELECT, ONE_NAMESPACE };

static const struct {
	const char *name;
	int namespaces;	 /* that pods are in */
	int policies_in; /* namespaces that policies are in */
	bool everyone;	 /* policies select every pod of theirs */
} shapes[] = {
	[SPREAD] = {"1,000 namespaces, policies by app", 1000, 1000, false},
	[ALL_SELECT] = {"every policy selects local pods", 1000, 110, true},
	[ONE_NAMESPACE] = {"one namespace holds everything", 1, 1, false},
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void put(struct warder_store *store, json_t *json)
{
	struct warder_error error = {""};
	struct warder_object *object;

	if (!json || warder_object_decode(json, NULL, &object, &error)) {
		fprintf(stderr, "compile_bench: %s\n", error.text);
		exit(1);
	}
	warder_store_put(store, object);
	warder_object_unref(object);
	json_decref(json);
}

static void put_namespace(struct warder_store *store, int i)
{
	char name[32], team[32];

	snprintf(name, sizeof(name), "ns%d", i);
	snprintf(team, sizeof(team), "t%d", i % 50);
	put(store, json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind",
			     "Namespace", "metadata", "name", name, "labels", "team", team));
}

static void put_node(struct warder_store *store, int i)
{
	char name[32], addr[32];

	snprintf(name, sizeof(name), "n%d", i);
	snprintf(addr, sizeof(addr), "172.16.%d.%d", i / 250, i % 250 + 1);
	put(store, json_pack("{s:s, s:s, s:{s:s}, s:{s:[{s:s, s:s}]}}", "apiVersion", "v1", "kind",
			     "Node", "metadata", "name", name, "status", "addresses", "type",
			     "InternalIP", "address", addr));
}

static void put_pod(struct warder_store *store, int i, int namespaces)
{
	char ns[32], name[32], addr[32], node[32], app[32], hash[32], account[32];

	snprintf(ns, sizeof(ns), "ns%d", i % namespaces);
	snprintf(name, sizeof(name), "p%d", i);
	snprintf(addr, sizeof(addr), "10.%d.%d.%d", i / 65536, i / 256 % 256, i % 256);
	snprintf(node, sizeof(node), "n%d", i / 110);
	snprintf(app, sizeof(app), "app%d", i / namespaces % 20);
	snprintf(hash, sizeof(hash), "h%d", i / namespaces % 7);
	snprintf(account, sizeof(account), "sa%d", i / namespaces % 10);
	put(store, json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}}, s:{s:s, s:s, s:[{s:s, "
			     "s:[{s:s, s:i}]}]}, "
			     "s:{s:s, s:[{s:s}]}}",
			     "apiVersion", "v1", "kind", "Pod", "metadata", "namespace", ns, "name",
			     name, "labels", "app", app, "pod-template-hash", hash, "tier", "web",
			     "spec", "nodeName", node, "serviceAccountName", account, "containers",
			     "name", "c", "ports", "name", "http", "containerPort", 8080, "status",
			     "phase", "Running", "podIPs", "ip", addr));
}

static void put_policy(struct warder_store *store, int i, enum shape shape)
{
	char ns[32], name[32], app[32], peer[32], team[32], cidr[32];
	json_t *subject;

	snprintf(ns, sizeof(ns), "ns%d", i % shapes[shape].policies_in);
	snprintf(name, sizeof(name), "policy%d", i);
	snprintf(app, sizeof(app), "app%d", i / shapes[shape].policies_in % 20);
	snprintf(peer, sizeof(peer), "app%d", i % 20);
	snprintf(team, sizeof(team), "t%d", i % 50);
	snprintf(cidr, sizeof(cidr), "192.%d.%d.0/24", i / 250 % 250, i % 250);
	subject = shapes[shape].everyone ? json_object()
					 : json_pack("{s:{s:s}}", "matchLabels", "app", app);
	put(store,
	    json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:o, s:[s, s], "
		      "s:[{s:[{s:{s:{s:s}}, s:{s:{s:s}}}, {s:{s:s}}], s:[{s:i}]}], "
		      "s:[{s:[{s:{s:{s:s}}}], s:[{s:s}, {s:i}]}]}}",
		      "apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata",
		      "namespace", ns, "name", name, "spec", "podSelector", subject, "policyTypes",
		      "Ingress", "Egress", "ingress", "from", "namespaceSelector", "matchLabels",
		      "team", team, "podSelector", "matchLabels", "app", peer, "ipBlock", "cidr",
		      cidr, "ports", "port", 1000 + i % 2000, "egress", "to", "podSelector",
		      "matchLabels", "app", peer, "ports", "port", "http", "port", 443));
}

static void measure(enum shape shape, int pods, int policies)
{
	const struct warder_compile_options options = {.node = "n0",
						       .trust_domain = "cluster.local"};
	struct warder_store *store = warder_store_new();
	struct warder_matrix *matrix = NULL;
	double best = 0;

	for (int i = 0; i < shapes[shape].namespaces; i++)
		put_namespace(store, i);
	for (int i = 0; i < 1000; i++)
		put_node(store, i);
	for (int i = 0; i < pods; i++)
		put_pod(store, i, shapes[shape].namespaces);
	for (int i = 0; i < policies; i++)
		put_policy(store, i, shape);
	for (int round = 0; round < 3; round++) {
		double begin = now(), took;

		warder_matrix_free(matrix);
		matrix = NULL;
		if (warder_compile(store, &options, &matrix, NULL))
			exit(1);
		took = now() - begin;
		best = !round || took < best ? took : best;
	}
	printf("%-34s %8zu %6u %7u %6u %8u %8.3f\n", shapes[shape].name, matrix->n_peers,
	       matrix->n_groups, matrix->n_classes, matrix->n_port_classes, matrix->n_bitmaps,
	       best);
	warder_matrix_free(matrix);
	warder_store_free(store);
}

int main(int argc, char **argv)
{
	int pods = argc > 1 ? atoi(argv[1]) : 100000, policies = argc > 2 ? atoi(argv[2]) : 10000;

	printf("%-34s %8s %6s %7s %6s %8s %8s\n", "shape", "peers", "groups", "classes", "ports",
	       "bitmaps", "s");
	for (enum shape shape = SPREAD; shape <= ONE_NAMESPACE; shape++)
		measure(shape, pods, policies);
	return 0;
}
