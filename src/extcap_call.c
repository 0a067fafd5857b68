/* SPDX-License-Identifier: BSD-3-Clause */
#include "extcap_call.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "extcap.h"
#include "extcap_config.h"
#include "options_value.h"
#include "util/buf.h"
#include "util/log.h"

#define PREFIX "--extcap-"

bool extcap_called(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strncmp(argv[i], PREFIX, strlen(PREFIX)) == 0)
			return true;
	}
	return false;
}

/* extcap(4)'s own words. */
static const struct own_word {
	const char *name;
	size_t offset;
	bool value;
} own_words[] = {
#define FLAG(word, member)                                                                                             \
	{                                                                                                              \
		.name = word, .offset = offsetof(struct extcap_call, member)                                           \
	}
#define VALUE(word, member)                                                                                            \
	{                                                                                                              \
		.name = word, .offset = offsetof(struct extcap_call, member), .value = true                            \
	}
	FLAG("extcap-interfaces", interfaces),
	FLAG("extcap-config", config),
	FLAG("extcap-dlts", dlts),
	FLAG("extcap-cleanup-postkill", cleanup),
	FLAG("capture", capture),
	VALUE("extcap-interface", interface),
	VALUE("extcap-reload-option", reload_option),
	VALUE("extcap-capture-filter", filter),
	VALUE("extcap-version", version),
	VALUE("extcap-control-in", control_in),
	VALUE("extcap-control-out", control_out),
	VALUE("fifo", fifo),
#undef FLAG
#undef VALUE
};

static const struct own_word *find_own(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(own_words) / sizeof(own_words[0]); i++) {
		if (strlen(own_words[i].name) == n && memcmp(own_words[i].name, name, n) == 0)
			return &own_words[i];
	}
	return NULL;
}

static int take_own(struct extcap_call *call, const struct own_word *own, const char *value)
{
	void *member = (char *)call + own->offset;

	if (!own->value) {
		*(bool *)member = true;
		return 0;
	}
	if (!value) {
		log_error("--%s has no value, and wants one", own->name);
		return -EINVAL;
	}
	*(const char **)member = value;
	return 0;
}

/* A field that was left as it is may come as well, empty or false. */
static bool is_given(enum extcap_field field, const char *value)
{
	if (!value)
		return field != FIELD_VALUE;
	return *value && !(field == FIELD_FLAG && strcmp(value, "false") == 0);
}

static void add_option(struct extcap_call *call, const char *name, size_t n, const char *value)
{
	enum extcap_field field;
	struct buf b = { 0 };

	buf_puts(&b, "--");
	buf_put(&b, name, n);
	buf_putc(&b, '\0');
	field = extcap_field(b.p + 2);
	b.len--;
	if (value && field != FIELD_FLAG) {
		buf_putc(&b, '=');
		buf_puts(&b, value);
	}
	if (is_given(field, value))
		str_list_add(&call->options, b.p, b.len);
	buf_done(&b);
}

/* Of an option of ours, which may have none, another option is no value. A filter may be anything. */
static bool is_value(const struct own_word *own, const char *word)
{
	return own ? own->value : strncmp(word, "--", 2) != 0;
}

/* The word at argv[*i], with the next one where that is its value. */
static int take_word(struct extcap_call *call, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2, *value = strchr(name, '=');
	const size_t n = value ? (size_t)(value - name) : strlen(name);
	const struct own_word *own = find_own(name, n);

	if (strncmp(argv[*i], "--", 2) != 0 || n == 0) {
		log_error("'%s' is neither an option nor the value of one; a filter goes with --extcap-capture-filter",
			  argv[*i]);
		return -EINVAL;
	}
	if (value)
		value++;
	else if (*i + 1 < argc && is_value(own, argv[*i + 1]))
		value = argv[++*i];
	if (own)
		return take_own(call, own, value);
	add_option(call, name, n, value);
	return 0;
}

int extcap_call_parse(struct extcap_call *call, int argc, char **argv)
{
	int err = 0;

	*call = (struct extcap_call){ 0 };
	for (int i = 1; i < argc && !err; i++)
		err = take_word(call, argc, argv, &i);
	return err;
}

void extcap_call_done(struct extcap_call *call)
{
	str_list_done(&call->options);
}
