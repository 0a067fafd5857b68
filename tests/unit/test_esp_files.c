/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "output/esp_files.h"
#include "util/log.h"

static char folder[] = "/tmp/esp_files.XXXXXX";

static const char *path(const char *name)
{
	static char text[4][128];
	static unsigned n;
	char *p = text[n++ % 4];

	snprintf(p, sizeof(text[0]), "%s/%s", folder, name);
	return p;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path(name), "w");

	if (!f)
		abort();
	fputs(text, f);
	fclose(f);
}

static const char *text_of(const struct esp_files *files, const char *name)
{
	size_t size = 0;
	const char *p = esp_files_find(files, path(name), &size);
	static char text[256];

	if (!p)
		return NULL;
	snprintf(text, sizeof(text), "%.*s", (int)size, p);
	return text;
}

static int read_option(struct esp_files **files, const char *fmt)
{
	char option[256];

	snprintf(option, sizeof(option), fmt, folder);
	return esp_files_read(files, option);
}

static void test_named(void)
{
	struct esp_files *files;
	char more[256];

	put("a", "# comment\n0x1@10.0.0.1 aes:0x00,11");
	snprintf(more, sizeof(more), "#file /none\nFile\t%s/a\n\nfile %s/more\nfile %s/empty\n", folder, folder,
		 folder);
	put("more", more);
	put("empty", "");
	CHECK_INT(read_option(&files, "aes:0x00,FILE %s/more"), 0);
	CHECK_STR(text_of(files, "a"), "# comment\n0x1@10.0.0.1 aes:0x00,11\n");
	CHECK_STR(text_of(files, "empty"), "\n");
	CHECK(text_of(files, "more") != NULL);
	CHECK(!text_of(files, "none"));
	esp_files_free(files);
}

static void test_none(void)
{
	struct esp_files *files;

	CHECK_INT(esp_files_read(&files, "0x1@10.0.0.1 aes:0x00,file"), 0);
	CHECK(!files);
	CHECK(!text_of(NULL, "a"));
}

static void test_refused(void)
{
	struct esp_files *files;
	FILE *f;

	log_set_level(LOG_ERROR);
	CHECK_INT(read_option(&files, "file %s/none"), -ENOENT);
	CHECK_INT(read_option(&files, "file %s"), -EISDIR);
	put("next", "file /nonexistent\n");
	CHECK_INT(read_option(&files, "file %s/next"), -ENOENT);
	f = fopen(path("big"), "w");
	CHECK_INT(ftruncate(fileno(f), 2 << 20), 0);
	fclose(f);
	CHECK_INT(read_option(&files, "file %s/big"), -EFBIG);
	for (int i = 0; i < 20; i++) {
		char name[16], text[128];

		snprintf(name, sizeof(name), "n%d", i);
		snprintf(text, sizeof(text), "file %s/n%d\n", folder, i + 1);
		put(name, text);
	}
	CHECK_INT(read_option(&files, "file %s/n0"), -EMFILE);
}

/* What is said while f is run. */
static const char *said(void (*f)(void))
{
	static char text[16384];
	const int before = dup(STDERR_FILENO);
	FILE *to = tmpfile();
	size_t n;

	if (before < 0 || !to || dup2(fileno(to), STDERR_FILENO) < 0)
		abort();
	f();
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(to);
	n = fread(text, 1, sizeof(text) - 1, to);
	text[n] = '\0';
	fclose(to);
	return text;
}

static void read_hostile(void)
{
	struct esp_files *files;

	read_option(&files, "file %s/hostile");
}

/* A file may be a stranger's, and names others: one line, of bounded length, in which nothing moves the cursor, and the reason stays. */
static void test_hostile_name(void)
{
	char text[1100], *p = text + snprintf(text, sizeof(text),
					      "file /none/\x1b[2J\rptcpdump: all is well\xc2\x9b\xe2\x80\xae");
	const char *line;
	size_t n;

	log_set_level(LOG_ERROR);
	put("hostile", text);
	CHECK_STR(said(read_hostile),
		  "ptcpdump: esp_print_decode_onesecret: can't open "
		  "/none/\\x1b[2J\\rptcpdump: all is well\\xc2\\x9b\\xe2\\x80\\xae: No such file or directory\n");
	/* as long as a line may be */
	for (; p < text + 1000; p++)
		*p = p - text == 500 ? '/' : p - text < 300 ? '\x01' : 'x';
	strcpy(p, "\n");
	put("hostile", text);
	line = said(read_hostile);
	n = strlen(line);
	CHECK(n > 0 && n < 4096);
	CHECK(strchr(line, '\n') == line + n - 1 && !strchr(line, '\x01'));
	CHECK(strstr(line, ": No such file") || strstr(line, ": File name too long"));
}

/* A line that is longer than the library takes: the rest is a line. */
static void test_long_line(void)
{
	char text[1200];
	struct esp_files *files;

	memset(text, 'x', sizeof(text));
	snprintf(text + 1022, sizeof(text) - 1022, "file %s/a\n", folder);
	put("long", text);
	CHECK_INT(read_option(&files, "file %s/long"), 0);
	CHECK(text_of(files, "a") != NULL);
	esp_files_free(files);
}

int main(void)
{
	char command[128];

	if (!mkdtemp(folder))
		return 1;
	RUN(test_named);
	RUN(test_none);
	RUN(test_refused);
	RUN(test_hostile_name);
	RUN(test_long_line);
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command) ? 1 : check_status();
}
