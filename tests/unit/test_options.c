/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "util/clock.h"

enum { WORDS_MAX = 32 };

static struct options opts;

/* Parses "ptcpdump" and the words of line, which single spaces separate. Messages are not shown. */
static int parse(const char *line)
{
	static char copy[1024];
	static char *argv[WORDS_MAX];
	int argc = 0, err, saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	options_done(&opts);
	snprintf(copy, sizeof(copy), "ptcpdump %s", line);
	for (char *word = strtok(copy, " "); word && argc < WORDS_MAX - 1; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	dup2(null, STDERR_FILENO);
	err = options_parse(&opts, argc, argv);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	return err;
}

static void test_defaults(void)
{
	CHECK_INT(parse(""), 0);
	CHECK_INT(opts.capture.snaplen, 262144);
	CHECK_INT(opts.meta.settle_ns, 150 * NSEC_PER_MSEC);
	CHECK_INT(opts.context, ANNOT_ALL);
	CHECK_INT(opts.capture.dlt, -1);
	CHECK_STR(opts.expr, "");
	CHECK(!opts.command && !opts.ifaces.v && !options_offline(&opts) && !options_select_process(&opts));
}

static void test_clusters(void)
{
	CHECK_INT(parse("-nnvvXSs0 -ttttt"), 0);
	CHECK_INT(opts.text.n, 2);
	CHECK_INT(opts.text.v, 2);
	CHECK_INT(opts.text.X, 1);
	CHECK_INT(opts.text.S, 1);
	CHECK_INT(opts.text.t, 5);
	CHECK_INT(opts.capture.snaplen, 262144);
	CHECK_INT(parse("-c3 -i lo,eth0 -i any -s 0x40"), 0);
	CHECK_INT(opts.count, 3);
	CHECK_INT(opts.capture.snaplen, 64);
	CHECK_INT(opts.ifaces.n, 3);
	CHECK_STR(opts.ifaces.v[1], "eth0");
	CHECK(opts.ifaces.v[3] == NULL);
}

static void test_expression(void)
{
	CHECK_INT(parse("-i lo tcp port 80 -c 5 and host 1.2.3.4 -v"), 0);
	CHECK_STR(opts.expr, "tcp port 80 and host 1.2.3.4");
	CHECK_INT(opts.count, 5);
	CHECK_INT(opts.text.v, 1);
}

static void test_command(void)
{
	CHECK_INT(parse("-n udp -- curl -v -- x"), 0);
	CHECK_STR(opts.expr, "udp");
	CHECK_INT(opts.text.v, 0);
	CHECK(opts.command && options_select_process(&opts));
	CHECK_STR(opts.command[0], "curl");
	CHECK_STR(opts.command[2], "--");
	CHECK_STR(opts.command[3], "x");
	CHECK(!opts.command[4]);
	CHECK_INT(parse("-n --"), -EINVAL);
	CHECK(!opts.command);
	CHECK_INT(parse("-r file -- curl"), -EINVAL);
}

static void test_sizes(void)
{
	CHECK_INT(parse("-w x -C 1"), 0);
	CHECK_INT(opts.file.rotate_bytes, 1000000);
	CHECK_INT(parse("-w x -C 2k"), 0);
	CHECK_INT(opts.file.rotate_bytes, 2048);
	CHECK_INT(parse("-w x -C 3M"), 0);
	CHECK_INT(opts.file.rotate_bytes, 3 << 20);
	CHECK_INT(parse("-w x -C 1g"), 0);
	CHECK_INT(opts.file.rotate_bytes, 1 << 30);
	CHECK_INT(parse("-w x -C 100MB"), 0);
	CHECK_INT(opts.file.rotate_bytes, 100 << 20);
	CHECK_INT(parse("-w x -C 1kb"), 0);
	CHECK_INT(opts.file.rotate_bytes, 1024);
	CHECK_INT(parse("-w x --file-size=1gb"), 0);
	CHECK_INT(opts.file.rotate_bytes, 1 << 30);
	CHECK_INT(parse("-w x -C 1b"), -EINVAL);
	CHECK_INT(parse("-w x -C 1kbb"), -EINVAL);
	CHECK_INT(parse("-B 4096"), 0);
	CHECK_INT(opts.capture.ring_bytes, 4 << 20);
}

/* As Go's flags are given. */
static void test_switch_values(void)
{
	CHECK_INT(parse("--count=true --print=false --oneline=T -v=3 --no-convert-addr=2 tcp"), 0);
	CHECK_INT(opts.count_only, 1);
	CHECK_INT(opts.print, 0);
	CHECK(opts.text.oneline);
	CHECK_INT(opts.text.v, 3);
	CHECK_INT(opts.text.n, 2);
	CHECK_STR(opts.expr, "tcp");
	CHECK_INT(parse("-nev=2 -A=false -q=1 -tt udp -e=0 -l=false --nano=true --print"), 0);
	CHECK_INT(opts.text.n, 1);
	CHECK_INT(opts.text.e, 0);
	CHECK_INT(opts.text.v, 2);
	CHECK_INT(opts.text.A, 0);
	CHECK_INT(opts.text.q, 1);
	CHECK_INT(opts.text.t, 2);
	CHECK(!opts.text.line_buffered && opts.text.nano);
	CHECK_INT(opts.print, 1);
	CHECK_STR(opts.expr, "udp");
	/* The last word counts, and only true shows the version. */
	CHECK_INT(parse("-q --quiet=false --version=false --help=false -D=false"), 0);
	CHECK_INT(opts.text.q, 0);
	CHECK_INT(opts.action, ACTION_NONE);
	CHECK_INT(parse("--version=true"), 0);
	CHECK_INT(opts.action, ACTION_VERSION);
	CHECK_INT(parse("--help=all --help=false"), 0);
	CHECK_INT(opts.action, ACTION_HELP_ALL);
	CHECK_INT(parse("--help=most"), -EINVAL);
	CHECK_INT(parse("--print=2"), -EINVAL);
	CHECK_INT(parse("-v=true"), -EINVAL);
	CHECK_INT(parse("-v=-1"), -EINVAL);
	CHECK_INT(parse("-v="), -EINVAL);
	CHECK_INT(parse("-v -=2"), -EINVAL);
	CHECK_INT(parse("-=2"), -EINVAL);
	/* A value that begins with "=" is the option's own business. */
	CHECK_INT(parse("-w =x"), 0);
	CHECK_STR(opts.write_file, "=x");
}

static void test_addresses(void)
{
	CHECK_INT(parse("--docker-address /x/docker.sock --cri-runtime-address unix:///y"), 0);
	CHECK_STR(opts.runtime_addresses[RUNTIME_CRI], "unix:///y");
	CHECK_INT(parse("--docker-address tcp://10.0.0.1:2375"), 0);
	CHECK_INT(parse("--docker-address http://[::1]:2375/"), 0);
	CHECK_STR(opts.runtime_addresses[RUNTIME_DOCKER], "http://[::1]:2375/");
	CHECK_INT(parse("--docker-address https://10.0.0.1:2376"), -EINVAL);
	CHECK_INT(parse("--docker-address ssh://host"), -EINVAL);
	CHECK_INT(parse("--docker-address http://"), -EINVAL);
	CHECK_INT(parse("--docker-address http://h/v1.44"), -EINVAL);
	CHECK_INT(parse("--docker-address http://u@h"), -EINVAL);
	CHECK_INT(parse("--pname /usr/bin/curl"), -EINVAL);
	CHECK_INT(parse("--pname ./a.out"), -EINVAL);
	CHECK_INT(parse("--pname kworker/0:1"), 0);
	CHECK_INT(parse("--docker-address http://127.0.0.1:99999"), -EINVAL);
	CHECK_INT(parse("--docker-address tcp://[::1]:x"), -EINVAL);
	CHECK_INT(parse("--docker-address tcp://h:0"), -EINVAL);
	CHECK_INT(parse("--docker-address tcp://h:"), -EINVAL);
	CHECK_INT(parse("--docker-address tcp://::1"), -EINVAL);
	CHECK_INT(parse("--docker-address tcp://[::1"), -EINVAL);
	CHECK_INT(parse("--docker-address tcp://[::1]2375"), -EINVAL);
	CHECK_INT(parse("--docker-address tcp://h:65535/"), 0);
	CHECK_INT(parse("--docker-address tcp://[::1]"), 0);
	CHECK_INT(parse("--containerd-address tcp://10.0.0.1:1"), -EINVAL);
	CHECK_INT(parse("--cri-runtime-address http://10.0.0.1:1"), -EINVAL);
}

static void test_processes(void)
{
	CHECK_INT(parse("--pid 1,22@host --pid=333 --uid 0 --pname a,b -f"), 0);
	CHECK_INT(opts.pids.n, 3);
	CHECK_INT(opts.pids.v[1], 22 | PID_OUTSIDE);
	CHECK_INT(opts.pids.v[2], 333);
	CHECK_INT(opts.uids.n, 1);
	CHECK_INT(opts.users.n, 0);
	CHECK_INT(opts.pnames.n, 1);
	CHECK_STR(opts.pnames.v[0], "a,b");
	CHECK_INT(opts.follow_forks, 1);
	CHECK(options_select_process(&opts) && !options_select_container(&opts));
	CHECK_INT(parse("--uid 5,root"), 0);
	CHECK_INT(opts.uids.n, 2);
	CHECK_INT(opts.uids.v[1], 0);
	CHECK(!opts.saved_users);
	CHECK_INT(parse("-r x --uid 5,root,no-such-user-is-here"), 0);
	CHECK_INT(opts.uids.n, 1);
	CHECK_INT(opts.users.n, 2);
	CHECK(opts.saved_users && opts.saved_users[0].known && !opts.saved_users[1].known);
	CHECK_INT(parse("--pod-name a.b"), 0);
	CHECK(options_select_container(&opts));
}

static void test_containers(void)
{
	struct container_query q;

	CHECK_INT(parse("--label app=web,tier --label list=a\\,b --image nginx,redis:* --namespace prod --compose "
			"shop/front --context-prefix"),
		  0);
	CHECK(options_select_container(&opts) && opts.text.context_prefix);
	q = options_containers(&opts);
	/* A comma between labels says that all of them are meant. */
	CHECK_STR(q.labels[0], "app=web,tier");
	CHECK_STR(q.labels[1], "list=a\\,b");
	CHECK(!q.labels[2]);
	CHECK_STR(q.images[1], "redis:*");
	CHECK_STR(q.namespaces[0], "prod");
	CHECK_STR(q.compose[0], "shop/front");
	CHECK(!q.ids && !q.names && !q.pods);
	CHECK_INT(parse("--context-prefix --context process"), -EINVAL);
	CHECK_INT(parse("--context-prefix --context process,pod"), 0);
}

static void test_context(void)
{
	CHECK_INT(parse("--context process,peer"), 0);
	CHECK_INT(opts.context, ANNOT_PROCESS | ANNOT_EFFECTIVE | ANNOT_END | ANNOT_PEER | ANNOT_PEER_USER);
	CHECK(opts.text.peer);
	CHECK_INT(parse(""), 0);
	CHECK(!opts.text.peer && (opts.context & ANNOT_PEER));
	CHECK_INT(parse("--context process --context pod"), 0);
	CHECK_INT(opts.context,
		  ANNOT_PROCESS | ANNOT_EFFECTIVE | ANNOT_END | ANNOT_POD | ANNOT_PEER_POD | ANNOT_PEER_POD_LABELS);
	CHECK_INT(parse("--context process,nonsense"), -EINVAL);
}

static void test_line(void)
{
	CHECK_INT(parse("--brief --color auto"), 0);
	CHECK(opts.text.brief);
	CHECK_INT(opts.color, COLOR_AUTO);
	CHECK_INT(parse(""), 0);
	CHECK_INT(opts.color, COLOR_NEVER);
	CHECK_INT(parse("--color=always"), 0);
	CHECK_INT(opts.color, COLOR_ALWAYS);
	CHECK_INT(parse("--color sometimes"), -EINVAL);
	CHECK_INT(parse("--brief -v"), -EINVAL);
}

static void test_precision(void)
{
	CHECK_INT(parse("--nano"), 0);
	CHECK(opts.text.nano);
	CHECK_INT(parse("--nano --micro"), 0);
	CHECK(!opts.text.nano);
	CHECK_INT(parse("--time-stamp-precision nano"), 0);
	CHECK(opts.text.nano);
	CHECK_INT(parse("--time-stamp-precision pico"), -EINVAL);
}

static void test_expression_file(void)
{
	char name[] = "/tmp/ptcpdump-expr.XXXXXX", line[64];
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	CHECK(write(fd, "tcp # and more\nport 1\n", 22) == 22);
	close(fd);
	snprintf(line, sizeof(line), "-F %s udp", name);
	CHECK_INT(parse(line), 0);
	unlink(name);
	CHECK_STR(opts.expr, "tcp           \nport 1\n");
	CHECK_INT(parse(line), -ENOENT);
}

static void test_refused(void)
{
	static const char *const lines[] = {
		"-c x",
		"-c 0",
		"-c -1",
		"-c 1x",
		"-c 99999999999999999999",
		"-s -1",
		"-s 262145",
		"-s x",
		"-B 0",
		"-B x",
		"-C 0 -w x",
		"-C x -w x",
		"-C 1kk -w x",
		"-C 9223372036854775807g -w x",
		"-C 1",
		"-G 1",
		"--add-ethernet-header",
		"--compact-comments",
		"-w x.pcap --compact-comments",
		"-r a --netns any",
		"-r a --backend tc",
		"-V a --settle 0",
		"-r a --kernel-btf x",
		"-r a --disable-reverse-match",
		"-r a --docker-address /x",
		"-r a --containerd-address /x",
		"-r a --cri-runtime-address /x",
		"-G x -w x",
		"-G -1 -w x",
		"-W 0",
		"-z true",
		"-z no-such-program -w x -C 1",
		"-Z no-such-user",
		"-w /no-such-folder/x",
		"-w /tmp",
		"-w - -C 1",
		"-Q up",
		"-y NONSENSE",
		"-j nonsense",
		"-r a -V b",
		"-A -x",
		"-A -X",
		"-x -X",
		"-tttttt",
		"-f",
		"--pid abc",
		"--pid 0",
		"--pid 1,",
		"--pid 4194305",
		"--pid 4194305@host",
		"--pid @host",
		"--pid 1@hosts",
		"--pid 1@host@host",
		"--uid -1",
		"--uid 4294967295",
		"--uid 1,",
		"--uid no-such-user-is-here",
		"--pname",
		"--container-id 12345678901",
		"--container-name web[1,2]",
		"--pod-name web\\",
		"--namespace /run/netns/blue",
		"--image nginx[",
		"--label =web",
		"--label app=web,",
		"--label app!=web",
		"--label app==web",
		"--label app=[",
		"--compose /front",
		"--compose shop/",
		"--compose shop/front/1",
		"--settle 10001",
		"--settle -1",
		"--backend nonsense",
		"--log-level loud",
		"--completion tcsh",
		"--no-such-option",
		"--print=2",
		"-k",
		"-i",
		"-i ,",
		"--embed-keylog-to-pcapng",
		"-F /no-such-file",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (parse(lines[i]) >= 0)
			CHECK_FAIL("'%s' is accepted", lines[i]);
	}
}

/* As tcpdump does, whose options of captures have no effect there. */
static void test_taken_with_files(void)
{
	CHECK_INT(parse("-r a -i lo -p -B 100 -Q in --immediate-mode -s 100 --print -W 3"), 0);
	CHECK_INT(parse("-r a --disable-reverse-match=false --add-ethernet-header=false"), 0);
	CHECK_INT(parse("-r a -w b --add-ethernet-header"), 0);
	CHECK_INT(parse("-r a -w b --compact-comments"), 0);
	CHECK_INT(parse("-r a --backend help"), 0);
}

static void test_actions(void)
{
	CHECK_INT(parse("-D"), 0);
	CHECK_INT(opts.action, ACTION_LIST_IFACES);
	CHECK_INT(parse("--backend help"), 0);
	CHECK_INT(opts.action, ACTION_LIST_BACKENDS);
	CHECK_INT(parse("--version -r x"), 0);
	CHECK_INT(opts.action, ACTION_VERSION);
	CHECK_INT(parse("--completion fish"), 0);
	CHECK_STR(opts.shell, "fish");
}

static void test_first_action_wins(void)
{
	static const struct {
		const char *line;
		enum options_action action;
	} t[] = {
		{ "-D --completion bash", ACTION_LIST_IFACES },
		{ "--version --backend help", ACTION_VERSION },
		{ "--completion bash -D", ACTION_COMPLETION },
		{ "--backend help --completion zsh", ACTION_LIST_BACKENDS },
		{ "-h --version", ACTION_HELP },
		{ "-nhv --version", ACTION_HELP },
		{ "--help all", ACTION_HELP_ALL },
		{ "-h all", ACTION_HELP_ALL },
		{ "all --help -v", ACTION_HELP_ALL },
		{ "--help tcp", ACTION_HELP },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		CHECK_INT(parse(t[i].line), 0);
		if (opts.action != t[i].action)
			CHECK_FAIL("'%s' does %d", t[i].line, opts.action);
	}
}

int main(void)
{
	RUN(test_defaults);
	RUN(test_clusters);
	RUN(test_expression);
	RUN(test_command);
	RUN(test_sizes);
	RUN(test_switch_values);
	RUN(test_addresses);
	RUN(test_processes);
	RUN(test_containers);
	RUN(test_context);
	RUN(test_line);
	RUN(test_precision);
	RUN(test_expression_file);
	RUN(test_refused);
	RUN(test_taken_with_files);
	RUN(test_actions);
	RUN(test_first_action_wins);
	options_done(&opts);
	return check_status();
}
