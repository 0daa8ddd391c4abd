# SPDX-License-Identifier: LGPL-2.1-or-later
"""Link.Update() and Link.ReplaceProgram(): what is attached is changed, and nothing goes by unseen."""

import os
import signal
import time

from support import daemon
from support.bus import LINK, PROGRAM, PROPERTIES, BusError, Gio
from support.case import Case, needs_attach, number, until
from support.change import kinds, replace, start_replace, start_update, u32, update
from support.consistency import check
from support.kills import Kills, chances
from support.wait import rounds

# How often a chain is changed while packets come, and how often somebody is killed meanwhile
CHANGES = int(os.environ.get("BPFKEEPER_CHANGES", rounds(12)))
ROUNDS = int(os.environ.get("BPFKEEPER_CRASH_ROUNDS", rounds(6)))


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

    def test_with_another_place(self):
        """At the same time: it is nowhere else, and nowhere twice."""
        for kind in kinds(self):
            with self.subTest(kind=kind.name):
                old, new, other = (kind.load(n) for n in (1, 2, 3))
                link = kind.attach(old, priority=10)
                kind.attach(other, priority=20)
                replace(self.bus, link, new, priority=30)
                self.assertEqual(kind.order(), [number(other), number(new)])
                found = self.bus.get_all(link, LINK)
                self.assertEqual((found["Program"], found["Priority"]), (new, 30))
                self.assert_counts(new, kind.cause)
                self.assert_idle(old, kind.cause)
                if kind.name == "tcx":
                    with self.refused("HookBusy"):
                        replace(self.bus, link, other, priority=5)
                self.assertEqual(kind.order(), [number(other), number(new)])
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


class Crash(Kills, Case):
    """The daemon or its workers end at any instant: what is there is the old or the new."""

    def play(self, kill):
        seed, chance = chances()
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

    def test_detached_at_once(self):
        """What was left half done is in the way of nobody who comes before it is done."""
        seed, chance = chances()
        for kind in kinds(self):
            one, still = (kind.load(n) for n in (1, 2))
            kind.attach(still, priority=50)
            for i in range(ROUNDS):
                with self.subTest(kind=kind.name, seed=seed, round=i):
                    link = kind.attach(one, priority=10)
                    begin = time.monotonic()
                    update(self.bus, link, priority=90)
                    duration = time.monotonic() - begin
                    token = start_update(self.bus, link, priority=10)
                    time.sleep(chance.random() * duration)
                    self.daemon.end(signal.SIGKILL)
                    try:
                        self.bus.wait(token)
                    except BusError:
                        pass
                    # It is who starts the service.
                    self.bus.detach(link)
                    self.assert_order_becomes(kind, still)
                    check(self)
            self.bus.unload(one)
            self.bus.unload(still)

    def assert_order_becomes(self, kind, *programs):
        until(lambda: self.is_order(kind, programs), "these are there, in order")
