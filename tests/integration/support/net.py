# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network interfaces, and packets through them."""

import contextlib
import ctypes
import errno
import functools
import itertools
import os
import re
import signal
import socket
import struct
import subprocess

numbers = itertools.count()

# To everybody, of a kind that nobody answers (IEEE's local experimental ethertype)
FRAME = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + b"\x88\xb5" + b"bpfkeeper".ljust(50, b".")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, stdout=subprocess.PIPE)


def disable_ipv6():
    """Of interfaces that are made from now on, which would send something at once."""
    try:
        with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as f:
            f.write("1")
    except OSError:
        pass  # some noise, then


class Veth:
    """A pair of interfaces: what is sent on peer arrives at name."""

    def __init__(self, name=None):
        number = next(numbers)
        self.name = name or f"veth{number}"
        self.peer = f"peer{number}"
        disable_ipv6()
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


def tc(*arguments, check=True):
    return subprocess.run(["tc", *arguments], check=check, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)


@functools.cache
def can_make_actions():
    """Whether the kernel has CONFIG_NET_ACT_BPF."""
    action = ["action", "bpf", "index", "213"]
    if tc("actions", "add", *action[:2], "bytecode", "1,6 0 0 0", *action[2:], check=False).returncode:
        return False
    tc("actions", "del", *action)
    return True


# "bpfkeeper", as tc(8) shows it
COOKIE = b"bpfkeeper".hex()


def actions(ours=True):
    """The bpf actions of this network namespace, ids of programs by indexes; 0 where it is none."""
    shown = tc("actions", "ls", "action", "bpf").stdout
    found = {}
    for text in shown.split("action order ")[1:]:
        if ours and f"cookie {COOKIE}" not in text:
            continue
        program = re.search(r" id (\d+) ", text)
        found[int(re.search(r"\bindex (\d+)", text)[1])] = int(program[1]) if program else 0
    return found


@contextlib.contextmanager
def picking(interface, *indexes):
    """What is transmitted there is picked by a filter that has these actions, one after the other."""
    words = [w for i in indexes for w in ("action", "bpf", "index", str(i))]
    tc("qdisc", "add", "dev", interface, "clsact", check=False)
    tc("filter", "add", "dev", interface, "ingress", "protocol", "0x88b5", "matchall", *words)
    try:
        yield
    finally:
        tc("filter", "del", "dev", interface, "ingress")


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data.ljust((len(data) + 3) & ~3, b"\0")


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    return 0xFFFF - (total % 0xFFFF)


class Routed(Veth):
    """A pair with addresses, and routes by name to networks behind a neighbour at peer, who is none."""

    def __init__(self):
        super().__init__()
        n = self.index % 256
        self.gateway, self.source = f"10.213.{n}.2", f"10.213.{n}.9"
        self.route, self.host = f"10.214.{n}.0/24", f"10.214.{n}.2"
        self.segment, self.next_segment = f"fd00:213:{n:x}::1/128", f"fd00:213:{n:x}::2"
        self.configure(self.name, ipv4=("forwarding", "1"), ipv6=("disable_ipv6", "0"))
        self.configure(self.name, ipv4=("send_redirects", "0"))
        self.batch(f"address add 10.213.{n}.1/24 dev {self.name}",
                   f"neighbour add {self.gateway} dev {self.name} lladdr 02:00:00:00:00:02",
                   f"route add {self.route} via {self.gateway} dev {self.name}",
                   f"route add {self.segment} dev {self.name}")

    @staticmethod
    def configure(name, **settings):
        for family, (setting, value) in settings.items():
            with open(f"/proc/sys/net/{family}/conf/{name}/{setting}", "w", encoding="ascii") as f:
                f.write(value)

    @staticmethod
    def batch(*lines):
        subprocess.run(["ip", "-batch", "-"], check=True, input="\n".join(lines), text=True,
                       stdout=subprocess.PIPE)

    def to_route(self):
        """Has a datagram leave by the route."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", (self.host, 9))

    def head(self, kind):
        """An Ethernet header, for name."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind((self.name, 0))
            return s.getsockname()[4] + FRAME[6:12] + kind

    def through_route(self):
        """Has a datagram arrive that goes on by the route."""
        datagram = struct.pack("!HHHH", 9, 9, 9, 0) + b"x"

        def header(check):
            return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, check,
                               socket.inet_aton(self.source), socket.inet_aton(self.host))
        transmit(self.peer, frame=self.head(b"\x08\x00") + header(checksum(header(0))) + datagram)

    def to_segment(self):
        """Has an IPv6 packet arrive whose routing header leads over one segment to another."""
        here, there, source = (socket.inet_pton(socket.AF_INET6, a) for a in
                               (self.segment.removesuffix("/128"), self.next_segment, "fd00:213::9"))
        # no next header, four times eight bytes, type, segments left, last entry, flags and tag
        routing = struct.pack("=BBBBBBH", 59, 4, 4, 1, 1, 0, 0) + there + here
        transmit(self.peer, frame=self.head(b"\x86\xdd") +
                 struct.pack("!IHBB", 6 << 28, len(routing), 43, 64) + source + here + routing)


class Netkit:
    """A netkit device: what name sends arrives at peer, and what peer sends at name. Debian 12's ip(8)
    can't make any."""

    def __init__(self):
        number = next(numbers)
        self.name, self.peer = f"netkit{number}", f"netpeer{number}"
        disable_ipv6()
        up = struct.pack("=BxHiII", 0, 0, 0, 1, 1)  # struct ifinfomsg: IFF_UP
        data = (attribute(1, up + attribute(3, self.peer.encode() + b"\0")) +  # IFLA_NETKIT_PEER_INFO
                attribute(4, struct.pack("=I", 0)))  # IFLA_NETKIT_MODE: NETKIT_L2
        message = (up + attribute(3, self.name.encode() + b"\0") +  # IFLA_IFNAME
                   attribute(18, attribute(1, b"netkit") + attribute(2, data)))  # IFLA_LINKINFO
        # RTM_NEWLINK, with NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE and NLM_F_EXCL
        header = struct.pack("=IHHII", 16 + len(message), 16, 0x605, 1, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as s:
            s.send(header + message)
            error, = struct.unpack_from("=i", s.recv(4096), 16)
        if error:
            raise OSError(-error, os.strerror(-error), "netkit")
        ip("link", "set", self.peer, "up")
        self.index = socket.if_nametoindex(self.name)

    def send(self, n=1):
        for _ in range(n):
            try:
                transmit(self.name)
            except OSError as e:  # who sends is told of what is dropped
                if e.errno != errno.ENOBUFS:
                    raise

    def send_back(self, n=1):
        transmit(self.peer, n)

    def remove(self):
        if self.name in interfaces():
            ip("link", "delete", self.name)


def interfaces():
    return [name for _, name in socket.if_nameindex()]


def transmit(interface, n=1, frame=FRAME):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        for _ in range(n):
            s.send(frame)


CLONE_NEWNET = 0x40000000
OWN = "/proc/self/ns/net"


@contextlib.contextmanager
def inside(path):
    """Sockets that are made here are in that network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(OWN, "rb") as home, open(path, "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns", path)
        try:
            yield
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET) < 0:
                os.abort()


class Netns:
    """A network namespace with a pair of interfaces in it: what is sent on peer arrives at name."""

    def __init__(self, named=True):
        self.holder = None
        if named:
            self.label = f"blue{next(numbers)}"
            self.path = f"/run/netns/{self.label}"
            ip("netns", "add", self.label)
        else:
            self.hold()
            self.path = f"/proc/{self.holder.pid}/ns/net"
        self.inode = os.stat(self.path).st_ino
        with self.inside():
            self.veth = Veth()
        self.name, self.index = self.veth.name, self.veth.index

    def hold(self):
        """A process in it keeps it alive, a new one where it has no name."""
        enter = ["ip", "netns", "exec", self.label] if hasattr(self, "label") else ["unshare", "-n"]
        # pylint: disable-next=consider-using-with
        self.holder = subprocess.Popen([*enter, "sh", "-c", "echo; exec sleep 1000"],
                                       stdout=subprocess.PIPE)
        self.holder.stdout.read(1)

    def inside(self):
        return inside(f"/proc/{self.holder.pid}/ns/net" if self.holder else self.path)

    def receive(self, n=1):
        with self.inside():
            self.veth.receive(n)

    def remove_interface(self):
        with self.inside():
            self.veth.remove()

    def lose_name(self):
        ip("netns", "delete", self.label)

    def remove(self):
        if self.holder:
            self.holder.send_signal(signal.SIGKILL)
            self.holder.wait()
            self.holder.stdout.close()
            self.holder = None
        if hasattr(self, "label") and os.path.exists(self.path):
            self.lose_name()
