/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap-filter(7) expressions: compiled by libpcap to classic BPF, run in user space on saved packets or
 * translated to eBPF and spliced into our programs. Semantics are those of libpcap's interpreter, see docs/filter.md.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bpf_object;
struct bpf_prog_load_opts;
struct bpf_program;
struct filter_expr;
struct filter_inject;
struct filter_op;
struct filter_truth;

/* One classic BPF instruction, laid out as libpcap's struct bpf_insn and the kernel's struct sock_filter. */
struct filter_insn {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

/* A compiled expression; zeroed: none yet, matches everything. */
struct filter_code {
	struct filter_insn *insns;
	uint32_t n;
	struct filter_op *ops;		/* insns decoded for filter_match() */
	const struct filter_expr *expr; /* whose terms it tests; borrowed. NULL: no terms */
	/* Of a weak one: what the packet is too short for is a match, since exact may skip the load that fails there. */
	bool lenient;
};

struct filter_compile_opts {
	int dlt;
	uint32_t snaplen; /* 0: 262144 */
	uint32_t netmask; /* 0 is what tcpdump gives; FILTER_NETMASK_UNKNOWN refuses "ip broadcast" */
	bool no_optimize; /* -O */
	bool live;	  /* for packets of a live capture: VLAN tags in metadata, inbound, outbound, ifindex */
	bool saved;	  /* for packets of a file: those are refused, and BSD loopback headers come from any system */
	bool swapped;	  /* with saved: the file's byte order is not ours */
	const struct filter_expr *expr; /* the text is its exact one; must outlive the code. NULL: no terms */
};

#define FILTER_NETMASK_UNKNOWN 0xffffffffu
#define FILTER_ERR_LEN 512

/*
 * expr "" matches everything. 0; -EINVAL with libpcap's message in err; -EOPNOTSUPP (message too) when the expression
 * makes no sense for this link type but does for another, such as arp on raw IP: filter_reject() then, if another
 * interface can match; -EPERM when a live expression needs CAP_NET_RAW. Resolves host names, which can take long.
 */
int filter_compile(const char *expr, const struct filter_compile_opts *opts, struct filter_code *ret,
		   char err[FILTER_ERR_LEN]);
/*
 * The filter for packets of which no owner is known yet: it matches whatever exact, which may have terms, matches with some
 * truth of these, and is as short as can be. untrue: terms that are known not to be true of the packets; NULL: none. 0, -ENOMEM.
 */
int filter_weaken(const struct filter_code *exact, const struct filter_truth *untrue, struct filter_code *ret);
/* Copies and checks classic BPF code; -EINVAL when it is malformed, -ENOMEM. */
int filter_code_new(const struct filter_insn *insns, uint32_t n, struct filter_code *ret);
/* For code that comes from elsewhere: it was compiled of expr's exact text. expr must outlive it. -EINVAL: it was not; -ENOMEM */
int filter_code_set_expr(struct filter_code *code, const struct filter_expr *expr);
/* It may name hosts, networks, ports or protocols, which libpcap looks up: false is certain. */
bool filter_has_names(const char *expr);
/* The code that matches nothing. */
int filter_reject(struct filter_code *ret);
void filter_done(struct filter_code *code);

/* It matches everything, whatever the packet is. */
bool filter_is_open(const struct filter_code *code);

/* How many bytes of a packet the code may read at most; UINT32_MAX: that cannot be told. */
uint32_t filter_reach(const struct filter_code *code);

/* libpcap's verdict on a saved packet of caplen bytes that had len bytes on the wire. Endless loops in the code
 * (ip6 protochain on crafted packets) end as no match. truth: NULL, when the code has terms, is that none is true. */
bool filter_match(const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len,
		  const struct filter_truth *truth);

/* What the kernel knows about a live packet beside its bytes. */
struct filter_meta {
	uint32_t ifindex;
	uint16_t vlan_tci, vlan_proto; /* host order; of a tag that is not in the data */
	bool vlan_present;
	uint8_t pkt_type; /* PACKET_HOST ..., linux/if_packet.h */
};
/* For a live packet whose filter the kernel refused to run. The code may be one compiled with live. */
bool filter_match_live(const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len,
		       const struct filter_meta *meta, const struct filter_truth *truth);

/* -d (1), -dd (2), -ddd (3): as tcpdump prints it; with 1, tests of terms by their names. */
void filter_dump(const struct filter_code *code, int level, FILE *out);

/*
 * In the kernel. Programs call the stubs of bpf/filter.bpf.h and have one of its section names; what follows
 * replaces the stubs when libbpf loads them. One struct filter_inject at a time exists in a process.
 */

/* Called, with the cookie, when such a program is complete, as libbpf's prog_prepare_load_fn is. 0 or -errno */
struct filter_next {
	int (*prepare)(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie);
	long cookie;
};
/* Claims the section names with libbpf: before any object is opened. next: NULL for nothing. -errno */
int filter_inject_new(struct filter_inject **ret, const struct filter_next *next);
/* For the stubs pcap_filter_l2 and pcap_filter_mem_l2, the _l3 ones, and those of pcap_rest. */
struct filter_codes {
	const struct filter_code *l2, *l3, *rest_l2, *rest_l3;
};
/*
 * Between open and load of an object: each code replaces its stubs. NULL: that stub stays and matches everything. The codes are not used after the call. Only the object of the last call is
 * known, so each needs its own just before it is loaded. Programs with BPF_F_STRICT_ALIGNMENT get filters that pass with it. Returns 0, or -errno with a message in err: -E2BIG when the
 * filter is too large.
 *
 * The verifier may still find a filter too large: filter_refused() tells from the error of bpf_object__load() (or of
 * this call). Then open the object anew, set NULL codes, and call filter_match_live() on each packet.
 */
int filter_inject_set(struct filter_inject *fi, struct bpf_object *obj, const struct filter_codes *codes,
		      char err[FILTER_ERR_LEN]);
bool filter_refused(int err);
/* After the last object was closed. */
void filter_inject_free(struct filter_inject *fi);

#endif
