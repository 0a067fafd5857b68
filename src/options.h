/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line. One table (options_table.c) drives getopt_long, --help, the shell completions and the check of
 * the manual page. A bad command line is refused here, before anything is opened.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/capture.h"
#include "filter/expr.h"
#include "meta/match.h"
#include "meta/meta.h"
#include "meta/runtime/kinds.h"
#include "output/output.h"
#include "packet.h"
#include "util/log.h"

/* Values of a repeatable option; commas separate as well. */
struct str_list {
	char **v; /* NULL-terminated when n > 0, else NULL */
	size_t n;
};

struct u32_list {
	uint32_t *v;
	size_t n;
};

static inline bool u32_list_has(const struct u32_list *l, uint32_t value)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i] == value)
			return true;
	}
	return false;
}

/* What to do instead of capturing or reading. The first that was given wins. */
enum options_action {
	ACTION_NONE,
	ACTION_LIST_IFACES,	  /* -D */
	ACTION_LIST_LINK_TYPES,	  /* -L */
	ACTION_LIST_TSTAMP_TYPES, /* -J */
	ACTION_LIST_BACKENDS,	  /* --backend help */
	ACTION_PROBE,
	ACTION_CLEAN,
	ACTION_INSTALL_EXTCAP,
	ACTION_HELP,
	ACTION_HELP_ALL, /* --help all */
	ACTION_VERSION,
	ACTION_LICENSES,
	ACTION_FP_TYPE,
	ACTION_TIME_T_SIZE,
	ACTION_COMPLETION,
	ACTION_REMOTE_HELLO, /* the far end of --remote */
};

enum color_when { COLOR_NEVER, COLOR_AUTO, COLOR_ALWAYS };

enum json_form { JSON_NONE, JSON_PACKET, JSON_FLOW };
enum { OMIT_ARGS = 1, OMIT_LABELS = 2 };

struct option_desc;

/* How often each one was given, or its value; 0 and NULL: not given. */
struct options {
	/* Of each part what options say of it, in its own terms; the session fills in the rest. */
	struct capture_config capture; /* dlt: -1 not given */
	struct meta_config meta;
	struct text_config text;
	struct file_config file;

	/* capture */
	struct str_list ifaces, netns;
	struct str_list remotes, remote_commands; /* of --remote and --remote-command */
	struct str_list remote_words;		  /* the options that are for captures, as words of a command line */
	bool remote_copy, remote_clock;
	uint32_t
		until_silence; /* s: at the far end, ends when standard input does or has nothing for so long; 0: not */
	const char *backend;
	uint64_t count; /* -c, packets; 0 no limit */
	int no_promiscuous;

	/* filter */
	const char *expr_file;
	char *expr;		    /* the expression, joined or from the file; never NULL after options_parse() */
	struct filter_expr *filter; /* the same, its process terms found; NULL: there is none */
	const struct match_user **term_users; /* for each of these; NULL: it names none */
	int dump;

	/* process and container */
	struct u32_list pids, uids;
	struct str_list users;		/* of --uid, those that are names; live, uids has their numbers too */
	struct match_user *saved_users; /* with -r and -V, the same */
	struct str_list pnames, container_ids, container_names, pod_names, namespaces, images, labels, compose;
	int follow_forks, no_reverse_match;
	unsigned context; /* ANNOT_* */
	const char *runtime_addresses[RUNTIMES];
	const char *keylog_file;
	int embed_keylog;
	char **command; /* argv after "--", NULL none */

	/* output */
	int print, count_only;
	unsigned json;		   /* enum json_form */
	unsigned json_omit;	   /* OMIT_* */
	uint32_t flow_interval;	   /* s; 0: only at a flow's end */
	unsigned summary, top;	   /* enum flows_by, 0 not given */
	const char *metrics_file;  /* NULL: none */
	uint32_t metrics_interval; /* s */
	enum color_when color;

	/* files */
	struct str_list read_files; /* -r, as given: FILE or NAME=FILE */
	const char *list_file, *write_file;
	const char *user; /* -Z */
	bool no_sandbox;
	uint32_t user_uid, user_gid; /* of -Z, when given */

	/* tuning */
	enum log_level log_level;

	/* Set by extcap.c: Wireshark runs us, takes what is written to stderr for an error, and is this process (0: not of this
	 * pid namespace). */
	bool extcap;
	pid_t caller;

	const struct option_desc *live; /* the last that is for captures only; NULL none */

	enum options_action action;
	const char *shell; /* of ACTION_COMPLETION */
};

/* 0, or a negative errno: a message was written. argv is permuted and stays referenced. */
int options_parse(struct options *o, int argc, char **argv);
void options_done(struct options *o);
/* A process, user or container is asked for, by an option or by "-- command", */
bool options_select_by_option(const struct options *o);
/* or by a term of the expression. */
bool options_select_process(const struct options *o);
bool options_select_container(const struct options *o);
/* Likewise, or by a term of the expression that no "not" stands in front of. */
bool options_want_containers(const struct options *o);
/* An option or any term needs to know of containers. */
bool options_need_containers(const struct options *o);
/* Which; borrows from o. */
struct container_query options_containers(const struct options *o);
bool options_offline(const struct options *o);
/* Packets are to be counted, by whatever shows or writes counts. */
bool options_count(const struct options *o);
/* Nothing of a packet is asked for but that. */
bool options_only_counts(const struct options *o);
/* Other hosts capture for us. */
bool options_remote(const struct options *o);
/* The name of -w asks for pcap instead of pcapng. */
bool options_pcap(const struct options *o);

/* Text on stdout: --help, --version, a completion script for "bash", "zsh" or "fish". */
void options_print_help(void);	   /* a screen of what is usual */
void options_print_help_all(void); /* all of the table */
void options_print_version(void);
void options_print_completion(const char *shell);

#endif
