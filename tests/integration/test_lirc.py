# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs on infrared receivers, which no kernel link holds and the service can't open."""

import contextlib
import json
import os
import signal
import subprocess
import time
import unittest

from support import bpf, daemon
from support.applied import lacks_receiver, open_receiver, send_infrared
from support.bus import Fd
from support.case import LINK, BusError, Case, can_load, number, until
from support.change import replace, update
from support.consistency import check, parse, rewrite
from support.kills import Kills, chances
from support.wait import rounds, some
from test_hook import bpfctl, get_hook
from test_netns_lost import detach

UNLOAD_ALL = "/usr/libexec/bpfkeeper-unload-all"


class Receiver(Case):
    """An infrared receiver, and two decoders."""

    def setUp(self):
        super().setUp()
        if not can_load("lirc_mode2"):
            self.skipTest("this kernel has no CONFIG_BPF_LIRC_MODE2")
        if lacks_receiver():
            self.skipTest(lacks_receiver())
        self.device = open_receiver(self)
        self.path = os.readlink(f"/proc/self/fd/{self.device}")
        self.first, self.second = (self.load("lirc", "lirc_count") for _ in range(2))

    def attach(self, program, device=None, who=None):
        return (who or self.bus).attach(program, device=Fd(device or self.device))

    def decoders(self):
        """What the kernel says: ids of programs."""
        return bpf.prog_query(self.device, bpf.LIRC_MODE2)[0]

    def send(self):
        send_infrared(self.device)

    def assert_decodes(self, *programs):
        self.assertEqual(self.decoders(), [number(p) for p in programs])
        for program in programs:
            self.assert_counts(program, self.send)


class Attached(Receiver):
    def test_until_it_is_detached(self):
        device = os.open(self.path, os.O_WRONLY)
        link = self.attach(self.first, device)
        os.close(device)
        self.assert_decodes(self.first)
        found = self.bus.get_all(link, LINK)
        self.assertEqual((found["Device"], found["DeviceNumber"]),
                         (self.path, os.stat(self.path).st_rdev))
        self.assertEqual((found["KernelLinkIds"], found["Sharing"], found["Priority"]),
                         ([], "kernel", 0))
        check(self)
        self.bus.detach(link)
        self.assertEqual(self.decoders(), [])
        self.assert_idle(self.first, self.send)

    def test_several(self):
        links = [self.attach(p) for p in (self.first, self.second)]
        self.assert_decodes(self.first, self.second)
        with self.refused("HookBusy") as caught:
            self.attach(self.first)
        self.assertIn(f"as link {number(links[0])}", caught.exception.message)
        self.bus.detach(links[0])
        self.assert_decodes(self.second)
        before = self.hits(self.first)
        # One thread has them all run: what came before has been counted
        self.assert_counts(self.second, self.send)
        self.assertEqual(self.hits(self.first), before)
        self.attach(self.first)
        self.assert_decodes(self.second, self.first)
        self.bus.unload(self.second)
        self.assert_decodes(self.first)

    def test_among_others(self):
        """What somebody else has put there stays, and is shown."""
        fd = self.keep(self.bus.open_program(self.second))
        bpf.prog_attach(self.device, fd, bpf.LIRC_MODE2)
        link = self.attach(self.first)
        found = get_hook(self.bus, device=Fd(self.device))
        self.assertEqual([(o["Program"], o.get("Link"), o["Position"], o["Type"]) for o in found],
                         [(self.second, None, 1, "lirc_mode2"), (self.first, link, 2, "lirc_mode2")])
        reader = self.keep(os.open(self.path, os.O_RDONLY))
        self.assertEqual(get_hook(self.bus, device=Fd(reader)), found)
        with self.refused("HookBusy"):
            self.attach(self.second)
        self.bus.detach(link)
        self.assert_decodes(self.second)
        bpf.prog_detach(self.device, fd, bpf.LIRC_MODE2)
        self.assertEqual(get_hook(self.bus, device=Fd(self.device)), [])

    def test_detached_by_somebody_else(self):
        fd = self.keep(self.bus.open_program(self.first))
        link = self.attach(self.first)
        bpf.prog_detach(self.device, fd, bpf.LIRC_MODE2)
        self.bus.detach(link)
        self.attach(self.first)
        bpf.prog_detach(self.device, fd, bpf.LIRC_MODE2)
        # What is there no more is in nobody's way
        link = self.attach(self.first)
        self.assertEqual(list(self.bus.list("Links")), [link])
        self.assert_decodes(self.first)

    def test_nothing_to_change(self):
        link = self.attach(self.first)
        with self.refused("InvalidArgument"):
            update(self.bus, link, priority=3)
        with self.refused("NotSupported") as caught:
            replace(self.bus, link, self.second)
        self.assertIn("then detach link", caught.exception.message)
        self.assert_decodes(self.first)

    def test_wrong(self):
        reader = Fd(self.keep(os.open(self.path, os.O_RDONLY)))
        null = Fd(self.keep(os.open("/dev/null", os.O_RDWR)))
        for error, text, options in (
                ("MissingParameter", "device", {}),
                ("InvalidArgument", "D-Bus type 'h'", {"device": self.path}),
                ("InvalidArgument", "open for writing", {"device": reader}),
                ("InvalidArgument", "no infrared receiver", {"device": null}),
                ("InvalidArgument", "takes no priority", {"device": Fd(self.device), "priority": 3})):
            with self.subTest(options=options), self.refused(error) as caught:
                self.bus.attach(self.first, **options)
            self.assertIn(text, caught.exception.message)
        self.assertEqual((self.decoders(), self.bus.list("Links")), ([], {}))

    def test_who_may(self):
        """By the name that the kernel has for the device, whatever it was opened as."""
        name = "/dev/test-receiver"
        os.mknod(name, 0o020600, os.stat(self.path).st_rdev)
        self.addCleanup(os.unlink, name)
        self.allow("alice", "load.lirc-mode2")
        program = self.load("lirc", "lirc_count", who=self.alice)
        fd = self.keep(os.open(name, os.O_RDWR))
        for there, allowed in ((name, False), (self.path, True)):
            self.allow("alice", "attach.lirc-mode2", condition=f'action.lookup("device") === "{there}"')
            if allowed:
                link = self.attach(program, fd, self.alice)
            else:
                with self.refused("NotAuthorized", "AuthorizationRequired"):
                    self.attach(program, fd, self.alice)
        self.assert_decodes(program)
        with self.refused("NotAuthorized", "AuthorizationRequired"):
            self.bob.detach(link)
        self.alice.detach(link)
        self.alice.unload(program)


class Bpfctl(Receiver):
    def test_all(self):
        said = bpfctl("attach", str(number(self.first)), self.path)
        self.assertIn(f"Attached lirc_count to {self.path} as link", said)
        self.assert_decodes(self.first)
        row, = json.loads(bpfctl("--json=short", "hook", self.path))
        self.assertEqual((row["type"], row["program_id"]), ("lirc_mode2", number(self.first)))
        link, = self.bus.list("Links")
        self.assertIn(self.path, bpfctl("links"))
        bpfctl("detach", str(number(link)))
        bpfctl("attach", str(number(self.first)), f"--device={self.path}")
        link, = self.bus.list("Links")
        bpfctl("detach", str(number(link)), f"--device={self.path}")
        self.assertEqual(self.decoders(), [])
        self.assertIn("no infrared receiver",
                      bpfctl("attach", str(number(self.first)), "/dev/null", status=1))
        self.assertIn("Can't open", bpfctl("attach", str(number(self.first)), "/dev/lirc99", status=1))


class Lasting(Receiver):
    """Where systemd keeps the device."""

    def setUp(self):
        super().setUp()
        if not daemon.has_systemd():
            self.skipTest("there is no systemd here to keep descriptors")

    def stored(self):
        """How many descriptors systemd has."""
        shown = subprocess.run(["systemctl", "show", "--value", "--property=NFileDescriptorStore",
                                "bpfkeeper.service"], check=True, text=True, stdout=subprocess.PIPE)
        return int(shown.stdout)


class Lasts(Lasting):
    """It is the next service's, too."""

    def test_restart(self):
        link = self.attach(self.first)
        self.attach(self.second)
        until(lambda: self.stored() == 1, "systemd has the device")
        for sig in some((signal.SIGTERM, signal.SIGKILL)):
            self.daemon.restart(sig)
            self.assertEqual(len(self.bus.list("Links")), 2)
            self.assert_decodes(self.first, self.second)
        self.bus.detach(link)
        self.assert_decodes(self.second)
        self.daemon.restart()
        self.bus.unload(self.second)
        self.assertEqual(self.decoders(), [])
        until(lambda: self.stored() == 0, "systemd gives the device up")

    def test_stopped(self):
        link = self.attach(self.first)
        subprocess.run(["systemctl", "stop", "bpfkeeper.service"], check=True)
        self.assert_stays(link)
        subprocess.run(["systemctl", "restart", "bpfkeeper.service"], check=True)
        self.assert_stays(link)
        self.bus.detach(link)
        self.assertEqual(self.decoders(), [])

    def assert_stays(self, link):
        self.assertEqual(self.decoders(), [number(self.first)])
        self.assertEqual(list(self.bus.list("Links")), [link])

    def test_half_done(self):
        """What a file says was being attached, or detached, is undone."""
        for state in some(("attaching", "detaching")):
            link = self.attach(self.first)
            self.daemon.end()
            rewrite(f"{daemon.RUN}/links/{number(link)}", State=state)
            self.assertEqual(self.bus.list("Links"), {})
            check(self)
            self.assertEqual(self.decoders(), [])
            # and it can be attached again at once
            self.bus.detach(self.attach(self.first))
        until(lambda: self.stored() == 0, "systemd gives the device up")

    @unittest.skipUnless(os.path.exists(UNLOAD_ALL), "this build has no bpfkeeper-unload-all")
    def test_unload_all(self):
        fd = self.keep(self.bus.open_program(self.second))
        self.attach(self.first)
        bpf.prog_attach(self.device, fd, bpf.LIRC_MODE2)
        self.daemon.end()
        done = subprocess.run([UNLOAD_ALL], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 links detached", done.stdout)
        self.assertEqual(self.decoders(), [number(self.second)])
        bpf.prog_detach(self.device, fd, bpf.LIRC_MODE2)


class Crash(Kills, Lasting):
    """Killed at any instant of attaching and detaching: it is there and known, or not there."""

    def play(self, kill):
        seed, chance = chances()
        begin = time.monotonic()
        self.bus.detach(self.attach(self.first))
        duration = (time.monotonic() - begin) / 2
        for i in range(rounds(10)):
            with self.subTest(seed=seed, round=i):
                self.round(i % 2, lambda: (time.sleep(chance.random() * duration), kill()))
        until(lambda: self.stored() == 0, "systemd gives the device up")

    def round(self, step, strike):
        token = self.bus.start_attach(self.first, device=Fd(self.device))
        if step > 0:
            token = self.bus.start(self.bus.wait(token), LINK, "Detach")
        strike()
        with contextlib.suppress(BusError):
            self.bus.wait(token)
        self.daemon.pid()
        check(self)
        links = self.bus.list("Links")
        self.assertEqual(self.decoders(), [v["ProgramId"] for v in links.values()])
        for link in links:
            self.bus.detach(link)
        self.assertEqual(self.decoders(), [])


class Lost(Receiver):
    """Without systemd a service that starts has no device, until somebody brings it."""

    def lose(self, *programs):
        """Links of a service that is started by hand, as one before it has left them."""
        process = self.by_hand()
        links = [self.attach(p) for p in programs]
        self.finish(process)
        process = self.by_hand()
        self.addCleanup(self.finish, process)
        return links

    def by_hand(self, idle_timeout=0):
        if daemon.has_systemd():
            # It would go on listening where nobody serves then
            subprocess.run(["systemctl", "stop", "bpfkeeper.socket", "bpfkeeper.service"], check=True)
        return self.daemon.start_by_hand(f"--idle-timeout={idle_timeout}")

    @staticmethod
    def finish(process):
        process.terminate()
        process.wait()

    def test_is_brought(self):
        first, second = self.lose(self.first, self.second)
        self.assertEqual(set(self.bus.list("Links")), {first, second})
        for call in (lambda: self.bus.detach(first), lambda: self.bus.unload(self.first)):
            with self.refused("NotSupported") as caught:
                call()
            self.assertIn("DetachWithOptions()", caught.exception.message)
            self.assertIn(self.path, caught.exception.message)
        self.assertEqual(parse(f"{daemon.RUN}/links/{number(first)}")["Link"]["State"], "attached")
        null = self.keep(os.open("/dev/null", os.O_RDWR))
        reader = self.keep(os.open(self.path, os.O_RDONLY))
        for fd, text in ((null, "no infrared receiver"), (reader, "open for writing")):
            with self.refused("InvalidArgument") as caught:
                detach(self.bus, first, device=Fd(fd))
            self.assertIn(text, caught.exception.message)
        detach(self.bus, first, device=Fd(self.device))
        self.assert_decodes(self.second)
        # The service has it now
        self.bus.detach(second)
        self.assertEqual(self.decoders(), [])

    def test_bpfctl_brings_it(self):
        link, = self.lose(self.first)
        bpfctl("detach", str(number(link)))
        self.assertEqual(self.decoders(), [])

    def test_another_attach_brings_it(self):
        link, = self.lose(self.first)
        self.bus.detach(self.attach(self.second))
        self.bus.detach(link)
        self.assertEqual(self.decoders(), [])

    def half_done(self):
        """The first program, of which a file says that it was being detached."""
        process = self.by_hand()
        link = self.attach(self.first)
        self.finish(process)
        rewrite(f"{daemon.RUN}/links/{number(link)}", State="detaching")
        process = self.by_hand()
        self.addCleanup(self.finish, process)
        self.assertEqual(self.bus.list("Links"), {})
        self.assertEqual(self.decoders(), [number(self.first)])

    def test_half_done(self):
        """What couldn't be undone for want of the device is, once it is brought."""
        self.half_done()
        link = self.attach(self.second)
        until(lambda: self.decoders() == [number(self.second)], "the first one is taken off")
        until(lambda: os.listdir(f"{daemon.RUN}/links") == [str(number(link))], "it is forgotten")
        self.bus.detach(link)

    def test_half_done_and_attached_again(self):
        """Of a program that somebody else has taken off meanwhile, what is there now is another link."""
        self.half_done()
        fd = self.keep(self.bus.open_program(self.first))
        bpf.prog_detach(self.device, fd, bpf.LIRC_MODE2)
        link = self.attach(self.first)
        until(lambda: os.listdir(f"{daemon.RUN}/links") == [str(number(link))], "it is forgotten")
        self.assert_decodes(self.first)
        self.bus.detach(link)

    def test_does_not_leave(self):
        process = self.by_hand(idle_timeout=1)
        self.addCleanup(self.finish, process)
        link = self.attach(self.first)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(timeout=4)
        self.bus.detach(link)
        until(lambda: process.poll() is not None, "the daemon leaves")


class NoReceiver(Case):
    """What needs none to be told, on any kernel."""

    def test_wrong(self):
        null = Fd(self.keep(os.open("/dev/null", os.O_RDWR)))
        for options in ({"device": null}, {"device": Fd(self.object("tc"))}):
            with self.refused("InvalidArgument") as caught:
                get_hook(self.bus, **options)
            self.assertIn("no infrared receiver", caught.exception.message)
        with self.refused("InvalidArgument") as caught:
            get_hook(self.bus, device="/dev/lirc0")
        self.assertIn("'/dev/lirc0'", caught.exception.message)
        with self.refused("InvalidArgument"):
            get_hook(self.bus, device=null, interface="lo")
        program = self.load("tc", "tc_count")
        with self.refused("InvalidArgument"):
            self.bus.attach(program, interface="lo", direction="ingress", device=null)
        link = self.bus.attach(program, interface="lo", direction="ingress")
        with self.refused("InvalidArgument") as caught:
            detach(self.bus, link, device=null)
        self.assertIn("on no device", caught.exception.message)
        self.bus.detach(link)
