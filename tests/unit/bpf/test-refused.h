/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-util.h"

/* Loads that are to fail. */

/* Why the last object wasn't loaded; its log, if it has one, until clear_refused(). */
static KernDiag refusal;

static inline void expect_refused(const char *file, const KernLoadOptions *options, KernError error,
                                  const char *word)
{
        KERN_AUTO_CLOSE int fd = open_program(file);
        KernObject *object = NULL;
        int r;

        kern_diag_clear(&refusal);
        r = kern_object_load(fd, options, &object, &refusal);
        assert_null(object);
        assert_true(r < 0 && r > -4096);
        if (refusal.error != error || !strstr(refusal.message, word))
                fail_msg("%s: wanted %d and \"%s\", got %d (%d): %s", file, error, word,
                         refusal.error, r, refusal.message);
}

/* For cmocka, after all tests */
static inline int clear_refused(void **state)
{
        (void)state;
        kern_diag_clear(&refusal);
        return 0;
}
