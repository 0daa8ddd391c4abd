# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a caller might try, and that it ends in an error and not in what he was after."""

import os
import struct
import subprocess

from support import bpf
from support.bus import ROOT, Fd
from support.case import Case
from support.hooks import TARGET
from support.net import ip

ARRAY = 2
PROG_ARRAY = 3
SOCKMAP = 15


def u32(n):
    return struct.pack("=I", n)


def path_of(fd):
    return f"{ROOT}/map/_{struct.unpack_from('=II', bpf.info(fd))[1]}"


class Descriptors(Case):
    """The kernel takes some values for descriptors: the service's own, if it wrote them."""

    def refuse_update(self, kind):
        fd = self.keep(bpf.map_create(kind, 4, 8 if kind == SOCKMAP else 4, 64))
        self.allow("alice", "map.read", "map.write")
        for n in range(3, 40):
            with self.refused("NotSupported"):
                self.alice.update(path_of(fd), u32(0), u32(n) * (2 if kind == SOCKMAP else 1))
        for n in range(64):
            self.assert_no_entry(fd, n)

    def assert_no_entry(self, fd, n):
        with self.assertRaises(OSError):
            bpf.map_lookup(fd, u32(n), 8)

    def test_sockets(self):
        self.refuse_update(SOCKMAP)

    def test_programs(self):
        self.refuse_update(PROG_ARRAY)

    def test_target_that_cannot_be_read(self):
        probe = self.load("uprobe", "uprobe_anywhere", who=self.bus)
        fd = self.keep(os.open(TARGET, os.O_PATH))
        with self.refused("NoSuchTarget"):
            self.bus.attach(probe, target=Fd(fd), function="target_add")


class Sizes(Case):
    """The bus closes the connection of who sends too much: no answer may get there."""

    def setUp(self):
        super().setUp()
        self.pid = self.daemon.pid()

    def tearDown(self):
        self.assertEqual(self.daemon.pid(), self.pid, "the service is another one")

    def test_large_value(self):
        fd = self.keep(bpf.map_create(ARRAY, 4, 40 << 20, 1))
        path = path_of(fd)
        with self.refused("LimitExceeded"):
            self.bus.lookup(path, u32(0))
        with self.refused("LimitExceeded"):
            self.bus.entries(path)
        with self.refused("LimitExceeded"):
            self.bus.update(path, u32(0), bytes(2 << 20))

    def test_many_large_values(self):
        fd = self.keep(bpf.map_create(ARRAY, 4, 1 << 20, 64))
        entries = self.bus.entries(path_of(fd))
        self.assertLess(len(entries), 64)
        self.assertGreater(len(entries), 0)
        rest = self.bus.entries(path_of(fd), entries[-1][0])
        self.assertEqual(rest[0][0], u32(len(entries)))

    def test_long_names(self):
        for name in ("f" * 128, "\x01" * (9 << 20)):
            with self.refused("LimitExceeded"):
                self.bus.load(self.object("packet_counter"), [(name, "xdp")])
        with self.refused("LimitExceeded"):
            self.bus.load(self.object("globals"), globals={"x" * 1000: b"1"})

    def test_large_globals(self):
        with self.refused("LimitExceeded"):
            self.bus.load(self.object("globals"), globals={"a": bytes(1 << 20), "b": b"1"})


class Names(Case):
    """What isn't UTF-8 can't be on the bus, and mustn't keep other things from it."""

    def udev(self, option):
        subprocess.run(["udevadm", "control", option], check=True)

    def test_interface(self):
        name = b"v\xff1"
        if os.path.exists("/run/udev/control"):
            # It would give it a name that is better
            self.udev("--stop-exec-queue")
            self.addCleanup(self.udev, "--start-exec-queue")
        ip("link", "add", os.fsdecode(name), "type", "veth")
        self.addCleanup(ip, "link", "del", os.fsdecode(name))
        index = int(open(b"/sys/class/net/" + name + b"/ifindex", "rb").read())
        program = self.load("packet_counter", "count_packets")
        with self.refused("InvalidArgument"):
            self.bus.attach(program, interface=("u", index))
        self.assertEqual(self.bus.list("Links"), {})
        self.bus.managed_objects()
