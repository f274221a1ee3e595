/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Warder costs end to end: two pods on one node, routed over veths, with no program, with the
 * parser alone, and with Warder under 1, 100 and 10,000 policies.  Short slices of each variant take
 * turns; each is compared with the slice without a program of the same round, so that what the
 * machine does beside this counts for both.  Once with an end on each of two CPUs, as netperf has it, and
 * once with both on one, where no idle time hides what a program costs.  "no program, again" is a second cell without any: what
 * differs there is noise.  Needs root.  Prints tables, asserts nothing.
 *
 *   make bench      or   build/tests/bench/link_bench [ROUNDS [MILLISECONDS [KIND [CPUS]]]]
 *   KIND one of TCP_RR CONNECT BULK UDP_RR all, CPUS 1 or 2
 */
#include "cell.h"

#define CELLS	   7
#define ROUNDS_MAX 2000

static struct cell cells[CELLS] = {
	{.name = "no program", .program = CELL_NONE},
	{.name = "no program, again", .program = CELL_NONE},
	{.name = "empty program", .program = CELL_EMPTY},
	{.name = "parse only", .program = CELL_PARSE},
	{.name = "Warder, 1 policy", .program = CELL_WARDER, .policies = 1},
	{.name = "Warder, 100 policies", .program = CELL_WARDER, .policies = 100},
	{.name = "Warder, 10,000 policies", .program = CELL_WARDER, .policies = 10000},
};

static struct {
	double rate, cpu; /* units a second; seconds a unit */
} samples[CELLS][ROUNDS_MAX];

static struct {
	const char *name, *title, *what, *unit;
} kinds[] = {
#define X(name, what, title, unit) {#name, title, what, unit},
	TRAFFIC_KINDS(X)
#undef X
};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts. */
static double at(double *v, int n, double part)
{
	qsort(v, n, sizeof(*v), ascending);
	return v[(int)(part * (n - 1) + 0.5)];
}

/* What all softirqs took so far, of everyone, by ticks; this kernel may charge it to processes too. */
static double softirq_seconds(void)
{
	FILE *f = fopen("/proc/stat", "re");
	double ticks = 0;

	if (f && fscanf(f, "cpu %*f %*f %*f %*f %*f %*f %lf", &ticks) != 1)
		ticks = 0;
	if (f)
		fclose(f);
	return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Others of the machine get the CPU between two slices: what runs first of all must not run for ever. */
static void breathe(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
}

static void measure(const struct cell_request *request, int rounds, double softirq[CELLS])
{
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < CELLS; i++) {
			/* Each is the first and the last of its round as often as the others. */
			int c = round & 1 ? (round / 2 + CELLS - i) % CELLS
					  : (round / 2 + i) % CELLS;
			struct traffic_result result;
			double before;

			breathe();
			before = softirq_seconds();
			if (!cell_ask(&cells[c], request, &result, sizeof(result)) ||
			    result.error) {
				fprintf(stderr, "link_bench: %s, %s: %s\n", cells[c].name,
					kinds[request->kind].title, strerror(result.error));
				exit(1);
			}
			softirq[c] += (softirq_seconds() - before) / result.units;
			samples[c][round].rate = result.units / result.seconds;
			samples[c][round].cpu = result.cpu / result.units;
		}
	}
}

static void table(enum traffic_kind kind, const char *where, int rounds,
		  const double softirq[CELLS])
{
	static double v[ROUNDS_MAX];

	printf("\n### %s, %s\n\n| | %s, median | of no program: median | quarters | min - max | "
	       "CPU us a "
	       "%s | of no program | softirq us a %s |\n|---|---|---|---|---|---|---|---|\n",
	       kinds[kind].title, where, kinds[kind].unit, kinds[kind].what, kinds[kind].what);
	for (int c = 0; c < CELLS; c++) {
		double rate, low, high, lower, upper, middle, cpu;

		for (int i = 0; i < rounds; i++)
			v[i] = samples[c][i].rate;
		rate = at(v, rounds, 0.5);
		for (int i = 0; i < rounds; i++)
			v[i] = samples[c][i].rate / samples[0][i].rate;
		low = at(v, rounds, 0);
		lower = at(v, rounds, 0.25);
		middle = at(v, rounds, 0.5);
		upper = at(v, rounds, 0.75);
		high = at(v, rounds, 1);
		for (int i = 0; i < rounds; i++)
			v[i] = samples[c][i].cpu;
		cpu = at(v, rounds, 0.5);
		for (int i = 0; i < rounds; i++)
			v[i] = samples[c][i].cpu / samples[0][i].cpu;
		printf("| %s | %.0f | %.3f | %.3f - %.3f | %.3f - %.3f | %.2f | %.3f | %.2f |\n",
		       cells[c].name, rate, middle, lower, upper, low, high, cpu * 1e6,
		       at(v, rounds, 0.5), softirq[c] / rounds * 1e6);
	}
}

static void all_kinds(const char *only, int rounds, double seconds, int client_cpu, int server_cpu)
{
	struct cell_request request = {
		.seconds = seconds, .client_cpu = client_cpu, .server_cpu = server_cpu};

	for (int kind = 0; kind < TRAFFIC_KIND_COUNT; kind++) {
		double softirq[CELLS] = {};

		if (strcmp(only, "all") && strcmp(only, kinds[kind].name))
			continue;
		request.kind = kind;
		measure(&request, rounds, softirq);
		table(kind,
		      client_cpu == server_cpu ? "both ends on one CPU"
					       : "an end on each of two CPUs",
		      rounds, softirq);
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 60, last = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	double seconds = (argc > 2 ? atof(argv[2]) : 25) / 1000;
	const char *kind = argc > 3 ? argv[3] : "all";
	int cpus = argc > 4 ? atoi(argv[4]) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (rounds < 1 || rounds > ROUNDS_MAX || seconds <= 0) {
		fprintf(stderr,
			"usage: link_bench [ROUNDS (1 to %d) [MILLISECONDS [KIND [CPUS]]]]\n",
			ROUNDS_MAX);
		return 1;
	}
	for (int c = 0; c < CELLS; c++)
		if (!cell_start(&cells[c]))
			return 1;
	printf("%d rounds, slices of %.0f ms\n", rounds, seconds * 1000);
	if (last > 0 && cpus != 1)
		all_kinds(kind, rounds, seconds, last, last - 1);
	if (cpus != 2)
		all_kinds(kind, rounds, seconds, last, last);
	printf("\n| packets that Warder | let pass | refused |\n|---|---|---|\n");
	for (int c = 0; c < CELLS; c++) {
		struct cell_request request = {.kind = TRAFFIC_KIND_COUNT};
		struct cell_counts counts;

		if (cells[c].program == CELL_WARDER &&
		    cell_ask(&cells[c], &request, &counts, sizeof(counts)))
			printf("| %s | %llu | %llu |\n", cells[c].name, counts.allowed,
			       counts.refused);
	}
	return 0;
}
