/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the options of an Update() or a ReplaceProgram(), and the link that they are about, to a hook. */

#include <limits.h>

#include "attach-op.h"
#include "errors.h"
#include "kern-change.h"
#include "link-change.h"

/* Neighbours and a priority contradict each other: what is said now counts. */
static void forget_place(KernHook *h, uint64_t said)
{
        const uint64_t neighbours =
                KERN_PARAM_BIT(KERN_PARAM_BEFORE) | KERN_PARAM_BIT(KERN_PARAM_AFTER);
        const uint64_t place = neighbours | KERN_PARAM_BIT(KERN_PARAM_PRIORITY);

        if (!(said & place))
                return;
        h->given &= ~place;
        h->given |= said & place;
        if (!(said & KERN_PARAM_BIT(KERN_PARAM_BEFORE)))
                h->before[0] = '\0';
        if (!(said & KERN_PARAM_BIT(KERN_PARAM_AFTER)))
                h->after[0] = '\0';
        if (said & neighbours)
                h->priority = KERN_PRIORITY_DEFAULT;
}

/* Lists are @op's own: polkit may take a while, and the link go. */
static void copy_lists(AttachOp *op, const Link *link)
{
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                const void *from = (const char *)&link->hook + kern_params[i].offset;
                void *member = kern_hook_member(&op->hook, (KernParam)i);
                const KernNumbers *numbers = from;

                if (kern_params[i].kind == KERN_KIND_TEXTS) {
                        op->lists[i] = g_strdup(*(const char *const *)from);
                        *(const char **)member = op->lists[i];
                } else if (kern_params[i].kind == KERN_KIND_NUMBERS && numbers->n > 0) {
                        uint64_t *copy = g_memdup2(numbers->list, numbers->n * sizeof(*copy));

                        op->lists[i] = (char *)copy;
                        *(KernNumbers *)member = (KernNumbers){copy, numbers->n};
                }
        }
}

static const char *call_netns(const Netns *netns, char *const *texts)
{
        return netns->inode != 0 ? texts[KERN_PARAM_NETNS] : "the service's own";
}

/* What was given is the way to where the link is, and no other place. */
static GError *set_netns(AttachOp *op, uid_t uid, const Link *link, const BusValue *value)
{
        GError *error;

        op->netns = link->netns;
        error = attach_hook_set(op, uid, KERN_PARAM_NETNS, value);
        if (error)
                return error;
        if (!netns_is(&op->netns, &link->netns))
                return error_new(INVALID_ARGUMENT,
                                 "Link %u is in network namespace %s, and option 'netns' is %s; "
                                 "attach the program there anew.",
                                 link->pub.id, call_netns(&link->netns, link->texts),
                                 call_netns(&op->netns, op->texts));
        /* Rules and grants of polkit's are asked of the link as it is, by whichever path it is reached. */
        g_free(op->texts[KERN_PARAM_NETNS]);
        op->texts[KERN_PARAM_NETNS] = g_strdup(link->texts[KERN_PARAM_NETNS]);
        return NULL;
}

GError *attach_hook_reach(AttachOp *op, uid_t uid, const Link *link)
{
        const BusValue *netns = &op->args->values[KERN_PARAM_NETNS];
        const BusValue *device = &op->args->values[KERN_PARAM_DEVICE];
        GError *error = NULL;

        op->hook = KERN_HOOK_INIT;
        op->hook.type = link->hook.type;
        for (size_t i = 0; i < op->args->n; i++)
                if (op->args->values[i].type && i != KERN_PARAM_NETNS && i != KERN_PARAM_DEVICE)
                        return error_new(INVALID_ARGUMENT,
                                         "Option '%s' says nothing about detaching, which takes "
                                         "netns and device.",
                                         kern_params[i].name);
        if (netns->type)
                error = set_netns(op, uid, link, netns);
        if (!error && device->type)
                error = attach_hook_bring_device(op, uid, link, device);
        return error;
}

static GError *change(AttachOp *op, uid_t uid, const Link *link, uint64_t allowed)
{
        KernHook *h = &op->hook;
        KernDiag diag = {0};
        GError *error = NULL;
        int r;

        *h = link->hook;
        kern_hook_drop_borrowed(h);
        copy_lists(op, link);
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                op->texts[i] = g_strdup(link->texts[i]);
        for (size_t i = 0; !error && i < op->args->n; i++) {
                const BusValue *value = &op->args->values[i];
                const uint64_t bit = KERN_PARAM_BIT(i), had = h->given & bit;

                if (!value->type)
                        continue;
                h->given &= ~bit;
                if (!(allowed & bit))
                        error = error_new(INVALID_ARGUMENT,
                                          "Option '%s' of a link can't be changed; attach the "
                                          "program anew.",
                                          kern_params[i].name);
                else if (!kern_type_takes(h->type, bit))
                        error = error_new(INVALID_ARGUMENT, "A %s program takes no %s.",
                                          h->type->name, kern_params[i].name);
                else if (i == KERN_PARAM_NETNS)
                        error = set_netns(op, uid, link, value);
                else
                        error = attach_hook_set(op, uid, (KernParam)i, value);
                op->said |= h->given & bit;
                h->given |= had;
        }
        if (error)
                return error;
        forget_place(h, op->said);
        r = kern_hook_check_change(h, &diag);
        if (r < 0)
                error = error_from_diag(&diag, r);
        kern_diag_clear(&diag);
        return error;
}

#define PLACES                                                                     \
        (KERN_PARAM_BIT(KERN_PARAM_PRIORITY) | KERN_PARAM_BIT(KERN_PARAM_BEFORE) | \
         KERN_PARAM_BIT(KERN_PARAM_AFTER) | KERN_PARAM_BIT(KERN_PARAM_PROCEED_ON))
/* Which stays what it is, and may have to be found again. */
#define WAY KERN_PARAM_BIT(KERN_PARAM_NETNS)

GError *attach_hook_change(AttachOp *op, uid_t uid, const Link *link)
{
        return change(op, uid, link, PLACES | WAY);
}

/* No file is kept open for a link: it is given again, or is what its path leads to by now. */
static GError *find_target(AttachOp *op, uid_t uid, const Link *link)
{
        char *text = link->texts[KERN_PARAM_TARGET];
        GError *error = NULL;

        if (!kern_type_takes(link->hook.type, KERN_PARAM_BIT(KERN_PARAM_TARGET)) || !text)
                return NULL;
        if (op->files[KERN_PARAM_TARGET] < 0 && uid == 0 && *text == '/')
                error = attach_hook_set(op, uid, KERN_PARAM_TARGET,
                                        &(BusValue){.type = "s", .s = text});
        else if (op->files[KERN_PARAM_TARGET] < 0)
                error = error_new(MISSING_PARAMETER,
                                  "Link %u is on %s, which the service doesn't keep open; pass it "
                                  "again, by option 'target' as a descriptor (D-Bus type 'h').",
                                  link->pub.id, text);
        if (!error && !g_str_equal(op->texts[KERN_PARAM_TARGET], text))
                error = error_new(INVALID_ARGUMENT,
                                  "Link %u is on %s, and option 'target' is %s; attach the program "
                                  "there anew.",
                                  link->pub.id, text, op->texts[KERN_PARAM_TARGET]);
        return error;
}

/* Nor is a process's: its number may be another's by now. */
static GError *check_process(const AttachOp *op, const Link *link)
{
        const bool said = op->args->values[KERN_PARAM_PID].type;
        const int32_t pid = link->hook.pid;

        if (!(link->hook.given & KERN_PARAM_BIT(KERN_PARAM_PID)))
                return said ? error_new(INVALID_ARGUMENT,
                                        "Link %u is for all processes, and takes no pid.",
                                        link->pub.id)
                            : NULL;
        if (!said)
                return error_new(MISSING_PARAMETER,
                                 "Link %u is only for process %d, which may be another one by now; "
                                 "pass it again, by option 'pid'.",
                                 link->pub.id, pid);
        if (op->hook.pid != pid)
                return error_new(INVALID_ARGUMENT,
                                 "Link %u is only for process %d, and option 'pid' is %d; attach "
                                 "the program to that one anew.",
                                 link->pub.id, pid, op->hook.pid);
        return NULL;
}

/* Where a program goes may be fixed when it is loaded, and the kernel doesn't always compare that. */
static GError *check_section(const AttachOp *op, const Program *program)
{
        KernHook hook = op->hook;
        char target[PATH_MAX];
        KernDiag diag = {0};
        GError *error = NULL;
        int r;

        r = kern_hook_complete(&hook, program->pub.section, target, sizeof(target), &diag);
        if (r < 0)
                error = error_from_diag(&diag, r);
        kern_diag_clear(&diag);
        return error;
}

/* What is replaced is the whole struct_ops, by the one of that name that the program came with. */
static GError *choose_struct_ops(AttachOp *op, Daemon *daemon, const Link *link,
                                 const Program *program)
{
        const Map *old = registry_any_map(daemon->registry, link->hook.map_id);
        const GPtrArray *maps = program->load->maps;
        KernHook *h = &op->hook;

        if (h->type->prog_type != BPF_PROG_TYPE_STRUCT_OPS)
                return NULL;
        if (!op->args->values[KERN_PARAM_TARGET_MAP].type)
                h->map_id = 0;
        for (guint i = 0; old && h->map_id == 0 && i < maps->len; i++) {
                const Map *map = g_ptr_array_index(maps, i);

                if (g_str_equal(map->pub.type, "struct_ops") &&
                    g_str_equal(map->pub.name, old->pub.name))
                        h->map_id = map->pub.id;
        }
        return attach_hook_set_struct_ops(op, program);
}

GError *attach_hook_replace(AttachOp *op, Daemon *daemon, uid_t uid, const Link *link,
                            const Program *program)
{
        const bool beside = kern_succession(link->hook.type) == KERN_SUCCESSION_BESIDE;
        uint64_t allowed = PLACES | WAY;
        GError *error;

        if (beside)
                allowed |= KERN_PARAM_BIT(KERN_PARAM_TARGET) | KERN_PARAM_BIT(KERN_PARAM_PID);
        if (link->hook.type->prog_type == BPF_PROG_TYPE_STRUCT_OPS)
                allowed |= KERN_PARAM_BIT(KERN_PARAM_TARGET_MAP);
        error = link_check_replace(link);
        if (!error)
                error = change(op, uid, link, allowed);
        if (!error)
                error = check_section(op, program);
        if (!error)
                error = choose_struct_ops(op, daemon, link, program);
        if (error || !beside)
                return error;
        error = find_target(op, uid, link);
        if (!error)
                error = check_process(op, link);
        return error ?: attach_hook_set_specs(op, daemon, program);
}
