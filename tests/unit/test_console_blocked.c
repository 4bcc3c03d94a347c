/* SPDX-License-Identifier: Apache-2.0 */
/* The list of blocked messages, and one message's own page. */
#include "tests/unit/stage_console.h"

#include "console/decisions.h"
#include "console/send.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST "/console/blocked"

static struct recipient jean, marie;

/* On record since `now`. */
static void record(const struct event_input *event, const char *now)
{
    struct error err = {0};
    unsigned added = 0;
    ck_assert_msg(registry_add_event(stage.registry, event, at(now), &added, &err) == RESULT_OK,
                  "%s", err.text);
    ck_assert_uint_eq(added, 1);
}

/* What most tests look at: jean consented to acme on form jeu-ete@1 and withdrew. */
static void tell(void)
{
    struct error err = {0};
    stage_person("jean.dupont@example.org", &jean);
    stage_person("+33612345678", &marie);
    ck_assert_int_eq(
        put_form(stage.registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "", &err),
        RESULT_OK);
    struct event_input given = grant(0, 1, "2026-02-01T10:00:00Z");
    memcpy(given.recipient_key, jean.key, sizeof(jean.key));
    given.evidence = "box ticked <b>";
    record(&given, "2026-02-02T00:00:00Z");
    struct event_input no = given;
    no.kind = EVENT_WITHDRAWN;
    no.form_id = NULL;
    no.evidence = "letter";
    no.occurred_at = at("2026-03-03T09:00:00Z");
    record(&no, "2026-03-04T00:00:00Z");
}

static void open_one(const char *id)
{
    char path[80];
    snprintf(path, sizeof(path), LIST "/%s", id);
    stage_get_at(blocked_one_page, path, id, NULL);
}

/* jean's and marie's, of two partners, over two days. Returns the one of the withdrawal. */
static const char *some_decisions(void)
{
    static char id[RECORD_ID];
    tell();
    stage_decide(&(struct decision){.at = at("2026-05-30T08:00:00Z"),
                                    .recipient = &marie,
                                    .partner = "beta",
                                    .channel = CHANNEL_SMS,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_NO_CONSENT},
                 NULL);
    stage_decide(&(struct decision){.at = at("2026-05-30T22:30:00Z"),
                                    .recipient = &marie,
                                    .partner = "beta",
                                    .channel = CHANNEL_SMS,
                                    .verdict = VERDICT_DEFER,
                                    .reason = REASON_OUTSIDE_HOURS},
                 NULL);
    stage_decide(&(struct decision){.at = at("2026-05-31T09:00:00Z"),
                                    .recipient = &jean,
                                    .partner = "ombre",
                                    .mode = MODE_OBSERVE,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_NO_CONSENT},
                 NULL);
    stage_decide(&(struct decision){.at = at("2026-05-31T09:30:00Z"),
                                    .recipient = &jean,
                                    .partner = "gone-partner",
                                    .verdict = VERDICT_PASS,
                                    .reason = REASON_CONSENT,
                                    .event = 1},
                 NULL);
    stage_decide(&(struct decision){.at = at("2026-05-31T10:00:00Z"),
                                    .recipient = &jean,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_WITHDRAWN,
                                    .event = 2},
                 id);
    return id;
}

START_TEST(the_list)
{
    const char *id = some_decisions();
    char link[120];
    stage_get(blocked_page, LIST);
    ck_assert_uint_eq(stage_count("<tr>"), 5); /* its head, and four that were stopped */
    snprintf(link, sizeof(link), "href=\"" LIST "/%s\"", id);
    must_show(link);
    must_show("<strong>4</strong> decisions");
    must_show("The recipient withdrew consent. <code>WITHDRAWN</code>");
    must_show("let through, observed");
    must_show("Beta &lt;SA&gt;");
    must_show("href=\"/console/partners/acme\"");
    must_show(jean.masked);
    must_not_show("gone-partner</td>");
    must_not_show("jean.dupont");
    must_not_show("12345678");
    ck_assert_str_eq(stage.visit.access.act, "decision.list");
    ck_assert_uint_eq(stage.visit.access.count, 4);
    ck_assert_ptr_null(stage.visit.access.key);
    /* Newest first. */
    ck_assert(strstr(stage.seen.data, "WITHDRAWN</code>") <
              strstr(stage.seen.data, "OUTSIDE_HOURS</code>"));
    /* A form is named where the decision relies on an event of one. */
    stage_get(blocked_page, LIST "?verdict=pass");
    must_show("href=\"/console/forms/jeu-ete/1\"");
    must_show("gone-partner</td>"); /* no longer configured: no page of its own */
}
END_TEST

START_TEST(what_it_is_narrowed_to)
{
    static const struct {
        const char *query;
        unsigned rows;
    } rows[] = {
        {"?verdict=all", 5},
        {"?verdict=block", 3},
        {"?verdict=stopped", 2},
        {"?verdict=stopped&reason=NO_CONSENT", 1},
        {"?purpose=receipt", 4},
        {"?purpose=transmission", 0},
        {"?purpose=nonsense", 4},
        {"?verdict=defer", 1},
        {"?verdict=pass", 1},
        {"?verdict=observed", 1},
        {"?verdict=nonsense", 4},
        {"?partner=acme", 1},
        {"?partner=beta", 2},
        {"?partner=nobody", 0},
        {"?channel=sms", 2},
        {"?channel=email&verdict=all", 3},
        {"?reason=NO_CONSENT", 2},
        {"?reason=NO_CONSENT&verdict=observed", 1},
        {"?reason=CONSENT", 1},
        {"?reason=NONSENSE", 4},
        {"?from=2026-05-31", 2},
        {"?to=2026-05-30", 2},
        {"?from=2026-05-31&to=2026-05-31&verdict=all", 3},
        {"?from=2026-06-01", 0},
        {"?from=31/05/2026", 4},
        {"?partner=beta&stream=texto", 2},
        {"?partner=beta&stream=news", 0},
        {"?stream=texto", 4}, /* of no partner: says nothing */
    };
    some_decisions();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[200], total[60];
        snprintf(path, sizeof(path), LIST "%s", rows[i].query);
        stage_get(blocked_page, path);
        unsigned shown = stage_count("<td class=\"when\">");
        ck_assert_msg(shown == rows[i].rows, "%s: %u", rows[i].query, shown);
        snprintf(total, sizeof(total), "<strong>%u</strong> decision", rows[i].rows);
        if (rows[i].rows > 0)
            must_show(total);
        else
            must_show("class=\"empty\"");
    }
}
END_TEST

/* Days are those of the clock that the table shows, unless a number that was counted by days of UTC
 * leads there. */
START_TEST(days_of_a_list)
{
    some_decisions();
    stage.timezone = "Europe/Paris"; /* 30 May, 22:30 UTC is 31 May, 00:30 there */
    stage_get(blocked_page, LIST "?from=2026-05-30&to=2026-05-30");
    ck_assert_uint_eq(stage_count("<td class=\"when\">"), 1);
    must_show("<strong>1</strong> decision");
    must_not_show("midnight UTC");
    stage_get(blocked_page, LIST "?from=2026-05-30&to=2026-05-30&zone=utc");
    ck_assert_uint_eq(stage_count("<td class=\"when\">"), 2);
    must_show("<strong>2</strong> decisions");
    must_show("These days go from midnight to midnight UTC");
    must_show("name=\"zone\" value=\"utc\"");
    must_show("href=\"/console/blocked?from=2026-05-30&amp;to=2026-05-30\"");
    stage_get(blocked_page, LIST "?from=2026-05-31&to=2026-05-31");
    ck_assert_uint_eq(stage_count("<td class=\"when\">"), 3);
}
END_TEST

START_TEST(rows_of_lists_apart)
{
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK, .reason = REASON_NO_CONSENT}, NULL);
    stage_decide(&(struct decision){.purpose = PURPOSE_TRANSMISSION,
                                    .verdict = VERDICT_PASS,
                                    .reason = REASON_CONSENT},
                 NULL);
    stage_get(blocked_page, LIST "?verdict=all");
    must_show("<strong>2</strong> decisions");
    stage_get(blocked_page, LIST "?verdict=all&purpose=transmission");
    must_show("<strong>1</strong> decision");
    must_show("<code>CONSENT</code>");
    must_not_show("<code>NO_CONSENT</code>");
}
END_TEST

START_TEST(pages_of_fifty)
{
    char seen_first[RECORD_ID] = "";
    for (unsigned i = 0; i < 120; i++)
        stage_decide(&(struct decision){.at = stage.now - i % 7, /* many of one moment */
                                        .verdict = VERDICT_BLOCK,
                                        .reason = REASON_NO_CONSENT},
                     i == 0 ? seen_first : NULL);
    unsigned all = 0, pages = 0;
    char path[300] = LIST "?partner=acme";
    for (;;) {
        stage_get(blocked_page, path);
        unsigned rows = stage_count("<td class=\"when\">");
        all += rows;
        pages++;
        ck_assert_uint_le(rows, DECISIONS_PAGE);
        ck_assert_uint_eq(stage_count("Back to the newest"), pages > 1);
        must_show("<strong>120</strong> decisions");
        const char *pager = strstr(stage.seen.data, "class=\"pager\"");
        const char *link = pager != NULL ? strstr(pager, "&amp;cursor=") : NULL;
        if (link == NULL || pages == 9)
            break;
        must_show("Further back");
        snprintf(path, sizeof(path), LIST "?partner=acme&cursor=%.*s",
                 (int)strcspn(link + strlen("&amp;cursor="), "\""), link + strlen("&amp;cursor="));
    }
    ck_assert_uint_eq(all, 120);
    ck_assert_uint_eq(pages, 3);
    must_not_show(seen_first);
    stage_get(blocked_page, LIST "?cursor=0.1");
    must_show("Nothing is further back.");
    stage_get(blocked_page, LIST "?cursor=x");
    ck_assert_uint_eq(stage_count("<td class=\"when\">"), 50);
}
END_TEST

START_TEST(one_person)
{
    char path[200], hex[2 * RECIPIENT_KEY_BYTES + 1];
    some_decisions();
    hex_encode(jean.key, sizeof(jean.key), hex);
    stage_post(blocked_person_act, LIST, "person=+Jean.Dupont%40EXAMPLE.org&verdict=all&partner=");
    snprintf(path, sizeof(path), LIST "?verdict=all&person=%s", hex);
    must_lead_to(path);
    stage_get(blocked_page, path);
    ck_assert_uint_eq(stage_count("<td class=\"when\">"), 3);
    must_show("Of one person only:");
    must_show(jean.masked);
    must_show("Show everybody&#39;s");
    must_not_show("jean.dupont");
    ck_assert_mem_eq(stage.visit.access.key, jean.key, sizeof(jean.key));
    ck_assert_str_eq(stage.visit.access.masked, jean.masked);
    /* A national number. */
    hex_encode(marie.key, sizeof(marie.key), hex);
    stage_post(blocked_person_act, LIST, "person=06+12+34+56+78");
    snprintf(path, sizeof(path), LIST "?person=%s", hex);
    must_lead_to(path);
    stage_post(blocked_person_act, LIST, "person=not+an+address&reason=STALE");
    must_lead_to(LIST "?reason=STALE&person=unknown");
    stage_get(blocked_page, LIST "?reason=STALE&person=unknown");
    must_show("neither an e-mail address nor a telephone number");
    /* Not for everybody. */
    stage.role = ROLE_READER;
    stage_get(blocked_page, path);
    ck_assert_int_eq(stage.visit.status, 403);
    ck_assert_ptr_null(stage.visit.access.act);
    stage_get(blocked_page, LIST);
    must_not_show("/console/persons/");
    must_not_show("name=\"person\"");
}
END_TEST

START_TEST(as_a_file)
{
    struct strbuf out = {0};
    struct error err = {0};
    bool last = false;
    some_decisions();
    stage_get(blocked_page, LIST "?partner=beta&stream=texto&verdict=block");
    must_show("href=\"/console/blocked.csv?partner=beta&amp;stream=texto&amp;verdict=block\"");
    stage_get(blocked_csv, LIST ".csv?partner=beta&stream=texto&verdict=block&cursor=1.1");
    struct visit_send *send = stage.visit.send;
    ck_assert_ptr_nonnull(send);
    ck_assert_str_eq(send->name, "octroi-decisions.csv");
    ck_assert_str_eq(stage.visit.access.act, "decision.export");
    ck_assert_str_eq(stage.visit.access.subject, "verdict=block stream=texto");
    /* The request and all its texts are gone by the time the pieces are made. */
    arena_reset(stage.visit.arena);
    char *over = arena_alloc(stage.visit.arena, 512 * 1024);
    ck_assert_ptr_nonnull(over);
    memset(over, 'x', 512 * 1024);
    while (!last)
        must(send->pieces.make(send->pieces.own, stage.index, &out, &last, &err) == RESULT_OK);
    ck_assert_uint_eq(send->pieces.count(send->pieces.own), 1);
    ck_assert_ptr_nonnull(strstr(out.data, "NO_CONSENT"));
    ck_assert_ptr_null(strstr(out.data, "OUTSIDE_HOURS"));
    strbuf_free(&out);
    stage_get(blocked_csv, LIST ".csv?verdict=observed");
    ck_assert_str_eq(stage.visit.access.subject, "verdict=block effect=passed");
    stage.role = ROLE_READER;
    stage_get(blocked_page, LIST);
    must_not_show("blocked.csv");
}
END_TEST

START_TEST(nothing_to_show)
{
    stage_get(blocked_page, LIST);
    must_show("No message has come through this gate yet.");
    stage_get(blocked_page, LIST "?partner=acme&from=2026-01-01");
    must_show("No message has come through this gate yet.");
    stage_decide(&(struct decision){.verdict = VERDICT_PASS, .reason = REASON_CONSENT}, NULL);
    stage_get(blocked_page, LIST);
    must_show("so far everything came out otherwise");
    must_show("href=\"/console/blocked?verdict=all\"");
    stage_get(blocked_page, LIST "?partner=acme&from=2026-01-01&to=2026-01-02");
    must_show("in this period");
    must_show("href=\"/console/blocked?partner=acme\"");
    stage_get(blocked_page, LIST "?partner=beta");
    must_show("Show all that was blocked or deferred");
}
END_TEST

START_TEST(references)
{
    static const char *const nothing[] = {"01KB3ZQ5M8-7GQX3D", "%2F..%2F%3Cscript%3E", "%3F"};
    char path[200], bare[RECORD_ID];
    const char *id = some_decisions();
    size_t n = 0;
    for (size_t i = 0; id[i] != '\0'; i++)
        if (id[i] != '-')
            bare[n++] = (char)tolower((unsigned char)id[i]);
    bare[n] = '\0';
    const char *const written[] = {id, bare};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), LIST "?ref=+Ref+%s+", written[i]);
        stage_get(blocked_page, path);
        snprintf(path, sizeof(path), LIST "/%s", id);
        must_lead_to(path);
    }
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), LIST "?ref=%s", nothing[i]);
        stage_get(blocked_page, path);
        ck_assert_int_eq(stage.visit.status, 404);
        must_show("No decision has this reference");
        must_show("<details class=\"fold\" open>");
        must_not_show("<script>");
    }
    stage_get(blocked_page, LIST "?ref=01KB3ZQ5M8-7GQX3D");
    must_show("value=\"01KB3ZQ5M8-7GQX3D\"");
    stage_get(blocked_page, LIST);
    must_not_show("<details class=\"fold\" open>");
    open_one("01KB3ZQ5M8-7GQX3D");
    ck_assert_int_eq(stage.visit.status, 404);
    ck_assert_ptr_null(stage.visit.access.act);
    must_show("No decision has this reference");
}
END_TEST

/* The question of the officer: why was this message blocked, what had she agreed to, and when? */
START_TEST(why_it_was_blocked)
{
    const char *id = some_decisions();
    open_one(id);
    must_show("<h1>A message that was blocked</h1>");
    must_show("ACME Voyages may not write to this person by e-mail.");
    must_show("The person withdrew the consent on <time datetime=\"2026-03-03T09:00:00.000000Z\">3 "
              "March 2026</time>");
    must_show("<code>WITHDRAWN</code>");
    must_show("nothing was sent to the person");
    must_show("letter");
    must_show("the rules come to the same answer");
    must_show("The same question today");
    /* The consent she had given, with its form and its words. */
    must_show("What the person had agreed to");
    must_show("href=\"/console/forms/jeu-ete/1\"");
    must_show("<blockquote lang=\"fr\">J&#39;accepte</blockquote>");
    must_show("Nobody before you.");
    must_show(jean.masked);
    must_not_show("jean.dupont");
    must_show(id);
    ck_assert_str_eq(stage.visit.access.act, "decision.read");
    ck_assert_str_eq(stage.visit.access.subject, id);
    ck_assert_mem_eq(stage.visit.access.key, jean.key, sizeof(jean.key));
}
END_TEST

START_TEST(in_french)
{
    const char *id = some_decisions();
    stage.language = LANGUAGE_FR;
    open_one(id);
    must_show("3 mars 2026");
    must_not_show("The person");
    must_not_show("nothing was sent");
    must_not_show("the rules come");
    stage_get(blocked_page, LIST);
    must_show("4</strong> décisions");
    must_not_show("Blocked messages");
}
END_TEST

/* Decided on a consent; what came since does not change what was then. */
START_TEST(then_and_now)
{
    char before[RECORD_ID], after[RECORD_ID];
    tell();
    struct error err = {0};
    struct event_input given = grant(0, 1, "2026-02-01T10:00:00Z");
    memcpy(given.recipient_key, marie.key, sizeof(marie.key));
    given.address_kind = ADDRESS_PHONE;
    given.channels = CHANNEL_BIT(CHANNEL_SMS);
    given.supplier = "fichiers-sa";
    record(&given, "2026-02-02T00:00:00Z");
    stage_decide(&(struct decision){.at = at("2026-03-03T12:00:00Z"),
                                    .recipient = &marie,
                                    .channel = CHANNEL_SMS,
                                    .verdict = VERDICT_PASS,
                                    .reason = REASON_CONSENT,
                                    .event = 3},
                 before);
    /* Said on 1 April, and on record since June only. */
    struct event_input no = given;
    no.kind = EVENT_OBJECTED;
    no.supplier = "";
    no.form_id = NULL;
    no.evidence = "call";
    no.occurred_at = at("2026-04-01T00:00:00Z");
    record(&no, NOW);
    ck_assert_int_eq(registry_suspend(stage.registry, SUSPEND_SUPPLIER, "fichiers-sa", "doubt",
                                      at("2026-05-01T00:00:00Z"), &err),
                     RESULT_OK);
    open_one(before);
    must_show("<h1>A message that passed</h1>");
    must_show("ACME Voyages may write to this person by text message (SMS).");
    must_show("the rules come to the same answer");
    must_show("ACME Voyages may not write to this person by text message (SMS).");
    must_show("The person objected on");
    must_show("On record of the person since then:");
    must_show("fichiers-sa");
    /* While the supplier was suspended, and again after it was resumed. */
    ck_assert_int_eq(registry_resume(stage.registry, SUSPEND_SUPPLIER, "fichiers-sa", "checked",
                                     at("2026-05-20T00:00:00Z"), &err),
                     RESULT_OK);
    stage_decide(&(struct decision){.at = at("2026-05-10T10:00:00Z"),
                                    .recipient = &marie,
                                    .channel = CHANNEL_SMS,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_SUSPENDED,
                                    .event = 3},
                 after);
    open_one(after);
    must_show("the rules come to the same answer");
    must_show("This is what came nearest");
    /* What cannot be brought back is said. */
    stage_decide(&(struct decision){.at = at("2026-05-10T11:00:00Z"),
                                    .recipient = &marie,
                                    .channel = CHANNEL_SMS,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_PARTNER_NOT_SHOWN,
                                    .policy = "000000000000",
                                    .event = 3},
                 after);
    open_one(after);
    must_show("What counts is what the journal says above.");
    must_show("version 000000000000 then");
}
END_TEST

/* What is wrong with a message is not said of the person. */
START_TEST(message_at_fault)
{
    static const struct {
        enum reason reason;
        const char *said;
    } cases[] = {
        {REASON_STOP_MISSING, "consent, which is valid."},
        {REASON_IDENTITY_MISSING, "consent, which is valid."},
        {REASON_SENDER_NOT_ALLOWED, "consent, which was not asked."},
    };
    char id[RECORD_ID];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        stage_decide(&(struct decision){.at = at("2026-05-01T09:00:00Z"),
                                        .recipient = &marie,
                                        .channel = CHANNEL_SMS,
                                        .verdict = VERDICT_BLOCK,
                                        .reason = cases[i].reason},
                     id);
        open_one(id);
        must_show("<strong>This message of ACME Voyages could not go to the person "
                  "by text message (SMS).</strong>");
        must_show(cases[i].said);
    }
}
END_TEST

/* What she had agreed to stands beside what stopped the message only where it has to do with it. */
START_TEST(what_she_had_agreed_to)
{
    static const struct {
        const char *partner;
        enum verdict verdict;
        enum reason reason;
        const char *said;
    } cases[] = {
        {"acme", VERDICT_BLOCK, REASON_SENDER_NOT_ALLOWED, "It counts: what stopped the message"},
        {"acme", VERDICT_DEFER, REASON_OUTSIDE_HOURS, "It counts: what stopped the message"},
        {"beta", VERDICT_BLOCK, REASON_NO_CONSENT, "it was not given for this partner"},
        {"acme", VERDICT_PASS, REASON_SERVICE, NULL},
    };
    struct error err = {0};
    char id[RECORD_ID];
    tell();
    ck_assert_int_eq(
        put_form(stage.registry, "autre", 1, "2026-01-01T00:00:00Z", "\"delta\"", "", &err),
        RESULT_OK);
    struct event_input given = grant(0, 1, "2026-02-01T10:00:00Z");
    memcpy(given.recipient_key, marie.key, sizeof(marie.key));
    given.address_kind = ADDRESS_PHONE;
    given.channels = CHANNEL_BIT(CHANNEL_SMS);
    record(&given, "2026-02-02T00:00:00Z");
    given.form_id = "autre"; /* newer, and for somebody else */
    given.occurred_at = at("2026-02-05T10:00:00Z");
    record(&given, "2026-02-06T00:00:00Z");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        stage_decide(&(struct decision){.recipient = &marie,
                                        .channel = CHANNEL_SMS,
                                        .partner = cases[i].partner,
                                        .verdict = cases[i].verdict,
                                        .reason = cases[i].reason},
                     id);
        open_one(id);
        if (cases[i].said == NULL) {
            must_not_show("What the person had agreed to");
            continue;
        }
        must_show(cases[i].said);
        must_not_show("does not count here");
    }
    /* Hers was for acme, and she withdrew it. */
    stage_decide(
        &(struct decision){
            .recipient = &jean, .verdict = VERDICT_BLOCK, .reason = REASON_WITHDRAWN, .event = 2},
        id);
    open_one(id);
    must_show("does not count here, for the reason above");
}
END_TEST

/* A stop carries the moment it was asked for, and counts once it is written. */
START_TEST(around_an_act)
{
    static const struct {
        const char *at;
        bool near;
    } rows[] = {{"2026-05-01T00:00:05Z", true}, {"2026-05-01T00:00:20Z", false}};
    char id[RECORD_ID];
    struct error err = {0};
    tell();
    ck_assert_int_eq(registry_suspend(stage.registry, SUSPEND_PARTNER, "acme", "complaints",
                                      at("2026-05-01T00:00:00Z"), &err),
                     RESULT_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        stage_decide(&(struct decision){.at = at(rows[i].at),
                                        .recipient = &marie,
                                        .channel = CHANNEL_SMS,
                                        .verdict = VERDICT_PASS,
                                        .reason = REASON_CONSENT},
                     id);
        open_one(id);
        ck_assert_uint_eq(stage_count("Something was recorded in the seconds"), rows[i].near);
        ck_assert_uint_eq(stage_count("What counts is what the journal says above."),
                          !rows[i].near);
    }
}
END_TEST

START_TEST(what_is_not_about_consent)
{
    char id[RECORD_ID];
    tell();
    stage_decide(&(struct decision){.recipient = &jean,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_OPTOUT_MISSING},
                 id);
    open_one(id);
    must_show("found in the message itself");
    /* Nobody was named. */
    stage_decide(&(struct decision){.account = "nobody",
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_SENDER_NOT_ALLOWED},
                 id);
    open_one(id);
    must_show("Nobody had been named yet");
    must_show("refused before anybody was named");
    ck_assert_ptr_null(stage.visit.access.key);
    /* A partner that has left. */
    stage_decide(&(struct decision){.recipient = &jean,
                                    .partner = "gone<i>",
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_NO_CONSENT},
                 id);
    open_one(id);
    must_show("gone&lt;i&gt; may not write to this person");
    must_show("no longer in the configuration");
    /* An event that is gone. */
    stage_decide(
        &(struct decision){
            .recipient = &jean, .verdict = VERDICT_BLOCK, .reason = REASON_STALE, .event = 4711},
        id);
    open_one(id);
    must_show("no longer on record");
}
END_TEST

START_TEST(words_of_providers_are_text)
{
    char id[RECORD_ID];
    tell();
    stage_decide(&(struct decision){.recipient = &jean,
                                    .verdict = VERDICT_PASS,
                                    .reason = REASON_CONSENT,
                                    .provider = "relay",
                                    .event = 1},
                 id);
    stage_outcome(&(struct outcome_row){.id = id,
                                        .outcome = OUTCOME_REFUSED,
                                        .effect = EFFECT_PASSED,
                                        .provider_reply =
                                            "550 <script>alert(1)</script> \xe2\x80\xae"
                                            "&amp;",
                                        .queue_id = "\"><img src=x>",
                                        .size = 1234});
    open_one(id);
    must_show("550 &lt;script&gt;alert(1)&lt;/script&gt;");
    must_show("&quot;&gt;&lt;img src=x&gt;");
    must_show("1,234");
    must_show("refused by the delivering provider");
    must_show("box ticked &lt;b&gt;");
    must_not_show("<script>alert");
    must_not_show("<img");
    must_not_show("<b>");
}
END_TEST

/* An access record of a look, as the gateway keeps it. */
static void note_look(const char *id, int64_t when, const char *who)
{
    struct access access = {.who = who,
                            .act = "decision.read",
                            .key = jean.key,
                            .masked = jean.masked,
                            .partner = "",
                            .channel = "",
                            .subject = id,
                            .answer = ""};
    struct journal_batch *batch = journal_batch_new();
    must(access_record(batch, &access, "gate.example", when));
    must(box_append(&stage.box, batch) == RESULT_OK);
}

START_TEST(who_looked)
{
    const char *id = some_decisions();
    note_look(id, stage.now - 2 * CLOCK_SECOND, "user first");
    note_look("01KB3ZQ5M8-000000", stage.now - CLOCK_SECOND, "user elsewhere");
    for (int i = 0; i < 25; i++)
        note_look(id, stage.now - CLOCK_SECOND, "user often");
    note_look(id, stage.now, "user last<u>");
    open_one(id);
    ck_assert_uint_eq(stage_count("<td>user "), 20);
    must_show("user last&lt;u&gt;");
    must_not_show("user first");
    must_not_show("user elsewhere");
    /* A reader sees it, without the ways to the person. */
    stage.role = ROLE_READER;
    open_one(id);
    must_show("user often");
    must_not_show("/console/persons");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_list,
                                  what_it_is_narrowed_to,
                                  days_of_a_list,
                                  rows_of_lists_apart,
                                  pages_of_fifty,
                                  one_person,
                                  as_a_file,
                                  nothing_to_show,
                                  references,
                                  why_it_was_blocked,
                                  in_french,
                                  then_and_now,
                                  message_at_fault,
                                  what_she_had_agreed_to,
                                  around_an_act,
                                  what_is_not_about_consent,
                                  words_of_providers_are_text,
                                  who_looked,
                                  NULL};
    Suite *const suites[] = {stage_suite("console blocked", tests), NULL};
    return unit_run(suites);
}
