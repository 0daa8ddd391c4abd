# SPDX-License-Identifier: LGPL-2.1-or-later
"""Static probes of user space: their places, their arguments, and the map that tells programs of these."""

import contextlib
import os
import struct
import subprocess

from support import bpf, daemon
from support.case import LINK, Case, features, needs_attach
from support.change import replace, start_replace
from support.consistency import check
from support.hooks import TARGET, installed, run_target
from support.wait import rounds

STRIPPED = installed("target-stripped")
LINE, RESULT = "bpfkeeper:line", "bpfkeeper:result"
SPEC = 208  # bytes of struct __bpf_usdt_spec
BITS = (1 << 64) - 1


class Usdt(Case):
    def attach(self, program, probe=LINE, target=TARGET, **options):
        return self.bus.attach(program, target=target, tracepoint=probe, **options)

    def all_hits(self, program):
        return [self.hits(program, i) for i in range(4)]

    def specs_in_use(self, program):
        """Cookies of those that say anything, as they are in the map."""
        fd = self.keep(self.bus.open_map(self.bus.maps_of(program)["__bpf_usdt_specs"], "r"))
        specs = [bpf.map_lookup(fd, struct.pack("=I", i), SPEC) for i in range(8)]
        return [struct.unpack_from("=Q", s, 192)[0] for s in specs]

    @needs_attach("usdt")
    def test_arguments(self):
        program = self.load("usdt", "usdt_arguments")
        link = self.attach(program)
        run_target(3)
        self.assertEqual(self.all_hits(program), [1 + 2 + 3, -(1 + 2 + 3) & BITS, 3 * 5, 3 * 3])
        self.bus.detach(link)
        run_target()
        self.assertEqual(self.hits(program), 6)

    @needs_attach("usdt")
    def test_of_a_stripped_library_or_binary(self):
        program = self.load("usdt", "usdt_anywhere")
        self.attach(program, target=STRIPPED)
        subprocess.run([STRIPPED], input="\n\n", text=True, check=True, stdout=subprocess.PIPE)
        self.assertEqual(self.hits(program), 2)

    @needs_attach("usdt")
    def test_semaphore_and_several_places(self):
        """The target goes there only as long as somebody is interested."""
        program = self.load("usdt", "usdt_arguments")
        link = self.attach(program, RESULT)
        self.assertEqual(len(self.bus.get(link, LINK, "KernelLinkIds")),
                         1 if features()["link.uprobe_multi"] else 2)
        run_target(4)
        # results 2, 4, 6, 8: of those from 5 on with their lines, 3 and 4
        self.assertEqual(self.all_hits(program), [2 + 4 + 6 + 8, 3 + 4, 0, 1 + 1 + 2 + 2])
        other = self.load("usdt", "usdt_anywhere")
        kept = self.attach(other, RESULT)
        self.bus.detach(link)
        run_target(4)
        self.assertEqual(self.hits(other), 4)
        self.bus.detach(kept)
        run_target(4)
        self.assertEqual(self.hits(other), 4)
        self.assertEqual(self.hits(program), 20)

    @contextlib.contextmanager
    def older_kernel(self):
        """The service then knows of no links of many uprobes, which came with Linux 6.6."""
        path = daemon.RUN + "/features"
        self.daemon.end()
        with open(path, encoding="ascii") as f:
            features_now = f.read()
        try:
            with open(path, "w", encoding="ascii") as f:
                f.write(features_now.replace("link.uprobe_multi=true", "link.uprobe_multi=false"))
            self.daemon.pid()
            yield
        finally:
            self.daemon.end()
            with open(path, "w", encoding="ascii") as f:
                f.write(features_now)
            self.daemon.pid()

    @needs_attach("usdt")
    def test_one_link_each(self):
        with self.older_kernel():
            first, second = self.load("usdt")
            links = [self.attach(first, RESULT, cookie=1), self.attach(second, RESULT),
                     self.attach(first, cookie=2)]
            self.assertEqual([len(self.bus.get(i, LINK, "KernelLinkIds")) for i in links], [2, 2, 1])
            run_target(3)
            self.assertEqual(self.all_hits(first), [2 + 4 + 6, 3 + 3, 3, 1 + 1 + 2])
            for link in links[:2]:
                self.bus.detach(link)
            run_target(3)
            self.assertEqual(self.all_hits(first), [12, 6, 6, 4])

    @needs_attach("usdt")
    def test_of_one_process(self):
        program = self.load("usdt", "usdt_anywhere")
        with subprocess.Popen([TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              bufsize=1) as process:
            self.attach(program, pid=process.pid)
            run_target()
            process.stdin.write("\n")
            process.stdout.readline()
            self.assertEqual(self.hits(program), 1)
            process.stdin.close()
        with self.refused("NoSuchProcess"):
            self.attach(program, pid=process.pid)

    @needs_attach("usdt")
    def test_links_have_specs_of_their_own(self):
        """Programs of one load share the map; what a link had is free when it is detached."""
        first, second = self.load("usdt")
        links = [self.attach(first, RESULT, cookie=1), self.attach(second, cookie=3),
                 self.attach(first, cookie=2)]
        self.assertEqual(self.specs_in_use(first), [1, 1, 3, 2, 0, 0, 0, 0])
        run_target(3)
        # the first counts results and lines, the second one adds the arguments of lines up
        self.assertEqual(self.all_hits(first), [6, 3 - 6 & BITS, 3 + 15, 9])
        self.bus.detach(links[1])
        links.append(self.attach(second, cookie=4))
        self.assertEqual(self.specs_in_use(first)[:5], [1, 1, 4, 2, 0])
        self.bus.detach(links[0])
        self.attach(first, RESULT, cookie=5)
        self.assertEqual(self.specs_in_use(first)[:5], [5, 5, 4, 2, 0])

    @needs_attach("usdt")
    def test_after_a_restart(self):
        """Which specs are taken is known to the next service as well."""
        first, _ = self.load("usdt")
        kept = self.attach(first, cookie=2)
        self.daemon.end()
        run_target()
        self.assertEqual(self.hits(first, 2), 1)
        self.attach(first, cookie=3)
        self.assertEqual(self.specs_in_use(first)[:3], [2, 3, 0])
        self.bus.detach(kept)
        run_target()
        self.assertEqual(self.all_hits(first), [0, 0, 1, 1])

    @needs_attach("usdt")
    def test_replace(self):
        """The new program's own map says where arguments are, and the old one's part is free again."""
        first, second = self.load("usdt", "usdt_arguments"), self.load("usdt", "usdt_arguments")
        link = self.attach(first, RESULT, cookie=1)
        other = self.attach(second, cookie=2)
        self.replace(link, second)
        self.assertEqual(self.specs_in_use(second)[:4], [2, 1, 1, 0])
        before = self.all_hits(first)
        run_target(3)
        # of other: lines; of link: results 2, 4, 6, with its line the last one
        self.assertEqual(self.all_hits(second)[0], 1 + 2 + 3 + 2 + 4 + 6)
        self.assertEqual(self.all_hits(first), before)
        self.attach(first, cookie=5)
        self.assertEqual(self.specs_in_use(first)[:3], [5, 1, 0])
        self.daemon.end()
        self.attach(second, cookie=6)
        self.assertEqual(self.specs_in_use(second)[:5], [2, 1, 1, 6, 0])
        self.bus.detach(other)
        self.bus.unload(second)
        self.assertEqual(len(self.bus.list("Links")), 1)

    @needs_attach("usdt")
    def test_none_goes_by(self):
        """Also where the target asks first whether anybody is interested."""
        one, two = (self.load("usdt", "usdt_anywhere") for _ in range(2))
        link = self.attach(one, RESULT)
        with subprocess.Popen([TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              bufsize=1) as process:
            for i in range(rounds(8)):
                began = self.hits(one) + self.hits(two)
                token, n = start_replace(self.bus, link, one if i % 2 else two), 0
                while n < 1 or not token.is_done():
                    process.stdin.write("\n")
                    process.stdout.readline()
                    n += 1
                self.bus.wait(token)
                self.assertGreaterEqual(self.hits(one) + self.hits(two), began + n)
            process.stdin.close()

    @needs_attach("usdt")
    def test_replace_one_link_each(self):
        """As many kernel links as the new one takes, which needn't be as many as before."""
        with self.older_kernel():
            each, other = (self.load("usdt", "usdt_anywhere") for _ in range(2))
            link = self.attach(each, RESULT)
            self.replace(link, other)
            self.assertEqual(len(self.bus.get(link, LINK, "KernelLinkIds")), 2)
            run_target(3)
            self.assertEqual((self.hits(each), self.hits(other)), (0, 3))
        together = self.load("usdt", "usdt_anywhere")
        self.replace(link, together)
        self.assertEqual(len(self.bus.get(link, LINK, "KernelLinkIds")),
                         1 if features()["link.uprobe_multi"] else 2)
        check(self)
        run_target(3)
        self.assertEqual((self.hits(other), self.hits(together)), (3, 3))
        self.replace(link, each)
        check(self)
        run_target(3)
        self.assertEqual((self.hits(each), self.hits(together)), (3, 3))

    @needs_attach("usdt")
    def test_replace_wrong(self):
        program = self.load("usdt", "usdt_anywhere", map_sizes={"__bpf_usdt_specs": 1})
        link = self.attach(program, cookie=1)
        with self.refused("MapMismatch"):
            self.replace(link, self.load("usdt_plain", "usdt_plain"))
        full = self.load("usdt", "usdt_anywhere", map_sizes={"__bpf_usdt_specs": 1})
        kept = self.attach(full)
        with self.refused("LimitExceeded"):
            self.replace(link, full)
        self.assertEqual(self.bus.get(link, LINK, "Program"), program)
        run_target()
        self.assertEqual(self.hits(program, 1), 1)
        self.bus.detach(kept)
        self.replace(link, full)
        check(self)

    def replace(self, link, program):
        replace(self.bus, link, program)
        self.assertEqual(self.bus.get(link, LINK, "Program"), program)

    @needs_attach("usdt")
    def test_as_many_as_the_map_has(self):
        program = self.load("usdt", "usdt_anywhere", map_sizes={"__bpf_usdt_specs": 3})
        links = [self.attach(program) for _ in range(3)]
        with self.refused("LimitExceeded") as caught:
            self.attach(program)
        self.assertIn("BPF_USDT_MAX_SPEC_CNT", caught.exception.message)
        self.bus.detach(links[1])
        with self.refused("LimitExceeded"):
            self.attach(program, RESULT)
        self.attach(program)

    def test_wrong_ones(self):
        program = self.load("usdt", "usdt_anywhere")
        for probe, error, text in (("bpfkeeper:lines", "NoSuchTracepoint", "bpfkeeper:line"),
                                   ("other:line", "NoSuchTracepoint", "bpfkeeper:result"),
                                   ("line", "InvalidArgument", "PROVIDER:NAME"),
                                   (":line", "InvalidArgument", "PROVIDER:NAME"),
                                   ("bpfkeeper:", "InvalidArgument", "PROVIDER:NAME")):
            with self.subTest(probe=probe):
                with self.refused(error) as caught:
                    self.attach(program, probe)
                self.assertIn(text, caught.exception.message)
        with self.refused("NoSuchTracepoint") as caught:
            self.attach(program, target="/bin/true")
        self.assertIn("no static probes", caught.exception.message)
        with self.refused("NoSuchTarget"):
            self.attach(program, target="/etc/passwd")
        with self.refused("MissingParameter"):
            self.bus.attach(program, target=TARGET)
        with self.refused("InvalidArgument"):
            self.attach(program, function="main")
        self.assertEqual(self.bus.list("Links"), {})

    def test_program_without_the_map(self):
        program = self.load("usdt_plain", "usdt_plain")
        with self.refused("MapMismatch") as caught:
            self.attach(program)
        self.assertIn("usdt.bpf.h", caught.exception.message)

    def test_notes_that_lie(self):
        """A target is whatever its owner has made of it."""
        with open(TARGET, "rb") as f:
            good = f.read()
        program = self.load("usdt", "usdt_anywhere")
        path = f"{os.path.dirname(TARGET)}/lying"
        for new, error, text in ((b"8@xx\0", "NotSupported", "8@xx"),
                                 (b"3@$5\0", "NotSupported", "3@$5"),
                                 (b"8@$\xff\0", "NotSupported", "8@$?"),
                                 (b"8@$5X", "NoSuchTracepoint", RESULT)):
            with self.subTest(new=new):
                with open(path, "wb") as f:
                    f.write(good.replace(b"8@$5\0", new))
                with self.refused(error) as caught:
                    self.attach(program, target=path)
                os.unlink(path)
                self.assertIn(text, caught.exception.message)
