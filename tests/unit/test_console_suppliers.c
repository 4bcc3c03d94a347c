/* SPDX-License-Identifier: Apache-2.0 */
/* Suppliers: the list, one of them, the stop and the end for good. */
#include "tests/unit/stage_console.h"

#include <stdio.h>
#include <string.h>

#define NAME    "Data & <b>Ouest</b>"
#define ENCODED "Data%20%26%20%3Cb%3EOuest%3C%2Fb%3E"
#define PATH    "/console/suppliers/" ENCODED

static struct recipient jean;

/* Two consents of NAME's, one of another, and decisions that rely on them. */
static void tell(void)
{
    static const char *const suppliers[] = {NAME, NAME, "autre"};
    stage_person("jean@example.org", &jean);
    for (int i = 0; i < 3; i++) {
        struct event_input event = grant((uint8_t)(i + 1), 0, "2026-02-01T00:00:00Z");
        event.supplier = suppliers[i];
        ck_assert_uint_eq(put(stage.registry, &event), 1);
        for (int j = 0; j < 4; j++)
            stage_decide(&(struct decision){.recipient = &jean,
                                            .verdict = j < 3 ? VERDICT_BLOCK : VERDICT_PASS,
                                            .reason = j < 3 ? REASON_UNPROVEN : REASON_CONSENT,
                                            .event = i + 1},
                         NULL);
    }
}

START_TEST(nobody_brought_anything)
{
    stage_get(suppliers_page, "/console/suppliers");
    must_show("No supplier is known yet.");
    stage_get_at(supplier_page, "/console/suppliers/x", "x", NULL);
    ck_assert_int_eq(stage.visit.status, 404);
}
END_TEST

START_TEST(all_of_them)
{
    tell();
    stage_get(suppliers_page, "/console/suppliers");
    must_show("href=\"" PATH "\"");
    must_show("Data &amp; &lt;b&gt;Ouest&lt;/b&gt;");
    must_not_show("<b>");
    must_show("<td class=\"n\">2</td>"); /* consents */
    must_show("<td class=\"n\">8</td>"); /* decisions */
    must_show("75.0%");
    must_not_show("badge bad");
    ck_assert_ptr_null(stage.visit.access.act);
}
END_TEST

/* What left all the same is not blocked, and a row of a list is no message. */
START_TEST(what_was_sent_is_not_blocked)
{
    struct event_input event = grant(0, 1, "2026-02-01T10:00:00Z");
    struct error err = {0};
    stage_person("jean.dupont@example.org", &jean);
    ck_assert_int_eq(
        put_form(stage.registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "", &err),
        RESULT_OK);
    memcpy(event.recipient_key, jean.key, sizeof(jean.key));
    event.supplier = "leads";
    ck_assert_uint_eq(put(stage.registry, &event), 1);
    for (int i = 0; i < 8; i++)
        stage_decide(&(struct decision){.recipient = &jean,
                                        .purpose = i == 7 ? PURPOSE_TRANSMISSION : PURPOSE_RECEIPT,
                                        .mode = i < 3 ? MODE_OBSERVE : MODE_ENFORCE,
                                        .verdict = i < 4 ? VERDICT_BLOCK : VERDICT_PASS,
                                        .reason = i < 4 ? REASON_STALE : REASON_CONSENT,
                                        .event = 1},
                     NULL);
    stage_get(suppliers_page, "/console/suppliers");
    must_show("<td class=\"n\">7</td><td class=\"n\">14.3%</td>"); /* one of seven */
    stage_get_at(supplier_page, "/console/suppliers/leads", "leads", NULL);
    must_show("<td class=\"n\">7</td><td class=\"n\">1</td><td class=\"n\">14.3%</td>");
    must_show("Of these let through while observed");
    must_show("Rows of lists screened: 1, of which 1 permitted.");
    stage_get(forms_page, "/console/forms");
    must_show("<td class=\"n\">7</td><td class=\"n\">14.3%</td>");
    stage_get_at(form_version_page, "/console/forms/jeu-ete/1", "jeu-ete", "1");
    must_show("<span class=\"label\">Messages blocked</span> <strong>1</strong>");
    must_show("<span class=\"label\">Let through while observed</span> <strong>3</strong>");
    must_show("Rows of lists screened: 1, of which 1 permitted.");
}
END_TEST

START_TEST(one_of_them)
{
    tell();
    stage_get_at(supplier_page, PATH, NAME, NULL);
    must_show("UNPROVEN</code></td><td class=\"n\">6</td>");
    must_show("CONSENT</code></td><td class=\"n\">2</td>");
    must_show("href=\"/console/partners/acme\"");
    must_show("action=\"/console/suspensions\"");
    must_show("action=\"" PATH "/invalidation\"");
    must_not_show("<b>");
    stage.role = ROLE_READER;
    stage_get_at(supplier_page, PATH, NAME, NULL);
    must_not_show("action=\"/console/suspensions\"");
    must_not_show("/invalidation");
    stage.role = ROLE_ADMINISTRATOR;
    stage_get_at(supplier_page, PATH, NAME, NULL);
    must_show("action=\"/console/suspensions\"");
    must_not_show("/invalidation");
}
END_TEST

static bool supplier_is(bool suspended, bool invalidated)
{
    const struct facts *facts = NULL;
    struct error err = {0};
    uint8_t key[RECIPIENT_KEY_BYTES];
    memset(key, 1, sizeof(key));
    ck_assert_int_eq(registry_facts(stage.registry, key, "acme", NULL, &facts, &err), RESULT_OK);
    ck_assert_uint_eq(facts->n_events, 1);
    return facts->events[0].supplier_suspended == suspended &&
           facts->events[0].supplier_invalidated == invalidated;
}

START_TEST(stopped_and_resumed)
{
    tell();
    stage_post(suspend_act, "/console/suspensions",
               "kind=supplier&id=" ENCODED "&reason=under+%3Ci%3Eaudit%3C/i%3E");
    must_lead_to(PATH);
    ck_assert(supplier_is(true, false));
    ck_assert_str_eq(stage.visit.access.act, "suspend");
    char location[200];
    str_copy(location, sizeof(location), stage.visit.location);
    stage_get_at(supplier_page, location, NAME, NULL);
    must_show("From now on consents that this supplier brought let nothing pass");
    must_show("<strong>Suspended since</strong> ");
    must_show("under &lt;i&gt;audit&lt;/i&gt;");
    must_show("action=\"/console/resumptions\"");
    stage_get(suppliers_page, "/console/suppliers");
    must_show("badge bad\">suspended");
    stage_post(resume_act, "/console/resumptions", "kind=supplier&id=" ENCODED "&reason=proven");
    ck_assert(supplier_is(false, false));
    stage_get_at(supplier_page, PATH, NAME, NULL);
    must_show("proven");
}
END_TEST

START_TEST(for_good)
{
    tell();
    stage_post_at(supplier_invalidate_act, PATH "/invalidation", "confirm=Data&reason=forged", NAME,
                  NULL);
    ck_assert_int_eq(stage.visit.status, 400);
    stage_post_at(supplier_invalidate_act, PATH "/invalidation", "confirm=" ENCODED "&reason=+",
                  NAME, NULL);
    ck_assert_int_eq(stage.visit.status, 400);
    ck_assert(supplier_is(false, false));
    ck_assert_ptr_null(stage.visit.access.act);
    stage_post_at(supplier_invalidate_act, PATH "/invalidation",
                  "confirm=" ENCODED "&reason=forged+by+jean%40example.org", NAME, NULL);
    must_lead_to(PATH);
    ck_assert_str_eq(stage.visit.access.act, "supplier.invalidate");
    ck_assert_str_eq(stage.visit.access.answer, "done");
    ck_assert(supplier_is(false, true));
    stage_get_at(supplier_page, PATH, NAME, NULL);
    must_show("Invalidated for good");
    must_show("forged by j•••@example.org");
    must_not_show("jean@");
    must_not_show("action=\"/console/suspensions\"");
    stage_post_at(supplier_invalidate_act, PATH "/invalidation", "confirm=" ENCODED "&reason=again",
                  NAME, NULL);
    ck_assert_str_eq(stage.visit.access.answer, "unchanged");
    stage_post_at(supplier_invalidate_act, "/console/suppliers/x/invalidation",
                  "confirm=x&reason=y", "x", NULL);
    ck_assert_int_eq(stage.visit.status, 404);
    stage_get(suppliers_page, "/console/suppliers");
    must_show("badge bad\">invalidated");
}
END_TEST

/* A name with blanks at its ends is another's than the one without, and looks the same. */
START_TEST(with_blanks_around)
{
    static const char path[] = "/console/suppliers/%20Leads%20";
    struct event_input event = grant(1, 0, "2026-02-01T00:00:00Z");
    event.supplier = " Leads ";
    ck_assert_uint_eq(put(stage.registry, &event), 1);
    stage_get_at(supplier_page, path, " Leads ", NULL);
    must_show("name=\"id\" value=\" Leads \"");
    stage_post(suspend_act, "/console/suspensions", "kind=supplier&id=+Leads+&reason=audit");
    must_lead_to(path);
    ck_assert(supplier_is(true, false));
    stage_post(suspend_act, "/console/suspensions", "kind=supplier&id=Leads&reason=audit");
    ck_assert_int_eq(stage.visit.status, 404);
    stage_post(resume_act, "/console/resumptions", "kind=supplier&id=+Leads+&reason=proven");
    ck_assert(supplier_is(false, false));
    stage_post_at(supplier_invalidate_act, "/console/suppliers/%20Leads%20/invalidation",
                  "confirm=Leads&reason=forged", " Leads ", NULL);
    must_lead_to(path);
    ck_assert(supplier_is(false, true));
}
END_TEST

START_TEST(in_french)
{
    tell();
    stage.language = LANGUAGE_FR;
    stage_get(suppliers_page, "/console/suppliers");
    must_show("Fournisseurs");
    must_not_show("Who handed");
    stage_get_at(supplier_page, PATH, NAME, NULL);
    must_not_show("From the next");
    must_not_show("Decisions that");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nobody_brought_anything,      all_of_them,         one_of_them,
                                  what_was_sent_is_not_blocked, stopped_and_resumed, for_good,
                                  with_blanks_around,           in_french,           NULL};
    Suite *const suites[] = {stage_suite("console suppliers", tests), NULL};
    return unit_run(suites);
}
