# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit as people meet it: real passwords, asked for by the text agent on a terminal, through PAM."""

import os
import re
import shutil
import signal
import subprocess
import time

from support import daemon, missing, objects
from support.bus import ATTACH_OPTIONS, INTERACTIVE, NAME, options_variant
from support.case import MANAGER, PROGRAM, ROOT, BusError, Case, can_attach, number, until
from support.hooks import TARGET, hooks
from support.terminal import Person
from support.wait import SCALE

PASSWORDS = {"alice": "correct horse", "bob": "battery staple", "carol": "four more words"}
# The types of which each question is seen where everything takes long: one of each kind of place
SLOWLY = ("xdp", "kprobe", "kprobe_multi", "fmod_ret", "freplace", "lsm")
HELPERS = ("/usr/lib/polkit-1/polkit-agent-helper-1", "/usr/libexec/polkit-agent-helper-1")
ACTION = re.compile(r"action org\.bpfkeeper1\.\S+\)")


def written(value):
    """An option's value as the command line has it."""
    if isinstance(value, tuple):  # with a type of its own
        value = value[1]
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


class Prompts(Case):
    """alice is an administrator; all have a password."""

    def setUp(self):
        if not shutil.which("pkttyagent") or not any(map(os.path.exists, HELPERS)):
            self.skipTest("there is no text agent of polkit")
        super().setUp()
        kept = {}
        for path in ("/etc/group", "/etc/shadow"):
            with open(path, encoding="utf-8") as f:
                kept[path] = f.read()

        def restore():
            for path, text in kept.items():
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
        self.addCleanup(restore)
        subprocess.run(["chpasswd"], check=True, text=True,
                       input="".join(f"{u}:{p}\n" for u, p in PASSWORDS.items()))
        self.administrators("alice")

    def administrators(self, *users):
        """Debian's rule: who is in group sudo."""
        with open("/etc/group", encoding="utf-8") as f:
            text = f.read()
        with open("/etc/group", "w", encoding="utf-8") as f:
            f.write(re.sub(r"^(sudo:.*:).*$", lambda m: m.group(1) + ",".join(users), text,
                           flags=re.M))

    def at_terminal(self, user, **options):
        person = Person(user, **options)
        self.addCleanup(person.close)
        return person

    def load_command(self, obj="tc", *arguments):
        return " ".join(["bpfctl", *arguments, "load", objects.path(obj)])

    def assert_nothing(self):
        """Nothing was loaded, and nobody waits for anything."""
        self.assertEqual(self.snapshot(), ({}, set()))

    def start_load(self, user, obj):
        """An interactive Load() by a process that isn't bpfctl; returns what raw_wait() takes."""
        parameters, fds = user.load_arguments(obj, ["tc_count"], {})
        return user.raw_start(NAME, ROOT, MANAGER, "Load", parameters, fds, int(INTERACTIVE), 60)

    def interrupt(self, person):
        """^C, at a question."""
        person.interrupt()
        status, shown = person.finish()
        until(lambda: not person.processes("pkttyagent"), "the agent ends")
        self.assertEqual(status, 128 + signal.SIGINT, shown)
        person.settle()

    def descriptors(self):
        """What the daemon has open, once it is at rest."""
        def count():
            return len(os.listdir(f"/proc/{self.daemon.pid()}/fd"))
        before = count()
        time.sleep(0.1)
        until(lambda: count() <= before, "the daemon is at rest")
        return count()


class Answers(Prompts):
    def test_right(self):
        alice = self.at_terminal("alice")
        alice.start(self.load_command())
        action, message, identity = alice.asked()
        self.assertEqual(action, NAME + ".load.tc")
        self.assertEqual(message, "Authentication is required to load tc_count into the kernel as "
                                  "eBPF of type tc")
        self.assertEqual(identity, "alice")
        self.assert_nothing()
        alice.type(PASSWORDS["alice"])
        alice.expect("AUTHENTICATION COMPLETE")
        status, shown = alice.finish()
        self.assertEqual(status, 0, shown)
        self.assertNotIn(PASSWORDS["alice"], shown)
        self.assertTrue(alice.echoes())
        program, = self.bus.managed("Programs")
        self.assertEqual(self.bus.get(program, PROGRAM, "OwnerUid"), alice.uid)
        self.assertEqual(alice.processes("pkttyagent"), [])

        veth = self.veth()
        alice.start(f"bpfctl attach tc_count {veth.name} ingress")
        action, message, _ = alice.asked()
        self.assertEqual(action, NAME + ".attach.tc")
        self.assertEqual(message, "Authentication is required to attach the tc program tc_count to "
                                  f"the network interface {veth.name} (ingress)")
        alice.type(PASSWORDS["alice"])
        self.assertEqual(alice.finish()[0], 0)
        self.assert_counts(program, veth.receive)
        # Her own: no question
        status, shown = alice.run("bpfctl unload tc_count")
        self.assertEqual((status, shown.count("AUTH")), (0, 0), shown)
        self.assert_nothing()

    def test_wrong(self):
        alice = self.at_terminal("alice")
        for password in ("wrong", "", PASSWORDS["bob"]):
            with self.subTest(password=password):
                alice.start(self.load_command())
                alice.asked()
                alice.type(password)
                alice.expect("AUTHENTICATION FAILED")
                status, shown = alice.finish()
                self.assertEqual(status, 3, shown)
                self.assertRegex(shown, ACTION)
                self.assertIn("authentication failed", shown)
                self.assertTrue(alice.echoes())
                self.assert_nothing()
        alice.start(self.load_command())
        alice.asked()
        alice.type(PASSWORDS["alice"])
        self.assertEqual(alice.finish()[0], 0)

    def test_interrupted(self):
        """^C ends bpfctl, as it does every program, and the request with it."""
        alice = self.at_terminal("alice")
        for _ in range(4):
            alice.start(self.load_command())
            alice.asked()
            self.interrupt(alice)
            self.assertTrue(alice.echoes())
            self.assert_nothing()

    def test_end_of_file(self):
        """^D ends the agent, and nobody else can answer."""
        alice = self.at_terminal("alice")
        alice.start(self.load_command())
        alice.asked()
        alice.end_of_file()
        status, shown = alice.finish()
        self.assertEqual(status, 3, shown)
        self.assertTrue(alice.echoes())
        self.assert_nothing()

    def test_an_administrators_password_is_asked_of_others(self):
        bob = self.at_terminal("bob")
        bob.start(self.load_command())
        self.assertEqual(bob.asked()[2], "alice")
        bob.type(PASSWORDS["bob"])
        self.assertEqual(bob.finish()[0], 3)
        self.assert_nothing()
        bob.start(self.load_command())
        self.assertEqual(bob.asked()[2], "alice")
        bob.type(PASSWORDS["alice"])
        status, shown = bob.finish()
        self.assertEqual(status, 0, shown)
        program, = self.bus.managed("Programs")
        # Who let him is not whose it is
        self.assertEqual(self.bus.get(program, PROGRAM, "OwnerUid"), bob.uid)

    def test_one_of_several_administrators(self):
        self.administrators("alice", "carol")
        bob = self.at_terminal("bob")
        for chosen, password, expected in (("2", "carol", 0), ("1", "carol", 3), ("7", None, 3),
                                           ("", None, 3)):
            with self.subTest(chosen=chosen):
                bob.start(self.load_command())
                bob.expect(r" 1\.  alice\n 2\.  carol\nChoose identity to authenticate as \(1-2\): ")
                bob.type(chosen)
                if password:
                    bob.expect("Password: ")
                    until(lambda: not bob.echoes(), "the terminal stops echoing")
                    bob.type(PASSWORDS[password])
                else:
                    bob.expect("AUTHENTICATION CANCELED")
                status, shown = bob.finish()
                self.assertEqual(status, expected, shown)
                self.unload_all()

    def test_a_script_is_not_asked(self):
        alice = self.at_terminal("alice")
        for command in (self.load_command("tc", "--no-ask-password"), self.load_command() + " </dev/null",
                        self.load_command().replace("load ", "load - <")):
            with self.subTest(command=command):
                status, shown = alice.run(command)
                self.assertEqual(status, 3, shown)
                self.assertNotIn("AUTHENTICATING", shown)
                self.assertRegex(shown, ACTION)
                # What would help
                for word in ("interactive" if "--no" in command else "terminal", "root",
                             "polkit rule"):
                    self.assertIn(word, shown)
        self.assert_nothing()

    def test_every_question_says_what_it_is_about(self):
        """Each type's load and attach, and what others own, in people's words."""
        alice = self.at_terminal("alice")
        with missing.unimportant():
            one_of_each = list({h.kind: h for h in hooks(self) if can_attach(h.kind)}.values())
        # The other tiers ask about the rest
        one_of_each = [h for h in one_of_each if SCALE == 1 or h.kind in SLOWLY]
        everything = [(h, self.load(h.object, h.program, **h.load)) for h in one_of_each]

        def ask(command, action, *words):
            with self.subTest(command=command):
                alice.start(command)
                asked, message, _ = alice.asked()
                self.assertEqual(asked, f"{NAME}.{action}")
                self.assertNotIn("$(", message)
                for word in words:
                    self.assertIn(str(word), message)
                self.interrupt(alice)
        rights = self.rules.allow("alice", NAME + ".use-others")
        self.rules.write()
        for hook, program in everything:
            action = hook.kind.replace("_", "-")
            i = number(program)
            globals_ = "".join(f" --global {k}=hex:{v.hex()}"
                               for k, v in hook.load.get("globals", {}).items())
            ask(f"bpfctl load {objects.path(hook.object)} {hook.program}{globals_}",
                "load." + action, hook.program, hook.kind)
            self.rules.write(rights)
            options = "".join(f" --{k.replace('_', '-')}='{written(v)}'"
                              for k, v in hook.options.items())
            where = [v for k, v in hook.expect.items()
                     if k in ("Interface", "Direction", "Tracepoint", "Function", "Cgroup", "Event",
                              "Target")]
            if hook.options.get("target") == TARGET:
                where = [TARGET]
            ask(f"bpfctl attach {i}{options}", "attach." + action, hook.program, *where)
            self.rules.write()
        program = self.load("shared_map", "shared_tc", log_level=1)
        i = number(program)
        link = number(self.bus.attach(program, interface=self.veth().name, direction="ingress"))
        hits = number(self.bus.maps_of(program)["hits"])
        for command, action, words in (
                (f"unload {i}", "unload-others", ("shared_tc", i, 0)),
                (f"detach {link}", "detach-others", ("shared_tc", link, 0)),
                (f"test-run {i}", "use-others", ("shared_tc", i, 0)),
                (f"log {i}", "use-others", ("shared_tc", i, 0)),
                (f"map get {hits} 0", "map.read", ("hits", hits, 0)),
                (f"map set {hits} 0 1", "map.write", ("hits", hits, 0))):
            ask("bpfctl " + command, action, *words)
        self.assertEqual(len(self.bus.list("Links")), 1)


class LeftOpen(Prompts):
    """A question that nobody answers."""

    def opened(self, person):
        person.start(self.load_command())
        person.asked()
        bpfctl, = person.processes("bpfctl")
        return bpfctl

    def assert_closed(self, person):
        until(lambda: not person.processes("pkttyagent"), "the agent ends")
        until(lambda: not person.processes("polkit-agent-helper-1"), "its helper ends")

    def test_caller_killed(self):
        alice = self.at_terminal("alice")
        self.opened(alice)  # for the connection to polkit, which stays
        self.interrupt(alice)
        rest = self.descriptors()
        for _ in range(3):
            daemon.kill(self.opened(alice))
            self.assertEqual(alice.finish()[0], 128 + signal.SIGKILL)
            self.assert_closed(alice)
            until(alice.echoes, "the terminal echoes again")
        until(lambda: self.descriptors() <= rest, "the daemon closes what it had for it")
        self.assert_nothing()
        # And she is asked anew
        self.opened(alice)
        alice.type(PASSWORDS["alice"])
        self.assertEqual(alice.finish()[0], 0)

    def test_session_ended(self):
        alice = self.at_terminal("alice")
        self.opened(alice)
        alice.hang_up()
        until(lambda: not alice.processes("bpfctl"), "bpfctl ends")
        self.assert_closed(alice)
        self.assert_nothing()
        again = self.at_terminal("alice")
        self.opened(again)
        again.type(PASSWORDS["alice"])
        self.assertEqual(again.finish()[0], 0)

    def test_agent_killed(self):
        alice = self.at_terminal("alice")
        self.opened(alice)
        agent, = alice.processes("pkttyagent")
        daemon.kill(agent)
        status, shown = alice.finish()
        self.assertEqual(status, 3, shown)
        self.assert_nothing()

    def test_others_go_on(self):
        alice, bob = self.at_terminal("alice"), self.at_terminal("bob")
        self.opened(alice)
        self.opened(bob)
        self.bus.unload(self.load("tc", "tc_count"))
        self.allow("carol", "load.xdp")
        program = self.load("shared_map", "shared_xdp", who=self.carol)
        self.carol.unload(program)
        # Each of the two has a question of his own
        bob.type(PASSWORDS["alice"])
        self.assertEqual(bob.finish()[0], 0)
        self.interrupt(alice)
        program, = self.bus.managed("Programs")
        self.assertEqual(self.bus.get(program, PROGRAM, "OwnerUid"), bob.uid)

    def test_charge_is_released(self):
        """Of as many requests as one may have, one that stayed charged would be too many."""
        # The text agent refuses a second question while one is open; a desktop's has a window each
        alice, desktop = self.another("alice"), self.another("alice")
        desktop.start_agent(pid=alice.pid, dismiss=False)
        fd = self.object("tc")
        for _ in range(64):
            self.start_load(alice, fd)
        until(lambda: len(desktop.agent()[0]) == 64, "64 dialogs are open")

        def is_full():
            try:
                self.alice.inspect(fd)
            except BusError as e:
                self.assertEqual(e.name, "LimitExceeded")
                return True
            return False
        until(is_full, "64 requests are under way")
        self.bus.unload(self.load("tc", "tc_count"))
        alice.leave()
        until(lambda: not is_full(), "what she was charged is released")
        until(lambda: desktop.agent()[1] == 64, "the dialogs close")
        self.assert_nothing()

    def test_service_stops(self):
        """Who doesn't answer holds no restart up, and is told."""
        alice = self.at_terminal("alice")
        self.opened(alice)
        begin = time.monotonic()
        self.daemon.end(signal.SIGTERM)
        self.assertLess(time.monotonic() - begin, 5)
        status, shown = alice.finish()
        self.assertEqual(status, 1, shown)
        self.assertIn("service", shown)
        self.assert_closed(alice)
        self.assertTrue(alice.echoes())
        self.assert_nothing()

    def test_service_killed(self):
        alice = self.at_terminal("alice")
        self.opened(alice)
        self.daemon.end(signal.SIGKILL)
        status, shown = alice.finish()
        self.assertEqual(status, 1, shown)
        self.assert_closed(alice)
        self.assertTrue(alice.echoes())
        self.assert_nothing()

    def test_polkit_killed(self):
        """Its agents are forgotten with it, so nobody can be asked any more."""
        alice = self.at_terminal("alice")
        self.opened(alice)
        pid = self.bus.pid("org.freedesktop.PolicyKit1")
        daemon.kill(pid)
        status, shown = alice.finish()
        self.assertEqual(status, 3, shown)
        self.assert_nothing()
        self.opened(alice)
        alice.type(PASSWORDS["alice"])
        self.assertEqual(alice.finish()[0], 0)


class Sessions(Prompts):
    """What logind knows of a session decides how often polkit asks."""

    def setUp(self):
        if not daemon.has_systemd():
            self.skipTest("there is no logind")
        super().setUp()

    def assert_session(self, person, **expected):
        shown = subprocess.run(["loginctl", "show-session", person.session], check=True, text=True,
                               stdout=subprocess.PIPE).stdout
        found = dict(line.partition("=")[::2] for line in shown.splitlines())
        self.assertEqual({k: found.get(k, "") for k in expected}, expected)

    def member(self, person):
        """A process of the person's session that calls more than once, and is asked about there."""
        user = self.another(person.user)
        person.adopt(user.pid)
        person.start_agent(user)
        return user

    def is_asked(self, person, start, identity="alice"):
        """Whether this call takes the password, which is given."""
        begin = person.seen
        token = start()
        user = token[0]

        def progress():
            person.read(0.02)
            return "Password: " in person.text[begin:] or user.is_done(token[1])
        until(progress, "a question, or the answer")
        asked = "Password: " in person.text[begin:]
        if asked:
            self.assertEqual(person.asked()[2], identity)
            person.type(PASSWORDS[identity])
            person.expect("AUTHENTICATION COMPLETE")
        self.results = user.results(*user.raw_wait(token[1]))
        return asked

    def load_by(self, user):
        fd = self.object("tc")
        return lambda: (user, self.start_load(user, fd))

    def attach_by(self, user, program, veth):
        def start():
            parameters = user.parameters("(a{sv})", [options_variant(
                ATTACH_OPTIONS, {"interface": veth.name, "direction": "ingress"}, [])])
            return user, user.raw_start(NAME, program, PROGRAM, "Attach", *parameters,
                                        int(INTERACTIVE), 60)
        return start

    def test_active_is_remembered(self):
        """For the action and the caller, and nobody and nothing else."""
        alice = self.at_terminal("alice")
        self.assert_session(alice, Active="yes", Remote="no", Seat="seat0", User=str(alice.uid))
        member = self.member(alice)
        self.assertTrue(self.is_asked(alice, self.load_by(member)))
        program, = self.results
        for _ in range(3):
            self.assertFalse(self.is_asked(alice, self.load_by(member)))
        # Not for another action, which is remembered by itself
        veth = self.veth()
        self.assertTrue(self.is_asked(alice, self.attach_by(member, program, veth)))
        self.assertFalse(self.is_asked(alice, self.attach_by(member, program, veth)))
        # Not for another user, nor for another session of hers
        bob = self.at_terminal("bob")
        self.assertTrue(self.is_asked(bob, self.load_by(self.member(bob))))
        again = self.at_terminal("alice")
        self.assertTrue(self.is_asked(again, self.load_by(self.member(again))))
        self.assertEqual(len(self.bus.managed("Programs")), 6)

    def test_inactive_is_asked_each_time(self):
        alice, bob = self.at_terminal("alice"), self.at_terminal("bob")
        self.assert_session(alice, Active="no", Seat="seat0")
        self.assert_session(bob, Active="yes", Seat="seat0")
        member = self.member(alice)
        for _ in range(2):
            self.assertTrue(self.is_asked(alice, self.load_by(member)))
        # She comes back to the machine
        subprocess.run(["loginctl", "activate", alice.session], check=True)
        until(lambda: self.is_active(alice), "the session is active")
        self.assertTrue(self.is_asked(alice, self.load_by(member)))
        self.assertFalse(self.is_asked(alice, self.load_by(member)))

    def is_active(self, person):
        shown = subprocess.run(["loginctl", "show-session", "--property=Active", "--value",
                                person.session], check=True, text=True, stdout=subprocess.PIPE).stdout
        return shown.strip() == "yes"

    def test_without_a_seat_is_asked_each_time(self):
        """As by ssh."""
        alice = self.at_terminal("alice", seat=False)
        self.assert_session(alice, Active="yes", Seat="")
        member = self.member(alice)
        for _ in range(2):
            self.assertTrue(self.is_asked(alice, self.load_by(member)))

    def test_in_no_session_is_asked_each_time(self):
        """A process that a service or cron runs for her, and an agent somewhere else."""
        alice = self.at_terminal("alice")
        member = self.another("alice")
        alice.start_agent(member)
        for _ in range(2):
            self.assertTrue(self.is_asked(alice, self.load_by(member)))

    def test_without_an_agent(self):
        """Each kind of session is told what would help."""
        for options in ({}, {"seat": False}):
            with self.subTest(**options):
                alice = self.at_terminal("alice", **options)
                status, shown = alice.run(self.load_command() + " </dev/null")
                self.assertEqual(status, 3, shown)
                for word in ("no authentication agent", "terminal", "root", "polkit rule"):
                    self.assertIn(word, shown)
        self.assert_nothing()

    def test_a_desktops_agent(self):
        """It asks for all of a session, so bpfctl brings none; a dialog that is closed is no."""
        alice = self.at_terminal("alice")
        desktop = self.another("alice")
        alice.adopt(desktop.pid)
        desktop.start_agent(session=alice.session)
        alice.start(self.load_command())
        until(lambda: desktop.agent()[0], "the dialog opens")
        status, shown = alice.finish()
        self.assertEqual(status, 3, shown)
        self.assertIn("dismissed", shown)
        self.assertNotIn("AUTHENTICATING", shown)
        (action, message, _), = desktop.agent()[0]
        self.assertEqual(action, NAME + ".load.tc")
        self.assertIn("tc_count", message)
        self.assert_nothing()
