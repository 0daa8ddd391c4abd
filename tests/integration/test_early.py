# SPDX-License-Identifier: LGPL-2.1-or-later
"""Early boot, before there is a bus, and a soft-reboot, in which all processes end and the kernel
goes on."""

import json
import os
import shutil
import subprocess

from support import boots, objects
from support.case import until

KEPT = "/var/lib/bpfkeeper-early"
UNIT = "/etc/systemd/system/early.service"
# As in bpfkeeper(7), and what others meet meanwhile
EARLY = """
[Unit]
Description=Load and attach before the bus is there
DefaultDependencies=no
Requires=bpfkeeper.socket
After=bpfkeeper.socket local-fs.target
Before=sysinit.target dbus.socket
ConditionPathExists=!/run/early.out

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=HOME=/root
ExecStart=bpfctl load {kept}/packet_counter.bpf.o
ExecStart=bpfctl attach count_packets lo
ExecStart=sh -c 'setpriv --reuid=4001 --clear-groups bpfctl programs >/run/early.out 2>&1; echo status $? >>/run/early.out'
ExecStart=sh -c 'setpriv --reuid=4001 --clear-groups bpfctl --private programs >>/run/early.out 2>&1; echo status $? >>/run/early.out'

[Install]
WantedBy=sysinit.target
"""


def run(*command, check=True):
    return subprocess.run(command, check=check, text=True, stdout=subprocess.PIPE).stdout


def show(unit, name):
    return run("systemctl", "show", "--property", name, "--value", unit).strip()


def soft_reboots():
    return int(run("systemctl", "show", "--property=SoftRebootsCount", "--value"))


def counted(name):
    return sum(e["value_number"] for e in json.loads(run("bpfctl", "--json=short", "map", "get", name)))


def listing():
    """Programs and links by id, as JSON has them, without what changes by itself."""
    changing = ("run_time_nsec", "run_count", "recursion_misses", "bytes_memlock")
    return {kind: {str(o["id"]): {k: v for k, v in o.items() if k not in changing}
                   for o in json.loads(run("bpfctl", "--json=short", kind))}
            for kind in ("programs", "links")}


class Early(boots.BootCase):
    def assert_runs(self, name, cause):
        before = counted(name)
        until(lambda: cause() or counted(name) > before, f"{name} are counted")

    def install(self):
        os.makedirs(KEPT)
        shutil.copy(objects.path("packet_counter"), KEPT)
        with open(UNIT, "w", encoding="ascii") as f:
            f.write(EARLY.format(kept=KEPT))
        run("systemctl", "daemon-reload")
        run("systemctl", "--quiet", "enable", "early.service", "bpfkeeper.socket")

    def remove(self):
        run("systemctl", "--quiet", "disable", "early.service")
        run("systemctl", "stop", "early.service")
        os.unlink(UNIT)
        run("systemctl", "daemon-reload")
        shutil.rmtree(KEPT)

    def test_before_the_bus_and_over_a_soft_reboot(self):
        if self.step == 0:
            self.install()
            path = self.load("tracepoint", "tracepoint_fork")
            self.bus.attach(path, tracepoint="sched:sched_process_fork")
            self.assert_runs("hits", lambda: run("true"))
            self.kept["soft_reboots"] = soft_reboots()
            self.kept["before"], self.kept["hits"] = listing(), counted("hits")
            self.reboot("soft-reboot")
        self.addCleanup(self.remove)
        self.assertEqual(soft_reboots(), self.kept["soft_reboots"] + 1)
        # What was attached is, and was all the time
        now = listing()
        for kind, known in self.kept["before"].items():
            self.assertEqual({number: now[kind].get(number) for number in known}, known)
        self.assertGreater(counted("hits"), self.kept["hits"])
        self.assert_runs("hits", lambda: run("true"))
        # The unit came before the bus, and did its work
        journal = run("journalctl", "--boot", "--no-pager", "--unit=early", "--unit=bpfkeeper*")
        self.assertEqual((show("early.service", "ActiveState"), show("early.service", "Result")),
                         ("active", "success"), journal)
        done = int(show("early.service", "ActiveEnterTimestampMonotonic"))
        for unit in ("dbus.socket", "dbus.service", "sysinit.target"):
            self.assertLess(done, int(show(unit, "ActiveEnterTimestampMonotonic")), unit)
        self.assertEqual({kind: len(known) for kind, known in now.items()},
                         {"programs": 2, "links": 2}, now)
        self.assert_runs("packets", lambda: run("ping", "-c", "1", "127.0.0.1") and None)
        # Others were refused, and told why; and see on the bus what was done
        with open("/run/early.out", encoding="utf-8") as f:
            refusals = f.read()
        self.assertRegex(refusals, "without a bus only root is served\\nstatus 1\\n")
        self.assertRegex(refusals, "Only root may use the private socket .*\\nstatus 3\\n$")
        self.assertEqual(len(self.alice.managed("Programs")), 2)
