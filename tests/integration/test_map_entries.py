# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs in entries of a map: xdp_devmap and xdp_cpumap."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import unittest

from support import bpf, daemon
from support.bus import Fd
from support.case import LINK, Case, can_load, number, until
from support.change import replace, start_replace
from support.consistency import check, rewrite
from support.hooks import Entry
from support.kills import Strikes
from support.net import FRAME
from support.wait import rounds, some
from test_hook import bpfctl

UNLOAD_ALL = "/usr/libexec/bpfkeeper-unload-all"


def arrived(listening):
    """Whether the frame has, of all that has by now."""
    found = False
    with contextlib.suppress(BlockingIOError):
        while True:
            found |= listening.recv(4096) == FRAME
    return found


class Entries(Case):
    """An entry that redirects to an interface, and two programs for it."""

    def setUp(self):
        super().setUp()
        if not can_load("xdp_devmap"):
            self.skipTest("this kernel has no xdp_devmap programs")
        self.entry = Entry(self, "devices", "xdp_to_device")
        self.one, self.two = self.program(), self.program()

    def program(self, name="xdp_on_device", who=None):
        return self.load("xdp_map", name, who=who)

    def attach(self, program, who=None, **options):
        place = {"target_map": self.entry.map, "key": 0, "interface": self.entry.other.name, **options}
        return (who or self.bus).attach(program, **place)

    def some_map(self, name):
        """That no program uses."""
        return next(path for path, m in self.bus.managed("Maps").items() if m["Name"] == name)

    def assert_holds(self, program):
        """The entry has that one, or None, and redirects where it did."""
        self.assertEqual(self.entry.read(),
                         (self.entry.other.index, number(program) if program else 0))

    def foreign(self, program):
        """Somebody else puts one there, by its descriptor."""
        fd = self.keep(self.bus.open_program(program))
        value = struct.pack("=Ii", self.entry.other.index, fd)
        bpf.map_update(self.entry.fd, struct.pack("=I", 0), value)


class Events(Entries):
    def test_redirected(self):
        """What is redirected passes where there is no program, and is dropped by the one that drops."""
        peer = self.listen(self.entry.other.peer)
        self.entry.veth.receive()
        until(lambda: arrived(peer), "it is redirected")
        link = self.attach(self.one)
        self.assert_holds(self.one)
        self.assertEqual(self.bus.get(link, LINK, "Sharing"), "exclusive")
        self.assert_counts(self.one, self.entry.veth.receive)
        self.assertFalse(arrived(peer))
        self.bus.detach(link)
        self.assert_holds(None)
        self.entry.veth.receive()
        until(lambda: arrived(peer), "it is redirected again")
        check(self)

    def listen(self, interface):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        self.addCleanup(s.close)
        s.bind((interface, 0))
        s.setblocking(False)
        return s

    def test_hash(self):
        """By a key of a devmap_hash, which is any number."""
        hashed = self.some_map("hashed")
        key = struct.pack("=I", 4000000000)
        self.bus.update(hashed, key, struct.pack("=II", self.entry.other.index, 0))
        link = self.attach(self.one, target_map=hashed, key=4000000000)
        self.assertEqual(struct.unpack("=II", self.bus.lookup(hashed, key)),
                         (self.entry.other.index, number(self.one)))
        self.assertEqual(self.bus.get(link, LINK, "Key"), 4000000000)
        self.bus.detach(link)
        self.assertEqual(struct.unpack("=II", self.bus.lookup(hashed, key)),
                         (self.entry.other.index, 0))

    def test_another_namespace(self):
        there = self.netns()
        link = self.bus.attach(self.load("tcx", "tcx_ingress"), interface=there.name, netns=there.path)
        self.bus.detach(link)
        with there.inside():
            self.entry.write(there.index)
        for netns in (there.path, Fd(self.keep(os.open(there.path, os.O_RDONLY)))):
            link = self.attach(self.one, interface=there.name, netns=netns)
            self.assertEqual(self.entry.read(), (there.index, number(self.one)))
            self.daemon.end(signal.SIGKILL)
            self.assertEqual(self.bus.get(link, LINK, "Interface"), there.name)
            self.bus.detach(link)
            self.assertEqual(self.entry.read(), (there.index, 0))
        check(self)


class Refused(Entries):
    def test_no_place(self):
        hits = self.bus.maps_of(self.one)["hits"]
        plain = self.some_map("plain")
        for place, error, words in (
                ({"key": 1}, "InvalidArgument", "entries 0 to 0"),
                ({"target_map": hits}, "MapMismatch", "is no devmap"),
                ({"target_map": plain}, "MapMismatch", "no room for a program"),
                ({"interface": self.entry.veth.name}, "InvalidArgument",
                 f"interface with index {self.entry.other.index}"),
                ({"interface": "nosuch0"}, "NoSuchInterface", "nosuch0"),
                ({"target_map": "/org/bpfkeeper1/map/_4000000000"}, "NoSuchObject", "4000000000"),
                ({"priority": 3}, "InvalidArgument", "takes no priority"),
                ({"netns": "/nonexistent"}, "InvalidArgument", "/nonexistent")):
            with self.subTest(place=place), self.refused(error) as caught:
                self.attach(self.one, **place)
            self.assertIn(words, caught.exception.message)
        with self.refused("MissingParameter") as caught:
            self.bus.attach(self.one, target_map=self.entry.map, key=0)
        self.assertIn("interface", caught.exception.message)
        bpf.map_delete(self.entry.fd, struct.pack("=I", 0))
        with self.refused("NoSuchTarget") as caught:
            self.attach(self.one)
        self.assertIn("is empty; write there first which interface", caught.exception.message)
        check(self)

    def test_taken(self):
        link = self.attach(self.one)
        for program in (self.one, self.two):
            with self.refused("HookBusy") as caught:
                self.attach(program)
            self.assertIn(f"as link {number(link)}", caught.exception.message)
        self.assert_holds(self.one)
        self.bus.detach(link)
        self.foreign(self.two)
        with self.refused("HookBusy") as caught:
            self.attach(self.one)
        self.assertIn(f"has program {number(self.two)} already", caught.exception.message)
        self.assert_holds(self.two)

    def test_taken_over(self):
        """Somebody else's stays, and ours is seen to be gone when the entry is wanted."""
        link = self.attach(self.one)
        self.foreign(self.two)
        with self.refused("Failed") as caught:
            replace(self.bus, link, self.program())
        self.assertIn("any more", caught.exception.message)
        self.bus.detach(link)
        self.assert_holds(self.two)
        self.entry.write(self.entry.other.index)
        link = self.attach(self.one)
        self.entry.write(self.entry.other.index)
        second = self.attach(self.two)
        self.assertEqual(list(self.bus.list("Links")), [second])
        check(self)

    def test_frags(self):
        """The kernel has programs of both kinds in one map not."""
        self.bus.detach(self.attach(self.one))
        with self.refused("TypeMismatch") as caught:
            self.attach(self.program("xdp_frags_on_device"))
        self.assertIn("xdp.frags", caught.exception.message)
        self.assert_holds(None)

    def test_somebody_elses_map(self):
        """Takes what writing to it takes."""
        self.allow("alice", "load.xdp-devmap")
        program = self.program(who=self.alice)
        self.allow("alice", "attach.xdp-devmap")
        with self.refused("AuthorizationRequired", "NotAuthorized") as caught:
            self.attach(program, who=self.alice)
        self.assertIn("org.bpfkeeper1.map.write", caught.exception.message)
        self.assert_holds(None)
        self.allow("alice", "attach.xdp-devmap", "map.write")
        self.alice.detach(self.attach(program, who=self.alice))

    def test_update(self):
        """Interfaces are written by Map.Update(), programs aren't."""
        key, value = struct.pack("=I", 0), struct.pack("=Ii", self.entry.veth.index, 3)
        with self.refused("InvalidArgument") as caught:
            self.bus.update(self.entry.map, key, value)
        self.assertIn("Attach()", caught.exception.message)
        with self.refused("NoSuchInterface"):
            self.bus.update(self.entry.map, key, struct.pack("=Ii", 4000000, 0))
        self.bus.update(self.entry.map, key, struct.pack("=Ii", self.entry.veth.index, 0))
        self.assertEqual(self.entry.read(), (self.entry.veth.index, 0))
        cpus = self.bus.maps_of(self.program("xdp_to_cpu"))["cpus"]
        with self.refused("NotSupported") as caught:
            self.bus.update(cpus, key, struct.pack("=Ii", 64, 0))
        self.assertIn("OpenFd()", caught.exception.message)


class Kept(Entries):
    def test_bpfctl(self):
        place = [f"--target-map={number(self.entry.map)}", "--key=0",
                 f"--interface={self.entry.other.name}"]
        self.assertIn(f"map {number(self.entry.map)}, entry 0",
                      bpfctl("attach", str(number(self.one)), *place))
        self.assert_holds(self.one)
        link, = self.bus.list("Links")
        bpfctl("replace", str(number(link)), str(number(self.two)))
        self.assert_holds(self.two)
        self.assertIn("entry 0", bpfctl("--no-legend", "links"))
        self.assertIn("already", bpfctl("attach", str(number(self.one)), *place, status=1))
        bpfctl("detach", str(number(link)))
        self.assert_holds(None)

    def test_unloaded(self):
        """With the program's the map's end has the entry empty, too, whoever still has that."""
        self.attach(self.one)
        self.bus.unload(self.one)
        self.assert_holds(None)
        link = self.attach(self.two)
        subprocess.run(["ip", "link", "set", self.entry.veth.name, "xdpgeneric", "off"], check=True)
        self.bus.unload(self.entry.redirect)
        until(lambda: link not in self.bus.list("Links"), "the link goes with the map")
        self.assert_holds(None)
        check(self)

    def test_interface_goes(self):
        link = self.attach(self.one)
        self.entry.other.remove()
        until(lambda: link not in self.bus.list("Links"), "the link goes with the interface")
        check(self)

    def test_half_done(self):
        """What was being attached, or detached, is undone; somebody else's isn't."""
        for state in some(("attaching", "detaching")):
            for theirs in (None, self.two):
                link = self.attach(self.one)
                self.daemon.end()
                rewrite(f"{daemon.RUN}/links/{number(link)}", State=state)
                if theirs:
                    self.foreign_by_pin(theirs)
                self.assertEqual(self.bus.list("Links"), {})
                check(self)
                self.assert_holds(theirs)
                self.entry.write(self.entry.other.index)
                self.daemon.end()
                self.bus.detach(self.attach(self.one))

    def foreign_by_pin(self, program):
        """While there is no service to ask for a descriptor."""
        fd = self.keep(bpf.obj_get(f"{daemon.PINS}/program/{number(program)}"))
        bpf.map_update(self.entry.fd, struct.pack("=I", 0),
                       struct.pack("=Ii", self.entry.other.index, fd))

    def test_change_half_done(self):
        """Replaced or not, as the entry says."""
        for there in (self.one, self.two):
            link = self.attach(self.one)
            self.daemon.end()
            state, change = (f"{daemon.RUN}/{kind}/{number(link)}" for kind in ("links", "changes"))
            shutil.copy(state, change)
            rewrite(change, Program=number(self.two))
            self.foreign_by_pin(there)
            self.assertEqual([v["Program"] for v in self.bus.list("Links").values()], [there])
            check(self)
            self.bus.detach(link)
            self.assert_holds(None)

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_all(self):
        self.attach(self.one)
        self.daemon.end()
        done = subprocess.run([UNLOAD_ALL], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 links detached", done.stdout)
        self.assert_holds(None)


class Replaced(Entries):
    def test_packets(self):
        """Each that is redirected is seen, by the old one or by the new one."""
        link = self.attach(self.one)
        programs = (self.two, self.one)
        for i in range(rounds(12)):
            before = sum(self.hits(p) for p in programs)
            token, sent = start_replace(self.bus, link, programs[i % 2]), 0
            while not token.is_done():
                self.entry.veth.receive()
                sent += 1
            self.bus.wait(token)
            until(lambda before=before, sent=sent: sum(self.hits(p) for p in programs) >= before + sent,
                  "all are seen")
            self.assertEqual(sum(self.hits(p) for p in programs), before + sent)
            self.assert_holds(programs[i % 2])


class Crash(Strikes, Entries):
    def prepare(self):
        self.old, self.new = self.one, self.two

    def start(self, i):
        return self.bus.start_attach(self.one, target_map=self.entry.map, key=0,
                                     interface=self.entry.other.name)

    def assert_there(self, i, links):
        self.assert_holds(next((v["Program"] for v in links.values()), None))
