# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a worker must not be able to do, and what must not go wrong in it."""

import os
import signal
import struct
import subprocess

from support import bpf, daemon, objects
from support.case import MANAGER, PROGRAM, ROOT, Case, needs_attach, until
from support.daemon import status

NOBODY = "65534"


class Confined(Case):
    def waiting_inspector(self):
        """A worker that reads a pipe into which nobody writes."""
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        self.daemon.restart()
        self.bus.start(ROOT, MANAGER, "Inspect", "(h)", ours)
        pid, = until(self.daemon.busy_workers, "a worker has taken its role")
        return pid

    def test_inspecting_worker_is_nobody(self):
        state = status(self.waiting_inspector())
        self.assertEqual(state["Uid"].split(), [NOBODY] * 4)
        self.assertEqual(state["Gid"].split(), [NOBODY] * 4)
        self.assertEqual(state["Groups"], "")

    def test_inspecting_worker_ends_with_the_daemon(self):
        """Becoming somebody else has not undone that."""
        pid = self.waiting_inspector()
        self.daemon.end(signal.SIGKILL)
        until(lambda: not daemon.is_alive(pid), "the worker ends")


class Bytes(Case):
    def test_offset_stays_the_callers(self):
        """A file that isn't sealed is read from its beginning, and left where it was."""
        data = objects.read("packet_counter")
        with open("/tmp/object", "w+b") as f:
            f.write(data)
            f.seek(123)
            path, = self.bus.load(f.fileno())
            self.assertEqual(os.lseek(f.fileno(), 0, os.SEEK_CUR), 123)
        self.assertEqual(self.bus.get(path, PROGRAM, "Name"), "count_packets")
        os.unlink("/tmp/object")

    def test_pipe(self):
        ours, theirs = os.pipe()
        self.keep(ours)
        with os.fdopen(theirs, "wb") as f:
            f.write(objects.read("tracepoint"))
        self.assertEqual(len(self.bus.load(ours)), 2)


class Many(Case):
    """One message has room for 253 descriptors."""

    NAMES = [f"many_{letter}{digit}" for letter in "abcdefghijklmnopqrstuvwxy"
             for digit in range(10)]

    def test_as_many_programs_as_may_be(self):
        paths = self.load("many", self.NAMES[:248], log_level=1)
        self.assertEqual(len(set(paths)), 248)

    def test_one_more(self):
        with self.refused("LimitExceeded") as caught:
            self.load("many", self.NAMES[:249])
        self.assertIn("249 programs and 1 maps", caught.exception.message)

    def test_as_many_maps_as_may_be(self):
        path = self.load("tc", "tc_count")
        a_map, = self.bus.get(path, PROGRAM, "Maps")
        with self.refused("LimitExceeded"):
            self.load("tc", "tc_count", maps={f"hits{i}": a_map for i in range(65)})


class LongLogs(Case):
    NOTE = "; The beginning of this log was left out.\n"

    def check(self, fd):
        with os.fdopen(fd, "rb") as f:
            log = os.pread(f.fileno(), 1 << 24, 0).decode()
        self.assertTrue(log.startswith(self.NOTE), log[:100])
        self.assertLessEqual(len(log), (1 << 20) + len(self.NOTE))

    def test_refuses_nothing(self):
        for level in 0, 1, 2:
            path = self.load("long_log", "long_good", log_level=level)
            self.assertEqual(self.bus.get(path, PROGRAM, "Type"), "xdp")
        self.check(self.bus.program_log(path))

    def test_reason_is_the_verifiers(self):
        for level in 0, 2:
            with self.refused("VerifierRefused") as caught:
                self.load("long_log", "long_refused", log_level=level)
            self.assertIn("invalid access", caught.exception.message)
            self.check(self.bus.last_log())


class Forged(Case):
    """What polkit is asked for and a Link says is where the program is."""

    @needs_attach("tp_btf")
    def test_other_tracepoint(self):
        path = self.load("tp_btf", "tp_btf_fork")
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(path, tracepoint="sched_switch")
        self.assertIn("sched_process_fork", caught.exception.message)
        self.assertEqual(self.bus.list("Links"), {})
        self.bus.attach(path, tracepoint="sched_process_fork")

    def test_other_type(self):
        for kind in "fentry", "fexit", "lsm":
            with self.refused("TypeMismatch"):
                self.load("tp_btf", [("tp_btf_fork", kind)])


class Foreign(Case):
    def test_name_is_the_kernels(self):
        """The rest is in BTF of whoever loaded it, which the daemon doesn't parse."""
        pin = "/sys/fs/bpf/elsewhere"
        subprocess.run(["bpftool", "prog", "load", objects.path("long_name"), pin], check=True)
        self.addCleanup(os.unlink, pin)
        fd = self.keep(bpf.obj_get(pin))
        number = struct.unpack_from("=II", bpf.info(fd))[1]
        self.assertEqual(self.bus.get(f"{ROOT}/program/_{number}", PROGRAM, "Name"),
                         "a_program_with_")
