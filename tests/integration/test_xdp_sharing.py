# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several XDP programs on one interface, ours and those of others, by libxdp's dispatcher."""

import json
import os
import random
import signal
import struct
import subprocess
import time

from support import daemon, objects
from support.bus import LINK, MANAGER, PROGRAM, ROOT
from support.case import BusError, Case, feature, needs_attach, number, until
from support.consistency import check, members, parse
from support.net import interfaces
from support.wait import rounds

ROUNDS = int(os.environ.get("BPFKEEPER_CRASH_ROUNDS", rounds(16)))
XDP_DROP, XDP_PASS, XDP_TX = 1, 2, 3


def needs_freplace(function):
    def run(self, *args):
        if not feature("freplace"):
            self.skipTest("this kernel has no freplace: an interface has one XDP program")
        return function(self, *args)
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def u32(value):
    return struct.pack("=I", value)


class Sharing(Case):
    def setUp(self):
        super().setUp()
        self.order = None

    def member(self, n=0, result=XDP_PASS, name="chain_link", **options):
        """A program whose order is that of all others of the test."""
        maps = {} if self.order is None else {"order": self.order}
        program = self.load("xdp_chain", name, maps=maps,
                            globals={"number": u32(n), "result": u32(result)}, **options)
        if self.order is None:
            self.order = self.bus.maps_of(program)["order"]
        return program

    def places(self, *numbers):
        """When each of them ran last; 0: never."""
        return [struct.unpack("=Q", self.bus.lookup(self.order, u32(n)))[0] for n in numbers]

    def extension(self, program):
        """The id of what libxdp has of ours."""
        for name in os.listdir(daemon.RUN + "/loads"):
            section = f"Program {number(program)}"
            state = parse(f"{daemon.RUN}/loads/{name}")
            if section in state:
                return int(state[section]["Extension"])
        self.fail(f"no load has {program}")

    def xdp_loader(self, *arguments, status=0):
        done = subprocess.run(["xdp-loader", *arguments], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def stranger(self, veth, priority, name="chain_link", mode="native"):
        """A program that somebody else puts there; its id."""
        before = {i for i, _ in members(veth.name)}
        self.xdp_loader("load", veth.name, objects.path("xdp_chain"), "-n", name, "-P",
                        str(priority), "-m", mode)
        new, = {i for i, _ in members(veth.name)} - before
        return new

    def stranger_hits(self, program_id):
        """What it counted, which its own map of hits says."""
        shown = json.loads(subprocess.run(["bpftool", "--json", "prog", "show", "id",
                                           str(program_id)], check=True,
                                          stdout=subprocess.PIPE).stdout)
        for i in shown["map_ids"]:
            info = json.loads(subprocess.run(["bpftool", "--json", "map", "show", "id", str(i)],
                                             check=True, stdout=subprocess.PIPE).stdout)
            if info["name"] == "hits":
                found = json.loads(subprocess.run(["bpftool", "--json", "map", "lookup", "id", str(i),
                                                   "key", "0", "0", "0", "0"], check=True,
                                                  stdout=subprocess.PIPE).stdout)
                return int.from_bytes(bytes(int(b, 16) for b in found["value"]), "little")
        return self.fail(f"program {program_id} counts nowhere")

    def assert_stranger_runs(self, veth, program_id):
        before = self.stranger_hits(program_id)

        def counted():
            veth.receive()
            return self.stranger_hits(program_id) > before
        until(counted, "the other's program is run")


class Chain(Sharing):
    @needs_freplace
    def test_three_in_order_of_priority(self):
        """Attached in another order than they run, one by somebody else."""
        veth = self.veth()
        last, first = self.member(1), self.member(2)
        self.bus.attach(last, interface=veth.name, priority=30)
        other = self.stranger(veth, 20)
        link = self.bus.attach(first, interface=veth.name, priority=10)
        expected = [(self.extension(first), 10), (other, 20), (self.extension(last), 30)]
        self.assertEqual(members(veth.name), expected)
        self.assert_counts(first, veth.receive)
        self.assert_counts(last, veth.receive)
        self.assert_stranger_runs(veth, other)
        one, two = self.places(2, 1)
        self.assertLess(one, two)
        # Ours goes, the others run on
        self.bus.detach(link)
        self.assertEqual(members(veth.name), expected[1:])
        self.assert_idle(first, veth.receive)
        self.assert_counts(last, veth.receive)
        self.assert_stranger_runs(veth, other)
        self.bus.unload(last)
        self.assertEqual(members(veth.name), [(other, 20)])
        self.assert_stranger_runs(veth, other)
        check(self)

    @needs_freplace
    def test_equal_priorities_in_order_of_attachment(self):
        """By their names, which is libxdp's order, the first would be the last."""
        veth = self.veth()
        programs = [self.member(1), self.member(2, name="chain_configured"), self.member(3)]
        for program in programs:
            self.bus.attach(program, interface=veth.name, priority=20, proceed_on=["pass"])
        expected = [self.extension(p) for p in programs]
        self.assertEqual([m for m, _ in members(veth.name)], expected)
        until(lambda: (veth.receive(), all(self.places(1, 2, 3)))[1], "all are run")
        order = self.places(1, 2, 3)
        self.assertEqual(order, sorted(order))
        # And when somebody else has made the dispatcher anew
        other = self.stranger(veth, 10)
        self.assertEqual([m for m, _ in members(veth.name)], [other, *expected])
        check(self)

    @needs_freplace
    def test_what_one_decides_the_next_does_not_see(self):
        veth = self.veth()
        first, second, third = self.member(1), self.member(2, XDP_DROP), self.member(3)
        self.bus.attach(third, interface=veth.name, priority=30)
        link = self.bus.attach(second, interface=veth.name, priority=20)
        self.bus.attach(first, interface=veth.name, priority=10)
        self.assert_counts(first, veth.receive)
        self.assert_counts(second, veth.receive)
        self.assert_idle(third, veth.receive)
        self.bus.detach(link)
        # Nor does it stop the next one where it is told to proceed
        self.bus.attach(second, interface=veth.name, priority=20, **{"proceed_on": ["drop"]})
        self.assert_counts(third, veth.receive)
        order = self.places(1, 2, 3)
        self.assertEqual(order, sorted(order))
        self.assertNotIn(0, order)

    @needs_freplace
    def test_what_the_object_says(self):
        veth = self.veth()
        program = self.member(1, name="chain_configured")
        link = self.bus.attach(program, interface=veth.name)
        found = self.bus.get_all(link, LINK)
        self.assertEqual((found["Priority"], found["ProceedOn"], found["Mode"], found["Sharing"]),
                         (7, ["drop", "tx"], "native", "libxdp"))
        self.assertIn("XDP_DROP,XDP_TX", self.xdp_loader("status", veth.name))
        self.bus.detach(link)
        link = self.bus.attach(program, interface=veth.name, priority=8, **{"proceed_on": []})
        self.assertEqual(self.bus.get(link, LINK, "ProceedOn"), [])
        self.assertEqual(members(veth.name), [(self.extension(program), 8)])
        plain = self.bus.attach(self.member(2), interface=veth.name)
        self.assertEqual(self.bus.get(plain, LINK, "Priority"), 50)
        self.assertEqual(self.bus.get(plain, LINK, "ProceedOn"), ["pass"])

    @needs_freplace
    def test_others_come_and_go(self):
        """With each of them the dispatcher is another one."""
        veth = self.veth()
        program = self.member(1)
        before = self.stranger(veth, 60)
        link = self.bus.attach(program, interface=veth.name, priority=50)
        after = self.stranger(veth, 40)
        for other in (before, after):
            self.assert_counts(program, veth.receive)
            self.xdp_loader("unload", veth.name, "-i", str(other))
        self.assert_counts(program, veth.receive)
        self.assertEqual(list(self.bus.list("Links")), [link])
        self.bus.detach(link)
        self.assertEqual(members(veth.name), [])
        self.assert_idle(program, veth.receive)

    @needs_freplace
    def test_somebody_removes_all(self):
        for up in (True, False):
            with self.subTest(up=up):
                veth = self.veth()
                if not up:
                    subprocess.run(["ip", "link", "set", veth.name, "down"], check=True)
                program = self.member()
                self.order = None
                link = self.bus.attach(program, interface=veth.name)
                self.xdp_loader("unload", veth.name, "-a")

                def gone(link=link, up=up):
                    if not up:
                        self.bus.list("Links")
                    return not os.path.exists(f"{daemon.RUN}/links/{number(link)}")
                until(gone, "the link goes")
                self.assertEqual(self.bus.list("Links"), {})
                self.assertEqual(self.bus.get(program, PROGRAM, "Links"), [])
                check(self)
                self.bus.attach(program, interface=veth.name)
                self.bus.unload(program)

    @needs_freplace
    def test_interface_goes(self):
        veth = self.veth()
        program, index = self.member(), veth.index
        link = self.bus.attach(program, interface=veth.name)
        veth.remove()
        self.assertNotIn(veth.name, interfaces())
        until(lambda: not os.path.exists(f"{daemon.RUN}/links/{number(link)}"), "the link goes")
        # libxdp would leave its pins, and with them the program, for ever
        self.assertEqual([d for d in os.listdir("/sys/fs/bpf/xdp")
                          if d.startswith(f"dispatch-{index}-")], [])
        extension = self.extension(program)
        self.bus.unload(program)
        until(lambda: subprocess.run(["bpftool", "prog", "show", "id", str(extension)], check=False,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode,
              "the extension is unloaded")

    @needs_freplace
    def test_modes(self):
        veth = self.veth()
        one, two = self.member(1), self.member(2)
        self.bus.attach(one, interface=veth.name, mode="skb")
        with self.refused("HookBusy") as caught:
            self.bus.attach(two, interface=veth.name, mode="native")
        self.assertIn("skb", caught.exception.message)
        link = self.bus.attach(two, interface=veth.name)
        self.assertEqual(self.bus.get(link, LINK, "Mode"), "skb")
        self.assert_counts(two, veth.receive)
        self.bus.detach(link)
        self.assert_counts(one, veth.receive)

    @needs_freplace
    def test_frags(self):
        """Where the interface's packets are larger than a page, those go that take them in parts."""
        veth = self.veth()
        for side in (veth.name, veth.peer):
            subprocess.run(["ip", "link", "set", side, "mtu", "9000"], check=True)
        for n in (1, 2):
            link = self.bus.attach(self.member(n, name="chain_frags"), interface=veth.name,
                                   mode="native")
            self.assertEqual(self.bus.get(link, LINK, "Sharing"), "libxdp")
        plain = self.member(3)
        with self.assertRaises(BusError):
            self.bus.attach(plain, interface=veth.name)
        self.assertEqual(len(members(veth.name)), 2)

    @needs_freplace
    def test_no_more_than_ten(self):
        veth = self.veth()
        for n in range(1, 11):
            self.bus.attach(self.member(n), interface=veth.name, priority=n)
        with self.refused("LimitExceeded") as caught:
            self.bus.attach(self.member(11), interface=veth.name, priority=11)
        self.assertIn("10", caught.exception.message)
        self.assertIn(veth.name, caught.exception.message)
        until(lambda: (veth.receive(), all(self.places(*range(1, 11))))[1], "all are run")
        order = self.places(*range(1, 11))
        self.assertEqual(order, sorted(order))
        check(self)

    @needs_freplace
    def test_once_on_an_interface_and_on_many(self):
        one, two = self.veth(), self.veth()
        program = self.member()
        self.bus.attach(program, interface=one.name)
        with self.refused("HookBusy") as caught:
            self.bus.attach(program, interface=one.name, priority=1)
        self.assertIn(one.name, caught.exception.message)
        link = self.bus.attach(program, interface=two.name)
        self.assert_counts(program, one.receive)
        self.assert_counts(program, two.receive)
        self.bus.detach(link)
        self.assert_idle(program, two.receive)
        self.assert_counts(program, one.receive)

    @needs_freplace
    def test_many_at_a_time(self):
        """libxdp's way to change an interface is to try until nobody else has."""
        veth = self.veth()
        programs = [self.member(n) for n in range(1, 7)]
        tokens = [self.bus.start_attach(p, interface=veth.name) for p in programs]
        links = [self.bus.wait(t) for t in tokens]
        self.assertEqual(len(members(veth.name)), 6)
        check(self)
        tokens = [self.bus.start(link, LINK, "Detach") for link in links]
        for token in tokens:
            self.bus.wait(token)
        self.assertEqual(members(veth.name), [])
        check(self)

    @needs_freplace
    def test_not_by_libxdp(self):
        """A program that is there alone is in the way, and is named."""
        veth = self.veth()
        subprocess.run(["ip", "link", "set", "dev", veth.name, "xdp", "obj",
                        objects.path("packet_counter"), "sec", "xdp"], check=True)
        with self.refused("HookBusy") as caught:
            self.bus.attach(self.member(), interface=veth.name)
        self.assertIn("count_packets", caught.exception.message)

    @needs_freplace
    def test_no_packet_passes_by_the_others(self):
        """One that is attached and detached all the time leaves no gap for what another sees."""
        veth = self.veth()
        first, other = self.member(1), self.member(2)
        self.bus.attach(first, interface=veth.name, priority=1)
        before, sent = self.hits(first), 0
        for _ in range(5):
            for step in ("attach", "detach"):
                if step == "attach":
                    token = self.bus.start_attach(other, interface=veth.name, priority=2)
                else:
                    token = self.bus.start(link, LINK, "Detach")
                while not token.is_done():
                    veth.receive(20)
                    sent += 20
                    time.sleep(0.001)
                link = self.bus.wait(token)
        until(lambda: self.hits(first) >= before + sent, "all are seen")
        self.assertEqual(self.hits(first), before + sent)

    @needs_freplace
    def test_what_can_be_no_member(self):
        """It has the interface to itself as long as the dispatchers here can't have it."""
        veth = self.veth()
        program = self.member(1, name="chain_adjust")
        link = self.bus.attach(program, interface=veth.name)
        self.assert_counts(program, veth.receive)
        if self.bus.get(link, LINK, "Sharing") == "libxdp":
            self.skipTest("the dispatchers here can have what moves the bounds of packets")
        self.assertEqual(self.bus.get(link, LINK, "Sharing"), "exclusive")
        self.assertEqual(self.bus.get(link, LINK, "ProceedOn"), [])
        with self.refused("HookBusy"):
            self.bus.attach(self.member(2), interface=veth.name)
        self.bus.detach(link)
        self.bus.attach(self.member(3), interface=veth.name)
        with self.refused("NotSupported") as caught:
            self.bus.attach(program, interface=veth.name)
        self.assertIn(veth.name, caught.exception.message)

    @needs_freplace
    def test_extension_is_no_object(self):
        """It belongs to the program."""
        veth = self.veth()
        program = self.member()
        extension = self.extension(program)
        self.bus.attach(program, interface=veth.name)
        path = program.rpartition("_")[0] + f"_{extension}"
        self.assertNotIn(path, self.bus.list("Programs"))
        self.assertNotIn(path, self.bus.managed_objects())
        with self.assertRaises(BusError):
            self.bus.get(path, PROGRAM, "Id")
        self.assertEqual(self.bus.test_run(program, b"\0" * 60)[0], XDP_PASS)

    @needs_attach("xdp")
    def test_wrong(self):
        program = self.member()
        for wrong in (["pass", "reject"], ["PASS"], [""]):
            with self.refused("InvalidArgument") as caught:
                self.bus.attach(program, interface="lo", **{"proceed_on": wrong})
            self.assertIn("redirect", caught.exception.message)
        tc = self.load("tc", "tc_count")
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(tc, interface="lo", direction="ingress", **{"proceed_on": ["pass"]})
        self.assertIn("proceed_on", caught.exception.message)


class Alone(Sharing):
    @needs_attach("xdp")
    def test_without_freplace(self):
        if feature("freplace"):
            self.skipTest("this kernel has freplace")
        veth = self.veth()
        link = self.bus.attach(self.member(1), interface=veth.name, priority=3,
                               **{"proceed_on": ["drop"]})
        found = self.bus.get_all(link, LINK)
        self.assertEqual((found["Sharing"], found["ProceedOn"], found["Priority"]),
                         ("exclusive", [], 3))
        with self.refused("HookBusy") as caught:
            self.bus.attach(self.member(2), interface=veth.name)
        for word in (veth.name, "chain_link", "freplace"):
            self.assertIn(word, caught.exception.message)
        self.assertEqual(self.bus.get(ROOT, MANAGER, "ProgramTypes")["xdp"]["Sharing"], "libxdp")


class Crash(Sharing):
    """Ends in the middle of what libxdp does, by the daemon's end and by a worker's."""

    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("BPFKEEPER_CRASH_SEED", random.randrange(1 << 32)))
        self.random = random.Random(seed)
        self.seed = seed

    def outcome(self, token):
        try:
            return "ok", self.bus.wait(token)
        except BusError as e:
            return "error", e.name

    @needs_freplace
    def test_restarts(self):
        veth = self.veth()
        program = self.member()
        link = self.bus.attach(program, interface=veth.name, priority=9)
        other = self.stranger(veth, 10)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            before = self.snapshot()
            self.daemon.end(sig)
            self.assert_stranger_runs(veth, other)
            another = self.stranger(veth, 1)
            self.xdp_loader("unload", veth.name, "-i", str(another))
            self.daemon.pid()
            self.assertEqual(self.snapshot(), before)
            self.assert_counts(program, veth.receive)
            check(self)
        # Gone while nobody looked
        self.daemon.end(signal.SIGKILL)
        self.xdp_loader("unload", veth.name, "-a")
        self.daemon.pid()
        self.assertEqual(self.bus.list("Links"), {})
        until(lambda: not os.path.exists(f"{daemon.RUN}/links/{number(link)}"), "the file goes")
        check(self)

    def play(self, kill):
        veth = self.veth()
        program = self.member(1)
        other = self.stranger(veth, 10)
        # The second time: workers that wait are quicker than those that start
        for _ in range(2):
            begin = time.monotonic()
            link = self.bus.attach(program, interface=veth.name)
            between = time.monotonic()
            self.bus.detach(link)
            durations = between - begin, time.monotonic() - between
        killed = []
        for i in range(max(ROUNDS // 2, 8)):
            attaching = i % 2 == 0
            if attaching:
                token = self.bus.start_attach(program, interface=veth.name)
            else:
                link = self.bus.attach(program, interface=veth.name)
                token = self.bus.start(link, LINK, "Detach")
            time.sleep(self.random.random() * durations[not attaching])
            kill()
            outcome, value = self.outcome(token)
            killed.append(outcome)
            self.daemon.pid()
            with self.subTest(seed=self.seed, attaching=attaching, outcome=outcome, value=value):
                check(self)
                links = list(self.bus.list("Links"))
                if outcome == "ok" and attaching:
                    self.assertEqual(links, [value])
                elif outcome == "ok":
                    self.assertEqual(links, [])
                found = members(veth.name)
                self.assertIn((other, 10), found)
                self.assertEqual(len(found), 1 + len(links))
                self.assert_stranger_runs(veth, other)
                for path in links:
                    self.assert_counts(program, veth.receive)
                    self.bus.detach(path)
                self.assert_idle(program, veth.receive)
        # A few may all be lucky
        if ROUNDS >= 40:
            self.assertIn("error", killed)

    @needs_freplace
    def test_daemon_killed(self):
        self.play(lambda: self.daemon.end(signal.SIGKILL))

    @needs_freplace
    def test_workers_killed(self):
        def kill():
            pid = self.daemon.running()
            for worker in daemon.children(pid) if pid else ():
                daemon.kill(worker)
        self.play(kill)
