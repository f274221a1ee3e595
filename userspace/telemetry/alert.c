/* SPDX-License-Identifier: Apache-2.0 */
/* An alert in words: the names of its numbers, and the sentence that a person reads. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>

#include "telemetry/telemetry.h"

const char *warder_alert_verdict(const struct warder_alert *alert)
{
	return alert->audited ? "would-deny" : "deny";
}

const char *warder_alert_direction(const struct warder_alert *alert)
{
	switch (alert->direction) {
	case WARDER_INGRESS:
		return "ingress";
	case WARDER_EGRESS:
		return "egress";
	}
	return "unknown";
}

const char *warder_alert_hook(const struct warder_alert *alert)
{
	static const char *const names[] = {
		[WARDER_HOOK_FROM_POD] = "from-pod", [WARDER_HOOK_TO_POD] = "to-pod",
		[WARDER_HOOK_CONNECT] = "connect",   [WARDER_HOOK_SENDMSG] = "sendmsg",
		[WARDER_HOOK_CGROUP_SKB] = "cgroup",
	};
	const char *name = alert->hook < sizeof(names) / sizeof(*names) ? names[alert->hook] : NULL;

	return name ? name : "";
}

const char *warder_alert_where(const struct warder_alert *alert, char *buffer, size_t size)
{
	static const char *const names[] = {
#define SOURCE(number, constant, path) [number] = path,
#include "warder/tbl/files.tbl"
#undef SOURCE
	};
	const char *name = alert->file < sizeof(names) / sizeof(*names) ? names[alert->file] : NULL;

	if (name)
		snprintf(buffer, size, "%s:%u", name, alert->line);
	else
		buffer[0] = '\0';
	return buffer;
}

const char *warder_alert_protocol(const struct warder_alert *alert, char *buffer, size_t size)
{
	switch (alert->ethertype) {
	case 0x0806:
		snprintf(buffer, size, "arp");
		return buffer;
	case 0:
	case 0x0800:
	case 0x86dd:
		break;
	default:
		snprintf(buffer, size, "ethertype 0x%04x", alert->ethertype);
		return buffer;
	}
	switch (alert->protocol) {
	case IPPROTO_TCP:
		snprintf(buffer, size, "tcp");
		break;
	case IPPROTO_UDP:
		snprintf(buffer, size, "udp");
		break;
	case IPPROTO_SCTP:
		snprintf(buffer, size, "sctp");
		break;
	case IPPROTO_ICMP:
		snprintf(buffer, size, "icmp");
		break;
	case IPPROTO_ICMPV6:
		snprintf(buffer, size, "icmp6");
		break;
	default:
		snprintf(buffer, size, "%u", alert->protocol);
	}
	return buffer;
}

/* A text that grows and never overflows. */
struct text {
	char *v;
	size_t size, n;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->v + text->n, text->size - text->n, format, args);
	va_end(args);
	if (n > 0)
		text->n += (size_t)n < text->size - text->n ? (size_t)n : text->size - text->n - 1;
}

static void put_side(struct text *text, const struct warder_alert_side *side)
{
	char address[WARDER_ADDRESS_TEXT];

	warder_addr_format(&side->addr, address);
	if (side->pod[0])
		put(text, "%s/%s (ServiceAccount %s, %s)", side->ns, side->pod,
		    side->service_account, address);
	else if (!strcmp(side->identity, "host"))
		put(text, "the node's own host stack (%s)", address);
	else if (side->node[0])
		put(text, "node %s (%s, %s)", side->node, side->identity, address);
	else if (side->identity[0])
		put(text, "%s (%s)", address, side->identity);
	else
		put(text, "%s", address);
}

static void put_what(struct text *text, const struct warder_alert *alert)
{
	char protocol[32];

	warder_alert_protocol(alert, protocol, sizeof(protocol));
	switch (alert->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		for (char *c = protocol; *c; c++)
			*c -= *c >= 'a' && *c <= 'z' ? 'a' - 'A' : 0;
		put(text, "%s to port %u", protocol, alert->destination.port);
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put(text, "ICMP%s type %u code %u", alert->protocol == IPPROTO_ICMP ? "" : "v6",
		    alert->destination.port >> 8, alert->destination.port & 0xff);
		return;
	}
	if (!strcmp(protocol, "arp"))
		put(text, "ARP");
	else if (!strncmp(protocol, "ethertype", 9))
		put(text, "a frame of %s", protocol);
	else
		put(text, "IP protocol %s", protocol);
}

static void put_policies(struct text *text, const struct warder_alert *alert)
{
	size_t shown = alert->n_policies;

	if (shown > WARDER_ALERT_POLICIES)
		shown = WARDER_ALERT_POLICIES;
	for (size_t i = 0; i < shown; i++) {
		const struct warder_alert_policy *policy = &alert->policies[i];
		const char *role = policy->role;

		if (!strcmp(role, "isolates"))
			role = "isolates it and does not allow this";
		else if (!strcmp(role, "denies"))
			role = "denies it";
		else if (!strcmp(role, "would-deny"))
			role = "is in audit mode and would deny it";
		put(text, "%s %s %s%s%s %s", i ? ";" : "", policy->kind, policy->ns,
		    policy->ns[0] ? "/" : "", policy->name, role);
	}
	if (alert->n_policies > shown)
		put(text, "; and %zu more", alert->n_policies - shown);
	if (shown)
		put(text, ".");
}

static void put_counts(struct text *text, __u64 packets, __u64 bytes)
{
	put(text, "%llu packet%s, %llu bytes", packets, packets == 1 ? "" : "s", bytes);
}

static void put_gathered(struct text *text, const struct warder_alert *alert)
{
	const struct warder_reason_text *reason = warder_reason_text(alert->reason);

	if (alert->rule == WARDER_RULE_ALERTS_LOST) {
		put(text, "Alerts that could not be written were given up. They stood for ");
		put_counts(text, alert->packets, alert->bytes);
		put(text, ".");
		return;
	}
	put(text, "Warder %s", alert->audited ? "would have refused" : "refused");
	if (alert->source.identity[0]) {
		put(text, " what ");
		put_side(text, &alert->source);
		put(text, " sent to more peers and ports than are told apart");
	} else {
		put(text, " packets of more pairs than are told apart");
	}
	put(text, " (reason %s): ", reason->name ? reason->name : "unknown");
	put_counts(text, alert->packets, alert->bytes);
	put(text, ". %s", reason->what ? reason->what : "");
}

const char *warder_alert_message(const struct warder_alert *alert, char *buffer, size_t size)
{
	const struct warder_reason_text *reason = warder_reason_text(alert->reason);
	struct text text = {buffer, size, 0};

	buffer[0] = '\0';
	if (alert->other) {
		put_gathered(&text, alert);
		return buffer;
	}
	if (alert->phase == WARDER_ALERT_CLOSE)
		put(&text, "No more of this: ");
	else if (alert->phase == WARDER_ALERT_UPDATE)
		put(&text, "Still: ");
	put(&text, "Warder %s ", alert->audited ? "would have refused" : "refused");
	put_what(&text, alert);
	put(&text, " from ");
	put_side(&text, &alert->source);
	put(&text, " to ");
	put_side(&text, &alert->destination);
	if (alert->direction == WARDER_INGRESS || alert->direction == WARDER_EGRESS)
		put(&text, ", at the %s's %s",
		    alert->direction == WARDER_EGRESS ? "source" : "destination",
		    warder_alert_direction(alert));
	put(&text, " (");
	put_counts(&text, alert->packets, alert->bytes);
	if (alert->phase != WARDER_ALERT_FIRST) {
		put(&text, "; in all ");
		put_counts(&text, alert->total_packets, alert->total_bytes);
	}
	put(&text, "). %s: %s", reason->name ? reason->name : "unknown",
	    reason->what ? reason->what : "A reason that this version does not know.");
	put_policies(&text, alert);
	return buffer;
}
