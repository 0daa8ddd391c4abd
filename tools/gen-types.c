/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "kern-types.h"

/*
 * Prints a template with @TYPES@ in it replaced by what the table of program types says: their names
 * for the completion, a list with all that can be said of them for the man page. @HOOKS@ is the names
 * of the hooks of those that have several, @VERSION@ the project's version.
 */

static void print_names(void)
{
        for (const KernType *type = kern_types; type->name; type++)
                printf("%s%s", type > kern_types ? " " : "", type->name);
}

/* roff reads a hyphen as one to break lines at, and a backslash as its own. */
static void print_roff(const char *s)
{
        for (; *s; s++) {
                if (*s == '-')
                        printf("\\-");
                else if (*s == '\\')
                        printf("\\e");
                else
                        putchar(*s);
        }
}

static void print_params(const char *label, uint64_t params)
{
        const char *before = "";

        if (params == 0)
                return;
        printf(".br\n%s: ", label);
        for (int p = 0; p < _KERN_PARAM_MAX; p++) {
                if (!(params & KERN_PARAM_BIT(p)))
                        continue;
                g_autofree char *option = g_strdelimit(g_strdup(kern_params[p].name), "_", '-');

                printf("%s", before);
                print_roff(option);
                before = ", ";
        }
        putchar('\n');
}

static void print_hooks(const KernType *type)
{
        const char *before = ".br\nHooks: ";

        for (const KernHookName *hook = type->hooks; hook && hook->name; hook++) {
                printf("%s%s", before, hook->name);
                before = ", ";
        }
        if (type->hooks)
                putchar('\n');
}

static void print_man(void)
{
        static const char *const sharing[] = {
                [KERN_SHARING_KERNEL] = "any number, in the kernel's order",
                [KERN_SHARING_LIBXDP] = "up to ten, by libxdp's dispatcher, where the kernel has "
                                        "freplace; else one",
                [KERN_SHARING_EXCLUSIVE] = "one at a time",
                [KERN_SHARING_DISPATCHER] = "up to fifteen, by the service's own dispatcher",
        };

        for (const KernType *type = kern_types; type->name; type++) {
                printf(".TP\n.B ");
                print_roff(type->name);
                putchar('\n');
                print_roff(type->summary);
                printf(".\n.br\nSections: ");
                for (const char *const *s = type->sections; *s; s++) {
                        printf("%s", s > type->sections ? ", " : "");
                        print_roff(*s);
                }
                putchar('\n');
                print_params("Required", type->required);
                print_params("Optional", type->optional);
                print_hooks(type);
                if (type->instead) {
                        printf(".br\nIt isn't attached here: ");
                        print_roff(type->instead);
                        putchar('\n');
                } else {
                        printf(".br\nPrograms on one hook: %s\n", sharing[type->sharing]);
                }
                if (type->needs) {
                        printf(".br\nNeeds: ");
                        print_roff(type->needs);
                        putchar('\n');
                }
        }
}

/* Of all types that have several, each once */
static char *hook_names(void)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (const KernType *type = kern_types; type->name; type++)
                for (const KernHookName *h = type->hooks; h && h->name; h++)
                        if (!g_ptr_array_find_with_equal_func(names, h->name, g_str_equal, NULL))
                                g_ptr_array_add(names, (char *)h->name);
        g_ptr_array_add(names, NULL);
        return g_strjoinv(" ", (char **)names->pdata);
}

static void print_text(const char *text)
{
        g_autofree char *hooks = hook_names();
        g_autoptr(GString) out = g_string_new(text);

        g_string_replace(out, "@VERSION@", PROJECT_VERSION, 0);
        g_string_replace(out, "@HOOKS@", hooks, 0);
        printf("%s", out->str);
}

int main(int argc, char **argv)
{
        g_autofree char *template = NULL;
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) parts = NULL;

        if (argc != 3 || (strcmp(argv[1], "names") != 0 && strcmp(argv[1], "man") != 0)) {
                fprintf(stderr, "Usage: gen-types names|man TEMPLATE\n");
                return EXIT_FAILURE;
        }
        if (!g_file_get_contents(argv[2], &template, NULL, &error)) {
                fprintf(stderr, "gen-types: %s\n", error->message);
                return EXIT_FAILURE;
        }
        parts = g_strsplit(template, "@TYPES@", -1);
        for (guint i = 0; parts[i]; i++) {
                if (i > 0 && strcmp(argv[1], "man") == 0)
                        print_man();
                else if (i > 0)
                        print_names();
                print_text(parts[i]);
        }
        return ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
