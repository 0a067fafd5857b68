/* SPDX-License-Identifier: BSD-3-Clause */
#include "options_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"
#include "options_value.h"
#include "util/buf.h"

enum { REPEAT_MAX = 100, HOST_MAX = 255 };

void *option_field(struct options *o, const struct option_desc *d)
{
	return (char *)o + d->offset;
}

int parse_count(struct options *o, const struct option_desc *d, const char *arg)
{
	int *n = option_field(o, d);

	(void)arg;
	++*n;
	return 0;
}

static void refuse_value(const struct option_desc *d, const char *value, const char *wanted)
{
	if (d->name)
		log_error("--%s=%s: the value must be %s", d->name, value, wanted);
	else
		log_error("-%c=%s: the value must be %s", d->key, value, wanted);
}

int parse_repeat(struct options *o, const struct option_desc *d, const char *arg)
{
	int *n = option_field(o, d);
	int64_t times;

	if (!arg)
		return parse_count(o, d, NULL);
	if (parse_int(arg, 0, REPEAT_MAX, &times)) {
		refuse_value(d, arg, "a number, how often it is meant");
		return -EINVAL;
	}
	*n = (int)times;
	return 0;
}

int parse_true(struct options *o, const struct option_desc *d, const char *arg)
{
	bool *flag = option_field(o, d);

	(void)arg;
	*flag = true;
	return 0;
}

int parse_ignored(struct options *o, const struct option_desc *d, const char *arg)
{
	(void)o;
	(void)d;
	(void)arg;
	return 0;
}

int parse_string(struct options *o, const struct option_desc *d, const char *arg)
{
	const char **s = option_field(o, d);

	*s = arg;
	return 0;
}

int parse_list(struct options *o, const struct option_desc *d, const char *arg)
{
	if (str_list_split(option_field(o, d), arg) == 0)
		return 0;
	if (d->key == 'i')
		log_error("%s: No such device exists; a name is empty", arg);
	else
		log_error("--%s needs a value that is not empty", d->name);
	return -EINVAL;
}

/* sizeof(uint32_t) or sizeof(uint64_t), as the row tells. */
static void store_number(void *field, size_t size, uint64_t n)
{
	const uint32_t small = (uint32_t)n;

	if (size == sizeof(small))
		memcpy(field, &small, size);
	else
		memcpy(field, &n, sizeof(n));
}

int parse_number(struct options *o, const struct option_desc *d, const char *arg)
{
	int64_t n;

	if (parse_int(arg, d->min, d->max, &n)) {
		log_error(d->refusal, arg, (long long)d->max);
		return -EINVAL;
	}
	store_number(option_field(o, d), d->size, (uint64_t)n * (d->unit ? d->unit : 1));
	return 0;
}

int parse_u32_list(struct options *o, const struct option_desc *d, const char *arg)
{
	if (u32_list_split(option_field(o, d), arg, (uint32_t)d->min, (uint32_t)d->max) == 0)
		return 0;
	log_error(d->refusal, arg, (long long)d->max);
	return -EINVAL;
}

int parse_pid_list(struct options *o, const struct option_desc *d, const char *arg)
{
	if (pid_list_split(option_field(o, d), arg, (uint32_t)d->max) == 0)
		return 0;
	log_error(d->refusal, arg, (long long)d->max);
	return -EINVAL;
}

bool option_set_action(struct options *o, enum options_action action)
{
	const bool first = o->action == ACTION_NONE;

	if (first)
		o->action = action;
	return first;
}

int parse_action(struct options *o, const struct option_desc *d, const char *arg)
{
	(void)arg;
	option_set_action(o, d->action);
	return 0;
}

int parse_help(struct options *o, const struct option_desc *d, const char *arg)
{
	if (arg && strcmp(arg, d->choices) != 0) {
		log_error("--%s '%s' is not %s", d->name, arg, d->choices);
		return -EINVAL;
	}
	option_set_action(o, arg ? ACTION_HELP_ALL : ACTION_HELP);
	return 0;
}

/* "SCHEME://REST": length of SCHEME; 0: a path. */
static size_t scheme_of(const char *address)
{
	const char *end = strstr(address, "://");

	return end ? (size_t)(end - address) : 0;
}

/* Of a daemon that is spoken to through a unix socket. */
int parse_socket(struct options *o, const struct option_desc *d, const char *arg)
{
	if (scheme_of(arg) && strncmp(arg, "unix://", 7) != 0) {
		log_error("--%s '%s': only a socket of this machine can be asked: give PATH or unix://PATH", d->name,
			  arg);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

/* Of HOST:PORT, [ADDRESS]:PORT or what has none. */
static bool port_is_valid(const char *host, size_t n)
{
	const char *bracket = memchr(host, ']', n), *from = bracket ? bracket : host;
	const char *colon = memchr(from, ':', n - (size_t)(from - host));
	const size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	unsigned long port;

	if (!colon)
		return !bracket || bracket + 1 == host + n;
	port = strtoul(colon + 1, NULL, 10);
	return digits && colon + 1 + digits == host + n && (!bracket || colon == bracket + 1) && port > 0 &&
	       port <= UINT16_MAX;
}

/* HOST or HOST:PORT, maybe with a slash. */
static bool is_host(const char *host)
{
	const size_t n = strcspn(host, "/");

	return n > 0 && n <= HOST_MAX && strspn(host + n, "/") == strlen(host + n) &&
	       strcspn(host, "@?# ") == strlen(host) && port_is_valid(host, n);
}

int parse_docker(struct options *o, const struct option_desc *d, const char *arg)
{
	const size_t scheme = scheme_of(arg);
	const bool tcp = strncmp(arg, "tcp://", 6) == 0 || strncmp(arg, "http://", 7) == 0;

	if (scheme && strncmp(arg, "unix://", 7) != 0 && (!tcp || !is_host(arg + scheme + 3))) {
		log_error(
			"--%s '%s': give a socket (PATH or unix://PATH), or tcp://HOST:PORT or http://HOST:PORT (1 to "
			"65535) of a daemon that is spoken to without TLS",
			d->name, arg);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

static void switch_off(struct options *o, const struct option_desc *d)
{
	if (d->parse == parse_count)
		*(int *)option_field(o, d) = 0;
	else if (d->parse == parse_true)
		*(bool *)option_field(o, d) = false;
	if (o->live == d)
		o->live = NULL;
}

static int switch_on(struct options *o, const struct option_desc *d, const char *value)
{
	if (d->live)
		o->live = d;
	return d->parse(o, d, value);
}

/* As it was given: what it means is for the hosts to say. */
static void keep_word(struct options *o, const struct option_desc *d, const char *value)
{
	struct buf b = { 0 };

	if (d->name)
		buf_printf(&b, "--%s%s%s", d->name, value ? "=" : "", value ? value : "");
	else
		buf_printf(&b, "-%c%s", d->key, value ? value : "");
	str_list_add(&o->remote_words, b.p, b.len);
	buf_done(&b);
}

int option_apply(struct options *o, const struct option_desc *d, const char *value)
{
	if (d->there)
		keep_word(o, d, value);
	if (!value || (d->arg && d->parse != parse_help) || d->parse == parse_repeat)
		return switch_on(o, d, value);
	if (word_in("true True TRUE t T 1", value))
		return switch_on(o, d, NULL);
	if (word_in("false False FALSE f F 0", value)) {
		switch_off(o, d);
		return 0;
	}
	if (d->arg)
		return switch_on(o, d, value);
	refuse_value(d, value, "true or false");
	return -EINVAL;
}

int parse_process_blocks(struct options *o, const struct option_desc *d, const char *arg)
{
	static const struct {
		const char *word;
		unsigned forms;
	} words[] = {
		{ "apple", PROCESS_BLOCKS_APPLE },
		{ "pcapng", PROCESS_BLOCKS_STANDARD },
		{ "both", PROCESS_BLOCKS_APPLE | PROCESS_BLOCKS_STANDARD },
		{ "none", PROCESS_BLOCKS_NONE },
	};
	unsigned *forms = option_field(o, d);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, arg) == 0) {
			*forms = words[i].forms;
			return 0;
		}
	}
	log_error("--process-blocks '%s' is none of %s", arg, d->choices);
	return -EINVAL;
}

int parse_choice(struct options *o, const struct option_desc *d, const char *arg)
{
	unsigned *choice = option_field(o, d), n = 1;
	const char *words = d->choices;

	for (size_t len; arg && *words; words += len + (words[len] != '\0'), n++) {
		len = strcspn(words, " ");
		if (strncmp(words, arg, len) == 0 && arg[len] == '\0')
			break;
	}
	if (*words == '\0') {
		log_error("--%s '%s' is none of %s", d->name, arg, d->choices);
		return -EINVAL;
	}
	*choice = n;
	return 0;
}

int parse_verbatim(struct options *o, const struct option_desc *d, const char *arg)
{
	if (*arg == '\0') {
		log_error("--%s needs a value that is not empty", d->name);
		return -EINVAL;
	}
	str_list_add(option_field(o, d), arg, strlen(arg));
	return 0;
}
