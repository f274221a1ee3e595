/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same question that policy/ answers from a compiled matrix, answered by the programs
 * themselves: they are loaded on maps of their own, which nothing is attached to and nothing pins,
 * and run on a packet.  Needs root.
 */
#ifndef WARDER_DATAPATH_EXPLAIN_KERNEL_H
#define WARDER_DATAPATH_EXPLAIN_KERNEL_H

#include "base/error.h"
#include "policy/compile.h"

struct warder_explain_kernel;

int warder_explain_kernel_open(struct warder_explain_kernel **ret, struct warder_error *error);
void warder_explain_kernel_close(struct warder_explain_kernel *kernel);

/* Fills the maps for this matrix, by a plan from what they held before.  Borrowed until the next
 * use. */
int warder_explain_kernel_use(struct warder_explain_kernel *kernel,
			      const struct warder_matrix *matrix, struct warder_error *error);

/* Called after each single write of the plans that follow: tests ask there, between two writes. */
void warder_explain_kernel_watch(struct warder_explain_kernel *kernel, void (*written)(void *data),
				 void *data);

struct warder_explain_kernel_question {
	size_t endpoint; /* index into matrix->endpoints */
	enum warder_direction direction;
	const struct warder_addr *peer; /* NULL: one that has no address, and `class` instead */
	__u32 class;
	bool forwarded; /* ingress: it came through an interface although the address is the node's
			 */
	__u8 protocol;
	__u16 port; /* the destination's */
};

struct warder_explain_kernel_answer {
	bool allowed; /* by the enforced policies */
	bool would;   /* and if the audited ones were real */
	__u8 reason;  /* enum warder_reason */
};

/*
 * The first packet of a connection, judged in one direction.  An endpoint without an address of the
 * peer's family is given one that nobody has.
 */
int warder_explain_kernel_ask(struct warder_explain_kernel *kernel,
			      const struct warder_explain_kernel_question *question,
			      struct warder_explain_kernel_answer *ret, struct warder_error *error);

#endif
