/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Man pages (one for warderctl, one for each noun) and docs/commands.md, made from the table of
 * commands.  No date and no version in them: they change only when the table does.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"

/* Text in roff: a backslash, and a dot or quote at a line's start, are not commands. */
static void roff(FILE *out, const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		start = *text == '\n';
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\n' && text[1] == '\n')
			fputs("\n.PP", out);
		else
			fputc(*text, out);
	}
	fputc('\n', out);
}

static void roff_option(FILE *out, const struct warderctl_option *option)
{
	fputs(".TP\n.B ", out);
	fputs("\\-\\-", out);
	for (const char *c = option->name; *c; c++)
		fprintf(out, "%s%c", *c == '-' ? "\\" : "", *c);
	if (option->argument)
		fprintf(out, " \\fI%s\\fR", option->argument);
	fputc('\n', out);
	roff(out, option->help);
}

static void roff_exits(FILE *out)
{
	fputs(".SH EXIT STATUS\n"
	      ".TP\n.B 0\nDone, and the answer is yes.\n"
	      ".TP\n.B 1\nIt could not be done, or the answer is no: each command says when.\n"
	      ".TP\n.B 2\nThe command line is wrong.\n"
	      ".TP\n.B 3\nNo agent answers at the run directory's socket.\n",
	      out);
}

static void roff_globals(FILE *out)
{
	fputs(".SH GLOBAL OPTIONS\n", out);
	for (const struct warderctl_option *option = warderctl_globals; option->name; option++)
		roff_option(out, option);
}

static void roff_command(FILE *out, const struct warderctl_command *command)
{
	char words[64];

	fprintf(out, ".SS \"%s%s%s\"\n", warderctl_words(command, words, sizeof(words)),
		command->arguments[0] ? " " : "", command->arguments);
	roff(out, command->text);
	for (size_t i = 0; i < WARDERCTL_OPTIONS && command->options[i].name; i++)
		roff_option(out, &command->options[i]);
	fputs(".PP\nExits with 1 ", out);
	roff(out, command->exits ? command->exits : "when it could not be done");
	if (command->example) {
		fputs(".PP\nExample:\n.PP\n.nf\n    ", out);
		roff(out, command->example);
		fputs(".fi\n", out);
	}
}

static void roff_overview(FILE *out)
{
	char words[64];

	fputs(".SH DESCRIPTION\nAsks the Warder agent of this node over a UNIX socket in its run "
	      "directory "
	      "(mode 0600: run it as root).  Without a command it shows the node's state at a "
	      "glance.\n"
	      ".SH COMMANDS\n",
	      out);
	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];

		if (command->hidden)
			continue;
		fprintf(out, ".TP\n.B %s\n", warderctl_words(command, words, sizeof(words)));
		roff(out, command->summary);
	}
}

void warderctl_write_man(FILE *out, const char *noun)
{
	fputs(".\\\" Made from userspace/cli/commands.c by `make man`.\n", out);
	fprintf(out, ".TH WARDERCTL%s%s 1 \"\" Warder \"Warder's manual\"\n", noun ? "\\-" : "",
		noun ? noun : "");
	fprintf(out, ".SH NAME\nwarderctl%s%s \\- %s\n", noun ? "\\-" : "", noun ? noun : "",
		noun ? "a command of warderctl" : "ask the Warder agent of this node");
	fprintf(out,
		".SH SYNOPSIS\n.B warderctl\n[\\-\\-run\\-dir \\fIDIR\\fR] %s [\\fIOPTIONS\\fR]\n",
		noun ? noun : "[\\fICOMMAND\\fR]");
	if (noun)
		fputs(".SH COMMANDS\n", out);
	else
		roff_overview(out);
	for (size_t i = 0; noun && i < warderctl_n_commands; i++)
		if (!strcmp(warderctl_commands[i].noun, noun))
			roff_command(out, &warderctl_commands[i]);
	roff_globals(out);
	roff_exits(out);
	fputs(".SH SEE ALSO\n", out);
	fputs(noun ? ".BR warderctl (1)\n"
		   : "Each command's own page, such as\n.BR warderctl\\-policy (1).\n",
	      out);
}

static bool is_first_of_noun(size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!strcmp(warderctl_commands[i].noun, warderctl_commands[at].noun))
			return false;
	return true;
}

static int write_page(const char *dir, const char *noun)
{
	char path[4096];
	FILE *out;

	snprintf(path, sizeof(path), "%s/warderctl%s%s.1", dir, noun ? "-" : "", noun ? noun : "");
	out = fopen(path, "we");
	if (!out)
		return warderctl_fail(WARDERCTL_FAILED, "%s: %s", path, strerror(errno));
	warderctl_write_man(out, noun);
	return fclose(out) ? warderctl_fail(WARDERCTL_FAILED, "%s: %s", path, strerror(errno)) : 0;
}

int warderctl_man(const struct warderctl_call *call)
{
	const char *dir = call->arguments[0];
	int code;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return warderctl_fail(WARDERCTL_FAILED, "%s: %s", dir, strerror(errno));
	code = write_page(dir, NULL);
	for (size_t i = 0; !code && i < warderctl_n_commands; i++)
		if (!warderctl_commands[i].hidden && is_first_of_noun(i))
			code = write_page(dir, warderctl_commands[i].noun);
	return code;
}

void warderctl_write_commands(FILE *out)
{
	char words[64];

	fputs("<!-- Made from userspace/cli/commands.c by `make docs`. -->\n"
	      "# warderctl\n\n"
	      "Asks the Warder agent of this node over the UNIX socket in its run directory "
	      "(`--run-dir DIR`, `/run/warder` by default; mode 0600, so run it as root). Without "
	      "a "
	      "command it shows the node's state at a glance. Tables fit 100 columns; `-o wide` "
	      "cuts no "
	      "name, `-o json` has stable keys (docs/api.md).\n\n"
	      "| exit code | meaning |\n|---|---|\n"
	      "| 0 | done, and the answer is yes |\n"
	      "| 1 | it could not be done, or the answer is no: each command says when |\n"
	      "| 2 | the command line is wrong |\n"
	      "| 3 | no agent answers |\n",
	      out);
	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];

		if (command->hidden)
			continue;
		fprintf(out, "\n## `%s%s%s`\n\n%s.\n\n%s\n",
			warderctl_words(command, words, sizeof(words)),
			command->arguments[0] ? " " : "", command->arguments, command->summary,
			command->text);
		if (command->options[0].name)
			fputs("\n| option | |\n|---|---|\n", out);
		for (size_t j = 0; j < WARDERCTL_OPTIONS && command->options[j].name; j++)
			fprintf(out, "| `--%s%s%s` | %s |\n", command->options[j].name,
				command->options[j].argument ? " " : "",
				command->options[j].argument ? command->options[j].argument : "",
				command->options[j].help);
		fprintf(out, "\nExits with 1 %s.\n",
			command->exits ? command->exits : "when it could not be done");
		if (command->example)
			fprintf(out, "\n    %s\n", command->example);
	}
}
