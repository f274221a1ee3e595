/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identities: (namespace, ServiceAccount) of every pod that has an address of its own, sorted,
 * each once.  From spec.serviceAccountName alone; labels have no part in it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/compiler.h"

struct named {
	struct warder_matrix_identity identity;
	uint32_t number;
};

static int compare_named(const void *left, const void *right)
{
	const struct warder_matrix_identity *a = &((const struct named *)left)->identity;
	const struct warder_matrix_identity *b = &((const struct named *)right)->identity;
	int order = strcmp(a->ns, b->ns);

	return order ? order : strcmp(a->service_account, b->service_account);
}

void compile_identities(struct compiler *c)
{
	struct warder_matrix *matrix = c->matrix;
	struct intern known = {0};
	struct named *named = NULL;
	uint32_t n = 0, *sorted;

	c->identities = NEW_ARRAY(uint32_t, c->n_pods);
	for (size_t i = 0; i < c->n_pods; i++) {
		const struct warder_object *pod = c->pods[i];
		struct intern_key key = {0};

		if (pod->pod.host_network || pod->pod.phase == WARDER_POD_FINISHED)
			continue;
		intern_key_text(&key, pod->ns);
		intern_key_text(&key, pod->pod.service_account);
		c->identities[i] = intern_add(&known, key.bytes, key.n);
		free(key.bytes);
		if (c->identities[i] < n)
			continue;
		PUSH(named, n) = (struct named){
			.identity = {.ns = pod->ns, .service_account = pod->pod.service_account},
			.number = c->identities[i],
		};
	}
	intern_clear(&known);
	if (n)
		qsort(named, n, sizeof(*named), compare_named);
	sorted = NEW_ARRAY(uint32_t, n);
	for (uint32_t i = 0; i < n; i++) {
		PUSH(matrix->identities, matrix->n_identities) = named[i].identity;
		sorted[named[i].number] = i;
	}
	for (size_t i = 0; n && i < c->n_pods; i++)
		c->identities[i] = sorted[c->identities[i]];
	for (size_t e = 0; e < matrix->n_endpoints; e++)
		matrix->endpoints[e].identity =
			WARDER_IDENTITY_FIRST + c->identities[c->endpoint_pods[e]];
	free(sorted);
	free(named);
}
