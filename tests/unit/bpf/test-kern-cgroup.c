/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "test-cgroup.h"

#include "kern-cgroup.h"
#include "kern-change.h"
#include "kern-hook-list.h"
#include "kern-order.h"

/* Programs that a cgroup holds itself, and one below it. */

enum { OUTER, INNER, N };
static const char *const names[N] = {"outer", "outer/inner"};

typedef struct Stage {
        char paths[N][128];
        KernHook hooks[N]; /* of the two cgroups, egress */
        KernObject *objects[N];
        uint32_t ids[N];
        KernAttachment attachments[N];
} Stage;

static int make_stage(void **state)
{
        Stage *s;

        if (cgroup_root[0] == '\0')
                return 0;
        s = calloc(1, sizeof(*s));
        for (int i = 0; i < N; i++) {
                s->hooks[i] = hook_of("cgroup_skb", BIT(CGROUP) | BIT(DIRECTION));
                s->hooks[i].direction = KERN_DIRECTION_EGRESS;
                snprintf(s->paths[i], sizeof(s->paths[i]), "%s/bpfkeeper-%d-%s", cgroup_root,
                         getpid(), names[i]);
                assert_int_equal(mkdir(s->paths[i], 0700), 0);
                s->hooks[i].cgroup_fd = open(s->paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                s->objects[i] = load_one("cgroup_skb", "cgroup_egress", NULL);
                s->ids[i] = program_id(s->objects[i]);
        }
        *state = s;
        return 0;
}

static int remove_stage(void **state)
{
        Stage *s = *state;

        for (int i = N - 1; s && i >= 0; i--) {
                kern_attachment_done(&s->attachments[i]);
                close(s->hooks[i].cgroup_fd);
                rmdir(s->paths[i]);
                kern_object_free(s->objects[i]);
        }
        free(s);
        return 0;
}

static void set_flags(KernHook *hook, KernAttachFlags flags)
{
        hook->attach_flags = flags;
        hook->given |= BIT(ATTACH_FLAGS);
}

static void attach_to(Stage *s, int which, KernAttachFlags flags)
{
        set_flags(&s->hooks[which], flags);
        attach(s->objects[which], &s->hooks[which], &s->attachments[which]);
}

static void detach_from(Stage *s, int which)
{
        detach(s->objects[which], &s->hooks[which], &s->attachments[which]);
}

static int is_attached(const Stage *s, int which)
{
        return kern_is_attached(s->ids[which], &s->hooks[which], &s->attachments[which]);
}

/* One packet from within the cgroup; which programs have seen it, as bits. */
static unsigned send_from(const Stage *s, int which)
{
        uint64_t before[N];
        unsigned seen = 0;
        int status;
        pid_t pid;

        for (int i = 0; i < N; i++)
                before[i] = hits_of(s->objects[i], 1);
        pid = fork();
        if (pid == 0) {
                struct sockaddr_in to = {.sin_family = AF_INET,
                                         .sin_port = htons(9),
                                         .sin_addr = {htonl(INADDR_LOOPBACK)}};
                char procs[160];
                FILE *f;
                int fd;

                snprintf(procs, sizeof(procs), "%s/cgroup.procs", s->paths[which]);
                f = fopen(procs, "we");
                if (!f || fprintf(f, "0\n") < 0 || fclose(f) != 0)
                        _exit(1);
                fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                _exit(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        for (int i = 0; i < N; i++)
                seen |= (unsigned)(hits_of(s->objects[i], 1) != before[i]) << i;
        return seen;
}

#define BOTH (1U << OUTER | 1U << INNER)

static void test_override(void **state)
{
        Stage *s = *state;

        if (!s) {
                skip();
                return;
        }
        attach_to(s, OUTER, KERN_ATTACH_FLAGS_OVERRIDE);
        assert_int_equal(s->attachments[OUTER].n_links, 0);
        assert_int_equal(is_attached(s, OUTER), 1);
        assert_int_equal(send_from(s, INNER), 1U << OUTER);
        attach_to(s, INNER, KERN_ATTACH_FLAGS_OVERRIDE);
        assert_int_equal(send_from(s, INNER), 1U << INNER);
        assert_int_equal(send_from(s, OUTER), 1U << OUTER);
        detach_from(s, INNER);
        assert_int_equal(is_attached(s, INNER), 0);
        assert_int_equal(send_from(s, INNER), 1U << OUTER);
        detach_from(s, OUTER);
        assert_int_equal(send_from(s, OUTER), 0);
        /* What is gone is detached. */
        detach_from(s, OUTER);
}

static void test_exclusive(void **state)
{
        Stage *s = *state;

        if (!s) {
                skip();
                return;
        }
        attach_to(s, OUTER, KERN_ATTACH_FLAGS_EXCLUSIVE);
        for (KernAttachFlags f = KERN_ATTACH_FLAGS_MULTI; f < KERN_ATTACH_FLAGS_UNKNOWN; f++) {
                set_flags(&s->hooks[INNER], f);
                must_fail(s->objects[INNER], &s->hooks[INNER], KERN_ERROR_HOOK_BUSY,
                          "\"exclusive\"");
                assert_non_null(strstr(diag.message, s->paths[OUTER] + strlen(cgroup_root)));
        }
        assert_int_equal(send_from(s, INNER), 1U << OUTER);
        detach_from(s, OUTER);
}

static void test_multi(void **state)
{
        Stage *s = *state;

        if (!s) {
                skip();
                return;
        }
        attach_to(s, OUTER, KERN_ATTACH_FLAGS_MULTI);
        assert_int_equal(s->attachments[OUTER].n_links, 1);
        attach_to(s, INNER, KERN_ATTACH_FLAGS_EXCLUSIVE);
        assert_int_equal(send_from(s, INNER), BOTH);
        detach_from(s, INNER);
        detach_from(s, OUTER);
}

/* Who is there stays there. */
static void test_busy(void **state)
{
        Stage *s = *state;
        KernHook other;

        if (!s) {
                skip();
                return;
        }
        attach_to(s, OUTER, KERN_ATTACH_FLAGS_OVERRIDE);
        other = s->hooks[OUTER];
        for (KernAttachFlags f = KERN_ATTACH_FLAGS_MULTI; f < KERN_ATTACH_FLAGS_UNKNOWN; f++) {
                set_flags(&other, f);
                must_fail(s->objects[INNER], &other, KERN_ERROR_HOOK_BUSY, "cgroup_egress");
                assert_non_null(strstr(diag.message, "\"override\""));
        }
        detach_from(s, OUTER);

        attach_to(s, OUTER, KERN_ATTACH_FLAGS_MULTI);
        set_flags(&other, KERN_ATTACH_FLAGS_EXCLUSIVE);
        must_fail(s->objects[INNER], &other, KERN_ERROR_HOOK_BUSY, "\"multi\"");
        assert_int_equal(send_from(s, OUTER), 1U << OUTER);
        detach_from(s, OUTER);
}

/* Nothing is taken away, or replaced, but what is meant. */
static void test_somebody_elses(void **state)
{
        LIBBPF_OPTS(bpf_prog_attach_opts, override, .flags = BPF_F_ALLOW_OVERRIDE);
        Stage *s = *state;
        const int outer = s ? s->hooks[OUTER].cgroup_fd : -1;
        KernAttachment none = KERN_ATTACHMENT_INIT;

        if (!s) {
                skip();
                return;
        }
        attach_to(s, OUTER, KERN_ATTACH_FLAGS_OVERRIDE);
        /* in its place */
        assert_int_equal(bpf_prog_attach_opts(s->objects[INNER]->programs[0].fd, outer,
                                              BPF_CGROUP_INET_EGRESS, &override),
                         0);
        assert_int_equal(is_attached(s, OUTER), 0);
        kern_diag_clear(&diag);
        assert_int_equal(kern_replace(s->objects[OUTER]->programs[0].fd, s->ids[OUTER],
                                      s->objects[OUTER]->programs[0].fd, &s->hooks[OUTER], &none,
                                      &diag),
                         -ENOENT);
        assert_non_null(strstr(diag.message, "isn't on the cgroup any more"));
        detach_from(s, OUTER);
        assert_int_equal(send_from(s, OUTER), 1U << INNER);
        assert_int_equal(bpf_prog_detach_opts(0, outer, BPF_CGROUP_INET_EGRESS, NULL), 0);

        /* the same program, as one of several */
        assert_int_equal(bpf_prog_attach(s->objects[OUTER]->programs[0].fd, outer,
                                         BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI),
                         0);
        assert_int_equal(is_attached(s, OUTER), 0);
        detach_from(s, OUTER);
        assert_int_equal(send_from(s, OUTER), 1U << OUTER);
        assert_int_equal(bpf_prog_detach2(s->objects[OUTER]->programs[0].fd, outer,
                                          BPF_CGROUP_INET_EGRESS),
                         0);
}

static void test_replace(void **state)
{
        static const KernAttachFlags both[] = {KERN_ATTACH_FLAGS_OVERRIDE,
                                               KERN_ATTACH_FLAGS_EXCLUSIVE};
        Stage *s = *state;

        if (!s) {
                skip();
                return;
        }
        for (size_t i = 0; i < 2; i++) {
                const KernPoint point = {BPF_CGROUP_INET_EGRESS, s->hooks[OUTER].cgroup_fd, true};
                KernChain chain;

                attach_to(s, OUTER, both[i]);
                assert_int_equal(kern_replace(s->objects[INNER]->programs[0].fd, s->ids[OUTER],
                                              s->objects[OUTER]->programs[0].fd, &s->hooks[OUTER],
                                              &s->attachments[OUTER], &diag),
                                 0);
                assert_int_equal(send_from(s, OUTER), 1U << INNER);
                assert_int_equal(kern_chain_query(&point, false, &chain), 0);
                assert_int_equal(chain.attach_flags, both[i]);
                detach_from(s, OUTER);
                assert_int_equal(kern_is_attached(s->ids[INNER], &s->hooks[OUTER],
                                                  &s->attachments[OUTER]),
                                 1);
                assert_int_equal(kern_detach(-1, s->ids[INNER], &s->hooks[OUTER],
                                             &s->attachments[OUTER], &diag),
                                 0);
        }
}

static void test_gone(void **state)
{
        Stage *s = *state;

        if (!s) {
                skip();
                return;
        }
        attach_to(s, INNER, KERN_ATTACH_FLAGS_EXCLUSIVE);
        assert_int_equal(rmdir(s->paths[INNER]), 0);
        assert_int_equal(is_attached(s, INNER), 0);
        detach_from(s, INNER);
        must_fail(s->objects[INNER], &s->hooks[INNER], KERN_ERROR_NO_SUCH_CGROUP, "cgroup");
        close(s->hooks[INNER].cgroup_fd);
        s->hooks[INNER].cgroup_fd = -1;
        assert_int_equal(is_attached(s, INNER), 0);
        detach_from(s, INNER);
}

/* There is no order where there is but one. */
static void test_order(void **state)
{
        static const KernParam places[] = {KERN_PARAM_PRIORITY, KERN_PARAM_BEFORE,
                                           KERN_PARAM_AFTER};

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                KernHook hook = hook_of("sock_ops", BIT(CGROUP) | KERN_PARAM_BIT(places[i]));

                hook.cgroup_fd = STDIN_FILENO;
                put(hook.before, "link:1");
                put(hook.after, "link:1");
                kern_diag_clear(&diag);
                assert_int_equal(kern_hook_check(&hook, &diag), 0);
                set_flags(&hook, KERN_ATTACH_FLAGS_OVERRIDE);
                assert_int_equal(kern_hook_check(&hook, &diag), -EINVAL);
                assert_non_null(strstr(diag.message, "\"override\""));
        }
        {
                KernHook hook = hook_of("sock_ops", BIT(CGROUP));

                hook.cgroup_fd = STDIN_FILENO;
                set_flags(&hook, KERN_ATTACH_FLAGS_UNKNOWN);
                kern_diag_clear(&diag);
                assert_int_equal(kern_hook_check(&hook, &diag), -EINVAL);
                assert_non_null(strstr(diag.message, "multi, override or exclusive"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_override, make_stage, remove_stage),
                cmocka_unit_test_setup_teardown(test_exclusive, make_stage, remove_stage),
                cmocka_unit_test_setup_teardown(test_multi, make_stage, remove_stage),
                cmocka_unit_test_setup_teardown(test_busy, make_stage, remove_stage),
                cmocka_unit_test_setup_teardown(test_somebody_elses, make_stage, remove_stage),
                cmocka_unit_test_setup_teardown(test_replace, make_stage, remove_stage),
                cmocka_unit_test_setup_teardown(test_gone, make_stage, remove_stage),
                cmocka_unit_test(test_order),
        };

        return run_attach_tests(tests, mount_cgroups, unmount_cgroups);
}
