/* SPDX-License-Identifier: Apache-2.0 */
/* The run directory's own files: see base/run_dir.h. */
#include "base/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static int path_of(const char *dir, const char *name, char ret[PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int warder_run_dir_set_bpffs(const char *dir, const char *bpffs)
{
	char path[PATH_MAX], known[PATH_MAX];
	CLEANUP(cleanup_close) int fd = -1;
	int rc = path_of(dir, WARDER_RUN_BPFFS, path);

	if (rc)
		return rc;
	/* Not written anew: on a full disk that would lose it. */
	if (!warder_run_dir_get_bpffs(dir, known) && !strcmp(known, bpffs))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	return dprintf(fd, "%s\n", bpffs) < 0 ? -errno : 0;
}

int warder_run_dir_get_bpffs(const char *dir, char ret[PATH_MAX])
{
	char path[PATH_MAX], text[PATH_MAX] = "";
	int rc = path_of(dir, WARDER_RUN_BPFFS, path);
	CLEANUP(cleanup_close) int fd = rc ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (rc)
		return rc;
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	if (n < 2 || text[0] != '/' || text[n - 1] != '\n')
		return -EBADMSG;
	text[n - 1] = 0;
	memcpy(ret, text, sizeof(text));
	return 0;
}

/* The copies, and the directory that holds them. */
static int remove_copies(const char *path)
{
	CLEANUP(close_directory) DIR *directory = opendir(path);
	struct dirent *entry;

	if (!directory)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    unlinkat(dirfd(directory), entry->d_name, 0) && errno != ENOENT)
			return -errno;
	return rmdir(path) && errno != ENOENT ? -errno : 0;
}

int warder_run_dir_remove(const char *dir)
{
	static const char *const names[] = {WARDER_RUN_SOCKET, WARDER_RUN_ALERTS,
					    WARDER_RUN_ALERTS ".new", WARDER_RUN_BPFFS,
					    WARDER_RUN_LOCK};
	char path[PATH_MAX];
	int rc = path_of(dir, WARDER_RUN_LAST_GOOD, path) ?: remove_copies(path);

	for (size_t i = 0; !rc && i < sizeof(names) / sizeof(*names); i++) {
		rc = path_of(dir, names[i], path);
		if (!rc && unlink(path) && errno != ENOENT)
			rc = -errno;
	}
	/* The administrator may keep something there, or it may be a mount. */
	if (!rc && rmdir(dir) && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY)
		rc = -errno;
	return rc;
}
