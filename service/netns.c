/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <glib.h>
#include <linux/net_namespace.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>

#include "descriptor.h"
#include "kern-netlink.h"

/* The ids: those that the service's own namespace has for others */

typedef struct Question {
        uint16_t type;
        uint16_t attribute;
        uint32_t value;
        bool assign;
} Question;

static int on_answer(struct nlmsghdr *header, void *userdata)
{
        const struct nlattr *id = nlmsg_find_attr(header, sizeof(struct rtgenmsg), NETNSA_NSID);

        if (id && nla_len(id) == (int)sizeof(int32_t))
                *(int32_t *)userdata = (int32_t)nla_get_u32(id);
        return 0;
}

/* One question to the kernel, which answers at once. 0 or a negative errno. */
static int ask(const Question *q, int32_t *ret_id)
{
        struct rtgenmsg *header;
        KERN_AUTO_NETLINK struct nl_msg *request =
                kern_netlink_new(q->type, 0, sizeof(*header), &header);

        if (!request || nla_put_u32(request, q->attribute, q->value) < 0 ||
            (q->assign &&
             nla_put_u32(request, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED) < 0))
                return -ENOMEM;
        return kern_netlink_talk(NETLINK_ROUTE, request, on_answer, ret_id);
}

static int id_of(int fd, int32_t *ret)
{
        const Question get = {.type = RTM_GETNSID, .attribute = NETNSA_FD, .value = (uint32_t)fd};
        const Question assign = {.type = RTM_NEWNSID,
                                 .attribute = NETNSA_FD,
                                 .value = (uint32_t)fd,
                                 .assign = true};
        int32_t id = NETNSA_NSID_NOT_ASSIGNED;
        int r;

        r = ask(&get, &id);
        if (r >= 0 && id == NETNSA_NSID_NOT_ASSIGNED) {
                /* EEXIST: somebody else was first. */
                r = ask(&assign, &id);
                if (r >= 0 || r == -EEXIST)
                        r = ask(&get, &id);
        }
        if (r >= 0 && id == NETNSA_NSID_NOT_ASSIGNED)
                r = -ENOENT;
        if (r >= 0)
                *ret = id;
        return r;
}

static bool is_alive(int32_t id)
{
        const Question get = {.type = RTM_GETNSID, .attribute = NETNSA_NSID, .value = (uint32_t)id};
        int32_t same;

        /* A kernel that can't tell may have it. */
        return ask(&get, &same) != -ENOENT;
}

/* Descriptors */

/* Whether it is a namespace's file, told without asking whoever may be behind it; see descriptor.h. */
static bool look(int fd, const struct stat *own, struct statx *ret)
{
        return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, ret) == 0 &&
               makedev(ret->stx_dev_major, ret->stx_dev_minor) == own->st_dev;
}

/* All namespaces are files of one file system. */
static int look_at_own(struct stat *ret)
{
        return stat("/proc/self/ns/net", ret) < 0 ? -errno : 0;
}

int netns_identify(int fd, Netns *ret)
{
        Netns netns = NETNS_INIT;
        struct statx st;
        struct stat own;
        int r;

        r = look_at_own(&own);
        if (r < 0)
                return r;
        if (!look(fd, &own, &st) || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
                return -EINVAL;
        if (st.stx_ino != own.st_ino) {
                netns.inode = st.stx_ino;
                r = id_of(fd, &netns.id);
                if (r < 0)
                        return r;
        }
        *ret = netns;
        return 0;
}

char *netns_text(int fd)
{
        g_autofree char *path = descriptor_path(fd);
        struct stat st;

        if (netns_text_is_path(path))
                return g_steal_pointer(&path);
        return g_strdup_printf("net:[%" G_GUINT64_FORMAT "]",
                               fstat(fd, &st) == 0 ? (guint64)st.st_ino : 0);
}

bool netns_text_is_path(const char *text)
{
        return *text == '/';
}

/* What is at the path by now may be anything: it is opened only once it is known to be the namespace. */
static int reopen(const char *path, const Netns *netns)
{
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        char self[32];
        struct statx st;
        struct stat own;
        int place, fd = -1;

        place = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
        if (place < 0)
                return -errno;
        g_snprintf(self, sizeof(self), "/proc/self/fd/%d", place);
        if (look_at_own(&own) >= 0 && look(place, &own, &st) && st.stx_ino == netns->inode)
                fd = open(self, O_RDONLY | O_CLOEXEC);
        close(place);
        return fd;
}

int netns_open(const char *text, const Netns *netns)
{
        Netns found;
        int fd;

        fd = netns_text_is_path(text) ? reopen(text, netns) : -1;
        if (fd >= 0 && netns_identify(fd, &found) >= 0 && found.id == netns->id)
                return fd;
        if (fd >= 0)
                close(fd);
        return is_alive(netns->id) ? -EXDEV : -ENOENT;
}

typedef struct Visit {
        int fd;
        int (*run)(void *userdata);
        void *userdata;
} Visit;

static gpointer visit(gpointer userdata)
{
        const Visit *v = userdata;

        return GINT_TO_POINTER(setns(v->fd, CLONE_NEWNET) < 0 ? -errno : v->run(v->userdata));
}

int netns_run(int fd, int (*run)(void *userdata), void *userdata)
{
        Visit v = {fd, run, userdata};
        GThread *thread;

        if (fd < 0)
                return run(userdata);
        thread = g_thread_try_new("netns", visit, &v, NULL);
        return thread ? GPOINTER_TO_INT(g_thread_join(thread)) : -EAGAIN;
}

typedef struct Interface {
        uint32_t index;
        char name[IF_NAMESIZE];
} Interface;

static int find_index(void *userdata)
{
        Interface *i = userdata;

        i->index = if_nametoindex(i->name);
        return i->index > 0;
}

uint32_t netns_interface_index(int fd, const char *name)
{
        Interface i = {0};

        if (g_strlcpy(i.name, name, sizeof(i.name)) >= sizeof(i.name))
                return 0;
        return netns_run(fd, find_index, &i) > 0 ? i.index : 0;
}

static int find_name(void *userdata)
{
        Interface *i = userdata;

        return if_indextoname(i->index, i->name) != NULL;
}

const char *netns_interface_name(int fd, uint32_t ifindex, char *ret)
{
        Interface i = {.index = ifindex};

        if (netns_run(fd, find_name, &i) <= 0)
                return NULL;
        memcpy(ret, i.name, sizeof(i.name));
        return ret;
}
