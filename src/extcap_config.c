/* SPDX-License-Identifier: BSD-3-Clause */
#include "extcap_config.h"

#include <string.h>

#include "annotation.h"
#include "capture/capture.h"
#include "version.h"

/*
 * A sentence ends its values with a brace that a brace, a blank or the end of the line follows, and has nothing to escape these
 * with. So a value, which comes back as it is, is left out where it could be misread, as is what is no UTF-8: one such
 * byte, and the whole line is ignored.
 */
static bool is_sayable(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == '{' || *p == '}')
			return false;
	}
	return *text != '\0';
}

static void put_value(struct buf *b, unsigned number, const char *value, const char *display, bool is_default)
{
	buf_printf(b, "value {arg=%u}{value=%s}{display=%s}{default=%s}\n", number, value, display,
		   is_default ? "true" : "false");
}

struct list {
	struct buf *b;
	unsigned number;
};

static void put_name(void *arg, const char *name)
{
	const struct list *list = arg;

	if (is_sayable(name))
		put_value(list->b, list->number, name, name, false);
}

static void put_interfaces(struct buf *b, unsigned number)
{
	struct list list = { b, number };

	put_value(b, number, "any", "all interfaces (any)", true);
	capture_each_iface(put_name, &list);
}

static void put_backends(struct buf *b, unsigned number)
{
	struct list list = { b, number };

	put_value(b, number, "", "automatic", true);
	capture_each_backend(put_name, &list);
}

static void put_context(struct buf *b, unsigned number)
{
	for (const char *word = annotation_words; *word; word += strspn(word, " ")) {
		const int n = (int)strcspn(word, " ");

		buf_printf(b, "value {arg=%u}{value=%.*s}{display=%.*s}{default=true}{enabled=true}\n", number, n, word,
			   n, word);
		word += n;
	}
}

/* Types are those that Wireshark 4.0 knows: with another one it drops the field, and says so in the midst of its output. */
static const struct field {
	const char *option, *display, *type, *group, *tooltip;
	const char *more;				/* what else the sentence says; NULL: nothing */
	void (*values)(struct buf *b, unsigned number); /* NULL: nothing to choose from */
} fields[] = {
	{ "interface", "Interface", "selector", "Capture", "Listen on this interface",
	  "{reload=true}{placeholder=List them again}", put_interfaces },
	{ "netns", "Network namespace", "string", "Capture",
	  "Name, path, container:NAME, pod:NAME.NAMESPACE, or any: all of them; takes CAP_SYS_ADMIN", NULL, NULL },
	{ "snapshot-length", "Bytes of each packet", "unsigned", "Capture", "Keep at most this much of each packet",
	  "{range=0,262144}{default=262144}", NULL },
	{ "backend", "Backend", "selector", "Capture", "How packets are seen", NULL, put_backends },
	{ "pname", "Process name", "string", "Process",
	  "Only traffic of processes of this name, or of those that a pattern (php*) fits", NULL, NULL },
	{ "pid", "Process number", "string", "Process", "Only traffic of this process; commas separate several",
	  "{validation=^([0-9]+(,[0-9]+)*)?$}", NULL },
	{ "uid", "User", "string", "Process",
	  "Only traffic of this user's processes, by name or number; commas separate several", NULL, NULL },
	{ "follow-forks", "Their children, too", "boolflag", "Process",
	  "Children of these processes count as asked for, too", "{default=false}", NULL },
	{ "container-name", "Container", "string", "Container",
	  "Only traffic of the containers of this name, or of those that a pattern (web-*) fits", NULL, NULL },
	{ "pod-name", "Pod", "string", "Container",
	  "NAME.NAMESPACE: only traffic of this pod, or of those that a pattern fits", NULL, NULL },
	{ "context", "Comments tell of", "multicheck", "Comments", "Which annotations packets get", NULL, put_context },
	{ "compact-comments", "Short comments", "boolflag", "Comments",
	  "Full comments once for many packets of a process, which else have its pid and command", "{default=false}",
	  NULL },
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static const struct field *find_field(const char *option)
{
	option += strspn(option, "-");
	for (unsigned i = 0; i < FIELDS; i++) {
		if (strcmp(fields[i].option, option) == 0)
			return &fields[i];
	}
	return NULL;
}

enum extcap_field extcap_field(const char *option)
{
	const struct field *f = find_field(option);

	if (!f)
		return FIELD_NONE;
	return strcmp(f->type, "boolflag") == 0 ? FIELD_FLAG : FIELD_VALUE;
}

void extcap_put_interfaces(struct buf *b)
{
	buf_puts(b, "extcap {version=" PTCPDUMP_VERSION "}{display=ptcpdump}\n"
		    "interface {value=" EXTCAP_INTERFACE "}{display=ptcpdump: all interfaces with processes}\n");
}

/* What comes is pcapng, and each of its interfaces says its own; a filter is not compiled by this one. */
void extcap_put_dlts(struct buf *b)
{
	buf_puts(b, "dlt {number=1}{name=EN10MB}{display=Ethernet}\n");
}

static void put_field(struct buf *b, unsigned number)
{
	const struct field *f = &fields[number];

	buf_printf(b, "arg {number=%u}{call=--%s}{display=%s}{type=%s}{group=%s}{tooltip=%s}%s\n", number, f->option,
		   f->display, f->type, f->group, f->tooltip, f->more ? f->more : "");
}

void extcap_put_config(struct buf *b, const char *reload)
{
	const struct field *only = reload ? find_field(reload) : NULL;

	for (unsigned i = 0; i < FIELDS && !reload; i++)
		put_field(b, i);
	for (unsigned i = 0; i < FIELDS; i++) {
		if (fields[i].values && (!reload || &fields[i] == only))
			fields[i].values(b, i);
	}
}
