/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command of warderctl: one row of the table in commands.c, from which parsing, help, man pages,
 * docs/commands.md and completion are made, and a function that runs it.
 */
#ifndef WARDER_CLI_COMMAND_H
#define WARDER_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum warderctl_exit {
	WARDERCTL_OK = 0,
	WARDERCTL_FAILED = 1, /* it could not be done, or the answer is no (each command says) */
	WARDERCTL_USAGE = 2,  /* the command line is wrong */
	WARDERCTL_UNREACHABLE = 3, /* no agent answers */
};

struct warderctl_option {
	const char *name;     /* without dashes */
	const char *argument; /* what its value is, NULL = a flag */
	const char *help;
};

#define WARDERCTL_OPTIONS   10
#define WARDERCTL_ARGUMENTS 4
#define WARDERCTL_COLUMNS   100

struct warderctl_call;

struct warderctl_command {
	const char *noun, *verb; /* verb NULL: the noun is the whole command */
	const char *arguments;	 /* "NAMESPACE/POD", "" = none */
	unsigned least, most;	 /* of arguments */
	const char *summary;	 /* one line, no full stop */
	const char *text;	 /* a paragraph or more for help and man */
	const char *exits;	 /* when it exits with 1, NULL = when the agent cannot answer */
	const char *example;	 /* a command line, or NULL */
	bool output;		 /* has -o */
	bool hidden;		 /* for the build, not for users */
	struct warderctl_option options[WARDERCTL_OPTIONS]; /* ends with name NULL */
	int (*run)(const struct warderctl_call *call);
};

extern const struct warderctl_command warderctl_commands[];
extern const size_t warderctl_n_commands;
extern const struct warderctl_option warderctl_globals[]; /* ends with name NULL */

enum warderctl_output { WARDERCTL_TABLE, WARDERCTL_WIDE, WARDERCTL_JSON };

/* A command line, understood. */
struct warderctl_call {
	const struct warderctl_command *command;
	const char *values[WARDERCTL_OPTIONS]; /* by option; NULL = not given, "" = a flag given */
	const char *arguments[WARDERCTL_ARGUMENTS];
	size_t n_arguments;
	const char *run_dir;
	enum warderctl_output output;
	int argc; /* as typed, from the command's first word on */
	char **argv;
};

/* The whole of warderctl; returns the exit code. */
int warderctl_main(int argc, char **argv);

/* NULL where it was not given; `name` is one of the command's options. */
const char *warderctl_value(const struct warderctl_call *call, const char *name);
/* "warderctl: ..." on stderr; returns `code`. */
int warderctl_fail(enum warderctl_exit code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "10s", "500ms", "2m", "1h" to milliseconds; -EINVAL. */
int warderctl_duration(const char *text, int *ret_ms);

void warderctl_help_command(FILE *out, const struct warderctl_command *command);
void warderctl_help_all(FILE *out);
/* "endpoint get" into `buffer`. */
const char *warderctl_words(const struct warderctl_command *command, char *buffer, size_t size);

/*
 * Asks the agent (takes `request`) and shows the result: as JSON, or by `show`.  `code` (may be
 * NULL) is the exit code that the result stands for.  Errors are told.
 */
int warderctl_show(const struct warderctl_call *call, json_t *request, int timeout_ms,
		   void (*show)(const struct warderctl_call *call, const json_t *result),
		   int (*code)(const json_t *result));
/* Streams every answer to `each` until it returns false or the agent goes. */
int warderctl_stream(const struct warderctl_call *call, json_t *request,
		     bool (*each)(const struct warderctl_call *call, const json_t *result));
void warderctl_print_json(const json_t *json);

/* Members of a result: "" and 0 where there is none. */
const char *warderctl_text(const json_t *json, const char *key);
json_int_t warderctl_number(const json_t *json, const char *key);
bool warderctl_is(const json_t *json, const char *key);

int warderctl_status(const struct warderctl_call *call);
int warderctl_wait(const struct warderctl_call *call);
int warderctl_config(const struct warderctl_call *call);
int warderctl_endpoint_list(const struct warderctl_call *call);
int warderctl_endpoint_get(const struct warderctl_call *call);
int warderctl_identity_list(const struct warderctl_call *call);
int warderctl_policy_list(const struct warderctl_call *call);
int warderctl_policy_get(const struct warderctl_call *call);
int warderctl_probe(const struct warderctl_call *call);
int warderctl_monitor(const struct warderctl_call *call);
int warderctl_map_list(const struct warderctl_call *call);
int warderctl_drops(const struct warderctl_call *call);
int warderctl_counters(const struct warderctl_call *call);
int warderctl_reason(const struct warderctl_call *call);
int warderctl_uninstall(const struct warderctl_call *call);
int warderctl_version(const struct warderctl_call *call);
int warderctl_completion(const struct warderctl_call *call);
int warderctl_man(const struct warderctl_call *call);
int warderctl_reference(const struct warderctl_call *call);
int warderctl_help(const struct warderctl_call *call);

/* An answer of `explain`, from the agent or from manifests; `call` is not used. */
void warderctl_show_explanation(const struct warderctl_call *call, const json_t *answer);

/* Texts made from the tables, for the build and docs/. */
void warderctl_write_man(FILE *out, const char *noun); /* NULL: the page of warderctl itself */
void warderctl_write_commands(FILE *out);
void warderctl_write_alerts(FILE *out);
void warderctl_write_reasons(FILE *out);
void warderctl_write_maps(FILE *out);

#endif
