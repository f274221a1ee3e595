/* SPDX-License-Identifier: Apache-2.0 */
/* `identity list`. */
#include "cli/command.h"
#include "cli/table.h"

static void list(const struct warderctl_call *call, const json_t *result)
{
	static const char *const headers[] = {">NUMBER", "IDENTITY",  ">PODS",
					      ">HERE",	 "ADDRESSES", NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *identity;
	size_t i;

	json_array_foreach(json_object_get(result, "identities"), i, identity)
	{
		const json_t *addresses = json_object_get(identity, "addresses");
		const char *first = json_string_value(json_array_get(addresses, 0));
		const char *second = json_string_value(json_array_get(addresses, 1));
		size_t n = json_array_size(addresses);

		warderctl_cell(table, "%lld", warderctl_number(identity, "number"));
		warderctl_cell(table, "%s", warderctl_text(identity, "identity"));
		if (warderctl_is(identity, "reserved")) {
			warderctl_cell(table, "-");
			warderctl_cell(table, "-");
		} else {
			warderctl_cell(table, "%lld", warderctl_number(identity, "pods"));
			warderctl_cell(table, "%lld", warderctl_number(identity, "local_pods"));
		}
		warderctl_cell(table, n > 2 ? "%s%s%s +%zu" : "%s%s%s", first ? first : "-",
			       second ? ", " : "", second ? second : "", n - 2);
	}
	warderctl_table_print(table, stdout, call->output == WARDERCTL_WIDE,
			      "No identity is known yet.");
}

int warderctl_identity_list(const struct warderctl_call *call)
{
	return warderctl_show(call, json_pack("{s:s}", "call", "identity.list"), 10000, list, NULL);
}
