/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two rings of records, read on the loop.  They are pinned and keep the reader's position, so a
 * new agent goes on where the last one ended.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/state.h"

#define RINGS	    2
#define DRAIN_TRIES 1000 /* a record that a program is still writing is waited for this often */

struct warder_rings {
	uv_poll_t poll;
	struct warder_datapath *datapath;
	struct ring_buffer *buffer;
};

static int take_record(void *context, void *data, size_t size)
{
	struct warder_rings *rings = context;
	const struct warder_datapath_sink *sink = &rings->datapath->sink;

	if (size >= sizeof(struct warder_event) && sink->event)
		sink->event(sink->data, data);
	return 0;
}

static void readable(uv_poll_t *poll, int status, int events)
{
	struct warder_rings *rings = poll->data;

	ring_buffer__consume(rings->buffer);
}

static void closed(uv_handle_t *handle)
{
	struct warder_rings *rings = handle->data;

	ring_buffer__free(rings->buffer);
	warder_datapath_unref(rings->datapath);
	free(rings);
}

void warder_rings_close(struct warder_rings *rings)
{
	if (rings)
		uv_close((uv_handle_t *)&rings->poll, closed);
}

void warder_rings_listen(struct warder_rings *rings)
{
	if (rings)
		uv_poll_start(&rings->poll, UV_READABLE, readable);
}

void warder_rings_drain(struct warder_rings *rings)
{
	for (unsigned i = 0; rings && i < RINGS; i++) {
		struct ring *ring = ring_buffer__ring(rings->buffer, i);
		unsigned long until = ring__producer_pos(ring);

		for (int tries = 0; tries < DRAIN_TRIES; tries++) {
			ring__consume(ring);
			if ((long)(ring__consumer_pos(ring) - until) >= 0)
				break;
			sched_yield();
		}
	}
}

int warder_rings_open(struct warder_datapath *datapath, struct warder_rings **ret,
		      struct warder_error *error)
{
	static const char *const names[RINGS] = {"events_rare", "events_bulk"};
	struct warder_rings *rings = calloc(1, sizeof(*rings));
	int rc = 0;

	if (!rings)
		return -ENOMEM;
	for (int i = 0; !rc && i < RINGS; i++) {
		int fd = warder_maps_find(&datapath->maps, names[i]);

		if (i == 0) {
			rings->buffer = ring_buffer__new(fd, take_record, rings, NULL);
			rc = rings->buffer ? 0 : -errno;
		} else {
			rc = ring_buffer__add(rings->buffer, fd, take_record, rings);
		}
		if (rc)
			warder_error_set(error, rc, "cannot read ring %s: %s", names[i],
					 strerror(-rc));
	}
	if (!rc) {
		rc = uv_poll_init(datapath->loop, &rings->poll,
				  ring_buffer__epoll_fd(rings->buffer));
		if (rc)
			warder_error_set(error, rc, "cannot wait for the rings: %s",
					 uv_strerror(rc));
	}
	if (rc) {
		ring_buffer__free(rings->buffer);
		free(rings);
		return rc;
	}
	rings->datapath = warder_datapath_ref(datapath);
	rings->poll.data = rings;
	*ret = rings;
	return 0;
}
