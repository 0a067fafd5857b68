/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/top_view.h"

#include <string.h>

#include "output/keys.h"

/* The bytes of a character in UTF-8. */
static size_t encode(char to[4], uint32_t c)
{
	const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(first[n] | c);
	return n;
}

static void type_character(struct top_view *v, uint32_t c)
{
	const size_t len = strlen(v->filter);
	char text[4];
	const size_t n = encode(text, c);

	if (len + n >= sizeof(v->filter))
		return;
	memcpy(v->filter + len, text, n);
	v->filter[len + n] = '\0';
}

static void erase_character(struct top_view *v)
{
	size_t len = strlen(v->filter);

	while (len && ((unsigned char)v->filter[len - 1] & 0xc0) == 0x80)
		len--;
	v->filter[len ? len - 1 : 0] = '\0';
}

static void type_key(struct top_view *v, uint32_t key)
{
	v->offset = 0;
	switch (key) {
	case KEY_ENTER: v->typing = false; break;
	case KEY_ESCAPE:
		v->typing = false;
		v->filter[0] = '\0';
		break;
	case KEY_ERASE: v->filter[0] = '\0'; break;
	case KEY_BACKSPACE: erase_character(v); break;
	default:
		if (key >= ' ' && key < KEY_ESCAPE)
			type_character(v, key);
	}
}

static void scroll(struct top_view *v, size_t up, size_t down)
{
	v->offset = v->offset > up ? v->offset - up : 0;
	v->offset += down;
}

static bool move_key(struct top_view *v, uint32_t key)
{
	switch (key) {
	case KEY_UP: scroll(v, 1, 0); return true;
	case KEY_DOWN: scroll(v, 0, 1); return true;
	case KEY_PAGE_UP: scroll(v, v->page, 0); return true;
	case KEY_PAGE_DOWN: scroll(v, 0, v->page); return true;
	case KEY_HOME: v->offset = 0; return true;
	case KEY_END: v->offset = UINT32_MAX; return true;
	default: return false;
	}
}

static bool sort_key(struct top_view *v, uint32_t key)
{
	enum { SORTS = FLOWS_SORT_LAST + 1 };
	static const char letters[SORTS + 1] = "bprtnl"; /* in the order of enum flows_sort */
	const char *at = key && key < 0x80 ? strchr(letters, (int)key) : NULL;

	if (key == 's' || key == KEY_RIGHT)
		v->sort = (v->sort + 1) % SORTS;
	else if (key == KEY_LEFT)
		v->sort = (v->sort + SORTS - 1) % SORTS;
	else if (at)
		v->sort = (enum flows_sort)(at - letters);
	else
		return false;
	v->offset = 0;
	return true;
}

static void command_key(struct top_view *v, uint32_t key)
{
	switch (key) {
	case 'q':
	case 'Q': v->quit = true; break;
	case 'g':
		v->by = v->by == FLOWS_BY_USER ? FLOWS_BY_PROCESS : v->by + 1;
		v->offset = 0;
		break;
	case '/': v->typing = true; break;
	case KEY_ESCAPE: v->filter[0] = '\0'; break;
	case ' ': v->paused = !v->paused; break;
	case 'h':
	case '?': v->help = true; break;
	case 'z': v->clear = true; break;
	default: break;
	}
}

void top_view_key(struct top_view *v, uint32_t key)
{
	if (v->help) {
		/* Any other key leaves it. */
		v->help = false;
		v->quit = key == 'q' || key == 'Q';
	} else if (v->typing) {
		type_key(v, key);
	} else if (!move_key(v, key) && !sort_key(v, key)) {
		command_key(v, key);
	}
}
