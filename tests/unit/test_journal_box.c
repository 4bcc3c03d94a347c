/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_journal.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void must_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

void box_new(struct box *box, uint64_t segment_size)
{
    struct error err;
    const char *base = getenv("TMPDIR");
    *box = (struct box){.segment_size = segment_size};
    snprintf(box->folder, sizeof(box->folder), "%.150s/octroi-journal-XXXXXX",
             base != NULL ? base : "/tmp");
    must(mkdtemp(box->folder) != NULL);
    snprintf(box->directory, sizeof(box->directory), "%s/journal", box->folder);
    snprintf(box->index, sizeof(box->index), "%s/journal.db", box->folder);
    snprintf(box->private_key, sizeof(box->private_key), "%s/key.pem", box->folder);
    snprintf(box->public_key, sizeof(box->public_key), "%s/key.pub.pem", box->folder);
    must(signing_key_generate(&box->key, &err) == RESULT_OK);
    must(signing_key_save(box->key, box->private_key, box->public_key, &err) == RESULT_OK);
    must(loop_new(0, &box->loop, &err) == RESULT_OK);
}

static void remove_files(const char *folder)
{
    DIR *files = opendir(folder);
    struct dirent *entry;
    while (files != NULL && (entry = readdir(files)) != NULL) {
        char path[600];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (files != NULL)
        closedir(files);
    rmdir(folder);
}

void box_free(struct box *box)
{
    box_close(box);
    loop_free(&box->loop);
    signing_key_free(&box->key);
    remove_files(box->directory);
    remove_files(box->folder);
}

enum result box_try_open(struct box *box, struct error *err)
{
    struct journal_options options = {.directory = box->directory,
                                      .gateway = "gate.example",
                                      .key = box->key,
                                      .segment_size = box->segment_size,
                                      .checkpoint_every = 3600 * CLOCK_SECOND};
    return journal_open(&options, &box->journal, err);
}

void box_open(struct box *box)
{
    struct error err = {0};
    must(box_try_open(box, &err) == RESULT_OK);
}

void box_close(struct box *box)
{
    journal_close(&box->journal);
}

bool box_decision(struct journal_batch *batch, const char *id, unsigned number)
{
    char new_id[RECORD_ID];
    struct recipient recipient = {.masked = "j•••@example.org"};
    recipient.key[0] = (uint8_t)number;
    record_new_id(new_id);
    struct decision decision = {
        .id = id != NULL ? id : new_id,
        .at = INT64_C(1795467277123456) + number * CLOCK_SECOND,
        .gateway = "gate.example",
        .session = "s-1",
        .partner = number % 2 == 0 ? "acme" : "beta",
        .stream = "news",
        .account = "acme-news",
        .channel = number % 3 == 0 ? CHANNEL_SMS : CHANNEL_EMAIL,
        .purpose = PURPOSE_RECEIPT,
        .recipient = number % 5 == 4 ? NULL : &recipient,
        .verdict = number % 4 == 0 ? VERDICT_BLOCK : VERDICT_PASS,
        .reason = number % 4 == 0 ? REASON_NO_CONSENT : REASON_CONSENT,
        .effect = number % 4 == 0 ? EFFECT_REFUSED : EFFECT_PASSED,
        .mode = MODE_ENFORCE,
        .policy = "3f2a",
        .event = number % 4 == 0 ? 0 : 42,
        .provider = number % 4 == 0 ? NULL : "smarthost",
    };
    return batch != NULL && journal_batch_decision(batch, &decision);
}

bool box_outcome(struct journal_batch *batch, const char *id)
{
    struct outcome_row row = {.id = id,
                              .at = INT64_C(1795467278000000),
                              .outcome = OUTCOME_ACCEPTED,
                              .effect = EFFECT_PASSED,
                              .provider_reply = "250 2.0.0 \"queued\"",
                              .queue_id = "4XyZ",
                              .size = 1234};
    return batch != NULL && journal_batch_outcome(batch, &row);
}

struct waiting {
    struct loop_task task;
    bool ran;
    enum result result;
};

static void on_durable(struct loop_task *task)
{
    struct waiting *waiting = (struct waiting *)task;
    must(!waiting->ran);
    waiting->ran = true;
}

enum result box_append(struct box *box, struct journal_batch *batch)
{
    struct waiting waiting = {.task = {.run = on_durable}, .result = RESULT_CONFLICT};
    journal_append(box->journal, batch, box->loop, &waiting.task, &waiting.result);
    while (!waiting.ran) {
        loop_turn(box->loop);
        if (!waiting.ran)
            usleep(50);
    }
    return waiting.result;
}

void box_fill(struct box *box, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct journal_batch *batch = journal_batch_new();
        must(box_decision(batch, NULL, i));
        must(box_append(box, batch) == RESULT_OK);
    }
}

enum result box_verify(struct box *box, bool with_index, struct verify_report *report)
{
    struct error err = {0};
    struct signing_key *key = NULL;
    must(signing_key_load_public(box->public_key, &key, &err) == RESULT_OK);
    enum result result =
        journal_verify(box->directory, key, with_index ? box->index : NULL, NULL, report, &err);
    if (result != RESULT_OK)
        must(err.text[0] != '\0');
    signing_key_free(&key);
    return result;
}

static bool add_entry(void *arg, const struct log_entry *e)
{
    struct strbuf *out = arg;
    const char *const texts[] = {e->id,       e->at,      e->gateway,        e->session,
                                 e->partner,  e->stream,  e->account,        e->channel,
                                 e->purpose,  e->mode,    e->recipient,      e->recipient_key,
                                 e->verdict,  e->reason,  e->effect,         e->policy,
                                 e->provider, e->outcome, e->provider_reply, e->queue_id,
                                 e->hash};
    strbuf_add_format(out, "%llu %lld %lld", (unsigned long long)e->seq, (long long)e->event,
                      (long long)e->size);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        strbuf_add_format(out, "|%s", texts[i] != NULL ? texts[i] : "null");
    strbuf_add_char(out, '\n');
    return true;
}

void box_log(struct box *box, const char *index_path, uint64_t step, struct strbuf *out)
{
    struct error err = {0};
    struct journal_index *index = NULL;
    struct log_filter all = {.since = INT64_MIN, .until = INT64_MAX};
    uint64_t rows = 0;
    must(journal_index_open(index_path, box->directory, NULL, &index, &err) == RESULT_OK);
    do
        must(journal_index_catch_up(index, step, &rows, &err) == RESULT_OK);
    while (rows > 0);
    must(journal_index_log(index, &all, add_entry, out, &err) == RESULT_OK);
    journal_index_close(&index);
}

void box_path(const struct box *box, unsigned segment, char out[300])
{
    snprintf(out, 300, "%s/%08u.seg", box->directory, segment);
}

void box_read(const struct box *box, unsigned segment, struct strbuf *out)
{
    char path[300];
    box_path(box, segment, path);
    must(file_read(path, 1 << 30, out, NULL) == RESULT_OK);
}

void box_write(const struct box *box, unsigned segment, const char *data, size_t length)
{
    char path[300];
    box_path(box, segment, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0);
    must(write(fd, data, length) == (ssize_t)length);
    close(fd);
}
