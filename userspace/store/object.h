/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes objects as Warder uses them: immutable once made, counted references, only the
 * fields that are used.  Policies of every kind are one structure (store/policy.h).
 */
#ifndef WARDER_STORE_OBJECT_H
#define WARDER_STORE_OBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/error.h"

enum warder_kind {
	WARDER_KIND_NAMESPACE,
	WARDER_KIND_NODE,
	WARDER_KIND_POD,
	WARDER_KIND_SERVICE,
	WARDER_KIND_ENDPOINT_SLICE,
	WARDER_KIND_NETWORK_POLICY,	    /* networking.k8s.io/v1 */
	WARDER_KIND_IDENTITY_POLICY,	    /* warder.io/v1alpha1 */
	WARDER_KIND_CLUSTER_NETWORK_POLICY, /* policy.networking.k8s.io/v1alpha2 */
	WARDER_KIND_FOREIGN, /* looks like policy, is not enforced here: told in status */
	WARDER_KINDS
};

struct warder_label {
	char *key, *value;
};

struct warder_labels {
	struct warder_label *v; /* sorted by key (strcmp), keys unique */
	size_t n;
};

/* NULL where the key is absent. */
const char *warder_labels_get(const struct warder_labels *labels, const char *key);

struct warder_container_port {
	char *name; /* NULL = none */
	__u16 port;
	__u8 protocol;		      /* IPPROTO_* */
	__u16 host_port;	      /* 0 = none */
	struct warder_addr host_addr; /* hostIP; :: = every address of the node */
};

enum warder_pod_phase {
	WARDER_POD_PENDING,
	WARDER_POD_RUNNING,
	WARDER_POD_FINISHED,
	WARDER_POD_UNKNOWN
};

struct warder_pod {
	char *node;	       /* spec.nodeName, NULL = not scheduled */
	char *service_account; /* spec.serviceAccountName, "default" where absent */
	char *runtime_class;   /* NULL = none */
	bool host_network;
	enum warder_pod_phase phase; /* FINISHED = Succeeded or Failed */
	struct warder_addr *addrs; /* status.podIPs (podIP where that is absent), in their order */
	size_t n_addrs;
	struct warder_container_port
		*ports; /* containers, then init containers with restartPolicy Always */
	size_t n_ports;
};

struct warder_node {
	struct warder_addr *addrs; /* status.addresses of type InternalIP, ExternalIP */
	size_t n_addrs;
	struct warder_prefix *pod_ranges; /* spec.podCIDRs */
	size_t n_pod_ranges;
};

struct warder_service_port {
	char *name;
	__u16 port, node_port;
	__u8 protocol;
};

struct warder_service {
	struct warder_addr *addrs; /* clusterIPs, externalIPs, status.loadBalancer.ingress[].ip */
	size_t n_addrs;
	struct warder_service_port *ports;
	size_t n_ports;
};

struct warder_slice_port {
	char *name; /* NULL = none */
	__u16 port;
	__u8 protocol;
};

/*
 * Endpoints of a Service, which the label kubernetes.io/service-name names.  Their conditions are not kept:
 * a connection lives on while its backend stops being ready, and must be judged all the same.
 */
struct warder_endpoint_slice {
	struct warder_addr *addrs; /* of all endpoints; none where addressType is FQDN */
	size_t n_addrs;
	struct warder_slice_port *ports; /* those with a number: the others are no backend */
	size_t n_ports;
};

struct warder_policy; /* store/policy.h */

struct warder_object {
	unsigned refs;
	enum warder_kind kind;
	char *api_version, *kind_name; /* as written */
	char *ns; /* "" for cluster-scoped kinds; "default" where a namespaced one has none */
	char *name,
		*uid; /* uid "" where absent; FOREIGN: name is "NAME.KIND.GROUP", see describe */
	char *origin; /* where it came from, for messages: "pods.yaml:12"; may be NULL */
	bool audit;   /* annotation warder.io/mode: audit (namespaces and policies) */
	struct warder_labels labels; /* a Namespace always has kubernetes.io/metadata.name */
	json_t *spec; /* policies: the spec as written, for comparison and display; else NULL */
	union {
		struct warder_pod pod;
		struct warder_node node;
		struct warder_service service;
		struct warder_endpoint_slice slice;
		struct warder_policy *policy; /* the three policy kinds */
	};
};

/*
 * Makes an object of decoded JSON (one Kubernetes object, not a List).
 * Returns 0 and a new reference; -ENOTSUP for a kind that Warder has no use for (and that is not
 * policy): ignore it, error says which; -EPROTONOSUPPORT for a kind of ours in a version that is
 * not known, or a kind that warder.io does not have: the object cannot be used, and that must be
 * told; -EINVAL where the object cannot be used at all (no name, a field of a wrong type outside a
 * policy's spec): error names the object, the field and what to do. A policy whose spec cannot be
 * used is an object all the same, with policy->broken set. After 0, error->text may hold a warning
 * ("" = none): something was ignored, and the safer reading taken.
 */
int warder_object_decode(const json_t *json, const char *origin, struct warder_object **ret,
			 struct warder_error *error);
struct warder_object *warder_object_ref(struct warder_object *object);
void warder_object_unref(struct warder_object *object); /* NULL is fine */
/* The same key and content; refs and origin do not count. */
bool warder_object_equal(const struct warder_object *a, const struct warder_object *b);
/* Length of the name in object->name: less than all of it for FOREIGN. */
size_t warder_object_name_length(const struct warder_object *object);
/* "NetworkPolicy catalyst-openbao/api" into `buffer`, which it returns. */
const char *warder_object_describe(const struct warder_object *object, char *buffer, size_t size);

#endif
