/* SPDX-License-Identifier: Apache-2.0 */
/* `uninstall`, and `version`: the two that concern no running agent. */
#include <errno.h>
#include <string.h>

#include "api/api.h"
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
	struct warder_error error = {""};

	if (!bpffs)
		bpffs = "/sys/fs/bpf/warder";
	if (!warderctl_value(call, "force") && agent_runs(call))
		return warderctl_fail(
			WARDERCTL_FAILED,
			"an agent answers in %s and would put everything back: stop it "
			"first, or add --force",
			call->run_dir);
	if (warder_datapath_uninstall(bpffs, &error) < 0)
		return warderctl_fail(WARDERCTL_FAILED, "%s", error.text);
	printf("Removed: no program of Warder's is attached, and nothing is pinned in %s.\n",
	       bpffs);
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
