/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/static_functions.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdint.h>

/*
 * Where libbpf knows of no way, it changes the types in place, too: of all functions for old kernels, and of those whose
 * symbols are hidden, which is decided when the object is compiled.
 */
void functions_make_static(const struct bpf_object *obj)
{
	const struct btf *btf = bpf_object__btf(obj);

	for (uint32_t i = 1; btf && i < btf__type_cnt(btf); i++) {
		struct btf_type *t = (struct btf_type *)(uintptr_t)btf__type_by_id(btf, i);

		if (btf_is_func(t) && BTF_INFO_VLEN(t->info) == BTF_FUNC_GLOBAL)
			t->info = (uint32_t)BTF_KIND_FUNC << 24 | BTF_FUNC_STATIC;
	}
}
