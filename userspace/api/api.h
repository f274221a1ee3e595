/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's API for the CLI: JSON over a UNIX socket (mode 0600), one request a line, one or
 * more answers a line.  Request {"call":"status", ...}; answer {"ok":true,"result":{...}} with
 * "more":true where others follow, or {"ok":false,"error":"what to do"}; a stream ("monitor")
 * answers until the client goes.  Requests of one connection are answered one after the other.
 */
#ifndef WARDER_API_API_H
#define WARDER_API_API_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "base/run_dir.h"

#define WARDER_RUN_DIR	       "/run/warder" /* by default */
#define WARDER_API_SOCKET      WARDER_RUN_SOCKET
#define WARDER_API_LINE_MAX    (1 << 20) /* bytes of one request, and of what waits behind it */
#define WARDER_API_CLIENTS_MAX 64	 /* the next one takes a quiet one's place or is told so */
#define WARDER_API_QUIET_MS    1000 /* so long without a request, where another wants its place */
#define WARDER_API_BACKLOG_MAX (64 << 20) /* bytes not read by a client before it is closed */
#define WARDER_API_IDLE_MS     60000	  /* without a whole request, while nothing is asked */

struct warder_api;
struct warder_api_client; /* one connection, alive until its `gone` was called */

struct warder_api_call {
	const char *name;
	/* Answers now with warder_api_answer, or later (then it watches); arguments are borrowed.
	 */
	void (*run)(void *data, struct warder_api_client *client, const json_t *arguments);
};

/*
 * `calls` is borrowed until close.  A socket that nobody listens on is replaced; -EADDRINUSE where
 * an agent answers there, -ENAMETOOLONG where the path is longer than a socket's may be.
 */
int warder_api_open(uv_loop_t *loop, const char *path, const struct warder_api_call *calls,
		    size_t n_calls, void *data, struct warder_api **ret,
		    struct warder_error *error);
/* Removes the socket and closes every client; their `gone` is called before it returns.  The memory
 * is freed in later turns of the loop. */
void warder_api_close(struct warder_api *api);

/* Takes the reference.  `more`: others follow.  Never calls `gone`: that comes in a later turn. */
void warder_api_answer(struct warder_api_client *client, json_t *result, bool more);
void warder_api_fail(struct warder_api_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * For late answers and streams: `gone` is called once, when the client is gone; after it the client
 * must not be used.  One watch at a time; it ends by itself with the last answer of its request.
 */
void warder_api_client_watch(struct warder_api_client *client, void (*gone)(void *data),
			     void *data);
/* Bytes not written yet: whoever streams skips answers for a slow reader, and tells it so. */
size_t warder_api_backlog(const struct warder_api_client *client);

/*
 * The client's side (warderctl), blocking.  `timeout_ms`: for each answer, -1 = none.  `answer`
 * (may be NULL) gets each result and returns false to stop.  0, or with error filled in:
 *   -ENOENT, -ECONNREFUSED, -EACCES: no agent there (or not for us);
 *   -ETIMEDOUT: no answer in time; -ECONNRESET: it went away;
 *   -EPROTO: what came is no answer; -EREMOTEIO: the agent said no, error has its words.
 */
int warder_api_ask(const char *path, json_t *request, int timeout_ms,
		   bool (*answer)(void *data, const json_t *result), void *data,
		   struct warder_error *error);
/* False where no agent listens there yet; any other obstacle is for warder_api_ask to tell. */
bool warder_api_answers(const char *path);
/* Whether an error of warder_api_ask means that no agent could be asked. */
bool warder_api_is_unreachable(int error);

#endif
