/* SPDX-License-Identifier: Apache-2.0 */
/* The decoders of the policy kinds, called by warder_object_decode alone. */
#ifndef WARDER_STORE_DECODE_POLICY_H
#define WARDER_STORE_DECODE_POLICY_H

#include <jansson.h>

#include "store/policy.h"

/*
 * `object` is the whole object, `kind` one of the three policy kinds, `ns` its namespace ("" for
 * cluster-scoped kinds).  Whatever its spec holds there is a policy: what cannot be understood, an
 * apiVersion that the kind does not have too, makes it broken.  0 and a policy that the caller
 * frees with warder_policy_free; -ENOMEM.
 */
int warder_policy_decode(const json_t *object, enum warder_kind kind, const char *ns,
			 struct warder_policy **ret);

#endif
