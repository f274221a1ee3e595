/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The joint between policy/explain, which knows who is meant, and datapath/explain_kernel, which
 * runs packets.  A matrix stays in the maps until another node's is asked for.
 */
#include "cli/explain_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "datapath/explain_kernel.h"

struct cli_kernel {
	struct warder_explain_kernel *kernel;
	const struct warder_matrix *matrix; /* in the maps now */
};

static int ask(void *data, const struct warder_explain_side *side, unsigned *ret_verdict,
	       enum warder_reason *ret_reason, struct warder_error *error)
{
	struct cli_kernel *joint = data;
	struct warder_explain_kernel_question question = {
		.endpoint = side->endpoint,
		.direction = side->direction,
		.peer = side->peer,
		.class = side->class,
		.protocol = side->protocol,
		.port = side->port,
	};
	struct warder_explain_kernel_answer answer;
	int rc = 0;

	if (joint->matrix != side->matrix) {
		joint->matrix = NULL;
		rc = warder_explain_kernel_use(joint->kernel, side->matrix, error);
		if (rc)
			return rc;
		joint->matrix = side->matrix;
	}
	rc = warder_explain_kernel_ask(joint->kernel, &question, &answer, error);
	if (rc)
		return rc;
	*ret_verdict = answer.allowed | answer.would << 1;
	*ret_reason = answer.reason;
	return 0;
}

int cli_kernel_join(struct warder_explainer *explainer, struct cli_kernel **ret,
		    struct warder_error *error)
{
	struct cli_kernel *joint;
	int rc;

	if (geteuid())
		return warder_error_set(error, -EPERM,
					"--kernel loads BPF programs: run it as root");
	joint = calloc(1, sizeof(*joint));
	if (!joint)
		return -ENOMEM;
	rc = warder_explain_kernel_open(&joint->kernel, error);
	if (rc) {
		free(joint);
		return rc;
	}
	warder_explainer_ask(explainer, &(struct warder_explain_judge){.data = joint, .ask = ask});
	*ret = joint;
	return 0;
}

void cli_kernel_free(struct cli_kernel *kernel)
{
	if (!kernel)
		return;
	warder_explain_kernel_close(kernel->kernel);
	free(kernel);
}
