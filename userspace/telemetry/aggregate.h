/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many refused packets, few alerts, no packet uncounted.  Packets of one (rule, source identity and
 * pod, destination identity, pod and address, port, protocol, direction, reason, hook) are a line:
 * its first packets are told at once, further ones once a window, a silent window closes it.  At
 * every moment the packets of all alerts told and of all that is pending are the packets added.
 */
#ifndef WARDER_TELEMETRY_AGGREGATE_H
#define WARDER_TELEMETRY_AGGREGATE_H

#include "telemetry/telemetry.h"

struct warder_aggregate;

struct warder_aggregate_options {
	unsigned window_ms;
	size_t lines; /* at most; the rest is gathered in one line for each (reason, audited) */
	/* Open at most of one source identity and pod: a scan's further pairs are gathered in one
	 * line of that source, and others keep their room. */
	size_t lines_per_source;
	void *data;
	/* Told once for each alert; phase, counts, totals, line_id and times are filled in.  Sets
	 * alert->id, which becomes the line's id where the phase is FIRST. */
	void (*alert)(void *data, struct warder_alert *alert);
};

struct warder_aggregate *warder_aggregate_new(const struct warder_aggregate_options *options);
void warder_aggregate_free(struct warder_aggregate *aggregate); /* tells nothing */
/*
 * `seen`: an enriched alert whose packets and bytes are what is new.  `now_ms`: any clock that only
 * grows.  0 or -ENOMEM (then nothing was counted).
 */
int warder_aggregate_add(struct warder_aggregate *aggregate, const struct warder_alert *seen,
			 __u64 now_ms);
/* Ends windows that are over: at least once a second. */
void warder_aggregate_tick(struct warder_aggregate *aggregate, __u64 now_ms);
/* Tells all that is pending and closes every line. */
void warder_aggregate_flush(struct warder_aggregate *aggregate, __u64 now_ms);

struct warder_aggregate_counts {
	struct warder_counter added, told, pending, gathered; /* gathered: without their key */
	size_t lines;
};
void warder_aggregate_counts(const struct warder_aggregate *aggregate,
			     struct warder_aggregate_counts *ret);
/* What is pending, by reason + WARDER_REASON_MAX * audited; added to `ret`. */
void warder_aggregate_pending(const struct warder_aggregate *aggregate,
			      struct warder_counter ret[WARDER_OVERFLOWS]);
/* Every line that is remembered, open or closed; total_* are since it was first seen. */
void warder_aggregate_each(const struct warder_aggregate *aggregate,
			   void (*each)(void *data, const struct warder_alert *alert), void *data);

#endif
