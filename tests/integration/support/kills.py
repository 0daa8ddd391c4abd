# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests that are played once for each way in which the service can be ended below them."""

import os
import random
import signal

from support import daemon


class Kills:
    """For a test case, which has play(kill): it does something, and calls kill() at some instant of it."""

    def kill_workers(self):
        for pid in self.daemon.workers():
            daemon.kill(pid)

    def test_daemon(self):
        self.play(lambda: self.daemon.end(signal.SIGKILL))

    def test_stop(self):
        """A worker is killed, and may yet do what it was asked for."""
        self.play(lambda: self.daemon.end(signal.SIGTERM))

    def test_workers(self):
        self.play(self.kill_workers)


def chances():
    """A seed, to be told of where something fails, and what random numbers it makes."""
    seed = int(os.environ.get("BPFKEEPER_CRASH_SEED", random.randrange(1 << 32)))
    return seed, random.Random(seed)
