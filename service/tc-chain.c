/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tc-chain.h"

#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "errors.h"
#include "kern-tc.h"
#include "link-detach.h"
#include "link-netns.h"
#include "ops.h"
#include "sharing.h"

#define BEGIN_TIMEOUT_SEC 20

typedef enum ChainState {
        CHAIN_NONE, /* has no dispatcher, and no members */
        CHAIN_BEGINNING,
        CHAIN_THERE,
        CHAIN_ENDING,
} ChainState;

typedef struct TcChain {
        gint64 key; /* first: what the table looks it up by */
        ChainState state;
        uint32_t handle, program_id; /* the dispatcher's */
        GPtrArray *members;          /* Link, in the order in which they run */
        GQueue waiting;              /* Join */
} TcChain;

struct TcChains {
        GHashTable *by_hook; /* TcChain, by their keys */
};

/* Who wants to be a member. */
typedef struct Join {
        Daemon *daemon;
        TcChain *chain;
        Link *link;
        TcChainDone done;
        void *userdata;
} Join;

static void chain_free(void *p)
{
        TcChain *chain = p;

        g_ptr_array_unref(chain->members);
        g_queue_clear(&chain->waiting);
        g_free(chain);
}

TcChains *tc_chains_new(void)
{
        TcChains *chains = g_new0(TcChains, 1);

        chains->by_hook = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, chain_free);
        return chains;
}

void tc_chains_free(TcChains *chains)
{
        if (!chains)
                return;
        g_hash_table_unref(chains->by_hook);
        g_free(chains);
}

/* Indexes have 31 bits, and of the ids of namespaces the kernel gives out the lowest ones. */
static gint64 key_of(const Netns *netns, const KernHook *hook)
{
        return (gint64)((uint64_t)(netns->id + 1) << 33 | (uint64_t)hook->ifindex << 2 |
                        (uint64_t)hook->direction);
}

static TcChain *find_chain(const Daemon *daemon, const Netns *netns, const KernHook *hook)
{
        const gint64 key = key_of(netns, hook);

        return g_hash_table_lookup(daemon->tc_chains->by_hook, &key);
}

static TcChain *get_chain(Daemon *daemon, const Netns *netns, const KernHook *hook)
{
        TcChain *chain = find_chain(daemon, netns, hook);

        if (chain)
                return chain;
        chain = g_new0(TcChain, 1);
        chain->key = key_of(netns, hook);
        chain->members = g_ptr_array_new();
        g_queue_init(&chain->waiting);
        g_hash_table_add(daemon->tc_chains->by_hook, chain);
        return chain;
}

static void drop_if_unused(Daemon *daemon, TcChain *chain)
{
        if (chain->state == CHAIN_NONE && g_queue_is_empty(&chain->waiting))
                g_hash_table_remove(daemon->tc_chains->by_hook, &chain->key);
}

static int compare_members(const void *a, const void *b)
{
        return link_compare(*(const Link *const *)a, *(const Link *const *)b);
}

static int set_order(const TcChain *chain, int order_fd)
{
        uint8_t slots[KERN_TC_MEMBERS_MAX];

        for (guint i = 0; i < chain->members->len; i++)
                slots[i] = (uint8_t)((const Link *)g_ptr_array_index(chain->members, i))
                                   ->attachment.tc_slot;
        return kern_tc_chain_set_order(order_fd, slots, chain->members->len);
}

/* The lowest one that no member has; 0: none. */
static unsigned free_slot(const TcChain *chain)
{
        unsigned taken = 1;

        for (guint i = 0; i < chain->members->len; i++)
                taken |= 1U << ((const Link *)g_ptr_array_index(chain->members, i))
                                       ->attachment.tc_slot;
        for (unsigned slot = 1; slot <= KERN_TC_MEMBERS_MAX; slot++)
                if (!(taken & (1U << slot)))
                        return slot;
        return 0;
}

bool tc_chain_takes(const Daemon *daemon, const Program *program)
{
        return program->type->prog_type == BPF_PROG_TYPE_SCHED_CLS &&
               (program->type->optional & KERN_PARAM_BIT(KERN_PARAM_PROCEED_ON)) &&
               daemon_has_feature(daemon, "tc_dispatcher") &&
               !registry_is_target(daemon->registry, program->pub.id);
}

/* Joining */

static int put_program(Daemon *daemon, const Link *link, int programs_fd)
{
        const Program *program = registry_program(daemon->registry, link->pub.program_id);
        int fd, r;

        if (!program || program->unloading)
                return -ENOENT;
        fd = program_open(daemon, program);
        if (fd < 0)
                return fd;
        r = kern_tc_chain_put(programs_fd, link->attachment.tc_slot, fd);
        close(fd);
        return r;
}

static GError *cant_put(int r, const Link *link)
{
        switch (-r) {
        case ENOENT:
                return no_such_object(BUS_PROGRAM, link->pub.program_id);
        case EBUSY:
                return error_new(
                        HOOK_BUSY,
                        "An extension replaces a function of program %u, and so the kernel "
                        "doesn't let it be among other tc programs; detach that first.",
                        link->pub.program_id);
        default:
                return error_from_errno(r, "put the program among the others of the interface");
        }
}

/* Gives it a place, in the file before anywhere else. */
static GError *take_place(Daemon *daemon, TcChain *chain, Link *link)
{
        KernAttachment *a = &link->attachment;
        GError *error = NULL;

        a->tc_slot = free_slot(chain);
        if (a->tc_slot == 0)
                return error_new(
                        LIMIT_EXCEEDED,
                        "Interface %s has %u tc programs on %s already, and %d are as many "
                        "as can be put in order; detach one first, or attach this one as "
                        "tcx.",
                        link->pub.interface, chain->members->len,
                        kern_direction_to_string(link->hook.direction), KERN_TC_MEMBERS_MAX);
        a->tc_handle = chain->handle;
        a->tc_priority = KERN_TC_PRIORITY;
        a->tc_dispatcher = chain->program_id;
        (void)store_write_link(daemon->store, link, &error);
        return error;
}

static GError *enter(Daemon *daemon, TcChain *chain, Link *link, int programs_fd, int order_fd)
{
        GError *error = take_place(daemon, chain, link);
        const uint32_t id = link->pub.id;
        int r;

        if (error)
                return error;
        r = store_pin(daemon->store, BUS_LINK, id, TC_CHAIN_PROGRAMS, programs_fd);
        if (r >= 0)
                r = store_pin(daemon->store, BUS_LINK, id, TC_CHAIN_ORDER, order_fd);
        if (r < 0)
                return error_from_errno(r, "pin the order of the interface's tc programs");
        r = put_program(daemon, link, programs_fd);
        if (r < 0)
                return cant_put(r, link);
        r = kern_tc_chain_set_proceed_on(order_fd, link->attachment.tc_slot, link->hook.proceed_on);
        if (r >= 0) {
                g_ptr_array_add(chain->members, link);
                g_ptr_array_sort(chain->members, compare_members);
                r = set_order(chain, order_fd);
        }
        return r < 0 ? error_from_errno(r, "put the interface's tc programs in order") : NULL;
}

/* By the pins of a member. */
static GError *enter_by_pins(Daemon *daemon, TcChain *chain, Link *link)
{
        const Link *member = g_ptr_array_index(chain->members, 0);
        int fds[_TC_CHAIN_PINS];
        GError *error = NULL;
        int r = 0;

        for (unsigned i = 0; i < _TC_CHAIN_PINS; i++) {
                fds[i] = store_open_pin(daemon->store, BUS_LINK, member->pub.id, i);
                r = MIN(r, fds[i]);
        }
        error = r < 0 ? error_from_errno(r, "open the order of the interface's tc programs")
                      : enter(daemon, chain, link, fds[TC_CHAIN_PROGRAMS], fds[TC_CHAIN_ORDER]);
        for (unsigned i = 0; i < _TC_CHAIN_PINS; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        return error;
}

static void pump(Daemon *daemon, TcChain *chain);

static void join_end(Join *join, GError *error)
{
        join->done(error, join->userdata);
        g_free(join);
}

static int fill_begin(sd_bus_message *m, void *userdata)
{
        const Join *join = userdata;
        int netns, r;

        r = worker_hook_append(m, &join->link->hook);
        if (r < 0)
                return r;
        r = link_open_netns(join->link, -1, &netns);
        if (r < 0)
                return r;
        r = worker_fd_append(m, netns);
        if (netns >= 0)
                close(netns);
        return r < 0 ? r : sd_bus_message_append_basic(m, 'u', &join->chain->handle);
}

static GError *read_begun(sd_bus_message *reply, TcChain *chain, int *ret_fds)
{
        size_t n = 0;
        int r;

        r = worker_fds_take(reply, ret_fds, _TC_CHAIN_PINS, &n);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 'u', &chain->program_id);
        return r < 0 || n != _TC_CHAIN_PINS
                       ? error_new(WORKER_FAILED, "The worker's answer makes no sense.")
                       : NULL;
}

static void on_begun(sd_bus_message *reply, GError *error, void *userdata)
{
        Join *join = userdata;
        Daemon *daemon = join->daemon;
        TcChain *chain = join->chain;
        int fds[_TC_CHAIN_PINS] = {-1, -1};

        if (!error)
                error = read_begun(reply, chain, fds);
        if (!error)
                error = enter(daemon, chain, join->link, fds[TC_CHAIN_PROGRAMS],
                              fds[TC_CHAIN_ORDER]);
        for (unsigned i = 0; i < _TC_CHAIN_PINS; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        /* Whoever couldn't enter has the filter, which nobody is in, removed with his link. */
        chain->state = chain->members->len > 0 ? CHAIN_THERE : CHAIN_NONE;
        join_end(join, error);
        pump(daemon, chain);
}

/* Nothing may be left of a chain of which somebody else removed the filter. */
static void forget_if_gone(Daemon *daemon, TcChain *chain)
{
        const Link *first = g_ptr_array_index(chain->members, 0);
        g_autoptr(GPtrArray) members = NULL;

        if (link_is_attached(first, -1) != 0)
                return;
        members = g_steal_pointer(&chain->members);
        chain->members = g_ptr_array_new();
        chain->state = CHAIN_NONE;
        for (guint i = 0; i < members->len; i++)
                link_forget(daemon, g_ptr_array_index(members, i));
}

static void begin(Daemon *daemon, TcChain *chain, Join *join)
{
        Link *link = join->link;
        GError *error = NULL;

        chain->state = CHAIN_BEGINNING;
        chain->handle = link_tc_handle(link);
        chain->program_id = 0;
        error = take_place(daemon, chain, link);
        if (error) {
                chain->state = CHAIN_NONE;
                join_end(join, error);
                return;
        }
        worker_pool_call(daemon->workers, WORKER_ROLE_DISPATCH, link->pub.owner_uid, "BeginTc",
                         BEGIN_TIMEOUT_SEC, fill_begin, on_begun, join, NULL);
}

/* Serves who waits, as long as there is nothing to wait for. */
static void pump(Daemon *daemon, TcChain *chain)
{
        while (chain->state != CHAIN_BEGINNING && chain->state != CHAIN_ENDING) {
                Join *join = g_queue_pop_head(&chain->waiting);

                if (!join) {
                        drop_if_unused(daemon, chain);
                        return;
                }
                if (chain->state == CHAIN_THERE)
                        forget_if_gone(daemon, chain);
                if (chain->state == CHAIN_THERE)
                        join_end(join, enter_by_pins(daemon, chain, join->link));
                else
                        begin(daemon, chain, join);
        }
}

void tc_chain_join(Daemon *daemon, Link *link, TcChainDone done, void *userdata)
{
        TcChain *chain = get_chain(daemon, &link->netns, &link->hook);
        Join *join = g_new(Join, 1);

        *join = (Join){daemon, chain, link, done, userdata};
        g_queue_push_tail(&chain->waiting, join);
        pump(daemon, chain);
}

/* A program before its place: there is always one of both, and each is one step. */
GError *tc_chain_change(Daemon *daemon, Link *link)
{
        TcChain *chain = find_chain(daemon, &link->netns, &link->hook);
        int fds[_TC_CHAIN_PINS] = {-1, -1};
        int r = 0;

        if (!chain || chain->state != CHAIN_THERE)
                return error_new(FAILED, "Link %u is in no chain.", link->pub.id);
        for (unsigned i = 0; r >= 0 && i < _TC_CHAIN_PINS; i++)
                fds[i] = r = store_open_pin(daemon->store, BUS_LINK, link->pub.id, i);
        if (r >= 0)
                r = put_program(daemon, link, fds[TC_CHAIN_PROGRAMS]);
        if (r >= 0)
                r = kern_tc_chain_set_proceed_on(fds[TC_CHAIN_ORDER], link->attachment.tc_slot,
                                                 link->hook.proceed_on);
        if (r >= 0) {
                g_ptr_array_sort(chain->members, compare_members);
                r = set_order(chain, fds[TC_CHAIN_ORDER]);
        }
        for (unsigned i = 0; i < _TC_CHAIN_PINS; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        return r < 0 ? cant_put(r, link) : NULL;
}

/* Leaving */

#define KEEP_MSEC 1000

static gboolean close_kept(void *fd)
{
        close(GPOINTER_TO_INT(fd));
        return G_SOURCE_REMOVE;
}

/*
 * The last user of a map of programs has the kernel clear it, in the background; if somebody who lists
 * maps comes and goes as one more last user before that is done, the kernel (seen with 6.18) keeps the
 * map for ever. So it isn't let go while the dispatcher still has it, but when the map is about to end.
 */
static void close_after_dispatcher(int programs_fd)
{
        g_timeout_add(KEEP_MSEC, close_kept, GINT_TO_POINTER(programs_fd));
}

static bool take_out(TcChain *chain, const Link *link)
{
        for (guint i = 0; i < chain->members->len; i++)
                if (((const Link *)g_ptr_array_index(chain->members, i))->pub.id == link->pub.id) {
                        g_ptr_array_remove_index(chain->members, i);
                        return true;
                }
        return false;
}

bool tc_chain_leave(Daemon *daemon, const Link *link)
{
        TcChain *chain = find_chain(daemon, &link->netns, &link->hook);
        const bool ours =
                chain && chain->state == CHAIN_THERE && chain->handle == link->attachment.tc_handle;
        const bool member = ours && take_out(chain, link);
        int fds[_TC_CHAIN_PINS];

        for (unsigned i = 0; i < _TC_CHAIN_PINS; i++)
                fds[i] = store_open_pin(daemon->store, BUS_LINK, link->pub.id, i);
        if (ours && fds[TC_CHAIN_ORDER] >= 0 && set_order(chain, fds[TC_CHAIN_ORDER]) < 0)
                g_warning("Link %u: the order of the others can't be set.", link->pub.id);
        /* Where nothing else says that it is one, the place may be somebody else's by now. */
        if (member && fds[TC_CHAIN_PROGRAMS] >= 0)
                (void)kern_tc_chain_clear(fds[TC_CHAIN_PROGRAMS], link->attachment.tc_slot);
        for (unsigned i = 0; i < _TC_CHAIN_PINS; i++) {
                if (i == TC_CHAIN_PROGRAMS && fds[i] >= 0 && (!ours || chain->members->len == 0))
                        close_after_dispatcher(fds[i]);
                else if (fds[i] >= 0)
                        close(fds[i]);
                store_unpin(daemon->store, BUS_LINK, link->pub.id, i);
        }
        if (ours && chain->members->len == 0)
                chain->state = CHAIN_ENDING;
        return !ours || chain->members->len == 0;
}

void tc_chain_ended(Daemon *daemon, const Netns *netns, const KernHook *hook, uint32_t handle)
{
        TcChain *chain = find_chain(daemon, netns, hook);

        if (!chain || chain->state != CHAIN_ENDING || chain->handle != handle)
                return;
        chain->state = CHAIN_NONE;
        pump(daemon, chain);
}

/* Starting again */

static int has_member(Daemon *daemon, const Link *link)
{
        const KernAttachment *a = &link->attachment;
        uint32_t id = 0;
        int fd, r;

        r = link_is_attached(link, -1);
        if (r <= 0)
                return r;
        fd = store_open_pin(daemon->store, BUS_LINK, link->pub.id, TC_CHAIN_PROGRAMS);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = kern_tc_chain_get(fd, a->tc_slot, &id);
        close(fd);
        return r < 0 ? r : id == link->pub.program_id;
}

bool tc_chain_has(Daemon *daemon, const Link *link, GError **reterr)
{
        int r = has_member(daemon, link);

        if (r < 0)
                g_propagate_error(reterr,
                                  error_from_errno(r, "look at an interface's tc programs"));
        return r > 0;
}

bool tc_chain_adopt(Daemon *daemon, Link *link)
{
        const KernAttachment *a = &link->attachment;
        TcChain *chain = get_chain(daemon, &link->netns, &link->hook);

        if (chain->state == CHAIN_THERE && chain->handle != a->tc_handle)
                return false;
        chain->state = CHAIN_THERE;
        chain->handle = a->tc_handle;
        chain->program_id = a->tc_dispatcher;
        g_ptr_array_add(chain->members, link);
        return true;
}

void tc_chain_settle(Daemon *daemon)
{
        GHashTableIter iter;
        TcChain *chain;

        g_hash_table_iter_init(&iter, daemon->tc_chains->by_hook);
        while (g_hash_table_iter_next(&iter, NULL, (void **)&chain)) {
                const Link *first;
                int fd, r;

                if (chain->members->len == 0)
                        continue;
                g_ptr_array_sort(chain->members, compare_members);
                first = g_ptr_array_index(chain->members, 0);
                fd = r = store_open_pin(daemon->store, BUS_LINK, first->pub.id, TC_CHAIN_ORDER);
                for (guint i = 0; r >= 0 && i < chain->members->len; i++) {
                        const Link *link = g_ptr_array_index(chain->members, i);

                        r = kern_tc_chain_set_proceed_on(fd, link->attachment.tc_slot,
                                                         link->hook.proceed_on);
                }
                if (r >= 0)
                        r = set_order(chain, fd);
                if (fd >= 0)
                        close(fd);
                if (r < 0)
                        g_warning("The tc programs of interface %u can't be put in order: %s",
                                  first->hook.ifindex, g_strerror(-r));
        }
}
