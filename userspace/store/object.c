/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an object: references, release, equality, and its name for people.  Objects are
 * immutable once decoded, so that a reference is all that a reader needs.
 */
#include "store/object.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/policy.h"

const char *warder_labels_get(const struct warder_labels *labels, const char *key)
{
	size_t low = 0, high = labels->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(labels->v[middle].key, key);

		if (!order)
			return labels->v[middle].value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void release_pod(struct warder_pod *pod)
{
	free(pod->node);
	free(pod->service_account);
	free(pod->runtime_class);
	free(pod->addrs);
	for (size_t i = 0; i < pod->n_ports; i++)
		free(pod->ports[i].name);
	free(pod->ports);
}

static void release_service(struct warder_service *service)
{
	free(service->addrs);
	for (size_t i = 0; i < service->n_ports; i++)
		free(service->ports[i].name);
	free(service->ports);
}

static void release_slice(struct warder_endpoint_slice *slice)
{
	free(slice->addrs);
	for (size_t i = 0; i < slice->n_ports; i++)
		free(slice->ports[i].name);
	free(slice->ports);
}

static void object_free(struct warder_object *object)
{
	switch (object->kind) {
	case WARDER_KIND_POD:
		release_pod(&object->pod);
		break;
	case WARDER_KIND_NODE:
		free(object->node.addrs);
		free(object->node.pod_ranges);
		break;
	case WARDER_KIND_SERVICE:
		release_service(&object->service);
		break;
	case WARDER_KIND_ENDPOINT_SLICE:
		release_slice(&object->slice);
		break;
	case WARDER_KIND_NETWORK_POLICY:
	case WARDER_KIND_IDENTITY_POLICY:
	case WARDER_KIND_CLUSTER_NETWORK_POLICY:
		if (object->policy)
			warder_policy_free(object->policy);
		break;
	default:
		break;
	}
	for (size_t i = 0; i < object->labels.n; i++) {
		free(object->labels.v[i].key);
		free(object->labels.v[i].value);
	}
	free(object->labels.v);
	json_decref(object->spec);
	free(object->api_version);
	free(object->kind_name);
	free(object->ns);
	free(object->name);
	free(object->uid);
	free(object->origin);
	free(object);
}

struct warder_object *warder_object_ref(struct warder_object *object)
{
	assert(object->refs);
	object->refs++;
	return object;
}

void warder_object_unref(struct warder_object *object)
{
	if (!object)
		return;
	assert(object->refs);
	if (!--object->refs)
		object_free(object);
}

size_t warder_object_name_length(const struct warder_object *object)
{
	const char *slash = strchr(object->api_version, '/');
	size_t n = strlen(object->name), tail;

	if (object->kind != WARDER_KIND_FOREIGN)
		return n;
	/* ".KIND.GROUP" behind it, so that two kinds' objects of one name are two. */
	tail = strlen(object->kind_name) + 1 + (slash ? slash - object->api_version + 1 : 0);
	return n - (tail < n ? tail : n);
}

const char *warder_object_describe(const struct warder_object *object, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s %s%s%.*s", object->kind_name, object->ns, *object->ns ? "/" : "",
		 (int)warder_object_name_length(object), object->name);
	return buffer;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_addrs(const struct warder_addr *a, size_t n_a, const struct warder_addr *b,
		       size_t n_b)
{
	return n_a == n_b && (!n_a || !memcmp(a, b, n_a * sizeof(*a)));
}

static bool same_pod(const struct warder_pod *a, const struct warder_pod *b)
{
	if (!same_text(a->node, b->node) || !same_text(a->service_account, b->service_account) ||
	    !same_text(a->runtime_class, b->runtime_class) || a->host_network != b->host_network ||
	    a->phase != b->phase || !same_addrs(a->addrs, a->n_addrs, b->addrs, b->n_addrs) ||
	    a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].port != b->ports[i].port ||
		    a->ports[i].protocol != b->ports[i].protocol ||
		    a->ports[i].host_port != b->ports[i].host_port ||
		    warder_addr_compare(&a->ports[i].host_addr, &b->ports[i].host_addr) ||
		    !same_text(a->ports[i].name, b->ports[i].name))
			return false;
	return true;
}

static bool same_node(const struct warder_node *a, const struct warder_node *b)
{
	if (!same_addrs(a->addrs, a->n_addrs, b->addrs, b->n_addrs) ||
	    a->n_pod_ranges != b->n_pod_ranges)
		return false;
	for (size_t i = 0; i < a->n_pod_ranges; i++)
		if (a->pod_ranges[i].bits != b->pod_ranges[i].bits ||
		    warder_addr_compare(&a->pod_ranges[i].addr, &b->pod_ranges[i].addr))
			return false;
	return true;
}

static bool same_service(const struct warder_service *a, const struct warder_service *b)
{
	if (!same_addrs(a->addrs, a->n_addrs, b->addrs, b->n_addrs) || a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].port != b->ports[i].port ||
		    a->ports[i].node_port != b->ports[i].node_port ||
		    a->ports[i].protocol != b->ports[i].protocol ||
		    !same_text(a->ports[i].name, b->ports[i].name))
			return false;
	return true;
}

static bool same_slice(const struct warder_endpoint_slice *a, const struct warder_endpoint_slice *b)
{
	if (!same_addrs(a->addrs, a->n_addrs, b->addrs, b->n_addrs) || a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].port != b->ports[i].port ||
		    a->ports[i].protocol != b->ports[i].protocol ||
		    !same_text(a->ports[i].name, b->ports[i].name))
			return false;
	return true;
}

static bool same_labels(const struct warder_labels *a, const struct warder_labels *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].key, b->v[i].key) || strcmp(a->v[i].value, b->v[i].value))
			return false;
	return true;
}

bool warder_object_equal(const struct warder_object *a, const struct warder_object *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->audit != b->audit || strcmp(a->api_version, b->api_version) ||
	    strcmp(a->kind_name, b->kind_name) || strcmp(a->ns, b->ns) ||
	    strcmp(a->name, b->name) || strcmp(a->uid, b->uid) ||
	    !same_labels(&a->labels, &b->labels))
		return false;
	switch (a->kind) {
	case WARDER_KIND_POD:
		return same_pod(&a->pod, &b->pod);
	case WARDER_KIND_NODE:
		return same_node(&a->node, &b->node);
	case WARDER_KIND_SERVICE:
		return same_service(&a->service, &b->service);
	case WARDER_KIND_ENDPOINT_SLICE:
		return same_slice(&a->slice, &b->slice);
	default: /* a decoded policy is a function of its kind, version and spec */
		return a->spec == b->spec || (a->spec && b->spec && json_equal(a->spec, b->spec));
	}
}
