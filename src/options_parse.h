/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsers of the table of options that serve several rows, for options_table.c only: what they want is in the row. */
#ifndef OPTIONS_PARSE_H
#define OPTIONS_PARSE_H

#include "options_table.h"

/* The field that the row names. */
void *option_field(struct options *o, const struct option_desc *d);
/* The first action that is given wins. */
bool option_set_action(struct options *o, enum options_action action);

/* An option with its value. One that needs none may have "true" or "false", as with Go's flags; "false" takes back what was
 * given before. NULL: given without a value. */
int option_apply(struct options *o, const struct option_desc *d, const char *value);

/* An int: how often it was given. */
int parse_count(struct options *o, const struct option_desc *d, const char *arg);
/* The same for one that means more each time, whose value ("-v=2") is how often. */
int parse_repeat(struct options *o, const struct option_desc *d, const char *arg);
/* A bool. */
int parse_true(struct options *o, const struct option_desc *d, const char *arg);
int parse_ignored(struct options *o, const struct option_desc *d, const char *arg);
/* A const char *. */
int parse_string(struct options *o, const struct option_desc *d, const char *arg);
/* A struct str_list, to which the parts between commas are added. */
int parse_list(struct options *o, const struct option_desc *d, const char *arg);
/* A uint32_t, uint64_t or size_t: a number from min to max, times unit. */
int parse_number(struct options *o, const struct option_desc *d, const char *arg);
/* A struct u32_list of numbers from min to max. */
int parse_u32_list(struct options *o, const struct option_desc *d, const char *arg);
int parse_pid_list(struct options *o, const struct option_desc *d, const char *arg);
/* A const char *: the path of a unix socket, maybe with "unix://"; the second takes an address of TCP, too. */
int parse_socket(struct options *o, const struct option_desc *d, const char *arg);
int parse_docker(struct options *o, const struct option_desc *d, const char *arg);
/* An unsigned: which of the choices, from 1 on; without a value the first. */
int parse_choice(struct options *o, const struct option_desc *d, const char *arg);
/* A struct str_list, to which the value is added as it is. */
int parse_verbatim(struct options *o, const struct option_desc *d, const char *arg);
int parse_help(struct options *o, const struct option_desc *d, const char *arg); /* NULL or all */
int parse_action(struct options *o, const struct option_desc *d, const char *arg);
/* An unsigned: PROCESS_BLOCKS_*. */
int parse_process_blocks(struct options *o, const struct option_desc *d, const char *arg);

/* Of single rows (options_rows.c). */
int parse_name(struct options *o, const struct option_desc *d, const char *arg);
int parse_file_size(struct options *o, const struct option_desc *d, const char *arg);
int parse_direction(struct options *o, const struct option_desc *d, const char *arg);
int parse_snaplen(struct options *o, const struct option_desc *d, const char *arg);
int parse_precision(struct options *o, const struct option_desc *d, const char *arg);
int parse_tstamp_type(struct options *o, const struct option_desc *d, const char *arg);
int parse_link_type(struct options *o, const struct option_desc *d, const char *arg);
int parse_user(struct options *o, const struct option_desc *d, const char *arg);
int parse_read_file(struct options *o, const struct option_desc *d, const char *arg);
int parse_backend(struct options *o, const struct option_desc *d, const char *arg);
int parse_log_level(struct options *o, const struct option_desc *d, const char *arg);
int parse_context(struct options *o, const struct option_desc *d, const char *arg);
int parse_color(struct options *o, const struct option_desc *d, const char *arg);
int parse_completion(struct options *o, const struct option_desc *d, const char *arg);
int parse_unserved(struct options *o, const struct option_desc *d, const char *arg);
int parse_omit(struct options *o, const struct option_desc *d, const char *arg);

#endif
