/* SPDX-License-Identifier: Apache-2.0 */
/* `uninstall`, and `version`: the two that concern no running agent. */
#include <errno.h>
#include <string.h>

#include "api/api.h"
#include "base/run_dir.h"
#include "cli/command.h"
#include "datapath/datapath.h"
#include "version.h"

static bool agent_runs(const struct warderctl_call *call)
{
	json_t *request = json_pack("{s:s}", "call", "status");
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/%s", call->run_dir, WARDER_API_SOCKET);
	err = warder_api_ask(path, request, 2000, NULL, NULL, NULL);
	json_decref(request);
	return !err || err == -ETIMEDOUT || err == -EREMOTEIO;
}

int warderctl_uninstall(const struct warderctl_call *call)
{
	const char *bpffs = warderctl_value(call, "bpffs");
	bool force = warderctl_value(call, "force");
	struct warder_error error = {""};
	char of_agent[PATH_MAX];
	bool known = !warder_run_dir_get_bpffs(call->run_dir, of_agent);
	int rc;

	if (!bpffs)
		bpffs = known ? of_agent : "/sys/fs/bpf/warder";
	if (!force && agent_runs(call))
		return warderctl_fail(
			WARDERCTL_FAILED,
			"an agent answers in %s and would put everything back: stop it "
			"first, or add --force",
			call->run_dir);
	if (!force && warder_datapath_is_used(bpffs))
		return warderctl_fail(WARDERCTL_FAILED,
				      "an agent works with %s and would put everything back: stop "
				      "it first, or add --force",
				      bpffs);
	if (warder_datapath_uninstall(bpffs, &error) < 0)
		return warderctl_fail(WARDERCTL_FAILED, "%s", error.text);
	printf("Removed: no program of Warder's is attached, and nothing is pinned in %s.\n",
	       bpffs);
	/* What is pinned elsewhere keeps its run directory. */
	if (!force && known && !strcmp(of_agent, bpffs)) {
		rc = warder_run_dir_remove(call->run_dir);
		if (rc)
			return warderctl_fail(WARDERCTL_FAILED, "cannot remove %s: %s",
					      call->run_dir, strerror(-rc));
	}
	return WARDERCTL_OK;
}

int warderctl_version(const struct warderctl_call *call)
{
	if (call->output == WARDERCTL_JSON)
		printf("{\n  \"version\": \"%s\"\n}\n", WARDER_VERSION);
	else
		printf("warderctl %s\n", WARDER_VERSION);
	return WARDERCTL_OK;
}
