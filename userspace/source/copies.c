/* SPDX-License-Identifier: Apache-2.0 */
/* Last good copies of manifest files: see source/copies.h.  Knows nothing of what is in them. */
#include "source/copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define NEW_COPY ".new" /* hidden: no manifest has this name */

int warder_copies_open(const char *path)
{
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int warder_copies_load(int dirfd, const char *name, char **ret, size_t *ret_size)
{
	return warder_file_load(dirfd, name, ret, ret_size, NULL);
}

static bool is_kept(int dirfd, const char *name, const char *text, size_t size)
{
	CLEANUP(cleanup_free) char *kept = NULL;
	size_t n;

	return !warder_copies_load(dirfd, name, &kept, &n) && n == size &&
	       !memcmp(kept, text, size);
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			size -= n;
		}
	}
	return 0;
}

int warder_copies_keep(int dirfd, const char *name, const char *text, size_t size)
{
	int fd, error;

	if (is_kept(dirfd, name, text, size))
		return 0;
	fd = openat(dirfd, NEW_COPY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	/* No fsync: it would block the loop, and after a crash of the machine nothing is enforced
	 * yet. */
	error = write_all(fd, text, size);
	if (close(fd) && !error)
		error = -errno;
	if (!error && renameat(dirfd, NEW_COPY, dirfd, name))
		error = -errno;
	if (error)
		unlinkat(dirfd, NEW_COPY, 0);
	return error;
}

void warder_copies_drop(int dirfd, const char *name)
{
	unlinkat(dirfd, name, 0);
}
