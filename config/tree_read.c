/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the files: libconfig parses one at a time, its settings are merged into our own tree,
 * then the files named by `include` are read in sorted order. The only user of libconfig.
 *
 * Refused here, because libconfig 1.5 would let it through: numbers too long for an int (it wraps
 * them silently), a NUL byte (it would end the file or the text there), and its own @include (it
 * bypasses the merging, and the hash over all files). A text or comment that is not closed is named
 * where it begins, not at the end of the file. Known and borne: after a syntax error right behind a
 * text, libconfig 1.5 leaks that text's buffer.
 */
#include "config/tree.h"

#include "base/crypto.h"
#include "base/file.h"

#include <ctype.h>
#include <glob.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_CAP    ((size_t)16 * 1024 * 1024)
#define TREE_CAP    ((size_t)1024 * 1024 * 1024)
#define FILES_MAX   10000
#define INCLUDE_MAX 8  /* files including files */
#define NESTING_MAX 16 /* groups in groups; the deepest key needs seven */
#define DIGITS_MAX  9

struct reader {
    struct tree *tree;
    struct problems *problems;
    struct strbuf bytes; /* of all files, for the version; wiped */
    struct error *err;
};

static enum result read_file(struct reader *reader, const char *path, struct node *from, int depth);

static struct source *new_source(struct tree *tree, const char *path, const struct stat *st)
{
    struct source *source = arena_alloc(tree->arena, sizeof(*source));
    if (source == NULL || (source->path = arena_str(tree->arena, path)) == NULL)
        return NULL;
    source->order = tree->n_sources++;
    source->device = st->st_dev;
    source->inode = st->st_ino;
    if (tree->last_source != NULL)
        tree->last_source->next = source;
    else
        tree->first_source = source;
    tree->last_source = source;
    return source;
}

/* ---- what libconfig would let through ---- */

/* The end of the comment or text that starts at `at`, `at` when none does, NULL when it is not
 * closed. */
static const char *skip_quiet(const char *at)
{
    if (*at == '#' || (at[0] == '/' && at[1] == '/'))
        return at + strcspn(at, "\n");
    if (at[0] == '/' && at[1] == '*') {
        const char *end = strstr(at + 2, "*/");
        return end != NULL ? end + 2 : NULL;
    }
    if (*at == '"') {
        for (at++; *at != '\0' && *at != '"'; at++)
            if (*at == '\\' && at[1] != '\0')
                at++;
        return *at == '"' ? at + 1 : NULL;
    }
    return at;
}

/* Whether the text between its quotes holds the escape of a NUL, where libconfig would cut it. */
static bool holds_nul(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at != '\\')
            continue;
        if (end - at > 3 && strncmp(at, "\\x00", 4) == 0)
            return true;
        at++;
    }
    return false;
}

static const char *forbidden(const char *text, int *line_out)
{
    int line = 1;
    const char *at = text;
    while (*at != '\0') {
        const char *end = skip_quiet(at);
        const char *wrong = NULL;
        if (end == NULL) {
            wrong = *at == '"' ? "a text is not closed" : "a comment is not closed";
        } else if (*at == '"' && holds_nul(at, end)) {
            wrong = "a text holds a NUL byte";
        } else if (end == at && (isalpha((unsigned char)*at) || *at == '_')) {
            while (*end != '\0' && (isalnum((unsigned char)*end) || strchr("-_*", *end) != NULL))
                end++;
        } else if (end == at && isdigit((unsigned char)*at)) {
            while (isalnum((unsigned char)*end))
                end++;
            if (end - at > DIGITS_MAX)
                wrong = "a number of more than nine digits";
        } else if (end == at) {
            if (strncmp(at, "@include", 8) == 0)
                wrong = "@include is not known here: use include = [ \"FILE\" ]";
            end = at + 1;
        }
        if (wrong != NULL) {
            *line_out = line;
            return wrong;
        }
        for (; at < end; at++)
            line += *at == '\n';
    }
    return NULL;
}

/* ---- libconfig's settings into nodes ---- */

static enum node_type type_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return NODE_GROUP;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return NODE_NUMBER;
    case CONFIG_TYPE_BOOL:
        return NODE_BOOLEAN;
    case CONFIG_TYPE_STRING:
        return NODE_TEXT;
    case CONFIG_TYPE_FLOAT:
        return NODE_FRACTION;
    default:
        return NODE_LIST;
    }
}

static enum result merge(struct reader *reader, struct node *into, config_setting_t *setting,
                         const struct source *source, int depth);

static enum result fill(struct reader *reader, struct node *node, config_setting_t *setting,
                        const struct source *source, int depth)
{
    switch (node->type) {
    case NODE_TEXT: {
        const char *text = config_setting_get_string(setting);
        if (text == NULL)
            text = "";
        node->text_length = strlen(text);
        node->text = arena_copy(reader->tree->arena, text, node->text_length);
        return node->text != NULL ? RESULT_OK : error_no_memory(reader->err);
    }
    case NODE_NUMBER:
        node->number = config_setting_get_int64(setting);
        if (config_setting_type(setting) == CONFIG_TYPE_INT)
            node->number = config_setting_get_int(setting);
        return RESULT_OK;
    case NODE_BOOLEAN:
        node->number = config_setting_get_bool(setting) != 0;
        return RESULT_OK;
    case NODE_FRACTION:
        return RESULT_OK;
    case NODE_LIST:
    case NODE_GROUP:
        return merge(reader, node, setting, source, depth + 1);
    }
    return RESULT_OK;
}

static void report_clash(struct reader *reader, struct node *old, enum node_type type,
                         const struct source *source, int line)
{
    char path[512];
    node_path(old, path, sizeof(path));
    if (old->type != NODE_GROUP && type != NODE_GROUP)
        problem_add(reader->problems, source, line, "%s: was already set at %s:%d", path,
                    old->source->path, old->line);
    else
        problem_add(reader->problems, source, line, "%s: is a %s here and a %s at %s:%d", path,
                    type == NODE_GROUP ? "group" : "value",
                    old->type == NODE_GROUP ? "group" : "value", old->source->path, old->line);
}

/* Adds the children of setting (a group, list or array) to into. */
static enum result merge(struct reader *reader, struct node *into, config_setting_t *setting,
                         const struct source *source, int depth)
{
    int count = config_setting_length(setting);
    for (int i = 0; i < count; i++) {
        config_setting_t *child = config_setting_get_elem(setting, (unsigned)i);
        const char *name = config_setting_name(child);
        int line = (int)config_setting_source_line(child);
        enum node_type type = type_of(child);
        if (depth > NESTING_MAX) {
            problem_add(reader->problems, source, line, "groups are nested too deep");
            return RESULT_OK;
        }
        struct node *node = name != NULL ? node_child(into, name) : NULL;
        if (node != NULL && (node->type != NODE_GROUP || type != NODE_GROUP)) {
            report_clash(reader, node, type, source, line);
            continue;
        }
        if (node == NULL)
            node = node_new(reader->tree, into, name, type, source, line);
        if (node == NULL)
            return error_no_memory(reader->err);
        enum result result = fill(reader, node, child, source, depth);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

/* libconfig frees its copies of the texts as they are. */
static void wipe_settings(config_setting_t *setting)
{
    if (config_setting_type(setting) == CONFIG_TYPE_STRING && setting->value.sval != NULL)
        wipe(setting->value.sval, strlen(setting->value.sval));
    if (!config_setting_is_aggregate(setting))
        return;
    for (int i = 0; i < config_setting_length(setting); i++)
        wipe_settings(config_setting_get_elem(setting, (unsigned)i));
}

/* ---- include ---- */

static int compare_paths(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

/* The pattern relative to the including file, whose own folder is taken literally. */
static char *include_pattern(const struct node *named_by)
{
    struct strbuf out = {0};
    const char *base = named_by->source->path;
    const char *slash = named_by->text[0] == '/' ? NULL : strrchr(base, '/');
    for (; slash != NULL && base <= slash; base++) {
        if (strchr("*?[\\", *base) != NULL)
            strbuf_add_char(&out, '\\');
        strbuf_add_char(&out, *base);
    }
    strbuf_add_str(&out, named_by->text);
    return strbuf_take(&out);
}

static enum result read_include(struct reader *reader, struct node *named_by, int depth)
{
    char *pattern = include_pattern(named_by);
    if (pattern == NULL)
        return error_no_memory(reader->err);
    glob_t found = {0};
    enum result result = RESULT_OK;
    int code = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    bool is_pattern = strpbrk(named_by->text, "*?[") != NULL;
    if (code == GLOB_NOSPACE)
        result = error_no_memory(reader->err);
    else if (code == GLOB_ABORTED)
        node_problem(reader->problems, named_by, "the folder of \"%s\" cannot be read",
                     named_by->text);
    else if (code == GLOB_NOMATCH && !is_pattern) /* an empty conf.d is fine, a lost file is not */
        node_problem(reader->problems, named_by, "\"%s\" does not exist", named_by->text);
    else if (code == 0 && found.gl_pathc > 1)
        qsort(found.gl_pathv, found.gl_pathc, sizeof(found.gl_pathv[0]), compare_paths);
    for (size_t i = 0; code == 0 && result == RESULT_OK && i < found.gl_pathc; i++)
        result = read_file(reader, found.gl_pathv[i], named_by, depth + 1);
    if (code == 0)
        globfree(&found);
    free(pattern);
    return result;
}

/* Takes `include` out of the root, where the next file's own may follow, and reads what it names.
 */
static enum result read_includes(struct reader *reader, struct node *include, int depth)
{
    if (include->type != NODE_LIST) {
        node_problem(reader->problems, include, "must be a list of texts: [ \"conf.d/*.conf\" ]");
        return RESULT_OK;
    }
    for (struct node *item = include->first; item != NULL; item = item->next) {
        if (item->type != NODE_TEXT || item->text[0] == '\0') {
            node_problem(reader->problems, item, "must be a list of texts: [ \"conf.d/*.conf\" ]");
            continue;
        }
        enum result result = read_include(reader, item, depth);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

static struct node *detach_include(struct node *root)
{
    struct node *before = NULL;
    for (struct node *child = root->first; child != NULL; before = child, child = child->next) {
        if (strcmp(child->name, "include") != 0)
            continue;
        if (before != NULL)
            before->next = child->next;
        else
            root->first = child->next;
        if (root->last == child)
            root->last = before;
        root->n_children--;
        child->next = NULL;
        return child;
    }
    return NULL;
}

/* ---- one file ---- */

static enum result parse(struct reader *reader, const struct source *source, const char *text,
                         int depth)
{
    int line = 0;
    const char *wrong = forbidden(text, &line);
    if (wrong != NULL) {
        problem_add(reader->problems, source, line, "%s", wrong);
        return error_set(reader->err, RESULT_BAD_INPUT, "%s: syntax error", source->path);
    }
    config_t parsed;
    config_init(&parsed);
    enum result result = RESULT_OK;
    if (config_read_string(&parsed, text) != CONFIG_TRUE) {
        line = config_error_line(&parsed);
        wrong = config_error_text(&parsed);
        if (wrong != NULL && strcmp(wrong, "duplicate setting name") == 0)
            wrong = "this key is set twice in its group";
        problem_add(reader->problems, source, line > 0 ? line : 1, "%s",
                    wrong != NULL ? wrong : "syntax error");
        result = error_set(reader->err, RESULT_BAD_INPUT, "%s: syntax error", source->path);
    } else {
        result = merge(reader, reader->tree->root, config_root_setting(&parsed), source, 1);
    }
    wipe_settings(config_root_setting(&parsed));
    config_destroy(&parsed);
    struct node *include = result == RESULT_OK ? detach_include(reader->tree->root) : NULL;
    return include != NULL ? read_includes(reader, include, depth) : result;
}

static const struct source *source_of(const struct tree *tree, const struct stat *st)
{
    for (const struct source *source = tree->first_source; source; source = source->next)
        if (source->device == st->st_dev && source->inode == st->st_ino)
            return source;
    return NULL;
}

/* What forbids reading an included file, as a finding at the line that names it. */
static bool may_include(struct reader *reader, const char *path, const struct stat *st,
                        struct node *named_by, int depth)
{
    if (!S_ISREG(st->st_mode))
        node_problem(reader->problems, named_by, "%s is not a file", path);
    else if (source_of(reader->tree, st) != NULL)
        node_problem(reader->problems, named_by, "%s was read already", path);
    else if (depth > INCLUDE_MAX)
        node_problem(reader->problems, named_by, "more than %d files include each other",
                     INCLUDE_MAX);
    else if (reader->tree->n_sources >= FILES_MAX)
        node_problem(reader->problems, named_by, "more than %d files", FILES_MAX);
    else
        return true;
    return false;
}

static enum result read_file(struct reader *reader, const char *path, struct node *from, int depth)
{
    struct stat st = {0};
    struct strbuf bytes = {0};
    struct error why = {0};
    bool known = stat(path, &st) == 0;
    if (known && from != NULL && !may_include(reader, path, &st, from, depth))
        return RESULT_OK;
    enum result result = file_read(path, FILE_CAP, &bytes, &why);
    const struct source *source = NULL;
    if (result != RESULT_OK && from == NULL) {
        error_set(reader->err, result, "%s", why.text);
    } else if (result != RESULT_OK && result != RESULT_NO_MEMORY) {
        node_problem(reader->problems, from, "%s", why.text);
        result = RESULT_OK;
    } else if (result != RESULT_OK || (source = new_source(reader->tree, path, &st)) == NULL) {
        result = error_no_memory(reader->err);
    } else {
        if (reader->tree->root == NULL)
            reader->tree->root = node_new(reader->tree, NULL, NULL, NODE_GROUP, source, 1);
        strbuf_add(&bytes, "", 0);
        strbuf_add(&reader->bytes, bytes.data, bytes.length);
        if (reader->tree->root == NULL || bytes.failed || reader->bytes.failed) {
            result = error_no_memory(reader->err);
        } else if (strlen(bytes.data) != bytes.length) {
            problem_add(reader->problems, source, 1, "the file holds a NUL byte");
            result = error_set(reader->err, RESULT_BAD_INPUT, "%s: syntax error", path);
        } else {
            result = parse(reader, source, bytes.data, depth);
        }
    }
    if (bytes.data != NULL)
        wipe(bytes.data, bytes.length);
    strbuf_free(&bytes);
    return result;
}

enum result tree_read(const char *path, struct tree *tree, struct problems *problems,
                      struct error *err)
{
    struct reader reader = {.tree = tree, .problems = problems, .err = err};
    *tree = (struct tree){.arena = arena_new(TREE_CAP)};
    if (tree->arena == NULL)
        return error_no_memory(err);
    enum result result = read_file(&reader, path, NULL, 0);
    if (result == RESULT_OK) {
        uint8_t digest[SHA256_BYTES];
        if (sha256(reader.bytes.data, reader.bytes.length, digest)) {
            hex_encode(digest, sizeof(digest), tree->sha256);
            hex_encode(digest, 6, tree->version);
        } else {
            result = error_set(err, RESULT_SYSTEM, "cannot compute a SHA-256");
        }
    }
    if (reader.bytes.data != NULL)
        wipe(reader.bytes.data, reader.bytes.length);
    strbuf_free(&reader.bytes);
    return result;
}
