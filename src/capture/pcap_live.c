/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/pcap_live.h"

#include <errno.h>
#include <linux/filter.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "filter/expr.h"
#include "util/log.h"

/* The kernel hands on a block that is not full after this; see docs/capture.md about order. */
#define TIMEOUT_MS 10
/* The kernel takes up to 4096 instructions, unless net.core.optmem_max is small. */
#define CODE_MAX 4096

struct pcap_live {
	pcap_t *pcap;
	struct bpf_program code;
	bool direct; /* the filter goes to the socket without libpcap */
	struct pcap_stat stats;
	uint64_t received, dropped, read;
};

/* Settings whose refusal is only worth a warning are those that tcpdump warns of. */
static int configure(pcap_t *p, const struct pcap_live_config *c)
{
	int type, err;

	if (c->monitor) {
		err = pcap_can_set_rfmon(p);
		if (!err) {
			log_error("%s: That device doesn't support monitor mode", c->device);
			return -EINVAL;
		}
		if (err < 0) {
			log_error("%s: %s", c->device, err == PCAP_ERROR ? pcap_geterr(p) : pcap_statustostr(err));
			return -EIO;
		}
		pcap_set_rfmon(p, 1);
	}
	pcap_set_snaplen(p, (int)c->snaplen);
	pcap_set_promisc(p, c->promiscuous);
	pcap_set_timeout(p, TIMEOUT_MS);
	pcap_set_immediate_mode(p, c->immediate);
	pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
	if (c->buffer_bytes)
		pcap_set_buffer_size(p, c->buffer_bytes);
	if (!c->tstamp_type)
		return 0;
	type = pcap_tstamp_type_name_to_val(c->tstamp_type);
	err = pcap_set_tstamp_type(p, type);
	if (err > 0 && !c->again)
		log_warn("WARNING: When trying to set timestamp type '%s' on %s: %s", c->tstamp_type, c->device,
			 pcap_statustostr(err));
	else if (err < 0)
		log_error("%s: Can't set time stamp type '%s': %s", c->device, c->tstamp_type, pcap_statustostr(err));
	return err < 0 ? -EINVAL : 0;
}

static int activate(pcap_t *p, const struct pcap_live_config *c)
{
	int status = pcap_activate(p);
	const char *text = pcap_geterr(p);

	if (status < 0) {
		if (status == PCAP_ERROR)
			log_error("%s%s", text,
				  strstr(text, strerror(ENOMEM)) ? ": ask for less with -B, or allow more" : "");
		else if (*text)
			log_error("%s: %s (%s)", c->device, pcap_statustostr(status), text);
		else
			log_error("%s: %s", c->device, pcap_statustostr(status));
		return status == PCAP_ERROR_PERM_DENIED ? -EPERM : -ENODEV;
	}
	if (c->again)
		status = 0;
	if (status > 0 && (status == PCAP_WARNING || *text))
		log_warn("%s: %s", c->device, *text ? text : pcap_statustostr(status));
	else if (status > 0)
		log_warn("%s: %s", c->device, pcap_statustostr(status));
	if (c->hidden_direction != DIR_NONE &&
	    pcap_setdirection(p, c->hidden_direction == DIR_IN ? PCAP_D_IN : PCAP_D_OUT) != 0) {
		log_error("%s: pcap_setdirection() failed: %s", c->device, pcap_geterr(p));
		return -EINVAL;
	}
	/* tcpdump's choice for all devices at once; an older kernel or library stays with the other one. */
	if (!c->dlt_name && strcmp(c->device, "any") == 0)
		pcap_set_datalink(p, DLT_LINUX_SLL2);
	if (c->dlt_name && pcap_set_datalink(p, c->dlt) != 0) {
		log_error("%s", pcap_geterr(p));
		return -EINVAL;
	}
	return 0;
}

static int attach_code(const struct pcap_live *l, const struct bpf_program *code)
{
	/* struct bpf_insn is laid out like struct sock_filter. */
	struct sock_fprog prog = { .len = (unsigned short)code->bf_len, .filter = (void *)code->bf_insns };

	return setsockopt(pcap_fileno(l->pcap), SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}

static bool socket_of_packets(const struct pcap_live *l)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return getsockopt(pcap_fileno(l->pcap), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_PACKET;
}

enum { LENIENT = 1 };

static int code_set(struct pcap_live *l, const struct filter_code *code)
{
	struct bpf_insn *insns = malloc(code->n * sizeof(*insns));

	if (!insns)
		return -ENOMEM;
	/* struct filter_insn is laid out like struct bpf_insn. */
	memcpy(insns, code->insns, code->n * sizeof(*insns));
	pcap_freecode(&l->code);
	l->code = (struct bpf_program){ .bf_len = code->n, .bf_insns = insns };
	return 0;
}

/* What was compiled of exact becomes what may pass. LENIENT: the kernel cannot let pass what is too short for a test. */
static int weaken(struct pcap_live *l, const struct filter_expr *expr)
{
	struct filter_code exact = { 0 }, weak = { 0 };
	int err = filter_code_new((const struct filter_insn *)(const void *)l->code.bf_insns, l->code.bf_len, &exact);

	if (!err)
		err = filter_code_set_expr(&exact, expr);
	if (!err)
		err = filter_weaken(&exact, NULL, &weak);
	if (!err)
		err = weak.lenient ? LENIENT : code_set(l, &weak);
	filter_done(&exact);
	filter_done(&weak);
	return err;
}

/* filter, side: "" for none. */
static int compile_text(struct pcap_live *l, const struct pcap_live_config *c, const char *filter, const char *side)
{
	char *text = NULL;
	int err;

	if (*filter && *side && asprintf(&text, "(%s) and %s", filter, side) < 0)
		return -ENOMEM;
	pcap_freecode(&l->code);
	err = pcap_compile(l->pcap, &l->code, text ? text : *filter ? filter : side, !c->no_optimize, 0) ? -EINVAL : 0;
	free(text);
	return !err && *filter && c->filter->n ? weaken(l, c->filter) : err;
}

static int compile_side(struct pcap_live *l, const struct pcap_live_config *c, const char *side)
{
	const int err = compile_text(l, c, c->filter ? c->filter->exact : "", side);

	return err == LENIENT ? compile_text(l, c, "", side) : err;
}

/*
 * libpcap hides the direction of a packet, but the kernel's filters see it. Its own way to set a filter is no use
 * then: it filters what is in its buffer once more, by an interpreter that does not.
 */
static int compile_direction(struct pcap_live *l, const struct pcap_live_config *c)
{
	const int dlt = pcap_datalink(l->pcap);

	if (!socket_of_packets(l) || dlt == DLT_LINUX_SLL || dlt == DLT_LINUX_SLL2)
		return -EOPNOTSUPP;
	if (compile_side(l, c, c->direction == DIR_IN ? "inbound" : "outbound") || l->code.bf_len > CODE_MAX ||
	    attach_code(l, &l->code) != 0)
		return -EOPNOTSUPP;
	l->direct = true;
	return 0;
}

static int compile(struct pcap_live *l, const struct pcap_live_config *c)
{
	const int err = compile_side(l, c, "");

	if (err) {
		log_error("%s", err == -EINVAL ? pcap_geterr(l->pcap) : strerror(-err));
		return err;
	}
	return c->direction != DIR_NONE ? compile_direction(l, c) : 0;
}

void pcap_live_stop(struct pcap_live *l)
{
	struct bpf_insn reject = BPF_STMT(BPF_RET | BPF_K, 0);
	struct bpf_program code = { .bf_len = 1, .bf_insns = &reject };

	if (socket_of_packets(l))
		attach_code(l, &code);
}

int pcap_live_open(struct pcap_live **ret, const struct pcap_live_config *config)
{
	struct pcap_live *l = calloc(1, sizeof(*l));
	char text[PCAP_ERRBUF_SIZE];
	int err = -ENOMEM;

	if (!l)
		return err;
	l->pcap = pcap_create(config->device, text);
	if (!l->pcap) {
		log_error("%s", text);
		err = -ENODEV;
		goto out;
	}
	err = configure(l->pcap, config);
	if (!err)
		err = activate(l->pcap, config);
	if (!err)
		err = compile(l, config);
	if (err)
		goto out;
	pcap_live_stop(l);
	if (pcap_setnonblock(l->pcap, 1, text) != 0) {
		log_error("%s: %s", config->device, text);
		err = -EIO;
	}
out:
	if (err) {
		pcap_live_close(l);
		return err;
	}
	*ret = l;
	return 0;
}

int pcap_live_start(struct pcap_live *l)
{
	int err = 0;

	if (l->direct)
		err = attach_code(l, &l->code);
	else if (pcap_setfilter(l->pcap, &l->code) != 0)
		err = -EIO;
	if (err)
		log_error("the filter cannot be set: %s", l->direct ? strerror(-err) : pcap_geterr(l->pcap));
	return err;
}

int pcap_live_fd(const struct pcap_live *l)
{
	return pcap_get_selectable_fd(l->pcap);
}

int pcap_live_dlt(const struct pcap_live *l)
{
	return pcap_datalink(l->pcap);
}

struct reading {
	struct pcap_live *live;
	int64_t unit; /* of the fraction of a second, ns */
	void (*packet)(void *arg, const struct pcap_live_packet *p);
	void *arg;
};

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	const struct reading *r = (const void *)user;
	const struct pcap_live_packet p = {
		.data = data,
		.caplen = h->caplen,
		.len = h->len,
		.ns = (int64_t)h->ts.tv_sec * 1000000000 + h->ts.tv_usec * r->unit,
	};

	r->live->read++;
	r->packet(r->arg, &p);
}

int pcap_live_read(struct pcap_live *l, int max, void (*packet)(void *arg, const struct pcap_live_packet *p), void *arg)
{
	struct reading r = { l, 1, packet, arg };
	int n;

	if (pcap_get_tstamp_precision(l->pcap) != PCAP_TSTAMP_PRECISION_NANO)
		r.unit = 1000;
	n = pcap_dispatch(l->pcap, max, on_packet, (void *)&r);
	if (n >= 0)
		return n;
	/* libpcap has only words for it. */
	if (strstr(pcap_geterr(l->pcap), "disappeared"))
		return -ENODEV;
	log_error("%s", pcap_geterr(l->pcap));
	return -EIO;
}

/* libpcap adds up what the kernel resets at each reading, in 32 bits. */
void pcap_live_count(struct pcap_live *l, uint64_t *received, uint64_t *dropped)
{
	struct pcap_stat now;

	if (pcap_stats(l->pcap, &now) == 0) {
		l->received += now.ps_recv - l->stats.ps_recv;
		l->dropped += now.ps_drop - l->stats.ps_drop;
		l->stats = now;
	}
	*received = l->received;
	*dropped = l->dropped;
}

bool pcap_live_waits(struct pcap_live *l)
{
	uint64_t received, dropped;

	pcap_live_count(l, &received, &dropped);
	return l->read + dropped < received;
}

void pcap_live_close(struct pcap_live *l)
{
	if (!l)
		return;
	pcap_freecode(&l->code);
	if (l->pcap)
		pcap_close(l->pcap);
	free(l);
}
