/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What polkit is told of an attachment: everything that an administrator may want to decide on. */

#include "attach-op.h"
#include "hook-param.h"

/* Parameters, and what there is to say of every hook. */
#define DETAILS_MAX (_KERN_PARAM_MAX + 12)

typedef struct Details {
        AuthzDetail list[DETAILS_MAX];
        size_t n;
        GPtrArray *owned;
} Details;

static void add(Details *d, const char *key, const char *value)
{
        if (*value)
                d->list[d->n++] = (AuthzDetail){key, value};
}

/* Takes @value. */
static void add_owned(Details *d, const char *key, char *value)
{
        g_ptr_array_add(d->owned, value);
        add(d, key, value);
}

static void add_number(Details *d, const char *key, uint32_t value)
{
        add_owned(d, key, g_strdup_printf("%u", value));
}

static void add_param(Details *d, const AttachOp *op, KernParam param)
{
        const KernHook *h = &op->hook;
        bool says =
                (h->given & KERN_PARAM_BIT(param)) ||
                (kern_params[param].has_default && kern_type_takes(h->type, KERN_PARAM_BIT(param)));
        char *text = says ? hook_param_text(h, op->texts, param) : NULL;

        if (text)
                add_owned(d, kern_params[param].name, text);
}

/*
 * An interface of another network namespace is called NETNS/IFACE, in what administrators read and in
 * what their rules and grants compare: no name has a slash, so that what was meant for an interface of
 * this namespace fits none of another's.
 */
static void add_interface(Details *d, const AttachOp *op)
{
        const char *name = op->texts[KERN_PARAM_INTERFACE], *netns = op->texts[KERN_PARAM_NETNS];

        if (!name)
                return;
        add_number(d, "ifindex", op->hook.ifindex);
        add_owned(d, "interface", netns ? g_strdup_printf("%s/%s", netns, name) : g_strdup(name));
}

/* An iterator reads a map, and every other program does something with what is in it. */
void attach_authorize_map(Request *request, void (*allowed)(Request *request))
{
        const AttachOp *op = request->op;
        uint32_t id = op->hook.map_id;
        const Map *map = id != 0 ? registry_any_map(request->daemon->registry, id) : NULL;

        if (!map || (map->pub.managed && map->pub.owner_uid == request->uid)) {
                allowed(request);
                return;
        }
        request_authorize_others(request,
                                 op->hook.type->attach_type == BPF_TRACE_ITER
                                         ? "org.bpfkeeper1.map.read"
                                         : "org.bpfkeeper1.map.write",
                                 &(Belonging){id, map->pub.name, map->pub.type, map->pub.owner_uid},
                                 allowed);
}

void attach_authorize(Request *request, const Program *program, void (*allowed)(Request *request))
{
        AttachOp *op = request->op;
        const KernHook *h = &op->hook;
        g_autoptr(GPtrArray) owned = g_ptr_array_new_with_free_func(g_free);
        Details d = {.owned = owned};
        char suffix[32], action[64];

        add(&d, "type", h->type->name);
        add(&d, "program", program->pub.name);
        add_number(&d, "program_id", program->pub.id);
        add_number(&d, "owner", program->pub.owner_uid);
        add(&d, "application", program->pub.application);
        add(&d, "digest", program->pub.source_digest);
        add_interface(&d, op);
        if (h->target_program_id != 0) {
                const Program *target =
                        registry_any_program(request->daemon->registry, h->target_program_id);

                if (!target) {
                        request_fail(request, no_such_object(BUS_PROGRAM, h->target_program_id));
                        return;
                }
                add(&d, "target_program", target->pub.name);
                add_number(&d, "target_program_id", target->pub.id);
                add_number(&d, "target_program_owner", target->pub.owner_uid);
        }
        if (h->map_id != 0) {
                const Map *map = registry_any_map(request->daemon->registry, h->map_id);

                if (!map) {
                        request_fail(request, no_such_object(BUS_MAP, h->map_id));
                        return;
                }
                add(&d, "target_map", map->pub.name);
                add_number(&d, "target_map_id", map->pub.id);
                add_number(&d, "target_map_owner", map->pub.owner_uid);
        }
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                if (kern_params[i].kind != KERN_KIND_PROGRAM &&
                    kern_params[i].kind != KERN_KIND_INTERFACE &&
                    kern_params[i].kind != KERN_KIND_MAP)
                        add_param(&d, op, (KernParam)i);
        kern_type_action_suffix(h->type, suffix, sizeof(suffix));
        g_snprintf(action, sizeof(action), "org.bpfkeeper1.attach.%s", suffix);
        request_authorize(request, action, d.list, allowed);
}
