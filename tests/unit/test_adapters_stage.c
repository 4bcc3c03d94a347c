/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_adapters_stage.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <check.h>
#include <event2/buffer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The configuration here is made by hand and outlives all. */
__attribute__((weak)) struct config *config_ref(struct config *config)
{
    return config;
}
__attribute__((weak)) void config_unref(struct config **config)
{
    *config = NULL;
}

/* ---- the stage: loops, a provider, a fake server, a folder ---- */

void stage_path(const struct stage *stage, const char *name, char out[160])
{
    snprintf(out, 160, "%s/%s", stage->folder, name);
}

void stage_begin(struct stage *stage)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    *stage = (struct stage){.n_loops = 1};
    snprintf(stage->folder, sizeof(stage->folder), "/tmp/octroi-adapters-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage->folder));
    stage->config.hostname = "gate.example.org";
    stage->config.state_dir = stage->folder;
    stage->provider_config = (struct provider_config){
        .name = "fake",
        .adapter = ADAPTER_SMTP,
        .host = "127.0.0.1",
        .connections = 4,
        .connect_timeout = 5 * CLOCK_SECOND,
        .reply_timeout = 5 * CLOCK_SECOND,
        .final_timeout = 5 * CLOCK_SECOND,
        .idle_timeout = 5 * CLOCK_SECOND,
    };
}

void stage_serve(struct stage *stage, const char *const *const *scripts)
{
    struct error err;
    char certificate[160], key[160];
    bool tls = stage->provider_config.tls != TLS_NONE;
    stage_path(stage, "cert.pem", certificate);
    stage_path(stage, "key.pem", key);
    if (tls)
        fake_certificate("mx.example.org", certificate, key);
    stage->fake = fake_new(scripts, tls ? certificate : NULL, key);
    stage->provider_config.port = fake_port(stage->fake);
    for (unsigned i = 0; i < stage->n_loops; i++)
        ck_assert_int_eq(loop_new(i, &stage->loops[i], &err), RESULT_OK);
    ck_assert_int_eq(provider_new(&stage->provider_config, &stage->config, stage->loops,
                                  stage->n_loops, &stage->provider, &err),
                     RESULT_OK);
}

void stage_turn(struct stage *stage)
{
    for (unsigned i = 0; i < stage->n_loops; i++)
        loop_turn(stage->loops[i]);
    usleep(200);
}

void stage_remove(const struct stage *stage, const char *name)
{
    char path[160];
    stage_path(stage, name, path);
    unlink(path);
}

void stage_be_impatient(struct stage *stage)
{
    stage->provider_config.connect_timeout = 150 * MILLISECONDS;
    stage->provider_config.reply_timeout = 150 * MILLISECONDS;
    stage->provider_config.final_timeout = 150 * MILLISECONDS;
}

void stage_end(struct stage *stage)
{
    char path[160];
    provider_unref(&stage->provider);
    for (unsigned i = 0; i < stage->n_loops; i++)
        loop_free(&stage->loops[i]);
    fake_stop(stage->fake);
    ck_assert_str_eq(fake_problem(stage->fake), "");
    fake_free(stage->fake);
    stage_remove(stage, "providers/fake.json");
    stage_remove(stage, "cert.pem");
    stage_remove(stage, "key.pem");
    stage_path(stage, "providers", path);
    /* A helper that nobody waits for may still be writing. */
    for (int64_t guard = clock_monotonic() + GUARD; rmdir(path) != 0; usleep(1000)) {
        ck_assert_int_lt(clock_monotonic(), guard);
        stage_remove(stage, "providers/fake.json");
    }
    ck_assert_int_eq(rmdir(stage->folder), 0);
}

static const char *outcome_word(enum outcome outcome)
{
    return outcome == OUTCOME_ACCEPTED  ? "accepted"
           : outcome == OUTCOME_REFUSED ? "refused"
                                        : "unknown";
}

/* ---- a session: sends one message and writes down what it is told ---- */

static void note(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct session *session, const char *format, ...)
{
    size_t at = strlen(session->log);
    ck_assert_msg(!session->inside, "called back from within a call");
    va_list args;
    va_start(args, format);
    if (at > 0 && at < sizeof(session->log) - 1)
        session->log[at++] = ' ';
    vsnprintf(session->log + at, sizeof(session->log) - at, format, args);
    va_end(args);
}

static void give_content(struct session *session)
{
    static const char line[] = "0123456789012345678901234567890123456789012345678901234567890\r\n";
    struct evbuffer *content = evbuffer_new();
    if (session->content != NULL) {
        evbuffer_add(content, session->content, strlen(session->content));
        session->inside = true;
        mail_content(session->transaction, content);
        session->inside = false;
    }
    while (session->to_send > 0 && mail_pending(session->transaction) <= MAIL_PENDING_HIGH) {
        for (unsigned i = 0; i < 256 && session->to_send > 0; i++) {
            evbuffer_add(content, line, sizeof(line) - 1);
            session->to_send -=
                session->to_send < sizeof(line) - 1 ? session->to_send : sizeof(line) - 1;
        }
        session->inside = true;
        mail_content(session->transaction, content);
        session->inside = false;
        ck_assert_uint_eq(evbuffer_get_length(content), 0);
        if (mail_pending(session->transaction) > session->most_pending)
            session->most_pending = mail_pending(session->transaction);
    }
    evbuffer_free(content);
    if (session->to_send == 0 && !session->half) {
        session->inside = true;
        mail_finish(session->transaction);
        session->inside = false;
    }
}

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct session *session = arg;
    ck_assert_uint_eq(index, session->answered);
    session->answered++;
    if (session->recipients <= 10)
        note(session, "%d", reply->code);
    if (reply->code / 100 == 2)
        session->accepted++;
    if (session->answered < session->recipients || session->hold)
        return;
    if (session->accepted > 0) {
        give_content(session);
    } else {
        mail_abort(&session->transaction);
        session->done = true;
    }
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    note(arg, "content %d", reply->code);
}

static void on_drained(void *arg)
{
    struct session *session = arg;
    ck_assert_uint_lt(mail_pending(session->transaction), MAIL_PENDING_LOW);
    give_content(session);
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    struct session *session = arg;
    note(session, "%s %d%s%s", outcome_word(outcome), reply->code, queue_id != NULL ? " " : "",
         queue_id != NULL ? queue_id : "");
    session->done = true;
    mail_abort(&session->transaction);
    if (session->undone != NULL)
        atomic_fetch_sub(session->undone, 1);
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    struct session *session = arg;
    ck_assert_str_ne(why->text, "");
    note(session, nothing_said ? "failed unsaid" : "failed");
    str_copy(session->why, sizeof(session->why), why->text);
    session->done = true;
    mail_abort(&session->transaction);
    if (session->undone != NULL)
        atomic_fetch_sub(session->undone, 1);
}

static const struct mail_handler handler = {on_recipient, on_content_refused, on_drained,
                                            on_finished, on_failed};

void session_begin(struct session *session, struct stage *stage, unsigned loop)
{
    struct error err;
    const struct mail_envelope envelope = {.sender = session->sender != NULL ? session->sender
                                                                             : "a@example.org",
                                           .size = 1234,
                                           .eight_bit = session->eight_bit,
                                           .utf8 = session->utf8,
                                           .ret = session->ret != NULL ? session->ret : "",
                                           .envid = session->envid != NULL ? session->envid : ""};
    session->stage = stage;
    if (session->recipients == 0)
        session->recipients = 1;
    if (session->to_send == 0 && session->content == NULL)
        session->to_send = 100;
    session->inside = true;
    session->transaction =
        mail_begin(stage->provider, stage->loops[loop], &envelope, &handler, session, &err);
    ck_assert_ptr_nonnull(session->transaction);
    for (unsigned i = 0; i < session->recipients; i++) {
        char address[40];
        snprintf(address, sizeof(address), "r%u@example.net", i);
        struct mail_rcpt rcpt = {session->address != NULL ? session->address : address, "", ""};
        if (session->notify != NULL && (session->notify_of & (1u << (i & 31))) != 0)
            rcpt.notify = session->notify;
        if (session->orcpt != NULL)
            rcpt.orcpt = session->orcpt;
        mail_recipient(session->transaction, i, &rcpt);
    }
    session->inside = false;
}

void session_run(struct session *session, struct stage *stage)
{
    session_begin(session, stage, 0);
    WAIT_UNTIL(stage, session->done);
}
