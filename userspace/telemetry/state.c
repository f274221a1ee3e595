/* SPDX-License-Identifier: Apache-2.0 */
/* The file's layout is this machine's own; a version and its exact size tell a foreign or cut one. */
#include "telemetry/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define MAGIC	 0x57745331 /* "WtS1": the layout's version too */
#define FILE_MAX (256 << 20)

struct header {
	__u32 magic, pad;
	__u64 entries;
	struct warder_state state;
};

struct entry {
	__u64 tenancy, packets, bytes;
	__u32 cpu, index;
};

static void pack_one(void *data, const struct warder_event *seen)
{
	struct entry **next = data;

	*(*next)++ =
		(struct entry){seen->tenancy, seen->packets, seen->bytes, seen->cpu, seen->index};
}

void *warder_state_pack(const struct warder_state *state, const struct warder_tenancies *tenancies,
			size_t *ret_size)
{
	size_t n = warder_tenancies_open_count(tenancies);
	size_t size = sizeof(struct header) + n * sizeof(struct entry);
	struct header *header = calloc(1, size);
	struct entry *entries = header ? (struct entry *)(header + 1) : NULL;

	if (!header)
		return NULL;
	header->magic = MAGIC;
	header->entries = n;
	header->state = *state;
	warder_tenancies_each_open(tenancies, pack_one, &entries);
	*ret_size = size;
	return header;
}

int warder_state_write(const char *path, const void *bytes, size_t size)
{
	CLEANUP(cleanup_close) int fd = -1;
	char temporary[4096];
	size_t done = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	while (fd >= 0 && done < size) {
		ssize_t n = write(fd, (const char *)bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (fd < 0 || done < size || rename(temporary, path) < 0) {
		int err = errno ? -errno : -EIO;

		unlink(temporary);
		return err;
	}
	return 0;
}

static int read_whole(const char *path, void **ret, size_t *ret_size)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(cleanup_free) char *bytes = NULL;
	struct stat st;
	size_t size, n = 0;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return -EINVAL;
	size = (size_t)st.st_size;
	bytes = malloc(size + 1);
	if (!bytes)
		return -ENOMEM;
	while (n < size && (got = read(fd, bytes + n, size - n)) > 0)
		n += (size_t)got;
	if (n < size)
		return -EIO;
	*ret = TAKE(bytes);
	*ret_size = size;
	return 0;
}

int warder_state_read(const char *path, struct warder_state *ret,
		      struct warder_tenancies *tenancies)
{
	CLEANUP(cleanup_free) void *bytes = NULL;
	const struct header *header;
	const struct entry *entries;
	size_t size = 0;
	int err = read_whole(path, &bytes, &size);

	if (err < 0)
		return err;
	header = bytes;
	if (size < sizeof(*header) || header->magic != MAGIC ||
	    header->entries > (size - sizeof(*header)) / sizeof(*entries) ||
	    size != sizeof(*header) + header->entries * sizeof(*entries))
		return -EINVAL;
	if (strncmp(header->state.boot, ret->boot, sizeof(ret->boot)) ||
	    header->state.lines_id != ret->lines_id)
		return -ESTALE;
	*ret = header->state;
	entries = (const struct entry *)(header + 1);
	for (__u64 i = 0; i < header->entries; i++) {
		struct warder_event seen = {.cpu = entries[i].cpu,
					    .index = entries[i].index,
					    .tenancy = entries[i].tenancy,
					    .packets = entries[i].packets,
					    .bytes = entries[i].bytes};
		struct warder_counter more;

		warder_tenancies_tell(tenancies, &seen, &more, NULL);
	}
	return 0;
}
