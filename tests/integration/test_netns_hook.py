# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs for a network namespace, not for an interface in it; and what is on its hooks."""

import json
import os
import struct

from support import bpf, daemon, net
from support.bus import Fd
from support.case import LINK, BusError, can_attach, needs_attach, number, until
from support.change import netfilter_priority, replace
from support.consistency import check, rewrite
from support.hooks import send_datagram
from test_hook import bpfctl, get_hook
from test_netns import Elsewhere

NETFILTER = {"hook": "output", "family": "ipv4", "hook_priority": -5}


class Namespace(Elsewhere):
    def there(self, **options):
        there = self.netns(**options)
        with there.inside():
            net.ip("link", "set", "lo", "up")
        return there

    def send(self, there):
        with there.inside():
            send_datagram()

    def fd(self, there):
        return Fd(self.keep(os.open(there.path, os.O_RDONLY)))


class Attached(Namespace):
    @needs_attach("sk_lookup")
    def test_sk_lookup(self):
        there = self.there()
        program = self.load("netns", "sk_lookup_count")
        link = self.bus.attach(program, netns=there.path)
        self.assertEqual(self.bus.get(link, LINK, "Netns"), there.path)
        self.assert_counts(program, lambda: self.send(there))
        self.assert_idle(program, send_datagram)
        self.daemon.restart()
        there.remove()
        until(lambda: not self.links(program), "the link goes with its namespace")

    @needs_attach("sk_lookup")
    def test_while_nobody_looks(self):
        there = self.there()
        program = self.load("netns", "sk_lookup_count")
        self.bus.attach(program, netns=there.path)
        self.daemon.end()
        there.remove()
        until(lambda: not self.links(program), "the link goes with its namespace")
        # A worker sees to it that nothing is left
        until(lambda: not any("/links/" in p for p in daemon.listing()), "the file goes as well")

    @needs_attach("netfilter")
    def test_netfilter(self):
        there = self.there()
        program = self.load("netfilter", "netfilter_count")
        link = self.bus.attach(program, netns=there.path, **NETFILTER)
        shown = self.bus.get_all(link, LINK)
        self.assertEqual((shown["Netns"], shown["NetnsInode"]), (there.path, there.inode))
        self.assertIn(there.path, bpfctl("links"))
        self.assert_counts(program, lambda: self.send(there))
        self.assert_idle(program, send_datagram)
        # The same place in another namespace is another place
        here = self.load("netfilter", "netfilter_count")
        self.bus.attach(here, **NETFILTER)
        self.assert_counts(here, send_datagram)
        self.assert_idle(here, lambda: self.send(there))
        with self.refused("HookBusy"):
            self.bus.attach(self.load("netfilter", "netfilter_count"), netns=there.path, **NETFILTER)
        self.daemon.restart()
        self.assert_counts(program, lambda: self.send(there))
        # It keeps its namespace, whatever becomes of the name, with the other end of this
        net.ip("link", "add", "held", "type", "veth", "peer", "name", "other", "netns", there.label)
        there.lose_name()
        self.assertEqual(self.links(program), [link])
        self.assertIn("held", net.interfaces())
        self.bus.detach(link)
        until(lambda: "held" not in net.interfaces(), "the namespace ends")
        self.assertEqual(self.links(program), [])

    @needs_attach("netfilter")
    def test_netfilter_of_a_user(self):
        """Who may do so passes a descriptor, and rules can tell the namespace."""
        there = self.there(named=False)
        self.allow("alice", "load.netfilter", "attach.netfilter",
                   condition=f'action.lookup("netns") === "net:[{there.inode}]" ||'
                             ' action.id.indexOf(".load.") > 0')
        program = self.load("netfilter", "netfilter_count", who=self.alice)
        with self.refused("NotAuthorized", "AuthorizationRequired"):
            self.alice.attach(program, **NETFILTER)
        with self.refused("MissingParameter"):
            self.alice.attach(program, netns=there.path, **NETFILTER)
        link = self.alice.attach(program, netns=self.fd(there), **NETFILTER)
        self.assertEqual(self.bus.get(link, LINK, "Netns"), f"net:[{there.inode}]")
        self.assert_counts(program, lambda: self.send(there))
        self.alice.detach(link)
        self.assert_idle(program, lambda: self.send(there))

    @needs_attach("netfilter")
    def test_netfilter_is_replaced(self):
        """From within its namespace, also by the next service, and by who brings it."""
        there = self.there()
        old, new, here = (self.load("netfilter", "netfilter_count") for _ in range(3))
        link = self.bus.attach(old, netns=there.path, **NETFILTER)
        self.bus.attach(here, **NETFILTER)
        replace(self.bus, link, new)
        self.assertEqual(netfilter_priority(self, link), -5)
        self.assert_counts(new, lambda: self.send(there))
        self.assert_idle(old, lambda: self.send(there))
        self.assert_idle(new, send_datagram)
        # As a kill leaves it: next to where it is to be
        aside = self.bus.attach(old, netns=there.path, **{**NETFILTER, "hook_priority": -4})
        self.bus.detach(link)
        self.daemon.end()
        rewrite(f"{daemon.RUN}/links/{number(aside)}", KernelLinks="1\nStandIn=true", HookPriority=-5)
        until(lambda: netfilter_priority(self, aside) == -5, "it is at its priority")
        self.assert_counts(old, lambda: self.send(there))
        there.hold()
        there.lose_name()
        with self.refused("NotSupported") as caught:
            replace(self.bus, aside, new)
        self.assertIn("'netns'", caught.exception.message)
        with there.inside():
            fd = Fd(self.keep(os.open("/proc/self/ns/net", os.O_RDONLY)))
        replace(self.bus, aside, new, netns=fd)
        self.assert_counts(new, lambda: self.send(there))
        check(self)


class Hook(Namespace):
    def told(self):
        """Whether the kernel tells what is on netfilter's hooks."""
        try:
            get_hook(self.bus, family="ipv4", hook="output")
        except BusError as e:
            self.assertTrue(e.name.endswith("NotSupported"), e.message)
            self.assertIn("CONFIG_NETFILTER_NETLINK_HOOK", e.message)
            return False
        return True

    def test_namespace(self):
        there, other = self.there(), self.there(named=False)
        self.assertEqual(get_hook(self.bus, netns=self.fd(other)), [])
        for kind, name in (("sk_lookup", "sk_lookup_count"),
                           ("flow_dissector", "flow_dissector_count")):
            if not can_attach(kind):
                continue
            with self.subTest(kind=kind):
                programs = [self.load("netns", name) for _ in range(2)]
                links = [self.bus.attach(p, netns=self.fd(place))
                         for p, place in zip(programs, (there, other))]
                for program, link, place in zip(programs, links, (there, other)):
                    shown = self.bus.get_all(link, LINK)
                    # What is in /proc of other processes is only for who may trace them
                    for netns in (self.fd(place), *([place.path] if place is there else [])):
                        found, = get_hook(self.bus, netns=netns)
                        self.assertEqual((found["Type"], found["Program"], found["Link"],
                                          found["Name"], found["KernelLinkId"]),
                                         (kind, program, link, name, shown["KernelLinkId"]))
                        self.assertNotIn("Priority", found)
                self.assertIn(name, bpfctl("hook", "--netns", there.label))
                for link in links:
                    self.bus.detach(link)

    @needs_attach("sk_lookup")
    def test_in_order(self):
        there = self.there()
        programs = [self.load("netns", "sk_lookup_count") for _ in range(2)]
        for program in programs:
            self.bus.attach(program, netns=there.path)
        found = get_hook(self.bus, netns=there.path)
        self.assertEqual([(o["Program"], o["Position"]) for o in found],
                         [(p, n) for n, p in enumerate(programs, 1)])

    @needs_attach("netfilter")
    def test_our_own(self):
        """Netfilter's are shown with what is on the namespace, though it be ours alone."""
        there = self.there()
        expected = []
        for family, hook, priority in (("ipv4", "input", 5), ("ipv4", "output", -7),
                                       ("ipv4", "output", 20), ("ipv6", "prerouting", 1)):
            program = self.load("netfilter", "netfilter_count")
            options = {"family": family, "hook": hook, "hook_priority": priority}
            link = self.bus.attach(program, netns=there.path, **options)
            self.bus.attach(program, **options)
            expected.append((family, hook, priority, program, link))
        found = [o for o in get_hook(self.bus, netns=there.path) if "Program" in o]
        self.assertEqual([(o["Family"], o["Hook"], o["HookPriority"], o["Program"], o["Link"])
                          for o in found], expected)
        self.assertEqual({o["Name"] for o in found}, {"netfilter_count"})
        self.assertTrue(all(o["KernelLinkId"] for o in found))
        # In the service's own as well
        found = [o["HookPriority"] for o in get_hook(self.bus, netns=net.OWN) if "Link" in o]
        self.assertEqual(found, [priority for _, _, priority, _, _ in expected])

    @needs_attach("netfilter")
    def test_netfilter(self):
        if not self.told():
            self.skipTest("this kernel doesn't tell what is on netfilter's hooks")
        there = self.there()
        expected = []
        for priority in (20, -20):
            program = self.load("netfilter", "netfilter_count")
            options = {"family": "ipv4", "hook": "output", "hook_priority": priority}
            link = self.bus.attach(program, netns=there.path, defragment="yes", **options)
            # Its like in another namespace, which the kernel's links don't tell apart
            self.bus.attach(program, **options)
            expected.insert(0, (priority, program, link,
                                self.bus.get(link, LINK, "KernelLinkId"), "netfilter_count"))
        found = get_hook(self.bus, netns=there.path, family="ipv4", hook="output")
        ours = [(o["HookPriority"], o["Program"], o["Link"], o["KernelLinkId"], o["Name"])
                for o in found if "Program" in o]
        self.assertEqual(ours, expected)
        self.assertEqual({(o["Type"], o["Family"], o["Hook"]) for o in found},
                         {("netfilter", "ipv4", "output")})
        # What puts fragments together is somebody else's
        others = [o["Name"] for o in found if "Program" not in o]
        self.assertIn("ipv4_conntrack_defrag", others)
        self.assertEqual([o["Position"] for o in found], list(range(1, len(found) + 1)))
        whole = [o for o in get_hook(self.bus, netns=there.path) if o["Type"] == "netfilter"]
        self.assertEqual([o for o in whole if (o["Family"], o["Hook"]) == ("ipv4", "output")], found)
        self.assertEqual(get_hook(self.bus, netns=there.path, family="ipv6", hook="forward"), [])
        shown = json.loads(bpfctl("--json=short", "hook", "--netns", there.label, "--family", "ipv4",
                                  "--hook", "output"))
        self.assertEqual([o.get("program_id") for o in shown],
                         [o.get("ProgramId") for o in found])
        lines = bpfctl("--no-legend", "hook", "--family", "ipv4", "--hook", "output").splitlines()
        mine = [line.split() for line in lines if "netfilter_count" in line]
        self.assertEqual([line[:3] + line[4:5] for line in mine],
                         [["netfilter", "ipv4", "output", "-20"],
                          ["netfilter", "ipv4", "output", "20"]])
        self.assertEqual([line[5] for line in mine], [str(number(p)) for _, p, *_ in expected])

    @needs_attach("xdp")
    def test_links_that_are_alike(self):
        """The kernel tells no network namespace of XDP's links: which of two it is, others' may not be told."""
        there, other = self.netns(), self.netns()
        program = self.load("shared_map", "shared_xdp")
        fd = self.keep(self.bus.open_program(program))
        ours = self.bus.attach(program, interface="lo", netns=there.path)
        number_of_ours = self.bus.get(ours, LINK, "KernelLinkId")

        def found(**options):
            occupant, = get_hook(self.bus, interface="lo", **options)
            self.assertEqual((occupant["Type"], occupant["Program"]), ("xdp", program))
            return occupant.get("Link"), occupant.get("KernelLinkId")
        theirs = self.keep(bpf.link_create(fd, 1, bpf.XDP))
        number_of_theirs = struct.unpack_from("=II", bpf.info(theirs))[1]
        self.assertEqual(found(), (None, number_of_theirs))
        self.assertEqual(found(netns=there.path), (ours, number_of_ours))
        with other.inside():
            self.keep(bpf.link_create(fd, 1, bpf.XDP))
        self.assertEqual(found(), (None, None))
        self.assertEqual(found(netns=other.path), (None, None))
        self.assertEqual(found(netns=there.path), (ours, number_of_ours))

    def test_wrong(self):
        there = self.there()
        for options, error, text in (
                ({"hook": "output"}, "MissingParameter", "family"),
                ({"family": "ipv5"}, "InvalidArgument", "ipv6"),
                ({"family": "ipv4", "hook": "ingress"}, "InvalidArgument", "prerouting"),
                ({"family": "ipv4", "interface": "lo"}, "InvalidArgument", "one place"),
                ({"netns": there.path, "cgroup": "/sys/fs/cgroup"}, "InvalidArgument", "netns goes"),
                ({"netns": "blue"}, "InvalidArgument", "/run/netns/blue"),
                ({"netns": "/dev/null"}, "InvalidArgument", "/dev/null")):
            with self.subTest(options=options), self.refused(error) as caught:
                get_hook(self.bus, **options)
            self.assertIn(text, caught.exception.message)
        with self.refused("MissingParameter"):
            get_hook(self.alice, netns=there.path)
        self.assertEqual(get_hook(self.alice, netns=self.fd(there)), [])
        self.assertIn("--netns", bpfctl("hook", status=2))
        self.told()
