/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/golden_parse.h"

#include "base/str.h"
#include "policy/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct golden_case *golden;
    struct error *err;
    int line;
    bool partner_seen, stream_seen, policy_seen;
    /* Read at the end of the case: what it changes are the defaults of the channel asked about. */
    char *policy;
    int policy_line;
};

static bool fail(struct reader *reader, const char *what, const char *word)
{
    error_set(reader->err, RESULT_BAD_INPUT, "line %d: %s: '%.80s'", reader->line, what, word);
    return false;
}

/* Cuts the next piece before the separator, without the spaces around it; NULL at the end. */
static char *cut(char **rest, char separator)
{
    char *piece = *rest;
    if (piece == NULL)
        return NULL;
    char *end = strchr(piece, separator);
    *rest = end == NULL ? NULL : end + 1;
    if (end == NULL)
        end = piece + strlen(piece);
    while (end > piece && end[-1] == ' ')
        end--;
    *end = '\0';
    while (*piece == ' ')
        piece++;
    return piece;
}

/* The next word; "" when none is left. */
static char *word(char **rest)
{
    static char none[] = "";
    char *piece;
    while ((piece = cut(rest, ' ')) != NULL && piece[0] == '\0')
        continue;
    return piece == NULL ? none : piece;
}

static bool read_list(struct reader *reader, char *rest, struct golden_list *list)
{
    for (char *item = word(&rest); item[0] != '\0'; item = word(&rest)) {
        if (list->count == GOLDEN_WORDS)
            return fail(reader, "too many words", item);
        list->words[list->count++] = item;
    }
    return true;
}

static bool list_has(const struct golden_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->words[i], text) == 0)
            return true;
    return false;
}

/* "2026-01-31" (midnight UTC) or RFC 3339. */
static bool read_time(struct reader *reader, const char *text, int64_t *out)
{
    char full[64];
    snprintf(full, sizeof(full), strlen(text) == 10 ? "%sT00:00:00Z" : "%s", text);
    return clock_parse(full, strlen(full), out) || fail(reader, "not a time", text);
}

static bool read_number(struct reader *reader, const char *text, int64_t *out)
{
    char *end;
    *out = strtoll(text, &end, 10);
    return (*end == '\0' && *out > 0) || fail(reader, "not a number", text);
}

static bool is_word(const char *text, const char *expected, bool *flag)
{
    if (strcmp(text, expected) != 0)
        return false;
    *flag = true;
    return true;
}

static bool read_partner(struct reader *reader, char *rest)
{
    struct golden_case *golden = reader->golden;
    char *clause = cut(&rest, ';');
    golden->partner.id = clause;
    golden->partner.siren = "";
    while ((clause = cut(&rest, ';')) != NULL) {
        char *key = word(&clause);
        if (strcmp(key, "siren") == 0)
            golden->partner.siren = word(&clause);
        else if (strcmp(key, "categories") == 0) {
            if (!read_list(reader, clause, &golden->partner_categories))
                return false;
        } else if (strcmp(key, "mode") == 0) {
            char *mode = word(&clause);
            if (!mode_parse(mode, &golden->partner.mode))
                return fail(reader, "no such mode", mode);
        } else if (!is_word(key, "suspended", &golden->facts.partner_suspended))
            return fail(reader, "unknown word about the partner", key);
    }
    return true;
}

static bool read_stream(struct reader *reader, char *rest)
{
    struct golden_case *golden = reader->golden;
    char *clause = cut(&rest, ';');
    char *class = word(&clause);
    golden->question.stream = &golden->stream;
    if (strcmp(class, "none") == 0) {
        golden->question.stream = NULL;
        return rest == NULL || fail(reader, "no stream has nothing to say", rest);
    }
    if (!stream_class_parse(class, &golden->stream.class))
        return fail(reader, "no such class of stream", class);
    while ((clause = cut(&rest, ';')) != NULL) {
        char *key = word(&clause);
        if (strcmp(key, "senders") == 0) {
            if (!read_list(reader, clause, &golden->senders))
                return false;
        } else if (strcmp(key, "sector") == 0)
            golden->stream.sector = word(&clause);
        else if (!is_word(key, "suspended", &golden->facts.stream_suspended))
            return fail(reader, "unknown word about the stream", key);
    }
    return true;
}

static bool read_opening(struct reader *reader, char *text, struct opening *out)
{
    int from_hour, from_minute, to_hour, to_minute;
    char extra;
    if (sscanf(text, "%2d:%2d-%2d:%2d%c", &from_hour, &from_minute, &to_hour, &to_minute, &extra) !=
        4)
        return fail(reader, "not hours", text);
    out->from = from_hour * 60 + from_minute;
    out->to = to_hour * 60 + to_minute;
    return true;
}

static bool read_days(struct reader *reader, char *rest, unsigned *out)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    *out = 0;
    for (char *day = word(&rest); day[0] != '\0'; day = word(&rest)) {
        size_t i = 0;
        while (i < 7 && strcmp(day, days[i]) != 0)
            i++;
        if (i == 7)
            return fail(reader, "no such day", day);
        *out |= 1u << i;
    }
    return true;
}

static bool read_accept(struct reader *reader, char *rest)
{
    unsigned bases = 0;
    for (char *name = word(&rest); name[0] != '\0'; name = word(&rest)) {
        enum basis basis;
        if (!basis_parse(name, &basis))
            return fail(reader, "no such basis", name);
        bases |= BASIS_BIT(basis);
    }
    channel_policy_accept(&reader->golden->policy, bases);
    return true;
}

static bool read_policy_clause(struct reader *reader, const char *key, char *rest)
{
    struct golden_case *golden = reader->golden;
    struct channel_policy *policy = &golden->policy;
    if (strcmp(key, "accept") == 0)
        return read_accept(reader, rest);
    if (strcmp(key, "days") == 0)
        return read_days(reader, rest, &policy->days);
    if (strcmp(key, "banned") == 0)
        return read_list(reader, rest, &golden->banned);
    if (strcmp(key, "hours") == 0) {
        policy->hours = golden->hours;
        for (char *text = word(&rest); text[0] != '\0'; text = word(&rest))
            if (policy->n_hours == GOLDEN_WORDS ||
                !read_opening(reader, text, &policy->hours[policy->n_hours++]))
                return false;
        return true;
    }
    if (strcmp(key, "stale") == 0)
        return duration_parse(rest == NULL ? "" : rest, &policy->stale_after) ||
               fail(reader, "not a duration", rest == NULL ? "" : rest);
    char *value = word(&rest);
    bool named = strcmp(value, "named") == 0;
    bool pass = strcmp(value, "pass") == 0;
    if (strcmp(key, "naming") == 0 && (named || strcmp(value, "category") == 0))
        policy->partner_naming = named ? NAMING_NAMED : NAMING_CATEGORY;
    else if (strcmp(key, "later") == 0 && (pass || strcmp(value, "block") == 0))
        policy->partner_added_later = pass ? ADDED_LATER_PASS : ADDED_LATER_BLOCK;
    else if (strcmp(key, "holidays") == 0 && holidays_known(value))
        policy->holidays = value;
    else if (strcmp(key, "timezone") == 0)
        policy->timezone = value;
    else
        return fail(reader, "unknown word about the policy", key);
    return true;
}

static bool read_policy(struct reader *reader)
{
    char *rest = reader->policy;
    char *clause;
    channel_policy_default(reader->golden->question.channel, &reader->golden->policy);
    if (rest != NULL)
        reader->line = reader->policy_line;
    while ((clause = cut(&rest, ';')) != NULL) {
        char *key = word(&clause);
        if (!read_policy_clause(reader, key, clause))
            return false;
    }
    return true;
}

static bool read_channels(struct reader *reader, char *rest, unsigned *out)
{
    *out = 0;
    for (char *name = word(&rest); name[0] != '\0'; name = word(&rest)) {
        enum channel channel;
        if (!channel_parse(name, &channel))
            return fail(reader, "no such channel", name);
        *out |= CHANNEL_BIT(channel);
    }
    return true;
}

static bool read_purposes(struct reader *reader, char *rest, unsigned *out)
{
    *out = 0;
    for (char *name = word(&rest); name[0] != '\0'; name = word(&rest)) {
        enum purpose purpose;
        if (!purpose_parse(name, &purpose))
            return fail(reader, "no such purpose", name);
        *out |= PURPOSE_BIT(purpose);
    }
    return true;
}

static bool read_form_name(struct reader *reader, char *text, struct form_facts *form)
{
    char *at = strchr(text, '@');
    int64_t version;
    if (at == NULL)
        return fail(reader, "a form is ID@VERSION", text);
    *at = '\0';
    form->id = text;
    if (!read_number(reader, at + 1, &version))
        return false;
    form->version = (int)version;
    return true;
}

static bool read_form_clause(struct reader *reader, struct golden_form *form, const char *key,
                             char *rest)
{
    struct form_facts *facts = &form->facts;
    if (strcmp(key, "channels") == 0)
        return read_channels(reader, rest, &facts->channels);
    if (strcmp(key, "purposes") == 0)
        return read_purposes(reader, rest, &facts->purposes);
    if (strcmp(key, "lists") == 0)
        return read_list(reader, rest, &form->partners);
    if (strcmp(key, "categories") == 0)
        return read_list(reader, rest, &form->categories);
    if (strcmp(key, "from") == 0)
        return read_time(reader, word(&rest), &facts->effective_from);
    if (strcmp(key, "by") == 0)
        facts->collector = word(&rest);
    else if (!is_word(key, "suspended", &facts->suspended) &&
             !is_word(key, "invalidated", &facts->invalidated))
        return fail(reader, "unknown word about the form", key);
    return true;
}

static bool read_form(struct reader *reader, char *rest)
{
    struct golden_case *golden = reader->golden;
    if (golden->n_forms == GOLDEN_FORMS)
        return fail(reader, "too many forms", rest);
    struct golden_form *form = &golden->forms[golden->n_forms++];
    *form = (struct golden_form){.facts = {.collector = "987654321",
                                           .channels = CHANNEL_BIT(CHANNEL_EMAIL),
                                           .purposes = PURPOSE_BIT(PURPOSE_RECEIPT),
                                           .effective_until = INT64_MAX}};
    if (!read_time(reader, "2025-01-01", &form->facts.effective_from) ||
        !read_form_name(reader, cut(&rest, ';'), &form->facts))
        return false;
    char *clause;
    while ((clause = cut(&rest, ';')) != NULL) {
        char *key = word(&clause);
        if (!read_form_clause(reader, form, key, clause))
            return false;
    }
    return true;
}

static bool read_event_clause(struct reader *reader, size_t index, const char *key, char *rest)
{
    struct consent_event *event = &reader->golden->events[index];
    if (strcmp(key, "partners") == 0)
        return read_list(reader, rest, &reader->golden->event_partners[index]);
    if (strcmp(key, "form") == 0)
        reader->golden->event_forms[index] = word(&rest);
    else if (strcmp(key, "collector") == 0)
        event->collector = word(&rest);
    else if (strcmp(key, "basis") == 0) {
        char *name = word(&rest);
        if (!basis_parse(name, &event->basis))
            return fail(reader, "no such basis", name);
    } else if (strcmp(key, "supplier") == 0) {
        event->supplier = word(&rest);
        char *state = word(&rest);
        if (state[0] != '\0' && !is_word(state, "suspended", &event->supplier_suspended) &&
            !is_word(state, "invalidated", &event->supplier_invalidated))
            return fail(reader, "unknown state of a supplier", state);
    } else if (!is_word(key, "evidence", &event->has_evidence))
        return fail(reader, "unknown word about the event", key);
    return true;
}

static bool read_event(struct reader *reader, char *rest)
{
    struct golden_case *golden = reader->golden;
    if (golden->n_events == GOLDEN_EVENTS)
        return fail(reader, "too many events", rest);
    size_t index = golden->n_events++;
    struct consent_event *event = &golden->events[index];
    char *clause = cut(&rest, ';');
    char *number = word(&clause);
    char *kind = word(&clause);
    char *channel = word(&clause);
    char *when = word(&clause);
    if (!read_number(reader, number, &event->id) || !read_time(reader, when, &event->occurred_at))
        return false;
    if (!event_kind_parse(kind, &event->kind))
        return fail(reader, "no such event", kind);
    if (!channel_parse(channel, &event->channel))
        return fail(reader, "no such channel", channel);
    while ((clause = cut(&rest, ';')) != NULL) {
        char *key = word(&clause);
        if (!read_event_clause(reader, index, key, clause))
            return false;
    }
    return true;
}

static bool read_ask(struct reader *reader, char *rest)
{
    struct golden_case *golden = reader->golden;
    struct question *question = &golden->question;
    char *clause = cut(&rest, ';');
    char *channel = word(&clause);
    char *when = word(&clause);
    if (golden->asked)
        return fail(reader, "a case asks once", channel);
    if (!channel_parse(channel, &question->channel))
        return fail(reader, "no such channel", channel);
    if (!read_time(reader, when, &question->now))
        return false;
    while ((clause = cut(&rest, ';')) != NULL) {
        char *key = word(&clause);
        if (strcmp(key, "sender") == 0) {
            char *sender = word(&clause);
            question->sender = strcmp(sender, "<>") == 0 ? "" : sender;
        } else if (!purpose_parse(key, &question->purpose))
            return fail(reader, "unknown word about the question", key);
    }
    golden->stream.channel = question->channel;
    golden->asked = true;
    return true;
}

static bool read_misses(struct reader *reader, char *rest)
{
    struct golden_case *golden = reader->golden;
    for (char *name = word(&rest); name[0] != '\0'; name = word(&rest)) {
        enum reason reason;
        if (!reason_parse(name, &reason))
            return fail(reader, "no such reason", name);
        golden->misses[reason] = true;
    }
    return true;
}

static bool read_expect(struct reader *reader, char *rest)
{
    struct golden_case *golden = reader->golden;
    char *clause = cut(&rest, ';');
    char *verdict = word(&clause);
    char *reason = word(&clause);
    if (golden->expected)
        return fail(reader, "a case expects once", verdict);
    if (!verdict_parse(verdict, &golden->verdict))
        return fail(reader, "no such verdict", verdict);
    if (!reason_parse(reason, &golden->reason))
        return fail(reader, "no such reason", reason);
    while ((clause = cut(&rest, ';')) != NULL) {
        char *key = word(&clause);
        if (strcmp(key, "misses") == 0) {
            if (!read_misses(reader, clause))
                return false;
            continue;
        }
        char *value = word(&clause);
        if (strcmp(key, "effect") == 0)
            golden->effect = value;
        else if (strcmp(key, "no") == 0 && strcmp(value, "event") == 0)
            golden->event = 0;
        else if (strcmp(key, "event") != 0)
            return fail(reader, "unknown word about what is expected", key);
        else if (!read_number(reader, value, &golden->event))
            return false;
    }
    golden->expected = true;
    return true;
}

static bool read_line(struct reader *reader, char *line)
{
    char *rest = line;
    char *key = word(&rest);
    bool *seen = NULL;
    if (rest == NULL)
        return fail(reader, "a line of one word", key);
    if (strcmp(key, "form") == 0)
        return read_form(reader, rest);
    if (strcmp(key, "event") == 0)
        return read_event(reader, rest);
    if (strcmp(key, "ask") == 0)
        return read_ask(reader, rest);
    if (strcmp(key, "expect") == 0)
        return read_expect(reader, rest);
    if (strcmp(key, "partner") == 0)
        seen = &reader->partner_seen;
    else if (strcmp(key, "stream") == 0)
        seen = &reader->stream_seen;
    else if (strcmp(key, "policy") == 0)
        seen = &reader->policy_seen;
    else
        return fail(reader, "unknown line", key);
    if (*seen)
        return fail(reader, "this line stands twice in one case", key);
    *seen = true;
    if (seen == &reader->partner_seen)
        return read_partner(reader, rest);
    if (seen == &reader->stream_seen)
        return read_stream(reader, rest);
    reader->policy = rest;
    reader->policy_line = reader->line;
    return true;
}

/* What the registry works out: where the partner stands on a form, and when its version ends. */
static void finish_form(struct golden_case *golden, struct golden_form *form)
{
    struct form_facts *facts = &form->facts;
    facts->presence = PRESENCE_NEVER;
    facts->categories = form->categories.words;
    facts->n_categories = form->categories.count;
    for (size_t i = 0; i < golden->n_forms; i++) {
        const struct golden_form *other = &golden->forms[i];
        if (strcmp(other->facts.id, facts->id) != 0 || other->facts.version <= facts->version)
            continue;
        if (other->facts.effective_from < facts->effective_until)
            facts->effective_until = other->facts.effective_from;
        /* A later list that was invalidated vouches for nobody. */
        if (!other->facts.invalidated && list_has(&other->partners, golden->partner.id))
            facts->presence = PRESENCE_LATER;
    }
    if (list_has(&form->partners, golden->partner.id))
        facts->presence = PRESENCE_LISTED;
}

static bool finish_event(struct reader *reader, size_t index)
{
    struct golden_case *golden = reader->golden;
    struct consent_event *event = &golden->events[index];
    const struct golden_list *partners = &golden->event_partners[index];
    const char *name = golden->event_forms[index];
    event->names_partners = partners->count > 0;
    event->names_this_partner = list_has(partners, golden->partner.id);
    for (size_t i = 0; name != NULL && i < golden->n_forms; i++) {
        char full[96];
        const struct form_facts *form = &golden->forms[i].facts;
        snprintf(full, sizeof(full), "%s@%d", form->id, form->version);
        if (strcmp(full, name) == 0)
            event->form = form;
    }
    return name == NULL || event->form != NULL || fail(reader, "the case has no such form", name);
}

static bool finish(struct reader *reader)
{
    struct golden_case *golden = reader->golden;
    if (!golden->asked || !golden->expected || !reader->partner_seen || !reader->stream_seen)
        return fail(reader, "the case lacks its partner, stream, ask or expect", golden->title);
    int line = reader->line;
    if (!read_policy(reader))
        return false;
    reader->line = line;
    for (size_t i = 0; i < golden->n_forms; i++)
        finish_form(golden, &golden->forms[i]);
    for (size_t i = 0; i < golden->n_events; i++)
        if (!finish_event(reader, i))
            return false;
    golden->partner.categories = golden->partner_categories.words;
    golden->partner.n_categories = golden->partner_categories.count;
    golden->stream.senders = golden->senders.words;
    golden->stream.n_senders = golden->senders.count;
    golden->policy.banned_sectors = golden->banned.words;
    golden->policy.n_banned_sectors = golden->banned.count;
    golden->facts.events = golden->events;
    golden->facts.n_events = golden->n_events;
    golden->question.partner = &golden->partner;
    golden->question.policy = &golden->policy;
    golden->stream.partner = &golden->partner;
    return true;
}

static bool begin(struct reader *reader, struct arena *arena, const char *title)
{
    struct golden_case *golden = arena_alloc(arena, sizeof(*golden));
    if (golden == NULL) {
        error_no_memory(reader->err);
        return false;
    }
    *reader = (struct reader){.golden = golden, .err = reader->err, .line = reader->line};
    golden->title = title;
    golden->line = reader->line;
    golden->event = -1;
    golden->stream.sector = "";
    return title[0] != '\0' || fail(reader, "a case has a title", "");
}

/* The case that ends here, if one does. */
static bool hand_over(struct reader *reader, golden_fn *each, void *arg, size_t *count)
{
    if (reader->golden == NULL)
        return true;
    if (!finish(reader))
        return false;
    each(arg, reader->golden);
    ++*count;
    reader->golden = NULL;
    return true;
}

enum result golden_read(char *text, struct arena *arena, golden_fn *each, void *arg,
                        size_t *count_out, struct error *err)
{
    struct reader reader = {.err = err};
    char *line;
    *count_out = 0;
    while ((line = cut(&text, '\n')) != NULL) {
        reader.line++;
        if (line[0] == '#')
            continue;
        bool title = ascii_has_prefix(line, "case ");
        if (line[0] != '\0' && !title) {
            if (reader.golden == NULL)
                return fail(&reader, "a line before the first case", line), err->code;
            if (!read_line(&reader, line))
                return err->code;
            continue;
        }
        if (!hand_over(&reader, each, arg, count_out))
            return err->code;
        if (title && !begin(&reader, arena, line + 5))
            return err->code;
    }
    return hand_over(&reader, each, arg, count_out) ? RESULT_OK : err->code;
}
