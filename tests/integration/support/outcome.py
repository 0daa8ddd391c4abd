# SPDX-License-Identifier: LGPL-2.1-or-later
"""What became of each program type here, as the tests saw it: how far it got, and why no further."""

STEPS = ("loaded", "attached", "fired")
NOTHING = "not tested"

reached = {}
reasons = {}


def got(kind, step):
    """A program of the type was loaded, attached, or made to run by a real event."""
    if STEPS.index(step) >= STEPS.index(reached.get(kind, STEPS[0])):
        reached[kind] = step


def refused(kind, step, message):
    """It was refused that step, with these words."""
    reasons.setdefault(kind, f"not {step}: {message}")


def seen(kind):
    return kind in reached or kind in reasons


def lines(kinds):
    """A line for each type, which tests/lib/report reads: "type NAME STEP[: REASON]"."""
    for kind in kinds:
        step = reached.get(kind, "refused" if kind in reasons else NOTHING)
        reason = reasons.get(kind) if step != STEPS[-1] else None
        yield f"type {kind} {step}" + (f": {' '.join(reason.split())}" if reason else "")
