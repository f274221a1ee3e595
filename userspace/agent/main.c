/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warderd: opens the parts, wires them together and runs the loop.  It decides nothing: what a change
 * means is reconcile.c's, what a packet meant enrich.c's.  On the way out everything stays pinned and
 * enforced; `warderctl uninstall` removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/run_dir.h"
#include "version.h"

#define TICK_MS 1000

static struct agent agent;

/* One agent a run directory: the lock goes with the process, also after kill -9. */
static int run_dir_lock(const char *dir)
{
	char path[4096];
	int fd;

	if (mkdir(dir, 0700) && errno != EEXIST) {
		log_error("run directory %s: %s", dir, strerror(errno));
		return -errno;
	}
	snprintf(path, sizeof(path), "%s/" WARDER_RUN_LOCK, dir);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
		int rc = -errno;

		if (rc == -EWOULDBLOCK)
			log_error("another warderd runs on %s: stop it, or give --run-dir and "
				  "--bpffs of its own",
				  dir);
		else
			log_error("%s: %s", path, strerror(-rc));
		return rc;
	}
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0)
		log_warning("%s: %s", path, strerror(errno));
	return 0; /* the descriptor stays open for the life of the process */
}

/* source -> store */
static void source_put(void *data, struct warder_object *object)
{
	warder_store_put(agent.store, object);
}

static void source_delete(void *data, enum warder_kind kind, const char *ns, const char *name)
{
	warder_store_delete(agent.store, kind, ns, name);
}

static void source_changed(void *data, unsigned long long seen_ns)
{
	if (agent.host) /* else: the first read, before anything could be enforced */
		agent_changed(&agent, seen_ns);
}

static void source_problems(void *data)
{
	size_t n;
	const struct warder_source_problem *problems;

	if (!agent.source)
		return;
	problems = agent.source->ops->problems(agent.source, &n);
	for (size_t i = 0; i < n; i++)
		log_warning("%s: %s", problems[i].where, problems[i].what);
}

static const struct warder_source_sink source_sink = {
	.put = source_put,
	.delete = source_delete,
	.changed = source_changed,
	.problems = source_problems,
};

/* host -> reconcile */
static void host_changed(void *data)
{
	agent.host_seen = true;
	if (agent.datapath)
		agent_changed(&agent, uv_hrtime());
}

static void host_link_gone(void *data, __u32 ifindex)
{
	if (agent.datapath)
		agent_link_gone(&agent, ifindex);
}

static void host_link_new(void *data, const struct warder_host_link *link)
{
	agent_hold(&agent, link);
}

static const struct warder_host_sink host_sink = {
	.changed = host_changed,
	.link_gone = host_link_gone,
	.link_new = host_link_new,
};

/* datapath -> telemetry, barriers */
static void datapath_event(void *data, const struct warder_event *event)
{
	warder_telemetry_event(agent.telemetry, event);
}

static void find_lines(void *data, const char *name, __u32 max_entries, __u64 bytes, __u32 id)
{
	if (!strcmp(name, "lines"))
		*(__u32 *)data = id;
}

/* What the agent before told of these maps is not told again. */
static void resume_alerts(const char *run_dir)
{
	char path[4096];
	__u32 lines = 0;
	int rc;

	snprintf(path, sizeof(path), "%s/" WARDER_RUN_ALERTS, run_dir);
	warder_datapath_map_info(agent.datapath, find_lines, &lines);
	rc = warder_telemetry_resume(agent.telemetry, path, lines);
	if (rc && rc != -ENOENT && rc != -ESTALE)
		log_warning("%s: %s; what was refused before is told again", path, strerror(-rc));
}

static void datapath_attached(void *data, __u32 ifindex, int error)
{
	if (error)
		log_error("link %u: programs are not attached: %s", ifindex, strerror(-error));
	agent_barriers_check(&agent);
}

static const struct warder_datapath_sink datapath_sink = {
	.event = datapath_event,
	.attached = datapath_attached,
};

static void sweep_line(void *data, const struct warder_event *event)
{
	warder_telemetry_event(agent.telemetry, event);
}

/* Once a second: what no record has told yet, windows that end, flows that expired. */
static void tick(uv_timer_t *timer)
{
	struct warder_counter overflow[WARDER_OVERFLOWS];

	if (agent.listening && !warder_datapath_sweep(agent.datapath, sweep_line, NULL, overflow))
		warder_telemetry_overflow(agent.telemetry, overflow);
	warder_telemetry_tick(agent.telemetry);
	warder_datapath_expire_flows(agent.datapath);
}

static void stop(uv_signal_t *signal, int number)
{
	log_info("stopping on signal %d: what is in the kernel stays enforced", number);
	uv_stop(agent.loop);
}

static void reopen(uv_signal_t *signal, int number)
{
	warder_telemetry_reopen(agent.telemetry);
}

static int open_parts(void)
{
	const struct warder_config *config = agent.config;
	struct warder_error error = {0};
	char state[4096], socket[4096];

	snprintf(state, sizeof(state), "%s/" WARDER_RUN_LAST_GOOD, config->run_dir);
	snprintf(socket, sizeof(socket), "%s/" WARDER_RUN_SOCKET, config->run_dir);
	agent.store = warder_store_new();
	if (!agent.store)
		return -ENOMEM;
	if (warder_directory_open(agent.loop, config->manifests, state, &source_sink, &agent.source,
				  &error) ||
	    warder_host_open(
		    agent.loop,
		    &(struct warder_host_options){config->cgroup_root, config->link_pattern},
		    &host_sink, &agent.host, &error))
		goto failed;
	source_problems(NULL);
	if (warder_telemetry_open(
		    agent.loop,
		    &(struct warder_telemetry_options){.alerts = config->alerts,
						       .node = config->node,
						       .cluster = config->cluster,
						       .trust_domain = config->trust_domain,
						       .window_ms = config->alert_window_ms},
		    &(struct warder_telemetry_lookup){.enrich = agent_enrich, .data = &agent},
		    &agent.telemetry, &error))
		goto failed;
	if (warder_datapath_open(agent.loop,
				 &(struct warder_datapath_options){
					 .bpffs = config->bpffs,
					 .listen_later = true,
					 .cgroup_root = warder_host_cgroup_root(agent.host),
					 .shape.slots = config->max_endpoints,
					 .shape.peers = config->max_peers,
					 .max_flows = config->max_flows,
					 .flows_per_endpoint = config->flows_per_endpoint,
					 .mark_mask = config->mark_mask,
					 .tunnel_ports = config->tunnel_ports,
					 .n_tunnel_ports = config->n_tunnel_ports,
				 },
				 &datapath_sink, &agent.datapath, &error))
		goto failed;
	resume_alerts(config->run_dir);
	if (warder_api_open(agent.loop, socket, agent_calls, agent_n_calls, &agent, &agent.api,
			    &error))
		goto failed;
	return 0;
failed:
	log_error("%s", error.text);
	return -EINVAL;
}

static void close_parts(void)
{
	if (agent.api)
		warder_api_close(agent.api);
	if (agent.host)
		warder_host_close(agent.host);
	if (agent.source)
		agent.source->ops->close(agent.source);
	if (agent.telemetry)
		warder_telemetry_close(agent.telemetry);
	if (agent.datapath)
		warder_datapath_close(agent.datapath);
}

int main(int argc, char **argv)
{
	struct warder_error error = {0};
	struct warder_config *config;
	int rc = warder_config_load(argc, argv, &config, &error);

	if (rc) {
		if (rc < 0)
			fprintf(stderr, "warderd: %s\n", error.text);
		return rc < 0 ? 2 : 0; /* 1: --help or --version was answered */
	}
	signal(SIGPIPE, SIG_IGN);
	warder_log_set_level(config->log_level);
	agent.config = config;
	agent.loop = uv_default_loop();
	agent.started = time(NULL);
	uv_idle_init(agent.loop, &agent.work);
	agent.work.data = &agent;
	if (run_dir_lock(config->run_dir))
		return 1;
	rc = warder_run_dir_set_bpffs(config->run_dir, config->bpffs);
	if (rc)
		log_warning("%s/" WARDER_RUN_BPFFS
			    ": %s: `warderctl uninstall` will need --bpffs %s",
			    config->run_dir, strerror(-rc), config->bpffs);
	if (open_parts()) {
		close_parts();
		return 1;
	}
	uv_timer_init(agent.loop, &agent.tick);
	uv_timer_start(&agent.tick, tick, TICK_MS, TICK_MS);
	for (unsigned i = 0; i < 3; i++)
		uv_signal_init(agent.loop, &agent.signals[i]);
	uv_signal_start(&agent.signals[0], stop, SIGTERM);
	uv_signal_start(&agent.signals[1], stop, SIGINT);
	uv_signal_start(&agent.signals[2], reopen, SIGHUP);
	log_info("warderd %s on node %s, mode %s", WARDER_VERSION, config->node,
		 config->audit ? "audit" : "enforce");
	uv_run(agent.loop, UV_RUN_DEFAULT);
	tick(NULL);
	close_parts();
	warder_matrix_free(agent.matrix);
	warder_store_free(agent.store);
	return 0;
}
