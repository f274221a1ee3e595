/* SPDX-License-Identifier: Apache-2.0 */
/* `completion`: scripts for bash and zsh, made from the table of commands. */
#include <string.h>

#include "cli/command.h"
#include "telemetry/rules.h"

static void nouns(FILE *out)
{
	const char *last = "";

	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];

		if (command->hidden || !strcmp(command->noun, last))
			continue;
		fprintf(out, "%s%s", last[0] ? " " : "", command->noun);
		last = command->noun;
	}
}

static void verbs(FILE *out, const char *noun)
{
	const char *before = "";

	for (size_t i = 0; i < warderctl_n_commands; i++)
		if (!strcmp(warderctl_commands[i].noun, noun) && warderctl_commands[i].verb) {
			fprintf(out, "%s%s", before, warderctl_commands[i].verb);
			before = " ";
		}
}

static void options(FILE *out, const struct warderctl_command *command)
{
	for (size_t i = 0; i < WARDERCTL_OPTIONS && command->options[i].name; i++)
		fprintf(out, "--%s ", command->options[i].name);
	for (const struct warderctl_option *option = warderctl_globals; option->name; option++)
		if (command->output || strcmp(option->name, "output"))
			fprintf(out, "--%s%s", option->name, option[1].name ? " " : "");
}

/* Words that an argument or a value may be, where they are known without asking. */
static void values(FILE *out)
{
	fputs("\tcase $prev in\n"
	      "\t-o|--output) COMPREPLY=($(compgen -W 'table wide json' -- \"$cur\")); return ;;\n"
	      "\t--protocol) COMPREPLY=($(compgen -W 'TCP UDP SCTP' -- \"$cur\")); return ;;\n"
	      "\t--verdict) COMPREPLY=($(compgen -W 'deny would-deny' -- \"$cur\")); return ;;\n"
	      "\t--run-dir|--bpffs|--manifests) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
	      "\t--batch) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	      "\tcompletion) COMPREPLY=($(compgen -W 'bash zsh' -- \"$cur\")); return ;;\n"
	      "\treason|--reason) COMPREPLY=($(compgen -W 'list",
	      out);
	for (unsigned i = 0; i < WARDER_REASON_MAX; i++)
		if (warder_reason_text(i)->name)
			fprintf(out, " %s", warder_reason_text(i)->name);
	fputs("' -- \"$cur\")); return ;;\n\tesac\n", out);
}

static void bash(FILE *out)
{
	const char *last = "";

	fputs("# bash completion of warderctl: source <(warderctl completion bash)\n"
	      "_warderctl()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i noun= "
	      "verb=\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase ${COMP_WORDS[i]} in\n"
	      "\t\t--run-dir|--output|-o) ((i++)) ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*) if [ -z \"$noun\" ]; then noun=${COMP_WORDS[i]}\n"
	      "\t\t   elif [ -z \"$verb\" ]; then verb=${COMP_WORDS[i]}; fi ;;\n"
	      "\t\tesac\n"
	      "\tdone\n",
	      out);
	values(out);
	fputs("\tif [ -z \"$noun\" ]; then\n\t\tCOMPREPLY=($(compgen -W '", out);
	nouns(out);
	fputs(" --run-dir --help --version' -- \"$cur\")); return\n\tfi\n\tcase \"$noun $verb\" "
	      "in\n",
	      out);
	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];

		if (command->hidden)
			continue;
		if (command->verb && strcmp(last, command->noun)) {
			fprintf(out, "\t\"%s \") COMPREPLY=($(compgen -W '", command->noun);
			verbs(out, command->noun);
			fputs("' -- \"$cur\")) ;;\n", out);
		}
		last = command->noun;
		fprintf(out, "\t\"%s %s\"%s) COMPREPLY=($(compgen -W '", command->noun,
			command->verb ? command->verb : "", command->verb ? "" : "*");
		options(out, command);
		fputs("' -- \"$cur\")) ;;\n", out);
	}
	fputs("\tesac\n}\ncomplete -F _warderctl warderctl\n", out);
}

int warderctl_completion(const struct warderctl_call *call)
{
	if (!strcmp(call->arguments[0], "zsh")) {
		puts("# zsh completion of warderctl: source <(warderctl completion zsh)\n"
		     "autoload -U +X bashcompinit && bashcompinit");
		bash(stdout);
		return WARDERCTL_OK;
	}
	if (strcmp(call->arguments[0], "bash"))
		return warderctl_fail(WARDERCTL_USAGE, "completion %s: bash or zsh",
				      call->arguments[0]);
	bash(stdout);
	return WARDERCTL_OK;
}
