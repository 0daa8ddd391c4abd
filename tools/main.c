/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "verbs.h"

CtlExit verb_help(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(GString) out = g_string_new(NULL);

        if (argc == 0)
                verbs_append_help(out);
        else if (!verbs_append_verb_help(out, argc, argv))
                return ctl_usage("There is no verb '%s'; see bpfctl help", argv[0]);
        ctl_write(ctl, out);
        return CTL_OK;
}

static CtlExit run_verb(Ctl *ctl, int argc, char **argv)
{
        static char listing[] = "programs";
        char *nothing[] = {listing, NULL};
        const Verb *verb;
        Option foreign;
        int words;

        if (options_given(&ctl->options, OPT_HELP))
                return verb_help(ctl, argc, argv);
        if (argc == 0) {
                argc = 1;
                argv = nothing;
        }
        verb = verbs_find(argc, argv, &words);
        if (!verb)
                return ctl_usage("There is no verb '%s%s%s'; see bpfctl help", argv[0],
                                 strcmp(argv[0], "map") == 0 && argc > 1 ? " " : "",
                                 strcmp(argv[0], "map") == 0 && argc > 1 ? argv[1] : "");
        foreign = options_not_in(&ctl->options, verb->options);
        if (foreign != _OPT_MAX)
                return ctl_usage("--%s is no option of %s; see bpfctl help %s",
                                 options_name(foreign), verb->name, verb->name);
        argc -= words;
        argv += words;
        if (argc < verb->min || (verb->max >= 0 && argc > verb->max))
                return ctl_usage("Too %s arguments: bpfctl %s%s%s",
                                 argc < verb->min ? "few" : "many", verb->name,
                                 *verb->arguments ? " " : "", verb->arguments);
        return verb->run(ctl, argc, argv);
}

/* Whatever goes on the bus must be UTF-8; a file with another name still has standard input. */
static bool is_text(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (!g_utf8_validate(argv[i], -1, NULL)) {
                        (void)ctl_usage("Argument '%s' isn't UTF-8", argv[i]);
                        return false;
                }
        return true;
}

int main(int argc, char **argv)
{
        Ctl ctl = {0};
        CtlExit status = CTL_USAGE;
        int first;

        (void)setlocale(LC_ALL, "");
        /* getopt_long() begins its messages with it. */
        argv[0] = program_invocation_short_name;
        if (is_text(argc, argv) && options_parse(&ctl.options, argc, argv, &first) &&
            ctl_init(&ctl)) {
                if (options_given(&ctl.options, OPT_VERSION)) {
                        (void)printf("bpfctl %s\n", PROJECT_VERSION);
                        status = CTL_OK;
                } else {
                        status = run_verb(&ctl, argc - first, argv + first);
                }
        }
        /* A full disk behind the redirection is a failure too; a pager that was left isn't. */
        if ((fflush(stdout) != 0 || ferror(stdout)) && ctl.pager.pid == 0 && status == CTL_OK)
                status = ctl_fail("Can't write to standard output");
        ctl_done(&ctl);
        return (int)status;
}
