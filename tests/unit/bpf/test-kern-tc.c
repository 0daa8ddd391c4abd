/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>

#include <linux/pkt_cls.h>

#include "test-attach.h"

#include "kern-tc.h"

#define HANDLE 0x80000017U

static KernTcChain chain = KERN_TC_CHAIN_INIT;
static KernHook hook;
static KernObject *members[KERN_TC_MEMBERS_MAX + 1];

/* One packet from and to the loopback interface; whether it got there. */
static bool send_packet(void)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        KERN_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        KERN_AUTO_CLOSE int sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t length = sizeof(to);
        char c;

        assert_int_equal(bind(sink, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(getsockname(sink, (struct sockaddr *)&to, &length), 0);
        (void)sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
        return recv(sink, &c, 1, MSG_DONTWAIT) == 1;
}

/* Loads a member that returns @result; they share nothing but the clock of the first one. */
static KernObject *load_member(uint32_t number, int32_t result)
{
        KernProgramWish wish = {.name = "tc_link", .type = kern_type_find("tc")};
        KernGlobalWish globals[] = {
                bytes_of("number", &number, sizeof(number)),
                bytes_of("result", &result, sizeof(result)),
        };
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernMapWish clock;

        options.programs = &wish;
        options.n_programs = 1;
        options.globals = globals;
        options.n_globals = KERN_ELEMENTSOF(globals);
        if (members[1]) {
                clock = (KernMapWish){"order", map_of(members[1], "order")->fd};
                options.maps = &clock;
                options.n_maps = 1;
        }
        return load_wishes("tc_chain", &options);
}

static void put_member(unsigned slot, int32_t result)
{
        members[slot] = load_member(slot, result);
        assert_int_equal(kern_tc_chain_put(chain.programs_fd, slot, members[slot]->programs[0].fd),
                         0);
        assert_int_equal(kern_tc_chain_set_proceed_on(chain.order_fd, slot, 0), 0);
}

#define set_order(...)                                                                           \
        assert_int_equal(kern_tc_chain_set_order(chain.order_fd, (const uint8_t[]){__VA_ARGS__}, \
                                                 sizeof((const uint8_t[]){__VA_ARGS__})),        \
                         0)

/* The slots that run, in their order; @ret has room for KERN_TC_MEMBERS_MAX. */
static int get_order(uint8_t *ret, size_t *ret_n)
{
        struct kern_tc_order order;
        const uint32_t first = 0;
        size_t n = 0;

        if (bpf_map_lookup_elem(chain.order_fd, &first, &order) < 0)
                return -errno;
        for (uint64_t word = order.slots; (word & KERN_TC_SLOT_MASK) != 0;
             word >>= KERN_TC_SLOT_BITS)
                ret[n++] = (uint8_t)(word & KERN_TC_SLOT_MASK);
        *ret_n = n;
        return 0;
}

/* When the member ran, of those that ran for the last packets; 0: never. */
static uint64_t place_of(uint32_t slot)
{
        uint64_t place = 0;

        assert_int_equal(bpf_map_lookup_elem(map_of(members[1], "order")->fd, &slot, &place), 0);
        return place;
}

static void forget(void)
{
        const uint64_t zero = 0;

        for (uint32_t i = 0; i < KERN_TC_SLOTS; i++)
                assert_int_equal(bpf_map_update_elem(map_of(members[1], "order")->fd, &i, &zero,
                                                     BPF_ANY),
                                 0);
}

static int begin(void **state)
{
        (void)state;
        kern_diag_clear(&diag);
        hook = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION));
        hook.direction = KERN_DIRECTION_INGRESS;
        if (kern_tc_chain_begin(&hook, HANDLE, &chain, &diag) < 0)
                fail_msg("%s", diag.message);
        return 0;
}

static int end(void **state)
{
        if (kern_tc_chain_end(&hook, HANDLE, &diag) < 0)
                fail_msg("%s", diag.message);
        assert_int_equal(kern_tc_chain_is_there(&hook, HANDLE, chain.program_id), 0);
        kern_tc_chain_done(&chain);
        for (size_t i = 0; i < KERN_ELEMENTSOF(members); i++) {
                kern_object_free(members[i]);
                members[i] = NULL;
        }
        return clear_diag(state);
}

static void test_empty(void **state)
{
        uint8_t slots[KERN_TC_MEMBERS_MAX];
        size_t n = 1;

        (void)state;
        assert_true(send_packet());
        assert_int_equal(kern_tc_chain_is_there(&hook, HANDLE, chain.program_id), 1);
        assert_int_equal(kern_tc_chain_is_there(&hook, HANDLE, chain.program_id + 1), 0);
        assert_int_equal(kern_tc_chain_is_there(&hook, HANDLE + 1, chain.program_id), 0);
        assert_int_equal(get_order(slots, &n), 0);
        assert_int_equal(n, 0);

        /* a slot in the order that has no program is passed over */
        put_member(1, -1);
        set_order(3, 1, 2);
        assert_true(send_packet());
        assert_int_equal(place_of(1), 1);
}

static void test_order(void **state)
{
        uint8_t slots[KERN_TC_MEMBERS_MAX], got[KERN_TC_MEMBERS_MAX];
        size_t n;

        (void)state;
        for (unsigned i = 1; i <= KERN_TC_MEMBERS_MAX; i++)
                put_member(i, -1);
        /* as they come, the other way round, and odd ones first */
        for (unsigned way = 0; way < 3; way++) {
                for (unsigned i = 0; i < KERN_TC_MEMBERS_MAX; i++)
                        slots[i] = (uint8_t)(way == 0   ? i + 1
                                             : way == 1 ? KERN_TC_MEMBERS_MAX - i
                                             : i < 8    ? i * 2 + 1
                                                        : (i - 7) * 2);
                assert_int_equal(kern_tc_chain_set_order(chain.order_fd, slots,
                                                         KERN_TC_MEMBERS_MAX),
                                 0);
                assert_int_equal(get_order(got, &n), 0);
                assert_int_equal(n, KERN_TC_MEMBERS_MAX);
                assert_memory_equal(got, slots, n);
                forget();
                assert_true(send_packet());
                for (unsigned i = 0; i < KERN_TC_MEMBERS_MAX; i++)
                        assert_int_equal(place_of(slots[i]), i + 1);
        }
        assert_int_equal(kern_tc_chain_set_order(chain.order_fd, slots, KERN_TC_SLOTS), -E2BIG);
        slots[0] = 0;
        assert_int_equal(kern_tc_chain_set_order(chain.order_fd, slots, 1), -EINVAL);
        slots[0] = KERN_TC_SLOTS;
        assert_int_equal(kern_tc_chain_set_order(chain.order_fd, slots, 1), -EINVAL);
        assert_int_equal(kern_tc_chain_set_proceed_on(chain.order_fd, 0, 0), -EINVAL);
        assert_int_equal(kern_tc_chain_set_proceed_on(chain.order_fd, KERN_TC_SLOTS, 0), -EINVAL);
}

/* What tc takes for a verdict ends the chain, unless it goes on after that; nothing else does. */
static void test_verdicts(void **state)
{
        const unsigned shot = TC_ACT_SHOT;

        (void)state;
        put_member(1, -1);
        put_member(2, -1);
        for (int32_t result = -2; result < 32; result++) {
                bool verdict = result >= 0 && *kern_word(kern_tc_actions, (unsigned)result);

                put_member(3, result);
                set_order(3, 1);
                forget();
                assert_int_equal(send_packet(), !verdict || result == 0);
                assert_int_equal(place_of(1), verdict ? 0 : 2);
                kern_object_free(members[3]);
                if (!verdict)
                        continue;

                /* behind whom nobody says anything else, the verdict stands */
                put_member(3, result);
                assert_int_equal(kern_tc_chain_set_proceed_on(chain.order_fd, 3, 1U << result), 0);
                forget();
                assert_int_equal(send_packet(), result == 0);
                assert_int_equal(place_of(1), 2);
                kern_object_free(members[3]);
        }
        members[3] = NULL;

        /* and is taken back by the next one that has a verdict */
        put_member(4, (int32_t)shot);
        assert_int_equal(kern_tc_chain_set_proceed_on(chain.order_fd, 4, 1U << shot), 0);
        put_member(5, 0);
        set_order(4, 5, 1);
        forget();
        assert_true(send_packet());
        assert_int_equal(place_of(1), 0);
}

static void test_members(void **state)
{
        KernObject *xdp = load_one("shared_map", "shared_xdp", NULL);
        uint32_t id;

        (void)state;
        put_member(1, -1);
        put_member(2, -1);
        set_order(1);
        assert_true(send_packet());
        assert_int_equal(kern_tc_chain_get(chain.programs_fd, 1, &id), 0);
        assert_int_equal(id, program_id(members[1]));

        /* another one in its place, while it is in the order */
        assert_int_equal(kern_tc_chain_put(chain.programs_fd, 1, members[2]->programs[0].fd), 0);
        assert_true(send_packet());
        assert_int_equal(hits_of(members[1], 0), 1);
        assert_int_equal(hits_of(members[2], 0), 1);

        assert_int_equal(kern_tc_chain_clear(chain.programs_fd, 1), 0);
        assert_int_equal(kern_tc_chain_clear(chain.programs_fd, 1), 0);
        assert_int_equal(kern_tc_chain_get(chain.programs_fd, 1, &id), 0);
        assert_int_equal(id, 0);
        assert_true(send_packet());
        assert_int_equal(hits_of(members[2], 0), 1);

        assert_int_equal(kern_tc_chain_put(chain.programs_fd, 1, xdp->programs[0].fd), -EINVAL);
        kern_object_free(xdp);
}

/* Filters of others run before it and behind it, and what has our handle isn't ours by that. */
static void test_filters_of_others(void **state)
{
        KernHook other = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION) | BIT(PRIORITY));
        KernAttachment before, behind, same;

        (void)state;
        put_member(1, -1);
        put_member(2, -1);
        put_member(3, -1);
        set_order(2);
        other.direction = KERN_DIRECTION_INGRESS;
        other.priority = KERN_TC_PRIORITY - 1;
        attach(members[1], &other, &before);
        other.priority = KERN_TC_PRIORITY + 1;
        attach(members[3], &other, &behind);
        assert_true(send_packet());
        assert_int_equal(place_of(1), 1);
        assert_int_equal(place_of(2), 2);
        assert_int_equal(place_of(3), 3);

        other.priority = KERN_TC_PRIORITY;
        other.tc_handle = HANDLE + 1;
        attach(members[1], &other, &same);
        assert_int_equal(kern_tc_chain_end(&hook, HANDLE + 1, &diag), 0);
        assert_int_equal(kern_is_attached(program_id(members[1]), &other, &same), 1);
        detach(members[1], &other, &same);
        other.priority = KERN_TC_PRIORITY - 1;
        detach(members[1], &other, &before);
        other.priority = KERN_TC_PRIORITY + 1;
        detach(members[3], &other, &behind);
}

/* Nobody has the programs any more: what is left of the chain lets everything pass. */
static void test_orphan(void **state)
{
        (void)state;
        put_member(1, 2);
        set_order(1);
        assert_false(send_packet());
        kern_closep(&chain.programs_fd);
        chain.programs_fd = -1;
        /* the kernel does it a little later */
        for (int i = 0; i < 1000 && !send_packet(); i++)
                usleep(10000);
        assert_true(send_packet());
        assert_int_equal(kern_tc_chain_is_there(&hook, HANDLE, chain.program_id), 1);
}

static void test_no_such_interface(void **state)
{
        KernHook nowhere = hook;
        KernTcChain none = KERN_TC_CHAIN_INIT;

        (void)state;
        nowhere.ifindex = 12345;
        assert_int_equal(kern_tc_chain_begin(&nowhere, HANDLE, &none, &diag), -ENODEV);
        assert_int_equal(diag.error, KERN_ERROR_NO_SUCH_INTERFACE);
        assert_int_equal(kern_tc_chain_end(&nowhere, HANDLE, &diag), 0);
        assert_int_equal(kern_tc_chain_is_there(&nowhere, HANDLE, 1), 0);
        assert_int_equal(none.order_fd, -1);

        /* the handle is taken */
        kern_diag_clear(&diag);
        assert_true(kern_tc_chain_begin(&hook, HANDLE, &none, &diag) < 0);
        assert_int_equal(diag.error, KERN_ERROR_HOOK_BUSY);
        assert_int_equal(none.programs_fd, -1);
}

#define chain_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                chain_test(test_empty),
                chain_test(test_order),
                chain_test(test_verdicts),
                chain_test(test_members),
                chain_test(test_filters_of_others),
                chain_test(test_orphan),
                chain_test(test_no_such_interface),
        };

        return run_attach_tests(tests, NULL, NULL);
}
