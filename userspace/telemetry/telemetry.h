/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the datapath's records to alerts: enrich (who, whose, which policy), aggregate (one at once,
 * then one a window with exact counts, then a close), format, write.  Each stage is a function
 * that a unit test calls without root.  The next rooms (spool, further sinks, formats) hang on
 * `struct warder_alert`.
 */
#ifndef WARDER_TELEMETRY_TELEMETRY_H
#define WARDER_TELEMETRY_TELEMETRY_H

#include <jansson.h>
#include <uv.h>

#include "base/address.h"
#include "base/error.h"
#include "telemetry/rules.h"
#include "warder/event.h"

/* One side of a refused packet, as a person or a SIEM wants it; strings may be "". */
struct warder_alert_side {
	struct warder_addr addr;
	__u16 port;
	char identity[400]; /* spiffe://..., or a reserved name: host, world, unknown, ... */
	char ns[64], service_account[256], pod[256], uid[40], node[256];
	char cidr[WARDER_ADDRESS_TEXT]; /* for the world: the longest block that policy knows */
	char proof[16]; /* how the identity is known: "link", "cgroup", "mesh", "unproven", "" */
};

struct warder_alert_policy {
	char kind[40], ns[64], name[256];
	char role[16]; /* "denies", "isolates", "would-deny" */
};

#define WARDER_ALERT_POLICIES	       16
#define WARDER_ALERT_ID		       320
#define WARDER_ALERT_DIRECTION_UNKNOWN 2 /* of what was gathered without its key */

enum warder_alert_phase { WARDER_ALERT_FIRST, WARDER_ALERT_UPDATE, WARDER_ALERT_CLOSE };

struct warder_alert {
	char id[WARDER_ALERT_ID];      /* node + boot + start + sequence: of this alert alone */
	char line_id[WARDER_ALERT_ID]; /* id of the line's first alert: ties updates and the close
					*/
	enum warder_alert_rule rule;
	enum warder_alert_phase phase;
	__u8 reason, hook, direction, audited, protocol, file;
	__u16 line, ethertype;
	bool other; /* pairs gathered for want of room: no destination, one source or all of them */
	__u64 time_ns;			  /* UTC */
	__u64 first_ns, last_ns;	  /* UTC: of what it stands for */
	__u64 packets, bytes;		  /* exactly what this alert stands for */
	__u64 total_packets, total_bytes; /* of its line since the line's first alert */
	struct warder_alert_side source, destination;
	struct warder_event_sample sample;
	char interface[16];
	size_t n_policies; /* may be more than there is room for */
	struct warder_alert_policy
		policies[WARDER_ALERT_POLICIES]; /* last: lines keep only what is used */
};

const char *warder_alert_verdict(const struct warder_alert *alert); /* "deny", "would-deny" */
const char *
warder_alert_direction(const struct warder_alert *alert); /* "ingress", "egress", "unknown" */
const char *warder_alert_hook(const struct warder_alert *alert); /* "from-pod", ..., "" */
/* "verdict.h:120", or "" */
const char *warder_alert_where(const struct warder_alert *alert, char *buffer, size_t size);
/* "tcp", "icmp", "arp", "47": lower case */
const char *warder_alert_protocol(const struct warder_alert *alert, char *buffer, size_t size);
/* One sentence or two that a person understands. */
const char *warder_alert_message(const struct warder_alert *alert, char *buffer, size_t size);
#define WARDER_ALERT_MESSAGE 4096

/* Falco's shape (dump it with JSON_COMPACT | JSON_SORT_KEYS, one line): new reference, NULL = no
 * memory. */
json_t *warder_alert_falco(const struct warder_alert *alert, const char *hostname,
			   const char *cluster);
/* The native record, as monitor and drops show it (api/calls.h): new reference. */
json_t *warder_alert_json(const struct warder_alert *alert);

/* What `monitor` was asked for; "" and 0 match everything.  A side matches as a whole. */
struct warder_alert_filter {
	char ns[64], service_account[256], pod[256]; /* pod: "pod" or "namespace/pod" */
	char verdict[16], reason[32];
	__u16 port; /* either side's */
};
/* From the arguments of the call: 0 or -EINVAL with error filled in. */
int warder_alert_filter_parse(const json_t *arguments, struct warder_alert_filter *ret,
			      struct warder_error *error);
bool warder_alert_filter_matches(const struct warder_alert_filter *filter,
				 const struct warder_alert *alert);

/* Who an event was about: given by the agent, which has the compiled state.  Called with all that
 * the record itself says filled in; it fills in identity to proof of both sides, policies,
 * interface. */
struct warder_telemetry_lookup {
	void *data;
	void (*enrich)(void *data, const struct warder_event *event, struct warder_alert *alert);
};

struct warder_telemetry_options {
	const char *alerts; /* file, "-" for stdout */
	const char *node, *cluster, *trust_domain;
	unsigned window_ms; /* between two alerts of one line; 0 = 10000 */
	unsigned lines;	    /* at most so many pairs apart, the rest is gathered; 0 = 4096 */
};

struct warder_telemetry;

int warder_telemetry_open(uv_loop_t *loop, const struct warder_telemetry_options *options,
			  const struct warder_telemetry_lookup *lookup,
			  struct warder_telemetry **ret, struct warder_error *error);
/*
 * Takes over from the agent before: what that one had counted of the same maps (`lines_id`: the
 * kernel's id of map `lines`) is not counted again, and what it had not told is told now.  From then on
 * the same is kept in `path`, once a second.  A stop and a start are exact; after kill -9 what was
 * counted in the last second may be told twice or not at all (`counters` stay exact).  0, or why the
 * file cannot be used (-ENOENT: there is none; -ESTALE: of other maps or another boot): then all that
 * the maps hold is told anew.  Call it before any record.
 */
int warder_telemetry_resume(struct warder_telemetry *telemetry, const char *path, __u32 lines_id);
/* Tells what is pending, waits at most two seconds for it to be written.  The loop need not run. */
void warder_telemetry_close(struct warder_telemetry *telemetry);
/* A record of either ring, or a line of a sweep, in any order. */
void warder_telemetry_event(struct warder_telemetry *telemetry, const struct warder_event *event);
/* The overflow totals (sums over CPUs), after a sweep. */
void warder_telemetry_overflow(struct warder_telemetry *telemetry,
			       const struct warder_counter overflow[WARDER_OVERFLOWS]);
/* Closes windows; the agent sweeps first, each second. */
void warder_telemetry_tick(struct warder_telemetry *telemetry);
/* SIGHUP: opens the alerts' file anew (a rename is seen without it, too). */
void warder_telemetry_reopen(struct warder_telemetry *telemetry);

struct warder_telemetry_stats {
	__u64 events;	    /* records read */
	__u64 packets;	    /* refused or would-be refused ones that records told */
	__u64 alerts;	    /* made */
	__u64 told_packets; /* that those alerts stand for */
	__u64 suppressed;   /* packets gathered without their key: table full, here or in the kernel
			     */
	__u64 write_errors, lost; /* failed writes; alerts given up */
	int failing;		  /* errno of the last write, 0 = it worked */
};
void warder_telemetry_stats(const struct warder_telemetry *telemetry,
			    struct warder_telemetry_stats *ret);
/* The "pairs" of call `drops`, largest first, at most `limit`: new reference. */
json_t *warder_telemetry_pairs(const struct warder_telemetry *telemetry, size_t limit);

/* Live listeners (warderctl monitor): called for every alert as it is made. */
void *warder_telemetry_listen(struct warder_telemetry *telemetry,
			      void (*alert)(void *data, const struct warder_alert *alert),
			      void *data);
void warder_telemetry_unlisten(struct warder_telemetry *telemetry, void *handle);

#endif
