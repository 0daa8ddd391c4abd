/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-api-internal.h"

#include <errno.h>
#include <string.h>

#include "bus-error.h"

static int find_program(sd_bus *bus, const char *path, const char *interface, void *userdata,
                        void **ret_found, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        BusProgram *program;
        uint32_t id;

        (void)bus, (void)interface, (void)reterr;
        if (!bus_path_parse(path, BUS_PROGRAM, &id) ||
            !(program = api->ops->program(api->service, id)))
                return 0;
        program->api = api;
        *ret_found = program;
        return 1;
}

static int find_map(sd_bus *bus, const char *path, const char *interface, void *userdata,
                    void **ret_found, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        BusMap *map;
        uint32_t id;

        (void)bus, (void)interface, (void)reterr;
        if (!bus_path_parse(path, BUS_MAP, &id) || !(map = api->ops->map(api->service, id)))
                return 0;
        map->api = api;
        *ret_found = map;
        return 1;
}

static int find_link(sd_bus *bus, const char *path, const char *interface, void *userdata,
                     void **ret_found, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        BusLink *link;
        uint32_t id;

        (void)bus, (void)interface, (void)reterr;
        if (!bus_path_parse(path, BUS_LINK, &id) || !(link = api->ops->link(api->service, id)))
                return 0;
        link->api = api;
        *ret_found = link;
        return 1;
}

static int enumerate(BusApi *api, BusKind kind, char ***ret_nodes)
{
        g_autoptr(GArray) ids = api->ops->ids(api->service, kind);
        char path[BUS_PATH_MAX];
        /* malloc(3), not GLib: sd-bus frees it */
        char **nodes = calloc(ids->len + 1, sizeof(char *));

        if (!nodes)
                return -ENOMEM;
        for (guint i = 0; i < ids->len; i++) {
                nodes[i] = strdup(bus_path(kind, g_array_index(ids, uint32_t, i), path));
                if (!nodes[i]) {
                        while (i > 0)
                                free(nodes[--i]);
                        free(nodes);
                        return -ENOMEM;
                }
        }
        *ret_nodes = nodes;
        return 0;
}

static int enumerate_programs(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                              sd_bus_error *reterr)
{
        (void)bus, (void)prefix, (void)reterr;
        return enumerate(userdata, BUS_PROGRAM, ret_nodes);
}

static int enumerate_maps(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                          sd_bus_error *reterr)
{
        (void)bus, (void)prefix, (void)reterr;
        return enumerate(userdata, BUS_MAP, ret_nodes);
}

static int enumerate_links(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                           sd_bus_error *reterr)
{
        (void)bus, (void)prefix, (void)reterr;
        return enumerate(userdata, BUS_LINK, ret_nodes);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;

        (void)reterr;
        api->n_messages++;
        if (sd_bus_message_is_method_call(m, NULL, NULL) > 0)
                api->ops->activity(api->service);
        return 0;
}

/* Objects declared as data: what lies where, who finds it, who lists it. */
static const struct {
        const char *prefix;
        BusKind kind;
        const sd_bus_vtable *vtable;
        sd_bus_object_find_t find;
        sd_bus_node_enumerator_t enumerate;
} objects[] = {
        {BUS_PATH_ROOT "/program", BUS_PROGRAM, bus_program_vtable, find_program,
         enumerate_programs},
        {BUS_PATH_ROOT "/map", BUS_MAP, bus_map_vtable, find_map, enumerate_maps},
        {BUS_PATH_ROOT "/link", BUS_LINK, bus_link_vtable, find_link, enumerate_links},
};

struct BusSeat {
        sd_bus *bus;
        sd_bus_slot *slots[16];
        size_t n_slots;
};

static void seat_free(void *p)
{
        BusSeat *seat = p;

        for (size_t i = 0; i < seat->n_slots; i++)
                sd_bus_slot_unref(seat->slots[i]);
        sd_bus_unref(seat->bus);
        g_free(seat);
}

static int seat_fill(BusSeat *seat, BusApi *api)
{
        int r;

#define SLOT (&seat->slots[seat->n_slots++])
        r = sd_bus_add_filter(seat->bus, SLOT, on_message, api);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(seat->bus, SLOT, BUS_PATH_ROOT);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(seat->bus, SLOT, BUS_PATH_ROOT, "org.bpfkeeper1.Manager",
                                     bus_manager_vtable, api);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
                r = sd_bus_add_fallback_vtable(seat->bus, SLOT, objects[i].prefix,
                                               bus_interface(objects[i].kind), objects[i].vtable,
                                               objects[i].find, api);
                if (r < 0)
                        return r;
                r = sd_bus_add_node_enumerator(seat->bus, SLOT, objects[i].prefix,
                                               objects[i].enumerate, api);
                if (r < 0)
                        return r;
        }
#undef SLOT
        g_assert(seat->n_slots <= G_N_ELEMENTS(seat->slots));
        return 0;
}

BusApi *bus_api_new(const BusOps *ops, void *service)
{
        BusApi *api = g_new0(BusApi, 1);

        api->ops = ops;
        api->service = service;
        api->seats = g_ptr_array_new_with_free_func(seat_free);
        api->attach_options = bus_attach_options(ops->hook_params(service), &api->n_attach_options);
        return api;
}

void bus_api_free(BusApi *api)
{
        if (!api)
                return;
        g_ptr_array_unref(api->seats);
        g_free(api->attach_options);
        g_free(api);
}

int bus_api_serve(BusApi *api, sd_bus *bus)
{
        BusSeat *seat = g_new0(BusSeat, 1);
        int r;

        seat->bus = sd_bus_ref(bus);
        r = seat_fill(seat, api);
        if (r < 0)
                seat_free(seat);
        else
                g_ptr_array_add(api->seats, seat);
        return r;
}

void bus_api_leave(BusApi *api, sd_bus *bus)
{
        for (guint i = 0; i < api->seats->len; i++)
                if (((BusSeat *)api->seats->pdata[i])->bus == bus) {
                        g_ptr_array_remove_index_fast(api->seats, i);
                        return;
                }
}

#define FOR_EACH_BUS(b, api)                                                                    \
        for (guint _i = 0;                                                                      \
             _i < (api)->seats->len && ((b) = ((BusSeat *)(api)->seats->pdata[_i])->bus, true); \
             _i++)

void bus_api_emit_added(BusApi *api, BusKind kind, uint32_t id)
{
        char path[BUS_PATH_MAX];
        sd_bus *bus;

        FOR_EACH_BUS(bus, api)
        (void)sd_bus_emit_object_added(bus, bus_path(kind, id, path));
}

void bus_api_emit_removed(BusApi *api, BusKind kind, uint32_t id)
{
        char path[BUS_PATH_MAX];
        sd_bus *bus;

        FOR_EACH_BUS(bus, api)
        (void)sd_bus_emit_object_removed(bus, bus_path(kind, id, path));
}

void bus_api_emit_changed(BusApi *api, BusKind kind, uint32_t id, const char *property)
{
        char path[BUS_PATH_MAX];
        sd_bus *bus;

        FOR_EACH_BUS(bus, api)
        (void)sd_bus_emit_properties_changed(bus, bus_path(kind, id, path), bus_interface(kind),
                                             property, NULL);
}

void bus_api_emit_features(BusApi *api)
{
        sd_bus *bus;

        FOR_EACH_BUS(bus, api)
        (void)sd_bus_emit_properties_changed(bus, BUS_PATH_ROOT, "org.bpfkeeper1.Manager",
                                             "Features", NULL);
}

static int append_member(sd_bus_message *reply, const char *signature, const void *member)
{
        switch (signature[0]) {
        case 's':
        case 'o':
                return sd_bus_message_append_basic(reply, signature[0], *(char *const *)member);
        case 'u':
        case 'i':
        case 'b':
        case 't':
                return sd_bus_message_append_basic(reply, signature[0], member);
        default:
                return -EINVAL;
        }
}

int bus_append_properties(sd_bus_message *reply, const sd_bus_vtable *vtable, const char *path,
                          const char *interface, void *object, sd_bus_error *reterr)
{
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        for (const sd_bus_vtable *v = vtable; v->type != _SD_BUS_VTABLE_END; v++) {
                if (v->type != _SD_BUS_VTABLE_PROPERTY)
                        continue;
                r = sd_bus_message_open_container(reply, 'e', "sv");
                if (r < 0)
                        return r;
                r = sd_bus_message_append_basic(reply, 's', v->x.property.member);
                if (r < 0)
                        return r;
                r = sd_bus_message_open_container(reply, 'v', v->x.property.signature);
                if (r < 0)
                        return r;
                if (v->x.property.get)
                        r = v->x.property.get(sd_bus_message_get_bus(reply), path, interface,
                                              v->x.property.member, reply,
                                              (char *)object + v->x.property.offset, reterr);
                else
                        r = append_member(reply, v->x.property.signature,
                                          (char *)object + v->x.property.offset);
                if (r < 0)
                        return r;
                r = sd_bus_message_close_container(reply);
                if (r < 0)
                        return r;
                r = sd_bus_message_close_container(reply);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

const BusProgramStats *bus_program_stats(const BusProgram *program)
{
        BusApi *api = program->api;

        if (api->program.message == api->n_messages && api->program.id == program->id)
                return &api->program.stats;
        api->program.message = api->n_messages;
        api->program.id = program->id;
        if (api->ops->program_stats(api->service, program, &api->program.stats) < 0)
                api->program.stats = (BusProgramStats){0};
        return &api->program.stats;
}

const BusMapStats *bus_map_stats(const BusMap *map)
{
        BusApi *api = map->api;

        if (api->map.message == api->n_messages && api->map.id == map->id)
                return &api->map.stats;
        api->map.message = api->n_messages;
        api->map.id = map->id;
        if (api->ops->map_stats(api->service, map, &api->map.stats) < 0)
                api->map.stats = (BusMapStats){0};
        return &api->map.stats;
}

int bus_append_paths(sd_bus_message *reply, BusKind kind, const uint32_t *ids, size_t n)
{
        char path[BUS_PATH_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "o");
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                r = sd_bus_message_append_basic(reply, 'o', bus_path(kind, ids[i], path));
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

int bus_read_bytes(sd_bus_message *m, const void **ret, size_t *ret_size)
{
        return sd_bus_message_read_array(m, 'y', ret, ret_size);
}

static int send_reply(sd_bus_message *reply)
{
        return sd_bus_send(sd_bus_message_get_bus(reply), reply, NULL);
}

int bus_reply_paths(sd_bus_message *m, BusKind kind, const uint32_t *ids, size_t n)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = bus_append_paths(reply, kind, ids, n);
        if (r < 0)
                return r;
        return send_reply(reply);
}

int bus_reply_path(sd_bus_message *m, BusKind kind, uint32_t id)
{
        char path[BUS_PATH_MAX];

        return sd_bus_reply_method_return(m, "o", bus_path(kind, id, path));
}

int bus_reply_no_path(sd_bus_message *m)
{
        return sd_bus_reply_method_return(m, "o", "/");
}

int bus_reply_fd(sd_bus_message *m, int fd)
{
        return sd_bus_reply_method_return(m, "h", fd);
}

int bus_reply_bytes(sd_bus_message *m, const void *data, size_t size)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(reply, 'y', data, size);
        if (r < 0)
                return r;
        return send_reply(reply);
}

int bus_reply_empty(sd_bus_message *m)
{
        return sd_bus_reply_method_return(m, NULL);
}
