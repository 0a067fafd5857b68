/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/pcapng.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/iface_comment.h"
#include "format/iface_name.h"
#include "util/linktype.h"

enum {
	BLOCK_OVERHEAD = 12, /* type and both lengths */
	EPB_FIXED = 20,
	SPB_FIXED = 4,
	NS_PER_SECOND_DIGITS = 9,
};

static uint8_t *put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static void buf_put16(struct buf *b, uint16_t v)
{
	buf_put(b, &v, sizeof(v));
}

static void buf_put32(struct buf *b, uint32_t v)
{
	buf_put(b, &v, sizeof(v));
}

/* Returns where the block starts, for block_end(). */
static size_t block_begin(struct buf *b, uint32_t type)
{
	const size_t start = b->len;

	buf_put32(b, type);
	buf_put32(b, 0);
	return start;
}

static void block_end(struct buf *b, size_t start)
{
	static const char zeros[4];
	uint32_t total;

	buf_put(b, zeros, pad4(b->len - start) - (b->len - start));
	total = (uint32_t)(b->len - start) + 4;
	put32((uint8_t *)b->p + start + 4, total);
	buf_put32(b, total);
}

void pcapng_put_option(struct buf *b, uint16_t code, const void *value, size_t len)
{
	static const char zeros[4];

	if (len > PCAPNG_OPTION_MAX)
		len = PCAPNG_OPTION_MAX;
	buf_put16(b, code);
	buf_put16(b, (uint16_t)len);
	buf_put(b, value, len);
	buf_put(b, zeros, pad4(len) - len);
}

static void put_option_str(struct buf *b, uint16_t code, const char *s)
{
	if (s && *s)
		pcapng_put_option(b, code, s, strlen(s));
}

static void put_option_end(struct buf *b)
{
	buf_put32(b, OPT_END);
}

void pcapng_put_section(struct buf *b, const struct pcapng_section *s)
{
	const size_t start = block_begin(b, PCAPNG_SHB);
	const uint64_t unknown_length = UINT64_MAX;

	buf_put32(b, PCAPNG_MAGIC);
	buf_put16(b, 1); /* version 1.0 */
	buf_put16(b, 0);
	buf_put(b, &unknown_length, sizeof(unknown_length));
	put_option_str(b, SHB_HARDWARE, s->hardware);
	put_option_str(b, SHB_OS, s->os);
	put_option_str(b, SHB_USERAPPL, s->userappl);
	put_option_end(b);
	block_end(b, start);
}

static void put_iface_options(struct buf *b, const struct iface *iface, const char *os)
{
	const uint8_t tsresol = NS_PER_SECOND_DIGITS;
	char comment[IFACE_COMMENT_SIZE];

	iface_name_write(b, iface);
	put_option_str(b, IF_DESCRIPTION, iface->description);
	if (iface_comment_write(iface, comment))
		put_option_str(b, OPT_COMMENT, comment);
	pcapng_put_option(b, IF_TSRESOL, &tsresol, sizeof(tsresol));
	if (iface->filter && *iface->filter) {
		struct buf filter = { 0 };

		buf_put(&filter, "", 1); /* kind 0: a libpcap expression */
		buf_puts(&filter, iface->filter);
		pcapng_put_option(b, IF_FILTER, filter.p, filter.len);
		buf_done(&filter);
	}
	put_option_str(b, IF_OS, os);
	if (iface->fcs_len)
		pcapng_put_option(b, IF_FCSLEN, &iface->fcs_len, sizeof(iface->fcs_len));
}

void pcapng_put_iface(struct buf *b, const struct iface *iface, uint32_t linktype, const char *os)
{
	const size_t start = block_begin(b, PCAPNG_IDB);

	buf_put16(b, (uint16_t)linktype);
	buf_put16(b, 0);
	buf_put32(b, iface->snaplen);
	if (iface->options)
		buf_put(b, iface->options, iface->options_len);
	else
		put_iface_options(b, iface, os);
	if (!iface->options || iface->options_len)
		put_option_end(b);
	block_end(b, start);
}

static void put_option_time(struct buf *b, uint16_t code, uint64_t ns)
{
	uint8_t value[8];

	put32(put32(value, (uint32_t)(ns >> 32)), (uint32_t)ns);
	pcapng_put_option(b, code, value, sizeof(value));
}

void pcapng_put_stats(struct buf *b, uint32_t id, const struct iface *iface, uint64_t start, uint64_t end,
		      struct str comment)
{
	const size_t block = block_begin(b, PCAPNG_ISB);

	buf_put32(b, id);
	buf_put32(b, (uint32_t)(end >> 32));
	buf_put32(b, (uint32_t)end);
	if (comment.n)
		pcapng_put_option(b, OPT_COMMENT, comment.p, comment.n);
	put_option_time(b, ISB_STARTTIME, start);
	put_option_time(b, ISB_ENDTIME, end);
	pcapng_put_option(b, ISB_IFRECV, &iface->received, sizeof(iface->received));
	pcapng_put_option(b, ISB_IFDROP, &iface->dropped, sizeof(iface->dropped));
	put_option_end(b);
	block_end(b, block);
}

void pcapng_put_block(struct buf *b, uint32_t type, const void *body, uint32_t len)
{
	const size_t start = block_begin(b, type);

	buf_put(b, body, len);
	block_end(b, start);
}

void pcapng_put_secrets(struct buf *b, uint32_t kind, const void *p, uint32_t len)
{
	static const char zeros[4];
	const uint32_t header[2] = { kind, len };

	buf_put(b, header, sizeof(header));
	buf_put(b, p, len);
	buf_put(b, zeros, pad4(len) - len);
}

static size_t packet_options_size(const struct pcapng_packet *p)
{
	const size_t size = (p->dir != DIR_NONE ? 8 : 0) + p->process_len + p->options_len;

	return size ? size + 4 : 0;
}

size_t pcapng_packet_size(const struct pcapng_packet *p)
{
	if (p->simple)
		return BLOCK_OVERHEAD + SPB_FIXED + pad4(p->caplen);
	return BLOCK_OVERHEAD + EPB_FIXED + pad4(p->caplen) + packet_options_size(p);
}

static uint8_t *write_data(uint8_t *out, const struct pcapng_packet *p)
{
	const size_t padded = pad4(p->caplen);

	if (!padded)
		return out;
	/* The last bytes are the padding's, if there is any. */
	put32(out + padded - 4, 0);
	memcpy(out, p->data, p->caplen);
	return out + padded;
}

static void write_simple_packet(uint8_t *out, const struct pcapng_packet *p, uint32_t total)
{
	out = put32(put32(put32(out, PCAPNG_SPB), total), p->len);
	put32(write_data(out, p), total);
}

void pcapng_write_packet(uint8_t *out, const struct pcapng_packet *p, size_t size)
{
	const uint32_t total = (uint32_t)size;

	if (p->simple) {
		write_simple_packet(out, p, total);
		return;
	}
	/* The end mark, unless nothing stands in front of it. */
	put32(out + size - 8, OPT_END);
	put32(out + size - 4, total);
	out = put32(out, PCAPNG_EPB);
	out = put32(out, total);
	out = put32(out, p->iface);
	out = put32(out, (uint32_t)(p->ts >> 32));
	out = put32(out, (uint32_t)p->ts);
	out = put32(out, p->caplen);
	out = put32(out, p->len);
	out = write_data(out, p);
	if (p->dir != DIR_NONE) {
		out = put16(put16(out, EPB_FLAGS), 4);
		out = put32(out, p->dir == DIR_IN ? 1 : 2);
	}
	if (p->process_len)
		memcpy(out, p->process, p->process_len);
	out += p->process_len;
	if (p->options_len)
		memcpy(out, p->options, p->options_len);
}

bool pcapng_next_option(struct pcapng_options *o, uint16_t *code, const uint8_t **value, uint16_t *len)
{
	const size_t left = (size_t)(o->end - o->p);

	if (left < 4)
		return false;
	*code = get16(o->p, false);
	*len = get16(o->p + 2, false);
	if (*code == OPT_END || pad4(*len) > left - 4)
		return false;
	*value = o->p + 4;
	o->p += 4 + pad4(*len);
	return true;
}

bool pcapng_find_option(struct pcapng_options *o, uint16_t wanted)
{
	const uint8_t *value;
	uint16_t code, len;

	while (pcapng_next_option(o, &code, &value, &len)) {
		if (code == wanted)
			return true;
	}
	return false;
}

size_t pcapng_options_size(const uint8_t *p, size_t len)
{
	struct pcapng_options o = { p, p + len };
	const uint8_t *value;
	uint16_t code, n;

	while (pcapng_next_option(&o, &code, &value, &n))
		;
	return (size_t)(o.p - p);
}

static void swap16(uint8_t *p)
{
	put16(p, get16(p, true));
}

static void swap32(uint8_t *p)
{
	put32(p, get32(p, true));
}

static void swap64(uint8_t *p)
{
	const uint64_t v = get64(p, true);

	memcpy(p, &v, sizeof(v));
}

enum value_kind { VALUE_BYTES, VALUE_U32, VALUE_U64, VALUE_2_U32, VALUE_VERDICT };

static enum value_kind option_kind(uint32_t block, uint16_t code)
{
	switch (code) {
	case OPT_CUSTOM_STR:
	case OPT_CUSTOM_BIN:
	case OPT_CUSTOM_STR_NOCOPY:
	case OPT_CUSTOM_BIN_NOCOPY: return VALUE_U32;
	}
	switch (block) {
	case PCAPNG_IDB:
		if (code == IF_TZONE)
			return VALUE_U32;
		if (code == IF_SPEED || code == IF_TSOFFSET || code == IF_TXSPEED || code == IF_RXSPEED)
			return VALUE_U64;
		break;
	case PCAPNG_EPB:
		if (code == EPB_FLAGS || code == EPB_QUEUE || (code >= EPB_APPLE_PROCESS && code <= EPB_APPLE_LAST_U32))
			return VALUE_U32;
		if (code == EPB_PROCESS_THREAD)
			return VALUE_2_U32;
		if (code == EPB_DROPCOUNT || code == EPB_PACKETID)
			return VALUE_U64;
		if (code == EPB_VERDICT)
			return VALUE_VERDICT;
		break;
	case PCAPNG_PB:
		if (code == EPB_FLAGS)
			return VALUE_U32;
		break;
	case PCAPNG_ISB:
		if (code == ISB_STARTTIME || code == ISB_ENDTIME)
			return VALUE_2_U32;
		if (code >= ISB_IFRECV && code <= ISB_USRDELIV)
			return VALUE_U64;
		break;
	}
	return VALUE_BYTES;
}

static void value_to_host(uint8_t *value, size_t len, enum value_kind kind)
{
	switch (kind) {
	case VALUE_BYTES: break;
	case VALUE_U32:
		if (len >= 4)
			swap32(value);
		break;
	case VALUE_U64:
		if (len >= 8)
			swap64(value);
		break;
	case VALUE_2_U32:
		if (len >= 8) {
			swap32(value);
			swap32(value + 4);
		}
		break;
	case VALUE_VERDICT: /* a kind, then for kinds 1 and 2 (eBPF TC, XDP) a 64-bit number */
		if (len >= 9 && (value[0] == 1 || value[0] == 2))
			swap64(value + 1);
		break;
	}
}

static void options_to_host(uint32_t block, uint8_t *p, size_t left)
{
	while (left >= 4) {
		size_t len;
		uint16_t code;

		swap16(p);
		swap16(p + 2);
		code = get16(p, false);
		len = get16(p + 2, false);
		if (code == OPT_END || pad4(len) > left - 4)
			return;
		value_to_host(p + 4, len, option_kind(block, code));
		p += 4 + pad4(len);
		left -= 4 + pad4(len);
	}
}

/* Records of u16 type, u16 length, padded value, up to one of type 0; then options. */
static void names_to_host(uint8_t *p, size_t left)
{
	while (left >= 4) {
		size_t len;
		uint16_t type;

		swap16(p);
		swap16(p + 2);
		type = get16(p, false);
		len = get16(p + 2, false);
		if (pad4(len) > left - 4)
			return;
		p += 4 + pad4(len);
		left -= 4 + pad4(len);
		if (type == 0)
			break;
	}
	options_to_host(PCAPNG_NRB, p, left);
}

/* Fixed fields of a block as a string of sizes, in front of its options. */
static size_t fields_to_host(uint8_t *p, size_t len, const char *sizes)
{
	size_t at = 0;

	for (; *sizes; sizes++) {
		const size_t n = (size_t)(*sizes - '0');

		if (len - at < n)
			return len;
		if (n == 2)
			swap16(p + at);
		else if (n == 4)
			swap32(p + at);
		else
			swap64(p + at);
		at += n;
	}
	return at;
}

bool pcapng_block_to_host(uint32_t type, uint8_t *body, uint32_t len)
{
	size_t at;

	switch (type) {
	case PCAPNG_SHB: at = fields_to_host(body, len, "4228"); break;
	case PCAPNG_IDB: at = fields_to_host(body, len, "224"); break;
	case PCAPNG_ISB: at = fields_to_host(body, len, "444"); break;
	case PCAPNG_EPB:
		at = fields_to_host(body, len, "44444");
		at = len - at < 4 || pad4(get32(body + 12, false)) > len - at ? len
									      : at + pad4(get32(body + 12, false));
		break;
	case PCAPNG_PB:
		at = fields_to_host(body, len, "224444");
		at = len - at < 4 || pad4(get32(body + 12, false)) > len - at ? len
									      : at + pad4(get32(body + 12, false));
		break;
	case PCAPNG_SPB: fields_to_host(body, len, "4"); return true;
	case PCAPNG_DSB:
		at = fields_to_host(body, len, "44");
		at = len - at < 4 || pad4(get32(body + 4, false)) > len - at ? len : at + pad4(get32(body + 4, false));
		break;
	case PCAPNG_APPLE_PROCESS: at = fields_to_host(body, len, "4"); break;
	case PCAPNG_NRB: names_to_host(body, len); return true;
	case PCAPNG_CB:
	case PCAPNG_CB_NOCOPY: /* the rest is the vendor's */ fields_to_host(body, len, "4"); return true;
	default: return false;
	}
	options_to_host(type, body + at, len - at);
	return true;
}

static int no_memory(char err[160])
{
	snprintf(err, 160, "out of memory");
	return -ENOMEM;
}

static int replace_string(char **s, const uint8_t *p, size_t n, char err[160])
{
	free(*s);
	*s = strndup((const char *)p, n);
	return *s ? 0 : no_memory(err);
}

static int parse_tsresol(uint8_t v, struct pcapng_timebase *tb, char err[160])
{
	const unsigned exponent = v & 0x7f;

	if (v & 0x80) {
		if (exponent > 63) {
			snprintf(err, 160, "Interface Description Block if_tsresol option resolution 2^-%u is too high",
				 exponent);
			return -EBADMSG;
		}
		tb->units = 1ULL << exponent;
		return 0;
	}
	if (exponent > 19) {
		snprintf(err, 160, "Interface Description Block if_tsresol option resolution 10^-%u is too high",
			 exponent);
		return -EBADMSG;
	}
	tb->units = 1;
	for (unsigned i = 0; i < exponent; i++)
		tb->units *= 10;
	return 0;
}

static int parse_iface_option(struct iface *iface, struct pcapng_timebase *tb, uint16_t code, const uint8_t *value,
			      uint16_t len, char err[160])
{
	switch (code) {
	case OPT_COMMENT:
		return iface_comment_parse(iface, value, len) || iface_name_parse_comment(iface, value, len)
			       ? no_memory(err)
			       : 0;
	case IF_NAME: return replace_string(&iface->name, value, len, err);
	case IF_DESCRIPTION: return replace_string(&iface->description, value, len, err);
	case IF_FILTER:
		if (len > 1 && value[0] == 0)
			return replace_string(&iface->filter, value + 1, (size_t)len - 1, err);
		break;
	case IF_FCSLEN:
		if (len == 1)
			iface->fcs_len = value[0];
		break;
	case IF_TSRESOL:
		if (len != 1) {
			snprintf(err, 160, "Interface Description Block has if_tsresol option with length %u != 1",
				 len);
			return -EBADMSG;
		}
		return parse_tsresol(value[0], tb, err);
	case IF_TSOFFSET:
		if (len != 8) {
			snprintf(err, 160, "Interface Description Block has if_tsoffset option with length %u != 8",
				 len);
			return -EBADMSG;
		}
		tb->offset = (int64_t)get64(value, false);
		break;
	}
	return 0;
}

int pcapng_parse_iface(const uint8_t *body, uint32_t len, struct iface *iface, struct pcapng_timebase *tb,
		       char err[160])
{
	struct pcapng_options o;
	const uint8_t *value;
	uint16_t code, n;
	uint8_t *copy;
	int ret = 0;

	if (len < 8) {
		snprintf(err, 160, "block of type %u in pcapng dump file is too short", PCAPNG_IDB);
		return -EBADMSG;
	}
	*tb = (struct pcapng_timebase){ .units = 1000000 };
	iface->file_linktype = get16(body, false);
	iface->dlt = linktype_to_dlt(iface->file_linktype);
	iface->snaplen = get32(body + 4, false);
	o = (struct pcapng_options){ body + 8, body + len };
	while (ret == 0 && pcapng_next_option(&o, &code, &value, &n))
		ret = parse_iface_option(iface, tb, code, value, n, err);
	if (ret)
		return ret;
	if (!iface->name)
		iface->name = strdup("");
	if (iface->name)
		iface_name_cut(iface);
	iface->file_units = tb->units;
	iface->options_len = (size_t)(o.p - (body + 8));
	copy = malloc(iface->options_len + 1);
	if (!copy || !iface->name) {
		free(copy);
		return no_memory(err);
	}
	memcpy(copy, body + 8, iface->options_len);
	iface->options = copy;
	return 0;
}

void pcapng_iface_done(struct iface *iface)
{
	free(iface->name);
	free(iface->description);
	free(iface->filter);
	free(iface->netns_path);
	free(iface->netns_name);
	free(iface->host);
	free((void *)iface->options);
}
