/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_pids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/pidns.h"
#include "util/procfs.h"

/* 0, or -ESRCH; -EINVAL: a thread, and *process is whose. */
static int find_process(uint32_t pid, uint32_t *process)
{
	char status[4096], *tgid;
	const int n = procfs_read(pid, "status", status, sizeof(status));

	if (n == -ESRCH)
		return n;
	if (n > 0 && (tgid = strstr(status, "\nTgid:")) && sscanf(tgid + 6, "%" SCNu32, process) == 1 &&
	    *process != pid)
		return -EINVAL;
	return 0;
}

/* word: the option or term whose number it is. later: it may mean a process that comes later. As find_process(), logged. */
static int check_pid(const char *word, uint32_t pid, bool later)
{
	uint32_t process;
	const int err = find_process(pid, &process);

	if (err == -EINVAL)
		log_msg(later ? LOG_WARN : LOG_ERROR,
			"%s %" PRIu32 " is a thread of the process %" PRIu32 ": give that one", word, pid, process);
	else if (err == -ESRCH)
		log_warn("%s %" PRIu32 ": no such process%s; \"pgrep -a NAME\" finds one", word, pid,
			 later ? " yet" : "");
	return err;
}

/* A process that is gone sends nothing. When others are asked for too, it may just have ended. */
static int check_options(const struct options *o)
{
	const bool initial = pidns_of_proc().initial;
	size_t gone = 0;

	for (size_t i = 0; i < o->pids.n; i++) {
		const bool outside = o->pids.v[i] & PID_OUTSIDE;
		int err;

		if (outside && initial) {
			log_error("--pid %" PRIu32 PID_OUTSIDE_MARK ": here all processes are shown by their own pids",
				  o->pids.v[i] & ~PID_OUTSIDE);
			return -EINVAL;
		}
		err = outside ? 0 : check_pid("--pid", o->pids.v[i], false);
		if (err == -EINVAL)
			return err;
		gone += err == -ESRCH;
	}
	if (gone == 0 || gone < o->pids.n || o->pnames.n || o->uids.n || o->command || options_select_container(o))
		return 0;
	return -ESRCH;
}

static void check_terms(const struct options *o)
{
	uint32_t pid;

	for (uint32_t i = 0; i < o->filter->n; i++) {
		const struct filter_term *t = &o->filter->terms[i];

		if (t->kind == TERM_PID && !t->negative && annot_parse_pid(str_of(t->value), &pid) &&
		    !(pid & PID_OUTSIDE))
			check_pid(filter_term_word(t->kind), pid, true);
	}
}

int session_check_pids(const struct options *o)
{
	check_terms(o);
	return check_options(o);
}
