/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi user`: who may enter the console, and as what. What lets somebody in or gives him more is
 * in the journal before it counts; what stops somebody counts before all else.
 */
#include "base/clock.h"
#include "cli/act.h"
#include "cli/context.h"
#include "cli/options.h"
#include "cli/password_read.h"
#include "store/users.h"

#include <string.h>

#define PASSWORD_LEAST 12 /* characters */

/* ---- the operands ---- */

static bool take_name(const struct invocation *invocation, const char *name)
{
    if (user_name_valid(name))
        return true;
    command_usage(invocation,
                  "a user's name has lower-case letters, digits, dots, hyphens and underscores, at "
                  "most %d of them, and begins with a letter or digit",
                  USER_NAME - 1);
    return false;
}

static bool take_role(const struct invocation *invocation, const char *text,
                      enum user_role *role_out)
{
    if (text == NULL)
        command_usage(invocation, "--role is missing");
    else if (user_role_parse(text, role_out))
        return true;
    else
        command_usage(invocation, "--role: '%s' is none of reader, compliance, administrator",
                      text);
    return false;
}

/* ---- the password ---- */

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Its hash. False after having printed why. */
static bool ask_password(char hash[PASSWORD_HASH])
{
    char password[PASSWORD_TEXT];
    if (!password_read(password))
        return false;
    bool good = count_characters(password) >= PASSWORD_LEAST;
    if (!good)
        command_failed_text("a password for the console has at least %d characters",
                            PASSWORD_LEAST);
    good = good && password_hash(password, hash);
    wipe(password, sizeof(password));
    return good;
}

/* ---- changes ---- */

struct change {
    const char *act, *name;
    enum result (*make)(struct registry *registry, const struct change *change, struct error *err);
    const struct user *user;
    const char *hash; /* NULL: none */
};

/* In the journal before it counts: the registry commits last. */
static enum result make_on_record(struct context *context, const struct change *change,
                                  struct error *err)
{
    struct journal_link *link = NULL;
    enum result result = act_open(context, &link, err);
    if (result == RESULT_OK)
        result = registry_begin(context->registry, err);
    if (result != RESULT_OK)
        goto out;
    result = change->make(context->registry, change, err);
    if (result == RESULT_OK)
        result = act_note(link, context, change->act, change->name, "", err);
    if (result == RESULT_OK)
        result = registry_commit(context->registry, err);
    else
        registry_rollback(context->registry);
out:
    journal_link_close(&link);
    return result;
}

static enum result make_user(struct registry *registry, const struct change *change,
                             struct error *err)
{
    return registry_add_user(registry, change->user, change->hash, err);
}

static enum result make_password(struct registry *registry, const struct change *change,
                                 struct error *err)
{
    return registry_set_user_password(registry, change->name, change->hash, err);
}

static enum result make_role(struct registry *registry, const struct change *change,
                             struct error *err)
{
    return registry_set_user_role(registry, change->name, change->user->role, err);
}

/* ---- add ---- */

static int add(struct context *context, const struct user *user, bool single_sign_on)
{
    struct error err = {0};
    struct user there;
    char hash[PASSWORD_HASH];
    const struct change change = {.act = "user.add",
                                  .name = user->name,
                                  .make = make_user,
                                  .user = user,
                                  .hash = single_sign_on ? NULL : hash};
    /* Before a password is asked for. */
    if (registry_find_user(context->registry, user->name, &there, hash, &err) == RESULT_OK)
        return command_failed_text("there is a user \"%s\" already", user->name);
    if (!single_sign_on && !ask_password(hash))
        return EXIT_FAILED;
    if (make_on_record(context, &change, &err) != RESULT_OK)
        return command_failed(&err);
    printf("%s may enter the console as %s\n", user->name, user_role_name(user->role));
    return EXIT_DONE;
}

int cli_user_add(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const char *role = NULL;
    bool single_sign_on = false;
    struct user user = {.created_at = clock_now()};
    struct context context;
    const struct option_spec specs[] = {
        {"role", OPTION_TEXT, &role}, {"single-sign-on", OPTION_FLAG, &single_sign_on}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!take_name(invocation, operands[0]) || !take_role(invocation, role, &user.role))
        return EXIT_USAGE;
    str_copy(user.name, sizeof(user.name), operands[0]);
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    code = add(&context, &user, single_sign_on);
    context_close(&context);
    return code;
}

/* ---- password, role ---- */

static int set_password(struct context *context, const char *name, const void *arg)
{
    struct error err = {0};
    (void)arg;
    struct user user;
    char hash[PASSWORD_HASH];
    const struct change change = {
        .act = "user.password", .name = name, .make = make_password, .hash = hash};
    if (registry_find_user(context->registry, name, &user, hash, &err) != RESULT_OK)
        return command_failed(&err);
    if (!ask_password(hash))
        return EXIT_FAILED;
    if (make_on_record(context, &change, &err) != RESULT_OK)
        return command_failed(&err);
    printf("%s has this password from now on, and is signed out\n", name);
    return EXIT_DONE;
}

int cli_user_password(const struct invocation *invocation, int argc, char **argv)
{
    return act_on_name(invocation, argc, argv, set_password, NULL);
}

int cli_user_role(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const char *role = NULL;
    struct user user = {0};
    struct error err = {0};
    struct context context;
    const struct option_spec specs[] = {{"role", OPTION_TEXT, &role}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!take_role(invocation, role, &user.role))
        return EXIT_USAGE;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    const struct change change = {
        .act = "user.role", .name = operands[0], .make = make_role, .user = &user};
    if (make_on_record(&context, &change, &err) == RESULT_OK)
        printf("%s is %s from now on, and signed out\n", change.name, user_role_name(user.role));
    else
        code = command_failed(&err);
    context_close(&context);
    return code == OPTIONS_GO ? EXIT_DONE : code;
}

/* ---- remove, log-out ---- */

struct stop {
    const char *act, *done;
    enum result (*make)(struct registry *registry, const char *name, struct error *err);
};

static enum result make_removed(struct registry *registry, const char *name, struct error *err)
{
    return registry_remove_user(registry, name, clock_now(), err);
}

/* The stop first: what comes of the journal must not hold it up. */
static int run_stop(struct context *context, const char *name, const void *arg)
{
    const struct stop *stop = arg;
    struct error err = {0};
    if (stop->make(context->registry, name, &err) != RESULT_OK)
        return command_failed(&err);
    printf("%s %s\n", name, stop->done);
    fflush(stdout);
    if (act_note_once(context, stop->act, name, "", &err) == RESULT_OK)
        return EXIT_DONE;
    error_prefix(&err, "it is done, but not in the journal");
    return command_failed(&err);
}

int cli_user_remove(const struct invocation *invocation, int argc, char **argv)
{
    const struct stop stop = {"user.remove", "is removed, and out at once", make_removed};
    return act_on_name(invocation, argc, argv, run_stop, &stop);
}

int cli_user_log_out(const struct invocation *invocation, int argc, char **argv)
{
    const struct stop stop = {"user.log-out", "is signed out everywhere", registry_close_sessions};
    return act_on_name(invocation, argc, argv, run_stop, &stop);
}

/* ---- list ---- */

static const struct column columns[] = {
    {"name", CELL_TEXT, false},        {"role", CELL_TEXT, false},
    {"state", CELL_TEXT, false},       {"sign_in", CELL_TEXT, true},
    {"last_seen_at", CELL_TEXT, true}, {"created_at", CELL_TEXT, false},
    {"removed_at", CELL_TEXT, true},   {0}};

struct listing {
    struct output *output;
    enum output_format format;
};

static void format_instant(const struct listing *listing, int64_t at, char out[CLOCK_TEXT])
{
    out[0] = '\0';
    if (at != 0 && listing->format == OUTPUT_TABLE)
        clock_format_seconds(at, out);
    else if (at != 0)
        clock_format(at, out);
}

static bool print_user(void *arg, const struct user *user)
{
    const struct listing *listing = arg;
    char seen[CLOCK_TEXT], created[CLOCK_TEXT], removed[CLOCK_TEXT];
    format_instant(listing, user->last_seen_at, seen);
    format_instant(listing, user->created_at, created);
    format_instant(listing, user->removed_at, removed);
    const struct cell cells[] = {
        cell_text(user->name),
        cell_text(user_role_name(user->role)),
        cell_text(user->removed_at != 0 ? "removed" : "good"),
        user->removed_at != 0 ? cell_none()
                              : cell_text(user->has_password ? "password" : "single-sign-on"),
        cell_filled(seen),
        cell_text(created),
        cell_filled(removed)};
    return output_row(listing->output, cells);
}

int cli_user_list(const struct invocation *invocation, int argc, char **argv)
{
    struct context context;
    struct error err = {0};
    struct listing listing = {.format = OUTPUT_TABLE};
    int code = options_read_format(invocation, argc, argv, &listing.format);
    if (code != OPTIONS_GO)
        return code;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    listing.output = output_new(stdout, listing.format, columns);
    enum result result = listing.output == NULL
                             ? error_no_memory(&err)
                             : registry_users(context.registry, print_user, &listing, &err);
    code = command_listed(&listing.output, result, &err);
    context_close(&context);
    return code;
}
