/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "static-probe.h"

/*
 * What uprobes go into: calls target_add() once for every line it reads, and says the result. Not
 * static and never inlined, so that the function is there to be found.
 *
 * Static probes: bpfkeeper:line at every line, with its number, a negative one of two bytes in memory, and
 * a constant; bpfkeeper:result at two places, and where nobody is interested in it the program does
 * without it.
 */
STATIC_PROBE_BASE();
STATIC_PROBE_SEMAPHORE(target_result_semaphore);

/* Operands as the machine's assembler has them. */
#if defined(__aarch64__)
#define AT_2(REGISTER) "[" REGISTER ", 2]"
#define FIVE "5"
#else
#define AT_2(REGISTER) "2(" REGISTER ")"
#define FIVE "$5"
#endif

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

static void say(int lines)
{
        short below[] = {0, (short)-lines};
        int result = target_twice(lines);

        STATIC_PROBE("bpfkeeper", "line", "0", "-4@%[lines] -2@" AT_2("%[below]") " 8@" FIVE,
                     [lines] "r"(lines), [below] "r"(below), "m"(below));
        if (target_result_semaphore && result < 5)
                STATIC_PROBE("bpfkeeper", "result", "target_result_semaphore",
                             "-4@%[result]", [result] "r"(result));
        else if (target_result_semaphore)
                STATIC_PROBE("bpfkeeper", "result", "target_result_semaphore",
                             "-4@%[result] -4@%[lines]", [result] "r"(result), [lines] "r"(lines));
        printf("%d\n", result);
}

int main(void)
{
        int c, lines = 0;

        setvbuf(stdout, NULL, _IOLBF, 0);
        while ((c = getchar()) != EOF)
                if (c == '\n')
                        say(++lines);
        return 0;
}
