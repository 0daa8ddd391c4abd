# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers, kills and bad luck do to the service itself."""

import os
import select
import signal
import subprocess
import sys

from support import daemon, users
from support.case import LINK, PROGRAM, Case, needs_attach, number, until
from support.consistency import check, rewrite, tc_filters
from support.wait import PATIENCE

# Connections of one user's that have asked something and stay
CROWD = """
import sys
sys.path.insert(0, sys.argv[2])
from support import bus
crowd = [bus.Bus() for _ in range(int(sys.argv[1]))]
for one in crowd:
    try:
        one.last_log()
    except bus.BusError:
        pass
print("here", flush=True)
sys.stdin.read()
"""


def run_as(user, *command):
    """Starts a process with pipes for its input and output."""
    uid = users.UIDS[user]
    return subprocess.Popen(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--",
                             *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Callers(Case):
    def test_many_connections(self):
        """More than the bus lets a connection have match rules."""
        before = self.daemon.pid()
        crowds = [run_as(user, *users.PYTHON, "-c", CROWD, "200", sys.path[0])
                  for user in ("alice", "bob", "carol")]
        for crowd in crowds:
            self.addCleanup(crowd.communicate)
        outputs = [crowd.stdout for crowd in crowds]

        def all_are_here():
            # Or it might leave meanwhile, for want of work
            self.bus.list("Links")
            return len(select.select(outputs, [], [], 0.1)[0]) == len(crowds)
        until(all_are_here, "all have asked something", 6 * PATIENCE)
        self.assertEqual([output.readline() for output in outputs], ["here\n"] * 3)
        self.assertEqual(self.daemon.running(), before)


class Starting(Case):
    """A start that can't look at everything gives nothing up."""

    @needs_attach("tc", "tcx")
    def test_too_few_descriptors(self):
        veth = self.veth()
        ingress, egress = self.load("tcx", "tcx_ingress"), self.load("tc", "tc_count")
        self.bus.attach(ingress, interface=veth.name)
        self.bus.attach(egress, interface=veth.name, direction="egress")
        before = self.snapshot()
        self.daemon.end()
        refusals = set()
        # The locks are 16 and 17; all others must do with what is left below
        for taken in range(14):
            process = subprocess.Popen(
                ["bash", "-c", f"for ((fd = 3; fd < 3 + {taken}; fd++)); do eval \"exec $fd</dev/null\";"
                 f" done; ulimit -n 18; exec {daemon.DAEMON}"],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            until(lambda p=process: p.poll() is not None or self.bus.pid() == p.pid,
                  "it is there or refuses")
            process.terminate()
            _, stderr = process.communicate()
            if process.returncode != 0:
                refusals.add(stderr.partition("Can't start: ")[2].strip())
            self.assertEqual(daemon.listing(), before[1], f"{taken} more: {stderr}")
        # With one or two to spare it comes as far as the state
        self.assertIn(daemon.RUN + "/loads", str(refusals))
        self.daemon.pid()
        self.assertEqual(self.snapshot(), before)

    @needs_attach("tcx")
    def test_only_the_load_is_of_a_later_version(self):
        """Its pins stay, and so do links of its programs, though their files are known."""
        veth = self.veth()
        program = self.load("tcx", "tcx_ingress")
        link = self.bus.attach(program, interface=veth.name)
        before = self.snapshot()
        self.daemon.end(signal.SIGKILL)
        name, = os.listdir(daemon.RUN + "/loads")
        rewrite(f"{daemon.RUN}/loads/{name}", Version=2)
        self.daemon.pid()
        self.assertEqual(self.bus.list("Links"), {})
        self.assertEqual(daemon.listing(), before[1])
        self.daemon.end(signal.SIGKILL)
        rewrite(f"{daemon.RUN}/loads/{name}", Version=1)
        self.daemon.pid()
        self.assertEqual(self.snapshot(), before)
        self.bus.detach(link)


class Meanwhile(Case):
    """What happens while a worker is at work, or nobody has come to it yet."""

    def setUp(self):
        super().setUp()
        self.stopped = set()

    def stop(self, *pids):
        self.stopped.update(pids)
        daemon.stop(*pids)

    def stop_workers(self):
        workers = self.daemon.stop_workers()
        self.stopped.update(workers)
        return workers

    def go_on(self, *pids):
        for pid in pids or list(self.stopped):
            daemon.kill(pid, signal.SIGCONT)
            self.stopped.discard(pid)

    def tearDown(self):
        self.go_on()

    def attached(self, veth, n=1):
        """A program, n tc links of it, and the daemon's pid; a worker is there that has attached."""
        program = self.load("tc", "tc_count")
        links = [self.bus.attach(program, interface=veth.name, direction="ingress")
                 for _ in range(n)]
        return program, links, self.daemon.pid()

    @needs_attach("tc")
    def test_interface_goes_before_a_worker_comes(self):
        veth = self.veth()
        _, links, pid = self.attached(veth, 5)
        self.stop_workers()
        tokens = [self.bus.start(link, LINK, "Detach") for link in links]
        self.daemon.turn()
        veth.remove()
        until(lambda: not self.bus.list("Links"), "the links go")
        self.go_on()
        for token in tokens:
            self.bus.wait(token)
        self.assertEqual(self.daemon.running(), pid)
        self.assertEqual(os.listdir(daemon.RUN + "/links"), [])

    @needs_attach("tc")
    def test_interface_goes_before_the_answer_is_read(self):
        veth, other = self.veth(), self.veth()
        program, links, pid = self.attached(other)
        workers = self.stop_workers()
        token = self.bus.start_attach(program, interface=veth.name, direction="ingress")
        until(lambda: len(os.listdir(daemon.RUN + "/links")) == 2, "the attachment is begun")
        self.daemon.turn()
        self.stop(pid)
        self.go_on(*workers)
        until(lambda: tc_filters(veth.name), "the worker attaches")
        until(lambda: all(map(daemon.rests, workers)), "the worker has answered")
        veth.remove()
        self.go_on()
        with self.refused("NoSuchInterface"):
            self.bus.wait(token)
        self.assertEqual(list(self.bus.list("Links")), links)
        self.assertEqual(len(os.listdir(daemon.RUN + "/links")), 1)

    @needs_attach("tc")
    def test_unload_waits_for_detach(self):
        program, links, _ = self.attached(self.veth(), 2)
        self.stop_workers()
        detaching = [self.bus.start(link, LINK, "Detach") for link in links]
        unloading = self.bus.start(program, PROGRAM, "Unload")
        self.daemon.turn()
        self.go_on()
        for token in (*detaching, unloading):
            self.bus.wait(token)
        self.assertEqual(self.bus.managed("Programs"), {})

    @needs_attach("tc")
    def test_stopped_while_attaching(self):
        """The call is answered, and the filter goes, whatever the worker came to."""
        veth = self.veth()
        program, links, pid = self.attached(veth)
        self.stop_workers()
        token = self.bus.start_attach(program, interface=veth.name, direction="egress")
        until(lambda: len(os.listdir(daemon.RUN + "/links")) == 2, "the attachment is begun")
        self.daemon.end()
        with self.refused("Cancelled"):
            self.bus.wait(token)
        self.daemon.pid()
        self.assertEqual(list(self.bus.list("Links")), links)
        until(lambda: len(os.listdir(daemon.RUN + "/links")) == 1, "the file goes")
        self.assertEqual(tc_filters(veth.name), 1)

    @needs_attach("tc")
    def test_stopped_while_probing(self):
        """The name isn't taken on the way out."""
        def stopped():
            self.daemon.end()
            os.unlink(daemon.RUN + "/features")
            process = subprocess.Popen([daemon.DAEMON], stdin=subprocess.DEVNULL, text=True,
                                       stderr=subprocess.PIPE)
            self.stop(*until(lambda: daemon.children(process.pid), "it has a worker"))
            until(lambda: daemon.rests(process.pid), "it has read what it was told before")
            # Else the worker was faster than we
            probing = not os.path.exists(daemon.RUN + "/features")
            if probing:
                self.assertIsNone(self.bus.pid())
            process.terminate()
            _, stderr = process.communicate()
            self.assertEqual((process.returncode, stderr), (0, ""))
            return probing
        until(stopped, "it is stopped while it probes")

    @needs_attach("tc")
    def test_filters_of_others(self):
        """The handles that the kernel chooses for them are in nobody's way."""
        veth = self.veth()
        program = self.load("tc", "tc_count")
        pin = f"{daemon.PINS}/program/{number(program)}"
        first = self.bus.attach(program, interface=veth.name, direction="ingress")
        # The kernel counts from 1, as we do; here both are as far
        for i in range(20):
            subprocess.run(["tc", "filter", "add", "dev", veth.name, "ingress", "prio", "50",
                            "handle", str((number(first) + 1 + i) & 0x7fffffff), "bpf", "da",
                            "object-pinned", pin], check=True)
        links = [first] + [self.bus.attach(program, interface=veth.name, direction="ingress")
                           for _ in range(14)]
        check(self)
        self.assertLess(20, tc_filters(veth.name))
        for link in links:
            self.bus.detach(link)
        self.assertEqual(tc_filters(veth.name), 20)
