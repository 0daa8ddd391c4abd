/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From functions of a target, which is a file of the caller's choice, to places in it. */

#include <errno.h>

#include "attach-op.h"
#include "errors.h"
#include "kern-usdt.h"

#define RESOLVE_TIMEOUT_SEC 10

/* That there is code in the target's file where the probe is to go, which the kernel doesn't look at. */

static int fill_check(sd_bus_message *m, void *userdata)
{
        const AttachOp *op = ((Request *)userdata)->op;
        const KernNumbers one = {&op->probe.offset, 1};
        const KernNumbers *offsets = op->probe.offsets.n > 0 ? &op->probe.offsets : &one;
        int r = sd_bus_message_append_basic(m, 'h', &op->files[KERN_PARAM_TARGET]);

        return r < 0 ? r
                     : sd_bus_message_append_array(m, 't', offsets->list,
                                                   offsets->n * sizeof(uint64_t));
}

static void on_checked(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;

        (void)reply;
        if (error)
                request_fail(request, error);
        else
                ((AttachOp *)request->op)->next(request);
}

static void check_offsets(Request *request)
{
        worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid,
                         "CheckOffsets", RESOLVE_TIMEOUT_SEC, fill_check, on_checked, request,
                         request->cancellable);
}

static int fill_resolve(sd_bus_message *m, void *userdata)
{
        const AttachOp *op = ((Request *)userdata)->op;

        return sd_bus_message_append(m, WORKER_RESOLVE_IN, op->files[KERN_PARAM_TARGET],
                                     op->hook.function);
}

static void on_resolved(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;
        uint64_t offset;

        if (!error && sd_bus_message_read_basic(reply, 't', &offset) < 0)
                error = error_new(WORKER_FAILED, "The worker's answer makes no sense.");
        else if (!error && __builtin_add_overflow(offset, op->hook.offset, &op->probe.offset))
                error = error_new(INVALID_ARGUMENT,
                                  "Offset %" G_GUINT64_FORMAT " lies outside of the "
                                  "target.",
                                  op->hook.offset);
        if (error) {
                request_fail(request, error);
                return;
        }
        op->probe.function[0] = '\0';
        op->probe.given &= ~KERN_PARAM_BIT(KERN_PARAM_FUNCTION);
        op->probe.given |= KERN_PARAM_BIT(KERN_PARAM_OFFSET);
        /* A function itself was found in what is executed. */
        if (op->hook.offset != 0)
                check_offsets(request);
        else
                op->next(request);
}

static int fill_resolve_many(sd_bus_message *m, void *userdata)
{
        const AttachOp *op = ((Request *)userdata)->op;

        return sd_bus_message_append(m, WORKER_RESOLVE_IN, op->files[KERN_PARAM_TARGET],
                                     op->hook.functions);
}

/* The worker's words: that each offset has a wish, and each wish a cookie. */
static int take_places(AttachOp *op, sd_bus_message *reply)
{
        const KernHook *h = &op->hook;
        const void *offsets, *wishes;
        size_t offsets_size, wishes_size, n;
        int r;

        r = sd_bus_message_read_array(reply, 't', &offsets, &offsets_size);
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'u', &wishes, &wishes_size);
        if (r < 0)
                return r;
        n = offsets_size / sizeof(uint64_t);
        if (n == 0 || n > KERN_FUNCTIONS_MATCHED_MAX || wishes_size / sizeof(uint32_t) != n)
                return -EBADMSG;
        op->offsets = g_array_sized_new(FALSE, FALSE, sizeof(uint64_t), (guint)n);
        op->cookies = g_array_sized_new(FALSE, FALSE, sizeof(uint64_t), (guint)n);
        g_array_append_vals(op->offsets, offsets, (guint)n);
        for (size_t i = 0; i < n; i++) {
                uint32_t wish = ((const uint32_t *)wishes)[i];

                if (h->cookies.n > 0 && wish >= h->cookies.n)
                        return -EBADMSG;
                g_array_append_val(op->cookies,
                                   *(h->cookies.n > 0 ? &h->cookies.list[wish] : &h->cookie));
        }
        return 0;
}

static void on_resolved_many(sd_bus_message *reply, GError *error, void *userdata)
{
        const uint64_t replaced =
                KERN_PARAM_BIT(KERN_PARAM_FUNCTIONS) | KERN_PARAM_BIT(KERN_PARAM_COOKIE);
        Request *request = userdata;
        AttachOp *op = request->op;

        if (!error && take_places(op, reply) < 0)
                error = error_new(WORKER_FAILED, "The worker's answer makes no sense.");
        if (error) {
                request_fail(request, error);
                return;
        }
        op->probe.functions = NULL;
        op->probe.offsets =
                (KernNumbers){(const uint64_t *)(const void *)op->offsets->data, op->offsets->len};
        op->probe.cookies =
                (KernNumbers){(const uint64_t *)(const void *)op->cookies->data, op->cookies->len};
        op->probe.given &= ~replaced;
        op->probe.given |= KERN_PARAM_BIT(KERN_PARAM_OFFSETS) | KERN_PARAM_BIT(KERN_PARAM_COOKIES);
        op->next(request);
}

static int fill_resolve_usdt(sd_bus_message *m, void *userdata)
{
        const AttachOp *op = ((Request *)userdata)->op;

        return sd_bus_message_append(m, WORKER_RESOLVE_IN, op->files[KERN_PARAM_TARGET],
                                     op->hook.tracepoint);
}

/* What they say is checked by who makes use of it; here it is that they are whole, and not too many. */
static int take_numbers(sd_bus_message *reply, size_t each, size_t max, GArray **ret)
{
        const void *numbers;
        size_t size, n;
        int r;

        r = sd_bus_message_read_array(reply, 't', &numbers, &size);
        if (r < 0)
                return r;
        n = size / sizeof(uint64_t);
        if (n == 0 || n % each != 0 || n / each > max)
                return -EBADMSG;
        *ret = g_array_sized_new(FALSE, FALSE, sizeof(uint64_t), (guint)n);
        g_array_append_vals(*ret, numbers, (guint)n);
        return 0;
}

static void on_resolved_usdt(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;

        if (!error &&
            (take_numbers(reply, KERN_USDT_SITE_NUMBERS, KERN_USDT_SITES_MAX, &op->usdt_sites) <
                     0 ||
             take_numbers(reply, KERN_USDT_SPEC_NUMBERS, KERN_USDT_SPECS_MAX, &op->usdt_specs) < 0))
                error = error_new(WORKER_FAILED, "The worker's answer makes no sense.");
        if (error) {
                request_fail(request, error);
                return;
        }
        op->probe.usdt_sites = sharing_numbers(op->usdt_sites);
        op->probe.usdt_specs = sharing_numbers(op->usdt_specs);
        op->next(request);
}

void attach_hook_resolve(Request *request, void (*next)(Request *request))
{
        const uint64_t offsets =
                KERN_PARAM_BIT(KERN_PARAM_OFFSETS) | KERN_PARAM_BIT(KERN_PARAM_OFFSET);
        AttachOp *op = request->op;

        op->probe = op->hook;
        op->next = next;
        if (op->files[KERN_PARAM_TARGET] >= 0 && op->hook.functions) {
                worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid,
                                 "ResolveMany", RESOLVE_TIMEOUT_SEC, fill_resolve_many,
                                 on_resolved_many, request, request->cancellable);
                return;
        }
        if (op->specs_map != 0) {
                worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid,
                                 "ResolveUsdt", RESOLVE_TIMEOUT_SEC, fill_resolve_usdt,
                                 on_resolved_usdt, request, request->cancellable);
                return;
        }
        if (op->files[KERN_PARAM_TARGET] >= 0 && op->hook.function[0] != '\0')
                worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid,
                                 "Resolve", RESOLVE_TIMEOUT_SEC, fill_resolve, on_resolved, request,
                                 request->cancellable);
        else if (op->files[KERN_PARAM_TARGET] >= 0 && (op->hook.given & offsets))
                check_offsets(request);
        else
                next(request);
}
