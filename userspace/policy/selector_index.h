/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many selectors, one set of labels: which match?  Selectors are filed under one label that they
 * require, so that a query reads those that could match and not all of them.
 */
#ifndef WARDER_POLICY_SELECTOR_INDEX_H
#define WARDER_POLICY_SELECTOR_INDEX_H

#include "policy/intern.h"
#include "store/policy.h"

struct number_list { /* all zero = empty; v is freed by the owner */
	uint32_t *v;
	size_t n;
};

struct selector_index {	     /* all zero = empty */
	struct intern known; /* selectors as bytes: the same selector has one number */
	const struct warder_selector **selectors; /* by number, borrowed */
	struct intern labels;			  /* keys, and keys with values */
	struct number_list *filed;		  /* by number in `labels` */
	uint32_t n_filed;
	struct number_list rest; /* those that require no label */
};

/* The selector's number; NULL (everything) has one too.  Borrows the selector. */
uint32_t selector_index_add(struct selector_index *index, const struct warder_selector *selector);
/* Appends the numbers that match, each once, in no special order. */
void selector_index_query(const struct selector_index *index, const struct warder_labels *labels,
			  struct number_list *ret);
void selector_index_clear(struct selector_index *index);

#endif
