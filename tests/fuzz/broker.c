/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What somebody asks of the process outside who holds the one in the sandbox. It gets the next file and what the expression
 * means, with no more rights than that takes, and nothing else. What those do who open files and compile, is not asked here.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "fuzz.h"
#include "output/resolver.h"
#include "reader/reader.h"
#include "sandbox.h"
#include "session_broker.h"
#include "session_broker_wire.h"
#include "util/caps.h"
#include "util/fd.h"

enum { SOCKET = 1000, QUESTIONS = 1024 };

static struct fuzz input;

static struct {
	jmp_buf end;
	bool running, apart; /* in the process that compiles */
	struct file_config files;
	char *names; /* of the list */
	void *inputs;
	bool dropped, dropped_all, sandboxed;
	bool begun, open; /* a file of -w */
	unsigned asked, answered;
	bool waits; /* an answer says that more follows: */
	size_t more;
} world;

static struct options options;

static int some_error(void)
{
	return fuzz_u8(&input) & 1 ? -EIO : 0;
}

/* --- the socket ----------------------------------------------------------------------- */

FAKE(int, fd_read_all, int fd, void *p, size_t n)
{
	struct broker_question q = { .kind = fuzz_u8(&input) };

	FUZZ_CHECK(fd == SOCKET && n == sizeof(q) && !world.waits && !world.apart);
	if (!input.n || ++world.asked > QUESTIONS)
		return -EPIPE;
	if (q.kind & 0x80) {
		/* All of it, as it likes. */
		for (size_t i = 0; i < sizeof(q); i++)
			((uint8_t *)p)[i] = fuzz_u8(&input);
		return 0;
	}
	q.step = q.kind >> 2 & 3;
	q.kind %= 3;
	q.dlt = fuzz_u8(&input);
	memcpy(p, &q, sizeof(q));
	return 0;
}

FAKE(int, fd_send, int socket, const void *p, size_t n, int fd)
{
	const struct broker_answer *a = p;

	FUZZ_CHECK(socket == SOCKET && n == sizeof(*a) && !world.waits && a->fd == (fd >= 0) && a->err <= 0);
	/* Who says that it failed gives nothing. */
	FUZZ_CHECK(!a->err || fd < 0);
	FUZZ_CHECK(++world.answered <= world.asked);
	world.waits = a->size;
	world.more = a->size;
	return 0;
}

FAKE(int, fd_write, int fd, const void *p, size_t n, const volatile sig_atomic_t *interrupted, size_t *done)
{
	volatile uint8_t sum = 0;

	(void)interrupted;
	FUZZ_CHECK(fd == SOCKET && world.waits && n == world.more);
	for (size_t i = 0; i < n; i++)
		sum ^= ((const uint8_t *)p)[i];
	world.waits = false;
	*done = n;
	return some_error();
}

void *__real_reallocarray(void *p, size_t n, size_t size);

/* A process that ends gives back nothing. */
FAKE(void *, reallocarray, void *p, size_t n, size_t size)
{
	void *ret = __real_reallocarray(p, n, size);

	if (world.running)
		world.inputs = ret;
	return ret;
}

/* --- files --------------------------------------------------------------------------------- */

FAKE(int, reader_input, const char *name)
{
	/* A name of the list, whole or as much as names may have. */
	FUZZ_CHECK(world.names && strlen(name) <= PATH_MAX && !strchr(name, '\n'));
	FUZZ_CHECK(!world.apart && (world.dropped || (!options.user && world.files.is_input)));
	return some_error() ? -ENOENT : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

FAKE(int, file_opener_new, struct file_opener **ret, const struct file_config *config)
{
	static char one;

	world.files = *config;
	*ret = (struct file_opener *)(void *)&one;
	return 0;
}

FAKE(int, file_opener_step, struct file_opener *f, enum file_step step, char name[PATH_MAX])
{
	struct stat st = { .st_mode = S_IFREG, .st_ino = fuzz_u8(&input) };

	FUZZ_CHECK(f && !world.apart && (step == FILE_FIRST) == !world.begun);
	FUZZ_CHECK(step == FILE_FIRST ? world.dropped == (options.user != NULL) : world.dropped);
	/* -z has each when it is done, once. */
	FUZZ_CHECK(step != FILE_DONE || world.open);
	FUZZ_CHECK(step == FILE_FIRST || step == FILE_DONE || !world.open || !options.file.command);
	world.files.is_input(world.files.arg, &st);
	snprintf(name, PATH_MAX, "x.pcapng%u", step);
	world.begun = true;
	world.open = false;
	if (step == FILE_DONE)
		return 0;
	if (some_error())
		return -EACCES;
	world.open = true;
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

/* --- rights ---------------------------------------------------------------------------------- */

FAKE(int, privileges_drop, const struct privileges_user *user, const struct privileges_keep *keep)
{
	(void)user;
	/* What opens files captures nothing. */
	FUZZ_CHECK(!keep->capture && !keep->netns && !keep->containers && !keep->command && !world.dropped);
	FUZZ_CHECK(!options.user || (!keep->new_files && !keep->folders));
	world.dropped = true;
	return some_error();
}

FAKE(int, privileges_drop_all, const struct privileges_user *user)
{
	(void)user;
	world.dropped_all = true;
	return some_error();
}

FAKE(int, caps_clear, void)
{
	world.dropped_all = true;
	return some_error();
}

FAKE(int, sandbox_enter, const struct sandbox_config *config)
{
	FUZZ_CHECK(world.dropped_all && config->names);
	world.sandboxed = true;
	return some_error();
}

FAKE(void, resolver_free, struct resolver *r)
{
	(void)r;
}

/* --- the other process, which ends the run ----------------------------------------------------- */

FAKE(pid_t, fork, void)
{
	const uint8_t how = fuzz_u8(&input);

	world.apart = how & 1;
	/* What it has said is for those inside. */
	if (!world.apart && how & 2)
		world.answered++;
	if (how % 16 == 8) {
		errno = EAGAIN;
		return -1;
	}
	return world.apart ? 0 : 1;
}

FAKE(pid_t, waitpid, pid_t pid, int *status, int how)
{
	(void)how;
	*status = fuzz_u8(&input) & 1;
	return pid;
}

FAKE(int, filter_compile, const char *expr, const struct filter_compile_opts *opts, struct filter_code *ret,
     char err[FILTER_ERR_LEN])
{
	static struct filter_insn insns[3];

	FUZZ_CHECK(world.apart && world.dropped_all && world.sandboxed == !options.no_sandbox);
	FUZZ_CHECK(expr == options.filter->exact && opts->saved && !opts->live &&
		   opts->no_optimize + opts->swapped < 3);
	*ret = (struct filter_code){ .insns = insns, .n = fuzz_u8(&input) % 4 };
	snprintf(err, FILTER_ERR_LEN, "not so");
	return some_error() ? -EINVAL : 0;
}

void __real__exit(int status) __attribute__((noreturn));

FAKE(void, _exit, int status)
{
	if (!world.running)
		__real__exit(status);
	FUZZ_CHECK(world.apart);
	longjmp(world.end, 1);
}

/* Signals and what sends them are libFuzzer's. */
typedef void handler(int);
handler *__real_signal(int number, handler *h);
int __real_sigaction(int number, const struct sigaction *act, struct sigaction *old);

FAKE(handler *, signal, int number, handler *h)
{
	return world.running ? SIG_DFL : __real_signal(number, h);
}

FAKE(int, sigaction, int number, const struct sigaction *act, struct sigaction *old)
{
	return world.running ? 0 : __real_sigaction(number, act, old);
}

FAKE(int, fcntl, int fd, int what, ...)
{
	(void)fd;
	(void)what;
	return 0;
}

/* --- what it was started with ------------------------------------------------------------------- */

static FILE *make_options(uint8_t how, uint8_t more)
{
	static struct filter_expr filter = { .text = "host localhost", .exact = "host localhost" };
	static char write_file[] = "x.pcapng";

	options = (struct options){
		.filter = &filter,
		.write_file = how & 1 ? write_file : NULL,
		.user = how & 2 ? "nobody" : NULL,
		.no_sandbox = how & 4,
		.file = { .rotate_bytes = how & 8,
			  .rotate_seconds = how >> 4 & 1,
			  .command = how & 0x20 ? "xz" : NULL },
	};
	if (!(how & 0x40))
		return NULL;
	world.names = fuzz_string(&input, more);
	options.list_file = "list";
	return fmemopen(world.names, strlen(world.names) + 1, "r");
}

static void run(FILE *list, int first)
{
	const struct session session = { .o = &options };
	const struct broker_config config = { .s = &session, .list = list, .input = first };

	broker_serve(&config, SOCKET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int first = -1;
	FILE *list;
	uint8_t how;

	first = fuzz_file(first, "", 0, NULL);
	input = (struct fuzz){ data, size };
	memset(&world, 0, sizeof(world));
	how = fuzz_u8(&input);
	list = make_options(how, fuzz_u8(&input));
	world.running = true;
	if (setjmp(world.end) == 0)
		run(list, first);
	else
		free(world.inputs);
	world.running = false;
	if (list)
		fclose(list);
	free(world.names);
	return 0;
}
