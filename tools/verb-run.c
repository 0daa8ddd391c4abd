/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "input.h"
#include "json.h"
#include "resolve.h"
#include "text.h"
#include "value.h"
#include "verbs.h"

/* What TestRun() takes. */
#define DATA_MAX (1024UL * 1024)
#define READ_MAX (64U << 20)
#define LOG_MAX (1024UL * 1024 * 1024)

static GVariant *bytes_variant(GBytes *bytes)
{
        return g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static CtlExit read_data(Ctl *ctl, Option option, GBytes **ret)
{
        const char *data = options_get(&ctl->options, option);
        g_autofree char *reason = NULL;

        *ret = NULL;
        if (!data)
                return CTL_OK;
        *ret = input_bytes(data, DATA_MAX, &reason);
        return *ret ? CTL_OK : ctl_fail("--%s: %s", options_name(option), reason);
}

static CtlExit read_number(Ctl *ctl, Option option, const char *name, GVariantDict *dict)
{
        const char *s = options_get(&ctl->options, option);
        uint64_t n;

        if (!s)
                return CTL_OK;
        if (!text_parse_unsigned(s, UINT32_MAX, &n))
                return ctl_usage("--%s=%s: it must be a number", options_name(option), s);
        g_variant_dict_insert(dict, name, "u", (guint32)n);
        return CTL_OK;
}

/* Sixteen bytes a line */
static void append_dump(GString *out, const guint8 *data, size_t size)
{
        for (size_t at = 0; at < size; at += 16) {
                g_string_append_printf(out, "  %04zx ", at);
                for (size_t i = at; i < MIN(at + 16, size); i++)
                        g_string_append_printf(out, " %02x", data[i]);
                g_string_append_c(out, '\n');
        }
}

static CtlExit write_results(Ctl *ctl, GVariant *reply)
{
        g_autoptr(GVariant) data = NULL, results = NULL, context = NULL;
        const char *output = options_get(&ctl->options, OPT_OUTPUT);
        g_autoptr(GString) out = g_string_new(NULL);
        g_autofree char *duration = NULL;
        g_autoptr(GError) error = NULL;
        const guint8 *bytes;
        guint32 retval;
        size_t size;

        g_variant_get(reply, "(u@ay@a{sv})", &retval, &data, &results);
        bytes = g_variant_get_fixed_array(data, &size, 1);
        if (output && !g_file_set_contents_full(output, (const char *)bytes, (gssize)size,
                                                G_FILE_SET_CONTENTS_NONE, 0666, &error))
                return ctl_fail("Can't save the packet: %s", error->message);
        if (ctl->json != CTL_JSON_OFF) {
                GVariantBuilder json;

                g_variant_builder_init(&json, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&json, "{sv}", "retval", g_variant_new_uint32(retval));
                g_variant_builder_add(&json, "{sv}", "data_out", data);
                json_add_properties(&json, results);
                ctl_write_json(ctl, g_variant_builder_end(&json));
                return CTL_OK;
        }
        duration = text_duration(resolve_number(results, "duration"));
        g_string_append_printf(out, "Returned: %u\nDuration: %s\n", retval, duration);
        if (size > 0 && !output) {
                g_string_append_printf(out, "Data: %zu bytes\n", size);
                append_dump(out, bytes, size);
        }
        context = g_variant_lookup_value(results, "context", G_VARIANT_TYPE_BYTESTRING);
        if (context) {
                bytes = g_variant_get_fixed_array(context, &size, 1);
                g_string_append_printf(out, "Context: %zu bytes\n", size);
                append_dump(out, bytes, size);
        }
        ctl_write(ctl, out);
        return CTL_OK;
}

CtlExit verb_test_run(Ctl *ctl, int argc, char **argv)
{
        g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GBytes) data = NULL, context = NULL;
        g_autoptr(GVariant) reply = NULL;
        g_autofree char *path = NULL;
        CtlExit status;

        (void)argc;
        status = read_data(ctl, OPT_DATA, &data);
        if (status == CTL_OK)
                status = read_data(ctl, OPT_CONTEXT, &context);
        if (status == CTL_OK)
                status = read_number(ctl, OPT_REPEAT, "repeat", &options);
        if (status == CTL_OK)
                status = read_number(ctl, OPT_DATA_SIZE, "data_size", &options);
        if (status == CTL_OK)
                status = resolve(ctl, BUS_PROGRAM, argv[0], &path);
        if (status != CTL_OK)
                return status;
        if (!data)
                data = g_bytes_new(NULL, 0);
        if (context)
                g_variant_dict_insert_value(&options, "context", bytes_variant(context));
        if (ctl_call(ctl, path, bus_interface(BUS_PROGRAM), "TestRun",
                     g_variant_new("(@ay@a{sv})", bytes_variant(data),
                                   g_variant_dict_end(&options)),
                     &error, &reply) < 0)
                return ctl_bus_error(&error, "Can't run program '%s'", argv[0]);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(uaya{sv})")))
                return ctl_fail("The service's answer isn't a result");
        return write_results(ctl, reply);
}

CtlExit verb_log(Ctl *ctl, int argc, char **argv)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *path = NULL, *reason = NULL, *text = NULL;
        g_autoptr(GString) out = NULL;
        g_autoptr(GBytes) log = NULL;
        CtlExit status;
        int fd;

        (void)argc;
        status = resolve(ctl, BUS_PROGRAM, argv[0], &path);
        if (status != CTL_OK)
                return status;
        if (ctl_call_fd(ctl, path, bus_interface(BUS_PROGRAM), "GetLog", &error, &fd) < 0)
                return ctl_bus_error(&error, "Can't get the log of program '%s'", argv[0]);
        /* A memfd comes with the position that its writer left. */
        (void)lseek(fd, 0, SEEK_SET);
        log = input_read(fd, LOG_MAX, &reason);
        (void)close(fd);
        if (!log)
                return ctl_fail("Can't read the log of program '%s': %s", argv[0], reason);
        text = g_strndup(g_bytes_get_data(log, NULL), g_bytes_get_size(log));
        if (ctl->json != CTL_JSON_OFF) {
                g_autofree char *valid = g_utf8_make_valid(text, -1);
                GVariantBuilder json;

                g_variant_builder_init(&json, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&json, "{sv}", "log", g_variant_new_string(valid));
                g_variant_builder_add(&json, "{sv}", "path", g_variant_new_string(path));
                ctl_write_json(ctl, g_variant_builder_end(&json));
                return CTL_OK;
        }
        out = g_string_new(NULL);
        reason = text_escape(text, true);
        g_string_append(out, reason);
        if (out->len && out->str[out->len - 1] != '\n')
                g_string_append_c(out, '\n');
        ctl_write(ctl, out);
        return CTL_OK;
}

/* Reads all that an iterator has to say; 0 or a negative errno. */
static int drain(int fd, GString *text)
{
        char buffer[64 * 1024];
        ssize_t n;

        for (;;) {
                n = read(fd, buffer, sizeof(buffer));
                if (n == 0)
                        return 0;
                if (n > 0)
                        g_string_append_len(text, buffer, n);
                /* EAGAIN: the kernel had a rest, and would go on */
                else if (errno != EINTR && errno != EAGAIN)
                        return -errno;
                if (text->len > READ_MAX)
                        return -EFBIG;
        }
}

CtlExit verb_read(Ctl *ctl, int argc, char **argv)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *path = NULL, *valid = NULL, *safe = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        CtlExit status;
        int fd, r;

        (void)argc;
        status = resolve(ctl, BUS_LINK, argv[0], &path);
        if (status != CTL_OK)
                return status;
        if (ctl_call_fd(ctl, path, bus_interface(BUS_LINK), "OpenIterator", &error, &fd) < 0)
                return ctl_bus_error(&error, "Can't read link '%s'", argv[0]);
        r = drain(fd, text);
        (void)close(fd);
        if (r < 0)
                return ctl_fail("Can't read link '%s': %s", argv[0], g_strerror(-r));
        if (ctl->json != CTL_JSON_OFF) {
                GVariantBuilder json;

                valid = g_utf8_make_valid(text->str, (gssize)text->len);
                g_variant_builder_init(&json, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&json, "{sv}", "path", g_variant_new_string(path));
                g_variant_builder_add(&json, "{sv}", "text", g_variant_new_string(valid));
                ctl_write_json(ctl, g_variant_builder_end(&json));
                return CTL_OK;
        }
        if (isatty(STDOUT_FILENO)) {
                safe = text_escape(text->str, true);
                g_string_assign(text, safe);
        }
        ctl_write(ctl, text);
        return CTL_OK;
}
