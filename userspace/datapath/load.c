/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the objects that are built in to descriptors of maps and programs.  The first object that
 * names a map makes it, the others and all later loads use the same one.  Attaches nothing and pins
 * nothing.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/programs.h"
#include "warder/counter.h"
#include "warder/flow.h"

/* After the types that the constants are made of. */
#include "adopt.skel.h"
#include "pod.skel.h"
#include "socket.skel.h"

static const char *const program_names[WARDER_PROGRAMS] = {
	[WARDER_PROGRAM_TO_POD] = "warder_to_pod",
	[WARDER_PROGRAM_FROM_POD] = "warder_from_pod",
	[WARDER_PROGRAM_CONNECT4] = "warder_connect4",
	[WARDER_PROGRAM_CONNECT6] = "warder_connect6",
	[WARDER_PROGRAM_SENDMSG4] = "warder_sendmsg4",
	[WARDER_PROGRAM_SENDMSG6] = "warder_sendmsg6",
	[WARDER_PROGRAM_SKB_INGRESS] = "warder_skb_ingress",
	[WARDER_PROGRAM_SKB_EGRESS] = "warder_skb_egress",
	[WARDER_PROGRAM_ADOPT_TCP] = "warder_adopt_tcp",
	[WARDER_PROGRAM_EXPIRE] = "warder_expire",
};

int warder_maps_find(const struct warder_maps *maps, const char *name)
{
	for (size_t i = 0; i < maps->n; i++)
		if (!strcmp(maps->v[i].name, name))
			return maps->v[i].fd;
	return -1;
}

int warder_maps_add(struct warder_maps *maps, const char *name, int fd)
{
	if (maps->n == WARDER_MAPS_MAX || strlen(name) >= WARDER_MAP_NAME) {
		close(fd);
		return -E2BIG;
	}
	snprintf(maps->v[maps->n].name, WARDER_MAP_NAME, "%s", name);
	maps->v[maps->n++].fd = fd;
	return 0;
}

void warder_maps_release(struct warder_maps *maps)
{
	while (maps->n)
		close(maps->v[--maps->n].fd);
}

void warder_programs_release(struct warder_programs *programs)
{
	for (int i = 0; i < WARDER_PROGRAMS; i++) {
		cleanup_close(&programs->fd[i]);
		programs->fd[i] = -1;
	}
	cleanup_close(&programs->adopt_link);
	programs->adopt_link = -1;
}

/* What libbpf says of a load that fails, for the error: a library does not print. */
static _Thread_local char said[320];

#define LOG_TAIL                                                                                   \
	160 /* of the verifier's log: the instruction, what is wrong with it, and the totals */

/* The verifier's log comes as one message of many lines. */
static void keep_log(const char *text)
{
	const char *end = strstr(text, "\n-- END PROG LOAD LOG");
	const char *from = end && end - text > LOG_TAIL ? end - LOG_TAIL : text;
	size_t length = strlen(said);

	snprintf(said + length, sizeof(said) - length, ": ...%.*s",
		 end ? (int)(end - from) : LOG_TAIL, from);
	for (char *c = said; *c; c++)
		if (*c == '\n')
			*c = '|';
}

static int listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	va_list again;
	char *text;
	int length;

	if (level != LIBBPF_WARN)
		return 0;
	va_copy(again, arguments);
	length = vasprintf(&text, format, again);
	va_end(again);
	if (length < 0)
		return 0;
	if (!said[0]) { /* the first complaint is the cause, the others follow from it */
		snprintf(said, sizeof(said), "%s", text);
		said[strcspn(said, "\n")] = 0;
	} else if (strstr(text, "BEGIN PROG LOAD LOG")) {
		keep_log(text);
	}
	free(text);
	return 0;
}

/* Entries of a map whose size is not fixed by the object; 0 = it is. */
static __u32 entries_of(const char *name, const struct warder_constants *constants)
{
	const struct warder_shape *shape = &constants->shape;

	for (int table = 0; table < WARDER_TABLES; table++) {
		struct warder_table_info info;

		warder_table_info(table, shape, &info);
		if (!strcmp(name, info.name))
			return info.max_entries;
	}
	if (!strcmp(name, "counters") || !strcmp(name, "counters_kept"))
		return shape->slots * WARDER_COUNTERS_PER_SLOT;
	if (!strcmp(name, "flow_budgets"))
		return shape->slots * 2;
	if (!strcmp(name, "flows"))
		return constants->max_flows;
	return 0;
}

/* A map that is adopted must be what this build would make; only `flows` keeps the size that it
 * has. */
static int check_map(const struct bpf_map *map, int fd, struct warder_error *error)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	const char *name = bpf_map__name(map);
	int rc = bpf_map_get_info_by_fd(fd, &info, &size);

	if (rc)
		return warder_error_set(error, rc, "map %s: %s", name, strerror(-rc));
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    (strcmp(name, "flows") && info.max_entries != bpf_map__max_entries(map)))
		return warder_error_set(error, -ESTALE,
					"the pinned map %s is not what this agent works with (type "
					"%u, key %u, value %u, "
					"entries %u; wanted %u, %u, %u, %u): run the `warderctl "
					"uninstall` of the version that "
					"made it",
					name, info.type, info.key_size, info.value_size,
					info.max_entries, bpf_map__type(map),
					bpf_map__key_size(map), bpf_map__value_size(map),
					bpf_map__max_entries(map));
	return 0;
}

/* Before the load: sizes, and the maps that exist. */
static int prepare_maps(struct bpf_object *object, const struct warder_constants *constants,
			const struct warder_maps *maps, struct warder_error *error)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		const char *name = bpf_map__name(map);
		__u32 entries = entries_of(name, constants);
		int fd = warder_maps_find(maps, name), rc = 0;

		if (bpf_map__is_internal(map))
			continue;
		if (entries)
			rc = bpf_map__set_max_entries(map, entries);
		if (!rc && fd >= 0) {
			rc = check_map(map, fd, error);
			if (rc)
				return rc;
			rc = bpf_map__reuse_fd(map, fd);
		}
		if (rc)
			return warder_error_set(error, rc, "cannot prepare map %s: %s", name,
						strerror(-rc));
	}
	return 0;
}

static int collect_maps(struct bpf_object *object, struct warder_maps *maps)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		int fd, rc;

		if (bpf_map__is_internal(map) || warder_maps_find(maps, bpf_map__name(map)) >= 0)
			continue;
		fd = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return -errno;
		rc = warder_maps_add(maps, bpf_map__name(map), fd);
		if (rc)
			return rc;
	}
	return 0;
}

static int collect_programs(struct bpf_object *object, struct warder_programs *programs)
{
	for (int i = 0; i < WARDER_PROGRAMS; i++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(object, program_names[i]);

		if (!program)
			continue;
		programs->fd[i] = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
		if (programs->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int load_object(struct bpf_object *object, const struct warder_constants *constants,
		       struct warder_maps *maps, struct warder_programs *programs,
		       struct warder_error *error)
{
	int rc = prepare_maps(object, constants, maps, error);

	if (rc)
		return rc;
	said[0] = 0;
	rc = bpf_object__load(object);
	if (rc)
		return warder_error_set(error, rc, "cannot load the programs of %s: %s%s%s",
					bpf_object__name(object), strerror(-rc),
					said[0] ? ": " : "", said);
	rc = collect_maps(object, maps) ?: collect_programs(object, programs);
	return rc ? warder_error_set(error, rc, "cannot keep what %s loaded: %s",
				     bpf_object__name(object), strerror(-rc))
		  : 0;
}

/* bpf/lib/maps.h has the constants; each object has all of them. */
#define SET_CONSTANTS(rodata, constants)                                                           \
	do {                                                                                       \
		size_t room_ = sizeof((rodata)->tunnel_ports) / sizeof(*(rodata)->tunnel_ports);   \
		(rodata)->shape = (constants)->shape;                                              \
		memcpy((void *)(rodata)->secret, (constants)->secret,                              \
		       sizeof((constants)->secret));                                               \
		(rodata)->mark_mask = (constants)->mark_mask;                                      \
		(rodata)->mark_shift =                                                             \
			(constants)->mark_mask ? __builtin_ctz((constants)->mark_mask) : 0;        \
		(rodata)->flows_per_endpoint = (constants)->flows_per_endpoint;                    \
		(rodata)->reply_cache = !(constants)->no_reply_cache;                              \
		for (size_t i_ = 0; i_ < (constants)->n_tunnel_ports && i_ < room_; i_++)          \
			(rodata)->tunnel_ports[(rodata)->n_tunnel_ports++] =                       \
				(constants)->tunnel_ports[i_];                                     \
	} while (0)

/* One function for each object: a skeleton has a type of its own. */
#define LOAD(object)                                                                               \
	static int load_##object(const struct warder_constants *constants,                         \
				 struct warder_maps *maps, struct warder_programs *programs,       \
				 struct warder_error *error)                                       \
	{                                                                                          \
		struct object##_bpf *skeleton = object##_bpf__open();                              \
		int rc;                                                                            \
                                                                                                   \
		if (!skeleton)                                                                     \
			return warder_error_set(error, -errno,                                     \
						"cannot open the programs of " #object ": %s",     \
						strerror(errno));                                  \
		SET_CONSTANTS(skeleton->rodata, constants);                                        \
		rc = load_object(skeleton->obj, constants, maps, programs, error);                 \
		object##_bpf__destroy(skeleton);                                                   \
		return rc;                                                                         \
	}
LOAD(pod)
LOAD(socket)
LOAD(adopt)

static int make_adopt_link(struct warder_programs *programs, struct warder_error *error)
{
	programs->adopt_link =
		bpf_link_create(programs->fd[WARDER_PROGRAM_ADOPT_TCP], 0, BPF_TRACE_ITER, NULL);
	if (programs->adopt_link < 0)
		return warder_error_set(error, programs->adopt_link,
					"cannot make the walk of TCP sockets: %s",
					strerror(-programs->adopt_link));
	return 0;
}

int warder_programs_load(const struct warder_constants *constants, struct warder_maps *maps,
			 struct warder_programs *ret, struct warder_error *error)
{
	struct warder_programs programs = WARDER_PROGRAMS_INIT;
	int rc;

	libbpf_set_print(listen_to_libbpf);
	rc = load_pod(constants, maps, &programs, error)
		     ?: load_socket(constants, maps, &programs, error);
	rc = rc ?: load_adopt(constants, maps, &programs, error);
	for (int i = 0; !rc && i < WARDER_PROGRAMS; i++)
		if (programs.fd[i] < 0)
			rc = warder_error_set(error, -ENOENT, "the objects have no program %s",
					      program_names[i]);
	rc = rc ?: make_adopt_link(&programs, error);
	if (rc) {
		warder_programs_release(&programs);
		return rc;
	}
	*ret = programs;
	return 0;
}
