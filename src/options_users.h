/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef OPTIONS_USERS_H
#define OPTIONS_USERS_H

#include "options_table.h"

/* Numbers from min to max into uids, names into users. */
int parse_users(struct options *o, const struct option_desc *d, const char *arg);
/* Live, the numbers of the names are added to uids; else saved_users is made. 0, or negative with a message written. */
int options_find_users(struct options *o);
/* Of the expression's terms, into term_users; likewise. */
int options_find_term_users(struct options *o);
void options_users_done(struct options *o);

#endif
