/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <limits.h>
#include <string.h>

#include "kern-attach.h"

/* A section name, which an object's author chose, for its own type and for every other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *section = strndup((const char *)data, size);
        const KernType *says = kern_type_from_section(section);

        for (const KernType *type = kern_types; type->name; type++) {
                KernHook hook = KERN_HOOK_INIT;
                char target[PATH_MAX] = "";
                KernDiag diag = {0};
                int r;

                hook.type = type;
                r = kern_hook_complete(&hook, section, target, sizeof(target), &diag);
                must(memchr(target, '\0', sizeof(target)));
                must(memchr(hook.tracepoint, '\0', sizeof(hook.tracepoint)));
                must(memchr(hook.function, '\0', sizeof(hook.function)));
                must(hook.type == type && hook.target_fd == -1 && hook.cgroup_fd == -1);
                if (r < 0)
                        must(diag.error != KERN_ERROR_NONE);
                else
                        (void)kern_hook_check(&hook, &diag);
                if (type == says)
                        must(kern_type_section_rest(type, section));
                kern_diag_clear(&diag);
        }
        free(section);
        return 0;
}
