# SPDX-License-Identifier: LGPL-2.1-or-later
"""The private socket: the service without a bus between, for root."""

import os
import socket
import subprocess
import sys

from support import daemon, objects
from support.bus import Private
from support.case import MANAGER, PROGRAM, ROOT, BusError, Case, needs_attach, until

SOCKET = Private.SOCKET
UNIT = "bpfkeeper.service"

# What a user who may connect hears; prints the error's name and message
STRANGER = """
import sys
sys.path.insert(0, sys.argv[1])
from support import bus
try:
    bus.Private()
except bus.BusError as e:
    print(e)
"""


def systemctl(*arguments):
    subprocess.run(["systemctl", *arguments], check=True)


def state():
    return subprocess.run(["systemctl", "show", "--property=ActiveState", "--value", UNIT],
                          check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


class PrivateCase(Case):
    def setUp(self):
        if not daemon.has_systemd():
            self.skipTest("nobody listens on the private socket, PID 1 isn't systemd")
        super().setUp()
        # The service's start is the socket's too
        self.daemon.pid()

    def private(self):
        connection = Private()
        self.addCleanup(connection.close)
        return connection

    def as_user(self, user, *command):
        return subprocess.run(["runuser", "-u", user, "--", *command], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class SameObjects(PrivateCase):
    @needs_attach("tc")
    def test_the_same_on_both(self):
        veth, private = self.veth(), self.private()
        path, = private.load(self.object("tc"), ["tc_count"])
        link = private.attach(path, interface=veth.name, direction="ingress")
        self.assert_counts(path, veth.receive)
        of_bus, of_private = self.bus.managed_objects(), private.managed_objects()
        self.assertEqual(of_bus[link], of_private[link])
        self.assertEqual(set(of_bus[path]), set(of_private[path]))
        self.assertEqual(self.bus.get(path, PROGRAM, "OwnerUid"), 0)
        fd = self.keep(private.open_program(path))
        self.assertIn("prog_id", open(f"/proc/self/fdinfo/{fd}", encoding="ascii").read())
        private.detach(link)
        private.unload(path)
        self.assertEqual(self.bus.managed("Programs"), {})

    def test_errors(self):
        private = self.private()
        with self.refused("NotElf"):
            private.load(self.data_object(b"nothing" * 100))
        with self.refused("NoSuchFunctionInObject"):
            private.load(self.object("tc"), ["no_such"])
        self.assertTrue(private.get(ROOT, MANAGER, "Version"))
        self.assertIn("Manager", private.introspect(ROOT))

    def test_signals(self):
        one, other = self.private(), self.private()
        seen = {}
        for connection in (one, other, self.bus):
            seen[connection] = []
            number = connection.follow(seen[connection])
            self.addCleanup(connection.unfollow, number)
        path = one.load(self.object("tc"), ["tc_count"])[0]
        self.bus.unload(path)
        for connection, events in seen.items():
            until(lambda c=connection, e=events: c.context.iteration(False) or
                  ("InterfacesRemoved", path) in e, "all hear of it")
            self.assertIn(("InterfacesAdded", path), events)

    def test_many_clients(self):
        for _ in range(3):
            crowd = [Private() for _ in range(50)]
            for one in crowd:
                self.assertEqual(one.managed("Programs"), {})
            for one in crowd:
                one.close()

    def test_what_is_no_dbus_at_all(self):
        pid = self.daemon.pid()
        for data in (b"", b"GET / HTTP/1.0\r\n\r\n", b"\0AUTH EXTERNAL 30\r\n", os.urandom(4096)):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(SOCKET)
                s.sendall(data)
        self.assertEqual(self.private().managed("Programs"), {})
        self.assertEqual(self.daemon.running(), pid)


class Others(PrivateCase):
    def test_cannot_connect(self):
        done = self.as_user("alice", "bpfctl", "--private", "programs")
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn(f"Only root may use the private socket {SOCKET}", done.stdout)

    def test_are_told_where_to_go(self):
        """Where somebody has changed the socket's mode."""
        os.chmod(SOCKET, 0o666)
        self.addCleanup(os.chmod, SOCKET, 0o600)
        done = self.as_user("alice", sys.executable, "-c", STRANGER, sys.path[0])
        self.assertIn("NotAuthorized", done.stdout)
        self.assertIn("uid 4001", done.stdout)
        self.assertIn("system bus", done.stdout)
        done = self.as_user("alice", "bpfctl", "--private", "load", objects.path("tc"))
        self.assertEqual(done.returncode, 3, done.stdout)

    def test_do_not_keep_root_out(self):
        os.chmod(SOCKET, 0o666)
        self.addCleanup(os.chmod, SOCKET, 0o600)
        with subprocess.Popen(["runuser", "-u", "alice", "--", sys.executable, "-c", """
import socket, sys
crowd = [socket.socket(socket.AF_UNIX) for _ in range(100)]
for one in crowd:
    one.connect(sys.argv[1])
print("here", flush=True)
sys.stdin.read()""", SOCKET], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
            self.assertEqual(crowd.stdout.readline(), b"here\n")
            self.assertEqual(self.private().managed("Programs"), {})
            crowd.stdin.close()


class Lifecycle(PrivateCase):
    def test_a_connection_starts_it(self):
        systemctl("stop", UNIT)
        self.assertEqual(state(), "inactive")
        self.assertEqual(self.private().managed("Programs"), {})
        self.assertEqual(state(), "active")

    def test_a_caller_that_left(self):
        """Its request ends, as that of one who leaves the bus does."""
        self.daemon.restart()
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        private = Private()
        private.start_load(ours)
        until(self.daemon.busy_workers, "a worker reads")
        private.close()
        until(lambda: not self.daemon.busy_workers(), "the worker is ended")
        self.assertEqual(self.bus.managed("Programs"), {})

    def test_what_was_asked_is_answered(self):
        """Also while the service leaves: by this one or by none, never half."""
        for _ in range(5):
            private = Private()
            pid = self.daemon.pid()
            tokens = [private.start_load(self.object("tc"), ["tc_count"]) for _ in range(5)]
            daemon.kill(pid, 15)
            done = set()
            for token in tokens:
                try:
                    done.update(private.wait(token))
                except BusError as e:
                    self.assertRegex(e.name, "Cancelled|Closed|NoReply|Disconnected|local")
            until(private.is_closed, "the connection ends")
            private.close()
            self.assertEqual(set(self.bus.managed("Programs")), done)
            self.unload_all()

    def test_stays_while_somebody_is_connected(self):
        path = f"/run/systemd/system/{UNIT}.d/this-test.conf"
        with open(path, "w", encoding="ascii") as f:
            f.write("[Service]\nExecStart=\nExecStart=/usr/libexec/bpfkeeperd --idle-timeout=1\n")
        self.addCleanup(self.daemon.end)
        self.addCleanup(systemctl, "daemon-reload")
        self.addCleanup(os.unlink, path)
        systemctl("daemon-reload")
        self.daemon.end()
        private = Private()
        self.assertEqual(private.managed("Programs"), {})
        with self.assertRaises(AssertionError):
            until(lambda: state() == "inactive", "it leaves", 3)
        private.close()
        until(lambda: state() == "inactive", "it leaves")
