/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * For who links libelf statically. The libelf.a of elfutils 0.192, Debian 13's, calls these two
 * functions of elfutils' own helper library, which is in libelf.so, but not in libelf.a. They make and
 * clear an index of what elf_getdata_rawchunk() has given out. Whoever called that would need more
 * of the library, and the linker would say so; without it there is nothing to do: libelf has the
 * index zeroed, which is empty.
 */

void eu_search_tree_init(void *tree);
void eu_search_tree_fini(void *tree, void (*free_node)(void *));

__attribute__((weak)) void eu_search_tree_init(void *tree)
{
        (void)tree;
}

__attribute__((weak)) void eu_search_tree_fini(void *tree, void (*free_node)(void *))
{
        (void)tree;
        (void)free_node;
}
