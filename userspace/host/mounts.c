/* SPDX-License-Identifier: Apache-2.0 */
/* Where cgroup v2 is mounted: /sys/fs/cgroup on a unified system, .../unified or .../cgroup2 on a
 * hybrid one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/host.h"

static void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* mountinfo writes space, tab, newline and backslash as \\ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		unsigned code;

		if (*text == '\\' && sscanf(text + 1, "%3o", &code) == 1 && strlen(text) >= 4) {
			*to++ = (char)code;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

int warder_host_find_cgroup2(char **ret, struct warder_error *error)
{
	CLEANUP(cleanup_file) FILE *file = fopen("/proc/self/mountinfo", "re");
	CLEANUP(cleanup_free) char *line = NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		/* ID parent major:minor root mountpoint options [tags] - type source options
		 * (proc(5)) */
		char *type = strstr(line, " - "), *field = line;

		if (!type || strncmp(type, " - cgroup2 ", 11))
			continue;
		for (int i = 0; field && i < 4; i++) {
			field = strchr(field, ' ');
			field = field ? field + 1 : NULL;
		}
		if (!field || field >= type)
			continue;
		*strchr(field, ' ') = 0;
		unescape(field);
		*ret = strdup(field);
		return *ret ? 0 : -ENOMEM;
	}
	return warder_error_set(
		error, -ENOENT,
		"no cgroup v2 hierarchy is mounted: mount one, or set --cgroup-root");
}
