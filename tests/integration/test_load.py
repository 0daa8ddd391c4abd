# SPDX-License-Identifier: LGPL-2.1-or-later
"""Load() and Inspect(): what goes in, and what comes of it."""

import fcntl
import hashlib
import os
import struct

from support import bpf, objects
from support.case import MAP, PROGRAM, ROOT, MANAGER, Case, Fd, can_load, number, until

# Every object of tests/programs that loads, with its programs and their types
WHOLE = {
    "cgroup_other": {"sysctl_count": "cgroup_sysctl", "device_count": "cgroup_device",
                     "sock_ops_count": "sock_ops"},
    "cgroup_skb": {"cgroup_ingress": "cgroup_skb", "cgroup_egress": "cgroup_skb"},
    "cgroup_sock": {"on_sock_create": "cgroup_sock", "on_sock_release": "cgroup_sock",
                    "on_post_bind4": "cgroup_sock", "on_post_bind6": "cgroup_sock"},
    "cgroup_sock_addr": {"on_" + h + v: "cgroup_sock_addr"
                         for h in ("bind", "connect", "sendmsg", "recvmsg", "getpeername",
                                   "getsockname") for v in "46"},
    "cgroup_sockopt": {"getsockopt_count": "cgroup_sockopt", "setsockopt_count": "cgroup_sockopt"},
    "core_task": {"core_task": "raw_tracepoint"},
    "fentry": {"fentry_open": "fentry", "fexit_open": "fexit"},
    "fmod_ret": {"fmod_ret_symlink": "fmod_ret", "fmod_ret_sleepable": "fmod_ret"},
    "globals": {"globals_answer": "xdp"},
    "iter": {"iter_tasks": "iter", "iter_tasks_sleepable": "iter"},
    "kprobe": {"kprobe_open": "kprobe", "kretprobe_open": "kretprobe"},
    "kprobe_multi": {"kprobe_multi_open": "kprobe_multi",
                     "kretprobe_multi_anywhere": "kretprobe_multi"},
    "ksyscall": {"ksyscall_count": "ksyscall", "kretsyscall_count": "kretsyscall"},
    "long_name": {"a_program_with_a_long_name": "tracepoint"},
    "lirc": {"lirc_count": "lirc_mode2"},
    "lsm": {"lsm_mkdir": "lsm"},
    "lsm_cgroup": {"lsm_cgroup_socket": "lsm_cgroup"},
    "lwt": {"lwt_in_count": "lwt_in", "lwt_out_count": "lwt_out", "lwt_xmit_count": "lwt_xmit",
            "lwt_seg6local_count": "lwt_seg6local"},
    "netns": {"sk_lookup_count": "sk_lookup", "flow_dissector_count": "flow_dissector"},
    "netkit": {"netkit_primary": "netkit", "netkit_drop": "netkit", "netkit_peer": "netkit"},
    "netfilter": {"netfilter_count": "netfilter"},
    "packet_counter": {"count_packets": "xdp"},
    "perf_event": {"perf_event_sample": "perf_event"},
    "raw_tracepoint": {"raw_tracepoint_fork": "raw_tracepoint"},
    "raw_tracepoint_writable": {"writable_finish": "raw_tracepoint_writable"},
    "ringbuf": {"ringbuf_packet": "xdp"},
    "shared_map": {"shared_xdp": "xdp", "shared_tc": "tc"},
    "socket": {"socket_count": "socket_filter", "socket_trim": "socket_filter",
               "reuseport_count": "sk_reuseport", "reuseport_choose": "sk_reuseport",
               "reuseport_migrate": "sk_reuseport"},
    "sockmap": {"sk_msg_count": "sk_msg", "sk_skb_verdict": "sk_skb", "sk_skb_parser": "sk_skb",
                "sk_skb_anywhere": "sk_skb"},
    "struct_ops": {"slow_init": "struct_ops", "slow_ssthresh": "struct_ops",
                   "slow_cong_avoid": "struct_ops", "slow_undo_cwnd": "struct_ops"},
    "syscall": {"syscall_sum": "syscall"},
    "tc": {"tc_count": "tc"},
    "tc_action": {"tc_action_count": "tc_action", "tc_action_unspec": "tc_action"},
    "tcx": {"tcx_ingress": "tcx", "tcx_egress": "tcx"},
    "tp_btf": {"tp_btf_fork": "tp_btf"},
    "tracepoint": {"tracepoint_fork": "tracepoint", "tracepoint_anywhere": "tracepoint"},
    "uprobe": {"uprobe_anywhere": "uprobe", "uretprobe_anywhere": "uretprobe"},
    "uprobe_multi": {"uprobe_multi_anywhere": "uprobe_multi",
                     "uretprobe_multi_anywhere": "uretprobe_multi"},
    "usdt": {"usdt_anywhere": "usdt", "usdt_arguments": "usdt"},
    "xdp_map": {"xdp_on_device": "xdp_devmap", "xdp_frags_on_device": "xdp_devmap",
                "xdp_on_cpu": "xdp_cpumap", "xdp_to_device": "xdp",
                "xdp_to_cpu": "xdp"},
}


class Load(Case):
    def test_every_type_is_loaded_by_some_object(self):
        tried = {t for programs in WHOLE.values() for t in programs.values()}
        # These take a program that is loaded before: see test_attach
        tried.add("freplace")
        self.assertEqual(tried, set(self.bus.get(ROOT, MANAGER, "ProgramTypes")))

    def test_everything(self):
        for name, programs in WHOLE.items():
            with self.subTest(object=name):
                if not all(map(can_load, programs.values())):
                    with self.refused("NotSupported"):
                        self.load(name)
                    continue
                paths = self.load(name)
                found = {self.bus.get(p, PROGRAM, "Name"): self.bus.get(p, PROGRAM, "Type")
                         for p in paths}
                self.assertEqual(found, programs)
                self.assertEqual(list(found), list(programs), "the object's order")
                for path in paths:
                    self.assertTrue(bpf.exists("program", number(path)))

    def test_one_of_two(self):
        path = self.load("shared_map", "shared_tc")
        self.assertEqual(self.bus.get(path, PROGRAM, "Type"), "tc")
        self.assertEqual(list(self.bus.managed("Programs")), [path])

    def test_order_is_the_callers(self):
        paths = self.load("shared_map", ["shared_tc", "shared_xdp"])
        self.assertEqual([self.bus.get(p, PROGRAM, "Name") for p in paths],
                         ["shared_tc", "shared_xdp"])

    def test_type_named(self):
        path = self.load("plain_section", [("plain_prog", "xdp")])[0]
        self.assertEqual(self.bus.get(path, PROGRAM, "Type"), "xdp")
        self.assertEqual(self.bus.get(path, PROGRAM, "Section"), "prog")
        retval = self.bus.test_run(path, b"\0" * 64)[0]
        self.assertEqual(retval, 2)

    def test_optional_section_is_loaded_when_asked_for(self):
        path = self.load("plain_section", "plain_optional")
        self.assertEqual(self.bus.get(path, PROGRAM, "Type"), "xdp")

    def test_same_object_twice_is_two_programs(self):
        fd = self.object("packet_counter")
        first, second = self.bus.load(fd), self.bus.load(fd)
        self.assertNotEqual(first, second)
        self.assertFalse(set(self.bus.get(first[0], PROGRAM, "Maps")) &
                         set(self.bus.get(second[0], PROGRAM, "Maps")))

    def test_programs_share_their_maps(self):
        xdp, tc = self.load("shared_map")
        self.assertEqual(self.bus.get(xdp, PROGRAM, "Maps"), self.bus.get(tc, PROGRAM, "Maps"))
        self.bus.test_run(xdp, b"\0" * 64, repeat=3)
        self.bus.test_run(tc, b"\0" * 64, repeat=2)
        self.assertEqual(self.hits(xdp), 5)
        hits = self.bus.maps_of(xdp)["hits"]
        self.assertEqual(sorted(self.bus.get(hits, MAP, "Programs")), sorted([xdp, tc]))

    def test_map_stays_until_its_last_program_goes(self):
        xdp, tc = self.load("shared_map")
        hits = self.bus.maps_of(xdp)["hits"]
        self.bus.unload(xdp)
        self.assertEqual(self.bus.get(hits, MAP, "Programs"), [tc])
        self.bus.unload(tc)
        self.assertNotIn(hits, self.bus.managed("Maps"))
        until(lambda: not bpf.exists("map", number(hits)), "the kernel gives up the map")

    def test_unload_gives_the_kernel_its_memory_back(self):
        data, head = objects.renamed(objects.read("packet_counter"), "count_")
        name = head + "packets"
        path, = self.bus.load(self.data_object(data))
        self.assertIn(name, bpf.program_names().values())
        self.bus.unload(path)
        self.kernel_has_no(name)
        with self.refused("NoSuchObject", "org.freedesktop.DBus.Error.UnknownObject"):
            self.bus.unload(path)

    def test_long_name(self):
        path, = self.load("long_name")
        self.assertEqual(self.bus.get(path, PROGRAM, "Name"), "a_program_with_a_long_name")

    def test_pin_by_name_pins_nothing(self):
        self.load("pinned")
        for directory, _, files in os.walk("/sys/fs/bpf"):
            self.assertFalse([f for f in files if "bpfkeeper_test_pin" in f], directory)

    def test_load_by_a_user_who_may(self):
        self.allow("alice", "load.xdp")
        path = self.load("packet_counter", "count_packets", who=self.alice)
        self.assertEqual(self.bus.get(path, PROGRAM, "OwnerUid"), self.alice.uid)
        for m in self.bus.maps_of(path).values():
            self.assertEqual(self.bus.get(m, MAP, "OwnerUid"), self.alice.uid)
        self.alice.unload(path)
        self.assertEqual(self.bus.managed("Programs"), {})

    def test_programs_outlive_their_caller(self):
        self.allow("alice", "load.xdp")
        someone = self.another("alice")
        path = self.load("packet_counter", "count_packets", who=someone)
        someone.leave()
        self.assertIn(path, self.bus.managed("Programs"))


class Options(Case):
    def answer(self, **options):
        path, = self.load("globals", **options)
        return self.bus.test_run(path, b"\0" * 64)[0], path

    def test_name_and_metadata(self):
        metadata = {"key": "value", "ключ": "значение; = [x]\n", "empty": ""}
        path, = self.load("packet_counter", name="my application", metadata=metadata)
        self.assertEqual(self.bus.get(path, PROGRAM, "Application"), "my application")
        self.assertEqual(self.bus.get(path, PROGRAM, "Metadata"), metadata)
        self.daemon.restart()
        self.assertEqual(self.bus.get(path, PROGRAM, "Application"), "my application")
        self.assertEqual(self.bus.get(path, PROGRAM, "Metadata"), metadata)

    def test_digest(self):
        path, = self.load("packet_counter")
        self.assertEqual(self.bus.get(path, PROGRAM, "SourceDigest"),
                         "sha256:" + hashlib.sha256(objects.read("packet_counter")).hexdigest())

    def test_digest_of_a_large_object(self):
        # More than the daemon hashes at once
        data = objects.read("packet_counter") + b"\0" * (1 << 20)
        path, = self.bus.load(self.data_object(data))
        self.assertEqual(self.bus.get(path, PROGRAM, "SourceDigest"),
                         "sha256:" + hashlib.sha256(data).hexdigest())

    def test_globals(self):
        self.assertEqual(self.answer()[0], 42)
        self.assertEqual(self.answer(globals={"answer": struct.pack("=I", 7)})[0], 7)
        _, path = self.answer(globals={"start": struct.pack("=Q", 5), "calls": struct.pack("=I", 9),
                                       "pair": struct.pack("=I12s", 11, b"abc")})
        values = b"".join(self.bus.lookup(m, b"\0" * 4) for n, m in self.bus.maps_of(path).items()
                          if "data" in n or "bss" in n)
        for expected in (struct.pack("=Q", 6), struct.pack("=I", 10),
                         struct.pack("=I12s", 18, b"abc")):
            self.assertIn(expected, values)

    def test_bad_globals(self):
        for name, value, error in (("nothing", b"1234", "NoSuchGlobal"),
                                   ("answer", b"123", "InvalidArgument"),
                                   ("answer", b"12345", "InvalidArgument"),
                                   ("", b"1234", "NoSuchGlobal"),
                                   ("globals_answer", b"1234", "NoSuchGlobal")):
            with self.subTest(name=name, value=value), self.refused(error):
                self.load("globals", globals={name: value})

    def test_maps_reused(self):
        first, = self.load("tc")
        hits = self.bus.maps_of(first)["hits"]
        second, = self.load("raw_tracepoint", maps={"hits": hits})
        self.assertEqual(self.bus.maps_of(second), {"hits": hits})
        # The map outlives the load that made it
        self.bus.unload(first)
        self.assertEqual(self.bus.get(hits, MAP, "Programs"), [second])
        self.daemon.restart()
        self.assertEqual(self.bus.maps_of(second), {"hits": hits})
        self.bus.unload(second)
        self.assertEqual(self.bus.managed("Maps"), {})

    def test_bad_maps(self):
        path, = self.load("tc")
        hits = self.bus.maps_of(path)["hits"]
        for maps, error in (({"hits": "/org/bpfkeeper1/map/_4294967295"}, "NoSuchMap"),
                            ({"hits": "/org/bpfkeeper1/map/_1x"}, "NoSuchMap"),
                            ({"hits": path}, "NoSuchMap"),
                            ({"misses": hits}, "NoSuchMap")):
            with self.subTest(maps=maps), self.refused(error):
                self.load("tcx", maps=maps)
        with self.refused("MapMismatch"):
            self.load("packet_counter", maps={"packets_percpu": hits})

    def test_btf(self):
        with open("/sys/kernel/btf/vmlinux", "rb") as f:
            fd = self.keep(objects.sealed(f.read()))
        self.load("core_task", btf=Fd(fd))
        # BTF in an ELF file; this one has no task_struct of the kernel's, but the program's own
        self.load("core_task", btf=Fd(self.object("core_task")))
        for data in (b"", b"no BTF", objects.read("core_task")[:100]):
            with self.subTest(data=data[:10]), self.refused("InvalidArgument", "NoBtf", "NotElf"):
                self.load("core_task", btf=Fd(self.keep(objects.sealed(data))))

    def test_limits(self):
        many = {str(i): "" for i in range(65)}
        for options, error in (({"log_level": 8}, "InvalidArgument"),
                               ({"name": "x" * 257}, "LimitExceeded"),
                               ({"metadata": many}, "LimitExceeded"),
                               ({"metadata": {"x": "y" * 16384}}, "LimitExceeded"),
                               ({"metadata": {"": "y"}}, "InvalidArgument")):
            with self.subTest(options=options), self.refused(error):
                self.load("packet_counter", **options)
        self.load("packet_counter", name="x" * 256, metadata=dict(list(many.items())[:64]))

    def test_unknown_and_wrong(self):
        for options, error in (({"nmae": "x"}, "UnknownOption"), ({"name": ("u", 1)}, "WrongType"),
                               ({"log_level": ("s", "1")}, "WrongType"),
                               ({"globals": ("a{ss}", {})}, "WrongType"),
                               ({"btf": ("s", "/x")}, "WrongType")):
            with self.subTest(options=options), self.refused(error) as caught:
                self.load("packet_counter", **options)
            self.assertIn(next(iter(options)), caught.exception.message)


class Descriptors(Case):
    """The ways in which an object can be handed over."""

    def test_sealed_memfd(self):
        self.assertEqual(len(self.bus.load(self.object("packet_counter"))), 1)

    def test_partly_sealed_and_unsealed_memfd(self):
        for seals in (0, fcntl.F_SEAL_WRITE, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK):
            with self.subTest(seals=seals):
                fd = self.keep(objects.sealed(objects.read("packet_counter"), seals))
                self.assertEqual(len(self.bus.load(fd)), 1)

    def test_plain_file(self):
        fd = self.keep(os.open(objects.path("packet_counter"), os.O_RDONLY))
        self.assertEqual(len(self.bus.load(fd)), 1)

    def test_offset_is_of_no_matter(self):
        for fd in (self.object("packet_counter"),
                   self.keep(os.open(objects.path("packet_counter"), os.O_RDONLY))):
            os.lseek(fd, 100, os.SEEK_SET)
            self.assertEqual(len(self.bus.load(fd)), 1)

    def test_pipe(self):
        ours, theirs = os.pipe()
        data = objects.read("packet_counter")
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.write(theirs, data)
        os.close(theirs)
        try:
            self.assertEqual(len(self.bus.load(self.keep(ours))), 1)
        except Exception as e:  # noqa: BLE001
            self.assertIn(getattr(e, "name", ""), ("InvalidArgument", "NotElf"))

    def test_pipe_that_never_ends_blocks_nobody(self):
        ours, theirs = os.pipe()
        self.keep(ours), self.keep(theirs)
        token = self.bus.start_load(ours)
        self.bus.inspect(self.object("packet_counter"))
        self.assertFalse(token.is_done())
        os.close(theirs)
        with self.refused("NotElf", "InvalidArgument"):
            self.bus.wait(token)

    def test_no_objects(self):
        write_only = self.keep(os.open("/tmp/write-only", os.O_WRONLY | os.O_CREAT, 0o600))
        directory = self.keep(os.open("/tmp", os.O_RDONLY))
        path_only = self.keep(os.open(objects.path("tc"), os.O_PATH))
        for what, fd in (("write-only", write_only), ("directory", directory), ("O_PATH", path_only),
                         ("/dev/null", self.keep(os.open("/dev/null", os.O_RDONLY)))):
            for call in (self.bus.load, self.bus.inspect):
                with self.subTest(what=what, call=call.__name__), \
                        self.refused("InvalidArgument", "NotElf"):
                    call(fd)

    def test_endless_file(self):
        with self.refused("LimitExceeded"):
            self.bus.load(self.keep(os.open("/dev/zero", os.O_RDONLY)))

    def test_too_large(self):
        data = objects.read("packet_counter").ljust(17 << 20, b"\0")
        with self.refused("LimitExceeded"):
            self.bus.load(self.data_object(data))
        with self.refused("LimitExceeded"):
            self.bus.load(self.keep(objects.sealed(data, 0)))

    def test_a_users_unreadable_file_stays_so(self):
        """Who can't read a file has no descriptor open for reading to pass."""
        self.allow("alice", "load.xdp")
        os.chmod("/tmp", 0o1777)
        with open("/tmp/secret.o", "wb") as f:
            f.write(objects.read("packet_counter"))
        os.chmod("/tmp/secret.o", 0o600)
        fd = self.keep(self.alice.open("/tmp", os.O_RDONLY))
        with self.refused("InvalidArgument", "NotElf"):
            self.alice.load(fd)


class Malformed(Case):
    def damaged(self, *changes):
        data = bytearray(objects.read("packet_counter"))
        for offset, value in changes:
            data[offset:offset + len(value)] = value
        return bytes(data)

    def cases(self):
        data = objects.read("packet_counter")
        with open("/bin/true", "rb") as f:
            native = f.read()
        yield "empty", b"", "NotElf"
        yield "text", b"hello", "NotElf"
        yield "magic alone", data[:4], "NotElf"
        yield "cut in its header", data[:40], "NotElf"
        yield "cut in half", data[:len(data) // 2], "NotElf"
        yield "cut at its end", data[:-1], "NotElf"
        yield "native", native, "WrongArchitecture"
        yield "big endian", self.damaged((5, b"\2")), "WrongArchitecture"
        yield "32 bit", self.damaged((4, b"\1")), "WrongArchitecture"
        yield "executable", self.damaged((16, struct.pack("=H", 2))), "NotElf"
        yield "no sections", self.damaged((60, struct.pack("=H", 0))), "NotElf"
        yield "sections far away", self.damaged((40, struct.pack("=Q", 1 << 62))), "NotElf"

    def test_malformed(self):
        for what, data, error in self.cases():
            for how, call in (("load", self.bus.load), ("inspect", self.bus.inspect),
                              ("load with types", lambda fd: self.bus.load(
                                  fd, [("count_packets", "xdp")]))):
                with self.subTest(what=what, how=how), self.refused(error):
                    call(self.data_object(data))

    def test_sections_overwritten(self):
        """Whatever a libbpf makes of it, the service lives and says something."""
        data = objects.read("packet_counter")
        pid = self.daemon.pid()
        for offset in range(64, len(data) - 64, len(data) // 23):
            broken = data[:offset] + b"\xff" * 32 + data[offset + 32:]
            try:
                for path in self.bus.load(self.data_object(broken), [("count_packets", "xdp")]):
                    self.bus.unload(path)
            except Exception as e:  # noqa: BLE001
                self.assertNotIn(getattr(e, "name", "local"), ("local", "TimedOut"), e)
        self.assertEqual(self.daemon.pid(), pid)


class Refused(Case):
    """Errors of objects that are all right, and that they leave nothing."""

    def assert_nothing_left(self, *names):
        self.assertEqual(self.snapshot(), ({}, set()))
        if names:
            self.kernel_has_no(*names)

    def test_no_such_function(self):
        with self.refused("NoSuchFunctionInObject") as caught:
            self.load("shared_map", ["shared_xdp", "nothing"])
        self.assertIn("shared_tc", caught.exception.message)
        with self.refused("NoSuchFunctionInObject"):
            self.load("shared_map", [("nothing", "xdp")])
        self.assert_nothing_left()

    def test_type(self):
        with self.refused("UnknownType") as caught:
            self.load("packet_counter", [("count_packets", "xpd")])
        self.assertIn("xdp", caught.exception.message)
        with self.refused("TypeMismatch"):
            self.load("packet_counter", [("count_packets", "tracepoint")])
        with self.refused("UnknownSection"):
            self.load("plain_section", "plain_prog")
        with self.refused("UnknownSection"):
            self.load("plain_section")
        self.assert_nothing_left()

    def test_names(self):
        for programs in ([""], ["count_packets", "count_packets"]):
            with self.subTest(programs=programs), self.refused("InvalidArgument"):
                self.load("packet_counter", programs)
        with self.refused("LimitExceeded"):
            self.load("packet_counter", [f"p{i}" for i in range(257)])

    def test_verifier(self):
        data, head = objects.renamed(objects.read("refused"), "refused_")
        name = head + "xdp"
        with self.refused("VerifierRefused") as caught:
            self.bus.load(self.data_object(data))
        self.assertIn(name, caught.exception.message)
        self.assertIn("invalid access to packet", caught.exception.message)
        self.assert_nothing_left(name)

    def test_all_or_nothing(self):
        """The first of the two is in the kernel when the second is refused."""
        data, head = objects.renamed(objects.read("missing_target"), "missing_")
        names = [head + "tracepoint", head + "function"]
        with self.refused("NoSuchTracepoint", "NoSuchFunction", "NotSupported"):
            self.bus.load(self.data_object(data), names)
        self.assert_nothing_left(*names)

    def test_missing_targets(self):
        for program, kind, error in (("missing_function", "fentry", "NoSuchFunction"),
                                     ("missing_tracepoint", "tp_btf", "NoSuchTracepoint"),
                                     ("missing_hook", "lsm", "NoSuchFunction"),
                                     ("missing_target", "fentry", "MissingParameter")):
            with self.subTest(program=program):
                with self.refused(error, *([] if can_load(kind) else ["NotSupported"])):
                    self.load("missing_target", program)
        self.assert_nothing_left()

    def test_missing_symbols(self):
        """What an object wants of the kernel by name."""
        for obj, error, text in (("no_such_function", "NoSuchFunction",
                                  "calls kernel function bpfkeeper_no_such_function, which"),
                                 ("no_such_variable", "NotSupported",
                                  "uses kernel variable bpfkeeper_no_such_variable, which"),
                                 ("no_such_symbol", "NotSupported",
                                  "uses kernel variable bpfkeeper_no_such_symbol, which")):
            with self.subTest(object=obj):
                with self.refused(error) as caught:
                    self.load(obj)
                self.assertIn(text, caught.exception.message)
        self.assert_nothing_left()

    def test_too_much_memory(self):
        data, head = objects.renamed(objects.read("huge_map"), "huge_")
        name = head + "xdp"
        with self.refused("LimitExceeded", "Failed", "InvalidArgument") as caught:
            self.bus.load(self.data_object(data))
        self.assertIn("huge", caught.exception.message)
        self.assert_nothing_left(name)

    def test_refused_by_polkit_before_it_is_loaded(self):
        data, head = objects.renamed(objects.read("packet_counter"), "count_")
        name = head + "packets"
        with self.refused("AuthorizationRequired", "NotAuthorized"):
            self.alice.load(self.data_object(data))
        self.assert_nothing_left(name)


class Inspect(Case):
    def test_inspect(self):
        self.assertEqual(self.bus.inspect(self.object("shared_map")),
                         [("shared_xdp", "xdp", "xdp"), ("shared_tc", "tc", "tc")])
        self.assertEqual(self.bus.inspect(self.object("plain_section")),
                         [("plain_prog", "prog", ""), ("plain_optional", "xdp", "xdp"),
                          ("plain_action", "action", "tc_action")])

    def test_everybody_may(self):
        for user in (self.alice, self.bob):
            self.assertEqual(user.inspect(self.object("tc")), [("tc_count", "tc", "tc")])
