/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small machine for tests of host/: processes that join cgroups and namespaces on command,
 * cgroups below a directory of the test's own, links made by ip(8), and a host/ whose calls are
 * written down.
 *
 *   the test's own namespace (not the machine's first): the agent     --veth--  namespaces of
 * processes: pods
 */
#ifndef WARDER_TESTS_BPF_HOST_MACHINE_H
#define WARDER_TESTS_BPF_HOST_MACHINE_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/state.h"
#include "suite.h"

#define MACHINE_PATIENCE_MS 8000
#define UID		    "00000000-0000-4000-8000-%012u"

struct actor { /* a process that does what it is told */
	int pid, socket;
};

struct told {
	char what; /* N new, G gone */
	__u32 ifindex;
};

struct machine {
	uv_loop_t loop;
	struct warder_host *host;
	char root[256];
	int first_netns;
	struct told told[4096];
	size_t n_told;
	unsigned changes;
};

static struct machine machine;

__attribute__((unused, format(printf, 1, 2))) static bool run(const char *format, ...)
{
	char command[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) == 0;
}

static void actor_join(const char *cgroup)
{
	char text[32];
	int fd = open(cgroup, O_WRONLY | O_CLOEXEC);

	snprintf(text, sizeof(text), "%d", getpid());
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", cgroup, strerror(errno));
	close(fd);
}

static void actor_enter(int pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (setns(fd, CLONE_NEWNET))
		perror("setns");
	close(fd);
}

/* "c PATH" join a cgroup, "n" a namespace of its own, "e PID" that of a process, "1" the machine's
 * first, "l MS PID" the same later, after it has answered, "p" be called pause */
static void actor_run(int socket)
{
	char line[512];
	ssize_t got;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((got = recv(socket, line, sizeof(line) - 1, 0)) > 0) {
		unsigned ms;
		int pid;

		line[got] = 0;
		if (line[0] == 'c')
			actor_join(line + 2);
		else if (line[0] == 'n')
			unshare(CLONE_NEWNET);
		else if (line[0] == 'e')
			actor_enter(atoi(line + 2));
		else if (line[0] == '1')
			setns(machine.first_netns, CLONE_NEWNET);
		else if (line[0] == 'p')
			prctl(PR_SET_NAME, "pause");
		send(socket, "k", 1, MSG_NOSIGNAL);
		if (line[0] == 'l' && sscanf(line + 2, "%u %d", &ms, &pid) == 2) {
			usleep(ms * 1000);
			actor_enter(pid);
		}
	}
	_exit(0);
}

__attribute__((unused)) static struct actor actor_new(void)
{
	struct actor actor = {0};
	int pair[2];

	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	fflush(stdout);
	actor.pid = fork();
	if (!actor.pid) {
		close(pair[0]);
		actor_run(pair[1]);
	}
	close(pair[1]);
	actor.socket = pair[0];
	return actor;
}

__attribute__((unused, format(printf, 2, 3))) static void actor_do(const struct actor *actor,
								   const char *format, ...)
{
	char line[512], answer;
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	send(actor->socket, line, strlen(line), MSG_NOSIGNAL);
	recv(actor->socket, &answer, 1, 0);
}

__attribute__((unused)) static void actor_end(struct actor *actor)
{
	if (!actor->pid)
		return;
	kill(actor->pid, SIGKILL);
	waitpid(actor->pid, NULL, 0);
	close(actor->socket);
	actor->pid = 0;
}

static void note(char what, __u32 ifindex)
{
	if (machine.n_told < sizeof(machine.told) / sizeof(*machine.told))
		machine.told[machine.n_told++] = (struct told){what, ifindex};
}

static void on_changed(void *data)
{
	machine.changes++;
}

static void on_gone(void *data, __u32 ifindex)
{
	note('G', ifindex);
}

static void on_new(void *data, const struct warder_host_link *link)
{
	note('N', link->ifindex);
}

__attribute__((unused)) static bool machine_open(const char *pattern)
{
	static const struct warder_host_sink sink = {NULL, on_changed, on_gone, on_new};
	struct warder_host_options options = {machine.root, pattern};
	struct warder_error error = {""};

	machine.n_told = 0;
	machine.changes = 0;
	uv_loop_init(&machine.loop);
	if (!warder_host_open(&machine.loop, &options, &sink, &machine.host, &error))
		return true;
	printf("  %s\n", error.text);
	return false;
}

__attribute__((unused)) static void machine_close(void)
{
	warder_host_close(machine.host);
	machine.host = NULL;
	uv_run(&machine.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&machine.loop), 0);
}

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static void stop_waiting(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Runs the loop until it is so.  How long that took is printed, never judged. */
__attribute__((unused)) static bool wait_until(const char *what, bool (*is_so)(void *data),
					       void *data)
{
	bool over = false, so;
	uint64_t began = now_us();
	uv_timer_t timer;

	uv_timer_init(&machine.loop, &timer);
	timer.data = &over;
	uv_update_time(&machine.loop);
	uv_timer_start(&timer, stop_waiting, MACHINE_PATIENCE_MS, 0);
	while (!(so = is_so(data)) && !over)
		uv_run(&machine.loop, UV_RUN_ONCE);
	uv_timer_stop(&timer);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&machine.loop, UV_RUN_NOWAIT);
	printf("  %s: %s after %.1f ms\n", what, so ? "so" : "NOT SO", (now_us() - began) / 1000.0);
	return so;
}

/* Runs the loop for a while, for what must not happen. */
__attribute__((unused)) static void run_for(unsigned ms)
{
	bool over = false;
	uv_timer_t timer;

	uv_timer_init(&machine.loop, &timer);
	timer.data = &over;
	uv_update_time(&machine.loop);
	uv_timer_start(&timer, stop_waiting, ms, 0);
	while (!over)
		uv_run(&machine.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&machine.loop, UV_RUN_NOWAIT);
}

__attribute__((unused)) static const struct warder_host_pod *pod(unsigned number)
{
	size_t n;
	const struct warder_host_pod *pods = warder_host_pods(machine.host, &n);
	char uid[40];

	snprintf(uid, sizeof(uid), UID, number);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(pods[i].uid, uid))
			return &pods[i];
	return NULL;
}

/* The cgroup of a pod's container below the root, made; kubelet's cgroupfs layout. */
__attribute__((unused)) static const char *pod_cgroup(unsigned number)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/kubepods/besteffort/pod" UID "/c1", machine.root, number);
	run("mkdir -p %s", path);
	return path;
}

__attribute__((unused)) static void pod_cgroup_remove(unsigned number)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/kubepods/besteffort/pod" UID, machine.root, number);
	/* A killed process leaves its cgroup a little after it was waited for. */
	for (int i = 0;
	     i < 200 && !run("find %s -depth -type d -exec rmdir {} + 2>/dev/null", path); i++)
		usleep(10000);
}

static int machine_run(const char *name, const struct suite_test *tests, size_t n, int argc,
		       char **argv)
{
	char *cgroup2 = NULL;
	int failed;

	signal(SIGPIPE, SIG_IGN);
	if (geteuid() || warder_host_find_cgroup2(&cgroup2, NULL)) {
		printf("SKIP all: needs root and a cgroup v2 hierarchy\n0 passed, 0 failed, %zu "
		       "skipped\n",
		       n);
		return 0;
	}
	machine.first_netns = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(machine.root, sizeof(machine.root), "%s/warder-host-test-%d", cgroup2, getpid());
	free(cgroup2);
	if (unshare(CLONE_NEWNET) || mkdir(machine.root, 0755)) {
		perror(machine.root);
		return 2;
	}
	run("ip link set lo up");
	failed = suite_run(name, tests, n, argc, argv);
	run("find %s -depth -type d -exec rmdir {} +", machine.root);
	return failed;
}

#define MACHINE(name, tests)                                                                       \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return machine_run(name, tests, sizeof(tests) / sizeof(*(tests)), argc, argv);     \
	}

#endif
