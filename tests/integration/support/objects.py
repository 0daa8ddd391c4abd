# SPDX-License-Identifier: LGPL-2.1-or-later
"""Object files for Load(): those of tests/programs, and what can be made of them."""

import fcntl
import os
import random
import string

PROGRAMS = os.environ.get("BPFKEEPER_BUILD", "build") + "/tests/programs"

# What the machine has of other test runs goes by the same names; these are nobody else's
ALPHABET = string.ascii_lowercase


def path(name):
    return f"{PROGRAMS}/{name}.bpf.o"


# The kernel knows a congestion control by its name, and all of these tests on a machine know one kernel
CONGESTION = "test" + "".join(random.choices(ALPHABET, k=10))


def read(name):
    with open(path(name), "rb") as f:
        data = f.read()
    return data.replace(b"bpfkeeper_slow", CONGESTION.encode()) if name == "struct_ops" else data


def sealed(data, seals=fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK):
    """A memfd with data that can't change."""
    fd = os.memfd_create("object", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def renamed(data, head):
    """The object with other names in place of those that begin so, and how they begin now.

    Only a name's head can change: its tail may be stored as part of another.
    """
    new = "".join(random.choices(ALPHABET, k=len(head)))
    assert head.encode() in data
    return data.replace(head.encode(), new.encode()), new
