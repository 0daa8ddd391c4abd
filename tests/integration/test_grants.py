# SPDX-License-Identifier: LGPL-2.1-or-later
"""Grants: files that let people load and attach, through a rule of polkit's; and who may write them."""

import glob
import json
import os
import re
import shutil
import subprocess
import time

from support import daemon, objects
from support.bus import INTERACTIVE
from support.case import Case, can_attach, can_load, until
from support.hooks import Cgroup

DIRECTORY = "/etc/bpfkeeper/grants.d"
REFUSED = ("AuthorizationRequired", "NotAuthorized")
DONE, FAILED, USAGE, NOT_ALLOWED, NOT_FOUND = range(5)


def path_of(name):
    return f"{DIRECTORY}/{name}.grant"


def read(name):
    with open(path_of(name), encoding="utf-8") as f:
        return f.read()


def log_text():
    """What the daemon has said in this system."""
    if daemon.has_systemd():
        return subprocess.run(["journalctl", "-o", "cat", "-u", "bpfkeeper"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
    with open("/run/sandbox/dbus.log", encoding="utf-8", errors="replace") as f:
        return f.read()


class Grants(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.remove_all)
        os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)

    def remove_all(self):
        for path in glob.glob(DIRECTORY + "/*"):
            os.unlink(path)

    def write(self, name, text, mode=0o644):
        """A file by hand."""
        with open(path_of(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path_of(name), mode)

    def may_load(self, user, kind="xdp"):
        return user.check_authorization("load", kind)[0] == "yes"

    def assert_may_load(self, user, obj="packet_counter"):
        user.unload(self.load(obj, who=user)[0])

    def assert_may_not_load(self, user, obj="packet_counter"):
        with self.refused(*REFUSED):
            self.load(obj, who=user)


class InForce(Grants):
    """What a grant lets people do, and what not."""

    def test_at_once_and_no_longer(self):
        veth, other = self.veth(), self.veth("other0")
        self.assert_may_not_load(self.alice)
        name = self.bus.add_grant(user="alice", types=["xdp"], interface="veth*")
        self.assertEqual(name, "alice-xdp")
        program, = self.load("packet_counter", who=self.alice)
        link = self.alice.attach(program, interface=veth.name)
        for interface in (other.name, "lo", ("u", other.index)):
            with self.refused(*REFUSED) as caught:
                self.alice.attach(program, interface=interface)
            self.assertIn("org.bpfkeeper1.attach.xdp", caught.exception.message)
        self.assert_may_not_load(self.alice, "tc")
        self.assert_may_not_load(self.bob)
        for call in (lambda: os.close(self.alice.open_program(program)),
                     lambda: self.bob.detach(link), lambda: self.bob.unload(program)):
            with self.refused(*REFUSED):
                call()

        self.bus.remove_grant(name)
        self.assertEqual(os.listdir(DIRECTORY), [])
        self.assert_may_not_load(self.alice)
        with self.refused(*REFUSED):
            self.alice.attach(program, interface=veth.name)
        # What is hers stays, and stays hers
        self.assertEqual(list(self.bus.list("Links")), [link])
        self.alice.detach(link)
        self.alice.unload(program)

    def test_the_index_is_as_good_as_the_name(self):
        veth = self.veth()
        self.bus.add_grant(user="alice", types=["xdp"], interface="veth*")
        program, = self.load("packet_counter", who=self.alice)
        self.alice.attach(program, interface=("u", veth.index))

    def test_one_verb(self):
        veth = self.veth()
        self.bus.add_grant(user="alice", types=["tc"], verbs=["load"])
        program = self.load("tc", "tc_count", who=self.alice)
        with self.refused(*REFUSED):
            self.alice.attach(program, interface=veth.name, direction="ingress")
        self.bus.remove_grant("alice-tc")
        self.bus.add_grant(user="alice", types=["tc"], verbs=["attach"])
        self.alice.attach(program, interface=veth.name, direction="ingress")
        self.assert_may_not_load(self.alice, "tc")

    def test_all_types(self):
        self.bus.add_grant(user="alice", types=["all"])
        self.assertEqual(self.bus.grants()["alice-all"]["Types"], ["all"])
        for obj, kind in (("packet_counter", "xdp"), ("tc", "tc"), ("tracepoint", "tracepoint"),
                          ("raw_tracepoint", "raw_tracepoint"), ("cgroup_skb", "cgroup_skb")):
            if can_load(kind):
                self.assert_may_load(self.alice, obj)
        # Which is all types, and not all actions
        program = self.load("tc", "tc_count")
        with self.refused(*REFUSED):
            self.alice.unload(program)
        with self.refused(*REFUSED):
            self.alice.add_grant(user="alice", types=["xdp"])

    def test_until(self):
        end = int(time.time()) + 3
        self.bus.add_grant(user="alice", types=["xdp"], until=end * 1000000 + 999999)
        self.assert_may_load(self.alice)
        self.assertEqual(self.bus.grants()["alice-xdp"]["Until"], end * 1000000)
        until(lambda: time.time() >= end, "its time is over", 10)
        self.assert_may_not_load(self.alice)
        self.assertEqual(self.bus.grants()["alice-xdp"]["State"], "expired")
        verdict, reasons = self.alice.check_authorization("load", "xdp")
        self.assertEqual((verdict, reasons["Expired"]), ("challenge", ["alice-xdp"]))

    def test_group(self):
        with open("/etc/group", encoding="utf-8") as f:
            before = f.read()

        def restore():
            with open("/etc/group", "w", encoding="utf-8") as f:
                f.write(before)
        self.addCleanup(restore)
        with open("/etc/group", "w", encoding="utf-8") as f:
            f.write(re.sub(r"(?m)^(tracing:x:\d+:).*$", r"\1bob", before))
        self.assertEqual(self.bus.add_grant(group="tracing", types=["tracepoint", "raw_tracepoint"]),
                         "@tracing-tracepoint-raw_tracepoint")
        bob = self.another("bob")
        self.assert_may_load(bob, "tracepoint")
        self.assert_may_not_load(bob)
        self.assert_may_not_load(self.alice, "tracepoint")
        self.assertEqual(bob.check_authorization("load", "tracepoint")[1]["Grants"],
                         ["@tracing-tracepoint-raw_tracepoint"])
        # A user of the group's name isn't in it
        self.bus.add_grant(group="bob", types=["xdp"])
        self.bus.add_grant(user="alice", types=["xdp"])
        self.assertFalse(self.may_load(self.carol))

    def test_cgroup(self):
        if not can_attach("cgroup_skb"):
            self.skipTest("this kernel can't attach cgroup_skb programs")
        ours, other = Cgroup(), Cgroup()
        below = Cgroup(ours.path)
        for group in (ours, other, below):
            self.addCleanup(group.remove)
        self.bus.add_grant(user="alice", types=["cgroup_skb"], cgroup=ours.path + "/**")
        program = self.load("cgroup_skb", "cgroup_ingress", who=self.alice)
        for group in (ours, below):
            fd = self.keep(os.open(group.path, os.O_RDONLY | os.O_DIRECTORY))
            self.alice.attach(program, cgroup=("h", fd))
        fd = self.keep(os.open(other.path, os.O_RDONLY | os.O_DIRECTORY))
        with self.refused(*REFUSED):
            self.alice.attach(program, cgroup=("h", fd))

    def test_names_that_mean_something_to_a_shell(self):
        """Interfaces are called what they like; what one is called is compared and nothing else."""
        names = ("v;id", "v$(id)", "v'\"`", "-v", "v\\", "v*")
        self.bus.add_grant(user="alice", types=["xdp"], interface="v\\*")
        program, = self.load("packet_counter", who=self.alice)
        for name in names:
            self.veth(name)
            if name == "v*":
                self.alice.attach(program, interface=name)
            else:
                with self.refused(*REFUSED):
                    self.alice.attach(program, interface=name)

    def test_words_for_polkit_that_mean_something(self):
        self.bus.add_grant(user="alice", types=["xdp"], interface="veth?")
        for name, verdict in (("veth0", "yes"), ("veth0\n", "challenge"), ("", "challenge"),
                              ("veth0\\x0a", "challenge"), ("veth\U0001f600", "challenge"),
                              ("--help", "challenge"), ("x" * 4096, "challenge")):
            with self.subTest(interface=name):
                self.assertEqual(
                    self.alice.check_authorization("attach", "xdp", interface=name)[0], verdict)

    def test_by_hand_without_the_service(self):
        self.daemon.end()
        self.write("mine", "# for the tests\n[Grant]\nUser=alice\nTypes = xdp, tc\n")
        self.assert_may_load(self.alice)
        self.daemon.end()
        os.unlink(path_of("mine"))
        self.assert_may_not_load(self.alice)

    def test_administrators_rule_comes_first(self):
        self.bus.add_grant(user="alice", types=["xdp"])
        self.assertTrue(self.may_load(self.alice))
        self.rules.write("polkit.addRule(function (action, subject) {"
                         " if (subject.user === 'alice') return polkit.Result.NO;"
                         " return polkit.Result.NOT_HANDLED; });")
        with self.refused("NotAuthorized"):
            self.load("packet_counter", who=self.alice)
        verdict, reasons = self.alice.check_authorization("load", "xdp")
        self.assertEqual((verdict, reasons["Grants"]), ("no", ["alice-xdp"]))

    def test_as_many_as_there_may_be(self):
        for i in range(1000):
            self.write(f"x{i}", "[Grant]\nUser=carol\nTypes=xdp\nInterface=veth*\n")
        with self.refused("LimitExceeded"):
            self.bus.add_grant(user="alice", types=["xdp"])
        self.write("z", "[Grant]\nUser=alice\nTypes=xdp\n")
        self.assert_may_load(self.alice)
        self.assert_may_not_load(self.bob)
        self.assertEqual(len(self.bus.grants()), 1001)


class Broken(Grants):
    """What isn't right allows nothing, and is told of."""

    FILES = {
        "typo": ("[Grant]\nUser=alice\nTypes=xpd\n", "line 3: Types=xpd: "),
        "key": ("[Grant]\nUser=alice\nTypes=xdp\nInterfaces=lo\n", "line 4: Interfaces=lo: "),
        "signed": ("[Grant]\nUser=alice\nTypes=xdp\nSignedBy=a b\n", "line 4: SignedBy=a b: "),
        "twice": ("[Grant]\nUser=alice\nTypes=xdp\nInterface=lo\nInterface=*\n", "line 5: "),
        "time": ("[Grant]\nUser=alice\nTypes=xdp\nUntil=2126-12-01 18:00\n", "line 4: Until="),
        "empty": ("", "[Grant]"),
    }

    def test_files(self):
        for name, (text, _) in self.FILES.items():
            self.write(name, text)
        self.assert_may_not_load(self.alice)
        shown = self.bus.grants()
        self.assertEqual(set(shown), set(self.FILES))
        for name, (_, error) in self.FILES.items():
            self.assertEqual(shown[name]["State"], "broken")
            self.assertIn(error, shown[name]["Error"])
            self.assertEqual((shown[name]["User"], shown[name]["Types"]), ("", []))
        for name in self.FILES:
            self.bus.remove_grant(name)
        self.assertEqual(os.listdir(DIRECTORY), [])

    def test_one_is_no_harm_to_others(self):
        self.write("a", "nonsense")
        self.bus.add_grant(user="alice", types=["xdp"])
        self.assert_may_load(self.alice)

    def test_told_of(self):
        """At the start, and when it changes."""
        mark = f"m{time.monotonic_ns()}"
        self.daemon.end()
        self.write("early", f"[Grant]\nUser=alice\nTypes={mark}early\n")
        self.daemon.pid()
        until(lambda: f"early.grant, line 3: Types={mark}early: " in log_text(),
              "the file is told of", 10)
        self.write("late", f"[Grant]\nUser=alice\nTypes={mark}late\n")
        until(lambda: f"late.grant, line 3: Types={mark}late: " in log_text(),
              "the new file is told of", 10)
        # Each once
        self.assertEqual(log_text().count(f"Types={mark}early: "), 1)

    def test_files_of_others(self):
        good = "[Grant]\nUser=alice\nTypes=xdp\n"
        self.write("open", good, 0o666)
        shutil.copy(path_of("open"), "/tmp/alices.grant")
        self.addCleanup(os.unlink, "/tmp/alices.grant")
        os.chown("/tmp/alices.grant", 4001, 4001)
        os.chmod("/tmp/alices.grant", 0o644)
        os.symlink("/tmp/alices.grant", path_of("link"))
        os.mkfifo(path_of("fifo"), 0o644)
        os.symlink("/dev/zero", path_of("zero"))
        self.assert_may_not_load(self.alice)
        self.assertEqual({g["State"] for g in self.bus.grants().values()}, {"broken"})
        self.assertEqual(len(self.bus.grants()), 4)
        os.chmod(path_of("open"), 0o644)
        self.assert_may_load(self.alice)

    def test_directory_of_everybody(self):
        self.write("mine", "[Grant]\nUser=alice\nTypes=xdp\n")
        self.assertTrue(self.may_load(self.alice))
        self.addCleanup(os.chmod, DIRECTORY, 0o755)
        os.chmod(DIRECTORY, 0o1777)
        self.assert_may_not_load(self.alice)
        with self.refused("Failed") as caught:
            self.bus.grants()
        self.assertIn("0755 is right", caught.exception.message)


class Managing(Grants):
    """Who may say who may do what, and what can be said."""

    def test_takes_an_action(self):
        self.bus.add_grant(user="bob", types=["tc"])
        for user in (self.alice, self.bob):
            with self.refused(*REFUSED) as caught:
                user.add_grant(user=user.user, types=["xdp"])
            self.assertIn("org.bpfkeeper1.manage-grants", caught.exception.message)
            with self.refused(*REFUSED):
                user.remove_grant("bob-tc")
            self.assertEqual(list(user.grants()), ["bob-tc"])
        self.assertEqual(os.listdir(DIRECTORY), ["bob-tc.grant"])

    def test_rules_see_what_is_granted(self):
        self.allow("alice", "manage-grants",
                   condition='action.lookup("user") === "bob" && action.lookup("types") === "xdp" &&'
                             ' action.lookup("verb") === "add" &&'
                             ' action.lookup("interface") === "veth*"')
        self.assertEqual(self.alice.add_grant(user="bob", types=["xdp"], interface="veth*"),
                         "bob-xdp")
        self.assertIn("CreatedBy=alice\n", read("bob-xdp"))
        self.assertTrue(self.may_load(self.bob))
        for options in ({"user": "carol"}, {"types": ["tc"]}, {"interface": "*"}):
            with self.refused(*REFUSED):
                self.alice.add_grant(**{"user": "bob", "types": ["xdp"], "interface": "veth*",
                                        **options})
        with self.refused(*REFUSED):
            self.alice.remove_grant("bob-xdp")
        self.allow("alice", "manage-grants", condition='action.lookup("id") === "bob-xdp"')
        self.alice.remove_grant("bob-xdp")
        self.assertFalse(self.may_load(self.bob))

    def test_dialog_says_what(self):
        """polkit's agents show the message; a key without a detail would stand in it as it is."""
        self.bus.add_grant(group="tracing", types=["all"], verbs=["load"])
        alice = self.another("alice")
        alice.start_agent()
        with self.refused("AuthorizationDismissed"):
            alice.add_grant(user="bob", types=["xdp", "tc"], interface="veth*", flags=INTERACTIVE)
        with self.refused("AuthorizationDismissed"):
            alice.remove_grant("@tracing-all", flags=INTERACTIVE)
        self.assertEqual([message for _, message, _ in alice.agent()[0]], [
            "Authentication is required to let user bob load and attach eBPF programs of types xdp, "
            "tc, on interfaces veth*",
            "Authentication is required to take back the grant @tracing-all, which let group tracing "
            "load eBPF programs of every type"])

    def test_file(self):
        end = (int(time.time()) + 3600) * 1000000
        self.bus.add_grant(user="alice", types=["xdp", "tc"], verbs=["attach"], interface="veth*",
                           until=end)
        text = read("alice-xdp-tc")
        for line in ("[Grant]", "User=alice", "Types=xdp tc", "Verbs=attach", "Interface=veth*",
                     "CreatedBy=root"):
            self.assertIn(line + "\n", text)
        info = os.stat(path_of("alice-xdp-tc"))
        self.assertEqual((info.st_uid, info.st_gid, info.st_mode & 0o7777), (0, 0, 0o644))
        shown = self.bus.grants()["alice-xdp-tc"]
        created = shown.pop("Created")
        self.assertLess(abs(time.time() - created / 1e6), 60)
        self.assertEqual(shown, {
            "State": "active", "Error": "", "User": "alice", "Group": "", "Types": ["xdp", "tc"],
            "Verbs": ["attach"], "Interface": "veth*", "Cgroup": "", "SignedBy": "",
            "Until": end, "CreatedBy": "root"})
        self.daemon.restart()
        self.assertEqual(self.bus.grants()["alice-xdp-tc"]["Until"], end)

    def test_the_same_again(self):
        names = {self.bus.add_grant(user="alice", types=["xdp"]) for _ in range(3)}
        self.assertEqual(names, {"alice-xdp"})
        self.assertEqual(self.bus.add_grant(user="alice", types=["xdp"], interface="lo"),
                         "alice-xdp-2")
        self.assertEqual(self.bus.add_grant(user="alice", types=["xdp"] * 256), "alice-xdp")
        # By number he is the same
        self.assertEqual(self.bus.add_grant(user="4001", types=["xdp"]), "alice-xdp")

    def test_many_at_once(self):
        calls = [self.bus.start("/org/bpfkeeper1", "org.bpfkeeper1.Manager", "AddGrant", "(a{sv})",
                                self.grant_variant(interface=f"veth{i}")) for i in range(20)]
        names = {self.bus.wait(c) for c in calls}
        self.assertEqual(len(names), 20)
        self.assertEqual({f"{n}.grant" for n in names}, set(os.listdir(DIRECTORY)))

    @staticmethod
    def grant_variant(**options):
        from support.bus import GRANT_OPTIONS, options_variant
        return options_variant(GRANT_OPTIONS, {"user": "alice", "types": ["xdp"], **options}, [])

    def test_what_can_not_be_granted(self):
        later = int((time.time() + 60) * 1e6)
        cases = [
            ("InvalidArgument", "no user 'nobody here'", {"user": "nobody here"}),
            ("InvalidArgument", "no group 'alice2'", {"user": None, "group": "alice2"}),
            ("InvalidArgument", "nobody is named", {"user": None}),
            ("InvalidArgument", "two grants", {"group": "tracing"}),
            ("InvalidArgument", "1 to 255", {"user": ""}),
            ("UnknownType", "'xpd'; there are xdp, ", {"types": ["xpd"]}),
            ("UnknownType", "'all' stands by itself", {"types": ["xdp", "all"]}),
            ("InvalidArgument", "no program type", {"types": []}),
            ("InvalidArgument", "no program type", {"types": None}),
            ("LimitExceeded", "257", {"types": ["xdp"] * 257}),
            ("InvalidArgument", "'unload'", {"verbs": ["load", "unload"]}),
            ("InvalidArgument", "No verb is named; it is load, attach or both", {"verbs": []}),
            ("InvalidArgument", "[a", {"interface": "[a"}),
            ("InvalidArgument", "empty", {"interface": ""}),
            ("InvalidArgument", "control", {"interface": "a\nTypes=all"}),
            ("InvalidArgument", "no interface", {"types": ["tracepoint"], "interface": "lo"}),
            ("InvalidArgument", "no interface", {"types": ["xdp", "lsm"], "interface": "lo"}),
            ("InvalidArgument", "begins with /sys/fs/cgroup/",
             {"types": ["cgroup_skb"], "cgroup": "/user.slice"}),
            ("InvalidArgument", "no cgroup", {"cgroup": "/sys/fs/cgroup/a"}),
            ("InvalidArgument", "1970-01-01T00:00:01Z", {"until": 1000000}),
            ("InvalidArgument", "future", {"until": (1 << 64) - 1}),
            ("InvalidArgument", "SignedBy=a b: ", {"signed_by": "a b"}),
            ("InvalidArgument", "1 to 1024", {"signed_by": ""}),
            ("UnknownOption", "netns", {"netns": "me"}),
            ("WrongType", "until", {"until": ("s", "+2h")}),
        ]
        for error, text, changes in cases:
            options = {"user": "alice", "types": ["xdp"], "until": later, **changes}
            options = {k: v for k, v in options.items() if v is not None}
            with self.subTest(**changes), self.refused(error) as caught:
                self.bus.add_grant(**options)
            self.assertIn(text, caught.exception.message)
        self.assertEqual(os.listdir(DIRECTORY), [])

    def test_remove_what_is_not_there(self):
        for name in ("nothing", "", "../polkit", "a/b", "x" * 1000):
            with self.refused("NoSuchObject"):
                self.bus.remove_grant(name)

    def test_audit(self):
        if not daemon.has_systemd():
            self.skipTest("there is no journal here")
        since = time.time()
        self.bus.add_grant(user="alice", types=["xdp"], interface="veth*")
        with self.refused(*REFUSED):
            # Of those who are refused all the time not all is noted
            self.carol.remove_grant("alice-xdp")
        self.bus.remove_grant("alice-xdp")

        def entries():
            out = subprocess.run(["journalctl", "-o", "json", f"--since=@{since:.6f}",
                                  "-t", "bpfkeeperd"], check=True, stdout=subprocess.PIPE).stdout
            lines = [json.loads(line) for line in out.splitlines()]
            return {(e["BPFKEEPER_VERB"], e["BPFKEEPER_UID"]): e
                    for e in lines if "Grant" in e.get("BPFKEEPER_VERB", "")}
        until(lambda: len(entries()) == 3, "all is noted", 10)
        found = entries()
        added, removed = found["AddGrant", "0"], found["RemoveGrant", "0"]
        self.assertEqual(added["BPFKEEPER_OBJECT"], path_of("alice-xdp"))
        self.assertIn("user alice load and attach eBPF programs of type xdp, on interfaces veth*",
                      added["MESSAGE"])
        for field, value in (("ACTION", "org.bpfkeeper1.manage-grants"), ("VERDICT", "root"),
                             ("GRANT_USER", "alice"), ("GRANT_INTERFACE", "veth*")):
            self.assertEqual(added["BPFKEEPER_" + field], value)
            self.assertEqual(removed["BPFKEEPER_" + field], value)
        self.assertNotIn("BPFKEEPER_HOOK", added)
        self.assertIn("took back the grant alice-xdp", removed["MESSAGE"])
        self.assertIn("denied", found["RemoveGrant", "4003"]["MESSAGE"])


class Asking(Grants):
    """CheckAuthorization() and bpfctl."""

    def ctl(self, *arguments, status=DONE, who=None):
        command = ["bpfctl", "--no-ask-password", *arguments]
        if who:
            result, out, err = who.run(*command)
        else:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60, check=False)
            result, out, err = done.returncode, done.stdout, done.stderr
        self.assertEqual(result, status, f"bpfctl {' '.join(arguments)}: {out}{err}")
        return out + err

    def test_says_what_then_happens(self):
        """For every type and verb, with and without a grant."""
        self.bus.add_grant(user="alice", types=["xdp", "tc"], interface="veth*")
        for user in (self.alice, self.bob):
            for obj, kind in (("packet_counter", "xdp"), ("tc", "tc"), ("tracepoint", "tracepoint")):
                with self.subTest(user=user.user, kind=kind):
                    if self.may_load(user, kind):
                        self.assert_may_load(user, obj)
                    else:
                        self.assert_may_not_load(user, obj)

    def test_reasons(self):
        self.bus.add_grant(user="alice", types=["xdp"], interface="veth*")
        self.write("alice-all", "[Grant]\nUser=alice\nTypes=all\nUntil=2001-01-01T00:00:00Z\n")
        action = "org.bpfkeeper1.attach.xdp"
        expected = {"Action": action, "User": "alice", "Grants": ["alice-xdp"], "Elsewhere": [],
                    "NotSigned": [], "Expired": ["alice-all"]}
        self.assertEqual(self.alice.check_authorization("attach", "xdp", interface="veth7"),
                         ("yes", expected))
        expected.update(Grants=[], Elsewhere=["alice-xdp"])
        self.assertEqual(self.alice.check_authorization("attach", "xdp", interface="lo"),
                         ("challenge", expected))
        self.assertEqual(self.bob.check_authorization("attach", "xdp", interface="lo"),
                         ("challenge", {"Action": action, "User": "bob", "Grants": [],
                                        "Elsewhere": [], "NotSigned": [], "Expired": []}))
        self.assertEqual(self.bus.check_authorization("load", "raw_tracepoint")[0], "yes")
        self.allow("bob", "attach.xdp", condition='action.lookup("mode") === "skb"')
        self.assertEqual(self.bob.check_authorization("attach", "xdp", mode="skb")[0], "yes")
        self.assertEqual(self.bob.check_authorization("attach", "xdp")[0], "challenge")
        # An option by its name is the detail
        self.allow("bob", "attach.xdp", condition='action.lookup("proceed_on") === "pass"')
        details = {"proceed-on": "pass"}
        self.assertEqual(self.bob.check_authorization("attach", "xdp", **details)[0], "yes")

    def test_nonsense(self):
        for error, arguments, details in (
                ("InvalidArgument", ("eat", "xdp"), {}), ("InvalidArgument", ("", "xdp"), {}),
                ("UnknownType", ("load", "pizza"), {}), ("UnknownType", ("load", ""), {}),
                ("UnknownOption", ("load", "xdp"), {"interface": "lo"}),
                ("UnknownOption", ("attach", "xdp"), {"cgroup": "/"}),
                ("UnknownOption", ("attach", "xdp"), {"type": "tc"}),
                ("LimitExceeded", ("attach", "xdp"), {"interface": "x" * 5000})):
            with self.subTest(arguments=arguments, details=details), self.refused(error) as caught:
                self.alice.check_authorization(*arguments, **details)
            if error == "UnknownType":
                self.assertIn("there are: xdp, ", caught.exception.message)

    def test_bpfctl(self):
        veth = self.veth()
        out = self.ctl("grant", "alice", "xdp", "--interface", "veth*", "--until", "+2h")
        self.assertEqual(out, "Granted as alice-xdp.\n")
        self.assertEqual(json.loads(self.ctl("--json=short", "grant", "@tracing", "kprobe,tracepoint",
                                             "--verb=load")), {"id": "@tracing-kprobe-tracepoint"})
        out = self.ctl("grants", who=self.bob)
        self.assertRegex(out, r"(?m)^alice-xdp +alice +xdp +load attach +veth\* .* active$")
        self.assertIn("@tracing", out)
        shown = json.loads(self.ctl("--json=short", "grants"))
        self.assertEqual([g["id"] for g in shown], ["@tracing-kprobe-tracepoint", "alice-xdp"])
        self.assertEqual((shown[1]["state"], shown[1]["interface"]), ("active", "veth*"))
        self.assertLess(abs(shown[1]["until"] / 1e6 - time.time() - 7200), 60)

        self.ctl("load", objects.path("packet_counter"), who=self.alice)
        self.ctl("attach", "count_packets", veth.name, who=self.alice)
        out = self.ctl("can", "attach", "xdp", veth.name, who=self.alice)
        self.assertEqual(out, "Yes: alice may attach xdp programs there, by grant alice-xdp.\n")
        out = self.ctl("can", "attach", "xdp", "lo", who=self.alice, status=NOT_ALLOWED)
        self.assertIn("only after a password", out)
        self.assertIn("Grant alice-xdp covers other places", out)
        answer = json.loads(self.ctl("--json=short", "can", "load", "tc", who=self.alice,
                                     status=NOT_ALLOWED))
        self.assertEqual((answer["verdict"], answer["action"]),
                         ("challenge", "org.bpfkeeper1.load.tc"))

        self.ctl("revoke", "alice-xdp", "nothing", "@tracing-kprobe-tracepoint", status=NOT_FOUND)
        self.assertEqual(json.loads(self.ctl("--json=short", "grants")), [])
        self.ctl("can", "load", "xdp", who=self.alice, status=NOT_ALLOWED)

    def test_signed(self):
        """A file bears no signature, so what is granted for signed objects is no leave for one."""
        self.ctl("grant", "alice", "xdp", "--signed-by=vendor@example.org")
        self.assertIn("SignedBy=vendor@example.org\n", read("alice-xdp"))
        self.assertIn("vendor@example.org", self.ctl("grants"))
        shown, = json.loads(self.ctl("--json=short", "grants"))
        self.assertEqual(shown["signed_by"], "vendor@example.org")
        self.assert_may_not_load(self.alice)
        for place in (("load", "xdp"), ("attach", "xdp", "lo")):
            out = self.ctl("can", *place, who=self.alice, status=NOT_ALLOWED)
            self.assertIn("Grant alice-xdp covers it only if it is signed", out)
            self.ctl("can", *place, "--signed-by=vendor", who=self.alice, status=NOT_ALLOWED)
            out = self.ctl("can", *place, "--signed-by=vendor@example.org", who=self.alice)
            self.assertIn("by grant alice-xdp.", out)
        # It is one of several grants: the other one says so of any object.
        self.assertEqual(self.bus.add_grant(user="alice", types=["xdp"]), "alice-xdp-2")
        self.assert_may_load(self.alice)

    def test_bpfctl_for_others(self):
        self.bus.add_grant(user="alice", types=["xdp"])
        self.assertIn("by grant alice-xdp", self.ctl("can", "--user=alice", "load", "xdp"))
        self.ctl("can", "--user=bob", "load", "xdp", status=NOT_ALLOWED)
        self.assertIn("root may", self.ctl("can", "load", "xdp"))
        self.assertIn("no user", self.ctl("can", "--user=nobody2", "load", "xdp", status=FAILED))
        self.assertIn("Only root", self.ctl("can", "--user=bob", "load", "xdp", who=self.alice,
                                            status=FAILED))

    def test_bpfctl_wrong(self):
        for arguments in (("grant", "alice"), ("grant", "alice", "xdp", "lo"), ("revoke",),
                          ("grant", "alice", "xdp", "--until", "tomorrow"),
                          ("grant", "alice", "xdp", "--interface=a", "--interface=b"),
                          ("grant", "alice", "xdp", "--signed-by=a", "--signed-by=b"),
                          ("can", "load"),
                          ("can", "load", "xdp", "lo")):
            self.ctl(*arguments, status=USAGE)
        self.ctl("grant", "alice", "xpd", status=FAILED)
        self.ctl("grant", "alice", "xdp", who=self.alice, status=NOT_ALLOWED)
