/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle. It relies on nothing the session says of itself: replies are matched with what was
 * sent, in order, and compared with the fake journal's rows and with what the fake providers
 * answered, which is noted on its way to the session (mail_begin, mail_recipient and mail_content
 * are wrapped by the linker).
 *
 * What it insists on: 2xx to RCPT only if a provider took that recipient or its row says discarded;
 * 250 to a final dot only if a provider took a message with exactly the client's content, or all
 * its recipients are discarded; a refusal for good only with its row durable. Everything else may
 * be 4xx, or the end of the connection, at any time.
 */
#include "tests/torture/oracle.h"

#include "base/str.h"
#include "tests/torture/alloc.h"
#include "tests/unit/test_proxy_fakes.h"

#include <ctype.h>
#include <event2/buffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RECIPIENTS 128
#define OWED       256
#define UPSTREAMS  64

enum owed_kind {
    OWED_GREETING,
    OWED_OTHER,
    OWED_STARTTLS,
    OWED_AUTH,
    OWED_MAIL,
    OWED_RCPT,
    OWED_DATA,
    OWED_DOT
};

struct owed {
    enum owed_kind kind;
    char address[128];
    size_t rows, upstreams; /* there were, when it was sent */
};

/* A transaction as a provider saw it. */
struct upstream {
    const struct mail_handler *handler;
    void *session;
    struct mail_transaction *transaction;
    char addresses[RECIPIENTS][128];
    bool accepted[RECIPIENTS];
    bool has_content, taken, claimed, ended;
    size_t content_from, content_to; /* in world.body */
};

static struct {
    struct owed owed[OWED];
    size_t first, n;
    enum { SENDING_COMMANDS, SENDING_AUTH, SENDING_CONTENT } sending;
    struct strbuf line;
    struct strbuf content;
    char accepted[RECIPIENTS][128]; /* RCPTs answered 2xx since the last MAIL */
    size_t n_accepted;
    size_t first_row, first_upstream; /* of this transaction */
    bool blurred, closing, may_start_tls;
    struct upstream *upstreams[UPSTREAMS];
    size_t n_upstreams;
} o;

void finding(const char *format, ...)
{
    va_list args;
    torture_pause();
    va_start(args, format);
    fputs("FOUND: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* ---- providers ---- */

struct mail_transaction *__real_mail_begin(struct provider *provider, struct loop *loop,
                                           const struct mail_envelope *envelope,
                                           const struct mail_handler *handler, void *session,
                                           struct error *err);
struct mail_transaction *__wrap_mail_begin(struct provider *provider, struct loop *loop,
                                           const struct mail_envelope *envelope,
                                           const struct mail_handler *handler, void *session,
                                           struct error *err);
void __real_mail_recipient(struct mail_transaction *transaction, unsigned index,
                           const struct mail_rcpt *rcpt);
void __wrap_mail_recipient(struct mail_transaction *transaction, unsigned index,
                           const struct mail_rcpt *rcpt);
void __real_mail_content(struct mail_transaction *transaction, struct evbuffer *from);
void __wrap_mail_content(struct mail_transaction *transaction, struct evbuffer *from);

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct upstream *up = arg;
    up->accepted[index] = reply->code / 100 == 2;
    up->handler->on_recipient(up->session, index, reply);
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    struct upstream *up = arg;
    up->handler->on_content_refused(up->session, reply);
}

static void on_drained(void *arg)
{
    struct upstream *up = arg;
    up->handler->on_drained(up->session);
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    struct upstream *up = arg;
    up->taken = outcome == OUTCOME_ACCEPTED;
    up->ended = true;
    up->content_to = world.body.length;
    up->handler->on_finished(up->session, outcome, reply, queue_id);
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    struct upstream *up = arg;
    up->ended = true;
    up->handler->on_failed(up->session, nothing_said, why);
}

static const struct mail_handler watching = {on_recipient, on_content_refused, on_drained,
                                             on_finished, on_failed};

struct mail_transaction *__wrap_mail_begin(struct provider *provider, struct loop *loop,
                                           const struct mail_envelope *envelope,
                                           const struct mail_handler *handler, void *session,
                                           struct error *err)
{
    torture_pause();
    struct upstream *up = calloc(1, sizeof(*up));
    torture_resume();
    ck_assert(up != NULL && o.n_upstreams < UPSTREAMS);
    up->handler = handler;
    up->session = session;
    o.upstreams[o.n_upstreams++] = up;
    up->transaction = __real_mail_begin(provider, loop, envelope, &watching, up, err);
    up->ended = up->transaction == NULL;
    return up->transaction;
}

static struct upstream *upstream_of(const struct mail_transaction *transaction)
{
    for (size_t i = 0; i < o.n_upstreams; i++)
        if (o.upstreams[i]->transaction == transaction)
            return o.upstreams[i];
    finding("a provider is given a transaction that was not begun");
}

void __wrap_mail_recipient(struct mail_transaction *transaction, unsigned index,
                           const struct mail_rcpt *rcpt)
{
    struct upstream *up = upstream_of(transaction);
    str_copy(up->addresses[index], sizeof(up->addresses[0]), rcpt->address);
    __real_mail_recipient(transaction, index, rcpt);
}

void __wrap_mail_content(struct mail_transaction *transaction, struct evbuffer *from)
{
    struct upstream *up = upstream_of(transaction);
    if (!up->has_content)
        up->content_from = world.body.length;
    up->has_content = true;
    __real_mail_content(transaction, from);
}

void __real_mail_abort(struct mail_transaction **transaction);
void __wrap_mail_abort(struct mail_transaction **transaction);

void __wrap_mail_abort(struct mail_transaction **transaction)
{
    upstream_of(*transaction)->ended = true;
    __real_mail_abort(transaction);
}

bool oracle_provider_lives(void)
{
    return o.n_upstreams > 0 && !o.upstreams[o.n_upstreams - 1]->ended;
}

/* ---- rows ---- */

/* A domain in other letters than ASCII goes upstream as the A-label it was judged by; the local
 * part always as it was written. */
static bool same_address(const char *told, const char *said)
{
    const char *domain = strrchr(said, '@');
    if (domain == NULL || strcmp(told, said) == 0)
        return domain != NULL;
    for (const char *at = domain; *at != '\0'; at++)
        if ((unsigned char)*at >= 0x80)
            return strncmp(told, said, (size_t)(domain - said) + 1) == 0;
    return false;
}

static bool row_for(const char *address, bool (*wanted)(const struct fake_row *row))
{
    struct address normal;
    struct recipient who;
    struct error err;
    torture_pause();
    bool known = address_parse_email(address, &normal, &err) == RESULT_OK &&
                 recipient_make(world.lane.hmac, &normal, &who, &err) == RESULT_OK;
    torture_resume();
    for (size_t i = o.first_row; known && i < world.n_rows; i++) {
        const struct fake_row *row = &world.rows[i];
        if (row->decision && row->durable && memcmp(row->key, who.key, sizeof(who.key)) == 0 &&
            wanted(row))
            return true;
    }
    return false;
}

static bool any(const struct fake_row *row)
{
    (void)row;
    return true;
}

static bool discarded(const struct fake_row *row)
{
    return row->effect == EFFECT_DISCARDED;
}

/* ---- what is sent ---- */

static void owe(enum owed_kind kind, const char *address)
{
    if (o.n == OWED) {
        oracle_blur(); /* content sent although DATA was refused: all of its lines are answered */
        return;
    }
    struct owed *owed = &o.owed[(o.first + o.n++) % OWED];
    owed->kind = kind;
    str_copy(owed->address, sizeof(owed->address), address);
    owed->rows = world.n_rows;
    owed->upstreams = o.n_upstreams;
}

static void owe_recipient(const char *arguments)
{
    char address[128] = "";
    const char *from = strchr(arguments, '<');
    const char *to = from != NULL ? strchr(from, '>') : NULL;
    if (to != NULL && (size_t)(to - from) <= sizeof(address))
        str_copy_n(address, sizeof(address), from + 1, (size_t)(to - from - 1));
    owe(OWED_RCPT, address);
}

static void sent_line(const char *line)
{
    if (o.sending == SENDING_AUTH) {
        owe(OWED_AUTH, "");
        return;
    }
    if (strncasecmp(line, "RCPT TO:", 8) == 0)
        owe_recipient(line + 8);
    else if (strncasecmp(line, "MAIL", 4) == 0)
        owe(OWED_MAIL, "");
    else if (strncasecmp(line, "DATA", 4) == 0)
        owe(OWED_DATA, "");
    else if (strncasecmp(line, "AUTH", 4) == 0)
        owe(OWED_AUTH, "");
    else if (strncasecmp(line, "STARTTLS", 8) == 0)
        owe(OWED_STARTTLS, "");
    else
        owe(OWED_OTHER, "");
}

void oracle_sent(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && !o.blurred; i++) {
        if (oracle_must_wait()) {
            oracle_blur(); /* in one piece with what must be waited for */
            return;
        }
        torture_pause();
        strbuf_add_char(&o.line, bytes[i]);
        torture_resume();
        if (bytes[i] != '\n')
            continue;
        if (o.sending != SENDING_CONTENT) {
            sent_line(o.line.data);
        } else if (o.line.length == 3 && memcmp(o.line.data, ".\r\n", 3) == 0) {
            owe(OWED_DOT, "");
            o.sending = SENDING_COMMANDS;
        } else {
            torture_pause();
            strbuf_add(&o.content, o.line.data, o.line.length);
            torture_resume();
        }
        strbuf_clear(&o.line);
    }
}

/* ---- what is answered ---- */

static void check_recipient(const char *address, const char *line)
{
    if (line[0] == '2') {
        bool taken = false;
        for (size_t i = o.first_upstream; i < o.n_upstreams; i++)
            for (size_t j = 0; j < RECIPIENTS; j++)
                taken |= o.upstreams[i]->accepted[j] &&
                         same_address(o.upstreams[i]->addresses[j], address);
        if (!taken && !row_for(address, discarded))
            finding("a recipient nobody took is answered: %s", line);
        ck_assert_uint_lt(o.n_accepted, RECIPIENTS);
        str_copy(o.accepted[o.n_accepted++], sizeof(o.accepted[0]), address);
    } else if (strncmp(line, "550", 3) == 0 && !row_for(address, any)) {
        finding("a recipient without a durable row is answered: %s", line);
    }
}

static bool in_upstream(const struct upstream *up, const char *address)
{
    for (size_t j = 0; j < RECIPIENTS; j++)
        if (up->accepted[j] && same_address(up->addresses[j], address))
            return true;
    return false;
}

/* What the gate puts before the client's content: its Received field of three lines and, where the
 * stream has it add the way out, those two fields, whole. */
static bool is_trace(const char *given, size_t length)
{
    static const char way[] = "List-Unsubscribe:\r\n <https://",
                      post[] = ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    size_t at = 0;
    for (int line = 0; line < 3; line++) {
        const char *feed = memchr(given + at, '\n', length - at);
        if (feed == NULL)
            return false;
        at = (size_t)(feed + 1 - given);
    }
    if (at == length)
        return true;
    size_t rest = length - at, head = sizeof(way) - 1, tail = sizeof(post) - 1;
    return rest > head + tail && memcmp(given + at, way, head) == 0 &&
           memcmp(given + length - tail, post, tail) == 0 &&
           memchr(given + at + head, '\n', rest - head - tail) == NULL;
}

/* The provider has what the client sent, behind the gate's own fields. */
static void check_content(const struct upstream *up)
{
    size_t length = up->content_to - up->content_from;
    const char *given = world.body.data + up->content_from;
    size_t received = length - o.content.length;
    if (length < o.content.length || received < 10 || memcmp(given, "Received: ", 10) != 0 ||
        memcmp(given + received, o.content.data, o.content.length) != 0)
        finding("250 for %zu bytes of content, of which the provider got %zu with its trace",
                o.content.length, length);
    if (!is_trace(given, received))
        finding("the gate's own fields are damaged");
}

static bool was_accepted(const char *told)
{
    for (size_t i = 0; i < o.n_accepted; i++)
        if (same_address(told, o.accepted[i]))
            return true;
    return false;
}

static void check_dot(const char *line)
{
    if (line[0] == '5')
        for (size_t i = 0; i < o.n_accepted; i++)
            if (!row_for(o.accepted[i], any))
                finding("content is refused without a durable row: %s", line);
    if (line[0] != '2')
        return;
    struct upstream *up = NULL;
    for (size_t i = o.first_upstream; i < o.n_upstreams && up == NULL; i++)
        if (o.upstreams[i]->taken && !o.upstreams[i]->claimed)
            up = o.upstreams[i];
    for (size_t i = 0; i < o.n_accepted; i++)
        if ((up == NULL || !in_upstream(up, o.accepted[i])) && !row_for(o.accepted[i], discarded))
            finding("a message that did not go to all its recipients is answered: %s", line);
    if (up == NULL)
        return;
    up->claimed = true;
    for (size_t i = 0; i < RECIPIENTS; i++)
        if (up->accepted[i] && !was_accepted(up->addresses[i]))
            finding("a message went to a recipient who had been refused");
    check_content(up);
}

/* A refusal that names a row has that row. */
static void check_reference(const char *line)
{
    const char *ref = strstr(line, "ref ");
    char id[RECORD_ID];
    if (ref == NULL || strlen(ref + 4) < RECORD_ID - 3)
        return;
    str_copy_n(id, sizeof(id), ref + 4, RECORD_ID - 3);
    if (!world_row_holds(id, line[0] == '5'))
        finding("answered before its row was durable: %s", line);
}

static void take_reply(const struct owed *owed, const char *line)
{
    switch (owed->kind) {
    case OWED_MAIL:
        if (line[0] != '2')
            break;
        o.n_accepted = 0;
        o.first_row = owed->rows;
        o.first_upstream = owed->upstreams;
        break;
    case OWED_RCPT:
        check_recipient(owed->address, line);
        break;
    case OWED_DATA:
        if (strncmp(line, "354", 3) == 0) {
            o.sending = SENDING_CONTENT;
            strbuf_clear(&o.content);
            strbuf_clear(&o.line);
        }
        break;
    case OWED_AUTH:
        o.sending = strncmp(line, "334", 3) == 0 ? SENDING_AUTH : SENDING_COMMANDS;
        break;
    case OWED_DOT:
        check_dot(line);
        break;
    case OWED_STARTTLS:
        o.may_start_tls = strncmp(line, "220", 3) == 0;
        break;
    default:
        break;
    }
}

void oracle_reply(const char *line)
{
    if (strlen(line) < 4 || !isdigit((unsigned char)line[0]))
        finding("not a reply: %s", line);
    check_reference(line);
    if (o.closing && line[0] == '2')
        finding("a success after the last word: %s", line);
    o.closing |= strncmp(line, "421", 3) == 0;
    if (o.blurred || o.closing || line[3] == '-')
        return;
    /* What is wrong with the stream itself is said while content is still being sent. */
    if (o.n == 0 && (line[0] == '4' || line[0] == '5'))
        return;
    if (o.n == 0)
        finding("a reply to nothing: %s", line);
    struct owed owed = o.owed[o.first];
    o.first = (o.first + 1) % OWED;
    o.n--;
    take_reply(&owed, line);
}

bool oracle_owed(void)
{
    return o.n > 0 && !o.blurred && !o.closing;
}

bool oracle_must_wait(void)
{
    if (!oracle_owed())
        return false;
    enum owed_kind last = o.owed[(o.first + o.n - 1) % OWED].kind;
    return last == OWED_DATA || last == OWED_AUTH || last == OWED_STARTTLS;
}

void oracle_blur(void)
{
    o.blurred = true;
}

bool oracle_may_start_tls(void)
{
    return o.may_start_tls;
}

void oracle_tls_started(void)
{
    o.sending = SENDING_COMMANDS;
    o.may_start_tls = false;
}

void oracle_begin(void)
{
    owe(OWED_GREETING, "");
}

void oracle_end(void)
{
    for (size_t i = 0; i < o.n_upstreams; i++)
        free(o.upstreams[i]);
    strbuf_free(&o.line);
    strbuf_free(&o.content);
    memset(&o, 0, sizeof(o));
}
