/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include "errors.h"
#include "state-file.h"
#include "store-format.h"
#include "test-hooks.h"

/* Text that has gone wrong in other people's key files. */
static const char *const hostile[] = {
        "",
        " ",
        "  leading and trailing  ",
        "two\nlines",
        "\n[Load]\nOwnerUid=0\n",
        "\r\n\t",
        "semi;colon;;",
        ";",
        "back\\slash\\n\\s",
        "\\",
        "\\;",
        "#comment",
        "a=b",
        "[group]",
        "\x01\x02\x1f\x7f",
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9d",
        "%s%n",
        "$(reboot) `reboot`",
        "\xe2\x80\xae reversed",
};

/* By way of text, as it is on disk. */
static GKeyFile *through_text(GKeyFile *file)
{
        g_autofree char *text = NULL;
        GKeyFile *back = g_key_file_new();
        size_t size;

        text = g_key_file_to_data(file, &size, NULL);
        assert_true(g_key_file_load_from_data(back, text, size, G_KEY_FILE_NONE, NULL));
        g_key_file_unref(file);
        return back;
}

static StoredLoad *load_through_text(const Load *load)
{
        g_autoptr(GKeyFile) file = through_text(store_format_load(load));
        g_autoptr(GError) error = NULL;
        StoredLoad *stored = store_parse_load(file, load->id, &error);

        assert_null(error);
        assert_non_null(stored);
        return stored;
}

static void loads_come_back(void **state)
{
        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
                char *s = (char *)hostile[i];
                char *metadata[] = {(char *)"key", s, (char *)"other", (char *)"x", NULL};
                g_autoptr(Load) load = load_new(UINT32_MAX, (uid_t)-2, s, metadata, s);
                g_autoptr(StoredLoad) stored = NULL;
                KernProgramInfo program = sample_program_info(4000000000, 0, NULL);
                KernMapInfo map = sample_map_info(1);
                Program *added;

                load_add_program(load, kern_type_find("raw_tracepoint"), "name", s, &program);
                program.id = 1;
                added = load_add_program(load, kern_type_find("freplace"), s, "freplace", &program);
                added->target_id = UINT32_MAX;
                added->target_function = g_strdup(s);
                assert_int_equal(load_add_map(load, s, i % 2, &map), 0);
                stored = load_through_text(load);
                assert_int_equal(stored->load->id, UINT32_MAX);
                assert_int_equal(stored->load->owner, (uid_t)-2);
                assert_string_equal(stored->load->application, s);
                assert_string_equal(stored->load->digest, s);
                assert_true(g_strv_equal((const char *const *)stored->load->metadata,
                                         (const char *const *)metadata));
                assert_int_equal(stored->programs->len, 2);
                assert_int_equal(g_array_index(stored->programs, StoredProgram, 0).id, 4000000000);
                assert_string_equal(g_array_index(stored->programs, StoredProgram, 0).section, s);
                assert_string_equal(g_array_index(stored->programs, StoredProgram, 0).type->name,
                                    "raw_tracepoint");
                assert_string_equal(g_array_index(stored->programs, StoredProgram, 1).name, s);
                assert_int_equal(g_array_index(stored->programs, StoredProgram, 1).target_id,
                                 UINT32_MAX);
                assert_string_equal(
                        g_array_index(stored->programs, StoredProgram, 1).target_function, s);
                assert_int_equal(stored->maps->len, 1);
                assert_int_equal(g_array_index(stored->maps, StoredMap, 0).id, 1);
                assert_string_equal(g_array_index(stored->maps, StoredMap, 0).name, s);
                assert_int_equal(g_array_index(stored->maps, StoredMap, 0).shared, i % 2);
        }
}

/* Hostile keys too, which a caller chooses as freely as the values. */
static void metadata_keys_come_back(void **state)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        g_autoptr(StoredLoad) stored = NULL;
        g_autoptr(Load) load = NULL;
        g_auto(GStrv) metadata = NULL;

        (void)state;
        for (size_t i = 1; i < G_N_ELEMENTS(hostile); i++)
                g_strv_builder_add_many(builder, hostile[i], hostile[i - 1], NULL);
        metadata = g_strv_builder_end(builder);
        load = load_new(1, 0, "", metadata, "");
        stored = load_through_text(load);
        assert_true(g_strv_equal((const char *const *)stored->load->metadata,
                                 (const char *const *)metadata));
}

static void an_empty_load_comes_back(void **state)
{
        g_autoptr(Load) load = load_new(1, 0, "", NULL, "");
        g_autoptr(StoredLoad) stored = load_through_text(load);

        (void)state;
        assert_null(stored->load->metadata);
        assert_int_equal(stored->programs->len, 0);
        assert_int_equal(stored->maps->len, 0);
}

/* Something of its own in every field that the type's text could hold. */
static Link *full_link(const KernType *type, const char *text, LinkState state)
{
        Program program = {.pub = {.id = 4000000001, .name = (char *)text}};
        KernHook hook = {.type = type};
        Link *link;

        hook_fill(&hook, text);
        link = link_new(77, 4000000003, &program, &hook);
        link->state = state;
        link->pub.attach_time = UINT64_MAX - 4;
        link->pub.cgroup_id = UINT64_MAX - 5;
        link->pub.device_number = UINT64_MAX - 7;
        link_set_netns(link, &(Netns){UINT64_MAX - 6, INT32_MAX});
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                if (kern_params[i].kind == KERN_KIND_INTERFACE ||
                    kern_params[i].kind == KERN_KIND_FILE)
                        link_set_text(link, (KernParam)i, text);
        link->attachment = (KernAttachment){
                .n_links = KERN_LINKS_MAX,
                .tc_handle = UINT32_MAX,
                .tc_priority = 4000000004,
                .tc_old_priority = 4000000005,
                .xdp_mode = KERN_XDP_MODE_SKB,
                .xdp_member = 4000000005,
        };
        link->specs = (LinkSpecs){4000000006, 4000000007, 4000000008};
        link_publish_attachment(link);
        return link;
}

static void assert_links_equal(const Link *a, const Link *b)
{
        assert_int_equal(a->state, b->state);
        assert_int_equal(a->pub.id, b->pub.id);
        assert_string_equal(a->pub.type, b->pub.type);
        assert_int_equal(a->pub.program_id, b->pub.program_id);
        assert_string_equal(a->pub.program_name, b->pub.program_name);
        assert_int_equal(a->pub.owner_uid, b->pub.owner_uid);
        assert_true(a->pub.attach_time == b->pub.attach_time);
        assert_string_equal(a->pub.interface, b->pub.interface);
        assert_int_equal(a->pub.interface_index, b->pub.interface_index);
        assert_true(a->pub.cgroup_id == b->pub.cgroup_id);
        assert_true(a->pub.device_number == b->pub.device_number);
        assert_true(a->pub.netns_inode == b->pub.netns_inode);
        assert_true(a->netns.inode == b->netns.inode && a->netns.id == b->netns.id);
        assert_int_equal(a->pub.target_program_id, b->pub.target_program_id);
        assert_hooks_equal(&a->hook, &b->hook, true);
        assert_int_equal(b->hook.target_program_fd, -1);
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                assert_string_equal(a->texts[i] ?: "", b->texts[i] ?: "");
        assert_int_equal(a->attachment.n_links, b->attachment.n_links);
        assert_null(b->attachment.link_fds);
        assert_int_equal(a->attachment.tc_handle, b->attachment.tc_handle);
        assert_int_equal(a->attachment.tc_priority, b->attachment.tc_priority);
        assert_int_equal(a->attachment.tc_old_priority, b->attachment.tc_old_priority);
        assert_int_equal(a->attachment.xdp_mode, b->attachment.xdp_mode);
        assert_int_equal(a->attachment.xdp_member, b->attachment.xdp_member);
        assert_int_equal(a->specs.map_id, b->specs.map_id);
        assert_int_equal(a->specs.first, b->specs.first);
        assert_int_equal(a->specs.n, b->specs.n);
}

static void links_come_back(void **state)
{
        static const LinkState states[] = {LINK_ATTACHING, LINK_ATTACHED, LINK_DETACHING};
        size_t n = 0;

        (void)state;
        for (const KernType *type = kern_types; type->name; type++)
                for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
                        g_autoptr(Link) link = full_link(type, hostile[i], states[n++ % 3]);
                        g_autoptr(GKeyFile) file = through_text(store_format_link(link));
                        g_autoptr(GError) error = NULL;
                        g_autoptr(Link) back = store_parse_link(file, 77, &error);

                        assert_null(error);
                        assert_non_null(back);
                        assert_links_equal(link, back);
                }
}

/* What bpfkeeper-unload-all reads of it without GLib is the same. */
static void links_are_read_for_detaching(void **state)
{
        (void)state;
        for (const KernType *type = kern_types; type->name; type++)
                for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
                        g_autoptr(Link) link = full_link(type, hostile[i], LINK_ATTACHED);
                        g_autoptr(GKeyFile) file = store_format_link(link);
                        g_autofree char *text = g_key_file_to_data(file, NULL, NULL);
                        StateLink read;

                        assert_int_equal(state_parse_link(text, &read), 0);
                        assert_int_equal(read.program_id, link->pub.program_id);
                        assert_memory_equal(&read.attachment, &link->attachment,
                                            sizeof(read.attachment));
                        assert_ptr_equal(read.hook.type, type);
                        assert_int_equal(read.hook.ifindex, link->hook.ifindex);
                        assert_int_equal(read.hook.direction, link->hook.direction);
                        assert_int_equal(read.hook.priority, link->hook.priority);
                        assert_int_equal(read.hook.mode, link->hook.mode);
                        assert_int_equal(read.hook.attach_flags, link->hook.attach_flags);
                        assert_int_equal(read.hook.index, link->hook.index);
                        assert_int_equal(read.hook.table, link->hook.table);
                        assert_int_equal(read.hook.metric, link->hook.metric);
                        assert_int_equal(read.hook.given, link->hook.given);
                        assert_string_equal(read.cgroup, link->texts[KERN_PARAM_CGROUP]);
                        assert_int_equal(read.cgroup_id, link->pub.cgroup_id);
                        assert_int_equal(read.hook.target_fd, -1);
                        assert_int_equal(read.hook.cgroup_fd, -1);
                        assert_string_equal(read.device, link->texts[KERN_PARAM_DEVICE]);
                        assert_int_equal(read.device_number, link->pub.device_number);
                        assert_int_equal(read.hook.device_fd, -1);
                }
}

/* For people, as far as there is room; what has none is left out and not cut. */
static void places_are_read(void **state)
{
        g_autofree char *name = g_strnfill(127, 'n'), *longer = g_strnfill(128, 'n');
        g_autoptr(Link) link = sample_link(1, 0, 2);
        StateLink read;

        (void)state;
        for (int i = 0; i < 4; i++) {
                g_autoptr(GKeyFile) file = NULL;
                g_autofree char *text = NULL;

                g_free(link->pub.program_name);
                link->pub.program_name = g_strdup(i < 2 ? name : longer);
                link_set_text(link, KERN_PARAM_INTERFACE, i % 2 ? "veth0" : "");
                link_set_text(link, KERN_PARAM_CGROUP, "/a.slice");
                file = store_format_link(link);
                text = g_key_file_to_data(file, NULL, NULL);
                assert_int_equal(state_parse_link(text, &read), 0);
                assert_string_equal(read.program_name, i < 2 ? name : "");
                assert_string_equal(read.place, i % 2 ? "veth0" : "/a.slice");
        }
}

/* Of a later version, or of none: not understood, which is not the same as empty. */
static void other_versions_are_refused(void **state)
{
        static const char *const versions[] = {
                "",
                "Version=\n",
                "Version=0\n",
                "Version=2\n",
                "Version=-1\n",
                "Version=one\n",
                "Version=1x\n",
                "Version=4294967297\n",
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
                g_autoptr(GKeyFile) file = g_key_file_new();
                g_autofree char *text = NULL;
                g_autoptr(GError) load_error = NULL, link_error = NULL;
                StateLink read;

                text = g_strdup_printf("[Load]\n%s[Link]\n%sType=xdp\nState=attached\n",
                                       versions[i], versions[i]);
                assert_true(
                        g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL));
                assert_null(store_parse_load(file, 1, &load_error));
                assert_non_null(strstr(load_error->message, "version"));
                assert_null(store_parse_link(file, 1, &link_error));
                assert_non_null(strstr(link_error->message, "version"));
                assert_true(state_parse_link(text, &read) < 0);
        }
}

static GKeyFile *key_file(const char *text)
{
        GKeyFile *file = g_key_file_new();

        assert_true(g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL));
        return file;
}

static void damaged_loads(void **state)
{
        g_autoptr(GError) error = NULL;

        (void)state;
        {
                g_autoptr(GKeyFile) file =
                        key_file("[Load]\nVersion=1\n[Program 1]\nType=spaceship\n");

                assert_null(store_parse_load(file, 1, &error));
                assert_non_null(strstr(error->message, "'spaceship'"));
                g_clear_error(&error);
        }
        {
                /* Groups that are none of ours are let be, numbers that are none are 0. */
                g_autoptr(GKeyFile) file = key_file(
                        "[Load]\nVersion=1\nOwnerUid=99999999999\nMetadata=odd;\n[Program]\n"
                        "[Program 0]\n[Program x]\n[Program 4294967296]\n[Program -1]\n[Map 1x]\n"
                        "[Map 3]\n[Else]\n");
                g_autoptr(StoredLoad) stored = store_parse_load(file, 1, &error);

                assert_non_null(stored);
                /* Not somebody's who has nothing to do with it, and not one that reads past the end */
                assert_null(stored->load->metadata);
                assert_int_equal(stored->programs->len, 0);
                assert_int_equal(stored->maps->len, 1);
                assert_string_equal(g_array_index(stored->maps, StoredMap, 0).name, "");
        }
}

static void damaged_links(void **state)
{
        static const char *const refused[] = {
                "[Link]\nVersion=1\nType=xdp\n",
                "[Link]\nVersion=1\nState=detached\nType=xdp\n",
                "[Link]\nVersion=1\nState=attached\n",
                "[Link]\nVersion=1\nState=attached\nType=\n",
                "[Link]\nVersion=1\nState=attached\nType=XDP\n",
                "[Else]\nVersion=1\n",
        };
        g_autoptr(GKeyFile) file = NULL;
        g_autoptr(Link) link = NULL;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
                g_autoptr(GKeyFile) bad = key_file(refused[i]);
                g_autoptr(GError) error = NULL;

                assert_null(store_parse_link(bad, 1, &error));
                assert_non_null(error);
        }
        /* Numbers that are out of their range. */
        file = key_file("[Link]\nVersion=1\nState=attached\nType=xdp\nKernelLinks=4000000000\n"
                        "XdpMode=4000000000\nProgram=-5\n[Hook]\nDirection=99\nMode=99\n"
                        "Pid=99999999999\nCpu=x\nOffset=-1\n");
        link = store_parse_link(file, 1, NULL);
        assert_non_null(link);
        assert_in_range(link->attachment.n_links, 0, KERN_LINKS_MAX);
        assert_string_equal(link->pub.interface, "");
        assert_true(link->netns.inode == 0 && link->netns.id == NETNS_OWN);
}

/* Bytes of a good file changed here and there, and bytes of no file at all. */
static void noise(void **state)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(20260101);
        g_autoptr(Link) link = full_link(kern_type_find("uprobe"), "some;text", LINK_ATTACHED);
        g_autoptr(Load) load =
                load_new(1, 2, "a", (char *[]){(char *)"k", (char *)"v;w", NULL}, "d");
        g_autoptr(GKeyFile) link_file = store_format_link(link), load_file = NULL;
        g_autofree char *link_text = g_key_file_to_data(link_file, NULL, NULL), *load_text = NULL;

        (void)state;
        sample_add_program(load, 5, 0, NULL);
        sample_add_map(load, 6);
        load_file = store_format_load(load);
        load_text = g_key_file_to_data(load_file, NULL, NULL);
        for (int i = 0; i < 20000; i++) {
                g_autoptr(GKeyFile) file = g_key_file_new();
                g_autofree char *text = g_strdup(i % 2 ? load_text : link_text);
                size_t size = strlen(text);
                g_autoptr(Link) l = NULL;
                g_autoptr(StoredLoad) s = NULL;
                StateLink read;

                if (i % 10 == 9)
                        for (size_t j = 0; j < size; j++)
                                text[j] = (char)g_rand_int(rand);
                else
                        for (int j = g_rand_int_range(rand, 1, 6); j > 0; j--)
                                text[g_rand_int_range(rand, 0, (gint32)size)] =
                                        (char)g_rand_int(rand);
                if (i % 3 == 0)
                        size = (size_t)g_rand_int_range(rand, 0, (gint32)size);
                /* Text has an end, which noise may be before. */
                text[size] = '\0';
                (void)state_parse_link(text, &read);
                if (!g_key_file_load_from_data(file, text, size, G_KEY_FILE_NONE, NULL))
                        continue;
                l = store_parse_link(file, 1, NULL);
                s = store_parse_load(file, 1, NULL);
                if (s)
                        assert_int_equal(s->load->id, 1);
                if (l) {
                        g_autoptr(GKeyFile) again = store_format_link(l);

                        assert_non_null(again);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(loads_come_back),
                cmocka_unit_test(metadata_keys_come_back),
                cmocka_unit_test(an_empty_load_comes_back),
                cmocka_unit_test(links_come_back),
                cmocka_unit_test(links_are_read_for_detaching),
                cmocka_unit_test(places_are_read),
                cmocka_unit_test(other_versions_are_refused),
                cmocka_unit_test(damaged_loads),
                cmocka_unit_test(damaged_links),
                cmocka_unit_test(noise),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
