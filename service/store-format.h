/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store.h"

/* State files as key files: what stands in them and how it is checked when it is read. */

GKeyFile *store_format_load(const Load *load);
StoredLoad *store_parse_load(GKeyFile *file, uint32_t id, GError **reterr);
GKeyFile *store_format_link(const Link *link);
Link *store_parse_link(GKeyFile *file, uint32_t id, GError **reterr);
