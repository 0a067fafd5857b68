/* SPDX-License-Identifier: BSD-3-Clause */
/* Compact comments: what is read is what full ones tell, and of a file that was cut less, but nothing wrong. */
#include <pcap/dlt.h>

#include "capfile.h"
#include "check.h"
#include "format/comments.h"
#include "format/reference.h"
#include "output/output.h"

enum { OWNERS = 6000, PACKETS = 30000, TEXT = 160 };

static struct iface eth0 = { .ifindex = 2, .dlt = DLT_EN10MB, .snaplen = 262144, .name = (char *)"eth0" };
static struct annotation owners[OWNERS];
static char texts[OWNERS][TEXT];

static unsigned chance(unsigned n)
{
	return (unsigned)rand() % n;
}

static void make_owners(void)
{
	static const unsigned bits[] = { ANNOT_THREAD, ANNOT_USER, ANNOT_PARENT, ANNOT_PEER, ANNOT_CONTAINER };

	for (unsigned i = 0; i < OWNERS; i++) {
		struct annotation *a = &owners[i];

		snprintf(texts[i], TEXT, "program number %u with arguments of some length, as they mostly are", i / 3);
		*a = (struct annotation){
			.serial = i + 1,
			.has = i % 50 ? ANNOT_PROCESS : ANNOT_PEER,
			/* Pids are used again, and what runs changes. */
			.process = { .pid = 1000 + i % 500,
				     .cmd = str_of(i % 7 ? "/bin/x" : "/bin/y"),
				     .args = str_of(texts[i]) },
			.tid = i,
			.thread = str_of("thread"),
			.uid = i % 3,
			.user = str_of("somebody"),
			.parent = { .pid = 9, .cmd = str_of("/bin/sh"), .args = str_of("sh -c something") },
			.peer = { .pid = 10 + i, .cmd = str_of("/bin/z"), .args = str_of("z\nz\\n") },
			.container = { .id = str_of("0123456789abcdef"),
				       .name = str_of("box"),
				       .image = str_of("image") },
			.ancestors = str_of("a.1,b.2"),
		};
		for (unsigned k = 0; k < 5; k++)
			a->has |= chance(2) ? bits[k] : 0;
		if (i % 11 == 0)
			a->has |= ANNOT_ANCESTORS;
	}
}

static unsigned owner_of(unsigned packet)
{
	/* One that is always there, a few, many once. */
	return packet % 5 == 0 ? 7 : packet % 5 < 3 ? packet % 40 : packet / 5;
}

static void write_file(const char *path, bool compact)
{
	const struct file_config config = { .path = path, .context = ANNOT_ALL, .compact_comments = compact };
	struct packet p = { .data = (const uint8_t *)"", .iface = &eth0, .dir = DIR_OUT };
	struct output *o;

	CHECK_INT(output_file_new(&o, &config), 0);
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	for (unsigned i = 0; i < PACKETS; i++) {
		/* Its time says which it is. */
		p.nsec = i;
		p.annot = &owners[owner_of(i)];
		CHECK_INT(o->ops->packet(o, &p), 0);
	}
	CHECK_INT(o->ops->finish(o), 0);
	o->ops->free(o);
}

struct seen {
	unsigned packets, full, brief, odd;
};

static void check_owner(struct seen *s, const struct packet *p)
{
	const struct annotation *a = &owners[owner_of((unsigned)p->nsec)];

	s->packets++;
	if (p->annot && (p->annot->has | TOLD_ONCE) == (a->has | TOLD_ONCE) &&
	    (p->annot->process.args.n || !(a->has & ANNOT_PROCESS))) {
		CHECK(!(a->has & ANNOT_PROCESS) || str_eq(p->annot->process.args, a->process.args));
		CHECK(!(a->has & ANNOT_PEER) || p->annot->peer.pid == a->peer.pid);
		CHECK(!(a->has & ANNOT_THREAD) || p->annot->tid == a->tid);
		CHECK(!(a->has & ANNOT_USER) || p->annot->uid == a->uid);
		s->full++;
		return;
	}
	s->brief++;
	if (!p->annot) {
		CHECK(!(a->has & ANNOT_PROCESS));
		return;
	}
	CHECK_INT(p->annot->has, ANNOT_PROCESS);
	CHECK_INT(p->annot->process.pid, a->process.pid);
	CHECK(str_eq(p->annot->process.cmd, a->process.cmd));
	CHECK_INT(p->annot->process.args.n, 0);
}

static int on_packet(void *arg, const struct packet *p)
{
	check_owner(arg, p);
	return 0;
}

static struct seen read_file(const char *path, int (*packet)(void *arg, const struct packet *p))
{
	struct seen seen = { 0 };
	const struct reader_handler h = { .arg = &seen, .packet = packet };
	struct reader *r;

	if (reader_open(&r, path))
		return seen;
	if (reader_run(r, &h))
		seen.packets = 0;
	reader_free(r);
	return seen;
}

static void test_same_owners(void)
{
	const char *path = cf_temp_name();
	struct seen seen;
	struct buf full, compact;

	write_file(path, false);
	full = cf_slurp(path);
	write_file(path, true);
	compact = cf_slurp(path);
	CHECK(compact.len < full.len * 2 / 3);
	seen = read_file(path, on_packet);
	CHECK_INT(seen.packets, PACKETS);
	CHECK_INT(seen.brief, 0);
	unlink(path);
	buf_done(&full);
	buf_done(&compact);
}

/* Blocks of a file in any order, some left out, some twice. */
static void shuffle(const struct buf *from, struct buf *to, unsigned keep_percent, unsigned swap_percent)
{
	const uint8_t *p = (const uint8_t *)from->p, *end = p + from->len;
	struct buf late = { 0 };

	while (p < end) {
		const size_t len = get32(p + 4, false);
		const bool packet = get32(p, false) == PCAPNG_EPB;

		if (packet && chance(100) < swap_percent)
			buf_put(&late, p, len);
		else if (!packet || chance(100) < keep_percent)
			buf_put(to, p, len);
		if (late.len > 20000) {
			buf_put(to, late.p, late.len);
			late.len = 0;
		}
		p += len;
	}
	buf_put(to, late.p, late.len);
	buf_done(&late);
}

static void test_cut_and_mixed(void)
{
	static const unsigned keep[] = { 100, 50, 5, 1 };
	const char *path = cf_temp_name();
	struct buf compact;

	write_file(path, true);
	compact = cf_slurp(path);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned swap = 0; swap < 60; swap += 30) {
			struct buf cut = { 0 };
			struct seen seen;

			shuffle(&compact, &cut, keep[i], swap);
			cf_write(path, cut.p, cut.len);
			seen = read_file(path, on_packet);
			CHECK(seen.full > 0);
			CHECK(keep[i] == 100 || seen.brief > 0);
			buf_done(&cut);
		}
	}
	unlink(path);
	buf_done(&compact);
}

/* The packet that was changed tells what it says; all others what they are. */
static void check_changed(struct seen *s, const struct packet *p)
{
	const struct annotation *a = &owners[owner_of((unsigned)p->nsec)], *got = p->annot;

	if (!got || !(got->has & ANNOT_PROCESS) ||
	    (got->process.pid == a->process.pid &&
	     (!got->process.args.n || str_eq(got->process.args, a->process.args)))) {
		check_owner(s, p);
		return;
	}
	s->odd++;
	/* Full comments of somebody else are not his. */
	CHECK(got->process.pid == a->process.pid || got->has == ANNOT_PROCESS);
}

static int on_changed(void *arg, const struct packet *p)
{
	check_changed(arg, p);
	return 0;
}

/* Full comments that somebody changed are not what was referred to; nor is a process that the short ones do not name. */
static void test_changed(void)
{
	const char *path = cf_temp_name();

	for (unsigned i = 0; i < 2; i++) {
		struct seen seen;
		struct buf b;
		char *at;

		write_file(path, true);
		b = cf_slurp(path);
		at = memmem(b.p, b.len, i ? "SameAs: " : "program number", 8);
		CHECK(at != NULL);
		while (i && memcmp(at, "PID: ", 5) != 0)
			at--;
		at[i ? 8 : 1] ^= 1;
		cf_write(path, b.p, b.len);
		seen = read_file(path, on_changed);
		CHECK_INT(seen.packets + seen.odd, PACKETS);
		CHECK_INT(seen.odd, 1);
		CHECK(seen.brief > 0 || i);
		buf_done(&b);
	}
	unlink(path);
}

/* Full comments that come later are for what follows them. */
static void test_late(void)
{
	enum { BLOCKS = 9 };
	const char *path = cf_temp_name();
	const uint8_t *block[BLOCKS];
	struct buf b, late = { 0 };
	struct seen seen;

	write_file(path, true);
	b = cf_slurp(path);
	block[0] = (const uint8_t *)b.p;
	for (unsigned i = 1; i < BLOCKS; i++)
		block[i] = block[i - 1] + get32(block[i - 1] + 4, false);
	/* Section, interface, and of the packets the first and the sixth, which are of the same owner. */
	buf_put(&late, b.p, (size_t)(block[2] - block[0]));
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *p = block[i == 1 ? 2 : 7];

		buf_put(&late, p, get32(p + 4, false));
	}
	cf_write(path, late.p, late.len);
	seen = read_file(path, on_packet);
	CHECK_INT(seen.brief, 1);
	CHECK_INT(seen.full, 3);
	unlink(path);
	buf_done(&b);
	buf_done(&late);
}

struct big {
	unsigned owners, size;
	unsigned has; /* of every other owner */
};

static const struct annotation *big_owner(const struct big *big, unsigned i)
{
	static struct annotation a;
	static char args[65536];

	memset(args, 'x', big->size);
	snprintf(args, 16, "%08u", i);
	args[8] = 'y';
	a = (struct annotation){
		.serial = 1 + i,
		.has = ANNOT_PROCESS | (i % 2 ? big->has : 0),
		.process = { .pid = 100 + i, .cmd = str_of("/bin/b"), .args = { args, big->size } },
		.ancestors = str_of("a.1,b.2"),
	};
	return &a;
}

static int on_big(void *arg, const struct packet *p)
{
	struct seen *s = arg;

	s->packets++;
	if (p->annot && p->annot->process.args.n) {
		s->full++;
		s->odd += (unsigned)atoi(p->annot->process.args.p) != p->annot->process.pid - 100;
	} else {
		s->brief++;
	}
	return 0;
}

/* The first owner, all others twice, and the first again. */
static void write_big(const char *path, const struct big *big, bool compact)
{
	const struct file_config config = { .path = path, .context = ANNOT_ALL, .compact_comments = compact };
	struct packet p = { .data = (const uint8_t *)"", .iface = &eth0, .dir = DIR_OUT };
	struct output *o;

	CHECK_INT(output_file_new(&o, &config), 0);
	for (unsigned i = 0; i < 2 * big->owners + 4; i++) {
		p.annot = big_owner(big, i < 2 || i >= 2 * big->owners + 2 ? 0 : (i - 2) / 2);
		CHECK_INT(o->ops->packet(o, &p), 0);
	}
	CHECK_INT(o->ops->finish(o), 0);
	o->ops->free(o);
}

/* What a writer refers to, a reader remembers. */
static void test_remembered(void)
{
	static const struct big all[] = {
		{ .owners = 3000, .size = 12000 },
		{ .owners = 700, .size = 60000 },
		{ .owners = 12000, .size = 200 },
		{ .owners = 9000, .size = 200, .has = ANNOT_ANCESTORS },
	};
	const char *path = cf_temp_name();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct seen seen;
		struct buf b;

		write_big(path, &all[i], true);
		b = cf_slurp(path);
		CHECK(memmem(b.p, b.len, "SameAs: ", 8) != NULL);
		buf_done(&b);
		seen = read_file(path, on_big);
		CHECK_INT(seen.packets, 2 * all[i].owners + 4);
		CHECK_INT(seen.brief, 0);
		CHECK_INT(seen.odd, 0);
	}
	unlink(path);
}

enum { NOTES_BEFORE = 8192, NOTES_BETWEEN = 10000 };

/* The first packet is left out, so what is read afterwards is forgotten at other places. */
static int on_rewrite(void *arg, const struct packet *p)
{
	struct output *o = arg;

	return p->nsec ? o->ops->packet(o, p) : 0;
}

static int on_note(void *arg, const struct packet *p)
{
	struct seen *s = arg;

	s->packets++;
	if (p->annot && p->annot->process.args.n)
		s->full++;
	else if (p->annot)
		s->brief++;
	return 0;
}

/* Somebody's notes on packets of nobody, and three packets of one owner. */
static void write_notes(const char *path)
{
	static const char owner[] =
		"PID: 17\nCmd: /usr/bin/curl\nArgs: curl https://good.example and so many more words "
		"that a reference to them is shorter";
	struct capfile c = { 0 };

	cf_section(&c, NULL);
	cf_iface(&c, 1, 262144, "eth0", 9, 0);
	for (unsigned i = 0; i < NOTES_BEFORE + NOTES_BETWEEN + 3; i++) {
		const bool owned = i == NOTES_BEFORE || i == NOTES_BEFORE + 1 || i == NOTES_BEFORE + NOTES_BETWEEN + 2;
		const size_t start = cf_packet(&c, 0, i, 0, 0, "");
		char note[32];

		snprintf(note, sizeof(note), "packet %u", i);
		cf_option_str(&c, OPT_COMMENT, owned ? owner : note);
		cf32(&c, 0);
		cf_end(&c, start);
	}
	cf_write(path, c.b.p, c.b.len);
	buf_done(&c.b);
}

/* Notes are text that a reader remembers, too. */
static void test_notes(void)
{
	const char *path = cf_temp_name();
	const struct file_config config = { .path = path, .context = ANNOT_ALL, .compact_comments = true };
	struct reader_handler h = { .packet = on_rewrite };
	struct output *o;
	struct reader *r;
	struct seen seen;

	write_notes(path);
	CHECK_INT(reader_open(&r, path), 0);
	/* It is open: the new one may have its name. */
	unlink(path);
	CHECK_INT(output_file_new(&o, &config), 0);
	h.arg = o;
	CHECK_INT(reader_run(r, &h), 0);
	CHECK_INT(o->ops->finish(o), 0);
	o->ops->free(o);
	reader_free(r);
	seen = read_file(path, on_note);
	CHECK_INT(seen.packets, NOTES_BEFORE + NOTES_BETWEEN + 2);
	CHECK_INT(seen.full, 3);
	unlink(path);
}

/* A packet with the comments of a, and ten that refer to them, whoever made the file. */
static struct seen read_referred(const struct annotation *a)
{
	const char *path = cf_temp_name();
	struct buf full = { 0 }, brief = { 0 };
	struct capfile c = { 0 };
	struct reference reference;
	struct seen seen;

	annotation_encode(&annotation_schema, &full, a, ANNOT_ALL);
	reference = reference_of((const uint8_t *)full.p, full.len);
	reference_put(&brief, a, &reference);
	cf_section(&c, NULL);
	cf_iface(&c, 1, 262144, "eth0", 9, 0);
	for (unsigned i = 0; i < 11; i++) {
		const size_t start = cf_packet(&c, 0, i, 0, 0, "");

		cf_bytes(&c, i ? brief.p : full.p, i ? brief.len : full.len);
		cf32(&c, 0);
		cf_end(&c, start);
	}
	cf_write(path, c.b.p, c.b.len);
	seen = read_file(path, on_note);
	unlink(path);
	buf_done(&c.b);
	buf_done(&full);
	buf_done(&brief);
	return seen;
}

/* Small files must not become large ones by references to what is large. */
static void test_long(void)
{
	static char args[REFERRED_MAX / 2 + 1000];
	struct annotation a = {
		.serial = 1,
		.has = ANNOT_PROCESS | ANNOT_PARENT,
		.process = { .pid = 17, .cmd = str_of("/bin/a") },
		.parent = { .pid = 1, .cmd = str_of("/bin/b") },
	};
	struct packet p = { .data = (const uint8_t *)"", .iface = &eth0, .dir = DIR_OUT, .annot = &a };
	const char *path = cf_temp_name();
	const struct file_config config = { .path = path, .context = ANNOT_ALL, .compact_comments = true };

	memset(args, 'x', sizeof(args));
	for (unsigned too_long = 0; too_long < 2; too_long++) {
		struct output *o;
		struct seen seen;
		struct buf b;

		a.process.args = a.parent.args = (struct str){ args, sizeof(args) - (too_long ? 0 : 2000) };
		CHECK_INT(output_file_new(&o, &config), 0);
		for (unsigned i = 0; i < 2; i++)
			CHECK_INT(o->ops->packet(o, &p), 0);
		CHECK_INT(o->ops->finish(o), 0);
		o->ops->free(o);
		b = cf_slurp(path);
		CHECK_INT(memmem(b.p, b.len, "SameAs: ", 8) == NULL, too_long);
		buf_done(&b);
		seen = read_referred(&a);
		CHECK_INT(seen.packets, 11);
		CHECK_INT(seen.full, too_long ? 1 : 11);
	}
}

static void test_parse(void)
{
	static const char *const bad[] = { "",
					   "SameAs: ",
					   "SameAs: 0123456789abcdef",
					   "SameAs: 0123456789abcdef0123456789abcde",
					   "SameAs: 0123456789abcdef0123456789abcdef0",
					   "SameAs: 0123456789ABCDEF0123456789abcdef",
					   "SameAs: 0123456789abcdef0123456789abcdeg",
					   "sameAs: 0123456789abcdef0123456789abcdef" };
	static const uint8_t hash[REFERENCE_LEN] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
						     0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct reference reference;

	CHECK(reference_parse(str_of("SameAs: 0123456789abcdef0123456789abcdef"), &reference));
	CHECK(memcmp(reference.hash, hash, sizeof(hash)) == 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!reference_parse(str_of(bad[i]), &reference));
}

/* The format: what other programs would have to compute. */
static void test_hash(void)
{
	const struct annotation a = {
		.has = ANNOT_PROCESS | ANNOT_USER,
		.process = { .pid = 17, .cmd = str_of("/usr/bin/curl"), .args = str_of("curl https://good.example") },
		.uid = 1000,
		.user = str_of("alice"),
	};
	struct buf full = { 0 }, brief = { 0 };
	struct reference reference;

	annotation_encode(&annotation_schema, &full, &a, ANNOT_ALL);
	reference = reference_of((const uint8_t *)full.p, full.len);
	reference_put(&brief, &a, &reference);
	CHECK(memmem(brief.p, brief.len, "SameAs: f7724dc22c6f3c6169e867ec2fbd834e", 40) != NULL);
	buf_done(&full);
	buf_done(&brief);
}

int main(void)
{
	srand(3);
	make_owners();
	RUN(test_same_owners);
	RUN(test_cut_and_mixed);
	RUN(test_changed);
	RUN(test_late);
	RUN(test_remembered);
	RUN(test_notes);
	RUN(test_long);
	RUN(test_parse);
	RUN(test_hash);
	return check_status();
}
