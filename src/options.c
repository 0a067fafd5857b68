/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options_parse.h"
#include "options_remote.h"
#include "options_table.h"
#include "options_users.h"
#include "options_value.h"
#include "own.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/program.h"

enum { EXPR_FILE_MAX = 16 << 20, FLOW_INTERVAL = 60 /* s */ };

/* What getopt_long() wants to know, made from the table. */
struct getopt_tables {
	char *letters;
	struct option *names;
};

static int getopt_tables_make(struct getopt_tables *t)
{
	struct option *name;
	char *letter;

	/* ':' first: a missing value is told apart from an unknown option. */
	t->letters = calloc(2 * option_count + 5, 1);
	t->names = calloc(option_count + 1, sizeof(*t->names));
	if (!t->letters || !t->names) {
		log_error("out of memory");
		return -ENOMEM;
	}
	letter = t->letters;
	name = t->names;
	*letter++ = ':';
	/* "-v=2": a letter and then this one. */
	memcpy(letter, "=::", 3);
	letter += 3;
	for (size_t i = 0; i < option_count; i++) {
		const struct option_desc *d = &option_table[i];

		if (d->key < OPTION_LONG) {
			*letter++ = (char)d->key;
			if (d->arg && !d->optional)
				*letter++ = ':';
		}
		if (d->name) {
			*name++ = (struct option){
				.name = d->name,
				.has_arg = d->arg && !d->optional ? required_argument : optional_argument,
				.val = d->key,
			};
		}
	}
	return 0;
}

static const struct option_desc *option_find(int key)
{
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].key == key)
			return &option_table[i];
	}
	return NULL;
}

static int refuse_unknown(int argc, char **argv, int key)
{
	const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
	const struct option_desc *d = optopt ? option_find(optopt) : NULL;

	if (key == ':' && strncmp(word, "--", 2) == 0)
		log_error("option '%s' requires an argument: %s; --help all explains it", word,
			  d && d->arg ? d->arg : "a value");
	else if (key == ':')
		log_error("option requires an argument -- '%c': %s; --help all explains it", optopt,
			  d && d->arg ? d->arg : "a value");
	else if (optopt)
		log_error("invalid option -- '%c'; --help all lists them", optopt);
	else
		log_error("unrecognized or ambiguous option '%s'; --help all lists them", word);
	return -EINVAL;
}

/* The last letter waits for what follows it: "=" and its value, maybe. */
static int parse_word(struct options *o, int argc, char **argv, int key, const struct option_desc **letter)
{
	const struct option_desc *waiting = *letter, *d;
	int err;

	*letter = NULL;
	if (key == '=' && waiting && strncmp(argv[optind - 1], "-=", 2) != 0)
		return option_apply(o, waiting, optarg ? optarg : "");
	err = waiting ? option_apply(o, waiting, NULL) : 0;
	if (err || key == -1)
		return err;
	d = key == '?' || key == ':' || key == '=' ? NULL : option_find(key);
	if (!d) {
		optopt = key == '=' ? key : optopt;
		return refuse_unknown(argc, argv, key);
	}
	if ((d->arg && !d->optional) || optarg)
		return option_apply(o, d, optarg);
	*letter = d;
	return 0;
}

static int parse_words(struct options *o, int argc, char **argv)
{
	const struct option_desc *letter = NULL;
	struct getopt_tables tables = { 0 };
	int key, err = getopt_tables_make(&tables);

	if (err)
		goto out;
	opterr = 0;
	optind = 0; /* glibc: forget an earlier command line (unit tests parse several) */
	do {
		key = getopt_long(argc, argv, tables.letters, tables.names, NULL);
		err = parse_word(o, argc, argv, key, &letter);
	} while (!err && key != -1);
out:
	free(tables.letters);
	free(tables.names);
	return err;
}

/* Blanks out comments, which run from '#' to the end of the line, as tcpdump does. */
static void strip_comments(char *s)
{
	bool comment = false;

	for (; *s; s++) {
		if (*s == '#')
			comment = true;
		else if (*s == '\n')
			comment = false;
		if (comment)
			*s = ' ';
	}
}

static int read_expr_file(const char *path, char **ret)
{
	struct buf b = { 0 };
	int err = 0, fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		err = -errno;
		goto out;
	}
	while ((n = read(fd, buf_reserve(&b, 4096), 4096)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || b.len > EXPR_FILE_MAX) {
			err = n < 0 ? -errno : -EFBIG;
			goto out;
		}
		b.len += (size_t)n;
	}
	if (memchr(b.p, '\0', b.len)) {
		log_error("filter file '%s' holds a NUL byte: it is not text", path);
		err = -EINVAL;
		goto free;
	}
	buf_put(&b, "", 1);
	strip_comments(b.p);
	*ret = b.p;
	b.p = NULL;
out:
	if (err)
		log_error("can't open %s: %s", path, strerror(-err));
free:
	if (fd > STDIN_FILENO)
		close(fd);
	buf_done(&b);
	return err;
}

static void join_words(char **words, char **ret)
{
	struct buf b = { 0 };

	for (; *words; words++) {
		if (b.len > 0)
			buf_putc(&b, ' ');
		buf_puts(&b, *words);
	}
	buf_putc(&b, '\0');
	*ret = b.p;
}

/* Said now instead of after the kernel programs were loaded. The file itself is opened later, maybe as another user. */
static int check_write_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char *folder;
	int err = 0;

	if (*path == '\0') {
		log_error("an empty string is not a valid file name");
		return -EINVAL;
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		log_error("%s: Is a directory; -w needs the name of a file", path);
		return -EINVAL;
	}
	if (!slash || slash == path || strcmp(path, "-") == 0)
		return 0;
	folder = strndup(path, (size_t)(slash - path));
	if (!folder) {
		log_error("out of memory");
		return -ENOMEM;
	}
	/* With -G, the folder may hold conversions too. */
	if (!strchr(folder, '%') && (stat(folder, &st) || !S_ISDIR(st.st_mode))) {
		log_error("%s: No such file or directory; create the folder '%s' first", path, folder);
		err = -EINVAL;
	}
	free(folder);
	return err;
}

/* What would be missed is refused; what changes only how text looks is not asked for. */
static const char *check_json(const struct options *o)
{
	if (!o->json && o->json_omit)
		return "--json-omit needs --json";
	if (o->json != JSON_FLOW && o->flow_interval != FLOW_INTERVAL)
		return "--flow-interval needs --json=flow";
	if (!o->json)
		return NULL;
	if (o->text.A || o->text.x || o->text.X)
		return "-A, -x and -X cannot be used with --json: it tells headers and names, not the bytes of packets";
	if (o->text.type || o->text.esp_secret || o->text.md5_secret)
		return "-T, -E and -M cannot be used with --json: they are for the text of tcpdump's dissectors";
	if (o->text.brief)
		return "--brief and --json are mutually exclusive";
	if (o->count_only)
		return "--count and --json are mutually exclusive";
	if (o->top || o->summary)
		return o->top ? "--json cannot be used with --top: both would write to standard output"
			      : "--json cannot be used with --summary: both would write to standard output";
	if (o->write_file && !o->print)
		return "--json with -w needs --print: with -w alone, packets are saved only";
	return NULL;
}

static int check_output(const struct options *o)
{
	const char *text = NULL;

	if (o->text.A && o->text.x)
		text = "-A and -x[x] are mutually exclusive.";
	else if (o->text.A && o->text.X)
		text = "-A and -X[X] are mutually exclusive.";
	else if (o->text.x && o->text.X)
		text = "-x[x] and -X[X] are mutually exclusive.";
	else if (o->file.rotate_bytes && !o->write_file)
		text = "-C cannot be used without -w.";
	else if (o->file.rotate_seconds && !o->write_file)
		text = "-G cannot be used without -w.";
	else if (o->file.add_ethernet && !o->write_file)
		text = "--add-ethernet-header cannot be used without -w.";
	else if (o->file.compact_comments && (!o->write_file || options_pcap(o)))
		text = "--compact-comments needs -w with the name of a pcapng file";
	else if (o->file.process_blocks && (!o->write_file || options_pcap(o)))
		text = "--process-blocks needs -w with the name of a pcapng file";
	else if (o->file.command && (!o->write_file || (!o->file.rotate_bytes && !o->file.rotate_seconds)))
		text = "-z cannot be used without -w and (-C or -G).";
	else if (o->text.context_prefix && !(o->context & (ANNOT_CONTAINER | ANNOT_POD)))
		text = "--context-prefix shows containers and pods, but --context leaves both out";
	else if (o->text.brief && o->text.v)
		text = "--brief and -v are mutually exclusive: one line, or more of them";
	else if (o->text.t > 5)
		text = "only -t, -tt, -ttt, -tttt and -ttttt are supported";
	else if (o->write_file && strcmp(o->write_file, "-") == 0 && (o->file.rotate_bytes || o->file.rotate_seconds))
		text = "-w - cannot be used with -C or -G: standard output is not a file that could be changed";
	else if (o->write_file && strcmp(o->write_file, "-") == 0 && o->print)
		text = "-w - cannot be used with --print: both would write to standard output";
	else if (o->summary && o->write_file && strcmp(o->write_file, "-") == 0)
		text = "-w - cannot be used with --summary: both would write to standard output";
	else if (o->top && o->write_file && strcmp(o->write_file, "-") == 0)
		text = "-w - cannot be used with --top: both would write to standard output";
	else if (o->top && o->print)
		text = "--print cannot be used with --top: packets would be printed over what it shows";
	else if (o->top && o->count_only)
		text = "--count and --top are mutually exclusive";
	else if (o->top && o->summary)
		text = "--summary and --top are mutually exclusive: where there is no terminal, --top prints what --summary does";
	else if (o->summary && o->count_only)
		text = "--count and --summary are mutually exclusive";
	else if (o->metrics_file && *o->metrics_file == '\0')
		text = "--metrics was given an empty name: it wants a file, as a rule NAME.prom in node_exporter's folder";
	else if (o->metrics_file && o->write_file && strcmp(o->metrics_file, o->write_file) == 0)
		text = "-w and --metrics name the same file";
	else
		text = check_json(o);
	if (text) {
		log_error("%s", text);
		return -EINVAL;
	}
	if (o->file.command && program_find(o->file.command)) {
		log_error("-z '%s': no such program in PATH", o->file.command);
		return -EINVAL;
	}
	return o->write_file ? check_write_folder(o->write_file) : 0;
}

static bool names_processes(const struct options *o)
{
	return o->pids.n || o->pnames.n || o->uids.n || o->users.n;
}

/* Somebody whose children -f follows is asked for, by an option or by a term. */
static bool follows_some(const struct options *o)
{
	if (names_processes(o))
		return true;
	for (uint32_t i = 0; i < o->filter->n; i++) {
		if (o->filter->terms[i].kind <= TERM_CMDLINE)
			return true;
	}
	return false;
}

static int check_source(const struct options *o)
{
	const char *text = NULL;

	if (o->list_file && o->read_files.n)
		text = "-V and -r are mutually exclusive.";
	else if (options_offline(o) && o->command)
		text = "a command cannot be run with -r or -V: there is nothing to capture";
	else if ((o->keylog_file || o->embed_keylog) && !o->command)
		text = "--write-keylog-file and --embed-keylog-to-pcapng collect the TLS secrets of a command: give it after "
		       "\"--\"";
	else if (o->embed_keylog && (!o->write_file || options_pcap(o)))
		text = "--embed-keylog-to-pcapng needs -w with the name of a pcapng file";
	else if (o->follow_forks && options_offline(o) && !follows_some(o))
		text = "-f cannot be used with -V or -r. (Here it follows the children of the processes of --pid, --pname or "
		       "--uid, or of terms pid, pname, uid, exe and cmdline: give one.)";
	else if (o->follow_forks && !follows_some(o) && !o->command)
		text = "-f follows the children of the processes of --pid, --pname or --uid, or of terms pid, pname, uid, exe and "
		       "cmdline: give one (tcpdump's -f, foreign addresses as numbers, is -n here)";
	if (text)
		log_error("%s", text);
	else if (options_offline(o) && o->live)
		log_error("--%s cannot be used with -r or -V: it is for captures", o->live->name);
	else
		return 0;
	return -EINVAL;
}

bool options_count(const struct options *o)
{
	return o->summary || o->top || o->metrics_file;
}

bool options_only_counts(const struct options *o)
{
	return options_count(o) && !o->write_file && !o->json && !o->print && !o->count_only && !o->count &&
	       !o->embed_keylog;
}

bool options_offline(const struct options *o)
{
	return o->read_files.n || o->list_file;
}

bool options_remote(const struct options *o)
{
	return o->remotes.n || o->remote_commands.n;
}

bool options_pcap(const struct options *o)
{
	const size_t n = o->write_file ? strlen(o->write_file) : 0;

	return n >= 5 && strcasecmp(o->write_file + n - 5, ".pcap") == 0;
}

bool options_select_container(const struct options *o)
{
	const struct container_query query = options_containers(o);

	return container_query_any(&query);
}

bool options_select_by_option(const struct options *o)
{
	return names_processes(o) || o->command || options_select_container(o);
}

bool options_select_process(const struct options *o)
{
	return options_select_by_option(o) || (o->filter && o->filter->n);
}

static bool has_container_terms(const struct options *o, bool negative_too)
{
	for (uint32_t i = 0; o->filter && i < o->filter->n; i++) {
		const struct filter_term *t = &o->filter->terms[i];
		const bool container = t->kind == TERM_CONTAINER || t->kind == TERM_POD || t->kind == TERM_LABEL;

		if (container && (negative_too || !t->negative))
			return true;
	}
	return false;
}

bool options_want_containers(const struct options *o)
{
	return options_select_container(o) || has_container_terms(o, false);
}

bool options_need_containers(const struct options *o)
{
	return options_select_container(o) || has_container_terms(o, true);
}

/* What we were started from, where the expression asks for it. */
static int expand_own(struct options *o)
{
	struct buf b = { 0 };
	struct own own;
	char *text;
	int err = options_offline(o) ? -EINVAL : own_find(&own);

	if (options_offline(o))
		log_error("own: a file does not tell what we were started from: it is for captures");
	else if (err)
		log_error("own: /proc does not show us: %s", strerror(-err));
	if (err)
		return err;
	/* Else all that the shell starts would be our own, too. The connection and ourselves are. */
	if (o->follow_forks)
		own.npids = 1;
	own_put(&own, &b);
	buf_putc(&b, '\0');
	text = filter_expr_expand(o->filter, b.p);
	buf_done(&b);
	filter_expr_free(o->filter);
	o->filter = NULL;
	free(o->expr);
	o->expr = text;
	return 0;
}

static int find_terms(struct options *o)
{
	char text[FILTER_ERR_LEN];
	int err = filter_expr_new(&o->filter, o->expr, text);

	if (err)
		log_error("%s", text);
	return err;
}

static int parse_expr(struct options *o, char **words)
{
	int err = 0;

	if (o->expr_file)
		err = read_expr_file(o->expr_file, &o->expr);
	else
		join_words(words, &o->expr);
	if (!err)
		err = find_terms(o);
	/* There it means what we were started from there. */
	if (err || !o->filter->own || options_remote(o))
		return err;
	err = expand_own(o);
	return err ? err : find_terms(o);
}

int options_parse(struct options *o, int argc, char **argv)
{
	int words = 0, err;

	*o = (struct options){
		.capture = { .snaplen = 262144, .dlt = -1 },
		.context = ANNOT_ALL | CONTEXT_DEFAULT,
		.meta = { .settle_ns = 150 * NSEC_PER_MSEC },
		.log_level = LOG_WARN,
		.flow_interval = FLOW_INTERVAL,
		.metrics_interval = 15,
	};
	/* Only the words before "--" are ours: getopt never sees the options of the command. */
	while (words < argc && strcmp(argv[words], "--") != 0)
		words++;
	if (words + 1 == argc) {
		log_error("no command after \"--\"");
		return -EINVAL;
	}
	if (words + 1 < argc)
		o->command = &argv[words + 1];
	if (words < argc)
		argv[words] = NULL;
	err = parse_words(o, words, argv);
	/* For getopt, a value that may be missing stands behind '='. */
	if (o->action == ACTION_HELP && optind < words && strcmp(argv[optind], "all") == 0)
		o->action = ACTION_HELP_ALL;
	if (err || o->action >= ACTION_PROBE)
		return err;
	log_set_level(o->log_level);
	/* By default it is told with -v only: on a loopback interface it would be in every line. */
	o->text.peer = !(o->context & CONTEXT_DEFAULT) && (o->context & ANNOT_PEER);
	o->context &= ~(unsigned)CONTEXT_DEFAULT;
	err = check_output(o);
	if (!err)
		err = parse_expr(o, argv + optind);
	if (!err)
		err = options_check_remote(o);
	if (!err && o->action == ACTION_NONE)
		err = check_source(o);
	/* Those of other hosts are known there. */
	if (!err && o->action == ACTION_NONE && !options_remote(o))
		err = options_find_users(o);
	if (!err && o->action == ACTION_NONE && !options_remote(o))
		err = options_find_term_users(o);
	return err;
}

void options_done(struct options *o)
{
	struct str_list *const lists[] = { &o->ifaces,		&o->netns,     &o->pnames,     &o->container_ids,
					   &o->container_names, &o->pod_names, &o->namespaces, &o->images,
					   &o->labels,		&o->compose,   &o->remotes,    &o->remote_commands,
					   &o->remote_words,	&o->read_files };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		str_list_done(lists[i]);
	u32_list_done(&o->pids);
	options_users_done(o);
	filter_expr_free(o->filter);
	o->filter = NULL;
	free(o->expr);
	o->expr = NULL;
}
