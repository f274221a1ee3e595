/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages together, from records to lines in a file, over the life of more than one agent: what
 * one has told the next does not tell again, whether it was stopped or killed.
 */
#include "telemetry/telemetry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"
#include "telemetry/state.h"

#define LINES_ID 77

static uv_loop_t loop;
static char dir[64], alerts[96], state[96], killed[96];

static void enrich(void *data, const struct warder_event *event, struct warder_alert *alert)
{
	if (data)
		snprintf(alert->source.identity, sizeof(alert->source.identity), "source %u",
			 event->index);
	else
		strcpy(alert->source.identity, "spiffe://c/ns/a/sa/b");
	strcpy(alert->destination.identity, "world");
}

static struct warder_telemetry *agent(__u32 lines_id, int resumes)
{
	struct warder_telemetry_options options = {
		.alerts = alerts, .node = "n1", .window_ms = 100000};
	struct warder_telemetry_lookup lookup = {.enrich = enrich};
	struct warder_telemetry *telemetry;
	struct warder_error error;

	CU_ASSERT_EQUAL_FATAL(warder_telemetry_open(&loop, &options, &lookup, &telemetry, &error),
			      0);
	CU_ASSERT_EQUAL(warder_telemetry_resume(telemetry, state, lines_id), resumes);
	return telemetry;
}

static void line(struct warder_telemetry *telemetry, __u32 index, __u64 packets)
{
	struct warder_event event = {
		.index = index, .tenancy = 2, .packets = packets, .bytes = packets * 60};

	event.key.reason = WARDER_REASON_POLICY;
	event.key.dport = (__u16)index;
	warder_telemetry_event(telemetry, &event);
}

static __u64 told(void)
{
	FILE *file = fopen(alerts, "r");
	__u64 packets = 0;
	char text[16384];

	while (file && fgets(text, sizeof(text), file)) {
		json_t *json = json_loads(text, 0, NULL);

		CU_ASSERT_PTR_NOT_NULL(json);
		packets += (__u64)json_integer_value(
			json_object_get(json_object_get(json, "output_fields"), "warder.packets"));
		json_decref(json);
	}
	if (file)
		fclose(file);
	return packets;
}

static void copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	CU_ASSERT_EQUAL(system(command), 0);
}

static void begin(void)
{
	strcpy(dir, "/tmp/warder-telemetry-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(alerts, sizeof(alerts), "%s/alerts", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(killed, sizeof(killed), "%s/killed", dir);
	uv_loop_init(&loop);
}

static void end(void)
{
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
	unlink(alerts);
	unlink(state);
	unlink(killed);
	rmdir(dir);
}

static void test_stopped_and_started(void)
{
	struct warder_counter overflow[WARDER_OVERFLOWS] = {0};
	struct warder_telemetry_stats stats;
	struct warder_telemetry *telemetry;

	begin();
	telemetry = agent(LINES_ID, -ENOENT);
	line(telemetry, 1, 10);
	line(telemetry, 2, 5);
	overflow[WARDER_REASON_POLICY].packets = 7;
	warder_telemetry_overflow(telemetry, overflow);
	warder_telemetry_stats(telemetry, &stats);
	CU_ASSERT_EQUAL(stats.packets, 22);
	CU_ASSERT_EQUAL(stats.suppressed, 7);
	warder_telemetry_close(telemetry);
	CU_ASSERT_EQUAL(told(), 22);

	telemetry = agent(LINES_ID, 0);
	line(telemetry, 1, 10); /* as it was */
	line(telemetry, 2, 8);
	overflow[WARDER_REASON_POLICY].packets = 9;
	warder_telemetry_overflow(telemetry, overflow);
	warder_telemetry_close(telemetry);
	CU_ASSERT_EQUAL(told(), 22 + 3 + 2);
	end();
}

/* kill -9 after a tick: what was pending then is told by the next agent, nothing twice. */
static void test_killed(void)
{
	struct warder_telemetry *telemetry;

	begin();
	telemetry = agent(LINES_ID, -ENOENT);
	line(telemetry, 1, 10);
	line(telemetry, 1, 30); /* 20 wait for the window's end */
	warder_telemetry_tick(telemetry);
	copy(state, killed);
	warder_telemetry_close(telemetry); /* which did not happen to the agent that was killed */
	copy(killed, state);
	CU_ASSERT_EQUAL(truncate(alerts, 0), 0);

	telemetry = agent(LINES_ID, 0);
	line(telemetry, 1, 31);
	warder_telemetry_close(telemetry);
	CU_ASSERT_EQUAL(told(), 20 + 1); /* and the first one had told 10 */
	end();
}

static void test_other_maps(void)
{
	struct warder_telemetry *telemetry;

	begin();
	telemetry = agent(LINES_ID, -ENOENT);
	line(telemetry, 1, 10);
	warder_telemetry_close(telemetry);
	telemetry = agent(LINES_ID + 1, -ESTALE); /* uninstalled and installed again */
	line(telemetry, 1, 4);
	warder_telemetry_close(telemetry);
	CU_ASSERT_EQUAL(told(), 14);
	end();
}

/* A file that is cut, too long, empty or somebody else's is no state. */
static void test_broken_state(void)
{
	struct warder_tenancies *tenancies = warder_tenancies_new();
	struct warder_state mine = {.boot = "b", .lines_id = 5}, other = mine;
	struct warder_event seen = {.tenancy = 2, .packets = 3, .bytes = 9};
	struct warder_counter more;
	size_t size;
	char *bytes;

	begin();
	warder_tenancies_tell(tenancies, &seen, &more, NULL);
	bytes = warder_state_pack(&mine, tenancies, &size);
	warder_tenancies_free(tenancies);
	tenancies = warder_tenancies_new();
	for (size_t cut = 0; cut < size; cut += 7) {
		CU_ASSERT_EQUAL(warder_state_write(state, bytes, cut), 0);
		CU_ASSERT_EQUAL(warder_state_read(state, &other, tenancies), -EINVAL);
	}
	bytes[8] = 9; /* more entries than there are */
	CU_ASSERT_EQUAL(warder_state_write(state, bytes, size), 0);
	CU_ASSERT_EQUAL(warder_state_read(state, &other, tenancies), -EINVAL);
	memset(bytes + 8, 0xff, 8);
	CU_ASSERT_EQUAL(warder_state_write(state, bytes, size), 0);
	CU_ASSERT_EQUAL(warder_state_read(state, &other, tenancies), -EINVAL);
	CU_ASSERT_EQUAL(warder_tenancies_count(tenancies), 0);
	memset(bytes + 8, 0, 8);
	bytes[8] = 1;
	CU_ASSERT_EQUAL(warder_state_write(state, bytes, size), 0);
	CU_ASSERT_EQUAL(warder_state_read(state, &other, tenancies), 0);
	CU_ASSERT_EQUAL(warder_tenancies_count(tenancies), 1);
	CU_ASSERT_EQUAL(warder_tenancies_tell(tenancies, &seen, &more, NULL), 0);
	CU_ASSERT_NOT_EQUAL(warder_state_write("/nowhere/state", bytes, size), 0);
	warder_tenancies_free(tenancies);
	free(bytes);
	end();
}

static int fifo;

static void drain(void *data)
{
	FILE *file = fdopen(fifo, "r");
	char text[16384];

	while (fgets(text, sizeof(text), file) && strcmp(text, "end\n")) {
		json_t *json = json_loads(text, 0, NULL);
		json_t *fields = json_object_get(json, "output_fields");

		CU_ASSERT_PTR_NOT_NULL(json);
		((__u64 *)data)[0] +=
			(__u64)json_integer_value(json_object_get(fields, "warder.packets"));
		((__u64 *)data)[1] += !strcmp(json_string_value(json_object_get(json, "rule")),
					      "Warder alerts lost");
		json_decref(json);
	}
	fclose(file);
}

/* A reader that sleeps for too long: alerts are given up, and one tells for how much they stood. */
static void test_lost_alerts(void)
{
	struct warder_telemetry_options options = {
		.alerts = alerts, .node = "n1", .window_ms = 100000, .lines = 20000};
	struct warder_telemetry_lookup lookup = {.enrich = enrich, .data = &options};
	struct warder_telemetry_stats stats;
	struct warder_telemetry *telemetry;
	struct warder_error error;
	__u64 seen[2] = {0};
	uv_thread_t thread;

	begin();
	CU_ASSERT_EQUAL_FATAL(mkfifo(alerts, 0600), 0);
	fifo = open(alerts, O_RDWR);
	CU_ASSERT_EQUAL_FATAL(warder_telemetry_open(&loop, &options, &lookup, &telemetry, &error),
			      0);
	for (unsigned i = 0; i < 15000; i++)
		line(telemetry, i, 3);
	warder_telemetry_stats(telemetry, &stats);
	CU_ASSERT(stats.lost > 100);
	CU_ASSERT_EQUAL(stats.alerts, 15000);
	uv_thread_create(&thread, drain, seen);
	for (int i = 0; i < 2000 && !seen[1]; i++) {
		warder_telemetry_tick(telemetry);
		usleep(1000);
	}
	warder_telemetry_close(telemetry);
	CU_ASSERT_EQUAL(write(fifo, "end\n", 4), 4);
	uv_thread_join(&thread);
	CU_ASSERT_EQUAL(seen[0], 45000);
	CU_ASSERT(seen[1] >= 1);
	end();
}

static unsigned heard;

static void hear(void *data, const struct warder_alert *alert)
{
	heard++;
	CU_ASSERT_STRING_EQUAL(alert->source.identity, "spiffe://c/ns/a/sa/b");
	CU_ASSERT_EQUAL(strncmp(alert->id, "n1-", 3), 0);
}

static void test_listeners_and_pairs(void)
{
	struct warder_telemetry *telemetry;
	json_t *pairs;
	void *handle;

	begin();
	heard = 0;
	telemetry = agent(LINES_ID, -ENOENT);
	handle = warder_telemetry_listen(telemetry, hear, NULL);
	line(telemetry, 1, 1);
	line(telemetry, 2, 5);
	line(telemetry, 3, 3);
	CU_ASSERT_EQUAL(heard, 3);
	warder_telemetry_unlisten(telemetry, handle);
	line(telemetry, 4, 1);
	CU_ASSERT_EQUAL(heard, 3);
	pairs = warder_telemetry_pairs(telemetry, 2);
	CU_ASSERT_EQUAL(json_array_size(pairs), 2);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_array_get(pairs, 0), "packets")),
			5);
	json_decref(pairs);
	warder_telemetry_close(telemetry);
	end();
}

static const struct suite_test tests[] = {
	{"stopped and started", test_stopped_and_started},
	{"killed", test_killed},
	{"other maps", test_other_maps},
	{"broken state", test_broken_state},
	{"lost alerts are told", test_lost_alerts},
	{"listeners and pairs", test_listeners_and_pairs},
};
SUITE("telemetry", tests)
