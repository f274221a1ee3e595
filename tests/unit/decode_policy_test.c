/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding policies: the defaults that bite, and that everything which is not understood breaks the
 * policy with a text that names the field.
 */
#include "store/decode_policy.h"

#include <netinet/in.h>

#include "objects.h"
#include "suite.h"

static struct warder_policy *decode(enum warder_kind kind, const char *spec)
{
	json_t *object = json_pack("{s:o}", "spec", objects_json(spec));
	struct warder_policy *policy = NULL;

	CU_ASSERT_EQUAL(warder_policy_decode(object, kind, "x", &policy), 0);
	json_decref(object);
	return policy;
}

static struct warder_policy *network(const char *spec)
{
	return decode(WARDER_KIND_NETWORK_POLICY, spec);
}

static void isolation(const char *spec, bool ingress, bool egress)
{
	struct warder_policy *policy = network(spec);

	CU_ASSERT_PTR_NULL(policy->broken);
	CU_ASSERT_EQUAL(policy->isolates[WARDER_INGRESS], ingress);
	CU_ASSERT_EQUAL(policy->isolates[WARDER_EGRESS], egress);
	warder_policy_free(policy);
}

/* policyTypes absent or empty: Ingress, and Egress where there is an egress rule. */
static void test_policy_types(void)
{
	isolation("{}", true, false);
	isolation("null", true, false);
	isolation("{'podSelector':{},'policyTypes':[]}", true, false);
	isolation("{'egress':[]}", true, false);
	isolation("{'egress':[{}]}", true, true);
	isolation("{'policyTypes':['Egress']}", false, true);
	isolation("{'policyTypes':['Egress','Ingress'],'ingress':[]}", true, true);
}

/* Rules of a direction that is not isolated must not add to what other policies allow. */
static void test_rules_of_open_direction(void)
{
	struct warder_policy *policy =
		network("{'policyTypes':['Ingress'],'egress':[{}],'ingress':[{},{}]}");

	CU_ASSERT_EQUAL(policy->n_rules, 2);
	CU_ASSERT_EQUAL(policy->rules[0].direction, WARDER_INGRESS);
	warder_policy_free(policy);
}

/* from absent, null or empty: everyone.  ports absent or empty: every port of every protocol. */
static void test_empty_lists(void)
{
	static const char *const specs[] = {"{'ingress':[{}]}",
					    "{'ingress':[{'from':[],'ports':[]}]}",
					    "{'ingress':[{'from':null,'ports':null}]}"};

	for (unsigned i = 0; i < 3; i++) {
		struct warder_policy *policy = network(specs[i]);

		CU_ASSERT_EQUAL_FATAL(policy->n_rules, 1);
		CU_ASSERT_EQUAL(policy->rules[0].n_terms, 1);
		CU_ASSERT_EQUAL(policy->rules[0].terms[0].type, WARDER_TERM_ANY);
		CU_ASSERT(policy->rules[0].all_ports);
		warder_policy_free(policy);
	}
}

/* podSelector alone stays in the namespace; with a namespaceSelector, even {}, it does not. */
static void test_peer_scope(void)
{
	struct warder_policy *policy =
		network("{'ingress':[{'from':[{'podSelector':{}},{'namespaceSelector':{}},"
			"{'namespaceSelector':{},'podSelector':{'matchLabels':{'a':'b'}}}]}]}");
	const struct warder_term *terms;

	CU_ASSERT_EQUAL_FATAL(policy->n_rules, 1);
	CU_ASSERT_EQUAL_FATAL(policy->rules[0].n_terms, 3);
	terms = policy->rules[0].terms;
	CU_ASSERT_STRING_EQUAL(terms[0].ns, "x");
	CU_ASSERT_PTR_NULL(terms[1].ns);
	CU_ASSERT_PTR_NOT_NULL(terms[1].namespaces);
	CU_ASSERT_PTR_NULL(terms[1].pods);
	CU_ASSERT_EQUAL(terms[2].pods->n, 1);
	warder_policy_free(policy);
}

static void test_ports(void)
{
	struct warder_policy *policy =
		network("{'ingress':[{'ports':[{},{'protocol':'UDP','port':53},"
			"{'port':'http'},{'port':1,'endPort':65535,'protocol':'SCTP'}]}]}");
	const struct warder_port_match *ports;

	CU_ASSERT_EQUAL_FATAL(policy->n_rules, 1);
	CU_ASSERT(!policy->rules[0].all_ports);
	ports = policy->rules[0].ports;
	CU_ASSERT_EQUAL(ports[0].protocol, IPPROTO_TCP);
	CU_ASSERT_EQUAL(ports[0].first, 0);
	CU_ASSERT_EQUAL(ports[0].last, 65535);
	CU_ASSERT_EQUAL(ports[1].protocol, IPPROTO_UDP);
	CU_ASSERT_EQUAL(ports[1].last, 53);
	CU_ASSERT_STRING_EQUAL(ports[2].name, "http");
	CU_ASSERT_EQUAL(ports[2].protocol, IPPROTO_TCP);
	CU_ASSERT_EQUAL(ports[3].last, 65535);
	warder_policy_free(policy);
}

/* Host bits are masked, and told; the API server does the same. */
static void test_host_bits(void)
{
	struct warder_policy *policy =
		network("{'ingress':[{'from':[{'ipBlock':{'cidr':'10.1.2.3/8','except':"
			"['10.2.3.4/16']}}]}]}");
	char text[WARDER_ADDRESS_TEXT];

	CU_ASSERT_PTR_NULL(policy->broken);
	CU_ASSERT_EQUAL_FATAL(policy->n_rules, 1);
	CU_ASSERT_STRING_EQUAL(warder_prefix_format(&policy->rules[0].terms[0].cidr, text),
			       "10.0.0.0/8");
	CU_ASSERT_STRING_EQUAL(warder_prefix_format(&policy->rules[0].terms[0].except[0], text),
			       "10.2.0.0/16");
	CU_ASSERT(policy->warning &&
		  strstr(policy->warning, "spec.ingress[0].from[0].ipBlock.cidr"));
	warder_policy_free(policy);
}

static void broken(enum warder_kind kind, const char *spec, const char *part)
{
	struct warder_policy *policy = decode(kind, spec);

	if (!policy->broken || !strstr(policy->broken, part))
		printf("%s: %s\n", spec, policy->broken ? policy->broken : "accepted");
	CU_ASSERT(policy->broken && strstr(policy->broken, part));
	if (kind == WARDER_KIND_CLUSTER_NETWORK_POLICY) {
		CU_ASSERT_EQUAL_FATAL(policy->n_rules, 2);
		CU_ASSERT(policy->rules[0].action == WARDER_DENY && policy->rules[0].all_ports);
		CU_ASSERT(policy->rules[1].action == WARDER_DENY &&
			  policy->rules[1].direction == WARDER_EGRESS);
	} else {
		CU_ASSERT_EQUAL(policy->n_rules, 0);
		CU_ASSERT(policy->isolates[0] || policy->isolates[1]);
	}
	warder_policy_free(policy);
}

#define FROM(peer)  "{'ingress':[{},{'from':[" peer "]}]}"
#define PORTS(port) "{'ingress':[{'ports':[" port "]}]}"

static void test_broken_network(void)
{
	static const struct {
		const char *spec, *part;
	} cases[] = {
		{"[]", "spec: must be an object, not a list"},
		{"'x'", "spec: must be an object, not text"},
		{"{'podSelectr':{}}", "spec: unknown field \"podSelectr\""},
		{"{'podSelector':'x'}", "spec.podSelector: must be an object"},
		{"{'policyTypes':'Ingress'}", "spec.policyTypes: must be a list, not text"},
		{"{'policyTypes':['ingress']}", "spec.policyTypes[0]: unknown type \"ingress\""},
		{"{'policyTypes':['Ingress','Egress','Egress']}", "spec.policyTypes: at most two"},
		{"{'ingress':{}}", "spec.ingress: must be a list"},
		{"{'ingress':[1]}", "spec.ingress[0]: must be an object, not a number"},
		{"{'ingress':[{'to':[]}]}", "spec.ingress[0]: unknown field \"to\""},
		{"{'ingress':[{'from':{}}]}", "spec.ingress[0].from: must be a list"},
		{FROM("{}"), "spec.ingress[1].from[0]: names no peer"},
		{FROM("{'podSelector':null}"), "names no peer"},
		{FROM("{'podSelector':{},'ipBlock':{'cidr':'::/0'}}"), "ipBlock stands alone"},
		{FROM("{'podSelector':{},'serviceAccounts':['a']}"),
		 "unknown field \"serviceAccounts\""},
		{FROM("{'ipBlock':{}}"),
		 "spec.ingress[1].from[0].ipBlock.cidr: must be text, not nothing"},
		{FROM("{'ipBlock':{'cidr':'10.0.0.0'}}"),
		 "spec.ingress[1].from[0].ipBlock.cidr: \"10.0.0.0\" is no CIDR"},
		{FROM("{'ipBlock':{'cidr':'10.0.0.0/33'}}"), "is no CIDR"},
		{FROM("{'ipBlock':{'cidr':'010.0.0.0/8'}}"), "is no CIDR"},
		{FROM("{'ipBlock':{'cidr':'10.0.0.0/8','except':['10.0.0.0/8']}}"),
		 "ipBlock.except[0]: must be a smaller"},
		{FROM("{'ipBlock':{'cidr':'10.0.0.0/8','except':['11.0.0.0/16']}}"),
		 "must be a smaller block inside"},
		{FROM("{'ipBlock':{'cidr':'10.0.0.0/8','except':['fd00::/16']}}"),
		 "must be a smaller block inside"},
		{FROM("{'ipBlock':{'cidr':'::/0','except':['10.0.0.0/8']}}"),
		 "must be a smaller block inside"},
		{FROM("{'ipBlock':{'cidr':'10.0.0.0/8','excpt':[]}}"), "unknown field \"excpt\""},
		{PORTS("{'port':0}"),
		 "spec.ingress[0].ports[0].port: must be from 1 to 65535, not 0"},
		{PORTS("{'port':65536}"), "must be from 1 to 65535"},
		{PORTS("{'port':80.5}"), "must be a whole number"},
		{PORTS("{'port':true}"), "must be a whole number, not true or false"},
		{PORTS("{'port':'80'}"), "write a port's number without quotes"},
		{PORTS("{'port':'a-very-long-port-name'}"), "is no port name"},
		{PORTS("{'port':'a--b'}"), "is no port name"},
		{PORTS("{'protocol':'tcp','port':80}"),
		 "ports[0].protocol: unknown protocol \"tcp\""},
		{PORTS("{'protocol':''}"), "unknown protocol"},
		{PORTS("{'endPort':80}"), "ports[0].endPort: needs a numeric port beside it"},
		{PORTS("{'port':'http','endPort':80}"), "needs a numeric port"},
		{PORTS("{'port':80,'endPort':79}"), "endPort: must be from 80 to 65535"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		broken(WARDER_KIND_NETWORK_POLICY, cases[i].spec, cases[i].part);
}

/* A broken policy keeps what is understood of its subject and isolation, and no more. */
static void test_broken_shape(void)
{
	struct warder_policy *policy =
		network("{'podSelector':{'matchLabels':{'a':'b'}},'ingress':[{'x':1}]}");

	CU_ASSERT(policy->subject.pods && policy->subject.pods->n == 1);
	CU_ASSERT(policy->isolates[WARDER_INGRESS] && !policy->isolates[WARDER_EGRESS]);
	warder_policy_free(policy);
	policy = network("{'podSelector':{'matchLabels':{'a':1}},'policyTypes':['Egress']}");
	CU_ASSERT_PTR_NULL(policy->subject.pods);
	CU_ASSERT_STRING_EQUAL(policy->subject.ns, "x");
	CU_ASSERT(!policy->isolates[WARDER_INGRESS] && policy->isolates[WARDER_EGRESS]);
	warder_policy_free(policy);
	policy = network("{'policyTypes':['Ingress'],'egres':[]}");
	CU_ASSERT(policy->isolates[WARDER_INGRESS] && policy->isolates[WARDER_EGRESS]);
	warder_policy_free(policy);
}

static void test_broken_version(void)
{
	json_t *object = objects_json("{'apiVersion':'networking.k8s.io/v2','kind':'NetworkPolicy',"
				      "'spec':{'podSelector':{'matchLabels':{'a':'b'}}}}");
	struct warder_policy *policy = NULL;

	CU_ASSERT_EQUAL(warder_policy_decode(object, WARDER_KIND_NETWORK_POLICY, "x", &policy), 0);
	CU_ASSERT(policy->broken && strstr(policy->broken, "use networking.k8s.io/v1"));
	CU_ASSERT(policy->isolates[0] && policy->isolates[1] && !policy->subject.pods);
	warder_policy_free(policy);
	json_decref(object);
}

#define SUBJECT "'subject':{'serviceAccounts':['gitea']},"

static void test_identity(void)
{
	struct warder_policy *policy = decode(
		WARDER_KIND_IDENTITY_POLICY,
		"{" SUBJECT
		"'ingress':[{'from':[{'identities':[{'namespace':'*','serviceAccount':'openbao'},"
		"{'spiffe':'spiffe://*/ns/catalyst-gitea/sa/*'},{'spiffe':'spiffe://example.org/ns/"
		"a/sa/b.c'}]},"
		"{'serviceAccounts':['runner']},{'namespaceSelector':{},'serviceAccounts':['runner'"
		"]},"
		"{'nodeSelector':{}},{'entities':['world','node-snat']},{'ipBlock':{'cidr':'10.0.0."
		"0/8'}}]}]}");
	const struct warder_term *terms;

	CU_ASSERT_PTR_NULL(policy->broken);
	CU_ASSERT_EQUAL_FATAL(policy->n_rules, 1);
	CU_ASSERT_EQUAL_FATAL(policy->rules[0].n_terms, 6);
	terms = policy->rules[0].terms;
	CU_ASSERT(!terms[0].tuples[0].ns && !strcmp(terms[0].tuples[0].service_account, "openbao"));
	CU_ASSERT(!terms[0].tuples[1].trust_domain && !terms[0].tuples[1].service_account);
	CU_ASSERT_STRING_EQUAL(terms[0].tuples[1].ns, "catalyst-gitea");
	CU_ASSERT_STRING_EQUAL(terms[0].tuples[2].trust_domain, "example.org");
	CU_ASSERT_STRING_EQUAL(terms[0].tuples[2].service_account, "b.c");
	CU_ASSERT_STRING_EQUAL(terms[1].ns, "x");
	CU_ASSERT_PTR_NULL(terms[2].ns);
	CU_ASSERT_EQUAL(terms[3].type, WARDER_TERM_NODES);
	CU_ASSERT_EQUAL(terms[4].entities, WARDER_ENTITY_WORLD | WARDER_ENTITY_NODE_SNAT);
	CU_ASSERT_EQUAL(terms[5].type, WARDER_TERM_CIDR);
	CU_ASSERT_EQUAL(policy->tier, WARDER_TIER_NAMESPACED);
	warder_policy_free(policy);
}

#define PEER(peer) "{" SUBJECT "'egress':[{'to':[" peer "]}]}"

static void test_broken_identity(void)
{
	static const struct {
		const char *spec, *part;
	} cases[] = {
		{"null", "spec: must be an object, not nothing"},
		{"{}", "spec.subject: is missing: write {}"},
		{"{'subject':{'namespaces':{}}}", "spec.subject: unknown field \"namespaces\""},
		{"{'subject':{'serviceAccounts':[]}}", "spec.subject.serviceAccounts: is empty"},
		{"{'subject':{'serviceAccounts':['*']}}",
		 "spec.subject.serviceAccounts[0]: \"*\" is no name"},
		{PEER("{}"), "spec.egress[0].to[0]: must be exactly one of"},
		{PEER("{'identities':[],'entities':['world']}"), "must be exactly one of"},
		{PEER("{'identities':[]}"), "to[0].identities: is empty"},
		{PEER("{'identities':[{'namespace':'a'}]}"),
		 "identities[0].serviceAccount: must be text, not nothing"},
		{PEER("{'identities':[{'namespace':'a*','serviceAccount':'b'}]}"),
		 "may stand only for the whole name"},
		{PEER("{'identities':[{'namespace':'a','serviceAccount':'b','spiffe':'x'}]}"),
		 "write either spiffe"},
		{PEER("{'identities':[{'spiffe':'spiffe://td/ns/a'}]}"),
		 "identities[0].spiffe: \"spiffe://td/ns/a\" must"},
		{PEER("{'identities':[{'spiffe':'spiffe://td/ns/a/sa/b/c'}]}"),
		 "must read spiffe://"},
		{PEER("{'identities':[{'spiffe':'spiffe://T D/ns/a/sa/b'}]}"),
		 "is no trust domain"},
		{PEER("{'identities':[{'spiffe':'spiffe://td/ns/a/sa/b*'}]}"),
		 "may stand only for the whole name"},
		{PEER("{'entities':['cluster']}"), "entities[0]: unknown entity \"cluster\""},
		{PEER("{'entities':'world'}"), "entities: must be a list"},
		{PEER("{'fqdns':['a']}"), "unknown field \"fqdns\""},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		broken(WARDER_KIND_IDENTITY_POLICY, cases[i].spec, cases[i].part);
}

#define CLUSTER(rest) "{'tier':'Admin','priority':5,'subject':{'namespaces':{}}" rest "}"
#define OUT(rule)     CLUSTER(",'egress':[{'action':'Deny'," rule "}]")

static void test_cluster(void)
{
	struct warder_policy *policy =
		decode(WARDER_KIND_CLUSTER_NETWORK_POLICY,
		       "{'tier':'Baseline','priority':1000,'subject':{'pods':{'podSelector':{}}},'"
		       "egress':[{'name':'n',"
		       "'action':'Pass','to':[{'networks':['10.0.0.0/8','fd00::/"
		       "8']},{'nodes':{}}],'protocols':"
		       "[{'tcp':{'destinationPort':{'number':80}}},{'udp':{'destinationPort':{'"
		       "range':{'start':1,'end':2}}}}]}],"
		       "'ingress':[{'action':'Accept','from':[{'namespaces':{}}],'protocols':[{'"
		       "destinationNamedPort':'http'}]}]}");

	CU_ASSERT_PTR_NULL(policy->broken);
	CU_ASSERT_EQUAL(policy->tier, WARDER_TIER_BASELINE);
	CU_ASSERT_EQUAL(policy->priority, 1000);
	CU_ASSERT_EQUAL_FATAL(policy->n_rules, 2);
	CU_ASSERT_EQUAL(policy->rules[0].ports[0].protocol, 0);
	CU_ASSERT_STRING_EQUAL(policy->rules[0].ports[0].name, "http");
	CU_ASSERT_EQUAL(policy->rules[1].n_terms, 3);
	CU_ASSERT_EQUAL(policy->rules[1].ports[1].last, 2);
	CU_ASSERT(!policy->isolates[0] && !policy->isolates[1]);
	warder_policy_free(policy);
}

static void test_broken_cluster(void)
{
	static const struct {
		const char *spec, *part;
	} cases[] = {
		{"{}", "spec.tier: must be text, not nothing"},
		{"{'tier':'Admin','subject':{'namespaces':{}}}",
		 "spec.priority: must be a whole number, not nothing"},
		{"{'tier':'Admin','priority':1001,'subject':{'namespaces':{}}}",
		 "spec.priority: must be from 0 to 1000"},
		{"{'tier':'Platform','priority':1,'subject':{'namespaces':{}}}",
		 "spec.tier: unknown tier \"Platform\""},
		{"{'tier':'Admin','priority':1,'subject':{}}",
		 "spec.subject: must have exactly one of: namespaces pods"},
		{"{'tier':'Admin','priority':1,'subject':{'pods':{}}}",
		 "spec.subject.pods.podSelector: must be an object"},
		{CLUSTER(",'ingress':[{'action':'Allow','from':[{'namespaces':{}}]}]"),
		 "ingress[0].action: unknown action"},
		{CLUSTER(",'ingress':[{'action':'Deny'}]"), "spec.ingress[0].from: is missing"},
		{CLUSTER(",'ingress':[{'action':'Deny','from':[{'networks':['::/0']}]}]"),
		 "unknown field \"networks\""},
		{OUT("'to':[]"), "spec.egress[0].to: is empty"},
		{OUT("'to':[{}]"), "spec.egress[0].to[0]: must have exactly one of"},
		{OUT("'to':[{'networks':[]}]"), "to[0].networks: is empty"},
		{OUT("'to':[{'networks':['x']}]"), "to[0].networks[0]: \"x\" is no CIDR"},
		{OUT("'to':[{'domainNames':['a.b']}]"), "domain names are not supported"},
		{OUT("'to':[{'namespaces':{}}],'protocols':[]"), "protocols: is empty"},
		{OUT("'to':[{'namespaces':{}}],'protocols':[{'tcp':{}}]"),
		 "tcp.destinationPort: is missing"},
		{OUT("'to':[{'namespaces':{}}],'protocols':[{'icmp':{}}]"),
		 "unknown field \"icmp\""},
		{OUT("'to':[{'nodes':{}}],'protocols':[{'destinationNamedPort':'http'}]"),
		 "cannot stand beside networks"},
		{OUT("'to':[{'namespaces':{}}],'protocols':[{'udp':{'destinationPort':{'range':{'"
		     "start':5,'end':5}}}}]"),
		 "range.end: must be from 6 to 65535"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		broken(WARDER_KIND_CLUSTER_NETWORK_POLICY, cases[i].spec, cases[i].part);
}

/* What is not understood of a cluster policy's place puts it first. */
static void test_broken_place(void)
{
	struct warder_policy *policy =
		decode(WARDER_KIND_CLUSTER_NETWORK_POLICY, "{'tier':'Baseline','priority':-1}");

	CU_ASSERT_EQUAL(policy->tier, WARDER_TIER_BASELINE);
	CU_ASSERT_EQUAL(policy->priority, 0);
	warder_policy_free(policy);
	policy = decode(WARDER_KIND_CLUSTER_NETWORK_POLICY, "{'tier':1,'priority':7}");
	CU_ASSERT_EQUAL(policy->tier, WARDER_TIER_ADMIN);
	CU_ASSERT(!policy->subject.namespaces && !policy->subject.pods && !policy->subject.ns);
	warder_policy_free(policy);
}

static const struct suite_test tests[] = {
	{"policy-types", test_policy_types},
	{"rules-of-open-direction", test_rules_of_open_direction},
	{"empty-lists", test_empty_lists},
	{"peer-scope", test_peer_scope},
	{"ports", test_ports},
	{"host-bits", test_host_bits},
	{"broken-network", test_broken_network},
	{"broken-shape", test_broken_shape},
	{"broken-version", test_broken_version},
	{"identity", test_identity},
	{"broken-identity", test_broken_identity},
	{"cluster", test_cluster},
	{"broken-cluster", test_broken_cluster},
	{"broken-place", test_broken_place},
};

SUITE("decode_policy", tests)
