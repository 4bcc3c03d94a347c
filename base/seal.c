/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sealed text is: version (1), the key's id (4), salt (16), what was sealed under AES-256-GCM,
 * and its tag (16). The key of a text is HMAC-SHA-256(master key, salt), used once, with a nonce of
 * zeros; the tag covers everything before it and the purpose.
 */
#include "base/seal.h"

#include "base/crypto.h"
#include "base/file.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEAL_VERSION 1
#define KEY_BYTES    32
#define ID_BYTES     4
#define SALT_BYTES   16
#define TAG_BYTES    16
#define HEAD_BYTES   (1 + ID_BYTES + SALT_BYTES)

/* One new key a month for eight years. */
#define KEYS_MOST 100
#define FILE_MOST (64 * 1024)

struct master {
    uint8_t key[KEY_BYTES];
    uint8_t id[ID_BYTES];
};

/* The keys of one reading of the file; the first seals. */
struct ring {
    size_t n;
    struct master masters[];
};

struct seal {
    pthread_rwlock_t *lock; /* owned; held while the keys are in use, a few microseconds */
    struct ring *ring;      /* owned */
};

/* ---- the file ---- */

static bool derive(const uint8_t key[KEY_BYTES], const void *data, size_t length,
                   uint8_t out[KEY_BYTES])
{
    unsigned written = 0;
    return HMAC(EVP_sha256(), key, KEY_BYTES, data, length, out, &written) != NULL &&
           written == KEY_BYTES;
}

static void free_ring(struct ring *ring)
{
    if (ring == NULL)
        return;
    wipe(ring->masters, ring->n * sizeof(ring->masters[0]));
    free(ring);
}

static enum result add_master(struct ring *ring, const char *text, size_t length, const char *path,
                              unsigned line, struct error *err)
{
    uint8_t digest[KEY_BYTES];
    struct master *master = &ring->masters[ring->n];
    if (ring->n == KEYS_MOST)
        return error_set(err, RESULT_BAD_INPUT, "%s holds more than %d keys", path, KEYS_MOST);
    if (!hex_decode(text, length, master->key, KEY_BYTES))
        return error_set(err, RESULT_BAD_INPUT, "%s:%u: a key is 64 hex digits", path, line);
    ring->n++; /* to be wiped from here on */
    for (size_t i = 0; i + 1 < ring->n; i++)
        if (equal_constant_time(ring->masters[i].key, master->key, KEY_BYTES))
            return error_set(err, RESULT_BAD_INPUT, "%s:%u: this key is there twice", path, line);
    /* No salt has this length. */
    if (!derive(master->key, "key id", 6, digest))
        return error_set(err, RESULT_SYSTEM, "cannot compute HMAC-SHA-256");
    memcpy(master->id, digest, ID_BYTES);
    wipe(digest, sizeof(digest));
    return RESULT_OK;
}

static enum result read_keys(struct ring *ring, const struct strbuf *text, const char *path,
                             struct error *err)
{
    enum result result = RESULT_OK;
    const char *at = text->data;
    const char *end = at != NULL ? at + text->length : NULL;
    for (unsigned line = 1; at < end && result == RESULT_OK; line++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *stop = feed != NULL ? feed : end;
        size_t length = (size_t)(stop - at);
        while (length > 0 && strchr(" \t\r", at[length - 1]) != NULL && at[length - 1] != '\0')
            length--;
        if (length > 0 && *at != '#')
            result = add_master(ring, at, length, path, line, err);
        at = feed != NULL ? feed + 1 : end;
    }
    if (result == RESULT_OK && ring->n == 0)
        result = error_set(err, RESULT_BAD_INPUT, "%s holds no key", path);
    return result;
}

static enum result load_ring(const char *path, struct ring **ring_out, struct error *err)
{
    struct strbuf text = {0};
    struct ring *ring = calloc(1, sizeof(*ring) + KEYS_MOST * sizeof(ring->masters[0]));
    if (ring == NULL)
        return error_no_memory(err);
    enum result result = file_check_private(path, err);
    if (result == RESULT_OK)
        result = file_read(path, FILE_MOST, &text, err);
    if (result == RESULT_OK)
        result = read_keys(ring, &text, path, err);
    if (text.data != NULL)
        wipe(text.data, text.capacity);
    strbuf_free(&text);
    if (result == RESULT_OK)
        *ring_out = ring;
    else
        free_ring(ring);
    return result;
}

enum result seal_load(const char *path, struct seal **seal_out, struct error *err)
{
    struct seal *seal = calloc(1, sizeof(*seal));
    if (seal == NULL)
        return error_no_memory(err);
    seal->lock = malloc(sizeof(*seal->lock));
    if (seal->lock == NULL || pthread_rwlock_init(seal->lock, NULL) != 0) {
        free(seal->lock);
        free(seal);
        return error_no_memory(err);
    }
    enum result result = load_ring(path, &seal->ring, err);
    if (result == RESULT_OK)
        *seal_out = seal;
    else
        seal_free(&seal);
    return result;
}

void seal_adopt(struct seal *seal, struct seal **fresh)
{
    struct ring *ring = (*fresh)->ring;
    pthread_rwlock_wrlock(seal->lock);
    (*fresh)->ring = seal->ring;
    seal->ring = ring;
    pthread_rwlock_unlock(seal->lock);
    seal_free(fresh);
}

void seal_free(struct seal **seal)
{
    if (*seal == NULL)
        return;
    free_ring((*seal)->ring);
    pthread_rwlock_destroy((*seal)->lock);
    free((*seal)->lock);
    free(*seal);
    *seal = NULL;
}

/* A line with a new key. */
static bool add_new_key(struct strbuf *out)
{
    uint8_t key[KEY_BYTES];
    char text[2 * KEY_BYTES + 1];
    bool made = random_bytes(key, sizeof(key));
    if (made) {
        hex_encode(key, sizeof(key), text);
        strbuf_add(out, text, sizeof(text) - 1);
        strbuf_add_char(out, '\n');
    }
    wipe(key, sizeof(key));
    wipe(text, sizeof(text));
    return made;
}

enum result seal_create(const char *path, struct error *err)
{
    struct strbuf text = {0};
    enum result result = RESULT_OK;
    if (!add_new_key(&text))
        result = error_set(err, RESULT_SYSTEM, "no random bytes are to be had");
    else if (text.failed)
        result = error_no_memory(err);
    else
        result = file_create(path, 0600, text.data, text.length, err);
    if (text.data != NULL)
        wipe(text.data, text.capacity);
    strbuf_free(&text);
    return result;
}

enum result seal_rotate(const char *path, struct error *err)
{
    struct seal *seal = NULL;
    struct strbuf text = {0};
    struct stat st;
    enum result result = seal_load(path, &seal, err);
    if (result == RESULT_OK && seal->ring->n == KEYS_MOST)
        result = error_set(err, RESULT_BAD_INPUT,
                           "%s holds %d keys, as many as it may: take out the last, which seals "
                           "what is oldest",
                           path, KEYS_MOST);
    if (result == RESULT_OK && stat(path, &st) != 0)
        result = error_set(err, RESULT_SYSTEM, "cannot look at %s", path);
    if (result == RESULT_OK && !add_new_key(&text))
        result = error_set(err, RESULT_SYSTEM, "no random bytes are to be had");
    if (result == RESULT_OK)
        result = file_read(path, FILE_MOST, &text, err);
    if (result == RESULT_OK && text.failed)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = file_replace(path, st.st_mode & 07777, text.data, text.length, err);
    if (text.data != NULL)
        wipe(text.data, text.capacity);
    strbuf_free(&text);
    seal_free(&seal);
    return result;
}

/* ---- sealing and opening ---- */

/* In place, over what follows the head; the tag is written, or compared, after the text.
 * RESULT_BAD_INPUT: it is not the one. */
static enum result cipher(const uint8_t key[KEY_BYTES], const char *purpose, uint8_t *sealed,
                          size_t length, bool seals)
{
    static const uint8_t nonce[12];
    uint8_t *text = sealed + HEAD_BYTES;
    uint8_t *tag = text + length;
    int n;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool done =
        ctx != NULL && length <= INT_MAX &&
        EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, seals) == 1 &&
        EVP_CipherUpdate(ctx, NULL, &n, sealed, HEAD_BYTES) == 1 &&
        EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)purpose, (int)strlen(purpose)) == 1 &&
        (length == 0 || EVP_CipherUpdate(ctx, text, &n, text, (int)length) == 1) &&
        (seals || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1);
    bool holds = done && EVP_CipherFinal_ex(ctx, text + length, &n) == 1;
    if (holds && seals)
        holds = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return !done ? RESULT_NO_MEMORY : holds ? RESULT_OK : RESULT_BAD_INPUT;
}

/* Takes back what was added from start on, which may be clear text. */
static void take_back(struct strbuf *out, size_t start)
{
    if (out->data == NULL)
        return;
    wipe(out->data + start, out->length - start);
    out->length = start;
}

/* The key of a new text, and which key it comes from. */
static bool key_of(const struct seal *seal, const uint8_t salt[SALT_BYTES], uint8_t id[ID_BYTES],
                   uint8_t key[KEY_BYTES])
{
    pthread_rwlock_rdlock(seal->lock);
    const struct master *master = &seal->ring->masters[0];
    bool done = derive(master->key, salt, SALT_BYTES, key);
    memcpy(id, master->id, ID_BYTES);
    pthread_rwlock_unlock(seal->lock);
    return done;
}

bool seal_close(const struct seal *seal, const char *purpose, const void *data, size_t length,
                struct strbuf *out)
{
    static const uint8_t no_tag[TAG_BYTES];
    uint8_t head[HEAD_BYTES] = {SEAL_VERSION};
    uint8_t key[KEY_BYTES];
    size_t start = out->length;
    bool done = !out->failed && random_bytes(head + 1 + ID_BYTES, SALT_BYTES) &&
                key_of(seal, head + 1 + ID_BYTES, head + 1, key);
    if (done) {
        strbuf_add(out, head, sizeof(head));
        strbuf_add(out, data, length);
        strbuf_add(out, no_tag, sizeof(no_tag));
        done = !out->failed &&
               cipher(key, purpose, (uint8_t *)out->data + start, length, true) == RESULT_OK;
    }
    wipe(key, sizeof(key));
    if (!done) {
        take_back(out, start);
        out->failed = true;
    }
    return done;
}

/* With one key; the text is left at the end of out, without what surrounds it. */
static enum result open_with(const struct master *master, const char *purpose,
                             const uint8_t *sealed, size_t length, struct strbuf *out)
{
    uint8_t key[KEY_BYTES];
    size_t start = out->length;
    size_t inside = length - SEAL_OVERHEAD;
    enum result result = RESULT_NO_MEMORY;
    if (derive(master->key, sealed + 1 + ID_BYTES, SALT_BYTES, key)) {
        strbuf_add(out, sealed, length);
        if (!out->failed)
            result = cipher(key, purpose, (uint8_t *)out->data + start, inside, false);
    }
    wipe(key, sizeof(key));
    if (result != RESULT_OK) {
        take_back(out, start);
        return result;
    }
    memmove(out->data + start, out->data + start + HEAD_BYTES, inside);
    wipe(out->data + start + inside, SEAL_OVERHEAD);
    out->length = start + inside;
    return RESULT_OK;
}

enum result seal_open(const struct seal *seal, const char *purpose, const void *sealed,
                      size_t length, struct strbuf *out, struct error *err)
{
    const uint8_t *bytes = sealed;
    enum result result = RESULT_BAD_INPUT;
    pthread_rwlock_rdlock(seal->lock);
    const struct ring *ring = seal->ring;
    if (length >= SEAL_OVERHEAD && bytes[0] == SEAL_VERSION)
        for (size_t i = 0; i < ring->n && result == RESULT_BAD_INPUT; i++)
            if (memcmp(bytes + 1, ring->masters[i].id, ID_BYTES) == 0)
                result = open_with(&ring->masters[i], purpose, bytes, length, out);
    pthread_rwlock_unlock(seal->lock);
    if (result == RESULT_NO_MEMORY)
        return error_no_memory(err);
    if (result == RESULT_BAD_INPUT)
        return error_set(err, result, "forged, damaged, or sealed under another key");
    return result;
}

/* ---- base64url ---- */

void base64url_add(struct strbuf *out, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    while (length > 0) {
        char group[5];
        size_t taken = length < 3 ? length : 3;
        base64_encode(bytes, taken, group);
        for (size_t i = 0; i < taken + 1; i++)
            strbuf_add_char(out, group[i] == '+' ? '-' : group[i] == '/' ? '_' : group[i]);
        bytes += taken;
        length -= taken;
    }
}

bool base64url_parse(const char *text, size_t length, struct strbuf *out)
{
    for (size_t i = 0; i < length; i += 4) {
        char group[4] = {'=', '=', '=', '='};
        char again[5];
        uint8_t bytes[3];
        size_t taken = length - i < 4 ? length - i : 4;
        for (size_t j = 0; j < taken; j++) {
            char c = text[i + j];
            if (c == '+' || c == '/' || c == '=')
                return false;
            group[j] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
        }
        ptrdiff_t got = base64_decode(group, 4, bytes);
        if (got < 0)
            return false;
        /* Bits that are none of the data's: another text for the same bytes. */
        base64_encode(bytes, (size_t)got, again);
        if (memcmp(again, group, 4) != 0)
            return false;
        strbuf_add(out, bytes, (size_t)got);
    }
    return !out->failed;
}
