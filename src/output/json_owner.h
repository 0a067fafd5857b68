/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose packet it is, as members of its object: made once per annotation, then kept. */
#ifndef OUTPUT_JSON_OWNER_H
#define OUTPUT_JSON_OWNER_H

#include "annotation.h"
#include "output/json_put.h"

struct json_owners;

struct json_owner {
	struct str members; /* ,"process":{...},"user":{...} and so on */
	struct str ours;    /* likewise, of "ptcpdump", where the common schema has no name */
};

struct json_owners_config {
	bool args, labels; /* see struct json_config */
};

/* NULL: out of memory. */
struct json_owners *json_owners_new(const struct json_owners_config *config);
/* Borrowed until the next call. */
struct json_owner json_owners_get(struct json_owners *o, const struct annotation *a);
/* The same, of one whose serial says nothing. */
struct json_owner json_owners_make(struct json_owners *o, const struct annotation *a);
/* Serials of another source follow. */
void json_owners_clear(struct json_owners *o);
void json_owners_free(struct json_owners *o);

#endif
