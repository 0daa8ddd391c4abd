# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon or a worker ends, at any moment: nothing is lost, and nothing is left over."""

import os
import shutil
import signal
import struct
import subprocess
import time

from support import bpf, daemon, objects
from support.case import LINK, PROGRAM, BusError, Case, can_attach, needs_attach, number, until
from support.consistency import check, rewrite, tc_filters
from support.hooks import Cgroup, fork, hooks
from support.kills import chances
from support.wait import SCALE, rounds, some

ROUNDS = int(os.environ.get("BPFKEEPER_CRASH_ROUNDS", rounds(16)))
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
GONE = ("NoSuchObject", "org.freedesktop.DBus.Error.UnknownObject")


class Between(Case):
    """Between every two steps."""

    def again(self, sig):
        before = self.snapshot()
        self.daemon.restart(sig)
        self.assertEqual(self.snapshot(), before)
        check(self)

    def test_each_type(self):
        """Programs of all types, on their hooks at the same time."""
        used = [hook for hook in hooks(self) if can_attach(hook.kind)]
        for sig in SIGNALS[:rounds(len(SIGNALS))]:
            programs = [self.load(hook.object, hook.program, name="app", metadata={"a": "b"},
                                  **hook.load) for hook in used]
            self.again(sig)
            links = [self.bus.attach(program, **hook.options)
                     for hook, program in zip(used, programs)]
            # Without a service they run as well
            before = [self.hits(program, hook.index) for hook, program in zip(used, programs)]
            self.daemon.end(sig)
            for hook in used:
                hook.cause()
            for hook, program, hits in zip(used, programs, before):
                with self.subTest(hook=hook.program, options=hook.options, signal=sig):
                    self.assertGreater(self.hits(program, hook.index), hits)
                    self.assert_counts(program, hook.cause, hook.index)
            self.again(sig)
            for link in links:
                self.bus.detach(link)
            self.again(sig)
            for hook, program in zip(used, programs):
                with self.subTest(hook=hook.program, options=hook.options, signal=sig):
                    self.assert_idle(program, hook.cause, hook.index)
            for program in programs:
                self.bus.unload(program)
            self.again(sig)

    def test_owners_are_remembered(self):
        self.allow("alice", "load.tc", "attach.tc")
        veth = self.veth()
        program = self.load("tc", "tc_count", who=self.alice)
        link = self.alice.attach(program, interface=veth.name, direction="ingress")
        self.rules.write()
        self.again(signal.SIGKILL)
        with self.refused("AuthorizationRequired"):
            self.bob.detach(link)
        self.alice.detach(link)
        self.alice.unload(program)

    def test_many(self):
        veth = self.veth()
        for i in range(15):
            program = self.load("shared_map", "shared_tc", name=f"application {i}")
            for direction in ("ingress", "egress"):
                self.bus.attach(program, interface=veth.name, direction=direction)
        for sig in SIGNALS:
            self.again(sig)
        check(self, [veth.name])

    def test_ids_are_not_used_again(self):
        veth = self.veth()
        program = self.load("tcx", "tcx_ingress")
        seen = set()
        for sig in SIGNALS * 2:
            link = self.bus.attach(program, interface=veth.name)
            self.assertNotIn(link, seen)
            seen.add(link)
            self.bus.detach(link)
            self.daemon.restart(sig)

    def test_signal_to_stop_waits_for_what_is_under_way(self):
        tokens = [self.bus.start_load(self.object("tc"), ["tc_count"]) for _ in range(5)]
        daemon.kill(self.daemon.running() or self.daemon.pid(), signal.SIGTERM)
        for token in tokens:
            path, = self.bus.wait(token)
            self.assertIn(path, self.bus.managed("Programs"))
        check(self)


class AnyMoment(Case):
    """At random instants of a load, an attachment, a detachment, an unloading."""

    def setUp(self):
        super().setUp()
        self.seed, self.random = chances()

    def outcome(self, token):
        """("ok", value) or ("error", name)."""
        try:
            return "ok", self.bus.wait(token)
        except BusError as e:
            return "error", e.name

    def steps(self, veth):
        """Calls in order, each a function that starts one; of what the ones before it gave."""
        state = {}

        def load():
            data, head = objects.renamed(objects.read("tc"), "tc_c")
            state["name"] = head + "ount"
            return self.bus.start_load(self.data_object(data), [state["name"]])

        def attach(**options):
            return lambda: self.bus.start_attach(state["program"], **options)

        def detach():
            return self.bus.start(state["link"], LINK, "Detach")

        def unload():
            return self.bus.start(state["program"], PROGRAM, "Unload")
        tc = attach(interface=veth.name, direction=self.random.choice(("ingress", "egress")))
        return state, [load, tc, detach, tc, unload]

    def durations(self, veth):
        """How long each step takes when nobody is killed."""
        state, steps = self.steps(veth)
        times = []
        for n, step in enumerate(steps):
            begin = time.monotonic()
            outcome, value = self.outcome(step())
            self.assertEqual(outcome, "ok", value)
            times.append(time.monotonic() - begin)
            if n == 0:
                state["program"], = value
            elif n in (1, 3):
                state["link"] = value
        return times

    def play(self, kill, restart):
        """Plays the steps, with kill() somewhere in one of them."""
        veth = self.veth()
        killed = []
        durations = self.durations(veth)
        for i in range(ROUNDS):
            chosen = i % 5
            state, steps = self.steps(veth)
            for n, step in enumerate(steps):
                token = step()
                if n == chosen:
                    time.sleep(self.random.random() * durations[n])
                    kill()
                outcome, value = self.outcome(token)
                if n == chosen:
                    restart()
                    killed.append(outcome)
                    self.verify(n, state, outcome, value, veth)
                    break
                self.assertEqual(outcome, "ok", value)
                if n == 0:
                    state["program"], = value
                elif n in (1, 3):
                    state["link"] = value
            self.unload_all()
            self.kernel_has_no(state["name"])
            self.assertEqual(tc_filters(veth.name), 0)
        # Both must have been seen, or the instants are badly chosen; a few rounds may all be lucky
        if ROUNDS >= 40:
            self.assertIn("error", killed)

    def verify(self, n, state, outcome, value, veth):
        with self.subTest(seed=self.seed, step=n, outcome=outcome, value=value):
            check(self, [veth.name])
            programs, links = self.bus.managed("Programs"), self.bus.list("Links")
            if outcome == "ok":
                expected = {0: lambda: value[0] in programs, 1: lambda: value in links,
                            2: lambda: state["link"] not in links, 3: lambda: value in links,
                            4: lambda: state["program"] not in programs and not links}[n]
                self.assertTrue(expected(), "what was answered is so")
            elif n == 0:
                # Not on the bus: not in the kernel
                if not programs:
                    self.kernel_has_no(state["name"])
            elif n in (1, 2, 3):
                self.assertIn(state["program"], programs)
            before = self.snapshot()
            self.daemon.restart(signal.SIGKILL)
            self.assertEqual(self.snapshot(), before)

    def test_daemon_killed(self):
        self.play(lambda: self.daemon.end(signal.SIGKILL), self.daemon.pid)

    def test_workers_killed(self):
        def kill():
            pid = self.daemon.running()
            for worker in daemon.children(pid) if pid else ():
                daemon.kill(worker)
        self.play(kill, lambda: None)

    def test_daemon_stopped(self):
        """SIGTERM: whatever was asked before it is done."""
        veth = self.veth()
        for _ in range(ROUNDS // 5):
            program = self.load("tc", "tc_count")
            tokens = [self.bus.start_attach(program, interface=veth.name, direction="ingress")
                      for _ in range(4)]
            time.sleep(self.random.random() * 0.005)
            self.daemon.end(signal.SIGTERM)
            self.daemon.pid()
            links = [self.bus.wait(token) for token in tokens]
            self.assertEqual(set(links), set(self.bus.list("Links")))
            check(self, [veth.name])
            self.bus.unload(program)

    def test_worker_killed_says_so(self):
        """An answer comes, and the next request is served by a new worker."""
        fd = self.object("big")
        token = self.bus.start_load(fd)
        worker = until(self.loading_worker, "a worker loads")
        daemon.kill(worker)
        with self.refused("WorkerFailed"):
            self.bus.wait(token)
        self.assertEqual(self.snapshot(), ({}, set()))
        self.load("tc")

    def loading_worker(self):
        """A worker that burns CPU time."""
        for worker in self.daemon.busy_workers():
            try:
                with open(f"/proc/{worker}/stat", encoding="ascii") as f:
                    fields = f.read().rpartition(")")[2].split()
            except FileNotFoundError:
                continue
            if fields[0] == "R" and int(fields[12]) > 5:
                return worker
        return None


class HalfDone(Case):
    """State that is crafted: what a kill at the worst instant leaves, and worse."""

    def stopped(self):
        self.daemon.end(signal.SIGKILL)

    def link_file(self, link):
        return f"{daemon.RUN}/links/{number(link)}"

    def load_file(self):
        """Of the only load."""
        name, = os.listdir(daemon.RUN + "/loads")
        return f"{daemon.RUN}/loads/{name}"

    def test_attaching_and_detaching(self):
        chosen = [h for h in hooks(self) if h.kind in ("xdp", "tc", "tcx", "tracepoint", "uprobe")
                  and can_attach(h.kind)]
        if SCALE > 1:
            chosen = {h.kind: h for h in chosen}.values()
        for hook in chosen:
            for state in ("attaching", "detaching"):
                with self.subTest(hook=hook.program, state=state):
                    program = self.load(hook.object, hook.program, **hook.load)
                    link = self.bus.attach(program, **hook.options)
                    self.stopped()
                    rewrite(self.link_file(link), State=state)
                    self.daemon.pid()
                    self.assertEqual(self.bus.list("Links"), {})
                    until(lambda p=self.link_file(link): not os.path.exists(p), "the file goes")
                    self.assert_idle(program, hook.cause, hook.index)
                    self.assertEqual(self.bus.get(program, PROGRAM, "Links"), [])
                    check(self)
                    # The hook is free
                    self.bus.attach(program, **hook.options)
                    self.assert_counts(program, hook.cause, hook.index)
                    self.bus.unload(program)

    def test_attaching_before_anything_was_attached(self):
        """The file is there, and nothing else; another's filter is not mistaken for it."""
        veth = self.veth()
        program, other = self.load("tc", "tc_count"), self.load("tc", "tc_count")
        link = self.bus.attach(program, interface=veth.name, direction="ingress")
        left = self.bus.attach(other, interface=veth.name, direction="ingress")
        with open(self.link_file(link), "rb") as f:
            kept = f.read()
        self.bus.detach(link)
        self.stopped()
        with open(self.link_file(link), "wb") as f:
            f.write(kept)
        for state in ("attaching", "detaching", "attached"):
            with self.subTest(state=state):
                self.stopped()
                with open(self.link_file(link), "wb") as f:
                    f.write(kept)
                rewrite(self.link_file(link), State=state)
                self.daemon.pid()
                self.assertEqual(list(self.bus.list("Links")), [left])
                until(lambda: not os.path.exists(self.link_file(link)), "the file goes")
                check(self, [veth.name])
                self.assert_counts(other, veth.receive)

    def test_stray_pins(self):
        program = self.load("tc", "tc_count")
        before = self.snapshot()
        self.stopped()
        fd = bpf.obj_get(f"{daemon.PINS}/program/{number(program)}")
        m = bpf.map_create(2, 4, 4, 1)
        bpf.obj_pin(fd, f"{daemon.PINS}/program/999999999")
        bpf.obj_pin(fd, f"{daemon.PINS}/program/what")
        bpf.obj_pin(m, f"{daemon.PINS}/map/999999999")
        bpf.obj_pin(m, f"{daemon.PINS}/link/7_0")
        os.close(fd), os.close(m)
        self.daemon.pid()
        self.assertEqual(self.snapshot(), before)
        check(self)

    def test_temporary_files(self):
        self.load("tc", "tc_count", log_level=1)
        before = self.snapshot()
        self.stopped()
        for place in ("", "loads/", "links/", "logs/"):
            with open(f"{daemon.RUN}/{place}.new-7", "wb") as f:
                f.write(b"[Load]\nVers")
        # Written before its load, and removed behind it
        with open(f"{daemon.RUN}/logs/{1 << 31}", "wb") as f:
            f.write(b"processed 2 insns")
        self.daemon.pid()
        self.assertEqual(self.snapshot(), before)
        check(self)

    def test_missing_pins(self):
        veth = self.veth()
        program = self.load("shared_map", "shared_tc")
        kept, = self.load("tcx", ["tcx_ingress"])
        link = self.bus.attach(kept, interface=veth.name)
        self.stopped()
        os.unlink(f"{daemon.PINS}/program/{number(program)}")
        os.unlink(f"{daemon.PINS}/link/{number(link)}_0")
        self.daemon.pid()
        self.assertEqual(list(self.bus.managed("Programs")), [kept])
        self.assertEqual(self.bus.list("Links"), {})
        until(lambda: not os.path.exists(self.link_file(link)), "the file goes")
        check(self)

    def test_missing_map(self):
        program, = self.load("packet_counter")
        packets = self.bus.maps_of(program)["packets"]
        self.stopped()
        os.unlink(f"{daemon.PINS}/map/{number(packets)}")
        self.daemon.pid()
        # The program holds it; it is only no longer ours
        self.assertIn(program, self.bus.managed("Programs"))
        self.bus.test_run(program, b"\0" * 64)
        self.bus.unload(program)

    def test_reboot(self):
        """/run is there and the kernel has nothing: a kexec, or somebody emptied the bpffs."""
        veth = self.veth()
        program = self.load("tcx", "tcx_ingress")
        self.bus.attach(program, interface=veth.name)
        self.stopped()
        for directory, _, files in os.walk(daemon.PINS):
            for name in files:
                os.unlink(os.path.join(directory, name))
        self.daemon.pid()
        until(lambda: self.snapshot() == ({}, set()), "the files go")

    def test_bpffs_emptied_with_its_directories(self):
        self.load("tcx", "tcx_ingress")
        self.stopped()
        shutil.rmtree(daemon.PINS)
        self.daemon.pid()
        self.assertEqual(self.bus.managed("Programs"), {})
        self.load("tc")
        check(self)

    def test_run_emptied(self):
        """What has no file is a leftover."""
        veth = self.veth()
        program = self.load("tcx", "tcx_ingress")
        self.bus.attach(program, interface=veth.name)
        self.stopped()
        for place in ("loads", "links"):
            for name in os.listdir(f"{daemon.RUN}/{place}"):
                os.unlink(f"{daemon.RUN}/{place}/{name}")
        self.daemon.pid()
        self.assertEqual(self.snapshot(), ({}, set()))
        until(lambda: not bpf.exists("program", number(program)), "the kernel gives it up")

    def test_next_id_lost(self):
        """Ids that are in use aren't given out again."""
        first = self.load("tc", "tc_count")
        veth = self.veth()
        link = self.bus.attach(first, interface=veth.name, direction="ingress")
        for content in (None, b"", b"nonsense"):
            with self.subTest(content=content):
                self.stopped()
                if os.path.exists(daemon.RUN + "/next-id"):
                    os.unlink(daemon.RUN + "/next-id")
                if content is not None:
                    with open(daemon.RUN + "/next-id", "wb") as f:
                        f.write(content)
                before = self.snapshot_after_start()
                second = self.load("tc", "tc_count")
                for _ in range(3):
                    self.assertNotEqual(self.bus.attach(second, interface=veth.name,
                                                        direction="egress"), link)
                check(self, [veth.name])
                self.bus.unload(second)
                self.daemon.restart(signal.SIGKILL)
                self.assertEqual(self.snapshot(), before)

    def snapshot_after_start(self):
        self.daemon.pid()
        return self.snapshot()

    def unreadable(self, path, content):
        """Replaces a state file, and puts it back at the end; returns what it was."""
        with open(path, "rb") as f:
            kept = f.read()
        with open(path, "wb") as f:
            f.write(content(kept) if callable(content) else content)
        return kept

    def test_later_version_is_left_alone(self):
        """A newer service wrote it and will read it again: what it keeps stays, and stays attached."""
        program = self.load("tracepoint", "tracepoint_fork")
        link = self.bus.attach(program)
        hits = self.bus.maps_of(program)["hits"]
        before = self.snapshot()
        self.stopped()
        files = {p: self.unreadable(p, lambda b: b.replace(b"Version=1", b"Version=2"))
                 for p in (self.load_file(), self.link_file(link))}
        self.daemon.pid()
        self.assertEqual(self.bus.managed("Programs"), {})
        self.assertEqual(self.bus.list("Links"), {})
        # New ones go their own way
        self.bus.unload(self.load("tc", "tc_count"))

        def count():
            with open_id(number(hits)) as fd:
                return struct.unpack("=Q", bpf.map_lookup(fd, b"\0" * 4, 8))[0]
        counted = count()
        fork()
        self.assertGreater(count(), counted)
        self.stopped()
        for path, kept in files.items():
            with open(path, "wb") as f:
                f.write(kept)
        self.daemon.pid()
        self.assertEqual(self.snapshot(), before)

    def test_damaged(self):
        """The service starts and works; what it can't read it doesn't touch."""
        veth = self.veth()
        kept = self.load("tcx", "tcx_ingress")
        link = self.bus.attach(kept, interface=veth.name)
        before = self.snapshot()
        contents = (b"", b"\0\xff\0\xff" * 100, b"[Load]\n", b"[Link]\nVersion=1\n",
                    b"[Load]\nVersion=1\n[Program 1]\nType=nothing\n", b"x" * 100000)
        for place, first in (("loads", 0), ("links", 1)):
            for content in some(contents[first:] + contents[:first]):
                with self.subTest(place=place, content=content[:20]):
                    path = f"{daemon.RUN}/{place}/1000000"
                    self.stopped()
                    with open(path, "wb") as f:
                        f.write(content)
                    self.daemon.pid()
                    self.assertEqual(self.snapshot()[0], before[0])
                    self.bus.unload(self.load("tc", "tc_count"))
                    self.stopped()
                    if os.path.exists(path):
                        os.unlink(path)
                    self.daemon.pid()
                    self.bus.list("Links")
                    until(lambda: self.snapshot() == before, "all is as before")
        self.assert_counts(kept, veth.receive)
        self.bus.detach(link)

    def test_names_that_are_none(self):
        self.load("tc", "tc_count")
        self.stopped()
        names = [f"{daemon.RUN}/loads/{n}" for n in ("0", "-1", "01x", "99999999999")]
        for name in names:
            with open(name, "wb") as f:
                f.write(b"[Load]\nVersion=1\n")
        self.daemon.pid()
        self.assertEqual(len(self.bus.managed("Programs")), 1)
        for name in names:
            if os.path.exists(name):
                os.unlink(name)


class open_id:  # noqa: N801
    """A map's descriptor, as a context."""

    def __init__(self, number_):
        self.number = number_

    def __enter__(self):
        self.fd = bpf.open_id(bpf.MAP_GET_FD_BY_ID, self.number)
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)


class Meanwhile(Case):
    """The world goes on while there is no service."""

    def test_interface_removed(self):
        for kind, obj, name, options in (("xdp", "shared_map", "shared_xdp", {}),
                                         ("tc", "tc", "tc_count", {"direction": "ingress"}),
                                         ("tcx", "tcx", "tcx_ingress", {})):
            if not can_attach(kind):
                continue
            with self.subTest(kind=kind):
                veth, other = self.veth(), self.veth()
                program = self.load(obj, name)
                self.bus.attach(program, interface=veth.name, **options)
                kept = self.bus.attach(program, interface=other.name, **options)
                self.daemon.end()
                veth.remove()
                self.assertEqual(list(self.bus.list("Links")), [kept])
                until(lambda: len(os.listdir(daemon.RUN + "/links")) == 1, "the file goes")
                check(self, [other.name])
                self.assert_counts(program, other.receive)
                self.bus.unload(program)

    def test_another_interface_of_that_name(self):
        """A new interface is not the old one, whatever it is called."""
        veth = self.veth("again0")
        program = self.load("tc", "tc_count")
        self.bus.attach(program, interface="again0", direction="ingress")
        self.daemon.end()
        veth.remove()
        again = self.veth("again0")
        self.assertEqual(self.bus.list("Links"), {})
        self.bus.attach(program, interface="again0", direction="ingress")
        self.assert_counts(program, again.receive)

    @needs_attach("cgroup_skb")
    def test_cgroup_removed(self):
        cgroup = Cgroup()
        program = self.load("cgroup_skb", "cgroup_egress")
        self.bus.attach(program, cgroup=cgroup.path)
        self.daemon.end()
        cgroup.remove()

        def gone():
            self.daemon.end()
            return not self.bus.list("Links")
        until(gone, "the link of a cgroup that went isn't there")
        check(self)

    def test_tc_filter_removed_by_somebody(self):
        veth = self.veth()
        program = self.load("tc", "tc_count")
        self.bus.attach(program, interface=veth.name, direction="ingress")
        self.daemon.end()
        subprocess.run(["tc", "qdisc", "del", "dev", veth.name, "clsact"], check=True)
        self.assertEqual(self.bus.list("Links"), {})
        until(lambda: not os.listdir(daemon.RUN + "/links"), "the file goes")
        check(self, [veth.name])
