/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterNetworkPolicy, policy.networking.k8s.io/v1alpha2: the standard channel, and of the
 * experimental one `nodes` and `destinationNamedPort`.  `domainNames` needs a DNS proxy that
 * Warder does not have: such a policy is broken and denies.
 * https://network-policy-api.sigs.k8s.io/reference/spec/
 */
#include <netinet/in.h>
#include <string.h>

#include "base/memory.h"
#include "store/decode_rule.h"
#include "store/selector.h"

/* {namespaceSelector, podSelector} */
static bool read_namespaced_pod(struct decode *d, const json_t *value, struct warder_term *term)
{
	const json_t *namespaces = warder_field_get(value, "namespaceSelector");
	size_t mark;

	if (!warder_field_object(&d->field, value, "namespaceSelector podSelector"))
		return false;
	mark = warder_field_at(&d->field, ".namespaceSelector");
	if (namespaces && !(term->namespaces = warder_selector_decode(&d->field, namespaces)))
		return false;
	warder_field_back(&d->field, mark);
	mark = warder_field_at(&d->field, ".podSelector");
	if (!(term->pods =
		      warder_selector_decode(&d->field, warder_field_get(value, "podSelector"))))
		return false;
	warder_field_back(&d->field, mark);
	return true;
}

/* Exactly one of `names` is there: returns it, or NULL (and notes it). */
static const char *read_choice(struct decode *d, const json_t *value, const char *names)
{
	const char *name, *found = NULL;
	json_t *member;
	size_t n = 0;

	if (!warder_field_object(&d->field, value, names))
		return NULL;
	json_object_foreach((json_t *)value, name, member)
	{
		if (!json_is_null(member)) {
			found = name;
			n++;
		}
	}
	if (n != 1) {
		warder_field_refuse(&d->field, "must have exactly one of: %s", names);
		return NULL;
	}
	return found;
}

static bool read_subject(struct decode *d, const json_t *value)
{
	const char *choice = read_choice(d, value, "namespaces pods");
	struct warder_term subject = {.type = WARDER_TERM_PODS};
	bool good;

	if (!choice)
		return false;
	warder_field_at(&d->field, ".%s", choice);
	if (!strcmp(choice, "pods"))
		good = read_namespaced_pod(d, json_object_get(value, choice), &subject);
	else
		good = (subject.namespaces =
				warder_selector_decode(&d->field, json_object_get(value, choice)));
	if (good) {
		d->policy->subject = subject;
		return true;
	}
	warder_selector_free(subject.namespaces);
	warder_selector_free(subject.pods);
	return false;
}

static bool read_networks(struct decode *d, const json_t *list, struct warder_rule *rule)
{
	json_t *value;
	size_t i;

	if (!warder_field_list(&d->field, list))
		return false;
	if (!json_array_size(list))
		return warder_field_refuse(&d->field, "is empty: name at least one network");
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);
		struct warder_term term = {.type = WARDER_TERM_CIDR};

		if (!decode_cidr(d, value, &term.cidr))
			return false;
		PUSH(rule->terms, rule->n_terms) = term;
		warder_field_back(&d->field, mark);
	}
	return true;
}

static bool read_peer(struct decode *d, const json_t *value, struct warder_rule *rule)
{
	const char *choice = read_choice(d, value,
					 rule->direction == WARDER_INGRESS
						 ? "namespaces pods"
						 : "namespaces pods nodes networks domainNames");
	const json_t *member = choice ? json_object_get(value, choice) : NULL;
	struct warder_term *term;
	bool good;

	if (!choice)
		return false;
	warder_field_at(&d->field, ".%s", choice);
	if (!strcmp(choice, "domainNames"))
		return warder_field_refuse(&d->field,
					   "domain names are not supported: use networks");
	if (!strcmp(choice, "networks"))
		return read_networks(d, member, rule);
	PUSH(rule->terms, rule->n_terms) = (struct warder_term){
		.type = !strcmp(choice, "nodes") ? WARDER_TERM_NODES : WARDER_TERM_PODS,
	};
	term = &rule->terms[rule->n_terms - 1];
	if (!strcmp(choice, "pods"))
		return read_namespaced_pod(d, member, term);
	if (term->type == WARDER_TERM_NODES)
		good = (term->nodes = warder_selector_decode(&d->field, member));
	else
		good = (term->namespaces = warder_selector_decode(&d->field, member));
	return good;
}

static bool read_peers(struct decode *d, const json_t *list, struct warder_rule *rule)
{
	json_t *value;
	size_t i;

	if (!list)
		return warder_field_refuse(&d->field, "is missing: name at least one peer");
	if (!warder_field_list(&d->field, list))
		return false;
	if (!json_array_size(list))
		return warder_field_refuse(&d->field, "is empty: name at least one peer");
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);

		if (!read_peer(d, value, rule))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

/* {number} or {range: {start, end}} */
static bool read_destination(struct decode *d, const json_t *value, struct warder_port_match *match)
{
	const char *choice = read_choice(d, value, "number range");
	const json_t *member = choice ? json_object_get(value, choice) : NULL;
	long long first, last;
	size_t mark;

	if (!choice)
		return false;
	mark = warder_field_at(&d->field, ".%s", choice);
	if (!strcmp(choice, "number")) {
		first = last = warder_field_integer(&d->field, member, 1, 65535);
		if (first < 0)
			return false;
	} else {
		if (!warder_field_object(&d->field, member, "start end"))
			return false;
		warder_field_at(&d->field, ".start");
		first = warder_field_integer(&d->field, warder_field_get(member, "start"), 1,
					     65534);
		if (first < 0)
			return false;
		warder_field_back(&d->field, mark);
		warder_field_at(&d->field, ".range.end");
		last = warder_field_integer(&d->field, warder_field_get(member, "end"), first + 1,
					    65535);
		if (last < 0)
			return false;
	}
	warder_field_back(&d->field, mark);
	match->first = first;
	match->last = last;
	return true;
}

static bool read_protocol(struct decode *d, const json_t *value, struct warder_port_match *match)
{
	const char *choice = read_choice(d, value, "tcp udp sctp destinationNamedPort");
	const json_t *member = choice ? json_object_get(value, choice) : NULL;
	const char *name;

	if (!choice)
		return false;
	warder_field_at(&d->field, ".%s", choice);
	if (!strcmp(choice, "destinationNamedPort")) {
		name = warder_field_text(&d->field, member);
		if (!name)
			return false;
		if (!decode_port_name_valid(name))
			return warder_field_refuse(&d->field, "\"%.64s\" is no port name", name);
		match->name = warder_memory_text(name);
		return true;
	}
	match->protocol = *choice == 't'   ? IPPROTO_TCP
			  : *choice == 'u' ? IPPROTO_UDP
					   : IPPROTO_SCTP;
	if (!warder_field_object(&d->field, member, "destinationPort"))
		return false;
	warder_field_at(&d->field, ".destinationPort");
	if (!warder_field_get(member, "destinationPort"))
		return warder_field_refuse(&d->field,
					   "is missing: write the range 1 to 65535 for every port");
	return read_destination(d, warder_field_get(member, "destinationPort"), match);
}

static bool read_protocols(struct decode *d, const json_t *list, struct warder_rule *rule)
{
	json_t *value;
	size_t i;

	rule->all_ports = !list;
	if (!list)
		return true;
	if (!warder_field_list(&d->field, list))
		return false;
	if (!json_array_size(list))
		return warder_field_refuse(
			&d->field, "is empty: remove the field to mean every protocol and port");
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);
		struct warder_port_match *match;

		PUSH(rule->ports, rule->n_ports) = (struct warder_port_match){0};
		match = &rule->ports[rule->n_ports - 1];
		if (!read_protocol(d, value, match))
			return false;
		warder_field_back(&d->field, mark);
		if (!match->name || rule->direction == WARDER_INGRESS)
			continue;
		for (size_t t = 0; t < rule->n_terms; t++)
			if (rule->terms[t].type != WARDER_TERM_PODS)
				return warder_field_refuse(&d->field,
							   "destinationNamedPort cannot stand "
							   "beside networks or nodes: "
							   "these have no named ports");
	}
	return true;
}

static bool read_action(struct decode *d, const json_t *value, enum warder_action *ret)
{
	static const char *const names[] = {
		[WARDER_ACCEPT] = "Accept",
		[WARDER_DENY] = "Deny",
		[WARDER_PASS] = "Pass",
	};
	const char *text = warder_field_text(&d->field, value);

	for (unsigned i = 0; text && i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			*ret = i;
			return true;
		}
	}
	return text &&
	       warder_field_refuse(&d->field, "unknown action \"%.64s\": use Accept, Deny or Pass",
				   text);
}

static bool read_rule(struct decode *d, const json_t *value, enum warder_direction direction)
{
	const char *peers = direction == WARDER_INGRESS ? "from" : "to";
	struct warder_policy *policy = d->policy;
	struct warder_rule *rule;
	size_t mark;

	if (!warder_field_object(&d->field, value,
				 direction == WARDER_INGRESS ? "name action from protocols"
							     : "name action to protocols"))
		return false;
	PUSH(policy->rules, policy->n_rules) = (struct warder_rule){.direction = direction};
	rule = &policy->rules[policy->n_rules - 1];
	mark = warder_field_at(&d->field, ".name");
	if (warder_field_get(value, "name") &&
	    !warder_field_text(&d->field, warder_field_get(value, "name")))
		return false;
	warder_field_back(&d->field, mark);
	warder_field_at(&d->field, ".action");
	if (!read_action(d, warder_field_get(value, "action"), &rule->action))
		return false;
	warder_field_back(&d->field, mark);
	warder_field_at(&d->field, ".%s", peers);
	if (!read_peers(d, warder_field_get(value, peers), rule))
		return false;
	warder_field_back(&d->field, mark);
	warder_field_at(&d->field, ".protocols");
	if (!read_protocols(d, warder_field_get(value, "protocols"), rule))
		return false;
	warder_field_back(&d->field, mark);
	return true;
}

static bool read_rules(struct decode *d, const json_t *list, enum warder_direction direction)
{
	json_t *value;
	size_t i;

	if (!warder_field_list(&d->field, list))
		return false;
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);

		if (!read_rule(d, value, direction))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

/* Where the tier is not understood, the strictest: Admin; and there the first priority. */
static void read_place(struct decode *d, const json_t *spec)
{
	size_t mark = warder_field_at(&d->field, ".tier");
	const char *tier = warder_field_text(&d->field, warder_field_get(spec, "tier"));
	long long priority;

	d->policy->tier = WARDER_TIER_ADMIN;
	if (tier && !strcmp(tier, "Baseline"))
		d->policy->tier = WARDER_TIER_BASELINE;
	else if (tier && strcmp(tier, "Admin"))
		warder_field_refuse(&d->field, "unknown tier \"%.64s\": use Admin or Baseline",
				    tier);
	warder_field_back(&d->field, mark);
	warder_field_at(&d->field, ".priority");
	priority = warder_field_integer(&d->field, warder_field_get(spec, "priority"), 0, 1000);
	d->policy->priority = priority < 0 ? 0 : priority;
	warder_field_back(&d->field, mark);
}

void decode_cluster_network_policy(struct decode *d, const json_t *spec)
{
	static const char *const names[] = {
		[WARDER_INGRESS] = "ingress", [WARDER_EGRESS] = "egress"};
	size_t mark = d->field.length;

	warder_field_object(&d->field, spec, "tier priority subject ingress egress");
	read_place(d, spec);
	warder_field_at(&d->field, ".subject");
	read_subject(d, warder_field_get(spec, "subject"));
	warder_field_back(&d->field, mark);
	for (unsigned direction = 0; direction < 2; direction++) {
		warder_field_at(&d->field, ".%s", names[direction]);
		if (warder_field_get(spec, names[direction]))
			read_rules(d, warder_field_get(spec, names[direction]), direction);
		warder_field_back(&d->field, mark);
	}
}
