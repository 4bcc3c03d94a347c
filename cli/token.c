/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi token`: who may use the interface for programs, and for what. A token is shown once, when
 * it is made; the registry keeps its hash. That one was made or revoked stands in the journal.
 */
#include "base/clock.h"
#include "cli/act.h"
#include "cli/context.h"
#include "cli/options.h"
#include "store/tokens.h"

#include <string.h>

#define EXPIRES_DEFAULT "1 year"
#define EXPIRES_MOST    "10 years"
#define RATE_MOST       1000000

/* ---- add ---- */

struct add_options {
    const char *scope, *partner, *expires, *rate;
};

static bool take_expires(const struct invocation *invocation, const char *text, struct token *token)
{
    struct duration wanted, most;
    int64_t now = clock_now();
    if (!duration_parse(text != NULL ? text : EXPIRES_DEFAULT, &wanted) ||
        !duration_parse(EXPIRES_MOST, &most)) {
        command_usage(invocation, "--expires is a time such as \"90 days\" or \"1 year\"");
        return false;
    }
    token->expires_at = clock_add(now, wanted);
    if (token->expires_at > now && token->expires_at <= clock_add(now, most))
        return true;
    command_usage(invocation, "--expires is at most " EXPIRES_MOST);
    return false;
}

static bool take_rate(const struct invocation *invocation, const char *text, struct token *token)
{
    uint64_t rate = 0;
    if (!option_count(invocation, "rate", text, &rate))
        return false;
    if (rate > RATE_MOST) {
        command_usage(invocation, "--rate is at most %d requests a second", RATE_MOST);
        return false;
    }
    token->rate = (unsigned)rate;
    return true;
}

static bool take_scopes(const struct invocation *invocation, const char *text, struct token *token)
{
    char unknown[TOKEN_NAME];
    struct strbuf all = {0};
    if (text == NULL) {
        command_usage(invocation, "--scope is missing");
        return false;
    }
    if (token_scopes_parse(text, &token->scopes, unknown, sizeof(unknown)))
        return true;
    for (unsigned i = 0; i < TOKEN_SCOPES; i++)
        strbuf_add_format(&all, "%s%s", i > 0 ? ", " : "",
                          token_scope_name((enum token_scope)(1u << i)));
    command_usage(invocation, "--scope: '%s' is none of %s", unknown,
                  all.failed ? "the scopes" : all.data);
    strbuf_free(&all);
    return false;
}

static bool take_names(const struct invocation *invocation, const char *name, const char *partner,
                       struct token *token)
{
    if (str_copy(token->name, sizeof(token->name), name) &&
        str_copy(token->partner, sizeof(token->partner), partner != NULL ? partner : ""))
        return true;
    command_usage(invocation, "a name is at most %d characters long", TOKEN_NAME - 1);
    return false;
}

/* On record before it can be used: without the journal there is no token. */
static int add(struct context *context, struct token *token)
{
    struct error err = {0};
    char text[TOKEN_TEXT];
    if (token->partner[0] != '\0' && config_partner(context->config, token->partner) == NULL)
        return command_failed_text("the configuration knows no partner '%s'", token->partner);
    if (registry_add_token(context->registry, token, text, &err) != RESULT_OK)
        return command_failed(&err);
    if (act_note_once(context, "token.add", token->name, token->partner, &err) != RESULT_OK) {
        struct error ignored = {0};
        wipe(text, sizeof(text));
        error_prefix(&err, "the journal could not be written, so there is no token");
        if (registry_revoke_token(context->registry, token->id, clock_now(), &ignored) != RESULT_OK)
            command_warn("token '%s' could not be revoked again: %s", token->name, ignored.text);
        return command_failed(&err);
    }
    puts(text);
    wipe(text, sizeof(text));
    fputs("This is the only time it is shown: keep it where secrets are kept.\n", stderr);
    return EXIT_DONE;
}

int cli_token_add(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    struct add_options options = {0};
    struct token token = {0};
    struct context context;
    const struct option_spec specs[] = {{"scope", OPTION_TEXT, &options.scope},
                                        {"partner", OPTION_TEXT, &options.partner},
                                        {"expires", OPTION_TEXT, &options.expires},
                                        {"rate", OPTION_TEXT, &options.rate},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!take_names(invocation, operands[0], options.partner, &token) ||
        !take_scopes(invocation, options.scope, &token) ||
        !take_expires(invocation, options.expires, &token) ||
        !take_rate(invocation, options.rate, &token))
        return EXIT_USAGE;
    if (!context_open(invocation, CONTEXT_REGISTRY | CONTEXT_STRICT, &context))
        return EXIT_FAILED;
    code = add(&context, &token);
    context_close(&context);
    return code;
}

/* ---- list ---- */

static const struct column columns[] = {
    {"name", CELL_TEXT, false},       {"id", CELL_TEXT, false},
    {"state", CELL_TEXT, false},      {"scopes", CELL_WORDS, false},
    {"partner", CELL_TEXT, false},    {"rate", CELL_NUMBER, false},
    {"created_at", CELL_TEXT, false}, {"expires_at", CELL_TEXT, false},
    {"revoked_at", CELL_TEXT, true},  {0}};

struct listing {
    struct output *output;
    enum output_format format;
    int64_t now;
};

static bool print_token(void *arg, const struct token *token)
{
    const struct listing *listing = arg;
    char scopes[TOKEN_SCOPES_TEXT];
    char created[CLOCK_TEXT], expires[CLOCK_TEXT], revoked[CLOCK_TEXT] = "";
    void (*format)(int64_t, char *) =
        listing->format == OUTPUT_TABLE ? clock_format_seconds : clock_format;
    format(token->created_at, created);
    format(token->expires_at, expires);
    if (token->revoked_at != 0)
        format(token->revoked_at, revoked);
    token_scopes_text(token->scopes, scopes);
    const char *state = token->revoked_at != 0              ? "revoked"
                        : token->expires_at <= listing->now ? "expired"
                                                            : "good";
    const struct cell cells[] = {cell_text(token->name),
                                 cell_text(token->id),
                                 cell_text(state),
                                 cell_text(scopes),
                                 cell_filled(token->partner),
                                 token->rate > 0 ? cell_number(token->rate) : cell_none(),
                                 cell_text(created),
                                 cell_text(expires),
                                 cell_filled(revoked)};
    return output_row(listing->output, cells);
}

int cli_token_list(const struct invocation *invocation, int argc, char **argv)
{
    struct context context;
    struct error err = {0};
    struct listing listing = {.format = OUTPUT_TABLE, .now = clock_now()};
    int code = options_read_format(invocation, argc, argv, &listing.format);
    if (code != OPTIONS_GO)
        return code;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    listing.output = output_new(stdout, listing.format, columns);
    enum result result = listing.output == NULL
                             ? error_no_memory(&err)
                             : registry_tokens(context.registry, print_token, &listing, &err);
    code = command_listed(&listing.output, result, &err);
    context_close(&context);
    return code;
}

/* ---- revoke ---- */

/* The stop first: what comes of the journal must not hold it up. */
static int revoke(struct context *context, const char *name, const void *arg)
{
    struct error err = {0};
    (void)arg;
    if (registry_revoke_token(context->registry, name, clock_now(), &err) != RESULT_OK)
        return command_failed(&err);
    printf("token %s is revoked, from the next request on\n", name);
    fflush(stdout);
    if (act_note_once(context, "token.revoke", name, "", &err) == RESULT_OK)
        return EXIT_DONE;
    error_prefix(&err, "it is revoked, but that is not in the journal");
    return command_failed(&err);
}

int cli_token_revoke(const struct invocation *invocation, int argc, char **argv)
{
    return act_on_name(invocation, argc, argv, revoke, NULL);
}
