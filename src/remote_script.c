/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote_script.h"

#include "remote_protocol.h"

/* After the settings, which are the shell's positional parameters and $expression. All of it is read before any of it runs: a
 * shell may read more of its input at once than it understands as yet. */
static const char script[] =
	"LC_ALL=C\n"
	"export LC_ALL\n"
	"PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin\n"
	"copied=\n"
	"tell() { echo \"" REMOTE_MARK "$*\"; }\n"
	"leave() { [ -z \"$copied\" ] || rm -rf \"$copied\"; }\n"
	/* The connection of this login carries what is captured: it would carry itself. */
	"login() {\n"
	"	set -- ${SSH_CONNECTION:-}\n"
	"	case $# in 4) ;; *) return ;; esac\n"
	"	case $1$2$3$4 in *[!0-9A-Za-z.:%_-]*) return ;; esac\n"
	"	echo \"not (tcp and host ${1%%%*} and port $2 and host ${3%%%*} and port $4)\"\n"
	"}\n"
	"copy() { # SIZE\n"
	"	copied=$(umask 077 && mktemp -d \"${TMPDIR:-/tmp}/ptcpdump.XXXXXXXX\") || return\n"
	"	program=$copied/ptcpdump\n"
	"	(umask 077 && head -c \"$1\" >\"$program\") && [ $(($(wc -c <\"$program\"))) -eq \"$1\" ] && chmod 700 \"$program\"\n"
	"}\n"
	"capture() { # HOW... OPTIONS...\n"
	"	own=\n"
	"	case $owns in 0) own=$(login) ;; esac\n"
	"	case ${expression:+1}${own:+2} in\n"
	"	1) set -- \"$@\" \"($expression)\" ;;\n"
	"	2) set -- \"$@\" \"$own\" ;;\n"
	"	12) set -- \"$@\" \"$own and ($expression)\" ;;\n"
	"	esac\n"
	"	\"$@\"\n"
	"}\n"
	"main() {\n"
	"	trap leave EXIT\n"
	"	trap 'exit 129' HUP\n"
	"	trap 'exit 130' INT\n"
	"	trap 'exit 143' TERM\n"
	/* Nobody listens any more: no reason to leave a copy behind. */
	"	trap 'exit 141' PIPE\n"
	"	program=$(command -v ptcpdump) && found=1 || found=0\n"
	"	tell sh \"$(id -u)\" \"$(uname -m)\" $found\n"
	"	while read -r word size; do\n"
	"		case $word in\n"
	"		copy) if copy \"$size\"; then tell copied; else tell uncopied; fi ;;\n"
	"		hello) \"$program\" --remote-hello; tell bye $? ;;\n"
	"		run) capture \"$program\" \"$@\"; exit ;;\n"
	"		sudo) capture sudo -n -- \"$program\" \"$@\"; exit ;;\n"
	"		esac\n"
	"	done\n"
	"	exit 1\n"
	"}\n"
	"main \"$@\"\n";

static void put_quoted(struct buf *b, const char *word)
{
	buf_putc(b, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, *word);
	}
	buf_putc(b, '\'');
}

void remote_script_put(struct buf *b, const struct options *o)
{
	/* Comments that lean on earlier ones are less to be sent; blocks of processes are made anew here. */
	static const char fixed[] = "--compact-comments --process-blocks=none -w -";

	buf_printf(b, "owns=%d\nexpression=", o->filter->own ? 1 : 0);
	put_quoted(b, o->expr);
	buf_printf(b, "\nset -- --until-silence=%d %s", REMOTE_SILENCE_S, fixed);
	for (size_t i = 0; i < o->remote_words.n; i++) {
		buf_putc(b, ' ');
		put_quoted(b, o->remote_words.v[i]);
	}
	buf_putc(b, '\n');
	buf_puts(b, script);
}
