/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern-diag.h"

void kern_diag_clear(KernDiag *diag)
{
        if (!diag)
                return;
        free(diag->log);
        *diag = (KernDiag){0};
}

/* The length of the UTF-8 sequence at @s, or 0 where there is no valid one (overlong, surrogate…). */
static size_t utf8_length(const unsigned char *s)
{
        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xc2 && s[0] <= 0xdf)
                return (s[1] & 0xc0) == 0x80 ? 2 : 0;
        if (s[0] >= 0xe0 && s[0] <= 0xef) {
                if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
                        return 0;
                if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))
                        return 0;
                return 3;
        }
        if (s[0] >= 0xf0 && s[0] <= 0xf4) {
                if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
                        return 0;
                if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
                        return 0;
                return 4;
        }
        return 0;
}

char *kern_text_clean(char *text)
{
        unsigned char *p = (unsigned char *)text;

        while (*p) {
                size_t n = utf8_length(p);

                if (n == 0 || *p == 0x7f || (*p < 0x20 && *p != '\n' && *p != '\t')) {
                        *p++ = '?';
                        continue;
                }
                p += n;
        }
        return text;
}

int kern_fail(KernDiag *diag, int r, KernError error, const char *format, ...)
{
        va_list ap;
        size_t n;

        if (!diag || diag->error != KERN_ERROR_NONE)
                return r;

        diag->error = error;
        va_start(ap, format);
        vsnprintf(diag->message, sizeof(diag->message), format, ap);
        va_end(ap);
        kern_text_clean(diag->message);

        /* A sentence ends in a full stop; lines of a log end as the verifier ended them. */
        n = strlen(diag->message);
        if (n > 0 && n < sizeof(diag->message) - 1 && diag->message[n - 1] != '.' &&
            !strchr(diag->message, '\n'))
                memcpy(diag->message + n, ".", 2);
        return r;
}
