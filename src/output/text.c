/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets as tcpdump prints them, by tcpdump's own dissectors (libnetdissect), with the owner added. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "output/color.h"
#include "output/text_private.h"
#include "util/decimal.h"
#include "util/format.h"
#include "util/log.h"

enum { BATCH = 1 << 16 };
#define NO_DUMP SIZE_MAX

static const struct {
	const char *name;
	int type;
} packet_types[] = {
	{ "vat", PT_VAT },	 { "wb", PT_WB },	  { "rpc", PT_RPC },
	{ "rtp", PT_RTP },	 { "rtcp", PT_RTCP },	  { "snmp", PT_SNMP },
	{ "cnfp", PT_CNFP },	 { "tftp", PT_TFTP },	  { "aodv", PT_AODV },
	{ "carp", PT_CARP },	 { "radius", PT_RADIUS }, { "zmtp1", PT_ZMTP1 },
	{ "vxlan", PT_VXLAN },	 { "pgm", PT_PGM },	  { "pgm_zmtp1", PT_PGM_ZMTP1 },
	{ "lmp", PT_LMP },	 { "resp", PT_RESP },	  { "ptp", PT_PTP },
	{ "someip", PT_SOMEIP }, { "domain", PT_DOMAIN },
};

static struct text *text_from(struct output *o)
{
	return (struct text *)((char *)o - offsetof(struct text, output));
}

static int hook_printf(netdissect_options *ndo, const char *fmt, ...)
{
	struct text *t = text_of(ndo);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = format_print(t->formats, &t->buf, fmt, ap);
	va_end(ap);
	return n;
}

/* A file of secrets was read as root for somebody who may not read it: nothing of it is told but where a mistake is. */
static bool is_secret(const struct text *t, const char *fmt)
{
	return t->secretive && !strstr(fmt, "%s:%u");
}

static void log_library(const struct text *t, enum log_level level, const char *fmt, va_list ap)
{
	char message[512];

	if (is_secret(t, fmt))
		snprintf(message, sizeof(message), "%.*s...", (int)strcspn(fmt, "%\n"), fmt);
	else
		vsnprintf(message, sizeof(message), fmt, ap);
	message[strcspn(message, "\n")] = '\0';
	log_msg(level, "%s%s", level == LOG_WARN ? "WARNING: " : "", message);
}

/* Bad secrets for -E, no memory: the library cannot go on. */
static void NORETURN hook_error(netdissect_options *ndo, status_exit_codes_t status, const char *fmt, ...)
{
	struct text *t = text_of(ndo);
	va_list ap;

	(void)status;
	va_start(ap, fmt);
	log_library(t, LOG_ERROR, fmt, ap);
	va_end(ap);
	if (!t->printing)
		_exit(EXIT_FAILURE);
	longjmp(t->fatal, 1);
}

static void hook_warning(netdissect_options *ndo, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_library(text_of(ndo), LOG_WARN, fmt, ap);
	va_end(ap);
}

/* Dissectors call this for payload that nobody dissects; annotations go before the dump. */
static void hook_default_print(netdissect_options *ndo, const u_char *data, u_int len)
{
	struct text *t = text_of(ndo);

	if (t->dump_start == NO_DUMP)
		t->dump_start = t->buf.len;
	t->default_print(ndo, data, len);
}

/* localtime() looks at /etc/localtime each time when TZ is unset: once a second is enough. */
static void clock_text_set(struct clock_text *c, const struct text_config *config, int64_t sec)
{
	const time_t when = (time_t)sec;
	struct tm tm;

	if (config->t == 2) {
		c->len = (size_t)snprintf(c->text, sizeof(c->text), "%lld", (long long)sec);
	} else if (!(config->utc ? gmtime_r(&when, &tm) : localtime_r(&when, &tm))) {
		c->len = (size_t)snprintf(c->text, sizeof(c->text),
					  "[localtime() or gmtime() couldn't convert the date and time]");
	} else {
		c->len = strftime(c->text, sizeof(c->text), config->t == 4 ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
	}
	c->sec = sec;
}

static void put_time(struct text *t, const struct pcap_pkthdr *h)
{
	const bool nano = t->config.nano;
	const uint32_t fraction = (uint32_t)h->ts.tv_usec;
	const bool valid = fraction < (nano ? 1000000000U : 1000000U);
	struct buf *b = &t->buf;
	char *d;

	if (t->config.t == 1)
		return;
	if (t->config.t == 3 || t->config.t == 5) {
		/* Relative to a packet that only the library remembers. */
		const struct timeval tv = h->ts;

		t->ndo.ndo_tflag = t->config.t;
		ts_print(&t->ndo, &tv);
		t->ndo.ndo_tflag = 1;
		return;
	}
	if (h->ts.tv_sec < 0) {
		buf_puts(&t->buf, "[timestamp overflow] ");
		return;
	}
	if (t->clock.len == 0 || t->clock.sec != h->ts.tv_sec)
		clock_text_set(&t->clock, &t->config, h->ts.tv_sec);
	/* All of the text, whatever its length, since a constant number of bytes is copied in no time. */
	d = buf_reserve(b, sizeof(t->clock.text) + 16);
	memcpy(d, t->clock.text, sizeof(t->clock.text));
	d += t->clock.len;
	*d++ = '.';
	if (!valid) {
		b->len = (size_t)(d - b->p);
		buf_printf(b, nano ? "%09u (invalid ns) " : "%06u (invalid us) ", fraction);
		return;
	}
	if (nano)
		*d++ = (char)('0' + fraction / DECIMAL_EIGHT);
	d = decimal_put_digits(d, fraction % DECIMAL_EIGHT, nano ? 8 : 6);
	*d++ = ' ';
	b->len = (size_t)(d - b->p);
}

/* The library has no part in it: one line, or with -v two, and nothing jumps. */
static bool is_simple(const struct text *t)
{
	return t->is_direct && t->direct.bare && !t->direct_packet.dissector;
}

static void print_frame(struct text *t, const struct pcap_pkthdr *h, const u_char *data)
{
	if (t->is_direct)
		direct_put(t, &t->direct_packet);
	else
		t->ifaces[t->packet->iface->id].print(&t->ndo, h, data);
}

static void print_dissection(struct text *t, const struct pcap_pkthdr *h, const u_char *data)
{
	netdissect_options *ndo = &t->ndo;
	jmp_buf outer;

	if (is_simple(t)) {
		direct_put(t, &t->direct_packet);
		return;
	}
	/* Dissectors jump here when data ends early, so that what follows lands behind " [|proto]". */
	memcpy(&outer, &ndo->ndo_early_end, sizeof(outer));
	if (setjmp(ndo->ndo_early_end) == 0) {
		print_frame(t, h, data);
	} else {
		nd_print_trunc(ndo);
		ndo->ndo_ll_hdr_len = 0;
	}
	memcpy(&ndo->ndo_early_end, &outer, sizeof(outer));
}

/* --oneline, as the Go program: the lines of a packet without their indentation, ", " between them. */
static void join_lines(struct buf *b, size_t start)
{
	size_t breaks = 0, to = start, end;
	char *p;

	for (size_t i = start; i < b->len; i++)
		breaks += b->p[i] == '\n';
	/* Each may become longer by a byte. */
	p = buf_reserve(b, breaks) - b->len;
	memmove(p + start + breaks, p + start, b->len - start);
	end = b->len + breaks;
	for (size_t from = start + breaks; from < end;) {
		if (p[from] != '\n') {
			p[to++] = p[from++];
			continue;
		}
		while (from < end && (p[from] == '\n' || p[from] == '\t' || p[from] == ' '))
			from++;
		if (from < end) {
			p[to++] = ',';
			p[to++] = ' ';
		}
	}
	b->len = to;
}

size_t text_color_reset(struct text *t, size_t start, size_t end)
{
	static const char color[] = COLOR_BAD, color_none[] = COLOR_END;

	if (!t->resets)
		return end;
	buf_insert(&t->buf, end, color_none, sizeof(color_none) - 1);
	buf_insert(&t->buf, start, color, sizeof(color) - 1);
	return end + sizeof(color) - 1 + sizeof(color_none) - 1;
}

/* Where what follows the dissection goes: with -v behind all of it, else behind its first line. */
static size_t dissection_end(const struct text *t, size_t start)
{
	const size_t end = t->dump_start != NO_DUMP ? t->dump_start : t->buf.len;
	const bool first = t->config.v == 0 && !is_simple(t);
	const char *line_end = first ? memchr(t->buf.p + start, '\n', end - start) : NULL;

	return line_end ? (size_t)(line_end - t->buf.p) : end;
}

static void print_annotated(struct text *t, const struct pcap_pkthdr *h, const u_char *data, bool plain)
{
	struct str prefix = { 0 }, suffix = { 0 };
	size_t start, end;

	if (!plain && !t->config.brief)
		annotation_cache_get(t->annotations, t->packet, &prefix, &suffix);
	buf_put(&t->buf, prefix.p, prefix.n);
	start = t->buf.len;
	t->dump_start = NO_DUMP;
	t->resets = false;
	print_dissection(t, h, data);
	if (t->config.brief) {
		text_make_brief(t, start);
	} else if (suffix.n || t->resets) {
		end = text_color_reset(t, start, dissection_end(t, start));
		buf_insert(&t->buf, end, suffix.p, suffix.n);
	}
}

/*
 * pretty_print_packet() calls this between the time stamp and the dissection: the place for what goes before the
 * dissection. What goes after it goes before any dump: those of dissectors, which start at dump_start, and those of -x,
 * -X and -A, which pretty_print_packet() adds when this returns.
 */
static void hook_if_printer(netdissect_options *ndo, const struct pcap_pkthdr *h, const u_char *data)
{
	struct text *t = text_of(ndo);
	const bool plain = text_is_plain(t->packet);

	put_time(t, h);
	if (plain && !t->config.brief && !t->config.color)
		print_frame(t, h, data);
	else
		print_annotated(t, h, data, plain);
	if (t->config.oneline)
		join_lines(&t->buf, t->packet_start);
}

/* -ENOTRECOVERABLE: ndo_error said why. */
static int dissect(struct text *t, const struct pcap_pkthdr *h)
{
	if (setjmp(t->fatal) != 0) {
		t->printing = false;
		nd_pop_all_packet_info(&t->ndo);
		nd_free_all(&t->ndo);
		t->buf.len = t->packet_start;
		return -ENOTRECOVERABLE;
	}
	t->printing = true;
	t->is_direct = direct_take(&t->direct, t->packet, &t->direct_packet);
	if (is_simple(t)) {
		hook_if_printer(&t->ndo, h, t->packet->data);
		buf_putc(&t->buf, '\n');
	} else {
		pretty_print_packet(&t->ndo, h, t->packet->data, t->packets);
	}
	t->printing = false;
	return 0;
}

static int print_packet(struct text *t, const struct packet *packet)
{
	const struct pcap_pkthdr h = {
		.ts.tv_sec = (time_t)packet->sec,
		.ts.tv_usec = (suseconds_t)(t->config.nano ? packet->nsec : packet->nsec / 1000),
		.caplen = packet->caplen,
		.len = packet->len,
	};
	int err;

	t->packet = packet;
	t->packet_start = t->buf.len;
	t->packets++;
	names_next_packet(t->names);
	err = dissect(t, &h);
	t->packet = NULL;
	return err;
}

static int text_iface(struct output *o, const struct iface *iface)
{
	struct text *t = text_from(o);

	if (iface->id >= t->nifaces) {
		const size_t n = (size_t)iface->id + 16;
		struct iface_printer *ifaces = realloc(t->ifaces, n * sizeof(*ifaces));

		if (!ifaces)
			return -ENOMEM;
		memset(ifaces + t->nifaces, 0, (n - t->nifaces) * sizeof(*ifaces));
		t->ifaces = ifaces;
		t->nifaces = n;
	}
	/* Another file begins: its interfaces may even have the addresses of the former ones. */
	if (t->ifaces[iface->id].iface)
		annotation_cache_clear(t->annotations);
	t->ifaces[iface->id] = (struct iface_printer){ iface, get_if_printer(iface->dlt) };
	return 0;
}

bool output_text_prints(int dlt)
{
	return has_printer(dlt);
}

static int text_flush(struct output *o)
{
	struct text *t = text_from(o);

	return buf_flush(&t->buf, t->config.fd, t->config.interrupted, t->config.taken);
}

static int text_packet(struct output *o, const struct packet *packet)
{
	struct text *t = text_from(o);
	const uint32_t id = packet->iface->id;
	int err = 0;

	if (id >= t->nifaces || t->ifaces[id].iface != packet->iface)
		err = text_iface(o, packet->iface);
	if (!err)
		err = print_packet(t, packet);
	if (err < 0)
		return err;
	if (t->buf.len >= BATCH || t->config.line_buffered || t->config.packet_buffered)
		return text_flush(o);
	return 0;
}

static void text_free(struct output *o)
{
	struct text *t;

	if (!o)
		return;
	t = text_from(o);
	nd_cleanup();
	formats_free(t->formats);
	names_free(t->names);
	conversations_free(t->conversations);
	annotation_cache_free(t->annotations);
	buf_done(&t->buf);
	buf_done(&t->brief);
	free(t->ifaces);
	free(t->esp_secret);
	library_ifaces(false);
	free(t);
}

static const struct output_ops text_ops = {
	.name = "text",
	.iface = text_iface,
	.packet = text_packet,
	.flush = text_flush,
	.finish = text_flush,
	.free = text_free,
};

static int set_packet_type(netdissect_options *ndo, const char *name)
{
	for (size_t i = 0; i < sizeof(packet_types) / sizeof(packet_types[0]); i++) {
		if (strcasecmp(name, packet_types[i].name) == 0) {
			ndo->ndo_packettype = packet_types[i].type;
			return 0;
		}
	}
	log_error("unknown packet type '%s'", name);
	return -EINVAL;
}

static int check_config(const struct text_config *c)
{
	const char *conflict = NULL;

	if (c->A && c->x)
		conflict = "-A and -x[x] are mutually exclusive.";
	else if (c->A && c->X)
		conflict = "-A and -X[X] are mutually exclusive.";
	else if (c->x && c->X)
		conflict = "-x[x] and -X[X] are mutually exclusive.";
	else if (c->brief && c->v)
		conflict = "--brief and -v are mutually exclusive: one line, or more of them";
	else if (c->t > 5)
		conflict = "only -t, -tt, -ttt, -tttt and -ttttt are supported";
	if (!conflict)
		return 0;
	log_error("%s", conflict);
	return -EINVAL;
}

static void set_hooks(struct text *t)
{
	netdissect_options *ndo = &t->ndo;

	ndo_set_function_pointers(ndo);
	t->default_print = ndo->ndo_default_print;
	ndo->ndo_default_print = hook_default_print;
	ndo->ndo_printf = hook_printf;
	ndo->ndo_error = hook_error;
	ndo->ndo_warning = hook_warning;
	ndo->ndo_if_printer = hook_if_printer;
}

static int set_options(struct text *t)
{
	const struct text_config *c = &t->config;
	netdissect_options *ndo = &t->ndo;

	ndo->program_name = c->program;
	ndo->ndo_tflag = 1; /* put_time() does it */
	ndo->ndo_tstamp_precision = c->nano ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO;
	ndo->ndo_Aflag = c->A;
	ndo->ndo_bflag = c->b;
	ndo->ndo_eflag = c->e;
	ndo->ndo_gflag = c->g;
	ndo->ndo_Hflag = c->H;
	ndo->ndo_Kflag = c->K;
	ndo->ndo_nflag = c->n;
	ndo->ndo_Nflag = c->N;
	ndo->ndo_qflag = c->q + c->brief;
	ndo->ndo_Sflag = c->S;
	ndo->ndo_uflag = c->u;
	ndo->ndo_vflag = c->v;
	ndo->ndo_xflag = c->x;
	ndo->ndo_Xflag = c->X;
	ndo->ndo_packet_number = c->number > 0;
	ndo->ndo_suppress_default_print = c->q + c->brief + c->x + c->X;
	/* Cut into pieces by decode_secrets(). */
	if (c->esp_secret) {
		t->esp_secret = strdup(c->esp_secret);
		if (!t->esp_secret)
			return -ENOMEM;
	}
	ndo->ndo_espsecret = t->esp_secret;
	/* Never written to; the declaration lacks the const. */
	ndo->ndo_sigsecret = (char *)(uintptr_t)c->md5_secret;
	if (c->mib)
		log_warn("ignoring option '-m %s' (no libsmi support)", c->mib);
	return c->type ? set_packet_type(ndo, c->type) : 0;
}

/* Now, and not with the first packet that needs them: then nothing may be opened any more, and mistakes are told at once. */
static int decode_secrets(struct text *t)
{
	if (!t->ndo.ndo_espsecret)
		return 0;
	library_files(t->config.esp_files);
	t->secretive = t->config.esp_files != NULL;
	t->printing = true;
	if (setjmp(t->fatal) != 0)
		return -EINVAL;
	esp_decodesecret_print(&t->ndo);
	t->secretive = t->printing = false;
	library_files(NULL);
	return 0;
}

/* localtime() and ctime() of dissectors look at that file each time when TZ is unset. What it holds is known when TZ names
 * it. */
static void fix_time_zone(void)
{
	if (!getenv("TZ"))
		setenv("TZ", ":/etc/localtime", 0);
	tzset();
}

void output_text_packed(struct output *o)
{
	conversations_packed(text_from(o)->conversations);
}

int output_text_new(struct output **ret, const struct text_config *config)
{
	char message[PCAP_ERRBUF_SIZE];
	struct text *t;
	int err;

	err = check_config(config);
	if (err < 0)
		return err;
	if (nd_init(message, sizeof(message)) < 0) {
		log_error("%s", message);
		return -EINVAL;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		log_error("out of memory");
		return -ENOMEM;
	}
	t->output.ops = &text_ops;
	t->config = *config;
	fix_time_zone();
	library_ifaces(true);
	set_hooks(t);
	direct_init(&t->direct, config);
	err = set_options(t);
	if (!err)
		err = annotation_cache_new(&t->annotations, config);
	if (!err)
		err = formats_new(&t->formats);
	if (!err)
		err = names_new(&t->names, config);
	if (!err)
		err = conversations_new(&t->conversations, config);
	if (!err)
		err = decode_secrets(t);
	if (err < 0) {
		if (err == -ENOMEM)
			log_error("out of memory");
		text_free(&t->output);
		return err;
	}
	init_print(&t->ndo, 0, 0);
	buf_reserve(&t->buf, BATCH + BATCH / 2);
	*ret = &t->output;
	return 0;
}
