/* SPDX-License-Identifier: Apache-2.0 */
/* Joins a matrix's endpoints to a machine that does not exist, runs the packet, and reads the
 * counter that moved. */
#include "datapath/explain_kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/datapath.h"
#include "datapath/frames.h"
#include "datapath/state.h"
#include "warder/flow.h"

#define FIRST_LINK 16	      /* lo is 1 */
#define UPLINK	   0x7fff0001 /* an ingress interface that is no pod's */
#define SPORT	   61000 /* of the packets; another one where the question is about this port */
#define MAX_FLOWS  4096
#define FORGET_AFTER                                                                               \
	1024 /* questions: allowed datagrams leave flows, which must not fill the map */

struct invented { /* what the machine would know of an endpoint */
	struct warder_addr *addrs;
	size_t n_addrs;
	struct warder_addr by_family[2]; /* the first of IPv4 and IPv6 */
	struct warder_link link;
};

struct numbered { /* a pod keeps its link from one matrix to the next */
	__u8 uid[16];
	__u32 ifindex;
};

struct warder_explain_kernel {
	struct warder_datapath *datapath;
	const struct warder_matrix *matrix;
	struct warder_plan_endpoint *plan; /* of the matrix's endpoints */
	struct invented *invented;
	size_t n;
	struct warder_matrix_peer *peers; /* the matrix's, and a ghost for each class */
	struct numbered *numbered;
	size_t n_numbered;
	unsigned asked;
	struct warder_counter *seen; /* slots * WARDER_COUNTERS_PER_SLOT: of before each question */
	__u32 seen_slots;
};

static void forget_endpoints(struct warder_explain_kernel *kernel)
{
	for (size_t i = 0; i < kernel->n; i++)
		free(kernel->invented[i].addrs);
	free(kernel->invented);
	free(kernel->plan);
	free(kernel->peers);
	kernel->invented = NULL;
	kernel->plan = NULL;
	kernel->peers = NULL;
	kernel->n = 0;
}

void warder_explain_kernel_close(struct warder_explain_kernel *kernel)
{
	if (!kernel)
		return;
	forget_endpoints(kernel);
	warder_datapath_close(kernel->datapath);
	free(kernel->numbered);
	free(kernel->seen);
	free(kernel);
}

int warder_explain_kernel_open(struct warder_explain_kernel **ret, struct warder_error *error)
{
	struct warder_explain_kernel *kernel = calloc(1, sizeof(*kernel));
	struct warder_datapath_options options = {.max_flows = MAX_FLOWS};
	int rc;

	if (!kernel)
		return -ENOMEM;
	rc = warder_datapath_open(NULL, &options, NULL, &kernel->datapath, error);
	if (rc) {
		free(kernel);
		return rc;
	}
	*ret = kernel;
	return 0;
}

/* 240.0.0.0/4 and 100::/64 belong to nobody: the lower half is for endpoints, the upper for ghosts.
 */
#define GHOSTS 0x08000000

static struct warder_addr invent_address(__u32 index, bool v4)
{
	struct warder_addr addr = {};

	if (v4) {
		addr.w[2] = htonl(0xffff);
		addr.w[3] = htonl(0xf0000001 + index);
	} else {
		addr.b[0] = 1;
		addr.w[3] = htonl(1 + index);
	}
	return addr;
}

/* The objects' own UIDs may be missing or the same: a hash of namespace and name stands for them. */
static void name_endpoint(const struct warder_object *pod, __u8 ret[16])
{
	__u64 hash[2] = {0xcbf29ce484222325, 0x84222325cbf29ce4};
	const char *parts[2] = {pod->ns, pod->name};

	for (int part = 0; part < 2; part++) {
		const char *c = parts[part];

		do {
			hash[0] = (hash[0] ^ (__u8)*c) * 0x100000001b3;
			hash[1] = (hash[1] + (__u8)*c) * 0x9e3779b97f4a7c15 ^ hash[1] >> 29;
		} while (*c++);
	}
	memcpy(ret, hash, sizeof(hash));
}

/* 0 = no memory, or more pods than there are links. */
static __u32 number_link(struct warder_explain_kernel *kernel, const __u8 uid[16])
{
	struct numbered *more;

	for (size_t i = 0; i < kernel->n_numbered; i++)
		if (!memcmp(kernel->numbered[i].uid, uid, 16))
			return kernel->numbered[i].ifindex;
	more = realloc(kernel->numbered, (kernel->n_numbered + 1) * sizeof(*more));
	if (!more || kernel->n_numbered + FIRST_LINK >= WARDER_LINKS)
		return 0;
	kernel->numbered = more;
	more += kernel->n_numbered;
	memcpy(more->uid, uid, 16);
	more->ifindex = FIRST_LINK + kernel->n_numbered++;
	return more->ifindex;
}

static int invent_endpoint(struct warder_explain_kernel *kernel, size_t index)
{
	const struct warder_matrix_endpoint *endpoint = &kernel->matrix->endpoints[index];
	const struct warder_pod *pod = &endpoint->pod->pod;
	struct warder_plan_endpoint *plan = &kernel->plan[index];
	struct invented *invented = &kernel->invented[index];
	bool has[2] = {};
	__u8 uid[16];

	name_endpoint(endpoint->pod, uid);
	invented->link = (struct warder_link){.ifindex = number_link(kernel, uid), .netnsid = -1};
	if (!invented->link.ifindex)
		return -ENOMEM;
	invented->addrs = calloc(pod->n_addrs + 2, sizeof(*invented->addrs));
	if (!invented->addrs)
		return -ENOMEM;
	for (size_t i = 0; i < pod->n_addrs; i++) {
		int family = !warder_addr_is4(&pod->addrs[i]);

		if (!has[family])
			invented->by_family[family] = pod->addrs[i];
		has[family] = true;
		invented->addrs[invented->n_addrs++] = pod->addrs[i];
	}
	for (int family = 0; family < 2; family++) {
		if (has[family])
			continue;
		invented->by_family[family] = invent_address(invented->link.ifindex, !family);
		invented->addrs[invented->n_addrs++] = invented->by_family[family];
	}
	*plan = (struct warder_plan_endpoint){
		.endpoint = endpoint,
		.addrs = invented->addrs,
		.n_addrs = invented->n_addrs,
		.links = &invented->link,
		.n_links = 1,
	};
	memcpy(plan->uid, uid, sizeof(uid));
	return 0;
}

/* Counters only move by our own packets, so what was seen stays right; growth keeps them too. */
static int make_room_for_counters(struct warder_explain_kernel *kernel)
{
	__u32 slots = kernel->datapath->constants.shape.slots;
	size_t had = (size_t)kernel->seen_slots * WARDER_COUNTERS_PER_SLOT;
	size_t n = (size_t)slots * WARDER_COUNTERS_PER_SLOT;
	struct warder_counter *seen;

	if (kernel->seen_slots == slots)
		return 0;
	seen = realloc(kernel->seen, n * sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	memset(seen + had, 0, (n - had) * sizeof(*seen));
	kernel->seen = seen;
	kernel->seen_slots = slots;
	return 0;
}

static int compare_peers(const void *a, const void *b)
{
	return warder_addr_compare(&((const struct warder_matrix_peer *)a)->addr,
				   &((const struct warder_matrix_peer *)b)->addr);
}

/* A ghost is an address that nobody holds, of a class that a pod without an address is in. */
static int add_ghosts(struct warder_explain_kernel *kernel, struct warder_matrix *matrix)
{
	kernel->peers = calloc(matrix->n_peers + matrix->n_classes + 1, sizeof(*kernel->peers));
	if (!kernel->peers)
		return -ENOMEM;
	memcpy(kernel->peers, matrix->peers, matrix->n_peers * sizeof(*kernel->peers));
	for (__u32 class = 0; class < matrix->n_classes; class ++)
		kernel->peers[matrix->n_peers + class] = (struct warder_matrix_peer){
			.addr = invent_address(GHOSTS + class, true),
			.identity = WARDER_IDENTITY_UNKNOWN,
			.class = class,
			.cidr_class = class,
		};
	matrix->peers = kernel->peers;
	matrix->n_peers += matrix->n_classes;
	qsort(matrix->peers, matrix->n_peers, sizeof(*matrix->peers), compare_peers);
	return 0;
}

int warder_explain_kernel_use(struct warder_explain_kernel *kernel,
			      const struct warder_matrix *matrix, struct warder_error *error)
{
	struct warder_matrix with_ghosts = *matrix;
	int rc = 0;

	forget_endpoints(kernel);
	kernel->matrix = matrix;
	kernel->plan = calloc(matrix->n_endpoints + 1, sizeof(*kernel->plan));
	kernel->invented = calloc(matrix->n_endpoints + 1, sizeof(*kernel->invented));
	if (!kernel->plan || !kernel->invented)
		return -ENOMEM;
	for (; !rc && kernel->n < matrix->n_endpoints; kernel->n++)
		rc = invent_endpoint(kernel, kernel->n);
	rc = rc ?: add_ghosts(kernel, &with_ghosts);
	rc = rc
		     ?: warder_datapath_apply(kernel->datapath, &with_ghosts, kernel->plan,
					      kernel->n, NULL, error);
	return rc;
}

void warder_explain_kernel_watch(struct warder_explain_kernel *kernel, void (*written)(void *data),
				 void *data)
{
	kernel->datapath->sink.written = written;
	kernel->datapath->sink.data = data;
}

/* The one counter of the slot that moved in this direction; an audited one moves beside it. */
static int read_reason(struct warder_explain_kernel *kernel, __u16 slot,
		       enum warder_direction direction, struct warder_explain_kernel_answer *answer)
{
	struct warder_counter now[WARDER_COUNTERS_PER_SLOT];
	struct warder_counter *seen = kernel->seen + (size_t)slot * WARDER_COUNTERS_PER_SLOT;
	int rc = warder_slot_counters(kernel->datapath, slot, now), found = -ENOENT;

	if (rc)
		return rc;
	answer->would = answer->allowed;
	for (__u32 reason = 0; reason < WARDER_REASON_MAX; reason++) {
		__u32 plain = warder_counter_index(0, direction, 0, reason);
		__u32 audited = warder_counter_index(0, direction, 1, reason);

		if (now[audited].packets != seen[audited].packets)
			answer->would = false;
		if (now[plain].packets == seen[plain].packets)
			continue;
		answer->reason = reason;
		found = 0;
	}
	memcpy(seen, now, sizeof(now));
	return found;
}

/* The packet, and whence it comes. */
static size_t build(const struct warder_explain_kernel *kernel,
		    const struct warder_explain_kernel_question *question,
		    __u8 bytes[WARDER_FRAME_MAX], __u32 *ret_ingress)
{
	struct warder_addr ghost = invent_address(GHOSTS + question->class, true);
	const struct warder_addr *peer = question->peer ?: &ghost;
	const struct warder_addr *own =
		&kernel->invented[question->endpoint].by_family[!warder_addr_is4(peer)];
	bool from_pod = question->direction == WARDER_EGRESS;
	struct warder_frame frame = {
		.src = from_pod ? *own : *peer,
		.dst = from_pod ? *peer : *own,
		.protocol = question->protocol,
		.sport = question->port == SPORT ? SPORT + 1 : SPORT,
		.dport = question->port,
		.src_mac = {2, 0, 0, 0, 0, 1},
		.dst_mac = {2, 0, 0, 0, 0, 2},
	};
	struct warder_matrix_who who;

	warder_matrix_find(kernel->matrix, peer, &who);
	/* What the node itself sends comes from no interface. */
	*ret_ingress = who.flags & WARDER_PEER_HOST && !question->forwarded ? 0 : UPLINK;
	return warder_frame_build(&frame, bytes);
}

/* As the programs find it: by the link. */
static __u16 slot_of(const struct warder_explain_kernel *kernel, size_t endpoint)
{
	__u32 ifindex = kernel->invented[endpoint].link.ifindex;
	const struct warder_link *link =
		warder_mirror_get(kernel->datapath->mirror, WARDER_TABLE_LINKS, &ifindex);

	return link && link->ifindex == ifindex ? link->slot : 0;
}

static int forget_flows(struct warder_explain_kernel *kernel)
{
	const struct warder_maps *maps = &kernel->datapath->maps;
	int flows = warder_maps_find(maps, "flows"),
	    budgets = warder_maps_find(maps, "flow_budgets");
	struct warder_flow_budget none = {};
	struct warder_flow_key key;
	int rc = 0;

	while (!bpf_map_get_next_key(flows, NULL, &key) && !rc)
		rc = bpf_map_delete_elem(flows, &key);
	for (__u32 i = 0; !rc && i < 2 * kernel->datapath->constants.shape.slots; i++)
		rc = bpf_map_update_elem(budgets, &i, &none, BPF_ANY);
	return rc;
}

int warder_explain_kernel_ask(struct warder_explain_kernel *kernel,
			      const struct warder_explain_kernel_question *question,
			      struct warder_explain_kernel_answer *ret, struct warder_error *error)
{
	struct warder_explain_kernel_answer answer = {};
	__u8 bytes[WARDER_FRAME_MAX];
	__u32 ingress;
	size_t size;
	__u16 slot;
	int rc;

	slot = question->endpoint < kernel->n ? slot_of(kernel, question->endpoint) : 0;
	if (!slot)
		return warder_error_set(error, -ENOENT, "endpoint %zu has no slot",
					question->endpoint);
	if (++kernel->asked % FORGET_AFTER == 0) {
		rc = forget_flows(kernel);
		if (rc)
			return warder_error_set(error, rc, "cannot empty map flows: %s",
						strerror(-rc));
	}
	size = build(kernel, question, bytes, &ingress);
	rc = warder_datapath_run(kernel->datapath, question->direction == WARDER_EGRESS, slot,
				 ingress, bytes, size);
	if (rc < 0)
		return warder_error_set(error, rc, "cannot run the program: %s", strerror(-rc));
	answer.allowed = rc == 0;
	rc = make_room_for_counters(kernel);
	rc = rc ?: read_reason(kernel, slot, question->direction, &answer);
	if (rc)
		return warder_error_set(error, rc, "no counter tells the reason: %s",
					strerror(-rc));
	*ret = answer;
	return 0;
}
