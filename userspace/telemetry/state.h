/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent knew of the kernel's counts, kept for the agent after it: how much of each open
 * tenancy and of the overflow was counted, and what was counted but not told yet.  Of use only with
 * the same maps in the same boot.
 */
#ifndef WARDER_TELEMETRY_STATE_H
#define WARDER_TELEMETRY_STATE_H

#include "base/error.h"
#include "telemetry/tenancy.h"
#include "warder/counter.h"

#define WARDER_STATE_BOOT 40 /* room for a boot id */

struct warder_state {
	char boot[WARDER_STATE_BOOT];
	__u32 lines_id;					  /* the kernel's id of map `lines` */
	struct warder_counter overflow[WARDER_OVERFLOWS]; /* counted */
	struct warder_counter pending[WARDER_OVERFLOWS]; /* counted, not told: by reason, audited */
};

/* One block of bytes for the file, to be freed by the caller; NULL without memory. */
void *warder_state_pack(const struct warder_state *state, const struct warder_tenancies *tenancies,
			size_t *ret_size);
/* Replaces the file as a whole.  0 or -errno. */
int warder_state_write(const char *path, const void *bytes, size_t size);
/*
 * 0: `ret` and `tenancies` hold what the file has.  -ENOENT: no file; -ESTALE: of another boot, or of
 * other maps than ret->boot and ret->lines_id say; -EINVAL: not such a file.  Then both are untouched.
 */
int warder_state_read(const char *path, struct warder_state *ret,
		      struct warder_tenancies *tenancies);

#endif
