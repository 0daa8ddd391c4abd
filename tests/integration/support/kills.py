# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests that are played once for each way in which the service can be ended below them."""

import os
import random
import signal
import time

from support import daemon
from support.bus import LINK, BusError
from support.change import replace, start_replace
from support.consistency import check, parse
from support.wait import rounds


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


class Strikes(Kills):
    """Killed at any instant of attaching, replacing and detaching: there is one program or the other, or none.
    For a test case that has old and new, two programs, and what is below."""

    def prepare(self):
        """What there is to be before the first round."""

    def start(self, i):
        """Has the old program be attached, in that round; a token."""
        raise NotImplementedError

    def ours(self):
        """The links that these programs have."""
        return self.bus.list("Links")

    def assert_there(self, i, links):
        """What the links say is so, which there are after that round; or there are none."""
        raise NotImplementedError

    def play(self, kill):
        seed, chance = chances()
        self.prepare()
        duration = self.measure()
        for i in range(rounds(10)):
            with self.subTest(seed=seed, round=i):
                self.round(i, lambda: (time.sleep(chance.random() * duration), kill()))

    def measure(self):
        begin = time.monotonic()
        link = self.bus.wait(self.start(0))
        replace(self.bus, link, self.new)
        self.bus.detach(link)
        return (time.monotonic() - begin) / 3

    def round(self, i, strike):
        token, link, step = self.start(i), None, i % 3
        if step > 0:
            link = self.bus.wait(token)
            token = start_replace(self.bus, link, self.new) if step == 1 else \
                self.bus.start(link, LINK, "Detach")
        strike()
        try:
            result = self.bus.wait(token)
        except BusError:
            result = None
        self.daemon.pid()
        check(self)
        links = self.ours()
        self.assert_there(i, links)
        if step == 0 and result:
            self.assertEqual(list(links), [result])
        if step == 1:
            self.assertEqual(list(links), [link])
        for path in links:
            state = parse(f"{daemon.RUN}/links/{path.rpartition('_')[2]}")
            self.assertEqual(state["Link"]["State"], "attached")
            self.bus.detach(path)
        self.assert_there(i, {})
        self.assertEqual(os.listdir(f"{daemon.RUN}/changes"), [])
