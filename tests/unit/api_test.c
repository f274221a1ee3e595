/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's server in a thread with its own loop, asked by the real client and by hostile ones over
 * raw sockets: every bad input gets an answer or a closed connection, and the next client is
 * served.
 */
#include "api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/calls.h"
#include "suite.h"

static struct {
	char dir[64], path[108];
	uv_loop_t loop;
	uv_thread_t thread;
	uv_async_t stop;
	uv_sem_t up;
	struct warder_api *api;
	int error;
	atomic_int gone;
} server;

static void call_echo(void *data, struct warder_api_client *client, const json_t *arguments)
{
	warder_api_answer(client, json_pack("{s:O}", "echo", json_object_get(arguments, "value")),
			  false);
}

static void call_fail(void *data, struct warder_api_client *client, const json_t *arguments)
{
	warder_api_fail(client, "there is no pod %s", "x/y");
}

struct late {
	uv_timer_t timer;
	struct warder_api_client *client; /* NULL: gone */
	unsigned left;
};

static void free_late(uv_handle_t *handle)
{
	free(handle->data);
}

static void late_gone(void *data)
{
	struct late *late = data;

	late->client = NULL;
	server.gone++;
}

static void late_turn(uv_timer_t *timer)
{
	struct late *late = timer->data;

	if (late->client && late->left-- > 1) {
		warder_api_answer(late->client, json_pack("{s:i}", "left", late->left), true);
		return;
	}
	if (late->client)
		warder_api_answer(late->client, json_pack("{s:i}", "left", 0), false);
	uv_close((uv_handle_t *)timer, free_late);
}

/* Three answers, each in a later turn. */
static void call_late(void *data, struct warder_api_client *client, const json_t *arguments)
{
	struct late *late = calloc(1, sizeof(*late));

	late->client = client;
	late->left = 3;
	uv_timer_init(&server.loop, &late->timer);
	late->timer.data = late;
	uv_timer_start(&late->timer, late_turn, 1, 1);
	warder_api_client_watch(client, late_gone, late);
}

static void stream_gone(void *data)
{
	server.gone++;
}

/* 100 MB at once: more than a client may leave unread. */
static void call_flood(void *data, struct warder_api_client *client, const json_t *arguments)
{
	char *megabyte = malloc(1 << 20);

	memset(megabyte, 'x', 1 << 20);
	warder_api_client_watch(client, stream_gone, NULL);
	for (int i = 0; i < 100; i++)
		warder_api_answer(client, json_pack("{s:s%}", "x", megabyte, (size_t)1 << 20),
				  true);
	free(megabyte);
}

static const struct warder_api_call calls[] = {
	{"echo", call_echo},
	{"fail", call_fail},
	{"late", call_late},
	{"flood", call_flood},
};

static void on_stop(uv_async_t *async)
{
	warder_api_close(server.api);
	uv_close((uv_handle_t *)async, NULL);
}

static void serve(void *data)
{
	struct warder_error error;

	server.error =
		warder_api_open(&server.loop, server.path, calls, 4, NULL, &server.api, &error);
	uv_sem_post(&server.up);
	uv_run(&server.loop, UV_RUN_DEFAULT);
}

static void start(void)
{
	memset(&server, 0, sizeof(server));
	strcpy(server.dir, "/tmp/warder-api-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(server.dir));
	snprintf(server.path, sizeof(server.path), "%s/socket", server.dir);
	uv_loop_init(&server.loop);
	uv_async_init(&server.loop, &server.stop, on_stop);
	uv_sem_init(&server.up, 0);
	uv_thread_create(&server.thread, serve, NULL);
	uv_sem_wait(&server.up);
	CU_ASSERT_EQUAL_FATAL(server.error, 0);
}

static void stop(void)
{
	uv_async_send(&server.stop);
	uv_thread_join(&server.thread);
	CU_ASSERT_EQUAL(uv_loop_close(&server.loop), 0);
	uv_sem_destroy(&server.up);
	CU_ASSERT_NOT_EQUAL(access(server.path, F_OK), 0);
	rmdir(server.dir);
}

static int raw(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, server.path, sizeof(address.sun_path));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* One line, or what came before the end; "" where nothing came in ten seconds. */
static const char *raw_read(int fd, char *buffer, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		struct pollfd poll_fd = {fd, POLLIN, 0};

		if (poll(&poll_fd, 1, 10000) <= 0 || read(fd, buffer + n, 1) <= 0 ||
		    buffer[n] == '\n')
			break;
		n++;
	}
	buffer[n] = '\0';
	return buffer;
}

static bool raw_closed(int fd)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};
	char bytes[4096];

	for (;;) {
		if (poll(&poll_fd, 1, 10000) <= 0)
			return false;
		if (read(fd, bytes, sizeof(bytes)) <= 0)
			return true;
	}
}

static void raw_write(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

struct seen {
	unsigned n, stop_at;
	char last[256];
};

static bool see(void *data, const json_t *result)
{
	struct seen *seen = data;
	char *text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);

	snprintf(seen->last, sizeof(seen->last), "%s", text);
	free(text);
	return ++seen->n != seen->stop_at;
}

static int ask(const char *request, struct seen *seen, struct warder_error *error)
{
	json_t *json = json_loads(request, 0, NULL);
	int err = warder_api_ask(server.path, json, 10000, see, seen, error);

	json_decref(json);
	return err;
}

static void test_one_answer(void)
{
	struct seen seen = {0};
	struct warder_error error;
	struct stat st;

	start();
	CU_ASSERT_EQUAL(stat(server.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(ask("{\"call\":\"echo\",\"value\":[1,\"\\u00e9\"]}", &seen, &error), 0);
	CU_ASSERT_STRING_EQUAL(seen.last, "{\"echo\":[1,\"\xc3\xa9\"]}");
	CU_ASSERT_EQUAL(ask("{\"call\":\"fail\"}", &seen, &error), -EREMOTEIO);
	CU_ASSERT_STRING_EQUAL(error.text, "there is no pod x/y");
	CU_ASSERT_EQUAL(ask("{\"call\":\"nothing\"}", &seen, &error), -EREMOTEIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no call \"nothing\""));
	CU_ASSERT_EQUAL(seen.n, 1);
	stop();
}

static void test_late_answers(void)
{
	struct seen seen = {0}, early = {.stop_at = 1};
	struct warder_error error;
	char line[256];
	int fd;

	start();
	CU_ASSERT_EQUAL(ask("{\"call\":\"late\"}", &seen, &error), 0);
	CU_ASSERT_EQUAL(seen.n, 3);
	/* A client that has seen enough goes while its call goes on. */
	CU_ASSERT_EQUAL(ask("{\"call\":\"late\"}", &early, &error), 0);
	CU_ASSERT_EQUAL(early.n, 1);
	/* What waits behind a late answer is answered after it, in order. */
	fd = raw();
	raw_write(fd, "{\"call\":\"late\"}\n{\"call\":\"echo\",\"value\":1}\n");
	for (int i = 0; i < 3; i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fd, line, sizeof(line)), "left"));
	CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fd, line, sizeof(line)), "echo"));
	close(fd);
	stop();
}

static void test_garbage(void)
{
	static const char *const bad[] = {
		"hello\n",
		"[]\n",
		"{}\n",
		"{\"call\":1}\n",
		"{\"call\":\"echo\"\n",
		"\"call\"\n",
		"{\"call\":\"echo\",\"call\":\"fail\"}\n",
		"\xff\xfe\x01\n",
		"null\n",
	};
	struct seen seen = {0};
	struct warder_error error;
	char line[512];

	start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int fd = raw();

		raw_write(fd, bad[i]);
		CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fd, line, sizeof(line)), "\"ok\":false"));
		/* The connection is good for the next request. */
		raw_write(fd, "\n\n{\"call\":\"echo\",\"value\":7}\n");
		CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fd, line, sizeof(line)), "\"echo\":7"));
		close(fd);
	}
	CU_ASSERT_EQUAL(ask("{\"call\":\"echo\",\"value\":2}", &seen, &error), 0);
	stop();
}

static void test_huge_line(void)
{
	struct seen seen = {0};
	struct warder_error error;
	char chunk[65537], line[512];
	bool refused = false;
	int fd;

	start();
	memset(chunk, 'x', 65536);
	chunk[65536] = '\0';
	fd = raw();
	raw_write(fd, "{\"call\":\"");
	for (int i = 0; i < 2000 && !refused; i++) { /* 128 MB offered, 1 MB taken */
		struct pollfd poll_fd = {fd, POLLIN | POLLOUT, 0};

		poll(&poll_fd, 1, 10000);
		refused = poll_fd.revents & (POLLIN | POLLHUP | POLLERR);
		if (!refused)
			(void)!send(fd, chunk, 65536, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	CU_ASSERT_TRUE(refused);
	CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fd, line, sizeof(line)), "at most 1048576 bytes"));
	CU_ASSERT_TRUE(raw_closed(fd));
	close(fd);
	/* Deep nesting is refused by the parser, not by the stack. */
	fd = raw();
	memset(chunk, '[', 65535);
	chunk[65535] = '\n';
	raw_write(fd, chunk);
	CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fd, line, sizeof(line)), "\"ok\":false"));
	close(fd);
	CU_ASSERT_EQUAL(ask("{\"call\":\"echo\",\"value\":2}", &seen, &error), 0);
	stop();
}

static void test_many_clients(void)
{
	struct seen seen = {0};
	struct warder_error error;
	int fds[WARDER_API_CLIENTS_MAX];
	char line[512];
	int fd;

	start();
	for (int i = 0; i < WARDER_API_CLIENTS_MAX; i++) {
		fds[i] = raw(); /* half-open: connected, half a line, silence */
		raw_write(fds[i], "{\"call\":");
	}
	fd = raw();
	CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fd, line, sizeof(line)), "64 clients already"));
	CU_ASSERT_TRUE(raw_closed(fd));
	close(fd);
	for (int i = 0; i < WARDER_API_CLIENTS_MAX; i++) {
		raw_write(fds[i], "\"echo\",\"value\":5}\n");
		CU_ASSERT_PTR_NOT_NULL(strstr(raw_read(fds[i], line, sizeof(line)), "\"echo\":5"));
		close(fds[i]);
	}
	while (ask("{\"call\":\"echo\",\"value\":2}", &seen, &error) == -EREMOTEIO)
		; /* until it has seen that they went */
	CU_ASSERT_EQUAL(seen.n, 1);
	stop();
}

/* Connections that are only held open keep nobody out: the quietest one goes. */
static void test_idle_clients(void)
{
	struct seen seen = {0};
	struct warder_error error;
	int fds[WARDER_API_CLIENTS_MAX];
	unsigned closed = 0;

	start();
	for (int i = 0; i < WARDER_API_CLIENTS_MAX; i++)
		fds[i] = raw();
	while (ask("{\"call\":\"echo\",\"value\":2}", &seen, &error) == -EREMOTEIO)
		usleep(10000);
	CU_ASSERT_EQUAL(seen.n, 1);
	for (int i = 0; i < WARDER_API_CLIENTS_MAX; i++) {
		char byte;

		closed += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
		close(fds[i]);
	}
	CU_ASSERT_EQUAL(closed, 1);
	stop();
}

static void test_slow_reader(void)
{
	struct seen seen = {0};
	struct warder_error error;
	int fd;

	start();
	fd = raw();
	raw_write(fd, "{\"call\":\"flood\"}\n");
	while (!server.gone)
		usleep(10000); /* it is closed, though it never reads */
	close(fd);
	CU_ASSERT_EQUAL(ask("{\"call\":\"echo\",\"value\":2}", &seen, &error), 0);
	stop();
}

static void leave_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, server.path, sizeof(address.sun_path));
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void test_sockets(void)
{
	struct warder_error error;
	struct warder_api *api;
	struct seen seen = {0};
	uv_loop_t loop;
	char path[256];

	start();
	uv_loop_init(&loop);
	/* An agent that runs is not replaced. */
	CU_ASSERT_EQUAL(warder_api_open(&loop, server.path, calls, 4, NULL, &api, &error),
			-EADDRINUSE);
	CU_ASSERT_EQUAL(ask("{\"call\":\"echo\",\"value\":2}", &seen, &error), 0);
	stop();
	/* Nobody there. */
	CU_ASSERT_EQUAL(ask("{\"call\":\"echo\"}", &seen, &error), -ENOENT);
	CU_ASSERT_TRUE(warder_api_is_unreachable(-ENOENT));
	/* What a killed agent left behind is. */
	mkdir(server.dir, 0700);
	leave_socket();
	CU_ASSERT_EQUAL(ask("{\"call\":\"echo\"}", &seen, &error), -ECONNREFUSED);
	CU_ASSERT_EQUAL(warder_api_open(&loop, server.path, calls, 4, NULL, &api, &error), 0);
	warder_api_close(api);
	uv_run(&loop, UV_RUN_DEFAULT);
	/* A file is not. */
	close(open(server.path, O_CREAT | O_WRONLY, 0600));
	CU_ASSERT_EQUAL(warder_api_open(&loop, server.path, calls, 4, NULL, &api, &error), -EEXIST);
	unlink(server.path);
	memset(path, 'p', 200);
	path[0] = '/';
	path[200] = '\0';
	CU_ASSERT_EQUAL(warder_api_open(&loop, path, calls, 4, NULL, &api, &error), -ENAMETOOLONG);
	CU_ASSERT_NOT_EQUAL(warder_api_open(&loop, "/nowhere/socket", calls, 4, NULL, &api, &error),
			    0);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
	rmdir(server.dir);
}

/* A server that is not Warder's. */
static void answer_once(int fd, const char *answer)
{
	char byte;
	int client = accept(fd, NULL, NULL);

	while (read(client, &byte, 1) == 1 && byte != '\n')
		;
	(void)!write(client, answer, strlen(answer));
	_exit(0);
}

static void test_not_an_agent(void)
{
	static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n", "{}\n",
					      "{\"ok\":true}\n", "[1]\n", ""};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/warder-api-XXXXXX";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(server.path, sizeof(server.path), "%s/s", dir);
	memcpy(address.sun_path, server.path, sizeof(address.sun_path));
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	listen(fd, 8);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct warder_error error = {""};
		pid_t pid = fork();
		int err;

		if (!pid)
			answer_once(fd, answers[i]);
		err = ask("{\"call\":\"status\"}", &(struct seen){0}, &error);
		CU_ASSERT_EQUAL(err, answers[i][0] ? -EPROTO : -ECONNRESET);
		CU_ASSERT_TRUE(error.text[0]);
		waitpid(pid, NULL, 0);
	}
	close(fd);
	unlink(server.path);
	rmdir(dir);
}

static void test_call_names(void)
{
	for (int i = 0; i < WARDER_CALLS; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(warder_call_names[i]);
		for (int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(warder_call_names[i], warder_call_names[j]);
	}
}

static const struct suite_test tests[] = {
	{"one answer", test_one_answer},
	{"late answers, and requests behind them", test_late_answers},
	{"garbage", test_garbage},
	{"huge and deep lines", test_huge_line},
	{"many half-open clients", test_many_clients},
	{"idle clients", test_idle_clients},
	{"slow reader", test_slow_reader},
	{"sockets: stale, taken, too long", test_sockets},
	{"not an agent", test_not_an_agent},
	{"names of the calls", test_call_names},
};
SUITE("api", tests)
