/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warderctl as it is typed: exit codes, tables of at most 100 columns whatever the names, JSON that
 * is what the agent said, help and pages that are what the table of commands says.  The agent's side
 * is the real API server with answers of the documented shapes.
 */
#include "cli/command.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/api.h"
#include "api/calls.h"
#include "cli/table.h"
#include "suite.h"

#define NS63   "a-namespace-with-a-name-that-is-as-long-as-a-name-may-be-in-k8s"
#define POD    "statefulset-with-quite-a-long-name-of-its-own-0"
#define LONG   NS63 "/" POD
#define COUNTS "{\"packets\":123456789,\"bytes\":9876543210}"
#define SIDE                                                                                       \
	"{\"address\":\"2001:db8:1234:5678:9abc:def0:1234:5678\",\"port\":65535,"                  \
	"\"identity\":\"spiffe://cluster.local/ns/" NS63 "/sa/default\",\"namespace\":\"" NS63     \
	"\",\"service_account\":\"default\",\"pod\":\"" POD                                        \
	"\",\"node\":\"n\",\"cidr\":null,\"proof\":null}"
#define POLICY                                                                                     \
	"\"kind\":\"ClusterNetworkPolicy\",\"namespace\":\"" NS63 "\",\"name\":\"" POD             \
	"\",\"tier\":\"admin\","                                                                   \
	"\"priority\":0,\"mode\":\"audit\",\"in_force\":true,\"broken\":null,"                     \
	"\"directions\":[\"ingress\",\"egress\"],\"rules\":2,\"endpoints\":100,\"origin\":"        \
	"\"policies.yaml:3\""
#define ENDPOINT                                                                                   \
	"\"namespace\":\"" NS63 "\",\"pod\":\"" POD "\",\"service_account\":\"" POD                \
	"\",\"identity\":\"spiffe://"                                                              \
	"cluster.local/ns/" NS63 "/sa/" POD                                                        \
	"\",\"uid\":\"u\",\"slot\":1,\"node\":\"n1\",\"addresses\":["                              \
	"\"2001:db8:1234:5678:9abc:def0:1234:5678\",\"10.0.0.1\"],\"state\":\"host-network\","     \
	"\"mode\":"                                                                                \
	"\"audit\",\"isolated\":{\"ingress\":true,\"egress\":true},\"policies\":2,\"links\":[{"    \
	"\"name\":"                                                                                \
	"\"veth0123456789a\",\"ifindex\":123456,\"kind\":\"veth\",\"attached\":true}],"            \
	"\"deny\":" COUNTS ",\"would_deny\":" COUNTS

static const struct {
	const char *call, *result;
} answers[] = {
	{"status",
	 "{\"version\":\"v1\",\"node\":\"n1\",\"cluster\":\"home\",\"trust_domain\":\"cluster."
	 "local\",\"pid\":7,"
	 "\"started\":\"2026-11-24T22:50:01.000Z\",\"uptime_seconds\":90061,\"mode\":\"audit\","
	 "\"mesh\":\"none\","
	 "\"proof\":\"unproven\",\"ready\":false,\"features\":[{\"name\":\"policy\",\"ready\":"
	 "false,\"message\":"
	 "\"a program that is not Warder's stands before it on veth0123456789a and on many other "
	 "links of this "
	 "node, and so it is not the first that sees a "
	 "packet\"}],\"source\":{\"name\":\"directory\",\"place\":"
	 "\"/m\",\"synced\":true,\"problems\":[{\"where\":\"pods.yaml:12:5\",\"what\":\"Pod x/y: "
	 "spec.nodeName "
	 "must be a string, not a number; the last good copy of this file stays in force until it "
	 "is mended\","
	 "\"fatal\":true}]},\"datapath\":{\"bpffs\":\"/sys/fs/bpf/warder\",\"cgroup_root\":\"/"
	 "c\",\"hook\":\"tcx\","
	 "\"kernel\":\"6.18\",\"layout\":1},\"revision\":{\"seen\":8,\"in_force\":7,\"last_ms\":3,"
	 "\"max_ms\":20},"
	 "\"endpoints\":{\"total\":6,\"attached\":5,\"held\":1,\"waiting\":0,\"uncovered\":0,"
	 "\"host_network\":0},"
	 "\"policies\":{\"total\":5,\"in_force\":5,\"audit\":1,\"broken\":0},\"identities\":4,"
	 "\"not_enforced\":"
	 "[{\"api_version\":\"cilium.io/"
	 "v2\",\"kind\":\"CiliumNetworkPolicy\",\"namespace\":\"x\",\"name\":\"y\","
	 "\"origin\":\"c.yaml:1\"}],\"problems\":[{\"object\":\"NetworkPolicy "
	 "x/y\",\"what\":\"broken\"}],"
	 "\"traffic\":{\"allow\":" COUNTS ",\"deny\":" COUNTS ",\"would_deny\":" COUNTS
	 "},\"alerts\":{\"place\":\"-\",\"written\":9,\"suppressed\":1,\"write_errors\":1,\"lost\":"
	 "1}}"},
	{"wait",
	 "{\"ready\":false,\"revision\":7,\"missing\":[\"pod " LONG ": no link was found yet\"]}"},
	{"config",
	 "{\"keys\":[{\"key\":\"node\",\"value\":\"" LONG LONG
	 "\",\"origin\":\"file\",\"where\":\"/etc/warder/warder.conf:12\",\"what\":\"x\"}]}"},
	{"endpoint.list", "{\"endpoints\":[{" ENDPOINT "},{" ENDPOINT "}]}"},
	{"endpoint.get",
	 "{" ENDPOINT
	 ",\"cgroup\":{\"id\":1,\"path\":\"/kubepods\"},\"netns\":4026531840,\"group\":2,\"flags\":"
	 "[\"opaque\"],\"selected_by\":[{\"kind\":\"NetworkPolicy\",\"namespace\":\"" NS63
	 "\",\"name\":\"" POD "\",\"mode\":\"enforce\",\"directions\":[\"ingress\",\"egress\"]}],"
	 "\"counters\":[{\"direction\":"
	 "\"ingress\",\"verdict\":\"deny\",\"reason\":\"policy-denied\",\"packets\":1,\"bytes\":2}]"
	 "}"},
	{"identity.list",
	 "{\"identities\":[{\"identity\":\"world\",\"namespace\":null,\"service_account\":null,"
	 "\"number\":5,"
	 "\"reserved\":true,\"pods\":0,\"local_pods\":0,\"addresses\":[]},{\"identity\":\"spiffe://"
	 "cluster.local/ns/" NS63 "/sa/" POD "\",\"namespace\":\"a\",\"service_account\":\"b\","
	 "\"number\":256,\"reserved\":false,\"pods\":"
	 "3,\"local_pods\":1,\"addresses\":[\"10.0.0.1\",\"10.0.0.2\",\"10.0.0.3\"]}]}"},
	{"policy.list", "{\"policies\":[{" POLICY "}]}"},
	{"policy.get",
	 "{" POLICY ",\"selects\":[\"" LONG "\",\"" LONG
	 "\"],\"groups\":[1],\"compiled\":[{\"rule\":0,\"direction\":"
	 "\"ingress\",\"action\":\"allow\",\"classes\":[{\"class\":3,\"members\":[\"" LONG
	 "\",\"10.0.0.0/8\"]}],"
	 "\"ports\":[\"TCP 80\",\"UDP 53-60\"],\"port_classes\":[4,5]}]}"},
	{"explain",
	 "{\"from\":\"" LONG
	 "\",\"to\":\"x/y\",\"port\":80,\"protocol\":\"TCP\",\"egress\":null,\"ingress\":\"deny\","
	 "\"verdict\":\"deny\",\"reason\":\"policy-denied\",\"policies\":[{\"kind\":"
	 "\"NetworkPolicy\",\"namespace\":"
	 "\"y\",\"name\":\"p\",\"tier\":\"namespaced\",\"direction\":\"ingress\",\"rule\":null,"
	 "\"mode\":\"enforce\"}]}"},
	{"map.list",
	 "{\"maps\":[{\"name\":\"peer4\",\"id\":12,\"max_entries\":4096,\"bytes\":65536,\"pin\":"
	 "\"/sys/fs/bpf/warder/v1/maps/peer4\"}]}"},
	{"drops",
	 "{\"since\":\"2026-11-24T22:50:01.000Z\",\"reasons\":[{\"reason\":\"policy-denied\","
	 "\"direction\":\"ingress\","
	 "\"verdict\":\"deny\",\"packets\":1,\"bytes\":2}],\"pairs\":[{\"source\":" SIDE
	 ",\"destination\":" SIDE ",\"protocol\":\"tcp\",\"direction\":\"ingress\",\"verdict\":"
	 "\"would-deny\",\"reason\":\"unrelated-icmp-error\","
	 "\"hook\":\"from-pod\",\"packets\":1,\"bytes\":2,\"first\":\"2026-11-24T22:50:01.000Z\","
	 "\"last\":"
	 "\"2026-11-24T22:50:01.000Z\",\"other\":false,\"policies\":[]}]}"},
	{"counters", "{\"counters\":[{\"namespace\":\"" NS63 "\",\"pod\":\"" POD
		     "\",\"direction\":\"ingress\",\"verdict\":\"deny\",\"reason\":\"unrelated-"
		     "icmp-error\",\"packets\":"
		     "18446744073,\"bytes\":2},{\"namespace\":null,\"pod\":null,\"direction\":"
		     "\"egress\",\"verdict\":"
		     "\"allow\",\"reason\":\"allowed\",\"packets\":1,\"bytes\":2}]}"},
};

#define N_ANSWERS (sizeof(answers) / sizeof(*answers))

static struct {
	char dir[64], path[96];
	uv_loop_t loop;
	uv_thread_t thread;
	uv_async_t stop;
	uv_sem_t up;
	struct warder_api *api;
	struct warder_api_call calls[N_ANSWERS + 1];
	int error;
} server;

static void call_answer(void *data, struct warder_api_client *client, const json_t *arguments)
{
	const char *call = json_string_value(json_object_get(arguments, "call"));

	for (size_t i = 0; i < N_ANSWERS; i++)
		if (!strcmp(call, answers[i].call))
			return warder_api_answer(client, json_loads(answers[i].result, 0, NULL),
						 false);
	warder_api_fail(client, "no such thing here: try another");
}

/* The shape of one alert; the second answer has hostile bytes. */
static void call_monitor(void *data, struct warder_api_client *client, const json_t *arguments)
{
	static const char alert[] =
		"{\"time\":\"2026-11-24T22:50:01.123Z\",\"id\":\"i\",\"alert_"
		"id\":\"i\",\"phase\":\"first\",\"rule\":\"r\","
		"\"priority\":\"Warning\",\"verdict\":\"deny\",\"reason\":"
		"\"policy-denied\",\"direction\":\"ingress\","
		"\"hook\":\"to-pod\",\"protocol\":\"tcp\",\"where\":\"w:1\","
		"\"packets\":1,\"bytes\":60,\"other\":false,"
		"\"source\":{\"address\":\"192.0.2.1\",\"port\":1,\"identity\":"
		"\"world\",\"namespace\":null,\"pod\":null},"
		"\"destination\":{\"address\":\"10.0.0.1\",\"port\":80,"
		"\"identity\":\"i\",\"namespace\":\"y\",\"pod\":"
		"\"b\"},\"policies\":[{\"kind\":\"NetworkPolicy\","
		"\"namespace\":\"y\",\"name\":\"p\\u001b[2J\",\"role\":\"isolates\"}]}";

	if (json_object_get(arguments, "namespace"))
		return warder_api_fail(client, "namespace: try another");
	for (int i = 0; i < 3; i++)
		warder_api_answer(client, json_loads(alert, 0, NULL), true);
	warder_api_answer(client, json_pack("{s:i}", "lost", 5), false);
}

static void on_stop(uv_async_t *async)
{
	warder_api_close(server.api);
	uv_close((uv_handle_t *)async, NULL);
}

static void serve(void *data)
{
	struct warder_error error;

	server.error = warder_api_open(&server.loop, server.path, server.calls, N_ANSWERS + 1, NULL,
				       &server.api, &error);
	uv_sem_post(&server.up);
	uv_run(&server.loop, UV_RUN_DEFAULT);
}

static void start(void)
{
	memset(&server, 0, sizeof(server));
	strcpy(server.dir, "/tmp/warder-cli-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(server.dir));
	snprintf(server.path, sizeof(server.path), "%s/%s", server.dir, WARDER_API_SOCKET);
	for (size_t i = 0; i < N_ANSWERS; i++)
		server.calls[i] = (struct warder_api_call){answers[i].call, call_answer};
	server.calls[N_ANSWERS] = (struct warder_api_call){"monitor", call_monitor};
	uv_loop_init(&server.loop);
	uv_async_init(&server.loop, &server.stop, on_stop);
	uv_sem_init(&server.up, 0);
	uv_thread_create(&server.thread, serve, NULL);
	uv_sem_wait(&server.up);
	CU_ASSERT_EQUAL_FATAL(server.error, 0);
}

static void stop(void)
{
	uv_async_send(&server.stop);
	uv_thread_join(&server.thread);
	uv_loop_close(&server.loop);
	uv_sem_destroy(&server.up);
	rmdir(server.dir);
}

static char out[1 << 20]; /* stdout and stderr of the last run */

/* Runs a command line (words by blanks) in a process of its own; returns its exit code. */
static int run(const char *line)
{
	char copy[1024], *argv[32] = {"warderctl", "--run-dir", server.dir}, *rest = copy;
	int fds[2], argc = 3, status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", line);
	while (rest && argc < 31) {
		argv[argc] = strsep(&rest, " ");
		argc += argv[argc][0] != '\0';
	}
	argv[argc] = NULL;
	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		int code;

		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		code = warderctl_main(argc, argv);
		fflush(NULL);
		_exit(code);
	}
	close(fds[1]);
	while ((got = read(fds[0], out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool has(const char *text)
{
	return strstr(out, text);
}

static bool whole_name_on(const char *line)
{
	static const char *const names[] = {LONG, "/sa/" POD};

	for (size_t i = 0; i < 2; i++) {
		const char *at = strstr(line, names[i]);

		if (at && at < line + strcspn(line, "\n"))
			return true;
	}
	return false;
}

/* Prints the first line that is wider than `columns` without one name being too long for it. */
static bool fits(const char *what, size_t columns)
{
	size_t width = 0;
	const char *line = out;

	for (const char *c = out; *c; c++) {
		if (*c == '\n') {
			width = 0;
			line = c + 1;
		} else if (((unsigned char)*c & 0xc0) != 0x80 && ++width > columns &&
			   !whole_name_on(line)) {
			printf("%s: %.*s\n", what, (int)strcspn(line, "\n"), line);
			return false;
		}
	}
	return true;
}

static void test_exit_codes(void)
{
	static const struct {
		const char *line;
		int code;
	} cases[] = {
		{"status", 1}, /* not ready */
		{"", 1},
		{"wait", 1},
		{"config", 0},
		{"endpoint list", 0},
		{"endpoint get x/y", 0},
		{"identity list", 0},
		{"policy list", 0},
		{"policy get y/p", 0},
		{"explain --from x/a --to y/b --port 80", 0},
		{"explain --from x/a --to y/b --port http --protocol UDP", 0},
		{"map list", 0},
		{"drops", 0},
		{"counters", 0},
		{"reason policy-denied", 0},
		{"reason list", 0},
		{"reason nothing", 1},
		{"version", 0},
		{"--version", 0},
		{"help", 0},
		{"help policy", 0},
		{"help policy get", 0},
		{"help nothing", 2},
		{"completion bash", 0},
		{"completion zsh", 0},
		{"completion fish", 2},
		{"monitor", 0},
		{"monitor --namespace x", 1},
		{"uninstall --bpffs /nowhere", 1}, /* an agent answers */
		{"nothing", 2},
		{"endpoint", 2},
		{"endpoint nothing", 2},
		{"endpoint get", 2},
		{"endpoint get a b", 2},
		{"status extra", 2},
		{"status --nothing", 2},
		{"--nothing", 2},
		{"status -o", 2},
		{"status -o yaml", 2},
		{"uninstall -o json", 2},
		{"wait --timeout", 2},
		{"wait --timeout 10", 2},
		{"wait --timeout 10x", 2},
		{"wait --timeout -1s", 2},
		{"wait --timeout 99999999999999999999s", 2},
		{"wait --timeout 1s --timeout 2s", 2},
		{"drops --limit 0", 2},
		{"drops --limit x", 2},
		{"monitor --port 0", 2},
		{"monitor --port 65536", 2},
		{"monitor --count 0", 2},
		{"explain", 2},
		{"explain --from x/a --to y/b", 2},
		{"explain --from x/a --to y/b --port 70000", 2},
		{"explain --from x/a --to y/b --port 8x", 2},
		{"explain --batch f", 2},
		{"explain --kernel", 2},
		{"explain --manifests /nowhere --from x/a --to y/b --port 80", 1},
		{"reference nothing", 2},
	};

	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int code = run(cases[i].line);

		if (code != cases[i].code) {
			printf("warderctl %s: %d, not %d\n%s\n", cases[i].line, code, cases[i].code,
			       out);
			CU_FAIL("exit code");
		}
		if (code >= 2)
			CU_ASSERT_TRUE(has("warderctl: "));
		/* A name longer than a line stands alone; everything else fits. */
		if (!strstr(cases[i].line, "completion") && !strstr(cases[i].line, "uninstall"))
			CU_ASSERT_TRUE(code >= 2 || fits(cases[i].line, 100));
		CU_ASSERT_FALSE(has("\033")); /* no colours unless a terminal */
	}
	stop();
	CU_ASSERT_EQUAL(run("status"), 3); /* nobody there */
	CU_ASSERT_TRUE(has("is warderd running"));
	CU_ASSERT_EQUAL(run("monitor"), 3);
	CU_ASSERT_EQUAL(run("reason list"), 0);
}

static void test_output(void)
{
	start();
	run("");
	CU_ASSERT_TRUE(has("NOT READY"));
	CU_ASSERT_TRUE(has("auditing only"));
	CU_ASSERT_TRUE(has("CiliumNetworkPolicy x/y (c.yaml:1)"));
	CU_ASSERT_TRUE(has("up 1d 1h"));
	CU_ASSERT_TRUE(has("revision 7 of 8"));
	CU_ASSERT_TRUE(has("HELD"));
	run("wait");
	CU_ASSERT_TRUE(has("no link was found yet"));
	run("endpoint list -o wide");
	CU_ASSERT_TRUE(has(LONG));
	CU_ASSERT_TRUE(has("both"));
	run("endpoint list");
	CU_ASSERT_FALSE(has(LONG));
	CU_ASSERT_TRUE(has("..."));
	run("monitor");
	CU_ASSERT_TRUE(has("22:50:01.123 deny       ingress 192.0.2.1 (world) -> y/b:80 tcp\n"));
	CU_ASSERT_TRUE(has("policy-denied, 1 packet, 60 bytes; NetworkPolicy y/p?[2J\n"));
	CU_ASSERT_TRUE(has("5 alerts were not shown"));
	run("monitor --count 2");
	CU_ASSERT_FALSE(has("5 alerts"));
	run("explain --from x/a --to y/b --port 80");
	CU_ASSERT_TRUE(has("not judged on this node"));
	CU_ASSERT_TRUE(has("NetworkPolicy y/p: isolates, no rule matches"));
	stop();
}

/* What -o json prints is what the agent said. */
static void test_json(void)
{
	static const char *const lines[] = {
		"status",	    "wait",
		"config",	    "endpoint list",
		"endpoint get x/y", "identity list",
		"policy list",	    "policy get y/p",
		"map list",	    "drops",
		"counters",	    "explain --from x/a --to y/b --port 80",
	};
	json_t *json, *said;

	start();
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char line[128], call[64];
		size_t n = strcspn(lines[i], " ");

		snprintf(line, sizeof(line), "%s -o json", lines[i]);
		run(line);
		json = json_loads(out, 0, NULL);
		snprintf(call, sizeof(call), "%.*s", (int)n, lines[i]);
		if (!strncmp(lines[i] + n, " list", 5) || !strncmp(lines[i] + n, " get", 4))
			snprintf(call + n, sizeof(call) - n, ".%.*s",
				 (int)strcspn(lines[i] + n + 1, " "), lines[i] + n + 1);
		said = NULL;
		for (size_t j = 0; j < N_ANSWERS; j++)
			if (!strcmp(answers[j].call, call))
				said = json_loads(answers[j].result, 0, NULL);
		CU_ASSERT_PTR_NOT_NULL(said);
		CU_ASSERT_TRUE(json_equal(json, said));
		json_decref(json);
		json_decref(said);
	}
	run("monitor -o json");
	CU_ASSERT_EQUAL(strncmp(out, "{\"time\":", 8), 0);
	for (const char *name = "reason list -o json"; name; name = NULL) {
		run(name);
		json = json_loads(out, 0, NULL);
		CU_ASSERT(json_array_size(json_object_get(json, "reasons")) > 20);
		json_decref(json);
	}
	stop();
}

static void test_help(void)
{
	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];
		char line[128], words[64];

		warderctl_words(command, words, sizeof(words));
		snprintf(line, sizeof(line), "%s --help", words);
		CU_ASSERT_EQUAL(run(line), 0);
		CU_ASSERT_TRUE(has("usage: warderctl"));
		CU_ASSERT_TRUE(has("Exit codes"));
		CU_ASSERT_TRUE(fits(line, 100));
		run("help");
		CU_ASSERT_EQUAL(has(command->summary) || command->hidden ||
					strlen(command->summary) > 60,
				1);
		CU_ASSERT_TRUE(fits("help", 100));
		/* Options and arguments have a help, no two the same name. */
		for (size_t j = 0; j < WARDERCTL_OPTIONS && command->options[j].name; j++) {
			CU_ASSERT_PTR_NOT_NULL(command->options[j].help);
			for (size_t k = 0; k < j; k++)
				CU_ASSERT_STRING_NOT_EQUAL(command->options[j].name,
							   command->options[k].name);
		}
	}
}

/* Anything may be in a name: it never reaches the terminal as a command. */
static void test_hostile_cells(void)
{
	static const char *const headers[] = {"A", ">B", NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	char *text = NULL;
	size_t n;
	FILE *file = open_memstream(&text, &n);

	warderctl_cell(table, "%s", "\033[31mred\n");
	warderctl_cell(table, "%d", 7);
	warderctl_table_print(table, file, false, "none");
	fclose(file);
	CU_ASSERT_STRING_EQUAL(text, "A          B\n?[31mred?  7\n");
	free(text);
}

static void test_numbers(void)
{
	char text[32];
	int ms;

	CU_ASSERT_STRING_EQUAL(warderctl_bytes(999, text), "999 B");
	CU_ASSERT_STRING_EQUAL(warderctl_bytes(1234, text), "1.2 kB");
	CU_ASSERT_STRING_EQUAL(warderctl_bytes(12345678, text), "12 MB");
	CU_ASSERT_STRING_EQUAL(warderctl_count(99999, text), "99999");
	CU_ASSERT_STRING_EQUAL(warderctl_count(1234567, text), "1.2M");
	CU_ASSERT_STRING_EQUAL(warderctl_seconds(59, text), "59s");
	CU_ASSERT_STRING_EQUAL(warderctl_seconds(7265, text), "2h 1m");
	CU_ASSERT_EQUAL(warderctl_duration("500ms", &ms), 0);
	CU_ASSERT_EQUAL(ms, 500);
	CU_ASSERT_EQUAL(warderctl_duration("2m", &ms), 0);
	CU_ASSERT_EQUAL(ms, 120000);
	CU_ASSERT_NOT_EQUAL(warderctl_duration("", &ms), 0);
	CU_ASSERT_NOT_EQUAL(warderctl_duration("s", &ms), 0);
	CU_ASSERT_NOT_EQUAL(warderctl_duration("1.5s", &ms), 0);
}

static void same_page(const char *path, void (*write)(FILE *out))
{
	char *made = NULL, *kept = calloc(1, 1 << 20);
	FILE *file = fopen(path, "r");
	size_t n;

	CU_ASSERT_PTR_NOT_NULL(file);
	if (file) {
		CU_ASSERT(fread(kept, 1, (1 << 20) - 1, file) > 0);
		fclose(file);
	}
	file = open_memstream(&made, &n);
	write(file);
	fclose(file);
	if (strcmp(made, kept))
		printf("%s is not what its table says: make docs\n", path);
	CU_ASSERT_EQUAL(strcmp(made, kept), 0);
	free(made);
	free(kept);
}

static void test_pages(void)
{
	char *api = calloc(1, 1 << 20);
	FILE *file = fopen("docs/api.md", "r");

	same_page("docs/alerts.md", warderctl_write_alerts);
	same_page("docs/reasons.md", warderctl_write_reasons);
	same_page("docs/maps.md", warderctl_write_maps);
	same_page("docs/commands.md", warderctl_write_commands);
	CU_ASSERT_PTR_NOT_NULL(file);
	if (file) {
		CU_ASSERT(fread(api, 1, (1 << 20) - 1, file) > 0);
		fclose(file);
	}
	for (int i = 0; i < WARDER_CALLS; i++) {
		char heading[64];

		snprintf(heading, sizeof(heading), "\n## %s\n", warder_call_names[i]);
		CU_ASSERT_PTR_NOT_NULL(strstr(api, heading));
	}
	free(api);
}

static void test_man(void)
{
	char dir[] = "/tmp/warder-man-XXXXXX", line[64], command[160];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(line, sizeof(line), "man %s", dir);
	CU_ASSERT_EQUAL(run(line), 0);
	for (size_t i = 0; i < warderctl_n_commands; i++) {
		char path[160];

		if (warderctl_commands[i].hidden)
			continue;
		snprintf(path, sizeof(path), "%s/warderctl-%s.1", dir, warderctl_commands[i].noun);
		CU_ASSERT_EQUAL(access(path, R_OK), 0);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* The script is one that bash takes, and completes nouns, verbs and options. */
static void test_completion(void)
{
	static const char script[] = "eval \"$(cat)\"; COMP_WORDS=(warderctl pol); COMP_CWORD=1; "
				     "_warderctl; echo \"${COMPREPLY[@]}\"; "
				     "COMP_WORDS=(warderctl policy ''); COMP_CWORD=2; _warderctl; "
				     "echo \"${COMPREPLY[@]}\"; "
				     "COMP_WORDS=(warderctl monitor --ver); COMP_CWORD=2; "
				     "_warderctl; echo \"${COMPREPLY[@]}\"; "
				     "COMP_WORDS=(warderctl reason policy); COMP_CWORD=2; "
				     "_warderctl; echo \"${COMPREPLY[@]}\"";
	char path[] = "/tmp/warder-complete-XXXXXX", command[2048], text[512];
	int fd = mkstemp(path);
	FILE *shell;
	size_t n;

	CU_ASSERT_EQUAL(run("completion bash"), 0);
	CU_ASSERT_EQUAL(write(fd, out, strlen(out)), (ssize_t)strlen(out));
	close(fd);
	snprintf(command, sizeof(command), "bash -c '%s' <%s", "", path);
	setenv("SCRIPT", script, 1);
	snprintf(command, sizeof(command), "bash -c \"$SCRIPT\" <%s 2>&1", path);
	shell = popen(command, "r");
	n = fread(text, 1, sizeof(text) - 1, shell);
	text[n] = '\0';
	CU_ASSERT_EQUAL(pclose(shell), 0);
	CU_ASSERT_STRING_EQUAL(text, "policy\nlist get\n--verdict\npolicy-denied\n");
	unlink(path);
}

static const struct suite_test tests[] = {
	{"exit codes and widths", test_exit_codes},
	{"output", test_output},
	{"json", test_json},
	{"help", test_help},
	{"hostile cells", test_hostile_cells},
	{"numbers", test_numbers},
	{"pages are what the tables say", test_pages},
	{"man pages", test_man},
	{"completion", test_completion},
};
SUITE("cli", tests)
