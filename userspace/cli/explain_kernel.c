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

#define LOADED_MAX 8

struct loaded {
	struct warder_explain_kernel *kernel;
	const struct warder_matrix *matrix; /* in its maps now */
	unsigned long long used;
};

struct cli_kernel {
	struct loaded loaded[LOADED_MAX];
	unsigned long long clock;
};

/* The one that holds the matrix; else a free one, or the one that was used longest ago, is filled. */
static int find(struct cli_kernel *joint, const struct warder_matrix *matrix, struct loaded **ret,
		struct warder_error *error)
{
	struct loaded *oldest = &joint->loaded[0];
	int rc = 0;

	for (size_t i = 0; i < LOADED_MAX; i++) {
		struct loaded *loaded = &joint->loaded[i];

		if (loaded->kernel && loaded->matrix == matrix) {
			*ret = loaded;
			return 0;
		}
		if (loaded->used < oldest->used)
			oldest = loaded;
	}
	oldest->matrix = NULL;
	if (!oldest->kernel)
		rc = warder_explain_kernel_open(&oldest->kernel, error);
	rc = rc ?: warder_explain_kernel_use(oldest->kernel, matrix, error);
	if (rc)
		return rc;
	oldest->matrix = matrix;
	*ret = oldest;
	return 0;
}

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
	struct loaded *loaded;
	int rc = find(joint, side->matrix, &loaded, error);

	if (rc)
		return rc;
	loaded->used = ++joint->clock;
	rc = warder_explain_kernel_ask(loaded->kernel, &question, &answer, error);
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
	rc = warder_explain_kernel_open(&joint->loaded[0].kernel, error);
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
	for (size_t i = 0; i < LOADED_MAX; i++)
		warder_explain_kernel_close(kernel->loaded[i].kernel);
	free(kernel);
}
