/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys as texts for people: --help, and docs/configuration.md. */
#include "agent/config_values.h"

#include <string.h>

void warder_config_help(FILE *to)
{
	fprintf(to,
		"usage: warderd [--config FILE] [--KEY VALUE]...\n\n"
		"The node agent of Warder: enforces who may talk to whom by (namespace, "
		"ServiceAccount).\n"
		"Each key is also a key of the configuration file, %s where it is there.\n"
		"Lists are written a,b,c (in the file also as YAML lists).\n\n",
		WARDER_CONFIG_FILE);
	for (size_t i = 0; i < warder_config_n_keys; i++) {
		const struct warder_config_key *key = &warder_config_keys[i];
		int used = fprintf(to, "  --%s %s", key->name, key->argument);

		fprintf(to, "%*s%s%s%s%s\n", used < 32 ? 32 - used : 1, "", key->brief,
			*key->initial ? " [" : "", key->initial, *key->initial ? "]" : "");
	}
	fprintf(to, "  --config FILE                 read this configuration file\n"
		    "  --help, --version             this text, the version\n\n"
		    "Exit codes: 0 stopped by a signal, 1 a failure, 2 a fault in the "
		    "configuration.\n");
}

/* Markdown reads a bare * as emphasis. */
static void escaped(FILE *to, const char *text)
{
	for (; *text; text++)
		fprintf(to, *text == '*' || *text == '|' ? "\\%c" : "%c", *text);
}

void warder_config_markdown(FILE *to)
{
	fprintf(to,
		"# Configuration of warderd\n\n"
		"Made from userspace/agent/config.tbl by `warderd --help-markdown`; a test "
		"compares.\n\n"
		"One YAML file, `%s` where it is there, else the one that `--config` names: a map "
		"of the\n"
		"keys below. Each key is also a flag (`--key VALUE` or `--key=VALUE`), and the "
		"flag wins. A list is\n"
		"written `a,b,c`, in the file also as a YAML list. An unknown key or a bad value "
		"ends warderd with\n"
		"exit code 2, naming key, value, where it came from and what is allowed. "
		"`warderctl config` shows each\n"
		"value in force and where it came from.\n\n"
		"```yaml\n"
		"manifests: /etc/warder/manifests\n"
		"mode: audit\n"
		"pod-ranges: [10.244.0.0/16, \"fd00:10:244::/56\"]\n"
		"alerts: /var/log/warder/alerts.json\n"
		"```\n",
		WARDER_CONFIG_FILE);
	for (size_t i = 0; i < warder_config_n_keys; i++) {
		const struct warder_config_key *key = &warder_config_keys[i];

		fprintf(to, "\n## %s\n\n`--%s %s`: ", key->name, key->name, key->argument);
		escaped(to, key->brief);
		fprintf(to, ".\n\n");
		escaped(to, key->help);
		fprintf(to, "\n\nAllowed: ");
		escaped(to, key->allowed);
		if (!strcmp(key->argument, "TIME"))
			fprintf(to, ", from %lldms to %lldms", key->low, key->high);
		else if (key->high)
			fprintf(to, " from %lld to %lld", key->low, key->high);
		if (*key->initial)
			fprintf(to, ". Default: `%s`.\n", key->initial);
		else
			fprintf(to, ". Not set by default.\n");
	}
}

/* roff reads a backslash, and a dot or a quote at the start of a line, as its own. */
static void roff(FILE *to, const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", to);
		fprintf(to, *text == '\\' ? "\\e" : *text == '-' ? "\\-" : "%c", *text);
		start = *text == '\n';
	}
}

void warder_config_man(FILE *to)
{
	fprintf(to,
		".TH WARDERD 8 \"\" \"Warder\" \"Warder\"\n.SH NAME\nwarderd \\- the node agent of "
		"Warder\n"
		".SH SYNOPSIS\n.B warderd\n[\\-\\-config FILE] [\\-\\-KEY VALUE]...\n.SH "
		"DESCRIPTION\n"
		"Enforces who may talk to whom on this node by (namespace, ServiceAccount): reads "
		"objects from a "
		"directory of manifests, compiles them, and keeps the maps of its programs on the "
		"pods' links "
		"true. It runs as root in the node's network namespace. When it stops, what is in "
		"the kernel "
		"stays enforced; \\fBwarderctl uninstall\\fR removes it.\n.PP\n"
		"Each key below is a flag and a key of the configuration file, %s where it is "
		"there; the "
		"flag wins. Lists are written a,b,c.\n.SH KEYS\n",
		WARDER_CONFIG_FILE);
	for (size_t i = 0; i < warder_config_n_keys; i++) {
		const struct warder_config_key *key = &warder_config_keys[i];

		fprintf(to, ".TP\n.BI \\-\\-");
		roff(to, key->name);
		fprintf(to, " \" %s\"\n", key->argument);
		roff(to, key->brief);
		fprintf(to, ".\n");
		roff(to, key->help);
		fprintf(to, "\nAllowed: ");
		roff(to, key->allowed);
		fprintf(to, ". Default: ");
		roff(to, *key->initial ? key->initial : "not set");
		fprintf(to, ".\n");
	}
	fprintf(to, ".SH SIGNALS\nTERM and INT end the agent and leave everything enforced; HUP "
		    "opens the "
		    "file of alerts anew.\n.SH EXIT STATUS\n0 stopped by a signal, 1 a failure, 2 "
		    "a fault "
		    "in the configuration.\n.SH SEE ALSO\n.BR warderctl (1)\n");
}
