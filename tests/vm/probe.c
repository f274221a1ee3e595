// SPDX-License-Identifier: Apache-2.0
/*
 * The pods' programs in a test machine: an echo server, and clients that say in one word how far
 * they came.
 *
 * usage: probe serve PORT                 TCP and UDP echo on every address, until it is killed
 *        probe tcp ADDRESS PORT           open (echo came back), eperm, refused, timeout, or a text
 *        probe udp ADDRESS PORT           answer, eperm, timeout, or the errno's text
 *        probe stream ADDRESS PORT FILE   one connection, an echoed byte every 50 ms, counted in FILE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 2500 /* an emulated machine is slow; a second SYN leaves after one second */

static socklen_t parse(const char *text, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1) {
		fprintf(stderr, "probe: no address: %s\n", text);
		exit(2);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)atoi(port));
	return sizeof(*in6);
}

static const char *word(int error)
{
	static char text[64];

	switch (error) {
	case EPERM:
		return "eperm";
	case ECONNREFUSED:
		return "refused";
	case ETIMEDOUT:
	case EAGAIN:
		return "timeout";
	}
	snprintf(text, sizeof(text), "%s", strerror(error));
	return text;
}

static bool ready(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, ms) == 1;
}

/* A connected TCP socket, or -errno. */
static int open_tcp(const char *address, const char *port)
{
	struct sockaddr_storage to;
	socklen_t size = parse(address, port, &to), length = sizeof(int);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, size) && errno != EINPROGRESS)
		return -errno;
	if (!ready(fd, POLLOUT, PATIENCE_MS))
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error ? -error : fd;
}

/* One byte there and back: 0 or an errno. */
static int echo(int fd)
{
	char byte = 'x';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		return errno;
	if (!ready(fd, POLLIN, PATIENCE_MS))
		return ETIMEDOUT;
	return recv(fd, &byte, 1, 0) == 1 ? 0 : errno ? errno : ECONNRESET;
}

static int tcp(const char *address, const char *port)
{
	int fd = open_tcp(address, port);
	int error = fd < 0 ? -fd : echo(fd);

	puts(error ? word(error) : "open");
	return 0;
}

static int udp(const char *address, const char *port)
{
	struct sockaddr_storage to;
	socklen_t size = parse(address, port, &to);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;
	char byte = 'x';

	if (sendto(fd, &byte, 1, 0, (struct sockaddr *)&to, size) != 1)
		error = errno;
	else if (!ready(fd, POLLIN, PATIENCE_MS))
		error = ETIMEDOUT;
	else if (recv(fd, &byte, 1, 0) != 1)
		error = errno;
	puts(error ? word(error) : "answer");
	return 0;
}

static int stream(const char *address, const char *port, const char *path)
{
	int fd = open_tcp(address, port);
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	unsigned n = 0;
	int error = fd < 0 ? -fd : 0;

	while (!error && file >= 0) {
		char text[16];

		error = echo(fd);
		if (error == ETIMEDOUT)
			error = 0; /* cut: stays open, and would go on if packets passed again */
		else if (!error)
			n++;
		snprintf(text, sizeof(text), "%08u\n", n);
		if (pwrite(file, text, 9, 0) != 9)
			return 1;
		usleep(50000);
	}
	fprintf(stderr, "probe: stream ended: %s\n", word(error));
	return 1;
}

static int listen_on(int type, const char *port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 16))) {
		perror("probe: serve");
		exit(1);
	}
	return fd;
}

static int serve(const char *port)
{
	struct pollfd p[2] = {{.fd = listen_on(SOCK_STREAM, port), .events = POLLIN},
			      {.fd = listen_on(SOCK_DGRAM, port), .events = POLLIN}};

	signal(SIGCHLD, SIG_IGN);
	while (poll(p, 2, -1) > 0) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		char buffer[2048];
		ssize_t n;
		int fd;

		if (p[1].revents) {
			n = recvfrom(p[1].fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from,
				     &size);
			if (n > 0)
				sendto(p[1].fd, buffer, (size_t)n, 0, (struct sockaddr *)&from,
				       size);
		}
		if (!p[0].revents || (fd = accept(p[0].fd, NULL, NULL)) < 0)
			continue;
		if (fork() == 0) {
			while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
				if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
					break;
			_exit(0);
		}
		close(fd);
	}
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "tcp"))
		return tcp(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "udp"))
		return udp(argv[2], argv[3]);
	if (argc == 5 && !strcmp(argv[1], "stream"))
		return stream(argv[2], argv[3], argv[4]);
	fprintf(stderr,
		"usage: probe serve PORT | tcp|udp ADDRESS PORT | stream ADDRESS PORT FILE\n");
	return 2;
}
