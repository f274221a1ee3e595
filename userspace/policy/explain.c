/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explaining one connection.  The two sides are found first (a pod, a node, any address), then
 * egress is asked of the sender's node and ingress of the receiver's.  The exceptions that are no
 * policy (a pod and itself, a pod and its own node) are those of the datapath.
 */
#include "policy/explain.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/ports.h"

#define BLAME_MAX 64 /* policies of one direction that an explanation names */

struct node {
	char *name;
	struct warder_matrix *matrix;
};

struct warder_explainer {
	const struct warder_store *store;
	struct warder_compile_options base;
	const struct warder_matrix *only;
	struct warder_explain_judge judge; /* ask NULL: the matrix itself */
	struct node *nodes;
	size_t n_nodes;
};

struct warder_explainer *warder_explainer_new(const struct warder_store *store,
					      const struct warder_compile_options *base,
					      const struct warder_matrix *matrix)
{
	struct warder_explainer *explainer = NEW(struct warder_explainer);

	explainer->store = store;
	explainer->base = *base;
	explainer->base.addressless = true;
	explainer->only = matrix;
	return explainer;
}

void warder_explainer_ask(struct warder_explainer *explainer,
			  const struct warder_explain_judge *judge)
{
	explainer->judge = *judge;
}

void warder_explainer_free(struct warder_explainer *explainer)
{
	if (!explainer)
		return;
	for (size_t i = 0; i < explainer->n_nodes; i++) {
		free(explainer->nodes[i].name);
		warder_matrix_free(explainer->nodes[i].matrix);
	}
	free(explainer->nodes);
	free(explainer);
}

/* The matrix of a node; NULL name: a pod that no node has yet counts as one of a node without a
 * name. */
static int matrix_of(struct warder_explainer *explainer, const char *name,
		     const struct warder_matrix **ret, struct warder_error *error)
{
	struct warder_compile_options options = explainer->base;
	struct warder_matrix *matrix;
	int code;

	if (explainer->only) {
		*ret = explainer->only;
		return 0;
	}
	options.node = name ? name : "";
	for (size_t i = 0; i < explainer->n_nodes; i++) {
		if (!strcmp(explainer->nodes[i].name, options.node)) {
			*ret = explainer->nodes[i].matrix;
			return 0;
		}
	}
	if (!options.node || !explainer->base.node || strcmp(options.node, explainer->base.node))
		options.n_host_addrs = 0; /* these are of the node that was named */
	code = warder_compile(explainer->store, &options, &matrix, error);
	if (code)
		return code;
	PUSH(explainer->nodes, explainer->n_nodes) = (struct node){
		.name = warder_memory_text(options.node),
		.matrix = matrix,
	};
	*ret = matrix;
	return 0;
}

/* One end of the connection. */
struct end {
	const char *name;		 /* "source" or "destination", for messages */
	const struct warder_object *pod; /* NULL: no pod is there */
	const struct warder_addr *addrs; /* those that it may be meant by */
	size_t n_addrs;
	struct warder_addr addr; /* the one that is */
	bool has_addr;
	const struct warder_matrix_endpoint *endpoint; /* where it is judged */
	const struct warder_matrix *matrix;
};

static int find_pod(struct warder_explainer *explainer, const char *text, const char *slash,
		    struct end *end, struct warder_error *error)
{
	char ns[64];

	if (slash == text || slash - text >= (ptrdiff_t)sizeof(ns) || !slash[1])
		return warder_error_set(error, -EINVAL,
					"%s \"%.200s\" is neither namespace/pod nor an address",
					end->name, text);
	memcpy(ns, text, slash - text);
	ns[slash - text] = 0;
	end->pod = warder_store_get(explainer->store, WARDER_KIND_POD, ns, slash + 1);
	if (!end->pod)
		return warder_error_set(error, -ENOENT, "%s: there is no pod %.200s", end->name,
					text);
	if (end->pod->pod.phase == WARDER_POD_FINISHED)
		return warder_error_set(error, -ENOENT,
					"%s: pod %.200s is finished and has no network", end->name,
					text);
	end->addrs = end->pod->pod.addrs;
	end->n_addrs = end->pod->pod.n_addrs;
	return 0;
}

static int find_end(struct warder_explainer *explainer, const char *text, struct end *end,
		    struct warder_error *error)
{
	const char *slash = strchr(text, '/');
	const struct warder_matrix *matrix;
	struct warder_matrix_who who;
	int code;

	if (slash)
		return find_pod(explainer, text, slash, end, error);
	if (warder_addr_parse(text, &end->addr))
		return warder_error_set(error, -EINVAL,
					"%s \"%.200s\" is neither namespace/pod nor an address",
					end->name, text);
	/* Any node knows every pod's address. */
	code = matrix_of(explainer,
			 explainer->n_nodes ? explainer->nodes[0].name : explainer->base.node,
			 &matrix, error);
	if (code)
		return code;
	warder_matrix_find(matrix, &end->addr, &who);
	if (who.owner && who.owner->kind == WARDER_KIND_POD)
		end->pod = who.owner;
	end->addrs = &end->addr;
	end->n_addrs = 1;
	return 0;
}

/* The first address of the source whose family the destination has too. */
static int choose_family(struct end *from, struct end *to, struct warder_error *error)
{
	for (size_t i = 0; i < from->n_addrs; i++) {
		for (size_t j = 0; j < to->n_addrs; j++) {
			if (warder_addr_is4(&from->addrs[i]) != warder_addr_is4(&to->addrs[j]))
				continue;
			from->addr = from->addrs[i];
			to->addr = to->addrs[j];
			from->has_addr = to->has_addr = true;
			return 0;
		}
	}
	if (from->n_addrs && to->n_addrs)
		return warder_error_set(error, -EINVAL,
					"source and destination have no address family in common");
	for (struct end *end = from;;
	     end = to) { /* one that has no address yet is known by its pod alone */
		end->has_addr = end->n_addrs;
		if (end->has_addr)
			end->addr = end->addrs[0];
		if (end == to)
			return 0;
	}
}

static int compare_endpoint(const void *key, const void *element)
{
	const struct warder_object *a = key,
				   *b = ((const struct warder_matrix_endpoint *)element)->pod;
	int order = strcmp(a->ns, b->ns);

	return order ? order : strcmp(a->name, b->name);
}

/* Where the end is judged: its own node's matrix, if it is an endpoint there. */
static int find_judge(struct warder_explainer *explainer, struct end *end,
		      struct warder_error *error)
{
	int code;

	if (!end->pod || end->pod->pod.host_network)
		return 0;
	code = matrix_of(explainer, end->pod->pod.node, &end->matrix, error);
	if (!code && end->matrix->n_endpoints)
		end->endpoint = bsearch(end->pod, end->matrix->endpoints, end->matrix->n_endpoints,
					sizeof(*end->endpoint), compare_endpoint);
	return code;
}

static int parse_port(const struct warder_probe *probe, const struct end *to, __u16 *ret,
		      struct warder_error *error)
{
	char *rest;
	unsigned long port;

	if (protocol_index(probe->protocol) < 0)
		return 0;
	if (!probe->port || !*probe->port)
		return warder_error_set(error, -EINVAL, "the port is missing");
	port = strtoul(probe->port, &rest, 10);
	if (!*rest && probe->port[0] != '-' && probe->port[0] != '+' && port >= 1 &&
	    port <= 65535) {
		*ret = port;
		return 0;
	}
	if (!*rest)
		return warder_error_set(error, -EINVAL, "port %.20s is not from 1 to 65535",
					probe->port);
	for (size_t i = 0; to->pod && i < to->pod->pod.n_ports; i++) {
		const struct warder_container_port *candidate = &to->pod->pod.ports[i];

		if (candidate->name && candidate->protocol == probe->protocol &&
		    !strcmp(candidate->name, probe->port)) {
			*ret = candidate->port;
			return 0;
		}
	}
	return warder_error_set(error, -ENOENT,
				"the destination has no port named \"%.64s\" of this protocol",
				probe->port);
}

/* What the other end is on the node that judges; false: it is that node itself. */
static bool find_class(const struct end *judge, const struct end *other,
		       enum warder_direction direction, __u8 protocol, __u16 port,
		       struct warder_explain_side *ret)
{
	const struct warder_matrix_frontend *frontend;
	struct warder_matrix_who who;

	if (!other->has_addr) {
		ret->class = warder_matrix_pod_class(judge->matrix, other->pod);
		return !other->pod->pod.host_network || !other->pod->pod.node ||
		       !judge->pod->pod.node || strcmp(other->pod->pod.node, judge->pod->pod.node);
	}
	warder_matrix_find(judge->matrix, &other->addr, &who);
	ret->class = who.class;
	/* As the programs see it: a pure Service address is one whatever the port; of a node's only its
	 * frontends. */
	frontend =
		direction == WARDER_EGRESS && who.flags & (WARDER_PEER_NODE | WARDER_PEER_SERVICE)
			? warder_matrix_frontend_find(judge->matrix, &other->addr, port, protocol)
			: NULL;
	ret->frontend = frontend;
	ret->service =
		frontend || (direction == WARDER_EGRESS && (who.flags & WARDER_PEER_SERVICE));
	if (ret->service) {
		ret->class = frontend ? frontend->class : judge->matrix->service_class;
		return true;
	}
	return !(who.flags & WARDER_PEER_HOST);
}

static void blame(const struct end *judge, const struct warder_explain_side *side, bool audited,
		  struct warder_explanation *ret)
{
	struct warder_matrix_blame found[BLAME_MAX];
	__u32 group = judge->endpoint->group;
	size_t n = side->frontend
			   ? warder_matrix_blame_frontend(judge->matrix, group, side->frontend,
							  audited, found, BLAME_MAX)
			   : warder_matrix_blame(judge->matrix, side->direction, group, side->class,
						 side->protocol, side->port, audited, found,
						 BLAME_MAX);

	for (size_t i = 0; i < n && i < BLAME_MAX; i++) {
		if (audited && !found[i].audited)
			continue;
		PUSH(ret->policies, ret->n_policies) = (struct warder_explained_policy){
			.policy = found[i].policy,
			.direction = side->direction,
			.rule = found[i].rule,
			.audited = audited,
		};
	}
}

/* From the matrix, or from whoever is asked in its place. */
static int verdict_of(struct warder_explainer *explainer, const struct end *judge,
		      const struct warder_explain_side *side, unsigned *ret_verdict,
		      enum warder_reason *ret_reason, struct warder_error *error)
{
	const struct warder_matrix *matrix = judge->matrix;
	bool mixed = false;

	if (explainer->judge.ask)
		return explainer->judge.ask(explainer->judge.data, side, ret_verdict, ret_reason,
					    error);
	*ret_verdict =
		side->service
			? warder_matrix_service_verdict(matrix, judge->endpoint->group, side->class,
							&mixed)
			: warder_matrix_verdict(
				  matrix, side->direction, judge->endpoint->group, side->class,
				  warder_matrix_port_class(matrix, side->protocol, side->port));
	*ret_reason = *ret_verdict & 1 ? WARDER_REASON_ALLOWED
		      : mixed	       ? WARDER_REASON_SERVICE
				       : WARDER_REASON_POLICY;
	return 0;
}

static int judge(struct warder_explainer *explainer, const struct end *judge,
		 const struct end *other, enum warder_direction direction, __u8 protocol,
		 struct warder_explanation *ret, enum warder_reason *reason,
		 struct warder_error *error)
{
	struct warder_explain_side side = {
		.matrix = judge->matrix,
		.endpoint = judge->endpoint - judge->matrix->endpoints,
		.direction = direction,
		.peer = other->has_addr ? &other->addr : NULL,
		.protocol = protocol,
		.port = ret->port,
	};
	bool by_policy = find_class(judge, other, direction, protocol, ret->port, &side);
	unsigned verdict = 3;
	int code = 0;

	*reason = by_policy ? WARDER_REASON_POLICY : WARDER_REASON_ALLOWED_HOST;
	if (by_policy || (other->has_addr && explainer->judge.ask))
		code = verdict_of(explainer, judge, &side, &verdict, reason, error);
	if (code)
		return code;
	ret->side[direction] = verdict & 1 ? WARDER_SIDE_ALLOW : WARDER_SIDE_DENY;
	ret->would[direction] = verdict & 2 ? WARDER_SIDE_ALLOW : WARDER_SIDE_DENY;
	if (!by_policy)
		return 0;
	blame(judge, &side, false, ret);
	if ((verdict & 1) != verdict >> 1)
		blame(judge, &side, true, ret);
	return 0;
}

int warder_explain(struct warder_explainer *explainer, const struct warder_probe *probe,
		   struct warder_explanation *ret, struct warder_error *error)
{
	struct end from = {.name = "source"}, to = {.name = "destination"};
	enum warder_reason out = WARDER_REASON_ALLOWED, in = WARDER_REASON_ALLOWED;
	struct warder_explanation answer = {
		.side = {WARDER_SIDE_UNJUDGED, WARDER_SIDE_UNJUDGED},
		.would = {WARDER_SIDE_UNJUDGED, WARDER_SIDE_UNJUDGED},
	};
	int code = find_end(explainer, probe->from, &from, error);

	if (!code)
		code = find_end(explainer, probe->to, &to, error);
	if (!code)
		code = parse_port(probe, &to, &answer.port, error);
	if (!code)
		code = choose_family(&from, &to, error);
	if (!code)
		code = find_judge(explainer, &from, error);
	if (!code)
		code = find_judge(explainer, &to, error);
	if (code)
		return code;
	answer.from = from.addr;
	answer.to = to.addr;
	if (from.pod && from.pod == to.pod && !from.pod->pod.host_network) {
		for (unsigned d = 0; d < 2 && from.endpoint; d++)
			answer.side[d] = answer.would[d] = WARDER_SIDE_ALLOW;
		out = in = WARDER_REASON_ALLOWED_SELF;
	} else {
		if (from.endpoint)
			code = judge(explainer, &from, &to, WARDER_EGRESS, probe->protocol, &answer,
				     &out, error);
		if (to.endpoint && !code)
			code = judge(explainer, &to, &from, WARDER_INGRESS, probe->protocol,
				     &answer, &in, error);
		if (code) {
			warder_explanation_clear(&answer);
			return code;
		}
	}
	answer.reason = out >= WARDER_REASON_DROP  ? out
			: in >= WARDER_REASON_DROP ? in
			: out			   ? out
						   : in;
	*ret = answer;
	return 0;
}

void warder_explanation_clear(struct warder_explanation *explanation)
{
	free(explanation->policies);
	*explanation = (struct warder_explanation){0};
}
