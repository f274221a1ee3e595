/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain YAML scalars as sigs.k8s.io/yaml 1.4 resolves them, which is what kubectl applies: YAML 1.1
 * words, and Go's integer syntax with underscores.  tests/unit/manifest_test.c holds this against
 * that library's own answers.
 */
#include "source/scalar.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 128		      /* characters; a longer one is a string */
#define EXACT_MAX  9007199254740992.0 /* 2^53: whole numbers up to here are exact in a double */

static const struct word {
	const char *text;
	enum { WORD_TRUE, WORD_FALSE, WORD_NULL, WORD_NONE } is;
} words[] = {
	{"true", WORD_TRUE},  {"True", WORD_TRUE},   {"TRUE", WORD_TRUE},   {"yes", WORD_TRUE},
	{"Yes", WORD_TRUE},   {"YES", WORD_TRUE},    {"on", WORD_TRUE},	    {"On", WORD_TRUE},
	{"ON", WORD_TRUE},    {"false", WORD_FALSE}, {"False", WORD_FALSE}, {"FALSE", WORD_FALSE},
	{"no", WORD_FALSE},   {"No", WORD_FALSE},    {"NO", WORD_FALSE},    {"off", WORD_FALSE},
	{"Off", WORD_FALSE},  {"OFF", WORD_FALSE},   {"", WORD_NULL},	    {"~", WORD_NULL},
	{"null", WORD_NULL},  {"Null", WORD_NULL},   {"NULL", WORD_NULL},   {".nan", WORD_NONE},
	{".NaN", WORD_NONE},  {".NAN", WORD_NONE},   {".inf", WORD_NONE},   {".Inf", WORD_NONE},
	{".INF", WORD_NONE},  {"+.inf", WORD_NONE},  {"+.Inf", WORD_NONE},  {"+.INF", WORD_NONE},
	{"-.inf", WORD_NONE}, {"-.Inf", WORD_NONE},  {"-.INF", WORD_NONE},
};

/* Go's ParseInt with base 0: sign, 0x 0o 0b or a leading 0 for octal. */
static bool integer(const char *text, json_t **ret)
{
	bool negative = *text == '-';
	const char *digits = text + (*text == '-' || *text == '+');
	int base = 10;
	unsigned long long value;
	char *end;

	if (digits[0] == '0' && digits[1]) {
		int letter = tolower((unsigned char)digits[1]);

		base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
		digits += letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1;
	}
	if (!isxdigit((unsigned char)*digits)) /* strtoull would take a sign or spaces here */
		return false;
	errno = 0;
	value = strtoull(digits, &end, base);
	if (*end)
		return false;
	if (errno || value > (unsigned long long)INT64_MAX)
		*ret = json_real(
			strtod(text, NULL)); /* no field of ours holds it: told as out of range */
	else
		*ret = json_integer(negative ? -(long long)value : (long long)value);
	return true;
}

static bool looks_like_float(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	size_t whole = strspn(p, "0123456789"), fraction = 0;

	p += whole;
	if (*p == '.') {
		fraction = strspn(++p, "0123456789");
		p += fraction;
	}
	if (!whole && !fraction)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '-' || p[1] == '+');
		if (!isdigit((unsigned char)*p))
			return false;
		p += strspn(p, "0123456789");
	}
	return !*p;
}

static bool floating(const char *text, json_t **ret)
{
	double value;

	if (!looks_like_float(text))
		return false;
	value = strtod(text, NULL);
	if (isinf(value))
		return false;
	/* 80.0 and 1e3 are written as 80 and 1000 on the way to JSON. */
	*ret = value == floor(value) && fabs(value) <= EXACT_MAX ? json_integer((json_int_t)value)
								 : json_real(value);
	return true;
}

json_t *warder_scalar_resolve(const char *text, size_t size)
{
	char plain[NUMBER_MAX + 1];
	json_t *number = NULL;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i].text) == size && !memcmp(words[i].text, text, size))
			return words[i].is == WORD_TRUE	   ? json_true()
			       : words[i].is == WORD_FALSE ? json_false()
			       : words[i].is == WORD_NULL  ? json_null()
							   : NULL;
	if (size > NUMBER_MAX || !strchr("+-.0123456789", text[0]))
		return json_stringn(text, size);
	for (size_t i = 0; i < size; i++)
		if (text[i] != '_' || text[0] == '.')
			plain[n++] = text[i];
	plain[n] = 0;
	if (text[0] != '.' && integer(plain, &number))
		return number;
	if (floating(plain, &number))
		return number;
	return json_stringn(text, size);
}
