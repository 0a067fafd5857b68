/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsers of single rows of the table of options. */
#include <ctype.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <pwd.h>
#include <stdlib.h>
#include <strings.h>

#include "options_parse.h"
#include "options_value.h"
#include "util/glob.h"

enum { MAX_SNAPLEN = 262144 };

/* A process may have commas in its name. */
int parse_name(struct options *o, const struct option_desc *d, const char *arg)
{
	const char *flaw = glob_flaw(arg);

	if (*arg == '\0') {
		log_error("--%s needs a value that is not empty", d->name);
		return -EINVAL;
	}
	/* Of the kernel's threads only have some a slash in their name, and none begins with it. */
	if (*arg == '/' || strncmp(arg, "./", 2) == 0) {
		log_error("--%s '%s': give the name of a program, not its path: '%s'", d->name, arg,
			  strrchr(arg, '/') + 1);
		return -EINVAL;
	}
	if (flaw) {
		log_error("--%s '%s': %s", d->name, arg, flaw);
		return -EINVAL;
	}
	str_list_add(option_field(o, d), arg, strlen(arg));
	return 0;
}

int parse_file_size(struct options *o, const struct option_desc *d, const char *arg)
{
	static const struct {
		char letter;
		int64_t unit;
	} units[] = { { 'k', INT64_C(1) << 10 }, { 'm', INT64_C(1) << 20 }, { 'g', INT64_C(1) << 30 } };
	uint64_t *size = option_field(o, d);
	int64_t unit = 1000000, n;
	char *end;

	errno = 0;
	n = strtoll(arg, &end, 10);
	if (end == arg || errno || n <= 0)
		goto invalid;
	if (*end != '\0') {
		unit = 0;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (tolower((unsigned char)*end) == units[i].letter &&
			    (end[1] == '\0' || strcasecmp(end + 1, "b") == 0))
				unit = units[i].unit;
		}
		if (unit == 0)
			goto invalid;
	}
	if (n > INT64_MAX / unit) {
		log_error("file size %s is too large", arg);
		return -EINVAL;
	}
	*size = (uint64_t)(n * unit);
	return 0;
invalid:
	log_error("invalid file size %s (a number >= 1 of millions of bytes, or with k, m, g or kb, mb, gb)", arg);
	return -EINVAL;
}

int parse_direction(struct options *o, const struct option_desc *d, const char *arg)
{
	enum direction *dir = option_field(o, d);

	if (strcasecmp(arg, "in") == 0)
		*dir = DIR_IN;
	else if (strcasecmp(arg, "out") == 0)
		*dir = DIR_OUT;
	else if (strcasecmp(arg, "inout") == 0)
		*dir = DIR_NONE;
	else {
		log_error("unknown capture direction '%s' (must be in, out or inout)", arg);
		return -EINVAL;
	}
	return 0;
}

int parse_snaplen(struct options *o, const struct option_desc *d, const char *arg)
{
	uint32_t *snaplen = option_field(o, d);
	char *end;
	long n;

	errno = 0;
	n = strtol(arg, &end, 0);
	if (end == arg || *end != '\0' || errno || n < 0 || n > MAX_SNAPLEN) {
		log_error("invalid snaplen %s (must be >= 0 and <= %d)", arg, MAX_SNAPLEN);
		return -EINVAL;
	}
	*snaplen = n ? (uint32_t)n : MAX_SNAPLEN;
	return 0;
}

int parse_precision(struct options *o, const struct option_desc *d, const char *arg)
{
	bool *nano = option_field(o, d);

	/* --micro and --nano come here without a value. */
	if (!arg)
		arg = d->name;
	if (strcmp(arg, "micro") != 0 && strcmp(arg, "nano") != 0) {
		log_error("unsupported time stamp precision '%s' (must be micro or nano)", arg);
		return -EINVAL;
	}
	*nano = strcmp(arg, "nano") == 0;
	return 0;
}

int parse_tstamp_type(struct options *o, const struct option_desc *d, const char *arg)
{
	if (pcap_tstamp_type_name_to_val(arg) < 0) {
		log_error("invalid time stamp type %s (-J lists them)", arg);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

int parse_link_type(struct options *o, const struct option_desc *d, const char *arg)
{
	o->capture.dlt = pcap_datalink_name_to_val(arg);
	if (o->capture.dlt < 0) {
		log_error("invalid data link type %s (-L lists those of an interface)", arg);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

int parse_user(struct options *o, const struct option_desc *d, const char *arg)
{
	const struct passwd *pw = getpwnam(arg);

	if (!pw) {
		log_error("Couldn't find user '%.32s'", arg);
		return -EINVAL;
	}
	o->user_uid = pw->pw_uid;
	o->user_gid = pw->pw_gid;
	return parse_string(o, d, arg);
}

int parse_read_file(struct options *o, const struct option_desc *d, const char *arg)
{
	if (*arg == '\0') {
		log_error("-r was given an empty name: it wants a pcap or pcapng file, or \"-\" for standard input");
		return -EINVAL;
	}
	return parse_verbatim(o, d, arg);
}

int parse_backend(struct options *o, const struct option_desc *d, const char *arg)
{
	if (strcmp(arg, "help") == 0) {
		option_set_action(o, ACTION_LIST_BACKENDS);
		return 0;
	}
	if (!word_in(d->choices, arg)) {
		log_error("unknown backend '%s' (must be one of %s; 'help' tells what this kernel offers)", arg,
			  d->choices);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

int parse_log_level(struct options *o, const struct option_desc *d, const char *arg)
{
	enum log_level *level = option_field(o, d);

	/* The Go program's level above "error". */
	if (strcmp(arg, "fatal") == 0)
		arg = "error";
	if (log_parse_level(arg, level)) {
		log_error("unknown log level '%s' (must be one of %s)", arg, d->choices);
		return -EINVAL;
	}
	return 0;
}

int parse_context(struct options *o, const struct option_desc *d, const char *arg)
{
	struct str_list words = { 0 };
	unsigned *context = option_field(o, d);
	int err = 0;

	/* The first --context replaces the default, further ones add to it. */
	if (*context & CONTEXT_DEFAULT)
		*context = 0;
	if (strcmp(arg, "") != 0 && str_list_split(&words, arg))
		err = -EINVAL;
	for (size_t i = 0; i < words.n && !err; i++) {
		const unsigned bits = annot_context(&annotation_schema, words.v[i]);

		*context |= bits;
		if (!bits)
			err = -EINVAL;
	}
	str_list_done(&words);
	if (err)
		log_error("--context '%s' is not a list of %s", arg, d->choices);
	return err;
}

int parse_color(struct options *o, const struct option_desc *d, const char *arg)
{
	static const char *const words[] = {
		[COLOR_NEVER] = "never",
		[COLOR_AUTO] = "auto",
		[COLOR_ALWAYS] = "always",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(arg, words[i]) == 0) {
			o->color = (enum color_when)i;
			return 0;
		}
	}
	log_error("--color '%s' is none of %s", arg, d->choices);
	return -EINVAL;
}

int parse_completion(struct options *o, const struct option_desc *d, const char *arg)
{
	if (!word_in(d->choices, arg)) {
		log_error("--completion '%s': the shells are %s", arg, d->choices);
		return -EINVAL;
	}
	return option_set_action(o, ACTION_COMPLETION) ? parse_string(o, d, arg) : 0;
}

int parse_unserved(struct options *o, const struct option_desc *d, const char *arg)
{
	(void)o;
	(void)d;
	(void)arg;
	log_error("-Y needs a libpcap that was built to debug its parser");
	return -EINVAL;
}

int parse_omit(struct options *o, const struct option_desc *d, const char *arg)
{
	struct str_list words = { 0 };
	unsigned *omit = option_field(o, d);
	int err = str_list_split(&words, arg);

	for (size_t i = 0; i < words.n && !err; i++) {
		if (!word_in(d->choices, words.v[i]))
			err = -EINVAL;
		*omit |= strcmp(words.v[i], "args") == 0 ? OMIT_ARGS : OMIT_LABELS;
	}
	str_list_done(&words);
	if (err)
		log_error("--%s '%s' is not a list of %s", d->name, arg, d->choices);
	return err;
}
