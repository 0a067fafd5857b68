/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/flow_text.h"

#include <arpa/inet.h>
#include <time.h>

#include "util/clock.h"
#include "util/escape.h"

static void put_name(struct buf *b, struct str s)
{
	escape_put(b, s.n ? s : str_of("-"), IN_NAMES);
}

static void put_process(struct buf *b, const struct annotation *a)
{
	put_name(b, process_desc_name(&a->process));
	buf_putc(b, '.');
	annot_put_pid(b, a->process.pid);
}

static void put_user(struct buf *b, const struct annotation *a)
{
	if (a->user.n)
		put_name(b, a->user);
	else
		buf_printf(b, "%u", a->uid);
}

void flow_put_who(struct buf *b, const struct flows_row *row)
{
	const struct annotation *a = row->annot;
	const unsigned has = a ? a->has : 0;

	if (row->others)
		buf_puts(b, "others");
	else if (row->by == FLOWS_BY_USER && (has & ANNOT_USER))
		put_user(b, a);
	else if ((row->by == FLOWS_BY_PROCESS || row->by == FLOWS_BY_FLOW) && (has & ANNOT_PROCESS))
		put_process(b, a);
	else if ((row->by == FLOWS_BY_CONTAINER && (has & ANNOT_CONTAINER)) ||
		 (row->by == FLOWS_BY_POD && (has & ANNOT_POD)))
		flow_put_where(b, row);
	else
		buf_putc(b, '-');
}

void flow_put_where(struct buf *b, const struct flows_row *row)
{
	const struct annotation *a = row->annot;
	const unsigned has = a && !row->others ? a->has : 0;

	if ((has & ANNOT_POD) && row->by != FLOWS_BY_CONTAINER) {
		put_name(b, a->pod.name);
		buf_putc(b, '.');
		put_name(b, a->pod.namespace);
	} else if (has & ANNOT_CONTAINER) {
		put_name(b, a->container.name.n ? a->container.name : a->container.id);
	} else {
		buf_putc(b, '-');
	}
}

static void put_end(struct buf *b, uint8_t family, const uint8_t *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	if (!family || !inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, sizeof(text))) {
		buf_putc(b, '-');
		return;
	}
	buf_puts(b, text);
	if (port)
		buf_printf(b, ".%u", port);
}

void flow_put_local(struct buf *b, const struct flows_row *row)
{
	put_end(b, row->tuple.family, row->tuple.src, row->tuple.sport);
}

void flow_put_peer(struct buf *b, const struct flows_row *row)
{
	put_end(b, row->tuple.family, row->tuple.dst, row->tuple.dport);
	if (row->flows > 1)
		buf_printf(b, " +%zu", row->flows - 1);
}

void flow_put_proto(struct buf *b, const struct flows_row *row)
{
	static const char *const names[256] = {
		[IPPROTO_ICMP] = "icmp", [IPPROTO_TCP] = "tcp",	     [IPPROTO_UDP] = "udp",
		[IPPROTO_SCTP] = "sctp", [IPPROTO_ICMPV6] = "icmp6",
	};

	if (!row->tuple.family)
		buf_putc(b, '-');
	else if (names[row->tuple.proto])
		buf_puts(b, names[row->tuple.proto]);
	else
		buf_printf(b, "%u", row->tuple.proto);
}

void flow_put_time(struct buf *b, uint64_t ns, bool utc)
{
	const time_t sec = (time_t)(ns / NSEC_PER_SEC);
	char text[32];
	struct tm tm;

	if (!ns || !(utc ? gmtime_r(&sec, &tm) : localtime_r(&sec, &tm)) ||
	    !strftime(text, sizeof(text), "%H:%M:%S", &tm))
		buf_putc(b, '-');
	else
		buf_puts(b, text);
}

void flow_put_short(struct buf *b, uint64_t n)
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;
	uint64_t rest = 0; /* thousandths of n */

	for (; n >= 1000; n /= 1000, unit++)
		rest = n % 1000;
	if (unit == 0)
		buf_printf(b, "%llu", (unsigned long long)n);
	else if (n >= 100)
		buf_printf(b, "%llu%c", (unsigned long long)n, units[unit]);
	else if (n >= 10)
		buf_printf(b, "%llu.%llu%c", (unsigned long long)n, (unsigned long long)rest / 100, units[unit]);
	else
		buf_printf(b, "%llu.%02llu%c", (unsigned long long)n, (unsigned long long)rest / 10, units[unit]);
}

uint64_t flow_rate(uint64_t bytes, uint64_t ns)
{
	return ns ? (uint64_t)((unsigned __int128)bytes * NSEC_PER_SEC / ns) : 0;
}

void flow_put_rate(struct buf *b, uint64_t bytes, uint64_t ns)
{
	if (!ns)
		buf_putc(b, '-');
	else
		flow_put_short(b, flow_rate(bytes, ns));
}
