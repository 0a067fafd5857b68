/* SPDX-License-Identifier: BSD-3-Clause */
/* The types that relocations name, in a BTF of their own. */
#include <bpf/btf.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/kernel_btf.h"

enum {
	ROOTS_MAX = 128,
	NAME_STARTS = 256,
	/* struct btf_decl_tag and btf_enum64, which headers before Linux 6.0 lack */
	DECL_TAG_SIZE = 4,
	ENUM64_SIZE = 12,
};

/* struct bpf_core_relo, which headers before Linux 5.17 lack. */
struct relocation {
	uint32_t insn_off, type_id, access_str_off, kind;
};

/* BTF that is read. */
struct source {
	struct source *base; /* the kernel's, whose types and strings those of a module follow; NULL: none before */
	struct str types, strings;
	uint32_t strings_from;
	uint32_t first, n; /* numbers of types */
	uint32_t *at;	   /* their offsets */
	uint32_t *copy;	   /* their numbers in the subset; 0: not in there */
};

struct root {
	struct str name; /* without flavour: what follows "___" */
	bool found;
};

struct queued {
	struct source *source;
	uint32_t i; /* of source->at */
};

struct subset {
	struct root roots[ROOTS_MAX];
	size_t n_roots;
	struct kernel_btf_type *numbered;
	size_t n_numbered;
	bool starts[NAME_STARTS]; /* of the names of both */
	struct buf types, strings, queue;
	uint32_t n;	 /* types that have a number */
	size_t n_copied; /* of these */
	int err;
};

/* NULL: it ends before. */
static const void *at(struct str s, size_t offset, size_t size)
{
	return offset > s.n || size > s.n - offset ? NULL : s.p + offset;
}

/* A part of s, which is empty if it does not lie inside. */
static struct str part(struct str s, size_t offset, size_t size)
{
	const char *p = at(s, offset, size);

	return p ? (struct str){ p, (uint32_t)size } : (struct str){ 0 };
}

/* Bytes of a type; 0: of a kind that we do not know. */
static size_t type_size(const struct btf_type *t)
{
	const size_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG: return sizeof(*t);
	case BTF_KIND_INT: return sizeof(*t) + sizeof(uint32_t);
	case BTF_KIND_VAR: return sizeof(*t) + sizeof(struct btf_var);
	case BTF_KIND_DECL_TAG: return sizeof(*t) + DECL_TAG_SIZE;
	case BTF_KIND_ARRAY: return sizeof(*t) + sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION: return sizeof(*t) + n * sizeof(struct btf_member);
	case BTF_KIND_ENUM: return sizeof(*t) + n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64: return sizeof(*t) + n * ENUM64_SIZE;
	case BTF_KIND_FUNC_PROTO: return sizeof(*t) + n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC: return sizeof(*t) + n * sizeof(struct btf_var_secinfo);
	default: return 0;
	}
}

static const struct btf_type *type_at(const struct source *s, uint32_t i)
{
	return (const void *)(s->types.p + s->at[i]);
}

static void source_done(struct source *s)
{
	free(s->at);
	free(s->copy);
}

static int source_index(struct source *s)
{
	size_t offset = 0;

	s->at = malloc((s->types.n / sizeof(struct btf_type) + 1) * sizeof(*s->at));
	if (!s->at)
		return -ENOMEM;
	while (offset < s->types.n) {
		const struct btf_type *t = at(s->types, offset, sizeof(*t));
		const size_t size = t ? type_size(t) : 0;

		if (!size || !at(s->types, offset, size))
			return -EBADMSG;
		s->at[s->n++] = (uint32_t)offset;
		offset += size;
	}
	s->copy = calloc(s->n + 1, sizeof(*s->copy));
	return s->copy ? 0 : -ENOMEM;
}

static int source_open(struct source *s, struct str data, struct source *base)
{
	const struct btf_header *h = at(data, 0, sizeof(*h));

	*s = (struct source){ .base = base, .first = 1 };
	if (!h || h->magic != BTF_MAGIC || h->version != BTF_VERSION)
		return -EBADMSG;
	if (base) {
		s->first = base->first + base->n;
		s->strings_from = base->strings.n;
	}
	s->types = part(data, (size_t)h->hdr_len + h->type_off, h->type_len);
	s->strings = part(data, (size_t)h->hdr_len + h->str_off, h->str_len);
	if (!s->types.p || !s->strings.n || s->strings.p[s->strings.n - 1] != '\0' || (h->hdr_len | h->type_off) % 4)
		return -EBADMSG;
	return source_index(s);
}

static const char *source_string(const struct source *s, uint32_t offset)
{
	if (s->base && offset < s->strings_from)
		return source_string(s->base, offset);
	offset -= s->strings_from;
	return offset < s->strings.n ? s->strings.p + offset : "";
}

static uint8_t name_start(const char *name)
{
	return (uint8_t)(name[0] ? name[0] * 31 + name[1] : 0);
}

static void root_add(struct subset *s, const char *name)
{
	const char *flavour = strstr(name, "___");
	const size_t n = flavour ? (size_t)(flavour - name) : strlen(name);

	if (n == 0)
		return;
	for (size_t i = 0; i < s->n_roots; i++) {
		if (s->roots[i].name.n == n && memcmp(s->roots[i].name.p, name, n) == 0)
			return;
	}
	if (s->n_roots == ROOTS_MAX) {
		s->err = -E2BIG;
		return;
	}
	s->starts[name_start(name)] = true;
	s->roots[s->n_roots++].name = (struct str){ name, (uint32_t)n };
}

static bool elf_section(struct str elf, const char *name, struct str *ret)
{
	const Elf64_Ehdr *h = at(elf, 0, sizeof(*h));
	const Elf64_Shdr *all = h ? at(elf, h->e_shoff, h->e_shnum * sizeof(*all)) : NULL;
	struct str names;

	if (!all || h->e_shstrndx >= h->e_shnum)
		return false;
	names = part(elf, all[h->e_shstrndx].sh_offset, all[h->e_shstrndx].sh_size);
	for (size_t i = 0; i < h->e_shnum; i++) {
		const char *has = at(names, all[i].sh_name, strlen(name) + 1);

		if (has && strcmp(has, name) == 0) {
			*ret = part(elf, all[i].sh_offset, all[i].sh_size);
			return ret->p;
		}
	}
	return false;
}

/* A list for each section of the object: its name, how many, and these. */
static void roots_read(struct subset *s, const struct source *local, struct str relocations)
{
	const uint32_t *size = at(relocations, 0, sizeof(*size)), *section;
	size_t offset = sizeof(*size);

	while (size && *size >= sizeof(struct relocation) &&
	       (section = at(relocations, offset, 2 * sizeof(*section)))) {
		offset += 2 * sizeof(*section);
		for (uint32_t i = 0; i < section[1]; i++, offset += *size) {
			const struct relocation *r = at(relocations, offset, sizeof(*r));

			if (!r || r->type_id < local->first || r->type_id - local->first >= local->n) {
				s->err = -EBADMSG;
				return;
			}
			root_add(s, source_string(local, type_at(local, r->type_id - local->first)->name_off));
		}
	}
}

static int roots_find(struct subset *s, struct str elf)
{
	/* struct btf_ext_header, which libbpf keeps for itself. */
	struct {
		uint16_t magic;
		uint8_t version, flags;
		uint32_t header, func_off, func_len, line_off, line_len, relocation_off, relocation_len;
	} const *h;
	struct str btf, ext;
	struct source local;
	int err;

	if (!elf_section(elf, ".BTF", &btf) || !elf_section(elf, ".BTF.ext", &ext))
		return -EBADMSG;
	h = at(ext, 0, sizeof(*h));
	err = source_open(&local, btf, NULL);
	if (!err && (!h || h->header < sizeof(*h)))
		err = -EBADMSG;
	if (!err)
		roots_read(s, &local, part(ext, (size_t)h->header + h->relocation_off, h->relocation_len));
	source_done(&local);
	return err ? err : s->err;
}

/* Its number in the subset, where it will be copied. */
static uint32_t want(struct subset *s, struct source *source, uint32_t id)
{
	struct queued q;

	if (id == 0)
		return 0;
	if (id < source->first)
		source = source->base;
	if (!source || id - source->first >= source->n) {
		s->err = -EBADMSG;
		return 0;
	}
	q = (struct queued){ source, id - source->first };
	if (!source->copy[q.i]) {
		source->copy[q.i] = ++s->n;
		buf_put(&s->queue, &q, sizeof(q));
	}
	return source->copy[q.i];
}

static uint32_t copy_name(struct subset *s, const struct source *source, uint32_t offset)
{
	const uint32_t ret = (uint32_t)s->strings.len;
	const char *name = offset ? source_string(source, offset) : "";

	if (!*name)
		return 0;
	buf_put(&s->strings, name, strlen(name) + 1);
	return ret;
}

static void copy_members(struct subset *s, struct source *source, const struct btf_member *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct btf_member copy = { copy_name(s, source, m[i].name_off), want(s, source, m[i].type),
						 m[i].offset };

		buf_put(&s->types, &copy, sizeof(copy));
	}
}

static void copy_array(struct subset *s, struct source *source, const struct btf_array *a)
{
	const struct btf_array copy = { want(s, source, a->type), want(s, source, a->index_type), a->nelems };

	buf_put(&s->types, &copy, sizeof(copy));
}

/* Values of enums keep their names. */
static void copy_values(struct subset *s, const struct source *source, const char *values, size_t n, size_t each)
{
	for (size_t i = 0; i < n; i++, values += each) {
		uint32_t name;

		memcpy(&name, values, sizeof(name));
		name = copy_name(s, source, name);
		buf_put(&s->types, &name, sizeof(name));
		buf_put(&s->types, values + sizeof(name), each - sizeof(name));
	}
}

static void copy_type(struct subset *s, struct source *source, const struct btf_type *t)
{
	const size_t n = BTF_INFO_VLEN(t->info);
	struct btf_type copy = *t;

	copy.name_off = copy_name(s, source, t->name_off);
	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_PTR: copy.type = 0; break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG: copy.type = want(s, source, t->type); break;
	default: break;
	}
	buf_put(&s->types, &copy, sizeof(copy));
	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION: copy_members(s, source, (const void *)(t + 1), n); break;
	case BTF_KIND_ARRAY: copy_array(s, source, (const void *)(t + 1)); break;
	case BTF_KIND_ENUM: copy_values(s, source, (const void *)(t + 1), n, sizeof(struct btf_enum)); break;
	case BTF_KIND_ENUM64: copy_values(s, source, (const void *)(t + 1), n, ENUM64_SIZE); break;
	case BTF_KIND_INT: buf_put(&s->types, t + 1, sizeof(uint32_t)); break;
	case BTF_KIND_FUNC:
	case BTF_KIND_FUNC_PROTO:
	case BTF_KIND_VAR:
	case BTF_KIND_DATASEC:
	case BTF_KIND_DECL_TAG: s->err = -EBADMSG; break; /* no part of a type but behind pointers */
	default: break;
	}
}

/* What libbpf may take for the one that a program means: it has the same name, but for a flavour. */
static struct root *root_named(struct subset *s, const char *name)
{
	for (size_t i = 0; i < s->n_roots; i++) {
		const size_t n = s->roots[i].name.n;

		if (strncmp(name, s->roots[i].name.p, n) == 0 && (!name[n] || strncmp(name + n, "___", 3) == 0))
			return &s->roots[i];
	}
	return NULL;
}

static bool can_be_root(const struct btf_type *t)
{
	const unsigned kind = BTF_INFO_KIND(t->info);

	return t->name_off && (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == BTF_KIND_ENUM ||
			       kind == BTF_KIND_ENUM64 || kind == BTF_KIND_TYPEDEF || kind == BTF_KIND_INT);
}

static void take_number(struct subset *s, const struct btf_type *t, const char *name, uint32_t id)
{
	for (size_t i = 0; i < s->n_numbered; i++) {
		struct kernel_btf_type *n = &s->numbered[i];

		if (!n->id && n->kind == BTF_INFO_KIND(t->info) && strcmp(n->name, name) == 0)
			n->id = id;
	}
}

/* skip: roots that were found before. */
static void copy_roots(struct subset *s, struct source *source, const bool skip[ROOTS_MAX])
{
	for (uint32_t i = 0; i < source->n; i++) {
		const struct btf_type *t = type_at(source, i);
		const char *name = t->name_off ? source_string(source, t->name_off) : "";
		struct root *root;

		if (!s->starts[name_start(name)])
			continue;
		if (!source->base)
			take_number(s, t, name, source->first + i);
		root = can_be_root(t) ? root_named(s, name) : NULL;
		if (root && !skip[root - s->roots]) {
			root->found = true;
			want(s, source, source->first + i);
		}
	}
	while (!s->err && s->n_copied * sizeof(struct queued) < s->queue.len) {
		struct queued q;

		memcpy(&q, s->queue.p + s->n_copied++ * sizeof(q), sizeof(q));
		copy_type(s, q.source, type_at(q.source, q.i));
	}
}

static int copy_file(struct subset *s, const char *folder, const char *name, struct source *base,
		     const bool skip[ROOTS_MAX])
{
	struct kernel_btf_data data;
	struct source module;
	char path[PATH_MAX];
	int err;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	err = kernel_btf_read(&data, path);
	if (err)
		return err;
	err = source_open(&module, (struct str){ data.p, (uint32_t)data.size }, base);
	if (!err)
		copy_roots(s, &module, skip);
	source_done(&module);
	kernel_btf_done(&data);
	return err ? err : s->err;
}

/* What the kernel itself lacks may be in modules. One that cannot be read is as one that is not there. */
static int copy_modules(struct subset *s, const char *folder, struct source *base)
{
	bool skip[ROOTS_MAX], all = true;
	struct dirent *d;
	DIR *dir;

	for (size_t i = 0; i < s->n_roots; i++) {
		skip[i] = s->roots[i].found;
		all = all && skip[i];
	}
	dir = all ? NULL : opendir(folder);
	while (dir && !s->err && (d = readdir(dir))) {
		if (d->d_name[0] != '.' && strcmp(d->d_name, "vmlinux") != 0)
			copy_file(s, folder, d->d_name, base, skip);
	}
	if (dir)
		closedir(dir);
	return s->err;
}

static int copy_kernel(struct subset *s, const char *folder)
{
	static const bool none[ROOTS_MAX];
	struct kernel_btf_data data;
	struct source kernel;
	char path[PATH_MAX];
	int err;

	if (snprintf(path, sizeof(path), "%s/vmlinux", folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	err = kernel_btf_read(&data, path);
	if (err)
		return err;
	err = source_open(&kernel, (struct str){ data.p, (uint32_t)data.size }, NULL);
	if (!err) {
		copy_roots(s, &kernel, none);
		err = copy_modules(s, folder, &kernel);
	}
	source_done(&kernel);
	kernel_btf_done(&data);
	return err ? err : s->err;
}

static int save(const struct subset *s)
{
	const struct btf_header h = {
		.magic = BTF_MAGIC,
		.version = BTF_VERSION,
		.hdr_len = sizeof(h),
		.type_len = (uint32_t)s->types.len,
		.str_off = (uint32_t)s->types.len,
		.str_len = (uint32_t)s->strings.len,
	};
	struct buf all = { 0 };
	int fd = memfd_create("kernel-btf", MFD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	buf_put(&all, &h, sizeof(h));
	buf_put(&all, s->types.p, s->types.len);
	buf_put(&all, s->strings.p, s->strings.len);
	err = buf_flush(&all, fd, NULL, NULL);
	buf_done(&all);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static struct subset subset_of(struct kernel_btf_type *types, size_t n)
{
	struct subset s = { .numbered = types, .n_numbered = n };

	for (size_t i = 0; i < n; i++)
		s.starts[name_start(types[i].name)] = true;
	return s;
}

int kernel_btf_numbers(const char *folder, struct kernel_btf_type *types, size_t n)
{
	struct subset s = subset_of(types, n);

	return copy_kernel(&s, folder);
}

int kernel_btf_subset(const char *folder, const void *elf, size_t size, struct kernel_btf_type *types, size_t n)
{
	struct subset s = subset_of(types, n);
	int ret = roots_find(&s, (struct str){ elf, (uint32_t)size });

	buf_putc(&s.strings, '\0');
	if (!ret)
		ret = copy_kernel(&s, folder);
	if (!ret)
		ret = save(&s);
	buf_done(&s.types);
	buf_done(&s.strings);
	buf_done(&s.queue);
	return ret;
}
