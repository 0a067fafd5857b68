/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "flows/flows.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/utf8.h"

enum {
	SERIES_MAX = 1000,
	LABEL_MAX = 128,  /* bytes of a value; the rest is cut */
	MEMO_SLOTS = 256, /* a power of two */
	PUSH_MS = 20,	  /* a text that the socket does not hold as a whole goes on after this */
};

enum label { PROCESS, CONTAINER, POD, NAMESPACE, LABELS };

struct way {
	uint64_t packets, bytes, connections, retransmits, resets;
};

/* Those of one set of labels, which but for the direction stand ready as text: process="curl",container="",... */
struct series {
	char *labels;
	size_t labels_len;
	uint64_t hash;
	struct way way[FLOWS_WAYS];
};

struct memo {
	uint64_t serial;
	uint32_t series; /* + 1 */
};

struct metrics {
	struct output base;
	struct metrics_config config;
	struct flows *flows; /* for retransmissions */
	struct output_counts counts;
	struct series *series; /* the first is that of all others */
	uint32_t n, room;
	struct hash_key key;
	struct memo memo[MEMO_SLOTS];
	uint32_t nobody; /* the series + 1 */
	struct buf text, labels;
	uint64_t next; /* CLOCK_MONOTONIC ns */
	bool gone;
};

static struct metrics *metrics_of(const struct output *o)
{
	return (struct metrics *)o;
}

static void put_value(struct buf *b, struct str s)
{
	const size_t end = s.n < LABEL_MAX ? s.n : LABEL_MAX;

	for (size_t i = 0, n; i < end; i += n) {
		const char c = s.p[i];

		n = utf8_char(s.p + i, s.n - i);
		if (c == '\\' || c == '"') {
			buf_putc(b, '\\');
			buf_putc(b, c);
		} else if (c == '\n') {
			buf_puts(b, "\\n");
		} else if (n == 0 || (unsigned char)c < ' ' || c == 0x7f) {
			buf_puts(b, UTF8_REPLACEMENT);
		} else {
			buf_put(b, s.p + i, n);
		}
		n += n == 0;
	}
}

static void put_labels(struct buf *b, const struct str values[LABELS])
{
	static const char *const names[LABELS] = { "process", "container", "pod", "namespace" };

	for (int i = 0; i < LABELS; i++) {
		buf_printf(b, "%s%s=\"", i ? "," : "", names[i]);
		put_value(b, values[i]);
		buf_putc(b, '"');
	}
}

static void values_of(struct str values[LABELS], const struct annotation *a)
{
	const unsigned has = a ? a->has : 0;

	for (int i = 0; i < LABELS; i++)
		values[i] = (struct str){ "", 0 };
	if (has & ANNOT_PROCESS)
		values[PROCESS] = process_desc_name(&a->process);
	if (has & ANNOT_CONTAINER)
		values[CONTAINER] = a->container.name.n ? a->container.name : a->container.id;
	if (has & ANNOT_POD) {
		values[POD] = a->pod.name;
		values[NAMESPACE] = a->pod.namespace;
	}
}

/* 0, which is that of the others, when there is no more room. */
static uint32_t series_add(struct metrics *m, uint64_t hash)
{
	const uint32_t max = m->config.series_max ? (uint32_t)m->config.series_max : SERIES_MAX;
	struct series *s;

	if (m->n && m->n > max)
		return 0;
	if (m->n == m->room) {
		const uint32_t room = m->room ? 2 * m->room : 16;

		s = reallocarray(m->series, room, sizeof(*s));
		if (!s)
			return 0;
		m->series = s;
		m->room = room;
	}
	s = &m->series[m->n];
	*s = (struct series){ .labels = malloc(m->labels.len + 1), .labels_len = m->labels.len, .hash = hash };
	if (!s->labels)
		return 0;
	memcpy(s->labels, m->labels.p, m->labels.len);
	return m->n++;
}

static uint32_t series_find(struct metrics *m, const struct annotation *annot)
{
	struct str values[LABELS];
	uint64_t hash;

	m->labels.len = 0;
	values_of(values, annot);
	put_labels(&m->labels, values);
	hash = hash_bytes(&m->key, m->labels.p, m->labels.len);
	for (uint32_t i = 0; i < m->n; i++) {
		const struct series *s = &m->series[i];

		if (s->hash == hash && s->labels_len == m->labels.len &&
		    memcmp(s->labels, m->labels.p, s->labels_len) == 0)
			return i;
	}
	return series_add(m, hash);
}

static struct series *series_of(struct metrics *m, const struct flows_sample *s)
{
	struct memo *memo;

	if (s->others)
		return &m->series[0];
	if (!s->annot) {
		if (!m->nobody)
			m->nobody = series_find(m, NULL) + 1;
		return &m->series[m->nobody - 1];
	}
	if (!s->annot->serial)
		return &m->series[series_find(m, s->annot)];
	memo = &m->memo[s->annot->serial & (MEMO_SLOTS - 1)];
	if (memo->serial != s->annot->serial || !memo->series) {
		memo->series = series_find(m, s->annot) + 1;
		memo->serial = s->annot->serial;
	}
	return &m->series[memo->series - 1];
}

static int metrics_sample(struct output *o, const struct flows_sample *s)
{
	struct way *way = &series_of(metrics_of(o), s)->way[flows_way(s)];

	way->packets += s->packets;
	way->bytes += s->bytes;
	way->connections += s->syns;
	way->retransmits += s->retransmits;
	way->resets += s->resets;
	return 0;
}

static int metrics_packet(struct output *o, const struct packet *packet)
{
	struct flows_sample sample;

	flows_packet(metrics_of(o)->flows, packet, &sample);
	return metrics_sample(o, &sample);
}

static int metrics_counts(struct output *o, const struct output_counts *counts)
{
	metrics_of(o)->counts = *counts;
	return 0;
}

static void put_family(struct buf *b, const char *name, const char *help)
{
	buf_printf(b, METRICS_FIRST "%s %s\n# TYPE ptcpdump_%s counter\n", name, help, name);
}

static void put_families(struct buf *b, const struct metrics *m)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} families[] = {
		{ "bytes_total", "Bytes on the wire, once for each interface that they were seen on.",
		  offsetof(struct way, bytes) },
		{ "packets_total", "Packets, once for each interface that they were seen on.",
		  offsetof(struct way, packets) },
		{ "connections_total", "TCP connections that were asked for (SYN), by direction.",
		  offsetof(struct way, connections) },
		{ "tcp_retransmits_total", "TCP segments that were sent again.", offsetof(struct way, retransmits) },
		{ "tcp_resets_total", "TCP segments with RST.", offsetof(struct way, resets) },
	};
	static const char *const directions[FLOWS_WAYS] = { [FLOWS_IN] = "in", [FLOWS_OUT] = "out" };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		put_family(b, families[i].name, families[i].help);
		for (uint32_t j = 0; j < 2 * m->n; j++) {
			const struct series *s = &m->series[j / 2];
			const struct way *way = &s->way[j % 2];
			uint64_t n;

			if (!way->packets)
				continue;
			memcpy(&n, (const char *)way + families[i].offset, sizeof(n));
			buf_printf(b, "ptcpdump_%s{%.*s,direction=\"%s\"} %llu\n", families[i].name, (int)s->labels_len,
				   s->labels, directions[j % 2], (unsigned long long)n);
		}
	}
}

static void put_own(struct buf *b, const char *name, const char *help, uint64_t n)
{
	put_family(b, name, help);
	buf_printf(b, "ptcpdump_%s %llu\n", name, (unsigned long long)n);
}

void output_metrics_put(const struct output *o, struct buf *b)
{
	const struct metrics *m = metrics_of(o);

	put_families(b, m);
	put_own(b, "captured_packets_total", "Packets that were counted.", m->counts.captured);
	put_own(b, "received_packets_total", "Packets that passed the filter.", m->counts.received);
	put_own(b, "dropped_packets_total", "Packets that were lost for want of buffer space.", m->counts.dropped);
	buf_printf(b,
		   "# HELP ptcpdump_build_info The program that counts.\n# TYPE ptcpdump_build_info gauge\n"
		   "ptcpdump_build_info{version=\"%s\"} 1\n",
		   m->config.version);
}

static int renew(struct metrics *m)
{
	int err;

	if (!m->config.file || m->gone)
		return 0;
	m->text.len = 0;
	output_metrics_put(&m->base, &m->text);
	err = metrics_file_put(m->config.file, &m->text);
	if (!err)
		return 0;
	m->gone = true;
	log_error("the process that writes the file of --metrics is gone: %s", strerror(-err));
	return -ENOTRECOVERABLE;
}

static int metrics_tick(struct output *o, uint64_t now, uint64_t *next)
{
	struct metrics *m = metrics_of(o);
	int err = 0;

	if (now >= m->next) {
		err = m->config.file && metrics_file_idle(m->config.file) ? renew(m) : 0;
		m->next = now + m->config.interval;
	}
	if (m->next < *next)
		*next = m->next;
	if (m->config.file && !m->gone && !metrics_file_idle(m->config.file) && now + PUSH_MS * NSEC_PER_MSEC < *next)
		*next = now + PUSH_MS * NSEC_PER_MSEC;
	return err;
}

static int metrics_finish(struct output *o)
{
	struct metrics *m = metrics_of(o);

	if (m->config.file)
		metrics_file_wait(m->config.file);
	return renew(m);
}

static void metrics_free(struct output *o)
{
	struct metrics *m = metrics_of(o);

	for (uint32_t i = 0; i < m->n; i++)
		free(m->series[i].labels);
	free(m->series);
	buf_done(&m->text);
	buf_done(&m->labels);
	flows_free(m->flows);
	free(m);
}

static const struct output_ops metrics_ops = {
	.name = "metrics",
	.packet = metrics_packet,
	.sample = metrics_sample,
	.counts = metrics_counts,
	.tick = metrics_tick,
	.finish = metrics_finish,
	.free = metrics_free,
};

static bool add_others(struct metrics *m)
{
	const struct str values[LABELS] = { { "others", 6 }, { "", 0 }, { "", 0 }, { "", 0 } };

	/* A program of that name is one of them: two series of the same labels are refused by those who read them. */
	put_labels(&m->labels, values);
	series_add(m, hash_bytes(&m->key, m->labels.p, m->labels.len));
	return m->n;
}

int output_metrics_new(struct output **ret, const struct metrics_config *config)
{
	const struct flows_config flows = { 0 };
	struct metrics *m = calloc(1, sizeof(*m));
	int err = m ? flows_new(&m->flows, &flows) : -ENOMEM;

	if (err) {
		free(m);
		return err;
	}
	m->base.ops = &metrics_ops;
	m->config = *config;
	m->key = hash_key();
	if (!add_others(m)) {
		metrics_free(&m->base);
		return -ENOMEM;
	}
	*ret = &m->base;
	return 0;
}
