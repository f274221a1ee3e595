/* SPDX-License-Identifier: Apache-2.0 */
/* The names that kubelet gives to the cgroups of pods.  Text only: it must not look at the system.
 */
#include <ctype.h>
#include <string.h>

#include "host/cgroups.h"

/* Kubernetes' own form: 8-4-4-4-12 hex digits with `dash` between, or 32 without. */
static bool is_uuid(const char *text, size_t length, char dash)
{
	if (length != 36 && length != 32)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool at_dash = length == 36 && (i == 8 || i == 13 || i == 18 || i == 23);

		if (at_dash ? text[i] != dash : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* A UID that something else than the API server made up. */
static bool is_name(const char *text, size_t length)
{
	if (!length || length >= WARDER_UID_TEXT)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
			return false;
	return true;
}

static bool part_is(const char *part, size_t length, const char *word)
{
	return length == strlen(word) && !memcmp(part, word, length);
}

/* Is the directory that ends at `end` one in which the cgroupfs driver keeps pods? */
static bool in_kubepods(const char *path, const char *end)
{
	for (int level = 0; level < 2 && end > path; level++) {
		const char *part = end;

		while (part > path && part[-1] != '/')
			part--;
		if (part_is(part, end - part, "kubepods"))
			return true;
		if (!part_is(part, end - part, "burstable") &&
		    !part_is(part, end - part, "besteffort") &&
		    !part_is(part, end - part, "guaranteed"))
			return false;
		end = part > path ? part - 1 : path;
	}
	return false;
}

/* "x-kubepods-burstable-pod<UID>.slice": finds the UID behind the last "-pod". */
static bool systemd_uid(const char *name, size_t length, const char **ret, size_t *ret_length)
{
	static const char suffix[] = ".slice", mark[] = "-pod";
	const char *kubepods = memmem(name, length, "kubepods-", 9), *end;

	if (length <= sizeof(suffix) || memcmp(name + length - 6, suffix, 6))
		return false;
	if (!kubepods || (kubepods != name && kubepods[-1] != '-'))
		return false;
	end = name + length - 6;
	/* Dashes part the levels of a slice: there is none in the UID. */
	for (const char *at = end - 4; at > kubepods; at--) {
		if (memcmp(at, mark, 4))
			continue;
		*ret = at + 4;
		*ret_length = end - *ret;
		return !memchr(*ret, '-', *ret_length);
	}
	return false;
}

bool warder_cgroup_pod_uid(const char *path, char ret[WARDER_UID_TEXT])
{
	const char *name = strrchr(path, '/'), *uid;
	size_t length, uid_length;

	name = name ? name + 1 : path;
	length = strlen(name);
	if (systemd_uid(name, length, &uid, &uid_length)) {
		if (!is_name(uid, uid_length))
			return false;
		memcpy(ret, uid, uid_length);
		ret[uid_length] = 0;
		for (char *c = ret; *c; c++)
			if (*c == '_')
				*c = '-';
		return true;
	}
	if (length <= 3 || memcmp(name, "pod", 3))
		return false;
	uid = name + 3;
	uid_length = length - 3;
	if (!is_uuid(uid, uid_length, '-') &&
	    (!is_name(uid, uid_length) || name == path || !in_kubepods(path, name - 1)))
		return false;
	memcpy(ret, uid, uid_length);
	ret[uid_length] = 0;
	return true;
}
