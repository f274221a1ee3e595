/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two buffers: the loop fills one while the thread writes the other.  The thread waits in poll(2)
 * alone, on its wake-up and, where the output is a pipe or a terminal, on the output; nothing but
 * the write of a regular file can hold it, and it is given up on at close.
 */
#include "telemetry/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"

#define LOOK_MS	   1000 /* between two tries after an error, and two looks for a rename */
#define PAUSE_MS   50
#define GIVE_UP_MS 500 /* for the thread to see that it shall */

struct buffer {
	char *v;
	size_t n, room;
};

struct warder_writer {
	char *path; /* NULL: stdout */
	int fd;	    /* -1: a FIFO that nobody has opened to read yet; lines wait */
	int wake;
	bool socket;
	bool torn; /* the file ends within a line: an agent before was killed, or its disk was full */
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t done;  /* `ended` changed */
	struct buffer filling;
	size_t memory, writing_left; /* bytes that the thread has taken and not written */
	bool stop, give_up, ended, reopen;
	struct warder_writer_stats stats;
};

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
}

/* fifo(7): open to write says ENXIO until someone reads; it says that of a socket too. */
static bool lacks_reader(const char *path, int err)
{
	struct stat st;

	return err == -ENXIO && !stat(path, &st) && S_ISFIFO(st.st_mode);
}

/* Whether a regular file ends without the end of a line. */
static bool is_torn(const char *path)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char last;

	return fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size &&
	       pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/* A description of its own, so that O_NONBLOCK does not change other processes' stdout. */
static int open_stdout(bool *ret_socket)
{
	struct stat st;
	int fd;

	if (fstat(STDOUT_FILENO, &st) < 0)
		return -errno;
	*ret_socket = S_ISSOCK(st.st_mode);
	fd = *ret_socket ? -1
			 : open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

static ssize_t write_some(struct warder_writer *writer, const char *bytes, size_t n)
{
	if (writer->fd < 0) {
		errno = ENXIO;
		return -1;
	}
	return writer->socket ? send(writer->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL)
			      : write(writer->fd, bytes, n);
}

/* The path is another file now, or none. */
static bool is_moved(const struct warder_writer *writer)
{
	struct stat path, ours;

	if (!writer->path)
		return false;
	if (stat(writer->path, &path) < 0)
		return errno == ENOENT;
	return fstat(writer->fd, &ours) < 0 || path.st_dev != ours.st_dev ||
	       path.st_ino != ours.st_ino;
}

static void count_error(struct warder_writer *writer)
{
	int why = errno;

	pthread_mutex_lock(&writer->lock);
	writer->stats.errors++;
	writer->stats.failing = why ? why : EIO;
	pthread_mutex_unlock(&writer->lock);
}

static void look_for_move(struct warder_writer *writer)
{
	bool wanted;
	int fd;

	pthread_mutex_lock(&writer->lock);
	wanted = writer->reopen;
	writer->reopen = false;
	pthread_mutex_unlock(&writer->lock);
	if (!writer->path || (!wanted && !is_moved(writer)))
		return;
	fd = open_file(writer->path);
	if (fd < 0) { /* the old file, if any, takes what comes until it works */
		if (writer->fd >= 0)
			count_error(writer);
		return;
	}
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = fd;
	writer->torn = is_torn(writer->path);
}

static void count_written(struct warder_writer *writer, const char *bytes, size_t n)
{
	__u64 lines = 0;

	for (const char *c = bytes; (c = memchr(c, '\n', n - (size_t)(c - bytes))); c++)
		lines++;
	pthread_mutex_lock(&writer->lock);
	writer->stats.lines += lines;
	writer->stats.bytes += n;
	writer->stats.failing = 0;
	writer->writing_left -= n;
	pthread_mutex_unlock(&writer->lock);
}

/* Waits for something to do, or to be able to write, or for the time to look again. */
static void wait_for(struct warder_writer *writer, bool output, int timeout_ms)
{
	struct pollfd fds[2] = {{.fd = writer->wake, .events = POLLIN},
				{.fd = output ? writer->fd : -1, .events = POLLOUT}};
	eventfd_t count;

	if (poll(fds, 2, timeout_ms) > 0 && fds[0].revents)
		(void)!eventfd_read(writer->wake, &count);
}

static bool is_set(struct warder_writer *writer, const bool *flag)
{
	bool set;

	pthread_mutex_lock(&writer->lock);
	set = *flag;
	pthread_mutex_unlock(&writer->lock);
	return set;
}

/* New lines must not make it try faster; a stop may. */
static void pause_after_error(struct warder_writer *writer)
{
	for (int i = 0; i < LOOK_MS / PAUSE_MS; i++) {
		poll(NULL, 0, PAUSE_MS);
		if (is_set(writer, &writer->stop))
			return;
	}
}

/* Writes a whole buffer, however long it takes; gives up only where it is told to. */
static void write_all(struct warder_writer *writer, const struct buffer *buffer)
{
	size_t done = 0;

	while (done < buffer->n && !is_set(writer, &writer->give_up)) {
		ssize_t n;

		if (!done || buffer->v[done - 1] == '\n')
			look_for_move(writer);
		n = writer->torn ? write_some(writer, "\n", 1)
				 : write_some(writer, buffer->v + done, buffer->n - done);
		if (n > 0 && writer->torn) {
			writer->torn = false;
			continue;
		}
		if (n > 0) {
			count_written(writer, buffer->v + done, (size_t)n);
			done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			wait_for(writer, true, LOOK_MS);
		} else {
			count_error(writer);
			pause_after_error(writer);
		}
	}
}

static bool take(struct warder_writer *writer, struct buffer *ret)
{
	struct buffer empty = *ret;
	bool some;

	pthread_mutex_lock(&writer->lock);
	some = writer->filling.n > 0;
	if (some) {
		empty.n = 0;
		*ret = writer->filling;
		writer->filling = empty;
		writer->writing_left = ret->n;
	}
	pthread_mutex_unlock(&writer->lock);
	return some;
}

static void *run(void *data)
{
	struct warder_writer *writer = data;
	struct buffer writing = {0};
	sigset_t signals;

	sigfillset(&signals); /* the loop's thread handles them; EPIPE comes as an error */
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	for (;;) {
		if (take(writer, &writing))
			write_all(writer, &writing);
		else if (is_set(writer, &writer->stop))
			break;
		else
			wait_for(writer, false, writer->path ? LOOK_MS : -1);
		look_for_move(writer);
	}
	free(writing.v);
	pthread_mutex_lock(&writer->lock);
	writer->ended = true;
	pthread_cond_signal(&writer->done);
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

static void release(struct warder_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->wake >= 0)
		close(writer->wake);
	pthread_mutex_destroy(&writer->lock);
	pthread_cond_destroy(&writer->done);
	free(writer->filling.v);
	free(writer->path);
	free(writer);
}

int warder_writer_open(const char *path, size_t memory, struct warder_writer **ret,
		       struct warder_error *error)
{
	struct warder_writer *writer = calloc(1, sizeof(*writer));
	bool to_stdout = !strcmp(path, "-");
	int err;

	if (!writer)
		return warder_error_set(error, -ENOMEM, "no memory for the alerts' writer");
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->done, NULL);
	writer->memory = memory ? memory : WARDER_WRITER_MEMORY;
	writer->path = to_stdout ? NULL : strdup(path);
	writer->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	writer->fd = to_stdout ? open_stdout(&writer->socket) : open_file(path);
	err = writer->fd >= 0 ? 0 : to_stdout ? writer->fd : -errno;
	if (err && (to_stdout || !lacks_reader(path, err))) {
		warder_error_set(error, err, "cannot open %s for alerts: %s",
				 to_stdout ? "stdout" : path, strerror(-err));
		goto failed;
	}
	writer->torn = !to_stdout && is_torn(path);
	if (writer->wake < 0 || (!to_stdout && !writer->path)) {
		err = warder_error_set(error, -ENOMEM, "no memory for the alerts' writer");
		goto failed;
	}
	err = -pthread_create(&writer->thread, NULL, run, writer);
	if (err < 0) {
		warder_error_set(error, err, "cannot start the alerts' writer: %s", strerror(-err));
		goto failed;
	}
	*ret = writer;
	return 0;
failed:
	release(writer);
	return err;
}

static void wake(struct warder_writer *writer)
{
	(void)!eventfd_write(writer->wake, 1);
}

static size_t count_lines(const struct buffer *buffer)
{
	size_t n = 0;

	for (size_t i = 0; i < buffer->n; i++)
		n += buffer->v[i] == '\n';
	return n;
}

/* With the lock held, which it lets go of meanwhile. */
static bool has_ended(struct warder_writer *writer, unsigned timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	wake(writer);
	while (!writer->ended && !pthread_cond_timedwait(&writer->done, &writer->lock, &until))
		;
	return writer->ended;
}

size_t warder_writer_close(struct warder_writer *writer, unsigned timeout_ms)
{
	size_t left;
	bool ended;

	if (!writer)
		return 0;
	pthread_mutex_lock(&writer->lock);
	writer->stop = true;
	if (!has_ended(writer, timeout_ms)) {
		writer->give_up = true;
		has_ended(writer, GIVE_UP_MS);
	}
	ended = writer->ended;
	left = count_lines(&writer->filling) + (writer->writing_left > 0);
	pthread_mutex_unlock(&writer->lock);
	if (!ended) { /* it holds what it uses: the process is about to end */
		pthread_detach(writer->thread);
		return left;
	}
	pthread_join(writer->thread, NULL);
	release(writer);
	return left;
}

static bool make_room(struct buffer *buffer, size_t n)
{
	size_t room = buffer->room ? buffer->room : 4096;
	char *v;

	while (room < buffer->n + n)
		room *= 2;
	if (room == buffer->room)
		return true;
	v = realloc(buffer->v, room);
	if (!v)
		return false;
	buffer->v = v;
	buffer->room = room;
	return true;
}

bool warder_writer_line(struct warder_writer *writer, const char *line, size_t n)
{
	struct buffer *to = &writer->filling;
	bool ok;

	pthread_mutex_lock(&writer->lock);
	ok = to->n + writer->writing_left + n + 1 <= writer->memory && make_room(to, n + 1);
	if (ok) {
		memcpy(to->v + to->n, line, n);
		to->n += n;
		to->v[to->n++] = '\n';
	} else {
		writer->stats.lost++;
	}
	pthread_mutex_unlock(&writer->lock);
	if (ok)
		wake(writer);
	return ok;
}

void warder_writer_reopen(struct warder_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->reopen = true;
	pthread_mutex_unlock(&writer->lock);
	wake(writer);
}

void warder_writer_stats(struct warder_writer *writer, struct warder_writer_stats *ret)
{
	pthread_mutex_lock(&writer->lock);
	*ret = writer->stats;
	ret->pending = writer->filling.n + writer->writing_left;
	pthread_mutex_unlock(&writer->lock);
}
