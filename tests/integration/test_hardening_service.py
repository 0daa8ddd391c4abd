# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers, kills and bad luck do to the service itself."""

import subprocess
import sys

from support import users
from support.case import Case

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
