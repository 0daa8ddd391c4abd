# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that keeps its own book of what the service has promised, whatever happens to the service.

Run as a program, with the number of a socket, this file is such a client, for the user it runs as.
"""

import collections
import os
import random
import select
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import bus, objects  # noqa: E402
from support.bus import LINK, PROGRAM, BusError, Fd  # noqa: E402
from support.users import PYTHON, UIDS, receive, send  # noqa: E402

# Nobody knows whether what was asked for was done: the service ended below it, or did not start
LOST = ("org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.Disconnected",
        "org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1.")
GONE = ("NoSuchObject", "org.freedesktop.DBus.Error.UnknownObject")
# A worker ended, or the service was told to
FAILED = ("WorkerFailed", "Cancelled", "TimedOut")
# Hooks that others have taken, or that went
TAKEN = ("HookBusy", "NoSuchInterface", "NoSuchCgroup", "LimitExceeded")

MOST = 6  # programs, and links of each


class Spec:
    """A kind of program, and how it's attached."""

    def __init__(self, hook):
        self.kind, self.object, self.program, self.index = (hook.kind, hook.object, hook.program,
                                                            hook.index)
        self.options = dict(hook.options)
        self.load = dict(hook.load)

    def head(self):
        """What of its name can be another; the rest may be the end of other names."""
        return self.program[:len(self.program) - 3]


class Kept:
    """A program or link that is promised."""

    def __init__(self, spec, name, options=None):
        self.spec, self.name, self.options, self.links, self.maps = spec, name, options or {}, {}, []


def lives(kept):
    """Whether the hook of a link is still there."""
    index, inode = kept.options.get("ifindex"), kept.options.get("inode")
    if index:
        return index in {i for i, _ in socket.if_nameindex()}
    if inode:
        try:
            return os.stat(kept.options["cgroup"]).st_ino == inode
        except FileNotFoundError:
            return False
    return True


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.bus = bus.Bus()
        (specs, seed, self.interfaces, self.cgroups), _ = receive(sock)
        random.seed(seed)
        self.specs = specs
        self.images = {s.object: objects.read(s.object) for s in specs}
        self.programs = {}
        self.dead = {"names": set(), "maps": set(), "links": set(), "kernel links": set()}
        self.counts = collections.Counter()
        self.problems = []

    def problem(self, text):
        self.problems.append(f"uid {os.getuid()}: {text}")

    def call(self, verb, function):
        """("ok", value), ("lost", None) or ("error", name)."""
        try:
            value = function()
        except BusError as e:
            if e.name.startswith(LOST):
                self.counts[verb, "lost"] += 1
                return "lost", None
            self.counts[verb, e.name] += 1
            if e.name not in (*GONE, *FAILED, *TAKEN):
                self.problem(f"{verb}: {e}")
            return "error", e.name
        self.counts[verb, "ok"] += 1
        return "ok", value

    def ask(self, verb, function):
        """Until there is an answer, of what changes nothing."""
        while True:
            outcome, value = self.call(verb, function)
            if outcome == "ok":
                return value

    def list_programs(self):
        return self.ask("list", lambda: self.bus.list("Programs", managed=True,
                                                      owner_uid=os.getuid()))

    def list_links(self, program):
        return self.ask("list", lambda: self.bus.list("Links", program=program))

    # Verbs

    def load(self):
        spec = random.choice(self.specs)
        data, head = objects.renamed(self.images[spec.object], spec.head())
        name = head + spec.program[len(head):]
        fd = objects.sealed(data)
        options = {"log_level": 1} if random.random() < 0.2 else {}
        try:
            outcome, value = self.call("load", lambda: self.bus.load(fd, [name], name="soak",
                                                                     **spec.load, **options))
        finally:
            os.close(fd)
        kept = Kept(spec, name)
        if outcome == "ok":
            self.programs[value[0]] = kept
            return
        found = [p for p, v in self.list_programs().items() if v["Name"][:15] == name[:15]]
        if found and outcome == "error":
            self.problem(f"load of {name} failed with {value}, and is there")
        if found:
            self.counts["load", "adopted"] += 1
            self.programs[found[0]] = kept
        else:
            self.dead["names"].add(name)

    def options(self, spec):
        """Where to attach it: an interface or cgroup of those that come and go, or its hook."""
        options, extra = dict(spec.options), {}
        # Others have no such route
        if "interface" in options and "route" not in options:
            options["interface"] = random.choice(self.interfaces)
            try:
                extra["ifindex"] = socket.if_nametoindex(options["interface"])
            except OSError:
                pass
        if "cgroup" in options:
            options["cgroup"] = random.choice(self.cgroups)
            try:
                extra["inode"] = os.stat(options["cgroup"]).st_ino
            except OSError:
                pass
            # The cgroup itself holds these: no link of the kernel's, no pin
            if spec.kind != "lsm_cgroup" and random.random() < 0.2:
                options["attach_flags"] = random.choice(("override", "exclusive"))
        if "target" in options:
            options["target"] = Fd(os.open(options["target"], os.O_RDONLY))
        return options, extra

    def keep_link(self, path, spec, options, values):
        kept = Kept(spec, path, {"cgroup": options.get("cgroup"),
                                 "kernel": values["KernelLinkIds"]})
        if values.get("InterfaceIndex"):
            kept.options["ifindex"] = values["InterfaceIndex"]
        if values.get("CgroupId"):
            kept.options["inode"] = values["CgroupId"]
        return kept

    def attach(self, program):
        kept = self.programs[program]
        options, extra = self.options(kept.spec)
        outcome, value = self.call("attach", lambda: self.bus.attach(program, **options))
        if isinstance(options.get("target"), Fd):
            os.close(options["target"])
        if outcome == "error" and value in GONE:
            self.problem(f"attach: {program} ({kept.name}) was promised and is not there")
        links = self.list_links(program)
        fresh = {p: v for p, v in links.items() if p not in kept.links}
        for path, values in fresh.items():
            if path in self.dead["links"]:
                self.problem(f"{path} was detached and is back")
            kept.links[path] = self.keep_link(path, kept.spec, options, values)
        if outcome == "ok":
            if value not in links:
                lost = Kept(kept.spec, value, {"cgroup": options.get("cgroup"), **extra})
                if lives(lost):
                    self.problem(f"attach: {value} of {program} was promised and is not there")
                else:
                    self.dead["links"].add(value)
        elif outcome == "error" and fresh:
            self.problem(f"attach of {program} failed with {value}, and {list(fresh)} is there")
        elif fresh:
            self.counts["attach", "adopted"] += 1

    def forget_link(self, kept, path):
        self.dead["links"].add(path)
        self.dead["kernel links"].update(kept.links.pop(path).options.get("kernel", ()))

    def detach(self, program):
        kept = self.programs[program]
        path = random.choice(list(kept.links))
        link = kept.links[path]
        outcome, value = self.call("detach", lambda: self.bus.detach(path))
        if outcome == "error" and value in GONE and lives(link):
            self.problem(f"detach: {path} of {program} was promised and is not there")
        if outcome == "ok" or outcome == "error" and value in GONE:
            self.forget_link(kept, path)
        elif path not in self.list_links(program):
            self.forget_link(kept, path)

    def unload(self, program):
        kept = self.programs[program]
        outcome, value = self.call("unload", lambda: self.bus.unload(program))
        if outcome == "error" and value in GONE:
            self.problem(f"unload: {program} ({kept.name}) was promised and is not there")
        if outcome == "ok" or program not in self.list_programs():
            for path in list(kept.links):
                self.forget_link(kept, path)
            self.dead["names"].add(kept.name)
            self.dead["maps"].update(kept.maps)
            del self.programs[program]
            return
        # What was detached before it was given up stays so
        left = self.list_links(program)
        for path in list(kept.links):
            if path not in left:
                self.forget_link(kept, path)

    def verify(self):
        """The book and the service say the same."""
        programs = {p: v for p, v in self.list_programs().items()
                    if v["Name"] in self.names or p in self.programs}
        for path, kept in self.programs.items():
            if path not in programs:
                self.problem(f"{path} ({kept.name}) was promised and is not there")
                continue
            if programs[path]["Name"][:15] != kept.name[:15]:
                self.problem(f"{path} is {programs[path]['Name']} and was {kept.name}")
            links = self.list_links(path)
            for link in list(kept.links):
                if link in links:
                    continue
                if lives(kept.links[link]):
                    self.problem(f"{link} of {path} was promised and is not there")
                self.forget_link(kept, link)
            for link in links:
                if link not in kept.links:
                    self.problem(f"{link} of {path} is there and was never promised")
        for path, values in programs.items():
            if path not in self.programs:
                self.problem(f"{path} ({values['Name']}) is there and should not be")

    @property
    def names(self):
        return {n[:15] for n in self.dead["names"]}

    def remember_maps(self):
        for path, kept in self.programs.items():
            maps = self.ask("get", lambda p=path: self.bus.get(p, PROGRAM, "Maps"))
            kept.maps = [int(m.rpartition("_")[2]) for m in maps]

    def step(self):
        programs = list(self.programs)
        attached = [p for p in programs if self.programs[p].links]
        chance = random.random()
        if not programs or chance < 0.25 and len(programs) < MOST:
            self.load()
        elif chance < 0.6 and len(programs) <= MOST:
            program = random.choice(programs)
            if len(self.programs[program].links) < MOST:
                self.attach(program)
        elif chance < 0.8 and attached:
            self.detach(random.choice(attached))
        elif chance < 0.95:
            self.unload(random.choice(programs))
        else:
            self.verify()

    # What the test asks for

    def serve(self):
        running = False
        while True:
            if not running or select.select([self.sock], [], [], 0)[0]:
                what, _ = receive(self.sock)
                if what == "end":
                    return
                if what == "unload":
                    while self.programs:
                        self.unload(next(iter(self.programs)))
                running = what == "run"
                if not running:
                    self.verify()
                    self.remember_maps()
                    send(self.sock, (self.programs, self.dead, self.counts, self.problems))
                    self.problems, self.counts = [], collections.Counter()
            else:
                self.step()


class ClientProcess:
    """The test's side of it."""

    def __init__(self, user, *arguments):
        self.user, self.uid = user, UIDS[user]
        self.sock, theirs = socket.socketpair()
        command = [] if self.uid == 0 else [
            "setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--init-groups", "--"]
        self.process = subprocess.Popen(
            [*command, *PYTHON, os.path.abspath(__file__), str(theirs.fileno())],
            pass_fds=[theirs.fileno()])
        theirs.close()
        send(self.sock, arguments)

    def run(self):
        send(self.sock, "run")

    def pause(self, what="pause"):
        """Has it come to rest; its book is to be had from book()."""
        send(self.sock, what)

    def book(self):
        self.sock.settimeout(120)
        value, _ = receive(self.sock)
        return value

    def close(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()


__all__ = ["ClientProcess", "LINK", "Spec", "lives"]

if __name__ == "__main__":
    # Classes must be those of the module that the other side has
    from support import soak
    try:
        soak.Client(socket.socket(fileno=int(sys.argv[1]))).serve()
    except (EOFError, ConnectionError):
        pass
