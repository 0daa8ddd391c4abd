# SPDX-License-Identifier: LGPL-2.1-or-later
"""Under systemd: the unit, and sessions of logind's."""

import contextlib
import os
import re
import signal
import subprocess
import time

from support import daemon, objects, rules
from support.bus import NAME, Private
from support.case import MANAGER, ROOT, Case, needs_attach, number, until
from support.wait import SCALE

SOURCE = os.environ.get("BPFKEEPER_SOURCE", ".")
UNIT = "bpfkeeper.service"


def systemctl(*arguments, check=True):
    return subprocess.run(["systemctl", *arguments], check=check, text=True,
                          stdout=subprocess.PIPE).stdout


def show(name):
    return systemctl("show", "--property", name, "--value", UNIT).strip()


class Systemd(Case):
    def setUp(self):
        if not daemon.has_systemd():
            self.skipTest("PID 1 isn't systemd")
        super().setUp()

    def drop_in(self, text):
        """Settings of the unit's for this test."""
        path = f"/run/systemd/system/{UNIT}.d/this-test.conf"
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        systemctl("daemon-reload")
        self.daemon.end()

        def restore():
            os.unlink(path)
            systemctl("daemon-reload")
            self.daemon.end()
        self.addCleanup(restore)


class Unit(Systemd):
    def test_activated_as_a_unit(self):
        systemctl("stop", UNIT)
        self.assertEqual(show("ActiveState"), "inactive")
        pid = self.daemon.pid()
        self.assertEqual(show("ActiveState"), "active")
        self.assertEqual(show("MainPID"), str(pid))
        self.assertEqual(show("Type"), "notify")
        self.assertIn(UNIT, systemctl("status", UNIT))
        for worker in self.daemon.workers():
            # One that has served may end meanwhile
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                    open(f"/proc/{worker}/cgroup", encoding="ascii") as f:
                self.assertIn(UNIT, f.read())

    def test_restart_and_stop_keep_everything(self):
        veth = self.veth()
        program = self.load("tc", "tc_count")
        self.bus.attach(program, interface=veth.name, direction="ingress")
        self.bus.attach(self.load("tcx", "tcx_ingress"), interface=veth.name)
        before = self.snapshot()
        for command in (["restart"], ["stop"], ["kill", "--signal=SIGKILL"], ["try-restart"]):
            with self.subTest(command=command):
                pid = self.daemon.pid()
                systemctl(*command, UNIT)
                until(lambda p=pid: not daemon.is_alive(p), "it ends")
                owner = self.bus.owner()
                until(lambda p=pid: self.bus.pid() != p, f"{owner} is gone")
                self.assert_counts(program, veth.receive)
                self.assertEqual(self.snapshot(), before)

    def test_killed_it_is_started_again(self):
        pid = self.daemon.pid()
        daemon.kill(pid)
        until(lambda: show("ActiveState") == "active" and show("MainPID") not in ("0", str(pid)),
              "systemd starts it again")
        self.assertEqual(show("Result"), "success")

    def test_leaves_when_idle(self):
        self.drop_in("[Service]\nExecStart=\nExecStart=/usr/libexec/bpfkeeperd --idle-timeout=1\n")
        program = self.load("tc", "tc_count")
        pid = self.daemon.pid()
        until(lambda: show("ActiveState") == "inactive", "it leaves")
        self.assertEqual(show("Result"), "success")
        self.assertIn(program, self.bus.managed("Programs"))
        self.assertNotEqual(self.daemon.pid(), pid)

    def test_hardening_is_in_force(self):
        pid = self.daemon.pid()
        state = daemon.status(pid)
        self.assertEqual(state["NoNewPrivs"], "1")
        self.assertEqual(state["Seccomp"], "2")
        inside = ["nsenter", "--mount", "--target", str(pid), "--"]
        for path, writable in (("/usr/x", False), ("/usr/libexec/x", False), ("/etc/x", False),
                               ("/x", False), ("/home/x", False), ("/sys/kernel/x", False),
                               ("/run/bpfkeeper/.new-x", True), ("/proc/sys/kernel/x", False)):
            done = subprocess.run([*inside, "touch", path], stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode == 0, writable, path)
        os.unlink("/run/bpfkeeper/.new-x")
        # Pins are where everybody sees them
        self.load("tc")
        self.assertTrue(os.listdir(daemon.PINS + "/program"))

    def test_systemd_understands_it(self):
        out = subprocess.run(["systemd-analyze", "verify", "--man=no", UNIT], check=False, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((out.returncode, out.stdout), (0, ""))

    def test_exposure(self):
        """By the reckoning of systemd-analyze(1), of 10."""
        out = subprocess.run(["systemd-analyze", "security", "--no-pager", UNIT], check=False,
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        score = re.search(r"Overall exposure level for .*: ([0-9.]+)", out)
        self.assertTrue(score, out)
        self.note(f"{UNIT} is exposed {score[1]}")
        self.assertLessEqual(float(score[1]), 3.0, out)

    def test_watchdog(self):
        """A daemon whose loop has stopped is replaced, and nothing is lost."""
        # It says so three times as often, and may have to wait for its turn
        seconds = max(SCALE, 2)
        self.drop_in(f"[Service]\nWatchdogSec={seconds}s\n")
        veth = self.veth()
        program = self.load("tc", "tc_count")
        self.bus.attach(program, interface=veth.name, direction="ingress")
        before = self.snapshot()
        pid = self.daemon.pid()
        time.sleep(1.5 * seconds)
        self.assertEqual(self.daemon.running(), pid, "it is alive while it does nothing")
        os.kill(pid, signal.SIGSTOP)
        until(lambda: show("ActiveState") == "active" and show("MainPID") not in ("0", str(pid)),
              "systemd starts another")
        self.assertEqual(self.snapshot(), before)
        self.assert_counts(program, veth.receive)

    @needs_attach("tc", "tcx")
    def test_reload(self):
        """What a restart would find out, and the process stays."""
        veth = self.veth()
        kept = self.load("tc", "tc_count")
        self.bus.attach(kept, interface=veth.name, direction="ingress")
        before, pid = self.snapshot(), self.daemon.pid()
        features = self.bus.get(ROOT, MANAGER, "Features")
        attached, lost = self.load("tcx", "tcx_ingress"), self.load("tracepoint")
        link = self.bus.attach(attached, interface=veth.name)
        # Behind its back: a link, and programs that nothing else holds
        os.unlink(f"{daemon.PINS}/link/{number(link)}_0")
        for path in lost:
            os.unlink(f"{daemon.PINS}/program/{number(path)}")
        with open(daemon.RUN + "/features", "w", encoding="ascii") as f:
            f.write("nothing")
        systemctl("reload", UNIT)
        until(lambda: link not in self.bus.list("Links"), "the link is missed")
        until(lambda: not set(lost) & set(self.bus.managed("Programs")), "the programs are missed")
        until(lambda: show("ActiveState") == "active", "it is done")
        self.bus.unload(attached)
        self.assertEqual(self.snapshot(), before)
        self.assertEqual(self.bus.get(ROOT, MANAGER, "Features"), features)
        with open(daemon.RUN + "/features", encoding="ascii") as f:
            self.assertIn("[Features]", f.read())
        self.assertEqual(self.daemon.pid(), pid)
        self.assert_counts(kept, veth.receive)

    def test_reload_says_when_it_is_done(self):
        self.daemon.pid()
        for _ in range(5):
            systemctl("reload", UNIT)
        until(lambda: show("ActiveState") == "active", "it is done")
        self.assertEqual(show("Result"), "success")

    @needs_attach("tc")
    def test_reexecuted_systemd(self):
        """Neither the process nor the socket nor what is attached knows of it."""
        veth = self.veth()
        program = self.load("tc", "tc_count")
        self.bus.attach(program, interface=veth.name, direction="ingress")
        before, pid = self.snapshot(), self.daemon.pid()
        systemctl("daemon-reexec")
        self.assertEqual(show("MainPID"), str(pid))
        self.assertEqual(self.snapshot(), before)
        self.assert_counts(program, veth.receive)
        systemctl("restart", UNIT)
        self.assertEqual(self.snapshot(), before)
        self.assertNotEqual(self.daemon.pid(), pid)
        connection = Private()
        self.assertIn(program, connection.managed("Programs"))
        connection.close()

    def test_killed_often(self):
        """Who calls next has it started, however often it was killed."""
        directory = f"/run/systemd/system/{UNIT}.d"
        os.rename(f"{directory}/tests.conf", f"{directory}/tests.away")
        systemctl("daemon-reload")

        def restore():
            os.rename(f"{directory}/tests.away", f"{directory}/tests.conf")
            systemctl("daemon-reload")
        self.addCleanup(restore)
        for _ in range(12):
            self.daemon.pid()
            self.daemon.end(signal.SIGKILL)
        self.assertTrue(self.daemon.pid())

    def test_masked_polkit(self):
        """A polkit that can't be started is none: root may, others NoAuthority."""
        systemctl("mask", "--runtime", "polkit.service")
        self.addCleanup(rules.check, self.bus, self.carol.name, "org.bpfkeeper1.load.xdp")
        self.addCleanup(systemctl, "unmask", "--runtime", "polkit.service")
        systemctl("stop", "polkit.service")
        self.load("tc")
        with self.refused("NoAuthority"):
            self.load("tc", who=self.alice)
        self.alice.inspect(self.object("tc"))


class Sessions(Systemd):
    """allow_any is not allow_active: an active session may be asked for a password and remembered."""

    RULE = """
polkit.addRule(function (action, subject) {
    if (action.id === "org.bpfkeeper1.load.xdp" && subject.active && subject.local)
        return polkit.Result.YES;
    return polkit.Result.NOT_HANDLED;
});"""

    def in_session(self, user, *command):
        return subprocess.run([SOURCE + "/tests/lib/session", user, *command], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=120)

    def test_rules_see_whether_it_is_active(self):
        self.rules.write(self.RULE)
        load = ["bpfctl", "--no-ask-password", "load", objects.path("packet_counter")]
        done = self.in_session("bob", *load)
        self.assertEqual(done.returncode, 0, done.stdout)
        status, _, err = self.bob.run(*load)
        self.assertEqual(status, 3, err)
        self.assertEqual(len(self.bus.managed("Programs")), 1)

    def test_as_shipped_an_active_session_needs_a_password(self):
        done = self.in_session("bob", "bpfctl", "--no-ask-password", "load", objects.path("tc"))
        self.assertEqual(done.returncode, 3, done.stdout)
        done = self.in_session("bob", "pkcheck", "--action-id", "org.bpfkeeper1.load.xdp",
                               "--process", "1")
        self.assertNotEqual(done.returncode, 0)
        actions = subprocess.run(["pkaction", "--verbose", "--action-id", NAME + ".load.xdp"],
                                 check=True, text=True, stdout=subprocess.PIPE).stdout
        self.assertRegex(actions, r"implicit any:\s+auth_admin\n")
        self.assertRegex(actions, r"implicit active:\s+auth_admin_keep")
