/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "authz.h"
#include "bus-ops.h"
#include "quota.h"
#include "peer.h"
#include "registry.h"
#include "store.h"
#include "worker-pool.h"

/* The running service: its parts, and what they share. */
typedef struct Daemon {
        struct SystemBus *bus;
        struct PrivateSocket *private_socket; /* NULL: there is none */
        GHashTable *peers;                    /* sd_bus → PeerTable: all connections' */
        BusApi *api;
        Quota *quota;
        Registry *registry;
        Store *store;
        WorkerPool *workers;
        Authz *authz;
        struct Netwatch *netwatch;
        CgroupWatch *cgroup_watch;
        Devices *devices;
        struct GrantsWatch *grants;
        struct TcChains *tc_chains;
        guint look_idle;       /* link-watch.c's */
        GArray *program_types; /* BusProgramType; the last has a NULL name */
        GArray *features;      /* BusFeature; the last has a NULL name */
        GMainLoop *loop;
        int n_passed;    /* descriptors from systemd, from SD_LISTEN_FDS_START on */
        unsigned n_busy; /* requests and other work that isn't done */
        gint64 last_activity, last_trim;
        unsigned idle_sec; /* 0: never leave */
        guint idle_timer;
        bool ready; /* whoever waits for the service to be there was told */
        bool reloading;
        bool going;    /* told to leave, or about to by itself */
        bool leaving;  /* the bus name is given up; going down when all is done */
        bool stopping; /* the loop has ended; what is still answered begins nothing */
        int exit_status;
} Daemon;

/*
 * Runs the service until it is told to stop, or has had nothing to do for @idle_sec (0: for ever);
 * what is loaded and attached stays. Returns the process's exit status.
 */
int daemon_run(unsigned idle_sec);

/* The service can be reached by who waits for it. */
void daemon_is_ready(Daemon *daemon);

/* Ends the main loop, and with it the process. */
void daemon_quit(Daemon *daemon, int status);

/* Whether the kernel has what Manager.Features calls so. */
bool daemon_has_feature(const Daemon *daemon, const char *name);

/* Something is going on that must end before the service may leave. */
void daemon_hold(Daemon *daemon);
void daemon_release(Daemon *daemon);
