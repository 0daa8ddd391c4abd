/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Link.Update() and Link.ReplaceProgram(): what is attached stays attached, otherwise. */

#include "attach-op.h"
#include "audit.h"
#include "errors.h"
#include "hook-look.h"
#include "kern-change.h"
#include "kern-order.h"
#include "link-cgroup.h"
#include "link-change.h"

typedef struct ChangeOp {
        AttachOp attach; /* first: polkit is told what an Attach() would tell it */
        uint32_t link_id;
        uint32_t new_program; /* 0: the one that it has */
        bool coming;          /* counted as one that is about to be attached */
        uint32_t neighbour;   /* the kernel link that before or after means, or 0 */
} ChangeOp;

static void change_op_free(void *p)
{
        ChangeOp *op = p;

        attach_op_done(&op->attach);
        g_free(op);
}

static ChangeOp *change_op_new(uint32_t link_id, BusAttachArgs *args)
{
        ChangeOp *op = g_new0(ChangeOp, 1);

        attach_op_init(&op->attach, args);
        op->link_id = link_id;
        return op;
}

/* The link, as long as it is there and attached; or what is the matter. */
static Link *find_link(Request *request, GError **reterr)
{
        const ChangeOp *op = request->op;
        Link *link = registry_link(request->daemon->registry, op->link_id);

        if (!link || link->state == LINK_DETACHING) {
                *reterr = no_such_object(BUS_LINK, op->link_id);
                return NULL;
        }
        return link;
}

/* A program of the same kind, that can be where the old one is. */
static GError *check_program(Request *request, const Link *link)
{
        const ChangeOp *op = request->op;
        Registry *registry = request->daemon->registry;
        const Program *program = registry_any_program(registry, op->new_program);

        if (!program || program->unloading)
                return no_such_object(BUS_PROGRAM, op->new_program);
        if (!program->load)
                return error_new(
                        NOT_MANAGED,
                        "Program %u was not loaded by this service, so it can't attach it.",
                        op->new_program);
        if (program->type != link->hook.type)
                return error_new(
                        TYPE_MISMATCH,
                        "Program %u is a %s program; link %u is of a %s program, and takes "
                        "another one of these.",
                        op->new_program, program->pub.type, op->link_id, link->pub.type);
        if (link->attachment.xdp_member == 0 || op->new_program == link->pub.program_id)
                return NULL;
        if (program->extension_id == 0 || registry_is_target(registry, op->new_program))
                return error_new(NOT_SUPPORTED,
                                 "Program %u can't be among others on interface %s, as the one is "
                                 "that it is to replace.",
                                 op->new_program, link->pub.interface);
        if (registry_is_claimed(registry, link->hook.ifindex, program->extension_id))
                return error_new(HOOK_BUSY, "Program %u is on interface %s already.",
                                 op->new_program, link->pub.interface);
        return NULL;
}

/* 2. With a turn on the hook */

static void on_changed(GError *error, void *userdata)
{
        Request *request = userdata;
        ChangeOp *op = request->op;
        const Link *link;

        if (op->coming) {
                Program *program = registry_program(request->daemon->registry, op->new_program);

                if (program)
                        program->n_coming--;
        }
        if (error) {
                request_fail(request, error);
                return;
        }
        link = registry_link(request->daemon->registry, op->link_id);
        if (op->new_program != 0)
                audit_done(request, BUS_LINK, op->link_id, "replaced the program of link %u by %u",
                           op->link_id, op->new_program);
        else
                audit_done(request, BUS_LINK, op->link_id, "changed link %u%s%s", op->link_id,
                           link ? " of " : "", link ? link->pub.program_name : "");
        request_finish(request, bus_reply_empty(request->m));
}

/* One struct_ops is one part of the kernel, whatever link it is attached by. */
static GError *check_map(Request *request, const Link *link)
{
        const ChangeOp *op = request->op;
        const uint32_t id = op->attach.hook.map_id;
        GHashTableIter iter;
        gpointer value;

        if (id == link->hook.map_id)
                return NULL;
        g_hash_table_iter_init(&iter, registry_links(request->daemon->registry));
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Link *other = value;

                if (other->hook.type == link->hook.type && other->hook.map_id == id)
                        return error_new(HOOK_BUSY, "Map %u is attached already, by link %u.", id,
                                         other->pub.id);
        }
        return NULL;
}

/* Of the new program's map of specs the link has another part, until the old program has ended. */
static GError *prepare_specs(ChangeOp *op, Daemon *daemon, LinkValues *values)
{
        AttachOp *attach = &op->attach;

        if (attach->specs_map == 0)
                return NULL;
        if (!attach_hook_open_map(attach, daemon))
                return no_such_object(BUS_MAP, attach->specs_map);
        attach_hook_take_specs(attach, daemon, &values->specs);
        attach->probe.map_fd = attach->map_fd;
        return NULL;
}

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)
#define PLACE (BIT(PRIORITY) | BIT(BEFORE) | BIT(AFTER))

/* What nobody said stays as it is by now, which needn't be as it was when the caller asked. */
static void set_values(const ChangeOp *op, LinkValues *values)
{
        const KernHook *hook = &op->attach.hook;

        values->kernel_link = 0;
        if (op->attach.said & PLACE) {
                values->given = (values->given & ~PLACE) | (hook->given & PLACE);
                values->priority = hook->priority;
                g_strlcpy(values->before, hook->before, sizeof(values->before));
                g_strlcpy(values->after, hook->after, sizeof(values->after));
        }
        if (op->attach.said & BIT(PROCEED_ON)) {
                values->given |= BIT(PROCEED_ON);
                values->proceed_on = hook->proceed_on;
        }
        if (op->new_program != 0)
                values->map_id = hook->map_id;
}

static void set_program(ChangeOp *op, Daemon *daemon, const Link *link, LinkValues *values)
{
        Program *program = registry_program(daemon->registry, op->new_program);

        values->program_id = op->new_program;
        g_free(values->program_name);
        values->program_name = g_strdup(program->pub.name);
        if (link->attachment.xdp_member != 0)
                values->xdp_member = program->extension_id;
        program->n_coming++;
        op->coming = true;
}

static void change(Request *request)
{
        ChangeOp *op = request->op;
        Daemon *daemon = request->daemon;
        GError *error = NULL;
        Link *link = find_link(request, &error);
        const bool another =
                link && op->new_program != 0 && op->new_program != link->pub.program_id;
        LinkChange wanted = {.uid = request->uid,
                             .neighbour = op->neighbour,
                             .netns_fd = op->attach.files[KERN_PARAM_NETNS]};

        if (link && daemon->stopping)
                error = error_new(WORKER_FAILED, "The service is stopping.");
        else if (link && op->new_program != 0)
                error = check_program(request, link) ?: check_map(request, link);
        if (error) {
                request_fail(request, error);
                return;
        }
        link_values_get(link, &wanted.values);
        if (another)
                error = prepare_specs(op, daemon, &wanted.values);
        if (error) {
                link_values_done(&wanted.values);
                request_fail(request, error);
                return;
        }
        set_values(op, &wanted.values);
        wanted.moves = op->attach.said & PLACE;
        if (another)
                set_program(op, daemon, link, &wanted.values);
        if (another && kern_succession(link->hook.type) == KERN_SUCCESSION_BESIDE)
                wanted.probe = &op->attach.probe;
        link_change(daemon, link, &wanted, on_changed, request);
}

static void on_looked(GArray *occupants, GError *error, void *userdata)
{
        Request *request = userdata;
        ChangeOp *op = request->op;
        const KernHook *hook = &op->attach.hook;
        KernNeighbour neighbour;

        if (error) {
                request_fail(request, error);
                return;
        }
        (void)kern_neighbour_parse(hook->before[0] ? hook->before : hook->after, &neighbour);
        for (guint i = 0; i < occupants->len; i++) {
                const KernOccupant *o = &g_array_index(occupants, KernOccupant, i);

                if (o->type == hook->type && o->direction == hook->direction && !o->inherited &&
                    o->link_id != 0 && o->prog_id == neighbour.id)
                        op->neighbour = o->link_id;
        }
        if (op->neighbour == 0)
                request_fail(request,
                             error_new(INVALID_ARGUMENT,
                                       "Program %u is not on the hook by a link, so that nothing "
                                       "goes beside it.",
                                       neighbour.id));
        else
                change(request);
}

/* Of ours the service knows the kernel links; of others' programs a worker looks for them. */
static void find_neighbour(Request *request)
{
        ChangeOp *op = request->op;
        const KernHook *hook = &op->attach.hook;
        const char *text = hook->before[0] ? hook->before : hook->after;
        KernHookPlace place = KERN_HOOK_PLACE_INIT;
        KernNeighbour neighbour;
        const Link *other;

        if (!(op->attach.said & (BIT(BEFORE) | BIT(AFTER))) ||
            kern_neighbour_parse(text, &neighbour) < 0) {
                change(request);
                return;
        }
        switch (neighbour.kind) {
        case KERN_NEIGHBOUR_KERNEL_LINK:
                op->neighbour = neighbour.id;
                break;
        case KERN_NEIGHBOUR_LINK:
                other = registry_link(request->daemon->registry, neighbour.id);
                if (!other || other->pub.id == op->link_id ||
                    other->pub.kernel_link_ids->len != 1) {
                        request_fail(request, error_new(INVALID_ARGUMENT,
                                                        "Link %u is no other one on the hook.",
                                                        neighbour.id));
                        return;
                }
                op->neighbour = g_array_index(other->pub.kernel_link_ids, uint32_t, 0);
                break;
        default:
                other = registry_link(request->daemon->registry, op->link_id);
                place.cgroup_fd = other ? link_open_cgroup(other) : -1;
                if (place.cgroup_fd < 0)
                        break;
                op->attach.files[KERN_PARAM_CGROUP] = place.cgroup_fd;
                hook_look(request->daemon, request->uid, &place, on_looked, request,
                          request->cancellable);
                return;
        }
        change(request);
}

static void on_turn(SharingTurn *turn, void *userdata)
{
        Request *request = userdata;
        ChangeOp *op = request->op;
        GError *error = NULL;

        op->attach.turn = turn;
        if (request_is_cancelled(request))
                error = error_new(CANCELLED, "The caller left the bus.");
        else
                (void)find_link(request, &error);
        if (error)
                request_fail(request, error);
        else
                find_neighbour(request);
}

static void enter(Request *request)
{
        GError *error = NULL;
        Link *link = find_link(request, &error);

        if (link)
                sharing_enter(registry_sharing(request->daemon->registry), link, on_turn, request);
        else
                request_fail(request, error);
}

/* What is in a target is looked up before, since that takes a worker of its own. */
static void resolve(Request *request)
{
        attach_hook_resolve(request, enter);
}

/* 1. polkit: it is as if the program were attached so, by whom the link belongs to */

static void authorize_map(Request *request)
{
        attach_authorize_map(request, resolve);
}

static void authorize_program(Request *request)
{
        const ChangeOp *op = request->op;

        if (op->new_program != 0)
                request_authorize_use(request, op->new_program, authorize_map);
        else
                enter(request);
}

static void authorize_attach(Request *request)
{
        ChangeOp *op = request->op;
        GError *error = NULL;
        const Link *link = find_link(request, &error);
        const Program *program = link ? registry_program(request->daemon->registry,
                                                         op->new_program ?: link->pub.program_id)
                                      : NULL;

        if (link && !program)
                error = no_such_object(BUS_PROGRAM, op->new_program ?: link->pub.program_id);
        if (error)
                request_fail(request, error);
        else
                attach_authorize(request, program, authorize_program);
}

static void authorize_owner(Request *request, const Link *link)
{
        if (link->pub.owner_uid == request->uid)
                authorize_attach(request);
        else
                request_authorize_others(request, "org.bpfkeeper1.detach-others",
                                         &(Belonging){link->pub.id, link->pub.program_name,
                                                      link->pub.type, link->pub.owner_uid},
                                         authorize_attach);
}

static void prepare(Request *request)
{
        ChangeOp *op = request->op;
        Daemon *daemon = request->daemon;
        GError *error = NULL;
        Link *link = find_link(request, &error);

        if (link) {
                audit_link(request, link);
                /* What is wrong with the program is said before what is missing for it. */
                if (op->new_program != 0)
                        error = check_program(request, link);
                if (!error && op->new_program != 0)
                        error = attach_hook_replace(&op->attach, daemon, request->uid, link,
                                                    registry_program(daemon->registry,
                                                                     op->new_program));
                else if (!error)
                        error = attach_hook_change(&op->attach, request->uid, link);
        }
        if (error)
                request_fail(request, error);
        else
                authorize_owner(request, link);
}

void op_update(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args)
{
        request_start(service, m, change_op_new(id, args), change_op_free, prepare);
}

void op_replace_program(void *service, sd_bus_message *m, uint32_t id, uint32_t program,
                        BusAttachArgs *args)
{
        ChangeOp *op = change_op_new(id, args);

        op->new_program = program;
        request_start(service, m, op, change_op_free, prepare);
}
