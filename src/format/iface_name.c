/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/iface_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/iface_comment.h"
#include "format/pcapng.h"

static const char host_key[] = "host: ";

enum { HOST_KEY = sizeof(host_key) - 1 };

static void put_host(struct buf *b, const char *host)
{
	struct buf comment = { 0 };

	buf_printf(&comment, "%s%s", host_key, host);
	pcapng_put_option(b, OPT_COMMENT, comment.p, comment.len);
	buf_done(&comment);
}

void iface_name_write(struct buf *b, const struct iface *iface)
{
	const char *name = iface->name ? iface->name : "";
	struct buf full = { 0 };

	buf_puts(&full, name);
	if (*name && iface_comment_names(iface))
		buf_printf(&full, "@%s", iface->netns_name);
	if (iface->host)
		buf_printf(&full, "@%s", iface->host);
	if (full.len)
		pcapng_put_option(b, IF_NAME, full.p, full.len);
	if (iface->host)
		put_host(b, iface->host);
	buf_done(&full);
}

int iface_name_parse_comment(struct iface *iface, const uint8_t *p, size_t n)
{
	if (n <= HOST_KEY || memcmp(p, host_key, HOST_KEY) != 0)
		return 0;
	free(iface->host);
	iface->host = strndup((const char *)p + HOST_KEY, n - HOST_KEY);
	return iface->host ? 0 : -ENOMEM;
}

/* Whether it ends in what "@word" adds: which is then gone. */
static bool cut_word(char *name, const char *word)
{
	const size_t n = strlen(word) + 1, len = strlen(name);
	char *tail = n <= len ? name + (len - n) : NULL;

	if (!tail || *tail != '@' || strcmp(tail + 1, word) != 0)
		return false;
	*tail = '\0';
	return true;
}

void iface_name_cut(struct iface *iface)
{
	if (iface->host && !cut_word(iface->name, iface->host)) {
		free(iface->host);
		iface->host = NULL;
	}
	/* A name that is nothing but this is the device's own. */
	if (iface->netns_name && strlen(iface->name) > strlen(iface->netns_name) + 1)
		cut_word(iface->name, iface->netns_name);
}

static bool is_host(const struct iface *iface, const uint8_t *p, size_t n)
{
	const size_t len = iface->host ? strlen(iface->host) : 0;

	return len && n == HOST_KEY + len && memcmp(p, host_key, HOST_KEY) == 0 &&
	       memcmp(p + HOST_KEY, iface->host, len) == 0;
}

/* The name as it was read, whose host is now another. */
static void put_moved(struct buf *b, const struct iface *iface, struct str name, const char *host)
{
	const size_t old = iface->host ? strlen(iface->host) + 1 : 0;
	struct buf full = { 0 };

	if (old <= name.n)
		buf_put(&full, name.p, name.n - old);
	buf_printf(&full, "@%s", host);
	pcapng_put_option(b, IF_NAME, full.p, full.len);
	put_host(b, host);
	buf_done(&full);
}

void iface_name_move(struct buf *b, const struct iface *iface, const char *host)
{
	struct pcapng_options o = { iface->options, iface->options + iface->options_len };
	struct str name = { "", 0 };
	const uint8_t *start, *value;
	uint16_t code, n;

	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (code == IF_NAME)
			name = (struct str){ (const char *)value, n };
	}
	/* A name ends at a NUL for us. */
	if (name.n)
		name.n = (uint32_t)strnlen(name.p, name.n);
	put_moved(b, iface, name, host);
	o = (struct pcapng_options){ iface->options, iface->options + iface->options_len };
	for (start = o.p; pcapng_next_option(&o, &code, &value, &n); start = o.p) {
		if (code != IF_NAME && !(code == OPT_COMMENT && is_host(iface, value, n)))
			buf_put(b, start, (size_t)(o.p - start));
	}
}
