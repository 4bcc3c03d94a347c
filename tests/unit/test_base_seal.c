/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed texts and the file of their keys. */
#include "base/file.h"
#include "base/seal.h"
#include "tests/unit/test_base_parts.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_2 "f0f1f2f3f4f5f6f7f8f9fafbfcfdfefff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

static char path[300];

static void make_place(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%s/octroi-seal-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    strcat(path, "/seal.key");
}

static void remove_place(void)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    ck_assert_int_eq(rmdir(path), 0);
}

static void write_file(const char *text, mode_t mode)
{
    struct error err;
    unlink(path);
    ck_assert_int_eq(file_create(path, 0600, text, strlen(text), &err), RESULT_OK);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static struct seal *load(const char *text)
{
    struct seal *seal = NULL;
    struct error err;
    write_file(text, 0600);
    ck_assert_msg(seal_load(path, &seal, &err) == RESULT_OK, "%s", err.text);
    return seal;
}

static bool opens(const struct seal *seal, const char *purpose, const struct strbuf *sealed,
                  const char *expected)
{
    struct strbuf clear = {0};
    struct error err;
    strbuf_add_str(&clear, "before");
    enum result result = seal_open(seal, purpose, sealed->data, sealed->length, &clear, &err);
    if (result == RESULT_OK) {
        ck_assert_uint_eq(clear.length, 6 + strlen(expected));
        ck_assert_str_eq(clear.data + 6, expected);
    } else {
        ck_assert_int_eq(result, RESULT_BAD_INPUT);
        ck_assert_int_eq(err.code, RESULT_BAD_INPUT);
        ck_assert_uint_eq(clear.length, 6); /* nothing of it is given away */
    }
    strbuf_free(&clear);
    return result == RESULT_OK;
}

START_TEST(round_trip)
{
    static const char *const texts[] = {"", "a", "anna@client.example",
                                        "0123456789abcdef0123456789abcdef0123456789abcdef"};
    make_place();
    struct seal *seal = load(KEY_1 "\n");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct strbuf one = {0}, two = {0};
        ck_assert(seal_close(seal, "link", texts[i], strlen(texts[i]), &one));
        ck_assert(seal_close(seal, "link", texts[i], strlen(texts[i]), &two));
        ck_assert_uint_eq(one.length, strlen(texts[i]) + SEAL_OVERHEAD);
        ck_assert(opens(seal, "link", &one, texts[i]) && opens(seal, "link", &two, texts[i]));
        /* The same text is never the same twice, nor does its clear text show. */
        ck_assert_int_ne(memcmp(one.data, two.data, one.length), 0);
        if (*texts[i] != '\0' && strlen(texts[i]) > 4)
            ck_assert_ptr_null(memmem(one.data, one.length, texts[i], strlen(texts[i])));
        ck_assert(!opens(seal, "notice", &one, texts[i]));
        ck_assert(!opens(seal, "lin", &one, texts[i]) && !opens(seal, "", &one, texts[i]));
        strbuf_free(&one);
        strbuf_free(&two);
    }
    seal_free(&seal);
    ck_assert_ptr_null(seal);
    remove_place();
}
END_TEST

START_TEST(whatever_was_changed)
{
    make_place();
    struct seal *seal = load(KEY_1 "\n");
    struct strbuf sealed = {0};
    ck_assert(seal_close(seal, "link", "anna@client.example", 19, &sealed));
    for (size_t i = 0; i < sealed.length * 8; i++) {
        sealed.data[i / 8] = (char)(sealed.data[i / 8] ^ 1 << i % 8);
        ck_assert_msg(!opens(seal, "link", &sealed, ""), "bit %zu", i);
        sealed.data[i / 8] = (char)(sealed.data[i / 8] ^ 1 << i % 8);
    }
    for (size_t length = sealed.length; length-- > 0;) {
        struct strbuf cut = {.data = sealed.data, .length = length};
        ck_assert(!opens(seal, "link", &cut, ""));
    }
    ck_assert(opens(seal, "link", &sealed, "anna@client.example"));
    strbuf_add_char(&sealed, '\0');
    ck_assert(!opens(seal, "link", &sealed, ""));
    strbuf_free(&sealed);
    seal_free(&seal);
    remove_place();
}
END_TEST

/* Computed by another hand, python's cryptography: the salt is 40 … 4f; test_unsubscribe.py does
 * the same with the links of delivered mail. */
START_TEST(known_vector)
{
    static const char hex[] = "0186517456404142434445464748494a4b4c4d4e4f1d0e5cba477238"
                              "058443ad93eab981906ae4fc4da79279b70ff2cf8b34103b06cf6ae8";
    struct strbuf sealed = {0};
    uint8_t bytes[sizeof(hex) / 2];
    make_place();
    struct seal *seal = load("# first\n\n" KEY_2 "\n" KEY_1);
    ck_assert(hex_decode(hex, strlen(hex), bytes, sizeof(bytes)));
    strbuf_add(&sealed, bytes, sizeof(bytes));
    ck_assert(opens(seal, "link", &sealed, "anna@client.example"));
    strbuf_free(&sealed);
    seal_free(&seal);
    remove_place();
}
END_TEST

START_TEST(rotation)
{
    struct strbuf old = {0}, new = {0}, again = {0};
    struct error err;
    struct seal *fresh = NULL;
    struct stat st;
    make_place();
    ck_assert_int_eq(seal_create(path, &err), RESULT_OK);
    ck_assert_int_eq(seal_create(path, &err), RESULT_CONFLICT);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    struct seal *seal = NULL, *other = NULL;
    ck_assert_int_eq(seal_load(path, &seal, &err), RESULT_OK);
    ck_assert(seal_close(seal, "link", "old", 3, &old));
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(seal_rotate(path, &err), RESULT_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(seal_load(path, &fresh, &err), RESULT_OK);
    ck_assert(seal_close(fresh, "link", "new", 3, &new));
    ck_assert(!opens(seal, "link", &new, "")); /* sealed with the new one */
    ck_assert(opens(fresh, "link", &old, "old"));
    seal_adopt(seal, &fresh);
    ck_assert_ptr_null(fresh);
    ck_assert(opens(seal, "link", &new, "new") && opens(seal, "link", &old, "old"));
    ck_assert(seal_close(seal, "link", "again", 5, &again));
    unlink(path);
    ck_assert_int_eq(seal_create(path, &err), RESULT_OK);
    ck_assert_int_eq(seal_load(path, &other, &err), RESULT_OK);
    ck_assert(!opens(other, "link", &old, "") && !opens(other, "link", &again, ""));
    /* A key that was taken out of the file opens nothing any more. */
    seal_adopt(seal, &other);
    ck_assert(!opens(seal, "link", &old, "") && !opens(seal, "link", &again, ""));
    seal_free(&seal);
    strbuf_free(&old);
    strbuf_free(&new);
    strbuf_free(&again);
    remove_place();
}
END_TEST

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks;
}

static struct {
    struct seal *seal;
    atomic_bool ended;
    atomic_uint failed, sealed;
} busy;

static void *seal_and_open(void *arg)
{
    struct strbuf text = {0};
    (void)arg;
    while (!atomic_load(&busy.ended)) {
        strbuf_clear(&text);
        if (!seal_close(busy.seal, "link", "text", 4, &text) ||
            !opens(busy.seal, "link", &text, "text"))
            busy.failed++;
        busy.sealed++;
    }
    strbuf_free(&text);
    return NULL;
}

/* The keys that were in force before are gone, however often the file is read anew, and whoever
 * seals meanwhile notices nothing. */
START_TEST(old_keys_do_not_stay)
{
    struct error err;
    struct seal *fresh = NULL;
    pthread_t thread;
    size_t before = 0;
    make_place();
    ck_assert_int_eq(seal_create(path, &err), RESULT_OK);
    ck_assert_int_eq(seal_load(path, &busy.seal, &err), RESULT_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, seal_and_open, NULL), 0);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(seal_load(path, &fresh, &err), RESULT_OK);
        seal_adopt(busy.seal, &fresh);
        if (i == 20)
            before = allocated();
    }
    /* 280 readings of some four kilobytes would be a megabyte. */
    ck_assert_uint_lt(allocated(), before + 200000);
    for (unsigned seen = atomic_load(&busy.sealed); atomic_load(&busy.sealed) < seen + 10;)
        sched_yield();
    busy.ended = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(busy.failed, 0);
    seal_free(&busy.seal);
    remove_place();
}
END_TEST

START_TEST(files_that_are_wrong)
{
    static const struct {
        const char *text, *says;
        mode_t mode;
        enum result result;
    } rows[] = {
        {KEY_1, NULL, 0600, RESULT_OK},
        {KEY_1 " \r\n# the one before\r\n" KEY_2 "\r\n", NULL, 0640, RESULT_OK},
        {"", "holds no key", 0600, RESULT_BAD_INPUT},
        {"# nothing\n\n", "holds no key", 0600, RESULT_BAD_INPUT},
        {KEY_1 "\n" KEY_1 "0\n", ":2: a key is 64 hex digits", 0600, RESULT_BAD_INPUT},
        {"\n\nx", ":3: a key is 64 hex digits", 0600, RESULT_BAD_INPUT},
        {KEY_1 "\n" KEY_2 "\n" KEY_1, ":3: this key is there twice", 0600, RESULT_BAD_INPUT},
        {KEY_1, "others may read", 0604, RESULT_DENIED},
        {KEY_1, "others may write", 0602, RESULT_DENIED},
    };
    make_place();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seal *seal = NULL;
        struct error err = {0};
        write_file(rows[i].text, rows[i].mode);
        ck_assert_int_eq(seal_load(path, &seal, &err), rows[i].result);
        if (rows[i].says != NULL)
            ck_assert_msg(strstr(err.text, rows[i].says) != NULL, "%s", err.text);
        ck_assert_ptr_null(strstr(err.text, "0a0b0c"));
        seal_free(&seal);
    }
    struct seal *seal = NULL;
    struct error err;
    unlink(path);
    ck_assert_int_eq(seal_load(path, &seal, &err), RESULT_NOT_FOUND);
    ck_assert_int_eq(seal_rotate(path, &err), RESULT_NOT_FOUND);
    /* A hundred keys are enough, and what is there is not lost by asking for more. */
    ck_assert_int_eq(seal_create(path, &err), RESULT_OK);
    for (int i = 1; i < 100; i++)
        ck_assert_int_eq(seal_rotate(path, &err), RESULT_OK);
    ck_assert_int_eq(seal_rotate(path, &err), RESULT_BAD_INPUT);
    ck_assert_int_eq(seal_load(path, &seal, &err), RESULT_OK);
    seal_free(&seal);
    remove_place();
}
END_TEST

START_TEST(base64url)
{
    static const struct {
        const char *clear, *text;
    } good[] = {{"", ""},           {"f", "Zg"},        {"fo", "Zm8"},
                {"foo", "Zm9v"},    {"foob", "Zm9vYg"}, {"\xff\xef\xbe", "_---"},
                {"\xfb\xff", "-_8"}};
    static const char *const bad[] = {
        "Z", "Zg=", "Zg==", "Zh", "Zm9=", "Zm9", "Zm9vZ", "+/8", "Zm 9", "Zm9v\n"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct strbuf text = {0}, clear = {0};
        base64url_add(&text, good[i].clear, strlen(good[i].clear));
        ck_assert_str_eq(text.data != NULL ? text.data : "", good[i].text);
        ck_assert(base64url_parse(good[i].text, strlen(good[i].text), &clear));
        ck_assert_str_eq(clear.data != NULL ? clear.data : "", good[i].clear);
        strbuf_free(&text);
        strbuf_free(&clear);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct strbuf clear = {0};
        ck_assert_msg(!base64url_parse(bad[i], strlen(bad[i]), &clear), "%s", bad[i]);
        strbuf_free(&clear);
    }
    ck_assert(!base64url_parse("Zg\0A", 4, &(struct strbuf){0}));
}
END_TEST

Suite *seal_suite(void)
{
    const TTest *const tests[] = {
        round_trip,           whatever_was_changed, known_vector, rotation,
        old_keys_do_not_stay, files_that_are_wrong, base64url,    NULL};
    return unit_suite("seal", tests);
}
