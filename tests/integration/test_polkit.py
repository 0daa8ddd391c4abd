# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: as shipped, by rules, as owner, and where there is no polkit."""

import hashlib
import json
import os
import re
import shutil
import subprocess

from support import daemon, missing, objects, rules
from support.bus import DBUS, INTERACTIVE
from support.case import BusError, Case, Fd, can_attach, can_load, needs_attach, number, until
from support.hooks import TARGET, hooks, open_file, run_target
from support.wait import SCALE, rounds

REFUSED = ("AuthorizationRequired", "NotAuthorized")
TRACING = ("tracepoint", "raw_tracepoint", "tp_btf", "kprobe", "kretprobe", "kprobe_multi",
           "kretprobe_multi", "uprobe", "uretprobe", "usdt", "fentry", "fexit", "perf_event")


def verbs(who, program, link, maps):
    """Everything that can be asked of a program, its link and a map of it, by name, with the actions
    that others need; owners need none but open-program."""
    key, value = b"\0" * 4, b"\0" * 8
    return [
        ("TestRun", "use-others", lambda: who.test_run(program, b"\0" * 64)),
        ("OpenFd", "open-program use-others", lambda: os.close(who.open_program(program))),
        ("GetLog", "use-others", lambda: os.close(who.program_log(program))),
        ("Lookup", "map.read", lambda: who.lookup(maps, key)),
        ("GetEntries", "map.read", lambda: who.entries(maps)),
        ("OpenFd r", "map.read", lambda: os.close(who.open_map(maps, "r"))),
        ("Update", "map.write", lambda: who.update(maps, key, value)),
        ("Delete", "map.write", lambda: who.delete(maps, key)),
        ("OpenFd w", "map.write", lambda: os.close(who.open_map(maps, "w"))),
        ("OpenFd rw", "map.read map.write", lambda: os.close(who.open_map(maps, "rw"))),
        ("Detach", "detach-others", lambda: who.detach(link)),
        ("Unload", "unload-others", lambda: who.unload(program)),
    ]


class Matrix(Case):
    """Users by types by verbs."""

    def may(self, call):
        """Whether polkit lets somebody do it; what fails for other reasons was let."""
        try:
            call()
        except BusError as e:
            self.assertNotIn(e.name, ("Failed", "NoAuthority", "Cancelled"), e.message)
            return e.name not in REFUSED
        return True

    def matrix(self, users):
        """For each user and type: (load, attach); and the same for root's program."""
        found = {}
        everything = [h for h in hooks(self) if can_load(h.kind)]
        mine = {h: self.load(h.object, h.program, **h.load) for h in everything}
        for user in users:
            for hook in everything:
                load = attach = False
                try:
                    path = self.load(hook.object, hook.program, who=user, **hook.load)
                    load = True
                except BusError as e:
                    self.assertIn(e.name, REFUSED, e.message)
                    path = mine[hook]
                if can_attach(hook.kind):
                    options = dict(hook.options)
                    if isinstance(options.get("target"), str):
                        options["target"] = Fd(self.keep(os.open(options["target"], os.O_RDONLY)))
                    attach = self.may(lambda: user.attach(path, **options))  # noqa: B023
                before = found.get((user.user, hook.kind), (True, True))
                found[user.user, hook.kind] = load and before[0], attach and before[1]
        return found

    def test_as_shipped_nobody_may_do_anything(self):
        with missing.unimportant():
            found = self.matrix([self.alice, self.bob, self.carol][:rounds(3)])
        self.assertEqual({k: v for k, v in found.items() if any(v)}, {})
        for link in self.bus.list("Links"):
            self.fail(link)

    def test_as_shipped_others_things(self):
        veth = self.veth()
        program = self.load("shared_map", "shared_tc", log_level=1)
        link = self.bus.attach(program, interface=veth.name, direction="ingress")
        hits = self.bus.maps_of(program)["hits"]
        for user in (self.alice, self.bob, self.carol):
            for name, _, call in verbs(user, program, link, hits):
                with self.subTest(user=user.user, verb=name), self.refused(*REFUSED) as caught:
                    call()
                self.assertIn("org.bpfkeeper1.", caught.exception.message)
        self.assertEqual(list(self.bus.list("Links")), [link])

    def test_example_for_alice(self):
        self.rules.use_examples()
        with missing.unimportant():
            found = self.matrix([self.alice, self.bob])
        self.assertEqual({k for k, v in found.items() if any(v)}, {("alice", "xdp")})
        self.assertEqual(found["alice", "xdp"], (True, True))
        # veth* and nothing else
        self.unload_all()
        path = self.load("packet_counter", "count_packets", who=self.alice)
        other = self.veth("other0")
        with self.refused(*REFUSED) as caught:
            self.alice.attach(path, interface=other.name)
        self.assertIn("org.bpfkeeper1.attach.xdp", caught.exception.message)
        with self.refused(*REFUSED):
            self.alice.attach(path, interface="lo")
        # By its index the interface has a name too
        with self.refused(*REFUSED):
            self.alice.attach(path, interface=("u", other.index))

    def test_example_for_the_group_tracing(self):
        with open("/etc/group", encoding="utf-8") as f:
            before = f.read()

        def restore():
            with open("/etc/group", "w", encoding="utf-8") as f:
                f.write(before)
        self.addCleanup(restore)
        with open("/etc/group", "w", encoding="utf-8") as f:
            f.write(re.sub(r"(?m)^(tracing:x:\d+:).*$", r"\1bob", before))
        self.rules.use_examples()
        # Who was there before isn't in it yet
        found = self.matrix([self.another("bob"), self.carol])
        expected = {("bob", t) for t in TRACING if can_load(t)} & set(found)
        self.assertEqual({k for k, v in found.items() if v[0]}, expected)
        self.assertEqual({k for k, v in found.items() if v[1]},
                         {(u, t) for u, t in expected if can_attach(t)})

    def test_load_without_attach_and_the_other_way_round(self):
        veth = self.veth()
        self.allow("alice", "load.tc")
        path = self.load("tc", "tc_count", who=self.alice)
        with self.refused(*REFUSED):
            self.alice.attach(path, interface=veth.name, direction="ingress")
        self.allow("alice", "attach.tc")
        with self.refused(*REFUSED):
            self.load("tc", who=self.alice)
        self.alice.attach(path, interface=veth.name, direction="ingress")

    def test_one_of_two_types_is_not_enough(self):
        self.allow("alice", "load.xdp")
        with self.refused(*REFUSED) as caught:
            self.load("shared_map", who=self.alice)
        self.assertIn("load.tc", caught.exception.message)
        self.assertEqual(self.snapshot(), ({}, set()))
        self.load("shared_map", "shared_xdp", who=self.alice)

    def test_denied_outright(self):
        self.rules.write("polkit.addRule(function (action, subject) {"
                         " return polkit.Result.NO; });")
        with self.refused("NotAuthorized"):
            self.load("tc", who=self.alice)

    def test_root_needs_no_permission(self):
        self.rules.write("polkit.addRule(function (action, subject) {"
                         " return polkit.Result.NO; });")
        self.load("tc")


class Owners(Case):
    def make(self, owner):
        """A program of the owner's with a link of the owner's; (program, link, map)."""
        veth = self.veth()
        self.allow(owner.user, "load.tc", "attach.tc")
        program = self.load("shared_map", "shared_tc", who=owner, log_level=1)
        link = owner.attach(program, interface=veth.name, direction="ingress")
        self.rules.write()
        return program, link, self.bus.maps_of(program)["hits"]

    def assert_allowed(self, name, call):
        try:
            call()
        except BusError as e:  # an array's elements can't be deleted
            self.assertEqual((name, e.name), ("Delete", "NotSupported"))

    def test_own_things_are_free(self):
        program, link, hits = self.make(self.alice)
        for name, needed, call in verbs(self.alice, program, link, hits):
            with self.subTest(verb=name):
                if "open-program" in needed:
                    with self.refused(*REFUSED):
                        call()
                    self.allow("alice", "open-program")
                self.assert_allowed(name, call)
        self.assertEqual(self.snapshot(), ({}, set()))

    def test_each_action_for_others_things(self):
        for actions in (["use-others"], ["open-program"], ["open-program", "use-others"],
                        ["map.read"], ["map.write"], ["map.read", "map.write"], ["detach-others"],
                        ["unload-others"]):
            program, link, hits = self.make(self.alice)
            self.allow("bob", *actions)
            for name, needed, call in verbs(self.bob, program, link, hits):
                with self.subTest(allowed=actions, verb=name):
                    if set(needed.split()) <= set(actions):
                        self.assert_allowed(name, call)
                    else:
                        with self.refused(*REFUSED):
                            call()
            self.unload_all()

    def test_attach_others_program(self):
        program, _, _ = self.make(self.alice)
        veth = self.veth()
        for allowed, missing in ((["attach.tc"], "use-others"), (["use-others"], "attach.tc")):
            self.allow("bob", *allowed)
            with self.refused(*REFUSED) as caught:
                self.bob.attach(program, interface=veth.name, direction="egress")
            self.assertIn(missing, caught.exception.message)
        self.allow("bob", "attach.tc", "use-others")
        link = self.bob.attach(program, interface=veth.name, direction="egress")
        # bob's link on alice's program: his to detach, and gone with her program
        with self.refused(*REFUSED):
            self.alice.detach(link)
        self.bob.detach(link)
        self.bob.attach(program, interface=veth.name, direction="egress")
        self.alice.unload(program)
        self.assertEqual(self.snapshot(), ({}, set()))

    def test_maps_of_others_in_load(self):
        program, _, hits = self.make(self.alice)
        for allowed in (["load.xdp"], ["load.xdp", "map.read"], ["load.xdp", "map.write"]):
            self.allow("bob", *allowed)
            with self.refused(*REFUSED):
                self.load("shared_map", "shared_xdp", who=self.bob, maps={"hits": hits})
        self.allow("bob", "load.xdp", "map.*")
        mine = self.load("shared_map", "shared_xdp", who=self.bob, maps={"hits": hits})
        # alice's map it stays, though a program of bob's uses it
        self.rules.write()
        self.alice.unload(program)
        self.alice.lookup(hits, b"\0" * 4)
        with self.refused(*REFUSED):
            self.bob.lookup(hits, b"\0" * 4)
        self.bob.unload(mine)

    def test_an_owner_is_a_uid_not_a_connection(self):
        program, link, _ = self.make(self.alice)
        again = self.another("alice")
        again.detach(link)
        again.unload(program)

    def test_descriptions_are_for_everybody(self):
        program, link, hits = self.make(self.alice)
        for user in (self.bob, self.carol):
            self.assertIn(program, user.list("Programs"))
            self.assertIn(link, user.list("Links"))
            self.assertIn(hits, user.list("Maps"))
            self.assertIn(program, user.managed_objects())


class Details(Case):
    """What rules can decide on."""

    def assert_details(self, action, expected, call):
        """call() is let through where the details are exactly these, all strings."""
        text = {k: str(v) for k, v in expected.items()}
        rule = """
polkit.addRule(function (action, subject) {
    if (subject.user !== "alice" || action.id !== "org.bpfkeeper1.%s")
        return polkit.Result.NOT_HANDLED;
    var wanted = %s, seen = {}, key;
    for (key in action)
        if (key.indexOf("_detail_") === 0 && key.indexOf("_detail_polkit.") !== 0)
            seen[key.substring(8)] = action[key];
    for (key in wanted)
        if (seen[key] !== wanted[key])
            return polkit.Result.NO;
    for (key in seen)
        if (wanted[key] === undefined)
            return polkit.Result.NO;
    return polkit.Result.YES;
});
"""
        rest = self.rules.allow("alice", "org.bpfkeeper1.*",
                                condition=f'action.id !== "org.bpfkeeper1.{action}"')
        with self.subTest(action=action, expected=text):
            self.rules.write(rule % (action, json.dumps(text)), rest)
            result = call()
            # The rule does look at each of them, or at some where that takes long
            for key in list(text)[::int(SCALE)]:
                self.rules.write(rule % (action, json.dumps({**text, key: text[key] + "?"})), rest)
                with self.refused("NotAuthorized"):
                    call()
            return result

    def test_load(self):
        digest = "sha256:" + hashlib.sha256(objects.read("shared_map")).hexdigest()
        common = {"application": "counting", "digest": digest, "n_programs": 1}
        for kind, program in (("xdp", "shared_xdp"), ("tc", "shared_tc")):
            self.assert_details(f"load.{kind}", {"type": kind, "program": program, **common},
                                lambda: self.load("shared_map", who=self.alice, name="counting"))
        digest = "sha256:" + hashlib.sha256(objects.read("tracepoint")).hexdigest()
        self.assert_details(
            "load.tracepoint",
            {"type": "tracepoint", "program": "tracepoint_fork tracepoint_anywhere", "n_programs": 2,
             "application": "", "digest": digest},
            lambda: self.load("tracepoint", who=self.alice))

    def attach_details(self, hook, program):
        expect, details = hook.expect, {}
        for ours, theirs in (("Interface", "interface"), ("InterfaceIndex", "ifindex"),
                             ("Direction", "direction"), ("Priority", "priority"),
                             ("Tracepoint", "tracepoint"), ("Function", "function"),
                             ("Target", "target"), ("Cgroup", "cgroup"), ("Event", "event"),
                             ("Cookie", "cookie"), ("Hook", "hook"), ("Family", "family"),
                             ("HookPriority", "hook_priority"), ("Route", "route"), ("Table", "table")):
            if ours in expect:
                details[theirs] = expect[ours]
        if "Functions" in expect:
            details["functions"] = " ".join(expect["Functions"])
        # What a link doesn't publish
        details.update({key: hook.options[key] for key in ("frequency", "period")
                        if key in hook.options})
        if hook.kind == "xdp":
            details.update(priority=50, mode="auto", proceed_on="pass")
        elif hook.kind == "netfilter":
            details.update(defragment="no")
        elif "cgroup" in hook.options and hook.kind != "lsm_cgroup":
            details.update(attach_flags="multi")
        elif hook.kind == "struct_ops":
            slow, = (p for p, m in self.bus.managed("Maps").items() if m["Name"] == "slow")
            details.update(target_map="slow", target_map_id=number(slow),
                           target_map_owner=self.alice.uid)
        digest = self.bus.get(program, "org.bpfkeeper1.Program", "SourceDigest")
        return {"type": hook.kind, "program": hook.program, "program_id": number(program),
                "owner": self.alice.uid, "digest": digest, **details}

    def test_attach(self):
        self.allow("alice", "*")
        for hook in hooks(self):
            if not can_attach(hook.kind):
                continue
            self.allow("alice", "*")
            program = self.load(hook.object, hook.program, who=self.alice, **hook.load)
            options = dict(hook.options)
            if isinstance(options.get("target"), str):
                options["target"] = Fd(self.keep(os.open(options["target"], os.O_RDONLY)))
            action = "attach." + hook.kind.replace("_", "-")
            self.assert_details(action, self.attach_details(hook, program),
                                lambda: self.alice.attach(program, **options))  # noqa: B023
            self.alice.unload(program)

    def test_others(self):
        veth = self.veth()
        program = self.load("shared_map", "shared_tc")
        link = self.bus.attach(program, interface=veth.name, direction="ingress")
        hits = self.bus.maps_of(program)["hits"]
        about = {"name": "shared_tc", "program": "shared_tc", "id": number(program), "type": "tc",
                 "owner": 0}
        self.assert_details("use-others", about, lambda: self.alice.test_run(program, b"\0" * 64))
        about_map = {"name": "hits", "program": "hits", "id": number(hits), "type": "array",
                     "owner": 0}
        self.assert_details("map.read", about_map, lambda: self.alice.lookup(hits, b"\0" * 4))
        self.assert_details("map.write", about_map,
                            lambda: self.alice.update(hits, b"\0" * 4, b"\0" * 8))

        def detach():
            if link in self.bus.list("Links"):
                self.alice.detach(link)
            else:  # a second time, for a rule that says no
                again = self.bus.attach(program, interface=veth.name, direction="ingress")
                about_link["id"] = number(again)
                self.alice.detach(again)
        about_link = {**about, "id": number(link)}
        self.assert_details("detach-others", about_link, detach)

    def test_names_that_lie(self):
        """What isn't printable could make a dialog say something else."""
        nasty = "a\nb\u202ec\x07"
        self.rules.write("""
polkit.addRule(function (action, subject) {
    if (/^[ -~]+$/.test(action.lookup("application")))
        return polkit.Result.YES;
    return polkit.Result.NO;
});""")
        path, = self.load("packet_counter", who=self.alice, name=nasty)
        self.assertEqual(self.bus.get(path, "org.bpfkeeper1.Program", "Application"), nasty)


class Interaction(Case):
    def test_flag_without_agent(self):
        fd = self.object("tc")
        with self.refused("AuthorizationRequired"):
            self.alice.load(fd, flags=INTERACTIVE)

    def test_agent_is_asked_only_where_the_message_allows_it(self):
        alice = self.another("alice")
        alice.start_agent()
        fd = self.object("tc")
        with self.refused("AuthorizationRequired"):
            alice.load(fd)
        self.assertEqual(alice.agent(), ([], 0))
        with self.refused("AuthorizationDismissed"):
            alice.load(fd, flags=INTERACTIVE)
        (action, message, details), = alice.agent()[0]
        self.assertEqual(action, "org.bpfkeeper1.load.tc")
        self.assertIn("tc_count", message)
        self.assertNotIn("$(", message)
        self.assertEqual(self.snapshot(), ({}, set()))

    def test_messages_are_complete(self):
        """Every action's dialog says what it is about."""
        alice = self.another("alice")
        alice.start_agent()
        veth = self.veth()
        program = self.load("shared_map", "shared_tc")
        link = self.bus.attach(program, interface=veth.name, direction="ingress")
        hits = self.bus.maps_of(program)["hits"]
        before = 0
        for call, words in (
                (lambda: alice.attach(program, interface=veth.name, direction="egress",
                                      flags=INTERACTIVE), ("shared_tc", veth.name, "egress")),
                (lambda: alice.unload(program, flags=INTERACTIVE), ("shared_tc", number(program), 0)),
                (lambda: alice.detach(link, flags=INTERACTIVE), ("shared_tc", number(link), 0)),
                (lambda: alice.call(hits, "org.bpfkeeper1.Map", "Lookup", "(ay)", b"\0" * 4,
                                    flags=INTERACTIVE), ("hits", number(hits))),
                (lambda: alice.call(hits, "org.bpfkeeper1.Map", "Delete", "(ay)", b"\0" * 4,
                                    flags=INTERACTIVE), ("hits", number(hits)))):
            with self.refused("AuthorizationDismissed"):
                call()
            asked = alice.agent()[0]
            self.assertEqual(len(asked), before + 1)
            before += 1
            self.assertNotIn("$(", asked[-1][1])
            for word in words:
                self.assertIn(str(word), asked[-1][1])

    def test_dialog_closes_when_the_caller_leaves(self):
        # The agent lives on: it is another process of hers, for the one that calls
        alice, agent = self.another("alice"), self.another("alice")
        agent.start_agent(pid=alice.pid, dismiss=False)
        parameters, fds = alice.load_arguments(self.object("tc"), ["tc_count"], {})
        alice.raw_start("org.bpfkeeper1", "/org/bpfkeeper1", "org.bpfkeeper1.Manager", "Load",
                        parameters, fds, int(INTERACTIVE), 60)
        until(lambda: agent.agent()[0], "the dialog opens")
        self.assertEqual(agent.agent()[1], 0)
        alice.leave()
        until(lambda: agent.agent()[1] > 0, "the dialog closes")
        self.assertEqual(self.snapshot(), ({}, set()))


class Vanishing(Case):
    SLOW = """
polkit.addRule(function (action, subject) {
    if (action.lookup("application") === "slow")
        polkit.spawn(["sleep", "1"]);
    if (subject.user === "alice")
        return polkit.Result.YES;
    return polkit.Result.NOT_HANDLED;
});"""

    def test_during_the_check(self):
        self.rules.write(self.SLOW)
        alice = self.another("alice")
        data, head = objects.renamed(objects.read("tc"), "tc_c")
        fd = self.data_object(data)
        # As many as one uid may have: if one stays charged, the next is too many
        def one_more():
            alice.start_load(fd, [(head + "ount", "tc")], name="slow")
        for _ in range(63):
            one_more()
        # Some may have been answered meanwhile
        until(lambda: one_more() or self.is_full(), "64 requests are under way")
        alice.leave()

        def free_again():
            try:
                self.bus.unload(self.load("tc", "tc_count", who=self.alice))
                return True
            except BusError as e:
                if e.name != "LimitExceeded":
                    raise
                return False
        until(free_again, "what alice was charged is released")
        # What was answered before she left stays; of the rest nothing is left beside it
        self.unload_all()
        self.assertEqual(self.snapshot(), ({}, set()))
        self.kernel_has_no(head + "ount")

    def is_full(self):
        try:
            self.alice.inspect(self.object("tc"))
        except BusError as e:
            self.assertEqual(e.name, "LimitExceeded")
            return True
        return False

    def test_during_the_load(self):
        self.allow("alice", "load.xdp")
        data, head = objects.renamed(objects.read("big"), "big_")
        fd = self.data_object(data)
        names = [(f"{head}{i:02}", "xdp") for i in range(16)]
        self.daemon.restart()  # with no worker of anybody's
        alice = self.another("alice")
        for _ in range(2):
            alice.start_load(fd, names)
        busy = until(lambda: len(b := self.daemon.busy_workers()) == 2 and b, "two workers load")
        alice.leave()
        until(lambda: not any(map(daemon.is_alive, busy)), "the workers are ended")
        self.assertEqual(self.snapshot(), ({}, set()))
        self.kernel_has_no(*[n for n, _ in names])
        # Her workers are free for her next load
        self.load("packet_counter", who=self.alice)

    def test_during_an_attach(self):
        """During the check nothing comes of it; later there is a whole link, or none."""
        self.rules.write(self.SLOW)
        veth = self.veth()
        for name in ("slow", "fast"):
            program = self.load("tc", "tc_count", who=self.alice, name=name)
            for _ in range(5):
                alice = self.another("alice")
                alice.start_attach(program, interface=veth.name, direction="ingress")
                alice.leave()
            # Behind those of the others, whose checks polkitd answers in turn
            mine = self.alice.attach(program, interface=veth.name, direction="egress")
            until(lambda: all(b"State=attached" in s for p, s in daemon.read_state().items()
                              if p.startswith(daemon.RUN + "/links")), "links are whole")
            links = self.bus.list("Links", program=program)
            self.assertEqual(len(links), len(os.listdir(daemon.RUN + "/links")))
            if name == "slow":
                self.assertEqual(list(links), [mine])
            self.bus.unload(program)
            self.assertEqual(self.snapshot(), ({}, set()))


class NoPolkit(Case):
    """Early boot, or a machine without it: root may, and nobody else."""

    ACTIVATION = "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"

    def reload_bus(self):
        self.bus.call(DBUS[1], DBUS[2], "ReloadConfig", destination=DBUS[0])

    def take_away(self):
        shutil.move(self.ACTIVATION, "/tmp/polkit.service")
        self.addCleanup(self.put_back)
        self.reload_bus()
        self.stop()

    def put_back(self):
        shutil.move("/tmp/polkit.service", self.ACTIVATION)
        self.reload_bus()
        rules.check(self.bus, self.carol.name, "org.bpfkeeper1.load.xdp")

    def stop(self):
        owner = self.bus.owner("org.freedesktop.PolicyKit1")
        pid = self.bus.pid("org.freedesktop.PolicyKit1")
        if pid:
            daemon.kill(pid)
            until(lambda: not daemon.is_alive(pid), "polkitd ends")
            until(lambda: self.bus.owner("org.freedesktop.PolicyKit1") != owner, "its name is free")
            if daemon.has_systemd():
                # Who asks before systemd has noticed asks for what runs already, and waits long
                until(lambda: subprocess.run(
                    ["systemctl", "show", "--property=MainPID", "--value", "polkit"], check=True,
                    stdout=subprocess.PIPE, text=True).stdout.strip() != str(pid), "systemd knows")

    def test_without(self):
        if os.path.isdir("/run/systemd/system"):
            self.skipTest("systemd starts polkit again; see test_systemd")
        self.alice.inspect(self.object("tc"))
        self.take_away()
        for fresh in (False, True):
            with self.subTest(fresh=fresh):
                if fresh:
                    self.daemon.restart()
                veth = self.veth()
                program = self.load("tc", "tc_count")
                link = self.bus.attach(program, interface=veth.name, direction="ingress")
                for user in (self.alice, self.bob):
                    with self.refused("NoAuthority"):
                        self.load("tc", who=user)
                    for name, _, call in verbs(user, program, link, self.bus.maps_of(program)["hits"]):
                        with self.subTest(verb=name), self.refused("NoAuthority"):
                            call()
                    user.inspect(self.object("tc"))
                self.bus.unload(program)

    def test_polkitd_killed(self):
        """It is started again, and the question asked once more."""
        self.allow("alice", "load.tc")
        self.load("tc", who=self.alice)
        self.stop()
        self.load("tc", who=self.alice)

    def test_polkitd_killed_during_a_check(self):
        self.rules.write(Vanishing.SLOW)
        token = self.alice.start_load(self.object("tc"), ["tc_count"], name="slow")
        until(lambda: self.bus.pid("org.freedesktop.PolicyKit1"), "polkitd runs")
        self.stop()
        try:
            self.alice.wait(token)
        except BusError as e:
            self.assertIn(e.name, ("NoAuthority", "Failed"))
        self.load("tc", who=self.alice)


class Tracing(Case):
    @needs_attach("uprobe")
    def test_a_user_who_may_sees_it_run(self):
        self.allow("bob", "load.*", "attach.*")
        program = self.load("uprobe", "uprobe_anywhere", who=self.bob)
        self.bob.attach(program, target=Fd(self.keep(self.bob.open(TARGET))), function="target_add")
        self.assert_counts(program, run_target)
        maps = self.bob.maps_of(program)
        fd = self.keep(self.bob.open_map(maps["hits"], "r"))
        self.assertEqual(self.bob.bpf("map_lookup", b"\0" * 4, 8, fds=[fd])[:1] != b"\0", True)

    @needs_attach("kprobe")
    def test_kprobe(self):
        self.allow("bob", "load.*", "attach.*")
        program = self.load("kprobe", "kprobe_open", who=self.bob)
        self.bob.attach(program)
        self.assert_counts(program, open_file)
