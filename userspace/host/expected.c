/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the caller knows of pods that run here: that they are about to come, and which of them stay in the node's own
 * network namespace.  Kept apart from the pods that were seen, since either may come first.
 */
#include <ctype.h>
#include <string.h>

#include "host/state.h"

/* Dashes and case do not count: static pods are written in two ways. */
static void expected_key(const char *uid, char ret[WARDER_UID_TEXT])
{
	size_t n = 0;

	for (; *uid && n < WARDER_UID_TEXT - 1; uid++)
		if (*uid != '-')
			ret[n++] = (char)tolower((unsigned char)*uid);
	ret[n] = 0;
}

void host_pod_expect(struct warder_host *host, struct host_pod *pod)
{
	char key[WARDER_UID_TEXT] = "";
	const struct host_expected *expected;
	bool was_host = pod->expected_host;

	expected_key(pod->uid, key);
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): uthash's own */
	HASH_FIND_STR(host->expected, key, expected);
	pod->expected = expected != NULL;
	pod->expected_host = expected && expected->host_network;
	if (pod->expected_host != was_host)
		pod->due = pod->asked = true;
}

void host_expected_clear(struct warder_host *host)
{
	struct host_expected *expected, *next;

	HASH_ITER (hh, host->expected, expected, next) {
		HASH_DEL(host->expected, expected);
		free(expected);
	}
}

void warder_host_expect(struct warder_host *host, const struct warder_host_expected *pods, size_t n)
{
	struct host_expected *expected;
	struct host_pod *pod;

	host_expected_clear(host);
	for (size_t i = 0; i < n; i++) {
		char key[WARDER_UID_TEXT] = "";

		expected_key(pods[i].uid, key);
		HASH_FIND_STR(host->expected, key, expected);
		if (!expected && (expected = calloc(1, sizeof(*expected)))) {
			memcpy(expected->key, key, sizeof(key));
			HASH_ADD_STR(host->expected, key, expected);
		}
		if (expected)
			expected->host_network = pods[i].host_network;
	}
	for (pod = host->pods; pod; pod = pod->hh.next)
		host_pod_expect(host, pod);
	host_plan(host);
}
