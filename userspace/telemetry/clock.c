/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets of the wall clock, and their text. */
#include "telemetry/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS	 1000000000LL
#define STEP_NS	 1000000LL
#define BRACKETS 5

static __u64 read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (__u64)ts.tv_sec * NS + ts.tv_nsec;
}

void warder_clock_note(struct warder_clock *clock, __u64 boot_ns, __s64 offset)
{
	if (clock->n && llabs(clock->steps[clock->n - 1].offset - offset) <= STEP_NS) {
		clock->steps[clock->n - 1].offset = offset;
		return;
	}
	if (clock->n == WARDER_CLOCK_STEPS) {
		memmove(clock->steps, clock->steps + 1,
			(WARDER_CLOCK_STEPS - 1) * sizeof(clock->steps[0]));
		clock->n--;
	}
	clock->steps[clock->n].since = boot_ns;
	clock->steps[clock->n].offset = offset;
	clock->n++;
}

/* The tightest of a few brackets: a preempted one is wide, and off by up to its width. */
void warder_clock_refresh(struct warder_clock *clock)
{
	__u64 best = ~0ULL, boot = 0;
	__s64 offset = 0;

	for (int i = 0; i < BRACKETS; i++) {
		__u64 before = read_clock(CLOCK_BOOTTIME);
		__u64 wall = read_clock(CLOCK_REALTIME);
		__u64 after = read_clock(CLOCK_BOOTTIME);

		if (after - before < best) {
			best = after - before;
			boot = before + best / 2;
			offset = (__s64)(wall - boot);
		}
	}
	warder_clock_note(clock, boot, offset);
}

__u64 warder_clock_utc(const struct warder_clock *clock, __u64 boot_ns)
{
	size_t i = clock->n;

	if (!i)
		return boot_ns;
	while (--i > 0)
		if (clock->steps[i].since <= boot_ns)
			break;
	return boot_ns + (__u64)clock->steps[i].offset;
}

__u64 warder_clock_now(const struct warder_clock *clock)
{
	return warder_clock_utc(clock, read_clock(CLOCK_BOOTTIME));
}

const char *warder_clock_format(__u64 utc_ns, int digits, char *buffer)
{
	time_t seconds = utc_ns / NS;
	unsigned long fraction = utc_ns % NS;
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buffer, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	for (int i = digits; i < 9; i++)
		fraction /= 10;
	if (digits)
		snprintf(buffer + n, 40 - n, ".%0*luZ", digits, fraction);
	else
		snprintf(buffer + n, 40 - n, "Z");
	return buffer;
}
