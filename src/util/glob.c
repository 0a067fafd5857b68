/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/glob.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

bool glob_is(const char *pattern)
{
	return strpbrk(pattern, "*?[\\");
}

/* Behind the set that begins at p, NULL: nothing closes it. As its first character ']' is one of the set. */
static const char *set_end(const char *p)
{
	p++;
	p += *p == '!' || *p == '^';
	p += *p == ']';
	while (*p && *p != ']') {
		const char *class_end = p[0] == '[' && p[1] && strchr(":.=", p[1]) ? strchr(p + 2, ']') : NULL;

		if (*p == '\\' && p[1])
			p++;
		p = class_end && class_end[-1] == p[1] ? class_end + 1 : p + 1;
	}
	return *p ? p + 1 : NULL;
}

const char *glob_flaw(const char *pattern)
{
	while (pattern && *pattern) {
		if (*pattern == '[') {
			pattern = set_end(pattern);
			continue;
		}
		if (*pattern == '\\' && !*++pattern)
			return "nothing follows its last '\\'";
		pattern++;
	}
	return pattern ? NULL : "nothing closes its '[' ('\\[' is the character)";
}

bool glob_match(const char *pattern, struct str s, char *text, size_t size)
{
	if (s.n >= size)
		return false;
	memcpy(text, s.n ? s.p : "", s.n);
	text[s.n] = '\0';
	return fnmatch(pattern, text, 0) == 0;
}
