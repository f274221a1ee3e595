/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's stamps (CLOCK_BOOTTIME) to UTC.  The wall clock may be stepped while a record
 * waits in a ring: a short history gives each stamp the offset of its own time.
 */
#ifndef WARDER_TELEMETRY_CLOCK_H
#define WARDER_TELEMETRY_CLOCK_H

#include <stddef.h>

#include "warder/types.h"

#define WARDER_CLOCK_STEPS 16

struct warder_clock {
	struct {
		__u64 since;	     /* boottime, ns */
		__s64 offset;	     /* UTC - boottime, ns */
	} steps[WARDER_CLOCK_STEPS]; /* oldest first */
	size_t n;
};

void warder_clock_refresh(struct warder_clock *clock); /* measures; each second */
/* What a measurement does: a change of more than a millisecond is a step, less is drift. */
void warder_clock_note(struct warder_clock *clock, __u64 boot_ns, __s64 offset);
__u64 warder_clock_utc(const struct warder_clock *clock, __u64 boot_ns);
__u64 warder_clock_now(const struct warder_clock *clock); /* UTC, ns */

/* RFC 3339, UTC, with `digits` (0, 3, 6, 9) of fraction; `buffer` has room for 40. */
const char *warder_clock_format(__u64 utc_ns, int digits, char *buffer);

#endif
