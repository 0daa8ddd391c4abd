/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "kern-embed.h"
#include "kern-info.h"
#include "kern-libbpf.h"
#include "kern-util.h"
#include "kern-xdp-arrange.h"
#include "kern-xdp-internal.h"

KERN_EMBED(kern_member, KERN_MEMBER_OBJECT);

#define TO_STRING(x) #x
#define NAME_OF(x) TO_STRING(x)
static const char placeholder[] = NAME_OF(KERN_MEMBER_NAME);

#define PAUSE_MSEC 10

void kern_xdp_pause(void)
{
        struct timespec t = {.tv_nsec = PAUSE_MSEC * 1000000L};

        (void)nanosleep(&t, NULL);
}

/* A program as libxdp takes it for becoming a member. */
typedef struct Member {
        uint32_t id;
        char *elf; /* as long as the object, that keeps pointers into it */
        struct bpf_object *object;
        struct xdp_program *program;
} Member;

static void member_done(Member *m)
{
        xdp_program__close(m->program);
        bpf_object__close(m->object);
        free(m->elf);
}

/* Members of one priority run in the order of their names: the stub has the program's. */
static int open_stub(Member *m, const char *name)
{
        const size_t n = sizeof(placeholder) - 1;
        char *p;

        if (strlen(name) > n)
                return -ENAMETOOLONG;
        m->elf = malloc(kern_member_size);
        if (!m->elf)
                return -ENOMEM;
        memcpy(m->elf, kern_member_object, kern_member_size);
        while ((p = memmem(m->elf, kern_member_size, placeholder, n))) {
                memset(p, 0, n);
                memcpy(p, name, strlen(name));
        }
        m->object = bpf_object__open_mem(m->elf, kern_member_size, NULL);
        return m->object ? 0 : -errno;
}

static int name_stub(Member *m, int extension_fd)
{
        struct xdp_program *program = xdp_program__from_fd(extension_fd);
        int r = (int)libxdp_get_error(program);

        if (r < 0)
                return r;
        m->id = xdp_program__id(program);
        r = open_stub(m, xdp_program__name(program));
        xdp_program__close(program);
        return r;
}

/*
 * libxdp takes priority and actions for a program that it has yet to load, and from an object file,
 * which is long gone here. So it gets a stub, is told how that is to run, and made to look for the
 * stub's descriptor, which a test run does first, whatever comes of it; then that descriptor becomes
 * one of the extension. From there on libxdp goes by the descriptor alone.
 */
static int make_member(const KernHook *hook, Member *m)
{
        struct bpf_program *stub;
        LIBBPF_OPTS(bpf_test_run_opts, run);
        int fd, r;

        r = name_stub(m, hook->extension_fd);
        if (r < 0)
                return r;
        stub = bpf_object__next_program(m->object, NULL);
        if (!stub)
                return -EBADMSG;
        if (hook->xdp_frags)
                bpf_program__set_flags(stub, BPF_F_XDP_HAS_FRAGS);
        r = bpf_object__load(m->object);
        if (r < 0)
                return r;
        m->program = kern_xdp_program_of(m->object, bpf_program__name(stub));
        r = (int)libxdp_get_error(m->program);
        if (r < 0) {
                m->program = NULL;
                return r;
        }
        r = xdp_program__set_run_prio(m->program, hook->priority);
        for (unsigned a = XDP_ABORTED; r >= 0 && a <= XDP_REDIRECT; a++)
                r = xdp_program__set_chain_call_enabled(m->program, a,
                                                        hook->proceed_on & (1U << a));
        if (r < 0)
                return r;
        (void)xdp_program__test_run(m->program, &run, 0);
        fd = xdp_program__fd(m->program);
        if (fd < 0)
                return -EOPNOTSUPP;
        return dup3(hook->extension_fd, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

static bool is_dispatcher(const struct xdp_multiprog *mp)
{
        const struct xdp_program *p = xdp_multiprog__main_prog(mp);

        return p && strcmp(xdp_program__name(p), "xdp_dispatcher") == 0;
}

int kern_xdp_look(uint32_t ifindex, struct xdp_multiprog **ret)
{
        for (int i = 0;; i++) {
                struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
                int r = (int)libxdp_get_error(mp);

                if (r == -ENOENT || (r >= 0 && !mp)) {
                        *ret = NULL;
                        return 0;
                }
                if (r < 0)
                        return r;
                if (!xdp_multiprog__is_legacy(mp) || !is_dispatcher(mp) || i == KERN_XDP_ATTEMPTS) {
                        *ret = mp;
                        return 0;
                }
                xdp_multiprog__close(mp);
                kern_xdp_pause();
        }
}

static struct xdp_program *find_member(const struct xdp_multiprog *mp, uint32_t id)
{
        struct xdp_program *p = NULL;

        while ((p = xdp_multiprog__next_prog(p, mp)))
                if (xdp_program__id(p) == id)
                        return p;
        return NULL;
}

static KernXdpMode kern_mode(enum xdp_attach_mode mode)
{
        return mode == XDP_MODE_SKB ? KERN_XDP_MODE_SKB : KERN_XDP_MODE_NATIVE;
}

/* Whether a member may be added to what is there; the mode that it is in goes to @mode. */
static int check_place(const KernHook *hook, const char *name, const struct xdp_multiprog *mp,
                       uint32_t id, enum xdp_attach_mode *mode, KernDiag *diag)
{
        *mode = xdp_multiprog__attach_mode(mp);
        if (xdp_multiprog__is_legacy(mp))
                return kern_xdp_busy(-EBUSY, hook, name, diag);
        if (find_member(mp, id))
                return kern_fail(diag, -EEXIST, KERN_ERROR_HOOK_BUSY,
                                 "The program is on interface %s already; load it again to have it "
                                 "there twice",
                                 name);
        if (xdp_multiprog__program_count(mp) >= KERN_XDP_MEMBERS_MAX)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "Interface %s has %d XDP programs already, and %d are as many as "
                                 "libxdp's dispatcher takes; detach one first",
                                 name, xdp_multiprog__program_count(mp), KERN_XDP_MEMBERS_MAX);
        if (hook->mode != KERN_XDP_MODE_AUTO && hook->mode != kern_mode(*mode))
                return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                                 "The XDP programs on interface %s run in %s mode, so that another "
                                 "can't join them in %s mode; leave the mode out",
                                 name, kern_xdp_mode_to_string(kern_mode(*mode)),
                                 kern_xdp_mode_to_string(hook->mode));
        return 0;
}

/* Somebody else changed what is on the interface, more often than libxdp tries again. */
static bool is_race(int r)
{
        return r == -EBUSY || r == -EAGAIN || r == -EEXIST;
}

/* 1: attached, 0: try again, or a negative errno; @ret_alone says whether nothing else was there. */
static int try_join(const KernHook *hook, const char *name, Member *m, bool *ret_alone,
                    KernDiag *diag)
{
        KERN_AUTO_MULTIPROG struct xdp_multiprog *mp = NULL;
        enum xdp_attach_mode mode =
                hook->mode == KERN_XDP_MODE_SKB ? XDP_MODE_SKB : XDP_MODE_NATIVE;
        int r;

        r = kern_xdp_look(hook->ifindex, &mp);
        if (r < 0)
                return r == -EOPNOTSUPP
                               ? kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                           "The dispatcher on interface %s is of a later version "
                                           "of libxdp than ours",
                                           name)
                               : r;
        *ret_alone = !mp;
        if (mp) {
                r = check_place(hook, name, mp, m->id, &mode, diag);
                if (r < 0)
                        return r;
        }
        r = xdp_program__attach(m->program, (int)hook->ifindex, mode, 0);
        /* As without a dispatcher: a driver may refuse for reasons of its own. */
        if (r < 0 && !is_race(r) && r != -ENODEV && *ret_alone && hook->mode == KERN_XDP_MODE_AUTO)
                r = xdp_program__attach(m->program, (int)hook->ifindex, XDP_MODE_SKB, 0);
        return r >= 0 ? 1 : is_race(r) ? 0 : r;
}

/* That libxdp did what it was told is asked of the interface. */
static int check_joined(const KernHook *hook, const Member *m, KernAttachment *attachment,
                        KernDiag *diag)
{
        KERN_AUTO_MULTIPROG struct xdp_multiprog *mp = NULL;
        const struct xdp_program *p;
        uint32_t actions = 0;
        int r;

        r = kern_xdp_look(hook->ifindex, &mp);
        if (r < 0)
                return r;
        p = mp ? find_member(mp, m->id) : NULL;
        if (!p)
                return kern_fail(diag, -ENOENT, KERN_ERROR_FAILED,
                                 "The program was removed from the interface by somebody else");
        for (unsigned a = XDP_ABORTED; a <= XDP_REDIRECT; a++)
                if (xdp_program__chain_call_enabled(p, (enum xdp_action)a))
                        actions |= 1U << a;
        /* It may be one of several with that priority. */
        if (xdp_program__run_prio(p) < hook->priority || actions != hook->proceed_on)
                return kern_fail(diag, -EPROTO, KERN_ERROR_FAILED,
                                 "libxdp gave the program priority %u instead of %u",
                                 xdp_program__run_prio(p), hook->priority);
        attachment->xdp_member = m->id;
        attachment->xdp_mode = kern_mode(xdp_multiprog__attach_mode(mp));
        return 0;
}

static int cant_join(int r, const KernHook *hook, const char *name, KernDiag *diag)
{
        if (r == -EINVAL)
                return kern_fail(
                        diag, r, KERN_ERROR_NOT_SUPPORTED,
                        "The kernel refuses the program beside those on interface %s (Invalid "
                        "argument). Since 6.12 it does so with programs that move the bounds of "
                        "packets or make tail calls, unless libxdp's dispatcher is made for them; "
                        "or they would make the interface's MTU too large for XDP",
                        name);
        if (r == -ENODEV)
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_INTERFACE,
                                 "There is no network interface with index %u", hook->ifindex);
        return kern_fail(diag, r, KERN_ERROR_FAILED,
                         "libxdp can't add the program to those on interface %s: %s", name,
                         strerror(-r));
}

int kern_xdp_join(const KernHook *hook, const char *name, KernAttachment *attachment,
                  KernDiag *diag)
{
        __attribute__((cleanup(member_done))) Member m = {0};
        KERN_AUTO_CAPTURE KernCapture capture;
        KernDiag refused = {0};
        bool alone = false;
        int r;

        kern_xdp_be_quiet();
        kern_capture_begin(&capture);
        r = make_member(hook, &m);
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't make the program one that libxdp takes: %s", strerror(-r));
        for (int i = 0; i < KERN_XDP_ATTEMPTS; i++) {
                r = try_join(hook, name, &m, &alone, diag);
                if (r != 0)
                        break;
                kern_xdp_pause();
        }
        if (r == 0)
                return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                                 "The XDP programs on interface %s are changed by others all the "
                                 "time; try again",
                                 name);
        if (r < 0 && alone && r != -ENODEV)
                return 0;
        if (r < 0)
                return cant_join(r, hook, name, diag);

        r = kern_xdp_arrange(hook->ifindex, hook->fellows, &KERN_XDP_CHANGE_NONE, diag);
        if (r >= 0)
                r = check_joined(hook, &m, attachment, diag);
        if (r >= 0)
                return 1;
        (void)kern_xdp_leave(hook->ifindex, m.id, &refused);
        kern_diag_clear(&refused);
        return cant_join(r, hook, name, diag);
}

int kern_xdp_lock(void)
{
        KERN_AUTO_CLOSE int fd = open(KERN_XDP_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                return -errno;
        return kern_take_fd(&fd);
}

/* Takes apart the directory of a dispatcher that never got on the interface, or is off it again. */
static void drop_directory(const char *name, uint32_t extension, bool whole)
{
        char path[512], pin[600];
        bool ours = false;
        unsigned i;

        snprintf(path, sizeof(path), KERN_XDP_DIR "/%.255s", name);
        for (i = 0; i < KERN_XDP_MEMBERS_MAX; i++) {
                snprintf(pin, sizeof(pin), "%s/prog%u-prog", path, i);
                if (kern_xdp_pinned_id(pin) == extension)
                        break;
        }
        ours = i < KERN_XDP_MEMBERS_MAX;
        for (unsigned k = 0; ours && k < KERN_XDP_MEMBERS_MAX; k++) {
                if (!whole && k != i)
                        continue;
                snprintf(pin, sizeof(pin), "%s/prog%u-link", path, k);
                (void)unlink(pin);
                snprintf(pin, sizeof(pin), "%s/prog%u-prog", path, k);
                (void)unlink(pin);
        }
        if (ours)
                (void)rmdir(path);
}

/*
 * What a worker left behind that was killed between libxdp's steps, and what an interface left that is
 * gone: dispatchers with our member that aren't on the interface. None of them can get there: who made
 * one while the member was there finds that something else is on the interface by now. Where there
 * is no such interface it may have moved to another network namespace with all that it has: there the
 * others' pins are still good.
 */
static void drop_leftovers(uint32_t ifindex, uint32_t extension)
{
        KERN_AUTO_CLOSE int lock = kern_xdp_lock();
        uint32_t current = 0;
        char prefix[32], now[48];
        struct dirent *entry;
        bool there;
        DIR *dir;

        if (lock < 0)
                return;
        dir = opendir(KERN_XDP_DIR);
        if (!dir)
                return;
        there = kern_xdp_current(ifindex, &current) >= 0;
        snprintf(prefix, sizeof(prefix), "dispatch-%u-", ifindex);
        snprintf(now, sizeof(now), "%s%u", prefix, current);
        while ((entry = readdir(dir)))
                if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
                    strcmp(entry->d_name, now) != 0)
                        drop_directory(entry->d_name, extension, there);
        closedir(dir);
}

/* 1: it isn't there (any more), 0: try again, or a negative errno. */
static int try_leave(uint32_t ifindex, uint32_t extension)
{
        KERN_AUTO_MULTIPROG struct xdp_multiprog *mp = NULL;
        struct xdp_program *p;
        int r;

        r = kern_xdp_look(ifindex, &mp);
        if (r == -ENODEV)
                return 1;
        if (r < 0)
                return r;
        p = mp ? find_member(mp, extension) : NULL;
        if (!p)
                return 1;
        r = xdp_program__detach_multi(&p, 1, (int)ifindex, xdp_multiprog__attach_mode(mp), 0);
        /* ENOENT: the dispatcher was another one by then, with or without it. */
        return r >= 0 || is_race(r) || r == -ENOENT ? 0 : r;
}

int kern_xdp_leave(uint32_t ifindex, uint32_t extension, KernDiag *diag)
{
        KERN_AUTO_CAPTURE KernCapture capture;
        int r = 0;

        kern_xdp_be_quiet();
        kern_capture_begin(&capture);
        for (int i = 0; i < KERN_XDP_ATTEMPTS && r == 0; i++) {
                if (i > 1)
                        kern_xdp_pause();
                r = try_leave(ifindex, extension);
        }
        if (r > 0) {
                drop_leftovers(ifindex, extension);
                return 0;
        }
        return kern_fail(diag, r < 0 ? r : -EBUSY, KERN_ERROR_FAILED,
                         "libxdp can't take the program off interface %u: %s", ifindex,
                         r < 0 ? strerror(-r) : "others change what is on it all the time");
}
