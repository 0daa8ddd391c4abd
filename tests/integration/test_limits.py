# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one caller may use up, and that others don't feel it."""

import os
import time

from support import daemon, objects
from support.case import PROGRAM, ROOT, BusError, Case, until
from support.wait import SCALE, rounds

# A call that needs no worker and no polkit takes less than this, whatever else goes on; what it must
# not wait for takes longer. On a machine with two busy cores the scheduler alone takes some of it.
PROMPT = 5.0 * SCALE


class Limits(Case):
    def big(self):
        """An object that keeps the verifier busy, under names of its own."""
        data, head = objects.renamed(objects.read("big"), "big_")
        names = [(f"{head}{i:02}", "xdp") for i in range(16)]
        return self.data_object(data), names

    def busy(self, owner, n=2):
        """The owner keeps n workers busy with loads that wait for each other; returns tokens."""
        fd, names = self.big()
        tokens = [owner.start_load(fd, names) for _ in range(n)]
        until(lambda: len(self.daemon.busy_workers()) >= 1, "workers load")
        return tokens

    def ping(self):
        begin = time.monotonic()
        self.bus.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")
        return time.monotonic() - begin

    def test_requests_of_one_uid(self):
        """64 at a time; the next is refused at once, others' are not."""
        self.rules.write(self.rules.allow("alice", "org.bpfkeeper1.load.*"),
                         self.rules.allow("bob", "org.bpfkeeper1.load.*"))
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        # A pipe that never ends is read for as long as a worker may
        tokens = [self.alice.start_load(ours) for _ in range(64)]
        token = self.alice.start_load(self.object("tc"))
        with self.refused("LimitExceeded") as caught:
            self.alice.wait(token)
        self.assertIn("64", caught.exception.message)
        # Another connection of hers is hers as well
        with self.refused("LimitExceeded"):
            self.another("alice").inspect(self.object("tc"))
        # bob and root aren't concerned
        self.load("tc", who=self.bob)
        self.load("tc")
        os.close(theirs)
        os.close(ours)
        for token in tokens:
            with self.refused("NotElf", "InvalidArgument", "TimedOut"):
                self.alice.wait(token)
        self.load("tc", who=self.alice)

    def test_workers_of_one_uid(self):
        """Slow loads of alice's take turns in workers of hers; bob is served meanwhile."""
        self.rules.write(self.rules.allow("alice", "org.bpfkeeper1.load.*"),
                         self.rules.allow("bob", "org.bpfkeeper1.load.*"))
        self.daemon.restart()
        alice = self.another("alice")
        tokens = self.busy(alice, 6)
        begin = time.monotonic()
        self.load("packet_counter", who=self.bob)
        self.load("packet_counter")
        took = time.monotonic() - begin
        self.assertFalse(any(alice.is_done(t) for t in tokens[-1:]), "it was slow long enough")
        self.assertLessEqual(len(self.daemon.workers()), 8)
        self.assertLess(took, 10 * SCALE)
        alice.leave()

    def test_prompt_while_verifiers_are_busy(self):
        """Nothing that the daemon does for a load waits in its main loop."""
        token, = self.busy(self.bus, 1)
        times = []
        while not token.is_done() and len(times) < 200:
            times.append(self.ping())
            times.append(self.timed(lambda: self.bus.list("Programs", managed=True)))
        self.assertGreater(len(times), 10)
        times.sort()
        self.assertLess(times[len(times) // 2], 0.05 * SCALE)
        self.assertLess(times[-1], PROMPT)
        worker = self.daemon.busy_workers()
        for w in worker:
            daemon.kill(w)
        with self.refused("WorkerFailed"):
            self.bus.wait(token)

    @staticmethod
    def timed(call):
        begin = time.monotonic()
        call()
        return time.monotonic() - begin

    def test_prompt_while_large_objects_come(self):
        """16 MiB are copied and hashed while others are answered."""
        data = objects.read("packet_counter").ljust(16 << 20, b"\0")
        fds = [self.data_object(data), self.keep(objects.sealed(data, 0))]
        tokens = [self.bus.start_load(fd) for fd in fds * 2]
        times = []
        while not all(t.is_done() for t in tokens):
            times.append(self.ping())
        self.assertLess(max(times), PROMPT)
        for token in tokens:
            self.bus.wait(token)

    def test_worker_time_limit(self):
        """A pipe that says nothing holds a worker for so long and no longer."""
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        begin = time.monotonic()
        with self.refused("TimedOut"):
            self.bus.load(ours)
        self.assertLess(time.monotonic() - begin, 30 * SCALE)
        self.assertEqual(self.snapshot(), ({}, set()))

    def test_descriptors_dont_run_out(self):
        """However many requests there were, refused or not."""
        pid = self.daemon.pid()

        def count():
            return len(os.listdir(f"/proc/{pid}/fd"))
        self.load("tc", log_level=1)
        before = count()
        for _ in range(rounds(20)):
            for obj in ("refused", "missing_target", "tc"):
                try:
                    path = self.load(obj)[0]
                except BusError:
                    continue
                os.close(self.bus.open_program(path))
                self.bus.unload(path)
            try:
                self.load("tc", who=self.alice)
            except BusError:
                pass
        until(lambda: count() <= before + 8, f"descriptors are closed, {before} before")

    def test_memory_doesnt_grow(self):
        def resident():
            return int(daemon.status(self.daemon.pid())["VmRSS"].split()[0])
        if os.environ.get("BPFKEEPER_SANITIZE"):
            self.skipTest("sanitizers keep freed memory")

        def play(n):
            for _ in range(rounds(n)):
                path = self.load("packet_counter", "count_packets")
                self.bus.get_all(path, PROGRAM)
                self.bus.unload(path)
        play(50)
        before = resident()
        play(150)
        self.assertLess(resident() - before, 1024, "KiB")

    def test_pending_forever_on_one_connection(self):
        """A connection that doesn't read its answers gets none, and holds nobody up."""
        silent = self.another("bob")
        # Of everything that the kernel has, which may be much
        once = self.timed(self.bus.managed_objects)
        for _ in range(50):
            silent.start(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        self.assertLess(self.ping(), PROMPT + 100 * once)
        self.load("tc")
