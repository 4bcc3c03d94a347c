/* SPDX-License-Identifier: Apache-2.0 */
/* The SMPP client in bad days: waiting, silence, loss, refusals, garbage. */
#include "tests/unit/test_adapters_smsc.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct smpp_stage stage;

static void state_now(struct provider_state *state_out)
{
    provider_state(stage.provider, state_out);
}

static void wait_for(const struct sent *sent, enum outcome outcome)
{
    WAIT_UNTIL(&stage, sent->answers > 0);
    ck_assert_uint_eq(sent->answers, 1);
    ck_assert_msg(sent->outcome == outcome, "outcome %d in place of %d: %s", (int)sent->outcome,
                  (int)outcome, sent->text);
}

/* ---- waiting ---- */

START_TEST(too_many_wait)
{
    struct sent sent[6];
    smpp_stage_begin(&stage);
    stage.provider_config.window = 1;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent[0], "out");
    WAIT_UNTIL(&stage, link->n_pdus == 1);
    for (int i = 1; i < 6; i++)
        send_text(&stage, &sent[i], "waits");
    wait_for(&sent[5], OUTCOME_NONE);
    ck_assert_ptr_nonnull(strstr(sent[5].text, "too many messages wait"));
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(sent[i].answers, 0);
        smsc_serve_one(&stage, link, SMPP_ROK, "1");
        wait_for(&sent[i], OUTCOME_ACCEPTED);
    }
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(waits_no_longer)
{
    struct sent sent[2];
    smpp_stage_begin(&stage);
    stage.provider_config.window = 1;
    stage.provider_config.connect_timeout = 150 * MILLISECONDS;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent[0], "out");
    send_text(&stage, &sent[1], "waits");
    int64_t begun = clock_monotonic();
    wait_for(&sent[1], OUTCOME_NONE);
    ck_assert_int_ge(clock_monotonic() - begun, 100 * MILLISECONDS);
    ck_assert_uint_eq(sent[0].answers, 0);
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    wait_for(&sent[0], OUTCOME_ACCEPTED);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_uint_eq(link->n_pdus, 0);
    smpp_stage_end(&stage);
}
END_TEST

/* Before any bind stands, messages wait for it. */
START_TEST(waits_for_the_bind)
{
    struct sent sent[2];
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.smsc.binds_by_hand = true;
    smpp_stage_serve(&stage);
    const struct sms_message message = {
        .reference = "", .sender = "ACME", .to = "+33612345678", .text = "hello"};
    send_message(&stage, 0, &sent[0], &message);
    send_message(&stage, 1, &sent[1], &message); /* its loop will never have one */
    WAIT_UNTIL(&stage, stage.smsc.n_links == 1);
    struct smsc_link *link = &stage.smsc.links[0];
    struct pdu *bind = smsc_expect(&stage, link, SMPP_BIND_TRANSCEIVER);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_uint_eq(link->n_pdus, 0);
    /* A provider of before 3.4 names no version, and some name nothing. */
    smsc_header(link, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, bind->header.sequence);
    free(bind);
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    smsc_serve_one(&stage, link, SMPP_ROK, "2");
    wait_for(&sent[0], OUTCOME_ACCEPTED);
    wait_for(&sent[1], OUTCOME_ACCEPTED);
    smpp_stage_end(&stage);
}
END_TEST

/* ---- silence and loss ---- */

START_TEST(silence)
{
    struct sent sent[2];
    smpp_stage_begin(&stage);
    stage.provider_config.window = 1;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    stage.provider_config.reply_timeout = 150 * MILLISECONDS;
    send_text(&stage, &sent[0], "out");
    send_text(&stage, &sent[1], "waits");
    wait_for(&sent[0], OUTCOME_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(sent[0].text, "no answer in time to submit_sm"));
    struct provider_state state;
    state_now(&state);
    ck_assert_uint_eq(state.attempts_failed, 1); /* a silence */
    /* What only waited goes over the next bind. */
    WAIT_UNTIL(&stage, link->left);
    stage.provider_config.reply_timeout = 10 * CLOCK_SECOND;
    link = smsc_bound(&stage, 1);
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    wait_for(&sent[1], OUTCOME_ACCEPTED);
    state_now(&state);
    ck_assert_uint_eq(state.attempts_failed, 0);
    smpp_stage_end(&stage);
}
END_TEST

/* Three silences in a row: nobody waits for it any more, and what waited is told. */
START_TEST(mute)
{
    struct sent sent[4], late;
    smpp_stage_begin(&stage);
    stage.provider_config.window = 1;
    stage.provider_config.connections = 4;
    smpp_stage_serve(&stage);
    (void)smsc_bound(&stage, 4);
    stage.provider_config.reply_timeout = 100 * MILLISECONDS;
    for (int i = 0; i < 3; i++)
        send_text(&stage, &sent[i], "hello");
    for (int i = 0; i < 3; i++)
        wait_for(&sent[i], OUTCOME_UNKNOWN);
    struct provider_state state;
    state_now(&state);
    ck_assert_str_eq(state.breaker, "open");
    send_text(&stage, &late, "hello");
    wait_for(&late, OUTCOME_NONE);
    ck_assert_ptr_nonnull(strstr(late.text, "out of service"));
    /* The next bind is its parole. */
    stage.provider_config.reply_timeout = 10 * CLOCK_SECOND;
    do {
        smpp_stage_turn(&stage);
        state_now(&state);
    } while (strcmp(state.breaker, "closed") != 0);
    send_text(&stage, &late, "hello");
    struct smsc_link *found = NULL;
    WAIT_UNTIL(&stage, ({
        for (unsigned i = 0; i < stage.smsc.n_links; i++)
            if (stage.smsc.links[i].fd >= 0 && stage.smsc.links[i].n_pdus > 0)
                found = &stage.smsc.links[i];
        found != NULL;
    }));
    smsc_serve_one(&stage, found, SMPP_ROK, "1");
    wait_for(&late, OUTCOME_ACCEPTED);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(lost_with_requests_out)
{
    struct sent sent[3];
    smpp_stage_begin(&stage);
    stage.provider_config.window = 2;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (int i = 0; i < 3; i++)
        send_text(&stage, &sent[i], "hello");
    WAIT_UNTIL(&stage, link->n_pdus == 2);
    smsc_hang_up(link);
    wait_for(&sent[0], OUTCOME_UNKNOWN);
    wait_for(&sent[1], OUTCOME_UNKNOWN);
    link = smsc_bound(&stage, 1); /* opened again, by itself */
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    wait_for(&sent[2], OUTCOME_ACCEPTED);
    struct provider_state state;
    state_now(&state);
    ck_assert_str_eq(state.breaker, "closed");
    ck_assert_uint_eq(state.busy, 0);
    ck_assert_uint_eq(state.connections, 1);
    smpp_stage_end(&stage);
}
END_TEST

/* Of a request that did not fit the socket not one byte left: it goes another way. */
START_TEST(unsaid_when_lost)
{
    enum { MESSAGES = 60, SIZE = 60000 };
    static uint8_t body[SIZE];
    static struct sent sent[MESSAGES];
    const struct sms_raw raw = {.body = {body, SIZE}, .payload = true};
    unsigned unknown = 0, accepted = 0, answered = 0;
    smpp_stage_begin(&stage);
    stage.provider_config.window = MESSAGES;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    link->deaf = true;
    for (int i = 0; i < MESSAGES; i++)
        send_raw(&stage, &sent[i], &raw, false);
    smpp_stage_idle(&stage, 50 * MILLISECONDS);
    smsc_hang_up(link);
    link = smsc_bound(&stage, 1);
    while (answered < MESSAGES) {
        smpp_stage_turn(&stage);
        if (link->n_pdus > 0)
            smsc_serve_one(&stage, link, SMPP_ROK, "1");
        answered = 0;
        for (int i = 0; i < MESSAGES; i++)
            answered += sent[i].answers;
    }
    for (int i = 0; i < MESSAGES; i++) {
        unknown += sent[i].outcome == OUTCOME_UNKNOWN ? 1 : 0;
        accepted += sent[i].outcome == OUTCOME_ACCEPTED ? 1 : 0;
        /* In order: what left, left before what did not. */
        ck_assert(i == 0 || sent[i].outcome != OUTCOME_UNKNOWN ||
                  sent[i - 1].outcome == OUTCOME_UNKNOWN);
    }
    ck_assert_uint_eq(unknown + accepted, MESSAGES);
    ck_assert_uint_gt(unknown, 0);
    ck_assert_uint_gt(accepted, 0);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(lost_between_segments)
{
    static char text[401];
    struct sent sent;
    memset(text, 'x', 400);
    smpp_stage_begin(&stage);
    stage.provider_config.long_messages = LONG_SEGMENTS;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent, text);
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    free(smsc_expect(&stage, link, SMPP_SUBMIT_SM));
    smsc_hang_up(link);
    wait_for(&sent, OUTCOME_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(sent.text, "1 of 3 parts were taken"));
    smpp_stage_end(&stage);
}
END_TEST

/* It pauses, longer each time, until one is taken. */
START_TEST(throttled)
{
    struct sent sent;
    int64_t begun = 0;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (int64_t pause = 0; pause <= 200; pause += 100) {
        send_text(&stage, &sent, "hello");
        WAIT_UNTIL(&stage, link->n_pdus > 0);
        ck_assert_int_ge(clock_monotonic() - begun, (pause - 20) * MILLISECONDS);
        begun = clock_monotonic();
        smsc_serve_one(&stage, link, pause < 200 ? SMPP_RTHROTTLED : SMPP_ROK, "1");
        wait_for(&sent, pause < 200 ? OUTCOME_REFUSED : OUTCOME_ACCEPTED);
    }
    smpp_stage_end(&stage);
}
END_TEST

/* ---- answers that make no sense ---- */

START_TEST(strange_answers)
{
    struct sent sent;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    smsc_header(link, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_ROK, 999);
    smsc_header(link, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDLEN, 0);
    smsc_header(link, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 5);
    smsc_header(link, SMPP_RESP(SMPP_UNBIND), SMPP_ROK, 6);
    smsc_header(link, SMPP_RESP(SMPP_QUERY_SM), SMPP_ROK, 7);
    smsc_header(link, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_RBINDFAIL, 1);
    send_text(&stage, &sent, "hello");
    struct pdu *pdu = smsc_expect(&stage, link, SMPP_SUBMIT_SM);
    smsc_header(link, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_ROK, pdu->header.sequence + 1);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_uint_eq(sent.answers, 0);
    smsc_answer(link, pdu, SMPP_ROK, "1");
    wait_for(&sent, OUTCOME_ACCEPTED);
    smsc_answer(link, pdu, SMPP_ROK, "again"); /* twice */
    free(pdu);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_uint_eq(sent.answers, 1);
    ck_assert(!link->left);
    smpp_stage_end(&stage);
}
END_TEST

/* Taken, but nobody can say under which id: in doubt for the id, not for the message. */
START_TEST(id_too_long)
{
    struct sent sent;
    uint8_t bytes[16 + 100];
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent, "hello");
    struct pdu *pdu = smsc_expect(&stage, link, SMPP_SUBMIT_SM);
    memset(bytes, 'i', sizeof(bytes));
    (void)smpp_header_write(bytes, 16, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_ROK, pdu->header.sequence);
    bytes[3] = sizeof(bytes);
    smsc_say(link, bytes, sizeof(bytes));
    free(pdu);
    wait_for(&sent, OUTCOME_ACCEPTED);
    ck_assert_str_eq(sent.id, "");
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(byte_by_byte)
{
    struct sent sent[2];
    uint8_t bytes[200];
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent[0], "hello");
    send_text(&stage, &sent[1], "hello");
    struct pdu *one = smsc_expect(&stage, link, SMPP_SUBMIT_SM);
    struct pdu *two = smsc_expect(&stage, link, SMPP_SUBMIT_SM);
    size_t length = smpp_response_write(bytes, sizeof(bytes), SMPP_RESP(SMPP_SUBMIT_SM), SMPP_ROK,
                                        two->header.sequence, "second");
    length += smpp_response_write(bytes + length, sizeof(bytes) - length, SMPP_RESP(SMPP_SUBMIT_SM),
                                  SMPP_RINVDSTADR, one->header.sequence, "");
    for (size_t i = 0; i < length; i++) {
        ck_assert_uint_eq(sent[0].answers, 0);
        smsc_say(link, bytes + i, 1);
        smpp_stage_idle(&stage, MILLISECONDS);
    }
    wait_for(&sent[0], OUTCOME_REFUSED);
    wait_for(&sent[1], OUTCOME_ACCEPTED);
    ck_assert_str_eq(sent[1].id, "second");
    free(one);
    free(two);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(garbage)
{
    static const uint8_t rows[][16] = {
        {0, 0, 0, 15, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2},
        {0, 1, 0, 1, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2},
        {'2', '2', '0', ' ', 'h', 'i', '\r', '\n', 'h', 'e', 'l', 'l', 'o', '!', '\r', '\n'},
    };
    struct sent sent;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent, "hello");
    WAIT_UNTIL(&stage, link->n_pdus > 0);
    smsc_say(link, rows[_i], 16);
    wait_for(&sent, OUTCOME_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(sent.text, "no SMPP"));
    WAIT_UNTIL(&stage, link->left);
    (void)smsc_bound(&stage, 1);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(unknown_requests)
{
    static const struct {
        uint32_t command, answer, status;
    } rows[] = {
        {0x12345, 0x80000000u, SMPP_RINVCMDID},
        {SMPP_SUBMIT_SM, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RINVBNDSTS},
        {SMPP_QUERY_SM, SMPP_RESP(SMPP_QUERY_SM), SMPP_RINVBNDSTS},
        {SMPP_BIND_RECEIVER, SMPP_RESP(SMPP_BIND_RECEIVER), SMPP_RINVBNDSTS},
        {SMPP_ENQUIRE_LINK, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK},
    };
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    smsc_header(link, SMPP_OUTBIND, SMPP_ROK, 3);            /* not answered */
    smsc_header(link, SMPP_ALERT_NOTIFICATION, SMPP_ROK, 4); /* nor this */
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        smsc_header(link, rows[i].command, SMPP_ROK, 100 + i);
        struct pdu *pdu = smsc_expect(&stage, link, rows[i].answer);
        ck_assert_uint_eq(pdu->header.status, rows[i].status);
        ck_assert_uint_eq(pdu->header.sequence, 100 + i);
        free(pdu);
    }
    smpp_stage_end(&stage);
}
END_TEST

/* ---- binds that end, or do not begin ---- */

START_TEST(provider_unbinds)
{
    struct sent sent[2];
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent[0], "hello");
    struct pdu *pdu = smsc_expect(&stage, link, SMPP_SUBMIT_SM);
    smsc_header(link, SMPP_UNBIND, SMPP_ROK, 55);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    send_text(&stage, &sent[1], "later"); /* not on this one */
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_uint_eq(link->n_pdus, 0);
    smsc_answer(link, pdu, SMPP_ROK, "1");
    free(pdu);
    wait_for(&sent[0], OUTCOME_ACCEPTED);
    pdu = smsc_expect(&stage, link, SMPP_RESP(SMPP_UNBIND));
    ck_assert_uint_eq(pdu->header.sequence, 55);
    free(pdu);
    WAIT_UNTIL(&stage, link->left);
    link = smsc_bound(&stage, 1);
    smsc_serve_one(&stage, link, SMPP_ROK, "2");
    wait_for(&sent[1], OUTCOME_ACCEPTED);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(asks_whether_it_is_there)
{
    smpp_stage_begin(&stage);
    stage.provider_config.enquire_every = 50 * MILLISECONDS;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    stage.provider_config.reply_timeout = 100 * MILLISECONDS;
    for (int i = 0; i < 3; i++) {
        struct pdu *pdu = smsc_expect(&stage, link, SMPP_ENQUIRE_LINK);
        smsc_header(link, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, pdu->header.sequence);
        free(pdu);
    }
    free(smsc_expect(&stage, link, SMPP_ENQUIRE_LINK));
    WAIT_UNTIL(&stage, link->left);
    stage.provider_config.reply_timeout = 10 * CLOCK_SECOND;
    (void)smsc_bound(&stage, 1);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(bind_refused)
{
    struct sent sent;
    struct provider_state state;
    smpp_stage_begin(&stage);
    stage.smsc.bind_status = SMPP_RINVPASWD;
    smpp_stage_serve(&stage);
    do {
        smpp_stage_turn(&stage);
        state_now(&state);
    } while (strcmp(state.breaker, "open") != 0);
    ck_assert_uint_eq(stage.smsc.n_binds, 3);
    ck_assert_ptr_nonnull(strstr(state.last_error, "ESME_RINVPASWD"));
    ck_assert_ptr_null(strstr(state.last_error, "secret"));
    send_text(&stage, &sent, "hello");
    wait_for(&sent, OUTCOME_NONE);
    /* Once it is mended, nobody has to do anything. */
    stage.smsc.bind_status = SMPP_ROK;
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent, "hello");
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    wait_for(&sent, OUTCOME_ACCEPTED);
    smpp_stage_end(&stage);
}
END_TEST

/* A provider that takes fewer binds than were configured works with those. */
START_TEST(fewer_binds)
{
    struct sent sent;
    struct provider_state state;
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 2;
    stage.smsc.refuse_from = 1;
    smpp_stage_serve(&stage);
    WAIT_UNTIL(&stage, stage.smsc.n_binds >= 4);
    state_now(&state);
    ck_assert_str_eq(state.breaker, "closed");
    ck_assert_uint_eq(state.connections, 1);
    send_text(&stage, &sent, "hello");
    smsc_serve_one(&stage, &stage.smsc.links[0], SMPP_ROK, "1");
    wait_for(&sent, OUTCOME_ACCEPTED);
    smpp_stage_end(&stage);
}
END_TEST

/* A receiver carries no message: with no transmitter, the provider is out of service. */
START_TEST(receiver_alone)
{
    struct sent sent;
    struct provider_state state;
    smpp_stage_begin(&stage);
    stage.provider_config.binds = SMPP_BINDS_SEPARATE;
    stage.smsc.refuse_as = SMPP_BIND_TRANSMITTER;
    smpp_stage_serve(&stage);
    do {
        smpp_stage_turn(&stage);
        state_now(&state);
    } while (strcmp(state.breaker, "open") != 0);
    ck_assert_uint_eq(state.connections, 1);
    send_text(&stage, &sent, "hello");
    wait_for(&sent, OUTCOME_NONE);
    ck_assert_ptr_nonnull(strstr(sent.text, "ESME_RBINDFAIL"));
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(nobody_listens)
{
    struct sent sent;
    struct provider_state state;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    close(stage.smsc.listener);
    stage.smsc.listener = -1;
    smsc_hang_up(link);
    do {
        smpp_stage_turn(&stage);
        state_now(&state);
    } while (state.connections > 0);
    send_text(&stage, &sent, "hello"); /* waits, until it is plain that there is nobody */
    wait_for(&sent, OUTCOME_NONE);
    state_now(&state);
    ck_assert_str_eq(state.breaker, "open");
    smpp_stage_end(&stage);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {too_many_wait,
                                  waits_no_longer,
                                  waits_for_the_bind,
                                  silence,
                                  mute,
                                  lost_with_requests_out,
                                  unsaid_when_lost,
                                  lost_between_segments,
                                  throttled,
                                  strange_answers,
                                  id_too_long,
                                  byte_by_byte,
                                  unknown_requests,
                                  provider_unbinds,
                                  asks_whether_it_is_there,
                                  bind_refused,
                                  fewer_binds,
                                  nobody_listens,
                                  receiver_alone,
                                  NULL};
    Suite *suite = unit_suite("smpp trouble", tests);
    TCase *tables = tcase_create("tables");
    tcase_set_timeout(tables, UNIT_SECONDS);
    tcase_add_loop_test(tables, garbage, 0, 3);
    suite_add_tcase(suite, tables);
    Suite *suites[] = {suite, NULL};
    return unit_run(suites);
}
