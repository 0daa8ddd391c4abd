/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/*
 * Who did what: an entry in the journal for each Load(), Attach(), Detach() and Unload(), whether it
 * went well or not, with fields to search by (journalctl BPFKEEPER_UID=1000):
 *
 *     BPFKEEPER_VERB       the method: "Load"
 *     BPFKEEPER_UID        the caller's uid
 *     BPFKEEPER_SENDER     its unique name on the bus
 *     BPFKEEPER_ACTION     the polkit action that was asked for last; not there if none was
 *     BPFKEEPER_RESULT     "done", or the error's name on the bus
 *     BPFKEEPER_OBJECT     path of the program or link, where there is one
 *
 * Where no journal is, nothing is kept.
 */

/* It went well; @format tells what was done: "loaded packet_counter (xdp) as program 42". */
void audit_done(const Request *request, BusKind kind, uint32_t id, const char *format, ...)
        G_GNUC_PRINTF(4, 5);

/*
 * It didn't. Only the methods above are noted, of callers whose uid is known, and of each uid so many
 * in a while: then how many more there were. Failing costs a caller nothing, and the journal is
 * everybody's.
 */
void audit_failed(const Request *request, const GError *error);

/* At the end: says what was not noted so far. */
void audit_flush(void);
