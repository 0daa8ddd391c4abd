/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* More programs than can be loaded at a time: many_a0 to many_y9, 250 of them. */

#define ONE(name)                                 \
        SEC("tracepoint") int name(void *context) \
        {                                         \
                count(0);                         \
                return 0;                         \
        }

#define TEN(name)    \
        ONE(name##0) \
        ONE(name##1) \
        ONE(name##2) \
        ONE(name##3) \
        ONE(name##4) \
        ONE(name##5) \
        ONE(name##6) \
        ONE(name##7) \
        ONE(name##8) \
        ONE(name##9)

TEN(many_a)
TEN(many_b)
TEN(many_c)
TEN(many_d)
TEN(many_e)
TEN(many_f)
TEN(many_g)
TEN(many_h)
TEN(many_i)
TEN(many_j)
TEN(many_k)
TEN(many_l)
TEN(many_m)
TEN(many_n)
TEN(many_o)
TEN(many_p)
TEN(many_q)
TEN(many_r)
TEN(many_s)
TEN(many_t)
TEN(many_u)
TEN(many_v)
TEN(many_w)
TEN(many_x)
TEN(many_y)
