/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Global variables of every shape; a packet's first byte says which of them the answer is about. */

enum mode {
        MODE_OFF,
        MODE_ON = 7,
        MODE_MAX = 2000000000,
};

enum level {
        LEVEL_LOW = -3,
        LEVEL_HIGH = 3,
};

enum wide {
        WIDE_ONE = 1,
        WIDE_MANY = 0x100000000ULL,
};

typedef __u8 address[6];

struct limits {
        __u32 rate;
        __s16 burst;
};

struct config {
        struct limits limits[2];
        enum mode mode;
        _Bool enabled;
        char name[8];
        address mac;
        union {
                __u32 v4;
                __u8 v6[16];
        };
        union {
                __u64 number;
                char text[8];
        } either;
        __u32 low : 3, middle : 17;
        __s32 high : 12;
        enum mode narrow : 4;
        const void *pointer;
};

const volatile __u8 small = 1;
const volatile __s8 negative = -1;
const volatile __u64 large = 1;
const volatile __s64 deep = -1;
const volatile _Bool flag;
const volatile char letter = 'x';
const volatile enum mode mode = MODE_ON;
const volatile enum level level = LEVEL_LOW;
const volatile enum wide wide = WIDE_ONE;
const volatile double real = 1.5;
const volatile float half = 0.5;
const volatile __int128 huge = 1;
const volatile char comm[16] = "unset";
const volatile address mac;
const volatile __u16 table[2][3];
const volatile char words[2][4];
struct config config = {
        .limits = {{1, -1}, {2, -2}},
        .mode = MODE_ON,
        .name = "before",
        .low = 5,
        .middle = 70000,
        .high = -2000,
};
const volatile __u32 which;

SEC("xdp")
int values_answer(struct xdp_md *ctx)
{
        const __u8 *data = (void *)(long)ctx->data;

        if ((void *)(data + 1) > (void *)(long)ctx->data_end)
                return -1;
        switch (*data) {
        case 0:
                return small + negative;
        case 1:
                return (int)(large >> 32);
        case 2:
                return (int)deep;
        case 3:
                return flag;
        case 4:
                return letter;
        case 5:
                return (int)mode;
        case 6:
                return (int)level;
        case 7:
                return (int)(wide >> 32);
        case 8:
                return comm[0] << 8 | comm[15];
        case 9:
                return mac[0] << 8 | mac[5];
        case 10:
                return table[1][2];
        case 11:
                return words[1][0] << 8 | words[1][3];
        case 12:
                return (int)config.limits[1].rate + config.limits[1].burst;
        case 13:
                return (int)config.limits[0].rate + config.limits[0].burst;
        case 14:
                return config.enabled << 8 | config.name[0];
        case 15:
                return config.mac[5] << 8 | config.v6[0];
        case 16:
                return (int)config.either.number;
        case 17:
                return config.low;
        case 18:
                return config.middle;
        case 19:
                return config.high;
        case 20:
                return config.narrow;
        case 21:
                return (int)config.mode;
        case 22:
                return *(volatile const __u32 *)&half == 0x3f000000
                               ? 1
                               : (int)*(const volatile __u64 *)&real;
        case 23:
                return (int)huge;
        case 24:
                return config.pointer ? 1 : 0;
        default:
                return (int)which;
        }
}
