# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service as a client on the bus sees it.

Bus is a connection of this process; support.users has the same with a process of another user in
between. Both know raw_call() and no more; Api builds everything else on that.
"""

import os

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

from support.wait import SCALE  # noqa: E402

NAME = "org.bpfkeeper1"
ROOT = "/org/bpfkeeper1"
ERROR = NAME + ".Error."
MANAGER, PROGRAM, MAP, LINK = (NAME + "." + kind for kind in ("Manager", "Program", "Map", "Link"))
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
DBUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

INTERACTIVE = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION
TIMEOUT = int(60 * SCALE)

LOAD_OPTIONS = {"name": "s", "globals": "a{say}", "replaces": "o", "metadata": "a{ss}", "maps": "a{so}",
                "map_sizes": "a{su}", "btf": "h",
                "log_level": "u", "target_program": "o", "target_function": "s"}
ATTACH_OPTIONS = {"interface": "s", "direction": "s", "priority": "u", "mode": "s",
                  "tracepoint": "s", "function": "s", "offset": "t", "target": "s", "pid": "i",
                  "cgroup": "s", "event": "s", "frequency": "t", "period": "t", "cpu": "i",
                  "cookie": "t", "functions": "as", "cookies": "at",
                  "target_program": "o", "proceed_on": "as", "hook": "s", "offsets": "at",
                  "target_map": "o", "family": "s", "hook_priority": "i", "defragment": "s",
                  "attach_flags": "s", "device": "s", "key": "u", "index": "u", "route": "s",
                  "table": "u", "metric": "u", "socket": "s"}
GRANT_OPTIONS = {"user": "s", "group": "s", "types": "as", "verbs": "as", "interface": "s",
                 "cgroup": "s", "until": "t"}
RUN_OPTIONS = {"repeat": "u", "context": "ay", "data_size": "u"}
FILTERS = {"managed": "b", "type": "s", "name": "s", "application": "s", "owner_uid": "u",
           "program": "o", "map": "o", "interface": "s"}


class BusError(Exception):
    """An error that came over the bus; name is short for errors of the service."""

    def __init__(self, name, message):
        super().__init__(name, message)
        self.name = name[len(ERROR):] if name.startswith(ERROR) else name
        self.message = message

    def __str__(self):
        return f"{self.name}: {self.message}"


class Fd(int):
    """A file descriptor among arguments."""


def split_signature(signature):
    """The complete types in it: "sa{sv}(uu)" has three."""
    kinds, begin, depth = [], 0, 0
    for i, c in enumerate(signature):
        depth += (c in "({") - (c in ")}")
        if depth == 0 and c != "a":
            kinds.append(signature[begin:i + 1])
            begin = i + 1
    return kinds


def bytes_variant(data):
    return GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes(bytes(data)), True)


def make_variant(signature, value, fds):
    """Like GLib.Variant(), with bytes for ay and descriptors, which go to fds, for h."""
    if isinstance(value, GLib.Variant):
        return value
    if signature == "h":
        fds.append(int(value))
        return GLib.Variant.new_handle(len(fds) - 1)
    if signature == "ay":
        return bytes_variant(value)
    if signature == "a{say}":
        builder = GLib.VariantBuilder(GLib.VariantType(signature))
        for key, data in value.items():
            builder.add_value(GLib.Variant.new_dict_entry(GLib.Variant("s", key),
                                                          bytes_variant(data)))
        return builder.end()
    return GLib.Variant(signature, value)


def options_variant(types, options, fds):
    """a{sv}; a value that is a tuple names its own type: ("u", 5). A list gives pairs in order."""
    builder = GLib.VariantBuilder(GLib.VariantType("a{sv}"))
    for key, value in options.items() if isinstance(options, dict) else options:
        if isinstance(value, tuple):
            signature, value = value
        else:
            signature = "h" if isinstance(value, Fd) else types.get(key)
            if signature is None:
                signature = "u" if isinstance(value, int) else "s"
        variant = make_variant(signature, value, fds)
        builder.add_value(GLib.Variant.new_dict_entry(GLib.Variant("s", key),
                                                      GLib.Variant.new_variant(variant)))
    return builder.end()


def unpack(variant):
    """Like GLib.Variant.unpack(), with bytes for ay."""
    kind = variant.get_type_string()
    if kind == "ay":
        return bytes(variant.get_data_as_bytes().get_data() or b"")
    if kind == "v":
        return unpack(variant.get_variant())
    if kind.startswith("a{"):
        entries = (variant.get_child_value(i) for i in range(variant.n_children()))
        return {unpack(e.get_child_value(0)): unpack(e.get_child_value(1)) for e in entries}
    if kind[0] in "a(":
        items = [unpack(variant.get_child_value(i)) for i in range(variant.n_children())]
        return tuple(items) if kind[0] == "(" else items
    return variant.unpack()


def bus_error(error):
    name = Gio.DBusError.get_remote_error(error)
    if not name:
        return BusError(f"local.{error.domain}.{error.code}", error.message)
    return BusError(name, error.message.removeprefix(f"GDBus.Error:{name}: "))


class Pending:
    """A call that was sent and not waited for."""

    def __init__(self, context):
        self.context = context
        self.outcome = None

    def done(self, connection, result):
        try:
            reply, fds = connection.call_with_unix_fd_list_finish(result)
            self.outcome = (reply, fds.steal_fds() if fds else [])
        except GLib.Error as e:
            self.outcome = bus_error(e)

    def is_done(self):
        while self.context.iteration(False):
            pass
        return self.outcome is not None

    def wait(self):
        while self.outcome is None:
            self.context.iteration(True)
        if isinstance(self.outcome, BusError):
            raise self.outcome
        return self.outcome


class Api:
    """The service's methods, on top of raw_call() and raw_start()."""

    def call(self, path, interface, method, signature="()", *args, flags=0, destination=NAME,
             timeout=TIMEOUT):
        """Returns the reply's values: none, one, or a tuple. Descriptors are the caller's."""
        parameters, fds = self.parameters(signature, args)
        return self.results(*self.raw_call(destination, path, interface, method, parameters, fds,
                                           int(flags), timeout))

    def start(self, path, interface, method, signature="()", *args, flags=0, timeout=TIMEOUT):
        """Like call(); the value is to be had from wait()."""
        parameters, fds = self.parameters(signature, args)
        return self.raw_start(NAME, path, interface, method, parameters, fds, int(flags), timeout)

    def wait(self, token):
        return self.results(*self.raw_wait(token))

    @staticmethod
    def parameters(signature, args):
        fds = []
        values = [make_variant(kind, arg, fds)
                  for kind, arg in zip(split_signature(signature[1:-1]), args, strict=True)]
        return GLib.Variant.new_tuple(*values), fds

    @staticmethod
    def results(reply, fds):
        values = unpack(reply)
        kinds = reply.get_type_string()[1:-1]
        if "h" in kinds:  # always alone in this API
            return fds[values[0]]
        for fd in fds:
            os.close(fd)
        return values[0] if len(values) == 1 else values or None

    # The manager

    def load_arguments(self, obj, programs, options):
        fds = []
        variant = options_variant(LOAD_OPTIONS, options, fds)
        programs = [(p, "") if isinstance(p, str) else tuple(p) for p in programs]
        parameters = GLib.Variant.new_tuple(GLib.Variant.new_handle(len(fds)),
                                            GLib.Variant("a(ss)", programs), variant)
        return parameters, fds + [int(obj)]

    def load(self, obj, programs=(), *, flags=0, **options):
        """Load(): obj is a descriptor; programs are names, or (name, type). Returns paths."""
        parameters, fds = self.load_arguments(obj, programs, options)
        return self.results(*self.raw_call(NAME, ROOT, MANAGER, "Load", parameters, fds, int(flags),
                                           TIMEOUT))

    def start_load(self, obj, programs=(), **options):
        parameters, fds = self.load_arguments(obj, programs, options)
        return self.raw_start(NAME, ROOT, MANAGER, "Load", parameters, fds, 0, TIMEOUT)

    def inspect(self, obj):
        return self.call(ROOT, MANAGER, "Inspect", "(h)", obj)

    def describe(self, obj):
        return self.call(ROOT, MANAGER, "Describe", "(h)", obj)

    def list(self, kind, **filters):
        """The objects of that kind ("Programs"), by path."""
        variant = options_variant(FILTERS, filters, [])
        return dict(self.call(ROOT, MANAGER, "List" + kind, "(a{sv})", variant))

    def managed_objects(self):
        return self.call(ROOT, OBJECT_MANAGER, "GetManagedObjects")

    def last_log(self):
        return self.call(ROOT, MANAGER, "GetLog")

    # Who may do what

    def add_grant(self, *, flags=0, **options):
        """AddGrant(); the grant's name."""
        variant = options_variant(GRANT_OPTIONS, options, [])
        return self.call(ROOT, MANAGER, "AddGrant", "(a{sv})", variant, flags=flags)

    def remove_grant(self, name, flags=0):
        return self.call(ROOT, MANAGER, "RemoveGrant", "(s)", name, flags=flags)

    def grants(self):
        """ListGrants(), by name."""
        return dict(self.call(ROOT, MANAGER, "ListGrants"))

    def check_authorization(self, verb, kind, **details):
        """The verdict and the reasons."""
        return self.call(ROOT, MANAGER, "CheckAuthorization", "(ssa{ss})", verb, kind, details)

    # Any object

    def get(self, path, interface, name):
        return self.call(path, PROPERTIES, "Get", "(ss)", interface, name)

    def get_all(self, path, interface):
        return self.call(path, PROPERTIES, "GetAll", "(s)", interface)

    def introspect(self, path):
        return self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect")

    # Programs and links

    def attach(self, path, *, flags=0, **options):
        fds = []
        parameters = GLib.Variant.new_tuple(options_variant(ATTACH_OPTIONS, options, fds))
        return self.results(*self.raw_call(NAME, path, PROGRAM, "Attach", parameters, fds,
                                           int(flags), TIMEOUT))

    def start_attach(self, path, **options):
        fds = []
        parameters = GLib.Variant.new_tuple(options_variant(ATTACH_OPTIONS, options, fds))
        return self.raw_start(NAME, path, PROGRAM, "Attach", parameters, fds, 0, TIMEOUT)

    def detach(self, path, flags=0):
        return self.call(path, LINK, "Detach", flags=flags)

    def unload(self, path, flags=0):
        return self.call(path, PROGRAM, "Unload", flags=flags)

    def open_program(self, path):
        return self.call(path, PROGRAM, "OpenFd")

    def program_log(self, path):
        return self.call(path, PROGRAM, "GetLog")

    def test_run(self, path, data=b"", **options):
        variant = options_variant(RUN_OPTIONS, options, [])
        return self.call(path, PROGRAM, "TestRun", "(aya{sv})", data, variant)

    def open_iterator(self, path):
        return self.call(path, LINK, "OpenIterator")

    # Maps

    def lookup(self, path, key):
        return self.call(path, MAP, "Lookup", "(ay)", key)

    def update(self, path, key, value):
        return self.call(path, MAP, "Update", "(ayay)", key, value)

    def delete(self, path, key):
        return self.call(path, MAP, "Delete", "(ay)", key)

    def entries(self, path, after=b"", limit=0):
        return self.call(path, MAP, "GetEntries", "(ayu)", after, limit)

    def open_map(self, path, mode):
        return self.call(path, MAP, "OpenFd", "(s)", mode)

    # Composed

    def maps_of(self, path):
        """The maps of a program, by name."""
        return {self.get(m, MAP, "Name"): m for m in self.get(path, PROGRAM, "Maps")}

    def managed(self, kind):
        return self.list(kind, **({} if kind == "Links" else {"managed": True}))


class Bus(Api):
    """A connection of this process's own to the system bus."""

    def __init__(self, address=None):
        address = address or Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)
        self.context = GLib.MainContext.default()
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address,
            Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
            Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.connection.set_exit_on_close(False)
        self.name = self.connection.get_unique_name()

    def follow(self, seen):
        """Appends (member, path) to seen for each object that comes or goes, and returns a number for
        unfollow(). They come while something else is waited for."""
        def note(_connection, _sender, _path, _interface, member, parameters):
            seen.append((member, parameters.unpack()[0]))
        return self.connection.signal_subscribe(
            NAME if self.name else None, OBJECT_MANAGER, None, ROOT, None,
            Gio.DBusSignalFlags.NONE, note)

    def unfollow(self, number):
        self.connection.signal_unsubscribe(number)

    def close(self):
        if not self.connection.is_closed():
            self.connection.close_sync(None)

    @staticmethod
    def fd_list(fds):
        # Not new_from_array(), which takes the descriptors
        fd_list = Gio.UnixFDList.new()
        for fd in fds:
            fd_list.append(fd)
        return fd_list

    def raw_call(self, destination, path, interface, method, parameters, fds, flags, timeout):
        try:
            reply, out = self.connection.call_with_unix_fd_list_sync(
                destination, path, interface, method, parameters, None, Gio.DBusCallFlags(flags),
                timeout * 1000, self.fd_list(fds), None)
        except GLib.Error as e:
            raise bus_error(e) from None
        return reply, out.steal_fds() if out else []

    def raw_start(self, destination, path, interface, method, parameters, fds, flags, timeout):
        pending = Pending(self.context)
        self.connection.call_with_unix_fd_list(
            destination, path, interface, method, parameters, None, Gio.DBusCallFlags(flags),
            timeout * 1000, self.fd_list(fds), None, pending.done)
        self.connection.flush_sync(None)
        return pending

    def raw_wait(self, token):
        return token.wait()

    def owner(self, name=NAME):
        """The unique name that has a name, or None."""
        try:
            return self.call(DBUS[1], DBUS[2], "GetNameOwner", "(s)", name, destination=DBUS[0])
        except BusError:
            return None

    def pid(self, name=NAME):
        """The process that has a name, or None."""
        try:
            return self.call(DBUS[1], DBUS[2], "GetConnectionUnixProcessID", "(s)", name,
                             destination=DBUS[0])
        except BusError:
            return None


class Private(Bus):
    """A connection to the service itself, without a bus between."""

    SOCKET = "/run/bpfkeeper/private"

    def __init__(self, path=SOCKET):  # pylint: disable=super-init-not-called
        self.context = GLib.MainContext.default()
        try:
            self.connection = Gio.DBusConnection.new_for_address_sync(
                f"unix:path={path}", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None, None)
        except GLib.Error as e:
            raise bus_error(e) from None
        self.connection.set_exit_on_close(False)
        self.name = None
        # sd-bus takes no descriptors before the end of the handshake, which GDBus doesn't wait for
        self.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")

    def is_closed(self):
        while self.context.iteration(False):
            pass
        return self.connection.is_closed()
