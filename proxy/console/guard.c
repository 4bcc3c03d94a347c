/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/console/guard.h"

#include "base/crypto.h"
#include "store/users.h"

#include <string.h>

#define SESSION_HTTPS "__Host-octroi"
#define SESSION_HERE  "octroi"
#define FORM_HTTPS    "__Host-octroi-form"
#define FORM_HERE     "octroi-form"
#define FORM_BYTES    32
#define WAY_MOST      2000

/* ---- cookies ---- */

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

bool guard_set_cookie(struct visit *visit, const struct guard_request *request, const char *name,
                      const char *value, const char *path, int most)
{
    struct strbuf text = {0};
    size_t slot = 0;
    while (slot < sizeof(visit->cookies) / sizeof(visit->cookies[0]) &&
           visit->cookies[slot] != NULL)
        slot++;
    if (slot == sizeof(visit->cookies) / sizeof(visit->cookies[0]))
        return false;
    strbuf_add_format(&text, "%s=%s; Path=%s; HttpOnly; SameSite=Lax", name, value, path);
    strbuf_add_str(&text, request->https ? "; Secure" : "");
    if (most != 0)
        strbuf_add_format(&text, "; Max-Age=%d", most > 0 ? most : 0);
    if (!text.failed)
        visit->cookies[slot] = arena_str(visit->arena, text.data);
    if (text.data != NULL)
        wipe(text.data, text.length);
    strbuf_free(&text);
    return visit->cookies[slot] != NULL;
}

const char *guard_session_name(const struct guard_request *request)
{
    return request->https ? SESSION_HTTPS : SESSION_HERE;
}

/* ---- where it came from, and where it goes ---- */

/* Whether origin is https://HOST, or in clear on this machine also http://HOST; or what
 * public_url says, which a balancer that tells another Host does not change. */
static bool is_ours(const struct visit *visit, const struct guard_request *request)
{
    const char *public_url = visit->config->public_url;
    const char *origin = request->origin;
    const char *scheme = request->https ? "https://" : "http://";
    size_t length = strlen(origin);
    if (request->host[0] != '\0' && ascii_has_prefix(origin, scheme) &&
        ascii_equal(origin + strlen(scheme), request->host))
        return true;
    return length > 0 && strlen(public_url) >= length &&
           ascii_equal_n(public_url, length, origin) &&
           (public_url[length] == '\0' || public_url[length] == '/');
}

/* Every browser says one or the other of what a page sends; what says neither is none of ours. */
static bool comes_from_here(const struct visit *visit, const struct guard_request *request)
{
    bool site = request->fetch_site[0] != '\0';
    bool origin = request->origin[0] != '\0';
    return (site || origin) && (!site || strcmp(request->fetch_site, "same-origin") == 0) &&
           (!origin || is_ours(visit, request));
}

const char *guard_way_back(const char *path)
{
    static const char here[] = "/console";
    static const char *const others[] = {"/console/logout", "/console/language", "/console/static"};
    size_t length = strlen(here);
    if (strncmp(path, here, length) != 0 || strchr("/?", path[length]) == NULL ||
        strlen(path) > WAY_MOST)
        return here;
    for (const char *at = path; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || *at == '\\')
            return here;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strncmp(path, others[i], strlen(others[i])) == 0)
            return here;
    return path;
}

/* To the login page, and from there back to where one wanted to go. */
static enum result ask_login(struct visit *visit, struct error *err)
{
    struct strbuf way = {0};
    struct strbuf to = {0};
    strbuf_add_str(&to, visit->path);
    if (visit->query[0] != '\0')
        strbuf_add_format(&to, "?%s", visit->query);
    strbuf_add_str(&way, "/console/login");
    if (visit->posted)
        strbuf_add_str(&way, "?lost=1");
    else if (!to.failed && strcmp(guard_way_back(to.data), "/console") != 0) {
        strbuf_add_str(&way, "?to=");
        visit_add_encoded(&way, to.data);
    }
    enum result result =
        way.failed || to.failed ? error_no_memory(err) : visit_go(visit, way.data, err);
    strbuf_free(&way);
    strbuf_free(&to);
    return result;
}

/* ---- the token ---- */

/* Of the secret and whom it is for. False: no memory. */
static bool make_csrf(struct visit *visit, const char *secret)
{
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    struct strbuf text = {0};
    struct hmac *hmac = hmac_new((const uint8_t *)secret, strlen(secret));
    strbuf_add_format(&text, "octroi console form %s", visit->user);
    bool made = hmac != NULL && !text.failed && hmac_compute(hmac, text.data, text.length, digest);
    hmac_free(&hmac);
    strbuf_free(&text);
    if (made) {
        hex_encode(digest, sizeof(digest), hex);
        visit->csrf = arena_str(visit->arena, hex);
    }
    return made && visit->csrf != NULL;
}

static bool carries_csrf(const struct visit *visit)
{
    const char *sent = visit_field(visit, "csrf");
    size_t length = strlen(visit->csrf);
    return length > 0 && strlen(sent) == length && equal_constant_time(sent, visit->csrf, length);
}

/* A secret for forms where there is no session. "": no randomness, or no memory. */
static const char *new_form_secret(struct visit *visit, const struct guard_request *request)
{
    uint8_t random[FORM_BYTES];
    char hex[2 * FORM_BYTES + 1];
    if (!random_bytes(random, sizeof(random)))
        return "";
    hex_encode(random, sizeof(random), hex);
    const char *secret = arena_str(visit->arena, hex);
    return secret != NULL &&
                   guard_set_cookie(visit, request, request->https ? FORM_HTTPS : FORM_HERE, secret,
                                    "/", 0)
               ? secret
               : "";
}

/* ---- who ---- */

static enum result take_user(struct visit *visit, const struct user *user, const char *secret,
                             struct error *err)
{
    visit->user = arena_str(visit->arena, user->name);
    visit->role = user_role_name(user->role);
    visit->permits = visit_permits_of(user->role);
    if (visit->user != NULL && make_csrf(visit, secret))
        return RESULT_OK;
    visit->user = "";
    visit->came = false;
    return error_no_memory(err);
}

/* A balancer vouches for him. */
static enum result by_identity(struct visit *visit, const struct guard_request *request,
                               struct error *err)
{
    struct user user;
    char *name = arena_str(visit->arena, request->identity);
    if (name == NULL)
        return error_no_memory(err);
    ascii_lower(name);
    enum result result =
        registry_meet_user(visit->registry, name, visit->now, visit->config->console.session_idle,
                           &user, &visit->came, err);
    if (result != RESULT_OK)
        return result;
    const char *secret =
        guard_cookie(visit, request->cookie, request->https ? FORM_HTTPS : FORM_HERE);
    if (strlen(secret) != 2 * (size_t)FORM_BYTES) {
        /* A form that came without one gets no token that fits. */
        secret = new_form_secret(visit, request);
        if (secret[0] == '\0')
            return error_set(err, RESULT_NO_MEMORY, "no secret could be made");
    }
    visit->signed_on = true;
    return take_user(visit, &user, secret, err);
}

static enum result by_session(struct visit *visit, const struct guard_request *request,
                              struct error *err)
{
    struct user user;
    const struct console_config *console = &visit->config->console;
    const char *secret = guard_cookie(visit, request->cookie, guard_session_name(request));
    enum result result =
        registry_find_session(visit->registry, secret, visit->now, console->session_idle,
                              console->session_most, &user, err);
    return result == RESULT_OK ? take_user(visit, &user, secret, err) : result;
}

/* ---- all of it ---- */

static enum result refuse_stranger(struct visit *visit, const struct guard_request *request,
                                   struct error *err)
{
    if (request->identity[0] == '\0')
        return ask_login(visit, err);
    return visit_refuse(visit, 403, N_("You are not among the users of this console"),
                        N_("Your company has signed you in, under a name that is not known here. "
                           "Your administrator can add it."));
}

enum result guard_admit(struct visit *visit, const struct guard_request *request, unsigned permits,
                        bool anybody, bool *admitted_out, struct error *err)
{
    *admitted_out = false;
    if (!request->secured)
        return visit_refuse(visit, 403, N_("The console is shown over https only"),
                            N_("What you see and type here would cross the network in clear. Use "
                               "the address that begins with https."));
    if (visit->posted && !comes_from_here(visit, request))
        return visit_refuse(visit, 403, N_("This form came from elsewhere"),
                            N_("Nothing was done. Open the console itself and send the form from "
                               "there."));
    enum result result = request->identity[0] != '\0' ? by_identity(visit, request, err)
                                                      : by_session(visit, request, err);
    if (result == RESULT_NOT_FOUND && !anybody)
        return refuse_stranger(visit, request, err);
    if (result != RESULT_OK && result != RESULT_NOT_FOUND)
        return result;
    if (visit->posted && !anybody && !carries_csrf(visit))
        return visit_refuse(visit, 403, N_("This form is too old"),
                            N_("Go back, load the page again, and send it once more."));
    if ((permits & ~visit->permits) != 0)
        return visit_refuse(visit, 403, N_("This is not for your role"),
                            N_("Your administrator can give you another role."));
    *admitted_out = true;
    return RESULT_OK;
}
