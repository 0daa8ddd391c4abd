# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contents of maps, by method and by descriptor."""

import errno
import os
import struct
import subprocess

from support import bpf, objects, ringbuf
from support.case import MAP, PROGRAM, ROOT, BusError, Case, number, until

ARRAY, HASH, PERCPU_HASH = 2, 1, 5


def u32(n):
    return struct.pack("=I", n)


def u64(n):
    return struct.pack("=Q", n)


class Contents(Case):
    def counter(self, who=None):
        path = self.load("packet_counter", "count_packets", who=who)
        return path, self.bus.maps_of(path)

    def foreign(self, kind, key_size, value_size, entries):
        """A map of somebody else's; as long as the test lasts."""
        fd = self.keep(bpf.map_create(kind, key_size, value_size, entries))
        return fd, f"{ROOT}/map/_{struct.unpack_from('=II', bpf.info(fd))[1]}"

    def test_array(self):
        _, maps = self.counter()
        packets = maps["packets"]
        self.assertEqual(self.bus.lookup(packets, u32(1)), u64(0))
        self.bus.update(packets, u32(1), u64(0x1122334455667788))
        self.assertEqual(self.bus.lookup(packets, u32(1)), u64(0x1122334455667788))
        self.assertEqual(self.bus.entries(packets),
                         [(u32(i), u64(0x1122334455667788 if i == 1 else 0)) for i in range(4)])
        with self.refused("NotSupported"):
            self.bus.delete(packets, u32(1))
        for call in (lambda: self.bus.lookup(packets, u32(4)),
                     lambda: self.bus.update(packets, u32(4), u64(0))):
            with self.refused("NoSuchKey"):
                call()

    def test_the_kernel_agrees(self):
        path, maps = self.counter()
        self.bus.test_run(path, b"\xff" * 12 + b"\x08\x00" + b"\0" * 50, repeat=3)
        self.assertEqual(self.bus.lookup(maps["packets"], u32(1)), u64(3))
        fd = self.keep(bpf.open_id(bpf.MAP_GET_FD_BY_ID, number(maps["packets"])))
        self.assertEqual(bpf.map_lookup(fd, u32(1), 8), u64(3))

    def test_wrong_sizes(self):
        _, maps = self.counter()
        packets = maps["packets"]
        for call in (lambda: self.bus.lookup(packets, b""), lambda: self.bus.lookup(packets, b"123"),
                     lambda: self.bus.lookup(packets, b"12345"),
                     lambda: self.bus.update(packets, b"123", u64(0)),
                     lambda: self.bus.update(packets, u32(0), b""),
                     lambda: self.bus.update(packets, u32(0), b"1" * 9),
                     lambda: self.bus.delete(packets, b"12"),
                     lambda: self.bus.entries(packets, b"12"),
                     lambda: self.bus.update(maps["packets_percpu"], u32(0), u64(0) * 1000)):
            with self.refused("InvalidArgument") as caught:
                call()
            self.assertRegex(caught.exception.message, r"\d+ bytes")

    def test_hash(self):
        _, path = self.foreign(HASH, 3, 5, 3)
        self.assertEqual(self.bus.entries(path), [])
        wanted = {b"abc": b"12345", b"\0\0\0": b"\0" * 5, b"xyz": b"54321"}
        for key, value in wanted.items():
            self.bus.update(path, key, value)
        self.assertEqual(dict(self.bus.entries(path)), wanted)
        with self.refused("LimitExceeded"):
            self.bus.update(path, b"new", b"12345")
        self.bus.update(path, b"abc", b"zzzzz")
        self.assertEqual(self.bus.lookup(path, b"abc"), b"zzzzz")
        self.bus.delete(path, b"abc")
        for call in (lambda: self.bus.delete(path, b"abc"), lambda: self.bus.lookup(path, b"abc")):
            with self.refused("NoSuchKey") as caught:
                call()
            self.assertIn("61 62 63", caught.exception.message)
        self.assertEqual(len(self.bus.entries(path)), 2)

    def test_entries_by_parts(self):
        fd, path = self.foreign(HASH, 4, 8, 10000)
        for i in range(5000):
            bpf.map_update(fd, u32(i), u64(i * i))
        found, after = {}, b""
        while True:
            part = self.bus.entries(path, after, 999)
            self.assertLessEqual(len(part), 999)
            found.update(part)
            if len(part) < 999:
                break
            after = part[-1][0]
        self.assertEqual(found, {u32(i): u64(i * i) for i in range(5000)})
        for limit in (0, 5000, 0xffffffff):
            self.assertEqual(len(self.bus.entries(path, b"", limit)), 4096)
        self.assertEqual(len(self.bus.entries(path, b"", 1)), 1)

    def test_many_large_entries_end_in_time(self):
        """Fewer than asked for, and yet not the end, is told apart by asking on."""
        fd, path = self.foreign(HASH, 4, 60000, 200)
        for i in range(200):
            bpf.map_update(fd, u32(i), u32(i) * 15000)
        part = self.bus.entries(path, b"", 100)
        self.assertEqual(len(part), 100 if len(part) == 100 else len(part))
        found, after = {}, b""
        while True:
            part = self.bus.entries(path, after, 0)
            if not part:
                break
            found.update(part)
            after = part[-1][0]
        self.assertEqual(len(found), 200)

    def test_percpu(self):
        path, maps = self.counter()
        percpu = maps["packets_percpu"]
        cpus = self.bus.get(percpu, MAP, "PossibleCpus")
        self.assertGreaterEqual(cpus, os.cpu_count())
        value = b"".join(u64(i + 7) for i in range(cpus))
        self.bus.update(percpu, u32(2), value)
        self.assertEqual(self.bus.lookup(percpu, u32(2)), value)
        self.bus.update(percpu, u32(0), u64(0) * cpus)
        self.bus.test_run(path, b"\0" * 64, repeat=10)
        counted = struct.unpack(f"={cpus}Q", self.bus.lookup(percpu, u32(0)))
        self.assertEqual(sum(counted), 10)
        self.assertEqual([len(v) for _, v in self.bus.entries(percpu)], [8 * cpus] * 4)
        # Each CPU's value is rounded up
        _, odd = self.foreign(PERCPU_HASH, 4, 5, 4)
        self.bus.update(odd, u32(1), b"12345\0\0\0" * cpus)
        self.assertEqual(self.bus.lookup(odd, u32(1)), b"12345\0\0\0" * cpus)
        with self.refused("InvalidArgument"):
            self.bus.update(odd, u32(1), b"12345" * cpus)

    def test_frozen(self):
        path = self.load("globals", "globals_answer")
        rodata = {n: m for n, m in self.bus.maps_of(path).items() if n.endswith(".rodata")}
        self.assertEqual(len(rodata), 1)
        m, = rodata.values()
        self.assertTrue(self.bus.get(m, MAP, "Frozen"))
        self.assertEqual(self.bus.lookup(m, u32(0))[:4], u32(42))
        with self.refused("ReadOnly"):
            self.bus.update(m, u32(0), u32(43))
        self.assertEqual(self.bus.test_run(path, b"\0" * 64)[0], 42)
        for mode in ("w", "rw"):
            with self.subTest(mode=mode):
                try:
                    fd = self.keep(self.bus.open_map(m, mode))
                except BusError as e:
                    self.assertEqual(e.name, "ReadOnly")
                else:
                    with self.assertRaises(PermissionError):
                        bpf.map_update(fd, u32(0), self.bus.lookup(m, u32(0)))

    def test_ring_buffer(self):
        path = self.load("ringbuf", "ringbuf_packet")
        events = self.bus.maps_of(path)["events"]
        for call in (lambda: self.bus.lookup(events, b""), lambda: self.bus.entries(events),
                     lambda: self.bus.update(events, b"", b""), lambda: self.bus.delete(events, b"")):
            with self.refused("NotSupported"):
                call()
        self.bus.test_run(path, b"\0" * 77, repeat=2)
        fd = self.keep(self.bus.open_map(events, "rw"))
        records = ringbuf.read(fd, 1 << 16)
        self.assertEqual([struct.unpack("=QII", r)[1] for r in records], [77, 77])

    def test_no_such_map(self):
        for call in (lambda: self.bus.lookup("/org/bpfkeeper1/map/_4294967295", b""),
                     lambda: self.bus.open_map("/org/bpfkeeper1/map/_4294967295", "r")):
            with self.refused("NoSuchObject", "org.freedesktop.DBus.Error.UnknownObject"):
                call()

    def test_mode(self):
        _, maps = self.counter()
        for mode in ("", "x", "wr", "R", "rwx"):
            with self.refused("InvalidArgument"):
                self.bus.open_map(maps["packets"], mode)


class Descriptors(Case):
    """Somebody without any privilege, with a descriptor: the kernel minds its mode."""

    def setUp(self):
        super().setUp()
        self.allow("alice", "load.xdp")
        self.program = self.load("packet_counter", "count_packets", who=self.alice)
        self.packets = self.bus.maps_of(self.program)["packets"]

    def assert_errno(self, code, function, *arguments):
        with self.assertRaises(OSError) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.errno, code)

    def test_read_only(self):
        fd = self.keep(self.alice.open_map(self.packets, "r"))
        self.bus.update(self.packets, u32(2), u64(5))
        self.assertEqual(self.alice.bpf("map_lookup", u32(2), 8, fds=[fd]), u64(5))
        for who in (lambda *a: self.alice.bpf("map_update", *a, fds=[fd]),
                    lambda *a: bpf.map_update(fd, *a)):
            self.assert_errno(errno.EPERM, who, u32(2), u64(6))
        self.assertEqual(self.bus.lookup(self.packets, u32(2)), u64(5))

    def test_write_only(self):
        fd = self.keep(self.alice.open_map(self.packets, "w"))
        self.alice.bpf("map_update", u32(2), u64(6), fds=[fd])
        self.assertEqual(self.bus.lookup(self.packets, u32(2)), u64(6))
        self.assert_errno(errno.EPERM, lambda: self.alice.bpf("map_lookup", u32(2), 8, fds=[fd]))

    def test_read_and_write(self):
        fd = self.keep(self.alice.open_map(self.packets, "rw"))
        self.alice.bpf("map_update", u32(3), u64(7), fds=[fd])
        self.assertEqual(self.alice.bpf("map_lookup", u32(3), 8, fds=[fd]), u64(7))
        self.assertEqual(self.alice.lookup(self.packets, u32(3)), u64(7))

    def test_without_a_descriptor_there_is_nothing(self):
        self.assert_errno(errno.EPERM, lambda: self.bob.bpf("open_id", bpf.MAP_GET_FD_BY_ID,
                                                            number(self.packets)))
        for mode in ("r", "w", "rw"):
            with self.refused("AuthorizationRequired"):
                self.bob.open_map(self.packets, mode)

    def test_outlives_the_program(self):
        fd = self.keep(self.alice.open_map(self.packets, "r"))
        self.alice.unload(self.program)
        self.assertEqual(self.alice.bpf("map_lookup", u32(0), 8, fds=[fd]), u64(0))
        os.close(fd)
        until(lambda: not bpf.exists("map", number(self.packets)), "the kernel gives up the map")

    def test_program_descriptor(self):
        # Who has it can attach it anywhere, so that its owner is asked for too.
        with self.refused("AuthorizationRequired"):
            self.alice.open_program(self.program)
        self.allow("alice", "open-program")
        fd = self.keep(self.alice.open_program(self.program))
        self.assertEqual(struct.unpack_from("=II", bpf.info(fd))[1], number(self.program))
        # Others' take one permission more.
        self.allow("bob", "open-program")
        with self.refused("AuthorizationRequired"):
            self.bob.open_program(self.program)

    def test_ring_buffer(self):
        program = self.load("ringbuf", "ringbuf_packet", who=self.alice)
        events = self.bus.maps_of(program)["events"]
        self.alice.test_run(program, b"\0" * 99)
        fd = self.keep(self.alice.open_map(events, "rw"))
        record, = self.alice.read_ringbuf(fd, 1 << 16)
        self.assertEqual(struct.unpack("=QII", record)[1], 99)


class Foreign(Case):
    """Maps that somebody else made: root may, others need the permission."""

    def test_foreign(self):
        fd = self.keep(bpf.map_create(ARRAY, 4, 8, 2))
        path = f"{ROOT}/map/_{struct.unpack_from('=II', bpf.info(fd))[1]}"
        self.assertFalse(self.bus.get(path, MAP, "Managed"))
        self.bus.update(path, u32(1), u64(3))
        self.assertEqual(bpf.map_lookup(fd, u32(1), 8), u64(3))
        with self.refused("AuthorizationRequired"):
            self.alice.lookup(path, u32(1))
        self.allow("alice", "map.read")
        self.assertEqual(self.alice.lookup(path, u32(1)), u64(3))
        with self.refused("AuthorizationRequired"):
            self.alice.update(path, u32(1), u64(4))

    def test_used_in_a_load(self):
        fd = self.keep(bpf.map_create(ARRAY, 4, 8, 4, b"hits"))
        path = f"{ROOT}/map/_{struct.unpack_from('=II', bpf.info(fd))[1]}"
        program = self.load("tc", "tc_count", maps={"hits": path})
        self.bus.test_run(program, b"\0" * 64)
        self.assertEqual(bpf.map_lookup(fd, u32(0), 8), u64(1))
        self.assertEqual(self.bus.get(program, PROGRAM, "Maps"), [path])
        self.bus.unload(program)
        self.assertFalse(self.bus.get(path, MAP, "Managed"))

    def test_pinned_elsewhere(self):
        self.addCleanup(lambda: os.unlink("/sys/fs/bpf/elsewhere"))
        subprocess.run(["bpftool", "prog", "load", objects.path("packet_counter"),
                        "/sys/fs/bpf/elsewhere"], check=True)
        fd = self.keep(bpf.obj_get("/sys/fs/bpf/elsewhere"))
        program = f"{ROOT}/program/_{struct.unpack_from('=II', bpf.info(fd))[1]}"
        maps = self.bus.maps_of(program)
        self.assertEqual(set(maps), {"packets", "packets_percpu"})
        self.bus.test_run(program, b"\0" * 64)
        self.assertEqual(self.bus.lookup(maps["packets"], u32(0)), u64(1))
