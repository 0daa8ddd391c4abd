# SPDX-License-Identifier: LGPL-2.1-or-later
"""The type whose programs are on no hook, and are told to run. And those that go on a device, which has to be
there, or on a socket, whose they are from then on.

A Use is a context in which the program is where it belongs, with cause(), which makes it run there.
"""

import contextlib
import glob
import os
import socket
import stat
import struct
import subprocess

from support.bus import Fd

SO_DETACH_FILTER, SO_DETACH_REUSEPORT_BPF = 27, 68


class Use:
    """lacks() tells what the kernel has not, for programs that can be loaded all the same."""

    def __init__(self, kind, obj, program, context, index=0, lacks=lambda: None):
        self.kind, self.object, self.program, self.index = kind, obj, program, index
        self.context, self.lacks = context, lacks


def send_to(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", address)


def on_socket(undo, *options):
    """On a socket of this process's; a datagram that arrives there has it run."""
    @contextlib.contextmanager
    def context(case, program):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for each in options:
                s.setsockopt(socket.SOL_SOCKET, each, 1)
            s.bind(("127.0.0.1", 0))
            case.assertEqual(case.bus.attach(program, socket=Fd(s.fileno())), "/")
            yield lambda: send_to(s.getsockname())
            s.setsockopt(socket.SOL_SOCKET, undo, 0)
            case.assert_idle(program, lambda: send_to(s.getsockname()))
    return context


def find_receiver():
    """The directory in /sys of the infrared receiver that gets what it sends; None: there is none."""
    for path in glob.glob("/sys/class/rc/rc*/uevent"):
        with open(path, encoding="ascii") as f:
            if "DRV_NAME=rc-loopback\n" in f.read():
                return glob.glob(os.path.dirname(path) + "/lirc*")[0]
    return None


def lacks_receiver():
    if not find_receiver():
        subprocess.run(["modprobe", "--quiet", "rc-loopback"], check=False)
    return None if find_receiver() else "the kernel has no CONFIG_RC_LOOPBACK"


def open_receiver(case):
    found = find_receiver()
    path = "/dev/" + os.path.basename(found)
    if not os.path.exists(path):
        # The sandbox's /dev has little of what the machine has
        with open(found + "/dev", encoding="ascii") as f:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*map(int, f.read().split(":"))))
    return case.keep(os.open(path, os.O_RDWR | os.O_CLOEXEC))


def send_infrared(device):
    # a pulse, a space and a pulse, in microseconds
    os.write(device, struct.pack("=III", 900, 900, 900))


@contextlib.contextmanager
def on_receiver(case, program):
    device = open_receiver(case)
    link = case.bus.attach(program, device=Fd(device))
    yield lambda: send_infrared(device)
    case.bus.detach(link)
    case.assert_idle(program, lambda: send_infrared(device))


def told(case, program):
    """Where it is told to run it has a context, in which it leaves a sum."""
    def run():
        _, _, results = case.bus.test_run(program, context=struct.pack("=QQ", 40, 2))
        case.assertEqual(struct.unpack("=QQ", results["context"]), (42, 2))
    return contextlib.nullcontext(run)


USES = [
    Use("syscall", "syscall", "syscall_sum", told),
]
# Those that the service attaches where hooks() has no place for them
ATTACHED = [
    Use("lirc_mode2", "lirc", "lirc_count", on_receiver, lacks=lacks_receiver),
    Use("socket_filter", "socket", "socket_count", on_socket(SO_DETACH_FILTER)),
    Use("sk_reuseport", "socket", "reuseport_count",
        on_socket(SO_DETACH_REUSEPORT_BPF, socket.SO_REUSEPORT), index=1),
]
