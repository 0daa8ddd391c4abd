# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers, kills and bad luck do to the service itself."""

import os
import signal
import subprocess
import sys

from support import daemon, users
from support.case import Case, needs_attach, until
from support.consistency import rewrite

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
        crowds = [run_as(user, sys.executable, "-c", CROWD, "200", sys.path[0])
                  for user in ("alice", "bob", "carol")]
        for crowd in crowds:
            self.addCleanup(crowd.communicate)
        self.assertEqual([crowd.stdout.readline() for crowd in crowds], ["here\n"] * 3)
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
