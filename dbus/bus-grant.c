/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-grant.h"

#include <string.h>

#include "bus-api-internal.h"
#include "bus-error.h"
#include "bus-options.h"

/* AddGrant() and its like: documented in org.bpfkeeper1.Manager.xml */

#define DETAILS_MAX 32
#define DETAIL_SIZE_MAX 4096

void bus_grant_args_free(BusGrantArgs *args)
{
        if (!args)
                return;
        g_free(args->user);
        g_free(args->group);
        g_strfreev(args->types);
        g_strfreev(args->verbs);
        g_free(args->interface);
        g_free(args->cgroup);
        g_free(args->signed_by);
        g_free(args);
}

void bus_check_args_free(BusCheckArgs *args)
{
        if (!args)
                return;
        g_free(args->verb);
        g_free(args->type);
        g_ptr_array_unref(args->details);
        g_free(args);
}

/* The offsets that bool members have are never 0. */
#define GRANT(member) offsetof(BusGrantArgs, member)

static const BusOption grant_options[] = {
        {"user", {"s"}, bus_option_string, GRANT(user), 0},
        {"group", {"s"}, bus_option_string, GRANT(group), 0},
        {"types", {"as"}, bus_option_strv, GRANT(types), 0},
        {"verbs", {"as"}, bus_option_strv, GRANT(verbs), 0},
        {"interface", {"s"}, bus_option_string, GRANT(interface), 0},
        {"cgroup", {"s"}, bus_option_string, GRANT(cgroup), 0},
        {"signed_by", {"s"}, bus_option_string, GRANT(signed_by), 0},
        {"until", {"t"}, bus_option_u64, GRANT(until), GRANT(has_until)},
        {},
};

int bus_method_add_grant(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        g_autoptr(BusGrantArgs) args = g_new0(BusGrantArgs, 1);
        BusApi *api = userdata;
        int r;

        r = bus_options_read(m, grant_options, args, reterr);
        if (r < 0)
                return r;
        api->ops->add_grant(api->service, m, g_steal_pointer(&args));
        return 1;
}

int bus_method_list_grants(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;

        (void)reterr;
        api->ops->list_grants(api->service, m);
        return 1;
}

int bus_method_remove_grant(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusApi *api = userdata;
        const char *id;
        int r;

        (void)reterr;
        r = sd_bus_message_read_basic(m, 's', &id);
        if (r < 0)
                return r;
        api->ops->remove_grant(api->service, m, id);
        return 1;
}

static int read_details(sd_bus_message *m, GPtrArray *details, sd_bus_error *reterr)
{
        const char *key, *value;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
                if (details->len / 2 == DETAILS_MAX)
                        return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                              "There are at most %d details.", DETAILS_MAX);
                if (strlen(value) > DETAIL_SIZE_MAX)
                        return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                              "The detail '%s' has %zu bytes; it may have %d.", key,
                                              strlen(value), DETAIL_SIZE_MAX);
                for (guint i = 0; i < details->len; i += 2)
                        if (g_str_equal(details->pdata[i], key))
                                return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                                      "The detail '%s' is given twice.", key);
                g_ptr_array_add(details, g_strdup(key));
                g_ptr_array_add(details, g_strdup(value));
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_method_check_authorization(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        g_autoptr(BusCheckArgs) args = g_new0(BusCheckArgs, 1);
        BusApi *api = userdata;
        const char *verb, *type;
        int r;

        args->details = g_ptr_array_new_with_free_func(g_free);
        r = sd_bus_message_read(m, "ss", &verb, &type);
        if (r < 0)
                return r;
        args->verb = g_strdup(verb);
        args->type = g_strdup(type);
        r = read_details(m, args->details, reterr);
        if (r < 0)
                return r;
        api->ops->check_authorization(api->service, m, g_steal_pointer(&args));
        return 1;
}

/* Answers */

int bus_reply_grant(sd_bus_message *m, const char *id)
{
        return sd_bus_reply_method_return(m, "s", id);
}

static int append_grant(sd_bus_message *reply, const BusGrant *g)
{
        int r;

        r = sd_bus_message_open_container(reply, 'r', "sa{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 's', g->id);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}", "State", "s", g->state, "Error", "s",
                                  g->error, "User", "s", g->user, "Group", "s", g->group);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Types", g->types);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Verbs", g->verbs);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}", "Interface", "s", g->interface,
                                  "Cgroup", "s", g->cgroup, "SignedBy", "s", g->signed_by, "Until",
                                  "t", g->until, "Created", "t", g->created, "CreatedBy", "s",
                                  g->created_by);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

int bus_reply_grants(sd_bus_message *m, const BusGrant *grants, size_t n)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(sa{sv})");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_grant(reply, &grants[i]);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_send(sd_bus_message_get_bus(m), reply, NULL);
}

int bus_reply_check(sd_bus_message *m, const BusCheck *check)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 's', check->verdict);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "{sv}{sv}", "Action", "s", check->action, "User", "s",
                                  check->user);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Grants", check->grants);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Elsewhere", check->elsewhere);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "NotSigned", check->not_signed);
        if (r < 0)
                return r;
        r = bus_append_strings(reply, "Expired", check->expired);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_send(sd_bus_message_get_bus(m), reply, NULL);
}
