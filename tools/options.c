/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "text.h"

static const struct {
        const char *name;
        char letter;
        const char *argument;
        const char *help;
} table[_OPT_MAX] = {
        [OPT_HELP] = {"help", 'h', NULL, "Show help, on one verb if it is named"},
        [OPT_VERSION] = {"version", 0, NULL, "Show the version"},
        [OPT_JSON] = {"json", 0, "MODE", "Write JSON: short, pretty or off"},
        [OPT_JSON_AUTO] = {"", 'j', NULL, "--json=pretty on a terminal, --json=short elsewhere"},
        [OPT_NO_PAGER] = {"no-pager", 0, NULL, "Don't pipe output into a pager"},
        [OPT_NO_LEGEND] = {"no-legend", 0, NULL, "Don't print column titles and totals"},
        [OPT_NO_ASK_PASSWORD] = {"no-ask-password", 0, NULL, "Don't let polkit ask for passwords"},
        [OPT_QUIET] = {"quiet", 'q', NULL, "Don't say what was done"},
        [OPT_PRIVATE] = {"private", 0, NULL, "Ask the service itself, without the bus (root only)"},

        [OPT_GLOBAL] = {"global", 0, "NAME=VALUE",
                        "Set a global variable before loading: 5, true, TEXT, an enumerator,\n"
                        "'{\"member\": 5}', '[1, 2]', or its bytes: hex:05000000"},
        [OPT_METADATA] = {"metadata", 0, "KEY=VALUE", "Attach free text to the programs"},
        [OPT_MAP] = {"map", 0, "NAME=MAP", "Use a map that is there already: MAP or PROGRAM:MAP"},
        [OPT_MAP_SIZE] = {"map-size", 0, "NAME=N", "Give a map room for N entries"},
        [OPT_REPLACES] = {"replaces", 0, "PROGRAM",
                          "Go on with that program's maps, as a new version of it"},
        [OPT_BTF] = {"btf", 0, "FILE", "Relocate against this BTF, not the kernel's"},
        [OPT_LOG_LEVEL] = {"log-level", 0, "N", "The verifier's log level, 0 to 7"},
        [OPT_LOG] = {"log", 0, "FILE", "Save the verifier's log, whether loading works or not"},

#define OPTION(id, option, form, summary, kind) [OPT_##id] = {(option), 0, (form), (summary)},
        HOOK_OPTIONS(OPTION)
#undef OPTION

                [OPT_NAME] = {"name", 0, "NAME",
                              "With load: the application; in lists: only this name"},
        [OPT_TYPE] = {"type", 't', "TYPE", "Only this type"},
        [OPT_APPLICATION] = {"application", 0, "NAME", "Only this application's"},
        [OPT_MINE] = {"mine", 0, NULL, "Only what belongs to the calling user"},
        [OPT_MANAGED] = {"managed", 0, NULL, "Only what bpfkeeper loaded (the default)"},
        [OPT_ALL] = {"all", 'a', NULL, "All of the machine, whoever loaded it"},
        [OPT_PROGRAM] = {"program", 0, "PROGRAM", "Only this program's"},

        [OPT_PROPERTY] = {"property", 'p', "NAME,…", "Only these properties"},
        [OPT_VALUE] = {"value", 0, NULL, "Values without the properties' names"},

        [OPT_VERB] = {"verb", 0, "VERB,…", "What is granted: load, attach (default: both)"},
        [OPT_SIGNED_BY] = {"signed-by", 0, "ID", "Only objects that ID has signed"},
        [OPT_UNTIL] = {"until", 0, "TIME",
                       "When it ends: +2h, +1d, \"2026-12-01 18:00\" by the local\n"
                       "clock, or 2026-12-01T18:00:00Z"},
        [OPT_USER] = {"user", 0, "USER", "Ask for this user; only root can"},

        [OPT_DATA] = {"data", 0, "DATA", "Input packet: a FILE, or hex:00 01 …"},
        [OPT_REPEAT] = {"repeat", 0, "N", "Run that often, up to 1000000 times"},
        [OPT_CONTEXT] = {"context", 0, "DATA", "Context structure: a FILE, or hex:00 01 …"},
        [OPT_DATA_SIZE] = {"data-size", 0, "BYTES", "Room for the packet that comes out"},
        [OPT_OUTPUT] = {"output", 0, "FILE", "Save the packet that comes out"},
};

/* Above every letter; getopt_long() returns it for options that have none. */
#define LONG_BASE 256

bool options_parse(Options *options, int argc, char **argv, int *ret_first)
{
        struct option longs[_OPT_MAX + 1] = {{0}};
        g_autoptr(GString) letters = g_string_new(NULL);
        size_t n = 0;

        for (int i = 0; i < _OPT_MAX; i++) {
                if (table[i].name[0] != '\0')
                        longs[n++] =
                                (struct option){table[i].name,
                                                table[i].argument ? required_argument : no_argument,
                                                NULL, LONG_BASE + i};
                if (table[i].letter)
                        g_string_append_printf(letters, "%c%s", table[i].letter,
                                               table[i].argument ? ":" : "");
        }

        optind = 0; /* glibc: begin anew, for tests that parse more than once */
        for (;;) {
                int c = getopt_long(argc, argv, letters->str, longs, NULL);
                int option = c - LONG_BASE;

                if (c == -1)
                        break;
                if (c == '?')
                        return false;
                for (int i = 0; c < LONG_BASE && i < _OPT_MAX; i++)
                        if (table[i].letter == c)
                                option = i;
                options->given[option] = true;
                if (!options->values[option])
                        options->values[option] = g_ptr_array_new();
                if (optarg)
                        g_ptr_array_add(options->values[option], optarg);
        }
        *ret_first = optind;
        return true;
}

void options_clear(Options *options)
{
        for (int i = 0; i < _OPT_MAX; i++) {
                g_clear_pointer(&options->values[i], g_ptr_array_unref);
                options->given[i] = false;
        }
}

bool options_given(const Options *options, Option option)
{
        return options->given[option];
}

size_t options_count(const Options *options, Option option)
{
        return options->values[option] ? options->values[option]->len : 0;
}

const char *options_nth(const Options *options, Option option, size_t n)
{
        return n < options_count(options, option) ? g_ptr_array_index(options->values[option], n)
                                                  : NULL;
}

const char *options_get(const Options *options, Option option)
{
        size_t n = options_count(options, option);

        return n > 0 ? options_nth(options, option, n - 1) : NULL;
}

const char *options_name(Option option)
{
        return table[option].name[0] != '\0' ? table[option].name : "j";
}

static bool is_global(int option)
{
        return option <= OPT_PRIVATE;
}

static bool is_in(int option, const Option *list)
{
        for (; list && *list != _OPT_MAX; list++)
                if ((int)*list == option || (*list == OPTIONS_HOOK && option >= OPT_INTERFACE &&
                                             option < OPT_INTERFACE + HOOK_VALUES))
                        return true;
        return false;
}

Option options_not_in(const Options *options, const Option *allowed)
{
        for (int i = 0; i < _OPT_MAX; i++)
                if (options->given[i] && !is_global(i) && !is_in(i, allowed))
                        return (Option)i;
        return _OPT_MAX;
}

void options_append_help(GString *out, const Option *list)
{
        for (int i = 0; i < _OPT_MAX; i++) {
                g_autofree char *words = NULL;
                g_auto(GStrv) lines = NULL;
                char letter[] = "    ";

                if (list ? !is_in(i, list) : !is_global(i))
                        continue;
                if (table[i].letter)
                        memcpy(letter, (char[]){'-', table[i].letter}, 2);
                if (table[i].name[0] != '\0') {
                        words = g_strdup_printf("--%s%s%s", table[i].name,
                                                table[i].argument ? "=" : "",
                                                table[i].argument ? table[i].argument : "");
                        if (table[i].letter)
                                letter[2] = ' ';
                } else {
                        words = g_strdup("");
                }
                lines = g_strsplit(table[i].help, "\n", -1);
                g_string_append_printf(out, "  %s%s", letter, words);
                for (size_t l = 0; lines[l]; l++) {
                        int used = l == 0 ? (int)text_width(words) + 6 : 0;

                        g_string_append_printf(out, "%*s%s\n", MAX(28 - used, 1), "", lines[l]);
                }
        }
}
