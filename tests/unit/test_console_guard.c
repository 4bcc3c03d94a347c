/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes in to the console: cookies, roles, where a form came from and what it carries. */
#include "proxy/console/guard.h"
#include "tests/unit/stage_console.h"

#include <stdio.h>
#include <string.h>

#define HOST   "gate.example:8443"
#define HTTPS  "https://" HOST
#define PUBLIC "https://public.example"
#define CONFIG                                                                             \
    "hostname = \"gate.example\" state_dir = \"state\" public_url = \"" PUBLIC "/octroi\"" \
    " console: { session_idle = \"10 min\" session_most = \"1 h\" }\n"

/* ---- a visit that the guard looks at ---- */

static struct guard_request request;
static unsigned asks; /* permits */
static bool anybody;  /* may come */
static bool admitted;

static enum result guarded(struct visit *visit, struct error *err)
{
    visit->user = visit->role = visit->csrf = "";
    visit->permits = 0;
    return guard_admit(visit, &request, asks, anybody, &admitted, err);
}

/* Without a cookie, over https, from our own page. */
static void begin(void)
{
    request = (struct guard_request){.cookie = "",
                                     .identity = "",
                                     .origin = "",
                                     .fetch_site = "same-origin",
                                     .host = HOST,
                                     .secured = true,
                                     .https = true};
    asks = PERMIT_READ;
    anybody = false;
}

static void add_user(const char *name, enum user_role role)
{
    struct error err = {0};
    struct user user = {.role = role, .created_at = stage.now};
    str_copy(user.name, sizeof(user.name), name);
    ck_assert_int_eq(registry_add_user(stage.registry, &user, "$y$j9T$s$h", &err), RESULT_OK);
}

/* The Cookie header of a session of that user. */
static const char *session_of(const char *name, char out[80])
{
    struct error err = {0};
    char secret[SESSION_SECRET];
    ck_assert_int_eq(registry_open_session(stage.registry, name, stage.now, secret, &err),
                     RESULT_OK);
    snprintf(out, 80, "__Host-octroi=%s", secret);
    return out;
}

static void must_be(bool in, int status)
{
    ck_assert_int_eq(admitted, in);
    ck_assert_int_eq(stage.visit.status, status);
}

/* The token of that Cookie header's session, by asking for a page. */
static const char *token_of(const char *cookie, char out[80])
{
    request.cookie = cookie;
    stage_get(guarded, "/console");
    must_be(true, 200);
    ck_assert(str_copy(out, 80, stage.visit.csrf));
    return out;
}

static void post(const char *token)
{
    char form[160];
    snprintf(form, sizeof(form), "csrf=%s&x=1", token);
    stage_post(guarded, "/console/suspensions", form);
}

/* ---- */

START_TEST(cookies_are_read)
{
    static const struct {
        const char *header, *value;
    } rows[] = {
        {"", ""},
        {"octroi=a", "a"},
        {"x=1; octroi=a; y=2", "a"},
        {"x=1;octroi=a", "a"},
        {"octroi=a=b", "a=b"},
        {"octroi=", ""},
        {"octroi", ""},
        {"xoctroi=a", ""},
        {"octroi-form=a", ""},
        {"OCTROI=a", ""},
        {"octroi=a; octroi=a", "a"},
        {"octroi=a; octroi=b", ""},
        {"octroi=; octroi=b", ""},
        {";;; ;octroi=a;;", "a"},
        {"x=octroi=a", ""},
    };
    stage_get(guarded, "/console");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(strcmp(guard_cookie(&stage.visit, rows[i].header, "octroi"), rows[i].value) ==
                          0,
                      "%s", rows[i].header);
}
END_TEST

START_TEST(cookies_are_set)
{
    stage_get(guarded, "/console");
    struct visit *visit = &stage.visit;
    visit->cookies[0] = visit->cookies[1] = NULL;
    ck_assert(guard_set_cookie(visit, &request, "a", "b", "/", 0));
    ck_assert_str_eq(visit->cookies[0], "a=b; Path=/; HttpOnly; SameSite=Lax; Secure");
    request.https = false;
    ck_assert(guard_set_cookie(visit, &request, "a", "", "/console", -1));
    ck_assert_str_eq(visit->cookies[1], "a=; Path=/console; HttpOnly; SameSite=Lax; Max-Age=0");
    ck_assert(!guard_set_cookie(visit, &request, "c", "d", "/", 5));
    ck_assert_str_eq(guard_session_name(&request), "octroi");
    request.https = true;
    ck_assert_str_eq(guard_session_name(&request), "__Host-octroi");
}
END_TEST

START_TEST(ways_back)
{
    static const char *const good[] = {"/console", "/console?done=x.1", "/console/persons/a%20b",
                                       "/console/blocked?reason=X&cursor=1", "/console/login?to=x"};
    static const char *const bad[] = {"",
                                      "/",
                                      "//evil.example",
                                      "/consolee",
                                      "/console\\evil",
                                      "/console/\\evil.example",
                                      "/console/ x",
                                      "/console/\r\nSet-Cookie: x",
                                      "/console/\x7f",
                                      "/console/\xc3\xa9",
                                      "https://gate.example/console",
                                      "console",
                                      "/v1/events",
                                      "/console/logout",
                                      "/console/language",
                                      "/console/static/x"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_str_eq(guard_way_back(good[i]), good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_str_eq(guard_way_back(bad[i]), "/console");
}
END_TEST

START_TEST(roles_permit)
{
    ck_assert_uint_eq(visit_permits_of(ROLE_READER), PERMIT_READ);
    ck_assert_uint_eq(visit_permits_of(ROLE_COMPLIANCE),
                      PERMIT_READ | PERMIT_PERSONS | PERMIT_ACT | PERMIT_STOP);
    ck_assert_uint_eq(visit_permits_of(ROLE_ADMINISTRATOR),
                      PERMIT_READ | PERMIT_STOP | PERMIT_ADMIN);
    for (int role = 0; role < ROLE_COUNT; role++) {
        char cookie[80];
        add_user(user_role_name((enum user_role)role), (enum user_role)role);
        request.cookie = session_of(user_role_name((enum user_role)role), cookie);
        for (unsigned bits = 0; bits < 0x20; bits++) {
            asks = bits;
            stage_get(guarded, "/console");
            bool may = (bits & ~visit_permits_of((enum user_role)role)) == 0;
            must_be(may, may ? 200 : 403);
        }
    }
}
END_TEST

START_TEST(strangers_are_asked_who_they_are)
{
    stage_get(guarded, "/console");
    must_be(false, 303);
    must_lead_to("/console/login");
    stage_get(guarded, "/console/blocked?reason=WITHDRAWN&a=%26");
    must_lead_to("/console/login?to=%2Fconsole%2Fblocked%3Freason%3DWITHDRAWN%26a%3D%2526");
    request.cookie = "__Host-octroi=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    post("x");
    must_be(false, 303);
    must_lead_to("/console/login?lost=1");
    anybody = true;
    asks = 0;
    stage_get(guarded, "/console/login");
    must_be(true, 200);
    ck_assert_str_eq(stage.visit.user, "");
    ck_assert_str_eq(stage.visit.csrf, "");
    /* Nobody's token is no token. */
    anybody = false;
    post("");
    must_be(false, 303);
}
END_TEST

START_TEST(nothing_is_shown_in_clear)
{
    char cookie[80];
    add_user("claire", ROLE_COMPLIANCE);
    request.cookie = session_of("claire", cookie);
    request.secured = request.https = false;
    stage_get(guarded, "/console");
    must_be(false, 403);
    anybody = true;
    stage_get(guarded, "/console/login");
    must_be(false, 403);
    request.identity = "claire";
    stage_get(guarded, "/console");
    must_be(false, 403);
}
END_TEST

START_TEST(a_session_is_taken_by_its_own_cookie)
{
    char cookie[80], name[160];
    add_user("claire", ROLE_COMPLIANCE);
    request.cookie = session_of("claire", cookie);
    stage_get(guarded, "/console");
    must_be(true, 200);
    ck_assert_str_eq(stage.visit.user, "claire");
    ck_assert_str_eq(stage.visit.role, "compliance");
    ck_assert_uint_eq(strlen(stage.visit.csrf), 64);
    ck_assert_ptr_null(strstr(cookie, stage.visit.csrf));
    request.https = false;
    stage_get(guarded, "/console");
    must_be(false, 303);
    snprintf(name, sizeof(name), "octroi=%s", strchr(cookie, '=') + 1);
    request.cookie = name;
    stage_get(guarded, "/console");
    must_be(true, 200);
    request.https = true;
    stage_get(guarded, "/console");
    must_be(false, 303);
    request.cookie = cookie;
    stage.now += 10 * 60 * CLOCK_SECOND - 1; /* as configured */
    stage_get(guarded, "/console");
    must_be(true, 200);
    stage.now += 10 * 60 * CLOCK_SECOND;
    stage_get(guarded, "/console");
    must_be(false, 303);
}
END_TEST

START_TEST(each_form_carries_its_sessions_token)
{
    char mine[80], again[80], others[80], my_token[80], token[80], longer[96];
    add_user("claire", ROLE_COMPLIANCE);
    add_user("paul", ROLE_COMPLIANCE);
    session_of("claire", mine);
    session_of("claire", again);
    session_of("paul", others);
    token_of(mine, my_token);
    request.cookie = mine;
    post(my_token);
    must_be(true, 200);
    snprintf(longer, sizeof(longer), "%sx", my_token);
    post(longer);
    must_be(false, 403);
    post("");
    must_be(false, 403);
    must_show("This form is too old");
    post(token_of(again, token));
    must_be(true, 200); /* its own */
    request.cookie = mine;
    post(token);
    must_be(false, 403);
    token_of(others, token);
    request.cookie = mine;
    post(token);
    must_be(false, 403);
    my_token[63] = my_token[63] == 'a' ? 'b' : 'a';
    post(my_token);
    must_be(false, 403);
    my_token[63] = '\0';
    post(my_token);
    must_be(false, 403);
    /* A page for whoever comes asks for none. */
    anybody = true;
    post("");
    must_be(true, 200);
}
END_TEST

START_TEST(where_a_form_comes_from)
{
    static const struct {
        const char *origin, *site;
        bool https, ours;
    } rows[] = {
        {HTTPS, "same-origin", true, true},
        {HTTPS, "", true, true},
        {"", "same-origin", true, true},
        {"https://GATE.example:8443", "", true, true},
        {PUBLIC, "same-origin", true, true},
        {"http://" HOST, "", false, true},
        {"", "", true, false},
        {"null", "", true, false},
        {HTTPS, "cross-site", true, false},
        {HTTPS, "same-site", true, false},
        {"", "none", true, false},
        {"http://" HOST, "", true, false},
        {HTTPS, "", false, false},
        {"https://gate.example", "", true, false},
        {HTTPS "0", "", true, false},
        {HTTPS "/", "", true, false},
        {"https://evil.example", "same-origin", true, false},
        {"https://public.example.evil", "", true, false},
        {"https://public.exampl", "", true, false},
        {"http://public.example", "", true, false},
        {"https://", "", true, false},
    };
    char cookie[80], token[80];
    add_user("claire", ROLE_COMPLIANCE);
    session_of("claire", cookie);
    token_of(cookie, token);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char here[80];
        request.origin = rows[i].origin;
        request.fetch_site = rows[i].site;
        request.https = rows[i].https;
        snprintf(here, sizeof(here), "octroi=%s", strchr(cookie, '=') + 1);
        request.cookie = rows[i].https ? cookie : here;
        post(token);
        ck_assert_msg(admitted == rows[i].ours, "%s %s", rows[i].origin, rows[i].site);
        /* What only looks may come from everywhere. */
        stage_get(guarded, "/console");
        must_be(true, 200);
    }
    /* No Host is nobody's. */
    request.host = "";
    request.origin = "https://";
    request.fetch_site = "";
    request.https = true;
    request.cookie = cookie;
    post(token);
    must_be(false, 403);
}
END_TEST

START_TEST(a_balancer_vouches)
{
    char cookie[120], token[80], mine[80];
    add_user("claire", ROLE_COMPLIANCE);
    add_user("paul", ROLE_READER);
    request.cookie = session_of("paul", mine);
    request.identity = "Claire";
    stage_get(guarded, "/console");
    must_be(true, 200);
    ck_assert_str_eq(stage.visit.user, "claire");
    ck_assert_str_eq(stage.visit.role, "compliance");
    ck_assert(stage.visit.signed_on);
    ck_assert(stage.visit.came);
    ck_assert_ptr_nonnull(stage.visit.cookies[0]);
    str_copy_n(cookie, sizeof(cookie), stage.visit.cookies[0],
               strcspn(stage.visit.cookies[0], ";"));
    ck_assert_int_eq(strncmp(cookie, "__Host-octroi-form=", 19), 0);
    str_copy(token, sizeof(token), stage.visit.csrf);
    request.cookie = cookie;
    post(token);
    must_be(true, 200);
    ck_assert_ptr_null(stage.visit.cookies[0]);
    ck_assert(!stage.visit.came);
    /* Neither without the cookie, nor for somebody else, whose cookie it may be. */
    request.cookie = "";
    post(token);
    must_be(false, 403);
    asks = 0;
    request.cookie = cookie;
    request.identity = "paul";
    post(token);
    must_be(false, 403);
    static const char *const nobodys[] = {"nobody", "claire@example.fr", "", " ", "<b>"};
    for (size_t i = 0; i < sizeof(nobodys) / sizeof(nobodys[0]); i++) {
        request.identity = nobodys[i];
        stage_get(guarded, "/console");
        must_be(false, nobodys[i][0] == '\0' ? 303 : 403);
    }
    request.identity = "nobody";
    stage_get(guarded, "/console");
    must_show("not among the users");
    must_not_show("nobody");
}
END_TEST

static void open_stage(void)
{
    begin();
    stage_open(CONFIG);
}

int main(void)
{
    const TTest *const tests[] = {cookies_are_read,
                                  cookies_are_set,
                                  ways_back,
                                  roles_permit,
                                  strangers_are_asked_who_they_are,
                                  nothing_is_shown_in_clear,
                                  a_session_is_taken_by_its_own_cookie,
                                  each_form_carries_its_sessions_token,
                                  where_a_form_comes_from,
                                  a_balancer_vouches};
    Suite *suite = suite_create("console guard");
    TCase *cases = tcase_create("console guard");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, open_stage, stage_close);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    return unit_run((Suite *[]){suite, NULL});
}
