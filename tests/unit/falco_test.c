/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts against what a reader of Falco's feed accepts.  The receiver here is as strict as a real
 * falcosidekick was measured to be (one JSON object; a string priority of the eight; a rule; an RFC
 * 3339 time with a zone; at least one output field; strings or nothing in the two k8s fields that
 * it makes labels of), and is itself shown to refuse what that one refused.
 */
#include <ctype.h>
#include <stdlib.h>
#include <time.h>

#include <netinet/in.h>

#include "suite.h"
#include "telemetry/telemetry.h"

static bool is_priority(const char *text)
{
	static const char *const words[] = {"emergency",     "alert",	"critical",
					    "error",	     "warning", "notice",
					    "informational", "debug",	"info"};

	for (size_t i = 0; text && i < sizeof(words) / sizeof(*words); i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return false;
}

static bool is_rfc3339(const char *text)
{
	struct tm tm;
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (!rest)
		return false;
	if (*rest == '.') {
		size_t digits = strspn(++rest, "0123456789");

		if (!digits || digits > 9)
			return false;
		rest += digits;
	}
	if (!strcmp(rest, "Z"))
		return true;
	return (*rest == '+' || *rest == '-') && strlen(rest) == 6 && rest[3] == ':';
}

static bool string_or_nothing(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return !value || json_is_null(value) || json_is_string(value);
}

/* What falcosidekick answers 200 to. */
static bool sidekick_accepts(const char *body)
{
	json_t *json = json_loads(body, 0, NULL);
	const json_t *fields = json_object_get(json, "output_fields");
	const char *rule = json_string_value(json_object_get(json, "rule"));
	bool ok;

	ok = json_is_object(json) && rule && rule[0] &&
	     is_priority(json_string_value(json_object_get(json, "priority"))) &&
	     is_rfc3339(json_string_value(json_object_get(json, "time"))) &&
	     json_object_size(fields) > 0 && string_or_nothing(fields, "k8s.ns.name") &&
	     string_or_nothing(fields, "k8s.pod.name") && string_or_nothing(json, "output") &&
	     string_or_nothing(json, "source") && string_or_nothing(json, "hostname");
	json_decref(json);
	return ok;
}

static void test_receiver(void)
{
	static const char *const accepted[] = {
		"{\"output\":\"x\",\"priority\":\"Warning\",\"rule\":\"r\",\"source\":\"syscall\","
		"\"tags\":[\"a\"],"
		"\"hostname\":\"n\",\"time\":\"2026-11-24T22:50:01.123456789Z\",\"output_fields\":{"
		"\"a\":1}}",
		"{\"priority\":\"info\",\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01Z\",\"output_"
		"fields\":{\"a\":1}}",
		"{\"priority\":\"warning\",\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01.1+02:00\","
		"\"output_fields\":"
		"{\"k8s.ns.name\":null,\"n\":{\"m\":1}}}",
	};
	static const char *const refused[] = {
		"{\"priority\":\"High\",\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01Z\",\"output_"
		"fields\":{\"a\":1}}",
		"{\"priority\":4,\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01Z\",\"output_"
		"fields\":{\"a\":1}}",
		"{\"priority\":\"Error\",\"time\":\"2026-11-24T22:50:01Z\",\"output_fields\":{"
		"\"a\":1}}",
		"{\"priority\":\"Error\",\"rule\":\"r\",\"time\":1764024601,\"output_fields\":{"
		"\"a\":1}}",
		"{\"priority\":\"Error\",\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01\",\"output_"
		"fields\":{\"a\":1}}",
		"{\"priority\":\"Error\",\"rule\":\"r\",\"output_fields\":{\"a\":1}}",
		"{\"priority\":\"Error\",\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01Z\",\"output_"
		"fields\":{}}",
		"[{\"priority\":\"Error\",\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01Z\","
		"\"output_fields\":{\"a\":1}}]",
		"{\"priority\":\"Error\",\"rule\":\"r\",\"time\":\"2026-11-24T22:50:01Z\",\"output_"
		"fields\":"
		"{\"k8s.ns.name\":5}}",
	};

	for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++)
		CU_ASSERT_TRUE(sidekick_accepts(accepted[i]));
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		CU_ASSERT_FALSE(sidekick_accepts(refused[i]));
}

static struct warder_alert example(void)
{
	struct warder_alert alert = {
		.id = "n1-5f3a2b1c-19ab-7",
		.line_id = "n1-5f3a2b1c-19ab-7",
		.rule = WARDER_RULE_POLICY_DENIED,
		.reason = WARDER_REASON_POLICY,
		.hook = WARDER_HOOK_TO_POD,
		.direction = WARDER_INGRESS,
		.protocol = IPPROTO_TCP,
		.ethertype = 0x0800,
		.file = WARDER_FILE_JUDGE,
		.line = 120,
		.time_ns = 1795560601123456789ULL,
		.first_ns = 1795560601000000000ULL,
		.last_ns = 1795560601123000000ULL,
		.packets = 3,
		.bytes = 222,
		.total_packets = 3,
		.total_bytes = 222,
		.interface = "veth12",
		.n_policies = 1,
		.policies = {{"NetworkPolicy", "catalyst-openbao", "api", "isolates"}},
	};

	warder_addr_parse("10.42.0.5", &alert.source.addr);
	warder_addr_parse("10.42.0.7", &alert.destination.addr);
	alert.source.port = 41234;
	alert.destination.port = 8200;
	strcpy(alert.source.identity, "spiffe://cluster.local/ns/muscatpharmacy/sa/wordpress");
	strcpy(alert.source.ns, "muscatpharmacy");
	strcpy(alert.source.service_account, "wordpress");
	strcpy(alert.source.pod, "wordpress-0");
	strcpy(alert.destination.identity, "spiffe://cluster.local/ns/catalyst-openbao/sa/openbao");
	strcpy(alert.destination.ns, "catalyst-openbao");
	strcpy(alert.destination.service_account, "openbao");
	strcpy(alert.destination.pod, "openbao-0");
	alert.sample.pid = 42;
	memcpy(alert.sample.comm, "curl", 4);
	return alert;
}

static char *dump(const struct warder_alert *alert)
{
	json_t *json = warder_alert_falco(alert, "n1", "home");
	char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(json);
	return text;
}

static const char *field(const json_t *json, const char *name)
{
	return json_string_value(json_object_get(json_object_get(json, "output_fields"), name));
}

static json_int_t number(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(json, "output_fields"), name));
}

static void test_shape(void)
{
	static const char *const keys[] = {"hostname", "output", "output_fields", "priority",
					   "rule",     "source", "tags",	  "time"};
	struct warder_alert alert = example();
	char *text = dump(&alert);
	json_t *json = json_loads(text, 0, NULL);
	const char *key;
	json_t *value;
	size_t i = 0;

	CU_ASSERT_PTR_NULL(strchr(text, '\n'));
	CU_ASSERT(strlen(text) <= 4096); /* beyond, falcosidekick cuts strings */
	CU_ASSERT_TRUE(sidekick_accepts(text));
	json_object_foreach(json, key, value)
	{
		CU_ASSERT_FATAL(i < 8);
		CU_ASSERT_STRING_EQUAL(key, keys[i++]);
	}
	CU_ASSERT_EQUAL(i, 8);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "time")),
			       "2026-11-24T22:50:01.123456789Z");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "rule")),
			       "Warder policy denied");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "source")), "warder");
	json_decref(json);
	free(text);
}

static void test_fields(void)
{
	struct warder_alert alert = example();
	char *text = dump(&alert);
	json_t *json = json_loads(text, 0, NULL);

	CU_ASSERT_EQUAL(number(json, "evt.time"), 1795560601123456789LL);
	CU_ASSERT_STRING_EQUAL(field(json, "k8s.ns.name"),
			       "catalyst-openbao"); /* the enforced side */
	CU_ASSERT_STRING_EQUAL(field(json, "k8s.pod.name"), "openbao-0");
	CU_ASSERT_STRING_EQUAL(field(json, "fd.cip"), "10.42.0.5");
	CU_ASSERT_STRING_EQUAL(field(json, "fd.sip"), "10.42.0.7");
	CU_ASSERT_EQUAL(number(json, "fd.sport"), 8200);
	CU_ASSERT_EQUAL(number(json, "fd.cport"), 41234);
	CU_ASSERT_STRING_EQUAL(field(json, "fd.l4proto"), "tcp");
	CU_ASSERT_STRING_EQUAL(field(json, "fd.name"), "10.42.0.5:41234->10.42.0.7:8200");
	CU_ASSERT_STRING_EQUAL(field(json, "proc.name"), "curl");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.event_id"), "n1-5f3a2b1c-19ab-7");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.src.identity"),
			       "spiffe://cluster.local/ns/muscatpharmacy/sa/wordpress");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.dst.identity"),
			       "spiffe://cluster.local/ns/catalyst-openbao/sa/openbao");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.src.ns"), "muscatpharmacy");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.dst.pod"), "openbao-0");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.policy.name"), "api");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.reason"), "policy-denied");
	CU_ASSERT_STRING_EQUAL(field(json, "warder.where"), "lib/judge.h:120");
	CU_ASSERT_EQUAL(number(json, "warder.packets"), 3);
	CU_ASSERT_EQUAL(number(json, "warder.bytes"), 222);
	CU_ASSERT_PTR_NULL(json_object_get(json, "uuid"));
	json_decref(json);
	free(text);
}

static void test_output_sentence(void)
{
	struct warder_alert alert = example();
	char buffer[WARDER_ALERT_MESSAGE];

	CU_ASSERT_STRING_EQUAL(warder_alert_message(&alert, buffer, sizeof(buffer)),
			       "Warder refused TCP to port 8200 from muscatpharmacy/wordpress-0 "
			       "(ServiceAccount wordpress, "
			       "10.42.0.5) to catalyst-openbao/openbao-0 (ServiceAccount openbao, "
			       "10.42.0.7), at the "
			       "destination's ingress (3 packets, 222 bytes). policy-denied: No "
			       "policy allows this peer and "
			       "port, and the endpoint is isolated in this direction, or a rule "
			       "denies it. NetworkPolicy "
			       "catalyst-openbao/api isolates it and does not allow this.");
	alert.audited = 1;
	alert.phase = WARDER_ALERT_UPDATE;
	alert.packets = 1;
	alert.direction = WARDER_EGRESS;
	alert.destination = (struct warder_alert_side){.identity = "world", .port = 443};
	warder_addr_parse("2001:db8::1", &alert.destination.addr);
	strcpy(alert.policies[0].role, "would-deny");
	warder_alert_message(&alert, buffer, sizeof(buffer));
	CU_ASSERT_PTR_NOT_NULL(strstr(buffer, "Still: Warder would have refused TCP to port 443"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(buffer, "to 2001:db8::1 (world), at the source's egress (1 packet, "));
	CU_ASSERT_PTR_NOT_NULL(strstr(buffer, "is in audit mode and would deny it."));
	/* A small buffer is filled, never overflown. */
	for (size_t size = 1; size < 200; size++)
		CU_ASSERT(strlen(warder_alert_message(&alert, buffer, size)) < size);
}

/* Every rule, phase, protocol and a gathered line: accepted, tags sorted and unique. */
static void check_line(const struct warder_alert *alert)
{
	char *text = dump(alert);
	json_t *json = json_loads(text, 0, NULL);
	const json_t *tags = json_object_get(json, "tags");

	CU_ASSERT_TRUE(sidekick_accepts(text));
	CU_ASSERT_PTR_NULL(strchr(text, '\n'));
	for (size_t i = 1; i < json_array_size(tags); i++)
		CU_ASSERT(strcmp(json_string_value(json_array_get(tags, i - 1)),
				 json_string_value(json_array_get(tags, i))) < 0);
	json_decref(json);
	json = warder_alert_json(alert);
	CU_ASSERT_PTR_NOT_NULL(json);
	json_decref(json);
	free(text);
}

static void test_every_rule(void)
{
	static const __u8 protocols[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMPV6, 47, 0};
	static const __u16 ethertypes[] = {0, 0x0800, 0x0806, 0x86dd, 0x8100};

	for (int rule = 0; rule < WARDER_RULES; rule++)
		for (size_t i = 0; i < sizeof(protocols); i++)
			for (int bits = 0; bits < 20; bits++) {
				struct warder_alert alert = example();

				alert.rule = rule;
				alert.protocol = protocols[i];
				alert.ethertype = ethertypes[bits / 4];
				alert.audited = bits & 1;
				alert.other = bits & 2;
				alert.phase = bits % 3;
				check_line(&alert);
			}
}

static void test_rules_table(void)
{
	for (int i = 0; i < WARDER_RULES; i++) {
		const struct warder_rule_text *rule = warder_rule_text(i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(rule->name);
		CU_ASSERT_TRUE(is_priority(rule->priority));
		CU_ASSERT_TRUE(isupper((unsigned char)rule->priority[0]));
		CU_ASSERT_FALSE(strncmp(rule->name, "Warder ", 7));
		CU_ASSERT_PTR_NULL(strpbrk(rule->name, "0123456789./:"));
		for (int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(rule->name, warder_rule_text(j)->name);
	}
	CU_ASSERT(WARDER_RULES <= 16); /* a SIEM makes labels of them */
	/* A reason that refuses has a rule: only the internal one is a fault of ours. */
	for (unsigned i = WARDER_REASON_DROP; i < WARDER_REASON_MAX; i++)
		if (warder_reason_text(i)->name && i != WARDER_REASON_INTERNAL)
			CU_ASSERT_NOT_EQUAL(warder_rule_of(i, false), WARDER_RULE_DATAPATH_FAULT);
	CU_ASSERT_EQUAL(warder_rule_of(WARDER_REASON_POLICY, true), WARDER_RULE_POLICY_WOULD_DENY);
	CU_ASSERT_EQUAL(warder_rule_of(WARDER_REASON_SPOOFED_SOURCE, true),
			WARDER_RULE_SPOOFED_ADDRESS);
	CU_ASSERT_EQUAL(warder_rule_of(200, false), WARDER_RULE_DATAPATH_FAULT);
}

/* Names that are not UTF-8 or hold control characters: one line of valid JSON. */
static void test_hostile_names(void)
{
	static const char *const names[] = {
		"\xff\xfe",	    "a\nb\"c\\", "\xc3(", "\xed\xa0\x80", "\xf0\x9f\x98\x80 ok",
		"\xf4\x90\x80\x80", "\x1b[31m"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct warder_alert alert = example();

		memset(alert.sample.comm, 0, sizeof(alert.sample.comm));
		memcpy(alert.sample.comm, names[i], strlen(names[i]));
		strcpy(alert.source.pod, names[i]);
		check_line(&alert);
	}
}

static bool matches(const char *arguments)
{
	struct warder_alert alert = example();
	struct warder_alert_filter filter;
	struct warder_error error;
	json_t *json = json_loads(arguments, 0, NULL);
	bool ok;

	CU_ASSERT_EQUAL(warder_alert_filter_parse(json, &filter, &error), 0);
	ok = warder_alert_filter_matches(&filter, &alert);
	json_decref(json);
	return ok;
}

static bool refuses(const char *arguments)
{
	struct warder_alert_filter filter;
	struct warder_error error = {""};
	json_t *json = json_loads(arguments, 0, NULL);
	int err = warder_alert_filter_parse(json, &filter, &error);

	json_decref(json);
	return err < 0 && error.text[0];
}

static void test_filter(void)
{
	CU_ASSERT_TRUE(matches("{}"));
	CU_ASSERT_TRUE(matches("{\"namespace\":\"muscatpharmacy\"}"));
	CU_ASSERT_TRUE(
		matches("{\"namespace\":\"catalyst-openbao\",\"service_account\":\"openbao\"}"));
	/* One side has to match as a whole. */
	CU_ASSERT_FALSE(
		matches("{\"namespace\":\"muscatpharmacy\",\"service_account\":\"openbao\"}"));
	CU_ASSERT_TRUE(matches("{\"pod\":\"openbao-0\"}"));
	CU_ASSERT_TRUE(matches("{\"pod\":\"catalyst-openbao/openbao-0\"}"));
	CU_ASSERT_FALSE(matches("{\"pod\":\"catalyst/openbao-0\"}"));
	CU_ASSERT_FALSE(matches("{\"pod\":\"catalyst-openbao-2/openbao-0\"}"));
	CU_ASSERT_TRUE(
		matches("{\"port\":8200,\"verdict\":\"deny\",\"reason\":\"policy-denied\"}"));
	CU_ASSERT_FALSE(matches("{\"port\":80}"));
	CU_ASSERT_FALSE(matches("{\"verdict\":\"would-deny\"}"));
	CU_ASSERT_TRUE(matches("{\"port\":null,\"namespace\":null}"));
	CU_ASSERT_TRUE(refuses("{\"port\":70000}"));
	CU_ASSERT_TRUE(refuses("{\"port\":\"80\"}"));
	CU_ASSERT_TRUE(refuses("{\"verdict\":\"allow\"}"));
	CU_ASSERT_TRUE(refuses("{\"reason\":\"nothing\"}"));
	CU_ASSERT_TRUE(refuses("{\"reason\":\"allowed\"}"));
	CU_ASSERT_TRUE(refuses("{\"namespace\":5}"));
}

static const struct suite_test tests[] = {
	{"the strict receiver", test_receiver},
	{"shape", test_shape},
	{"fields", test_fields},
	{"the sentence", test_output_sentence},
	{"every rule, protocol and phase", test_every_rule},
	{"the table of rules", test_rules_table},
	{"hostile names", test_hostile_names},
	{"filter", test_filter},
};
SUITE("falco", tests)
