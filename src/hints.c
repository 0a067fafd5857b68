/* SPDX-License-Identifier: BSD-3-Clause */
#include "hints.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <string.h>

#include "filter/filter.h"
#include "util/log.h"
#include "util/netns_word.h"
#include "util/procfs.h"
#include "util/program.h"

enum { WORD_MAX = 128, ANCESTORS_MAX = 64 };

/* --- Wireshark ------------------------------------------------------------------ */

/* Fields that have a word in pcap-filter(7), as in "tcp.port == 80". */
static const struct {
	const char *field, *expr;
} fields[] = {
	{ "ip.addr", "host" },
	{ "ip.host", "host" },
	{ "ip.src", "src host" },
	{ "ip.dst", "dst host" },
	{ "ipv6.addr", "ip6 host" },
	{ "ipv6.src", "ip6 src host" },
	{ "ipv6.dst", "ip6 dst host" },
	{ "tcp.port", "tcp port" },
	{ "tcp.srcport", "tcp src port" },
	{ "tcp.dstport", "tcp dst port" },
	{ "udp.port", "udp port" },
	{ "udp.srcport", "udp src port" },
	{ "udp.dstport", "udp dst port" },
	{ "eth.addr", "ether host" },
	{ "eth.src", "ether src" },
	{ "eth.dst", "ether dst" },
	{ "ip.proto", "ip proto" },
	{ "vlan.id", "vlan" },
};

/* Protocols that stand alone, as far as a port tells them. */
static const struct {
	const char *name, *expr;
} protocols[] = {
	{ "http", "tcp port 80" }, { "tls", "tcp port 443" }, { "ssl", "tcp port 443" },
	{ "dns", "port 53" },	   { "ssh", "tcp port 22" },  { "dhcp", "port 67 or port 68" },
	{ "ntp", "udp port 123" }, { "icmpv6", "icmp6" },     { "ipv6", "ip6" },
};

/* The next word of text: a name, a value or an operator. False at its end. */
static bool next_word(const char **text, char word[WORD_MAX])
{
	static const char operators[] = "=!<>&|";
	const char *p = *text + strspn(*text, " \t\n");
	size_t n;

	if (*p == '(' || *p == ')')
		n = 1;
	else if (*p && strchr(operators, *p))
		n = p[1] == '=' || (p[1] == p[0] && p[0] != '!') ? 2 : 1;
	else
		n = strcspn(p, " \t\n()=!<>&|");
	if (n == 0 || n >= WORD_MAX)
		return false;
	memcpy(word, p, n);
	word[n] = '\0';
	*text = p + n;
	return true;
}

static const char *field_word(const char *word)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(word, fields[i].field) == 0)
			return fields[i].expr;
	}
	return NULL;
}

static const char *protocol_word(const char *word)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcmp(word, protocols[i].name) == 0)
			return protocols[i].expr;
	}
	return NULL;
}

static bool is_one_of(const char *word, const char *const list[])
{
	for (size_t i = 0; list[i]; i++) {
		if (strcmp(word, list[i]) == 0)
			return true;
	}
	return false;
}

static bool append(char *expr, size_t size, const char *before, const char *word)
{
	const size_t len = strlen(expr);
	const int n = snprintf(expr + len, size - len, "%s%s%s", len ? " " : "", before, word);

	return n >= 0 && (size_t)n < size - len;
}

/* Behind a field: "== VALUE". */
static bool translate_comparison(const char **text, const char *field, char *expr, size_t size)
{
	static const char *const equal[] = { "==", "=", "eq", NULL }, *const unequal[] = { "!=", "ne", NULL };
	char word[WORD_MAX], before[WORD_MAX];

	if (!next_word(text, word))
		return false;
	if (!is_one_of(word, equal) && !is_one_of(word, unequal))
		return false;
	snprintf(before, sizeof(before), "%s%s ", is_one_of(word, unequal) ? "not " : "", field);
	return next_word(text, word) && append(expr, size, before, word);
}

bool hint_translate(const char *display, char *expr, size_t size)
{
	bool foreign = false;
	char word[WORD_MAX];

	*expr = '\0';
	while (next_word(&display, word)) {
		const char *field = field_word(word), *protocol = protocol_word(word);
		bool fits;

		foreign |= field || protocol;
		if (field)
			fits = translate_comparison(&display, field, expr, size);
		else if (strcmp(word, "&&") == 0)
			fits = append(expr, size, "", "and");
		else if (strcmp(word, "||") == 0)
			fits = append(expr, size, "", "or");
		else if (strcmp(word, "!") == 0)
			fits = append(expr, size, "", "not");
		else
			fits = append(expr, size, "", protocol ? protocol : word);
		if (!fits)
			return false;
	}
	return foreign && display[strspn(display, " \t\n")] == '\0';
}

/* "NAME.NAME", and a comparison somewhere. */
static bool is_display_filter(const char *expr)
{
	static const char *const comparisons[] = { " eq ", " ne ", " gt ",	 " lt ",      " ge ",
						   " le ", " in ", " contains ", " matches ", NULL };
	const size_t name = strspn(expr + strspn(expr, " (!"), "abcdefghijklmnopqrstuvwxyz0123456789_");
	const char *dot = expr + strspn(expr, " (!") + name;
	bool compares = strpbrk(expr, "=<>");

	for (size_t i = 0; comparisons[i] && !compares; i++)
		compares = strstr(expr, comparisons[i]);
	return compares && name && isalpha((unsigned char)expr[strspn(expr, " (!")]) && *dot == '.' &&
	       isalpha((unsigned char)dot[1]);
}

/* --- a word too few --------------------------------------------------------------- */

static bool compiles(const char *expr)
{
	const struct filter_compile_opts opts = { .dlt = DLT_EN10MB };
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN];
	const int err = filter_compile(expr, &opts, &code, text);

	filter_done(&code);
	return err != -EINVAL;
}

/* Programs that share their name with a word that an expression may begin with. */
static bool is_expression_word(const char *word)
{
	static const char *const words[] = { "host", "ip", "arp", "rarp", "less", "link", "net", "type", NULL };

	return is_one_of(word, words);
}

void hint_command(const char *word)
{
	if (!is_expression_word(word) && program_find(word) == 0)
		log_warn(
			"to capture what the command '%s' sends and receives, put \"--\" in front of it: ptcpdump -- %s ...",
			word, word);
}

void hint_expression(const struct options *o)
{
	const char *text = o->expr;
	char word[WORD_MAX], expr[1024];

	if (o->expr_file || !*o->expr || compiles(o->filter->exact))
		return;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, " "), text);
	if (hint_translate(text, expr, sizeof(expr)) && compiles(expr))
		log_warn("that is a display filter of Wireshark; here: '%s', see pcap-filter(7)", expr);
	else if (is_display_filter(text))
		log_warn("that is a display filter of Wireshark; expressions are those of pcap-filter(7), such as 'tcp "
			 "port 80', and \"-w - | tshark -r - -Y '...'\" takes the other kind");
	else if (!options_offline(o) && if_nametoindex(word))
		log_warn("'%s' is an interface: \"-i %s\" captures on it", word, word);
	else if (!options_offline(o) && !o->command)
		hint_command(word);
}

/* --- children --------------------------------------------------------------------- */

/* A process below one of --pid that is not there itself. */
static bool is_descendant(const struct options *o, uint32_t pid)
{
	struct procfs_stat st;

	if (u32_list_has(&o->pids, pid))
		return false;
	for (int i = 0; i < ANCESTORS_MAX && pid > 1 && procfs_stat(pid, &st) == 0; i++) {
		pid = st.parent;
		if (u32_list_has(&o->pids, pid))
			return true;
	}
	return false;
}

static uint64_t descendants(const struct options *o)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	uint64_t n = 0;
	uint32_t pid;

	while (dir && (entry = readdir(dir)))
		n += procfs_is_pid(entry->d_name, &pid) && is_descendant(o, pid);
	if (dir)
		closedir(dir);
	return n;
}

void hint_children(const struct options *o, uint64_t forks)
{
	uint64_t n = 0;

	if (!o->pids.n || o->follow_forks)
		return;
	n = descendants(o);
	if (n < forks)
		n = forks;
	if (n)
		log_warn("nothing came of --pid itself; -f takes the packets of its child process%s, too",
			 n == 1 ? "" : "es");
}

/* --- what a file does not tell ------------------------------------------------------ */

/* What is told of both ends, or of who they come from. */
static unsigned bits_of(enum annot_desc desc, bool ends)
{
	unsigned bits = 0;

	for (size_t i = 0; i < annotation_schema.ngroups; i++) {
		const struct annot_group *g = &annotation_schema.groups[i];

		if (g->desc == desc && ends == (g->role == ROLE_OWNER || g->role == ROLE_PEER))
			bits |= g->bit;
	}
	return bits;
}

static bool asks_for_containers(const struct options *o)
{
	return o->container_ids.n || o->container_names.n || o->images.n || o->compose.n;
}

const char *hint_untold(const struct options *o, unsigned told)
{
	const unsigned origins = bits_of(DESC_PROCESS, false) | bits_of(DESC_ANCESTORS, false);

	if (!told && options_select_process(o))
		return "says whose it is, as no pcap file does: a selection by process, user or container finds "
		       "nothing there";
	if ((o->pids.n || o->pnames.n) && !(told & bits_of(DESC_PROCESS, true)))
		return "tells of a process: --pid and --pname find nothing there";
	if ((o->uids.n || o->users.n) && !(told & bits_of(DESC_USER, true)))
		return "tells of a user: --uid finds nothing there";
	if (asks_for_containers(o) && !(told & bits_of(DESC_CONTAINER, true)))
		return "tells of a container: --container-id, --container-name, --image and --compose find nothing there";
	if ((o->pod_names.n || o->namespaces.n) && !(told & bits_of(DESC_POD, true)))
		return "tells of a pod: --pod-name and --namespace find nothing there";
	if (o->labels.n && !(told & (bits_of(DESC_CONTAINER, true) | bits_of(DESC_POD, true))))
		return "tells of a container or pod: --label finds nothing there";
	if (o->follow_forks && !(told & origins))
		return "tells of parents: -f finds no children there";
	return NULL;
}

/* --- containers -------------------------------------------------------------------- */

/* The first that is asked for, as --netns takes it. */
static void put_netns(struct buf *b, const struct options *o)
{
	const bool pod = !o->container_names.n && o->pod_names.n;
	const char *name = pod			  ? o->pod_names.v[0]
			   : o->container_names.n ? o->container_names.v[0]
			   : o->container_ids.n	  ? o->container_ids.v[0]
						  : "NAME";

	buf_printf(b, "%s%s", pod ? NETNS_POD : NETNS_CONTAINER, name);
	if (pod && !strchr(name, '.') && o->namespaces.n)
		buf_printf(b, ".%s", o->namespaces.v[0]);
}

void hint_netns(const struct options *o, bool follows)
{
	struct buf b = { 0 };

	put_netns(&b, o);
	log_warn(
		"nothing came of what is asked for on -i %s; containers' own interfaces, such as lo, are seen with %s--netns %.*s",
		o->ifaces.n ? o->ifaces.v[0] : "any", follows ? "-i any, or with " : "", (int)b.len, b.p);
	buf_done(&b);
}
