/* SPDX-License-Identifier: Apache-2.0 */
/* What the index knows of messages that were sent: by the provider's id, by whom they reached. */
#include "tests/unit/test_journal.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY_ONE (INT64_C(1795467277) * CLOCK_SECOND)

struct sent {
    const char *partner, *account, *provider, *queue_id; /* NULL: no outcome */
    enum channel channel;
    enum effect effect;
    int key, day, listed;
};

/* Returns the id, valid until the next but one. */
static const char *put(struct box *box, const struct sent *sent)
{
    static char ids[2][RECORD_ID];
    static unsigned turn;
    char *id = ids[++turn % 2];
    struct recipient recipient = {.masked = "+33 6 •• •• •• 78"};
    struct journal_batch *batch = journal_batch_new();
    memset(recipient.key, sent->key, sizeof(recipient.key));
    record_new_id(id);
    struct decision decision = {.id = id,
                                .at = DAY_ONE + sent->day * CLOCK_DAY,
                                .gateway = "gate.example",
                                .session = "s-1",
                                .partner = sent->partner,
                                .stream = "alerts",
                                .account = sent->account,
                                .channel = sent->channel,
                                .recipient = &recipient,
                                .reason = REASON_CONSENT,
                                .effect = sent->effect,
                                .policy = "3f2a",
                                .provider = sent->provider,
                                .list = sent->listed ? "00112233445566778899aabbccddeeff"
                                                       "00112233445566778899aabbccddeeff"
                                                     : NULL,
                                .row = sent->listed ? 1 : 0};
    must(batch != NULL && journal_batch_decision(batch, &decision));
    if (sent->queue_id != NULL) {
        struct outcome_row outcome = {.id = id,
                                      .at = decision.at,
                                      .outcome = OUTCOME_ACCEPTED,
                                      .effect = sent->effect,
                                      .queue_id = sent->queue_id,
                                      .size = 100,
                                      .report = sent->key == 2};
        must(journal_batch_outcome(batch, &outcome));
    }
    must(box_append(box, batch) == RESULT_OK);
    return id;
}

static struct journal_index *caught_up(struct box *box)
{
    struct journal_index *index = NULL;
    struct error err = {0};
    must(journal_index_open(box->index, box->directory, NULL, &index, &err) == RESULT_OK);
    must(journal_index_catch_up(index, 0, NULL, &err) == RESULT_OK);
    return index;
}

START_TEST(a_provider_id_names_its_message)
{
    struct box box;
    struct sent_message found;
    struct error err = {0};
    char first[RECORD_ID], newest[RECORD_ID], other[RECORD_ID];
    box_new(&box, 1 << 20);
    box_open(&box);
    struct sent sms = {"acme", "acme-sms", "agg", "0F3", CHANNEL_SMS, EFFECT_PASSED, 1, 0, false};
    str_copy(first, sizeof(first), put(&box, &sms));
    sms.day = 3; /* the id came round again */
    sms.account = "acme-two";
    str_copy(newest, sizeof(newest), put(&box, &sms));
    sms.day = 1;
    put(&box, &sms);
    sms.key = 2;
    str_copy(other, sizeof(other), put(&box, &sms));
    sms = (struct sent){"acme", "acme-news", "agg", "MAIL", CHANNEL_EMAIL, EFFECT_PASSED, 1, 0, 0};
    put(&box, &sms);
    struct journal_index *index = caught_up(&box);
    ck_assert_int_eq(journal_index_sent(index, "agg", "0F3", NULL, &found, &err), RESULT_OK);
    ck_assert_str_eq(found.id, newest);
    ck_assert_str_ne(found.id, first);
    ck_assert_str_eq(found.partner, "acme");
    ck_assert_str_eq(found.stream, "alerts");
    ck_assert_str_eq(found.account, "acme-two");
    ck_assert_int_eq(found.at, DAY_ONE + 3 * CLOCK_DAY);
    ck_assert(!found.report);
    /* Another provider's id of the same spelling, another spelling, a mail's queue id. */
    ck_assert_int_eq(journal_index_sent(index, "other", "0F3", NULL, &found, &err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(journal_index_sent(index, "agg", "0f3", NULL, &found, &err), RESULT_NOT_FOUND);
    ck_assert_int_eq(journal_index_sent(index, "agg", "MAIL", NULL, &found, &err),
                     RESULT_NOT_FOUND);
    /* The newest to that person, should the id have come round again for another. */
    uint8_t key[RECIPIENT_KEY_BYTES];
    memset(key, 1, sizeof(key));
    ck_assert_int_eq(journal_index_sent(index, "agg", "0F3", key, &found, &err), RESULT_OK);
    ck_assert_str_eq(found.id, newest);
    memset(key, 2, sizeof(key));
    ck_assert_int_eq(journal_index_sent(index, "agg", "0F3", key, &found, &err), RESULT_OK);
    ck_assert_str_eq(found.id, other);
    ck_assert(found.report);
    key[0] = 3;
    ck_assert_int_eq(journal_index_sent(index, "agg", "0F3", key, &found, &err), RESULT_NOT_FOUND);
    journal_index_close(&index);
    box_free(&box);
}
END_TEST

static bool add_name(void *arg, const char *partner)
{
    strbuf_add_format(arg, "%s ", partner);
    return true;
}

static void reached(struct journal_index *index, uint8_t first, const char *provider, int since,
                    const char *expected)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    struct strbuf names = {0};
    struct error err = {0};
    memset(key, first, sizeof(key));
    ck_assert_int_eq(journal_index_reached(index, key, provider, DAY_ONE + since * CLOCK_DAY,
                                           add_name, &names, &err),
                     RESULT_OK);
    ck_assert_str_eq(names.data != NULL ? names.data : "", expected);
    strbuf_free(&names);
}

START_TEST(who_wrote_to_a_number)
{
    static const struct sent all[] = {
        {"acme", "a", "agg", "1", CHANNEL_SMS, EFFECT_PASSED, 1, 0, false},
        {"acme", "a", "agg", "2", CHANNEL_SMS, EFFECT_PASSED, 1, 1, false},
        {"beta", "b", "agg", NULL, CHANNEL_SMS, EFFECT_PASSED, 1, 5, false}, /* outcome lost */
        {"gamma", "c", "other", "3", CHANNEL_SMS, EFFECT_PASSED, 1, 5, false},
        {"delta", "d", "agg", "4", CHANNEL_SMS, EFFECT_PASSED, 2, 5, false}, /* someone else */
        {"mail", "e", "agg", "5", CHANNEL_EMAIL, EFFECT_PASSED, 1, 5, false},
        {"blocked", "f", "agg", NULL, CHANNEL_SMS, EFFECT_REFUSED, 1, 5, false},
        {"list", "g", "agg", NULL, CHANNEL_SMS, EFFECT_PASSED, 1, 5, true},
    };
    struct box box;
    box_new(&box, 1 << 20);
    box_open(&box);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        put(&box, &all[i]);
    struct journal_index *index = caught_up(&box);
    reached(index, 1, "agg", -1, "acme beta ");
    reached(index, 1, NULL, -1, "acme beta gamma ");
    reached(index, 1, "agg", 1, "acme beta "); /* its second message, at that very moment */
    reached(index, 1, "agg", 2, "beta ");
    reached(index, 1, "agg", 6, "");
    reached(index, 2, "agg", -1, "delta ");
    reached(index, 3, NULL, -1, "");
    journal_index_close(&index);
    box_free(&box);
}
END_TEST

static int add_detail(void *arg, int columns, char **values, char **names)
{
    (void)names;
    strbuf_add_str(arg, values[columns - 1]);
    strbuf_add_char(arg, '\n');
    return 0;
}

/* A report costs one step into an index, however long the journal. */
START_TEST(questions_use_their_index)
{
    static const char *const questions[][2] = {
        {"SELECT id, partner, stream FROM entry WHERE queue_id = ?1 AND provider = ?2"
         " AND channel = 'sms' AND (?3 IS NULL OR recipient_key = ?3) ORDER BY at DESC, seq DESC "
         "LIMIT 1",
         "decision_sent (queue_id=? AND provider=?)"},
        {"SELECT partner FROM entry WHERE recipient_key = ?1 AND at >= ?2 AND channel = 'sms'"
         " AND effect = 'passed' GROUP BY partner",
         "decision_recipient (recipient_key=? AND at>?)"},
        {"SELECT partner, verdict, count(*) FROM entry WHERE recipient_key = ?1"
         " GROUP BY partner, verdict",
         "decision_recipient (recipient_key=?)"},
        {"SELECT id, mode FROM entry WHERE seq = ?1", "decision USING INTEGER PRIMARY KEY"},
        {"SELECT id, mode FROM entry WHERE at >= ?1 AND (at, seq) < (?2, ?3)"
         " ORDER BY at DESC, seq DESC LIMIT 5",
         "decision_at (at>"},
        {"SELECT list_row, verdict FROM entry WHERE session = ?1 AND list IS NOT NULL"
         " ORDER BY list_row, seq DESC",
         "decision_listed (session=?)"},
        {"SELECT seq, kind FROM entry WHERE id = ?1 AND effect IS NOT ?2 LIMIT 1",
         "decision_id (id=?)"},
        {"SELECT k.mode, p.rows FROM position p LEFT JOIN decision d ON d.id = ?1"
         " LEFT JOIN kind k ON k.kind = d.kind",
         "decision_id (id=?)"},
    };
    struct box box;
    sqlite3 *db = NULL;
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 1);
    struct journal_index *index = caught_up(&box);
    ck_assert_int_eq(sqlite3_open(box.index, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        struct strbuf plan = {0};
        char sql[300];
        snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", questions[i][0]);
        ck_assert_int_eq(sqlite3_exec(db, sql, add_detail, &plan, NULL), SQLITE_OK);
        ck_assert_msg(strstr(plan.data, questions[i][1]) != NULL, "%s", plan.data);
        /* Kinds are found by their number, one a decision. */
        ck_assert_msg(strstr(plan.data, "SCAN k") == NULL, "%s", plan.data);
        ck_assert_msg(strstr(plan.data, "MATERIALIZE") == NULL, "%s", plan.data);
        strbuf_free(&plan);
    }
    sqlite3_close(db);
    journal_index_close(&index);
    box_free(&box);
}
END_TEST

/* Whether somebody else than we holds a lock on what SQLite locks of a file that is read: asked by
 * a child, since no process sees its own. */
static bool is_locked(const char *path)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_start = 0x40000002, .l_len = 510};
        int fd = open(path, O_RDWR);
        _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The gateway has two connections to the index. What opens the second must not end the locks of the
 * first: a command that reads the log would take their write-ahead log away under them. */
START_TEST(two_connections_of_one_process)
{
    struct box box;
    struct journal_index *first = NULL, *second = NULL;
    struct error err;
    box_new(&box, 1 << 20);
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &first, &err), RESULT_OK);
    ck_assert(is_locked(box.index));
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &second, &err), RESULT_OK);
    ck_assert(is_locked(box.index));
    journal_index_close(&second);
    ck_assert(is_locked(box.index));
    journal_index_close(&first);
    ck_assert(!is_locked(box.index));
    box_free(&box);
}
END_TEST

Suite *sent_suite(void)
{
    const TTest *const tests[] = {a_provider_id_names_its_message, who_wrote_to_a_number,
                                  questions_use_their_index, two_connections_of_one_process, NULL};
    return unit_suite("sent", tests);
}
