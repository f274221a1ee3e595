/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of lines.  Time comes in as an argument; nothing here reads a clock, resolves a name or
 * writes.  A closed line is kept as long as there is room (`drops` shows it) and is the first to
 * go.
 */
#include "telemetry/aggregate.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

struct line {
	char *key;
	size_t key_size;
	bool open;
	struct share *share;			    /* while open; NULL for what is gathered */
	__u64 window;				    /* when the window began, ms */
	struct warder_counter pending, total, ever; /* total: since it was opened */
	__u64 first_ns, last_ns;		    /* of what is pending */
	__u64 ever_first_ns;
	struct warder_alert *alert; /* the newest; only as many policies as it has */
	struct line *prev, *next;   /* in `closed`, oldest first */
	UT_hash_handle hh;
};

/* How many lines of a source are open, so that none takes the room of all. */
struct share {
	char *key;
	size_t open;
	UT_hash_handle hh;
};

struct warder_aggregate {
	struct warder_aggregate_options options;
	struct line *lines, *closed;
	struct share *shares; /* of sources that have an open line */
	size_t n_gathering;   /* lines of the gathered, which have room of their own */
	struct warder_aggregate_counts counts;
};

static void counter_add(struct warder_counter *to, __u64 packets, __u64 bytes)
{
	to->packets += packets;
	to->bytes += bytes;
}

/* What makes two packets the same line, as bytes: strings with their ends, then numbers. */
struct key_bytes {
	char v[2 * (sizeof(((struct warder_alert_side *)0)->identity) + 64 + 256 + 3) + 64];
	size_t n;
};

static void key_put(struct key_bytes *key, const void *bytes, size_t n)
{
	memcpy(key->v + key->n, bytes, n);
	key->n += n;
}

static void key_string(struct key_bytes *key, const char *text)
{
	key_put(key, text, strlen(text) + 1);
}

static void key_side(struct key_bytes *key, const struct warder_alert_side *side)
{
	key_string(key, side->identity);
	key_string(key, side->ns);
	key_string(key, side->pod);
}

static void key_make(struct key_bytes *key, const struct warder_alert *alert)
{
	__u8 numbers[] = {alert->rule, alert->reason, alert->audited, alert->other};

	key->n = 0;
	key_put(key, numbers, sizeof(numbers));
	key_put(key, &alert->direction, 1);
	key_side(key, &alert->source);
	if (alert->other) /* of one source, or of all (then it is empty) */
		return;
	/* A raw socket's packet is other news than a refused connect. */
	key_put(key, &alert->hook, 1);
	key_put(key, &alert->protocol, 1);
	key_put(key, &alert->ethertype, 2);
	key_put(key, &alert->destination.port, 2);
	key_put(key, &alert->destination.addr, sizeof(alert->destination.addr));
	key_side(key, &alert->destination);
}

struct warder_aggregate *warder_aggregate_new(const struct warder_aggregate_options *options)
{
	struct warder_aggregate *aggregate = calloc(1, sizeof(*aggregate));

	if (aggregate)
		aggregate->options = *options;
	return aggregate;
}

static struct share *share_find(struct warder_aggregate *aggregate,
				const struct warder_alert *alert, struct key_bytes *key)
{
	struct share *share;

	key->n = 0;
	key_side(key, &alert->source);
	HASH_FIND(hh, aggregate->shares, key->v, key->n, share);
	return share;
}

static bool share_is_used_up(struct warder_aggregate *aggregate, const struct warder_alert *alert)
{
	struct key_bytes key;
	const struct share *share = share_find(aggregate, alert, &key);

	return share && share->open >= aggregate->options.lines_per_source;
}

/* NULL without memory: such a line is of nobody's share. */
static struct share *share_take(struct warder_aggregate *aggregate,
				const struct warder_alert *alert)
{
	struct key_bytes key;
	struct share *share = share_find(aggregate, alert, &key);

	if (!share) {
		share = calloc(1, sizeof(*share));
		if (!share)
			return NULL;
		share->key = malloc(key.n);
		if (share->key) {
			memcpy(share->key, key.v, key.n);
			HASH_ADD_KEYPTR(hh, aggregate->shares, share->key, key.n, share);
		}
		if (!share->hh.tbl) {
			free(share->key);
			free(share);
			return NULL;
		}
	}
	share->open++;
	return share;
}

static void share_give(struct warder_aggregate *aggregate, struct share *share)
{
	if (!share || --share->open)
		return;
	HASH_DEL(aggregate->shares, share);
	free(share->key);
	free(share);
}

static void line_free(struct line *line)
{
	free(line->alert);
	free(line->key);
	free(line);
}

void warder_aggregate_free(struct warder_aggregate *aggregate)
{
	struct line *line, *next;

	if (!aggregate)
		return;
	HASH_ITER (hh, aggregate->lines, line, next) {
		share_give(aggregate, line->share);
		HASH_DEL(aggregate->lines, line);
		line_free(line);
	}
	free(aggregate);
}

static size_t alert_size(const struct warder_alert *alert)
{
	size_t n = alert->n_policies;

	if (n > WARDER_ALERT_POLICIES)
		n = WARDER_ALERT_POLICIES;
	return offsetof(struct warder_alert, policies) + n * sizeof(alert->policies[0]);
}

/* Keeps `seen` as what the line last looked like; its line_id stays. */
static int line_remember(struct line *line, const struct warder_alert *seen)
{
	size_t size = alert_size(seen);
	struct warder_alert *copy = malloc(size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, seen, size);
	if (line->alert)
		memcpy(copy->line_id, line->alert->line_id, sizeof(copy->line_id));
	free(line->alert);
	line->alert = copy;
	return 0;
}

/* Gathered of every source: a few lines, outside the bound. */
static bool is_of_all(const struct warder_alert *alert)
{
	return alert->other && !alert->source.identity[0] && !alert->source.pod[0];
}

static bool make_room(struct warder_aggregate *aggregate)
{
	struct line *oldest = aggregate->closed;

	if (HASH_COUNT(aggregate->lines) - aggregate->n_gathering < aggregate->options.lines)
		return true;
	while (oldest && is_of_all(oldest->alert))
		oldest = oldest->next;
	if (!oldest)
		return false;
	DL_DELETE(aggregate->closed, oldest);
	HASH_DEL(aggregate->lines, oldest);
	line_free(oldest);
	return true;
}

/* 0 and the line of this alert, made where there was none; -EDQUOT, -ENOSPC, -ENOMEM. */
static int line_get(struct warder_aggregate *aggregate, const struct warder_alert *seen,
		    struct line **ret)
{
	struct key_bytes key;
	struct line *line;

	key_make(&key, seen);
	HASH_FIND(hh, aggregate->lines, key.v, key.n, line);
	if (!seen->other && (!line || !line->open) && share_is_used_up(aggregate, seen))
		return -EDQUOT;
	if (line) {
		*ret = line;
		return line_remember(line, seen);
	}
	if (!is_of_all(seen) && !make_room(aggregate))
		return -ENOSPC;
	line = calloc(1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	line->key = malloc(key.n);
	if (!line->key || line_remember(line, seen) < 0) {
		line_free(line);
		return -ENOMEM;
	}
	memcpy(line->key, key.v, key.n);
	line->key_size = key.n;
	line->ever_first_ns = seen->first_ns;
	HASH_ADD_KEYPTR(hh, aggregate->lines, line->key, line->key_size, line);
	if (!line->hh.tbl) {
		line_free(line);
		return -ENOMEM;
	}
	DL_APPEND(aggregate->closed, line);
	aggregate->n_gathering += is_of_all(seen);
	*ret = line;
	return 0;
}

static void line_tell(struct warder_aggregate *aggregate, struct line *line,
		      enum warder_alert_phase phase)
{
	struct warder_alert alert;

	memcpy(&alert, line->alert, alert_size(line->alert));
	counter_add(&line->total, line->pending.packets, line->pending.bytes);
	alert.phase = phase;
	alert.packets = line->pending.packets;
	alert.bytes = line->pending.bytes;
	alert.total_packets = line->total.packets;
	alert.total_bytes = line->total.bytes;
	if (line->pending.packets) {
		alert.first_ns = line->first_ns;
		alert.last_ns = line->last_ns;
	}
	counter_add(&aggregate->counts.told, alert.packets, alert.bytes);
	aggregate->counts.pending.packets -= alert.packets;
	aggregate->counts.pending.bytes -= alert.bytes;
	line->pending = (struct warder_counter){0};
	if (phase == WARDER_ALERT_FIRST)
		alert.line_id[0] = '\0';
	aggregate->options.alert(aggregate->options.data, &alert);
	if (phase == WARDER_ALERT_FIRST)
		memcpy(line->alert->line_id, alert.id, sizeof(alert.id));
}

static void line_open(struct warder_aggregate *aggregate, struct line *line, __u64 now_ms)
{
	DL_DELETE(aggregate->closed, line);
	line->open = true;
	line->share = line->alert->other ? NULL : share_take(aggregate, line->alert);
	line->window = now_ms;
	line->total = (struct warder_counter){0};
	line_tell(aggregate, line, WARDER_ALERT_FIRST);
}

static void line_close(struct warder_aggregate *aggregate, struct line *line)
{
	line_tell(aggregate, line, WARDER_ALERT_CLOSE);
	line->open = false;
	share_give(aggregate, line->share);
	line->share = NULL;
	DL_APPEND(aggregate->closed, line);
}

/* The same counts without their pair: of one source, or of all. */
static void without_pair(const struct warder_alert *seen, bool of_source, struct warder_alert *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->rule = seen->rule;
	ret->reason = seen->reason;
	ret->audited = seen->audited;
	ret->direction = WARDER_ALERT_DIRECTION_UNKNOWN;
	ret->other = true;
	ret->time_ns = seen->time_ns;
	ret->first_ns = seen->first_ns;
	ret->last_ns = seen->last_ns;
	ret->packets = seen->packets;
	ret->bytes = seen->bytes;
	if (!of_source)
		return;
	ret->direction = seen->direction;
	ret->source = seen->source;
}

int warder_aggregate_add(struct warder_aggregate *aggregate, const struct warder_alert *seen,
			 __u64 now_ms)
{
	struct warder_alert other;
	struct line *line;
	int err = line_get(aggregate, seen, &line);

	if (err == -EDQUOT) {
		without_pair(seen, true, &other);
		err = line_get(aggregate, &other, &line);
		seen = &other;
	}
	if (err == -ENOSPC) {
		struct warder_alert all;

		without_pair(seen, false, &all);
		other = all;
		err = line_get(aggregate, &other, &line);
		seen = &other;
	}
	if (err < 0)
		return err;
	if (seen->other)
		counter_add(&aggregate->counts.gathered, seen->packets, seen->bytes);
	if (!line->pending.packets)
		line->first_ns = seen->first_ns;
	line->last_ns = seen->last_ns;
	counter_add(&line->pending, seen->packets, seen->bytes);
	counter_add(&line->ever, seen->packets, seen->bytes);
	counter_add(&aggregate->counts.pending, seen->packets, seen->bytes);
	counter_add(&aggregate->counts.added, seen->packets, seen->bytes);
	if (!line->open)
		line_open(aggregate, line, now_ms);
	return 0;
}

void warder_aggregate_tick(struct warder_aggregate *aggregate, __u64 now_ms)
{
	struct line *line, *next;

	HASH_ITER (hh, aggregate->lines, line, next) {
		if (!line->open || now_ms - line->window < aggregate->options.window_ms)
			continue;
		if (line->pending.packets || line->pending.bytes) {
			line->window = now_ms;
			line_tell(aggregate, line, WARDER_ALERT_UPDATE);
		} else {
			line_close(aggregate, line);
		}
	}
}

void warder_aggregate_flush(struct warder_aggregate *aggregate, __u64 now_ms)
{
	struct line *line, *next;

	HASH_ITER (hh, aggregate->lines, line, next)
		if (line->open)
			line_close(aggregate, line);
}

void warder_aggregate_counts(const struct warder_aggregate *aggregate,
			     struct warder_aggregate_counts *ret)
{
	*ret = aggregate->counts;
	ret->lines = HASH_COUNT(aggregate->lines);
}

void warder_aggregate_pending(const struct warder_aggregate *aggregate,
			      struct warder_counter ret[WARDER_OVERFLOWS])
{
	for (const struct line *line = aggregate->lines; line; line = line->hh.next)
		counter_add(&ret[line->alert->reason % WARDER_REASON_MAX +
				 WARDER_REASON_MAX * !!line->alert->audited],
			    line->pending.packets, line->pending.bytes);
}

void warder_aggregate_each(const struct warder_aggregate *aggregate,
			   void (*each)(void *data, const struct warder_alert *alert), void *data)
{
	struct warder_alert alert;

	for (struct line *line = aggregate->lines; line; line = line->hh.next) {
		memcpy(&alert, line->alert, alert_size(line->alert));
		alert.first_ns = line->ever_first_ns;
		alert.last_ns = line->last_ns;
		alert.packets = alert.total_packets = line->ever.packets;
		alert.bytes = alert.total_bytes = line->ever.bytes;
		each(data, &alert);
	}
}
