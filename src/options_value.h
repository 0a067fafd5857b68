/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of options: numbers and lists. Nothing is logged here. */
#ifndef OPTIONS_VALUE_H
#define OPTIONS_VALUE_H

#include "options.h"

/* The whole of s is a decimal number from min to max, else -EINVAL. */
int parse_int(const char *s, int64_t min, int64_t max, int64_t *ret);
void str_list_add(struct str_list *l, const char *s, size_t n);
/* Adds the parts of s between commas. -EINVAL: a part is empty, or not a number from min to max. */
int str_list_split(struct str_list *l, const char *s);
void u32_list_add(struct u32_list *l, uint32_t n);
int u32_list_split(struct u32_list *l, const char *s, uint32_t min, uint32_t max);
void str_list_done(struct str_list *l);
void u32_list_done(struct u32_list *l);
/* word is one of words, which are separated by single spaces. */
bool word_in(const char *words, const char *word);

#endif
