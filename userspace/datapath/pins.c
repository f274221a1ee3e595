/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bpffs: directories, pins and their exchange.  Knows names and descriptors, not what is in the
 * maps. A name on a bpffs may hold no dot.
 */
#include "datapath/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"

#define PIN_NAME_MAX 64 /* of a link or a map */

static void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* mkdir -p; only root may look inside what it makes. */
static int make_directories(const char *path)
{
	char part[PATH_MAX];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = part + 1; *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = 0;
		if (mkdir(part, 0700) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, 0700) && errno != EEXIST ? -errno : 0;
}

static bool is_empty(const char *path)
{
	CLEANUP(close_directory) DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return false;
	return directory;
}

/* A bpffs over a directory that holds something would hide it. */
static int ensure_bpffs(const char *bpffs, struct warder_error *error)
{
	char copy[PATH_MAX];
	const char *parent;
	int rc;

	snprintf(copy, sizeof(copy), "%s", bpffs);
	parent = dirname(copy);
	if (is_bpffs(bpffs) || is_bpffs(parent))
		return 0;
	rc = make_directories(parent);
	if (rc)
		return warder_error_set(error, rc, "cannot make directory %s: %s", parent,
					strerror(-rc));
	if (is_bpffs(parent)) /* what was made lies on one */
		return 0;
	if (!is_empty(parent))
		return warder_error_set(error, -ENODEV,
					"%s is not on a bpffs, and %s is not empty: mount one "
					"(mount -t bpf bpf DIR) "
					"and name a directory on it with --bpffs",
					bpffs, parent);
	if (mount("bpf", parent, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return warder_error_set(error, -errno, "cannot mount a bpffs at %s: %s", parent,
					strerror(errno));
	return 0;
}

/* Pins of another layout cannot be read; two sets of programs at one link would both judge. */
static int refuse_other_layouts(const char *bpffs, struct warder_error *error)
{
	CLEANUP(close_directory) DIR *directory = opendir(bpffs);
	struct dirent *entry;
	unsigned layout;
	char end;

	while (directory && (entry = readdir(directory)))
		if (sscanf(entry->d_name, "v%u%c", &layout, &end) == 1 && layout != WARDER_LAYOUT)
			return warder_error_set(error, -EBUSY,
						"%s/%s holds the pins of another layout version "
						"(this agent's is %d): run that "
						"version's `warderctl uninstall` first",
						bpffs, entry->d_name, WARDER_LAYOUT);
	return 0;
}

static int path_of(const struct warder_pins *pins, const char *directory, const char *name,
		   char ret[PATH_MAX])
{
	int length = snprintf(ret, PATH_MAX, "%s/%s%s%s", pins->root, directory, name ? "/" : "",
			      name ?: "");

	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int set_root(const char *bpffs, struct warder_pins *pins)
{
	size_t length = strlen(bpffs);

	while (length > 1 && bpffs[length - 1] == '/')
		length--;
	if (length + 2 * PIN_NAME_MAX >= sizeof(pins->root))
		return -ENAMETOOLONG;
	snprintf(pins->root, sizeof(pins->root), "%.*s/v%d", (int)length, bpffs, WARDER_LAYOUT);
	return 0;
}

int warder_pins_open(const char *bpffs, struct warder_pins *ret, struct warder_error *error)
{
	struct warder_pins pins;
	char path[PATH_MAX];
	int rc;

	rc = bpffs[0] == '/' ? set_root(bpffs, &pins) : -EINVAL;
	if (rc)
		return warder_error_set(error, rc,
					"--bpffs %s: not an absolute path that can be used", bpffs);
	rc = ensure_bpffs(bpffs, error) ?: refuse_other_layouts(bpffs, error);
	if (rc)
		return rc;
	rc = path_of(&pins, "links", NULL, path) ?: make_directories(path);
	if (rc)
		return warder_error_set(error, rc, "cannot make directory %s: %s", path,
					strerror(-rc));
	*ret = pins;
	return 0;
}

int warder_pins_find(const char *bpffs, struct warder_pins *ret)
{
	struct warder_pins pins;
	struct stat st;
	int rc = set_root(bpffs, &pins);

	if (rc)
		return rc;
	if (stat(pins.root, &st))
		return -errno;
	*ret = pins;
	return 0;
}

int warder_pins_lock(const char *bpffs, struct warder_error *error)
{
	int rc, fd = open(bpffs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return warder_error_set(error, -errno, "cannot open %s: %s", bpffs,
					strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	if (rc != -EBUSY)
		return warder_error_set(error, rc, "cannot lock %s: %s", bpffs, strerror(-rc));
	return warder_error_set(
		error, rc,
		"another warderd pins at %s: stop it, or give --bpffs and --run-dir "
		"of its own",
		bpffs);
}

void warder_pins_unlock(int lock)
{
	if (lock < 0)
		return;
	flock(lock, LOCK_UN);
	close(lock);
}

/* Calls back for each file of a directory; those that do not exist are empty. */
static int each_name(const struct warder_pins *pins, const char *directory,
		     int (*each)(void *data, const char *name), void *data)
{
	CLEANUP(close_directory) DIR *opened = NULL;
	char path[PATH_MAX];
	struct dirent *entry;
	int rc = path_of(pins, directory, NULL, path);

	if (rc)
		return rc;
	opened = opendir(path);
	if (!opened)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(opened))) {
		if (entry->d_name[0] == '.')
			continue;
		rc = each(data, entry->d_name);
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct in_directory {
	const struct warder_pins *pins;
	const char *directory;
	struct warder_maps *maps;
	struct warder_error *error;
};

static int open_map(void *data, const char *name)
{
	struct in_directory *in = data;
	char path[PATH_MAX];
	int fd, rc = path_of(in->pins, in->directory, name, path);

	if (rc)
		return rc;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return warder_error_set(in->error, -errno, "cannot open the pinned map %s: %s",
					path, strerror(errno));
	return warder_maps_add(in->maps, name, fd);
}

int warder_pins_maps(const struct warder_pins *pins, struct warder_maps *ret,
		     struct warder_error *error)
{
	struct in_directory in = {pins, "maps", ret, error};
	int rc;

	if (!pins->root[0])
		return 0;
	rc = each_name(pins, "maps", open_map, &in);
	return rc && error && !error->text[0]
		       ? warder_error_set(error, rc, "cannot read %s/maps: %s", pins->root,
					  strerror(-rc))
		       : rc;
}

static int unlink_name(void *data, const char *name)
{
	const struct in_directory *in = data;
	char path[PATH_MAX];
	int rc = path_of(in->pins, in->directory, name, path);

	if (rc)
		return rc;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

static int remove_directory(const struct warder_pins *pins, const char *directory)
{
	struct in_directory in = {pins, directory, NULL, NULL};
	char path[PATH_MAX];
	int rc = each_name(pins, directory, unlink_name, &in)
			 ?: path_of(pins, directory, NULL, path);

	if (rc)
		return rc;
	return rmdir(path) && errno != ENOENT ? -errno : 0;
}

static int pin_map(const struct warder_pins *pins, const char *directory,
		   const struct warder_map *map, struct warder_error *error)
{
	char path[PATH_MAX];
	int rc = path_of(pins, directory, map->name, path);

	if (!rc && bpf_obj_pin(map->fd, path) && errno != EEXIST)
		rc = -errno;
	return rc ? warder_error_set(error, rc, "cannot pin map %s at %s: %s", map->name, path,
				     strerror(-rc))
		  : 0;
}

int warder_pins_replace_maps(const struct warder_pins *pins, const struct warder_maps *maps,
			     struct warder_error *error)
{
	char fresh[PATH_MAX], place[PATH_MAX];
	int rc;

	if (!pins->root[0])
		return 0;
	rc = path_of(pins, "maps_new", NULL, fresh) ?: path_of(pins, "maps", NULL, place);
	rc = rc ?: remove_directory(pins, "maps_new") ?: make_directories(fresh);
	if (rc)
		return warder_error_set(error, rc, "cannot make %s/maps_new: %s", pins->root,
					strerror(-rc));
	for (size_t i = 0; i < maps->n; i++) {
		rc = pin_map(pins, "maps_new", &maps->v[i], error);
		if (rc)
			return rc;
	}
	/* Where there is no old directory an ordinary rename does; else both change places in one
	 * step. */
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RENAME_NOREPLACE) && errno == EEXIST &&
	    renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RENAME_EXCHANGE))
		return warder_error_set(error, -errno, "cannot put %s in place of %s: %s", fresh,
					place, strerror(errno));
	rc = remove_directory(pins, "maps_new");
	return rc ? warder_error_set(error, rc, "cannot remove %s: %s", fresh, strerror(-rc)) : 0;
}

int warder_pins_add_maps(const struct warder_pins *pins, const struct warder_maps *maps,
			 struct warder_error *error)
{
	for (size_t i = 0; pins->root[0] && i < maps->n; i++) {
		int rc = pin_map(pins, "maps", &maps->v[i], error);

		if (rc)
			return rc;
	}
	return 0;
}

int warder_pins_put_link(const struct warder_pins *pins, const char *name, int fd)
{
	char path[PATH_MAX];
	int rc;

	if (!pins->root[0])
		return 0;
	rc = path_of(pins, "links", name, path);
	if (rc)
		return rc;
	if (!bpf_obj_pin(fd, path))
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* What is there belongs to a device that is gone: its number was given again. */
	if (unlink(path) || bpf_obj_pin(fd, path))
		return -errno;
	return 0;
}

int warder_pins_get_link(const struct warder_pins *pins, const char *name)
{
	char path[PATH_MAX];
	int fd, rc;

	if (!pins->root[0])
		return -ENOENT;
	rc = path_of(pins, "links", name, path);
	if (rc)
		return rc;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

void warder_pins_remove_link(const struct warder_pins *pins, const char *name)
{
	struct in_directory in = {pins, "links", NULL, NULL};

	if (pins->root[0])
		unlink_name(&in, name);
}

int warder_pins_each_link(const struct warder_pins *pins, int (*each)(void *data, const char *name),
			  void *data)
{
	return pins->root[0] ? each_name(pins, "links", each, data) : 0;
}

int warder_pins_remove_all(const char *bpffs, struct warder_error *error)
{
	struct warder_pins pins;
	int rc = warder_pins_find(bpffs, &pins);

	if (rc == -ENOENT)
		return 0;
	rc = rc ?: remove_directory(&pins, "links") ?: remove_directory(&pins, "maps_new") ?: remove_directory(&pins, "maps");
	if (!rc && rmdir(pins.root) && errno != ENOENT)
		rc = -errno;
	if (rc)
		return warder_error_set(error, rc, "cannot remove the pins below %s: %s", bpffs,
					strerror(-rc));
	/* The administrator's own directory, or the mount itself, stays where it cannot go. */
	if (rmdir(bpffs) && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY)
		return warder_error_set(error, -errno, "cannot remove %s: %s", bpffs,
					strerror(errno));
	return 0;
}
