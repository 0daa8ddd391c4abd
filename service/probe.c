/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe.h"

#define PROBE_TIMEOUT_SEC 20

typedef struct Probe {
        Daemon *daemon;
        void (*then)(Daemon *daemon);
} Probe;

static void clear_feature(void *p)
{
        g_free((char *)((BusFeature *)p)->name);
}

static void use_features(Daemon *daemon, GKeyFile *file)
{
        g_auto(GStrv) names = g_key_file_get_keys(file, "Features", NULL, NULL);

        g_array_set_size(daemon->features, 0);
        for (char **n = names; n && *n; n++) {
                BusFeature feature = {
                        .name = g_strdup(*n),
                        .available = g_key_file_get_boolean(file, "Features", *n, NULL),
                };

                g_array_append_val(daemon->features, feature);
        }
}

static int fill_nothing(sd_bus_message *m, void *userdata)
{
        (void)m, (void)userdata;
        return 0;
}

static void on_probed(sd_bus_message *reply, GError *error, void *userdata)
{
        g_autofree Probe *probe = userdata;
        Daemon *daemon = probe->daemon;
        g_autoptr(GKeyFile) file = g_key_file_new();
        const char *name;
        int available;

        if (daemon->stopping) {
                g_clear_error(&error);
                return;
        }
        if (error) {
                g_warning("Can't find out what the kernel can do: %s", error->message);
                g_error_free(error);
        } else if (sd_bus_message_enter_container(reply, 'a', "(sb)") >= 0) {
                while (sd_bus_message_read(reply, "(sb)", &name, &available) > 0)
                        g_key_file_set_boolean(file, "Features", name, available);
                store_write_features(daemon->store, file);
                use_features(daemon, file);
        }
        probe->then(daemon);
}

void probe_again(Daemon *daemon, void (*then)(Daemon *daemon))
{
        Probe *probe = g_new(Probe, 1);

        *probe = (Probe){daemon, then};
        worker_pool_call(daemon->workers, WORKER_ROLE_PROBE, 0, "Probe", PROBE_TIMEOUT_SEC,
                         fill_nothing, on_probed, probe, NULL);
}

void probe_start(Daemon *daemon, void (*then)(Daemon *daemon))
{
        g_autoptr(GKeyFile) file = store_read_features(daemon->store);

        daemon->features = g_array_new(TRUE, TRUE, sizeof(BusFeature));
        g_array_set_clear_func(daemon->features, clear_feature);
        if (!file) {
                probe_again(daemon, then);
                return;
        }
        use_features(daemon, file);
        then(daemon);
}

void probe_stop(Daemon *daemon)
{
        g_clear_pointer(&daemon->features, g_array_unref);
}
