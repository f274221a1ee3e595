/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: any bytes as a manifest file.  It must end in objects or a problem with a place,
 * whatever they are; what was read as an object must be found again in the text.
 */
#include <stdint.h>
#include <stdlib.h>

#include "source/file.h"
#include "source/manifest.h"

static int take(void *data, const json_t *object, const struct warder_manifest_place *place)
{
	unsigned line, column;

	warder_manifest_locate(data, place, "spec.ports[0].port", &line, &column);
	if (!line || place->line > line + 1000000)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct warder_file_content content;
	struct warder_error error = {0};
	char *text =
		malloc(size ? size : 1); /* exactly this size, so that reading behind it is seen */

	if (!text)
		return 0;
	if (size)
		__builtin_memcpy(text, data, size);
	if (warder_manifest_read(text, size, take, text, NULL, &error) && !*error.text)
		abort();
	warder_file_parse("fuzz.yaml", text, size, &content);
	if (content.refused && !content.problems.n)
		abort();
	warder_file_release(&content);
	free(text);
	return 0;
}
