# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network interfaces, and packets through them."""

import itertools
import os
import socket
import subprocess

numbers = itertools.count()

# To everybody, of a kind that nobody answers (IEEE's local experimental ethertype)
FRAME = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + b"\x88\xb5" + b"bpfkeeper".ljust(50, b".")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, stdout=subprocess.PIPE)


class Veth:
    """A pair of interfaces: what is sent on peer arrives at name."""

    def __init__(self, name=None):
        number = next(numbers)
        self.name = name or f"veth{number}"
        self.peer = f"peer{number}"
        try:
            with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as f:
                f.write("1")
        except OSError:
            pass  # some noise, then
        batch = (f"link add {self.name} type veth peer name {self.peer}\n"
                 f"link set {self.name} up\nlink set {self.peer} up\n")
        subprocess.run(["ip", "-batch", "-"], check=True, input=batch, text=True,
                       stdout=subprocess.PIPE)
        self.index = socket.if_nametoindex(self.name)

    def receive(self, n=1):
        """Has packets arrive at name."""
        transmit(self.peer, n)

    def send(self, n=1):
        """Has packets leave from name."""
        transmit(self.name, n)

    def remove(self):
        if os.path.exists(f"/sys/class/net/{self.name}") or self.name in interfaces():
            ip("link", "delete", self.name)


def interfaces():
    return [name for _, name in socket.if_nameindex()]


def transmit(interface, n=1, frame=FRAME):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        for _ in range(n):
            s.send(frame)
