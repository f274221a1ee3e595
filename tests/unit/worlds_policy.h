/* SPDX-License-Identifier: Apache-2.0 */
/* The policies of random worlds: inner to tests/unit/worlds.c. */
#ifndef WARDER_TESTS_WORLDS_POLICY_H
#define WARDER_TESTS_WORLDS_POLICY_H

#include "worlds.h"

bool world_chance(struct world *world, unsigned percent);
json_t *world_object(struct world *world, const char *version, const char *kind, const char *ns,
		     const char *name, unsigned audit_percent);

/* A policy of any kind, perhaps broken; a new reference. */
json_t *world_policy(struct world *world, unsigned number, const char *ns);

#endif
