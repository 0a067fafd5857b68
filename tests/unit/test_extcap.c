/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of extcap(4) into options of ours, and the sentences that answer them. */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "extcap.h"
#include "extcap_call.h"
#include "extcap_config.h"
#include "version.h"

enum { WORDS_MAX = 32 };

static struct extcap_call call;
static char options[1024]; /* of call, each followed by a blank */

/* "ptcpdump" and the words of line, which single spaces separate; "''" is an empty one. Messages are not shown. */
static int parse(const char *line)
{
	static char copy[1024];
	char *argv[WORDS_MAX];
	int argc = 0, err, saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	snprintf(copy, sizeof(copy), "ptcpdump %s", line);
	for (char *word = strtok(copy, " "); word && argc < WORDS_MAX - 1; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "''") == 0 ? (char *)"" : word;
	argv[argc] = NULL;
	extcap_call_done(&call);
	dup2(null, STDERR_FILENO);
	err = extcap_call_parse(&call, argc, argv);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	options[0] = '\0';
	for (size_t i = 0; i < call.options.n; i++)
		snprintf(options + strlen(options), sizeof(options) - strlen(options), "%s ", call.options.v[i]);
	return err;
}

static void test_called(void)
{
	char *interfaces[] = { "ptcpdump", "--extcap-interfaces", NULL };
	char *late[] = { "ptcpdump", "--pid", "1", "--capture", "--extcap-interface=ptcpdump", NULL };
	char *command[] = { "ptcpdump", "--", "x", "--extcap-interfaces", NULL };
	char *ordinary[] = { "ptcpdump", "-i", "lo", "extcap", NULL };

	CHECK(extcap_called(2, interfaces));
	CHECK(extcap_called(5, late));
	CHECK(!extcap_called(4, command));
	CHECK(!extcap_called(4, ordinary));
}

static void test_questions(void)
{
	CHECK_INT(parse("--extcap-interfaces --extcap-version=4.0"), 0);
	CHECK(call.interfaces && !call.capture && !call.config);
	CHECK_STR(call.version, "4.0");
	CHECK_INT(parse("--extcap-interface x --extcap-config --extcap-reload-option --interface"), 0);
	CHECK(call.config && !call.interfaces);
	CHECK_STR(call.interface, "x");
	CHECK_STR(call.reload_option, "--interface");
	CHECK_INT(parse("--extcap-dlts --extcap-interface=x"), 0);
	CHECK(call.dlts);
	CHECK_INT(parse("--extcap-capture-filter -- --extcap-interface x"), 0);
	CHECK_STR(call.filter, "--");
	CHECK(!call.capture);
}

static void test_capture(void)
{
	CHECK_INT(parse("--pname=a --fifo /f --uid 0 --capture --extcap-control-in /i --extcap-interface x"
			" --extcap-capture-filter tcp --extcap-control-out /o --interface lo"),
		  0);
	CHECK(call.capture);
	CHECK_STR(call.fifo, "/f");
	CHECK_STR(call.filter, "tcp");
	CHECK_STR(options, "--pname=a --uid=0 --interface=lo ");
}

/* What was left as it is counts as not given, in whatever form it comes. */
static void test_left_empty(void)
{
	CHECK_INT(parse("--capture --pname '' --uid= --pid --fifo /f --netns"), 0);
	CHECK_STR(options, "");
	CHECK_INT(parse("--follow-forks --compact-comments false --pid 1"), 0);
	CHECK_STR(options, "--follow-forks --pid=1 ");
	CHECK_INT(parse("--follow-forks=true --compact-comments=false"), 0);
	CHECK_STR(options, "--follow-forks ");
	CHECK_INT(parse("--log-level debug --utc-time"), 0);
	CHECK_STR(options, "--log-level=debug --utc-time ");
}

static void test_refused(void)
{
	CHECK_INT(parse("--capture tcp"), -EINVAL);
	CHECK_INT(parse("--capture -i lo"), -EINVAL);
	CHECK_INT(parse("--capture -- sh"), -EINVAL);
	CHECK_INT(parse("--capture --fifo"), -EINVAL);
}

/* --- sentences ------------------------------------------------------------------ */

static const char *const arg_sentence =
	"^arg \\{number=[0-9]+\\}\\{call=--[a-z-]+\\}\\{display=[^{}]+\\}\\{type=(string|selector|unsigned|boolflag|"
	"multicheck)\\}\\{group=[A-Z][a-z]+\\}\\{tooltip=[^{}]+\\}(\\{(default|range|validation|reload|placeholder)="
	"[^{}]+\\})*$";
static const char *const value_sentence =
	"^value \\{arg=[0-9]+\\}\\{value=[^{} ]*\\}\\{display=[^{}]+\\}\\{default=(true|false)\\}(\\{enabled=true\\})?$";

static bool fits(const char *pattern, const char *line)
{
	regex_t regex;
	bool ret;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	ret = regexec(&regex, line, 0, NULL, 0) == 0;
	regfree(&regex);
	return ret;
}

static void test_config(void)
{
	struct buf b = { 0 };
	unsigned args = 0, values = 0;

	extcap_put_config(&b, NULL);
	buf_putc(&b, '\0');
	for (char *line = strtok(b.p, "\n"); line; line = strtok(NULL, "\n")) {
		if (strncmp(line, "arg ", 4) == 0) {
			unsigned number = 0;

			/* Else Wireshark does not find the field of a value. */
			CHECK(!values && sscanf(line, "arg {number=%u}", &number) == 1 && number == args);
			CHECK(fits(arg_sentence, line));
			args++;
		} else {
			unsigned number = 0;

			CHECK(fits(value_sentence, line));
			CHECK(sscanf(line, "value {arg=%u}", &number) == 1 && number < args);
			values++;
		}
	}
	buf_done(&b);
	CHECK(args > 5 && values > 5);
}

static void test_reload(void)
{
	struct buf b = { 0 };

	extcap_put_config(&b, "--interface");
	buf_putc(&b, '\0');
	CHECK(strncmp(b.p, "value {arg=0}{value=any}", 24) == 0);
	CHECK(!strstr(b.p, "arg {number") && !strstr(b.p, "{arg=3}"));
	b.len = 0;
	extcap_put_config(&b, "nothing");
	CHECK_INT(b.len, 0);
	buf_done(&b);
}

static void test_fixed(void)
{
	struct buf b = { 0 };

	extcap_put_interfaces(&b);
	extcap_put_dlts(&b);
	buf_putc(&b, '\0');
	CHECK_STR(b.p, "extcap {version=" PTCPDUMP_VERSION "}{display=ptcpdump}\n"
		       "interface {value=ptcpdump}{display=ptcpdump: all interfaces with processes}\n"
		       "dlt {number=1}{name=EN10MB}{display=Ethernet}\n");
	buf_done(&b);
}

/* Every field is an option that the ordinary command line knows. */
static void test_fields_are_options(void)
{
	struct buf b = { 0 };
	unsigned n = 0;

	extcap_put_config(&b, NULL);
	buf_putc(&b, '\0');
	for (char *at = b.p; (at = strstr(at, "{call=--")); n++) {
		char name[64], *argv[] = { "ptcpdump", "--pname=x", "--write-file=-", name, NULL };
		struct options o;
		int err;

		at += strlen("{call=");
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "}"), at);
		/* What most of them take. */
		if (strcmp(name, "--backend") == 0)
			strcat(name, "=tc");
		else if (strcmp(name, "--context") == 0)
			strcat(name, "=user");
		else if (extcap_field(name) == FIELD_VALUE)
			strcat(name, "=1");
		err = options_parse(&o, 4, argv);
		options_done(&o);
		CHECK_INT(err, 0);
	}
	buf_done(&b);
	CHECK(n > 5);
}

int main(void)
{
	RUN(test_called);
	RUN(test_questions);
	RUN(test_capture);
	RUN(test_left_empty);
	RUN(test_refused);
	RUN(test_config);
	RUN(test_reload);
	RUN(test_fixed);
	RUN(test_fields_are_options);
	extcap_call_done(&call);
	return check_status();
}
