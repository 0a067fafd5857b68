/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Debian 13's libelf.a (elfutils 0.192) asks for two functions of libeu.a, which is in no package. They make and free the
 * tree of elf_getdata_rawchunk(), which nobody here calls, so that it stays empty. Weak: real ones win.
 */

struct search_tree;

void eu_search_tree_init(struct search_tree *tree);
void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *));

__attribute__((weak)) void eu_search_tree_init(struct search_tree *tree)
{
}

__attribute__((weak)) void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *))
{
}
