/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An alert in the shape of Falco's JSON output, so that what reads Falco's feed reads Warder's:
 * eight keys, flat output_fields in Falco's names plus warder.*, a fixed small set of rules.
 * Two rules of its readers are kept: k8s.ns.name and k8s.pod.name are strings or absent (anything
 * else makes falcosidekick drop the connection), and `uuid` is never sent (it is overwritten):
 * warder.event_id is the stable one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "telemetry/clock.h"
#include "telemetry/json.h"
#include "telemetry/telemetry.h"

static void set_text(json_t *fields, const char *name, const char *text)
{
	if (text[0])
		json_object_set_new(fields, name, warder_json_text(text));
}

static void set_number(json_t *fields, const char *name, __u64 number)
{
	json_object_set_new(fields, name, json_integer((json_int_t)number));
}

static void set_time(json_t *fields, const char *name, __u64 utc_ns)
{
	char text[40];

	set_text(fields, name, warder_clock_format(utc_ns, 9, text));
}

static bool has_ports(const struct warder_alert *alert)
{
	return alert->protocol == IPPROTO_TCP || alert->protocol == IPPROTO_UDP ||
	       alert->protocol == IPPROTO_SCTP;
}

static bool has_addresses(const struct warder_alert *alert)
{
	return !alert->ethertype || alert->ethertype == 0x0800 || alert->ethertype == 0x86dd ||
	       alert->ethertype == 0x0806;
}

static void put_side(json_t *fields, const char *which, const struct warder_alert *alert,
		     const struct warder_alert_side *side)
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{"identity", side->identity}, {"ns", side->ns},	      {"sa", side->service_account},
		{"pod", side->pod},	      {"uid", side->uid},     {"node", side->node},
		{"cidr", side->cidr},	      {"proof", side->proof},
	};
	char name[32], address[WARDER_ADDRESS_TEXT];

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		snprintf(name, sizeof(name), "warder.%s.%s", which, texts[i].name);
		set_text(fields, name, texts[i].text);
	}
	if (has_addresses(alert)) {
		snprintf(name, sizeof(name), "warder.%s.ip", which);
		set_text(fields, name, warder_addr_format(&side->addr, address));
	}
	if (has_ports(alert) && side->port) { /* none yet where a connect is refused */
		snprintf(name, sizeof(name), "warder.%s.port", which);
		set_number(fields, name, side->port);
	}
}

/* Falco's fd: the client is who sent the packet, the server whom it was for. */
static void put_fd(json_t *fields, const struct warder_alert *alert)
{
	const struct warder_alert_side *client = &alert->source, *server = &alert->destination;
	char protocol[32], from[WARDER_ADDRESS_TEXT], to[WARDER_ADDRESS_TEXT];
	char name[2 * WARDER_ADDRESS_TEXT + 32];

	set_text(fields, "fd.l4proto", warder_alert_protocol(alert, protocol, sizeof(protocol)));
	if (!has_addresses(alert))
		return;
	warder_addr_format(&client->addr, from);
	warder_addr_format(&server->addr, to);
	set_text(fields, "fd.cip", from);
	set_text(fields, "fd.sip", to);
	if (!has_ports(alert)) {
		snprintf(name, sizeof(name), "%s->%s", from, to);
		set_text(fields, "fd.name", name);
		return;
	}
	if (client->port)
		set_number(fields, "fd.cport", client->port);
	set_number(fields, "fd.sport", server->port);
	if (warder_addr_is4(&client->addr))
		snprintf(name, sizeof(name), "%s:%u->%s:%u", from, client->port, to, server->port);
	else
		snprintf(name, sizeof(name), "[%s]:%u->[%s]:%u", from, client->port, to,
			 server->port);
	set_text(fields, "fd.name", name);
}

static void put_policies(json_t *fields, const struct warder_alert *alert)
{
	json_t *all = json_array();
	char text[512];

	for (size_t i = 0; i < alert->n_policies && i < WARDER_ALERT_POLICIES; i++) {
		const struct warder_alert_policy *policy = &alert->policies[i];

		if (!i) {
			set_text(fields, "warder.policy.kind", policy->kind);
			set_text(fields, "warder.policy.ns", policy->ns);
			set_text(fields, "warder.policy.name", policy->name);
			set_text(fields, "warder.policy.role", policy->role);
		}
		snprintf(text, sizeof(text), "%s %s%s%s", policy->kind, policy->ns,
			 policy->ns[0] ? "/" : "", policy->name);
		json_array_append_new(all, warder_json_text(text));
	}
	if (json_array_size(all))
		json_object_set(fields, "warder.policies", all);
	if (alert->n_policies > WARDER_ALERT_POLICIES)
		set_number(fields, "warder.policies_more",
			   alert->n_policies - WARDER_ALERT_POLICIES);
	json_decref(all);
}

static void put_process(json_t *fields, const struct warder_alert *alert)
{
	char name[sizeof(alert->sample.comm) + 1] = "";

	memcpy(name, alert->sample.comm, sizeof(alert->sample.comm));
	if (!alert->sample.pid)
		return;
	set_text(fields, "proc.name", name);
	set_number(fields, "proc.pid", alert->sample.pid);
}

/* What only a single packet has: never where pairs were gathered. */
static void put_packet(json_t *fields, const struct warder_alert *alert)
{
	const struct warder_alert_side *local =
		alert->direction == WARDER_EGRESS ? &alert->source : &alert->destination;
	char where[64];

	set_text(fields, "k8s.ns.name", local->ns);
	set_text(fields, "k8s.pod.name", local->pod);
	set_text(fields, "k8s.pod.uid", local->uid);
	put_side(fields, "src", alert, &alert->source);
	put_side(fields, "dst", alert, &alert->destination);
	put_fd(fields, alert);
	put_policies(fields, alert);
	put_process(fields, alert);
	set_text(fields, "warder.hook", warder_alert_hook(alert));
	set_text(fields, "warder.where", warder_alert_where(alert, where, sizeof(where)));
	set_text(fields, "warder.interface", alert->interface);
	if (alert->protocol == IPPROTO_TCP && alert->sample.tcp_flags)
		set_number(fields, "warder.tcp_flags", alert->sample.tcp_flags);
	if (alert->protocol == IPPROTO_ICMP || alert->protocol == IPPROTO_ICMPV6) {
		set_number(fields, "warder.icmp.type", alert->destination.port >> 8);
		set_number(fields, "warder.icmp.code", alert->destination.port & 0xff);
	}
}

/* Pairs of one source that were gathered. */
static void put_source(json_t *fields, const struct warder_alert *alert)
{
	put_side(fields, "src", alert, &alert->source);
	if (alert->direction != WARDER_EGRESS)
		return;
	set_text(fields, "k8s.ns.name", alert->source.ns);
	set_text(fields, "k8s.pod.name", alert->source.pod);
	set_text(fields, "k8s.pod.uid", alert->source.uid);
}

static json_t *output_fields(const struct warder_alert *alert, const char *cluster)
{
	static const char *const phases[] = {"first", "update", "close"};
	const char *reason = warder_reason_text(alert->reason)->name;
	json_t *fields = json_object();

	set_number(fields, "evt.time", alert->time_ns);
	set_text(fields, "warder.event_id", alert->id);
	set_text(fields, "warder.alert_id", alert->line_id);
	set_text(fields, "warder.phase", phases[alert->phase]);
	set_text(fields, "warder.cluster", cluster);
	set_number(fields, "warder.packets", alert->packets);
	set_number(fields, "warder.bytes", alert->bytes);
	if (alert->rule == WARDER_RULE_ALERTS_LOST)
		return fields;
	set_text(fields, "warder.reason", reason ? reason : "unknown");
	set_text(fields, "warder.verdict", warder_alert_verdict(alert));
	set_text(fields, "warder.direction", warder_alert_direction(alert));
	set_number(fields, "warder.total_packets", alert->total_packets);
	set_number(fields, "warder.total_bytes", alert->total_bytes);
	set_time(fields, "warder.first", alert->first_ns);
	set_time(fields, "warder.last", alert->last_ns);
	json_object_set_new(fields, "warder.gathered", json_boolean(alert->other));
	if (!alert->other)
		put_packet(fields, alert);
	else if (alert->source.identity[0])
		put_source(fields, alert);
	return fields;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The rule's, and `warder`, `network` and `audit` or `deny`: sorted and unique, as Falco's are. */
static json_t *tags(const struct warder_alert *alert)
{
	char buffer[256], *words[32], *rest = buffer, *word;
	json_t *array = json_array();
	size_t n = 0;

	snprintf(buffer, sizeof(buffer), "warder network %s %s", alert->audited ? "audit" : "deny",
		 warder_rule_text(alert->rule)->tags);
	if (alert->rule == WARDER_RULE_ALERTS_LOST)
		snprintf(buffer, sizeof(buffer), "warder %s", warder_rule_text(alert->rule)->tags);
	while (n < 32 && (word = strsep(&rest, " ")))
		if (*word)
			words[n++] = word;
	qsort(words, n, sizeof(*words), by_text);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(words[i], words[i - 1]))
			json_array_append_new(array, json_string(words[i]));
	return array;
}

json_t *warder_alert_falco(const struct warder_alert *alert, const char *hostname,
			   const char *cluster)
{
	const struct warder_rule_text *rule = warder_rule_text(alert->rule);
	char time[40], message[WARDER_ALERT_MESSAGE], output[WARDER_ALERT_MESSAGE + 64];
	json_t *json = json_object();

	if (!json)
		return NULL;
	warder_clock_format(alert->time_ns, 9, time);
	warder_alert_message(alert, message, sizeof(message));
	/* As Falco writes it: the time of day without its zone, the priority, the text. */
	snprintf(output, sizeof(output), "%.18s: %s %s", time + 11, rule->priority, message);
	json_object_set_new(json, "hostname", warder_json_text(hostname));
	json_object_set_new(json, "output", warder_json_text(output));
	json_object_set_new(json, "output_fields", output_fields(alert, cluster ? cluster : ""));
	json_object_set_new(json, "priority", json_string(rule->priority));
	json_object_set_new(json, "rule", json_string(rule->name));
	json_object_set_new(json, "source", json_string("warder"));
	json_object_set_new(json, "tags", tags(alert));
	json_object_set_new(json, "time", json_string(time));
	return json;
}
