/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last good copy of each manifest file, kept in a directory of its own under the file's name,
 * so that a restart with a broken file changes nothing.
 */
#ifndef WARDER_SOURCE_COPIES_H
#define WARDER_SOURCE_COPIES_H

#include "source/file.h"
#include "source/listing.h"

/* A descriptor of the directory, made where it is missing (mode 0700); or -errno. */
int warder_copies_open(const char *path);
/* Writes the copy unless it is the same already. 0 or -errno; the old copy is whole until the new
 * one is. */
int warder_copies_keep(int dirfd, const char *name, const char *text, size_t size);
/* 0 and the text, which the caller frees; -ENOENT. */
int warder_copies_load(int dirfd, const char *name, char **ret, size_t *ret_size);
void warder_copies_drop(int dirfd, const char *name);

#endif
