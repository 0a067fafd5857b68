/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the process terms in the text of an expression; for expr.c. */
#ifndef FILTER_SCAN_H
#define FILTER_SCAN_H

#include <stddef.h>

#include "filter/expr.h"
#include "util/buf.h"

/* What is not libpcap's: a term or, before a list of values, the words in front of it. */
struct expr_edit {
	size_t from, to; /* of the text */
	int term;	 /* what stands there instead; EDIT_*: */
};

enum {
	EDIT_NOTHING = -1,
	EDIT_OWN = -2, /* the word own, for filter_expr_expand() */
};

struct expr_scan {
	struct filter_term terms[FILTER_TERMS_MAX];   /* but for their values: */
	size_t values[FILTER_TERMS_MAX];	      /* where they begin in text */
	struct expr_edit edits[2 * FILTER_TERMS_MAX]; /* of terms and of lists */
	uint32_t n, nedits;
	struct buf text;     /* the values, each with a NUL behind it */
	uint64_t blocks[64]; /* a bit for each number that libpcap will see, by its upper 12 bits */
	bool own;
	char hint[160]; /* "": none */
};

/* As filter_expr_new(). ret is zeroed; to be freed by scan_done() also after an error. */
int scan_expr(struct expr_scan *ret, const char *text, char err[FILTER_ERR_LEN]);
void scan_done(struct expr_scan *s);

#endif
