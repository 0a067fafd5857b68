/* SPDX-License-Identifier: BSD-3-Clause */
/* The interfaces of inputs that are merged: their numbers and names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/iface_name.h"
#include "reader/merge_int.h"
#include "util/hash.h"
#include "util/log.h"

int merge_note_iface(struct input *in, const struct iface *iface)
{
	struct merged_iface *mi = calloc(1, sizeof(*mi));
	void *p = mi ? reallocarray(in->ifaces, in->nifaces + 1, sizeof(struct merged_iface *)) : NULL;

	if (!p) {
		free(mi);
		return -ENOMEM;
	}
	in->ifaces = p;
	mi->from = iface;
	mi->input = in->number;
	in->ifaces[in->nifaces++] = mi;
	return 0;
}

/* What it is printed as, as far as its input does not tell it from others. 0: nothing is printed. */
static uint64_t hash_of(const struct iface *iface)
{
	const struct hash_key key = hash_key();
	const char *netns = iface->netns_name ? iface->netns_name : "", *host = iface->host ? iface->host : "";
	uint64_t h;

	if (!*iface->name)
		return 0;
	h = hash_more(&key, 0, iface->name, strlen(iface->name));
	h = hash_more(&key, h, iface->other_netns ? &iface->netns : NULL,
		      iface->other_netns ? sizeof(iface->netns) : 0);
	h = hash_more(&key, h, netns, strlen(netns));
	return hash_more(&key, h, host, strlen(host)) | 1;
}

static int make_room(struct names *names)
{
	struct names more = { .room = names->room ? 2 * names->room : 64 };

	if (2 * (names->n + 1) <= names->room)
		return 0;
	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < names->room; i++) {
		size_t at = names->slots[i].hash & (more.room - 1);

		if (!names->slots[i].hash)
			continue;
		while (more.slots[at].hash)
			at = (at + 1) & (more.room - 1);
		more.slots[at] = names->slots[i];
	}
	more.n = names->n;
	free(names->slots);
	*names = more;
	return 0;
}

/* 1: another input has one of that name; 0; -ENOMEM */
static int take_name(struct names *names, uint64_t hash, size_t input)
{
	const int err = make_room(names);
	size_t at;

	if (err)
		return err;
	at = hash & (names->room - 1);
	while (names->slots[at].hash && names->slots[at].hash != hash)
		at = (at + 1) & (names->room - 1);
	if (names->slots[at].hash)
		return names->slots[at].input != input;
	names->slots[at].hash = hash;
	names->slots[at].input = input;
	names->n++;
	return 0;
}

/* A host that it has already stays in front. */
static int set_host(struct merged_iface *mi, const char *host)
{
	struct buf b = { 0 };

	if (mi->from->host)
		buf_printf(&b, "%s@", mi->from->host);
	buf_puts(&b, host);
	mi->host = strndup(b.p, b.len);
	buf_done(&b);
	if (!mi->host)
		return -ENOMEM;
	mi->pub.host = mi->host;
	if (!mi->pub.options)
		return 0;
	iface_name_move(&mi->options, mi->from, mi->host);
	mi->pub.options = (const uint8_t *)mi->options.p;
	mi->pub.options_len = mi->options.len;
	return 0;
}

/* What input it is of, where that has to be told. NULL: nowhere. -ENOMEM */
static int host_of(struct merge *m, const struct input *in, const struct merged_iface *mi, const char **ret)
{
	const uint64_t hash = in->name ? 0 : hash_of(mi->from);
	const int clash = hash ? take_name(&m->names, hash, mi->input) : 0;

	*ret = in->name ? in->name : hash && (m->name_all || clash > 0) ? in->file : NULL;
	return clash < 0 ? clash : 0;
}

static int announce(struct merge *m, const struct input *in, struct merged_iface *mi)
{
	/* Grown at powers of two. */
	const bool grow = (m->next_id & (m->next_id - 1)) == 0;
	void *p = grow ? reallocarray(m->ifaces, m->next_id ? 2 * (size_t)m->next_id : 1, sizeof(struct merged_iface *))
		       : m->ifaces;
	const char *host;
	int err;

	if (!p)
		return -ENOMEM;
	m->ifaces = p;
	mi->pub = *mi->from;
	mi->pub.id = m->next_id;
	mi->pub.source = (uint32_t)mi->input;
	err = host_of(m, in, mi, &host);
	if (!err && host)
		err = set_host(mi, host);
	if (err)
		return err;
	m->ifaces[m->next_id++] = mi;
	return 0;
}

int merge_announce(struct merge *m, struct input *in)
{
	int ret = 0;

	while (!ret && in->announced < in->nifaces) {
		struct merged_iface *mi = in->ifaces[in->announced];

		ret = announce(m, in, mi);
		if (ret) {
			log_error("%s: out of memory", in->path);
			return ret;
		}
		in->announced++;
		if (m->handler->iface)
			ret = m->handler->iface(m->handler->arg, &mi->pub);
	}
	return ret;
}

/* Before the first packet, all that is there is looked at, so that of several nobody goes without a name. */
static int find_clashes(struct merge *m)
{
	int clash = 0;

	for (size_t i = 0; i < m->n && clash >= 0; i++) {
		const struct input *in = m->inputs[i];

		for (size_t k = 0; !in->name && k < in->nifaces && clash >= 0; k++) {
			const uint64_t hash = hash_of(in->ifaces[k]->from);

			clash = hash ? take_name(&m->names, hash, i) : 0;
			m->name_all |= clash > 0;
		}
	}
	return clash < 0 ? clash : 0;
}

int merge_start(struct merge *m)
{
	int ret = find_clashes(m);

	if (ret)
		log_error("out of memory");
	m->started = true;
	for (size_t i = 0; i < m->n && !ret; i++)
		ret = merge_announce(m, m->inputs[i]);
	return ret;
}

void merge_ifaces_free(struct merge *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct input *in = m->inputs[i];

		for (size_t k = 0; k < in->nifaces; k++) {
			free(in->ifaces[k]->host);
			buf_done(&in->ifaces[k]->options);
			free(in->ifaces[k]);
		}
		free(in->ifaces);
	}
	free(m->names.slots);
	free(m->ifaces);
}
