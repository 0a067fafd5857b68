/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/keys.h"

enum state { PLAIN, CHARACTER, ESCAPED, SEQUENCE, SEQUENCE_NEXT, SHIFTED, CONSOLE };

enum {
	ESCAPE_BYTE = 0x1b,
	NUMBER_MAX = 999, /* larger ones mean nothing to us either */
};

static uint32_t control(struct keys *k, uint8_t byte)
{
	switch (byte) {
	case ESCAPE_BYTE: k->state = ESCAPED; return KEY_NONE;
	case '\r':
	case '\n': return KEY_ENTER;
	case 0x08:
	case 0x7f: return KEY_BACKSPACE;
	case 0x15: return KEY_ERASE;
	case 0x0c: return KEY_REDRAW;
	default: return KEY_NONE;
	}
}

/* The first byte of a character of UTF-8. */
static uint32_t begin(struct keys *k, uint8_t byte)
{
	if (byte < 0x20 || byte == 0x7f)
		return control(k, byte);
	if (byte < 0x80)
		return byte;
	if (byte < 0xc2 || byte > 0xf4)
		return KEY_NONE;
	k->state = CHARACTER;
	k->wants = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	k->value = byte & (0x3fU >> k->wants);
	k->least = k->wants == 1 ? 0x80 : k->wants == 2 ? 0x800 : 0x10000;
	return KEY_NONE;
}

/* Controls of the upper half would be commands to the terminal that shows them. */
static uint32_t character(struct keys *k, uint8_t byte)
{
	if ((byte & 0xc0) != 0x80) {
		k->state = PLAIN;
		return begin(k, byte);
	}
	k->value = k->value << 6 | (byte & 0x3fU);
	if (--k->wants)
		return KEY_NONE;
	k->state = PLAIN;
	if (k->value < k->least || k->value < 0xa0 || k->value > 0x10ffff || (k->value & ~0x7ffU) == 0xd800)
		return KEY_NONE;
	return k->value;
}

/* ESC and a character is that with Alt held down, which means nothing here. */
static uint32_t escaped(struct keys *k, uint8_t byte)
{
	k->value = 0;
	if (byte == ESCAPE_BYTE)
		return KEY_ESCAPE;
	k->state = byte == '[' ? SEQUENCE : byte == 'O' ? SHIFTED : PLAIN;
	return KEY_NONE;
}

static uint32_t by_letter(uint8_t letter)
{
	switch (letter) {
	case 'A': return KEY_UP;
	case 'B': return KEY_DOWN;
	case 'C': return KEY_RIGHT;
	case 'D': return KEY_LEFT;
	case 'H': return KEY_HOME;
	case 'F': return KEY_END;
	default: return KEY_NONE;
	}
}

static uint32_t by_number(uint32_t number)
{
	switch (number) {
	case 1:
	case 7: return KEY_HOME;
	case 4:
	case 8: return KEY_END;
	case 5: return KEY_PAGE_UP;
	case 6: return KEY_PAGE_DOWN;
	default: return KEY_NONE;
	}
}

/* ECMA-48, 5.4: parameters, then intermediate bytes, then a final one. */
static uint32_t sequence(struct keys *k, uint8_t byte)
{
	if (byte >= '0' && byte <= '9' && k->state == SEQUENCE) {
		k->value = k->value * 10 + (byte - '0');
		k->value = k->value > NUMBER_MAX ? NUMBER_MAX : k->value;
		return KEY_NONE;
	}
	if (byte >= 0x20 && byte < 0x40) {
		k->state = SEQUENCE_NEXT;
		return KEY_NONE;
	}
	/* Function keys of Linux's console: "ESC [ [ A". */
	k->state = byte == '[' ? CONSOLE : PLAIN;
	if (byte < 0x20 || byte >= 0x7f)
		return begin(k, byte);
	return byte == '~' ? by_number(k->value) : by_letter(byte);
}

uint32_t keys_byte(struct keys *k, uint8_t byte)
{
	switch (k->state) {
	case CHARACTER: return character(k, byte);
	case ESCAPED: return escaped(k, byte);
	case SEQUENCE:
	case SEQUENCE_NEXT: return sequence(k, byte);
	case SHIFTED: k->state = PLAIN; return by_letter(byte);
	case CONSOLE: k->state = PLAIN; return KEY_NONE;
	default: return begin(k, byte);
	}
}

bool keys_wait(const struct keys *k)
{
	return k->state == ESCAPED;
}

uint32_t keys_pause(struct keys *k)
{
	if (!keys_wait(k))
		return KEY_NONE;
	k->state = PLAIN;
	return KEY_ESCAPE;
}
