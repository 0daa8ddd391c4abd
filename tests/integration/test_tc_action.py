# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that are actions of tc, for filters to name by their indexes."""

import os
import shutil
import signal
import subprocess
import unittest

from support import daemon, net
from support.bus import Fd
from support.case import LINK, PROGRAM, BusError, Case, can_attach, number, until
from support.change import replace, start_replace, update
from support.consistency import check, rewrite
from support.kills import Strikes
from support.wait import rounds, some
from test_hook import bpfctl, get_hook

UNSPEC = 1  # the counter of tc_action_unspec
FREE = 4000000000  # no link's number
UNLOAD_ALL = "/usr/libexec/bpfkeeper-unload-all"
BYTECODE = ("bytecode", "1,6 0 0 0")


class Actions(Case):
    """An interface whose packets can be picked, and two programs."""

    def setUp(self):
        super().setUp()
        if not can_attach("tc_action"):
            self.skipTest("this kernel has no CONFIG_NET_ACT_BPF")
        self.interface = self.veth()
        self.old, self.new = self.program(), self.program()
        self.addCleanup(self.delete_all)

    def delete_all(self):
        for index in net.actions(ours=False):
            net.tc("actions", "del", "action", "bpf", "index", str(index), check=False)

    def program(self, name="tc_action_count", **options):
        return self.load("tc_action", name, **options)

    def index(self, link):
        return self.bus.get(link, LINK, "Index")

    def foreign(self, index, *words):
        net.tc("actions", "add", "action", "bpf", *(words or BYTECODE), "index", str(index))

    def pinned(self, program):
        return "object-pinned", f"{daemon.PINS}/program/{number(program)}"

    def delete(self, index):
        net.tc("actions", "del", "action", "bpf", "index", str(index))

    def picking(self, *indexes):
        return net.picking(self.interface.name, *indexes)

    def assert_runs(self, program, *indexes, counter=0):
        with self.picking(*indexes):
            self.assert_counts(program, self.interface.receive, counter)


class Events(Actions):
    def test_index(self):
        """The link's number, unless another one is asked for; the program may have several."""
        links = [self.bus.attach(self.old), self.bus.attach(self.old, index=FREE)]
        self.assertEqual([self.index(link) for link in links], [number(links[0]), FREE])
        for link in links:
            properties = self.bus.get_all(link, LINK)
            self.assertEqual([properties[p] for p in ("Type", "Sharing", "KernelLinkIds", "Netns")],
                             ["tc_action", "exclusive", [], ""])
            self.assert_runs(self.old, self.index(link))
        check(self)
        # On several interfaces at a time
        other = self.veth()
        with self.picking(FREE), net.picking(other.name, FREE):
            self.assert_counts(self.old, self.interface.receive)
            self.assert_counts(self.old, other.receive)
        for link in links:
            self.bus.detach(link)
        self.assertEqual(net.actions(), {})
        check(self)

    def test_no_verdict(self):
        """Then it is "pipe": the filter's next action comes."""
        first = self.program("tc_action_unspec")
        indexes = [self.index(self.bus.attach(p)) for p in (first, self.old)]
        with self.picking(*indexes):
            self.assert_counts(first, self.interface.receive, UNSPEC)
            self.assert_counts(self.old, self.interface.receive)
        with self.picking(*reversed(indexes)):
            self.assert_idle(first, self.interface.receive, UNSPEC)

    def test_bpfctl(self):
        self.assertIn(f"index {FREE}", bpfctl("attach", str(number(self.old)), f"--index={FREE}"))
        link, = self.bus.list("Links")
        self.assertIn(f"index {FREE}", bpfctl("links"))
        self.assertIn(f"Index={FREE}", bpfctl("show", f"link:{number(link)}"))
        self.assertIn("another index", bpfctl("attach", str(number(self.new)), f"--index={FREE}",
                                              status=1))
        self.assertIn("from 1 to 4294967295",
                      bpfctl("attach", str(number(self.new)), "--index=0", status=1))
        with self.picking(FREE):
            self.assert_counts(self.old, self.interface.receive)
            bpfctl("replace", str(number(link)), str(number(self.new)))
            self.assert_counts(self.new, self.interface.receive)
            self.assertIn("used by 1 filter", bpfctl("detach", str(number(link)), status=1))
        bpfctl("detach", str(number(link)))
        self.assertEqual(net.actions(), {})

    def test_who_may(self):
        """polkit's rules see the index that was asked for."""
        self.allow("alice", "load.tc-action", "attach.tc-action",
                   condition="!/attach/.test(action.id) || action.lookup(\"index\") == \"7\"")
        program = self.program(who=self.alice)
        for options in ({}, {"index": 8}):
            with self.refused("AuthorizationRequired"):
                self.alice.attach(program, **options)
        self.assertEqual(self.index(self.alice.attach(program, index=7)), 7)


class Refused(Actions):
    def test_taken(self):
        """By one of ours, or somebody else's, which is left alone."""
        link = self.bus.attach(self.old, index=FREE)
        self.foreign(FREE + 1)
        self.foreign(FREE + 2, *self.pinned(self.new))
        theirs = {FREE + 1: 0, FREE + 2: number(self.new)}
        everything = {FREE: number(self.old), **theirs}
        for program in (self.old, self.new):
            for index, word in ((FREE, f"Link {number(link)}, of program {number(self.old)} "),
                                (FREE + 1, f"index {FREE + 1} already;"),
                                (FREE + 2, f"with program {number(self.new)} (")):
                with self.refused("HookBusy") as caught:
                    self.bus.attach(program, index=index)
                self.assertIn(word, caught.exception.message)
                self.assertIn("another index", caught.exception.message)
        self.assertEqual(net.actions(ours=False), everything)
        check(self)
        self.bus.detach(link)
        self.assertEqual(net.actions(ours=False), theirs)

    def test_at_a_time(self):
        tokens = [self.bus.start_attach(p, index=FREE) for p in (self.old, self.new, self.old)]
        links = []
        for token in tokens:
            try:
                links.append(self.bus.wait(token))
            except BusError as e:
                self.assertEqual(e.name, "HookBusy")
        self.assertEqual(list(self.bus.list("Links")), links)
        self.assertEqual(len(links), 1)
        check(self)

    def test_wrong(self):
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(self.old, index=0)
        self.assertIn("from 1 to 4294967295", caught.exception.message)
        with self.refused("InvalidArgument"):
            self.bus.attach(self.load("tracepoint", "tracepoint_fork"), index=7)
        with self.refused("InvalidArgument"):
            self.bus.attach(self.old, interface=self.interface.name)
        link = self.bus.attach(self.old)
        for call in (lambda: update(self.bus, link, priority=3),
                     lambda: replace(self.bus, link, self.new, index=FREE)):
            with self.refused("InvalidArgument"):
                call()
        with self.refused("TypeMismatch"):
            replace(self.bus, link, self.load("tc", "tc_count"))
        check(self)

    def test_used(self):
        """By filters: it stays as it is, whoever wants it gone, until these are."""
        link = self.bus.attach(self.old, index=FREE)
        other = self.veth()
        with self.picking(FREE):
            with net.picking(other.name, FREE):
                with self.refused("HookBusy") as caught:
                    self.bus.detach(link)
                self.assertIn(f"Action {FREE} is used by 2 filters", caught.exception.message)
            with self.refused("HookBusy") as caught:
                self.bus.unload(self.old)
            self.assertIn(f"Action {FREE} is used by 1 filter ", caught.exception.message)
            self.assertEqual(self.bus.get(self.old, PROGRAM, "Links"), [link])
            check(self)
            self.assert_counts(self.old, self.interface.receive)
            # As is a program that can be attached further
            self.bus.detach(self.bus.attach(self.old))
        self.bus.unload(self.old)
        self.assertEqual(net.actions(), {})
        check(self)

    def test_behind_our_back(self):
        """Deleted or replaced by somebody else, whose one is left alone; and its place is free for another."""
        first = self.bus.attach(self.old, index=FREE)
        self.delete(FREE)
        second = self.bus.attach(self.new, index=FREE)
        self.assertEqual(list(self.bus.list("Links")), [second])
        self.assertNotEqual(first, second)
        check(self)
        # With the same program
        self.delete(FREE)
        self.foreign(FREE, *self.pinned(self.new))
        with self.refused("Failed") as caught:
            replace(self.bus, second, self.old)
        self.assertIn(f"isn't action {FREE} of tc any more", caught.exception.message)
        self.bus.detach(second)
        self.assertEqual(net.actions(ours=False), {FREE: number(self.new)})
        check(self)


class Shown(Actions):
    """GetHook() and bpfctl hook show each as a hook, others' ones too."""

    def listed(self, netns=net.OWN):
        found = get_hook(self.bus, netns=netns)
        return {o["Index"]: o for o in found if o["Type"] == "tc_action"}

    def test_hook(self):
        link = self.bus.attach(self.old)
        index = self.index(link)
        self.foreign(FREE)
        self.foreign(FREE + 1, *self.pinned(self.old))
        listed = self.listed()
        self.assertEqual(set(listed), {index, FREE, FREE + 1})
        for occupant in listed.values():
            self.assertEqual(occupant["Position"], 1)
            self.assertFalse({"Handle", "Priority", "KernelLinkId"} & set(occupant))
        self.assertEqual({i: (o["Name"], o.get("Program"), o.get("Link")) for i, o in listed.items()},
                         {index: ("tc_action_count", self.old, link), FREE: ("bpf", None, None),
                          FREE + 1: ("tc_action_count", self.old, None)})
        shown = bpfctl("--no-legend", "hook", f"--netns={net.OWN}")
        self.assertRegex(shown, rf"tc_action {index} .* {number(link)} +root")
        self.assertRegex(shown, rf"tc_action {FREE} .* bpf ")
        # The one that somebody else put where ours was is theirs
        self.delete(index)
        self.foreign(index, *self.pinned(self.old))
        self.assertNotIn("Link", self.listed()[index])

    def test_many(self):
        """More than come in one message of the kernel's."""
        indexes = range(FREE, FREE + 100)
        batch = "".join(f"actions add action bpf bytecode '1,6 0 0 0' index {i}\n" for i in indexes)
        subprocess.run(["tc", "-batch", "-"], input=batch, text=True, check=True)
        self.assertEqual(set(self.listed()), set(indexes))
        net.tc("actions", "flush", "action", "bpf")
        self.assertEqual(self.listed(), {})


class Netns(Actions):
    def setUp(self):
        super().setUp()
        self.there = self.netns()

    def actions(self):
        with self.there.inside():
            return net.actions()

    def test_index_there(self):
        """It is another one than the one of that index here, though the program is the same."""
        theirs = self.bus.attach(self.old, index=FREE, netns=self.there.path)
        self.assertEqual((net.actions(), self.actions()), ({}, {FREE: number(self.old)}))
        ours = self.bus.attach(self.old, index=FREE)
        self.assertEqual(self.bus.get(theirs, LINK, "Netns"), self.there.path)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            self.daemon.end(sig)
            self.assertEqual(set(self.bus.list("Links")), {ours, theirs})
        check(self)
        with self.there.inside(), self.picking_there():
            self.assert_counts(self.old, self.there.veth.receive)
        replace(self.bus, theirs, self.new)
        self.assertEqual((net.actions(), self.actions()),
                         ({FREE: number(self.old)}, {FREE: number(self.new)}))
        self.bus.detach(ours)
        self.assertEqual((net.actions(), self.actions()), ({}, {FREE: number(self.new)}))
        with self.there.inside(), self.picking_there(), self.refused("HookBusy"):
            self.bus.detach(theirs)
        self.bus.detach(theirs)
        self.assertEqual(self.actions(), {})

    def picking_there(self):
        return net.picking(self.there.name, FREE)

    def test_gone(self):
        """With its namespace; the one of its index here stays."""
        for while_it_runs in (True, False):
            there = self.netns()
            theirs = self.bus.attach(self.old, index=FREE, netns=there.path)
            ours = self.bus.attach(self.old, index=FREE)
            if not while_it_runs:
                self.daemon.end()
            there.remove()
            until(lambda: list(self.bus.list("Links")) == [ours], "the link goes with its namespace")
            check(self)
            with self.refused("org.freedesktop.DBus.Error.UnknownObject"):
                self.bus.detach(theirs)
            self.bus.detach(ours)

    def test_without_a_path(self):
        there = self.netns(named=False)
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(self.old, netns=Fd(self.keep(os.open(there.path, os.O_RDONLY))))
        self.assertIn("/run/netns", caught.exception.message)


class Kept(Actions):
    """The kernel keeps it whatever becomes of the service."""

    def test_restart(self):
        link = self.bus.attach(self.old)
        with self.picking(self.index(link)):
            for sig in (signal.SIGTERM, signal.SIGKILL):
                before = self.snapshot()
                self.daemon.end(sig)
                self.interface.receive()
                self.assertEqual(self.snapshot(), before)
                check(self)
            self.assert_counts(self.old, self.interface.receive)

    def test_gone_meanwhile(self):
        for theirs in (False, True):
            self.bus.attach(self.old, index=FREE)
            self.daemon.end()
            self.delete(FREE)
            if theirs:
                self.foreign(FREE, *self.pinned(self.old))
            self.assertEqual(self.bus.list("Links"), {})
            check(self)
            if theirs:
                self.assertEqual(net.actions(ours=False), {FREE: number(self.old)})

    def half(self, link, state):
        self.daemon.end()
        rewrite(f"{daemon.RUN}/links/{number(link)}", State=state)

    def test_half_done(self):
        """What a file says was being attached, or detached, is undone."""
        for state in some(("attaching", "detaching")):
            self.half(self.bus.attach(self.old), state)
            self.assertEqual(self.bus.list("Links"), {})
            check(self)
            self.assertEqual(net.actions(), {})

    def test_half_done_and_used(self):
        """It can't be undone, and so is a link again."""
        for state in some(("attaching", "detaching")):
            link = self.bus.attach(self.old)
            with self.picking(self.index(link)):
                self.half(link, state)
                until(lambda: link in self.bus.list("Links"), "the link is back")  # pylint: disable=cell-var-from-loop
                check(self)
                self.assert_counts(self.old, self.interface.receive)
            self.bus.detach(link)
            check(self)

    def test_change_half_done(self):
        """Replaced or not, as the kernel says; and not at all what somebody else has put there."""
        for there in (self.old, self.new, None):
            link = self.bus.attach(self.old, index=FREE)
            if there == self.new:
                replace(self.bus, link, self.new)
            self.daemon.end()
            state, change = (f"{daemon.RUN}/{kind}/{number(link)}" for kind in ("links", "changes"))
            shutil.copy(state, change)
            rewrite(state, Program=number(self.old))
            rewrite(change, Program=number(self.new))
            if not there:
                self.delete(FREE)
                self.foreign(FREE, *self.pinned(self.new))
            self.assertEqual([v["Program"] for v in self.bus.list("Links").values()],
                             [there] if there else [])
            self.assertEqual(os.listdir(daemon.RUN + "/changes"), [])
            check(self)
            if there:
                self.bus.detach(link)
        self.assertEqual(net.actions(ours=False), {FREE: number(self.new)})

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_all(self):
        """What filters use stays, which is said, and so does what is somebody else's."""
        used, unused = (self.bus.attach(p) for p in (self.old, self.new))
        index = self.index(used)
        self.foreign(FREE, *self.pinned(self.old))
        theirs = {FREE: number(self.old)}
        with self.picking(index):
            self.daemon.end()
            done = subprocess.run([UNLOAD_ALL], text=True, check=False, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"link {number(used)} stays: Action {index} is used by 1 filter ", done.stderr)
            self.assertNotIn(f"link {number(unused)}", done.stderr)
            self.assertIn("1 links detached", done.stdout)
            self.assertEqual(net.actions(ours=False), {index: number(self.old), **theirs})
        # It is remembered, and the next one that comes takes it away.
        self.assertEqual(self.bus.list("Links"), {})
        until(lambda: net.actions() == {}, "the action is gone")
        self.assertEqual(net.actions(ours=False), theirs)


class Replaced(Actions):
    def test_packets(self):
        """Each is seen, by the old one or by the new one."""
        link = self.bus.attach(self.old)
        programs = (self.new, self.old)
        with self.picking(self.index(link)):
            for i in range(rounds(12)):
                before = sum(self.hits(p) for p in programs)
                token, sent = start_replace(self.bus, link, programs[i % 2]), 0
                while not token.is_done():
                    self.interface.receive()
                    sent += 1
                self.bus.wait(token)
                until(lambda n=before + sent: sum(self.hits(p) for p in programs) >= n, "all are seen")
                self.assertEqual(sum(self.hits(p) for p in programs), before + sent)
                self.assertEqual(net.actions(), {self.index(link): number(programs[i % 2])})
        check(self)


class Crash(Strikes, Actions):
    def start(self, i):
        return self.bus.start_attach(self.old, index=FREE)

    def assert_there(self, i, links):
        self.assertEqual(net.actions(), {FREE: v["ProgramId"] for v in links.values()})
