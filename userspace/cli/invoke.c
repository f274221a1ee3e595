/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to a call of one command: words, options anywhere, arguments; and help. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/api.h"
#include "cli/command.h"
#include "cli/table.h"

int warderctl_fail(enum warderctl_exit code, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("warderctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

const char *warderctl_words(const struct warderctl_command *command, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s%s%s", command->noun, command->verb ? " " : "",
		 command->verb ? command->verb : "");
	return buffer;
}

const char *warderctl_value(const struct warderctl_call *call, const char *name)
{
	for (size_t i = 0; i < WARDERCTL_OPTIONS && call->command->options[i].name; i++)
		if (!strcmp(call->command->options[i].name, name))
			return call->values[i];
	return NULL;
}

int warderctl_duration(const char *text, int *ret_ms)
{
	static const struct {
		const char *unit;
		long long ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	char *end;
	long long number;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoll(text, &end, 10);
	for (size_t i = 0; !errno && i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit) && number <= 1000000000LL / units[i].ms) {
			*ret_ms = (int)(number * units[i].ms);
			return 0;
		}
	return -EINVAL;
}

static void option_help(FILE *out, const struct warderctl_option *option)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", option->name, option->argument ? " " : "",
		 option->argument ? option->argument : "");
	fprintf(out, "  %-24s ", left);
	warderctl_wrap(out, 27, option->help);
}

void warderctl_help_command(FILE *out, const struct warderctl_command *command)
{
	char words[64];

	warderctl_words(command, words, sizeof(words));
	fprintf(out, "usage: warderctl %s%s%s%s\n\n", words, command->arguments[0] ? " " : "",
		command->arguments,
		command->options[0].name || command->output ? " [OPTIONS]" : "");
	warderctl_wrap(out, 0, command->text);
	if (command->options[0].name) {
		fputs("\nOptions\n", out);
		for (size_t i = 0; i < WARDERCTL_OPTIONS && command->options[i].name; i++)
			option_help(out, &command->options[i]);
	}
	fputs("\nGlobal options\n", out);
	for (const struct warderctl_option *option = warderctl_globals; option->name; option++)
		if (command->output || strcmp(option->name, "output"))
			option_help(out, option);
	if (command->example)
		fprintf(out, "\nExample\n  %s\n", command->example);
	fputs("\nExit codes\n  0  done\n  1  ", out);
	warderctl_wrap(out, 5, command->exits ? command->exits : "when it could not be done");
	fputs("  2  the command line is wrong\n  3  no agent answers\n", out);
}

void warderctl_help_all(FILE *out)
{
	char words[128], text[64];

	fputs("usage: warderctl [--run-dir DIR] [COMMAND] [OPTIONS]\n\n"
	      "Asks the Warder agent of this node. Without a command: the node's state at a "
	      "glance.\n\n"
	      "Commands\n",
	      out);
	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];

		if (command->hidden)
			continue;
		warderctl_words(command, text, sizeof(text));
		snprintf(words, sizeof(words), "%s%s%s", text, command->arguments[0] ? " " : "",
			 command->arguments);
		fprintf(out, "  %-34s ", words);
		warderctl_wrap(out, 37, command->summary);
	}
	fputs("\nGlobal options\n", out);
	for (const struct warderctl_option *option = warderctl_globals; option->name; option++)
		option_help(out, option);
	fputs("\nwarderctl COMMAND --help tells more of each.\n", out);
}

int warderctl_help(const struct warderctl_call *call)
{
	bool found = false;

	if (!call->n_arguments) {
		warderctl_help_all(stdout);
		return WARDERCTL_OK;
	}
	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];

		if (strcmp(command->noun, call->arguments[0]) ||
		    (call->n_arguments > 1 &&
		     (!command->verb || strcmp(command->verb, call->arguments[1]))))
			continue;
		if (found)
			fputc('\n', stdout);
		warderctl_help_command(stdout, command);
		found = true;
	}
	return found ? WARDERCTL_OK
		     : warderctl_fail(WARDERCTL_USAGE,
				      "there is no command \"%s\"; `warderctl help` lists them",
				      call->arguments[0]);
}

/* An option's name of `word` ("--name", "--name=value"), and the value if it carries one. */
static bool names_option(const char *word, const char *name, const char **ret_value)
{
	size_t n = strlen(name);

	if (strncmp(word, "--", 2) || strncmp(word + 2, name, n))
		return false;
	if (word[2 + n] && word[2 + n] != '=')
		return false;
	*ret_value = word[2 + n] ? word + 3 + n : NULL;
	return true;
}

struct words {
	int argc, at;
	char **argv;
};

/* 0, or an exit code: the value of an option that needs one. */
static int take_value(struct words *words, const char *name, const char *inlined, const char **ret)
{
	if (inlined)
		*ret = inlined;
	else if (words->at + 1 < words->argc)
		*ret = words->argv[++words->at];
	else
		return warderctl_fail(WARDERCTL_USAGE, "%s needs a value", name);
	return 0;
}

static int set_output(struct warderctl_call *call, const char *format)
{
	static const char *const names[] = {"table", "wide", "json"};

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(format, names[i])) {
			call->output = i;
			return 0;
		}
	return warderctl_fail(WARDERCTL_USAGE, "-o %s: table, wide or json", format);
}

/* 1: `word` was a global option; 0: it was not; else -(exit code). */
static int take_global(struct warderctl_call *call, struct words *words, bool *help)
{
	const char *word = words->argv[words->at], *value = NULL, *format = "";
	int err;

	if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
		*help = true;
		return 1;
	}
	if (names_option(word, "run-dir", &value)) {
		err = take_value(words, "--run-dir", value, &call->run_dir);
		return err ? -err : 1;
	}
	if (!strncmp(word, "-o", 2)) {
		value = word[2] ? word + 2 + (word[2] == '=') : NULL;
	} else if (!names_option(word, "output", &value)) {
		return 0;
	}
	err = take_value(words, "-o", value, &format);
	if (!err)
		err = set_output(call, format);
	return err ? -err : 1;
}

/* 0 or an exit code. */
static int take_option(struct warderctl_call *call, struct words *words)
{
	const char *word = words->argv[words->at], *value;
	const struct warderctl_command *command = call->command;
	char text[64];

	for (size_t i = 0; i < WARDERCTL_OPTIONS && command->options[i].name; i++) {
		const struct warderctl_option *option = &command->options[i];

		if (!names_option(word, option->name, &value))
			continue;
		if (call->values[i])
			return warderctl_fail(WARDERCTL_USAGE, "--%s is given twice", option->name);
		if (option->argument)
			return take_value(words, word, value, &call->values[i]);
		if (value)
			return warderctl_fail(WARDERCTL_USAGE, "--%s takes no value", option->name);
		call->values[i] = "";
		return 0;
	}
	return warderctl_fail(WARDERCTL_USAGE,
			      "%s has no option %s; `warderctl %s --help` lists them",
			      warderctl_words(command, text, sizeof(text)), word, text);
}

static void fail_verb(const char *noun)
{
	char verbs[128] = "";

	for (size_t i = 0; i < warderctl_n_commands; i++)
		if (!strcmp(warderctl_commands[i].noun, noun))
			snprintf(verbs + strlen(verbs), sizeof(verbs) - strlen(verbs), "%s%s",
				 verbs[0] ? " or " : "", warderctl_commands[i].verb);
	warderctl_fail(WARDERCTL_USAGE, "say what to do: warderctl %s %s", noun, verbs);
}

/* The command whose words argv begins with, and how many words that were; NULL after an error. */
static const struct warderctl_command *find(const struct words *words, int *ret_n)
{
	const char *noun = words->argv[words->at];
	const char *verb = words->at + 1 < words->argc ? words->argv[words->at + 1] : NULL;
	const struct warderctl_command *near = NULL;

	for (size_t i = 0; i < warderctl_n_commands; i++) {
		const struct warderctl_command *command = &warderctl_commands[i];

		if (strcmp(command->noun, noun))
			continue;
		near = command;
		*ret_n = command->verb ? 2 : 1;
		if (!command->verb || (verb && !strcmp(command->verb, verb)))
			return command;
		if (verb && (!strcmp(verb, "--help") || !strcmp(verb, "-h"))) {
			*ret_n = 1;
			return command;
		}
	}
	if (!near)
		warderctl_fail(WARDERCTL_USAGE,
			       "there is no command \"%s\"; `warderctl help` lists them", noun);
	else
		fail_verb(noun);
	return NULL;
}

static int take_words(struct warderctl_call *call, struct words *words, bool *help)
{
	bool only_arguments = false;

	for (; words->at < words->argc; words->at++) {
		const char *word = words->argv[words->at];
		int taken;

		if (!only_arguments && !strcmp(word, "--")) {
			only_arguments = true;
			continue;
		}
		if (!only_arguments && word[0] == '-' && word[1]) {
			taken = take_global(call, words, help);
			if (taken < 0)
				return -taken;
			taken = taken ? 0 : take_option(call, words);
			if (taken)
				return taken;
			continue;
		}
		if (call->n_arguments == WARDERCTL_ARGUMENTS)
			return warderctl_fail(WARDERCTL_USAGE, "too many arguments");
		call->arguments[call->n_arguments++] = word;
	}
	return 0;
}

static int run(struct warderctl_call *call, bool help)
{
	const struct warderctl_command *command = call->command;
	char words[64];
	int code;

	warderctl_words(command, words, sizeof(words));
	if (help) {
		warderctl_help_command(stdout, command);
		return WARDERCTL_OK;
	}
	if (call->n_arguments < command->least || call->n_arguments > command->most)
		return warderctl_fail(WARDERCTL_USAGE, "usage: warderctl %s%s%s", words,
				      command->arguments[0] ? " " : "", command->arguments);
	if (call->output != WARDERCTL_TABLE && !command->output)
		return warderctl_fail(WARDERCTL_USAGE, "%s has no -o", words);
	code = command->run(call);
	if ((fflush(stdout) || ferror(stdout)) && code == WARDERCTL_OK && errno != EPIPE)
		return warderctl_fail(WARDERCTL_FAILED, "cannot write: %s", strerror(errno));
	return code;
}

int warderctl_main(int argc, char **argv)
{
	struct warderctl_call call = {.run_dir = WARDER_RUN_DIR, .command = &warderctl_commands[0]};
	struct words words = {argc, 1, argv};
	bool help = false;
	int n, taken;

	/* Global options may stand before the command. */
	for (; words.at < argc && argv[words.at][0] == '-'; words.at++) {
		if (!strcmp(argv[words.at], "--version"))
			return warderctl_version(&call);
		taken = take_global(&call, &words, &help);
		if (taken < 0)
			return -taken;
		if (!taken)
			return warderctl_fail(WARDERCTL_USAGE,
					      "there is no option %s; `warderctl help` lists them",
					      argv[words.at]);
	}
	if (words.at == argc && help) {
		warderctl_help_all(stdout);
		return WARDERCTL_OK;
	}
	if (words.at < argc) {
		call.command = find(&words, &n);
		if (!call.command)
			return WARDERCTL_USAGE;
		call.argc = argc - words.at;
		call.argv = argv + words.at;
		words.at += n;
		taken = take_words(&call, &words, &help);
		if (taken)
			return taken;
		if (help && call.command->verb &&
		    n == 1) { /* "endpoint --help": all of its verbs */
			call.arguments[0] = call.command->noun;
			call.n_arguments = 1;
			return warderctl_help(&call);
		}
	}
	return run(&call, help);
}
