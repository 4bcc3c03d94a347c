/* SPDX-License-Identifier: Apache-2.0 */
/* The records the journal writes about itself: segment heads, checkpoints, recoveries. */
#include "store/segment.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

enum record_type record_type(const char *record, size_t length)
{
    static const struct {
        const char *start;
        enum record_type type;
    } types[] = {
        {"{\"type\":\"decision\",", RECORD_DECISION},
        {"{\"type\":\"outcome\",", RECORD_OUTCOME},
        {"{\"type\":\"segment\",", RECORD_SEGMENT},
        {"{\"type\":\"checkpoint\",", RECORD_CHECKPOINT},
        {"{\"type\":\"recovered\",", RECORD_RECOVERED},
        {"{\"type\":\"registry\",", RECORD_REGISTRY},
        {"{\"type\":\"screening\",", RECORD_SCREENING},
        {"{\"type\":\"screened\",", RECORD_SCREENED},
        {"{\"type\":\"totals\",", RECORD_TOTALS},
        {"{\"type\":\"purging\",", RECORD_PURGING},
        {"{\"type\":\"purged\",", RECORD_PURGED},
        {"{\"type\":\"configuration\",", RECORD_CONFIGURATION},
        {"{\"type\":\"access\",", RECORD_ACCESS},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t n = strlen(types[i].start);
        if (length >= n && memcmp(record, types[i].start, n) == 0)
            return types[i].type;
    }
    return RECORD_OTHER;
}

bool line_id(const char *text, size_t length, char out[RECORD_ID])
{
    /* The id is a record's second field, so it begins near a line's start. */
    static const char key[] = "\"id\":\"";
    const char *found = memmem(text, length < 160 ? length : 160, key, strlen(key));
    if (found == NULL)
        return false;
    found += strlen(key);
    size_t left = length - (size_t)(found - text);
    size_t n = 0;
    for (; n < left && n < RECORD_ID - 1; n++) {
        bool fits = (found[n] >= '0' && found[n] <= '9') || (found[n] >= 'A' && found[n] <= 'Z') ||
                    found[n] == '-';
        if (!fits)
            break;
        out[n] = found[n];
    }
    out[n] = '\0';
    return n > 0;
}

void record_segment(struct strbuf *out, const char *gateway, uint64_t number,
                    const uint8_t previous[SHA256_BYTES], int64_t at)
{
    char hex[2 * SHA256_BYTES + 1];
    char when[CLOCK_TEXT];
    hex_encode(previous, SHA256_BYTES, hex);
    clock_format(at, when);
    strbuf_add_str(out, "{\"type\":\"segment\"");
    strbuf_add_json_number(out, "format", SEGMENT_FORMAT);
    strbuf_add_json_field(out, "gateway", gateway);
    strbuf_add_json_number(out, "segment", (int64_t)number);
    strbuf_add_json_field(out, "previous", hex);
    strbuf_add_json_field(out, "at", when);
    strbuf_add_char(out, '}');
}

/* What a checkpoint's signature is over: plain text, so that openssl and a shell can check it. */
static void checkpoint_text(struct strbuf *out, const char *gateway, uint64_t row, const char *head,
                            const char *at)
{
    strbuf_add_format(out, "octroi-checkpoint-1\n%s\n%" PRIu64 "\n%s\n%s\n", gateway, row, head,
                      at);
}

bool record_checkpoint(struct strbuf *out, const struct signing_key *key, const char *gateway,
                       uint64_t row, const uint8_t head[SHA256_BYTES], int64_t at)
{
    char hex[2 * SHA256_BYTES + 1];
    char when[CLOCK_TEXT];
    uint8_t signature[SIGNATURE_BYTES];
    char base64[4 * ((SIGNATURE_BYTES + 2) / 3) + 1];
    struct strbuf text = {0};
    hex_encode(head, SHA256_BYTES, hex);
    clock_format(at, when);
    checkpoint_text(&text, gateway, row, hex, when);
    bool ok = !text.failed && signing_key_sign(key, text.data, text.length, signature);
    strbuf_free(&text);
    if (!ok)
        return false;
    base64_encode(signature, sizeof(signature), base64);
    strbuf_add_str(out, "{\"type\":\"checkpoint\"");
    strbuf_add_json_field(out, "at", when);
    strbuf_add_json_field(out, "gateway", gateway);
    strbuf_add_json_number(out, "row", (int64_t)row);
    strbuf_add_json_field(out, "head", hex);
    strbuf_add_json_field(out, "signature", base64);
    strbuf_add_char(out, '}');
    return !out->failed;
}

void record_recovered(struct strbuf *out, uint64_t segment, uint64_t bytes,
                      const uint8_t digest[SHA256_BYTES], int64_t at)
{
    char hex[2 * SHA256_BYTES + 1];
    char when[CLOCK_TEXT];
    hex_encode(digest, SHA256_BYTES, hex);
    clock_format(at, when);
    strbuf_add_str(out, "{\"type\":\"recovered\"");
    strbuf_add_json_field(out, "at", when);
    strbuf_add_json_number(out, "segment", (int64_t)segment);
    strbuf_add_json_number(out, "bytes", (int64_t)bytes);
    strbuf_add_json_field(out, "sha256", hex);
    strbuf_add_char(out, '}');
}

static bool hash_is(const char *hex, const uint8_t hash[SHA256_BYTES])
{
    char expected[2 * SHA256_BYTES + 1];
    hex_encode(hash, SHA256_BYTES, expected);
    return strcmp(hex, expected) == 0;
}

const char *checkpoint_fault(const char *record, size_t length, uint64_t row,
                             const uint8_t head[SHA256_BYTES], const struct signing_key *key)
{
    const char *at, *gateway, *hex, *base64;
    json_int_t stated = 0;
    const char *fault = NULL;
    uint8_t signature[3 * ((SIGNATURE_BYTES + 2) / 3)];
    struct strbuf text = {0};
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL ||
        json_unpack(json, "{s:s, s:s, s:I, s:s, s:s}", "at", &at, "gateway", &gateway, "row",
                    &stated, "head", &hex, "signature", &base64) != 0) {
        fault = "the checkpoint cannot be read";
        goto out;
    }
    if (stated < 0 || (uint64_t)stated != row) {
        fault = "the checkpoint names another row";
        goto out;
    }
    if (!hash_is(hex, head)) {
        fault = "the checkpoint names another hash";
        goto out;
    }
    if (key == NULL)
        goto out;
    checkpoint_text(&text, gateway, row, hex, at);
    size_t base64_length = strlen(base64);
    if (text.failed || base64_length != 4 * ((SIGNATURE_BYTES + 2) / 3) ||
        base64_decode(base64, base64_length, signature) != SIGNATURE_BYTES ||
        !signing_key_verify(key, text.data, text.length, signature))
        fault = "the checkpoint's signature does not hold";
out:
    strbuf_free(&text);
    json_decref(json);
    return fault;
}

bool checkpoint_read(const char *record, size_t length, uint64_t *row_out,
                     uint8_t head_out[SHA256_BYTES])
{
    const char *hex;
    json_int_t row = -1;
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json != NULL && json_unpack(json, "{s:I, s:s}", "row", &row, "head", &hex) == 0 &&
              row >= 0 && hex_decode(hex, strlen(hex), head_out, SHA256_BYTES);
    json_decref(json);
    *row_out = ok ? (uint64_t)row : 0;
    return ok;
}

const char *segment_fault(const char *record, size_t length, uint64_t number,
                          const uint8_t previous[SHA256_BYTES])
{
    const char *hex;
    json_int_t stated = 0;
    json_int_t format = 0;
    const char *fault = NULL;
    json_t *json = NULL;
    if (record_type(record, length) == RECORD_SEGMENT)
        json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL || json_unpack(json, "{s:I, s:I, s:s}", "format", &format, "segment", &stated,
                                    "previous", &hex) != 0)
        fault = "the segment does not begin with its own record";
    else if (format != SEGMENT_FORMAT)
        fault = "the segment is of a format this version does not know";
    else if (stated < 0 || (uint64_t)stated != number)
        fault = "the segment says it has another number";
    else if (!hash_is(hex, previous))
        fault = "the segment does not follow the one before it";
    json_decref(json);
    return fault;
}
