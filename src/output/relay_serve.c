/* SPDX-License-Identifier: BSD-3-Clause */
/* The reading side of a relay. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/relay_private.h"
#include "util/clock.h"
#include "util/fd.h"

enum { STEP = RELAY_SIZE / 16 }; /* what is done is made known in such steps: each costs both sides a cache miss */

struct kept_annotation {
	struct annotation annot;
	char *strings;
	size_t size;
};

struct server {
	const struct relay_child *child;
	struct output *out;
	uint64_t pos, limit;   /* done, and there */
	uint64_t known;	       /* made known to be done */
	bool ended;	       /* by what we were told */
	struct iface **ifaces; /* by their ids */
	size_t nifaces;
	struct kept_annotation annotations[RELAY_ANNOTATIONS];
};

static volatile sig_atomic_t told_to_end;

static void on_term(int signal)
{
	(void)signal;
	told_to_end = 1;
}

/* Ctrl-C reaches us too: we end when all that was captured is printed. SIGTERM comes from our parent, or when it died. */
static void set_signals(void)
{
	const struct sigaction act = { .sa_handler = on_term };

	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	fd_ignore_signals();
	sigaction(SIGTERM, &act, NULL);
}

/* --- the ring --------------------------------------------------------------------- */

static void make_known(struct server *s)
{
	s->known = s->pos;
	__atomic_store_n(&s->child->reply->consumed, s->pos, __ATOMIC_SEQ_CST);
	/* Whoever waits gets half of the ring at once. A full socket is full of wake-ups; when nobody is there any more, the
	 * next read will tell. */
	if (__atomic_load_n(&s->child->head->waiting, __ATOMIC_SEQ_CST) && s->limit - s->pos <= RELAY_SIZE / 2)
		send(s->child->socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static uint64_t produced(const struct server *s)
{
	return __atomic_load_n(&s->child->head->produced, __ATOMIC_SEQ_CST);
}

/* False: nothing more will come. */
static bool ring_wait(struct server *s)
{
	struct relay_reply *reply = s->child->reply;
	char bytes[64];
	ssize_t n = 1;

	s->limit = produced(s);
	if (s->limit != s->pos)
		return true;
	make_known(s);
	while (n > 0 && s->limit == s->pos) {
		__atomic_store_n(&reply->sleeping, 1, __ATOMIC_SEQ_CST);
		s->limit = produced(s);
		if (s->limit != s->pos)
			break;
		do
			n = read(s->child->socket, bytes, sizeof(bytes));
		while (n < 0 && errno == EINTR);
		s->limit = produced(s);
	}
	__atomic_store_n(&reply->sleeping, 0, __ATOMIC_RELAXED);
	return s->limit != s->pos;
}

static void ring_skip(struct server *s, const struct relay_record *record)
{
	s->pos += record->size;
	if (s->pos - s->known >= STEP)
		make_known(s);
}

/* --- records ------------------------------------------------------------------------ */

static int take_iface(struct server *s, const struct relay_iface *record)
{
	const uint32_t id = record->iface.id;
	const char *netns_name = record->names + strlen(record->names) + 1;
	struct iface *iface, **ifaces;

	if (id >= s->nifaces) {
		const size_t n = (size_t)id + 16;

		ifaces = realloc(s->ifaces, n * sizeof(*ifaces));
		if (!ifaces)
			return -ENOMEM;
		memset(ifaces + s->nifaces, 0, (n - s->nifaces) * sizeof(*ifaces));
		s->ifaces = ifaces;
		s->nifaces = n;
	}
	iface = malloc(sizeof(*iface));
	if (!iface)
		return -ENOMEM;
	*iface = record->iface;
	iface->name = strdup(record->names);
	iface->netns_name = netns_name[0] ? strdup(netns_name) : NULL;
	iface->description = iface->filter = iface->netns_path = iface->host = NULL;
	iface->options = NULL;
	if (!iface->name || (netns_name[0] && !iface->netns_name))
		return -ENOMEM;
	/* An id is given once. */
	s->ifaces[id] = iface;
	return s->out->ops->iface(s->out, iface);
}

static int take_annotation(struct server *s, const struct relay_annotation *record)
{
	struct kept_annotation *kept = &s->annotations[record->annot.serial % RELAY_ANNOTATIONS];
	char *strings;

	if (record->total > kept->size) {
		strings = realloc(kept->strings, record->total);
		if (!strings)
			return -ENOMEM;
		kept->strings = strings;
		kept->size = record->total;
	}
	memcpy(kept->strings + record->offset, record->strings, record->len);
	kept->annot = record->annot;
	annot_strings_place(&annotation_schema, &kept->annot, kept->strings);
	return 0;
}

static int take_packet(struct server *s, const struct relay_packet *record)
{
	const struct packet packet = {
		.sec = record->sec,
		.nsec = record->nsec,
		.caplen = record->caplen,
		.len = record->len,
		.data = record->data,
		.iface = s->ifaces[record->iface],
		.dir = (enum direction)record->record.dir,
		.annot = record->record.annotated ? &s->annotations[record->annotation].annot : NULL,
		.by_peer = record->record.by_peer,
		.absent = record->absent,
		.absent_sum = record->absent_sum,
	};

	return s->out->ops->packet(s->out, &packet);
}

static int take_counts(struct server *s, const struct relay_counts *record)
{
	return s->out->ops->counts ? s->out->ops->counts(s->out, &record->counts) : 0;
}

static int take_tick(struct server *s)
{
	uint64_t next = UINT64_MAX;

	return s->out->ops->tick ? s->out->ops->tick(s->out, clock_ns(CLOCK_MONOTONIC), &next) : 0;
}

static int take(struct server *s, const struct relay_record *record)
{
	const void *p = record;

	switch (record->type) {
	case RELAY_IFACE: return take_iface(s, p);
	case RELAY_ANNOTATION: return take_annotation(s, p);
	case RELAY_PACKET: return take_packet(s, p);
	case RELAY_COUNTS: return take_counts(s, p);
	case RELAY_TICK: return take_tick(s);
	case RELAY_FLUSH: return s->out->ops->flush(s->out);
	case RELAY_END: s->ended = true; return 0;
	default: return -EBADMSG;
	}
}

static int serve(struct server *s)
{
	int err = 0;

	while (!err && !s->ended && (s->pos != s->limit || ring_wait(s))) {
		const struct relay_record *record = (const void *)(s->child->data + (s->pos & (RELAY_SIZE - 1)));

		err = take(s, record);
		if (!err)
			ring_skip(s, record);
	}
	if (!err)
		err = s->out->ops->finish(s->out);
	if (!err)
		make_known(s);
	return err;
}

static void server_free(struct server *s)
{
	for (size_t i = 0; i < s->nifaces; i++) {
		if (s->ifaces[i]) {
			free(s->ifaces[i]->name);
			free(s->ifaces[i]->netns_name);
		}
		free(s->ifaces[i]);
	}
	for (size_t i = 0; i < RELAY_ANNOTATIONS; i++)
		free(s->annotations[i].strings);
	free(s->ifaces);
	free(s);
}

void relay_serve(const struct relay_child *child, const struct relay_config *config)
{
	struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return;
	s->child = child;
	set_signals();
	err = config->prepare(config->arg, &told_to_end, &child->reply->taken, &s->out);
	if (!err && write(child->socket, "", 1) == 1)
		err = serve(s);
	__atomic_store_n(&child->reply->error, -err, __ATOMIC_RELEASE);
	server_free(s);
}
