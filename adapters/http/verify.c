/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a call comes from the provider. Each way is that provider's own; what they share is that
 * an empty key verifies nothing, and that comparing takes the same time whatever is wrong.
 */
#include "adapters/http/http.h"

#include "base/clock.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* A signature's times may differ from ours by so much. */
#define CLOCKS_DIFFER (5 * 60)
#define JWT_CAP       ((size_t)16 * 1024)

/* ---- Twilio: base64 HMAC-SHA1 of the URL and the sorted fields of a form ---- */

static int by_name(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

/* The names of object, sorted. The caller's to free (not the names); NULL: no memory. */
static const char **sorted_names(json_t *object, size_t *n_out)
{
    const char **names = calloc(json_object_size(object) + 1, sizeof(*names));
    const char *name;
    json_t *value;
    *n_out = 0;
    if (names == NULL)
        return NULL;
    json_object_foreach(object, name, value) names[(*n_out)++] = name;
    qsort(names, *n_out, sizeof(*names), by_name);
    return names;
}

static void add_called(const struct sms_hook *hook, struct strbuf *text)
{
    strbuf_add_str(text, hook->url);
    if (*hook->query != '\0' && strchr(hook->url, '?') == NULL)
        strbuf_add_format(text, "?%s", hook->query);
}

static bool is_type(const struct sms_hook *hook, const char *type)
{
    return ascii_has_prefix(hook->content_type, type);
}

/* Of a body that is no form, its hash is in the query, and so in the URL that is signed. */
static bool body_matches(const struct sms_hook *hook, json_t *query)
{
    const char *said = json_string_value(json_object_get(query, "bodySHA256"));
    char digest[HTTP_DIGEST_TEXT_MAX];
    return said != NULL &&
           http_digest_text(http_algorithm("sha256"), false, NULL, hook->body, hook->length,
                            digest) &&
           http_same(said, digest);
}

static bool add_form(json_t *form, struct strbuf *text)
{
    size_t count = 0;
    const char **names = sorted_names(form, &count);
    for (size_t i = 0; names != NULL && i < count; i++) {
        strbuf_add_str(text, names[i]);
        strbuf_add_str(text, json_string_value(json_object_get(form, names[i])));
    }
    free(names);
    return names != NULL;
}

static bool verify_twilio(const struct http_verify *verify, const struct sms_hook *hook)
{
    const char *said = hook->header(hook->request, "X-Twilio-Signature");
    json_t *fields = json_object();
    struct strbuf text = {0};
    char digest[HTTP_DIGEST_TEXT_MAX];
    bool form = is_type(hook, "application/x-www-form-urlencoded");
    bool good = said != NULL && fields != NULL;
    add_called(hook, &text);
    if (good && form)
        good = http_value_add_form(fields, hook->body, hook->length) && add_form(fields, &text);
    else if (good && hook->length > 0)
        good = http_value_add_form(fields, hook->query, strlen(hook->query)) &&
               body_matches(hook, fields);
    good = good && !text.failed &&
           http_digest_text(http_algorithm("hmac-sha1"), true, verify->key, text.data, text.length,
                            digest) &&
           http_same(said, digest);
    json_decref(fields);
    strbuf_free(&text);
    return good;
}

/* ---- Vonage: the parameter sig, over the others ---- */

static void add_vonage_value(json_t *value, struct strbuf *text)
{
    const struct http_path whole = {0};
    struct strbuf plain = {0};
    (void)http_path_text(&whole, value, &plain);
    for (size_t i = 0; i < plain.length; i++)
        strbuf_add_char(text, plain.data[i] == '&' || plain.data[i] == '=' ? '_' : plain.data[i]);
    text->failed = text->failed || plain.failed;
    strbuf_free(&plain);
}

/* It signs when it wrote, in seconds. What is old may be a copy; but it comes again for a day until
 * it is taken, and whether it then signs anew nobody says: a STOP is not to be lost for that. */
static bool is_of_today(json_t *value, int64_t now)
{
    const struct http_path whole = {0};
    struct strbuf text = {0};
    if (value == NULL)
        return true;
    bool good = http_path_text(&whole, value, &text) && !text.failed && text.length > 0 &&
                text.length <= 12 && strspn(text.data, "0123456789") == text.length;
    if (good) {
        int64_t age = now / CLOCK_SECOND - strtoll(text.data, NULL, 10);
        good = age > -CLOCKS_DIFFER && age < CLOCK_DAY / CLOCK_SECOND + CLOCKS_DIFFER;
    }
    strbuf_free(&text);
    return good;
}

static bool verify_vonage(const struct http_verify *verify, json_t *params, int64_t now)
{
    const char *said = json_string_value(json_object_get(params, "sig"));
    size_t count = 0;
    const char **names = said != NULL ? sorted_names(params, &count) : NULL;
    struct strbuf text = {0};
    char digest[HTTP_DIGEST_TEXT_MAX];
    for (size_t i = 0; names != NULL && i < count; i++) {
        if (strcmp(names[i], "sig") == 0)
            continue;
        strbuf_add_format(&text, "&%s=", names[i]);
        add_vonage_value(json_object_get(params, names[i]), &text);
    }
    /* Its oldest form is a bare hash, with the secret at the end. */
    if (!verify->algorithm->keyed)
        strbuf_add_str(&text, verify->key);
    bool good =
        names != NULL && !text.failed && text.data != NULL &&
        http_digest_text(verify->algorithm, false, verify->key, text.data, text.length, digest);
    if (good) {
        char *lower = strdup(said); /* some of its libraries write capitals */
        good = lower != NULL;
        if (good)
            ascii_lower(lower);
        good = good && http_same(lower, digest);
        free(lower);
    }
    free(names);
    strbuf_free(&text);
    return good && is_of_today(json_object_get(params, "timestamp"), now);
}

/* ---- a bearer JWT, HS256, that names the hash of the body ---- */

/* Base64url without padding (RFC 7515). NULL: it is none. The result is the caller's. */
static char *unpack(const char *text, size_t length, size_t *length_out)
{
    size_t padded = (length + 3) / 4 * 4;
    char *plain = malloc(padded + 1);
    char *out = malloc(padded + 1);
    ptrdiff_t got = -1;
    if (plain != NULL && out != NULL && length % 4 != 1) {
        for (size_t i = 0; i < padded; i++) {
            char c = i < length ? text[i] : '=';
            plain[i] = c;
            if (c == '-')
                plain[i] = '+';
            else if (c == '_')
                plain[i] = '/';
        }
        got = base64_decode(plain, padded, (uint8_t *)out);
    }
    free(plain);
    if (got < 0) {
        free(out);
        return NULL;
    }
    out[got] = '\0';
    *length_out = (size_t)got;
    return out;
}

static json_t *unpack_json(const char *text, size_t length)
{
    size_t got = 0;
    char *plain = unpack(text, length, &got);
    json_t *value = plain != NULL ? json_loadb(plain, got, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free(plain);
    return value;
}

static bool claims_hold(json_t *claims, const struct sms_hook *hook, int64_t now)
{
    json_t *expires = json_object_get(claims, "exp");
    json_t *begins = json_object_get(claims, "nbf");
    const char *said = json_string_value(json_object_get(claims, "payload_hash"));
    int64_t seconds = now / CLOCK_SECOND;
    char digest[HTTP_DIGEST_TEXT_MAX];
    if (expires != NULL && (!json_is_number(expires) ||
                            json_number_value(expires) < (double)(seconds - CLOCKS_DIFFER)))
        return false;
    if (begins != NULL &&
        (!json_is_number(begins) || json_number_value(begins) > (double)(seconds + CLOCKS_DIFFER)))
        return false;
    return said != NULL &&
           http_digest_text(http_algorithm("sha256"), false, NULL, hook->body, hook->length,
                            digest) &&
           http_same(said, digest);
}

static bool signature_holds(const struct http_verify *verify, const char *token, size_t length,
                            const char *signature)
{
    uint8_t digest[HTTP_DIGEST_MAX];
    size_t got = 0;
    char hex[HTTP_DIGEST_TEXT_MAX], said[HTTP_DIGEST_TEXT_MAX];
    char *bytes = unpack(signature, strlen(signature), &got);
    size_t size = http_digest(http_algorithm("hmac-sha256"), verify->key, token, length, digest);
    bool good = bytes != NULL && size > 0 && got == size;
    if (good) {
        hex_encode(digest, size, hex);
        hex_encode((const uint8_t *)bytes, got, said);
        good = http_same(hex, said);
    }
    free(bytes);
    return good;
}

static bool verify_jwt(const struct http_verify *verify, const struct sms_hook *hook, int64_t now)
{
    const char *token = hook->header(hook->request, "Authorization");
    if (token == NULL || !ascii_has_prefix(token, "Bearer ") || strlen(token) > JWT_CAP)
        return false;
    token += strlen("Bearer ");
    token += strspn(token, " ");
    const char *middle = strchr(token, '.');
    const char *last = middle != NULL ? strchr(middle + 1, '.') : NULL;
    if (last == NULL || strchr(last + 1, '.') != NULL)
        return false;
    json_t *head = unpack_json(token, (size_t)(middle - token));
    json_t *claims = unpack_json(middle + 1, (size_t)(last - middle - 1));
    const char *algorithm = json_string_value(json_object_get(head, "alg"));
    bool good = algorithm != NULL && strcmp(algorithm, "HS256") == 0 &&
                signature_holds(verify, token, (size_t)(last - token), last + 1) &&
                claims_hold(claims, hook, now);
    json_decref(head);
    json_decref(claims);
    return good;
}

/* ---- the general ones ---- */

static bool verify_header(const struct http_verify *verify, const struct sms_hook *hook)
{
    const char *said = hook->header(hook->request, verify->header);
    return said != NULL && strncmp(said, verify->prefix, strlen(verify->prefix)) == 0 &&
           http_same(said + strlen(verify->prefix), verify->key);
}

static bool verify_hmac(const struct http_verify *verify, const struct sms_hook *hook)
{
    const char *said = hook->header(hook->request, verify->header);
    char digest[HTTP_DIGEST_TEXT_MAX];
    size_t skip = strlen(verify->prefix);
    if (said == NULL || strncmp(said, verify->prefix, skip) != 0 ||
        !http_digest_text(verify->algorithm, verify->base64, verify->key, hook->body, hook->length,
                          digest))
        return false;
    char *copy = strdup(said + skip);
    if (copy != NULL && !verify->base64)
        ascii_lower(copy);
    bool good = copy != NULL && http_same(copy, digest);
    free(copy);
    return good;
}

static bool verify_token(const struct http_template *template, json_t *query)
{
    const char *said = json_string_value(json_object_get(query, "token"));
    return said != NULL && http_same(said, template->hook_token);
}

bool http_verify(const struct http_template *template, const struct sms_hook *hook, json_t *params,
                 int64_t now, const char **why_out)
{
    const struct http_verify *verify = &template->verify;
    bool keyed = verify->key != NULL && *verify->key != '\0';
    *why_out = "the provider has no setting hook_token, and nothing else could tell who calls";
    if (verify->kind == HTTP_VERIFY_NONE && template->hook_token == NULL)
        return false;
    *why_out = "the key that verifies its calls is empty";
    if (verify->kind != HTTP_VERIFY_NONE && !keyed)
        return false;
    if (template->hook_token != NULL) {
        json_t *query = json_object();
        bool good = query != NULL && http_value_add_form(query, hook->query, strlen(hook->query)) &&
                    verify_token(template, query);
        json_decref(query);
        *why_out = "the token in its query is wrong or missing";
        if (!good)
            return false;
    }
    *why_out = "its signature is wrong or missing";
    switch (verify->kind) {
    case HTTP_VERIFY_NONE:
        return true;
    case HTTP_VERIFY_TWILIO:
        return verify_twilio(verify, hook);
    case HTTP_VERIFY_VONAGE:
        return verify_vonage(verify, params, now);
    case HTTP_VERIFY_JWT:
        return verify_jwt(verify, hook, now);
    case HTTP_VERIFY_HEADER:
        return verify_header(verify, hook);
    case HTTP_VERIFY_HMAC:
        return verify_hmac(verify, hook);
    }
    return false;
}
