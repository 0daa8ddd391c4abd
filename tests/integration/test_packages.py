# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian packages on a Debian system: installed, upgraded, downgraded, removed, purged.

For a system that has none of bpfkeeper but the packages at hand (tests/vm --bare; tests/packages
makes them); elsewhere it is skipped.
"""

import glob
import os
import re
import shutil
import struct
import subprocess
import threading
import unittest

from support import bpf, bus, case, daemon, missing
from support.bus import MAP, NAME
from support.case import Case, can_attach, feature, number, until
from support.consistency import check, tc_filters
from support.hooks import fork, hooks
from support.wait import SCALE

DEBS = os.environ.get("BPFKEEPER_BUILD", "build") + "/packages"
SOURCE = os.environ.get("BPFKEEPER_SOURCE", ".")
UNIT, SOCKET = "bpfkeeper.service", "bpfkeeper.socket"
SAVED = "/var/lib/bpfkeeper/unload-all"
# Where something of ours could be left; what isn't named after us changes for many reasons
PLACES = ["/etc", "/usr", "/var/lib", "/var/cache", "/run", "/sys/fs/bpf", "/home", "/root", "/opt"]


def run(*command, check=True, **options):
    return subprocess.run(command, check=check, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)


def output(*command, **options):
    return run(*command, **options).stdout.strip()


def deb(name="bpfkeeper", directory=DEBS):
    found = [f for f in glob.glob(f"{directory}/{name}_*.deb")]
    if len(found) != 1:
        raise unittest.SkipTest(f"there is no {name} package in {directory}: run tests/packages --next")
    return found[0]


def status(package="bpfkeeper"):
    """dpkg's word for it: installed, config-files, …; not-installed where it knows nothing."""
    shown = subprocess.run(["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package],
                           check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return shown.stdout if shown.returncode == 0 else "not-installed"


def setUpModule():
    if not daemon.has_systemd() or not shutil.which("dpkg"):
        raise unittest.SkipTest("this is no Debian system with systemd")
    if os.path.exists(daemon.DAEMON) and status() == "not-installed":
        raise unittest.SkipTest("bpfkeeper is here already, and not from a package")
    deb()
    deb(directory=DEBS + "/next")
    # The VM's tree was made without documentation; what is to be tested has it
    for path in glob.glob("/etc/dpkg/dpkg.cfg.d/*"):
        os.unlink(path)


def systemctl(*arguments):
    return output("systemctl", *arguments, check=False)


def bus_names():
    """Names that the bus knows: running or activatable, with the unit's state for others' sake."""
    shown = output("busctl", "list", "--no-legend", "--no-pager", "--full")
    return {line.split()[0]: line for line in shown.splitlines()}


def ours():
    """Every file that is there because of the package, or of what it did."""
    found = {f for place in PLACES for directory, names, files in os.walk(place)
             for f in (os.path.join(directory, n) for n in names + files)
             if "bpfkeeper" in f or "bpfctl" in f}
    # dpkg's own, this test's, and where tests/vm has put the sources
    return {f for f in found if not f.startswith(("/var/lib/dpkg/", "/var/lib/bpfkeeper-tests",
                                                  "/usr/local/lib/bpfkeeper-tests", SOURCE))}


def accounts():
    return {path: open(path, encoding="utf-8").read() for path in ("/etc/passwd", "/etc/group")}


# Held by one kernel link, by one for each CPU, and by none
SOME = ("xdp", "tc", "perf_event")


class Counter:
    """What a program counts, read from the kernel while there may be no service."""

    def __init__(self, test, program, hook):
        path = test.bus.maps_of(program)["hits"]
        self.fd = test.keep(bpf.open_id(bpf.MAP_GET_FD_BY_ID, number(path)))
        assert test.bus.get(path, MAP, "ValueSize") == 8
        self.key, self.hook = struct.pack("=I", hook.index), hook

    def value(self):
        return struct.unpack("=Q", bpf.map_lookup(self.fd, self.key, 8))[0]

    def runs(self):
        """Whether the program runs when it is to."""
        before = self.value()
        self.hook.cause()
        return self.value() > before


class Packages(Case):
    def setUp(self):
        purge = run("dpkg", "--purge", "bpfkeeper", "bpfkeeper-dev", check=False)
        self.assertEqual(status(), "not-installed", purge.stdout)
        self._fds, self._maps, self._rules = [], {}, None
        self.files, self.accounts = ours(), accounts()
        self.addCleanup(self._clean)

    def _clean(self):
        for fd in self._fds:
            os.close(fd)
        done = run("dpkg", "--purge", "bpfkeeper", "bpfkeeper-dev", check=False)
        self.assertEqual(status(), "not-installed", done.stdout)

    # dpkg, with what it said

    def dpkg(self, *arguments):
        done = run("dpkg", *arguments, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def install(self, directory=DEBS):
        said = self.dpkg("--install", deb(directory=directory))
        self.assertNotRegex(said.replace("warning: downgrading", ""), r"(?i)warning:|error:|failed")
        self.use_bus()
        return said

    def use_bus(self):
        """A connection of ours, which the other tests' root_bus() changes settings of the unit for."""
        if "bus" not in case.shared:
            case.shared["bus"] = bus.Bus()
        self.bus = case.shared["bus"]
        self.daemon = daemon.Daemon(self.bus)

    def attach_all(self, kinds=()):
        """A program of each of these types, or of all that the kernel can attach: hooks, programs,
        links, counters."""
        chosen = [h for h in hooks(self) if (not kinds or h.kind in kinds) and can_attach(h.kind)]
        programs = [self.load(h.object, h.program, **h.load) for h in chosen]
        links = [self.bus.attach(p, **h.options) for p, h in zip(programs, chosen)]
        # lsm refuses and doesn't count
        counters = [Counter(self, p, h) for p, h in zip(programs, chosen) if h.kind != "lsm"]
        return chosen, programs, links, counters

    def assert_all_run(self, counters):
        for counter in counters:
            self.assertTrue(counter.runs() or counter.runs(), counter.hook.program)

    def assert_nothing_left(self):
        self.assertEqual(ours() - self.files, set())
        self.assertEqual(accounts(), self.accounts)
        self.assertFalse(os.path.exists(daemon.PINS))
        self.assertFalse(os.path.exists(daemon.RUN))
        self.assertNotIn(NAME, bus_names())
        self.assertNotIn("bpfkeeper", systemctl("list-unit-files", "--no-legend"))
        self.assertNotIn("bpfkeeper", systemctl("list-units", "--all", "--no-legend", "bpfkeeper*"))

    def assert_in_kernel(self, programs, there=True):
        for program in programs:
            until(lambda p=program: bpf.exists("program", number(p)) == there,
                  f"{program} is {'there' if there else 'gone'}")


class Install(Packages):
    """These share an installation."""

    def setUp(self):
        if status() != "installed":
            super().setUp()
            self.install()
        self.use_bus()

    def _clean(self):
        pass

    @classmethod
    def tearDownClass(cls):
        output("dpkg", "--purge", "bpfkeeper", "bpfkeeper-dev")

    def test_activatable_and_not_running(self):
        self.dpkg("--purge", "bpfkeeper")
        self.install()
        self.assertEqual(status(), "installed")
        self.assertEqual(systemctl("is-active", UNIT), "inactive")
        self.assertRegex(bus_names()[NAME], r"\(activatable\)")
        self.assertEqual(systemctl("is-enabled", SOCKET), "enabled")
        self.assertEqual(systemctl("is-active", SOCKET), "active")
        # The bus' policy is in force at once, for others than root too
        shown = output("runuser", "-u", "nobody", "--", "busctl", "get-property", NAME,
                       "/org/bpfkeeper1", "org.bpfkeeper1.Manager", "Version")
        self.assertRegex(shown, r'^s "\d')
        self.assertEqual(systemctl("is-active", UNIT), "active")
        self.assertIn("xdp", output("bpfctl", "types"))

    def test_what_is_shipped(self):
        self.dpkg("--install", deb("bpfkeeper-dev"))
        for package in ("bpfkeeper", "bpfkeeper-dev"):
            with self.subTest(package=package):
                self.assertEqual(output("dpkg", "--verify", package), "")
        self.assertEqual(output("dpkg-query", "--show", "--showformat", "${Conffiles}", "bpfkeeper"), "")
        for path in ("/usr/bin/bpfctl", "/usr/share/bash-completion/completions/bpfctl",
                     "/usr/share/man/man1/bpfctl.1.gz", "/usr/share/man/man7/bpfkeeper.7.gz",
                     "/usr/share/man/man8/bpfkeeperd.8.gz", "/usr/share/doc/bpfkeeper/copyright",
                     "/usr/share/doc/bpfkeeper/examples/packet_counter.bpf.o",
                     "/usr/share/dbus-1/interfaces/org.bpfkeeper1.Manager.xml"):
            self.assertTrue(os.path.exists(path), path)
        # None of the tests'
        shipped = output("dpkg", "--listfiles", "bpfkeeper", "bpfkeeper-dev")
        self.assertNotRegex(shipped, r"/(test|fuzz|bench|gen)-")

    def test_objects_are_as_they_were_built(self):
        for path in glob.glob("/usr/lib/bpfkeeper/examples/*.bpf.o"):
            with open(path, "rb") as f:
                head = f.read(20)
            self.assertEqual(head[18:20], struct.pack("=H", 247), f"{path} isn't for BPF")
            shown = output("bpfctl", "inspect", path)
            self.assertTrue(shown)
        self.assertIn("packets", output("bpfctl", "inspect",
                                        "/usr/lib/bpfkeeper/examples/packet_counter.bpf.o"))

    def test_systemd_and_polkit_know_it(self):
        units = [os.path.basename(f) for f in glob.glob("/usr/lib/systemd/system/bpfkeeper*")]
        self.assertIn(UNIT, units)
        self.assertEqual(output("systemd-analyze", "verify", "--man=no", *units), "")
        self.assertIn("ExecStart=", systemctl("cat", UNIT))
        actions = until(lambda: [a for a in output("pkaction").splitlines() if "org.bpfkeeper1." in a],
                        "polkit has the actions")
        self.assertIn("org.bpfkeeper1.load.xdp", actions)
        self.assertIn("org.bpfkeeper1.attach.xdp", actions)

    def test_the_catalog(self):
        catalogs = glob.glob("/usr/lib/systemd/catalog/bpfkeeper*.catalog")
        self.assertTrue(catalogs)
        known = output("journalctl", "--list-catalog")
        for path in catalogs:
            with open(path, encoding="utf-8") as f:
                ids = re.findall(r"^-- ([0-9a-f]{32})$", f.read(), re.MULTILINE)
            self.assertTrue(ids)
            for message_id in ids:
                self.assertIn(message_id, known)

    def test_debian_tests(self):
        done = run("/bin/bash", f"{SOURCE}/debian/tests/service", check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


class Upgrade(Packages):
    def change(self, directory, counters):
        """Installs another version, while something makes the programs run all the time."""
        steps = []
        done = threading.Event()

        def watch():
            before = [c.value() for c in counters]
            while not done.is_set():
                for c in counters:
                    c.hook.cause()
                now = [c.value() for c in counters]
                steps.append([b < n for b, n in zip(before, now)])
                before = now
                # Where everything takes long dpkg has to get on as well
                done.wait(0.05 * (SCALE - 1))
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            self.install(directory)
        finally:
            done.set()
            watcher.join()
        self.assertGreater(len(steps), 3)
        for step in steps:
            self.assertTrue(all(step), f"{steps.index(step)} of {len(steps)}: {step}")

    def never_idle(self):
        """dpkg may take longer here than the service waits for something to do."""
        directory = f"/run/systemd/system/{UNIT}.d"

        def restore():
            shutil.rmtree(directory)
            systemctl("daemon-reload")
        self.addCleanup(restore)
        os.makedirs(directory)
        with open(f"{directory}/test.conf", "w", encoding="ascii") as f:
            f.write(f"[Service]\nExecStart=\nExecStart={daemon.DAEMON} --idle-timeout=0\n")
        systemctl("daemon-reload")

    def test_nothing_is_detached(self):
        self.install()
        self.never_idle()
        _, _, _, counters = self.attach_all()
        # What is quick to cause, and so often seen
        quick = [c for c in counters if c.hook.kind in ("xdp", "tc", "tcx", "tracepoint", "lsm")
                 and c.hook.cause is not fork]
        before = self.snapshot()
        for directory, running in ((DEBS + "/next", True), (DEBS, True), (DEBS + "/next", False)):
            with self.subTest(to=directory, running=running):
                pid = self.daemon.pid()
                if not running:
                    systemctl("stop", UNIT)
                self.change(directory, quick)
                version = output("dpkg-deb", "--field", deb(directory=directory), "Version")
                self.assertEqual(output("dpkg-query", "--show", "--showformat", "${Version}",
                                        "bpfkeeper"), version)
                # One that ran was replaced, and one that didn't was not started
                self.assertFalse(daemon.is_alive(pid))
                self.assertEqual(systemctl("is-active", UNIT), "active" if running else "inactive")
                self.assertEqual(systemctl("is-active", SOCKET), "active")
                self.assertEqual(self.snapshot(), before)
                self.assertFalse(os.readlink(f"/proc/{self.daemon.pid()}/exe").endswith("(deleted)"))
                check(self)
                self.assert_all_run(counters)
        self.assertFalse(os.path.exists(os.path.dirname(SAVED)))


class Remove(Packages):
    def test_it_stays_and_is_said_to(self):
        self.install()
        chosen, programs, links, counters = self.attach_all(SOME)
        before = self.snapshot()
        said = self.dpkg("--remove", "bpfkeeper")
        self.assertIn(f"programs: {len(programs)}, attachments: {len(links)}, pinned in {daemon.PINS}",
                      said)
        for hook, link in zip(chosen, links):
            self.assertIn(f"link {number(link)}: {hook.program} ({hook.kind}) on ", said)
        self.assertIn("apt purge bpfkeeper", said)

        self.assertEqual(status(), "config-files")
        self.assert_in_kernel(programs)
        self.assert_all_run(counters)
        self.assertNotIn(NAME, bus_names())
        for unit in (UNIT, SOCKET):
            self.assertEqual(systemctl("is-active", unit), "inactive")
            self.assertEqual(systemctl("show", "--property", "LoadState", "--value", unit), "not-found")
        self.assertFalse(os.path.exists(daemon.DAEMON))
        self.assertTrue(os.access(SAVED, os.X_OK))

        # Once again
        self.install()
        self.assertFalse(os.path.exists(os.path.dirname(SAVED)))
        self.assertEqual(self.snapshot(), before)
        check(self)
        self.assert_all_run(counters)
        for link in links:
            self.bus.detach(link)

    def test_with_nothing_loaded(self):
        for used in (False, True):
            with self.subTest(used=used):
                self.install()
                if used:
                    self.daemon.pid()
                said = self.dpkg("--remove", "bpfkeeper")
                self.assertNotIn("stays", said)
                self.assertFalse(os.path.exists(os.path.dirname(SAVED)))

    def test_somebody_goes_on_calling(self):
        """A client that calls all the time would have the bus start the service while it goes."""
        self.install()
        self.daemon.pid()
        caller = subprocess.Popen(
            ["/bin/sh", "-c", f"while :; do busctl call {NAME} /org/bpfkeeper1 "
             "org.freedesktop.DBus.Peer Ping; sleep 0.1; done"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            self.dpkg("--remove", "bpfkeeper")
        finally:
            caller.kill()
            caller.wait()
        self.assertEqual(systemctl("is-active", UNIT), "inactive")
        self.assertEqual(run("pgrep", "-x", "bpfkeeperd", check=False).stdout, "")

        # dbus-daemon waits up to 25 s for a service that it was asked for just before it went
        def answers():
            try:
                return self.daemon.pid()
            except bus.BusError:
                return None
        self.install()
        until(answers, "the service is back", 60)


class Purge(Packages):
    def setUp(self):
        super().setUp()
        self.veth_shared = self.veth()

    def foreign_filter(self):
        """A tc filter of somebody else's, by a program of ours, where ours are."""
        name = self.veth_shared.name
        run("tc", "qdisc", "add", "dev", name, "clsact")
        run("tc", "filter", "add", "dev", name, "ingress", "pref", "50", "protocol", "all", "bpf",
            "direct-action", "object-file", f"{case.objects.PROGRAMS}/tc.bpf.o", "section", "tc")
        return name

    def attach_beside(self, name, kinds=()):
        """Ours at the same priority, and one of each type."""
        program = self.load("tc", "tc_count")
        self.bus.attach(program, interface=name, direction="ingress", priority=50)
        _, programs, _, _ = self.attach_all(kinds)
        return [program, *programs]

    def purge_without_libraries(self):
        """As when apt has removed first what only bpfkeeper had needed; what dpkg said."""
        files = [f for pattern in ("libbpf.so.1", "libelf.so.1", "libxdp.so.1", "libglib-2.0.so.0",
                                   "bpf/xdp-dispatcher.o")
                 for f in glob.glob(f"/usr/lib/*-linux-gnu/{pattern}")]
        self.assertGreaterEqual(len(files), 4)
        for path in files:
            os.rename(path, path + ".hidden")
        try:
            return self.dpkg("--purge", "bpfkeeper")
        finally:
            for path in files:
                os.rename(path + ".hidden", path)

    def assert_purged(self, programs, name):
        self.assert_in_kernel(programs, there=False)
        self.assertEqual(tc_filters(name), 1)
        self.assert_nothing_left()

    def test_at_once(self):
        name = self.foreign_filter()
        self.install()
        # test_unload_all has what becomes of each type
        with missing.unimportant():
            programs = self.attach_beside(name)
        self.assertEqual(tc_filters(name), 2)
        said = self.dpkg("--purge", "bpfkeeper")
        self.assertRegex(said, rf"\d+ links detached, {len(programs)} programs and \d+ maps unloaded")
        self.assert_purged(programs, name)

    def test_after_a_removal(self):
        """When the libraries are gone as well."""
        name = self.foreign_filter()
        self.install()
        programs = self.attach_beside(name, SOME)
        self.dpkg("--remove", "bpfkeeper")
        self.assert_in_kernel(programs)
        said = self.purge_without_libraries()
        self.assertRegex(said, r"\d+ links detached")
        self.assert_purged(programs, name)

    def test_xdp_programs_of_others_stay(self):
        """Where they share libxdp's dispatcher, it is made anew without ours."""
        name = self.veth_shared.name
        before = set(bpf.map_names())
        output("xdp-loader", "load", name, f"{case.objects.PROGRAMS}/packet_counter.bpf.o",
               "--prog-name", "count_packets", "--prio", "40")

        def theirs():
            return [i for i, n in bpf.map_names().items() if n == "packets" and i not in before]
        # xdp-loader loads it more than once, and of what it gave up the kernel lets go in its own time
        until(lambda: len(theirs()) == 1, "the program's map is the only one")
        others, = theirs()
        counts = self.keep(bpf.open_id(bpf.MAP_GET_FD_BY_ID, others))
        self.install()
        if not feature("freplace"):
            self.skipTest("an interface has one XDP program here")
        program = self.load("shared_map", "shared_xdp")
        self.bus.attach(program, interface=name)
        shown = output("xdp-loader", "status", name)
        self.assertIn("count_packets", shown)
        self.assertIn("shared_xdp", shown)
        self.dpkg("--remove", "bpfkeeper")
        self.assertEqual(output("xdp-loader", "status", name), shown)

        self.purge_without_libraries()
        shown = output("xdp-loader", "status", name)
        self.assertIn("count_packets", shown)
        self.assertNotIn("shared_xdp", shown)

        def counted():
            self.veth_shared.receive()
            return struct.unpack("=Q", bpf.map_lookup(counts, struct.pack("=I", 0), 8))[0]
        self.assertGreater(counted(), 0)
        self.assert_in_kernel([program], there=False)
        self.assert_nothing_left()

    def test_unused(self):
        self.install()
        self.dpkg("--purge", "bpfkeeper")
        self.assert_nothing_left()

    def test_what_cannot_be_detached_is_said(self):
        self.install()
        self.bus.attach(self.load("tc", "tc_count"), interface=self.veth_shared.name,
                        direction="ingress")
        self.daemon.end()
        for path in glob.glob(f"{daemon.RUN}/links/*"):
            with open(path, "w", encoding="ascii") as f:
                f.write("nonsense")
        said = self.dpkg("--purge", "bpfkeeper")
        self.assertIn(f"{daemon.RUN}/links/", said)
        self.assertIn("until the next boot", said)
        self.assert_nothing_left()
