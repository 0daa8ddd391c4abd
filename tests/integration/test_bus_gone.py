# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus comes, goes and comes back; the service stays, and so does what it keeps."""

import os
import signal
import socket
import subprocess
import time

from support import daemon
from support.bus import MANAGER, ROOT, Bus, BusError, Private
from support.case import Case, needs_attach, until

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={0}/bus</listen>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true"/><allow receive_requested_reply="true"/>
  </policy>
</busconfig>
"""


class BusGone(Case):
    """With a bus of the test's own, since the system's has more to do than to come and go."""

    DIRECTORY = "/run/this-test"

    def setUp(self):
        super().setUp()
        os.makedirs(self.DIRECTORY)
        self.addCleanup(subprocess.run, ["rm", "-r", self.DIRECTORY], check=True)
        self.address = f"unix:path={self.DIRECTORY}/bus"
        with open(self.DIRECTORY + "/config", "w", encoding="ascii") as f:
            f.write(CONFIG.format(self.DIRECTORY))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.DIRECTORY + "/private")
        self.listener.listen()
        self.addCleanup(self.listener.close)
        self.apart = None
        self.process = None
        self.addCleanup(self.stop_bus)

    def start(self):
        self.process = self.daemon.start_apart(self.address, self.listener)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.terminate)

    def private(self):
        connection = Private(self.DIRECTORY + "/private")
        self.addCleanup(connection.close)
        return connection

    def start_bus(self):
        """Returns a connection to it."""
        self.apart = subprocess.Popen(["dbus-daemon", f"--config-file={self.DIRECTORY}/config",
                                       "--nofork", "--nopidfile"], stdin=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        return until(self.connect, "the bus is there")

    def connect(self):
        try:
            return Bus(self.address)
        except Exception:  # pylint: disable=broad-except
            return None

    def stop_bus(self):
        if self.apart:
            self.apart.kill()
            self.apart.wait()
            self.apart = None
            os.unlink(self.DIRECTORY + "/bus")

    def joined(self, bus):
        until(lambda: bus.pid() == self.process.pid, "it joins the bus")

    @needs_attach("tc")
    def test_comes_later(self):
        """In early boot, root loads and attaches; the bus shows the same when it is there."""
        self.start()
        private, veth = self.private(), self.veth()
        path = private.load(self.object("tc"), ["tc_count"])[0]
        link = private.attach(path, interface=veth.name, direction="ingress")
        bus = self.start_bus()
        self.joined(bus)
        self.assertEqual(set(bus.managed("Programs")), {path})
        seen = []
        bus.follow(seen)
        private.detach(link)
        until(lambda: bus.context.iteration(False) or ("InterfacesRemoved", link) in seen,
              "it is told on the bus")
        bus.unload(path)

    @needs_attach("tc")
    def test_goes_and_comes_back(self):
        bus = self.start_bus()
        self.start()
        self.joined(bus)
        veth = self.veth()
        path = bus.load(self.object("tc"), ["tc_count"])[0]
        link = bus.attach(path, interface=veth.name, direction="ingress")
        before = set(bus.managed_objects()), daemon.listing()
        for _ in range(3):
            private = self.private()
            self.stop_bus()
            self.assertIn(path, private.managed("Programs"))
            bus = self.start_bus()
            self.joined(bus)
            self.assertLessEqual({path, link}, set(bus.managed_objects()))
            self.assertEqual(daemon.listing(), before[1])
            # Neither does the connection that was there all the time notice
            self.assertIn(path, private.managed("Programs"))
        bus.detach(link)
        bus.unload(path)

    def test_callers_go_with_it(self):
        """What they asked for is given up, as if they had left."""
        bus = self.start_bus()
        self.start()
        self.joined(bus)
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        bus.start(ROOT, MANAGER, "Inspect", "(h)", ours)
        before = daemon.filters(daemon.status(self.process.pid))

        def busy():
            return [w for w in daemon.children(self.process.pid)
                    if daemon.filters(daemon.status(w)) > before]
        worker, = until(busy, "a worker reads")
        self.stop_bus()
        until(lambda: not daemon.is_alive(worker), "the worker is ended")
        self.assertEqual(self.private().managed("Programs"), {})

    def test_one_that_says_nothing(self):
        """Connecting works, as it does where systemd listens for a bus that waits for others."""
        self.start()
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(self.DIRECTORY + "/bus")
            silent.listen()
            self.assertEqual(self.private().managed("Programs"), {})
            private = self.private()
            path = private.load(self.object("tc"), ["tc_count"])[0]
            private.unload(path)
        os.unlink(self.DIRECTORY + "/bus")
        bus = self.start_bus()
        self.joined(bus)

    def test_a_name_that_is_taken(self):
        bus = self.start_bus()
        self.assertEqual(bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                                  "(su)", "org.bpfkeeper1", 0, destination="org.freedesktop.DBus"), 1)
        self.start()
        self.assertEqual(self.process.wait(20), 1)

    def test_stopped_without_one(self):
        self.start()
        self.assertEqual(self.private().managed("Programs"), {})
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(20), 0)
        self.assertLess(time.monotonic() - begin, 5)

    def test_root_needs_neither_bus_nor_polkit(self):
        self.start()
        private = self.private()
        path = private.load(self.object("packet_counter"))[0]
        with self.assertRaises(BusError):
            private.load(self.object("refused"))
        private.unload(path)
