# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfctl's fixed points: JSON, exit statuses, positional forms. What else it shows is for people."""

import ctypes
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from support import objects
from support.bus import TIMEOUT
from support.case import LINK, MAP, PROGRAM, Case, can_attach, needs_attach, number
from support.hooks import TARGET, Cgroup, fork, run_target

DONE, FAILED, USAGE, REFUSED, NOT_FOUND = range(5)


def snake(name):
    """NAME as JSON has it: RunTimeNSec is run_time_nsec."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Tool(Case):
    def ctl(self, *arguments, status=DONE, who=None, **options):
        """Runs bpfctl; its standard output."""
        command = ["bpfctl", "--no-ask-password", *map(str, arguments)]
        if who:
            result, out, err = who.run(*command, **options)
        else:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, stdin=options.pop("stdin", subprocess.DEVNULL),
                                  timeout=TIMEOUT, check=False, **options)
            result, out, err = done.returncode, done.stdout, done.stderr
        self.assertEqual(result, status, f"bpfctl {' '.join(map(str, arguments))}: {out}{err}")
        if status != DONE:
            self.assertTrue(err.startswith("bpfctl: "), err)
        return out

    def json(self, *arguments, **options):
        return json.loads(self.ctl("--json=short", *arguments, **options))


class Json(Tool):
    def test_load_and_attach(self):
        veth = self.veth()
        loaded = self.json("load", objects.path("shared_map"))
        self.assertEqual([(p["name"], p["type"]) for p in loaded],
                         [("shared_xdp", "xdp"), ("shared_tc", "tc")])
        for p in loaded:
            self.assertEqual(set(p), {"id", "name", "type", "path"})
            self.assertEqual(p["path"], f"/org/bpfkeeper1/program/_{p['id']}")
            self.assertIn(p["path"], self.bus.managed("Programs"))
        attached = self.json("attach", loaded[1]["id"], veth.name, "ingress")
        self.assertEqual(set(attached), {"id", "path"})
        self.assertEqual(attached["path"], f"/org/bpfkeeper1/link/_{attached['id']}")
        self.assertEqual(list(self.bus.list("Links")), [attached["path"]])
        self.ctl("detach", attached["id"])
        self.ctl("unload", *(p["id"] for p in loaded))
        self.assertEqual(self.snapshot(), ({}, set()))

    def test_one_line(self):
        """short is one line, for scripts that read by lines."""
        for verb in ("programs", "links", "maps"):
            self.assertEqual(self.ctl("--json=short", verb).count("\n"), 1)
        self.assertEqual(self.json("programs"), [])

    def test_lists_have_the_properties(self):
        veth = self.veth()
        program = self.load("tc", "tc_count", name="app", metadata={"a": "b"})
        link = self.bus.attach(program, interface=veth.name, direction="ingress")
        hits = self.bus.maps_of(program)["hits"]
        for verb, path, interface in (("programs", program, PROGRAM), ("links", link, LINK),
                                      ("maps", hits, MAP)):
            shown, = self.json(verb)
            expected = {snake(k): v for k, v in self.bus.get_all(path, interface).items()}
            self.assertEqual(shown.pop("path"), path)
            self.assertEqual(shown, expected)
            pretty = json.loads(self.ctl("--json=pretty", verb))
            self.assertEqual(pretty[0]["path"], path)
            self.assertIn(str(number(path)), self.ctl(verb))
        shown, = self.json("show", number(program))
        self.assertEqual(shown["name"], "tc_count")

    def test_all_and_filters(self):
        self.load("shared_map", name="one")
        self.load("tc", name="two")
        self.assertEqual({p["name"] for p in self.json("programs", "--type=tc")},
                         {"shared_tc", "tc_count"})
        self.assertEqual({p["name"] for p in self.json("programs", "--application=one")},
                         {"shared_xdp", "shared_tc"})
        self.assertEqual(len(self.json("programs", "--mine")), 3)
        self.assertEqual(len(self.json("programs", "--mine", who=self.alice)), 0)
        self.assertGreaterEqual(len(self.json("programs", "--all")), 3)

    def test_maps(self):
        program = self.load("packet_counter", "count_packets")
        packets = number(self.bus.maps_of(program)["packets"])
        self.ctl("map", "set", packets, 2, 77)
        entry, = [e for e in self.json("map", "get", packets) if e["key_number"] == 2]
        self.assertEqual(entry["value_number"], 77)
        self.assertEqual(entry["key"], "02000000")
        self.assertEqual(self.ctl("map", "get", "count_packets:packets", 2), "77\n")
        self.ctl("map", "get", "count_packets:nothing", 2, status=NOT_FOUND)
        shown, = self.json("show", "map:count_packets:packets")
        self.assertEqual(shown["id"], packets)
        self.ctl("map", "get", packets, 9, status=FAILED)
        self.ctl("map", "delete", packets, 2, status=FAILED)
        self.ctl("map", "set", packets, 2, "x" * 9, status=USAGE)
        percpu = number(self.bus.maps_of(program)["packets_percpu"])
        self.assertIn("cpus", self.json("map", "get", percpu)[0])

    def test_inspect_and_types(self):
        shown = self.json("inspect", objects.path("tcx"))
        self.assertEqual([p["name"] for p in shown["programs"]],
                         ["tcx_ingress", "tcx_egress"])
        self.assertIn("xdp", self.ctl("types"))

    def test_test_run(self):
        program = number(self.load("packet_counter", "count_packets"))
        out = self.ctl("test-run", program, "--data=hex:" + "00" * 64, "--repeat=5")
        self.assertIn("2", out)


class Status(Tool):
    def test_usage(self):
        for arguments in ((), ("nothing",), ("load",), ("attach",), ("programs", "extra"),
                          ("--nothing",), ("load", "--nothing", "x"), ("detach",),
                          ("--json=nothing", "programs"), ("map", "get"), ("map", "nothing"),
                          ("load", objects.path("tc"), "--global=x"),
                          ("load", objects.path("tc"), "--log-level=9")):
            if arguments:
                with self.subTest(arguments=arguments):
                    self.ctl(*arguments, status=USAGE)

    def test_help_and_version(self):
        self.assertIn("load", self.ctl("--help"))
        self.assertIn("FILE", self.ctl("load", "-h"))
        self.assertRegex(self.ctl("--version"), r"\d+\.\d+\.\d+")

    def test_failed(self):
        for arguments in (("load", "/nothing"), ("load", "/etc/passwd"), ("load", "/tmp"),
                          ("load", objects.path("refused")), ("load", objects.path("tc"), "nothing"),
                          ("load", objects.path("tc"), "tc_count:nothing")):
            with self.subTest(arguments=arguments):
                self.ctl(*arguments, status=FAILED)
        program = number(self.load("shared_map", "shared_xdp"))
        self.ctl("attach", program, "nothing0", status=FAILED)
        self.ctl("attach", program, status=FAILED)

    def test_refused(self):
        program = self.load("shared_map", "shared_tc")
        veth = self.veth()
        link = self.bus.attach(program, interface=veth.name, direction="ingress")
        hits = number(self.bus.maps_of(program)["hits"])
        for arguments in (("load", objects.path("tc")), ("unload", number(program)),
                          ("detach", number(link)), ("map", "get", hits), ("map", "set", hits, 0, 0),
                          ("attach", number(program), veth.name, "egress"), ("log", number(program)),
                          ("test-run", number(program), "--data=hex:" + "00" * 64)):
            with self.subTest(arguments=arguments):
                self.ctl(*arguments, status=REFUSED, who=self.alice)

    def test_not_found(self):
        for arguments in (("unload", 4294967295), ("detach", 4294967295), ("map", "get", 4294967295),
                          ("attach", 4294967295, "lo"), ("show", 4294967295), ("log", 4294967295),
                          ("test-run", 4294967295), ("unload", "no_such_name"),
                          ("show", "map:no_such_map"), ("show", "link:4294967295"),
                          ("unload", "/org/bpfkeeper1/program/_4294967295")):
            with self.subTest(arguments=arguments):
                self.ctl(*arguments, status=NOT_FOUND)

    def test_all_are_tried(self):
        first, second = (number(p) for p in self.load("shared_map"))
        self.ctl("unload", first, 4294967295, second, status=NOT_FOUND)
        self.assertEqual(self.bus.managed("Programs"), {})

    def test_no_bus(self):
        elsewhere = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nothing"}
        self.ctl("programs", status=FAILED, who=self.alice, env=elsewhere)
        # Root has the private socket, where there is one
        listening = os.path.exists("/run/bpfkeeper/private")
        self.ctl("programs", status=DONE if listening else FAILED, env=elsewhere)
        self.ctl("--private", "programs", status=DONE if listening else FAILED)


class Changing(Tool):
    """bpfctl update and replace."""

    @needs_attach("tcx")
    def setUp(self):
        super().setUp()
        self.device = self.veth()
        self.programs = [self.load("tcx", "tcx_ingress") for _ in range(3)]
        links = [self.bus.attach(p, interface=self.device.name, priority=n)
                 for p, n in zip(self.programs, (10, 20))]
        self.paths, self.links = links, [number(link) for link in links]

    def chain(self):
        return [o["program_id"] for o in self.json("hook", self.device.name)]

    def test_update(self):
        one, two = (number(p) for p in self.programs[:2])
        out = self.ctl("update", self.links[0], "--priority=30")
        self.assertEqual(out, f"Link {self.links[0]} is tcx_ingress, program {one}, on "
                              f"{self.device.name}, ingress, priority 30.\n")
        self.assertEqual(self.chain(), [two, one])
        shown = self.json("update", self.links[0], "--before", f"link:{self.links[1]}")
        self.assertEqual(shown, {"id": self.links[0], "path": self.paths[0]})
        self.assertEqual(self.chain(), [one, two])
        self.assertEqual(self.ctl("--quiet", "update", self.links[0], "--after", f"program:{two}"), "")
        self.assertEqual(self.chain(), [two, one])

    def test_replace(self):
        one, two, new = (number(p) for p in self.programs)
        out = self.ctl("replace", self.links[0], new)
        self.assertIn(f"Link {self.links[0]} is tcx_ingress, program {new}, on {self.device.name}", out)
        self.assertEqual(self.chain(), [new, two])
        self.assertEqual(self.json("replace", self.paths[0], self.programs[0]),
                         {"id": self.links[0], "path": self.paths[0]})
        self.assertEqual(self.chain(), [one, two])

    def test_new_version(self):
        """It is loaded with what the old one has counted."""
        old = number(self.programs[0])
        new, = self.json("load", objects.path("tcx"), "tcx_ingress", "--replaces", old)
        self.assertEqual(self.json("maps", "--program", new["id"]),
                         self.json("maps", "--program", old))
        self.ctl("load", objects.path("tcx"), "--replaces=no_such_name", status=NOT_FOUND)
        self.ctl("load", objects.path("tcx"), "--replaces=4294967295", status=NOT_FOUND)

    def test_statuses(self):
        link, other = self.links
        new = number(self.programs[2])
        wrong = number(self.load("shared_map", "shared_xdp"))
        for status, arguments in (
                (USAGE, ("update",)), (USAGE, ("update", link)), (USAGE, ("update", link, other)),
                (USAGE, ("update", link, "--priority=x")), (USAGE, ("update", link, "--mode=skb")),
                (USAGE, ("replace",)), (USAGE, ("replace", link)), (USAGE, ("replace", link, new, new)),
                (USAGE, ("replace", link, new, "--frequency=3")),
                (FAILED, ("update", link, "--priority=70000")),
                (FAILED, ("update", link, "--proceed-on=pass")),
                (NOT_FOUND, ("update", link, "--before=nothing")),
                (FAILED, ("replace", link, wrong)),
                (NOT_FOUND, ("update", 4294967295, "--priority=3")),
                (NOT_FOUND, ("update", "tcx_ingress", "--priority=3")),
                (NOT_FOUND, ("replace", 4294967295, new)),
                (NOT_FOUND, ("replace", link, 4294967295)),
                (NOT_FOUND, ("replace", link, "no_such_name"))):
            with self.subTest(arguments=arguments):
                self.ctl(*arguments, status=status)
        for arguments in (("update", link, "--priority=3"), ("replace", link, new)):
            with self.subTest(arguments=arguments):
                self.ctl(*arguments, status=REFUSED, who=self.alice)
        self.assertEqual(self.chain(), [number(p) for p in self.programs[:2]])

    @needs_attach("uprobe")
    def test_replace_a_probe(self):
        """Its target the tool finds by itself, its process it is told again."""
        self.allow("alice", "load.uprobe", "attach.uprobe")
        old, new = (self.json("load", objects.path("uprobe"), "uprobe_anywhere", who=self.alice)[0]
                    for _ in range(2))
        link = self.json("attach", old["id"], f"{TARGET}:target_add", who=self.alice)["id"]
        self.ctl("replace", link, new["id"], who=self.alice)
        self.assert_counts(new["path"], run_target)
        self.assert_idle(old["path"], run_target)
        pid = os.getpid()
        link = self.json("attach", old["id"], f"{TARGET}:target_add", f"--pid={pid}",
                         who=self.alice)["id"]
        self.ctl("replace", link, new["id"], status=FAILED, who=self.alice)
        self.ctl("replace", link, new["id"], f"--pid={pid}", "--target", TARGET, who=self.alice)


class Completion(Tool):
    LIBRARY = "/usr/share/bash-completion/bash_completion"

    def setUp(self):
        super().setUp()
        if not os.path.exists(self.LIBRARY):
            self.skipTest("bash-completion isn't installed")

    def complete(self, line):
        """What bash offers at the end of the line, which it takes apart as readline does."""
        words = re.findall(r"[=:]|[^\s=:]+", line) + ([""] if line.endswith((" ", "=")) else [])
        script = (f". {self.LIBRARY}; . /usr/share/bash-completion/completions/bpfctl; compopt() {{ :; }};"
                  ' COMP_LINE=$1 COMP_POINT=${#1}; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1));'
                  ' _bpfctl; printf "%s\\n" "${COMPREPLY[@]}"')
        return subprocess.run(["bash", "-c", script, "bash", line, *words], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()

    def test_names_in_an_object(self):
        path = objects.path("globals")
        self.assertEqual(self.complete(f"bpfctl load {path} --global=an"), ["answer="])
        self.assertEqual(self.complete(f"bpfctl load {path} --global st"), ["start="])
        self.assertIn("pair=", self.complete(f"bpfctl load {path} --global="))
        self.assertEqual(self.complete(f"bpfctl load {path} --map-size=h"), ["hits="])
        self.assertEqual(self.complete("bpfctl load /nowhere --global="), [])

    def test_words(self):
        self.assertEqual(self.complete("bpfctl attach 1 --proceed-on=ok,s"), ["ok,shot", "ok,stolen"])
        self.assertEqual(self.complete("bpfctl attach 1 --hook=conn"),
                         ["connect4", "connect6", "connect_unix"])
        self.assertEqual(self.complete("bpfctl attach 1 --family "), ["ipv4", "ipv6"])
        self.assertEqual(self.complete("bpfctl attach 1 --defragment y"), ["yes"])
        self.assertEqual(self.complete("bpfctl attach 1 --attach-flags=o"), ["override"])
        self.load("tcx", "tcx_egress")
        for option in ("--replaces", "--before"):
            self.assertEqual(self.complete(f"bpfctl load x {option} tcx_e"), ["tcx_egress"])

    def test_what_others_choose(self):
        """Names are words, and no commands."""
        self.load("tc", "tc_count", name="$(touch /tmp/completed)")
        self.load("tc", "tc_count", name="`touch /tmp/completed`")
        self.load("tc", "tc_count", name="firewall")
        self.assertEqual(self.complete("bpfctl programs --application="), ["firewall"])
        self.assertFalse(os.path.exists("/tmp/completed"))


class Forms(Tool):
    """The positional forms, and that a program runs where they say."""

    @needs_attach("xdp")
    def test_xdp(self):
        veth = self.veth()
        program = self.json("load", objects.path("shared_map"), "shared_xdp")[0]
        self.json("attach", program["id"], veth.name, "--priority", 20)
        self.assert_counts(program["path"], veth.receive)
        link, = self.bus.list("Links").values()
        self.assertEqual((link["Interface"], link["Priority"]), (veth.name, 20))
        self.bus.detach(next(iter(self.bus.list("Links"))))
        for told, expected in (("drop,pass", ["drop", "pass"]), ("none", [])):
            self.json("attach", program["id"], veth.name, "--proceed-on", told)
            (path, link), = self.bus.list("Links").items()
            if link["Sharing"] == "libxdp":
                self.assertEqual(link["ProceedOn"], expected)
            self.bus.detach(path)
        self.ctl("attach", program["id"], veth.name, "--proceed-on", "accept", status=FAILED)

    def test_tc_and_tcx(self):
        veth = self.veth()
        for kind in ("tc", "tcx"):
            if not can_attach(kind):
                continue
            for direction in ("ingress", "egress"):
                with self.subTest(kind=kind, direction=direction):
                    name = "tc_count" if kind == "tc" else f"tcx_{direction}"
                    program = self.json("load", objects.path(kind), name)[0]
                    link = self.json("attach", program["id"], veth.name, direction)
                    self.assertEqual(self.bus.get(link["path"], LINK, "Direction"), direction)
                    self.ctl("unload", program["id"])

    @needs_attach("tracepoint")
    def test_where_the_section_says(self):
        program = self.json("load", objects.path("tracepoint"), "tracepoint_fork")[0]
        self.json("attach", program["id"])
        self.assert_counts(program["path"], fork)
        anywhere = self.json("load", objects.path("tracepoint"), "tracepoint_anywhere")[0]
        self.json("attach", anywhere["id"], "sched:sched_process_fork", "--cookie=1")
        self.assert_counts(anywhere["path"], fork, 1)

    @needs_attach("uprobe")
    def test_target(self):
        program = self.json("load", objects.path("uprobe"), "uprobe_anywhere")[0]
        self.json("attach", program["id"], f"{TARGET}:target_add")
        self.assert_counts(program["path"], run_target)

    @needs_attach("usdt")
    def test_static_probe(self):
        program = self.json("load", objects.path("usdt"), "usdt_anywhere")[0]
        self.json("attach", program["id"], f"{TARGET}:bpfkeeper:line", "--cookie=1")
        self.assert_counts(program["path"], run_target, 1)

    def mapped(self, path, *command):
        """A process that a library of its own is mapped in, and where that is."""
        directory = tempfile.mkdtemp(dir="/var/tmp")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        copy = shutil.copy(path, directory)
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([*command, copy, path], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        # It ends when it is told nothing more
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.stdout.close)
        process.stdout.read(1)
        return process.pid, copy

    @needs_attach("uprobe")
    def test_library(self):
        """By its name, as the dynamic linker knows it or as a process has it."""
        number = self.json("load", objects.path("uprobe"), "uprobe_anywhere")[0]["id"]

        def target(*arguments):
            link = self.json("attach", number, *arguments)["path"]
            shown = self.bus.get_all(link, LINK)
            self.assertEqual(shown["Function"], "malloc")
            self.bus.detach(link)
            return shown["Target"]
        own = ctypes.CDLL("libc.so.6")
        with open("/proc/self/maps", encoding="utf-8") as f:
            theirs = next(line.split()[-1] for line in f if line.endswith("/libc.so.6\n"))
        self.assertTrue(own.malloc)
        self.assertEqual(target("libc.so.6:malloc"), theirs)
        self.ctl("attach", number, "libnosuch.so.1:malloc", status=FAILED)

        pid, copy = self.mapped(theirs, "sh", "-c",
                                'LD_LIBRARY_PATH=${0%/*} exec sh -c "echo; read x"')
        # Not verified where the service has a /var/tmp of its own
        shown = target("libc.so.6:malloc", f"--pid={pid}")
        self.assertEqual(shown.removeprefix("unverified:"), copy)
        self.ctl("attach", number, "libnosuch.so.1:malloc", f"--pid={pid}", status=FAILED)
        self.ctl("attach", number, "libc.so.6:malloc", "--pid=x", status=FAILED)

        # The same path in another mount namespace is another file
        pid, copy = self.mapped(theirs, "unshare", "-m", "sh", "-c",
                                'mount --bind "$0" "$1" && exec sh -c "echo; read x"')
        self.assertEqual(target("libc.so.6:malloc", f"--pid={pid}"), "unverified:" + theirs)

    @needs_attach("uprobe")
    def test_process(self):
        """The one that has the number where the tool runs, whatever its number is elsewhere."""
        number = self.json("load", objects.path("uprobe"), "uprobe_anywhere")[0]["id"]
        inside = subprocess.run(
            ["unshare", "--pid", "--mount-proc", "--fork", "sh", "-c",
             "sleep 600 >/dev/null & echo $!;"
             f" bpfctl attach {number} {TARGET}:target_add --pid=$! >/dev/null"],
            stdout=subprocess.PIPE, check=True).stdout
        link, = self.bus.list("Links").values()
        self.assertNotEqual(link["Pid"], int(inside))
        self.ctl("attach", number, f"{TARGET}:target_add", "--pid=4194304", status=FAILED)

    @needs_attach("uprobe")
    def test_target_as_a_user(self):
        """The tool passes a descriptor of what alice can open."""
        self.allow("alice", "load.uprobe", "attach.uprobe")
        program = self.json("load", objects.path("uprobe"), "uprobe_anywhere", who=self.alice)[0]
        self.json("attach", program["id"], f"{TARGET}:target_add", who=self.alice)
        self.assert_counts(program["path"], run_target)
        self.ctl("unload", program["id"], who=self.alice)

    @needs_attach("cgroup_skb")
    def test_cgroup(self):
        cgroup = Cgroup()
        self.addCleanup(cgroup.remove)
        program = self.json("load", objects.path("cgroup_skb"), "cgroup_egress")[0]
        self.json("attach", program["id"], cgroup.path)
        self.assert_counts(program["path"], cgroup.run, 1)

    def test_type_and_options(self):
        program, = self.json("load", objects.path("plain_section"), "plain_prog:xdp", "--name=app",
                             "--metadata=a=b=c")
        self.assertEqual(program["type"], "xdp")
        self.assertEqual(self.bus.get(program["path"], PROGRAM, "Application"), "app")
        self.assertEqual(self.bus.get(program["path"], PROGRAM, "Metadata"), {"a": "b=c"})
        program, = self.json("load", objects.path("globals"), "--global=answer=u32:9")
        self.assertEqual(self.bus.test_run(program["path"], b"\0" * 64)[0], 9)

    def test_standard_input(self):
        with open(objects.path("tc"), "rb") as f:
            self.ctl("load", "-", stdin=f)
        self.assertEqual(len(self.bus.managed("Programs")), 1)

    def test_names_and_paths(self):
        path = self.load("tc", "tc_count")
        self.assertEqual(self.json("show", "tc_count")[0]["path"], path)
        self.ctl("unload", path)
        self.load("tc"), self.load("tc")
        self.ctl("unload", "tc_count", status=FAILED)
        self.assertEqual(len(self.bus.managed("Programs")), 2)

    def test_alice_by_the_examples(self):
        """The whole of the README's scene."""
        self.rules.use_examples()
        veth = self.veth()
        loaded = self.json("load", objects.path("packet_counter"), who=self.alice)
        self.json("attach", loaded[0]["id"], veth.name, who=self.alice)
        veth.receive(5)
        entries = self.json("map", "get", "packets", who=self.alice)
        self.assertGreaterEqual(sum(e["value_number"] for e in entries), 5)
        self.ctl("load", objects.path("tracepoint"), status=REFUSED, who=self.alice)
        self.ctl("load", objects.path("packet_counter"), status=REFUSED, who=self.bob)
        self.ctl("unload", loaded[0]["id"], status=REFUSED, who=self.bob)
        self.ctl("unload", loaded[0]["id"], who=self.alice)

    def test_log(self):
        out = "/tmp/verifier.log"
        self.ctl("load", objects.path("refused"), "--log", out, status=FAILED)
        with open(out, encoding="utf-8") as f:
            self.assertIn("invalid access to packet", f.read())
        program = self.json("load", objects.path("tc"), "--log-level=1")[0]
        self.assertIn("processed ", self.ctl("log", program["id"]))

    def test_monitor(self):
        with subprocess.Popen(["bpfctl", "--json=short", "monitor"], stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, text=True) as monitor:
            try:
                # It says nothing when it is ready
                events = []
                for _ in range(100):
                    self.bus.unload(self.load("tc", "tc_count"))
                    os.set_blocking(monitor.stdout.fileno(), False)
                    events = [json.loads(line) for line in monitor.stdout.readlines() or ()]
                    if events:
                        break
                    time.sleep(0.05)
                self.assertTrue(events)
                self.assertEqual(events[0]["event"] in ("added", "removed", "changed"), True)
                self.assertLessEqual({"event", "kind", "id", "path"}, set(events[0]))
            finally:
                monitor.terminate()
