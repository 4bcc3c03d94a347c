/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include "base/str.h"
#include "config/checks.h"
#include "config/schema_table.h"

#include <stdio.h>
#include <string.h>

#define PATTERN_MAX 256

enum place { PLACE_UNKNOWN, PLACE_KEY, PLACE_GROUP, PLACE_NAMED };

/* The rest of path behind "pattern." ("" is the root), or NULL. */
static const char *below(const char *path, const char *pattern)
{
    size_t length = strlen(pattern);
    if (length == 0)
        return path;
    return strncmp(path, pattern, length) == 0 && path[length] == '.' ? path + length + 1 : NULL;
}

const struct schema_key *schema_find(const char *pattern, const char *name)
{
    for (size_t i = 0; i < schema_table_size; i++) {
        const char *rest = below(schema_table[i].path, pattern);
        if (rest != NULL && strcmp(rest, name) == 0)
            return &schema_table[i];
    }
    return NULL;
}

/* What a child called name of a group with this pattern is. */
static enum place find_place(const char *pattern, const char *name, const struct schema_key **key)
{
    size_t length = strlen(name);
    *key = schema_find(pattern, name);
    if (*key != NULL)
        return PLACE_KEY;
    for (size_t i = 0; i < schema_table_size; i++) {
        const char *rest = below(schema_table[i].path, pattern);
        if (rest != NULL && strncmp(rest, "*.", 2) == 0)
            return PLACE_NAMED;
        if (rest != NULL && strncmp(rest, name, length) == 0 && rest[length] == '.')
            return PLACE_GROUP;
    }
    return PLACE_UNKNOWN;
}

/* ---- values ---- */

static bool within(const struct schema_key *key, int64_t number)
{
    return number >= key->min && number <= key->max;
}

static const struct word *find_word(const struct schema_key *key, const char *text)
{
    for (const struct word *word = key->words; word->text != NULL; word++)
        if (strcmp(word->text, text) == 0)
            return word;
    return NULL;
}

bool schema_number(const struct schema_key *key, const char *text, int64_t *number_out)
{
    struct duration duration;
    uint64_t bytes = 0;
    const struct word *word = NULL;
    switch (key->kind) {
    case KIND_SIZE:
        if (!size_parse(text, &bytes) || bytes > INT64_MAX)
            return false;
        *number_out = (int64_t)bytes;
        return within(key, *number_out);
    case KIND_TIME:
        if (!duration_parse(text, &duration) || duration.months != 0)
            return false;
        *number_out = duration.microseconds;
        return within(key, *number_out);
    case KIND_CHOICE:
        word = find_word(key, text);
        if (word == NULL || word->value == WORD_LATER)
            return false;
        *number_out = word->value;
        return true;
    case KIND_NUMBER: /* only a fallback comes as text: one to six digits */
        *number_out = 0;
        for (; *text != '\0'; text++)
            *number_out = *number_out * 10 + (*text - '0');
        return within(key, *number_out);
    default:
        return false;
    }
}

/* "a, b or c" out of the words that this version knows. */
static void list_words(const struct schema_key *key, char *out, size_t size)
{
    size_t total = 0;
    size_t at = 0;
    size_t used = 0;
    for (const struct word *word = key->words; word->text != NULL; word++)
        total += word->value != WORD_LATER;
    out[0] = '\0';
    for (const struct word *word = key->words; word->text != NULL; word++) {
        if (word->value == WORD_LATER)
            continue;
        const char *before = at == 0 ? "" : at + 1 == total ? " or " : ", ";
        int wrote = snprintf(out + used, size - used, "%s\"%s\"", before, word->text);
        if (wrote < 0 || (size_t)wrote >= size - used)
            return;
        used += (size_t)wrote;
        at++;
    }
}

/* Whether text is one of the key's words; else a finding at node. */
static bool check_word(struct problems *problems, struct node *node, const struct schema_key *key)
{
    char words[256];
    const struct word *word = find_word(key, node->text);
    if (word != NULL && word->value != WORD_LATER) {
        node->number = word->value;
        return true;
    }
    list_words(key, words, sizeof(words));
    const char *none_of = strchr(words, ' ') != NULL ? "none of" : "not";
    /* A URI, of a registry for example, may hold a password: it is not repeated. */
    if (strcmp(key->path, "registry") == 0 && ascii_has_prefix(node->text, "postgres"))
        node_problem(problems, node, "PostgreSQL is not available in this version");
    else if (strstr(node->text, "://") != NULL)
        node_problem(problems, node, "is %s %s", none_of, words);
    else if (word != NULL)
        node_problem(problems, node, "\"%s\" is not available in this version", node->text);
    else
        node_problem(problems, node, "\"%.64s\" is %s %s", node->text, none_of, words);
    return false;
}

static void show_size(int64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB"};
    size_t unit = 0;
    while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, size, "%lld %s", (long long)bytes, units[unit]);
}

static void show_time(int64_t microseconds, char *out, size_t size)
{
    if (microseconds % CLOCK_DAY == 0)
        snprintf(out, size, "%lld d", (long long)(microseconds / CLOCK_DAY));
    else if (microseconds % CLOCK_SECOND == 0)
        snprintf(out, size, "%lld s", (long long)(microseconds / CLOCK_SECOND));
    else
        snprintf(out, size, "%lld ms", (long long)(microseconds / 1000));
}

/* A text is one line of UTF-8: it ends up in logs, in SQL and in answers to partners. */
static bool check_characters(struct problems *problems, struct node *node)
{
    bool control = false;
    for (const char *at = node->text; *at != '\0'; at++)
        control = control || (unsigned char)*at < ' ' || *at == 0x7f;
    if (control)
        node_problem(problems, node, "holds a control character");
    else if (!utf8_valid(node->text, node->text_length))
        node_problem(problems, node, "is not UTF-8");
    return !node->bad;
}

static void check_length(struct problems *problems, struct node *node, const struct schema_key *key)
{
    if ((int64_t)node->text_length < key->min && node->text_length == 0)
        node_problem(problems, node, "is empty");
    else if (!within(key, (int64_t)node->text_length))
        node_problem(problems, node, "must have %lld to %lld characters", (long long)key->min,
                     (long long)key->max);
}

static void check_amount(struct problems *problems, struct node *node, const struct schema_key *key)
{
    char least[32];
    char most[32];
    struct duration period;
    if (key->kind == KIND_PERIOD) {
        if (!duration_parse(node->text, &period))
            node_problem(problems, node, "\"%.64s\" is no duration such as \"3 years\"",
                         node->text);
        else if (period.months == 0 && period.microseconds == 0)
            node_problem(problems, node, "must be longer than nothing");
        return;
    }
    if (schema_number(key, node->text, &node->number))
        return;
    bool size = key->kind == KIND_SIZE;
    (size ? show_size : show_time)(key->min, least, sizeof(least));
    (size ? show_size : show_time)(key->max, most, sizeof(most));
    node_problem(problems, node, "\"%.64s\" is no %s between \"%s\" and \"%s\"", node->text,
                 size ? "size" : "time", least, most);
}

static void check_list(struct problems *problems, struct node *node, const struct schema_key *key)
{
    for (struct node *item = node->first; item != NULL; item = item->next) {
        if (item->type != NODE_TEXT)
            node_problem(problems, item, "must be a list of texts: [ \"…\" ]");
        else if (!check_characters(problems, item))
            continue;
        else if (key->kind == KIND_CHOICES)
            check_word(problems, item, key);
        else if (item->text[0] == '\0')
            node_problem(problems, item, "holds an empty text");
        else if (item->text_length > 512)
            node_problem(problems, item, "holds a text of more than 512 characters");
    }
    if (node->n_children == 0 && key->min > 0)
        node_problem(problems, node, "is empty");
    else if ((int64_t)node->n_children > key->max)
        node_problem(problems, node, "holds more than %lld values", (long long)key->max);
}

static enum node_type type_wanted(enum kind kind, const char **words_out)
{
    switch (kind) {
    case KIND_NUMBER:
        *words_out = "must be a whole number";
        return NODE_NUMBER;
    case KIND_BOOLEAN:
        *words_out = "must be true or false";
        return NODE_BOOLEAN;
    case KIND_TEXTS:
    case KIND_CHOICES:
        *words_out = "must be a list of texts: [ \"…\" ]";
        return NODE_LIST;
    case KIND_SIZE:
        *words_out = "must be a text with a unit, such as \"64 MB\"";
        return NODE_TEXT;
    case KIND_TIME:
        *words_out = "must be a text with a unit, such as \"30 s\"";
        return NODE_TEXT;
    case KIND_PERIOD:
        *words_out = "must be a text with a unit, such as \"3 years\"";
        return NODE_TEXT;
    default:
        *words_out = "must be a text: \"…\"";
        return NODE_TEXT;
    }
}

static void check_value(struct problems *problems, struct node *node, const struct schema_key *key)
{
    const char *wanted = NULL;
    if (node->type != type_wanted(key->kind, &wanted)) {
        node_problem(problems, node, "%s", wanted);
        return;
    }
    if (node->type == NODE_TEXT && !check_characters(problems, node))
        return;
    switch (key->kind) {
    case KIND_TEXT:
    case KIND_SECRET:
        check_length(problems, node, key);
        break;
    case KIND_NUMBER:
        if (!within(key, node->number))
            node_problem(problems, node, "%lld is not between %lld and %lld",
                         (long long)node->number, (long long)key->min, (long long)key->max);
        break;
    case KIND_SIZE:
    case KIND_TIME:
    case KIND_PERIOD:
        check_amount(problems, node, key);
        break;
    case KIND_CHOICE:
        check_word(problems, node, key);
        break;
    case KIND_TEXTS:
    case KIND_CHOICES:
        check_list(problems, node, key);
        break;
    case KIND_BOOLEAN:
        break;
    }
}

/* ---- names ---- */

/* The number of single changes from a to b, as far as it is below 3. */
static int distance(const char *a, const char *b, int left)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    if (*a == '\0' && *b == '\0')
        return 0;
    if (left == 0)
        return 1;
    int best = left + 1;
    if (*a != '\0' && *b != '\0')
        best = 1 + distance(a + 1, b + 1, left - 1);
    if (*a != '\0') {
        int other = 1 + distance(a + 1, b, left - 1);
        best = other < best ? other : best;
    }
    if (*b != '\0') {
        int other = 1 + distance(a, b + 1, left - 1);
        best = other < best ? other : best;
    }
    return best;
}

static void unknown_key(struct problems *problems, struct node *node, const char *pattern)
{
    char nearest[64] = "";
    int best = strlen(node->name) > 3 ? 3 : 2;
    for (size_t i = 0; i < schema_table_size; i++) {
        const char *rest = below(schema_table[i].path, pattern);
        char name[64];
        if (rest == NULL || !str_copy_n(name, sizeof(name), rest, strcspn(rest, ".")))
            continue;
        int found = distance(node->name, name, 2);
        if (found < best) {
            best = found;
            str_copy(nearest, sizeof(nearest), name);
        }
    }
    if (nearest[0] != '\0')
        node_problem(problems, node, "unknown key; did you mean \"%s\"?", nearest);
    else
        node_problem(problems, node, "unknown key");
}

static void check_name(struct problems *problems, struct node *node)
{
    if (strlen(node->name) > NAME_BYTES_MAX)
        node_problem(problems, node, "the name has more than %d characters", NAME_BYTES_MAX);
    else if (strchr(node->name, '*') != NULL)
        node_problem(problems, node, "a name may not hold '*'");
}

/* ---- groups ---- */

static void check_missing(struct problems *problems, const struct node *group)
{
    for (size_t i = 0; i < schema_table_size; i++) {
        const char *rest = below(schema_table[i].path, group->pattern);
        if (rest != NULL && schema_table[i].required && strchr(rest, '.') == NULL &&
            node_child(group, rest) == NULL)
            node_key_problem(problems, group, rest, "is missing");
    }
}

static enum result check_group(struct tree *tree, struct problems *problems, struct node *group);

static enum result check_child(struct tree *tree, struct problems *problems, const char *pattern,
                               struct node *child)
{
    const struct schema_key *key = NULL;
    enum place place = find_place(pattern, child->name, &key);
    char path[PATTERN_MAX];
    if (place == PLACE_UNKNOWN) {
        unknown_key(problems, child, pattern);
        return RESULT_OK;
    }
    if (place == PLACE_KEY) {
        check_value(problems, child, key);
        return RESULT_OK;
    }
    if (child->type != NODE_GROUP) {
        node_problem(problems, child, "must be a group: { … }");
        return RESULT_OK;
    }
    if (place == PLACE_NAMED)
        check_name(problems, child);
    snprintf(path, sizeof(path), "%s%s%s", pattern, pattern[0] != '\0' ? "." : "",
             place == PLACE_NAMED ? "*" : child->name);
    child->pattern = arena_str(tree->arena, path);
    if (child->pattern == NULL)
        return RESULT_NO_MEMORY;
    return check_group(tree, problems, child);
}

static enum result check_group(struct tree *tree, struct problems *problems, struct node *group)
{
    for (struct node *child = group->first; child != NULL; child = child->next) {
        enum result result = check_child(tree, problems, group->pattern, child);
        if (result != RESULT_OK)
            return result;
    }
    check_missing(problems, group);
    return RESULT_OK;
}

enum result schema_check(struct tree *tree, struct problems *problems)
{
    tree->root->pattern = "";
    return check_group(tree, problems, tree->root);
}
