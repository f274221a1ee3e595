/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From writes to system calls.  A batch is walked by the kernel in order, one element after the
 * other, and each element is as atomic as a single update (an aligned word of 8 bytes in an array,
 * or one hash value), so batching changes nothing of what a plan promises between two writes.
 */
#include "datapath/write.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define BATCH	  1024 /* elements in one call */
#define KEY_MAX	  64
#define VALUE_MAX 512
#ifndef ENOTSUPP
#define ENOTSUPP 524 /* the kernel's own: this map type has no batches */
#endif

struct batch {
	const struct warder_maps *maps;
	struct warder_mirror *mirror; /* NULL: the maps alone */
	const struct warder_shape *shape;
	struct warder_error *error;
	enum warder_table table;
	struct warder_table_info info; /* of `table` */
	int fd;
	bool remove;
	__u32 n;
	size_t done;
	__u8 *keys, *values;
};

static int batch_open(struct batch *batch, const struct warder_maps *maps,
		      struct warder_mirror *mirror, const struct warder_shape *shape,
		      struct warder_error *error)
{
	*batch = (struct batch){.maps = maps,
				.mirror = mirror,
				.shape = shape,
				.error = error,
				.table = WARDER_TABLES};
	batch->keys = malloc(BATCH * KEY_MAX);
	batch->values = malloc(BATCH * VALUE_MAX);
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static void batch_release(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
}

static int batch_table(struct batch *batch, enum warder_table table)
{
	if (batch->table == table)
		return 0;
	warder_table_info(table, batch->shape, &batch->info);
	if (batch->info.key_size > KEY_MAX || batch->info.value_size > VALUE_MAX)
		return -E2BIG;
	batch->fd = warder_maps_find(batch->maps, batch->info.name);
	if (batch->fd < 0)
		return warder_error_set(batch->error, -ENOENT, "map %s is missing",
					batch->info.name);
	batch->table = table;
	return 0;
}

static int batch_one_by_one(const struct batch *batch, __u32 *count)
{
	__u32 n = *count;
	int rc = 0;

	for (*count = 0; *count < n; (*count)++) {
		const void *key = batch->keys + (size_t)*count * batch->info.key_size;
		const void *value = batch->values + (size_t)*count * batch->info.value_size;

		rc = batch->remove ? bpf_map_delete_elem(batch->fd, key)
				   : bpf_map_update_elem(batch->fd, key, value, BPF_ANY);
		if (rc)
			break;
	}
	return rc;
}

static int batch_mirror(const struct batch *batch, __u32 count)
{
	for (__u32 i = 0; batch->mirror && i < count; i++) {
		struct warder_write write = {
			.table = batch->table,
			.remove = batch->remove,
			.key = batch->keys + (size_t)i * batch->info.key_size,
			.value = batch->remove ? NULL
					       : batch->values + (size_t)i * batch->info.value_size,
		};
		int rc = warder_mirror_apply(batch->mirror, &write);

		if (rc)
			return rc;
	}
	return 0;
}

static int batch_flush(struct batch *batch)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	__u32 count = batch->n;
	int rc, mirrored;

	if (!batch->n)
		return 0;
	if (batch->n == 1)
		rc = batch_one_by_one(batch, &count);
	else if (batch->remove)
		rc = bpf_map_delete_batch(batch->fd, batch->keys, &count, &options);
	else
		rc = bpf_map_update_batch(batch->fd, batch->keys, batch->values, &count, &options);
	if (rc == -ENOTSUPP || rc == -ENOTSUP || (rc == -EINVAL && batch->n > 1)) {
		count = batch->n;
		rc = batch_one_by_one(batch, &count);
	}
	if (!rc)
		count = batch->n;
	else if (rc == -EFAULT || count > batch->n)
		count = 0;
	mirrored = batch_mirror(batch, count);
	batch->done += count;
	batch->n = 0;
	if (rc == -E2BIG)
		rc = -ENOSPC; /* how a hash says that it is full */
	if (rc)
		return warder_error_set(batch->error, rc, "cannot %s map %s: %s",
					batch->remove ? "remove from" : "write to",
					batch->info.name,
					rc == -ENOSPC ? "it is full" : strerror(-rc));
	if (mirrored)
		return warder_error_set(batch->error, mirrored,
					"the mirror of map %s differs from the kernel's: %s",
					batch->info.name, strerror(-mirrored));
	return 0;
}

static int batch_add(struct batch *batch, const struct warder_write *write)
{
	int rc = 0;

	if (batch->n == BATCH ||
	    (batch->n && (batch->table != write->table || batch->remove != write->remove)))
		rc = batch_flush(batch);
	rc = rc ?: batch_table(batch, write->table);
	if (rc)
		return rc;
	batch->remove = write->remove;
	memcpy(batch->keys + (size_t)batch->n * batch->info.key_size, write->key,
	       batch->info.key_size);
	if (!write->remove)
		memcpy(batch->values + (size_t)batch->n * batch->info.value_size, write->value,
		       batch->info.value_size);
	batch->n++;
	return 0;
}

int warder_write_plan(const struct warder_maps *maps, struct warder_mirror *mirror,
		      const struct warder_write *writes, size_t n, void (*step)(void *data),
		      void *data, size_t *ret_done, struct warder_error *error)
{
	CLEANUP(batch_release) struct batch batch;
	int rc = batch_open(&batch, maps, mirror, warder_mirror_shape(mirror), error);

	for (size_t i = 0; !rc && i < n; i++) {
		rc = batch_add(&batch, &writes[i]);
		if (!rc && step) {
			rc = batch_flush(&batch);
			step(data);
		}
	}
	rc = rc ?: batch_flush(&batch);
	if (ret_done)
		*ret_done = batch.done;
	return rc;
}

struct fill {
	struct batch *batch;
	enum warder_table table;
};

static int fill_entry(void *data, const void *key, const void *value)
{
	struct fill *fill = data;
	struct warder_write write = {.table = fill->table, .key = key, .value = value};

	return batch_add(fill->batch, &write);
}

int warder_write_fill(const struct warder_maps *maps, const struct warder_mirror *mirror,
		      struct warder_error *error)
{
	CLEANUP(batch_release) struct batch batch;
	int rc = batch_open(&batch, maps, NULL, warder_mirror_shape(mirror), error);

	for (int table = 0; !rc && table < WARDER_TABLES; table++)
		rc = warder_mirror_each(mirror, table, fill_entry, &(struct fill){&batch, table});
	return rc ?: batch_flush(&batch);
}

static bool all_zero(const __u8 *bytes, size_t size)
{
	while (size--)
		if (*bytes++)
			return false;
	return true;
}

/* What was read stands in the batch's buffers. */
static int mirror_read(const struct batch *batch, __u32 count)
{
	for (__u32 i = 0; i < count; i++) {
		struct warder_write write = {
			.table = batch->table,
			.key = batch->keys + (size_t)i * batch->info.key_size,
			.value = batch->values + (size_t)i * batch->info.value_size,
		};
		int rc = batch->info.array && all_zero(write.value, batch->info.value_size)
				 ? 0
				 : warder_mirror_apply(batch->mirror, &write);

		if (rc)
			return rc;
	}
	return 0;
}

static int read_one_by_one(struct batch *batch)
{
	__u8 last[KEY_MAX];
	void *previous = NULL;
	int rc;

	while (!(rc = bpf_map_get_next_key(batch->fd, previous, batch->keys))) {
		rc = bpf_map_lookup_elem(batch->fd, batch->keys, batch->values)
			     ?: mirror_read(batch, 1);
		if (rc)
			return rc;
		memcpy(last, batch->keys, batch->info.key_size);
		previous = last;
	}
	return rc == -ENOENT ? 0 : rc;
}

static int read_table(struct batch *batch)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	__u8 position[KEY_MAX];
	void *from = NULL;
	int rc;

	do {
		__u32 count = BATCH;
		int mirrored;

		rc = bpf_map_lookup_batch(batch->fd, from, position, batch->keys, batch->values,
					  &count, &options);
		if (!from && (rc == -ENOTSUPP || rc == -ENOTSUP || rc == -EINVAL))
			return read_one_by_one(batch);
		if (rc && rc != -ENOENT)
			return rc;
		mirrored = mirror_read(batch, count);
		if (mirrored)
			return mirrored;
		from = position;
	} while (!rc);
	return 0;
}

int warder_write_read(const struct warder_maps *maps, struct warder_mirror *mirror,
		      struct warder_error *error)
{
	CLEANUP(batch_release) struct batch batch;
	int rc = batch_open(&batch, maps, mirror, warder_mirror_shape(mirror), error);

	for (int table = 0; !rc && table < WARDER_TABLES; table++) {
		rc = batch_table(&batch, table);
		if (rc)
			return rc;
		rc = read_table(&batch);
		if (rc)
			return warder_error_set(error, rc, "cannot read map %s: %s",
						batch.info.name, strerror(-rc));
	}
	return rc;
}
