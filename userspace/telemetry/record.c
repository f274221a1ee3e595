/* SPDX-License-Identifier: Apache-2.0 */
/* An alert as Warder's own JSON (api/calls.h: ALERT, SIDE), and what `monitor` filters it by. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "telemetry/clock.h"
#include "telemetry/json.h"
#include "telemetry/telemetry.h"

static json_t *side_json(const struct warder_alert *alert, const struct warder_alert_side *side)
{
	char address[WARDER_ADDRESS_TEXT];
	json_t *json;

	if (alert->other && !side->identity[0])
		return json_null();
	json = json_object();
	json_object_set_new(json, "address", json_string(warder_addr_format(&side->addr, address)));
	json_object_set_new(json, "port", json_integer(side->port));
	json_object_set_new(json, "identity", warder_json_text_or_null(side->identity));
	json_object_set_new(json, "namespace", warder_json_text_or_null(side->ns));
	json_object_set_new(json, "service_account",
			    warder_json_text_or_null(side->service_account));
	json_object_set_new(json, "pod", warder_json_text_or_null(side->pod));
	json_object_set_new(json, "node", warder_json_text_or_null(side->node));
	json_object_set_new(json, "cidr", warder_json_text_or_null(side->cidr));
	json_object_set_new(json, "proof", warder_json_text_or_null(side->proof));
	return json;
}

static json_t *policies_json(const struct warder_alert *alert)
{
	json_t *array = json_array();

	for (size_t i = 0; i < alert->n_policies && i < WARDER_ALERT_POLICIES; i++) {
		const struct warder_alert_policy *policy = &alert->policies[i];
		json_t *json = json_object();

		json_object_set_new(json, "kind", warder_json_text(policy->kind));
		json_object_set_new(json, "namespace", warder_json_text_or_null(policy->ns));
		json_object_set_new(json, "name", warder_json_text(policy->name));
		json_object_set_new(json, "role", warder_json_text(policy->role));
		json_array_append_new(array, json);
	}
	return array;
}

static json_t *process_json(const struct warder_alert *alert)
{
	char name[sizeof(alert->sample.comm) + 1] = "";
	json_t *json;

	if (alert->other || !alert->sample.pid)
		return json_null();
	memcpy(name, alert->sample.comm, sizeof(alert->sample.comm));
	json = json_object();
	json_object_set_new(json, "pid", json_integer(alert->sample.pid));
	json_object_set_new(json, "comm", warder_json_text(name));
	return json;
}

static void set_time(json_t *json, const char *key, __u64 utc_ns)
{
	char text[40];

	json_object_set_new(json, key, json_string(warder_clock_format(utc_ns, 3, text)));
}

static void set_counts(json_t *json, const struct warder_alert *alert)
{
	json_object_set_new(json, "packets", json_integer((json_int_t)alert->packets));
	json_object_set_new(json, "bytes", json_integer((json_int_t)alert->bytes));
	json_object_set_new(json, "total_packets", json_integer((json_int_t)alert->total_packets));
	json_object_set_new(json, "total_bytes", json_integer((json_int_t)alert->total_bytes));
}

json_t *warder_alert_json(const struct warder_alert *alert)
{
	static const char *const phases[] = {"first", "update", "close"};
	const struct warder_rule_text *rule = warder_rule_text(alert->rule);
	const char *reason = warder_reason_text(alert->reason)->name;
	char text[WARDER_ALERT_MESSAGE];
	json_t *json = json_object();

	set_time(json, "time", alert->time_ns);
	json_object_set_new(json, "id", warder_json_text(alert->id));
	json_object_set_new(json, "alert_id", warder_json_text(alert->line_id));
	json_object_set_new(json, "phase", json_string(phases[alert->phase]));
	json_object_set_new(json, "rule", json_string(rule->name));
	json_object_set_new(json, "priority", json_string(rule->priority));
	json_object_set_new(json, "verdict", json_string(warder_alert_verdict(alert)));
	json_object_set_new(json, "reason", json_string(reason ? reason : "unknown"));
	json_object_set_new(json, "direction", json_string(warder_alert_direction(alert)));
	json_object_set_new(json, "hook", warder_json_text_or_null(warder_alert_hook(alert)));
	json_object_set_new(
		json, "protocol",
		alert->other ? json_null()
			     : json_string(warder_alert_protocol(alert, text, sizeof(text))));
	json_object_set_new(
		json, "where",
		warder_json_text_or_null(warder_alert_where(alert, text, sizeof(text))));
	set_counts(json, alert);
	set_time(json, "first", alert->first_ns);
	set_time(json, "last", alert->last_ns);
	json_object_set_new(json, "other", json_boolean(alert->other));
	json_object_set_new(json, "message",
			    warder_json_text(warder_alert_message(alert, text, sizeof(text))));
	json_object_set_new(json, "source", side_json(alert, &alert->source));
	json_object_set_new(json, "destination", side_json(alert, &alert->destination));
	json_object_set_new(json, "policies", policies_json(alert));
	json_object_set_new(json, "process", process_json(alert));
	json_object_set_new(json, "interface", warder_json_text_or_null(alert->interface));
	return json;
}

static int filter_text(const json_t *arguments, const char *key, char *ret, size_t size,
		       struct warder_error *error)
{
	const json_t *value = json_object_get(arguments, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) >= size)
		return warder_error_set(error, -EINVAL,
					"%s: a string of at most %zu bytes is needed", key,
					size - 1);
	snprintf(ret, size, "%s", json_string_value(value));
	return 0;
}

int warder_alert_filter_parse(const json_t *arguments, struct warder_alert_filter *ret,
			      struct warder_error *error)
{
	struct warder_alert_filter filter = {0};
	const json_t *port = json_object_get(arguments, "port");

	if (filter_text(arguments, "namespace", filter.ns, sizeof(filter.ns), error) ||
	    filter_text(arguments, "service_account", filter.service_account,
			sizeof(filter.service_account), error) ||
	    filter_text(arguments, "pod", filter.pod, sizeof(filter.pod), error) ||
	    filter_text(arguments, "verdict", filter.verdict, sizeof(filter.verdict), error) ||
	    filter_text(arguments, "reason", filter.reason, sizeof(filter.reason), error))
		return -EINVAL;
	if (port && !json_is_null(port)) {
		json_int_t number = json_integer_value(port);

		if (!json_is_integer(port) || number < 1 || number > 65535)
			return warder_error_set(error, -EINVAL,
						"port: a number from 1 to 65535 is needed");
		filter.port = (__u16)number;
	}
	if (filter.verdict[0] && strcmp(filter.verdict, "deny") &&
	    strcmp(filter.verdict, "would-deny"))
		return warder_error_set(error, -EINVAL, "verdict: deny or would-deny, not \"%s\"",
					filter.verdict);
	if (filter.reason[0] && warder_reason_find(filter.reason) < WARDER_REASON_DROP)
		return warder_error_set(
			error, -EINVAL,
			"reason: \"%s\" refuses nothing; `warderctl reason list` has the names",
			filter.reason);
	*ret = filter;
	return 0;
}

static bool side_matches(const struct warder_alert_filter *filter,
			 const struct warder_alert_side *side)
{
	const char *slash = strchr(filter->pod, '/');

	if (filter->ns[0] && strcmp(filter->ns, side->ns))
		return false;
	if (filter->service_account[0] && strcmp(filter->service_account, side->service_account))
		return false;
	if (filter->pod[0] && strcmp(slash ? slash + 1 : filter->pod, side->pod))
		return false;
	return !slash || (!strncmp(filter->pod, side->ns, (size_t)(slash - filter->pod)) &&
			  !side->ns[slash - filter->pod]);
}

bool warder_alert_filter_matches(const struct warder_alert_filter *filter,
				 const struct warder_alert *alert)
{
	const char *reason = warder_reason_text(alert->reason)->name;

	if (filter->verdict[0] && strcmp(filter->verdict, warder_alert_verdict(alert)))
		return false;
	if (filter->reason[0] && (!reason || strcmp(filter->reason, reason)))
		return false;
	if (filter->port && filter->port != alert->source.port &&
	    filter->port != alert->destination.port)
		return false;
	return side_matches(filter, &alert->source) || side_matches(filter, &alert->destination);
}
