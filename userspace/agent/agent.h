/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's one state and the loop's one thread: what main.c opens, reconcile.c brings into the
 * kernel, enrich.c explains and answers.c tells.  Nothing outside this folder includes it.
 */
#ifndef WARDER_AGENT_AGENT_H
#define WARDER_AGENT_AGENT_H

#include <uv.h>

#include "agent/config.h"
#include "api/api.h"
#include "datapath/datapath.h"
#include "host/host.h"
#include "policy/compile.h"
#include "source/source.h"
#include "store/store.h"
#include "telemetry/telemetry.h"

struct agent_barrier; /* one waiting `warderctl wait` */

/* A link that is not (or not yet) any known pod's. */
struct agent_held {
	__u32 ifindex;
	struct warder_host_link link;
};

struct agent {
	uv_loop_t *loop;
	const struct warder_config *config;
	struct warder_store *store;
	struct warder_source *source;
	struct warder_host *host;
	struct warder_datapath *datapath;
	struct warder_telemetry *telemetry;
	struct warder_api *api;

	struct warder_matrix *matrix; /* in force: what the last plan that was written came from */
	__u64 generation;	      /* grows with each plan that was written */
	__u64 store_version;	      /* the store's version that `matrix` was compiled from */
	bool compiled_ok, applied_ok, listening; /* listening: to the datapath's events */
	char trouble[512];			 /* why not, for a person */

	bool host_seen; /* the machine was looked at once: before that nothing may be taken out of the maps */
	uv_idle_t work; /* active while a reconcile is due: runs it once, in the loop's next turn */
	unsigned long long
		seen_ns; /* when the oldest change that is not in the maps yet was seen */

	struct agent_held *held;
	size_t n_held;
	struct agent_barrier *barriers;

	uv_timer_t tick;
	uv_signal_t signals[3];
	time_t started;
	__u64 started_boot_ns;

	/* change seen to change in the maps, in microseconds: the last, the largest, a histogram by powers of two */
	__u64 change_last_us, change_max_us, change_histogram[32], changes, writes;
};

/* reconcile.c */
void agent_changed(struct agent *agent,
		   unsigned long long seen_ns); /* brings the kernel up to date in this turn */
struct warder_compile_options
agent_compile_options(const struct agent *agent); /* borrows from it */
void agent_reconcile(struct agent *agent);	  /* now */
void agent_hold(struct agent *agent, const struct warder_host_link *link);
void agent_link_gone(struct agent *agent, __u32 ifindex);
void agent_link_forget(struct agent *agent, __u32 ifindex); /* it is held no longer */
/* The host's pod of this UID, or NULL. */
const struct warder_host_pod *agent_host_pod(const struct agent *agent, const char *uid);
bool agent_pod_is_local(const struct agent *agent, const struct warder_object *pod);
/* Every running pod of this node that is not in force yet, each with the reason: a new array of strings. */
json_t *agent_missing(const struct agent *agent);
/* 16 bytes of a pod's UID: its hex digits, or a hash where it has another form. */
void agent_uid(const char *text, __u8 ret[16]);

/* enrich.c */
void agent_enrich(void *data, const struct warder_event *event, struct warder_alert *alert);
/* "spiffe://..." or a reserved name; identity as in the matrix (FIRST + index). */
void agent_identity_text(const struct agent *agent, __u32 identity, char *buffer, size_t size);
const char *agent_reserved_name(__u32 identity); /* NULL where it is not reserved */
const struct warder_matrix_endpoint *agent_endpoint_of_slot(const struct agent *agent, __u16 slot);

/* barrier.c */
void agent_barrier_add(struct agent *agent, struct warder_api_client *client, unsigned timeout_ms);
void agent_barriers_check(struct agent *agent);

/* answers.c */
extern const struct warder_api_call agent_calls[];
extern const size_t agent_n_calls;

#endif
