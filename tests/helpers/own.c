/* SPDX-License-Identifier: BSD-3-Clause */
/* own: prints what "own" in an expression stands for, here and now. */
#include <stdio.h>
#include <string.h>

#include "own.h"
#include "util/log.h"

int main(void)
{
	struct buf b = { 0 };
	struct own own;
	int err = own_find(&own);

	if (err) {
		log_error("own: %s", strerror(-err));
		return 1;
	}
	own_put(&own, &b);
	printf("%.*s\n", (int)b.len, b.p);
	buf_done(&b);
	return 0;
}
