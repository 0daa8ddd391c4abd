# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test case that all others are."""

import contextlib
import os
import struct
import unittest

from support import bpf, bus, daemon, missing, net, objects, rules, users
from support.bus import LINK, MANAGER, MAP, PROGRAM, ROOT, BusError, Fd
from support.wait import PATIENCE, until

shared = {}


def root_bus():
    if "bus" not in shared:
        if daemon.has_systemd():
            daemon.lift_start_limit()
        shared["bus"] = bus.Bus()
    return shared["bus"]


def somebody(name):
    """The user's process, which all tests share."""
    user = shared.get(name)
    if user is None or user.process.poll() is not None:
        user = shared[name] = users.User(name)
    return user


def finish():
    for thing in shared.values():
        thing.close()
    shared.clear()


def number(path):
    """The id in an object path."""
    return int(path.rpartition("_")[2])


shared_features = {}


def features():
    if not shared_features:
        shared_features.update(root_bus().get(ROOT, MANAGER, "Features"))
    return shared_features


def feature(name):
    """Whether the kernel has what the service's Features call so."""
    if not features()[name]:
        missing.note(name.removeprefix("load.").removeprefix("attach."))
    return features()[name]


def program_types():
    """The service's; none where the tests were of a package, and it is purged by now."""
    try:
        return list(root_bus().get(ROOT, MANAGER, "ProgramTypes"))
    except BusError as e:
        if e.name != "org.freedesktop.DBus.Error.ServiceUnknown":
            raise
        return []


def can_load(kind):
    return feature(f"load.{kind}")


def can_attach(kind):
    """What isn't probed by attaching works where it loads (but for tcx, whose link is probed)."""
    if kind == "tcx":
        return feature("link.tcx")
    if kind == "tracepoint":
        return can_load(kind) and feature("tracefs")
    if kind == "tc_action":
        if not net.can_make_actions():
            missing.note(kind)
        return can_load(kind) and net.can_make_actions()
    name = f"attach.{kind}"
    return feature(name) if name in features() else can_load(kind)


def needs_attach(*kinds):
    """Decorates a test that attaches programs of these types."""
    def decorate(function):
        def run(self, *args):
            for kind in kinds:
                if not can_attach(kind):
                    self.skipTest(f"this kernel can't attach {kind} programs")
            return function(self, *args)
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        return run
    return decorate


class Case(unittest.TestCase):
    """Begins with a service that keeps nothing, and sees to it that nothing is left."""

    maxDiff = None

    notes = ()

    def note(self, text):
        """Something that the report should have beside the test's name."""
        self.notes = (*self.notes, text)

    def setUp(self):
        self.bus = root_bus()
        self.daemon = daemon.Daemon(self.bus)
        self._fds = []
        self._maps = {}
        self._rules = None
        self.addCleanup(self._clean)

    def _clean(self):
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        if self._rules:
            self._rules.clear()
        self.unload_all()
        left = daemon.listing() | set(self.bus.managed("Maps"))
        if left:
            # The next test is not to suffer from it
            self.daemon.end()
            daemon.wipe()
            self.fail(f"something is left: {sorted(left)}")

    def unload_all(self):
        for link in self.bus.list("Links"):
            with contextlib.suppress(BusError):
                self.bus.detach(link)
        for program in self.bus.managed("Programs"):
            with contextlib.suppress(BusError):
                self.bus.unload(program)

    # Things that go when the test does

    @property
    def alice(self):
        return somebody("alice")

    @property
    def bob(self):
        return somebody("bob")

    @property
    def carol(self):
        return somebody("carol")

    def another(self, name, **options):
        """A process of a user's that the test may do away with."""
        user = users.User(name, **options)
        self.addCleanup(user.close)
        return user

    @property
    def rules(self):
        if not self._rules:
            self._rules = rules.Rules(self.bus, self.carol.name)
        return self._rules

    def allow(self, user, *actions, condition="true"):
        """Allows the user these actions (org.bpfkeeper1. goes before each) and nobody else any."""
        self.rules.write(self.rules.allow(user, *("org.bpfkeeper1." + a for a in actions),
                                          condition=condition))

    def keep(self, fd):
        self._fds.append(fd)
        return fd

    def veth(self, name=None):
        pair = net.Veth(name)
        self.addCleanup(pair.remove)
        return pair

    def netns(self, named=True):
        # In containers nothing that is mounted later gets into the service's mount namespace, unless
        # it is mounted on what is there and shared
        if named and not os.path.ismount("/run/netns"):
            net.Netns().remove()
            self.daemon.restart()
        there = net.Netns(named)
        self.addCleanup(there.remove)
        return there

    def object(self, name):
        """A descriptor of one of tests/programs."""
        return self.keep(objects.sealed(objects.read(name)))

    def data_object(self, data):
        return self.keep(objects.sealed(data))

    def load(self, obj, programs=(), who=None, **options):
        """Loads and returns the path of the program, if one is named as a string, or a list."""
        wanted = [programs] if isinstance(programs, str) else programs
        paths = (who or self.bus).load(self.object(obj), wanted, **options)
        return paths[0] if isinstance(programs, str) else paths

    # What is asked again and again

    @contextlib.contextmanager
    def refused(self, *names):
        """Expects a BusError of one of these names; the context's value has it as .exception."""
        with self.assertRaises(BusError) as caught:
            yield caught
        self.assertIn(caught.exception.name, names, caught.exception.message)
        self.assertTrue(caught.exception.message)

    def hits(self, program, index=0, name="hits"):
        """What a test program has counted."""
        if (program, name) not in self._maps:
            self._maps[program, name] = self.bus.maps_of(program)[name]
        value = self.bus.lookup(self._maps[program, name], struct.pack("=I", index))
        return struct.unpack("=Q", value)[0]

    def assert_counts(self, program, cause, index=0, name="hits"):
        """Whatever cause() does is counted."""
        before = self.hits(program, index, name)

        def counted():
            cause()
            return self.hits(program, index, name) > before
        until(counted, "the program is run", PATIENCE / 2)

    def assert_idle(self, program, cause, index=0, name="hits"):
        """It isn't any more."""
        before = self.hits(program, index, name)
        cause()
        cause()
        self.assertEqual(self.hits(program, index, name), before, "the program is run still")

    def kernel_has_no(self, *names):
        """No program of these (random) names is left in the kernel, which may take its time."""
        kept = {n[:15] for n in names}
        until(lambda: not kept & set(bpf.program_names().values()), "the kernel gives up programs")

    def snapshot(self):
        """Everything that clients, the kernel and the disk know of the service's objects."""
        objects_now = {}
        for path, interfaces in self.bus.managed_objects().items():
            for interface, properties in interfaces.items():
                if interface in (PROGRAM, MAP, LINK) and properties.get("Managed", True):
                    objects_now[path] = {
                        k: v for k, v in properties.items()
                        if k not in ("RunTimeNSec", "RunCount", "RecursionMisses", "BytesMemlock")}
        return objects_now, daemon.listing()


__all__ = ["Case", "BusError", "Fd", "LINK", "MANAGER", "MAP", "PROGRAM", "ROOT", "can_attach",
           "can_load", "features", "needs_attach", "number", "root_bus", "somebody", "until"]
