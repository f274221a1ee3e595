/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static enum warder_log_level limit = WARDER_LOG_INFO;

void warder_log_set_level(enum warder_log_level level)
{
	limit = level;
}

void warder_log(enum warder_log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char line[2048];
	va_list args;

	if (level > limit)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", names[level], line);
}
