/* SPDX-License-Identifier: Apache-2.0 */
#include "base/language.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NARROW_SPACE "\u202f"
#define HARD_SPACE   "\u00a0"

/* How a language writes. */
struct manner {
    const char *tag;
    const char *thousands;
    const char *decimal;
    const char *percent;
    const char *before_time;
    const char *months[12];
};

static const struct manner manners[LANGUAGE_COUNT] = {
    [LANGUAGE_EN] = {"en",
                     ",",
                     ".",
                     "%",
                     ", ",
                     {"January", "February", "March", "April", "May", "June", "July", "August",
                      "September", "October", "November", "December"}},
    [LANGUAGE_FR] = {"fr",
                     NARROW_SPACE,
                     ",",
                     HARD_SPACE "%",
                     " à ",
                     {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août",
                      "septembre", "octobre", "novembre", "décembre"}},
};

const char *language_tag(enum language language)
{
    return manners[language].tag;
}

bool language_parse(const char *text, enum language *language_out)
{
    for (size_t i = 0; i < LANGUAGE_COUNT; i++) {
        if (strcmp(text, manners[i].tag) == 0) {
            *language_out = (enum language)i;
            return true;
        }
    }
    return false;
}

enum language language_of_environment(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value == NULL || *value == '\0')
            continue;
        /* "fr", "fr_FR.UTF-8", "fr-CA", but not "frp_IT". */
        bool french = strncmp(value, "fr", 2) == 0 && strchr("_-.@", value[2]) != NULL;
        return french ? LANGUAGE_FR : LANGUAGE_EN;
    }
    return LANGUAGE_EN;
}

static int compare_id(const void *id, const void *message)
{
    return strcmp(id, ((const struct language_message *)message)->id);
}

static const struct language_message *find(enum language language, const char *msgid)
{
    if (language != LANGUAGE_FR || *msgid == '\0')
        return NULL;
    return bsearch(msgid, language_fr, language_fr_count, sizeof(language_fr[0]), compare_id);
}

const char *tr(enum language language, const char *msgid)
{
    const struct language_message *message = find(language, msgid);
    return message == NULL ? msgid : message->one;
}

const char *trn(enum language language, const char *one, const char *many, uint64_t count)
{
    const struct language_message *message = find(language, one);
    if (message == NULL || message->many == NULL)
        return count == 1 ? one : many;
    return count > 1 ? message->many : message->one; /* Plural-Forms of fr.po; po.sh checks it */
}

static void add_grouped(struct strbuf *out, const char *separator, uint64_t number)
{
    char digits[24];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        strbuf_add_char(out, digits[--count]);
        if (count > 0 && count % 3 == 0)
            strbuf_add_str(out, separator);
    }
}

void language_add_decimal(struct strbuf *out, enum language language, int64_t number,
                          unsigned decimals)
{
    const struct manner *manner = &manners[language];
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint64_t unit = 1;
    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    if (number < 0)
        strbuf_add_str(out, "\u2212");
    add_grouped(out, manner->thousands, magnitude / unit);
    if (decimals == 0)
        return;
    strbuf_add_str(out, manner->decimal);
    strbuf_add_format(out, "%0*llu", (int)decimals, (unsigned long long)(magnitude % unit));
}

void language_add_number(struct strbuf *out, enum language language, int64_t number)
{
    language_add_decimal(out, language, number, 0);
}

void language_add_share(struct strbuf *out, enum language language, uint64_t part, uint64_t whole)
{
    if (whole == 0) {
        strbuf_add_str(out, "\u2013");
        return;
    }
    uint64_t tenths =
        (uint64_t)(((unsigned __int128)part * 2000 + whole) / ((unsigned __int128)whole * 2));
    const char *sign = "";
    if (tenths == 0 && part > 0) {
        sign = "<" HARD_SPACE;
        tenths = 1;
    } else if (tenths >= 1000 && part < whole) {
        sign = ">" HARD_SPACE;
        tenths = 999;
    }
    strbuf_add_str(out, sign);
    language_add_decimal(out, language, (int64_t)tenths, 1);
    strbuf_add_str(out, manners[language].percent);
}

static void civil(int64_t instant, struct tm *tm_out)
{
    int64_t fraction = instant % CLOCK_SECOND;
    time_t seconds =
        (time_t)((instant - (fraction < 0 ? fraction + CLOCK_SECOND : fraction)) / CLOCK_SECOND);
    gmtime_r(&seconds, tm_out);
}

static void add_day(struct strbuf *out, enum language language, const struct tm *tm)
{
    /* French counts the first day of a month as such: "1er mars". */
    const char *ordinal = language == LANGUAGE_FR && tm->tm_mday == 1 ? "er" : "";
    strbuf_add_format(out, "%d%s" HARD_SPACE "%s" HARD_SPACE "%d", tm->tm_mday, ordinal,
                      manners[language].months[tm->tm_mon], tm->tm_year + 1900);
}

void language_add_date(struct strbuf *out, enum language language, int64_t instant)
{
    struct tm tm;
    civil(instant, &tm);
    add_day(out, language, &tm);
}

void language_add_time(struct strbuf *out, enum language language, int64_t instant)
{
    struct tm tm;
    civil(instant, &tm);
    add_day(out, language, &tm);
    strbuf_add_format(out, "%s%02d:%02d:%02d" HARD_SPACE "UTC", manners[language].before_time,
                      tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- what a browser asks for ---- */

/* "0.8" in thousandths; what is no weight is 0, and such a language is not asked for. */
static unsigned weight_of(const char *text, size_t length)
{
    unsigned weight = 0;
    unsigned unit = 1000;
    for (size_t i = 0; i < length && text[i] != ' ' && text[i] != '\t'; i++) {
        if (text[i] == '.' && i == 1)
            continue;
        if (text[i] < '0' || text[i] > '9' || i > 4)
            return 0;
        weight += (unsigned)(text[i] - '0') * unit;
        unit /= 10;
    }
    return weight <= 1000 ? weight : 0;
}

/* One item of the list: "fr-CA;q=0.8". */
static unsigned read_item(const char *item, size_t length, enum language *language_out)
{
    char tag[3];
    const char *semicolon = memchr(item, ';', length);
    size_t name = semicolon != NULL ? (size_t)(semicolon - item) : length;
    while (name > 0 && (item[name - 1] == ' ' || item[name - 1] == '\t'))
        name--;
    if (name < 2 || (name > 2 && item[2] != '-'))
        return 0;
    memcpy(tag, item, 2);
    tag[2] = '\0';
    ascii_lower(tag);
    if (!language_parse(tag, language_out))
        return 0;
    const char *q =
        semicolon != NULL ? memchr(semicolon, '=', length - (size_t)(semicolon - item)) : NULL;
    return q != NULL ? weight_of(q + 1, length - (size_t)(q + 1 - item)) : 1000;
}

bool language_of_accept(const char *accept, enum language *language_out)
{
    unsigned best = 0;
    while (*accept != '\0') {
        enum language language = LANGUAGE_EN;
        accept += strspn(accept, " \t,");
        size_t length = strcspn(accept, ",");
        unsigned weight = read_item(accept, length, &language);
        if (weight > best) {
            best = weight;
            *language_out = language;
        }
        accept += length;
    }
    return best > 0;
}
