/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Interfaces, and the network namespaces that these are in or that programs are for. */

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include "attach-op.h"
#include "errors.h"
#include "kern-action.h"
#include "kern-holder.h"

GError *attach_hook_set_interface(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        bool by_name = g_str_equal(value->type, "s");
        int netns = op->files[KERN_PARAM_NETNS];
        char name[IF_NAMESIZE];
        KernHook *h = &op->hook;

        (void)uid;
        h->ifindex = by_name ? netns_interface_index(netns, value->s) : value->u;
        if (by_name && h->ifindex == 0)
                return error_new(NO_SUCH_INTERFACE, "There is no network interface '%s'%s.",
                                 value->s, netns < 0 ? "" : " in that network namespace");
        if (!netns_interface_name(netns, h->ifindex, name))
                return error_new(NO_SUCH_INTERFACE,
                                 "There is no network interface with the index %u%s.", h->ifindex,
                                 netns < 0 ? "" : " in that network namespace");
        /* The kernel takes nearly any bytes for a name, the bus and the state files don't. */
        if (!g_utf8_validate(name, -1, NULL))
                return error_new(INVALID_ARGUMENT,
                                 "The name of network interface %u isn't UTF-8; rename it.",
                                 h->ifindex);
        op->texts[param] = g_strdup(name);
        attach_hook_set_given(op, param);
        return NULL;
}

/* As for the target of a probe: a path is for root to give. */
static GError *open_netns(uid_t uid, const BusValue *value, int *ret)
{
        if (g_str_equal(value->type, "h"))
                *ret = fcntl(value->h, F_DUPFD_CLOEXEC, 3);
        else if (uid != 0)
                return error_new(MISSING_PARAMETER,
                                 "The network namespace is given as the path '%s'; only uid 0 may "
                                 "do so, others pass option 'netns' as a descriptor (D-Bus type "
                                 "'h').",
                                 value->s);
        else if (*value->s != '/')
                return error_new(INVALID_ARGUMENT,
                                 "The network namespace '%s' is no absolute path, such as "
                                 "/run/netns/%s.",
                                 value->s, value->s);
        else
                *ret = open(value->s, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (*ret < 0)
                return error_new(INVALID_ARGUMENT,
                                 "The network namespace '%s' can't be opened: %s%s.",
                                 g_str_equal(value->type, "h") ? "" : value->s, g_strerror(errno),
                                 errno == EACCES ? "; pass it as a descriptor" : "");
        return NULL;
}

GError *attach_hook_set_netns(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        const bool by_path = g_str_equal(value->type, "s");
        const KernType *type = op->hook.type;
        GError *error;
        int fd = -1, r;

        error = open_netns(uid, value, &fd);
        if (error)
                return error;
        r = netns_identify(fd, &op->netns);
        if (r == -EINVAL)
                error = error_new(INVALID_ARGUMENT,
                                  "%s%s%s is no network namespace; give one as it is in "
                                  "/run/netns, or a descriptor of one.",
                                  by_path ? "'" : "", by_path ? value->s : "The descriptor",
                                  by_path ? "'" : "");
        else if (r < 0)
                error = error_from_errno(r, "tell network namespaces apart");
        /* The service's own is where interfaces are anyway. */
        if (error ||
            (op->netns.inode == 0 && (!type || kern_type_takes(type, KERN_PARAM_BIT(param))))) {
                close(fd);
                return error;
        }
        attach_hook_use_file(op, param, fd, netns_text(fd));
        return NULL;
}

GError *attach_hook_check_netns(const AttachOp *op)
{
        const char *text = op->texts[KERN_PARAM_NETNS];

        if (!text || netns_text_is_path(text))
                return NULL;
        if (g_str_equal(op->hook.type->name, "tc"))
                return error_new(INVALID_ARGUMENT,
                                 "The network namespace %s has no path by which the service can "
                                 "find a tc filter again; give it as it is in /run/netns, or "
                                 "attach the program as tcx.",
                                 text);
        if (kern_is_action(op->hook.type) || kern_holder(&op->hook) != KERN_HOLDER_NONE)
                return error_new(INVALID_ARGUMENT,
                                 "The network namespace %s has no path by which the service can "
                                 "find the %s program again; give it as it is in /run/netns.",
                                 text, op->hook.type->name);
        return NULL;
}
