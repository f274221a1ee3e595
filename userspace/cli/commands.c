/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands.  A new command is one row here and one function. */
#include "cli/command.h"

#define LIST_TEXT                                                                                  \
	"Names that do not fit into 100 columns are cut; -o wide shows them whole, -o json gives " \
	"everything with stable keys."

const struct warderctl_option warderctl_globals[] = {
	{"run-dir", "DIR", "the agent's run directory (default /run/warder)"},
	{"output", "FORMAT",
	 "-o FORMAT: table (default), wide or json; on commands that show something"},
	{"help", NULL, "-h: what the command does and takes"},
	{NULL, NULL, NULL},
};

const struct warderctl_command warderctl_commands[] = {
	{
		.noun = "status",
		.arguments = "",
		.summary = "the node at a glance: readiness, modes, counts, problems",
		.text = "Shows whether policy, mesh and alerts work on this node, which revision "
			"of the "
			"source is in force, how many endpoints, policies and identities there "
			"are, "
			"what was refused, and everything that needs a person. warderctl without a "
			"command does the same.",
		.exits = "when a feature is not ready",
		.output = true,
		.run = warderctl_status,
	},
	{
		.noun = "wait",
		.arguments = "",
		.summary = "wait until all that the source holds now is in the kernel",
		.text = "A barrier: returns once everything that the source held when it was "
			"called is in "
			"the kernel's maps and every running pod of this node is attached; else "
			"names "
			"what is missing.",
		.exits = "when something is still missing at the timeout",
		.example = "warderctl wait --timeout 30s",
		.output = true,
		.options = {{"timeout", "DURATION",
			     "how long to wait, such as 10s or 500ms (default 10s)"}},
		.run = warderctl_wait,
	},
	{
		.noun = "config",
		.arguments = "",
		.summary = "every configuration key, its value and where that came from",
		.text = "The origin is the flag, the line of the configuration file, or the "
			"default. " LIST_TEXT,
		.output = true,
		.run = warderctl_config,
	},
	{
		.noun = "endpoint",
		.verb = "list",
		.arguments = "",
		.summary = "the pods of this node and what is enforced on each",
		.text = "STATE is attached (both directions of its links are judged), held "
			"(nothing passes "
			"until its identity is known), waiting (no link or cgroup was found yet), "
			"uncovered "
			"(a link that cannot be judged) or host-network. ISOLATED says which "
			"directions "
			"some policy judges. " LIST_TEXT,
		.output = true,
		.run = warderctl_endpoint_list,
	},
	{
		.noun = "endpoint",
		.verb = "get",
		.arguments = "NAMESPACE/POD|ADDRESS",
		.least = 1,
		.most = 1,
		.summary = "one pod: links, cgroup, the policies that select it, its counters",
		.text = "Shows everything that the agent knows of one local pod, with exact "
			"counters by "
			"direction, verdict and reason.",
		.exits = "when this node has no such pod",
		.example = "warderctl endpoint get catalyst-openbao/openbao-0",
		.output = true,
		.run = warderctl_endpoint_get,
	},
	{
		.noun = "identity",
		.verb = "list",
		.arguments = "",
		.summary = "the identities that this node knows, and the pods that carry them",
		.text = "An identity is a (namespace, ServiceAccount) tuple, written as a SPIFFE "
			"ID, or one of "
			"the reserved names such as host, world and unknown. NUMBER stands for it "
			"in the maps "
			"of this node alone. " LIST_TEXT,
		.output = true,
		.run = warderctl_identity_list,
	},
	{
		.noun = "policy",
		.verb = "list",
		.arguments = "",
		.summary = "the policies of every kind, and whether each is in force",
		.text = "STATE is in force, audit (in force, but counts instead of refusing), "
			"pending (not "
			"in the kernel yet) or broken (it could not be understood: it isolates its "
			"subjects "
			"and allows nothing). ENDPOINTS counts the pods of this node that it "
			"selects. " LIST_TEXT,
		.output = true,
		.run = warderctl_policy_list,
	},
	{
		.noun = "policy",
		.verb = "get",
		.arguments = "[NAMESPACE/]NAME",
		.least = 1,
		.most = 1,
		.summary = "one policy: whom it selects and what its rules compiled to",
		.text = "For each rule the peer classes (peers that all policies of this node "
			"treat alike) "
			"with their members, and the ports with their port classes.",
		.exits = "when there is no such policy, or more than one kind has it",
		.example = "warderctl policy get catalyst-openbao/api --kind NetworkPolicy",
		.output = true,
		.options = {{"kind", "KIND", "where policies of several kinds have this name"}},
		.run = warderctl_policy_get,
	},
	{
		.noun = "explain",
		.arguments = "",
		.summary = "what would happen to one connection, and which policies say so",
		.text = "Answers from the compiled state, never from a second set of rules. With "
			"--manifests "
			"no agent and no root are needed: every pod counts as local to its own "
			"node and "
			"both sides are judged; --batch then reads one JSON probe a line (\"-\" is "
			"stdin) and "
			"writes one answer a line, in order. With --kernel the answer comes from "
			"the real "
			"programs and maps by test runs, as root.\n\n"
			"FROM and TO are NAMESPACE/POD or an address. For a default deny the "
			"policies are "
			"those that selected the endpoint and let nothing through.",
		.exits = "when a probe could not be answered; a deny is an answer",
		.example = "warderctl explain --from muscatpharmacy/wordpress-0 --to "
			   "catalyst-openbao/openbao-0 "
			   "--port 8200",
		.output = true,
		.options = {{"from", "FROM", "who sends"},
			    {"to", "TO", "whom it is for"},
			    {"port", "N|NAME",
			     "destination port, or the name of a port of the pod"},
			    {"protocol", "PROTOCOL", "TCP (default), UDP or SCTP"},
			    {"manifests", "DIR", "read this directory instead of asking the agent"},
			    {"batch", "FILE", "with --manifests: probes from this file"},
			    {"kernel", NULL, "with --manifests: ask the real programs (as root)"},
			    {"trust-domain", "NAME", "with --manifests (default cluster.local)"}},
		.run = warderctl_probe,
	},
	{
		.noun = "monitor",
		.arguments = "",
		.summary = "refused and would-be refused packets as they happen",
		.text = "Shows each alert when it is made: a line's first packets at once, then "
			"its exact "
			"counts once a window. Filters are combined; a namespace, ServiceAccount "
			"and pod match "
			"where one side has all of them. With -o json one object a line. Ends with "
			"^C.",
		.exits = "when the agent goes away",
		.example = "warderctl monitor --namespace catalyst-openbao --verdict deny",
		.output = true,
		.options = {{"namespace", "NAME", "one side is in this namespace"},
			    {"service-account", "NAME", "one side has this ServiceAccount"},
			    {"pod", "[NAMESPACE/]NAME", "one side is this pod"},
			    {"port", "N", "source or destination port"},
			    {"verdict", "VERDICT", "deny or would-deny"},
			    {"reason", "NAME", "a reason of `warderctl reason list`"},
			    {"count", "N", "stop after so many"}},
		.run = warderctl_monitor,
	},
	{
		.noun = "map",
		.verb = "list",
		.arguments = "",
		.summary = "the maps in the kernel, their size and where they are pinned",
		.text = "All maps carry their types: `bpftool map dump pinned PATH` prints field "
			"names. " LIST_TEXT,
		.output = true,
		.run = warderctl_map_list,
	},
	{
		.noun = "drops",
		.arguments = "",
		.summary = "the top reasons and pairs of what was refused",
		.text = "REASONS are the exact counters of the datapath. PAIRS are what the alerts "
			"gathered "
			"since the agent started.",
		.example = "warderctl drops --limit 5",
		.output = true,
		.options = {{"limit", "N", "at most so many rows of each (default 10)"}},
		.run = warderctl_drops,
	},
	{
		.noun = "counters",
		.arguments = "",
		.summary = "exact packets and bytes by endpoint, direction, verdict and reason",
		.text = "Counted in the kernel for every packet, never from events. " LIST_TEXT,
		.output = true,
		.run = warderctl_counters,
	},
	{
		.noun = "reason",
		.arguments = "NAME|list",
		.least = 1,
		.most = 1,
		.summary = "what a verdict's reason means, and how to mend it",
		.text = "Needs no agent.",
		.exits = "when there is no such reason",
		.example = "warderctl reason policy-denied",
		.output = true,
		.run = warderctl_reason,
	},
	{
		.noun = "uninstall",
		.arguments = "",
		.summary = "remove every program and map of Warder from this node",
		.text = "Detaches the programs from all links of this network namespace and from "
			"the cgroups, "
			"unpins the maps, and removes what the agent kept in its run directory. "
			"Enforcement ends at once: pods are no longer isolated. Stop the agent "
			"first, since it would put them back.",
		.exits = "when something could not be removed, or an agent still runs",
		.options = {{"bpffs", "DIR",
			     "where it is pinned (default: where the agent of the run directory "
			     "said, or "
			     "else /sys/fs/bpf/warder)"},
			    {"force", NULL, "also while an agent answers at the run directory"}},
		.run = warderctl_uninstall,
	},
	{
		.noun = "version",
		.arguments = "",
		.summary = "the version of warderctl",
		.text = "The agent's is in `warderctl status`.",
		.output = true,
		.run = warderctl_version,
	},
	{
		.noun = "completion",
		.arguments = "bash|zsh",
		.least = 1,
		.most = 1,
		.summary = "a completion script for the shell",
		.text = "For bash: `source <(warderctl completion bash)`. For zsh: `source "
			"<(warderctl "
			"completion zsh)` after compinit.",
		.run = warderctl_completion,
	},
	{
		.noun = "help",
		.arguments = "[COMMAND]",
		.most = 2,
		.summary = "this list, or one command's help",
		.text = "The same as COMMAND --help.",
		.run = warderctl_help,
	},
	{
		.noun = "man",
		.arguments = "DIR",
		.least = 1,
		.most = 1,
		.hidden = true,
		.summary = "write the man pages into a directory",
		.text = "For the build.",
		.run = warderctl_man,
	},
	{
		.noun = "reference",
		.arguments = "alerts|reasons|commands",
		.least = 1,
		.most = 1,
		.hidden = true,
		.summary = "print a page of docs/ that is made from a table",
		.text = "For the build.",
		.run = warderctl_reference,
	},
};

const size_t warderctl_n_commands = sizeof(warderctl_commands) / sizeof(*warderctl_commands);
