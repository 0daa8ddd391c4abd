# SPDX-License-Identifier: LGPL-2.1-or-later
"""A person at a terminal: a shell on a pseudo-terminal, typed at and read."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from support import daemon
from support.users import UIDS
from support.wait import PATIENCE, until

SOURCE = os.environ.get("BPFKEEPER_SOURCE", ".")

# What the shell shows before it reads: how the last command ended
READY = r"\[(\d+)\]> "
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a pseudo-terminal of its own, which is its controlling one."""

    def __init__(self, *command, environment=None):
        self.text = ""
        self.seen = 0
        pid, self.master = pty.fork()
        if pid == 0:
            try:
                os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", **(environment or {})})
            finally:
                os._exit(127)
        self.pid = pid

    def read(self, patience):
        """Whether there was something."""
        if not select.select([self.master], [], [], patience)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # nobody has the other side any more
            data = b""
        if not data:
            raise EOFError
        self.text = COLOUR.sub("", self.text + data.decode(errors="replace").replace("\r\n", "\n"))
        return True

    def expect(self, pattern, patience=PATIENCE):
        """Reads until the pattern appears behind what was expected before; returns the match."""
        end = time.monotonic() + patience
        while True:
            match = re.compile(pattern, re.M).search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return match
            try:
                self.read(max(0, min(0.2, end - time.monotonic())))
            except EOFError:
                raise AssertionError(f"the terminal closed before {pattern!r}: "
                                     f"{self.text[-2000:]!r}") from None
            if time.monotonic() > end:
                raise AssertionError(f"not in {patience} s on the terminal: {pattern!r}; but "
                                     f"{self.text[-2000:]!r}")

    def is_silent(self, pattern, patience=0.3):
        """That the pattern doesn't appear for a while."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            self.read(0.05)
        return not re.compile(pattern, re.M).search(self.text, self.seen)

    def type(self, text, enter=True):
        os.write(self.master, (text + ("\n" if enter else "")).encode())

    def interrupt(self):
        self.type("\x03", enter=False)

    def end_of_file(self):
        self.type("\x04", enter=False)

    def close(self):
        """Hangs up."""
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
        if self.pid:
            daemon.kill(self.pid, signal.SIGHUP)
            end = time.monotonic() + 5
            while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > end:
                    daemon.kill(self.pid)
                time.sleep(0.01)
            self.pid = 0


class Person(Terminal):
    """A user at a shell: in a session of logind's, active at the machine's seat, or, with seat=False,
    in one that has none; where there is no logind, in no session at all."""

    def __init__(self, user, seat=True):
        self.user, self.uid, self.session = user, UIDS[user], None
        shell = ["/bin/bash", "--norc", "--noprofile", "--noediting"]
        if daemon.has_systemd():
            session = [SOURCE + "/tests/lib/session", *([] if seat else ["--no-seat"])]
            super().__init__(*session, user, *shell)
        else:
            super().__init__("setpriv", f"--reuid={self.uid}", f"--regid={self.uid}",
                             "--init-groups", "--reset-env", "--", *shell)
        # In two parts, so that what is echoed isn't taken for it
        self.type("PS1='[$?]''> '")
        self.expect(READY)
        self.tty = self.run("tty")[1].strip()
        self.shell = int(self.run("echo $$")[1])
        if daemon.has_systemd():
            self.session = self.run("echo $XDG_SESSION_ID")[1].strip()

    def start(self, command):
        """Types a command."""
        self.type(command)
        self.expect(re.escape(command[-20:]) + r"\n")
        self.begin = self.seen

    def finish(self, patience=PATIENCE):
        """Waits for the shell; returns the command's status and what was shown since it started."""
        status = int(self.expect(r"^" + READY, patience).group(1))
        return status, self.text[self.begin:self.seen].rpartition("\n")[0]

    def settle(self):
        """After ^C the agent and the shell may each throw away what is typed too early."""
        while True:
            self.type("")
            try:
                self.expect(r"^" + READY, 0.5)
                return
            except AssertionError:
                pass

    def run(self, command):
        self.start(command)
        return self.finish()

    def echoes(self):
        """Whether the terminal shows what is typed, as it doesn't while a password is read."""
        fd = os.open(self.tty, os.O_RDONLY | os.O_NOCTTY)
        try:
            return bool(termios.tcgetattr(fd)[3] & termios.ECHO)
        finally:
            os.close(fd)

    def asked(self):
        """Waits until the text agent asks for a password; returns (action, message, as whom)."""
        match = self.expect(r"AUTHENTICATING FOR (\S+) =+\n(.*)\nAuthenticating as: (.*)\n")
        self.expect(r"Password: ")
        until(lambda: not self.echoes(), "the terminal stops echoing")
        return match.groups()

    def start_agent(self, user):
        """Has the text agent ask here whatever polkit asks of that process of the user's."""
        # It closes the descriptor when polkit knows of it
        self.start(f"pkttyagent --process {user.pid} --notify-fd 3 3>&1 >/dev/null |"
                   " (cat; echo REGISTERED)")
        self.expect(r"^REGISTERED$")

    def processes(self, name):
        """The person's processes of that name."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            state = daemon.status(pid)
            if state.get("Name") == name[:15] and state.get("State", "Z")[0] not in "ZX" and \
                    state["Uid"].split()[0] == str(self.uid):
                found.append(int(pid))
        return found

    def adopt(self, pid):
        """Moves a process of the user's into the session."""
        with open(f"/proc/{self.shell}/cgroup", encoding="ascii") as f:
            path = f.read().strip().rpartition("::")[2]
        with open(f"/sys/fs/cgroup{path}/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(pid))

    def hang_up(self):
        """As when the window is closed, or the line breaks."""
        if self.session:
            subprocess.run(["loginctl", "terminate-session", self.session], check=True)
        self.close()
