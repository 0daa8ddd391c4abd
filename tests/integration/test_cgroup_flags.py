# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that a cgroup holds itself: attach_flags "override" and "exclusive" beside "multi"."""

import json
import os
import shutil
import signal
import subprocess
import unittest

from support import bpf, daemon
from support.bus import Fd
from support.case import LINK, BusError, Case, can_attach, needs_attach, number, until
from support.change import replace, start_replace, update
from support.consistency import check, rewrite
from support.hooks import Cgroup, hooks
from support.kills import Strikes
from support.wait import rounds, some
from test_hook import bpfctl, get_hook

SEND = "exchange(socket.AF_INET, ('127.0.0.1', 0))"
EGRESS = 1  # the counter of cgroup_egress
ALONE = ("override", "exclusive")
UNLOAD_ALL = "/usr/libexec/bpfkeeper-unload-all"


class Flags(Case):
    """A cgroup, one in it, and a program for each."""

    def setUp(self):
        super().setUp()
        if not can_attach("cgroup_skb"):
            self.skipTest("this kernel can't attach cgroup_skb programs")
        self.outer = Cgroup()
        self.addCleanup(self.outer.remove)
        self.inner = Cgroup(self.outer.path)
        self.addCleanup(self.inner.remove)
        self.upper, self.lower = self.program(), self.program()

    def program(self, **options):
        return self.load("cgroup_skb", "cgroup_egress", **options)

    def attach(self, program, cgroup, flags=None, **options):
        if flags:
            options["attach_flags"] = flags
        return self.bus.attach(program, cgroup=cgroup.path, **options)

    def on(self, cgroup):
        """What the kernel says: ids of programs."""
        fd = os.open(cgroup.path, os.O_RDONLY)
        try:
            return bpf.prog_query(fd, bpf.CGROUP_INET_EGRESS)[0]
        finally:
            os.close(fd)

    def bpftool(self, *arguments):
        return subprocess.run(["bpftool", "--json", "cgroup", *arguments], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def flags(self, cgroup):
        """Likewise by bpftool, "" where there are none."""
        shown = self.bpftool("show", cgroup.path)
        return [p["attach_flags"] for p in json.loads(shown or "[]")]

    def foreign(self, cgroup, *flags):
        """Somebody else's program, attached by somebody else; its id."""
        fd = self.keep(bpf.prog_load(bpf.CGROUP_SKB, 1))
        program = int.from_bytes(bpf.info(fd)[4:8], "little")
        self.bpftool("attach", cgroup.path, "cgroup_inet_egress", "id", str(program), *flags)
        return program

    def seen(self, cgroup):
        """Which of the two see what is sent from there."""
        programs = (self.upper, self.lower)
        before = [self.hits(p, EGRESS) for p in programs]
        self.assertIs(cgroup.run(SEND), True)
        return [p for p, n in zip(programs, before) if self.hits(p, EGRESS) > n]


class Events(Flags):
    def test_multi(self):
        for options in ({}, {"flags": "multi"}):
            links = [self.attach(self.upper, self.outer, **options),
                     self.attach(self.lower, self.inner, **options)]
            self.assertEqual(self.seen(self.inner), [self.upper, self.lower])
            self.assertEqual(self.seen(self.outer), [self.upper])
            for link in links:
                properties = self.bus.get_all(link, LINK)
                self.assertEqual((properties["AttachFlags"], properties["Sharing"],
                                  len(properties["KernelLinkIds"])), ("multi", "kernel", 1))
                self.bus.detach(link)

    def test_override(self):
        """The one below runs in place of the one above, and that one wherever there is none."""
        above = self.attach(self.upper, self.outer, "override")
        self.assertEqual(self.seen(self.inner), [self.upper])
        below = self.attach(self.lower, self.inner, "override")
        self.assertEqual(self.seen(self.inner), [self.lower])
        self.assertEqual(self.seen(self.outer), [self.upper])
        properties = self.bus.get_all(below, LINK)
        self.assertEqual([properties[p] for p in ("AttachFlags", "Sharing", "KernelLinkIds",
                                                  "KernelLinkId", "Priority", "Cgroup")],
                         ["override", "exclusive", [], 0, 0, self.inner.path])
        self.assertEqual(self.flags(self.inner), ["override"])
        check(self)
        self.bus.detach(below)
        self.assertEqual(self.seen(self.inner), [self.upper])
        # Any flags below
        for flags in ("exclusive", "multi"):
            self.bus.detach(self.attach(self.lower, self.inner, flags))
        self.bus.detach(above)
        self.assertEqual(self.seen(self.inner), [])
        self.assertEqual(self.on(self.outer), [])

    def test_exclusive(self):
        """None below; one that is there already stays."""
        above = self.attach(self.upper, self.outer, "exclusive")
        for flags in ("exclusive", "override", "multi"):
            with self.refused("HookBusy") as caught:
                self.attach(self.lower, self.inner, flags)
            for text in (self.outer.path, f"program {number(self.upper)} (", '"exclusive"'):
                self.assertIn(text, caught.exception.message)
        self.assertEqual(self.on(self.inner), [])
        self.assertEqual(self.seen(self.inner), [self.upper])
        self.bus.detach(above)
        below = self.attach(self.lower, self.inner, "exclusive")
        self.attach(self.upper, self.outer, "exclusive")
        self.assertEqual(self.seen(self.inner), [self.lower])
        self.assertEqual(self.seen(self.outer), [self.upper])
        check(self)
        self.bus.detach(below)
        self.assertEqual(self.seen(self.inner), [self.upper])

    def test_each_type(self):
        """Of all types that take them: attached, run, kept through a kill, replaced, detached."""
        chosen = [h for h in hooks(self) if "attach_flags" in self.optional(h.kind) and
                  can_attach(h.kind)]
        self.assertTrue(chosen)
        for n, hook in enumerate(some(chosen)):
            with self.subTest(kind=hook.kind, program=hook.program):
                flags = ALONE[n % 2]
                old, new = (self.load(hook.object, hook.program, **hook.load) for _ in range(2))
                link = self.bus.attach(old, attach_flags=flags, **hook.options)
                self.assert_counts(old, hook.cause, hook.index)
                self.daemon.end(signal.SIGKILL)
                self.assertEqual(self.bus.get(link, LINK, "AttachFlags"), flags)
                replace(self.bus, link, new)
                self.assert_counts(new, hook.cause, hook.index)
                self.assert_idle(old, hook.cause, hook.index)
                self.bus.unload(old)
                self.bus.unload(new)
                with self.refused("org.freedesktop.DBus.Error.UnknownObject"):
                    self.bus.get(link, LINK, "AttachFlags")
                check(self)

    def optional(self, kind):
        return self.bus.get("/org/bpfkeeper1", "org.bpfkeeper1.Manager",
                            "ProgramTypes")[kind]["Optional"]


class Refused(Flags):
    def test_taken(self):
        """By one of ours: with whichever flags, the other one stays out, and that one in."""
        for flags in ALONE:
            link = self.attach(self.upper, self.outer, flags)
            for program in (self.upper, self.lower):
                for others in (*ALONE, "multi"):
                    with self.refused("HookBusy") as caught:
                        self.attach(program, self.outer, others)
                    for text in (f"Link {number(link)}", f"'{flags}'"):
                        self.assertIn(text, caught.exception.message)
            self.assertEqual(self.on(self.outer), [number(self.upper)])
            self.bus.detach(link)
        link = self.attach(self.upper, self.outer)
        for flags in ALONE:
            with self.refused("HookBusy") as caught:
                self.attach(self.lower, self.outer, flags)
            self.assertIn('"multi"', caught.exception.message)
            self.assertIn(f"program {number(self.upper)} (", caught.exception.message)
        check(self)
        self.assertEqual(self.seen(self.outer), [self.upper])

    def outcome(self, token):
        """The link, or None where the hook was taken."""
        try:
            return self.bus.wait(token)
        except BusError as e:
            self.assertEqual(e.name, "HookBusy")
            return None

    def test_at_a_time(self):
        """Of several that come at once one is there, and it is the one that is said."""
        for flags in (("override", "override"), ("override", "exclusive"), ("exclusive", "multi")):
            tokens = [self.bus.start_attach(program, cgroup=self.outer.path, attach_flags=f)
                      for program, f in zip((self.upper, self.lower), flags)]
            link, = filter(None, [self.outcome(t) for t in tokens])
            program = self.bus.get(link, LINK, "Program")
            self.assertEqual(self.on(self.outer), [number(program)])
            # One comes while the other goes, and is of the same program
            gone = self.bus.start(link, LINK, "Detach")
            token = self.bus.start_attach(program, cgroup=self.outer.path, attach_flags=flags[0])
            self.bus.wait(gone)
            links = [link for link in [self.outcome(token)] if link]
            self.assertEqual(list(self.bus.list("Links")), links)
            self.assertEqual(self.on(self.outer), [number(program)] * len(links))
            check(self)
            for link in links:
                self.bus.detach(link)

    def test_foreign(self):
        """By somebody else's, which isn't replaced."""
        for flags in ((), ("override",), ("multi",)):
            program = self.foreign(self.outer, *flags)
            word = flags[0] if flags else "exclusive"
            for ours in ("multi", *ALONE):
                if ours == word == "multi":
                    continue
                with self.refused("HookBusy") as caught:
                    self.attach(self.upper, self.outer, ours)
                for text in (f"program {program}", f'"{word}"'):
                    self.assertIn(text, caught.exception.message)
            self.assertEqual(self.on(self.outer), [program])
            found, = get_hook(self.bus, cgroup=self.outer.path)
            self.assertEqual((found["AttachFlags"], found["ProgramId"], "Link" in found),
                             (word, program, False))
            self.bpftool("detach", self.outer.path, "cgroup_inet_egress", "id", str(program))
        self.attach(self.upper, self.outer, "override")
        check(self)

    def test_taken_over(self):
        """Somebody else replaced ours: nothing of theirs is touched, and ours is seen to be gone."""
        link = self.attach(self.upper, self.outer, "override")
        program = self.foreign(self.outer, "override")
        with self.refused("Failed") as caught:
            replace(self.bus, link, self.lower)
        self.assertIn("isn't on the cgroup any more", caught.exception.message)
        self.bus.detach(link)
        self.assertEqual(self.on(self.outer), [program])
        check(self)
        self.bpftool("detach", self.outer.path, "cgroup_inet_egress", "id", str(program))
        # Detached by somebody: another one takes the place without a word of that one
        first = self.attach(self.upper, self.outer, "override")
        self.bpftool("detach", self.outer.path, "cgroup_inet_egress", "id", str(number(self.upper)))
        second = self.attach(self.lower, self.outer, "exclusive")
        self.assertEqual(list(self.bus.list("Links")), [second])
        self.assertNotEqual(first, second)
        check(self)

    def test_order(self):
        """There is none."""
        link = self.attach(self.upper, self.outer, "override")
        other = self.attach(self.lower, self.inner)
        for options in ({"priority": 3}, {"before": ("s", f"link:{number(other)}")},
                        {"after": ("s", f"program:{number(self.lower)}")}):
            for call in (lambda o=options: self.attach(self.lower, self.inner, "exclusive", **o),
                         lambda o=options: update(self.bus, link, **o),
                         lambda o=options: replace(self.bus, link, self.lower, **o)):
                with self.subTest(options=options), self.refused("InvalidArgument") as caught:
                    call()
                self.assertIn("to itself", caught.exception.message)
        update(self.bus, link)
        with self.refused("InvalidArgument") as caught:
            replace(self.bus, link, self.lower, attach_flags="exclusive")
        self.assertIn("attach_flags", caught.exception.message)
        with self.refused("InvalidArgument"):
            self.attach(self.program(), self.inner, before=("s", f"link:{number(link)}"))
        self.assertEqual(self.seen(self.outer), [self.upper])
        check(self)

    def test_wrong(self):
        for flags in ("none", "multi,override", "Multi"):
            with self.refused("InvalidArgument") as caught:
                self.attach(self.upper, self.outer, flags)
            self.assertIn("'multi', 'override' or 'exclusive'", caught.exception.message)
        with self.refused("InvalidArgument"):
            self.bus.attach(self.load("tracepoint", "tracepoint_fork"), attach_flags="override")

    def test_without_a_path(self):
        """By a descriptor of which the service finds no path; it couldn't find the program again."""
        self.bus.detach(self.bus.attach(self.upper, attach_flags="override",
                                        cgroup=Fd(self.keep(os.open(self.outer.path, os.O_RDONLY)))))
        elsewhere = "/tmp/cgroup-elsewhere"
        os.makedirs(elsewhere, exist_ok=True)
        fd = self.mounted(elsewhere)
        with self.refused("InvalidArgument") as caught:
            self.bus.attach(self.upper, attach_flags="override", cgroup=Fd(fd))
        self.assertIn("/sys/fs/cgroup", caught.exception.message)
        self.bus.detach(self.bus.attach(self.upper, cgroup=Fd(fd)))
        check(self)

    def mounted(self, directory):
        """A descriptor of the outer cgroup by another mount, which is gone by then."""
        subprocess.run(["mount", "--bind", self.outer.path, directory], check=True)
        try:
            return self.keep(os.open(directory, os.O_RDONLY))
        finally:
            subprocess.run(["umount", "-l", directory], check=True)


class Shown(Flags):
    def test_hook(self):
        """GetHook() and bpfctl hook tell them, and of the cgroup above's those of that one."""
        above = self.attach(self.upper, self.outer, "override")
        for cgroup, inherited in ((self.outer, False), (self.inner, True)):
            found, = get_hook(self.bus, cgroup=cgroup.path)
            self.assertEqual([found[k] for k in ("Type", "Direction", "Position", "AttachFlags",
                                                 "Inherited", "Link", "Program")],
                             ["cgroup_skb", "egress", 1, "override", inherited, above, self.upper])
            self.assertNotIn("KernelLinkId", found)
            self.assertNotIn("Priority", found)
        below = self.attach(self.lower, self.inner, "exclusive")
        found, = get_hook(self.bus, cgroup=self.inner.path)
        self.assertEqual((found["AttachFlags"], found["Link"]), ("exclusive", below))
        self.assertRegex(bpfctl("--no-legend", "hook", self.inner.path), r"cgroup_egress .* exclusive")
        self.bus.detach(below)
        self.assertRegex(bpfctl("--no-legend", "hook", self.inner.path),
                         r"cgroup_egress .* override, of a cgroup above")
        self.bus.detach(above)
        self.attach(self.upper, self.outer)
        self.attach(self.lower, self.inner)
        found = get_hook(self.bus, cgroup=self.inner.path)
        self.assertEqual([(o["AttachFlags"], o["Inherited"]) for o in found],
                         [("multi", False), ("multi", True)])
        self.assertNotIn("multi", bpfctl("hook", self.inner.path))

    def test_bpfctl(self):
        bpfctl("attach", str(number(self.upper)), self.outer.path, "--attach-flags=override")
        self.assertEqual(self.flags(self.outer), ["override"])
        link, = self.bus.list("Links")
        self.assertIn("override", bpfctl("show", f"link:{number(link)}"))
        self.assertIn("'multi', 'override' or 'exclusive'",
                      bpfctl("attach", str(number(self.lower)), self.inner.path,
                             "--attach-flags=alone", status=1))
        bpfctl("replace", str(number(link)), str(number(self.lower)))
        self.assertEqual(self.on(self.outer), [number(self.lower)])
        bpfctl("detach", str(number(link)))
        self.assertEqual(self.on(self.outer), [])

    def test_who_may(self):
        """polkit's rules see them."""
        flags = "action.lookup(\"attach_flags\")"
        self.allow("alice", "load.cgroup-skb", "attach.cgroup-skb",
                   condition=f"{flags} != \"override\" && {flags} != \"exclusive\"")
        program = self.program(who=self.alice)
        for word in ALONE:
            with self.refused("AuthorizationRequired"):
                self.alice.attach(program, cgroup=self.outer.path, attach_flags=word)
        self.alice.attach(program, cgroup=self.outer.path)


class Kept(Flags):
    """The cgroup holds the program whatever becomes of the service."""

    def test_restart(self):
        links = [self.attach(self.upper, self.outer, "override"),
                 self.attach(self.lower, self.inner, "exclusive")]
        for sig in (signal.SIGTERM, signal.SIGKILL):
            before = self.snapshot()
            self.daemon.end(sig)
            self.assertEqual(self.seen(self.inner), [self.lower])
            self.assertEqual(self.snapshot(), before)
            check(self)
        for link in links:
            self.bus.detach(link)
        self.assertEqual(self.on(self.outer) + self.on(self.inner), [])

    def test_gone_meanwhile(self):
        """Detached, replaced or with its cgroup, while there was no service."""
        def detach():
            self.bpftool("detach", self.inner.path, "cgroup_inet_egress", "id",
                         str(number(self.lower)))

        def take_over():
            self.foreign(self.inner, "override")

        for happens in (detach, take_over, self.inner.remove):
            self.attach(self.lower, self.inner, "override")
            self.daemon.end()
            happens()
            self.assertEqual(self.bus.list("Links"), {})
            check(self)
            if happens is take_over:
                program, = self.on(self.inner)
                self.bpftool("detach", self.inner.path, "cgroup_inet_egress", "id", str(program))

    def test_cgroup_removed(self):
        """It goes with its cgroup, and another one of that name is another one."""
        link = self.attach(self.lower, self.inner, "exclusive")
        self.inner.remove()
        until(lambda: link not in self.bus.list("Links"), "the link is gone")
        os.mkdir(self.inner.path)
        check(self)
        link = self.attach(self.lower, self.inner, "exclusive")
        self.daemon.end()
        os.rmdir(self.inner.path)
        os.mkdir(self.inner.path)
        program = self.foreign(self.inner)
        self.assertNotIn(link, self.bus.list("Links"))
        check(self)
        self.assertEqual(self.on(self.inner), [program])

    def test_unloaded(self):
        self.attach(self.upper, self.outer, "exclusive")
        self.bus.unload(self.upper)
        self.assertEqual(self.on(self.outer), [])
        check(self)

    def test_half_done(self):
        """What a file says was being attached, or detached, is undone; somebody else's isn't."""
        for state in some(("attaching", "detaching")):
            for theirs in (False, True):
                link = self.attach(self.upper, self.outer, "override")
                self.daemon.end()
                rewrite(f"{daemon.RUN}/links/{number(link)}", State=state)
                program = self.foreign(self.outer, "override") if theirs else None
                self.assertEqual(self.bus.list("Links"), {})
                check(self)
                self.assertEqual(self.on(self.outer), [program] if theirs else [])
                if theirs:
                    self.bpftool("detach", self.outer.path, "cgroup_inet_egress", "id", str(program))
                # and it can be attached again at once
                self.daemon.end()
                self.bus.detach(self.attach(self.upper, self.outer, "override"))

    def change_by_half(self, flags, there):
        """As a kill leaves it, the kernel having the program @there; or somebody else's, whose id it returns."""
        words = ("override",) if flags == "override" else ()
        link = self.attach(self.upper, self.outer, flags)
        self.daemon.end()
        state, change = (f"{daemon.RUN}/{kind}/{number(link)}" for kind in ("links", "changes"))
        shutil.copy(state, change)
        rewrite(change, Program=number(self.lower))
        if there == self.lower:
            self.bpftool("attach", self.outer.path, "cgroup_inet_egress", "id",
                         str(number(self.lower)), *words)
        return link, None if there else self.foreign(self.outer, *words)

    def test_change_half_done(self):
        """Replaced or not, as the kernel says; and not at all what somebody else has put there."""
        for flags in some(ALONE):
            for there in (self.upper, self.lower, None):
                link, program = self.change_by_half(flags, there)
                self.assertEqual([v["Program"] for v in self.bus.list("Links").values()],
                                 [there] if there else [])
                self.assertEqual(os.listdir(daemon.RUN + "/changes"), [])
                check(self)
                if there:
                    self.assertEqual(self.seen(self.outer), [there])
                    self.bus.detach(link)
                    self.assertEqual(self.on(self.outer), [])
                else:
                    self.assertEqual(self.on(self.outer), [program])
                    self.bpftool("detach", self.outer.path, "cgroup_inet_egress", "id", str(program))

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_all(self):
        self.attach(self.upper, self.outer, "override")
        self.attach(self.lower, self.inner, "exclusive")
        self.daemon.end()
        program = self.foreign(self.outer, "override")
        done = subprocess.run([UNLOAD_ALL], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("2 links detached", done.stdout)
        self.assertEqual((self.on(self.outer), self.on(self.inner)), ([program], []))
        self.bpftool("detach", self.outer.path, "cgroup_inet_egress", "id", str(program))

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_what_is_half_done(self):
        self.change_by_half("exclusive", self.lower)
        subprocess.run([UNLOAD_ALL], check=True, stdout=subprocess.PIPE)
        self.assertEqual(self.on(self.outer), [])


class Replaced(Flags):
    def test_packets(self):
        """Each is seen, by the old one or by the new one."""
        for flags in ALONE:
            link = self.attach(self.upper, self.outer, flags)
            programs = (self.lower, self.upper)
            for i in range(rounds(12)):
                before = sum(self.hits(p, EGRESS) for p in programs)
                token, sent = start_replace(self.bus, link, programs[i % 2]), 0
                while not token.is_done():
                    self.outer.run(SEND)
                    sent += 1
                self.bus.wait(token)
                self.assertEqual(sum(self.hits(p, EGRESS) for p in programs), before + sent)
                self.assertEqual(self.on(self.outer), [number(programs[i % 2])])
            self.assertEqual(self.flags(self.outer), [flags] if flags == "override" else [""])
            self.bus.detach(link)

    @needs_attach("cgroup_sockopt")
    def test_wrong_program(self):
        """One for another hook stays out, and the old one in."""
        right, wrong = (self.load("cgroup_sockopt", f"{hook}_count")
                        for hook in ("setsockopt", "getsockopt"))
        link = self.bus.attach(right, cgroup=self.outer.path, attach_flags="override")
        with self.refused("TypeMismatch", "InvalidArgument"):
            replace(self.bus, link, wrong)
        self.assert_counts(right, self.outer.does("setsockopt()"), 1)
        check(self)


class Crash(Strikes, Flags):
    def prepare(self):
        self.old, self.new = self.upper, self.lower

    def start(self, i):
        return self.bus.start_attach(self.upper, cgroup=self.outer.path, attach_flags=ALONE[i % 2])

    def assert_there(self, i, links):
        self.assertEqual(self.on(self.outer), [v["ProgramId"] for v in links.values()])
        self.assertEqual([v["AttachFlags"] for v in links.values()], [ALONE[i % 2]] * len(links))
