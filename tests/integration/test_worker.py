# SPDX-License-Identifier: LGPL-2.1-or-later
"""Workers as the rest of the system sees them: what they may do while they do it."""

import os
import subprocess

from support import daemon, objects
from support.case import BusError, Case, until
from support.daemon import status
from support.wait import PATIENCE

BPF, PERFMON, NET_ADMIN, SYS_ADMIN = 1 << 39, 1 << 38, 1 << 12, 1 << 21
SETGID, SETUID = 1 << 6, 1 << 7


class Workers(Case):
    def setUp(self):
        super().setUp()
        # Without a worker of anybody's; one waits ready
        self.daemon.restart()

    def confined(self):
        """The status of each worker that has taken a role, by pid."""
        return {w: status(w) for w in self.daemon.busy_workers()}

    def one(self):
        """The only one that is busy, once it is the only one."""
        def only():
            found = self.confined()
            return list(found.items()) if len(found) == 1 else None
        return until(only, "one worker has taken its role")[0]

    def assert_confined(self, state, capabilities):
        for name in ("CapEff", "CapPrm"):
            self.assertEqual(int(state[name], 16), capabilities, name)
        self.assertEqual(int(state["CapInh"], 16), 0)
        self.assertEqual(int(state["CapAmb"], 16), 0)
        self.assertEqual(state["NoNewPrivs"], "1")
        self.assertEqual(state["Seccomp"], "2")
        self.assertGreaterEqual(int(state.get("Seccomp_filters", "1")), 1)

    def assert_few_descriptors(self, pid):
        """Its socket, its lock, standard streams, and what it is working on: nothing of the bus's."""
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:
                continue
            self.assertNotIn("next-id", target)
            if target.startswith(daemon.RUN):
                self.assertIn("lock", target)
        with open(f"/proc/{pid}/environ", "rb") as f:
            names = {e.split(b"=")[0] for e in f.read().split(b"\0") if e}
        self.assertLessEqual(names, {b"LC_ALL", b"PATH", b"ASAN_OPTIONS", b"UBSAN_OPTIONS",
                                     b"LSAN_OPTIONS"})

    def test_inspecting(self):
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        token = self.bus.start(
            "/org/bpfkeeper1", "org.bpfkeeper1.Manager", "Inspect", "(h)", ours)
        pid, state = self.one()
        self.assert_confined(state, 0)
        self.assert_few_descriptors(pid)
        os.close(theirs)
        with self.refused("NotElf", "InvalidArgument"):
            self.bus.wait(token)
        until(lambda: not daemon.is_alive(pid), "it serves one call")

    def test_loading(self):
        data, head = objects.renamed(objects.read("big"), "big_")
        token = self.bus.start_load(self.data_object(data), [(f"{head}{i:02}", "xdp")
                                                             for i in range(16)])
        pid, state = self.one()
        self.assert_confined(state, BPF | PERFMON | NET_ADMIN)
        self.assert_few_descriptors(pid)
        daemon.kill(pid)
        with self.refused("WorkerFailed"):
            self.bus.wait(token)

    def test_attaching(self):
        veth = self.veth()
        program = self.load("tc", "tc_count")
        loading = set(self.confined())
        self.bus.attach(program, interface=veth.name, direction="ingress")
        attaching = {w: s for w, s in self.confined().items() if w not in loading}
        self.assertTrue(attaching)
        for pid, state in attaching.items():
            self.assertFalse(int(state["CapEff"], 16) & ~(BPF | PERFMON | NET_ADMIN | SYS_ADMIN | SETUID | SETGID))
            self.assert_confined(state, int(state["CapEff"], 16))
            self.assert_few_descriptors(pid)

    def test_spare(self):
        """It waits with what some role needs and no more."""
        allowed = BPF | PERFMON | NET_ADMIN | SYS_ADMIN | SETUID | SETGID

        def spare():
            """One that has done with its beginning, in which it gives up the rest."""
            return [w for w in self.daemon.workers() for state in [status(w)]
                    if state.get("NoNewPrivs") == "1" and not int(state["CapEff"], 16) & ~allowed]
        self.assertEqual(len(until(spare, "a worker waits that can do no more than it needs")), 1)

    def test_uids_dont_share(self):
        """A worker that has parsed one's bytes serves nobody else."""
        self.rules.write(self.rules.allow("alice", "org.bpfkeeper1.load.*"),
                         self.rules.allow("bob", "org.bpfkeeper1.load.*"))
        typed = [("count_packets", "xdp")]
        used = {}
        for name, who in (("alice", self.alice), ("bob", self.bob), ("root", None)):
            before = set(self.confined())
            for _ in range(3):
                self.load("packet_counter", typed, who=who)
            used[name] = set(self.confined()) - before
            self.assertEqual(len(used[name]), 1, "one new worker, used three times")
        again = set(self.confined())
        self.load("packet_counter", typed, who=self.alice)
        self.assertEqual(set(self.confined()), again)

    def test_worker_ends_with_the_daemon(self):
        self.load("tc")
        pid = self.daemon.pid()
        workers = self.daemon.workers()
        self.assertTrue(workers)
        self.daemon.end(9)
        until(lambda: not any(map(daemon.is_alive, workers)), f"workers of {pid} end")

    def test_spare_killed(self):
        """It may take one request with it that comes before it is missed, and no second one."""
        for _ in range(10):
            for worker in self.daemon.workers():
                daemon.kill(worker)
            try:
                self.load("tc", "tc_count")
            except BusError as e:
                self.assertEqual(e.name, "WorkerFailed")
            self.load("tc", "tc_count")
            self.unload_all()

    def test_started_by_nobody_else(self):
        """Started by hand it has no daemon, and ends."""
        done = subprocess.run(["/usr/libexec/bpfkeeper-worker"], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False, timeout=PATIENCE)
        self.assertNotEqual(done.returncode, 0)

    def test_no_core_dumps(self):
        self.load("tc")
        for pid in self.confined():
            with open(f"/proc/{pid}/limits", encoding="ascii") as f:
                core, = [line for line in f if line.startswith("Max core file size")]
            self.assertEqual(core.split()[4:6], ["0", "0"])
