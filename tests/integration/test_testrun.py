# SPDX-License-Identifier: LGPL-2.1-or-later
"""TestRun()."""

import struct

from support import bpf
from support.case import PROGRAM, BusError, Case, can_load

PACKET = b"\xff" * 12 + b"\x08\x00" + bytes(range(50))
XDP_PASS = 2


class TestRun(Case):
    def test_packet(self):
        path = self.load("packet_counter", "count_packets")
        retval, out, results = self.bus.test_run(path, PACKET)
        self.assertEqual((retval, out), (XDP_PASS, PACKET))
        self.assertEqual(set(results), {"duration"})

    def test_repeat(self):
        path = self.load("shared_map", "shared_xdp")
        _, _, results = self.bus.test_run(path, PACKET, repeat=1000)
        self.assertEqual(self.hits(path), 1000)
        self.assertLess(results["duration"], 1000000)
        for repeat in (0, 1000001):
            with self.refused("InvalidArgument"):
                self.bus.test_run(path, PACKET, repeat=repeat)

    def test_sizes(self):
        path = self.load("shared_map", "shared_tc")
        self.assertEqual(len(self.bus.test_run(path, PACKET + b"\0" * 1000)[1]), len(PACKET) + 1000)
        self.assertEqual(self.bus.test_run(path, PACKET, data_size=len(PACKET))[1], PACKET)
        with self.refused("InvalidArgument") as caught:
            self.bus.test_run(path, PACKET, data_size=10)
        self.assertIn(str(len(PACKET)), caught.exception.message)
        for data in (b"", b"123"):
            with self.refused("InvalidArgument"):
                self.bus.test_run(path, data)
        with self.refused("LimitExceeded"):
            self.bus.test_run(path, b"\0" * ((1 << 20) + 1))
        with self.refused("LimitExceeded"):
            self.bus.test_run(path, PACKET, data_size=(1 << 20) + 1)

    def test_context(self):
        path = self.load("shared_map", "shared_xdp")
        # struct xdp_md: data_meta, data and data_end; here data begins at 0
        context = struct.pack("=6I", 0, len(PACKET), 0, 0, 0, 0)
        retval, out, results = self.bus.test_run(path, PACKET, context=context)
        self.assertEqual((retval, out), (XDP_PASS, PACKET))
        self.assertEqual(results["context"][:8], context[:8])
        with self.refused("InvalidArgument"):
            self.bus.test_run(path, PACKET, context=b"\xff" * 24)

    def test_raw_tracepoint_takes_no_packet(self):
        path = self.load("raw_tracepoint", "raw_tracepoint_fork")
        self.assertEqual(self.bus.test_run(path)[:2], (0, b""))
        self.assertEqual(self.hits(path), 1)
        with self.refused("InvalidArgument"):
            self.bus.test_run(path, PACKET)

    def test_types(self):
        """Those that the kernel can't run so say it by name."""
        for obj, program, kind in (("tracepoint", "tracepoint_fork", "tracepoint"),
                                   ("kprobe", "kprobe_open", "kprobe"),
                                   ("perf_event", "perf_event_sample", "perf_event")):
            if not can_load(kind):
                continue
            with self.subTest(kind=kind), self.refused("NotSupported"):
                self.bus.test_run(self.load(obj, program))

    def test_options(self):
        path = self.load("shared_map", "shared_xdp")
        with self.refused("UnknownOption"):
            self.bus.test_run(path, PACKET, count=1)
        with self.refused("WrongType"):
            self.bus.test_run(path, PACKET, repeat=("s", "1"))

    def test_owner(self):
        self.allow("alice", "load.xdp")
        path = self.load("packet_counter", "count_packets", who=self.alice)
        self.assertEqual(self.alice.test_run(path, PACKET)[0], XDP_PASS)
        with self.refused("AuthorizationRequired"):
            self.bob.test_run(path, PACKET)
        with self.refused("NoSuchObject", "org.freedesktop.DBus.Error.UnknownObject"):
            self.bus.test_run("/org/bpfkeeper1/program/_4294967295", PACKET)

    def test_statistics_count_runs_where_they_are_enabled(self):
        try:
            enabled = bpf.enable_stats()
        except OSError as e:
            self.skipTest(f"this kernel doesn't count: {e}")
        self.keep(enabled)
        path = self.load("shared_map", "shared_xdp")
        self.bus.test_run(path, PACKET, repeat=10)
        self.assertEqual(self.bus.get(path, PROGRAM, "RunCount"), 10)
        self.assertGreater(self.bus.get(path, PROGRAM, "RunTimeNSec"), 0)

    def test_parallel(self):
        path = self.load("shared_map", "shared_xdp")
        tokens = [self.bus.start(path, PROGRAM, "TestRun", "(aya{sv})", PACKET, {})
                  for _ in range(30)]
        for token in tokens:
            self.assertEqual(self.bus.wait(token)[0], XDP_PASS)
        self.assertEqual(self.hits(path), 30)
        self.assertRaises(BusError, self.bus.test_run, path, b"")
