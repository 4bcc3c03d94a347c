/* SPDX-License-Identifier: Apache-2.0 */
/* The parts beside the wire: the reply parser, the capabilities file, the capture adapter. */
#include "adapters/internal.h"
#include "adapters/smtp/reply.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((weak)) struct config *config_ref(struct config *config)
{
    return config;
}
__attribute__((weak)) void config_unref(struct config **config)
{
    *config = NULL;
}

/* ---- replies ---- */

static const struct {
    const char *bytes;
    enum reply_status status;
    int code;
    const char *text;
} replies[] = {
    {"250 2.0.0 Ok\r\n", REPLY_DONE, 250, "2.0.0 Ok"},
    {"250\r\n", REPLY_DONE, 250, ""},
    {"250-a\r\n250 b\r\n", REPLY_DONE, 250, "a\nb"},
    {"250-a\r\n250\r\n", REPLY_DONE, 250, "a\n"},
    {"599 x\r\n", REPLY_DONE, 599, "x"},
    {"550 caf\xc3\xa9 \x01\xff\tz\r\n", REPLY_DONE, 550, "caf\xc3\xa9 ?? z"},
    {"550 \xc2\x9b\x1b[0m\r\n", REPLY_DONE, 550, "??[0m"},
    {"250 a\rb\r\n", REPLY_DONE, 250, "a?b"},
    {"250 unfinished", REPLY_MORE, 0, ""},
    {"250-a\r\n", REPLY_MORE, 250, "a"},
    {"250-a\r\n250 b\r", REPLY_MORE, 250, "a"},
    {"250 a\n", REPLY_GARBAGE, 0, NULL},
    {"\r\n", REPLY_GARBAGE, 0, NULL},
    {"25\r\n", REPLY_GARBAGE, 0, NULL},
    {"2500 a\r\n", REPLY_GARBAGE, 0, NULL},
    {"250+a\r\n", REPLY_GARBAGE, 0, NULL},
    {" 250 a\r\n", REPLY_GARBAGE, 0, NULL},
    {"199 a\r\n", REPLY_GARBAGE, 0, NULL},
    {"600 a\r\n", REPLY_GARBAGE, 0, NULL},
    {"+25 a\r\n", REPLY_GARBAGE, 0, NULL},
    {"250-a\r\n251 b\r\n", REPLY_GARBAGE, 0, NULL},
    {"250-a\r\n\r\n250 b\r\n", REPLY_GARBAGE, 0, NULL},
};

/* Whole, and byte by byte: the same. */
START_TEST(replies_are_read_strictly)
{
    for (unsigned by_byte = 0; by_byte < 2; by_byte++) {
        struct evbuffer *input = evbuffer_new();
        struct reply_parser parser;
        const char *bytes = replies[_i].bytes;
        enum reply_status status = REPLY_MORE;
        reply_reset(&parser);
        for (size_t i = 0; i < strlen(bytes) && status == REPLY_MORE; i++) {
            evbuffer_add(input, bytes + i, by_byte ? 1 : strlen(bytes));
            status = reply_parse(&parser, input, NULL, NULL);
            if (!by_byte)
                break;
        }
        ck_assert_int_eq(status, replies[_i].status);
        if (status == REPLY_DONE)
            ck_assert_int_eq(parser.reply.code, replies[_i].code);
        if (replies[_i].text != NULL)
            ck_assert_str_eq(parser.reply.text, replies[_i].text);
        evbuffer_free(input);
    }
}
END_TEST

START_TEST(replies_have_caps)
{
    struct evbuffer *input = evbuffer_new();
    struct reply_parser parser;
    char line[REPLY_LINE_MAX + 1];
    memset(line, 'a', sizeof(line));
    memcpy(line, "250 ", 4);
    reply_reset(&parser);
    /* A line of the greatest length is taken, its text cut; one more is too long. */
    evbuffer_add(input, line, REPLY_LINE_MAX - 2);
    ck_assert_int_eq(reply_parse(&parser, input, NULL, NULL), REPLY_MORE);
    evbuffer_add(input, "\r\n", 2);
    ck_assert_int_eq(reply_parse(&parser, input, NULL, NULL), REPLY_DONE);
    ck_assert_uint_eq(strlen(parser.reply.text), REPLY_TEXT_MAX - 1);
    evbuffer_add(input, line, REPLY_LINE_MAX);
    ck_assert_int_eq(reply_parse(&parser, input, NULL, NULL), REPLY_GARBAGE);
    evbuffer_drain(input, evbuffer_get_length(input));
    /* Nor may there be lines without end. */
    reply_reset(&parser);
    enum reply_status status = REPLY_MORE;
    size_t total = 0;
    while (status == REPLY_MORE && total < 10 * REPLY_TOTAL_MAX) {
        evbuffer_add(input, "250-x\r\n", 7);
        total += 7;
        status = reply_parse(&parser, input, NULL, NULL);
    }
    ck_assert_int_eq(status, REPLY_GARBAGE);
    ck_assert_uint_le(total, REPLY_TOTAL_MAX + 7);
    evbuffer_free(input);
}
END_TEST

START_TEST(two_replies_stay_two)
{
    struct evbuffer *input = evbuffer_new();
    struct reply_parser parser;
    reply_reset(&parser);
    evbuffer_add_printf(input, "250 a\r\n550 b\r\n");
    ck_assert_int_eq(reply_parse(&parser, input, NULL, NULL), REPLY_DONE);
    ck_assert_str_eq(parser.reply.text, "a");
    ck_assert_int_eq(reply_parse(&parser, input, NULL, NULL), REPLY_DONE);
    ck_assert_int_eq(parser.reply.code, 550);
    ck_assert_str_eq(parser.reply.text, "b");
    evbuffer_free(input);
}
END_TEST

START_TEST(queue_ids_are_found)
{
    static const char *const ids[][2] = {
        {"2.0.0 Ok: queued as 4XyZ123", "4XyZ123"},
        {"2.0.0 Ok: Queued As 4XyZ123.", "4XyZ123"},
        {"OK id=1rABcd-0002Xy-1Q", "1rABcd-0002Xy-1Q"},
        {"2.0.0 ok 0102018f-aa", "0102018f-aa"},
        {"Ok 1718 qp 42", "1718"},
        {"2.0.0 Ok", NULL},
        {"ok queued", NULL},
        {"queued as <a1@example.org>", NULL},
        {"thank you", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct mail_reply reply;
        char id[QUEUE_ID_MAX];
        reply_format(&reply, 250, "%s", ids[i][0]);
        ck_assert_int_eq(reply_queue_id(&reply, id), ids[i][1] != NULL);
        if (ids[i][1] != NULL)
            ck_assert_str_eq(id, ids[i][1]);
    }
}
END_TEST

/* ---- the capabilities file ---- */

START_TEST(capabilities_are_believed_only_whole)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"endpoint\":\"a:1\",\"capabilities\":[],\"max_size\":-1}",
                                      "{\"endpoint\":\"a:1\",\"max_size\":1}"};
    char path[] = "/tmp/octroi-capabilities-XXXXXX";
    struct capabilities in = {CAPABILITY_KNOWN | CAPABILITY_SIZE | CAPABILITY_8BITMIME, 77}, out;
    struct error err;
    close(mkstemp(path));
    ck_assert_int_eq(capabilities_save(path, "a:1", &in, &err), RESULT_OK);
    ck_assert_int_eq(capabilities_load(path, "a:1", &out, &err), RESULT_OK);
    ck_assert_uint_eq(out.bits, in.bits);
    ck_assert_uint_eq(out.max_size, 77);
    ck_assert_int_eq(capabilities_load(path, "b:1", &out, &err), RESULT_NOT_FOUND);
    ck_assert_uint_eq(out.bits, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(file_replace(path, 0600, bad[i], strlen(bad[i]), &err), RESULT_OK);
        ck_assert_int_eq(capabilities_load(path, "a:1", &out, &err), RESULT_DAMAGED);
        ck_assert_uint_eq(out.bits, 0);
    }
    unlink(path);
}
END_TEST

/* ---- capture ---- */

struct trial {
    char folder[64];
    struct config config;
    struct provider_config provider_config;
    struct loop *loop;
    struct provider *provider;
    struct mail_transaction *transaction;
    unsigned taken, refused;
    enum outcome outcome;
    int code;
    char queue_id[128];
};

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct trial *trial = arg;
    ck_assert_uint_eq(index, trial->taken + trial->refused);
    if (reply->code == 250)
        trial->taken++;
    else
        trial->refused++;
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    (void)arg;
    ck_abort_msg("content refused: %d", reply->code);
}

static void on_drained(void *arg)
{
    (void)arg;
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    struct trial *trial = arg;
    trial->transaction = NULL; /* it ends with this call */
    trial->outcome = outcome;
    trial->code = reply->code;
    if (queue_id != NULL)
        str_copy(trial->queue_id, sizeof(trial->queue_id), queue_id);
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    (void)arg;
    (void)nothing_said;
    ck_abort_msg("failed: %s", why->text);
}

static const struct mail_handler handler = {on_recipient, on_content_refused, on_drained,
                                            on_finished, on_failed};

static void trial_begin(struct trial *trial, unsigned recipients)
{
    struct mail_envelope envelope = {
        .sender = "a@example.org", .eight_bit = true, .ret = "", .envid = ""};
    struct error err;
    log_set_level(LOG_LEVEL_ERROR);
    memset(trial, 0, sizeof(*trial));
    snprintf(trial->folder, sizeof(trial->folder), "/tmp/octroi-capture-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(trial->folder));
    trial->config.hostname = "gate";
    trial->config.state_dir = trial->folder;
    trial->provider_config = (struct provider_config){
        .name = "trial", .adapter = ADAPTER_CAPTURE, .directory = trial->folder};
    ck_assert_int_eq(loop_new(0, &trial->loop, &err), RESULT_OK);
    ck_assert_int_eq(provider_new(&trial->provider_config, &trial->config, &trial->loop, 1,
                                  &trial->provider, &err),
                     RESULT_OK);
    trial->transaction = mail_begin(trial->provider, trial->loop, &envelope, &handler, trial, &err);
    ck_assert_ptr_nonnull(trial->transaction);
    for (unsigned i = 0; i < recipients; i++) {
        char address[40];
        snprintf(address, sizeof(address), "r%u@example.net", i);
        mail_recipient(trial->transaction, i, &(struct mail_rcpt){address, "", ""});
        ck_assert_uint_eq(trial->taken + trial->refused, 0);
    }
    loop_turn(trial->loop);
    ck_assert_uint_eq(trial->taken + trial->refused, recipients);
}

static void give(struct trial *trial, const char *bytes, size_t length)
{
    struct evbuffer *content = evbuffer_new();
    evbuffer_add(content, bytes, length);
    mail_content(trial->transaction, content);
    ck_assert_uint_eq(evbuffer_get_length(content), 0);
    evbuffer_free(content);
}

static void turn_until_finished(struct trial *trial)
{
    mail_finish(trial->transaction);
    ck_assert_int_eq(trial->outcome, OUTCOME_NONE);
    /* Helper threads write and sync. */
    int64_t guard = clock_monotonic() + 30 * CLOCK_SECOND;
    while (trial->outcome == OUTCOME_NONE && clock_monotonic() < guard) {
        loop_turn(trial->loop);
        usleep(200);
    }
}

static unsigned count_files(const struct trial *trial, const char *name, bool remove)
{
    char *path = file_join(trial->folder, name);
    DIR *folder = opendir(path);
    unsigned count = 0;
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        char *file = file_join(path, entry->d_name);
        if (remove)
            unlink(file);
        free(file);
    }
    if (folder != NULL)
        closedir(folder);
    if (remove)
        rmdir(path);
    free(path);
    return count;
}

static void trial_end(struct trial *trial)
{
    provider_unref(&trial->provider);
    loop_free(&trial->loop);
    static const char *const folders[] = {"tmp", "new", "cur", "providers"};
    for (unsigned i = 0; i < 4; i++)
        count_files(trial, folders[i], true);
    ck_assert_int_eq(rmdir(trial->folder), 0);
}

#define ENVELOPE "Return-Path: <a@example.org>\r\nX-Octroi-Recipient: <r0@example.net>\r\n"

static const char *const contents[][2] = {
    {"Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n"},
    {"..\r\n", ".\r\n"},
    {"..a\r\n...b\r\n.c\r\n", ".a\r\n..b\r\nc\r\n"},
    {"a.\r\n.. .\r\n\r\n..\r\n", "a.\r\n. .\r\n\r\n.\r\n"},
    {"a..b\r\n", "a..b\r\n"},
    {"", ""},
    {"\xff\xfe\r\n", "\xff\xfe\r\n"},
};

/* In one piece, and byte by byte. */
START_TEST(capture_keeps_the_bytes)
{
    for (unsigned by_byte = 0; by_byte < 2; by_byte++) {
        struct trial trial;
        const char *wire = contents[_i][0];
        trial_begin(&trial, 1);
        for (size_t i = 0; i < strlen(wire); i += by_byte ? 1 : strlen(wire))
            give(&trial, wire + i, by_byte ? 1 : strlen(wire));
        turn_until_finished(&trial);
        ck_assert_int_eq(trial.outcome, OUTCOME_ACCEPTED);
        ck_assert_int_eq(trial.code, 250);
        char path[300];
        struct strbuf seen = {0};
        struct error err;
        snprintf(path, sizeof(path), "%s/new/%s", trial.folder, trial.queue_id);
        ck_assert_int_eq(file_read(path, 65536, &seen, &err), RESULT_OK);
        ck_assert_uint_eq(seen.length, strlen(ENVELOPE) + strlen(contents[_i][1]));
        ck_assert_int_eq(memcmp(seen.data, ENVELOPE, strlen(ENVELOPE)), 0);
        ck_assert_str_eq(seen.data + strlen(ENVELOPE), contents[_i][1]);
        strbuf_free(&seen);
        ck_assert_uint_eq(count_files(&trial, "tmp", false), 0);
        trial_end(&trial);
    }
}
END_TEST

START_TEST(capture_takes_a_hundred_recipients)
{
    struct trial trial;
    struct capabilities capabilities;
    trial_begin(&trial, 102);
    ck_assert_uint_eq(trial.taken, 100);
    ck_assert_uint_eq(trial.refused, 2);
    ck_assert_uint_eq(provider_max_recipients(trial.provider), 100);
    provider_capabilities(trial.provider, &capabilities);
    ck_assert_uint_eq(capabilities.bits & (CAPABILITY_KNOWN | CAPABILITY_8BITMIME),
                      CAPABILITY_KNOWN | CAPABILITY_8BITMIME);
    give(&trial, "x\r\n", 3);
    turn_until_finished(&trial);
    ck_assert_int_eq(trial.outcome, OUTCOME_ACCEPTED);
    trial_end(&trial);
}
END_TEST

START_TEST(capture_aborted_leaves_nothing)
{
    struct trial trial;
    trial_begin(&trial, 1);
    give(&trial, "x\r\n", 3);
    /* Whether before it was complete, before a helper has it, or while one has it. */
    if (_i > 0)
        mail_finish(trial.transaction);
    if (_i > 1)
        loop_turn(trial.loop);
    mail_abort(&trial.transaction);
    provider_unref(&trial.provider); /* the transaction's own reference is the last */
    for (unsigned i = 0; i < 10; i++)
        loop_turn(trial.loop);
    ck_assert_int_eq(trial.outcome, OUTCOME_NONE);
    ck_assert_uint_eq(count_files(&trial, "tmp", false), 0);
    ck_assert_uint_eq(count_files(&trial, "new", false), 0);
    trial_end(&trial);
}
END_TEST

/* Without its folder nothing can be stored, so nothing is accepted. */
START_TEST(capture_that_cannot_store_refuses)
{
    struct trial trial;
    trial_begin(&trial, 1);
    if (_i == 0)
        count_files(&trial, "tmp", true);
    give(&trial, "x\r\n", 3);
    if (_i == 1)
        count_files(&trial, "new", true);
    turn_until_finished(&trial);
    ck_assert_int_eq(trial.outcome, OUTCOME_REFUSED);
    ck_assert_int_eq(trial.code, 451);
    for (unsigned i = 0; i < 3; i++)
        loop_turn(trial.loop);
    ck_assert_uint_eq(count_files(&trial, "tmp", false), 0);
    trial_end(&trial);
}
END_TEST

#define ROWS(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
    const TTest *const tests[] = {replies_have_caps,
                                  two_replies_stay_two,
                                  queue_ids_are_found,
                                  capabilities_are_believed_only_whole,
                                  capture_takes_a_hundred_recipients,
                                  NULL};
    Suite *parts = unit_suite("adapters", tests);
    TCase *tables = tcase_create("tables");
    tcase_add_loop_test(tables, replies_are_read_strictly, 0, ROWS(replies));
    tcase_add_loop_test(tables, capture_keeps_the_bytes, 0, ROWS(contents));
    tcase_add_loop_test(tables, capture_aborted_leaves_nothing, 0, 3);
    tcase_add_loop_test(tables, capture_that_cannot_store_refuses, 0, 2);
    suite_add_tcase(parts, tables);
    Suite *const suites[] = {parts, NULL};
    return unit_run(suites);
}
