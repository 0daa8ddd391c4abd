/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bpfkeeper-unload-all: detaches and unloads whatever the service keeps, without the service.
 *
 * It is for the end of bpfkeeper on a machine. What holds programs and attachments are pins, which
 * anybody could remove; but a tc filter, or what a cgroup or a device holds, is nobody's pin, and can be told
 * from others' only by the state files. So a package that is purged some time after it was removed needs a program that is
 * not there any more: it keeps a copy of this one. The copy finds no libraries, and so this is linked
 * statically, and knows neither GLib nor the bus.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kern-holder.h"
#include "kern-info.h"
#include "state-file.h"

#define RUN_DIR "/run/bpfkeeper"
#define PIN_DIR "/sys/fs/bpf/bpfkeeper"

#define STATE_MAX 65536
#define PATH_SIZE (NAME_MAX + 64)
/* How long a service may take to end that was just told to, and workers that were killed. */
#define SERVICE_TIMEOUT_SEC 1
#define WORKERS_TIMEOUT_SEC 10

typedef struct Totals {
        unsigned programs, maps, links, failed;
} Totals;

static void close_dir(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}
#define AUTO_CLOSE_DIR __attribute__((cleanup(close_dir)))

/* The next entry whose name begins with a digit, as those of objects do and nobody else's. */
static const char *next_object(DIR *dir)
{
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
                        return entry->d_name;
        return NULL;
}

static int read_text(const char *path, char *ret, size_t size)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, ret, size - 1);
        if (n < 0)
                n = -errno;
        else
                ret[n] = '\0';
        close(fd);
        return n < 0 ? (int)n : 0;
}

/* Programs that belong to others, as the state files say: they are neither counted nor listed. */
typedef struct Extensions {
        uint32_t *ids;
        size_t n;
} Extensions;

static void extensions_done(Extensions *e)
{
        free(e->ids);
}
#define AUTO_EXTENSIONS __attribute__((cleanup(extensions_done)))

static void add_extension(Extensions *e, uint32_t id)
{
        uint32_t *ids = realloc(e->ids, (e->n + 1) * sizeof(*ids));

        if (!ids)
                return;
        ids[e->n++] = id;
        e->ids = ids;
}

static void find_extensions(Extensions *e)
{
        static const char key[] = "\nExtension=";
        AUTO_CLOSE_DIR DIR *dir = opendir(RUN_DIR "/loads");
        char path[PATH_SIZE], text[STATE_MAX];
        const char *name;

        while ((name = next_object(dir))) {
                snprintf(path, sizeof(path), RUN_DIR "/loads/%s", name);
                if (read_text(path, text, sizeof(text)) < 0)
                        continue;
                for (const char *p = text; (p = strstr(p, key)); p += strlen(key))
                        add_extension(e, (uint32_t)strtoul(p + strlen(key), NULL, 10));
        }
}

static bool is_extension(const Extensions *e, const char *id)
{
        uint32_t n = (uint32_t)strtoul(id, NULL, 10);

        for (size_t i = 0; i < e->n; i++)
                if (e->ids[i] == n)
                        return true;
        return false;
}

static int read_link(const char *directory, const char *id, StateLink *ret)
{
        char path[PATH_SIZE], text[STATE_MAX];
        int r;

        snprintf(path, sizeof(path), RUN_DIR "/%s/%s", directory, id);
        r = read_text(path, text, sizeof(text));
        return r < 0 ? r : state_parse_link(text, ret);
}

/* The links' descriptors; the pins go, for a link lasts as long as one. */
static int take_pins(const char *id, KernAttachment *attachment)
{
        size_t n = attachment->n_links;
        char path[PATH_SIZE];

        /* What the state file counted are pins; descriptors there are none yet. */
        attachment->link_fds = n > 0 ? malloc(n * sizeof(int)) : NULL;
        if (n > 0 && !attachment->link_fds) {
                attachment->n_links = 0;
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                snprintf(path, sizeof(path), PIN_DIR "/link/%s_%zu", id, i);
                attachment->link_fds[i] = kern_open_pin(path);
                unlink(path);
        }
        return 0;
}

/* Where this process is between two links. */
static int home = -1;

/* Enters the link's network namespace; false where that is gone, or no longer where it was. */
static bool enter_netns(const StateLink *link)
{
        struct stat st;
        bool entered;
        int fd;

        if (home < 0)
                home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        fd = open(link->netns, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        entered = home >= 0 && fd >= 0 && fstat(fd, &st) >= 0 && st.st_ino == link->netns_inode &&
                  setns(fd, CLONE_NEWNET) >= 0;
        if (fd >= 0)
                close(fd);
        return entered;
}

static void leave_netns(void)
{
        if (setns(home, CLONE_NEWNET) >= 0)
                return;
        fputs("bpfkeeper-unload-all: can't return to the own network namespace\n", stderr);
        exit(EXIT_FAILURE);
}

/*
 * The cgroup that holds the program: -1 where it is gone, and with it what was attached. false: it isn't
 * known.
 */
static bool open_cgroup(StateLink *link)
{
        struct stat st;
        int fd;

        fd = open(link->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT && link->cgroup[0] != '\0';
        if (fstat(fd, &st) >= 0 && st.st_ino == link->cgroup_id) {
                link->hook.cgroup_fd = fd;
        } else {
                close(fd);
        }
        return true;
}

/* The same for a device, which has the program. Another one may have its number by now, and not the program. */
static bool open_device(StateLink *link)
{
        struct stat st;
        int fd;

        fd = open(link->device, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
        if (fd < 0)
                return (errno == ENOENT || errno == ENXIO || errno == ENODEV) &&
                       link->device[0] != '\0';
        if (fstat(fd, &st) >= 0 && S_ISCHR(st.st_mode) && st.st_rdev == link->device_number) {
                link->hook.device_fd = fd;
        } else {
                close(fd);
        }
        return true;
}

/* What holds the program, where that is no kernel link's. */
static bool open_holder(StateLink *link)
{
        switch (kern_holder(&link->hook)) {
        case KERN_HOLDER_CGROUP:
                return open_cgroup(link);
        case KERN_HOLDER_DEVICE:
                return open_device(link);
        case KERN_HOLDER_MAP_ENTRY:
                link->hook.map_fd = kern_map_open_id(link->hook.map_id);
                return link->hook.map_fd >= 0 || link->hook.map_fd == -ENOENT;
        default:
                return true;
        }
}

static int detach(const char *id, StateLink *link)
{
        /* What has a kernel link is detached from anywhere. */
        const bool elsewhere = link->netns_inode != 0 && link->attachment.n_links == 0;
        KernDiag diag = {0};
        char path[PATH_SIZE];
        int prog_fd, r;
        int *holder;

        if (elsewhere && !enter_netns(link)) {
                fprintf(stderr,
                        "bpfkeeper-unload-all: the network namespace %s of link %s is gone or "
                        "can't "
                        "be reached; what is attached in it goes when it does\n",
                        kern_text_clean(link->netns), id);
                return 0;
        }
        snprintf(path, sizeof(path), PIN_DIR "/program/%u", link->program_id);
        prog_fd = kern_open_pin(path);
        r = take_pins(id, &link->attachment);
        if (r >= 0 && !open_holder(link))
                r = -errno;
        if (r >= 0)
                r = kern_detach(prog_fd, link->program_id, &link->hook, &link->attachment, &diag);
        kern_attachment_done(&link->attachment);
        if (prog_fd >= 0)
                close(prog_fd);
        holder = kern_holder_fd(&link->hook);
        if (holder && *holder >= 0)
                close(*holder);
        if (elsewhere)
                leave_netns();
        if (r < 0)
                fprintf(stderr, "bpfkeeper-unload-all: link %s stays: %s\n", id,
                        diag.message[0] ? diag.message : strerror(-r));
        kern_diag_clear(&diag);
        return r;
}

/*
 * As it was to be when the service was killed. The pins, where it has some, are the ones that there were;
 * without it may be attached as either file says.
 */
static int detach_changed(const char *id)
{
        StateLink link;

        if (read_link("changes", id, &link) < 0 || link.attachment.n_links > 0)
                return 0;
        return detach(id, &link);
}

static void detach_links(Totals *totals)
{
        AUTO_CLOSE_DIR DIR *dir = opendir(RUN_DIR "/links");
        const char *id;

        while ((id = next_object(dir))) {
                StateLink link;
                int r = read_link("links", id, &link);

                if (r < 0)
                        fprintf(stderr,
                                "bpfkeeper-unload-all: " RUN_DIR "/links/%s can't be read (%s): "
                                "if the link is of a kind that the kernel has none of, such as a "
                                "tc "
                                "filter, it stays\n",
                                id, strerror(-r));
                else
                        r = detach(id, &link);
                if (r >= 0)
                        r = detach_changed(id);
                if (r < 0)
                        totals->failed++;
                else if (unlinkat(dirfd(dir), id, 0) >= 0)
                        totals->links++;
        }
}

/* All that is in a directory; counts what it removed, but for @hidden. */
static unsigned empty(const char *path, const Extensions *hidden)
{
        AUTO_CLOSE_DIR DIR *dir = opendir(path);
        unsigned n = 0;
        const char *name;

        while ((name = next_object(dir)))
                n += unlinkat(dirfd(dir), name, 0) >= 0 && !is_extension(hidden, name);
        return n;
}

/* So that no service starts meanwhile, and no worker of the last one goes on attaching. */
static int take_lock(const char *path, unsigned timeout_sec)
{
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        for (unsigned i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (i >= timeout_sec * 100)
                        return -ETIMEDOUT;
                usleep(10000);
        }
        /* Held until the process ends. */
        return 0;
}

static int unload_all(void)
{
        AUTO_EXTENSIONS Extensions extensions = {0}, none = {0};
        Totals totals = {0};
        int r;

        r = take_lock(RUN_DIR "/lock", SERVICE_TIMEOUT_SEC);
        if (r == -ETIMEDOUT) {
                fputs("bpfkeeper-unload-all: bpfkeeperd is running: use bpfctl, or stop it by "
                      "'systemctl stop bpfkeeper.service'\n",
                      stderr);
                return EXIT_FAILURE;
        }
        if (r >= 0)
                r = take_lock(RUN_DIR "/workers.lock", WORKERS_TIMEOUT_SEC);
        if (r == -ETIMEDOUT) {
                fputs("bpfkeeper-unload-all: a worker doesn't end; going on without it\n", stderr);
        } else if (r < 0) {
                fprintf(stderr, "bpfkeeper-unload-all: can't take the lock in " RUN_DIR ": %s\n",
                        strerror(-r));
                return EXIT_FAILURE;
        }
        find_extensions(&extensions);
        detach_links(&totals);
        /* Without a file these are leftovers. */
        (void)empty(PIN_DIR "/link", &none);
        totals.programs = empty(PIN_DIR "/program", &extensions);
        totals.maps = empty(PIN_DIR "/map", &none);
        (void)empty(RUN_DIR "/changes", &none);
        (void)empty(RUN_DIR "/loads", &none);
        (void)empty(RUN_DIR "/logs", &none);
        printf("%u links detached, %u programs and %u maps unloaded\n", totals.links,
               totals.programs, totals.maps);
        return totals.failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void list_programs(void)
{
        AUTO_CLOSE_DIR DIR *dir = opendir(PIN_DIR "/program");
        AUTO_EXTENSIONS Extensions extensions = {0};
        const char *id;

        find_extensions(&extensions);
        while ((id = next_object(dir))) {
                char path[PATH_SIZE];
                KernProgramInfo info;
                int fd;

                if (is_extension(&extensions, id))
                        continue;

                snprintf(path, sizeof(path), PIN_DIR "/program/%s", id);
                fd = kern_open_pin(path);
                if (fd >= 0 && kern_program_info(fd, &info) >= 0)
                        printf("program %s: %s\n", id, kern_text_clean(info.name));
                if (fd >= 0)
                        close(fd);
        }
}

static void list_links(void)
{
        AUTO_CLOSE_DIR DIR *dir = opendir(RUN_DIR "/links");
        const char *id;

        while ((id = next_object(dir))) {
                StateLink link;

                if (read_link("links", id, &link) < 0)
                        continue;
                printf("link %s: %s (%s)", id, kern_text_clean(link.program_name),
                       link.hook.type->name);
                if (link.place[0])
                        printf(" on %s", kern_text_clean(link.place));
                putchar('\n');
        }
}

static const char usage[] = "Usage: bpfkeeper-unload-all [--list]\n"
                            "\n"
                            "Detaches and unloads whatever bpfkeeper keeps in the kernel, without "
                            "the service, which must\n"
                            "not run.\n"
                            "\n"
                            "  --list     only say what there is\n"
                            "  --help     show this\n"
                            "  --version  print the version\n";

int main(int argc, char **argv)
{
        static const struct option options[] = {
                {"list", no_argument, NULL, 'l'},
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'V'},
                {0},
        };
        bool list = false;
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'l':
                        list = true;
                        break;
                case 'h':
                        fputs(usage, stdout);
                        return EXIT_SUCCESS;
                case 'V':
                        puts("bpfkeeper-unload-all " PROJECT_VERSION);
                        return EXIT_SUCCESS;
                default:
                        return 2;
                }
        if (optind < argc) {
                fprintf(stderr, "bpfkeeper-unload-all: unexpected argument '%s'\n", argv[optind]);
                return 2;
        }
        if (geteuid() != 0) {
                fputs("bpfkeeper-unload-all: must run as root\n", stderr);
                return EXIT_FAILURE;
        }
        if (!list)
                return unload_all();
        list_programs();
        list_links();
        return EXIT_SUCCESS;
}
