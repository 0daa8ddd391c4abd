# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon and its workers as processes, and what they leave on disk."""

import os
import signal
import subprocess

from support import bus as bus_module
from support.wait import until

DAEMON = "/usr/libexec/bpfkeeperd"
RUN = "/run/bpfkeeper"
PINS = "/sys/fs/bpf/bpfkeeper"


def status(pid):
    """/proc/PID/status as a dictionary; empty where there is no such process."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}
    except (FileNotFoundError, ProcessLookupError):
        return {}


def filters(state):
    """How many seccomp filters a process has."""
    return int(state.get("Seccomp_filters", int(state.get("Seccomp", "0") == "2")))


def is_alive(pid):
    return status(pid).get("State", "Z")[0] not in "ZX"


def rests(pid):
    """Whether it waits for something to happen, and has done what there was to do."""
    return status(pid).get("State", "Z")[0] == "S"


def children(pid):
    """Those that run a program of their own: the daemon waits for a child that is about to, and who
    stops that one stops both."""
    found = []
    own = status(pid).get("Name")
    for name in os.listdir("/proc"):
        if name.isdigit():
            s = status(name)
            if s.get("PPid") == str(pid) and s["Name"] != own and s.get("State", "Z")[0] not in "ZX":
                found.append(int(name))
    return found


def kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def stop(*pids):
    """Stops processes, and waits until they are: none of them is then in the middle of anything."""
    for pid in pids:
        kill(pid, signal.SIGSTOP)
    until(lambda: all(status(pid).get("State", "Z")[0] in "TtZX" for pid in pids),
          f"processes {pids} are stopped")


def has_systemd():
    return os.path.isdir("/run/systemd/system")


def lift_start_limit():
    """systemd gives a service up that was killed five times in ten seconds; here that is daily bread."""
    for unit in ("bpfkeeper", "polkit"):
        directory = f"/run/systemd/system/{unit}.service.d"
        os.makedirs(directory, exist_ok=True)
        with open(directory + "/tests.conf", "w", encoding="ascii") as f:
            f.write("[Unit]\nStartLimitIntervalSec=0\n")
    subprocess.run(["systemctl", "daemon-reload"], check=True)


class Daemon:
    """Whatever process has the service's name."""

    def __init__(self, bus):
        self.bus = bus

    def pid(self):
        """Starts it if need be."""
        def ask():
            self.bus.call(bus_module.ROOT, "org.freedesktop.DBus.Peer", "Ping")
            return self.bus.pid()
        return until(ask, "the service is on the bus")

    def running(self):
        return self.bus.pid()

    def workers(self):
        return children(self.pid())

    def turn(self):
        """Returns when its loop has gone round: what it was about to hand to a worker, it has."""
        for _ in range(3):
            self.bus.call(bus_module.ROOT, "org.freedesktop.DBus.Peer", "Ping")

    def busy_workers(self):
        """Those that took a role, and with it a filter more than the unit's, which the spare one has."""
        pid = self.pid()
        before = filters(status(pid))
        return [w for w in children(pid) if filters(status(w)) > before]

    def stop_workers(self):
        """Stops those that there are, and returns them. The daemon is held meanwhile, since it ends and
        starts workers whenever it likes; of those that it has ended already something is left until it
        goes on."""
        pid = self.pid()
        stop(pid)
        try:
            workers = children(pid)
            stop(*workers)
        finally:
            kill(pid, signal.SIGCONT)
        return workers

    def end(self, sig=signal.SIGTERM):
        """Ends the running daemon, if any, and waits until it is gone. Returns its pid."""
        owner = self.bus.owner()
        pid = self.running()
        if pid:
            kill(pid, sig)
            until(lambda: not is_alive(pid), f"process {pid} ends")
            # What is sent before the bus has noticed gets no answer
            until(lambda: self.bus.owner() != owner, "the bus sees it gone")
        return pid

    def restart(self, sig=signal.SIGTERM):
        """Ends it and has it started again; the new one's pid."""
        before = self.end(sig)
        after = self.pid()
        assert after != before
        return after

    def start_apart(self, bus, listener):
        """Runs it as a child of ours as systemd would in early boot: with a listening socket, and for
        a system bus at an address where one may come to be. Returns the Popen."""
        self.end()
        fd = os.dup(listener.fileno())
        # The number that sd_listen_fds(3) begins with, and who is meant
        script = f'exec 3<&{fd} {fd}<&-; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@"'
        try:
            return subprocess.Popen(["bash", "-c", script, DAEMON, "--idle-timeout=0"],
                                    stdin=subprocess.DEVNULL, pass_fds=[fd],
                                    env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus})
        finally:
            os.close(fd)

    def start_by_hand(self, *arguments):
        """Runs it as a child of ours; whoever calls ends it. Returns the Popen."""
        self.end()
        process = subprocess.Popen([DAEMON, *arguments], stdin=subprocess.DEVNULL)
        until(lambda: self.bus.pid() == process.pid or process.poll() is not None,
              "the daemon is on the bus")
        assert process.poll() is None, f"the daemon ended with {process.returncode}"
        return process


def listing():
    """Everything that is kept on disk: state files and pins, but for what is always there."""
    found = set()
    for top in (RUN, PINS):
        for directory, _, files in os.walk(top):
            found.update(os.path.join(directory, f) for f in files)
    always = ("lock", "workers.lock", "features", "next-id", "private")
    return found - {f"{RUN}/{name}" for name in always}


def wipe():
    """Removes everything that is kept. The daemon must not run."""
    for path in listing():
        os.unlink(path)


def read_state():
    """The state files' contents by path."""
    contents = {}
    for path in listing():
        if path.startswith(RUN):
            try:
                with open(path, "rb") as f:
                    contents[path] = f.read()
            except FileNotFoundError:
                pass
    return contents
