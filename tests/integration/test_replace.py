# SPDX-License-Identifier: LGPL-2.1-or-later
"""Link.ReplaceProgram() of what has no order: beside the old one, in its place, or not at all."""

import os
import shutil
import signal
import struct
import subprocess
import time

from support import bpf, daemon, objects
from support.bus import LINK, PROPERTIES, BusError, Fd, Gio
from support.case import ROOT, Case, can_attach, needs_attach, number, until
from support.change import netfilter_priority, replace, start_replace
from support.consistency import check, rewrite
from support.hooks import (TARGET, Cgroup, connection, fork, hooks, pairs, read_iterators,
                           send_datagram, spin)
from support.kills import Kills, chances
from support.wait import rounds, some

ROUNDS = int(os.environ.get("BPFKEEPER_CRASH_ROUNDS", rounds(3)))
LINK_UPDATE = 29
# The first of the pins of kernel links that are to take the places of others, as in service/link-change.h
NEXT = 250


def assert_ends(case, program, cause, index=0):
    """It is run no more, once the kernel has let go of a link that nobody has: that it does on its own time."""
    def is_idle():
        before = case.hits(program, index)
        cause()
        cause()
        return case.hits(program, index) == before
    until(is_idle, "the program isn't run any more")


class Beside(Case):
    """Where no kernel replaces a program, the new one comes before the old one goes."""

    # Of two neighbours here the kernel has much the same
    KINDS = ("tracepoint", "raw_tracepoint", "uprobe", "uretprobe", "kprobe", "kretprobe",
             "kprobe_multi", "uprobe_multi", "fentry", "fexit", "lsm", "tp_btf")

    def test_each(self):
        for hook in {h.kind: h for h in hooks(self) if h.kind in some(self.KINDS)}.values():
            if not can_attach(hook.kind):
                continue
            with self.subTest(kind=hook.kind):
                old, new = (self.load(hook.object, hook.program, **hook.load) for _ in range(2))
                link = self.bus.attach(old, **hook.options)
                before = self.bus.get_all(link, LINK)
                replace(self.bus, link, new)
                after = self.bus.get_all(link, LINK)
                self.assertEqual((after["Program"], after["ProgramId"]), (new, number(new)))
                self.assertNotEqual(after["KernelLinkIds"], before["KernelLinkIds"])
                for name in ("Target", "Function", "Functions", "Tracepoint", "Offset", "Cookie"):
                    self.assertEqual(after[name], before[name])
                self.assert_counts(new, hook.cause, hook.index)
                self.assert_idle(old, hook.cause, hook.index)
                check(self)
                self.daemon.end(signal.SIGKILL)
                self.assertEqual(self.bus.get(link, LINK, "Program"), new)
                self.bus.unload(old)
                self.assert_counts(new, hook.cause, hook.index)
                self.bus.unload(new)
                check(self)

    @needs_attach("tracepoint")
    def test_none_goes_by(self):
        """Each process that begins is seen by the old one or the new one, or by both."""
        one, two = (self.load("tracepoint", "tracepoint_fork") for _ in range(2))
        link = self.bus.attach(one)
        for i in range(rounds(12)):
            began = self.hits(one) + self.hits(two)
            token, n = start_replace(self.bus, link, one if i % 2 else two), 0
            while not token.is_done():
                fork()
                n += 1
            self.bus.wait(token)
            self.assertGreaterEqual(self.hits(one) + self.hits(two), began + n)

    @needs_attach("uprobe")
    def test_target_and_process(self):
        """What no link keeps is passed again, and is what it was."""
        self.allow("alice", "load.uprobe", "attach.uprobe")
        program, new = (self.load("uprobe", "uprobe_anywhere", who=self.alice) for _ in range(2))
        target, copy = (Fd(self.keep(self.alice.open(path))) for path in (TARGET, "/bin/true"))
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            pid = Fd(self.keep(os.pidfd_open(process.pid)))
            link = self.alice.attach(program, target=target, function="target_add", pid=pid)
            for options, error, text in (
                    ({}, "MissingParameter", "'target'"),
                    ({"target": copy, "pid": pid}, "InvalidArgument", TARGET),
                    ({"target": target}, "MissingParameter", "'pid'"),
                    ({"target": target, "pid": ("i", 1)}, "InvalidArgument", str(process.pid)),
                    ({"target": TARGET, "pid": pid}, "MissingParameter", "uid 0"),
                    ({"target": target, "pid": pid, "offset": ("t", 3)}, "InvalidArgument", "offset")):
                with self.subTest(options=options), self.refused(error) as caught:
                    replace(self.alice, link, new, **options)
                self.assertIn(text, caught.exception.message)
                self.assertEqual(self.bus.get(link, LINK, "Program"), program)
            replace(self.alice, link, new, target=target, pid=pid)
            self.assertEqual(self.bus.get(link, LINK, "Program"), new)
            process.stdin.close()
        # One that has ended, and of which nothing is known to be meant by its number
        with self.refused("NoSuchProcess"):
            replace(self.alice, link, program, target=target, pid=pid)
        self.assertEqual(self.bus.get(link, LINK, "Program"), new)
        check(self)


class Several(Case):
    """A link of several kernel links, as a perf event's on all CPUs: all new ones come before the old ones go."""

    def setUp(self):
        super().setUp()
        if not can_attach("perf_event"):
            self.skipTest("this kernel can't attach perf_event programs")

    def sampler(self):
        return self.load("perf_event", "perf_event_sample")

    def attach(self, program):
        link = self.bus.attach(program, event="cpu-clock", frequency=1000)
        ids = self.bus.get(link, LINK, "KernelLinkIds")
        if len(ids) == 1:
            self.skipTest("there is but one CPU")
        return link, ids

    def pin(self, link, part):
        return f"{daemon.PINS}/link/{number(link)}_{part}"

    def test_replaced(self):
        old, new = self.sampler(), self.sampler()
        link, ids = self.attach(old)
        seen = []
        follow = self.bus.connection.signal_subscribe(
            None, PROPERTIES, "PropertiesChanged", link, None, Gio.DBusSignalFlags.NONE,
            lambda *args: seen.append(args[-1].unpack()[1]))
        self.addCleanup(self.bus.connection.signal_unsubscribe, follow)
        replace(self.bus, link, new)
        others = self.bus.get(link, LINK, "KernelLinkIds")
        self.assertEqual(len(others), len(ids))
        self.assertFalse(set(others) & set(ids))
        self.assertFalse([i for i in ids if bpf.exists("link", i)])
        self.assert_counts(new, spin)
        self.assert_idle(old, spin)

        def announced():
            while self.bus.context.iteration(False):
                pass
            return any(changed.get("KernelLinkIds") == others for changed in seen)
        until(announced, "the kernel's ids are announced")
        check(self)
        self.daemon.end(signal.SIGKILL)
        self.assertEqual(self.bus.get(link, LINK, "KernelLinkIds"), others)
        self.bus.unload(old)
        self.assert_counts(new, spin)
        self.bus.detach(link)
        self.assert_idle(new, spin)

    def half_done(self, old, new, done, there):
        """As a kill leaves it after so many of the new ones have taken their places; @there are pinned."""
        link, ids = self.attach(old)
        next_link, next_ids = self.attach(new)
        self.daemon.end()
        state, change = (f"{daemon.RUN}/{kind}/{number(link)}" for kind in ("links", "changes"))
        shutil.copy(state, change)
        rewrite(change, Program=number(new))
        os.unlink(f"{daemon.RUN}/links/{number(next_link)}")
        for i in range(len(next_ids)):
            if i >= there:
                os.unlink(self.pin(next_link, i))
            elif i < done:
                os.rename(self.pin(next_link, i), self.pin(link, i))
            else:
                os.rename(self.pin(next_link, i), self.pin(link, NEXT + i))
        return link, ids, next_ids

    def test_killed_between_two_places(self):
        link, ids = self.attach(self.sampler())
        self.bus.detach(link)
        n = len(ids)
        for done, there in {(0, n), (1, n), (n - 1, n), (n, n), (0, 1), (0, n - 1)}:
            with self.subTest(done=done, there=there):
                old, new = self.sampler(), self.sampler()
                link, ids, next_ids = self.half_done(old, new, done, there)
                is_new = there == n
                self.assertEqual(self.bus.get(link, LINK, "Program"), new if is_new else old)
                self.assertEqual(self.bus.get(link, LINK, "KernelLinkIds"),
                                 next_ids if is_new else ids)
                self.assertEqual(os.listdir(daemon.RUN + "/changes"), [])
                check(self)
                self.assert_counts(new if is_new else old, spin)
                assert_ends(self, old if is_new else new, spin)
                self.bus.unload(old)
                self.bus.unload(new)


class Killed(Kills, Case):
    """The daemon, or its workers, at any instant: one of the two is there, and it is the one that is said."""

    def every(self):
        """Of each way to replace a kind: an object, its program, how it is attached, what it counts."""
        found = []
        if can_attach("tracepoint"):
            found.append(("tracepoint", "tracepoint_fork", {}, fork, 0))
        if can_attach("perf_event"):
            found.append(("perf_event", "perf_event_sample",
                          {"event": "cpu-clock", "frequency": 1000}, spin, 0))
        for hook in hooks(self):
            if hook.kind in ("usdt", "iter", "struct_ops") and can_attach(hook.kind):
                found.append((hook.object, hook.program, hook.options, hook.cause, hook.index))
        if not found:
            self.skipTest("this kernel attaches none of these")
        return found

    def play(self, kill):
        seed, chance = chances()
        for obj, name, options, cause, index in self.every():
            one, two = (self.load(obj, name) for _ in range(2))
            link = self.bus.attach(one, **options)
            begin = time.monotonic()
            replace(self.bus, link, two)
            duration = time.monotonic() - begin
            for i in range(ROUNDS):
                with self.subTest(kind=obj, seed=seed, round=i):
                    token = start_replace(self.bus, link, chance.choice((one, two)))
                    time.sleep(chance.random() * duration)
                    kill()
                    try:
                        self.bus.wait(token)
                    except BusError:
                        pass
                    self.daemon.pid()
                    found = self.bus.get(link, LINK, "Program")
                    self.assertIn(found, (one, two))
                    # A worker that was about to attach is dead before the next service looks
                    self.assert_counts(found, cause, index)
                    assert_ends(self, one if found == two else two, cause, index)
                    until(lambda: not os.listdir(daemon.RUN + "/changes"), "nothing is being changed")
                    check(self)
            self.bus.unload(one)
            self.bus.unload(two)


class InPlace(Case):
    """The kernel has the new one where the old one was: by the same link of its own."""

    KINDS = ("iter", "sk_lookup", "flow_dissector", "sk_msg", "sk_skb", "lsm_cgroup", "cgroup_sockopt",
             "cgroup_sock_addr", "struct_ops")

    def test_each(self):
        for hook in [*hooks(self), *pairs(self)]:
            if hook.kind not in some(self.KINDS) or not can_attach(hook.kind):
                continue
            with self.subTest(kind=hook.kind, program=hook.program):
                old, new = (self.load(hook.object, hook.program, **hook.load) for _ in range(2))
                link = self.bus.attach(old, **hook.options)
                ids = self.bus.get(link, LINK, "KernelLinkIds")
                replace(self.bus, link, new)
                self.assertEqual(self.bus.get(link, LINK, "Program"), new)
                self.assertEqual(self.bus.get(link, LINK, "KernelLinkIds"), ids)
                self.assert_counts(new, hook.cause, hook.index)
                self.assert_idle(old, hook.cause, hook.index)
                self.bus.unload(old)
                self.daemon.end(signal.SIGKILL)
                self.assertEqual(self.bus.get(link, LINK, "Program"), new)
                self.assert_counts(new, hook.cause, hook.index)
                self.bus.unload(new)
                check(self)

    def test_by_itself(self):
        """Nothing comes of it: also not where the kernel has no link, and is asked who is there."""
        for hook in [*hooks(self), *pairs(self)]:
            if hook.kind not in ("cgroup_sockopt", "xdp_devmap", "tc_action", "lwt_xmit", "tc") or \
                    not can_attach(hook.kind):
                continue
            with self.subTest(kind=hook.kind, program=hook.program):
                program = self.load(hook.object, hook.program, **hook.load)
                flags = {"attach_flags": "override"} if hook.kind == "cgroup_sockopt" else {}
                link = self.bus.attach(program, **hook.options, **flags)
                replace(self.bus, link, program)
                self.assertEqual(self.bus.get(link, LINK, "Program"), program)
                self.assert_counts(program, hook.cause, hook.index)
                self.bus.unload(program)
                check(self)

    @needs_attach("cgroup_sock_addr")
    def test_loaded_for_another_hook(self):
        """What the program may read was decided for that one, and the kernel doesn't look again."""
        cgroup = Cgroup()
        self.addCleanup(cgroup.remove)
        old, wrong = (self.load("cgroup_sock_addr", name) for name in ("on_connect4", "on_bind4"))
        link = self.bus.attach(old, cgroup=cgroup.path)
        with self.refused("InvalidArgument") as caught:
            replace(self.bus, link, wrong)
        self.assertIn("connect4", caught.exception.message)
        self.assertEqual(self.bus.get(link, LINK, "Program"), old)


class Iterators(Case):
    @needs_attach("iter")
    def test_open_ones_go_on(self):
        old, new = (self.load("iter", "iter_tasks") for _ in range(2))
        link = self.bus.attach(old)
        with open(self.bus.open_iterator(link), encoding="utf-8", errors="replace") as f:
            replace(self.bus, link, new)
            self.assertTrue(f.read())
        self.assertGreater(self.hits(old), 0)
        self.assertEqual(self.hits(new), 0)
        self.assert_counts(new, lambda: read_iterators(self))

    @needs_attach("iter")
    def test_kinds_and_keys(self):
        """A program for other objects, or larger ones, is none for these."""
        old, sleeping, maps, wide = self.load("iter", "iter_tasks"), \
            self.load("iter", "iter_tasks_sleepable"), self.load("iter_map", "iter_elements"), \
            self.load("iter_map", "iter_long_keys")
        link = self.bus.attach(old)
        with self.refused("InvalidArgument") as caught:
            replace(self.bus, link, maps)
        self.assertIn("task", caught.exception.message)
        replace(self.bus, link, sleeping)
        self.assert_counts(sleeping, lambda: read_iterators(self), 1)
        self.bus.detach(link)
        link = self.bus.attach(maps, target_map=self.bus.maps_of(maps)["seen"])
        with self.refused("MapMismatch"):
            replace(self.bus, link, wide)
        self.assertEqual(self.bus.get(link, LINK, "Program"), maps)
        replace(self.bus, link, self.load("iter_map", "iter_elements"))
        self.assertEqual(read_iterators(self), ["0: 0\n1: 0\n"])

    @needs_attach("iter")
    def test_somebody_elses_map(self):
        """Who replaces the program that reads a map may read the map."""
        shared = self.bus.maps_of(self.load("iter_map", "iter_elements"))["seen"]
        allowed = "load.iter", "attach.iter"
        self.allow("alice", *allowed, "map.read")
        one, two = (self.load("iter_map", "iter_elements", who=self.alice) for _ in range(2))
        link = self.alice.attach(one, target_map=shared)
        self.allow("alice", *allowed)
        with self.refused("AuthorizationRequired"):
            replace(self.alice, link, two)
        self.assertEqual(self.bus.get(link, LINK, "Program"), one)
        self.allow("alice", *allowed, "map.read")
        replace(self.alice, link, two)


def choose_congestion():
    """Whether a connection gets the test programs' congestion control; OSError where there is none."""
    client, server = connection()
    with client, server:
        client.setsockopt(6, 13, objects.CONGESTION.encode())  # IPPROTO_TCP, TCP_CONGESTION


class StructOps(Case):
    @needs_attach("struct_ops")
    def test_none_is_without(self):
        """There is one of that name at any instant."""
        one, two = (self.load("struct_ops", "slow_init") for _ in range(2))
        link = self.bus.attach(one)
        maps = {number(p) for p, m in self.bus.managed("Maps").items() if m["Type"] == "struct_ops"}
        self.assertEqual(len(maps), 2)
        for i in range(rounds(12)):
            before, began = self.bus.get(link, LINK, "TargetMapId"), self.hits(one) + self.hits(two)
            token, n = start_replace(self.bus, link, one if i % 2 else two), 0
            while n < 1 or not token.is_done():
                choose_congestion()
                n += 1
            self.bus.wait(token)
            self.assertEqual(self.hits(one) + self.hits(two), began + n)
            self.assertEqual(maps - {self.bus.get(link, LINK, "TargetMapId")}, {before})
            check(self)

    @needs_attach("struct_ops")
    def test_of_the_same(self):
        """Another function of the one that is there: nothing changes but whose the link is."""
        programs = self.load("struct_ops")
        link = self.bus.attach(programs[0])
        replace(self.bus, link, programs[1])
        self.assertEqual(self.bus.get(link, LINK, "Program"), programs[1])
        choose_congestion()
        self.bus.unload(programs[0])
        choose_congestion()
        self.daemon.end(signal.SIGKILL)
        self.assertEqual(self.bus.get(link, LINK, "Program"), programs[1])
        check(self)

    @needs_attach("struct_ops")
    def test_of_another_name(self):
        old = self.load("struct_ops", "slow_init")
        link = self.bus.attach(old)
        data = objects.read("struct_ops").replace(objects.CONGESTION.encode(), b"bpfkeeper_fast")
        new = self.bus.load(self.data_object(data), ["slow_init"])[0]
        with self.refused("TypeMismatch") as caught:
            replace(self.bus, link, new)
        self.assertIn("name", caught.exception.message)
        self.assertEqual(self.bus.get(link, LINK, "Program"), old)
        other = self.bus.attach(new)
        with self.refused("HookBusy"):
            replace(self.bus, link, new)
        with self.refused("MapMismatch"):
            replace(self.bus, link, new,
                    target_map=f"{ROOT}/map/_{self.bus.get(link, LINK, 'TargetMapId')}")
        self.bus.detach(other)
        self.assert_counts(old, choose_congestion)
        check(self)


def cannot_update(case, link, new):
    """Whether the kernel itself has no way to have another program on the link."""
    pin = case.keep(bpf.obj_get(f"{daemon.PINS}/link/{number(link)}_0"))
    fd = case.keep(case.bus.open_program(new))
    try:
        bpf.bpf(LINK_UPDATE, struct.pack("=III", pin, fd, 0))
    except OSError:
        return True
    return False


class InTurns(Case):
    """Of netfilter's programs there is one at a priority: the next one has room, for a moment."""

    WHERE = {"hook": "output", "family": "ipv4"}

    def setUp(self):
        super().setUp()
        if not can_attach("netfilter"):
            self.skipTest("this kernel can't attach netfilter programs")

    def attach(self, program, priority=-5):
        return self.bus.attach(program, hook_priority=priority, **self.WHERE)

    def counter(self):
        return self.load("netfilter", "netfilter_count")

    def test_none_goes_by(self):
        one, two = self.counter(), self.counter()
        link = self.attach(one)
        with self.refused("HookBusy"):
            self.attach(two)
        self.assertTrue(cannot_update(self, link, two))
        for i in range(rounds(12)):
            began = self.hits(one) + self.hits(two)
            there = one if i % 2 else two
            token, n = start_replace(self.bus, link, there), 0
            while n < 1 or not token.is_done():
                send_datagram()
                n += 1
            self.bus.wait(token)
            self.assertGreaterEqual(self.hits(one) + self.hits(two), began + n)
            self.assertEqual(self.bus.get(link, LINK, "Program"), there)
            self.assertEqual(netfilter_priority(self, link), -5)
            check(self)
        before = self.hits(one), self.hits(two)
        send_datagram()
        self.assertEqual((self.hits(one) - before[0]) * (self.hits(two) - before[1]), 0)

    def test_no_room(self):
        old, new = self.counter(), self.counter()
        link = self.attach(old)
        above, below = (self.attach(self.counter(), n) for n in (-4, -6))
        with self.refused("HookBusy") as caught:
            replace(self.bus, link, new)
        self.assertIn("next to -5", caught.exception.message)
        self.assertEqual(self.bus.get(link, LINK, "Program"), old)
        self.bus.detach(below)
        replace(self.bus, link, new)
        self.assertEqual(netfilter_priority(self, link), -5)
        self.assert_counts(new, send_datagram)
        self.assert_idle(old, send_datagram)
        self.bus.detach(above)
        check(self)

    def test_killed(self):
        """At any instant: it gets to its priority in the end."""
        seed, chance = chances()
        one, two = self.counter(), self.counter()
        link = self.attach(one)
        begin = time.monotonic()
        replace(self.bus, link, two)
        duration = time.monotonic() - begin
        for i in range(2 * ROUNDS):
            with self.subTest(seed=seed, round=i):
                token = start_replace(self.bus, link, one if i % 2 else two)
                time.sleep(chance.random() * duration)
                if i % 3:
                    self.daemon.end(signal.SIGKILL)
                else:
                    for pid in self.daemon.workers():
                        daemon.kill(pid)
                try:
                    self.bus.wait(token)
                except BusError:
                    pass
                until(lambda: netfilter_priority(self, link) == -5, "it is at its priority")
                found = self.bus.get(link, LINK, "Program")
                self.assertIn(found, (one, two))
                self.assert_counts(found, send_datagram)
                assert_ends(self, one if found == two else two, send_datagram)
                until(lambda: not os.listdir(daemon.RUN + "/changes"), "nothing is being changed")
                check(self)

    def test_killed_next_to_it(self):
        """As a kill leaves it when the old one has ended, and the new one isn't where that was."""
        old, new = self.counter(), self.counter()
        link, aside = self.attach(old), self.attach(new, -4)
        self.daemon.end()
        state = f"{daemon.RUN}/links/{number(link)}"
        rewrite(state, Program=number(new), KernelLinks="1\nStandIn=true")
        os.rename(f"{daemon.PINS}/link/{number(aside)}_0", f"{daemon.PINS}/link/{number(link)}_0")
        os.unlink(f"{daemon.RUN}/links/{number(aside)}")
        until(lambda: netfilter_priority(self, link) == -5, "it is at its priority")
        self.assertEqual(self.bus.get(link, LINK, "Program"), new)
        self.assert_counts(new, send_datagram)
        assert_ends(self, old, send_datagram)
        check(self)


class Never(Case):
    """What the kernel has no way for, which is tried as well as said."""

    @needs_attach("freplace")
    def test_freplace(self):
        target = self.load("replaceable", "replaceable")
        old, new = (self.load("freplace", "freplace_decide", target_program=target)
                    for _ in range(2))
        link = self.bus.attach(old)
        with self.refused("HookBusy"):
            self.bus.attach(new)
        with self.refused("NotSupported") as caught:
            replace(self.bus, link, new)
        self.assertIn("detach link", caught.exception.message)
        self.assertTrue(cannot_update(self, link, new))
        self.assertEqual(self.bus.get(link, LINK, "Program"), old)
