/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/nat.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/backend.h"
#include "capture/conntrack.h"
#include "capture/owners.h"
#include "capture/private.h"
#include "capture/tenant.h"
#include "ptcpdump.skel.h"
#include "util/clock.h"

#define FLOWS 2048
#define PORTS 1024
/* An answer holds this long; of a flow that is not tracked (yet), shorter. */
#define ANSWER_NS NSEC_PER_SEC
#define UNKNOWN_NS (10 * NSEC_PER_MSEC)
/* The receiver of a flow is waited for only so long after its first packet. */
#define YOUNG_NS (200 * NSEC_PER_MSEC)
/* A packet has passed NAT, or was dropped, so long after we have seen it. */
#define PASSED_NS (2 * NSEC_PER_MSEC)
/* Only what conntrack knows nothing of for so long does it not track. */
#define UNTRACKED_NS (100 * NSEC_PER_MSEC)
#define FORGOTTEN_NS (10 * NSEC_PER_SEC)
/* A port that NAT has taken is not trusted for so long. */
#define PUBLISHED_NS (60 * NSEC_PER_SEC)

enum where { HERE, ELSEWHERE, BACK, UNKNOWN }; /* BACK: to who was sent on */

struct flow {
	struct flow_key key, to; /* to: its receiver's own end, when it is elsewhere */
	uint64_t first, until, ts;
	enum where where;
	bool refused; /* nobody will have it */
};

struct port {
	uint64_t tag;
	uint64_t until;	  /* published up to then */
	uint64_t unknown; /* since when nothing of it is known, 0: it is */
};

struct nat {
	struct nat_maps maps;
	struct tenants *tenants;
	struct flow flows[FLOWS];
	struct port ports[PORTS]; /* that NAT has taken lately */
	struct nat_plain plain[NAT_PLAIN_SLOTS];
};

int nat_new(struct nat **ret, const struct nat_maps *maps)
{
	struct nat *n = calloc(1, sizeof(*n));
	int err = n ? tenants_new(&n->tenants) : -ENOMEM;

	if (err) {
		free(n);
		return err;
	}
	n->maps = *maps;
	*ret = n;
	return 0;
}

static bool is_loopback(const uint32_t *a)
{
	if (a[0] == 0 && a[1] == 0 && a[2] == htonl(0xffff))
		return ntohl(a[3]) >> 24 == IN_LOOPBACKNET;
	return !(a[0] | a[1] | a[2] | (a[3] ^ htonl(1)));
}

/* The slot of a port, in every address of its namespace. */
static struct port *port_of(struct nat *n, const struct flow_key *k, uint64_t *tag)
{
	const struct flow_key port = { .netns = k->netns, .proto = k->proto, .lport = k->lport };

	*tag = flow_hash(&port) | 1;
	return &n->ports[*tag >> 32 & (PORTS - 1)];
}

static void publish(struct nat *n, const struct flow_key *k, uint64_t now)
{
	uint64_t tag;
	struct port *port = port_of(n, k, &tag);

	*port = (struct port){ .tag = tag, .until = now + PUBLISHED_NS };
}

static bool published(struct nat *n, const struct flow_key *k, uint64_t now)
{
	uint64_t tag;
	const struct port *port = port_of(n, k, &tag);

	return port->tag == tag && now < port->until;
}

/* Nothing is known of a packet for this port. Whether that has been so for long enough. */
static bool untracked(struct nat *n, const struct flow_key *k, uint64_t now)
{
	uint64_t tag;
	struct port *port = port_of(n, k, &tag);

	if (port->tag != tag && now < port->until)
		return false;
	if (port->tag != tag)
		*port = (struct port){ .tag = tag };
	if (!port->unknown || now - port->unknown > FORGOTTEN_NS)
		port->unknown = now;
	return now - port->unknown >= UNTRACKED_NS;
}

static void set_tracked(struct nat *n, const struct flow_key *k)
{
	uint64_t tag;
	struct port *port = port_of(n, k, &tag);

	if (port->tag == tag)
		port->unknown = 0;
}

static uint64_t plain_hash(const struct nat_question *q)
{
	struct flow_key end;

	flow_plain(&end, &q->k, q->ifindex);
	return flow_hash(&end);
}

static bool is_plain(const struct nat *n, const struct nat_question *q)
{
	const uint64_t hash = plain_hash(q);
	const struct nat_plain *p = &n->plain[flow_plain_slot(hash)];

	return p->tag == flow_plain_tag(hash) && (int32_t)(p->until - nat_step(q->ts)) >= 0;
}

/* Our programs need not ask about what comes for this end in the next time. */
static void make_plain(struct nat *n, const struct nat_question *q, uint64_t now)
{
	const uint64_t hash = plain_hash(q);
	const uint32_t slot = flow_plain_slot(hash);
	const struct nat_plain p = { flow_plain_tag(hash), nat_step(now) + 1 };

	n->plain[slot] = p;
	if (n->maps.plain >= 0)
		bpf_map_update_elem(n->maps.plain, &slot, &p, BPF_ANY);
}

static void wait_until(uint64_t ns)
{
	const struct timespec t = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/*
 * To conclude too early that it is not translated would be wrong for a second. Others of the batch have aged meanwhile, and the
 * port is not asked about for a while, so this wait is seldom.
 */
static int ask_conntrack(int fd, const struct nat_question *q, uint64_t now, struct flow_key *ret)
{
	int err = conntrack_ask(fd, &q->k, ret);

	if (err != -ENOENT || now < q->ts || now - q->ts >= PASSED_NS)
		return err;
	wait_until(q->ts + PASSED_NS);
	return conntrack_ask(fd, &q->k, ret);
}

static void ask(struct flow *f, int fd, const struct nat_question *q, uint64_t now)
{
	const int err = fd < 0 ? -ENOENT : ask_conntrack(fd, q, now, &f->to);

	f->ts = q->ts;
	f->until = now + ANSWER_NS;
	f->where = HERE;
	f->refused = false;
	if (err < 0) {
		f->where = UNKNOWN;
		f->until = now + UNKNOWN_NS;
	} else if (f->to.lport != q->k.lport || memcmp(f->to.l, q->k.l, sizeof(q->k.l)) != 0) {
		f->where = err == CONNTRACK_ANSWER ? BACK : ELSEWHERE;
		/* A socket of another namespace, unless it is only another port or address of this one. */
		if (memcmp(f->to.l, q->k.l, sizeof(q->k.l)) != 0 && !is_loopback(f->to.l))
			f->to.netns = 0;
	}
}

static struct flow *flow_of(struct nat *n, int fd, const struct nat_question *q, uint64_t now)
{
	struct flow *f = &n->flows[flow_hash(&q->k) >> 32 & (FLOWS - 1)];
	const bool same = memcmp(&f->key, &q->k, sizeof(q->k)) == 0 && (!q->request || f->ts == q->ts);

	if (!same) {
		f->key = q->k;
		f->first = q->ts;
	}
	if (!same || now >= f->until)
		ask(f, fd, q, now);
	return f;
}

/* The next packets of the flow are known by our programs alone, and as its owner changes. */
static void remember(const struct nat *n, const struct flow *f, struct owner_rec *rec)
{
	rec->forwarded = 1;
	if (n->maps.ends) {
		__atomic_store_n(&n->maps.ends[flow_end_slot(flow_end_mixed(&f->key))], 1, __ATOMIC_RELAXED);
		__atomic_store_n(n->maps.published, 1, __ATOMIC_RELEASE);
	}
	bpf_map_update_elem(n->maps.flows, &f->key, rec, BPF_ANY);
	bpf_map_update_elem(n->maps.nat, &f->to, &f->key, BPF_ANY);
}

/* For when nobody gets it: the container is known by its address. */
static void name_tenant(struct nat *n, const struct flow *f, uint64_t now, struct event_owner *end)
{
	const struct tenant tenant = tenants_find(n->tenants, f->to.l, f->key.netns, now);

	end->tgid = tenant.pid;
	end->start = tenant.start;
	end->tid = OWNER_TID_NOBODY;
}

static void credit(struct nat *n, const struct flow *f, struct owner_rec *rec, struct event_owner *end)
{
	*end = owners_of_record(rec);
	end->source = OWNER_CONNTRACK;
	end->flags |= OWNER_F_NAT;
	if (rec->certain && f->to.netns == 0)
		remember(n, f, rec);
}

/* Of another namespace, if somebody there has sent what this answers; else it is as it seems. */
static void come_back(struct nat *n, const struct flow *f, struct event_owner *end)
{
	struct owner_rec rec;

	if (f->to.netns == 0 && owners_record(n->maps.flows, n->maps.cookies, &f->to, &rec))
		credit(n, f, &rec, end);
}

static void go_elsewhere(struct nat *n, const struct flow *f, const struct nat_question *q, uint64_t now,
			 struct event_owner *end)
{
	const bool young = now - f->first < YOUNG_NS;
	struct owner_rec rec;

	*end = (struct event_owner){ .cookie = flow_cookie(&f->to), .flags = OWNER_F_NAT };
	/* What is told of a connection's tuple before it is accepted is of an earlier one. */
	if (q->request || !owners_record(n->maps.flows, n->maps.cookies, &f->to, &rec)) {
		if ((q->request || young) && !f->refused)
			end->flags |= OWNER_F_PROVISIONAL;
		if (f->to.netns == 0)
			name_tenant(n, f, now, end);
		return;
	}
	credit(n, f, &rec, end);
}

/* conntrack forgets a request that was refused where it was sent; our programs have seen that. */
static void ask_programs(const struct nat *n, struct flow *f)
{
	if (n->maps.nat < 0 || bpf_map_lookup_elem(n->maps.nat, &f->key, &f->to) != 0)
		return;
	f->where = ELSEWHERE;
	f->refused = true;
}

void nat_settle(struct nat *n, int fd, const struct nat_question *q, uint64_t now, struct event_owner *end)
{
	struct flow *f = is_plain(n, q) ? NULL : flow_of(n, fd, q, now);

	end->flags &= (uint8_t)~OWNER_F_NAT;
	if (!f)
		return;
	if (f->where != UNKNOWN)
		set_tracked(n, &q->k);
	if (f->where == UNKNOWN && q->request)
		ask_programs(n, f);
	if (f->where == BACK) {
		come_back(n, f, end);
	} else if (f->where == ELSEWHERE) {
		publish(n, &q->k, now);
		go_elsewhere(n, f, q, now, end);
	} else if (!published(n, &q->k, now)) {
		if (fd < 0 || f->where == HERE || untracked(n, &q->k, now))
			make_plain(n, q, now);
	} else if (f->where == UNKNOWN) {
		/* Dropped, or late: our programs tell of the tuple that it shows when it is answered. */
		*end = (struct event_owner){ .flags = OWNER_F_NAT };
		if (now - f->first < YOUNG_NS) {
			end->cookie = flow_cookie(&q->k);
			end->flags |= OWNER_F_PROVISIONAL;
		}
	}
}

static int conntrack_fd(const struct capture *c, struct netns *ns)
{
	int err;

	if (ns->ended || ns->conntrack_fd != CONNTRACK_NOT_OPEN)
		return ns->ended ? -ENOENT : ns->conntrack_fd;
	err = netns_enter(c, ns);
	ns->conntrack_fd = err ? err : conntrack_open();
	if (!err)
		netns_leave(c, ns);
	return ns->conntrack_fd;
}

/* Who tells by a flag whether NAT is possible is asked about nothing else. */
static bool concerns(const struct capture *c, const struct event_packet *e)
{
	const struct ptcpdump *skel = c->programs.skel;

	if (!c->nat)
		return false;
	if (e->dst.flags & OWNER_F_NAT)
		return true;
	if ((!c->backend->finish && !c->owners) || e->dst.source == OWNER_CONNTRACK)
		return false;
	return e->dir == EVENT_DIR_IN && !e->dst.tgid && e->ifindex != LOOPBACK_IFINDEX &&
	       (!skel || !skel->bss || __atomic_load_n(&skel->bss->attrib_forwarded, __ATOMIC_RELAXED));
}

void nat_packet(struct capture *c, const struct link *link, struct event_packet *e, const uint8_t *data)
{
	struct nat_question q = { .ifindex = e->ifindex, .ts = e->ts };
	struct netns *ns;

	if (!concerns(c, e) || !owners_destination(link->iface.dlt, e, data, &q.k, &q.request))
		return;
	ns = netns_find(c, e->netns);
	if (ns && (q.request || q.k.proto == IPPROTO_UDP))
		nat_settle(c->nat, conntrack_fd(c, ns), &q, clock_ns(CLOCK_MONOTONIC), &e->dst);
}

void nat_free(struct nat *n)
{
	if (!n)
		return;
	tenants_free(n->tenants);
	free(n);
}
