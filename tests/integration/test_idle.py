# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service leaves when it has nothing to do, and nobody notices."""

import os
import subprocess
import time

from support import daemon
from support.case import ROOT, Case, until
from support.wait import PATIENCE, SCALE, rounds

SHORT = int(SCALE)


class Idle(Case):
    def start(self, seconds):
        process = self.daemon.start_by_hand(f"--idle-timeout={seconds}")
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return process

    def test_leaves_and_comes_back(self):
        veth = self.veth()
        process = self.start(SHORT)
        program = self.load("tc", "tc_count")
        self.bus.attach(program, interface=veth.name, direction="ingress")
        before = self.snapshot()
        self.assertEqual(process.wait(PATIENCE), 0)
        until(lambda: self.bus.pid() is None, "its name is free")
        self.assertFalse([p for p in daemon.children(process.pid)], "its workers are gone")
        # Programs stay, and run
        veth.receive(3)
        self.assertEqual(self.snapshot(), before)
        self.assertNotEqual(self.daemon.running(), process.pid)
        self.assert_counts(program, veth.receive)
        self.assertGreaterEqual(self.hits(program), 4)

    def test_stays_while_there_is_work(self):
        process = self.start(SHORT)
        end = time.monotonic() + 3 * SHORT
        while time.monotonic() < end:
            self.bus.list("Links")
            time.sleep(0.2)
        self.assertIsNone(process.poll())

    def test_stays_for_a_request_that_takes_long(self):
        process = self.start(SHORT)
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        token = self.bus.start_load(ours)
        # Not as long as a worker may look at an object
        time.sleep(min(3 * SHORT, 8))
        self.assertIsNone(process.poll())
        os.close(theirs)
        with self.refused("NotElf", "InvalidArgument"):
            self.bus.wait(token)
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_no_request_is_lost(self):
        """Requests that arrive just as it leaves: each is answered, by this one or the next."""
        program = self.load("tc", "tc_count")
        seen = set()
        for i in range(rounds(25)):
            pid = self.daemon.pid()
            seen.add(pid)
            tokens = []
            for n in range(40):
                if n == i % 30:
                    # As its timer does, it gives up its name and goes when it has done all
                    daemon.kill(pid, 15)
                tokens.append(self.bus.start(program, "org.bpfkeeper1.Program", "TestRun",
                                             "(aya{sv})", b"\0" * 64, {}))
            for token in tokens:
                self.assertEqual(len(self.bus.wait(token)), 3)
        self.assertGreaterEqual(len(seen), rounds(10))

    def test_no_load_is_lost(self):
        for _ in range(rounds(10)):
            fd = self.object("tc")
            pid = self.daemon.pid()
            tokens = [self.bus.start_load(fd) for _ in range(3)]
            daemon.kill(pid, 15)
            tokens += [self.bus.start_load(fd) for _ in range(3)]
            paths = [self.bus.wait(token)[0] for token in tokens]
            self.assertEqual(set(self.bus.managed("Programs")), set(paths))
            self.unload_all()

    def test_never(self):
        process = self.start(0)
        self.bus.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")
        time.sleep(1.5)
        self.assertIsNone(process.poll())
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_wrong_arguments(self):
        for argument in ("--idle-timeout=x", "--idle-timeout=-1", "--nothing", "argument"):
            done = subprocess.run([daemon.DAEMON, argument], stdin=subprocess.DEVNULL, check=False,
                                  stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertEqual(done.returncode, 2, argument)
            self.assertTrue(done.stderr)
        done = subprocess.run([daemon.DAEMON, "--version"], stdout=subprocess.PIPE, check=True)
        self.assertIn(b"bpfkeeperd ", done.stdout)

    def test_a_second_one_gives_up(self):
        """One at a time has the state."""
        self.daemon.pid()
        before = self.snapshot()
        with subprocess.Popen([daemon.DAEMON], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as second:
            time.sleep(0.5)
            self.load("tc")
            self.unload_all()
            if second.poll() is None:
                second.kill()
        self.assertEqual(self.snapshot(), before)
