# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said of programs, maps and links: to bpftool's, by lists, by signals, and by the XML."""

import glob
import json
import os
import struct
import subprocess
import time
import xml.etree.ElementTree as ET

from support import bpf, objects
from support.bus import NAME, OBJECT_MANAGER, PROPERTIES, Gio, GLib
from support.case import LINK, MANAGER, MAP, PROGRAM, ROOT, Case, can_attach, number, until
from support.hooks import hooks

SOURCE = os.environ.get("BPFKEEPER_SOURCE", ".")
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def bpftool(*arguments):
    out = subprocess.run(["bpftool", "-j", *arguments], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)


class Kernel(Case):
    """Against bpftool."""

    def test_programs(self):
        for hook in hooks(self):
            if not can_attach(hook.kind):
                continue
            with self.subTest(hook=hook.program):
                path = self.load(hook.object, hook.program, **hook.load)
                ours = self.bus.get_all(path, PROGRAM)
                theirs = bpftool("prog", "show", "id", str(number(path)))
                self.assertEqual(ours["Id"], theirs["id"])
                # An old bpftool has numbers for what is newer
                if isinstance(theirs["type"], str):
                    self.assertEqual(ours["KernelType"], theirs["type"])
                self.assertEqual(ours["Tag"], theirs["tag"])
                self.assertEqual(ours["GplCompatible"], theirs["gpl_compatible"])
                self.assertEqual(ours["BytesXlated"], theirs["bytes_xlated"])
                self.assertEqual(ours["BytesJited"], theirs.get("bytes_jited", 0))
                # Where XDP programs share an interface, it is there a second time
                self.assertIn(ours["BytesMemlock"] // theirs["bytes_memlock"],
                              (1, 2) if hook.kind == "xdp" else (1,))
                self.assertEqual(ours["BtfId"], theirs.get("btf_id", 0))
                self.assertEqual(sorted(map(number, ours["Maps"])), sorted(theirs["map_ids"]))
                self.assertLess(abs(ours["LoadTime"] / 1e6 - theirs["loaded_at"]), 3)
                self.assertLess(abs(ours["LoadTime"] / 1e6 - time.time()), 60)
                self.assertGreater(ours["VerifiedInstructions"], 0)
                self.assertEqual(ours["Name"], hook.program)
                self.assertTrue(ours["Managed"])
                self.assertEqual(set(ours), self.properties("Program"))
                self.bus.unload(path)

    def properties(self, kind):
        root = ET.parse(f"{SOURCE}/dbus/{NAME}.{kind}.xml").getroot()
        return {p.get("name") for p in root.iter("property")}

    def test_maps(self):
        for obj in ("packet_counter", "globals", "ringbuf"):
            path = self.load(obj)[0]
            for name, m in self.bus.maps_of(path).items():
                with self.subTest(map=name):
                    ours = self.bus.get_all(m, MAP)
                    theirs = bpftool("map", "show", "id", str(number(m)))
                    self.assertEqual(ours["Id"], theirs["id"])
                    self.assertEqual(ours["Type"], theirs["type"])
                    self.assertEqual(ours["KeySize"], theirs["bytes_key"])
                    self.assertEqual(ours["ValueSize"], theirs["bytes_value"])
                    self.assertEqual(ours["MaxEntries"], theirs["max_entries"])
                    self.assertEqual(ours["Flags"], theirs["flags"])
                    self.assertEqual(ours["BytesMemlock"], theirs["bytes_memlock"])
                    self.assertEqual(ours["Frozen"], bool(theirs["frozen"]))
                    self.assertEqual(ours["BtfId"], theirs.get("btf_id", 0))
                    self.assertEqual(ours["Programs"], [path])
                    self.assertTrue(name.startswith(theirs["name"][:8]) or "." in name)
                    self.assertEqual(ours["PossibleCpus"] > 1,
                                     "percpu" in ours["Type"] and os.cpu_count() > 1)
                    self.assertEqual(set(ours), self.properties("Map"))

    def test_links(self):
        for hook in hooks(self):
            if not can_attach(hook.kind):
                continue
            with self.subTest(hook=hook.program):
                path = self.load(hook.object, hook.program, **hook.load)
                link = self.bus.attach(path, **hook.options)
                ours = self.bus.get_all(link, LINK)
                self.assertEqual(set(ours), self.properties("Link"))
                for i in ours["KernelLinkIds"]:
                    fd = bpf.open_id(bpf.LINK_GET_FD_BY_ID, i)
                    _, kernel_id, program = struct.unpack_from("=III", bpf.info(fd))
                    os.close(fd)
                    # A struct_ops is a map to the kernel
                    self.assertEqual((kernel_id, program),
                                     (i, 0 if hook.kind == "struct_ops" else number(path)))
                self.assertEqual(bool(ours["KernelLinkIds"]),
                                 hook.kind not in ("tc", "tc_action") and
                                 not hook.kind.startswith("lwt_") and ours["Sharing"] != "libxdp")
                self.bus.unload(path)

    def test_manager(self):
        properties = self.bus.get_all(ROOT, MANAGER)
        self.assertEqual(set(properties), {"Version", "ProgramTypes", "Features"})
        with open(f"{SOURCE}/meson.build", encoding="utf-8") as f:
            self.assertIn(f"version : '{properties['Version']}'", f.read())
        for name, row in properties["ProgramTypes"].items():
            self.assertEqual(set(row), {"Description", "Sections", "Required", "Optional",
                                        "Sharing", "Needs"})
            self.assertTrue(row["Description"] and row["Sections"])
            self.assertIn(row["Sharing"], ("kernel", "libxdp", "exclusive", "dispatcher"))
            self.assertIn("load." + name, properties["Features"])
            self.assertFalse(set(row["Required"]) & set(row["Optional"]))

    def test_features_are_what_is(self):
        """Probed: bpftool finds the same."""
        types = bpftool("feature", "probe", "kernel")["program_types"]
        features = self.bus.get(ROOT, MANAGER, "Features")
        for ours, theirs in (("xdp", "xdp"), ("tc", "sched_cls"), ("tracepoint", "tracepoint"),
                             ("raw_tracepoint", "raw_tracepoint"), ("kprobe", "kprobe"),
                             ("perf_event", "perf_event"), ("cgroup_skb", "cgroup_skb")):
            self.assertEqual(features["load." + ours], types[f"have_{theirs}_prog_type"], ours)
        self.assertEqual(features["btf"], os.path.exists("/sys/kernel/btf/vmlinux"))


class Foreign(Case):
    """What somebody else loaded."""

    def setUp(self):
        super().setUp()
        subprocess.run(["bpftool", "prog", "load", objects.path("packet_counter"),
                        "/sys/fs/bpf/elsewhere"], check=True)
        self.addCleanup(lambda: os.path.exists("/sys/fs/bpf/elsewhere") and
                        os.unlink("/sys/fs/bpf/elsewhere"))
        fd = bpf.obj_get("/sys/fs/bpf/elsewhere")
        self.number = struct.unpack_from("=II", bpf.info(fd))[1]
        os.close(fd)
        self.path = f"{ROOT}/program/_{self.number}"

    def test_described(self):
        ours = self.bus.get_all(self.path, PROGRAM)
        theirs = bpftool("prog", "show", "id", str(self.number))
        self.assertFalse(ours["Managed"])
        self.assertEqual(ours["Name"], "count_packets")
        self.assertEqual((ours["Type"], ours["KernelType"]), ("xdp", "xdp"))
        self.assertEqual(ours["Tag"], theirs["tag"])
        self.assertEqual(ours["OwnerUid"], theirs["uid"])
        self.assertEqual(sorted(map(number, ours["Maps"])), sorted(theirs["map_ids"]))
        for empty in ("Section", "Application", "SourceDigest"):
            self.assertEqual(ours[empty], "")
        self.assertEqual((ours["Metadata"], ours["Links"]), ({}, []))
        for m in ours["Maps"]:
            self.assertFalse(self.bus.get(m, MAP, "Managed"))

    def test_listed(self):
        self.assertIn(self.path, self.bus.list("Programs"))
        self.assertIn(self.path, self.bus.list("Programs", managed=False))
        self.assertNotIn(self.path, self.bus.list("Programs", managed=True))
        self.assertIn(self.path, self.bus.managed_objects())
        self.assertIn(self.path, self.alice.list("Programs"))

    def test_gone_when_it_is_gone(self):
        self.bus.list("Programs")
        os.unlink("/sys/fs/bpf/elsewhere")
        until(lambda: not bpf.exists("program", self.number), "the kernel gives it up")
        self.assertNotIn(self.path, self.bus.list("Programs"))
        with self.refused("org.freedesktop.DBus.Error.UnknownObject", "NoSuchObject"):
            self.bus.get(self.path, PROGRAM, "Name")


class Lists(Case):
    def test_filters_of_programs(self):
        self.allow("alice", "load.xdp")
        hers = self.load("packet_counter", "count_packets", who=self.alice, name="hers")
        mine, other = self.load("shared_map", name="mine")
        hits = self.bus.maps_of(mine)["hits"]
        for expected, filters in (
                ({hers, mine, other}, {}), ({hers, mine}, {"type": "xdp"}),
                ({other}, {"type": "tc"}), ({mine}, {"name": "shared_xdp"}), (set(), {"name": "x"}),
                ({mine, other}, {"application": "mine"}), ({hers}, {"owner_uid": self.alice.uid}),
                ({mine, other}, {"map": hits}), ({mine}, {"map": hits, "type": "xdp"}),
                (set(), {"type": "xdp", "application": "mine", "owner_uid": self.alice.uid})):
            with self.subTest(filters=filters):
                self.assertEqual(set(self.bus.list("Programs", managed=True, **filters)), expected)
        self.assertEqual(set(self.bus.list("Maps", managed=True, program=mine)), {hits})
        self.assertEqual(set(self.bus.list("Maps", managed=True, type="percpu_array")),
                         {self.bus.maps_of(hers)["packets_percpu"]})
        self.assertEqual(set(self.bus.list("Maps", managed=True, name="hits")), {hits})
        self.assertEqual(len(self.bus.list("Maps", managed=True, owner_uid=self.alice.uid)), 2)
        self.assertEqual(len(self.bus.list("Maps", managed=True, application="hers")), 2)

    def test_filters_of_links(self):
        veth, other = self.veth(), self.veth()
        tc, tcx = self.load("tc", "tc_count"), self.load("tcx", "tcx_ingress")
        one = self.bus.attach(tc, interface=veth.name, direction="ingress")
        two = self.bus.attach(tc, interface=other.name, direction="ingress")
        three = self.bus.attach(tcx, interface=veth.name)
        for expected, filters in (({one, two, three}, {}), ({one, three}, {"interface": veth.name}),
                                  ({one, two}, {"type": "tc"}), ({three}, {"program": tcx}),
                                  (set(), {"owner_uid": 4001}),
                                  ({one}, {"program": tc, "interface": veth.name})):
            with self.subTest(filters=filters):
                self.assertEqual(set(self.bus.list("Links", **filters)), expected)

    def test_wrong_filters(self):
        for kind, filters, error in (("Programs", {"interface": "lo"}, "UnknownOption"),
                                     ("Links", {"managed": True}, "UnknownOption"),
                                     ("Maps", {"map": ("o", "/")}, "UnknownOption"),
                                     ("Programs", {"owner_uid": ("s", "0")}, "WrongType"),
                                     ("Programs", {"map": ("o", "/org")}, "NoSuchObject")):
            with self.subTest(kind=kind, filters=filters), self.refused(error):
                self.bus.list(kind, **filters)

    def test_lists_managed_objects_and_properties_are_one(self):
        veth = self.veth()
        path = self.load("tc", "tc_count")
        self.bus.attach(path, interface=veth.name, direction="ingress")
        everything = self.bus.managed_objects()
        for kind, interface in (("Programs", PROGRAM), ("Maps", MAP), ("Links", LINK)):
            for p, listed in self.bus.managed(kind).items():
                self.assertEqual(everything[p][interface], listed)
                self.assertEqual(self.bus.get_all(p, interface), listed)


class Signals(Case):
    def listen(self, action, count):
        """The signals that the service sends while action() runs, as (member, path, values)."""
        heard = []

        def on_signal(connection, sender, path, interface, member, parameters):
            values = parameters.unpack()
            # Things of others come and go on the same machine
            if member != "InterfacesAdded" or all(v.get("Managed", True)
                                                  for v in values[1].values()):
                heard.append((member, path, values))
        subscription = self.bus.connection.signal_subscribe(
            NAME, None, None, None, None, Gio.DBusSignalFlags.NONE, on_signal)
        try:
            self.bus.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")
            action()

            def enough():
                while self.bus.context.iteration(False):
                    pass
                return len(heard) >= count
            until(enough, f"{count} signals, not {heard}")
            return heard
        finally:
            self.bus.connection.signal_unsubscribe(subscription)

    def test_load_attach_detach_unload(self):
        veth = self.veth()
        made = {}

        def load():
            made["program"] = self.load("tc", "tc_count")
        heard = self.listen(load, 2)
        added = {v[0]: v[1] for member, path, v in heard if member == "InterfacesAdded"}
        self.assertEqual({path for _, path, _ in heard}, {ROOT})
        program, hits = made["program"], self.bus.maps_of(made["program"])["hits"]
        self.assertEqual(set(added), {program, hits})
        self.assertEqual(added[program][PROGRAM], self.bus.get_all(program, PROGRAM))

        def attach():
            made["link"] = self.bus.attach(program, interface=veth.name, direction="ingress")
        heard = self.listen(attach, 2)
        self.assertIn("InterfacesAdded", {h[0] for h in heard})
        self.assertIn(("PropertiesChanged", program, (PROGRAM, {"Links": [made["link"]]}, [])), heard)

        heard = self.listen(lambda: self.bus.detach(made["link"]), 2)
        self.assertIn(("InterfacesRemoved", ROOT), {h[:2] for h in heard})
        self.assertIn(("PropertiesChanged", program, (PROGRAM, {"Links": []}, [])), heard)

        heard = self.listen(lambda: self.bus.unload(program), 2)
        removed = {v[0] for member, _, v in heard if member == "InterfacesRemoved"}
        self.assertLessEqual({program, hits}, removed)

    def test_programs_of_a_map(self):
        xdp, tc = self.load("shared_map")
        hits = self.bus.maps_of(xdp)["hits"]
        heard = self.listen(lambda: self.bus.unload(xdp), 2)
        self.assertIn(("PropertiesChanged", hits, (MAP, {"Programs": [tc]}, [])), heard)

    def test_interface_that_goes(self):
        veth = self.veth()
        program = self.load("tcx", "tcx_ingress")
        link = self.bus.attach(program, interface=veth.name)
        heard = self.listen(veth.remove, 2)
        self.assertIn(link, {v[0] for member, _, v in heard if member == "InterfacesRemoved"})

    def test_refused_things_say_nothing(self):
        def refused():
            with self.refused("VerifierRefused"):
                self.load("refused")
            self.bus.unload(self.load("tc", "tc_count"))
        heard = self.listen(refused, 4)
        names = {p["Name"] for member, _, v in heard if member == "InterfacesAdded"
                 for p in v[1].values() if "Name" in p}
        self.assertEqual(names, {"tc_count", "hits"}, heard)


class Description(Case):
    """The XML in the sources is what is there."""

    STANDARD = ("org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable", PROPERTIES,
                OBJECT_MANAGER)

    @staticmethod
    def interface(element):
        """An interface as plain data; the names of arguments included."""
        found = {}
        for child in element:
            name = child.get("name")
            annotations = {a.get("name"): a.get("value") for a in child.findall("annotation")}
            if child.tag in ("method", "signal"):
                args = [(a.get("name"), a.get("type"), a.get("direction", "in"))
                        for a in child.findall("arg")]
                found[child.tag, name] = args, annotations
            elif child.tag == "property":
                emits = annotations.pop(EMITS, "true")
                found[child.tag, name] = (child.get("type"), child.get("access"), emits), annotations
        return found

    def test_interfaces(self):
        veth = self.veth()
        program = self.load("tc", "tc_count")
        link = self.bus.attach(program, interface=veth.name, direction="ingress")
        paths = {"Manager": ROOT, "Program": program, "Link": link,
                 "Map": self.bus.maps_of(program)["hits"]}
        self.assertEqual({os.path.basename(f).split(".")[2] for f in
                          glob.glob(f"{SOURCE}/dbus/*.xml")}, set(paths))
        for kind, path in paths.items():
            with self.subTest(kind=kind):
                written = ET.parse(f"{SOURCE}/dbus/{NAME}.{kind}.xml").getroot().find("interface")
                live = ET.fromstring(self.bus.introspect(path))
                served = {i.get("name"): i for i in live.findall("interface")}
                self.assertLessEqual(set(served) - set(self.STANDARD), {f"{NAME}.{kind}"})
                self.assertEqual(self.interface(served[f"{NAME}.{kind}"]), self.interface(written))

    def test_installed(self):
        for kind in ("Manager", "Program", "Link", "Map"):
            with open(f"{SOURCE}/dbus/{NAME}.{kind}.xml", "rb") as ours, \
                    open(f"/usr/share/dbus-1/interfaces/{NAME}.{kind}.xml", "rb") as theirs:
                self.assertEqual(ours.read(), theirs.read())

    def test_tree(self):
        program = self.load("tc", "tc_count")
        # Not its status: somebody else's map may go between two questions of busctl's
        for run in (lambda *command: subprocess.run(command, check=False, text=True,
                                                    stdout=subprocess.PIPE).stdout,
                    lambda *command: self.alice.run(*command)[1]):
            tree = run("busctl", "tree", "--list", NAME).split()
            self.assertIn(program, tree)
            self.assertIn(ROOT, tree)
            self.assertIn("TestRun", run("busctl", "introspect", NAME, program))

    def test_properties_cant_be_set(self):
        program = self.load("tc", "tc_count")
        with self.refused("org.freedesktop.DBus.Error.PropertyReadOnly"):
            self.bus.call(program, PROPERTIES, "Set", "(ssv)", PROGRAM, "Name",
                          GLib.Variant("s", "x"))
        with self.refused("org.freedesktop.DBus.Error.UnknownProperty",
                          "org.freedesktop.DBus.Error.InvalidArgs"):
            self.bus.get(program, PROGRAM, "Nothing")
