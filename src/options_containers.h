/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsers of the options that ask for containers and pods, for the table of options. */
#ifndef OPTIONS_CONTAINERS_H
#define OPTIONS_CONTAINERS_H

#include "options_table.h"

/* All fields are a struct str_list. */
int parse_container_id(struct options *o, const struct option_desc *d, const char *arg);
/* Patterns between commas. */
int parse_patterns(struct options *o, const struct option_desc *d, const char *arg);
int parse_namespace(struct options *o, const struct option_desc *d, const char *arg);
int parse_compose(struct options *o, const struct option_desc *d, const char *arg);
/* KEY or KEY=PATTERN; several with commas between them stay one value. */
int parse_label(struct options *o, const struct option_desc *d, const char *arg);

#endif
