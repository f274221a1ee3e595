/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages in a row: record -> what is new of it -> enriched -> line -> alert -> Falco's line,
 * listeners.  It holds no policy and reads no map; the agent hands in records and ticks.
 */
#include "telemetry/telemetry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "telemetry/aggregate.h"
#include "telemetry/clock.h"
#include "telemetry/state.h"
#include "telemetry/tenancy.h"
#include "telemetry/writer.h"

#define WINDOW_MS	  10000
#define LINES		  4096
#define LINES_PER_SOURCE  128
#define CLOSE_MS	  2000
#define KEEP_BYTES_PER_MS 256

struct listener {
	void (*alert)(void *data, const struct warder_alert *alert);
	void *data;
	struct listener *prev, *next;
};

struct warder_telemetry {
	uv_loop_t *loop;
	struct warder_telemetry_lookup lookup;
	char *node, *cluster;
	char id_prefix[WARDER_ALERT_ID - 24];
	__u64 sequence;
	struct warder_clock clock;
	struct warder_tenancies *tenancies;
	struct warder_aggregate *aggregate;
	struct warder_writer *writer;
	struct listener *listeners;
	struct warder_state state;  /* overflow: counted so far */
	char *state_path;	    /* NULL: nothing is kept */
	__u64 kept;		    /* packets that were counted when it was kept last, plus told */
	__u64 keep_at;		    /* not before */
	struct warder_counter lost; /* of alerts given up and not yet told */
	__u64 events, alerts;
};

static void boot_id(char ret[WARDER_STATE_BOOT])
{
	CLEANUP(cleanup_close)
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, WARDER_STATE_BOOT - 1);

	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static void set_id(struct warder_telemetry *telemetry, struct warder_alert *alert)
{
	snprintf(alert->id, sizeof(alert->id), "%s-%llu", telemetry->id_prefix,
		 ++telemetry->sequence);
	if (!alert->line_id[0])
		memcpy(alert->line_id, alert->id, sizeof(alert->id));
}

static bool write_alert(struct warder_telemetry *telemetry, const struct warder_alert *alert)
{
	json_t *json = warder_alert_falco(alert, telemetry->node, telemetry->cluster);
	CLEANUP(cleanup_free)
	char *line = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(json);
	return line && warder_writer_line(telemetry->writer, line, strlen(line));
}

/* Once there is room again: how much was given up, so that the feed still adds up. */
static void tell_lost(struct warder_telemetry *telemetry)
{
	struct warder_alert alert = {.rule = WARDER_RULE_ALERTS_LOST, .other = true};

	if (!telemetry->lost.packets)
		return;
	alert.direction = WARDER_ALERT_DIRECTION_UNKNOWN;
	alert.time_ns = alert.first_ns = alert.last_ns = warder_clock_now(&telemetry->clock);
	alert.packets = alert.total_packets = telemetry->lost.packets;
	alert.bytes = alert.total_bytes = telemetry->lost.bytes;
	set_id(telemetry, &alert);
	if (write_alert(telemetry, &alert))
		telemetry->lost = (struct warder_counter){0};
}

static void on_alert(void *data, struct warder_alert *alert)
{
	struct warder_telemetry *telemetry = data;
	struct listener *listener, *next;

	alert->time_ns = warder_clock_now(&telemetry->clock);
	set_id(telemetry, alert);
	telemetry->alerts++;
	tell_lost(telemetry);
	if (!write_alert(telemetry, alert)) {
		telemetry->lost.packets += alert->packets;
		telemetry->lost.bytes += alert->bytes;
	}
	DL_FOREACH_SAFE(telemetry->listeners, listener, next)
	listener->alert(listener->data, alert);
}

static void release(struct warder_telemetry *telemetry)
{
	struct listener *listener, *next;

	DL_FOREACH_SAFE(telemetry->listeners, listener, next)
	free(listener);
	warder_tenancies_free(telemetry->tenancies);
	warder_aggregate_free(telemetry->aggregate);
	free(telemetry->state_path);
	free(telemetry->node);
	free(telemetry->cluster);
	free(telemetry);
}

int warder_telemetry_open(uv_loop_t *loop, const struct warder_telemetry_options *options,
			  const struct warder_telemetry_lookup *lookup,
			  struct warder_telemetry **ret, struct warder_error *error)
{
	struct warder_telemetry *telemetry = calloc(1, sizeof(*telemetry));
	struct warder_aggregate_options aggregate = {
		.window_ms = options->window_ms ? options->window_ms : WINDOW_MS,
		.lines = options->lines ? options->lines : LINES,
		.lines_per_source = LINES_PER_SOURCE,
		.data = telemetry,
		.alert = on_alert,
	};
	int err;

	if (!telemetry)
		return warder_error_set(error, -ENOMEM, "no memory for alerts");
	telemetry->loop = loop;
	telemetry->lookup = *lookup;
	telemetry->node = strdup(options->node ? options->node : "");
	telemetry->cluster = strdup(options->cluster ? options->cluster : "");
	telemetry->tenancies = warder_tenancies_new();
	telemetry->aggregate = warder_aggregate_new(&aggregate);
	if (!telemetry->node || !telemetry->cluster || !telemetry->tenancies ||
	    !telemetry->aggregate) {
		release(telemetry);
		return warder_error_set(error, -ENOMEM, "no memory for alerts");
	}
	warder_clock_refresh(&telemetry->clock);
	boot_id(telemetry->state.boot);
	snprintf(telemetry->id_prefix, sizeof(telemetry->id_prefix), "%s-%.8s-%llx",
		 telemetry->node, telemetry->state.boot,
		 warder_clock_now(&telemetry->clock) / 1000000);
	err = warder_writer_open(options->alerts ? options->alerts : "-", 0, &telemetry->writer,
				 error);
	if (err < 0) {
		release(telemetry);
		return err;
	}
	*ret = telemetry;
	return 0;
}

/* What is to be kept, as bytes. */
static void *pack(struct warder_telemetry *telemetry, size_t *ret_size)
{
	memset(telemetry->state.pending, 0, sizeof(telemetry->state.pending));
	warder_aggregate_pending(telemetry->aggregate, telemetry->state.pending);
	return warder_state_pack(&telemetry->state, telemetry->tenancies, ret_size);
}

/* Where something changed; a large state (many CPUs under a flood) less often. */
static void keep_state(struct warder_telemetry *telemetry)
{
	struct warder_aggregate_counts counts;
	CLEANUP(cleanup_free) void *bytes = NULL;
	__u64 now = uv_now(telemetry->loop);
	size_t size;

	warder_aggregate_counts(telemetry->aggregate, &counts);
	if (!telemetry->state_path || now < telemetry->keep_at ||
	    telemetry->kept == counts.added.packets + counts.told.packets)
		return;
	bytes = pack(telemetry, &size);
	if (!bytes || warder_state_write(telemetry->state_path, bytes, size) < 0)
		return; /* the next tick tries again */
	telemetry->kept = counts.added.packets + counts.told.packets;
	telemetry->keep_at = now + size / KEEP_BYTES_PER_MS;
}

/* Counts without their pair; `index`: reason + WARDER_REASON_MAX * audited. */
static int add_gathered(struct warder_telemetry *telemetry, unsigned index,
			struct warder_counter counts)
{
	struct warder_alert alert = {.other = true,
				     .reason = index % WARDER_REASON_MAX,
				     .audited = index / WARDER_REASON_MAX};

	alert.rule = warder_rule_of(alert.reason, alert.audited);
	alert.direction = WARDER_ALERT_DIRECTION_UNKNOWN;
	alert.packets = counts.packets;
	alert.bytes = counts.bytes;
	alert.time_ns = warder_clock_now(&telemetry->clock);
	alert.first_ns = alert.last_ns = alert.time_ns;
	return warder_aggregate_add(telemetry->aggregate, &alert, uv_now(telemetry->loop));
}

int warder_telemetry_resume(struct warder_telemetry *telemetry, const char *path, __u32 lines_id)
{
	int err;

	telemetry->state.lines_id = lines_id;
	telemetry->state_path = strdup(path);
	if (!telemetry->state_path)
		return -ENOMEM;
	err = warder_state_read(path, &telemetry->state, telemetry->tenancies);
	for (unsigned i = 0; !err && i < WARDER_OVERFLOWS; i++)
		if (telemetry->state.pending[i].packets)
			add_gathered(telemetry, i, telemetry->state.pending[i]);
	return err;
}

void warder_telemetry_close(struct warder_telemetry *telemetry)
{
	CLEANUP(cleanup_free) void *bytes = NULL;
	size_t size;

	if (!telemetry)
		return;
	warder_aggregate_flush(telemetry->aggregate, uv_now(telemetry->loop));
	tell_lost(telemetry);
	bytes = telemetry->state_path ? pack(telemetry, &size) : NULL;
	if (bytes)
		warder_state_write(telemetry->state_path, bytes, size);
	warder_writer_close(telemetry->writer, CLOSE_MS);
	release(telemetry);
}

/* What the record itself says; who that is comes from the agent. */
static void from_event(const struct warder_telemetry *telemetry, const struct warder_event *event,
		       struct warder_alert *alert)
{
	memset(alert, 0, sizeof(*alert));
	alert->rule = warder_rule_of(event->key.reason, event->key.audited);
	alert->reason = event->key.reason;
	alert->hook = event->key.hook;
	alert->direction = event->key.direction;
	alert->audited = event->key.audited;
	alert->protocol = event->key.protocol;
	alert->ethertype = event->key.ethertype;
	alert->file = event->sample.file;
	alert->line = event->sample.line;
	alert->sample = event->sample;
	alert->source.addr = event->key.src;
	alert->source.port = event->sample.sport;
	alert->destination.addr = event->key.dst;
	alert->destination.port = event->key.dport;
	alert->time_ns = warder_clock_now(&telemetry->clock);
}

void warder_telemetry_event(struct warder_telemetry *telemetry, const struct warder_event *event)
{
	struct warder_counter more;
	struct warder_alert alert;
	__u64 stamp;
	bool first;

	telemetry->events++;
	if (warder_tenancies_tell(telemetry->tenancies, event, &more, &first) <= 0)
		return;
	from_event(telemetry, event, &alert);
	alert.packets = more.packets;
	alert.bytes = more.bytes;
	stamp = warder_clock_utc(&telemetry->clock, event->sample.time);
	alert.first_ns = first && stamp < alert.time_ns ? stamp : alert.time_ns;
	alert.last_ns = alert.time_ns;
	telemetry->lookup.enrich(telemetry->lookup.data, event, &alert);
	warder_aggregate_add(telemetry->aggregate, &alert, uv_now(telemetry->loop));
}

void warder_telemetry_overflow(struct warder_telemetry *telemetry,
			       const struct warder_counter overflow[WARDER_OVERFLOWS])
{
	for (unsigned i = 0; i < WARDER_OVERFLOWS; i++) {
		struct warder_counter *seen = &telemetry->state.overflow[i], more = {0};

		if (overflow[i].packets <= seen->packets)
			continue;
		more.packets = overflow[i].packets - seen->packets;
		if (overflow[i].bytes > seen->bytes)
			more.bytes = overflow[i].bytes - seen->bytes;
		if (add_gathered(telemetry, i, more) < 0)
			continue;
		seen->packets += more.packets;
		seen->bytes += more.bytes;
	}
}

void warder_telemetry_tick(struct warder_telemetry *telemetry)
{
	warder_clock_refresh(&telemetry->clock);
	warder_tenancies_turn(telemetry->tenancies);
	warder_aggregate_tick(telemetry->aggregate, uv_now(telemetry->loop));
	tell_lost(telemetry);
	keep_state(telemetry);
}

void warder_telemetry_reopen(struct warder_telemetry *telemetry)
{
	warder_writer_reopen(telemetry->writer);
}

void warder_telemetry_stats(const struct warder_telemetry *telemetry,
			    struct warder_telemetry_stats *ret)
{
	struct warder_aggregate_counts counts;
	struct warder_writer_stats written;

	warder_aggregate_counts(telemetry->aggregate, &counts);
	warder_writer_stats(telemetry->writer, &written);
	*ret = (struct warder_telemetry_stats){
		.events = telemetry->events,
		.packets = counts.added.packets,
		.alerts = telemetry->alerts,
		.told_packets = counts.told.packets,
		.suppressed = counts.gathered.packets,
		.write_errors = written.errors,
		.failing = written.failing,
		.lost = written.lost,
	};
}

struct pairs {
	json_t **v;
	size_t n, room;
};

static void collect(void *data, const struct warder_alert *alert)
{
	struct pairs *pairs = data;
	json_t *pair;

	if (pairs->n == pairs->room) {
		size_t room = pairs->room ? pairs->room * 2 : 64;
		json_t **v = realloc(pairs->v, room * sizeof(json_t *));

		if (!v)
			return;
		pairs->v = v;
		pairs->room = room;
	}
	pair = warder_alert_json(alert);
	if (pair)
		pairs->v[pairs->n++] = pair;
}

static int by_packets(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "packets"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "packets"));

	return x < y ? 1 : x > y ? -1 : 0;
}

json_t *warder_telemetry_pairs(const struct warder_telemetry *telemetry, size_t limit)
{
	static const char *const only_alerts[] = {
		"time",	 "id",	    "alert_id", "phase",	 "rule",	"priority",
		"where", "message", "process",	"total_packets", "total_bytes", "interface",
	};
	json_t *array = json_array();
	struct pairs pairs = {0};

	warder_aggregate_each(telemetry->aggregate, collect, &pairs);
	if (pairs.n)
		qsort(pairs.v, pairs.n, sizeof(json_t *), by_packets);
	for (size_t i = 0; i < pairs.n; i++) {
		if (i >= limit) {
			json_decref(pairs.v[i]);
			continue;
		}
		for (size_t j = 0; j < sizeof(only_alerts) / sizeof(*only_alerts); j++)
			json_object_del(pairs.v[i], only_alerts[j]);
		json_array_append_new(array, pairs.v[i]);
	}
	free(pairs.v);
	return array;
}

void *warder_telemetry_listen(struct warder_telemetry *telemetry,
			      void (*alert)(void *data, const struct warder_alert *alert),
			      void *data)
{
	struct listener *listener = malloc(sizeof(*listener));

	if (!listener)
		return NULL;
	listener->alert = alert;
	listener->data = data;
	DL_APPEND(telemetry->listeners, listener);
	return listener;
}

void warder_telemetry_unlisten(struct warder_telemetry *telemetry, void *handle)
{
	struct listener *listener = handle;

	if (!listener)
		return;
	DL_DELETE(telemetry->listeners, listener);
	free(listener);
}
