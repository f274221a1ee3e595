/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of the API: lines in, calls, lines out, each client bounded in what it may
 * send, leave unread and hold open.  It knows no call's meaning.
 */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <utlist.h>

#include "base/cleanup.h"

#define READ_SIZE 65536
#define SWEEP_MS  1000

struct warder_api {
	uv_loop_t *loop;
	uv_pipe_t pipe;
	uv_timer_t sweep; /* runs while there are clients */
	uv_timer_t kick;  /* requests that waited behind a late answer, in a turn of their own */
	char *path;
	const struct warder_api_call *calls;
	size_t n_calls;
	void *data;
	struct warder_api_client *clients;
	size_t n_clients;
	unsigned handles; /* of its own that are not closed, plus clients not freed */
	bool closing;
};

struct warder_api_client {
	struct warder_api *api;
	uv_pipe_t pipe;
	char *line; /* what was read and not parsed */
	size_t n, room;
	bool busy;    /* a request waits for its last answer */
	bool closing; /* no more calls into it, freed when the handle is closed */
	bool running; /* in its line loop */
	bool broken;  /* left too much unread, or there was no memory: the sweep closes it */
	__u64 idle_since;
	void (*gone)(void *data);
	void *gone_data;
	struct warder_api_client *prev, *next;
};

struct write {
	uv_write_t request;
	char *text;
};

static void put_api(struct warder_api *api)
{
	if (--api->handles)
		return;
	free(api->path);
	free(api);
}

static void on_closed(uv_handle_t *handle)
{
	struct warder_api_client *client = handle->data;
	struct warder_api *api = client->api;

	free(client->line);
	free(client);
	put_api(api);
}

static void client_close(struct warder_api_client *client)
{
	struct warder_api *api = client->api;

	if (client->closing)
		return;
	client->closing = true;
	DL_DELETE(api->clients, client);
	if (!--api->n_clients && !api->closing)
		uv_timer_stop(&api->sweep);
	uv_close((uv_handle_t *)&client->pipe, on_closed);
	if (client->gone)
		client->gone(client->gone_data);
	client->gone = NULL;
}

static void on_written(uv_write_t *request, int status)
{
	struct write *write = (struct write *)request;
	struct warder_api_client *client = request->handle->data;

	free(write->text);
	free(write);
	if (status < 0)
		client_close(client);
}

/* Takes `json`. */
static void send_line(struct warder_api_client *client, json_t *json)
{
	CLEANUP(cleanup_free) struct write *write = calloc(1, sizeof(*write));
	CLEANUP(cleanup_free) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	size_t n = text ? strlen(text) : 0;
	uv_buf_t buf;

	json_decref(json);
	if (!write || !text || warder_api_backlog(client) + n > WARDER_API_BACKLOG_MAX)
		client->broken = true;
	if (client->broken)
		return;
	text[n] = '\n'; /* in place of its end */
	buf = uv_buf_init(text, (unsigned)n + 1);
	if (uv_write(&write->request, (uv_stream_t *)&client->pipe, &buf, 1, on_written) < 0) {
		client->broken = true;
		return;
	}
	write->text = TAKE(text);
	TAKE(write);
}

static void next_requests(struct warder_api_client *client);

static void on_kick(uv_timer_t *timer)
{
	struct warder_api *api = timer->data;
	struct warder_api_client *client, *next;

	DL_FOREACH_SAFE(api->clients, client, next)
	next_requests(client);
}

static void request_ends(struct warder_api_client *client)
{
	client->busy = false;
	client->gone = NULL;
	client->idle_since = uv_now(client->api->loop);
	if (!client->running && client->n)
		uv_timer_start(&client->api->kick, on_kick, 0, 0);
}

void warder_api_answer(struct warder_api_client *client, json_t *result, bool more)
{
	json_t *json = json_object();

	if (client->closing) {
		json_decref(json);
		json_decref(result);
		return;
	}
	json_object_set_new(json, "ok", json_true());
	json_object_set_new(json, "result", result ? result : json_null());
	if (more)
		json_object_set_new(json, "more", json_true());
	send_line(client, json);
	if (!more)
		request_ends(client);
}

void warder_api_fail(struct warder_api_client *client, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (client->closing)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_line(client, json_pack("{s:b, s:s+}", "ok", 0, "error", text, ""));
	request_ends(client);
}

void warder_api_client_watch(struct warder_api_client *client, void (*gone)(void *data), void *data)
{
	client->gone = gone;
	client->gone_data = data;
}

size_t warder_api_backlog(const struct warder_api_client *client)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&client->pipe);
}

static void run_request(struct warder_api_client *client, const char *line, size_t n)
{
	const struct warder_api *api = client->api;
	json_error_t problem;
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &problem);
	const char *name = json_string_value(json_object_get(request, "call"));

	client->busy = true;
	if (!request)
		warder_api_fail(client, "the request is not JSON: %s", problem.text);
	else if (!name)
		warder_api_fail(client, "the request must be an object with a string \"call\"");
	for (size_t i = 0; name && i < api->n_calls; i++)
		if (!strcmp(api->calls[i].name, name)) {
			api->calls[i].run(api->data, client, request);
			name = NULL;
		}
	if (name)
		warder_api_fail(client,
				"there is no call \"%.64s\" in this agent: is warderctl newer?",
				name);
	json_decref(request);
}

/* Runs whole lines, one request at a time. */
static void next_requests(struct warder_api_client *client)
{
	size_t done = 0;

	if (client->running)
		return;
	client->running = true;
	while (!client->busy && !client->closing && !client->broken) {
		char *start = client->line + done;
		char *end = client->n > done ? memchr(start, '\n', client->n - done) : NULL;

		if (!end)
			break;
		done += (size_t)(end - start) + 1;
		if (end > start)
			run_request(client, start, (size_t)(end - start));
	}
	client->running = false;
	if (!done)
		return;
	memmove(client->line, client->line + done, client->n - done);
	client->n -= done;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct warder_api_client *client = handle->data;
	size_t room = client->room;

	if (client->room - client->n < READ_SIZE)
		room = client->room + READ_SIZE;
	if (room != client->room) {
		char *line = realloc(client->line, room);

		if (!line) {
			*ret = uv_buf_init(NULL, 0); /* read says UV_ENOBUFS */
			return;
		}
		client->line = line;
		client->room = room;
	}
	*ret = uv_buf_init(client->line + client->n, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct warder_api_client *client = stream->data;

	if (n < 0)
		return client_close(client);
	client->n += (size_t)n;
	next_requests(client);
	if (client->n <= WARDER_API_LINE_MAX || client->closing)
		return;
	/* What is read no more cannot grow; the answer has a moment to arrive. */
	uv_read_stop(stream);
	if (!client->busy)
		warder_api_fail(client, "a request has at most %d bytes", WARDER_API_LINE_MAX);
	client->broken = true;
}

static void on_sweep(uv_timer_t *timer)
{
	struct warder_api *api = timer->data;
	struct warder_api_client *client, *next;
	__u64 now = uv_now(api->loop);

	DL_FOREACH_SAFE(api->clients, client, next)
	if (client->broken || (!client->busy && now - client->idle_since > WARDER_API_IDLE_MS))
		client_close(client);
}

/* Whoever holds connections open without asking must not keep others out. */
static void make_room(struct warder_api *api)
{
	struct warder_api_client *client, *quiet = NULL;

	DL_FOREACH(api->clients, client)
	if (!client->busy && (!quiet || client->idle_since < quiet->idle_since))
		quiet = client;
	if (quiet && uv_now(api->loop) - quiet->idle_since >= WARDER_API_QUIET_MS)
		client_close(quiet);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct warder_api *api = server->data;
	struct warder_api_client *client;

	client = status < 0 ? NULL : calloc(1, sizeof(*client));
	if (!client)
		return;
	client->api = api;
	client->pipe.data = client;
	client->idle_since = uv_now(api->loop);
	uv_pipe_init(api->loop, &client->pipe, 0);
	api->handles++;
	DL_APPEND(api->clients, client);
	if (!api->n_clients++)
		uv_timer_start(&api->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	if (uv_accept(server, (uv_stream_t *)&client->pipe) < 0)
		return client_close(client);
	if (api->n_clients > WARDER_API_CLIENTS_MAX)
		make_room(api);
	if (api->n_clients > WARDER_API_CLIENTS_MAX) {
		warder_api_fail(client, "the agent serves %d clients already: try again",
				WARDER_API_CLIENTS_MAX);
		client->broken = true;
		return;
	}
	if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) < 0)
		client_close(client);
}

/* 0 where nobody listens there: what is left of an agent that died is removed. */
static int clear_stale(const char *path, struct warder_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP(cleanup_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return warder_error_set(
			error, -EEXIST,
			"%s is there and is no socket: remove it, or choose another --run-dir",
			path);
	memcpy(address.sun_path, path, strlen(path));
	if (fd >= 0 &&
	    (!connect(fd, (struct sockaddr *)&address, sizeof(address)) || errno == EAGAIN))
		return warder_error_set(
			error, -EADDRINUSE,
			"an agent serves %s already: stop it, or choose another --run-dir", path);
	return unlink(path) < 0 ? warder_error_set(error, -errno, "cannot remove the old %s: %s",
						   path, strerror(errno))
				: 0;
}

static void on_own_closed(uv_handle_t *handle)
{
	put_api(handle->data);
}

static int listen_at(struct warder_api *api, const char *path, struct warder_error *error)
{
	mode_t mask = umask(0177); /* the socket is 0600 from its first moment */
	int err = uv_pipe_bind(&api->pipe, path);

	umask(mask);
	if (!err) {
		api->path = strdup(path);
		err = api->path ? uv_listen((uv_stream_t *)&api->pipe, 64, on_connection) : -ENOMEM;
	}
	return err ? warder_error_set(error, err, "cannot serve %s: %s", path, strerror(-err)) : 0;
}

int warder_api_open(uv_loop_t *loop, const char *path, const struct warder_api_call *calls,
		    size_t n_calls, void *data, struct warder_api **ret, struct warder_error *error)
{
	struct warder_api *api;
	int err;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return warder_error_set(error, -ENAMETOOLONG,
					"%s is too long for a socket's path (107 bytes): choose a "
					"shorter --run-dir",
					path);
	err = clear_stale(path, error);
	if (err < 0)
		return err;
	api = calloc(1, sizeof(*api));
	if (!api)
		return warder_error_set(error, -ENOMEM, "no memory for the API");
	api->loop = loop;
	api->calls = calls;
	api->n_calls = n_calls;
	api->data = data;
	uv_pipe_init(loop, &api->pipe, 0);
	uv_timer_init(loop, &api->sweep);
	uv_timer_init(loop, &api->kick);
	api->handles = 3;
	api->pipe.data = api->sweep.data = api->kick.data = api;
	err = listen_at(api, path, error);
	if (err < 0) {
		warder_api_close(api);
		return err;
	}
	*ret = api;
	return 0;
}

void warder_api_close(struct warder_api *api)
{
	struct warder_api_client *client, *next;

	if (!api)
		return;
	api->closing = true;
	DL_FOREACH_SAFE(api->clients, client, next)
	client_close(client);
	/* libuv removes the socket that it bound. */
	uv_close((uv_handle_t *)&api->pipe, on_own_closed);
	uv_close((uv_handle_t *)&api->sweep, on_own_closed);
	uv_close((uv_handle_t *)&api->kick, on_own_closed);
}
