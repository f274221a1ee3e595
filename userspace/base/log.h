/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's log: one line an event on stderr, "LEVEL message".  Library folders never call it. */
#ifndef WARDER_BASE_LOG_H
#define WARDER_BASE_LOG_H

enum warder_log_level { WARDER_LOG_ERROR, WARDER_LOG_WARNING, WARDER_LOG_INFO, WARDER_LOG_DEBUG };

void warder_log_set_level(enum warder_log_level level);
void warder_log(enum warder_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	 warder_log(WARDER_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) warder_log(WARDER_LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 warder_log(WARDER_LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 warder_log(WARDER_LOG_DEBUG, __VA_ARGS__)

#endif
