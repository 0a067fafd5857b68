/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "output/json_private.h"
#include "util/clock.h"
#include "util/log.h"

enum { BATCH = 1 << 16 };

static void put_netns(struct buf *b, const struct iface *iface)
{
	const struct json_object netns = json_open(b, "netns");

	if (iface->netns) {
		JSON_PUT(b, ",\"id\":");
		json_put_number(b, iface->netns);
	}
	if (iface->netns_name) {
		JSON_PUT(b, ",\"name\":");
		json_put_string(b, str_of(iface->netns_name));
	}
	json_close(b, netns);
}

static bool is_named(const struct iface *iface)
{
	return iface->name && iface->name[0];
}

static void put_name(struct buf *b, const char *name)
{
	JSON_PUT(b, ",\"interface\":{\"name\":");
	json_put_string(b, str_of(name));
	buf_putc(b, '}');
}

/* The common schema has an interface for what comes in and one for what goes out, and none for what does either. */
static void put_observer(struct buf *b, const struct iface *iface, enum direction dir)
{
	static const char *const sides[] = { [DIR_IN] = "ingress", [DIR_OUT] = "egress" };
	const struct json_object observer = json_open(b, "observer");

	if (iface->host) {
		JSON_PUT(b, ",\"hostname\":");
		json_put_string(b, str_of(iface->host));
	}
	if (is_named(iface) && dir != DIR_NONE) {
		const struct json_object side = json_open(b, sides[dir]);

		put_name(b, iface->name);
		json_close(b, side);
	}
	json_close(b, observer);
}

static void make_iface(struct json_iface *ji, const struct iface *iface)
{
	ji->iface = iface;
	for (int dir = 0; dir < JSON_DIRECTIONS; dir++) {
		struct buf *members = &ji->way[dir].members, *ours = &ji->way[dir].ours;

		members->len = ours->len = 0;
		put_observer(members, iface, (enum direction)dir);
		if (is_named(iface) && dir == DIR_NONE)
			put_name(ours, iface->name);
		put_netns(ours, iface);
	}
}

static struct json_iface *iface_at(struct json_common *c, uint32_t id)
{
	const size_t n = (size_t)id + 16;
	struct json_iface *ifaces;

	if (id < c->nifaces)
		return &c->ifaces[id];
	ifaces = reallocarray(c->ifaces, n, sizeof(*ifaces));
	if (!ifaces)
		return NULL;
	memset(ifaces + c->nifaces, 0, (n - c->nifaces) * sizeof(*ifaces));
	c->ifaces = ifaces;
	c->nifaces = n;
	return &c->ifaces[id];
}

const struct json_iface *json_common_iface(struct json_common *c, const struct iface *iface)
{
	struct json_iface *ji = iface_at(c, iface->id);

	if (ji && ji->iface != iface)
		make_iface(ji, iface);
	return ji;
}

int json_common_announce(struct json_common *c, const struct iface *iface)
{
	struct json_iface *ji = iface_at(c, iface->id);

	if (!ji)
		return -ENOMEM;
	/* Another file begins: its interfaces may even have the addresses of the former ones. */
	if (ji->iface)
		json_owners_clear(c->owners);
	ji->iface = NULL;
	return 0;
}

void json_put_begin(struct json_common *c, uint64_t ns)
{
	JSON_PUT(&c->buf, "{\"@timestamp\":");
	json_put_time(&c->buf, &c->clock, ns);
	JSON_PUT(&c->buf, ",\"ecs\":{\"version\":\"8.11.0\"}");
}

int json_flush(struct json_common *c)
{
	return buf_flush(&c->buf, c->config.fd, c->config.interrupted, c->config.taken);
}

int json_line_end(struct json_common *c)
{
	JSON_PUT(&c->buf, "}\n");
	return c->buf.len >= BATCH || c->config.by_line ? json_flush(c) : 0;
}

int json_common_count(struct json_common *c, const struct output_counts *counts)
{
	c->counts = *counts;
	c->counted = true;
	return 0;
}

int json_common_finish(struct json_common *c)
{
	struct buf *b = &c->buf;
	int err = 0;

	if (c->config.live && c->counted) {
		json_put_begin(c, clock_ns(CLOCK_REALTIME));
		JSON_PUT(b, ",\"event\":{\"kind\":\"metric\",\"category\":[\"network\"],\"type\":[\"info\"],"
			    "\"dataset\":\"ptcpdump.stats\"},\"ptcpdump\":{\"stats\":{\"captured\":");
		json_put_number(b, c->counts.captured);
		JSON_PUT(b, ",\"received\":");
		json_put_number(b, c->counts.received);
		JSON_PUT(b, ",\"dropped\":");
		json_put_number(b, c->counts.dropped);
		JSON_PUT(b, "}}");
		err = json_line_end(c);
	}
	return err ? err : json_flush(c);
}

int json_common_init(struct json_common *c, const struct json_config *config)
{
	const struct json_owners_config owners = { .args = config->args, .labels = config->labels };

	c->config = *config;
	c->ends = json_ends_new();
	c->owners = json_owners_new(&owners);
	if (!c->ends || !c->owners) {
		log_error("can't set up JSON: out of memory, or OpenSSL's library has no SHA-1");
		return -ENOMEM;
	}
	buf_reserve(&c->buf, BATCH + BATCH / 2);
	return 0;
}

void json_common_done(struct json_common *c)
{
	for (size_t i = 0; i < c->nifaces; i++) {
		for (int dir = 0; dir < JSON_DIRECTIONS; dir++) {
			buf_done(&c->ifaces[i].way[dir].members);
			buf_done(&c->ifaces[i].way[dir].ours);
		}
	}
	free(c->ifaces);
	json_ends_free(c->ends);
	json_owners_free(c->owners);
	buf_done(&c->buf);
}
