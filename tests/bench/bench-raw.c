/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <bpf/libbpf.h>

void raw_load(const Object *object, Raw *ret)
{
        struct bpf_program *program;

        ret->link = NULL;
        ret->object = bpf_object__open_mem(object->data, object->size, NULL);
        if (!ret->object)
                die("libbpf can't open the object");
        bpf_object__for_each_program(program, ret->object)
                bpf_program__set_autoload(program, false);
        program = bpf_object__find_program_by_name(ret->object, PROGRAM_NAME);
        if (!program)
                die("the object has no program " PROGRAM_NAME);
        bpf_program__set_autoload(program, true);
        check(bpf_object__load(ret->object), "libbpf can't load", NULL);
}

void raw_attach(Raw *raw)
{
        raw->link =
                bpf_program__attach(bpf_object__find_program_by_name(raw->object, PROGRAM_NAME));
        if (!raw->link)
                die("libbpf can't attach");
}

void raw_detach(Raw *raw)
{
        check(bpf_link__destroy(raw->link), "libbpf can't detach", NULL);
        raw->link = NULL;
}

void raw_unload(Raw *raw)
{
        bpf_object__close(raw->object);
        raw->object = NULL;
}
