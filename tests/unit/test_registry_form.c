/* SPDX-License-Identifier: Apache-2.0 */
/* Form files: what is read, and the words with which everything else is refused. */
#include "base/clock.h"
#include "store/form.h"
#include "tests/unit/unit.h"

#include <string.h>

static const char good[] =
    "{ \"id\": \"jeu-ete\", \"version\": 3, \"collector\": { \"name\": \"Leads SARL\", "
    "\"siren\": \"987654321\" },\n"
    "  \"channels\": [\"email\", \"sms\"], \"language\": \"fr\", \"display\": \"link\", "
    "\"url\": \"https://example.fr/\u2026\",\n"
    "  \"wording\": \"J'accepte de recevoir \u2026\", \"effective_from\": "
    "\"2026-01-01T00:00:00Z\",\n"
    "  \"partners\": [\"acme\", \"beta\"], \"partner_categories\": [], "
    "\"purposes\": [\"receipt\", \"transmission\"],\n"
    "  \"artefacts\": [{ \"name\": \"form.png\", \"sha256\": "
    "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\" }] }\n";

/* good with the first `from` replaced; the caller frees it. */
static char *vary(const char *from, const char *to)
{
    const char *hit = strstr(good, from);
    ck_assert_msg(hit != NULL, "%s", from);
    size_t head = (size_t)(hit - good);
    char *out = calloc(1, sizeof(good) + strlen(to));
    ck_assert_ptr_nonnull(out);
    memcpy(out, good, head);
    memcpy(out + head, to, strlen(to));
    memcpy(out + head + strlen(to), hit + strlen(from), strlen(hit + strlen(from)));
    return out;
}

START_TEST(the_contract_s_form_is_read)
{
    struct form *form = NULL;
    struct error err = {0};
    int64_t from = 0;
    ck_assert_msg(form_parse(good, strlen(good), &form, &err) == RESULT_OK, "%s", err.text);
    ck_assert_str_eq(form->id, "jeu-ete");
    ck_assert_int_eq(form->version, 3);
    ck_assert_str_eq(form->collector_name, "Leads SARL");
    ck_assert_str_eq(form->collector_siren, "987654321");
    ck_assert_uint_eq(form->channels, CHANNEL_BIT(CHANNEL_EMAIL) | CHANNEL_BIT(CHANNEL_SMS));
    ck_assert_uint_eq(form->purposes,
                      PURPOSE_BIT(PURPOSE_RECEIPT) | PURPOSE_BIT(PURPOSE_TRANSMISSION));
    ck_assert_str_eq(form->display, "link");
    ck_assert(clock_parse("2026-01-01T00:00:00Z", 20, &from));
    ck_assert_int_eq(form->effective_from, from);
    ck_assert_uint_eq(form->n_partners, 2);
    ck_assert_str_eq(form->partners[1], "beta");
    ck_assert_uint_eq(form->n_categories, 0);
    ck_assert_uint_eq(form->n_artefacts, 1);
    ck_assert_str_eq(form->artefacts[0].name, "form.png");
    ck_assert_uint_eq(strlen(form->artefacts[0].sha256), 64);
    ck_assert_str_eq(form->json, good);
    form_free(&form);
    ck_assert_ptr_null(form);
}
END_TEST

START_TEST(what_does_not_hold_is_refused)
{
    static const struct {
        const char *from, *to, *text;
    } rows[] = {
        {"\"jeu-ete\"", "\"Jeu\"", "id: must be lower-case"},
        {"\"jeu-ete\"", "\"-jeu\"", "id: must be lower-case"},
        {"\"jeu-ete\"", "7", "id: must be a string"},
        {"\"id\": \"jeu-ete\",", "", "id: missing"},
        {"\"version\": 3", "\"version\": 0", "version: must be a whole number"},
        {"\"version\": 3", "\"version\": 1000001", "version: must be a whole number"},
        {"\"version\": 3", "\"version\": 3.0", "version: must be a whole number"},
        {"\"version\": 3", "\"version\": \"3\"", "version: must be a whole number"},
        {"\"version\": 3,", "\"version\": 3, \"version\": 3,", "1:"},
        {"\"version\": 3", "\"versoin\": 3", "versoin: unknown key"},
        {"\"name\": \"Leads", "\"nom\": \"Leads", "collector.nom: unknown key"},
        {"\"name\": \"Leads SARL\"", "\"name\": \" \"", "collector.name: must be one line"},
        {"987654321", "98765432", "collector.siren: must be nine digits"},
        {"[\"email\", \"sms\"]", "[]", "channels: must name at least one"},
        {"[\"email\", \"sms\"]", "[\"fax\"]", "channels: entry 1 must be email"},
        {"[\"email\", \"sms\"]", "[\"sms\", \"sms\"]", "channels: \"sms\" stands twice"},
        {"[\"email\", \"sms\"]", "\"email\"", "channels: must be a list"},
        {"\"fr\"", "\"french!\"", "language: must be a language tag"},
        {"\"link\"", "\"popup\"", "display: must be"},
        {"\"https://", "\"ftp://", "url: must be"},
        {"\"J'accepte de recevoir \u2026\"", "\"\"", "wording: must not be empty"},
        {"2026-01-01T00:00:00Z", "2026-01-01", "effective_from: must be an RFC 3339"},
        {"\"beta\"", "\"acme\"", "partners: \"acme\" stands twice"},
        {"\"beta\"", "\"a|b\"", "partners: entry 2 must be a partner id"},
        {"\"beta\"", "\"0612345678\"", "partners: entry 2 must be a partner id"},
        {"\"beta\"", "3", "partners: must be a list of strings"},
        {"\"partners\": [\"acme\", \"beta\"],", "", "partners: missing"},
        {"\"receipt\", \"transmission\"", "\"resale\"", "purposes: entry 1 must be"},
        {"e3b0c4", "e3b0c", "artefacts.sha256: must be 64"},
        {"\"form.png\"", "\"form.png\", \"size\": 3", "artefacts.size: unknown key"},
        {"] }\n", "]\n", "6:"},
        {"] }\n", "] } x", "5:"},
        {"{ \"id\"", "[{ \"id\"", "6:"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct form *form = NULL;
        struct error err = {0};
        char *json = vary(rows[i].from, rows[i].to);
        ck_assert_msg(form_parse(json, strlen(json), &form, &err) == RESULT_BAD_INPUT, "row %zu",
                      i);
        ck_assert_ptr_null(form);
        ck_assert_msg(strncmp(err.text, rows[i].text, strlen(rows[i].text)) == 0,
                      "row %zu: \"%s\", wanted \"%s\"", i, err.text, rows[i].text);
        ck_assert_ptr_null(strchr(err.text, '\n'));
        free(json);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_contract_s_form_is_read, what_does_not_hold_is_refused, NULL};
    Suite *const suites[] = {unit_suite("form", tests), NULL};
    return unit_run(suites);
}
