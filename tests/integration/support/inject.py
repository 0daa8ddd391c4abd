# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls made by another process: what it may do is shown by its doing it.

Not a debugger's hook in that process, but ptrace(2): the process is stopped where it waits for
something, its own thread makes the call, under its own seccomp filter, Landlock domain and
capabilities, and then it goes on to wait as if nothing had been. x86-64 only.
"""

import ctypes
import errno
import os
import platform
import signal

from support.wait import until

SYSCALL = b"\x0f\x05"
ATTACH, DETACH, SINGLESTEP, GETREGS, SETREGS = 16, 17, 9, 12, 13
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
         "fs_base gs_base ds es fs gs").split()
# As in asm/unistd_64.h
NUMBERS = {"read": 0, "open": 2, "close": 3, "ioctl": 16, "socket": 41, "connect": 42, "sendto": 44,
           "socketpair": 53, "setsockopt": 54, "clone": 56, "fork": 57, "execve": 59, "kill": 62, "fcntl": 72,
           "rename": 82, "mkdir": 83, "creat": 85, "unlink": 87, "symlink": 88, "chmod": 90,
           "ptrace": 101, "setuid": 105, "capset": 126, "prctl": 157, "chroot": 161, "mount": 165,
           "init_module": 175, "add_key": 248, "openat": 257, "unshare": 272,
           "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_writev": 311,
           "memfd_create": 319, "bpf": 321, "execveat": 322, "io_uring_setup": 425,
           "pidfd_open": 434, "openat2": 437, "pidfd_getfd": 438}


def is_possible():
    return platform.machine() == "x86_64"


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), f"ptrace {request} of {pid}")


class Inside:
    """with Inside(pid) as inside: inside.call("openat", -100, b"/etc/passwd", 0)"""

    def __init__(self, pid):
        self.pid = pid
        self.saved = Registers()

    def __enter__(self):
        until(self.stop, "it waits in a system call")
        return self

    def stop(self):
        ptrace(ATTACH, self.pid)
        try:
            self.wait(signal.SIGSTOP)
            ptrace(GETREGS, self.pid, ctypes.addressof(self.saved))
            # The instruction behind the call is where it goes on, which it may be about to do
            if self.saved.orig_rax >> 63 == 0 and self.memory(self.saved.rip - 2, size=2) == SYSCALL:
                return True
        except BaseException:
            ptrace(DETACH, self.pid)
            raise
        ptrace(DETACH, self.pid)
        return False

    def __exit__(self, *_):
        ptrace(SETREGS, self.pid, ctypes.addressof(self.saved))
        ptrace(DETACH, self.pid)

    def wait(self, expected):
        _, status = os.waitpid(self.pid, 0x40000000)  # __WALL
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == expected, hex(status)

    def memory(self, address, data=None, size=0):
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as f:
            f.seek(address)
            return f.write(data) if data is not None else f.read(size)

    def call(self, name, *arguments):
        """What the call returns: 0 or more, or a negative errno. Bytes are passed by address."""
        registers = Registers()
        ctypes.pointer(registers)[0] = self.saved
        # Below the red zone of the stack
        top = self.saved.rsp - 4096
        for register, argument in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments):
            if isinstance(argument, bytes):
                top -= (len(argument) + 16) & ~15
                self.memory(top, argument + b"\0")
                argument = top
            setattr(registers, register, argument & (1 << 64) - 1)
        registers.rax = NUMBERS[name]
        registers.orig_rax = (1 << 64) - 1  # or the kernel would begin the interrupted call again
        registers.rip = self.saved.rip - 2
        ptrace(SETREGS, self.pid, ctypes.addressof(registers))
        ptrace(SINGLESTEP, self.pid)
        self.wait(signal.SIGTRAP)
        ptrace(GETREGS, self.pid, ctypes.addressof(registers))
        assert registers.rip == self.saved.rip, "it went elsewhere"
        return ctypes.c_longlong(registers.rax).value

    def error(self, name, *arguments):
        """The name of the error that the call ends with, or "" if it is done."""
        result = self.call(name, *arguments)
        return errno.errorcode.get(-result, str(result)) if result < 0 else ""
