# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the journal has of requests, and what its catalog says."""

import json
import os
import socket
import subprocess

from support import daemon, objects
from support.bus import Fd
from support.case import Case, needs_attach, number, until

SOURCE = os.environ.get("BPFKEEPER_SOURCE", ".")
DONE = "964d9ba37fb94b8caec99b966a17518b"
FAILED = "7e49ffc2116a407ea241ee1aba61d1b4"
DENIED = "e4c3a547335844bca692e9fa47be0c9e"


def journalctl(*arguments):
    return subprocess.run(["journalctl", "--no-pager", "--quiet", *arguments], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


class Journal(Case):
    def setUp(self):
        if not daemon.has_systemd():
            self.skipTest("there is no journal")
        super().setUp()
        self.cursor = journalctl("--show-cursor", "--lines=1").rpartition("cursor: ")[2].strip()

    def entries(self, *matches):
        """Entries since the test began, as dictionaries."""
        subprocess.run(["journalctl", "--sync"], check=True)
        out = journalctl(f"--after-cursor={self.cursor}", "--output=json", "--all", *matches)
        return [json.loads(line) for line in out.splitlines()]

    def entry(self, **fields):
        """The only one with these fields."""
        found = until(lambda: self.entries(*(f"{k}={v}" for k, v in fields.items())), str(fields))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def assert_fields(self, entry, **fields):
        self.assertEqual({k: entry.get(k) for k in fields}, fields)

    @needs_attach("tc")
    def test_one_life(self):
        veth = self.veth()
        path = self.load("tc", "tc_count", name="journal-test")
        link = self.bus.attach(path, interface=veth.name, direction="ingress")
        self.bus.detach(link)
        self.bus.unload(path)
        who = {"_SYSTEMD_UNIT": "bpfkeeper.service", "SYSLOG_IDENTIFIER": "bpfkeeperd",
               "BPFKEEPER_UID": "0", "BPFKEEPER_PID": str(os.getpid()),
               "BPFKEEPER_SENDER": self.bus.name, "BPFKEEPER_VERDICT": "root", "PRIORITY": "6",
               "BPFKEEPER_UNIT": "tests-command.service", "BPFKEEPER_RESULT": "done",
               "OBJECT_PID": str(os.getpid()), "OBJECT_SYSTEMD_UNIT": "tests-command.service",
               "MESSAGE_ID": DONE}
        what = {"BPFKEEPER_TYPE": "tc", "BPFKEEPER_PROGRAM": "tc_count",
                "BPFKEEPER_PROGRAM_ID": str(number(path)), "BPFKEEPER_OWNER": "0"}
        where = {"BPFKEEPER_HOOK_INTERFACE": veth.name, "BPFKEEPER_HOOK_DIRECTION": "ingress"}
        loaded = self.entry(BPFKEEPER_VERB="Load")
        self.assert_fields(loaded, **who, **what, BPFKEEPER_OBJECT=path,
                           BPFKEEPER_APPLICATION="journal-test",
                           BPFKEEPER_ACTION="org.bpfkeeper1.load.tc")
        self.assertTrue(loaded["BPFKEEPER_DIGEST"].startswith("sha256:"))
        self.assertIn("python", loaded["BPFKEEPER_COMM"] + loaded["OBJECT_EXE"])
        attached = self.entry(BPFKEEPER_VERB="Attach")
        self.assert_fields(attached, **who, **what, **where, BPFKEEPER_OBJECT=link)
        self.assertIn(f"interface={veth.name}", attached["BPFKEEPER_HOOK"])
        self.assertIn("direction=ingress", attached["BPFKEEPER_HOOK"])
        self.assert_fields(self.entry(BPFKEEPER_VERB="Detach"), **who, **what, **where,
                           BPFKEEPER_OBJECT=link)
        self.assert_fields(self.entry(BPFKEEPER_VERB="Unload"), **who, **what, BPFKEEPER_OBJECT=path)
        # The caller's unit has it among its own
        self.assertIn("loaded tc_count",
                      journalctl(f"--after-cursor={self.cursor}", "--unit=tests-command.service"))

    def test_what_leaves_no_link(self):
        path = self.load("socket", "socket_count")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            self.bus.attach(path, socket=Fd(sock.fileno()))
            name = f"UDP socket:[{os.fstat(sock.fileno()).st_ino}]"
        attached = self.entry(BPFKEEPER_VERB="Attach")
        self.assert_fields(attached, BPFKEEPER_OBJECT=path, BPFKEEPER_TYPE="socket_filter",
                           BPFKEEPER_HOOK=f"socket={name}", BPFKEEPER_RESULT="done",
                           BPFKEEPER_ACTION="org.bpfkeeper1.attach.socket-filter")
        self.assertIn(f"to the {name}, which holds it", attached["MESSAGE"])

    def test_refused_and_failed(self):
        self.allow("alice", "load.tc")
        with self.refused("NotAuthorized", "AuthorizationRequired"):
            self.load("packet_counter", who=self.alice)
        with self.refused("VerifierRefused"):
            self.load("refused")
        path = self.load("tc", "tc_count", who=self.alice)
        denied = self.entry(MESSAGE_ID=DENIED)
        self.assert_fields(denied, BPFKEEPER_UID="4001", BPFKEEPER_VERB="Load", PRIORITY="5",
                           BPFKEEPER_TYPE="xdp", BPFKEEPER_PROGRAM="count_packets",
                           BPFKEEPER_ACTION="org.bpfkeeper1.load.xdp")
        self.assertIn(denied["BPFKEEPER_VERDICT"], ("denied", "challenge"))
        failed = self.entry(MESSAGE_ID=FAILED)
        self.assert_fields(failed, BPFKEEPER_UID="0", BPFKEEPER_VERDICT="root",
                           BPFKEEPER_RESULT="org.bpfkeeper1.Error.VerifierRefused")
        allowed = self.entry(MESSAGE_ID=DONE)
        self.assert_fields(allowed, BPFKEEPER_UID="4001", BPFKEEPER_VERDICT="allowed",
                           BPFKEEPER_OBJECT=path)
        # What is one's own needs no question
        self.alice.unload(path)
        self.assert_fields(self.entry(BPFKEEPER_VERB="Unload"), BPFKEEPER_UID="4001",
                           BPFKEEPER_VERDICT="owner", BPFKEEPER_OWNER="4001",
                           BPFKEEPER_ACTION=None)

    def test_session(self):
        done = subprocess.run([SOURCE + "/tests/lib/session", "bob", "bpfctl", "--no-ask-password",
                               "load", objects.path("tc")], check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, 3, done.stdout)
        entry = self.entry(MESSAGE_ID=DENIED)
        self.assertTrue(entry["BPFKEEPER_SESSION"])
        self.assert_fields(entry, BPFKEEPER_UID="4002", BPFKEEPER_COMM="bpfctl")
        self.assertTrue(entry["BPFKEEPER_UNIT"].startswith("session-"), entry["BPFKEEPER_UNIT"])

    def test_private_socket(self):
        """The kernel says who it is, where there is no bus to say so."""
        self.daemon.pid()
        subprocess.run(["bpfctl", "--private", "load", objects.path("packet_counter")], check=True,
                       stdout=subprocess.DEVNULL)
        self.assert_fields(self.entry(BPFKEEPER_VERB="Load"), BPFKEEPER_UID="0",
                           BPFKEEPER_COMM="bpfctl", BPFKEEPER_UNIT="tests-command.service",
                           BPFKEEPER_SENDER=None)

    def test_catalog(self):
        subprocess.run(["journalctl", "--update-catalog"], check=True)
        listing = journalctl("--list-catalog")
        for message_id in (DONE, FAILED, DENIED, "2e206db5a38c44bbb663b69a19e0c111"):
            self.assertRegex(listing, f"(?m)^{message_id} bpfkeeper: ")
        path = self.load("tc", "tc_count")
        self.entry(BPFKEEPER_VERB="Load")
        out = journalctl(f"--after-cursor={self.cursor}", "--catalog", f"MESSAGE_ID={DONE}")
        self.assertIn("Subject: User 0 had something done to an eBPF program", out)
        self.assertIn("Program: tc_count, of type tc", out)
        self.assertIn(path, out)
