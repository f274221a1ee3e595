/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IdentityPolicy, warder.io/v1alpha1: subjects and peers by (namespace, ServiceAccount).  Shape
 * and defaults are NetworkPolicy's wherever both have a field; deploy/crds/identitypolicy.yaml is
 * the schema, and what it refuses is refused here.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/decode_rule.h"
#include "store/member.h"
#include "store/selector.h"

#define SPIFFE "spiffe://"

/* Fills in a name, NULL for "*". */
static bool take_name(struct decode *d, const char *text, bool label, bool wildcard, char **ret)
{
	if (wildcard && !strcmp(text, "*"))
		return true;
	if (!(label ? warder_name_is_label(text) : warder_name_is_subdomain(text)))
		return warder_field_refuse(&d->field, "\"%.64s\" is no name of a %s%s", text,
					   label ? "namespace" : "ServiceAccount",
					   wildcard ? "; \"*\" may stand only for the whole name"
						    : "");
	*ret = warder_memory_text(text);
	return true;
}

static bool read_name(struct decode *d, const json_t *identity, const char *member, bool label,
		      char **ret)
{
	size_t mark = warder_field_at(&d->field, ".%s", member);
	const char *text = warder_field_text(&d->field, warder_field_get(identity, member));

	if (!text || !take_name(d, text, label, true, ret))
		return false;
	warder_field_back(&d->field, mark);
	return true;
}

static bool trust_domain_valid(const char *name)
{
	return *name && strlen(name) <= 255 &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_")];
}

/* spiffe://<trust domain>/ns/<namespace>/sa/<ServiceAccount>, "*" for any whole segment. */
static bool read_spiffe(struct decode *d, const json_t *value, struct warder_tuple *tuple)
{
	const char *text = warder_field_text(&d->field, value);
	char domain[256], ns[64], account[254];
	int end = 0;

	if (!text)
		return false;
	if (strncmp(text, SPIFFE, strlen(SPIFFE)) ||
	    sscanf(text + strlen(SPIFFE), "%255[^/]/ns/%63[^/]/sa/%253[^/]%n", domain, ns, account,
		   &end) != 3 ||
	    text[strlen(SPIFFE) + end])
		return warder_field_refuse(
			&d->field,
			"\"%.100s\" must read spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICEACCOUNT",
			text);
	if (strcmp(domain, "*")) {
		if (!trust_domain_valid(domain))
			return warder_field_refuse(&d->field, "\"%.64s\" is no trust domain",
						   domain);
		tuple->trust_domain = warder_memory_text(domain);
	}
	return take_name(d, ns, true, true, &tuple->ns) &&
	       take_name(d, account, false, true, &tuple->service_account);
}

static bool read_identity(struct decode *d, const json_t *value, struct warder_tuple *tuple)
{
	const json_t *spiffe = warder_field_get(value, "spiffe");
	size_t mark;

	if (!warder_field_object(&d->field, value, "namespace serviceAccount spiffe"))
		return false;
	if (!spiffe)
		return read_name(d, value, "namespace", true, &tuple->ns) &&
		       read_name(d, value, "serviceAccount", false, &tuple->service_account);
	if (warder_field_get(value, "namespace") || warder_field_get(value, "serviceAccount"))
		return warder_field_refuse(&d->field,
					   "write either spiffe, or namespace and serviceAccount");
	mark = warder_field_at(&d->field, ".spiffe");
	if (!read_spiffe(d, spiffe, tuple))
		return false;
	warder_field_back(&d->field, mark);
	return true;
}

static bool wanted_list(struct decode *d, const json_t *list)
{
	if (!warder_field_list(&d->field, list))
		return false;
	if (!json_array_size(list))
		return warder_field_refuse(&d->field,
					   "is empty: name at least one, or remove the field");
	return true;
}

static bool read_identities(struct decode *d, const json_t *list, struct warder_term *term)
{
	json_t *value;
	size_t i;

	if (!wanted_list(d, list))
		return false;
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);

		PUSH(term->tuples, term->n_tuples) = (struct warder_tuple){0};
		if (!read_identity(d, value, &term->tuples[term->n_tuples - 1]))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

/* ServiceAccounts by name: of whatever namespace the rest of the term says. */
static bool read_accounts(struct decode *d, const json_t *list, struct warder_term *term)
{
	json_t *value;
	size_t i;

	if (!wanted_list(d, list))
		return false;
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i);
		const char *text = warder_field_text(&d->field, value);

		PUSH(term->tuples, term->n_tuples) = (struct warder_tuple){0};
		if (!text || !take_name(d, text, false, false,
					&term->tuples[term->n_tuples - 1].service_account))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

static bool read_entities(struct decode *d, const json_t *list, struct warder_term *term)
{
	static const struct {
		const char *name;
		unsigned bit;
	} entities[] = {
		{"world", WARDER_ENTITY_WORLD},
		{"host", WARDER_ENTITY_HOST},
		{"node-snat", WARDER_ENTITY_NODE_SNAT},
		{"kube-apiserver", WARDER_ENTITY_KUBE_APISERVER},
	};
	json_t *value;
	size_t i;

	if (!wanted_list(d, list))
		return false;
	json_array_foreach((json_t *)list, i, value)
	{
		size_t mark = warder_field_at(&d->field, "[%zu]", i), e;
		const char *text = warder_field_text(&d->field, value);

		for (e = 0; text && e < sizeof(entities) / sizeof(*entities); e++)
			if (!strcmp(text, entities[e].name))
				break;
		if (!text)
			return false;
		if (e == sizeof(entities) / sizeof(*entities))
			return warder_field_refuse(&d->field,
						   "unknown entity \"%.64s\": use world, host, "
						   "node-snat or kube-apiserver",
						   text);
		term->entities |= entities[e].bit;
		warder_field_back(&d->field, mark);
	}
	return true;
}

static bool read_selectors(struct decode *d, const json_t *value, struct warder_term *term)
{
	static const char *const names[] = {"namespaceSelector", "podSelector", "serviceAccounts"};

	for (unsigned i = 0; i < 3; i++) {
		const json_t *member = warder_field_get(value, names[i]);
		size_t mark = warder_field_at(&d->field, ".%s", names[i]);

		if (member && i == 0 &&
		    !(term->namespaces = warder_selector_decode(&d->field, member)))
			return false;
		if (member && i == 1 && !(term->pods = warder_selector_decode(&d->field, member)))
			return false;
		if (member && i == 2 && !read_accounts(d, member, term))
			return false;
		warder_field_back(&d->field, mark);
	}
	return true;
}

static bool read_peer(struct decode *d, const json_t *value, struct warder_rule *rule)
{
	const json_t *identities = warder_field_get(value, "identities"),
		     *block = warder_field_get(value, "ipBlock");
	const json_t *nodes = warder_field_get(value, "nodeSelector"),
		     *entities = warder_field_get(value, "entities");
	bool selectors = warder_field_get(value, "namespaceSelector") ||
			 warder_field_get(value, "podSelector") ||
			 warder_field_get(value, "serviceAccounts");
	struct warder_term *term;

	if (!warder_field_object(&d->field, value,
				 "identities namespaceSelector podSelector serviceAccounts ipBlock "
				 "nodeSelector entities"))
		return false;
	if (!!identities + !!block + !!nodes + !!entities + selectors != 1)
		return warder_field_refuse(
			&d->field,
			"must be exactly one of identities, selectors (namespaceSelector, "
			"podSelector, serviceAccounts), ipBlock, nodeSelector, entities");
	warder_field_at(&d->field, "%s",
			identities ? ".identities"
			: block	   ? ".ipBlock"
			: nodes	   ? ".nodeSelector"
			: entities ? ".entities"
				   : "");
	if (block)
		return decode_ip_block(d, block, rule);
	PUSH(rule->terms, rule->n_terms) = (struct warder_term){
		.type = nodes	   ? WARDER_TERM_NODES
			: entities ? WARDER_TERM_ENTITIES
				   : WARDER_TERM_PODS,
	};
	term = &rule->terms[rule->n_terms - 1];
	if (nodes)
		return (term->nodes = warder_selector_decode(&d->field, nodes));
	if (entities)
		return read_entities(d, entities, term);
	if (identities)
		return read_identities(d, identities, term);
	if (!warder_field_get(value, "namespaceSelector"))
		term->ns = warder_memory_text(d->ns);
	return read_selectors(d, value, term);
}

static bool read_subject(struct decode *d, const json_t *value, struct warder_term *subject)
{
	if (!value)
		return warder_field_refuse(&d->field,
					   "is missing: write {} for every pod of the namespace");
	return warder_field_object(&d->field, value, "podSelector serviceAccounts") &&
	       read_selectors(d, value, subject);
}

void decode_identity_policy(struct decode *d, const json_t *spec)
{
	struct warder_policy *policy = d->policy;
	size_t mark = d->field.length;
	bool known = warder_field_object(&d->field, spec, "subject policyTypes ingress egress");
	struct warder_term *subject = &policy->subject;

	decode_policy_types(d, spec);
	if (!known)
		policy->isolates[WARDER_INGRESS] = policy->isolates[WARDER_EGRESS] = true;
	warder_field_at(&d->field, ".subject");
	if (!read_subject(d, warder_field_get(spec, "subject"), subject)) {
		/* What is understood of it selects too many or too few: every pod of the namespace,
		 * then. */
		warder_selector_free(TAKE(subject->pods));
		warder_tuples_free(TAKE(subject->tuples), subject->n_tuples);
		subject->n_tuples = 0;
	}
	warder_field_back(&d->field, mark);
	decode_rules(d, spec, read_peer);
}
