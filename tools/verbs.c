/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verbs.h"

#include <string.h>

#include "text.h"

#define FILTERS OPT_NAME, OPT_TYPE, OPT_APPLICATION, OPT_MINE, OPT_MANAGED, OPT_ALL

#define MAP_BYTES                                                                             \
        "MAP is a kernel id, an object path, a name that only one map has, or PROGRAM:MAP.\n" \
        "KEY and VALUE are numbers where the map's are of 1, 2, 4 or 8 bytes (5 or 0x05; -1 " \
        "only\n"                                                                              \
        "behind --), else bytes: hex:0011aabb, or 0011aabb.\n"

const Verb verbs[] = {
        {"load", "FILE [PROGRAM[:TYPE]…]", 1, -1,
         OPTIONS(OPT_NAME, OPT_GLOBAL, OPT_METADATA, OPT_MAP, OPT_MAP_SIZE, OPT_REPLACES, OPT_BTF,
                 OPT_LOG_LEVEL, OPT_LOG, OPT_TARGET_PROGRAM, OPT_FUNCTION),
         "Load programs of an object file",
         "FILE is a BPF object file, or - for standard input. Without PROGRAM all of its programs "
         "are\n"
         "loaded but those of sections that begin with \"?\". TYPE is only needed where the "
         "section "
         "name\n"
         "tells none; bpfctl types lists them. bpfctl inspect shows what --global and --map can "
         "name.\n"
         "--target-program and --function are for freplace programs: what they go into.\n",
         verb_load},
        {"inspect", "FILE", 1, 1, NULL, "Show what is in an object file",
         "Its programs, maps, global variables with their initial values, and its licence. Nothing "
         "is\n"
         "loaded. FILE may be - for standard input.\n",
         verb_inspect},
        {"attach", "PROGRAM [WHERE]…", 1, 3, OPTIONS(OPTIONS_HOOK), "Attach a program",
         "WHERE is what the program's type takes (bpfctl types says what that is): first one of\n"
         "  interface   IFACE\n"
         "  cgroup      DIRECTORY\n"
         "  target      FILE[:SYMBOL[+OFFSET]]\n"
         "  tracepoint  GROUP:NAME, or NAME for raw tracepoints\n"
         "  event       EVENT\n"
         "  function    FUNCTION[+OFFSET]\n"
         "  functions   FUNCTION|PATTERN[,…]\n"
         "  device      DEVICE\n"
         "  socket      FD, the number of a descriptor that bpfctl is started with\n"
         "then ingress or egress, where it takes a direction. What the section name in the object\n"
         "file says can be left out.\n",
         verb_attach},
        {"detach", "LINK…", 1, -1, OPTIONS(OPT_NETNS, OPT_DEVICE), "Detach programs",
         "LINK is an id, as bpfctl links shows it, or an object path. --netns is the way to a\n"
         "network namespace that the service finds by no path any more; --device likewise that to "
         "a\n"
         "device, where the one that it is called doesn't lead there.\n",
         verb_detach},
        {"update", "LINK", 1, 1,
         OPTIONS(OPT_PRIORITY, OPT_BEFORE, OPT_AFTER, OPT_PROCEED_ON, OPT_NETNS),
         "Change a program's place among those that share its hook",
         "Or after which results the next one runs. There is no instant in which it doesn't run.\n"
         "--netns is the way to a network namespace that the service finds by no path any more.\n",
         verb_update},
        {"replace", "LINK PROGRAM", 2, 2,
         OPTIONS(OPT_PRIORITY, OPT_BEFORE, OPT_AFTER, OPT_PROCEED_ON, OPT_TARGET, OPT_PID,
                 OPT_NETNS, OPT_TARGET_MAP),
         "Put another program in the place of an attached one",
         "PROGRAM is loaded, and of the same type: a new version. The old one stays loaded. A "
         "probe "
         "that is\n"
         "for one process takes --pid again, and one whose target has no path --target. A "
         "struct_ops "
         "is\n"
         "replaced whole, by the one of the same name, or --target-map.\n",
         verb_replace},
        {"unload", "PROGRAM…", 1, -1, NULL, "Detach programs everywhere and give them up", NULL,
         verb_unload},
        {"programs", "", 0, 0, OPTIONS(FILTERS), "List programs",
         "Those that bpfkeeper loaded; with --all those of the whole machine.\n", verb_programs},
        {"links", "", 0, 0, OPTIONS(OPT_TYPE, OPT_PROGRAM, OPT_INTERFACE, OPT_MINE),
         "List where programs are attached", NULL, verb_links},
        {"hook", "[IFACE|CGROUP|DEVICE]", 0, 1, OPTIONS(OPT_NETNS, OPT_FAMILY, OPT_HOOK),
         "Show what is on a hook, in the order in which it runs",
         "Whoever put it there: programs of tc, tcx, netkit, XDP and cgroups, and other filters of "
         "tc. "
         "CGROUP is a\n"
         "directory; what is on one above and runs for it as well comes last. DEVICE is an "
         "infrared\n"
         "receiver. With --netns IFACE "
         "is "
         "one of\n"
         "another network namespace, and without IFACE what is on that namespace is shown: "
         "sk_lookup and\n"
         "flow_dissector programs, bpf actions of tc, and what is on netfilter's hooks.\n"
         "--family ipv4 or ipv6 shows these alone, with --hook one of them.\n",
         verb_hook},
        {"maps", "", 0, 0, OPTIONS(FILTERS, OPT_PROGRAM), "List maps",
         "Those that bpfkeeper made; with --all those of the whole machine.\n", verb_maps},
        {"show", "[PROGRAM|map:MAP|link:LINK]…", 0, -1, OPTIONS(OPT_PROPERTY, OPT_VALUE),
         "Show properties, of the service if nothing is named",
         "One NAME=VALUE a line, for scripts to read. --property may be given in either spelling:\n"
         "OwnerUid or owner_uid.\n",
         verb_show},
        {"status", "[PROGRAM|map:MAP|link:LINK]…", 0, -1, NULL,
         "Show how programs do, or the service", NULL, verb_status},
        {"map get", "MAP [KEY]", 1, 2, NULL, "Show the entries of a map, or one of them", MAP_BYTES,
         verb_map_get},
        {"map set", "MAP KEY VALUE", 3, 3, NULL, "Create or replace an entry of a map",
         MAP_BYTES "In a per-CPU map VALUE goes to every CPU; V0,V1,… gives each its own.\n",
         verb_map_set},
        {"map delete", "MAP KEY", 2, 2, NULL, "Delete an entry of a map", MAP_BYTES,
         verb_map_delete},
        {"monitor", "", 0, 0, NULL, "Follow what comes, goes and changes",
         "With --json=short, each event is one object on a line.\n", verb_monitor},
        {"test-run", "PROGRAM", 1, 1,
         OPTIONS(OPT_DATA, OPT_REPEAT, OPT_CONTEXT, OPT_DATA_SIZE, OPT_OUTPUT),
         "Run a program once, without attaching it",
         "Network types need a packet of at least 14 bytes, an Ethernet header.\n", verb_test_run},
        {"read", "LINK", 1, 1, NULL, "Show what an iter program writes",
         "It is written as the program has it, but that nothing in it makes a terminal do "
         "things.\n",
         verb_read},
        {"log", "PROGRAM", 1, 1, NULL, "Show the verifier's log of a program",
         "Only where it was loaded with --log-level.\n", verb_log},
        {"grant", "USER|@GROUP TYPE,…", 2, 2,
         OPTIONS(OPT_INTERFACE, OPT_CGROUP, OPT_SIGNED_BY, OPT_VERB, OPT_UNTIL),
         "Let a user or a group load and attach programs",
         "TYPE is a program type, or all by itself. With --interface or --cgroup programs may be\n"
         "attached only there: each is a pattern as in file names, quoted from the shell, and "
         "/sys/fs/cgroup/X/**\n"
         "is X and all below it. What is said is in force at once, unless a rule of polkit's says\n"
         "otherwise.\n",
         verb_grant},
        {"grants", "", 0, 0, NULL, "List grants", NULL, verb_grants},
        {"revoke", "GRANT…", 1, -1, NULL, "Take grants back",
         "GRANT is a name, as bpfctl grants shows it. What was attached by it stays attached.\n",
         verb_revoke},
        {"can", "load|attach TYPE [WHERE]…", 2, 4,
         OPTIONS(OPTIONS_HOOK, OPT_APPLICATION, OPT_SIGNED_BY, OPT_USER),
         "Tell what polkit would say, and why",
         "WHERE is as with attach. The status is 0 for yes, and 3 for no, or only after a "
         "password.\n"
         "With --user polkit is asked about a process of that user's, started from here.\n",
         verb_can},
        {"types", "", 0, 0, NULL, "List the program types and what this kernel can do", NULL,
         verb_types},
        {"help", "[VERB]", 0, 2, NULL, "Show help", NULL, verb_help},
        {0},
};

/* How many words of the verb's name the arguments have, if it is all of them; else 0. */
static int match(const Verb *verb, int argc, char **argv)
{
        g_auto(GStrv) words = g_strsplit(verb->name, " ", -1);
        int n = (int)g_strv_length(words);

        if (argc < n)
                return 0;
        for (int i = 0; i < n; i++)
                if (strcmp(words[i], argv[i]) != 0)
                        return 0;
        return n;
}

const Verb *verbs_find(int argc, char **argv, int *ret_words)
{
        for (const Verb *verb = verbs; verb->name; verb++) {
                int n = match(verb, argc, argv);

                if (n > 0) {
                        *ret_words = n;
                        return verb;
                }
        }
        return NULL;
}

void verbs_append_help(GString *out)
{
        g_string_append(out,
                        "bpfctl [OPTION…] VERB …\n\n"
                        "Load, attach and watch eBPF programs through the service bpfkeeper.\n\n"
                        "Verbs:\n");
        for (const Verb *verb = verbs; verb->name; verb++) {
                g_autofree char *words =
                        g_strdup_printf("%s%s%s", verb->name, *verb->arguments ? " " : "",
                                        verb->arguments);

                g_string_append_printf(out, "  %s%*s%s\n", words,
                                       MAX(44 - (int)text_width(words), 1), "", verb->summary);
        }
        g_string_append(out, "\nOptions of every verb:\n");
        options_append_help(out, NULL);
        g_string_append(out,
                        "\nPROGRAM is a kernel id, an object path, or a name that only one program "
                        "has.\n\"bpfctl help VERB\" and bpfctl(1) say more.\n");
}

static void append_verb(GString *out, const Verb *verb)
{
        g_string_append_printf(out, "bpfctl %s [OPTION…]%s%s\n\n%s.\n", verb->name,
                               *verb->arguments ? " " : "", verb->arguments, verb->summary);
        if (verb->help)
                g_string_append(out, verb->help);
        if (verb->options) {
                g_string_append(out, "\nOptions:\n");
                options_append_help(out, verb->options);
        }
        g_string_append(out, "\nOptions of every verb:\n");
        options_append_help(out, NULL);
}

bool verbs_append_verb_help(GString *out, int argc, char **argv)
{
        int words;
        const Verb *one = verbs_find(argc, argv, &words);
        bool found = false;

        if (one) {
                append_verb(out, one);
                return true;
        }
        /* "map" is a family of verbs. */
        for (const Verb *verb = verbs; argc == 1 && verb->name; verb++) {
                size_t n = strlen(argv[0]);

                if (strncmp(verb->name, argv[0], n) != 0 || verb->name[n] != ' ')
                        continue;
                g_string_append_printf(out, "%sbpfctl %s %s\n    %s.\n", found ? "\n" : "",
                                       verb->name, verb->arguments, verb->summary);
                found = true;
        }
        return found;
}
