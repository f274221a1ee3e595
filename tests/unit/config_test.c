/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: defaults, file, flags and which of them wins; every fault names key, value,
 * origin and what is allowed; and docs/configuration.md is what the table says.
 */
#include "agent/config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "suite.h"

static struct warder_error error;
static char path[] = "/tmp/warder-config-XXXXXX";

/* Up to eight flags, NULL-terminated. */
static int load(struct warder_config **ret, const char *file, const char *const *flags)
{
	char *argv[12] = {"warderd"};
	int argc = 1;

	*ret = NULL;
	memset(&error, 0, sizeof(error));
	if (file) {
		FILE *to = fopen(path, "w");

		fputs(file, to);
		fclose(to);
		argv[argc++] = "--config";
		argv[argc++] = path;
	}
	for (; flags && *flags && argc < 12; flags++)
		argv[argc++] = (char *)*flags;
	return warder_config_load(argc, argv, ret, &error);
}

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool bad(const char *file, const char *const *flags, const char *text)
{
	struct warder_config *config;
	int code = load(&config, file, flags);
	char wanted[512];
	const char *at = strchr(text, '@'); /* stands for the file's name */

	snprintf(wanted, sizeof(wanted), "%.*s%s%s", at ? (int)(at - text) : (int)strlen(text),
		 text, at ? path : "", at ? at + 1 : "");
	if (code == -EINVAL && strstr(error.text, wanted))
		return true;
	printf("  %d: %s\n  wanted: %s\n", code, error.text, wanted);
	warder_config_free(config);
	return false;
}

static const char *shown(const struct warder_config *config, const char *key, const char *member)
{
	size_t i;
	json_t *entry;

	json_array_foreach(
		config->shown, i,
		entry) if (!strcmp(json_string_value(json_object_get(entry, "key")),
				   key)) return json_string_value(json_object_get(entry, member));
	return "";
}

static void test_defaults(void)
{
	struct warder_config *config;

	CU_ASSERT_FATAL(!load(&config, "", NULL));
	CU_ASSERT_STRING_EQUAL(config->manifests, "/etc/warder/manifests");
	CU_ASSERT_STRING_EQUAL(config->bpffs, "/sys/fs/bpf/warder");
	CU_ASSERT_STRING_EQUAL(config->run_dir, "/run/warder");
	CU_ASSERT_STRING_EQUAL(config->alerts, "-");
	CU_ASSERT_STRING_EQUAL(config->trust_domain, "cluster.local");
	CU_ASSERT_STRING_EQUAL(config->cluster, "");
	CU_ASSERT(*config->node && !config->cgroup_root && !config->link_pattern);
	CU_ASSERT(!config->audit && config->hold && config->host_access &&
		  config->log_level == WARDER_LOG_INFO);
	CU_ASSERT(config->features == (WARDER_FEATURE_POLICY | WARDER_FEATURE_ALERTS));
	CU_ASSERT(config->n_tunnel_ports == 6 && config->tunnel_ports[0] == 8472 &&
		  config->alert_window_ms == 10000);
	CU_ASSERT(!config->n_pod_ranges && !config->n_apiservers && !config->n_opaque &&
		  !config->mark_mask);
	CU_ASSERT_STRING_EQUAL(shown(config, "hold", "value"), "on");
	CU_ASSERT_STRING_EQUAL(shown(config, "hold", "origin"), "default");
	CU_ASSERT_STRING_EQUAL(shown(config, "node", "value"), config->node);
	warder_config_free(config);
	warder_config_free(NULL);
}

static void test_file_and_flags(void)
{
	struct warder_config *config;
	char origin[64];
	size_t n;

	CU_ASSERT_FATAL(!load(
		&config,
		"# a comment\nmode: audit\nmanifests: /m\npod-ranges:\n- 10.0.0.0/8\n- fd00::/8\n"
		"host-access: off\nmark-mask: 0xff00\nalert-window: 500ms\ntunnel-ports: [1, 2]\n"
		"apiserver: 10.0.0.1, fd00::1\nopaque: [x/a, y/*, kata]\nopaque-runtime-classes: "
		"gvisor\n"
		"pod-prefix:\n- x/r=10.9.0.0/24\n- y/*=fd09::/64\n- x/r=fd10::/64\ncluster:\n",
		FLAGS("--mode=enforce", "--manifests", "/flag", "--log-level=debug", "--node",
		      "n1")));
	CU_ASSERT(!config->audit && config->hold && !config->host_access &&
		  config->mark_mask == 0xff00);
	CU_ASSERT(config->log_level == WARDER_LOG_DEBUG && config->alert_window_ms == 500);
	CU_ASSERT_STRING_EQUAL(config->manifests, "/flag");
	CU_ASSERT_STRING_EQUAL(config->node, "n1");
	CU_ASSERT(config->n_pod_ranges == 2 && config->pod_ranges[0].bits == 104 &&
		  config->pod_ranges[1].bits == 8);
	CU_ASSERT(config->n_tunnel_ports == 2 && config->tunnel_ports[1] == 2 &&
		  config->n_apiservers == 2);
	CU_ASSERT_STRING_EQUAL(shown(config, "mode", "origin"), "flag");
	snprintf(origin, sizeof(origin), "%s:7", path);
	CU_ASSERT_STRING_EQUAL(shown(config, "host-access", "where"), origin);
	CU_ASSERT_STRING_EQUAL(shown(config, "host-access", "origin"), "file");
	CU_ASSERT_STRING_EQUAL(shown(config, "mode", "where"), "--mode");
	CU_ASSERT_STRING_EQUAL(shown(config, "host-access", "value"), "off");
	CU_ASSERT_STRING_EQUAL(shown(config, "pod-ranges", "value"), "10.0.0.0/8,fd00::/8");
	CU_ASSERT(warder_config_is_opaque(config, "x", "a", NULL) &&
		  !warder_config_is_opaque(config, "x", "b", NULL));
	CU_ASSERT(warder_config_is_opaque(config, "y", "b", NULL) &&
		  warder_config_is_opaque(config, "z", "b", "gvisor"));
	CU_ASSERT(warder_config_is_opaque(config, "z", "b", "kata") &&
		  !warder_config_is_opaque(config, "z", "b", "runc"));
	CU_ASSERT(warder_config_pod_prefixes(config, "x", "r", &n) && n == 2);
	CU_ASSERT(warder_config_pod_prefixes(config, "y", "q", &n) && n == 1);
	CU_ASSERT(!warder_config_pod_prefixes(config, "x", "q", &n) && n == 0);
	warder_config_free(config);
	CU_ASSERT_FATAL(!load(&config, "mode: audit\n", NULL));
	CU_ASSERT(config->audit && !config->hold);
	CU_ASSERT_STRING_EQUAL(shown(config, "hold", "value"), "off");
	warder_config_free(config);
	CU_ASSERT_FATAL(!load(&config, "mode: audit\nhold: on\n", NULL));
	CU_ASSERT(config->audit && config->hold);
	warder_config_free(config);
	CU_ASSERT_FATAL(!load(&config, "tunnel-ports: []\n", NULL));
	CU_ASSERT(config->n_tunnel_ports == 0);
	warder_config_free(config);
}

static void test_faults(void)
{
	CU_ASSERT(bad("modes: audit\n", NULL,
		      "@:1: \"modes\" is not a key of the configuration, is mode meant?"));
	CU_ASSERT(bad("\n\nxyzzy: 1\n", NULL,
		      "@:3: \"xyzzy\" is not a key of the configuration: see warderd --help"));
	CU_ASSERT(bad("", FLAGS("--node-name", "x"), "--node-name: \"node-name\" is not a key"));
	CU_ASSERT(
		bad("\nmode: strict\n", NULL, "mode: \"strict\" (@:2): must be enforce or audit"));
	CU_ASSERT(bad("mode:\n", NULL, "mode: \"\" (@:1): must be enforce or audit"));
	CU_ASSERT(bad("mode: {a: b}\n", NULL, "@:1: mode: must be enforce or audit"));
	CU_ASSERT(bad("mode: [[a]]\n", NULL, "@:1: mode: must be"));
	CU_ASSERT(bad("mode: a\nmode: b\n", NULL, "@:2:1: key \"mode\" is there twice"));
	CU_ASSERT(bad("mode: [\n", NULL, "did not find"));
	CU_ASSERT(bad("a: 1\n---\nb: 1\n", NULL, "not a key"));
	CU_ASSERT(bad("mode: audit\n---\nmode: audit\n", NULL, "@:3: the file is one map of keys"));
	CU_ASSERT(bad("- mode\n", NULL, "@:1: the file is one map of keys"));
	CU_ASSERT(bad("", FLAGS("--mode"), "--mode: the value is missing, it is enforce or audit"));
	CU_ASSERT(bad("", FLAGS("audit"), "\"audit\": warderd takes flags alone"));
	CU_ASSERT(bad("", FLAGS("-m", "audit"), "\"-m\": warderd takes flags alone"));
	CU_ASSERT(bad(
		"", FLAGS("--max-flows=12"),
		"max-flows: \"12\" (--max-flows): must be a whole number from 1024 to 16777216"));
	CU_ASSERT(bad("", FLAGS("--max-flows=-5000"), "max-flows: \"-5000\" (--max-flows)"));
	CU_ASSERT(bad("", FLAGS("--max-flows=5000x"), "max-flows: \"5000x\" (--max-flows)"));
	CU_ASSERT(bad("", FLAGS("--max-flows=99999999999999999999999"), "max-flows"));
	CU_ASSERT(bad("max-flows: 5000.5\n", NULL, "max-flows: must be a whole number"));
	CU_ASSERT(bad("", FLAGS("--mark-mask=0x100000000"), "mark-mask"));
	CU_ASSERT(bad("", FLAGS("--mark-mask=0x10100"), "mark-mask"));
	CU_ASSERT(!bad("", FLAGS("--mark-mask=0xffffffff"), "mark-mask"));
	CU_ASSERT(bad("", FLAGS("--pod-ranges=10.0.0.0/8,10.1.2.3/8"),
		      "pod-ranges: \"10.1.2.3/8\" (--pod-ranges): must be"));
	CU_ASSERT(bad("", FLAGS("--pod-ranges=10.0.0.0/8,"),
		      "pod-ranges: \"\" (--pod-ranges): must be"));
	CU_ASSERT(bad("", FLAGS("--apiserver=kubernetes.default"),
		      "apiserver: \"kubernetes.default\" (--apiserver): must be"));
	CU_ASSERT(bad("", FLAGS("--tunnel-ports=0"),
		      "tunnel-ports: \"0\" (--tunnel-ports): must be a list of port numbers from 1 "
		      "to 65535"));
	CU_ASSERT(bad("", FLAGS("--pod-prefix=a/b"), "pod-prefix: \"a/b\""));
	CU_ASSERT(bad("", FLAGS("--pod-prefix=ab=10.0.0.0/8"), "pod-prefix: \"ab=10.0.0.0/8\""));
	CU_ASSERT(bad("", FLAGS("--opaque=A/b"), "opaque: \"A/b\""));
	CU_ASSERT(
		bad("", FLAGS("--features=policy,magic"),
		    "features: \"magic\" (--features): must be a list of policy, mesh and alerts"));
	CU_ASSERT(bad("", FLAGS("--features="), "one of policy, mesh and alerts"));
	CU_ASSERT(bad("", FLAGS("--alert-window=10"),
		      "alert-window: \"10\" (--alert-window): must be a time"));
	CU_ASSERT(bad("", FLAGS("--alert-window=99h"), "alert-window"));
	CU_ASSERT(bad("", FLAGS("--trust-domain=A b"), "trust-domain"));
	CU_ASSERT(bad("", FLAGS("--hold=maybe"), "hold: \"maybe\" (--hold): must be on or off"));
	CU_ASSERT(bad("", FLAGS("--node=N1"), "node: \"N1\" (--node)"));
	CU_ASSERT(bad("",
		      FLAGS("--run-dir=/"
			    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			    "aaaaaaaaaaaaa"
			    "aaaaaaaaaaaaaaaaaaaaaaaaa"),
		      "at most 90"));
	CU_ASSERT(bad("", FLAGS("--cluster=\xff"), "cluster: the value must be text in UTF-8"));
}

static void test_missing_file(void)
{
	struct warder_config *config;

	CU_ASSERT(load(&config, NULL, FLAGS("--config=/nonexistent/warder.yaml")) == -ENOENT);
	CU_ASSERT(strstr(error.text, "/nonexistent/warder.yaml") != NULL);
	CU_ASSERT(load(&config, NULL, FLAGS("--config")) == -EINVAL);
	CU_ASSERT(load(&config, NULL, FLAGS("--config=/")) == -EINVAL);
}

static char *text_of(void (*print)(FILE *to))
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	print(to);
	fclose(to);
	return text;
}

/* Mend it with: build/bin/warderd --help-markdown > docs/configuration.md */
static void test_page(void)
{
	char *want = text_of(warder_config_markdown), page[65536];
	FILE *from = fopen("docs/configuration.md", "r");
	size_t n;

	if (!from) {
		free(want);
		suite_skip("docs/configuration.md is not below the working directory");
		return;
	}
	n = fread(page, 1, sizeof(page) - 1, from);
	page[n] = 0;
	fclose(from);
	CU_ASSERT_STRING_EQUAL(page, want);
	free(want);
}

/* Every key is in the text, and no line is wider than a terminal takes well. */
static void test_help(void)
{
	char *help = text_of(warder_config_help);

	CU_ASSERT(strstr(help, "--manifests DIR") && strstr(help, "--log-level LEVEL"));
	for (char *line = strtok(help, "\n"); line; line = strtok(NULL, "\n")) {
		if (strlen(line) > 124)
			printf("  %zu: %s\n", strlen(line), line);
		CU_ASSERT(strlen(line) <= 124);
	}
	free(help);
}

static const struct suite_test tests[] = {
	{"defaults", test_defaults},
	{"file and flags", test_file_and_flags},
	{"faults", test_faults},
	{"missing file", test_missing_file},
	{"docs/configuration.md", test_page},
	{"help", test_help},
};

int main(int argc, char **argv)
{
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 2;
	close(fd);
	failed = suite_run("config", tests, sizeof(tests) / sizeof(*tests), argc, argv);
	unlink(path);
	return failed;
}
