/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfkeeperd: the service itself is daemon.c. */

#include <locale.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <glib.h>

#include "daemon.h"

/* Long enough for somebody who types commands, short enough to be gone when nobody does. */
#define IDLE_SEC_DEFAULT 30

/* Every request may hold some descriptors, and the usual soft limit is made for select(2). */
static void raise_descriptor_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
        g_autoptr(GOptionContext) context =
                g_option_context_new("- keeps the machine's eBPF programs");
        g_autoptr(GError) error = NULL;
        gboolean version = FALSE;
        gint idle_sec = IDLE_SEC_DEFAULT;
        const GOptionEntry entries[] = {
                {"idle-timeout", 0, 0, G_OPTION_ARG_INT, &idle_sec,
                 "Leave after so many seconds without anything to do; 0: never. Programs stay.",
                 "SECONDS"},
                {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
                {}};

        setlocale(LC_ALL, "");
        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 || idle_sec < 0) {
                g_printerr("bpfkeeperd: %s\n", error ? error->message : "unexpected argument");
                return 2;
        }
        if (version) {
                g_print("bpfkeeperd %s\n", PROJECT_VERSION);
                return EXIT_SUCCESS;
        }
        raise_descriptor_limit();
        return daemon_run((unsigned)idle_sec);
}
