/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_adapters_esmtp_stage.h"

#include "base/log.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

/* The configuration here is made by hand and outlives all. */
__attribute__((weak)) struct config *config_ref(struct config *config)
{
    return config;
}
__attribute__((weak)) void config_unref(struct config **config)
{
    *config = NULL;
}

/* ---- the stage: a loop, a provider, a fake server, a folder ---- */

void stage_path(const struct stage *stage, const char *name, char out[160])
{
    snprintf(out, 160, "%s/%s", stage->folder, name);
}

void stage_begin(struct stage *stage)
{
    log_set_level(LOG_LEVEL_ERROR);
    *stage = (struct stage){0};
    snprintf(stage->folder, sizeof(stage->folder), "/tmp/octroi-esmtp-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage->folder));
    stage->config.hostname = "gate.example.org";
    stage->config.state_dir = stage->folder;
    stage->provider_config = (struct provider_config){
        .name = "fake",
        .adapter = ADAPTER_ESMTP,
        .host = "127.0.0.1",
        .tls_name = "mx.example.org",
        .connections = 4,
        .connect_timeout = 10 * CLOCK_SECOND,
        .reply_timeout = 10 * CLOCK_SECOND,
        .final_timeout = 10 * CLOCK_SECOND,
        .idle_timeout = 10 * CLOCK_SECOND,
    };
}

void stage_serve(struct stage *stage, const char *const *const *scripts)
{
    struct error err;
    static char certificate[160], key[160];
    bool tls = stage->provider_config.tls != TLS_NONE;
    stage_path(stage, "cert.pem", certificate);
    stage_path(stage, "key.pem", key);
    if (tls) {
        fake_certificate("mx.example.org", certificate, key);
        stage->provider_config.tls_ca_file = certificate;
    }
    stage->fake = fake_new(scripts, tls ? certificate : NULL, key);
    stage->provider_config.port = fake_port(stage->fake);
    ck_assert_int_eq(loop_new(0, &stage->loop, &err), RESULT_OK);
    ck_assert_int_eq(provider_new(&stage->provider_config, &stage->config, &stage->loop, 1,
                                  &stage->provider, &err),
                     RESULT_OK);
}

static void remove_file(const struct stage *stage, const char *name)
{
    char path[160];
    stage_path(stage, name, path);
    unlink(path);
}

void stage_end(struct stage *stage)
{
    char path[160];
    provider_unref(&stage->provider);
    loop_free(&stage->loop);
    fake_stop(stage->fake);
    ck_assert_str_eq(fake_problem(stage->fake), "");
    fake_free(stage->fake);
    remove_file(stage, "providers/fake.json");
    remove_file(stage, "cert.pem");
    remove_file(stage, "key.pem");
    stage_path(stage, "providers", path);
    rmdir(path);
    ck_assert_int_eq(rmdir(stage->folder), 0);
}

/* ---- a session: sends one message and writes down what it is told ---- */

static void note(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct session *session, const char *format, ...)
{
    size_t at = strlen(session->log);
    ck_assert_msg(!session->inside, "called back from within a call");
    ck_assert_msg(!session->done, "called back after the end");
    va_list args;
    va_start(args, format);
    if (at > 0 && at < sizeof(session->log) - 1)
        session->log[at++] = ' ';
    vsnprintf(session->log + at, sizeof(session->log) - at, format, args);
    va_end(args);
}

static void give(struct session *session, const char *bytes, size_t length)
{
    struct evbuffer *content = evbuffer_new();
    evbuffer_add(content, bytes, length);
    session->inside = true;
    mail_content(session->transaction, content);
    session->inside = false;
    ck_assert_uint_eq(evbuffer_get_length(content), 0);
    if (mail_pending(session->transaction) > session->most_pending)
        session->most_pending = mail_pending(session->transaction);
    evbuffer_free(content);
}

static void give_more(struct session *session)
{
    static char block[64 * 64 + 1];
    if (block[0] == '\0')
        for (unsigned i = 0; i < 64; i++)
            memcpy(block + (size_t)64 * i,
                   "0123456789012345678901234567890123456789012345678901234567890.\r\n", 65);
    while (session->more > 0 && mail_pending(session->transaction) <= MAIL_PENDING_HIGH) {
        size_t length = session->more < 4096 ? (size_t)session->more / 64 * 64 : 4096;
        if (length == 0)
            length = 64;
        give(session, block, length);
        session->more -= session->more < length ? session->more : length;
    }
    if (session->more == 0) {
        session->inside = true;
        mail_finish(session->transaction);
        session->inside = false;
    }
}

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct session *session = arg;
    (void)index;
    note(session, "%d", reply->code);
    if (session->hold || index + 1 < session->recipients)
        return;
    give(session, session->content, strlen(session->content));
    give_more(session);
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    note(arg, "content %d", reply->code);
}

static void on_drained(void *arg)
{
    struct session *session = arg;
    ck_assert_uint_lt(mail_pending(session->transaction), MAIL_PENDING_LOW);
    session->drained++;
    give_more(session);
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    struct session *session = arg;
    note(session, "%s %d%s%s",
         outcome == OUTCOME_ACCEPTED  ? "accepted"
         : outcome == OUTCOME_REFUSED ? "refused"
                                      : "unknown",
         reply->code, queue_id != NULL ? " " : "", queue_id != NULL ? queue_id : "");
    str_copy(session->why, sizeof(session->why), reply->text);
    session->done = true;
    mail_abort(&session->transaction);
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    struct session *session = arg;
    ck_assert_str_ne(why->text, "");
    note(session, nothing_said ? "failed unsaid" : "failed");
    str_copy(session->why, sizeof(session->why), why->text);
    session->done = true;
    mail_abort(&session->transaction);
}

static const struct mail_handler handler = {on_recipient, on_content_refused, on_drained,
                                            on_finished, on_failed};

void session_begin(struct session *session, struct stage *stage)
{
    struct error err;
    struct mail_envelope envelope = {.sender = "a@example.org",
                                     .eight_bit = session->eight_bit,
                                     .utf8 = session->utf8,
                                     .ret = "",
                                     .envid = ""};
    session->stage = stage;
    if (session->content == NULL)
        session->content = PLAIN;
    if (session->recipients == 0)
        session->recipients = 1;
    session->inside = true;
    session->transaction =
        mail_begin(stage->provider, stage->loop, &envelope, &handler, session, &err);
    ck_assert_ptr_nonnull(session->transaction);
    for (unsigned i = 0; i < session->recipients; i++)
        mail_recipient(session->transaction, i, &(struct mail_rcpt){"r@example.net", "", ""});
    session->inside = false;
}

void session_run(struct session *session, struct stage *stage)
{
    session_begin(session, stage);
    WAIT_UNTIL(stage, session->done);
}
