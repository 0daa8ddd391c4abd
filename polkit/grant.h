/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "kern-types.h"

/*
 * Grants: who may load and attach programs of which types, as files that an administrator, or the
 * service for one, writes and that the program bpfkeeper-grants reads on behalf of a rule of polkit's.
 *
 * A grant allows and never denies. So whatever can't be understood or can't be checked, a key of a
 * later version for one, makes the whole file count for nothing.
 */

#define AUTHZ_GRANTS_DIR "/etc/bpfkeeper/grants.d"
#define AUTHZ_GRANT_SUFFIX ".grant"

/* What a file and its name may have. */
#define AUTHZ_GRANT_SIZE_MAX (64 * 1024)
#define AUTHZ_GRANT_ID_MAX 100

typedef enum AuthzVerb {
        AUTHZ_VERB_LOAD = 1 << 0,
        AUTHZ_VERB_ATTACH = 1 << 1,
} AuthzVerb;

typedef struct AuthzGrant {
        char *id;        /* the file's name without its suffix */
        char *user;      /* one of these, the other is NULL */
        char *group;     /* */
        char **types;    /* names, or "all" by itself */
        unsigned verbs;  /* bits of AuthzVerb */
        char *interface; /* pattern, or NULL: any; see authz_pattern_matches() */
        char *cgroup;
        char *signed_by; /* who must have signed the object, or NULL: anybody or nobody */
        gint64 until;    /* in microseconds of CLOCK_REALTIME; 0: no end */
        gint64 created;  /* 0: not said */
        char *created_by;
        char *error; /* why the file counts for nothing; then nothing but id is there. Or NULL */
} AuthzGrant;

void authz_grant_free(AuthzGrant *grant);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuthzGrant, authz_grant_free)

/* The file's text as a grant, whose error says what is wrong with it: "line 3: Types=xpd: …". */
AuthzGrant *authz_grant_parse(const char *id, const char *text, size_t size);

/* The text of its file. */
char *authz_grant_format(const AuthzGrant *grant);

/*
 * Whether it is one that can be in force. If not, @reterr_key has the key that is wrong ("Types") and
 * @reterr_message what would be right.
 */
bool authz_grant_check(const AuthzGrant *grant, const char **reterr_key, char **reterr_message);

/* Whether it may be the name of a file. */
bool authz_grant_id_is_valid(const char *id);

/* Whether they give the same to the same. */
bool authz_grant_equal(const AuthzGrant *a, const AuthzGrant *b);

/* "user alice load and attach eBPF programs of type xdp, on interfaces veth*, until …" */
char *authz_grant_describe(const AuthzGrant *grant);

/* What is asked for: by whom, what, and where, as polkit's details have it. */
typedef struct AuthzQuestion {
        AuthzVerb verb;
        const KernType *type;
        const char *user;
        const char *const *groups;
        const char *interface; /* these: "" where it isn't told */
        const char *cgroup;
        const char *signed_by; /* whose signatures the object bears, with spaces between them */
} AuthzQuestion;

typedef enum AuthzCoverage {
        AUTHZ_COVERS_NOT,       /* it is about something or somebody else */
        AUTHZ_COVERS_ELSEWHERE, /* it would on another interface or cgroup */
        AUTHZ_COVERS_SIGNED,    /* it would if the object were signed by another one */
        AUTHZ_COVERED_ONCE,     /* it did until its time was over */
        AUTHZ_COVERS,
} AuthzCoverage;

AuthzCoverage authz_grant_covers(const AuthzGrant *grant, const AuthzQuestion *question,
                                 gint64 now);

/* "org.bpfkeeper1.attach.raw-tracepoint" → verb and type; false where no grant can be for it. */
bool authz_action_parse(const char *action, AuthzVerb *ret_verb, const KernType **ret_type);

/* "load" and "attach"; 0 for others. NULL for what is no single verb. */
unsigned authz_verb_from_string(const char *s);
const char *authz_verb_to_string(AuthzVerb verb);

/*
 * Patterns are those of glob(7), byte by byte: "*", "?" and "[…]", none of which match a "/", and a
 * backslash before what is meant as it is. A "/" and "**" at the end match what stands before and all
 * that is below it.
 */
bool authz_pattern_matches(const char *pattern, const char *value);
/* NULL, or what is wrong with it. */
const char *authz_pattern_error(const char *pattern);

/* "2026-12-01T18:00:00Z"; parsing takes any ISO 8601 time with its time zone. */
char *authz_time_format(gint64 usec);
bool authz_time_parse(const char *s, gint64 *ret_usec);
