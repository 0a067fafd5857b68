/* SPDX-License-Identifier: BSD-3-Clause */
/* What the option table looks like as text: --help, --version, shell completions. */
#include <ctype.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <time.h>

#include "options_table.h"
#include "version.h"

enum { HELP_INDENT = 8, HELP_WIDTH = 80 };

static void print_wrapped(const char *s)
{
	size_t column = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (column > 0 && column + 1 + n > HELP_WIDTH - HELP_INDENT) {
			putchar('\n');
			column = 0;
		}
		printf("%*s%.*s", column ? 1 : HELP_INDENT, "", (int)n, s);
		column += n + (column ? 1 : 0);
		s += n;
		s += strspn(s, " ");
	}
	putchar('\n');
}

static void print_option(const struct option_desc *d)
{
	printf("  ");
	if (d->key < OPTION_LONG)
		printf("-%c%s", d->key, d->name ? ", " : "");
	if (d->name)
		printf("--%s", d->name);
	if (d->arg)
		printf(d->optional ? "[=%s]" : " %s", d->arg);
	putchar('\n');
	print_wrapped(d->help);
	if (d->choices) {
		char text[256];

		snprintf(text, sizeof(text), "%s: %s", d->hint == HINT_LIST ? "any of, with commas" : "one of",
			 d->choices);
		print_wrapped(text);
	}
}

void options_print_help(void)
{
	puts("Usage: ptcpdump [options] [expression] [-- command [arguments]]\n"
	     "\n"
	     "Prints packets as tcpdump does, with the process, container and pod of each.\n"
	     "\n"
	     "  ptcpdump -i any                     all, on every interface\n"
	     "  ptcpdump -i eth0 tcp port 443       what an expression of tcpdump's selects\n"
	     "  ptcpdump tcp and not pname sshd     processes are words of it, too\n"
	     "  ptcpdump -- curl example.com        what a command sends and receives\n"
	     "  ptcpdump -i any -w web.pcapng       saves, for Wireshark or ptcpdump -r\n"
	     "\n"
	     "  -i INTERFACE       where to listen: eth0, lo, any; -D lists them\n"
	     "  --netns NAME       in this network namespace: container:web, any\n"
	     "  -n                 numbers instead of names\n"
	     "  -v, -vv            more of each packet and of its process and the other end\n"
	     "  --brief            a short line for each packet; --color auto\n"
	     "  -A, -x, -X         also what packets hold: as text, in hex, both\n"
	     "  -c N               stop after N packets\n"
	     "  -w FILE, -r FILE   save to a file, read from it: pcapng, or .pcap\n"
	     "  --pid, --pname, --uid, -f\n"
	     "                     only of these processes and users; -f: and their children\n"
	     "  --container-name, --pod-name, --image, --label\n"
	     "                     only of these containers\n"
	     "  --top, --summary   who talks how much: live, at the end; --top=container\n"
	     "  --json             a line of JSON for each packet, --json=flow: each flow\n"
	     "  --metrics FILE     counters for Prometheus\n"
	     "  --remote HOST      capture there, by ssh\n"
	     "  --probe            what this kernel offers\n"
	     "\n"
	     "All options: ptcpdump --help all, ptcpdump(8).\n"
	     "Expressions: ptcpdump-filter(7), pcap-filter(7).");
}

void options_print_help_all(void)
{
	puts("Usage: ptcpdump [options] [expression] [-- command [arguments]]\n"
	     "\n"
	     "Prints the packets that match the expression, as tcpdump does, with the\n"
	     "process, container and pod that each belongs to. Options may stand anywhere\n"
	     "before \"--\"; what follows it is run, and only its traffic is captured.\n"
	     "Expressions: pcap-filter(7), and for terms of processes ptcpdump-filter(7).\n"
	     "Where several options select processes, users and containers, all have to be\n"
	     "satisfied, of one that is repeated any of its values.");
	for (enum option_group group = GROUP_CAPTURE; group < GROUP_HIDDEN; group++) {
		printf("\n%s:\n", option_group_title[group]);
		for (size_t i = 0; i < option_count; i++) {
			if (option_table[i].group == group)
				print_option(&option_table[i]);
		}
	}
}

void options_print_version(void)
{
	printf("ptcpdump version " PTCPDUMP_VERSION "\n%s\n", pcap_lib_version());
#ifdef __SANITIZE_ADDRESS__
	puts("Compiled with AddressSanitizer/GCC.");
#endif
	printf("%zu-bit build, %zu-bit time_t\n", sizeof(void *) * 8, sizeof(time_t) * 8);
}

/* Of expressions: the process terms, and what else people begin a word of. */
#define EXPRESSION_WORDS                                                                                               \
	"and or not src dst pid pname uid exe cmdline parent container pod label netns unknown own "                   \
	"arp host icmp icmp6 inbound ip ip6 net outbound port portrange sctp tcp udp vlan"

/* help as text inside '...': the scripts below quote it that way. */
static void print_quoted(const char *s, const char *escape)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", stdout);
		else if (strchr(escape, *s))
			printf("\\%c", *s);
		else
			putchar(*s);
	}
}

static void print_spellings(const struct option_desc *d, const char *separator)
{
	if (d->key < OPTION_LONG)
		printf("-%c%s", d->key, d->name ? separator : "");
	if (d->name)
		printf("--%s", d->name);
}

static void bash_value(const struct option_desc *d)
{
	static const char netns[] =
		"if [[ $cur == */* ]]; then _ptcpdump_files -f; else "
		"_ptcpdump_list \"any newly $(ls /run/netns 2>/dev/null; ls /run/docker/netns 2>/dev/null)\"; fi";
	static const char *const action[] = {
		[HINT_NONE] = NULL,
		[HINT_FILE] = "_ptcpdump_files -f",
		[HINT_DIR] = "_ptcpdump_files -d",
		[HINT_COMMAND] = "_ptcpdump_words -c",
		[HINT_USER] = "_ptcpdump_words -u",
		[HINT_IFACE] = "_ptcpdump_list \"any $(ls /sys/class/net 2>/dev/null)\"",
		[HINT_NETNS] = netns,
		[HINT_PID] = "_ptcpdump_list \"$(cd /proc && echo [0-9]*)\"",
		[HINT_LIST] = NULL,
	};

	printf("\t");
	print_spellings(d, "|");
	printf(") %s", d->optional ? "[[ $joined ]] && { " : "");
	if (d->choices)
		printf("_ptcpdump_%s '%s'; ", d->hint == HINT_LIST ? "list" : "words -W", d->choices);
	else if (action[d->hint])
		printf("%s; ", action[d->hint]);
	printf("return%s ;;\n", d->optional ? "; }" : "");
}

/* They set COMPREPLY from the caller's cur. */
static void bash_functions(void)
{
	puts("# SPDX-License-Identifier: BSD-3-Clause\n"
	     "# bash completion for ptcpdump; made by 'ptcpdump --completion bash'\n"
	     "_ptcpdump_words()\n"
	     "{\n"
	     "\tmapfile -t COMPREPLY < <(compgen \"$@\" -- \"$cur\" | sort -u)\n"
	     "}\n"
	     "_ptcpdump_files()\n"
	     "{\n"
	     "\tcompopt -o filenames 2>/dev/null\n"
	     "\t_ptcpdump_words \"$@\"\n"
	     "}\n"
	     "# one or more of the words, separated by commas\n"
	     "_ptcpdump_list()\n"
	     "{\n"
	     "\tlocal before= last=${cur##*,} word\n"
	     "\t[[ $cur == *,* ]] && before=${cur%,*},\n"
	     "\tCOMPREPLY=()\n"
	     "\tfor word in $1; do\n"
	     "\t\t[[ $word == \"$last\"* && ,$before != *,\"$word\",* ]] && COMPREPLY+=(\"$before$word\")\n"
	     "\tdone\n"
	     "}");
}

static void print_bash(void)
{
	bash_functions();
	puts("_ptcpdump()\n"
	     "{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} joined= i\n"
	     "\tCOMPREPLY=()\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
	     "\t\t\tif ((COMP_CWORD == i + 1)); then _ptcpdump_words -c; else _ptcpdump_files -f; fi\n"
	     "\t\t\treturn\n"
	     "\t\tfi\n"
	     "\tdone\n"
	     "\t# --option=value comes as three words\n"
	     "\tif [[ $cur == = ]]; then\n"
	     "\t\tcur= joined=1\n"
	     "\telif [[ $prev == = ]]; then\n"
	     "\t\tprev=${COMP_WORDS[COMP_CWORD-2]} joined=1\n"
	     "\tfi\n"
	     "\tcase $prev in");
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].arg && option_table[i].group != GROUP_HIDDEN)
			bash_value(&option_table[i]);
	}
	printf("\t# process terms of an expression\n"
	       "\tpid) _ptcpdump_words -W \"$(cd /proc && echo [0-9]*)\"; return ;;\n"
	       "\tpname) _ptcpdump_words -W \"$(cat /proc/[0-9]*/comm 2>/dev/null)\"; return ;;\n"
	       "\tuid) _ptcpdump_words -u; return ;;\n"
	       "\tesac\n\tif [[ $cur == -* ]]; then\n\t\t_ptcpdump_words -W '");
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].group == GROUP_HIDDEN)
			continue;
		print_spellings(&option_table[i], " ");
		putchar(' ');
	}
	puts("--'\n"
	     "\telse\n"
	     "\t\t_ptcpdump_words -W '" EXPRESSION_WORDS "'\n"
	     "\tfi\n}\ncomplete -F _ptcpdump ptcpdump");
}

static void zsh_option(const struct option_desc *d, bool letter)
{
	static const char *const action[] = {
		[HINT_NONE] = " ",
		[HINT_FILE] = "_files",
		[HINT_DIR] = "_files -/",
		[HINT_COMMAND] = "_command_names",
		[HINT_USER] = "_users",
		[HINT_IFACE] = "{_sequence compadd - any /sys/class/net/*(N\\:t)}",
		[HINT_NETNS] =
			"{_sequence compadd - any newly /run/netns/*(N\\:t) /run/docker/netns/*(N\\:t) || _files}",
		[HINT_PID] = "_pids",
		[HINT_LIST] = " ",
	};

	/* '*': all may be repeated; + and =: the value may be part of the same word; =- and "::": only so, and it may be missing. */
	if (letter)
		printf("\t'*-%c%s[", d->key, d->arg && !d->optional ? "+" : "");
	else
		printf("\t'*--%s%s%s[", d->name, d->arg ? "=" : "", d->optional ? "-" : "");
	print_quoted(d->help, "[]:\\");
	putchar(']');
	/* A letter's value that may be missing is offered with the name. */
	if (d->arg && !(letter && d->optional)) {
		fputs(d->optional ? "::" : ":", stdout);
		print_quoted(d->arg, "[]:\\");
		if (d->hint == HINT_LIST)
			printf(":_values -s , word %s", d->choices);
		else
			printf(":%s%s%s", d->choices ? "(" : "", d->choices ? d->choices : action[d->hint],
			       d->choices ? ")" : "");
	}
	printf("' \\\n");
}

static void print_zsh(void)
{
	puts("#compdef ptcpdump\n"
	     "# SPDX-License-Identifier: BSD-3-Clause\n"
	     "# zsh completion for ptcpdump; made by 'ptcpdump --completion zsh'\n"
	     "local command=${words[(i)--]}\n"
	     "if (( command < CURRENT )); then\n"
	     "\twords=(\"${(@)words[command + 1,-1]}\")\n"
	     "\t(( CURRENT -= command ))\n"
	     "\t_normal\n"
	     "\treturn\n"
	     "fi\n"
	     "_arguments -s \\");
	for (size_t i = 0; i < option_count; i++) {
		const struct option_desc *d = &option_table[i];

		if (d->group == GROUP_HIDDEN)
			continue;
		if (d->key < OPTION_LONG)
			zsh_option(d, true);
		if (d->name)
			zsh_option(d, false);
	}
	puts("\t'*:expression:(" EXPRESSION_WORDS ")'");
}

static void fish_option(const struct option_desc *d)
{
	static const char *const action[] = {
		[HINT_NONE] = " -x",
		[HINT_FILE] = " -r -F",
		[HINT_DIR] = " -x -a '(__fish_complete_directories)'",
		[HINT_COMMAND] = " -x -a '(__fish_complete_command)'",
		[HINT_USER] = " -x -a '(__fish_complete_users)'",
		[HINT_IFACE] = " -x -a '(__fish_append , any (__fish_print_interfaces))'",
		[HINT_NETNS] =
			" -r -F -a '(__fish_append , any newly (ls /run/netns 2>/dev/null; ls /run/docker/netns 2>/dev/null))'",
		[HINT_PID] = " -x -a '(__fish_complete_pids)'",
		[HINT_LIST] = " -x",
	};

	printf("complete -c ptcpdump");
	if (d->key < OPTION_LONG)
		printf(" -s '%c'", d->key);
	if (d->name)
		printf(" -l %s", d->name);
	if (d->hint == HINT_LIST)
		printf(" -x -a '(__fish_append , %s)'", d->choices);
	else if (d->choices)
		printf("%s -a '%s'", d->optional ? "" : " -x", d->choices);
	else if (d->arg)
		fputs(action[d->hint], stdout);
	printf(" -d '");
	/* fish: inside '...', a quote is \'. */
	for (const char *s = d->help; *s; s++)
		printf(*s == '\'' || *s == '\\' ? "\\%c" : "%c", *s);
	puts("'");
}

static void print_fish(void)
{
	puts("# SPDX-License-Identifier: BSD-3-Clause\n"
	     "# fish completion for ptcpdump; made by 'ptcpdump --completion fish'\ncomplete -c ptcpdump -f\n"
	     "# what follows -- is a command\n"
	     "complete -c ptcpdump -x -n 'contains -- -- (commandline -opc)' \\\n"
	     "\t-a '(complete -C (string replace -r \"^.*? -- +\" \"\" -- (commandline -cp)))'");
	puts("complete -c ptcpdump -n 'not contains -- -- (commandline -opc)' \\\n"
	     "\t-a '" EXPRESSION_WORDS "'");
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].group != GROUP_HIDDEN)
			fish_option(&option_table[i]);
	}
}

void options_print_completion(const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		print_bash();
	else if (strcmp(shell, "zsh") == 0)
		print_zsh();
	else
		print_fish();
}
