/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdio.h>

int warder_error_set(struct warder_error *error, int code, const char *format, ...)
{
	va_list args;

	if (!error)
		return code;
	error->field[0] = 0;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}
