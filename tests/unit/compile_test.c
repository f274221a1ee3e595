/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler, rule by rule: each test opens with the rule and has its counter-case.  Whether all
 * rules hold together is the question of worlds_test.c.
 */
#include "policy/compile.h"

#include <netinet/in.h>
#include <stdlib.h>

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
	POD("catalyst-openbao", "openbao", "n1", "openbao", "openbao", "10.244.1.3")               \
	POD("catalyst-gitea", "runner", "n2", "runner", "runner", "10.244.2.4")

#define NETWORK(ns, name, spec)                                                                    \
	"{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy','metadata':{'namespace':'" ns \
	"','name':'" name "'},'spec':" spec "}"
#define IDENTITY(ns, name, spec)                                                                   \
	"{'apiVersion':'warder.io/v1alpha1','kind':'IdentityPolicy','metadata':{'namespace':'" ns  \
	"','name':'" name "'},'spec':" spec "}"
#define CLUSTER(name, annotations, spec)                                                           \
	"{'apiVersion':'policy.networking.k8s.io/"                                                 \
	"v1alpha2','kind':'ClusterNetworkPolicy','metadata':{"                                     \
	"'name':'" name "','annotations':" annotations "},'spec':" spec "}"
#define GITEA "catalyst-gitea", "gitea"

static struct warder_matrix *compile_with(const struct warder_store *store,
					  const struct warder_compile_options *options)
{
	struct warder_error error = {""};
	struct warder_matrix *matrix = NULL;

	CU_ASSERT_EQUAL_FATAL(warder_compile(store, options, &matrix, &error), 0);
	return matrix;
}

static struct warder_matrix *compile(const struct warder_store *store)
{
	static const struct warder_compile_options options = {.node = "n1",
							      .trust_domain = "cluster.local"};

	return compile_with(store, &options);
}

struct ask {
	enum warder_direction direction;
	const char *ns, *pod, *peer;
	__u16 port;
	bool address_only;
	__u8 protocol; /* 0 = TCP */
};

static unsigned ask_matrix(const struct warder_matrix *matrix, struct ask ask)
{
	__u8 protocol = ask.protocol ? ask.protocol : IPPROTO_TCP;
	struct warder_matrix_who who;
	struct warder_addr addr;

	CU_ASSERT_EQUAL_FATAL(warder_addr_parse(ask.peer, &addr), 0);
	warder_matrix_find(matrix, &addr, &who);
	for (size_t i = 0; i < matrix->n_endpoints; i++)
		if (!strcmp(matrix->endpoints[i].pod->ns, ask.ns) &&
		    !strcmp(matrix->endpoints[i].pod->name, ask.pod))
			return warder_matrix_verdict(
				matrix, ask.direction, matrix->endpoints[i].group,
				ask.address_only ? who.cidr_class : who.class,
				warder_matrix_port_class(matrix, protocol, ask.port));
	CU_FAIL_FATAL("no such endpoint");
	return 0;
}

/* Bit 0 enforced, bit 1 as if audited policies were real. */
static unsigned ask(const struct warder_store *store, struct ask ask)
{
	struct warder_matrix *matrix = compile(store);
	unsigned verdict = ask_matrix(matrix, ask);

	warder_matrix_free(matrix);
	return verdict;
}

/* namespace, pod, peer, port */
#define IN(...)	 ((struct ask){WARDER_INGRESS, __VA_ARGS__})
#define OUT(...) ((struct ask){WARDER_EGRESS, __VA_ARGS__})

/* Admin before namespaced before Baseline before allow; Pass goes on to the next tier. */
static void test_tiers(void)
{
	struct warder_store *store = objects_store("[" WORLD CLUSTER(
		"first", "{}",
		"{'tier':'Admin','priority':1,'subject':{'namespaces':{}},'"
		"ingress':["
		"{'action':'Deny','from':[{'namespaces':{'matchLabels':{'team':'"
		"web'}}}],"
		"'protocols':[{'tcp':{'destinationPort':{'number':22}}}]},"
		"{'action':'Pass','from':[{'namespaces':{'matchLabels':{'team':'"
		"web'}}}]}]}") "," CLUSTER("second", "{}",
					   "{'tier':'Admin','priority':2,'"
					   "subject':{'namespaces':{}},'ingress':"
					   "["
					   "{'action':'Accept','from':[{'"
					   "namespaces':{}}],'protocols':[{'tcp':"
					   "{'destinationPort':{'number':443}}}]}"
					   "]}") "," CLUSTER("last", "{}",
							     "{'tier':'Baseline',"
							     "'priority':1,'"
							     "subject':{'"
							     "namespaces':{}},'"
							     "ingress':["
							     "{'action':'Deny','"
							     "from':[{'"
							     "namespaces':{}}]}]"
							     "}") "," NETWORK("ca"
									      "ta"
									      "ly"
									      "st"
									      "-g"
									      "it"
									      "e"
									      "a",
									      "ap"
									      "i",
									      "{'"
									      "po"
									      "dS"
									      "el"
									      "ec"
									      "to"
									      "r'"
									      ":{"
									      "},"
									      "'i"
									      "ng"
									      "re"
									      "ss"
									      "':"
									      "[{"
									      "'p"
									      "or"
									      "ts"
									      "':"
									      "[{"
									      "'p"
									      "or"
									      "t'"
									      ":8"
									      "0}"
									      ",{"
									      "'p"
									      "or"
									      "t'"
									      ":2"
									      "2}"
									      "]}"
									      "]"
									      "}") "]");

	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 22)),
			0); /* Admin's Deny wins over what the policy allows */
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 80)),
			3); /* passed on, and allowed there */
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 443)),
			0); /* passed on before Admin's Accept */
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.3", 443)),
			3); /* Admin's Accept, though isolated */
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.3", 22)),
			3); /* isolated: Baseline has no say */
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "10.244.1.2", 80)),
			0); /* Baseline */
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "192.0.2.1", 80)),
			3); /* nobody says anything */
	warder_store_free(store);
}

/* Lower priority first; the same priority by name. */
static void test_priority(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD CLUSTER("z", "{}",
				  "{'tier':'Admin','priority':0,'subject':{'namespaces':{}}"
				  ",'egress':["
				  "{'action':'Accept','to':[{'networks':['192.0.2.1/"
				  "32']}]}]}") "," CLUSTER("a", "{}",
							   "{'tier':'Admin','priority':"
							   "1000,'subject':{'namespaces':{}"
							   "},'egress':["
							   "{'action':'Deny','to':[{'"
							   "networks':['192.0.2.0/"
							   "24']}]}]}") "," CLUSTER("b", "{}",
										    "{'"
										    "tier':"
										    "'Admin"
										    "','"
										    "priori"
										    "ty':"
										    "1000,'"
										    "subjec"
										    "t':{'"
										    "namesp"
										    "aces':"
										    "{}},'"
										    "egress"
										    "':["
										    "{'"
										    "action"
										    "':'"
										    "Accept"
										    "','to'"
										    ":[{'"
										    "networ"
										    "ks':['"
										    "192.0."
										    "2.2/"
										    "32']}]"
										    "}]}") "]");

	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "192.0.2.1", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "192.0.2.2", 80)), 0);
	warder_store_free(store);
}

#define AUDIT "{'warder.io/mode':'audit'}"

/* Enforced policies alone give the verdict; the audited ones say what they would do. */
static void test_audit(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD CLUSTER("watch", AUDIT,
				  "{'tier':'Admin','priority':1,'subject':{'namespaces':{}}"
				  ",'ingress':["
				  "{'action':'Deny','from':[{'namespaces':{}}],"
				  "'protocols':[{'tcp':{'destinationPort':{'number':22}}}]}"
				  "]}") "," NETWORK("catalyst-gitea", "api",
						    "{'podSelector':{},'ingress':[{'ports':"
						    "[{'port':80},{'port':22}]}]}") "]");

	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 22)), 1); /* would be denied */
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 81)), 0);
	warder_store_free(store);
}

/* A namespace's mode is that of its own policies: a tenant cannot weaken another tier with it. */
static void test_namespace_mode(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD CLUSTER("real", "{}",
				  "{'tier':'Admin','priority':1,'subject':{'namespaces':{}},'"
				  "ingress':["
				  "{'action':'Deny','from':[{'namespaces':{}}],"
				  "'protocols':[{'tcp':{'destinationPort':{'number':22}}}]}]"
				  "}") "," NETWORK("catalyst-gitea", "none",
						   "{'podSelector':{}}") "," NETWORK("catalys"
										     "t-"
										     "openba"
										     "o",
										     "none",
										     "{'"
										     "podSele"
										     "ctor':{"
										     "}}") "]");

	objects_put(store, "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'catalyst-"
			   "gitea','annotations':" AUDIT "}}");
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 80)), 1);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 22)), 0);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "10.244.1.1", 80)), 0);
	warder_store_free(store);
}

/* IdentityPolicy adds to NetworkPolicy and isolates as it does; labels are no identity. */
static void test_identity(void)
{
	struct warder_store *store =
		objects_store("[" WORLD "{'apiVersion':'v1','kind':'Pod','metadata':{'"
			      "namespace':'muscatpharmacy'"
			      ",'name':'liar','labels':"
			      "{'app':'gitea','serviceAccount':'gitea'}},'spec':{'nodeName'"
			      ":'n2'},'status':{'"
			      "podIP':'10.244.2.9'}}," NETWORK(
				      "catalyst-openbao", "np",
				      "{'podSelector':{},'ingress':[{'ports':[{'port':80}]}"
				      "]}") "," IDENTITY("catalyst-openbao", "ip",
							 "{'subject':{'serviceAccounts':['"
							 "openbao']},'ingress':[{'from':[{'"
							 "identities':["
							 "{'namespace':'catalyst-gitea','"
							 "serviceAccount':'gitea'}]}],'"
							 "ports':[{'"
							 "port':8200}]}]}") "," IDENTITY("c"
											 "a"
											 "t"
											 "a"
											 "l"
											 "y"
											 "s"
											 "t"
											 "-"
											 "g"
											 "i"
											 "t"
											 "e"
											 "a",
											 "i"
											 "p",
											 "{"
											 "'"
											 "s"
											 "u"
											 "b"
											 "j"
											 "e"
											 "c"
											 "t"
											 "'"
											 ":"
											 "{"
											 "}"
											 ","
											 "'"
											 "p"
											 "o"
											 "l"
											 "i"
											 "c"
											 "y"
											 "T"
											 "y"
											 "p"
											 "e"
											 "s"
											 "'"
											 ":"
											 "["
											 "'"
											 "E"
											 "g"
											 "r"
											 "e"
											 "s"
											 "s"
											 "'"
											 "]"
											 ","
											 "'"
											 "e"
											 "g"
											 "r"
											 "e"
											 "s"
											 "s"
											 "'"
											 ":"
											 "["
											 "{"
											 "'"
											 "t"
											 "o"
											 "'"
											 ":"
											 "["
											 "{"
											 "'"
											 "i"
											 "d"
											 "e"
											 "n"
											 "t"
											 "i"
											 "t"
											 "i"
											 "e"
											 "s"
											 "'"
											 ":"
											 "["
											 "{"
											 "'"
											 "s"
											 "p"
											 "i"
											 "f"
											 "f"
											 "e"
											 "'"
											 ":"
											 "'"
											 "s"
											 "p"
											 "i"
											 "f"
											 "f"
											 "e"
											 ":"
											 "/"
											 "/"
											 "e"
											 "l"
											 "s"
											 "e"
											 "w"
											 "h"
											 "e"
											 "r"
											 "e"
											 "."
											 "t"
											 "e"
											 "s"
											 "t"
											 "/"
											 "n"
											 "s"
											 "/"
											 "*"
											 "/"
											 "s"
											 "a"
											 "/"
											 "*"
											 "'"
											 "}"
											 ","
											 "{"
											 "'"
											 "s"
											 "p"
											 "i"
											 "f"
											 "f"
											 "e"
											 "'"
											 ":"
											 "'"
											 "s"
											 "p"
											 "i"
											 "f"
											 "f"
											 "e"
											 ":"
											 "/"
											 "/"
											 "c"
											 "l"
											 "u"
											 "s"
											 "t"
											 "e"
											 "r"
											 "."
											 "l"
											 "o"
											 "c"
											 "a"
											 "l"
											 "/"
											 "n"
											 "s"
											 "/"
											 "*"
											 "/"
											 "s"
											 "a"
											 "/"
											 "o"
											 "p"
											 "e"
											 "n"
											 "b"
											 "a"
											 "o"
											 "'"
											 "}"
											 "]"
											 "}"
											 "]"
											 "}"
											 "]"
											 "}") "]");

	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "10.244.1.2", 8200)), 3);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "10.244.1.2", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "10.244.2.4", 8200)), 0);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "10.244.2.9", 8200)), 0);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.1.3", 1)), 3);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.1.1", 1)), 0);
	warder_store_free(store);
}

/*
 * An address in a pod range that nobody holds may be any pod: no allow for pods counts, every deny
 * for pods does, blocks as usual, and it is not the world.  An address outside is.
 */
static void test_unknown(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD CLUSTER("ssh", "{}",
				  "{'tier':'Admin','priority':1,'subject':{'namespaces':{}},'"
				  "ingress':["
				  "{'action':'Deny','from':[{'pods':{'podSelector':{'"
				  "matchLabels':{'app':'nobody'}}}}],"
				  "'protocols':[{'tcp':{'destinationPort':{'number':22}}}]}]"
				  "}") "," IDENTITY("catalyst-gitea", "ip",
						    "{'subject':{},'ingress':[{'from':[{'"
						    "namespaceSelector':{}}],'ports':[{'port'"
						    ":80}]},"
						    "{'from':[{'ipBlock':{'cidr':'10.244.0.0/"
						    "16'}}],'ports':[{'port':81},{'port':22}]"
						    "},"
						    "{'from':[{'entities':['world']}],'ports'"
						    ":[{'port':82}]},{'ports':[{'port':83}]}]"
						    "}") "]");

	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.99", 80)), 0);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.99", 81)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.99", 82)), 0);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.99", 83)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.99", 22)), 0);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 22)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "192.0.2.1", 82)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "192.0.2.1", 22)), 0);
	warder_store_free(store);
}

/* A Pass that may or may not hold for an unknown address: both ways must allow. */
static void test_unknown_pass(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD CLUSTER("pass", "{}",
				  "{'tier':'Admin','priority':1,'subject':{'namespaces':{}}"
				  ",'egress':["
				  "{'action':'Pass','to':[{'namespaces':{}}]},"
				  "{'action':'Accept','to':[{'networks':['10.0.0.0/"
				  "8']}]}]}") "," NETWORK("catalyst-gitea", "none",
							  "{'podSelector':{},'policyTypes':"
							  "['Egress']}") "]");

	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.1.1", 80)), 0);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.1.99", 80)),
			0); /* might have been passed on */
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.9.9.9", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, OUT("catalyst-openbao", "openbao", "10.244.1.99", 80)), 3);
	warder_store_free(store);
}

static const struct warder_matrix_peer *find_peer(const struct warder_matrix *matrix,
						  const char *text)
{
	struct warder_addr addr;

	CU_ASSERT_EQUAL_FATAL(warder_addr_parse(text, &addr), 0);
	for (size_t i = 0; i < matrix->n_peers; i++)
		if (!warder_addr_compare(&matrix->peers[i].addr, &addr))
			return &matrix->peers[i];
	return NULL;
}

/* Finished pods hold nothing, hostNetwork pods are their node, and two claims are nobody's. */
static void test_holders(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD "{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'x','name':'"
		"done'},'spec':{'nodeName':'n1'},"
		"'status':{'phase':'Succeeded','podIP':'10.244.1.50'}},"
		"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'x','name':'agent'},'spec'"
		":{'nodeName':'n2',"
		"'hostNetwork':true},'status':{'podIP':'172.18.0.2','podIPs':[{'ip':'172.18.0.2'},{"
		"'ip':'fd00::2'}]}},"
		"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'x','name':'first'},'spec'"
		":{'nodeName':'n2'},"
		"'status':{'podIP':'10.244.2.60'}},"
		"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'x','name':'second'},'"
		"spec':{'nodeName':'n2'},"
		"'status':{'podIP':'10.244.2.60'}},"
		"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'x','name':'thief'},'spec'"
		":{'nodeName':'n2'},"
		"'status':{'podIP':'172.18.0.1'}},"
		"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'x','name':'s'},'spec'"
		":{'clusterIPs':['10.96.0.5'],"
		"'externalIPs':['10.244.1.1'],'ports':[{'port':80,'nodePort':30080}]}}]");
	struct warder_matrix *matrix = compile(store);
	const struct warder_matrix_peer *peer;
	unsigned warnings = 0;

	CU_ASSERT_PTR_NULL(find_peer(matrix, "10.244.1.50"));
	CU_ASSERT_EQUAL(matrix->n_endpoints, 3);
	peer = find_peer(matrix, "fd00::2");
	CU_ASSERT(peer && peer->identity == WARDER_IDENTITY_REMOTE_NODE &&
		  peer->owner->kind == WARDER_KIND_NODE);
	peer = find_peer(matrix, "10.244.2.60");
	CU_ASSERT(peer && peer->identity == WARDER_IDENTITY_UNKNOWN && !peer->owner);
	peer = find_peer(matrix, "172.18.0.1");
	CU_ASSERT(peer && peer->identity == WARDER_IDENTITY_HOST &&
		  peer->flags == (WARDER_PEER_NODE | WARDER_PEER_HOST));
	peer = find_peer(matrix, "10.244.1.1"); /* a Service's claim on a pod's address is void */
	CU_ASSERT(peer && peer->identity >= WARDER_IDENTITY_FIRST &&
		  peer->flags == WARDER_PEER_POD);
	peer = find_peer(matrix, "10.96.0.5");
	CU_ASSERT(peer && peer->identity == WARDER_IDENTITY_SERVICE &&
		  peer->class == matrix->service_class);
	CU_ASSERT_EQUAL(matrix->n_problems, 2);
	for (size_t i = 0; i < matrix->n_problems; i++)
		warnings += matrix->problems[i].warning;
	CU_ASSERT_EQUAL(warnings, 1);
	/* Frontends: the ClusterIP's, the external address's, and NodePorts on this node's own addresses alone. */
	CU_ASSERT_EQUAL(matrix->n_frontends, 3);
	warder_matrix_free(matrix);
	warder_store_free(store);
}

/* nodeSelector means nodes' own addresses; where only the address counts they are node-snat. */
static void test_nodes(void)
{
	struct warder_store *store = objects_store("[" WORLD IDENTITY(
		"catalyst-gitea", "ip",
		"{'subject':{},'ingress':[{'from':[{'nodeSelector':{'matchLabels':{'name':'n2'}}}],"
		"'ports':[{'port':80}]},"
		"{'from':[{'entities':['node-snat']}],'ports':[{'port':81}]},"
		"{'from':[{'entities':['host']}],'ports':[{'port':82}]},"
		"{'from':[{'entities':['kube-apiserver']}],'ports':[{'port':83}]},"
		"{'from':[{'ipBlock':{'cidr':'172.18.0.0/16'}}],'ports':[{'port':84}]}]}") "]");
	struct warder_addr apiserver;
	const struct warder_compile_options options = {
		.node = "n1",
		.trust_domain = "cluster.local",
		.apiserver_addrs = &apiserver,
		.n_apiserver_addrs = 1,
	};
	struct warder_matrix *matrix;
	static const struct {
		const char *peer;
		bool address_only;
		unsigned verdicts[5]; /* ports 80 to 84 */
	} cases[] = {
		{"172.18.0.1", false, {0, 0, 3, 0, 3}}, {"172.18.0.2", false, {3, 0, 0, 3, 3}},
		{"172.18.0.2", true, {0, 3, 0, 0, 3}},	{"172.18.0.1", true, {0, 3, 0, 0, 3}},
		{"10.244.2.4", true, {0, 0, 0, 0, 0}},	{"172.18.0.9", false, {0, 0, 0, 0, 3}},
	};

	warder_addr_parse("172.18.0.2", &apiserver);
	matrix = compile_with(store, &options);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (unsigned p = 0; p < 5; p++)
			CU_ASSERT_EQUAL(ask_matrix(matrix, (struct ask){WARDER_INGRESS, GITEA,
									cases[i].peer, 80 + p,
									cases[i].address_only}),
					cases[i].verdicts[p]);
	warder_matrix_free(matrix);
	warder_store_free(store);
}

/* What stands behind a Service is not known: only a rule for everyone on every port allows it. */
static void test_service(void)
{
	static const char service[] =
		"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'x','name':'s'},"
		"'spec':{'clusterIPs':['10.96.0.5'],'ports':[{'port':80}]}}";
	static const struct {
		const char *policy;
		unsigned verdict;
	} cases[] = {
		{NETWORK("catalyst-gitea", "a", "{'podSelector':{},'ingress':[]}"),
		 3}, /* egress is open */
		{NETWORK("catalyst-gitea", "a", "{'podSelector':{},'egress':[{}]}"), 3},
		{NETWORK("catalyst-gitea", "a",
			 "{'podSelector':{},'egress':[{'ports':[{'port':80}]}]}"),
		 0},
		{NETWORK("catalyst-gitea", "a",
			 "{'podSelector':{},'egress':[{'to':[{'ipBlock':{'cidr':'10.96.0.5/"
			 "32'}}]}]}"),
		 0},
		{CLUSTER("a", "{}",
			 "{'tier':'Admin','priority':1,'subject':{'namespaces':{}},'egress':[{'"
			 "action':'Deny',"
			 "'to':[{'namespaces':{'matchLabels':{'team':'sec'}}}],"
			 "'protocols':[{'udp':{'destinationPort':{'number':53}}}]}]}"),
		 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct warder_store *store = objects_store(
			"[" WORLD
			"{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'x'}}]");

		objects_put(store, service);
		objects_put(store, cases[i].policy);
		CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.96.0.5", 80)), cases[i].verdict);
		warder_store_free(store);
	}
}

/* A named port is the destination's: it may be another number at each pod, and nothing at none. */
static void test_named_ports(void)
{
	struct warder_store *store =
		objects_store("[" WORLD "{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'"
			      "catalyst-gitea','name':'other'},'spec':{'nodeName':'n1',"
			      "'containers':[{'name':'c','ports':[{'name':'http','containerPort':"
			      "3000}]}]},'status':{'podIP':'10.244.1.7'}},"
			      "{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'catalyst-"
			      "gitea','name':'udp'},'spec':{'nodeName':'n1',"
			      "'containers':[{'name':'c','ports':[{'name':'http','containerPort':"
			      "3000,'protocol':'UDP'}]}]},"
			      "'status':{'podIP':'10.244.1.8'}}," NETWORK(
				      "catalyst-gitea", "np",
				      "{'podSelector':{},'ingress':[{'ports':[{'port':'http'}]}],'"
				      "egress':[{'to':[{'podSelector':{}}],"
				      "'ports':[{'port':'http'}]}]}") "]");

	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "192.0.2.1", 8080)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "192.0.2.1", 3000)), 0);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-gitea", "other", "192.0.2.1", 3000)), 3);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-gitea", "other", "192.0.2.1", 8080)), 0);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-gitea", "udp", "192.0.2.1", 3000)), 0);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.1.7", 3000)), 3);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.1.7", 8080)), 0);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.2.4", 8080)), 3);
	CU_ASSERT_EQUAL(ask(store, OUT(GITEA, "10.244.1.8", 3000)), 0);
	warder_store_free(store);
}

/* The longest prefix of an address carries every block around it, less those that except it. */
static void test_blocks(void)
{
	struct warder_store *store =
		objects_store("[" WORLD NETWORK("catalyst-gitea", "wide",
						"{'podSelector':{},'ingress':[{"
						"'from':[{'ipBlock':{'cidr':'"
						"10.0.0.0/8',"
						"'except':['10.2.0.0/"
						"16']}}],'ports':[{'port':80}]}"
						"]}") "," NETWORK("catalyst-"
								  "gitea",
								  "narrow",
								  "{'"
								  "podSelector'"
								  ":{},'"
								  "ingress':[{'"
								  "from':[{'"
								  "ipBlock':{'"
								  "cidr':'10.2."
								  "3.0/24'}}],"
								  "'ports':[{'"
								  "port':81}]},"
								  "{'from':[{'"
								  "ipBlock':{'"
								  "cidr':'::/"
								  "0'}}],"
								  "'ports':[{'"
								  "port':82}]}]"
								  "}") "]");

	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.1.0.1", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.2.3.4", 80)), 0);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.2.3.4", 81)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.2.4.4", 81)), 0);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 80)), 3); /* a pod's address too */
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "2001:db8::1", 82)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.1.0.1", 82)),
			0); /* ::/0 is every IPv6 address and only these */
	warder_store_free(store);
}

/* Only a rule without ports allows what has none. */
static void test_other_protocols(void)
{
	struct warder_store *store = objects_store("[" WORLD NETWORK(
		"catalyst-gitea", "np",
		"{'podSelector':{},'ingress':[{'from':[{'ipBlock':{'cidr':'192.0.2.0/25'}}]},"
		"{'from':[{'ipBlock':{'cidr':'192.0.2.128/"
		"25'}}],'ports':[{'port':1,'endPort':65535},"
		"{'protocol':'UDP'},{'protocol':'SCTP'}]}]}") "]");

	CU_ASSERT_EQUAL(ask(store, (struct ask){WARDER_INGRESS, GITEA, "192.0.2.1",
						.protocol = IPPROTO_ICMP}),
			3);
	CU_ASSERT_EQUAL(ask(store, (struct ask){WARDER_INGRESS, GITEA, "192.0.2.200",
						.protocol = IPPROTO_ICMP}),
			0);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "192.0.2.200", 80)), 3);
	warder_store_free(store);
}

/* Names do not run together: ("ab", "c") is not ("a", "bc"), and "x.y" is not "xzy". */
static void test_injective(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD POD("ab", "c", "n2", "c", "c", "10.244.2.20") POD("a", "bc", "n2", "bc",
									    "c", "10.244.2.21")
			POD("a", "p", "n2", "x.y", "c", "10.244.2.22") POD("a", "q", "n2", "xzy",
									   "c", "10.244.2.23")
				IDENTITY("catalyst-gitea", "ip",
					 "{'subject':{},'ingress':[{'from':[{'identities':["
					 "{'namespace':'ab','serviceAccount':'c'},{'namespace':'a',"
					 "'serviceAccount':'x.y'}]}]}]}") "]");

	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.2.20", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.2.21", 80)), 0);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.2.22", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.2.23", 80)), 0);
	warder_store_free(store);
}

/* A policy that cannot be understood isolates, allows nothing, is told, and leaves the others as they are. */
static void test_broken(void)
{
	struct warder_store *store =
		objects_store("[" WORLD NETWORK("catalyst-gitea", "good",
						"{'podSelector':{},'ingress':[{'ports':[{'port':80}"
						"]}]}") "," NETWORK("catalyst-openbao", "bad",
								    "{'podSelector':{},'ingress':[{"
								    "'fromm':[]}]}") "]");
	struct warder_matrix *matrix = compile(store);

	CU_ASSERT_EQUAL(ask(store, IN(GITEA, "10.244.1.1", 80)), 3);
	CU_ASSERT_EQUAL(ask(store, IN("catalyst-openbao", "openbao", "10.244.1.1", 80)), 0);
	CU_ASSERT_EQUAL_FATAL(matrix->n_problems, 1);
	CU_ASSERT_STRING_EQUAL(matrix->problems[0].object, "NetworkPolicy catalyst-openbao/bad");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(matrix->problems[0].what, "spec.ingress[0]: unknown field \"fromm\""));
	warder_matrix_free(matrix);
	warder_store_free(store);
}

/* Fifteen rules that tell every two neighbouring ports of a protocol apart. */
static void put_port_bomb(struct warder_store *store, const char *protocol, const char *name)
{
	json_t *rules = json_array(), *policy;
	struct warder_object *object;
	struct warder_error error;

	for (unsigned bit = 1; bit < 16; bit++) {
		json_t *ports = json_array();

		for (unsigned first = 1u << bit; first < 65536; first += 2u << bit)
			json_array_append_new(ports, json_pack("{s:s, s:i, s:i}", "protocol",
							       protocol, "port", first, "endPort",
							       first + (1u << bit) - 1));
		json_array_append_new(rules, json_pack("{s:o}", "ports", ports));
	}
	policy = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{}, s:o}}", "apiVersion",
			   "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata", "namespace",
			   "catalyst-gitea", "name", name, "spec", "podSelector", "ingress", rules);
	CU_ASSERT_EQUAL_FATAL(warder_object_decode(policy, NULL, &object, &error), 0);
	warder_store_put(store, object);
	warder_object_unref(object);
	json_decref(policy);
}

/* More port classes than there are numbers: the largest policies are refused, the node is not. */
static void test_too_many_ports(void)
{
	struct warder_store *store = objects_store(
		"[" WORLD NETWORK("catalyst-gitea", "small",
				  "{'podSelector':{},'ingress':[{'ports':[{'port':80}]}]}") "]");
	struct warder_matrix *matrix;

	put_port_bomb(store, "TCP", "bomb-tcp");
	matrix = compile(store);
	CU_ASSERT_EQUAL(matrix->n_problems, 0); /* one of them fits */
	CU_ASSERT_EQUAL(ask_matrix(matrix, IN(GITEA, "10.244.1.1", 82)), 3);
	warder_matrix_free(matrix);
	put_port_bomb(store, "UDP", "bomb-udp");
	put_port_bomb(store, "SCTP", "bomb-sctp");
	matrix = compile(store);
	CU_ASSERT_EQUAL(matrix->n_problems, 3);
	CU_ASSERT_EQUAL(ask_matrix(matrix, IN(GITEA, "10.244.1.1", 80)), 3);
	CU_ASSERT_EQUAL(ask_matrix(matrix, IN(GITEA, "10.244.1.1", 82)), 0);
	warder_matrix_free(matrix);
	warder_store_free(store);
}

/* Nothing at all is a matrix too. */
static void test_empty(void)
{
	struct warder_store *store = objects_store("[]");
	struct warder_matrix *matrix = compile(store);
	struct warder_matrix_who who;
	struct warder_addr addr;

	CU_ASSERT_EQUAL(matrix->n_endpoints, 0);
	CU_ASSERT_EQUAL(matrix->n_prefixes, 2);
	warder_addr_parse("::1", &addr);
	warder_matrix_find(matrix, &addr, &who);
	CU_ASSERT_EQUAL(who.identity, WARDER_IDENTITY_WORLD);
	warder_addr_parse("255.255.255.255", &addr);
	warder_matrix_find(matrix, &addr, &who);
	CU_ASSERT_EQUAL(who.identity, WARDER_IDENTITY_WORLD);
	warder_matrix_free(matrix);
	warder_store_free(store);
}

static const struct suite_test tests[] = {
	{"tiers", test_tiers},
	{"priority", test_priority},
	{"audit", test_audit},
	{"namespace-mode", test_namespace_mode},
	{"identity", test_identity},
	{"unknown", test_unknown},
	{"unknown-pass", test_unknown_pass},
	{"holders", test_holders},
	{"nodes", test_nodes},
	{"service", test_service},
	{"named-ports", test_named_ports},
	{"blocks", test_blocks},
	{"other-protocols", test_other_protocols},
	{"injective", test_injective},
	{"broken", test_broken},
	{"too-many-ports", test_too_many_ports},
	{"empty", test_empty},
};

SUITE("compile", tests)
