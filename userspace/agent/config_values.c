/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsers of configuration values and the table of keys.  A parser knows one form of value;
 * where it came from, and how a fault is told, is agent/config.c's.
 */
#include "agent/config_values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define RUN_DIR_MAX                                                                                \
	90 /* a UNIX socket's path has 108 bytes, and the socket's name comes behind   \
			*/
#define NAME_MAX_ 253

typedef const struct warder_config_key *Key;

static void *field(Key key, struct warder_config *config)
{
	return (char *)config + key->field;
}

static int set_text(char **to, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static int parse_TEXT(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return *value ? set_text(field(key, config), value) : -EINVAL;
}

static int parse_OPTIONAL(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	/* The cluster's name is a text in every alert; the others say NULL for their default. */
	if (*value || key->field == offsetof(struct warder_config, cluster))
		return set_text(field(key, config), value);
	return 0;
}

static int parse_RUN_DIR(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return *value && strlen(value) <= RUN_DIR_MAX ? set_text(field(key, config), value)
						      : -EINVAL;
}

static bool is_name(const char *value, const char *also)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)value[i]) && !isdigit((unsigned char)value[i]) &&
		    !strchr(also, value[i]))
			return false;
	return n && n <= NAME_MAX_;
}

static int parse_DOMAIN(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return is_name(value, "-._") ? set_text(field(key, config), value) : -EINVAL;
}

static int parse_NODE(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	char name[NAME_MAX_ + 1] = "";

	if (*value)
		return is_name(value, "-.") ? set_text(field(key, config), value) : -EINVAL;
	if (gethostname(name, sizeof(name) - 1))
		return -errno;
	for (char *p = name; *p; p++)
		*p = tolower((unsigned char)*p);
	return set_text(field(key, config), name);
}

/* -1 where it is neither. */
static int on_off(const char *value)
{
	return !strcmp(value, "on") ? 1 : !strcmp(value, "off") ? 0 : -1;
}

static int parse_SWITCH(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	int on = on_off(value);

	if (on < 0)
		return -EINVAL;
	*(bool *)field(key, config) = on;
	return 0;
}

/* After `mode`, which gives the default. */
static int parse_HOLD(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	if (*value)
		return parse_SWITCH(key, value, config, ret_part);
	config->hold = !config->audit;
	return 0;
}

static int parse_MODE(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	if (strcmp(value, "enforce") && strcmp(value, "audit"))
		return -EINVAL;
	config->audit = !strcmp(value, "audit");
	return 0;
}

static int parse_LOG_LEVEL(Key key, const char *value, struct warder_config *config,
			   char **ret_part)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(value, names[i]))
			continue;
		config->log_level = (enum warder_log_level)i;
		return 0;
	}
	return -EINVAL;
}

static int whole_number(const char *value, int base, unsigned long long high,
			unsigned long long *ret)
{
	char *end;

	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(value, &end, base);
	return errno || *end || *ret > high ? -EINVAL : 0;
}

static int parse_NUMBER(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	unsigned long long number;

	if (whole_number(value, 10, key->high, &number) || (long long)number < key->low)
		return -EINVAL;
	*(__u32 *)field(key, config) = number;
	return 0;
}

static int parse_MASK(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	unsigned long long number;

	if (whole_number(value, 0, 0xffffffff, &number))
		return -EINVAL;
	/* A number lies in it: with a gap most slots could not be written, and would be nobody. */
	if (number && (number / (number & -number) & (number / (number & -number) + 1)))
		return -EINVAL;
	*(__u32 *)field(key, config) = number;
	return 0;
}

static int parse_DURATION(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	static const struct {
		const char *unit;
		unsigned ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	size_t digits = strspn(value, "0123456789");
	unsigned long long number;

	if (!digits || digits > 9)
		return -EINVAL;
	number = strtoull(value, NULL, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(value + digits, units[i].unit))
			continue;
		number *= units[i].ms;
		if (number < (unsigned long long)key->low || number > (unsigned long long)key->high)
			return -EINVAL;
		*(unsigned *)field(key, config) = number;
		return 0;
	}
	return -EINVAL;
}

/* Calls `add` for each part of a list: between commas, without blanks around it. */
static int each_part(Key key, const char *value, struct warder_config *config, char **ret_part,
		     int (*add)(Key key, char *part, struct warder_config *config))
{
	CLEANUP(cleanup_free) char *copy = strdup(value);
	char *rest = copy, *part;
	size_t n = 0;
	int error;

	if (!copy)
		return -ENOMEM;
	if (!value[strspn(value, " \t")])
		return 0;
	while ((part = strsep(&rest, ","))) {
		part += strspn(part, " \t");
		part[strcspn(part, " \t")] = 0;
		error = ++n > WARDER_CONFIG_LIST_MAX ? -EINVAL : add(key, part, config);
		if (error == -EINVAL)
			*ret_part = strdup(part);
		if (error)
			return error;
	}
	return 0;
}

/* Room for one more element of `size` bytes at the end of *list. */
static void *append(void *list, size_t *n, size_t size)
{
	void **array = list;
	void *grown = realloc(*array, (*n + 1) * size);

	if (!grown)
		return NULL;
	*array = grown;
	return memset((char *)grown + size * (*n)++, 0, size);
}

static int add_prefix(Key key, char *part, struct warder_config *config)
{
	struct warder_prefix prefix, *to;

	if (warder_prefix_parse(part, &prefix))
		return -EINVAL;
	to = append(&config->pod_ranges, &config->n_pod_ranges, sizeof(*to));
	if (!to)
		return -ENOMEM;
	*to = prefix;
	return 0;
}

static int parse_PREFIXES(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return each_part(key, value, config, ret_part, add_prefix);
}

static int add_addr(Key key, char *part, struct warder_config *config)
{
	struct warder_addr addr, *to;

	if (warder_addr_parse(part, &addr))
		return -EINVAL;
	to = append(&config->apiservers, &config->n_apiservers, sizeof(*to));
	if (!to)
		return -ENOMEM;
	*to = addr;
	return 0;
}

static int parse_ADDRS(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return each_part(key, value, config, ret_part, add_addr);
}

static int add_port(Key key, char *part, struct warder_config *config)
{
	unsigned long long number;
	__u16 *to;

	if (whole_number(part, 10, key->high, &number) || (long long)number < key->low)
		return -EINVAL;
	to = append(&config->tunnel_ports, &config->n_tunnel_ports, sizeof(*to));
	if (!to)
		return -ENOMEM;
	*to = number;
	return 0;
}

static int parse_PORTS(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return each_part(key, value, config, ret_part, add_port);
}

static int add_feature(Key key, char *part, struct warder_config *config)
{
	static const struct {
		const char *name;
		enum warder_feature bit;
	} features[] = {{"policy", WARDER_FEATURE_POLICY},
			{"mesh", WARDER_FEATURE_MESH},
			{"alerts", WARDER_FEATURE_ALERTS}};

	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		if (strcmp(part, features[i].name))
			continue;
		config->features |= features[i].bit;
		return 0;
	}
	return -EINVAL;
}

static int parse_FEATURES(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return each_part(key, value, config, ret_part, add_feature);
}

static int add_word(Key key, char *part, struct warder_config *config)
{
	char **to;

	if (!is_name(part, "-."))
		return -EINVAL;
	to = append(&config->opaque_runtime_classes, &config->n_opaque_runtime_classes,
		    sizeof(*to));
	if (!to)
		return -ENOMEM;
	return set_text(to, part);
}

static int parse_WORDS(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return each_part(key, value, config, ret_part, add_word);
}

/* "NS/POD"; what was allocated stays in `ret` for its owner. */
static int parse_pod(char *part, struct warder_config_pod *ret)
{
	char *slash = strchr(part, '/');

	if (!slash)
		return -EINVAL;
	*slash = 0;
	if ((strcmp(part, "*") && !is_name(part, "-")) ||
	    (strcmp(slash + 1, "*") && !is_name(slash + 1, "-."))) {
		*slash = '/';
		return -EINVAL;
	}
	if (set_text(&ret->ns, part) || set_text(&ret->pod, slash + 1))
		return -ENOMEM;
	return 0;
}

static int add_opaque(Key key, char *part, struct warder_config *config)
{
	struct warder_config_pod pod = {0}, *to;
	int error;

	if (!strchr(part, '/'))
		return add_word(key, part, config);
	error = parse_pod(part, &pod);
	to = error ? NULL : append(&config->opaque, &config->n_opaque, sizeof(*to));
	if (to) {
		*to = pod;
		return 0;
	}
	free(pod.ns);
	free(pod.pod);
	return error ? error : -ENOMEM;
}

static int parse_OPAQUE(Key key, const char *value, struct warder_config *config, char **ret_part)
{
	return each_part(key, value, config, ret_part, add_opaque);
}

/* The entry of this pod, made where there is none. */
static int pod_entry(struct warder_config *config, char *part,
		     struct warder_config_pod_prefix **ret)
{
	struct warder_config_pod pod = {0};
	struct warder_config_pod_prefix *to = NULL;
	int error = parse_pod(part, &pod);

	for (size_t i = 0; !error && i < config->n_pod_prefixes; i++)
		if (!strcmp(config->pod_prefixes[i].pod.ns, pod.ns) &&
		    !strcmp(config->pod_prefixes[i].pod.pod, pod.pod))
			*ret = &config->pod_prefixes[i];
	if (!error && !*ret) {
		to = append(&config->pod_prefixes, &config->n_pod_prefixes, sizeof(*to));
		if (!to)
			error = -ENOMEM;
		else
			to->pod = pod;
		*ret = to;
	}
	if (!to) {
		free(pod.ns);
		free(pod.pod);
	}
	return error;
}

static int add_pod_prefix(Key key, char *part, struct warder_config *config)
{
	char *equals = strchr(part, '=');
	struct warder_config_pod_prefix *entry = NULL;
	struct warder_prefix prefix, *to;
	int error;

	if (!equals || warder_prefix_parse(equals + 1, &prefix))
		return -EINVAL;
	*equals = 0;
	error = pod_entry(config, part, &entry);
	*equals = '=';
	if (error)
		return error;
	to = append(&entry->prefixes, &entry->n_prefixes, sizeof(*to));
	if (!to)
		return -ENOMEM;
	*to = prefix;
	return 0;
}

static int parse_POD_PREFIXES(Key key, const char *value, struct warder_config *config,
			      char **ret_part)
{
	return each_part(key, value, config, ret_part, add_pod_prefix);
}

#define ALLOWED_TEXT	 "a text that is not empty"
#define ALLOWED_OPTIONAL "a text"
#define ALLOWED_RUN_DIR                                                                            \
	"a directory whose path has at most 90 characters (a UNIX socket lives in it)"
#define ALLOWED_DOMAIN	  "a name of lower case letters, digits, '-', '_' and '.'"
#define ALLOWED_NODE	  "the name of a Node: lower case letters, digits, '-' and '.'"
#define ALLOWED_SWITCH	  "on or off"
#define ALLOWED_HOLD	  "on or off"
#define ALLOWED_MODE	  "enforce or audit"
#define ALLOWED_LOG_LEVEL "error, warning, info or debug"
#define ALLOWED_NUMBER	  "a whole number"
#define ALLOWED_MASK	  "up to 32 bits side by side, as 0xff000000"
#define ALLOWED_DURATION  "a time, as 500ms, 10s, 1m or 1h"
#define ALLOWED_PREFIXES  "a list of prefixes without host bits, as 10.244.0.0/16,fd00:10::/56"
#define ALLOWED_ADDRS	  "a list of addresses, as 10.0.0.1,fd00::1"
#define ALLOWED_PORTS	  "a list of port numbers"
#define ALLOWED_FEATURES  "a list of policy, mesh and alerts"
#define ALLOWED_WORDS	  "a list of names of RuntimeClasses"
#define ALLOWED_OPAQUE	  "a list of NS/POD (each may be *) or names of RuntimeClasses"
#define ALLOWED_POD_PREFIXES                                                                       \
	"a list of NS/POD=CIDR (NS and POD may be *), as infra/router=10.9.0.0/24"

const struct warder_config_key warder_config_keys[] = {
#define KEY(name, type, field, initial, low, high, argument, brief, help)                          \
	{name,		parse_##type, offsetof(struct warder_config, field),                       \
	 initial,	low,	      high,                                                        \
	 argument,	brief,	      help,                                                        \
	 ALLOWED_##type},
#include "agent/config.tbl"
};
const size_t warder_config_n_keys = sizeof(warder_config_keys) / sizeof(*warder_config_keys);

void warder_config_free(struct warder_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_pod_prefixes; i++) {
		free(config->pod_prefixes[i].pod.ns);
		free(config->pod_prefixes[i].pod.pod);
		free(config->pod_prefixes[i].prefixes);
	}
	for (size_t i = 0; i < config->n_opaque; i++) {
		free(config->opaque[i].ns);
		free(config->opaque[i].pod);
	}
	for (size_t i = 0; i < config->n_opaque_runtime_classes; i++)
		free(config->opaque_runtime_classes[i]);
	free(config->pod_prefixes);
	free(config->opaque);
	free(config->opaque_runtime_classes);
	free(config->pod_ranges);
	free(config->apiservers);
	free(config->tunnel_ports);
	free(config->manifests);
	free(config->node);
	free(config->bpffs);
	free(config->run_dir);
	free(config->alerts);
	free(config->trust_domain);
	free(config->cluster);
	free(config->cgroup_root);
	free(config->link_pattern);
	json_decref(config->shown);
	free(config);
}
