/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

/* Compares a string that is the caller's, and frees it. */
static inline void assert_text(char *text, const char *expected)
{
        g_autofree char *owned = text;

        assert_string_equal(owned, expected);
}
