/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-action.h"

#include <errno.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_bpf.h>

#include "kern-attach-internal.h"
#include "kern-hook-list.h"
#include "kern-info.h"
#include "kern-netlink.h"

#define KIND "bpf"

/* As much as the kernel keeps (TC_COOKIE_MAX_SIZE); tc(8) shows it. */
typedef struct Cookie {
        char maker[12];
        uint32_t handle;
} Cookie;

/* What the namespace has at an index. */
typedef struct Action {
        uint32_t index;   /* 0: nothing */
        uint32_t prog_id; /* 0: it is no program, but classic BPF */
        uint32_t n_uses;  /* by filters */
        uint32_t handle;  /* 0: it is somebody else's */
} Action;

bool kern_is_action(const KernType *type)
{
        return type->prog_type == BPF_PROG_TYPE_SCHED_ACT;
}

static Cookie cookie_of(uint32_t handle)
{
        Cookie cookie = {.maker = "bpfkeeper", .handle = handle};

        return cookie;
}

/* 0 where it isn't one of ours */
static uint32_t handle_of(const struct nlattr *cookie)
{
        Cookie theirs, ours;

        if (!cookie || nla_len(cookie) != (int)sizeof(theirs))
                return 0;
        memcpy(&theirs, nla_data(cookie), sizeof(theirs));
        ours = cookie_of(theirs.handle);
        return memcmp(&theirs, &ours, sizeof(ours)) == 0 ? theirs.handle : 0;
}

/* A request has a table of actions, and in it by their places those that it is about: here one, which is open. */
typedef struct Request {
        struct nl_msg *message; /* owned */
        struct nlattr *table, *action;
} Request;

static void request_done(Request *request)
{
        nlmsg_free(request->message);
}

#define AUTO_REQUEST KERN_CLEANUP(request_done) Request

static int request_begin(Request *request, int type, int flags)
{
        struct tcamsg *header;

        request->message = kern_netlink_new(type, flags, sizeof(*header), &header);
        if (!request->message)
                return -ENOMEM;
        request->table = nla_nest_start(request->message, TCA_ACT_TAB);
        request->action = request->table ? nla_nest_start(request->message, 1) : NULL;
        return !request->action || nla_put_string(request->message, TCA_ACT_KIND, KIND) < 0
                       ? -ENOMEM
                       : 0;
}

static void request_end(const Request *request)
{
        nla_nest_end(request->message, request->action);
        nla_nest_end(request->message, request->table);
}

/* About the one of that index. */
static int request_about(Request *request, int type, uint32_t index, KernNetlinkFound found,
                         void *userdata)
{
        if (request_begin(request, type, 0) < 0 ||
            nla_put_u32(request->message, TCA_ACT_INDEX, index) < 0)
                return -ENOMEM;
        request_end(request);
        return kern_netlink_talk(NETLINK_ROUTE, request->message, found, userdata);
}

static bool read_action(struct nlattr *action, Action *ret)
{
        struct nlattr *attributes[TCA_ACT_MAX + 1] = {0}, *options[TCA_ACT_BPF_MAX + 1] = {0};
        const struct nlattr *parameters;
        struct tc_act_bpf values;

        if (nla_parse_nested(attributes, TCA_ACT_MAX, action, NULL) < 0 ||
            !attributes[TCA_ACT_OPTIONS] ||
            nla_parse_nested(options, TCA_ACT_BPF_MAX, attributes[TCA_ACT_OPTIONS], NULL) < 0)
                return false;
        parameters = options[TCA_ACT_BPF_PARMS];
        if (!parameters || nla_len(parameters) < (int)sizeof(values))
                return false;
        memcpy(&values, nla_data(parameters), sizeof(values));
        *ret = (Action){.index = values.index,
                        .prog_id = kern_netlink_u32(options[TCA_ACT_BPF_ID]),
                        .n_uses = values.bindcnt > 0 ? (uint32_t)values.bindcnt : 0,
                        .handle = handle_of(attributes[TCA_ACT_COOKIE])};
        return true;
}

static struct nlattr *table_of(struct nlmsghdr *message)
{
        return nlmsg_find_attr(message, sizeof(struct tcamsg), TCA_ACT_TAB);
}

static int read_answer(struct nlmsghdr *message, void *userdata)
{
        struct nlattr *table = table_of(message);
        struct nlattr *action = table ? nla_find(nla_data(table), nla_len(table), 1) : NULL;

        return action && read_action(action, userdata) ? 0 : -EBADMSG;
}

/* 1: there is an action, 0: there is none, or a negative errno. */
static int find(uint32_t index, Action *ret)
{
        AUTO_REQUEST request = {0};
        Action action = {0};
        int r = request_about(&request, RTM_GETACTION, index, read_answer, &action);

        /* EINVAL, EOPNOTSUPP: no action of that kind was ever made, or the kernel has none. */
        if (r == -ENOENT || r == -EINVAL || r == -EOPNOTSUPP)
                return 0;
        if (r < 0)
                return r;
        *ret = action;
        return action.index == index;
}

int kern_action_has(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment)
{
        Action action;
        int r = find(hook->index, &action);

        if (r > 0)
                r = action.prog_id == prog_id && action.handle != 0 &&
                    action.handle == attachment->tc_handle;
        return r;
}

static int put_options(struct nl_msg *message, int prog_fd, const char *name, uint32_t index)
{
        const struct tc_act_bpf parameters = {.index = index, .action = TC_ACT_PIPE};
        struct nlattr *options = nla_nest_start(message, TCA_ACT_OPTIONS);

        if (!options || nla_put(message, TCA_ACT_BPF_PARMS, sizeof(parameters), &parameters) < 0 ||
            nla_put_u32(message, TCA_ACT_BPF_FD, (uint32_t)prog_fd) < 0 ||
            /* For who lists actions */
            nla_put_string(message, TCA_ACT_BPF_NAME, name) < 0)
                return -ENOMEM;
        nla_nest_end(message, options);
        return 0;
}

/* Makes an action, or with NLM_F_REPLACE puts it in the place of what is there. */
static int put(int prog_fd, const KernHook *hook, uint32_t handle, int flags)
{
        const Cookie cookie = cookie_of(handle);
        AUTO_REQUEST request = {0};
        KernProgramInfo info;
        int r;

        r = kern_program_info(prog_fd, &info);
        if (r < 0)
                return r;
        if (request_begin(&request, RTM_NEWACTION, NLM_F_CREATE | flags) < 0 ||
            nla_put(request.message, TCA_ACT_COOKIE, sizeof(cookie), &cookie) < 0 ||
            put_options(request.message, prog_fd, info.name, hook->index) < 0)
                return -ENOMEM;
        request_end(&request);
        return kern_netlink_talk(NETLINK_ROUTE, request.message, NULL, NULL);
}

/* ", with program 12 (count)" */
static void call_program(uint32_t id, char *ret, size_t size)
{
        KERN_AUTO_CLOSE int fd = id != 0 ? kern_program_open_id(id) : -1;
        KernProgramInfo info;

        ret[0] = '\0';
        if (fd >= 0 && kern_program_info(fd, &info) >= 0 && info.name[0] != '\0')
                snprintf(ret, size, ", with program %u (%s)", id, kern_text_clean(info.name));
        else if (id != 0)
                snprintf(ret, size, ", with program %u", id);
}

static int is_taken(const KernHook *hook, KernDiag *diag)
{
        char program[64] = "";
        Action action;

        if (find(hook->index, &action) > 0)
                call_program(action.prog_id, program, sizeof(program));
        return kern_fail(diag, -EEXIST, KERN_ERROR_HOOK_BUSY,
                         "tc has a bpf action of index %u already%s; give another index",
                         hook->index, program);
}

int kern_attach_action(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag)
{
        int r = put(prog_fd, hook, hook->tc_handle, NLM_F_EXCL);

        switch (-r) {
        case 0:
                attachment->tc_handle = hook->tc_handle;
                return 0;
        case EEXIST:
                return is_taken(hook, diag);
        case ENOENT:
        case EOPNOTSUPP:
                return kern_cant_attach(r, hook, diag);
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "The kernel makes no action of index %u: %s", hook->index,
                                 strerror(-r));
        }
}

static int delete (uint32_t index)
{
        AUTO_REQUEST request = {0};

        return request_about(&request, RTM_DELACTION, index, NULL, NULL);
}

static int is_used(const Action *action, KernDiag *diag)
{
        return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                         "Action %u is used by %u filter%s of tc; delete %s first", action->index,
                         action->n_uses, action->n_uses == 1 ? "" : "s",
                         action->n_uses == 1 ? "that" : "these");
}

int kern_action_detach(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment,
                       KernDiag *diag)
{
        int r = kern_action_has(prog_id, hook, attachment);
        Action action;

        /* The kernel has no "delete if it is this one": it could change hands in between. */
        if (r > 0)
                r = delete (hook->index);
        if (r == 0 || r == -ENOENT)
                return 0;
        if (r == -EPERM && find(hook->index, &action) > 0 && action.n_uses > 0)
                return is_used(&action, diag);
        return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't detach program %u, action %u of tc: %s",
                         prog_id, hook->index, strerror(-r));
}

int kern_action_replace(int new_fd, uint32_t old_id, const KernHook *hook,
                        const KernAttachment *attachment, KernDiag *diag)
{
        int r = kern_action_has(old_id, hook, attachment);

        if (r == 0)
                return kern_fail(diag, -ENOENT, KERN_ERROR_FAILED,
                                 "Program %u isn't action %u of tc any more", old_id, hook->index);
        /* As with deleting, the kernel replaces whatever is there, in an instant. */
        if (r > 0)
                r = put(new_fd, hook, attachment->tc_handle, NLM_F_REPLACE);
        return r >= 0 ? 0
                      : kern_fail(diag, r, KERN_ERROR_FAILED,
                                  "Can't put the program in the other one's place as action %u of "
                                  "tc: %s",
                                  hook->index, strerror(-r));
}

/* All that there are */

typedef struct Walk {
        KernOccupant occupant;
        KernOccupantFunc found;
        void *userdata;
} Walk;

static int list_action(struct nlattr *attribute, Walk *walk)
{
        KernOccupant *o = &walk->occupant;
        Action action;

        if (!read_action(attribute, &action))
                return 0;
        o->index = action.index;
        o->prog_id = action.prog_id;
        o->tc_handle = action.handle;
        return walk->found(o, walk->userdata);
}

static int list_actions(struct nlmsghdr *message, void *userdata)
{
        struct nlattr *table = table_of(message);
        struct nlattr *action;
        int rest, r = 0;

        if (!table)
                return 0;
        nla_for_each_nested(action, table, rest)
        {
                r = list_action(action, userdata);
                if (r != 0)
                        break;
        }
        return r;
}

int kern_actions_list(KernOccupantFunc found, void *userdata)
{
        AUTO_REQUEST request = {0};
        /* Each is a place of its own, and of one without a program there is nothing to be said but its kind. */
        Walk walk = {.occupant = {.type = kern_type_find("tc_action"), .position = 1, .name = KIND},
                     .found = found,
                     .userdata = userdata};
        int r;

        if (request_begin(&request, RTM_GETACTION, 0) < 0)
                return -ENOMEM;
        request_end(&request);
        r = kern_netlink_dump(NETLINK_ROUTE, request.message, list_actions, &walk);
        /* The kernel has none. */
        return r == -EINVAL || r == -ENOENT || r == -EOPNOTSUPP ? 0 : r;
}
