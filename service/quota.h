/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/*
 * What each uid has of what there isn't any amount of. Every request and every object is charged to
 * somebody, and one person's can't use up what others need. uid 0 is counted but not limited.
 */

typedef enum Charge {
        CHARGE_REQUESTS, /* being worked on */
        CHARGE_PROGRAMS,
        CHARGE_MAPS,
        CHARGE_LINKS,
        CHARGE_METADATA, /* bytes */
        CHARGE_LOGS,     /* KiB of verifier's logs that are kept */
        _CHARGE_MAX,
} Charge;

typedef struct Quota Quota;

Quota *quota_new(void);
void quota_free(Quota *quota);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Quota, quota_free)

/* Charges @n; where that is too many, nothing is charged and the error is LimitExceeded. */
bool quota_charge(Quota *quota, uid_t uid, Charge charge, unsigned n, GError **reterr);

/* Whether quota_charge() would, for what is charged when it comes to be (by the registry). */
bool quota_allows(Quota *quota, uid_t uid, Charge charge, unsigned n, GError **reterr);

/* Charges without a question, for what is there already. */
void quota_charge_existing(Quota *quota, uid_t uid, Charge charge, unsigned n);
void quota_release(Quota *quota, uid_t uid, Charge charge, unsigned n);
