/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a rule.  The API server's validation is the measure
 * (https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/): what
 * it would not accept is refused here too, since a manifest directory has no API server in front.
 */
#include "store/decode_rule.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bool decode_port_name_valid(const char *name)
{
	size_t n = strlen(name);
	bool letter = false;

	if (!n || n > 15 || name[0] == '-' || name[n - 1] == '-' || strstr(name, "--"))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    name[i] != '-')
			return false;
		letter |= islower((unsigned char)name[i]);
	}
	return letter;
}

bool decode_cidr(struct decode *d, const json_t *value, struct warder_prefix *ret)
{
	const char *text = warder_field_text(&d->field, value);
	char masked[WARDER_ADDRESS_TEXT];
	int error;

	if (!text)
		return false;
	error = warder_prefix_parse(text, ret);
	if (error == -EDOM && !d->policy->warning)
		d->policy->warning = warder_memory_format(
			"%s: \"%s\" has bits set behind its length; read as %s", d->field.path,
			text, warder_prefix_format(ret, masked));
	if (error && error != -EDOM)
		return warder_field_refuse(&d->field,
					   "\"%.64s\" is no CIDR: write it as 10.0.0.0/8 or "
					   "fd00::/8, without leading zeros",
					   text);
	return true;
}

static bool read_except(struct decode *d, const json_t *list, struct warder_term *term)
{
	json_t *value;
	size_t i;

	if (!warder_field_list(&d->field, list))
		return false;
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);
		struct warder_prefix except;

		if (!decode_cidr(d, value, &except))
			return false;
		if (except.bits <= term->cidr.bits || !warder_prefix_covers(&term->cidr, &except))
			return warder_field_refuse(&d->field,
						   "must be a smaller block inside cidr");
		PUSH(term->except, term->n_except) = except;
		warder_field_back(&d->field, mark);
	}
	return true;
}

bool decode_ip_block(struct decode *d, const json_t *value, struct warder_rule *rule)
{
	const json_t *except = warder_field_get(value, "except");
	struct warder_term *term;
	size_t mark;

	if (!warder_field_object(&d->field, value, "cidr except"))
		return false;
	PUSH(rule->terms, rule->n_terms) = (struct warder_term){.type = WARDER_TERM_CIDR};
	term = &rule->terms[rule->n_terms - 1];
	mark = warder_field_at(&d->field, ".cidr");
	if (!decode_cidr(d, warder_field_get(value, "cidr"), &term->cidr))
		return false;
	warder_field_back(&d->field, mark);
	mark = warder_field_at(&d->field, ".except");
	if (except && !read_except(d, except, term))
		return false;
	warder_field_back(&d->field, mark);
	return true;
}

static bool read_protocol(struct decode *d, const json_t *value, __u8 *ret)
{
	const char *text = value ? warder_field_text(&d->field, value) : "TCP";

	if (!text)
		return false;
	if (!strcmp(text, "TCP"))
		*ret = IPPROTO_TCP;
	else if (!strcmp(text, "UDP"))
		*ret = IPPROTO_UDP;
	else if (!strcmp(text, "SCTP"))
		*ret = IPPROTO_SCTP;
	else
		return warder_field_refuse(
			&d->field, "unknown protocol \"%.64s\": use TCP, UDP or SCTP", text);
	return true;
}

static bool read_port_value(struct decode *d, const json_t *value, struct warder_port_match *match)
{
	if (!value) {
		match->last = 65535;
	} else if (json_is_string(value)) {
		const char *name = warder_field_text(&d->field, value);

		if (!name)
			return false;
		if (!decode_port_name_valid(name))
			return warder_field_refuse(
				&d->field,
				"\"%.64s\" is no port name; write a port's number without quotes",
				name);
		match->name = warder_memory_text(name);
	} else {
		long long port = warder_field_integer(&d->field, value, 1, 65535);

		if (port < 0)
			return false;
		match->first = match->last = port;
	}
	return true;
}

static bool read_port(struct decode *d, const json_t *value, struct warder_port_match *match)
{
	const json_t *port = warder_field_get(value, "port"),
		     *end = warder_field_get(value, "endPort");
	long long last;
	size_t mark;

	if (!warder_field_object(&d->field, value, "protocol port endPort"))
		return false;
	mark = warder_field_at(&d->field, ".protocol");
	if (!read_protocol(d, warder_field_get(value, "protocol"), &match->protocol))
		return false;
	warder_field_back(&d->field, mark);
	mark = warder_field_at(&d->field, ".port");
	if (!read_port_value(d, port, match))
		return false;
	warder_field_back(&d->field, mark);
	if (!end)
		return true;
	mark = warder_field_at(&d->field, ".endPort");
	if (!json_is_integer(port))
		return warder_field_refuse(&d->field, "needs a numeric port beside it");
	last = warder_field_integer(&d->field, end, match->first, 65535);
	if (last < 0)
		return false;
	match->last = last;
	warder_field_back(&d->field, mark);
	return true;
}

static bool read_ports(struct decode *d, const json_t *list, struct warder_rule *rule)
{
	json_t *value;
	size_t i;

	rule->all_ports = !list;
	if (!list)
		return true;
	if (!warder_field_list(&d->field, list))
		return false;
	rule->all_ports = !json_array_size(list);
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);

		PUSH(rule->ports, rule->n_ports) = (struct warder_port_match){0};
		if (!read_port(d, value, &rule->ports[rule->n_ports - 1]))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

static bool read_peers(struct decode *d, const json_t *list, struct warder_rule *rule,
		       decode_peer *peer)
{
	json_t *value;
	size_t i;

	if (list && !warder_field_list(&d->field, list))
		return false;
	if (!list || !json_array_size(list)) {
		PUSH(rule->terms, rule->n_terms) = (struct warder_term){.type = WARDER_TERM_ANY};
		return true;
	}
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);

		if (!peer(d, value, rule))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

static bool read_rule(struct decode *d, const json_t *value, enum warder_direction direction,
		      decode_peer *peer)
{
	const char *peers = direction == WARDER_INGRESS ? "from" : "to";
	struct warder_policy *policy = d->policy;
	struct warder_rule *rule;
	size_t mark;

	if (!warder_field_object(&d->field, value,
				 direction == WARDER_INGRESS ? "from ports" : "to ports"))
		return false;
	PUSH(policy->rules, policy->n_rules) =
		(struct warder_rule){.direction = direction, .action = WARDER_ACCEPT};
	rule = &policy->rules[policy->n_rules - 1];
	mark = warder_field_at(&d->field, ".%s", peers);
	if (!read_peers(d, warder_field_get(value, peers), rule, peer))
		return false;
	warder_field_back(&d->field, mark);
	mark = warder_field_at(&d->field, ".ports");
	if (!read_ports(d, warder_field_get(value, "ports"), rule))
		return false;
	warder_field_back(&d->field, mark);
	return true;
}

static bool read_direction(struct decode *d, const json_t *list, enum warder_direction direction,
			   decode_peer *peer)
{
	size_t before = d->policy->n_rules, i;
	json_t *value;

	if (!warder_field_list(&d->field, list))
		return false;
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);

		if (!read_rule(d, value, direction, peer))
			return false;
		warder_field_back(&d->field, mark);
	}
	if (!d->policy->isolates[direction])
		warder_policy_truncate(d->policy, before);
	return true;
}

bool decode_rules(struct decode *d, const json_t *spec, decode_peer *peer)
{
	static const char *const names[] = {
		[WARDER_INGRESS] = "ingress", [WARDER_EGRESS] = "egress"};

	for (unsigned direction = 0; direction < 2; direction++) {
		const json_t *list = warder_field_get(spec, names[direction]);
		size_t mark = warder_field_at(&d->field, ".%s", names[direction]);

		if (list && !read_direction(d, list, direction, peer))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

static bool read_types(struct decode *d, const json_t *list)
{
	bool isolates[2] = {false, false};
	json_t *value;
	size_t i;

	if (!warder_field_list(&d->field, list))
		return false;
	if (json_array_size(list) > 2)
		return warder_field_refuse(&d->field, "at most two: Ingress, Egress");
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);
		const char *text = warder_field_text(&d->field, value);

		if (!text)
			return false;
		if (strcmp(text, "Ingress") && strcmp(text, "Egress"))
			return warder_field_refuse(
				&d->field, "unknown type \"%.64s\": use Ingress or Egress", text);
		isolates[*text == 'I' ? WARDER_INGRESS : WARDER_EGRESS] = true;
		warder_field_back(&d->field, mark);
	}
	memcpy(d->policy->isolates, isolates, sizeof(isolates));
	return true;
}

bool decode_policy_types(struct decode *d, const json_t *spec)
{
	const json_t *types = warder_field_get(spec, "policyTypes"),
		     *egress = warder_field_get(spec, "egress");
	size_t mark = warder_field_at(&d->field, ".policyTypes");
	bool good = true;

	/* The default: ingress always, egress where there is a rule for it (or what was meant as
	 * one). */
	d->policy->isolates[WARDER_INGRESS] = true;
	d->policy->isolates[WARDER_EGRESS] =
		egress && (!json_is_array(egress) || json_array_size(egress));
	if (types && (!json_is_array(types) || json_array_size(types)))
		good = read_types(d, types);
	if (!good)
		d->policy->isolates[WARDER_INGRESS] = d->policy->isolates[WARDER_EGRESS] = true;
	warder_field_back(&d->field, mark);
	return good;
}
