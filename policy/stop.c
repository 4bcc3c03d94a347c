/* SPDX-License-Identifier: Apache-2.0 */
/* Reads words one after the other, each folded to plain small letters; keeps nothing. */
#include "policy/stop.h"

#include "base/str.h"

#include <stddef.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>

/* One more than the longest of interest, STOP and the digits of a phone number, and its NUL; what
 * is longer is cut, and then has one letter too many. */
#define WORD_MAX 24

struct word {
    char text[WORD_MAX]; /* ASCII, small letters and digits; '?' for any other letter */
    bool joined;         /* a hyphen or apostrophe ties it to the word before */
    bool fresh;          /* an exclamation or question mark parts it from the word before */
};

struct reader {
    const char *at;
    bool began; /* a word was read */
};

/* The next character; a byte that is not UTF-8 reads as U+FFFD. */
static ucs4_t take(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t n = utf8_sequence(at, strnlen(*text, 4));
    if (n == 0) {
        (*text)++;
        return 0xfffd;
    }
    ucs4_t c = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (at[i] & 0x3fu);
    *text += n;
    return c;
}

/* The letter without its accent, width or style. */
static ucs4_t plain(ucs4_t c)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    int tag;
    if (c >= 0x80 && uc_decomposition(c, &tag, parts) > 0)
        c = parts[0];
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

enum role { ROLE_LETTER, ROLE_SILENT, ROLE_TIE, ROLE_GAP };

static enum role role_of(ucs4_t c)
{
    if (c == '-' || c == '\'' || c == 0x2019 || c == 0x2010 || c == 0x2011)
        return ROLE_TIE;
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N))
        return ROLE_LETTER;
    /* Accents that stand alone, joiners, variation selectors. */
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_Cf))
        return ROLE_SILENT;
    return ROLE_GAP;
}

/* False at the end of the text. */
static bool next_word(struct reader *reader, struct word *word)
{
    size_t length = 0;
    size_t gap = 0; /* characters before it */
    bool tied = false;
    *word = (struct word){0};
    while (*reader->at != '\0') {
        const char *here = reader->at;
        ucs4_t c = take(&reader->at);
        enum role role = role_of(c);
        if (role == ROLE_LETTER && length < WORD_MAX - 1) {
            c = plain(c);
            bool ascii = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
            word->text[length++] = ascii ? (char)c : '?';
        }
        if (role == ROLE_LETTER || role == ROLE_SILENT)
            continue;
        if (length > 0) {
            reader->at = here; /* what ties or parts the next word is seen from there */
            break;
        }
        gap++;
        tied = role == ROLE_TIE;
        word->fresh = word->fresh || c == '!' || c == '?';
    }
    word->joined = reader->began && gap == 1 && tied;
    reader->began = reader->began || length > 0;
    return length > 0;
}

static bool among(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

#define CODE_DIGITS 4 /* of a short code, at least */

bool stop_asked(const char *text)
{
    static const char *const keywords[] = {"stop", "arret",  "unsubscribe", "end",
                                           "quit", "cancel", "stopall",     NULL};
    struct reader reader = {.at = text};
    struct word word;
    if (!next_word(&reader, &word))
        return false;
    size_t length = strlen(word.text), digits = 0;
    while (digits < length && word.text[length - digits - 1] >= '0' &&
           word.text[length - digits - 1] <= '9')
        digits++;
    if (digits >= CODE_DIGITS) /* "STOP au 36111", as some type it */
        word.text[length - digits] = '\0';
    return among(word.text, keywords);
}

/* ---- the instruction ---- */

#define NUMBER_DIGITS 5 /* at least */
#define WORDS_BEHIND  4
#define WORDS_BEFORE  3

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return text[digits] == '\0' && digits >= NUMBER_DIGITS && digits <= 15;
}

/* What is behind the word STOP in the same piece ("" or digits); NULL: it is another word. */
static const char *behind_stop(const char *text)
{
    static const char *const spellings[] = {"stopsms", "stoppub", "stop", NULL};
    for (const char *const *word = spellings; *word != NULL; word++) {
        size_t length = strlen(*word);
        if (strncmp(text, *word, length) == 0 && (text[length] == '\0' || is_number(text + length)))
            return text + length;
    }
    return NULL;
}

/* Whether what follows makes an instruction of the word STOP just read; reader is a copy. */
static bool instructs(struct reader reader)
{
    static const char *const effects[] = {"end",    "opt",  "unsubscribe", "quit",
                                          "cancel", "stop", NULL};
    struct word word;
    bool to = false;
    for (unsigned n = 0; n < WORDS_BEHIND + 1; n++) {
        if (!next_word(&reader, &word))
            return n == 0; /* the last word */
        if (word.fresh)
            return false;
        if (is_number(word.text) || (to && among(word.text, effects)))
            return true;
        to = n == 0 && strcmp(word.text, "to") == 0;
    }
    return false;
}

bool stop_mentioned(const char *text)
{
    static const char *const answering[] = {
        "repondez", "repondre", "reponse",  "rep",     "reply",   "respond",  "envoyez",
        "envoyer",  "envoi",    "renvoyez", "send",    "sending", "text",     "txt",
        "texting",  "tapez",    "taper",    "ecrivez", "desabo",  "replying", NULL};
    struct reader reader = {.at = text};
    struct word word;
    unsigned since = WORDS_BEFORE + 1; /* words since one of answering */
    bool denied = false;               /* the word before was "non" */
    while (next_word(&reader, &word)) {
        if (word.fresh) {
            since = WORDS_BEFORE + 1;
            denied = false;
        }
        since++;
        const char *rest = word.joined || denied ? NULL : behind_stop(word.text);
        if (rest != NULL && (rest[0] != '\0' || since <= WORDS_BEFORE || instructs(reader)))
            return true;
        denied = strcmp(word.text, "non") == 0 || strcmp(word.text, "no") == 0;
        if (among(word.text, answering))
            since = 0;
    }
    return false;
}
