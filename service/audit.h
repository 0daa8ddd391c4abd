/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/*
 * Who did what: an entry in the journal for each Load(), Attach(), Detach(), Unload(), AddGrant()
 * and RemoveGrant(), whether it went well or not, with fields to search by (journalctl
 * BPFKEEPER_UID=1000), and a MESSAGE_ID that the catalog explains. The fields are described in
 * bpfkeeperd(8).
 *
 * Where no journal is, nothing is kept.
 */

/* The caller is known: finds out what it is while it is there, if that is going to be noted. */
void audit_begin(Request *request);

/* What is asked for: what polkit is told of it, or what a program or a link is. Later words count. */
void audit_details(Request *request, const AuthzDetail *details);
void audit_program(Request *request, const Program *program);
void audit_link(Request *request, const Link *link);

/* It went well; @format tells what was done: "loaded packet_counter (xdp) as program 42". */
void audit_done(const Request *request, BusKind kind, uint32_t id, const char *format, ...)
        G_GNUC_PRINTF(4, 5);

/* The same for a change of grants; @file is the grant's. */
void audit_grant(const Request *request, const char *file, const char *format, ...)
        G_GNUC_PRINTF(3, 4);

/*
 * It didn't. Only the methods above are noted, of callers whose uid is known, and of each uid so many
 * in a while: then how many more there were. Failing costs a caller nothing, and the journal is
 * everybody's.
 */
void audit_failed(const Request *request, const GError *error);

/* At the end: says what was not noted so far. */
void audit_flush(void);
