/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quota.h"

#include "errors.h"

/*
 * What users can have besides root, so that all of it still goes into one answer of
 * GetManagedObjects(): the bus takes 32 MiB and closes the connection of who sends more.
 */
static const struct {
        unsigned max;
        const char *what;
} charges[_CHARGE_MAX] = {
        [CHARGE_REQUESTS] = {64, "requests at a time"},
        [CHARGE_PROGRAMS] = {256, "programs"},
        [CHARGE_MAPS] = {1024, "maps"},
        [CHARGE_LINKS] = {1024, "links"},
        [CHARGE_METADATA] = {64 * 1024, "bytes of metadata"},
        [CHARGE_LOGS] = {16 * 1024, "KiB of logs"},
};

typedef struct Account {
        unsigned used[_CHARGE_MAX];
} Account;

struct Quota {
        GHashTable *accounts; /* uid → Account; gone when nothing is charged */
};

Quota *quota_new(void)
{
        Quota *quota = g_new0(Quota, 1);

        quota->accounts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        return quota;
}

void quota_free(Quota *quota)
{
        if (!quota)
                return;
        g_hash_table_unref(quota->accounts);
        g_free(quota);
}

static Account *account(Quota *quota, uid_t uid)
{
        Account *a = g_hash_table_lookup(quota->accounts, GUINT_TO_POINTER(uid));

        if (!a) {
                a = g_new0(Account, 1);
                g_hash_table_insert(quota->accounts, GUINT_TO_POINTER(uid), a);
        }
        return a;
}

bool quota_charge(Quota *quota, uid_t uid, Charge charge, unsigned n, GError **reterr)
{
        Account *a = account(quota, uid);

        if (uid != 0 && n > charges[charge].max - MIN(a->used[charge], charges[charge].max)) {
                g_propagate_error(reterr, error_new(LIMIT_EXCEEDED,
                                                    "A user may have %u %s; uid %u has %u and asks "
                                                    "for %u more.",
                                                    charges[charge].max, charges[charge].what, uid,
                                                    a->used[charge], n));
                return false;
        }
        a->used[charge] += n;
        return true;
}

bool quota_allows(Quota *quota, uid_t uid, Charge charge, unsigned n, GError **reterr)
{
        if (!quota_charge(quota, uid, charge, n, reterr))
                return false;
        quota_release(quota, uid, charge, n);
        return true;
}

void quota_charge_existing(Quota *quota, uid_t uid, Charge charge, unsigned n)
{
        account(quota, uid)->used[charge] += n;
}

void quota_release(Quota *quota, uid_t uid, Charge charge, unsigned n)
{
        Account *a = account(quota, uid);

        g_assert(a->used[charge] >= n);
        a->used[charge] -= n;
        for (int i = 0; i < _CHARGE_MAX; i++)
                if (a->used[i] > 0)
                        return;
        g_hash_table_remove(quota->accounts, GUINT_TO_POINTER(uid));
}
