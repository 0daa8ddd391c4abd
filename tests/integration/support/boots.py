# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests that have the system booted again, and go on after it (tests/vm --reboots).

    class Something(boots.BootCase):
        def test_it(self):
            if self.step == 0:
                self.kept["program"] = self.load("tc")
                self.reboot()                   # or "soft-reboot"; it doesn't return
            self.assertEqual(...)               # step 1, in the next boot

After a reboot the test begins again, with setUp(). Its cleanups do not run before.
"""

import json
import os
import subprocess
import sys
import time

from support import outcome
from support.case import Case

STATE = "/var/lib/bpfkeeper-tests/boots.json"
POSSIBLE = os.environ.get("BPFKEEPER_REBOOTS") == "yes"

# Of the test that goes on: its name, its step, and what it kept
going_on = {}
# What main has counted, for who comes after us
counts = {}


def begin():
    """Where main goes on: a test's name, or None to begin at the beginning."""
    if int(os.environ.get("BPFKEEPER_BOOT") or 1) == 1:
        return None
    try:
        with open(STATE, encoding="utf-8") as f:
            state = json.load(f)
    except FileNotFoundError:
        raise SystemExit("main: the system was booted again, and no test had asked for it") from None
    os.unlink(STATE)
    counts.update(state.pop("counts"))
    outcome.reached.update(state.pop("reached"))
    outcome.reasons.update(state.pop("reasons"))
    going_on.update(state)
    return going_on["test"]


class BootCase(Case):
    def setUp(self):
        if not POSSIBLE:
            self.skipTest("the system can't be booted again here")
        super().setUp()
        before = going_on if going_on.get("test") == self.id() else {}
        self.step, self.kept = before.get("step", 0), before.get("kept", {})

    def reboot(self, how="reboot"):
        """how: a verb of systemctl's."""
        with open(STATE, "w", encoding="utf-8") as f:
            json.dump({"test": self.id(), "step": self.step + 1, "kept": self.kept, "counts": counts,
                       "reached": outcome.reached, "reasons": outcome.reasons}, f)
        sys.stdout.flush()
        os.sync()
        subprocess.run(["systemctl", "--no-block", how], check=True)
        while True:
            time.sleep(1)
