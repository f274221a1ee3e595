/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explaining from a directory of manifests: a store, an explainer, and one answer for each probe.
 * Every pod counts as local to its own node, so both sides are judged, as their nodes would.
 */
#include "cli/explain.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/explain_kernel.h"
#include "policy/explain.h"
#include "source/source.h"

#define TRUST_DOMAIN "cluster.local"

static void put(void *data, struct warder_object *object)
{
	warder_store_put(data, object);
}

static void delete (void *data, enum warder_kind kind, const char *ns, const char *name)
{
	warder_store_delete(data, kind, ns, name);
}

static void changed(void *data, unsigned long long seen_ns)
{
}

static void problem(void *data, const struct warder_source_problem *problem)
{
	fprintf(stderr, "warderctl: %s: %s\n", problem->where, problem->what);
}

static int read_manifests(const char *path, struct warder_store *store, struct warder_error *error)
{
	const struct warder_source_sink sink = {
		.data = store, .put = put, .delete = delete, .changed = changed};

	return warder_directory_read(path, &sink, problem, NULL, error);
}

static json_t *fail(json_t *probe, const char *text, const struct warder_error *error)
{
	json_t *answer =
		json_is_object(probe) ? json_incref(probe) : json_pack("{s:s?}", "probe", text);

	if (!answer) /* not even UTF-8 */
		answer = json_object();
	json_object_set_new(answer, "error", json_string(error->text));
	return answer;
}

/* True where it was answered. */
static bool answer_line(struct warder_explainer *explainer, const char *line, FILE *out)
{
	struct warder_error error = {""};
	json_error_t wrong;
	json_t *probe = json_loads(line, JSON_REJECT_DUPLICATES, &wrong), *answer = NULL;
	bool good = false;

	if (!probe)
		warder_error_set(&error, -EINVAL, "not JSON: %s", wrong.text);
	else
		good = !warder_explain_json(explainer, probe, false, &answer, &error);
	if (!answer)
		answer = fail(probe, line, &error);
	json_dumpf(answer, out, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', out);
	json_decref(answer);
	json_decref(probe);
	return good;
}

static bool is_blank(const char *line)
{
	return !line[strspn(line, " \t\r\n")];
}

static int answer_all(struct warder_explainer *explainer, FILE *in, FILE *out)
{
	CLEANUP(cleanup_free) char *line = NULL;
	size_t room = 0;
	int failed = 0;

	while (getline(&line, &room, in) >= 0)
		if (!is_blank(line) && !answer_line(explainer, line, out))
			failed++;
	return failed;
}

int warder_explain_batch(const char *manifests, const char *trust_domain, bool kernel, FILE *in,
			 FILE *out, struct warder_error *error)
{
	struct warder_compile_options options = {.trust_domain = trust_domain ? trust_domain
									      : TRUST_DOMAIN};
	struct warder_store *store = warder_store_new();
	struct warder_explainer *explainer;
	struct cli_kernel *joint = NULL;
	int code;

	if (!store)
		return warder_error_set(error, -ENOMEM, "out of memory");
	code = read_manifests(manifests, store, error);
	if (!code) {
		explainer = warder_explainer_new(store, &options, NULL);
		if (kernel)
			code = cli_kernel_join(explainer, &joint, error);
		if (!code)
			code = answer_all(explainer, in, out);
		warder_explainer_free(explainer);
		cli_kernel_free(joint);
	}
	warder_store_free(store);
	return code;
}

struct arguments {
	const char *manifests, *batch, *from, *to, *port, *protocol, *trust_domain, *output;
	bool kernel;
};

/* One probe as the line that a batch would have. */
static char *probe_line(const struct arguments *a)
{
	json_t *probe = json_pack("{s:s, s:s, s:s?, s:s}", "from", a->from, "to", a->to, "port",
				  a->port, "protocol", a->protocol ? a->protocol : "TCP");
	char *line;

	if (!a->port)
		json_object_del(probe, "port");
	else if (!a->port[strspn(a->port, "0123456789")])
		json_object_set_new(probe, "port", json_integer(strtoll(a->port, NULL, 10)));
	line = json_dumps(probe, JSON_COMPACT);
	json_decref(probe);
	return line;
}

static int explain_one(const struct arguments *a)
{
	CLEANUP(cleanup_free) char *line = probe_line(a), *text = NULL;
	struct warder_error error = {""};
	json_t *answer;
	size_t size = 0;
	FILE *in, *out;
	int code;

	if (!line) {
		fprintf(stderr, "warderctl: the arguments are not UTF-8\n");
		return 2;
	}
	in = fmemopen(line, strlen(line), "r");
	out = open_memstream(&text, &size);
	if (!in || !out)
		return 1;
	code = warder_explain_batch(a->manifests, a->trust_domain, a->kernel, in, out, &error);
	fclose(in);
	fclose(out);
	answer = code < 0 ? NULL : json_loads(text, 0, NULL);
	if (code)
		fprintf(stderr, "warderctl: %s\n",
			answer ? json_string_value(json_object_get(answer, "error")) : error.text);
	else if (a->output && !strcmp(a->output, "json"))
		fputs(text, stdout);
	else
		warderctl_show_explanation(NULL, answer);
	json_decref(answer);
	return code ? 1 : 0;
}

static int explain_batch(const struct arguments *a)
{
	struct warder_error error = {""};
	FILE *in = strcmp(a->batch, "-") ? fopen(a->batch, "r") : stdin;
	int code;

	if (!in) {
		fprintf(stderr, "warderctl: cannot read %s: %s\n", a->batch, strerror(errno));
		return 2;
	}
	code = warder_explain_batch(a->manifests, a->trust_domain, a->kernel, in, stdout, &error);
	if (in != stdin)
		fclose(in);
	if (fflush(stdout))
		return 2;
	if (code < 0)
		fprintf(stderr, "warderctl: %s\n", error.text);
	else if (code)
		fprintf(stderr,
			"warderctl: %d probes could not be answered, see \"error\" in their "
			"lines\n",
			code);
	return code < 0 ? 2 : code ? 1 : 0;
}

int warderctl_explain(int argc, char **argv)
{
	static const struct option options[] = {
		{"manifests", required_argument, NULL, 'm'},
		{"batch", required_argument, NULL, 'b'},
		{"from", required_argument, NULL, 'f'},
		{"to", required_argument, NULL, 't'},
		{"port", required_argument, NULL, 'p'},
		{"protocol", required_argument, NULL, 'P'},
		{"trust-domain", required_argument, NULL, 'd'},
		{"output", required_argument, NULL, 'o'},
		{"kernel", no_argument, NULL, 'k'},
		{0},
	};
	struct arguments a = {0};
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, "o:", options, NULL)) >= 0) {
		const char **place[] = {&a.manifests, &a.batch,	   &a.from,	    &a.to,
					&a.port,      &a.protocol, &a.trust_domain, &a.output};
		const char *at = strchr("mbftpPdo", option);

		if (option == 'k') {
			a.kernel = true;
			continue;
		}
		if (option == '?' || !at)
			return 2;
		*place[at - "mbftpPdo"] = optarg;
	}
	if (optind == argc && a.manifests && a.batch && !a.from && !a.to)
		return explain_batch(&a);
	if (optind == argc && a.manifests && a.from && a.to && !a.batch)
		return explain_one(&a);
	fprintf(stderr,
		"usage: warderctl explain --manifests DIR --batch FILE|- [--kernel]\n"
		"       warderctl explain --manifests DIR --from NS/POD|IP --to NS/POD|IP "
		"--port N|NAME\n"
		"                         [--protocol TCP|UDP|SCTP|ICMP] [-o json] [--kernel]\n");
	return 2;
}
