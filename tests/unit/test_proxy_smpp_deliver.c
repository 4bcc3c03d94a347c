/* SPDX-License-Identifier: Apache-2.0 */
/* What partners are told, and how long a peer may take. */
#include "tests/unit/test_proxy_smpp_parts.h"

#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>

/* ---- deliveries ---- */

/* Decodes the next PDU, which is a deliver_sm; returns its sequence number. */
static uint32_t expect_delivery(struct client *client, struct smpp_message *message_out)
{
    struct smpp_header header;
    const uint8_t *pdu = client_next(client, &header);
    ck_assert_ptr_nonnull(pdu);
    ck_assert_uint_eq(header.command, SMPP_DELIVER_SM);
    ck_assert_uint_eq(smpp_message_read(SMPP_DELIVER_SM, pdu + SMPP_HEADER_BYTES,
                                        header.length - SMPP_HEADER_BYTES, message_out),
                      SMPP_ROK);
    return header.sequence;
}

START_TEST(reports_are_delivered)
{
    struct client client;
    struct smpp_message message;
    struct receipt receipt;
    struct smpp_span value;
    bound(&client, _i == 0 ? SMPP_BIND_RECEIVER : SMPP_BIND_TRANSCEIVER);
    stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    uint32_t sequence = expect_delivery(&client, &message);
    ck_assert_uint_eq(message.esm_class, 0x04);
    ck_assert_str_eq(message.source.text, "33612345678");
    ck_assert_uint_eq(message.source.ton, SMPP_TON_INTERNATIONAL);
    ck_assert_uint_eq(message.source.npi, SMPP_NPI_E164);
    ck_assert_str_eq(message.destination.text, "ACME");
    ck_assert_uint_eq(message.destination.ton, SMPP_TON_ALPHANUMERIC);
    /* Said twice: TLVs, and the text, each enough by itself. */
    ck_assert(smpp_tlv_find(message.tlvs, SMPP_TAG_RECEIPTED_MESSAGE_ID, &value));
    ck_assert_uint_eq(value.length, 18);
    ck_assert_mem_eq(value.data, "01KB3ZQ5M8-7GQX3D", 18);
    ck_assert(smpp_tlv_find(message.tlvs, SMPP_TAG_MESSAGE_STATE, &value));
    ck_assert_uint_eq(value.length, 1);
    ck_assert_uint_eq(value.data[0], RECEIPT_DELIVERED);
    message.tlvs.length = 0;
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "01KB3ZQ5M8-7GQX3D");
    ck_assert_int_eq(receipt.state, RECEIPT_DELIVERED);
    ck_assert_uint_eq(stage.taken + stage.later, 0);
    say_header(&client, SMPP_RESP(SMPP_DELIVER_SM), 0, sequence);
    ck_assert_uint_eq(stage.taken, 1);
    say_header(&client, SMPP_RESP(SMPP_DELIVER_SM), 0, sequence); /* once is enough */
    ck_assert_uint_eq(stage.taken, 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(an_older_client_gets_no_tlvs)
{
    struct client client;
    struct smpp_message message;
    uint8_t pdu[64];
    struct smpp_bind bind = {.system_id = "acme-lan", .version = 0x33};
    client_connect(&client, "plain", "192.0.2.10");
    client_send(&client, pdu, smpp_bind_write(pdu, sizeof(pdu), SMPP_BIND_RECEIVER, 1, &bind));
    expect(&client, SMPP_RESP(SMPP_BIND_RECEIVER), SMPP_ROK, 1);
    stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_deliver("acme-lan", SMS_INBOUND_MESSAGE, 20);
    stage_turn(&client);
    expect_delivery(&client, &message);
    ck_assert_uint_eq(message.tlvs.length, 0);
    expect_delivery(&client, &message);
    ck_assert_uint_eq(message.tlvs.length, 0);
    ck_assert_uint_eq(message.text.length, 20);
    client_free(&client);
    expect_nobody();
    ck_assert_uint_eq(stage.later, 2);
}
END_TEST

START_TEST(messages_are_delivered)
{
    static const size_t lengths[] = {0, 1, 254, 255, 60000};
    struct client client;
    struct smpp_message message;
    struct smpp_span text, vendor;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    stage_deliver("acme-lan", SMS_INBOUND_MESSAGE, lengths[_i]);
    for (int i = 0; i < 10; i++)
        stage_turn(&client);
    uint32_t sequence = expect_delivery(&client, &message);
    ck_assert_uint_eq(message.esm_class, 0x40);
    ck_assert_uint_eq(message.data_coding, 8);
    ck_assert(smpp_message_text(&message, &text));
    ck_assert_uint_eq(text.length, lengths[_i]);
    ck_assert_uint_eq(message.text.length, lengths[_i] <= 254 ? lengths[_i] : 0);
    ck_assert(smpp_tlv_find(message.tlvs, 0x1401, &vendor));
    ck_assert_uint_eq(vendor.length, 2);
    say_header(&client, SMPP_RESP(SMPP_DELIVER_SM), SMPP_RX_T_APPN, sequence);
    ck_assert_uint_eq(stage.later, 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(what_no_pdu_carries)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    stage_deliver("acme-lan", SMS_INBOUND_MESSAGE, 65536);
    stage_turn(&client);
    expect_silence(&client);
    ck_assert_uint_eq(stage.later, 1);
    client_free(&client);
}
END_TEST

START_TEST(not_taken_comes_again)
{
    struct client client;
    struct smpp_message message;
    bound(&client, SMPP_BIND_RECEIVER);
    for (int i = 0; i < 4; i++)
        stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    uint32_t first = expect_delivery(&client, &message);
    uint32_t second = expect_delivery(&client, &message);
    /* In whatever order; and a generic_nack is no yes even if it says 0. */
    say_header(&client, (uint32_t)SMPP_GENERIC_NACK, 0, second);
    ck_assert_uint_eq(stage.later, 1);
    say_header(&client, SMPP_RESP(SMPP_DELIVER_SM), 0, first);
    ck_assert_uint_eq(stage.taken, 1);
    /* The other two are not answered; that the peer is there is plain meanwhile. */
    for (uint32_t i = 0; i < 6; i++) {
        stage_advance(&client, 10 * CLOCK_SECOND);
        say_header(&client, SMPP_ENQUIRE_LINK, 0, i);
    }
    stage_turn(&client);
    ck_assert_uint_eq(stage.later, 3);
    ck_assert_uint_eq(client.session->n_delivered, 0);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(so_many_deliveries)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    for (int i = 0; i < ESME_DELIVERED_MAX + 5; i++)
        stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    ck_assert_uint_eq(stage.later, 5);
    /* Who leaves has not taken them. */
    client_free(&client);
    stage_turn(NULL);
    ck_assert_uint_eq(stage.later, ESME_DELIVERED_MAX + 5);
    expect_nobody();
}
END_TEST

START_TEST(nobody_to_deliver_to)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    expect_silence(&client);
    ck_assert_uint_eq(stage.later, 1);
    client_free(&client);
}
END_TEST

START_TEST(draining_waits_for_deliveries)
{
    struct client client;
    struct smpp_message message;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    uint32_t sequence = expect_delivery(&client, &message);
    smpp_drain(&stage.lane);
    stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    expect_silence(&client);
    ck_assert_uint_eq(stage.later, 1);
    if (_i == 0) {
        say_header(&client, SMPP_RESP(SMPP_DELIVER_SM), 0, sequence);
        ck_assert_uint_eq(stage.taken, 1);
    } else { /* as long as it may take */
        for (uint32_t i = 0; i < 6; i++) {
            stage_advance(&client, 10 * CLOCK_SECOND);
            if (i == 5)
                break;
            say_header(&client, SMPP_ENQUIRE_LINK, 0, i);
            expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, i);
        }
        stage_turn(&client);
        ck_assert_uint_eq(stage.later, 2);
    }
    expect(&client, SMPP_UNBIND, 0, client.session->unbind_sequence);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* ---- time ---- */

START_TEST(are_you_there)
{
    struct client client;
    bound(&client, _i == 0 ? SMPP_BIND_RECEIVER : SMPP_BIND_TRANSCEIVER);
    stage_advance(&client, 29 * CLOCK_SECOND);
    expect_silence(&client);
    stage_advance(&client, CLOCK_SECOND);
    expect(&client, SMPP_ENQUIRE_LINK, 0, 1);
    stage_advance(&client, 30 * CLOCK_SECOND);
    expect_silence(&client);
    say_header(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), 0, 1);
    /* For as long as it answers: who receives may have nothing to say for days. */
    for (uint32_t i = 2; i < 100; i++) {
        stage_advance(&client, 30 * CLOCK_SECOND);
        expect(&client, SMPP_ENQUIRE_LINK, 0, i);
        say_header(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), 0, i);
    }
    stage_advance(&client, 30 * CLOCK_SECOND);
    expect(&client, SMPP_ENQUIRE_LINK, 0, 100);
    stage_advance(&client, 60 * CLOCK_SECOND);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* A transmitter that transmits nothing has no use for its bind. */
START_TEST(idle_transmitter)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_submit(&client, 2, "33612345678");
    for (int i = 0; i < 20; i++) { /* while it waits for us it is not idle */
        stage_advance(&client, 29 * CLOCK_SECOND);
        say_header(&client, SMPP_ENQUIRE_LINK, 0, 3);
        expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 3);
    }
    stage_reply(0, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    expect_id(&client, SMPP_SUBMIT_SM, 2, stage.staged[0].ref);
    for (int i = 0; i < 10; i++) {
        stage_advance(&client, 29 * CLOCK_SECOND);
        say_header(&client, SMPP_ENQUIRE_LINK, 0, 3);
        expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 3);
    }
    stage_advance(&client, 10 * CLOCK_SECOND);
    expect(&client, SMPP_UNBIND, 0, 1);
    say_submit(&client, 4, "33612345678");
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RSYSERR, 4);
    say_header(&client, SMPP_RESP(SMPP_UNBIND), 0, 1);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* ---- a peer that does not read ---- */

START_TEST(deaf_client)
{
    static uint8_t ask[SMPP_HEADER_BYTES * 4096];
    struct client client;
    size_t length = 0;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    say_submit(&client, 2, "33612345678");
    client.deaf = true;
    while (length < sizeof(ask))
        length += smpp_header_write(ask + length, sizeof(ask) - length, SMPP_ENQUIRE_LINK, 0, 7);
    size_t sent = 0;
    for (int i = 0; i < 64; i++) {
        ssize_t n = send(client.fd, ask, sizeof(ask), MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        for (int j = 0; j < 20; j++)
            stage_turn(&client);
    }
    /* More than the sockets hold was answered, and then no more was read. */
    ck_assert(esme_stalled(client.session));
    size_t output = evbuffer_get_length(connection_output(client.session->connection));
    size_t input = evbuffer_get_length(connection_input(client.session->connection));
    ck_assert_uint_lt(output, ESME_OUTPUT_HIGH + SMPP_PDU_MAX);
    ck_assert_uint_lt(input, 2 * SMPP_PDU_MAX);
    ck_assert(!connection_reads(client.session->connection));
    /* Nothing is delivered to it either. */
    stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    ck_assert_uint_eq(stage.later, 1);
    if (_i < 2) { /* it reads on: all is answered */
        /* Also if there is something to say while it has read a part. */
        struct evbuffer *unread = connection_output(client.session->connection);
        char chunk[8192];
        ssize_t got = 0;
        while (_i == 1 && evbuffer_get_length(unread) > ESME_OUTPUT_HIGH / 2) {
            got = recv(client.fd, chunk, sizeof(chunk), 0);
            ck_assert_int_gt(got, 0);
            strbuf_add(&client.in, chunk, (size_t)got);
            loop_turn(stage.loop);
        }
        if (_i == 1)
            stage_reply(0, SMS_END_ACCEPTED, 0);
        client.deaf = false;
        for (int i = 0; i < 2000 && client.in.length < sent + 100; i++)
            stage_turn(&client);
        struct smpp_header header;
        size_t answers = 0;
        while (client_next(&client, &header) != NULL)
            answers += header.command == SMPP_RESP(SMPP_ENQUIRE_LINK);
        ck_assert_uint_eq(answers, sent / SMPP_HEADER_BYTES);
        ck_assert(!esme_stalled(client.session));
        if (_i == 0) {
            stage_reply(0, SMS_END_ACCEPTED, 0);
            stage_turn(&client);
            expect_id(&client, SMPP_SUBMIT_SM, 2, stage.staged[0].ref);
        }
        stage_advance(&client, 29 * CLOCK_SECOND);
        ck_assert(!client.ended);
    } else {
        stage_reply(0, SMS_END_ACCEPTED, 0);
        stage_advance(&client, 60 * CLOCK_SECOND);
        ck_assert_uint_eq(atomic_load(&stage.gate.sessions), 0);
        ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_SLOW].count), 1);
    }
    client_free(&client);
    expect_nobody();
}
END_TEST

Suite *deliver_suite(void)
{
    Suite *suite = suite_create("deliver");
    TCase *cases = tcase_create("deliver");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    tcase_add_loop_test(cases, reports_are_delivered, 0, 2);
    tcase_add_test(cases, an_older_client_gets_no_tlvs);
    tcase_add_loop_test(cases, messages_are_delivered, 0, 5);
    tcase_add_test(cases, what_no_pdu_carries);
    tcase_add_test(cases, not_taken_comes_again);
    tcase_add_test(cases, so_many_deliveries);
    tcase_add_test(cases, nobody_to_deliver_to);
    tcase_add_loop_test(cases, draining_waits_for_deliveries, 0, 2);
    tcase_add_loop_test(cases, are_you_there, 0, 2);
    tcase_add_test(cases, idle_transmitter);
    tcase_add_loop_test(cases, deaf_client, 0, 3);
    suite_add_tcase(suite, cases);
    return suite;
}
