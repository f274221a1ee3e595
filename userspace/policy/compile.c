/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler's frame: the stages in their order, and what the matrix must hold on to. */
#include "policy/compile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

void compile_problem(struct compiler *c, const char *object, bool warning, const char *format, ...)
{
	char what[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	PUSH(c->matrix->problems, c->matrix->n_problems) = (struct warder_matrix_problem){
		.object = warder_memory_text(object),
		.what = warder_memory_text(what),
		.warning = warning,
	};
}

/* Broken policies are told on every node, whether or not they select a pod of this one. */
static void tell_policies(struct compiler *c, enum warder_kind kind)
{
	struct warder_object *const *policies;
	char text[512];
	size_t n;

	policies = warder_store_list(c->store, kind, &n);
	for (size_t i = 0; i < n; i++) {
		const struct warder_policy *policy = policies[i]->policy;

		if (policy->broken)
			compile_problem(c, warder_object_describe(policies[i], text, sizeof(text)),
					false, "%s", policy->broken);
		if (policy->warning)
			compile_problem(c, warder_object_describe(policies[i], text, sizeof(text)),
					true, "%s", policy->warning);
	}
}

static void hold(struct warder_matrix *matrix, const struct warder_object *object)
{
	PUSH(matrix->held, matrix->n_held) = warder_object_ref((struct warder_object *)object);
}

static void hold_all(struct compiler *c)
{
	for (size_t i = 0; i < c->n_pods; i++)
		if (c->pods[i]->pod.phase != WARDER_POD_FINISHED)
			hold(c->matrix, c->pods[i]);
	for (size_t i = 0; i < c->n_node_objects; i++)
		hold(c->matrix, c->node_objects[i]);
	for (size_t i = 0; i < c->n_policies; i++)
		hold(c->matrix, c->policies[i].object);
}

/* A Service's class allows all or nothing: its backends are not known. */
static void mark_services(struct warder_matrix *matrix)
{
	for (size_t i = 0; i < matrix->n_endpoints; i++) {
		struct warder_matrix_endpoint *endpoint = &matrix->endpoints[i];
		size_t row = (size_t)WARDER_EGRESS * matrix->n_groups + endpoint->group;

		endpoint->services =
			matrix->cells[row * matrix->n_classes + matrix->service_class].enforced ==
			WARDER_BITMAP_ALL;
	}
}

static int compile(struct compiler *c)
{
	struct warder_matrix *matrix = c->matrix;
	int code;

	c->pods = warder_store_list(c->store, WARDER_KIND_POD, &c->n_pods);
	c->node_objects = warder_store_list(c->store, WARDER_KIND_NODE, &c->n_node_objects);
	tell_policies(c, WARDER_KIND_NETWORK_POLICY);
	tell_policies(c, WARDER_KIND_IDENTITY_POLICY);
	tell_policies(c, WARDER_KIND_CLUSTER_NETWORK_POLICY);
	compile_subjects(c);
	hold_all(c);
	compile_identities(c);
	compile_rules(c);
	compile_holders(c);
	compile_classes(c);
	code = matrix->n_groups > 65535 ? -E2BIG
					: compile_ports(c); /* a slot holds its group in 16 bits */
	if (code)
		return code;
	compile_frontends(c);
	compile_cells(c);
	mark_services(matrix);
	c->store = NULL; /* what follows was of the call alone */
	c->options = NULL;
	c->pods = c->node_objects = NULL;
	return 0;
}

int warder_compile(const struct warder_store *store, const struct warder_compile_options *options,
		   struct warder_matrix **ret, struct warder_error *error)
{
	int code = -E2BIG;

	for (unsigned try = 0; try < 2 && code == -E2BIG; try++) {
		struct warder_matrix *matrix = NEW(struct warder_matrix);

		matrix->compiler = NEW(struct compiler);
		*matrix->compiler = (struct compiler){
			.store = store,
			.options = options,
			.matrix = matrix,
			.refuse_ports = try > 0,
		};
		code = compile(matrix->compiler);
		if (!code)
			*ret = matrix;
		else
			warder_matrix_free(matrix);
	}
	if (code)
		warder_error_set(error, code,
				 "the policies on this node name more different ports than can be "
				 "told apart, "
				 "even without the largest of them: use port ranges");
	return code;
}

void compiler_free(struct compiler *c)
{
	struct warder_matrix *matrix = c->matrix;

	for (size_t i = 0; i < c->n_policies; i++) {
		for (size_t j = 0; j < c->policies[i].n_rules; j++)
			free(c->policies[i].rules[j].atoms.v);
		free(c->policies[i].rules);
	}
	free(c->policies);
	for (size_t i = 0; c->selected && i < matrix->n_endpoints; i++)
		free(c->selected[i].v);
	free(c->selected);
	for (uint32_t i = 0; c->postings && i < ATOM_FIRST + c->atoms.n; i++)
		free(c->postings[i].v);
	free(c->postings);
	atoms_clear(&c->atoms);
	ports_clear(&c->ports);
	bitmaps_clear(&c->bitmaps);
	free(c->identities);
	free(c->endpoint_pods);
	free(c->addressless);
	free(c->holders);
	free(c->nodes[0]);
	free(c->nodes[1]);
	intern_clear(&c->whos);
	intern_clear(&c->cidr_sets);
	intern_clear(&c->class_keys);
	intern_clear(&c->frontend_sets);
	free(c->classes);
	free(c);
}

void warder_matrix_free(struct warder_matrix *matrix)
{
	if (!matrix)
		return;
	compiler_free(matrix->compiler);
	for (size_t i = 0; i < matrix->n_held; i++)
		warder_object_unref(matrix->held[i]);
	free(matrix->held);
	for (uint32_t i = 0; i < matrix->n_groups; i++)
		free(matrix->groups[i].policies);
	free(matrix->groups);
	for (size_t i = 0; i < matrix->n_problems; i++) {
		free(matrix->problems[i].object);
		free(matrix->problems[i].what);
	}
	free(matrix->problems);
	for (int p = 0; p < WARDER_PROTOCOLS; p++)
		free(matrix->ports[p]);
	free(matrix->identities);
	free(matrix->peers);
	free(matrix->prefixes);
	free(matrix->frontends);
	free(matrix->backends);
	free(matrix->endpoints);
	free(matrix->cells);
	free(matrix->bitmaps);
	free(matrix);
}
