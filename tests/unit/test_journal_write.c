/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_journal.h"

#include "base/file.h"
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(what_is_written_is_read_back)
{
    struct box box;
    struct verify_report report;
    struct journal_state state;
    struct strbuf log = {0};
    char id[RECORD_ID];
    box_new(&box, 1 << 20);
    box_open(&box);
    record_new_id(id);
    struct journal_batch *batch = journal_batch_new();
    ck_assert(box_decision(batch, id, 1));
    ck_assert(box_outcome(batch, id));
    ck_assert_uint_eq(journal_batch_rows(batch), 2);
    ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
    journal_state(box.journal, &state);
    ck_assert_uint_eq(state.rows, 3);
    ck_assert_uint_eq(state.waiting, 0);
    box_log(&box, box.index, 0, &log);
    char start[200];
    snprintf(start, sizeof(start), "2 42 1234|%s|2026-11-23T", id);
    ck_assert_msg(strncmp(log.data, start, strlen(start)) == 0, "%s", log.data);
    ck_assert_ptr_nonnull(
        strstr(log.data, "|passed|3f2a|smarthost|accepted|250 2.0.0 \"queued\"|4XyZ|"));
    box_close(&box);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_OK);
    ck_assert_uint_eq(report.rows, 4);
    ck_assert_uint_eq(report.checkpoints, 1);
    box_open(&box);
    journal_state(box.journal, &state);
    ck_assert_uint_eq(state.rows, 4);
    ck_assert_mem_eq(state.head, report.head, SHA256_BYTES);
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

/* ---- many threads ---- */

enum { THREADS = 4, BATCHES = 250 };

struct sent {
    struct loop_task task;
    enum result result;
    int ran;
};

struct sender {
    pthread_t thread;
    struct box *box;
    struct loop *loop;
    struct sent sent[BATCHES];
    int next;
    int done;
};

static _Atomic(struct sender *) senders[THREADS];

static void on_sent(struct loop_task *task)
{
    struct sent *sent = (struct sent *)task;
    sent->ran++;
    for (int i = 0; i < THREADS; i++) {
        struct sender *sender = senders[i];
        if (sent >= sender->sent && sent < sender->sent + BATCHES) {
            /* On its own loop's thread, and in the order of appending. */
            must(pthread_equal(pthread_self(), sender->thread));
            must(sent - sender->sent == sender->done);
            if (++sender->done == BATCHES)
                loop_stop(sender->loop);
        }
    }
}

static void *run_sender(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < BATCHES; i++) {
        struct journal_batch *batch = journal_batch_new();
        must(box_decision(batch, NULL, (unsigned)i));
        sender->sent[i].task.run = on_sent;
        sender->sent[i].result = RESULT_CONFLICT;
        journal_append(sender->box->journal, batch, sender->loop, &sender->sent[i].task,
                       &sender->sent[i].result);
        if (i % 16 == 0)
            usleep(100);
    }
    loop_run(sender->loop);
    return NULL;
}

START_TEST(each_batch_is_answered_once)
{
    struct box box;
    struct verify_report report;
    static struct sender all[THREADS];
    box_new(&box, 64 * 1024);
    box_open(&box);
    for (int i = 0; i < THREADS; i++) {
        all[i].box = &box;
        ck_assert_int_eq(loop_new((unsigned)i, &all[i].loop, NULL), RESULT_OK);
        senders[i] = &all[i];
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&all[i].thread, NULL, run_sender, &all[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(all[i].thread, NULL);
    box_close(&box);
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < BATCHES; j++) {
            must(all[i].sent[j].ran == 1);
            must(all[i].sent[j].result == RESULT_OK);
        }
        loop_free(&all[i].loop);
    }
    ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
    /* A slow disk gathers all in a few writes, so it may be one segment or many. */
    ck_assert_uint_eq(report.rows, THREADS * BATCHES + report.segments + report.checkpoints);
    box_free(&box);
}
END_TEST

START_TEST(segments_follow_each_other)
{
    struct box box;
    struct verify_report report;
    struct journal_state state;
    box_new(&box, 2000);
    box_open(&box);
    box_fill(&box, 20);
    journal_state(box.journal, &state);
    ck_assert_uint_gt(state.segment, 3);
    box_close(&box);
    ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
    /* Counting goes on from the last segments alone. */
    uint64_t rows = report.rows;
    box_open(&box);
    journal_state(box.journal, &state);
    ck_assert_uint_eq(state.rows, rows);
    box_fill(&box, 5);
    box_close(&box);
    ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
    ck_assert_uint_gt(report.rows, rows + 5);
    box_free(&box);
}
END_TEST

START_TEST(checkpoints_come_every_ten_thousand_rows)
{
    struct box box;
    struct verify_report report;
    box_new(&box, 1 << 30);
    box_open(&box);
    struct journal_batch *batch = journal_batch_new();
    for (unsigned i = 0; i < 25000; i++)
        must(box_decision(batch, NULL, i));
    ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_uint_eq(report.checkpoints, 2);
    ck_assert_uint_eq(report.rows, 25003);
    box_free(&box);
}
END_TEST

START_TEST(checkpoints_come_with_time)
{
    struct box box;
    struct verify_report report;
    struct error err;
    box_new(&box, 1 << 20);
    struct journal_options options = {.directory = box.directory,
                                      .gateway = "gate.example",
                                      .key = box.key,
                                      .segment_size = 1 << 20,
                                      .checkpoint_every = CLOCK_SECOND / 20};
    ck_assert_int_eq(journal_open(&options, &box.journal, &err), RESULT_OK);
    usleep(400000);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_uint_eq(report.checkpoints, 1); /* of the head; none without a new row */
    box_fill(&box, 1);
    usleep(400000);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_uint_eq(report.checkpoints, 2);
    box_free(&box);
}
END_TEST

START_TEST(one_writer_only)
{
    struct box box;
    struct error err;
    struct journal *first;
    box_new(&box, 1 << 20);
    box_open(&box);
    first = box.journal;
    ck_assert_int_eq(box_try_open(&box, &err), RESULT_CONFLICT);
    box.journal = first;
    box_fill(&box, 1);
    box_free(&box);
}
END_TEST

START_TEST(readers_stop_where_the_writer_holds)
{
    struct box box;
    struct verify_report report;
    struct strbuf log = {0};
    char path[300];
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 3);
    box_close(&box);
    struct strbuf text = {0};
    box_read(&box, 1, &text);
    /* Held from within the third line on, as by a writer whose write is not synced yet. */
    const char *third = strchr(strchr(text.data, '\n') + 1, '\n') + 1;
    box_path(&box, 1, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(segment_lock(fd, path, (uint64_t)(third - text.data) + 100, NULL), RESULT_OK);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_uint_eq(report.rows, 2);
    box_log(&box, box.index, 0, &log);
    ck_assert_uint_eq(log.data[0], '2');
    close(fd);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_OK);
    ck_assert_uint_eq(report.rows, 5);
    strbuf_free(&log);
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

/* ---- the end that breaks ---- */

static void remove_torn(const struct box *box)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/00000001.torn", box->directory);
    unlink(path);
}

START_TEST(a_torn_line_is_put_aside)
{
    struct box box;
    struct verify_report report;
    struct error err;
    struct strbuf text = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 2);
    box_close(&box);
    box_read(&box, 1, &text);
    const char *before = memrchr(text.data, '\n', text.length - 1);
    size_t start = (size_t)(before - text.data) + 1;
    for (size_t cut = start; cut < text.length; cut++) {
        struct strbuf torn = {0};
        box_write(&box, 1, text.data, cut);
        ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
        ck_assert_uint_eq(report.torn_bytes, cut - start);
        ck_assert_msg(box_try_open(&box, &err) == RESULT_OK, "cut %zu: %s", cut, err.text);
        box_close(&box);
        ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "cut %zu: %s", cut,
                      report.where);
        /* Head, two decisions, perhaps the recovery, a checkpoint. */
        ck_assert_uint_eq(report.rows, cut > start ? 5 : 4);
        ck_assert_uint_eq(report.torn_bytes, 0);
        if (cut > start) {
            char path[300];
            snprintf(path, sizeof(path), "%s/00000001.torn", box.directory);
            ck_assert_int_eq(file_read(path, 1 << 20, &torn, NULL), RESULT_OK);
            ck_assert_uint_eq(torn.length, cut - start);
            ck_assert_mem_eq(torn.data, text.data + start, torn.length);
        }
        strbuf_free(&torn);
        remove_torn(&box);
    }
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

START_TEST(a_rotation_cut_short_is_taken_up)
{
    struct box box;
    struct verify_report report;
    struct strbuf text = {0};
    box_new(&box, 1);
    box_open(&box);
    box_fill(&box, 2);
    box_close(&box);
    box_read(&box, 3, &text);
    size_t first = (size_t)((char *)memchr(text.data, '\n', text.length) - text.data);
    for (size_t cut = 0; cut < first; cut += 7) {
        box_write(&box, 3, text.data, cut);
        ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
        box.segment_size = 1 << 20;
        box_open(&box);
        box_fill(&box, 1);
        box_close(&box);
        ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
        char path[300];
        snprintf(path, sizeof(path), "%s/00000003.torn", box.directory);
        ck_assert_int_eq(unlink(path), cut > 0 ? 0 : -1);
    }
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

START_TEST(other_damage_is_refused_and_left_alone)
{
    static const char *const tails[] = {"garbage", "0123456789abcdef\n", "\n", "0123456789ABCDEF"};
    struct box box;
    struct error err;
    struct strbuf text = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 2);
    box_close(&box);
    box_read(&box, 1, &text);
    for (size_t i = 0; i <= sizeof(tails) / sizeof(tails[0]); i++) {
        struct strbuf bad = {0};
        struct strbuf after = {0};
        strbuf_add(&bad, text.data, text.length);
        if (i < sizeof(tails) / sizeof(tails[0]))
            strbuf_add_str(&bad, tails[i]);
        else
            bad.data[bad.length - 1] = ' '; /* a whole row, its LF turned */
        box_write(&box, 1, bad.data, bad.length);
        ck_assert_int_eq(box_try_open(&box, &err), RESULT_DAMAGED);
        ck_assert_ptr_nonnull(strstr(err.text, "journal/00000001.seg"));
        box_read(&box, 1, &after);
        ck_assert_uint_eq(after.length, bad.length);
        ck_assert_mem_eq(after.data, bad.data, bad.length);
        strbuf_free(&bad);
        strbuf_free(&after);
    }
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct journal_batch *decisions(unsigned count)
{
    struct journal_batch *batch = journal_batch_new();
    for (unsigned i = 0; i < count; i++)
        must(box_decision(batch, NULL, i));
    return batch;
}

START_TEST(a_full_disk_loses_nothing_that_was_promised)
{
    struct box box;
    struct verify_report report;
    struct journal_state state;
    struct stat st;
    char path[300];
    signal(SIGXFSZ, SIG_IGN);
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 40); /* so that Check's own files stay below the limit */
    box_path(&box, 1, path);
    ck_assert_int_eq(stat(path, &st), 0);
    off_t durable = st.st_size;
    limit_file_size((rlim_t)durable + 1500); /* room for two rows */
    ck_assert_int_eq(box_append(&box, decisions(5)), RESULT_UNAVAILABLE);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, durable);
    journal_state(box.journal, &state);
    ck_assert(state.failing);
    ck_assert_ptr_nonnull(strstr(state.last_error.text, "cannot write"));
    ck_assert_uint_eq(state.rows, 41);
    ck_assert_uint_eq(state.waiting, 0);
    /* Nobody waits for these: they are kept. */
    journal_append(box.journal, decisions(5), NULL, NULL, NULL);
    ck_assert_int_eq(box_append(&box, decisions(5)), RESULT_UNAVAILABLE);
    journal_state(box.journal, &state);
    ck_assert_uint_eq(state.waiting, 5);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_uint_eq(report.rows, 41);
    limit_file_size(RLIM_INFINITY);
    for (int i = 0; i < 40 && state.failing; i++) {
        usleep(100000);
        journal_state(box.journal, &state);
    }
    ck_assert(!state.failing);
    ck_assert_uint_eq(state.rows, 46);
    ck_assert_uint_eq(state.waiting, 0);
    box_fill(&box, 2);
    box_close(&box);
    ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
    ck_assert_uint_eq(report.rows, 49);
    box_free(&box);
}
END_TEST

/* In place of the C library's, so that a disk can be bad on demand. */
static _Atomic int syncs;
static _Atomic int sync_error;
static _Atomic int cut_error;

int fdatasync(int fd)
{
    syncs++;
    errno = sync_error;
    return sync_error != 0 ? -1 : fsync(fd);
}

int ftruncate(int fd, off_t length)
{
    errno = cut_error;
    return cut_error != 0 ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

START_TEST(a_disk_that_fails_to_sync_is_not_believed)
{
    struct box box;
    struct verify_report report;
    struct journal_state state;
    struct strbuf text = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    int before = syncs;
    box_fill(&box, 2);
    ck_assert_int_eq(syncs, before + 2);
    box_read(&box, 1, &text);
    size_t durable = text.length;
    for (int cut = 0; cut < 2; cut++) {
        sync_error = EIO;
        cut_error = cut == 0 ? 0 : EIO;
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(box_append(&box, decisions(1)), RESULT_UNAVAILABLE);
        strbuf_clear(&text);
        box_read(&box, 1, &text);
        /* What could not be taken back is there, and no reader believes it. */
        if (cut == 0)
            ck_assert_uint_eq(text.length, durable);
        else
            ck_assert_uint_gt(text.length, durable);
        ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
        ck_assert_uint_eq(report.rows, 3);
    }
    journal_state(box.journal, &state);
    ck_assert(state.failing);
    ck_assert_uint_eq(state.rows, 3);
    sync_error = cut_error = 0;
    box_fill(&box, 1);
    journal_state(box.journal, &state);
    ck_assert(!state.failing);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_uint_eq(report.rows, 4);
    ck_assert_uint_eq(report.torn_bytes, 0);
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

START_TEST(rows_kept_while_failing_are_capped)
{
    struct box box;
    struct journal_state state;
    signal(SIGXFSZ, SIG_IGN);
    box_new(&box, UINT64_C(1) << 40);
    box_open(&box);
    box_fill(&box, 40);
    limit_file_size(24 * 1024);
    for (int i = 0; i < 11; i++)
        journal_append(box.journal, decisions(10000), NULL, NULL, NULL);
    ck_assert_int_eq(box_append(&box, decisions(1)), RESULT_UNAVAILABLE);
    journal_state(box.journal, &state);
    ck_assert_uint_eq(state.waiting, 100000);
    limit_file_size(RLIM_INFINITY);
    ck_assert_int_eq(box_append(&box, decisions(1)), RESULT_OK);
    journal_state(box.journal, &state);
    ck_assert_uint_eq(state.rows, 41 + 100000 + 10 + 1);
    ck_assert_uint_eq(state.waiting, 0);
    box_free(&box);
}
END_TEST

/* ---- kill -9 ---- */

enum { ID_TEXT = 17 };

static void write_until_killed(struct box *box, int fd)
{
    box_open(box);
    for (unsigned i = 0;; i++) {
        char ids[3][RECORD_ID];
        struct journal_batch *batch = journal_batch_new();
        for (unsigned j = 0; j < 3; j++) {
            record_new_id(ids[j]);
            if (!box_decision(batch, ids[j], i))
                _exit(2);
        }
        if (box_append(box, batch) != RESULT_OK)
            _exit(3);
        for (unsigned j = 0; j < 3; j++)
            if (write(fd, ids[j], ID_TEXT) != ID_TEXT)
                _exit(4);
    }
}

START_TEST(what_was_durable_survives_kill)
{
    struct box box;
    struct verify_report report;
    struct strbuf told = {0};
    struct strbuf log = {0};
    box_new(&box, 20000);
    for (int round = 0; round < 20; round++) {
        int fds[2];
        int status;
        ck_assert_int_eq(pipe(fds), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            close(fds[0]);
            write_until_killed(&box, fds[1]);
        }
        close(fds[1]);
        char ids[ID_TEXT * 3];
        ssize_t got;
        /* Until a number of rows that depends on no disk, and then a while longer. */
        for (int i = 0; i <= round; i++) {
            got = read(fds[0], ids, ID_TEXT);
            ck_assert_int_eq(got, ID_TEXT);
            strbuf_add(&told, ids, (size_t)got);
        }
        usleep((useconds_t)(1000 + round * 1700 % 20000));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        ck_assert(WIFSIGNALED(status));
        while ((got = read(fds[0], ids, sizeof(ids))) > 0)
            strbuf_add(&told, ids, (size_t)got);
        close(fds[0]);
        ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
    }
    box_open(&box);
    box_log(&box, box.index, 0, &log);
    ck_assert_uint_ge(told.length / ID_TEXT, 210);
    for (size_t i = 0; i + ID_TEXT <= told.length; i += ID_TEXT)
        must(memmem(log.data, log.length, told.data + i, ID_TEXT) != NULL);
    box_close(&box);
    ck_assert_msg(box_verify(&box, true, &report) == RESULT_OK, "%s", report.where);
    strbuf_free(&told);
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

/* Rows nobody waits for may wait for company, but not for ever: just after a decision, and when the
 * writer has long been asleep. */
START_TEST(an_outcome_alone_is_written_soon)
{
    struct box box;
    struct journal_state before;
    struct journal_state after;
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 1);
    for (unsigned pause = 0; pause < 3; pause++) {
        usleep(pause * 40000);
        journal_state(box.journal, &before);
        struct journal_batch *batch = journal_batch_new();
        must(box_outcome(batch, "01KB000000-000000"));
        journal_append(box.journal, batch, box.loop, NULL, NULL);
        int tries = 0;
        do {
            usleep(1000);
            journal_state(box.journal, &after);
        } while (after.rows == before.rows && ++tries < 5000);
        ck_assert_uint_eq(after.rows, before.rows + 1);
        ck_assert_uint_eq(after.waiting, 0);
    }
    box_free(&box);
}
END_TEST

Suite *write_suite(void)
{
    static const TTest *tests[16];
    const TTest *const list[] = {what_is_written_is_read_back,
                                 an_outcome_alone_is_written_soon,
                                 each_batch_is_answered_once,
                                 segments_follow_each_other,
                                 checkpoints_come_every_ten_thousand_rows,
                                 checkpoints_come_with_time,
                                 one_writer_only,
                                 readers_stop_where_the_writer_holds,
                                 a_torn_line_is_put_aside,
                                 a_rotation_cut_short_is_taken_up,
                                 other_damage_is_refused_and_left_alone,
                                 a_full_disk_loses_nothing_that_was_promised,
                                 a_disk_that_fails_to_sync_is_not_believed,
                                 rows_kept_while_failing_are_capped,
                                 what_was_durable_survives_kill,
                                 NULL};
    memcpy(tests, list, sizeof(list));
    return unit_suite("journal writing", tests);
}
