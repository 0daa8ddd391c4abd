# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that isn't there until a test says so: a system call that reads it waits in the kernel meanwhile."""

import ctypes
import fcntl
import mmap
import os
import platform
import select
import struct

from support.wait import PATIENCE

SYS_USERFAULTFD = {"x86_64": 323, "aarch64": 282, "riscv64": 282}[platform.machine()]
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_ZEROPAGE = 0xc018aa3f, 0xc020aa00, 0xc020aa04
MISSING = 1


class Missing:
    """with Missing() as missing: missing.memory is a page for others to read; come() has it there."""

    def __init__(self):
        # Whoever waits for one that blocks is told at once that there is something
        self.fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_USERFAULTFD,
                                                            os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self.memory = mmap.mmap(-1, mmap.PAGESIZE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        fcntl.ioctl(self.fd, UFFDIO_API, struct.pack("=QQQ", 0xaa, 0, 0))
        self._ask(UFFDIO_REGISTER, MISSING)

    def _ask(self, request, mode):
        fcntl.ioctl(self.fd, request, struct.pack("=QQQQ", self.address, mmap.PAGESIZE, mode, 0))

    def __enter__(self):
        return self

    def asked(self):
        """Returns when somebody waits for it."""
        ready, _, _ = select.select([self.fd], [], [], PATIENCE)
        assert ready, "nobody reads it"

    def come(self):
        """Also for who waits already."""
        if self.fd >= 0:
            self._ask(UFFDIO_ZEROPAGE, 0)
            os.close(self.fd)
            self.fd = -1

    def __exit__(self, *_):
        self.come()
