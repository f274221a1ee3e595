/* SPDX-License-Identifier: Apache-2.0 */
/* `config`: each key, its value and its origin. */
#include "cli/command.h"
#include "cli/table.h"

static void show(const struct warderctl_call *call, const json_t *result)
{
	static const char *const headers[] = {"KEY", "VALUE", "FROM", NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *key;
	size_t i;

	json_array_foreach(json_object_get(result, "keys"), i, key)
	{
		const char *value = warderctl_text(key, "value"),
			   *where = warderctl_text(key, "where");

		warderctl_cell(table, "%s", warderctl_text(key, "key"));
		warderctl_cell(table, "%s", value[0] ? value : "-");
		warderctl_cell(table, "%s%s%s", warderctl_text(key, "origin"), where[0] ? " " : "",
			       where);
	}
	warderctl_table_print(table, stdout, call->output == WARDERCTL_WIDE, "no keys");
}

int warderctl_config(const struct warderctl_call *call)
{
	return warderctl_show(call, json_pack("{s:s}", "call", "config"), 10000, show, NULL);
}
