/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/console/guard.h"

#include "store/users.h"

#include <string.h>

#define COOKIE       "__Host-octroi"
#define SESSION_IDLE (30 * 60 * CLOCK_SECOND)
#define SESSION_LONG (12 * 3600 * CLOCK_SECOND)

static const unsigned permits_of[ROLE_COUNT] = {
    [ROLE_READER] = PERMIT_READ,
    [ROLE_COMPLIANCE] = PERMIT_READ | PERMIT_PERSONS | PERMIT_ACT | PERMIT_STOP,
    [ROLE_ADMINISTRATOR] = PERMIT_READ | PERMIT_STOP | PERMIT_ADMIN,
};

const char *guard_cookie(const struct visit *visit, const char *header, const char *name)
{
    const char *found = NULL;
    size_t length = strlen(name);
    while (*header != '\0') {
        header += strspn(header, " \t;");
        size_t pair = strcspn(header, ";");
        if (pair > length && strncmp(header, name, length) == 0 && header[length] == '=') {
            const char *value = arena_copy(visit->arena, header + length + 1, pair - length - 1);
            if (value == NULL || (found != NULL && strcmp(found, value) != 0))
                return "";
            found = value;
        }
        header += pair;
    }
    return found != NULL ? found : "";
}

static bool make_csrf(struct visit *visit, const char *secret)
{
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    struct strbuf text = {0};
    strbuf_add_format(&text, "csrf %s", secret);
    bool made = !text.failed && sha256(text.data, text.length, digest);
    strbuf_free(&text);
    if (made) {
        hex_encode(digest, sizeof(digest), hex);
        visit->csrf = arena_str(visit->arena, hex);
    }
    return made && visit->csrf != NULL;
}

enum result guard_admit(struct visit *visit, const struct guard_request *request, unsigned permits,
                        bool *admitted_out, struct error *err)
{
    struct user user;
    const char *secret = guard_cookie(visit, request->cookie, COOKIE);
    *admitted_out = false;
    enum result result = registry_find_session(visit->registry, secret, visit->now, SESSION_IDLE,
                                               SESSION_LONG, &user, err);
    if (result == RESULT_NOT_FOUND)
        return visit_go(visit, "/console/login", err);
    if (result != RESULT_OK)
        return result;
    visit->user = arena_str(visit->arena, user.name);
    visit->role = user_role_name(user.role);
    visit->permits = permits_of[user.role];
    if (visit->user == NULL || !make_csrf(visit, secret))
        return error_no_memory(err);
    if (visit->posted && strcmp(visit_field(visit, "csrf"), visit->csrf) != 0)
        return visit_refuse(visit, 403, N_("This form is too old"),
                            N_("Go back, load the page again, and send it once more."));
    if ((permits & ~visit->permits) != 0)
        return visit_refuse(visit, 403, N_("This is not for your role"),
                            N_("Your administrator can give you another role."));
    *admitted_out = true;
    return RESULT_OK;
}
