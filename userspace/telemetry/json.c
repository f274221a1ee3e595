/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside, made fit for JSON. */
#include "telemetry/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Bytes of the UTF-8 character at `s`, 0 where there is none (overlong, surrogate, control, cut).
 */
static size_t character(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead;
		unsigned least;
	} forms[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (size_t i = 0; i < 3; i++) {
		unsigned code = s[0] & ~forms[i].mask;

		if ((s[0] & forms[i].mask) != forms[i].lead)
			continue;
		for (size_t j = 1; j <= i + 1; j++) {
			if ((s[j] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (s[j] & 0x3f);
		}
		if (code < forms[i].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return 0;
		return i + 2;
	}
	return 0;
}

json_t *warder_json_text(const char *text)
{
	static const char replacement[3] = {'\xef', '\xbf', '\xbd'}; /* U+FFFD */
	CLEANUP(cleanup_free) char *clean = malloc(3 * strlen(text) + 1);
	size_t n = 0;

	if (!clean)
		return NULL;
	for (const unsigned char *s = (const unsigned char *)text; *s;) {
		size_t size = character(s);

		if (size) {
			memcpy(clean + n, s, size);
			n += size;
			s += size;
		} else {
			memcpy(clean + n, replacement, sizeof(replacement));
			n += sizeof(replacement);
			s++;
		}
	}
	return json_stringn_nocheck(clean, n);
}

json_t *warder_json_text_or_null(const char *text)
{
	return text[0] ? warder_json_text(text) : json_null();
}
