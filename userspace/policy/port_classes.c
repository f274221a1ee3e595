/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port classes by refinement: the ports are cut into ranges at every border of a set, all ranges
 * begin in one class, and each set splits the classes that it divides.  Numbers are given in the
 * order of (protocol, port), so they depend on the sets alone and not on their order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/ports.h"

struct range {
	__u16 first, last;
	uint32_t class;
};

struct refinement {
	struct range *ranges[WARDER_PROTOCOLS];
	size_t n[WARDER_PROTOCOLS];
	uint32_t n_classes;
	uint32_t *moved,
		*moved_by; /* by class: where its ranges inside a set go, and which set that was */
	uint32_t n_moved;
};

static const struct port_range *ranges_of(const struct ports *ports, uint32_t set, size_t *ret_n)
{
	const struct port_range *ranges;
	size_t size = 0;

	ranges = intern_get(&ports->sets, set, &size);
	*ret_n = set == PORT_SET_ALL ? 0 : size / sizeof(*ranges);
	return ranges;
}

/* A bit for each port that begins a range. */
static void cut(struct refinement *r, const struct ports *ports, int protocol)
{
	__u64 *begins = NEW_ARRAY(__u64, 65536 / 64);
	size_t n;

	begins[0] = 1;
	for (uint32_t set = 0; set < ports->sets.n; set++) {
		const struct port_range *ranges = ranges_of(ports, set, &n);

		for (size_t i = 0; i < n; i++) {
			if (ranges[i].protocol != protocol)
				continue;
			begins[ranges[i].first >> 6] |= 1ULL << (ranges[i].first & 63);
			if (ranges[i].last < 65535)
				begins[(ranges[i].last + 1) >> 6] |= 1ULL
								     << ((ranges[i].last + 1) & 63);
		}
	}
	for (unsigned port = 0; port < 65536; port++) {
		if (!(begins[port >> 6] >> (port & 63) & 1))
			continue;
		if (r->n[protocol])
			r->ranges[protocol][r->n[protocol] - 1].last = port - 1;
		PUSH(r->ranges[protocol], r->n[protocol]) =
			(struct range){.first = port, .last = 65535};
	}
	free(begins);
}

static size_t find_range(const struct refinement *r, int protocol, __u16 port)
{
	size_t low = 0, high = r->n[protocol];

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (r->ranges[protocol][middle].first <= port)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static uint32_t move(struct refinement *r, uint32_t class, uint32_t set)
{
	while (r->n_moved <= class) {
		uint32_t n = r->n_moved;

		PUSH(r->moved, n) = 0;
		PUSH(r->moved_by, r->n_moved) = 0;
	}
	if (r->moved_by[class] != set) {
		r->moved_by[class] = set;
		r->moved[class] = r->n_classes++;
	}
	return r->moved[class];
}

static void refine(struct refinement *r, const struct ports *ports, uint32_t set)
{
	size_t n;
	const struct port_range *ranges = ranges_of(ports, set, &n);

	for (size_t i = 0; i < n; i++) {
		int protocol = ranges[i].protocol;
		struct range *range =
			&r->ranges[protocol][find_range(r, protocol, ranges[i].first)];
		struct range *end = r->ranges[protocol] + r->n[protocol];

		for (; range < end && range->last <= ranges[i].last; range++)
			range->class = move(r, range->class, set);
	}
}

/* Joins neighbours of one class into matrix->ports and gives classes their final numbers. */
static int number(struct refinement *r, struct warder_matrix *matrix)
{
	uint32_t *final = NEW_ARRAY(uint32_t, r->n_classes), next = WARDER_PORT_FIRST;

	for (int p = 0; p < WARDER_PROTOCOLS; p++) {
		for (size_t i = 0; i < r->n[p]; i++) {
			struct range *range = &r->ranges[p][i];
			struct warder_matrix_port_range *last =
				matrix->n_ports[p] ? &matrix->ports[p][matrix->n_ports[p] - 1]
						   : NULL;

			if (!final[range->class])
				final[range->class] = next++;
			range->class = final[range->class];
			if (last && last->class == range->class)
				last->last = range->last;
			else
				PUSH(matrix->ports[p], matrix->n_ports[p]) =
					(struct warder_matrix_port_range){
						.first = range->first,
						.last = range->last,
						.class = range->class,
					};
		}
	}
	free(final);
	matrix->n_port_classes = next;
	matrix->words = 1;
	while (matrix->words * 64 < next)
		matrix->words *= 2;
	return next > 65536 ? -E2BIG : 0;
}

static uint32_t bitmap_of(const struct refinement *r, const struct ports *ports, uint32_t set,
			  struct bitmaps *bitmaps, __u64 *words)
{
	size_t n;
	const struct port_range *ranges = ranges_of(ports, set, &n);

	memset(words, set == PORT_SET_ALL ? 0xff : 0, bitmaps->words * sizeof(*words));
	for (size_t i = 0; i < n; i++) {
		int protocol = ranges[i].protocol;
		struct range *range =
			&r->ranges[protocol][find_range(r, protocol, ranges[i].first)];
		struct range *end = r->ranges[protocol] + r->n[protocol];

		for (; range < end && range->last <= ranges[i].last; range++)
			words[range->class >> 6] |= 1ULL << (range->class & 63);
	}
	return bitmaps_add(bitmaps, words);
}

int ports_classify(struct ports *ports, struct bitmaps *bitmaps, struct warder_matrix *matrix)
{
	struct refinement r = {.n_classes = 1};
	__u64 *words;
	int code;

	for (int p = 0; p < WARDER_PROTOCOLS; p++)
		cut(&r, ports, p);
	for (uint32_t set = 0; set < ports->sets.n; set++)
		refine(&r, ports, set);
	code = number(&r, matrix);
	if (!code) {
		bitmaps_begin(bitmaps, matrix->words);
		words = NEW_ARRAY(__u64, matrix->words);
		ports->bitmaps = NEW_ARRAY(uint32_t, ports->sets.n);
		for (uint32_t set = 0; set < ports->sets.n; set++)
			ports->bitmaps[set] = bitmap_of(&r, ports, set, bitmaps, words);
		free(words);
	}
	for (int p = 0; p < WARDER_PROTOCOLS; p++)
		free(r.ranges[p]);
	free(r.moved);
	free(r.moved_by);
	return code;
}
