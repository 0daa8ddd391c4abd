/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_bpf.h>

#include "kern-action.h"
#include "kern-attach-internal.h"
#include "kern-change.h"
#include "kern-info.h"
#include "kern-netlink.h"

/* A kernel that has one action at most, and what is made of its answers. */

#define OLD 42
#define NEW 43
#define INDEX 7
#define HANDLE 0x80000003

static struct {
        bool exists;
        struct tc_act_bpf parameters;
        uint32_t prog_id; /* whose descriptor is the same number */
        uint8_t cookie[16];
        char name[16];
} action;
static int error;   /* of the next request that changes something, or 0 */
static int lacking; /* how it says that there is no action */
static unsigned n_changes;
static int cookie_size, parameters_size; /* as it answers */

int __wrap_kern_netlink_talk(int protocol, struct nl_msg *request, KernNetlinkFound found,
                             void *userdata);
int __wrap_kern_program_info(int fd, KernProgramInfo *ret);
int __wrap_kern_program_open_id(uint32_t id);

int __wrap_kern_program_info(int fd, KernProgramInfo *ret)
{
        memset(ret, 0, sizeof(*ret));
        ret->id = (uint32_t)fd;
        snprintf(ret->name, sizeof(ret->name), "prog_%d", fd);
        return 0;
}

/* Nobody may look at other people's programs here. */
int __wrap_kern_program_open_id(uint32_t id)
{
        (void)id;
        return -EPERM;
}

static int answer_action(KernNetlinkFound found, void *userdata)
{
        struct tcamsg *header;
        KERN_AUTO_NETLINK struct nl_msg *message =
                kern_netlink_new(RTM_GETACTION, 0, sizeof(*header), &header);
        struct nlattr *table = nla_nest_start(message, TCA_ACT_TAB);
        struct nlattr *one = nla_nest_start(message, 1);
        struct nlattr *options;

        nla_put_string(message, TCA_ACT_KIND, "bpf");
        if (cookie_size > 0)
                nla_put(message, TCA_ACT_COOKIE, cookie_size, action.cookie);
        options = nla_nest_start(message, TCA_ACT_OPTIONS);
        nla_put(message, TCA_ACT_BPF_PARMS, parameters_size, &action.parameters);
        if (action.prog_id != 0)
                nla_put_u32(message, TCA_ACT_BPF_ID, action.prog_id);
        nla_nest_end(message, options);
        nla_nest_end(message, one);
        nla_nest_end(message, table);
        return found(nlmsg_hdr(message), userdata);
}

static int make(int flags, struct nlattr **wanted)
{
        struct nlattr *options[TCA_ACT_BPF_MAX + 1] = {0};
        struct tc_act_bpf parameters;

        assert_int_equal(nla_parse_nested(options, TCA_ACT_BPF_MAX, wanted[TCA_ACT_OPTIONS], NULL),
                         0);
        assert_int_equal(nla_len(options[TCA_ACT_BPF_PARMS]), sizeof(parameters));
        memcpy(&parameters, nla_data(options[TCA_ACT_BPF_PARMS]), sizeof(parameters));
        assert_int_equal(parameters.index, INDEX);
        assert_int_equal(parameters.action, TC_ACT_PIPE);
        assert_true(flags & NLM_F_CREATE);
        assert_true(flags & (NLM_F_EXCL | NLM_F_REPLACE));
        if (action.exists && !(flags & NLM_F_REPLACE))
                return -EEXIST;
        parameters.bindcnt = action.parameters.bindcnt;
        action.parameters = parameters;
        action.exists = true;
        action.prog_id = nla_get_u32(options[TCA_ACT_BPF_FD]);
        assert_int_equal(nla_len(wanted[TCA_ACT_COOKIE]), sizeof(action.cookie));
        memcpy(action.cookie, nla_data(wanted[TCA_ACT_COOKIE]), sizeof(action.cookie));
        snprintf(action.name, sizeof(action.name), "%s", nla_get_string(options[TCA_ACT_BPF_NAME]));
        return 0;
}

int __wrap_kern_netlink_talk(int protocol, struct nl_msg *request, KernNetlinkFound found,
                             void *userdata)
{
        const struct nlmsghdr *header = nlmsg_hdr(request);
        struct nlattr *table =
                nlmsg_find_attr(nlmsg_hdr(request), sizeof(struct tcamsg), TCA_ACT_TAB);
        struct nlattr *wanted[TCA_ACT_MAX + 1] = {0};
        const int e = error;

        assert_int_equal(protocol, NETLINK_ROUTE);
        assert_int_equal(nla_parse_nested(wanted, TCA_ACT_MAX,
                                          nla_find(nla_data(table), nla_len(table), 1), NULL),
                         0);
        assert_string_equal(nla_get_string(wanted[TCA_ACT_KIND]), "bpf");
        if (header->nlmsg_type != RTM_NEWACTION)
                assert_int_equal(nla_get_u32(wanted[TCA_ACT_INDEX]), INDEX);
        if (header->nlmsg_type == RTM_GETACTION)
                return action.exists ? answer_action(found, userdata) : -lacking;
        n_changes++;
        if (e != 0) {
                error = 0;
                return -e;
        }
        if (header->nlmsg_type == RTM_NEWACTION)
                return make(header->nlmsg_flags, wanted);
        assert_int_equal(header->nlmsg_type, RTM_DELACTION);
        if (action.parameters.bindcnt > 0)
                return -EPERM;
        action.exists = false;
        return 0;
}

static int set_up(void **state)
{
        (void)state;
        memset(&action, 0, sizeof(action));
        error = 0;
        n_changes = 0;
        lacking = ENOENT;
        cookie_size = sizeof(action.cookie);
        parameters_size = sizeof(action.parameters);
        return 0;
}

static KernHook sample_hook(void)
{
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find("tc_action");
        hook.given = KERN_PARAM_BIT(KERN_PARAM_INDEX);
        hook.index = INDEX;
        hook.tc_handle = HANDLE;
        return hook;
}

static void attach(KernAttachment *attachment)
{
        KernHook hook = sample_hook();

        assert_int_equal(kern_attach(OLD, &hook, attachment, NULL), 0);
        assert_int_equal(attachment->n_links, 0);
        assert_int_equal(attachment->tc_handle, HANDLE);
}

static void type(void **state)
{
        (void)state;
        assert_true(kern_is_action(kern_type_find("tc_action")));
        assert_false(kern_is_action(kern_type_find("tc")));
}

static void attached_and_detached(void **state)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = sample_hook();

        (void)state;
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 0);
        attach(&attachment);
        assert_string_equal(action.name, "prog_42");
        assert_memory_equal(action.cookie, "bpfkeeper", sizeof("bpfkeeper"));
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 1);
        assert_int_equal(kern_is_attached(NEW, &hook, &attachment), 0);
        assert_int_equal(kern_detach(-1, OLD, &hook, &attachment, NULL), 0);
        assert_false(action.exists);
        /* Somebody else has deleted it, before or just now. */
        n_changes = 0;
        assert_int_equal(kern_detach(-1, OLD, &hook, &attachment, NULL), 0);
        assert_int_equal(n_changes, 0);
        attach(&attachment);
        error = ENOENT;
        assert_int_equal(kern_detach(-1, OLD, &hook, &attachment, NULL), 0);
}

/* Of another program, of none of ours, or of a link of ours that was there before: none of them is this one. */
static void somebody_elses(void **state)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = sample_hook();

        (void)state;
        attach(&attachment);
        for (int i = 0; i < 4; i++) {
                uint8_t cookie[sizeof(action.cookie)];
                const uint32_t prog_id = action.prog_id;

                memcpy(cookie, action.cookie, sizeof(cookie));
                if (i == 0)
                        action.prog_id = NEW;
                else if (i == 1)
                        action.prog_id = 0;
                else if (i == 2)
                        memset(action.cookie, 0, sizeof(action.cookie));
                else
                        action.cookie[sizeof(action.cookie) - 1] ^= 1;
                n_changes = 0;
                assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 0);
                assert_int_equal(kern_detach(-1, OLD, &hook, &attachment, NULL), 0);
                assert_int_equal(kern_replace(NEW, OLD, -1, &hook, &attachment, NULL), -ENOENT);
                assert_int_equal(n_changes, 0);
                assert_true(action.exists);
                action.prog_id = prog_id;
                memcpy(action.cookie, cookie, sizeof(cookie));
        }
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 1);
}

/* A kernel that was never asked for an action of that kind, or has none; and answers that make no sense. */
static void answers(void **state)
{
        static const int none[] = {ENOENT, EINVAL, EOPNOTSUPP};
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = sample_hook();

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(none); i++) {
                lacking = none[i];
                assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 0);
        }
        lacking = ENOMEM;
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), -ENOMEM);
        attach(&attachment);
        cookie_size = 0;
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 0);
        cookie_size = 15;
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 0);
        parameters_size = 4;
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), -EBADMSG);
        assert_true(kern_detach(-1, OLD, &hook, &attachment, NULL) < 0);
        assert_true(action.exists);
}

static void used(void **state)
{
        static const struct {
                int n;
                const char *text;
        } cases[] = {{1, "Action 7 is used by 1 filter of tc; delete that first"},
                     {2, "Action 7 is used by 2 filters of tc; delete these first"}};
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = sample_hook();
        KernDiag diag = {0};

        (void)state;
        attach(&attachment);
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                action.parameters.bindcnt = cases[i].n;
                assert_int_equal(kern_detach(-1, OLD, &hook, &attachment, &diag), -EBUSY);
                assert_int_equal(diag.error, KERN_ERROR_HOOK_BUSY);
                assert_non_null(strstr(diag.message, cases[i].text));
                kern_diag_clear(&diag);
                assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 1);
        }
        /* Another reason for the same error */
        action.parameters.bindcnt = 0;
        error = EPERM;
        assert_int_equal(kern_detach(-1, OLD, &hook, &attachment, &diag), -EPERM);
        assert_int_equal(diag.error, KERN_ERROR_FAILED);
        kern_diag_clear(&diag);
}

static void replaced(void **state)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = sample_hook();
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_succession(hook.type), KERN_SUCCESSION_IN_PLACE);
        attach(&attachment);
        action.parameters.bindcnt = 3;
        assert_int_equal(kern_replace(NEW, OLD, -1, &hook, &attachment, NULL), 0);
        assert_int_equal(kern_is_attached(NEW, &hook, &attachment), 1);
        assert_int_equal(kern_is_attached(OLD, &hook, &attachment), 0);
        assert_string_equal(action.name, "prog_43");
        error = EINVAL;
        assert_int_equal(kern_replace(OLD, NEW, -1, &hook, &attachment, &diag), -EINVAL);
        kern_diag_clear(&diag);
        assert_int_equal(kern_is_attached(NEW, &hook, &attachment), 1);
}

static void not_attached(void **state)
{
        static const struct {
                int error;
                KernError kind;
                const char *text;
        } cases[] = {
                {ENOENT, KERN_ERROR_NOT_SUPPORTED, "CONFIG_NET_ACT_BPF"},
                {EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED, "CONFIG_NET_ACT_BPF"},
                {ENOMEM, KERN_ERROR_FAILED, "index 7: Cannot allocate memory"},
        };
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = sample_hook();
        KernDiag diag = {0};

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                error = cases[i].error;
                assert_true(kern_attach(OLD, &hook, &attachment, &diag) < 0);
                assert_int_equal(diag.error, cases[i].kind);
                assert_non_null(strstr(diag.message, cases[i].text));
                kern_diag_clear(&diag);
        }
        assert_false(action.exists);
        /* Taken: nothing is changed, and who has it is said. */
        action.exists = true;
        action.parameters.index = INDEX;
        action.prog_id = OLD;
        for (int i = 0; i < 2; i++) {
                assert_int_equal(kern_attach(NEW, &hook, &attachment, &diag), -EEXIST);
                assert_int_equal(diag.error, KERN_ERROR_HOOK_BUSY);
                assert_non_null(strstr(diag.message, "index 7 already"));
                assert_int_equal(!!strstr(diag.message, "with program 42"), i == 0);
                kern_diag_clear(&diag);
                action.prog_id = 0;
        }
        hook.index = 0;
        assert_int_equal(kern_attach(NEW, &hook, &attachment, &diag), -EINVAL);
        kern_diag_clear(&diag);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
        const struct CMUnitTest tests[] = {
                TEST(type),           TEST(attached_and_detached),
                TEST(somebody_elses), TEST(answers),
                TEST(used),           TEST(replaced),
                TEST(not_attached),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
