# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfkeeper-unload-all: everything goes, without the service, and nothing of anybody else's."""

import os
import subprocess
import unittest

from support import bpf, daemon, objects
from support.case import Case, can_attach, number, until
from support.consistency import rewrite, tc_filters
from support.hooks import hooks

PROGRAM = "/usr/libexec/bpfkeeper-unload-all"


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], text=True, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options)


@unittest.skipUnless(os.path.exists(PROGRAM), f"this build has no {os.path.basename(PROGRAM)}")
class UnloadAll(Case):
    def unload(self, status=0):
        """Runs it without a service; its result."""
        self.daemon.end()
        done = run()
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def assert_gone(self, *programs):
        for program in programs:
            until(lambda p=program: not bpf.exists("program", number(p)), f"{program} is gone")

    def test_each_type(self):
        chosen = [h for h in hooks(self) if can_attach(h.kind)]
        programs = [self.load(h.object, h.program, **h.load) for h in chosen]
        links = [self.bus.attach(p, **h.options) for p, h in zip(programs, chosen)]
        self.daemon.end()

        told = run("--list")
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        for program in programs:
            self.assertIn(f"program {number(program)}: ", told.stdout)
        for hook, link in zip(chosen, links):
            place = " on " if hook.expect else "\n"
            self.assertIn(f"link {number(link)}: {hook.program} ({hook.kind}){place}", told.stdout)
        self.assertTrue(daemon.listing())

        done = self.unload()
        self.assertEqual(done.stderr, "")
        self.assertIn(f"{len(links)} links detached, {len(programs)} programs and ", done.stdout)
        self.assertEqual(daemon.listing(), set())
        self.assert_gone(*programs)
        self.assertEqual(run("--list").stdout, "")
        # The next service agrees, and gives out ids that were none before
        self.assertEqual(self.bus.managed("Programs"), {})
        self.assertGreater(number(self.bus.attach(self.load("tracepoint", "tracepoint_fork"))),
                           max(map(number, links)))

    def test_somebody_elses_stay(self):
        veth = self.veth()
        program = self.load("tc", "tc_count")
        taken, ours = (self.bus.attach(program, interface=veth.name, direction=direction)
                       for direction in ("ingress", "egress"))
        # The place of one of ours is somebody else's by now
        subprocess.run(["tc", "filter", "add", "dev", veth.name, "ingress", "pref", "50", "handle",
                        "7", "bpf", "da", "obj", objects.path("tc"), "sec", "tc"], check=True)
        rewrite(f"{daemon.RUN}/links/{number(taken)}", Program=4000000000, TcHandle=7)
        before = tc_filters(veth.name)
        self.unload()
        self.assertEqual(tc_filters(veth.name), before - 1)
        shown = subprocess.run(["tc", "filter", "show", "dev", veth.name, "ingress"], check=True,
                               text=True, stdout=subprocess.PIPE).stdout
        self.assertIn("tc_count", shown)
        self.assertEqual(daemon.listing(), set(), ours)

    def test_a_file_that_makes_no_sense(self):
        veth = self.veth()
        link = number(self.bus.attach(self.load("tcx", "tcx_ingress"), interface=veth.name)
                      if can_attach("tcx") else
                      self.bus.attach(self.load("tracepoint", "tracepoint_fork")))
        rewrite(f"{daemon.RUN}/links/{link}", Version=2)
        done = self.unload(status=1)
        self.assertIn(f"{daemon.RUN}/links/{link} ", done.stderr)
        # What has a pin has gone all the same
        self.assertEqual(daemon.listing(), {f"{daemon.RUN}/links/{link}"})
        daemon.wipe()

    def test_not_beside_the_service(self):
        self.load("tracepoint", "tracepoint_fork")
        self.daemon.pid()
        before = self.snapshot()
        done = run()
        self.assertEqual(done.returncode, 1)
        self.assertIn("bpfkeeperd is running", done.stderr)
        self.assertEqual(self.snapshot(), before)

    def test_nothing_to_do(self):
        for _ in range(2):
            self.assertEqual(self.unload().stdout,
                             "0 links detached, 0 programs and 0 maps unloaded\n")

    def test_usage(self):
        self.assertIn("Usage: ", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^bpfkeeper-unload-all \d")
        for arguments in (["x"], ["--what"]):
            self.assertEqual(run(*arguments).returncode, 2)
        done = run(user=4001, group=4001)
        self.assertEqual(done.returncode, 1)
        self.assertIn("root", done.stderr)
