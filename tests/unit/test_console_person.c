/* SPDX-License-Identifier: Apache-2.0 */
/* Looking a person up, her page, and what an officer records for her. */
#include "tests/unit/stage_console.h"

#include "console/send.h"
#include "office/past.h"
#include "store/notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JEAN   "jean.martin@example.org"
#define TYPED  "Jean.Martin%40Example.org"
#define MASKED "j•••@example.org"

/* ---- what is on record ---- */

static struct recipient jean;

static void meet(void)
{
    stage_person(JEAN, &jean);
}

static void consent(const char *when, const char *evidence)
{
    struct error err = {0};
    unsigned added = 0;
    struct event_input event = grant(0, 1, when);
    meet();
    ck_assert_int_eq(put_form(stage.registry, "jeu-ete", 1, "2026-01-01T00:00:00Z",
                              "\"acme\",\"beta\"", "", &err),
                     RESULT_OK);
    memcpy(event.recipient_key, jean.key, sizeof(jean.key));
    event.evidence = evidence;
    ck_assert_msg(registry_add_event(stage.registry, &event, stage.now, &added, &err) == RESULT_OK,
                  "%s", err.text);
    ck_assert_uint_eq(added, 1);
}

/* The tail of her page's path, from where the look-up leads. */
static const char *tail_of(const char *address)
{
    static char tail[1200];
    char form[400];
    meet();
    snprintf(form, sizeof(form), "address=%s", address);
    stage_post(persons_act, "/console/persons", form);
    ck_assert_int_eq(stage.visit.status, 303);
    ck_assert_ptr_nonnull(stage.visit.location);
    ck_assert_int_eq(strncmp(stage.visit.location, "/console/persons/", 17), 0);
    str_copy(tail, sizeof(tail), stage.visit.location + 17);
    return tail;
}

static const char *key_tail(void)
{
    static char hex[2 * RECIPIENT_KEY_BYTES + 1];
    meet();
    hex_encode(jean.key, sizeof(jean.key), hex);
    return hex;
}

static const char *path_of(const char *tail, const char *rest)
{
    static char path[1400];
    snprintf(path, sizeof(path), "/console/persons/%s%s", tail, rest);
    return path;
}

static void show(const char *tail, const char *query)
{
    stage_get_at(person_page, path_of(tail, query), tail, NULL);
}

static void press(console_page *act, const char *tail, const char *form)
{
    stage_post_at(act, path_of(tail, "/objections"), form, tail, NULL);
}

/* ---- looking up ---- */

START_TEST(look_up_by_any_writing)
{
    static const char *const numbers[] = {
        "06+12+34+56+78",           "06.12.34.56.78", "%2B33612345678",
        "+%2B33+(0)6-12-34-56-78+", "tel:0612345678", "06%C2%A012%E2%80%AF34%C2%A056%C2%A078"};
    struct recipient phone;
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    stage_person("+33612345678", &phone);
    hex_encode(phone.key, sizeof(phone.key), key);
    stage_get(persons_page, "/console/persons");
    must_show("E-mail address or telephone number");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        show(tail_of(numbers[i]), "");
        must_show("+33612345678");
        ck_assert_mem_eq(stage.visit.access.key, phone.key, sizeof(phone.key));
    }
    show(tail_of("Jean+Martin+%3C" TYPED "%3E"), "");
    must_show("<h1>"
              "jean.martin@example.org");
    show(tail_of("mailto:" TYPED), "");
    ck_assert_mem_eq(stage.visit.access.key, jean.key, sizeof(jean.key));
    /* Browsers keep titles. */
    show(tail_of(TYPED), "");
    must_show("<title>" MASKED " · octroi</title>");
}
END_TEST

START_TEST(look_up_complains)
{
    static const struct {
        const char *typed, *said;
    } wrong[] = {
        {"", "Nothing was typed in."},
        {"++", "Nothing was typed in."},
        {"jean%40", "cannot be read as an e-mail address."},
        {"jean", "or a telephone number."},
        {"0612", "or a telephone number."},
        {"%3Cscript%3E", "&lt;script&gt;"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char form[100];
        snprintf(form, sizeof(form), "address=%s", wrong[i].typed);
        stage_post(persons_act, "/console/persons", form);
        ck_assert_int_eq(stage.visit.status, 422);
        must_show(wrong[i].said);
        must_not_show("<script>");
        ck_assert_ptr_null(stage.visit.access.act);
    }
}
END_TEST

/* The link shows no address, is hers who made it, and ends. */
START_TEST(link_is_sealed)
{
    char tail[1200];
    str_copy(tail, sizeof(tail), tail_of(TYPED));
    ck_assert_ptr_null(strstr(tail, "jean"));
    ck_assert_ptr_null(strstr(tail, "example"));
    show(tail, "");
    must_show("jean.martin@example.org");
    must_show(MASKED);
    stage.now += 12 * 3600 * CLOCK_SECOND - 1;
    show(tail, "");
    must_show("jean.martin@example.org");
    stage.now += 1;
    show(tail, "");
    must_lead_to(path_of(key_tail(), ""));
    must_not_show("jean");
    ck_assert_ptr_null(stage.visit.access.act); /* nothing was seen yet */
    stage.now -= 1;
    tail[40] = tail[40] == 'A' ? 'B' : 'A';
    show(tail, "");
    ck_assert_int_eq(stage.visit.status, 404);
    show("", "");
    ck_assert_int_eq(stage.visit.status, 404);
    show("\"><script>", "");
    ck_assert_int_eq(stage.visit.status, 404);
    must_not_show("<script>alert");
}
END_TEST

static enum result as_another(struct visit *visit, struct error *err)
{
    visit->user = "marc";
    return person_page(visit, err);
}

START_TEST(link_is_one_users)
{
    const char *tail = tail_of(TYPED);
    stage_get_at(as_another, path_of(tail, ""), tail, NULL);
    must_lead_to(path_of(key_tail(), ""));
    must_not_show("jean");
}
END_TEST

/* Without a key to seal with the address goes nowhere. */
START_TEST(no_seal)
{
    seal_free(&stage.seal);
    ck_assert_str_eq(tail_of(TYPED), key_tail());
    show(key_tail(), "");
    must_not_show("jean");
}
END_TEST

START_TEST(typed_on_a_page_it_is_checked)
{
    char form[200];
    snprintf(form, sizeof(form), "of=%s&address=marc%%40example.org", key_tail());
    stage_post(persons_act, "/console/persons", form);
    ck_assert_int_eq(stage.visit.status, 422);
    must_show("not the address of the person you came from");
    snprintf(form, sizeof(form), "of=%s&address=%s", key_tail(), TYPED);
    stage_post(persons_act, "/console/persons", form);
    ck_assert_int_eq(stage.visit.status, 303);
}
END_TEST

/* ---- the page ---- */

START_TEST(unknown_person)
{
    show(tail_of(TYPED), "");
    must_show("Nothing is held on this person");
    must_show("no partner may send offers");
    must_show("only being observed"); /* ombre is */
    must_show("Record an objection");
    ck_assert_str_eq(stage.visit.access.act, "person.read");
    ck_assert_str_eq(stage.visit.access.answer, "nothing held");
    ck_assert_str_eq(stage.visit.access.masked, MASKED);
    show(key_tail(), ""); /* nobody to record anything for */
    must_show("Nothing is held on this person");
    must_not_show("Record an objection");
}
END_TEST

START_TEST(who_may_write)
{
    consent("2026-03-03T10:00:00Z", "double opt-in of 3 March, ip 192.0.2.7");
    show(tail_of(TYPED), "");
    must_show("ACME Voyages may write to this person by e-mail.");
    must_show(
        "The person consented on <time datetime=\"2026-03-03T10:00:00.000000Z\">3 March 2026");
    must_show("Beta &lt;SA&gt; may write to this person by e-mail.");
    must_not_show("Ombre may");
    must_show("Ombre.</p>"); /* of those she never heard of */
    must_show("/console/forms/jeu-ete/1");
    must_show("double opt-in of 3 March");
    must_show("J&#39;accepte");
    must_show("/console/partners/acme");
    must_not_show("SMS"); /* an e-mail address has none */
    ck_assert_str_eq(stage.visit.access.answer, "told");
    stage.language = LANGUAGE_FR;
    show(tail_of(TYPED), "");
    must_show("ACME Voyages peut écrire à cette personne par courrier électronique.");
    must_show("3 mars 2026");
    must_not_show("may write");
}
END_TEST

/* All that is seen of her by key is her mask. */
START_TEST(by_key_alone)
{
    consent("2026-03-03T10:00:00Z", "letter");
    show(key_tail(), "");
    must_show("A person without an address");
    must_show("ACME Voyages may write to this person by e-mail.");
    must_not_show("jean");
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK,
                                    .reason = REASON_WITHDRAWN,
                                    .recipient = &jean},
                 NULL);
    show(key_tail(), "");
    must_show("<h1>" MASKED "</h1>");
    must_not_show("jean");
    must_show("Type the address");
    must_show("value=\"email\" checked");
    must_not_show("value=\"sms\"");
}
END_TEST

START_TEST(why)
{
    consent("2026-03-03T10:00:00Z", "letter");
    show(tail_of(TYPED), "?partner=beta&channel=email");
    must_show("Beta &lt;SA&gt; may write to this person by e-mail.");
    must_show("The list gave the partner&#39;s name.");
    must_show("would do by itself");
    show(tail_of(TYPED), "?partner=ombre&channel=email");
    must_show("Ombre may not write to this person by e-mail.");
    must_show("PARTNER_NOT_SHOWN");
    must_show("The partner is on no list that goes with it.");
    must_show("not met");
    show(tail_of(TYPED), "?partner=ombre&channel=sms"); /* no such question */
    must_not_show("Ombre may not write");
    must_show("Choose a partner");
    show(tail_of(TYPED), "?partner=%22%3E%3Cscript%3E&channel=email");
    must_not_show("<script>alert");
}
END_TEST

/* What people and programs do about her is said in words. */
START_TEST(acts_in_words)
{
    static const char *const acts[] = {"person.read", "decision.read", "decision.list",
                                       "decision.export", "event.add"};
    meet();
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        struct access access = {.who = "user claire",
                                .act = acts[i],
                                .key = jean.key,
                                .masked = MASKED,
                                .partner = "",
                                .channel = "",
                                .subject = "",
                                .answer = ""};
        struct journal_batch *batch = journal_batch_new();
        must(access_record(batch, &access, "gate.example", stage.now));
        must(box_append(&stage.box, batch) == RESULT_OK);
    }
    show(key_tail(), "");
    must_show("took decisions about the person, as a file");
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        char alone[40]; /* the code belongs behind the words */
        snprintf(alone, sizeof(alone), "<td class=\"words\">%s", acts[i]);
        must_not_show(alone);
    }
    stage.language = LANGUAGE_FR;
    show(key_tail(), "");
    must_show("<td>compte claire</td>");
    must_not_show("user claire");
    stage.language = LANGUAGE_EN;
}
END_TEST

START_TEST(decisions_by_fifty)
{
    char first[RECORD_ID];
    meet();
    for (int i = 0; i < 103; i++)
        stage_decide(&(struct decision){.verdict = VERDICT_BLOCK,
                                        .reason = REASON_NO_CONSENT,
                                        .at = at("2026-05-01T00:00:00Z") + i * CLOCK_SECOND,
                                        .recipient = &jean},
                     i == 0 ? first : NULL);
    char cursor[100] = "";
    unsigned seen = 0, pages = 0;
    do {
        char query[120];
        snprintf(query, sizeof(query), "?cursor=%s", cursor);
        show(key_tail(), query);
        seen += stage_count("<td class=\"time\"><a href=\"/console/blocked/");
        pages++;
        const char *further = strstr(stage.seen.data, "class=\"pager\"");
        const char *next = further != NULL ? strstr(further, "?cursor=") : NULL;
        cursor[0] = '\0';
        if (next != NULL)
            str_copy_n(cursor, sizeof(cursor), next + 8, strcspn(next + 8, "\""));
    } while (cursor[0] != '\0' && pages < 9);
    ck_assert_uint_eq(seen, 103);
    ck_assert_uint_eq(pages, 3);
    must_show(first);
    show(key_tail(), "?cursor=12x"); /* none of ours: from the newest */
    ck_assert_uint_eq(stage_count("<td class=\"time\"><a href=\"/console/blocked/"), 50);
}
END_TEST

START_TEST(hostile_words)
{
    static const char hostile[] = "<script>alert(\"x\")</script>'\xe2\x80\xae&amp;";
    struct error err = {0};
    consent("2026-03-03T10:00:00Z", hostile);
    ck_assert_int_eq(
        registry_set_identifier(stage.registry, jean.key, "acme", hostile, stage.now, &err),
        RESULT_OK);
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK,
                                    .reason = REASON_NO_CONSENT,
                                    .partner = hostile,
                                    .recipient = &jean},
                 NULL);
    show(tail_of(TYPED), "?partner=acme&channel=email&events=0");
    must_show("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    must_not_show("<script>alert");
}
END_TEST

/* ---- acts ---- */

#define EVERYWHERE "channel=email&channel=post&evidence=letter+of+3+March"

static size_t events(struct past *past)
{
    struct error err = {0};
    ck_assert_int_eq(past_read(stage.registry, jean.key, past, &err), RESULT_OK);
    return past->n_events;
}

static struct past_event last_event(void)
{
    struct past past;
    size_t n = events(&past);
    ck_assert_uint_gt(n, 0);
    struct past_event newest = past.events[0];
    for (size_t i = 1; i < n; i++)
        if (past.events[i].id > newest.id)
            newest = past.events[i];
    static char evidence[200], partners[100], origin[100];
    str_copy(evidence, sizeof(evidence), newest.evidence);
    str_copy(partners, sizeof(partners), newest.partners);
    str_copy(origin, sizeof(origin), newest.origin);
    newest.evidence = evidence;
    newest.partners = partners;
    newest.origin = origin;
    past_free(&past);
    return newest;
}

static size_t n_events(void)
{
    struct past past;
    size_t n = events(&past);
    past_free(&past);
    return n;
}

START_TEST(objection_counts_at_once)
{
    consent("2026-03-03T10:00:00Z", "letter");
    const char *tail = tail_of(TYPED);
    show(tail, "");
    must_show("ACME Voyages may write to this person by e-mail.");
    press(objection_act, tail, EVERYWHERE "&partner=");
    must_lead_to(path_of(tail, ""));
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=objected."));
    ck_assert_str_eq(stage.visit.access.act, "event.add");
    ck_assert_str_eq(stage.visit.access.answer, "taken");
    ck_assert_mem_eq(stage.visit.access.key, jean.key, sizeof(jean.key));
    show(tail, "");
    must_not_show("ACME Voyages may write");
    must_show("No partner may send this person offers now.");
    must_show("The person objected on");
    must_show("That stops offers by e-mail, by post from these partners: ACME Voyages, "
              "Beta &lt;SA&gt;, Ombre.</li>");
    must_not_show("still go out");  /* an objection holds while observed, too */
    must_not_show("ever heard of"); /* it covers who she never heard of */
    must_show("OBJECTED");
    struct past_event event = last_event();
    ck_assert_int_eq(event.kind, EVENT_OBJECTED);
    ck_assert_int_eq(event.occurred_at, stage.now);
    ck_assert_str_eq(event.evidence, "letter of 3 March");
    ck_assert_str_eq(event.partners, "");
    ck_assert_str_eq(event.origin, "user claire");
    ck_assert_uint_eq(n_events(), 3); /* one for each channel */
}
END_TEST

START_TEST(withdrawal_of_one)
{
    consent("2026-03-03T10:00:00Z", "letter");
    const char *tail = tail_of(TYPED);
    press(withdrawal_act, tail, "channel=email&evidence=call+of+" TYPED "&partner=acme");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=withdrawn."));
    ck_assert_str_eq(stage.visit.access.partner, "acme");
    show(tail, "");
    must_show("The person withdrew the consent on");
    must_show("That stops offers by e-mail from these partners: ACME Voyages.</li>");
    must_show("Beta &lt;SA&gt; may write to this person by e-mail.");
    ck_assert_str_eq(last_event().partners, "acme");
    ck_assert_str_eq(last_event().evidence, "call of J•••@Example.org");
}
END_TEST

/* That nobody may write is not said where what an observed partner sends goes out. */
START_TEST(observed_goes_out)
{
    const char *tail = tail_of(TYPED);
    consent("2026-03-03T10:00:00Z", "letter");
    press(withdrawal_act, tail, "channel=email&evidence=call&partner=acme");
    press(withdrawal_act, tail, "channel=email&evidence=call&partner=beta");
    show(tail, "");
    must_not_show("No partner may send this person offers now.");
    must_show("By the rules, no partner may send this person offers now.");
    must_show("because they are only being observed:</strong> Ombre.</li>");
    press(withdrawal_act, tail, "channel=email&evidence=call&partner=ombre");
    show(tail, "");
    must_show("No partner may send this person offers now.");
    must_not_show("only being observed");
}
END_TEST

/* A suspension, which speaks first, hides no objection. */
START_TEST(objection_behind_a_suspension)
{
    struct error err = {0};
    const char *tail = tail_of(TYPED);
    consent("2026-03-03T10:00:00Z", "letter");
    press(objection_act, tail, "channel=email&evidence=call&partner=");
    must(registry_suspend(stage.registry, SUSPEND_PARTNER, "acme", "complaint", stage.now, &err) ==
         RESULT_OK);
    show(tail, "");
    must_show("from these partners: ACME Voyages, Beta &lt;SA&gt;, Ombre.</li>");
    must_show("SUSPENDED");
    ck_assert_uint_eq(stage_count("<code>OBJECTED</code>"), 2); /* of both in the table */
}
END_TEST

/* It counts from the moment it is pressed, however long the page was open. */
START_TEST(said_when_it_is_pressed)
{
    stage.now = at("2026-06-01T12:00:00Z");
    consent("2026-03-03T10:00:00Z", "letter");
    const char *tail = tail_of(TYPED);
    show(tail, "");
    must_not_show("\"moment\"");
    stage.now += 2 * 3600 * CLOCK_SECOND;
    consent("2026-06-01T13:00:00Z", "behind the open page");
    char form[200];
    snprintf(form, sizeof(form), EVERYWHERE "&moment=%" PRId64,
             stage.now - 2 * 3600 * CLOCK_SECOND);
    press(objection_act, tail, form);
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=objected."));
    ck_assert_int_eq(last_event().occurred_at, stage.now);
    show(tail, "");
    must_not_show("ACME Voyages may write");
}
END_TEST

/* What becomes of notices is said right after the "no", and when it is known who is concerned. */
START_TEST(nobody_can_be_told)
{
    static const struct concerned some[] = {{"acme", "nothing is configured"}, {"beta", NULL}};
    struct error err = {0};
    const char *tail = tail_of(TYPED);
    consent("2026-03-03T10:00:00Z", "letter");
    show(tail, "");
    must_show("No partner is set up to learn of it from the gateway");
    must_show("it concerned no partner that knew the person");
    must_not_show("Tell them yourself:");
    press(objection_act, tail, "channel=email&evidence=call&partner=");
    show(tail, "");
    must_show("A &quot;no&quot; has just been recorded");
    must_not_show("it concerned no partner that knew the person");
    must_show("Tell them yourself:</strong> ACME Voyages, Beta &lt;SA&gt;.</p>");
    must(registry_spread_notice(stage.registry, last_event().id, some, 2, stage.now, &err) ==
         RESULT_OK);
    show(tail, "");
    must_not_show("has just been recorded");
    must_show("Tell them yourself:</strong> ACME Voyages.</p>");
    must_show("<td>Objection · E-mail</td>");
    must_show("no address for notices is set up for this partner");
    must_not_show("nothing is configured");
    stage.language = LANGUAGE_FR;
    show(tail, "");
    must_show("aucune adresse d’avis");
    must_not_show("<code>taken</code>");
}
END_TEST

/* Pressing twice records it once; what says something new is recorded. */
START_TEST(twice)
{
    stage.now = at("2026-06-01T12:00:00Z");
    const char *tail = tail_of(TYPED);
    press(objection_act, tail, EVERYWHERE "&partner=acme");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=objected."));
    stage.now += CLOCK_SECOND;
    press(objection_act, tail, EVERYWHERE "&partner=acme");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=unchanged."));
    ck_assert_str_eq(stage.visit.access.answer, "there already");
    ck_assert_uint_eq(n_events(), 2);
    press(objection_act, tail, EVERYWHERE "&partner=beta");
    ck_assert_uint_eq(n_events(), 4);
    press(objection_act, tail, EVERYWHERE);
    ck_assert_uint_eq(n_events(), 6);
    stage.now += CLOCK_SECOND;
    consent("2026-06-01T12:00:02Z", "since then");
    stage.now += CLOCK_SECOND;
    press(objection_act, tail, EVERYWHERE);
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=objected."));
    ck_assert_uint_eq(n_events(), 8); /* a consent, and the "no" by e-mail */
}
END_TEST

START_TEST(on_another_day)
{
    const char *tail = tail_of(TYPED);
    stage.now = at("2026-06-01T12:00:00Z");
    press(objection_act, tail, EVERYWHERE "&day=2026-05-20");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=objected."));
    ck_assert_int_eq(last_event().occurred_at, at("2026-05-20T23:59:59Z"));
    press(objection_act, tail, EVERYWHERE "&day=2026-06-01");
    ck_assert_int_eq(last_event().occurred_at, stage.now);
    static const struct {
        const char *day, *said;
    } wrong[] = {
        {"20.+Mai", "The day cannot be read."},
        {"2026-06-02", "This day has not come yet."},
        {"2062-05-20", "This day has not come yet."},
    };
    size_t before = n_events();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char form[200];
        snprintf(form, sizeof(form), EVERYWHERE "&day=%s", wrong[i].day);
        press(objection_act, tail, form);
        ck_assert_int_eq(stage.visit.status, 422);
        must_show(wrong[i].said);
        ck_assert_uint_eq(n_events(), before);
    }
}
END_TEST

/* A letter of 3 March does not undo the consent of 10 March, and the page says so. */
START_TEST(overcome_by_a_later_consent)
{
    static char tail[1200];
    consent("2026-03-10T10:00:00Z", "renewal");
    str_copy(tail, sizeof(tail), tail_of(TYPED));
    press(objection_act, tail, "channel=email&evidence=letter+of+3+March&day=2026-03-03");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "&done=said-before."));
    const char *query = strchr(stage.visit.location, '?');
    ck_assert_ptr_nonnull(query);
    show(tail, arena_str(stage.visit.arena, query));
    must_show("notice warn");
    must_show("A later consent still lets them write");
    must_show("The person objected on <time datetime=\"2026-03-03");
    must_show("<strong>ACME Voyages</strong> · The person consented on "
              "<time datetime=\"2026-03-10");
    must_show("<strong>Beta &lt;SA&gt;</strong>");
    must_not_show("<strong>Ombre</strong>");
    must_show("Record it as of now");
    must_show("name=\"evidence\" value=\"letter of 3 March\"");
    press(objection_act, tail, "channel=email&evidence=letter+of+3+March&partner=");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=objected."));
    show(tail, "");
    must_not_show("may write to this person by");
    must_not_show("Record it as of now");
    /* Of who is not concerned nothing is said. */
    press(withdrawal_act, tail, "channel=email&evidence=call&partner=ombre&day=2026-03-03");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=withdrawn."));
}
END_TEST

START_TEST(what_is_not_taken)
{
    static const struct {
        const char *form, *said;
    } wrong[] = {
        {"channel=email", "Say how it reached us"},
        {"channel=email&evidence=+", "Say how it reached us"},
        {"evidence=letter", "Choose at least one channel."},
        {"channel=fax&evidence=letter", "Choose at least one channel."},
        {"channel=sms&evidence=letter", "cannot be reached on one of these"},
        {"channel=email&evidence=letter&partner=acmee", "knows no such partner"},
        {"channel=email&evidence=letter&partner=a%20b", "knows no such partner"},
    };
    const char *tail = tail_of(TYPED);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        press(objection_act, tail, wrong[i].form);
        ck_assert_int_eq(stage.visit.status, 422);
        must_show(wrong[i].said);
        must_show("<button class=\"danger\">Record the objection</button>");
        ck_assert_ptr_null(stage.visit.access.act);
    }
    /* What was typed is still there. */
    press(objection_act, tail, "channel=post&partner=beta&day=2062-05-20&evidence=%3Cb%3Eletter");
    must_show("value=\"&lt;b&gt;letter\"");
    must_show("value=\"2062-05-20\"");
    must_show("value=\"beta\" selected");
    must_show("value=\"post\" checked");
    must_show("value=\"email\"> ");
    must_not_show("value=\"sms\"");
    press(withdrawal_act, key_tail(), "channel=sms&evidence=");
    must_show("value=\"sms\" checked");
    must_show("<button class=\"danger\">Record the withdrawal</button>");
    press(objection_act, "nobody", EVERYWHERE);
    ck_assert_int_eq(stage.visit.status, 404);
    ck_assert_uint_eq(n_events(), 0);
}
END_TEST

static bool count_sealed(void *arg, const struct notice *notice)
{
    unsigned *sealed = arg;
    sealed[notice->sealed != NULL]++;
    return true;
}

/* Who is known by key alone can say no, too; the address goes to partners where it is known. */
START_TEST(by_key_and_by_address)
{
    registry_seal_with(stage.registry, stage.seal);
    press(objection_act, key_tail(), "channel=email&evidence=letter");
    must_lead_to(path_of(key_tail(), ""));
    ck_assert_uint_eq(n_events(), 1);
    press(withdrawal_act, tail_of(TYPED), "channel=post&evidence=letter");
    ck_assert_uint_eq(n_events(), 2);
    struct error err = {0};
    unsigned sealed[2] = {0};
    ck_assert_int_eq(registry_unspread_notices(stage.registry, false, count_sealed, sealed, &err),
                     RESULT_OK);
    ck_assert_uint_eq(sealed[0], 1);
    ck_assert_uint_eq(sealed[1], 1);
}
END_TEST

/* What was said by key alone, and did not reach a partner for want of the address, may be said anew
 * with it. */
START_TEST(said_anew_with_the_address)
{
    static const struct concerned acme = {"acme", NULL};
    struct error err = {0};
    registry_seal_with(stage.registry, stage.seal);
    press(objection_act, key_tail(), "channel=email&evidence=letter");
    int64_t first = last_event().id;
    stage.now += CLOCK_SECOND;
    press(objection_act, tail_of(TYPED), "channel=email&evidence=letter");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=unchanged."));
    ck_assert_int_eq(registry_spread_notice(stage.registry, first, &acme, 1, stage.now, &err),
                     RESULT_OK);
    ck_assert_int_eq(registry_note_delivery(stage.registry, first, "acme", DELIVERY_UNTOLD,
                                            stage.now, 0, "the address is not known", &err),
                     RESULT_OK);
    press(objection_act, key_tail(), "channel=email&evidence=letter");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=unchanged."));
    press(objection_act, tail_of(TYPED), "channel=email&evidence=letter");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "?done=objected."));
    ck_assert_uint_eq(n_events(), 2);
}
END_TEST

/* ---- what is held, as a file ---- */

/* Whether the archive that is sent has such an entry. */
static bool packed(const char *name)
{
    static char bytes[1 << 20];
    ck_assert_ptr_nonnull(stage.visit.send);
    ck_assert_str_eq(stage.visit.send->type, "application/zip");
    ssize_t length = pread(stage.visit.send->fd, bytes, sizeof(bytes), 0);
    ck_assert_int_gt(length, 100);
    ck_assert_int_lt(length, (ssize_t)sizeof(bytes));
    ck_assert_mem_eq(bytes, "PK", 2);
    return memmem(bytes, (size_t)length, name, strlen(name)) != NULL;
}

static void order(const char *tail, const char *form)
{
    (void)mkdir(stage.config->state_dir, 0700);
    stage_post_at(pack_act, path_of(tail, "/pack"), form, tail, NULL);
}

START_TEST(pack)
{
    consent("2026-03-03T10:00:00Z", "letter");
    stage_decide(&(struct decision){.reason = REASON_CONSENT, .recipient = &jean}, NULL);
    order(tail_of(TYPED), "");
    ck_assert_int_eq(stage.visit.status, 200);
    must(packed("person.json") && packed("README.txt") && packed("forms/jeu-ete@1.json"));
    ck_assert_str_eq(stage.visit.send->name, "person-j-example.org-2026-06-01.zip");
    ck_assert_str_eq(stage.visit.access.act, "person.export");
    ck_assert_str_eq(stage.visit.access.masked, MASKED);
    ck_assert_mem_eq(stage.visit.access.key, jean.key, sizeof(jean.key));
    ck_assert_uint_eq(stage.visit.access.count, 1);
    stage.language = LANGUAGE_FR;
    order(tail_of(TYPED), "");
    must(packed("LISEZMOI.txt"));
}
END_TEST

START_TEST(pack_by_key_wants_the_address)
{
    static const char *const wrong[] = {"", "address=", "address=marc%40example.org",
                                        "address=jean"};
    consent("2026-03-03T10:00:00Z", "letter");
    show(key_tail(), "");
    must_show("Download the file");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        order(key_tail(), wrong[i]);
        ck_assert_int_eq(stage.visit.status, 422);
        ck_assert_ptr_null(stage.visit.send);
        ck_assert_ptr_null(stage.visit.access.act);
    }
    order(key_tail(), "address=" TYPED);
    must(packed("person.json"));
    order("nobody", "address=" TYPED);
    ck_assert_int_eq(stage.visit.status, 404);
    ck_assert_ptr_null(stage.visit.send);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {look_up_by_any_writing,
                                  look_up_complains,
                                  link_is_sealed,
                                  link_is_one_users,
                                  no_seal,
                                  typed_on_a_page_it_is_checked,
                                  unknown_person,
                                  who_may_write,
                                  by_key_alone,
                                  why,
                                  acts_in_words,
                                  decisions_by_fifty,
                                  hostile_words,
                                  objection_counts_at_once,
                                  withdrawal_of_one,
                                  observed_goes_out,
                                  objection_behind_a_suspension,
                                  said_when_it_is_pressed,
                                  nobody_can_be_told,
                                  twice,
                                  on_another_day,
                                  overcome_by_a_later_consent,
                                  what_is_not_taken,
                                  by_key_and_by_address,
                                  said_anew_with_the_address,
                                  pack,
                                  pack_by_key_wants_the_address,
                                  NULL};
    Suite *const suites[] = {stage_suite("console person", tests), NULL};
    return unit_run(suites);
}
