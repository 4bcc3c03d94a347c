/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an officer is told of a verdict, word by word (tests/golden/explained.txt), and what the
 * golden cases cannot say of a question.
 */
#include "base/crypto.h"
#include "base/str.h"
#include "policy/recipient.h"
#include "policy/rules.h"
#include "tests/unit/golden_parse.h"
#include "tests/unit/unit.h"

#include <idn2.h>
#include <stdio.h>
#include <string.h>
#include <unicase.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ARENA_CAP    (1u << 20)
#define LINES_MAX    32

/* Lines that are cut out of a block of the file, without their "> ". */
struct lines {
    const char *text[LINES_MAX];
    size_t count;
};

struct explained {
    const struct lines *ordinary;
    struct lines says;
};

static bool same_rule(const char *a, const char *b)
{
    return strncmp(a, b, strcspn(a, " ") + 1) == 0;
}

static const char *line_wanted(const struct lines *says, const char *usual)
{
    for (size_t i = 0; i < says->count; i++)
        if (same_rule(says->text[i], usual))
            return says->text[i];
    return usual;
}

static void check_explained(void *arg, const struct golden_case *golden)
{
    static const char *const findings[] = {"holds", "fails", "skipped"};
    const struct explained *explained = arg;
    const char *last = explained->says.text[explained->says.count - 1];
    const char *wanted = "";
    struct judgement judgement;
    struct trace trace;
    size_t special = 0;
    policy_judge(&golden->question, &golden->facts, &judgement, &trace);
    ck_assert_msg(judgement.verdict == golden->verdict && judgement.reason == golden->reason, "%s",
                  golden->title);
    for (size_t i = 0; i < trace.count; i++) {
        char line[256];
        const struct trace_step *step = &trace.steps[i];
        ck_assert_msg(wanted != last && i < explained->ordinary->count, "%s: goes on",
                      golden->title);
        wanted = line_wanted(&explained->says, explained->ordinary->text[i]);
        special += wanted != explained->ordinary->text[i];
        snprintf(line, sizeof(line), "%s %s %s: %s", step->rule, findings[step->finding],
                 reason_name(step->reason), step->note);
        ck_assert_str_eq(line, wanted);
    }
    ck_assert_msg(wanted == last, "%s: ends too early", golden->title);
    ck_assert_msg(special == explained->says.count, "%s: says something else", golden->title);
}

/* Takes a block apart: the case stays in it, what is said goes to says. */
static void split_block(char *block, struct lines *says)
{
    char *to = block;
    char *line = block;
    says->count = 0;
    while (line != NULL && *line != '\0') {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (line[0] == '>') {
            ck_assert_uint_lt(says->count, LINES_MAX);
            says->text[says->count++] = line + 2;
        } else {
            ck_assert_uint_eq(says->count, 0); /* else its text would be overwritten */
            size_t length = strlen(line);
            memmove(to, line, length);
            to += length;
            *to++ = '\n';
        }
        line = next;
    }
    if (to > block)
        to[-1] = '\0';
}

START_TEST(every_rule_explains_itself)
{
    static char text[64 << 10];
    struct lines ordinary;
    struct explained explained = {.ordinary = &ordinary};
    size_t cases = 0;
    FILE *file = fopen(GOLDEN_DIR "/explained.txt", "re");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(text, 1, sizeof(text), file);
    ck_assert_uint_lt(length, sizeof(text));
    fclose(file);
    char *next = strstr(text, "\n\n");
    ck_assert_ptr_nonnull(next);
    *next = '\0';
    split_block(text, &ordinary);
    for (char *block = next + 2; block != NULL; block = next) {
        size_t count;
        struct error err = {0};
        struct arena *arena = arena_new(ARENA_CAP);
        ck_assert_ptr_nonnull(arena);
        next = strstr(block, "\n\n");
        if (next != NULL) {
            *next = '\0';
            next += 2;
        }
        split_block(block, &explained.says);
        ck_assert_uint_gt(explained.says.count, 0);
        enum result result = golden_read(block, arena, check_explained, &explained, &count, &err);
        ck_assert_msg(result == RESULT_OK, "%s", err.text);
        cases += count;
        arena_free(&arena);
    }
    ck_assert_uint_ge(cases, 36);
}
END_TEST

START_TEST(a_full_trace_takes_no_more)
{
    struct trace trace = {.count = TRACE_MAX - 1};
    rule_holds(&trace, "5", REASON_OBJECTED, "%s", "Nothing.");
    ck_assert_uint_eq(trace.count, TRACE_MAX);
    rule_fails(&trace, "6", REASON_WITHDRAWN, "%s", "Something.");
    ck_assert_uint_eq(trace.count, TRACE_MAX);
    ck_assert_str_eq(trace.steps[TRACE_MAX - 1].note, "Nothing.");
}
END_TEST

static struct judgement judge(const struct question *question)
{
    const struct facts nothing = {0};
    struct judgement judgement;
    policy_judge(question, &nothing, &judgement, NULL);
    return judgement;
}

/* A sender id is compared as it is, and none at all is nobody's, not even a service's. */
START_TEST(sender_ids_are_not_domains)
{
    const char *const senders[] = {".acme.example", "ACME"};
    const struct partner acme = {.id = "acme", .siren = ""};
    struct channel_policy policy;
    struct stream stream = {.partner = &acme, .class = CLASS_SERVICE, .sector = ""};
    stream.senders = (const char **)senders;
    stream.n_senders = COUNT(senders);
    struct question question = {.partner = &acme, .stream = &stream, .policy = &policy};
    const struct {
        enum channel channel;
        const char *sender;
        enum reason reason;
    } rows[] = {
        {CHANNEL_SMS, "ACME", REASON_SERVICE},
        {CHANNEL_SMS, "acme", REASON_SENDER_NOT_ALLOWED},
        {CHANNEL_SMS, "", REASON_SENDER_NOT_ALLOWED},
        {CHANNEL_SMS, "mail.acme.example", REASON_SENDER_NOT_ALLOWED},
        {CHANNEL_EMAIL, "mail.acme.example", REASON_SERVICE},
        {CHANNEL_EMAIL, "", REASON_SERVICE},
        {CHANNEL_EMAIL, "beta.example", REASON_SENDER_NOT_ALLOWED},
        /* Nobody's identity is claimed on these, whatever the question says. */
        {CHANNEL_CALL, "beta.example", REASON_SERVICE},
        {CHANNEL_POST, "beta.example", REASON_SERVICE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        question.channel = stream.channel = rows[i].channel;
        question.sender = rows[i].sender;
        channel_policy_default(question.channel, &policy);
        ck_assert_msg(judge(&question).reason == rows[i].reason, "row %zu", i);
    }
    question.channel = CHANNEL_EMAIL;
    question.purpose = PURPOSE_TRANSMISSION;
    question.sender = "beta.example";
    ck_assert_int_eq(judge(&question).reason, REASON_SERVICE);
    question.purpose = PURPOSE_RECEIPT;
    stream.class = CLASS_PROSPECTING;
    question.sender = "";
    ck_assert_int_eq(judge(&question).reason, REASON_SENDER_NOT_ALLOWED);
}
END_TEST

/* An officer's question may name a sender and be asked at night: neither has a stream to be held
 * against. */
START_TEST(without_a_stream_neither_sender_nor_hours_count)
{
    const struct partner acme = {.id = "acme", .siren = ""};
    const struct form_facts form = {.id = "jeu",
                                    .version = 3,
                                    .collector = "987654321",
                                    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
                                    .purposes = PURPOSE_BIT(PURPOSE_RECEIPT),
                                    .effective_until = INT64_MAX,
                                    .presence = PRESENCE_LISTED};
    const struct consent_event given = {.id = 7,
                                        .kind = EVENT_GIVEN,
                                        .channel = CHANNEL_EMAIL,
                                        .has_evidence = true,
                                        .form = &form};
    const struct facts facts = {.stream_suspended = true, .events = &given, .n_events = 1};
    struct channel_policy policy;
    struct judgement judgement;
    channel_policy_default(CHANNEL_EMAIL, &policy);
    policy.hours = &(struct opening){0, 1};
    policy.n_hours = 1;
    const struct question question = {.partner = &acme,
                                      .policy = &policy,
                                      .channel = CHANNEL_EMAIL,
                                      .now = 12 * 3600 * CLOCK_SECOND,
                                      .sender = "beta.example"};
    policy_judge(&question, &facts, &judgement, NULL);
    ck_assert_int_eq(judgement.verdict, VERDICT_PASS);
    ck_assert_int_eq(judgement.reason, REASON_CONSENT);
    ck_assert_int_eq(judgement.event, 7);
    ck_assert_str_eq(judgement.form_id, "jeu");
    ck_assert_int_eq(judgement.form_version, 3);
}
END_TEST

static enum reason judge_events(const struct partner *partner, const struct channel_policy *policy,
                                const struct consent_event *events, size_t n)
{
    const struct facts facts = {.events = events, .n_events = n};
    const struct question question = {
        .partner = partner, .policy = policy, .channel = CHANNEL_EMAIL, .now = 1000};
    struct judgement judgement;
    policy_judge(&question, &facts, &judgement, NULL);
    return judgement.reason;
}

/* An objection to a collector reaches what that one collected, by whichever of its two names. */
START_TEST(a_collector_has_two_names)
{
    static const struct {
        const char *objected, *collector, *name;
        enum reason reason;
    } rows[] = {
        {"987654321", "987654321", "Jeux SA", REASON_OBJECTED},
        {"JEUX sa", "987654321", "Jeux SA", REASON_OBJECTED},
        {"Autres SA", "987654321", "Jeux SA", REASON_CONSENT},
        {"123456789", "987654321", "Jeux SA", REASON_CONSENT},
        {"jeux sa", "Jeux SA", NULL, REASON_OBJECTED},
        {"Autres SA", "Jeux SA", NULL, REASON_CONSENT},
    };
    const struct partner acme = {.id = "acme", .siren = ""};
    struct channel_policy policy;
    channel_policy_default(CHANNEL_EMAIL, &policy);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct form_facts form = {.id = "jeu",
                                        .version = 1,
                                        .collector = rows[i].collector,
                                        .collector_name = rows[i].name,
                                        .channels = CHANNEL_BIT(CHANNEL_EMAIL),
                                        .purposes = PURPOSE_BIT(PURPOSE_RECEIPT),
                                        .effective_until = INT64_MAX,
                                        .presence = PRESENCE_LISTED};
        const struct consent_event events[] = {
            {.id = 1, .kind = EVENT_GIVEN, .occurred_at = 1, .has_evidence = true, .form = &form},
            {.id = 2, .kind = EVENT_OBJECTED, .occurred_at = 2, .collector = rows[i].objected},
        };
        ck_assert_msg(judge_events(&acme, &policy, events, 2) == rows[i].reason, "row %zu", i);
    }
}
END_TEST

/* Two that have no number are not one and the same. */
START_TEST(a_seller_without_number_has_no_customers)
{
    static const struct {
        const char *siren, *collector;
        enum reason reason;
    } rows[] = {
        {"", "", REASON_SOFT_OPTIN_INVALID},
        {"", "987654321", REASON_SOFT_OPTIN_INVALID},
        {"987654321", "", REASON_SOFT_OPTIN_INVALID},
        {"987654321", "987654321", REASON_SOFT_OPTIN},
        {"9", "9", REASON_SOFT_OPTIN},
    };
    struct channel_policy policy;
    channel_policy_default(CHANNEL_EMAIL, &policy);
    channel_policy_accept(&policy, BASIS_BIT(BASIS_SOFT_OPT_IN));
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct partner acme = {.id = "acme", .siren = rows[i].siren};
        const struct form_facts form = {.id = "jeu",
                                        .version = 1,
                                        .collector = rows[i].collector,
                                        .channels = CHANNEL_BIT(CHANNEL_EMAIL),
                                        .purposes = PURPOSE_BIT(PURPOSE_RECEIPT),
                                        .effective_until = INT64_MAX,
                                        .presence = PRESENCE_LISTED};
        const struct consent_event given = {.id = 1,
                                            .kind = EVENT_GIVEN,
                                            .occurred_at = 1,
                                            .basis = BASIS_SOFT_OPT_IN,
                                            .has_evidence = true,
                                            .form = &form};
        ck_assert_msg(judge_events(&acme, &policy, &given, 1) == rows[i].reason, "row %zu", i);
    }
}
END_TEST

/* Linked in place of the real ones (-Wl,--wrap), which they call unless told to fail. */
static bool no_memory;
static bool no_hash;

void __real_strbuf_add_char(struct strbuf *buf, char c);
void __wrap_strbuf_add_char(struct strbuf *buf, char c);
bool __real_sha256(const void *bytes, size_t length, uint8_t digest_out[SHA256_BYTES]);
bool __wrap_sha256(const void *bytes, size_t length, uint8_t digest_out[SHA256_BYTES]);

void __wrap_strbuf_add_char(struct strbuf *buf, char c)
{
    __real_strbuf_add_char(buf, c);
    buf->failed = buf->failed || no_memory;
}

bool __wrap_sha256(const void *bytes, size_t length, uint8_t digest_out[SHA256_BYTES])
{
    return __real_sha256(bytes, length, digest_out) && !no_hash;
}

int __real_idn2_lookup_u8(const uint8_t *src, uint8_t **name, int flags);
int __wrap_idn2_lookup_u8(const uint8_t *src, uint8_t **name, int flags);
uint8_t *__real_u8_casefold(const uint8_t *text, size_t n, const char *language, uninorm_t form,
                            uint8_t *out, size_t *length);
uint8_t *__wrap_u8_casefold(const uint8_t *text, size_t n, const char *language, uninorm_t form,
                            uint8_t *out, size_t *length);
bool __real_hmac_compute(struct hmac *hmac, const void *data, size_t length, uint8_t *out);
bool __wrap_hmac_compute(struct hmac *hmac, const void *data, size_t length, uint8_t *out);

int __wrap_idn2_lookup_u8(const uint8_t *src, uint8_t **name, int flags)
{
    return no_memory ? IDN2_MALLOC : __real_idn2_lookup_u8(src, name, flags);
}

uint8_t *__wrap_u8_casefold(const uint8_t *text, size_t n, const char *language, uninorm_t form,
                            uint8_t *out, size_t *length)
{
    return no_memory ? NULL : __real_u8_casefold(text, n, language, form, out, length);
}

bool __wrap_hmac_compute(struct hmac *hmac, const void *data, size_t length, uint8_t *out)
{
    return __real_hmac_compute(hmac, data, length, out) && !no_hash;
}

START_TEST(without_memory_or_hash_nobody_is_known)
{
    struct address address = {.text = ""};
    struct error err;
    struct recipient recipient = {.masked = "as it was"};
    struct hmac *hmac = hmac_new((const uint8_t *)"key", 3);
    ck_assert_ptr_nonnull(hmac);
    no_memory = true;
    ck_assert_int_eq(address_parse_email("a@b\u00fccher.de", &address, &err), RESULT_NO_MEMORY);
    ck_assert_int_eq(address_parse_email("\u00e9@example.org", &address, &err), RESULT_NO_MEMORY);
    no_memory = false;
    ck_assert_int_eq(address_parse_email("\u00e9@b\u00fccher.de", &address, &err), RESULT_OK);
    no_hash = true;
    ck_assert_int_eq(recipient_make(hmac, &address, &recipient, &err), RESULT_SYSTEM);
    ck_assert_str_eq(recipient.masked, "as it was");
    no_hash = false;
    ck_assert_int_eq(recipient_make(hmac, &address, &recipient, &err), RESULT_OK);
    hmac_free(&hmac);
}
END_TEST

static int no_memory_in; /* how many additions from now; 0: there is enough */

void __real_strbuf_add_str(struct strbuf *buf, const char *text);
void __wrap_strbuf_add_str(struct strbuf *buf, const char *text);

void __wrap_strbuf_add_str(struct strbuf *buf, const char *text)
{
    if (no_memory_in > 0 && --no_memory_in == 0)
        buf->failed = true;
    else
        __real_strbuf_add_str(buf, text);
}

/* A text goes through three hands; whichever finds no memory, the last one says so. */
START_TEST(a_text_half_hidden_is_none)
{
    for (int failing = 0; failing <= 3; failing++) {
        struct strbuf out = {0};
        no_memory_in = failing;
        text_hide_addresses("nobody", "FR", &out);
        ck_assert_int_eq(no_memory_in, 0);
        ck_assert_int_eq(out.failed, failing > 0);
        strbuf_free(&out);
    }
}
END_TEST

/* A policy that could not be stamped has no version, not an old one and not half of one. */
START_TEST(without_memory_or_hash_there_is_no_version)
{
    struct channel_policy policy;
    channel_policy_default(CHANNEL_EMAIL, &policy);
    ck_assert_uint_eq(strlen(policy.version), 12);
    no_memory = true;
    channel_policy_stamp(&policy);
    ck_assert_str_eq(policy.version, "");
    no_memory = false;
    channel_policy_stamp(&policy);
    ck_assert_uint_eq(strlen(policy.version), 12);
    no_hash = true;
    channel_policy_stamp(&policy);
    ck_assert_str_eq(policy.version, "");
    no_hash = false;
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_text_half_hidden_is_none,
                                  without_memory_or_hash_there_is_no_version,
                                  without_memory_or_hash_nobody_is_known,
                                  a_collector_has_two_names,
                                  a_seller_without_number_has_no_customers,
                                  every_rule_explains_itself,
                                  a_full_trace_takes_no_more,
                                  sender_ids_are_not_domains,
                                  without_a_stream_neither_sender_nor_hours_count,
                                  NULL};
    Suite *const suites[] = {unit_suite("explained", tests), NULL};
    return unit_run(suites);
}
