# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running service's workers try what they must not be able to do."""

import contextlib
import ctypes
import os
import signal
import socket
import struct

from support import daemon
from support.case import MANAGER, ROOT, Case, needs_attach, until
from support.inject import Inside, is_possible

AT_FDCWD = -100
READ, WRITE, CREATE, DIRECTORY = os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREAT, os.O_DIRECTORY
REFUSED = ("EPERM", "EACCES")
SO_LOCK_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF = 44, 50, 52

# Somebody's, everybody's, the service's own; to look at, to change, to make
FILES = (("/etc/passwd", READ), ("/etc/shadow", READ), ("/usr/libexec/bpfkeeperd", READ),
         ("/", READ | DIRECTORY), ("/home", READ | DIRECTORY), ("/proc/1/environ", READ),
         ("/run/bpfkeeper/lock", READ), ("/run/bpfkeeper/next-id", WRITE),
         ("/run/bpfkeeper/loads/1", CREATE), ("/sys/fs/bpf/bpfkeeper", READ | DIRECTORY),
         ("/sys/fs/bpf/x", CREATE), ("/sys/fs/cgroup", READ | DIRECTORY), ("/tmp/x", CREATE),
         ("/dev/null", WRITE), ("/dev/zero", READ), ("/proc/self/oom_score_adj", WRITE),
         ("/proc/sys/kernel/core_pattern", WRITE), ("/proc/sysrq-trigger", WRITE))

# What libbpf reads where a program is loaded or attached, and no inspecting worker does
KERNEL_FILES = (("/sys/kernel/btf/vmlinux", READ), ("/proc/self/status", READ),
                ("/proc/sys/kernel/osrelease", READ))

SOCKETS = ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_DGRAM),
           (socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_PACKET, socket.SOCK_RAW),
           (socket.AF_VSOCK, socket.SOCK_STREAM))

BUS_ADDRESS = b"\1\0/run/dbus/system_bus_socket\0"

# What else would lead out of it
OTHERS = (("execve", b"/bin/true", 0, 0), ("execveat", AT_FDCWD, b"/bin/true", 0, 0, 0), ("fork",),
          ("clone", signal.SIGCHLD, 0, 0, 0, 0), ("ptrace", 16, 1, 0, 0), ("kill", 1, 0),
          ("mount", b"x", b"/tmp", b"tmpfs", 0, 0), ("unshare", 0x20000), ("chroot", b"/"),
          ("setuid", 0), ("mkdir", b"/tmp/x", 0o755), ("unlink", b"/run/bpfkeeper/lock"),
          ("rename", b"/run/bpfkeeper/lock", b"/tmp/x"), ("symlink", b"/", b"/tmp/x"),
          ("chmod", b"/etc/passwd", 0o777), ("init_module", b"x", 1, b""), ("pidfd_open", 1, 0),
          ("process_vm_writev", 1, 0, 0, 0, 0, 0), ("io_uring_setup", 1, b"\0" * 120),
          ("add_key", b"user", b"x", b"x", 1, -2), ("open_by_handle_at", AT_FDCWD, b"\0" * 32, 0),
          ("fcntl", 3, 8, 1))  # F_SETOWN: have the kernel signal process 1


def has_landlock():
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) > 0


class Confinement(Case):
    def setUp(self):
        if not is_possible():
            self.skipTest("how to call into another process is known for x86-64 only")
        super().setUp()

    @contextlib.contextmanager
    def inside(self, pid):
        with Inside(pid) as inside:
            self.assertEqual(inside.call("memfd_create", b"x", 1) >= 0, True, "nothing works there")
            yield inside
        until(lambda: daemon.rests(pid), "it goes on")

    def held(self, begin):
        """The worker that begin() finds. The daemon is held, which ends a worker that has had nothing to
        do for some seconds."""
        def hold():
            found = begin()
            pid = self.daemon.pid()
            daemon.stop(pid)
            if found and daemon.is_alive(found):
                self.addCleanup(daemon.kill, pid, signal.SIGCONT)
                return found
            daemon.kill(pid, signal.SIGCONT)
            return None
        return until(hold, "a worker is there when it is looked for")

    def inspecting(self):
        """A worker that reads what nobody writes."""
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        self.daemon.restart()
        self.bus.start(ROOT, MANAGER, "Inspect", "(h)", ours)
        return until(self.daemon.busy_workers, "a worker has taken its role")[0]

    def loading(self):
        """One that has loaded a program and waits for more of the same user's."""
        self.daemon.restart()
        self.load("tc")
        return next(iter(self.daemon.busy_workers()), None)

    def attaching(self):
        self.daemon.restart()
        program = self.load("tracepoint", "tracepoint_fork")
        before = self.daemon.busy_workers()
        self.bus.attach(program)
        return next((w for w in self.daemon.busy_workers() if w not in before), None)

    def assert_files_are_out_of_reach(self, inside, files):
        for path, flags in files:
            if flags & CREATE != CREATE and not os.path.exists(path):
                continue
            for call in (("openat", AT_FDCWD, path.encode(), flags, 0o600),
                         ("open", path.encode(), flags, 0o600),
                         ("openat2", AT_FDCWD, path.encode(), flags.to_bytes(24, "little"), 24)):
                self.assertIn(inside.error(*call), REFUSED, f"{call[0]} {path}")

    def assert_no_way_out(self, inside):
        for family, kind in SOCKETS:
            self.assertIn(inside.error("socket", family, kind, 0), REFUSED, family.name)
        # On the one socket that it has, too, be it stream or of another kind
        self.assertIn(inside.error("connect", 3, BUS_ADDRESS, len(BUS_ADDRESS)), REFUSED)
        for call in OTHERS:
            self.assertIn(inside.error(*call), REFUSED, call[0])
        # What is made here stays by the daemon's will only: no BPF_OBJ_PIN
        self.assertIn(inside.error("bpf", 6, b"\0" * 128, 128), REFUSED)

    def assert_state(self, pid, capabilities, nobody=False):
        state = daemon.status(pid)
        self.assertEqual(state["NoNewPrivs"], "1")
        self.assertEqual(state["Seccomp"], "2")
        self.assertEqual(int(state["CapEff"], 16), capabilities)
        self.assertEqual(int(state["CapPrm"], 16), capabilities)
        self.assertEqual(int(state["CapInh"], 16), 0)
        self.assertEqual(int(state["CapAmb"], 16), 0)
        self.assertEqual(state["Uid"].split(), ["65534" if nobody else "0"] * 4)
        with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as f:
            self.assertEqual(f.read().strip(), "500")

    NET_ADMIN, SYS_ADMIN, PERFMON, BPF = 1 << 12, 1 << 21, 1 << 38, 1 << 39

    def test_inspecting_worker(self):
        pid = self.held(self.inspecting)
        self.assert_state(pid, 0, nobody=True)
        with self.inside(pid) as inside:
            self.assert_files_are_out_of_reach(inside, FILES + KERNEL_FILES)
            self.assert_no_way_out(inside)
            self.assertIn(inside.error("socket", socket.AF_NETLINK, socket.SOCK_RAW, 0), REFUSED)
            for command in range(40):
                self.assertIn(inside.error("bpf", command, b"\0" * 128, 128), REFUSED)
            self.assertIn(inside.error("perf_event_open", b"\0" * 128, 0, -1, -1, 0), REFUSED)

    def test_loading_worker(self):
        pid = self.held(self.loading)
        self.assert_state(pid, self.BPF | self.PERFMON | self.NET_ADMIN)
        if not has_landlock():
            self.skipTest("this kernel has no Landlock, so what isn't written to can be read")
        with self.inside(pid) as inside:
            self.assert_files_are_out_of_reach(inside, FILES)
            self.assert_no_way_out(inside)
            self.assertIn(inside.error("socket", socket.AF_NETLINK, socket.SOCK_RAW, 0), REFUSED)
            # What was parsed here attaches nothing and takes no object by its id
            for command in (7, 8, 9, 13, 14, 17, 19, 28, 29, 30):
                self.assertIn(inside.error("bpf", command, b"\0" * 128, 128), REFUSED, command)
            self.assertEqual(inside.error("openat", AT_FDCWD, b"/proc/sys/kernel/osrelease", READ), "")
            for path, _ in KERNEL_FILES:
                self.assertIn(inside.error("openat", AT_FDCWD, path.encode(), WRITE), REFUSED, path)

    @needs_attach("tracepoint")
    def test_attaching_worker(self):
        pid = self.held(self.attaching)
        self.assert_state(pid, self.BPF | self.PERFMON | self.NET_ADMIN | self.SYS_ADMIN)
        if not has_landlock():
            self.skipTest("this kernel has no Landlock, so what isn't written to can be read")
        with self.inside(pid) as inside:
            self.assert_files_are_out_of_reach(inside, FILES)
            self.assert_no_way_out(inside)
            # No program comes to be where one is attached
            self.assertIn(inside.error("bpf", 5, b"\0" * 128, 128), REFUSED)
            # A socket that it was given, as 3 was, is given a program, which 3 is not, and nothing else is
            # set of it
            three = struct.pack("=i", 3)
            for option in SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF:
                self.assertEqual(inside.error("setsockopt", 3, socket.SOL_SOCKET, option, three, 4), "EINVAL")
            for level, option in ((socket.SOL_SOCKET, SO_LOCK_FILTER),
                                  (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                                  (socket.IPPROTO_IP, socket.IP_TOS),
                                  (socket.IPPROTO_TCP, socket.TCP_NODELAY)):
                self.assertIn(inside.error("setsockopt", 3, level, option, three, 4), REFUSED)

    def test_the_way_of_asking_makes_no_difference(self):
        """A worker that has no role yet, and has read nobody's bytes, can; and all go on afterwards."""
        def both():
            pid = self.loading()
            self.spare, = until(lambda: set(self.daemon.workers()) - {pid}, "a spare one is there")
            return pid
        pid = self.held(both)
        spare = self.spare
        with self.inside(spare) as inside:
            fd = inside.call("openat", AT_FDCWD, b"/etc/passwd", READ)
            self.assertGreater(fd, 3)
            self.assertEqual(inside.error("close", fd), "")
        with self.inside(pid) as inside:
            self.assertIn(inside.error("openat", AT_FDCWD, b"/etc/passwd", READ), REFUSED)
        daemon.kill(self.daemon.running(), signal.SIGCONT)
        self.load("tc")
