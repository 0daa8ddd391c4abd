# SPDX-License-Identifier: LGPL-2.1-or-later
"""A polkit authentication agent that never authenticates anybody, in a user's own process."""

import os

from support.bus import Gio, GLib

PATH = "/org/bpfkeeper1/test/Agent"
XML = """
<node><interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
  <method name="BeginAuthentication">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="a{ss}" direction="in"/><arg type="s" direction="in"/>
    <arg type="a(sa{sv})" direction="in"/>
  </method>
  <method name="CancelAuthentication"><arg type="s" direction="in"/></method>
</interface></node>
"""


class Agent:
    """Dismisses each dialog, or leaves it open until polkit closes it.

    begun: (action, message, details) of each; open: the calls that have no answer, by cookie;
    closed: how many polkit closed.
    """

    def __init__(self, bus, pid, dismiss, session=None):
        self.bus, self.dismiss = bus, dismiss
        self.begun, self.open, self.closed = [], {}, 0
        interface = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
        bus.connection.register_object(PATH, interface, self.called, None, None)
        if session:
            subject = ("unix-session", {"session-id": GLib.Variant("s", session)})
        else:
            subject = self.process(pid)
        bus.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority",
                 "RegisterAuthenticationAgent", "((sa{sv})ss)", subject, "C", PATH,
                 destination="org.freedesktop.PolicyKit1")

    @staticmethod
    def process(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            start_time = int(f.read().rpartition(")")[2].split()[19])
        return ("unix-process", {"pid": GLib.Variant("u", pid),
                                 "start-time": GLib.Variant("t", start_time),
                                 "uid": GLib.Variant("i", os.getuid())})

    def called(self, connection, sender, path, interface, method, parameters, invocation):
        if method == "BeginAuthentication":
            action, message, _, details, cookie, _ = parameters.unpack()
            self.begun.append((action, message, details))
            if self.dismiss:
                invocation.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "No")
            else:
                self.open[cookie] = invocation
        else:
            # As a real one: only the dialog that is meant; polkit may say it twice
            dialog = self.open.pop(parameters.unpack()[0], None)
            if dialog:
                self.closed += 1
                dialog.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "-")
            invocation.return_value(None)
