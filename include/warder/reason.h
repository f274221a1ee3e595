/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a packet passed or was refused: the numbers of tbl/reasons.tbl. */
#ifndef WARDER_REASON_H
#define WARDER_REASON_H

#define WARDER_REASON_DROP 16 /* from here on a reason refuses */
#define WARDER_REASON_MAX  64 /* counters hold this many */

enum warder_ring { WARDER_RING_NONE, WARDER_RING_RARE, WARDER_RING_BULK };

enum warder_reason {
#define REASON(number, constant, name, ring, what, mend) WARDER_REASON_##constant = (number),
#include "tbl/reasons.tbl"
#undef REASON
};

#endif
