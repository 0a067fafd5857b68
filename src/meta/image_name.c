/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/image_name.h"

static const char registry[] = IMAGE_REGISTRY "/", official[] = IMAGE_OFFICIAL "/", usual_tag[] = ":latest";

/* Up to c, or all of it. */
static uint32_t length_to(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? (uint32_t)(at - s.p) : s.n;
}

/* As Docker tells it from the first folder of a path; 0: there is none. Its slash counts. */
static uint32_t registry_length(struct str s)
{
	const struct str first = { s.p, length_to(s, '/') };
	const bool host = length_to(first, '.') < first.n || length_to(first, ':') < first.n ||
			  str_eq(first, str_of("localhost"));

	return first.n < s.n && host ? first.n + 1 : 0;
}

/* Of a name without its digest; its own length: it has no tag. */
static uint32_t tag_at(struct str s)
{
	const char *slash = s.n ? memrchr(s.p, '/', s.n) : NULL;
	const uint32_t path = slash ? (uint32_t)(slash - s.p) : 0;

	return path + length_to((struct str){ s.p + path, s.n - path }, ':');
}

static bool begins(struct str s, const char *with, size_t n)
{
	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static void put(struct str *to, char *text, const char *p, size_t n)
{
	memcpy(text + to->n, p, n);
	to->n += (uint32_t)n;
}

static struct str write_full(struct str image, char *text)
{
	const struct str plain = { image.p, length_to(image, '@') };
	struct str full = { text, 0 };

	if (!registry_length(image)) {
		put(&full, text, registry, sizeof(registry) - 1);
		if (length_to(plain, '/') == plain.n)
			put(&full, text, official, sizeof(official) - 1);
	}
	put(&full, text, image.p, image.n);
	if (plain.n == image.n && tag_at(plain) == plain.n)
		put(&full, text, usual_tag, sizeof(usual_tag) - 1);
	return full;
}

/* "docker.io/nginx:1": so are official ones written, too. */
static struct str write_brief(struct str full, char *text)
{
	const size_t skipped = sizeof(registry) - 1 + sizeof(official) - 1;
	struct str brief = { text, 0 };

	put(&brief, text, registry, sizeof(registry) - 1);
	put(&brief, text, full.p + skipped, full.n - skipped);
	return brief;
}

bool image_name_parse(struct image_name *name, struct str image, char text[IMAGE_NAME_MAX])
{
	const size_t longest = IMAGE_NAME_MAX / 2 - sizeof(registry) - sizeof(official) - sizeof(usual_tag);
	struct str path;
	uint32_t start, end;

	if (!image.n || image.n > longest)
		return false;
	*name = (struct image_name){ .full = write_full(image, text), .nstarts = 1, .nends = 1 };
	start = registry_length(name->full);
	name->starts[name->nstarts++] = start;
	path = (struct str){ name->full.p + start, name->full.n - start };
	if (begins(name->full, registry, sizeof(registry) - 1) && begins(path, official, sizeof(official) - 1)) {
		name->starts[name->nstarts++] = start + (uint32_t)sizeof(official) - 1;
		name->brief = write_brief(name->full, text + name->full.n);
	}
	name->ends[0] = name->full.n;
	end = length_to(name->full, '@');
	if (end < name->full.n)
		name->ends[name->nends++] = end;
	end = tag_at((struct str){ name->full.p, end });
	if (end < name->ends[name->nends - 1])
		name->ends[name->nends++] = end;
	return true;
}

bool image_name_form(const struct image_name *name, unsigned i, struct str *form)
{
	const unsigned nparts = name->nstarts * name->nends;
	uint32_t start, end;

	if (i >= nparts) {
		if (!name->brief.p || i - nparts >= name->nends)
			return false;
		*form = (struct str){ name->brief.p, name->brief.n - (name->full.n - name->ends[i - nparts]) };
		return true;
	}
	start = name->starts[i % name->nstarts];
	end = name->ends[i / name->nstarts];
	*form = (struct str){ name->full.p + start, end > start ? end - start : 0 };
	return true;
}
