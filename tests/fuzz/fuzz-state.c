/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include "store-format.h"

/* Files that are damaged: what can be read can be written, and read again. */

static GKeyFile *again(GKeyFile *file)
{
        GKeyFile *copy = g_key_file_new();
        g_autofree char *text = NULL;
        size_t size;

        text = g_key_file_to_data(file, &size, NULL);
        must(g_key_file_load_from_data(copy, text, size, G_KEY_FILE_NONE, NULL));
        g_key_file_unref(file);
        return copy;
}

static void use_load(GKeyFile *file)
{
        g_autoptr(StoredLoad) stored = store_parse_load(file, 7, NULL), back = NULL;
        g_autoptr(GKeyFile) copy = NULL;

        if (!stored)
                return;
        must(stored->load->id == 7 && stored->load->application && stored->load->digest);
        for (guint i = 0; i < stored->programs->len; i++)
                must(g_array_index(stored->programs, StoredProgram, i).type != NULL);
        copy = again(store_format_load(stored->load));
        back = store_parse_load(copy, 7, NULL);
        must(back && back->load->owner == stored->load->owner);
}

static void use_link(GKeyFile *file)
{
        g_autoptr(Link) link = store_parse_link(file, 7, NULL), back = NULL;
        g_autoptr(GKeyFile) copy = NULL;

        if (!link)
                return;
        must(link->pub.id == 7 && link->hook.type && link->attachment.n_links <= KERN_LINKS_MAX);
        copy = again(store_format_link(link));
        back = store_parse_link(copy, 7, NULL);
        must(back && back->state == link->state && back->hook.given == link->hook.given);
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                must(kern_hook_number(&back->hook, (KernParam)i) ==
                     kern_hook_number(&link->hook, (KernParam)i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(GKeyFile) file = g_key_file_new();

        if (!g_key_file_load_from_data(file, (const char *)data, size, G_KEY_FILE_NONE, NULL))
                return 0;
        use_load(file);
        use_link(file);
        return 0;
}
