# SPDX-License-Identifier: LGPL-2.1-or-later
"""Load()'s options: values by type, maps by size and shared by name, and what an object says of them."""

import struct

from gi.repository import GLib

from support import objects
from support.case import MAP, PROGRAM, Case, number
from test_bpfctl import FAILED, USAGE, Tool

PACKET = b"\0" * 64


def variant(value):
    """As a program in Python would give it: a GLib.Variant where a type is named."""
    if isinstance(value, GLib.Variant):
        return value
    if isinstance(value, bool):
        return GLib.Variant("b", value)
    if isinstance(value, int):
        return GLib.Variant("t" if value >= 1 << 63 else "x", value)
    if isinstance(value, float):
        return GLib.Variant("d", value)
    if isinstance(value, str):
        return GLib.Variant("s", value)
    if isinstance(value, bytes):
        return GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes(value), True)
    if isinstance(value, dict):
        return GLib.Variant("a{sv}", {k: variant(v) for k, v in value.items()})
    return GLib.Variant("av", [variant(v) for v in value])


def answer(bus, path, which):
    """What values.bpf.c says of one of its variables, as 32 bits with a sign."""
    retval = bus.test_run(path, bytes([which]) + bytes(63))[0]
    return struct.unpack("=i", struct.pack("=I", retval))[0]


class Globals(Case):
    def values(self, **values):
        path, = self.load("values", globals=("a{sv}", {k: variant(v) for k, v in values.items()}))
        return path

    def assert_answers(self, expected, **values):
        path = self.values(**values)
        self.assertEqual({which: answer(self.bus, path, which) for which in expected}, expected)

    def test_as_they_are(self):
        self.assert_answers({0: 0, 1: 0, 2: -1, 3: 0, 4: ord("x"), 5: 7, 6: -3, 7: 0,
                             8: ord("u") << 8, 9: 0, 10: 0, 11: 0, 12: 0, 13: 0, 14: ord("b"), 15: 0,
                             16: 0, 17: 5, 18: 70000, 19: -2000, 20: 0, 21: 7, 22: 1, 23: 1, 24: 0,
                             25: 0})

    def test_every_shape(self):
        config = {"limits": [{"rate": 7, "burst": -3}, {"rate": "40", "burst": -2}],
                  "mode": "MODE_MAX", "enabled": True, "name": "after",
                  "mac": bytes(range(6)), "v6": [9] + [0] * 15, "either": {"number": 5},
                  "low": 6, "middle": 131000, "high": -2048, "narrow": "MODE_ON", "pointer": b"\1" * 8}
        self.assert_answers(
            {0: 250, 1: -1, 2: -7, 3: 1, 4: ord("y"), 5: 2000000000, 6: 3, 7: 1, 8: ord("b") << 8,
             9: 0x00ff, 10: 6, 11: ord("c") << 8, 12: 38, 13: 4, 14: 1 << 8 | ord("a"),
             15: 5 << 8 | 9, 16: 5, 17: 6, 18: 131000, 19: -2048, 20: 7, 21: 2000000000, 22: 1,
             23: 7, 24: 1, 25: -2},
            small=255, negative=-5, large=(1 << 64) - 1, deep="-7", flag=True, letter=ord("y"),
            mode="MODE_MAX", level="LEVEL_HIGH", wide=1 << 32, comm="bash", mac=b"\0\1\2\3\4\xff",
            table=[[1, 2, 3], [4, 5, 6]], words=["ab", "cd"], config=config, half=0.5,
            huge=struct.pack("=q8x", 7), which=0xfffffffe)

    def test_other_forms(self):
        """As text, by other types of D-Bus's; and what isn't named of a structure stays."""
        self.assert_answers(
            {1: -1, 3: 1, 5: 3, 6: -3, 9: 0x0205, 12: 0, 13: 5, 14: ord("b"), 17: 7, 18: 70000,
             19: 2047, 25: 255},
            large=str((1 << 64) - 1), flag="true", mode=3, level=-3,
            mac=GLib.Variant("aq", [2, 1, 2, 3, 4, 5]), which="0xff",
            config={"limits": [{"rate": 6}, {}], "low": 7, "high": 2047})

    def test_what_does_not_fit(self):
        for values, words in (
                ({"small": 256}, "small is __u8: 0 to 255, not 256."),
                ({"which": "x"}, "which is __u32: 0 to 4294967295, not \"x\"."),
                ({"mac": list(range(7))}, "mac is address: it takes 6 values, and 7 were given."),
                ({"config": {"foo": 1}}, "config is struct config, which has no member \"foo\"; it "
                                         "has limits, mode, "),
                ({"config": {"limits": [{}, {"burst": 40000}]}},
                 "config.limits[1].burst is __s16: -32768 to 32767, not 40000."),
                ({"comm": "x" * 16}, "comm is char[16]: text of at most 15 bytes, not "),
                ({"mode": "ON"}, "mode is enum mode: MODE_OFF, MODE_ON, MODE_MAX, not \"ON\"."),
                ({"huge": b"1"}, "huge is __int128, which has 16 bytes, not 1."),
                ({"config": GLib.Variant("(uu)", (1, 2))}, "its members by name")):
            with self.subTest(values=values), self.refused("InvalidArgument") as caught:
                self.values(**values)
            self.assertIn(words, caught.exception.message)
        with self.refused("NoSuchGlobal") as caught:
            self.values(smal=1)
        self.assertIn("small, negative, large", caught.exception.message)
        self.assertEqual(self.bus.managed("Programs"), {})

    def test_hostile_values(self):
        deep = variant(1)
        for _ in range(20):
            deep = GLib.Variant("av", [deep])
        fd = GLib.Variant("h", 0)
        many = GLib.Variant.new_from_bytes(GLib.VariantType("au"), GLib.Bytes(bytes(4 * 65537)), True)
        for value, error in ((fd, "InvalidArgument"), (GLib.Variant("av", [fd]), "InvalidArgument"),
                             (GLib.Variant("a{us}", {1: "x"}), "InvalidArgument"),
                             (many, "LimitExceeded"),
                             (GLib.Variant("s", "x" * (1 << 20 | 1)), "LimitExceeded"),
                             (deep, "InvalidArgument")):
            with self.subTest(kind=value.get_type_string()), self.refused(error):
                self.values(config=value)


class Maps(Case):
    def test_sizes(self):
        path, = self.load("packet_counter", map_sizes={"packets": 64})
        maps = self.bus.maps_of(path)
        self.assertEqual(self.bus.get(maps["packets"], MAP, "MaxEntries"), 64)
        self.assertEqual(self.bus.get(maps["packets_percpu"], MAP, "MaxEntries"), 4)
        self.assertEqual(self.bus.test_run(path, PACKET)[0], 2)

    def test_wrong_sizes(self):
        path, = self.load("tc")
        hits = self.bus.maps_of(path)["hits"]
        for obj, options, error, words in (
                ("tc", {"map_sizes": {"hit": 1}}, "NoSuchMap", "it has hits"),
                ("tc", {"map_sizes": {"hits": 0}}, "InvalidArgument", "1 to 4294967295"),
                ("tc", {"map_sizes": {"hits": 4}, "maps": {"hits": hits}}, "InvalidArgument",
                 "there already"),
                ("globals", {"map_sizes": {".data": 2}}, "InvalidArgument", "variables")):
            with self.subTest(options=options), self.refused(error) as caught:
                self.load(obj, **options)
            self.assertIn(words, caught.exception.message)

    def shared(self, path):
        return self.bus.maps_of(path)["bpfkeeper_test_pin"]

    def test_shared_by_name(self):
        first, = self.load("pinned")
        shared = self.shared(first)
        self.assertTrue(self.bus.get(shared, MAP, "Shared"))
        second, = self.load("pinned")
        self.assertEqual(self.shared(second), shared)
        # One program's word reaches the other
        self.assertEqual(self.bus.test_run(second, PACKET)[0], 2)
        self.bus.update(shared, struct.pack("=I", 0), struct.pack("=Q", 1))
        self.assertEqual([self.bus.test_run(p, PACKET)[0] for p in (first, second)], [1, 1])
        # The map outlives the load that made it, and a restart; it goes with its last program
        self.bus.unload(first)
        self.daemon.restart()
        self.assertTrue(self.bus.get(shared, MAP, "Shared"))
        third, = self.load("pinned")
        self.assertEqual(self.shared(third), shared)
        self.assertEqual(self.bus.test_run(third, PACKET)[0], 1)
        for path in (second, third):
            self.bus.unload(path)
        self.assertEqual(self.bus.managed("Maps"), {})
        fourth, = self.load("pinned")
        self.assertNotEqual(self.shared(fourth), shared)
        self.assertEqual(self.bus.test_run(fourth, PACKET)[0], 2)

    def test_shared_within_one_owner(self):
        self.rules.write("".join(self.rules.allow(user, "org.bpfkeeper1.load.xdp")
                                 for user in ("alice", "bob")))
        mine, = self.load("pinned")
        hers, = self.load("pinned", who=self.alice)
        his, = self.load("pinned", who=self.bob)
        self.assertEqual(len({self.shared(p) for p in (mine, hers, his)}), 3)
        again, = self.load("pinned", who=self.alice)
        self.assertEqual(self.shared(again), self.shared(hers))

    def test_shared_with_another_definition(self):
        self.load("pinned")
        with self.refused("MapMismatch") as caught:
            self.load("pinned", map_sizes={"bpfkeeper_test_pin": 17})
        self.assertIn("17", caught.exception.message)
        self.assertIn("16", caught.exception.message)

    def test_map_named_is_preferred_to_the_shared_one(self):
        first, = self.load("pinned")
        other, = self.load("pinned", map_sizes={"hits": 8}, maps={
            "bpfkeeper_test_pin": self.shared(first)})
        self.assertEqual(self.shared(other), self.shared(first))

    def test_shared_by_loads_at_once(self):
        """Whoever comes second finds what the first has made, however they meet."""
        fd = self.object("pinned")
        tokens = [self.bus.start_load(fd) for _ in range(6)]
        paths = [self.bus.wait(token)[0] for token in tokens]
        self.assertEqual(len({self.shared(path) for path in paths}), 1)
        for path in paths:
            self.bus.unload(path)
        self.assertEqual(self.bus.managed("Maps"), {})


class Optional(Case):
    def test_loaded_only_if_named(self):
        path = self.load("optional", "optional_second")
        self.assertEqual(self.bus.get(path, PROGRAM, "Name"), "optional_second")
        paths = self.load("optional")
        self.assertEqual([self.bus.get(p, PROGRAM, "Name") for p in paths], ["optional_first"])


class Licence(Case):
    def test_what_takes_the_gpl(self):
        self.assertEqual(self.bus.describe(self.object("proprietary"))["License"], "Proprietary")
        path = self.load("proprietary", "proprietary_plain")
        self.assertFalse(self.bus.get(path, PROGRAM, "GplCompatible"))
        with self.refused("VerifierRefused") as caught:
            self.load("proprietary", "proprietary_prints")
        for words in ("proprietary_prints", '"Proprietary"', '"Dual BSD/GPL"', "GPL"):
            self.assertIn(words, caught.exception.message)


class Describe(Case):
    def test_programs_and_maps(self):
        description = self.bus.describe(self.object("pinned"))
        self.assertEqual(description["License"], "Dual BSD/GPL")
        self.assertEqual(description["Programs"], [
            {"Name": "pinned_xdp", "Section": "xdp", "Type": "xdp", "Optional": False}])
        self.assertEqual({m["Name"]: (m["Type"], m["KeySize"], m["ValueSize"], m["MaxEntries"],
                                      m["Flags"], m["Shared"]) for m in description["Maps"]},
                         {"bpfkeeper_test_pin": ("hash", 4, 8, 16, 0, True),
                          "hits": ("array", 4, 8, 4, 0, False)})
        self.assertEqual(description["Globals"], [])
        described = self.bus.describe(self.object("optional"))["Programs"]
        self.assertEqual([(p["Name"], p["Optional"]) for p in described],
                         [("optional_first", False), ("optional_second", True)])

    def test_globals(self):
        described = {g["Name"]: g for g in self.bus.describe(self.object("values"))["Globals"]}
        self.assertEqual(described["which"], {"Name": "which", "Map": ".rodata", "Type": "__u32",
                                              "Size": 4, "Value": "0"})
        for name, kind, value in (("comm", "char[16]", '"unset"'), ("mode", "enum mode", "MODE_ON"),
                                  ("table", "__u16[2][3]", "[[0,0,0],[0,0,0]]"),
                                  ("real", "double", "1.5")):
            self.assertEqual((described[name]["Type"], described[name]["Value"]), (kind, value))
        self.assertTrue(described["config"]["Value"].startswith('{"limits":[{"rate":1,"burst":-1}'))

    def test_everybody_may(self):
        self.assertEqual(self.alice.describe(self.object("tc"))["License"], "Dual BSD/GPL")

    def test_no_object(self):
        with self.refused("NotElf"):
            self.bus.describe(self.data_object(b"nothing"))


class CommandLine(Tool):
    def test_globals(self):
        for expected, values in (
                ({0: 200, 3: 1, 5: 0, 8: ord("t") << 8, 9: 0x00bb, 12: 38},
                 ("small=201", "flag=true", "mode=MODE_OFF", "comm=true", "mac=hex:00:1b:21:aa:00:bb",
                  'config={"limits": [{}, {"rate": 40}]}')),
                ({0: 200, 8: ord("[") << 8, 9: 0x0106},
                 ("small=0xc9", "comm=str:[x]", "mac=[1,2,3,4,5,6]")),
                ({0: 200, 8: ord("5") << 8}, ("small=hex:c9", "comm=5")),
                ({0: 200, 8: ord("x") << 8}, ("small=u8:201", 'comm="x"'))):
            with self.subTest(values=values):
                loaded, = self.json("load", objects.path("values"), *(f"--global={v}" for v in values))
                self.assertEqual({which: answer(self.bus, loaded["path"], which)
                                  for which in expected}, expected)

    def test_wrong_globals(self):
        for value, status in (("small=hex:0", USAGE), ("mac=[1", USAGE), ("mac={mac: 1}", USAGE),
                              ("small=0011", FAILED), ("mac=001122334455", FAILED),
                              ("small=", FAILED)):
            with self.subTest(value=value):
                self.ctl("load", objects.path("values"), f"--global={value}", status=status)

    def test_maps(self):
        first, = self.json("load", objects.path("tc"))
        hits = self.bus.maps_of(first["path"])["hits"]
        for name in ("tc_count:hits", f"map:{number(hits)}"):
            loaded, = self.json("load", objects.path("raw_tracepoint"), f"--map=hits={name}")
            self.assertEqual(self.bus.maps_of(loaded["path"]), {"hits": hits})
        self.ctl("load", objects.path("tc"), "--map=hits=tc_count:misses", status=4)
        loaded, = self.json("load", objects.path("packet_counter"), "--map-size=packets=9")
        packets = self.bus.maps_of(loaded["path"])["packets"]
        self.assertEqual(self.bus.get(packets, MAP, "MaxEntries"), 9)
        self.ctl("load", objects.path("tc"), "--map-size=hits=x", status=USAGE)

    def test_inspect(self):
        shown = self.json("inspect", objects.path("values"))
        self.assertEqual(shown["license"], "Dual BSD/GPL")
        self.assertEqual({g["name"]: g["value"] for g in shown["globals"]}["which"], "0")
        self.assertIn("MODE_ON", self.ctl("inspect", objects.path("values")))
