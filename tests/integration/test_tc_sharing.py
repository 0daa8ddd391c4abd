# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several tc programs on one direction of an interface, in our order, by a dispatcher."""

import itertools
import os
import random
import signal
import struct
import subprocess

from support import net, objects
from support.bus import LINK, MANAGER, PROGRAM, ROOT
from support.case import BusError, Case, feature, needs_attach, number, until
from support.consistency import check, tc_filters
from support.wait import rounds
from test_change import replace, update

OK, SHOT, PIPE, UNSPEC = 0, 2, 3, -1


def needs_dispatcher(function):
    @needs_attach("tc")
    def run(self, *args):
        if not feature("tc_dispatcher"):
            self.skipTest("this kernel makes no tail calls from functions of a program")
        return function(self, *args)
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


class Sharing(Case):
    def setUp(self):
        super().setUp()
        self.order = None

    def member(self, n=0, result=UNSPEC, **options):
        """A program whose order is that of all others of the test."""
        maps = {} if self.order is None else {"order": self.order}
        program = self.load("tc_chain", "tc_link", maps=maps,
                            globals={"number": struct.pack("=I", n),
                                     "result": struct.pack("=i", result)}, **options)
        if self.order is None:
            self.order = self.bus.maps_of(program)["order"]
        return program

    def forget(self):
        for n in range(16):
            self.bus.update(self.order, struct.pack("=I", n), bytes(8))

    def ran(self, cause, *numbers):
        """These ran for a packet, in the order in which they did."""
        self.forget()
        cause()
        places = {n: struct.unpack("=Q", self.bus.lookup(self.order, struct.pack("=I", n)))[0]
                  for n in numbers}
        return sorted((n for n in numbers if places[n]), key=places.get)

    def attach(self, program, veth, direction="ingress", **options):
        return self.bus.attach(program, interface=veth.name, direction=direction, **options)

    def foreign(self, veth, priority, section="tc", name="tc"):
        """A filter that somebody else puts there."""
        subprocess.run(["tc", "filter", "add", "dev", veth.name, "ingress", "pref", str(priority),
                        "bpf", "da", "obj", objects.path(name), "sec", section], check=True)


class Chain(Sharing):
    @needs_dispatcher
    def test_order(self):
        """By priority, and of one priority in the order of attachment."""
        veth = self.veth()
        wanted = {1: 30, 2: 10, 3: 30, 4: 1, 5: 65535, 6: 10, 7: 50}
        links = {n: self.attach(self.member(n), veth, priority=p) for n, p in wanted.items()}
        order = sorted(wanted, key=lambda n: (wanted[n], n))
        self.assertEqual(self.ran(veth.receive, *wanted), order)
        self.assertEqual(tc_filters(veth.name), 1)
        found = self.bus.get_all(links[1], LINK)
        self.assertEqual((found["Priority"], found["Sharing"], found["ProceedOn"]),
                         (30, "dispatcher", []))
        check(self, [veth.name])
        # One goes, and comes again behind those of its priority
        self.bus.detach(links[2])
        order.remove(2)
        self.assertEqual(self.ran(veth.receive, *wanted), order)
        self.attach(self.member(2), veth, priority=10)
        self.assertEqual(self.ran(veth.receive, *wanted), sorted(order + [2], key=lambda n: (
            wanted[n], {2: 9}.get(n, n))))
        self.assertEqual(self.bus.get(ROOT, MANAGER, "ProgramTypes")["tc"]["Sharing"], "dispatcher")

    @needs_dispatcher
    def test_directions_and_interfaces(self):
        """They have nothing to do with each other."""
        one, two = self.veth(), self.veth()
        program = self.member(1)
        self.attach(program, one, priority=5)
        egress = self.attach(program, one, "egress", priority=6)
        self.attach(program, two)
        # And one program may be there as often as one likes
        self.attach(program, two)
        self.assertEqual(tc_filters(one.name), 2)
        before = self.hits(program)
        one.send()
        self.assertEqual(self.hits(program), before + 1)
        two.receive()
        self.assertEqual(self.hits(program), before + 3)
        self.bus.detach(egress)
        self.assertEqual(tc_filters(one.name), 1)
        one.send()
        self.assertEqual(self.hits(program), before + 3)
        check(self, [one.name, two.name])

    @needs_dispatcher
    def test_verdicts(self):
        veth = self.veth()
        last = self.member(9)
        self.attach(last, veth, priority=90)
        for result, goes_on in ((OK, False), (SHOT, False), (PIPE, True), (UNSPEC, True)):
            with self.subTest(result=result):
                link = self.attach(self.member(1, result), veth, priority=10)
                self.assertEqual(self.ran(veth.receive, 1, 9), [1, 9] if goes_on else [1])
                self.bus.detach(link)
        for words in (["shot"], ["ok", "shot"], ["ok", "shot", "stolen", "redirect", "trap"]):
            link = self.attach(self.member(1, SHOT), veth, priority=10, proceed_on=words)
            self.assertEqual(self.bus.get(link, LINK, "ProceedOn"), words)
            self.assertEqual(self.ran(veth.receive, 1, 9), [1, 9])
            self.bus.detach(link)
        for wrong in (["pass"], ["ok", ""], ["SHOT"]):
            with self.refused("InvalidArgument") as caught:
                self.attach(last, veth, proceed_on=wrong)
            self.assertIn("'stolen'", caught.exception.message)
        check(self, [veth.name])

    @needs_dispatcher
    def test_filters_of_others(self):
        """They stay as they are, before and behind ours, and ours stay when they go."""
        veth = self.veth()
        subprocess.run(["tc", "qdisc", "add", "dev", veth.name, "clsact"], check=True)
        self.foreign(veth, 49)
        self.foreign(veth, 50)
        self.foreign(veth, 51)
        self.attach(self.member(1), veth, priority=1)
        link = self.attach(self.member(2), veth, priority=99)
        self.assertEqual(tc_filters(veth.name), 4)
        self.assertEqual(self.ran(veth.receive, 1, 2), [1, 2])
        for priority in (49, 51):
            subprocess.run(["tc", "filter", "del", "dev", veth.name, "ingress", "pref",
                            str(priority)], check=True)
        self.assertEqual(self.ran(veth.receive, 1, 2), [1, 2])
        self.bus.detach(link)
        self.assertEqual(self.ran(veth.receive, 1, 2), [1])
        self.unload_all()
        self.assertEqual(tc_filters(veth.name), 1)

    @needs_dispatcher
    def test_somebody_removes_ours(self):
        """What is attached next is attached, and what is gone is no longer listed."""
        veth = self.veth()
        gone = self.attach(self.member(1), veth)
        also = self.attach(self.member(2), veth)
        subprocess.run(["tc", "qdisc", "del", "dev", veth.name, "clsact"], check=True)
        link = self.attach(self.member(3), veth)
        self.assertEqual(list(self.bus.list("Links")), [link])
        self.assertEqual(self.ran(veth.receive, 1, 2, 3), [3])
        for path in (gone, also):
            with self.refused("org.freedesktop.DBus.Error.UnknownObject"):
                self.bus.detach(path)
        check(self, [veth.name])

    @needs_dispatcher
    def test_interface_goes(self):
        veth = self.veth()
        program = self.member()
        for _ in range(3):
            self.attach(program, veth)
        veth.remove()
        until(lambda: not self.bus.list("Links"), "the links go")
        check(self)
        self.assertEqual(self.bus.get(program, PROGRAM, "Links"), [])

    @needs_dispatcher
    def test_no_more_than_fifteen(self):
        veth = self.veth()
        program = self.member(1)
        links = [self.attach(program, veth) for _ in range(15)]
        with self.refused("LimitExceeded") as caught:
            self.attach(program, veth)
        for word in (veth.name, "15", "ingress"):
            self.assertIn(word, caught.exception.message)
        check(self, [veth.name])
        before = self.hits(program)
        veth.receive()
        self.assertEqual(self.hits(program), before + 15)
        self.bus.detach(links[7])
        self.attach(program, veth)
        check(self, [veth.name])

    @needs_dispatcher
    def test_many_at_a_time(self):
        """Who comes while the dispatcher is made, or removed, waits for that."""
        veth = self.veth()
        programs = [self.member(n) for n in range(1, 7)]
        for _ in range(rounds(5)):
            tokens = [self.bus.start_attach(p, interface=veth.name, direction="ingress")
                      for p in programs]
            links = [self.bus.wait(t) for t in tokens]
            self.assertEqual(tc_filters(veth.name), 1)
            self.assertEqual(len(self.ran(veth.receive, *range(1, 7))), 6)
            detaching = [self.bus.start(link, LINK, "Detach") for link in links]
            again = self.bus.start_attach(programs[0], interface=veth.name, direction="ingress")
            for token in detaching:
                self.bus.wait(token)
            link = self.bus.wait(again)
            self.assertEqual(self.ran(veth.receive, *range(1, 7)), [1])
            check(self, [veth.name])
            self.bus.detach(link)
            self.assertEqual(tc_filters(veth.name), 0)

    @needs_dispatcher
    def test_no_packet_passes_by_the_others(self):
        """One that is attached and detached all the time leaves no gap for what another sees."""
        veth = self.veth()
        first, other = self.member(1), self.member(2)
        self.attach(first, veth, priority=10)
        before, sent = self.hits(first), 0
        for _ in range(rounds(10)):
            link = None
            for step in ("attach", "detach"):
                if step == "attach":
                    token = self.bus.start_attach(other, interface=veth.name, direction="ingress",
                                                  priority=9)
                else:
                    token = self.bus.start(link, LINK, "Detach")
                for _ in itertools.count():
                    veth.receive(20)
                    sent += 20
                    if token.is_done():
                        break
                link = self.bus.wait(token)
        until(lambda: self.hits(first) >= before + sent, "all are seen")
        self.assertEqual(self.hits(first), before + sent)

    @needs_attach("tc", "freplace")
    def test_replaced_function(self):
        """Of a member no function is replaced; a program that has such a one has a filter of its own."""
        if not feature("tc_dispatcher"):
            self.skipTest("this kernel makes no tail calls from functions of a program")
        veth = self.veth()
        target = self.load("tc_replaceable", "tc_decided")
        link = self.attach(target, veth)
        program = self.load("tc_replaceable", "tc_decide", target_program=target)
        with self.refused("HookBusy") as caught:
            self.bus.attach(program)
        self.assertIn(veth.name, caught.exception.message)
        self.bus.detach(link)
        link = self.attach(target, veth)
        self.assertEqual(self.bus.get(link, LINK, "Sharing"), "kernel")
        with self.refused("NotSupported") as caught:
            self.attach(target, veth, proceed_on=["ok"])
        self.assertIn("proceed_on", caught.exception.message)
        decides = self.bus.attach(program)
        self.assert_counts(program, veth.receive)
        # In the filter's place, under its handle, so that nothing goes by
        before = tc_filters(veth.name)
        self.bus.detach(decides)
        new = self.member(1)
        replace(self.bus, link, new)
        self.assertEqual(tc_filters(veth.name), before)
        self.assert_counts(new, veth.receive)
        update(self.bus, link, priority=3)
        self.assertEqual(tc_filters(veth.name), before)
        self.assert_counts(new, veth.receive)


class Crash(Sharing):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("BPFKEEPER_CRASH_SEED", random.randrange(1 << 32)))
        self.random = random.Random(self.seed)

    @needs_dispatcher
    def test_restarts(self):
        veth = self.veth()
        for n, priority in ((1, 30), (2, 10), (3, 20), (4, 20)):
            self.attach(self.member(n), veth, priority=priority)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            before = self.snapshot()
            self.daemon.end(sig)
            net.transmit(veth.peer)
            self.daemon.pid()
            self.assertEqual(self.snapshot(), before)
            self.assertEqual(self.ran(veth.receive, 1, 2, 3, 4), [2, 3, 4, 1])
            check(self, [veth.name])
        self.attach(self.member(5), veth, priority=20)
        self.assertEqual(self.ran(veth.receive, 1, 2, 3, 4, 5), [2, 3, 4, 5, 1])
        # Gone while nobody looked
        self.daemon.end(signal.SIGKILL)
        subprocess.run(["tc", "qdisc", "del", "dev", veth.name, "clsact"], check=True)
        self.daemon.pid()
        self.assertEqual(self.bus.list("Links"), {})
        check(self, [veth.name])

    @needs_dispatcher
    def test_killed(self):
        """At any moment of an attachment or a detachment: others run on, and nothing is left."""
        veth = self.veth()
        program, other = self.member(1), self.member(2)
        for i in range(rounds(24)):
            # With another member there, or with the dispatcher made and removed
            beside = self.attach(other, veth) if i % 4 < 2 else None
            attaching = i % 2 == 0
            if attaching:
                token = self.bus.start_attach(program, interface=veth.name, direction="ingress")
            else:
                link = self.attach(program, veth)
                token = self.bus.start(link, LINK, "Detach")
            end = self.random.choice((0, 0.0005, 0.001, 0.002, 0.004, 0.01))
            until(lambda end=end: token.is_done() or self.random.random() < end * 20, "a moment", 60)
            self.daemon.end(signal.SIGKILL)
            try:
                value = self.bus.wait(token)
                outcome = "ok"
            except BusError as e:
                outcome, value = "error", e.name
            self.daemon.pid()
            with self.subTest(seed=self.seed, attaching=attaching, beside=beside, outcome=outcome):
                check(self, [veth.name])
                links = {number(path) for path in self.bus.list("Links")}
                if beside:
                    self.assertIn(number(beside), links)
                    self.assert_counts(other, veth.receive)
                if outcome == "ok" and attaching:
                    self.assertIn(number(value), links)
                if outcome == "ok" and not attaching:
                    self.assertNotIn(number(link), links)
            for path in self.bus.list("Links"):
                self.bus.detach(path)
            until(lambda: tc_filters(veth.name) == 0, "the dispatcher goes")
