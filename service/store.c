/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "descriptor.h"
#include "errors.h"
#include "store-format.h"

/* Ids are reserved so many at a time: a file written for each would be one too many. */
#define ID_BLOCK 1000
/* How long the workers of an earlier daemon may take to end, killed as they are. */
#define WORKERS_TIMEOUT_SEC 10

struct Store {
        char *run_dir, *pin_dir;
        int run_fd, loads_fd, links_fd, changes_fd, logs_fd, lock_fd, workers_lock_fd;
        uint32_t next_id, reserved_id;
};

static const char *const kind_dirs[_BUS_KIND_MAX] = {
        [BUS_PROGRAM] = "program",
        [BUS_MAP] = "map",
        [BUS_LINK] = "link",
};

#define LOADS "loads"
#define LINKS "links"
#define CHANGES "changes"
#define PIN_PATH_MAX 256

static char *pin_path(const Store *s, BusKind kind, uint32_t id, unsigned part, char *ret)
{
        if (kind == BUS_LINK)
                g_snprintf(ret, PIN_PATH_MAX, "%s/link/%u_%u", s->pin_dir, id, part);
        else
                g_snprintf(ret, PIN_PATH_MAX, "%s/%s/%u", s->pin_dir, kind_dirs[kind], id);
        return ret;
}

/* Opens a directory below @at, making it where it is missing, with the mode that it is to have. */
static int open_dir(int at, const char *name, mode_t mode)
{
        int fd;

        if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        if (fchmod(fd, mode) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

static bool make_pin_dirs(Store *s, GError **reterr)
{
        g_autofree char *parent = g_path_get_dirname(s->pin_dir);
        struct statfs fs;

        if (statfs(parent, &fs) < 0 || fs.f_type != BPF_FS_MAGIC) {
                g_propagate_error(reterr, error_new(FAILED,
                                                    "No bpffs is mounted at %s; mount one: "
                                                    "mount -t bpf bpf %s",
                                                    parent, parent));
                return false;
        }
        if (mkdir(s->pin_dir, 0700) < 0 && errno != EEXIST) {
                g_propagate_error(reterr, error_from_errno(-errno, "make the directory for pins"));
                return false;
        }
        for (int i = 0; i < _BUS_KIND_MAX; i++) {
                g_autofree char *path = g_build_filename(s->pin_dir, kind_dirs[i], NULL);

                if (mkdir(path, 0700) < 0 && errno != EEXIST) {
                        g_propagate_error(reterr,
                                          error_from_errno(-errno, "make a directory for pins"));
                        return false;
                }
        }
        return true;
}

/* Opens a lock file, as a descriptor that is out of a worker's way, and waits for the lock. */
static int take_lock(Store *s, const char *name, unsigned timeout_sec, int *ret)
{
        int fd;

        fd = openat(s->run_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        *ret = fcntl(fd, F_DUPFD_CLOEXEC, 16);
        close(fd);
        if (*ret < 0)
                return -errno;
        for (unsigned i = 0; flock(*ret, LOCK_EX | LOCK_NB) < 0; i++) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (i >= timeout_sec * 200)
                        return -ETIMEDOUT;
                g_usleep(5000);
        }
        return 0;
}

/*
 * One lock for the daemon, and one that its workers inherit: who has both is alone, and nothing of
 * an earlier daemon goes on attaching while this one looks what is there. A worker that doesn't go
 * is killed already and stuck in its last system call; it must not keep the service away for ever.
 */
static bool take_locks(Store *s, unsigned timeout_sec, GError **reterr)
{
        int r;

        r = take_lock(s, "lock", timeout_sec, &s->lock_fd);
        if (r == -ETIMEDOUT) {
                g_propagate_error(reterr, error_new(FAILED, "Another bpfkeeperd is running."));
                return false;
        }
        if (r >= 0)
                r = take_lock(s, "workers.lock", WORKERS_TIMEOUT_SEC, &s->workers_lock_fd);
        if (r == -ETIMEDOUT)
                g_warning("A worker of an earlier service doesn't end; going on without it.");
        else if (r < 0) {
                g_propagate_error(reterr, error_from_errno(r, "take the lock"));
                return false;
        }
        return true;
}

/* What has a temporary name was not finished; what has no owner of its name was not given up whole. */
static void sweep_files(int dir_fd, int owners_fd)
{
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return;
        }
        while ((entry = readdir(dir)))
                if (g_str_has_prefix(entry->d_name, ".new-") ||
                    (owners_fd >= 0 && faccessat(owners_fd, entry->d_name, F_OK, 0) < 0 &&
                     errno == ENOENT))
                        unlinkat(dir_fd, entry->d_name, 0);
        closedir(dir);
}

static char *read_file(int dir_fd, const char *name, size_t *ret_size, GError **reterr)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", dir_fd, name);
        char *data;

        if (!g_file_get_contents(path, &data, ret_size, reterr))
                return NULL;
        return data;
}

/* As it is printed and no other way: "042" isn't the name of 42. */
static bool parse_number(const char *s, guint64 min, guint64 *ret)
{
        if (s[0] == '0' && s[1] != '\0')
                return false;
        return g_ascii_string_to_unsigned(s, 10, min, G_MAXUINT32, ret, NULL);
}

/* All or none: of what a list leaves out, the pins would be taken for leftovers. */
static GArray *list_ids(const Store *s, const char *name, GError **reterr)
{
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        int fd = openat(s->run_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        int r;

        while (dir && (errno = 0, entry = readdir(dir))) {
                guint64 n;
                uint32_t id;

                if (!parse_number(entry->d_name, 1, &n))
                        continue;
                id = (uint32_t)n;
                g_array_append_val(ids, id);
        }
        r = -errno;
        if (dir)
                closedir(dir);
        else if (fd >= 0)
                close(fd);
        if (r < 0) {
                g_propagate_error(reterr,
                                  error_new(FAILED, "Can't list the state files in %s/%s: %s",
                                            s->run_dir, name, g_strerror(-r)));
                return NULL;
        }
        registry_sort_ids(ids);
        return g_steal_pointer(&ids);
}

GArray *store_load_ids(Store *s, GError **reterr)
{
        return list_ids(s, LOADS, reterr);
}

GArray *store_link_ids(Store *s, GError **reterr)
{
        return list_ids(s, LINKS, reterr);
}

GArray *store_change_ids(Store *s, GError **reterr)
{
        return list_ids(s, CHANGES, reterr);
}

/* The id after all that there are files of: should next-id be damaged, none of them is overwritten. */
static bool unused_id(const Store *s, uint32_t *ret, GError **reterr)
{
        static const char *const names[] = {LOADS, LINKS};
        uint32_t last = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autoptr(GArray) ids = list_ids(s, names[i], reterr);

                if (!ids)
                        return false;
                if (ids->len > 0)
                        last = MAX(last, g_array_index(ids, uint32_t, ids->len - 1));
        }
        *ret = last + 1;
        return true;
}

static bool read_next_id(Store *s, GError **reterr)
{
        size_t size;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = read_file(s->run_fd, "next-id", &size, &error);
        guint64 id = 1;
        uint32_t unused;

        if (error && !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
                g_propagate_prefixed_error(reterr, g_steal_pointer(&error),
                                           "%s/next-id: ", s->run_dir);
                return false;
        }
        if (text)
                (void)g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, G_MAXUINT32, &id, NULL);
        if (!unused_id(s, &unused, reterr))
                return false;
        s->next_id = s->reserved_id = MAX((uint32_t)id, unused);
        return true;
}

Store *store_new(const char *run_dir, const char *pin_dir, unsigned timeout_sec, GError **reterr)
{
        g_autoptr(Store) s = g_new0(Store, 1);
        int r = 0;

        s->run_dir = g_strdup(run_dir);
        s->pin_dir = g_strdup(pin_dir);
        s->run_fd = s->loads_fd = s->links_fd = s->changes_fd = s->logs_fd = -1;
        s->lock_fd = s->workers_lock_fd = -1;
        s->run_fd = r = open_dir(AT_FDCWD, run_dir, 0755);
        if (r >= 0)
                s->loads_fd = r = open_dir(s->run_fd, LOADS, 0755);
        if (r >= 0)
                s->links_fd = r = open_dir(s->run_fd, LINKS, 0755);
        if (r >= 0)
                s->changes_fd = r = open_dir(s->run_fd, CHANGES, 0755);
        if (r >= 0)
                s->logs_fd = r = open_dir(s->run_fd, "logs", 0700);
        if (r < 0) {
                g_propagate_error(reterr, error_from_errno(r, "make the state directories"));
                return NULL;
        }
        if (!take_locks(s, timeout_sec, reterr) || !make_pin_dirs(s, reterr))
                return NULL;
        sweep_files(s->run_fd, -1);
        sweep_files(s->loads_fd, -1);
        sweep_files(s->links_fd, -1);
        sweep_files(s->changes_fd, s->links_fd);
        sweep_files(s->logs_fd, s->loads_fd);
        if (!read_next_id(s, reterr))
                return NULL;
        return g_steal_pointer(&s);
}

void store_free(Store *s)
{
        if (!s)
                return;
        descriptor_close(s->run_fd);
        descriptor_close(s->loads_fd);
        descriptor_close(s->links_fd);
        descriptor_close(s->changes_fd);
        descriptor_close(s->logs_fd);
        descriptor_close(s->lock_fd);
        descriptor_close(s->workers_lock_fd);
        g_free(s->run_dir);
        g_free(s->pin_dir);
        g_free(s);
}

int store_workers_lock_fd(const Store *s)
{
        return s->workers_lock_fd;
}

static int write_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

/* One writer, so one temporary name a file is enough. */
static int write_file(int dir_fd, const char *name, mode_t mode, const char *data, size_t size)
{
        char temporary[64];
        int fd, r;

        g_snprintf(temporary, sizeof(temporary), ".new-%s", name);
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        r = write_all(fd, data, size);
        close(fd);
        if (r == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(dir_fd, temporary, 0);
        return r;
}

static bool write_key_file(int dir_fd, uint32_t id, GKeyFile *file, GError **reterr)
{
        g_autofree char *data = NULL;
        char name[16];
        size_t size;
        int r;

        data = g_key_file_to_data(file, &size, NULL);
        g_snprintf(name, sizeof(name), "%u", id);
        r = write_file(dir_fd, name, 0644, data, size);
        if (r < 0)
                g_propagate_error(reterr, error_from_errno(r, "write the state file"));
        return r == 0;
}

bool store_next_id(Store *s, uint32_t *ret, GError **reterr)
{
        if (s->next_id == s->reserved_id) {
                char text[16];
                int r;

                g_snprintf(text, sizeof(text), "%u\n", s->reserved_id + ID_BLOCK);
                r = write_file(s->run_fd, "next-id", 0644, text, strlen(text));
                if (r < 0) {
                        g_propagate_error(reterr, error_from_errno(r, "write next-id"));
                        return false;
                }
                s->reserved_id += ID_BLOCK;
        }
        *ret = s->next_id++;
        return true;
}

bool store_write_load(Store *s, const Load *load, GError **reterr)
{
        g_autoptr(GKeyFile) file = store_format_load(load);

        return write_key_file(s->loads_fd, load->id, file, reterr);
}

static void remove_file(int dir_fd, uint32_t id)
{
        char name[16];

        g_snprintf(name, sizeof(name), "%u", id);
        unlinkat(dir_fd, name, 0);
}

void store_remove_load(Store *s, uint32_t id)
{
        remove_file(s->loads_fd, id);
        remove_file(s->logs_fd, id);
}

bool store_write_link(Store *s, const Link *link, GError **reterr)
{
        g_autoptr(GKeyFile) file = store_format_link(link);

        return write_key_file(s->links_fd, link->pub.id, file, reterr);
}

void store_remove_link(Store *s, uint32_t id)
{
        remove_file(s->links_fd, id);
        remove_file(s->changes_fd, id);
}

bool store_write_change(Store *s, const Link *link, GError **reterr)
{
        g_autoptr(GKeyFile) file = store_format_link(link);

        return write_key_file(s->changes_fd, link->pub.id, file, reterr);
}

void store_commit_change(Store *s, uint32_t id)
{
        char name[16];

        g_snprintf(name, sizeof(name), "%u", id);
        if (renameat(s->changes_fd, name, s->links_fd, name) < 0)
                g_warning("The state file of link %u: %s", id, g_strerror(errno));
}

void store_drop_change(Store *s, uint32_t id)
{
        remove_file(s->changes_fd, id);
}

int store_write_log(Store *s, uint32_t load_id, int fd)
{
        char name[16], temporary[32];
        struct stat st;
        off_t offset = 0;
        int to, r = 0;

        g_snprintf(name, sizeof(name), "%u", load_id);
        g_snprintf(temporary, sizeof(temporary), ".new-%u", load_id);
        to = openat(s->logs_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
        if (to < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        while (r == 0 && offset < st.st_size) {
                ssize_t n = sendfile(to, fd, &offset, (size_t)(st.st_size - offset));

                if (n <= 0)
                        r = n < 0 ? -errno : -EIO;
        }
        close(to);
        if (r == 0 && renameat(s->logs_fd, temporary, s->logs_fd, name) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(s->logs_fd, temporary, 0);
        return r;
}

int store_open_log(Store *s, uint32_t load_id)
{
        char name[16];
        int fd;

        g_snprintf(name, sizeof(name), "%u", load_id);
        fd = openat(s->logs_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

/* What was probed holds for this boot of this kernel; /run doesn't outlive it, kexec may. */
#define FEATURES "features"

GKeyFile *store_read_features(Store *s)
{
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autofree char *data = NULL, *release = NULL;
        struct utsname uts;
        size_t size;

        data = read_file(s->run_fd, FEATURES, &size, NULL);
        if (!data || !g_key_file_load_from_data(file, data, size, G_KEY_FILE_NONE, NULL))
                return NULL;
        release = g_key_file_get_string(file, "Kernel", "Release", NULL);
        if (uname(&uts) < 0 || g_strcmp0(release, uts.release) != 0 ||
            g_key_file_get_integer(file, "Kernel", "Version", NULL) != STORE_VERSION)
                return NULL;
        return g_steal_pointer(&file);
}

void store_write_features(Store *s, GKeyFile *features)
{
        g_autofree char *data = NULL;
        struct utsname uts;
        size_t size;

        if (uname(&uts) < 0)
                return;
        g_key_file_set_string(features, "Kernel", "Release", uts.release);
        g_key_file_set_integer(features, "Kernel", "Version", STORE_VERSION);
        data = g_key_file_to_data(features, &size, NULL);
        (void)write_file(s->run_fd, FEATURES, 0644, data, size);
}

int store_pin(Store *s, BusKind kind, uint32_t id, unsigned part, int fd)
{
        char path[PIN_PATH_MAX];

        return kern_pin(fd, pin_path(s, kind, id, part, path));
}

int store_open_pin(Store *s, BusKind kind, uint32_t id, unsigned part)
{
        char path[PIN_PATH_MAX];

        return kern_open_pin(pin_path(s, kind, id, part, path));
}

bool store_find_pin(Store *s, BusKind kind, uint32_t id, unsigned part, int *ret, GError **reterr)
{
        char path[PIN_PATH_MAX];
        int fd;

        fd = kern_open_pin(pin_path(s, kind, id, part, path));
        if (fd < 0 && fd != -ENOENT) {
                g_propagate_error(reterr, error_new(FAILED, "Can't open the pin %s: %s", path,
                                                    g_strerror(-fd)));
                return false;
        }
        *ret = MAX(fd, -1);
        return true;
}

void store_unpin(Store *s, BusKind kind, uint32_t id, unsigned part)
{
        char path[PIN_PATH_MAX];

        unlink(pin_path(s, kind, id, part, path));
}

int store_move_pin(Store *s, uint32_t link_id, unsigned from, unsigned to)
{
        char old[PIN_PATH_MAX], new[PIN_PATH_MAX];

        return rename(pin_path(s, BUS_LINK, link_id, from, old),
                      pin_path(s, BUS_LINK, link_id, to, new)) < 0
                       ? -errno
                       : 0;
}

static GKeyFile *read_key_file(const Store *s, const char *directory, uint32_t id, GError **reterr)
{
        g_autofree char *name = g_strdup_printf("%s/%u", directory, id);
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autofree char *data = NULL;
        size_t size;

        data = read_file(s->run_fd, name, &size, reterr);
        if (!data || !g_key_file_load_from_data(file, data, size, G_KEY_FILE_NONE, reterr)) {
                g_prefix_error(reterr, "%s/%s: ", s->run_dir, name);
                return NULL;
        }
        return g_steal_pointer(&file);
}

StoredLoad *store_read_load(Store *s, uint32_t id, GError **reterr)
{
        g_autoptr(GKeyFile) file = read_key_file(s, LOADS, id, reterr);

        return file ? store_parse_load(file, id, reterr) : NULL;
}

Link *store_read_link(Store *s, uint32_t id, GError **reterr)
{
        g_autoptr(GKeyFile) file = read_key_file(s, LINKS, id, reterr);

        return file ? store_parse_link(file, id, reterr) : NULL;
}

Link *store_read_change(Store *s, uint32_t id, GError **reterr)
{
        g_autoptr(GKeyFile) file = read_key_file(s, CHANGES, id, reterr);

        return file ? store_parse_link(file, id, reterr) : NULL;
}

/* "42" or, for links, "42_0" */
static bool parse_pin(BusKind kind, const char *name, uint32_t *ret_id, unsigned *ret_part)
{
        g_auto(GStrv) parts = g_strsplit(name, "_", 2);
        guint64 id, part = 0;

        if (!parts[0] || !parse_number(parts[0], 1, &id) ||
            (kind == BUS_LINK) != (parts[1] != NULL))
                return false;
        if (parts[1] && !parse_number(parts[1], 0, &part))
                return false;
        *ret_id = (uint32_t)id;
        *ret_part = (unsigned)part;
        return true;
}

void store_sweep_pins(Store *s, StoreKeepPin keep, void *userdata)
{
        for (int kind = 0; kind < _BUS_KIND_MAX; kind++) {
                g_autofree char *path = g_build_filename(s->pin_dir, kind_dirs[kind], NULL);
                g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
                const char *name;

                while (dir && (name = g_dir_read_name(dir))) {
                        g_autofree char *pin = g_build_filename(path, name, NULL);
                        unsigned part;
                        uint32_t id;

                        if (!parse_pin((BusKind)kind, name, &id, &part) ||
                            !keep((BusKind)kind, id, part, userdata))
                                unlink(pin);
                }
        }
}
