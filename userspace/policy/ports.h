/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: what rules say about them (specs, names not resolved yet), sets of (protocol, port) that
 * come out, and the port classes: pairs that are in the same sets.
 */
#ifndef WARDER_POLICY_PORTS_H
#define WARDER_POLICY_PORTS_H

#include "policy/bitmaps.h"
#include "policy/compile.h"

#define PORT_SET_NONE 0
#define PORT_SET_ALL  1 /* every protocol, not these three alone */

struct port_range {
	__u8 protocol; /* enum warder_protocol_index */
	__u8 pad;
	__u16 first, last;
};

struct port_name {     /* a named port that some pod has */
	uint32_t name; /* number in `names` */
	__u16 protocol, port;
};

struct ports { /* ports_begin */
	struct intern known_specs;
	const struct warder_rule **specs; /* by number, borrowed: a rule that says these ports */
	bool *named;
	uint32_t n_specs;
	struct intern names; /* names that rules use */
	__u8 *name_used;     /* by name: 1 << direction of the rules that use it */
	uint32_t n_name_used;
	struct intern
		holders;     /* what a pod's named ports are: lists of struct port_name; 0 = none */
	struct intern sets;  /* lists of struct port_range, sorted and joined */
	struct intern asked; /* (spec, holder, strict) -> set */
	uint32_t *answers;
	uint32_t n_answers;
	uint32_t *bitmaps; /* by set, after ports_classify */
};

enum { PORT_HOLDER_NONE };

int protocol_index(__u8 protocol); /* enum warder_protocol_index, or -1 */

void ports_begin(struct ports *ports);
/* The number of what the rule says about ports.  Borrows the rule. */
uint32_t ports_spec(struct ports *ports, const struct warder_rule *rule);
/* The pod's container ports whose names rules of this direction use, as a holder's number. */
uint32_t ports_holder(struct ports *ports, const struct warder_pod *pod,
		      enum warder_direction direction);
/*
 * The set that a spec means where `holder` is the destination.  `strict`: the destination is a pod
 * that nobody knows, and what a deny could mean it means: a name is every port.
 */
uint32_t ports_resolve(struct ports *ports, uint32_t spec, uint32_t holder, bool strict);
/*
 * Makes the port classes of all sets so far and their bitmaps; fills in matrix->ports, n_ports,
 * n_port_classes and words.  -E2BIG where there are too many classes.
 */
int ports_classify(struct ports *ports, struct bitmaps *bitmaps, struct warder_matrix *matrix);
void ports_clear(struct ports *ports);

#endif
