# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interfaces in other network namespaces."""

import glob
import os
import subprocess
import unittest

from support import daemon, net
from support.bus import Fd
from support.case import LINK, PROGRAM, Case, can_attach, can_load, needs_attach, until
from support.consistency import tc_filters
from test_change import replace, update
from test_hook import get_hook

# One for each way in which the service keeps them: a link of the kernel's, and none
KINDS = (("xdp", "shared_map", "shared_xdp", {}),
         ("tc", "tc", "tc_count", {"direction": "ingress"}),
         ("tcx", "tcx", "tcx_ingress", {"direction": "ingress"}))
UNLOAD_ALL = "/usr/libexec/bpfkeeper-unload-all"


def kinds():
    return [k for k in KINDS if can_attach(k[0])]


class Elsewhere(Case):
    def links(self, program):
        """Whoever lists links has those looked at of which nothing is told."""
        self.bus.list("Links")
        return self.bus.get(program, PROGRAM, "Links")

    def both(self):
        """A namespace with an interface that has its namesake here."""
        there = self.netns()
        return there, self.veth(there.name)


class Attached(Elsewhere):
    def test_packets(self):
        """It runs there, and not on the interface of that name here; a restart changes nothing."""
        there, here = self.both()
        attached = []
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                program = self.load(obj, name)
                link = self.bus.attach(program, interface=there.name, netns=there.path, **options)
                attached.append((program, link))
                shown = self.bus.get_all(link, LINK)
                self.assertEqual((shown["Interface"], shown["InterfaceIndex"]),
                                 (there.name, there.index))
                self.assertEqual((shown["Netns"], shown["NetnsInode"]), (there.path, there.inode))
                self.assertEqual(shown["Sharing"] == "libxdp", False)
                self.assert_counts(program, there.receive)
                self.assert_idle(program, here.receive)
        self.daemon.restart()
        for program, link in attached:
            self.assertEqual(self.bus.get_all(link, LINK)["Netns"], there.path)
            self.assert_counts(program, there.receive)
        for program, link in reversed(attached):
            self.bus.detach(link)
            self.assert_idle(program, there.receive)

    def test_same_index_here(self):
        """Of an interface here that has the same index nothing is touched, whatever comes and goes."""
        there = self.netns()
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                # lo is number 1 everywhere
                program = self.load(obj, name)
                ours = self.bus.attach(program, interface="lo", **options)
                theirs = self.bus.attach(self.load(obj, name), interface=("u", 1),
                                         netns=there.path, **options)
                self.assertEqual(self.bus.get(theirs, LINK, "Interface"), "lo")
                self.bus.detach(theirs)
                self.assertEqual(self.links(program), [ours])
                self.assert_counts(program, lambda: net.transmit("lo"))
                self.bus.detach(ours)

    def test_by_descriptor(self):
        there = self.netns()
        self.allow("alice", "*")
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                program = self.load(obj, name, who=self.alice)
                fd = Fd(self.keep(os.open(there.path, os.O_RDONLY)))
                link = self.alice.attach(program, interface=there.name, netns=fd, **options)
                self.assertEqual(self.bus.get(link, LINK, "Netns"), there.path)
                self.assert_counts(program, there.receive)
                self.alice.detach(link)

    def test_without_a_name(self):
        """What is only some processes' has no path: it is attached where the kernel keeps a link."""
        there = self.netns(named=False)
        fd = Fd(self.keep(os.open(there.path, os.O_RDONLY)))
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                program = self.load(obj, name)
                arguments = {"interface": there.name, "netns": fd, **options}
                if kind == "tc":
                    with self.refused("InvalidArgument") as caught:
                        self.bus.attach(program, **arguments)
                    self.assertIn("/run/netns", caught.exception.message)
                    continue
                link = self.bus.attach(program, **arguments)
                self.assertEqual(self.bus.get(link, LINK, "Netns"), f"net:[{there.inode}]")
                self.assert_counts(program, there.receive)
                self.bus.detach(link)
                self.assert_idle(program, there.receive)

    @needs_attach("xdp")
    def test_taken(self):
        there = self.netns()
        arguments = {"interface": there.name, "netns": there.path}
        self.bus.attach(self.load("shared_map", "shared_xdp"), **arguments)
        with self.refused("HookBusy") as caught:
            self.bus.attach(self.load("shared_map", "shared_xdp"), **arguments)
        self.assertIn("shared_xdp", caught.exception.message)

    @needs_attach("tc")
    def test_tc_in_order(self):
        """tc programs share an interface there as they do here, and each is the other's stranger."""
        there, here = self.both()
        programs = {}
        for place, options in (("there", {"netns": there.path}), ("here", {})):
            for priority in (20, 10):
                program = self.load("tc", "tc_count")
                link = self.bus.attach(program, interface=there.name, direction="ingress",
                                       priority=priority, **options)
                programs.setdefault(place, []).append((program, link))
        if self.bus.get(programs["here"][0][1], LINK, "Sharing") != "dispatcher":
            self.skipTest("tc programs have filters of their own here")
        for place, pairs in programs.items():
            arrive, elsewhere = ((there, here) if place == "there" else (here, there))
            for program, link in pairs:
                self.assertEqual(self.bus.get(link, LINK, "Sharing"), "dispatcher")
                self.assert_counts(program, arrive.receive)
                self.assert_idle(program, elsewhere.receive)
        with there.inside():
            self.assertEqual(tc_filters(there.name), 1)
        self.daemon.restart()
        for _, link in programs["there"]:
            self.bus.detach(link)
        with there.inside():
            self.assertEqual(tc_filters(there.name), 0)
        self.assert_counts(programs["here"][1][0], here.receive)

    @needs_attach("tcx")
    def test_the_services_own(self):
        veth = self.veth()
        link = self.bus.attach(self.load("tcx", "tcx_ingress"), interface=veth.name, netns=net.OWN)
        self.assertEqual((self.bus.get(link, LINK, "Netns"), self.bus.get(link, LINK, "NetnsInode")),
                         ("", 0))


class Changed(Elsewhere):
    """What is attached is changed there as it is here, and nothing here is touched."""

    def get_hook(self, there, **options):
        return [(o["Type"], o["Program"], o.get("Link"))
                for o in get_hook(self.bus, interface=there.name, **options)]

    def test_hook(self):
        there, here = self.both()
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                programs = [self.load(obj, name) for _ in range(2)]
                # On interfaces of one name and, where there are no others, of one index
                links = [self.bus.attach(p, interface=there.name, **options, **where)
                         for p, where in zip(programs, ({"netns": there.path}, {}))]
                expected = [[(kind, p, link)] for p, link in zip(programs, links)]
                fd = ("h", self.keep(os.open(there.path, os.O_RDONLY)))
                for netns in (there.path, fd):
                    self.assertEqual(self.get_hook(there, netns=netns), expected[0])
                self.assertEqual(self.get_hook(here), expected[1])
                self.assertEqual(self.get_hook(here, netns=net.OWN), expected[1])
                for link in links:
                    self.bus.detach(link)
        with self.refused("MissingParameter"):
            get_hook(self.alice, interface=there.name, netns=there.path)
        with self.refused("InvalidArgument"):
            get_hook(self.bus, interface="lo", netns="/dev/null")
        with self.refused("NoSuchInterface"):
            get_hook(self.bus, interface="nosuch0", netns=there.path)

    @needs_attach("xdp")
    def test_one_program_and_index(self):
        """A program that is on interface number 1 here and there: each link is where it is."""
        there = self.netns()
        program = self.load("shared_map", "shared_xdp")
        ours = self.bus.attach(program, interface="lo")
        theirs = self.bus.attach(program, interface="lo", netns=there.path)
        for link, options in ((ours, {}), (theirs, {"netns": there.path})):
            found, = get_hook(self.bus, interface="lo", **options)
            self.assertEqual(found["Link"], link)
        self.bus.detach(ours)
        self.bus.detach(theirs)

    def test_order(self):
        there, here = self.both()
        for kind, obj, name, options in kinds():
            if kind == "xdp":
                continue
            with self.subTest(kind=kind):
                where = {"interface": there.name, "netns": there.path, **options}
                programs = [self.load(obj, name) for _ in range(2)]
                links = [self.bus.attach(p, priority=n, **where)
                         for p, n in zip(programs, (10, 20))]
                ours = self.bus.attach(self.load(obj, name), interface=here.name, **options)
                self.daemon.restart()
                update(self.bus, links[0], priority=30)
                self.assertEqual([p for _, p, _ in self.get_hook(there, netns=there.path)],
                                 programs[::-1])
                self.assertEqual(len(self.get_hook(here)), 1)
                for link in (*links, ours):
                    self.bus.detach(link)

    def test_replace(self):
        there, here = self.both()
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                old, new = (self.load(obj, name) for _ in range(2))
                link = self.bus.attach(old, interface=there.name, netns=there.path, **options)
                self.daemon.restart()
                replace(self.bus, link, new)
                self.assertEqual(self.get_hook(there, netns=there.path), [(kind, new, link)])
                self.assert_counts(new, there.receive)
                self.assert_idle(old, there.receive)
                self.assert_idle(new, here.receive)
                self.daemon.restart()
                self.assertEqual(self.links(new), [link])
                self.bus.detach(link)


class Gone(Elsewhere):
    def test_interface(self):
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                there, here = self.both()
                program = self.load(obj, name)
                self.bus.attach(program, interface=there.name, netns=there.path, **options)
                left = self.bus.attach(self.load(obj, name), interface=here.name, **options)
                there.remove_interface()
                until(lambda p=program: not self.links(p), "the link goes with its interface")
                self.bus.detach(left)

    def test_namespace(self):
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                there = self.netns()
                program = self.load(obj, name)
                self.bus.attach(program, interface=there.name, netns=there.path, **options)
                there.remove()
                until(lambda p=program: not self.links(p), "the link goes with its namespace")

    def test_namespace_while_nobody_looks(self):
        for kind, obj, name, options in kinds():
            with self.subTest(kind=kind):
                there = self.netns()
                program = self.load(obj, name)
                self.bus.attach(program, interface=there.name, netns=there.path, **options)
                self.daemon.end()
                there.remove()
                # Another that may get its inode and its path
                net.ip("netns", "add", there.label)
                until(lambda p=program: not self.links(p), "the link goes with its namespace")
                # A worker sees to it that nothing is left
                until(lambda: not any("/links/" in p for p in daemon.listing()),
                      "the link goes with its namespace")

    @needs_attach("tc")
    def test_name(self):
        """Where the path is lost nothing can be taken away, and that is said."""
        there = self.netns()
        there.hold()
        program = self.load("tc", "tc_count")
        link = self.bus.attach(program, interface=there.name, netns=there.path, direction="ingress")
        there.lose_name()
        if self.bus.get(link, LINK, "Sharing") == "dispatcher":
            # That runs nothing from then on
            self.assert_counts(program, there.receive)
            self.bus.detach(link)
            self.assert_idle(program, there.receive)
        else:
            with self.refused("Failed") as caught:
                self.bus.detach(link)
            self.assertIn(there.path, caught.exception.message)
            self.assertEqual(self.links(program), [link])
            self.daemon.restart()
            self.assertEqual(self.links(program), [link])
        there.remove()
        until(lambda: not self.links(program), "the link goes with its namespace")


class Refused(Elsewhere):
    def setUp(self):
        super().setUp()
        self.there = self.netns()
        self.arguments = {"interface": self.there.name, "netns": self.there.path}

    @needs_attach("tcx")
    def test_what_is_none(self):
        program = self.load("tcx", "tcx_ingress")
        fd = Fd(self.keep(os.open("/dev/null", os.O_RDONLY)))
        mounts = Fd(self.keep(os.open("/proc/self/ns/mnt", os.O_RDONLY)))
        for netns in (fd, mounts, "/dev/null", "/nonexistent", "blue"):
            with self.subTest(netns=netns), self.refused("InvalidArgument"):
                self.bus.attach(program, interface="lo", netns=netns)
        for interface in ("nosuch0", ("u", 4000)):
            with self.subTest(interface=interface), self.refused("NoSuchInterface") as caught:
                self.bus.attach(program, interface=interface, netns=self.there.path)
            self.assertIn("in that network namespace", caught.exception.message)

    def test_where_there_is_no_interface(self):
        if not can_load("tracepoint"):
            self.skipTest("no tracepoints")
        program = self.load("tracepoint", "tracepoint_fork")
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(program, netns=self.there.path)
        self.assertIn("takes no netns", caught.exception.message)

    @needs_attach("tcx")
    def test_path_of_a_user(self):
        self.allow("alice", "*")
        program = self.load("tcx", "tcx_ingress", who=self.alice)
        with self.refused("MissingParameter"):
            self.alice.attach(program, **self.arguments)

    @needs_attach("tcx")
    def test_rules_and_grants_of_before(self):
        """What allows interfaces here allows none elsewhere, however it is written."""
        fd = Fd(self.keep(os.open(self.there.path, os.O_RDONLY)))
        self.addCleanup(lambda: [os.unlink(p) for p in glob.glob("/etc/bpfkeeper/grants.d/*")])
        os.makedirs("/etc/bpfkeeper/grants.d", mode=0o755, exist_ok=True)
        self.allow("alice", "load.tcx")
        program = self.load("tcx", "tcx_ingress", who=self.alice)
        arguments = {"interface": self.there.name, "netns": fd}
        self.veth(self.there.name)
        for pattern in ("veth*", "*"):
            grant = self.bus.add_grant(user="alice", types=["tcx"], interface=pattern)
            with self.subTest(pattern=pattern), self.refused("NotAuthorized",
                                                             "AuthorizationRequired"):
                self.alice.attach(program, **arguments)
            self.alice.detach(self.alice.attach(program, interface=self.there.name))
            self.bus.remove_grant(grant)
        name = self.there.name
        self.allow("alice", "load.tcx", "attach.tcx",
                   condition=f'action.lookup("interface") === "{name}" ||'
                             ' action.id.indexOf(".load.") > 0')
        with self.refused("NotAuthorized", "AuthorizationRequired"):
            self.alice.attach(program, **arguments)
        self.allow("alice", "load.tcx", "attach.tcx",
                   condition=f'action.lookup("interface") === "{self.there.path}/{name}" &&'
                             f' action.lookup("netns") === "{self.there.path}"')
        self.alice.detach(self.alice.attach(program, **arguments))
        self.allow("alice", "load.tcx")
        for pattern in (f"{self.there.path}/veth*", "/run/netns/**"):
            grant = self.bus.add_grant(user="alice", types=["tcx"], interface=pattern)
            self.alice.detach(self.alice.attach(program, **arguments))
            verdict, reasons = self.alice.check_authorization(
                "attach", "tcx", interface=f"{self.there.path}/{name}", netns=self.there.path)
            self.assertEqual((verdict, reasons["Grants"]), ("yes", [grant]))
            self.bus.remove_grant(grant)
        with self.refused("InvalidArgument"):
            self.bus.add_grant(user="alice", types=["tcx"], interface=f"blue/{name}")


class Tools(Elsewhere):
    @needs_attach("tcx")
    def test_bpfctl(self):
        there = self.netns()
        program = self.load("tcx", "tcx_ingress")

        def ctl(*arguments):
            return subprocess.run(["bpfctl", *arguments], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout
        number = program.rpartition("_")[2]
        for netns in (there.label, there.path, f"/proc/{os.getpid()}/root{there.path}"):
            out = ctl("attach", number, there.name, "ingress", "--netns", netns)
            self.assertIn(f"to {there.name} in {there.path}, ingress", out)
            link, = self.links(program)
            self.assertIn(f"{there.name} in {there.path}", ctl("links"))
            self.bus.detach(link)
        out = ctl("attach", number, str(there.index), "--netns", there.label)
        self.assertIn(f"to {there.name} in {there.path}", out)
        self.assertIn("Yes", ctl("can", "attach", "tcx", there.name, "--netns", there.label))
        self.assertIn("tcx_ingress", ctl("hook", there.name, "--netns", there.label))

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_all(self):
        there, here = self.both()
        for _, obj, name, options in kinds():
            self.bus.attach(self.load(obj, name), interface=there.name, netns=there.path, **options)
        self.daemon.end()
        done = subprocess.run([UNLOAD_ALL], check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"{len(kinds())} links detached", done.stdout)
        with there.inside():
            self.assertEqual(tc_filters(there.name), 0)
        self.assertEqual(tc_filters(here.name), 0)
