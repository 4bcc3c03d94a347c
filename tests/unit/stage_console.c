/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/stage_console.h"

#include "console/send.h"
#include "policy/judge.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define CONFIG                                                               \
    "hostname = \"gate.example\" state_dir = \"state\"\n"                    \
    "providers: { relay: { adapter = \"capture\" directory = \"mail\" } }\n" \
    "partners: {\n" PARTNER("acme", "ACME Voyages", "enforce")               \
        PARTNER("beta", "Beta <SA>", "enforce") PARTNER("ombre", "Ombre", "observe") "}\n"
#define PARTNER(id, name, mode)                                                                  \
    id ": { name = \"" name "\" mode = \"" mode "\" streams: {\n"                                \
       "  news: { channel = \"email\" providers = [ \"relay\" ] senders = [ \"" id ".example\" " \
       "] }\n"                                                                                   \
       "  texto: { channel = \"sms\" providers = [ \"relay\" ] senders = [ \"" id "\" ] } } }\n"

#define ARENA (1024 * 1024)

struct stage stage;

static void end_visit(void)
{
    strbuf_free(&stage.visit.page.html);
    strbuf_free(&stage.seen);
    visit_send_drop(&stage.visit);
    journal_batch_free(&stage.visit.batch);
    arena_free(&stage.visit.arena);
}

void stage_open(const char *config)
{
    static char registry_path[512];
    static const uint8_t key[32] = "the key of the stage's hash";
    struct error err = {0};
    stage = (struct stage){.language = LANGUAGE_EN, .role = ROLE_COMPLIANCE, .now = at(NOW)};
    sandbox_make(&stage.sandbox);
    stage.config = sandbox_config(&stage.sandbox, config != NULL ? config : CONFIG);
    str_copy(registry_path, sizeof(registry_path), sandbox_path(&stage.sandbox, "registry.db"));
    stage.registry_path = registry_path;
    ck_assert_msg(registry_open(registry_path, true, &stage.registry, &err) == RESULT_OK, "%s",
                  err.text);
    box_new(&stage.box, 1 << 20);
    box_open(&stage.box);
    ck_assert_msg(journal_index_open(stage.box.index, stage.box.directory, registry_path,
                                     &stage.index, &err) == RESULT_OK,
                  "%s", err.text);
    stage.hmac = hmac_new(key, sizeof(key));
    ck_assert_ptr_nonnull(stage.hmac);
    const char *seal = sandbox_path(&stage.sandbox, "seal.key");
    ck_assert_int_eq(seal_create(seal, &err), RESULT_OK);
    ck_assert_int_eq(seal_load(seal, &stage.seal, &err), RESULT_OK);
}

void stage_close(void)
{
    end_visit();
    seal_free(&stage.seal);
    hmac_free(&stage.hmac);
    journal_index_close(&stage.index);
    box_free(&stage.box);
    registry_close(&stage.registry);
    config_unref(&stage.config);
    sandbox_remove(&stage.sandbox);
}

static void open_plain(void)
{
    stage_open(NULL);
}

Suite *stage_suite(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, open_plain, stage_close);
    for (; *tests != NULL; tests++)
        tcase_add_test(cases, *tests);
    suite_add_tcase(suite, cases);
    return suite;
}

/* ---- what is on record ---- */

void stage_person(const char *address, struct recipient *recipient_out)
{
    struct error err = {0};
    struct address parsed;
    ck_assert_msg(address_parse(address, "FR", &parsed, &err) == RESULT_OK, "%s", err.text);
    ck_assert_int_eq(recipient_make(stage.hmac, &parsed, recipient_out, &err), RESULT_OK);
}

static const char * or (const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

void stage_decide(const struct decision *decision, char id_out[RECORD_ID])
{
    char id[RECORD_ID];
    struct recipient somebody = {.key = {1}, .masked = "j•••@example.org"};
    struct decision row = *decision;
    struct journal_batch *batch = journal_batch_new();
    record_new_id(id);
    row.id = or (row.id, id);
    row.at = row.at != 0 ? row.at : stage.now;
    row.gateway = or (row.gateway, "gate.example");
    row.session = or (row.session, "s-1");
    row.partner = or (row.partner, "acme");
    row.stream = or (row.stream, row.channel == CHANNEL_SMS ? "texto" : "news");
    if (row.recipient == NULL && strcmp(or (row.account, ""), "nobody") != 0)
        row.recipient = &somebody;
    row.account = or (row.account, "acme-news");
    row.policy = or (row.policy, stage.config->policies[row.channel].version);
    if (row.effect == EFFECT_PASSED)
        row.effect = policy_effect(row.mode, row.verdict, row.reason);
    must(batch != NULL && journal_batch_decision(batch, &row));
    must(box_append(&stage.box, batch) == RESULT_OK);
    if (id_out != NULL)
        str_copy(id_out, RECORD_ID, row.id);
}

void stage_outcome(const struct outcome_row *outcome)
{
    struct outcome_row row = *outcome;
    struct journal_batch *batch = journal_batch_new();
    row.at = row.at != 0 ? row.at : stage.now;
    must(batch != NULL && journal_batch_outcome(batch, &row));
    must(box_append(&stage.box, batch) == RESULT_OK);
}

/* ---- requests ---- */

static char *decoded(const char *text, size_t length)
{
    char *out = arena_alloc(stage.visit.arena, length + 1);
    size_t n = 0;
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < length; i++) {
        uint8_t byte;
        out[n] = text[i] == '+' ? ' ' : text[i];
        if (text[i] == '%' && i + 2 < length && hex_decode(text + i + 1, 2, &byte, 1)) {
            out[n] = (char)byte;
            i += 2;
        }
        n++;
    }
    out[n] = '\0';
    return out;
}

static void take_fields(const char *text)
{
    const struct visit_field **link = &stage.visit.fields;
    while (*link != NULL)
        link = (const struct visit_field **)&(*link)->next;
    while (*text != '\0') {
        struct visit_field *field = arena_alloc(stage.visit.arena, sizeof(*field));
        size_t pair = strcspn(text, "&");
        size_t name = strcspn(text, "=&");
        ck_assert_ptr_nonnull(field);
        field->name = decoded(text, name);
        field->value = name < pair ? decoded(text + name + 1, pair - name - 1) : "";
        field->next = NULL;
        *link = field;
        link = (const struct visit_field **)&field->next;
        text += pair + (text[pair] == '&');
    }
}

static void begin_visit(const char *path, const char *form, const char *tail, const char *second)
{
    struct error err = {0};
    struct visit *visit = &stage.visit;
    end_visit();
    must(journal_index_catch_up(stage.index, 0, NULL, &err) == RESULT_OK);
    *visit = (struct visit){
        .user = "claire",
        .who = "user claire",
        .role = user_role_name(stage.role),
        .permits = visit_permits_of(stage.role),
        .csrf = "token-of-the-stage",
        .language = stage.language,
        .timezone = stage.timezone != NULL ? stage.timezone : "UTC",
        .posted = form != NULL,
        .query = "",
        .tails = {tail != NULL ? tail : "", second != NULL ? second : ""},
        .request_id = "01KB3ZQ5M8-7GQX3D",
        .now = stage.now,
        .config = stage.config,
        .registry = stage.registry,
        .index = stage.index,
        .journal_path = stage.box.directory,
        .hmac = stage.hmac,
        .seal = stage.seal,
        .health = stage.health,
        .checker = stage.checker,
        .clerk = stage.clerk,
        .arena = arena_new(ARENA),
        .status = 200,
        .page = {.language = stage.language},
        .access = {.who = "user claire", .partner = "", .channel = "", .subject = "", .answer = ""},
    };
    ck_assert_ptr_nonnull(visit->arena);
    size_t length = strcspn(path, "?");
    visit->path = decoded(path, length);
    if (path[length] == '?')
        visit->query = arena_str(visit->arena, path + length + 1);
    take_fields(visit->query);
    take_fields(form != NULL ? form : "");
}

/* Without what changes between spaces that break and that do not. */
static void see(void)
{
    static const char *const wide[] = {"\u00a0", "\u202f"};
    const char *html = or (stage.visit.page.html.data, "");
    while (*html != '\0') {
        size_t skip = 0;
        for (size_t i = 0; i < 2; i++)
            if (strncmp(html, wide[i], strlen(wide[i])) == 0)
                skip = strlen(wide[i]);
        strbuf_add_char(&stage.seen, skip > 0 ? ' ' : *html);
        html += skip > 0 ? skip : 1;
    }
    must(!stage.seen.failed);
}

static void ask(console_page *page)
{
    struct error err = {0};
    enum result result = page(&stage.visit, &err);
    ck_assert_msg(result == RESULT_OK, "%s: %s", stage.visit.path, err.text);
    must(!stage.visit.page.html.failed);
    see();
}

void stage_get_at(console_page *page, const char *path, const char *tail, const char *second)
{
    begin_visit(path, NULL, tail, second);
    ask(page);
}

void stage_get(console_page *page, const char *path)
{
    stage_get_at(page, path, NULL, NULL);
}

void stage_post_at(console_page *page, const char *path, const char *form, const char *tail,
                   const char *second)
{
    begin_visit(path, form, tail, second);
    ask(page);
}

void stage_post(console_page *page, const char *path, const char *form)
{
    stage_post_at(page, path, form, NULL, NULL);
}

/* ---- what was answered ---- */

static const char *seen(void)
{
    return or (stage.seen.data, "");
}

void stage_must_show(const char *file, int line, const char *text, bool shown)
{
    if ((strstr(seen(), text) != NULL) == shown)
        return;
    fprintf(stderr, "%s\n", seen()); /* too long for Check's own messages */
    ck_abort_msg("%s:%d: \"%s\" is %s %s", file, line, text, shown ? "not in" : "in",
                 stage.visit.path);
}

unsigned stage_count(const char *text)
{
    unsigned n = 0;
    for (const char *found = seen(); (found = strstr(found, text)) != NULL; found += strlen(text))
        n++;
    return n;
}

void must_lead_to(const char *path)
{
    const char *location = or (stage.visit.location, "");
    size_t length = strlen(path);
    ck_assert_int_eq(stage.visit.status, 303);
    ck_assert_msg(strncmp(location, path, length) == 0 &&
                      (location[length] == '\0' ||
                       strncmp(location + length + 1, "done=", strlen("done=")) == 0),
                  "leads to \"%s\", not to \"%s\"", location, path);
}
