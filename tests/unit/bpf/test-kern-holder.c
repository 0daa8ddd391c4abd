/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "kern-holder.h"
#include "kern-info.h"
#include "test-util.h"

static KernHook hook_of(const char *type)
{
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find(type);
        assert_non_null(hook.type);
        return hook;
}

static void what_has_a_link(void **state)
{
        static const char *const types[] = {"xdp",    "tc",   "tcx",    "cgroup_skb",
                                            "sk_msg", "iter", "kprobe", "struct_ops"};

        (void)state;
        for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
                KernHook hook = hook_of(types[i]);

                assert_int_equal(kern_holder(&hook), KERN_HOLDER_NONE);
                assert_null(kern_holder_fd(&hook));
        }
}

static void what_is_held(void **state)
{
        KernHook cgroup = hook_of("cgroup_skb"), device = hook_of("lirc_mode2"),
                 entry = hook_of("xdp_devmap");

        (void)state;
        cgroup.attach_flags = KERN_ATTACH_FLAGS_OVERRIDE;
        assert_int_equal(kern_holder(&cgroup), KERN_HOLDER_CGROUP);
        assert_ptr_equal(kern_holder_fd(&cgroup), &cgroup.cgroup_fd);
        assert_int_equal(kern_holder(&device), KERN_HOLDER_DEVICE);
        assert_ptr_equal(kern_holder_fd(&device), &device.device_fd);
        assert_int_equal(kern_holder(&entry), KERN_HOLDER_MAP_ENTRY);
        assert_ptr_equal(kern_holder_fd(&entry), &entry.map_fd);
}

/* With the holder what it held is gone. */
static void gone(void **state)
{
        static const char *const types[] = {"lirc_mode2", "xdp_devmap", "xdp_cpumap"};

        (void)state;
        for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
                KernHook hook = hook_of(types[i]);

                assert_int_equal(kern_holder_has(1, &hook), 0);
        }
}

static void values_with_descriptors(void **state)
{
        struct bpf_devmap_val value = {.ifindex = 7};

        (void)state;
        assert_true(kern_map_value_is_plain(BPF_MAP_TYPE_DEVMAP, &value, sizeof(value)));
        value.bpf_prog.fd = -1;
        assert_true(kern_map_value_is_plain(BPF_MAP_TYPE_DEVMAP, &value, sizeof(value)));
        value.bpf_prog.fd = 3;
        assert_false(kern_map_value_is_plain(BPF_MAP_TYPE_DEVMAP, &value, sizeof(value)));
        assert_false(kern_map_value_is_plain(BPF_MAP_TYPE_DEVMAP_HASH, &value, sizeof(value)));
        assert_true(kern_map_value_is_plain(BPF_MAP_TYPE_DEVMAP, &value, sizeof(value.ifindex)));
        assert_true(kern_map_value_is_plain(BPF_MAP_TYPE_HASH, &value, sizeof(value)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_has_a_link),
                cmocka_unit_test(what_is_held),
                cmocka_unit_test(gone),
                cmocka_unit_test(values_with_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
