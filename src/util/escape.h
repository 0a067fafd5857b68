/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What others have named or written, as it may stand in a line: it is one line, nothing in it moves the cursor, is invisible or
 * turns the text round, and the reader can tell where it ends. Letters, digits and signs of all scripts stay, with the marks
 * on them, and pictures; what Unicode calls a control, a format, a blank, a bracket, ignorable, unassigned or another form of
 * an ASCII mark does not, nor what is no UTF-8. Instead there stands \n, \t, \r, \\ or \xHH for each byte, in JSON \uHHHH.
 */
#ifndef UTIL_ESCAPE_H
#define UTIL_ESCAPE_H

#include "util/buf.h"

/* Where it stands, which tells what else would be mistaken. */
enum escape_place {
	IN_LINE = 1,	    /* alone, up to its end */
	IN_NAMES = 1 << 1,  /* in brackets or between blanks: also escapes blanks and brackets */
	IN_PARTS = 1 << 7,  /* of such a name, behind or in front of a slash or an @ */
	IN_HOSTS = 1 << 2,  /* a host in a dissector's line: also what such a line has around hosts */
	IN_QUOTES = 1 << 3, /* in a list, in parentheses or quotes: all of that, too */
	IN_FIELDS =
		1 << 4,	  /* "args VALUE, name VALUE)": a comma in front of a blank, or parentheses that are no pair */
	IN_JSON = 1 << 5, /* likewise, of JSON, which it stays */
	IN_MESSAGE = 1 << 6, /* a whole message, in which names are escaped already: backslashes stay */
};

void escape_put(struct buf *b, struct str s, enum escape_place place);

/*
 * A name that a stranger has chosen, for a message that has it in '': a quote of its own would end it there. What users or root
 * have named on this command line or in folders of root needs none. Returns to, of 4 bytes for each of the name's and one more;
 * of a longer name it is the beginning.
 */
const char *escape_quoted(char *to, size_t size, const char *name);

#endif
