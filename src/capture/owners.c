/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/owners.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <ptcpdump/config.h>
#include <ptcpdump/owner.h>
#include <stdlib.h>
#include <string.h>

#include "capture/flow_past.h"
#include "capture/owners_proc.h"
#include "util/clock.h"
#include "util/procfs.h"

#define CACHE_SIZE 4096
/* A socket may be handed to another process, and its tuple be used again. */
#define CACHE_FOUND_NS (100 * NSEC_PER_MSEC)
#define CACHE_MISSED_NS (10 * NSEC_PER_MSEC)
/* /proc is slower to ask, and its answers are gone when the process is. */
#define CACHE_PROC_NS (2 * NSEC_PER_SEC)

struct cached {
	struct flow_key key;
	struct event_owner owner; /* tgid 0: nobody */
	uint64_t asked, until;
};

struct owners {
	int flows_fd, cookies_fd;
	struct flow_past *past; /* NULL: no flow has changed hands */
	struct cached cache[CACHE_SIZE];
	struct owners_proc *proc; /* asked for what the maps do not know; NULL: they know all */
};

/* What a packet's headers tell. */
struct tuple {
	struct flow_key src, dst; /* each end seen as the local one */
	bool request;		  /* TCP SYN: cached answers are of an earlier connection */
	bool opening;		  /* SYN or SYN-ACK: the maps may hold an earlier one, too */
	uint64_t ts;
};

int owners_new(struct owners **ret, int flows_fd, int cookies_fd)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->flows_fd = flows_fd;
	o->cookies_fd = cookies_fd;
	*ret = o;
	return 0;
}

int owners_add_netns(struct owners *o, uint32_t inode)
{
	if (!o->proc)
		o->proc = owners_proc_new();
	return o->proc ? owners_proc_add(o->proc, inode) : -ENOMEM;
}

void owners_forget_netns(struct owners *o, uint32_t inode)
{
	if (o->proc)
		owners_proc_forget(o->proc, inode);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void set_v4(uint32_t *to, const uint8_t *from)
{
	to[0] = to[1] = 0;
	to[2] = htonl(0xffff);
	memcpy(&to[3], from, 4);
}

/* Where the network header starts, and its protocol. False: not one that has owners. */
static bool find_network(int dlt, const uint8_t *p, uint32_t n, uint32_t *off, uint16_t *protocol)
{
	switch (dlt) {
	case DLT_EN10MB: *off = 14; break;
	case DLT_LINUX_SLL: *off = 16; break;
	case DLT_LINUX_SLL2: *off = 20; break;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6: *off = 0; break;
	case DLT_NULL:
	case DLT_LOOP: *off = 4; break;
	default: return false;
	}
	if (n <= *off)
		return false;
	if (dlt == DLT_EN10MB || dlt == DLT_LINUX_SLL)
		*protocol = get16(p + *off - 2);
	else if (dlt == DLT_LINUX_SLL2)
		*protocol = get16(p);
	else
		*protocol = p[*off] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP;
	for (int i = 0; i < 2 && (*protocol == ETH_P_8021Q || *protocol == ETH_P_8021AD); i++) {
		if (n < *off + 4)
			return false;
		*protocol = get16(p + *off + 2);
		*off += 4;
	}
	return true;
}

/* Returns the offset of the transport header, 0: none here. */
static uint32_t parse_network(const uint8_t *p, uint32_t n, uint32_t off, uint16_t protocol, struct flow_key *k)
{
	if (protocol == ETH_P_IP && n >= off + 20) {
		const uint32_t header = (p[off] & 15U) * 4;

		k->proto = p[off + 9];
		set_v4(k->l, p + off + 12);
		set_v4(k->r, p + off + 16);
		return header < 20 || (get16(p + off + 6) & 0x1fff) ? 0 : off + header;
	}
	if (protocol != ETH_P_IPV6 || n < off + 40)
		return 0;
	k->proto = p[off + 6];
	memcpy(k->l, p + off + 8, 16);
	memcpy(k->r, p + off + 24, 16);
	off += 40;
	for (int i = 0; i < 4 && n >= off + 8; i++) {
		switch (k->proto) {
		case IPPROTO_FRAGMENT:
			if (get16(p + off + 2) & 0xfff8)
				return 0;
			k->proto = p[off];
			off += 8;
			break;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			k->proto = p[off];
			off += (p[off + 1] + 1U) * 8;
			break;
		default: return off;
		}
	}
	return off;
}

static bool parse_transport(const uint8_t *p, uint32_t n, uint32_t off, struct tuple *t)
{
	struct flow_key *k = &t->src;

	if (!off || n < off + 8)
		return false;
	switch (k->proto) {
	case IPPROTO_TCP:
		t->request = n > off + 13 && (p[off + 13] & 0x12) == 0x02;
		t->opening = n > off + 13 && (p[off + 13] & 0x02);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP: break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (p[off] == 8 || p[off] == 128)
			memcpy(&k->lport, p + off + 4, 2);
		else if (p[off] == 0 || p[off] == 129)
			memcpy(&k->rport, p + off + 4, 2);
		else
			return false;
		return true;
	default: return false;
	}
	memcpy(&k->lport, p + off, 2);
	memcpy(&k->rport, p + off + 2, 2);
	return true;
}

static bool parse(int dlt, const struct event_packet *e, const uint8_t *data, struct tuple *t)
{
	uint32_t off;
	uint16_t protocol;

	memset(t, 0, sizeof(*t));
	if (!find_network(dlt, data, e->caplen, &off, &protocol))
		return false;
	off = parse_network(data, e->caplen, off, protocol, &t->src);
	if (!parse_transport(data, e->caplen, off, t))
		return false;
	t->ts = e->ts;
	t->src.netns = e->netns;
	t->dst = t->src;
	memcpy(t->dst.l, t->src.r, sizeof(t->dst.l));
	memcpy(t->dst.r, t->src.l, sizeof(t->dst.r));
	t->dst.lport = t->src.rport;
	t->dst.rport = t->src.lport;
	return true;
}

uint8_t owners_direction(int dlt, const uint8_t *data, uint32_t caplen)
{
	uint8_t type;

	if (dlt == DLT_LINUX_SLL && caplen >= 16)
		type = data[1];
	else if (dlt == DLT_LINUX_SLL2 && caplen >= 20)
		type = data[10];
	else
		return EVENT_DIR_NONE;
	return type == PACKET_OUTGOING ? EVENT_DIR_OUT : EVENT_DIR_IN;
}

/* Whoever uses the socket by now. */
static bool now_of_cookie(int cookies_fd, uint64_t cookie, struct owner_rec *now)
{
	return cookie && bpf_map_lookup_elem(cookies_fd, &cookie, now) == 0 && now->tgid;
}

bool owners_record(int flows_fd, int cookies_fd, const struct flow_key *key, struct owner_rec *ret)
{
	struct flow_key anywhere = *key;
	struct owner_rec now;

	if (flows_fd < 0)
		return false;
	if (bpf_map_lookup_elem(flows_fd, key, ret) != 0) {
		anywhere.netns = 0;
		if (bpf_map_lookup_elem(flows_fd, &anywhere, ret) != 0)
			return false;
	}
	if (now_of_cookie(cookies_fd, ret->cookie, &now))
		*ret = now;
	return ret->tgid != 0;
}

struct event_owner owners_of_record(const struct owner_rec *rec)
{
	return (struct event_owner){
		.start = rec->start,
		.cookie = rec->cookie,
		.tgid = rec->tgid,
		.tid = rec->tid,
		.uid = rec->uid,
		.source = rec->source ? rec->source : OWNER_FLOW,
		.flags = OWNER_F_LATER | (rec->certain ? 0 : OWNER_F_PROVISIONAL),
		.image = rec->image,
	};
}

static bool ask_maps(const struct owners *o, const struct flow_key *key, struct event_owner *ret)
{
	struct owner_rec rec;

	if (!owners_record(o->flows_fd, o->cookies_fd, key, &rec))
		return false;
	*ret = owners_of_record(&rec);
	return true;
}

static struct cached *cache_slot(struct owners *o, const struct flow_key *k)
{
	const uint32_t *w = (const void *)k;
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(*k) / sizeof(*w); i++)
		h = (h ^ w[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
	return &o->cache[h >> 48 & (CACHE_SIZE - 1)];
}

/*
 * What is cached of a tuple whose connection begins anew is of the one before. And who has sent since may be another
 * program, which the maps know, or have bound the port of a datagram.
 */
static bool outdated(const struct owners *o, const struct cached *c, const struct tuple *t)
{
	return t->request || (c->owner.tgid && t->ts > c->asked && !(o->flows_fd < 0 && c->key.proto == IPPROTO_TCP));
}

/* Where not all flows are told, they have who sent last, which says little of who receives now, or listens. */
static bool may_be_another(const struct tuple *t, const struct flow_key *k, const struct event_owner *told)
{
	const bool sends = k == &t->src;
	uint64_t start;

	if (k->proto == IPPROTO_TCP && t->opening)
		return sends != t->request;
	if (sends || k->proto == IPPROTO_UDP)
		return !sends;
	start = procfs_start(told->tgid);
	return !start || !procfs_same_start(procfs_tick_ns(), start, told->start);
}

/* 0, -ENOENT: there is no such socket, or -ESRCH. */
static int ask(struct owners *o, const struct flow_key *k, const struct tuple *t, uint64_t now, struct event_owner *ret)
{
	const struct owners_end end = { .key = k, .sends = k == &t->src, .opening = t->opening };

	struct event_owner other;

	if (!ask_maps(o, k, ret))
		return o->proc ? owners_proc_find(o->proc, &end, now, ret) : -ESRCH;
	if (o->proc && may_be_another(t, k, ret) && owners_proc_find(o->proc, &end, now, &other) == 0)
		*ret = other;
	return 0;
}

static bool find(struct owners *o, const struct flow_key *k, const struct tuple *t, uint64_t now,
		 struct event_owner *ret)
{
	struct cached *c = cache_slot(o, k);
	const bool known = memcmp(&c->key, k, sizeof(*k)) == 0 && now < c->until;
	int err;

	*ret = (struct event_owner){ 0 };
	if (known && !outdated(o, c, t)) {
		*ret = c->owner;
		return ret->tgid != 0;
	}
	err = ask(o, k, t, now, ret);
	/* It was closed. */
	if (err == -ENOENT && known && c->owner.tgid && !t->request) {
		c->asked = now;
		*ret = c->owner;
		return true;
	}
	*c = (struct cached){ .key = *k, .owner = *ret, .asked = now };
	if (err)
		c->until = now + CACHE_MISSED_NS;
	else
		c->until = now + (o->flows_fd < 0 ? CACHE_PROC_NS : CACHE_FOUND_NS);
	return !err;
}

/* Who sends a datagram was there; what its port was used for since, says nothing. A connection may be inherited. */
static bool began_later(const struct tuple *t, const struct flow_key *k, const struct event_owner *found)
{
	const uint64_t asleep = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);

	return k == &t->src && k->proto != IPPROTO_TCP && found->start > t->ts + asleep;
}

void owners_flow_was(struct owners *o, const struct event_flow *e)
{
	struct event_owner before = e->before;
	struct owner_rec now;

	if (!o->past)
		o->past = flow_past_new();
	if (!o->past)
		return;
	if (now_of_cookie(o->cookies_fd, before.cookie, &now))
		before = owners_of_record(&now);
	before.flags |= OWNER_F_LATER;
	flow_past_add(o->past, e->flow, e->ts, &before);
}

/* Whoever had the tuple then, if it has become another's since. */
static bool find_past(const struct owners *o, const struct flow_key *k, uint64_t ts, struct event_owner *end)
{
	struct flow_key anywhere = *k;
	const struct event_owner *then;

	if (!o->past)
		return false;
	anywhere.netns = 0;
	then = flow_past_find(o->past, flow_hash(k), ts);
	if (!then)
		then = flow_past_find(o->past, flow_hash(&anywhere), ts);
	if (then)
		*end = *then;
	return then;
}

/* What a cookie stands for may be known by now; else it is waited for. */
static bool find_end(struct owners *o, const struct tuple *t, const struct flow_key *k, uint64_t now,
		     struct event_owner *end)
{
	struct event_owner found;

	if (end->tgid || (end->flags & OWNER_F_NAT) || (end->cookie && t->opening))
		return true;
	/* Where not all flows are told, who received before may have been another than who had it then. */
	if ((k == &t->src || !o->proc) && find_past(o, k, t->ts, end))
		return true;
	if (find(o, k, t, now, &found) && !began_later(t, k, &found)) {
		*end = found;
		return true;
	}
	return end->cookie != 0;
}

bool owners_find(struct owners *o, int dlt, struct event_packet *e, const uint8_t *data, uint64_t now)
{
	bool src, dst;
	struct tuple t;

	if ((e->src.tgid && e->dst.tgid) || !parse(dlt, e, data, &t))
		return true;
	src = find_end(o, &t, &t.src, now, &e->src);
	dst = find_end(o, &t, &t.dst, now, &e->dst);
	/* Both ends are here. */
	if (e->ifindex == LOOPBACK_IFINDEX)
		return src && dst;
	if (e->dir == EVENT_DIR_IN)
		return dst;
	return e->dir == EVENT_DIR_OUT ? src : src || dst;
}

bool owners_destination(int dlt, const struct event_packet *e, const uint8_t *data, struct flow_key *ret, bool *request)
{
	struct tuple t;

	if (!parse(dlt, e, data, &t))
		return false;
	*ret = t.dst;
	*request = t.request;
	return true;
}

void owners_free(struct owners *o)
{
	if (!o)
		return;
	owners_proc_free(o->proc);
	flow_past_free(o->past);
	free(o);
}
