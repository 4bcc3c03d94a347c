/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer means. The template's rules come first; what none of them knows is taken the way
 * that risks least: a refusal where HTTP says that nothing was done, else that the provider may
 * have the message.
 */
#include "adapters/http/request.h"

#include "base/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A secret shorter than this is in many words. */
#define SECRET_LEAST 6
/* Bytes of a message's text that no provider says by chance. */
#define PIECE_LEAST 12
/* What is looked through for them; far less is kept. */
#define LOOKED_THROUGH ((size_t)4 * HTTP_SAID_MAX)

/* ---- what it said ---- */

static void hide(struct strbuf *text, const char *secret)
{
    size_t length = secret != NULL ? strlen(secret) : 0;
    if (length < SECRET_LEAST || text->data == NULL)
        return;
    for (char *at = text->data; (at = strstr(at, secret)) != NULL; at += length)
        memset(at, '*', length);
}

/* Whether the byte is one within a character. */
static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* What it repeats of secret, if it is long enough: not all of a text must be there to be read. */
static void hide_pieces(struct strbuf *said, const char *secret)
{
    size_t length = secret != NULL ? strlen(secret) : 0;
    if (length < PIECE_LEAST || said->length < PIECE_LEAST)
        return;
    char *looked_at = malloc(said->length);
    if (looked_at == NULL) {
        strbuf_clear(said);
        return;
    }
    memcpy(looked_at, said->data, said->length);
    for (size_t at = 0; at + PIECE_LEAST <= said->length; at++) {
        if (memmem(secret, length, looked_at + at, PIECE_LEAST) == NULL)
            continue;
        size_t from = at, to = at + PIECE_LEAST;
        while (from > 0 && continues(looked_at[from]))
            from--;
        while (to < said->length && continues(looked_at[to]))
            to++;
        memset(said->data + from, '*', to - from);
    }
    wipe(looked_at, said->length);
    free(looked_at);
}

/* The status, and the parts of the answer that the template points at: one line, without what a
 * provider might repeat of our secrets. */
static void tell(const struct http_template *template, const struct provider_config *config,
                 const struct http_facts *facts, long status, json_t *value,
                 struct http_verdict *out)
{
    struct strbuf said = {0}, part = {0};
    strbuf_add_format(&said, "%ld", status);
    for (const struct http_paths *each = template->answer.errors; each != NULL && value != NULL;
         each = each->next)
        if (http_path_text(&each->path, value, &part) && part.length > 0) {
            strbuf_add_char(&said, ' ');
            strbuf_add(&said, part.data, part.length);
        }
    hide(&said, config->username);
    hide(&said, config->password);
    for (size_t i = 0; i < config->n_settings; i++)
        hide(&said, config->settings[i].value);
    hide(&said, facts->values.of[HTTP_TEXT]);
    if (said.length > LOOKED_THROUGH) {
        said.length = LOOKED_THROUGH;
        said.data[said.length] = '\0';
    }
    hide_pieces(&said, facts->values.of[HTTP_TEXT]);
    for (char *at = said.data; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    /* Cut between characters. */
    size_t length = said.length < sizeof(out->text) ? said.length : sizeof(out->text) - 1;
    while (said.data != NULL && length > 0 && length < said.length &&
           ((unsigned char)said.data[length] & 0xc0) == 0x80)
        length--;
    str_copy_n(out->text, sizeof(out->text), said.data != NULL ? said.data : "", length);
    strbuf_free(&said);
    strbuf_free(&part);
}

/* ---- accepted ---- */

/* An id that cannot be kept is none: reports will find no message, which is better than the wrong
 * one. */
static void keep_id(const struct strbuf *id, struct http_verdict *out)
{
    if (id->failed || id->length == 0 || id->length >= sizeof(out->id))
        return;
    for (size_t i = 0; i < id->length; i++)
        if ((unsigned char)id->data[i] <= 0x20 || (unsigned char)id->data[i] >= 0x7f)
            return;
    str_copy(out->id, sizeof(out->id), id->data);
}

static void note_accepted(const struct http_template *template, const struct http_facts *facts,
                          json_t *value, struct http_verdict *out)
{
    const struct http_answer_form *form = &template->answer;
    struct strbuf found = {0};
    struct error err;
    out->answer.outcome = OUTCOME_ACCEPTED;
    if (form->has_id) {
        if (value != NULL && http_path_text(&form->id, value, &found))
            keep_id(&found, out);
    } else if (http_text_write(&form->id_text, &facts->values, HTTP_AS_IS, &found, &err) ==
               RESULT_OK) {
        keep_id(&found, out);
    }
    if (form->has_parts && value != NULL && http_path_text(&form->parts, value, &found) &&
        !found.failed && found.length > 0 && found.length <= 3 &&
        strspn(found.data, "0123456789") == found.length)
        out->answer.parts = (unsigned)strtoul(found.data, NULL, 10);
    if (out->answer.parts > SMS_PARTS_MAX)
        out->answer.parts = 0;
    strbuf_free(&found);
}

/* ---- the rest ---- */

static enum http_meaning by_status(long status)
{
    switch (status) {
    case 301: /* go there instead, says each of these: nothing was done here */
    case 307:
    case 308:
    case 401: /* our own credentials or rights: the message may be good */
    case 402:
    case 403:
    case 408:
    case 425:
    case 429:
        return HTTP_MEANS_FOR_NOW;
    default:
        return status >= 400 && status < 500 ? HTTP_MEANS_FOR_GOOD : HTTP_MEANS_UNKNOWN;
    }
}

static void mean(enum http_meaning meaning, struct sms_answer *answer)
{
    static const struct {
        enum outcome outcome;
        enum sms_refusal refusal;
    } meanings[] = {
        [HTTP_MEANS_FOR_GOOD] = {OUTCOME_REFUSED, SMS_REFUSED_FOR_GOOD},
        [HTTP_MEANS_FOR_NOW] = {OUTCOME_REFUSED, SMS_REFUSED_FOR_NOW},
        [HTTP_MEANS_OPTED_OUT] = {OUTCOME_REFUSED, SMS_REFUSED_OPTED_OUT},
        [HTTP_MEANS_NUMBER] = {OUTCOME_REFUSED, SMS_REFUSED_NUMBER},
        [HTTP_MEANS_NOT_TAKEN] = {OUTCOME_NONE, SMS_REFUSED_FOR_NOW},
        [HTTP_MEANS_UNKNOWN] = {OUTCOME_UNKNOWN, SMS_REFUSED_FOR_NOW},
    };
    answer->outcome = meanings[meaning].outcome;
    answer->refusal = meanings[meaning].refusal;
}

void http_judge(const struct http_template *template, const struct provider_config *config,
                const struct http_facts *facts, long status, bool complete, const char *body,
                size_t length, struct http_verdict *out)
{
    const struct http_answer_form *form = &template->answer;
    *out = (struct http_verdict){.answer = {.id = out->id, .text = out->text}};
    json_t *value = complete ? http_value_read(form->format, form->separator, body, length) : NULL;
    if (http_condition_holds(&form->accepted, status, value)) {
        note_accepted(template, facts, value, out);
    } else {
        const struct http_rule *rule = form->rules;
        while (rule != NULL && !http_condition_holds(&rule->condition, status, value))
            rule = rule->next;
        mean(rule != NULL ? rule->meaning : by_status(status), &out->answer);
    }
    tell(template, config, facts, status, value, out);
    json_decref(value);
}
