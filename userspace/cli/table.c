/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: cells are gathered, then widths are chosen.  What comes from a cluster may hold any byte:
 * control characters never reach the terminal.
 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

#define GAP	    2
#define LEAST_WIDTH 8 /* no column is cut below this */
#define MAX_COLUMNS 16

struct warderctl_table {
	const char *const *headers;
	size_t columns;
	char **cells;
	size_t n, room;
};

struct warderctl_table *warderctl_table_new(const char *const *headers)
{
	struct warderctl_table *table = calloc(1, sizeof(*table));

	if (!table)
		abort();
	table->headers = headers;
	while (headers[table->columns])
		table->columns++;
	return table;
}

static void clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
}

void warderctl_cell(struct warderctl_table *table, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n >= 0 && table->n == table->room) {
		table->room = table->room ? 2 * table->room : 64;
		table->cells = realloc(table->cells, table->room * sizeof(*table->cells));
	}
	if (n < 0 || !table->cells)
		abort();
	clean(text);
	table->cells[table->n++] = text;
}

/* Columns on a terminal: UTF-8 continuation bytes take none. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *header_of(const struct warderctl_table *table, size_t column)
{
	return table->headers[column] + (table->headers[column][0] == '>');
}

static void cut_to_fit(const struct warderctl_table *table, size_t *widths)
{
	for (;;) {
		size_t total = (table->columns - 1) * GAP, widest = 0;

		for (size_t i = 0; i < table->columns; i++) {
			total += widths[i];
			if (widths[i] > widths[widest])
				widest = i;
		}
		if (total <= WARDERCTL_COLUMNS || widths[widest] <= LEAST_WIDTH)
			return;
		widths[widest]--;
	}
}

static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
	size_t is = width_of(text), pad = is < width ? width - is : 0;

	if (is > width) { /* from the middle: names differ at their ends */
		size_t keep = width - 3, tail = keep / 3, head = keep - tail, n = strlen(text);

		fprintf(out, "%.*s...%s", (int)head, text, text + n - tail);
	} else if (right) {
		fprintf(out, "%*s%s", (int)pad, "", text);
	} else {
		fputs(text, out);
		if (!last)
			fprintf(out, "%*s", (int)pad, "");
	}
	if (!last)
		fprintf(out, "%*s", GAP, "");
}

static void print_row(const struct warderctl_table *table, FILE *out, const size_t *widths,
		      char *const *cells)
{
	for (size_t i = 0; i < table->columns; i++)
		print_cell(out, cells ? cells[i] : header_of(table, i), widths[i],
			   table->headers[i][0] == '>', i + 1 == table->columns);
	fputc('\n', out);
}

static void table_free(struct warderctl_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void warderctl_table_print(struct warderctl_table *table, FILE *out, bool wide, const char *none)
{
	size_t widths[MAX_COLUMNS];

	if (!table->n || !table->columns) {
		fprintf(out, "%s\n", none);
		return table_free(table);
	}
	for (size_t i = 0; i < table->columns; i++)
		widths[i] = width_of(header_of(table, i));
	for (size_t i = 0; i < table->n; i++)
		if (width_of(table->cells[i]) > widths[i % table->columns])
			widths[i % table->columns] = width_of(table->cells[i]);
	if (!wide)
		cut_to_fit(table, widths);
	print_row(table, out, widths, NULL);
	for (size_t i = 0; i + table->columns <= table->n; i += table->columns)
		print_row(table, out, widths, table->cells + i);
	table_free(table);
}

void warderctl_wrap_from(FILE *out, size_t column, unsigned indent, const char *text)
{
	bool first = true; /* of its line */

	while (*text) {
		size_t word = strcspn(text, " \n");

		if (!first && column + 1 + word > WARDERCTL_COLUMNS) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)word, text);
		column += word;
		text += word;
		first = *text == '\n';
		if (first) {
			fprintf(out, "\n%*s", text[1] == '\n' ? 0 : (int)indent, "");
			column = indent;
		}
		text += *text != '\0';
	}
	fputc('\n', out);
}

void warderctl_wrap(FILE *out, unsigned indent, const char *text)
{
	warderctl_wrap_from(out, indent, indent, text);
}

static const char *scaled(json_int_t number, json_int_t step, const char *const *units,
			  char *buffer)
{
	double value = (double)number;
	size_t unit = 0;

	while (value >= (double)step && units[unit + 1]) {
		value /= (double)step;
		unit++;
	}
	if (unit && value < 9.95)
		snprintf(buffer, 32, "%.1f%s", value, units[unit]);
	else
		snprintf(buffer, 32, "%.0f%s", value, units[unit]);
	return buffer;
}

const char *warderctl_bytes(json_int_t bytes, char *buffer)
{
	static const char *const units[] = {" B", " kB", " MB", " GB", " TB", " PB", NULL};

	return scaled(bytes, 1000, units, buffer);
}

const char *warderctl_count(json_int_t count, char *buffer)
{
	static const char *const units[] = {"", "k", "M", "G", "T", NULL};

	if (count < 100000) {
		snprintf(buffer, 32, "%" JSON_INTEGER_FORMAT, count);
		return buffer;
	}
	return scaled(count, 1000, units, buffer);
}

const char *warderctl_seconds(json_int_t seconds, char *buffer)
{
	if (seconds < 60)
		snprintf(buffer, 32, "%llds", seconds);
	else if (seconds < 3600)
		snprintf(buffer, 32, "%lldm %llds", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		snprintf(buffer, 32, "%lldh %lldm", seconds / 3600, seconds / 60 % 60);
	else
		snprintf(buffer, 32, "%lldd %lldh", seconds / 86400, seconds / 3600 % 24);
	return buffer;
}
