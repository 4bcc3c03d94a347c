/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* ---- ids ---- */

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static pthread_once_t counter_once = PTHREAD_ONCE_INIT;
static _Atomic uint32_t counter;

static void start_counter(void)
{
    uint32_t start = 0;
    /* Without randomness the clock still keeps gateways apart well enough. */
    if (!random_bytes(&start, sizeof(start)))
        start = (uint32_t)clock_monotonic();
    atomic_store(&counter, start);
}

static void base32(uint64_t value, size_t digits, char *out)
{
    for (size_t i = digits; i-- > 0; value >>= 5)
        out[i] = crockford[value & 31];
}

void record_new_id(char out[RECORD_ID])
{
    pthread_once(&counter_once, start_counter);
    uint64_t milliseconds = (uint64_t)(clock_now() / 1000) & ((UINT64_C(1) << 48) - 1);
    uint32_t count = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    base32(milliseconds, 10, out);
    out[10] = '-';
    base32(count & ((1u << 30) - 1), 6, out + 11);
    out[17] = '\0';
}

/* ---- records ---- */

void record_decision(struct strbuf *out, const struct decision *decision)
{
    char at[CLOCK_TEXT];
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    const struct recipient *recipient = decision->recipient;
    clock_format(decision->at, at);
    if (recipient != NULL)
        hex_encode(recipient->key, sizeof(recipient->key), key);
    strbuf_add_str(out, "{\"type\":\"decision\"");
    strbuf_add_json_field(out, "id", decision->id);
    strbuf_add_json_field(out, "at", at);
    strbuf_add_json_field(out, "gateway", decision->gateway);
    strbuf_add_json_field(out, "session", decision->session);
    strbuf_add_json_field(out, "partner", decision->partner);
    strbuf_add_json_field(out, "stream", decision->stream);
    strbuf_add_json_field(out, "account", decision->account);
    strbuf_add_json_field(out, "channel", channel_name(decision->channel));
    strbuf_add_json_field(out, "purpose", purpose_name(decision->purpose));
    strbuf_add_json_field(out, "recipient", recipient != NULL ? recipient->masked : NULL);
    strbuf_add_json_field(out, "recipient_key", recipient != NULL ? key : NULL);
    strbuf_add_json_field(out, "verdict", verdict_name(decision->verdict));
    strbuf_add_json_field(out, "reason", reason_name(decision->reason));
    strbuf_add_json_field(out, "effect", effect_name(decision->effect));
    strbuf_add_json_field(out, "mode", mode_name(decision->mode));
    strbuf_add_json_field(out, "policy", decision->policy);
    if (decision->event != 0)
        strbuf_add_json_number(out, "event", decision->event);
    else
        strbuf_add_json_field(out, "event", NULL);
    strbuf_add_json_field(out, "provider", decision->provider);
    if (decision->list != NULL) {
        strbuf_add_json_field(out, "list", decision->list);
        strbuf_add_json_number(out, "row", (int64_t)decision->row);
    }
    strbuf_add_char(out, '}');
}

void record_screening(struct strbuf *out, const struct screening *screening)
{
    char at[CLOCK_TEXT];
    clock_format(screening->at, at);
    strbuf_add_str(out, "{\"type\":\"screening\"");
    strbuf_add_json_field(out, "id", screening->id);
    strbuf_add_json_field(out, "at", at);
    strbuf_add_json_field(out, "gateway", screening->gateway);
    strbuf_add_json_field(out, "partner", screening->partner);
    strbuf_add_json_field(out, "channel", channel_name(screening->channel));
    strbuf_add_json_field(out, "purpose", purpose_name(screening->purpose));
    strbuf_add_json_field(out, "list", screening->list);
    strbuf_add_json_field(out, "name", screening->name);
    strbuf_add_char(out, '}');
}

void record_screened(struct strbuf *out, const struct screened *screened)
{
    char at[CLOCK_TEXT];
    clock_format(screened->at, at);
    strbuf_add_str(out, "{\"type\":\"screened\"");
    strbuf_add_json_field(out, "id", screened->id);
    strbuf_add_json_field(out, "at", at);
    strbuf_add_json_number(out, "rows", (int64_t)screened->rows);
    strbuf_add_json_number(out, "passed", (int64_t)screened->passed);
    strbuf_add_str(out, ",\"blocked\":{");
    for (int i = 0; i < REASON_COUNT; i++)
        if (screened->blocked[i] > 0)
            strbuf_add_json_number(out, reason_name((enum reason)i), (int64_t)screened->blocked[i]);
    strbuf_add_str(out, "}}");
}

void record_outcome(struct strbuf *out, const struct outcome_row *outcome)
{
    char at[CLOCK_TEXT];
    clock_format(outcome->at, at);
    strbuf_add_str(out, "{\"type\":\"outcome\"");
    strbuf_add_json_field(out, "id", outcome->id);
    strbuf_add_json_field(out, "at", at);
    strbuf_add_json_field(out, "outcome", outcome_name(outcome->outcome));
    strbuf_add_json_field(out, "effect", effect_name(outcome->effect));
    strbuf_add_json_field(out, "provider", outcome->provider);
    strbuf_add_json_field(out, "provider_reply", outcome->provider_reply);
    strbuf_add_json_field(out, "queue_id", outcome->queue_id);
    if (outcome->size >= 0)
        strbuf_add_json_number(out, "size", outcome->size);
    else
        strbuf_add_json_field(out, "size", NULL);
    if (outcome->report)
        strbuf_add_str(out, ",\"report\":true");
    strbuf_add_char(out, '}');
}

void record_registry(struct strbuf *out, const struct registry_anchor *anchor)
{
    char at[CLOCK_TEXT];
    char hash[2 * SHA256_BYTES + 1];
    clock_format(anchor->at, at);
    hex_encode(anchor->hash, sizeof(anchor->hash), hash);
    strbuf_add_str(out, "{\"type\":\"registry\"");
    strbuf_add_json_field(out, "at", at);
    strbuf_add_json_field(out, "gateway", anchor->gateway);
    strbuf_add_json_number(out, "event", anchor->event);
    strbuf_add_json_field(out, "hash", hash);
    strbuf_add_char(out, '}');
}

bool record_registry_parse(const char *record, size_t length, int64_t *event_out,
                           uint8_t hash_out[SHA256_BYTES])
{
    const char *hex;
    json_int_t event = 0;
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json != NULL && json_unpack(json, "{s:I, s:s}", "event", &event, "hash", &hex) == 0 &&
              event > 0 && hex_decode(hex, strlen(hex), hash_out, SHA256_BYTES);
    json_decref(json);
    *event_out = ok ? event : 0;
    return ok;
}

/* ---- replies without addresses ---- */

/* What a reply is scanned with: where we are, and the room left for what is kept. */
struct scrub {
    const char *at;
    char *out;
    size_t left; /* without the NUL */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* All or nothing, so that a cut never splits a character or a mark. */
static bool keep(struct scrub *scrub, const char *text, size_t length)
{
    if (length > scrub->left) {
        scrub->left = 0;
        return false;
    }
    memcpy(scrub->out, text, length);
    scrub->out += length;
    scrub->left -= length;
    return true;
}

static void keep_mark(struct scrub *scrub)
{
    keep(scrub, "[…]", strlen("[…]"));
}

/* A word ends at white space, except inside the quoted local part of an address ("a b"@example)
 * and after a backslash. */
static size_t word_length(const char *text)
{
    size_t n = 0;
    while (text[n] != '\0' && !is_space(text[n])) {
        if (text[n] == '\\' && text[n + 1] != '\0') {
            n += 2;
        } else if (text[n] == '"') {
            size_t end = n + 1;
            while (text[end] != '\0' && text[end] != '"')
                end += text[end] == '\\' && text[end + 1] != '\0' ? 2 : 1;
            bool address = text[end] == '"' && (text[end + 1] == '@' || text[end + 1] == '%');
            n = address ? end + 1 : n + 1;
        } else {
            n++;
        }
    }
    return n;
}

static bool has_address(const char *word, size_t length)
{
    return memchr(word, '@', length) != NULL || memmem(word, length, "%40", 3) != NULL ||
           memmem(word, length, "＠", strlen("＠")) != NULL;
}

/* Four numbers up to 255 with dots: an IPv4 address, which says where a refusal came from. */
static size_t dotted_quad(const char *text)
{
    size_t n = 0;
    for (int part = 0; part < 4; part++) {
        int value = 0;
        int count = 0;
        if (part > 0 && text[n++] != '.')
            return 0;
        for (; count < 3 && is_digit(text[n]); count++)
            value = value * 10 + (text[n++] - '0');
        if (count == 0 || value > 255 || is_digit(text[n]))
            return 0;
    }
    return text[n] == '.' && is_digit(text[n + 1]) ? 0 : n;
}

/* Length of a run of digits, with at most two of " .-/()" between two of them, and how many
 * digits it has. */
static size_t digit_run(const char *text, size_t *digits_out)
{
    size_t n = 0;
    size_t end = 0;
    size_t digits = 0;
    for (;;) {
        size_t gap = 0;
        while (gap < 2 && text[n] != '\0' && strchr(" .-/()", text[n]) != NULL && digits > 0) {
            gap++;
            n++;
        }
        if (!is_digit(text[n]))
            break;
        for (; is_digit(text[n]); n++)
            digits++;
        end = n;
    }
    *digits_out = digits;
    return end;
}

/* "550 5.1.1 " or "550-5.1.1 ": codes of RFC 5321 and RFC 3463, which are digits but no number. */
static size_t code_length(const char *text)
{
    size_t n = 0;
    if (is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]) &&
        (text[3] == ' ' || text[3] == '-' || text[3] == '\0'))
        n = text[3] == '\0' ? 3 : 4;
    const char *at = text + n;
    if (!is_digit(at[0]) || at[1] != '.')
        return n;
    size_t m = 2;
    size_t subject = strspn(at + m, "0123456789");
    if (subject < 1 || subject > 3 || at[m + subject] != '.')
        return n;
    m += subject + 1;
    size_t detail = strspn(at + m, "0123456789");
    if (detail < 1 || detail > 3 || (at[m + detail] != ' ' && at[m + detail] != '\0'))
        return n;
    return n + m + detail;
}

/* Steps over one word, or one number, or one character. Returns whether a word may begin after it:
 * each word is looked at as a whole first, also one that a run of numbers reached into. */
static bool scrub_step(struct scrub *scrub, bool word_start)
{
    const char *at = scrub->at;
    size_t length = word_start ? word_length(at) : 0;
    if (length > 0 && has_address(at, length)) {
        size_t before = strspn(at, "<([");
        size_t after = length;
        while (after > before && strchr(">)],;:.", at[after - 1]) != NULL)
            after--;
        keep(scrub, at, before);
        keep_mark(scrub);
        keep(scrub, at + after, length - after);
        scrub->at += length;
        return true;
    }
    size_t digits = 0;
    size_t run = dotted_quad(at);
    if (run > 0) {
        keep(scrub, at, run);
        scrub->at += run;
        return false;
    }
    run = digit_run(at, &digits);
    if (run > 0 && digits >= 8) {
        keep_mark(scrub);
        scrub->at += run;
        return true;
    }
    /* Digits that are no number are kept up to their end, so that the next step does not begin in
     * their middle. */
    size_t plain = strspn(at, "0123456789");
    if (plain == 0)
        plain = utf8_sequence((const unsigned char *)at, strnlen(at, 4));
    if (plain == 0)
        keep(scrub, "?", 1);
    else
        keep(scrub, at, plain);
    scrub->at += plain > 0 ? plain : 1;
    return is_space(*at);
}

void reply_scrub(const char *reply, char *out, size_t size)
{
    if (size == 0)
        return;
    struct scrub scrub = {.at = reply, .out = out, .left = size - 1};
    size_t codes = code_length(reply);
    keep(&scrub, reply, codes);
    scrub.at += codes;
    bool word_start = true;
    while (*scrub.at != '\0' && scrub.left > 0)
        word_start = scrub_step(&scrub, word_start);
    *scrub.out = '\0';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

/* How long the name is that stands alone at text; 0 when it does not. */
static size_t named_at(const char *text, const char *name)
{
    size_t length = strlen(name);
    return length > 0 && ascii_has_prefix(text, name) && !is_word(text[length]) ? length : 0;
}

void reply_hide(const char *reply, const char *address, char *out, size_t size)
{
    char name[ADDRESS_MAX];
    char untagged[ADDRESS_MAX];
    const char *domain = strrchr(address, '@');
    if (size == 0)
        return;
    str_copy_n(name, sizeof(name), address,
               domain != NULL ? (size_t)(domain - address) : strlen(address));
    str_copy_n(untagged, sizeof(untagged), name, strcspn(name, "+"));
    struct scrub scrub = {.at = reply, .out = out, .left = size - 1};
    size_t codes = code_length(reply);
    keep(&scrub, reply, codes);
    scrub.at += codes;
    bool word_start = true;
    while (*scrub.at != '\0' && scrub.left > 0) {
        size_t found = word_start ? named_at(scrub.at, name) : 0;
        if (word_start && found == 0)
            found = named_at(scrub.at, untagged);
        size_t step = utf8_sequence((const unsigned char *)scrub.at, strnlen(scrub.at, 4));
        step = found > 0 ? found : step > 0 ? step : 1;
        if (found > 0)
            keep_mark(&scrub);
        else
            keep(&scrub, scrub.at, step);
        word_start = !is_word(scrub.at[step - 1]);
        scrub.at += step;
    }
    *scrub.out = '\0';
}
