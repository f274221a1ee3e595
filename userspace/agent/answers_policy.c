/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent tells about policies: what they compiled to, whom they select, and why a connection may or
 * may not be. */
#include <string.h>

#include "agent/answers.h"
#include "base/cleanup.h"
#include "policy/describe.h"
#include "policy/explain.h"

#define CLASSES_TOLD 64 /* of one rule */
#define MEMBERS_TOLD 64 /* of one class */

static const char *tier_name(enum warder_tier tier)
{
	return tier == WARDER_TIER_ADMIN      ? "admin"
	       : tier == WARDER_TIER_BASELINE ? "baseline"
					      : "namespaced";
}

/* The names of the endpoints that a policy selects. */
static json_t *selects(const struct agent *agent, const struct warder_object *policy)
{
	json_t *list = json_array();

	for (size_t i = 0; agent->matrix && i < agent->matrix->n_endpoints; i++)
		if (warder_matrix_selects(agent->matrix, policy, i))
			json_array_append_new(
				list, json_sprintf("%s/%s", agent->matrix->endpoints[i].pod->ns,
						   agent->matrix->endpoints[i].pod->name));
	return list;
}

static bool in_force(const struct agent *agent)
{
	return agent->matrix && agent->store_version == warder_store_version(agent->store) &&
	       !agent->trouble[0];
}

static json_t *policy_json(const struct agent *agent, const struct warder_object *object,
			   const json_t *selected)
{
	const struct warder_policy *policy = object->policy;
	json_t *directions = json_array();

	for (unsigned d = 0; d < 2; d++)
		if (warder_policy_judges(policy, d))
			json_array_append_new(directions, json_string(answer_direction(d)));
	return json_pack("{s:s, s:o, s:s, s:s, s:i, s:s, s:b, s:o, s:o, s:I, s:I, s:o}", "kind",
			 object->kind_name, "namespace", answer_string(object->ns), "name",
			 object->name, "tier", tier_name(policy->tier), "priority",
			 policy->priority, "mode", answer_mode(answer_policy_audits(agent, object)),
			 "in_force", in_force(agent), "broken", answer_string(policy->broken),
			 "directions", directions, "rules", (json_int_t)policy->n_rules,
			 "endpoints", (json_int_t)json_array_size(selected), "origin",
			 answer_string(object->origin));
}

void answer_policy_list(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	json_t *list = json_array();

	for (int kind = 0; kind < WARDER_KINDS; kind++) {
		size_t n;
		struct warder_object *const *policies;

		if (!warder_kind_is_policy(kind))
			continue;
		policies = warder_store_list(agent->store, kind, &n);
		for (size_t i = 0; i < n; i++) {
			json_t *selected = selects(agent, policies[i]);

			json_array_append_new(list, policy_json(agent, policies[i], selected));
			json_decref(selected);
		}
	}
	warder_api_answer(client, json_pack("{s:o}", "policies", list), false);
}

/* The policy of this kind (NULL = any) and "namespace/name" or "name"; NULL: none, or *ret_many of them. */
static const struct warder_object *find(const struct agent *agent, const char *want_kind,
					const char *text, bool *ret_many)
{
	const struct warder_object *found = NULL;
	const char *slash = strchr(text, '/'), *name = slash ? slash + 1 : text;

	for (int kind = 0; kind < WARDER_KINDS; kind++) {
		size_t n;
		struct warder_object *const *policies;

		if (!warder_kind_is_policy(kind))
			continue;
		policies = warder_store_list(agent->store, kind, &n);
		for (size_t i = 0; i < n; i++) {
			const struct warder_object *p = policies[i];

			if (strcmp(p->name, name) ||
			    (want_kind && strcasecmp(want_kind, p->kind_name)) ||
			    (slash && (strncmp(p->ns, text, slash - text) || p->ns[slash - text])))
				continue;
			*ret_many |= found != NULL;
			found = p;
		}
	}
	return *ret_many ? NULL : found;
}

/* Who is in a class: pods and nodes by name, Services by address, blocks. */
static json_t *members(const struct warder_matrix *matrix, __u32 class)
{
	json_t *list = json_array();
	char text[WARDER_ADDRESS_TEXT];
	const struct warder_object *last = NULL;

	for (size_t i = 0; i < matrix->n_peers && json_array_size(list) < MEMBERS_TOLD; i++) {
		const struct warder_matrix_peer *peer = &matrix->peers[i];

		if (peer->class != class || (peer->owner && peer->owner == last))
			continue;
		last = peer->owner;
		if (peer->owner && peer->owner->kind == WARDER_KIND_POD)
			json_array_append_new(
				list, json_sprintf("%s/%s", peer->owner->ns, peer->owner->name));
		else if (peer->owner)
			json_array_append_new(list, json_sprintf("node %s", peer->owner->name));
		else
			json_array_append_new(list,
					      json_string(warder_addr_format(&peer->addr, text)));
	}
	for (size_t i = 0; i < matrix->n_prefixes && json_array_size(list) < MEMBERS_TOLD; i++)
		if (matrix->prefixes[i].class == class)
			json_array_append_new(list, json_string(warder_prefix_format(
							    &matrix->prefixes[i].prefix, text)));
	return list;
}

static void port_classes(const struct warder_matrix *matrix, const struct warder_rule *rule,
			 json_t *texts, json_t *classes)
{
	char text[80];

	if (rule->all_ports)
		json_array_append_new(texts, json_string("all"));
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct warder_port_match *port = &rule->ports[i];

		json_array_append_new(
			texts, json_string(warder_port_match_text(port, text, sizeof(text))));
		if (!port->name && port->protocol && port->first == port->last)
			json_array_append_new(classes,
					      json_integer(warder_matrix_port_class(
						      matrix, port->protocol, port->first)));
	}
}

static json_t *compiled(const struct agent *agent, const struct warder_object *policy)
{
	static const char *const actions[] = {"allow", "deny", "pass"};
	json_t *list = json_array();

	for (size_t r = 0; agent->matrix && r < policy->policy->n_rules; r++) {
		const struct warder_rule *rule = &policy->policy->rules[r];
		json_t *classes = json_array(), *texts = json_array(), *numbers = json_array();
		__u32 found[CLASSES_TOLD];
		size_t n =
			warder_matrix_rule_classes(agent->matrix, policy, r, found, CLASSES_TOLD);

		for (size_t i = 0; i < n && i < CLASSES_TOLD; i++)
			json_array_append_new(classes, json_pack("{s:I, s:o}", "class",
								 (json_int_t)found[i], "members",
								 members(agent->matrix, found[i])));
		port_classes(agent->matrix, rule, texts, numbers);
		json_array_append_new(
			list, json_pack("{s:I, s:s, s:s, s:o, s:o, s:o}", "rule",
					(json_int_t)warder_policy_rule_number(policy->policy, r),
					"direction", answer_direction(rule->direction), "action",
					actions[rule->action], "classes", classes, "ports", texts,
					"port_classes", numbers));
	}
	return list;
}

static json_t *groups(const struct agent *agent, const struct warder_object *policy)
{
	json_t *list = json_array();
	__u32 last = (__u32)-1;

	for (size_t i = 0; agent->matrix && i < agent->matrix->n_endpoints; i++) {
		__u32 group = agent->matrix->endpoints[i].group;

		if (!warder_matrix_selects(agent->matrix, policy, i) || group == last)
			continue;
		json_array_append_new(list, json_integer(group));
		last = group;
	}
	return list;
}

void answer_policy_get(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	const char *kind = json_string_value(json_object_get(arguments, "kind"));
	const char *name = json_string_value(json_object_get(arguments, "policy"));
	bool many = false;
	const struct warder_object *policy = name ? find(agent, kind, name, &many) : NULL;
	json_t *json, *selected;

	if (many)
		return warder_api_fail(client,
				       "several policies are called %s: give the namespace as "
				       "NAMESPACE/NAME, or the kind",
				       name);
	if (!policy)
		return warder_api_fail(
			client,
			"no %s is called %s: warderctl policy list names those that are there",
			kind ? kind : "policy", name ? name : "(none given)");
	selected = selects(agent, policy);
	json = policy_json(agent, policy, selected);
	json_object_set_new(json, "selects", selected);
	json_object_set_new(json, "groups", groups(agent, policy));
	json_object_set_new(json, "compiled", compiled(agent, policy));
	warder_api_answer(client, json, false);
}

void answer_explain(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const struct agent *agent = data;
	struct warder_compile_options options = agent_compile_options(agent);
	struct warder_explainer *explainer;
	struct warder_error error = {0};
	json_t *answer = NULL;

	if (!agent->matrix)
		return warder_api_fail(client, "no policy is in force yet: warderctl wait");
	explainer = warder_explainer_new(agent->store, &options, agent->matrix);
	if (!explainer || warder_explain_json(explainer, arguments, true, &answer, &error))
		warder_api_fail(client, "%s", explainer ? error.text : "out of memory");
	else
		warder_api_answer(client, answer, false);
	warder_explainer_free(explainer);
}
