/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact numbers out of per-CPU arrays: counters, and the lines of refused packets that no record
 * has told.
 *
 * A line is read without a lock while its CPU may write it.  One that changes hands meanwhile is
 * read again (tenancy and tenancy_end say so).  Records of the rings that began before a line was
 * read are handed over before the line is: the listener never sees a tenancy's end after the
 * beginning of the next.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/state.h"

#define CHUNK                                                                                      \
	256 /* indices in one call: as many counters as a slot has, and a divisor of the lines */
#define LINE_TRIES 100

_Static_assert(WARDER_COUNTERS_PER_SLOT == CHUNK && WARDER_LINES % CHUNK == 0, "whole chunks");

/* Indices from..from+n of a per-CPU array; `values` has n * CPUs * value_size (a multiple of 8),
 * CPU innermost. */
static int read_chunk(int fd, __u32 from, __u32 n, __u32 *keys, void *values)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	__u32 before = from - 1, next, count = n;
	int rc = bpf_map_lookup_batch(fd, from ? &before : NULL, &next, keys, values, &count,
				      &options);

	if (rc == -ENOENT && count == n) /* the last chunk of the map */
		rc = 0;
	return rc ?: (count == n ? 0 : -EIO);
}

/* Sums of one slot over all CPUs, and what earlier, smaller maps held (grow.c), are added to `ret`.
 */
static int add_counters(const struct warder_datapath *datapath, __u32 slot, int cpus,
			struct warder_counter *values, struct warder_counter *ret)
{
	__u32 keys[CHUNK], first = slot * WARDER_COUNTERS_PER_SLOT;
	int rc = read_chunk(warder_maps_find(&datapath->maps, "counters"), first, CHUNK, keys,
			    values);

	for (__u32 i = 0; !rc && i < CHUNK; i++) {
		for (int cpu = 0; cpu < cpus; cpu++) {
			ret[i].packets += values[(size_t)i * cpus + cpu].packets;
			ret[i].bytes += values[(size_t)i * cpus + cpu].bytes;
		}
	}
	rc = rc
		     ?: read_chunk(warder_maps_find(&datapath->maps, "counters_kept"), first, CHUNK,
				   keys, values);
	for (__u32 i = 0; !rc && i < CHUNK; i++) {
		ret[i].packets += values[i].packets;
		ret[i].bytes += values[i].bytes;
	}
	return rc;
}

int warder_slot_counters(const struct warder_datapath *datapath, __u16 slot,
			 struct warder_counter ret[WARDER_COUNTERS_PER_SLOT])
{
	int cpus = libbpf_num_possible_cpus();
	CLEANUP(cleanup_free) struct warder_counter *values = NULL;

	values = cpus > 0 ? calloc((size_t)cpus * CHUNK, sizeof(*values)) : NULL;
	if (!values)
		return -ENOMEM;
	memset(ret, 0, WARDER_COUNTERS_PER_SLOT * sizeof(*ret));
	return add_counters(datapath, slot, cpus, values, ret);
}

__u32 warder_datapath_slots(const struct warder_datapath *datapath)
{
	return warder_mirror_shape(datapath->mirror)->slots;
}

int warder_datapath_counters(struct warder_datapath *datapath, struct warder_counter *ret, size_t n)
{
	int cpus = libbpf_num_possible_cpus(), rc = 0;
	CLEANUP(cleanup_free) struct warder_counter *values = NULL;
	__u32 slots = datapath->constants.shape.slots;

	if (n < (size_t)slots * WARDER_COUNTERS_PER_SLOT)
		return -E2BIG;
	values = cpus > 0 ? calloc((size_t)cpus * CHUNK, sizeof(*values)) : NULL;
	if (!values)
		return -ENOMEM;
	memset(ret, 0, n * sizeof(*ret));
	for (__u32 slot = 0; !rc && slot < slots; slot++)
		rc = add_counters(datapath, slot, cpus, values,
				  ret + (size_t)slot * WARDER_COUNTERS_PER_SLOT);
	return rc;
}

static bool is_whole(const struct warder_line *line)
{
	return line->tenancy == line->tenancy_end && !(line->tenancy & 1);
}

/* Reads one index anew, until `cpu`'s line is whole. */
static int read_again(int fd, __u32 index, int cpu, struct warder_line *all,
		      struct warder_line *ret)
{
	for (int tries = 0; tries < LINE_TRIES; tries++) {
		int rc = bpf_map_lookup_elem(fd, &index, all);

		if (rc)
			return rc;
		if (is_whole(&all[cpu])) {
			*ret = all[cpu];
			return 0;
		}
	}
	return -EAGAIN; /* told by the next sweep */
}

static void tell_line(const struct warder_line *line, __u32 cpu, __u32 index,
		      void (*tell)(void *data, const struct warder_event *event), void *data)
{
	struct warder_event event = {
		.cpu = cpu,
		.index = index,
		.tenancy = line->tenancy,
		.packets = line->packets,
		.bytes = line->bytes,
		.key = line->key,
		.sample = line->sample,
	};

	tell(data, &event);
}

static int sweep_chunk(struct warder_datapath *datapath, int fd, __u32 from, int cpus,
		       struct warder_line *lines, struct warder_line *again,
		       void (*tell)(void *data, const struct warder_event *event), void *data)
{
	__u32 keys[CHUNK];
	int rc = read_chunk(fd, from, CHUNK, keys, lines);

	if (rc)
		return rc;
	for (size_t i = 0; i < (size_t)CHUNK * cpus; i++)
		if (!is_whole(&lines[i]) &&
		    read_again(fd, from + i / cpus, i % cpus, again, &lines[i]))
			lines[i].tenancy = 0;
	warder_rings_drain(datapath->rings);
	for (size_t i = 0; i < (size_t)CHUNK * cpus; i++)
		if (lines[i].tenancy && lines[i].packets)
			tell_line(&lines[i], i % cpus, from + i / cpus, tell, data);
	return 0;
}

static int read_overflow(const struct warder_datapath *datapath, int cpus,
			 struct warder_counter ret[WARDER_OVERFLOWS])
{
	CLEANUP(cleanup_free) struct warder_counter *values = calloc(cpus, sizeof(*values));
	int fd = warder_maps_find(&datapath->maps, "overflow"), rc = values ? 0 : -ENOMEM;

	memset(ret, 0, WARDER_OVERFLOWS * sizeof(*ret));
	for (__u32 i = 0; !rc && i < WARDER_OVERFLOWS; i++) {
		rc = bpf_map_lookup_elem(fd, &i, values);
		for (int cpu = 0; !rc && cpu < cpus; cpu++) {
			ret[i].packets += values[cpu].packets;
			ret[i].bytes += values[cpu].bytes;
		}
	}
	return rc;
}

int warder_datapath_sweep(struct warder_datapath *datapath,
			  void (*line)(void *data, const struct warder_event *event), void *data,
			  struct warder_counter overflow[WARDER_OVERFLOWS])
{
	int cpus = libbpf_num_possible_cpus(), rc = 0,
	    fd = warder_maps_find(&datapath->maps, "lines");
	CLEANUP(cleanup_free) struct warder_line *lines = NULL, *again = NULL;

	if (cpus <= 0)
		return cpus;
	lines = calloc((size_t)CHUNK * cpus, sizeof(*lines));
	again = calloc(cpus, sizeof(*again));
	if (!lines || !again)
		return -ENOMEM;
	for (__u32 from = 0; !rc && from < WARDER_LINES; from += CHUNK)
		rc = sweep_chunk(datapath, fd, from, cpus, lines, again, line, data);
	return rc ?: read_overflow(datapath, cpus, overflow);
}

/* /proc says what the kernel charged. */
__u64 warder_map_bytes(int fd)
{
	unsigned long long bytes = 0;
	char path[64], text[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(text, sizeof(text), file))
		if (sscanf(text, "memlock: %llu", &bytes) == 1)
			break;
	if (file)
		fclose(file);
	return bytes;
}
