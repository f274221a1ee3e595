/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Would this connection pass, and who says so?"  Every answer is read from compiled matrices, one
 * for each node that has a side of it; a matrix is compiled when it is first asked.
 */
#ifndef WARDER_POLICY_EXPLAIN_H
#define WARDER_POLICY_EXPLAIN_H

#include "policy/compile.h"
#include "warder/reason.h"

struct warder_explainer;

/*
 * Borrows the store, which must not change while the explainer lives; copies `base`.
 * `matrix` NULL: every pod is local to its own node, and each side is judged as its node would.
 * Else only the sides that are local to base->node are, by this matrix (borrowed).
 */
struct warder_explainer *warder_explainer_new(const struct warder_store *store,
					      const struct warder_compile_options *base,
					      const struct warder_matrix *matrix);
void warder_explainer_free(struct warder_explainer *explainer); /* NULL is fine */

/* One side of a connection, for another judge than the matrix's cells. */
struct warder_explain_side {
	const struct warder_matrix *matrix;
	size_t endpoint; /* index into matrix->endpoints */
	enum warder_direction direction;
	const struct warder_addr *peer; /* NULL: a pod that has no address yet, of `class` */
	__u32 class;
	__u8 protocol;
	__u16 port;
	bool service; /* a Service's address: the class is one of frontends */
	const struct warder_matrix_frontend *frontend; /* NULL: none with this port */
};

/*
 * warderctl explain --kernel: every verdict and reason is asked of `ask`; which policies decided is
 * still read from the matrix.  Bits of *ret_verdict as of warder_matrix_verdict.
 */
struct warder_explain_judge {
	void *data;
	int (*ask)(void *data, const struct warder_explain_side *side, unsigned *ret_verdict,
		   enum warder_reason *ret_reason, struct warder_error *error);
};
void warder_explainer_ask(struct warder_explainer *explainer,
			  const struct warder_explain_judge *judge);

struct warder_probe {
	const char *from, *to; /* "namespace/pod" or an address */
	const char
		*port; /* a number, or a named port of the destination pod; may be NULL for ICMP */
	__u8 protocol; /* IPPROTO_* */
};

enum warder_side { WARDER_SIDE_ALLOW, WARDER_SIDE_DENY, WARDER_SIDE_UNJUDGED };

struct warder_explained_policy {
	const struct warder_object *policy; /* borrowed from the store */
	enum warder_direction direction;
	int rule;     /* -1 = isolation alone */
	bool audited; /* it decided only what audited policies would do */
};

struct warder_explanation {
	enum warder_side side[2];  /* by direction; UNJUDGED = no pod, or not a pod of this node */
	enum warder_side would[2]; /* the same if audited policies were real */
	enum warder_reason reason;
	struct warder_explained_policy
		*policies; /* of the enforced verdict; then audited ones that would change it */
	size_t n_policies;
	struct warder_addr from, to; /* what was asked for; :: where a pod has no address yet */
	__u16 port;
};

/*
 * 0; -ENOENT: a pod or a named port that is not there; -EINVAL: a probe that makes no sense; or
 * what warder_compile returned.  The error names the side and what to do.
 */
int warder_explain(struct warder_explainer *explainer, const struct warder_probe *probe,
		   struct warder_explanation *ret, struct warder_error *error);
void warder_explanation_clear(struct warder_explanation *explanation);

/*
 * The same in JSON: {"from","to","port","protocol"} in; out the same keys and {"egress","ingress",
 * "verdict","reason","policies":[{"kind","namespace","name","direction","tier","rule","mode"}]},
 * and where audited policies would decide otherwise "would":"deny" or "allow".  A side that is not
 * judged is "allow" (`unjudged` false) or null.  "rule" is the place in spec.ingress or spec.egress, null for
 * isolation alone; a policy that fails closed has "broken" with what was not understood.  *ret is a new
 * reference.
 */
int warder_explain_json(struct warder_explainer *explainer, const json_t *probe, bool unjudged,
			json_t **ret, struct warder_error *error);

const char *warder_reason_name(enum warder_reason reason);

#endif
