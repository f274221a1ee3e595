/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random worlds: what the compiled matrix says of a probe is what the naive evaluator says, the
 * blame agrees with the verdict, and the same objects in another order give the same matrix.
 * WARDER_WORLDS=N asks N worlds, WARDER_SEED=S begins at S; a difference prints its seed.
 */
#include "naive.h"
#include "suite.h"
#include "worlds.h"

#include <netinet/in.h>
#include <stdlib.h>

#define PROBES 200

static unsigned long long number_of(const char *name, unsigned long long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static unsigned services, mixes; /* probes of frontends; with some backends allowed, not all */

static struct warder_matrix *compile(const struct world *world)
{
	struct warder_error error = {""};
	struct warder_matrix *matrix = NULL;

	if (warder_compile(world->store, &world->options, &matrix, &error))
		printf("seed %llu: %s\n", world->seed, error.text);
	return matrix;
}

static const struct warder_matrix_endpoint *find_endpoint(const struct warder_matrix *matrix,
							  const struct world_probe *probe)
{
	for (size_t i = 0; i < matrix->n_endpoints; i++)
		if (!strcmp(matrix->endpoints[i].pod->ns, probe->ns) &&
		    !strcmp(matrix->endpoints[i].pod->name, probe->pod))
			return &matrix->endpoints[i];
	return NULL;
}

/* The blame must tell the same story as the bit. */
static bool blame_agrees(const struct warder_matrix *matrix,
			 const struct warder_matrix_endpoint *endpoint,
			 const struct world_probe *probe, __u32 class, bool allowed, bool audited)
{
	struct warder_matrix_blame found[16];
	size_t n = warder_matrix_blame(matrix, probe->direction, endpoint->group, class,
				       probe->protocol, probe->port, audited, found, 16);

	if (!n)
		return allowed; /* nobody says anything: allowed by default */
	for (size_t i = 0; i < n && i < 16; i++) {
		const struct warder_policy *policy = found[i].policy->policy;
		enum warder_action action =
			found[i].rule < 0 ? WARDER_DENY : policy->rules[found[i].rule].action;

		if (allowed != (action == WARDER_ACCEPT) || (found[i].audited && !audited))
			return false;
	}
	return true;
}

/* A Service's frontend, by what stands behind it. */
static bool check_service(struct world *world, const struct warder_matrix *matrix,
			  const struct warder_matrix_endpoint *endpoint,
			  const struct world_probe *probe)
{
	const struct warder_matrix_frontend *frontend =
		warder_matrix_frontend_find(matrix, &probe->peer, probe->port, probe->protocol);
	bool mixed, naive_mixed;
	unsigned got, want;
	char text[256];

	if (!naive_service(world, probe, &want, &naive_mixed))
		return true;
	services++;
	if (!frontend)
		return false;
	got = warder_matrix_service_verdict(matrix, endpoint->group, frontend->class, &mixed);
	mixes += mixed;
	if (got == want && mixed == naive_mixed)
		return true;
	printf("%s: a Service: matrix %u%s, naive %u%s\n",
	       world_probe_text(world, probe, text, sizeof(text)), got, mixed ? " mixed" : "", want,
	       naive_mixed ? " mixed" : "");
	return false;
}

static bool check_probe(struct world *world, const struct warder_matrix *matrix,
			const struct world_probe *probe)
{
	const struct warder_matrix_endpoint *endpoint = find_endpoint(matrix, probe);
	struct warder_matrix_who who;
	unsigned got, want;
	__u32 class;
	char text[256];

	if (!endpoint)
		return false;
	warder_matrix_find(matrix, &probe->peer, &who);
	class = probe->address_only ? who.cidr_class : who.class;
	got = warder_matrix_verdict(matrix, probe->direction, endpoint->group, class,
				    warder_matrix_port_class(matrix, probe->protocol, probe->port));
	want = naive_verdict(world, probe);
	if (got != want) {
		printf("%s: matrix %u, naive %u\n",
		       world_probe_text(world, probe, text, sizeof(text)), got, want);
		return false;
	}
	if (!check_service(world, matrix, endpoint, probe))
		return false;
	if (!endpoint->judged[probe->direction] && got != 3)
		return false;
	if (blame_agrees(matrix, endpoint, probe, class, got & 1, false) &&
	    blame_agrees(matrix, endpoint, probe, class, got >> 1, true))
		return true;
	printf("%s: blame says otherwise\n", world_probe_text(world, probe, text, sizeof(text)));
	return false;
}

static unsigned check_world(struct world *world, unsigned probes)
{
	struct warder_matrix *matrix = compile(world);
	unsigned wrong = 0;

	if (!matrix)
		return 1;
	for (unsigned i = 0; i < probes; i++) {
		struct world_probe probe;

		if (!world_probe(world, &probe))
			break;
		wrong += !check_probe(world, matrix, &probe);
	}
	warder_matrix_free(matrix);
	return wrong;
}

static void test_matrix_is_naive(void)
{
	unsigned long long first = number_of("WARDER_SEED", 1), n = number_of("WARDER_WORLDS", 600);
	unsigned wrong = 0;

	for (unsigned long long seed = first; seed < first + n && wrong < 10; seed++) {
		struct world *world = world_make(seed);

		wrong += check_world(world, PROBES);
		world_change(world);
		wrong += check_world(world, PROBES / 4);
		if (getenv("WARDER_DUMP"))
			world_dump(world, stdout);
		world_free(world);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* Equal in all that the tables are made of. */
static bool same_matrix(const struct warder_matrix *a, const struct warder_matrix *b)
{
	size_t cells = 2 * (size_t)a->n_groups * a->n_classes;

	if (a->n_groups != b->n_groups || a->n_classes != b->n_classes ||
	    a->n_bitmaps != b->n_bitmaps || a->words != b->words || a->n_peers != b->n_peers ||
	    a->n_prefixes != b->n_prefixes || a->n_port_classes != b->n_port_classes ||
	    a->n_identities != b->n_identities)
		return false;
	for (size_t i = 0; i < a->n_peers; i++)
		if (a->peers[i].class != b->peers[i].class ||
		    a->peers[i].identity != b->peers[i].identity)
			return false;
	return !memcmp(a->cells, b->cells, cells * sizeof(*a->cells)) &&
	       !memcmp(a->bitmaps, b->bitmaps,
		       a->n_bitmaps * (size_t)a->words * sizeof(*a->bitmaps));
}

/* The end state is a function of the objects alone, whatever the order in which they came. */
static void test_order_does_not_matter(void)
{
	for (unsigned long long seed = 1; seed <= 40; seed++) {
		struct world *world = world_make(seed);
		struct warder_store *other = warder_store_new(), *own = world->store;
		struct warder_matrix *first = compile(world), *second;

		for (size_t i = json_array_size(world->objects); i-- > 0;) {
			struct warder_object *object = NULL;

			if (warder_object_decode(json_array_get(world->objects, i), NULL, &object,
						 NULL))
				abort();
			warder_store_put(other, object);
			warder_object_unref(object);
		}
		world->store = other;
		second = compile(world);
		CU_ASSERT(first && second && same_matrix(first, second));
		warder_matrix_free(first);
		warder_matrix_free(second);
		world->store = own;
		warder_store_free(other);
		world_free(world);
	}
}

/* A later fragment passes exactly where some port of its protocol is allowed. */
static void test_fragments(void)
{
	static const enum warder_port_class fragments[] = {
		WARDER_PORT_FRAGMENT_TCP, WARDER_PORT_FRAGMENT_UDP, WARDER_PORT_FRAGMENT_SCTP};
	unsigned wrong = 0;

	for (unsigned long long seed = 1; seed <= 40; seed++) {
		struct world *world = world_make(seed);
		struct warder_matrix *m = compile(world);

		for (size_t cell = 0; m && cell < 2 * (size_t)m->n_groups * m->n_classes; cell++) {
			__u32 class = cell % m->n_classes,
			      group = cell / m->n_classes % m->n_groups;
			unsigned direction = cell / m->n_classes / m->n_groups;

			for (int p = 0; p < WARDER_PROTOCOLS; p++) {
				unsigned some = 0;

				for (size_t i = 0; i < m->n_ports[p]; i++)
					some |= warder_matrix_verdict(m, direction, group, class,
								      m->ports[p][i].class);
				wrong += some != warder_matrix_verdict(m, direction, group, class,
								       fragments[p]);
			}
		}
		warder_matrix_free(m);
		world_free(world);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static const struct suite_test tests[] = {
	{"matrix-is-naive", test_matrix_is_naive},
	{"order-does-not-matter", test_order_does_not_matter},
	{"fragments", test_fragments},
};

SUITE("worlds", tests)
