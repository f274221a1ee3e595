/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlice: the addresses and ports behind a Service.  kube-proxy's reading: a port without a
 * number is nobody's backend, and slices of host names are not for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/decode_core.h"

enum {
	ENDPOINTS_MAX = 1000, /* the API server's own limits */
	ADDRESSES_MAX = 100,  /* of an endpoint */
	PORTS_MAX = 20000,
	PORT_NAME_MAX = 63,
};

static int slice_addrs(const struct warder_member *entry, struct warder_endpoint_slice *slice)
{
	struct warder_member list = WARDER_MEMBER(entry, "addresses");
	struct warder_addr *grown;
	size_t n;
	int error = warder_member_object(entry);

	if (!error)
		error = warder_member_array(&list, ADDRESSES_MAX, &n);
	if (error || !n)
		return error;
	grown = realloc(slice->addrs, (slice->n_addrs + n) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	slice->addrs = grown;
	for (size_t i = 0; i < n; i++) {
		struct warder_member addr = WARDER_ELEMENT(&list, i);

		error = warder_member_addr(&addr, &grown[slice->n_addrs]);
		if (error)
			return error;
		slice->n_addrs++;
	}
	return 0;
}

static int slice_port(const struct warder_member *entry, struct warder_endpoint_slice *slice)
{
	struct warder_member number = WARDER_MEMBER(entry, "port"),
			     protocol = WARDER_MEMBER(entry, "protocol"),
			     name = WARDER_MEMBER(entry, "name");
	struct warder_slice_port *port = &slice->ports[slice->n_ports];
	const char *text = NULL;
	long long value = 0;
	int error = warder_member_object(entry);

	if (!error)
		error = warder_member_int(&number, 0, 65535, &value);
	if (!error)
		error = warder_member_protocol(&protocol, &port->protocol);
	if (!error)
		error = warder_member_string(&name, &text);
	if (error || !value)
		return error;
	if (text && strlen(text) > PORT_NAME_MAX)
		return warder_member_fail(&name, "is longer than %d characters", PORT_NAME_MAX);
	if (text && *text) {
		port->name = strdup(text);
		if (!port->name)
			return -ENOMEM;
	}
	port->port = value;
	slice->n_ports++;
	return 0;
}

int warder_decode_slice(const struct warder_member *root, struct warder_endpoint_slice *slice)
{
	struct warder_member type = WARDER_MEMBER(root, "addressType"),
			     endpoints = WARDER_MEMBER(root, "endpoints"),
			     ports = WARDER_MEMBER(root, "ports");
	size_t n = 0, n_ports = 0;
	const char *text = NULL;
	int error = warder_member_string(&type, &text);

	if (!error)
		error = warder_member_array(&endpoints, ENDPOINTS_MAX, &n);
	if (!error)
		error = warder_member_array(&ports, PORTS_MAX, &n_ports);
	if (error || (text && !strcmp(text, "FQDN")))
		return error;
	for (size_t i = 0; !error && i < n; i++) {
		struct warder_member entry = WARDER_ELEMENT(&endpoints, i);

		error = slice_addrs(&entry, slice);
	}
	if (error || !n_ports)
		return error;
	slice->ports = calloc(n_ports, sizeof(*slice->ports));
	if (!slice->ports)
		return -ENOMEM;
	for (size_t i = 0; !error && i < n_ports; i++) {
		struct warder_member entry = WARDER_ELEMENT(&ports, i);

		error = slice_port(&entry, slice);
	}
	return error;
}
