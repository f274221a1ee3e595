/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one manifest file and decodes what is in it: see source/file.h. */
#include "source/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "source/manifest.h"

#define WHERE_MAX 320 /* a file's name, line and column */

void warder_problems_add(struct warder_problems *problems, bool fatal, const char *where,
			 const char *format, ...)
{
	struct warder_source_problem *grown, problem = {.fatal = fatal};
	va_list args;

	va_start(args, format);
	if (vasprintf(&problem.what, format, args) < 0)
		problem.what = NULL;
	va_end(args);
	problem.where = strdup(where);
	grown = realloc(problems->v, (problems->n + 1) * sizeof(*grown));
	if (grown)
		problems->v = grown;
	if (!grown || !problem.what || !problem.where) {
		free(problem.what);
		free(problem.where);
		return;
	}
	grown[problems->n++] = problem;
}

void warder_problems_release(struct warder_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++) {
		free(problems->v[i].where);
		free(problems->v[i].what);
	}
	free(problems->v);
	*problems = (struct warder_problems){0};
}

bool warder_file_is_manifest(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot &&
	       (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

/* Up to `room` bytes. */
static ssize_t read_all(int fd, char *to, size_t room)
{
	size_t n = 0;
	ssize_t got;

	while (n < room && (got = read(fd, to + n, room - n))) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		n += got;
	}
	return n;
}

int warder_file_load(int dirfd, const char *name, char **ret, size_t *ret_size,
		     struct warder_error *error)
{
	/* A FIFO must not make us wait, nor a terminal become ours. */
	CLEANUP(cleanup_close)
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	CLEANUP(cleanup_free) char *text = NULL;
	struct stat before, after;
	ssize_t n;

	if (fd < 0 || fstat(fd, &before))
		return warder_error_set(error, -errno, "cannot be read: %s", strerror(errno));
	if (!S_ISREG(before.st_mode))
		return warder_error_set(error, -EINVAL, "is not a regular file");
	if (before.st_size > WARDER_MANIFEST_BYTES_MAX)
		return warder_error_set(
			error, -EFBIG,
			"has %lld bytes, at most %d are read: make several files of it",
			(long long)before.st_size, WARDER_MANIFEST_BYTES_MAX);
	text = malloc(before.st_size + 1);
	if (!text)
		return warder_error_set(error, -ENOMEM, "out of memory");
	n = read_all(fd, text, before.st_size + 1); /* one more would show that it grew */
	if (n < 0)
		return warder_error_set(error, n, "cannot be read: %s", strerror(-n));
	if (n != before.st_size || fstat(fd, &after) || after.st_size != n ||
	    after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
		return warder_error_set(error, -EAGAIN, "changes while it is read");
	*ret = TAKE(text);
	*ret_size = n;
	return 0;
}

struct parsing {
	const char *name, *text;
	struct warder_file_content *content;
	size_t room;
};

static void problem_at(struct parsing *parsing, bool fatal, unsigned line, unsigned column,
		       const char *what)
{
	char where[WHERE_MAX];

	if (column)
		snprintf(where, sizeof(where), "%.255s:%u:%u", parsing->name, line, column);
	else if (line)
		snprintf(where, sizeof(where), "%.255s:%u", parsing->name, line);
	else
		snprintf(where, sizeof(where), "%.255s", parsing->name);
	if (parsing->content->problems.n < WARDER_FILE_PROBLEMS_MAX)
		warder_problems_add(&parsing->content->problems, fatal, where, "%s", what);
}

static void object_problem(struct parsing *parsing, bool fatal,
			   const struct warder_manifest_place *place,
			   const struct warder_error *error)
{
	unsigned line = place->line, column = place->column;

	if (parsing->content->problems.n >= WARDER_FILE_PROBLEMS_MAX)
		return; /* to find a place costs a reading of the document */
	warder_manifest_locate(parsing->text, place, error->field, &line, &column);
	problem_at(parsing, fatal, line, column, error->text);
}

static int keep(struct parsing *parsing, struct warder_object *object)
{
	struct warder_file_content *content = parsing->content;

	if (content->n_objects >= WARDER_FILE_OBJECTS_MAX)
		return -EFBIG;
	if (content->n_objects == parsing->room) {
		size_t room = parsing->room ? 2 * parsing->room : 16;
		struct warder_object **grown = realloc(content->objects, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		content->objects = grown;
		parsing->room = room;
	}
	content->objects[content->n_objects++] = object;
	return 0;
}

static int take_object(void *data, const json_t *json, const struct warder_manifest_place *place)
{
	struct parsing *parsing = data;
	struct warder_object *object;
	struct warder_error error = {0};
	char origin[WHERE_MAX];
	int code;

	snprintf(origin, sizeof(origin), "%.200s:%u%s%.*s", parsing->name, place->line,
		 *place->prefix ? " " : "", (int)strlen(place->prefix) - (*place->prefix != 0),
		 place->prefix);
	code = warder_object_decode(json, origin, &object, &error);
	switch (code) {
	case 0:
		if (*error.text)
			object_problem(parsing, false, place, &error);
		code = keep(parsing, object);
		if (code)
			warder_object_unref(object);
		return code;
	case -ENOTSUP:
		parsing->content->unused++;
		snprintf(parsing->content->unused_kind, sizeof(parsing->content->unused_kind), "%s",
			 json_string_value(json_object_get(json, "kind")));
		return 0;
	case -EPROTONOSUPPORT: /* only this object is lost, loudly */
		object_problem(parsing, true, place, &error);
		return 0;
	case -EINVAL: /* go on, so that all of them are told at once */
		object_problem(parsing, true, place, &error);
		parsing->content->refused = true;
		return 0;
	default:
		return code;
	}
}

void warder_file_parse(const char *name, const char *text, size_t size,
		       struct warder_file_content *ret)
{
	struct parsing parsing = {.name = name, .text = text, .content = ret};
	struct warder_manifest_place place = {0};
	struct warder_error error = {0};
	int code;

	*ret = (struct warder_file_content){0};
	code = warder_manifest_read(text, size, take_object, &parsing, &place, &error);
	if (!code)
		return;
	ret->refused = true;
	if (!*error.text)
		warder_error_set(&error, code,
				 code == -EFBIG ? "more than %d objects: make several files of it"
						: "out of memory",
				 WARDER_FILE_OBJECTS_MAX);
	problem_at(&parsing, true, place.line, place.column, error.text);
}

void warder_file_release(struct warder_file_content *content)
{
	for (size_t i = 0; i < content->n_objects; i++)
		warder_object_unref(content->objects[i]);
	free(content->objects);
	warder_problems_release(&content->problems);
	*content = (struct warder_file_content){0};
}
