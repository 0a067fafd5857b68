/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "output/keys.h"
#include "output/messages.h"
#include "util/fd.h"
#include "util/log.h"

enum {
	KEYS_READ = 64, /* bytes at once */
	WAIT_MS = 50,	/* for a terminal that takes nothing, once */
	COLUMNS_USUAL = 80,
	ROWS_USUAL = 24,
	SIDE_MAX = 1000, /* columns or rows: of more, that many are used */
};

/* The alternate screen, no cursor, and lines that are too long are cut. */
static const char take_screen[] = "\033[?1049h\033[?7l\033[?25l\033[H\033[2J";
/* A sequence that was cut off is ended first (CAN). Where there is no alternate screen, the prompt comes below. */
static const char give_screen[] = "\030\033[m\033[?7h\033[?25h\033[999;1H\033[K\033[?1049l";

struct screen {
	int in, out;	  /* in: -1 no keyboard; both our own */
	bool nonblocking; /* out */
	bool has_modes;	  /* saved is set */
	struct termios saved;
	int signals;
	sigset_t before; /* blocked signals */
	pid_t owner;	 /* children get a copy of us that must not act */
	bool taken;
	struct keys keys;
	uint8_t input[KEYS_READ];
	unsigned input_at, input_len;
	struct messages messages;
	struct buf message; /* the last of them */
	struct buf frame;   /* what is being made, or what has not been written of the last one */
	size_t sent;
	bool held;	/* frame is of the last redraw, and none is made before it is written */
	unsigned lines; /* in frame */
	unsigned columns, rows;
};

/* For exit(), wherever it is called: memory may be lacking anywhere. */
static struct screen *in_use;

bool screen_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* --- size ------------------------------------------------------------------------ */

static unsigned side(unsigned value, unsigned usual)
{
	return value == 0 ? usual : value > SIDE_MAX ? SIDE_MAX : value;
}

static bool measure(struct screen *s)
{
	const unsigned columns = s->columns, rows = s->rows;
	struct winsize size = { 0 };

	ioctl(s->out, TIOCGWINSZ, &size);
	s->columns = side(size.ws_col, COLUMNS_USUAL);
	s->rows = side(size.ws_row, ROWS_USUAL);
	return s->columns != columns || s->rows != rows;
}

void screen_size(const struct screen *s, unsigned *columns, unsigned *rows)
{
	*columns = s->columns;
	*rows = s->rows;
}

/* --- opening ------------------------------------------------------------------------ */

/* Opened anew, it does not block, which nobody notices who shares the old one with us. */
static int open_anew(int fd, int flags, bool *anew)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = open(path, flags | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	*anew = ret >= 0;
	return ret >= 0 ? ret : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static void open_keyboard(struct screen *s)
{
	bool anew;

	if (isatty(STDIN_FILENO))
		s->in = open_anew(STDIN_FILENO, O_RDONLY, &anew);
	else
		s->in = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	s->has_modes = s->in >= 0 && tcgetattr(s->in, &s->saved) == 0;
}

static int open_signals(struct screen *s)
{
	static const int caught[] = { SIGWINCH, SIGTSTP, SIGCONT, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&set, caught[i]);
	if (sigprocmask(SIG_BLOCK, &set, &s->before))
		return -errno;
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? -errno : 0;
}

int screen_new(struct screen **ret)
{
	struct screen *s = calloc(1, sizeof(*s));
	int err = s ? 0 : -ENOMEM;

	if (s) {
		*s = (struct screen){
			.in = -1, .out = -1, .signals = -1, .messages = MESSAGES_NONE, .owner = getpid()
		};
		s->out = open_anew(STDOUT_FILENO, O_RDWR, &s->nonblocking);
		err = s->out < 0 ? -errno : open_signals(s);
	}
	if (err) {
		log_error("can't use the terminal: %s", strerror(-err));
		screen_free(s);
		return err;
	}
	open_keyboard(s);
	measure(s);
	*ret = s;
	return 0;
}

void screen_free(struct screen *s)
{
	if (!s)
		return;
	screen_end(s);
	if (s->in >= 0)
		close(s->in);
	if (s->out >= 0)
		close(s->out);
	if (s->signals >= 0) {
		close(s->signals);
		sigprocmask(SIG_SETMASK, &s->before, NULL);
	}
	buf_done(&s->frame);
	buf_done(&s->message);
	free(s);
}

/* --- taking and giving back ----------------------------------------------------------- */

/* Ctrl-C and Ctrl-Z stay signals; the rest are keys. Where reading blocks, it returns what is there. */
static int set_modes(struct screen *s)
{
	struct termios modes = s->saved;

	if (!s->has_modes)
		return 0;
	modes.c_iflag &= (tcflag_t) ~(IXON | ICRNL | INLCR | IGNCR | ISTRIP);
	modes.c_lflag &= (tcflag_t) ~(ICANON | ECHO | IEXTEN);
	modes.c_cc[VQUIT] = _POSIX_VDISABLE;
	modes.c_cc[VMIN] = 0;
	modes.c_cc[VTIME] = 0;
	return tcsetattr(s->in, TCSANOW, &modes) ? -errno : 0;
}

/* Waits for a terminal that takes nothing as fd_write() does: until we are asked to end. */
static void put_now(struct screen *s, const char *text)
{
	size_t done;

	fd_write(s->out, text, strlen(text), NULL, &done);
}

static void begin_frame(struct screen *s)
{
	s->frame.len = s->sent = 0;
	s->held = false;
	s->lines = 0;
}

static int enter(struct screen *s)
{
	const int err = set_modes(s);

	if (err)
		return err;
	begin_frame(s);
	buf_puts(&s->frame, take_screen);
	measure(s);
	return 0;
}

static void leave(struct screen *s)
{
	begin_frame(s);
	put_now(s, give_screen);
	if (s->has_modes)
		tcsetattr(s->in, TCSANOW, &s->saved);
}

static void end_at_exit(void)
{
	if (in_use && in_use->owner == getpid())
		screen_end(in_use);
}

int screen_collect(struct screen *s)
{
	int err = atexit(end_at_exit) ? -ENOMEM : messages_begin(&s->messages);

	if (err)
		log_error("can't keep messages from the screen: %s", strerror(-err));
	else
		in_use = s;
	return err;
}

int screen_begin(struct screen *s)
{
	const int err = enter(s);

	if (err)
		log_error("can't use the terminal: %s", strerror(-err));
	else
		s->taken = true;
	return err;
}

void screen_end(struct screen *s)
{
	if (s->taken)
		leave(s);
	s->taken = false;
	if (in_use == s)
		in_use = NULL;
	messages_end(&s->messages);
}

/* --- what happens ---------------------------------------------------------------------- */

unsigned screen_fds(const struct screen *s, int fds[SCREEN_FDS])
{
	const int all[SCREEN_FDS] = { s->signals, s->in, s->messages.fd };
	unsigned n = 0;

	for (unsigned i = 0; i < SCREEN_FDS; i++)
		if (all[i] >= 0)
			fds[n++] = all[i];
	return n;
}

/* As if we had not waited for it: where nobody could wake us again, the kernel does not stop us. */
static void stop(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static unsigned on_signal(struct screen *s, uint32_t signal)
{
	switch (signal) {
	case SIGQUIT: return SCREEN_GONE;
	case SIGTSTP:
		leave(s);
		stop();
		return enter(s) ? SCREEN_GONE : SCREEN_RESIZED;
	case SIGCONT: return enter(s) ? SCREEN_GONE : SCREEN_RESIZED;
	default: return measure(s) ? SCREEN_RESIZED : 0;
	}
}

static unsigned read_signals(struct screen *s)
{
	struct signalfd_siginfo info;
	unsigned news = 0;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info))
		news |= on_signal(s, info.ssi_signo);
	return news;
}

/* A terminal that was hung up is readable all the time. */
static unsigned read_input(struct screen *s)
{
	struct pollfd ready = { .fd = s->in, .events = POLLIN };
	ssize_t n;

	if (s->in < 0 || poll(&ready, 1, 0) <= 0)
		return 0;
	n = read(s->in, s->input, sizeof(s->input));
	if (n > 0) {
		s->input_at = 0;
		s->input_len = (unsigned)n;
		return 0;
	}
	return ready.revents & (POLLHUP | POLLERR | POLLNVAL) ? SCREEN_GONE : 0;
}

static uint32_t next_key(struct screen *s)
{
	uint32_t key = KEY_NONE;

	while (key == KEY_NONE && s->input_at < s->input_len)
		key = keys_byte(&s->keys, s->input[s->input_at++]);
	return key;
}

static unsigned read_messages(struct screen *s)
{
	if (!messages_read(&s->messages))
		return 0;
	s->message.len = 0;
	messages_last(&s->messages, &s->message);
	return SCREEN_MESSAGE;
}

unsigned screen_step(struct screen *s, uint32_t *key)
{
	unsigned news = 0;

	*key = KEY_NONE;
	if (s->input_at == s->input_len)
		news = read_signals(s) | read_messages(s) | read_input(s);
	*key = next_key(s);
	return news | (*key != KEY_NONE ? SCREEN_KEY : 0);
}

bool screen_waits(const struct screen *s)
{
	return keys_wait(&s->keys);
}

uint32_t screen_pause(struct screen *s)
{
	return keys_pause(&s->keys);
}

struct str screen_message(const struct screen *s)
{
	return (struct str){ s->message.p, (uint32_t)s->message.len };
}

/* --- drawing ---------------------------------------------------------------------------- */

/* In one piece, most often. What a terminal does not take waits, and redraws are left out until then. */
static void send(struct screen *s)
{
	struct pollfd ready = { .fd = s->out, .events = POLLOUT };
	/* Who kept us waiting once is not waited for again. */
	const int wait = s->held ? 0 : WAIT_MS;

	while (s->sent < s->frame.len && poll(&ready, 1, wait) > 0) {
		const ssize_t n = write(s->out, s->frame.p + s->sent, s->frame.len - s->sent);

		if (n > 0)
			s->sent += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			break;
	}
	if (s->sent == s->frame.len)
		begin_frame(s);
	else
		s->held = true;
}

void screen_line(struct screen *s, struct str line)
{
	if (s->lines >= s->rows || s->held)
		return;
	buf_puts(&s->frame, s->lines++ ? "\r\n" : "\033[H");
	buf_put(&s->frame, line.p, line.n);
	buf_puts(&s->frame, "\033[m\033[K");
}

void screen_show(struct screen *s)
{
	if (!s->taken)
		return;
	if (!s->held)
		buf_puts(&s->frame, "\033[J");
	send(s);
}
