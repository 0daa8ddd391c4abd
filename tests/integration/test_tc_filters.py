# SPDX-License-Identifier: LGPL-2.1-or-later
"""tc programs with filters of their own: where one replaces a function of theirs, or there is no dispatcher."""

import itertools
import os
import random
import signal
import subprocess
import time

from support import daemon
from support.case import LINK, BusError, Case, feature, needs_attach, until
from support.consistency import check, tc_filters
from support.wait import rounds
from test_change import start_update, update
from test_hook import get_hook

CHANGES = rounds(12)


class Filters(Case):
    def filter(self, veth, priority):
        """A program that counts and goes on, with a filter at that priority."""
        if not feature("tc_dispatcher"):
            program = self.load("tc", "tc_count")
        elif feature("freplace"):
            program = self.load("tc_replaceable", "tc_decided")
            self.load("tc_replaceable", "tc_decide", target_program=program)
        else:
            self.skipTest("tc programs are members of a chain")
        link = self.bus.attach(program, interface=veth.name, direction="ingress", priority=priority)
        self.assertEqual(self.bus.get(link, LINK, "Sharing"), "kernel")
        return program, link

    def found(self, veth):
        return [(o["Priority"], o.get("Link")) for o in get_hook(self.bus, interface=veth.name)]


class Update(Filters):
    @needs_attach("tc")
    def test_priority(self):
        veth = self.veth()
        (one, first), (two, second) = (self.filter(veth, n) for n in (10, 20))
        update(self.bus, first, priority=30)
        self.assertEqual(self.found(veth), [(20, second), (30, first)])
        self.assertEqual(self.bus.get(first, LINK, "Priority"), 30)
        # Two may have one priority
        update(self.bus, first, priority=20)
        self.assertEqual({p for p, _ in self.found(veth)}, {20})
        update(self.bus, first, priority=20)
        for program in (one, two):
            self.assert_counts(program, veth.receive)
        self.daemon.restart()
        check(self, [veth.name])
        update(self.bus, first, priority=5)
        self.assertEqual(self.found(veth), [(5, first), (20, second)])
        self.bus.detach(first)
        self.assert_idle(one, veth.receive)
        self.assertEqual(tc_filters(veth.name), 1)

    @needs_attach("tc")
    def test_taken(self):
        """A priority that filters of another kind have is no place for it, and it stays where it is."""
        veth = self.veth()
        program, link = self.filter(veth, 10)
        subprocess.run(["tc", "filter", "add", "dev", veth.name, "ingress", "pref", "30", "protocol",
                        "ip", "u32", "match", "u32", "0", "0"], check=True)
        with self.refused("HookBusy"):
            update(self.bus, link, priority=30)
        with self.refused("InvalidArgument"):
            update(self.bus, link, priority=0)
        self.assertEqual(self.found(veth)[0], (10, link))
        self.assertEqual(self.bus.get(link, LINK, "Priority"), 10)
        self.assertEqual(os.listdir(daemon.RUN + "/changes"), [])
        self.assert_counts(program, veth.receive)
        update(self.bus, link, priority=40)
        self.assertEqual(self.found(veth)[1], (40, link))

    @needs_attach("tc")
    def test_packets(self):
        """None goes by unseen; one may be seen twice."""
        veth = self.veth()
        program, link = self.filter(veth, 10)
        sent = 0
        for i in range(CHANGES):
            token = start_update(self.bus, link, priority=20 - 10 * (i % 2))
            for _ in itertools.count():
                veth.receive(20)
                sent += 20
                if token.is_done():
                    break
            self.bus.wait(token)
        until(lambda: self.hits(program) >= sent, "all are seen")


class Crash(Filters):
    """The daemon and its workers are killed at any instant: there is one filter, at one place or the other."""

    def play(self, kill):
        seed = int(os.environ.get("BPFKEEPER_CRASH_SEED", random.randrange(1 << 32)))
        chance = random.Random(seed)
        veth = self.veth()
        program, link = self.filter(veth, 10)
        begin = time.monotonic()
        update(self.bus, link, priority=20)
        duration = time.monotonic() - begin
        for i in range(rounds(8)):
            with self.subTest(seed=seed, round=i):
                wanted = 10 if i % 2 == 0 else 20
                token = start_update(self.bus, link, priority=wanted)
                time.sleep(chance.random() * duration)
                kill()
                try:
                    self.bus.wait(token)
                    expected = (wanted,)
                except BusError:
                    expected = (10, 20)
                self.daemon.pid()
                until(lambda: tc_filters(veth.name) == 1, "there is one filter")
                priority = self.bus.get(link, LINK, "Priority")
                self.assertIn(priority, expected)
                self.assertEqual(self.found(veth), [(priority, link)])
                self.assert_counts(program, veth.receive)
                until(lambda: not os.listdir(daemon.RUN + "/changes"), "nothing is being changed")
                check(self, [veth.name])
        self.bus.detach(link)
        self.assertEqual(tc_filters(veth.name), 0)

    @needs_attach("tc")
    def test_daemon(self):
        self.play(lambda: self.daemon.end(signal.SIGKILL))

    @needs_attach("tc")
    def test_workers(self):
        def kill():
            for pid in self.daemon.workers():
                daemon.kill(pid)
        self.play(kill)
