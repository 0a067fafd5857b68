/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Process terms in filter expressions: pid 1234, src pname curl, not container web.
 *
 * libpcap compiles the rest, and knows nothing of them: a term is "byte N = 1" for it, at an offset N that no packet has.
 * What reads the compiled code gives this load its meaning. See docs/filter.md.
 */
#ifndef FILTER_EXPR_H
#define FILTER_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "filter/filter.h"

struct buf;

enum term_kind {
	TERM_PID,
	TERM_PNAME,
	TERM_UID,
	TERM_EXE,
	TERM_CMDLINE,
	TERM_PARENT,
	TERM_CONTAINER,
	TERM_POD,
	TERM_LABEL,
	TERM_NETNS,
	TERM_UNKNOWN, /* nobody is known; has no value */
	TERM_KINDS
};

/* Of which end of the packet the term must be true. */
enum term_end {
	TERM_EITHER,
	TERM_SRC,
	TERM_DST,
	TERM_BOTH, /* src and dst */
};

struct filter_term {
	enum term_kind kind;
	enum term_end end;
	/* Without quotes, "" for TERM_UNKNOWN. Of TERM_PID it is a number from 1 to PID_LIMIT, with PID_OUTSIDE_MARK
	 * perhaps, and so of TERM_PARENT if annot_parse_pid() takes it, else a name; of TERM_UID, when it is digits, below
	 * UINT32_MAX; of TERM_LABEL KEY or KEY=VALUE. */
	const char *value;
	bool negative; /* under an odd number of nots */
};

enum {
	FILTER_TERMS_MAX = 256,
	/* Between the offsets that stand for terms, since libpcap adds those of headers: of PPPoE, or in front of Ethernet. */
	FILTER_TERM_SPACING = 4096,
};

/* Without process terms (n is 0) exact is text, the same pointer. */
struct filter_expr {
	const char *text;		 /* as given */
	const char *exact;		 /* for libpcap, with the loads that stand for terms */
	const struct filter_term *terms; /* each occurrence by itself, in the order of the text */
	uint32_t n, first;		 /* terms; the offset of the first */
	bool own;			 /* it asks for what we were started from: filter_expr_expand() it */
	const char *hint; /* what may be wrong should libpcap find a syntax error; NULL: nothing is known */
};

/* Which terms are true of a packet: bit i of bits[i / 64]. */
struct filter_truth {
	uint64_t bits[FILTER_TERMS_MAX / 64];
};

/*
 * Finds the process terms of a pcap-filter(7) expression. A term word stands where a primitive can begin, with a value
 * behind it, in quotes when it has blanks, parentheses, & | ! or quotes in it, or with values in parentheses:
 * pname (curl or wget). Words of other places are left to libpcap, and so is one with a backslash in front.
 * 0; -EINVAL with what is wrong with which term in err; -ENOMEM.
 */
int filter_expr_new(struct filter_expr **ret, const char *text, char err[FILTER_ERR_LEN]);
/* text, with this expression in parentheses wherever the word own stands. For free(). */
char *filter_expr_expand(const struct filter_expr *e, const char *own);
/* Exchanges libpcap's message for what is known better; e: NULL nothing is. */
void filter_expr_hint(const struct filter_expr *e, char err[FILTER_ERR_LEN]);
void filter_expr_free(struct filter_expr *e);

const char *filter_term_word(enum term_kind kind);
/* As it would be typed, but for the not: src pid 7, pname "Web Content". What would move the cursor is escaped. */
void filter_term_put(struct buf *b, const struct filter_term *t);

#endif
