/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: every (address, port, protocol) that some node translates, what stands behind it, and a
 * class for each set of backends that policy tells apart.  A Service's own addresses are its
 * everywhere; NodePorts and hostPorts are translated by the node that is asked, so those of this
 * node's addresses are known here.  Where two Services share a frontend, both sets stand behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

#define SERVICE_NAME "kubernetes.io/service-name"

/* One backend of a frontend, or (empty) the word that the frontend is there. */
struct claim {
	struct warder_addr addr;
	__u16 port;
	__u8 protocol;
	bool empty;
	struct warder_matrix_backend backend;
};

struct owned_slice {
	const char *ns, *service;
	const struct warder_endpoint_slice *slice;
};

struct claims {
	struct claim *v;
	size_t n;
	struct owned_slice *slices; /* sorted by (namespace, Service) */
	size_t n_slices;
	struct warder_addr *own; /* this node's addresses */
	size_t n_own;
};

static int compare_slices(const void *left, const void *right)
{
	const struct owned_slice *a = left, *b = right;
	int order = strcmp(a->ns, b->ns);

	return order ? order : strcmp(a->service, b->service);
}

static void sort_slices(struct compiler *c, struct claims *claims)
{
	struct warder_object *const *slices;
	size_t n;

	slices = warder_store_list(c->store, WARDER_KIND_ENDPOINT_SLICE, &n);
	for (size_t i = 0; i < n; i++) {
		const char *service = warder_labels_get(&slices[i]->labels, SERVICE_NAME);

		if (service)
			PUSH(claims->slices, claims->n_slices) = (struct owned_slice){
				.ns = slices[i]->ns,
				.service = service,
				.slice = &slices[i]->slice,
			};
	}
	if (claims->n_slices)
		qsort(claims->slices, claims->n_slices, sizeof(*claims->slices), compare_slices);
}

static bool same_name(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static void claim_slice(struct claims *claims, struct claim claim, const char *name,
			const struct warder_endpoint_slice *slice)
{
	for (size_t p = 0; p < slice->n_ports; p++) {
		const struct warder_slice_port *port = &slice->ports[p];

		if (port->protocol != claim.protocol || !same_name(port->name, name))
			continue;
		for (size_t a = 0; a < slice->n_addrs; a++) {
			if (warder_addr_is4(&slice->addrs[a]) != warder_addr_is4(&claim.addr))
				continue;
			claim.backend = (struct warder_matrix_backend){
				.addr = slice->addrs[a],
				.port = port->port,
			};
			PUSH(claims->v, claims->n) = claim;
		}
	}
}

static void claim_frontend(struct claims *claims, const struct warder_object *service,
			   const struct warder_addr *addr, __u16 number,
			   const struct warder_service_port *port)
{
	struct owned_slice key = {.ns = service->ns, .service = service->name};
	struct claim claim = {.addr = *addr, .port = number, .protocol = port->protocol};
	size_t low = 0, high = claims->n_slices;

	claim.empty = true;
	PUSH(claims->v, claims->n) = claim;
	claim.empty = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_slices(&claims->slices[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < claims->n_slices && !compare_slices(&claims->slices[low], &key); low++)
		claim_slice(claims, claim, port->name, claims->slices[low].slice);
}

static void claim_services(struct compiler *c, struct claims *claims)
{
	struct warder_object *const *services;
	size_t n;

	services = warder_store_list(c->store, WARDER_KIND_SERVICE, &n);
	for (size_t i = 0; i < n; i++) {
		const struct warder_service *service = &services[i]->service;

		for (size_t p = 0; p < service->n_ports; p++) {
			const struct warder_service_port *port = &service->ports[p];

			for (size_t a = 0; a < service->n_addrs; a++)
				claim_frontend(claims, services[i], &service->addrs[a], port->port,
					       port);
			for (size_t a = 0; a < claims->n_own && port->node_port; a++)
				claim_frontend(claims, services[i], &claims->own[a],
					       port->node_port, port);
		}
	}
}

/* On every address of this node, or on the one that the pod names. */
static void claim_host_port(struct claims *claims, const struct warder_pod *pod,
			    const struct warder_container_port *port)
{
	static const struct warder_addr any;

	for (size_t i = 0; i < claims->n_own; i++) {
		const struct warder_addr *own = &claims->own[i];

		if (warder_addr_compare(&port->host_addr, &any) &&
		    warder_addr_compare(&port->host_addr, own))
			continue;
		for (size_t a = 0; a < pod->n_addrs; a++)
			if (warder_addr_is4(&pod->addrs[a]) == warder_addr_is4(own))
				PUSH(claims->v, claims->n) = (struct claim){
					.addr = *own,
					.port = port->host_port,
					.protocol = port->protocol,
					.backend = {.addr = pod->addrs[a], .port = port->port},
				};
	}
}

static void claim_host_ports(struct compiler *c, struct claims *claims)
{
	for (size_t i = 0; i < c->matrix->n_endpoints; i++) {
		const struct warder_pod *pod = &c->matrix->endpoints[i].pod->pod;

		for (size_t p = 0; p < pod->n_ports; p++)
			if (pod->ports[p].host_port)
				claim_host_port(claims, pod, &pod->ports[p]);
	}
}

static int compare_frontends(const struct warder_addr *addr, __u16 port, __u8 protocol,
			     const struct warder_addr *other, __u16 other_port, __u8 other_protocol)
{
	int order = warder_addr_compare(addr, other);

	if (order || port != other_port)
		return order ? order : (int)port - (int)other_port;
	return (int)protocol - (int)other_protocol;
}

static int compare_claims(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	int order =
		compare_frontends(&a->addr, a->port, a->protocol, &b->addr, b->port, b->protocol);

	if (order || a->empty != b->empty)
		return order ? order : (int)b->empty - (int)a->empty;
	order = warder_addr_compare(&a->backend.addr, &b->backend.addr);
	return order ? order : (int)a->backend.port - (int)b->backend.port;
}

static int compare_pairs(const void *left, const void *right)
{
	const struct frontend_pair *a = left, *b = right;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	return a->port < b->port ? -1 : a->port > b->port;
}

/*
 * What must be allowed for the frontend to be: each backend's class and port class.  The own node's
 * stack is allowed to its pods, by whatever address they ask for it; a set begins with whether it
 * is there, so that a set of nothing else is not the set of nobody.
 */
static __u32 class_of(struct compiler *c, const struct warder_matrix_frontend *frontend,
		      struct frontend_pair **room, size_t *n_room)
{
	struct warder_matrix *matrix = c->matrix;
	struct frontend_pair *pairs;
	bool own = false;
	size_t n = 1, kept = 1;

	if (!frontend->n)
		return matrix->service_class;
	while (*n_room <= frontend->n)
		PUSH(*room, *n_room) = (struct frontend_pair){0};
	pairs = *room;
	for (__u32 i = 0; i < frontend->n; i++) {
		const struct warder_matrix_backend *backend =
			&matrix->backends[frontend->first + i];
		struct warder_matrix_who who;

		warder_matrix_find(matrix, &backend->addr, &who);
		if ((who.flags & WARDER_PEER_HOST) && !c->options->judge_host) {
			own = true;
			continue;
		}
		pairs[n++] = (struct frontend_pair){
			.class = who.class,
			.port = warder_matrix_port_class(matrix, frontend->protocol, backend->port),
		};
	}
	pairs[0] = (struct frontend_pair){.class = own};
	qsort(pairs + 1, n - 1, sizeof(*pairs), compare_pairs);
	for (size_t i = 1; i < n; i++)
		if (kept == 1 || compare_pairs(&pairs[kept - 1], &pairs[i]))
			pairs[kept++] = pairs[i];
	return compile_frontend_class(c,
				      intern_add(&c->frontend_sets, pairs, kept * sizeof(*pairs)));
}

static void add_backend(struct warder_matrix *matrix, const struct claim *claim)
{
	struct warder_matrix_frontend *last = &matrix->frontends[matrix->n_frontends - 1];
	const struct warder_matrix_backend *before =
		last->n ? &matrix->backends[matrix->n_backends - 1] : NULL;

	if (claim->empty || (before && before->port == claim->backend.port &&
			     !warder_addr_compare(&before->addr, &claim->backend.addr)))
		return;
	PUSH(matrix->backends, matrix->n_backends) = claim->backend;
	last->n++;
}

static void settle(struct compiler *c, const struct claims *claims)
{
	struct warder_matrix *matrix = c->matrix;
	struct frontend_pair *room = NULL;
	size_t n_room = 0;

	for (size_t i = 0; i < claims->n; i++) {
		const struct claim *claim = &claims->v[i], *before = claim - 1;

		if (!i || compare_frontends(&before->addr, before->port, before->protocol,
					    &claim->addr, claim->port, claim->protocol))
			PUSH(matrix->frontends, matrix->n_frontends) =
				(struct warder_matrix_frontend){
					.addr = claim->addr,
					.port = claim->port,
					.protocol = claim->protocol,
					.first = matrix->n_backends,
				};
		add_backend(matrix, claim);
	}
	for (size_t i = 0; i < matrix->n_frontends; i++)
		matrix->frontends[i].class = class_of(c, &matrix->frontends[i], &room, &n_room);
	free(room);
}

void compile_frontends(struct compiler *c)
{
	__u64 *some = NEW_ARRAY(__u64, c->matrix->words);
	struct claims claims = {0};

	c->n_plain = c->matrix->n_classes;
	some[0] = 1ULL << WARDER_PORT_SERVICE_SOME;
	c->mixed = bitmaps_add(&c->bitmaps, some);
	free(some);
	sort_slices(c, &claims);
	for (size_t h = 0; h < c->n_holders; h++)
		if (c->holders[h].host)
			PUSH(claims.own, claims.n_own) = c->holders[h].addr;
	claim_services(c, &claims);
	claim_host_ports(c, &claims);
	if (claims.n)
		qsort(claims.v, claims.n, sizeof(*claims.v), compare_claims);
	settle(c, &claims);
	free(claims.v);
	free(claims.slices);
	free(claims.own);
}

const struct warder_matrix_frontend *warder_matrix_frontend_find(const struct warder_matrix *matrix,
								 const struct warder_addr *addr,
								 __u16 port, __u8 protocol)
{
	for (size_t low = 0, high = matrix->n_frontends; low < high;) {
		size_t middle = low + (high - low) / 2;
		const struct warder_matrix_frontend *f = &matrix->frontends[middle];
		int order = compare_frontends(&f->addr, f->port, f->protocol, addr, port, protocol);

		if (!order)
			return f;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

unsigned warder_matrix_service_verdict(const struct warder_matrix *matrix, __u32 group, __u32 class,
				       bool *ret_mixed)
{
	unsigned all =
		warder_matrix_verdict(matrix, WARDER_EGRESS, group, class, WARDER_PORT_SERVICE_ALL);
	unsigned some = warder_matrix_verdict(matrix, WARDER_EGRESS, group, class,
					      WARDER_PORT_SERVICE_SOME);

	if (ret_mixed)
		*ret_mixed = !(all & 1) && (some & 1);
	return all;
}

size_t warder_matrix_blame_frontend(const struct warder_matrix *matrix, __u32 group,
				    const struct warder_matrix_frontend *frontend, bool audited,
				    struct warder_matrix_blame *ret, size_t room)
{
	__u32 class = matrix->service_class;
	__u16 port = frontend->port;
	bool denied = false;

	for (__u32 i = 0; i < frontend->n && !denied; i++) {
		const struct warder_matrix_backend *backend =
			&matrix->backends[frontend->first + i];
		struct warder_matrix_who who;

		warder_matrix_find(matrix, &backend->addr, &who);
		denied =
			!(warder_matrix_verdict(matrix, WARDER_EGRESS, group, who.class,
						warder_matrix_port_class(matrix, frontend->protocol,
									 backend->port)) >>
				  audited &
			  1);
		if (!denied && i)
			continue;
		class = who.class;
		port = backend->port;
	}
	return warder_matrix_blame(matrix, WARDER_EGRESS, group, class, frontend->protocol, port,
				   audited, ret, room);
}
