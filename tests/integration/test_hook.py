# SPDX-License-Identifier: LGPL-2.1-or-later
"""GetHook() and bpfctl hook: what is on a hook, others' included, in order."""

import json
import os
import shutil
import struct
import subprocess

from support import bpf
from support.bus import LINK, MANAGER, ROOT, GLib, options_variant
from support.case import Case, can_attach, feature, needs_attach, number
from support.hooks import Cgroup
from support.net import interfaces
from support import objects


def get_hook(bus, **options):
    fds = []
    parameters = GLib.Variant.new_tuple(options_variant({}, options, fds))
    return bus.results(*bus.raw_call("org.bpfkeeper1", ROOT, MANAGER, "GetHook", parameters, fds, 0,
                                     20000))


def bpfctl(*arguments, status=0):
    done = subprocess.run(["bpfctl", *arguments], check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


class Hook(Case):
    def test_nothing(self):
        veth = self.veth()
        self.assertEqual(get_hook(self.bus, interface=veth.name), [])
        self.assertEqual(get_hook(self.bus, interface=("u", veth.index)), [])
        self.assertIn("0 programs", bpfctl("hook", veth.name))

    @needs_attach("xdp", "tc")
    def test_interface(self):
        veth = self.veth()
        tc = [self.load("tc", "tc_count") for _ in range(2)]
        links = [self.bus.attach(p, interface=veth.name, direction="egress", priority=n)
                 for p, n in zip(tc, (20, 10))]
        # Ours of one direction are one filter at priority 50, or each its own
        other = 40 if self.bus.get(links[0], LINK, "Sharing") == "dispatcher" else 15
        subprocess.run(["tc", "filter", "add", "dev", veth.name, "egress", "pref", str(other), "protocol",
                        "ip", "u32", "match", "u32", "0", "0"], check=True)
        xdp = self.load("packet_counter", "count_packets")
        on_xdp = self.bus.attach(xdp, interface=veth.name)
        found = get_hook(self.bus, interface=veth.name)
        first, *filters = found
        self.assertEqual((first["Type"], first["Position"], first["Program"], first["Link"],
                          first["Name"], first["OwnerUid"], first["Mode"]),
                         ("xdp", 1, xdp, on_xdp, "count_packets", 0, "native"))
        place = 0 if other == 40 else 1
        expected = [(10, "tc_count", links[1], tc[1]), (20, "tc_count", links[0], tc[0])]
        expected.insert(place, (other, "u32", None, None))
        self.assertEqual([(f["Priority"], f["Name"], f.get("Link"), f.get("Program")) for f in filters],
                         expected)
        self.assertEqual([(f["Type"], f["Direction"], f["Position"]) for f in filters],
                         [("tc", "egress", n) for n in (1, 2, 3)])
        self.assertNotIn("OwnerUid", filters[place])

        shown = json.loads(bpfctl("--json=short", "hook", veth.name))
        self.assertEqual([o.get("program_id") for o in shown],
                         [number(xdp), *(p and number(p) for _, _, _, p in expected)])
        lines = [line.split() for line in bpfctl("--no-legend", "hook", veth.name).splitlines()]
        self.assertEqual([line[0] for line in lines], ["xdp", "tc", "tc", "tc"])
        self.assertIn("u32", lines[1 + place])

    @needs_attach("tcx")
    def test_order_of_the_kernel(self):
        veth = self.veth()
        ours, later = (self.load("tcx", "tcx_ingress") for _ in range(2))
        self.bus.attach(ours, interface=veth.name, priority=10)
        program = self.keep(bpf.prog_load(bpf.SCHED_CLS, 0xffffffff))
        link = self.keep(bpf.link_create(program, veth.index, bpf.TCX_INGRESS))
        self.bus.attach(later, interface=veth.name, priority=20)
        found = get_hook(self.bus, interface=veth.name)
        other = struct.unpack_from("=I", bpf.info(program), 4)[0]
        self.assertEqual([o["ProgramId"] for o in found], [number(ours), other, number(later)])
        self.assertEqual([o.get("Priority") for o in found], [10, None, 20])
        self.assertEqual(found[1]["KernelLinkId"], struct.unpack_from("=II", bpf.info(link))[1])
        self.assertNotIn("Link", found[1])
        self.assertEqual([o["Position"] for o in found], [1, 2, 3])

    @needs_attach("cgroup_skb")
    def test_cgroup(self):
        above = Cgroup()
        self.addCleanup(above.remove)
        below = Cgroup(above.path)
        self.addCleanup(below.remove)
        one, two = (self.load("cgroup_skb", "cgroup_egress") for _ in range(2))
        on_above = self.bus.attach(one, cgroup=above.path)
        on_below = self.bus.attach(two, cgroup=below.path)
        found = [o for o in get_hook(self.bus, cgroup=below.path) if o["Type"] == "cgroup_skb"]
        self.assertEqual([(o["Program"], o["Direction"], o["Inherited"]) for o in found[:2]],
                         [(two, "egress", False), (one, "egress", True)])
        self.assertEqual(found[0]["Link"], on_below)
        shown = json.loads(bpfctl("--json=short", "hook", above.path))
        shown = [o for o in shown if o["type"] == "cgroup_skb" and not o["inherited"]]
        self.assertEqual([(o["program_id"], o["link"]) for o in shown], [(number(one), on_above)])

    @needs_attach("cgroup_skb")
    def test_a_program_twice(self):
        """Of a cgroup the kernel says the programs, and of two times the same one not which is which."""
        cgroup = Cgroup()
        self.addCleanup(cgroup.remove)
        program = self.load("cgroup_skb", "cgroup_egress")
        first = self.bus.attach(program, cgroup=cgroup.path)
        directory = self.keep(os.open(cgroup.path, os.O_RDONLY))
        ordered = bpf.prog_query(directory, bpf.CGROUP_INET_EGRESS)[1] > 0
        second = self.bus.attach(program, cgroup=cgroup.path, **({"priority": 5} if ordered else {}))
        found = [o["Link"] for o in get_hook(self.bus, cgroup=cgroup.path) if o.get("Program") == program]
        self.assertEqual(found, [second, first] if ordered else [first, second])

    def test_members(self):
        """Those of libxdp's dispatcher, with what they proceed on."""
        if not feature("freplace") or not shutil.which("xdp-loader"):
            self.skipTest("this kernel has no freplace: an interface has one XDP program")
        veth = self.veth()
        ours = self.load("xdp_chain", "chain_link")
        link = self.bus.attach(ours, interface=veth.name, priority=20, proceed_on=["drop", "pass"])
        subprocess.run(["xdp-loader", "load", veth.name, objects.path("xdp_chain"), "-n",
                        "chain_link", "-P", "10"], check=True)
        other, own = get_hook(self.bus, interface=veth.name)
        self.assertEqual((own["Program"], own["Link"], own["Priority"], own["ProceedOn"]),
                         (ours, link, 20, ["drop", "pass"]))
        self.assertEqual((other["Name"], other["Priority"], other["ProceedOn"]),
                         ("chain_link", 10, ["pass"]))
        self.assertNotIn("Link", other)
        self.assertIn("proceeds on drop,pass", bpfctl("hook", veth.name))

    def test_wrong(self):
        veth = self.veth()
        with self.refused("MissingParameter"):
            get_hook(self.bus)
        with self.refused("InvalidArgument") as caught:
            get_hook(self.bus, interface=veth.name, priority=("u", 3))
        self.assertIn("priority", caught.exception.message)
        with self.refused("InvalidArgument"):
            get_hook(self.bus, interface=veth.name, cgroup="/sys/fs/cgroup")
        with self.refused("NoSuchInterface"):
            get_hook(self.bus, interface="nowhere0")
        with self.refused("NoSuchCgroup"):
            get_hook(self.bus, cgroup="/sys/fs/cgroup/nowhere")
        with self.refused("NoSuchCgroup"):
            get_hook(self.bus, cgroup=("h", self.keep(os.open("/tmp", os.O_RDONLY))))
        self.assertIn("nowhere0", bpfctl("hook", "nowhere0", status=1))
        self.assertNotIn("nowhere0", interfaces())

    def test_everybody_may(self):
        veth = self.veth()
        if can_attach("tc"):
            self.bus.attach(self.load("tc", "tc_count"), interface=veth.name, direction="ingress")
        self.assertEqual(get_hook(self.alice, interface=veth.name),
                         get_hook(self.bus, interface=veth.name))
