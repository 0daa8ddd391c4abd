# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs on routes: lwt_in, lwt_out and lwt_xmit side by side, lwt_seg6local alone."""

import contextlib
import os
import re
import socket
import struct
import subprocess

from support import bpf, net
from support.case import LINK, BusError, Case, can_load, number
from support.change import replace, start_replace
from support.consistency import check
from support.net import attribute, ip
from support.wait import rounds, some
from test_hook import bpfctl, get_hook

COUNTERS = {"lwt_in": 0, "lwt_out": 1, "lwt_xmit": 2, "lwt_seg6local": 3}
# As ip(8) shows programs
ENCAP = r" encap (bpf( (in|out|xmit) \S+)+|seg6local action End.BPF endpoint \S+)"


def shown(*where):
    """Routes as ip(8) shows them, without what they have beside their next hops."""
    text = "".join(subprocess.run(["ip", "-d", family, "route", "show", "table", "all", *where],
                                  check=True, text=True, stdout=subprocess.PIPE).stdout
                   for family in ("-4", "-6"))
    # Without the kernel's own, and times that run
    lines = [" ".join(re.sub(ENCAP, "", line).split()) for line in text.splitlines()
             if "proto kernel" not in line and "table local" not in line]
    return [re.sub(r" (expires|used|age) \S+", "", line) for line in lines]


def show_routes(prefix, *where):
    return subprocess.run(["ip", "-d", "-6" if ":" in prefix else "-4", "route", "show", prefix, *where],
                          check=True, text=True, stdout=subprocess.PIPE).stdout


def encap_of(prefix, *where):
    """All that ip(8) shows of a route's, "" where it has none."""
    text = show_routes(prefix, *where)
    found = re.search(r"encap (bpf( (in|out|xmit) \S+)+|\S+ .*?(?= +(via|dev|table) ))", text)
    return found[1] if found else ""


class Routes(Case):
    """A pair of interfaces with routes, and a program."""

    def setUp(self):
        super().setUp()
        for kind in COUNTERS:
            if not can_load(kind):
                self.skipTest(f"this kernel loads no {kind} programs")
        self.routed = self.pair()

    def pair(self):
        pair = net.Routed()
        self.addCleanup(pair.remove)
        return pair

    def add(self, *route, **options):
        """A route that goes with the test."""
        ip("route", "add", *route, **options)
        self.addCleanup(subprocess.run, ["ip", "route", "del", *route], check=False,
                        stderr=subprocess.DEVNULL)

    def program(self, kind="lwt_xmit", **options):
        return self.load("lwt", f"{kind}_count", **options)

    def attach(self, program, who=None, **options):
        return (who or self.bus).attach(program, **{"interface": self.routed.name,
                                                    "route": self.routed.route, **options})

    def cause(self, kind):
        return {"lwt_in": self.routed.through_route,
                "lwt_seg6local": self.routed.to_segment}.get(kind, self.routed.to_route)

    def assert_runs(self, kind, program):
        self.assert_counts(program, self.cause(kind), COUNTERS[kind])

    def assert_stopped(self, kind, program):
        self.assert_idle(program, self.cause(kind), COUNTERS[kind])

    def on(self, prefix=None, *where):
        """Ids of the programs on a route, by what it says of them."""
        text = show_routes(prefix or self.routed.route, *where)
        return [int(n) for n in re.findall(r"bpfkeeper:(\d+)", text)]

    def open_foreign(self, slot="xmit"):
        return self.keep(self.bus.open_program(self.program(f"lwt_{slot}")))

    def foreign(self, prefix=None, slot="xmit", fd=None):
        """Somebody else's program, in the place of whatever is on the route; opened before, where there is no
        service to ask."""
        if fd is None:
            fd = self.open_foreign(slot)
        pin = f"/sys/fs/bpf/foreign{fd}"
        bpf.obj_pin(fd, pin)
        try:
            ip("route", "replace", prefix or self.routed.route, "encap", "bpf", slot, "pinned", pin,
               "via", self.routed.gateway, "dev", self.routed.name)
        finally:
            os.unlink(pin)
        return encap_of(prefix or self.routed.route)

    def forge(self, attribute_of_slot, fd, name):
        """A program of somebody's with a name of their choice, on the route."""
        named = (attribute(1, struct.pack("=I", fd)) + attribute(2, name.encode() + b"\0"))
        network, length = self.routed.route.split("/")
        message = (struct.pack("=BBBBBBBBI", 2, int(length), 0, 0, 254, 4, 0, 1, 0) +  # struct rtmsg
                   attribute(1, socket.inet_aton(network)) +  # RTA_DST
                   attribute(4, struct.pack("=I", self.routed.index)) +  # RTA_OIF
                   attribute(5, socket.inet_aton(self.routed.gateway)) +  # RTA_GATEWAY
                   attribute(21, struct.pack("=H", 6)) +  # RTA_ENCAP_TYPE: LWTUNNEL_ENCAP_BPF
                   attribute(22, b"".join(attribute(a, named) for a in attribute_of_slot)))
        # RTM_NEWROUTE, with NLM_F_REQUEST, NLM_F_ACK and NLM_F_REPLACE
        header = struct.pack("=IHHII", 16 + len(message), 24, 0x105, 1, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as s:
            s.send(header + message)
            error, = struct.unpack_from("=i", s.recv(4096), 16)
        self.assertEqual(error, 0, os.strerror(-error))

    def restore(self):
        ip("route", "replace", self.routed.route, "via", self.routed.gateway, "dev", self.routed.name)


class Events(Routes):
    def test_side_by_side(self):
        """One of each kind, in whichever order they come and go."""
        before = shown("dev", self.routed.name)
        for order in some((("lwt_in", "lwt_out", "lwt_xmit"), ("lwt_xmit", "lwt_in", "lwt_out"))):
            programs = {kind: self.program(kind) for kind in order}
            links = {}
            for kind in order:
                links[kind] = self.attach(programs[kind])
                for each in links:
                    self.assert_runs(each, programs[each])
            self.assertEqual(sorted(self.on()), sorted(number(p) for p in programs.values()))
            self.assertEqual(shown("dev", self.routed.name), before)
            check(self)
            for kind in order:
                self.bus.detach(links.pop(kind))
                self.assert_stopped(kind, programs[kind])
                for each in links:
                    self.assert_runs(each, programs[each])
            self.assertEqual(encap_of(self.routed.route), "")
            self.assertEqual(shown("dev", self.routed.name), before)

    def test_segment(self):
        before = shown("dev", self.routed.name)
        program = self.program("lwt_seg6local")
        link = self.attach(program, route=self.routed.segment)
        self.assertEqual(self.bus.get(link, LINK, "Route"), self.routed.segment)
        self.assert_runs("lwt_seg6local", program)
        with self.refused("HookBusy") as caught:
            self.attach(self.program("lwt_in"), route=self.routed.segment)
        self.assertIn(f"lwt_seg6local program (bpfkeeper:{number(program)})", caught.exception.message)
        self.bus.detach(link)
        self.assert_stopped("lwt_seg6local", program)
        self.assertEqual(shown("dev", self.routed.name), before)
        link = self.attach(self.program("lwt_in"), route=self.routed.segment)
        with self.refused("HookBusy"):
            self.attach(program, route=self.routed.segment)
        self.bus.detach(link)
        self.assertEqual(shown("dev", self.routed.name), before)

    def test_a_route_stays_what_it_is(self):
        """All that it has beside the programs."""
        name, gateway = self.routed.name, self.routed.gateway
        other = f"10.213.{self.routed.index % 256}.1"
        routes = (
            ("10.215.0.0/16", "via", gateway, "dev", name, "metric", "7", "mtu", "lock", "1400",
             "advmss", "1300", "src", other, "proto", "static"),
            ("10.215.0.0/16", "via", gateway, "dev", name, "metric", "8", "window", "900", "rtt", "30ms",
             "initcwnd", "12", "quickack", "1", "congctl", "reno"),
            ("10.216.0.0/24", "tos", "0x10", "dev", name, "scope", "link"),
            ("10.217.0.1", "via", "10.99.0.1", "dev", name, "onlink", "realm", "3/4"),
            ("10.218.0.0/15", "dev", name, "table", "100000"),
            ("fd01::/64", "dev", name, "metric", "99", "pref", "high", "mtu", "1300", "proto", "static"),
            ("fd02::1", "via", "fd00:213::77", "dev", name, "onlink", "hoplimit", "9", "table", "77"),
        )
        for route in routes:
            self.add(*route)
        before = shown("dev", name)
        for route in routes:
            with self.subTest(route=route):
                options = {key: int(route[route.index(key) + 1])
                           for key in ("metric", "table") if key in route}
                links = [self.attach(self.program(kind), route=route[0], **options)
                         for kind in ("lwt_out", "lwt_xmit")]
                self.assertEqual(shown("dev", name), before)
                properties = self.bus.get_all(links[0], LINK)
                self.assertEqual((properties["Table"], properties["Metric"]),
                                 (options.get("table", 254), options.get("metric", 0)))
                for link in links:
                    self.bus.detach(link)
                self.assertEqual(shown("dev", name), before)

    def test_default_routes(self):
        there = self.netns()
        with there.inside():
            pair = net.Routed()
            for family, gateway in (("-4", ["via", pair.gateway]), ("-6", [])):
                ip(family, "route", "add", "default", *gateway, "dev", pair.name)
        for route in ("0.0.0.0/0", "::/0"):
            link = self.bus.attach(self.program(), interface=pair.name, route=route, netns=there.path)
            with there.inside():
                self.assertEqual(len(self.on(route.replace("0.0.0.0/0", "default")
                                             .replace("::/0", "::/0"))), 1)
            self.bus.detach(link)
            with there.inside():
                self.assertNotIn("encap", encap_of(route.replace("0.0.0.0/0", "default")))
        there.remove()

    def test_one_way_to_write_it(self):
        self.add(self.routed.host, "dev", self.routed.name)
        link = self.attach(self.program("lwt_out"), route=self.routed.host)
        self.assertEqual(self.bus.get(link, LINK, "Route"), self.routed.host + "/32")
        self.attach(self.program(), route=self.routed.segment.upper().replace("::", ":0:0:0::"))
        self.assertIn(self.routed.segment, [v["Route"] for v in self.bus.list("Links").values()])


class Refused(Routes):
    def test_wrong(self):
        name, n = self.routed.name, self.routed.index % 256
        for options, error, text in (
                ({"route": "default"}, "InvalidArgument", "::/0"),
                ({"route": f"10.214.{n}.7/24"}, "InvalidArgument", f"the network is 10.214.{n}.0/24"),
                ({"route": "10.214/16"}, "InvalidArgument", '"10.214/16" is no route'),
                ({"route": "10.0.0.0/33"}, "InvalidArgument", "32 bits"),
                ({"route": "10.214.0.0/16" + " " * 80}, "InvalidArgument", "63 bytes"),
                ({"route": "10.211.0.0/16"}, "NoSuchTarget", "no route to 10.211.0.0/16 in table 254"),
                ({"route": f"10.214.{n}.0/25"}, "NoSuchTarget", "is there already"),
                ({"table": 255}, "NoSuchTarget", "table 255"),
                ({"table": 4000000000}, "NoSuchTarget", "table 4000000000"),
                ({"table": 0}, "InvalidArgument", "from 1 to"),
                ({"metric": 9}, "NoSuchTarget", f"by interface {name} with metric 0"),
                ({"interface": "lo"}, "NoSuchTarget", f"interface {name} with metric 0"),
                ({"interface": "nosuch0"}, "NoSuchInterface", "nosuch0"),
                ({"route": ""}, "MissingParameter", "route"),
                ({"interface": ""}, "MissingParameter", "interface"),
                ({"priority": 5}, "InvalidArgument", "takes no priority")):
            with self.subTest(options=options), self.refused(error) as caught:
                self.attach(self.program(), **options)
            self.assertIn(text, caught.exception.message)
        with self.refused("InvalidArgument") as caught:
            self.attach(self.program("lwt_seg6local"))
        self.assertIn("IPv6", caught.exception.message)
        with self.refused("InvalidArgument"):
            self.bus.attach(self.load("tcx", "tcx_ingress"), interface=name, route=self.routed.route)
        self.assertEqual(encap_of(self.routed.route), "")
        check(self)

    def test_routes_that_take_none(self):
        """Nothing of them changes."""
        second = self.pair()
        name, gateway = self.routed.name, self.routed.gateway
        ip("nexthop", "add", "id", "213", "via", gateway, "dev", name)
        self.addCleanup(subprocess.run, ["ip", "nexthop", "del", "id", "213"], check=False)
        self.add("10.220.0.0/16", "nhid", "213")
        self.add("10.221.0.0/16", "nexthop", "via", gateway, "dev", name,
                 "nexthop", "via", self.routed.source, "dev", name)
        self.add("blackhole", "10.222.0.0/16")
        self.add("local", "10.223.0.0/16", "dev", name, "table", "99")
        self.add("fd05::/64", "dev", name, "expires", "1000")
        self.add("fd06::/64", "dev", name, "proto", "ra")
        self.add("unreachable", "fd07::/64", "dev", "lo")
        for n in (1, 2):
            ip("-6", "route", "append", "fd0b::/64", "via", f"fd00:213::{n}", "dev",
               (name, second.name)[n - 1], "onlink")
        before = shown()
        for route, interface, error, text, *table in (
                ("10.220.0.0/16", name, "NotSupported", "nexthop object 213"),
                ("10.221.0.0/16", name, "InvalidArgument", "one of several next hops"),
                ("fd0b::/64", name, "NotSupported", "several next hops"),
                ("10.222.0.0/16", name, "NoSuchTarget", "a blackhole route"),
                ("10.223.0.0/16", name, "InvalidArgument", "of type local", 99),
                ("fd05::/64", name, "NotSupported", "temporary"),
                ("fd06::/64", name, "NotSupported", "temporary"),
                ("fd07::/64", "lo", "InvalidArgument", "of type unreachable")):
            with self.subTest(route=route), self.refused(error) as caught:
                self.attach(self.program(), route=route, interface=interface, table=(table or [254])[0])
            self.assertIn(text, caught.exception.message)
        self.assertEqual(shown(), before)

    def test_which(self):
        """Where several lead to a network its metric says which is meant, and it takes one."""
        second = self.pair()
        self.add(self.routed.route, "dev", self.routed.name, "metric", "30")
        with self.refused("InvalidArgument") as caught:
            self.attach(self.program())
        self.assertRegex(caught.exception.message, '"metric".*metric 0; .*metric 30')
        program = self.program()
        link = self.attach(program, metric=30)
        self.assertEqual(self.on(self.routed.route, "metric", "30"), [number(program)])
        self.bus.detach(link)
        # One on another interface with the same metric, which the kernel would replace
        ip("route", "prepend", self.routed.route, "dev", second.name)
        before = shown()
        with self.refused("HookBusy") as caught:
            self.attach(self.program(), metric=0)
        self.assertIn(f"by interface {second.name}", caught.exception.message)
        self.assertEqual(shown(), before)
        link = self.bus.attach(program, interface=second.name, route=self.routed.route)
        self.assertEqual(shown(), before)
        # It comes before one that has a program already, which then can't be taken off
        other = self.attach(self.program(), metric=30)
        ip("route", "prepend", self.routed.route, "dev", second.name, "metric", "30")
        with self.refused("HookBusy") as caught:
            self.bus.detach(other)
        self.assertIn("another metric", caught.exception.message)
        self.assertIn(other, self.bus.list("Links"))
        ip("route", "del", self.routed.route, "dev", second.name, "metric", "30")
        self.bus.detach(other)
        self.bus.detach(link)
        self.assertEqual(shown(), before)
        check(self)

    def test_more_next_hops(self):
        """That somebody else adds one, as IPv6 has it, takes no program away; and it is said what does."""
        second, gateways = self.pair(), ("fd00:213::1", "fd00:213::2")
        self.add("fd0c::/64", "via", gateways[0], "dev", self.routed.name, "onlink")
        link = self.attach(self.program(), route="fd0c::/64")
        ip("-6", "route", "append", "fd0c::/64", "via", gateways[1], "dev", second.name, "onlink")
        with self.refused("NotSupported") as caught:
            self.bus.detach(link)
        self.assertIn("several next hops", caught.exception.message)
        self.assertEqual(list(self.bus.list("Links")), [link])
        ip("-6", "route", "del", "fd0c::/64", "via", gateways[1], "dev", second.name)
        self.bus.detach(link)
        self.assertEqual(encap_of("fd0c::/64"), "")
        check(self)

    def test_kernel_refuses(self):
        """What it says is said: a route to a gateway that isn't on any interface's network any more stays so."""
        name = self.routed.name
        ip("address", "add", "10.226.0.1/24", "dev", name, "noprefixroute")
        self.add("10.226.0.0/24", "dev", name)
        self.add("10.227.0.0/16", "via", "10.226.0.7", "dev", name)
        link = self.attach(self.program(), route="10.227.0.0/16")
        ip("route", "del", "10.226.0.0/24", "dev", name)
        for call in (lambda: self.attach(self.program("lwt_in"), route="10.227.0.0/16"),
                     lambda: self.bus.detach(link), lambda: replace(self.bus, link, self.program())):
            with self.refused("Failed") as caught:
                call()
            self.assertIn("it says: Nexthop has invalid gateway", caught.exception.message)
        self.assertEqual(list(self.bus.list("Links")), [link])
        ip("route", "add", "10.226.0.0/24", "dev", name)
        self.bus.detach(link)
        self.assertEqual(encap_of("10.227.0.0/16"), "")
        check(self)

    def test_taken(self):
        """By one of ours: there is one of each kind, and each program once."""
        program = self.program()
        link = self.attach(program)
        with self.refused("HookBusy") as caught:
            self.attach(program)
        self.assertIn(f"link {number(link)}", caught.exception.message)
        with self.refused("HookBusy") as caught:
            self.attach(self.program())
        self.assertIn(f"a lwt_xmit program (bpfkeeper:{number(program)})", caught.exception.message)
        self.assertEqual(self.on(), [number(program)])
        self.assert_runs("lwt_xmit", program)
        check(self)

    def test_foreign(self):
        """Somebody else's stays, whatever it is."""
        name, gateway, segments = self.routed.name, self.routed.gateway, self.routed.next_segment
        self.add("10.224.0.0/16", "encap", "ip", "id", "3", "dst", gateway, "via", gateway, "dev", name)
        self.add("fd08::/64", "encap", "seg6", "mode", "encap", "segs", segments, "dev", name)
        self.add("fd09::/64", "encap", "seg6local", "action", "End", "dev", name)
        found = self.foreign()
        before = {p: encap_of(p) for p in ("10.224.0.0/16", "fd08::/64", "fd09::/64",
                                           self.routed.route)}
        for prefix, text in (("10.224.0.0/16", "encapsulation of kind ip,"),
                             ("fd08::/64", "encapsulation of kind seg6,"),
                             ("fd09::/64", "seg6local, action 1"), (self.routed.route, found.split()[-1])):
            for kind in ("lwt_xmit", "lwt_in"):
                with self.subTest(prefix=prefix), self.refused("HookBusy") as caught:
                    self.attach(self.program(kind), route=prefix)
                self.assertIn(text, caught.exception.message)
        self.assertEqual({p: encap_of(p) for p in before}, before)

    def test_taken_over(self):
        """Somebody else made the route anew: nothing of theirs is touched."""
        link = self.attach(self.program())
        found = self.foreign()
        with self.refused("Failed") as caught:
            replace(self.bus, link, self.program())
        self.assertIn("somebody else has changed or removed the route", caught.exception.message)
        self.bus.detach(link)
        self.assertEqual(encap_of(self.routed.route), found)
        self.restore()
        # Gone, and there again without the program
        program = self.program()
        stale = self.attach(program)
        self.restore()
        with self.refused("HookBusy") as caught:
            self.attach(program)
        self.assertIn(f"link {number(stale)}", caught.exception.message)
        link = self.attach(self.program())
        self.bus.detach(stale)
        self.assertEqual(len(self.on()), 1)
        self.bus.detach(link)
        link = self.attach(program)
        ip("route", "del", self.routed.route)
        self.bus.detach(link)
        check(self)

    def test_forged(self):
        """Whoever may change routes gives a program what name he likes: that of ours isn't put there for it."""
        victim, program = self.program("lwt_out"), self.program("lwt_in")
        fd = self.bus.open_program(program)
        self.keep(fd)
        self.forge([1], fd, f"bpfkeeper:{number(victim)}")
        with self.refused("HookBusy") as caught:
            self.attach(self.program("lwt_out"))
        self.assertIn(f"bpfkeeper:{number(victim)}", caught.exception.message)
        self.restore()
        # Beside one of ours
        mine = self.program("lwt_in")
        link = self.attach(mine)
        self.forge([1], fd, f"bpfkeeper:{number(mine)}")
        with self.refused("HookBusy"):
            self.attach(self.program("lwt_in"))
        self.bus.detach(link)
        self.assertEqual(encap_of(self.routed.route), "")
        self.assert_stopped("lwt_out", victim)


class Clients(Routes):
    def test_hook(self):
        """GetHook() and bpfctl hook tell of them, and of others' by their names."""
        name = self.routed.name
        self.add(self.routed.host, "dev", name, "table", "99", "metric", "4")
        self.assertEqual(get_hook(self.bus, interface=name), [])
        programs = {kind: self.program(kind) for kind in COUNTERS}
        where = {"lwt_in": {}, "lwt_out": {"route": self.routed.host, "table": 99},
                 "lwt_xmit": {}, "lwt_seg6local": {"route": self.routed.segment}}
        links = {kind: self.attach(programs[kind], **options) for kind, options in where.items()}
        found = {o["Type"]: o for o in get_hook(self.bus, interface=name)}
        for kind, options in where.items():
            o = found.pop(kind)
            self.assertEqual([o[k] for k in ("Route", "Table", "Metric", "Program", "Link", "Name",
                                             "Position")],
                             [options.get("route", self.routed.route) + ("/32" if kind == "lwt_out" else ""),
                              options.get("table", 254),
                              {"lwt_out": 4, "lwt_seg6local": 1024}.get(kind, 0), programs[kind],
                              links[kind], f"{kind}_count", 1])
            self.assertNotIn("Priority", o)
        self.assertEqual(found, {})
        shown_by = bpfctl("--no-legend", "hook", name)
        self.assertRegex(shown_by, f"lwt_out {self.routed.host}/32 .* table 99, metric 4")
        self.assertEqual(get_hook(self.bus, interface="lo"), [])
        # A name says nothing: of lwt_seg6local the kernel tells the program itself
        self.bus.detach(links["lwt_in"])
        self.bus.detach(links["lwt_xmit"])
        fd = self.keep(self.bus.open_program(self.program("lwt_in")))
        self.forge([1], fd, f"bpfkeeper:{number(programs['lwt_in'])}")
        o, = [o for o in get_hook(self.bus, interface=name) if o["Type"] == "lwt_in"]
        self.assertEqual(o["Name"], f"bpfkeeper:{number(programs['lwt_in'])}")
        self.assertNotIn("ProgramId", o)
        self.assertNotIn("Link", o)
        self.restore()

    def test_bpfctl(self):
        name, route = self.routed.name, self.routed.route
        program, new = self.program(), self.program()
        bpfctl("attach", str(number(program)), name, "--route", route)
        self.assertEqual(self.on(), [number(program)])
        link, = self.bus.list("Links")
        details = bpfctl("show", f"link:{number(link)}")
        self.assertIn(route, details)
        bpfctl("replace", str(number(link)), str(number(new)))
        self.assertEqual(self.on(), [number(new)])
        bpfctl("detach", str(number(link)))
        self.assertEqual(encap_of(route), "")
        self.add("10.225.0.0/16", "dev", name, "table", "99", "metric", "4")
        bpfctl("attach", str(number(program)), name, "--route=10.225.0.0/16", "--table=99", "--metric=4")
        self.assertEqual(self.on("10.225.0.0/16", "table", "99"), [number(program)])
        self.assertIn("is no network", bpfctl("attach", str(number(new)), name, "--route=10.225.0.1/16",
                                              status=1))
        self.assertIn("give route", bpfctl("attach", str(number(new)), name, status=1))

    def test_who_may(self):
        """polkit's rules see the route, whichever way it is written; a grant is for an interface's."""
        host = self.routed.host
        self.add(host, "dev", self.routed.name)
        self.allow("alice", "load.lwt-xmit", "attach.lwt-xmit",
                   condition=f'action.lookup("route") == "{self.routed.segment}" || '
                             f'action.id == "org.bpfkeeper1.load.lwt-xmit"')
        program = self.program(who=self.alice)
        for route in (host, host + "/32", self.routed.route):
            with self.refused("AuthorizationRequired"):
                self.attach(program, who=self.alice, route=route)
        self.attach(program, who=self.alice, route=self.routed.segment.upper())

    def test_at_a_time(self):
        """Those that come and go at once lose nothing of each other."""
        programs = {kind: self.program(kind) for kind in ("lwt_in", "lwt_out", "lwt_xmit")}
        for _ in range(rounds(4)):
            tokens = [self.bus.start_attach(p, interface=self.routed.name, route=self.routed.route)
                      for p in programs.values()]
            links = [self.bus.wait(t) for t in tokens]
            self.assertEqual(sorted(self.on()), sorted(map(number, programs.values())))
            gone = [self.bus.start(link, LINK, "Detach") for link in links[:2]]
            again = self.bus.start_attach(programs["lwt_in"], interface=self.routed.name,
                                          route=self.routed.route)
            for token in gone:
                self.bus.wait(token)
            # Before or after the first one went
            with contextlib.suppress(BusError):
                links.append(self.bus.wait(again))
            left = self.bus.list("Links")
            self.assertEqual(sorted(self.on()), sorted(v["ProgramId"] for v in left.values()))
            check(self)
            for link in left:
                self.bus.detach(link)
            self.assertEqual(encap_of(self.routed.route), "")


class Replaced(Routes):
    def test_packets(self):
        """Each is seen, by the old one or by the new one; and one beside it sees all."""
        beside, programs = self.program("lwt_out"), [self.program() for _ in range(2)]
        self.attach(beside)
        link = self.attach(programs[1])
        before = shown("dev", self.routed.name)

        def seen():
            return (sum(self.hits(p, COUNTERS["lwt_xmit"]) for p in programs),
                    self.hits(beside, COUNTERS["lwt_out"]))
        for i in range(rounds(12)):
            begin, token, sent = seen(), start_replace(self.bus, link, programs[i % 2]), 0
            while not token.is_done():
                self.routed.to_route()
                sent += 1
            self.bus.wait(token)
            self.assertEqual(seen(), tuple(n + sent for n in begin))
            self.assertIn(number(programs[i % 2]), self.on())
        self.assertEqual(shown("dev", self.routed.name), before)
        with self.refused("TypeMismatch", "InvalidArgument"):
            replace(self.bus, link, self.program("lwt_in"))
        check(self)


    def test_once(self):
        """A program is by one link on the routes to a network, whatever their metrics."""
        self.add(self.routed.route, "dev", self.routed.name, "metric", "30")
        programs = [self.program() for _ in range(2)]
        links = [self.attach(p, metric=m) for p, m in zip(programs, (0, 30))]
        with self.refused("HookBusy") as caught:
            replace(self.bus, links[0], programs[1])
        self.assertIn(f"link {number(links[1])}", caught.exception.message)
        with self.refused("HookBusy"):
            self.attach(programs[1], metric=0)
        self.assertEqual(sorted(self.on()), sorted(map(number, programs)))
        replace(self.bus, links[1], self.program())
        replace(self.bus, links[0], programs[1])
        self.bus.detach(links[1])
        self.assertEqual(self.on(), [number(programs[1])])
        check(self)
