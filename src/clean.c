/* SPDX-License-Identifier: BSD-3-Clause */
#include "clean.h"

#include <errno.h>

#include "capture/capture.h"
#include "capture/kernel_btf.h"
#include "keylog.h"
#include "util/caps.h"
#include "util/log.h"

/* To enter namespaces, to look at programs by their numbers, to remove filters. */
static int check_permission(void)
{
	const uint64_t needed = caps_bit(CAP_SYS_ADMIN) | caps_bit(CAP_NET_ADMIN);
	struct caps caps;
	const int err = caps_get(&caps);

	if (err || (caps.effective & needed) == needed)
		return err;
	log_error("--clean needs CAP_SYS_ADMIN and CAP_NET_ADMIN: run it with sudo");
	return -EPERM;
}

int clean_leftovers(FILE *out)
{
	int n, err = check_permission();

	if (err)
		return err;
	n = capture_clean(out);
	if (n < 0)
		return n;
	n += (int)keylog_clean(out);
	n += (int)kernel_btf_clean(out);
	if (!n)
		fprintf(out, "nothing was left\n");
	return 0;
}
