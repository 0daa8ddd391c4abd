/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

/*
 * What uprobes go into: calls target_add() once for every line it reads, and says the result. Not
 * static and never inlined, so that the function is there to be found.
 */
int target_add(int a, int b);
int target_twice(int a);

__attribute__((noinline)) int target_add(int a, int b)
{
        __asm__ volatile("");
        return a + b;
}

__attribute__((noinline)) int target_twice(int a)
{
        return target_add(a, a);
}

int main(void)
{
        int c, lines = 0;

        setvbuf(stdout, NULL, _IOLBF, 0);
        while ((c = getchar()) != EOF)
                if (c == '\n')
                        printf("%d\n", target_twice(++lines));
        return 0;
}
