/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of a call of extcap(4), for the files extcap*.c. */
#ifndef EXTCAP_CALL_H
#define EXTCAP_CALL_H

#include <stdbool.h>

#include "options.h"

struct extcap_call {
	/* what is asked for */
	bool interfaces, config, dlts, capture, cleanup;
	const char *interface;	   /* NULL: none was named */
	const char *reload_option; /* the field whose values are asked for again */
	const char *filter, *fifo;
	/* What the caller needs no answer to: its version, and pipes for a toolbar, which we have not. */
	const char *version, *control_in, *control_out;
	pid_t caller; /* set by who parses: the process that calls */
	/* Ordinary options, each with its value in one word ("--pid=1"): no value can be taken for an option or for "--". */
	struct str_list options;
};

/* In any order, values as "--x V" or "--x=V"; an empty value counts as none. 0, or -EINVAL with a message written. The strings
 * of options are the call's own, all others those of argv. */
int extcap_call_parse(struct extcap_call *call, int argc, char **argv);
void extcap_call_done(struct extcap_call *call);

#endif
