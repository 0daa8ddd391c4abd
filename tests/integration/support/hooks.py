# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each program type on a hook, with something that makes it run.

A Hook has the object and program to load, the options to attach it with, cause(), which makes the
program run, and the properties that the link must have. Types that need something made first (an
interface, a cgroup) have it made by the test case.
"""

import contextlib
import errno
import filecmp
import functools
import itertools
import os
import shutil
import socket
import struct
import subprocess
import sys
import time

from support import bpf, net, objects
from support.case import features
from support.daemon import PINS
from support.wait import until


def installed(name):
    """A copy where programs belong: under the unit the service has no /tmp and /var/tmp of others,
    and the sources may be there."""
    directory = "/usr/local/lib/bpfkeeper-tests"
    path, built = f"{directory}/{name}", f"{objects.PROGRAMS}/{name}"
    if not os.path.exists(path) or not filecmp.cmp(built, path, shallow=False):
        os.makedirs(directory, exist_ok=True)
        shutil.copy(built, f"{path}.new")
        os.rename(f"{path}.new", path)
    return path


TARGET = installed("target")
installed("target-stripped")
numbers = itertools.count()
# The types that tests of each type are to take, where that isn't all
only = set()
PACKET = bytes(64)


def is_wanted(kind):
    """Whether tests of each type are to take this one; xdp in any case, so that there is something."""
    return not only or kind == "xdp" or kind in only


class Hook:
    def __init__(self, kind, obj, program, cause, index=0, load=None, expect=None, **options):
        self.kind, self.object, self.program, self.cause = kind, obj, program, cause
        self.index, self.load, self.options, self.expect = index, load or {}, options, expect or {}


def fork():
    subprocess.run(["/bin/true"], check=True)


def open_file():
    with open("/proc/self/status", encoding="ascii") as f:
        f.read()


def run_target(lines=1):
    subprocess.run([TARGET], input="\n" * lines, text=True, check=True, stdout=subprocess.PIPE)


def symbol_offset(path, name):
    """Where in the file a symbol's code is."""
    with open(path, "rb") as f:
        data = f.read()
    start, = struct.unpack_from("=Q", data, 40)
    size, count = struct.unpack_from("=HH", data, 58)
    # name, type, flags, address, offset, size, link
    sections = [struct.unpack_from("=IIQQQQI", data, start + i * size) for i in range(count)]
    for _, kind, _, _, offset, length, link in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = sections[link][4]
        for place in range(offset, offset + length, 24):
            at, _, _, index, value = struct.unpack_from("=IBBHQ", data, place)
            begin = names + at
            if data[begin:data.index(b"\0", begin)] == name.encode():
                return value - sections[index][3] + sections[index][4]
    raise KeyError(name)


def spin():
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass


def test_run(case):
    """Has the kernel call its own test functions, as it does to run a tracing program."""
    program = case.load("fentry", "fentry_open")
    case.bus.test_run(program, b"")
    case.bus.unload(program)


def priority():
    os.getpriority(os.PRIO_PROCESS, 0)


def make_directory():
    """Whether it was allowed to."""
    path = f"/tmp/lsm-{next(numbers)}"
    try:
        os.mkdir(path)
    except PermissionError:
        return False
    os.rmdir(path)
    return True


def make_link():
    """Whether it was allowed to."""
    path = f"/tmp/lsm-{next(numbers)}"
    try:
        os.symlink("nowhere", path)
    except PermissionError:
        return False
    os.unlink(path)
    return True


class Cgroup:
    """A cgroup of its own, and a process in it that does what it is told to."""

    PROCESS = """
import os, socket, sys

def exchange(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as r, socket.socket(family, socket.SOCK_DGRAM) as s:
        r.bind(address)
        s.bind(address)
        s.sendto(b"x", r.getsockname())
        r.settimeout(5)
        r.recvfrom(1)
        s.connect(r.getsockname())
        s.getpeername()

def connect():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

def setsockopt():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 1)

def look(path):
    os.close(os.open(path, os.O_RDONLY))
    with open(path) as f:
        f.read(1)

def everything():
    exchange(socket.AF_INET, ("127.0.0.1", 0))
    connect()
    setsockopt()
    look("/proc/sys/kernel/ostype")
    look("/dev/null")

for line in sys.stdin:
    error = ""
    try:
        exec(line)
    except OSError as e:
        error = str(e.errno)
    print(error, flush=True)
"""

    def __init__(self, root="/sys/fs/cgroup"):
        self.path = f"{root}/test{next(numbers)}-{os.getpid()}"
        self.process = None
        os.mkdir(self.path)

    def run(self, what="everything()"):
        """Has the process do that; true, or the number of its error."""
        if not self.process:
            enter = f"echo $$ >{self.path}/cgroup.procs && exec \"$0\" \"$@\""
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", enter, "/usr/bin/python3", "-c", self.PROCESS],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the process in the cgroup is gone"
        return int(answer) if answer.strip() else True

    def does(self, what):
        return functools.partial(self.run, what)

    def remove(self):
        if self.process:
            self.process.communicate()
            self.process = None
        until(self.is_removed, "the cgroup is empty")

    def is_removed(self):
        """Who was in it, and has ended, may be in it still for a moment."""
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            pass
        except OSError as e:
            if e.errno != errno.EBUSY:
                raise
            return False
        return True


def send_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as r, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        r.bind(("127.0.0.1", 0))
        s.sendto(b"x", r.getsockname())


def connection():
    """Both ends of one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def slow_connection():
    """Has a connection under way use the congestion control of a test program, where it is there."""
    client, server = connection()
    with client, server, contextlib.suppress(FileNotFoundError):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, objects.CONGESTION.encode())


def exchange_by_map(fd):
    """Sends and receives by sockets that are in a map."""
    client, server = connection()
    with client, server:
        bpf.map_update(fd, struct.pack("=I", 0), struct.pack("=Q", client.fileno()))
        client.send(b"there")
        server.send(b"back")
        client.settimeout(5)
        client.recv(4)


def flows(veth):
    """Has the kernel tell flows apart, as it does to spread packets among sockets."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind((veth.name, 3))
        s.setsockopt(263, 18, os.getpid() & 0xffff)  # SOL_PACKET, PACKET_FANOUT: by hash
        veth.receive()


def pick(veth):
    """Has each action of ours that there is taken on a packet, by a filter that is gone then."""
    indexes = net.actions()
    for index in indexes:
        with net.picking(veth.name, index):
            veth.receive()
    if not indexes:
        veth.receive()


def read_iterators(case):
    """Reads what there is to be read; the text of each."""
    texts = []
    for link, properties in case.bus.list("Links").items():
        if properties["Type"] == "iter":
            with open(case.bus.open_iterator(link), encoding="utf-8", errors="replace") as f:
                texts.append(f.read())
    return texts


def own_test_run(case):
    """A test run by this process itself, of a program that is there for it alone."""
    program = case.load("tc", "tc_count")
    fd = case.bus.open_program(program)
    case.bus.unload(program)
    with contextlib.suppress(OSError):
        bpf.test_run(fd, PACKET)
    os.close(fd)


def hooks(case):
    """One of each type but those of pairs(), and of the directions of those that have any; made for a
    test case; of the types that are wanted."""
    return [h for h in every_hook(case) if is_wanted(h.kind)]


def every_hook(case):
    """Also of types that are not wanted."""
    veth = case.veth()
    cgroup = Cgroup()
    case.addCleanup(cgroup.remove)
    interface = {"Interface": veth.name, "InterfaceIndex": veth.index}
    routed = net.Routed()
    case.addCleanup(routed.remove)
    by_route = {"Interface": routed.name, "InterfaceIndex": routed.index, "Table": 254}
    netkit = net.Netkit() if features().get("attach.netkit") else veth
    case.addCleanup(netkit.remove)
    picked = case.veth() if net.can_make_actions() else veth
    group = {"Cgroup": cgroup.path, "CgroupId": os.stat(cgroup.path).st_ino}
    me = os.getpid().to_bytes(4, "little" if socket.htons(1) != 1 else "big")
    return [
        Hook("xdp", "shared_map", "shared_xdp", veth.receive, interface=veth.name,
             expect={**interface, "Mode": "native"}),
        Hook("tc", "tc", "tc_count", veth.receive, interface=veth.name, direction="ingress",
             expect={**interface, "Direction": "ingress", "Priority": 50}),
        Hook("tc", "tc", "tc_count", veth.send, interface=veth.name, direction="egress", priority=7,
             expect={**interface, "Direction": "egress", "Priority": 7}),
        Hook("tcx", "tcx", "tcx_ingress", veth.receive, interface=("u", veth.index),
             expect={**interface, "Direction": "ingress", "Priority": 50}),
        Hook("tcx", "tcx", "tcx_egress", veth.send, index=1, interface=veth.name,
             direction="egress", priority=3,
             expect={**interface, "Direction": "egress", "Priority": 3}),
        Hook("netkit", "netkit", "netkit_primary", netkit.send, interface=netkit.name, priority=3,
             expect={"Interface": netkit.name, "InterfaceIndex": netkit.index, "Hook": "primary",
                     "Priority": 3}),
        Hook("netkit", "netkit", "netkit_peer", functools.partial(net.transmit, netkit.peer), index=1,
             interface=netkit.name, hook="peer",
             expect={"Interface": netkit.name, "InterfaceIndex": netkit.index, "Hook": "peer",
                     "Priority": 50}),
        Hook("tc_action", "tc_action", "tc_action_count", functools.partial(pick, picked)),
        Hook("cgroup_skb", "cgroup_skb", "cgroup_ingress", cgroup.run, cgroup=cgroup.path,
             expect={**group, "Direction": "ingress", "Priority": 50}),
        Hook("cgroup_skb", "cgroup_skb", "cgroup_egress", cgroup.run, index=1, cgroup=cgroup.path,
             expect={**group, "Direction": "egress", "Priority": 50}),
        Hook("cgroup_sock", "cgroup_sock", "on_post_bind4", cgroup.run, index=2, cgroup=cgroup.path,
             expect={**group, "Priority": 50, "Hook": "post_bind4"}),
        Hook("cgroup_sock_addr", "cgroup_sock_addr", "on_connect4", cgroup.run, cgroup=cgroup.path,
             hook="connect4", expect={**group, "Priority": 50, "Hook": "connect4"}),
        Hook("cgroup_sockopt", "cgroup_sockopt", "setsockopt_count",
             cgroup.does("setsockopt()"), index=1,
             cgroup=cgroup.path, expect={**group, "Priority": 50, "Hook": "setsockopt"}),
        Hook("cgroup_sysctl", "cgroup_other", "sysctl_count",
             cgroup.does("look('/proc/sys/kernel/ostype')"), cgroup=cgroup.path, expect={**group, "Priority": 50}),
        Hook("cgroup_device", "cgroup_other", "device_count", cgroup.does("look('/dev/null')"), index=1,
             cgroup=cgroup.path, expect={**group, "Priority": 50}),
        Hook("sock_ops", "cgroup_other", "sock_ops_count", cgroup.does("connect()"), index=2,
             cgroup=cgroup.path, expect={**group, "Priority": 50}),
        Hook("netfilter", "netfilter", "netfilter_count", send_datagram, hook="output", family="ipv4",
             hook_priority=-5, expect={"Hook": "output", "Family": "ipv4", "HookPriority": -5}),
        Hook("struct_ops", "struct_ops", "slow_init", slow_connection),
        Hook("sk_lookup", "netns", "sk_lookup_count", send_datagram),
        Hook("flow_dissector", "netns", "flow_dissector_count", functools.partial(flows, veth),
             index=1),
        Hook("lwt_in", "lwt", "lwt_in_count", routed.through_route, interface=routed.name,
             route=routed.route, expect={**by_route, "Route": routed.route}),
        Hook("lwt_out", "lwt", "lwt_out_count", routed.to_route, index=1, interface=routed.name,
             route=routed.route, expect={**by_route, "Route": routed.route}),
        Hook("lwt_xmit", "lwt", "lwt_xmit_count", routed.to_route, index=2, interface=routed.name,
             route=routed.route, expect={**by_route, "Route": routed.route}),
        Hook("lwt_seg6local", "lwt", "lwt_seg6local_count", routed.to_segment, index=3,
             interface=routed.name, route=routed.segment.removesuffix("/128"),
             expect={**by_route, "Route": routed.segment}),
        Hook("tracepoint", "tracepoint", "tracepoint_fork", fork,
             expect={"Tracepoint": "sched:sched_process_fork"}),
        Hook("tracepoint", "tracepoint", "tracepoint_anywhere", fork, index=3, cookie=3,
             tracepoint="sched:sched_process_exit",
             expect={"Tracepoint": "sched:sched_process_exit", "Cookie": 3}),
        Hook("raw_tracepoint", "raw_tracepoint", "raw_tracepoint_fork", fork,
             expect={"Tracepoint": "sched_process_fork"}),
        Hook("raw_tracepoint_writable", "raw_tracepoint_writable", "writable_finish",
             functools.partial(own_test_run, case), expect={"Tracepoint": "bpf_test_finish"}),
        Hook("tp_btf", "tp_btf", "tp_btf_fork", fork, expect={"Tracepoint": "sched_process_fork"}),
        Hook("kprobe", "kprobe", "kprobe_open", open_file, expect={"Function": "do_sys_openat2"}),
        Hook("kretprobe", "kprobe", "kretprobe_open", open_file, index=1,
             expect={"Function": "do_sys_openat2"}),
        Hook("ksyscall", "ksyscall", "ksyscall_count", priority, expect={"Function": "getpriority"}),
        Hook("kretsyscall", "ksyscall", "kretsyscall_count", priority, index=1,
             expect={"Function": "getpriority"}),
        Hook("kprobe_multi", "kprobe_multi", "kprobe_multi_open", open_file,
             expect={"Functions": ["vfs_o?en"]}),
        Hook("kprobe_multi", "kprobe_multi", "kprobe_multi_open", open_file, index=2,
             functions=["vfs_readlink", "vfs_op*"], cookies=[1, 2],
             expect={"Functions": ["vfs_readlink", "vfs_op*"], "Cookies": [1, 2]}),
        Hook("kretprobe_multi", "kprobe_multi", "kretprobe_multi_anywhere", open_file, index=3,
             functions=["vfs_readlink", "vfs_open"], cookie=3,
             expect={"Functions": ["vfs_readlink", "vfs_open"], "Cookie": 3}),
        Hook("uprobe", "uprobe", "uprobe_anywhere", run_target, index=2, cookie=2, target=TARGET,
             function="target_add", expect={"Target": TARGET, "Function": "target_add", "Cookie": 2}),
        Hook("uretprobe", "uprobe", "uretprobe_anywhere", run_target, index=1, target=TARGET,
             function="target_twice", expect={"Target": TARGET, "Function": "target_twice"}),
        Hook("uprobe_multi", "uprobe_multi", "uprobe_multi_anywhere", run_target, index=2,
             target=TARGET, functions=["target_twice", "target_*"], cookies=[2, 1],
             expect={"Target": TARGET, "Functions": ["target_twice", "target_*"],
                     "Cookies": [2, 1]}),
        Hook("uretprobe_multi", "uprobe_multi", "uretprobe_multi_anywhere", run_target, index=3,
             target=TARGET, offsets=[symbol_offset(TARGET, "target_add")], cookie=3,
             expect={"Target": TARGET, "Offsets": [symbol_offset(TARGET, "target_add")],
                     "Cookie": 3}),
        Hook("usdt", "usdt", "usdt_anywhere", run_target, index=2, cookie=2, target=TARGET,
             tracepoint="bpfkeeper:line",
             expect={"Target": TARGET, "Tracepoint": "bpfkeeper:line", "Cookie": 2}),
        Hook("fentry", "fentry", "fentry_open", open_file, expect={"Function": "vfs_open"}),
        Hook("fexit", "fentry", "fexit_open", open_file, index=1, expect={"Function": "vfs_open"}),
        Hook("fmod_ret", "fmod_ret", "fmod_ret_symlink", make_link,
             load={"globals": {"denied_pid": me}}, expect={"Function": "security_inode_symlink"}),
        Hook("fmod_ret", "fmod_ret", "fmod_ret_sleepable", functools.partial(test_run, case), index=1,
             expect={"Function": "bpf_fentry_test1"}),
        Hook("iter", "iter", "iter_tasks", functools.partial(read_iterators, case),
             expect={"Function": "task"}),
        Hook("perf_event", "perf_event", "perf_event_sample", spin, event="cpu-clock",
             frequency=1000, expect={"Event": "cpu-clock", "Cpu": -1}),
        Hook("lsm", "lsm", "lsm_mkdir", make_directory, load={"globals": {"denied_pid": me}},
             expect={"Function": "inode_mkdir"}),
        Hook("lsm_cgroup", "lsm_cgroup", "lsm_cgroup_socket",
             cgroup.does("socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)"), cgroup=cgroup.path,
             load={"globals": {"denied_family": socket.AF_ALG.to_bytes(4, sys.byteorder)}},
             expect={**group, "Function": "socket_create"}),
    ]


class Entry:
    """Of a map, to which a program redirects what arrives: it has no program of its own yet."""

    def __init__(self, case, name, redirecting, target=None):
        self.veth, self.other = case.veth(), case.veth()
        self.redirect = case.load("xdp_map", redirecting)
        self.map = case.bus.maps_of(self.redirect)[name]
        self.fd = case.keep(case.bus.open_map(self.map, "rw"))
        self.write(target or self.other.index)
        net.ip("link", "set", self.veth.name, "xdpgeneric", "pinned",
               f"{PINS}/program/{int(self.redirect.rpartition('_')[2])}")

    def write(self, target, key=0):
        bpf.map_update(self.fd, struct.pack("=I", key), struct.pack("=Ii", target, 0))

    def read(self, key=0):
        """Interface or size of the queue, and the program's id."""
        return struct.unpack("=II", bpf.map_lookup(self.fd, struct.pack("=I", key), 8))

    def number(self):
        return int(self.map.rpartition("_")[2])


def pairs(case):
    """One of each type that goes into another program or a map, which is loaded for it."""
    target = case.load("replaceable", "replaceable")
    case.load("sockmap", "sk_msg_count")
    sockets, = (path for path, m in case.bus.managed("Maps").items() if m["Name"] == "sockets")
    exchange = functools.partial(exchange_by_map, case.keep(case.bus.open_map(sockets, "rw")))
    number = {"TargetMapId": int(sockets.rpartition("_")[2])}
    device = Entry(case, "devices", "xdp_to_device")
    cpu = Entry(case, "cpus", "xdp_to_cpu", 64)
    return [
        Hook("xdp_devmap", "xdp_map", "xdp_on_device", device.veth.receive, target_map=device.map, key=0,
             interface=device.other.name,
             expect={"TargetMapId": device.number(), "Key": 0, "Interface": device.other.name,
                     "InterfaceIndex": device.other.index}),
        Hook("xdp_cpumap", "xdp_map", "xdp_on_cpu", cpu.veth.receive, index=1, target_map=cpu.map,
             key=0, expect={"TargetMapId": cpu.number(), "Key": 0}),
        Hook("sk_msg", "sockmap", "sk_msg_count", exchange, target_map=sockets, expect=number),
        Hook("sk_skb", "sockmap", "sk_skb_verdict", exchange, index=1, target_map=sockets,
             expect={"Hook": "stream_verdict", **number}),
        Hook("sk_skb", "sockmap", "sk_skb_anywhere", exchange, index=3, target_map=sockets,
             hook="verdict", expect={"Hook": "verdict", **number}),
        Hook("freplace", "freplace", "freplace_decide", lambda: case.bus.test_run(target, PACKET),
             load={"target_program": target},
             expect={"Function": "decide", "TargetProgramId": int(target.rpartition("_")[2])}),
    ]
