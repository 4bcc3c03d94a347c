/* SPDX-License-Identifier: Apache-2.0 */
/* The SMPP client, and the trial provider, when the gateway ends at once: every message is answered
 * once, wherever it lives, and the provider goes. And the client when there is no room, and no
 * memory. */
#include "tests/unit/test_adapters_smsc.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct smpp_stage stage;

/* adapter.c's calls only: the first so many fail for want of memory. */
static unsigned links_failing;
struct smpp_link;
struct smpp_port;
struct smpp_link *__real_smpp_link_new(struct smpp_port *port, uint32_t command);
struct smpp_link *__wrap_smpp_link_new(struct smpp_port *port, uint32_t command);
struct smpp_link *__wrap_smpp_link_new(struct smpp_port *port, uint32_t command)
{
    if (links_failing == 0)
        return __real_smpp_link_new(port, command);
    links_failing--;
    return NULL;
}

static bool are_quiet(void)
{
    for (unsigned i = 0; i < stage.n_loops; i++)
        if (!loop_is_quiet(stage.loops[i]))
            return false;
    return true;
}

/* Few rounds: nothing has to be waited for. */
static void come_to_rest(void)
{
    unsigned rounds = 0;
    do {
        smpp_stage_turn(&stage);
        ck_assert_uint_lt(++rounds, 20);
    } while (!are_quiet());
}

/* All ports close before any loop is freed. */
static void expect_the_end(void)
{
    struct provider *provider = stage.provider;
    stage.provider = NULL;
    provider_unref(&provider);
    come_to_rest();
    for (unsigned i = 0; i < stage.smsc.n_links; i++)
        WAIT_UNTIL(&stage, stage.smsc.links[i].left);
    smpp_stage_end(&stage);
}

static unsigned count(const struct sent *sent, unsigned n, enum outcome outcome)
{
    unsigned found = 0;
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_le(sent[i].answers, 1);
        found += sent[i].answers == 1 && sent[i].outcome == outcome ? 1 : 0;
    }
    return found;
}

/* ---- the end ---- */

/* All are loop 0's; two are out on its bind, two on loop 1's, three wait, and one is on its way. */
START_TEST(abandoned)
{
    struct sent sent[9];
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 2;
    stage.provider_config.window = 2;
    smpp_stage_serve(&stage);
    (void)smsc_bound(&stage, 2);
    for (int i = 0; i < 7; i++)
        send_text(&stage, &sent[i], "hello");
    WAIT_UNTIL(&stage, stage.smsc.links[0].n_pdus + stage.smsc.links[1].n_pdus == 4);
    send_text(&stage, &sent[7], "on its way");
    sms_abandon(stage.provider, stage.loops[0]);
    ck_assert_uint_ge(count(sent, 8, OUTCOME_UNKNOWN), 2); /* loop 0's own: at once */
    ck_assert_uint_lt(count(sent, 8, OUTCOME_UNKNOWN), 4);
    sms_abandon(stage.provider, stage.loops[1]); /* every lane says so */
    come_to_rest();
    ck_assert_uint_eq(count(sent, 8, OUTCOME_UNKNOWN), 4);
    ck_assert_uint_eq(count(sent, 8, OUTCOME_NONE), 4);
    send_text(&stage, &sent[8], "too late");
    come_to_rest();
    ck_assert_uint_eq(sent[8].answers, 1);
    ck_assert_int_eq(sent[8].outcome, OUTCOME_NONE);
    smpp_stage_idle(&stage, 20 * MILLISECONDS);
    ck_assert_uint_eq(stage.smsc.n_links, 2); /* and is not bound again */
    expect_the_end();
}
END_TEST

/* Of those the socket never saw nothing leaves any more. */
START_TEST(abandoned_unsaid)
{
    enum { MESSAGES = 60, SIZE = 60000 };
    static uint8_t body[SIZE];
    static struct sent sent[MESSAGES];
    const struct sms_raw raw = {.body = {body, SIZE}, .payload = true};
    smpp_stage_begin(&stage);
    stage.provider_config.window = MESSAGES;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    link->deaf = true;
    for (int i = 0; i < MESSAGES; i++)
        send_raw(&stage, &sent[i], &raw, false);
    smpp_stage_idle(&stage, 50 * MILLISECONDS);
    sms_abandon(stage.provider, stage.loops[0]);
    unsigned unknown = count(sent, MESSAGES, OUTCOME_UNKNOWN);
    unsigned none = count(sent, MESSAGES, OUTCOME_NONE);
    ck_assert_uint_eq(unknown + none, MESSAGES);
    ck_assert_uint_gt(unknown, 0);
    ck_assert_uint_gt(none, 0);
    link->deaf = false;
    WAIT_UNTIL(&stage, link->left);
    ck_assert_uint_le(link->n_pdus, unknown);
    expect_the_end();
}
END_TEST

static void on_finding(void *arg, const struct provider_finding *finding)
{
    unsigned *ends = arg;
    if (finding->step == NULL) {
        ck_assert(!finding->ok);
        (*ends)++;
    }
}

/* 0: it has not begun; 1: it waits for the answer to its bind. */
START_TEST(abandoned_trial)
{
    unsigned ends = 0;
    smpp_stage_begin(&stage);
    stage.smsc.binds_by_hand = true;
    stage.provider_config.binds = SMPP_BINDS_SEPARATE;
    smpp_stage_serve(&stage);
    struct provider *kept = provider_ref(stage.provider);
    provider_test(stage.provider, stage.loops[0], on_finding, &ends);
    if (_i == 1)
        WAIT_UNTIL(&stage, stage.smsc.n_binds == 3);
    sms_abandon(stage.provider, stage.loops[0]);
    come_to_rest();
    ck_assert_uint_eq(ends, 1);
    provider_unref(&kept);
    expect_the_end();
}
END_TEST

static void say_inbound(struct smsc_link *link)
{
    uint8_t bytes[300];
    struct smpp_message message = {.text = {(const uint8_t *)"hello", 5}};
    strcpy(message.source.text, "33612345678");
    strcpy(message.destination.text, "36105");
    size_t length = smpp_message_write(bytes, sizeof(bytes), SMPP_DELIVER_SM, 7, &message);
    ck_assert_uint_gt(length, 0);
    smsc_say(link, bytes, length);
}

/* The sink still has what came in: 0: the provider is dropped; 1: abandoned first. */
START_TEST(ends_with_inbound_open)
{
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.sink_log.keep = true;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    say_inbound(link);
    say_inbound(link);
    WAIT_UNTIL(&stage, stage.sink_log.n_kept == 2);
    if (_i == 1)
        sms_abandon(stage.provider, stage.loops[1]);
    struct provider *provider = stage.provider;
    stage.provider = NULL;
    provider_unref(&provider);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    sink_answer(&stage, 1, SMS_TAKE_LATER);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    sink_answer(&stage, 0, SMS_TAKE_LATER);
    come_to_rest();
    expect_the_end();
}
END_TEST

/* ---- the trial provider ---- */

static unsigned remove_captured(const char *directory)
{
    static const char *const names[] = {"sms", "tmp", "new", "cur"};
    char path[420];
    unsigned files = 0;
    snprintf(path, sizeof(path), "%s/sms", directory);
    DIR *folder = opendir(path);
    for (struct dirent *each; folder != NULL && (each = readdir(folder)) != NULL;) {
        if (each->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/sms/%s", directory, each->d_name);
        files += unlink(path) == 0 ? 1 : 0;
    }
    if (folder != NULL)
        closedir(folder);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        rmdir(path);
    }
    ck_assert_int_eq(rmdir(directory), 0);
    return files;
}

START_TEST(capture_abandoned)
{
    enum { MESSAGES = 200 };
    static struct sent sent[MESSAGES];
    char directory[120];
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    snprintf(directory, sizeof(directory), "%s/captured", stage.folder);
    stage.provider_config.adapter = ADAPTER_CAPTURE;
    stage.provider_config.directory = directory;
    smpp_stage_serve(&stage);
    const struct sms_message message = {
        .reference = "ref", .sender = "ACME", .to = "+33612345678", .text = "x"};
    for (unsigned i = 0; i < MESSAGES; i++)
        send_message(&stage, i % 2, &sent[i], &message);
    sms_abandon(stage.provider, stage.loops[0]);
    for (unsigned i = 0; i < MESSAGES; i += 2)
        ck_assert_uint_eq(sent[i].answers, 1);
    come_to_rest();
    unsigned taken = count(sent, MESSAGES, OUTCOME_ACCEPTED);
    unsigned none = count(sent, MESSAGES, OUTCOME_NONE);
    ck_assert_uint_eq(taken + none, MESSAGES);
    ck_assert_uint_gt(none, 0);
    struct provider *provider = stage.provider;
    stage.provider = NULL;
    provider_unref(&provider);
    come_to_rest();
    ck_assert_uint_eq(remove_captured(directory), taken);
    smpp_stage_end(&stage);
}
END_TEST

/* ---- no room, no memory ---- */

/* Both binds have a window, and neither reads: what waits is not passed to and fro for ever. */
START_TEST(full_binds)
{
    enum { MESSAGES = 250, SIZE = 60000 }; /* more than the kernel takes */
    static uint8_t body[SIZE];
    static struct sent sent[MESSAGES];
    const struct sms_raw raw = {.body = {body, SIZE}, .payload = true};
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 2;
    stage.provider_config.window = MESSAGES;
    stage.provider_config.connect_timeout = CLOCK_SECOND;
    stage.provider_config.reply_timeout = 2 * GUARD;
    smpp_stage_serve(&stage);
    (void)smsc_bound(&stage, 2);
    for (int i = 0; i < 2; i++)
        stage.smsc.links[i].deaf = true;
    for (int i = 0; i < MESSAGES; i++)
        send_raw(&stage, &sent[i], &raw, false);
    WAIT_UNTIL(&stage, sent[MESSAGES - 1].answers == 1); /* waited long enough */
    ck_assert_int_eq(sent[MESSAGES - 1].outcome, OUTCOME_NONE);
    ck_assert(are_quiet());
    /* Once it reads there is room again. */
    struct sent more;
    send_raw(&stage, &more, &raw, false);
    struct smsc_link *link = &stage.smsc.links[0];
    for (int i = 0; i < 2; i++)
        stage.smsc.links[i].deaf = false;
    for (int64_t guard = clock_monotonic() + GUARD; more.answers == 0;) {
        smpp_stage_turn(&stage);
        for (int i = 0; i < 2; i++)
            if (link[i].n_pdus > 0)
                smsc_serve_one(&stage, &link[i], SMPP_ROK, "1");
        ck_assert_int_lt(clock_monotonic(), guard);
    }
    ck_assert_int_eq(more.outcome, OUTCOME_ACCEPTED);
    sms_abandon(stage.provider, stage.loops[0]);
    come_to_rest();
    for (int i = 0; i < MESSAGES; i++)
        ck_assert_uint_eq(sent[i].answers, 1);
    expect_the_end();
}
END_TEST

/* Nobody sends: it is bound all the same, on every loop. */
START_TEST(links_made_later)
{
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 4;
    links_failing = 3;
    smpp_stage_serve(&stage);
    (void)smsc_bound(&stage, 4);
    ck_assert_uint_eq(links_failing, 0);
    smpp_stage_idle(&stage, 20 * MILLISECONDS);
    ck_assert_uint_eq(stage.smsc.n_links, 4);
    expect_the_end();
}
END_TEST

/* The provider goes while some are still to be made. */
START_TEST(links_never_made)
{
    struct sent sent;
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 4;
    stage.provider_config.connect_timeout = 20 * MILLISECONDS;
    links_failing = 1000;
    smpp_stage_serve(&stage);
    send_text(&stage, &sent, "hello"); /* tries them again, too */
    WAIT_UNTIL(&stage, sent.answers == 1);
    ck_assert_int_eq(sent.outcome, OUTCOME_NONE);
    expect_the_end();
}
END_TEST

/* ---- what is said ---- */

/* A sender id that the gate chose for a partner of SMPP. */
START_TEST(sender_without_plus)
{
    static const uint8_t body[] = {'h', 'i'};
    const struct sms_raw raw = {.body = {body, sizeof(body)}};
    struct sms_message message = {.reference = "ref",
                                  .sender = "+33700000000",
                                  .sender_ton = SMPP_TON_INTERNATIONAL,
                                  .sender_npi = SMPP_NPI_E164,
                                  .to = "+33612345678",
                                  .raw = &raw};
    struct sent sent[2];
    struct smpp_message said;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_message(&stage, 0, &sent[0], &message);
    message.sender_ton = SMPP_TON_ALPHANUMERIC; /* then it is a character like others */
    send_message(&stage, 0, &sent[1], &message);
    for (int i = 0; i < 2; i++) {
        struct pdu *pdu = smsc_expect_submit(&stage, link, &said);
        ck_assert_str_eq(said.source.text, i == 0 ? "33700000000" : "+33700000000");
        smsc_answer(link, pdu, SMPP_ROK, "1");
        free(pdu);
    }
    WAIT_UNTIL(&stage, sent[0].answers + sent[1].answers == 2);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(one_report_for_all_parts)
{
    char text[401];
    struct sent sent;
    struct smpp_message said;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    const struct sms_message message = {.reference = "ref",
                                        .sender = "ACME",
                                        .sender_ton = SMPP_TON_ALPHANUMERIC,
                                        .to = "+33612345678",
                                        .text = text,
                                        .report = true};
    smpp_stage_begin(&stage);
    stage.provider_config.long_messages = LONG_SEGMENTS;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_message(&stage, 0, &sent, &message);
    for (int i = 0; i < 3; i++) {
        struct pdu *pdu = smsc_expect_submit(&stage, link, &said);
        ck_assert_uint_eq(said.registered, i == 0 ? 1 : 0);
        smsc_answer(link, pdu, SMPP_ROK, i == 0 ? "first" : "other");
        free(pdu);
    }
    WAIT_UNTIL(&stage, sent.answers == 1);
    ck_assert_str_eq(sent.id, "first");
    ck_assert_uint_eq(sent.parts, 3);
    smpp_stage_end(&stage);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {abandoned,           abandoned_unsaid,         capture_abandoned,
                                  full_binds,          links_made_later,         links_never_made,
                                  sender_without_plus, one_report_for_all_parts, NULL};
    Suite *suite = unit_suite("smpp end", tests);
    TCase *tables = tcase_create("tables");
    tcase_set_timeout(tables, UNIT_SECONDS);
    tcase_add_loop_test(tables, abandoned_trial, 0, 2);
    tcase_add_loop_test(tables, ends_with_inbound_open, 0, 2);
    suite_add_tcase(suite, tables);
    Suite *suites[] = {suite, NULL};
    return unit_run(suites);
}
