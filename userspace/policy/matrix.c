/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a matrix as the programs read it: who an address is, which port class, which bit. */
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/compiler.h"

static int compare_peer(const void *key, const void *element)
{
	return warder_addr_compare(key, &((const struct warder_matrix_peer *)element)->addr);
}

static int compare_prefix(const void *key, const void *element)
{
	return compare_prefixes(key, &((const struct warder_matrix_prefix *)element)->prefix);
}

/* Length by length, as a trie would: bounded, however many prefixes lie side by side. */
static const struct warder_matrix_prefix *find_prefix(const struct warder_matrix *matrix,
						      const struct warder_addr *addr)
{
	int shortest = warder_addr_is4(addr) ? 96 : 0; /* these two are always there */
	struct warder_prefix key = {.addr = *addr};

	for (int bits = 128;; bits--) {
		const struct warder_matrix_prefix *found;

		if (bits < 128)
			key.addr.b[bits / 8] &= (__u8)(0xff00 >> bits % 8);
		key.bits = bits;
		found = bsearch(&key, matrix->prefixes, matrix->n_prefixes, sizeof(*found),
				compare_prefix);
		if (found || bits == shortest)
			return found;
	}
}

void warder_matrix_find(const struct warder_matrix *matrix, const struct warder_addr *addr,
			struct warder_matrix_who *ret)
{
	const struct warder_matrix_peer *peer = NULL;
	const struct warder_matrix_prefix *prefix;

	if (matrix->n_peers)
		peer = bsearch(addr, matrix->peers, matrix->n_peers, sizeof(*peer), compare_peer);
	if (peer) {
		*ret = (struct warder_matrix_who){
			.identity = peer->identity,
			.class = peer->class,
			.cidr_class = peer->cidr_class,
			.flags = peer->flags,
			.owner = peer->owner,
		};
		return;
	}
	prefix = find_prefix(matrix, addr);
	*ret = (struct warder_matrix_who){
		.identity = prefix->identity,
		.class = prefix->class,
		.cidr_class = prefix->cidr_class,
	};
}

static int compare_addressless(const void *key, const void *element)
{
	const struct warder_object *a = key, *b = ((const struct addressless *)element)->pod;
	int order = strcmp(a->ns, b->ns);

	return order ? order : strcmp(a->name, b->name);
}

__u32 warder_matrix_pod_class(const struct warder_matrix *matrix, const struct warder_object *pod)
{
	const struct compiler *c = matrix->compiler;
	const struct addressless *found = NULL;

	if (c->n_addressless)
		found = bsearch(pod, c->addressless, c->n_addressless, sizeof(*found),
				compare_addressless);
	return found ? found->class : c->nobody_class;
}

__u16 warder_matrix_port_class(const struct warder_matrix *matrix, __u8 protocol, __u16 port)
{
	int p = protocol_index(protocol);
	size_t low = 0, high;

	if (p < 0)
		return WARDER_PORT_OTHER;
	high = matrix->n_ports[p];
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (matrix->ports[p][middle].first <= port)
			low = middle;
		else
			high = middle;
	}
	return matrix->ports[p][low].class;
}

unsigned warder_matrix_verdict(const struct warder_matrix *matrix, enum warder_direction direction,
			       __u32 group, __u32 class, __u16 port_class)
{
	const struct warder_cell *cell =
		&matrix->cells[(direction * (size_t)matrix->n_groups + group) * matrix->n_classes +
			       class];
	const __u64 *enforced = matrix->bitmaps + (size_t)cell->enforced * matrix->words;
	const __u64 *audited = matrix->bitmaps + (size_t)cell->audited * matrix->words;
	unsigned word = port_class >> 6, bit = port_class & 63;

	return (enforced[word] >> bit & 1) | (audited[word] >> bit & 1) << 1;
}
