/* SPDX-License-Identifier: BSD-3-Clause */
/* The files that -E names ("file NAME"): read before any privilege is given up, since keys are often root's. */
#ifndef OUTPUT_ESP_FILES_H
#define OUTPUT_ESP_FILES_H

#include <stddef.h>

struct esp_files;

/* secrets: of -E. Files may name files. NULL: it names none. -errno, logged as tcpdump words it. */
int esp_files_read(struct esp_files **ret, const char *secrets);
/* What a file holds, which ends in a line feed; NULL: it is not one of them. */
const char *esp_files_find(const struct esp_files *files, const char *name, size_t *size);
void esp_files_free(struct esp_files *files);

#endif
