# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting for what comes soon, or not at all."""

import os
import time

# How much longer than natively everything may take
SCALE = float(os.environ.get("BPFKEEPER_TIME_SCALE") or 1)
# How much less often than usual is done what is done over and over
HASTE = float(os.environ.get("BPFKEEPER_HASTE") or 1)
# Under sanitizers and on busy machines everything takes its time as well
PATIENCE = 20 * SCALE


def rounds(n):
    """How often to do again what is to be done n times where there is time for that."""
    return max(round(n / max(SCALE, HASTE)), 1)


def some(things):
    """All of them, or every second one where everything takes long."""
    return things[::2] if SCALE > 1 else things


def until(condition, what, patience=PATIENCE):
    """Returns the first true value of condition(); AssertionError if there is none in time."""
    end = time.monotonic() + patience
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not in {patience} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
