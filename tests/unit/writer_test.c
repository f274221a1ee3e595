/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The alerts' writer against a full disk, a file-size limit, a rename, a pipe that nobody reads: no
 * call of the loop's side waits, no line is torn, what is lost is counted.
 */
#include "telemetry/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"
#include "telemetry/clock.h"

static char dir[64], path[96], old[96];

static void begin(void)
{
	strcpy(dir, "/tmp/warder-writer-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/alerts", dir);
	snprintf(old, sizeof(old), "%s/alerts.1", dir);
}

static void end(void)
{
	unlink(path);
	unlink(old);
	rmdir(dir);
}

static char *slurp(const char *name, size_t *ret_n)
{
	int fd = open(name, O_RDONLY);
	struct stat st;
	char *text;

	CU_ASSERT_FATAL(fd >= 0 && !fstat(fd, &st));
	text = calloc(1, (size_t)st.st_size + 1);
	*ret_n = (size_t)read(fd, text, (size_t)st.st_size);
	close(fd);
	return text;
}

static void wait_until_written(struct warder_writer *writer)
{
	struct warder_writer_stats stats;

	do {
		usleep(1000);
		warder_writer_stats(writer, &stats);
	} while (stats.pending);
}

static bool line(struct warder_writer *writer, const char *text)
{
	return warder_writer_line(writer, text, strlen(text));
}

static void test_appends(void)
{
	struct warder_writer *writer;
	struct warder_error error;
	struct stat st;
	char *text;
	size_t n;

	begin();
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(warder_writer_open(path, 0, &writer, &error), 0);
		CU_ASSERT_TRUE(line(writer, i ? "second" : "first"));
		CU_ASSERT_EQUAL(warder_writer_close(writer, 2000), 0);
	}
	text = slurp(path, &n);
	CU_ASSERT_STRING_EQUAL(text, "first\nsecond\n");
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0137, 0);
	free(text);
	CU_ASSERT_NOT_EQUAL(warder_writer_open("/nowhere/alerts", 0, &writer, &error), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nowhere/alerts"));
	end();
}

static void test_rename(void)
{
	struct warder_writer *writer;
	struct warder_error error;
	char *text;
	size_t n;

	begin();
	CU_ASSERT_EQUAL_FATAL(warder_writer_open(path, 0, &writer, &error), 0);
	line(writer, "before");
	wait_until_written(writer);
	CU_ASSERT_EQUAL(rename(path, old), 0);
	line(writer, "after"); /* seen before a line is begun, without a signal */
	wait_until_written(writer);
	warder_writer_reopen(writer);
	line(writer, "and on");
	CU_ASSERT_EQUAL(warder_writer_close(writer, 2000), 0);
	text = slurp(old, &n);
	CU_ASSERT_STRING_EQUAL(text, "before\n");
	free(text);
	text = slurp(path, &n);
	CU_ASSERT_STRING_EQUAL(text, "after\nand on\n");
	free(text);
	end();
}

/* /dev/full says ENOSPC to every write. */
static void test_full_disk(void)
{
	struct warder_writer_stats stats;
	struct warder_writer *writer;
	struct warder_error error;
	unsigned taken = 0;

	CU_ASSERT_EQUAL_FATAL(warder_writer_open("/dev/full", 4096, &writer, &error), 0);
	for (int i = 0; i < 1000; i++)
		taken += line(writer, "0123456789");
	CU_ASSERT_EQUAL(taken, 372); /* 4096 / 11 */
	do {
		usleep(1000);
		warder_writer_stats(writer, &stats);
	} while (!stats.errors);
	CU_ASSERT_EQUAL(stats.lost, 1000 - taken);
	CU_ASSERT_EQUAL(stats.lines, 0);
	CU_ASSERT(warder_writer_close(writer, 100) > 0);
}

/* A write that ends in the middle of a line goes on there once there is room. */
static void test_partial_writes(void)
{
	struct rlimit before, small;
	struct warder_writer_stats stats;
	struct warder_writer *writer;
	struct warder_error error;
	char *text, expected[16];
	size_t n, at = 0;

	begin();
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = 1005;
	setrlimit(RLIMIT_FSIZE, &small);
	CU_ASSERT_EQUAL_FATAL(warder_writer_open(path, 0, &writer, &error), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(expected, sizeof(expected), "line %04d", i);
		CU_ASSERT_TRUE(line(writer, expected));
	}
	do {
		usleep(1000);
		warder_writer_stats(writer, &stats);
	} while (!stats.errors);
	CU_ASSERT_EQUAL(stats.bytes, 1005); /* half a line */
	setrlimit(RLIMIT_FSIZE, &before);
	CU_ASSERT_EQUAL(warder_writer_close(writer, 5000), 0);
	text = slurp(path, &n);
	CU_ASSERT_EQUAL(n, 3000);
	for (int i = 0; i < 300; i++, at += 10) {
		snprintf(expected, sizeof(expected), "line %04d\n", i);
		CU_ASSERT_EQUAL_FATAL(memcmp(text + at, expected, 10), 0);
	}
	free(text);
	end();
}

/* stdout is a pipe that nobody reads for a while; its flags stay as they are. */
static void test_slow_pipe(void)
{
	struct warder_writer *writer;
	struct warder_error error;
	int fds[2], saved, flags;
	char buffer[65536];
	size_t got = 0;
	ssize_t n;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	dup2(fds[1], STDOUT_FILENO);
	flags = fcntl(fds[1], F_GETFL);
	CU_ASSERT_EQUAL_FATAL(warder_writer_open("-", 0, &writer, &error), 0);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	CU_ASSERT_EQUAL(fcntl(fds[1], F_GETFL), flags);
	close(fds[1]);
	for (int i = 0; i < 30000; i++) /* ten times what a pipe holds */
		CU_ASSERT_TRUE(line(writer, "0123456789012345678901"));
	while (got < 30000 * 23 && (n = read(fds[0], buffer, sizeof(buffer))) > 0)
		got += (size_t)n;
	CU_ASSERT_EQUAL(got, 30000 * 23);
	/* Nobody reads any more, and it is full: close gives up in time and says how much. */
	for (int i = 0; i < 30000; i++)
		line(writer, "0123456789012345678901");
	CU_ASSERT(warder_writer_close(writer, 100) > 0);
	close(fds[0]);
}

/* A file that ends within a line, as a killed agent leaves it: the next line is one of its own. */
static void test_torn(void)
{
	struct warder_writer_stats stats;
	struct warder_writer *writer;
	struct warder_error error;
	char *text;
	size_t n;
	int fd;

	begin();
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	CU_ASSERT_EQUAL(write(fd, "one\ntw", 6), 6);
	close(fd);
	CU_ASSERT_EQUAL_FATAL(warder_writer_open(path, 0, &writer, &error), 0);
	CU_ASSERT_TRUE(line(writer, "three"));
	CU_ASSERT_TRUE(line(writer, "four"));
	wait_until_written(writer);
	warder_writer_stats(writer, &stats);
	CU_ASSERT_EQUAL(stats.lines, 2);
	CU_ASSERT_EQUAL(stats.failing, 0);
	CU_ASSERT_EQUAL(warder_writer_close(writer, 1000), 0);
	text = slurp(path, &n);
	CU_ASSERT_STRING_EQUAL(text, "one\ntw\nthree\nfour\n");
	free(text);
	end();
}

/* What cannot be written now is told as such, with the reason. */
static void test_failing(void)
{
	struct warder_writer_stats stats;
	struct warder_writer *writer;
	struct warder_error error;

	CU_ASSERT_EQUAL_FATAL(warder_writer_open("/dev/full", 0, &writer, &error), 0);
	CU_ASSERT_TRUE(line(writer, "one"));
	do {
		usleep(1000);
		warder_writer_stats(writer, &stats);
	} while (!stats.errors);
	CU_ASSERT_EQUAL(stats.failing, ENOSPC);
	CU_ASSERT_EQUAL(warder_writer_close(writer, 10), 1);
}

/* A FIFO needs no reader to begin with: the lines wait for one, and enforcement does not. */
static void test_fifo(void)
{
	struct warder_writer_stats stats;
	struct warder_writer *writer;
	struct warder_error error;
	char buffer[16];
	int fd;

	begin();
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	CU_ASSERT_EQUAL_FATAL(warder_writer_open(path, 0, &writer, &error), 0);
	CU_ASSERT_TRUE(line(writer, "waits"));
	do {
		usleep(1000);
		warder_writer_stats(writer, &stats);
	} while (!stats.errors);
	CU_ASSERT_EQUAL(stats.failing, ENXIO);
	CU_ASSERT_EQUAL(stats.pending, 6);
	fd = open(path, O_RDONLY | O_CLOEXEC); /* until the writer looks again */
	CU_ASSERT_EQUAL(read(fd, buffer, sizeof(buffer)), 6);
	close(fd);
	CU_ASSERT_EQUAL(warder_writer_close(writer, 1000), 0);

	/* Closed in time, and what nobody read is told. */
	CU_ASSERT_EQUAL_FATAL(warder_writer_open(path, 0, &writer, &error), 0);
	CU_ASSERT_TRUE(line(writer, "nobody"));
	CU_ASSERT_EQUAL(warder_writer_close(writer, 100), 1);
	end();
}

static void test_clock(void)
{
	struct warder_clock clock = {0};
	char text[40];

	warder_clock_note(&clock, 1000, 5000000000LL);
	CU_ASSERT_EQUAL(warder_clock_utc(&clock, 500), 5000000500ULL);
	warder_clock_note(&clock, 2000, 5000000100LL); /* drift */
	CU_ASSERT_EQUAL(clock.n, 1);
	warder_clock_note(&clock, 3000, 9000000000LL); /* a step: what is older keeps its offset */
	CU_ASSERT_EQUAL(warder_clock_utc(&clock, 2500), 5000002600ULL);
	CU_ASSERT_EQUAL(warder_clock_utc(&clock, 3500), 9000003500ULL);
	for (int i = 0; i < 40; i++)
		warder_clock_note(&clock, 4000 + i, i * 10000000000LL);
	CU_ASSERT_EQUAL(clock.n, WARDER_CLOCK_STEPS);
	CU_ASSERT_STRING_EQUAL(warder_clock_format(1795560601123456789ULL, 9, text),
			       "2026-11-24T22:50:01.123456789Z");
	CU_ASSERT_STRING_EQUAL(warder_clock_format(1795560601003456789ULL, 3, text),
			       "2026-11-24T22:50:01.003Z");
	CU_ASSERT_STRING_EQUAL(warder_clock_format(0, 0, text), "1970-01-01T00:00:00Z");
}

static const struct suite_test tests[] = {
	{"appends", test_appends},     {"rename and reopen", test_rename},
	{"full disk", test_full_disk}, {"partial writes", test_partial_writes},
	{"slow pipe", test_slow_pipe}, {"torn file", test_torn},
	{"failing", test_failing},     {"fifo", test_fifo},
	{"clock", test_clock},
};
SUITE("writer", tests)
