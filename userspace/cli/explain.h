/* SPDX-License-Identifier: Apache-2.0 */
/* `warderctl explain --manifests DIR`: answers from manifests alone, without agent and without
 * root. */
#ifndef WARDER_CLI_EXPLAIN_H
#define WARDER_CLI_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/*
 * Reads the manifests of a directory, then one JSON probe a line from `in`, and writes one answer a
 * line to `out`, in order; a probe that has no answer gives {..., "error": "what to do"}.
 * `trust_domain` NULL: cluster.local.  `kernel`: the BPF programs are asked (root).  What the
 * manifests have that cannot be used is told on stderr. Returns how many probes had no answer, or
 * -errno where the directory cannot be read.
 */
int warder_explain_batch(const char *manifests, const char *trust_domain, bool kernel, FILE *in,
			 FILE *out, struct warder_error *error);

/* The command: explain --manifests DIR (--batch FILE|- | --from A --to B --port P [--protocol
 * TCP]).  Exit code. */
int warderctl_explain(int argc, char **argv);

#endif
