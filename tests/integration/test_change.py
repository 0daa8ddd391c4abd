# SPDX-License-Identifier: LGPL-2.1-or-later
"""Link.Update() and Link.ReplaceProgram(): what is attached is changed, and nothing goes by unseen."""

import os
import random
import signal
import struct
import subprocess
import time

from support import bpf, daemon
from support.bus import (LINK, PROGRAM, PROPERTIES, TIMEOUT, BusError, Fd, Gio, GLib,
                         options_variant)
from support.case import Case, can_attach, feature, needs_attach, number, until
from support.consistency import check
from support.hooks import TARGET, Cgroup, fork, hooks, is_wanted
from support.wait import rounds, some

# How often a chain is changed while packets come, and how often somebody is killed meanwhile
CHANGES = int(os.environ.get("BPFKEEPER_CHANGES", rounds(12)))
ROUNDS = int(os.environ.get("BPFKEEPER_CRASH_ROUNDS", rounds(6)))


def u32(value):
    return struct.pack("=I", value)


def update(bus, link, **options):
    fds = []
    types = {"proceed_on": "as", "priority": "u"}
    return bus.results(*bus.raw_call("org.bpfkeeper1", link, LINK, "Update", GLib.Variant.new_tuple(
        options_variant(types, options, fds)), fds, 0, TIMEOUT))


def start_update(bus, link, **options):
    parameters = GLib.Variant.new_tuple(options_variant({"priority": "u"}, options, []))
    return bus.raw_start("org.bpfkeeper1", link, LINK, "Update", parameters, [], 0, TIMEOUT)


def replace_parameters(program, options, fds):
    return GLib.Variant.new_tuple(GLib.Variant("o", program), options_variant({}, options, fds))


def replace(bus, link, program, **options):
    fds = []
    return bus.results(*bus.raw_call("org.bpfkeeper1", link, LINK, "ReplaceProgram",
                                     replace_parameters(program, options, fds), fds, 0, TIMEOUT))


def start_replace(bus, link, program):
    return bus.raw_start("org.bpfkeeper1", link, LINK, "ReplaceProgram",
                         replace_parameters(program, {}, []), [], 0, TIMEOUT)


class Kind:
    """A hook that can be shared: what goes there, what makes it run, and who is on it in which order."""

    def __init__(self, case, name):
        self.case, self.name = case, name
        if name == "cgroup_skb":
            self.cgroup = Cgroup()
            case.addCleanup(self.cgroup.remove)
            self.fd = case.keep(os.open(self.cgroup.path, os.O_RDONLY))
            self.where, self.cause = {"cgroup": self.cgroup.path}, self.cgroup.run
            return
        self.veth = case.veth()
        self.where = {"interface": self.veth.name}
        if name == "tc":
            self.where["direction"] = "ingress"
        self.cause = self.veth.receive

    def load(self, n=1, **options):
        obj, program = {"tcx": ("order", "order_tcx"), "cgroup_skb": ("order", "order_cgroup"),
                        "tc": ("tc_chain", "tc_link"), "xdp": ("xdp_chain", "chain_link")}[self.name]
        options["globals"] = {"number": u32(n)}
        return self.case.load(obj, program, **options)

    def attach(self, program, **options):
        return self.case.bus.attach(program, **self.where, **options)

    def order(self):
        """Our links on it, in order."""
        if self.name == "tcx":
            ids = bpf.prog_query(self.veth.index, bpf.TCX_INGRESS)[0]
        elif self.name == "cgroup_skb":
            ids = bpf.prog_query(self.fd, bpf.CGROUP_INET_EGRESS)[0]
        else:
            place = {k: ("s", v) for k, v in self.where.items() if k == "interface"}
            fds = []
            found = self.case.bus.results(*self.case.bus.raw_call(
                "org.bpfkeeper1", "/org/bpfkeeper1", "org.bpfkeeper1.Manager", "GetHook",
                GLib.Variant.new_tuple(options_variant({}, place, fds)), fds, 0, TIMEOUT))
            ids = [o["ProgramId"] for o in found if o["Type"] == self.name and "Link" in o]
        return ids


def kinds(case):
    found = []
    for name in ("tcx", "cgroup_skb", "tc", "xdp"):
        if not is_wanted(name) or name == "tc" and not feature("tc_dispatcher") or \
                name == "xdp" and not feature("freplace") or not can_attach(name):
            continue
        kind = Kind(case, name)
        if name == "cgroup_skb" and not bpf.prog_query(kind.fd, bpf.CGROUP_INET_EGRESS)[1]:
            continue
        found.append(kind)
    if not found:
        case.skipTest("programs share no hook in an order of ours on this kernel")
    return found


class Update(Case):
    def assert_order(self, kind, *programs):
        self.assertEqual(kind.order(), [number(p) for p in programs])

    def test_priority(self):
        for kind in kinds(self):
            with self.subTest(kind=kind.name):
                one, two, three = (kind.load(n) for n in (1, 2, 3))
                links = [kind.attach(p, priority=n) for p, n in ((one, 10), (two, 20), (three, 30))]
                update(self.bus, links[0], priority=25)
                self.assert_order(kind, two, one, three)
                self.assertEqual(self.bus.get(links[0], LINK, "Priority"), 25)
                update(self.bus, links[2], priority=1)
                self.assert_order(kind, three, two, one)
                # Of equals who was attached first is the first
                update(self.bus, links[0], priority=20)
                self.assert_order(kind, three, one, two)
                for program in (one, two, three):
                    self.assert_counts(program, kind.cause)
                check(self)
                self.daemon.end(signal.SIGKILL)
                self.assertEqual(self.bus.get(links[0], LINK, "Priority"), 20)
                update(self.bus, links[0], priority=40)
                self.assert_order(kind, three, two, one)
                for link in links:
                    self.bus.detach(link)
                self.assert_idle(one, kind.cause)

    def test_neighbours(self):
        for kind in kinds(self):
            if kind.name not in ("tcx", "cgroup_skb"):
                continue
            with self.subTest(kind=kind.name):
                one, two, three = (kind.load(n) for n in (1, 2, 3))
                links = [kind.attach(p, priority=n) for p, n in ((one, 10), (two, 20), (three, 30))]
                update(self.bus, links[0], after=f"link:{number(links[1])}")
                self.assert_order(kind, two, one, three)
                self.assertEqual(self.bus.get(links[0], LINK, "Priority"), 0)
                update(self.bus, links[0], before=f"program:{number(two)}")
                self.assert_order(kind, one, two, three)
                update(self.bus, links[0], priority=50)
                self.assert_order(kind, two, three, one)
                self.assertEqual(self.bus.get(links[0], LINK, "Priority"), 50)
                with self.assertRaises(BusError):
                    update(self.bus, links[0], before="program:4000000000")
                with self.assertRaises(BusError):
                    update(self.bus, links[0], before=f"link:{number(links[0])}")
                self.assert_order(kind, two, three, one)
                check(self)

    def test_proceed_on(self):
        for kind in kinds(self):
            if kind.name not in ("tc", "xdp"):
                continue
            with self.subTest(kind=kind.name):
                words = ["ok"] if kind.name == "tc" else ["pass"]
                one, two = (kind.load(n) for n in (1, 2))
                link = kind.attach(one, priority=10, proceed_on=words)
                kind.attach(two, priority=20)
                update(self.bus, link, proceed_on=[])
                self.assertEqual(self.bus.get(link, LINK, "ProceedOn"), [])
                self.assertEqual(self.bus.get(link, LINK, "Priority"), 10)
                update(self.bus, link, proceed_on=words)
                self.assertEqual(self.bus.get(link, LINK, "ProceedOn"), words)
                self.assert_counts(two, kind.cause)
                check(self)

    def test_is_announced(self):
        kind = kinds(self)[0]
        link = kind.attach(kind.load())
        seen = []
        follow = self.bus.connection.signal_subscribe(
            None, PROPERTIES, "PropertiesChanged", link, None, Gio.DBusSignalFlags.NONE,
            lambda *args: seen.append(args[-1].unpack()[1]))

        def announced():
            while self.bus.context.iteration(False):
                pass
            return any(changed.get("Priority") == 3 for changed in seen)
        try:
            update(self.bus, link, priority=3)
            until(announced, "the change is announced")
        finally:
            self.bus.connection.signal_unsubscribe(follow)

    def test_wrong(self):
        kind = kinds(self)[0]
        one, two = kind.load(1), kind.load(2)
        link = kind.attach(one, priority=10)
        kind.attach(two, priority=20)
        for options, text in (({"priority": 0}, "priority"), ({"priority": 70000}, "65535"),
                              ({"mode": "skb"}, "mode"), ({"interface": "lo"}, "interface")):
            with self.refused("InvalidArgument") as caught:
                update(self.bus, link, **options)
            self.assertIn(text, caught.exception.message)
        with self.refused("UnknownOption", "InvalidArgument"):
            update(self.bus, link, colour="red")
        self.assert_order(kind, one, two)
        self.bus.detach(link)
        with self.assertRaises(BusError):
            update(self.bus, link, priority=5)

    def test_who_may(self):
        kind = kinds(self)[0]
        name = kind.name.replace("_", "-")
        self.allow("alice", f"load.{name}", f"attach.{name}",
                   condition="action.lookup('priority') !== '7'")
        obj = {"tcx": ("order", "order_tcx"), "cgroup_skb": ("order", "order_cgroup"),
               "tc": ("tc_chain", "tc_link"), "xdp": ("xdp_chain", "chain_link")}[kind.name]
        program = self.alice.load(self.object(obj[0]), [obj[1]])[0]
        link = self.alice.attach(program, **kind.where)
        update(self.alice, link, priority=8)
        with self.assertRaises(BusError):
            update(self.alice, link, priority=7)
        with self.assertRaises(BusError):
            update(self.bob, link, priority=8)
        self.assertEqual(self.bus.get(link, LINK, "Priority"), 8)
        other = kind.attach(kind.load(2))
        with self.assertRaises(BusError):
            update(self.alice, other, priority=9)
        with self.assertRaises(BusError):
            replace(self.alice, link, self.bus.get(other, LINK, "Program"))


class Replace(Case):
    def test_each(self):
        for kind in kinds(self):
            with self.subTest(kind=kind.name):
                old, new, other = (kind.load(n) for n in (1, 2, 3))
                link = kind.attach(old, priority=10)
                kind.attach(other, priority=20)
                replace(self.bus, link, new)
                self.assertEqual(kind.order(), [number(new), number(other)])
                found = self.bus.get_all(link, LINK)
                self.assertEqual((found["Program"], found["ProgramId"], found["Priority"]),
                                 (new, number(new), 10))
                self.assertEqual(self.bus.get(new, PROGRAM, "Links"), [link])
                self.assertEqual(self.bus.get(old, PROGRAM, "Links"), [])
                self.assert_counts(new, kind.cause)
                self.assert_idle(old, kind.cause)
                check(self)
                self.daemon.end(signal.SIGKILL)
                self.assertEqual(self.bus.get(link, LINK, "Program"), new)
                self.bus.unload(old)
                self.assert_counts(new, kind.cause)
                self.bus.unload(new)
                self.assertEqual(kind.order(), [number(other)])
                self.bus.unload(other)
                check(self)

    @needs_attach("xdp")
    def test_alone(self):
        """A program that has its interface to itself."""
        veth = self.veth()
        old, new = (self.load("packet_counter", "count_packets") for _ in range(2))
        link = self.bus.attach(old, interface=veth.name)
        replace(self.bus, link, new)
        self.assertEqual(self.bus.get(link, LINK, "Program"), new)
        self.bus.unload(old)
        self.assertEqual(list(self.bus.list("Links")), [link])
        check(self)

    def test_failed(self):
        """The old one runs on."""
        kind = kinds(self)[0]
        old = kind.load(1)
        link = kind.attach(old, priority=10)
        wrong = self.load("tracepoint", "tracepoint_fork")
        with self.refused("TypeMismatch"):
            replace(self.bus, link, wrong)
        with self.refused("NoSuchObject"):
            replace(self.bus, link, "/org/bpfkeeper1/program/_4000000000")
        other = kind.load(2)
        kind.attach(other, priority=20)
        if kind.name != "cgroup_skb":
            with self.assertRaises(BusError):
                replace(self.bus, link, other)
        self.assertEqual(self.bus.get(link, LINK, "Program"), old)
        self.assert_counts(old, kind.cause)
        check(self)

    @needs_attach("tcx")
    def test_maps_are_carried_over(self):
        veth = self.veth()
        old = self.load("order", "order_tcx", globals={"number": u32(1)})
        link = self.bus.attach(old, interface=veth.name, direction="ingress")
        self.assert_counts(old, veth.receive)
        before, maps = self.hits(old), self.bus.maps_of(old)
        new = self.load("order", "order_tcx", globals={"number": u32(2)}, replaces=old)
        carried = self.bus.maps_of(new)
        self.assertEqual((carried["hits"], carried["order"]), (maps["hits"], maps["order"]))
        self.assertEqual(sorted(n for n in carried if carried[n] == maps.get(n)),
                         ["hits", "order"])
        replace(self.bus, link, new)
        self.bus.unload(old)
        self.assertGreaterEqual(self.hits(new), before)
        self.assert_counts(new, veth.receive)
        # A map of another definition is a new one
        other = self.load("tcx", "tcx_ingress", replaces=new)
        self.assertEqual(self.bus.maps_of(other)["hits"], carried["hits"])
        with self.refused("NoSuchObject"):
            self.load("tcx", "tcx_ingress", replaces="/org/bpfkeeper1/program/_4000000000")

    @needs_attach("perf_event")
    def test_where_the_kernel_cannot(self):
        """One link of the kernel's for each CPU: there is no instant in which all are others."""
        old, new = (self.load("perf_event", "perf_event_sample") for _ in range(2))
        link = self.bus.attach(old, event="cpu-clock", frequency=10)
        if len(self.bus.get(link, LINK, "KernelLinkIds")) == 1:
            self.skipTest("there is but one CPU")
        with self.refused("NotSupported") as caught:
            replace(self.bus, link, new)
        self.assertIn("attach the new program", caught.exception.message)
        self.assertEqual(self.bus.get(link, LINK, "Program"), old)


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

    @needs_attach("tracepoint")
    def test_killed(self):
        """The daemon, at any instant: one of the two is there, and it is the one that is said."""
        seed = int(os.environ.get("BPFKEEPER_CRASH_SEED", random.randrange(1 << 32)))
        chance = random.Random(seed)
        one, two = (self.load("tracepoint", "tracepoint_fork") for _ in range(2))
        link = self.bus.attach(one)
        begin = time.monotonic()
        replace(self.bus, link, two)
        duration = time.monotonic() - begin
        for i in range(ROUNDS):
            with self.subTest(seed=seed, round=i):
                token = start_replace(self.bus, link, two if i % 2 else one)
                time.sleep(chance.random() * duration)
                self.daemon.end(signal.SIGKILL)
                try:
                    self.bus.wait(token)
                except BusError:
                    pass
                found = self.bus.get(link, LINK, "Program")
                self.assertIn(found, (one, two))
                # A worker that was about to attach is dead before the next service looks
                self.assert_counts(found, fork)
                self.assert_idle(one if found == two else two, fork)
                self.assertEqual(os.listdir(daemon.RUN + "/changes"), [])
                check(self)

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


class Packets(Case):
    """Counted while the chain is changed all the time."""

    def flood(self, kind, token):
        sent = 0
        while True:
            kind.veth.receive(20)
            sent += 20
            if token.is_done():
                self.bus.wait(token)
                return sent

    def test_updates(self):
        for kind in kinds(self):
            if kind.name == "cgroup_skb":
                continue
            with self.subTest(kind=kind.name):
                moving, still = kind.load(1), kind.load(2)
                link = kind.attach(moving, priority=10)
                kind.attach(still, priority=50)
                sent = 0
                for i in range(CHANGES):
                    sent += self.flood(kind, start_update(self.bus, link, priority=90 - 80 * (i % 2)))
                until(lambda still=still, sent=sent: self.hits(still) >= sent, "all are seen")
                self.assertEqual(self.hits(still), sent)
                # While one moves on tcx it may be met twice, but never not at all
                self.assertGreaterEqual(self.hits(moving), sent)
                if kind.name != "tcx":
                    self.assertEqual(self.hits(moving), sent)

    def test_replacements(self):
        for kind in kinds(self):
            if kind.name == "cgroup_skb":
                continue
            with self.subTest(kind=kind.name):
                one, two = kind.load(1), kind.load(2)
                link = kind.attach(one, priority=10)
                sent = 0
                for i in range(CHANGES):
                    sent += self.flood(kind, start_replace(self.bus, link, one if i % 2 else two))
                until(lambda one=one, two=two, sent=sent: self.hits(one) + self.hits(two) >= sent,
                      "all are seen")
                self.assertEqual(self.hits(one) + self.hits(two), sent)


class Crash(Case):
    """The daemon and its workers are killed at any instant: what is there is the old or the new."""

    def play(self, kill):
        seed = int(os.environ.get("BPFKEEPER_CRASH_SEED", random.randrange(1 << 32)))
        chance = random.Random(seed)
        for kind in kinds(self):
            one, two, still = (kind.load(n) for n in (1, 2, 3))
            link = kind.attach(one, priority=10)
            kind.attach(still, priority=50)
            begin = time.monotonic()
            update(self.bus, link, priority=90)
            replace(self.bus, link, two)
            duration = time.monotonic() - begin
            for i in range(ROUNDS):
                with self.subTest(kind=kind.name, seed=seed, round=i):
                    if i % 2:
                        token = start_update(self.bus, link, priority=chance.choice((10, 90)))
                    else:
                        token = start_replace(self.bus, link, chance.choice((one, two)))
                    time.sleep(chance.random() * duration)
                    kill()
                    try:
                        self.bus.wait(token)
                    except BusError:
                        pass
                    self.daemon.pid()
                    found = self.bus.get_all(link, LINK)
                    self.assertIn(found["Priority"], (10, 90))
                    program = found["Program"]
                    self.assertIn(program, (one, two))
                    expected = [program, still] if found["Priority"] == 10 else [still, program]
                    until(lambda kind=kind, expected=expected: self.is_order(kind, expected),
                          "it is in its place")
                    self.assert_counts(program, kind.cause)
                    self.assert_idle(one if program == two else two, kind.cause)
                    self.assert_counts(still, kind.cause)
                    until(lambda: not os.listdir(daemon.RUN + "/changes"), "nothing is being changed")
                    check(self)
            for program in (one, two, still):
                self.bus.unload(program)

    def is_order(self, kind, expected):
        try:
            return kind.order() == [number(p) for p in expected]
        except BusError:
            return False  # asked of a worker that was killed

    def test_daemon(self):
        self.play(lambda: self.daemon.end(signal.SIGKILL))

    def test_workers(self):
        def kill():
            for pid in self.daemon.workers():
                daemon.kill(pid)
        self.play(kill)
