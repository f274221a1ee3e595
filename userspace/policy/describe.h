/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a policy when the matrix was compiled, for people: whom it selects, which classes
 * and ports its rules mean.  It reads the compiler's own state and judges nothing.
 */
#ifndef WARDER_POLICY_DESCRIBE_H
#define WARDER_POLICY_DESCRIBE_H

#include "policy/compile.h"

/* Whether the policy has a say in this direction. */
bool warder_policy_judges(const struct warder_policy *policy, enum warder_direction direction);

/* The policies that select an endpoint (index into matrix->endpoints), in the order of evaluation: borrowed.
 * Returns how many there are, which may be more than `room`. */
size_t warder_matrix_selected_by(const struct warder_matrix *matrix, size_t endpoint,
				 const struct warder_object **ret, size_t room);
/* Whether this policy selects this endpoint. */
bool warder_matrix_selects(const struct warder_matrix *matrix, const struct warder_object *policy,
			   size_t endpoint);
/* The classes that one rule of a policy names.  Returns how many there are (0 also where the policy selects no
 * endpoint and so was not compiled). */
size_t warder_matrix_rule_classes(const struct warder_matrix *matrix,
				  const struct warder_object *policy, size_t rule, __u32 *ret,
				  size_t room);
/* "TCP 80", "UDP 5000-5010", "SCTP http", "all" into `buffer`, which it returns. */
const char *warder_port_match_text(const struct warder_port_match *port, char *buffer, size_t size);

#endif
