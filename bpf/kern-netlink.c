/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "kern-util.h"

/* How often a list may change while it is read. */
#define ATTEMPTS 10

typedef struct Answer {
        struct nl_msg **messages; /* owned */
        size_t n;
        int error; /* the kernel's word, or our own */
        /* who is told of messages as they come; NULL where they are kept */
        KernNetlinkFound found;
        void *userdata;
        int ended; /* what it returned */
        /* where the kernel's reason for an error goes, or NULL */
        char *reason;
        size_t reason_size;
} Answer;

static void answer_done(Answer *answer)
{
        for (size_t i = 0; i < answer->n; i++)
                nlmsg_free(answer->messages[i]);
        free(answer->messages);
        *answer = (Answer){0};
}

static void close_socket(struct nl_sock **socket)
{
        nl_socket_free(*socket);
}

static int keep(struct nl_msg *message, void *userdata)
{
        Answer *answer = userdata;
        struct nl_msg **messages;

        if (answer->found) {
                answer->ended = answer->found(nlmsg_hdr(message), answer->userdata);
                return answer->ended == 0 ? NL_OK : NL_STOP;
        }
        messages = realloc(answer->messages, (answer->n + 1) * sizeof(struct nl_msg *));
        if (!messages) {
                answer->error = -ENOMEM;
                return NL_STOP;
        }
        nlmsg_get(message);
        messages[answer->n++] = message;
        answer->messages = messages;
        return NL_OK;
}

static int stop(struct nl_msg *message, void *userdata)
{
        (void)message, (void)userdata;
        return NL_STOP;
}

/* A list that broke off has an error at its end. */
static int finish(struct nl_msg *message, void *userdata)
{
        const struct nlmsghdr *header = nlmsg_hdr(message);
        Answer *answer = userdata;
        int error = 0;

        if (nlmsg_datalen(header) >= (int)sizeof(error))
                memcpy(&error, nlmsg_data(header), sizeof(error));
        if (error < 0)
                answer->error = error;
        return NL_STOP;
}

/* In the kernel's own words, behind the request that it is about or that one's header. */
static void read_reason(const struct nlmsgerr *error, const Answer *answer)
{
        const struct nlmsghdr *header = (const void *)((const char *)error - NLMSG_HDRLEN);
        const uint32_t about = header->nlmsg_flags & NLM_F_CAPPED
                                       ? NLMSG_HDRLEN
                                       : NLMSG_ALIGN(error->msg.nlmsg_len);
        const uint32_t begin = NLMSG_HDRLEN + sizeof(error->error) + about;

        if (answer->reason && (header->nlmsg_flags & NLM_F_ACK_TLVS) && header->nlmsg_len > begin)
                kern_netlink_text(nla_find((const void *)((const char *)header + begin),
                                           (int)(header->nlmsg_len - begin), NLMSGERR_ATTR_MSG),
                                  answer->reason, answer->reason_size);
}

/* Who has the right to in a network namespace may write to anybody's socket there, which libnl doesn't mind. */
static int check_sender(struct nl_msg *message, void *userdata)
{
        Answer *answer = userdata;

        if (nlmsg_get_src(message)->nl_pid == 0)
                return NL_OK;
        answer->error = -EBADMSG;
        return NL_STOP;
}

/* libnl has numbers of its own for errors, which are fewer. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *userdata)
{
        Answer *answer = userdata;

        (void)from;
        answer->error = error->error;
        read_reason(error, answer);
        return NL_STOP;
}

static int errno_of(int nl_error)
{
        switch (abs(nl_error)) {
        case NLE_DUMP_INTR:
                return -EINTR;
        case NLE_NOMEM:
                return -ENOMEM;
        case NLE_PROTO_MISMATCH:
                return -EPROTONOSUPPORT;
        case NLE_AF_NOSUPPORT:
                return -EAFNOSUPPORT;
        case NLE_PERM:
        case NLE_NOACCESS:
                return -EPERM;
        default:
                return -EIO;
        }
}

static int ask(int protocol, struct nl_msg *request, Answer *answer)
{
        KERN_CLEANUP(close_socket) struct nl_sock *socket = nl_socket_alloc();
        const int yes = 1;
        int r;

        if (!socket)
                return -ENOMEM;
        nl_socket_modify_cb(socket, NL_CB_MSG_IN, NL_CB_CUSTOM, check_sender, answer);
        nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, keep, answer);
        nl_socket_modify_cb(socket, NL_CB_ACK, NL_CB_CUSTOM, stop, NULL);
        nl_socket_modify_cb(socket, NL_CB_FINISH, NL_CB_CUSTOM, finish, answer);
        nl_socket_modify_err_cb(socket, NL_CB_CUSTOM, on_error, answer);
        r = nl_connect(socket, protocol);
        /* Kernels before 4.20 don't know it, and give all that there is. */
        if (r >= 0 && answer->found)
                (void)setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK,
                                 &yes, sizeof(yes));
        if (r >= 0 && answer->reason)
                (void)setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_EXT_ACK, &yes,
                                 sizeof(yes));
        if (r >= 0)
                r = nl_send_auto(socket, request);
        if (r >= 0)
                r = nl_recvmsgs_default(socket);
        if (answer->error != 0)
                return answer->error;
        return r < 0 ? errno_of(r) : 0;
}

static int tell(const Answer *answer, KernNetlinkFound found, void *userdata)
{
        int r = 0;

        for (size_t i = 0; r == 0 && found && i < answer->n; i++)
                r = found(nlmsg_hdr(answer->messages[i]), userdata);
        return r;
}

int kern_netlink_talk(int protocol, struct nl_msg *request, KernNetlinkFound found, void *userdata)
{
        KERN_CLEANUP(answer_done) Answer answer = {0};
        int r = ask(protocol, request, &answer);

        return r < 0 ? r : tell(&answer, found, userdata);
}

int kern_netlink_tell(int protocol, struct nl_msg *request, char *ret_reason, size_t size)
{
        KERN_CLEANUP(answer_done) Answer answer = {.reason = ret_reason, .reason_size = size};

        ret_reason[0] = '\0';
        return ask(protocol, request, &answer);
}

int kern_netlink_dump(int protocol, struct nl_msg *request, KernNetlinkFound found, void *userdata)
{
        nlmsg_hdr(request)->nlmsg_flags |= NLM_F_DUMP;
        for (int attempt = 1;; attempt++) {
                KERN_CLEANUP(answer_done) Answer answer = {0};
                int r;

                /* Each has a number of its own. */
                nlmsg_hdr(request)->nlmsg_seq = NL_AUTO_SEQ;
                nlmsg_hdr(request)->nlmsg_pid = NL_AUTO_PORT;
                r = ask(protocol, request, &answer);
                if (r == -EINTR && attempt < ATTEMPTS)
                        continue;
                return r < 0 ? r : tell(&answer, found, userdata);
        }
}

int kern_netlink_walk(int protocol, struct nl_msg *request, KernNetlinkFound found, void *userdata)
{
        KERN_CLEANUP(answer_done) Answer answer = {.found = found, .userdata = userdata};
        int r;

        nlmsg_hdr(request)->nlmsg_flags |= NLM_F_DUMP;
        nlmsg_hdr(request)->nlmsg_seq = NL_AUTO_SEQ;
        nlmsg_hdr(request)->nlmsg_pid = NL_AUTO_PORT;
        r = ask(protocol, request, &answer);
        return r < 0 ? r : answer.ended;
}

struct nl_msg *kern_netlink_new(int type, int flags, size_t size, void *ret)
{
        KERN_AUTO_NETLINK struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
        struct nl_msg *made;
        void *header = message ? nlmsg_reserve(message, size, NLMSG_ALIGNTO) : NULL;

        if (!header)
                return NULL;
        memset(header, 0, size);
        *(void **)ret = header;
        made = message;
        message = NULL;
        return made;
}

void kern_netlink_text(const struct nlattr *attribute, char *ret, size_t size)
{
        snprintf(ret, size, "%.*s", attribute ? nla_len(attribute) : 0,
                 attribute ? (const char *)nla_data(attribute) : "");
}

uint32_t kern_netlink_u32(const struct nlattr *attribute)
{
        return attribute && nla_len(attribute) == (int)sizeof(uint32_t) ? nla_get_u32(attribute)
                                                                        : 0;
}
