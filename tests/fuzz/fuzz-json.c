/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <glib.h>
#include <string.h>

#include "json-parse.h"
#include "json.h"

/* JSON of the command line: what is taken can be written, and is the same when it is read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = g_strndup((const char *)data, size), *error = NULL;
        g_autoptr(GVariant) value = json_parse(text, &error), back = NULL;
        g_autoptr(GString) out = NULL;

        must(!value == !!error);
        if (!value)
                return 0;
        must(g_variant_is_normal_form(value) && !g_variant_is_floating(value));
        out = g_string_new(NULL);
        json_append(out, value, false, 0);
        back = json_parse(out->str, &error);
        must(back);
        /* 1e3 is written 1000, which is another type. */
        if (!strpbrk(text, ".eE"))
                must(g_variant_equal(value, back));
        return 0;
}
