/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kern-value.h"

/*
 * Values for the variables of a hostile object: two bytes say how long its BTF is, what comes behind
 * that is the value. Variables have exactly their size, so that a byte too far is noticed.
 */

#define VARIABLE_MAX 4096
#define VALUES_MAX 512

typedef struct Input {
        const uint8_t *data;
        size_t size;
        const struct btf *btf;
        KernValue pool[VALUES_MAX];
        size_t n_pool;
        char text[16][16];
        size_t n_text;
} Input;

static uint8_t next(Input *in)
{
        if (in->size == 0)
                return 0;
        in->size--;
        return *in->data++;
}

static uint64_t next_number(Input *in)
{
        uint64_t n = 0;

        for (int i = next(in) % 9; i > 0; i--)
                n = n << 8 | next(in);
        return n;
}

/* Text of the BTF's own, or what is in the input. */
static const char *next_text(Input *in)
{
        uint8_t how = next(in);
        const char *own = btf__name_by_offset(in->btf, (uint32_t)next_number(in));
        char *text = in->text[in->n_text % 16];

        if (how % 2 == 0 && own)
                return own;
        in->n_text++;
        for (size_t i = 0; i < 15; i++)
                text[i] = (char)next(in);
        text[15] = '\0';
        return text;
}

static KernValue next_value(Input *in, unsigned depth)
{
        KernValue v = {.kind = (KernValueKind)(next(in) % (KERN_VALUE_MEMBERS + 1))};
        size_t n;

        switch (v.kind) {
        case KERN_VALUE_BYTES:
                n = next(in);
                v.bytes.data = in->data;
                v.bytes.size = n < in->size ? n : in->size;
                break;
        case KERN_VALUE_BOOLEAN:
                v.boolean = next(in) % 2;
                break;
        case KERN_VALUE_NEGATIVE:
                v.negative = -1 - (int64_t)(next_number(in) >> 1);
                break;
        case KERN_VALUE_UNSIGNED:
                v.number = next_number(in);
                break;
        case KERN_VALUE_REAL:
                v.real = (double)next_number(in) / 3;
                break;
        case KERN_VALUE_TEXT:
                v.text = next_text(in);
                break;
        case KERN_VALUE_LIST:
        case KERN_VALUE_MEMBERS:
                n = depth > 0 ? next(in) % 32 : 0;
                if (n > VALUES_MAX - in->n_pool)
                        n = VALUES_MAX - in->n_pool;
                v.list.values = &in->pool[in->n_pool];
                v.list.n = n;
                in->n_pool += n;
                for (size_t i = 0; i < n; i++) {
                        v.list.values[i] = next_value(in, depth - 1);
                        v.list.values[i].name = next_text(in);
                }
                break;
        }
        return v;
}

static void try_variable(const struct btf *btf, uint32_t type, const KernValue *value)
{
        int64_t size = btf__resolve_size(btf, type);
        KernDiag diag = {0};
        char text[64];
        uint8_t *memory;
        int r;

        if (size < 0 || size > VARIABLE_MAX)
                size = VARIABLE_MAX;
        memory = calloc(1, (size_t)size + 1);
        must(memory);
        /* A byte before it that isn't the variable's, and its end is the memory's. */
        r = kern_value_write(btf, type, "x", value, memory + 1, (size_t)size, &diag);
        must((r < 0) == (diag.error != KERN_ERROR_NONE));
        must(memory[0] == 0);
        kern_value_format(btf, type, memory + 1, (size_t)size, text, sizeof(text));
        must(strlen(text) < sizeof(text));
        kern_value_type_name(btf, type, text, sizeof(text));
        must(strlen(text) < sizeof(text));
        kern_diag_clear(&diag);
        free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static Input in;
        struct btf *btf;
        KernValue value;
        size_t n;

        if (size < 2)
                return 0;
        n = (size_t)data[0] | (size_t)data[1] << 8;
        if (n > size - 2)
                return 0;
        libbpf_set_print(NULL);
        btf = btf__new(data + 2, (uint32_t)n);
        if (!btf)
                return 0;
        in = (Input){.data = data + 2 + n, .size = size - 2 - n, .btf = btf};
        value = next_value(&in, 6);
        for (uint32_t id = 0; id < btf__type_cnt(btf); id++)
                try_variable(btf, id, &value);
        btf__free(btf);
        return 0;
}
