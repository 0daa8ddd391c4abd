# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attach() and Detach(): every type on a real hook, and every way to name a wrong one."""

import functools
import os
import socket
import struct
import subprocess
import time

from support import bpf, objects, outcome
from support.applied import ATTACHED, USES
from support.bus import ATTACH_OPTIONS, options_variant
from support.case import (LINK, MANAGER, PROGRAM, ROOT, Case, Fd, can_attach, can_load, needs_attach,
                          number, until)
from support.consistency import check
from support.hooks import (TARGET, Cgroup, every_hook, fork, hooks, make_directory, make_link,
                           open_file, pairs, run_target, symbol_offset)


class Types(Case):
    def load_hook(self, hook):
        return self.load(hook.object, hook.program, **hook.load)

    def test_every_type_has_a_hook_here(self):
        self.assertEqual({h.kind for h in every_hook(self) + pairs(self) + [*USES, *ATTACHED]},
                         set(self.bus.get(ROOT, MANAGER, "ProgramTypes")))

    def test_runs_until_it_is_detached(self):
        for hook in every_hook(self) + pairs(self):
            if not can_attach(hook.kind):
                continue
            with self.subTest(hook=hook.program, options=hook.options):
                program = self.load_hook(hook)
                outcome.got(hook.kind, "loaded")
                self.assert_idle(program, hook.cause, hook.index)
                link = self.bus.attach(program, **hook.options)
                outcome.got(hook.kind, "attached")
                self.assert_counts(program, hook.cause, hook.index)
                outcome.got(hook.kind, "fired")
                self.bus.detach(link)
                self.assert_idle(program, hook.cause, hook.index)
                self.assertEqual(self.bus.get(program, PROGRAM, "Links"), [])
                with self.refused("NoSuchObject", "org.freedesktop.DBus.Error.UnknownObject"):
                    self.bus.detach(link)
                self.bus.unload(program)

    def test_what_this_kernel_lacks(self):
        for hook in every_hook(self) + pairs(self):
            if can_attach(hook.kind):
                continue
            with self.subTest(hook=hook.program):
                if not can_load(hook.kind):
                    with self.refused("NotSupported") as caught:
                        self.load_hook(hook)
                    outcome.refused(hook.kind, "loaded", caught.exception.message)
                    continue
                program = self.load_hook(hook)
                outcome.got(hook.kind, "loaded")
                with self.refused("NotSupported") as caught:
                    self.bus.attach(program, **hook.options)
                outcome.refused(hook.kind, "attached", caught.exception.message)
                self.assertEqual(self.bus.list("Links"), {})

    def test_link_properties(self):
        for hook in hooks(self) + pairs(self):
            if not can_attach(hook.kind):
                continue
            with self.subTest(hook=hook.program, options=hook.options):
                before = time.time()
                program = self.load_hook(hook)
                link = self.bus.attach(program, **hook.options)
                found = self.bus.get_all(link, LINK)
                hooked = {"Interface": "", "InterfaceIndex": 0, "Direction": "", "Priority": 0,
                          "Mode": "", "Tracepoint": "", "Function": "", "Offset": 0, "Target": "",
                          "Pid": 0, "Cgroup": "", "CgroupId": 0, "Device": "", "DeviceNumber": 0,
                          "Event": "", "Cookie": 0,
                          "Functions": [], "Cookies": [], "TargetProgramId": 0, "Hook": "",
                          "Offsets": [], "Family": "", "HookPriority": 0, "TargetMapId": 0,
                          "Route": "", "Table": 0, "Metric": 0}
                hooked["Index"] = number(link) if hook.kind == "tc_action" else 0
                if hook.kind == "struct_ops":
                    hooked.pop("TargetMapId")
                if "Priority" not in hook.expect and hook.kind == "xdp":
                    hooked.pop("Priority")
                hooked.update(hook.expect)
                self.assertEqual({k: found[k] for k in hooked}, hooked)
                self.assertEqual(found["Id"], number(link))
                self.assertEqual(found["Type"], hook.kind)
                self.assertEqual(found["Program"], program)
                self.assertEqual(found["ProgramId"], number(program))
                self.assertEqual(found["ProgramName"], hook.program)
                self.assertEqual(found["OwnerUid"], 0)
                self.assertTrue(before - 1 < found["AttachTime"] / 1e6 < time.time() + 1)
                for kernel_id in found["KernelLinkIds"]:
                    self.assertTrue(bpf.exists("link", kernel_id))
                self.assertEqual(found["KernelLinkId"], (found["KernelLinkIds"] or [0])[0])
                self.assertEqual(self.bus.get(program, PROGRAM, "Links"), [link])
                self.bus.unload(program)
                for kernel_id in found["KernelLinkIds"]:
                    until(lambda i=kernel_id: not bpf.exists("link", i), "the kernel link goes")
                self.assertNotIn(link, self.bus.list("Links"))

    def test_unload_detaches(self):
        veth = self.veth()
        program = self.load("tc", "tc_count")
        for direction in ("ingress", "egress"):
            self.bus.attach(program, interface=veth.name, direction=direction)
        self.bus.attach(self.load("tcx", "tcx_ingress"), interface=veth.name)
        self.bus.unload(program)
        self.assertEqual(len(self.bus.list("Links")), 1)
        shown = subprocess.run(["tc", "filter", "show", "dev", veth.name, "ingress"], check=True,
                               stdout=subprocess.PIPE, text=True).stdout
        self.assertNotIn("tc_count", shown)

    def test_descriptor_of_a_detached_program_stays_valid(self):
        program = self.load("packet_counter", "count_packets")
        fd = self.keep(self.bus.open_program(program))
        self.bus.unload(program)
        self.assertEqual(struct.unpack_from("=II", bpf.info(fd)), (6, number(program)))


class Sharing(Case):
    def test_several_of_a_kind(self):
        """Types that share their hooks run all programs that are there."""
        veth = self.veth()
        for kind, obj, program, more in (("tc", "tc", "tc_count", {"direction": "ingress"}),
                                         ("tcx", "tcx", "tcx_ingress", {})):
            if not can_attach(kind):
                continue
            with self.subTest(kind=kind):
                programs = [self.load(obj, program) for _ in range(3)]
                for p in programs:
                    self.bus.attach(p, interface=veth.name, **more)
                for p in programs:
                    self.assert_counts(p, veth.receive)

    @needs_attach("tracepoint")
    def test_one_program_on_several_hooks(self):
        program = self.load("tracepoint", "tracepoint_anywhere")
        links = [self.bus.attach(program, tracepoint=f"sched:sched_process_{what}", cookie=i)
                 for i, what in enumerate(("fork", "exit", "exec"))]
        self.assertEqual(sorted(self.bus.get(program, PROGRAM, "Links")), sorted(links))
        for i in range(3):
            self.assert_counts(program, fork, i)
        self.bus.detach(links[1])
        self.assert_idle(program, fork, 1)
        self.assert_counts(program, fork, 0)

    @needs_attach("xdp")
    def test_xdp_is_busy(self):
        """Two on an interface, where the kernel has no dispatcher for them, or it isn't used."""
        veth = self.veth()
        first, second = self.load("shared_map", "shared_xdp"), self.load("shared_map", "shared_xdp")
        link = self.bus.attach(first, interface=veth.name)
        if self.bus.get(link, LINK, "Sharing") == "libxdp":
            self.skipTest("programs share the interface")
        with self.refused("HookBusy") as caught:
            self.bus.attach(second, interface=veth.name)
        self.assertIn(veth.name, caught.exception.message)
        self.assertEqual(list(self.bus.list("Links")), [link])
        self.assert_counts(first, veth.receive)
        self.bus.detach(link)
        self.bus.attach(second, interface=veth.name)
        self.assert_counts(second, veth.receive)

    @needs_attach("xdp")
    def test_xdp_of_somebody_else_is_left_alone(self):
        veth = self.veth()
        subprocess.run(["ip", "link", "set", "dev", veth.name, "xdp", "obj",
                        objects.path("packet_counter"), "sec", "xdp"], check=True)
        program = self.load("shared_map", "shared_xdp")
        with self.refused("HookBusy"):
            self.bus.attach(program, interface=veth.name)
        shown = subprocess.run(["ip", "link", "show", veth.name], check=True, text=True,
                               stdout=subprocess.PIPE).stdout
        self.assertIn("xdp", shown)

    @needs_attach("xdp")
    def test_xdp_modes(self):
        veth = self.veth()
        program = self.load("shared_map", "shared_xdp")
        for mode in ("native", "skb"):
            link = self.bus.attach(program, interface=veth.name, mode=mode)
            self.assertEqual(self.bus.get(link, LINK, "Mode"), mode)
            self.assert_counts(program, veth.receive)
            self.bus.detach(link)
        with self.refused("NotSupported"):
            self.bus.attach(program, interface=veth.name, mode="hw")


class Wrong(Case):
    """What is wrong is told by its own name, and nothing is attached."""

    def expect(self, program, error, *mentions, who=None, **options):
        with self.subTest(program=program, options=options):
            with self.refused(error) as caught:
                (who or self.bus).attach(program, **options)
            for word in mentions:
                self.assertIn(word, caught.exception.message)
            self.assertEqual(self.bus.list("Links"), {})

    def test_options(self):
        xdp = self.load("shared_map", "shared_xdp")
        self.expect(xdp, "UnknownOption", "iface", "interface", iface="lo")
        self.expect(xdp, "WrongType", "interface", interface=("t", 1))
        self.expect(xdp, "WrongType", "priority", interface="lo", priority=("s", "1"))
        self.expect(xdp, "MissingParameter", "interface")
        for wrong in ({"direction": "ingress"}, {"tracepoint": "a:b"}, {"function": "f"},
                      {"pid": 1}, {"cookie": 1}, {"event": "cpu-clock"}):
            self.expect(xdp, "InvalidArgument", next(iter(wrong)), interface="lo", **wrong)
        with self.refused("InvalidArgument"):
            self.bus.attach(xdp, **{"interface": "lo"}, mode="fast")
        fds = []
        twice = options_variant(ATTACH_OPTIONS, [("interface", "lo"), ("interface", "lo")], fds)
        with self.refused("InvalidArgument"):
            self.bus.call(xdp, PROGRAM, "Attach", "(a{sv})", twice)

    def test_interface(self):
        xdp, tc = self.load("shared_map")
        self.expect(xdp, "NoSuchInterface", "nothing0", interface="nothing0")
        self.expect(xdp, "NoSuchInterface", "999999", interface=("u", 999999))
        self.expect(xdp, "NoSuchInterface", interface="x" * 100)
        self.expect(tc, "MissingParameter", "direction", interface="lo")
        self.expect(tc, "InvalidArgument", "sideways", interface="lo", direction="sideways")
        self.expect(tc, "InvalidArgument", "priority", interface="lo", direction="egress",
                    priority=65536)

    @needs_attach("tracepoint", "raw_tracepoint")
    def test_tracepoint(self):
        tp = self.load("tracepoint", "tracepoint_anywhere")
        raw = self.load("raw_tracepoint", "raw_tracepoint_fork")
        self.expect(tp, "MissingParameter", "tracepoint")
        self.expect(tp, "NoSuchTracepoint", "nothing", tracepoint="sched:nothing")
        self.expect(tp, "NoSuchTracepoint", tracepoint="nothing:nothing")
        for malformed in ("sched", "sched:", ":x", "../sched:x", "sched:../../x", "a/b:c"):
            self.expect(tp, "InvalidArgument", tracepoint=malformed)
        self.expect(tp, "InvalidArgument", tracepoint="s" * 300 + ":x")
        self.expect(raw, "NoSuchTracepoint", tracepoint="nothing")

    @needs_attach("uprobe")
    def test_uprobe(self):
        probe = self.load("uprobe", "uprobe_anywhere")
        target = self.keep(os.open(TARGET, os.O_RDONLY))
        self.expect(probe, "MissingParameter", "target", function="target_add")
        self.expect(probe, "NoSuchTarget", "/nothing", target="/nothing", function="f")
        self.expect(probe, "NoSuchTarget", target="target", function="target_add")
        self.expect(probe, "NoSuchTarget", target="/tmp", function="f")
        self.expect(probe, "NoSuchTarget", target="/dev/null", function="f")
        self.expect(probe, "NoSuchTarget", target="/etc/passwd", function="f")
        self.expect(probe, "NoSuchFunction", "nothing", target=TARGET, function="nothing")
        self.expect(probe, "NoSuchFunction", target=TARGET + "-stripped", function="target_add")
        self.expect(probe, "NoSuchProcess", target=Fd(target), function="target_add", pid=4194304)
        self.expect(probe, "InvalidArgument", "pid", target=TARGET, function="target_add", pid=-5)
        self.expect(probe, "WrongType", target=("u", 1))

    @needs_attach("uprobe")
    def test_uprobe_path_is_for_root_only(self):
        self.allow("alice", "load.*", "attach.*")
        probe = self.load("uprobe", "uprobe_anywhere", who=self.alice)
        self.expect(probe, "MissingParameter", who=self.alice, target=TARGET, function="target_add")
        self.expect(probe, "MissingParameter", who=self.alice, target="/root/x", function="f")
        fd = self.keep(self.alice.open(TARGET))
        link = self.alice.attach(probe, target=Fd(fd), function="target_add")
        self.assertEqual(self.bus.get(link, LINK, "Target"), TARGET)
        self.assert_counts(probe, run_target)

    @needs_attach("uprobe")
    def test_uprobe_offset_and_pid(self):
        probe = self.load("uprobe", "uprobe_anywhere")
        with subprocess.Popen([TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            def cause():
                process.stdin.write(b"\n")
                process.stdin.flush()
                process.stdout.readline()
            self.bus.attach(probe, target=TARGET, function="target_add", pid=process.pid)
            self.assert_idle(probe, run_target)
            self.assert_counts(probe, cause)
            process.stdin.close()
        self.unload_all()
        # By its place in the file, which needs no symbols
        place = symbol_offset(TARGET, "target_add")
        probe = self.load("uprobe", "uprobe_anywhere")
        # In the ELF's header, which every process would find damaged
        self.expect(probe, "InvalidArgument", "0x4 is in no part", target=TARGET, offset=4)
        self.expect(probe, "InvalidArgument", "in no part", target=TARGET, function="target_add",
                    offset=1 << 40)
        link = self.bus.attach(probe, target=TARGET, offset=place)
        self.assertEqual(self.bus.get(link, LINK, "Offset"), place)
        self.assert_counts(probe, run_target)

    @needs_attach("uprobe")
    def test_process_by_descriptor(self):
        """Which is no other one, whoever has its number by now."""
        program = self.load("uprobe", "uprobe_anywhere")
        with subprocess.Popen([TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            fd = self.keep(os.pidfd_open(process.pid))

            def cause():
                process.stdin.write(b"\n")
                process.stdin.flush()
                process.stdout.readline()
            link = self.bus.attach(program, target=TARGET, function="target_add", pid=Fd(fd))
            self.assertEqual(self.bus.get(link, LINK, "Pid"), process.pid)
            self.assert_idle(program, run_target)
            self.assert_counts(program, cause)
            process.stdin.close()
        self.bus.detach(link)
        self.expect(program, "NoSuchProcess", "ended", target=TARGET, function="target_add",
                    pid=Fd(fd))
        self.expect(program, "InvalidArgument", "no pidfd", target=TARGET, function="target_add",
                    pid=Fd(self.keep(os.open(TARGET, os.O_RDONLY))))

    @needs_attach("perf_event")
    def test_process_that_has_ended(self):
        """And has its number still, as long as nobody waits for it."""
        program = self.load("perf_event", "perf_event_sample")
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            fd = self.keep(os.pidfd_open(process.pid))
            process.stdin.close()
            os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOWAIT)
            self.expect(program, "NoSuchProcess", "has ended", event="cpu-clock", frequency=10,
                        pid=Fd(fd))
        self.assertEqual(self.bus.list("Links"), {})

    @needs_attach("cgroup_skb")
    def test_cgroup(self):
        program = self.load("cgroup_skb", "cgroup_egress")
        self.expect(program, "MissingParameter", "cgroup")
        for path in ("/sys/fs/cgroup/nothing", "/tmp", "/sys/fs/cgroup/../../../tmp", "nothing",
                     "/sys/fs/cgroupx", "/sys/fs/cgroup/cgroup.procs"):
            self.expect(program, "NoSuchCgroup", cgroup=path)
        self.expect(program, "NoSuchCgroup", "descriptor is of no directory",
                    cgroup=Fd(self.keep(os.open("/tmp", os.O_RDONLY))))
        self.expect(program, "InvalidArgument", cgroup="/sys/fs/cgroup", direction="up")

    @needs_attach("cgroup_skb")
    def test_cgroup_goes(self):
        """Its links go with it, those on another one stay, and a new one of its name is another one."""
        stays, goes = Cgroup(), Cgroup()
        for cgroup in (stays, goes):
            self.addCleanup(cgroup.remove)
        program = self.load("cgroup_skb", "cgroup_egress")
        link = self.bus.attach(program, cgroup=stays.path)
        for _ in range(3):
            self.bus.attach(program, cgroup=goes.path)
        self.daemon.restart()
        goes.remove()
        until(lambda: list(self.bus.list("Links")) == [link], "three links go")
        os.mkdir(goes.path)
        again = self.bus.attach(program, cgroup=goes.path)
        self.assert_counts(program, goes.run, 1)
        self.assert_counts(program, stays.run, 1)
        check(self)
        goes.remove()
        until(lambda: again not in self.bus.list("Links"), "it goes")
        self.bus.detach(link)
        check(self)

    @needs_attach("cgroup_skb")
    def test_cgroup_by_descriptor(self):
        cgroup = Cgroup()
        self.addCleanup(cgroup.remove)
        program = self.load("cgroup_skb", "cgroup_egress")
        fd = self.keep(os.open(cgroup.path, os.O_RDONLY | os.O_DIRECTORY))
        link = self.bus.attach(program, cgroup=Fd(fd))
        self.assertEqual(self.bus.get(link, LINK, "Cgroup"), cgroup.path)
        self.assert_counts(program, cgroup.run, 1)

    @needs_attach("perf_event")
    def test_perf_event(self):
        program = self.load("perf_event", "perf_event_sample")
        self.expect(program, "MissingParameter", "event")
        self.expect(program, "InvalidArgument", event="nothing")
        self.expect(program, "NoSuchProcess", event="cpu-clock", frequency=10, pid=4194304)
        self.expect(program, "InvalidArgument", event="cpu-clock", frequency=10, cpu=100000)
        self.expect(program, "InvalidArgument", event="cpu-clock", frequency=10, period=10)

    @needs_attach("perf_event")
    def test_perf_event_of_one_cpu(self):
        program = self.load("perf_event", "perf_event_sample")
        link = self.bus.attach(program, event="cpu-clock", frequency=100, cpu=0)
        self.assertEqual(self.bus.get(link, LINK, "Cpu"), 0)
        self.assertEqual(len(self.bus.get(link, LINK, "KernelLinkIds")), 1)
        link = self.bus.attach(program, event="cpu-clock", frequency=100)
        self.assertEqual(len(self.bus.get(link, LINK, "KernelLinkIds")), os.cpu_count())

    @needs_attach("kprobe")
    def test_kernel_function(self):
        program = self.load("kprobe", "kprobe_open")
        self.expect(program, "NoSuchFunction", "nothing_like_it", function="nothing_like_it")
        self.expect(program, "InvalidArgument", function="a b")

    @needs_attach("kprobe_multi")
    def test_kernel_functions(self):
        probe = self.load("kprobe_multi", "kretprobe_multi_anywhere")
        self.expect(probe, "MissingParameter", "functions")
        self.expect(probe, "MissingParameter", "functions", cookie=1)
        self.expect(probe, "InvalidArgument", "no function", function="vfs_open",
                    functions=["vfs_open"])
        self.expect(probe, "NoSuchFunction", "no_such_thing", functions=["no_such_thing"])
        self.expect(probe, "NoSuchFunction", "called no_such_thing",
                    functions=["vfs_open", "no_such_thing"])
        self.expect(probe, "NoSuchFunction", "matches no_such_*", functions=["no_such_*"])
        self.expect(probe, "NoSuchFunction", "matches no_such_*", functions=["vfs_*", "no_such_*"])
        self.expect(probe, "NoSuchFunction", "no_such_thing", functions=["vfs_*", "no_such_thing"])
        self.expect(probe, "InvalidArgument", "vfs_open", functions=["vfs_open", "vfs_open"])
        self.expect(probe, "LimitExceeded", "16384", functions=["*"])
        for malformed in ([], [""], ["a b"], ["a,b"], ["x" * 128], ["vfs_open", "../x"]):
            self.expect(probe, "InvalidArgument", functions=malformed)
        self.expect(probe, "InvalidArgument", "cookies", functions=["vfs_open"], cookies=[1, 2])
        self.expect(probe, "InvalidArgument", "cookies", functions=["vfs_open"], cookies=[1], cookie=1)
        self.expect(probe, "WrongType", "functions", functions=("s", "vfs_open"))

    @needs_attach("kprobe_multi")
    def test_each_function_has_its_cookie(self):
        program = self.load("kprobe_multi", "kprobe_multi_open")

        def read_link():
            os.readlink("/proc/self/exe")
        link = self.bus.attach(program, functions=["vfs_readlink", "vfs_ope*", "vfs_*"],
                               cookies=[1, 2, 3])
        self.assertEqual(len(self.bus.get(link, LINK, "KernelLinkIds")), 1)
        self.assert_counts(program, read_link, 1)
        self.assert_counts(program, open_file, 2)
        self.assert_counts(program, open_file, 3)

    def test_freplace_target(self):
        load = functools.partial(self.load, "freplace", "freplace_decide")
        xdp = self.load("replaceable", "replaceable")
        with self.refused("MissingParameter") as caught:
            load()
        self.assertIn("target_program", caught.exception.message)
        for option in ({"target_program": xdp}, {"target_function": "decide"}):
            with self.refused("InvalidArgument") as caught:
                self.load("tc", "tc_count", **option)
            self.assertIn("freplace", caught.exception.message)
        with self.refused("NoSuchObject"):
            load(target_program=f"{ROOT}/program/_4294967295")
        with self.refused("NoSuchObject"):
            load(target_program=f"{ROOT}/map/_1")
        with self.refused("NoSuchFunction") as caught:
            load(target_program=xdp, target_function="nothing")
        for word in ("nothing", "decide", "replaceable"):
            self.assertIn(word, caught.exception.message)
        with self.refused("MissingParameter") as caught:
            self.load("freplace", "freplace_anywhere", target_program=xdp)
        self.assertIn("target_function", caught.exception.message)
        if can_load("freplace"):
            with self.refused("VerifierRefused"):
                self.load("freplace", "freplace_other", target_program=xdp)

    @needs_attach("freplace")
    def test_freplace_decides(self):
        """A packet that passes is dropped, and passes again; then one of a program that is like it."""
        veth = self.veth()
        first, second = self.load("replaceable")
        program = self.load("freplace", "freplace_anywhere", target_program=first,
                            target_function="decide")
        on_interface = self.bus.attach(first, interface=veth.name)
        self.assertEqual(self.bus.get(on_interface, LINK, "Sharing"), "exclusive")
        self.assertEqual(self.bus.test_run(first, bytes(64))[0], 2)
        link = self.bus.attach(program)
        self.assert_counts(program, veth.receive, 1)
        self.assertEqual(self.bus.test_run(first, bytes(64))[0], 1)
        self.bus.detach(link)
        self.assertEqual(self.bus.test_run(first, bytes(64))[0], 2)
        self.assert_idle(program, veth.receive, 1)
        link = self.bus.attach(program, target_program=second, function="decide")
        self.assertEqual(self.bus.get(link, LINK, "TargetProgramId"), number(second))
        self.assertEqual(self.bus.test_run(second, bytes(64))[0], 1)
        self.assertEqual(self.bus.test_run(first, bytes(64))[0], 2)
        self.bus.detach(link)
        self.daemon.restart()
        self.bus.attach(program)
        self.assertEqual(self.bus.test_run(first, bytes(64))[0], 1)
        with self.refused("HookBusy", "TypeMismatch"):
            self.bus.attach(program)

    @needs_attach("freplace")
    def test_freplace_of_a_member(self):
        """A program that shares an interface runs as a copy, into which none goes."""
        veth = self.veth()
        target = self.load("replaceable", "replaceable")
        shared = self.bus.attach(target, interface=veth.name)
        self.assertEqual(self.bus.get(shared, LINK, "Sharing"), "libxdp")
        program = self.load("freplace", "freplace_decide", target_program=target)
        with self.refused("HookBusy") as caught:
            self.bus.attach(program)
        self.assertIn(veth.name, caught.exception.message)
        self.bus.detach(shared)
        alone = self.bus.attach(target, interface=veth.name)
        self.assertEqual(self.bus.get(alone, LINK, "Sharing"), "exclusive")
        self.bus.attach(program)
        self.assert_counts(program, veth.receive, 0)
        # When there is none left to go into it, it is as any other
        self.bus.unload(program)
        self.bus.detach(alone)
        shared = self.bus.attach(target, interface=veth.name)
        self.assertEqual(self.bus.get(shared, LINK, "Sharing"), "libxdp")

    def test_freplace_of_somebody_else(self):
        """Others' programs are theirs, also from the inside."""
        mine = self.load("replaceable", "replaceable")
        self.allow("alice", "load.xdp", "load.freplace", "attach.freplace")
        with self.refused("NotAuthorized", "AuthorizationRequired"):
            self.load("freplace", "freplace_decide", who=self.alice, target_program=mine)
        if can_load("freplace"):
            own = self.load("replaceable", "replaceable", who=self.alice)
            program = self.load("freplace", "freplace_decide", who=self.alice, target_program=own)
            with self.refused("NotAuthorized", "AuthorizationRequired"):
                self.alice.attach(program, target_program=mine)

    @needs_attach("fmod_ret")
    def test_what_may_not_be_decided(self):
        with self.refused("InvalidArgument") as caught:
            self.load("fmod_ret_refused", "fmod_ret_refused")
        for word in ("fmod_ret_refused", "error injection", "security_", "vfs_open"):
            self.assertIn(word, caught.exception.message)

    def test_objects(self):
        with self.refused("NoSuchObject", "org.freedesktop.DBus.Error.UnknownObject"):
            self.bus.attach("/org/bpfkeeper1/program/_4294967295", interface="lo")
        for path in ("/org/bpfkeeper1/program/_0", "/org/bpfkeeper1/program/_01",
                     "/org/bpfkeeper1/program/1", "/org/bpfkeeper1/program/_x"):
            with self.refused("org.freedesktop.DBus.Error.UnknownObject", "NoSuchObject",
                              "org.freedesktop.DBus.Error.UnknownMethod"):
                self.bus.attach(path, interface="lo")

    def test_not_managed(self):
        self.addCleanup(lambda: os.path.exists("/sys/fs/bpf/foreign") and
                        os.unlink("/sys/fs/bpf/foreign"))
        subprocess.run(["bpftool", "prog", "load", objects.path("tc"), "/sys/fs/bpf/foreign"],
                       check=True)
        fd = bpf.obj_get("/sys/fs/bpf/foreign")
        number_ = struct.unpack_from("=II", bpf.info(fd))[1]
        os.close(fd)
        path = f"{ROOT}/program/_{number_}"
        self.expect(path, "NotManaged", interface="lo", direction="ingress")
        with self.refused("NotManaged"):
            self.bus.unload(path)


class Gone(Case):
    """Hooks that go away under a program."""

    def test_interface_removed(self):
        for kind, obj, name, options in (("xdp", "shared_map", "shared_xdp", {}),
                                         ("tc", "tc", "tc_count", {"direction": "egress"}),
                                         ("tcx", "tcx", "tcx_ingress", {})):
            if not can_attach(kind):
                continue
            with self.subTest(kind=kind):
                veth, other = self.veth(), self.veth()
                program = self.load(obj, name)
                self.bus.attach(program, interface=veth.name, **options)
                left = self.bus.attach(program, interface=other.name, **options)
                veth.remove()
                until(lambda p=program: len(self.bus.get(p, PROGRAM, "Links")) == 1,
                      "the link goes with its interface")
                self.assertEqual(self.bus.get(program, PROGRAM, "Links"), [left])
                self.bus.unload(program)

    @needs_attach("tcx")
    def test_interface_renamed(self):
        veth = self.veth()
        program = self.load("tcx", "tcx_ingress")
        link = self.bus.attach(program, interface=veth.name)
        subprocess.run(["ip", "link", "set", veth.name, "down"], check=True)
        subprocess.run(["ip", "link", "set", veth.name, "name", "renamed0"], check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "delete", "renamed0"], check=True)
        self.assertEqual(self.bus.get(link, LINK, "InterfaceIndex"), veth.index)
        self.bus.detach(link)
        self.assertEqual(self.bus.list("Links"), {})
        self.assertIn("renamed0", [n for _, n in socket.if_nameindex()])

    def test_program_decides(self):
        for kind, program, allowed in (("lsm", "lsm_mkdir", make_directory),
                                       ("fmod_ret", "fmod_ret_symlink", make_link)):
            if can_attach(kind):
                with self.subTest(kind=kind):
                    self.decides(kind, program, allowed)
        if not can_attach("lsm") and not can_attach("fmod_ret"):
            self.skipTest("this kernel can't attach lsm and fmod_ret programs")

    def decides(self, kind, program, allowed):
        program = self.load(kind, program,
                            globals={"denied_pid": struct.pack("=I", os.getpid())})
        self.assertTrue(allowed())
        link = self.bus.attach(program)
        self.assertFalse(allowed())
        self.bus.detach(link)
        self.assertTrue(allowed())
