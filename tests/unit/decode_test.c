/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes objects to ours: the API server's defaults, names, and wrong types, each told with
 * object, field and what to do.  Policies' specs are the policy decoder's tests.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>

#include "store/policy.h"
#include "suite.h"

static struct warder_error error;

/* Single quotes stand for double ones. */
static json_t *json_of(const char *text)
{
	char *copy = strdup(text);
	json_error_t fault;
	json_t *json;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json = json_loads(copy, JSON_DECODE_ANY, &fault);
	if (!json)
		printf("  the test's own JSON: %s at %d of %s\n", fault.text, fault.position, text);
	free(copy);
	return json;
}

static int decode(const char *text, struct warder_object **ret)
{
	json_t *json = json_of(text);
	int code = warder_object_decode(json, "x.yaml:7", ret, &error);

	json_decref(json);
	return code;
}

static struct warder_object *good(const char *text)
{
	struct warder_object *object = NULL;
	int code = decode(text, &object);

	if (code)
		printf("  %d: %s\n", code, error.text);
	CU_ASSERT_FATAL(!code);
	return object;
}

static bool bad(int want, const char *text, const char *field, const char *word)
{
	struct warder_object *object = NULL;
	int code = decode(text, &object);
	bool as_wanted =
		code == want && !object && !strcmp(error.field, field) && strstr(error.text, word);

	if (!as_wanted)
		printf("  %d, \"%s\": %s\n", code, error.field, error.text);
	warder_object_unref(object);
	return as_wanted;
}

static void test_pod_defaults(void)
{
	struct warder_object *pod =
		good("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'}}");

	CU_ASSERT(pod->kind == WARDER_KIND_POD);
	CU_ASSERT_STRING_EQUAL(pod->ns, "default");
	CU_ASSERT_STRING_EQUAL(pod->name, "a");
	CU_ASSERT_STRING_EQUAL(pod->uid, "");
	CU_ASSERT_STRING_EQUAL(pod->origin, "x.yaml:7");
	CU_ASSERT_STRING_EQUAL(pod->pod.service_account, "default");
	CU_ASSERT(!pod->pod.node && !pod->pod.runtime_class && !pod->pod.host_network &&
		  !pod->audit);
	CU_ASSERT(pod->pod.phase == WARDER_POD_PENDING && !pod->pod.n_addrs && !pod->pod.n_ports &&
		  !pod->labels.n);
	warder_object_unref(pod);
	/* null and "" are absent. */
	pod = good("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','namespace':'','uid':"
		   "null,'labels':null},"
		   "'spec':{'serviceAccountName':'','nodeName':null,'runtimeClassName':'','"
		   "hostNetwork':null,'containers':null},"
		   "'status':{'podIP':'','podIPs':null,'phase':''}}");
	CU_ASSERT_STRING_EQUAL(pod->ns, "default");
	CU_ASSERT_STRING_EQUAL(pod->pod.service_account, "default");
	CU_ASSERT(!pod->pod.node && !pod->pod.runtime_class && !pod->pod.n_addrs);
	warder_object_unref(pod);
}

static void test_pod_whole(void)
{
	struct warder_object *pod =
		good("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a.b','namespace':'x','"
		     "uid':'u-1','labels':{'z':'1','a/b':null}},"
		     "'spec':{'serviceAccountName':'robot.one','serviceAccount':'other','nodeName':"
		     "'n1','hostNetwork':true,"
		     "'runtimeClassName':'kata','unknown':{'field':[1]},"
		     "'initContainers':[{'name':'once','ports':[{'containerPort':1}]},"
		     "{'name':'side','restartPolicy':'Always','ports':[{'containerPort':2,'name':'"
		     "side','protocol':'SCTP'}]}],"
		     "'containers':[{'name':'c','ports':[{'containerPort':80,'name':'http'},{'"
		     "containerPort':53,'protocol':'UDP'}]},{}]},"
		     "'status':{'phase':'Succeeded','podIP':'10.0.0.9','podIPs':[{'ip':'10.0.0.1'},"
		     "{'ip':'fd00::1'},{'ip':'10.0.0.1'}]}}");
	struct warder_addr addr;

	CU_ASSERT_STRING_EQUAL(pod->pod.service_account, "robot.one");
	CU_ASSERT_STRING_EQUAL(pod->pod.node, "n1");
	CU_ASSERT_STRING_EQUAL(pod->pod.runtime_class, "kata");
	CU_ASSERT(pod->pod.host_network && pod->pod.phase == WARDER_POD_FINISHED);
	CU_ASSERT(pod->labels.n == 2 && !strcmp(pod->labels.v[0].key, "a/b"));
	CU_ASSERT_STRING_EQUAL(warder_labels_get(&pod->labels, "a/b"), "");
	CU_ASSERT_STRING_EQUAL(warder_labels_get(&pod->labels, "z"), "1");
	CU_ASSERT(!warder_labels_get(&pod->labels, "y"));
	CU_ASSERT(pod->pod.n_addrs == 2 && !warder_addr_parse("10.0.0.1", &addr) &&
		  !warder_addr_compare(&addr, &pod->pod.addrs[0]));
	CU_ASSERT(!warder_addr_parse("fd00::1", &addr) &&
		  !warder_addr_compare(&addr, &pod->pod.addrs[1]));
	CU_ASSERT_FATAL(pod->pod.n_ports == 3);
	CU_ASSERT(pod->pod.ports[0].port == 80 && pod->pod.ports[0].protocol == IPPROTO_TCP);
	CU_ASSERT_STRING_EQUAL(pod->pod.ports[0].name, "http");
	CU_ASSERT(pod->pod.ports[1].port == 53 && pod->pod.ports[1].protocol == IPPROTO_UDP &&
		  !pod->pod.ports[1].name);
	CU_ASSERT(pod->pod.ports[2].port == 2 && pod->pod.ports[2].protocol == IPPROTO_SCTP);
	warder_object_unref(pod);
	pod = good("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'},'spec':{'"
		   "serviceAccount':'old'},"
		   "'status':{'phase':'Running','podIP':'10.0.0.9'}}");
	CU_ASSERT_STRING_EQUAL(pod->pod.service_account,
			       "old"); /* the alias, as the API server converts it */
	CU_ASSERT(pod->pod.n_addrs == 1 && pod->pod.phase == WARDER_POD_RUNNING);
	warder_object_unref(pod);
	pod = good("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'},'status':{'phase':'"
		   "Unknown'}}");
	CU_ASSERT(pod->pod.phase == WARDER_POD_UNKNOWN);
	warder_object_unref(pod);
}

/* A label never is an identity (CVE-2023-39347): it comes from spec.serviceAccountName alone. */
static void test_labels_are_no_identity(void)
{
	struct warder_object *pod =
		good("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','labels':{"
		     "'io.cilium.k8s.policy.serviceaccount':'admin','serviceAccountName':'admin'},"
		     "'annotations':{'kubernetes.io/"
		     "service-account.name':'admin'},'serviceAccountName':'admin'}}");

	CU_ASSERT_STRING_EQUAL(pod->pod.service_account, "default");
	warder_object_unref(pod);
}

#define POD(spec, status)                                                                          \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','namespace':'x'},'spec':" spec     \
	",'status':" status "}"

static void test_pod_wrong(void)
{
	CU_ASSERT(bad(-EINVAL, POD("[]", "{}"), "spec", "Pod x/a: spec: is a list, must be a map"));
	CU_ASSERT(bad(-EINVAL, POD("{}", "'Running'"), "status", "map"));
	CU_ASSERT(bad(-EINVAL, POD("{'hostNetwork':'true'}", "{}"), "spec.hostNetwork",
		      "true or false"));
	CU_ASSERT(bad(-EINVAL, POD("{'nodeName':7}", "{}"), "spec.nodeName", "quotes"));
	CU_ASSERT(bad(-EINVAL, POD("{'serviceAccountName':'Root'}", "{}"),
		      "spec.serviceAccountName", "lower case"));
	CU_ASSERT(bad(-EINVAL, POD("{'serviceAccountName':'a/b'}", "{}"), "spec.serviceAccountName",
		      "ServiceAccount"));
	CU_ASSERT(bad(-EINVAL, POD("{'serviceAccount':'a b'}", "{}"), "spec.serviceAccount",
		      "ServiceAccount"));
	CU_ASSERT(bad(-EINVAL, POD("{'containers':{}}", "{}"), "spec.containers", "list"));
	CU_ASSERT(bad(-EINVAL, POD("{'containers':[7]}", "{}"), "spec.containers[0]", "map"));
	CU_ASSERT(bad(-EINVAL, POD("{'containers':[{'ports':[{}]}]}", "{}"),
		      "spec.containers[0].ports[0].containerPort", "missing"));
	CU_ASSERT(bad(
		-EINVAL,
		POD("{'containers':[{},{'ports':[{'containerPort':1},{'containerPort':70000}]}]}",
		    "{}"),
		"spec.containers[1].ports[1].containerPort", "from 1 to 65535"));
	CU_ASSERT(bad(-EINVAL, POD("{'containers':[{'ports':[{'containerPort':'80'}]}]}", "{}"),
		      "spec.containers[0].ports[0].containerPort", "a string"));
	CU_ASSERT(bad(-EINVAL, POD("{'containers':[{'ports':[{'containerPort':80.5}]}]}", "{}"),
		      "spec.containers[0].ports[0].containerPort", "whole number"));
	CU_ASSERT(
		bad(-EINVAL,
		    POD("{'containers':[{'ports':[{'containerPort':80,'protocol':'tcp'}]}]}", "{}"),
		    "spec.containers[0].ports[0].protocol", "TCP, UDP or SCTP"));
	CU_ASSERT(bad(-EINVAL, POD("{}", "{'podIPs':[{'ip':'10.0.0.1'},{'ip':'10.0.0.256'}]}"),
		      "status.podIPs[1].ip", "\"10.0.0.256\" is not an IPv4 or IPv6 address"));
	CU_ASSERT(bad(-EINVAL, POD("{}", "{'podIP':'10.0.0.1/24'}"), "status.podIP", "address"));
	CU_ASSERT(bad(-EINVAL, POD("{}", "{'podIPs':['10.0.0.1']}"), "status.podIPs[0]", "map"));
	CU_ASSERT(bad(-EINVAL, POD("{}", "{'phase':7}"), "status.phase", "string"));
}

static void test_names(void)
{
	char text[800], name[300];

	CU_ASSERT(bad(-EINVAL, "7", "", "must be a Kubernetes object"));
	CU_ASSERT(bad(-EINVAL, "[]", "", "must be a Kubernetes object"));
	CU_ASSERT(bad(-EINVAL, "{}", "apiVersion", "missing"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':1,'kind':'Pod'}", "apiVersion", "quotes"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1'}", "kind", "missing"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod'}", "metadata.name",
		      "Pod: metadata.name: is missing"));
	CU_ASSERT(
		bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod','metadata':[]}", "metadata", "map"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod','metadata':{'generateName':'a-'}}",
		      "metadata.name", "missing"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':true}}",
		      "metadata.name", "quotes"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'A'}}",
		      "metadata.name", "DNS"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a/b'}}",
		      "metadata.name", "DNS"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a..b'}}",
		      "metadata.name", "DNS"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'-a'}}",
		      "metadata.name", "DNS"));
	CU_ASSERT(bad(-EINVAL,
		      "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','namespace':'x.y'}}",
		      "metadata.namespace", "namespace"));
	CU_ASSERT(bad(-EINVAL, "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'a.b'}}",
		      "metadata.name", "label"));
	CU_ASSERT(
		bad(-EINVAL,
		    "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','labels':{'x':true}}}",
		    "metadata.labels.x", "quotes"));
	CU_ASSERT(bad(-EINVAL,
		      "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','labels':[]}}",
		      "metadata.labels", "map"));
	memset(name, 'a', sizeof(name));
	name[254] = 0;
	snprintf(text, sizeof(text), "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s'}}",
		 name);
	CU_ASSERT(bad(-EINVAL, text, "metadata.name", "at most 253"));
	name[64] = 0;
	snprintf(text, sizeof(text),
		 "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'%s'}}", name);
	CU_ASSERT(bad(-EINVAL, text, "metadata.name", "at most 63"));
	snprintf(text, sizeof(text),
		 "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n','labels':{'x':'%s'}}}",
		 name);
	CU_ASSERT(bad(-EINVAL, text, "metadata.labels.x", "too long"));
}

static void test_namespace(void)
{
	struct warder_object *ns =
		good("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'x','namespace':'"
		     "ignored',"
		     "'labels':{'kubernetes.io/metadata.name':'forged','team':'a'},"
		     "'annotations':{'warder.io/mode':'audit'}}}");

	CU_ASSERT_STRING_EQUAL(ns->ns, "");
	CU_ASSERT_STRING_EQUAL(warder_labels_get(&ns->labels, "kubernetes.io/metadata.name"), "x");
	CU_ASSERT(ns->labels.n == 2 && ns->audit && !*error.text);
	warder_object_unref(ns);
	ns = good("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'x','annotations':{'"
		  "warder.io/mode':'Audit'}}}");
	CU_ASSERT(!ns->audit && strstr(error.text, "use audit or enforce"));
	CU_ASSERT_STRING_EQUAL(error.field, "metadata.annotations.warder.io/mode");
	CU_ASSERT(ns->labels.n == 1);
	warder_object_unref(ns);
	ns = good("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'x','annotations':{'"
		  "warder.io/mode':7}}}");
	CU_ASSERT(!ns->audit && *error.text);
	warder_object_unref(ns);
}

static void test_node(void)
{
	struct warder_object *node =
		good("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n.one'},'spec':{'"
		     "podCIDR':'10.1.0.0/24',"
		     "'podCIDRs':['10.2.0.0/24','fd00::/"
		     "64']},'status':{'addresses':[{'type':'Hostname','address':'n.one'},"
		     "{'type':'InternalIP','address':'192.0.2.1'},{'type':'ExternalIP','address':'"
		     "2001:db8::1'},"
		     "{'type':'InternalDNS','address':'x'}]}}");

	CU_ASSERT(node->node.n_addrs == 2 && node->node.n_pod_ranges == 2);
	CU_ASSERT(node->node.pod_ranges[0].bits == 120 && node->node.pod_ranges[1].bits == 64);
	warder_object_unref(node);
	node = good("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n'},'spec':{'podCIDR':'"
		    "10.1.0.0/24'}}");
	CU_ASSERT(node->node.n_pod_ranges == 1 && !node->node.n_addrs);
	warder_object_unref(node);
	CU_ASSERT(bad(-EINVAL,
		      "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n'},'spec':{'podCIDRs':"
		      "['10.1.0.0']}}",
		      "spec.podCIDRs[0]", "10.244.1.0/24"));
	CU_ASSERT(bad(-EINVAL,
		      "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n'},'status':{'"
		      "addresses':[{'type':'InternalIP'}]}}",
		      "status.addresses[0].address", "address"));
}

/* A port without a number is no backend; host names are for nobody here. */
static void test_slice(void)
{
	struct warder_object *slice = good(
		"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'name':"
		"'s-1','labels':{'kubernetes.io/service-name':'s'}},'addressType':'IPv4',"
		"'endpoints':[{'addresses':['10.1.0.1'],'conditions':{'ready':false}},"
		"{'addresses':['10.1.0.2']}],"
		"'ports':[{'name':'http','port':80},{'name':'x'},{'port':53,'protocol':'UDP'}]}");

	CU_ASSERT(slice->slice.n_addrs == 2 && slice->slice.n_ports == 2);
	CU_ASSERT_STRING_EQUAL(slice->slice.ports[0].name, "http");
	CU_ASSERT(slice->slice.ports[1].port == 53 &&
		  slice->slice.ports[1].protocol == IPPROTO_UDP);
	warder_object_unref(slice);
	slice = good(
		"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'name':"
		"'s-1'},'addressType':'FQDN','endpoints':[{'addresses':['a.example']}]}");
	CU_ASSERT(!slice->slice.n_addrs);
	warder_object_unref(slice);
	CU_ASSERT(
		bad(-EINVAL,
		    "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'name':"
		    "'s-1'},'endpoints':[{'addresses':['10.1.0.1','no']}]}",
		    "endpoints[0].addresses[1]", "no"));
}

static void test_service(void)
{
	struct warder_object *service =
		good("{'apiVersion':'v1','kind':'Service','metadata':{'name':'s','namespace':'x'},'"
		     "spec':{'clusterIP':'10.96.0.1',"
		     "'clusterIPs':['10.96.0.1','fd00:96::1'],'externalIPs':['192.0.2.7'],'ports':["
		     "{'port':80,'nodePort':30080,"
		     "'name':'http'},{'port':53,'protocol':'UDP'}]},'status':{'loadBalancer':{'"
		     "ingress':[{'ip':'192.0.2.8'},"
		     "{'hostname':'lb.example'}]}}}");

	CU_ASSERT(service->service.n_addrs == 4 && service->service.n_ports == 2);
	CU_ASSERT(service->service.ports[0].node_port == 30080 &&
		  service->service.ports[0].protocol == IPPROTO_TCP);
	CU_ASSERT(service->service.ports[1].node_port == 0 &&
		  service->service.ports[1].protocol == IPPROTO_UDP);
	warder_object_unref(service);
	service = good("{'apiVersion':'v1','kind':'Service','metadata':{'name':'s'},'spec':{'"
		       "clusterIP':'None'}}");
	CU_ASSERT(!service->service.n_addrs);
	warder_object_unref(service);
	service = good("{'apiVersion':'v1','kind':'Service','metadata':{'name':'s'},'spec':{'"
		       "clusterIP':'10.96.0.2'}}");
	CU_ASSERT(service->service.n_addrs == 1);
	warder_object_unref(service);
	CU_ASSERT(bad(-EINVAL,
		      "{'apiVersion':'v1','kind':'Service','metadata':{'name':'s'},'spec':{'ports':"
		      "[{'port':0}]}}",
		      "spec.ports[0].port", "from 1"));
	CU_ASSERT(bad(-EINVAL,
		      "{'apiVersion':'v1','kind':'Service','metadata':{'name':'s'},'spec':{'"
		      "clusterIPs':['x']}}",
		      "spec.clusterIPs[0]", "address"));
}

static void test_kinds(void)
{
	static const char *const foreign[][2] = {
		{"cilium.io/v2", "CiliumNetworkPolicy"},
		{"cilium.io/v2", "CiliumClusterwideNetworkPolicy"},
		{"crd.projectcalico.org/v1", "GlobalNetworkPolicy"},
		{"projectcalico.org/v3", "NetworkPolicy"},
		{"security.istio.io/v1", "AuthorizationPolicy"},
		{"security.istio.io/v1beta1", "PeerAuthentication"},
		{"policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"},
		{"policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"},
		{"crd.antrea.io/v1beta1", "ClusterNetworkPolicy"},
		{"k8s.ovn.org/v1", "EgressFirewall"},
		{"example.org/v1", "SomeNetworkPolicyThing"},
	};
	char text[300], name[400];

	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		struct warder_object *object;

		snprintf(text, sizeof(text),
			 "{'apiVersion':'%s','kind':'%s','metadata':{'name':'p','namespace':'x'}}",
			 foreign[i][0], foreign[i][1]);
		object = good(text);
		CU_ASSERT(object->kind == WARDER_KIND_FOREIGN);
		snprintf(text, sizeof(text), "%s x/p", foreign[i][1]);
		CU_ASSERT_STRING_EQUAL(warder_object_describe(object, name, sizeof(name)), text);
		warder_object_unref(object);
	}
	CU_ASSERT(bad(-ENOTSUP, "{'apiVersion':'apps/v1','kind':'Deployment'}", "",
		      "Deployment of apps/v1"));
	CU_ASSERT(bad(-ENOTSUP, "{'apiVersion':'v1','kind':'ConfigMap','metadata':7}", "",
		      "ConfigMap"));
	CU_ASSERT(bad(-ENOTSUP, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress'}", "",
		      "Ingress"));
	CU_ASSERT(
		bad(-EPROTONOSUPPORT, "{'apiVersion':'v2','kind':'Pod'}", "apiVersion", "use v1"));
	CU_ASSERT(bad(-EPROTONOSUPPORT,
		      "{'apiVersion':'discovery.k8s.io/v1beta1','kind':'EndpointSlice'}",
		      "apiVersion", "use discovery.k8s.io/v1"));
	CU_ASSERT(bad(-EPROTONOSUPPORT,
		      "{'apiVersion':'policy.networking.k8s.io/v1','kind':'ClusterNetworkPolicy'}",
		      "apiVersion", "v1alpha2"));
	CU_ASSERT(bad(-EPROTONOSUPPORT,
		      "{'apiVersion':'warder.io/v1alpha1','kind':'IdentityPolcy'}", "kind",
		      "IdentityPolicy"));
}

/* A policy in a version that nobody knows yet isolates what it would select, and says so. */
static void test_policy_versions(void)
{
	static const char *const versions[] = {"networking.k8s.io/v2", "extensions/v1beta1"};
	char text[300];

	for (size_t i = 0; i < 2; i++) {
		struct warder_object *object;

		snprintf(text, sizeof(text),
			 "{'apiVersion':'%s','kind':'NetworkPolicy','metadata':{'name':'p'},"
			 "'spec':{'podSelector':{},'policyTypes':['Ingress','Egress'],'ingress':[{}"
			 "]}}",
			 versions[i]);
		object = good(text);
		CU_ASSERT(object->kind == WARDER_KIND_NETWORK_POLICY && object->policy->broken &&
			  !object->policy->n_rules);
		CU_ASSERT(object->policy->isolates[WARDER_INGRESS] &&
			  object->policy->isolates[WARDER_EGRESS]);
		warder_object_unref(object);
	}
}

#define NP(extra, spec)                                                                            \
	"{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy','metadata':{'name':'p'" extra \
	"},'spec':" spec "}"

static void test_equal(void)
{
	static const char *const all[] = {
		NP("", "{'podSelector':{}}"),
		NP("", "{'podSelector':{},'policyTypes':['Egress']}"),
		NP(",'annotations':{'warder.io/mode':'audit'}", "{'podSelector':{}}"),
		NP(",'namespace':'x'", "{'podSelector':{}}"),
		POD("{}", "{}"),
		POD("{'nodeName':'n'}", "{}"),
		POD("{'hostNetwork':true}", "{}"),
		POD("{'serviceAccountName':'s'}", "{}"),
		POD("{'runtimeClassName':'s'}", "{}"),
		POD("{}", "{'phase':'Running'}"),
		POD("{}", "{'podIP':'10.0.0.1'}"),
		POD("{}", "{'podIP':'10.0.0.2'}"),
		POD("{'containers':[{'ports':[{'containerPort':1}]}]}", "{}"),
		POD("{'containers':[{'ports':[{'containerPort':2}]}]}", "{}"),
		POD("{'containers':[{'ports':[{'containerPort':1,'protocol':'UDP'}]}]}", "{}"),
		POD("{'containers':[{'ports':[{'containerPort':1,'name':'n'}]}]}", "{}"),
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a'}}",
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a','uid':'u'}}",
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a','labels':{'a':'b'}}}",
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a','labels':{'a':'c'}}}",
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a'},'spec':{'podCIDR':'10.0."
		"0.0/8'}}",
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a'},'spec':{'podCIDR':'10.0."
		"0.0/9'}}",
		"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a'}}",
		"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a'},'spec':{'clusterIP':'"
		"10.0.0.1'}}",
		"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a'},'spec':{'ports':[{'"
		"port':1}]}}",
		"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a'},'spec':{'ports':[{'"
		"port':1,'nodePort':2}]}}",
		"{'apiVersion':'cilium.io/"
		"v2','kind':'CiliumNetworkPolicy','metadata':{'name':'a'}}",
		"{'apiVersion':'projectcalico.org/"
		"v3','kind':'NetworkPolicy','metadata':{'name':'a'}}",
	};
	size_t n = sizeof(all) / sizeof(*all);

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			struct warder_object *a = good(all[i]), *b = good(all[j]);

			CU_ASSERT(warder_object_equal(a, b) == (i == j));
			warder_object_unref(a);
			warder_object_unref(b);
		}
	}
}

/* Whatever type stands wherever: an error or an object, never a crash. */
static void test_every_type_everywhere(void)
{
	static const char *const values[] = {"null", "true", "7",	"-1",	"1.5",
					     "'x'",  "''",   "[]",	"[7]",	"[null]",
					     "[[]]", "{}",   "{'x':7}", "[{}]", "[{'x':null}]"};
	static const char *const shapes[] = {
		"{'apiVersion':%s,'kind':'Pod','metadata':{'name':'a'}}",
		"{'apiVersion':'v1','kind':%s,'metadata':{'name':'a'}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':%s}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':%s}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','namespace':%s,'uid':'x'}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','labels':%s}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','annotations':%s}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'},'spec':%s}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'},'spec':{'containers':%s}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'},'spec':{'initContainers':["
		"{'restartPolicy':%s}]}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'},'spec':{'containers':[{'"
		"ports':%s}]}}",
		"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a'},'status':{'podIPs':%s}}",
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a'},'spec':{'podCIDRs':%s}}",
		"{'apiVersion':'v1','kind':'Node','metadata':{'name':'a'},'status':{'addresses':%s}"
		"}",
		"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a'},'spec':{'ports':%s,'"
		"externalIPs':%s}}",
		"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a'},'status':{'"
		"loadBalancer':%s}}",
		"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a'},'status':{'"
		"loadBalancer':{'ingress':%s}}}",
		"{'apiVersion':'networking.k8s.io/"
		"v1','kind':'NetworkPolicy','metadata':{'name':'a'},'spec':%s}",
		"{'apiVersion':'warder.io/"
		"v1alpha1','kind':'IdentityPolicy','metadata':{'name':'a'},'spec':%s}",
		"{'apiVersion':'policy.networking.k8s.io/"
		"v1alpha2','kind':'ClusterNetworkPolicy','metadata':{'name':'a'},'spec':%s}",
	};
	char text[400];

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		for (size_t j = 0; j < sizeof(values) / sizeof(*values); j++) {
			struct warder_object *object = NULL;
			const char *hole = strstr(shapes[i], "%s"), *more = strstr(hole + 2, "%s");
			int code;

			snprintf(text, sizeof(text), "%.*s%s%.*s%s%s", (int)(hole - shapes[i]),
				 shapes[i], values[j], more ? (int)(more - hole - 2) : 0, hole + 2,
				 more ? values[j] : "", more ? more + 2 : hole + 2);
			code = decode(text, &object);
			CU_ASSERT(code ? !object && *error.text : object != NULL);
			warder_object_unref(object);
		}
	}
}

/* A field of no name in a policy's spec: the decoder looked for it for ever (found by tests/fuzz). */
static void test_field_of_no_name(void)
{
	struct warder_object *object = good(NP("", "{'podSelector':{},'':7}"));

	CU_ASSERT(object->policy->broken != NULL);
	warder_object_unref(object);
}

static const struct suite_test tests[] = {
	{"a pod's defaults", test_pod_defaults},
	{"a whole pod", test_pod_whole},
	{"labels are no identity", test_labels_are_no_identity},
	{"wrong pods", test_pod_wrong},
	{"names", test_names},
	{"namespace", test_namespace},
	{"node", test_node},
	{"slice", test_slice},
	{"service", test_service},
	{"kinds", test_kinds},
	{"policies of unknown versions", test_policy_versions},
	{"equality", test_equal},
	{"a field of no name", test_field_of_no_name},
	{"every type everywhere", test_every_type_everywhere},
};

SUITE("decode", tests)
