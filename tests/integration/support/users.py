# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other people: a process for each that runs as that user, with a connection to the bus of its own.

Run as a program, with the number of a socket, this file is that process.
"""

import array
import os
import pickle
import socket
import struct
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import bpf, bus  # noqa: E402
from support.bus import GLib  # noqa: E402
from support.wait import SCALE  # noqa: E402

# Whose environment may be another's still finds what was compiled before
PYTHON = [sys.executable, *(["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else [])]
UIDS = {"root": 0, "alice": 4001, "bob": 4002, "carol": 4003}


def send(sock, value, fds=()):
    data = pickle.dumps(value)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([struct.pack("=QI", len(data), len(fds))], ancillary)
    sock.sendall(data)


def receive(sock):
    head, ancillary, _, _ = sock.recvmsg(12, socket.CMSG_SPACE(64 * 4))
    if len(head) < 12:
        raise EOFError
    size, _ = struct.unpack("=QI", head)
    fds = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds += array.array("i", data[:len(data) // 4 * 4])
    parts = bytearray()
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return pickle.loads(parts), fds


def pack_variant(variant):
    return variant.get_type_string(), bytes(variant.get_data_as_bytes().get_data() or b"")


def unpack_variant(packed):
    return GLib.Variant.new_from_bytes(GLib.VariantType(packed[0]), GLib.Bytes(packed[1]), False)


class User(bus.Api):
    """Somebody: the same calls as Bus, made by a process of that user's."""

    def __init__(self, name, groups=None, prefix=()):
        self.user = name
        self.uid = UIDS[name]
        ours, theirs = socket.socketpair()
        self.sock = ours
        if groups is None:
            change = ["--init-groups"]
        else:
            change = ["--groups", ",".join(map(str, groups))]
        command = [] if self.uid == 0 and groups is None else [
            "setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", *change, "--reset-env", "--"]
        self.process = subprocess.Popen(
            [*prefix, *command, *PYTHON, os.path.abspath(__file__), str(theirs.fileno())],
            pass_fds=[theirs.fileno()])
        theirs.close()
        self.name, self.pid = self.ask("hello")

    def ask(self, what, *args, fds=()):
        value, out = self.ask_fds(what, *args, fds=fds)
        assert not out
        return value

    def ask_fds(self, what, *args, fds=()):
        send(self.sock, (what, args), fds)
        (failed, value), out = receive(self.sock)
        if failed:
            raise value
        return value, out

    def raw_call(self, destination, path, interface, method, parameters, fds, flags, timeout):
        reply, out = self.ask_fds("call", destination, path, interface, method,
                                  pack_variant(parameters), flags, timeout, fds=fds)
        return unpack_variant(reply), out

    def raw_start(self, destination, path, interface, method, parameters, fds, flags, timeout):
        return self.ask("start", destination, path, interface, method, pack_variant(parameters),
                        flags, timeout, fds=fds)

    def raw_wait(self, token):
        reply, out = self.ask_fds("wait", token)
        return unpack_variant(reply), out

    def is_done(self, token):
        return self.ask("is_done", token)

    def bpf(self, function, *args, fds=()):
        """support.bpf.FUNCTION(fds…, args…) in the user's process."""
        return self.ask("bpf", function, *args, fds=fds)

    def run(self, *command, **options):
        """subprocess.run() there; returns (status, stdout, stderr)."""
        return self.ask("run", command, options)

    def open(self, path, flags=os.O_RDONLY):
        _, (fd,) = self.ask_fds("open", path, flags)
        return fd

    def read_ringbuf(self, fd, size):
        return self.ask("read_ringbuf", size, fds=[fd])

    def start_agent(self, pid=None, dismiss=True, session=None):
        """Has an authentication agent for a process of the user's, or this one, or for a session."""
        self.ask("start_agent", pid or self.pid, dismiss, session)

    def agent(self):
        """A list of (action, message, details) that it was asked, and how many dialogs were closed."""
        return self.ask("agent_state")

    def leave(self):
        """Leaves the bus, as one who crashed does; the process stays for as long as it likes."""
        self.process.kill()
        self.process.wait()
        self.sock.close()

    def close(self):
        if self.process.poll() is None:
            self.sock.close()
            try:
                self.process.wait(10 * SCALE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Agent:
    """The user's side."""

    def __init__(self, sock):
        self.sock = sock
        self.bus = bus.Bus()
        self.pending = {}

    def hello(self, fds):
        return (self.bus.name, os.getpid()), []

    def call(self, fds, destination, path, interface, method, parameters, flags, timeout):
        # Not the blocking call, below which an agent of ours would not hear its own
        reply, out = self.bus.raw_start(destination, path, interface, method,
                                        unpack_variant(parameters), fds, flags, timeout).wait()
        return pack_variant(reply), out

    def start(self, fds, destination, path, interface, method, parameters, flags, timeout):
        token = len(self.pending)
        self.pending[token] = self.bus.raw_start(destination, path, interface, method,
                                                 unpack_variant(parameters), fds, flags, timeout)
        return token, []

    def wait(self, fds, token):
        reply, out = self.pending[token].wait()
        return pack_variant(reply), out

    def is_done(self, fds, token):
        return self.pending[token].is_done(), []

    def bpf(self, fds, function, *args):
        return getattr(bpf, function)(*fds, *args), []

    def run(self, fds, command, options):
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, **options)
        return (result.returncode, result.stdout, result.stderr), []

    def open(self, fds, path, flags):
        return None, [os.open(path, flags)]

    def read_ringbuf(self, fds, size):
        from support import ringbuf
        return ringbuf.read(fds[0], size), []

    def start_agent(self, fds, pid, dismiss, session):
        from support import agent
        self.agent = agent.Agent(self.bus, pid, dismiss, session)
        return None, []

    def agent_state(self, fds):
        while self.bus.context.iteration(False):
            pass
        return (self.agent.begun, self.agent.closed), []

    def serve(self):
        while True:
            (what, args), fds = receive(self.sock)
            try:
                value, out = getattr(self, what)(fds, *args)
                failed = False
            except (bus.BusError, OSError) as e:
                failed, value, out = True, e, []
            except Exception:  # noqa: BLE001
                failed, value, out = True, RuntimeError(traceback.format_exc()), []
            send(self.sock, (failed, value), out)
            for fd in {*fds, *out}:
                try:
                    os.close(fd)
                except OSError:
                    pass


if __name__ == "__main__":
    # Exceptions must be those of the module that the other side has
    from support import users
    try:
        users.Agent(socket.socket(fileno=int(sys.argv[1]))).serve()
    except (EOFError, ConnectionError):
        pass
