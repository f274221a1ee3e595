/* SPDX-License-Identifier: Apache-2.0 */
/* Explanations: who is judged where, what decides, what is no question at all, and the batch. */
#include "policy/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/explain.h"
#include "objects.h"
#include "suite.h"

#define WORLD                                                                                      \
	NAMESPACE("muscatpharmacy", "web")                                                         \
	NAMESPACE("catalyst-gitea", "dev")                                                         \
	NAMESPACE("catalyst-openbao", "sec")                                                       \
	NODE("n1", "172.18.0.1", "10.244.1.0/24")                                                  \
	NODE("n2", "172.18.0.2", "10.244.2.0/24")                                                  \
	POD("muscatpharmacy", "wordpress", "n1", "wordpress", "wordpress", "10.244.1.1")           \
	POD("catalyst-gitea", "gitea", "n1", "gitea", "gitea", "10.244.1.2")                       \
	POD("catalyst-openbao", "openbao", "n2", "openbao", "openbao", "10.244.2.3")               \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'catalyst-openbao','name':"       \
	"'dual'},'spec':{'nodeName':'n1'},'status':{'podIPs':[{'ip':'fd00::9'},{'ip':"             \
	"'10.244.1.9'}]}},"                                                                        \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'catalyst-openbao','name':"       \
	"'six'},'spec':{'nodeName':'n1'},'status':{'podIP':'fd00::6'}},"                           \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'catalyst-openbao','name':"       \
	"'done'},'spec':{'nodeName':'n1'},'status':{'phase':'Failed','podIP':'10.244.1.3'}},"      \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'catalyst-openbao','name':"       \
	"'host'},'spec':{'nodeName':'n1','hostNetwork':true},'status':{'podIP':"                   \
	"'172.18.0.1'}},"                                                                          \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'catalyst-gitea','name':"         \
	"'early','labels':{'app':'gitea'}},'spec':{'serviceAccountName':'gitea'}},"                \
	"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'catalyst-openbao',"          \
	"'name':'openbao'},'spec':{'clusterIP':'10.96.0.3','ports':[{'port':8200,"                 \
	"'nodePort':30200}]}},"                                                                    \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'catalyst-openbao','name':"       \
	"'ported'},'spec':{'nodeName':'n1','containers':[{'ports':[{'containerPort':443,"          \
	"'hostPort':8443},{'containerPort':80,'hostPort':8080,'hostIP':'172.18.0.1'}]}]},"         \
	"'status':{'podIP':'10.244.1.8'}},"                                                        \
	"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'catalyst-openbao',"          \
	"'name':'tls'},'spec':{'clusterIP':'10.96.0.4','ports':[{'name':'a','port':1},{'name':"    \
	"'b','port':2},{'name':'c','port':3},{'name':'d','port':4}]}},"                            \
	"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'namespace':"      \
	"'catalyst-openbao','name':'tls-1','labels':{'kubernetes.io/service-name':'tls'}},"        \
	"'addressType':'IPv4','endpoints':[{'addresses':['10.244.1.1']}],'ports':[{'name':'a',"    \
	"'port':443},{'name':'b','port':8200},{'name':'c','port':443}]},"                          \
	"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'namespace':"      \
	"'catalyst-openbao','name':'tls-2','labels':{'kubernetes.io/service-name':'tls'}},"        \
	"'addressType':'IPv4','endpoints':[{'addresses':['203.0.113.9'],'conditions':{'ready':"    \
	"false}}],'ports':[{'name':'c','port':443}]},"
#define POLICIES                                                                                   \
	"{'apiVersion':'warder.io/v1alpha1','kind':'IdentityPolicy','metadata':{'namespace':"      \
	"'catalyst-openbao','name':'api'},'spec':{'subject':{},'ingress':[{'from':[{"              \
	"'identities':[{'namespace':'catalyst-gitea','serviceAccount':'gitea'}]}],'ports':[{"      \
	"'port':8200},{'port':'http'}]}]}},"                                                       \
	"{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy','metadata':{"                 \
	"'namespace':'muscatpharmacy','name':'out'},'spec':{'podSelector':{},'policyTypes':["      \
	"'Egress'],'egress':[{'to':[{'namespaceSelector':{}}],'ports':[{'port':443}]}]}},"         \
	"{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy','metadata':{"                 \
	"'namespace':'catalyst-gitea','name':'try','annotations':{'warder.io/mode':'audit'}"       \
	"},'spec':{'podSelector':{},'ingress':[]}}"

static struct warder_store *store;
static struct warder_explainer *explainer;

static void begin(void)
{
	static const struct warder_compile_options options = {.trust_domain = "cluster.local"};

	store = objects_store("[" WORLD POLICIES "]");
	explainer = warder_explainer_new(store, &options, NULL);
}

static void end(void)
{
	warder_explainer_free(explainer);
	warder_store_free(store);
}

/* "egress ingress reason kind/name,..." of a probe "from to port protocol", or "error: ..." */
static const char *answer(const char *from, const char *to, const char *port, const char *protocol)
{
	static char text[1024];
	struct warder_error error = {""};
	json_t *probe = json_pack("{s:s, s:s, s:s, s:s}", "from", from, "to", to, "port", port,
				  "protocol", protocol),
	       *out, *policy;
	size_t used, i;

	if (warder_explain_json(explainer, probe, true, &out, &error)) {
		snprintf(text, sizeof(text), "error: %s", error.text);
		json_decref(probe);
		return text;
	}
	used = snprintf(text, sizeof(text), "%s %s %s",
			json_is_null(json_object_get(out, "egress"))
				? "-"
				: json_string_value(json_object_get(out, "egress")),
			json_is_null(json_object_get(out, "ingress"))
				? "-"
				: json_string_value(json_object_get(out, "ingress")),
			json_string_value(json_object_get(out, "reason")));
	json_array_foreach(json_object_get(out, "policies"), i, policy)
	{
		used += snprintf(text + used, sizeof(text) - used, " %s:%s/%s",
				 json_string_value(json_object_get(policy, "direction")),
				 json_string_value(json_object_get(policy, "namespace")),
				 json_string_value(json_object_get(policy, "name")));
	}
	if (json_object_get(out, "would"))
		snprintf(text + used, sizeof(text) - used, " would %s",
			 json_string_value(json_object_get(out, "would")));
	json_decref(out);
	json_decref(probe);
	return text;
}

#define ANSWER(from, to, port, want)                                                               \
	do {                                                                                       \
		const char *got_ = answer(from, to, port, "TCP");                                  \
		if (strcmp(got_, want))                                                            \
			printf("%s -> %s %s: \"%s\", wanted \"%s\"\n", from, to, port, got_,       \
			       want);                                                              \
		CU_ASSERT_STRING_EQUAL(got_, want);                                                \
	} while (0)

#define WORDPRESS "muscatpharmacy/wordpress"
#define GITEA	  "catalyst-gitea/gitea"
#define OPENBAO	  "catalyst-openbao/openbao"

/* Both sides, each by its own node; a default deny names who selects and lets nothing through. */
static void test_sides(void)
{
	begin();
	ANSWER(GITEA, OPENBAO, "8200", "allow allow allowed ingress:catalyst-openbao/api");
	ANSWER(GITEA, OPENBAO, "22", "allow deny policy-denied ingress:catalyst-openbao/api");
	ANSWER(WORDPRESS, OPENBAO, "8200",
	       "deny deny policy-denied egress:muscatpharmacy/out ingress:catalyst-openbao/api");
	ANSWER(WORDPRESS, OPENBAO, "443",
	       "allow deny policy-denied egress:muscatpharmacy/out ingress:catalyst-openbao/api");
	ANSWER("10.244.1.2", "10.244.2.3", "8200",
	       "allow allow allowed ingress:catalyst-openbao/api");
	ANSWER("192.0.2.1", OPENBAO, "8200", "- deny policy-denied ingress:catalyst-openbao/api");
	ANSWER(WORDPRESS, "192.0.2.1", "443", "deny - policy-denied egress:muscatpharmacy/out");
	ANSWER("192.0.2.1", "192.0.2.2", "443", "- - allowed");
	end();
}

/* A pod and itself, a pod and its own node; another node is judged; a hostNetwork pod is its node. */
static void test_exceptions(void)
{
	begin();
	ANSWER(WORDPRESS, WORDPRESS, "1", "allow allow allowed-self");
	ANSWER(WORDPRESS, "172.18.0.1", "1", "allow - allowed-own-node");
	ANSWER("172.18.0.2", OPENBAO, "1", "- allow allowed-own-node");
	ANSWER("172.18.0.1", OPENBAO, "1", "- deny policy-denied ingress:catalyst-openbao/api");
	ANSWER("catalyst-openbao/host", OPENBAO, "1",
	       "- deny policy-denied ingress:catalyst-openbao/api");
	ANSWER(WORDPRESS, "catalyst-openbao/host", "1", "allow - allowed-own-node");
	end();
}

/* A Service is what stands behind it: all, nothing, or some of it; on the own node's NodePort too. */
static void test_service(void)
{
	begin();
	ANSWER(GITEA, "10.96.0.3", "8200", "allow - allowed");
	/* Nothing stands behind it. */
	ANSWER(WORDPRESS, "10.96.0.3", "443", "deny - policy-denied egress:muscatpharmacy/out");
	ANSWER(WORDPRESS, "172.18.0.1", "30200", "deny - policy-denied egress:muscatpharmacy/out");
	ANSWER(WORDPRESS, "10.96.0.4", "4", "deny - policy-denied egress:muscatpharmacy/out");
	/* hostPorts are the own node's, on each of its addresses or on the one that is named. */
	ANSWER(WORDPRESS, "172.18.0.1", "8443", "allow - allowed egress:muscatpharmacy/out");
	ANSWER(WORDPRESS, "172.18.0.1", "8080", "deny - policy-denied egress:muscatpharmacy/out");
	ANSWER(WORDPRESS, "172.18.0.1", "8444", "allow - allowed-own-node");
	ANSWER(OPENBAO, "172.18.0.1", "8443", "allow - allowed");
	/* Its port is not the backend's: that one counts. */
	ANSWER(WORDPRESS, "10.96.0.4", "1", "allow - allowed egress:muscatpharmacy/out");
	ANSWER(WORDPRESS, "10.96.0.4", "2", "deny - policy-denied egress:muscatpharmacy/out");
	ANSWER(WORDPRESS, "10.96.0.4", "3", "deny - service-not-judged egress:muscatpharmacy/out");
	end();
}

/* Names are the destination's; families must meet; a pod without an address is judged by who it is. */
static void test_ends(void)
{
	begin();
	ANSWER(GITEA, OPENBAO, "http", "allow allow allowed ingress:catalyst-openbao/api");
	ANSWER(GITEA, OPENBAO, "https",
	       "error: the destination has no port named \"https\" of this protocol");
	ANSWER(GITEA, "catalyst-openbao/dual", "8200",
	       "allow allow allowed ingress:catalyst-openbao/api");
	ANSWER("catalyst-openbao/dual", "catalyst-openbao/six", "1",
	       "allow deny policy-denied ingress:catalyst-openbao/api");
	ANSWER(GITEA, "catalyst-openbao/six", "1",
	       "error: source and destination have no address family in common");
	ANSWER("catalyst-gitea/early", OPENBAO, "8200",
	       "allow allow allowed ingress:catalyst-openbao/api");
	ANSWER("catalyst-gitea/early", OPENBAO, "1",
	       "allow deny policy-denied ingress:catalyst-openbao/api");
	end();
}

/* Audited policies change nothing but what they would do. */
static void test_audit(void)
{
	begin();
	ANSWER("192.0.2.1", GITEA, "80", "- allow allowed ingress:catalyst-gitea/try would deny");
	end();
}

static void test_no_question(void)
{
	begin();
	ANSWER("x/y", GITEA, "80", "error: source: there is no pod x/y");
	ANSWER(GITEA, "catalyst-openbao/done", "80",
	       "error: destination: pod catalyst-openbao/done is finished and has no network");
	ANSWER("nowhere", GITEA, "80",
	       "error: source \"nowhere\" is neither namespace/pod nor an address");
	ANSWER("/x", GITEA, "80", "error: source \"/x\" is neither namespace/pod nor an address");
	ANSWER("x/", GITEA, "80", "error: source \"x/\" is neither namespace/pod nor an address");
	ANSWER("", GITEA, "80", "error: source \"\" is neither namespace/pod nor an address");
	ANSWER(WORDPRESS, GITEA, "0", "error: port 0 is not from 1 to 65535");
	ANSWER(WORDPRESS, GITEA, "65536", "error: port 65536 is not from 1 to 65535");
	ANSWER(WORDPRESS, GITEA, "99999999999999999999",
	       "error: port 99999999999999999999 is not from 1 to 65535");
	ANSWER(WORDPRESS, GITEA, "", "error: the port is missing");
	CU_ASSERT_STRING_EQUAL(answer(WORDPRESS, GITEA, "80", "GRE"),
			       "error: protocol \"GRE\" is none of TCP, UDP, SCTP, ICMP");
	CU_ASSERT_STRING_EQUAL(answer(WORDPRESS, "192.0.2.1", "", "ICMP"),
			       "deny - policy-denied egress:muscatpharmacy/out");
	end();
}

/* With one matrix only the sides that are local to its node are judged. */
static void test_one_node(void)
{
	static const struct warder_compile_options options = {.node = "n1",
							      .trust_domain = "cluster.local"};
	struct warder_error error = {""};
	struct warder_matrix *matrix = NULL;

	begin();
	warder_explainer_free(explainer);
	CU_ASSERT_EQUAL_FATAL(warder_compile(store, &options, &matrix, &error), 0);
	explainer = warder_explainer_new(store, &options, matrix);
	ANSWER(GITEA, OPENBAO, "8200", "allow - allowed");
	ANSWER(WORDPRESS, OPENBAO, "22", "deny - policy-denied egress:muscatpharmacy/out");
	ANSWER(OPENBAO, "catalyst-openbao/dual", "22",
	       "- deny policy-denied ingress:catalyst-openbao/api");
	end();
	warder_matrix_free(matrix);
}

static void write_world(const char *directory)
{
	json_t *list = objects_json("[" WORLD POLICIES "]"), *object;
	char path[256];
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), "%s/world.yaml", directory);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	json_array_foreach(list, i, object)
	{
		json_dumpf(object, file, 0);
		fputs("\n---\n", file);
	}
	fclose(file);
	json_decref(list);
}

/* One answer a line, in order; a line that is no probe gets an error and the rest go on. */
static void test_batch(void)
{
	static char probes[] =
		"{\"from\":\"" GITEA "\",\"to\":\"" OPENBAO "\",\"port\":8200,\"id\":1}\n"
		"not json\n\n{\"from\":1,\"to\":2}\n[]\n"
		"{\"from\":\"" WORDPRESS "\",\"to\":\"" OPENBAO
		"\",\"port\":8200,\"protocol\":\"TCP\"}";
	char directory[] = "/tmp/warder-explain-XXXXXX", path[256], *text = NULL, *line, *rest;
	struct warder_error error = {""};
	FILE *in = fmemopen(probes, strlen(probes), "r"), *out;
	json_t *answers[5];
	size_t size = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	write_world(directory);
	out = open_memstream(&text, &size);
	CU_ASSERT_EQUAL(warder_explain_batch(directory, NULL, false, in, out, &error), 3);
	fclose(in);
	fclose(out);
	rest = text;
	for (unsigned i = 0; i < 5; i++) {
		line = strsep(&rest, "\n");
		answers[i] = line ? json_loads(line, 0, NULL) : NULL;
		CU_ASSERT_PTR_NOT_NULL(answers[i]);
	}
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(answers[0], "id")), 1);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(answers[0], "verdict")), "allow");
	for (unsigned i = 1; i < 4; i++)
		CU_ASSERT_PTR_NOT_NULL(json_object_get(answers[i], "error"));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(answers[4], "verdict")), "deny");
	CU_ASSERT_EQUAL(json_array_size(json_object_get(answers[4], "policies")), 2);
	for (unsigned i = 0; i < 5; i++)
		json_decref(answers[i]);
	free(text);
	snprintf(path, sizeof(path), "%s/world.yaml", directory);
	unlink(path);
	rmdir(directory);
	in = fmemopen(probes, strlen(probes), "r");
	CU_ASSERT(warder_explain_batch(directory, NULL, false, in, stdout, &error) < 0);
	fclose(in);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, directory));
}

static const struct suite_test tests[] = {
	{"sides", test_sides},	     {"exceptions", test_exceptions},
	{"service", test_service},   {"ends", test_ends},
	{"audit", test_audit},	     {"no-question", test_no_question},
	{"one-node", test_one_node}, {"batch", test_batch},
};

SUITE("explain", tests)
