/* SPDX-License-Identifier: BSD-3-Clause */
#include "options_value.h"

#include <errno.h>
#include <ptcpdump/event.h>
#include <stdlib.h>
#include <unistd.h>

/* The command line is read before anything else: without memory for it there is nothing to do. */
static void *grow(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (!p) {
		log_error("out of memory");
		_exit(EXIT_FAILURE);
	}
	return p;
}

int parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	int64_t n;

	if (strspn(s, "-0123456789") != strlen(s))
		return -EINVAL;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (end == s || *end != '\0' || errno || n < min || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

void str_list_add(struct str_list *l, const char *s, size_t n)
{
	l->v = grow(l->v, l->n + 2, sizeof(*l->v));
	l->v[l->n] = grow(NULL, n + 1, 1);
	memcpy(l->v[l->n], s, n);
	l->v[l->n][n] = '\0';
	l->v[++l->n] = NULL;
}

int str_list_split(struct str_list *l, const char *s)
{
	for (;;) {
		size_t n = strcspn(s, ",");

		if (n == 0)
			return -EINVAL;
		str_list_add(l, s, n);
		if (s[n] == '\0')
			return 0;
		s += n + 1;
	}
}

void u32_list_add(struct u32_list *l, uint32_t n)
{
	l->v = grow(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = n;
}

int u32_list_split(struct u32_list *l, const char *s, uint32_t min, uint32_t max)
{
	struct str_list words = { 0 };
	int err = str_list_split(&words, s);
	int64_t n;

	for (size_t i = 0; i < words.n && !err; i++) {
		err = parse_int(words.v[i], min, max, &n);
		if (!err)
			u32_list_add(l, (uint32_t)n);
	}
	str_list_done(&words);
	return err;
}

int pid_list_split(struct u32_list *l, const char *s, uint32_t max)
{
	static const char mark[] = PID_OUTSIDE_MARK;
	const size_t n = sizeof(mark) - 1;
	struct str_list words = { 0 };
	int err = str_list_split(&words, s);
	int64_t pid;

	for (size_t i = 0; i < words.n && !err; i++) {
		const size_t len = strlen(words.v[i]);
		const bool outside = len > n && strcmp(words.v[i] + len - n, mark) == 0;

		if (outside)
			words.v[i][len - n] = '\0';
		err = parse_int(words.v[i], 1, max, &pid);
		if (!err)
			u32_list_add(l, (uint32_t)pid | (outside ? PID_OUTSIDE : 0));
	}
	str_list_done(&words);
	return err;
}

void str_list_done(struct str_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct str_list){ 0 };
}

void u32_list_done(struct u32_list *l)
{
	free(l->v);
	*l = (struct u32_list){ 0 };
}

bool word_in(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (*words) {
		size_t n = strcspn(words, " ");

		if (n == len && memcmp(words, word, n) == 0)
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}
