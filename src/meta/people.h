/*
 * meta/people.h: who may log in: users with a role, their sessions, and links that log in once.
 *
 * Passwords are stored as argon2id. A session's token (256 random bits) and a link's are known to the browser alone;
 * stored is their hash under the server's secret. Sessions stand in memory, so that a request never waits for the disk.
 */
#ifndef META_PEOPLE_H
#define META_PEOPLE_H

#include "meta/meta.h"

#define USER_NAME_MAX     64u
#define PASSWORD_MIN      10u /* bytes */
#define PASSWORD_MAX      256u
#define META_TOKEN_MAX    65u /* 64 hex digits and NUL */
#define META_USERS_MAX    1000u
#define META_SESSIONS_MAX 20u /* of one user: a new one ends the one that was seen least recently */
#define META_LINKS_MAX    50u
#define SESSION_IDLE_NS   (30 * 86400 * NS_PER_S)
#define SESSION_LIFE_NS   (90 * 86400 * NS_PER_S)
#define LINK_LIFE_NS      (15 * 60 * NS_PER_S)
#define PASSWORD_BYTES    (64 * MIB) /* that hashing one takes */
#define FIRST_USER        "admin"    /* whom links are for when none is named */

typedef enum user_role { ROLE_VIEWER, ROLE_EDITOR, ROLE_ADMIN, ROLE_COUNT } user_role;

const char *user_role_name(user_role r);
bool user_role_of(span name, user_role *ret);
uint32_t user_role_permissions(user_role r);

typedef struct user_info {
    uint32_t id;
    char name[USER_NAME_MAX + 1];
    user_role role;
    int64_t created_ns, last_login_ns; /* 0 = never */
    bool is_disabled, has_password;
} user_info;

typedef struct session_info {
    char id[24]; /* public */
    uint32_t user;
    char user_name[USER_NAME_MAX + 1];
    user_role role;
    bool has_password;
    int64_t created_ns, last_seen_ns, ends_ns;
    char address[64], agent[128]; /* of the browser that logged in */
} session_info;

/* Where a login comes from: shown in the list of sessions, and counted against its address. */
typedef struct login_origin {
    span address, agent;
} login_origin;

/* ---- users; SK_BAD_INPUT names the member ---- */
sk_code meta_user_list(meta *m, arena *mem, user_info **ret, uint32_t *ret_count, err *e) must_use;
/* Without a password only a link logs in. SK_CONFLICT: the name is taken (also in other capitals). */
sk_code meta_user_create(meta *m, span name, user_role role, span password, user_info *ret,
                         err *e) must_use;

typedef struct user_change {
    bool sets_role, sets_disabled;
    user_role role;
    bool is_disabled;
    span password;     /* at == NULL: as it was */
    span kept_session; /* id: stays when a new password ends the others */
} user_change;

/* A new password and being disabled end the user's sessions. The last administrator stays one (SK_CONFLICT). */
sk_code meta_user_change(meta *m, span name, const user_change *c, user_info *ret, err *e) must_use;
sk_code meta_user_delete(meta *m, span name, err *e) must_use;
/* A user changes their own password: the current one is asked for where there is one. */
sk_code meta_password_set(meta *m, const session_info *who, span current, span password,
                          err *e) must_use;
/* Whether anyone has ever logged in or has a password. */
bool meta_has_people(meta *m);

/* ---- logging in: on a worker (a password takes a third of a second) ---- */
/* SK_UNAUTHENTICATED with the same words and after the same time whatever is wrong; SK_THROTTLED with retry_after_s;
 * SK_BUSY while another password is checked. */
sk_code meta_login(meta *m, span name, span password, const login_origin *from, session_info *ret,
                   char ret_token[META_TOKEN_MAX], err *e) must_use;
/* A link for a user: `name` empty: FIRST_USER, who is made an administrator when not there yet. */
sk_code meta_link_create(meta *m, span name, char ret_token[META_TOKEN_MAX], user_info *ret,
                         int64_t *ret_ends_ns, err *e) must_use;
/* Works once. */
sk_code meta_link_use(meta *m, span token, const login_origin *from, session_info *ret,
                      char ret_token[META_TOKEN_MAX], err *e) must_use;

/* ---- sessions ---- */
/* From memory; notes that it was seen. */
bool meta_session_check(meta *m, span token, session_info *ret);
/* What the header x-skep-csrf of a session's changes must hold. */
void meta_session_csrf(meta *m, span token, char ret[META_TOKEN_MAX]);
bool meta_session_csrf_check(meta *m, span token, span given); /* in constant time */
/* Newest first; `user` 0: everyone's */
sk_code meta_session_list(meta *m, uint32_t user, arena *mem, session_info **ret,
                          uint32_t *ret_count, err *e) must_use;
sk_code meta_session_end(meta *m, span id, err *e) must_use; /* SK_NOT_FOUND */

#endif
