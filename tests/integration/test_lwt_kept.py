# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs on routes, whatever becomes of the service, of routes and of interfaces; in other namespaces as well."""

import os
import shutil
import signal
import subprocess
import unittest

from support import daemon, net
from support.bus import Fd
from support.case import LINK, number, until
from support.change import replace
from support.consistency import check, rewrite
from support.kills import Strikes
from support.net import ip
from support.wait import some
from test_lwt import COUNTERS, Routes, encap_of, shown
from test_netns_lost import detach

UNLOAD_ALL = "/usr/libexec/bpfkeeper-unload-all"


class Kept(Routes):
    """The route has the program whatever becomes of the service."""

    def test_restart(self):
        program, beside = self.program(), self.program("lwt_in")
        links = [self.attach(program), self.attach(beside)]
        for sig in (signal.SIGTERM, signal.SIGKILL):
            before = self.snapshot()
            self.daemon.end(sig)
            self.assert_runs("lwt_xmit", program)
            self.assertEqual(self.snapshot(), before)
            check(self)
        for link in links:
            self.bus.detach(link)
        self.assertEqual(encap_of(self.routed.route), "")

    def test_interface_gone(self):
        self.attach(self.program())
        self.attach(self.program("lwt_seg6local"), route=self.routed.segment)
        self.routed.remove()
        until(lambda: not self.bus.list("Links"), "the links go with their interface")
        check(self)
        self.routed = self.pair()
        self.attach(self.program())
        self.daemon.end()
        self.routed.remove()
        until(lambda: not self.bus.list("Links"), "the links go with their interface")
        check(self)

    def test_unloaded(self):
        program = self.program()
        self.attach(program)
        self.attach(program, route=self.routed.segment)
        self.bus.unload(program)
        self.assertEqual((encap_of(self.routed.route), encap_of(self.routed.segment)), ("", ""))
        check(self)

    def test_half_done(self):
        """What a file says was being attached, or detached, is undone; what is beside it stays, and others' too."""
        beside = self.program("lwt_in")
        kept = self.attach(beside)
        for state in some(("attaching", "detaching")):
            link = self.attach(self.program())
            self.daemon.end()
            rewrite(f"{daemon.RUN}/links/{number(link)}", State=state)
            self.assertEqual(list(self.bus.list("Links")), [kept])
            check(self)
            until(lambda: self.on() == [number(beside)], "the program is taken off")
            self.daemon.end()
            # and it can be attached again at once
            self.bus.detach(self.attach(self.program()))
            self.assertEqual(self.on(), [number(beside)])
        link, theirs = self.attach(self.program()), self.open_foreign()
        self.daemon.end()
        rewrite(f"{daemon.RUN}/links/{number(link)}", State="detaching")
        found = self.foreign(fd=theirs)
        self.assertEqual(list(self.bus.list("Links")), [kept])
        until(lambda: not os.path.exists(f"{daemon.RUN}/links/{number(link)}"), "it is looked after")
        self.assertEqual(encap_of(self.routed.route), found)

    def change_by_half(self, done):
        """As a kill leaves it, before the kernel was told, or after that."""
        old, new = self.program(), self.program()
        link = self.attach(old)
        if done:
            replace(self.bus, link, new)
        self.daemon.end()
        state, change = (f"{daemon.RUN}/{kind}/{number(link)}" for kind in ("links", "changes"))
        shutil.copy(state, change)
        rewrite(state, Program=number(old))
        rewrite(change, Program=number(new))
        self.assertEqual(self.on()[-1], number(new if done else old))
        return link, old, new

    def test_change_half_done(self):
        """What was to be is done: nobody but a worker can tell what there is."""
        beside = self.attach(self.program("lwt_in"))
        for done in some((False, True)):
            link, old, new = self.change_by_half(done)
            self.assertEqual(self.bus.get(link, LINK, "Program"), new)
            until(lambda p=new: number(p) in self.on(), "the new one is there")
            self.assertEqual(len(self.on()), 2)
            self.assert_runs("lwt_xmit", new)
            self.assert_stopped("lwt_xmit", old)
            check(self)
            self.assertEqual(os.listdir(daemon.RUN + "/changes"), [])
            self.bus.detach(link)
        # Somebody else has put his own there meanwhile
        theirs = self.open_foreign()
        link, _, new = self.change_by_half(False)
        found = self.foreign(fd=theirs)
        self.assertEqual(self.bus.get(link, LINK, "Program"), new)
        self.bus.detach(link)
        self.bus.detach(beside)
        self.assertEqual(encap_of(self.routed.route), found)
        check(self)

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_all(self):
        there = self.netns()
        before = shown()
        with there.inside():
            pair = net.Routed()
            before_there = shown()
        for kind in ("lwt_in", "lwt_xmit"):
            self.attach(self.program(kind))
        self.attach(self.program("lwt_seg6local"), route=self.routed.segment)
        self.bus.attach(self.program(), interface=pair.name, route=pair.route, netns=there.path)
        self.daemon.end()
        done = subprocess.run([UNLOAD_ALL], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("4 links detached", done.stdout)
        self.assertEqual((encap_of(self.routed.route), encap_of(self.routed.segment)), ("", ""))
        self.assertEqual(shown(), before)
        with there.inside():
            self.assertEqual((encap_of(pair.route), shown()), ("", before_there))

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_what_is_half_done(self):
        for done in (False, True):
            self.change_by_half(done)
            subprocess.run([UNLOAD_ALL], check=True, stdout=subprocess.PIPE)
            self.assertEqual(encap_of(self.routed.route), "")


class Elsewhere(Routes):
    """In another network namespace."""

    def setUp(self):
        super().setUp()
        self.there = self.netns()
        with self.there.inside():
            self.pair_there = net.Routed()
        self.where = {"interface": self.pair_there.name, "route": self.pair_there.route,
                      "netns": self.there.path}

    def on_there(self):
        with self.there.inside():
            return self.on(self.pair_there.route)

    def test_attached(self):
        program, new = self.program(), self.program()
        with self.there.inside():
            before = shown()
        link = self.bus.attach(program, **self.where)
        self.assertEqual(self.on_there(), [number(program)])
        beside = self.bus.attach(self.program("lwt_in"), **self.where)
        self.assertEqual(len(self.on_there()), 2)
        self.daemon.end(signal.SIGKILL)
        replace(self.bus, link, new)
        self.assertIn(number(new), self.on_there())
        self.assertEqual(len(self.on_there()), 2)

        def send():
            with self.there.inside():
                self.pair_there.to_route()
        self.assert_counts(new, send, COUNTERS["lwt_xmit"])
        self.bus.detach(link)
        self.bus.detach(beside)
        with self.there.inside():
            self.assertEqual((self.on_there(), shown()), ([], before))

    def test_gone(self):
        link = self.bus.attach(self.program(), **self.where)
        self.there.remove_interface()
        with self.there.inside():
            self.pair_there.remove()
        until(lambda: link not in self.bus.list("Links"), "the link goes with its interface")
        with self.refused("InvalidArgument") as caught:
            unnamed = self.netns(named=False)
            self.bus.attach(self.program(), interface="lo", route="127.0.0.0/8",
                            netns=Fd(self.keep(os.open(unnamed.path, os.O_RDONLY))))
        self.assertIn("/run/netns", caught.exception.message)

    def test_gone_with_its_namespace(self):
        """What is here by the same index, network and program stays."""
        program = self.program()
        ours = self.attach(program)
        with self.there.inside():
            ip("link", "add", "alike", "index", str(self.routed.index), "type", "veth", "peer", "name", "peer")
            ip("link", "set", "alike", "up")
            ip("route", "add", self.routed.route, "dev", "alike")
        alike = {"interface": "alike", "route": self.routed.route, "netns": self.there.path}
        self.bus.detach(self.bus.attach(program, **alike))
        self.assertEqual(self.on(), [number(program)])
        self.bus.attach(program, **alike)
        self.daemon.end()
        self.there.remove()
        self.assertEqual(list(self.bus.list("Links")), [ours])
        until(lambda: os.listdir(f"{daemon.RUN}/links") == [str(number(ours))], "it is looked after")
        self.assertEqual(self.on(), [number(program)])
        check(self)

    def test_lost(self):
        """Where its path is lost somebody brings the way to it."""
        self.there.hold()
        link = self.bus.attach(self.program(), **self.where)
        fd = Fd(self.keep(os.open(self.there.path, os.O_RDONLY)))
        self.there.lose_name()
        with self.refused("Failed") as caught:
            self.bus.detach(link)
        self.assertIn(self.there.path, caught.exception.message)
        detach(self.bus, link, netns=fd)
        self.assertEqual(self.on_there(), [])
        self.assertEqual(self.bus.list("Links"), {})


class Crash(Strikes, Routes):
    def prepare(self):
        self.old, self.new = self.program(), self.program()
        beside = self.program("lwt_in")
        self.attach(beside)
        self.beside = number(beside)

    def start(self, i):
        return self.bus.start_attach(self.old, interface=self.routed.name, route=self.routed.route)

    def ours(self):
        return {p: v for p, v in self.bus.list("Links").items() if v["ProgramId"] != self.beside}

    def assert_there(self, i, links):
        wanted = sorted([self.beside, *(v["ProgramId"] for v in links.values())])
        if links:
            # A worker may have to put there what is said to be
            until(lambda: sorted(self.on()) == wanted, "the route has what the links say")
        self.assertEqual(sorted(self.on()), wanted)
