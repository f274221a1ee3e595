/* SPDX-License-Identifier: Apache-2.0 */
/* One agent's hold on the datapath, as a test has it: a loop, what was told, and the ends of both.
 */
#ifndef WARDER_TESTS_SESSION_H
#define WARDER_TESTS_SESSION_H

#include "datapath/datapath.h"
#include "suite.h"

struct session {
	uv_loop_t loop;
	struct warder_datapath *datapath;
	struct warder_error error;
	__u32 attached_ifindex;
	int attached_error;
	unsigned attached; /* how often it was told */
	void (*event)(const struct warder_event *event);
};

static void session_attached(void *data, __u32 ifindex, int error)
{
	struct session *session = data;

	session->attached_ifindex = ifindex;
	session->attached_error = error;
	session->attached++;
}

static void session_event(void *data, const struct warder_event *event)
{
	struct session *session = data;

	if (session->event)
		session->event(event);
}

/* 0 or -errno with session->error; then nothing is left to close. */
__attribute__((unused)) static int session_open(struct session *session,
						const struct warder_datapath_options *options)
{
	struct warder_datapath_sink sink = {
		.data = session, .event = session_event, .attached = session_attached};
	int rc;

	memset(session, 0, sizeof(*session));
	uv_loop_init(&session->loop);
	rc = warder_datapath_open(&session->loop, options, &sink, &session->datapath,
				  &session->error);
	if (rc) {
		printf("  open: %s\n", session->error.text);
		uv_run(&session->loop, UV_RUN_DEFAULT);
		uv_loop_close(&session->loop);
		session->datapath = NULL;
	}
	return rc;
}

__attribute__((unused)) static void session_close(struct session *session)
{
	if (!session->datapath)
		return;
	warder_datapath_close(session->datapath);
	session->datapath = NULL;
	uv_run(&session->loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&session->loop), 0);
}

/* Attaches and waits for the answer. */
__attribute__((unused)) static int session_attach(struct session *session, __u32 ifindex,
						  const struct warder_netns *netns)
{
	unsigned before = session->attached;
	int rc = warder_datapath_attach(session->datapath, ifindex, netns, &session->error);

	while (!rc && session->attached == before)
		uv_run(&session->loop, UV_RUN_ONCE);
	return rc ?: session->attached_error;
}

#endif
