/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

#include "bus-objects.h"

/* A path that is taken is the one that would be printed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *path = strndup((const char *)data, size), printed[BUS_PATH_MAX];

        for (int kind = 0; kind < _BUS_KIND_MAX; kind++) {
                uint32_t id = 0;

                if (bus_path_parse(path, (BusKind)kind, &id))
                        must(id != 0 && strcmp(bus_path((BusKind)kind, id, printed), path) == 0);
        }
        free(path);
        return 0;
}
