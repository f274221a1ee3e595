/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a refused packet was about: from slot, addresses and ports of a record to pods, identities and
 * the policies that decided, all from the compiled state in force.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "warder/reason.h"

const char *agent_reserved_name(__u32 identity)
{
	switch (identity) {
	case WARDER_IDENTITY_HOST:
		return "host";
	case WARDER_IDENTITY_REMOTE_NODE:
		return "remote-node";
	case WARDER_IDENTITY_NODE_SNAT:
		return "node-snat";
	case WARDER_IDENTITY_KUBE_APISERVER:
		return "kube-apiserver";
	case WARDER_IDENTITY_WORLD:
		return "world";
	case WARDER_IDENTITY_SERVICE:
		return "service";
	case WARDER_IDENTITY_NONE:
	case WARDER_IDENTITY_UNKNOWN:
		return "unknown";
	}
	return NULL;
}

static void spiffe(const struct agent *agent, const char *ns, const char *service_account,
		   char *buffer, size_t size)
{
	snprintf(buffer, size, "spiffe://%s/ns/%s/sa/%s", agent->config->trust_domain, ns,
		 service_account);
}

void agent_identity_text(const struct agent *agent, __u32 identity, char *buffer, size_t size)
{
	const char *reserved = agent_reserved_name(identity);
	const struct warder_matrix *matrix = agent->matrix;

	if (!reserved && matrix && identity - WARDER_IDENTITY_FIRST < matrix->n_identities)
		spiffe(agent, matrix->identities[identity - WARDER_IDENTITY_FIRST].ns,
		       matrix->identities[identity - WARDER_IDENTITY_FIRST].service_account, buffer,
		       size);
	else
		snprintf(buffer, size, "%s", reserved ? reserved : "unknown");
}

const struct warder_matrix_endpoint *agent_endpoint_of_slot(const struct agent *agent, __u16 slot)
{
	const struct warder_planner *planner = warder_datapath_planner(agent->datapath);

	if (!slot || !agent->matrix)
		return NULL;
	for (size_t i = 0; i < agent->matrix->n_endpoints; i++) {
		__u8 uid[16];

		agent_uid(agent->matrix->endpoints[i].pod->uid, uid);
		if (warder_planner_slot(planner, uid) == slot)
			return &agent->matrix->endpoints[i];
	}
	return NULL;
}

static void side_pod(const struct agent *agent, const struct warder_object *pod,
		     struct warder_alert_side *side)
{
	snprintf(side->ns, sizeof(side->ns), "%s", pod->ns);
	snprintf(side->pod, sizeof(side->pod), "%s", pod->name);
	snprintf(side->uid, sizeof(side->uid), "%s", pod->uid);
	snprintf(side->service_account, sizeof(side->service_account), "%s",
		 pod->pod.service_account);
	snprintf(side->node, sizeof(side->node), "%s", pod->pod.node ? pod->pod.node : "");
	snprintf(side->proof, sizeof(side->proof), "%s",
		 agent_pod_is_local(agent, pod) ? "link" : "unproven");
	spiffe(agent, pod->ns, pod->pod.service_account, side->identity, sizeof(side->identity));
}

/* The longest block that some policy or pod range on this node names, for an address that nobody owns. */
static void side_block(const struct warder_matrix *matrix, struct warder_alert_side *side)
{
	const struct warder_matrix_prefix *best = NULL;

	for (size_t i = 0; i < matrix->n_prefixes; i++)
		if (warder_prefix_has(&matrix->prefixes[i].prefix, &side->addr) &&
		    (!best || matrix->prefixes[i].prefix.bits > best->prefix.bits))
			best = &matrix->prefixes[i];
	if (best)
		warder_prefix_format(&best->prefix, side->cidr);
}

/* The address is another's now, or nobody's: the identity that the program saw is all that is left of who it was. */
static bool side_former(const struct agent *agent, __u32 told, const struct warder_matrix_who *who,
			struct warder_alert_side *side)
{
	const struct warder_planner *planner = warder_datapath_planner(agent->datapath);
	const struct warder_object *owner = who->owner;
	const char *ns, *service_account;

	if (owner && owner->kind == WARDER_KIND_POD &&
	    told == warder_planner_identity_number(planner, owner->ns, owner->pod.service_account))
		return false;
	if (warder_planner_identity(planner, told, &ns, &service_account)) {
		snprintf(side->identity, sizeof(side->identity), "unknown");
		return true;
	}
	snprintf(side->ns, sizeof(side->ns), "%s", ns);
	snprintf(side->service_account, sizeof(side->service_account), "%s", service_account);
	spiffe(agent, ns, service_account, side->identity, sizeof(side->identity));
	return true;
}

static void side_peer(const struct agent *agent, const struct warder_event *event,
		      struct warder_alert_side *side, struct warder_matrix_who *who)
{
	__u32 told = event->key.peer_identity;

	warder_matrix_find(agent->matrix, &side->addr, who);
	/* What the program saw wins where it is one of its own findings: the host's stack, NAT, not proven. */
	if (told && told < WARDER_IDENTITY_FIRST && told != who->identity) {
		if (told == WARDER_IDENTITY_NODE_SNAT || told == WARDER_IDENTITY_UNKNOWN)
			who->class = who->cidr_class;
		snprintf(side->identity, sizeof(side->identity), "%s", agent_reserved_name(told));
		return;
	}
	if (told >= WARDER_IDENTITY_FIRST && side_former(agent, told, who, side)) {
		who->class = who->cidr_class;
		return;
	}
	if (who->owner && who->owner->kind == WARDER_KIND_POD)
		return side_pod(agent, who->owner, side);
	if (who->owner && who->owner->kind == WARDER_KIND_NODE)
		snprintf(side->node, sizeof(side->node), "%s", who->owner->name);
	agent_identity_text(agent, who->identity, side->identity, sizeof(side->identity));
	if (!who->owner)
		side_block(agent->matrix, side);
}

static void blame(const struct agent *agent, const struct warder_matrix_endpoint *endpoint,
		  const struct warder_event *event, const struct warder_matrix_who *who,
		  struct warder_alert *alert)
{
	const struct warder_event_key *key = &event->key;
	const struct warder_matrix_frontend *frontend =
		key->direction == WARDER_EGRESS
			? warder_matrix_frontend_find(agent->matrix, &key->dst, key->dport,
						      key->protocol)
			: NULL;
	struct warder_matrix_blame found[WARDER_ALERT_POLICIES];
	size_t n =
		frontend ? warder_matrix_blame_frontend(agent->matrix, endpoint->group, frontend,
							key->audited, found, WARDER_ALERT_POLICIES)
			 : warder_matrix_blame(agent->matrix, key->direction, endpoint->group,
					       who->class, key->protocol, key->dport, key->audited,
					       found, WARDER_ALERT_POLICIES);

	alert->n_policies = n;
	for (size_t i = 0; i < n && i < WARDER_ALERT_POLICIES; i++) {
		struct warder_alert_policy *to = &alert->policies[i];

		snprintf(to->kind, sizeof(to->kind), "%s", found[i].policy->kind_name);
		snprintf(to->ns, sizeof(to->ns), "%s", found[i].policy->ns);
		snprintf(to->name, sizeof(to->name), "%s", found[i].policy->name);
		snprintf(to->role, sizeof(to->role), "%s",
			 event->key.audited  ? "would-deny"
			 : found[i].rule < 0 ? "isolates"
					     : "denies");
	}
}

void agent_enrich(void *data, const struct warder_event *event, struct warder_alert *alert)
{
	const struct agent *agent = data;
	const struct warder_matrix_endpoint *endpoint =
		agent_endpoint_of_slot(agent, event->key.slot);
	bool egress = event->key.direction == WARDER_EGRESS;
	struct warder_alert_side *local = egress ? &alert->source : &alert->destination;
	struct warder_alert_side *peer = egress ? &alert->destination : &alert->source;
	struct warder_matrix_who who = {0};
	char name[IF_NAMESIZE];

	if (event->sample.ifindex && if_indextoname(event->sample.ifindex, name))
		snprintf(alert->interface, sizeof(alert->interface), "%s", name);
	if (!agent->matrix)
		return;
	side_peer(agent, event, peer, &who);
	if (endpoint)
		side_pod(agent, endpoint->pod, local);
	else
		snprintf(local->identity, sizeof(local->identity), "unknown");
	if (endpoint && (event->key.reason == WARDER_REASON_POLICY ||
			 event->key.reason == WARDER_REASON_UNPROVEN_REPLY ||
			 event->key.reason == WARDER_REASON_FRAGMENT_PORT ||
			 event->key.reason == WARDER_REASON_SERVICE))
		blame(agent, endpoint, event, &who, alert);
}
