/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-api-internal.h"

/* Manager.GetHook(): documented in org.bpfkeeper1.Manager.xml */

int bus_method_get_hook(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        g_autoptr(BusAttachArgs) args = NULL;
        BusApi *api = userdata;
        int r;

        r = bus_attach_args_read(m, api, &args, reterr);
        if (r < 0)
                return r;
        api->ops->get_hook(api->service, m, g_steal_pointer(&args));
        return 1;
}

static int append_path(sd_bus_message *reply, const char *key, BusKind kind, uint32_t id)
{
        char path[BUS_PATH_MAX];

        return id == 0 ? 0
                       : sd_bus_message_append(reply, "{sv}", key, "o", bus_path(kind, id, path));
}

static int append_text(sd_bus_message *reply, const char *key, const char *text)
{
        return *text ? sd_bus_message_append(reply, "{sv}", key, "s", text) : 0;
}

static int append_number(sd_bus_message *reply, const char *key, uint32_t number)
{
        return number != 0 ? sd_bus_message_append(reply, "{sv}", key, "u", number) : 0;
}

static int append_occupant(sd_bus_message *reply, const BusOccupant *o)
{
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}", "Type", "s", o->type,
                                          "Position", "u", o->position, "Name", "s", o->name,
                                          "Inherited", "b", (int)o->inherited);
        if (r >= 0)
                r = append_text(reply, "Direction", o->direction);
        if (r >= 0)
                r = append_text(reply, "Hook", o->hook);
        if (r >= 0)
                r = append_text(reply, "Family", o->family);
        if (r >= 0 && *o->family)
                r = sd_bus_message_append(reply, "{sv}", "HookPriority", "i", o->hook_priority);
        if (r >= 0)
                r = append_path(reply, "Program", BUS_PROGRAM, o->program_id);
        if (r >= 0)
                r = append_number(reply, "ProgramId", o->program_id);
        if (r >= 0 && o->program_id != 0)
                r = sd_bus_message_append(reply, "{sv}", "OwnerUid", "u", o->owner_uid);
        if (r >= 0)
                r = append_path(reply, "Link", BUS_LINK, o->link_id);
        if (r >= 0)
                r = append_number(reply, "KernelLinkId", o->kernel_link_id);
        if (r >= 0)
                r = append_number(reply, "Priority", o->priority);
        if (r >= 0)
                r = append_text(reply, "Mode", o->mode);
        if (r >= 0)
                r = append_text(reply, "AttachFlags", o->attach_flags);
        if (r >= 0 && o->proceed_on)
                r = bus_append_strings(reply, "ProceedOn", (const char *const *)o->proceed_on);
        if (r >= 0)
                r = append_number(reply, "Handle", o->handle);
        if (r >= 0)
                r = append_number(reply, "Index", o->index);
        if (r >= 0)
                r = append_text(reply, "Route", o->route);
        if (r >= 0 && *o->route)
                r = sd_bus_message_append(reply, "{sv}{sv}", "Table", "u", o->table, "Metric", "u",
                                          o->metric);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_reply_hook(sd_bus_message *m, const BusOccupant *occupants, size_t n)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_occupant(reply, &occupants[i]);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_send(sd_bus_message_get_bus(m), reply, NULL);
}
