/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcx where the kernel has it, found by trying; else clsact.  Never destroys a qdisc and never
 * touches a filter of another owner: those that clean up a whole qdisc remove everyone's.
 */
#include "datapath/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/filters.h"

#define FILTER_PRIORITY 1
#define FILTER_HANDLE	0x57415244 /* "WARD": another's filter 1 is not replaced by chance */
#define CHAIN_MAX	64	   /* programs at one hook: the kernel's BPF_MPROG_MAX */

static enum bpf_attach_type attach_type(enum warder_side side)
{
	return side == WARDER_SIDE_TO_POD ? BPF_TCX_EGRESS : BPF_TCX_INGRESS;
}

static struct bpf_tc_hook tc_hook(__u32 ifindex, enum warder_side side)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = ifindex,
		.attach_point = side == WARDER_SIDE_TO_POD ? BPF_TC_EGRESS : BPF_TC_INGRESS,
	};
}

static struct bpf_tc_opts tc_filter(void)
{
	return (struct bpf_tc_opts){
		.sz = sizeof(struct bpf_tc_opts),
		.handle = FILTER_HANDLE,
		.priority = FILTER_PRIORITY,
	};
}

/* New or in place of the one with our handle. */
static int put_filter(__u32 ifindex, enum warder_side side, int program)
{
	struct bpf_tc_hook hook = tc_hook(ifindex, side);
	struct bpf_tc_opts filter = tc_filter();

	filter.prog_fd = program;
	filter.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &filter);
}

static int attach_filter(__u32 ifindex, enum warder_side side, int program)
{
	struct bpf_tc_hook hook = tc_hook(ifindex, side);
	int rc;

	/* The qdisc has both sides, whichever is asked for. */
	rc = bpf_tc_hook_create(&hook);
	if (rc && rc != -EEXIST)
		return rc;
	return put_filter(ifindex, side, program);
}

int warder_attach_put(__u32 ifindex, enum warder_side side, int program, bool clsact,
		      struct warder_attached *ret)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = BPF_F_BEFORE);
	int link = -EINVAL, rc;

	if (!clsact)
		link = bpf_link_create(program, ifindex, attach_type(side), &options);
	if (link == -EINVAL) { /* a kernel that does not know tcx */
		rc = attach_filter(ifindex, side, program);
		if (!rc)
			ret->link = -1;
		return rc;
	}
	if (link < 0)
		return link;
	ret->link = link;
	return 0;
}

int warder_attach_update(__u32 ifindex, enum warder_side side, const struct warder_attached *hook,
			 int program)
{
	return hook->link < 0 ? put_filter(ifindex, side, program)
			      : bpf_link_update(hook->link, program, NULL);
}

/* The name of a program by its id, for messages. */
static const char *program_name(__u32 id, char name[BPF_OBJ_NAME_LEN])
{
	CLEANUP(cleanup_close) int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	name[0] = 0;
	if (fd >= 0 && !bpf_prog_get_info_by_fd(fd, &info, &size))
		snprintf(name, BPF_OBJ_NAME_LEN, "%s", info.name);
	return name;
}

static int program_id(int program, __u32 *ret)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int rc = bpf_prog_get_info_by_fd(program, &info, &size);

	if (!rc)
		*ret = info.id;
	return rc;
}

static const char *side_text(enum warder_side side)
{
	return side == WARDER_SIDE_TO_POD ? "toward the pod" : "from the pod";
}

static int check_chain(__u32 ifindex, enum warder_side side, __u32 ours, char *what, size_t size)
{
	__u32 ids[CHAIN_MAX] = {};
	LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids, .prog_cnt = CHAIN_MAX);
	char name[BPF_OBJ_NAME_LEN];
	int rc = bpf_prog_query_opts(ifindex, attach_type(side), &query);

	if (rc)
		return rc;
	for (__u32 i = 0; i < query.prog_cnt && i < CHAIN_MAX; i++) {
		if (ids[i] != ours)
			continue;
		if (i == 0)
			return 1;
		snprintf(what, size, "%s program %u (%s) runs before ours", side_text(side), ids[0],
			 program_name(ids[0], name));
		return 0;
	}
	snprintf(what, size, "%s our program is gone", side_text(side));
	return 0;
}

static int first_filter(void *data, const struct warder_filter *filter)
{
	*(struct warder_filter *)data = *filter;
	return 1;
}

static int check_filters(__u32 ifindex, enum warder_side side, __u32 ours, char *what, size_t size)
{
	struct warder_filter first = {};
	char name[BPF_OBJ_NAME_LEN];
	int rc = warder_filters_each(ifindex, side, first_filter, &first);

	if (rc < 0)
		return rc;
	if (rc && first.program == ours && first.handle == FILTER_HANDLE)
		return 1;
	rc = warder_attach_find_filter(ifindex, side);
	if (rc < 0)
		return rc;
	if (!rc)
		snprintf(what, size, "%s our filter is gone", side_text(side));
	else
		snprintf(what, size, "%s a %s filter of priority %u (%s) runs before ours",
			 side_text(side), first.kind, first.priority,
			 program_name(first.program, name));
	return 0;
}

int warder_attach_check(__u32 ifindex, enum warder_side side, const struct warder_attached *hook,
			int program, char *what, size_t size)
{
	__u32 ours;
	int rc = program_id(program, &ours);

	if (rc)
		return rc;
	return hook->link < 0 ? check_filters(ifindex, side, ours, what, size)
			      : check_chain(ifindex, side, ours, what, size);
}

static int is_ours(void *data, const struct warder_filter *filter)
{
	char name[BPF_OBJ_NAME_LEN];

	return filter->handle == FILTER_HANDLE && filter->priority == FILTER_PRIORITY &&
	       filter->program && !strncmp(program_name(filter->program, name), "warder_", 7);
}

int warder_attach_find_filter(__u32 ifindex, enum warder_side side)
{
	int rc = warder_filters_each(ifindex, side, is_ours, NULL);

	/* No qdisc there, or one without this side. */
	return rc == -EINVAL || rc == -ENOENT || rc == -EOPNOTSUPP ? 0 : rc;
}

int warder_attach_remove_filter(__u32 ifindex, enum warder_side side)
{
	struct bpf_tc_hook hook = tc_hook(ifindex, side);
	struct bpf_tc_opts filter = tc_filter();
	int rc = warder_attach_find_filter(ifindex, side);

	if (rc <= 0)
		return rc;
	rc = bpf_tc_detach(&hook, &filter);
	return rc ? rc : 1;
}
