# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpf(2) without libraries: what the kernel itself says, and what a descriptor lets one do."""

import ctypes
import errno
import os
import platform
import struct

SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}[platform.machine()]

(MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_NEXT_KEY, PROG_LOAD, OBJ_PIN,
 OBJ_GET) = range(8)
PROG_ATTACH, PROG_DETACH = 8, 9
PROG_TEST_RUN = 10
PROG_GET_NEXT_ID, MAP_GET_NEXT_ID, PROG_GET_FD_BY_ID, MAP_GET_FD_BY_ID, GET_INFO_BY_FD = range(11, 16)
PROG_QUERY = 16
LINK_CREATE = 28
LINK_GET_FD_BY_ID = 30
LINK_GET_NEXT_ID = 31
LINK_DETACH = 34
ENABLE_STATS = 32

SCHED_CLS, CGROUP_SKB = 3, 8  # program types
CGROUP_INET_EGRESS, LIRC_MODE2, XDP, TCX_INGRESS, NETKIT_PRIMARY = 1, 16, 37, 46, 54  # attach types

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall(SYS_BPF, command, buffer, 128)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result, buffer.raw


def address(buffer):
    return ctypes.addressof(buffer)


def map_lookup(fd, key, value_size):
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value_size)
    bpf(MAP_LOOKUP, struct.pack("=IIQQQ", fd, 0, address(k), address(v), 0))
    return v.raw


def map_update(fd, key, value, flags=0):
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    bpf(MAP_UPDATE, struct.pack("=IIQQQ", fd, 0, address(k), address(v), flags))


def map_delete(fd, key):
    k = ctypes.create_string_buffer(key, len(key))
    bpf(MAP_DELETE, struct.pack("=IIQQQ", fd, 0, address(k), 0, 0))


def test_run(fd, data):
    """Runs a program; what it returns."""
    buffer = ctypes.create_string_buffer(data, len(data))
    done = bpf(PROG_TEST_RUN, struct.pack("=IIIIQQII", fd, 0, len(data), 0, address(buffer), 0, 1, 0))
    return struct.unpack_from("=II", done[1])[1]


def map_create(kind, key_size, value_size, entries, name=b"test"):
    return bpf(MAP_CREATE, struct.pack("=IIIIII I16s", kind, key_size, value_size, entries, 0, 0, 0,
                                       name))[0]


def ids(command):
    """All ids of programs, maps or links in the kernel."""
    found, last = [], 0
    while True:
        try:
            last = struct.unpack_from("=II", bpf(command, struct.pack("=II", last, 0))[1])[1]
        except OSError as e:
            if e.errno == errno.ENOENT:
                return found
            raise
        found.append(last)


def open_id(command, number):
    return bpf(command, struct.pack("=III", number, 0, 0))[0]


def info(fd, size=256):
    buffer = ctypes.create_string_buffer(size)
    bpf(GET_INFO_BY_FD, struct.pack("=IIQ", fd, size, address(buffer)))
    return buffer.raw


def exists(kind, number):
    """Whether the kernel has a program, map or link with that id."""
    command = {"program": PROG_GET_FD_BY_ID, "map": MAP_GET_FD_BY_ID, "link": LINK_GET_FD_BY_ID}[kind]
    try:
        os.close(open_id(command, number))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return False
        raise
    return True


def _names(next_id, by_id, offset):
    names = {}
    for number in ids(next_id):
        try:
            fd = open_id(by_id, number)
        except OSError:
            continue
        try:
            names[number] = info(fd)[offset:offset + 16].split(b"\0")[0].decode()
        finally:
            os.close(fd)
    return names


def program_names():
    """Every program's name in the kernel, by id."""
    return _names(PROG_GET_NEXT_ID, PROG_GET_FD_BY_ID, 64)


def map_names():
    return _names(MAP_GET_NEXT_ID, MAP_GET_FD_BY_ID, 24)


def prog_load(kind, result):
    """A program that does nothing but return @result."""
    code = struct.pack("=BBHIBBHI", 0xb7, 0, 0, result, 0x95, 0, 0, 0)
    code, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    return bpf(PROG_LOAD, struct.pack("=IIQQ", kind, 2, address(code), address(licence)))[0]


def link_create(program, target, attach_type):
    return bpf(LINK_CREATE, struct.pack("=IIII", program, target, attach_type, 0))[0]


def link_detach(fd):
    bpf(LINK_DETACH, struct.pack("=I", fd))


def prog_attach(target, program, attach_type):
    """Where there are no links."""
    bpf(PROG_ATTACH, struct.pack("=IIII", target, program, attach_type, 0))


def prog_detach(target, program, attach_type):
    bpf(PROG_DETACH, struct.pack("=IIII", target, program, attach_type, 0))


def prog_query(target, attach_type):
    """Ids of the programs on a hook, in order, and the hook's revision (0: it has none)."""
    found = (ctypes.c_uint32 * 64)()
    raw = bpf(PROG_QUERY, struct.pack("=IIIIQI", target, attach_type, 0, 0, address(found), 64))[1]
    count, = struct.unpack_from("=I", raw, 24)
    revision, = struct.unpack_from("=Q", raw, 56)
    return list(found[:count]), revision


def obj_get(path):
    name = ctypes.create_string_buffer(path.encode())
    return bpf(OBJ_GET, struct.pack("=QII", address(name), 0, 0))[0]


def obj_pin(fd, path):
    name = ctypes.create_string_buffer(path.encode())
    bpf(OBJ_PIN, struct.pack("=QII", address(name), fd, 0))


def enable_stats():
    """The kernel counts runs as long as the descriptor is open."""
    return bpf(ENABLE_STATS, struct.pack("=I", 0))[0]
