# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit rules, in force as soon as a function here returns."""

import glob
import itertools
import os
import shutil

from support.wait import until

DIRECTORY = "/etc/polkit-1/rules.d"
OURS = DIRECTORY + "/05-bpfkeeper-test.rules"
EXAMPLES = "/usr/share/doc/bpfkeeper/examples"
POLKIT = ("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
          "org.freedesktop.PolicyKit1.Authority")

markers = itertools.count(1)

# A rule that says yes to a question that nobody but us asks
MARKER = """
polkit.addRule(function (action, subject) {
    if (action.lookup("bpfkeeper-test-marker") === "%d")
        return polkit.Result.YES;
    return polkit.Result.NOT_HANDLED;
});
"""


def check(bus, subject, action, details=None):
    """Asks polkit itself, as root; subject is a unique name. Returns (authorized, challenge)."""
    reply = bus.call(POLKIT[1], POLKIT[2], "CheckAuthorization", "((sa{sv})sa{ss}us)",
                     ("system-bus-name", {"name": bus_string(subject)}), action, details or {}, 0, "",
                     destination=POLKIT[0])
    reply = reply if len(reply) == 3 else reply[0]
    return bool(reply[0]), bool(reply[1])


def bus_string(s):
    from support.bus import GLib
    return GLib.Variant("s", s)


class Rules:
    """The rules of the private system. subject: somebody's unique name who isn't root."""

    def __init__(self, bus, subject):
        self.bus = bus
        self.subject = subject
        self.marker = None
        os.makedirs(DIRECTORY, exist_ok=True)

    def is_in_force(self, marker):
        return check(self.bus, self.subject, "org.bpfkeeper1.load.xdp",
                     {"bpfkeeper-test-marker": str(marker)})[0]

    def write(self, *texts):
        """These rules and no others of ours."""
        self.marker = next(markers)
        with open(OURS, "w", encoding="utf-8") as f:
            # The marker first: behind the texts a rule may have answered already
            f.write(MARKER % self.marker + "\n".join(texts))
        until(lambda: self.is_in_force(self.marker), "polkit reads the new rules")

    def allow(self, user, *actions, condition="true"):
        """Text of a rule: user may do the actions (a trailing * matches the rest)."""
        tests = " || ".join(
            f'action.id.indexOf("{a[:-1]}") === 0' if a.endswith("*") else f'action.id === "{a}"'
            for a in actions)
        return ("polkit.addRule(function (action, subject) {\n"
                f'    if (subject.user === "{user}" && ({tests}) && ({condition}))\n'
                "        return polkit.Result.YES;\n"
                "    return polkit.Result.NOT_HANDLED;\n});\n")

    def use_examples(self):
        for path in glob.glob(EXAMPLES + "/*.rules"):
            shutil.copy(path, DIRECTORY)
        self.write()

    def clear(self):
        """Back to what is shipped."""
        examples = {os.path.basename(p) for p in glob.glob(EXAMPLES + "/*.rules")}
        for path in glob.glob(DIRECTORY + "/*.rules"):
            if os.path.basename(path) in examples:
                os.unlink(path)
        if self.marker is not None:
            # Read at once, so that the other rules are gone when the marker is
            os.unlink(OURS)
            until(lambda: not self.is_in_force(self.marker), "polkit forgets the rules")
            self.marker = None
