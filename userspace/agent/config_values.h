/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a configuration value to its field. */
#ifndef WARDER_AGENT_CONFIG_VALUES_H
#define WARDER_AGENT_CONFIG_VALUES_H

#include "agent/config.h"

enum {
	WARDER_CONFIG_LIST_MAX = 4096,	 /* entries of one list */
	WARDER_CONFIG_VALUE_MAX = 65536, /* bytes of one value */
};

struct warder_config_key {
	const char *name;
	/* 0; -ENOMEM; -EINVAL, with the part that is wrong where the value is a list (else NULL
	 * stays). */
	int (*parse)(const struct warder_config_key *key, const char *value,
		     struct warder_config *config, char **ret_part);
	size_t field; /* offset in struct warder_config */
	const char *initial;
	long long low, high;
	const char *argument, *brief, *help;
	const char *allowed; /* what a value must be */
};

extern const struct warder_config_key warder_config_keys[];
extern const size_t warder_config_n_keys;

#endif
