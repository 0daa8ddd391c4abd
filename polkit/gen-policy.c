/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "kern-types.h"

/*
 * Prints the actions: two for each row of the table of program types, and a few fixed ones.
 *
 * polkit replaces $(key) in a message by the detail of that name, and shows it as it stands where
 * there is none. So a message names only what service/ passes with every check of that action:
 *
 *   load.TYPE                   program (names, with spaces between)
 *   attach.TYPE                 program, and the parameters that the type requires
 *   unload-others, use-others   name, id, owner
 *   detach-others               program, id, owner
 *   map.read, map.write         name, id, owner
 *   manage-grants               change: what is granted or taken back, as words
 */

static void print_action(const char *id, const char *description, const char *message)
{
        /* polkitd keeps only what follows the last entity of a text, so there must be none. */
        if (strpbrk(description, "&<>") || strpbrk(message, "&<>"))
                g_error("Text with &, < or >: %s: %s", description, message);

        printf("\n"
               "  <action id=\"%s\">\n"
               "    <description>%s</description>\n"
               "    <message>Authentication is required to %s</message>\n"
               "    <defaults>\n"
               "      <allow_any>auth_admin</allow_any>\n"
               "      <allow_inactive>auth_admin</allow_inactive>\n"
               "      <allow_active>auth_admin_keep</allow_active>\n"
               "    </defaults>\n"
               "  </action>\n",
               id, description, message);
}

/* Where a program of this type goes, in the words of a sentence. */
static char *hook_text(const KernType *type)
{
        GString *s = g_string_new(type->sentence);

        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                if ((type->required & KERN_PARAM_BIT(i)) && kern_params[i].sentence &&
                    !type->sentence)
                        g_string_append(s, kern_params[i].sentence);
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                if ((type->required & KERN_PARAM_BIT(i)) && kern_params[i].brackets)
                        g_string_append_printf(s, " (%s)", kern_params[i].brackets);
        return g_string_free(s, FALSE);
}

static void print_type(const KernType *type)
{
        g_autofree char *load_id = NULL, *attach_id = NULL, *load = NULL, *attach = NULL;
        g_autofree char *load_message = NULL, *attach_message = NULL, *hook = hook_text(type);
        char suffix[32];

        kern_type_action_suffix(type, suffix, sizeof(suffix));

        load_id = g_strdup_printf("org.bpfkeeper1.load.%s", suffix);
        load = g_strdup_printf("Load eBPF programs of type %s: %s", type->name, type->summary);
        load_message =
                g_strdup_printf("load $(program) into the kernel as eBPF of type %s", type->name);
        print_action(load_id, load, load_message);

        attach_id = g_strdup_printf("org.bpfkeeper1.attach.%s", suffix);
        attach = g_strdup_printf("Attach eBPF programs of type %s: %s", type->name, type->summary);
        attach_message =
                g_strdup_printf("%s the %s program $(program)%s",
                                type->prog_type == BPF_PROG_TYPE_SYSCALL ? "run" : "attach",
                                type->name, hook);
        print_action(attach_id, attach, attach_message);
}

int main(void)
{
        puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<!DOCTYPE policyconfig PUBLIC"
             " \"-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN\"\n"
             " \"http://www.freedesktop.org/software/polkit/policyconfig-1.dtd\">\n"
             "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n"
             "<!-- Generated from the table of program types. Don't edit it: grant by rules,"
             " see polkit(8). -->\n"
             "<policyconfig>\n"
             "  <vendor>bpfkeeper</vendor>\n"
             "  <icon_name>application-x-executable</icon_name>");

        for (const KernType *type = kern_types; type->name; type++)
                print_type(type);

        print_action("org.bpfkeeper1.unload-others", "Unload eBPF programs of other users",
                     "unload the eBPF program $(name), id $(id), of user $(owner)");
        print_action("org.bpfkeeper1.detach-others", "Detach eBPF programs of other users",
                     "detach the eBPF program $(program), link $(id), of user $(owner)");
        print_action("org.bpfkeeper1.use-others",
                     "Attach, run or get at eBPF programs of other users",
                     "use the eBPF program $(name), id $(id), of user $(owner)");
        print_action("org.bpfkeeper1.open-program",
                     "Get descriptors of eBPF programs, which can be attached anywhere",
                     "open the eBPF program $(name), id $(id), to attach it anywhere");
        print_action("org.bpfkeeper1.map.read", "Read eBPF maps of other users",
                     "read the eBPF map $(name), id $(id), of user $(owner)");
        print_action("org.bpfkeeper1.map.write", "Write to eBPF maps of other users",
                     "write to the eBPF map $(name), id $(id), of user $(owner)");

        print_action("org.bpfkeeper1.manage-grants",
                     "Say who may load and attach eBPF programs without being asked", "$(change)");

        puts("\n</policyconfig>");
        return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
