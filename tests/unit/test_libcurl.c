/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/libcurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"

static bool missing;
static char missed[64]; /* the last one */

void *__real_dlopen(const char *name, int flags);

FAKE(void *, dlopen, const char *name, int flags)
{
	if (!missing)
		return __real_dlopen(name, flags);
	snprintf(missed, sizeof(missed), "%s is not there", name);
	return NULL;
}

char *__real_dlerror(void);

FAKE(char *, dlerror, void)
{
	return missing ? missed : __real_dlerror();
}

static bool is_mapped(const char *library)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (maps && fgets(line, sizeof(line), maps))
		found = found || strstr(line, library);
	if (maps)
		fclose(maps);
	return found;
}

/* Whoever only prints a file does not pay for it. */
static void test_not_before_it_is_needed(void)
{
	CHECK(is_mapped("libc.so"));
	CHECK(!is_mapped("/libcurl"));
}

static void test_open_twice(void)
{
	struct libcurl *a = NULL, *b = NULL;
	char why[LIBCURL_WHY];
	CURL *easy;

	CHECK_INT(libcurl_open(&a, why), 0);
	CHECK_INT(libcurl_open(&b, why), 0);
	CHECK(is_mapped("/libcurl"));
	libcurl_close(a);
	easy = b->easy_init();
	CHECK(easy);
	CHECK_INT(b->easy_setopt(easy, CURLOPT_URL, "nothing://here"), CURLE_OK);
	CHECK_INT(b->easy_perform(easy), CURLE_UNSUPPORTED_PROTOCOL);
	b->easy_cleanup(easy);
	libcurl_close(b);
	libcurl_close(NULL);
}

static void test_key_log_is_not_its(void)
{
	char path[64];
	struct libcurl *curl = NULL;
	char why[LIBCURL_WHY];
	int err;

	CHECK(!libcurl_before_threads());
	snprintf(path, sizeof(path), "/tmp/test_libcurl-%d.keys", getpid());
	setenv("SSLKEYLOGFILE", path, 1);
	CHECK(libcurl_before_threads());
	err = libcurl_open(&curl, why);
	CHECK_INT(err, 0);
	CHECK_STR(getenv("SSLKEYLOGFILE"), path);
	CHECK(access(path, F_OK) < 0);
	libcurl_close(curl);
	unsetenv("SSLKEYLOGFILE");
}

/* The other names are some distributions'. */
static void test_tells_of_the_usual_one(void)
{
	struct libcurl *curl = NULL;
	char why[LIBCURL_WHY];

	missing = true;
	CHECK_INT(libcurl_open(&curl, why), -ELIBACC);
	missing = false;
	CHECK(!curl);
	CHECK_STR(why, "install libcurl (libcurl.so.4 is not there)");
}

int main(void)
{
	RUN(test_not_before_it_is_needed);
	RUN(test_tells_of_the_usual_one);
	RUN(test_key_log_is_not_its);
	RUN(test_open_twice);
	return check_status();
}
