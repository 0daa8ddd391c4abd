# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether what is on the bus, on disk, under pins and in the kernel is the same."""

import configparser
import json
import os
import subprocess

from support import bpf, daemon, net
from support.wait import until


def parse(path):
    """A state file, as its sections."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None, delimiters="=",
                                          comment_prefixes="#")
    parser.optionxform = str
    parser.read(path, encoding="utf-8")
    return {name: dict(parser.items(name)) for name in parser.sections()}


def rewrite(path, **values):
    """Changes values in a state file."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    for key, value in values.items():
        places = [i for i, line in enumerate(lines) if line.startswith(key + "=")]
        assert places, f"no {key} in {path}"
        for i in places:
            lines[i] = f"{key}={value}"
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def number(path):
    return int(path.rpartition("_")[2])


def tc_filters(interface):
    """How many BPF filters an interface has."""
    total = 0
    for direction in ("ingress", "egress"):
        shown = subprocess.run(["tc", "filter", "show", "dev", interface, direction], check=False,
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
        total += shown.count(" id ")
    return total


def settled():
    for path in daemon.listing():
        if os.path.dirname(path) == daemon.RUN + "/links":
            try:
                if parse(path)["Link"]["State"] != "attached":
                    return False
            except (configparser.Error, KeyError):
                pass  # check() will say so
    return True


def members(interface):
    """What libxdp's dispatcher has on an interface: (id, priority), in the order in which they run."""
    # Where there are no actions it prints whatever is in its memory
    shown = subprocess.run(["xdp-loader", "status", interface], check=True, text=True,
                           errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    rows = [line.split() for line in shown.splitlines() if line.strip().startswith("=>")]
    return [(int(row[3]), int(row[1])) for row in rows]


def check_members(case, links):
    """Each link that shares an interface is there once, in order; equal priorities in that of attachment."""
    for name in {v["Interface"] for v in links.values() if v["Sharing"] == "libxdp"}:
        ours = {}
        for i, link in links.items():
            if link["Sharing"] == "libxdp" and link["Interface"] == name:
                state = parse(f"{daemon.RUN}/links/{i}")
                ours[int(state["Link"]["XdpMember"])] = (link["Priority"], int(i))
        found = [m for m in members(name) if m[0] in ours]
        case.assertEqual([m for m, _ in found], sorted(ours, key=ours.get))
        # One of several may have been moved behind an equal
        for member, priority in found:
            case.assertGreaterEqual(priority, ours[member][0])


def dump(pin):
    """What a pinned map has, as its values by their keys; programs by their ids."""
    shown = subprocess.run(["bpftool", "--json", "map", "dump", "pinned", pin], check=True,
                           stdout=subprocess.PIPE).stdout
    return {as_number(e["key"]): as_number(e["value"]) for e in json.loads(shown)
            if "value" in e and isinstance(e["value"], list)}


def as_number(data):
    return int.from_bytes(bytes(int(b, 16) for b in data), "little")


def check_chains(case, links):
    """tc programs that share a direction of an interface run by priority, each in its slot."""
    chains = {}
    for i, link in links.items():
        if link["Sharing"] == "dispatcher":
            chains.setdefault((link["InterfaceIndex"], link["Direction"]), []).append(i)
    for members_ in chains.values():
        members_.sort(key=lambda i: (links[i]["Priority"], i))
        slots = [int(parse(f"{daemon.RUN}/links/{i}")["Link"]["TcSlot"]) for i in members_]
        for i in members_:
            word = dump(f"{daemon.PINS}/link/{i}_1")[0] & (1 << 64) - 1
            case.assertEqual(word, sum(slot << 4 * n for n, slot in enumerate(slots)))
            programs = dump(f"{daemon.PINS}/link/{i}_0")
            case.assertEqual({s: p for s, p in programs.items() if p},
                             {s: links[m]["ProgramId"] for s, m in zip(slots, members_)})


def held(cgroup):
    """The programs that a cgroup has, as bpftool(8) tells; its own ones."""
    shown = subprocess.run(["bpftool", "--json", "cgroup", "show", cgroup], check=False, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    return {p["id"]: p["attach_flags"] for p in json.loads(shown.strip() or "[]")}


def check_held(case, links):
    """What a cgroup holds without a link is there, with its flags, which bpftool has no word for if there
    are none."""
    for link in links.values():
        if link["AttachFlags"] in ("override", "exclusive") and os.path.exists(link["Cgroup"]):
            flags = {"override": "override", "exclusive": ""}[link["AttachFlags"]]
            case.assertEqual(held(link["Cgroup"]).get(link["ProgramId"]), flags)


def check_actions(case, links):
    """Each action of tc is there with its program; of those in other network namespaces nothing is looked at."""
    ours = {v["Index"]: v["ProgramId"] for v in links.values()
            if v["Type"] == "tc_action" and not v["Netns"]}
    if ours or net.can_make_actions():
        case.assertEqual(net.actions(), ours)


def pins_of(link):
    """How many of the kernel's objects are pinned for it."""
    return 2 if link["Sharing"] == "dispatcher" else len(link["KernelLinkIds"])


def check(case, interfaces=()):
    """Asserts it. What the service does by itself after it has started may still go on."""
    bus = case.bus
    bus.list("Links")
    until(settled, "links are neither being attached nor detached")
    programs = {number(p): v for p, v in bus.managed("Programs").items()}
    maps = {number(p): v for p, v in bus.managed("Maps").items()}
    links = {number(p): v for p, v in bus.list("Links").items()}
    found = {"programs": set(), "maps": set(), "links": set(), "logs": set(), "pins": set(),
             "other": set()}
    loads, extensions = set(), set()
    for path in daemon.listing():
        directory, name = os.path.split(path)
        if directory == daemon.RUN + "/loads" and name.isdigit():
            loads.add(name)
            for section, values in parse(path).items():
                extensions.add(int(values.get("Extension", 0)))
                kind, _, i = section.partition(" ")
                if kind in ("Program", "Map"):
                    found[kind.lower() + "s"].add(int(i))
        elif directory == daemon.RUN + "/links" and name.isdigit():
            case.assertEqual(parse(path)["Link"]["State"], "attached", path)
            found["links"].add(int(name))
        elif directory == daemon.RUN + "/logs":
            found["logs"].add(name)
        elif directory.startswith(daemon.PINS):
            found["pins"].add(os.path.relpath(path, daemon.PINS))
        else:
            found["other"].add(path)
    case.assertEqual(found["programs"], set(programs))
    case.assertEqual(found["maps"], set(maps))
    case.assertEqual(found["links"], set(links))
    case.assertLessEqual(found["logs"], loads)
    case.assertEqual(found["other"], set())
    extensions.discard(0)
    case.assertEqual(found["pins"], {f"program/{i}" for i in set(programs) | extensions} |
                     {f"map/{i}" for i in maps} |
                     {f"link/{i}_{n}" for i, v in links.items() for n in range(pins_of(v))})
    for i in programs:
        case.assertTrue(bpf.exists("program", i))
    for link in links.values():
        case.assertIn(link["ProgramId"], programs)
        for i in link["KernelLinkIds"]:
            case.assertTrue(bpf.exists("link", i))
    for i, program in programs.items():
        case.assertEqual({number(p) for p in program["Links"]},
                         {n for n, v in links.items() if v["ProgramId"] == i})
        case.assertLessEqual({number(p) for p in program["Maps"]}, set(maps))
    check_members(case, links)
    check_chains(case, links)
    check_held(case, links)
    check_actions(case, links)
    for interface in interfaces:
        tc = [(i, v) for i, v in links.items() if v["Type"] == "tc" and v["Interface"] == interface]
        # One for all in a direction, or each its own
        filters = {v["Direction"] if v["Sharing"] == "dispatcher" else i for i, v in tc}
        case.assertEqual(tc_filters(interface), len(filters))
