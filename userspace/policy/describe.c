/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/describe.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/compiler.h"

bool warder_policy_judges(const struct warder_policy *policy, enum warder_direction direction)
{
	if (policy->isolates[direction])
		return true;
	for (size_t i = 0; i < policy->n_rules; i++)
		if (policy->rules[i].direction == direction)
			return true;
	return false;
}

/* The group holds the list of its endpoints: all of one group have the same. */
static const struct warder_matrix_group *group_of(const struct warder_matrix *matrix,
						  size_t endpoint)
{
	return &matrix->groups[matrix->endpoints[endpoint].group];
}

size_t warder_matrix_selected_by(const struct warder_matrix *matrix, size_t endpoint,
				 const struct warder_object **ret, size_t room)
{
	const struct warder_matrix_group *group = group_of(matrix, endpoint);

	for (size_t i = 0; i < group->n_policies && i < room; i++)
		ret[i] = matrix->compiler->policies[group->policies[i]].object;
	return group->n_policies;
}

static const struct compiled_policy *find(const struct warder_matrix *matrix,
					  const struct warder_object *policy)
{
	const struct compiler *c = matrix->compiler;

	for (size_t i = 0; i < c->n_policies; i++)
		if (c->policies[i].object->kind == policy->kind &&
		    !strcmp(c->policies[i].object->ns, policy->ns) &&
		    !strcmp(c->policies[i].object->name, policy->name))
			return &c->policies[i];
	return NULL;
}

bool warder_matrix_selects(const struct warder_matrix *matrix, const struct warder_object *policy,
			   size_t endpoint)
{
	const struct compiled_policy *compiled = find(matrix, policy);
	const struct warder_matrix_group *group = group_of(matrix, endpoint);

	for (size_t i = 0; compiled && i < group->n_policies; i++)
		if (&matrix->compiler->policies[group->policies[i]] == compiled)
			return true;
	return false;
}

size_t warder_matrix_rule_classes(const struct warder_matrix *matrix,
				  const struct warder_object *policy, size_t rule, __u32 *ret,
				  size_t room)
{
	const struct compiled_policy *compiled = find(matrix, policy);
	size_t n = 0;

	if (!compiled || rule >= compiled->n_rules)
		return 0;
	for (__u32 class = 0; class < matrix->n_classes; class ++) {
		bool named = compiled->rules[rule].any;

		for (size_t a = 0; a < compiled->rules[rule].atoms.n && !named; a++)
			named = compile_class_has(matrix->compiler, class,
						  compiled->rules[rule].atoms.v[a]);
		if (!named)
			continue;
		if (n < room)
			ret[n] = class;
		n++;
	}
	return n;
}

const char *warder_port_match_text(const struct warder_port_match *port, char *buffer, size_t size)
{
	const char *protocol = port->protocol == IPPROTO_TCP	? "TCP"
			       : port->protocol == IPPROTO_UDP	? "UDP"
			       : port->protocol == IPPROTO_SCTP ? "SCTP"
								: "any";

	if (port->name)
		snprintf(buffer, size, "%s %s", protocol, port->name);
	else if (port->first == 0 && port->last == 65535)
		snprintf(buffer, size, "%s", protocol);
	else if (port->first == port->last)
		snprintf(buffer, size, "%s %u", protocol, port->first);
	else
		snprintf(buffer, size, "%s %u-%u", protocol, port->first, port->last);
	return buffer;
}
