/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which links have our programs.  Attaching waits for grace periods, so it is a job on libuv's pool
 * that makes the attachments and knows nothing else; the loop alone pins them and keeps the list.
 * A link that goes, or programs that change, while a job runs are seen when it ends.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "datapath/adopt.h"
#include "datapath/state.h"

struct job;

struct link {
	UT_hash_handle hh;
	__u32 ifindex;
	bool attached;
	struct warder_attached side[WARDER_SIDES]; /* where attached */
	struct job *job;			   /* where not yet */
};

struct warder_links {
	struct warder_datapath *datapath;
	struct link *by_ifindex;
	bool clsact; /* do not try tcx */
};

struct job {
	uv_work_t work;
	struct warder_datapath *datapath;
	struct link *link; /* NULL: it went meanwhile */
	__u32 ifindex;
	struct warder_netns netns;
	bool clsact;
	int program[WARDER_SIDES]; /* descriptors of its own */
	int adopt_link;
	unsigned epoch;
	struct warder_attached side[WARDER_SIDES];
	int rc;
};

static const enum warder_program side_program[WARDER_SIDES] = {
	[WARDER_SIDE_TO_POD] = WARDER_PROGRAM_TO_POD,
	[WARDER_SIDE_FROM_POD] = WARDER_PROGRAM_FROM_POD,
};

/* A pin's name. */
#define LINK_NAME 40
static const char *link_name(__u32 ifindex, enum warder_side side, char name[LINK_NAME])
{
	snprintf(name, LINK_NAME, "link_%u_%s", ifindex,
		 side == WARDER_SIDE_TO_POD ? "to_pod" : "from_pod");
	return name;
}

static void close_sides(struct warder_attached side[WARDER_SIDES])
{
	for (int i = 0; i < WARDER_SIDES; i++)
		cleanup_close(&side[i].link);
}

static void job_free(struct job *job)
{
	for (int i = 0; i < WARDER_SIDES; i++)
		cleanup_close(&job->program[i]);
	cleanup_close(&job->adopt_link);
	warder_datapath_unref(job->datapath);
	free(job);
}

static struct link *find(const struct warder_links *links, __u32 ifindex)
{
	struct link *link;

	HASH_FIND(hh, links->by_ifindex, &ifindex, sizeof(ifindex), link);
	return link;
}

static struct link *add(struct warder_links *links, __u32 ifindex)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->ifindex = ifindex;
	link->side[0].link = link->side[1].link = -1;
	HASH_ADD(hh, links->by_ifindex, ifindex, sizeof(ifindex), link);
	return link;
}

/* Forgets the link; what is in the kernel stays as long as its pins. */
static void drop(struct warder_links *links, struct link *link)
{
	HASH_DEL(links->by_ifindex, link);
	if (link->job)
		link->job->link = NULL;
	close_sides(link->side);
	free(link);
}

struct warder_links *warder_links_new(struct warder_datapath *datapath, bool clsact)
{
	struct warder_links *links = calloc(1, sizeof(*links));

	if (links) {
		links->datapath = datapath;
		links->clsact = clsact;
	}
	return links;
}

void warder_links_free(struct warder_links *links)
{
	struct link *link, *next;

	if (!links)
		return;
	HASH_ITER (hh, links->by_ifindex, link, next)
		drop(links, link);
	free(links);
}

static void attach_work(uv_work_t *request)
{
	struct job *job = request->data;

	/* Before the programs bite, and once more for what began in between. */
	if (job->netns.pid)
		warder_adopt_sockets(job->adopt_link, &job->netns);
	for (int side = 0; !job->rc && side < WARDER_SIDES; side++)
		job->rc = warder_attach_put(job->ifindex, side, job->program[side], job->clsact,
					    &job->side[side]);
	if (!job->rc && job->netns.pid)
		warder_adopt_sockets(job->adopt_link, &job->netns);
}

/* On the loop: pins what the job made, with the programs of now. */
static int keep(struct warder_datapath *datapath, struct job *job)
{
	char name[LINK_NAME];
	int rc = 0;

	for (int side = 0; !rc && side < WARDER_SIDES; side++) {
		if (job->epoch != datapath->epoch)
			rc = warder_attach_update(job->ifindex, side, &job->side[side],
						  datapath->programs.fd[side_program[side]]);
		if (!rc && job->side[side].link >= 0)
			rc = warder_pins_put_link(&datapath->pins,
						  link_name(job->ifindex, side, name),
						  job->side[side].link);
	}
	return rc;
}

static void attach_done(uv_work_t *request, int status)
{
	struct job *job = request->data;
	struct warder_datapath *datapath = job->datapath;
	struct link *link = job->link;
	int rc = status ?: job->rc;

	if (link)
		link->job = NULL;
	else if (!rc)
		rc = -ENODEV;
	if (!rc && !datapath->closed)
		rc = keep(datapath, job);
	if (link && !rc) {
		memcpy(link->side, job->side, sizeof(link->side));
		link->attached = true;
	} else {
		close_sides(job->side);
		if (link)
			drop(datapath->links, link);
	}
	if (!datapath->closed && datapath->sink.attached)
		datapath->sink.attached(datapath->sink.data, job->ifindex, rc);
	job_free(job);
}

static int start(struct warder_links *links, struct link *link, const struct warder_netns *netns)
{
	struct warder_datapath *datapath = links->datapath;
	struct job *job = calloc(1, sizeof(*job));
	int rc;

	if (!job)
		return -ENOMEM;
	*job = (struct job){
		.work.data = job,
		.datapath = warder_datapath_ref(datapath),
		.link = link,
		.ifindex = link->ifindex,
		.netns = netns ? *netns : (struct warder_netns){},
		.clsact = links->clsact,
		.epoch = datapath->epoch,
		.adopt_link = fcntl(datapath->programs.adopt_link, F_DUPFD_CLOEXEC, 3),
	};
	job->side[0].link = job->side[1].link = -1;
	for (int side = 0; side < WARDER_SIDES; side++)
		job->program[side] =
			fcntl(datapath->programs.fd[side_program[side]], F_DUPFD_CLOEXEC, 3);
	rc = job->program[0] < 0 || job->program[1] < 0 || job->adopt_link < 0 ? -errno : 0;
	rc = rc ?: uv_queue_work(datapath->loop, &job->work, attach_work, attach_done);
	if (rc) {
		job_free(job);
		return rc;
	}
	link->job = job;
	return 0;
}

int warder_datapath_attach(struct warder_datapath *datapath, __u32 ifindex,
			   const struct warder_netns *netns, struct warder_error *error)
{
	struct link *link = find(datapath->links, ifindex);
	int rc;

	if (!datapath->loop)
		return warder_error_set(error, -EINVAL, "no loop to attach on");
	if (link && link->attached && datapath->sink.attached)
		datapath->sink.attached(datapath->sink.data, ifindex, 0);
	if (link) /* the job's end tells it */
		return 0;
	link = add(datapath->links, ifindex);
	rc = link ? start(datapath->links, link, netns) : -ENOMEM;
	if (rc) {
		if (link)
			drop(datapath->links, link);
		return warder_error_set(error, rc, "cannot attach to interface %u: %s", ifindex,
					strerror(-rc));
	}
	return 0;
}

bool warder_datapath_is_attached(const struct warder_datapath *datapath, __u32 ifindex)
{
	const struct link *link = find(datapath->links, ifindex);

	return link && link->attached;
}

const char *warder_datapath_hook(const struct warder_datapath *datapath)
{
	for (const struct link *link = datapath->links->by_ifindex; link; link = link->hh.next)
		if (link->attached)
			return link->side[0].link < 0 ? "clsact" : "tcx";
	return "none";
}

/* The tag and the slot are one word: with it gone no packet finds the slot, whatever stands beside
 * it. */
static void clear_word(struct warder_datapath *datapath, __u32 ifindex)
{
	__u32 key = ifindex & (WARDER_LINKS - 1);
	const struct warder_link *held =
		warder_mirror_get(datapath->mirror, WARDER_TABLE_LINKS, &key);
	struct warder_link cleared;

	if (!held || held->ifindex != ifindex)
		return;
	cleared = *held;
	cleared.word = 0;
	if (bpf_map_update_elem(warder_maps_find(&datapath->maps, "links"), &key, &cleared,
				BPF_ANY))
		return;
	warder_mirror_apply(datapath->mirror, &(struct warder_write){.table = WARDER_TABLE_LINKS,
								     .key = &key,
								     .value = &cleared});
}

void warder_datapath_link_gone(struct warder_datapath *datapath, __u32 ifindex)
{
	struct link *link;
	char name[LINK_NAME];

	clear_word(datapath, ifindex);
	link = find(datapath->links, ifindex);
	if (!link)
		return;
	if (link->attached)
		for (int side = 0; side < WARDER_SIDES; side++)
			warder_pins_remove_link(&datapath->pins, link_name(ifindex, side, name));
	drop(datapath->links, link);
}

size_t warder_datapath_check(struct warder_datapath *datapath,
			     void (*problem)(void *data, __u32 ifindex, const char *what),
			     void *data)
{
	struct link *link, *next;
	size_t problems = 0;
	char what[128];

	HASH_ITER (hh, datapath->links->by_ifindex, link, next) {
		for (int side = 0; link->attached && side < WARDER_SIDES; side++) {
			int rc = warder_attach_check(link->ifindex, side, &link->side[side],
						     datapath->programs.fd[side_program[side]],
						     what, sizeof(what));

			if (rc == 1)
				continue;
			if (rc < 0)
				snprintf(what, sizeof(what), "cannot ask for its programs: %s",
					 strerror(-rc));
			problems++;
			problem(data, link->ifindex, what);
		}
	}
	return problems;
}

int warder_links_update(struct warder_links *links, const struct warder_programs *programs,
			struct warder_error *error)
{
	struct link *link, *next;

	HASH_ITER (hh, links->by_ifindex, link, next) {
		for (int side = 0; link->attached && side < WARDER_SIDES; side++) {
			int rc = warder_attach_update(link->ifindex, side, &link->side[side],
						      programs->fd[side_program[side]]);

			if (rc == -ENOLINK ||
			    rc == -ENODEV) /* the interface is gone, and its event on the way */
				continue;
			if (rc)
				return warder_error_set(
					error, rc,
					"cannot put the new program in place at interface %u: %s",
					link->ifindex, strerror(-rc));
		}
	}
	return 0;
}

/* A pinned link of a live interface gets the new program; a dead one's pin goes. */
static int adopt_pin(void *data, const char *name)
{
	struct warder_links *links = data;
	CLEANUP(cleanup_close) int fd = -1;
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	struct link *link;
	unsigned ifindex;
	char side_name[LINK_NAME];
	enum warder_side side;

	if (sscanf(name, "link_%u_%39s", &ifindex, side_name) != 2)
		return 0;
	side = strcmp(side_name, "to_pod") ? WARDER_SIDE_FROM_POD : WARDER_SIDE_TO_POD;
	fd = warder_pins_get_link(&links->datapath->pins, name);
	if (fd < 0)
		return fd;
	if (bpf_link_get_info_by_fd(fd, &info, &size) || info.type != BPF_LINK_TYPE_TCX ||
	    info.tcx.ifindex != ifindex ||
	    bpf_link_update(fd, links->datapath->programs.fd[side_program[side]], NULL)) {
		warder_pins_remove_link(&links->datapath->pins, name);
		return 0;
	}
	link = find(links, ifindex) ?: add(links, ifindex);
	if (!link)
		return -ENOMEM;
	link->side[side].link = fd;
	fd = -1;
	return 0;
}

/* A link with one side only is not attached: the job of a killed agent ended between its two pins.
 */
static void drop_halves(struct warder_links *links)
{
	struct link *link, *next;
	char name[LINK_NAME];

	HASH_ITER (hh, links->by_ifindex, link, next) {
		link->attached = link->side[0].link >= 0 && link->side[1].link >= 0;
		for (int side = 0; !link->attached && side < WARDER_SIDES; side++)
			warder_pins_remove_link(&links->datapath->pins,
						link_name(link->ifindex, side, name));
		if (!link->attached)
			drop(links, link);
	}
}

/* Filters have no pins: the kernel is asked at each interface whose word is in map `links`. */
static int adopt_filter(void *data, const void *key, const void *value)
{
	const struct warder_link *held = value;
	struct warder_links *links = data;
	const struct warder_programs *programs = &links->datapath->programs;
	struct warder_attached filter = {.link = -1};
	struct link *link;
	int rc = 0;

	if (!held->ifindex || find(links, held->ifindex))
		return 0;
	for (int side = 0; side < WARDER_SIDES; side++) {
		if (warder_attach_find_filter(held->ifindex, side) != 1)
			return 0;
		rc = warder_attach_update(held->ifindex, side, &filter,
					  programs->fd[side_program[side]]);
		if (rc)
			return rc;
	}
	link = add(links, held->ifindex);
	if (!link)
		return -ENOMEM;
	link->attached = true;
	return 0;
}

struct stale_links {
	struct warder_links *links;
	size_t n;
	__u32 ifindex[WARDER_LINKS];
};

/* A word whose interface has no program of ours is of one that went while no agent looked: its
 * number may have been given again, and the next owner must not be taken for the last one. */
static int clear_stale(void *data, const void *key, const void *value)
{
	const struct warder_link *held = value;
	struct stale_links *stale = data;

	if (held->ifindex && !find(stale->links, held->ifindex))
		stale->ifindex[stale->n++] = held->ifindex;
	return 0;
}

int warder_links_adopt(struct warder_links *links, struct warder_error *error)
{
	CLEANUP(cleanup_free) struct stale_links *stale = calloc(1, sizeof(*stale));
	struct warder_datapath *datapath = links->datapath;
	int rc = stale ? warder_pins_each_link(&datapath->pins, adopt_pin, links) : -ENOMEM;

	if (!rc) {
		drop_halves(links);
		rc = warder_mirror_each(datapath->mirror, WARDER_TABLE_LINKS, adopt_filter, links);
	}
	if (rc)
		return warder_error_set(error, rc, "cannot take over the attached links: %s",
					strerror(-rc));
	stale->links = links;
	warder_mirror_each(datapath->mirror, WARDER_TABLE_LINKS, clear_stale, stale);
	for (size_t i = 0; i < stale->n; i++)
		clear_word(datapath, stale->ifindex[i]);
	return 0;
}
