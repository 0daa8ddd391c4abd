/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

#include <glib-unix.h>
#include <systemd/sd-daemon.h>

#include "audit.h"
#include "grants-watch.h"
#include "hook-param.h"
#include "link-detach.h"
#include "link-watch.h"
#include "ops.h"
#include "private-socket.h"
#include "probe.h"
#include "recover.h"
#include "system-bus.h"
#include "tc-chain.h"

#define RUN_DIR "/run/bpfkeeper"
#define PIN_DIR "/sys/fs/bpf/bpfkeeper"
/* How long an earlier daemon that is leaving may take. */
#define LOCK_TIMEOUT_SEC 30
/* How long requests may go on after the service was told to stop. */
#define STOP_TIMEOUT_SEC 10
/* How long nothing must have been asked for that memory is given back. */
#define TRIM_AFTER_USEC G_USEC_PER_SEC
/* How long polkit may take where it asks nobody. */
#define DIALOGS_TIMEOUT_SEC 1

/* The last look: what was sent on the private socket up to now is done, and what comes later has an
 * end of its connection to see. */
static gboolean on_done(gpointer userdata)
{
        Daemon *daemon = userdata;

        if (daemon->private_socket)
                private_socket_drain(daemon->private_socket);
        if (daemon->n_busy == 0)
                daemon_quit(daemon, daemon->exit_status);
        return G_SOURCE_REMOVE;
}

/* By way of the loop: this may be called from within a message. */
static void go_when_done(Daemon *daemon)
{
        if (daemon->leaving && daemon->n_busy == 0)
                g_idle_add_full(G_PRIORITY_DEFAULT, on_done, daemon, NULL);
}

void daemon_hold(Daemon *daemon)
{
        daemon->n_busy++;
}

void daemon_release(Daemon *daemon)
{
        g_assert(daemon->n_busy > 0);
        daemon->n_busy--;
        daemon->last_activity = g_get_monotonic_time();
        if (daemon->n_busy == 0)
                go_when_done(daemon);
}

void daemon_quit(Daemon *daemon, int status)
{
        daemon->exit_status = status;
        daemon->stopping = true;
        g_main_loop_quit(daemon->loop);
}

/* Getters for the API */

static BusProgram *get_program(void *service, uint32_t id)
{
        Program *p = registry_any_program(((Daemon *)service)->registry, id);

        return p ? &p->pub : NULL;
}

static BusMap *get_map(void *service, uint32_t id)
{
        Map *m = registry_any_map(((Daemon *)service)->registry, id);

        return m ? &m->pub : NULL;
}

static BusLink *get_link(void *service, uint32_t id)
{
        Link *l = registry_link(((Daemon *)service)->registry, id);

        return l ? &l->pub : NULL;
}

/* Its runs, as those of all members of a dispatcher, the kernel counts for the dispatcher. */
static int add_extension(Daemon *daemon, const Program *program, BusProgramStats *stats)
{
        uint64_t bytes;
        int fd, r;

        if (program->extension_id == 0)
                return 0;
        fd = store_open_pin(daemon->store, BUS_PROGRAM, program->extension_id, 0);
        if (fd < 0)
                return 0;
        r = kern_memlock(fd, &bytes);
        close(fd);
        if (r >= 0)
                stats->bytes_memlock += bytes;
        return r;
}

static int get_program_stats(void *service, const BusProgram *program, BusProgramStats *ret)
{
        KernProgramInfo info;
        int fd, r;

        fd = program_open(service, (const Program *)program);
        if (fd < 0)
                return fd;
        r = kern_program_info(fd, &info);
        if (r >= 0) {
                *ret = (BusProgramStats){
                        .run_time_nsec = info.run_time_ns,
                        .run_count = info.run_count,
                        .recursion_misses = info.recursion_misses,
                };
                r = kern_memlock(fd, &ret->bytes_memlock);
        }
        close(fd);
        return r >= 0 ? add_extension(service, (const Program *)program, ret) : r;
}

static int get_map_stats(void *service, const BusMap *map, BusMapStats *ret)
{
        BusMapStats stats = {0};
        int fd, r;

        fd = map_open(service, (const Map *)map, KERN_ACCESS_READ);
        if (fd < 0)
                return fd;
        r = kern_map_frozen(fd, &stats.frozen);
        if (r >= 0)
                r = kern_memlock(fd, &stats.bytes_memlock);
        close(fd);
        if (r >= 0)
                *ret = stats;
        return r;
}

static GArray *get_ids(void *service, BusKind kind)
{
        if (kind == BUS_LINK)
                link_watch_look_later(service);
        return registry_ids(((Daemon *)service)->registry, kind);
}

static const BusHookParam *get_hook_params(void *service)
{
        (void)service;
        return hook_params();
}

static void get_link_param(void *service, const BusLink *link, size_t param, BusValue *ret)
{
        (void)service;
        link_param((const Link *)link, (KernParam)param, ret);
}

static const BusProgramType *get_program_types(void *service)
{
        return (const BusProgramType *)((Daemon *)service)->program_types->data;
}

static const BusFeature *get_features(void *service)
{
        return (const BusFeature *)((Daemon *)service)->features->data;
}

static void note_activity(void *service)
{
        ((Daemon *)service)->last_activity = g_get_monotonic_time();
}

static const BusOps ops = {
        .program = get_program,
        .map = get_map,
        .link = get_link,
        .program_stats = get_program_stats,
        .map_stats = get_map_stats,
        .ids = get_ids,
        .program_types = get_program_types,
        .hook_params = get_hook_params,
        .link_param = get_link_param,
        .features = get_features,
        .activity = note_activity,
        .load = op_load,
        .inspect = op_inspect,
        .describe = op_describe,
        .last_log = op_last_log,
        .add_grant = op_add_grant,
        .list_grants = op_list_grants,
        .remove_grant = op_remove_grant,
        .check_authorization = op_check_authorization,
        .attach = op_attach,
        .get_hook = op_get_hook,
        .unload = op_unload,
        .program_open_fd = op_program_open_fd,
        .program_log = op_program_log,
        .test_run = op_test_run,
        .detach = op_detach,
        .open_iterator = op_open_iterator,
        .update = op_update,
        .replace_program = op_replace_program,
        .map_lookup = op_map_lookup,
        .map_update = op_map_update,
        .map_delete = op_map_delete,
        .map_entries = op_map_entries,
        .map_open_fd = op_map_open_fd,
};

/* The table of program types, as the API has it */

static const char **param_names(uint64_t params)
{
        const char **names = g_new0(const char *, _KERN_PARAM_MAX + 1);
        size_t n = 0;

        for (int p = 0; p < _KERN_PARAM_MAX; p++)
                if (params & KERN_PARAM_BIT(p))
                        names[n++] = kern_params[p].name;
        return names;
}

static void clear_program_type(void *p)
{
        BusProgramType *type = p;

        g_free((gpointer)type->required);
        g_free((gpointer)type->optional);
}

static GArray *make_program_types(void)
{
        GArray *types = g_array_new(TRUE, TRUE, sizeof(BusProgramType));

        g_array_set_clear_func(types, clear_program_type);
        for (const KernType *t = kern_types; t->name; t++) {
                BusProgramType type = {
                        .name = t->name,
                        .description = t->summary,
                        .sections = t->sections,
                        .required = param_names(t->required),
                        .optional = param_names(t->optional),
                        .sharing = kern_sharing_to_string(t->sharing),
                        .needs = t->needs ?: "",
                };

                g_array_append_val(types, type);
        }
        return types;
}

/* Leaving: the name first, so that who calls from now on starts the next service; the objects stay. */

static void on_name_released(Daemon *daemon)
{
        daemon->leaving = true;
        go_when_done(daemon);
}

/* Who sits before a password dialog could keep the next service from starting. */
static gboolean on_dialogs_timeout(gpointer userdata)
{
        Daemon *daemon = userdata;

        authz_close_dialogs(daemon->authz);
        return G_SOURCE_REMOVE;
}

static gboolean on_stop_timeout(gpointer userdata)
{
        Daemon *daemon = userdata;

        g_warning("%u requests are not done after %d seconds; they are given up.", daemon->n_busy,
                  STOP_TIMEOUT_SEC);
        daemon_quit(daemon, daemon->exit_status);
        return G_SOURCE_REMOVE;
}

static void leave(Daemon *daemon)
{
        daemon->going = true;
        if (daemon->idle_timer) {
                g_source_remove(daemon->idle_timer);
                daemon->idle_timer = 0;
        }
        /* Before the name goes: whoever misses it then has systemd start us again, which must know
         * that we are not there. */
        (void)sd_notify(0, "STOPPING=1");
        g_timeout_add_seconds(DIALOGS_TIMEOUT_SEC, on_dialogs_timeout, daemon);
        g_timeout_add_seconds(STOP_TIMEOUT_SEC, on_stop_timeout, daemon);
        if (daemon->private_socket)
                private_socket_close(daemon->private_socket);
        system_bus_release(daemon->bus, on_name_released);
}

static gboolean on_signal(gpointer userdata)
{
        leave(userdata);
        return G_SOURCE_CONTINUE;
}

/* What many requests took stays with the C library, until it is told, once there are no more of them. */
static void trim_memory(Daemon *daemon)
{
        if (daemon->n_busy > 0 || daemon->last_trim >= daemon->last_activity)
                return;
        daemon->last_trim = g_get_monotonic_time();
        (void)malloc_trim(0);
}

static gboolean check_idle(gpointer userdata)
{
        Daemon *daemon = userdata;
        gint64 idle = g_get_monotonic_time() - daemon->last_activity;

        if (idle >= TRIM_AFTER_USEC)
                trim_memory(daemon);

        if (daemon->n_busy > 0 || idle < (gint64)daemon->idle_sec * G_USEC_PER_SEC ||
            (daemon->private_socket && private_socket_has_clients(daemon->private_socket)) ||
            /* systemd would wait for one that can't be ended yet, and everybody for systemd. */
            !worker_pool_is_idle(daemon->workers) || !devices_survive(daemon->devices))
                return G_SOURCE_CONTINUE;
        daemon->idle_timer = 0;
        leave(daemon);
        return G_SOURCE_REMOVE;
}

/* The watchdog hears of every turn that the loop is due, and of none that it isn't making. */

static gboolean on_watchdog(gpointer userdata)
{
        (void)userdata;
        (void)sd_notify(0, "WATCHDOG=1");
        return G_SOURCE_CONTINUE;
}

static void start_watchdog(void)
{
        uint64_t limit;

        if (sd_watchdog_enabled(1, &limit) > 0)
                g_timeout_add((guint)MAX(limit / 3000, 1), on_watchdog, NULL);
}

/* Starting, in steps: what the kernel can do may have to be probed first. */

void daemon_is_ready(Daemon *daemon)
{
        if (!daemon->ready)
                (void)sd_notify(0, "READY=1");
        daemon->ready = true;
}

static void publish(Daemon *daemon)
{
        daemon->last_activity = g_get_monotonic_time();
        if (daemon->idle_sec > 0)
                daemon->idle_timer =
                        g_timeout_add_seconds(MAX(daemon->idle_sec / 4, 1), check_idle, daemon);
        registry_set_api(daemon->registry, daemon->api);
        worker_pool_warm(daemon->workers);
        system_bus_publish(daemon->bus);
        if (daemon->private_socket) {
                private_socket_open(daemon->private_socket);
                /* The bus may be waiting for something that waits for us. */
                daemon_is_ready(daemon);
        }
}

/* systemctl reload: what a restart would find out, without one */

static void on_features_anew(Daemon *daemon)
{
        bus_api_emit_features(daemon->api);
        reconcile(daemon);
        daemon->reloading = false;
        (void)sd_notify(0, "READY=1");
        daemon_release(daemon);
}

bool daemon_has_feature(const Daemon *daemon, const char *name)
{
        for (guint i = 0; i < daemon->features->len; i++) {
                const BusFeature *f = &g_array_index(daemon->features, BusFeature, i);

                if (g_str_equal(f->name, name))
                        return f->available;
        }
        return false;
}

static gboolean on_hangup(gpointer userdata)
{
        Daemon *daemon = userdata;

        if (!daemon->ready || daemon->reloading || daemon->going)
                return G_SOURCE_CONTINUE;
        daemon->reloading = true;
        daemon_hold(daemon);
        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT,
                         g_get_monotonic_time());
        probe_again(daemon, on_features_anew);
        return G_SOURCE_CONTINUE;
}

static bool start(Daemon *daemon, GError **reterr)
{
        int n_passed;

        umask(0022);
        daemon->store = store_new(RUN_DIR, PIN_DIR, LOCK_TIMEOUT_SEC, reterr);
        if (!daemon->store)
                return false;
        daemon->peers = g_hash_table_new(NULL, NULL);
        daemon->api = bus_api_new(&ops, daemon);
        n_passed = sd_listen_fds(1);
        daemon->n_passed = MAX(n_passed, 0);
        daemon->private_socket = private_socket_new(daemon);
        daemon->bus = system_bus_new(daemon, !daemon->private_socket, reterr);
        if (!daemon->bus)
                return false;
        daemon->quota = quota_new();
        daemon->registry = registry_new(daemon->quota);
        daemon->tc_chains = tc_chains_new();
        daemon->authz = authz_new();
        daemon->workers = worker_pool_new(LIBEXECDIR "/bpfkeeper-worker",
                                          store_workers_lock_fd(daemon->store));
        daemon->program_types = make_program_types();
        /* Before the state is read: an interface that goes in between is seen by one or the other. */
        link_watch_start(daemon);
        daemon->grants = grants_watch_new(daemon, AUTHZ_GRANTS_DIR);
        if (!recover(daemon, reterr))
                return false;
        probe_start(daemon, publish);
        return true;
}

static void stop(Daemon *daemon)
{
        daemon->stopping = true;
        if (daemon->registry)
                registry_set_api(daemon->registry, NULL);
        /* Answers all that is in flight, while everything that answers need is still there. */
        worker_pool_free(daemon->workers);
        daemon->workers = NULL;
        audit_flush();
        grants_watch_free(daemon->grants);
        link_watch_stop(daemon);
        private_socket_free(daemon->private_socket);
        system_bus_free(daemon->bus);
        bus_api_free(daemon->api);
        g_clear_pointer(&daemon->peers, g_hash_table_unref);
        authz_free(daemon->authz);
        devices_free(daemon->devices);
        registry_free(daemon->registry);
        tc_chains_free(daemon->tc_chains);
        quota_free(daemon->quota);
        probe_stop(daemon);
        g_clear_pointer(&daemon->program_types, g_array_unref);
        store_free(daemon->store);
}

int daemon_run(unsigned idle_sec)
{
        Daemon daemon = {.idle_sec = idle_sec};
        g_autoptr(GError) error = NULL;

        daemon.loop = g_main_loop_new(NULL, FALSE);
        g_unix_signal_add(SIGTERM, on_signal, &daemon);
        g_unix_signal_add(SIGINT, on_signal, &daemon);
        g_unix_signal_add(SIGHUP, on_hangup, &daemon);
        start_watchdog();
        if (start(&daemon, &error))
                g_main_loop_run(daemon.loop);
        else {
                g_warning("Can't start: %s", error->message);
                daemon.exit_status = EXIT_FAILURE;
        }
        stop(&daemon);
        g_main_loop_unref(daemon.loop);
        return daemon.exit_status;
}
