/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * A time as people write it, in microseconds of CLOCK_REALTIME: "+2h", "+1d 12h"; "2026-12-01",
 * "2026-12-01 18:00", "2026-12-01 18:00:30", all by the local clock; or with a time zone behind,
 * "2026-12-01T18:00:00Z". @now is what "+" counts from.
 */
bool when_parse(const char *s, gint64 now, gint64 *ret);
