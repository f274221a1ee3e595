/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a datapath: opened on nothing or on what is pinned, given plans, closed.  A gap is
 * never made: maps are taken over before programs are loaded on them, and programs are put in place
 * by link update.
 */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "datapath/state.h"
#include "datapath/write.h"

#define DEFAULT_MAX_FLOWS	   65536
#define DEFAULT_FLOWS_PER_ENDPOINT 16384
#define TUNNEL_PORTS_MAX	   8

struct warder_datapath *warder_datapath_ref(struct warder_datapath *datapath)
{
	datapath->refs++;
	return datapath;
}

void warder_datapath_unref(struct warder_datapath *datapath)
{
	if (!datapath || --datapath->refs)
		return;
	warder_links_free(datapath->links);
	warder_sockets_free(datapath->sockets);
	warder_planner_free(datapath->planner);
	warder_mirror_free(datapath->mirror);
	warder_programs_release(&datapath->programs);
	warder_maps_release(&datapath->maps);
	free(datapath->tunnel_ports);
	warder_pins_unlock(datapath->lock);
	free(datapath);
}

void warder_datapath_listen(struct warder_datapath *datapath)
{
	warder_rings_listen(datapath->rings);
}

void warder_datapath_close(struct warder_datapath *datapath)
{
	if (!datapath)
		return;
	datapath->closed = true;
	warder_rings_close(datapath->rings);
	datapath->rings = NULL;
	warder_datapath_unref(datapath);
}

static void close_datapath(struct warder_datapath **datapath)
{
	warder_datapath_close(*datapath);
}

static void fill_shape(struct warder_shape *shape, const struct warder_shape *wanted)
{
	static const struct warder_shape fallback = WARDER_SHAPE_DEFAULT;
	const __u32 *from = (const __u32 *)wanted, *otherwise = (const __u32 *)&fallback;
	__u32 *to = (__u32 *)shape;

	for (size_t i = 0; i < sizeof(*shape) / sizeof(*to); i++)
		to[i] = from[i] ? from[i] : otherwise[i];
}

static int own_netns(__u64 *ret)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st))
		return -errno;
	*ret = st.st_ino;
	return 0;
}

/* What the maps at hand were made for; a fresh start where there are none. */
static int read_boot(struct warder_datapath *datapath, bool *ret_fresh, struct warder_error *error)
{
	int fd = warder_maps_find(&datapath->maps, "boot");
	struct warder_boot boot;
	__u64 netns = 0;
	__u32 zero = 0;
	int rc = own_netns(&netns);

	if (rc)
		return warder_error_set(error, rc, "cannot read /proc/self/ns/net: %s",
					strerror(-rc));
	*ret_fresh = fd < 0;
	if (fd < 0)
		return getrandom(datapath->constants.secret, sizeof(datapath->constants.secret),
				 0) < 0
			       ? warder_error_set(error, -errno, "no random secret: %s",
						  strerror(errno))
			       : 0;
	rc = bpf_map_lookup_elem(fd, &zero, &boot);
	if (rc)
		return warder_error_set(error, rc, "cannot read the pinned map boot: %s",
					strerror(-rc));
	if (boot.netns != netns)
		return warder_error_set(error, -EBUSY,
					"%s is pinned by an agent of another network namespace "
					"(inode %llu, this one is %llu): "
					"give this agent a --bpffs of its own",
					datapath->pins.root, boot.netns, netns);
	datapath->constants.shape = boot.shape;
	memcpy(datapath->constants.secret, boot.secret, sizeof(boot.secret));
	return 0;
}

int warder_boot_write(const struct warder_maps *maps, const struct warder_constants *constants)
{
	struct warder_boot boot = {.shape = constants->shape};
	__u32 zero = 0;
	int rc = own_netns(&boot.netns);

	memcpy(boot.secret, constants->secret, sizeof(boot.secret));
	return rc ?: bpf_map_update_elem(warder_maps_find(maps, "boot"), &zero, &boot, BPF_ANY);
}

/* Before anything is loaded: what the programs will be made with. */
static int take_options(struct warder_datapath *datapath,
			const struct warder_datapath_options *options, struct warder_error *error)
{
	struct warder_constants *constants = &datapath->constants;

	if (options->n_tunnel_ports > TUNNEL_PORTS_MAX)
		return warder_error_set(error, -E2BIG, "%zu tunnel ports: at most %d",
					options->n_tunnel_ports, TUNNEL_PORTS_MAX);
	datapath->tunnel_ports = calloc(TUNNEL_PORTS_MAX, sizeof(*datapath->tunnel_ports));
	if (!datapath->tunnel_ports)
		return -ENOMEM;
	for (size_t i = 0; i < options->n_tunnel_ports; i++)
		datapath->tunnel_ports[i] = options->tunnel_ports[i];
	fill_shape(&constants->shape, &options->shape);
	constants->max_flows = options->max_flows ?: DEFAULT_MAX_FLOWS;
	constants->flows_per_endpoint = options->flows_per_endpoint ?: DEFAULT_FLOWS_PER_ENDPOINT;
	constants->mark_mask = options->mark_mask;
	constants->no_reply_cache = options->no_reply_cache;
	constants->tunnel_ports = datapath->tunnel_ports;
	constants->n_tunnel_ports = options->n_tunnel_ports;
	return 0;
}

/* Maps, the mirror of them, programs on them; new maps are pinned once all of them are whole. */
static int load(struct warder_datapath *datapath, struct warder_error *error)
{
	bool fresh;
	int rc = warder_pins_maps(&datapath->pins, &datapath->maps, error)
			 ?: read_boot(datapath, &fresh, error);

	rc = rc
		     ?: warder_programs_load(&datapath->constants, &datapath->maps,
					     &datapath->programs, error);
	if (rc)
		return rc;
	datapath->mirror = warder_mirror_new(&datapath->constants.shape);
	if (!datapath->mirror)
		return -ENOMEM;
	if (fresh) {
		rc = warder_boot_write(&datapath->maps, &datapath->constants);
		if (rc)
			return warder_error_set(error, rc, "cannot write map boot: %s",
						strerror(-rc));
		rc = warder_pins_replace_maps(&datapath->pins, &datapath->maps, error);
	} else {
		rc = warder_write_read(&datapath->maps, datapath->mirror, error);
		rc = rc ?: warder_pins_add_maps(&datapath->pins, &datapath->maps, error);
	}
	if (rc)
		return rc;
	datapath->planner = warder_planner_new(datapath->mirror);
	return datapath->planner ? 0 : -ENOMEM;
}

int warder_datapath_open(uv_loop_t *loop, const struct warder_datapath_options *options,
			 const struct warder_datapath_sink *sink, struct warder_datapath **ret,
			 struct warder_error *error)
{
	CLEANUP(close_datapath) struct warder_datapath *datapath = calloc(1, sizeof(*datapath));
	int rc;

	if (!datapath)
		return -ENOMEM;
	*datapath = (struct warder_datapath){
		.loop = loop, .programs = WARDER_PROGRAMS_INIT, .lock = -1, .refs = 1};
	if (sink)
		datapath->sink = *sink;
	rc = take_options(datapath, options, error);
	if (!rc && options->bpffs)
		rc = warder_pins_open(options->bpffs, &datapath->pins, error);
	if (!rc && options->bpffs) {
		datapath->lock = warder_pins_lock(options->bpffs, error);
		rc = datapath->lock < 0 ? datapath->lock : 0;
	}
	rc = rc ?: load(datapath, error);
	if (rc)
		return rc;
	datapath->links = warder_links_new(datapath, options->clsact);
	if (!datapath->links)
		return -ENOMEM;
	rc = warder_links_adopt(datapath->links, error);
	if (!rc && options->cgroup_root)
		rc = warder_sockets_attach(&datapath->pins, options->cgroup_root,
					   &datapath->programs, &datapath->sockets, error);
	if (!rc && loop)
		rc = warder_rings_open(datapath, &datapath->rings, error);
	if (rc)
		return rc;
	if (!options->listen_later)
		warder_datapath_listen(datapath);
	/* Ids that the last agent freed may still be in use: they are taken until a grace period
	 * has passed. */
	warder_grace_begin(datapath);
	*ret = TAKE(datapath);
	return 0;
}

struct warder_planner *warder_datapath_planner(struct warder_datapath *datapath)
{
	return datapath->planner;
}

/* Growing may show the next thing that is too small. */
#define PLAN_TRIES 8

static int make_plan(struct warder_datapath *datapath, const struct warder_matrix *matrix,
		     const struct warder_plan_endpoint *endpoints, size_t n_endpoints,
		     struct warder_plan *plan, struct warder_error *error)
{
	int rc;

	for (unsigned tries = 1;; tries++) {
		warder_plan_clock(datapath->planner, uv_hrtime() / 1000000000);
		rc = warder_plan_make(datapath->planner, matrix, endpoints, n_endpoints, plan,
				      error);
		if (tries == PLAN_TRIES || (rc != -EAGAIN && rc != -ENOSPC))
			return rc;
		if (rc == -EAGAIN)
			warder_grace_now(datapath);
		else
			rc = warder_grow(datapath, &plan->need, error);
		if (rc && rc != -EAGAIN)
			return rc;
	}
}

/* The writes, with a wait wherever a running program could hold what the next ones change. */
static int write_plan(struct warder_datapath *datapath, const struct warder_plan *plan,
		      size_t *ret_writes, struct warder_error *error)
{
	size_t from = 0;

	for (unsigned i = 0; i <= plan->n_settle; i++) {
		size_t to = i < plan->n_settle ? plan->settle[i] : plan->n_writes, done = 0;
		int rc = warder_write_plan(&datapath->maps, datapath->mirror, plan->writes + from,
					   to - from, datapath->sink.written, datapath->sink.data,
					   &done, error);

		if (ret_writes)
			*ret_writes += done;
		if (rc)
			return rc;
		if (i < plan->n_settle)
			rc = warder_grace_wait(datapath);
		if (rc)
			return warder_error_set(error, rc,
						"cannot wait until no program runs on: %s",
						strerror(-rc));
		from = to;
	}
	return 0;
}

int warder_datapath_apply(struct warder_datapath *datapath, const struct warder_matrix *matrix,
			  const struct warder_plan_endpoint *endpoints, size_t n_endpoints,
			  size_t *ret_writes, struct warder_error *error)
{
	struct warder_plan plan = {};
	int rc;

	if (ret_writes)
		*ret_writes = 0;
	rc = make_plan(datapath, matrix, endpoints, n_endpoints, &plan, error);
	rc = rc ?: write_plan(datapath, &plan, ret_writes, error);
	if (!rc)
		warder_plan_done(datapath->planner);
	if (plan.n_writes)
		warder_grace_begin(datapath);
	warder_plan_free(&plan);
	return rc;
}

size_t warder_datapath_map_info(struct warder_datapath *datapath,
				void (*each)(void *data, const char *name, __u32 max_entries,
					     __u64 bytes, __u32 id),
				void *data)
{
	for (size_t i = 0; i < datapath->maps.n; i++) {
		struct bpf_map_info info = {};
		__u32 size = sizeof(info);

		if (!bpf_map_get_info_by_fd(datapath->maps.v[i].fd, &info, &size))
			each(data, datapath->maps.v[i].name, info.max_entries,
			     warder_map_bytes(datapath->maps.v[i].fd), info.id);
	}
	return datapath->maps.n;
}
