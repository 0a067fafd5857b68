/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/libcurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CURL_STATICLIB
static int find_functions(struct libcurl *curl, char why[LIBCURL_WHY])
{
	(void)why;
#define FIND(name) curl->name = curl_##name;
	LIBCURL_FUNCTIONS(FIND)
#undef FIND
	return 0;
}
#else
/* It stays loaded: what it brings runs code when the process ends. The one that is everywhere tells what is wrong. */
static void *load(char why[LIBCURL_WHY])
{
	static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" /* Debian's other one */ };
	void *library = NULL;

	for (size_t i = 0; !library && i < sizeof(names) / sizeof(names[0]); i++) {
		library = dlopen(names[i], RTLD_LAZY | RTLD_NODELETE);
		if (!library && i == 0)
			snprintf(why, LIBCURL_WHY, "install libcurl (%s)", dlerror());
	}
	return library;
}

static int find_functions(struct libcurl *curl, char why[LIBCURL_WHY])
{
	void *library = load(why);

	if (!library)
		return -ELIBACC;
#define FIND(name)                                                                                                     \
	*(void **)&curl->name = dlsym(library, "curl_" #name);                                                         \
	if (!curl->name)                                                                                               \
		goto missing;
	LIBCURL_FUNCTIONS(FIND)
#undef FIND
	dlclose(library);
	return 0;
missing:
	snprintf(why, LIBCURL_WHY, "install a newer libcurl (%s)", dlerror());
	dlclose(library);
	return -ELIBACC;
}
#endif

static const char key_log[] = "SSLKEYLOGFILE";

bool libcurl_before_threads(void)
{
	return getenv(key_log);
}

static int start(const struct libcurl *curl)
{
	const char *value = getenv(key_log);
	char *kept = value ? strdup(value) : NULL;
	bool ok = !value || kept;

	if (value)
		unsetenv(key_log);
	ok = curl->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && ok;
	if (kept)
		setenv(key_log, kept, 1);
	free(kept);
	return ok ? 0 : -ENOMEM;
}

int libcurl_open(struct libcurl **ret, char why[LIBCURL_WHY])
{
	struct libcurl *curl = calloc(1, sizeof(*curl));
	int err = curl ? find_functions(curl, why) : -ENOMEM;

	if (!err)
		err = start(curl);
	if (err == -ENOMEM)
		snprintf(why, LIBCURL_WHY, "libcurl does not start");
	if (err)
		free(curl);
	else
		*ret = curl;
	return err;
}

void libcurl_close(struct libcurl *curl)
{
	if (curl)
		curl->global_cleanup();
	free(curl);
}
