/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's API for the CLI: JSON over a UNIX socket (mode 0600), one request a line, one or more
 * answers a line.  Request {"call":"status", ...}; answer {"ok":true, "result":...} or
 * {"ok":false,"error":"what to do"}; a stream ("monitor") answers until the client goes.
 */
#ifndef WARDER_API_API_H
#define WARDER_API_API_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

#define WARDER_API_LINE_MAX (16 << 20) /* bytes of one request */

struct warder_api;
struct warder_api_client; /* one connection, alive until its `gone` was called */

struct warder_api_call {
	const char *name;
	/* Answers now with warder_api_answer, or later; arguments are borrowed. */
	void (*run)(void *data, struct warder_api_client *client, const json_t *arguments);
};

int warder_api_open(uv_loop_t *loop, const char *path, const struct warder_api_call *calls,
		    size_t n_calls, void *data, struct warder_api **ret,
		    struct warder_error *error);
void warder_api_close(struct warder_api *api);

void warder_api_answer(struct warder_api_client *client, json_t *result,
		       bool more); /* takes the reference */
void warder_api_fail(struct warder_api_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Called once when the client is gone (for streams and late answers); data of its own. */
void warder_api_client_watch(struct warder_api_client *client, void (*gone)(void *data),
			     void *data);
size_t warder_api_backlog(const struct warder_api_client
				  *client); /* bytes not written yet: a slow reader is told so */

/* The client's side (warderctl), blocking.  `answer` returns false to stop. 0, or -errno with error
 * filled in. */
int warder_api_ask(const char *path, json_t *request, int timeout_ms,
		   bool (*answer)(void *data, const json_t *result), void *data,
		   struct warder_error *error);

#endif
