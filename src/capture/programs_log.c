/* SPDX-License-Identifier: BSD-3-Clause */
/* What libbpf tells. */
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/private.h"
#include "util/log.h"

static int bpf_message(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text;

	(void)level;
	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	log_end(LOG_DEBUG, text);
	free(text);
	return 0;
}

void programs_log(void)
{
	/* It has thousands. */
	libbpf_set_print(log_shows(LOG_DEBUG) ? bpf_message : NULL);
}
