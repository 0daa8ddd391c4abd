# SPDX-License-Identifier: LGPL-2.1-or-later
"""Types that attach otherwise than most: by who has the descriptor, or on one of many hooks."""

import functools
import os
import struct
import subprocess

from support import bpf, missing, outcome
from support.applied import ATTACHED, USES
from support.case import LINK, BusError, Case, can_attach, can_load, needs_attach, number, until
from support.change import replace
from support.hooks import (TARGET, Cgroup, is_wanted, open_file, read_iterators, run_target, send_datagram,
                           slow_connection, test_run)
from support.objects import CONGESTION


class Applied(Case):
    """What the service loads and is on no hook, or what takes a device or a socket."""

    def test_runs_where_it_is_put(self):
        for use in [*USES, *ATTACHED]:
            if not can_load(use.kind):
                continue
            with self.subTest(type=use.kind):
                program = self.load(use.object, use.program)
                outcome.got(use.kind, "loaded")
                if lacks := use.lacks():
                    missing.note(use.kind)
                    outcome.refused(use.kind, "attached", lacks)
                    self.bus.unload(program)
                    continue
                with use.context(self, program) as cause:
                    outcome.got(use.kind, "attached")
                    self.assert_counts(program, cause, use.index)
                    outcome.got(use.kind, "fired")
                self.bus.unload(program)

    def test_attach_tells_who_can(self):
        for use in USES:
            if not can_load(use.kind):
                continue
            with self.subTest(type=use.kind):
                program = self.load(use.object, use.program)
                with self.refused("NotSupported") as caught:
                    self.bus.attach(program)
                self.assertIn(use.kind, caught.exception.message)
                self.bus.unload(program)

    def test_what_this_kernel_lacks(self):
        for use in [*USES, *ATTACHED]:
            if can_load(use.kind):
                continue
            with self.subTest(type=use.kind):
                with self.refused("NotSupported") as caught:
                    self.load(use.object, use.program)
                self.assertIn("CONFIG_", caught.exception.message)
                outcome.refused(use.kind, "loaded", caught.exception.message)


# What makes the hooks of an address family run
ADDRESSES = {"4": "exchange(socket.AF_INET, ('127.0.0.1', 0))",
             "6": "exchange(socket.AF_INET6, ('::1', 0))",
             "_unix": "exchange(socket.AF_UNIX, '')"}
OPTION = "socket.socket().{}sockopt(socket.SOL_SOCKET, socket.SO_PRIORITY{})"


class CgroupHooks(Case):
    """Every hook of the types that have many."""

    def setUp(self):
        super().setUp()
        self.cgroup = Cgroup()
        self.addCleanup(self.cgroup.remove)

    def run_hook(self, obj, program, hook, what, index=0):
        path = self.load(obj, program)
        self.assert_idle(path, self.cgroup.does(what), index)
        link = self.bus.attach(path, cgroup=self.cgroup.path)
        self.assertEqual(self.bus.get(link, LINK, "Hook"), hook)
        self.assert_counts(path, self.cgroup.does(what), index)
        self.bus.detach(link)
        self.assert_idle(path, self.cgroup.does(what), index)
        self.bus.unload(path)

    def test_sockets(self):
        for index, hook in enumerate(("sock_create", "sock_release", "post_bind4", "post_bind6")):
            with self.subTest(hook=hook):
                self.run_hook("cgroup_sock", "on_" + hook, hook, ADDRESSES["6" if "6" in hook else "4"],
                              index)

    def test_addresses(self):
        for hook in ("bind", "connect", "sendmsg", "recvmsg", "getpeername", "getsockname"):
            for family in "4", "6":
                with self.subTest(hook=hook + family):
                    self.run_hook("cgroup_sock_addr", "on_" + hook + family, hook + family,
                                  ADDRESSES[family])

    def test_unix_addresses(self):
        for hook in ("connect", "sendmsg", "recvmsg", "getpeername", "getsockname"):
            with self.subTest(hook=hook):
                try:
                    self.run_hook("cgroup_sock_unix", f"on_{hook}_unix", hook + "_unix",
                                  ADDRESSES["_unix"])
                except BusError as e:
                    # The kernels before 6.7 have none
                    self.assertEqual(e.name, "NotSupported")
                    self.assertIn("Linux 6.7", e.message)

    def test_options(self):
        self.run_hook("cgroup_sockopt", "getsockopt_count", "getsockopt", OPTION.format("get", ""))
        self.run_hook("cgroup_sockopt", "setsockopt_count", "setsockopt", OPTION.format("set", ", 1"),
                      1)

    def test_the_hook_is_the_sections(self):
        path = self.load("cgroup_sock_addr", "on_bind4")
        for hook, word in (("bind6", "not to bind6"), ("nothing", "not to nothing")):
            with self.refused("InvalidArgument") as caught:
                self.bus.attach(path, cgroup=self.cgroup.path, hook=hook)
            self.assertIn(word, caught.exception.message)
        with self.refused("MissingParameter") as caught:
            self.load("plain_section", [("plain_prog", "cgroup_sock")])
        self.assertIn("sock_create, sock_release, post_bind4, post_bind6", caught.exception.message)
        with self.refused("InvalidArgument"):
            self.bus.attach(self.load("tc", "tc_count"), interface="lo", direction="ingress", hook="x")


class Iterators(Case):
    def attach(self, program="iter_tasks", **options):
        path = self.load("iter", program)
        return path, self.bus.attach(path, **options)

    @needs_attach("iter")
    def test_text(self):
        # The numbers are those outside of the sandbox
        with open("/proc/self/comm", encoding="ascii") as f:
            me = " " + f.read().strip()
        for program, index in (("iter_tasks", 0), ("iter_tasks_sleepable", 1)):
            path, _ = self.attach(program)
            self.assert_counts(path, lambda: read_iterators(self), index)
            text, = read_iterators(self)
            self.assertTrue(any(line.endswith(me) for line in text.split("\n")), text)
            self.assertGreater(text.count("\n"), 3)
            self.bus.unload(path)

    @needs_attach("iter")
    def test_one_process(self):
        self.attach(pid=os.getpid())
        text, = read_iterators(self)
        names = {line.split(maxsplit=1)[1] for line in text.splitlines()}
        with open("/proc/self/comm", encoding="ascii") as f:
            self.assertIn(f.read().strip(), names)
        self.assertNotIn("bpfkeeperd", names)
        with self.refused("InvalidArgument"):
            self.attach(pid=-1)

    @needs_attach("iter")
    def test_survives_the_service(self):
        _, link = self.attach()
        self.daemon.restart()
        self.assertTrue(read_iterators(self)[0])
        self.bus.detach(link)
        self.assertEqual(read_iterators(self), [])

    @needs_attach("iter")
    def test_who_may_read(self):
        self.allow("alice", "load.iter", "attach.iter")
        path = self.load("iter", "iter_tasks", who=self.alice)
        link = self.alice.attach(path)
        self.keep(self.alice.open_iterator(link))
        with self.refused("AuthorizationRequired"):
            self.bob.open_iterator(link)

    @needs_attach("iter")
    def test_wrong(self):
        path, _ = self.attach()
        cgroup = Cgroup()
        self.addCleanup(cgroup.remove)
        with self.refused("InvalidArgument"):
            self.bus.attach(path, cgroup=cgroup.path)
        with self.refused("InvalidArgument"):
            self.bus.attach(path, function="tcp")
        other = self.bus.attach(self.load("raw_tracepoint", "raw_tracepoint_fork"))
        with self.refused("NotSupported"):
            self.bus.open_iterator(other)


class Maps(Case):
    """Programs whose hook is a map."""

    def sockets(self):
        """A map for sockets, and its path."""
        self.load("sockmap", "sk_msg_count")
        path, = (p for p, m in self.bus.managed("Maps").items() if m["Name"] == "sockets")
        return path

    @needs_attach("sk_msg")
    def test_wrong(self):
        program = self.load("sockmap", "sk_msg_count")
        hits = self.bus.maps_of(program)["hits"]
        with self.refused("MissingParameter"):
            self.bus.attach(program)
        with self.refused("MapMismatch") as caught:
            self.bus.attach(program, target_map=hits)
        self.assertIn("holds no sockets", caught.exception.message)
        for path in ("/org/bpfkeeper1/map/_4294967295", program, "/x"):
            with self.refused("NoSuchObject"):
                self.bus.attach(program, target_map=path)
        with self.refused("InvalidArgument"):
            self.bus.attach(self.load("sockmap", "sk_skb_anywhere"), target_map=hits, hook="connect4")

    @needs_attach("sk_msg")
    def test_one_on_a_map(self):
        sockets = self.sockets()
        link = self.bus.attach(self.load("sockmap", "sk_msg_count"), target_map=sockets)
        with self.refused("HookBusy"):
            self.bus.attach(self.load("sockmap", "sk_msg_count"), target_map=sockets)
        self.daemon.restart()
        self.assertEqual(self.bus.get(link, LINK, "TargetMapId"), number(sockets))
        self.bus.detach(link)
        self.bus.attach(self.load("sockmap", "sk_msg_count"), target_map=sockets)

    @needs_attach("sk_msg")
    def test_somebody_elses_map(self):
        sockets = self.sockets()
        self.allow("alice", "load.sk-msg", "attach.sk-msg")
        program = self.load("sockmap", "sk_msg_count", who=self.alice)
        with self.refused("AuthorizationRequired"):
            self.alice.attach(program, target_map=sockets)
        self.allow("alice", "load.sk-msg", "attach.sk-msg", "map.write")
        self.alice.attach(program, target_map=sockets)

    @needs_attach("iter")
    def test_iterator_over_a_map(self):
        program = self.load("iter_map", "iter_elements")
        hits = self.bus.maps_of(program)["seen"]
        with self.refused("MissingParameter"):
            self.bus.attach(program)
        with self.refused("MapMismatch"):
            self.bus.attach(program, target_map=self.sockets())
        self.bus.attach(program, target_map=hits)
        self.bus.update(hits, struct.pack("=I", 1), struct.pack("=Q", 42))
        text, = read_iterators(self)
        self.assertEqual(text, "0: 0\n1: 42\n")


class Sleepable(Case):
    """Programs that may wait for memory; those of fmod_ret and usdt are among hooks()."""

    def test_fires(self):
        by_test_run, everything = functools.partial(test_run, self), {"functions": ["target_*"]}
        for kind, index, cause, options in (
                ("uprobe", 0, run_target, {"target": TARGET, "function": "target_add"}),
                ("uretprobe", 1, run_target, {"target": TARGET, "function": "target_add"}),
                ("uprobe_multi", 2, run_target, {"target": TARGET, **everything}),
                ("uretprobe_multi", 3, run_target, {"target": TARGET, **everything}),
                ("fentry", 0, by_test_run, {}), ("fexit", 1, by_test_run, {}),
                ("lsm", 2, open_file, {})):
            if not is_wanted(kind) or not can_attach(kind):
                continue
            with self.subTest(type=kind):
                program = self.load("sleepable", f"sleepable_{kind}")
                link = self.bus.attach(program, **options)
                self.assert_counts(program, cause, index)
                self.bus.detach(link)
                self.assert_idle(program, cause, index)


def congestion_controls():
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as f:
        return f.read().split()


class StructOps(Case):
    @needs_attach("struct_ops")
    def test_is_there_while_it_is_attached(self):
        programs = self.load("struct_ops")
        self.assertNotIn(CONGESTION, congestion_controls(), "loading attaches nothing")
        link = self.bus.attach(programs[0])
        self.assertIn(CONGESTION, congestion_controls())
        with self.refused("HookBusy"):
            self.bus.attach(programs[1])
        self.daemon.restart()
        self.assertEqual(list(self.bus.list("Links")), [link])
        self.assertIn(CONGESTION, congestion_controls())
        self.assert_counts(programs[0], slow_connection)
        self.bus.detach(link)
        until(lambda: CONGESTION not in congestion_controls(), "the kernel forgets it")
        self.bus.attach(programs[1])
        self.bus.unload(programs[1])
        until(lambda: CONGESTION not in congestion_controls(), "the kernel forgets it")

    @needs_attach("struct_ops")
    def test_another_of_its_name(self):
        self.bus.attach(self.load("struct_ops")[0])
        with self.refused("HookBusy"):
            self.bus.attach(self.load("struct_ops")[0])

    @needs_attach("struct_ops")
    def test_wrong_map(self):
        program = self.load("struct_ops")[0]
        with self.refused("MapMismatch"):
            self.bus.attach(program, target_map=self.bus.maps_of(program)["hits"])


class NoScheduler(Case):
    def test_what_the_kernel_lacks(self):
        if os.path.exists(Scheduler.DIRECTORY):
            self.skipTest("this kernel has CONFIG_SCHED_CLASS_EXT")
        with self.refused("NotSupported") as caught:
            self.load("sched_ext")
        self.assertIn("function scx_bpf_create_dsq, which this kernel doesn't have; schedulers need "
                      "Linux 6.12, CONFIG_SCHED_CLASS_EXT", caught.exception.message)


class Scheduler(Case):
    """The kernel's own for all of the machine's processes, of a struct_ops (sched_ext)."""

    DIRECTORY = "/sys/kernel/sched_ext"

    def state(self):
        with open(f"{self.DIRECTORY}/state", encoding="ascii") as f:
            return f.read().strip()

    def setUp(self):
        super().setUp()
        if not os.path.exists(self.DIRECTORY):
            self.skipTest("this kernel has no CONFIG_SCHED_CLASS_EXT")
        if os.environ["BPFKEEPER_TIER"] != "vm":
            self.skipTest("the scheduler would be that of more than this system")

    def test_schedules(self):
        enqueue = self.load("sched_ext")[0]
        self.assertEqual(self.state(), "disabled", "loading attaches nothing")
        link = self.bus.attach(enqueue)
        self.assertEqual(self.state(), "enabled")
        with open(f"{self.DIRECTORY}/root/ops", encoding="ascii") as f:
            self.assertEqual(f.read().strip(), "bpfkeeper_fifo")
        subprocess.run(["true"], check=True)
        self.assertTrue(self.hits(enqueue, 0) and self.hits(enqueue, 1))
        self.assertEqual(self.hits(enqueue, 2), 1)
        another = self.load("sched_ext")[0]
        with self.refused("HookBusy"):
            self.bus.attach(another)
        # The kernel lets no scheduler follow another without its own between them
        with self.refused("NotSupported"):
            replace(self.bus, link, another)
        self.daemon.end()
        self.assertEqual(self.state(), "enabled")
        self.bus.detach(link)
        until(lambda: self.state() == "disabled", "the kernel schedules as before")
        ran = self.hits(enqueue, 1)
        subprocess.run(["true"], check=True)
        self.assertEqual(self.hits(enqueue, 1), ran)

    def test_goes_with_its_program(self):
        enqueue = self.load("sched_ext")[0]
        self.bus.attach(enqueue)
        self.bus.unload(enqueue)
        until(lambda: self.state() == "disabled", "the kernel schedules as before")


class Netfilter(Case):
    @needs_attach("netfilter")
    def test_wrong(self):
        program = self.load("netfilter", "netfilter_count")
        for error, word, options in (
                ("MissingParameter", "hook, family", {}),
                ("InvalidArgument", "prerouting", {"hook": "ingress", "family": "ipv4"}),
                ("InvalidArgument", "ipv6", {"hook": "input", "family": "arp"}),
                ("InvalidArgument", "hook_priority",
                 {"hook": "input", "family": "ipv4", "hook_priority": -2147483648})):
            with self.subTest(options=options), self.refused(error) as caught:
                self.bus.attach(program, **options)
            self.assertIn(word, caught.exception.message)
        self.bus.attach(program, hook="input", family="ipv4")
        with self.refused("HookBusy") as caught:
            self.bus.attach(program, hook="input", family="ipv4")
        self.assertIn("hook_priority", caught.exception.message)
        self.bus.attach(program, hook="input", family="ipv4", hook_priority=1)

    @needs_attach("netfilter")
    def test_every_hook(self):
        program = self.load("netfilter", "netfilter_count")
        for hook in ("prerouting", "input", "output", "postrouting"):
            link = self.bus.attach(program, hook=hook, family="ipv4")
            self.assert_counts(program, send_datagram)
            self.bus.detach(link)
        self.bus.attach(program, hook="forward", family="ipv6")
        self.assert_idle(program, send_datagram)


class Writable(Case):
    @staticmethod
    def rename(name):
        with open("/proc/self/comm", "w", encoding="ascii") as f:
            f.write(name)

    @needs_attach("raw_tracepoint_writable")
    def test_an_argument_is_changed(self):
        fd = self.keep(self.bus.open_program(self.load("tc", "tc_count")))
        with open("/proc/self/comm", encoding="ascii") as f:
            before = f.read()
            self.addCleanup(self.rename, before)
        self.rename("changed")
        path = self.load("raw_tracepoint_writable", "writable_finish",
                         globals={"changed_comm": b"changed".ljust(16, b"\0")})
        returned = bpf.test_run(fd, bytes(64))
        link = self.bus.attach(path)
        with self.assertRaises(OSError) as caught:
            bpf.test_run(fd, bytes(64))
        self.assertEqual(caught.exception.errno, 61)  # ENODATA
        self.bus.detach(link)
        self.assertEqual(bpf.test_run(fd, bytes(64)), returned)


class SystemCalls(Case):
    @needs_attach("ksyscall")
    def test_unknown(self):
        path = self.load("ksyscall", "ksyscall_count")
        with self.refused("NoSuchFunction") as caught:
            self.bus.attach(path, function="nothing_like_it")
        self.assertIn("nothing_like_it", caught.exception.message)


class Syscall(Case):
    def test_running_takes_leave(self):
        """A syscall program may do what bpf(2) does, so its owner must be allowed to run it."""
        self.allow("alice", "load.syscall")
        path = self.load("syscall", "syscall_sum", who=self.alice)
        context = struct.pack("=QQ", 1, 2)
        with self.refused("AuthorizationRequired"):
            self.alice.test_run(path, context=context)
        self.allow("alice", "attach.syscall")
        results = self.alice.test_run(path, context=context)[2]
        self.assertEqual(struct.unpack("=QQ", results["context"]), (3, 2))
