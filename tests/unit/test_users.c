/* SPDX-License-Identifier: Apache-2.0 */
/* Users of the console and their sessions: what opens, and all that ends it. */
#include "store/users.h"
#include "tests/unit/test_registry.h"

#define HASH  "$y$j9T$salt$hash"
#define IDLE  (30 * 60 * CLOCK_SECOND)
#define MOST  (12 * 3600 * CLOCK_SECOND)
#define START INT64_C(1780000000000000)

static struct bench bench;

static void open_bench(void)
{
    bench_open(&bench);
}

static void close_bench(void)
{
    bench_close(&bench);
}

static enum result add(const char *name, enum user_role role, const char *hash)
{
    struct user user = {.role = role, .created_at = START};
    str_copy(user.name, sizeof(user.name), name);
    return registry_add_user(bench.registry, &user, hash, &bench.err);
}

static void put_user(const char *name, enum user_role role)
{
    ck_assert_msg(add(name, role, HASH) == RESULT_OK, "%s", bench.err.text);
}

static void open_session(const char *name, int64_t now, char secret[SESSION_SECRET])
{
    ck_assert_msg(registry_open_session(bench.registry, name, now, secret, &bench.err) == RESULT_OK,
                  "%s", bench.err.text);
}

static enum result find(const char *secret, int64_t now, struct user *user)
{
    return registry_find_session(bench.registry, secret, now, IDLE, MOST, user, &bench.err);
}

static bool is_good(const char *secret, int64_t now)
{
    struct user user;
    enum result result = find(secret, now, &user);
    ck_assert(result == RESULT_OK || result == RESULT_NOT_FOUND);
    return result == RESULT_OK;
}

static int64_t number(const char *sql)
{
    uint64_t count = 0;
    ck_assert_int_eq(registry_count(bench.registry, sql, &count, &bench.err), RESULT_OK);
    return (int64_t)count;
}

START_TEST(roles_have_words)
{
    for (int i = 0; i < ROLE_COUNT; i++) {
        enum user_role role;
        ck_assert(user_role_parse(user_role_name((enum user_role)i), &role));
        ck_assert_int_eq(role, i);
    }
    enum user_role role;
    ck_assert(!user_role_parse("Reader", &role));
    ck_assert(!user_role_parse("", &role));
}
END_TEST

START_TEST(names)
{
    static const char *const good[] = {"a", "marie.dupont", "7of9", "m_d-2"};
    static const char *const bad[] = {"",
                                      "Marie",
                                      "marie@example.fr",
                                      "marie dupont",
                                      ".marie",
                                      "-m",
                                      "_m",
                                      "mari\xc3\xa9",
                                      "m\n",
                                      "m\"",
                                      "m<b>",
                                      "m/../",
                                      "m|n"};
    char longest[USER_NAME + 1];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(user_name_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!user_name_valid(bad[i]), "%s", bad[i]);
        ck_assert_int_eq(add(bad[i], ROLE_READER, HASH), RESULT_BAD_INPUT);
    }
    memset(longest, 'm', sizeof(longest));
    longest[USER_NAME] = '\0';
    ck_assert(!user_name_valid(longest));
    longest[USER_NAME - 1] = '\0';
    ck_assert(user_name_valid(longest));
}
END_TEST

START_TEST(a_user_is_kept)
{
    struct user user;
    char hash[USER_HASH];
    put_user("marie", ROLE_COMPLIANCE);
    ck_assert_int_eq(add("sso", ROLE_READER, NULL), RESULT_OK);
    ck_assert_int_eq(add("marie", ROLE_READER, HASH), RESULT_CONFLICT);
    ck_assert_int_eq(add("empty", ROLE_READER, ""), RESULT_BAD_INPUT);
    ck_assert_int_eq(registry_find_user(bench.registry, "marie", &user, hash, &bench.err),
                     RESULT_OK);
    ck_assert_str_eq(user.name, "marie");
    ck_assert_int_eq(user.role, ROLE_COMPLIANCE);
    ck_assert(user.has_password);
    ck_assert_int_eq(user.created_at, START);
    ck_assert_int_eq(user.removed_at, 0);
    ck_assert_int_eq(user.last_seen_at, 0);
    ck_assert_str_eq(hash, HASH);
    ck_assert_int_eq(registry_find_user(bench.registry, "sso", &user, hash, &bench.err), RESULT_OK);
    ck_assert(!user.has_password);
    ck_assert_str_eq(hash, "");
    ck_assert_int_eq(registry_find_user(bench.registry, "Marie", &user, hash, &bench.err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(
        registry_find_user(bench.registry, "marie@example.fr", &user, hash, &bench.err),
        RESULT_NOT_FOUND);
    ck_assert_ptr_null(strchr(bench.err.text, '@'));
}
END_TEST

struct listed {
    unsigned count, removed;
};

static bool count_user(void *arg, const struct user *user)
{
    struct listed *listed = arg;
    listed->count++;
    listed->removed += user->removed_at != 0;
    return true;
}

START_TEST(who_is_removed_is_out_and_not_replaced)
{
    char secret[SESSION_SECRET], hash[USER_HASH];
    struct user user;
    struct listed listed = {0};
    put_user("marie", ROLE_COMPLIANCE);
    put_user("jean", ROLE_READER);
    open_session("marie", START, secret);
    ck_assert_int_eq(registry_remove_user(bench.registry, "marie", START + 5, &bench.err),
                     RESULT_OK);
    ck_assert(!is_good(secret, START + 6));
    ck_assert_int_eq(registry_find_user(bench.registry, "marie", &user, hash, &bench.err),
                     RESULT_NOT_FOUND);
    bool anew;
    ck_assert_int_eq(
        registry_meet_user(bench.registry, "marie", START + 6, IDLE, &user, &anew, &bench.err),
        RESULT_NOT_FOUND);
    ck_assert(!anew);
    ck_assert_int_eq(registry_open_session(bench.registry, "marie", START, secret, &bench.err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_remove_user(bench.registry, "marie", START, &bench.err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_set_user_password(bench.registry, "marie", HASH, &bench.err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_set_user_role(bench.registry, "marie", ROLE_READER, &bench.err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_close_sessions(bench.registry, "marie", &bench.err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(add("marie", ROLE_READER, HASH), RESULT_CONFLICT);
    ck_assert_int_eq(registry_users(bench.registry, count_user, &listed, &bench.err), RESULT_OK);
    ck_assert_uint_eq(listed.count, 2);
    ck_assert_uint_eq(listed.removed, 1);
    ck_assert_int_eq(number("SELECT count(*) FROM console_user WHERE hash IS NOT NULL"), 1);
}
END_TEST

START_TEST(a_session_is_found_by_its_secret_alone)
{
    char secret[SESSION_SECRET], other[SESSION_SECRET];
    struct user user;
    put_user("marie", ROLE_COMPLIANCE);
    put_user("jean", ROLE_READER);
    open_session("marie", START, secret);
    open_session("jean", START, other);
    ck_assert_uint_eq(strlen(secret), 43);
    ck_assert_uint_eq(
        strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    ck_assert_int_eq(find(secret, START, &user), RESULT_OK);
    ck_assert_str_eq(user.name, "marie");
    ck_assert_int_eq(user.role, ROLE_COMPLIANCE);
    ck_assert_int_eq(find(other, START, &user), RESULT_OK);
    ck_assert_str_eq(user.name, "jean");
    for (size_t i = 0; i < strlen(secret); i++) {
        char forged[SESSION_SECRET];
        memcpy(forged, secret, sizeof(forged));
        forged[i] = forged[i] == 'b' ? 'c' : 'b';
        ck_assert(!is_good(forged, START));
    }
    ck_assert(!is_good("", START));
    ck_assert_int_eq(registry_close_session(bench.registry, secret, &bench.err), RESULT_OK);
    ck_assert(!is_good(secret, START));
    ck_assert(is_good(other, START));
    ck_assert_int_eq(registry_close_session(bench.registry, secret, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_close_session(bench.registry, "none", &bench.err), RESULT_OK);
    /* Nor without its user, however that came about. */
    ck_assert_int_eq(
        sql_exec(bench.registry->db, "UPDATE console_user SET removed_at = 1", &bench.err),
        RESULT_OK);
    ck_assert(!is_good(other, START));
}
END_TEST

START_TEST(nothing_of_the_secret_is_kept)
{
    char secret[SESSION_SECRET];
    static const char *const ends[] = {"", "-wal"};
    put_user("marie", ROLE_COMPLIANCE);
    open_session("marie", START, secret);
    for (size_t i = 0; i < 2; i++) {
        char path[320];
        static char bytes[4 << 20];
        snprintf(path, sizeof(path), "%s%s", bench.path, ends[i]);
        FILE *file = fopen(path, "r");
        ck_assert_ptr_nonnull(file);
        size_t length = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        ck_assert_ptr_null(memmem(bytes, length, secret, 16));
    }
}
END_TEST

START_TEST(it_ends_by_time)
{
    char secret[SESSION_SECRET];
    put_user("marie", ROLE_COMPLIANCE);
    open_session("marie", START, secret);
    ck_assert(is_good(secret, START + IDLE - 1));
    /* Seen just now: idle begins anew, again and again, until most. */
    int64_t now = START + IDLE - 1;
    while (now + IDLE - 1 < START + MOST) {
        now += IDLE - 1;
        ck_assert(is_good(secret, now));
    }
    ck_assert(is_good(secret, START + MOST - 1));
    ck_assert(!is_good(secret, START + MOST));
    open_session("marie", START, secret);
    ck_assert(!is_good(secret, START + IDLE));
    /* However long is configured. */
    open_session("marie", START, secret);
    struct user user;
    ck_assert_int_eq(registry_find_session(bench.registry, secret, START + SESSION_MOST,
                                           2 * SESSION_MOST, 2 * SESSION_MOST, &user, &bench.err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_find_session(bench.registry, secret, START + SESSION_MOST - 1,
                                           2 * SESSION_MOST, 2 * SESSION_MOST, &user, &bench.err),
                     RESULT_OK);
}
END_TEST

START_TEST(it_is_seen_once_a_minute)
{
    char secret[SESSION_SECRET];
    struct user user;
    put_user("marie", ROLE_COMPLIANCE);
    open_session("marie", START, secret);
    ck_assert_int_eq(find(secret, START + 59 * CLOCK_SECOND, &user), RESULT_OK);
    ck_assert_int_eq(user.last_seen_at, START);
    int changes = sqlite3_total_changes(bench.registry->db);
    ck_assert(is_good(secret, START + 59 * CLOCK_SECOND));
    ck_assert_int_eq(sqlite3_total_changes(bench.registry->db), changes);
    ck_assert_int_eq(find(secret, START + 60 * CLOCK_SECOND, &user), RESULT_OK);
    ck_assert_int_eq(user.last_seen_at, START + 60 * CLOCK_SECOND);
    ck_assert_int_eq(number("SELECT seen_at FROM console_session"), START + 60 * CLOCK_SECOND);
    ck_assert_int_eq(number("SELECT last_seen_at FROM console_user"), START + 60 * CLOCK_SECOND);
    /* A short idle is not over while somebody is busy. */
    int64_t now = START + 60 * CLOCK_SECOND;
    for (int i = 0; i < 20; i++) {
        now += CLOCK_SECOND;
        ck_assert_int_eq(registry_find_session(bench.registry, secret, now, 2 * CLOCK_SECOND, MOST,
                                               &user, &bench.err),
                         RESULT_OK);
    }
    /* Who comes by single sign-on is seen too. */
    bool anew;
    ck_assert_int_eq(registry_meet_user(bench.registry, "marie", now + CLOCK_SECOND, IDLE, &user,
                                        &anew, &bench.err),
                     RESULT_OK);
    ck_assert(!anew);
    ck_assert_int_eq(user.last_seen_at, now);
    now += 60 * CLOCK_SECOND;
    ck_assert_int_eq(
        registry_meet_user(bench.registry, "marie", now, IDLE, &user, &anew, &bench.err),
        RESULT_OK);
    ck_assert(!anew);
    ck_assert_int_eq(number("SELECT last_seen_at FROM console_user"), now);
    now += IDLE;
    ck_assert_int_eq(
        registry_meet_user(bench.registry, "marie", now, IDLE, &user, &anew, &bench.err),
        RESULT_OK);
    ck_assert(anew);
}
END_TEST

START_TEST(a_change_of_the_user_ends_it)
{
    char secret[SESSION_SECRET], other[SESSION_SECRET], hash[USER_HASH];
    struct user user;
    put_user("marie", ROLE_COMPLIANCE);
    put_user("jean", ROLE_READER);
    open_session("jean", START, other);
    open_session("marie", START, secret);
    ck_assert_int_eq(registry_set_user_password(bench.registry, "marie", HASH "2", &bench.err),
                     RESULT_OK);
    ck_assert(!is_good(secret, START));
    ck_assert_int_eq(registry_find_user(bench.registry, "marie", &user, hash, &bench.err),
                     RESULT_OK);
    ck_assert_str_eq(hash, HASH "2");
    open_session("marie", START, secret);
    ck_assert_int_eq(
        registry_set_user_role(bench.registry, "marie", ROLE_ADMINISTRATOR, &bench.err), RESULT_OK);
    ck_assert(!is_good(secret, START));
    ck_assert_int_eq(registry_find_user(bench.registry, "marie", &user, hash, &bench.err),
                     RESULT_OK);
    ck_assert_int_eq(user.role, ROLE_ADMINISTRATOR);
    open_session("marie", START, secret);
    ck_assert_int_eq(registry_close_sessions(bench.registry, "marie", &bench.err), RESULT_OK);
    ck_assert(!is_good(secret, START));
    ck_assert_int_eq(registry_set_user_password(bench.registry, "marie", NULL, &bench.err),
                     RESULT_OK);
    ck_assert_int_eq(registry_find_user(bench.registry, "marie", &user, hash, &bench.err),
                     RESULT_OK);
    ck_assert(!user.has_password);
    ck_assert(is_good(other, START));
}
END_TEST

START_TEST(there_are_only_so_many)
{
    char secrets[SESSIONS_EACH + 1][SESSION_SECRET], other[SESSION_SECRET];
    put_user("marie", ROLE_COMPLIANCE);
    put_user("jean", ROLE_READER);
    open_session("jean", START, other);
    for (int i = 0; i < SESSIONS_EACH; i++)
        open_session("marie", START + i, secrets[i]);
    /* The first is in use: the second is the one seen longest ago. */
    int64_t now = START + 120 * CLOCK_SECOND;
    ck_assert(is_good(secrets[0], now));
    open_session("marie", now, secrets[SESSIONS_EACH]);
    for (int i = 0; i <= SESSIONS_EACH; i++)
        ck_assert_int_eq(is_good(secrets[i], now), i != 1);
    ck_assert(is_good(other, now));
    /* What is old is swept by whoever comes. */
    open_session("jean", START + SESSION_MOST, other);
    ck_assert_int_eq(number("SELECT count(*) FROM console_session WHERE name = 'marie'"),
                     SESSIONS_EACH - 1);
    open_session("jean", START + SESSION_MOST + 130 * CLOCK_SECOND, other);
    ck_assert_int_eq(number("SELECT count(*) FROM console_session"), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("users");
    TCase *cases = tcase_create("users");
    const TTest *const tests[] = {roles_have_words,
                                  names,
                                  a_user_is_kept,
                                  who_is_removed_is_out_and_not_replaced,
                                  a_session_is_found_by_its_secret_alone,
                                  nothing_of_the_secret_is_kept,
                                  it_ends_by_time,
                                  it_is_seen_once_a_minute,
                                  a_change_of_the_user_ends_it,
                                  there_are_only_so_many};
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, open_bench, close_bench);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    return unit_run((Suite *[]){suite, NULL});
}
