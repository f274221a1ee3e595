/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Node, Pod and Service with Kubernetes' own defaults, since a manifest is read without the API
 * server that would have filled them in.  Only what Warder uses is looked at.
 */
#include "store/decode_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ADDRS_MAX = 256,      /* of one object */
	POD_RANGES_MAX = 64,  /* of a Node */
	CONTAINERS_MAX = 256, /* of each kind in a Pod */
	PORTS_MAX = 1024,     /* of a container, of a Service */
	PORT_NAME_MAX = 63,   /* a Pod's has 15, a Service's 63 */
};

/* Optional string; "" is absent, as where Go leaves it out. */
static int text(const struct warder_member *up, const char *key, char **ret)
{
	struct warder_member field = WARDER_MEMBER(up, key);
	const char *value;

	if (warder_member_string(&field, &value))
		return -EINVAL;
	if (!value || !*value)
		return 0;
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}

static int number(const struct warder_member *up, const char *key, long long max, long long *ret)
{
	struct warder_member field = WARDER_MEMBER(up, key);

	return warder_member_int(&field, 0, max, ret);
}

static int protocol(const struct warder_member *up, __u8 *ret)
{
	struct warder_member field = WARDER_MEMBER(up, "protocol");

	return warder_member_protocol(&field, ret);
}

static int port_name(const struct warder_member *up, char **ret)
{
	struct warder_member field = WARDER_MEMBER(up, "name");
	int error = text(up, "name", ret);

	if (error || !*ret || strlen(*ret) <= PORT_NAME_MAX)
		return error;
	free(*ret);
	*ret = NULL;
	return warder_member_fail(&field, "is longer than %d characters", PORT_NAME_MAX);
}

/* Appends one address, once. */
static int add_addr(const struct warder_member *field, struct warder_addr **addrs, size_t *n)
{
	struct warder_addr addr, *grown;

	if (warder_member_addr(field, &addr))
		return -EINVAL;
	for (size_t i = 0; i < *n; i++)
		if (!warder_addr_compare(&(*addrs)[i], &addr))
			return 0;
	if (*n >= ADDRS_MAX)
		return warder_member_fail(field, "is one address too many, %d are taken",
					  ADDRS_MAX);
	grown = realloc(*addrs, (*n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*addrs = grown;
	grown[(*n)++] = addr;
	return 0;
}

/* Addresses of a list of strings, or (`key` not NULL) of that field of a list of maps. */
static int add_addrs(const struct warder_member *list, const char *key, struct warder_addr **addrs,
		     size_t *n)
{
	size_t entries;
	int error = warder_member_array(list, ADDRS_MAX, &entries);

	for (size_t i = 0; !error && i < entries; i++) {
		struct warder_member entry = WARDER_ELEMENT(list, i);
		struct warder_member inner = WARDER_MEMBER(&entry, key ? key : "");

		error = key ? warder_member_object(&entry) : 0;
		if (!error &&
		    (!key || inner.value)) /* a load balancer may have a host name instead */
			error = add_addr(key ? &inner : &entry, addrs, n);
	}
	return error;
}

/* hostPort, and hostIP where it is one address and not all of them. */
static int host_port(const struct warder_member *entry, struct warder_container_port *port)
{
	struct warder_member field = WARDER_MEMBER(entry, "hostIP");
	long long value;
	const char *text;
	int error = number(entry, "hostPort", 65535, &value);

	if (!error)
		error = warder_member_string(&field, &text);
	if (error)
		return error;
	port->host_port = value;
	if (!text || !*text || !strcmp(text, "0.0.0.0"))
		return 0;
	return warder_member_addr(&field, &port->host_addr);
}

static int container_port(const struct warder_member *entry, struct warder_pod *pod)
{
	struct warder_container_port *grown, port = {0};
	struct warder_member field = WARDER_MEMBER(entry, "containerPort");
	long long value;
	int error = warder_member_object(entry);

	if (!error)
		error = warder_member_int(&field, 1, 65535, &value);
	if (!error && !field.value)
		error = warder_member_fail(&field, "is missing, give a port from 1 to 65535");
	if (!error)
		error = protocol(entry, &port.protocol);
	if (!error)
		error = host_port(entry, &port);
	if (!error)
		error = port_name(entry, &port.name);
	if (error)
		return error;
	port.port = value;
	grown = realloc(pod->ports, (pod->n_ports + 1) * sizeof(*grown));
	if (!grown) {
		free(port.name);
		return -ENOMEM;
	}
	pod->ports = grown;
	grown[pod->n_ports++] = port;
	return 0;
}

/* Of init containers only those that go on running beside the others (sidecars) serve ports. */
static int containers(const struct warder_member *spec, const char *key, bool restartable,
		      struct warder_pod *pod)
{
	struct warder_member list = WARDER_MEMBER(spec, key);
	size_t n, n_ports;
	int error = warder_member_array(&list, CONTAINERS_MAX, &n);

	for (size_t i = 0; !error && i < n; i++) {
		struct warder_member entry = WARDER_ELEMENT(&list, i);
		struct warder_member policy = WARDER_MEMBER(&entry, "restartPolicy");
		struct warder_member ports = WARDER_MEMBER(&entry, "ports");
		const char *restart = NULL;

		error = warder_member_object(&entry);
		if (!error)
			error = warder_member_string(&policy, &restart);
		if (error || (restartable && (!restart || strcmp(restart, "Always"))))
			continue;
		error = warder_member_array(&ports, PORTS_MAX, &n_ports);
		for (size_t j = 0; !error && j < n_ports; j++) {
			struct warder_member port = WARDER_ELEMENT(&ports, j);

			error = container_port(&port, pod);
		}
	}
	return error;
}

/*
 * "default" where neither name is given.  serviceAccount is the older alias: it counts where
 * serviceAccountName is absent, as in the API server's conversion.
 */
static int service_account(const struct warder_member *spec, struct warder_pod *pod)
{
	struct warder_member field = WARDER_MEMBER(spec, "serviceAccountName");
	int error = text(spec, "serviceAccountName", &pod->service_account);

	if (!error && !pod->service_account) {
		field.key = "serviceAccount";
		error = text(spec, "serviceAccount", &pod->service_account);
	}
	if (!error && !pod->service_account) {
		pod->service_account = strdup("default");
		return pod->service_account ? 0 : -ENOMEM;
	}
	if (!error && !warder_name_is_subdomain(pod->service_account))
		return warder_member_fail(&field,
					  "\"%.80s\" is not the name of a ServiceAccount (lower "
					  "case letters, digits, '-', '.')",
					  pod->service_account);
	return error;
}

static int phase(const struct warder_member *status, struct warder_pod *pod)
{
	struct warder_member field = WARDER_MEMBER(status, "phase");
	const char *value;

	if (warder_member_string(&field, &value))
		return -EINVAL;
	if (!value || !*value || !strcmp(value, "Pending"))
		pod->phase = WARDER_POD_PENDING;
	else if (!strcmp(value, "Running"))
		pod->phase = WARDER_POD_RUNNING;
	else if (!strcmp(value, "Succeeded") || !strcmp(value, "Failed"))
		pod->phase = WARDER_POD_FINISHED;
	else
		pod->phase = WARDER_POD_UNKNOWN;
	return 0;
}

static int pod_addrs(const struct warder_member *status, struct warder_pod *pod)
{
	struct warder_member one = WARDER_MEMBER(status, "podIP"),
			     all = WARDER_MEMBER(status, "podIPs");
	const char *value;
	int error;

	error = add_addrs(&all, "ip", &pod->addrs, &pod->n_addrs);
	if (error || pod->n_addrs)
		return error;
	if (warder_member_string(&one, &value))
		return -EINVAL;
	return value && *value ? add_addr(&one, &pod->addrs, &pod->n_addrs) : 0;
}

int warder_decode_pod(const struct warder_member *root, struct warder_pod *pod)
{
	struct warder_member spec = WARDER_MEMBER(root, "spec"),
			     status = WARDER_MEMBER(root, "status");
	struct warder_member host = WARDER_MEMBER(&spec, "hostNetwork");
	int error = warder_member_object(&spec);

	if (!error)
		error = warder_member_object(&status);
	if (!error)
		error = text(&spec, "nodeName", &pod->node);
	if (!error)
		error = service_account(&spec, pod);
	if (!error)
		error = text(&spec, "runtimeClassName", &pod->runtime_class);
	if (!error)
		error = warder_member_bool(&host, &pod->host_network);
	if (!error)
		error = containers(&spec, "containers", false, pod);
	if (!error)
		error = containers(&spec, "initContainers", true, pod);
	if (!error)
		error = phase(&status, pod);
	return error ? error : pod_addrs(&status, pod);
}

static int node_addrs(const struct warder_member *status, struct warder_node *node)
{
	struct warder_member list = WARDER_MEMBER(status, "addresses");
	size_t n;
	int error = warder_member_array(&list, ADDRS_MAX, &n);

	for (size_t i = 0; !error && i < n; i++) {
		struct warder_member entry = WARDER_ELEMENT(&list, i);
		struct warder_member type = WARDER_MEMBER(&entry, "type"),
				     addr = WARDER_MEMBER(&entry, "address");
		const char *value = NULL;

		error = warder_member_object(&entry);
		if (!error)
			error = warder_member_string(&type, &value);
		if (!error && value &&
		    (!strcmp(value, "InternalIP") || !strcmp(value, "ExternalIP")))
			error = add_addr(&addr, &node->addrs, &node->n_addrs);
	}
	return error;
}

/* Text of a range; host bits are cleared, as kube-controller-manager's readers do. */
static int add_range(const struct warder_member *field, struct warder_node *node)
{
	struct warder_prefix prefix, *grown;
	const char *value;
	int error;

	if (warder_member_string(field, &value))
		return -EINVAL;
	error = value ? warder_prefix_parse(value, &prefix) : -EINVAL;
	if (error && error != -EDOM)
		return warder_member_fail(field,
					  "\"%.60s\" is not a range, write it like 10.244.1.0/24",
					  value ? value : "");
	grown = realloc(node->pod_ranges, (node->n_pod_ranges + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	node->pod_ranges = grown;
	grown[node->n_pod_ranges++] = prefix;
	return 0;
}

int warder_decode_node(const struct warder_member *root, struct warder_node *node)
{
	struct warder_member spec = WARDER_MEMBER(root, "spec"),
			     status = WARDER_MEMBER(root, "status");
	struct warder_member all = WARDER_MEMBER(&spec, "podCIDRs"),
			     one = WARDER_MEMBER(&spec, "podCIDR");
	size_t n = 0;
	int error = warder_member_object(&spec);

	if (!error)
		error = warder_member_object(&status);
	if (!error)
		error = warder_member_array(&all, POD_RANGES_MAX, &n);
	for (size_t i = 0; !error && i < n; i++) {
		struct warder_member range = WARDER_ELEMENT(&all, i);

		error = add_range(&range, node);
	}
	if (!error && !n && one.value)
		error = add_range(&one, node);
	return error ? error : node_addrs(&status, node);
}

/* clusterIPs, or the older clusterIP; a headless Service says "None". */
static int cluster_addrs(const struct warder_member *spec, struct warder_service *service)
{
	struct warder_member list = WARDER_MEMBER(spec, "clusterIPs"),
			     one = WARDER_MEMBER(spec, "clusterIP");
	const char *value;
	size_t n;
	int error = warder_member_array(&list, ADDRS_MAX, &n);

	for (size_t i = 0; !error && i <= n; i++) {
		struct warder_member entry = WARDER_ELEMENT(&list, i);
		struct warder_member *field = i < n ? &entry : &one;

		if (i == n && n) /* the older field counts alone */
			break;
		error = warder_member_string(field, &value);
		if (!error && value && *value && strcmp(value, "None"))
			error = add_addr(field, &service->addrs, &service->n_addrs);
	}
	return error;
}

static int service_port(const struct warder_member *entry, struct warder_service_port *port)
{
	struct warder_member field = WARDER_MEMBER(entry, "port");
	long long value, node_port;
	int error = warder_member_object(entry);

	if (!error)
		error = warder_member_int(&field, 1, 65535, &value);
	if (!error && !field.value)
		error = warder_member_fail(&field, "is missing, give a port from 1 to 65535");
	if (!error)
		error = number(entry, "nodePort", 65535, &node_port);
	if (!error)
		error = protocol(entry, &port->protocol);
	if (!error)
		error = port_name(entry, &port->name);
	if (error)
		return error;
	port->port = value;
	port->node_port = node_port;
	return 0;
}

int warder_decode_service(const struct warder_member *root, struct warder_service *service)
{
	struct warder_member spec = WARDER_MEMBER(root, "spec"),
			     status = WARDER_MEMBER(root, "status");
	struct warder_member balancer = WARDER_MEMBER(&status, "loadBalancer");
	struct warder_member external = WARDER_MEMBER(&spec, "externalIPs"),
			     ports = WARDER_MEMBER(&spec, "ports");
	struct warder_member ingress = WARDER_MEMBER(&balancer, "ingress");
	size_t n = 0;
	int error = warder_member_object(&spec);

	if (!error)
		error = warder_member_object(&status);
	if (!error)
		error = warder_member_object(&balancer);
	if (!error)
		error = cluster_addrs(&spec, service);
	if (!error)
		error = add_addrs(&external, NULL, &service->addrs, &service->n_addrs);
	if (!error)
		error = add_addrs(&ingress, "ip", &service->addrs, &service->n_addrs);
	if (!error)
		error = warder_member_array(&ports, PORTS_MAX, &n);
	if (error || !n)
		return error;
	service->ports = calloc(n, sizeof(*service->ports));
	if (!service->ports)
		return -ENOMEM;
	for (size_t i = 0; !error && i < n; i++) {
		struct warder_member port = WARDER_ELEMENT(&ports, i);

		error = service_port(&port, &service->ports[i]);
		service->n_ports++;
	}
	return error;
}
