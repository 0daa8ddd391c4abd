# SPDX-License-Identifier: LGPL-2.1-or-later
"""Daemon and workers are killed at random instants while clients load, attach, detach and unload.

BPFKEEPER_CRASH_KILLS says how often (tests/crash for some thousand), BPFKEEPER_CRASH_SEED begins as
a run before did, though never with the same timing.
"""

import collections
import contextlib
import ctypes
import os
import random
import re
import select
import signal
import struct
import subprocess
import threading
import time

from support import bpf, daemon, missing, net
from support.case import BusError, Case, can_attach, until
from support.consistency import check, held, tc_filters
from support.hooks import Cgroup, hooks
from support.soak import ClientProcess, Spec, lives
from support.wait import SCALE, rounds

KILLS = int(os.environ.get("BPFKEEPER_CRASH_KILLS", rounds(100)))
AT_ONCE = 150  # kills between two looks at everything
USERS = ("root", "alice", "alice", "bob")
# One refuses things to this process; what the other is registered as, it is for the whole machine, and
# for others who test on it.
SKIPPED = ("lsm", "struct_ops")
DIRECTORIES = [daemon.RUN, *(f"{daemon.RUN}/{d}" for d in ("loads", "links", "logs")),
               *(f"{daemon.PINS}/{d}" for d in ("program", "map", "link"))]
IN_CREATE, IN_DELETE, IN_MOVED_TO, IN_CLOSE_WRITE = 0x100, 0x200, 0x80, 0x8
IN_NONBLOCK = 0o4000


class Watch:
    """Waits for the moments at which state is half written."""

    def __init__(self):
        self.fd = bpf.libc.inotify_init1(IN_NONBLOCK)
        for directory in DIRECTORIES:
            bpf.libc.inotify_add_watch(self.fd, ctypes.c_char_p(directory.encode()),
                                       IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_CLOSE_WRITE)

    def read(self):
        """How many events there are."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return 0
        count = place = 0
        while place < len(data):
            count, place = count + 1, place + 16 + struct.unpack_from("=I", data, place + 12)[0]
        return count

    def wait(self, events, patience):
        """Until so many came, or patience ended."""
        while self.read():
            pass
        end = time.monotonic() + patience
        while events > 0 and time.monotonic() < end:
            if select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                events -= self.read()

    def close(self):
        os.close(self.fd)


def descriptors(pid):
    """What a process has open, by kind. Verifiers' logs of callers' last loads are theirs to keep."""
    directory = f"/proc/{pid}/fd"
    names = []
    for fd in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"{directory}/{fd}"))
    return collections.Counter(re.sub(r":.*", "", n) for n in names if not n.startswith("/memfd:"))


def processes():
    """(daemons, workers) by what /proc says now, those too that aren't on the bus yet."""
    daemons, workers = [], []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm", encoding="utf-8") as f:
                comm = f.read().strip()
        except OSError:
            continue
        if comm == "bpfkeeperd":
            daemons.append(int(name))
        elif comm == "bpfkeeper-worke":
            workers.append(int(name))
    return daemons, workers


class World(threading.Thread):
    """Interfaces and cgroups that come and go."""

    def __init__(self, rng):
        super().__init__(daemon=True)
        self.random = rng
        self.veths = {n: net.Veth(n) for n in ("soak0", "soak1", "soak2")}
        self.cgroups = {}
        for _ in range(2):
            cgroup = Cgroup()
            self.cgroups[cgroup.path] = cgroup
        self.going = threading.Event()
        self.still = threading.Event()
        self.ended = False
        self.changes = 0

    def run(self):
        while not self.ended:
            if not self.going.wait(0.1):
                self.still.set()
                continue
            self.still.clear()
            self.change()
            time.sleep(self.random.uniform(0.05, 0.6))

    def change(self):
        self.changes += 1
        if self.random.random() < 0.7:
            name = self.random.choice(list(self.veths))
            self.veths[name].remove()
            time.sleep(self.random.uniform(0, 0.02))
            self.veths[name] = net.Veth(name)
        else:
            path = self.random.choice(list(self.cgroups))
            self.cgroups[path].remove()
            time.sleep(self.random.uniform(0, 0.02))
            os.mkdir(path)

    def pause(self):
        self.still.clear()
        self.going.clear()
        assert self.still.wait(30)

    def remove(self):
        self.ended = True
        self.join(10)
        for thing in (*self.veths.values(), *self.cgroups.values()):
            thing.remove()


class Soak(Case):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("BPFKEEPER_CRASH_SEED", random.randrange(1 << 32)))
        self.random = random.Random(self.seed)
        print(f"        seed {self.seed}", flush=True)
        self.rules.write(*(self.rules.allow(u, "org.bpfkeeper1.load.*", "org.bpfkeeper1.attach.*")
                           for u in sorted(set(USERS) - {"root"})))
        self.world = World(random.Random(self.seed + 1))
        self.addCleanup(self.world.remove)
        self.world.start()
        everything = hooks(self)
        self.causes = {h.program: h.cause for h in everything}
        with missing.unimportant():
            specs = [Spec(h) for h in everything if h.kind not in SKIPPED and can_attach(h.kind)]
        self.clients = [ClientProcess(u, specs, self.seed + 2 + i, list(self.world.veths),
                                      list(self.world.cgroups)) for i, u in enumerate(USERS)]
        for client in self.clients:
            self.addCleanup(client.close)
        self.watch = Watch()
        self.addCleanup(self.watch.close)
        self.counts, self.strikes = collections.Counter(), collections.Counter()
        # What went, and must not be back; the kernel too gives such ids out anew only after all others
        self.dead = collections.defaultdict(set)

    # Killing

    def moment(self):
        """Waits for one; returns (daemons, workers)."""
        kind = self.random.random()
        if kind < 0.4:
            # Looked for before, to lose no time behind it
            found = processes()
            self.watch.wait(self.random.randint(1, 8), 0.3)
            return found
        # A fifth when it has hardly begun
        time.sleep(self.random.uniform(0, 0.02 if kind < 0.6 else 0.25))
        return processes()

    def strike(self, workers_only=False):
        """Ends something, or has it stop for a while; says whether there was anything."""
        what = self.random.choices(
            ("worker", "worker-stop", "daemon", "daemon-term", "daemon-stop", "all"),
            (4, 1, *((0,) * 4 if workers_only else (6, 1, 1, 1))))[0]
        daemons, workers = self.moment()
        chosen = workers if what.startswith("worker") else daemons
        pid = self.random.choice(chosen) if chosen else 0
        if not pid or not daemon.is_alive(pid):
            return False
        if what.endswith("stop"):
            daemon.kill(pid, signal.SIGSTOP)
            time.sleep(self.random.uniform(0, 0.1))
            daemon.kill(pid, self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGCONT)))
        elif what == "all":
            for p in daemons + workers:
                daemon.kill(p)
        else:
            daemon.kill(pid, signal.SIGTERM if what.endswith("term") else signal.SIGKILL)
        self.strikes[what] += 1
        return True

    def strike_often(self, n, **options):
        self.world.going.set()
        for client in self.clients:
            client.run()
        end = time.monotonic() + (60 + n) * SCALE
        while n > 0:
            self.assertLess(time.monotonic(), end, "nothing is left to kill")
            n -= self.strike(**options)

    # Looking

    def settle(self, what="pause"):
        """Everybody stops; returns what is promised, by path, once all books are right."""
        self.world.pause()
        for client in self.clients:
            client.pause(what)
        promised, problems = {}, []
        for client in self.clients:
            programs, dead, counts, found = client.book()
            promised.update({p: (client.uid, k) for p, k in programs.items()})
            for kind, which in dead.items():
                self.dead[kind] |= which
            self.counts += counts
            problems += found
        self.assertEqual("\n".join(problems), "")
        return promised

    def look(self, what="pause"):
        """Everything there is, against what was promised."""
        self.world.pause()
        until(self.renew, "there is a new daemon")
        promised = self.settle(what)
        self.verify(promised)
        return len(promised)

    def renew(self):
        """A new daemon, for the kernel tells the old one nothing of cgroups that went."""
        try:
            return self.daemon.restart(self.random.choice((signal.SIGKILL, signal.SIGTERM)))
        except BusError as e:
            # One that wasn't on the bus yet when it was told to end comes and goes
            if e.name != "org.freedesktop.DBus.Error.NoReply":
                raise
            return None

    def verify(self, promised):
        programs, links = self.bus.managed("Programs"), self.bus.list("Links")
        self.assertEqual({p: v["OwnerUid"] for p, v in programs.items()},
                         {p: uid for p, (uid, _) in promised.items()})
        self.assertEqual(set(links) & self.dead["links"], set())
        mine = {link: kept for _, p in promised.values() for link, kept in p.links.items()
                if lives(kept)}
        self.assertEqual(set(links), set(mine))
        check(self, list(self.world.veths))
        self.kernel_has_no(*self.dead["names"])
        for kind, what in (("map", "maps"), ("link", "kernel links")):
            until(lambda k=kind, w=what: not any(bpf.exists(k, i) for i in self.dead[w]),
                  f"the kernel gives up {what}")
            self.dead[what].clear()
        self.verify_counts(promised, links)
        self.verify_processes()

    def verify_counts(self, promised, links):
        """What is attached runs; what isn't doesn't."""
        attached = {v["Program"]: v for v in links.values() if "Program" in v} or \
                   {f"/org/bpfkeeper1/program/_{v['ProgramId']}": v for v in links.values()}
        some = self.random.sample(sorted(promised), min(6, len(promised)))
        for path in some:
            spec = promised[path][1].spec
            if path not in attached:
                continue
            with self.subTest(path=path, kind=spec.kind):
                self.assert_counts(path, self.cause(spec, attached[path]), spec.index)

    def cause(self, spec, link):
        if link.get("Interface") in self.world.veths:
            veth = self.world.veths[link["Interface"]]
            return veth.send if link.get("Direction") == "egress" else veth.receive
        if link.get("Cgroup"):
            return self.world.cgroups[link["Cgroup"]].run
        return self.causes[spec.program]

    def verify_processes(self):
        pid = self.daemon.pid()

        def settled():
            daemons, workers = processes()
            return daemons == [pid] and set(workers) == set(daemon.children(pid))
        until(settled, "there is one daemon, and no worker but its own")

    def test_at_random_instants(self):
        begin = time.monotonic()
        left = KILLS
        while left > 0:
            self.strike_often(min(AT_ONCE, left))
            left -= AT_ONCE
            kept = self.look()
            if KILLS > AT_ONCE:
                print(f"        {time.monotonic() - begin:.0f} s: {dict(self.strikes)}, "
                      f"{kept} programs", flush=True)
        self.report(begin)
        self.look("unload")
        self.assertEqual(self.snapshot(), ({}, set()))
        for name in self.world.veths:
            self.assertEqual(tc_filters(name), 0)
            shown = subprocess.run(["ip", "-details", "link", "show", "dev", name], check=True,
                                   stdout=subprocess.PIPE, text=True).stdout
            self.assertNotIn("prog/xdp", shown)
        for path in self.world.cgroups:
            self.assertEqual(held(path), {})
        for family in ("-4", "-6"):
            shown = subprocess.run(["ip", "-details", family, "route", "show", "table", "all"],
                                   check=True, stdout=subprocess.PIPE, text=True).stdout
            self.assertNotIn("bpfkeeper:", shown)
        # Whatever the verbs, all of them were both done and cut off, where there was the time for it
        if sum(self.strikes.values()) < 100:
            return
        for verb in ("load", "attach", "detach", "unload"):
            self.assertTrue(self.counts[verb, "ok"], verb)
        self.assertTrue(sum(n for (_, outcome), n in self.counts.items() if outcome == "lost"))

    def report(self, begin):
        took = time.monotonic() - begin
        kills = sum(self.strikes.values())
        print(f"        {kills} kills in {took:.0f} s, {kills / took:.1f} a second: "
              f"{dict(self.strikes)}; {self.world.changes} changes of the world", flush=True)
        for verb in sorted({v for v, _ in self.counts}):
            outcomes = {o: n for (v, o), n in sorted(self.counts.items()) if v == verb}
            print(f"        {verb}: {outcomes}", flush=True)

    def size(self):
        """The daemon, what it has open, and its memory in kB, when it keeps nothing."""
        self.settle("unload")
        pid = self.daemon.pid()
        until(lambda: len(self.daemon.workers()) <= 1, "workers that wait for their user leave")
        return pid, descriptors(pid), int(daemon.status(pid)["VmRSS"].split()[0])

    def test_workers_alone(self):
        """The daemon lives through all of it, and gives back whatever it took."""
        begin = time.monotonic()
        sizes = []
        for part in (1, 2):
            self.strike_often(KILLS * part // 6, workers_only=True)
            sizes.append(self.size())
        self.report(begin)
        print(f"        daemon, descriptors, kB: {sizes}", flush=True)
        (before, opened, kilobytes), (after, opened_after, kilobytes_after) = sizes
        self.assertEqual(after, before)
        # What is on its way out, such as workers that were killed last, may take its time
        until(lambda: not descriptors(after) - opened,
              f"the daemon has no more open than before: {opened_after - opened}")
        if not os.environ.get("BPFKEEPER_SANITIZE"):  # which keeps what was freed for a while
            self.assertLess(kilobytes_after, kilobytes + 2048)
        self.assertEqual(self.snapshot(), ({}, set()))
