# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs on sockets, which hold them by themselves: the service has nothing of it afterwards."""

import contextlib
import os
import platform
import signal
import socket
import struct
import subprocess
import tempfile
import threading

from support import bpf, daemon, faults
from support.applied import SO_DETACH_FILTER
from support.bus import TIMEOUT, Fd
from support.case import Case, can_load, number, until
from test_bpfctl import FAILED, Tool

SO_LOCK_FILTER = 44
SETSOCKOPT = {"x86_64": 54, "aarch64": 208, "riscv64": 208}[platform.machine()]


def name_of(sock, protocol="UDP"):
    return f"{protocol} socket:[{os.fstat(sock.fileno()).st_ino}]"


def waits_for_socket(pid):
    """Whether the process is about to set an option, and no signal would wake it."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
            call = f.read().split()[0]
    except OSError:
        return False
    return call == str(SETSOCKOPT) and daemon.status(pid).get("State", "Z")[0] == "D"


class Sockets(Case):
    def setUp(self):
        super().setUp()
        for kind in "socket_filter", "sk_reuseport":
            if not can_load(kind):
                self.skipTest(f"this kernel has no {kind} programs")

    def socket(self, *options, family=socket.AF_INET, kind=socket.SOCK_DGRAM, port=0):
        """One that is bound, with these options set before."""
        sock = socket.socket(family, kind)
        self.addCleanup(sock.close)
        sock.settimeout(TIMEOUT)
        for option in options:
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET:
            sock.bind(("127.0.0.1", port))
        return sock

    def attach(self, program, sock, who=None, **options):
        path = (who or self.bus).attach(program, socket=Fd(sock.fileno()), **options)
        self.assertEqual(path, "/")

    def pass_through(self, sock, data=b"abc"):
        """What arrives of a datagram that is sent there."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(data, sock.getsockname())
        return sock.recv(64)


class Held(Sockets):
    def test_filter(self):
        trim, count = self.load("socket", ["socket_trim", "socket_count"])
        sock, other = self.socket(), self.socket()
        before = self.snapshot()
        self.attach(trim, sock)
        self.assertEqual(self.pass_through(sock), b"a")
        self.assertEqual(self.pass_through(other), b"abc")
        # Nothing is known of it, neither on the bus nor on disk
        self.assertEqual(self.snapshot(), before)
        self.assertEqual(list(self.bus.list("Links")), [])
        # The next one takes its place, and the application takes it off
        self.attach(count, sock)
        self.assertEqual(self.pass_through(sock), b"abc")
        self.assertEqual((self.hits(count), self.hits(count, 3)), (1, 1))
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        self.assertEqual(self.pass_through(sock), b"abc")
        self.assertEqual(self.hits(count), 1)

    def test_choice(self):
        choose = self.load("socket", "reuseport_choose")
        first = self.socket(socket.SO_REUSEPORT)
        second = self.socket(socket.SO_REUSEPORT, port=first.getsockname()[1])
        chosen = self.keep(self.bus.open_map(self.bus.maps_of(choose)["chosen"], "rw"))
        self.attach(choose, first)
        for one, other in ((first, second), (second, first)):
            with contextlib.suppress(FileNotFoundError):
                bpf.map_delete(chosen, struct.pack("=I", 0))
            bpf.map_update(chosen, struct.pack("=I", 0), struct.pack("=Q", one.fileno()))
            # Each from a port of its own: the kernel would spread them
            for i in range(8):
                self.assertEqual(self.pass_through(one, bytes([i])), bytes([i]))
            other.setblocking(False)
            with self.assertRaises(BlockingIOError):
                other.recv(1)
            other.settimeout(TIMEOUT)

    def test_kinds(self):
        """A filter goes on sockets of whichever protocol."""
        count = self.load("socket", "socket_count")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            self.attach(count, ours)
            theirs.send(b"abc")
            self.assertEqual(ours.recv(64), b"abc")
        self.assertEqual(self.hits(count), 1)
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.attach(count, server)
            with socket.create_connection(server.getsockname()) as client, server.accept()[0]:
                self.assertGreater(self.hits(count), 1)
                self.attach(count, client)

    def test_until_it_is_closed(self):
        trim = self.load("socket", "socket_trim")
        hits = self.keep(self.bus.open_map(self.bus.maps_of(trim)["hits"], "r"))
        sock = self.socket()
        self.attach(trim, sock)
        for end in (signal.SIGKILL, signal.SIGTERM):
            self.daemon.restart(end)
            self.assertEqual(self.pass_through(sock), b"a")
        self.bus.unload(trim)
        self.assertEqual(self.snapshot(), ({}, set()))
        self.assertEqual(self.pass_through(sock), b"a")
        self.assertEqual(bpf.map_lookup(hits, struct.pack("=I", 3), 8), struct.pack("=Q", 3))
        self.assertTrue(bpf.exists("program", number(trim)))
        sock.close()
        until(lambda: not bpf.exists("program", number(trim)), "the program goes with the socket")

    def test_the_connection_ends_with_its_application(self):
        count = self.load("socket", "socket_count")
        with socket.create_server(("127.0.0.1", 0)) as server, \
                socket.create_connection(server.getsockname(), TIMEOUT) as client:
            accepted = server.accept()[0]
            with accepted:
                self.attach(count, accepted)
            self.assertEqual(client.recv(1), b"", "somebody else has it open")

    @contextlib.contextmanager
    def in_use(self):
        """A socket that somebody uses, and how they come to be done."""
        try:
            missing = faults.Missing()
        except OSError as e:
            self.skipTest(f"this kernel has no userfaultfd(2): {e}")
        with missing, socket.create_server(("127.0.0.1", 0)) as server, \
                socket.create_connection(server.getsockname(), TIMEOUT) as client:
            # The kernel has the socket locked as long as what is to be sent can't be read
            thread = threading.Thread(target=client.send, args=(missing.memory,))
            thread.start()
            try:
                missing.asked()
                yield client, missing.come
            finally:
                missing.come()
                thread.join()

    def wait_for_waiting(self, n):
        until(lambda: sum(map(waits_for_socket, self.daemon.workers())) == n,
              f"{n} workers wait for the socket")

    def test_in_use(self):
        """Who uses a socket for long keeps a worker waiting, and nobody else."""
        count = self.load("socket", "socket_count")
        with self.in_use() as (used, end_use):
            token = self.bus.start_attach(count, socket=Fd(used.fileno()))
            self.wait_for_waiting(1)
            self.attach(count, self.socket())
            self.assertEqual(list(self.bus.list("Links")), [])
            end_use()
            self.assertEqual(self.bus.wait(token), "/")

    def test_left(self):
        """What was asked for by who has left isn't begun any more."""
        self.allow("alice", "load.socket-filter", "attach.socket-filter")
        trim = self.load("socket", "socket_trim", who=self.alice)
        leaving, sock = self.another("alice"), self.socket()
        with self.in_use() as (used, end_use):
            # As many as are alice's
            tokens = [self.alice.start_attach(trim, socket=Fd(used.fileno())) for _ in range(2)]
            self.wait_for_waiting(2)
            leaving.start_attach(trim, socket=Fd(sock.fileno()))
            # By then polkit has answered for that one, too
            self.load("socket", "socket_count", who=self.alice)
            leaving.leave()
            until(lambda: not self.bus.owner(leaving.name), "the bus sees it gone")
            self.daemon.turn()
            end_use()
            for token in tokens:
                self.assertEqual(self.alice.wait(token), "/")
            # One that comes behind it in the queue
            self.attach(trim, self.socket(), who=self.alice)
            self.assertEqual(self.pass_through(sock), b"abc")


class Refused(Sockets):
    def test_what_is_no_socket(self):
        count = self.load("socket", "socket_count")
        pipe = os.pipe()
        self.keep(pipe[0]), self.keep(pipe[1])
        with tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/socket"
            bound = self.socket(family=socket.AF_UNIX)
            bound.bind(path)
            place = self.keep(os.open(path, os.O_PATH))
            here = self.keep(os.open(directory, os.O_RDONLY))
            null = self.keep(os.open("/dev/null", os.O_RDWR))
            for name, word, options in (
                    ("MissingParameter", "give socket", {}),
                    ("MissingParameter", "give socket", {"socket": ""}),
                    ("InvalidArgument", "D-Bus type 'h'", {"socket": "127.0.0.1:80"}),
                    ("WrongType", "socket", {"socket": ("u", 5)}),
                    ("InvalidArgument", "of a directory, and no socket", {"socket": Fd(here)}),
                    ("InvalidArgument", "of a device, and no socket", {"socket": Fd(null)}),
                    ("InvalidArgument", "of a pipe, and no socket", {"socket": Fd(pipe[0])}),
                    ("InvalidArgument", "of a file, and no socket", {"socket": Fd(self.object("tc"))}),
                    # A program, for one
                    ("InvalidArgument", "and no socket",
                     {"socket": Fd(self.keep(self.bus.open_program(count)))}),
                    ("InvalidArgument", "O_PATH", {"socket": Fd(place)}),
                    ("InvalidArgument", "takes no priority", {"socket": Fd(bound.fileno()), "priority": 3})):
                with self.subTest(word=word), self.refused(name) as caught:
                    self.bus.attach(count, **options)
                self.assertIn(word, caught.exception.message)
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(self.load("tc", "tc_count"), interface="lo", direction="ingress",
                            socket=Fd(bound.fileno()))
        self.assertIn("takes no socket", caught.exception.message)

    def test_what_takes_none(self):
        choose = self.load("socket", "reuseport_choose")
        late = self.socket()
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        for sock, word in ((self.socket(), "SO_REUSEPORT"), (late, "SO_REUSEPORT"),
                           (socket.socket(), "SO_REUSEPORT"),
                           (self.socket(family=socket.AF_UNIX), "TCP and UDP alone"),
                           (self.socket(family=socket.AF_NETLINK, kind=socket.SOCK_RAW),
                            "TCP and UDP alone")):
            with sock, self.subTest(sock=sock), self.refused("InvalidArgument") as caught:
                self.attach(choose, sock)
            self.assertIn(word, caught.exception.message)
        # One that isn't bound is as good
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.attach(choose, sock)

    def test_locked(self):
        trim, count = self.load("socket", ["socket_trim", "socket_count"])
        sock = self.socket()
        self.attach(trim, sock)
        sock.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
        with self.refused("HookBusy") as caught:
            self.attach(count, sock)
        self.assertIn("SO_LOCK_FILTER", caught.exception.message)
        self.assertEqual(self.pass_through(sock), b"a")

    def test_no_hook_to_look_at(self):
        from test_hook import get_hook
        with self.refused("InvalidArgument") as caught:
            get_hook(self.bus, socket=Fd(self.socket().fileno()))
        self.assertIn("names no hook", caught.exception.message)


class Users(Sockets):
    """Polkit is told which socket it is."""

    def test_one_socket(self):
        sock, other = self.socket(), self.socket()
        self.rules.write(
            self.rules.allow("alice", "org.bpfkeeper1.load.socket-filter",
                             "org.bpfkeeper1.load.sk-reuseport"),
            self.rules.allow("alice", "org.bpfkeeper1.attach.socket-filter",
                             condition=f'action.lookup("socket") === "{name_of(sock)}"'))
        trim = self.load("socket", "socket_trim", who=self.alice)
        self.attach(trim, sock, who=self.alice)
        self.assertEqual(self.pass_through(sock), b"a")
        for who, where in ((self.alice, other), (self.bob, sock)):
            with self.refused("NotAuthorized", "AuthorizationRequired"):
                self.attach(trim, where, who=who)
        self.assertEqual(self.pass_through(other), b"abc")
        self.alice.unload(trim)
        self.assertEqual(self.pass_through(sock), b"a")

    def test_sockets_of_others_in_the_kernel(self):
        """Whoever has a descriptor may be refused, by its protocol, too."""
        sock = self.socket()
        self.rules.write(
            self.rules.allow("alice", "org.bpfkeeper1.load.socket-filter"),
            self.rules.allow("alice", "org.bpfkeeper1.attach.socket-filter",
                             condition='action.lookup("socket").indexOf("UNIX-STREAM ") === 0'))
        trim = self.load("socket", "socket_trim", who=self.alice)
        with self.refused("NotAuthorized", "AuthorizationRequired"):
            self.attach(trim, sock, who=self.alice)
        self.attach(trim, self.socket(family=socket.AF_UNIX, kind=socket.SOCK_STREAM),
                    who=self.alice)


class ByHand(Tool, Sockets):
    """bpfctl, with sockets that it is started with."""

    def test_attach(self):
        trim, count = self.load("socket", ["socket_trim", "socket_count"])
        sock = self.socket()
        fd = sock.fileno()
        out = self.ctl("attach", number(trim), fd, pass_fds=[fd])
        self.assertEqual(out, f"Attached socket_trim to {name_of(sock)}, which holds it.\n")
        self.assertEqual(self.pass_through(sock), b"a")
        self.assertEqual(self.json("attach", number(count), f"--socket={fd}", pass_fds=[fd]),
                         {"socket": name_of(sock)})
        self.assertEqual(self.pass_through(sock), b"abc")
        self.assertEqual(self.ctl("--quiet", "attach", number(trim), fd, pass_fds=[fd]), "")
        self.assertEqual(self.pass_through(sock), b"a")
        # As standard input, as inetd and its like have it
        self.ctl("attach", number(count), 0, stdin=sock)
        self.assertEqual(self.pass_through(sock), b"abc")
        self.assertEqual(self.json("links"), [])

    def test_choice(self):
        choose = self.load("socket", "reuseport_count")
        sock = self.socket(socket.SO_REUSEPORT)
        self.ctl("attach", number(choose), sock.fileno(), pass_fds=[sock.fileno()])
        self.assert_counts(choose, lambda: self.pass_through(sock), 1)

    def test_refused(self):
        count = number(self.load("socket", "socket_count"))
        sock = self.socket()
        fd = sock.fileno()
        # Not even its own connection to the bus, which may have that number
        for n in range(3, 20):
            self.ctl("attach", count, n, status=FAILED)
        self.ctl("attach", count, 1, status=FAILED)
        self.ctl("attach", count, "tcp", status=FAILED)
        self.ctl("attach", count, status=FAILED)
        self.ctl("attach", number(self.load("socket", "reuseport_count")), fd, pass_fds=[fd],
                 status=FAILED)

    def test_can(self):
        sock = self.socket()
        fd = sock.fileno()
        self.rules.write(
            self.rules.allow("alice", "org.bpfkeeper1.attach.socket-filter",
                             condition=f'action.lookup("socket") === "{name_of(sock)}"'))
        for allowed, where in ((True, fd), (True, f"--socket={fd}"), (True, name_of(sock)),
                               (False, name_of(sock, "TCP"))):
            done = subprocess.run(
                ["bpfctl", "can", "attach", "socket_filter", "--user=alice", str(where)],
                pass_fds=[fd], stdout=subprocess.DEVNULL, check=False, timeout=TIMEOUT)
            self.assertEqual(done.returncode == 0, allowed, where)
