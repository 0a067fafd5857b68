/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/process_block.h"

#include <endian.h>
#include <string.h>

#include "format/pcapng.h"

enum {
	WIRESHARK_PEN = 32622,
	ENTRY_PROCESS = 3,
	ENTRY_HEADER = 8, /* type and length */
	STANDARD_FIXED = 4 + ENTRY_HEADER + 4,
};

/* Of Apple's block. */
enum { APPLE_NAME = 2 };

/* Of the proposed standard. */
enum {
	PIB_NAME = 2,
	PIB_PATH = 3,
	PIB_ARGS = 4,
	PIB_PPID = 5,
	PIB_UID = 6,
	PIB_USER = 7,
	PIB_START = 9,
};

static uint32_t get_le32(const uint8_t *p)
{
	return le32toh(get32(p, false));
}

static void put_le16(struct buf *b, uint16_t v)
{
	v = htole16(v);
	buf_put(b, &v, sizeof(v));
}

static void put_le32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_put(b, &v, sizeof(v));
}

void process_block_put_apple(struct buf *b, const struct process_block *p)
{
	struct buf body = { 0 };

	buf_put(&body, &p->pid, sizeof(p->pid));
	pcapng_put_option(&body, APPLE_NAME, p->name.p, p->name.n);
	pcapng_put_option(&body, OPT_END, NULL, 0);
	pcapng_put_block(b, PCAPNG_APPLE_PROCESS, body.p, (uint32_t)body.len);
	buf_done(&body);
}

static void put_entry_option(struct buf *b, uint16_t code, const void *value, size_t n)
{
	static const char zeros[4];

	if (n > PCAPNG_OPTION_MAX)
		n = PCAPNG_OPTION_MAX;
	put_le16(b, code);
	put_le16(b, (uint16_t)n);
	buf_put(b, value, n);
	buf_put(b, zeros, pad4(n) - n);
}

static void put_entry_string(struct buf *b, uint16_t code, struct str s)
{
	if (s.n)
		put_entry_option(b, code, s.p, s.n);
}

static void put_entry(struct buf *b, const struct process_block *p)
{
	const uint32_t ppid = htole32(p->ppid), uid = htole32(p->uid);
	const uint64_t start = htole64(p->start);

	put_le32(b, p->pid);
	put_entry_string(b, PIB_NAME, p->name);
	put_entry_string(b, PIB_PATH, p->path);
	put_entry_string(b, PIB_ARGS, p->args);
	if (p->ppid)
		put_entry_option(b, PIB_PPID, &ppid, sizeof(ppid));
	if (p->has_uid)
		put_entry_option(b, PIB_UID, &uid, sizeof(uid));
	put_entry_string(b, PIB_USER, p->user);
	if (p->start)
		put_entry_option(b, PIB_START, &start, sizeof(start));
	put_entry_option(b, OPT_END, NULL, 0);
}

void process_block_put_standard(struct buf *b, const struct process_block *p)
{
	const uint32_t pen = WIRESHARK_PEN;
	struct buf entry = { 0 }, body = { 0 };

	put_entry(&entry, p);
	buf_put(&body, &pen, sizeof(pen));
	put_le32(&body, ENTRY_PROCESS);
	put_le32(&body, (uint32_t)entry.len);
	buf_put(&body, entry.p, entry.len);
	pcapng_put_block(b, PCAPNG_CB, body.p, (uint32_t)body.len);
	buf_done(&entry);
	buf_done(&body);
}

bool process_block_is_standard(uint32_t type, const uint8_t *body, size_t len)
{
	return (type == PCAPNG_CB || type == PCAPNG_CB_NOCOPY) && len >= STANDARD_FIXED &&
	       get32(body, false) == WIRESHARK_PEN && get_le32(body + 4) == ENTRY_PROCESS;
}

static struct str string_of(const uint8_t *value, size_t n)
{
	/* Some end them in a NUL, which is none of theirs. */
	while (n && !value[n - 1])
		n--;
	return (struct str){ (const char *)value, (uint32_t)n };
}

bool process_block_parse_apple(struct process_block *p, const uint8_t *body, size_t len)
{
	struct pcapng_options o;
	const uint8_t *value;
	uint16_t code, n;

	*p = (struct process_block){ 0 };
	if (len < 4)
		return false;
	p->pid = get32(body, false);
	o = (struct pcapng_options){ body + 4, body + len };
	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (code == APPLE_NAME && !p->name.n)
			p->name = string_of(value, n);
	}
	return p->pid != 0;
}

static void note_entry_option(struct process_block *p, uint16_t code, const uint8_t *value, uint16_t n)
{
	uint64_t start;

	switch (code) {
	case PIB_NAME: p->name = string_of(value, n); break;
	case PIB_PATH: p->path = string_of(value, n); break;
	case PIB_ARGS: p->args = string_of(value, n); break;
	case PIB_USER: p->user = string_of(value, n); break;
	case PIB_PPID: p->ppid = n == 4 ? get_le32(value) : 0; break;
	case PIB_UID:
		p->has_uid = n == 4;
		p->uid = p->has_uid ? get_le32(value) : 0;
		break;
	case PIB_START:
		if (n == sizeof(start)) {
			memcpy(&start, value, sizeof(start));
			p->start = le64toh(start);
		}
		break;
	default: break;
	}
}

bool process_block_parse_standard(struct process_block *p, const uint8_t *body, size_t len)
{
	const uint8_t *at = body + STANDARD_FIXED, *end;
	const uint32_t entry = get_le32(body + 4 + 4);

	*p = (struct process_block){ 0 };
	if (entry < 4 || entry > len - 4 - ENTRY_HEADER)
		return false;
	p->pid = get_le32(body + 4 + ENTRY_HEADER);
	end = body + 4 + ENTRY_HEADER + entry;
	while (end - at >= 4) {
		const uint16_t code = le16toh(get16(at, false)), n = le16toh(get16(at + 2, false));

		if (code == OPT_END || pad4(n) > (size_t)(end - at) - 4)
			break;
		note_entry_option(p, code, at + 4, n);
		at += 4 + pad4(n);
	}
	return p->pid != 0;
}

void process_options_note(struct process_options *p, uint16_t code, const uint8_t *value, uint16_t len)
{
	if (code == EPB_APPLE_PROCESS && len == 4 && !p->has_process) {
		p->has_process = true;
		p->process = get32(value, false);
	} else if (code == EPB_APPLE_EFFECTIVE && len == 4 && !p->has_effective) {
		p->has_effective = true;
		p->effective = get32(value, false);
	} else if (code == EPB_PROCESS_THREAD && len == 8 && !p->has_pid) {
		p->pid = get32(value, false);
		p->tid = get32(value + 4, false);
		p->has_pid = p->pid != 0;
	}
}

void process_options_parse(struct process_options *p, const uint8_t *options, size_t len)
{
	struct pcapng_options o = { options, options + len };
	const uint8_t *value;
	uint16_t code, n;

	*p = (struct process_options){ 0 };
	while (pcapng_next_option(&o, &code, &value, &n))
		process_options_note(p, code, value, n);
}

void process_options_put(struct buf *b, const struct process_options *p)
{
	const uint32_t ids[] = { p->pid, p->tid };

	if (p->has_pid)
		pcapng_put_option(b, EPB_PROCESS_THREAD, ids, sizeof(ids));
	if (p->has_process)
		pcapng_put_option(b, EPB_APPLE_PROCESS, &p->process, sizeof(p->process));
	if (p->has_effective)
		pcapng_put_option(b, EPB_APPLE_EFFECTIVE, &p->effective, sizeof(p->effective));
}
