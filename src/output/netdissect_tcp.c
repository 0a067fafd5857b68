/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Relative TCP sequence numbers without the library's table, which keeps every conversation for ever and searches it in
 * 919 linear lists. The library's own print-tcp.c is compiled here, under another name, to reach that table: for each
 * packet, its list is made to hold just the packet's conversation, out of the table below.
 */
#include <errno.h>
#include <stdlib.h>

#include "output/text_private.h"
#include "util/hash.h"

/* A new conversation allocates the end of its list; that is always this one. */
static void *conversation_end(void);
static void library_tcp_print(netdissect_options *ndo, const u_char *bp, u_int length, const u_char *bp2,
			      int fragmented);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wshadow"
#define tcp_print library_tcp_print
#define calloc(n, size) conversation_end()
#include <print-tcp.c>
#undef calloc
#undef tcp_print
#pragma GCC diagnostic pop

/* Zeros; the library only looks at whether it has a successor. */
static struct tcp_seq_hash6 list_end;

static void *conversation_end(void)
{
	return &list_end;
}

enum {
	KEY4 = sizeof(struct tha),
	KEY6 = sizeof(struct tha6),
	SLOTS_MIN = 1 << 10,
	/* Of an endless capture: what was silent while this many others came is forgotten. */
	GENERATION4 = 1 << 18,
	GENERATION6 = 1 << 17,
	PACKED = 4, /* times as many of a file whose size tells nothing of how many there are */
};

/* The sequence numbers that the conversation began with. */
struct origin {
	uint32_t seq, ack;
};

/* Open addressing; a slot is the key followed by struct origin. An unused slot's key is zero: port 0 to port 0 at address
 * 0 is kept apart. */
struct table {
	const struct hash_long_key *hash; /* addresses and ports are chosen by strangers */
	size_t key_size;
	size_t used, slots; /* slots: a power of two, 0 none yet */
	uint8_t *data;
};

struct family {
	struct table young, old; /* old: only with a limit */
	size_t limit;		 /* 0: none */
	struct origin zero_origin;
	bool zero_known;
};

struct conversations {
	struct hash_long_key hash;
	struct family ipv4, ipv6;
};

static bool is_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i += 4) {
		if (memcmp(a + i, b + i, 4) != 0)
			return false;
	}
	return true;
}

static bool is_zero(const uint8_t *key, size_t size)
{
	for (size_t i = 0; i < size; i += 4) {
		uint32_t word;

		memcpy(&word, key + i, 4);
		if (word != 0)
			return false;
	}
	return true;
}

static size_t slot_size(const struct table *t)
{
	return t->key_size + sizeof(struct origin);
}

/* The slot of key, or the empty one where it belongs. */
static uint8_t *table_slot(const struct table *t, const uint8_t *key)
{
	const size_t size = slot_size(t);

	for (size_t i = hash_numbers(t->hash, key, t->key_size);; i++) {
		uint8_t *slot = t->data + (i & (t->slots - 1)) * size;

		if (is_equal(slot, key, t->key_size) || is_zero(slot, t->key_size))
			return slot;
	}
}

_Static_assert(KEY6 <= HASH_BLOCK * 4, "as many parts of a key as there are secrets");

static const struct origin *table_find(const struct table *t, const uint8_t *key)
{
	const uint8_t *slot;

	if (t->slots == 0)
		return NULL;
	slot = table_slot(t, key);
	return is_zero(slot, t->key_size) ? NULL : (const struct origin *)(const void *)(slot + t->key_size);
}

static int table_grow(struct table *t)
{
	struct table bigger = { t->hash, t->key_size, t->used, t->slots ? t->slots * 2 : SLOTS_MIN, NULL };
	const size_t size = slot_size(t);

	bigger.data = calloc(bigger.slots, size);
	if (!bigger.data)
		return -ENOMEM;
	for (size_t i = 0; i < t->slots; i++) {
		const uint8_t *slot = t->data + i * size;

		if (!is_zero(slot, t->key_size))
			memcpy(table_slot(&bigger, slot), slot, size);
	}
	free(t->data);
	*t = bigger;
	return 0;
}

static int table_set(struct table *t, const uint8_t *key, struct origin origin)
{
	uint8_t *slot;

	/* At most three quarters full. */
	if (t->used + 1 > t->slots / 4 * 3 && table_grow(t) < 0)
		return -ENOMEM;
	slot = table_slot(t, key);
	if (is_zero(slot, t->key_size))
		t->used++;
	memcpy(slot, key, t->key_size);
	memcpy(slot + t->key_size, &origin, sizeof(origin));
	return 0;
}

static void family_set(netdissect_options *ndo, struct family *f, const uint8_t *key, struct origin origin)
{
	if (is_zero(key, f->young.key_size)) {
		f->zero_origin = origin;
		f->zero_known = true;
		return;
	}
	if (f->limit > 0 && f->young.used >= f->limit) {
		struct table emptied = f->old;

		f->old = f->young;
		if (emptied.data)
			memset(emptied.data, 0, emptied.slots * slot_size(&emptied));
		emptied.used = 0;
		f->young = emptied;
	}
	if (table_set(&f->young, key, origin) < 0)
		ndo->ndo_error(ndo, S_ERR_ND_MEM_ALLOC, "no memory for TCP conversations");
}

static bool family_find(netdissect_options *ndo, struct family *f, const uint8_t *key, struct origin *ret)
{
	const struct origin *origin = table_find(&f->young, key);

	if (is_zero(key, f->young.key_size)) {
		*ret = f->zero_origin;
		return f->zero_known;
	}
	if (origin) {
		*ret = *origin;
		return true;
	}
	origin = table_find(&f->old, key);
	if (!origin)
		return false;
	*ret = *origin;
	family_set(ndo, f, key, *ret);
	return true;
}

/* What the library would do with its table; true: an old conversation that goes on, with its origin in *origin. */
static bool conversation_step(netdissect_options *ndo, struct family *f, const void *key, const struct tcphdr *tp,
			      bool reversed, struct origin *origin)
{
	const uint32_t seq = EXTRACT_BE_U_4(tp->th_seq);
	const uint32_t ack = EXTRACT_BE_U_4(tp->th_ack);

	if (!(EXTRACT_U_1(tp->th_flags) & TH_SYN) && family_find(ndo, f, key, origin))
		return true;
	*origin = reversed ? (struct origin){ .seq = ack - 1, .ack = seq }
			   : (struct origin){ .seq = seq, .ack = ack - 1 };
	family_set(ndo, f, key, *origin);
	return false;
}

static bool is_reversed(uint16_t sport, uint16_t dport, const u_char *src, const u_char *dst, size_t size)
{
	return sport > dport || (sport == dport && memcmp(src, dst, size) > 0);
}

/* True: reversed. */
static bool key_ipv4(struct tha *key, const struct tcphdr *tp, const struct ip *ip)
{
	const uint16_t sport = EXTRACT_BE_U_2(tp->th_sport), dport = EXTRACT_BE_U_2(tp->th_dport);
	const bool reversed = is_reversed(sport, dport, ip->ip_src, ip->ip_dst, sizeof(nd_ipv4));

	memcpy(key->src, reversed ? ip->ip_dst : ip->ip_src, sizeof(key->src));
	memcpy(key->dst, reversed ? ip->ip_src : ip->ip_dst, sizeof(key->dst));
	key->port = reversed ? (u_int)dport << 16 | sport : (u_int)sport << 16 | dport;
	return reversed;
}

static bool key_ipv6(struct tha6 *key, const struct tcphdr *tp, const struct ip6_hdr *ip6)
{
	const uint16_t sport = EXTRACT_BE_U_2(tp->th_sport), dport = EXTRACT_BE_U_2(tp->th_dport);
	const bool reversed = is_reversed(sport, dport, ip6->ip6_src, ip6->ip6_dst, sizeof(nd_ipv6));

	memcpy(key->src, reversed ? ip6->ip6_dst : ip6->ip6_src, sizeof(key->src));
	memcpy(key->dst, reversed ? ip6->ip6_src : ip6->ip6_dst, sizeof(key->dst));
	key->port = reversed ? (u_int)dport << 16 | sport : (u_int)sport << 16 | dport;
	return reversed;
}

bool conversation_find(struct text *t, const u_char *ip, const u_char *tcp, struct conversation *ret)
{
	const struct tcphdr *tp = (const struct tcphdr *)tcp;
	struct origin origin;
	struct tha6 key6;
	struct tha key;
	bool known;

	if (ip[0] >> 4 == 6) {
		ret->reversed = key_ipv6(&key6, tp, (const struct ip6_hdr *)ip);
		known = conversation_step(&t->ndo, &t->conversations->ipv6, &key6, tp, ret->reversed, &origin);
	} else {
		ret->reversed = key_ipv4(&key, tp, (const struct ip *)ip);
		known = conversation_step(&t->ndo, &t->conversations->ipv4, &key, tp, ret->reversed, &origin);
	}
	ret->seq = origin.seq;
	ret->ack = origin.ack;
	return known;
}

static void prepare_ipv4(netdissect_options *ndo, const struct tcphdr *tp, const struct ip *ip)
{
	struct tcp_seq_hash *list;
	struct origin origin;
	struct tha key;
	const bool reversed = key_ipv4(&key, tp, ip);

	list = &tcp_seq_hash4[key.port % TSEQ_HASHSIZE];
	list->nxt = NULL;
	if (conversation_step(ndo, &text_of(ndo)->conversations->ipv4, &key, tp, reversed, &origin))
		*list = (struct tcp_seq_hash){ (struct tcp_seq_hash *)&list_end, key, origin.seq, origin.ack };
}

static void prepare_ipv6(netdissect_options *ndo, const struct tcphdr *tp, const struct ip6_hdr *ip6)
{
	struct tcp_seq_hash6 *list;
	struct origin origin;
	struct tha6 key;
	const bool reversed = key_ipv6(&key, tp, ip6);

	list = &tcp_seq_hash6[key.port % TSEQ_HASHSIZE];
	list->nxt = NULL;
	if (conversation_step(ndo, &text_of(ndo)->conversations->ipv6, &key, tp, reversed, &origin))
		*list = (struct tcp_seq_hash6){ &list_end, key, origin.seq, origin.ack };
}

/* Takes the place of the library's: its object stays in the archive, since this one defines the symbol. */
void tcp_print(netdissect_options *ndo, const u_char *bp, u_int length, const u_char *bp2, int fragmented)
{
	const struct tcphdr *tp = (const struct tcphdr *)bp;
	bool ipv6;

	/* Should the look at the version find nothing captured. */
	ndo->ndo_protocol = "tcp";
	ipv6 = IP_V((const struct ip *)bp2) == 6;
	if (text_of(ndo)->config.color && ND_TTEST_1(tp->th_flags))
		text_of(ndo)->resets = GET_U_1(tp->th_flags) & TH_RST;
	/* The conditions on which the library comes to look at its table. */
	if (!ndo->ndo_Sflag && !ndo->ndo_qflag && ND_TTEST_LEN(bp, sizeof(*tp)) &&
	    ND_TTEST_LEN(bp2, ipv6 ? sizeof(struct ip6_hdr) : sizeof(struct ip)) && TH_OFF(tp) * 4U >= sizeof(*tp) &&
	    (GET_U_1(tp->th_flags) & TH_ACK)) {
		if (ipv6)
			prepare_ipv6(ndo, tp, (const struct ip6_hdr *)bp2);
		else
			prepare_ipv4(ndo, tp, (const struct ip *)bp2);
	}
	library_tcp_print(ndo, bp, length, bp2, fragmented);
}

static void bound(struct conversations *c, unsigned times)
{
	c->ipv4.limit = GENERATION4 * times;
	c->ipv6.limit = GENERATION6 * times;
}

int conversations_new(struct conversations **ret, const struct text_config *config)
{
	struct conversations *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->hash = hash_long_key();
	c->ipv4.young = c->ipv4.old = (struct table){ .hash = &c->hash, .key_size = KEY4 };
	c->ipv6.young = c->ipv6.old = (struct table){ .hash = &c->hash, .key_size = KEY6 };
	if (config->endless)
		bound(c, 1);
	*ret = c;
	return 0;
}

void conversations_packed(struct conversations *c)
{
	if (!c->ipv4.limit)
		bound(c, PACKED);
}

void conversations_free(struct conversations *c)
{
	if (!c)
		return;
	free(c->ipv4.young.data);
	free(c->ipv4.old.data);
	free(c->ipv6.young.data);
	free(c->ipv6.old.data);
	free(c);
}
