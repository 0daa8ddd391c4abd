# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that share a hook run in one order: that of their priorities, then of their attachment."""

import os
import random
import struct

from support import bpf
from support.bus import LINK
from support.case import BusError, Case, can_attach, number, until
from support.hooks import Cgroup
from support.net import Netkit
from support.wait import rounds
from test_change import kinds, update


def u32(value):
    return struct.pack("=I", value)


class Point:
    """A hook of which the kernel keeps the order."""

    def __init__(self, case, kind):
        self.kind = kind
        if kind == "tcx":
            veth = case.veth()
            self.cause, self.target, self.attach_type = veth.receive, veth.index, bpf.TCX_INGRESS
            self.where = {"interface": veth.name}
        elif kind == "netkit":
            device = Netkit()
            case.addCleanup(device.remove)
            self.cause, self.target, self.attach_type = device.send, device.index, bpf.NETKIT_PRIMARY
            self.where = {"interface": device.name}
        else:
            cgroup = Cgroup()
            case.addCleanup(cgroup.remove)
            self.cause, self.target = cgroup.run, case.keep(os.open(cgroup.path, os.O_RDONLY))
            self.attach_type, self.where = bpf.CGROUP_INET_EGRESS, {"cgroup": cgroup.path}
        self.program = {"tcx": "order_tcx", "netkit": "order_netkit",
                        "cgroup_skb": "order_cgroup"}[kind]
        self.program_type = bpf.CGROUP_SKB if kind == "cgroup_skb" else bpf.SCHED_CLS

    def chain(self):
        """Ids of the programs on it, in order."""
        return bpf.prog_query(self.target, self.attach_type)[0]

    def has_order(self):
        """The kernel counts what happens to a hook where it has an order."""
        return bpf.prog_query(self.target, self.attach_type)[1] > 0

    def stranger(self, case):
        """Somebody else's program, last: its id, and its link's descriptor."""
        program = case.keep(bpf.prog_load(self.program_type, 1 if self.kind == "cgroup_skb" else 0xffffffff))
        link = case.keep(bpf.link_create(program, self.target, self.attach_type))
        return struct.unpack_from("=I", bpf.info(program), 4)[0], link


def points(case):
    """Of each kind one, where this kernel has it in order."""
    found = []
    for kind in ("tcx", "netkit", "cgroup_skb"):
        if can_attach(kind):
            point = Point(case, kind)
            if point.has_order():
                found.append(point)
    if not found:
        case.skipTest("this kernel keeps no order of programs")
    return found


class Order(Case):
    def setUp(self):
        super().setUp()
        self.clock = None

    def member(self, point, n=0):
        maps = {} if self.clock is None else {"order": self.clock}
        program = self.load("order", point.program, maps=maps, globals={"number": u32(n)})
        if self.clock is None:
            self.clock = self.bus.maps_of(program)["order"]
        return program

    def members(self, point, count):
        self.clock = None
        return [self.member(point, n) for n in range(1, count + 1)]

    def place(self, n):
        return struct.unpack("=Q", self.bus.lookup(self.clock, u32(n)))[0]

    def assert_chain(self, point, *programs):
        """Paths, or ids of others' programs."""
        self.assertEqual(point.chain(), [p if isinstance(p, int) else number(p) for p in programs])

    def assert_runs(self, point, programs, expected):
        """All run, in this order of the paths among @programs."""
        numbers = [programs.index(p) + 1 for p in expected]

        def all_ran():
            point.cause()
            return all(self.place(n) for n in numbers)
        until(all_ran, "all of them run")
        places = [self.place(n) for n in numbers]
        self.assertEqual(places, sorted(places))

    def test_default_is_fifty(self):
        for point in points(self):
            with self.subTest(kind=point.kind):
                early, late, default, again = self.members(point, 4)
                self.bus.attach(late, priority=51, **point.where)
                self.bus.attach(default, **point.where)
                self.bus.attach(early, priority=49, **point.where)
                self.bus.attach(again, **point.where)
                self.assert_chain(point, early, default, again, late)

    def test_others_come_and_go(self):
        for point in points(self):
            with self.subTest(kind=point.kind):
                one, two, three, four = self.members(point, 4)
                self.bus.attach(two, priority=20, **point.where)
                other, descriptor = point.stranger(self)
                self.bus.attach(one, priority=10, **point.where)
                self.bus.attach(four, priority=40, **point.where)
                self.assert_chain(point, one, two, other, four)
                self.bus.attach(three, priority=30, **point.where)
                self.assert_chain(point, one, two, other, three, four)
                os.close(descriptor)
                until(lambda point=point: len(point.chain()) == 4, "the other's link goes")
                self.assert_chain(point, one, two, three, four)

    def test_ours_that_somebody_detached(self):
        for point in points(self):
            with self.subTest(kind=point.kind):
                one, two, three = self.members(point, 3)
                self.bus.attach(three, priority=30, **point.where)
                link = self.bus.attach(two, priority=20, **point.where)
                kernel = self.bus.get(link, LINK, "KernelLinkId")
                bpf.link_detach(self.keep(bpf.open_id(bpf.LINK_GET_FD_BY_ID, kernel)))
                self.bus.attach(one, priority=10, **point.where)
                self.assert_chain(point, one, three)

    def test_neighbours(self):
        for point in points(self):
            with self.subTest(kind=point.kind):
                one, two, three, four, five = self.members(point, 5)
                link = self.bus.attach(one, **point.where)
                other, descriptor = point.stranger(self)
                placed = self.bus.attach(two, before=f"program:{other}", **point.where)
                self.assertEqual(self.bus.get(placed, LINK, "Priority"), 0)
                self.assert_chain(point, one, two, other)
                self.bus.attach(three, after=f"link:{number(link)}", **point.where)
                kernel = struct.unpack_from("=II", bpf.info(descriptor))[1]
                self.bus.attach(four, after=f"kernel-link:{kernel}", **point.where)
                self.assert_chain(point, one, three, two, other, four)
                # Who has a place has it from nobody's priority
                self.bus.attach(five, priority=40, **point.where)
                self.assert_chain(point, five, one, three, two, other, four)

    def test_wrong_neighbours(self):
        for point in points(self):
            with self.subTest(kind=point.kind):
                one, two = self.members(point, 2)
                link = self.bus.attach(one, **point.where)
                for option, value, names, text in (
                        ("before", "42", ["InvalidArgument"], "program:ID"),
                        ("after", "link:x", ["InvalidArgument"], "program:ID"),
                        ("before", f"program:{number(two)}", ["InvalidArgument"],
                         f"program:{number(one)}"),
                        ("after", "link:4000000000", ["NoSuchObject"], "4000000000"),
                        ("before", "kernel-link:4000000000", ["InvalidArgument"], "there is")):
                    with self.refused(*names) as caught:
                        self.bus.attach(two, **{option: value}, **point.where)
                    self.assertIn(text, caught.exception.message)
                neighbour = f"link:{number(link)}"
                with self.refused("InvalidArgument"):
                    self.bus.attach(two, before=neighbour, after=neighbour, **point.where)
                with self.refused("InvalidArgument"):
                    self.bus.attach(two, before=neighbour, priority=3, **point.where)
                self.assert_chain(point, one)
                self.bus.detach(link)
                with self.refused("NoSuchObject"):
                    self.bus.attach(two, before=neighbour, **point.where)
                self.assert_chain(point)

    def test_at_a_time(self):
        """Attached by several at once, they are in order all the same."""
        chance = random.Random(5)
        for point in points(self):
            with self.subTest(kind=point.kind):
                programs = self.members(point, 16)
                priorities = [chance.randrange(1, 6) for _ in programs]
                tokens = [self.bus.start_attach(p, priority=n, **point.where)
                          for p, n in zip(programs, priorities)]
                links = [self.bus.wait(t) for t in tokens]
                attached = sorted(zip(priorities, map(number, links), programs))
                self.assert_chain(point, *(p for _, _, p in attached))

    def test_after_a_restart(self):
        for point in points(self):
            with self.subTest(kind=point.kind):
                one, two, three = self.members(point, 3)
                self.bus.attach(three, priority=30, **point.where)
                self.bus.attach(one, priority=10, **point.where)
                self.daemon.end()
                self.bus.attach(two, priority=20, **point.where)
                self.assert_chain(point, one, two, three)

    def test_where_a_cgroup_has_no_order(self):
        if not can_attach("cgroup_skb"):
            self.skipTest("this kernel has no programs for cgroups")
        point = Point(self, "cgroup_skb")
        if point.has_order():
            self.skipTest("this kernel keeps the order of cgroups' programs")
        one, two = self.members(point, 2)
        self.bus.attach(one, **point.where)
        for options in ({"priority": 10}, {"before": f"program:{number(one)}"}):
            with self.refused("NotSupported") as caught:
                self.bus.attach(two, **options, **point.where)
            self.assertIn("6.17", caught.exception.message)
        self.bus.attach(two, **point.where)
        self.assert_chain(point, one, two)

    def test_who_may(self):
        """A neighbour is a detail that polkit is told of."""
        point = points(self)[0]
        one, two = self.members(point, 2)
        self.bus.attach(one, **point.where)
        kind = point.kind.replace("_", "-")
        self.allow("alice", f"load.{kind}", f"attach.{kind}",
                   condition=f"action.lookup('before') !== 'program:{number(one)}'")
        program = self.alice.load(self.object("order"), [point.program])[0]
        with self.assertRaises(BusError):
            self.alice.attach(program, before=f"program:{number(one)}", **point.where)
        self.alice.attach(program, after=f"program:{number(one)}", **point.where)
        self.assert_chain(point, one, program)
        self.bus.unload(two)


class Ten(Case):
    """As many as libxdp takes on an interface, on each hook that is shared in an order of ours."""

    ORDERS = {
        "mixed": [50, 10, 90, 30, 70, 20, 100, 40, 80, 60],
        "ascending": list(range(10, 110, 10)),
        "descending": list(range(100, 0, -10)),
        "equal": [50] * 10,
        "some equal": [20, 10, 20, 10, 30, 20, 30, 10, 20, 5],
    }

    def members(self, kind):
        """Programs that write down in one map when they ran, and that map."""
        programs = [kind.load(1)]
        clock = self.bus.maps_of(programs[0])["order"]
        return programs + [kind.load(n, maps={"order": clock}) for n in range(2, 11)], clock

    def assert_runs(self, kind, clock, expected):
        """They run, and no others, in this order of their numbers."""
        def places():
            for n in range(1, 11):
                self.bus.update(clock, u32(n), bytes(8))
            kind.cause()
            found = {n: struct.unpack("=Q", self.bus.lookup(clock, u32(n)))[0] for n in range(1, 11)}
            return sorted((n for n in found if found[n]), key=found.get)
        # What comes from somewhere else at the same time mixes it up, but never to what is expected
        until(lambda: places() == expected, f"they run as {expected}")

    def test_each_order(self):
        for kind in kinds(self):
            programs, clock = self.members(kind)
            names = list(self.ORDERS)
            # What runs natively as well isn't all done again where everything takes long
            for name in names[:3 if kind.name == "xdp" else rounds(len(names))]:
                with self.subTest(kind=kind.name, order=name):
                    self.play(kind, programs, clock, name)

    def play(self, kind, programs, clock, name):
        # Keyed by their numbers; of one priority they run in the order of their attachment
        wanted = dict(enumerate(self.ORDERS[name], 1))
        links = {n: kind.attach(programs[n - 1], priority=p) for n, p in wanted.items()}

        def check_chain():
            expected = sorted(wanted, key=lambda n: (wanted[n], n))
            self.assertEqual(kind.order(), [number(programs[n - 1]) for n in expected])
            self.assert_runs(kind, clock, expected)
        check_chain()
        if name == "mixed":
            # Two go, from the middle and the end that they have here, and three change places
            for n in (4, 7):
                self.bus.detach(links.pop(n))
                wanted.pop(n)
            for n, priority in ((9, 5), (1, 65535), (3, 55)):
                update(self.bus, links[n], priority=priority)
                wanted[n] = priority
            check_chain()
        for n, link in links.items():
            self.assertEqual(self.bus.get(link, LINK, "Priority"), wanted[n])
            self.bus.detach(link)
        self.assertEqual(kind.order(), [])
