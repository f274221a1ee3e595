/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of a test program over CUnit: name the tests in an array, call suite_run from main.
 * A test that cannot run here calls suite_skip(reason) and returns.  The last line printed is
 * "N passed, N failed, N skipped" (tests, not assertions).
 */
#ifndef WARDER_TESTS_SUITE_H
#define WARDER_TESTS_SUITE_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

struct suite_test {
	const char *name;
	void (*run)(void);
};

static unsigned suite_skipped_;
static const char *suite_current_;

__attribute__((unused)) static void suite_skip(const char *reason)
{
	printf("SKIP %s: %s\n", suite_current_, reason);
	suite_skipped_++;
}

/* argv[1], if given, runs only the tests whose name contains it. */
__attribute__((unused)) static int suite_run(const char *name, const struct suite_test *tests,
					     size_t n, int argc, char **argv)
{
	unsigned passed = 0, failed = 0;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	for (size_t i = 0; i < n; i++) {
		CU_pSuite suite;
		CU_pTest test;
		unsigned before = suite_skipped_;

		if (argc > 1 && !strstr(tests[i].name, argv[1]))
			continue;
		suite = CU_add_suite(tests[i].name, NULL, NULL);
		test = suite ? CU_add_test(suite, tests[i].name, tests[i].run) : NULL;
		if (!test)
			return 2;
		suite_current_ = tests[i].name;
		CU_run_test(suite, test);
		if (CU_get_number_of_failures()) {
			failed++;
			printf("FAIL %s/%s\n", name, tests[i].name);
			for (CU_pFailureRecord f = CU_get_failure_list(); f; f = f->pNext)
				printf("  %s:%u: %s\n", f->strFileName, f->uiLineNumber,
				       f->strCondition);
		} else if (suite_skipped_ == before) {
			passed++;
		}
	}
	CU_cleanup_registry();
	printf("%u passed, %u failed, %u skipped\n", passed, failed, suite_skipped_);
	return failed ? 1 : 0;
}

#define SUITE(name, tests)                                                                         \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return suite_run(name, tests, sizeof(tests) / sizeof(*(tests)), argc, argv);       \
	}

#endif
