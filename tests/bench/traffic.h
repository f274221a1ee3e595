/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of link_bench's traffic: a server process, and a client that sends for a given time
 * and tells how much it did and what CPU time both ends used.  Both run before ordinary
 * processes, each on its CPU; on one and the same CPU what a program adds is added to each
 * transaction whole, with no idle time to hide in.
 */
#ifndef WARDER_TESTS_BENCH_TRAFFIC_H
#define WARDER_TESTS_BENCH_TRAFFIC_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TRAFFIC_PORT  443
#define TRAFFIC_BLOCK (128 << 10) /* bytes of one write of a bulk sender */

/* X(name, what is counted, title, unit of the rate) */
#define TRAFFIC_KINDS(X)                                                                           \
	X(TCP_RR, "transaction", "TCP_RR: one byte there, one byte back", "a second")              \
	X(CONNECT, "connection", "Connections: connect, accept, close by both", "a second")        \
	X(BULK, "MiB", "Throughput: one stream, GSO on", "MiB a second")                           \
	X(UDP_RR, "transaction", "UDP_RR: one byte there, one byte back", "a second")

enum traffic_kind {
#define X(name, what, title, unit) TRAFFIC_##name,
	TRAFFIC_KINDS(X)
#undef X
		TRAFFIC_KIND_COUNT
};

struct traffic_result {
	int error;	/* 0 or errno */
	double units;	/* transactions, connections, MiB */
	double seconds; /* of the wall clock */
	double cpu;	/* seconds that both ends used, their share of softirq work included */
};

static inline double traffic_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Process on this CPU alone, and not put off by ordinary ones; where that is refused it is noisier. */
static inline void traffic_pin(pid_t pid, int cpu)
{
	struct sched_param priority = {.sched_priority = 1};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(pid, sizeof(set), &set);
	sched_setscheduler(pid, SCHED_FIFO, &priority);
}

/* ---- the server: one connection after the other, and datagrams between them */

static inline void serve_connection(int fd)
{
	static char block[TRAFFIC_BLOCK];
	int one = 1;
	char c = 0;

	if (recv(fd, &c, 1, 0) == 1) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (c == 'r')
			while (recv(fd, &c, 1, 0) == 1 && send(fd, &c, 1, MSG_NOSIGNAL) == 1)
				;
		else
			while (recv(fd, block, sizeof(block), 0) > 0)
				;
	}
	close(fd);
}

/* Never returns; *ready (a pipe) closes once both sockets are there. */
static inline void traffic_serve(uint32_t addr, int ready)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(TRAFFIC_PORT)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd fds[2] = {{listener, POLLIN, 0}, {datagrams, POLLIN, 0}};

	at.sin_addr.s_addr = addr;
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 128) ||
	    bind(datagrams, (struct sockaddr *)&at, sizeof(at))) {
		perror("server");
		_exit(1);
	}
	if (write(ready, "", 1) != 1)
		_exit(1);
	while (poll(fds, 2, -1) > 0) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		char c;

		if (fds[0].revents) {
			int fd = accept(listener, NULL, NULL);

			if (fd >= 0)
				serve_connection(fd);
		}
		while (fds[1].revents &&
		       recvfrom(datagrams, &c, 1, 0, (struct sockaddr *)&from, &size) == 1 && c)
			sendto(datagrams, &c, 1, 0, (struct sockaddr *)&from, size);
	}
	_exit(1);
}

/* ---- the client */

static inline int client_connect(uint32_t addr, int type)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(TRAFFIC_PORT)};
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(AF_INET, type, 0), one = 1;

	to.sin_addr.s_addr = addr;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Says that no more comes, and waits until the other end has closed. */
static inline int client_finish(int fd)
{
	char c;
	int rc = shutdown(fd, SHUT_WR) || recv(fd, &c, 1, 0) ? -1 : 0;

	close(fd);
	return rc;
}

static inline int client_ping(int fd, double until, double *ret_units)
{
	char c = 1;

	while (traffic_clock(CLOCK_MONOTONIC) < until) {
		for (int i = 0; i < 16; i++)
			if (send(fd, &c, 1, MSG_NOSIGNAL) != 1 || recv(fd, &c, 1, 0) != 1)
				return -1;
		*ret_units += 16;
	}
	return 0;
}

static inline int client_connections(uint32_t addr, double until, double *ret_units)
{
	while (traffic_clock(CLOCK_MONOTONIC) < until) {
		int fd = client_connect(addr, SOCK_STREAM);

		if (fd < 0 || client_finish(fd))
			return -1;
		*ret_units += 1;
	}
	return 0;
}

static inline int client_bulk(int fd, double until, double *ret_units)
{
	static char block[TRAFFIC_BLOCK];
	double bytes = 0;

	while (traffic_clock(CLOCK_MONOTONIC) < until) {
		ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		bytes += (double)n;
	}
	*ret_units = bytes / (1 << 20);
	return client_finish(fd);
}

/* What was begun before the clock starts: a connection that the server has taken. */
static inline int client_begin(enum traffic_kind kind, uint32_t addr)
{
	int fd = client_connect(addr, kind == TRAFFIC_UDP_RR ? SOCK_DGRAM : SOCK_STREAM);
	double warm = 0;
	char byte = kind == TRAFFIC_BULK ? 'b' : 'r';

	if (fd < 0 || (kind != TRAFFIC_UDP_RR && send(fd, &byte, 1, MSG_NOSIGNAL) != 1))
		return -1;
	if (kind != TRAFFIC_BULK && client_ping(fd, traffic_clock(CLOCK_MONOTONIC) + 1e-3, &warm))
		return -1;
	return fd;
}

/* Sends to `addr` for `seconds`; `server` is that process's CPU clock. */
static inline struct traffic_result traffic_send(enum traffic_kind kind, uint32_t addr,
						 double seconds, clockid_t server)
{
	struct traffic_result ret = {};
	int fd = kind == TRAFFIC_CONNECT ? -1 : client_begin(kind, addr), rc = -1;
	double start = traffic_clock(CLOCK_MONOTONIC);

	if (fd < 0 && kind != TRAFFIC_CONNECT) {
		ret.error = errno;
		return ret;
	}
	ret.cpu = -traffic_clock(CLOCK_PROCESS_CPUTIME_ID) - traffic_clock(server);
	switch (kind) {
	case TRAFFIC_CONNECT:
		rc = client_connections(addr, start + seconds, &ret.units);
		break;
	case TRAFFIC_BULK:
		rc = client_bulk(fd, start + seconds, &ret.units);
		break;
	default:
		rc = client_ping(fd, start + seconds, &ret.units);
	}
	ret.error = rc ? errno ?: EIO : 0;
	ret.seconds = traffic_clock(CLOCK_MONOTONIC) - start;
	ret.cpu += traffic_clock(CLOCK_PROCESS_CPUTIME_ID) + traffic_clock(server);
	if (kind == TRAFFIC_TCP_RR)
		client_finish(fd);
	if (kind == TRAFFIC_UDP_RR) {
		send(fd, "", 1, 0); /* a 0: the server looks for connections again */
		close(fd);
	}
	return ret;
}

#endif
