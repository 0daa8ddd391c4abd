/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * A polkit agent on the terminal, for machines and sessions without a graphical one: pkttyagent(1),
 * started only when a call turned out to need it.
 */
typedef struct Agent {
        pid_t pid; /* 0: not running */
        bool tried;
} Agent;

/* Starts it, once, and waits until it is registered. False where there is no terminal to ask on. */
bool agent_start(Agent *agent);

/* Ends it, so that it gives the terminal back before the shell wants it. */
void agent_stop(Agent *agent);
