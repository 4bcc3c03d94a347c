/* SPDX-License-Identifier: Apache-2.0 */
#include "console/person.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERSONS    "/console/persons/"
#define PURPOSE    "person"
#define WORKDAY    (12 * 3600 * CLOCK_SECOND)
#define TOKEN_MOST 1024
#define KEY_DIGITS ((size_t)(2 * RECIPIENT_KEY_BYTES))

void person_link_wipe(struct person_link *link)
{
    wipe(&link->address, sizeof(link->address));
    link->known = false;
}

static enum result set_path(struct visit *visit, struct person_link *link, const char *tail,
                            struct error *err)
{
    struct strbuf path = {0};
    strbuf_add_str(&path, PERSONS);
    strbuf_add_str(&path, tail);
    link->path = path.failed ? NULL : arena_str(visit->arena, path.data);
    strbuf_free(&path);
    return link->path != NULL ? RESULT_OK : error_no_memory(err);
}

static enum result set_key_path(struct visit *visit, struct person_link *link, struct error *err)
{
    char hex[KEY_DIGITS + 1];
    hex_encode(link->recipient.key, RECIPIENT_KEY_BYTES, hex);
    return set_path(visit, link, hex, err);
}

const char *person_link_below(struct visit *visit, const struct person_link *link, const char *what)
{
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/%s", link->path, what);
    const char *out = path.failed ? NULL : arena_str(visit->arena, path.data);
    strbuf_free(&path);
    return out;
}

/* ---- sealing ---- */

/* "EXPIRES USER ADDRESS"; neither a user's name nor what goes before has a blank in it. */
enum result person_link_make(struct visit *visit, const struct address *address,
                             struct person_link *link, struct error *err)
{
    struct strbuf clear = {0}, sealed = {0}, token = {0};
    *link = (struct person_link){.known = true, .address = *address};
    enum result result = recipient_make(visit->hmac, address, &link->recipient, err);
    if (result != RESULT_OK)
        return result;
    if (visit->seal == NULL) { /* the address then stays where it was typed */
        link->known = false;
        return set_key_path(visit, link, err);
    }
    strbuf_add_format(&clear, "%" PRId64 " %s %s", visit->now + WORKDAY, visit->user,
                      address->text);
    if (clear.failed || !seal_close(visit->seal, PURPOSE, clear.data, clear.length, &sealed)) {
        result = error_no_memory(err);
    } else {
        base64url_add(&token, sealed.data, sealed.length);
        result = token.failed ? error_no_memory(err) : set_path(visit, link, token.data, err);
    }
    if (clear.data != NULL)
        wipe(clear.data, clear.capacity);
    strbuf_free(&clear);
    strbuf_free(&sealed);
    strbuf_free(&token);
    return result;
}

/* Cuts text up; false: it is not as person_link_make makes it. */
static bool read_clear(char *text, int64_t *expires_out, const char **user_out,
                       const char **address_out)
{
    char *end;
    *expires_out = strtoll(text, &end, 10);
    if (*end != ' ')
        return false;
    *user_out = ++end;
    char *blank = strchr(end, ' ');
    if (blank == NULL)
        return false;
    *blank = '\0';
    *address_out = blank + 1;
    return true;
}

static enum result open_token(struct visit *visit, const char *tail, struct person_link *link,
                              struct error *err)
{
    struct strbuf sealed = {0}, clear = {0};
    int64_t expires;
    const char *user, *address;
    enum result result = RESULT_NOT_FOUND;
    if (visit->seal != NULL && strlen(tail) <= TOKEN_MOST &&
        base64url_parse(tail, strlen(tail), &sealed) &&
        seal_open(visit->seal, PURPOSE, sealed.data, sealed.length, &clear, err) == RESULT_OK &&
        read_clear(clear.data, &expires, &user, &address) &&
        address_parse(address, visit->config->region, &link->address, err) == RESULT_OK) {
        result = recipient_make(visit->hmac, &link->address, &link->recipient, err);
        link->known = visit->now < expires && strcmp(user, visit->user) == 0;
    }
    bool short_of_memory = sealed.failed || clear.failed;
    if (clear.data != NULL)
        wipe(clear.data, clear.capacity);
    strbuf_free(&sealed);
    strbuf_free(&clear);
    if (short_of_memory)
        return error_no_memory(err);
    if (result != RESULT_OK)
        return result;
    if (link->known)
        return set_path(visit, link, tail, err);
    link->elsewhere = true;
    person_link_wipe(link);
    return set_key_path(visit, link, err);
}

enum result person_link_open(struct visit *visit, const char *tail, struct person_link *link,
                             struct error *err)
{
    *link = (struct person_link){0};
    if (strlen(tail) != KEY_DIGITS ||
        !hex_decode(tail, KEY_DIGITS, link->recipient.key, RECIPIENT_KEY_BYTES))
        return open_token(visit, tail, link, err);
    enum result result = set_key_path(visit, link, err);
    link->elsewhere = result == RESULT_OK && strcmp(link->path + strlen(PERSONS), tail) != 0;
    return result;
}
