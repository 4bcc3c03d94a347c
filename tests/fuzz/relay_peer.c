/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/relay_peer.h"

#include "base/str.h"
#include "tests/must.h"

#include <ctype.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define THINGS       512
#define TRANSACTIONS 16

/* Something the client said that has one reply; the first is that it came. */
struct thing {
    enum { THING_CAME, THING_OTHER, THING_MAIL, THING_RCPT, THING_DATA, THING_DOT } kind;
    int transaction;
    unsigned index;
    size_t known; /* bytes the client had surely read before it said this */
    bool exact;   /* and that is the truth, not an estimate */
};

struct peer {
    int fd; /* -1: closed */
    bool deaf;
    bool lags; /* what is heard next may have been said long ago */
    struct strbuf heard, said;
    size_t known; /* of said: what the client has surely read */
    size_t at;    /* of heard: what was understood */
    bool in_content, tls;
    int transaction; /* of the last MAIL */
    struct thing things[THINGS];
    unsigned n_things;
};

static struct peer peers[PEERS];
static unsigned n_peers, chosen;
static bool may_finish[TRANSACTIONS];

/* ---- replies, read anew each time: a script is short ---- */

/* The code of the n-th reply in the first length bytes of said, 0 when there is none; where it
 * ends. */
static int reply_at(const struct peer *peer, unsigned n, size_t length, size_t *end_out)
{
    const char *data = peer->said.data;
    size_t at = 0;
    int code = 0;
    while (at < length) {
        const char *feed = memchr(data + at, '\n', length - at);
        if (feed == NULL)
            return 0;
        const char *line = data + at;
        size_t bytes = (size_t)(feed - line);
        if (bytes < 4 || feed[-1] != '\r' || line[0] < '2' || line[0] > '5' ||
            !isdigit((unsigned char)line[1]) || !isdigit((unsigned char)line[2]))
            return 0;
        int now = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
        if (code != 0 && now != code)
            return 0;
        code = now;
        at = (size_t)(feed - data) + 1;
        if (bytes > 4 && line[3] == '-')
            continue;
        if (bytes > 4 && line[3] != ' ')
            return 0;
        if (n-- == 0) {
            *end_out = at;
            return code;
        }
        code = 0;
    }
    return 0;
}

static int answer_to(const struct peer *peer, unsigned thing)
{
    size_t end;
    return reply_at(peer, thing, peer->said.length, &end);
}

/* ---- what the client said ---- */

static struct thing *add_thing(struct peer *peer, int kind)
{
    must(peer->n_things < THINGS);
    struct thing *thing = &peer->things[peer->n_things++];
    *thing = (struct thing){
        .kind = kind, .transaction = peer->transaction, .known = peer->known, .exact = !peer->lags};
    return thing;
}

static bool begins(const char *line, size_t length, const char *with)
{
    return length >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* It begins a message: whatever was said before has been answered, and nothing else was heard. */
static void check_fresh(const struct peer *peer)
{
    size_t end = 0;
    must_say(answer_to(peer, peer->n_things - 1) != 0, "MAIL before all was answered");
    if (peer->lags || peer->known == 0)
        return;
    int last = reply_at(peer, peer->n_things - 1, peer->known, &end);
    must_say(last == 0 || end == peer->known, "used again with unread bytes");
}

static void understand_line(struct peer *peer, const char *line, size_t length)
{
    static const char *const others[] = {"EHLO gate.example.org",
                                         "STARTTLS",
                                         "AUTH PLAIN ",
                                         "AUTH LOGIN",
                                         "RSET",
                                         "QUIT",
                                         "dXNlcg==",
                                         "cGFzcw=="};
    for (size_t i = 0; i < length; i++)
        must((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
    char copy[128];
    snprintf(copy, sizeof(copy), "%.*s", (int)length, line);
    int transaction = -1;
    unsigned index = 0;
    if (sscanf(copy, "MAIL FROM:<a%d@example.org>", &transaction) == 1) {
        must(transaction >= 0 && transaction < TRANSACTIONS);
        check_fresh(peer);
        peer->transaction = transaction;
        add_thing(peer, THING_MAIL);
    } else if (sscanf(copy, "RCPT TO:<r%d.%u@example.net>", &transaction, &index) == 2) {
        must(transaction == peer->transaction);
        add_thing(peer, THING_RCPT)->index = index;
    } else if (strcmp(copy, "DATA") == 0) {
        add_thing(peer, THING_DATA);
    } else {
        size_t i = 0;
        while (i < sizeof(others) / sizeof(others[0]) && !begins(line, length, others[i]))
            i++;
        must_say(i < sizeof(others) / sizeof(others[0]), "it said \"%s\"", copy);
        add_thing(peer, THING_OTHER);
        peer->tls = strcmp(copy, "STARTTLS") == 0;
    }
}

static void understand(struct peer *peer)
{
    const struct strbuf *heard = &peer->heard;
    while (peer->at < heard->length) {
        const struct thing *last = &peer->things[peer->n_things - 1];
        int answer = answer_to(peer, peer->n_things - 1);
        if (last->kind == THING_DATA && !peer->in_content) {
            must_say(answer != 0, "it spoke before DATA was answered");
            peer->in_content = answer == 354;
        }
        if (peer->tls && answer == 220)
            return; /* a handshake */
        peer->tls = false;
        const char *line = heard->data + peer->at;
        const char *feed = memchr(line, '\n', heard->length - peer->at);
        if (feed == NULL)
            return;
        must(feed > line && feed[-1] == '\r');
        size_t length = (size_t)(feed - line) - 1;
        peer->at += length + 2;
        if (!peer->in_content) {
            understand_line(peer, line, length);
        } else if (length == 1 && line[0] == '.') {
            must_say(may_finish[peer->transaction], "a dot that nobody asked for");
            add_thing(peer, THING_DOT);
            peer->in_content = false;
        } else {
            must(begins(line, length, "..2345"));
        }
    }
}

static void hear(struct peer *peer)
{
    char chunk[16384];
    ssize_t got;
    while (peer->fd >= 0 && (got = recv(peer->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
        strbuf_add(&peer->heard, chunk, (size_t)got);
    understand(peer);
    peer->lags = peer->deaf;
}

void peer_read(void)
{
    for (unsigned i = 0; i < n_peers; i++)
        if (!peers[i].deaf)
            hear(&peers[i]);
}

void peer_look(void)
{
    for (unsigned i = 0; i < n_peers; i++) {
        int unread = 0;
        if (peers[i].fd >= 0 && ioctl(peers[i].fd, SIOCOUTQ, &unread) == 0 && unread == 0)
            peers[i].known = peers[i].said.length;
    }
}

/* ---- what the provider does ---- */

void peer_reset(void)
{
    for (unsigned i = 0; i < n_peers; i++) {
        if (peers[i].fd >= 0)
            close(peers[i].fd);
        strbuf_free(&peers[i].heard);
        strbuf_free(&peers[i].said);
    }
    n_peers = chosen = 0;
    memset(may_finish, 0, sizeof(may_finish));
}

unsigned peer_count(void)
{
    return n_peers;
}

void peer_open(int fd)
{
    must(n_peers < PEERS);
    chosen = n_peers;
    struct peer *peer = &peers[n_peers++];
    /* The array of things is large, and none of it counts yet. */
    peer->fd = fd;
    peer->deaf = peer->lags = peer->in_content = peer->tls = false;
    peer->heard = peer->said = (struct strbuf){0};
    peer->known = peer->at = 0;
    peer->transaction = -1;
    peer->n_things = 0;
    add_thing(peer, THING_CAME);
}

void peer_choose(unsigned number)
{
    if (number < n_peers)
        chosen = number;
}

void peer_say(const char *bytes, size_t length)
{
    struct peer *peer = &peers[chosen];
    if (n_peers == 0 || peer->fd < 0)
        return;
    ssize_t sent = send(peer->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        strbuf_add(&peer->said, bytes, (size_t)sent);
}

static void close_one(struct peer *peer)
{
    hear(peer);
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

void peer_close(void)
{
    if (n_peers > 0)
        close_one(&peers[chosen]);
}

void peer_half_close(void)
{
    if (n_peers > 0 && peers[chosen].fd >= 0)
        (void)shutdown(peers[chosen].fd, SHUT_WR);
}

void peer_close_all(void)
{
    for (unsigned i = 0; i < n_peers; i++)
        close_one(&peers[i]);
}

void peer_hear(bool hears)
{
    if (n_peers == 0)
        return;
    peers[chosen].deaf = !hears;
    peers[chosen].lags |= !hears;
}

void peer_may_finish(unsigned transaction)
{
    may_finish[transaction] = true;
}

/* ---- judging ---- */

static struct thing *find(unsigned transaction, int kind, unsigned index, struct peer **peer_out)
{
    for (unsigned i = n_peers; i > 0; i--) {
        struct peer *peer = &peers[i - 1];
        hear(peer);
        for (unsigned j = peer->n_things; j > 0; j--) {
            struct thing *thing = &peer->things[j - 1];
            if ((int)thing->kind == kind && thing->transaction == (int)transaction &&
                thing->index == index) {
                *peer_out = peer;
                return thing;
            }
        }
    }
    return NULL;
}

static int code_of(const struct peer *peer, const struct thing *thing)
{
    return answer_to(peer, (unsigned)(thing - peer->things));
}

void peer_check_recipient(unsigned transaction, unsigned index, int code)
{
    struct peer *peer = NULL;
    struct thing *mail = find(transaction, THING_MAIL, 0, &peer);
    if (mail == NULL) {
        must_say(code == 554, "an answer of %d that no provider gave", code);
        return;
    }
    int answer = code_of(peer, mail);
    if (answer / 100 == 2) {
        struct thing *rcpt = find(transaction, THING_RCPT, index, &peer);
        must(rcpt != NULL);
        answer = code_of(peer, rcpt);
    }
    must_say(answer == code, "told %d, when the provider said %d", code, answer);
}

void peer_check_accepted(unsigned transaction, unsigned recipients)
{
    struct peer *peer = NULL;
    struct thing *dot = find(transaction, THING_DOT, 0, &peer);
    must_say(dot != NULL, "accepted, and no dot was said");
    size_t end = 0;
    int code = reply_at(peer, (unsigned)(dot - peer->things), peer->said.length, &end);
    must_say(code / 100 == 2, "accepted, when the provider said %d to the dot", code);
    must_say(!dot->exact || end > dot->known, "accepted by what was said before the dot");
    for (unsigned i = 0; i < peer->n_things; i++)
        if (peer->things[i].kind == THING_RCPT && peer->things[i].transaction == (int)transaction &&
            answer_to(peer, i) / 100 == 2)
            recipients--;
    must(recipients == 0);
}

void peer_check_unsaid(unsigned transaction)
{
    struct peer *peer = NULL;
    must_say(find(transaction, THING_DATA, 0, &peer) == NULL, "called unsaid after DATA");
}

void peer_check_no_dot(unsigned transaction)
{
    struct peer *peer = NULL;
    must_say(find(transaction, THING_DOT, 0, &peer) == NULL, "called failed after its dot");
}
