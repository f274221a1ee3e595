/* SPDX-License-Identifier: Apache-2.0 */
/* `warderctl explain --kernel`: the programs are asked in place of the matrix.  Needs root. */
#ifndef WARDER_CLI_EXPLAIN_KERNEL_H
#define WARDER_CLI_EXPLAIN_KERNEL_H

#include "policy/explain.h"

struct cli_kernel;

/* Loads the programs, and makes `explainer` ask them. */
int cli_kernel_join(struct warder_explainer *explainer, struct cli_kernel **ret,
		    struct warder_error *error);
void cli_kernel_free(struct cli_kernel *kernel); /* NULL is fine */

#endif
