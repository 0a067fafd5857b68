/* SPDX-License-Identifier: BSD-3-Clause */
/* -x, -X and -A: the library's text with one call per line or run instead of one per byte. */
#include "output/text_private.h"

enum {
	LINE_BYTES = 16,
	HEX_WIDTH = 40, /* of a full line: " 0123" eight times */
};

static const char hex_digits[] = "0123456789abcdef";

/* Replaced functions, by the linker's naming. */
void __wrap_hex_print(netdissect_options *ndo, const char *indent, const u_char *cp, u_int length);
void __wrap_hex_print_with_offset(netdissect_options *ndo, const char *indent, const u_char *cp, u_int length,
				  u_int offset);
void __wrap_hex_and_ascii_print(netdissect_options *ndo, const char *indent, const u_char *cp, u_int length);
void __wrap_ascii_print(netdissect_options *ndo, const u_char *cp, u_int length);

static bool is_graphic(u_char c)
{
	return c > 0x20 && c < 0x7f;
}

/* Only what was captured; true when that is less than asked for. */
static bool clip(const netdissect_options *ndo, const u_char *cp, u_int *length)
{
	const u_int available = ND_BYTES_AVAILABLE_AFTER(cp);

	if (*length <= available)
		return false;
	*length = available;
	return true;
}

/* "0x%04x: " */
static char *put_offset(char *d, u_int offset)
{
	unsigned digits = 4;

	while (digits < 8 && offset >> (4 * digits) != 0)
		digits++;
	*d++ = '0';
	*d++ = 'x';
	while (digits > 0)
		*d++ = hex_digits[offset >> (4 * --digits) & 15];
	*d++ = ':';
	*d++ = ' ';
	return d;
}

static void dump(netdissect_options *ndo, const char *indent, const u_char *cp, u_int length, u_int offset, bool ascii)
{
	struct buf *b = &text_of(ndo)->buf;
	const size_t indent_len = strlen(indent);
	const bool cut = clip(ndo, cp, &length);

	while (length > 0) {
		const u_int n = length < LINE_BYTES ? length : LINE_BYTES;
		char *d = buf_reserve(b, indent_len + 128);
		char *hex;

		memcpy(d, indent, indent_len);
		hex = d = put_offset(d + indent_len, offset);
		for (u_int i = 0; i < n; i++) {
			if (i % 2 == 0)
				*d++ = ' ';
			*d++ = hex_digits[cp[i] >> 4];
			*d++ = hex_digits[cp[i] & 15];
		}
		if (ascii) {
			while (d < hex + HEX_WIDTH)
				*d++ = ' ';
			*d++ = ' ';
			*d++ = ' ';
			for (u_int i = 0; i < n; i++)
				*d++ = is_graphic(cp[i]) ? (char)cp[i] : '.';
		}
		b->len = (size_t)(d - b->p);
		cp += n;
		length -= n;
		offset += LINE_BYTES;
	}
	if (cut)
		nd_trunc_longjmp(ndo);
}

void __wrap_hex_print(netdissect_options *ndo, const char *indent, const u_char *cp, u_int length)
{
	dump(ndo, indent, cp, length, 0, false);
}

void __wrap_hex_print_with_offset(netdissect_options *ndo, const char *indent, const u_char *cp, u_int length,
				  u_int offset)
{
	dump(ndo, indent, cp, length, offset, false);
}

void __wrap_hex_and_ascii_print(netdissect_options *ndo, const char *indent, const u_char *cp, u_int length)
{
	dump(ndo, indent, cp, length, 0, true);
}

void __wrap_ascii_print(netdissect_options *ndo, const u_char *cp, u_int length)
{
	struct buf *b = &text_of(ndo)->buf;
	bool cut;
	char *d;

	ndo->ndo_protocol = "ascii";
	cut = clip(ndo, cp, &length);
	d = buf_reserve(b, (size_t)length + 1);
	*d++ = '\n';
	for (; length > 0; length--, cp++) {
		/* A carriage return shows as a dot, but not at the end of a line nor among the last two bytes. */
		if (*cp != '\r')
			*d++ = is_graphic(*cp) || *cp == '\t' || *cp == ' ' || *cp == '\n' ? (char)*cp : '.';
		else if (length > 2 && cp[1] != '\n')
			*d++ = '.';
	}
	b->len = (size_t)(d - b->p);
	if (cut)
		nd_trunc_longjmp(ndo);
}
