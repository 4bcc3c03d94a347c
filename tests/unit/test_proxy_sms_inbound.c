/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in, from the provider's call to its answer: who is told what, what is on record. */
#include "base/clock.h"
#include "proxy/sms/ids.h"
#include "tests/unit/test_proxy_sms_world.h"
#include "wire/smpp.h"

#include <stdio.h>
#include <string.h>

#define SHE "+33612345678"

/* A partner's session. */
struct partner_bind {
    struct bind_place *place;
    unsigned got;
    enum sms_taken answer;
    struct sms_delivery last; /* without what it owned */
    char body[200];
    uint8_t tlvs[50];
};

static void take(void *session, struct delivery *delivery, const struct sms_delivery *what)
{
    struct partner_bind *bind = session;
    bind->got++;
    bind->last = *what;
    memset(bind->body, 0, sizeof(bind->body));
    ck_assert_uint_lt(what->length, sizeof(bind->body));
    if (what->length > 0)
        memcpy(bind->body, what->body, what->length);
    ck_assert_uint_le(what->tlvs_length, sizeof(bind->tlvs));
    if (what->tlvs_length > 0)
        memcpy(bind->tlvs, what->tlvs, what->tlvs_length);
    binds_answer(delivery, bind->answer);
}

static void enter(struct partner_bind *partner, const char *account)
{
    *partner = (struct partner_bind){.answer = SMS_TAKEN};
    partner->place = binds_enter(sms_world.binds, sms_world.loops[1], account, take, partner);
    ck_assert_ptr_nonnull(partner->place);
}

static unsigned told;
static enum sms_taken answer;
static char seen[4096]; /* her events, when the provider was answered */

static void on_taken(void *owner, struct ticket ticket, enum sms_taken taken)
{
    ck_assert_ptr_eq(owner, &sms_world);
    ck_assert_uint_eq(ticket.generation, 9);
    told++;
    answer = taken;
    ck_assert(str_copy(seen, sizeof(seen), sms_world_events(SHE)));
}

static enum sms_taken arrive(const char *provider, const struct sms_inbound *inbound)
{
    const struct sms_sink *sink = inbox_sink(sms_world.inbox);
    told = 0;
    seen[0] = '\0';
    sink->on_inbound(sink->gate, sms_world_provider(provider), sms_world.loops[0], inbound,
                     on_taken, &sms_world, (struct ticket){.generation = 9});
    sms_world_turn_until(&told, 1);
    sms_world_turn();
    ck_assert_uint_eq(told, 1);
    return answer;
}

static enum sms_taken write_text(const char *provider, const char *from, const char *to,
                                 const char *text)
{
    const struct sms_inbound inbound = {
        .kind = SMS_INBOUND_MESSAGE, .from = from, .to = to, .text = text, .id = "in 1\n"};
    return arrive(provider, &inbound);
}

static enum sms_taken report(const char *provider, const char *from, const char *to, const char *id)
{
    struct receipt receipt = {
        .state = RECEIPT_DELIVERED, .error = "000", .done_date = "2611281200"};
    const struct sms_inbound inbound = {.kind = SMS_INBOUND_REPORT,
                                        .from = from,
                                        .to = to,
                                        .text = "",
                                        .id = "",
                                        .receipt = &receipt};
    ck_assert(str_copy(receipt.id, sizeof(receipt.id), id));
    return arrive(provider, &inbound);
}

/* A message to her, in memory. */
static void note(const char *provider, const char *id, const char *ref, const char *account)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    sms_world_key(SHE, key);
    sent_note(sms_world.sent, provider, id, key, ref, account);
}

static void expect_counts(const struct inbox_counts *expected)
{
    struct inbox_counts counts = {0};
    inbox_counts(sms_world.inbox, &counts);
    ck_assert_int_eq(memcmp(&counts, expected, sizeof(counts)), 0);
}

/* ---- STOP ---- */

START_TEST(a_stop_is_durable_before_it_is_taken)
{
    struct partner_bind acme, beta;
    sms_world_begin();
    enter(&acme, "acme-two");
    enter(&beta, "beta-sms");
    ck_assert_int_eq(write_text("agg", "33612345678", "33755001234", " Stop svp"), SMS_TAKEN);
    ck_assert_str_eq(seen, "withdrawn sms [acme] STOP by SMS through agg: "
                           "STOP to 33755001234, message in_1_\n");
    /* Its partner hears of it, too, and nobody else. */
    ck_assert_uint_eq(acme.got, 1);
    ck_assert_str_eq(acme.last.from, "33612345678");
    ck_assert_str_eq(acme.last.to, "33755001234");
    ck_assert_str_eq(acme.body, " Stop svp");
    ck_assert_uint_eq(beta.got, 0);
    expect_counts(&(struct inbox_counts){.stops_recorded = 1});
    binds_leave(&acme.place);
    binds_leave(&beta.place);
    sms_world_end();
}
END_TEST

START_TEST(a_partner_that_does_not_hear_changes_nothing)
{
    struct partner_bind acme;
    sms_world_begin();
    ck_assert_int_eq(write_text("agg", SHE, "+33755001234", "STOP"), SMS_TAKEN);
    enter(&acme, "acme-sms");
    acme.answer = SMS_TAKE_LATER;
    ck_assert_int_eq(write_text("agg", SHE, "+33755001234", "STOP"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got, 1); /* a second chance to hear of it */
    expect_counts(&(struct inbox_counts){.stops_recorded = 1});
    binds_leave(&acme.place);
    sms_world_end();
}
END_TEST

START_TEST(whom_a_stop_is_for)
{
    static const struct sms_sent history[] = {
        {"acme", "acme-sms", "agg", SHE, "1", 3},
        {"beta", "beta-sms", "agg", SHE, "2", 3},
        {"gamma", "gamma-sms", "agg", "+33611111111", "3", 3},
    };
    static const struct {
        const char *provider, *from, *to;
        const char *partners;
    } rows[] = {
        {"agg", SHE, "33755001234", "acme"},
        {"agg", SHE, "acme", "acme|beta"},              /* a name: the code behind it is shared */
        {"agg", SHE, "36111", "acme|beta"},             /* a shared code behind names */
        {"agg", SHE, "", "acme|beta"},                  /* not said */
        {"agg", SHE, "38600", "acme|beta|gamma"},       /* theirs, and acme wrote */
        {"agg", "+33611111111", "38600", "beta|gamma"}, /* and nobody else did */
        {"agg", "+33622222222", "38600", "beta|gamma"}, /* nobody did */
        {"agg", "+33622222222", "36111", ""},           /* everybody */
        {"other", SHE, "38600", "beta|delta"},          /* theirs, there */
        {"other", SHE, "33755001234", ""},              /* acme's is not reached through there */
    };
    sms_world_begin();
    for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++)
        sms_world_send(&history[i]);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[100];
        sms_world_sql("DELETE FROM standing"); /* events are kept; what is asked by is not */
        ck_assert_int_eq(write_text(rows[i].provider, rows[i].from, rows[i].to, "STOP"), SMS_TAKEN);
        snprintf(expected, sizeof(expected), "withdrawn sms [%s] ", rows[i].partners);
        const char *events = sms_world_events(rows[i].from);
        ck_assert_msg(strncmp(events, expected, strlen(expected)) == 0, "row %zu: %s", i, events);
    }
    sms_world_end();
}
END_TEST

START_TEST(only_who_wrote_to_her_hears_a_stop)
{
    static const struct sms_sent sent = {"beta", "beta-sms", "agg", SHE, "2", 3};
    struct partner_bind acme, beta, gamma;
    sms_world_begin();
    enter(&acme, "acme-sms");
    enter(&beta, "beta-sms");
    enter(&gamma, "gamma-sms");
    /* Nobody wrote to her: all are meant, and none of them is given her number. */
    ck_assert_int_eq(write_text("agg", SHE, "38600", "STOP"), SMS_TAKEN);
    ck_assert_int_eq(write_text("agg", SHE, "36111", "STOP"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got + beta.got + gamma.got, 0);
    sms_world_send(&sent);
    ck_assert_int_eq(write_text("agg", SHE, "38600", "STOP"), SMS_TAKEN);
    ck_assert_int_eq(write_text("agg", SHE, "36111", "STOP"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got + gamma.got, 0);
    ck_assert_uint_eq(beta.got, 2);
    binds_leave(&acme.place);
    binds_leave(&beta.place);
    binds_leave(&gamma.place);
    sms_world_end();
}
END_TEST

START_TEST(an_opt_out_is_a_stop_without_a_text)
{
    const struct sms_inbound inbound = {
        .kind = SMS_INBOUND_OPT_OUT, .from = SHE, .to = "ACME", .text = "", .id = "0612345678"};
    struct partner_bind acme;
    sms_world_begin();
    enter(&acme, "acme-sms");
    ck_assert_int_eq(arrive("agg", &inbound), SMS_TAKEN);
    /* An id that is her number does not put it on record. */
    ck_assert_str_eq(seen, "withdrawn sms [acme] opt-out told by agg: opted out to ACME\n");
    ck_assert_uint_eq(acme.got, 0);
    binds_leave(&acme.place);
    sms_world_end();
}
END_TEST

START_TEST(a_stop_that_cannot_be_recorded_is_kept_by_the_provider)
{
    sms_world_begin();
    const struct sms_inbound inbound = {
        .kind = SMS_INBOUND_MESSAGE, .from = SHE, .to = "ACME", .text = "STOP", .id = ""};
    sms_world_sql("CREATE TRIGGER no BEFORE INSERT ON event BEGIN SELECT raise(ABORT, 'no'); END");
    ck_assert_int_eq(arrive("agg", &inbound), SMS_TAKE_LATER);
    ck_assert_str_eq(seen, "");
    sms_world_sql("DROP TRIGGER no");
    ck_assert_int_eq(arrive("agg", &inbound), SMS_TAKEN);
    ck_assert_str_ne(seen, "");
    expect_counts(&(struct inbox_counts){.stops_recorded = 1, .stops_failed = 1});
    sms_world_end();
}
END_TEST

static char log_text[2000]; /* what was logged since listen, as of the last heard */

static const char *log_path(void)
{
    return sandbox_path(&sms_world.sandbox, "log");
}

static void listen_to_log(void)
{
    ck_assert_ptr_nonnull(freopen(log_path(), "w", stderr));
}

static void heard(const char *words)
{
    FILE *file = fopen(log_path(), "r");
    ck_assert_ptr_nonnull(file);
    fflush(stderr);
    log_text[fread(log_text, 1, sizeof(log_text) - 1, file)] = '\0';
    fclose(file);
    ck_assert_msg(strstr(log_text, words) != NULL, "%s", log_text);
}

START_TEST(what_is_no_number_cannot_be_recorded)
{
    sms_world_begin();
    ck_assert_int_eq(write_text("agg", "SFR", "ACME", "STOP"), SMS_TAKEN);
    ck_assert_int_eq(write_text("agg", "36111", "ACME", "Bonjour"), SMS_TAKEN);
    expect_counts(&(struct inbox_counts){.stops_unreadable = 1, .messages_nobodys = 1});
    /* Somebody has to find it, and no more than the number's end is told. */
    listen_to_log();
    ck_assert_int_eq(write_text("agg", "99 9612345678", "ACME", "STOP"), SMS_TAKEN);
    heard("message=in_1_");
    heard("number_ends=78");
    ck_assert_ptr_null(strstr(log_text, "345678"));
    const struct sms_inbound telling = {.kind = SMS_INBOUND_MESSAGE,
                                        .from = "999612345678",
                                        .to = "+33 6 12 34 56 78", /* the other way round */
                                        .text = "STOP",
                                        .id = "x12345678"};
    listen_to_log();
    ck_assert_int_eq(arrive("agg", &telling), SMS_TAKEN);
    heard("to=a_number");
    ck_assert_ptr_null(strstr(log_text, "345678"));
    ck_assert_ptr_null(strstr(log_text, "56 78"));
    sms_world_end();
}
END_TEST

START_TEST(a_provider_that_knows_of_an_opt_out)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    sms_world_begin();
    sms_world_key(SHE, key);
    inbox_opted_out(sms_world.inbox, "agg", "beta", key, SHE);
    sms_world_restart(); /* which finishes it */
    ck_assert_str_eq(sms_world_events(SHE), "withdrawn sms [beta] refused as opted out by agg: "
                                            "the provider's refusal of a message\n");
    ck_assert_str_eq(sms_world_notices(), "withdrawn sms [beta] " SHE "\n");
    sms_world_end();
}
END_TEST

/* ---- replies ---- */

START_TEST(replies_go_to_whose_number_it_is)
{
    struct partner_bind acme;
    sms_world_begin();
    /* Nobody there: the provider keeps it. */
    ck_assert_int_eq(write_text("agg", SHE, "33755001234", "Bonjour"), SMS_TAKE_LATER);
    enter(&acme, "acme-two");
    ck_assert_int_eq(write_text("agg", SHE, "33755001234", "Bonjour, ça va ? Ω"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got, 1);
    ck_assert_int_eq(acme.last.kind, SMS_INBOUND_MESSAGE);
    ck_assert_uint_eq(acme.last.data_coding, 8); /* "ç" is not in the alphabet */
    ck_assert_uint_eq(acme.last.length, 36);
    ck_assert_uint_eq(acme.last.to_ton, SMPP_TON_INTERNATIONAL);
    acme.answer = SMS_TAKE_LATER; /* the partner's own answer */
    ck_assert_int_eq(write_text("agg", SHE, "ACME", "Bonjour"), SMS_TAKE_LATER);
    ck_assert_uint_eq(acme.last.data_coding, 0);
    ck_assert_str_eq(acme.body, "Bonjour");
    ck_assert_str_eq(seen, ""); /* no STOP, no event */
    /* Nobody's number, or not through this provider. */
    ck_assert_int_eq(write_text("agg", SHE, "36111", "Bonjour"), SMS_TAKEN);
    ck_assert_int_eq(write_text("other", SHE, "ACME", "Bonjour"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got, 2);
    expect_counts(&(struct inbox_counts){
        .messages_delivered = 1, .messages_later = 2, .messages_nobodys = 2});
    binds_leave(&acme.place);
    sms_world_end();
}
END_TEST

START_TEST(a_reply_to_a_shared_number_goes_to_who_wrote)
{
    static const struct sms_sent sent = {"gamma", "gamma-sms", "agg", SHE, "3", 3};
    static const struct sms_sent also = {"beta", "beta-sms", "agg", SHE, "4", 3};
    struct partner_bind beta, gamma;
    sms_world_begin();
    enter(&beta, "beta-sms");
    enter(&gamma, "gamma-sms");
    ck_assert_int_eq(write_text("agg", SHE, "38600", "Oui"), SMS_TAKEN);
    ck_assert_uint_eq(beta.got + gamma.got, 0);
    sms_world_send(&sent);
    ck_assert_int_eq(write_text("agg", SHE, "38600", "Oui"), SMS_TAKEN);
    ck_assert_uint_eq(beta.got, 0);
    ck_assert_uint_eq(gamma.got, 1);
    sms_world_send(&also); /* whom she means is anybody's guess, and no guess is made */
    ck_assert_int_eq(write_text("agg", SHE, "38600", "Oui"), SMS_TAKEN);
    ck_assert_uint_eq(beta.got + gamma.got, 1);
    binds_leave(&beta.place);
    binds_leave(&gamma.place);
    sms_world_end();
}
END_TEST

START_TEST(bytes_of_smpp_go_on_as_they_came)
{
    static const uint8_t tlvs[] = {0x14, 0x01, 0, 2, 'a', 'b',       /* an operator's */
                                   0x04, 0x24, 0, 4, 5,   0,   3, 1, /* payload */
                                   0x02, 0x04, 0, 1, 9};             /* another */
    static const uint8_t others[] = {0x14, 0x01, 0, 2, 'a', 'b', 0x02, 0x04, 0, 1, 9};
    struct smpp_message message = {
        .source = {.ton = SMPP_TON_NATIONAL, .text = "612345678"},
        .destination = {.ton = SMPP_TON_NETWORK, .npi = 9, .text = "ACME"},
        .esm_class = SMPP_ESM_UDHI,
        .protocol_id = 3,
        .data_coding = 4,
        .tlvs = {.data = tlvs, .length = sizeof(tlvs)},
    };
    const struct sms_inbound inbound = {.kind = SMS_INBOUND_MESSAGE,
                                        .from = "612345678",
                                        .to = "ACME",
                                        .text = "",
                                        .as_was = &message,
                                        .id = ""};
    struct partner_bind acme;
    sms_world_begin();
    enter(&acme, "acme-sms");
    ck_assert_int_eq(arrive("agg", &inbound), SMS_TAKEN);
    ck_assert_str_eq(acme.last.from, "33612345678"); /* as its type of number says */
    ck_assert_uint_eq(acme.last.to_ton, SMPP_TON_NETWORK);
    ck_assert_uint_eq(acme.last.to_npi, 9);
    ck_assert_uint_eq(acme.last.esm_class, SMPP_ESM_UDHI);
    ck_assert_uint_eq(acme.last.protocol_id, 3);
    ck_assert_uint_eq(acme.last.data_coding, 4);
    ck_assert_uint_eq(acme.last.length, 4);
    ck_assert_mem_eq(acme.body, "\x05\x00\x03\x01", 4);
    ck_assert_uint_eq(acme.last.tlvs_length, sizeof(others));
    ck_assert_mem_eq(acme.tlvs, others, sizeof(others));
    binds_leave(&acme.place);
    sms_world_end();
}
END_TEST

/* ---- reports ---- */

START_TEST(reports_go_to_the_account_that_sent)
{
    struct partner_bind acme, two;
    sms_world_begin();
    note("agg", "1A2B", "ref-1", "acme-two");
    ck_assert_int_eq(report("agg", "33612345678", "ACME", "1A2B"), SMS_TAKE_LATER);
    enter(&acme, "acme-sms");
    ck_assert_int_eq(report("agg", "33612345678", "ACME", "1A2B"), SMS_TAKE_LATER);
    ck_assert_uint_eq(acme.got, 0);
    enter(&two, "acme-two");
    ck_assert_int_eq(report("agg", "33612345678", "ACME", "6699"), SMS_TAKEN);
    ck_assert_uint_eq(two.got, 1);
    ck_assert_int_eq(two.last.kind, SMS_INBOUND_REPORT);
    ck_assert_str_eq(two.last.receipt.id, "ref-1"); /* the partner knows no other */
    ck_assert_int_eq(two.last.receipt.state, RECEIPT_DELIVERED);
    ck_assert_str_eq(two.last.receipt.error, "000");
    ck_assert_str_eq(two.last.receipt.done_date, "2611281200");
    ck_assert_str_eq(two.last.from, "33612345678");
    ck_assert_str_eq(two.last.to, "ACME");
    two.answer = SMS_TAKE_LATER;
    ck_assert_int_eq(report("agg", SHE, "", "1A2B"), SMS_TAKE_LATER);
    /* Never sent, through another provider, by an account that is gone: not again and again. */
    ck_assert_int_eq(report("agg", SHE, "ACME", "1A2C"), SMS_TAKEN);
    ck_assert_int_eq(report("other", SHE, "ACME", "1A2B"), SMS_TAKEN);
    note("agg", "9", "ref-9", "gone");
    ck_assert_int_eq(report("agg", SHE, "ACME", "9"), SMS_TAKEN);
    ck_assert_uint_eq(two.got, 2);
    expect_counts(
        &(struct inbox_counts){.reports_delivered = 1, .reports_later = 3, .reports_unknown = 3});
    binds_leave(&acme.place);
    binds_leave(&two.place);
    sms_world_end();
}
END_TEST

/* 1000 is hexadecimal for 4096, and both are ids that a provider counts up to. */
START_TEST(a_report_is_for_no_other_message)
{
    static const struct sms_sent exact = {"acme", "acme-sms", "agg", SHE, "1000", 0};
    struct partner_bind acme, two;
    char ref[RECORD_ID];
    sms_world_begin();
    enter(&acme, "acme-sms");
    enter(&two, "acme-two");
    str_copy(ref, sizeof(ref), sms_world_send(&exact)); /* no longer in memory */
    note("agg", "4096", "ref-2", "acme-two");
    ck_assert_int_eq(report("agg", SHE, "ACME", "1000"), SMS_TAKEN);
    ck_assert_uint_eq(two.got, 0);
    ck_assert_str_eq(acme.last.receipt.id, ref);
    /* Another person's, in memory and in the journal. */
    ck_assert_int_eq(report("agg", "+33687654321", "ACME", "4096"), SMS_TAKEN);
    ck_assert_int_eq(report("agg", "+33687654321", "ACME", "1000"), SMS_TAKEN);
    ck_assert_uint_eq(two.got, 0);
    ck_assert_uint_eq(acme.got, 1);
    /* Of nobody who can be told, by the very id and no other. */
    ck_assert_int_eq(report("agg", "", "ACME", "3e8"), SMS_TAKEN);
    ck_assert_uint_eq(two.got + acme.got, 1);
    ck_assert_int_eq(report("agg", "", "ACME", "1000"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got, 2);
    ck_assert_int_eq(report("agg", SHE, "ACME", "0x1000"), SMS_TAKEN);
    expect_counts(&(struct inbox_counts){.reports_delivered = 2, .reports_unknown = 4});
    binds_leave(&acme.place);
    binds_leave(&two.place);
    sms_world_end();
}
END_TEST

/* What a flight puts on record of an id that is made of the number finds its report. */
START_TEST(an_id_that_tells_the_number_is_hidden)
{
    char id[SMPP_ID_MAX], other[SMPP_ID_MAX];
    struct partner_bind acme;
    sms_world_begin();
    struct hmac *hmac = sms_world.lanes[0].hmac;
    sms_id_on_record(hmac, "7-33612345678-1", SHE, id);
    ck_assert_uint_eq(strlen(id), 33);
    ck_assert_int_eq(id[0], '#');
    ck_assert_ptr_null(strstr(id, "12345678"));
    sms_id_on_record(hmac, "7-33612345678-2", SHE, other);
    ck_assert_str_ne(id, other);
    sms_id_on_record(hmac, "7-33612345679-1", SHE, other);
    ck_assert_str_eq(other, "7-33612345679-1");
    const struct sms_sent sent = {"acme", "acme-sms", "agg", SHE, id, 0};
    sms_world_send(&sent);
    enter(&acme, "acme-sms");
    ck_assert_int_eq(report("agg", SHE, "ACME", "7-33612345678-2"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got, 0);
    ck_assert_int_eq(report("agg", SHE, "ACME", "7-33612345678-1"), SMS_TAKEN);
    ck_assert_uint_eq(acme.got, 1);
    binds_leave(&acme.place);
    sms_world_end();
}
END_TEST

/* Some providers always report; and some partners have nowhere to be told. Neither is kept by the
 * provider for ever. */
START_TEST(what_can_reach_nobody_is_taken)
{
    static const struct sms_sent unasked = {"acme", "acme-two", "agg", SHE, "51", 0};
    static const struct sms_sent asked = {"acme", "acme-two", "agg", SHE, "52", 0};
    struct partner_bind two;
    sms_world_begin();
    size_t listeners = sms_world.config->n_listeners;
    struct account_config *account =
        (struct account_config *)config_account(sms_world.config, "acme-sms");
    const char *password = account->password;
    sms_world.unasked = true;
    sms_world_send(&unasked);
    sms_world.unasked = false;
    sms_world_send(&asked);
    enter(&two, "acme-two");
    ck_assert_int_eq(report("agg", SHE, "ACME", "51"), SMS_TAKEN);
    ck_assert_uint_eq(two.got, 0);
    ck_assert_int_eq(report("agg", SHE, "ACME", "52"), SMS_TAKEN);
    ck_assert_uint_eq(two.got, 1);
    binds_leave(&two.place);
    expect_counts(&(struct inbox_counts){.reports_delivered = 1, .reports_unwanted = 1});
    /* An account that has but an application's key. */
    note("agg", "53", "ref-1", "acme-sms");
    ck_assert_int_eq(report("agg", SHE, "ACME", "53"), SMS_TAKE_LATER);
    account->password = NULL;
    account->application_key = "key";
    ck_assert_int_eq(report("agg", SHE, "ACME", "53"), SMS_TAKEN);
    ck_assert_int_eq(write_text("agg", SHE, "ACME", "Bonjour"), SMS_TAKE_LATER); /* to acme-two */
    account->password = password;
    account->application_key = NULL;
    /* A gate without SMPP. */
    ck_assert_int_eq(report("agg", SHE, "ACME", "53"), SMS_TAKE_LATER);
    sms_world.config->n_listeners = 0;
    ck_assert_int_eq(report("agg", SHE, "ACME", "53"), SMS_TAKEN);
    ck_assert_int_eq(report("agg", SHE, "ACME", "52"), SMS_TAKEN);
    ck_assert_int_eq(write_text("agg", SHE, "ACME", "Bonjour"), SMS_TAKEN);
    ck_assert_int_eq(write_text("agg", SHE, "WEB", "Bonjour"), SMS_TAKEN);
    ck_assert_uint_eq(sms_world.web.got, 1);
    sms_world.config->n_listeners = listeners;
    expect_counts(&(struct inbox_counts){.reports_delivered = 1,
                                         .reports_unwanted = 4,
                                         .reports_later = 2,
                                         .messages_later = 1,
                                         .messages_delivered = 1,
                                         .messages_unwanted = 1});
    sms_world_end();
}
END_TEST

START_TEST(reports_find_their_way_after_a_restart)
{
    static const struct sms_sent sent = {"acme", "acme-two", "agg", SHE, "1234", 0};
    char ref[RECORD_ID], away[320];
    struct partner_bind two;
    sms_world_begin();
    str_copy(ref, sizeof(ref), sms_world_send(&sent));
    sms_world_restart();
    ck_assert_uint_eq(sent_count(sms_world.sent), 0);
    enter(&two, "acme-two");
    ck_assert_int_eq(report("agg", SHE, "ACME", "04D2"), SMS_TAKEN); /* in hexadecimal */
    ck_assert_uint_eq(two.got, 1);
    ck_assert_str_eq(two.last.receipt.id, ref);
    /* What cannot be looked up comes again. */
    snprintf(away, sizeof(away), "%s.away", sms_world.directory);
    ck_assert_int_eq(rename(sms_world.directory, away), 0);
    ck_assert_int_eq(report("agg", SHE, "ACME", "77"), SMS_TAKE_LATER);
    ck_assert_int_eq(rename(away, sms_world.directory), 0);
    ck_assert_int_eq(report("agg", SHE, "ACME", "77"), SMS_TAKEN);
    expect_counts(
        &(struct inbox_counts){.reports_delivered = 1, .reports_later = 1, .reports_unknown = 1});
    binds_leave(&two.place);
    sms_world_end();
}
END_TEST

/* ---- partners without a bind ---- */

START_TEST(partners_are_told_by_http)
{
    struct sms_web *web = &sms_world.web;
    struct partner_bind bound;
    sms_world_begin();
    note("agg", "1A2B", "ref-1", "web-sms");
    ck_assert_int_eq(report("agg", "33612345678", "WEB", "1A2B"), SMS_TAKEN);
    ck_assert_str_eq(web->type, "application/json");
    ck_assert_str_eq(web->body,
                     "{\"type\":\"report\",\"id\":\"ref-1\",\"state\":\"delivered\","
                     "\"error\":\"000\",\"done_date\":\"2611281200\",\"to\":\"+33612345678\","
                     "\"from\":\"WEB\"}");
    ck_assert_int_eq(write_text("agg", SHE, "WEB", "Ça \"va\" ?"), SMS_TAKEN);
    ck_assert_str_eq(web->body, "{\"type\":\"message\",\"from\":\"" SHE "\",\"to\":\"WEB\","
                                "\"text\":\"Ça \\\"va\\\" ?\",\"stop\":false}");
    ck_assert_int_eq(write_text("agg", SHE, "WEB", "STOP"), SMS_TAKEN);
    sms_world_turn_until(&web->got, 3); /* for which the provider did not wait */
    ck_assert_str_eq(web->body, "{\"type\":\"message\",\"from\":\"" SHE "\",\"to\":\"WEB\","
                                "\"text\":\"STOP\",\"stop\":true}");
    web->status = 503; /* the partner's answer is the provider's */
    ck_assert_int_eq(report("agg", "33612345678", "WEB", "1A2B"), SMS_TAKE_LATER);
    enter(&bound, "web-sms"); /* a bind is preferred */
    ck_assert_int_eq(report("agg", "33612345678", "WEB", "1A2B"), SMS_TAKEN);
    ck_assert_uint_eq(bound.got, 1);
    ck_assert_uint_eq(web->got, 4);
    expect_counts(&(struct inbox_counts){
        .stops_recorded = 1, .reports_delivered = 2, .reports_later = 1, .messages_delivered = 1});
    binds_leave(&bound.place);
    sms_world_end();
}
END_TEST

START_TEST(bytes_that_are_no_text_go_in_hexadecimal)
{
    struct smpp_message message = {
        .source = {.ton = SMPP_TON_INTERNATIONAL, .text = "33612345678"},
        .destination = {.ton = SMPP_TON_ALPHANUMERIC, .text = "WEB"},
        .data_coding = 4,
        .text = {.data = (const uint8_t *)"\x01\xfe", .length = 2},
    };
    const struct sms_inbound inbound = {.kind = SMS_INBOUND_MESSAGE,
                                        .from = "33612345678",
                                        .to = "WEB",
                                        .text = "",
                                        .as_was = &message,
                                        .id = ""};
    sms_world_begin();
    ck_assert_int_eq(arrive("agg", &inbound), SMS_TAKEN);
    ck_assert_ptr_nonnull(
        strstr(sms_world.web.body, "\"data_coding\":4,\"esm_class\":0,\"data\":\"01fe\"}"));
    sms_world_end();
}
END_TEST

START_TEST(before_and_after_everything_is_later)
{
    struct lane *const lanes[] = {&sms_world.lanes[0], &sms_world.lanes[1]};
    sms_world_begin();
    inbox_stop(sms_world.inbox);
    ck_assert_int_eq(write_text("agg", SHE, "ACME", "STOP"), SMS_TAKE_LATER);
    ck_assert_int_eq(report("agg", SHE, "ACME", "1"), SMS_TAKE_LATER);
    inbox_free(&sms_world.inbox);
    sms_world.inbox = inbox_new(lanes, 2, sms_world.binds, sms_world.sent);
    ck_assert_ptr_nonnull(sms_world.inbox);
    ck_assert_int_eq(write_text("agg", SHE, "ACME", "STOP"), SMS_TAKE_LATER);
    sms_world_end();
}
END_TEST

Suite *sms_inbound_suite(void)
{
    const TTest *const tests[] = {a_stop_is_durable_before_it_is_taken,
                                  a_partner_that_does_not_hear_changes_nothing,
                                  whom_a_stop_is_for,
                                  only_who_wrote_to_her_hears_a_stop,
                                  an_opt_out_is_a_stop_without_a_text,
                                  a_stop_that_cannot_be_recorded_is_kept_by_the_provider,
                                  what_is_no_number_cannot_be_recorded,
                                  a_provider_that_knows_of_an_opt_out,
                                  replies_go_to_whose_number_it_is,
                                  a_reply_to_a_shared_number_goes_to_who_wrote,
                                  bytes_of_smpp_go_on_as_they_came,
                                  reports_go_to_the_account_that_sent,
                                  a_report_is_for_no_other_message,
                                  an_id_that_tells_the_number_is_hidden,
                                  what_can_reach_nobody_is_taken,
                                  reports_find_their_way_after_a_restart,
                                  partners_are_told_by_http,
                                  bytes_that_are_no_text_go_in_hexadecimal,
                                  before_and_after_everything_is_later,
                                  NULL};
    return unit_suite("sms_inbound", tests);
}
