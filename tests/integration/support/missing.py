# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the test that runs asked for and the kernel lacks: until it has run where that is, it has been run
partly. tests/integration/main begins this anew with each test, and says it."""

import contextlib

things = {}


def note(thing):
    """thing: what the kernel lacks, such as a program type."""
    things[thing] = True


@contextlib.contextmanager
def unimportant():
    """The test takes what there is, and says as much without the rest."""
    before = dict(things)
    try:
        yield
    finally:
        things.clear()
        things.update(before)
