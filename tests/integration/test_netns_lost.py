# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network namespaces that the service finds by no path: who has one brings it."""

import os
import subprocess

from support import net
from support.bus import TIMEOUT, Fd, GLib, options_variant
from support.case import LINK, can_attach, needs_attach, number, until
from support.consistency import tc_filters
from test_change import replace, update
from test_hook import get_hook
from test_netns import Elsewhere


def detach(bus, link, **options):
    fds = []
    parameters = GLib.Variant.new_tuple(options_variant({"priority": "u"}, options, fds))
    return bus.results(*bus.raw_call("org.bpfkeeper1", link, LINK, "DetachWithOptions", parameters,
                                     fds, 0, TIMEOUT))


class Lost(Elsewhere):
    def fd(self, path):
        return Fd(self.keep(os.open(path, os.O_RDONLY)))

    def wrong(self):
        """Ways to other namespaces, and no ways at all, with what is said of them."""
        return ((self.fd(self.netns().path), "/run/netns/"), (self.fd(net.OWN), "service's own"),
                (self.fd("/dev/null"), "no network namespace"))

    def lose(self, kind, obj, name, **options):
        """A link in a namespace that had a name, and now lives by a process in it; the way to it."""
        there = self.netns()
        there.hold()
        program = self.load(obj, name)
        link = self.bus.attach(program, interface=there.name, netns=there.path, **options)
        self.assertEqual(self.bus.get(link, LINK, "Type"), kind)
        fd = self.fd(there.path)
        there.lose_name()
        return there, fd, program, link

    @needs_attach("tcx")
    def test_update(self):
        there = self.netns(named=False)
        fd = self.fd(there.path)
        programs = [self.load("tcx", "tcx_ingress") for _ in range(2)]
        links = [self.bus.attach(p, interface=there.name, netns=fd, direction="ingress", priority=n)
                 for p, n in zip(programs, (10, 20))]

        def assert_order(*expected):
            found = get_hook(self.bus, interface=there.name, netns=fd)
            self.assertEqual([o["Program"] for o in found], list(expected))
        with self.refused("NotSupported") as caught:
            update(self.bus, links[0], priority=30)
        self.assertIn(f"net:[{there.inode}]", caught.exception.message)
        self.assertIn("'netns'", caught.exception.message)
        for other, text in self.wrong():
            with self.refused("InvalidArgument") as caught:
                update(self.bus, links[0], priority=30, netns=other)
            self.assertIn(text, caught.exception.message)
        with self.refused("MissingParameter"):
            update(self.alice, links[0], priority=30, netns=net.OWN)
        assert_order(*programs)
        self.assertEqual(self.bus.get(links[0], LINK, "Priority"), 10)
        update(self.bus, links[0], priority=30, netns=fd)
        assert_order(*programs[::-1])
        self.assertEqual(self.bus.get_all(links[0], LINK)["Netns"], f"net:[{there.inode}]")
        for program in programs:
            self.assert_counts(program, there.receive)
        self.daemon.restart()
        update(self.bus, links[0], priority=5, netns=self.fd(there.path))
        assert_order(*programs)
        new = self.load("tcx", "tcx_ingress")
        for other, text in self.wrong():
            with self.refused("InvalidArgument") as caught:
                replace(self.bus, links[0], new, netns=other)
            self.assertIn(text, caught.exception.message)
        replace(self.bus, links[0], new, netns=fd)
        assert_order(new, programs[1])

    @needs_attach("tcx")
    def test_here(self):
        """What is in the service's own namespace is in no other."""
        veth = self.veth()
        link = self.bus.attach(self.load("tcx", "tcx_ingress"), interface=veth.name,
                               direction="ingress")
        update(self.bus, link, priority=3, netns=net.OWN)
        with self.refused("InvalidArgument") as caught:
            update(self.bus, link, priority=4, netns=self.netns().path)
        self.assertIn("service's own", caught.exception.message)
        detach(self.bus, link, netns=net.OWN)

    def test_detach(self):
        for kind, obj, name, options in (("xdp", "shared_map", "shared_xdp", {}),
                                         ("tcx", "tcx", "tcx_ingress", {"direction": "ingress"}),
                                         ("tc", "tc", "tc_count", {"direction": "ingress"})):
            if not can_attach(kind):
                continue
            with self.subTest(kind=kind):
                there, fd, program, link = self.lose(kind, obj, name, **options)
                for other, text in self.wrong():
                    with self.refused("InvalidArgument") as caught:
                        detach(self.bus, link, netns=other)
                    self.assertIn(text, caught.exception.message)
                with self.refused("InvalidArgument") as caught:
                    detach(self.bus, link, netns=fd, priority=3)
                self.assertIn("'priority'", caught.exception.message)
                self.assert_counts(program, there.receive)
                detach(self.bus, link, netns=fd)
                self.assert_idle(program, there.receive)
                with there.inside():
                    self.assertEqual(tc_filters(there.name), 0)

    @needs_attach("tc", "freplace")
    def test_filter_of_its_own(self):
        """A tc program that is in no chain is replaced and detached from within its namespace alone."""
        there, fd, program, link = self.lone()
        new = self.load("tc_replaceable", "tc_decided")
        for refused in (lambda: replace(self.bus, link, new), lambda: update(self.bus, link, priority=7)):
            with self.refused("NotSupported") as caught:
                refused()
            self.assertIn("'netns'", caught.exception.message)
        with self.refused("Failed") as caught:
            self.bus.detach(link)
        self.assertIn("'netns'", caught.exception.message)
        self.assertEqual(self.links(program), [link])
        replace(self.bus, link, new, netns=fd)
        self.assertEqual([o["Program"] for o in get_hook(self.bus, interface=there.name, netns=fd)],
                         [new])
        update(self.bus, link, priority=7, netns=fd)
        self.assertEqual([o["Priority"] for o in get_hook(self.bus, interface=there.name, netns=fd)],
                         [7])
        detach(self.bus, link, netns=fd)
        with there.inside():
            self.assertEqual(tc_filters(there.name), 0)

    def lone(self):
        there = self.netns()
        there.hold()
        program = self.load("tc_replaceable", "tc_decided")
        self.load("tc_replaceable", "tc_decide", target_program=program)
        link = self.bus.attach(program, interface=there.name, netns=there.path, direction="ingress")
        self.assertEqual(self.bus.get(link, LINK, "Sharing"), "kernel")
        fd = self.fd(there.path)
        there.lose_name()
        return there, fd, program, link

    @needs_attach("tcx")
    def test_bpfctl(self):
        there = self.netns(named=False)
        programs = [self.load("tcx", "tcx_ingress") for _ in range(2)]

        def ctl(*arguments, status=0):
            done = subprocess.run(["bpfctl", *arguments], check=False, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, status, done.stderr)
            return done.stdout + done.stderr
        ctl("attach", str(number(programs[0])), there.name, "ingress", "--netns", there.path)
        link, = self.links(programs[0])
        number_of_link = str(number(link))
        self.assertIn("netns", ctl("update", number_of_link, "--priority", "7", status=1))
        self.assertIn("priority 7", ctl("update", number_of_link, "--priority", "7", "--netns",
                                        there.path))
        ctl("replace", number_of_link, str(number(programs[1])), "--netns", there.path)
        self.assert_counts(programs[1], there.receive)
        self.assertIn("own", ctl("detach", number_of_link, "--netns", net.OWN, status=1))
        ctl("detach", number_of_link, "--netns", there.path)
        until(lambda: not self.links(programs[1]), "the link is gone")
