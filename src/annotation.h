/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who a packet belongs to, and the table of what may be told about it. Whoever keeps, compares, saves, reads, shows or
 * selects annotations goes by the table: a new member is one row there, and one place that fills it.
 */
#ifndef ANNOTATION_H
#define ANNOTATION_H

#include <ptcpdump/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/str.h"

#define ANNOT_SOURCE "src"
#define ANNOT_DESTINATION "dst"
/* Stands for the name of a process of which only its id is known. */
#define ANNOT_UNKNOWN "-"

struct process_desc {
	uint32_t pid;
	struct str cmd;	 /* executable path (or comm when the path is unknown) */
	struct str args; /* joined by one space; cut ones end in "..." */
	/* Absent where they say nothing new: process_desc_name() and process_desc_comm() always know. */
	struct str name; /* what the process was started as, when that is not the base name of cmd */
	struct str comm; /* what it calls itself, when that is not its name, cut at COMM_MAX */
};

enum { COMM_MAX = EVENT_COMM_LEN - 1 };

struct container_desc {
	struct str id, name, image, labels; /* labels: JSON object text, keys sorted */
};

struct pod_desc {
	struct str name, namespace, uid, labels, annotations; /* the last two: JSON object text */
};

enum annotation_bit {
	ANNOT_PROCESS = 1 << 0,
	ANNOT_THREAD = 1 << 1,
	ANNOT_USER = 1 << 2,
	ANNOT_PARENT = 1 << 3,
	ANNOT_CONTAINER = 1 << 4,
	ANNOT_POD = 1 << 5,
	ANNOT_PEER = 1 << 6, /* the process at the other end, when local too */
	/* The peer's names and ids. */
	ANNOT_PEER_CONTAINER = 1 << 7,
	ANNOT_PEER_POD = 1 << 8,
	ANNOT_PEER_USER = 1 << 9,
	ANNOT_ANCESTORS = 1 << 10,
	ANNOT_PEER_ANCESTORS = 1 << 11,
	/* What else may be asked for of the peer's container and pod. */
	ANNOT_PEER_IMAGE = 1 << 12,
	ANNOT_PEER_POD_LABELS = 1 << 13,
	ANNOT_END = 1 << 14,	   /* the owner is not at the end that the packet's direction tells */
	ANNOT_EFFECTIVE = 1 << 15, /* on whose behalf the owner acts: files of macOS tell it */
	ANNOT_ALL = (1 << 16) - 1,
};

/*
 * Ready to print or save. Immutable once delivered; strings are raw bytes (outputs escape them). Two annotations with
 * the same serial are identical, so outputs may cache what they made of one by its serial; serial 0 is never used.
 * Every member from process on has a row in the table.
 */
struct annotation {
	uint64_t serial;
	unsigned has; /* ANNOT_* : which of the following are set */
	uint64_t
		start; /* when the process began, ns since the epoch, 0 unknown: not told, but by blocks of processes */
	struct process_desc process;
	uint32_t tid;
	struct str thread;
	uint32_t uid;
	struct str user; /* name, p == NULL unknown */
	struct process_desc parent;
	struct str ancestors; /* what the process comes from, as of its beginning: meta/ancestry.h */
	struct container_desc container;
	struct pod_desc pod;
	struct process_desc peer;
	uint32_t peer_uid;
	struct str peer_user; /* name, p == NULL unknown */
	struct container_desc peer_container;
	struct pod_desc peer_pod;
	struct str peer_ancestors;
	struct process_desc effective;
	struct str end; /* ANNOT_SOURCE or ANNOT_DESTINATION: see annot_owner_sends() */
};

enum annot_kind {
	FIELD_U32,
	FIELD_PID, /* a number too, of a process or thread, with PID_OUTSIDE perhaps */
	FIELD_STR,
	FIELD_CMD,     /* a string too, cmd of a struct process_desc: the short text shows the name of the process */
	FIELD_JSON,    /* a string too, the text of a JSON object */
	FIELD_IGNORED, /* no member: written by the older program, passed over when read */
};

/* Rows of one bit that stand side by side are one comment of a pcapng packet and share one part of the short text. */
struct annot_field {
	unsigned bit; /* ANNOT_* of its group */
	enum annot_kind kind;
	size_t offset;	   /* into struct annotation */
	const char *key;   /* in a comment, NULL: neither saved nor read */
	const char *alias; /* also read, never written; NULL none */
	/* Neither saved nor shown when it is empty, and alone it does not make its group present when read. */
	bool optional;
	const char *label; /* in the group's line with -v, NULL: not shown there */
	unsigned brief;	   /* 1, 2: its place in the short text, 0: not shown there */
	const char *json;  /* name in the Elastic Common Schema, NULL: it has none */
};

/* Which end of the packet a group is about. */
enum annot_role {
	ROLE_OWNER,
	ROLE_PARENT, /* of the owner */
	ROLE_PEER,
	ROLE_PEER_PARENT,
	ROLES,
};

/* What lies at a group's offset. */
enum annot_desc {
	DESC_OTHER,	/* no option selects packets by it */
	DESC_PROCESS,	/* struct process_desc */
	DESC_ANCESTORS, /* struct str */
	DESC_USER,	/* uint32_t, its number */
	DESC_CONTAINER, /* struct container_desc */
	DESC_POD,	/* struct pod_desc */
};

struct annot_group {
	unsigned bit;
	const char *word; /* of --context; several groups may share one */
	enum annot_role role;
	enum annot_desc desc;
	size_t offset;	   /* into struct annotation */
	const char *title; /* of its line with -v, NULL: it has none */
	const char *brief; /* title in the short text, NULL: not in its list */
};

enum { ANNOT_FIELDS_MAX = 64 }; /* readers keep a bit for each */

/* A parameter of all that goes by the table, so that a test can show what one more row does. */
struct annot_schema {
	const struct annot_group *groups; /* in the order of --context's words */
	size_t ngroups;
	const struct annot_field *fields; /* in the order in which they are saved and shown */
	size_t nfields;
	size_t size; /* of the struct that offset is into; it starts as struct annotation does */
};

struct annot_run {
	const struct annot_field *start, *end;
};

extern const struct annot_schema annotation_schema;
/* The words of --context, separated by single spaces. */
extern const char annotation_words[];

static inline bool annot_is_string(const struct annot_field *f)
{
	return f->kind == FIELD_STR || f->kind == FIELD_CMD || f->kind == FIELD_JSON;
}

/* Whether it is there to be saved and shown, given that its group is. */
bool annot_is_told(const struct annotation *a, const struct annot_field *f);

static inline uint32_t annot_u32(const struct annotation *a, const struct annot_field *f)
{
	uint32_t v;

	memcpy(&v, (const char *)a + f->offset, sizeof(v));
	return v;
}

static inline struct str annot_str(const struct annotation *a, const struct annot_field *f)
{
	struct str s;

	memcpy(&s, (const char *)a + f->offset, sizeof(s));
	return s;
}

/*
 * Whether the owner is the packet's source, and so the peer its destination: as the direction has it, EVENT_DIR_*, that of what
 * comes in is the destination's, unless the annotation says otherwise.
 */
bool annot_owner_sends(const struct annotation *a, uint8_t dir);

/* The name of an executable: the base name of its path. */
struct str process_desc_program(const struct process_desc *p);
struct str process_desc_name(const struct process_desc *p);
struct str process_desc_comm(const struct process_desc *p);
/* Sets name and comm, which p then borrows as far as they say something new. */
void process_desc_set_names(struct process_desc *p, struct str name, struct str comm);

/* The rows of f's group that stand side by side from f on; none when f is the end of the table. */
struct annot_run annot_run_from(const struct annot_schema *s, const struct annot_field *f);
/* NULL: no group has that bit. */
const struct annot_group *annot_group_of(const struct annot_schema *s, unsigned bit);
/* The ANNOT_* bits that a word of --context stands for; 0: it is none. */
unsigned annot_context(const struct annot_schema *s, const char *word);

/* Behind the pids of processes outside of the pid namespace that all others are of. */
#define PID_OUTSIDE_MARK "@host"
enum { PID_LIMIT = 4194304 }; /* the kernel's largest, PID_MAX_LIMIT */

void annot_put_pid(struct buf *b, uint32_t pid);
/* Its reverse. */
bool annot_parse_pid(struct str s, uint32_t *ret);
/* Nothing but digits, and blanks behind them. */
bool annot_parse_u32(struct str s, uint32_t *ret);
/* The text of a FIELD_U32 or FIELD_PID, as it is shown and saved. */
void annot_put_number(struct buf *b, const struct annotation *a, const struct annot_field *f);

/* Bytes that all strings take one behind the other, at least 1: an empty string is not an absent one. */
size_t annot_strings_size(const struct annot_schema *s, const struct annotation *a);
/* Copies all strings to that much space and lets a borrow them there. */
void annot_strings_move(const struct annot_schema *s, struct annotation *a, char *to);
/* Lets a, whose strings somebody else moved, borrow them from where they are now. */
void annot_strings_place(const struct annot_schema *s, struct annotation *a, const char *at);
/* All fields are the same, whatever serial and has say. */
bool annot_same(const struct annot_schema *s, const struct annotation *a, const struct annotation *b);

#endif
