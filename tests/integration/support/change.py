# SPDX-License-Identifier: LGPL-2.1-or-later
"""Link.Update() and Link.ReplaceProgram(), and hooks that programs share."""

import os
import struct

from support import bpf
from support.bus import ATTACH_OPTIONS, LINK, TIMEOUT, GLib, options_variant
from support.case import can_attach, feature
from support.hooks import Cgroup, is_wanted


def u32(value):
    return struct.pack("=I", value)


def update(bus, link, **options):
    fds = []
    types = {"proceed_on": "as", "priority": "u"}
    return bus.results(*bus.raw_call("org.bpfkeeper1", link, LINK, "Update", GLib.Variant.new_tuple(
        options_variant(types, options, fds)), fds, 0, TIMEOUT))


def start_update(bus, link, **options):
    parameters = GLib.Variant.new_tuple(options_variant({"priority": "u"}, options, []))
    return bus.raw_start("org.bpfkeeper1", link, LINK, "Update", parameters, [], 0, TIMEOUT)


def replace_parameters(program, options, fds):
    return GLib.Variant.new_tuple(GLib.Variant("o", program),
                                  options_variant(ATTACH_OPTIONS, options, fds))


def replace(bus, link, program, **options):
    fds = []
    return bus.results(*bus.raw_call("org.bpfkeeper1", link, LINK, "ReplaceProgram",
                                     replace_parameters(program, options, fds), fds, 0, TIMEOUT))


def start_replace(bus, link, program):
    return bus.raw_start("org.bpfkeeper1", link, LINK, "ReplaceProgram",
                         replace_parameters(program, {}, []), [], 0, TIMEOUT)


class Kind:
    """A hook that can be shared: what goes there, what makes it run, and who is on it in which order."""

    def __init__(self, case, name):
        self.case, self.name = case, name
        if name == "cgroup_skb":
            self.cgroup = Cgroup()
            case.addCleanup(self.cgroup.remove)
            self.fd = case.keep(os.open(self.cgroup.path, os.O_RDONLY))
            self.where, self.cause = {"cgroup": self.cgroup.path}, self.cgroup.run
            return
        self.veth = case.veth()
        self.where = {"interface": self.veth.name}
        if name == "tc":
            self.where["direction"] = "ingress"
        self.cause = self.veth.receive

    def load(self, n=1, **options):
        obj, program = {"tcx": ("order", "order_tcx"), "cgroup_skb": ("order", "order_cgroup"),
                        "tc": ("tc_chain", "tc_link"), "xdp": ("xdp_chain", "chain_link")}[self.name]
        options["globals"] = {"number": u32(n)}
        return self.case.load(obj, program, **options)

    def attach(self, program, **options):
        return self.case.bus.attach(program, **self.where, **options)

    def order(self):
        """Our links on it, in order."""
        if self.name == "tcx":
            ids = bpf.prog_query(self.veth.index, bpf.TCX_INGRESS)[0]
        elif self.name == "cgroup_skb":
            ids = bpf.prog_query(self.fd, bpf.CGROUP_INET_EGRESS)[0]
        else:
            place = {k: ("s", v) for k, v in self.where.items() if k == "interface"}
            fds = []
            found = self.case.bus.results(*self.case.bus.raw_call(
                "org.bpfkeeper1", "/org/bpfkeeper1", "org.bpfkeeper1.Manager", "GetHook",
                GLib.Variant.new_tuple(options_variant({}, place, fds)), fds, 0, TIMEOUT))
            ids = [o["ProgramId"] for o in found if o["Type"] == self.name and "Link" in o]
        return ids


def kinds(case):
    found = []
    for name in ("tcx", "cgroup_skb", "tc", "xdp"):
        if not is_wanted(name) or name == "tc" and not feature("tc_dispatcher") or \
                name == "xdp" and not feature("freplace") or not can_attach(name):
            continue
        kind = Kind(case, name)
        if name == "cgroup_skb" and not bpf.prog_query(kind.fd, bpf.CGROUP_INET_EGRESS)[1]:
            continue
        found.append(kind)
    if not found:
        case.skipTest("programs share no hook in an order of ours on this kernel")
    return found


def netfilter_priority(case, link):
    """The kernel's own word for it; None of a kernel link that went in between."""
    try:
        fd = bpf.open_id(bpf.LINK_GET_FD_BY_ID, case.bus.get(link, LINK, "KernelLinkId"))
    except OSError:
        return None
    try:
        # type, id, program, padding, protocol family, hook
        return struct.unpack_from("=i", bpf.info(fd), 24)[0]
    finally:
        os.close(fd)
