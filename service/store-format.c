/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-format.h"

#include "kern-tc.h"

#include "errors.h"

static bool check_version(GKeyFile *file, const char *group, GError **reterr)
{
        int version = g_key_file_get_integer(file, group, "Version", NULL);

        if (version == STORE_VERSION)
                return true;
        g_propagate_error(reterr,
                          error_new(FAILED,
                                    "It has version %d of the format; this service knows %d.",
                                    version, STORE_VERSION));
        return false;
}

static char *get_string(GKeyFile *file, const char *group, const char *key)
{
        char *s = g_key_file_get_string(file, group, key, NULL);

        return s ?: g_strdup("");
}

static uint32_t get_u32(GKeyFile *file, const char *group, const char *key)
{
        guint64 n = g_key_file_get_uint64(file, group, key, NULL);

        return n > G_MAXUINT32 ? 0 : (uint32_t)n;
}

static void set_list(GKeyFile *file, const char *group, const char *key, GPtrArray *strings)
{
        g_key_file_set_string_list(file, group, key, (const char *const *)strings->pdata,
                                   strings->len);
}

static void set_u32(GKeyFile *file, const char *group, const char *key, uint32_t n)
{
        g_key_file_set_uint64(file, group, key, n);
}

GKeyFile *store_format_load(const Load *load)
{
        GKeyFile *file = g_key_file_new();
        g_autoptr(GPtrArray) metadata = g_ptr_array_new();

        g_key_file_set_integer(file, "Load", "Version", STORE_VERSION);
        set_u32(file, "Load", "OwnerUid", load->owner);
        g_key_file_set_string(file, "Load", "Application", load->application);
        g_key_file_set_string(file, "Load", "SourceDigest", load->digest);
        set_u32(file, "Load", "LogKiB", load->log_kib);
        for (char **m = load->metadata; m && *m; m++)
                g_ptr_array_add(metadata, *m);
        if (metadata->len > 0)
                set_list(file, "Load", "Metadata", metadata);
        for (guint i = 0; i < load->programs->len; i++) {
                const Program *p = g_ptr_array_index(load->programs, i);
                char group[32];

                g_snprintf(group, sizeof(group), "Program %u", p->pub.id);
                g_key_file_set_string(file, group, "Name", p->pub.name);
                g_key_file_set_string(file, group, "Section", p->pub.section);
                g_key_file_set_string(file, group, "Type", p->type->name);
                /* The kernel counts from its start; what that is in real time comes out a
                 * little different each time it is asked. */
                g_key_file_set_uint64(file, group, "LoadTime", p->pub.load_time);
                if (p->target_id != 0) {
                        set_u32(file, group, "TargetProgram", p->target_id);
                        g_key_file_set_string(file, group, "TargetFunction",
                                              p->target_function ?: "");
                }
                if (!kern_type_is_xdp(p->type))
                        continue;
                set_u32(file, group, "Extension", p->extension_id);
                set_u32(file, group, "XdpPriority", p->xdp_priority);
                set_u32(file, group, "XdpProceedOn", p->xdp_proceed_on);
        }
        for (guint i = 0; i < load->maps->len; i++) {
                const Map *m = g_ptr_array_index(load->maps, i);
                char group[32];

                g_snprintf(group, sizeof(group), "Map %u", m->pub.id);
                g_key_file_set_string(file, group, "Name", m->pub.name);
                if (m->pub.shared)
                        g_key_file_set_boolean(file, group, "Shared", TRUE);
        }
        return file;
}

static void clear_stored_program(void *p)
{
        StoredProgram *program = p;

        g_free(program->name);
        g_free(program->section);
        g_free(program->target_function);
}

static void clear_stored_map(void *p)
{
        g_free(((StoredMap *)p)->name);
}

void stored_load_free(StoredLoad *stored)
{
        if (!stored)
                return;
        load_free(stored->load);
        g_array_unref(stored->programs);
        g_array_unref(stored->maps);
        g_free(stored);
}

/* "Program 42" → 42 */
static bool parse_group(const char *group, const char *prefix, uint32_t *ret)
{
        guint64 n;

        if (!g_str_has_prefix(group, prefix) ||
            !g_ascii_string_to_unsigned(group + strlen(prefix), 10, 1, G_MAXUINT32, &n, NULL))
                return false;
        *ret = (uint32_t)n;
        return true;
}

static bool parse_program(GKeyFile *file, const char *group, uint32_t id, StoredLoad *stored,
                          GError **reterr)
{
        g_autofree char *type = get_string(file, group, "Type");
        StoredProgram p = {.id = id, .type = kern_type_find(type)};

        if (!p.type) {
                g_propagate_error(reterr,
                                  error_new(FAILED, "Its program %u has the unknown type '%s'.", id,
                                            type));
                return false;
        }
        p.name = get_string(file, group, "Name");
        p.section = get_string(file, group, "Section");
        p.load_time = g_key_file_get_uint64(file, group, "LoadTime", NULL);
        p.target_id = get_u32(file, group, "TargetProgram");
        p.target_function = get_string(file, group, "TargetFunction");
        p.extension_id = get_u32(file, group, "Extension");
        p.xdp_priority = get_u32(file, group, "XdpPriority");
        p.xdp_proceed_on = get_u32(file, group, "XdpProceedOn");
        /* Of a service that knew nothing of this: libxdp's defaults. */
        if (!g_key_file_has_key(file, group, "XdpPriority", NULL)) {
                p.xdp_priority = KERN_PRIORITY_DEFAULT;
                p.xdp_proceed_on = 1U << XDP_PASS;
        }
        g_array_append_val(stored->programs, p);
        return true;
}

StoredLoad *store_parse_load(GKeyFile *file, uint32_t id, GError **reterr)
{
        g_autoptr(StoredLoad) stored = g_new0(StoredLoad, 1);
        g_auto(GStrv) metadata = NULL, groups = NULL;
        g_autofree char *application = NULL, *digest = NULL;

        stored->programs = g_array_new(FALSE, TRUE, sizeof(StoredProgram));
        g_array_set_clear_func(stored->programs, clear_stored_program);
        stored->maps = g_array_new(FALSE, TRUE, sizeof(StoredMap));
        g_array_set_clear_func(stored->maps, clear_stored_map);
        if (!check_version(file, "Load", reterr))
                return NULL;
        application = get_string(file, "Load", "Application");
        digest = get_string(file, "Load", "SourceDigest");
        metadata = g_key_file_get_string_list(file, "Load", "Metadata", NULL, NULL);
        /* Keys and values in turn: an odd one would be read past its end. */
        if (metadata && g_strv_length(metadata) % 2 != 0)
                g_clear_pointer(&metadata, g_strfreev);
        stored->load =
                load_new(id, get_u32(file, "Load", "OwnerUid"), application, metadata, digest);
        stored->load->log_kib = get_u32(file, "Load", "LogKiB");
        groups = g_key_file_get_groups(file, NULL);
        for (char **g = groups; *g; g++) {
                uint32_t part;

                if (parse_group(*g, "Program ", &part)) {
                        if (!parse_program(file, *g, part, stored, reterr))
                                return NULL;
                } else if (parse_group(*g, "Map ", &part)) {
                        StoredMap m = {
                                .id = part,
                                .name = get_string(file, *g, "Name"),
                                .shared = g_key_file_get_boolean(file, *g, "Shared", NULL),
                        };

                        g_array_append_val(stored->maps, m);
                }
        }
        return g_steal_pointer(&stored);
}

static const char *const link_states[] = {
        [LINK_ATTACHING] = "attaching",
        [LINK_ATTACHED] = "attached",
        [LINK_DETACHING] = "detaching",
        [LINK_CHANGING] = "attached",
};

#define LINK "Link"
#define HOOK "Hook"

/* As text, since lists of GKeyFile's have no numbers of 64 bits. */
static char *numbers_to_text(const KernNumbers *numbers)
{
        GString *list = g_string_new(NULL);

        for (size_t i = 0; i < numbers->n; i++)
                g_string_append_printf(list, "%s%" G_GUINT64_FORMAT, i > 0 ? "," : "",
                                       numbers->list[i]);
        return g_string_free(list, FALSE);
}

static KernNumbers numbers_from_text(const char *text)
{
        g_auto(GStrv) list = g_strsplit(text, ",", -1);
        guint64 *numbers = g_new(guint64, g_strv_length(list) + 1);
        size_t n = 0;

        for (char **s = list; *s; s++, n++)
                if (!g_ascii_string_to_unsigned(*s, 10, 0, G_MAXUINT64, &numbers[n], NULL))
                        break;
        return (KernNumbers){numbers, n};
}

static void format_param(GKeyFile *file, const Link *link, KernParam param)
{
        const KernParamInfo *p = &kern_params[param];
        const void *member = (const char *)&link->hook + p->offset;
        g_autofree char *numbers = NULL;

        switch (p->kind) {
        case KERN_KIND_TEXT:
                g_key_file_set_string(file, HOOK, p->key, member);
                break;
        case KERN_KIND_TEXTS:
                g_key_file_set_string(file, HOOK, p->key, *(const char *const *)member ?: "");
                break;
        case KERN_KIND_NUMBERS:
                numbers = numbers_to_text(member);
                g_key_file_set_string(file, HOOK, p->key, numbers);
                break;
        case KERN_KIND_INTERFACE:
        case KERN_KIND_FILE:
                g_key_file_set_string(file, HOOK, p->key, link->texts[param] ?: "");
                break;
        case KERN_KIND_I32:
        case KERN_KIND_PROCESS:
                g_key_file_set_int64(file, HOOK, p->key,
                                     (gint64)kern_hook_number(&link->hook, param));
                break;
        default:
                g_key_file_set_uint64(file, HOOK, p->key, kern_hook_number(&link->hook, param));
        }
}

GKeyFile *store_format_link(const Link *link)
{
        const KernAttachment *a = &link->attachment;
        const KernHook *h = &link->hook;
        GKeyFile *file = g_key_file_new();

        g_key_file_set_integer(file, LINK, "Version", STORE_VERSION);
        g_key_file_set_string(file, LINK, "State", link_states[link->state]);
        g_key_file_set_string(file, LINK, "Type", h->type->name);
        set_u32(file, LINK, "Program", link->pub.program_id);
        g_key_file_set_string(file, LINK, "ProgramName", link->pub.program_name);
        set_u32(file, LINK, "OwnerUid", link->pub.owner_uid);
        g_key_file_set_uint64(file, LINK, "AttachTime", link->pub.attach_time);
        set_u32(file, LINK, "KernelLinks", (uint32_t)a->n_links);
        if (link->kernel_link != 0)
                set_u32(file, LINK, "KernelLink", link->kernel_link);
        if (link->stand_in)
                g_key_file_set_boolean(file, LINK, "StandIn", TRUE);
        set_u32(file, LINK, "TcHandle", a->tc_handle);
        set_u32(file, LINK, "TcPriority", a->tc_priority);
        set_u32(file, LINK, "TcOldPriority", a->tc_old_priority);
        set_u32(file, LINK, "TcSlot", a->tc_slot);
        set_u32(file, LINK, "TcDispatcher", a->tc_dispatcher);
        set_u32(file, LINK, "XdpMode", (uint32_t)a->xdp_mode);
        set_u32(file, LINK, "XdpMember", a->xdp_member);
        if (link->specs.map_id != 0) {
                set_u32(file, LINK, "SpecsMap", link->specs.map_id);
                set_u32(file, LINK, "SpecsFirst", link->specs.first);
                set_u32(file, LINK, "SpecsCount", link->specs.n);
        }

        g_key_file_set_uint64(file, HOOK, "Given", h->given);
        set_u32(file, HOOK, "InterfaceIndex", h->ifindex);
        g_key_file_set_uint64(file, HOOK, "CgroupId", link->pub.cgroup_id);
        g_key_file_set_uint64(file, HOOK, "DeviceNumber", link->pub.device_number);
        if (link->netns.inode != 0) {
                g_key_file_set_uint64(file, HOOK, "NetnsInode", link->netns.inode);
                g_key_file_set_integer(file, HOOK, "NetnsId", link->netns.id);
        }
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                format_param(file, link, (KernParam)i);
        return file;
}

/* A list is @lists' then. */
static void parse_param(GKeyFile *file, KernParam param, KernHook *hook, GPtrArray *lists)
{
        const KernParamInfo *p = &kern_params[param];
        void *member = kern_hook_member(hook, param);
        g_autofree char *text = get_string(file, HOOK, p->key);
        KernNumbers numbers;

        switch (p->kind) {
        case KERN_KIND_TEXT:
                g_strlcpy(member, text, p->size);
                break;
        case KERN_KIND_TEXTS:
                if (*text == '\0')
                        break;
                *(const char **)member = text;
                g_ptr_array_add(lists, g_steal_pointer(&text));
                break;
        case KERN_KIND_NUMBERS:
                numbers = numbers_from_text(text);
                *(KernNumbers *)member = numbers;
                g_ptr_array_add(lists, (gpointer)numbers.list);
                break;
        case KERN_KIND_INTERFACE: /* texts, which are the link's */
        case KERN_KIND_FILE:
                break;
        case KERN_KIND_U64:
                (void)kern_hook_set_number(hook, param,
                                           g_key_file_get_uint64(file, HOOK, p->key, NULL));
                break;
        case KERN_KIND_I32:
        case KERN_KIND_PROCESS:
                (void)kern_hook_set_number(hook, param,
                                           (guint64)g_key_file_get_int64(file, HOOK, p->key, NULL));
                break;
        default:
                (void)kern_hook_set_number(hook, param, get_u32(file, HOOK, p->key));
        }
}

static bool parse_state(GKeyFile *file, LinkState *ret, GError **reterr)
{
        g_autofree char *state = get_string(file, LINK, "State");

        for (size_t i = 0; i < G_N_ELEMENTS(link_states); i++)
                if (g_str_equal(state, link_states[i])) {
                        *ret = (LinkState)i;
                        return true;
                }
        g_propagate_error(reterr, error_new(FAILED, "It has the unknown state '%s'.", state));
        return false;
}

Link *store_parse_link(GKeyFile *file, uint32_t id, GError **reterr)
{
        g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *type = NULL, *program_name = NULL;
        KernHook h = KERN_HOOK_INIT;
        Program program = {0};
        Netns netns = NETNS_INIT;
        LinkState state;
        Link *link;

        if (!check_version(file, LINK, reterr) || !parse_state(file, &state, reterr))
                return NULL;
        type = get_string(file, LINK, "Type");
        h.type = kern_type_find(type);
        if (!h.type) {
                g_propagate_error(reterr, error_new(FAILED, "It has the unknown type '%s'.", type));
                return NULL;
        }
        h.given = g_key_file_get_uint64(file, HOOK, "Given", NULL);
        h.ifindex = get_u32(file, HOOK, "InterfaceIndex");
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                parse_param(file, (KernParam)i, &h, lists);

        program.pub.id = get_u32(file, LINK, "Program");
        program_name = get_string(file, LINK, "ProgramName");
        program.pub.name = program_name;
        link = link_new(id, get_u32(file, LINK, "OwnerUid"), &program, &h);
        link->state = state;
        link->pub.attach_time = g_key_file_get_uint64(file, LINK, "AttachTime", NULL);
        link->pub.cgroup_id = g_key_file_get_uint64(file, HOOK, "CgroupId", NULL);
        link->pub.device_number = g_key_file_get_uint64(file, HOOK, "DeviceNumber", NULL);
        netns.inode = g_key_file_get_uint64(file, HOOK, "NetnsInode", NULL);
        if (netns.inode != 0) {
                netns.id = g_key_file_get_integer(file, HOOK, "NetnsId", NULL);
                link_set_netns(link, &netns);
        }
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                const KernParamInfo *p = &kern_params[i];
                g_autofree char *text = NULL;

                if (p->kind != KERN_KIND_INTERFACE && p->kind != KERN_KIND_FILE)
                        continue;
                text = get_string(file, HOOK, p->key);
                link_set_text(link, (KernParam)i, text);
        }
        link->attachment.n_links = MIN(get_u32(file, LINK, "KernelLinks"), KERN_LINKS_MAX);
        link->kernel_link = get_u32(file, LINK, "KernelLink");
        link->stand_in = g_key_file_get_boolean(file, LINK, "StandIn", NULL);
        link->attachment.tc_handle = get_u32(file, LINK, "TcHandle");
        link->attachment.tc_priority = get_u32(file, LINK, "TcPriority");
        link->attachment.tc_old_priority = get_u32(file, LINK, "TcOldPriority");
        link->attachment.tc_slot = MIN(get_u32(file, LINK, "TcSlot"), KERN_TC_MEMBERS_MAX);
        link->attachment.tc_dispatcher = get_u32(file, LINK, "TcDispatcher");
        link->attachment.xdp_mode = (KernXdpMode)get_u32(file, LINK, "XdpMode");
        link->attachment.xdp_member = get_u32(file, LINK, "XdpMember");
        link->specs.map_id = get_u32(file, LINK, "SpecsMap");
        link->specs.first = get_u32(file, LINK, "SpecsFirst");
        link->specs.n = get_u32(file, LINK, "SpecsCount");
        link_publish_attachment(link);
        return link;
}
