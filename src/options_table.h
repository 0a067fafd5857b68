/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of options, for the files options*.c only. */
#ifndef OPTIONS_TABLE_H
#define OPTIONS_TABLE_H

#include "options.h"

enum option_group {
	GROUP_CAPTURE,
	GROUP_FILTER,
	GROUP_PROCESS,
	GROUP_OUTPUT,
	GROUP_FILES,
	GROUP_TUNING,
	GROUP_OTHER,
	GROUP_HIDDEN, /* accepted, not shown */
	GROUPS,
};

/* What a shell may offer for an option's value. */
enum option_hint {
	HINT_NONE,
	HINT_FILE,
	HINT_DIR,
	HINT_COMMAND,
	HINT_USER,
	HINT_IFACE,
	HINT_NETNS,
	HINT_PID,
	HINT_LIST /* of the choices, with commas */
};

struct option_desc {
	int key;	  /* the short option's letter, or from OPTION_LONG on when there is none */
	const char *name; /* long name, NULL none */
	const char *arg;  /* what --help calls the value, NULL: takes none */
	bool optional;	  /* the value may be missing: --NAME or --NAME=VALUE, parse gets NULL then */
	enum option_group group;
	/* 0, or -EINVAL with a message written */
	int (*parse)(struct options *o, const struct option_desc *d, const char *arg);
	size_t offset; /* into struct options, of the field that parse sets */
	size_t size;   /* of a number's field */
	int64_t min, max;
	uint32_t unit;		    /* of the field, in one of the option's number; 0: 1 */
	const char *refusal;	    /* of a number: a format of the word that was given, and of max as long long */
	enum options_action action; /* of parse_action() */
	const char *choices;	    /* values separated by spaces, NULL free text */
	enum option_hint hint;
	bool there; /* is for the capture: with --remote it is passed on to the hosts */
	bool live;  /* nothing could come of it with -r and -V: refused there, unlike tcpdump's own, which it takes */
	const char *help;
};

enum {
	OPTION_LONG = 256,
	CONTEXT_DEFAULT = ANNOT_ALL + 1, /* in context: no --context was given yet */
};

extern const struct option_desc option_table[];
extern const size_t option_count;
extern const char *const option_group_title[GROUPS];

#endif
