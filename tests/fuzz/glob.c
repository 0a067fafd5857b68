/* SPDX-License-Identifier: BSD-3-Clause */
/* A pattern, a newline, and a text: what has no flaw is what fnmatch(3) takes it for. */
#include <fnmatch.h>

#include "fuzz.h"
#include "util/glob.h"
#include "util/nearest.h"

/* Long ones take fnmatch(3) for ever, and are the user's own. */
enum { PATTERN_MAX = 32, TEXT_MAX = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	char *all, *pattern, *text, space[TEXT_MAX];
	struct nearest near = { 0 };

	if (size > PATTERN_MAX + TEXT_MAX)
		return 0;
	all = text = fuzz_string(&f, size);
	pattern = strsep(&text, "\n");
	if (!text || strlen(pattern) > PATTERN_MAX)
		goto out;
	if (!glob_is(pattern))
		FUZZ_CHECK(!glob_flaw(pattern) && (strcmp(pattern, text) == 0) == (fnmatch(pattern, text, 0) == 0));
	if (!glob_flaw(pattern) && strlen(text) < sizeof(space))
		FUZZ_CHECK(glob_match(pattern, str_of(text), space, sizeof(space)) == (fnmatch(pattern, text, 0) == 0));
	near.wanted = str_of(pattern);
	nearest_offer(&near, str_of(text), NULL);
out:
	free(all);
	return 0;
}
