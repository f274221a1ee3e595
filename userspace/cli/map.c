/* SPDX-License-Identifier: Apache-2.0 */
/* `map list`. */
#include "cli/command.h"
#include "cli/table.h"

static void list(const struct warderctl_call *call, const json_t *result)
{
	static const char *const headers[] = {"MAP",	 ">ID",	      ">MAX ENTRIES",
					      ">MEMORY", "PINNED AT", NULL};
	struct warderctl_table *table = warderctl_table_new(headers);
	const json_t *map;
	char text[32];
	size_t i;

	json_array_foreach(json_object_get(result, "maps"), i, map)
	{
		const char *pin = warderctl_text(map, "pin");

		warderctl_cell(table, "%s", warderctl_text(map, "name"));
		warderctl_cell(table, "%lld", warderctl_number(map, "id"));
		warderctl_cell(table, "%lld", warderctl_number(map, "max_entries"));
		warderctl_cell(table, "%s", warderctl_bytes(warderctl_number(map, "bytes"), text));
		warderctl_cell(table, "%s", pin[0] ? pin : "-");
	}
	warderctl_table_print(table, stdout, call->output == WARDERCTL_WIDE, "no maps");
}

int warderctl_map_list(const struct warderctl_call *call)
{
	return warderctl_show(call, json_pack("{s:s}", "call", "map.list"), 10000, list, NULL);
}
