/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of the benches' worlds: straight into a store, or the process ends with a message.
 */
#ifndef WARDER_TESTS_BENCH_OBJECTS_H
#define WARDER_TESTS_BENCH_OBJECTS_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"

/* Takes `json` over. */
static inline void put(struct warder_store *store, json_t *json)
{
	struct warder_error error = {""};
	struct warder_object *object;

	if (!json || warder_object_decode(json, NULL, &object, &error)) {
		fprintf(stderr, "bench: %s\n", error.text);
		exit(1);
	}
	warder_store_put(store, object);
	warder_object_unref(object);
	json_decref(json);
}

/* A running pod of namespace x, labelled app=`name`; its UID is its name. */
static inline void put_pod(struct warder_store *store, const char *name, const char *node,
			   const char *addr4, const char *addr6)
{
	put(store,
	    json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:{s:s}}, s:{s:s}, s:{s:s, s:[{s:s}, "
		      "{s:s}]}}",
		      "apiVersion", "v1", "kind", "Pod", "metadata", "namespace", "x", "name", name,
		      "uid", name, "labels", "app", name, "spec", "nodeName", node, "status",
		      "phase", "Running", "podIPs", "ip", addr4, "ip", addr6));
}

/* `n` pods on another node, from 10.64.0.0 and fd00::1:0 on. */
static inline void put_peers(struct warder_store *store, int n)
{
	char name[40], addr[40], addr6[60];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		snprintf(addr, sizeof(addr), "10.%d.%d.%d", 64 + i / 65536, i / 256 % 256, i % 256);
		snprintf(addr6, sizeof(addr6), "fd00::1:%x", i);
		put_pod(store, name, "n1", addr, addr6);
	}
}

/* NetworkPolicies more1, more2 ... : pod x/`app` takes one port from one of `peers` pods each. */
static inline void put_more_policies(struct warder_store *store, const char *app, int n, int peers)
{
	char name[40], peer[40];

	for (int i = 1; i < n; i++) {
		snprintf(name, sizeof(name), "more%d", i);
		snprintf(peer, sizeof(peer), "p%d", i % (peers ? peers : 1));
		put(store, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:{s:s}}, s:[s], "
				     "s:[{s:[{s:{s:{s:s}}}], s:[{s:i}]}]}}",
				     "apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy",
				     "metadata", "namespace", "x", "name", name, "spec",
				     "podSelector", "matchLabels", "app", app, "policyTypes",
				     "Ingress", "ingress", "from", "podSelector", "matchLabels",
				     "app", peer, "ports", "port", 2000 + i % 200));
	}
}

#endif
