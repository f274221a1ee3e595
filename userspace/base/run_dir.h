/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent keeps in its run directory, by name, and where it says which bpffs it pins at: so
 * `warderctl --run-dir DIR uninstall` finds what the agent of that directory left, and removes the
 * directory too.  The names are such that the manifests and a bpffs may lie in the same directory.
 */
#ifndef WARDER_BASE_RUN_DIR_H
#define WARDER_BASE_RUN_DIR_H

#include <linux/limits.h>

#define WARDER_RUN_SOCKET    "warderd.sock"
#define WARDER_RUN_LOCK	     "lock"
#define WARDER_RUN_ALERTS    "alerts.state"
#define WARDER_RUN_LAST_GOOD "last-good"  /* a directory of copies of manifests */
#define WARDER_RUN_BPFFS     "bpffs.path" /* one line */

/* Writes the path of the bpffs directory into `dir`.  0 or -errno. */
int warder_run_dir_set_bpffs(const char *dir, const char *bpffs);
/* Reads it; -ENOENT where no agent wrote one, -EBADMSG where it is no absolute path. */
int warder_run_dir_get_bpffs(const char *dir, char ret[PATH_MAX]);
/* Removes what the agent keeps in `dir`, nothing else, and `dir` where it is empty then.  0 or -errno;
 * 0 where nothing is there. */
int warder_run_dir_remove(const char *dir);

#endif
