/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a rule's ports to sets of (protocol, port).  A name means the ports of the destination pod
 * that have it, with the protocol that the rule gives; a destination without it means none.
 */
#include "policy/ports.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const __u8 protocols[WARDER_PROTOCOLS] = {
	[WARDER_TCP] = IPPROTO_TCP,
	[WARDER_UDP] = IPPROTO_UDP,
	[WARDER_SCTP] = IPPROTO_SCTP,
};

int protocol_index(__u8 protocol)
{
	for (int i = 0; i < WARDER_PROTOCOLS; i++)
		if (protocols[i] == protocol)
			return i;
	return -1;
}

void ports_begin(struct ports *ports)
{
	static const struct port_range everything;

	intern_add(&ports->sets, NULL, 0);
	intern_add(&ports->sets, &everything, 1); /* one byte: no list of ranges is that long */
	intern_add(&ports->holders, NULL, 0);
}

static void use_name(struct ports *ports, const char *name, enum warder_direction direction)
{
	uint32_t number = intern_add(&ports->names, name, strlen(name) + 1);

	if (number == ports->n_name_used)
		PUSH(ports->name_used, ports->n_name_used) = 0;
	ports->name_used[number] |= 1 << direction;
}

uint32_t ports_spec(struct ports *ports, const struct warder_rule *rule)
{
	struct intern_key key = {0};
	bool named = false;
	uint32_t number, n;

	intern_key_number(&key, rule->all_ports);
	for (size_t i = 0; i < rule->n_ports && !rule->all_ports; i++) {
		const struct warder_port_match *match = &rule->ports[i];

		intern_key_number(&key, match->protocol);
		intern_key_number(&key, (uint32_t)match->first << 16 | match->last);
		intern_key_text(&key, match->name);
		if (match->name)
			use_name(ports, match->name, rule->direction);
		named |= match->name != NULL;
	}
	number = intern_add(&ports->known_specs, key.bytes, key.n);
	free(key.bytes);
	if (number == ports->n_specs) {
		n = number;
		PUSH(ports->specs, n) = rule;
		PUSH(ports->named, ports->n_specs) = named;
	}
	return number;
}

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct port_name));
}

uint32_t ports_holder(struct ports *ports, const struct warder_pod *pod,
		      enum warder_direction direction)
{
	struct port_name *names = NULL;
	uint32_t number;
	size_t n = 0;

	for (size_t i = 0; i < pod->n_ports; i++) {
		const struct warder_container_port *port = &pod->ports[i];
		int protocol = protocol_index(port->protocol);
		uint32_t name =
			port->name ? intern_find(&ports->names, port->name, strlen(port->name) + 1)
				   : INTERN_NONE;

		if (name != INTERN_NONE && protocol >= 0 && ports->name_used[name] >> direction & 1)
			PUSH(names, n) = (struct port_name){
				.name = name, .protocol = protocol, .port = port->port};
	}
	if (n)
		qsort(names, n, sizeof(*names), compare_names);
	number = intern_add(&ports->holders, names, n * sizeof(*names));
	free(names);
	return number;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct port_range *a = left, *b = right;

	if (a->protocol != b->protocol)
		return a->protocol - b->protocol;
	return a->first != b->first ? a->first - b->first : a->last - b->last;
}

static uint32_t add_set(struct ports *ports, struct port_range *ranges, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (size_t i = 0; i < n; i++) {
		struct port_range *last = kept ? &ranges[kept - 1] : NULL;

		if (!last || last->protocol != ranges[i].protocol ||
		    ranges[i].first > last->last + 1)
			ranges[kept++] = ranges[i];
		else if (ranges[i].last > last->last)
			last->last = ranges[i].last;
	}
	return intern_add(&ports->sets, ranges, kept * sizeof(*ranges));
}

struct found {
	struct port_range *v;
	size_t n;
};

static void find_name(const struct ports *ports, const struct warder_port_match *match,
		      int protocol, uint32_t holder, struct found *found)
{
	uint32_t name = intern_find(&ports->names, match->name, strlen(match->name) + 1);
	const struct port_name *has;
	size_t size;

	has = intern_get(&ports->holders, holder, &size);
	for (size_t i = 0; i < size / sizeof(*has); i++)
		if (has[i].name == name && has[i].protocol == protocol)
			PUSH(found->v, found->n) = (struct port_range){
				.protocol = protocol,
				.first = has[i].port,
				.last = has[i].port,
			};
}

static uint32_t resolve(struct ports *ports, const struct warder_rule *rule, uint32_t holder,
			bool strict)
{
	struct found found = {0};
	uint32_t set;

	if (rule->all_ports)
		return PORT_SET_ALL;
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct warder_port_match *match = &rule->ports[i];

		for (int p = 0; p < WARDER_PROTOCOLS; p++) {
			if (match->protocol && match->protocol != protocols[p])
				continue;
			if (match->name && !strict)
				find_name(ports, match, p, holder, &found);
			else
				PUSH(found.v, found.n) = (struct port_range){
					.protocol = p,
					.first = match->name ? 0 : match->first,
					.last = match->name ? 65535 : match->last,
				};
		}
	}
	set = add_set(ports, found.v, found.n);
	free(found.v);
	return set;
}

uint32_t ports_resolve(struct ports *ports, uint32_t spec, uint32_t holder, bool strict)
{
	uint32_t key[3] = {spec, ports->named[spec] ? holder : PORT_HOLDER_NONE,
			   ports->named[spec] && strict};
	uint32_t asked = intern_find(&ports->asked, key, sizeof(key)), answer;

	if (asked != INTERN_NONE)
		return ports->answers[asked];
	answer = resolve(ports, ports->specs[spec], key[1], key[2]);
	intern_add(&ports->asked, key, sizeof(key));
	PUSH(ports->answers, ports->n_answers) = answer;
	return answer;
}

void ports_clear(struct ports *ports)
{
	intern_clear(&ports->known_specs);
	intern_clear(&ports->names);
	intern_clear(&ports->holders);
	intern_clear(&ports->sets);
	intern_clear(&ports->asked);
	free(ports->name_used);
	free(ports->specs);
	free(ports->named);
	free(ports->answers);
	free(ports->bitmaps);
	*ports = (struct ports){0};
}
