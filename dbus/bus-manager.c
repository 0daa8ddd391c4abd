/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bus-api-internal.h"
#include "bus-error.h"
#include "bus-options.h"

/* org.bpfkeeper1.Manager: documented in org.bpfkeeper1.Manager.xml */

static int method_load(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        BusLoadArgs *args;
        int r;

        r = bus_load_args_read(m, &args, reterr);
        if (r < 0)
                return r;
        api->ops->load(api->service, m, args);
        return 1;
}

static int method_inspect(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        int fd, r;

        (void)reterr;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        api->ops->inspect(api->service, m, fd);
        return 1;
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        int fd, r;

        (void)reterr;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        api->ops->describe(api->service, m, fd);
        return 1;
}

static int method_get_log(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;

        (void)reterr;
        api->ops->last_log(api->service, m);
        return 1;
}

/* Filters name objects by path; a path that is none of ours matches nothing, so it is an error. */
static int read_path(sd_bus_message *m, BusKind kind, const char *what, uint32_t *ret,
                     sd_bus_error *reterr)
{
        const char *path = NULL;
        int r;

        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0)
                return r;
        if (!bus_path_parse(path, kind, ret))
                return bus_error_setf(reterr, BPFKEEPER_ERROR_NO_SUCH_OBJECT,
                                      "%s isn't the path of a %s.", path, what);
        return 0;
}

static int read_program_path(sd_bus_message *m, const char *type, size_t offset, void *dest,
                             sd_bus_error *reterr)
{
        (void)type, (void)offset;
        return read_path(m, BUS_PROGRAM, "program", &((BusFilter *)dest)->program, reterr);
}

static int read_map_path(sd_bus_message *m, const char *type, size_t offset, void *dest,
                         sd_bus_error *reterr)
{
        (void)type, (void)offset;
        return read_path(m, BUS_MAP, "map", &((BusFilter *)dest)->map, reterr);
}

#define FILTER(member) offsetof(BusFilter, member)
#define FILTER_MANAGED                                                                  \
        {                                                                               \
                "managed", {"b"}, bus_option_bool, FILTER(managed), FILTER(has_managed) \
        }
#define FILTER_TYPE                                            \
        {                                                      \
                "type", {"s"}, bus_option_borrow, FILTER(type) \
        }
#define FILTER_NAME                                            \
        {                                                      \
                "name", {"s"}, bus_option_borrow, FILTER(name) \
        }
#define FILTER_APPLICATION                                                   \
        {                                                                    \
                "application", {"s"}, bus_option_borrow, FILTER(application) \
        }
#define FILTER_OWNER_UID                                                                     \
        {                                                                                    \
                "owner_uid", {"u"}, bus_option_u32, FILTER(owner_uid), FILTER(has_owner_uid) \
        }
#define FILTER_PROGRAM                                                      \
        {                                                                   \
                "program", {"o"}, read_program_path, 0, FILTER(has_program) \
        }

static const BusOption program_filter[] = {FILTER_MANAGED,
                                           FILTER_TYPE,
                                           FILTER_NAME,
                                           FILTER_APPLICATION,
                                           FILTER_OWNER_UID,
                                           {"map", {"o"}, read_map_path, 0, FILTER(has_map)},
                                           {}};

static const BusOption link_filter[] = {FILTER_TYPE,
                                        FILTER_PROGRAM,
                                        FILTER_OWNER_UID,
                                        {"interface", {"s"}, bus_option_borrow, FILTER(interface)},
                                        {}};

static const BusOption map_filter[] = {
        FILTER_MANAGED,   FILTER_TYPE,    FILTER_NAME, FILTER_APPLICATION,
        FILTER_OWNER_UID, FILTER_PROGRAM, {}};

static bool contains(const GArray *ids, uint32_t id)
{
        for (guint i = 0; i < ids->len; i++)
                if (g_array_index(ids, uint32_t, i) == id)
                        return true;
        return false;
}

static bool same(const char *wanted, const char *s)
{
        return !wanted || g_str_equal(wanted, s);
}

static bool program_matches(const BusFilter *f, const BusProgram *p)
{
        return (!f->has_managed || f->managed == (bool)p->managed) && same(f->type, p->type) &&
               same(f->name, p->name) && same(f->application, p->application) &&
               (!f->has_owner_uid || f->owner_uid == p->owner_uid) &&
               (!f->has_map || contains(p->maps, f->map));
}

static bool link_matches(const BusFilter *f, const BusLink *l)
{
        return same(f->type, l->type) && same(f->interface, l->interface) &&
               (!f->has_owner_uid || f->owner_uid == l->owner_uid) &&
               (!f->has_program || f->program == l->program_id);
}

static bool map_matches(const BusFilter *f, const BusMap *p)
{
        return (!f->has_managed || f->managed == (bool)p->managed) && same(f->type, p->type) &&
               same(f->name, p->name) && same(f->application, p->application) &&
               (!f->has_owner_uid || f->owner_uid == p->owner_uid) &&
               (!f->has_program || contains(p->programs, f->program));
}

/* The object if it is there and matches, with its api set, else NULL. */
static void *match(BusApi *api, BusKind kind, uint32_t id, const BusFilter *filter)
{
        BusProgram *program;
        BusLink *link;
        BusMap *map;

        switch (kind) {
        case BUS_PROGRAM:
                program = api->ops->program(api->service, id);
                if (!program || !program_matches(filter, program))
                        return NULL;
                program->api = api;
                return program;
        case BUS_LINK:
                link = api->ops->link(api->service, id);
                if (!link || !link_matches(filter, link))
                        return NULL;
                link->api = api;
                return link;
        case BUS_MAP:
                map = api->ops->map(api->service, id);
                if (!map || !map_matches(filter, map))
                        return NULL;
                map->api = api;
                return map;
        default:
                return NULL;
        }
}

static int list(BusApi *api, sd_bus_message *m, BusKind kind, const BusOption *table,
                const sd_bus_vtable *vtable, sd_bus_error *reterr)
{
        g_autoptr(sd_bus_message) reply = NULL;
        g_autoptr(GArray) ids = NULL;
        BusFilter filter = {0};
        int r;

        r = bus_options_read(m, table, &filter, reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(oa{sv})");
        if (r < 0)
                return r;
        ids = api->ops->ids(api->service, kind);
        for (guint i = 0; i < ids->len; i++) {
                uint32_t id = g_array_index(ids, uint32_t, i);
                void *object = match(api, kind, id, &filter);
                char path[BUS_PATH_MAX];

                if (!object)
                        continue;
                bus_path(kind, id, path);
                r = sd_bus_message_open_container(reply, 'r', "oa{sv}");
                if (r < 0)
                        return r;
                r = sd_bus_message_append_basic(reply, 'o', path);
                if (r < 0)
                        return r;
                r = bus_append_properties(reply, vtable, path, bus_interface(kind), object, reterr);
                if (r < 0)
                        return r;
                r = sd_bus_message_close_container(reply);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
}

static int method_list_programs(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        return list(userdata, m, BUS_PROGRAM, program_filter, bus_program_vtable, reterr);
}

static int method_list_links(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        return list(userdata, m, BUS_LINK, link_filter, bus_link_vtable, reterr);
}

static int method_list_maps(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        return list(userdata, m, BUS_MAP, map_filter, bus_map_vtable, reterr);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        (void)bus, (void)path, (void)interface, (void)property, (void)userdata, (void)reterr;
        return sd_bus_message_append_basic(reply, 's', PROJECT_VERSION);
}

int bus_append_strings(sd_bus_message *reply, const char *key, const char *const *strings)
{
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 's', key);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'v', "as");
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(reply, (char **)strings);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int append_program_type(sd_bus_message *reply, const BusProgramType *type)
{
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sa{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 's', type->name);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "Description", "s", type->description,
                                  "Sharing", "s", type->sharing, "Needs", "s", type->needs);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Sections", type->sections);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Required", type->required);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Optional", type->optional);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int get_program_types(sd_bus *bus, const char *path, const char *interface,
                             const char *property, sd_bus_message *reply, void *userdata,
                             sd_bus_error *reterr)
{
        BusApi *api = userdata;
        int r;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        r = sd_bus_message_open_container(reply, 'a', "{sa{sv}}");
        if (r < 0)
                return r;
        for (const BusProgramType *t = api->ops->program_types(api->service); t->name; t++) {
                r = append_program_type(reply, t);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static int get_features(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        int r;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        r = sd_bus_message_open_container(reply, 'a', "{sb}");
        if (r < 0)
                return r;
        for (const BusFeature *f = api->ops->features(api->service); f->name; f++) {
                r = sd_bus_message_append(reply, "{sb}", f->name, (int)f->available);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

const sd_bus_vtable bus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Load",
                                SD_BUS_ARGS("h", object, "a(ss)", programs, "a{sv}", options),
                                SD_BUS_RESULT("ao", paths), method_load,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_ARGS("h", object),
                                SD_BUS_RESULT("a{sv}", description), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Inspect", SD_BUS_ARGS("h", object),
                                SD_BUS_RESULT("a(sss)", programs), method_inspect,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListPrograms", SD_BUS_ARGS("a{sv}", filter),
                                SD_BUS_RESULT("a(oa{sv})", programs), method_list_programs,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListLinks", SD_BUS_ARGS("a{sv}", filter),
                                SD_BUS_RESULT("a(oa{sv})", links), method_list_links,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListMaps", SD_BUS_ARGS("a{sv}", filter),
                                SD_BUS_RESULT("a(oa{sv})", maps), method_list_maps,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHook", SD_BUS_ARGS("a{sv}", hook),
                                SD_BUS_RESULT("aa{sv}", occupants), bus_method_get_hook,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetLog", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", log), method_get_log,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddGrant", SD_BUS_ARGS("a{sv}", grant), SD_BUS_RESULT("s", id),
                                bus_method_add_grant, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListGrants", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sa{sv})", grants),
                                bus_method_list_grants, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveGrant", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT,
                                bus_method_remove_grant, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CheckAuthorization",
                                SD_BUS_ARGS("s", verb, "s", type, "a{ss}", details),
                                SD_BUS_RESULT("s", verdict, "a{sv}", reasons),
                                bus_method_check_authorization, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ProgramTypes", "a{sa{sv}}", get_program_types, 0,
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Features", "a{sb}", get_features, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};
