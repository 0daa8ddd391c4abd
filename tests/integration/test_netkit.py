# SPDX-License-Identifier: LGPL-2.1-or-later
"""netkit: programs between the two ends of a device, all of which are attached to its primary."""

from support.bus import GLib
from support.case import LINK, MANAGER, ROOT, Case, can_attach, needs_attach, until
from support.net import Netkit, inside, interfaces


class Ends(Case):
    def device(self):
        device = Netkit()
        self.addCleanup(device.remove)
        return device

    def on(self, device):
        """What GetHook() says of it: program, hook, link."""
        found = self.bus.call(ROOT, MANAGER, "GetHook", "(a{sv})",
                              {"interface": GLib.Variant("s", device.name)})
        return [(o["Program"], o["Hook"], o.get("Link", "")) for o in found if o["Type"] == "netkit"]

    @needs_attach("netkit")
    def test_each_end(self):
        device = self.device()
        primary, drop, peer = self.load("netkit")
        links = [self.bus.attach(p, interface=device.name) for p in (primary, peer)]
        self.assertEqual([self.bus.get(i, LINK, "Hook") for i in links], ["primary", "peer"])
        device.send()
        device.send_back(2)
        self.assertEqual([self.hits(primary, i) for i in range(2)], [1, 2])
        # what is dropped before it the next one doesn't see
        links.append(self.bus.attach(drop, interface=device.name, priority=10))
        device.send()
        self.assertEqual([self.hits(primary, i) for i in range(3)], [1, 2, 1])
        self.assertEqual(self.on(device), [(drop, "primary", links[2]),
                                           (primary, "primary", links[0]),
                                           (peer, "peer", links[1])])
        self.bus.call(links[2], LINK, "Update", "(a{sv})", {"priority": GLib.Variant("u", 90)})
        device.send()
        self.assertEqual([self.hits(primary, i) for i in range(3)], [2, 2, 2])

    @needs_attach("netkit")
    def test_replace(self):
        device = self.device()
        primary, drop, _ = self.load("netkit")
        link = self.bus.attach(primary, interface=device.name)
        self.bus.call(link, LINK, "ReplaceProgram", "(oa{sv})", drop, {})
        device.send()
        self.assertEqual([self.hits(primary, i) for i in range(3)], [0, 0, 1])

    @needs_attach("netkit")
    def test_goes_with_the_device(self):
        device = self.device()
        primary, _, peer = self.load("netkit")
        for program in primary, peer:
            self.bus.attach(program, interface=device.name)
        device.remove()
        until(lambda: not self.bus.list("Links"), "the links go")

    @needs_attach("netkit")
    def test_in_another_network_namespace(self):
        netns = self.netns()
        with inside(netns.path):
            device = self.device()
        primary = self.load("netkit", "netkit_primary")
        self.bus.attach(primary, interface=device.name, netns=netns.path)
        with inside(netns.path):
            device.send(3)
        self.assertEqual(self.hits(primary), 3)

    @needs_attach("netkit")
    def test_wrong_ones(self):
        device, veth = self.device(), self.veth()
        primary, _, peer = self.load("netkit")
        for interface, text in (veth.name, "no netkit"), (device.peer, "primary"):
            with self.refused("InvalidArgument") as caught:
                self.bus.attach(primary, interface=interface)
            self.assertIn(text, caught.exception.message)
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(primary, interface=device.name, hook="peer")
        self.assertIn("fixed when it is loaded", caught.exception.message)
        self.bus.attach(peer, interface=device.name)
        with self.refused("HookBusy"):
            self.bus.attach(peer, interface=device.name)
        other = self.load("tc", [("tc_count", "netkit")])[0]
        with self.refused("MissingParameter"):
            self.bus.attach(other, interface=device.name)
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(other, interface=device.name, hook="ingress")
        self.assertIn("primary, peer", caught.exception.message)
        self.bus.attach(other, interface=device.name, hook="peer")

    def test_what_this_kernel_lacks(self):
        if can_attach("netkit"):
            self.skipTest("this kernel has netkit")
        veth = self.veth()
        program = self.load("netkit", "netkit_primary")
        with self.refused("NotSupported") as caught:
            self.bus.attach(program, interface=veth.name)
        self.assertIn("CONFIG_NETKIT", caught.exception.message)
        self.assertNotIn("netkit", " ".join(interfaces()))
