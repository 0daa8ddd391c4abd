# SPDX-License-Identifier: LGPL-2.1-or-later
"""The verifier's logs: of the last load on a connection, and of what was loaded with a log_level."""

import fcntl
import os
import stat

from support import daemon
from support.bus import Bus
from support.case import Case


class Logs(Case):
    def read(self, fd):
        try:
            return os.pread(fd, 1 << 24, 0).decode()
        finally:
            os.close(fd)

    def connection(self):
        bus = Bus()
        self.addCleanup(bus.close)
        return bus

    def test_none(self):
        with self.refused("NoLog"):
            self.connection().last_log()
        path = self.load("packet_counter", "count_packets")
        with self.refused("NoLog"):
            self.bus.program_log(path)
        with self.refused("NoLog"):
            self.bus.last_log()

    def test_refused(self):
        bus = self.connection()
        with self.refused("VerifierRefused") as caught:
            bus.load(self.object("refused"))
        log = self.read(bus.last_log())
        self.assertIn("invalid access to packet", log)
        self.assertIn("processed ", log)
        self.assertLess(len(caught.exception.message), 4200)
        # Somebody else's last load, or one's own on another connection, is no business of this one's
        with self.refused("NoLog"):
            self.connection().last_log()
        # It is that of the last load, not of the last one with a log
        bus.load(self.object("tc"))
        with self.refused("NoLog"):
            bus.last_log()

    def test_kept_with_the_program(self):
        bus = self.connection()
        path, = bus.load(self.object("packet_counter"), log_level=2)
        log = self.read(bus.program_log(path))
        self.assertIn("processed ", log)
        self.assertGreater(len(log), 1000)
        self.assertEqual(self.read(bus.last_log()), log)
        self.daemon.restart()
        self.assertEqual(self.read(bus.program_log(path)), log)
        # Unloaded, it is gone
        bus.unload(path)
        self.assertEqual(daemon.listing(), set())

    def test_of_programs_loaded_together(self):
        first, second = self.load("shared_map", log_level=1)
        self.assertEqual(self.read(self.bus.program_log(first)),
                         self.read(self.bus.program_log(second)))
        self.bus.unload(first)
        self.assertIn("processed ", self.read(self.bus.program_log(second)))

    def test_is_nobody_elses(self):
        self.allow("alice", "load.xdp")
        path = self.load("packet_counter", "count_packets", who=self.alice, log_level=1)
        self.assertIn("processed ", self.read(self.alice.program_log(path)))
        with self.refused("AuthorizationRequired"):
            self.bob.program_log(path)
        for directory, _, files in os.walk(daemon.RUN + "/logs"):
            for name in files:
                mode = os.stat(os.path.join(directory, name)).st_mode
                self.assertEqual(stat.S_IMODE(mode), 0o600)
        for path in daemon.listing():
            if path.startswith(daemon.PINS):
                status, _, _ = self.bob.run("cat", path)
                self.assertNotEqual(status, 0)

    def test_descriptors_are_read_only(self):
        bus = self.connection()
        path, = bus.load(self.object("packet_counter"), log_level=1)
        for fd in (bus.last_log(), bus.program_log(path)):
            with self.assertRaises(OSError):
                os.write(fd, b"x")
            if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                self.assertTrue(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE)
            os.close(fd)
