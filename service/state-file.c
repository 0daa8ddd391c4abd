/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* STORE_VERSION, which is GLib's to see; the unit test compares what both read. */
#define VERSION "1"
#define LINK "Link"
#define HOOK "Hook"

static const char *line_end(const char *line)
{
        return strchrnul(line, '\n');
}

bool state_value(const char *text, const char *group, const char *key, char *ret, size_t size)
{
        size_t group_length = strlen(group), key_length = strlen(key);
        bool inside = false;

        for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
                end = line_end(line);
                if (line[0] == '[') {
                        inside = strncmp(line + 1, group, group_length) == 0 &&
                                 line[1 + group_length] == ']';
                } else if (inside && strncmp(line, key, key_length) == 0 &&
                           line[key_length] == '=') {
                        const char *value = line + key_length + 1;
                        size_t length = (size_t)(end - value);

                        if (length >= size)
                                return false;
                        memcpy(ret, value, length);
                        ret[length] = '\0';
                        return true;
                }
        }
        return false;
}

/* 0 where there is none, as service/store-format.c has it */
static uint32_t get_u32(const char *text, const char *group, const char *key)
{
        char value[16], *end;
        unsigned long long n;

        if (!state_value(text, group, key, value, sizeof(value)) || value[0] == '-')
                return 0;
        n = strtoull(value, &end, 10);
        return *end != '\0' || n > UINT32_MAX ? 0 : (uint32_t)n;
}

/* The first of these that the link has says most of it. */
static void find_place(const char *text, StateLink *link)
{
        static const char *const keys[] = {"Interface", "Tracepoint", "Target", "Function",
                                           "Functions", "Cgroup",     "Event",  "Hook"};

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (state_value(text, HOOK, keys[i], link->place, sizeof(link->place)) &&
                    link->place[0] != '\0')
                        return;
        link->place[0] = '\0';
}

/* Names of systemd's cgroups have backslashes, which GKeyFile writes twice. */
static void unescape(char *text)
{
        static const char escapes[] = "sntr\\", meant[] = " \n\t\r\\";
        char *to = text;

        for (const char *from = text; *from; from++) {
                const char *escape = *from == '\\' && from[1] ? strchr(escapes, from[1]) : NULL;

                *to++ = escape ? meant[escape - escapes] : *from;
                from += escape != NULL;
        }
        *to = '\0';
}

/* Of parameters that are words of a list, names and such numbers: by the others nothing is found again. */
static void parse_param(const char *text, KernParam param, KernHook *hook)
{
        const KernParamInfo *p = &kern_params[param];
        char *member = kern_hook_member(hook, param);

        switch (p->kind) {
        case KERN_KIND_U32:
        case KERN_KIND_WORD:
        case KERN_KIND_MAP:
                (void)kern_hook_set_number(hook, param, get_u32(text, HOOK, p->key));
                break;
        case KERN_KIND_TEXT:
                if (!state_value(text, HOOK, p->key, member, p->size))
                        member[0] = '\0';
                break;
        default:
                break;
        }
}

int state_parse_link(const char *text, StateLink *ret)
{
        StateLink link;
        KernAttachment *a = &link.attachment;
        char value[64];

        memset(&link, 0, sizeof(link));
        link.hook = KERN_HOOK_INIT;
        if (!state_value(text, LINK, "Version", value, sizeof(value)))
                return -EBADMSG;
        if (strcmp(value, VERSION) != 0)
                return -EPROTO;
        if (!state_value(text, LINK, "Type", value, sizeof(value)))
                return -EBADMSG;
        link.hook.type = kern_type_find(value);
        if (!link.hook.type)
                return -EBADMSG;

        link.program_id = get_u32(text, LINK, "Program");
        if (!state_value(text, LINK, "ProgramName", link.program_name, sizeof(link.program_name)))
                link.program_name[0] = '\0';
        a->n_links = get_u32(text, LINK, "KernelLinks");
        if (a->n_links > KERN_LINKS_MAX)
                a->n_links = KERN_LINKS_MAX;
        a->tc_handle = get_u32(text, LINK, "TcHandle");
        a->tc_priority = get_u32(text, LINK, "TcPriority");
        a->tc_old_priority = get_u32(text, LINK, "TcOldPriority");
        a->tc_slot = get_u32(text, LINK, "TcSlot");
        a->xdp_mode = (KernXdpMode)get_u32(text, LINK, "XdpMode");
        a->xdp_member = get_u32(text, LINK, "XdpMember");
        link.hook.ifindex = get_u32(text, HOOK, "InterfaceIndex");
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                parse_param(text, (KernParam)i, &link.hook);
        if (!state_value(text, HOOK, "Cgroup", link.cgroup, sizeof(link.cgroup)))
                link.cgroup[0] = '\0';
        unescape(link.cgroup);
        if (state_value(text, HOOK, "CgroupId", value, sizeof(value)))
                link.cgroup_id = strtoull(value, NULL, 10);
        if (!state_value(text, HOOK, "Device", link.device, sizeof(link.device)))
                link.device[0] = '\0';
        unescape(link.device);
        if (state_value(text, HOOK, "DeviceNumber", value, sizeof(value)))
                link.device_number = strtoull(value, NULL, 10);
        if (state_value(text, HOOK, "Given", value, sizeof(value)))
                link.hook.given = strtoull(value, NULL, 10);
        if (state_value(text, HOOK, "NetnsInode", value, sizeof(value)))
                link.netns_inode = strtoull(value, NULL, 10);
        if (!state_value(text, HOOK, "Netns", link.netns, sizeof(link.netns)))
                link.netns[0] = '\0';
        find_place(text, &link);
        *ret = link;
        return 0;
}
