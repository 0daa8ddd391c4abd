/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-attach.h"

/* A cgroup hierarchy of the test's own, mounted while a group of tests runs; "": there can be none. */
static char cgroup_root[] = "/tmp/bpfkeeper-cgroup-XXXXXX";

static inline int mount_cgroups(void **state)
{
        (void)state;
        if (!mkdtemp(cgroup_root)) {
                cgroup_root[0] = '\0';
        } else if (mount("cgroup2", cgroup_root, "cgroup2", 0, NULL) < 0) {
                rmdir(cgroup_root);
                cgroup_root[0] = '\0';
        }
        return 0;
}

static inline int unmount_cgroups(void **state)
{
        if (cgroup_root[0] != '\0') {
                umount2(cgroup_root, MNT_DETACH);
                rmdir(cgroup_root);
        }
        return clear_diag(state);
}
