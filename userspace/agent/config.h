/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's configuration: one YAML file and flags of the same names (agent/config.tbl), flags
 * winning.  Read once, before anything else is opened.
 */
#ifndef WARDER_AGENT_CONFIG_H
#define WARDER_AGENT_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"

#define WARDER_CONFIG_FILE                                                                         \
	"/etc/warder/warder.yaml" /* read where it is there and --config is not given */

enum warder_feature {
	WARDER_FEATURE_POLICY = 1 << 0,
	WARDER_FEATURE_MESH = 1 << 1,
	WARDER_FEATURE_ALERTS = 1 << 2,
};

/* A pod: "NS/POD"; either part may be "*". */
struct warder_config_pod {
	char *ns, *pod;
};

struct warder_config_pod_prefix {
	struct warder_config_pod pod;
	struct warder_prefix *prefixes; /* further source prefixes that it may use */
	size_t n_prefixes;
};

struct warder_config {
	char *manifests, *node, *bpffs, *run_dir, *alerts, *trust_domain, *cluster;
	char *cgroup_root, *link_pattern; /* NULL = the default */
	bool audit;			  /* mode */
	bool hold, host_access;
	unsigned features; /* enum warder_feature */
	struct warder_prefix *pod_ranges;
	size_t n_pod_ranges;
	struct warder_addr *apiservers;
	size_t n_apiservers;
	struct warder_config_pod_prefix *pod_prefixes; /* one a pod as it is written */
	size_t n_pod_prefixes;
	struct warder_config_pod *opaque;
	size_t n_opaque;
	char **opaque_runtime_classes;
	size_t n_opaque_runtime_classes;
	__u16 *tunnel_ports; /* host order */
	size_t n_tunnel_ports;
	__u32 mark_mask, max_endpoints, max_peers, max_flows, flows_per_endpoint;
	unsigned alert_window_ms;
	enum warder_log_level log_level;
	json_t *shown; /* for `warderctl config`: [{"key", "value", "origin", "where", "what"}], see api/calls.h
			*/
};

/*
 * Reads the file and the flags.  0 and a configuration that the caller frees; 1 where --help,
 * --help-markdown or
 * --version was answered on stdout; -EINVAL or another -errno with the error filled in: key, value,
 * where it came from and what is allowed.
 */
int warder_config_load(int argc, char **argv, struct warder_config **ret,
		       struct warder_error *error);
void warder_config_free(struct warder_config *config); /* NULL is fine */

bool warder_config_is_opaque(const struct warder_config *config, const char *ns, const char *pod,
			     const char *runtime_class); /* runtime_class may be NULL */
/* Prefixes that the pod may use as sources beside its addresses: borrowed; the first entry that
 * matches. */
const struct warder_prefix *warder_config_pod_prefixes(const struct warder_config *config,
						       const char *ns, const char *pod,
						       size_t *ret_n);

/* The documentation of every key (docs/configuration.md), and the text of --help. */
void warder_config_markdown(FILE *to);
void warder_config_man(FILE *to); /* warderd(8) */
void warder_config_help(FILE *to);

#endif
