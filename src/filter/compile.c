/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expression to classic BPF by libpcap, and the dumps of -d.
 *
 * libpcap emits loads of the VLAN tag in skb metadata only when it compiles for an activated capture handle. Opening
 * and closing one costs 40 ms, so it is done only for expressions where it makes a difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "filter/code.h"
#include "filter/expr.h"
#include "filter/filter.h"
#include "util/buf.h"
#include "util/linktype.h"

#define SNAPLEN_DEFAULT 262144			     /* tcpdump's */
#define REJECTS_ALL "expression rejects all packets" /* libpcap's message */

_Static_assert(sizeof(struct filter_insn) == sizeof(struct bpf_insn), "libpcap's instruction differs");
_Static_assert(offsetof(struct filter_insn, k) == offsetof(struct bpf_insn, k), "libpcap's instruction differs");

/* The handle is of no other use, so its ring is as small as libpcap allows. */
static int live_activate(const char *name, uint32_t snaplen, pcap_t **ret, char err[FILTER_ERR_LEN])
{
	char msg[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(name, msg);
	int rc;

	if (!p) {
		snprintf(err, FILTER_ERR_LEN, "%s", msg);
		return -EIO;
	}
	pcap_set_snaplen(p, (int)snaplen);
	pcap_set_buffer_size(p, 1 << 16);
	rc = pcap_activate(p);
	if (rc >= 0) {
		*ret = p;
		return 0;
	}
	snprintf(err, FILTER_ERR_LEN, "a live filter needs a capture handle on '%s': %s", name, pcap_statustostr(rc));
	pcap_close(p);
	return rc == PCAP_ERROR_PERM_DENIED ? -EPERM : -EIO;
}

struct raw_handle {
	uint32_t snaplen;
	pcap_t *p;
	char *err;
	int rc;
};

/* A tun device is the one raw IP device that always can be had. It lives in a network namespace of its own, which goes
 * away with the thread and the handle, so that nobody notices it. */
static void *raw_open(void *arg)
{
	struct raw_handle *h = arg;
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "ptcp0" };
	int tun = -1, sock = -1;

	h->rc = 0;
	if (unshare(CLONE_NEWNET) || (tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC)) < 0 ||
	    ioctl(tun, TUNSETIFF, &ifr) || (sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		h->rc = -errno;
	ifr.ifr_flags = IFF_UP;
	if (!h->rc && ioctl(sock, SIOCSIFFLAGS, &ifr))
		h->rc = -errno;
	if (h->rc)
		snprintf(h->err, FILTER_ERR_LEN, "a live filter for raw IP needs a tun device: %s", strerror(-h->rc));
	else
		h->rc = live_activate(ifr.ifr_name, h->snaplen, &h->p, h->err);
	if (!h->rc && pcap_datalink(h->p) != DLT_RAW) {
		snprintf(h->err, FILTER_ERR_LEN, "the tun device is not raw IP");
		pcap_close(h->p);
		h->rc = -EIO;
	}
	if (sock >= 0)
		close(sock);
	if (tun >= 0)
		close(tun);
	return NULL;
}

static int raw_activate(uint32_t snaplen, pcap_t **ret, char err[FILTER_ERR_LEN])
{
	struct raw_handle h = { .snaplen = snaplen, .err = err };
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, raw_open, &h);

	if (rc) {
		snprintf(err, FILTER_ERR_LEN, "cannot start a thread: %s", strerror(rc));
		return -rc;
	}
	pthread_join(thread, NULL);
	if (!h.rc)
		*ret = h.p;
	return h.rc;
}

/* A load of the user's own may not be taken for a term. */
static int set_expr(struct filter_code *code, const struct filter_expr *expr, char err[FILTER_ERR_LEN])
{
	int rc = 0;

	for (uint32_t i = 0; i < code->n && !rc; i++)
		if (filter_insn_term(&code->insns[i]) >= 0)
			rc = -EINVAL;
	if (!rc)
		rc = filter_code_set_expr(code, expr);
	if (!rc)
		return 0;
	if (rc == -EINVAL)
		snprintf(err, FILTER_ERR_LEN, "the expression loads bytes at offsets that are kept for process terms");
	else
		snprintf(err, FILTER_ERR_LEN, "%s", strerror(-rc));
	filter_done(code);
	return rc;
}

static int compile_with(pcap_t *p, const char *expr, const struct filter_compile_opts *opts, struct filter_code *ret,
			char err[FILTER_ERR_LEN])
{
	struct bpf_program prog;
	int rc;

	if (pcap_compile(p, &prog, expr, !opts->no_optimize, opts->netmask)) {
		snprintf(err, FILTER_ERR_LEN, "%s", pcap_geterr(p));
		return -EINVAL;
	}
	rc = filter_code_new((const struct filter_insn *)prog.bf_insns, prog.bf_len, ret);
	if (rc)
		snprintf(err, FILTER_ERR_LEN, "%s", strerror(-rc));
	else if (opts->expr && opts->expr->n)
		rc = set_expr(ret, opts->expr, err);
	pcap_freecode(&prog);
	return rc;
}

static uint32_t snaplen_of(const struct filter_compile_opts *opts)
{
	return opts->snaplen ? opts->snaplen : SNAPLEN_DEFAULT;
}

/* Only for a handle of a file does libpcap know that the packets may come from another system. */
static pcap_t *saved_handle(const struct filter_compile_opts *opts, int dlt)
{
	uint32_t header[] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, snaplen_of(opts), linktype_from_dlt(dlt) };
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = NULL;
	FILE *f;

	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		header[1] = 2 << 16 | 4;
	if (opts->swapped) {
		for (size_t i = 0; i < sizeof(header) / sizeof(header[0]); i++)
			header[i] = __builtin_bswap32(header[i]);
		header[1] = header[1] << 16 | header[1] >> 16;
	}
	f = fmemopen(header, sizeof(header), "r");
	if (f)
		p = pcap_fopen_offline(f, err);
	if (f && !p)
		fclose(f);
	return p;
}

static int compile_saved(const char *expr, const struct filter_compile_opts *opts, int dlt, struct filter_code *ret,
			 char err[FILTER_ERR_LEN])
{
	pcap_t *p = opts->saved ? saved_handle(opts, dlt) : pcap_open_dead(dlt, (int)snaplen_of(opts));
	int rc;

	if (!p) {
		snprintf(err, FILTER_ERR_LEN, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	rc = compile_with(p, expr, opts, ret, err);
	pcap_close(p);
	return rc;
}

static int compile_live(const char *expr, const struct filter_compile_opts *opts, int dlt, struct filter_code *ret,
			char err[FILTER_ERR_LEN])
{
	pcap_t *p;
	int rc;

	if (dlt == DLT_RAW)
		rc = raw_activate(snaplen_of(opts), &p, err);
	else
		rc = live_activate("lo", snaplen_of(opts), &p, err);
	if (rc)
		return rc;
	rc = compile_with(p, expr, opts, ret, err);
	pcap_close(p);
	return rc;
}

/*
 * Whether a live handle can give another answer than the one for saved packets. Tags of Ethernet lie in the metadata
 * then, so that no clash with the Ethernet type is a contradiction; libpcap 1.11 refuses inbound, outbound and ifindex
 * without such a handle.
 */
static bool live_differs(const char *expr, int dlt, int rc, const char *err)
{
	bool vlan = dlt == DLT_EN10MB && strstr(expr, "vlan");

	if (dlt != DLT_EN10MB && dlt != DLT_RAW)
		return false;
	if (rc == -EINVAL)
		return strstr(err, "live") || (vlan && !strcmp(err, REJECTS_ALL));
	return !rc && vlan;
}

/*
 * Whether an expression that one link type refuses is good for another one: those that between them know every
 * primitive of the language. Where the header has no fixed place libpcap does not see that an expression can never be
 * true, so only the first two can say that it can.
 */
static bool compiles_elsewhere(const char *expr, const struct filter_compile_opts *opts, const char *why)
{
	static const int dlts[] = { DLT_EN10MB, DLT_RAW,  DLT_IEEE802_11, DLT_LINUX_SLL, DLT_PFLOG,
				    DLT_SUNATM, DLT_MTP2, DLT_IP_OVER_FC, DLT_ERF,	 DLT_SLIP };
	size_t n = strcmp(why, REJECTS_ALL) ? sizeof(dlts) / sizeof(dlts[0]) : 2;
	struct filter_code code;
	char err[FILTER_ERR_LEN];

	for (size_t i = 0; i < n; i++) {
		int rc;

		if (dlts[i] == opts->dlt)
			continue;
		rc = compile_saved(expr, opts, dlts[i], &code, err);
		if (rc && opts->live && live_differs(expr, dlts[i], rc, err))
			rc = compile_live(expr, opts, dlts[i], &code, err);
		if (rc)
			continue;
		filter_done(&code);
		return true;
	}
	return false;
}

int filter_compile(const char *expr, const struct filter_compile_opts *opts, struct filter_code *ret,
		   char err[FILTER_ERR_LEN])
{
	struct filter_code code = { 0 };
	int rc;

	rc = compile_saved(expr, opts, opts->dlt, &code, err);
	if (opts->live && live_differs(expr, opts->dlt, rc, err)) {
		filter_done(&code);
		rc = compile_live(expr, opts, opts->dlt, &code, err);
	}
	if (!rc)
		*ret = code;
	else if (rc == -EINVAL && compiles_elsewhere(expr, opts, err))
		rc = -EOPNOTSUPP;
	if (rc == -EINVAL)
		filter_expr_hint(opts->expr, err);
	return rc;
}

int filter_reject(struct filter_code *ret)
{
	static const struct filter_insn reject = { .code = BPF_RET | BPF_K };

	return filter_code_new(&reject, 1, ret);
}

bool filter_is_open(const struct filter_code *code)
{
	return !code->n || (code->insns[0].code == (BPF_RET | BPF_K) && code->insns[0].k);
}

/* In bpf_image()'s columns. */
static void dump_term(const struct filter_code *code, uint32_t i, int term, FILE *out)
{
	struct buf b = { 0 };

	filter_term_put(&b, &code->expr->terms[term]);
	buf_putc(&b, '\0');
	fprintf(out, "(%03u) %-8s %s\n", i, "term", b.p);
	buf_done(&b);
}

void filter_dump(const struct filter_code *code, int level, FILE *out)
{
	if (level > 2)
		fprintf(out, "%u\n", code->n);
	for (uint32_t i = 0; i < code->n; i++) {
		const struct filter_insn *p = &code->insns[i];

		if (level > 2)
			fprintf(out, "%u %u %u %u\n", p->code, p->jt, p->jf, p->k);
		else if (level == 2)
			fprintf(out, "{ 0x%x, %d, %d, 0x%08x },\n", p->code, p->jt, p->jf, p->k);
		else if (code->expr && filter_insn_term(p) >= 0)
			dump_term(code, i, filter_insn_term(p), out);
		else
			fprintf(out, "%s\n", bpf_image((const struct bpf_insn *)p, (int)i));
	}
}
