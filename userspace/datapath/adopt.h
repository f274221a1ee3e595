/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets that are older than the attachment: marked by a program that walks a namespace's
 * sockets. */
#ifndef WARDER_DATAPATH_ADOPT_H
#define WARDER_DATAPATH_ADOPT_H

#include "datapath/datapath.h"

/* Blocks (a walk of the sockets).  0; -ESRCH: the process is gone; -ESTALE: it is in another
 * namespace now. */
int warder_adopt_sockets(int iter_link, const struct warder_netns *netns);

#endif
