/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_proxy_script.h"

#include "base/clock.h"
#include "base/str.h"
#include "proxy/smtp/server.h"
#include "tests/unit/test_proxy_fakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADVANCE_MAX (30 * 24 * 3600ul) /* seconds; beyond any deadline */

static bool set_reply(char *text, int *code, char out[256])
{
    size_t length = 0;
    int number = 0;
    if (sscanf(text, "%3d", &number) != 1 || number < 200 || number > 599 || strlen(text) < 5 ||
        !script_unescape(text + 4, &length))
        return false;
    *code = number;
    str_copy_n(out, 256, text + 4, length);
    return true;
}

/* What every provider's last EHLO offered, in words. */
static bool set_capabilities(char *text)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"8bitmime", CAPABILITY_8BITMIME},
                 {"dsn", CAPABILITY_DSN},
                 {"smtputf8", CAPABILITY_SMTPUTF8}};
    world.provider.capabilities = 0;
    for (char *word; (word = strsep(&text, " ")) != NULL;) {
        size_t i = 0;
        while (i < 3 && strcmp(word, words[i].word) != 0)
            i++;
        if (i == 3 && strcmp(word, "nothing") != 0)
            return false;
        world.provider.capabilities |= i < 3 ? words[i].bit : 0;
    }
    return true;
}

static bool do_provider(char *text)
{
    struct fake_provider *provider = &world.provider;
    if (strcmp(text, "hold") == 0)
        provider->hold = true;
    else if (strcmp(text, "go") == 0)
        provider->hold = false;
    else if (strcmp(text, "first unreachable") == 0)
        provider->fails_unsaid = true;
    else if (strcmp(text, "fails said") == 0)
        return world_fail_provider(false);
    else if (strcmp(text, "fails unsaid") == 0)
        return world_fail_provider(true);
    else if (strcmp(text, "clogs") == 0)
        provider->pending = MAIL_PENDING_HIGH + 1;
    else if (strcmp(text, "drains") == 0)
        world_drain_provider();
    else if (strcmp(text, "final lost") == 0)
        provider->final_code = 1;
    else if (strncmp(text, "carries ", 8) == 0)
        return set_capabilities(text + 8);
    else if (strcmp(text, "second differs") == 0)
        provider->second_differs = true;
    else if (strncmp(text, "max ", 4) == 0)
        provider->max_recipients = (unsigned)strtoul(text + 4, NULL, 10);
    else if (strncmp(text, "rcpt ", 5) == 0)
        return set_reply(text + 5, &provider->rcpt_code, provider->rcpt_text);
    else if (strncmp(text, "data ", 5) == 0)
        return set_reply(text + 5, &provider->data_code, provider->data_text);
    else if (strncmp(text, "final ", 6) == 0)
        return set_reply(text + 6, &provider->final_code, provider->final_text);
    else
        return false;
    return true;
}

static bool do_store(const char *text)
{
    if (strcmp(text, "hold") == 0)
        world.store_hold = true;
    else if (strcmp(text, "answers") == 0)
        world_release_lookups(false);
    else if (strcmp(text, "answers reversed") == 0)
        world_release_lookups(true);
    else
        return false;
    return true;
}

static bool do_journal(const char *text)
{
    static const char *const modes[] = {"later", "sync", "hold", "fail"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, modes[i]) == 0) {
            world.journal = (enum journal_mode)i;
            return true;
        }
    if (strcmp(text, "answers") == 0)
        world_release_appends(true);
    else if (strcmp(text, "gives up") == 0)
        world_release_appends(false);
    else
        return false;
    return true;
}

static bool do_advance(const char *text)
{
    unsigned long seconds = strtoul(text, NULL, 10);
    if (seconds == 0 || seconds > ADVANCE_MAX)
        return false;
    world_advance((int64_t)seconds * CLOCK_SECOND);
    return true;
}

/* The client's address has failed so often. */
static bool do_guessed(const char *text)
{
    unsigned long times = strtoul(text, NULL, 10);
    if (times == 0 || times > 100 || atomic_load(&world.gate.sessions) == 0)
        return false;
    while (times-- > 0)
        guesses_note(world.gate.guesses, connection_key(world.session->connection), "anybody",
                     false, clock_monotonic());
    return true;
}

bool script_event(const char *word, char *text)
{
    if (text == NULL && strcmp(word, "drain") == 0)
        smtp_drain(&world.lane);
    else if (text == NULL && strcmp(word, "abort") == 0)
        smtp_abort_all(&world.lane);
    else if (text == NULL)
        return false;
    else if (strcmp(word, "provider") == 0)
        return do_provider(text);
    else if (strcmp(word, "seal") == 0 && strcmp(text, "lost") == 0)
        world.gate.seal = NULL;
    else if (strcmp(word, "store") == 0)
        return do_store(text);
    else if (strcmp(word, "journal") == 0)
        return do_journal(text);
    else if (strcmp(word, "advance") == 0)
        return do_advance(text);
    else if (strcmp(word, "guessed") == 0)
        return do_guessed(text);
    else
        return false;
    return true;
}
