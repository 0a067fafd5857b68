/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/libcurl.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

bool libcurl_start(void)
{
	const char *name = "SSLKEYLOGFILE", *value = getenv(name);
	char *kept = value ? strdup(value) : NULL;
	bool ok = !value || kept;

	if (value)
		unsetenv(name);
	ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && ok;
	if (kept)
		setenv(name, kept, 1);
	free(kept);
	return ok;
}
