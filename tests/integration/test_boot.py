# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system is booted again."""

import os
import subprocess

from support import boots, daemon


class Boot(boots.BootCase):
    def boot_id(self):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            return f.read().strip()

    def assert_system_is_well(self):
        failed = subprocess.run(["systemctl", "--failed", "--plain", "--no-legend"], check=True,
                                text=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(failed, "")

    def test_reboot(self):
        """The kernel's objects end with it, and so does what the service knows of them."""
        if self.step == 0:
            program = self.load("tracepoint", "tracepoint_fork")
            self.bus.attach(program)
            self.kept["boot"] = self.boot_id()
            self.reboot()
        self.assertNotEqual(self.boot_id(), self.kept["boot"])
        self.assert_system_is_well()
        self.assertEqual(self.bus.managed("Programs"), {})
        self.assertEqual(self.bus.list("Links"), {})
        self.assertEqual(daemon.listing(), set())
        self.load("tc", "tc_count")

    def test_soft_reboot(self):
        """The kernel goes on, and so does all that it holds."""
        if self.step == 0:
            program = self.load("tracepoint", "tracepoint_fork", name="app")
            link = self.bus.attach(program)
            self.kept.update(boot=self.boot_id(), program=program, link=link,
                             hits=self.hits(program))
            self.reboot("soft-reboot")
        self.assertEqual(self.boot_id(), self.kept["boot"])
        self.assert_system_is_well()
        self.assertEqual(list(self.bus.list("Links")), [self.kept["link"]])
        self.assertEqual(list(self.bus.managed("Programs")), [self.kept["program"]])
        # The reboot itself was seen
        self.assertGreater(self.hits(self.kept["program"]), self.kept["hits"] + 10)
        self.assertTrue(os.path.isdir(daemon.RUN))
