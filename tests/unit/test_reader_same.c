/* SPDX-License-Identifier: BSD-3-Clause */
/* What the reader takes short cuts for is what the long way gives: random files, whole and damaged. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "capfile.h"
#include "check.h"
#include "format/comments.h"

enum { POOL = 200, PACKETS = 20000, FILES = 150 };

static const uint8_t bytes[64] = { 1, 2, 3 };

static unsigned chance(unsigned n)
{
	return (unsigned)rand() % n;
}

static void put_comment(struct capfile *c, unsigned kind)
{
	static const char *const keys[] = { "PID", "ThreadId", "UserId", "ParentPID", "PeerPID", "Note" };
	char text[1500];
	int n = snprintf(text, sizeof(text), "%s: %u", keys[kind], chance(30));

	if (kind != 1 && kind != 2 && n > 0) {
		const unsigned len = chance(10) ? chance(60) : chance(1200);

		n += snprintf(text + n, sizeof(text) - (size_t)n, "\n%sCmd: /bin/x\n%sArgs: x %0*u",
			      kind == 3	  ? "Parent"
			      : kind == 4 ? "Peer"
					  : "",
			      kind == 3	  ? "Parent"
			      : kind == 4 ? "Peer"
					  : "",
			      (int)len, chance(3));
	}
	cf_option(c, OPT_COMMENT, text, (size_t)n);
}

/* Of a packet: ours, those of others, some cut short, some behind the end mark. */
static void put_options(struct capfile *c)
{
	if (chance(8))
		cf_option32(c, EPB_FLAGS, chance(4));
	for (unsigned kind = 0; kind < 6; kind++) {
		if (chance(4))
			put_comment(c, kind);
		if (chance(20) == 0)
			cf_option(c, EPB_HASH, bytes, chance(20));
		if (chance(40) == 0)
			cf_option32(c, EPB_FLAGS, chance(4));
		if (chance(60) == 0)
			cf32(c, 0);
	}
	if (chance(20) == 0)
		cf32(c, 0x0fff0001);
	if (chance(3))
		cf32(c, 0);
}

struct expected {
	struct capfile pool[POOL];
	enum reader_detail detail;
	unsigned packets, simple;
};

static void check_annotation(const struct annotation *got, const uint8_t *options, size_t len)
{
	struct annotation *a;

	CHECK_INT(annotation_decode(&annotation_schema, &a, options, len, 1), 0);
	CHECK(!a == !got);
	if (a && got) {
		CHECK_INT(got->has, a->has);
		CHECK(annot_same(&annotation_schema, got, a));
	}
	free(a);
}

static enum direction direction_of(const uint8_t *options, size_t len)
{
	enum direction dir = DIR_NONE;

	for (size_t at = 0; at < len; at += 4 + pad4(get16(options + at + 2, false))) {
		if (get16(options + at, false) == EPB_FLAGS && get16(options + at + 2, false) == 4)
			dir = (enum direction[]){ DIR_NONE, DIR_IN, DIR_OUT,
						  DIR_NONE }[get32(options + at + 4, false) & 3];
	}
	return dir;
}

/* Its time says which of the pool's options it has. */
static void check_packet(struct expected *e, const struct packet *p)
{
	const struct buf *b = &e->pool[p->file_ts].b;
	const size_t len = pcapng_options_size((const uint8_t *)b->p, b->len);

	CHECK_MEM(p->data, bytes, 60);
	if (p->timeless) {
		CHECK(!p->options_len && !p->annot && p->dir == DIR_NONE);
		e->simple++;
		return;
	}
	e->packets++;
	if (e->detail == READER_BARE) {
		CHECK(!p->options && !p->options_len && !p->annot && p->dir == DIR_NONE);
		return;
	}
	CHECK_INT(p->options_len, len);
	CHECK_MEM(p->options, b->p, len);
	if (e->detail == READER_OPTIONS) {
		CHECK(!p->annot && p->dir == DIR_NONE);
		return;
	}
	CHECK_INT(p->dir, direction_of(p->options, len));
	check_annotation(p->annot, p->options, len);
}

static int on_packet(void *arg, const struct packet *p)
{
	check_packet(arg, p);
	return 0;
}

/* As one that came before, but for one byte: what compares less than all of it takes them for the same. */
static void alter(struct capfile *c, const struct capfile *from)
{
	buf_put(&c->b, from->b.p, from->b.len);
	if (c->b.len) {
		const unsigned from_end = chance(2) && c->b.len > 12 ? 12 : (unsigned)c->b.len;

		c->b.p[c->b.len - 1 - chance(from_end)] ^= 1;
	}
}

static void put_simple(struct capfile *c)
{
	const size_t start = cf_begin(c, PCAPNG_SPB);

	cf32(c, 60);
	cf_bytes(c, bytes, 60);
	cf_end(c, start);
}

static void test_options_of_packets(void)
{
	struct expected e = { 0 };
	struct reader_handler h = { .arg = &e, .packet = on_packet };
	struct capfile c = { 0 };
	struct reader *r;

	for (unsigned i = 0; i < POOL; i++) {
		if (i % 2)
			alter(&e.pool[i], &e.pool[i - 1]);
		else
			put_options(&e.pool[i]);
	}
	cf_section(&c, NULL);
	cf_iface(&c, 1, 0, "a", 9, 0);
	for (unsigned i = 0; i < PACKETS; i++) {
		/* Those of a few owners in turn, of all in turn, and of one. */
		const unsigned which = i < PACKETS / 3 ? i % 7 : i < 2 * PACKETS / 3 ? i % POOL : chance(i % 5 + 1);
		const size_t start = cf_packet(&c, 0, which, 60, 60, bytes);

		cf_bytes(&c, e.pool[which].b.p, e.pool[which].b.len);
		cf_end(&c, start);
		if (i % 10 == 0)
			put_simple(&c);
	}
	cf_write(cf_temp_name(), c.b.p, c.b.len);
	for (e.detail = READER_EVERYTHING; e.detail <= READER_BARE; e.detail++) {
		h.detail = e.detail;
		e.packets = e.simple = 0;
		CHECK_INT(reader_open(&r, cf_temp_name()), 0);
		CHECK_INT(reader_run(r, &h), 0);
		CHECK_INT(e.packets, PACKETS);
		CHECK_INT(e.simple, PACKETS / 10);
		reader_free(r);
	}
	unlink(cf_temp_name());
	for (unsigned i = 0; i < POOL; i++)
		buf_done(&e.pool[i].b);
	buf_done(&c.b);
}

static void put_owner(struct capfile *c, unsigned pid, const char *args)
{
	const size_t start = cf_packet(c, 0, pid, 0, 0, bytes);
	char comment[200];

	snprintf(comment, sizeof(comment), "PID: %u\nCmd: x\nArgs: %s", pid, args);
	cf_option_str(c, OPT_COMMENT, comment);
	cf_end(c, start);
}

static const char args_of_1[] = "arguments that are long enough for their comment to be remembered as a whole";

struct owners {
	uint64_t serial; /* of pid 1 */
	unsigned packets;
};

static void check_owner(struct owners *o, const struct packet *p)
{
	o->packets++;
	CHECK_INT(p->annot->process.pid, p->file_ts);
	if (p->file_ts != 1)
		return;
	CHECK(str_eq(p->annot->process.args, str_of(args_of_1)));
	/* One that is in use all the time stays what it is. */
	CHECK(!o->serial || o->serial == p->annot->serial);
	o->serial = p->annot->serial;
}

static int on_owner(void *arg, const struct packet *p)
{
	check_owner(arg, p);
	return 0;
}

/* More owners than are remembered, between packets of one that is found without asking for it (sanitizers). */
static void test_many_owners(void)
{
	struct owners o = { 0 };
	const struct reader_handler h = { .arg = &o, .packet = on_owner };
	struct capfile c = { 0 };
	struct reader *r;

	cf_section(&c, NULL);
	cf_iface(&c, 1, 0, "a", 9, 0);
	for (unsigned i = 0; i < 40000; i++)
		put_owner(&c, i % 2 ? 1 : i, i % 2 ? args_of_1 : "y");
	cf_write(cf_temp_name(), c.b.p, c.b.len);
	CHECK_INT(reader_open(&r, cf_temp_name()), 0);
	CHECK_INT(reader_run(r, &h), 0);
	CHECK_INT(o.packets, 40000);
	reader_free(r);
	unlink(cf_temp_name());
	buf_done(&c.b);
}

static void put_block(struct capfile *c)
{
	const size_t start = cf_begin(c, chance(3) ? PCAPNG_SPB : chance(2) ? PCAPNG_PB : chance(12));

	cf32(c, chance(3) ? 20 : 0);
	for (unsigned i = chance(12); i; i--)
		cf32(c, chance(64));
	cf_end(c, start);
}

static void build(struct capfile *c)
{
	cf_section(c, NULL);
	cf_iface(c, 1, chance(2) ? 40 : 0, "a", chance(2) ? 9 : 255, 0);
	for (unsigned i = 0; i < 30; i++) {
		size_t start;

		if (chance(25) == 0) {
			c->big = !c->big;
			cf_section(c, NULL);
			cf_iface(c, 101, 0, "b", 6, 0);
		}
		if (chance(6) == 0)
			put_block(c);
		start = cf_packet(c, chance(20) ? 0 : 1, chance(1000), 60, 60, bytes);
		if (!c->big)
			put_options(c);
		cf_end(c, start);
	}
}

static void damage(struct buf *b)
{
	for (unsigned k = chance(4); k; k--) {
		const size_t at = chance((unsigned)b->len);

		b->p[at] = chance(3) ? (char)rand() : (char)(chance(2) ? 0xff : 0);
	}
	if (chance(4) == 0)
		b->len = chance((unsigned)b->len);
}

/* Writes b to a pipe in pieces, so that hardly a block is there as a whole when it is asked for. */
static pid_t write_pieces(const struct buf *b, int fd, unsigned max)
{
	const pid_t child = fork();

	if (child)
		return child;
	for (size_t at = 0; at < b->len;) {
		const size_t left = b->len - at, n = 1 + (size_t)rand() % max;
		const ssize_t done = write(fd, b->p + at, n < left ? n : left);

		if (done < 0)
			break;
		at += (size_t)done;
	}
	_exit(0);
}

static struct readout read_standard_input(int fd)
{
	const int saved = dup(0);
	struct readout ro;

	dup2(fd, 0);
	close(fd);
	ro = cf_read("-");
	dup2(saved, 0);
	close(saved);
	return ro;
}

static void test_in_pieces(void)
{
	for (unsigned i = 0; i < FILES; i++) {
		struct capfile c = { .big = chance(2) };
		struct readout whole, pieces;
		int pipefd[2];
		pid_t child;

		build(&c);
		damage(&c.b);
		cf_write(cf_temp_name(), c.b.p, c.b.len);
		whole = read_standard_input(open(cf_temp_name(), O_RDONLY));
		CHECK_INT(pipe2(pipefd, O_CLOEXEC), 0);
		child = write_pieces(&c.b, pipefd[1], 1 + chance(200));
		close(pipefd[1]);
		pieces = read_standard_input(pipefd[0]);
		waitpid(child, NULL, 0);
		CHECK_STR(pieces.text.p, whole.text.p);
		CHECK_STR(pieces.err, whole.err);
		CHECK(pieces.open == whole.open && pieces.run == whole.run);
		ro_done(&whole);
		ro_done(&pieces);
		buf_done(&c.b);
	}
	unlink(cf_temp_name());
}

/* Some more of b, and its end behind it. */
static void feed(const struct buf *b, size_t *at, int *fd, unsigned max)
{
	const size_t left = b->len - *at, n = 1 + (size_t)rand() % max;
	ssize_t done = 0;

	if (left)
		done = write(*fd, b->p + *at, n < left ? n : left);
	else
		close(*fd);
	if (!left)
		*fd = -1;
	*at += done > 0 ? (size_t)done : 0;
}

/* Where it would have to be waited for, something is written first. */
static struct readout read_steps(const struct buf *b, unsigned max, bool ahead)
{
	struct readout ro = { 0 };
	const struct reader_handler h = ro_handler(&ro);
	struct reader *r;
	int pipefd[2], fd, saved, ret = READER_MORE;
	size_t at = 0;

	saved = cf_log(&fd);
	if (pipe2(pipefd, O_CLOEXEC) || reader_begin(&r, "standard input", pipefd[0]))
		abort();
	while (ret == READER_MORE || ret == -EAGAIN) {
		if (ret == -EAGAIN || (ahead && chance(3) == 0)) {
			if (pipefd[1] >= 0)
				feed(b, &at, &pipefd[1], max);
			if (reader_is_open(r) && ahead)
				reader_read_ahead(r, 1 << 20);
		}
		ret = reader_step(r, &h);
	}
	if (pipefd[1] >= 0)
		close(pipefd[1]);
	ro.run = ret;
	reader_free(r);
	cf_logged(&ro, saved, fd);
	buf_put(&ro.text, "", 1);
	return ro;
}

static void check_same(const struct readout *whole, struct readout *steps)
{
	CHECK_STR(steps->text.p, whole->text.p);
	CHECK_STR(steps->err, whole->err);
	CHECK_INT(steps->run, whole->open ? whole->open : whole->run);
	ro_done(steps);
}

static void test_in_steps(void)
{
	for (unsigned i = 0; i < FILES; i++) {
		struct capfile c = { .big = chance(2) };
		struct readout whole, steps;

		build(&c);
		damage(&c.b);
		cf_write(cf_temp_name(), c.b.p, c.b.len);
		whole = read_standard_input(open(cf_temp_name(), O_RDONLY));
		steps = read_steps(&c.b, 1 + chance(200), i % 2);
		check_same(&whole, &steps);
		ro_done(&whole);
		buf_done(&c.b);
	}
	unlink(cf_temp_name());
}

/* gzip, zstd and lz4 of them. */
static struct buf packed(unsigned kind)
{
	static const char *const tools[] = { "gzip -c", "zstd -qc", "lz4 -qc" };
	struct buf b = { 0 };
	char command[200], part[4096];
	FILE *f;

	snprintf(command, sizeof(command), "%s < %s", tools[kind], cf_temp_name());
	f = popen(command, "r"); /* NOLINT(bugprone-command-processor,cert-env33-c) */
	for (size_t n; (n = fread(part, 1, sizeof(part), f));)
		buf_put(&b, part, n);
	if (pclose(f))
		abort();
	return b;
}

/* Far more comes out than fits into what the reader asks for at once. */
static void test_packed_in_steps(void)
{
	static const uint8_t zeros[60000];
	struct capfile c = { 0 };
	struct readout whole;

	cf_section(&c, NULL);
	cf_iface(&c, 1, 0, "a", 9, 0);
	for (unsigned i = 0; i < 200; i++)
		cf_end(&c, cf_packet(&c, 0, i, chance(50000), 60000, zeros));
	cf_write(cf_temp_name(), c.b.p, c.b.len);
	whole = read_standard_input(open(cf_temp_name(), O_RDONLY));
	for (unsigned i = 0; i < 12; i++) {
		struct buf b = packed(i % 3);
		struct readout steps = read_steps(&b, i < 6 ? 60000 : 1 + chance(3000), i / 3 % 2);

		check_same(&whole, &steps);
		buf_done(&b);
	}
	ro_done(&whole);
	unlink(cf_temp_name());
	buf_done(&c.b);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	srand(7);
	RUN(test_options_of_packets);
	RUN(test_many_owners);
	RUN(test_in_pieces);
	RUN(test_in_steps);
	RUN(test_packed_in_steps);
	return check_status();
}
