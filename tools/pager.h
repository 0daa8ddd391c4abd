/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Standard output through a pager, as systemctl does it. */
typedef struct Pager {
        pid_t pid; /* 0: none */
} Pager;

/* From now on stdout goes into $PAGER, or less; where neither can be had it stays as it is. */
void pager_open(Pager *pager);

/* Waits until the reader has left it. */
void pager_close(Pager *pager);
