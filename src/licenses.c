/* SPDX-License-Identifier: BSD-3-Clause */
#include "licenses.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "licenses_packed.h"
#include "util/log.h"

int licenses_print(void)
{
	unsigned char *text = malloc(LICENSES_LEN);
	uLongf len = LICENSES_LEN;
	int err = 0;

	if (!text || uncompress(text, &len, packed_licenses, sizeof(packed_licenses)) != Z_OK) {
		log_error("no memory for the licences");
		err = -1;
	} else if (fwrite(text, 1, len, stdout) != len || fflush(stdout)) {
		log_error("can't write the licences: %m");
		err = -1;
	}
	free(text);
	return err;
}
