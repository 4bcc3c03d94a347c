/* SPDX-License-Identifier: Apache-2.0 */
/* What the program says of a journal: the log, and whether it holds. */
#include "store/journal.h"
#include "tests/unit/test_cli_run_stage.h"

#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(test_journal)
{
    make_gateway();
    expect(0, "log");
    ck_assert_str_eq(out.data, "(none)\n");
    expect(0, "log~--format~json~--recipient~jeanne@example.org~--verdict~block~--limit~3");
    ck_assert_uint_eq(out.length, 0);
    expect(0, "log~--format~csv");
    ck_has(&out, "id,at,gateway,session,partner,stream,account,channel,purpose,recipient,"
                 "recipient_key,verdict,reason,effect,mode,policy,event,provider,outcome,"
                 "provider_reply,queue_id,size,hash,list\r\n");
    expect(0, "verify");
    ck_has(&out, "journal holds: ");
    expect(0, "verify~--format~json");
    ck_has(&out, "{\"holds\":true,");
    remove_folder();
}
END_TEST

/* jeanne as the gateway keys and masks her. */
static void make_recipient(struct recipient *recipient)
{
    struct strbuf text = {0};
    struct address address;
    uint8_t key[RECIPIENT_KEY_BYTES];
    slurp("gate/keys/recipient.key", &text);
    ck_assert(hex_decode(text.data, 64, key, sizeof(key)));
    strbuf_free(&text);
    struct hmac *hmac = hmac_new(key, sizeof(key));
    ck_assert_int_eq(address_parse("jeanne@example.org", "FR", &address, NULL), RESULT_OK);
    ck_assert_int_eq(recipient_make(hmac, &address, recipient, NULL), RESULT_OK);
    hmac_free(&hmac);
}

/* Two decisions as the gateway writes them: one blocked, then one passed and accepted. */
static void write_journal(void)
{
    struct recipient recipient;
    struct signing_key *key = NULL;
    struct journal *journal = NULL;
    char *directory = path_of("gate/state/journal");
    char *key_path = path_of("gate/keys/journal.key");
    make_recipient(&recipient);
    ck_assert_int_eq(signing_key_load_private(key_path, &key, NULL), RESULT_OK);
    struct journal_options options = {.directory = directory,
                                      .gateway = "gate.example",
                                      .key = key,
                                      .segment_size = 1 << 20,
                                      .checkpoint_every = 60 * CLOCK_SECOND};
    ck_assert_int_eq(journal_open(&options, &journal, NULL), RESULT_OK);
    struct decision decision = {.id = "01KB3ZQ5M8-000001",
                                .gateway = "gate.example",
                                .session = "s1",
                                .partner = "acme",
                                .stream = "news",
                                .account = "acme-local",
                                .channel = CHANNEL_EMAIL,
                                .verdict = VERDICT_BLOCK,
                                .reason = REASON_NO_CONSENT,
                                .effect = EFFECT_REFUSED,
                                .policy = "0123456789ab"};
    struct outcome_row outcome = {.id = "01KB3ZQ5M8-000002",
                                  .outcome = OUTCOME_ACCEPTED,
                                  .effect = EFFECT_PASSED,
                                  .provider = "trial",
                                  .provider_reply = "250 2.0.0 taken, thanks",
                                  .queue_id = "Q1",
                                  .size = 1234};
    ck_assert(clock_parse("2026-05-31T23:00:00Z", 20, &decision.at));
    struct journal_batch *batch = journal_batch_new();
    ck_assert(journal_batch_decision(batch, &decision));
    decision.id = outcome.id;
    decision.at = outcome.at = decision.at + 2 * 3600 * CLOCK_SECOND;
    decision.recipient = &recipient;
    decision.verdict = VERDICT_PASS;
    decision.reason = REASON_CONSENT;
    decision.effect = EFFECT_PASSED;
    decision.event = 17;
    ck_assert(journal_batch_decision(batch, &decision));
    ck_assert(journal_batch_outcome(batch, &outcome));
    journal_append(journal, batch, NULL, NULL, NULL);
    journal_close(&journal);
    signing_key_free(&key);
    free(directory);
    free(key_path);
}

static void expect_lines(size_t lines, const char *words)
{
    size_t found = 0;
    expect(0, words);
    for (const char *at = out.data; (at = strchr(at, '\n')) != NULL; at++)
        found++;
    ck_assert_msg(found == lines, "%s: %zu lines, not %zu:\n%s", words, found, lines, out.data);
}

START_TEST(test_log)
{
    make_gateway();
    write_journal();
    expect_lines(2, "log~--format~json");
    json_t *newest = json_loads(out.data, JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_msg(newest != NULL, "not JSON: %s", out.data);
    json_t *wanted =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, "
                  "s:i, s:s, s:s, s:s, s:s, s:i}",
                  "id", "01KB3ZQ5M8-000002", "at", "2026-06-01T01:00:00.000000Z", "gateway",
                  "gate.example", "session", "s1", "partner", "acme", "stream", "news", "account",
                  "acme-local", "channel", "email", "purpose", "receipt", "recipient",
                  "j\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2@example.org", "verdict", "pass", "reason",
                  "CONSENT", "effect", "passed", "mode", "enforce", "policy", "0123456789ab",
                  "event", 17, "provider", "trial", "outcome", "accepted", "provider_reply",
                  "250 2.0.0 taken, thanks", "queue_id", "Q1", "size", 1234);
    const char *name;
    json_t *value;
    json_object_foreach(wanted, name, value) ck_assert_msg(
        json_equal(value, json_object_get(newest, name)), "%s is wrong in %s", name, out.data);
    ck_assert_uint_eq(json_string_length(json_object_get(newest, "recipient_key")), 64);
    ck_assert_uint_eq(json_string_length(json_object_get(newest, "hash")), 64);
    ck_assert_uint_eq(json_object_size(newest), 24);
    json_decref(newest);
    json_decref(wanted);
    expect_lines(1, "log~--format~json~--limit~1");
    ck_has(&out, "\"id\":\"01KB3ZQ5M8-000002\"");
    expect_lines(1, "log~--format~json~--ref~01KB3ZQ5M8-000002");
    ck_has(&out, "\"id\":\"01KB3ZQ5M8-000002\"");
    expect_lines(0, "log~--format~json~--ref~01KB3ZQ5M8-00000");
    expect_lines(1, "log~--format~json~--verdict~block");
    ck_has(&out, "\"recipient\":null,");
    ck_has(&out, "\"outcome\":null,");
    ck_has(&out, "\"size\":null,");
    expect_lines(1, "log~--format~json~--recipient~Jeanne@EXAMPLE.org");
    expect_lines(0, "log~--format~json~--recipient~paul@example.org");
    expect_lines(1, "log~--format~json~--since~2026-06-01");
    expect_lines(1, "log~--format~json~--until~2026-05-31");
    ck_has(&out, "NO_CONSENT");
    expect_lines(2, "log~--format~json~--until~2026-06-01");
    expect_lines(0, "log~--format~json~--partner~beta");
    expect_lines(0, "log~--format~json~--channel~sms");
    expect_lines(1, "log~--format~json~--reason~CONSENT");
    expect_lines(3, "log");
    ck_has(&out, "2026-06-01T01:00:00Z  pass     CONSENT");
    expect(0, "log~--format~csv");
    ck_has(&out, ",\"250 2.0.0 taken, thanks\",Q1,1234,");
    expect(0, "verify");
    remove_folder();
}
END_TEST

/* One byte of the first record is changed: verify names row 1. */
START_TEST(test_flipped_byte)
{
    make_gateway();
    glob_t found;
    char *pattern = path_of("gate/state/journal/*.seg");
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    FILE *segment = fopen(found.gl_pathv[0], "r+");
    ck_assert_ptr_nonnull(segment);
    long offset = 64 + 1 + 32 + 1 + 2; /* hash, salt, then a letter of the record's first key */
    ck_assert_int_eq(fseek(segment, offset, SEEK_SET), 0);
    int byte = fgetc(segment);
    ck_assert_int_ge(byte, 0);
    ck_assert_int_eq(fseek(segment, offset, SEEK_SET), 0);
    fputc(byte ^ 1, segment);
    fclose(segment);
    globfree(&found);
    free(pattern);
    expect(1, "verify");
    ck_has(&out, "does not hold: row 1");
    expect(1, "verify~--format~json");
    ck_has(&out, "{\"holds\":false,");
    remove_folder();
}
END_TEST

Suite *cli_journal_suite(void)
{
    const TTest *const tests[] = {test_journal, test_log, test_flipped_byte, NULL};
    return unit_suite("cli journal", tests);
}
