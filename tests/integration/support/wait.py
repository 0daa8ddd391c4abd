# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting for what comes soon, or not at all."""

import time

# Under sanitizers, in emulation and on busy machines everything takes its time
PATIENCE = 20


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
