/* SPDX-License-Identifier: Apache-2.0 */
/* warderctl: the command line. */
#include <stdio.h>
#include <string.h>

#include "cli/explain.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "explain"))
		return warderctl_explain(argc - 1, argv + 1);
	fprintf(stderr, "usage: warderctl explain ...\n");
	return 2;
}
