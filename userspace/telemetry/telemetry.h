/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the datapath's records to alerts: enrich (who, whose, which policy), aggregate (one at once,
 * then one a window with exact counts, then a close), format, write.  Each stage is a function that a
 * unit test calls without root.  The next rooms (spool, further sinks, formats) hang on `struct warder_alert`.
 */
#ifndef WARDER_TELEMETRY_TELEMETRY_H
#define WARDER_TELEMETRY_TELEMETRY_H

#include <jansson.h>
#include <uv.h>

#include "base/address.h"
#include "base/error.h"
#include "warder/event.h"

/* One side of a refused packet, as a person or a SIEM wants it; strings may be "" and are owned by the alert. */
struct warder_alert_side {
	struct warder_addr addr;
	__u16 port;
	char identity[400]; /* spiffe://..., or a reserved name: host, world, unknown, ... */
	char ns[64], service_account[256], pod[256], uid[40], node[256];
	char cidr[WARDER_ADDRESS_TEXT]; /* for the world: the longest block that policy knows */
};

struct warder_alert_policy {
	char kind[40], ns[64], name[256];
	char role[16]; /* "denies", "isolates", "would-deny" */
};

#define WARDER_ALERT_POLICIES 16

struct warder_alert {
	char id[80];	  /* node + boot + sequence: stable */
	__u8 reason, hook, direction, audited, protocol, file;
	__u16 line, ethertype;
	__u64 time_ns;	  /* UTC */
	__u64 first_ns, last_ns; /* of what it stands for */
	__u64 packets, bytes; /* exactly what this alert stands for */
	__u64 total_packets, total_bytes; /* of its line since the first alert */
	enum { WARDER_ALERT_FIRST, WARDER_ALERT_UPDATE, WARDER_ALERT_CLOSE } phase;
	struct warder_alert_side source, destination;
	struct warder_alert_policy policies[WARDER_ALERT_POLICIES];
	size_t n_policies; /* may be more than there is room for */
	struct warder_event_sample sample;
	char interface[16];
};

/* Falco's shape (one line, no newline): new reference. `cluster`, `trust_domain`, `node` are for its fields. */
json_t *warder_alert_falco(const struct warder_alert *alert, const char *hostname, const char *cluster);

/* Who an event was about: given by the agent, which has the compiled state. */
struct warder_telemetry_lookup {
	void *data;
	void (*enrich)(void *data, const struct warder_event *event, struct warder_alert *alert);
};

struct warder_telemetry_options {
	const char *alerts; /* file, "-" for stdout */
	const char *node, *cluster, *trust_domain;
	unsigned window_ms; /* between two alerts of one line, 10000 by default */
};

struct warder_telemetry;

int warder_telemetry_open(uv_loop_t *loop, const struct warder_telemetry_options *options,
			  const struct warder_telemetry_lookup *lookup, struct warder_telemetry **ret,
			  struct warder_error *error);
void warder_telemetry_close(struct warder_telemetry *telemetry); /* writes what is pending */
void warder_telemetry_event(struct warder_telemetry *telemetry, const struct warder_event *event);
void warder_telemetry_overflow(struct warder_telemetry *telemetry, const struct warder_counter overflow[WARDER_OVERFLOWS]);
void warder_telemetry_tick(struct warder_telemetry *telemetry); /* closes windows; the agent sweeps first, each second */

struct warder_telemetry_stats {
	__u64 events, alerts, packets, suppressed, write_errors;
};
void warder_telemetry_stats(const struct warder_telemetry *telemetry, struct warder_telemetry_stats *ret);
/* Live listeners (warderctl monitor): called for every alert as it is made. Returns a handle for _unlisten. */
void *warder_telemetry_listen(struct warder_telemetry *telemetry, void (*alert)(void *data, const struct warder_alert *alert), void *data);
void warder_telemetry_unlisten(struct warder_telemetry *telemetry, void *handle);

#endif
