/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define INTERFACE_PROPERTIES "org.freedesktop.DBus.Properties"

int bus_client_open(const char *description, bool interactive, sd_bus **ret)
{
        g_autoptr(sd_bus) bus = NULL;
        int r;

        r = sd_bus_open_system_with_description(&bus, description);
        if (r < 0)
                return r;
        r = sd_bus_set_allow_interactive_authorization(bus, interactive);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&bus);
        return 0;
}

int bus_client_open_private(const char *description, sd_bus **ret)
{
        g_autoptr(sd_bus) bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_description(bus, description);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, "unix:path=" BUS_PRIVATE_SOCKET);
        if (r < 0)
                return r;
        r = sd_bus_negotiate_fds(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&bus);
        return 0;
}

static int read_one(sd_bus_message *m, GVariant **ret);

static int read_basic(sd_bus_message *m, char type, GVariant **ret)
{
        union {
                uint8_t y;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                int b;
                const char *s;
        } value;
        int r;

        r = sd_bus_message_read_basic(m, type, &value);
        if (r < 0)
                return r;
        switch (type) {
        case 'y':
                *ret = g_variant_new_byte(value.y);
                return 0;
        case 'b':
                *ret = g_variant_new_boolean(value.b);
                return 0;
        case 'n':
                *ret = g_variant_new_int16(value.n);
                return 0;
        case 'q':
                *ret = g_variant_new_uint16(value.q);
                return 0;
        case 'i':
                *ret = g_variant_new_int32(value.i);
                return 0;
        case 'u':
                *ret = g_variant_new_uint32(value.u);
                return 0;
        case 'x':
                *ret = g_variant_new_int64(value.x);
                return 0;
        case 't':
                *ret = g_variant_new_uint64(value.t);
                return 0;
        case 'd':
                *ret = g_variant_new_double(value.d);
                return 0;
        case 's':
                *ret = g_variant_new_string(value.s);
                return 0;
        case 'o':
                *ret = g_variant_new_object_path(value.s);
                return 0;
        case 'g':
                *ret = g_variant_new_signature(value.s);
                return 0;
        case 'h':
                *ret = g_variant_new_handle(-1);
                return 0;
        default:
                return -EBADMSG;
        }
}

static int read_members(sd_bus_message *m, GVariantBuilder *builder)
{
        for (;;) {
                GVariant *member;
                int r;

                r = sd_bus_message_at_end(m, false);
                if (r != 0)
                        return r < 0 ? r : 0;
                r = read_one(m, &member);
                if (r < 0)
                        return r;
                g_variant_builder_add_value(builder, member);
        }
}

static int read_bytes(sd_bus_message *m, GVariant **ret)
{
        const void *data;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 'y', &data, &size);
        if (r < 0)
                return r;
        *ret = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, size, 1);
        return 0;
}

static int read_container(sd_bus_message *m, char type, const char *contents, GVariant **ret)
{
        g_autofree char *signature = NULL;
        GVariantBuilder builder;
        int r;

        switch (type) {
        case SD_BUS_TYPE_ARRAY:
                signature = g_strdup_printf("a%s", contents);
                break;
        case SD_BUS_TYPE_STRUCT:
                signature = g_strdup_printf("(%s)", contents);
                break;
        case SD_BUS_TYPE_DICT_ENTRY:
                signature = g_strdup_printf("{%s}", contents);
                break;
        case SD_BUS_TYPE_VARIANT:
                signature = g_strdup("v");
                break;
        default:
                return -EBADMSG;
        }
        if (!g_variant_type_string_is_valid(signature))
                return -EBADMSG;

        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        g_variant_builder_init(&builder, G_VARIANT_TYPE(signature));
        r = read_members(m, &builder);
        if (r < 0) {
                g_variant_builder_clear(&builder);
                return r;
        }
        *ret = g_variant_builder_end(&builder);
        return sd_bus_message_exit_container(m);
}

/* The next complete value, as a floating reference. */
static int read_one(sd_bus_message *m, GVariant **ret)
{
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -ENXIO;
        if (!contents)
                return read_basic(m, type, ret);
        if (type == SD_BUS_TYPE_ARRAY && strcmp(contents, "y") == 0)
                return read_bytes(m, ret);
        return read_container(m, type, contents, ret);
}

int bus_client_read(sd_bus_message *m, GVariant **ret)
{
        GVariantBuilder builder;
        int r;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
        r = read_members(m, &builder);
        if (r < 0) {
                g_variant_builder_clear(&builder);
                return r;
        }
        *ret = g_variant_ref_sink(g_variant_builder_end(&builder));
        return 0;
}

static int append_one(sd_bus_message *m, GVariant *value);

static int append_basic(sd_bus_message *m, GVariant *value)
{
        char type = g_variant_get_type_string(value)[0];

        switch (type) {
        case 'b': {
                int b = g_variant_get_boolean(value);

                return sd_bus_message_append_basic(m, type, &b);
        }
        case 's':
        case 'o':
        case 'g':
                return sd_bus_message_append_basic(m, type, g_variant_get_string(value, NULL));
        default:
                /* Numbers and handles lie in a GVariant as D-Bus wants them. */
                return sd_bus_message_append_basic(m, type, g_variant_get_data(value));
        }
}

static int append_container(sd_bus_message *m, GVariant *value)
{
        const char *type = g_variant_get_type_string(value);
        g_autofree char *contents = NULL;
        char kind = type[0];
        int r;

        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
                g_autoptr(GVariant) inner = g_variant_get_variant(value);

                contents = g_strdup(g_variant_get_type_string(inner));
        } else if (kind == '(' || kind == '{') {
                contents = g_strndup(type + 1, strlen(type) - 2);
                kind = kind == '(' ? SD_BUS_TYPE_STRUCT : SD_BUS_TYPE_DICT_ENTRY;
        } else if (kind == SD_BUS_TYPE_ARRAY) {
                contents = g_strdup(type + 1);
        } else {
                return -EOPNOTSUPP; /* GVariant's maybe */
        }

        r = sd_bus_message_open_container(m, kind, contents);
        if (r < 0)
                return r;
        r = bus_client_append(m, value);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int append_one(sd_bus_message *m, GVariant *value)
{
        if (g_variant_type_is_basic(g_variant_get_type(value)))
                return append_basic(m, value);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_BYTESTRING)) {
                size_t size;
                const void *data = g_variant_get_fixed_array(value, &size, 1);

                return sd_bus_message_append_array(m, 'y', data, size);
        }
        return append_container(m, value);
}

int bus_client_append(sd_bus_message *m, GVariant *tuple)
{
        for (size_t i = 0, n = g_variant_n_children(tuple); i < n; i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(tuple, i);
                int r = append_one(m, child);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int call(sd_bus *bus, const char *path, const char *interface, const char *member,
                GVariant *args, sd_bus_error *reterr, sd_bus_message **ret)
{
        g_autoptr(GVariant) tuple = args ? g_variant_ref_sink(args) : NULL;
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, path, interface, member);
        if (r < 0)
                return sd_bus_error_set_errno(reterr, r);
        if (tuple) {
                r = bus_client_append(m, tuple);
                if (r < 0)
                        return sd_bus_error_set_errno(reterr, r);
        }
        return sd_bus_call(bus, m, UINT64_MAX, reterr, ret);
}

int bus_client_call(sd_bus *bus, const char *path, const char *interface, const char *member,
                    GVariant *args, sd_bus_error *reterr, GVariant **ret)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = call(bus, path, interface, member, args, reterr, &reply);
        if (r < 0)
                return r;
        if (!ret)
                return 0;
        r = bus_client_read(reply, ret);
        return r < 0 ? sd_bus_error_set_errno(reterr, r) : 0;
}

int bus_client_call_fd(sd_bus *bus, const char *path, const char *interface, const char *member,
                       GVariant *args, sd_bus_error *reterr, int *ret)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int fd, r;

        r = call(bus, path, interface, member, args, reterr, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(reply, SD_BUS_TYPE_UNIX_FD, &fd);
        if (r < 0)
                return sd_bus_error_set_errno(reterr, r);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return sd_bus_error_set_errno(reterr, -errno);
        *ret = fd;
        return 0;
}

/* The reply's only member, which must have that type; what a service sends is not to be trusted. */
static int unwrap(GVariant *reply, const char *type, sd_bus_error *reterr, GVariant **ret)
{
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE(type)))
                return sd_bus_error_setf(reterr, SD_BUS_ERROR_INCONSISTENT_MESSAGE,
                                         "The service answered with '%s' instead of '%s'.",
                                         g_variant_get_type_string(reply), type);
        *ret = g_variant_get_child_value(reply, 0);
        return 0;
}

int bus_client_get_all(sd_bus *bus, const char *path, const char *interface, sd_bus_error *reterr,
                       GVariant **ret)
{
        g_autoptr(GVariant) reply = NULL;
        int r;

        r = bus_client_call(bus, path, INTERFACE_PROPERTIES, "GetAll",
                            g_variant_new("(s)", interface), reterr, &reply);
        return r < 0 ? r : unwrap(reply, "(a{sv})", reterr, ret);
}

int bus_client_get(sd_bus *bus, const char *path, const char *interface, const char *property,
                   sd_bus_error *reterr, GVariant **ret)
{
        g_autoptr(GVariant) reply = NULL, value = NULL;
        int r;

        r = bus_client_call(bus, path, INTERFACE_PROPERTIES, "Get",
                            g_variant_new("(ss)", interface, property), reterr, &reply);
        if (r < 0)
                return r;
        r = unwrap(reply, "(v)", reterr, &value);
        if (r < 0)
                return r;
        *ret = g_variant_get_variant(value);
        return 0;
}

bool bus_client_is_refusal(const sd_bus_error *error)
{
        switch (bus_error_code(error->name)) {
        case BPFKEEPER_ERROR_NOT_AUTHORIZED:
        case BPFKEEPER_ERROR_AUTHORIZATION_DISMISSED:
        case BPFKEEPER_ERROR_AUTHORIZATION_REQUIRED:
        case BPFKEEPER_ERROR_NO_AUTHORITY:
                return true;
        default:
                return sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
                       sd_bus_error_has_name(error,
                                             SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
        }
}

bool bus_client_is_no_object(const sd_bus_error *error)
{
        return bus_error_code(error->name) == BPFKEEPER_ERROR_NO_SUCH_OBJECT ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT);
}
