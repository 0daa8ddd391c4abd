/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is served, what the XML says, and what is written about it there: one and the same. */

#include "test-bus.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include <gio/gio.h>

#include "fake-ops.h"

static char **files;

static const struct {
        const char *interface;
        const char *path;
} served[] = {
        {"org.bpfkeeper1.Manager", "/org/bpfkeeper1"},
        {"org.bpfkeeper1.Program", "/org/bpfkeeper1/program/_42"},
        {"org.bpfkeeper1.Map", "/org/bpfkeeper1/map/_7"},
        {"org.bpfkeeper1.Link", "/org/bpfkeeper1/link/_1"},
};

static char *read_xml(const char *interface)
{
        g_autofree char *name = g_strconcat(interface, ".xml", NULL);

        for (char **f = files; *f; f++) {
                g_autofree char *base = g_path_get_basename(*f);
                char *text;

                if (!g_str_equal(base, name))
                        continue;
                assert_true(g_file_get_contents(*f, &text, NULL, NULL));
                return text;
        }
        fail_msg("No file for %s", interface);
        return NULL;
}

/* One line an element that matters, in an order that doesn't depend on the file's. */
static void add_args(GString *s, const char *direction, GDBusArgInfo **args)
{
        for (; args && *args; args++)
                g_string_append_printf(s, " %s %s %s", direction, (*args)->signature,
                                       (*args)->name);
}

static void add_annotations(GString *s, GDBusAnnotationInfo **annotations, const char *except)
{
        for (; annotations && *annotations; annotations++)
                if (g_strcmp0((*annotations)->key, except) != 0)
                        g_string_append_printf(s, " %s=%s", (*annotations)->key,
                                               (*annotations)->value);
}

static int compare_lines(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *describe(const GDBusInterfaceInfo *info)
{
        static const char emits[] = "org.freedesktop.DBus.Property.EmitsChangedSignal";
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

        for (GDBusMethodInfo **m = info->methods; m && *m; m++) {
                GString *s = g_string_new(NULL);

                g_string_printf(s, "method %s", (*m)->name);
                add_args(s, "in", (*m)->in_args);
                add_args(s, "out", (*m)->out_args);
                add_annotations(s, (*m)->annotations, NULL);
                g_ptr_array_add(lines, g_string_free(s, FALSE));
        }
        for (GDBusSignalInfo **m = info->signals; m && *m; m++) {
                GString *s = g_string_new(NULL);

                g_string_printf(s, "signal %s", (*m)->name);
                add_args(s, "", (*m)->args);
                add_annotations(s, (*m)->annotations, NULL);
                g_ptr_array_add(lines, g_string_free(s, FALSE));
        }
        for (GDBusPropertyInfo **p = info->properties; p && *p; p++) {
                GString *s = g_string_new(NULL);

                g_string_printf(s, "property %s %s%s%s emits=%s", (*p)->name, (*p)->signature,
                                (*p)->flags & G_DBUS_PROPERTY_INFO_FLAGS_READABLE ? " read" : "",
                                (*p)->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE ? " write" : "",
                                g_dbus_annotation_info_lookup((*p)->annotations, emits) ?: "true");
                add_annotations(s, (*p)->annotations, emits);
                g_ptr_array_add(lines, g_string_free(s, FALSE));
        }
        assert_true(lines->len > 0);
        qsort(lines->pdata, lines->len, sizeof(gpointer), compare_lines);
        g_ptr_array_add(lines, NULL);
        return g_strjoinv("\n", (char **)lines->pdata);
}

static char *describe_xml(const char *xml, const char *interface)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, &error);
        const GDBusInterfaceInfo *info;

        if (!node)
                fail_msg("%s: %s", interface, error->message);
        info = g_dbus_node_info_lookup_interface(node, interface);
        assert_non_null(info);
        return describe(info);
}

static void served_is_what_is_described(void **state)
{
        BusApi *api;

        (void)state;
        fake_new();
        pair_new();
        api = bus_api_new(&fake_ops, &fake);
        assert_int_equal(bus_api_serve(api, pair.server), 0);
        pair_start();
        for (size_t i = 0; i < G_N_ELEMENTS(served); i++) {
                g_autofree char *xml = read_xml(served[i].interface);
                g_autofree char *wanted = describe_xml(xml, served[i].interface);
                g_autofree char *got = NULL;
                const char *introspected;

                pair_call(served[i].path, "org.freedesktop.DBus.Introspectable", "Introspect", "");
                assert_string_equal(pair_error(), "");
                assert_true(sd_bus_message_read_basic(pair.reply, 's', &introspected) > 0);
                got = describe_xml(introspected, served[i].interface);
                assert_string_equal(got, wanted);
        }
        bus_api_free(api);
        pair_free();
        fake_free();
}

/* The comment that ends right before @position, or NULL. */
static char *comment_before(const char *xml, const char *position)
{
        const char *end = position, *begin;

        while (end > xml && g_ascii_isspace(end[-1]))
                end--;
        if (end - xml < 3 || strncmp(end - 3, "-->", 3) != 0)
                return NULL;
        end -= 3;
        begin = g_strrstr_len(xml, end - xml, "<!--");
        return begin ? g_strndup(begin + 4, (gsize)(end - begin - 4)) : NULL;
}

static void check_comment(const char *xml, const char *interface, const char *element,
                          const char *name, GDBusArgInfo **in, GDBusArgInfo **out)
{
        g_autofree char *tag = g_strdup_printf("<%s name=\"%s\"", element, name);
        g_autofree char *heading = g_strdup_printf("%s:", name);
        g_autofree char *comment = NULL;
        const char *position = strstr(xml, tag);

        assert_non_null(position);
        comment = comment_before(xml, position);
        if (!comment) {
                fail_msg("%s.%s has no comment", interface, name);
                return;
        }
        g_strstrip(comment);
        if (!g_str_has_prefix(comment, heading))
                fail_msg("The comment of %s.%s is about something else", interface, name);
        if (!strstr(comment, "@since: 0.1"))
                fail_msg("%s.%s doesn't say since when it is there", interface, name);
        for (GDBusArgInfo **list = in;; list = out) {
                for (GDBusArgInfo **a = list; a && *a; a++) {
                        g_autofree char *word = g_strdup_printf("@%s:", (*a)->name);

                        if (!strstr(comment, word))
                                fail_msg("%s.%s doesn't explain %s", interface, name, word);
                }
                if (list == out)
                        break;
        }
}

static void everything_is_documented(void **state)
{
        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(served); i++) {
                g_autofree char *xml = read_xml(served[i].interface);
                g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
                const GDBusInterfaceInfo *info = NULL;

                assert_non_null(node);
                info = g_dbus_node_info_lookup_interface(node, served[i].interface);
                assert_non_null(info);
                check_comment(xml, "", "interface", info->name, NULL, NULL);
                for (GDBusMethodInfo **m = info->methods; m && *m; m++)
                        check_comment(xml, info->name, "method", (*m)->name, (*m)->in_args,
                                      (*m)->out_args);
                for (GDBusPropertyInfo **p = info->properties; p && *p; p++)
                        check_comment(xml, info->name, "property", (*p)->name, NULL, NULL);
                for (GDBusSignalInfo **s = info->signals; s && *s; s++)
                        check_comment(xml, info->name, "signal", (*s)->name, (*s)->args, NULL);
        }
}

static void every_file_is_served(void **state)
{
        (void)state;
        assert_int_equal(g_strv_length(files), G_N_ELEMENTS(served));
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(served_is_what_is_described),
                cmocka_unit_test(everything_is_documented),
                cmocka_unit_test(every_file_is_served),
        };

        if (argc < 2)
                return 1;
        files = argv + 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
