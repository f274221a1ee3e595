/* SPDX-License-Identifier: Apache-2.0 */
/* The CLI's side of the API: one request, its answers, blocking. */
#include "api/api.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"

#define ANSWER_MAX (256 << 20) /* bytes of one answer */

bool warder_api_is_unreachable(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -EACCES;
}

/* A connected socket, the caller's. */
static int connect_to(const char *path, struct warder_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(address.sun_path))
		return warder_error_set(error, -ENAMETOOLONG, "%s is too long for a socket's path",
					path);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	if (err == -EACCES)
		return warder_error_set(error, err, "no permission for %s: run as root", path);
	return warder_error_set(
		error, err, "no agent answers at %s (%s): is warderd running, with this --run-dir?",
		path, strerror(-err));
}

bool warder_api_answers(const char *path)
{
	struct warder_error error = {""};
	CLEANUP(cleanup_close) int fd = connect_to(path, &error);

	return fd >= 0 || !(fd == -ENOENT || fd == -ECONNREFUSED);
}

static int send_all(int fd, const char *bytes, size_t n, struct warder_error *error)
{
	while (n) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return warder_error_set(error, -ECONNRESET, "the agent hung up: %s",
						strerror(errno));
		bytes += sent;
		n -= (size_t)sent;
	}
	return 0;
}

struct reader {
	int fd;
	char *v;
	size_t n, room, taken; /* taken: of a line handed out, dropped by the next read */
};

static __s64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__s64)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int read_more(struct reader *reader, __s64 until, struct warder_error *error)
{
	struct pollfd fd = {.fd = reader->fd, .events = POLLIN};
	__s64 left = until < 0 ? -1 : until - now_ms();
	ssize_t n;

	if (until >= 0 && left < 0)
		left = 0;
	switch (poll(&fd, 1, (int)left)) {
	case 0:
		return warder_error_set(error, -ETIMEDOUT, "the agent did not answer in time");
	case -1:
		return errno == EINTR ? 0 : warder_error_set(error, -errno, "%s", strerror(errno));
	}
	if (reader->room - reader->n < 65536) {
		char *v = reader->room > ANSWER_MAX ? NULL
						    : realloc(reader->v, reader->room * 2 + 65536);

		if (!v)
			return warder_error_set(error, -EPROTO, "the agent's answer is too large");
		reader->v = v;
		reader->room = reader->room * 2 + 65536;
	}
	n = read(reader->fd, reader->v + reader->n, reader->room - reader->n);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return warder_error_set(error, -ECONNRESET,
					"the agent went away before it had answered");
	reader->n += (size_t)n;
	return 0;
}

/* The next line, without its end, borrowed until the next call. */
static int read_line(struct reader *reader, int timeout_ms, const char **ret, size_t *ret_n,
		     struct warder_error *error)
{
	__s64 until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	size_t searched = 0;

	if (reader->taken)
		memmove(reader->v, reader->v + reader->taken, reader->n - reader->taken);
	reader->n -= reader->taken;
	reader->taken = 0;
	for (;;) {
		char *end = reader->n > searched
				    ? memchr(reader->v + searched, '\n', reader->n - searched)
				    : NULL;
		int err;

		if (end) {
			*ret = reader->v;
			*ret_n = (size_t)(end - reader->v);
			reader->taken = *ret_n + 1;
			return 0;
		}
		searched = reader->n;
		err = read_more(reader, until, error);
		if (err < 0)
			return err;
	}
}

/* 1: others follow; 0: that was the last; -errno. */
static int take_answer(const char *line, size_t n, bool (*answer)(void *data, const json_t *result),
		       void *data, struct warder_error *error)
{
	json_t *json = json_loadb(line, n, 0, NULL);
	const json_t *result = json_object_get(json, "result");
	const char *refusal = json_string_value(json_object_get(json, "error"));
	bool more = json_is_true(json_object_get(json, "more"));
	int ret = more;

	if (json_is_false(json_object_get(json, "ok")) && refusal)
		ret = warder_error_set(error, -EREMOTEIO, "%s", refusal);
	else if (!json_is_true(json_object_get(json, "ok")) || !result)
		ret = warder_error_set(
			error, -EPROTO,
			"what the agent answered is not Warder's API: wrong socket?");
	else if (answer && !answer(data, result))
		ret = 0;
	json_decref(json);
	return ret;
}

int warder_api_ask(const char *path, json_t *request, int timeout_ms,
		   bool (*answer)(void *data, const json_t *result), void *data,
		   struct warder_error *error)
{
	CLEANUP(cleanup_close) int fd = connect_to(path, error);
	CLEANUP(cleanup_free) char *text = json_dumps(request, JSON_COMPACT);
	struct reader reader = {.fd = fd};
	const char *line;
	bool more;
	size_t n;
	int err;

	if (fd < 0)
		return fd;
	if (!text)
		return warder_error_set(error, -EINVAL, "the request cannot be written as JSON");
	n = strlen(text);
	text[n] = '\n';
	err = send_all(fd, text, n + 1, error);
	do {
		if (!err)
			err = read_line(&reader, timeout_ms, &line, &n, error);
		if (!err)
			err = take_answer(line, n, answer, data, error);
		more = err > 0;
		err = more ? 0 : err;
	} while (more);
	free(reader.v);
	return err;
}
